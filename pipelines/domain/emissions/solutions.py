"""The rates of an activity as a value: gases per unit, the rows that say so, and how they were found.

Belongs here: turning rows that were found into rates, putting rates of several periods together. Does not
belong here: which rows those are (lookup, rates).
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.domain.emissions.fuels import UNIT_NOT_CONVERTIBLE, Quantity
from pipelines.domain.emissions.gases import COMPOSITE
from pipelines.domain.emissions.lookup import MATCHES, Factor, Found, Match, Percent

COMPANIONS = ("CH4", "N2O")
_WITH_COMPANIONS = frozenset({"consumption_end", "delivered_heat"})
_UNIT = re.compile(r"^(g|kg|t)(?P<gas>[A-Z][A-Za-z0-9-]*)/(?P<per>.+)$")
_KG = {"g": Fraction(1, 1000), "kg": Fraction(1), "t": Fraction(1000)}


@dataclass(frozen=True)
class Rate:
    """What one unit emits of one gas.

    Args:
        gas: of the gas, or CO2e of a composite row.
        kg: [kg per unit of the activity].
        row: id of the row whose error it carries.
        percent: 95 % distances of the factor [%]; null: not known.
        gwp_set: a composite row's own set; null: a gas.
    """

    gas: str
    kg: Fraction
    row: str
    percent: Percent | None
    gwp_set: str | None = None


@dataclass(frozen=True)
class Solution:
    """The rates of an activity, and how they were found.

    Args:
        rates: empty: none can be told; `reasons` say why.
        rows: ids of all rows used.
        match: exact, fallback or none: of the CO2 or CO2e row.
        provisional: a newer row may replace it.
        reasons: codes.
    """

    rates: tuple[Rate, ...]
    rows: tuple[str, ...]
    match: Match
    provisional: bool = False
    reasons: tuple[str, ...] = ()


def factor_unit(unit: str) -> tuple[Fraction, str] | None:
    """Take the unit of a factor apart: kilograms of its mass, and what it is per; null: it is none."""
    parts = _UNIT.match(unit)
    return None if parts is None else (_KG[parts[1]], parts["per"])


def of_rows(
    found: Found, quantity: Callable[[Factor, str], Quantity], *, tell_missing: bool = True
) -> Solution:
    """Turn rows into rates.

    Args:
        found: the rows.
        quantity: what one unit of the activity is in the unit that a row is per.
        tell_missing: whether a vintage of electricity or heat without CH4 or N2O says so.
    """
    rates: list[Rate] = []
    rows: list[str] = []
    reasons = [f"carried_forward:{found.carried_years}y"] if found.carried_years else []
    for row in found.rows:
        mass, per = factor_unit(row.unit) or (Fraction(0), "")
        amount = quantity(row, per) if per else Quantity(None, reasons=(UNIT_NOT_CONVERTIBLE,))
        rows += (*amount.rows, row.factor_id)
        reasons += amount.reasons
        if amount.value is None:
            every = once((*rows, *(one.factor_id for one in found.rows)))
            return Solution((), every, found.match, bool(found.carried_years), once(reasons))
        own_set = ("unstated" if row.gwp_set == "none" else row.gwp_set) if row.gas == COMPOSITE else None
        percent = both(row.uncertainty, amount.percent)
        rates.append(Rate(row.gas, row.value * mass * amount.value, row.factor_id, percent, own_set))
    gases = {row.gas for row in found.rows}
    if tell_missing and COMPOSITE not in gases and found.rows[0].basis in _WITH_COMPANIONS:
        reasons += [f"gas_factor_missing:{gas}" for gas in COMPANIONS if gas not in gases]
    return Solution(tuple(rates), once(rows), found.match, bool(found.carried_years), once(reasons))


def once(codes: Iterable[str]) -> tuple[str, ...]:
    """Return the codes or ids, each once, in their first order."""
    return tuple(dict.fromkeys(codes))


def both(first: Percent | None, second: Percent | None) -> Percent | None:
    """Combine the distances of two factors of a product, by quadrature."""
    if first is None or second is None:
        return None
    return (math.hypot(first[0], second[0]), math.hypot(first[1], second[1]))


def same(one: Solution, other: Solution) -> bool:
    """Say whether two periods are answered by the same rows in the same way."""
    return (one.rows, one.match, bool(one.rates)) == (other.rows, other.match, bool(other.rates))


def weighted(parts: Sequence[tuple[Solution, Fraction]]) -> Solution:
    """Add solutions by their share of the days; one that has no rates leaves none."""
    broken = next((solution for solution, _ in parts if not solution.rates), None)
    if broken is not None:
        return broken
    rows = once(row for solution, _ in parts for row in solution.rows)
    provisional = any(solution.provisional for solution, _ in parts)
    rates = tuple(replace(rate, kg=rate.kg * share) for solution, share in parts for rate in solution.rates)
    match = max((solution.match for solution, _ in parts), key=MATCHES.index)
    reasons = once(code for solution, _ in parts for code in solution.reasons)
    return Solution(rates, rows, match, provisional, reasons)
