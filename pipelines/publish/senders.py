"""Who sends and how well: zones, last events, coverage of streams, dead letters by sender.

Belongs here: what both the operator's and a member's pages say of deliveries. Does not belong here: figures.
"""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.cluster import Factory
from pipelines.publish.content import ReasonCount, SiteInputs

_FACTORY_TOPIC = r"^factory\.([a-z0-9][a-z0-9-]{0,39})\.[a-z]+$"


def current_factories(inputs: SiteInputs) -> tuple[Factory, ...]:
    """Return the factories that belong to the cluster on the closed day, sorted by id."""
    return tuple(
        sorted(
            (f for f in inputs.cluster.factories if f.belongs_on(inputs.day)),
            key=lambda factory: factory.factory,
        )
    )


def zone_of(inputs: SiteInputs, factory: str) -> ZoneInfo:
    """Return a factory's zone: its profile's, else the cluster's."""
    zones = inputs.profiles.filter(pl.col("factory") == factory)["zone"].drop_nulls()
    return ZoneInfo(zones[-1] if len(zones) else inputs.cluster.zone)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def last_event(liveness: pl.DataFrame, factory: str) -> datetime | None:
    """Return when a factory's last event happened (UTC), profiles aside; null: never."""
    events = liveness.filter((pl.col("factory") == factory) & (pl.col("stream") != "profile"))["last_event"]
    last = events.drop_nulls().max()
    if last is None:
        return None
    if not isinstance(last, datetime):
        raise TypeError(f"liveness.last_event must hold instants, not {type(last).__name__}")
    return last.astimezone(UTC) if last.tzinfo else last.replace(tzinfo=UTC)


def stream_coverage(liveness: pl.DataFrame, factory: str, stream: str) -> float | None:
    """Return the share of the closed day that a factory's stream covers [1]; null: it has no such stream."""
    rows = liveness.filter((pl.col("factory") == factory) & (pl.col("stream") == stream))
    return rows.row(0, named=True)["coverage"] if rows.height else None


def machine_coverage(facts_machine: pl.DataFrame, factory: str, day: date) -> float | None:
    """Return the share of a factory's planned machine time with a known state [1]; null: none was planned."""
    times = facts_machine.filter(
        (pl.col("factory") == factory) & (pl.col("day") == day) & (pl.col("product") == "*")
    ).sort("machine", "start")
    planned_s = float(times["pbt_s"].sum())
    return None if planned_s == 0.0 else 1.0 - float(times["unknown_s"].sum()) / planned_s


def dead_letters_by_owner(letters: pl.DataFrame) -> dict[str, tuple[ReasonCount, ...]]:
    """Group dead letters by who answers for them: the factory, else the topic (a gateway's, or nobody's).

    Args:
        letters: `factory` (null where the sender is no single factory) and/or `topic`, `reason`, `count`.

    Returns:
        reasons with counts, most frequent first, by factory id or topic name.
    """
    parts = []
    if "factory" in letters.columns:
        parts.append(pl.col("factory"))
    if "topic" in letters.columns:
        parts += [pl.col("topic").str.extract(_FACTORY_TOPIC), pl.col("topic")]
    counted = (
        letters.with_columns(owner=pl.coalesce(parts))
        .group_by("owner", "reason")
        .agg(pl.col("count").sum())
        .filter(pl.col("count") > 0)
        .sort("owner", "count", "reason", descending=[False, True, False])
    )
    owners: dict[str, tuple[ReasonCount, ...]] = {}
    for owner, reason, count in counted.select("owner", "reason", "count").iter_rows():
        owners[owner] = (*owners.get(owner, ()), ReasonCount(reason, count))
    return owners
