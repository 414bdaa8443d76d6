import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO

import polars as pl
import pytest

from pipelines.domain.emissions.inventory import Inventory, InventoryLine, InventoryTotal, Stated
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.publish.inventory_formats import FORMS, document, document_json, faults
from pipelines.publish.inventory_schemas import check
from pipelines.publish.workbook import workbook_bytes

MADE_AT = datetime(2025, 12, 2, 18, tzinfo=UTC)
LOCATED = InventoryLine(
    factory="a", activity="electricity", scope="2", category="2.1", method="location", amount=1234.5,
    unit="kWh", masses_kg={}, co2e_kg=0.1 + 0.2, factor_ids=("f1", "f2"), purpose="disclosure",
    gwp_set="AR5", tier=None, uncertainty_low_pct=None, uncertainty_high_pct=5.0, coverage=0.9,
    provisional=False, reasons=("x",), month=date(2025, 11, 1), activity_id="meter-electricity",
)  # fmt: skip
MARKET = replace(LOCATED, method="market", co2e_kg=0.25)
DIESEL = replace(
    LOCATED, activity="diesel", scope="1", category="1", method="-", masses_kg={"CO2": 2.5, "CH4": 0.001},
    co2e_kg=2.528, tier="1",
)  # fmt: skip
FACTOR = {
    "factor_id": "f1",
    "basis": "consumption_end",
    "value": Decimal("0.4541"),
    "unit": "kgCO2e/kWh",
    "source": "GIR",
    "published_on": date(2025, 3, 31),
}
FULL = Inventory(
    "park", "A Forming", "operational_control", ("a",), (), date(2025, 11, 1), date(2025, 12, 1),
    (DIESEL, LOCATED, MARKET), {"2.2": "none bought", "3": "out", "4": "out", "5": "out", "6": "out"},
    (FACTOR,), MADE_AT,
    about={"responsible": "Kim", "base_year": "2024", "registration_number": "1", "representative": "Lee"},
)  # fmt: skip
STATED = Stated(
    "park/factory/a/month/2025-11-01", 2, MADE_AT, "night", None,
    (
        InventoryTotal("1", "-", "AR5", 2.528, 0, {"CO2": 2.5, "CH4": 0.001}),
        InventoryTotal("2", "location", "AR5", 0.1 + 0.2, 0), InventoryTotal("2", "market", "AR5", 0.25, 0),
        InventoryTotal("1+2", "location", "AR5", 2.828, 0),
    ),
    provisional=False,
)  # fmt: skip
FULL = replace(FULL, stated=STATED)
OF_THE_SCHEME = replace(
    FULL,
    lines=tuple(
        replace(x, purpose="k_ets", gwp_set="SAR", tier="1") for x in FULL.lines if x.method != "market"
    ),
    chosen={"purpose": "k_ets", "gwp_set_of_the_scheme": "SAR"},
    stated=replace(STATED, version=None, sums=(InventoryTotal("1+2", "location", "SAR", 2.828, 0),)),
)


@pytest.mark.parametrize(("form", "inventory"), [("ghgp", FULL), ("iso14064", FULL), ("kets", OF_THE_SCHEME)])
def test_what_is_written_reads_back_with_the_totals_of_the_ledger(form: str, inventory: Inventory) -> None:
    assert faults(inventory, FORMS[form]) == []
    sheets = document(inventory, form)
    check(document_json(sheets, form), form)
    totals = {(t.scope, t.method, t.gwp_set): t.co2e_kg for t in inventory.totals()}
    told = json.loads(document_json(sheets, form))
    assert {(t["scope"], t["method"], t["gwp_set"]): t["co2e_kg"] for t in told["totals"]} == totals
    book = BytesIO(workbook_bytes(sheets, form, MADE_AT))
    read = pl.read_excel(book, sheet_name="totals")
    rows = read.iter_rows(named=True)
    # A workbook's numbers have 16 digits, JSON's are exact.
    assert {(str(t["scope"]), t["method"], t["gwp_set"]): t["co2e_kg"] for t in rows} == pytest.approx(
        totals, rel=1e-15
    )
    lines = pl.read_excel(book, sheet_name="lines")
    assert lines["co2e_kg"].to_list() == pytest.approx([x.co2e_kg for x in inventory.lines], rel=1e-15)
    masses = ["CH4 0.001; CO2 2.5", None, None]
    assert lines["masses_kg"].to_list() == masses[: len(inventory.lines)]
    report = dict(pl.read_excel(book, sheet_name="report").iter_rows())
    assert report["verification"] == "unverified"
    assert report["gwp_sets"] == inventory.gwp_sets[0]
    assert "losses" in report["grid_factors"]


def test_equal_inventories_make_equal_files() -> None:
    once, again = (workbook_bytes(document(FULL, "ghgp"), "t", MADE_AT) for _ in range(2))
    assert once == again


def test_the_dual_report_sets_both_methods_side_by_side() -> None:
    told = json.loads(document_json(document(FULL, "ghgp"), "ghgp"))
    assert told["scope_2"] == [
        {"gwp_set": "AR5", "location_based_co2e_kg": 0.30000000000000004, "market_based_co2e_kg": 0.25}
    ]


def test_iso_14064_names_every_category_and_why_one_is_not_quantified() -> None:
    told = json.loads(document_json(document(FULL, "iso14064"), "iso14064"))
    assert [(c["category"], c["method"], c["status"], c["reason"]) for c in told["categories"]] == [
        ("1", "-", "quantified", None), ("2.1", "location", "quantified", None),
        ("2.1", "market", "quantified", None), ("2.2", None, "not quantified", "none bought"),
        *((n, None, "not quantified", "out") for n in "3456"),
    ]  # fmt: skip
    assert told["sources"][1]["tier"] == "not known"
    assert told["sources"][1]["uncertainty_high_pct"] == 5.0


def test_the_schemes_lines_leave_the_market_out() -> None:
    told = json.loads(document_json(document(OF_THE_SCHEME, "kets"), "kets"))
    assert [(x["배출활동"], x["직접/간접"], x["배출량(tCO2eq)"]) for x in told["명세서"]] == [
        ("diesel", "직접", 0.002528), ("electricity", "간접", (0.1 + 0.2) / 1000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "inventory", "missing"),
    [
        ("ghgp", replace(FULL, organisation=None), ["name of the reporting organisation"]),
        ("ghgp", replace(FULL, lines=(DIESEL, LOCATED)), ["scope 2 by the market-based method"]),
        ("ghgp", replace(FULL, lines=(replace(LOCATED, co2e_kg=None), MARKET)),
         ["emissions of a/electricity, location (x)"]),
        ("iso14064", replace(FULL, about={"base_year": "2024"}), ["responsible (--about FILE)"]),
        ("kets", replace(FULL, lines=(DIESEL,)),
         ["factor of the trading scheme for a/diesel (chosen for disclosure)"]),
        ("kets", replace(FULL, lines=(replace(OF_THE_SCHEME.lines[0], gwp_set="unstated", tier=None),)),
         ["GWP set of a/diesel (its factor states none: name another, --use diesel=FACTOR_ID)",
          "tier of a/diesel (in its record, or --tier diesel=N)"]),
        ("kets", replace(FULL, lines=(replace(OF_THE_SCHEME.lines[0], gwp_set="AR5"),)),
         ["a/diesel by the GWP set SAR (its factor is of AR5)"]),
        ("kets", replace(FULL, lines=(
            replace(OF_THE_SCHEME.lines[1], co2e_kg=None, reasons=("allocation_factor_not_named",)),
        )), [("emissions of a/electricity, location (allocation_factor_not_named; "
             "--use electricity=FACTOR_ID)")]),
    ],
)  # fmt: skip
def test_what_a_form_demands_and_the_inventory_lacks_is_listed(
    form: str, inventory: Inventory, missing: list[str]
) -> None:
    assert [english for english, _ in faults(inventory, FORMS[form])] == missing


def test_an_inventory_without_a_line_lacks_emissions() -> None:
    nothing = replace(FULL, lines=())
    assert ("any emission in the period", "해당 기간의 배출 내역") in faults(nothing, FORMS["iso14064"])


def test_what_a_year_lacks_every_month_is_listed_once() -> None:
    twice = tuple(replace(DIESEL, month=date(2025, m, 1), co2e_kg=None) for m in (1, 2))
    assert len(faults(replace(FULL, lines=twice), FORMS["iso14064"])) == 1


def test_instruments_and_what_is_not_counted_are_named_beside_the_lines() -> None:
    sold = replace(
        DIESEL, activity="steam", activity_id="s", emits=False, scope="-", co2e_kg=None, reasons=("sold_on",)
    )
    rec = replace(sold, activity="electricity", activity_id="r", instrument="rec", certificate_id="c1")
    refused = replace(MARKET, reasons=("claim_period",))
    told = json.loads(
        document_json(
            document(replace(FULL, lines=(LOCATED, refused), not_counted=(sold, rec)), "ghgp"), "ghgp"
        )
    )
    assert [(x["activity_id"], x["reasons"]) for x in told["not_counted"]] == [
        ("s", "sold_on"), ("r", "sold_on"),
    ]  # fmt: skip
    assert [(x["certificate_id"], x["market_line_reasons"]) for x in told["instruments"]] == [
        ("c1", "claim_period")
    ]


@pytest.mark.parametrize(
    ("form", "inventory", "lacking", "where"),
    [
        ("ghgp", FULL, "scope_2", "$"), ("iso14064", FULL, "categories", "$"),
        ("kets", OF_THE_SCHEME, "명세서", "$"), ("ghgp", FULL, "totals", "$"),
    ],
)  # fmt: skip
def test_a_document_that_lacks_a_part_does_not_pass_its_schema(
    form: str, inventory: Inventory, lacking: str, where: str
) -> None:
    content = json.loads(document_json(document(inventory, form), form))
    del content[lacking]
    with pytest.raises(OperatorError, match=lacking) as refused:
        check(json.dumps(content), form)
    assert refused.value.code == ExitCode.MANDATORY_MISSING
    assert f"at {where}:" in refused.value.english


def test_a_schema_holds_fields_of_the_report_and_of_lines() -> None:
    content = json.loads(document_json(document(OF_THE_SCHEME, "kets"), "kets"))
    without = {**content, "report": [x for x in content["report"] if x["field"] != "registration_number"]}
    with pytest.raises(OperatorError, match="no row with field registration_number"):
        check(json.dumps(without), "kets")
    content["lines"][0]["tier"] = None
    with pytest.raises(OperatorError, match=r"lines\[0\].tier"):
        check(json.dumps(content), "kets")
