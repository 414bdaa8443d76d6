"""Amounts that look wrong: flags only, the figures stay.

Belongs here: comparing the rows of one file with each other. Does not belong here: correcting them.
"""

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from statistics import median

from pipelines.domain.emissions.activities import ENERGY_UNIT, Activity, amount_unit
from pipelines.domain.emissions.fuels import BASIS_SUSPECT, Conversion, Quantity
from pipelines.domain.emissions.rates import Rates

IMPLAUSIBLE = "amount_implausible"
_TIMES, _LEAST_ROWS = 1000, 5
_TOLERANCE = Fraction(2, 100)


def flags(activities: Sequence[Activity], rates: Rates, conversion: Conversion) -> list[tuple[str, ...]]:
    """Return the flags of each activity.

    `amount_implausible`: more than 1,000 times or less than 1/1,000 of the median of the same activity and
    unit, where there are at least 5 rows. `basis_suspect`: an energy that is within 2 % of GCV/NCV times that
    of another row of the same fuel, place and period: one of them is probably on the other basis, or both
    are the same gas.
    """
    implausible, suspect = _implausible(activities), _suspect(activities, rates, conversion)
    return [
        (*([IMPLAUSIBLE] if n in implausible else []), *([BASIS_SUSPECT] if n in suspect else []))
        for n in range(len(activities))
    ]


def _implausible(activities: Sequence[Activity]) -> set[int]:
    groups: defaultdict[tuple[str, str], list[tuple[int, Fraction]]] = defaultdict(list)
    for n, one in enumerate(activities):
        if one.amount is not None:
            groups[one.activity, one.unit].append((n, one.amount))
    found: set[int] = set()
    for rows in groups.values():
        middle = median(amount for _, amount in rows)
        if len(rows) >= _LEAST_ROWS:
            found |= {n for n, a in rows if a > middle * _TIMES or a * _TIMES < middle}
    return found


def _suspect(activities: Sequence[Activity], rates: Rates, conversion: Conversion) -> set[int]:
    groups: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for n, one in enumerate(activities):
        if one.amount and rates.burns(one.activity):
            groups[one.activity, one.geography, one.start, one.end].append(n)
    found: set[int] = set()
    for rows in (rows for rows in groups.values() if len(rows) > 1):
        stated = {n: _stated_energy(activities[n], rates, conversion) for n in rows}
        for n in rows:
            pair = rates.pair_of(activities[n], activities[n].start).pair
            gross_per_net = 1 / conversion.net_to_gross(activities[n], pair)[0]
            if amount_unit(conversion.units, activities[n].unit).energy_basis is None:
                continue
            others = (stated[other] for other in rows if other != n)
            if any(_near(stated[n], other, gross_per_net) for other in others):
                found.add(n)
    return found


def _stated_energy(one: Activity, rates: Rates, conversion: Conversion) -> Fraction | None:
    """Return the energy as its row states it, whatever the basis; of a mass or volume the net one [MJ]."""
    unit = amount_unit(conversion.units, one.unit)
    if unit.energy_basis is None:
        pair = rates.pair_of(one, one.start).pair
        per_unit: Quantity = conversion.fuel(one, ENERGY_UNIT, gross=False, pair=pair)
    else:
        per_unit = conversion.plain(one, ENERGY_UNIT, any_basis=True)
    return None if per_unit.value is None or one.amount is None else one.amount * per_unit.value


def _near(energy: Fraction | None, other: Fraction | None, ratio: Fraction) -> bool:
    return (
        energy is not None and other is not None and abs(energy - other * ratio) <= _TOLERANCE * other * ratio
    )
