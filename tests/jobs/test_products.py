"""Emissions per product of a demo factory: shares by each method, declarations, what is missing."""

import math
from fractions import Fraction

from pipelines.demo.session import DEMO_CLUSTER
from tests.jobs.conftest import Answer, Demo


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
