"""Why a final day changes: the words of the history, which of several is named, what a meter correction is.

Belongs here: the causes of restated facts and their rules. Does not belong here: finding what touched a day
(pipelines.jobs.touching), versions and the history itself (pipelines.jobs.restating).
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

METHOD_CHANGE = "method_change"
LATE_DATA = "late_data"
PROFILE_CHANGE = "profile_change"
SUSPECT_ACCEPTED = "suspect_accepted"
SUSPECT_REVOKED = "suspect_revoked"
METER_CORRECTION = "meter_correction"
CAUSES = (METHOD_CHANGE, LATE_DATA, PROFILE_CHANGE, SUSPECT_ACCEPTED, SUSPECT_REVOKED, METER_CORRECTION)
"""All causes, weakest first. Of several that reach one day the strongest is named: a correction and a
decision are deliberate and of this day, a profile is deliberate and of many days, data merely arrive, and a
method reaches everything."""

_RANKS = {cause: rank for rank, cause in enumerate(CAUSES)}
# What of a meter's master data no energy fact depends on.
_NOT_OF_ENERGY = frozenset({"machine"})
Place = TypeVar("Place")


def add_cause(causes: MutableMapping[Place, str], places: Iterable[Place], cause: str) -> None:
    """Note a cause for some places, where no stronger one is noted."""
    for place in places:
        noted = causes.get(place)
        if noted is None or _RANKS[cause] > _RANKS[noted]:
            causes[place] = cause


def meters_differ(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], start: datetime, end: datetime
) -> bool:
    """Say whether two profiles know other meters in a span, or know them otherwise.

    Args:
        before: the meters of one profile, as in its contract, in any order.
        after: those of the other.
        start: begin of the span.
        end: end of the span. A meter counts if its validity touches the span: a closing value at its very
            beginning belongs to a difference that may reach into it.

    Returns:
        Whether any of what energy depends on differs: carrier, unit, place in the tree, digits, maximum,
        direction, validity, opening and closing value. The machine that a meter measures does not count.
    """
    return _meters_of(before, start, end) != _meters_of(after, start, end)


def _meters_of(meters: Sequence[Mapping[str, Any]], start: datetime, end: datetime) -> list[tuple[str, ...]]:
    valid = (
        m
        for m in meters
        if (m.get("valid_from") is None or m["valid_from"] <= end)
        and (m.get("valid_to") is None or m["valid_to"] >= start)
    )
    return sorted(
        tuple(f"{name}={m[name]!r}" for name in sorted(m) if name not in _NOT_OF_ENERGY) for m in valid
    )
