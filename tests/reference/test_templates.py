"""Trade templates: whole, checked, and an operator's to change."""

from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
import yaml

from pipelines.demo.plants import PLANTS
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.publish.template_listing import template_yaml, templates_csv, templates_page
from pipelines.reference.tables import FOLDER
from pipelines.reference.templates import Process, Stream, load_templates, packaged_templates, unknown_kpis
from pipelines.schemas.mapping import FactoryMapping
from pipelines.schemas.streams import STREAMS

DOCS = Path(__file__).resolve().parents[2] / "docs"
TRADES = [
    "casting", "moulds", "forming", "welding", "surface_treatment", "heat_treatment", "car_parts",
    "ship_parts", "footwear", "textiles",
]  # fmt: skip


def own(folder: Path, **changes: Any) -> Path:
    """Write a template of the catalogue's first KPIs, with changes."""
    template = {
        "id": "casting", "version": "2", "name": {"ko": "우리 주조", "en": "Our casting"},
        "process": "casting", "streams": {"start": ["energy"]}, "carriers": ["electricity"],
        "products": [{"product_class": "iron-castings", "unit": "kg", "name": {"ko": "주철", "en": "Iron"}}],
        "kpis": ["oee", "energy_kwh_per_unit"],
        "ranges": [
            {"kpi": "energy_kwh_per_unit", "unit": "kWh/kg", "lower": 1.0, "upper": 3.0, "basis": "judgement",
             "reason": {"ko": "작년 값", "en": "last year's"}},
        ],
        **changes,
    }  # fmt: skip
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"templates": [template]}, allow_unicode=True), encoding="utf-8")
    return path


def refusal(*paths: Path) -> str:
    with pytest.raises(OperatorError) as error:
        load_templates(paths)
    assert error.value.code is ExitCode.UNUSABLE_INPUT
    assert "\n" not in error.value.english + error.value.korean
    return error.value.english


def test_the_ten_trades_have_a_template_of_their_process() -> None:
    assert list(packaged_templates()) == TRADES
    assert [t.process for t in packaged_templates().values()] == TRADES


def test_every_kpi_of_a_packaged_template_is_in_the_catalogue() -> None:
    assert {t.id: unknown_kpis(t) for t in packaged_templates().values() if unknown_kpis(t)} == {}


def test_streams_and_processes_are_those_of_the_contracts() -> None:
    assert {*get_args(Stream)} == {*STREAMS} - {"profile"}
    assert get_args(Process) == get_args(FactoryMapping.model_fields["process"].annotation)


def test_a_range_that_rests_on_a_reference_level_is_a_tenth_to_ten_times_it() -> None:
    grids = pl.read_csv(FOLDER / "kpi_grids.csv", infer_schema=False)
    levels = {
        c: Decimal(v)
        for k, c, v in grids.select("kpi", "product_class", "reference_level").iter_rows()
        if k == "energy_kwh_per_unit"
    }
    checked = 0
    for template in packaged_templates().values():
        for bounds in template.ranges:
            if bounds.basis == "reference_level":
                level = levels[bounds.product_class or ""]
                found = Decimal(str(bounds.lower)), Decimal(str(bounds.upper))
                assert found == (level / 10, level * 10), bounds
                checked += 1
    assert checked == 12


def test_every_product_of_a_template_has_a_range_of_its_energy_per_unit() -> None:
    for template in packaged_templates().values():
        ranged = {b.product_class for b in template.ranges if b.kpi == "energy_kwh_per_unit"}
        assert ranged == {p.product_class for p in template.products}, template.id


def test_every_plant_of_the_demo_names_a_template_that_fits_its_process_and_products() -> None:
    for plant in PLANTS.values():
        template = packaged_templates()[plant.template]
        assert template.process == plant.process
        kinds = {(p.product_class, p.unit) for p in template.products}
        assert {(p.product_class, p.unit) for p in plant.products} <= kinds


def test_an_operators_file_replaces_by_id_and_leaves_the_others(tmp_path: Path) -> None:
    found = load_templates([own(tmp_path)])
    assert list(found) == TRADES
    assert (found["casting"].version, found["casting"].ranges[0].upper) == ("2", 3.0)
    assert found["moulds"] == packaged_templates()["moulds"]


def test_a_folder_adds_templates_and_a_later_file_wins(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    own(folder, id="investment-casting")
    later = own(tmp_path, id="investment-casting", version="3")
    found = load_templates([folder, later])
    assert list(found)[-1] == "investment-casting"
    assert found["investment-casting"].version == "3"


def test_what_show_prints_is_a_file_that_reads_back_to_the_same(tmp_path: Path) -> None:
    template = load_templates([own(tmp_path)])["casting"]
    copy = tmp_path / "copy.yaml"
    copy.write_text(template_yaml(template), encoding="utf-8")
    assert load_templates([copy])["casting"] == template


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"kpis": ["oee", "no_such"], "ranges": []},
            "casting: no such KPI: no_such; the catalogue has allocation_efficiency",
        ),
        ({"carriers": ["magic"]}, "templates.0: Value error, casting: no such carrier: magic"),
        ({"colour": "red"}, "templates.0.colour: Extra inputs are not permitted"),
        ({"id": "Casting"}, "templates.0.id: String should match pattern"),
        ({"streams": {"start": ["energy"], "later": ["energy"]}}, "a stream stands twice"),
        ({"kpis": ["oee"]}, "the range of energy_kwh_per_unit is of no KPI of the template"),
        ({"streams": {"start": []}}, "templates.0.streams.start: Tuple should have at least 1 item"),
    ],
)
def test_a_template_that_cannot_be_is_one_line_with_its_place(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    line = refusal(own(tmp_path, **changes))
    assert line.startswith("templates own.yaml: ")
    assert said in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lower": 3.0}, "energy_kwh_per_unit: lower must be less than upper"),
        ({"upper": float("inf")}, "Input should be a finite number"),
        ({"unit": "kWh/piece"}, "the range of energy_kwh_per_unit must be per kg"),
        ({"product_class": "moulds"}, "moulds is no product class of the template"),
        ({"basis": "hearsay"}, "Input should be 'definition'"),
    ],
)
def test_a_range_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    bounds = {
        "kpi": "energy_kwh_per_unit", "unit": "kWh/kg", "lower": 1.0, "upper": 3.0, "basis": "judgement",
        "reason": {"ko": "작년 값", "en": "last year's"},
    }  # fmt: skip
    assert said in refusal(own(tmp_path, ranges=[{**bounds, **changes}]))


def test_files_that_are_none_are_one_line(tmp_path: Path) -> None:
    assert "there is no such file or folder" in refusal(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"templates: [\xff")
    assert "templates broken.yaml: is no YAML" in refusal(broken)
    broken.write_text("templates: [", encoding="utf-8")
    assert "templates broken.yaml: is no YAML" in refusal(broken)
    broken.write_text("", encoding="utf-8")
    assert "templates broken.yaml: Input should be" in refusal(broken)


def test_the_page_of_docs_is_what_the_templates_say() -> None:
    assert (DOCS / "templates.md").read_text(encoding="utf-8") == templates_page(packaged_templates())


def test_a_name_with_a_comma_stays_one_cell_of_the_list(tmp_path: Path) -> None:
    named = load_templates([own(tmp_path, name={"ko": "주조, 다이캐스팅", "en": "Casting"})])["casting"]
    assert templates_csv([named]).splitlines() == [
        "id,version,process,name_ko,name_en,streams,carriers,product_classes",
        'casting,2,casting,"주조, 다이캐스팅",Casting,energy,electricity,iron-castings',
    ]
