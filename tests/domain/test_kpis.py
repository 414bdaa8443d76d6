"""The KPIs of a day from facts, worked by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.daily_elements import DayFacts, daily_elements
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.kpis import day_figures, places_of
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import KPIS
from tests.domain.test_kpi_evaluation import ALL, EXPECTED, FIRST, SECOND

BOOK = kpi_book()
UNITS = {e.element: e.unit for e in BOOK.elements.values()}
DAY = date(2025, 11, 10)
MIDNIGHT = datetime(2025, 11, 9, 15, tzinfo=UTC)
CLUSTER = ClusterDefinition(
    cluster="demo",
    name_ko="",
    name_en="",
    zone="Asia/Seoul",
    geography="KR",
    members=(Member("m", "", "", "h"), Member("n", "", "", "h")),
    factories=(
        Factory("a", "m", date(2025, 1, 1)),
        Factory("b", "m", date(2025, 1, 1)),
        Factory("c", "n", date(2025, 1, 1)),
        Factory("left", "n", date(2025, 1, 1), date(2025, 11, 1)),
    ),
    gateways=(),
    policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))}),
)
INSTANT = pl.Datetime("us", "UTC")
STATE = {"status": pl.String, "version": pl.Int32, "profile_version": pl.String}
ENERGY_SCHEMA = {
    "factory": pl.String, "day": pl.Date, "meter": pl.String, "carrier": pl.String, "allocation": pl.String,
    "start": INSTANT, "end": INSTANT, "quantity": pl.Float64, "coverage": pl.Float64, "quality": pl.String,
    **STATE,
}  # fmt: skip
TIMES = ("pbt_s", "apt_s", "asut_s", "adet_s", "adot_s", "pmt_s", "cmt_s", "unknown_s", "failures")
MACHINE_SCHEMA = {
    "factory": pl.String, "day": pl.Date, "machine": pl.String, "product": pl.String, "start": INSTANT,
    "end": INSTANT, **dict.fromkeys((*TIMES, "pq", "gq", "sq", "rq", "ip", "gp", "pru_s"), pl.Float64),
    "coverage": pl.Float64, "quality": pl.String, **STATE,
}  # fmt: skip
OPERATIONS_SCHEMA = {
    "factory": pl.String, "day": pl.Date, "product": pl.String, "element": pl.String, "start": INSTANT,
    "end": INSTANT, "quantity": pl.Float64, "coverage": pl.Float64, "quality": pl.String, **STATE,
}  # fmt: skip
PRODUCTS = {"a": {"x": "forged", "y": "forged"}, "b": {"x": "forged"}, "c": {"z": "cast"}}
METERS = pl.DataFrame(
    [
        (f, "p", meter, "electricity", parent, machine, False)
        for f in "abc"
        for meter, parent, machine in (("main", None, None), ("sub-1", "main", "1"))
    ],
    schema={
        "factory": pl.String, "profile_version": pl.String, "meter": pl.String, "carrier": pl.String,
        "parent": pl.String, "machine": pl.String, "bidirectional": pl.Boolean,
    },
    orient="row",
)  # fmt: skip
PROFILES_SCHEMA = {
    "factory": pl.String, "profile_version": pl.String, "process": pl.String,
    "products": pl.List(pl.Struct({"product": pl.String, "product_class": pl.String})), "valid_to": INSTANT,
}  # fmt: skip


def profiles(products: dict[str, dict[str, str]]) -> pl.DataFrame:
    rows = [
        (f, "p", "forming", [{"product": p, "product_class": c} for p, c in classes.items()], None)
        for f, classes in products.items()
    ]
    return pl.DataFrame(rows, schema=PROFILES_SCHEMA, orient="row")


def energy(factory: str, kwh_by_hour: list[float | None], **changes: object) -> pl.DataFrame:
    rows = [
        {
            "factory": factory,
            "day": DAY,
            "meter": "main",
            "carrier": "electricity",
            "allocation": "hour",
            "start": MIDNIGHT + timedelta(hours=n),
            "end": MIDNIGHT + timedelta(hours=n + 1),
            "quantity": kwh,
            "coverage": 0.0 if kwh is None else 1.0,
            "quality": None if kwh is None else "measured",
            "status": "final",
            "version": 1,
            "profile_version": "p",
            **changes,
        }
        for n, kwh in enumerate(kwh_by_hour)
    ]
    return pl.DataFrame(rows, schema=ENERGY_SCHEMA, orient="row")


def machine_row(factory: str, machine: str, product: str, **values: object) -> dict[str, Any]:
    return {
        "factory": factory, "day": DAY, "machine": machine, "product": product, "start": MIDNIGHT,
        "end": MIDNIGHT + timedelta(hours=1), "coverage": 1.0, "quality": "measured", "status": "final",
        "version": 1, "profile_version": "p", **values,
    }  # fmt: skip


def times(
    factory: str, machine: str, pbt_s: float, apt_s: float, unknown_s: float = 0.0, **more: object
) -> dict[str, Any]:
    known = dict.fromkeys(TIMES, 0.0) | {"pbt_s": pbt_s, "apt_s": apt_s, "unknown_s": unknown_s}
    return machine_row(factory, machine, "*", **(known | more))


def made(
    factory: str, machine: str, product: str, pq: float | None, gq: float | None, pru_s: float | None = 60.0,
    **more: object,
) -> dict[str, Any]:  # fmt: skip
    return machine_row(factory, machine, product, **({"pq": pq, "gq": gq, "pru_s": pru_s} | more))


def machines(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=MACHINE_SCHEMA, orient="row")


def operations(*rows: tuple[str, str, float | None], **changes: object) -> pl.DataFrame:
    """Make facts of operations: factory, element, quantity."""
    whole = {
        "day": DAY, "product": "*", "start": MIDNIGHT, "end": MIDNIGHT + timedelta(days=1), "coverage": 1.0,
        "quality": "measured", "status": "final", "version": 1, "profile_version": "p",
    }  # fmt: skip
    named = [
        whole
        | {"factory": f, "element": e, "quantity": q}
        | ({"coverage": 0.0} if q is None else {})
        | changes
        for f, e, q in rows
    ]
    return pl.DataFrame(named, schema=OPERATIONS_SCHEMA, orient="row")


def carbon(hours: pl.DataFrame, factor: float | None = 0.5, *, provisional: bool = False) -> pl.DataFrame:
    return (
        hours.filter(meter="main")
        .with_columns(
            method=pl.lit("location"),
            factor_id=pl.lit(None if factor is None else "f", pl.String),
            factor_kg_per_kwh=pl.lit(factor, pl.Float64),
            reason=pl.lit("no_factor_for_period" if factor is None else None, pl.String),
            co2e_kg=pl.col("quantity") * factor if factor is not None else pl.lit(None, pl.Float64),
            provisional=pl.lit(provisional),
        )
        .drop("quantity", "status")
    )


def rows_of_day(hours: pl.DataFrame, made_rows: pl.DataFrame) -> pl.DataFrame:
    facts = DayFacts(hours, made_rows, carbon(hours), operations(), METERS)
    return daily_elements(facts, UNITS)


def figures_of(rows: pl.DataFrame, *days: date) -> pl.DataFrame:
    newest = pl.DataFrame(
        [(day, d.kpi, d.version) for day in days for d in BOOK.newest()],
        schema={"day": pl.Date, "kpi": pl.String, "version": pl.String},
        orient="row",
    )
    return day_figures(rows, places_of(rows, profiles(PRODUCTS), CLUSTER, days), BOOK, newest)


def figures(
    hours: pl.DataFrame | None = None,
    made_rows: pl.DataFrame | None = None,
    emissions: pl.DataFrame | None = None,
    operated: pl.DataFrame | None = None,
    products: dict[str, dict[str, str]] = PRODUCTS,
) -> pl.DataFrame:
    used = pl.DataFrame(schema=ENERGY_SCHEMA) if hours is None else hours
    facts = DayFacts(
        energy=used,
        machines=machines() if made_rows is None else made_rows,
        emissions=carbon(used) if emissions is None else emissions,
        operations=operations() if operated is None else operated,
        meters=METERS,
    )
    rows = daily_elements(facts, UNITS)
    newest = pl.DataFrame(
        [(DAY, d.kpi, d.version) for d in BOOK.newest()],
        schema={"day": pl.Date, "kpi": pl.String, "version": pl.String},
        orient="row",
    )
    return day_figures(rows, places_of(rows, profiles(products), CLUSTER, [DAY]), BOOK, newest)


def one(frame: pl.DataFrame, subject: str, kpi: str) -> dict[str, Any]:
    return frame.row(by_predicate=(pl.col("subject") == subject) & (pl.col("kpi") == kpi), named=True)


FULL_DAY = [10.0] * 24


def test_the_columns_are_those_of_the_table_and_every_subject_has_what_is_expected() -> None:
    rows = figures()
    assert rows.columns == [n for n in KPIS.schema.names if n != "known_at"]
    assert sorted(rows["subject"].unique()) == ["a", "b", "c", "m", "m/forming", "n", "n/forming"]
    assert rows.height == 7 * 4
    assert rows["value"].null_count() == rows.height


def test_a_full_day_is_the_sum_of_its_hours() -> None:
    rows = figures(energy("a", FULL_DAY))
    day = one(rows, "a", "energy_kwh")
    assert (day["value"], day["coverage"], day["reason"], day["status"]) == (240.0, 1.0, None, "final")
    assert one(rows, "a", "co2e_kg")["value"] == 120.0


def test_a_day_with_missing_hours_is_what_is_known_with_its_coverage() -> None:
    rows = figures(energy("a", [10.0] * 18 + [None] * 6))
    day = one(rows, "a", "energy_kwh")
    assert (day["value"], day["coverage"], day["reason"]) == (180.0, 0.75, None)


def test_a_silent_factory_is_null_never_zero_and_its_owner_shows_half() -> None:
    rows = figures(energy("a", FULL_DAY))
    silent = one(rows, "b", "energy_kwh")
    assert (silent["value"], silent["coverage"], silent["reason"]) == (
        None,
        0.0,
        "missing_element:energy_kwh",
    )
    owner = one(rows, "m", "energy_kwh")
    assert (owner["value"], owner["coverage"]) == (240.0, 0.5)


def test_an_unallocated_amount_adds_to_the_day_but_not_to_its_coverage() -> None:
    hours = energy("a", [10.0] * 20 + [None] * 4)
    gap = energy("a", [33.0], allocation="unallocated", coverage=None)
    day = one(figures(pl.concat([hours, gap])), "a", "energy_kwh")
    assert day["value"] == 233.0
    assert day["coverage"] == pytest.approx(20 / 24)


@pytest.mark.parametrize("quality", ["suspect", "estimated"])
def test_suspect_and_estimated_hours_leave_value_and_coverage_and_mark_the_row(quality: str) -> None:
    doubtful = energy("a", [500.0], quality=quality)
    sound = energy("a", FULL_DAY).filter(pl.col("start") > MIDNIGHT)
    day = one(figures(pl.concat([doubtful, sound])), "a", "energy_kwh")
    assert (day["value"], day["reason"]) == (230.0, "suspect_excluded")
    assert day["coverage"] == pytest.approx(23 / 24)


def test_emissions_without_a_factor_are_null_with_its_reason() -> None:
    hours = energy("a", FULL_DAY)
    day = one(figures(hours, emissions=carbon(hours, None)), "a", "co2e_kg")
    assert (day["value"], day["reason"]) == (None, "no_factor_for_period")


def test_a_carried_factor_keeps_emissions_provisional_but_not_the_energy() -> None:
    hours = energy("a", FULL_DAY)
    rows = figures(hours, emissions=carbon(hours, provisional=True))
    assert one(rows, "a", "co2e_kg")["status"] == "provisional"
    assert one(rows, "a", "energy_kwh")["status"] == "final"


def test_oee_of_two_machines_is_the_ratio_of_their_sums() -> None:
    rows = figures(
        made_rows=machines(
            # 0.80 of 10,000 s and 0.45 of 30,000 s: together 21,500 / 40,000, not 0.625
            times("a", "1", 10_000, 9_000), made("a", "1", "x", 90, 80, 100.0),
            times("a", "2", 30_000, 20_000), made("a", "2", "y", 300, 270, 50.0),
        )
    )  # fmt: skip
    oee = one(rows, "a", "oee")
    assert (oee["numerator"], oee["denominator"]) == (21_500.0, 40_000.0)
    assert (oee["value"], oee["coverage"], oee["reason"]) == (0.5375, 1.0, None)


def test_oee_of_several_products_weighs_each_by_its_planned_run_time() -> None:
    rows = figures(
        made_rows=machines(
            times("a", "1", 10_000, 9_000),
            made("a", "1", "x", 50, 40, 100.0),
            made("a", "1", "y", 100, 100, 20.0),
        )
    )  # fmt: skip
    assert one(rows, "a", "oee")["value"] == 0.6


def test_oee_over_unknown_time_is_weighted_by_known_time_and_says_how_much() -> None:
    rows = figures(
        made_rows=machines(times("a", "1", 10_000, 8_000, 500), made("a", "1", "x", 100, 95, 80.0))
    )
    oee = one(rows, "a", "oee")
    assert (oee["value"], oee["coverage"]) == (0.8, 0.95)


def test_oee_below_its_minimum_coverage_is_null_but_keeps_its_elements() -> None:
    rows = figures(
        made_rows=machines(times("a", "1", 10_000, 3_000, 6_000), made("a", "1", "x", 40, 35, 80.0))
    )
    oee = one(rows, "a", "oee")
    assert (oee["value"], oee["reason"]) == (None, "insufficient_coverage")
    assert (oee["numerator"], oee["denominator"], oee["coverage"]) == (2_800.0, 4_000.0, 0.4)


def test_oee_above_one_stays_and_is_marked() -> None:
    rows = figures(made_rows=machines(times("a", "1", 1_000, 1_000), made("a", "1", "x", 11, 11, 100.0)))
    oee = one(rows, "a", "oee")
    assert (oee["value"], oee["reason"]) == (1.1, "above_one")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([times("a", "1", 1_000, 900)], "missing_element:gq"),
        ([times("a", "1", 1_000, 900), made("a", "1", "x", 5, None)], "missing_element:gq"),
        ([times("a", "1", 1_000, 900), made("a", "1", "x", 5, 5, None)], "missing_element:pru_s"),
        ([made("a", "1", "x", 5, 5)], "missing_element:pbt_s"),
        ([], "missing_element:pbt_s"),
        ([times("a", "1", 0, 0)], "zero_denominator"),
        ([times("a", "1", 1_000, 0, 1_000)], "insufficient_coverage"),
    ],
    ids=[
        "ran without counts", "good parts not counted", "no planned run time", "no times", "no machine",
        "nothing planned", "nothing known",
    ],
)  # fmt: skip
def test_why_there_is_no_oee(rows: list[dict[str, Any]], reason: str) -> None:
    oee = one(figures(made_rows=machines(*rows)), "a", "oee")
    assert (oee["value"], oee["reason"]) == (None, reason)


def test_a_machine_that_never_ran_made_nothing_and_counts() -> None:
    rows = figures(
        made_rows=machines(
            times("a", "1", 1_000, 900), made("a", "1", "x", 9, 8, 100.0), times("a", "2", 1_000, 0)
        )
    )  # fmt: skip
    assert one(rows, "a", "oee")["value"] == 0.4


def test_a_machine_without_all_elements_is_left_out_and_lowers_the_coverage() -> None:
    rows = figures(
        made_rows=machines(
            times("a", "1", 19_000, 9_000), made("a", "1", "x", 95, 95, 100.0), times("a", "2", 1_000, 900)
        )
    )  # fmt: skip
    oee = one(rows, "a", "oee")
    assert (oee["value"], oee["coverage"]) == (0.5, 0.95)


def test_energy_per_unit_is_all_energy_over_all_output() -> None:
    rows = figures(
        energy("a", FULL_DAY),
        machines(times("a", "1", 10, 10), made("a", "1", "x", 40, 39), made("a", "1", "y", 20, 20)),
    )
    ratio = one(rows, "a", "energy_kwh_per_unit")
    assert (ratio["numerator"], ratio["denominator"], ratio["value"]) == (240.0, 60.0, 4.0)
    assert ratio["product_class"] == "forged"


def test_energy_per_unit_of_a_member_sums_its_factories_first() -> None:
    rows = figures(
        pl.concat([energy("a", FULL_DAY), energy("b", [5.0] * 24)]),
        machines(made("a", "1", "x", 60, 60), made("b", "1", "x", 40, 40)),
    )
    assert one(rows, "m", "energy_kwh_per_unit")["value"] == 3.6


@pytest.mark.parametrize(
    ("made_rows", "hours", "reason"),
    [
        ([], FULL_DAY, "missing_element:pq"),
        ([made("a", "1", "x", None, None)], FULL_DAY, "missing_element:pq"),
        ([made("a", "1", "x", 0, 0)], FULL_DAY, "zero_denominator"),
        ([made("a", "1", "x", 5, 5)], [1.0] * 11 + [None] * 13, "insufficient_coverage"),
        ([made("a", "1", "x", 5, 5)], [None] * 24, "missing_element:energy_kwh"),
    ],
)
def test_why_there_is_no_energy_per_unit(
    made_rows: list[dict[str, Any]], hours: list[float | None], reason: str
) -> None:
    ratio = one(figures(energy("a", hours), machines(*made_rows)), "a", "energy_kwh_per_unit")
    assert (ratio["value"], ratio["reason"]) == (None, reason)


def test_output_of_several_product_classes_is_not_added() -> None:
    mixed = PRODUCTS | {"a": {"x": "forged", "y": "cast"}}
    rows = figures(energy("a", FULL_DAY), machines(made("a", "1", "x", 5, 5)), products=mixed)
    ratio = one(rows, "a", "energy_kwh_per_unit")
    assert (ratio["value"], ratio["reason"], ratio["product_class"]) == (None, "mixed_product_classes", None)


def test_a_silent_factory_does_not_keep_a_final_day_open() -> None:
    assert one(figures(energy("a", FULL_DAY)), "c", "energy_kwh")["status"] == "final"
    provisional = energy("a", FULL_DAY, status="provisional")
    assert one(figures(provisional), "c", "energy_kwh")["status"] == "provisional"


OPERATED = (
    "aoet_s", "apwt_s", "apat_s", "headcount", "worked_h", "incidents", "cost_krw", "orders_completed",
    "lead_time_s", "orders_due", "orders_on_time", "orders_on_time_in_full", "load_tkm", "rated_load_tkm",
    "costed_load_tkm", "capacity_tkm",
    "pooled_tkm", "transport_cost_krw", "shipments_due", "shipments_on_time",
)  # fmt: skip
OF_PRODUCT = ("baseline_unit_cost_krw", "stock_unit_days", "shipped_quantity")
COUNTED = ("pq", "gq", "sq", "rq", "ip", "gp", "pru_s")


@pytest.fixture(scope="module")
def whole() -> pl.DataFrame:
    """The unit of the arithmetic's own tests as a factory of one machine: from facts to all KPIs."""
    hours = energy("c", [FIRST["energy_kwh"] / 24] * 24)
    of_products = [
        operations(("c", element, row[element]), product=product)
        for product, row in (("x", FIRST), ("y", SECOND))
        for element in OF_PRODUCT
    ]
    return figures(
        hours,
        machines(
            machine_row("c", "1", "*", **{n: FIRST[n] for n in TIMES}),
            machine_row("c", "1", "x", **{n: FIRST[n] for n in COUNTED}),
            machine_row("c", "1", "y", **{n: SECOND[n] for n in COUNTED}),
        ),
        carbon(hours, FIRST["co2e_kg"] / FIRST["energy_kwh"]),
        pl.concat([operations(*(("c", n, FIRST[n]) for n in OPERATED)), *of_products]),
        products={"c": {"x": "forged", "y": "forged"}},
    )


@pytest.mark.parametrize("kpi", [k for k in ALL if not BOOK.definitions[k][-1].monthly])
def test_every_kpi_of_days_comes_out_of_a_night_as_worked_by_hand(whole: pl.DataFrame, kpi: str) -> None:
    found = one(whole, "c", kpi)
    assert found["value"] == pytest.approx(EXPECTED[kpi], rel=1e-12)
    assert found["reason"] == ("above_one" if kpi == "effectiveness" and EXPECTED[kpi] > 1 else None)
    of_machine = any(
        BOOK.elements[n].measured_at == "machine" for n in BOOK.definitions[kpi][-1].formula.elements
    )
    assert found["coverage"] == pytest.approx(28_000 / 28_800 if of_machine else 1.0, rel=1e-12)
    for subject in ("n", "n/forming"):
        assert one(whole, subject, kpi)["value"] == found["value"]


def test_the_sums_of_a_figure_are_those_of_its_formula_without_its_constants(whole: pl.DataFrame) -> None:
    assert one(whole, "c", "oee")["sums"] == [13_800.0, 28_000.0]
    assert one(whole, "c", "mtbf_fe1_s")["sums"] == [20_000.0, 4.0]
    nee = one(whole, "c", "nee")
    assert nee["sums"] == [21_000.0, 15_000.0, 13_800.0, 28_000.0, 20_000.0, 15_000.0]
    assert (one(whole, "c", "oee")["weight"], one(whole, "c", "oee")["covered"]) == (28_800.0, 28_000.0)


def test_a_machine_has_its_own_row_as_far_as_it_has_the_elements() -> None:
    rows = figures(
        pl.concat([energy("a", FULL_DAY), energy("a", [2.0] * 24, meter="sub-1")]),
        machines(
            times("a", "1", 1_000, 900), made("a", "1", "x", 24, 20, 30.0),
            times("a", "2", 1_000, 500), made("a", "2", "x", 10, 10, 30.0),
        ),
    )  # fmt: skip
    assert one(rows, "a/1", "oee")["value"] == 0.6
    assert one(rows, "a/1", "energy_kwh_per_unit")["value"] == 2.0
    assert one(rows, "a", "energy_kwh_per_unit")["value"] == 240 / 34
    # Machine 2 has no meter of its own.
    of_second = rows.filter(subject="a/2")["kpi"]
    assert "oee" in of_second
    assert not {"energy_kwh", "co2e_kg", "energy_kwh_per_unit"} & set(of_second)


def test_what_nobody_ever_shared_gives_no_row_but_an_element_that_is_unknown_does() -> None:
    rows = figures(
        energy("a", FULL_DAY),
        machines(times("a", "1", 10, 10), made("a", "1", "x", 4, 3)),
        operated=operations(("a", "headcount", None)),
    )
    kpis = set(rows.filter(subject="a")["kpi"])
    assert not {"first_pass_yield", "inventory_days", "load_factor", "worker_efficiency"} & kpis
    assert (one(rows, "a", "jobs")["value"], one(rows, "a", "jobs")["reason"]) == (
        None, "missing_element:headcount",
    )  # fmt: skip
    assert one(rows, "a", "scrap_ratio")["reason"] == "missing_element:sq"
    # b shares no people; its owner's figure says that half of the members' time is known at most.
    assert "jobs" not in set(rows.filter(subject="b")["kpi"])


def test_a_factory_that_does_not_share_lowers_the_coverage_of_its_owner() -> None:
    rows = figures(operated=operations(("a", "headcount", 12.0)))
    assert (one(rows, "a", "jobs")["value"], one(rows, "a", "jobs")["coverage"]) == (12.0, 1.0)
    assert (one(rows, "m", "jobs")["value"], one(rows, "m", "jobs")["coverage"]) == (12.0, 0.5)


def test_a_machine_without_any_event_is_unknown_time_and_made_nothing_that_is_known() -> None:
    silent = figures(made_rows=machines(times("a", "1", 1_000, 0, 1_000)))
    oee = one(silent, "a/1", "oee")
    assert (oee["value"], oee["reason"], oee["coverage"]) == (None, "insufficient_coverage", 0.0)
    rows = figures(
        made_rows=machines(
            times("a", "1", 3_000, 2_000), made("a", "1", "x", 20, 18, 100.0),
            times("a", "2", 1_000, 0, 1_000),
        )
    )  # fmt: skip
    assert (one(rows, "a", "oee")["value"], one(rows, "a", "oee")["coverage"]) == (0.6, 0.75)


def test_output_of_a_factory_is_unknown_as_soon_as_a_machine_ran_without_counts() -> None:
    counted = [times("a", "1", 10, 10), made("a", "1", "x", 60, 60)]
    ran = figures(energy("a", FULL_DAY), machines(*counted, times("a", "2", 10, 10)))
    ratio = one(ran, "a", "energy_kwh_per_unit")
    assert (ratio["value"], ratio["reason"]) == (None, "missing_element:pq")
    stood = figures(energy("a", FULL_DAY), machines(*counted, times("a", "2", 10, 0)))
    assert one(stood, "a", "energy_kwh_per_unit")["value"] == 4.0


def test_what_a_factory_does_not_count_is_missing_also_where_a_machine_stood() -> None:
    rows = figures(
        made_rows=machines(
            times("a", "1", 10, 10), made("a", "1", "x", 60, 60, sq=3.0), times("a", "2", 30, 0)
        )
    )
    assert one(rows, "a", "rework_ratio")["reason"] == "missing_element:rq"
    assert (one(rows, "a", "scrap_ratio")["value"], one(rows, "a", "scrap_ratio")["coverage"]) == (0.05, 1.0)


def test_a_day_on_which_nothing_was_made_keeps_its_energy_for_the_month() -> None:
    rows = figures(energy("a", FULL_DAY), machines(times("a", "1", 0, 0)))
    ratio = one(rows, "a", "energy_kwh_per_unit")
    assert (ratio["value"], ratio["reason"], ratio["sums"]) == (None, "zero_denominator", [240.0, 0.0])


def test_where_nothing_was_planned_nothing_is_missing() -> None:
    rows = figures(made_rows=machines(times("a", "1", 0, 0)))
    oee = one(rows, "a", "oee")
    assert (oee["value"], oee["reason"], oee["weight"], oee["coverage"]) == (None, "zero_denominator", 0, 1)
    assert (one(rows, "b", "oee")["reason"], one(rows, "b", "oee")["coverage"]) == (
        "missing_element:pbt_s", 0.0,
    )  # fmt: skip
    assert rows["coverage"].null_count() == 0


def test_a_ratio_of_what_is_measured_apart_needs_the_coverage_of_comparisons() -> None:
    made_rows = machines(made("a", "1", "x", 21, 21))
    for known, value in ((22, 22 / 21), (21, None)):
        rows = figures(energy("a", [1.0] * known + [None] * (24 - known)), made_rows)
        assert one(rows, "a", "energy_kwh_per_unit")["value"] == (value and pytest.approx(value))
        assert one(rows, "a", "energy_kwh_per_unit")["sums"] == [float(known), 21.0]


def test_the_cost_of_one_product_does_not_pass_for_the_cost_of_all() -> None:
    costs = [
        operations(("a", "cost_krw", cost), product=product) for product, cost in (("x", 500.0), ("y", None))
    ]
    prices = [operations(("a", "baseline_unit_cost_krw", 10.0), product=product) for product in "xy"]
    made_rows = machines(made("a", "1", "x", 20, 20), made("a", "1", "y", 30, 30))
    partly = one(figures(made_rows=made_rows, operated=pl.concat([*costs, *prices])), "a", "unit_cost_index")
    assert (partly["value"], partly["reason"], partly["sums"]) == (None, "missing_element:cost_krw", None)
    known = operations(("a", "cost_krw", 100.0), product="y")
    index = one(
        figures(made_rows=made_rows, operated=pl.concat([costs[0], known, *prices])), "a", "unit_cost_index"
    )
    assert index["value"] == 600 / 500


def test_without_a_baseline_the_cost_index_says_so() -> None:
    made_rows = machines(made("a", "1", "x", 20, 20))
    index = one(
        figures(made_rows=made_rows, operated=operations(("a", "cost_krw", 5.0))), "a", "unit_cost_index"
    )
    assert (index["value"], index["reason"]) == (None, "missing_element:baseline_unit_cost_krw")


def test_output_of_two_classes_is_not_added_between_factories_or_on_a_machine_but_ratios_are() -> None:
    rows = figures(
        made_rows=machines(
            times("a", "1", 3_600, 3_600), made("a", "1", "x", 10, 9, sq=1.0),
            times("b", "1", 3_600, 3_600), made("b", "1", "z", 30, 27, sq=3.0),
        ),
        products={"a": {"x": "forged"}, "b": {"z": "cast"}},
    )  # fmt: skip
    assert one(rows, "a", "units_per_h")["value"] == 10.0
    mixed = one(rows, "m", "units_per_h")
    assert (mixed["value"], mixed["reason"], mixed["sums"], mixed["product_class"]) == (
        None, "mixed_product_classes", None, None,
    )  # fmt: skip
    assert one(rows, "m", "scrap_ratio")["value"] == 0.1
    both = figures(
        made_rows=machines(
            times("a", "1", 3_600, 3_600), made("a", "1", "x", 5, 5), made("a", "1", "y", 5, 5)
        ),
        products={"a": {"x": "forged", "y": "cast"}},
    )
    assert one(both, "a/1", "units_per_h")["reason"] == "mixed_product_classes"
    assert one(both, "a/1", "quality_ratio")["value"] == 1.0


def test_which_kpis_count_output_follows_from_their_formulas() -> None:
    assert {d.kpi for d in BOOK.newest() if d.counts_output} == {
        "throughput_per_h", "units_per_h", "units_per_worker_h", "energy_kwh_per_unit", "co2e_t_per_unit",
        "co2e_scope12_t_per_unit",
    }  # fmt: skip


def test_a_peer_is_a_member_s_factories_of_one_process() -> None:
    rows = figures(pl.concat([energy("a", FULL_DAY), energy("b", [5.0] * 24)]))
    peer = one(rows, "m/forming", "energy_kwh")
    assert (peer["level"], peer["value"]) == ("peer", 360.0)


numbers = st.integers(0, 500).map(float)
shop = st.lists(
    st.tuples(st.sampled_from("ab"), numbers, numbers, st.one_of(st.none(), numbers), st.booleans()),
    min_size=1,
    max_size=5,
)


@given(shop, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_machines_add_up_to_factories_and_factories_to_members(cases, random) -> None:  # noqa: ANN001 - hypothesis' own
    made_rows = [
        row
        for n, (factory, planned, known, output, counted) in enumerate(cases)
        for row in (
            times(factory, str(n), planned, min(planned, known), max(0.0, planned - known)),
            *([made(factory, str(n), "x", output, output, 7.0)] if counted else []),
        )
    ]
    rows = figures(made_rows=machines(*made_rows))
    assert figures(made_rows=machines(*random.sample(made_rows, len(made_rows)))).equals(rows)
    kpis = [d for d in BOOK.newest() if d.base == "machine"]
    for level, below, inside in (("factory", "machine", "a/"), ("member", "factory", "")):
        whole_of = "a" if level == "factory" else "m"
        owned = ("a", "b") if level == "member" else None
        for definition in kpis:
            parts = rows.filter(level=below, kpi=definition.kpi)
            parts = parts.filter(
                pl.col("subject").is_in(owned) if owned else pl.col("subject").str.starts_with(inside)
            )
            total = rows.filter(level=level, subject=whole_of, kpi=definition.kpi)
            if total.is_empty():
                assert parts.is_empty() or definition.released
                continue
            if owned and parts.height < len(owned):
                continue  # who shares nothing has no row, but counts in the weight of its owner
            sums = [s for s in parts["sums"].to_list() if s is not None]
            added = [sum(column) for column in zip(*sums, strict=True)] if sums else None
            assert total["sums"].to_list() == [added]
            assert total["weight"].item() == parts["weight"].sum()
            assert total["covered"].item() == pytest.approx(parts["covered"].sum(), rel=1e-12)


def test_how_days_are_cut_into_pieces_changes_nothing() -> None:
    first = rows_of_day(
        energy("a", FULL_DAY),
        machines(times("a", "1", 10, 9), made("a", "1", "x", 4, 3), times("b", "1", 9, 0)),
    )
    second = rows_of_day(
        energy("a", [0.1] * 20 + [None] * 4, quality="suspect"), machines(times("b", "1", 7, 7))
    ).with_columns(pl.col("day") + timedelta(days=1))
    days = (DAY, DAY + timedelta(days=1))
    whole = figures_of(pl.concat([second, first]), *days)
    cut = pl.concat([figures_of(first, days[0]), figures_of(second, days[1])])
    assert whole.height > 100
    assert whole.equals(cut)


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_changes_no_bit(random) -> None:  # noqa: ANN001 - hypothesis' own random.Random
    values = [0.1 * n + 1e9 * (n % 3) for n in range(24)]
    hours = pl.concat([energy(f, list(values)) for f in "abc"])
    rows = [
        row
        for factory in "abc"
        for n in range(3)
        for row in (times(factory, str(n), 1_000.1, 900), made(factory, str(n), "x", 7.3 + n, 7.1, 33.3))
    ]
    expected = figures(hours, machines(*rows))
    order = random.sample(range(hours.height), hours.height)
    assert figures(hours[order], machines(*random.sample(rows, len(rows)))).equals(expected)
