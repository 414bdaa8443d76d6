"""Before and after: figures against a stored baseline, and the roll-up of the baseline's days."""

import math
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.baseline import Change, Measured, before_after, unit_costs
from pipelines.domain.kpi_formulas import Definition
from pipelines.domain.kpis import FIGURE_COLUMNS, span_figures
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import KPIS

BOOK = kpi_book()
START = date(2025, 11, 3)


def definition(kpi: str) -> Definition:
    found = BOOK.find(kpi)
    assert found is not None
    return found


def measured(value: float | None, reason: str | None = None, version: str = "1", days: int = 30) -> Measured:
    return Measured(version, value, reason, days)


@pytest.mark.parametrize(
    ("kpi", "now", "then", "value", "in_points", "verdict"),
    [
        ("units_per_worker_h", 46.0, 40.0, 0.15, False, "better"),  # 46 / 40 - 1
        ("units_per_worker_h", 38.0, 40.0, -0.05, False, "worse"),
        ("order_lead_time_d", 12.0, 16.0, -0.25, False, "better"),  # fewer days are better
        ("energy_kwh_per_unit", 4.4, 4.0, 0.1, False, "worse"),
        ("process_defect_rate", 0.022, 0.025, -0.003, True, "better"),  # a share: 0.3 points
        ("oee", 0.61, 0.65, -0.04, True, "worse"),
        ("oee", 0.61, 0.61, 0.0, True, "same"),
        ("incidents_per_200k_h", 0.0, 2.0, -1.0, False, "better"),
    ],
)
def test_a_change_is_relative_of_a_share_in_points_and_better_by_the_kpi_s_direction(
    kpi: str, now: float, then: float, value: float, *, in_points: bool, verdict: str
) -> None:
    change = before_after(definition(kpi), measured(now), measured(then))
    assert change.value is not None
    assert math.isclose(change.value, value, abs_tol=1e-12)
    assert (change.in_points, change.verdict, change.reason) == (in_points, verdict, None)


@pytest.mark.parametrize(
    ("kpi", "now", "then", "reason"),
    [
        ("oee", measured(0.6), None, "no_baseline"),
        ("oee", measured(0.6, version="2"), measured(0.5), "definition_version_differs"),
        ("oee", measured(None, version="2"), measured(None), "definition_version_differs"),
        ("oee", measured(0.6), measured(None, "insufficient_coverage"), "insufficient_coverage"),
        ("oee", measured(None, "missing_element:gq;suspect_excluded"), measured(0.5), "missing_element:gq"),
        ("oee", measured(None, "zero_denominator"), measured(None, "missing_element:x"), "missing_element:x"),
        ("oee", measured(0.6), measured(None), "not_computed"),
        ("units_per_h", measured(5.0), measured(0.0), "zero_baseline"),
        ("energy_kwh", measured(9.0, days=10), measured(8.0), "period_length_differs"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_compared_the_reason_says_why(
    kpi: str, now: Measured, then: Measured | None, reason: str
) -> None:
    change = before_after(definition(kpi), now, then)
    assert (change.value, change.verdict, change.reason) == (None, None, reason)


def test_a_share_is_compared_with_a_share_of_nothing() -> None:
    assert before_after(definition("scrap_ratio"), measured(0.02), measured(0.0)) == Change(
        0.02, in_points=True, verdict="worse", reason=None
    )


def test_a_level_is_compared_whatever_the_length_of_its_periods() -> None:
    change = before_after(definition("jobs"), measured(44.0, days=10), measured(40.0, days=90))
    assert change.value == pytest.approx(0.1)


def test_totals_of_equal_periods_are_compared() -> None:
    change = before_after(definition("energy_kwh"), measured(900.0), measured(1000.0))
    assert change.value == pytest.approx(-0.1)
    assert change.verdict == "better"


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_the_verdict_follows_the_sign(now: float, then: float) -> None:
    change = before_after(definition("units_per_h"), measured(now), measured(then))
    assert change.verdict == ("same" if now == then else "better" if now > then else "worse")


def day_row(back: int, kpi: str, sums: list[float] | None, **more: Any) -> dict[str, Any]:
    """Return a day's row of the factory f, as the table kpis holds it."""
    covered = more.pop("covered", 86_400.0 if sums else 0.0)
    row = {
        "day": START + timedelta(days=back), "period": "day", "level": "factory", "subject": "f", "kpi": kpi,
        "definition_version": "1", "unit": definition(kpi).unit, "sums": sums, "weight": 86_400.0,
        "covered": covered, "status": "final", **more,
    }  # fmt: skip
    return {name: row.get(name) for name in FIGURE_COLUMNS}


def spans(rows: list[dict[str, Any]], days: int) -> dict[str, dict[str, Any]]:
    empty = pl.from_arrow(KPIS.schema.empty_table())
    assert isinstance(empty, pl.DataFrame)
    frame = pl.DataFrame(rows, schema={n: empty.schema[n] for n in FIGURE_COLUMNS})
    found = span_figures(frame, BOOK, START, START + timedelta(days=days), "baseline")
    assert set(found["period"]) == {"baseline"}
    return {f"{row['kpi']}@{row['definition_version']}": row for row in found.iter_rows(named=True)}


def test_a_baseline_adds_the_days_sums_and_divides_last() -> None:
    # kWh and units: 100/20 and 300/30: together 400/50 = 8, not the mean of 5 and 10.
    rows = [
        day_row(0, "energy_kwh_per_unit", [100.0, 20.0]),
        day_row(1, "energy_kwh_per_unit", [300.0, 30.0]),
    ]
    found = spans(rows, 2)["energy_kwh_per_unit@1"]
    assert (found["value"], found["sums"], found["coverage"]) == (8.0, [400.0, 50.0], 1.0)
    assert (found["day"], found["reason"], found["status"]) == (START, None, "final")


def test_a_constant_of_a_formula_is_added_once() -> None:
    # MTBF by FE + 1: 10 h and 20 h between 1 and 2 failures: 108,000 s / (3 + 1) = 27,000 s.
    rows = [day_row(0, "mtbf_fe1_s", [36_000.0, 1.0]), day_row(1, "mtbf_fe1_s", [72_000.0, 2.0])]
    assert spans(rows, 2)["mtbf_fe1_s@1"]["value"] == 27_000.0


def test_below_the_least_coverage_it_has_its_reason_and_no_value() -> None:
    rows = [
        day_row(0, "energy_kwh_per_unit", [100.0, 20.0]),
        day_row(1, "energy_kwh_per_unit", None, reason="missing_element:pq"),
        day_row(2, "energy_kwh_per_unit", None, reason="missing_element:pq"),
    ]
    found = spans(rows, 3)["energy_kwh_per_unit@1"]  # a third is less than the half that it needs
    assert (found["value"], found["reason"]) == (None, "insufficient_coverage")
    assert found["coverage"] == pytest.approx(1 / 3)
    assert found["sums"] == [100.0, 20.0]


def test_days_without_a_row_cover_nothing() -> None:
    rows = [day_row(n, "quality_ratio", [95.0, 100.0]) for n in range(3)]
    found = spans(rows, 4)["quality_ratio@1"]
    assert (found["coverage"], found["value"]) == (0.75, 0.95)
    assert spans(rows, 7)["quality_ratio@1"]["reason"] == "insufficient_coverage"  # 3 of 7


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)), st.lists(st.floats(0.0, 1e9), min_size=12, max_size=12))
def test_a_baseline_does_not_depend_on_the_order_of_its_days(order: list[int], amounts: list[float]) -> None:
    rows = [
        day_row(n, "energy_kwh_per_unit", [amounts[2 * n], amounts[2 * n + 1]] if n % 3 else None)
        for n in range(6)
    ]
    assert spans([rows[n] for n in order], 6) == spans(rows, 6)


def test_versions_of_a_formula_are_kept_apart() -> None:
    rows = [
        day_row(0, "energy_kwh_per_unit", [100.0, 20.0]),
        day_row(1, "energy_kwh_per_unit", [300.0, 30.0]),
        day_row(2, "energy_kwh_per_unit", [50.0, 50.0], definition_version="7"),
    ]
    found = spans(rows, 3)
    assert set(found) == {"energy_kwh_per_unit@1"}  # the catalogue knows no version 7
    assert found["energy_kwh_per_unit@1"]["sums"] == [400.0, 50.0]


def test_what_nobody_knows_keeps_its_reason() -> None:
    rows = [day_row(n, "oee", None, reason="missing_element:gq") for n in range(2)]
    found = spans(rows, 2)["oee@1"]
    assert (found["value"], found["sums"], found["reason"]) == (None, None, "missing_element:gq")


def element(
    day: int, name: str, quantity: float | None, product: str = "p", machine: str = "*", coverage: float = 1.0
) -> dict[str, Any]:
    return {
        "day": START + timedelta(days=day), "factory": "f", "machine": machine, "product": product,
        "element": name, "quantity": quantity, "coverage": coverage,
    }  # fmt: skip


def costs_of(rows: list[dict[str, Any]], days: int = 2) -> list[tuple[str, float | None, str | None]]:
    schema = {
        "day": pl.Date, "factory": pl.String, "machine": pl.String, "product": pl.String,
        "element": pl.String, "quantity": pl.Float64, "coverage": pl.Float64,
    }  # fmt: skip
    found = unit_costs(pl.DataFrame(rows, schema=schema), days, 0.5)
    return found.select("product", "baseline_unit_cost_krw", "reason").rows()


def test_a_unit_cost_is_cost_over_quantity_of_all_machines_and_days() -> None:
    rows = [
        element(0, "cost_krw", 40_000.0), element(1, "cost_krw", 50_000.0),
        element(0, "pq", 20.0, machine="m1"), element(0, "pq", 5.0, machine="m2"),
        element(1, "pq", 20.0, machine="m1"),
    ]  # fmt: skip
    assert costs_of(rows) == [("p", 2000.0, None)]  # 90,000 / 45


def test_cost_of_no_product_is_shared_out_by_the_products_own() -> None:
    rows = [
        element(0, "cost_krw", 30_000.0, "p"), element(0, "cost_krw", 10_000.0, "q"),
        element(0, "cost_krw", 20_000.0, "*"), element(1, "cost_krw", None, "*"),
        element(0, "pq", 15.0, "p"), element(0, "pq", 5.0, "q"),
    ]  # fmt: skip
    # 20,000 on 40,000 is half as much again: 45,000 / 15 and 15,000 / 5; 15 x 3,000 + 5 x 3,000 = 60,000.
    assert costs_of(rows, days=1) == [("p", 3000.0, None), ("q", 3000.0, None)]


def test_a_day_without_output_keeps_its_cost() -> None:
    rows = [element(0, "cost_krw", 40_000.0), element(1, "cost_krw", 50_000.0), element(0, "pq", 30.0)]
    assert costs_of(rows) == [("p", 3000.0, None)]  # a Sunday's share of the month's cost: 90,000 / 30


def test_output_of_a_day_whose_cost_is_not_known_is_left_out() -> None:
    rows = [element(0, "cost_krw", 40_000.0), element(0, "pq", 20.0), element(1, "pq", 70.0)]
    assert costs_of(rows) == [("p", 2000.0, None)]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([element(0, "cost_krw", 9.0, product="*"), element(0, "pq", 1.0)], "cost_of_no_product"),
        (
            [element(0, "cost_krw", None), element(0, "cost_krw", 1.0, product="*"), element(0, "pq", 1.0)],
            "cost_of_no_product",
        ),
        (
            [
                *(element(n, "cost_krw", 9.0) for n in range(2)),
                *(element(n, "pq", 1.0) for n in range(2)),
                element(0, "cost_krw", 5.0, product="*", coverage=0.9),
            ],
            "insufficient_coverage",
        ),
        ([element(0, "cost_krw", None), element(0, "pq", 1.0)], "missing_element:cost_krw"),
        ([element(0, "cost_krw", 9.0), element(0, "pq", None)], "missing_element:pq"),
        (
            [element(0, "cost_krw", 9.0), element(0, "pq", 1.0), element(0, "pq", None, machine="m2")],
            "missing_element:pq",
        ),
        ([element(0, "cost_krw", 9.0)], "missing_element:pq"),
        ([element(0, "cost_krw", 9.0), element(0, "pq", 0.0)], "zero_denominator"),
        ([element(0, "cost_krw", 9.0, coverage=0.9), element(0, "pq", 2.0)], "insufficient_coverage"),
    ],
)
def test_where_there_is_no_unit_cost_the_reason_says_why(rows: list[dict[str, Any]], reason: str) -> None:
    assert costs_of(rows) == [("p", None, reason)]


def test_who_tells_no_cost_has_no_row() -> None:
    assert costs_of([element(0, "pq", 20.0)]) == []
