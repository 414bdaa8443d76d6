"""How far nights came that --max-days ended early: the next one goes on where they stopped.

Belongs here: the record of it, in the positions of the fact table itself. Does not belong here: which days
there are (pipelines.jobs.touching).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from pipelines.connectors.store import OpenTable
from pipelines.domain.methods import SETTINGS

_THROUGH, _NOMINAL = "bounded/through", "bounded/nominal"


@dataclass(frozen=True)
class Progress:
    """What a bounded night left behind.

    Args:
        through: no touched day up to it was left out.
        versions: source -> the version that the night read: tables, and the method.
        nominal_s: the night's nominal time, seconds since 1970.
    """

    through: date
    versions: Mapping[str, int]
    nominal_s: int

    def positions(self) -> dict[str, int]:
        """Return it as positions for the night's commit."""
        versions = {_version(table): version for table, version in self.versions.items()}
        return {**versions, _THROUGH: self.through.toordinal(), _NOMINAL: self.nominal_s}


def progress_to(through: date, versions: Mapping[str, int], nominal: datetime) -> Progress:
    """Return the progress of a night that left out the days after `through`."""
    return Progress(through, versions, int(nominal.timestamp()))


def stored_progress(facts: OpenTable, sources: Iterable[str]) -> Progress | None:
    """Return the progress of the last bounded night; null: none, or a whole night came after it."""
    through, nominal_s = facts.position(_THROUGH), facts.position(_NOMINAL)
    versions: dict[str, int] = {}
    for source in sources:
        version, consumed = facts.position(_version(source)), facts.position(source)
        if version is None or (source not in SETTINGS and version < (-1 if consumed is None else consumed)):
            return None
        versions[source] = version
    if through is None or nominal_s is None:
        return None
    return Progress(date.fromordinal(through), versions, nominal_s)


def _version(source: str) -> str:
    return f"bounded/{source}"
