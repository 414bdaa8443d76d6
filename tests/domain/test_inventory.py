from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from pipelines.domain.emissions.inventory import Inventory, InventoryLine, electricity_lines

START = datetime(2025, 11, 3, 15, tzinfo=UTC)
LINE = InventoryLine(
    factory="a", activity="electricity", scope="2", category="2.1", method="location", amount=10.0,
    unit="kWh", masses_kg={}, co2e_kg=4.0, factor_ids=("f",), purpose="disclosure", gwp_set="AR5", tier=None,
    uncertainty_low_pct=None, uncertainty_high_pct=None, coverage=1.0, provisional=False, reasons=(),
)  # fmt: skip


def inventory(*lines: InventoryLine) -> Inventory:
    return Inventory(
        "park",
        "A",
        "operational_control",
        ("a",),
        (),
        date(2025, 11, 1),
        date(2025, 12, 1),
        lines,
        {},
        (),
        None,
    )


def hours(*rows: tuple[float | None, str | None, float | None, str | None]) -> pl.DataFrame:
    """Return hours of factory a: kWh, quality, factor, its id."""
    return pl.DataFrame(
        [
            {
                "factory": "a", "allocation": "hour", "start": START + timedelta(hours=n),
                "end": START + timedelta(hours=n + 1), "energy_kwh": kwh, "quality": quality,
                "co2e_kg": None if kwh is None or factor is None else kwh * factor, "factor_id": factor_id,
                "gwp_set": None, "coverage": 0.0 if kwh is None else 1.0, "provisional": False,
                "reason": None if factor is not None else "no_factor_for_period",
            }
            for n, (kwh, quality, factor, factor_id) in enumerate(rows)
        ],
        schema_overrides={"energy_kwh": pl.Float64, "co2e_kg": pl.Float64, "gwp_set": pl.String,
                          "factor_id": pl.String, "reason": pl.String, "quality": pl.String},
    )  # fmt: skip


def test_hours_of_one_factor_are_one_line_by_location_and_one_by_market() -> None:
    # 10 + 20 kWh at 0.5 kg/kWh = 15 kg, measured in 2 of 4 hours.
    rows = hours((10.0, "measured", 0.5, "f"), (20.0, "measured", 0.5, "f"), (None, None, 0.5, "f"))
    located, market = electricity_lines(rows, {"a": 4 * 3600.0})
    assert (located.method, located.amount, located.co2e_kg, located.coverage) == (
        "location",
        30.0,
        15.0,
        0.5,
    )
    assert (located.gwp_set, located.factor_ids, located.reasons) == ("unstated", ("f",), ())
    assert (market.method, market.co2e_kg) == ("market", 15.0)
    assert market.reasons == ("no_residual_mix", "no_instruments_recorded")


def test_suspect_hours_stay_out_and_the_line_says_so() -> None:
    rows = hours((10.0, "measured", 0.5, "f"), (900.0, "suspect", 0.5, "f"))
    located = electricity_lines(rows, {"a": 2 * 3600.0})[0]
    assert (located.amount, located.co2e_kg, located.coverage) == (10.0, 5.0, 0.5)
    assert located.reasons == ("suspect_excluded",)


def test_hours_without_a_factor_are_a_line_that_is_not_known() -> None:
    rows = hours((10.0, "measured", 0.5, "f"), (20.0, "measured", None, None))
    lines = [line for line in electricity_lines(rows, {"a": 2 * 3600.0}) if line.method == "location"]
    unknown, known = sorted(lines, key=lambda line: line.co2e_kg is not None)
    assert (known.amount, known.co2e_kg) == (10.0, 5.0)
    assert (unknown.amount, unknown.co2e_kg, unknown.factor_ids) == (20.0, None, ())
    assert unknown.reasons == ("no_factor_for_period",)


def test_a_total_adds_exactly_and_counts_what_is_not_known() -> None:
    # 0.1 ten times is 1 when it is added exactly, 0.9999999999999999 one after the other.
    tenth = replace(LINE, co2e_kg=0.1)
    (total,) = inventory(*[tenth] * 10, replace(LINE, co2e_kg=None)).totals()
    assert (total.co2e_kg, total.unknown) == (1.0, 1)


def test_different_gwp_sets_scopes_and_methods_are_never_added() -> None:
    lines = (
        LINE, replace(LINE, gwp_set="SAR"), replace(LINE, method="market"),
        replace(LINE, scope="1", method="-"),
    )  # fmt: skip
    found = inventory(*lines)
    assert [(t.scope, t.method, t.gwp_set, t.co2e_kg) for t in found.totals()] == [
        ("1", "-", "AR5", 4.0), ("2", "location", "AR5", 4.0), ("2", "location", "SAR", 4.0),
        ("2", "market", "AR5", 4.0),
    ]  # fmt: skip
    assert found.gwp_sets == ("AR5", "SAR")


@pytest.mark.parametrize("provisional", [True, False])
def test_an_inventory_is_as_provisional_as_its_lines(provisional: bool) -> None:  # noqa: FBT001 - a parameter
    assert inventory(LINE, replace(LINE, provisional=provisional)).provisional is provisional
