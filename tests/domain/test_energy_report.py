"""What the `energy` command says of each period, worked by hand."""

import math
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.energy_report import PERIODS, Period, energy_rows
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.tables import FACTS_ENERGY

METERS = pl.DataFrame(
    {
        "factory": ["f1", "f1", "f2"],
        "meter": ["main", "sub", "main"],
        "carrier": ["electricity", "electricity", "electricity"],
        "parent": [None, "main", None],
    }
)
SEOUL = "Asia/Seoul"


def fact(start: datetime, day: date, quantity: float | None, **other: object) -> dict[str, Any]:
    known = quantity is not None
    return {
        "day": day,
        "bucket": 0,
        "factory": "f1",
        "meter": "main",
        "carrier": "electricity",
        "allocation": "hour",
        "start": start,
        "end": start + timedelta(hours=1),
        "quantity": quantity,
        "unit": "kWh",
        "coverage": 1.0 if known else 0.0,
        "quality": "measured" if known else None,
        "status": "final",
        "version": 1,
        "profile_version": "p",
        "known_at": start,
        **other,
    }


def facts(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = pl.DataFrame(FACTS_ENERGY.schema.empty_table()).schema
    return pl.DataFrame(rows, schema=schema, orient="row")


def a_day(day: date, hours: list[float | None]) -> list[dict[str, Any]]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=9)
    return [fact(midnight + timedelta(hours=i), day, quantity) for i, quantity in enumerate(hours)]


def report(rows: list[dict[str, Any]], first: date, last: date, by: Period) -> list[dict[str, Any]]:
    found = energy_rows(facts(rows), METERS, "f1", zone=SEOUL, first=first, last=last, by=by)
    assert found.columns == ["start", "energy_kwh", "coverage", "quality"]
    return found.to_dicts()


MONDAY = date(2018, 1, 1)


def test_a_day_is_the_sum_of_its_hours_and_both_dates_are_included() -> None:
    rows = (
        a_day(MONDAY, [1.0] * 24) + a_day(date(2018, 1, 2), [0.5] * 24) + a_day(date(2018, 1, 3), [9.0] * 24)
    )
    days = report(rows, MONDAY, date(2018, 1, 2), "day")
    assert [(d["energy_kwh"], d["coverage"], d["quality"]) for d in days] == [
        (24.0, 1.0, "measured"),
        (12.0, 1.0, "measured"),
    ]
    assert [d["start"].isoformat() for d in days] == [
        "2018-01-01T00:00:00+09:00",
        "2018-01-02T00:00:00+09:00",
    ]


def test_a_missing_hour_is_a_row_without_an_amount_never_a_zero() -> None:
    rows = a_day(MONDAY, [1.0, None, 0.0])
    hours = report(rows, MONDAY, MONDAY, "hour")
    assert len(hours) == 24
    assert [h["energy_kwh"] for h in hours[:4]] == [1.0, None, 0.0, None]
    assert [h["coverage"] for h in hours[:4]] == [1.0, 0.0, 1.0, 0.0]
    assert [h["quality"] for h in hours[:4]] == ["measured", None, "measured", None]


def test_coverage_counts_the_hours_without_facts() -> None:
    (day,) = report(a_day(MONDAY, [1.0] * 6), MONDAY, MONDAY, "day")
    assert (day["energy_kwh"], day["coverage"]) == (6.0, 0.25)


def test_a_period_of_which_nothing_is_known_has_no_amount() -> None:
    (month,) = report([], MONDAY, date(2018, 1, 31), "month")
    assert (month["energy_kwh"], month["coverage"], month["quality"]) == (None, 0.0, None)


def test_an_amount_that_no_hour_could_be_given_counts_from_the_day_upwards() -> None:
    gap = {"allocation": "unallocated", "coverage": None, "quality": "interpolated"}
    rows = [*a_day(MONDAY, [1.0] * 20 + [None] * 4)]
    rows.append(fact(rows[20]["start"], MONDAY, 7.5, **gap) | {"end": rows[23]["end"]})
    (day,) = report(rows, MONDAY, MONDAY, "day")
    assert (day["energy_kwh"], day["quality"]) == (27.5, "interpolated")
    assert day["coverage"] == pytest.approx(20 / 24)
    hours = report(rows, MONDAY, MONDAY, "hour")
    assert [h["energy_kwh"] for h in hours[20:]] == [None] * 4


def test_the_quality_of_a_period_is_its_worst() -> None:
    rows = a_day(MONDAY, [1.0] * 24)
    rows[3]["quality"], rows[5]["quality"] = "suspect", "estimated"
    (day,) = report(rows, MONDAY, MONDAY, "day")
    assert day["quality"] == "suspect"


def test_sub_meters_other_carriers_and_other_factories_are_not_added() -> None:
    rows = a_day(MONDAY, [1.0] * 24)
    rows += [r | {"meter": "sub"} for r in a_day(MONDAY, [5.0] * 24)]
    rows += [r | {"factory": "f2"} for r in a_day(MONDAY, [5.0] * 24)]
    rows += [r | {"carrier": "natural_gas"} for r in a_day(MONDAY, [5.0] * 24)]
    (day,) = report(rows, MONDAY, MONDAY, "day")
    assert day["energy_kwh"] == 24.0


def test_months_and_years_are_those_of_the_zone_and_are_cut_at_the_dates_asked_for() -> None:
    rows = a_day(date(2018, 1, 31), [1.0] * 24) + a_day(date(2018, 2, 1), [2.0] * 24)
    months = report(rows, date(2018, 1, 31), date(2018, 2, 1), "month")
    assert [(m["start"].isoformat(), m["energy_kwh"], m["coverage"]) for m in months] == [
        ("2018-01-31T00:00:00+09:00", 24.0, 1.0),
        ("2018-02-01T00:00:00+09:00", 48.0, 1.0),
    ]
    (year,) = report(rows, date(2018, 1, 31), date(2018, 2, 1), "year")
    assert (year["start"].isoformat(), year["energy_kwh"]) == ("2018-01-31T00:00:00+09:00", 72.0)


@pytest.mark.parametrize(("day", "hours"), [(date(2018, 3, 25), 23), (date(2018, 10, 28), 25)])
def test_days_of_summer_time_have_23_and_25_hours(day: date, hours: int) -> None:
    found = energy_rows(facts([]), METERS, "f1", zone="Europe/Berlin", first=day, last=day, by="hour")
    assert found.height == hours
    starts = found["start"].dt.convert_time_zone("UTC")
    assert starts.diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]


def test_dates_in_the_wrong_order_are_an_error() -> None:
    with pytest.raises(OperatorError) as error:
        report([], date(2018, 1, 2), MONDAY, "day")
    assert error.value.code == ExitCode.UNUSABLE_INPUT


@settings(max_examples=20, deadline=None)
@given(st.lists(st.none() | st.floats(0, 1e6), min_size=24, max_size=72), st.randoms())
def test_every_period_adds_up_to_the_same_total_in_any_order(
    hours: list[float | None], random: Random
) -> None:
    rows = []
    for index in range(0, len(hours), 24):
        rows += a_day(MONDAY + timedelta(days=index // 24), hours[index : index + 24])
    random.shuffle(rows)
    known = [h for h in hours if h is not None]
    expected = math.fsum(known) if known else None
    last = MONDAY + timedelta(days=(len(hours) - 1) // 24)
    (year,) = report(rows, MONDAY, last, "year")
    assert year["energy_kwh"] == expected
    for by in PERIODS:
        parts = [r["energy_kwh"] for r in report(rows, MONDAY, last, by)]
        known_parts = [p for p in parts if p is not None]
        assert (math.fsum(known_parts) if known_parts else None) == pytest.approx(expected)
