"""How a cluster's nights are going: for `digital-cluster status` and any outside monitor.

Belongs here: reading what nights left. Does not belong here: running one.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.connectors.lease import current_lease
from pipelines.connectors.objects import get_json
from pipelines.domain.outcomes import ExitCode
from pipelines.jobs.ingest import own_topics
from pipelines.jobs.night import Night
from pipelines.jobs.nightly import STATUS_PATH
from pipelines.schemas.streams import parse_topic
from pipelines.schemas.tables import RAW, RELEASES


@dataclass(frozen=True)
class Health:
    """State of a cluster.

    Args:
        last_good_night: nominal time of the last night that was completed; null: none yet.
        newest_day: newest day with a released figure; null: none yet.
        expected_day: last closed day.
        waiting: offsets by topic that no night has read.
        lease_holder: process and host that hold the lease; null: it is free.
    """

    last_good_night: str | None
    newest_day: date | None
    expected_day: date
    waiting: dict[str, int]
    lease_holder: str | None

    @property
    def exit_code(self) -> ExitCode:
        """Return STALE if the newest published day is older than expected."""
        fresh = self.newest_day is not None and self.newest_day >= self.expected_day
        return ExitCode.DONE if fresh else ExitCode.STALE

    def lines(self) -> list[tuple[str, str]]:
        """Return (heading, text) lines for a person."""
        waiting = ", ".join(f"{topic} {count}" for topic, count in sorted(self.waiting.items()))
        stale = self.exit_code is not ExitCode.DONE
        return [
            *(
                [("STALE / 지연", f"no figures of {self.expected_day} yet / 아직 발표된 수치가 없습니다")]
                if stale
                else []
            ),
            ("last good night", self.last_good_night or "none yet"),
            ("newest published day", str(self.newest_day or "none yet")),
            ("expected day", str(self.expected_day)),
            ("waiting offsets", waiting or "none"),
            ("lease", self.lease_holder or "free"),
        ]


def check_health(night: Night, now_s: float) -> Health:
    """Read the state of a cluster; writes nothing.

    Args:
        night: the cluster, its store and source; its clock says which day is expected.
        now_s: wall clock, seconds since 1970, to judge the lease.

    Raises:
        OperatorError: source or store can't be reached.
    """
    status = get_json(night.store.objects, STATUS_PATH)
    _, lease = current_lease(night.store.objects)
    held = lease is not None and not lease.is_free(now_s)
    return Health(
        last_good_night=status["last_good_night"] if status else None,
        newest_day=_newest_day(night),
        expected_day=night.last_closed_day(night.cluster.zone),
        waiting=_waiting(night),
        lease_holder=f"process {lease.pid} on {lease.host}" if lease is not None and held else None,
    )


def _newest_day(night: Night) -> date | None:
    if not night.store.exists(RELEASES):
        return None
    newest = night.store.open(RELEASES).scan().select(pl.col("period_start").max()).collect().item()
    return newest if isinstance(newest, date) else None


def _waiting(night: Night) -> dict[str, int]:
    waiting: dict[str, int] = {}
    for bound in night.source.bounds(own_topics(night)[0]):
        topic = parse_topic(bound.partition.topic)
        table = RAW[topic.stream] if topic is not None else None
        if table is None:
            continue
        made = night.store.exists(table)
        position = night.store.open(table).position(bound.partition.app_id) if made else None
        behind = bound.end - max(position or 0, bound.earliest)
        if behind > 0:
            waiting[bound.partition.topic] = waiting.get(bound.partition.topic, 0) + behind
    return waiting
