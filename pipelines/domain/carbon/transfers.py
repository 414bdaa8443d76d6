"""Energy that one factory sells to another: which sale and which purchase are one transfer.

Belongs here: matching the two sides. Does not belong here: what is done about it in totals (statements).
"""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from pipelines.domain.carbon.entries import BOUGHT, SOLD, Entry
from pipelines.domain.units import UnitTable

_TOLERANCE = Fraction(1, 100)
Place = tuple[str, date, str]


def matched_transfers(entries: Iterable[Entry], units: UnitTable) -> frozenset[Place]:
    """Return the places of sales and purchases that match.

    A sale and a purchase are one transfer if both name the same id, each other's factory, the same activity
    and month, and amounts within 1 % of each other (two meters). A side that matches several is none.
    """
    live = [one for one in entries if one.flow in {BOUGHT, SOLD} and one.transfer_id is not None]
    sales = [one for one in live if one.flow == SOLD]
    found: list[tuple[Entry, Entry]] = [
        (sale, purchase)
        for purchase in live
        if purchase.flow == BOUGHT
        for sale in sales
        if _are_one(sale, purchase, units)
    ]
    sides = [side.place for pair in found for side in pair]
    return frozenset(place for place in sides if sides.count(place) == 1)


def _are_one(sale: Entry, purchase: Entry, units: UnitTable) -> bool:
    named = (sale.transfer_id, sale.activity, sale.month, sale.factory, sale.counterpart) == (
        purchase.transfer_id, purchase.activity, purchase.month, purchase.counterpart, purchase.factory,
    )  # fmt: skip
    factor = units.factor(sale.unit, purchase.unit) if named else None
    if factor is None or sale.amount is None or purchase.amount is None:
        return False
    sold, bought = Fraction(sale.amount) * factor, Fraction(purchase.amount)
    return abs(sold - bought) <= _TOLERANCE * max(abs(sold), abs(bought))
