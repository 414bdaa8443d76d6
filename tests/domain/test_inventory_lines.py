"""Rows of the ledger as lines of an inventory."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.domain.carbon.inventory_lines import category_of, inventory_lines
from pipelines.schemas.tables import ACTIVITIES, EMISSION_LINES

MAY = date(2022, 5, 1)


def activities(*rows: dict[str, Any]) -> pl.DataFrame:
    common = {"month": MAY, "factory": "a", "version": 1, "source": "stream", "flow": "used"}
    return pl.DataFrame(
        [common | row for row in rows], schema=pl.DataFrame(ACTIVITIES.schema.empty_table()).schema
    )


def lines(*rows: dict[str, Any]) -> pl.DataFrame:
    common = {
        "month": MAY, "factory": "a", "version": 1, "activity_version": 1, "method": "-", "scope": "-",
        "purpose": "disclosure", "provisional": False,
    }  # fmt: skip
    schema = pl.DataFrame(EMISSION_LINES.schema.empty_table()).schema
    return pl.DataFrame([common | row for row in rows], schema=schema)


DIESEL = {"activity_id": "d1", "activity": "diesel", "amount": 100.0, "unit": "L"}
BURNT = {
    "activity_id": "d1", "scope": "1", "co2_kg": 260.0, "ch4_kg": 0.5, "other_gases": '{"HFC-134a":0.25}',
    "co2_biogenic_kg": 3.0, "co2e_kg": 280.0, "factor_id": "f1;f2", "factor_match": "exact", "gwp_set": "AR5",
    "tier": 2, "reason": "x;y", "uncertainty_high_pct": 5.0,
}  # fmt: skip


def test_a_line_and_its_activity_are_one_line_of_an_inventory() -> None:
    (line,) = inventory_lines(lines(BURNT), activities(DIESEL))
    assert (line.factory, line.activity, line.activity_id, line.month) == ("a", "diesel", "d1", MAY)
    assert (line.scope, line.category, line.method) == ("1", "1", "-")
    assert (line.amount, line.unit, line.co2e_kg, line.co2_biogenic_kg) == (100.0, "L", 280.0, 3.0)
    assert line.masses_kg == {"CO2": 260.0, "CH4": 0.5, "HFC-134a": 0.25}
    assert (line.factor_ids, line.tier, line.reasons) == (("f1", "f2"), "2", ("x", "y"))
    assert (line.uncertainty_low_pct, line.uncertainty_high_pct, line.emits) == (None, 5.0, True)


def test_a_line_takes_the_version_of_the_activity_that_it_was_computed_from() -> None:
    told = activities(DIESEL, DIESEL | {"version": 2, "amount": 120.0})
    assert [x.amount for x in inventory_lines(lines(BURNT), told)] == [100.0]
    assert [x.amount for x in inventory_lines(lines(BURNT | {"activity_version": 2}), told)] == [120.0]


def test_a_line_without_its_activity_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="no activity a/d1 version 3"):
        inventory_lines(lines(BURNT | {"activity_version": 3}), activities(DIESEL))


def test_what_is_not_counted_is_named_and_emits_nothing() -> None:
    sold = DIESEL | {"activity_id": "s", "activity": "steam", "flow": "sold", "counterpart": "b"}
    made = inventory_lines(
        lines(BURNT, {"activity_id": "s", "reason": "sold_on", "transfer": "sold", "matched": False}),
        activities(DIESEL, sold),
    )
    told = next(line for line in made if not line.emits)
    assert (told.activity_id, told.category, told.co2e_kg, told.reasons) == ("s", "-", None, ("sold_on",))
    assert (told.counterpart, told.matched) == ("b", False)


def test_an_activity_that_no_table_knows_is_unknown_and_not_nothing() -> None:
    unknown = BURNT | {
        "scope": "-", "co2e_kg": None, "factor_id": None, "factor_match": "none", "reason": "no_factor"
    }  # fmt: skip
    (line,) = inventory_lines(lines(unknown), activities(DIESEL))
    assert (line.emits, line.category, line.co2e_kg, line.factor_ids) == (True, "-", None, ())


def test_a_meters_coverage_is_a_share_of_the_whole_month() -> None:
    # 8 of May's 31 days have facts, of whose hours 95 % were measured.
    meter = {
        "activity_id": "m", "activity": "electricity", "amount": 5.0, "unit": "kWh", "source": "meter",
        "coverage": 0.95, "start": date(2022, 5, 3), "end": date(2022, 5, 11),
    }  # fmt: skip
    line = BURNT | {"activity_id": "m", "scope": "2", "method": "location"}
    assert inventory_lines(lines(line), activities(meter))[0].coverage == 0.95 * 8 / 31
    assert inventory_lines(lines(BURNT), activities(DIESEL))[0].coverage is None


def test_what_was_withdrawn_is_no_line() -> None:
    gone = {"activity_id": "d1", "scope": "1", "reason": "withdrawn"}
    assert inventory_lines(lines(gone), activities(DIESEL)) == ()


@pytest.mark.parametrize(
    ("scope", "activity", "category"),
    [
        ("1", "lng", "1"), ("1", "HFC-134a", "1"), ("2", "electricity", "2.1"), ("2", "steam", "2.2"),
        ("2", "district_heat", "2.2"), ("3", "road_freight", "3"), ("3", "electricity_upstream", "4"),
        ("-", "unheard-of", "-"),
    ],
)  # fmt: skip
def test_each_scope_has_its_category(scope: str, activity: str, category: str) -> None:
    assert category_of(scope, activity) == category
