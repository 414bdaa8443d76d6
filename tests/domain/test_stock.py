"""Stock by day, worked by hand."""

import random
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.calendar import INSTANT
from pipelines.domain.stock import daily_stock
from tests.domain.operating import BERLIN, amounts, at, coverages, days_from, events

SCHEMA = {"product": pl.String, "at": INSTANT, "quantity": pl.Float64}
PRODUCTS = pl.DataFrame({"factory": ["a1"], "product": ["bolt"]})


def daily(*levels: dict[str, Any], windows: pl.DataFrame | None = None, **options: int) -> pl.DataFrame:
    rows = events(SCHEMA, *({"product": "bolt", **level} for level in levels))
    begun = rows.group_by("factory").agg(first_at=pl.col("at").min())
    return daily_stock(rows, begun, PRODUCTS, days_from(count=4) if windows is None else windows, **options)


def test_a_level_holds_until_the_next_one() -> None:
    """300 from Monday 0:00, 60 from Tuesday 18:00: Tuesday is 300 x 0.75 + 60 x 0.25 = 240 unit-days."""
    facts = daily({"at": at(0), "quantity": 300.0}, {"at": at(1, 18), "quantity": 60.0})
    assert amounts(facts, "stock_unit_days", "bolt") == [300.0, 240.0, 60.0, 60.0]
    assert coverages(facts, "stock_unit_days", "bolt") == [1.0] * 4


def test_what_was_before_the_first_level_is_not_covered() -> None:
    facts = daily({"at": at(1, 18), "quantity": 60.0})
    assert amounts(facts, "stock_unit_days", "bolt") == [15.0, 60.0, 60.0]
    assert coverages(facts, "stock_unit_days", "bolt") == [0.25, 1.0, 1.0]


def test_a_level_holds_no_longer_than_its_longest_time() -> None:
    facts = daily({"at": at(0, 12), "quantity": 8.0}, longest_hold_days=2)
    assert amounts(facts, "stock_unit_days", "bolt") == [4.0, 8.0, 4.0, None]
    assert coverages(facts, "stock_unit_days", "bolt") == [0.5, 1.0, 0.5, 0.0]
    month = daily({"at": at(0), "quantity": 1.0}, windows=days_from(count=33))
    assert amounts(month, "stock_unit_days", "bolt") == [1.0] * 31 + [None] * 2


def test_an_empty_store_is_zero_and_not_unknown() -> None:
    facts = daily({"at": at(0), "quantity": 0.0})
    assert amounts(facts, "stock_unit_days", "bolt") == [0.0] * 4


def test_a_product_of_the_profile_that_is_never_counted_is_missing_another_has_rows_while_a_level_holds() -> (
    None
):
    facts = daily({"product": "nut", "at": at(0), "quantity": 5.0}, longest_hold_days=2)
    assert amounts(facts, "stock_unit_days", "bolt") == [None] * 4
    assert amounts(facts, "stock_unit_days", "nut") == [5.0, 5.0]


def test_of_two_levels_of_one_instant_the_higher_sequence_counts() -> None:
    facts = daily(
        {"at": at(0), "quantity": 9.0, "sequence": 2}, {"at": at(0), "quantity": 7.0, "sequence": 1}
    )
    assert amounts(facts, "stock_unit_days", "bolt") == [9.0] * 4


def test_a_day_of_25_hours_has_25_of_24_unit_days() -> None:
    sunday = date(2025, 10, 26)
    facts = daily({"at": at(0, 0, BERLIN, sunday), "quantity": 24.0}, windows=days_from(sunday, 2, BERLIN))
    assert amounts(facts, "stock_unit_days", "bolt") == [25.0, 24.0]
    assert coverages(facts, "stock_unit_days", "bolt") == [1.0, 1.0]


def test_a_factory_that_sends_no_stock_has_no_rows() -> None:
    assert daily().is_empty()


@given(
    levels=st.lists(
        st.tuples(st.integers(0, 9 * 96), st.floats(0, 1e6), st.integers(0, 2)), min_size=1, max_size=15
    ),
    shuffle=st.integers(0, 99),
    cut=st.integers(1, 9),
)
@settings(max_examples=40, deadline=None)
def test_unit_days_are_the_integral_whatever_the_order_repeats_and_cuts(
    levels: list[tuple[int, float, int]], shuffle: int, cut: int
) -> None:
    rows = [{"at": at(0, quarter / 4), "quantity": q, "sequence": s} for quarter, q, s in levels]
    windows = days_from(count=10)
    whole = daily(*rows, windows=windows)
    again = [*rows, *rows[:5]]
    random.Random(shuffle).shuffle(again)  # noqa: S311 - a repeatable shuffle
    parts = [daily(*again, windows=w) for w in (windows[:cut], windows[cut:])]
    assert pl.concat(parts).equals(whole)
    newest = {quarter: q for quarter, q, _ in sorted(levels, key=lambda x: (x[0], x[2], x[1]))}
    ends = [*sorted(newest)[1:], 10 * 96]
    integral = sum(
        newest[begin] * (end - begin) / 96 for begin, end in zip(sorted(newest), ends, strict=True)
    )
    assert sum(q or 0 for q in amounts(whole, "stock_unit_days", "bolt")) == pytest.approx(integral)
