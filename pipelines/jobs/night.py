"""What one night is: its cluster, store, source and clock. Every job gets it; none reads settings itself.

Belongs here: the night's fixed facts and its calendar (closed, final). Does not belong here: steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.sealing import LedgerKey
from pipelines.connectors.sink import OpenSink
from pipelines.connectors.source import Source
from pipelines.connectors.store import ClusterStore
from pipelines.domain.cluster import ClusterDefinition
from pipelines.jobs.progress import Progress
from pipelines.schemas.registry import Registry

NIGHTLY_AT = time(3, 0)


@dataclass(frozen=True)
class Night:
    """One run for one cluster.

    Args:
        cluster: its definition, with imported factories.
        store: its store.
        source: where records are read.
        registry: writers' schemas.
        as_of: the injected clock, with a zone.
        unit_multipliers: carrier, kind, unit, multiplier to the carrier's canonical unit.
        factors: emission_factors, if not the packaged ones.
        other_clusters: the hub's other clusters: what is theirs is not ours and not unclaimed.
        tell: progress.
        workers: threads; null: one a core.
        open_outputs: opens where output topics are written; null: nowhere (the archive).
        ledger_key: seals and signs what is released; null: nothing can be released.
    """

    cluster: ClusterDefinition
    store: ClusterStore
    source: Source
    registry: Registry
    as_of: datetime
    unit_multipliers: pl.DataFrame
    other_clusters: tuple[ClusterDefinition, ...]
    tell: Progress
    workers: int | None = None
    factors: pl.DataFrame | None = None
    max_message_bytes: int = 1_048_576
    future_tolerance_s: int = 600
    slice_bytes: int = 32 * 1024 * 1024
    cutoff_h: float = 24.0
    max_gap_s: int = 7200
    max_state_s: int | None = None
    max_silence_s: int | None = None
    max_days: int = 400
    bucket_count: int = 1
    open_outputs: Callable[[], OpenSink] | None = None
    ledger_key: LedgerKey | None = None

    @property
    def nominal(self) -> datetime:
        """Nominal time of the night: the latest 03:00 of the cluster's zone at or before as_of."""
        return nominal_time(self.as_of, self.cluster.zone)

    @property
    def known_at_us(self) -> int:
        """Nominal time, us since 1970."""
        return round(self.nominal.timestamp() * 1_000_000)

    @property
    def all_clusters(self) -> tuple[ClusterDefinition, ...]:
        """This cluster and the hub's others."""
        return (self.cluster, *self.other_clusters)

    def last_closed_day(self, zone: str) -> date:
        """Return the newest local date whose midnight end has passed at the nominal time."""
        return (self.nominal.astimezone(ZoneInfo(zone)) - timedelta(days=1)).date()

    def is_final(self, day_end: datetime) -> bool:
        """Say whether a day that ended then is past its cut-off."""
        return self.nominal >= day_end + timedelta(hours=self.cutoff_h)


def nominal_time(as_of: datetime, zone: str) -> datetime:
    """Return the latest 03:00 of a zone at or before an instant."""
    local = as_of.astimezone(ZoneInfo(zone))
    tonight = datetime.combine(local.date(), NIGHTLY_AT, ZoneInfo(zone))
    if local >= tonight:
        return tonight
    return datetime.combine(local.date() - timedelta(days=1), NIGHTLY_AT, ZoneInfo(zone))
