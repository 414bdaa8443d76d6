"""The methodology pages say what the catalogue says."""

from pathlib import Path

import pytest

from pipelines.publish.methodology import documented_families, family_tables, render_page, write_pages
from pipelines.reference.kpis import kpi_book

PAGES = Path(__file__).resolve().parents[2] / "docs" / "methodology"
BEGIN = "<!-- kpis of inventory: generated, by somebody -->\n"


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_a_page_and_the_catalogue_have_not_parted(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    update = "python -m pipelines.publish.methodology docs/methodology"
    assert render_page(text, kpi_book()) == text, f"bring the tables up to date: {update}"


def test_every_family_has_its_page_and_every_table_its_page() -> None:
    found = {page.stem: documented_families(page.read_text(encoding="utf-8")) for page in PAGES.glob("*.md")}
    families = {d.family for d in kpi_book().newest()}
    assert {name: tables for name, tables in found.items() if tables} == {name: [name] for name in families}


def test_what_stands_outside_the_markers_stays() -> None:
    page = f"before\n{BEGIN}stale\n<!-- end -->\nafter\n"
    rendered = render_page(page, kpi_book())
    assert rendered.startswith(f"before\n{BEGIN}| id@version |")
    assert rendered.endswith("<!-- end -->\nafter\n")
    assert "stale" not in rendered
    assert render_page(rendered, kpi_book()) == rendered


def test_a_definition_is_told_with_all_that_it_means() -> None:
    tables = family_tables(kpi_book(), "inventory")
    assert (
        "| `inventory_days@1` | `sum(stock_unit_days) / sum(shipped_quantity)` | d | lower | B |"
        " order_statistic by process | 0.5; 0.9 to compare | 1 (around 20) |"
    ) in tables
    assert "Days of stock<br>재고 일수" in tables
    assert "| `shipped_quantity` | quantity shipped<br>출하 수량 | unit | product | B |" in tables


def test_elements_that_others_are_derived_from_are_told_too() -> None:
    tables = family_tables(kpi_book(), "machine-time")
    assert "where not given: aupt_s + adet_s" in tables
    assert "may be absent: then there is none" in tables


def test_a_page_of_no_family_is_refused() -> None:
    with pytest.raises(ValueError, match="no KPI is of the family weather"):
        render_page("<!-- kpis of weather: generated -->\n<!-- end -->", kpi_book())


def test_only_pages_that_changed_are_written(tmp_path: Path) -> None:
    (tmp_path / "stale.md").write_text(f"{BEGIN}<!-- end -->", encoding="utf-8")
    (tmp_path / "plain.md").write_text("nothing to see", encoding="utf-8")
    assert write_pages(tmp_path, kpi_book()) == [tmp_path / "stale.md"]
    assert write_pages(tmp_path, kpi_book()) == []
