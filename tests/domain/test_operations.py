"""The rules that all daily operations share: which event counts, which days a stream covers, sharing out."""

import random
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.calendar import INSTANT
from pipelines.domain.operations import UNITS, covered_days, latest, shared_out, speaking
from pipelines.reference.kpis import kpi_book
from tests.domain.operating import BERLIN, SEOUL, at, days_from, events, no_calendar, planned_on

NOTES = {"event": pl.String, "at": INSTANT, "until": INSTANT, "note": pl.String}
COSTS = {"product": pl.String, "at": INSTANT, "until": INSTANT, "amount": pl.Float64}
NOTHING = pl.DataFrame(schema={"factory": pl.String, "start": INSTANT, "end": INSTANT})


def covered(*spoken: tuple[int, float], count: int = 7, planned: pl.DataFrame | None = None) -> list[bool]:
    """Say which days from Monday on are covered by events at some days and hours."""
    told = events({"at": INSTANT}, *({"at": at(day, hour)} for day, hour in spoken))
    days = covered_days(days_from(count=count), speaking(told), planned_on() if planned is None else planned)
    return days["covered"].to_list()


def test_units_are_those_of_the_catalogue() -> None:
    elements = kpi_book().elements
    assert {name: elements[name].unit for name in UNITS} == UNITS


@pytest.mark.parametrize(
    ("others", "wins"),
    [
        ([{"sequence": 3, "note": "old"}, {"sequence": 4, "note": "new"}], "new"),
        (
            [
                {"sequence": 4, "note": "sent later", "record_timestamp": at(1)},
                {"sequence": 4, "note": "z", "record_timestamp": at(0)},
            ],
            "sent later",
        ),
        ([{"sequence": 4, "note": "a"}, {"sequence": 4, "note": "b"}, {"sequence": 4, "note": None}], "b"),
    ],
)
def test_the_highest_sequence_counts_then_the_later_record_then_the_greater_content(
    others: list[dict[str, object]], wins: str
) -> None:
    rows = events(NOTES, *({"event": "e", "at": at(0), **other} for other in others))
    for order in (rows, rows.reverse()):
        found = latest(order, ("factory", "event"), ("at", "until", "note"))
        assert found["note"].to_list() == [wins]


def test_a_stream_opens_with_its_first_event() -> None:
    assert covered() == []
    # It speaks on Wednesday and Friday: Thursday is proved by Friday; the week end has nothing planned.
    assert covered((2, 9), (4, 9)) == [True, True, True, True, True]


def test_a_planned_day_is_not_covered_until_the_stream_speaks_again() -> None:
    assert covered((0, 9), count=3) == [True, False, False]
    assert covered((0, 9), (2, 0), count=3) == [True, True, True]
    # The event of Monday the 10th, 09:00, proves the days that end at most seven days before it.
    assert covered((0, 9), (7, 9), count=5) == [True, True, True, True, True]


def test_a_day_is_proved_only_within_the_week_after_it() -> None:
    """Tuesday ends at 24:00; an event at or after Tuesday midnight a week later is too late for it."""
    just = covered((0, 9), (8, 23), count=2)
    late = covered((0, 9), (9, 0), count=2)
    assert (just, late) == ([True, True], [True, False])


def test_a_day_without_planned_time_is_covered_for_a_week_after_the_last_word() -> None:
    never = planned_on().clear()
    assert covered((0, 9), count=10, planned=never) == [True] * 8 + [False] * 2
    assert covered((0, 9), count=3, planned=no_calendar()) == [True, False, False]


def test_a_period_speaks_of_all_its_days() -> None:
    told = events(NOTES, {"event": "m", "at": at(0), "until": at(3)})
    days = covered_days(days_from(count=5), speaking(told), planned_on())
    assert days["covered"].to_list() == [True, True, True, False, False]


def test_a_period_is_shared_out_by_time_and_says_what_it_covers() -> None:
    """Monday 12:00 to Wednesday 12:00, 480: 120 + 240 + 120; 10 more from Monday 0:00 to 18:00."""
    told = events(
        COSTS,
        {"product": "*", "at": at(0, 12), "until": at(2, 12), "amount": 480.0},
        {"product": "*", "at": at(0), "until": at(0, 18), "amount": 10.0},
        {"product": "*", "at": at(1), "until": at(2), "amount": None},
    )
    shares = shared_out(told, days_from(), "amount")
    assert shares.select("quantity", "reported_s", "quality").rows() == [
        (130.0, 86_400.0, "interpolated"),
        (240.0, 86_400.0, "interpolated"),
        (120.0, 43_200.0, "interpolated"),
    ]


def test_a_period_within_a_day_is_measured() -> None:
    told = events(COSTS, {"product": "*", "at": at(1), "until": at(2), "amount": 7.0})
    (row,) = shared_out(told, days_from(), "amount").rows(named=True)
    assert (row["start"], row["quantity"], row["quality"]) == (at(1), 7.0, "measured")


def test_a_day_of_25_hours_gets_25_of_49_hours() -> None:
    sunday = date(2025, 10, 26)  # the clocks of Berlin go back
    begin, end = at(0, 0, BERLIN, sunday), at(2, 0, BERLIN, sunday)
    told = events(COSTS, {"product": "*", "at": begin, "until": end, "amount": 49.0})
    assert shared_out(told, days_from(sunday, 2, BERLIN), "amount")["quantity"].to_list() == [25.0, 24.0]


ZONES = st.sampled_from(
    [(SEOUL, date(2025, 12, 20)), (BERLIN, date(2025, 10, 15)), (BERLIN, date(2025, 3, 20))]
)
PERIODS = st.lists(
    st.tuples(st.integers(0, 19), st.integers(1, 30 * 24), st.floats(0, 1e9)), min_size=1, max_size=8
)


@given(zone=ZONES, periods=PERIODS, shuffle=st.integers(0, 99), cut=st.integers(1, 59))
@settings(max_examples=40, deadline=None)
def test_shares_of_a_period_add_up_over_month_ends_and_days_of_23_and_25_hours(
    zone: tuple[str, date], periods: list[tuple[int, int, float]], shuffle: int, cut: int
) -> None:
    name, first = zone
    rows = [
        {"product": "*", "at": begin, "until": begin + timedelta(hours=hours), "amount": amount}
        for begin, hours, amount in ((at(day, 0, name, first), h, a) for day, h, a in periods)
    ]  # fmt: skip
    told, windows = events(COSTS, *rows), days_from(first, 60, name)
    shares = shared_out(told, windows, "amount")
    total = sum(amount for _, _, amount in periods)
    assert shares["quantity"].sum() == pytest.approx(total, rel=1e-12)
    random.Random(shuffle).shuffle(rows)  # noqa: S311 - a repeatable shuffle
    parts = [shared_out(events(COSTS, *rows), w, "amount") for w in (windows[:cut], windows[cut:])]
    assert pl.concat(parts).equals(shares)


@given(
    spoken=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 23)), max_size=10), cut=st.integers(1, 39)
)
@settings(max_examples=40, deadline=None)
def test_whether_a_day_is_covered_depends_neither_on_order_nor_on_which_days_are_asked(
    spoken: list[tuple[int, int]], cut: int
) -> None:
    told = events({"at": INSTANT}, *({"at": at(day, hour)} for day, hour in spoken))
    windows, planned = days_from(count=40), planned_on(count=40)
    whole = covered_days(windows, speaking(told), planned)
    parts = [covered_days(w, speaking(told.reverse()), planned) for w in (windows[:cut], windows[cut:])]
    assert pl.concat(parts).equals(whole)
