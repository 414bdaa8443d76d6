"""A factory's electricity by hour, day, month or year, as its owner reads it back.

Belongs here: periods of the factory's calendar and what is known of each. Does not belong here: which meters
roll up (pipelines.domain.factory_energy), reading facts, printing (pipelines.publish.energy_listing).
"""

from datetime import date
from typing import Literal

import polars as pl

from pipelines.domain.calendar import hours_of, seconds_between, windows_of_days
from pipelines.domain.factory_energy import factory_hours
from pipelines.domain.onramp import unusable
from pipelines.domain.sums import exact_sum

Period = Literal["hour", "day", "month", "year"]
PERIODS: tuple[Period, ...] = ("hour", "day", "month", "year")
COLUMNS = ("start", "energy_kwh", "coverage", "quality")
_TRUNCATION = {"day": "1d", "month": "1mo", "year": "1y"}
_QUALITIES = pl.Enum(["measured", "interpolated", "estimated", "suspect"])


def energy_rows(
    facts: pl.DataFrame,
    meters: pl.DataFrame,
    factory: str,
    *,
    zone: str,
    first: date,
    last: date,
    by: Period,
) -> pl.DataFrame:
    """Sum a factory's electricity over each period of its calendar; periods without facts are rows too.

    Args:
        facts: rows of facts_energy, of any factories, meters and days.
        meters: ``factory, meter, carrier, parent`` of the profiles; ``parent`` null: a main meter.
        factory: id of the factory.
        zone: its zone (IANA).
        first: first local date.
        last: last local date, included.
        by: length of a period. A period that begins before `first` or ends after `last` is cut there.

    Returns:
        ``start`` [us, in the zone], ``energy_kwh`` [kWh] (hours, and from the day upwards the amounts of gaps
        that no hour could be given; null: nothing is known, which is not zero), ``coverage`` (share of the
        period's time that was measured, 0 to 1), ``quality`` (the worst of its parts; null: nothing known);
        in order of start.

    Raises:
        OperatorError: `first` comes after `last`.
        ValueError: the zone is unknown.
    """
    if first > last:
        raise unusable(
            f"--from {first} comes after --to {last}; swap them, both dates are included",
            f"--from {first}이(가) --to {last}보다 늦습니다. 바꾸어 쓰세요. 두 날짜 모두 포함됩니다",
        )
    own = facts.filter((pl.col("factory") == factory) & pl.col("day").is_between(first, last))
    rolled = factory_hours(own, meters).with_columns(pl.col("quality").cast(_QUALITIES))
    hours = _every_hour(rolled.filter(pl.col("allocation") == "hour"), factory, zone, (first, last))
    length_s = seconds_between("start", "end")
    timed = hours.with_columns(length_s=length_s, covered_s=pl.col("coverage").fill_null(0.0) * length_s)
    gaps = rolled.filter((pl.col("allocation") == "unallocated") & pl.lit(by != "hour"))
    parts = pl.concat([timed, gaps.select("day", "energy_kwh", "quality")], how="diagonal")
    period = pl.col("start") if by == "hour" else pl.col("day").dt.truncate(_TRUNCATION[by])
    return (
        parts.group_by(period=period)
        .agg(
            pl.col("start").min().dt.convert_time_zone(zone),
            energy_kwh=exact_sum(pl.col("energy_kwh")),
            coverage=exact_sum(pl.col("covered_s")) / exact_sum(pl.col("length_s")),
            quality=pl.col("quality").max(),
        )
        .sort("start")
        .select("start", "energy_kwh", "coverage", pl.col("quality").cast(pl.String))
    )


def _every_hour(known: pl.DataFrame, factory: str, zone: str, days: tuple[date, date]) -> pl.DataFrame:
    """Return the known hours and, without amount, every other hour of the days."""
    dates = pl.date_range(*days, eager=True)
    factory_days = pl.DataFrame({"day": dates}).with_columns(factory=pl.lit(factory), zone=pl.lit(zone))
    calendar = hours_of(windows_of_days(factory_days)).with_columns(
        day=pl.col("start").dt.convert_time_zone(zone).dt.date()
    )
    unknown = calendar.join(known, on="start", how="anti").select("day", "start", "end")
    hours = known.select("day", "start", "end", "energy_kwh", "coverage", "quality")
    return pl.concat([hours, unknown], how="diagonal")
