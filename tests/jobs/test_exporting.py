"""A factory's inventory as files: what the carbon ledger says, or a list of what is missing and no file."""

import json
import math
import stat
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest

from pipelines.demo.session import DEMO_CLUSTER
from tests.jobs.conftest import Answer, Demo, Hub

# What the demo tells (pipelines/demo/carbon.py): taeyang burns LNG and diesel and sells steam that haneul
# buys, byeolsan leaks a refrigerant, garam-1 has a REC.
ALLOCATED = "kr-grid-consumption-2014_2016-co2"
NAMED = (
    "--use",
    f"electricity={ALLOCATED}",
    "--tier",
    "electricity=1",
    "--tier",
    "lng=2",
    "--tier",
    "diesel=1",
)


def exported(
    hub: Hub, out: Path, form: str, *more: Any, factory: str = "areum", period: str = "2025-11"
) -> Answer:
    named = ("--format", form, "--factory", factory, "--period", period, "--out", out)
    return hub.run("export", *named, "--cluster", DEMO_CLUSTER, *more)


def document(out: Path, name: str) -> dict[str, Any]:
    """Return what was written as JSON, if the workbook says the same."""
    told: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    for sheet in ("totals", "lines"):
        read = pl.read_excel(out / f"{name}.xlsx", sheet_name=sheet)
        # A workbook's numbers have 16 digits, JSON's are exact.
        assert read["co2e_kg"].to_list() == pytest.approx([x["co2e_kg"] for x in told[sheet]], rel=1e-15)
        assert read["method"].to_list() == [x["method"] for x in told[sheet]]
    return told


def report(told: dict[str, Any]) -> dict[str, Any]:
    return {row["field"]: row["value"] for row in told["report"]}


def stated(demo: Demo, statement_id: str) -> dict[tuple[str, str, str], float]:
    rows = demo.rows("emission_statements").filter(statement_id=statement_id)
    rows = rows.filter(pl.col("version") == pl.col("version").max(), pl.col("scope") != "transfers")
    return {
        tuple(row[:3]): row[3] for row in rows.select("scope", "method", "gwp_set", "co2e_kg").iter_rows()
    }


@pytest.fixture(scope="module")
def about(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("about") / "about.yaml"
    path.write_text(
        "responsible: Kim\nbase_year: 2024\nregistration_number: 123-45-67890\nrepresentative: Lee\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("form", "factory", "period", "kind"),
    [
        ("ghgp", "areum", "2025-11", "month"), ("ghgp", "garam-1", "2025", "year"),
        ("iso14064", "taeyang", "2025", "year"), ("iso14064", "haneul", "2025-11", "month"),
    ],
)  # fmt: skip
def test_totals_are_the_statements_to_the_bit_and_lines_are_the_ledgers(
    demo: Demo, about: Path, tmp_path: Path, form: str, factory: str, period: str, kind: str
) -> None:
    answer = exported(demo.hub, tmp_path, form, "--about", about, factory=factory, period=period)
    assert answer.code == 0, answer.err
    told = document(tmp_path, f"{form}-{factory}-{period}")
    name = f"{DEMO_CLUSTER}/factory/{factory}/{kind}/{(period + '-01-01')[:10]}"
    assert {(t["scope"], t["method"], t["gwp_set"]): t["co2e_kg"] for t in told["totals"]} == stated(
        demo, name
    )
    said = report(told)
    assert (said["statement"], said["statement_version"], said["verification"]) == (name, 1, "unverified")
    ledger = demo.rows("emission_lines").filter(factory=factory)
    ledger = ledger.filter(
        pl.col("version") == pl.col("version").max().over("month", "activity_id", "method")
    )
    every = {row[:2]: row[2] for row in ledger.select("activity_id", "method", "co2e_kg").iter_rows()}
    lines = {(x["activity_id"], x["method"]): x["co2e_kg"] for x in told["lines"]}
    assert lines | {(x["activity_id"], "-"): None for x in told["not_counted"]} == every


def test_a_months_dual_report_has_both_methods_its_certificate_and_how_much_was_measured(
    demo: Demo, tmp_path: Path
) -> None:
    answer = exported(demo.hub, tmp_path, "ghgp", factory="garam-1")
    assert answer.code == 0, answer.err
    files = sorted(tmp_path.iterdir())
    assert answer.out.splitlines() == [str(f) for f in files]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    told = document(tmp_path, "ghgp-garam-1-2025-11")
    (dual,) = told["scope_2"]
    # 5,000 kWh are claimed by a REC; 2020-2022, carried forward: 0.4541 kg CO2e/kWh
    claimed = dual["location_based_co2e_kg"] - dual["market_based_co2e_kg"]
    assert claimed == pytest.approx(5000 * 0.4541, rel=1e-9)
    (instrument,) = told["instruments"]
    assert (instrument["certificate_id"], instrument["claimed_kwh"]) == ("rec-251103", 5000.0)
    assert [x["reasons"] for x in told["not_counted"]] == ["contract"]
    # Eight of November's thirty days are there.
    assert told["lines"][0]["coverage"] == pytest.approx(8 / 30, abs=0.01)
    assert [f["factor_id"] for f in told["factors"]] == ["kr-grid-consumption-2020_2022"]


def test_iso_14064_has_fuels_steam_and_refrigerants_in_their_categories(
    demo: Demo, about: Path, tmp_path: Path
) -> None:
    for factory in ("taeyang", "haneul", "byeolsan"):
        answer = exported(demo.hub, tmp_path, "iso14064", "--about", about, factory=factory)
        assert answer.code == 0, answer.err
    taeyang = document(tmp_path, "iso14064-taeyang-2025-11")
    assert {x["activity"] for x in taeyang["lines"] if x["category"] == "1"} == {"diesel", "lng"}
    missing = {x["category"]: x["reason"] for x in taeyang["not_quantified"]}
    assert missing["2.2"] == "no heat or steam was metered or told in the period"
    assert {missing[c] for c in "3456"} == {"outside the boundary: scope 1 and 2, gate to gate"}
    assert [(x["activity_id"], x["reasons"]) for x in taeyang["not_counted"]] == [("steam-251103", "sold_on")]
    cited = {(f["factor_id"], f["basis"], f["gas"]) for f in taeyang["factors"]}
    assert {("diesel:KR:KR-GIR-2022", "ncv", None), ("gwp:AR5", "gwp_100", "N2O")} <= cited
    haneul = document(tmp_path, "iso14064-haneul-2025-11")
    (steam,) = (x for x in haneul["lines"] if x["category"] == "2.2" and x["method"] == "location")
    # 62.5 kg CO2e/GJ, as the seller states it
    assert steam["co2e_kg"] == steam["amount"] * 62.5
    assert (steam["counterpart"], steam["matched"]) == ("taeyang", True)
    (factor,) = (f for f in haneul["factors"] if f["basis"] == "supplier_kg_per_unit")
    assert (factor["value"], factor["source"]) == (62.5, "stated by the supplier (taeyang)")
    leak = next(x for x in document(tmp_path, "iso14064-byeolsan-2025-11")["lines"] if x["scope"] == "1")
    assert (leak["flow"], leak["masses_kg"]) == ("leaked", "HFC-134a 0.5")
    # IPCC AR5: 1300
    assert leak["co2e_kg"] == 650.0


def test_the_schemes_lines_list_what_is_not_named_and_leave_no_file(demo: Demo, tmp_path: Path) -> None:
    answer = exported(demo.hub, tmp_path / "out", "kets", factory="taeyang", period="2025")
    assert answer.code == 5
    lacking = [line.partition("missing: ")[2].partition(" / ")[0] for line in answer.err.splitlines()]
    unnamed = "allocation_factor_not_named; --use electricity=FACTOR_ID"
    assert sorted(lacking) == [
        f"emissions of taeyang/electricity, location ({unnamed})",
        "registration_number (--about FILE)",
        "representative (--about FILE)",
        "tier of taeyang/diesel (in its record, or --tier diesel=N)",
        "tier of taeyang/electricity, location (in its record, or --tier electricity=N)",
        "tier of taeyang/lng (in its record, or --tier lng=N)",
    ]
    assert not (tmp_path / "out").exists()


def test_with_factor_and_tiers_named_the_schemes_lines_are_written(
    demo: Demo, about: Path, tmp_path: Path
) -> None:
    answer = exported(demo.hub, tmp_path, "kets", "--about", about, *NAMED, factory="taeyang", period="2025")
    assert answer.code == 0, answer.err
    told = document(tmp_path, "kets-taeyang-2025")
    by_activity = {x["배출활동"]: x for x in told["명세서"]}
    power, diesel, lng = (by_activity[name] for name in ("electricity", "diesel", "lng"))
    # 0.4567 kg CO2, 0.0000036 kg CH4, 0.0000085 kg N2O per kWh; SAR: 21 and 310
    each = 0.4567 + 0.0000036 * 21 + 0.0000085 * 310
    assert power["배출량(tCO2eq)"] == pytest.approx(power["활동자료"] * each / 1000, rel=1e-12)
    assert power["CO2(kg)"] == pytest.approx(power["활동자료"] * 0.4567, rel=1e-12)
    # 35.2 MJ/L, 19.969 tC/TJ; CH4 3 and N2O 0.6 kg/TJ
    tj = diesel["활동자료"] * 35.2e-6
    tonnes = tj * (19.969 * 44 / 12 + (3 * 21 + 0.6 * 310) / 1000)
    assert diesel["배출량(tCO2eq)"] == pytest.approx(tonnes, rel=1e-12)
    # Tier 2: the scheme's oxidation factor of gas
    assert "kr-kets-oxidation-gas-tier2" in lng["배출계수"]
    assert {x["산정등급"] for x in told["명세서"]} == {"1", "2"}
    assert {(x["GWP"], x["검증"], x["불확도 상한(%)"]) for x in told["명세서"]} == {
        ("SAR", "unverified", "not known")
    }
    sums = {(t["scope"], t["method"]): t["co2e_kg"] for t in told["totals"]}
    assert sums["1+2", "location"] == pytest.approx(math.fsum(x["co2e_kg"] for x in told["lines"]), rel=1e-15)
    assert set(sums) == {("1", "-"), ("2", "location"), ("1+2", "location")}
    said = report(told)
    assert (said["purpose"], said["gwp_set_of_the_scheme"]) == ("k_ets", "SAR")
    assert said["factor_named"] == f"electricity={ALLOCATED}"
    assert said["statement"].startswith("computed for this document")


def test_a_suppliers_factor_without_a_gwp_set_is_replaced_by_one_that_is_named(
    demo: Demo, about: Path, tmp_path: Path
) -> None:
    named = ("--use", f"electricity={ALLOCATED}", "--about", about)
    named = (*named, *(x for a in ("electricity", "steam", "city_gas_lng") for x in ("--tier", f"{a}=1")))
    refused = exported(demo.hub, tmp_path, "kets", *named, factory="haneul")
    assert refused.code == 5
    assert "--use steam=FACTOR_ID" in refused.err
    # A row without a purpose counts only because it is named: 56,373 kg CO2, 1.278 CH4, 0.166 N2O per TJ.
    steam = ("--use", "steam=kr-heat-default-heat_only-co2")
    answer = exported(demo.hub, tmp_path, "kets", *named, *steam, factory="haneul")
    assert answer.code == 0, answer.err
    lines = document(tmp_path, "kets-haneul-2025-11")["lines"]
    (line,) = (x for x in lines if x["activity"] == "steam")
    per_gj = (56373 + 1.278 * 21 + 0.166 * 310) / 1000
    assert line["co2e_kg"] == pytest.approx(line["amount"] * per_gj, rel=1e-12)
    assert line["gwp_set"] == "SAR"


@pytest.mark.parametrize(
    ("form", "more", "says"),
    [
        ("kets", ("--use", f"electrcity={ALLOCATED}"), "has no such activity in the period; it has diesel"),
        ("kets", ("--use", "electricity=nonsense"), "no such row among the factors that 2025-11 keeps"),
        ("kets", ("--tier", "lng=5"), "with N of 1 to 4"),
        ("kets", ("--gwp", "AR9"), "GWP set AR9: there is none of that name"),
        ("kets", ("--version", "1"), "leave it out"),
        ("ghgp", ("--use", f"electricity={ALLOCATED}"), "are of kets"),
        ("ghgp", ("--version", "7"), "version 7: there is none"),
    ],
)  # fmt: skip
def test_an_option_that_can_not_be_meant_is_refused(
    demo: Demo, tmp_path: Path, form: str, more: tuple[str, ...], says: str
) -> None:
    answer = exported(demo.hub, tmp_path / "out", form, *more, factory="taeyang")
    assert answer.code == 2
    assert says in answer.err
    assert not (tmp_path / "out").exists()


def test_an_older_version_is_exported_as_it_was_after_a_restatement(demo: Demo, tmp_path: Path) -> None:
    before = exported(demo.hub, tmp_path / "before", "ghgp", factory="taeyang")
    assert before.code == 0, before.err
    hub = demo.hub.copied(tmp_path / "hub")
    asked = ("--cluster", DEMO_CLUSTER, "--as-of", "2025-11-11T03:00+09:00", "--cause", "customers ask")
    assert hub.run("restate", *asked, "--gwp", "AR6").code == 0
    newest = exported(hub, tmp_path / "newest", "ghgp", factory="taeyang")
    assert newest.code == 0, newest.err
    older = exported(hub, tmp_path / "older", "ghgp", "--version", "1", factory="taeyang")
    assert older.code == 0, older.err
    name = "ghgp-taeyang-2025-11"
    said = report(document(tmp_path / "newest", name))
    assert (said["statement_version"], said["gwp_sets"]) == (2, "AR6, unstated")
    assert said["statement_note"] == "GWP set AR6: customers ask"
    for ending in ("json", "xlsx"):
        file = f"{name}.{ending}"
        assert (tmp_path / "older" / file).read_bytes() == (tmp_path / "before" / file).read_bytes()


def test_lines_that_do_not_add_up_to_their_statement_are_refused(demo: Demo, tmp_path: Path) -> None:
    with mock.patch("pipelines.jobs.inventory.agrees", return_value=False):
        answer = exported(demo.hub, tmp_path / "out", "ghgp")
    assert answer.code == 3
    assert f"{DEMO_CLUSTER}/factory/areum/month/2025-11-01, version 1" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_boundary_is_that_of_the_exported_version(demo: Demo, tmp_path: Path) -> None:
    hub = demo.hub.copied(tmp_path / "hub")
    with (hub.root / "clusters" / f"{DEMO_CLUSTER}.yaml").open("a", encoding="utf-8") as file:
        file.write(
            "carbon:\n  approach: financial_control\n  leased: [byeolsan]\n"
            "  exclusions: [{factory: byeolsan, activity: HFC-134a, reason: leased chiller}]\n"
        )
    asked = ("--cluster", DEMO_CLUSTER, "--as-of", "2025-11-11T03:00+09:00", "--cause", "boundary")
    assert hub.run("restate", *asked, "--gwp", "AR6").code == 0
    found = {}
    for version in ("1", "2"):
        out = tmp_path / version
        answer = exported(hub, out, "ghgp", "--version", version, factory="byeolsan")
        assert answer.code == 0, answer.err
        told = document(out, "ghgp-byeolsan-2025-11")
        names = ("consolidation_approach", "exclusions", "leased_sites")
        found[version] = ([report(told)[n] for n in names], {x["activity"] for x in told["lines"]})
    assert found == {
        "1": (["operational_control", "none", "none"], {"HFC-134a", "electricity"}),
        "2": (
            ["financial_control", "byeolsan/HFC-134a: leased chiller", "byeolsan"],
            {"electricity"},
        ),
    }


def test_what_tables_do_not_know_is_told_by_a_file(demo: Demo, about: Path, tmp_path: Path) -> None:
    answer = exported(demo.hub, tmp_path, "iso14064", "--about", about)
    assert answer.code == 0, answer.err
    assert report(document(tmp_path, "iso14064-areum-2025-11"))["base_year"] == "2024"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("responsable: Kim\n", encoding="utf-8")
    answer = exported(demo.hub, tmp_path / "out", "iso14064", "--about", wrong)
    assert answer.code == 2
    assert "unknown responsable" in answer.err


def test_a_period_without_emissions_and_one_that_is_none_are_clear(demo: Demo, tmp_path: Path) -> None:
    answer = exported(demo.hub, tmp_path / "out", "ghgp", period="2024")
    assert answer.code == 5
    assert "missing: any emission in the period" in answer.err
    answer = exported(demo.hub, tmp_path / "out", "ghgp", period="2025-13")
    assert answer.code == 2
    assert "is no period" in answer.err
    assert not (tmp_path / "out").exists()
