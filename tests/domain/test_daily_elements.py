"""Daily elements from facts, worked by hand."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.daily_elements import CARRIER_ELEMENTS, ELEMENT_KEY, DayFacts, daily_elements
from pipelines.domain.units import CANONICAL_UNITS
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import ELEMENTS_DAILY
from tests.domain.test_kpis import (
    ENERGY_SCHEMA,
    FULL_DAY,
    METERS,
    MIDNIGHT,
    UNITS,
    carbon,
    energy,
    machines,
    made,
    operations,
    times,
)

Row = dict[str, Any]


def meters(*rows: tuple[str, str, str | None, str | None, bool]) -> pl.DataFrame:
    """Make the meters of factory a: meter, carrier, parent, machine, bidirectional."""
    return pl.DataFrame([("a", "p", *row) for row in rows], schema=METERS.schema, orient="row")


def elements(
    hours: pl.DataFrame | None = None,
    made_rows: pl.DataFrame | None = None,
    emissions: pl.DataFrame | None = None,
    operated: pl.DataFrame | None = None,
    of_meters: pl.DataFrame = METERS,
) -> pl.DataFrame:
    used = pl.DataFrame(schema=ENERGY_SCHEMA) if hours is None else hours
    facts = DayFacts(
        energy=used,
        machines=machines() if made_rows is None else made_rows,
        emissions=carbon(used) if emissions is None else emissions,
        operations=operations() if operated is None else operated,
        meters=of_meters,
    )
    return daily_elements(facts, UNITS)


def one(rows: pl.DataFrame, element: str, machine: str = "*", product: str = "*") -> Row:
    return rows.filter(element=element, machine=machine, product=product).row(0, named=True)


def test_the_columns_are_those_of_the_table_and_rows_come_by_key() -> None:
    rows = elements(energy("a", FULL_DAY), machines(times("a", "1", 10, 10), made("a", "1", "x", 4, 3)))
    assert set(rows.columns) == set(ELEMENTS_DAILY.schema.names) - {"bucket", "known_at"}
    assert rows.equals(rows.sort(ELEMENT_KEY))
    assert not rows.select(ELEMENT_KEY).is_duplicated().any()


def test_every_carrier_has_an_element_in_its_canonical_unit() -> None:
    declared = kpi_book().elements
    assert {c: declared[e].unit for c, e in CARRIER_ELEMENTS.items()} == CANONICAL_UNITS


def test_a_day_of_energy_is_what_is_known_with_its_coverage_version_and_profile() -> None:
    hours = energy("a", [10.0] * 18 + [None] * 6).with_columns(version=pl.lit(3, pl.Int32))
    row = one(elements(hours), "energy_kwh")
    assert (row["quantity"], row["unit"], row["coverage"], row["weight_s"]) == (180.0, "kWh", 0.75, 86_400.0)
    assert (row["quality"], row["suspect"], row["reason"]) == ("measured", False, None)
    assert (row["status"], row["version"], row["profile_version"]) == ("final", 3, "p")


@pytest.mark.parametrize("quality", ["suspect", "estimated"])
def test_what_is_suspect_or_estimated_is_left_out_and_marked(quality: str) -> None:
    doubtful = energy("a", [500.0], quality=quality)
    sound = energy("a", FULL_DAY).filter(pl.col("start") > MIDNIGHT)
    row = one(elements(pl.concat([doubtful, sound])), "energy_kwh")
    assert (row["quantity"], row["suspect"], row["reason"]) == (230.0, True, None)
    assert row["coverage"] == pytest.approx(23 / 24)
    nothing = one(elements(energy("a", FULL_DAY, quality=quality)), "energy_kwh")
    assert (nothing["quantity"], nothing["reason"]) == (None, "suspect_excluded")


def test_only_main_meters_make_up_the_factory_and_only_its_own_a_machine() -> None:
    # main 240 = line 100 + ...; the line feeds machine 1 (meter m1: 40) and others.
    tree = meters(
        ("main", "electricity", None, None, False),
        ("line", "electricity", "main", None, False),
        ("m1", "electricity", "line", "1", False),
        ("m1-spindle", "electricity", "m1", "1", False),
    )
    hours = pl.concat([
        energy("a", FULL_DAY),
        energy("a", [100.0], meter="line"),
        energy("a", [40.0], meter="m1"),
        energy("a", [15.0], meter="m1-spindle"),
    ])  # fmt: skip
    rows = elements(hours, of_meters=tree)
    assert one(rows, "energy_kwh")["quantity"] == 240.0
    assert one(rows, "energy_kwh", "1")["quantity"] == 40.0
    assert rows.filter(element="energy_kwh").height == 2


def test_a_machine_s_meter_below_another_meter_s_of_it_is_not_added_even_through_a_line() -> None:
    tree = meters(
        ("m1", "electricity", None, "1", False),
        ("line", "electricity", "m1", None, False),
        ("m1-spindle", "electricity", "line", "1", False),
    )
    hours = pl.concat([energy("a", [40.0], meter="m1"), energy("a", [15.0], meter="m1-spindle")])
    assert one(elements(hours, of_meters=tree), "energy_kwh", "1")["quantity"] == 40.0


def test_each_carrier_has_its_own_element() -> None:
    tree = meters(("main", "electricity", None, None, False), ("gas", "natural_gas", None, None, False))
    gas = energy("a", [5.0] * 24, meter="gas", carrier="natural_gas")
    rows = elements(pl.concat([energy("a", FULL_DAY), gas]), of_meters=tree)
    assert one(rows, "natural_gas_nm3")["quantity"] == 120.0
    assert one(rows, "natural_gas_nm3")["unit"] == "Nm3"
    assert one(rows, "energy_kwh")["quantity"] == 240.0


def test_what_is_fed_into_the_grid_is_an_element_of_its_own_and_never_netted() -> None:
    tree = meters(("main", "electricity", None, None, True))
    rows = elements(energy("a", [10.0] * 20 + [-4.0] * 4), of_meters=tree)
    assert one(rows, "energy_kwh")["quantity"] == 200.0
    assert one(rows, "electricity_export_kwh")["quantity"] == 16.0
    assert elements(energy("a", FULL_DAY)).filter(element="electricity_export_kwh").is_empty()


def test_emissions_of_a_machine_are_its_own_hours_times_the_factor_of_the_hour() -> None:
    hours = pl.concat([energy("a", FULL_DAY), energy("a", [4.0] * 24, meter="sub-1")])
    rising = carbon(hours).with_columns(
        factor_kg_per_kwh=pl.when(pl.col("start") < MIDNIGHT + timedelta(hours=12)).then(0.5).otherwise(0.25)
    )
    rows = elements(hours, emissions=rising)
    # 12 h x 4 kWh x 0.5 + 12 h x 4 kWh x 0.25
    assert one(rows, "co2e_kg", "1")["quantity"] == 36.0
    assert one(rows, "co2e_kg")["quantity"] == 120.0


def test_emissions_say_why_there_are_none_and_stay_provisional_with_their_factor() -> None:
    hours = pl.concat([energy("a", FULL_DAY), energy("a", FULL_DAY, meter="sub-1")])
    rows = elements(hours, emissions=carbon(hours, None, provisional=True))
    for machine in ("*", "1"):
        row = one(rows, "co2e_kg", machine)
        assert (row["quantity"], row["reason"], row["status"]) == (
            None, "no_factor_for_period", "provisional",
        )  # fmt: skip
    assert one(rows, "energy_kwh")["status"] == "final"
    silent = one(elements(energy("a", [None] * 24)), "co2e_kg")
    assert (silent["quantity"], silent["reason"]) == (None, "missing_element:energy_kwh")


def test_a_machine_s_day_is_the_sum_of_its_hours_with_tbf_and_ttr() -> None:
    hours = [
        times("a", "1", 3_600, 3_000, 100, adot_s=200.0, cmt_s=300.0, failures=1)
        | {"start": MIDNIGHT + timedelta(hours=n)}
        for n in range(3)
    ]
    rows = elements(made_rows=machines(*hours))
    found = {r["element"]: r["quantity"] for r in rows.iter_rows(named=True)}
    assert found == {
        "pbt_s": 10_800.0, "apt_s": 9_000.0, "asut_s": 0.0, "adet_s": 0.0, "adot_s": 600.0, "pmt_s": 0.0,
        "cmt_s": 900.0, "unknown_s": 300.0, "failures": 3.0, "tbf_s": 9_000.0, "ttr_s": 1_500.0,
    }  # fmt: skip


def test_an_hour_that_lacks_a_time_or_quantity_makes_the_day_s_unknown() -> None:
    later = {"start": MIDNIGHT + timedelta(hours=1)}
    rows = elements(
        made_rows=machines(
            times("a", "1", 10, 10), times("a", "1", 10, 10) | {"pbt_s": None} | later,
            made("a", "1", "x", 5, 4), made("a", "1", "x", 5, None) | later,
        )
    )  # fmt: skip
    assert one(rows, "pbt_s", "1")["quantity"] is None
    assert one(rows, "apt_s", "1")["quantity"] == 20.0
    assert one(rows, "gq", "1", "x")["quantity"] is None
    assert one(rows, "pq", "1", "x")["quantity"] == 10.0


def test_what_nobody_counts_has_no_row_and_a_planned_run_time_is_not_added_up() -> None:
    later = {"start": MIDNIGHT + timedelta(hours=1)}
    rows = elements(made_rows=machines(made("a", "1", "x", 5, 4), made("a", "1", "x", 5, 4) | later))
    assert sorted(rows["element"]) == ["gq", "pq", "pru_s"]
    assert one(rows, "pru_s", "1", "x")["quantity"] == 60.0


def test_suspect_hours_of_a_machine_are_not_passed_off_as_its_day() -> None:
    rows = elements(made_rows=machines(times("a", "1", 10, 10) | {"quality": "suspect"}))
    row = one(rows, "apt_s", "1")
    assert (row["quantity"], row["suspect"], row["reason"]) == (None, True, "suspect_excluded")


def test_operations_pass_through() -> None:
    rows = elements(operated=operations(("a", "worked_h", 80.0), ("a", "headcount", None)))
    hours, people = one(rows, "worked_h"), one(rows, "headcount")
    assert (hours["quantity"], hours["unit"], hours["coverage"], hours["weight_s"]) == (80, "h", 1, 86_400)
    assert (people["quantity"], people["coverage"], people["reason"]) == (None, 0.0, None)


def test_a_day_of_25_hours_weighs_25_hours() -> None:
    assert one(elements(energy("a", [1.0] * 25)), "energy_kwh")["weight_s"] == 90_000.0


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_no_order_of_facts_changes_a_bit_and_hours_add_up_to_days(random) -> None:  # noqa: ANN001 - hypothesis' own random.Random
    values = [0.1 * n + 1e9 * (n % 3) for n in range(24)]
    hours = pl.concat([energy(f, list(values)) for f in "abc"])
    rows = [
        row | {"start": MIDNIGHT + timedelta(hours=h), "end": MIDNIGHT + timedelta(hours=h + 1)}
        for factory in "ab"
        for h in range(3)
        for row in (times(factory, "1", 1_000.1, 900.3), made(factory, "1", "x", 7.3 + h, 7.1, 33.3))
    ]
    expected = elements(hours, machines(*rows))
    order = random.sample(range(hours.height), hours.height)
    assert elements(hours[order], machines(*random.sample(rows, len(rows)))).equals(expected)
    assert one(expected.filter(factory="a"), "pq", "1", "x")["quantity"] == pytest.approx(7.3 + 8.3 + 9.3)
