"""Elements from a machine's log of states and counters, worked by hand."""

import random as randomness
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.calendar import INSTANT
from pipelines.domain.machine_log import LogWindow, log_elements

START = datetime(2025, 11, 3, tzinfo=UTC)
STATE_SCHEMA = {"row": pl.Int64, "machine": pl.String, "at": INSTANT, "state": pl.String}
COUNT_SCHEMA = {
    "row": pl.Int64, "machine": pl.String, "at": INSTANT, "total": pl.Float64, "rejected": pl.Float64,
}  # fmt: skip
State = tuple[float, str | None]
Count = tuple[float, float, float | None]


def log(
    states: Sequence[State],
    counts: Sequence[Count] = (),
    *,
    planned_s: float = 1_000.0,
    length_s: float = 1_000.0,
) -> dict[str, Any]:
    """Give the elements of machine m in a window of 1,000 s; instants are seconds after its start."""
    rows = [(n, "m", START + timedelta(seconds=at), state) for n, (at, state) in enumerate(states)]
    read = [(n, "m", START + timedelta(seconds=at), *more) for n, (at, *more) in enumerate(counts)]
    return log_elements(
        ["m"],
        pl.DataFrame(rows, schema=STATE_SCHEMA, orient="row"),
        pl.DataFrame(read, schema=COUNT_SCHEMA, orient="row"),
        LogWindow(START, START + timedelta(seconds=length_s), planned_s, 7.0),
    ).row(0, named=True)


@pytest.mark.parametrize(
    ("state", "element"),
    [
        ("running", "apt_s"), ("setup", "asut_s"), ("idle", "adet_s"), ("delay", "adet_s"),
        ("down", "adot_s"),
        ("stopped", "adot_s"), ("repair", "cmt_s"), ("maintenance", "pmt_s"),
    ],
)  # fmt: skip
def test_each_state_counts_for_its_element_until_the_window_ends(state: str, element: str) -> None:
    found = log([(0, state)])
    buckets = {n: found[n] for n in ("apt_s", "asut_s", "adet_s", "adot_s", "pmt_s", "cmt_s", "unknown_s")}
    assert buckets == {n: 1_000.0 if n == element else 0.0 for n in buckets}


@pytest.mark.parametrize("state", ["thinking", "Running", "", None])
def test_any_other_state_is_unknown(state: str | None) -> None:
    found = log([(0, "running"), (400, state)])
    assert (found["apt_s"], found["unknown_s"]) == (400.0, 600.0)


def test_off_is_known_and_not_planned() -> None:
    # 600 s running, 400 s off, 700 s planned: the plan's last 100 s were spent off, none of it is unknown.
    found = log([(0, "running"), (600, "off")], planned_s=700.0)
    assert (found["apt_s"], found["unknown_s"]) == (600.0, 0.0)


def test_a_state_holds_until_the_next_event_of_its_machine() -> None:
    found = log([(0, "setup"), (100, "running"), (700, "down"), (800, "repair"), (950, "running")])
    assert (found["asut_s"], found["apt_s"], found["adot_s"], found["cmt_s"]) == (100, 650, 100, 150)
    assert (found["tbf_s"], found["ttr_s"]) == (650.0, 250.0)


def test_the_state_at_the_start_is_the_last_one_at_or_before_it() -> None:
    assert log([(-900, "down"), (-500, "running"), (250, "idle")])["apt_s"] == 250.0
    assert log([(-500, "running"), (0, "idle")])["adet_s"] == 1_000.0


def test_before_the_first_event_nothing_is_known() -> None:
    assert log([(300, "running")])["unknown_s"] == 300.0


def test_an_event_at_the_windows_end_or_later_does_not_count() -> None:
    found = log([(0, "running"), (1_000, "down"), (1_100, "repair")])
    assert (found["apt_s"], found["failures"]) == (1_000.0, 0)


def test_a_machine_without_any_event_is_unknown_as_far_as_it_was_planned() -> None:
    found = log([], planned_s=800.0)
    assert (found["pbt_s"], found["apt_s"], found["unknown_s"], found["failures"]) == (800.0, 0.0, 800.0, 0)
    assert (found["pq"], found["gq"], found["sq"]) == (None, None, None)


def test_unknown_is_never_more_than_the_known_states_leave_of_the_plan() -> None:
    # 500 s silent, 500 s running, 700 s planned: at most 200 s of the plan are unknown.
    assert log([(500, "running")], planned_s=700.0)["unknown_s"] == 200.0
    # 500 s running against 400 s planned: nothing of the plan is left.
    assert log([(500, "running")], planned_s=400.0)["unknown_s"] == 0.0


def test_unknown_is_never_more_than_the_silent_seconds() -> None:
    # 100 s silent, 500 s running, 400 s off; the plan leaves 500 s, but only 100 s are without a state.
    assert log([(100, "running"), (600, "off")])["unknown_s"] == 100.0


def test_a_failure_is_an_entry_into_a_stop_from_outside() -> None:
    assert (
        log([(0, "running"), (100, "down"), (200, "repair"), (300, "stopped"), (400, "running")])["failures"]
        == 1
    )
    assert log([(0, "running"), (100, "down"), (200, "running"), (300, "repair")])["failures"] == 2
    assert log([(0, "running"), (100, "stopped"), (150, "what"), (200, "stopped")])["failures"] == 2
    assert log([(0, "running"), (100, "maintenance"), (200, "idle")])["failures"] == 0


def test_the_state_at_the_start_is_no_failure_but_the_first_event_after_it_may_be() -> None:
    assert log([(0, "down"), (100, "running")])["failures"] == 0
    assert log([(-50, "down"), (100, "repair"), (200, "running")])["failures"] == 0
    assert log([(1, "down")])["failures"] == 1


def test_of_the_same_instant_the_last_row_wins() -> None:
    assert log([(0, "down"), (0, "running")])["apt_s"] == 1_000.0
    found = log([], [(0, 5, 0), (0, 7, 1), (10, 8, 1)])
    assert (found["pq"], found["sq"]) == (1.0, 0.0)


def test_the_baseline_is_the_last_count_at_or_before_the_start() -> None:
    found = log([], [(-100, 10, 1), (-10, 40, 2), (500, 60, 5)])
    assert (found["pq"], found["sq"], found["gq"]) == (20.0, 3.0, 17.0)
    assert log([], [(-10, 40, 2), (0, 45, 2), (500, 60, 2)])["pq"] == 15.0


def test_without_a_count_before_the_first_one_in_the_window_is_the_baseline() -> None:
    found = log([], [(100, 40, 2), (500, 60, 5), (900, 61, 5)])
    assert (found["pq"], found["sq"], found["gq"]) == (21.0, 3.0, 18.0)
    assert log([], [(100, 40, 2)])["pq"] == 0.0
    assert log([], [(-100, 40, 2)])["pq"] == 0.0


def test_a_count_at_the_windows_end_does_not_count() -> None:
    assert log([], [(0, 10, 0), (999, 20, 0), (1_000, 90, 0)])["pq"] == 10.0
    assert log([], [(1_000, 90, 0)])["pq"] is None


def test_a_drop_is_a_reset_and_the_new_value_counts() -> None:
    found = log([], [(0, 90, 8), (100, 100, 9), (200, 30, 2), (300, 35, 4)])
    # 10 before the reset, 30 at it, 5 after; rejected 1 + 2 + 2
    assert (found["pq"], found["sq"], found["gq"]) == (45.0, 5.0, 40.0)


def test_rejects_start_again_with_their_counter_even_where_they_did_not_drop() -> None:
    found = log([], [(0, 90, 1), (200, 30, 2)])
    assert (found["pq"], found["sq"]) == (30.0, 2.0)


def test_a_drop_before_the_window_is_none_of_its_business() -> None:
    assert log([], [(-200, 90, 8), (-100, 5, 0), (100, 9, 1)])["pq"] == 4.0


def test_rejects_that_nobody_counts_leave_good_and_scrap_unknown() -> None:
    found = log([], [(0, 10, None), (100, 30, None)])
    assert (found["pq"], found["sq"], found["gq"]) == (20.0, None, None)


def test_planned_and_ideal_seconds_are_those_given() -> None:
    found = log([(0, "running")], planned_s=640.0)
    assert (found["pbt_s"], found["pru_s"]) == (640.0, 7.0)


def test_machines_do_not_touch_each_other_and_come_in_the_order_asked() -> None:
    later = START + timedelta(seconds=900)
    states = [
        (1, "b", START, "running"),
        (2, "a", START + timedelta(seconds=100), "down"),
        (3, "b", later, "idle"),
    ]
    counts = [(1, "a", START, 500.0, 3.0), (2, "b", START, 10.0, 0.0), (3, "b", later, 12.0, 1.0)]
    window = LogWindow(START, START + timedelta(seconds=1_000), 1_000, 1)
    found = log_elements(
        ["b", "a", "c"],
        pl.DataFrame(states, schema=STATE_SCHEMA, orient="row"),
        pl.DataFrame(counts, schema=COUNT_SCHEMA, orient="row"),
        window,
    )
    chosen = found.select("unit", "apt_s", "adot_s", "unknown_s", "failures", "pq")
    assert list(chosen.iter_rows()) == [
        ("b", 900.0, 0.0, 0.0, 0, 2.0), ("a", 0.0, 900.0, 100.0, 1, 0.0), ("c", 0.0, 0.0, 1_000.0, 0, None),
    ]  # fmt: skip


STATES = ["running", "setup", "idle", "delay", "down", "stopped", "repair", "maintenance", "off", "else"]
instants = st.integers(-300, 1_300)
events = st.lists(st.tuples(instants, st.sampled_from(STATES)), max_size=12, unique_by=lambda e: e[0])
readings = st.lists(
    st.tuples(instants, st.integers(0, 99), st.integers(0, 9)), max_size=8, unique_by=lambda c: c[0]
)


@given(events, readings, st.integers(0, 1_200), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_plain_second_by_second_count_agrees_in_any_order_of_rows(
    states: list[tuple[int, str]], counts: list[tuple[int, int, int]], planned: int, seed: int
) -> None:
    held: dict[int, str] = {}
    for second in range(1_000):
        earlier = [(at, state) for at, state in states if at <= second]
        held[second] = max(earlier)[1] if earlier else "else"
    length = {state: sum(h == state for h in held.values()) for state in STATES}
    known = 1_000 - length["else"] - length["off"]
    stops = ("down", "stopped", "repair")
    ordered = sorted(states)
    failures = sum(
        0 < at < 1_000 and state in stops and (n == 0 or ordered[n - 1][1] not in stops)
        for n, (at, state) in enumerate(ordered)
    )
    randomness.Random(seed).shuffle(states)  # noqa: S311 - an order of rows, no secret
    read = [(float(at), float(total), float(rejected)) for at, total, rejected in counts]
    found = log([(float(at), state) for at, state in states], read, planned_s=float(planned))
    assert found["apt_s"] == length["running"]
    assert found["adet_s"] == length["idle"] + length["delay"]
    assert found["adot_s"] == length["down"] + length["stopped"]
    assert found["unknown_s"] == min(length["else"], max(0, planned - known))
    assert found["failures"] == failures
    produced, last = None, None
    for at, total, _ in sorted(counts):
        if at >= 1_000:
            break
        produced = produced or 0
        if last is not None and at > 0:
            produced += total - last if total >= last else total
        last = total
    assert found["pq"] == produced
