"""A product's footprint as files: both or none, for their owner only."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines.domain.emissions.product_footprint import ProductFootprint
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.exporting import MissingFieldsError
from pipelines.jobs.product_exporting import export_footprint
from pipelines.publish.product_formats.forms import PRODUCT_FORMS
from tests.publish.product_footprints import ABOUT, CRADLE, GATE


def export(footprint: ProductFootprint, form: str, tmp_path: Path, about: dict[str, object]) -> list[Path]:
    told = tmp_path / "about.yaml"
    told.write_text(yaml.safe_dump(about), encoding="utf-8")
    return export_footprint(footprint, form, "2025-11", "Asia/Seoul", tmp_path / "out", told)


@pytest.mark.parametrize("form", PRODUCT_FORMS)
def test_a_form_is_written_for_machines_and_people_and_their_owner_only(form: str, tmp_path: Path) -> None:
    files = export(CRADLE, form, tmp_path, dict(ABOUT[form]))
    endings = [".aasx", ".json", ".xlsx"] if form == "idta" else [".json", ".xlsx"]
    assert sorted(f.name for f in files) == [f"{form}-areum-bracket-7-2025-11{ending}" for ending in endings]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    once = [f.read_bytes() for f in files]
    assert [f.read_bytes() for f in export(CRADLE, form, tmp_path, dict(ABOUT[form]))] == once
    by_ending = {f.suffix: f for f in files}
    assert json.loads(by_ending[".json"].read_text(encoding="utf-8"))
    figures = pl.read_excel(by_ending[".xlsx"], sheet_name="figures")
    assert figures["value"][0] == pytest.approx(0.06 if form == "cbam" else 3.5, rel=1e-15)
    lines = pl.read_excel(by_ending[".xlsx"], sheet_name="lines")
    assert lines["co2e_kg"].to_list() == [line.co2e_kg for line in CRADLE.lines]


@pytest.mark.parametrize("form", ["pact", "catenax"])
def test_without_supplied_inputs_no_file_is_written(form: str, tmp_path: Path) -> None:
    with pytest.raises(MissingFieldsError) as caught:
        export(GATE, form, tmp_path, dict(ABOUT[form]))
    assert caught.value.code is ExitCode.MANDATORY_MISSING
    (fault,) = caught.value.faults
    assert fault.english.startswith(
        f"{form} of bracket-7 of areum, 2025-11: missing: upstream_emissions_missing"
    )
    assert "upstream_emissions_missing" in fault.korean
    assert not (tmp_path / "out").exists()


def test_everything_that_is_missing_is_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingFieldsError) as caught:
        export(CRADLE, "cbam", tmp_path, {})
    assert [fault.english.split("missing: ")[1] for fault in caught.value.faults] == [
        "installation_name (--about FILE)",
        "installation_address (--about FILE)",
        "contact (--about FILE)",
    ]
    assert not (tmp_path / "out").exists()


def test_a_list_is_told_as_one_and_a_field_of_another_form_is_refused(tmp_path: Path) -> None:
    about = {**ABOUT["pact"], "product_urns": ["urn:gtin:4712345060507", "urn:pact:a.example:supplier-id:7"]}
    written = export(CRADLE, "pact", tmp_path, about)[0]
    told = json.loads(written.read_text(encoding="utf-8"))
    assert told["productIds"] == ["urn:gtin:4712345060507", "urn:pact:a.example:supplier-id:7"]
    with pytest.raises(OperatorError, match="unknown waste_allocation") as caught:
        export(CRADLE, "pact", tmp_path, {"waste_allocation": "cut-off"})
    assert caught.value.code is ExitCode.UNUSABLE_INPUT


def test_a_product_id_that_is_no_file_name_still_makes_one(tmp_path: Path) -> None:
    files = export(replace(CRADLE, product="../a b"), "idta", tmp_path, dict(ABOUT["idta"]))
    assert {f.parent for f in files} == {tmp_path / "out"}
    assert {f.stem for f in files} == {"idta-areum-.._a_b-2025-11"}
