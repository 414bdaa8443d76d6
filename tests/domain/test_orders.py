"""Orders by day, worked by hand; Monday to Friday are planned."""

import random
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.calendar import INSTANT
from pipelines.domain.orders import ORDER_STEPS, daily_orders
from tests.domain.operating import amounts, at, coverages, days_from, events, planned_on

SCHEMA = {
    "order": pl.String, "at": INSTANT, "step": pl.String, "product": pl.String, "quantity": pl.Float64,
    "promised_at": INSTANT,
}  # fmt: skip
PRODUCTS = pl.DataFrame({"factory": ["a1"], "product": ["bolt"]})
ALIVE = {"order": "z", "step": "started", "at": at(6, 23)}
"""An event late on Sunday, of another order: it proves that the stream lived all week."""


def step(order: str, name: str, when: datetime, **more: Any) -> dict[str, Any]:
    return {"order": order, "step": name, "at": when, **more}


def daily(*steps: dict[str, Any], count: int = 7) -> pl.DataFrame:
    return daily_orders(events(SCHEMA, *steps), PRODUCTS, days_from(count=count), planned_on(count=count))


def a_life(order: str = "o1", delivered: float = 500.0) -> list[dict[str, Any]]:
    """Received Monday 10:00, promised for Thursday 10:00, made Tuesday 12:00 to Wednesday 18:00."""
    return [
        step(order, "received", at(0, 10), product="bolt", quantity=500.0),
        step(order, "promised", at(0, 11), promised_at=at(3, 10)),
        step(order, "started", at(1, 12)),
        step(order, "completed", at(2, 18)),
        step(order, "shipped", at(2, 20), product="bolt", quantity=delivered),
        step(order, "delivered", at(3, 10), quantity=delivered),
    ]


def test_each_step_counts_on_its_own_day() -> None:
    facts = daily(*a_life(), count=4)
    assert amounts(facts, "orders_received") == [1, 0, 0, 0]
    assert amounts(facts, "orders_promised") == [1, 0, 0, 0]
    assert amounts(facts, "orders_shipped") == [0, 0, 1, 0]
    assert amounts(facts, "orders_delivered") == [0, 0, 0, 1]
    assert amounts(facts, "shipped_quantity", "bolt") == [0, 0, 500, 0]
    assert set(coverages(facts, "orders_received")) == {1.0}


def test_an_order_is_due_and_on_time_in_full_on_the_day_of_its_promise() -> None:
    facts = daily(*a_life(), count=4)
    for element in ("orders_due", "orders_on_time", "orders_on_time_in_full", "orders_completed"):
        assert amounts(facts, element) == [0, 0, 0, 1]
    # Monday 10:00 to Thursday 10:00 are 72 hours.
    assert amounts(facts, "lead_time_s") == [0, 0, 0, 72 * 3600]


def test_execution_time_runs_from_start_to_completion_and_is_cut_by_days() -> None:
    facts = daily(*a_life(), count=4)
    assert amounts(facts, "aoet_s") == [0, 12 * 3600, 18 * 3600, 0]


@pytest.mark.parametrize(
    ("delivered", "quantity", "on_time", "in_full", "coverage"),
    [
        (at(3, 10), 500.0, 1, 1, 1.0),
        (at(3, 10), 499.0, 1, 0, 1.0),
        (at(3, 10.01), 500.0, 0, 0, 1.0),
        (None, None, 0, 0, 1.0),
        # On time, but how much isn't said: whether it was whole is not known.
        (at(3, 10), None, 1, None, 0.0),
        # Late: not on time in full, however much it was.
        (at(3, 11), None, 0, 0, 1.0),
    ],
)
def test_what_is_due_is_on_time_at_the_promise_and_in_full_with_the_received_quantity(
    delivered: datetime | None, quantity: float | None, on_time: int, in_full: int | None, coverage: float
) -> None:
    life = a_life()[:-1]
    if delivered is not None:
        life.append(step("o1", "delivered", delivered, quantity=quantity))
    facts = daily(*life, ALIVE)
    assert amounts(facts, "orders_due")[3] == 1
    assert amounts(facts, "orders_on_time")[3] == on_time
    assert (amounts(facts, "orders_on_time_in_full")[3], coverages(facts, "orders_on_time_in_full")[3]) == (
        in_full,
        coverage,
    )


def test_the_newest_promise_counts_and_a_cancelled_order_is_not_due() -> None:
    moved = [*a_life(), step("o1", "promised", at(1, 9), promised_at=at(4, 10), sequence=99)]
    facts = daily(*moved, ALIVE)
    assert amounts(facts, "orders_promised") == [0, 1, 0, 0, 0, 0, 0]
    assert amounts(facts, "orders_due") == [0, 0, 0, 0, 1, 0, 0]
    assert amounts(facts, "orders_on_time") == [0, 0, 0, 0, 1, 0, 0]
    cancelled = daily(*a_life()[:2], step("o1", "cancelled", at(1, 9)), ALIVE)
    assert sum(q or 0 for q in amounts(cancelled, "orders_due")) == 0


def test_a_delivery_without_a_promise_lowers_the_coverage_of_what_was_due() -> None:
    """Of two that are delivered on Thursday one was promised; on Friday one that nobody promised comes."""
    never = step("o2", "delivered", at(3, 12)), step("o3", "delivered", at(4, 12))
    facts = daily(*a_life(), *never, ALIVE)
    for element in ("orders_due", "orders_on_time", "orders_on_time_in_full"):
        assert amounts(facts, element)[2:5] == [0, 1, None]
        assert coverages(facts, element)[2:5] == [1.0, 0.5, 0.0]


def test_an_order_whose_receipt_is_not_known_has_no_lead_time_and_is_not_among_those_completed() -> None:
    """Two are delivered on Thursday; of one nobody knows when it came in: half are covered."""
    facts = daily(*a_life(), step("o2", "delivered", at(3, 12)), count=4)
    assert amounts(facts, "orders_delivered")[3] == 2
    assert (amounts(facts, "orders_completed")[3], coverages(facts, "orders_completed")[3]) == (1, 0.5)
    assert (amounts(facts, "lead_time_s")[3], coverages(facts, "lead_time_s")[3]) == (72 * 3600, 0.5)


def test_execution_ends_with_whatever_comes_first_and_after_31_days_if_nothing_does() -> None:
    started = step("o1", "started", at(0, 12))
    for end in ("shipped", "delivered", "cancelled"):
        facts = daily(started, step("o1", end, at(1, 6)), count=2)
        assert amounts(facts, "aoet_s") == [12 * 3600, 6 * 3600]
    speaks = [step(f"x{n}", "received", at(n, 12)) for n in range(40)]
    forgotten = amounts(daily(started, *speaks, count=40), "aoet_s")
    assert forgotten[:2] == [12 * 3600, 24 * 3600]
    assert forgotten[30:33] == [24 * 3600, 12 * 3600, 0]


def test_a_shipped_quantity_is_of_its_product_or_of_none() -> None:
    facts = daily(
        step("o1", "shipped", at(0, 9), product="nut", quantity=3.0),
        step("o2", "received", at(0, 8), product="bolt"), step("o2", "shipped", at(0, 9), quantity=4.0),
        step("o3", "shipped", at(0, 9), quantity=5.0),
        step("o4", "shipped", at(0, 9), product="bolt"),
        step("o5", "received", at(1, 9)),
        count=2,
    )  # fmt: skip
    assert amounts(facts, "shipped_quantity", "nut") == [3.0]
    assert amounts(facts, "shipped_quantity") == [5.0]
    # Two orders of bolts went out, one of them without a quantity.
    assert amounts(facts, "shipped_quantity", "bolt") == [4.0, 0.0]
    assert coverages(facts, "shipped_quantity", "bolt") == [0.5, 1.0]


def test_a_day_that_nothing_proves_is_unknown_in_every_element() -> None:
    facts = daily(*a_life(), count=5)
    friday = facts.filter(pl.col("start") == at(4))
    assert friday["element"].n_unique() == 11
    assert friday.select("quantity", "quality").null_count().row(0) == (11, 11)
    assert friday["coverage"].to_list() == [0.0] * 11


def test_a_factory_that_sends_no_orders_has_no_rows() -> None:
    assert daily().is_empty()


STEPS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from(ORDER_STEPS),
        st.integers(0, 9 * 24),
        st.one_of(st.none(), st.integers(0, 900).map(float)),
        st.integers(0, 9 * 24),
        st.integers(0, 3),
    ),
    max_size=25,
)


@given(steps=STEPS, shuffle=st.integers(0, 99), cut=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_rows_depend_neither_on_order_nor_on_repeats_nor_on_cuts(
    steps: list[tuple[int, str, int, float | None, int, int]], shuffle: int, cut: int
) -> None:
    rows = [
        step(f"o{order}", name, at(0, hour), quantity=quantity, product="bolt" if order % 2 else None,
             promised_at=at(0, promised) if name == "promised" else None, sequence=sequence)
        for order, name, hour, quantity, promised, sequence in steps
    ]  # fmt: skip
    windows, planned = days_from(count=10), planned_on(count=10)
    whole = daily_orders(events(SCHEMA, *rows), PRODUCTS, windows, planned)
    again = [*rows, *rows[: len(rows) // 2]]
    random.Random(shuffle).shuffle(again)  # noqa: S311 - a repeatable shuffle
    told = events(SCHEMA, *again)
    parts = [daily_orders(told, PRODUCTS, w, planned) for w in (windows[:cut], windows[cut:])]
    assert (
        pl.concat(parts).sort("product", "element", "start").equals(whole.sort("product", "element", "start"))
    )


def test_the_time_of_an_order_adds_up_over_its_days() -> None:
    life = [
        step("o1", "started", at(0, 5.5)),
        step("o1", "completed", at(8, 13.25)),
        step("o2", "received", at(9)),
    ]
    known = amounts(daily(*life, count=10), "aoet_s")
    assert sum(s or 0 for s in known) == timedelta(days=8, hours=7.75).total_seconds()
