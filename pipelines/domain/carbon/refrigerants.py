"""Refrigerants that are recovered: whether the factory is known to have had them.

Belongs here: comparing recoveries with what was charged before. Does not belong here: what a gas emits, and
what is done about a recovery that goes beyond (ledger).
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from pipelines.domain.carbon.entries import CHARGED, LEAKED, RECOVERED, Entry
from pipelines.domain.carbon.transfers import Place
from pipelines.domain.units import UnitTable

GAS_FLOWS = (CHARGED, LEAKED, RECOVERED)


def recoveries_beyond(entries: Iterable[Entry], units: UnitTable) -> frozenset[Place]:
    """Return the recoveries that go beyond what a factory is known to have charged of the gas until then.

    Taking off more than was ever added would make emissions negative. A leak that is told stands for its
    refilling, so it counts as charged. What goes beyond takes nothing off, also not from later ones.

    Args:
        entries: of all months that are known, in any order; withdrawn ones and those without an amount [any
            unit of mass] say nothing.
        units: to kg.
    """
    told = [e for e in entries if e.flow in GAS_FLOWS and not e.withdrawn and e.amount is not None]
    left: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    beyond: set[Place] = set()
    for entry in sorted(told, key=lambda e: (e.start, e.flow == RECOVERED, e.activity_id)):
        per_unit, gas = units.factor(entry.unit, "kg"), (entry.factory, entry.activity)
        if per_unit is None:
            continue
        kg = Fraction(repr(entry.amount)) * per_unit
        if entry.flow != RECOVERED:
            left[gas] += kg
        elif kg > left[gas]:
            beyond.add(entry.place)
        else:
            left[gas] -= kg
    return frozenset(beyond)
