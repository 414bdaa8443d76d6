import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.connectors.aas import read_aas
from pipelines.domain.aas import AasElement
from pipelines.domain.emissions.product_footprint import ProductFootprint
from pipelines.publish.product_formats.exact import as_decimal, as_text, exact
from pipelines.publish.product_formats.form import faults, schema_faults, sheets
from pipelines.publish.product_formats.forms import PRODUCT_FORMS
from pipelines.publish.product_formats.told import Told
from tests.publish.product_footprints import ABOUT, CRADLE, DIESEL, GATE, LOCATED, MARKET, STEEL, told

ZONE = "Asia/Seoul"


def of(footprint: ProductFootprint, form: str, **about: str | None) -> Told:
    said = {**ABOUT[form], **about}
    return Told(replace(footprint, about={k: v for k, v in said.items() if v is not None}), ZONE)


def missing(footprint: ProductFootprint, form: str, **about: str | None) -> list[str]:
    return [english for english, _ in faults(of(footprint, form, **about), PRODUCT_FORMS[form])]


def written(footprint: ProductFootprint, form: str, **about: str | None) -> Any:
    assert missing(footprint, form, **about) == []
    content = PRODUCT_FORMS[form].files(of(footprint, form, **about))[".json"]
    return json.loads(content, parse_float=Decimal, parse_int=Decimal)


def test_a_pact_footprint_reads_back_with_the_totals_of_the_ledger() -> None:
    content = written(CRADLE, "pact")
    pcf = content["pcf"]
    # 100 kg own and 500 x 3.3 kg of steel for 500 pieces.
    assert Decimal(pcf["pcfExcludingBiogenicUptake"]) * 500 == Decimal(1750)
    assert pcf["pcfExcludingBiogenicUptake"] == "3.5"
    assert pcf["pcfIncludingBiogenicUptake"] == "3.4"
    assert pcf["fossilGhgEmissions"] == "3.5"
    assert (pcf["declaredUnitOfMeasurement"], pcf["declaredUnitAmount"]) == ("piece", "1")
    assert pcf["productMassPerDeclaredUnit"] == "2"
    assert pcf["referencePeriodStart"] == "2025-11-01T00:00:00+09:00"
    assert pcf["ipccCharacterizationFactors"] == ["AR5"]
    assert pcf["geographyCountry"] == "KR"
    # (0.2 + 0.5 x 3.3) / 3.5 = 1.85 / 3.5.
    assert Decimal(pcf["primaryDataShare"]) == pytest.approx(
        Decimal("52.857142857142857"), rel=Decimal("1e-15")
    )
    assert pcf["secondaryEmissionFactorSources"] == [{"name": "GIR", "version": "2025-03-31"}]
    assert content["created"] == "2025-12-02T18:00:00+00:00"
    assert "Unverified." in content["comment"]
    # A customer learns how emissions were shared out, not how much of the factory is whose.
    assert "Allocated by mass." in content["comment"]
    assert "0.25" not in json.dumps(content, default=str)


def test_a_tonne_is_declared_as_a_thousand_kilograms() -> None:
    pcf = written(replace(CRADLE, unit="t", mass_kg_per_unit=1000.0), "pact")["pcf"]
    assert (pcf["declaredUnitOfMeasurement"], pcf["declaredUnitAmount"]) == ("kilogram", "1000")
    assert pcf["productMassPerDeclaredUnit"] == "1000"


def test_a_catena_x_footprint_reads_back_with_the_totals_of_the_ledger() -> None:
    content = written(CRADLE, "catenax")
    (stages,) = content["productLifeCycleStagesAndEmissions"]
    (production,) = stages["productionStage"]
    assert production["pcfExcludingBiogenicUptake"] * 500 == Decimal(1750)
    assert production["pcfIncludingBiogenicUptake"] == Decimal("3.4")
    (assessed,) = content["pcfAssessmentAndMethodology"]
    (method,) = assessed["pcfMethodology"]
    assert method["gwpCharacterizationFactorDetails"] == [{"ipccCharacterizationFactors": "AR5"}]
    assert stages["distributionStage"] == [{"distributionStageIncluded": False}]


def test_a_figure_that_never_ends_keeps_all_its_digits_and_its_parts_stay_equal() -> None:
    pcf = written(replace(CRADLE, quantity=300.0), "pact", biogenic_uptake_kg_per_unit="0")["pcf"]
    # 100 kg for 300 pieces, and 3.3 kg each.
    assert pcf["pcfExcludingBiogenicUptake"] == "3.6" + "3" * 32
    assert pcf["pcfIncludingBiogenicUptake"] == pcf["pcfExcludingBiogenicUptake"] == pcf["fossilGhgEmissions"]


def test_an_input_of_two_suppliers_counts_twice() -> None:
    pcf = written(replace(CRADLE, inputs=(STEEL, replace(STEEL, supplier="Other Mill"))), "pact")["pcf"]
    assert pcf["pcfExcludingBiogenicUptake"] == "6.8"


@pytest.mark.parametrize("form", PRODUCT_FORMS)
def test_scope_3_of_the_ledger_is_named_and_not_counted(form: str) -> None:
    trucks = replace(DIESEL, activity="road_freight", scope="3", category="3", co2e_kg=1000.0)
    footprint = replace(CRADLE, lines=(*CRADLE.lines, trucks))
    wanted = PRODUCT_FORMS[form]
    assert missing(footprint, form) == []
    assert wanted.figures(of(footprint, form)) == wanted.figures(of(CRADLE, form))
    assert b"road_freight" in wanted.files(of(footprint, form))[".json"]


def test_estimated_amounts_are_no_primary_data() -> None:
    half = replace(CRADLE, lines=(replace(DIESEL, estimated_share=0.5), LOCATED, MARKET))
    share = Decimal(written(half, "pact")["pcf"]["primaryDataShare"])
    # Half of diesel's 0.12 is no more: (1.85 - 0.06) / 3.5.
    assert share == pytest.approx(Decimal(179) / Decimal("3.5"), rel=Decimal("1e-20"))


def test_carbon_dioxide_alone_needs_no_gwp_set_and_that_of_biomass_is_refused() -> None:
    plain = replace(CRADLE, lines=(replace(DIESEL, masses_kg={"CO2": 60.0}, gwp_set=None), LOCATED, MARKET))
    assert written(plain, "pact")["pcf"]["ipccCharacterizationFactors"] == ["AR5"]
    assert written(plain, "cbam")["gwp_sets"]["direct"] == []
    burnt = replace(CRADLE, lines=(replace(DIESEL, activity="wood", co2_biogenic_kg=9.0), LOCATED, MARKET))
    for form in ("pact", "catenax"):
        assert missing(burnt, form) == ["uptake of the biogenic CO2 of wood"]


def test_inputs_that_do_not_say_their_share_of_primary_data_are_listed() -> None:
    silent = replace(CRADLE, inputs=(replace(STEEL, primary_share=None),))
    for form in ("pact", "catenax"):
        assert missing(silent, form) == ["primary_share of input coil"]
    default = replace(CRADLE, inputs=(replace(STEEL, primary_share=None, default_value=True),))
    share = Decimal(written(default, "pact")["pcf"]["primaryDataShare"])
    # 0.2 of 3.5.
    assert share == pytest.approx(Decimal(40) / 7, rel=Decimal("1e-20"))


@pytest.mark.parametrize("form", ["pact", "catenax"])
def test_a_figure_from_gate_to_gate_is_refused_as_a_footprint(form: str) -> None:
    for footprint in (GATE, replace(CRADLE, inputs=()), replace(CRADLE, inputs_complete=False)):
        assert any(fault.startswith("upstream_emissions_missing") for fault in missing(footprint, form))
    unknown = replace(CRADLE, inputs=(STEEL, replace(STEEL, input="bolt", kg_per_unit=None)))
    assert "upstream_emissions_missing: emissions of input bolt" in missing(unknown, form)


@pytest.mark.parametrize(("form", "field"), [(f, a) for f in PRODUCT_FORMS for a in PRODUCT_FORMS[f].about])
def test_each_field_that_is_not_told_is_listed(form: str, field: str) -> None:
    described = {name: text for name, text in CRADLE.described.items() if name != field}
    found = missing(replace(CRADLE, described=described), form, **{field: None})
    assert f"{field} (--about FILE)" in found


@pytest.mark.parametrize("form", PRODUCT_FORMS)
def test_what_every_form_demands_of_the_ledger_is_listed(form: str) -> None:
    bare = replace(CRADLE, organisation=None, quantity=0.0, known_at=None, lines=())
    found = missing(bare, form)
    assert found[:4] == [
        "name of the firm",
        "good output of bracket-7",
        "any emission in the period",
        "time at which the emissions were computed",
    ]
    unknown = replace(CRADLE, lines=(DIESEL, LOCATED, replace(MARKET, co2e_kg=None, reasons=("no_factor",))))
    assert "emissions of areum/electricity (no_factor)" in missing(unknown, form)
    assert all(korean for _, korean in faults(of(bare, form), PRODUCT_FORMS[form]))


def test_gwp_sets_are_listed_and_one_that_is_not_stated_is_never_named_by_us() -> None:
    grid = tuple(replace(line, gwp_set="unstated") for line in (LOCATED, MARKET))
    unstated = replace(CRADLE, lines=(DIESEL, *grid))
    assert missing(unstated, "pact") == ["GWP set AR5 or AR6 of electricity, instead of unstated"]
    named = written(unstated, "pact", unstated_gwp_set="AR6", unstated_gwp_set_source="letter of the GIR")
    assert named["pcf"]["ipccCharacterizationFactors"] == ["AR5", "AR6"]
    assert "GWP set AR6 of kr-grid: letter of the GIR." in named["comment"]
    assert "unstated_gwp_set_source (--about FILE)" in missing(unstated, "pact", unstated_gwp_set="AR6")
    (assessed,) = written(unstated, "catenax")["pcfAssessmentAndMethodology"]
    (method,) = assessed["pcfMethodology"]
    assert [one["ipccCharacterizationFactors"] for one in method["gwpCharacterizationFactorDetails"]] == [
        "AR5",
        "unspecified",
    ]
    assert written(unstated, "cbam")["gwp_sets"] == {
        "direct": ["AR5"],
        "indirect": ["unstated"],
        "precursors": ["AR5"],
    }


@pytest.mark.parametrize("form", ["pact", "catenax", "idta"])
def test_own_lines_of_two_gwp_sets_are_never_added(form: str) -> None:
    mixed = replace(CRADLE, lines=(replace(DIESEL, gwp_set="AR6"), LOCATED, MARKET))
    assert "one GWP set for all own lines (there are AR5, AR6)" in missing(mixed, form)


def test_what_is_told_in_a_wrong_form_is_listed_by_its_place() -> None:
    assert "company_urns has no URN (RFC 8141): Areum" in missing(CRADLE, "pact", company_urns="Areum")
    assert "exempted_emissions_percent is no number" in missing(
        CRADLE, "pact", exempted_emissions_percent="few"
    )
    assert "ccs_included is neither yes nor no" in missing(CRADLE, "catenax", ccs_included="maybe")
    assert "valid_until is no date (2026-12-31)" in missing(CRADLE, "catenax", valid_until="soon")
    assert "company_urns has no BPNL" in missing(CRADLE, "catenax", company_urns="urn:lei:1")
    (found,) = missing(CRADLE, "catenax", region="Moon")
    assert "geographyRegionOrSubregion" in found
    (found,) = missing(CRADLE, "pact", cross_sectoral_standards="ours")
    assert found.startswith("$.pcf.crossSectoralStandards[0]")
    assert missing(replace(CRADLE, unit="gross"), "idta")[0].startswith("a unit among piece")
    assert "calculation_method is none of" in missing(CRADLE, "idta", calculation_method="ours")[0]
    assert missing(CRADLE, "cbam", cn_code="7326") == ["cn_code has not 8 digits"]


def test_the_schema_of_a_form_refuses_what_is_missing_in_its_document() -> None:
    for form in ("pact", "catenax", "cbam"):
        wanted = PRODUCT_FORMS[form]
        document = dict(wanted.document(of(CRADLE, form)))
        assert schema_faults(document, form) == []
        for name in list(document):
            if name in {"comment", "extensions"} and form == "pact":
                continue
            assert schema_faults({k: v for k, v in document.items() if k != name}, form), name


@pytest.mark.parametrize("form", PRODUCT_FORMS)
def test_equal_footprints_make_equal_files_and_others_have_other_ids(form: str) -> None:
    wanted = PRODUCT_FORMS[form]
    once, again = (wanted.files(Told(told(CRADLE, form), ZONE)) for _ in range(2))
    assert once == again
    assert wanted.files(Told(told(replace(CRADLE, quantity=499.0), form), ZONE)) != once


def test_the_cbam_keeps_direct_indirect_and_precursor_emissions_apart() -> None:
    content = written(CRADLE, "cbam")
    assert content["production"] == {"quantity": Decimal(500), "unit": "piece", "tonnes": Decimal(1)}
    # 60 kg of diesel, 50 kg of electricity by location, 500 x 3.3 kg of steel, for one tonne.
    apart = {"direct": Decimal("0.06"), "indirect": Decimal("0.05"), "precursors": Decimal("1.65")}
    assert content["specific_embedded_emissions_t_per_t"] == apart
    assert content["embedded_emissions_t"] == apart
    assert content["electricity"] == {
        "consumed_mwh": Decimal("0.1"),
        "consumed_mwh_per_t": Decimal("0.1"),
        "emission_factor_t_per_mwh": Decimal("0.5"),
        "method": "location",
        "factor_ids": ["kr-grid"],
    }
    assert content["default_values"]["reason"] == "no_default_values"
    assert content["goods"]["production_route"] == "cold forming"
    assert "1.76" not in json.dumps(content, default=str)


def test_heat_from_elsewhere_counts_as_direct_in_the_cbam() -> None:
    steam = replace(LOCATED, activity="steam", category="2.2", co2e_kg=5.0, masses_kg={"CO2": 5.0})
    content = written(
        replace(CRADLE, lines=(DIESEL, LOCATED, MARKET, steam, replace(steam, method="market"))), "cbam"
    )
    assert content["embedded_emissions_t"]["direct"] == Decimal("0.065")


def test_a_mark_up_is_applied_to_default_values_only_and_only_if_it_is_stated() -> None:
    bolts = replace(
        STEEL, input="bolt", default_value=True, gwp_set=None, amount_per_unit=0.1, kg_per_unit=2.0
    )
    footprint = replace(CRADLE, inputs=(STEEL, bolts))
    stated = written(footprint, "cbam", default_markup_percent="10", default_markup_source="(EU) 2025/2621")
    own, default = stated["precursors"]
    assert (own["markup_percent"], own["with_markup_t_per_t"]) == (None, None)
    assert own["specific_embedded_emissions_t_per_t"] == Decimal("1.65")
    # 0.1 kg x 2 kg/kg in 2 kg are 0.1 t/t, and a tenth more.
    assert default["specific_embedded_emissions_t_per_t"] == Decimal("0.1")
    assert default["with_markup_t_per_t"] == Decimal("0.11")
    assert stated["specific_embedded_emissions_t_per_t"]["precursors"] == Decimal("1.75")
    # 0.1 of 0.06 + 0.05 + 1.75.
    share = Decimal(10) / Decimal("1.86")
    assert stated["default_values"]["share_percent"] == pytest.approx(share, rel=Decimal("1e-30"))
    silent = written(footprint, "cbam")
    assert silent["default_values"]["reason"] == "markup_not_stated"
    assert [one["with_markup_t_per_t"] for one in silent["precursors"]] == [None, None]
    assert missing(footprint, "cbam", default_markup_percent="10") == ["default_markup_source (--about FILE)"]


def test_the_cbam_lists_what_it_lacks() -> None:
    electric = replace(CRADLE, lines=(LOCATED, MARKET))
    assert missing(electric, "cbam")[0].startswith("direct emissions: none is recorded")
    assert written(electric, "cbam", direct_emissions="none")["embedded_emissions_t"]["direct"] == 0
    assert missing(replace(CRADLE, lines=(DIESEL,)), "cbam") == ["electricity consumed"]
    nameless = replace(STEEL, cn_code=None, country=None, kg_per_unit=None, gwp_set="AR6")
    assert missing(replace(CRADLE, inputs=(nameless,)), "cbam") == [
        "emissions of precursor coil",
        "CN code (8 digits) of precursor coil",
        "country of precursor coil",
        "GWP set AR5 of coil, instead of AR6",
    ]
    aluminium = replace(STEEL, cn_code="76061100", gwp_set="AR6")
    assert missing(replace(CRADLE, inputs=(aluminium,)), "cbam") == ["GWP set AR5 of coil, instead of AR6"]
    # Of iron and steel carbon dioxide alone counts.
    steel = written(replace(CRADLE, inputs=(replace(STEEL, gwp_set="AR6"),)), "cbam")
    assert steel["gwp_sets"]["precursors"] == ["AR6"]
    assert missing(GATE, "cbam") == ["precursors: the inputs of bracket-7 aren't said to be complete"]
    assert missing(replace(CRADLE, mass_kg_per_unit=None), "cbam") == ["mass of one unit"]
    other = replace(CRADLE, inputs=(replace(STEEL, precursor=False),))
    assert written(other, "cbam")["not_counted"] == ["coil"]


def one_footprint(content: bytes, ending: str) -> dict[str, AasElement]:
    (submodel,) = read_aas(f"x{ending}", content)
    assert submodel.root.semantic_ids == ("https://admin-shell.io/idta/CarbonFootprint/CarbonFootprint/1/0",)
    (footprints,) = submodel.root.children
    assert footprints.id_short == "ProductCarbonFootprints"
    (only,) = footprints.children
    return {child.id_short or "": child for child in only.children}


@pytest.mark.parametrize("ending", [".json", ".aasx"])
def test_the_submodel_reads_back_with_the_totals_of_the_ledger(ending: str) -> None:
    files = PRODUCT_FORMS["idta"].files(of(CRADLE, "idta"))
    read = one_footprint(files[ending], ending)
    assert Decimal(read["PcfCO2eq"].value or "") * 500 == Decimal(1750)
    assert read["PcfCO2eq"].semantic_ids == ("0173-1#02-ABG855#003",)
    assert read["ReferenceImpactUnitForCalculation"].value == "piece"
    assert [m.value for m in read["PcfCalculationMethods"].children] == ["ISO 14067"]
    assert [p.value for p in read["LifeCyclePhases"].children] == [
        "A1 - raw material supply (and upstream production)",
        "A3 - production",
    ]
    assert (read["PublicationDate"].value or "").startswith("2025-12-02T18:00:00")


def test_a_submodel_from_gate_to_gate_names_production_only() -> None:
    content = PRODUCT_FORMS["idta"].files(of(GATE, "idta"))[".json"]
    read = one_footprint(content, ".json")
    assert read["PcfCO2eq"].value == "0.2"
    assert [p.value for p in read["LifeCyclePhases"].children] == ["A3 - production"]
    (submodel,) = json.loads(content)["submodels"]
    extensions = {e["name"]: e["value"] for e in submodel["extensions"]}
    assert extensions["gwp_sets"] == "AR5"
    assert extensions["verification"] == "unverified"
    assert extensions["boundary"] == "gate_to_gate"


@pytest.mark.parametrize("form", PRODUCT_FORMS)
def test_people_read_the_same_figures(form: str) -> None:
    pages = {sheet.name: sheet for sheet in sheets(of(CRADLE, form), PRODUCT_FORMS[form])}
    assert list(pages) == ["report", "figures", "lines", "inputs", "factors"]
    values = [row["value"] for row in pages["figures"].rows]
    assert values[:3] == ([0.06, 0.05, 1.65] if form == "cbam" else [3.5, 0.2, 3.3])
    report = {row["field"]: row["value"] for row in pages["report"].rows}
    assert (report["boundary"], report["gwp_sets"], report["verification"]) == (
        "cradle_to_gate",
        "AR5",
        "unverified",
    )


@given(
    total=st.floats(1e-6, 1e12, allow_subnormal=False),
    quantity=st.floats(1e-3, 1e9, allow_subnormal=False),
)
def test_an_amount_per_unit_multiplied_back_is_the_amount(total: float, quantity: float) -> None:
    each = Decimal(as_text(exact(total) / exact(quantity)))
    back = Fraction(each) * exact(quantity)
    assert float(back) == total
    assert abs(back - exact(total)) <= exact(total) / 10**32


def test_decimals_are_written_with_all_digits_and_without_exponent() -> None:
    assert as_text(Fraction(1, 3)) == "0." + "3" * 34
    assert as_text(Fraction(10**20)) == "100000000000000000000"
    assert as_text(exact(1e-9)) == "0.000000001"
    assert as_text(Decimal("-0.10")) == "-0.1"
    assert as_decimal(Fraction(0)) == 0
