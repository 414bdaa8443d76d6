"""Production cost by day, worked by hand."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.domain.calendar import INSTANT
from pipelines.domain.costs import daily_costs
from tests.domain.operating import amounts, at, coverages, days_from, events, qualities

SCHEMA = {"event": pl.String, "at": INSTANT, "until": INSTANT, "product": pl.String, "cost_krw": pl.Float64}


def cost(event: str, first: float, last: float, krw: float, **more: Any) -> dict[str, Any]:
    """Report the cost of a period, in days after Monday's midnight."""
    return {"event": event, "at": at(0, first * 24), "until": at(0, last * 24), "cost_krw": krw, **more}


def daily(*costs: dict[str, Any], count: int = 4) -> pl.DataFrame:
    return daily_costs(events(SCHEMA, *costs), days_from(count=count))


def test_a_days_cost_is_measured_and_a_longer_one_is_shared_out() -> None:
    facts = daily(
        cost("d", 0, 1, 100.0, product="bolt"), cost("w", 1, 4, 900.0, product="bolt"),
        cost("all", 0, 4, 40.0),
    )  # fmt: skip
    assert amounts(facts, "cost_krw", "bolt") == [100.0, 300.0, 300.0, 300.0]
    assert qualities(facts, "cost_krw", "bolt") == ["measured", *["interpolated"] * 3]
    assert amounts(facts, "cost_krw") == [10.0] * 4
    assert set(coverages(facts, "cost_krw")) == {1.0}


def test_costs_of_one_time_add_up_and_a_correction_replaces() -> None:
    material, labour = cost("m", 0, 1, 100.0), cost("l", 0, 1, 30.0)
    assert amounts(daily(material, labour, count=1), "cost_krw") == [130.0]
    assert amounts(daily(material, labour, cost("m", 0, 1, 90.0), count=1), "cost_krw") == [120.0]


def test_a_day_that_no_period_covers_is_not_known_and_a_part_covers_a_part() -> None:
    facts = daily(cost("d", 0, 1.25, 125.0, product="bolt"))
    assert amounts(facts, "cost_krw", "bolt") == [100.0, 25.0, None, None]
    assert coverages(facts, "cost_krw", "bolt") == [1.0, 0.25, 0.0, 0.0]
    assert qualities(facts, "cost_krw", "bolt")[2:] == [None, None]


def test_a_product_has_rows_from_its_first_period_on() -> None:
    facts = daily(cost("a", 0, 4, 4.0, product="bolt"), cost("b", 2, 4, 2.0, product="nut"))
    assert amounts(facts, "cost_krw", "nut") == [1.0, 1.0]
    assert amounts(facts, "cost_krw") == []


def test_a_months_cost_adds_up_over_its_days() -> None:
    first = date(2025, 12, 1)
    begin, end = at(0, 0, first=first), at(31, 0, first=first)
    told = events(SCHEMA, {"event": "m", "at": begin, "until": end, "cost_krw": 1e7})
    facts = daily_costs(told, days_from(first, 35))
    assert sum(krw or 0 for krw in amounts(facts, "cost_krw")) == pytest.approx(1e7, rel=1e-12)
    assert coverages(facts, "cost_krw") == [1.0] * 31 + [0.0] * 4


def test_a_factory_that_sends_no_costs_has_no_rows() -> None:
    assert daily().is_empty()
