"""One command for every form: a product's document through the shell, and options that aren't its own."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.demo.session import DEMO_CLUSTER
from pipelines.publish.product_formats.forms import PRODUCT_FORMS
from tests.jobs.conftest import Answer, Demo
from tests.publish.product_footprints import ABOUT

BESIDE = {
    "geography": "KR",
    "unstated_gwp_set": "AR5",
    "unstated_gwp_set_source": "letter of the publisher",
    "direct_emissions": "none",
}


def export(demo: Demo, out: Path, form: str, *more: object) -> Answer:
    named = ("--format", form, "--factory", "areum", "--period", "2025-11", "--out", out)
    return demo.hub.run("export", *named, "--cluster", DEMO_CLUSTER, *more)


def of_product(demo: Demo, tmp_path: Path, form: str, product: str) -> Answer:
    about = tmp_path / "about.yaml"
    known = (*PRODUCT_FORMS[form].about, *PRODUCT_FORMS[form].optional)
    told = ABOUT[form] | {name: text for name, text in BESIDE.items() if name in known}
    about.write_text(yaml.safe_dump(dict(told)), encoding="utf-8")
    return export(demo, tmp_path / "out", form, "--product", product, "--allocate", "mass", "--about", about)


def own_kg(demo: Demo) -> Fraction:
    """Return what the newest statement says of electricity; the factory has no contract and no fuel."""
    said = demo.rows("emission_statements").filter(
        statement_id=f"{DEMO_CLUSTER}/factory/areum/month/2025-11-01", scope="2", method="location"
    )
    return Fraction(repr(said.sort("version")["co2e_kg"][-1]))


def read(answer: Answer) -> Any:
    assert answer.code == 0, answer.err
    (path,) = (line for line in answer.out.splitlines() if line.endswith(".json"))
    return json.loads(Path(path).read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)


def test_a_product_is_written_in_every_form_as_the_ledger_has_it(demo: Demo, tmp_path: Path) -> None:
    told = read(of_product(demo, tmp_path, "cbam", "knuckle-a"))
    quantity = Fraction(told["production"]["quantity"])
    own = own_kg(demo) * Fraction(told["allocation"]["share_of_installation"])
    assert float(told["embedded_emissions_t"]["indirect"]) == pytest.approx(float(own / 1000), rel=1e-12)
    # 2.6 kg of steel at 1.9 and 0.01 kg of oil at 3; the regulation asks for precursors alone.
    pact = read(of_product(demo, tmp_path, "pact", "knuckle-a"))["pcf"]
    whole = own / quantity + Fraction("4.97")
    assert float(pact["pcfExcludingBiogenicUptake"]) == pytest.approx(float(whole), rel=1e-12)
    assert pact["ipccCharacterizationFactors"] == ["AR5", "AR6"]
    catenax = read(of_product(demo, tmp_path, "catenax", "knuckle-a"))
    (stages,) = catenax["productLifeCycleStagesAndEmissions"]
    (made,) = stages["productionStage"]
    assert made["pcfExcludingBiogenicUptake"] == Decimal(pact["pcfExcludingBiogenicUptake"])
    idta = json.dumps(read(of_product(demo, tmp_path, "idta", "knuckle-a")), default=str)
    assert pact["pcfExcludingBiogenicUptake"] in idta
    assert (tmp_path / "out" / "idta-areum-knuckle-a-2025-11.aasx").exists()


def test_a_product_without_complete_inputs_has_no_footprint_from_the_cradle(
    demo: Demo, tmp_path: Path
) -> None:
    for form in ("pact", "catenax"):
        answer = of_product(demo, tmp_path, form, "flange-b")
        assert answer.code == 5
        assert "upstream_emissions_missing: emissions of input steel-bar" in answer.err
    assert not (tmp_path / "out").exists()


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
