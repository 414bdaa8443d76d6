"""How far nights came that --max-days ended early: the next one goes on where they stopped.

Belongs here: the record of it, in the positions of the fact table itself. Does not belong here: which days
there are (pipelines.jobs.touching).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from pipelines.connectors.store import OpenTable

_THROUGH, _NOMINAL = "bounded/through", "bounded/nominal"


@dataclass(frozen=True)
class Progress:
    """What a bounded night left behind.

    Args:
        through: no touched day up to it was left out.
        versions: source table -> the version that the night read.
        nominal_s: the night's nominal time, seconds since 1970.
    """

    through: date
    versions: Mapping[str, int]
    nominal_s: int

    def positions(self) -> dict[str, int]:
        """Return it as positions for the night's commit."""
        versions = {_version(table): version for table, version in self.versions.items()}
        return {**versions, _THROUGH: self.through.toordinal(), _NOMINAL: self.nominal_s}


def progress_to(through: date, sources: Mapping[str, OpenTable], nominal: datetime) -> Progress:
    """Return the progress of a night that left out the days after `through`."""
    versions = {t.table.name: t.version for t in sources.values()}
    return Progress(through, versions, int(nominal.timestamp()))


def stored_progress(facts: OpenTable, sources: Mapping[str, OpenTable]) -> Progress | None:
    """Return the progress of the last bounded night; null: none, or a whole night came after it."""
    through, nominal_s = facts.position(_THROUGH), facts.position(_NOMINAL)
    versions: dict[str, int] = {}
    for table in (source.table.name for source in sources.values()):
        version, consumed = facts.position(_version(table)), facts.position(table)
        if version is None or version < (-1 if consumed is None else consumed):
            return None
        versions[table] = version
    if through is None or nominal_s is None:
        return None
    return Progress(date.fromordinal(through), versions, nominal_s)


def _version(table: str) -> str:
    return f"bounded/{table}"
