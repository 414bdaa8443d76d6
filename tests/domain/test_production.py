from datetime import date, datetime, timedelta
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.domain.calendar import INSTANT, day_window, day_windows
from pipelines.domain.machine_time import MACHINE_SCHEMA
from pipelines.domain.production import hourly_quantities

DAY = date(2025, 11, 10)
SEOUL = "Asia/Seoul"
COUNT_SCHEMA = pl.Schema({
    "factory": pl.String(), "machine": pl.String(), "product": pl.String(), "at": INSTANT,
    "total": pl.Float64(), "rejected": pl.Float64(), "rework": pl.Float64(), "inspected": pl.Float64(),
    "first_pass": pl.Float64(), "sequence": pl.Int64(), "record_timestamp": INSTANT,
})  # fmt: skip
PRODUCTS = pl.DataFrame({"factory": ["a1"], "product": ["bolt"], "pru_s": [12.5]})
NOT_COUNTED = (None, None, None)


def clock(hours: float) -> datetime:
    return day_window(DAY, SEOUL)[0] + timedelta(hours=hours)


def count(
    hours: float, total: float, rejected: float = 0, others: tuple[float | None, ...] = NOT_COUNTED,
    sequence: int = 1, product: str = "bolt",
) -> tuple[object, ...]:  # fmt: skip
    return ("a1", "p1", product, clock(hours), total, rejected, *others, sequence, clock(hours))


def counts(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=COUNT_SCHEMA, orient="row")


def hourly(rows: pl.DataFrame, *days: date) -> pl.DataFrame:
    factories = pl.DataFrame({"factory": ["a1"], "zone": [SEOUL]})
    windows = pl.concat([day_windows(factories, day) for day in days or (DAY,)])
    return hourly_quantities(rows, windows, PRODUCTS, max_gap_s=7200)


def at_hour(facts: pl.DataFrame, hour: float, *columns: str) -> tuple[object, ...]:
    return facts.filter(pl.col("start") == clock(hour)).select(columns).row(0)


def test_differences_of_the_counters_are_the_quantities() -> None:
    facts = hourly(counts(count(8, 100, 2), count(8.5, 130, 3), count(9, 150, 5)))
    assert facts.schema == MACHINE_SCHEMA
    assert facts.height == 1
    assert at_hour(facts, 8, "pq", "sq", "gq", "pru_s", "coverage", "quality") == (
        50,
        3,
        47,
        12.5,
        1.0,
        "measured",
    )
    assert at_hour(facts, 8, "rq", "ip", "gp", "pbt_s", "failures") == (None,) * 5


def test_a_counter_that_stands_still_counts_zero_and_a_silent_one_has_no_row() -> None:
    facts = hourly(counts(count(8, 100), count(9, 100)))
    assert facts["start"].to_list() == [clock(8)]
    assert at_hour(facts, 8, "pq") == (0.0,)
    assert hourly(counts(count(8, 100))).is_empty()
    assert hourly(counts()).is_empty()


def test_a_difference_across_an_hour_is_shared_out_in_proportion() -> None:
    facts = hourly(counts(count(8.75, 100), count(9.75, 140)))
    assert at_hour(facts, 8, "pq", "coverage", "quality") == (10, 0.0, "interpolated")
    assert at_hour(facts, 9, "pq", "coverage", "quality") == (30, 0.0, "interpolated")


def test_a_difference_over_a_long_gap_counts_in_the_hour_of_its_closing_reading() -> None:
    facts = hourly(counts(count(8, 100), count(13.5, 400), count(14, 420)))
    assert facts["start"].to_list() == [clock(13)]
    assert at_hour(facts, 13, "pq", "coverage", "quality") == (320, 0.5, "estimated")


def test_a_drop_of_the_total_resets_all_counters() -> None:
    facts = hourly(counts(count(8, 100, 3, (1, 50, 40)), count(9, 10, 5, (2, 6, 5))))
    assert at_hour(facts, 8, "pq", "sq", "gq", "rq", "ip", "gp") == (10, 5, 5, 2, 6, 5)
    assert at_hour(facts, 8, "quality", "coverage") == ("estimated", 0.0)


def test_a_counter_that_drops_alone_is_reset_alone() -> None:
    facts = hourly(counts(count(8, 100, 30), count(9, 120, 4)))
    assert at_hour(facts, 8, "pq", "sq", "quality") == (20, 4, "estimated")


def test_a_counter_that_some_reading_lacks_is_null_for_the_hour() -> None:
    facts = hourly(
        counts(count(8, 100, 0, (1, 2, 3)), count(8.5, 110, 0, (1, None, 5)), count(9, 120, 0, (2, 9, 9)))
    )
    assert at_hour(facts, 8, "pq", "rq", "ip", "gp") == (20, 1, None, 6)


def test_of_two_readings_of_an_instant_the_highest_sequence_wins() -> None:
    rows = [count(8, 100), count(9, 150, sequence=2), count(9, 190, sequence=1)]
    assert at_hour(hourly(counts(*rows)), 8, "pq") == (50,)
    assert at_hour(hourly(counts(*reversed(rows))), 8, "pq") == (50,)


def test_products_are_counted_apart_and_an_unlisted_one_has_no_planned_run_time() -> None:
    rows = [count(8, 100), count(9, 150), count(8, 7, product="nut"), count(9, 9, product="nut")]
    facts = hourly(counts(*rows))
    assert facts.select("product", "pq", "pru_s").rows() == [("bolt", 50, 12.5), ("nut", 2, None)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 300, 900, 3600, 7200, 7201, 30000]), st.integers(0, 200), st.integers(0, 9)
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=25, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_quantities_add_up_and_do_not_depend_on_order_or_duplicates(
    steps: list[tuple[int, int, int]], random: Random
) -> None:
    at_s, total, rejected, rows = 0, 0, 0, [count(0, 0)]
    for gap_s, made, scrapped in steps:
        at_s, total, rejected = at_s + gap_s, total + made, rejected + scrapped
        rows.append(count(at_s / 3600, total, rejected))
    days = [DAY + timedelta(days=n) for n in range(at_s // 86400 + 1)]
    facts = hourly(counts(*rows), *days)
    assert facts["pq"].sum() == pytest.approx(total)
    assert facts["sq"].sum() == pytest.approx(rejected)
    mixed = pl.concat([counts(*rows), counts(*rows)]).sample(
        fraction=1, shuffle=True, seed=random.randint(0, 99)
    )
    assert_frame_equal(hourly(mixed, *days), facts, check_exact=True)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_days_computed_alone_from_their_neighbourhood_equal_days_computed_together(
    steps: list[tuple[int, int, int]],
) -> None:
    at_s, total, rows = 0, 0, [count(0, 0)]
    for gap_s, made, scrapped in steps:
        at_s = at_s + gap_s
        total = scrapped if made > 190 else total + made  # now and then the counter starts again
        rows.append(count(at_s / 3600, total, 0))
    days = [DAY + timedelta(days=n) for n in range(at_s // 86400 + 1)]
    alone = []
    for day in days:
        start, end = day_window(day, SEOUL)
        gap = timedelta(seconds=7200)
        near = counts(*rows).filter(pl.col("at").is_between(start - gap, end + gap))
        before = counts(*rows).filter(pl.col("at") < start - gap).sort("at").tail(1)
        alone.append(hourly(pl.concat([before, near]), day))
    together = hourly(counts(*rows), *days)
    assert_frame_equal(
        pl.concat(alone).sort("product", "start"), together.sort("product", "start"), check_exact=True
    )
