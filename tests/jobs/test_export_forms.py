"""One command for every form: a product's document through the shell, and options that aren't its own."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from pipelines.demo.session import DEMO_CLUSTER
from tests.jobs.conftest import Answer, Demo

ABOUT = {
    "geography": "KR",
    "company_urns": "urn:bpn:BPNL000000000DWF",
    "product_urns": "urn:pact:areum.example:supplier-id:knuckle-a",
    "cross_sectoral_standards": "ISO14067, PACT-3.0",
    "exempted_emissions_percent": "0",
    "biogenic_uptake_kg_per_unit": "0",
    "biogenic_emissions_kg_per_unit": "0",
    "fossil_carbon_content_kg_per_unit": "0",
    "unstated_gwp_set": "AR5",
    "unstated_gwp_set_source": "national inventory report",
}


def export(demo: Demo, out: Path, form: str, *more: object) -> Answer:
    named = ("--format", form, "--factory", "areum", "--period", "2025-11", "--out", out)
    return demo.hub.run("export", *named, "--cluster", DEMO_CLUSTER, *more)


def test_a_products_document_is_its_share_of_the_statement_and_its_inputs(demo: Demo, tmp_path: Path) -> None:
    about = tmp_path / "about.yaml"
    about.write_text(yaml.safe_dump(ABOUT), encoding="utf-8")
    asked = ("--product", "knuckle-a", "--allocate", "mass", "--about", about)
    answer = export(demo, tmp_path / "out", "pact", *asked)
    assert answer.code == 0, answer.err
    told = json.loads((tmp_path / "out/pact-areum-knuckle-a-2025-11.json").read_text(encoding="utf-8"))
    said = demo.rows("emission_statements").filter(
        statement_id=f"{DEMO_CLUSTER}/factory/areum/month/2025-11-01", scope="1+2", method="market"
    )
    good = demo.rows("elements_daily").filter(factory="areum", element="gq").group_by("product")
    made = {product: Fraction(sum(rows["quantity"])) for (product,), rows in good}
    masses = {
        "knuckle-a": made["knuckle-a"] * Fraction("2.1"),
        "flange-b": made["flange-b"] * Fraction("3.4"),
    }
    share = masses["knuckle-a"] / sum(masses.values())
    own = share * Fraction(said.sort("version")["co2e_kg"][-1]) / made["knuckle-a"]
    # 2.6 kg of steel at 1.9 and 0.01 kg of oil at 3.
    expected = own + Fraction("4.97")
    assert abs(Fraction(Decimal(told["pcf"]["pcfExcludingBiogenicUptake"])) / expected - 1) < 1e-12


@pytest.mark.parametrize(
    ("form", "more", "said"),
    [
        ("pact", (), "name it and its method by --product and --allocate"),
        ("pact", ("--product", "knuckle-a"), "name it and its method by --product and --allocate"),
        ("cbam", ("--product", "knuckle-a", "--allocate", "mass", "--version", "1"), "are of inventories"),
        ("ghgp", ("--product", "knuckle-a"), "are of pact, catenax, idta, cbam, not of ghgp"),
    ],
)
def test_an_option_that_is_missing_or_of_another_form_is_named(
    demo: Demo, tmp_path: Path, form: str, more: tuple[str, ...], said: str
) -> None:
    answer = export(demo, tmp_path / "out", form, *more)
    assert answer.code == 2
    assert said in answer.err
    assert not (tmp_path / "out").exists()
