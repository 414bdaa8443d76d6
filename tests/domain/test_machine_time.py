from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.domain.calendar import INSTANT, WINDOW_SCHEMA, day_window, day_windows
from pipelines.domain.machine_time import MACHINE_KEY, MACHINE_SCHEMA, heard_spans, hourly_machine_time

DAY = date(2025, 11, 10)
SEOUL = "Asia/Seoul"
STATE_SCHEMA = pl.Schema({
    "factory": pl.String(), "machine": pl.String(), "at": INSTANT, "until": INSTANT, "state": pl.String(),
    "sequence": pl.Int64(), "record_timestamp": INSTANT,
})  # fmt: skip
MACHINES = pl.DataFrame({"factory": ["a1"], "machine": ["p1"]})
BUCKETS = ("apt_s", "asut_s", "adet_s", "adot_s", "pmt_s", "cmt_s", "off_s", "unknown_s")


def clock(hours: float) -> datetime:
    return day_window(DAY, SEOUL)[0] + timedelta(hours=hours)


def state(
    hours: float, name: str, until: float | None = None, sequence: int = 1, sent: float = 0
) -> tuple[object, ...]:
    end = None if until is None else clock(until)
    return ("a1", "p1", clock(hours), end, name, sequence, clock(sent))


def states(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=STATE_SCHEMA, orient="row")


def spans(*bounds: tuple[float, float]) -> pl.DataFrame:
    rows = [("a1", clock(start), clock(end)) for start, end in bounds]
    return pl.DataFrame(rows, schema=WINDOW_SCHEMA, orient="row")


NO_CALENDAR = pl.DataFrame([("a1", None, None)], schema=WINDOW_SCHEMA, orient="row")


def windows(*days: date) -> pl.DataFrame:
    factories = pl.DataFrame({"factory": ["a1"], "zone": [SEOUL]})
    return pl.concat([day_windows(factories, day) for day in days or (DAY,)])


def hours(rows: pl.DataFrame, planned: pl.DataFrame, on: pl.DataFrame | None = None) -> pl.DataFrame:
    return hourly_machine_time(rows, MACHINES, windows() if on is None else on, planned)


def at_hour(facts: pl.DataFrame, hour: float, *columns: str) -> tuple[object, ...]:
    return facts.filter(pl.col("start") == clock(hour)).select(columns).row(0)


def test_a_day_has_one_row_per_machine_and_hour_without_quantities() -> None:
    facts = hours(states(), spans((8, 17)))
    assert facts.schema == MACHINE_SCHEMA
    assert facts.height == 24
    assert facts["product"].unique().to_list() == ["*"]
    assert facts["pq"].null_count() == 24


def test_each_state_counts_as_its_element() -> None:
    facts = hours(
        states(
            state(-1, "off"), state(8, "setup"), state(8.25, "running"), state(8.5, "idle"),
            state(8.75, "delay"),
            state(9, "down"), state(9.25, "stopped"), state(9.5, "repair"), state(9.75, "maintenance"),
            state(10, "off"),
        ),
        spans((8, 17)),
    )  # fmt: skip
    assert at_hour(facts, 8, "pbt_s", *BUCKETS) == (3600, 900, 900, 1800, 0, 0, 0, 0, 0)
    assert at_hour(facts, 9, "pbt_s", *BUCKETS) == (3600, 0, 0, 0, 1800, 900, 900, 0, 0)
    assert at_hour(facts, 10, "pbt_s", *BUCKETS) == (3600, 0, 0, 0, 0, 0, 0, 3600, 0)
    assert at_hour(facts, 17, "pbt_s", *BUCKETS) == (0, 0, 0, 0, 0, 0, 0, 3600, 0)


def test_the_last_state_runs_on_to_the_end_of_the_window() -> None:
    facts = hours(states(state(-30, "running")), spans((8, 17)))
    assert facts["apt_s"].to_list() == [3600.0] * 24
    assert facts["coverage"].to_list() == [1.0] * 24


def test_planned_time_without_a_state_is_unknown_and_other_time_is_off() -> None:
    facts = hours(states(state(9.5, "running")), spans((8, 17)))
    assert at_hour(facts, 7, "off_s", "unknown_s", "coverage", "quality") == (3600, 0, 1.0, "measured")
    assert at_hour(facts, 8, "pbt_s", "unknown_s", "coverage", "quality") == (3600, 3600, 0.0, None)
    assert at_hour(facts, 9, "apt_s", "unknown_s", "coverage", "quality") == (1800, 1800, 0.5, "measured")


def test_without_a_calendar_planned_time_is_null_and_silence_is_unknown() -> None:
    facts = hours(states(state(9.5, "running")), NO_CALENDAR)
    assert facts["pbt_s"].null_count() == 24
    assert at_hour(facts, 7, "off_s", "unknown_s", "coverage", "quality") == (0, 3600, 0.0, None)
    assert at_hour(facts, 9, "unknown_s", "coverage") == (1800, 0.5)


def test_an_unheard_of_state_is_unknown() -> None:
    facts = hours(states(state(8, "running"), state(8.5, "dreaming"), state(8.75, "running")), spans((8, 17)))
    assert at_hour(facts, 8, "apt_s", "unknown_s", "coverage") == (2700, 900, 0.75)


def test_overlapping_records_count_each_second_once_by_precedence() -> None:
    facts = hours(
        states(
            state(8, "running"),
            state(8.25, "stopped", until=9),
            state(8.5, "repair", until=8.75),
            state(8.625, "maintenance", until=9.25),
        ),
        spans((8, 17)),
    )
    assert at_hour(facts, 8, "apt_s", "adot_s", "cmt_s", "pmt_s") == (900, 900, 900, 900)
    assert at_hour(facts, 9, "apt_s", "pmt_s") == (2700, 900)


def test_a_failure_is_an_entry_from_outside() -> None:
    facts = hours(
        states(
            state(7, "running"), state(8, "down"), state(8.25, "repair"), state(8.5, "running"),
            state(8.75, "stopped"),
        ),
        spans((8, 17)),
    )  # fmt: skip
    assert at_hour(facts, 8, "failures") == (2,)
    assert facts["failures"].sum() == 2


def test_a_machine_found_down_at_the_start_has_not_failed_in_the_window() -> None:
    assert hours(states(state(-5, "down")), spans((8, 17)))["failures"].sum() == 0
    assert hours(states(state(-2, "stopped", until=1)), spans((8, 17)))["failures"].sum() == 0
    assert hours(states(state(-5, "running"), state(0, "down")), spans((8, 17)))["failures"].sum() == 1


def test_of_two_changes_at_one_instant_the_highest_sequence_wins_then_the_later_record() -> None:
    rows = states(
        state(8, "down", sequence=1, sent=9),
        state(8, "running", sequence=2, sent=1),
        state(8, "idle", sequence=2),
    )
    assert at_hour(hours(rows, spans((8, 17))), 8, "apt_s") == (3600,)
    assert at_hour(hours(rows.reverse(), spans((8, 17))), 8, "apt_s") == (3600,)


def test_states_of_unlisted_machines_give_no_rows() -> None:
    rows = states(state(8, "running")).with_columns(machine=pl.lit("ghost"))
    assert hours(rows, spans((8, 17)))["apt_s"].sum() == 0


def test_several_machines_and_factories_do_not_mix() -> None:
    machines = pl.DataFrame({"factory": ["a1", "a1", "b1"], "machine": ["p1", "p2", "p1"]})
    rows = states(state(8, "running"), state(9, "off"))
    other = states(state(8, "down"), state(10, "off")).with_columns(machine=pl.lit("p2"))
    factories = pl.DataFrame({"factory": ["a1", "b1"], "zone": [SEOUL, "Europe/Berlin"]})
    on = day_windows(factories, DAY)
    facts = hourly_machine_time(pl.concat([rows, other]), machines, on, spans((8, 17)))
    totals = (
        facts.group_by("factory", "machine")
        .agg(pl.col("apt_s").sum(), pl.col("adot_s").sum())
        .sort("factory", "machine")
    )
    assert totals.rows() == [("a1", "p1", 3600, 0), ("a1", "p2", 0, 7200), ("b1", "p1", 0, 0)]


@pytest.mark.parametrize(("day", "count"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25)])
def test_days_of_summer_time_have_their_hours(day: date, count: int) -> None:
    on = day_windows(pl.DataFrame({"factory": ["a1"], "zone": ["Europe/Berlin"]}), day)
    assert hours(states(), NO_CALENDAR, on).height == count


def test_a_stop_within_a_stop_and_one_across_its_end_count_each_second_once() -> None:
    """Stopped 8:00-11:00, repair in it 9:00-9:30, maintenance across its end 10:30-11:30; else running."""
    facts = hours(
        states(
            state(7, "running"),
            state(8, "stopped", until=11),
            state(9, "repair", until=9.5),
            state(10.5, "maintenance", until=11.5),
        ),
        spans((7, 17)),
    )
    totals = facts.select(pl.col("adot_s", "cmt_s", "pmt_s", "apt_s").sum() / 60).row(0)
    # Down 8:00-9:00 and 9:30-10:30, repair 30 min, maintenance 60, running 7:00-8:00 and 11:30-24:00.
    assert totals == (120.0, 30.0, 60.0, 60.0 + 12.5 * 60)
    # One failure: out of repair back to stopped, and on to maintenance, is none.
    assert facts["failures"].sum() == 1


def test_the_same_stop_told_twice_with_another_end_counts_by_its_higher_sequence() -> None:
    rows = states(
        state(7, "running"),
        state(8, "stopped", until=12, sequence=2),
        state(8, "stopped", until=10, sequence=3),
    )
    assert hours(rows, spans((7, 17)))["adot_s"].sum() == 2 * 3600


def test_a_stop_that_ends_where_the_next_begins_is_one_failure() -> None:
    rows = states(state(7, "running"), state(8, "stopped", until=9), state(9, "repair", until=10))
    assert hours(rows, spans((7, 17)))["failures"].sum() == 1


def test_a_stop_that_never_ends_runs_on_from_day_to_day() -> None:
    rows = states(state(7, "running"), state(20, "down"))
    facts = hours(rows, spans((7, 17), (31, 41)), windows(DAY, DAY + timedelta(days=1)))
    assert facts["adot_s"].sum() == 28 * 3600
    assert facts["failures"].sum() == 1
    alone = hours(rows, spans((31, 41)), windows(DAY + timedelta(days=1)))
    assert (alone["adot_s"].sum(), alone["failures"].sum()) == (24 * 3600, 0)


def test_a_machine_without_any_event_is_unknown_where_time_is_planned_and_off_elsewhere() -> None:
    facts = hours(states(), spans((8, 17)))
    assert facts.select(pl.col("pbt_s", "unknown_s", "off_s").sum() / 3600).row(0) == (9.0, 9.0, 15.0)
    assert at_hour(facts, 8, "coverage", "quality", "failures") == (0.0, None, 0)


def test_a_state_whose_end_was_lost_holds_no_longer_than_the_longest_plausible_one() -> None:
    """Running from 8:00, and no more news: with a bound of two hours the time after 10:00 is not known."""
    rows = states(state(8, "running"), state(8.5, "stopped", until=12))
    bounded = hourly_machine_time(rows, MACHINES, windows(), spans((8, 17)), max_state_s=7200)
    assert bounded["apt_s"].sum() == 0.5 * 3600
    assert bounded["adot_s"].sum() == 3.5 * 3600  # a stop record says its own end
    assert bounded["unknown_s"].sum() == 5 * 3600
    assert hours(rows, spans((8, 17)))["apt_s"].sum() == 12.5 * 3600


def test_news_in_time_lets_a_state_go_on() -> None:
    rows = states(state(8, "running"), state(9.5, "running"), state(11.5, "off"))
    bounded = hourly_machine_time(rows, MACHINES, windows(), spans((8, 17)), max_state_s=7200)
    assert bounded["apt_s"].sum() == 3.5 * 3600


def test_a_state_across_a_shift_a_midnight_and_a_month_is_cut_at_each() -> None:
    """Running from 31 October 21:00 to 1 November 3:00; the night shift is planned 22:00 to 2:00."""
    last, first = date(2025, 10, 31), date(2025, 11, 1)
    midnight = day_window(first, SEOUL)[0]

    def at(hours: float) -> datetime:
        return midnight + timedelta(hours=hours)

    rows = pl.DataFrame(
        [("a1", "p1", at(h), None, name, 1, at(h)) for h, name in ((-3, "running"), (3, "off"))],
        schema=STATE_SCHEMA, orient="row",
    )  # fmt: skip
    planned = pl.DataFrame([("a1", at(-2), at(2))], schema=WINDOW_SCHEMA, orient="row")
    facts = hours(rows, planned, windows(last, first))
    local = facts.with_columns(pl.col("start").dt.convert_time_zone(SEOUL))
    months = (
        local.group_by(pl.col("start").dt.month()).agg(pl.col("apt_s", "pbt_s").sum() / 3600).sort("start")
    )
    assert months.rows() == [(10, 3.0, 2.0), (11, 3.0, 2.0)]


def test_a_machine_that_sends_nothing_but_stop_records_fails_at_each() -> None:
    rows = states(state(0, "stopped", until=1), state(8, "stopped", until=9), state(9, "repair", until=10))
    facts = hours(rows, spans((8, 17)))
    assert facts["failures"].sum() == 2
    assert at_hour(facts, 0, "failures") == (1,)


STATES = [
    "running", "setup", "idle", "delay", "down", "repair", "maintenance", "off", "stopped", "?",
]  # fmt: skip
EVENTS = st.lists(
    st.tuples(
        st.integers(-24 * 4, 24 * 8).map(lambda n: n / 4 + n % 3 / 60),
        st.sampled_from(
            ["running", "setup", "idle", "delay", "down", "repair", "maintenance", "off", "stopped", "?"]
        ),
        st.one_of(st.none(), st.integers(1, 12).map(lambda n: n / 4)),
        st.integers(0, 2),
    ),
    max_size=30,
)


def drawn(events: list[tuple[float, str, float | None, int]]) -> pl.DataFrame:
    return states(
        *(state(at, name, None if lasts is None else at + lasts, rank) for at, name, lasts, rank in events)
    )


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_elements_add_up_to_the_hour_in_any_order(
    events: list[tuple[float, str, float | None, int]], random: Random
) -> None:
    rows = drawn(events)
    facts = hours(rows, spans((8, 12), (13, 17.5)))
    assert facts.select(total=pl.sum_horizontal(BUCKETS))["total"].to_list() == pytest.approx([3600.0] * 24)
    assert facts["pbt_s"].sum() == pytest.approx(8.5 * 3600)
    assert facts["coverage"].is_between(0, 1).all()
    mixed = pl.concat([rows, rows]).sample(fraction=1, shuffle=True, seed=random.randint(0, 99))
    assert_frame_equal(hours(mixed, spans((8, 12), (13, 17.5))), facts, check_exact=True)


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_days_computed_alone_equal_days_computed_together(
    events: list[tuple[float, str, float | None, int]],
) -> None:
    rows = drawn(events)
    days = [DAY, DAY + timedelta(days=1)]
    planned = spans((8, 17), (32, 41))
    together = hours(rows, planned, windows(*days))
    alone = []
    for day in days:
        start, end = day_window(day, SEOUL)
        changes = rows.filter(pl.col("until").is_null(), pl.col("at") < start)
        near = rows.filter(
            (pl.col("at") < end)
            & ((pl.col("at") >= start) | (pl.col("until") >= start).fill_null(value=False))
        )
        last = changes.filter(pl.col("at") == pl.col("at").max())
        mine = planned.filter(pl.col("start").is_between(start, end))
        alone.append(hours(pl.concat([near, last]), mine, windows(day)))
    assert_frame_equal(pl.concat(alone).sort(MACHINE_KEY), together, check_exact=True)


ZONE_DAYS = st.sampled_from([
    ("Asia/Seoul", date(2025, 10, 31)),  # the end of a month
    ("Asia/Seoul", date(2025, 12, 31)),
    ("Europe/Berlin", date(2025, 3, 30)),  # 23 hours
    ("Europe/Berlin", date(2025, 10, 26)),  # 25 hours
])  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(EVENTS, ZONE_DAYS, st.lists(st.integers(1, 71 * 60), max_size=6), st.randoms(use_true_random=False))
def test_any_cut_order_and_duplication_gives_the_same_seconds(
    events: list[tuple[float, str, float | None, int]],
    place: tuple[str, date],
    cuts: list[int],
    random: Random,
) -> None:
    """Three days at once are the sum of the same time cut anywhere, each piece from its own neighbourhood."""
    zone, middle = place
    whole = pl.concat([windows_in(zone, middle + timedelta(days=n)) for n in (-1, 0, 1)])
    shift = whole["start"][0] - clock(0)
    rows = drawn(events).with_columns(pl.col("at", "until", "record_timestamp") + shift)
    start, end = whole["start"].min(), whole["end"].max()
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    planned = pl.DataFrame([("a1", start + (end - start) / 4, end)], schema=WINDOW_SCHEMA, orient="row")
    together = hours(rows, planned, pl.DataFrame([("a1", start, end)], schema=WINDOW_SCHEMA, orient="row"))
    bounds = sorted({start, end, *(start + timedelta(minutes=m) for m in cuts), *whole["start"]})
    parts = []
    for first, last in pairwise(bounds):
        piece = pl.DataFrame([("a1", first, last)], schema=WINDOW_SCHEMA, orient="row")
        mixed = pl.concat([rows, rows]).sample(fraction=1, shuffle=True, seed=random.randint(0, 99))
        parts.append(hours(neighbourhood(mixed, first, last), planned, piece))
    columns = ["pbt_s", *BUCKETS, "failures"]
    expected = together.select(pl.col(columns).sum()).row(0)
    found = pl.concat(parts).select(pl.col(columns).sum()).row(0)
    assert found == pytest.approx(expected)
    assert sum(found[1:-1]) == pytest.approx((end - start).total_seconds())


def windows_in(zone: str, day: date) -> pl.DataFrame:
    return day_windows(pl.DataFrame({"factory": ["a1"], "zone": [zone]}), day)


def neighbourhood(rows: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """Return what a night reads for a window: its events, what reaches in, the last change before."""
    changes = rows.filter(pl.col("until").is_null(), pl.col("at") < start)
    reaching = (pl.col("until") >= start).fill_null(value=False)
    near = rows.filter((pl.col("at") < end) & ((pl.col("at") >= start) | reaching))
    return pl.concat([near, changes.filter(pl.col("at") == pl.col("at").max())])


def in_silence(rows: pl.DataFrame, *counted: float, planned: pl.DataFrame) -> pl.DataFrame:
    """Compute the day; the factory counts as heard of for 12 hours after a state or a count."""
    counts = pl.DataFrame(
        [("a1", clock(h)) for h in counted], schema={"factory": pl.String, "at": INSTANT}, orient="row"
    )
    heard = heard_spans(rows, counts, 12 * 3600)
    return hourly_machine_time(rows, MACHINES, windows(), planned, heard=heard)


def test_a_shift_in_which_no_machine_of_the_factory_is_heard_of_is_unknown() -> None:
    # Off since 17:30 of the day before; the shift begins at 8:00, and nothing is heard after 5:30.
    facts = in_silence(states(state(-6.5, "off")), planned=spans((8, 17)))
    assert facts["unknown_s"].sum() == 9 * 3600.0
    assert at_hour(facts, 9, "unknown_s", "off_s", "coverage", "quality") == (3600.0, 0.0, 0.0, None)
    # Outside the shift there is nothing that would have to be known.
    assert at_hour(facts, 20, "unknown_s", "off_s", "coverage") == (0.0, 3600.0, 1.0)


def test_a_count_of_any_machine_breaks_the_silence() -> None:
    facts = in_silence(states(state(-6.5, "off")), 10.0, planned=spans((8, 17)))
    assert facts["unknown_s"].sum() == 2 * 3600.0
    assert at_hour(facts, 10, "off_s", "coverage") == (3600.0, 1.0)


def test_a_stop_record_holds_in_silence_for_it_says_its_own_end() -> None:
    repaired = states(state(-6.5, "off"), state(-6, "repair", until=12.0))
    facts = in_silence(repaired, planned=spans((8, 24)))
    assert at_hour(facts, 9, "cmt_s", "unknown_s") == (3600.0, 0.0)
    # The record's end is news of its own: the machine is known to be off until midnight.
    assert at_hour(facts, 23, "off_s", "unknown_s") == (3600.0, 0.0)


def test_a_stop_that_never_ends_holds_in_silence_and_is_one_failure() -> None:
    facts = in_silence(states(state(-14, "running"), state(1, "down")), 20.0, planned=spans((0, 24)))
    assert facts["adot_s"].sum() == 23 * 3600.0
    assert facts["failures"].sum() == 1


def test_where_silence_is_not_judged_a_state_runs_on() -> None:
    rows = states(state(-6.5, "off"))
    assert heard_spans(rows, rows.select("factory", "at"), None) is None
    assert hours(rows, spans((8, 17)))["unknown_s"].sum() == 0.0
