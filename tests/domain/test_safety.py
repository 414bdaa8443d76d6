"""Hours, incidents and headcount by day, worked by hand; Monday to Friday are planned from 8 to 17."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.calendar import INSTANT
from pipelines.domain.safety import SAFETY_KINDS, daily_safety
from tests.domain.operating import (
    amounts,
    at,
    coverages,
    days_from,
    events,
    no_calendar,
    planned_on,
    qualities,
)

SCHEMA = {
    "event": pl.String, "kind": pl.String, "at": INSTANT, "until": INSTANT, "worked_h": pl.Float64,
    "attended_h": pl.Float64, "headcount": pl.Int32,
}  # fmt: skip


def hours(event: str, first: float, last: float, worked: float | None = 80.0, **more: Any) -> dict[str, Any]:
    """Report hours of a period, in days after Monday's midnight."""
    return {
        "event": event, "kind": "hours", "at": at(0, first * 24), "until": at(0, last * 24),
        "worked_h": worked, **more,
    }  # fmt: skip


def daily(*told: dict[str, Any], count: int = 7, planned: pl.DataFrame | None = None) -> pl.DataFrame:
    return daily_safety(
        events(SCHEMA, *told), days_from(count=count), planned_on(count=count) if planned is None else planned
    )


def test_a_planned_day_without_a_report_is_not_known_and_one_without_shifts_is_zero() -> None:
    """Reports of Monday and Wednesday; Tuesday, Thursday and Friday miss; nobody was expected after that."""
    facts = daily(hours("m", 0, 1, 80.0, attended_h=90.0), hours("w", 2, 3, 72.0))
    assert amounts(facts, "worked_h") == [80.0, None, 72.0, None, None, 0.0, 0.0]
    assert coverages(facts, "worked_h") == [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert amounts(facts, "apwt_s")[0] == 80 * 3600
    assert amounts(facts, "apat_s") == [90 * 3600, None, None, None, None, 0.0, 0.0]
    assert qualities(facts, "worked_h") == ["measured", None, "measured", None, None, "measured", "measured"]


def test_hours_of_a_week_are_shared_out_to_its_days_by_time() -> None:
    facts = daily(hours("week", 0, 7, 700.0))
    assert amounts(facts, "worked_h") == [100.0] * 7
    assert set(qualities(facts, "worked_h")) == {"interpolated"}
    assert set(coverages(facts, "worked_h")) == {1.0}


def test_hours_cover_the_share_of_planned_time_that_reports_reach() -> None:
    """A shift from 8 to 12 is told, that from 12 to 17 is not: four of nine planned hours."""
    facts = daily(hours("m", 8 / 24, 12 / 24, 40.0), count=1)
    assert (amounts(facts, "worked_h"), coverages(facts, "worked_h")) == ([40.0], [pytest.approx(4 / 9)])
    both = daily(hours("m", 8 / 24, 12 / 24, 40.0), hours("a", 12 / 24, 17 / 24, 45.0), count=1)
    assert (amounts(both, "worked_h"), coverages(both, "worked_h")) == ([85.0], [1.0])


def test_without_a_calendar_only_days_with_a_report_are_known() -> None:
    facts = daily(hours("m", 0.25, 0.75), count=2, planned=no_calendar())
    assert (amounts(facts, "worked_h"), coverages(facts, "worked_h")) == ([80.0, None], [1.0, 0.0])


def test_lost_time_and_medical_treatment_count_first_aid_and_near_misses_do_not() -> None:
    told = [
        {"event": kind, "kind": kind, "at": at(day, 9)}
        for day, kind in enumerate(("lost_time", "medical_treatment", "first_aid", "near_miss"))
    ]
    facts = daily(*told, hours("f", 4, 5), count=5)
    assert amounts(facts, "incidents") == [1, 1, 0, 0, 0]
    two = daily(told[0], {"event": "x", "kind": "lost_time", "at": at(0, 11)}, count=1)
    assert amounts(two, "incidents") == [2]


def test_no_incident_is_zero_only_where_the_stream_lives() -> None:
    """A report until Wednesday's end; then nothing: Thursday and Friday may have had one."""
    facts = daily(hours("m", 0, 3))
    assert amounts(facts, "incidents") == [0, 0, 0, None, None, 0, 0]
    assert coverages(facts, "incidents") == [1, 1, 1, 0, 0, 1, 1]


def test_the_headcount_is_that_of_the_newest_report_and_is_not_shared_out() -> None:
    facts = daily(
        hours("week", 0, 3, headcount=40), hours("tue", 1, 2, headcount=41), hours("thu", 3, 4), count=5
    )
    assert amounts(facts, "headcount") == [40, 41, 40, None, None]
    assert coverages(facts, "headcount") == [1, 1, 1, 0, 0]
    assert facts.filter(element="headcount")["unit"].unique().to_list() == ["person"]


def test_a_report_without_hours_is_no_report() -> None:
    facts = daily(hours("m", 0, 1, None, headcount=40), count=1)
    assert (amounts(facts, "worked_h"), amounts(facts, "headcount")) == ([None], [40])


def test_a_report_said_again_replaces_the_first() -> None:
    facts = daily(hours("m", 0, 1, 80.0), hours("m", 0, 1, 64.0), count=1)
    assert amounts(facts, "worked_h") == [64.0]


def test_a_factory_that_sends_no_safety_events_has_no_rows() -> None:
    assert daily().is_empty()


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 6), st.sampled_from(SAFETY_KINDS), st.integers(0, 9 * 24), st.integers(1, 90),
        st.one_of(st.none(), st.floats(0, 500)), st.one_of(st.none(), st.integers(1, 90)), st.integers(0, 2),
    ),
    max_size=15,
)  # fmt: skip


@given(told=EVENTS, shuffle=st.integers(0, 99), cut=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_rows_depend_neither_on_order_nor_on_repeats_nor_on_cuts(
    told: list[tuple[int, str, int, int, float | None, int | None, int]], shuffle: int, cut: int
) -> None:
    rows = [
        {"event": f"e{number}", "kind": kind, "at": at(0, begin), "sequence": sequence,
         "until": at(0, begin + lasts) if kind == "hours" else None, "worked_h": worked, "attended_h": worked,
         "headcount": heads}
        for number, kind, begin, lasts, worked, heads, sequence in told
    ]  # fmt: skip
    windows, planned = days_from(count=10), planned_on(count=10)
    whole = daily_safety(events(SCHEMA, *rows), windows, planned)
    again = [*rows, *rows[: len(rows) // 2]]
    random.Random(shuffle).shuffle(again)  # noqa: S311 - a repeatable shuffle
    parts = [daily_safety(events(SCHEMA, *again), w, planned) for w in (windows[:cut], windows[cut:])]
    assert pl.concat(parts).sort("element", "start").equals(whole.sort("element", "start"))
