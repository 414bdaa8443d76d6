"""Local days, hours and shifts as UTC instants: where summer time is dealt with, once.

Belongs here: turning local dates and wall times of a zone into half-open UTC spans; how long they are. Does
not belong here: what is measured in them.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import overload
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

INSTANT = pl.Datetime("us", "UTC")
WINDOW_SCHEMA = pl.Schema({"factory": pl.String(), "start": INSTANT, "end": INSTANT})
_PROBE = pl.Series([datetime(2000, 1, 1, tzinfo=UTC)], dtype=INSTANT)
_HOUR_US = 3_600_000_000
_S_US = 1_000_000


def in_seconds(time_us: pl.Expr) -> pl.Expr:
    """Turn whole microseconds into seconds; whole seconds are exact.

    It isn't divided by a literal: Polars then multiplies by the reciprocal, but not in a frame of one row, so
    the last bit would depend on what else is computed.
    """
    return (time_us // _S_US).cast(pl.Float64) + (time_us % _S_US).cast(pl.Float64) * 1e-6


def seconds_between(first: str, last: str) -> pl.Expr:
    """Return the time from one instant to another [s]."""
    return in_seconds((pl.col(last) - pl.col(first)).dt.total_microseconds())


@cache
def known_zone(zone: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        ValueError: no such zone; the message names it.
    """
    try:
        found = ZoneInfo(zone)
        _PROBE.dt.convert_time_zone(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"unknown time zone {zone!r}: use an IANA name such as Asia/Seoul") from error
    return found


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall time: the first of two; the clock change itself if the clock skips it."""
    later = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if later.astimezone(zone).replace(tzinfo=None) == wall:
        return later
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    old_offset = before.astimezone(zone).utcoffset()
    while later - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(later - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old_offset:
            before = middle
        else:
            later = middle
    return later


@cache
def day_window(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return [start, end) in UTC of a local calendar day: 23, 24 or 25 hours where summer time changes.

    Raises:
        ValueError: no such zone.
    """
    place = known_zone(zone)
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall time; its zone is applied next
    return _instant(midnight, place), _instant(midnight + timedelta(days=1), place)


def windows_of_days(factory_days: pl.DataFrame) -> pl.DataFrame:
    """Return the UTC window of each factory-day.

    Args:
        factory_days: ``factory``, ``day`` (local date), ``zone`` (IANA name); none null.

    Returns:
        ``factory``, ``day``, ``start``, ``end`` [us, UTC], sorted by factory and start; duplicates merged.

    Raises:
        ValueError: a zone is unknown.
    """
    pairs = factory_days.select("zone", "day").unique()
    bounds = [(z, d, *day_window(d, z)) for z, d in pairs.iter_rows()]
    schema = pl.Schema({"zone": pl.String(), "day": pl.Date(), "start": INSTANT, "end": INSTANT})
    known = pl.DataFrame(bounds, schema=schema, orient="row")
    return (
        factory_days.select("factory", "day", "zone")
        .unique()
        .join(known, on=["zone", "day"])
        .select("factory", "day", "start", "end")
        .sort("factory", "start")
    )


def day_windows(factories: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the UTC window of one local date for each factory.

    Args:
        factories: ``factory``, ``zone`` (IANA name).
        day: the local date.

    Returns:
        ``factory``, ``start``, ``end`` [us, UTC], sorted by factory.

    Raises:
        ValueError: a zone is unknown.
    """
    return windows_of_days(factories.select("factory", "zone", day=pl.lit(day))).drop("day")


def hours_of(windows: pl.DataFrame) -> pl.DataFrame:
    """Cut windows into steps of one absolute hour from their start; the last ends with the window.

    Args:
        windows: ``factory``, ``start``, ``end`` [us, UTC]; one local day each, not overlapping.

    Returns:
        ``factory``, ``start``, ``end``, sorted by factory and start: 23, 24 or 25 rows a day.
    """
    length_us = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    steps = pl.int_ranges(0, length_us, _HOUR_US)
    return (
        windows.select("factory", "start", window_end="end", step=steps)
        .explode("step", empty_as_null=False)
        .select("factory", start=pl.col("start") + pl.duration(microseconds="step"), window_end="window_end")
        .with_columns(end=pl.min_horizontal(pl.col("start") + pl.duration(hours=1), "window_end"))
        .select("factory", "start", "end")
        .sort("factory", "start")
    )


@overload
def local_day(instants: pl.Expr, zone: str) -> pl.Expr: ...
@overload
def local_day(instants: pl.Series, zone: str) -> pl.Series: ...
def local_day(instants: pl.Expr | pl.Series, zone: str) -> pl.Expr | pl.Series:
    """Return the local date of UTC instants; null stays null.

    Raises:
        ValueError: no such zone.
    """
    known_zone(zone)
    return instants.dt.convert_time_zone(zone).dt.date()


def planned_segments(
    factory_days: pl.DataFrame, shifts: pl.DataFrame, holidays: pl.DataFrame
) -> pl.DataFrame:
    """Return the planned time of factory-days as UTC spans.

    A shift belongs to the week day on which it starts and may reach into the next date. No time of a holiday
    is planned, and no shift starts on one. Overlapping shifts are merged: a second is planned once. A wall
    time that occurs twice is its first occurrence; one that the clock skips is the moment of the change.

    Args:
        factory_days: ``factory``, ``day``, ``zone``.
        shifts: ``factory``, ``weekday`` (1 = Monday), ``start_minute``, ``end_minute`` [min after local
            midnight].
        holidays: ``factory``, ``day`` (local date).

    Returns:
        ``factory``, ``start``, ``end`` [us, UTC], sorted, disjoint, within the days. A factory that has no
        shift on any week day has one row with null start and end: its calendar is not known.

    Raises:
        ValueError: a zone is unknown.
    """
    days = factory_days.select("factory", "day", "zone").unique()
    off = holidays.select("factory", "day").unique()
    worked = days.join(off, on=["factory", "day"], how="anti")
    begins = pl.concat([worked, worked.with_columns(pl.col("day").dt.offset_by("-1d"))]).unique()
    segments = (
        begins.join(off, on=["factory", "day"], how="anti")
        .with_columns(weekday=pl.col("day").dt.weekday().cast(pl.Int64))
        .join(shifts.with_columns(pl.col("weekday").cast(pl.Int64)), on=["factory", "weekday"])
        .select("factory", "zone", "day", "start_minute", "end_minute")
    )
    spans = _wall_spans(segments)
    windows = windows_of_days(worked).select("factory", window_start="start", window_end="end")
    clipped = (
        spans.join(windows, on="factory")
        .select(
            "factory",
            start=pl.max_horizontal("start", "window_start"),
            end=pl.min_horizontal("end", "window_end"),
        )
        .filter(pl.col("start") < pl.col("end"))
    )
    unknown = days.select("factory").unique().join(shifts, on="factory", how="anti")
    no_calendar = unknown.select("factory", start=pl.lit(None, INSTANT), end=pl.lit(None, INSTANT))
    return pl.concat([merged(clipped), no_calendar]).sort("factory", "start")


def _wall_spans(segments: pl.DataFrame) -> pl.DataFrame:
    def minute_of(zone: str, day: date, minute: int) -> datetime:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall time; its zone is applied next
        return _instant(midnight + timedelta(minutes=minute), known_zone(zone))

    rows = [
        (f, minute_of(z, d, first), minute_of(z, d, last)) for f, z, d, first, last in segments.iter_rows()
    ]
    return pl.DataFrame(rows, schema=WINDOW_SCHEMA, orient="row")


def merged(spans: pl.DataFrame) -> pl.DataFrame:
    """Merge overlapping and touching spans of each factory.

    Args:
        spans: ``factory``, ``start``, ``end`` [us, UTC], in any order.

    Returns:
        The same columns, disjoint, sorted by factory and start.
    """
    ordered = spans.sort("factory", "start", "end")
    reached = pl.col("end").cum_max().shift().over("factory")
    opens = reached.is_null() | (pl.col("start") > reached)
    return (
        ordered.with_columns(island=opens.cum_sum())
        .group_by("factory", "island")
        .agg(pl.col("start").min(), pl.col("end").max())
        .sort("factory", "start")
        .select("factory", "start", "end")
    )
