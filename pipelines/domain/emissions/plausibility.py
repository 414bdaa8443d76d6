"""Amounts that look wrong: flags only, the figures stay.

Belongs here: comparing the rows of one file with each other. Does not belong here: correcting them.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import median

from pipelines.domain.emissions.activities import ENERGY_UNIT, Activity, amount_unit
from pipelines.domain.emissions.fuels import BASIS_SUSPECT, Conversion, Pair
from pipelines.domain.emissions.rates import Rates

IMPLAUSIBLE = "amount_implausible"
_TIMES, _LEAST_ROWS = 1000, 5
_TOLERANCE = 0.02


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
        energies = [n for n in rows if amount_unit(conversion.units, activities[n].unit).energy_basis]
        if energies:
            one = activities[rows[0]]
            pair = rates.pair_of(one, one.start).pair
            stated = {n: _stated_mj(activities[n], pair, conversion) for n in rows}
            ratio = float(1 / conversion.net_to_gross(one, pair)[0])
            found |= _on_the_other_basis(energies, stated, ratio)
    return found


def _stated_mj(one: Activity, pair: Pair | None, conversion: Conversion) -> float:
    """Return the energy as its row states it, whatever the basis; of a mass or volume the net one [MJ]."""
    if amount_unit(conversion.units, one.unit).energy_basis is None:
        per_unit = conversion.fuel(one, ENERGY_UNIT, gross=False, pair=pair).value
    else:
        per_unit = conversion.plain(one, ENERGY_UNIT, any_basis=True).value
    return math.nan if per_unit is None or one.amount is None else float(one.amount * per_unit)


def _on_the_other_basis(energies: Sequence[int], stated: Mapping[int, float], ratio: float) -> set[int]:
    """Return the energies that are GCV/NCV times another of the group, within the tolerance."""
    ordered = sorted(mj for mj in stated.values() if not math.isnan(mj))
    found = set()
    for n in energies:
        low, high = stated[n] / ratio / (1 + _TOLERANCE), stated[n] / ratio / (1 - _TOLERANCE)
        near = bisect_right(ordered, high) - bisect_left(ordered, low)
        if not math.isnan(stated[n]) and near > (low <= stated[n] <= high):
            found.add(n)
    return found
