"""What arrived, what was to be expected, and when silence is a question."""

import random
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.domain.liveness.deliveries import source_days
from tests.domain.liveness_scene import MONDAY, Scene, always, at, busy, noise, plant, works


def test_a_plant_in_order_is_asked_nothing_on_any_day() -> None:
    scene = plant(days=15, asked=range(15))
    assert scene.asks() == []
    # 2 meters, a machine's states and counts, and their three streams, on each of 15 days.
    assert scene.report().height == 15 * (2 + 1 + 1 + 3)


def events(minutes: list[int]) -> pl.DataFrame:
    rows = [(MONDAY, 0, "f", "main", at(0, m / 60)) for m in minutes]
    names = {"day": pl.Date, "bucket": pl.Int32, "factory": pl.String, "source": pl.String,
             "at": pl.Datetime("us", "UTC")}  # fmt: skip
    return pl.DataFrame(rows, schema=names, orient="row")


def test_a_source_s_day_counts_instants_once_and_keeps_its_step_through_losses() -> None:
    # 0, 15, 30, (45 lost), 60, 75: steps 15, 15, 30, 15; 30 came twice.
    (row,) = source_days(events([75, 0, 30, 15, 30, 60]).lazy(), "energy").collect().rows(named=True)
    assert (row["events"], row["cadence_s"]) == (5, 900.0)
    assert (row["first_event"], row["last_event"]) == (at(0, 0), at(0, 1.25))


def test_a_single_event_has_no_step_and_of_equally_common_ones_the_shorter_counts() -> None:
    assert source_days(events([5]).lazy(), "energy").collect()["cadence_s"].to_list() == [None]
    assert source_days(events([0, 10, 15, 25, 30]).lazy(), "energy").collect()["cadence_s"].item() == 300.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1439), min_size=1, max_size=40), st.randoms(use_true_random=False), st.data())
def test_order_cuts_and_repeats_of_readings_do_not_matter(
    minutes: list[int], chance: random.Random, data: st.DataObject
) -> None:
    again = [*minutes, *data.draw(st.lists(st.sampled_from(minutes), max_size=10))]
    chance.shuffle(again)
    cut = data.draw(st.integers(0, len(again)))
    batches = pl.concat([events(again[:cut]), events(again[cut:])])
    key = ["day", "bucket", "factory", "source"]
    assert_frame_equal(
        source_days(events(sorted(set(minutes))).lazy(), "energy").collect().sort(key),
        source_days(batches.lazy(), "energy").collect().sort(key),
    )


@pytest.mark.parametrize(
    ("received", "asked"),
    [
        (1152, []),  # 1152 / 1440 = 0.8: not less than it
        (1151, [("m", "energy", "few_events")]),
        (1, [("m", "energy", "few_events")]),  # its step is that of the days before
    ],
)
def test_a_meter_that_loses_more_than_a_fifth_is_asked(
    received: int, asked: list[tuple[str, str, str]]
) -> None:
    assert plant(events={("f", "energy", "m", 7): (received, 23.99)}).asks() == asked


def test_what_holds_for_every_meter_is_asked_of_the_stream_once() -> None:
    scene = plant(events={("f", "energy", m, 7): (1000, 23.99) for m in ("main", "m")})
    assert scene.asks() == [("*", "energy", "few_events")]
    assert scene.evidence() == ['{"few_events":{"expected":2880,"received":2000}}']
    stream = scene.report().filter(stream="energy", source="*")
    assert stream["share"].item() == pytest.approx(2000 / 2880)
    # 20 for the reason and 10 x 0.3056 for what is missing, rounded.
    assert stream["score"].item() == 23


@pytest.mark.parametrize(
    ("last_h", "asked"), [(18, []), (17.99, [("m", "energy", "silent")])], ids=["6 h", "a little more"]
)
def test_a_meter_is_silent_when_its_day_ends_six_hours_after_its_last_reading(
    last_h: float, asked: list[tuple[str, str, str]]
) -> None:
    # All but its last hours arrived: 1200 of 1440 is 0.83, so nothing else is asked.
    assert plant(events={("f", "energy", "m", 7): (1200, last_h)}).asks() == asked


def test_silence_lasts_until_something_arrives_and_few_events_are_not_asked_on_top() -> None:
    gone = {("f", "energy", m, d): (0, 0.0) for m in ("main", "m") for d in (5, 6, 7)}
    scene = plant(events=gone, asked=range(8))
    rows = scene.report().filter(pl.col("reasons").is_not_null())
    assert rows.select("day", "source", "reasons").rows() == [
        (MONDAY + timedelta(days=d), "*", "silent") for d in (5, 6, 7)
    ]
    assert rows["last_event"].unique().to_list() == [at(4, 23.99)]
    # 50 for the reason, 10 for all that is missing.
    assert rows["score"].to_list() == [60, 60, 60]


def test_a_meter_that_is_read_once_a_day_is_not_silent_in_the_evening() -> None:
    daily = {("f", "energy", "main", d): (1, 8.0) for d in range(9)}
    scene = Scene(meters={("f", "main"): busy("main")}, events=daily, days=9)
    assert scene.asks() == []
    late = {**daily, **{("f", "energy", "main", d): (0, 0.0) for d in (6, 7)}}
    # Two days and 16 h after the last one: less than three of its days; three days and 16 h: more.
    assert scene.changed(events=late, days=8).asks() == []
    assert scene.changed(events={**late, ("f", "energy", "main", 8): (0, 0.0)}).asks() == [
        ("*", "energy", "silent")
    ]


def test_machines_are_silent_after_a_working_day_without_a_word_and_not_on_a_weekend() -> None:
    friday = {("f", stream, "m", 4): (0, 0.0) for stream in ("states", "counts")}
    assert plant(events=friday, days=5).asks() == [("*", "counts", "silent"), ("*", "states", "silent")]
    assert plant(days=6).asks() == []  # Saturday: nothing was planned
    assert plant(days=7).asks() == []


def test_a_habit_takes_three_working_days() -> None:
    def asks(silent_day: int) -> list[tuple[str, str, str]]:
        return plant(events={("f", "states", "m", silent_day): (0, 0.0)}, days=silent_day + 1).asks()

    assert asks(2) == []
    assert asks(3) == [("*", "states", "silent")]


def works_too(day: int, hour: int) -> float:
    return 3500 - 90 * noise("n", day, hour) if works(day, hour) else 0.0


def test_one_machine_of_several_may_stand_for_two_days() -> None:
    two = plant(running={("f", "m"): works, ("f", "n"): works_too}, days=11)
    gone = {("f", "states", "n", d): (0, 0.0) for d in (8, 9)}
    assert two.changed(events=gone, days=10).asks() == []
    assert two.changed(events={**gone, ("f", "states", "n", 10): (0, 0.0)}).asks() == [
        ("n", "states", "silent")
    ]


@pytest.mark.parametrize(("received", "asked"), [(8, []), (7, [("*", "states", "few_events")])])
def test_states_are_few_below_a_quarter_of_the_usual_thirty(
    received: int, asked: list[tuple[str, str, str]]
) -> None:
    assert plant(events={("f", "states", "m", 7): (received, 17)}).asks() == asked


def test_how_many_orders_there_are_is_nobody_s_business() -> None:
    orders = {("f", "orders", "*", d): (3, 12.0) for d in range(5)}
    rows = plant(events=orders, days=27).report().filter(stream="orders")
    assert rows.select("source", "expected", "share").rows() == [("*", None, None)]
    # The last order of Friday 12:00: on day 25 (at its end) 21.5 days ago; on day 24 20.5.
    assert plant(events=orders, days=25).report().filter(stream="orders")["reasons"].to_list() == [None]
    assert rows["reasons"].to_list() == ["silent"]


@pytest.mark.parametrize(("joined", "asked"), [(0, []), (-1, ["energy", "states"])])
def test_a_factory_that_never_sent_what_its_trade_sends_is_asked_after_a_week(
    joined: int, asked: list[str]
) -> None:
    scene = Scene(declared=[("f", "energy"), ("f", "states")], days=7, joined=joined)
    assert scene.asks() == [("*", stream, "silent") for stream in asked]
    assert scene.evidence() == ['{"silent":{"last_event":null}}'] * len(asked)


def test_a_meter_of_the_profile_that_never_sent_is_asked() -> None:
    never = {("f", "energy", "m", d): (0, 0.0) for d in range(8)}
    scene = plant(meters={("f", "main"): busy("main"), ("f", "m"): always(None)}, events=never, made={})
    assert scene.asks() == [("m", "energy", "silent")]
