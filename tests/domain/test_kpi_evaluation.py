"""KPIs from elements, worked by hand; the rules stand in the module and in docs/methodology."""

import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.kpi_evaluation import evaluate
from pipelines.domain.kpi_formulas import parse_formula
from pipelines.reference.kpis import kpi_book

BOOK = kpi_book()
ISO = BOOK.of_standard("iso22400")
Row = dict[str, Any]

# One machine and shift: 8 h planned, 800 s of which are unknown; two products of 100 s and 10 s.
# PRU x PQ = 100 x 100 + 10 x 500 = 15,000 s; PRU x GQ = 100 x 90 + 10 x 480 = 13,800 s.
FIRST: Row = {
    "unit": "m", "pbt_s": 28_800.0, "unknown_s": 800.0, "apt_s": 20_000.0, "asut_s": 1_000.0, "adet_s": 500.0,
    "adot_s": 3_000.0, "pmt_s": 1_000.0, "cmt_s": 3_000.0, "aoet_s": 21_600.0, "apwt_s": 24_000.0,
    "apat_s": 30_000.0, "failures": 4.0, "tbf_s": 20_000.0, "ttr_s": 6_000.0, "energy_kwh": 300.0,
    "co2e_kg": 120.0, "co2e_scope1_kg": 50.0, "co2e_scope2_location_kg": 120.0, "co2e_scope2_market_kg": 90.0,
    "co2e_transfers_kg": 10.0, "headcount": 7.0, "worked_h": 40.0, "incidents": 2.0, "cost_krw": 630_000.0,
    "orders_completed": 4.0, "lead_time_s": 864_000.0, "orders_due": 5.0, "orders_on_time": 4.0,
    "orders_on_time_in_full": 3.0, "load_tkm": 600.0, "rated_load_tkm": 600.0,
    "costed_load_tkm": 600.0, "capacity_tkm": 1_000.0, "pooled_tkm": 150.0,
    "transport_cost_krw": 240_000.0, "shipments_due": 20.0, "shipments_on_time": 18.0,
    "pru_s": 100.0, "pq": 100.0, "gq": 90.0, "sq": 6.0, "rq": 4.0, "gp": 80.0, "ip": 100.0,
    "baseline_unit_cost_krw": 2_000.0, "stock_unit_days": 2_000.0, "shipped_quantity": 80.0,
}  # fmt: skip
SECOND: Row = {
    "unit": "m", "pru_s": 10.0, "pq": 500.0, "gq": 480.0, "sq": 12.0, "rq": 8.0, "gp": 440.0, "ip": 550.0,
    "baseline_unit_cost_krw": 800.0, "stock_unit_days": 7_000.0, "shipped_quantity": 420.0,
}  # fmt: skip
KNOWN_S = 28_000.0
EXPECTED = {
    "availability": 20_000 / KNOWN_S,
    "effectiveness": 15_000 / 20_000,
    "quality_ratio": 570 / 600,
    "quality_ratio_time": 13_800 / 15_000,
    "oee": 13_800 / KNOWN_S,
    "nee": 21_000 / KNOWN_S * 0.75 * 0.92,
    "utilisation_efficiency": 20_000 / 21_500,
    "allocation_efficiency": 21_500 / KNOWN_S,
    "technical_efficiency": 20_000 / 20_500,
    "setup_rate": 1_000 / 21_000,
    "throughput_per_h": 600 / 6,
    "worker_efficiency": 0.8,
    "first_pass_yield": 520 / 650,
    "scrap_ratio": 18 / 600,
    "rework_ratio": 12 / 600,
    "corrective_maintenance_ratio": 0.75,
    "energy_kwh_per_unit": 0.5,
    "mtbf_fe_s": 5_000,
    "mtbf_fe1_s": 4_000,
    "mttr_fe_s": 1_500,
    "mttr_fe1_s": 1_200,
    "equipment_operation_rate_kr": 20_000 / 27_500,
    "energy_kwh": 300,
    "energy_kwh_per_h": 54,
    "co2e_kg": 120,
    "co2e_scope1_kg": 50,
    "co2e_scope2_location_kg": 120,
    "co2e_scope2_market_kg": 90,
    "co2e_scope12_location_kg": 170,
    "co2e_scope12_market_kg": 140,
    "co2e_transfers_kg": 10,
    "co2e_scope12_t_per_unit": 0.170 / 600,
    "co2e_t_per_unit": 0.0002,
    "co2e_kg_per_h": 21.6,
    "units_per_h": 600 * 3_600 / KNOWN_S,
    "units_per_worker_h": 15,
    "process_defect_rate": 30 / 600,
    "unit_cost_index": 630_000 / (200_000 + 400_000),
    "order_lead_time_d": 2.5,
    "order_on_time_rate": 0.8,
    "order_otif_rate": 0.6,
    "incidents_per_200k_h": 10_000,
    "incidents_per_1m_h": 50_000,
    "jobs": 7,
    "load_factor": 0.6,
    "transport_krw_per_tkm": 400,
    "delivery_on_time_rate": 0.9,
    "pooled_share": 0.25,
    "inventory_days": 18,
}
ALL = tuple(EXPECTED)
SECOND_VERSIONS = {"load_factor", "transport_krw_per_tkm", "process_defect_rate"}


def below(kpi: str) -> set[str]:
    """Name the elements below the line."""
    return {n for s in BOOK.definitions[kpi][-1].formula.below for t in s.terms for n in t.elements}


def frame(*rows: Row) -> pl.DataFrame:
    names = {"unit": pl.String} | {n: pl.Float64 for row in rows for n in row if n != "unit"}
    return pl.DataFrame(list(rows), schema=names)


def figures(*rows: Row, kpis: tuple[str, ...] = ALL, rollup: bool = False) -> pl.DataFrame:
    definitions = [d for d in (BOOK.find(k) for k in kpis) if d is not None]
    return evaluate(frame(*rows), definitions, BOOK.elements, rollup=rollup)


def one(kpi: str, *rows: Row, unit: str = "m", rollup: bool = False) -> Row:
    found = figures(*rows, kpis=(kpi,), rollup=rollup)
    return found.row(by_predicate=pl.col("unit") == unit, named=True)


def test_the_hand_worked_cases_are_of_the_whole_catalogue() -> None:
    assert set(ALL) == set(BOOK.definitions)


@pytest.mark.parametrize("kpi", ALL)
def test_an_ordinary_unit_of_two_products_with_partly_measured_time(kpi: str) -> None:
    found = one(kpi, FIRST, SECOND)
    assert found["value"] == pytest.approx(EXPECTED[kpi], rel=1e-14)
    assert found["reason"] == ("above_one" if EXPECTED[kpi] > 1 and found["kpi"] == "effectiveness" else None)
    assert found["coverage"] == pytest.approx(KNOWN_S / 28_800, rel=1e-15)
    assert found["version"] == ("2" if kpi in SECOND_VERSIONS else "1")


@pytest.mark.parametrize("kpi", [k for k in ALL if below(k) and not k.endswith("_fe1_s")])
def test_a_denominator_of_nothing_gives_no_value(kpi: str) -> None:
    # What AUPT and AUBT are made of must be nothing too; PBT alone is not, for then nothing would be known.
    sources = {"aupt_s": ("apt_s", "asut_s"), "aubt_s": ("apt_s", "asut_s", "adet_s")}
    nothing = {part for name in below(kpi) for part in (name, *sources.get(name, ()))}
    nothing -= {"aupt_s", "aubt_s"}
    nothing |= {"gq"} if "pq" in nothing else set()
    rows = [{n: 0.0 if n in nothing else v for n, v in row.items()} for row in (FIRST, SECOND)]
    found = one(kpi, *rows)
    assert (found["value"], found["reason"]) == (None, "zero_denominator")


@pytest.mark.parametrize("kpi", ["mtbf_fe1_s", "mttr_fe1_s"])
def test_by_fe_plus_one_a_shift_without_a_failure_has_a_value(kpi: str) -> None:
    found = one(kpi, FIRST | {"failures": 0.0}, SECOND)
    assert (found["value"], found["reason"]) == (EXPECTED[kpi] * 5, None)


@pytest.mark.parametrize(
    ("kpi", "element"),
    [(k, e) for k in ALL for e in BOOK.definitions[k][-1].formula.elements if e != "unknown_s"],
)
def test_an_element_that_nobody_gave_is_named(kpi: str, element: str) -> None:
    # A derived element is missing where one of its parts is.
    dropped = {"aupt_s": "asut_s", "aubt_s": "adet_s"}.get(element, element)
    rows = [{n: v for n, v in row.items() if n != dropped} for row in (FIRST, SECOND)]
    found = one(kpi, *rows)
    assert found["value"] is None
    assert found["reason"].startswith("missing_element:")
    if dropped == element:
        assert found["reason"] == f"missing_element:{element}"


@pytest.mark.parametrize(
    ("kpi", "element"),
    [(k, e) for k in ALL for e in BOOK.definitions[k][-1].formula.elements if e not in ("aupt_s", "aubt_s")],
)
def test_an_element_below_zero_gives_no_value_and_is_named(kpi: str, element: str) -> None:
    found = one(kpi, FIRST | {element: -1.0}, SECOND)
    assert (found["value"], found["reason"]) == (None, f"negative_element:{element}")


def test_one_negative_product_is_not_hidden_by_the_others() -> None:
    found = one("quality_ratio", FIRST, SECOND | {"gq": -5.0})
    assert (found["value"], found["reason"]) == (None, "negative_element:gq")


def test_a_derived_element_names_the_part_that_is_negative() -> None:
    assert (
        one("allocation_efficiency", FIRST | {"asut_s": -1.0}, SECOND)["reason"] == "negative_element:asut_s"
    )


def test_more_good_parts_than_parts_are_a_negative_difference() -> None:
    assert one("process_defect_rate@1", FIRST | {"gq": 700.0}, SECOND)["reason"] == "negative_element:pq-gq"


@pytest.mark.parametrize(
    ("kpi", "more"),
    [
        ("effectiveness", {"pru_s": 400.0}), ("availability", {"apt_s": 29_000.0}), ("oee", {"pru_s": 400.0}),
        ("quality_ratio", {"gq": 700.0}), ("nee", {"pru_s": 400.0}), ("first_pass_yield", {"gp": 600.0}),
        ("load_factor", {"rated_load_tkm": 1_100.0}), ("order_on_time_rate", {"orders_on_time": 6.0}),
    ],
)  # fmt: skip
def test_more_than_all_keeps_its_value_and_is_marked(kpi: str, more: Row) -> None:
    found = one(kpi, FIRST | more, SECOND)
    assert found["value"] > 1
    assert found["reason"] == "above_one"


def test_effectiveness_above_one_by_hand() -> None:
    # 400 x 100 + 10 x 500 = 45,000 s of planned run time in 20,000 s
    assert one("effectiveness", FIRST | {"pru_s": 400.0}, SECOND)["value"] == 2.25


def test_what_is_no_share_is_never_marked() -> None:
    for kpi in ("throughput_per_h", "energy_kwh_per_h", "unit_cost_index", "inventory_days", "mtbf_fe_s"):
        assert one(kpi, FIRST, SECOND)["reason"] is None


def test_exactly_all_is_not_more_than_all() -> None:
    found = one("nee", {"unit": "m", "pbt_s": 0.3, "aupt_s": 0.3, "apt_s": 0.1 + 0.2, "pru_s": 0.1, "pq": 3.0,
                        "gq": 3.0})  # fmt: skip
    assert (found["value"], found["reason"]) == (pytest.approx(1), None)


def test_oee_of_several_products_is_the_ratio_of_sums_and_not_the_product_of_unit_ratios() -> None:
    found = {r["kpi"]: r["value"] for r in figures(FIRST, SECOND).iter_rows(named=True)}
    by_time = found["availability"] * found["effectiveness"] * found["quality_ratio_time"]
    by_units = found["availability"] * found["effectiveness"] * found["quality_ratio"]
    assert found["oee"] == pytest.approx(by_time, rel=1e-14)
    assert found["oee"] != pytest.approx(by_units, rel=1e-3)


def test_of_one_product_both_quality_ratios_agree() -> None:
    assert one("quality_ratio", FIRST)["value"] == one("quality_ratio_time", FIRST)["value"] == 0.9


def test_a_product_without_its_planned_run_time_is_not_left_out_silently() -> None:
    for kpi in ("effectiveness", "oee", "quality_ratio_time"):
        found = one(kpi, FIRST, SECOND | {"pru_s": None})
        assert (found["value"], found["reason"]) == (None, "missing_element:pru_s")


def test_a_product_whose_quantity_is_unknown_is_no_product_of_nothing() -> None:
    assert one("throughput_per_h", FIRST, SECOND | {"pq": None})["reason"] == "missing_element:pq"
    assert one("quality_ratio", FIRST, SECOND | {"gq": None})["reason"] == "missing_element:gq"
    assert one("quality_ratio", FIRST, SECOND | {"gq": 0.0})["value"] == 90 / 600


def test_a_row_of_times_alone_is_no_product() -> None:
    times = {n: v for n, v in FIRST.items() if n == "unit" or BOOK.elements[n].stands == "unit"}
    products = {n: v for n, v in FIRST.items() if n not in times or n == "unit"}
    for kpi in ALL:
        assert one(kpi, times, products, SECOND)["value"] == one(kpi, FIRST, SECOND)["value"]


def test_given_processing_and_busy_times_are_taken_as_given() -> None:
    given = FIRST | {"aupt_s": 22_000.0, "aubt_s": 25_000.0}
    assert one("setup_rate", given)["value"] == 1_000 / 22_000
    assert one("allocation_efficiency", given)["value"] == 25_000 / KNOWN_S
    without_parts = {"unit": "m", "pbt_s": 1_000.0, "aubt_s": 400.0}
    assert one("allocation_efficiency", without_parts)["value"] == 0.4


def test_busy_time_is_derived_from_a_given_processing_time() -> None:
    row = {"unit": "m", "pbt_s": 1_000.0, "aupt_s": 400.0, "adet_s": 100.0}
    assert one("allocation_efficiency", row)["value"] == 0.5


def test_unknown_time_leaves_the_denominator_and_lowers_the_coverage() -> None:
    row = {"unit": "m", "pbt_s": 1_000.0, "unknown_s": 200.0, "apt_s": 600.0, "coverage": 0.9}
    found = one("availability", row)
    assert found["value"] == 0.75
    assert found["coverage"] == pytest.approx(0.72)


def test_below_half_the_time_there_is_no_ratio() -> None:
    row = {"unit": "m", "pbt_s": 1_000.0, "apt_s": 100.0}
    assert one("availability", row | {"unknown_s": 500.0})["value"] == 0.2
    for less in ({"unknown_s": 501.0}, {"unknown_s": 1_000.0}, {"coverage": 0.49}):
        found = one("availability", row | less)
        assert (found["value"], found["reason"]) == (None, "insufficient_coverage")


def test_more_unknown_than_planned_is_no_coverage_at_all() -> None:
    found = one("availability", {"unit": "m", "pbt_s": 1_000.0, "apt_s": 100.0, "unknown_s": 1_200.0})
    assert (found["coverage"], found["reason"]) == (0.0, "insufficient_coverage")


def test_unknown_time_out_of_nobody_knows_how_much_has_no_coverage_figure() -> None:
    assert one("technical_efficiency", {"unit": "m", "apt_s": 1.0, "adet_s": 1.0, "unknown_s": 5.0}) == {
        "unit": "m", "kpi": "technical_efficiency", "version": "1", "value": 0.5, "reason": None,
        "coverage": None, "numerator": 1.0, "denominator": 2.0,
    }  # fmt: skip


def test_a_roll_up_sums_first_and_divides_last() -> None:
    # 0.80 of 10,000 s and 0.45 of 30,000 s: together 21,500 / 40,000, not 0.625
    rows = [
        {"unit": "a", "pbt_s": 10_000.0, "pru_s": 100.0, "pq": 90.0, "gq": 80.0},
        {"unit": "b", "pbt_s": 30_000.0, "pru_s": 50.0, "pq": 300.0, "gq": 270.0},
    ]
    assert one("oee", *rows, unit="*", rollup=True)["value"] == 0.5375


def test_a_roll_up_leaves_out_who_lacks_an_element_and_counts_it_as_not_covered() -> None:
    rows = [
        {"unit": "a", "pbt_s": 1_000.0, "apt_s": 600.0, "unknown_s": 200.0},
        {"unit": "b", "pbt_s": 3_000.0, "apt_s": 1_500.0},
        {"unit": "c", "pbt_s": 1_000.0},
    ]
    found = one("availability", *rows, unit="*", rollup=True)
    assert found["value"] == 2_100 / 3_800
    assert found["coverage"] == pytest.approx((800 + 3_000) / 5_000)


def test_a_roll_up_of_too_little_is_withheld() -> None:
    rows = [{"unit": "a", "pbt_s": 1_000.0, "apt_s": 600.0}, {"unit": "b", "pbt_s": 3_000.0}]
    found = one("availability", *rows, unit="*", rollup=True)
    assert (found["value"], found["reason"], found["coverage"]) == (None, "insufficient_coverage", 0.25)


def test_a_roll_up_over_nobody_names_the_first_element_that_is_missing() -> None:
    rows = [{"unit": "a", "pq": 5.0}, {"unit": "b", "pru_s": 5.0, "apt_s": 1.0}]
    found = one("effectiveness", *rows, unit="*", rollup=True)
    assert (found["reason"], found["coverage"]) == ("missing_element:pru_s", 0.0)


def test_a_roll_up_leaves_out_a_negative_element() -> None:
    rows = [{"unit": u, "pbt_s": 1_000.0, "sq": sq, "pq": 10.0} for u, sq in (("a", 1.0), ("b", -1.0))]
    found = one("scrap_ratio", *rows, unit="*", rollup=True)
    assert (found["value"], found["coverage"]) == (0.1, 0.5)


def test_without_planned_times_all_units_weigh_the_same() -> None:
    rows = [
        {"unit": "a", "sq": 1.0, "pq": 10.0},
        {"unit": "b", "sq": 3.0, "pq": 10.0},
        {"unit": "c", "pq": 1.0},
    ]
    found = one("scrap_ratio", *rows, unit="*", rollup=True)
    assert (found["value"], found["coverage"]) == (0.2, pytest.approx(2 / 3))


def test_mean_time_between_failures_of_all_adds_the_one_once() -> None:
    rows = [{"unit": u, "tbf_s": 1_000.0, "failures": f} for u, f in (("a", 0.0), ("b", 3.0))]
    assert one("mtbf_fe1_s", *rows, unit="*", rollup=True)["value"] == 500
    assert one("mtbf_fe_s", *rows, unit="*", rollup=True)["value"] == 2_000 / 3


def test_rows_come_in_the_order_of_units_and_definitions_with_the_total_last() -> None:
    rows = [FIRST | {"unit": u} for u in ("z", "a")]
    found = figures(*rows, SECOND | {"unit": "z"}, kpis=("oee", "availability"), rollup=True)
    assert list(found.select("unit", "kpi").iter_rows()) == [
        ("z", "oee"), ("z", "availability"), ("a", "oee"), ("a", "availability"), ("*", "oee"),
        ("*", "availability"),
    ]  # fmt: skip


def test_a_changed_formula_is_a_new_version_and_old_figures_keep_theirs() -> None:
    old = BOOK.definitions["process_defect_rate"][0]
    text = "sum(sq) / sum(pq)"
    new = replace(old, version="2", formula=parse_formula(text, BOOK.elements, lambda _k, _v: old.formula))
    book = replace(BOOK, definitions={**BOOK.definitions, old.kpi: (old, new)})
    both = [d for d in (book.find("process_defect_rate@1"), book.find("process_defect_rate")) if d]
    found = evaluate(frame(FIRST, SECOND), both, book.elements)
    assert list(found.select("version", "value").iter_rows()) == [("1", 30 / 600), ("2", 18 / 600)]
    assert book.newest()[ALL.index("process_defect_rate")].version == "2"


counts = st.integers(0, 1_000).map(float)
seconds = st.integers(0, 86_400).map(float)
products = st.lists(
    st.fixed_dictionaries(
        {"pru_s": st.integers(1, 500).map(float), "pq": counts, "gq": counts, "sq": counts}
    ),
    min_size=1,
    max_size=3,
)
units = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            dict.fromkeys(("pbt_s", "apt_s", "asut_s", "adet_s", "cmt_s", "pmt_s", "tbf_s", "ttr_s"), seconds)
            | {"failures": st.integers(0, 9).map(float), "energy_kwh": counts}
        ),
        products,
    ),
    min_size=1,
    max_size=4,
)
Units = list[tuple[Row, list[Row]]]
_CASES = settings(max_examples=25, deadline=None)


def rows_of(cases: Units) -> list[Row]:
    return [
        {"unit": f"u{n}", **(times if place == 0 else {}), **product}
        for n, (times, made) in enumerate(cases)
        for place, product in enumerate(made)
    ]


@given(units)
@_CASES
def test_a_roll_up_is_the_kpi_of_the_summed_elements(cases: Units) -> None:
    rolled = evaluate(frame(*rows_of(cases)), ISO, BOOK.elements, rollup=True).filter(pl.col("unit") == "*")
    summed = {name: math.fsum(times[name] for times, _ in cases) for name in cases[0][0]}
    made = [product for _, own in cases for product in own]
    whole = [{"unit": "*", **(summed if n == 0 else {}), **product} for n, product in enumerate(made)]
    expected = evaluate(frame(*whole), ISO, BOOK.elements)
    assert rolled.drop("coverage").equals(expected.drop("coverage"))


@given(units, st.randoms(use_true_random=False), st.integers(1, 9))
@_CASES
def test_splitting_and_permuting_rows_changes_nothing(cases: Units, random, share: int) -> None:  # noqa: ANN001 - hypothesis' own random.Random
    rows = rows_of(cases)
    expected = evaluate(frame(*rows), ISO, BOOK.elements, rollup=True)
    split: list[Row] = []
    for row in rows:
        part = {n: row[n] // share for n in ("pq", "gq", "sq")}
        split.append(row | {n: row[n] - taken for n, taken in part.items()})
        split.append({"unit": row["unit"], "pru_s": row["pru_s"], **part})
    random.shuffle(split)
    key = ["unit", "kpi"]
    found = evaluate(frame(*split), ISO, BOOK.elements, rollup=True)
    assert found.sort(key).equals(expected.sort(key))


@given(units, st.sampled_from([2.0, 60.0, 3_600.0]))
@_CASES
def test_shares_do_not_depend_on_the_unit_of_time(cases: Units, factor: float) -> None:
    shares = [d for d in ISO if d.unit == "1"]
    rows = rows_of(cases)
    scaled = [
        {n: v * factor if n.endswith("_s") and v is not None else v for n, v in row.items() if n != "unit"}
        | {"unit": row["unit"]}
        for row in rows
    ]
    before = evaluate(frame(*rows), shares, BOOK.elements)
    after = evaluate(frame(*scaled), shares, BOOK.elements)
    assert before["reason"].equals(after["reason"])
    for ours, theirs in zip(before["value"], after["value"], strict=True):
        assert ours == (None if theirs is None else pytest.approx(theirs, rel=1e-12))


@given(units)
@_CASES
def test_oee_is_always_the_product_of_its_factors(cases: Units) -> None:
    found = evaluate(frame(*rows_of(cases)), ISO, BOOK.elements)
    by_unit = {(r["unit"], r["kpi"]): r["value"] for r in found.iter_rows(named=True)}
    for unit in found["unit"].unique():
        factors = [by_unit[unit, k] for k in ("availability", "effectiveness", "quality_ratio_time")]
        if None not in factors:
            assert by_unit[unit, "oee"] == pytest.approx(math.prod(factors), rel=1e-12)
