"""Readings that were corrected: new rows that say something else than a row of the same instant did before.

Belongs here: finding them among a night's new rows. Does not belong here: which days they reach
(pipelines.jobs.touching), which of two readings counts (pipelines.domain.meters).
"""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.calendar import day_window
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import zones_of
from pipelines.schemas.tables import ROW_IDENTITY

_DAYS_AT_ONCE = 31
_INSTANT = ["factory", "meter", "kind", "at"]
_COLUMNS = [*_INSTANT, "value", "unit", *ROW_IDENTITY]


def corrected_readings(night: Night, raw: OpenTable, since: int | None, final: set[date]) -> pl.DataFrame:
    """Return factory, meter, kind, day, first_at, last_at of new readings that contradict an older one.

    An older one of the same factory, meter, kind and instant, and not among the new ones.

    Args:
        night: the night.
        raw: raw_energy.
        since: the version of it that is accounted for; null: none, so nothing can contradict.
        final: local dates with final facts. No other day has a cause, so nothing else is looked at but what
            lies within the longest bridged gap of such a day.
    """
    empty = raw.empty().select("factory", "meter", "kind", "day", first_at="at", last_at="at")
    actions = None if since is None else raw.changes_since(since)
    margin = 1 + night.max_gap_s // 86_400
    near = {day + timedelta(days=n) for day in final for n in range(-margin, margin + 1)}
    files: dict[date, list[str]] = {}
    for action in actions or []:
        day = date.fromisoformat(action["partitionValues"]["day"])
        if action["kind"] == "add" and day in near:
            files.setdefault(day, []).append(action["path"])
    zones = sorted(set(zones_of(night)["zone"]))
    parts = [empty]
    for chunk in (sorted(files)[n : n + _DAYS_AT_ONCE] for n in range(0, len(files), _DAYS_AT_ONCE)):
        new = [
            _new_rows(raw, path, day, None if day in final else _edges(day, zones, night.max_gap_s))
            for day in chunk
            for path in files[day]
        ]
        parts.append(_contradicting(raw, pl.concat(new), chunk))
    return pl.concat(parts).sort("factory", "meter", "kind", "day")


def _new_rows(raw: OpenTable, path: str, day: date, edges: pl.Expr | None) -> pl.DataFrame:
    rows = raw.read_files([path], _COLUMNS).with_columns(day=pl.lit(day))
    return rows if edges is None else rows.filter(edges)


def _edges(day: date, zones: Sequence[str], max_gap_s: int) -> pl.Expr:
    """Say which instants of a day are so near its ends that they may reach into its neighbours."""
    windows = [day_window(day, zone) for zone in zones]
    gap = timedelta(seconds=max_gap_s)
    latest_start, earliest_end = max(start for start, _ in windows), min(end for _, end in windows)
    return (pl.col("at") <= latest_start + gap) | (pl.col("at") >= earliest_end - gap)


def _contradicting(raw: OpenTable, new: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
    older = (
        raw.scan()
        .filter(pl.col("day").is_in(list(days)))
        .select(_COLUMNS)
        .join(new.select(_INSTANT).unique().lazy(), on=_INSTANT, how="semi")
        .join(new.select(ROW_IDENTITY).lazy(), on=ROW_IDENTITY, how="anti")
        .select(*_INSTANT, old_value="value", old_unit="unit")
        .collect()
    )
    differs = (pl.col("value") != pl.col("old_value")) | (pl.col("unit") != pl.col("old_unit"))
    return (
        new.join(older, on=_INSTANT)
        .filter(differs)
        .group_by("factory", "meter", "kind", "day")
        .agg(first_at=pl.col("at").min(), last_at=pl.col("at").max())
    )
