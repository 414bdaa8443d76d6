"""Emissions per product of a demo factory: shares by each method, declarations, what is missing."""

import math
from datetime import date, datetime
from fractions import Fraction

import pytest

from pipelines.demo.session import DEMO_CLUSTER
from tests.jobs.conftest import SEOUL, Answer, Demo, Park, instant

TUESDAY = date(2025, 11, 4)


def products(demo: Demo, command: str, *more: str, factory: str = "areum") -> Answer:
    named = ("--factory", factory, "--period", "2025-11", "--cluster", DEMO_CLUSTER)
    return demo.hub.run("products", command, *named, *more)


def test_what_was_made_is_listed_with_what_each_method_lacks(demo: Demo) -> None:
    flange, knuckle = products(demo, "list").csv()
    assert (flange["product"], knuckle["product"]) == ("flange-b", "knuckle-a")
    assert (knuckle["mass_kg_per_unit"], knuckle["name"]) == ("2.1", "Steering knuckle A")
    assert (knuckle["inputs"], knuckle["inputs_complete"]) == ("2", "true")
    assert (flange["inputs_complete"], flange["mass_lacks"]) == ("false", None)
    elements = demo.rows("elements_daily").filter(factory="areum", element="gq", product="knuckle-a")
    assert float(knuckle["good_output"]) == elements["quantity"].sum()
    # The demo's others declare nothing: pieces have no mass then, and kilograms have their own.
    undeclared = products(demo, "list", factory="chorok").csv()
    assert {row["mass_lacks"] for row in undeclared} == {"mass_per_unit_not_told"}
    weighed = products(demo, "list", factory="maru").csv()
    assert {(row["unit"], row["mass_kg_per_unit"], row["mass_lacks"]) for row in weighed} == {
        ("kg", "1.0", None)
    }
    assert {row["units_lacks"] for row in undeclared} == {None}


def test_parts_of_all_products_are_the_statement(demo: Demo) -> None:
    said = demo.rows("emission_statements").filter(
        statement_id=f"{DEMO_CLUSTER}/factory/areum/month/2025-11-01", scope="2", method="location"
    )
    whole = said.sort("version")["co2e_kg"][-1]
    for method in ("mass", "units", "machine_hours"):
        rows = products(demo, "show", "--allocate", method).csv()
        located = [row for row in rows if row["part"] == "scope_2" and row["method"] == "location"]
        assert math.isclose(sum(float(r["share"]) for r in located), 1.0)
        added = math.fsum(float(r["kg_co2e_per_unit"]) * float(r["good_output"]) for r in located)
        assert math.isclose(added, whole, rel_tol=1e-5)


def test_shares_by_mass_are_those_of_declared_masses(demo: Demo) -> None:
    made = {row["product"]: Fraction(row["good_output"]) for row in products(demo, "list").csv()}
    knuckle, flange = made["knuckle-a"] * Fraction("2.1"), made["flange-b"] * Fraction("3.4")
    rows = products(demo, "show", "--allocate", "mass", "--product", "knuckle-a").csv()
    assert {row["product"] for row in rows} == {"knuckle-a"}
    assert math.isclose(float(rows[0]["share"]), float(knuckle / (knuckle + flange)))


def test_own_gates_and_bought_steel_stand_apart_with_their_boundary(demo: Demo) -> None:
    rows = products(demo, "show", "--allocate", "mass").csv()
    inputs = {row["product"]: row for row in rows if row["part"] == "inputs"}
    # 2.6 kg of steel at 1.9, 80 % primary, and 0.01 kg of oil at 3, a default: 4.97 kg, 3.952 of it primary.
    assert float(inputs["knuckle-a"]["kg_co2e_per_unit"]) == 4.97
    assert math.isclose(float(inputs["knuckle-a"]["primary_data_share"]), 3.952 / 4.97, rel_tol=1e-5)
    assert {r["boundary"] for r in rows if r["product"] == "knuckle-a"} == {"cradle_to_gate"}
    # Nobody knows the flange's steel: null, and gate to gate.
    assert inputs["flange-b"]["kg_co2e_per_unit"] is None
    assert {r["boundary"] for r in rows if r["product"] == "flange-b"} == {"gate_to_gate"}


def test_what_can_not_be_shared_out_is_named_and_so_is_what_was_not_made(demo: Demo) -> None:
    answer = products(demo, "show", "--allocate", "mass", factory="chorok")
    assert answer.code == 5
    assert "knuckle-a: mass_per_unit_not_told" in answer.err
    answer = products(demo, "show", "--allocate", "units", "--product", "wheel")
    assert answer.code == 2
    assert "made were: flange-b, knuckle-a" in answer.err


def park_with_counts(park: Park, *, states: bool) -> Answer:
    """Send a day on which a press made 40 bolts and 60 m of wire, with or without its states; run a night."""
    products = [
        {"product": "bolt", "unit": "piece", "product_class": "bolts", "pru_s": None},
        {"product": "wire", "unit": "m", "product_class": "wires", "pru_s": 2.0},
    ]
    machines = [{"machine": "press", "name": "press"}]
    told = park.profile(park.a, machines=machines, products=products)
    park.send(park.topic("profile"), [told], instant(date(2025, 11, 1)))
    sent = instant(TUESDAY, 25)
    park.send(park.topic(), [park.energy(park.a, instant(TUESDAY), [1.0] * 24)], sent)
    counted = {
        "factory": park.a, "machine": "press", "rejected": 0.0, "rework": 0.0, "inspected": None,
        "first_pass": None,
    }  # fmt: skip
    counts = [
        {**counted, "product": name, "at": instant(TUESDAY, hour), "total": total, "sequence": hour}
        for name, per_hour in (("bolt", 20.0), ("wire", 30.0))
        for hour, total in ((8, 0.0), (9, per_hour), (10, 2 * per_hour))
    ]
    park.send(park.topic("counts"), [park.encode("counts", count) for count in counts], sent)
    if states:
        running = {
            "factory": park.a, "machine": "press", "at": instant(TUESDAY, 8), "state": "running",
            "until": None, "product": None, "reason": None, "sequence": 1,
        }  # fmt: skip
        park.send(park.topic("states"), [park.encode("states", running)], sent)
    return park.nightly(datetime(2025, 11, 5, 3, tzinfo=SEOUL))


@pytest.mark.parametrize(
    ("states", "bolt", "wire"),
    [
        (
            False,
            "machine_time_not_known",
            "machine_time_not_known",
        ),  # an APT of 0 h, of which nothing is known
        (True, "pru_not_given", "machine_time_not_known"),  # what the bolts took isn't known
    ],
)
def test_time_that_no_state_or_plan_tells_is_named_and_is_not_zero(
    park: Park, *, states: bool, bolt: str, wire: str
) -> None:
    night = park_with_counts(park, states=states)
    assert night.code == 0, night.err
    of_a = ("--cluster", "park", "--factory", park.a)
    listed = park.hub.run("products", "list", *of_a, "--period", "2025-11").csv()
    assert [(row["product"], row["good_output"], row["machine_hours_lacks"]) for row in listed] == [
        ("bolt", "40.0", bolt), ("wire", "60.0", wire),
    ]  # fmt: skip
    assert {(row["units_lacks"], row["mass_lacks"]) for row in listed} == {
        ("units_differ", "mass_per_unit_not_told")
    }
    answer = park.hub.run("products", "show", *of_a, "--period", "2025-11", "--allocate", "machine_hours")
    assert answer.code == 5
    assert f"bolt: {bolt}, wire: {wire}" in answer.err
    answer = park.hub.run("products", "show", *of_a, "--period", "2025-10", "--allocate", "units")
    assert answer.code == 5
    assert "the carbon ledger has no emissions of it" in answer.err
