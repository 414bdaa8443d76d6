"""Totals of scope 1 and 2 by method and GWP set: exact sums, what is missing counted, never different sets.

Belongs here: which figures a total adds, and what it says of those that it can't. Does not belong here: the
figures.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipelines.domain.emissions.figures import AMOUNT_UNKNOWN, FACTOR_UNKNOWN, Figure, Method, contribution_of
from pipelines.domain.emissions.lookup import Percent
from pipelines.domain.emissions.uncertainty import propagated

ALL_ACTIVITIES, BOTH_SCOPES = "*", "1+2"
_METHODS: tuple[Method, ...] = ("location", "market")


@dataclass(frozen=True)
class Total:
    """The total of one method and GWP set.

    Args:
        method: location or market; scope 1 is in both.
        gwp_set: of all that is added.
        masses_kg: by gas, of the figures that have masses [kg].
        co2e_kg: [kg CO2e]; null: no figure is known.
        provisional: at least one figure in it is.
        percent: 95 % distances of what the reasons say is covered [%]; null: none is.
        reasons: ``incomplete:<n>``, ``uncertainty_covers:<share>``.
    """

    method: Method
    gwp_set: str | None
    masses_kg: Mapping[str, Fraction]
    co2e_kg: Fraction | None
    provisional: bool
    percent: Percent | None
    reasons: tuple[str, ...]


def totals(figures: Sequence[Figure], asked_set: str, unknown: Collection[str] = ()) -> list[Total]:
    """Return the totals, location before market, sets in the order in which they occur.

    A figure that can't be told belongs to no set: it counts as missing in every total of its method. So does
    an activity that no table knows: it may well be of scope 1 or 2.

    Args:
        figures: of all activities and methods.
        asked_set: names the total where no figure is known.
        unknown: activities that no table knows.
    """
    made = []
    for method in _METHODS:
        own = [f for f in figures if _belongs(f, method, unknown)]
        if not own:
            continue
        made += sums_by_set(own, method, asked_set)
    return made


def sums_by_set(figures: Sequence[Figure], method: Method, asked_set: str) -> list[Total]:
    """Add figures, one total for each GWP set in the order in which they occur: sets are never added.

    Args:
        figures: all that belongs into the sum; those that can't be told count as missing in each set.
        method: what the totals are called.
        asked_set: names the total where no figure is known.
    """
    missing = sum(f.co2e_kg is None for f in figures)
    known = [f for f in figures if f.co2e_kg is not None]
    sets = dict.fromkeys(f.gwp_set for f in known) or {asked_set: None}
    return [_total(method, name, [f for f in known if f.gwp_set == name], missing) for name in sets]


def _belongs(made: Figure, method: Method, unknown: Collection[str]) -> bool:
    if made.activity.activity in unknown:
        return True
    return made.scope == "1" or (made.scope == "2" and made.method == method)


def _total(method: Method, gwp_set: str | None, figures: Sequence[Figure], missing: int) -> Total:
    percent, reasons = _uncertainty(figures)
    return Total(
        method,
        gwp_set,
        _masses(figures),
        sum((f.co2e_kg or Fraction(0) for f in figures), Fraction(0)) if figures else None,
        any(f.provisional for f in figures),
        percent,
        (*([f"incomplete:{missing}"] if missing else []), *reasons),
    )


def _masses(figures: Iterable[Figure]) -> Mapping[str, Fraction]:
    masses: dict[str, Fraction] = {}
    for made in figures:
        for gas, kg in made.masses_kg.items():
            masses[gas] = masses.get(gas, Fraction(0)) + kg
    return masses


def _uncertainty(figures: Sequence[Figure]) -> tuple[Percent | None, tuple[str, ...]]:
    """Propagate what is known, and say which share of the total that is."""
    contributions = [contribution_of(made) for made in figures]
    total = math.fsum(c.co2e_kg for c in contributions)
    if total == 0:
        return None, ()
    covered = [c for c in contributions if c.is_stated or c.co2e_kg == 0]
    share = math.fsum(c.co2e_kg for c in covered) / total
    reasons = []
    if share == 0 and not all(c.is_known for c in contributions):
        reasons.append(FACTOR_UNKNOWN)
    if any(c.amount_percent is None and c.co2e_kg for c in contributions if c.is_known):
        reasons.append(AMOUNT_UNKNOWN)
    if len(covered) < len(contributions):
        reasons.append(f"uncertainty_covers:{share!r}")
    return propagated(covered), tuple(reasons)
