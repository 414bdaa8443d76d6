"""The reference tables: whole, typed, and the very bytes that were handed over."""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.reference import tables

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("DC_SHARED", ROOT.parent / "shared")) / "reference"
ROWS = {
    "emission_factors": 157,
    "gwp": 63,
    "fuel_properties": 66,
    "parameters": 23,
    "units": 50,
    "unconfirmed": 49,
}


@pytest.mark.shared
@pytest.mark.parametrize("name", ROWS)
def test_packaged_tables_are_the_shared_ones_byte_for_byte(name: str) -> None:
    original = SHARED / f"{name}.csv"
    if not original.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{original} is missing: set DC_SHARED")
        pytest.skip("the shared reference tables are not here")
    assert (tables.FOLDER / f"{name}.csv").read_bytes() == original.read_bytes()


@pytest.mark.parametrize(("name", "rows"), ROWS.items())
def test_every_row_of_a_table_is_read(name: str, rows: int) -> None:
    assert tables.read_table(name).height == rows


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("emission_factors", ["factor_id"]),
        ("gwp", ["gwp_set", "gas"]),
        ("fuel_properties", ["fuel", "geography", "vintage"]),
        ("parameters", ["parameter_id"]),
        ("units", ["from_unit", "to_unit"]),
        ("unconfirmed", ["row_id"]),
    ],
)
def test_keys_are_unique(name: str, key: list[str]) -> None:
    assert not tables.read_table(name).select(key).is_duplicated().any()


def test_numbers_are_read_as_printed() -> None:
    row = tables.emission_factors().row(
        by_predicate=pl.col("factor_id") == "kr-grid-consumption-2014_2016-ch4", named=True
    )
    assert row["value"] == Decimal("0.0000036")
    assert row["purpose"] == ["disclosure", "k_ets", "inventory"]
    assert (row["valid_from"], row["valid_to"], row["published_on"]) == (
        date(2014, 1, 1),
        date(2017, 1, 1),
        date(2019, 1, 2),
    )
    assert row["uncertainty_pct_low"] is None


def test_an_empty_purpose_is_bound_to_none() -> None:
    row = tables.emission_factors().row(
        by_predicate=pl.col("factor_id") == "kr-grid-consumption-2021_2023", named=True
    )
    assert row["purpose"] == []


def test_unconfirmed_bounds_stay_out_of_the_table_whose_value_they_belong_to() -> None:
    unconfirmed = "ipcc2006-stationary-gasoline-co2"
    assert unconfirmed in tables.unconfirmed()["row_id"]
    row = tables.emission_factors().row(by_predicate=pl.col("factor_id") == unconfirmed, named=True)
    assert (row["uncertainty_pct_low"], row["uncertainty_pct_high"]) == (None, None)


@pytest.mark.parametrize(
    "text",
    ["from_unit,to_unit,multiplier\nkWh,MWh,0.001\n", "from_unit,to_unit,multiplier,note\nkWh,MWh,much,\n"],
    ids=["a column is missing", "a number is none"],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "units.csv"
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(OperatorError) as refused:
        tables.read_table("units", broken)
    assert refused.value.code is ExitCode.UNUSABLE_INPUT
    assert "units.csv" in refused.value.english
    assert "\n" not in refused.value.english
