"""Shipments by day, worked by hand."""

from typing import Any

import polars as pl
import pytest

from pipelines.domain.calendar import INSTANT
from pipelines.domain.logistics import daily_shipments
from tests.domain.operating import amounts, at, coverages, days_from, events, planned_on

SCHEMA = {
    "shipment": pl.String, "at": INSTANT, "delivered_at": INSTANT, "due_at": INSTANT, "load_t": pl.Float64,
    "capacity_t": pl.Float64, "distance_km": pl.Float64, "cost_krw": pl.Float64, "pooled": pl.Boolean,
}  # fmt: skip


def daily(*shipments: dict[str, Any], count: int = 3) -> pl.DataFrame:
    whole = {"load_t": 1.0, "distance_km": 1.0, "pooled": False}
    return daily_shipments(
        events(SCHEMA, *({**whole, **s} for s in shipments)), days_from(count=count), planned_on()
    )


def test_a_load_is_weighed_by_its_distance_on_the_day_of_departure() -> None:
    """6 t for 100 km of 10 t, pooled, 240,000 KRW; 2 t for 50 km of 5 t, not pooled, 60,000 KRW."""
    facts = daily(
        {"shipment": "s1", "at": at(0, 16), "load_t": 6.0, "capacity_t": 10.0, "distance_km": 100.0,
         "cost_krw": 240_000.0, "pooled": True, "delivered_at": at(1, 3)},
        {"shipment": "s2", "at": at(0, 17), "load_t": 2.0, "capacity_t": 5.0, "distance_km": 50.0,
         "cost_krw": 60_000.0},
        count=1,
    )  # fmt: skip
    assert amounts(facts, "load_tkm") == [700.0]
    assert amounts(facts, "capacity_tkm") == [1250.0]
    assert amounts(facts, "pooled_tkm") == [600.0]
    assert amounts(facts, "transport_cost_krw") == [300_000.0]
    assert coverages(facts, "capacity_tkm") == [1.0]
    assert facts["unit"].unique().sort().to_list() == ["1", "KRW", "t km"]


def test_the_coverage_of_the_capacity_is_the_share_of_the_load_that_it_may_be_compared_with() -> None:
    """600 t km of known capacity 1,000 t km, 200 t km of unknown: load factor 600 / 1000 = 0.6."""
    facts = daily(
        {"shipment": "s1", "at": at(0, 16), "load_t": 6.0, "capacity_t": 10.0, "distance_km": 100.0},
        {"shipment": "s2", "at": at(0, 17), "load_t": 2.0, "distance_km": 100.0, "cost_krw": 5.0},
        count=1,
    )
    assert amounts(facts, "load_tkm") == [800.0]
    assert (amounts(facts, "capacity_tkm"), coverages(facts, "capacity_tkm")) == ([1000.0], [0.75])
    assert (amounts(facts, "rated_load_tkm"), coverages(facts, "rated_load_tkm")) == ([600.0], [0.75])
    assert (amounts(facts, "transport_cost_krw"), coverages(facts, "transport_cost_krw")) == ([5.0], [0.25])
    assert (amounts(facts, "costed_load_tkm"), coverages(facts, "costed_load_tkm")) == ([200.0], [0.25])


def test_a_capacity_that_nobody_said_is_not_zero() -> None:
    facts = daily(
        {"shipment": "s1", "at": at(0, 16)}, {"shipment": "s2", "at": at(0, 16), "load_t": 0.0}, count=1
    )
    assert (amounts(facts, "capacity_tkm"), coverages(facts, "capacity_tkm")) == ([None], [0.0])
    assert amounts(facts, "load_tkm") == [1.0]


@pytest.mark.parametrize(
    ("delivered", "on_time"), [(at(1, 9), 1.0), (at(1, 8.9), 1.0), (at(1, 9.01), 0.0), (None, 0.0)]
)
def test_a_shipment_is_on_time_at_or_before_its_due_time_on_the_due_day(
    delivered: Any, on_time: float
) -> None:
    """It departs on Monday and is due on Tuesday at 09:00; Wednesday proves that the stream lives."""
    facts = daily(
        {"shipment": "s1", "at": at(0, 16), "due_at": at(1, 9), "delivered_at": delivered},
        {"shipment": "s2", "at": at(2, 16)},
    )
    assert amounts(facts, "shipments_due") == [0.0, 1.0, 0.0]
    assert amounts(facts, "shipments_on_time") == [0.0, on_time, 0.0]


def test_a_day_on_which_nothing_left_is_zero_if_the_stream_lives_and_unknown_if_not() -> None:
    facts = daily({"shipment": "s1", "at": at(0, 16)}, {"shipment": "s2", "at": at(2, 16)}, count=5)
    for element in ("load_tkm", "pooled_tkm", "shipments_due", "shipments_on_time"):
        assert amounts(facts, element)[1] == 0.0
        assert amounts(facts, element)[3:] == [None, None]
        assert coverages(facts, element) == [1.0, 1.0, 1.0, 0.0, 0.0]
    unknown = facts.filter(pl.col("start") >= at(3))
    assert unknown.height == 2 * 8
    assert unknown.select("quantity", "quality").null_count().row(0) == (16, 16)


def test_a_shipment_said_again_replaces_what_was_said_wherever_it_stands() -> None:
    first = {"shipment": "s1", "at": at(0, 16), "load_t": 6.0, "sequence": 1}
    again = {"shipment": "s1", "at": at(1, 16), "load_t": 7.0, "sequence": 2}
    facts = daily(first, again, count=2)
    assert amounts(facts, "load_tkm") == [0.0, 7.0]
    assert daily(again, first, again, count=2).equals(facts)


def test_a_factory_that_sends_no_shipments_has_no_rows() -> None:
    assert daily().is_empty()
