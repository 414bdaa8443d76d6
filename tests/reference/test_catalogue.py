"""The KPI catalogue."""

import csv
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from pipelines.domain.kpi_formulas import KpiBook
from pipelines.reference.kpis import kpi_book, make_book
from pipelines.reference.tables import FOLDER

LOCK = Path(__file__).resolve().parents[1] / "golden" / "kpi_formulas.csv"
ISO_22400 = (
    "availability", "effectiveness", "quality_ratio", "quality_ratio_time", "oee", "nee",
    "utilisation_efficiency", "allocation_efficiency", "technical_efficiency", "setup_rate",
    "throughput_per_h", "worker_efficiency", "first_pass_yield", "scrap_ratio", "rework_ratio",
    "corrective_maintenance_ratio", "energy_kwh_per_unit", "mtbf_fe_s", "mtbf_fe1_s", "mttr_fe_s",
    "mttr_fe1_s",
)  # fmt: skip
Entry = dict[str, Any]


def entry(**changes: object) -> Entry:
    """Make a definition that fits, with changes."""
    return {
        "id": "made_up", "version": "1", "family": "quality", "standard": None,
        "name": {"ko": "지표", "en": "Figure"}, "meaning": {"ko": "뜻", "en": "Meaning"},
        "formula": "sum(gq) / sum(pq)", "unit": "1", "direction": "higher", "class": "A",
        "statistic": "ratio_of_sums", "breakdown": "cluster", "share_bound": 1, "minimum_coverage": 0.5,
        "comparison_coverage": 0.9, "source": "this test", **changes,
    }  # fmt: skip


def book_of(*entries: Entry, grids: list[Entry] | None = None) -> KpiBook:
    elements = pl.read_csv(FOLDER / "kpi_elements.csv", infer_schema=False).to_dicts()
    return make_book(entries, elements, grids or [])


NEWEST = {d.kpi: d for d in kpi_book().newest()}


def test_of_two_ids_for_the_same_thing_groups_have_figures_of_one() -> None:
    # FE + 1 has a value without a failure too, so no panel leaves out who is best; an incident per 200,000 h
    # is a fifth of one per 1,000,000 h.
    left_out = {d.kpi for d in kpi_book().all_versions()} - {d.kpi for d in kpi_book().released().values()}
    assert left_out == {"mtbf_fe_s", "mttr_fe_s", "incidents_per_200k_h"}
    assert all(definition.grids for definition in kpi_book().released().values())


def test_four_figures_are_expected_of_every_factory() -> None:
    assert kpi_book().expected() == {"co2e_kg", "energy_kwh", "energy_kwh_per_unit", "oee"}


def test_iso_22400_is_whole_and_in_the_order_of_the_command() -> None:
    assert tuple(d.kpi for d in kpi_book().of_standard("iso22400")) == ISO_22400


def test_a_formula_that_was_once_declared_never_changes() -> None:
    with LOCK.open(encoding="utf-8", newline="") as file:
        locked = {(row["kpi"], row["version"]): (row["formula"], row["unit"]) for row in csv.DictReader(file)}
    declared = {
        (d.kpi, d.version): (d.formula.text, d.unit) for v in kpi_book().definitions.values() for d in v
    }
    assert declared == locked, "a changed formula is a new version; add new lines to the lock, change none"


def test_every_definition_is_told_in_both_languages() -> None:
    for definition in kpi_book().newest():
        for text in (definition.name_ko, definition.meaning_ko):
            assert any("가" <= letter <= "힣" for letter in text)
        assert definition.name_en
        assert definition.meaning_en.endswith(".")
        assert definition.source


def test_every_figure_has_a_public_grid_and_no_ratio_one_finer_than_a_twentieth_of_its_reference() -> None:
    for definition in kpi_book().newest():
        assert definition.grids
        for grid in definition.grids.values():
            assert (grid.reference_level is None) == (definition.statistic == "total")
            assert grid.reference_level is None or grid.step / grid.reference_level >= 0.05 - 1e-12


def test_what_names_money_output_or_stock_is_class_b() -> None:
    class_b = {d.kpi for d in kpi_book().newest() if d.disclosure_class == "B"}
    assert class_b == {
        "throughput_per_h", "units_per_h", "units_per_worker_h", "unit_cost_index", "transport_krw_per_tkm",
        "inventory_days",
    }  # fmt: skip


def test_ratios_name_the_class_of_what_is_below_the_line() -> None:
    for definition in kpi_book().newest():
        assert definition.is_total == (definition.denominator_class is None)
    assert NEWEST["oee"].denominator_class == "A"
    assert NEWEST["energy_kwh_per_unit"].denominator_class == "B"


def test_kwh_and_emissions_are_one_variable_to_an_attacker() -> None:
    assert NEWEST["energy_kwh"].linked_elements == NEWEST["co2e_kg"].linked_elements
    assert "electricity" in NEWEST["energy_kwh_per_unit"].linked_elements


def test_a_product_class_without_an_agreed_grid_has_none() -> None:
    per_unit = NEWEST["energy_kwh_per_unit"]
    assert per_unit.grid_for("aluminium-castings") is not None
    assert per_unit.grid_for("unheard-of") is None
    assert per_unit.grid_for(None) is None
    oee = NEWEST["oee"].grid_for(None)
    assert oee is not None
    assert oee.step == 0.05


def test_the_packaged_entries_are_those_of_the_book_with_all_their_versions() -> None:
    entries = yaml.safe_load((FOLDER / "kpis.yaml").read_text(encoding="utf-8"))
    assert len(entries) == sum(len(versions) for versions in kpi_book().definitions.values())


def test_two_versions_of_an_id_stand_side_by_side_and_a_reference_keeps_the_one_that_it_names() -> None:
    book = book_of(
        entry(),
        entry(
            id="of_it",
            formula="sum(gq) / sum(pq) * kpi(made_up, 1)",
            statistic="order_statistic",
            share_bound=None,
        ),
        entry(version="2", formula="sum(gp) / sum(ip)"),
    )
    assert [d.version for d in book.definitions["made_up"]] == ["1", "2"]
    assert book.definitions["of_it"][0].formula.elements == ("gq", "pq")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([entry(), entry(version="3", formula="sum(gp) / sum(ip)")], "next version is 2"),
        ([entry(), entry(version="2")], "that of an earlier version"),
        ([entry(version=1)], "whole number in quotes"),
        ([entry(colour="red")], "unknown or missing keys: colour"),
        ([{k: v for k, v in entry().items() if k != "source"}], "unknown or missing keys: source"),
        ([entry(direction="sideways")], "direction is 'sideways'"),
        ([entry(statistic="total")], "can't have this formula"),
        ([entry(formula="sum(pq)")], "can't have this formula"),
        ([entry(formula="sum(tbf_s) / (sum(failures) + 1)")], "without a constant"),
        ([entry(formula="sum(gq) * sum(gp) / sum(pq) / sum(ip)", statistic="order_statistic")], "be a share"),
        ([entry(formula="kpi(unheard_of, 1) * sum(pq)")], "must stand above"),
        ([entry(formula="sum(beauty) / sum(pq)")], "no declared element"),
        ([entry(minimum_coverage=1.5)], "between 0 and 1"),
        ([entry(formula="sum(headcount) / sum(worked_h)", share_bound=None)], "can only be a total"),
        ([entry(formula="sum(pq - apt_s) / sum(pq)", share_bound=None)], "adds output to something else"),
    ],
)
def test_what_does_not_fit_together_is_refused(entries: list[Entry], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        book_of(*entries)


def test_an_element_says_where_it_is_measured_and_how_it_becomes_a_month() -> None:
    rows = pl.read_csv(FOLDER / "kpi_elements.csv", infer_schema=False).to_dicts()
    for key, told in (("measured_at", "everywhere"), ("over_time", "somehow")):
        with pytest.raises(ValueError, match=f"pbt_s: {key} is '{told}'"):
            make_book([entry()], [row | {key: told} for row in rows], [])
    stocks = {e.element for e in kpi_book().elements.values() if e.over_time == "mean"}
    assert stocks == {"headcount"}


def test_what_a_kpi_is_computed_for_follows_from_its_elements() -> None:
    newest = {d.kpi: d for d in kpi_book().newest()}
    assert (newest["oee"].base, newest["oee"].of_machine) == ("machine", True)
    # The factory's energy is that of its main meters; a machine may have its own.
    assert (newest["energy_kwh_per_unit"].base, newest["energy_kwh_per_unit"].of_machine) == ("factory", True)
    assert (newest["worker_efficiency"].base, newest["worker_efficiency"].of_machine) == ("factory", False)
    # AUBT is derived of a machine's elements.
    assert newest["allocation_efficiency"].base == "machine"


def test_a_grid_that_is_too_fine_or_of_nothing_is_refused() -> None:
    grid = {"kpi": "made_up", "product_class": "*", "reference_level": "1", "grid_step": "0.04"}
    with pytest.raises(ValueError, match="finer than 5 %"):
        book_of(entry(), grids=[grid])
    with pytest.raises(ValueError, match="no such KPI"):
        book_of(entry(), grids=[grid | {"kpi": "unheard_of", "grid_step": "1"}])
