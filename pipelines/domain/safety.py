"""Safety and people: from reported hours and incidents to a day's hours, headcount and incidents.

Belongs here: the elements of safety and of personnel. Does not belong here: the sharing out of periods and
the rules of events and days (pipelines.domain.operations).

- **Hours** of a period are shared out to its local days. Their coverage is the share of the planned time that
  the reports cover. A day without planned time is covered by definition: without a report it has 0 h, nobody
  was expected. A planned day without a report is not known. Where the calendar isn't known, a day is covered
  if a report reaches it.
- **Recordable incidents** are lost time and medical treatment. First aid and near misses are not counted, but
  they show that the stream lives.
- **Headcount** is what the newest report that reaches the day says; a day without one is not known. It is a
  level: never add it over days.
"""

import polars as pl

from pipelines.domain.calendar import merged, seconds_between
from pipelines.domain.operations import (
    ALL_PRODUCTS,
    DAY_KEY,
    MEASURED,
    as_facts,
    covered_days,
    element_rows,
    latest,
    overlapping,
    placed,
    shared_out,
    speaking,
    with_planned,
)
from pipelines.domain.sums import exact_sum

SAFETY_KINDS = ("hours", "lost_time", "medical_treatment", "first_aid", "near_miss")
RECORDABLE = ("lost_time", "medical_treatment")
_VALUES = ("at", "kind", "until", "worked_h", "attended_h", "headcount")
_KEY = list(DAY_KEY)
_S_PER_H = 3600


def daily_safety(safety: pl.DataFrame, windows: pl.DataFrame, planned: pl.DataFrame) -> pl.DataFrame:
    """Sum hours and incidents by local day.

    Args:
        safety: ``factory, event, kind, at, until [us, UTC], worked_h, attended_h [h], headcount, sequence,
            record_timestamp``: all of a factory's; any order, duplicates allowed.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.
        planned: planned time, as pipelines.domain.calendar.planned_segments gives it.

    Returns:
        OPERATIONS_SCHEMA, sorted by OPERATIONS_KEY: one row per element and day from the first event on.
    """
    events = latest(safety, ("factory", "event"), _VALUES)
    days = with_planned(covered_days(windows, speaking(safety), planned), planned)
    reports = events.filter(pl.col("kind") == "hours", pl.col("until").is_not_null())
    worked = _hours(reports, "worked_h", days, planned)
    attended = _hours(reports, "attended_h", days, planned)
    hours, coverage, quality = pl.col("quantity"), pl.col("coverage"), pl.col("quality")
    return as_facts([
        element_rows(worked, "worked_h", hours, coverage, quality),
        element_rows(worked, "apwt_s", hours * _S_PER_H, coverage, quality),
        element_rows(attended, "apat_s", hours * _S_PER_H, coverage, quality),
        _incidents(events, days),
        _headcount(reports, days),
    ])  # fmt: skip


def _hours(reports: pl.DataFrame, amount: str, days: pl.DataFrame, planned: pl.DataFrame) -> pl.DataFrame:
    """Return the days with ``quantity`` [h], ``coverage`` and ``quality`` of one kind of hours."""
    told = reports.filter(pl.col(amount).is_not_null()).with_columns(product=pl.lit(ALL_PRODUCTS))
    shares = shared_out(told, days, amount).select(*_KEY, "quantity", "quality", "reported_s")
    reported = merged(told.select("factory", start="at", end="until"))
    pieces = overlapping(days, planned.drop_nulls()).select("factory", day="start", start="from", end="to")
    met_s = exact_sum(seconds_between("from", "to"))
    met = overlapping(pieces, reported).group_by("factory", start="day").agg(met_s=met_s)
    planned_s = pl.col("planned_s")
    coverage = (
        pl.when(planned_s.is_null())
        .then(pl.col("reported_s").is_not_null().cast(pl.Float64))
        .when(planned_s > 0)
        .then(pl.col("met_s").fill_null(0.0) / planned_s)
        .otherwise(1.0)
    )
    return (
        days.join(shares, on=_KEY, how="left")
        .join(met, on=_KEY, how="left")
        .with_columns(
            coverage=coverage,
            quantity=pl.col("quantity").fill_null(0.0),
            quality=pl.col("quality").fill_null(MEASURED),
        )
    )


def _incidents(events: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    counts = placed(events, days).group_by(_KEY).agg(counted=pl.col("kind").is_in(RECORDABLE).sum())
    filled = days.join(counts, on=_KEY, how="left")
    return element_rows(filled, "incidents", pl.col("counted").fill_null(0), pl.col("covered"))


def _headcount(reports: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    told = reports.filter(pl.col("headcount").is_not_null()).select(
        "factory", "event", "headcount", start="at", end="until"
    )
    newest = (
        overlapping(days, told)
        .sort("span_start", "span_end", "event")
        .unique(_KEY, keep="last", maintain_order=True)
        .select(*_KEY, "headcount")
    )
    filled = days.join(newest, on=_KEY, how="left")
    known = pl.col("headcount").is_not_null().cast(pl.Float64)
    return element_rows(filled, "headcount", pl.col("headcount"), known)
