from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.calendar import (
    INSTANT,
    WINDOW_SCHEMA,
    day_window,
    day_windows,
    hours_of,
    in_seconds,
    local_day,
    merged,
    planned_segments,
    windows_of_days,
)

BERLIN = "Europe/Berlin"
SEOUL = "Asia/Seoul"
MONDAY = date(2025, 11, 10)
NO_HOLIDAYS = pl.DataFrame(schema={"factory": pl.String(), "day": pl.Date()})
SHIFT_SCHEMA = pl.Schema(
    {"factory": pl.String(), "weekday": pl.Int32(), "start_minute": pl.Int32(), "end_minute": pl.Int32()}
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def factory_days(*days: date, zone: str = SEOUL, factory: str = "a1") -> pl.DataFrame:
    return pl.DataFrame({"factory": [factory] * len(days), "day": list(days), "zone": [zone] * len(days)})


def shifts(*rows: tuple[str, int, int, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SHIFT_SCHEMA, orient="row")


def holidays(*days: date) -> pl.DataFrame:
    return pl.DataFrame({"factory": ["a1"] * len(days), "day": list(days)}, schema=NO_HOLIDAYS.schema)


def segments(planned: pl.DataFrame) -> list[tuple[datetime, datetime]]:
    return planned.select("start", "end").rows()


@pytest.mark.parametrize(
    ("day", "zone", "start", "hours"),
    [
        (MONDAY, SEOUL, utc(2025, 11, 9, 15), 24),
        (date(2025, 3, 30), BERLIN, utc(2025, 3, 29, 23), 23),
        (date(2025, 10, 26), BERLIN, utc(2025, 10, 25, 22), 25),
        (date(2025, 3, 30), "Asia/Beirut", utc(2025, 3, 29, 22), 23),  # the clock skips midnight itself
        (date(2025, 4, 6), "Australia/Lord_Howe", utc(2025, 4, 5, 13), 24.5),
    ],
)
def test_a_local_day_is_as_long_as_its_clock(day: date, zone: str, start: datetime, hours: float) -> None:
    assert day_window(day, zone) == (start, start + timedelta(hours=hours))


@settings(max_examples=60, deadline=None)
@given(
    st.dates(date(2000, 1, 1), date(2035, 1, 1)),
    st.sampled_from([SEOUL, BERLIN, "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC"]),
)
def test_days_join_without_gap_and_hold_exactly_their_own_instants(day: date, zone: str) -> None:
    start, end = day_window(day, zone)
    assert day_window(day + timedelta(days=1), zone)[0] == end
    inside = pl.Series([start, end - timedelta(microseconds=1)], dtype=INSTANT)
    assert local_day(inside, zone).to_list() == [day, day]
    assert local_day(pl.Series([end], dtype=INSTANT), zone).to_list() == [day + timedelta(days=1)]


@pytest.mark.parametrize("zone", ["Nowhere/City", "Asia", "", "../etc"])
def test_an_unknown_zone_is_named(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        day_window(MONDAY, zone)
    with pytest.raises(ValueError, match="unknown time zone"):
        local_day(pl.col("at"), zone)


def test_hours_step_from_midnight_and_the_last_ends_with_the_day() -> None:
    lord_howe = hours_of(
        day_windows(pl.DataFrame({"factory": ["a1"], "zone": ["Australia/Lord_Howe"]}), date(2025, 4, 6))
    )
    assert lord_howe.height == 25
    assert lord_howe.row(-1)[2] - lord_howe.row(-1)[1] == timedelta(minutes=30)
    assert (lord_howe["start"].shift(-1).drop_nulls() == lord_howe["end"].head(24)).all()
    assert hours_of(pl.DataFrame(schema=WINDOW_SCHEMA)).is_empty()


def test_windows_of_several_zones_are_each_their_own() -> None:
    factories = pl.DataFrame({"factory": ["b1", "a1"], "zone": [BERLIN, SEOUL]})
    found = day_windows(factories, date(2025, 10, 26))
    assert found.rows() == [
        ("a1", utc(2025, 10, 25, 15), utc(2025, 10, 26, 15)),
        ("b1", utc(2025, 10, 25, 22), utc(2025, 10, 26, 23)),
    ]
    assert windows_of_days(factory_days(MONDAY, MONDAY)).height == 1


def test_a_shift_is_planned_on_its_week_day_only() -> None:
    planned = planned_segments(
        factory_days(MONDAY, MONDAY + timedelta(days=1)), shifts(("a1", 1, 480, 1020)), NO_HOLIDAYS
    )
    assert segments(planned) == [(utc(2025, 11, 9, 23), utc(2025, 11, 10, 8))]


def test_a_night_shift_reaches_into_the_next_day() -> None:
    night = shifts(("a1", 1, 1320, 1800))  # Monday 22:00 to Tuesday 06:00
    assert segments(planned_segments(factory_days(MONDAY), night, NO_HOLIDAYS)) == [
        (utc(2025, 11, 10, 13), utc(2025, 11, 10, 15))
    ]
    assert segments(planned_segments(factory_days(MONDAY + timedelta(days=1)), night, NO_HOLIDAYS)) == [
        (utc(2025, 11, 10, 15), utc(2025, 11, 10, 21))
    ]


def test_no_time_of_a_holiday_is_planned_and_no_shift_starts_on_one() -> None:
    night = shifts(("a1", 1, 1320, 1800), ("a1", 2, 1320, 1800))
    tuesday, wednesday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
    planned = planned_segments(factory_days(MONDAY, tuesday, wednesday), night, holidays(tuesday))
    assert segments(planned) == [(utc(2025, 11, 10, 13), utc(2025, 11, 10, 15))]


def test_overlapping_shifts_are_planned_once() -> None:
    planned = planned_segments(
        factory_days(MONDAY), shifts(("a1", 1, 0, 60), ("a1", 1, 30, 120), ("a1", 1, 120, 180)), NO_HOLIDAYS
    )
    assert segments(planned) == [(utc(2025, 11, 9, 15), utc(2025, 11, 9, 18))]


def test_wall_times_of_shifts_follow_summer_time() -> None:
    sunday = shifts(("a1", 7, 60, 240))  # 01:00 to 04:00
    spring = planned_segments(factory_days(date(2025, 3, 30), zone=BERLIN), sunday, NO_HOLIDAYS)
    assert segments(spring) == [(utc(2025, 3, 30, 0), utc(2025, 3, 30, 2))]
    autumn = planned_segments(factory_days(date(2025, 10, 26), zone=BERLIN), sunday, NO_HOLIDAYS)
    assert segments(autumn) == [(utc(2025, 10, 25, 23), utc(2025, 10, 26, 3))]


def test_wall_times_that_the_clock_skips_are_no_time() -> None:
    skipped = shifts(("a1", 7, 130, 170), ("a1", 7, 150, 210))  # 02:10-02:50 does not exist; 02:30-03:30 half
    planned = planned_segments(factory_days(date(2025, 3, 30), zone=BERLIN), skipped, NO_HOLIDAYS)
    assert segments(planned) == [(utc(2025, 3, 30, 1), utc(2025, 3, 30, 1, 30))]


def test_a_factory_without_any_shift_has_an_unknown_calendar() -> None:
    planned = planned_segments(factory_days(MONDAY), shifts(), NO_HOLIDAYS)
    assert planned.rows() == [("a1", None, None)]
    sunday_only = planned_segments(factory_days(MONDAY), shifts(("a1", 7, 0, 60)), NO_HOLIDAYS)
    assert sunday_only.is_empty()


def test_touching_and_contained_spans_merge() -> None:
    spans = pl.DataFrame(
        [("a1", utc(2025, 1, 1, h), utc(2025, 1, 1, e)) for h, e in ((0, 10), (1, 2), (10, 11), (12, 13))],
        schema=WINDOW_SCHEMA,
        orient="row",
    )
    assert segments(merged(spans.reverse())) == [
        (utc(2025, 1, 1, 0), utc(2025, 1, 1, 11)),
        (utc(2025, 1, 1, 12), utc(2025, 1, 1, 13)),
    ]


@given(st.lists(st.integers(0, 10**11), min_size=2, max_size=50))
def test_seconds_do_not_depend_on_what_else_is_computed(times_us: list[int]) -> None:
    together = pl.DataFrame({"us": times_us}).select(in_seconds(pl.col("us")))["us"].to_list()
    alone = [pl.DataFrame({"us": [us]}).select(in_seconds(pl.col("us")))["us"][0] for us in times_us]
    assert together == alone
    assert [s for s, us in zip(together, times_us, strict=True) if us % 1_000_000 == 0] == [
        us // 1_000_000 for us in times_us if us % 1_000_000 == 0
    ]
