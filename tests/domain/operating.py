"""What the tests of daily operations share: days of factory a1, its planned time, events, answers."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.domain.calendar import INSTANT, WINDOW_SCHEMA, planned_segments, windows_of_days

SEOUL, BERLIN = "Asia/Seoul", "Europe/Berlin"
MONDAY = date(2025, 11, 3)
_NO_CALENDAR = pl.DataFrame({"factory": ["a1"], "start": [None], "end": [None]}, schema=WINDOW_SCHEMA)


def days_from(first: date = MONDAY, count: int = 7, zone: str = SEOUL) -> pl.DataFrame:
    """Return windows of consecutive local days of factory a1."""
    days = [first + timedelta(days=n) for n in range(count)]
    return windows_of_days(pl.DataFrame({"factory": "a1", "day": days, "zone": zone})).drop("day")


def planned_on(
    first: date = MONDAY, count: int = 7, zone: str = SEOUL, weekdays: Sequence[int] = (1, 2, 3, 4, 5)
) -> pl.DataFrame:
    """Return planned time from 8 to 17 on some week days."""
    days = pl.DataFrame(
        {"factory": "a1", "day": [first + timedelta(days=n) for n in range(count)], "zone": zone}
    )
    shifts = pl.DataFrame({"factory": "a1", "weekday": weekdays, "start_minute": 480, "end_minute": 1020})
    holidays = pl.DataFrame(schema={"factory": pl.String, "day": pl.Date})
    return planned_segments(days, shifts, holidays)


def no_calendar() -> pl.DataFrame:
    """Return what stands for planned time that is not known."""
    return _NO_CALENDAR


def at(day: int, hour: float = 0, zone: str = SEOUL, first: date = MONDAY) -> datetime:
    """Return an instant: hours after the midnight of a day, days counted from a first one (0)."""
    return days_from(first + timedelta(days=day), 1, zone)["start"][0] + timedelta(hours=hour)


def events(schema: Mapping[str, Any], *rows: Mapping[str, Any]) -> pl.DataFrame:
    """Return events of a1; what a row doesn't say is null, but sequence (its number) and record timestamp."""
    base = {"factory": "a1", "record_timestamp": at(0)}
    whole = {"factory": pl.String, **schema, "sequence": pl.Int64, "record_timestamp": INSTANT}
    return pl.DataFrame(
        [{**dict.fromkeys(whole), **base, "sequence": n, **row} for n, row in enumerate(rows)], schema=whole
    )


def amounts(facts: pl.DataFrame, element: str, product: str = "*") -> list[float | None]:
    """Return an element's quantities, day by day."""
    return facts.filter(element=element, product=product).sort("start")["quantity"].to_list()


def coverages(facts: pl.DataFrame, element: str, product: str = "*") -> list[float]:
    """Return an element's coverages, day by day."""
    return facts.filter(element=element, product=product).sort("start")["coverage"].to_list()


def qualities(facts: pl.DataFrame, element: str, product: str = "*") -> list[str | None]:
    """Return an element's qualities, day by day."""
    return facts.filter(element=element, product=product).sort("start")["quality"].to_list()
