"""Footprints per unit, worked by hand: own gates and supplied inputs apart, sets and methods apart."""

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.domain.emissions.product_footprint import (
    PartPerUnit,
    ProductFootprint,
    SupplierInput,
    weighted_share,
)
from pipelines.domain.product_declarations import declarations

STEEL = SupplierInput("steel", "mill", 2.5, "kg", 2.0, "AR6", False, 0.75, True, "72149110", "KR", "pcf-1")
OIL = SupplierInput("oil", None, 0.5, "kg", 10.0, "AR6", True, 0.0, False, None, None, "table 3")


def line(scope: str, method: str, co2e_kg: float | None, **more: Any) -> InventoryLine:
    said: dict[str, Any] = {
        "factory": "f1", "activity": "electricity", "category": "2.1", "amount": 1.0, "unit": "kWh",
        "masses_kg": {}, "factor_ids": (), "purpose": "disclosure", "gwp_set": "AR5", "tier": None,
        "uncertainty_low_pct": None, "uncertainty_high_pct": None, "coverage": 1.0, "provisional": False,
        "reasons": (), "estimated_share": 0.1,
    }  # fmt: skip
    return InventoryLine(scope=scope, method=method, co2e_kg=co2e_kg, **{**said, **more})


GEAR = ProductFootprint(
    cluster="c", factory="f1", organisation="F1", product="gear", unit="piece", product_class="gears",
    mass_kg_per_unit=1.35, described={}, start=date(2025, 11, 1), end=date(2025, 12, 1), quantity=200.0,
    allocation="mass", share=Fraction(1, 4), lines=(
        line("1", "-", 30.0, estimated_share=None), line("1", "-", 10.0, gwp_set="AR6"),
        line("2", "location", 60.0), line("2", "location", 40.0), line("2", "market", 20.0, gwp_set=None),
    ), inputs=(STEEL, OIL), inputs_complete=True, factors=(), known_at=None,
)  # fmt: skip


def test_own_gates_are_told_by_scope_method_and_set_and_never_added_over_them() -> None:
    assert GEAR.own_per_unit() == (
        PartPerUnit("scope_1", "-", "AR5", Fraction(15, 100), Fraction(1)),  # 30 kg of 200 pieces, told
        PartPerUnit("scope_1", "-", "AR6", Fraction(5, 100), Fraction(9, 10)),
        PartPerUnit("scope_2", "location", "AR5", Fraction(1, 2), Fraction(9, 10)),
        PartPerUnit("scope_2", "market", "unstated", Fraction(1, 10), Fraction(9, 10)),
    )


def test_inputs_bring_their_amount_times_their_own_emissions() -> None:
    # 2.5 kg x 2 + 0.5 kg x 10 = 10 kg; 75 % of one half is primary.
    assert GEAR.inputs_per_unit() == (PartPerUnit("inputs", "-", "AR6", Fraction(10), Fraction(3, 8)),)


def test_it_is_cradle_to_gate_only_with_complete_and_known_inputs() -> None:
    assert GEAR.boundary == "cradle_to_gate"
    assert replace(GEAR, inputs_complete=False).boundary == "gate_to_gate"
    assert replace(GEAR, inputs=(replace(STEEL, kg_per_unit=None),)).boundary == "gate_to_gate"


def test_what_is_not_known_is_null_not_less() -> None:
    unknown = replace(GEAR, lines=(line("2", "location", None), line("2", "location", 40.0)))
    assert [(part.kg_per_unit, part.reasons) for part in unknown.own_per_unit()] == [(None, ("not_known",))]
    named = replace(GEAR, lines=(line("1", "-", None, reasons=("factor_missing",)),))
    assert [part.reasons for part in named.own_per_unit()] == [("factor_missing",)]
    nothing = replace(GEAR, quantity=0.0, lines=(line("1", "-", 0.0),))
    assert [(p.kg_per_unit, p.reasons) for p in nothing.own_per_unit()] == [(None, ("no_good_output",))]
    unknown = replace(GEAR, inputs=(STEEL, replace(OIL, kg_per_unit=None, primary_share=None)))
    assert [(p.kg_per_unit, p.primary_share, p.reasons) for p in unknown.inputs_per_unit()] == [
        (None, None, ("input_not_known:oil",))
    ]
    unsaid = replace(GEAR, inputs=(replace(STEEL, primary_share=None), OIL))
    assert unsaid.inputs_per_unit() == (
        PartPerUnit("inputs", "-", "AR6", Fraction(10), None, ("primary_share_not_told:steel",)),
    )


def test_a_published_default_is_no_primary_data_whatever_is_said_of_it() -> None:
    for said in (None, 1.0):
        (part,) = replace(GEAR, inputs=(STEEL, replace(OIL, primary_share=said))).inputs_per_unit()
        assert (part.primary_share, part.reasons) == (Fraction(3, 8), ())


def test_a_share_is_weighted_by_emissions() -> None:
    assert weighted_share([(90.0, 1.0), (10.0, 0.5)]) == Fraction(95, 100)
    assert weighted_share([(0.0, 1.0)]) is None
    assert weighted_share([(1.0, None)]) is None


def declared(**more: Any) -> dict[str, Any]:
    plain = {
        "factory": "f1", "product": "gear", "valid_from": datetime(2025, 11, 3, tzinfo=UTC), "name": "Gear",
        "description": None, "mass_kg_per_unit": 1.35, "cn_code": None, "cpc_code": None, "inputs": [],
        "inputs_complete": False, "sequence": 1, "record_timestamp": datetime(2025, 11, 3, tzinfo=UTC),
    }  # fmt: skip
    return {**plain, **more}


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_declaration_before_the_periods_end_holds_whatever_the_order(order: int) -> None:
    steel = {
        "input": "steel", "supplier": "mill", "amount_per_unit": 2.5, "unit": "kg", "kg_per_unit": 2.0,
        "gwp_set": "AR6", "default_value": False, "primary_share": 0.75, "precursor": True,
        "cn_code": "72149110", "country": "KR", "source": "pcf-1",
    }  # fmt: skip
    rows = [
        declared(mass_kg_per_unit=1.0, sequence=1),
        declared(inputs=[steel], inputs_complete=True, sequence=2),
        declared(mass_kg_per_unit=9.0, valid_from=datetime(2025, 12, 1, tzinfo=UTC), sequence=3),
        declared(factory="f2", mass_kg_per_unit=8.0),
    ][::order]
    found = declarations(pl.DataFrame(rows), "f1", datetime(2025, 12, 1, tzinfo=UTC))
    assert list(found) == ["gear"]
    assert found["gear"].mass_kg_per_unit == 1.35
    assert found["gear"].inputs == (STEEL,)
    assert found["gear"].described == {"name": "Gear"}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_declarations_of_one_record_the_greater_content_holds_whatever_the_order(order: int) -> None:
    rows = [declared(name="A"), declared(name="B")][::order]
    found = declarations(pl.DataFrame(rows), "f1", datetime(2025, 12, 1, tzinfo=UTC))
    assert found["gear"].described == {"name": "B"}
