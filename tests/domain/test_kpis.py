"""The KPIs of a day, worked by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.cluster import ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.kpis import day_figures
from pipelines.reference.kpis import kpi_catalogue
from pipelines.schemas.tables import KPIS

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
    policy=DisclosurePolicy("1", 3),
)
ENERGY_SCHEMA = {
    "factory": pl.String, "day": pl.Date, "allocation": pl.String, "start": pl.Datetime("us", "UTC"),
    "end": pl.Datetime("us", "UTC"), "energy_kwh": pl.Float64, "coverage": pl.Float64, "quality": pl.String,
    "status": pl.String,
}  # fmt: skip
MACHINE_SCHEMA = {
    "factory": pl.String, "day": pl.Date, "machine": pl.String, "product": pl.String,
    **dict.fromkeys(("pbt_s", "apt_s", "unknown_s", "pq", "gq", "pru_s"), pl.Float64),
    "quality": pl.String, "status": pl.String,
}  # fmt: skip
PRODUCTS = pl.DataFrame(
    [("a", "x", "forged"), ("a", "y", "forged"), ("b", "x", "forged"), ("c", "z", "cast")],
    schema=["factory", "product", "product_class"],
    orient="row",
)


def energy(factory: str, kwh_by_hour: list[float | None], **changes: object) -> pl.DataFrame:
    rows = [
        {
            "factory": factory,
            "day": DAY,
            "allocation": "hour",
            "start": MIDNIGHT + timedelta(hours=n),
            "end": MIDNIGHT + timedelta(hours=n + 1),
            "energy_kwh": kwh,
            "coverage": 0.0 if kwh is None else 1.0,
            "quality": None if kwh is None else "measured",
            "status": "final",
            **changes,
        }
        for n, kwh in enumerate(kwh_by_hour)
    ]
    return pl.DataFrame(rows, schema=ENERGY_SCHEMA, orient="row")


def times(factory: str, machine: str, pbt_s: float, apt_s: float, unknown_s: float = 0.0) -> dict[str, Any]:
    return {
        "factory": factory, "day": DAY, "machine": machine, "product": "*", "pbt_s": pbt_s, "apt_s": apt_s,
        "unknown_s": unknown_s, "quality": "measured", "status": "final",
    }  # fmt: skip


def made(
    factory: str, machine: str, product: str, pq: float | None, gq: float | None, pru_s: float | None = 60.0
) -> dict[str, Any]:
    return {
        "factory": factory, "day": DAY, "machine": machine, "product": product, "pq": pq, "gq": gq,
        "pru_s": pru_s, "quality": "measured", "status": "final",
    }  # fmt: skip


def machines(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=MACHINE_SCHEMA, orient="row")


def carbon(hours: pl.DataFrame, factor: float | None = 0.5, *, provisional: bool = False) -> pl.DataFrame:
    return hours.with_columns(
        carrier=pl.lit("electricity"),
        method=pl.lit("location"),
        factor_id=pl.lit(None if factor is None else "f", pl.String),
        reason=pl.lit("no_factor_for_period" if factor is None else None, pl.String),
        co2e_kg=pl.col("energy_kwh") * factor if factor is not None else pl.lit(None, pl.Float64),
        provisional=pl.lit(provisional),
    ).drop("energy_kwh", "status")


def figures(
    hours: pl.DataFrame | None = None,
    made_rows: pl.DataFrame | None = None,
    emissions: pl.DataFrame | None = None,
) -> pl.DataFrame:
    used = pl.DataFrame(schema=ENERGY_SCHEMA) if hours is None else hours
    return day_figures(
        used,
        machines() if made_rows is None else made_rows,
        carbon(used) if emissions is None else emissions,
        PRODUCTS,
        CLUSTER,
        kpi_catalogue(),
        DAY,
    )


def one(frame: pl.DataFrame, subject: str, kpi: str) -> dict[str, Any]:
    return frame.row(by_predicate=(pl.col("subject") == subject) & (pl.col("kpi") == kpi), named=True)


FULL_DAY = [10.0] * 24


def test_the_columns_are_those_of_the_table_and_every_subject_has_every_kpi() -> None:
    rows = figures()
    assert rows.columns == [n for n in KPIS.schema.names if n != "known_at"]
    assert sorted(rows["subject"].unique()) == ["a", "b", "c", "m", "n"]
    assert rows.height == 5 * 4
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
        made_rows=machines(times("a", "1", 10_000, 8_000, 1_500), made("a", "1", "x", 100, 85, 80.0))
    )
    oee = one(rows, "a", "oee")
    assert (oee["value"], oee["reason"]) == (None, "insufficient_coverage")
    assert (oee["numerator"], oee["denominator"], oee["coverage"]) == (6_800.0, 8_500.0, 0.85)


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
        ([made("a", "1", "x", 5, 5)], [1.0] * 21 + [None] * 3, "insufficient_coverage"),
        ([made("a", "1", "x", 5, 5)], [None] * 24, "missing_element:energy_kwh"),
    ],
)
def test_why_there_is_no_energy_per_unit(
    made_rows: list[dict[str, Any]], hours: list[float | None], reason: str
) -> None:
    ratio = one(figures(energy("a", hours), machines(*made_rows)), "a", "energy_kwh_per_unit")
    assert (ratio["value"], ratio["reason"]) == (None, reason)


def test_output_of_several_product_classes_is_not_added() -> None:
    mixed = PRODUCTS.with_columns(
        product_class=pl.when(pl.col("product") == "y")
        .then(pl.lit("cast"))
        .otherwise(pl.col("product_class"))
    )
    hours = energy("a", FULL_DAY)
    made_rows = machines(made("a", "1", "x", 5, 5))
    rows = day_figures(hours, made_rows, carbon(hours), mixed, CLUSTER, kpi_catalogue(), DAY)
    ratio = one(rows, "a", "energy_kwh_per_unit")
    assert (ratio["value"], ratio["reason"], ratio["product_class"]) == (None, "mixed_product_classes", None)


def test_a_silent_factory_does_not_keep_a_final_day_open() -> None:
    assert one(figures(energy("a", FULL_DAY)), "c", "energy_kwh")["status"] == "final"
    provisional = energy("a", FULL_DAY, status="provisional")
    assert one(figures(provisional), "c", "energy_kwh")["status"] == "provisional"


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
