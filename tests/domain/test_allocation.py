"""Emissions shared out to products: by mass, units, machine hours; parts are the whole, to the last bit."""

import math
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain.emissions.allocation import (
    Gap,
    MachineDay,
    ProductOutput,
    allocate,
    gaps,
    machine_times,
    shares,
    split,
)
from pipelines.domain.emissions.inventory import InventoryLine

BOLTS = ProductOutput("bolt", "piece", 9_000.0, 0.05, Fraction(3_600))
GEARS = ProductOutput("gear", "piece", 1_000.0, 1.35, Fraction(10_800))


def line(co2e_kg: float | None = 100.0, **more: Any) -> InventoryLine:
    said: dict[str, Any] = {
        "factory": "f1", "activity": "electricity", "scope": "2", "category": "2.1", "method": "location",
        "amount": 250.0, "unit": "kWh", "masses_kg": {}, "co2e_kg": co2e_kg, "factor_ids": ("grid",),
        "purpose": "disclosure", "gwp_set": "AR5", "tier": None, "uncertainty_low_pct": None,
        "uncertainty_high_pct": None, "coverage": 1.0, "provisional": False, "reasons": (),
    }  # fmt: skip
    return InventoryLine(**{**said, **more})


@pytest.mark.parametrize(
    ("method", "gear"),
    [
        ("units", Fraction(1, 10)),  # 1,000 of 10,000 pieces
        ("mass", Fraction(3, 4)),  # 1,350 kg of 1,350 + 450
        ("machine_hours", Fraction(3, 4)),  # 3 h of 4 h
    ],
)
def test_shares_are_those_of_mass_units_or_machine_hours(method: str, gear: Fraction) -> None:
    assert shares([BOLTS, GEARS], method) == {"bolt": 1 - gear, "gear": gear}


def test_scrap_alone_bears_nothing_and_its_burden_falls_on_the_others() -> None:
    scrap = ProductOutput("trial", "piece", 0.0, None, None)
    assert shares([BOLTS, scrap], "mass") == {"bolt": 1, "trial": 0}
    parts = allocate([line()], shares([BOLTS, scrap], "mass"))
    assert (parts["bolt"][0].co2e_kg, parts["trial"][0].co2e_kg) == (100.0, 0.0)


@pytest.mark.parametrize(
    ("outputs", "method", "expected"),
    [
        ([BOLTS, replace(GEARS, quantity=None)], "units", Gap("gear", "output_not_known")),
        ([BOLTS, replace(GEARS, mass_kg_per_unit=None)], "mass", Gap("gear", "mass_per_unit_not_told")),
        ([BOLTS, replace(GEARS, quantity=-1.0)], "units", Gap("gear", "output_not_known")),
        ([BOLTS, replace(GEARS, mass_kg_per_unit=0.0)], "mass", Gap("gear", "mass_per_unit_not_told")),
        ([BOLTS, replace(GEARS, unit=None)], "units", Gap("gear", "unit_not_known")),
        ([BOLTS, replace(GEARS, unit=None)], "mass", Gap("gear", "unit_not_known")),
        ([BOLTS, replace(GEARS, machine_time_s=Fraction(0))], "machine_hours",
         Gap("gear", "machine_time_not_known")),
        ([BOLTS, replace(GEARS, machine_time_s=Gap("gear", "pru_not_given"))], "machine_hours",
         Gap("gear", "pru_not_given")),
        ([replace(GEARS, machine_time_s=None)], "machine_hours", Gap("gear", "machine_time_not_known")),
        ([replace(GEARS, quantity=0.0)], "units", Gap("*", "nothing_made")),
        ([], "mass", Gap("*", "nothing_made")),
    ],
)  # fmt: skip
def test_what_a_method_lacks_is_named_and_nothing_is_guessed(
    outputs: list[ProductOutput], method: str, expected: Gap
) -> None:
    assert gaps(outputs, method) == (expected,)
    with pytest.raises(ValueError, match=expected.reason):
        shares(outputs, method)


def test_products_of_different_units_are_all_named_and_not_counted_together() -> None:
    mixed = [BOLTS, replace(GEARS, unit="m"), ProductOutput("trial", "kg", 0.0, None, None)]
    assert gaps(mixed, "units") == (Gap("bolt", "units_differ"), Gap("gear", "units_differ"))


def test_a_product_of_other_units_may_still_be_weighed() -> None:
    wire = ProductOutput("wire", "m", 1_000.0, 0.45, None)
    assert shares([BOLTS, wire], "mass") == {"bolt": Fraction(1, 2), "wire": Fraction(1, 2)}


def test_a_machine_gives_its_time_to_the_products_of_its_day_by_their_planned_run_time() -> None:
    # Press 1: bolts 100 x 20 s, gears 50 x 120 s: 2,000 to 6,000 of 4,000 s. Press 2 made gears alone.
    days = [
        MachineDay("p1", date(2025, 11, 1), "bolt", 100.0, 20.0, 4_000.0),
        MachineDay("p1", date(2025, 11, 1), "gear", 50.0, 120.0, 4_000.0),
        MachineDay("p2", date(2025, 11, 1), "gear", 7.0, None, 500.0),
    ]
    assert machine_times(days) == {"bolt": Fraction(1_000), "gear": Fraction(3_500)}


def test_time_that_nobody_knows_is_a_gap_not_zero() -> None:
    days = [
        MachineDay("p1", date(2025, 11, 1), "bolt", 100.0, 20.0, 4_000.0),
        MachineDay("p1", date(2025, 11, 2), "bolt", 100.0, 20.0, None),
        MachineDay("p1", date(2025, 11, 3), "bolt", 1.0, 20.0, 60.0),
        MachineDay("p1", date(2025, 11, 4), "gear", 5.0, None, 60.0),
        MachineDay("p1", date(2025, 11, 4), "nut", 5.0, 1.0, 60.0),
    ]
    found = machine_times(days)
    assert found["bolt"] == Gap("bolt", "machine_time_not_known")
    assert found["gear"] == Gap("gear", "pru_not_given")
    # What the gears took of the 60 s isn't known, and so isn't what was left for the nuts.
    assert found["nut"] == Gap("nut", "machine_time_not_known")


def test_what_was_not_made_on_a_day_takes_no_time_and_needs_no_planned_one() -> None:
    days = [
        MachineDay("p1", date(2025, 11, 1), "bolt", 100.0, None, 4_000.0),
        MachineDay("p1", date(2025, 11, 1), "gear", 0.0, None, 4_000.0),
        # Set up and run all day, and neither counted: nobody's time.
        MachineDay("p1", date(2025, 11, 2), "bolt", 0.0, None, 900.0),
        MachineDay("p1", date(2025, 11, 2), "gear", 0.0, None, 900.0),
        # The only product of the day has its time, though its first piece comes tomorrow.
        MachineDay("p2", date(2025, 11, 2), "gear", 0.0, None, 300.0),
    ]
    assert machine_times(days) == {"bolt": Fraction(4_000), "gear": Fraction(300)}
    assert machine_times(days[::-1]) == machine_times(days)


def test_a_line_keeps_everything_but_its_amounts() -> None:
    whole = line(masses_kg={"CO2": 90.0, "CH4": 1.0}, co2_biogenic_kg=8.0, claimed_kwh=40.0)
    gear = allocate([whole], shares([BOLTS, GEARS], "mass"))["gear"][0]
    assert (gear.amount, gear.co2e_kg, gear.co2_biogenic_kg) == (187.5, 75.0, 6.0)
    assert gear.claimed_kwh == 30.0
    assert gear.masses_kg == {"CO2": 67.5, "CH4": 0.75}
    assert (gear.factor_ids, gear.gwp_set, gear.method) == (whole.factor_ids, whole.gwp_set, whole.method)


def test_what_is_not_known_stays_unknown_and_what_emits_nothing_is_left_out() -> None:
    parts = allocate([line(None), line(emits=False)], shares([BOLTS, GEARS], "units"))
    assert [one.co2e_kg for one in parts["bolt"]] == [None]


WEIGHTS = st.lists(st.floats(0.0, 1e9, allow_subnormal=False), min_size=1, max_size=12).filter(any)


def by_units(weights: list[float]) -> dict[str, Fraction]:
    return shares([ProductOutput(f"p{i:02}", "piece", w, None, None) for i, w in enumerate(weights)], "units")


@given(st.floats(-1e12, 1e12), WEIGHTS)
def test_parts_add_up_to_the_whole_exactly_in_any_order_and_none_has_the_other_sign(
    value: float, weights: list[float]
) -> None:
    given_to = by_units(weights)
    found = split(value, given_to)
    parts = [part for part in found.values() if part is not None]
    assert len(parts) == len(weights)
    assert sum(map(Fraction, parts)) == Fraction(value)
    assert sum(parts) == sum(parts[::-1]) == value
    assert all(part * value >= 0 for part in parts)
    largest = max(given_to, key=lambda name: (given_to[name], name))
    last_place = Fraction(math.ulp(value))
    for name, part in found.items():
        missed = abs(Fraction(part or 0.0) - Fraction(value) * given_to[name])
        assert missed < (len(parts) if name == largest else 1) * last_place


def test_a_speck_of_a_share_is_never_negative() -> None:
    speck = Fraction(1, 10**18)
    found = split(100.0, {"bolt": Fraction(1, 3), "gear": Fraction(2, 3) - speck, "pin": speck})
    assert found["pin"] == 0.0
    assert split(-100.0, {"bolt": Fraction(1, 4), "gear": Fraction(3, 4)}) == {"bolt": -25.0, "gear": -75.0}


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=12).filter(any),
    st.permutations(range(12)),
    st.sampled_from([2, 60, 1000]),
)
def test_neither_order_nor_the_unit_of_the_weights_changes_a_share(
    weights: list[int], order: list[int], factor: int
) -> None:
    found = by_units([float(w) for w in weights])
    assert by_units([float(w * factor) for w in weights]) == found
    outputs = [ProductOutput(f"p{i:02}", "piece", float(w), None, None) for i, w in enumerate(weights)]
    turned = [outputs[i] for i in order if i < len(outputs)]
    assert shares(turned, "units") == found
    assert sum(found.values()) == 1
