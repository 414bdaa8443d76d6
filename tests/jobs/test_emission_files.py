"""The command `emissions evaluate`: exact input, output and faults."""

import csv
import math
import sys
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.reference import tables

Rows = list[dict[str, str]]
HEADER = "activity_id,activity,amount,unit,start,end,geography"


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line as a shell would; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["digital-cluster", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def read(name: str = "out.csv") -> Rows:
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evaluated(
    monkeypatch: pytest.MonkeyPatch, rows: str, *options: str, more: str = "", code: int = 0
) -> Rows:
    """Evaluate rows; `more` are names of further columns."""
    text = f"{HEADER}{more}\n{rows}"
    arguments = ["emissions", "evaluate", written("in.csv", text), *options, "--out", "out.csv"]
    assert run(monkeypatch, *arguments) == code
    return read() if code == 0 else []


def test_the_output_is_in_full_precision_in_the_order_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated(
        monkeypatch,
        "grid,electricity,1000,kWh,2018-01-01,2019-01-01,KR\ntruck,diesel,1,TJ,2023-01-01,2024-01-01,GLOBAL\n",
    )
    grid = ";".join(f"kr-grid-consumption-2017_2019-{gas}" for gas in ("co2", "ch4", "n2o"))
    burned = (
        "ipcc2006-stationary-diesel-co2;ipcc2006-manufacturing-diesel-ch4;ipcc2006-manufacturing-diesel-n2o"
    )
    # 1000 kWh x (0.4747 + 28 x 0.0000125 + 265 x 0.00001); 74100 + 28 x 3 + 265 x 0.6 kg
    assert Path("out.csv").read_text(encoding="utf-8") == (
        "activity_id,scope,method,co2_kg,ch4_kg,n2o_kg,other_gas,other_kg,co2_biogenic_kg,co2e_kg,factor_id,"
        "factor_match,provisional,gwp_set,uncertainty_low_pct,uncertainty_high_pct,reason\n"
        f"grid,2,location,474.7,0.0125,0.01,,,,477.7,{grid},exact,false,AR5,,,factor_uncertainty_unknown\n"
        f"grid,2,market,474.7,0.0125,0.01,,,,477.7,{grid},exact,false,AR5,,,"
        "no_residual_mix;factor_uncertainty_unknown\n"
        f"truck,1,-,74100.0,3.0,0.6,,,,74343.0,{burned},exact,false,AR5,,,factor_uncertainty_unknown\n"
        "*,1+2,location,74574.7,3.0125,0.61,,,,74820.7,,,false,AR5,,,"
        "factor_uncertainty_unknown;uncertainty_covers:0.0\n"
        "*,1+2,market,74574.7,3.0125,0.61,,,,74820.7,,,false,AR5,,,"
        "factor_uncertainty_unknown;uncertainty_covers:0.0\n"
    )


Y23 = "2023-01-01,2024-01-01"
CO2_ONLY = "gas_factor_missing:CH4;gas_factor_missing:N2O"


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-12)


def check(rows: Rows, activity_id: str, method: str = "-", **expected: object) -> None:
    """Hold the row of an activity (or total) and method to what is expected of its columns."""
    found = [r for r in rows if r["activity_id"] == activity_id and r["method"] == method]
    assert len(found) == 1, found
    for column, value in expected.items():
        text = found[0][column]
        assert (text if isinstance(value, str) else float(text)) == value, (column, text, value)


# Carbon to CO2 is 44/12. Sources: reference/*.csv, each number as printed there.
@pytest.mark.parametrize(
    ("row", "options", "expected"),
    [
        # 25, 28: 1000 Nm3 x 38.5 MJ = 0.0385 TJ x 15.236 tC/TJ; + 1 kgCH4/TJ, 0.1 kgN2O/TJ
        (
            f"city_gas_lng,1000,Nm3,{Y23},KR",
            [],
            {
                "co2_kg": near(0.0385 * 15.236 * 44 / 12 * 1000),
                "ch4_kg": near(0.0385),
                "n2o_kg": near(0.00385),
                "co2e_kg": near(0.0385 * (15.236 * 44 / 12 * 1000 + 28 * 1 + 265 * 0.1)),
                "scope": "1",
                "factor_id": "city_gas_lng:KR:KR-GIR-2022;ipcc2006-manufacturing-natural_gas-ch4;"
                "ipcc2006-manufacturing-natural_gas-n2o",
                "factor_match": "exact",
                "provisional": "false",
                "gwp_set": "AR5",
                "reason": "factor_uncertainty_unknown",
                "other_gas": "",
                "co2_biogenic_kg": "",
            },
        ),
        # 23: the same by other sets: 21/310, 25/298, 27.9/273
        (
            f"city_gas_lng,1000,Nm3,{Y23},KR",
            ["--gwp", "SAR"],
            {"co2e_kg": near(0.0385 * (15.236 * 44000 / 12 + 21 + 31))},
        ),
        (
            f"city_gas_lng,1000,Nm3,{Y23},KR",
            ["--gwp", "AR4"],
            {"co2e_kg": near(0.0385 * (15.236 * 44000 / 12 + 25 + 29.8))},
        ),
        (
            f"city_gas_lng,1000,Nm3,{Y23},KR",
            ["--gwp", "AR6"],
            {"co2e_kg": near(0.0385 * (15.236 * 44000 / 12 + 27.9 + 27.3)), "gwp_set": "AR6"},
        ),
        # 24: AR6 fossil methane 29.8, non-fossil 27
        (
            f"city_gas_lng,1000,Nm3,{Y23},KR",
            ["--gwp", "AR6", "--methane-origin", "fossil"],
            {"co2e_kg": near(0.0385 * (15.236 * 44000 / 12 + 29.8 + 27.3))},
        ),
        (
            f"city_gas_lng,1000,Nm3,{Y23},KR",
            ["--gwp", "AR6", "--methane-origin", "nonfossil"],
            {"co2e_kg": near(0.0385 * (15.236 * 44000 / 12 + 27 + 27.3))},
        ),
        # 25: k_ets 38.9 x 15.312 by SAR; tier 1: nothing oxidises less
        (
            f"city_gas_lng,1000,Nm3,{Y23},KR",
            ["--purpose", "k_ets"],
            {
                "co2_kg": near(0.0389 * 15.312 * 44000 / 12),
                "gwp_set": "SAR",
                "factor_match": "exact",
                "reason": "factor_uncertainty_unknown",
            },
        ),
        # 25: before 2022 the 2017 pair of the GIR; before 2017 nothing has begun but what IPCC has
        (
            "diesel,1000,L,2021-01-01,2022-01-01,KR",
            [],
            {
                "co2_kg": near(0.0352 * 20.111 * 44000 / 12),
                "factor_match": "fallback",
                "reason": "vintage:KR-GIR-2017;factor_uncertainty_unknown",
            },
        ),
        (
            "diesel,1000,kg,2016-01-01,2017-01-01,KR",
            [],
            {
                "co2_kg": near(0.043 * 74100),
                "factor_match": "fallback",
                "reason": "vintage:IPCC-2006;factor_uncertainty_unknown",
            },
        ),
        (
            "diesel,1000,L,2016-01-01,2017-01-01,KR",
            [],
            {"co2_kg": "", "reason": "vintage:IPCC-2006;unit_not_convertible"},
        ),
        # 25: GIR-2022 has no NCV of butane and coal: K-ETS
        (
            f"butane,1,t,{Y23},KR",
            [],
            {
                "co2_kg": near(0.0457 * 18.107 * 44000 / 12),
                "ch4_kg": near(0.0457),
                "n2o_kg": near(0.00457),
                "reason": "vintage:KR-KETS-2025-64;factor_uncertainty_unknown",
            },
        ),
        (
            f"bituminous_coal_fuel,1,t,{Y23},KR",
            [],
            {
                "co2_kg": near(0.0237 * 25.951 * 44000 / 12),
                "ch4_kg": "",
                "n2o_kg": "",
                "co2e_kg": near(0.0237 * 25.951 * 44000 / 12),
                "reason": f"vintage:KR-KETS-2025-64;{CO2_ONLY};factor_uncertainty_unknown",
            },
        ),
        # 25: propane as GIR has it; LPG that Korea doesn't list is IPCC's
        (
            f"propane,1000,kg,{Y23},KR",
            [],
            {"co2_kg": near(0.046222272 * 17.63 * 44000 / 12), "factor_match": "exact"},
        ),
        (
            f"lpg,1000,kg,{Y23},KR",
            ["--purpose", "k_ets"],
            {"co2_kg": near(0.0473 * 63100), "factor_match": "fallback"},
        ),
        # 25: cbam before 2022 asks for IPCC second
        (
            "diesel,1000,kg,2021-01-01,2022-01-01,KR",
            ["--purpose", "cbam"],
            {"co2_kg": near(0.043 * 74100), "factor_match": "fallback", "gwp_set": "AR5"},
        ),
        # 26: the IPCC pair
        (
            f"natural_gas,1,t,{Y23},GLOBAL",
            [],
            {
                "co2_kg": near(0.048 * 56100),
                "factor_match": "exact",
                "factor_id": "natural_gas:GLOBAL:IPCC-2006;ipcc2006-stationary-natural_gas-co2;"
                "ipcc2006-manufacturing-natural_gas-ch4;ipcc2006-manufacturing-natural_gas-n2o",
            },
        ),
        # 22, 26: elsewhere GLOBAL stands in
        (f"diesel,1000,kg,{Y23},DE", [], {"co2_kg": near(0.043 * 74100), "factor_match": "fallback"}),
        # 27: crude oil and coke have no carbon content in Korea
        (
            f"crude_oil,1,t,{Y23},KR",
            [],
            {
                "co2_kg": near(0.0422 * 73300),
                "factor_match": "fallback",
                "factor_id": "crude_oil:KR:KR-KETS-2025-64;ipcc2006-stationary-crude_oil-co2",
                "reason": f"vintage:KR-KETS-2025-64;co2_row:ipcc;{CO2_ONLY};factor_uncertainty_unknown",
            },
        ),
        (
            f"coke_oven_coke,1,t,{Y23},KR",
            ["--purpose", "k_ets"],
            {
                "co2_kg": near(0.0289 * 107000),
                "factor_match": "fallback",
                "reason": "co2_row:ipcc;factor_uncertainty_unknown",
            },
        ),
        # 28: an engine: CH4 4.15, N2O 28.6 per TJ, CO2 of diesel
        (
            f"diesel_offroad,1000,L,{Y23},KR",
            [],
            {
                "co2_kg": near(0.0353 * 20.09 * 44000 / 12),
                "ch4_kg": near(0.0353 * 4.15),
                "n2o_kg": near(0.0353 * 28.6),
            },
        ),
        # 29: energies. 42.7 MJ gross of city gas are 38.5 net; 1 kcal = 4.1868 kJ
        (
            f"city_gas_lng,42700,MJ_gcv,{Y23},KR",
            [],
            {"co2_kg": near(0.0385 * 15.236 * 44000 / 12), "reason": "factor_uncertainty_unknown"},
        ),
        (f"city_gas_lng,38500,MJ_ncv,{Y23},KR", [], {"co2_kg": near(0.0385 * 15.236 * 44000 / 12)}),
        (f"city_gas_lng,38.5,GJ_ncv,{Y23},KR", [], {"co2_kg": near(0.0385 * 15.236 * 44000 / 12)}),
        (f"city_gas_lng,42.7,GJ_gcv,{Y23},KR", [], {"co2_kg": near(0.0385 * 15.236 * 44000 / 12)}),
        (f"city_gas_lng,1000000,kcal_ncv,{Y23},KR", [], {"co2_kg": near(0.0041868 * 15.236 * 44000 / 12)}),
        (
            f"city_gas_lng,1000000,kcal_gcv,{Y23},KR",
            [],
            {"co2_kg": near(0.0041868 * 38.5 / 42.7 * 15.236 * 44000 / 12)},
        ),
        (f"city_gas_lng,1,TJ_ncv,{Y23},KR", [], {"co2_kg": near(15.236 * 44000 / 12)}),
        *(
            (
                f"city_gas_lng,1,{unit},{Y23},KR",
                [],
                {"co2e_kg": "", "reason": "energy_basis_missing", "factor_match": "exact"},
            )
            for unit in ("TJ", "GJ", "MJ", "kcal", "TOE", "kWh")
        ),
        (f"natural_gas,1,TJ,{Y23},GLOBAL", [], {"co2_kg": 56100.0, "reason": "factor_uncertainty_unknown"}),
        (f"natural_gas,1,TOE,{Y23},GLOBAL", [], {"co2_kg": near(0.041868 * 56100)}),
        (f"natural_gas,1,TJ_ncv,{Y23},KR", [], {"co2_kg": 56100.0, "factor_match": "fallback"}),
        # 29: IPCC: NCV is 0.9 of GCV for gas, 0.95 for oil
        (
            f"natural_gas,1000,GJ_gcv,{Y23},GLOBAL",
            [],
            {"co2_kg": near(0.9 * 56100), "reason": "ncv_gcv_ratio:ipcc;factor_uncertainty_unknown"},
        ),
        (
            f"diesel,1000,GJ_gcv,{Y23},GLOBAL",
            [],
            {"co2_kg": near(0.95 * 74100), "reason": "ncv_gcv_ratio:ipcc;factor_uncertainty_unknown"},
        ),
        # 30
        (
            f"diesel,1,kg,{Y23},KR",
            [],
            {"co2e_kg": "", "reason": "unit_not_convertible", "factor_match": "exact"},
        ),
        (f"lignite,1,t,{Y23},GLOBAL", [], {"co2e_kg": "", "reason": "unit_not_convertible"}),
        # 31: 1000 m3 at 15 degC and 101.325 kPa are 1000 x 273.15 / 288.15 Nm3
        (f"city_gas_lng,1000,m3,{Y23},KR", [], {"co2e_kg": "", "reason": "uncorrected_volume"}),
        (f"natural_gas,1000,m3,{Y23},GLOBAL", [], {"co2e_kg": "", "reason": "uncorrected_volume"}),
        (
            f"city_gas_lng,1000,Sm3,{Y23},KR",
            [],
            {"co2_kg": near(0.0385 / 1.05491488193301 * 15.236 * 44000 / 12)},
        ),
        # 8: biomass
        (
            f"wood,1,TJ,{Y23},GLOBAL",
            [],
            {
                "co2_kg": "",
                "co2_biogenic_kg": 112000.0,
                "ch4_kg": 30.0,
                "n2o_kg": 4.0,
                "co2e_kg": near(28 * 30 + 265 * 4),
                "scope": "1",
            },
        ),
        # 14: process, refrigerant, gas
        (
            f"magnesium_casting,2,t,{Y23},GLOBAL",
            [],
            {"other_gas": "SF6", "other_kg": 2.0, "co2e_kg": 47000.0, "scope": "1", "co2_kg": ""},
        ),
        (
            f"HFC-134a,1500,g,{Y23},KR",
            [],
            {
                "other_gas": "HFC-134a",
                "other_kg": 1.5,
                "co2e_kg": 1950.0,
                "scope": "1",
                "factor_match": "exact",
                "factor_id": "",
            },
        ),
        (
            f"limestone_use,2,t,{Y23},KR",
            [],
            {
                "co2_kg": near(879.42),
                "scope": "1",
                "factor_match": "fallback",
                "ch4_kg": "",
                "provisional": "false",
            },
        ),
        (f"CH4,1,kg,{Y23},KR", ["--methane-origin", "fossil"], {"ch4_kg": 1.0, "co2e_kg": 30.0}),
        # 24: AR6 names two values of SF6
        (
            f"SF6,1,kg,{Y23},KR",
            ["--gwp", "AR6"],
            {"other_kg": 1.0, "co2e_kg": "", "reason": "gwp_missing:SF6"},
        ),
        (f"SF6,1,kg,{Y23},KR", ["--gwp", "AR6-sf6_25200"], {"co2e_kg": 25200.0, "gwp_set": "AR6-sf6_25200"}),
        (
            f"natural_gas,1,TJ,{Y23},GLOBAL",
            ["--gwp", "AR6-sf6_24300"],
            {"co2e_kg": near(56100 + 27.9 + 27.3)},
        ),
        # 14: no scope
        (
            "cbam_good_cn_72142000,1,t,2026-01-01,2026-02-01,KR",
            ["--purpose", "cbam"],
            {"scope": "-", "co2e_kg": 2120.0, "gwp_set": "unstated"},
        ),
        (
            f"unobtainium,1,t,{Y23},KR",
            [],
            {
                "scope": "-",
                "co2e_kg": "",
                "factor_match": "none",
                "gwp_set": "",
                "factor_id": "",
                "reason": "no_factor_for_period",
            },
        ),
        # 1
        (f"diesel,,L,{Y23},KR", [], {"scope": "1", "co2e_kg": "", "reason": "missing_element:amount"}),
        (f"diesel,0,L,{Y23},KR", [], {"co2e_kg": 0.0}),
        # 18: what was known in 2022: the pair of 2022 was published in November
        (
            "diesel,1000,L,2022-06-01,2022-07-01,KR",
            ["--as-of", "2022-11-20"],
            {"reason": "vintage:KR-GIR-2017;factor_uncertainty_unknown"},
        ),
        (
            "diesel,1000,L,2022-06-01,2022-07-01,KR",
            ["--as-of", "2022-11-21"],
            {"reason": "factor_uncertainty_unknown"},
        ),
        (
            f"diesel,1000,L,{Y23},KR",
            ["--purpose", "k_ets", "--as-of", "2025-04-10"],
            {"co2e_kg": "", "factor_match": "none", "reason": "no_factor_for_period"},
        ),
        # 21: an unconfirmed row
        (
            f"welding_shielding_gas_co2,1,t,{Y23},KR",
            [],
            {"scope": "1", "co2e_kg": "", "factor_match": "none", "reason": "no_factor_for_period"},
        ),
        (
            f"welding_shielding_gas_co2,1,t,{Y23},KR",
            ["--accept", "mass-balance-shielding_gas-co2"],
            {
                "scope": "1",
                "co2e_kg": 1000.0,
                "factor_match": "fallback",
                "factor_id": "mass-balance-shielding_gas-co2",
            },
        ),
        # 19: the later edition; the other by its id
        (
            f"eaf_steel,1,t,{Y23},GLOBAL",
            [],
            {
                "co2_kg": 180.0,
                "factor_match": "exact",
                "uncertainty_low_pct": 10.0,
                "uncertainty_high_pct": 10.0,
                "reason": "amount_uncertainty_unknown",
            },
        ),
        (
            f"eaf_steel,1,t,{Y23},GLOBAL",
            ["--use", "eaf_steel=ipcc2006-eaf_steel-co2"],
            {"co2_kg": 80.0, "reason": "factor_uncertainty_unknown"},
        ),
        # 33: a row per gross energy is for gross amounts only
        (
            f"natural_gas,1,GJ_gcv,{Y23},US",
            [],
            {
                "co2_kg": near(50.29118),
                "ch4_kg": near(0.0009),
                "factor_match": "exact",
                "reason": "ncv_gcv_ratio:ipcc;factor_uncertainty_unknown",
            },
        ),
        (f"natural_gas,1,GJ_ncv,{Y23},US", [], {"co2_kg": near(56.1), "factor_match": "fallback"}),
        (f"natural_gas,1,GJ,{Y23},US", [], {"co2_kg": "", "reason": "energy_basis_missing"}),
        (
            f"natural_gas,0.9,GJ_ncv,{Y23},KR",
            ["--use", "natural_gas=us-epa-natural_gas-co2-2013"],
            {
                "co2_kg": near(50.29118),
                "reason": "ncv_gcv_ratio:ipcc;basis_suspect;factor_uncertainty_unknown",
            },
        ),
    ],
)
def test_one_activity(
    row: str, options: list[str], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(evaluated(monkeypatch, f"a,{row}\n", *options), "a", **expected)


GRID = "kr-grid-consumption"


def power(amount: object, start: str, end: str, more: str = "", unit: str = "kWh") -> str:
    return f"e,electricity,{amount},{unit},{start},{end},KR{more}\n"


# 16-21. Rows: 2014-16 0.4594 (gases 0.4567, 3.6e-6, 8.5e-6; SAR), 2017-19 gases, 2020-22 0.4541 (no set
# stated), 2023 0.4173 (AR5); reference/emission_factors.csv
@pytest.mark.parametrize(
    ("period", "options", "expected"),
    [
        (
            ("2022-01-01", "2022-12-31"),
            [],
            {
                "co2e_kg": 454.1,
                "factor_match": "exact",
                "gwp_set": "unstated",
                "reason": "gwp_set_differs",
                "co2_kg": "",
            },
        ),
        (
            ("2023-01-01", "2024-01-01"),
            [],
            {
                "co2e_kg": 417.3,
                "factor_match": "exact",
                "gwp_set": "AR5",
                "reason": "",
                "provisional": "false",
            },
        ),
        # activity from 2024: carried forward, provisional
        (
            ("2024-01-01", "2025-01-01"),
            [],
            {
                "co2e_kg": 417.3,
                "factor_match": "fallback",
                "reason": "carried_forward:1y",
                "provisional": "true",
            },
        ),
        (("2024-01-01", "2024-01-02"), [], {"reason": "carried_forward:1y"}),
        (("2025-11-01", "2025-12-01"), [], {"co2e_kg": 417.3, "reason": "carried_forward:2y"}),
        (("2024-07-01", "2025-07-01"), [], {"co2e_kg": 417.3, "reason": "carried_forward:2y"}),
        # what was known: the row of 2023 since 2025-12-18, that of 2020-22 since 2025-03-31
        (
            ("2023-01-01", "2024-01-01"),
            ["--as-of", "2025-12-17"],
            {"co2e_kg": 454.1, "reason": "carried_forward:1y;gwp_set_differs", "provisional": "true"},
        ),
        (("2023-01-01", "2024-01-01"), ["--as-of", "2025-12-18"], {"co2e_kg": 417.3, "reason": ""}),
        (
            ("2023-01-01", "2024-01-01"),
            ["--as-of", "2025-03-30"],
            {"co2e_kg": 477.7, "reason": "carried_forward:4y"},
        ),
        (
            ("2023-01-01", "2024-01-01"),
            ["--as-of", "2019-01-01"],
            {"co2e_kg": "", "factor_match": "none", "reason": "no_factor_for_period"},
        ),
        # never backward
        (
            ("2013-01-01", "2014-01-01"),
            [],
            {"co2e_kg": "", "factor_match": "none", "reason": "no_factor_for_period", "gwp_set": ""},
        ),
        (("2013-12-31", "2014-01-02"), [], {"co2e_kg": "", "reason": "no_factor_for_period"}),
        # gases by other sets: 0.4747 + 21 x 0.0000125 + 310 x 0.00001
        (
            ("2018-01-01", "2019-01-01"),
            ["--gwp", "SAR"],
            {"co2e_kg": near(478.0625), "gwp_set": "SAR", "co2_kg": 474.7},
        ),
        # by days: three at 0.4777, one at 0.4541
        (
            ("2019-12-29", "2020-01-02"),
            [],
            {
                "co2e_kg": near(250 * (3 * 0.4777 + 0.4541)),
                "factor_match": "exact",
                "co2_kg": "",
                "gwp_set": "AR5;unstated",
                "factor_id": ";".join(f"{GRID}-2017_2019-{g}" for g in ("co2", "ch4", "n2o"))
                + f";{GRID}-2020_2022",
            },
        ),
        (
            ("2022-07-01", "2023-07-01"),
            [],
            {
                "co2e_kg": near(1000 * (184 * 0.4541 + 181 * 0.4173) / 365),
                "factor_id": f"{GRID}-2020_2022;{GRID}-2023",
                "factor_match": "exact",
            },
        ),
        (
            ("2023-07-01", "2024-07-01"),
            [],
            {
                "co2e_kg": 417.3,
                "factor_match": "fallback",
                "factor_id": f"{GRID}-2023",
                "reason": "carried_forward:1y",
            },
        ),
        # by purpose: 2015 was in force at allocation; later years must be named
        (
            ("2015-01-01", "2016-01-01"),
            ["--purpose", "k_ets"],
            {"co2e_kg": near(456.7 + 21 * 0.0036 + 310 * 0.0085), "gwp_set": "SAR", "factor_match": "exact"},
        ),
        (
            ("2023-01-01", "2024-01-01"),
            ["--purpose", "k_ets"],
            {"co2e_kg": "", "factor_match": "none", "reason": "allocation_factor_not_named"},
        ),
        (
            ("2023-01-01", "2024-01-01"),
            ["--purpose", "k_ets", "--use", f"electricity={GRID}-2014_2016"],
            {"co2e_kg": 459.4, "gwp_set": "SAR", "factor_match": "fallback", "reason": "carried_forward:7y"},
        ),
        (("2023-01-01", "2024-01-01"), ["--purpose", "inventory"], {"co2e_kg": 417.3}),
        (
            ("2023-01-01", "2024-01-01"),
            ["--purpose", "cbam"],
            {"co2e_kg": "", "reason": "no_factor_for_period"},
        ),
        # a mean of years has no purpose: only by its id
        (
            ("2022-01-01", "2023-01-01"),
            ["--use", f"electricity={GRID}-2021_2023"],
            {"co2e_kg": 433.0, "factor_match": "exact", "gwp_set": "AR5", "reason": ""},
        ),
        (
            ("2020-01-01", "2021-01-01"),
            ["--use", f"electricity={GRID}-2021_2023"],
            {"co2e_kg": "", "reason": "no_factor_for_period"},
        ),
        # one gas row brings its vintage
        (
            ("2018-01-01", "2019-01-01"),
            ["--use", f"electricity={GRID}-2017_2019-co2"],
            {"co2e_kg": near(477.7), "n2o_kg": 0.01},
        ),
        (
            ("2018-01-01", "2019-01-01"),
            ["--use", f"electricity={GRID}-2017_2019"],
            {"co2e_kg": near(478.1), "gwp_set": "SAR", "reason": "gwp_set_differs", "co2_kg": ""},
        ),
    ],
)
def test_the_grid_factor_by_date_knowledge_and_purpose(
    period: tuple[str, str], options: list[str], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = evaluated(monkeypatch, power(1, *period, unit="MWh"), *options)
    for one in rows:
        known = one["reason"].split(";")
        one["reason"] = ";".join(code for code in known if code != "factor_uncertainty_unknown")
    check(rows, "e", "location", scope="2", **expected)
    if isinstance(expected.get("co2e_kg"), str):
        check(rows, "e", "market", **expected)


def test_heat_is_of_its_branch_and_needs_no_basis(monkeypatch: pytest.MonkeyPatch) -> None:
    heat = "h,district_heat,10,GJ,{},{},KR-KDHC-{}\n"
    rows = evaluated(monkeypatch, heat.format("2024-01-01", "2025-01-01", "SUDOGWON"))
    # 0.01 TJ x 35058, 0.634, 0.064
    for method in ("location", "market"):
        check(
            rows,
            "h",
            method,
            scope="2",
            co2_kg=near(350.58),
            co2e_kg=near(350.58 + 28 * 0.00634 + 265 * 0.00064),
        )
    # Cheongju has no row of 2024: 2021 carried forward by three years
    rows = evaluated(monkeypatch, heat.format("2024-01-01", "2025-01-01", "CHEONGJU"))
    check(rows, "h", "location", co2_kg=near(679.71), factor_match="fallback", provisional="true")
    assert rows[0]["reason"].startswith("carried_forward:3y")
    rows = evaluated(monkeypatch, heat.format("2023-01-01", "2024-01-01", "SUDOGWON"), "--purpose", "k_ets")
    check(rows, "h", "location", co2e_kg="", reason="no_factor_for_period")


def test_a_default_of_unknown_vintage_is_used_only_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    row = "s,heat_steam_default_average,1,TJ,2023-01-01,2024-01-01,KR\n"
    check(evaluated(monkeypatch, row), "s", "location", scope="2", co2e_kg="", reason="no_factor_for_period")
    use = "heat_steam_default_average=kr-heat-default-average-{}"
    for ids in (["co2"], ["n2o", "co2"], ["co2", "ch4", "n2o"]):
        named = [part for gas in ids for part in ("--use", use.format(gas))]
        check(
            evaluated(monkeypatch, row, *named), "s", "location",
            co2_kg=59510.0, co2e_kg=near(59510 + 28 * 1.832 + 265 * 0.44), factor_match="exact",
        )  # fmt: skip
    steam = "s,steam,1,TJ,2023-01-01,2024-01-01,KR\n"
    check(evaluated(monkeypatch, steam), "s", "market", scope="2", co2e_kg="")
    rows = evaluated(monkeypatch, steam, "--use", "steam=kr-heat-default-chp-co2")
    check(rows, "s", "market", scope="2", co2_kg=60760.0)


CLAIM = ",claimed_kwh,instrument,certificate_id,claim_start,claim_end,market,instrument_kg_per_kwh"
IN_2023 = "2023-01-01", "2024-01-01"


@pytest.mark.parametrize(
    ("claim", "options", "market", "code"),
    [
        # 35: 1000 kWh of 2023 at 0.4173
        ("400,REC,c1,2023-01-01,2024-01-01,KR,", [], near(600 * 0.4173), None),
        ("1000,REC,c1,2023-01-01,2024-01-01,KR,", [], 0.0, None),
        ("400,PPA,,2023-06-01,2023-07-01,KR,0.02", [], near(600 * 0.4173 + 400 * 0.02), None),
        ("400,REC,c1,,,,", [], near(600 * 0.4173), None),
        (",,,,,,", [], 417.3, None),
        # 36
        ("1000.001,REC,c1,2023-01-01,2024-01-01,KR,", [], "", "claim_exceeds_use"),
        # 37
        ("400,REC,c1,2022-12-31,2023-07-01,KR,", [], 417.3, "claim_period"),
        ("400,REC,c1,2023-06-01,2024-01-02,KR,", [], 417.3, "claim_period"),
        ("400,REC,c1,2023-01-01,2024-01-01,JP,", [], 417.3, "claim_market"),
        # 39
        ("400,green_premium,g1,2023-01-01,2024-01-01,KR,", [], 417.3, "instrument_not_accepted"),
        ("400,Green-Premium,g1,2023-01-01,2024-01-01,KR,", [], 417.3, "instrument_not_accepted"),
        (
            "400,green_premium,g1,2023-01-01,2024-01-01,KR,",
            ["--accept-instrument", "green_premium"],
            near(600 * 0.4173),
            None,
        ),
    ],
)
def test_what_is_claimed_changes_the_market_based_figure_only(
    claim: str, options: list[str], market: object, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = evaluated(monkeypatch, power(1000, *IN_2023, f",{claim}"), *options, more=CLAIM)
    check(rows, "e", "location", co2e_kg=417.3, reason="factor_uncertainty_unknown")
    check(rows, "e", "market", co2e_kg=market)
    check(rows, "*", "location", co2e_kg=417.3)
    check(rows, "*", "market", co2e_kg=market)
    reasons = rows[1]["reason"].split(";")
    assert [c for c in reasons if c not in {"no_residual_mix", "factor_uncertainty_unknown"}] == (
        [code] if code else []
    )
    assert ("no_residual_mix" in reasons) == (market != "")
    assert ("incomplete:1" in rows[3]["reason"]) == (market == "")


def test_a_certificate_that_two_activities_claim_counts_for_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = ",400,REC,{},{},2024-01-01,KR,"
    first, second = claim.format("c1", "2023-01-01"), claim.format("c1", "2023-06-01")
    rows = evaluated(monkeypatch, power(1000, *IN_2023, first) + power(500, *IN_2023, second), more=CLAIM)
    assert [r["co2e_kg"] for r in rows] == ["417.3", "", "208.65", "", "625.95", ""]
    assert [r["reason"] for r in rows[1:4:2]] == ["double_claim", "double_claim"]
    assert rows[5]["reason"] == "incomplete:2"
    # A claim that is ignored takes nothing from the other.
    second = claim.format("c1", "2022-06-01")
    rows = evaluated(monkeypatch, power(1000, *IN_2023, first) + power(500, *IN_2023, second), more=CLAIM)
    assert [float(r["co2e_kg"]) for r in rows[1:4:2]] == [near(600 * 0.4173), 208.65]
    second = claim.format("c2", "2023-06-01")
    rows = evaluated(monkeypatch, power(1000, *IN_2023, first) + power(500, *IN_2023, second), more=CLAIM)
    assert [float(r["co2e_kg"]) for r in rows[1:4:2]] == [near(600 * 0.4173), near(100 * 0.4173)]


def test_used_power_is_compared_in_kwh_whatever_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    row = power(3.6, *IN_2023, ",1000,REC,c1,,,,", unit="GJ")
    check(evaluated(monkeypatch, row, more=CLAIM), "e", "market", co2e_kg=0.0)


FACTOR_HEADER = ",".join(tables.COLUMNS["emission_factors"])
FUEL_HEADER = ",".join(tables.COLUMNS["fuel_properties"])


def own_factor(**cells: str) -> str:
    row = {
        "factor_id": "own", "activity": "electricity", "geography": "KR", "basis": "consumption_end",
        "gas": "CO2e", "value": "0.4", "unit": "kgCO2e/kWh", "gwp_set": "AR5", "valid_from": "2024-01-01",
        "valid_to": "2025-01-01", "published_on": "2025-06-01", "purpose": "disclosure", "source": "supplier",
    } | cells  # fmt: skip
    return FACTOR_HEADER + "\n" + ",".join(row.get(c, "") for c in tables.COLUMNS["emission_factors"]) + "\n"


def own_fuel(more: str = "", last: str = "", **cells: str) -> str:
    row = {
        "fuel": "diesel", "geography": "KR", "vintage": "MINE", "ncv": "36", "ncv_unit": "MJ/L",
        "carbon_content_tc_per_tj": "20", "valid_from": "2023-01-01", "published_on": "2024-01-01",
        "source": "laboratory",
    } | cells  # fmt: skip
    text = ",".join(row.get(c, "") for c in tables.COLUMNS["fuel_properties"])
    return f"{FUEL_HEADER}{more}\n{text}{last}\n"


def with_factors(text: str) -> list[str]:
    return ["--factors", written("factors.csv", text)]


def with_fuels(text: str) -> list[str]:
    return ["--fuels", written("fuels.csv", text)]


def test_an_operator_adds_a_year_of_the_grid_and_replaces_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = power(1000, "2024-01-01", "2025-01-01")
    rows = evaluated(monkeypatch, row, *with_factors(own_factor()))
    check(rows, "e", "location", co2e_kg=400.0, factor_id="own", factor_match="exact", provisional="false")
    rows = evaluated(monkeypatch, row, *with_factors(own_factor()), "--as-of", "2025-12-31")
    check(rows, "e", "location", co2e_kg=400.0)
    rows = evaluated(
        monkeypatch, row, *with_factors(own_factor(published_on="2026-06-01")), "--as-of", "2025-12-31"
    )
    check(rows, "e", "location", co2e_kg=417.3, provisional="true")
    same_id = own_factor(
        factor_id=f"{GRID}-2023", valid_from="2023-01-01", valid_to="2024-01-01", value="4E-1"
    )
    rows = evaluated(monkeypatch, row, *with_factors(same_id))
    check(rows, "e", "location", co2e_kg=400.0, factor_id=f"{GRID}-2023", factor_match="fallback")


def test_an_own_row_without_a_purpose_is_used_only_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    row, files = power(1000, "2024-01-01", "2025-01-01"), with_factors(own_factor(purpose=""))
    check(evaluated(monkeypatch, row, *files), "e", "location", co2e_kg=417.3)
    check(evaluated(monkeypatch, row, *files, "--use", "electricity=own"), "e", "location", co2e_kg=400.0)


def test_of_two_rows_of_one_window_the_later_publication_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    both = (
        own_factor()
        + own_factor(factor_id="a", value="0.5", published_on="2025-07-01").splitlines()[1]
        + "\n"
    )
    rows = evaluated(monkeypatch, power(1000, "2024-01-01", "2025-01-01"), *with_factors(both))
    check(rows, "e", "location", co2e_kg=500.0, factor_id="a")


def test_a_residual_mix_of_an_operator_is_the_rest_of_what_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mix = with_factors(own_factor(basis="residual_mix", value="0.6", factor_id="mix"))
    row = power(1000, "2024-01-01", "2025-01-01", ",400,REC,c1,,,,")
    rows = evaluated(monkeypatch, row, *mix, more=CLAIM)
    check(rows, "e", "location", co2e_kg=417.3)
    check(rows, "e", "market", co2e_kg=360.0, factor_id="mix", reason="factor_uncertainty_unknown")


def test_upstream_and_transport_are_scope_3_and_in_no_total(monkeypatch: pytest.MonkeyPatch) -> None:
    haul = own_factor(activity="road_transport", basis="transport", unit="kgCO2e/tkm", value="0.1")
    row = "t,road_transport,50,tkm,2024-01-01,2024-02-01,KR\n"
    rows = evaluated(monkeypatch, row, *with_factors(haul))
    check(rows, "t", scope="3", co2e_kg=5.0, co2_kg="")
    assert len(rows) == 1


def test_a_suppliers_factor_goes_before_the_pair_of_the_fuel(monkeypatch: pytest.MonkeyPatch) -> None:
    row = "g,city_gas_lng,1000,Nm3,2024-01-01,2025-01-01,KR\n"
    per_volume = own_factor(activity="city_gas_lng", basis="lhv", unit="kgCO2e/Nm3", value="2.1")
    check(evaluated(monkeypatch, row, *with_factors(per_volume)), "g", co2e_kg=2100.0, factor_id="own")
    per_energy = own_factor(
        activity="city_gas_lng", basis="lhv", gas="CO2", unit="kgCO2/TJ", gwp_set="none", value="55000"
    )
    check(
        evaluated(monkeypatch, row, *with_factors(per_energy)), "g",
        co2_kg=near(0.0385 * 55000), ch4_kg=near(0.0385), factor_match="exact",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "co2_kg", "match"),
    [
        # it ended: the pair of the year goes before a supplier's factor that would be carried forward
        ({"valid_from": "2022-01-01", "valid_to": "2023-01-01"}, 0.0353 * 20.09 * 44000 / 12, "exact"),
        # what happened before the fuel came is not its burning
        ({"basis": "upstream"}, 0.0353 * 20.09 * 44000 / 12, "exact"),
        # per gross energy, for litres: not combined with a net value
        ({"basis": "hhv"}, 0.0353 * 20.09 * 44000 / 12, "exact"),
        ({"unit": "kgCO2/L", "value": "2.5"}, 2500.0, "exact"),
        ({"unit": "tCO2/kL", "value": "2.5"}, 2500.0, "exact"),
        # GLOBAL does not go before Korea
        ({"geography": "GLOBAL", "unit": "kgCO2/L", "value": "2.5"}, 0.0353 * 20.09 * 44000 / 12, "exact"),
    ],
)
def test_when_an_own_row_of_a_fuel_is_used(
    cells: dict[str, str], co2_kg: float, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {
        "activity": "diesel", "basis": "lhv", "gas": "CO2", "unit": "kgCO2/TJ", "gwp_set": "none",
        "value": "70000", "valid_from": "2023-01-01", "valid_to": "", "purpose": "any",
    }  # fmt: skip
    files = with_factors(own_factor(**(own | cells)))
    rows = evaluated(monkeypatch, f"d,diesel,1000,L,{Y23},KR\n", *files)
    check(rows, "d", scope="1", co2_kg=near(co2_kg), ch4_kg=near(0.0353 * 3), factor_match=match)


def test_a_row_per_mass_that_holds_everywhere_needs_no_calorific_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = own_factor(
        activity="acetylene", basis="lhv", gas="CO2", unit="kgCO2/kg", gwp_set="none", value="3.38",
        geography="GLOBAL", valid_to="",
    )  # fmt: skip
    for geography, match in (("GLOBAL", "exact"), ("KR", "fallback")):
        row = f"w,acetylene,2,t,2024-01-01,2025-01-01,{geography}\n"
        rows = evaluated(monkeypatch, row, *with_factors(own))
        check(rows, "w", scope="1", co2_kg=near(6760), ch4_kg="", factor_match=match)


def test_a_named_pair_must_have_begun_and_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    files, use = with_fuels(own_fuel()), ("--use", "diesel=diesel:KR:MINE")
    row = "d,diesel,1000,L,2022-06-01,2022-07-01,KR\n"
    check(evaluated(monkeypatch, row, *files, *use), "d", co2_kg="", reason="no_factor_for_period")
    row, as_of = f"d,diesel,1000,L,{Y23},KR\n", ("--as-of", "2023-12-31")
    check(evaluated(monkeypatch, row, *files, *use, *as_of), "d", co2_kg="", reason="no_factor_for_period")


def test_an_own_fuel_pair_changes_no_old_figure_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    row, files = f"d,diesel,1000,L,{Y23},KR\n", with_fuels(own_fuel())
    check(evaluated(monkeypatch, row, *files), "d", co2_kg=near(0.0353 * 20.09 * 44000 / 12))
    rows = evaluated(monkeypatch, row, *files, "--use", "diesel=diesel:KR:MINE")
    check(rows, "d", co2_kg=near(0.036 * 20 * 44000 / 12), factor_match="exact")
    rows = evaluated(monkeypatch, row, *with_fuels(own_fuel(vintage="KR-GIR-2022")))
    check(rows, "d", co2_kg=near(0.036 * 20 * 44000 / 12), factor_match="exact")
    rows = evaluated(monkeypatch, f"d,biodiesel,1000,L,{Y23},KR\n", *with_fuels(own_fuel(fuel="biodiesel")))
    check(rows, "d", co2_kg=near(0.036 * 20 * 44000 / 12), factor_match="fallback")
    assert rows[0]["reason"].startswith(f"vintage:MINE;{CO2_ONLY}")


def test_two_vintages_in_one_pair_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # 38.9 x 15.236, the mixed pair that is seen in public use
    mixed = own_fuel(
        ",carbon_vintage", ",KR-GIR-2022", fuel="city_gas_lng", vintage="KR-GIR-2017", ncv="38.9",
        ncv_unit="MJ/Nm3", carbon_content_tc_per_tj="15.236",
    )  # fmt: skip
    evaluated(monkeypatch, f"g,city_gas_lng,1,Nm3,{Y23},KR\n", *with_fuels(mixed), code=3)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    for part in ("fuels.csv, row 2, column carbon_vintage", "KR-GIR-2017", "KR-GIR-2022"):
        assert part in told[0]
    assert not Path("out.csv").exists()
    equal = own_fuel(",carbon_vintage", ",MINE")
    evaluated(monkeypatch, f"g,city_gas_lng,1,Nm3,{Y23},KR\n", *with_fuels(equal))


@pytest.mark.parametrize(
    ("fuel", "unit", "tier", "purpose", "share"),
    [
        ("city_gas_lng", "Nm3", 2, "k_ets", 0.995),
        ("city_gas_lng", "Nm3", 1, "k_ets", 1.0),
        ("city_gas_lng", "Nm3", 3, "k_ets", 1.0), ("city_gas_lng", "Nm3", 2, "disclosure", 1.0),
        ("lng", "kg", 2, "k_ets", 0.995), ("diesel", "L", 2, "k_ets", 0.99),
        ("propane", "kg", 2, "k_ets", 0.99),
        ("anthracite_domestic", "kg", 2, "k_ets", 0.98), ("sub_bituminous_coal", "kg", 2, "k_ets", 0.98),
        ("coke_oven_coke", "kg", 2, "k_ets", 0.98), ("petroleum_coke", "kg", 2, "k_ets", 0.98),
        ("coke_oven_gas", "TJ_ncv", 2, "k_ets", 0.995), ("lignite", "TJ_ncv", 2, "k_ets", 0.98),
    ],
)  # fmt: skip
def test_what_oxidises_is_carbon_and_less_of_it_in_tier_2(
    fuel: str, unit: str, tier: int, purpose: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = f"{fuel},1000,{unit},2023-01-01,2024-01-01,KR"
    rows = evaluated(monkeypatch, f"plain,{row},\ntiered,{row},{tier}\n", "--purpose", purpose, more=",tier")
    plain, tiered = rows[:2]
    assert float(tiered["co2_kg"]) == near(float(plain["co2_kg"]) * share)
    assert (tiered["ch4_kg"], tiered["n2o_kg"]) == (plain["ch4_kg"], plain["n2o_kg"])
    assert ("kr-kets-oxidation" in tiered["factor_id"]) == (tier == 2 and purpose == "k_ets")


def test_gas_in_m3_is_corrected_by_its_temperature_and_pressure(monkeypatch: pytest.MonkeyPatch) -> None:
    row = f"g,city_gas_lng,1000,m3,{Y23},KR"
    rows = evaluated(
        monkeypatch, f"{row},20,111.4575\n{row},20,\n{row},,101\n", more=",temperature_c,pressure_kpa"
    )
    # 111.4575 kPa is 1.1 x 101.325: 1000 x 273.15 / 293.15 x 1.1 Nm3
    assert float(rows[0]["co2_kg"]) == near(0.0385 * 273.15 / 293.15 * 1.1 * 15.236 * 44000 / 12)
    assert [r["reason"] for r in rows[1:3]] == ["uncorrected_volume"] * 2


def test_totals_add_scope_1_to_both_methods_and_never_two_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = evaluated(
        monkeypatch,
        f"a,electricity,1000,kWh,{Y23},KR\nb,electricity,1000,kWh,2022-01-01,2023-01-01,KR\n"
        f"c,natural_gas,1,TJ,{Y23},GLOBAL\nd,diesel,1,kg,{Y23},KR\nw,wood,1,TJ,{Y23},GLOBAL\n",
    )
    totals = [r for r in rows if r["activity_id"] == "*"]
    assert [(r["method"], r["gwp_set"]) for r in totals] == [
        ("location", "AR5"), ("location", "unstated"), ("market", "AR5"), ("market", "unstated"),
    ]  # fmt: skip
    assert {r["scope"] for r in totals} == {"1+2"}
    # 417.3 + 56100 + 28 + 26.5 + wood's 840 + 1060; 454.1
    for first, second in (totals[:2], totals[2:]):
        assert float(first["co2e_kg"]) == near(417.3 + 56154.5 + 1900)
        assert (first["co2_kg"], first["ch4_kg"], first["n2o_kg"], first["co2_biogenic_kg"]) == (
            "56100.0", "31.0", "4.1", "112000.0",
        )  # fmt: skip
        assert second["co2e_kg"] == "454.1"
        assert first["reason"].startswith("incomplete:1;")
        assert second["reason"].startswith("incomplete:1;")


def test_where_nothing_is_known_the_total_is_null_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = evaluated(monkeypatch, f"a,electricity,1000,kWh,{Y23},XX\n")
    for method in ("location", "market"):
        check(rows, "*", method, co2e_kg="", reason="incomplete:1", gwp_set="AR5")


def test_totals_are_sums_of_exact_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    # 0.04173 kg each: floats added one by one drift, figures rounded to grams would lose 2 %.
    rows = evaluated(monkeypatch, power(0.1, *IN_2023) * 3000)
    check(rows, "*", "location", co2e_kg=125.19)
    each = [float(r["co2e_kg"]) for r in rows[:-2:2]]
    assert sum(each) != 125.19
    assert math.fsum(each) == near(125.19)


def test_an_empty_file_of_activities_gives_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluated(monkeypatch, "") == []


def test_a_bom_and_windows_line_ends_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"\ufeff{HEADER}\r\n계량기,electricity,1e3,kWh,{Y23},KR\r\n"
    assert run(monkeypatch, "emissions", "evaluate", written("in.csv", text), "--out", "out.csv") == 0
    check(read(), "계량기", "location", co2e_kg=417.3)


UNCERTAIN = ",uncertainty_pct,factor_uncertainty_pct,factor_group"


def uncertain(monkeypatch: pytest.MonkeyPatch, cells: list[str], *options: str) -> Rows:
    """Evaluate 1000 kWh of 2023 under one composite row (417.3 kg), once per list of uncertainties."""
    rows = "".join(power(1000, *IN_2023, f",{one}") for one in cells)
    return evaluated(monkeypatch, rows, *options, more=UNCERTAIN)


@pytest.mark.parametrize(
    ("cells", "percent"),
    [
        # one factory: sqrt(a^2 + f^2) = 5
        (["3,4,"], 5.0),
        # independent meters, exact factor: a / sqrt(n)
        (["6,0,"] * 4, 3.0),
        # one factor, exact meters: all of f
        (["0,7,"] * 5, 7.0),
        # both: sqrt(a^2 / n + f^2), not sqrt((a^2 + f^2) / n)
        (["12,4,"] * 16, 5.0),
        # two groups of factors: f / sqrt(2)
        (["0,10,north", "0,10,south"], 10 / math.sqrt(2)),
        # a group of two and one alone: sqrt((2/3)^2 + (1/3)^2) f
        (["0,9,north", "0,9,north", "0,9,south"], math.sqrt(5) * 3),
        # different factors of one group go together: (4 + 8) / 2
        (["0,4,north", "0,8,north"], 6.0),
    ],
)
def test_the_uncertainty_of_a_total_knows_what_is_shared(
    cells: list[str], percent: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("location", "market"):
        check(
            uncertain(monkeypatch, cells), "*", method,
            uncertainty_low_pct=near(percent), uncertainty_high_pct=near(percent), reason="",
        )  # fmt: skip


def test_what_is_not_known_of_an_uncertainty_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = uncertain(monkeypatch, ["3,4,", "3,,", ",5,"])
    told = [(r["uncertainty_low_pct"], r["reason"]) for r in rows[:6:2]]
    assert told == [("5.0", ""), ("", "factor_uncertainty_unknown"), ("5.0", "amount_uncertainty_unknown")]
    # E = 2 x 417.3: amounts 3 and unknown, one factor of 4 and 5: sqrt((3/2)^2 + (9/2)^2)
    check(
        rows, "*", "location",
        uncertainty_low_pct=near(math.sqrt(1.5**2 + 4.5**2)),
        reason=f"amount_uncertainty_unknown;uncertainty_covers:{2 / 3!r}",
    )  # fmt: skip


def test_ranges_that_are_not_symmetric_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # lignite: CO2 10 % below, 13.86 % above; no CH4, N2O row
    rows = evaluated(monkeypatch, f"a,lignite,1,TJ,{Y23},GLOBAL,5\n", more=",uncertainty_pct")
    check(
        rows,
        "a",
        uncertainty_low_pct=near(math.hypot(5, 10)),
        uncertainty_high_pct=near(math.hypot(5, 13.86)),
    )


def test_accepted_bounds_of_ch4_and_n2o_are_groups_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    row = f"a,natural_gas,1,TJ,{Y23},GLOBAL,0\n"
    rows = ["ipcc2006-manufacturing-natural_gas-ch4", "ipcc2006-manufacturing-natural_gas-n2o"]
    accept = [part for one in rows for part in ("--accept", one)]
    found = evaluated(monkeypatch, row, *accept, more=",uncertainty_pct")
    # CO2 56100 - 3.21 % + 3.92 %; CH4 1 (0.3 to 3) x 28; N2O 0.1 (0.03 to 0.3) x 265
    low = math.sqrt((56100 * 3.21) ** 2 + (28 * 70) ** 2 + (26.5 * 70) ** 2) / 56154.5
    high = math.sqrt((56100 * 3.92) ** 2 + (28 * 200) ** 2 + (26.5 * 200) ** 2) / 56154.5
    check(found, "a", uncertainty_low_pct=near(low), uncertainty_high_pct=near(high), reason="")
    found = evaluated(monkeypatch, row, *accept[:2], more=",uncertainty_pct")
    check(found, "a", uncertainty_low_pct="", reason="factor_uncertainty_unknown")


def test_the_ncv_of_a_mass_errs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    row = f"a,natural_gas,1,t,{Y23},GLOBAL,0,\nb,natural_gas,1,t,{Y23},GLOBAL,0,5\n"
    rows = ["ipcc2006-manufacturing-natural_gas-ch4", "ipcc2006-manufacturing-natural_gas-n2o"]
    accept = [part for one in rows for part in ("--accept", one)]
    found = evaluated(monkeypatch, row, *accept, more=",uncertainty_pct,factor_uncertainty_pct")
    # NCV -3.13 %: CO2 hypot(3.21, 3.13), CH4 and N2O hypot(70, 3.13)
    gases = [56100 * math.hypot(3.21, 3.13), 28 * math.hypot(70, 3.13), 26.5 * math.hypot(70, 3.13)]
    check(found, "a", uncertainty_low_pct=near(math.hypot(*gases) / 56154.5))
    check(found, "b", uncertainty_low_pct=near(5 * math.hypot(56100, 28, 26.5) / 56154.5))


def test_an_accepted_bound_of_another_value_is_inconsistent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = own_factor(
        factor_id="ipcc2006-stationary-gasoline-co2", activity="gasoline", geography="GLOBAL", basis="lhv",
        gas="CO2", gwp_set="none", unit="kgCO2/TJ", value="70000", valid_from="2006-01-01", valid_to="",
    )  # fmt: skip
    accept = ("--accept", "ipcc2006-stationary-gasoline-co2")
    evaluated(monkeypatch, power(1, *IN_2023), *accept, *with_factors(changed), code=3)
    assert "69300" in capsys.readouterr().err
    evaluated(monkeypatch, power(1, *IN_2023), *accept)


def test_an_amount_that_is_out_of_line_is_flagged_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def flags(amounts: list[float]) -> list[bool]:
        rows = evaluated(monkeypatch, "".join(power(a, *IN_2023) for a in amounts))[:-2]
        assert all(r["co2e_kg"] for r in rows)
        return ["amount_implausible" in r["reason"].split(";") for r in rows[::2]]

    # kWh read as Wh once: 1,200,000 where the median is 1,100
    assert flags([1000, 1100, 1_200_000, 1050, 1150]) == [False, False, True, False, False]
    # MWh entered as kWh: 1.0 of 1,100 is more than a thousandth less, but not by much
    assert flags([1000, 1100, 1.09, 1150, 1200]) == [False, False, True, False, False]
    assert flags([1000, 1100, 1.1, 1150, 1100]) == [False] * 5
    assert flags([1000, 1100, 1_100_000, 1050, 1150]) == [False] * 5
    assert flags([1, 1, 5000, 1]) == [False] * 4


def test_an_energy_on_the_other_basis_is_flagged_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def flags(rows: list[str]) -> list[bool]:
        found = evaluated(monkeypatch, "".join(f"{row}\n" for row in rows))
        return ["basis_suspect" in r["reason"].split(";") for r in found if r["activity_id"] != "*"]

    net, gross = f"a,city_gas_lng,38500,MJ_ncv,{Y23},KR", f"b,city_gas_lng,42700,MJ_gcv,{Y23},KR"
    volume = f"c,city_gas_lng,1000,Nm3,{Y23},KR"
    assert flags([net, gross]) == [False, True]
    # a bill in gross MJ that was entered as net
    assert flags([volume, f"d,city_gas_lng,42700,MJ_ncv,{Y23},KR"]) == [False, True]
    # 42.7 / 38.5 within 2 %: 43500 yes, 43600 no
    assert flags([net, f"b,city_gas_lng,43500,MJ_gcv,{Y23},KR"]) == [False, True]
    assert flags([net, f"b,city_gas_lng,43600,MJ_gcv,{Y23},KR"]) == [False, False]
    assert flags([net, "b,city_gas_lng,42700,MJ_gcv,2022-01-01,2023-01-01,KR"]) == [False, False]
    assert flags([gross]) == [False]


@pytest.mark.parametrize(
    ("header", "row", "where"),
    [
        (HEADER + ",colour", f"a,diesel,1,L,{Y23},KR,red", "row 1, column 'colour'"),
        ("activity_id,activity,amount,unit,start,end", f"a,diesel,1,L,{Y23}", "row 1, column geography"),
        (HEADER, f"a,diesel,1,furlong,{Y23},KR", "row 2, column unit"),
        (HEADER, f"a,electricity,1,kwh,{Y23},KR", "row 2, column unit"),
        (HEADER, f"a,diesel,many,L,{Y23},KR", "row 2, column amount"),
        (HEADER, f"a,electricity,-1,kWh,{Y23},KR", "row 2, column amount"),
        (HEADER, f"a,diesel,1,,{Y23},KR", "row 2, column unit"),
        (HEADER, f",diesel,1,L,{Y23},KR", "row 2, column activity_id"),
        (HEADER, f"*,diesel,1,L,{Y23},KR", "row 2, column activity_id"),
        (HEADER, f"a,,1,L,{Y23},KR", "row 2, column activity"),
        (HEADER, f"a,diesel,1,L,{Y23},", "row 2, column geography"),
        (HEADER, "a,diesel,1,L,2023-01-01,2023-01-01,KR", "row 2, column end"),
        (HEADER, "a,diesel,1,L,2023-02-29,2023-03-01,KR", "row 2, column start"),
        (HEADER, "a,diesel,1,L,2023,2024-01-01,KR", "row 2, column start"),
        (HEADER, f"a,diesel,1,L,{Y23},KR,5", "row 2, column 8"),
        (HEADER + ",tier", f"a,diesel,1,L,{Y23},KR,0", "row 2, column tier"),
        (HEADER + ",tier", f"a,diesel,1,L,{Y23},KR,2.5", "row 2, column tier"),
        (HEADER + ",uncertainty_pct", f"a,diesel,1,L,{Y23},KR,-1", "row 2, column uncertainty_pct"),
        (HEADER + ",temperature_c", f"a,lng,1,m3,{Y23},KR,-273.15", "row 2, column temperature_c"),
        (HEADER + ",pressure_kpa", f"a,lng,1,m3,{Y23},KR,0", "row 2, column pressure_kpa"),
        (HEADER + ",claimed_kwh", f"a,electricity,1,kWh,{Y23},KR,-1", "row 2, column claimed_kwh"),
        (HEADER + ",claimed_kwh", f"a,diesel,1,L,{Y23},KR,1", "row 2, column claimed_kwh"),
        (
            HEADER + ",claimed_kwh,claim_start,claim_end",
            f"a,electricity,1,kWh,{Y23},KR,1,2023-02-01,2023-01-01",
            "row 2, column claim_end",
        ),
    ],
)
def test_an_unusable_file_is_told_with_row_and_column_and_leaves_no_output(
    header: str, row: str, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written("out.csv", "an earlier answer\n")
    written("in.csv", f"{header}\n{row}\n")
    assert run(monkeypatch, "emissions", "evaluate", "in.csv", "--out", "out.csv") == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert f"in.csv, {where}" in told[0]
    assert " / 오류: in.csv " in told[0]
    assert [p.name for p in Path().iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (own_factor(unit="kWh"), "row 2, column unit"),
        (own_factor(unit="kgCO2/kWh"), "row 2, column unit"),
        (own_factor(gas="CO3"), "row 2, column gas"),
        (own_factor(gwp_set="AR9"), "row 2, column gwp_set"),
        (own_factor(purpose="disclosure;tax"), "row 2, column purpose"),
        (own_factor(value="much"), "row 2, column value"),
        (own_factor(value=""), "row 2, column value"),
        (own_factor(source=""), "row 2, column source"),
        (own_factor(published_on="2025"), "row 2, column published_on"),
        (own_factor(valid_to="2024-01-01"), "row 2, column valid_to"),
        (own_factor() + own_factor().splitlines()[1] + "\n", "row 3, column factor_id"),
        (own_factor().replace("source", "origin"), "row 1, column 'origin'"),
    ],
)
def test_a_factor_file_that_cannot_be_used_is_told(
    text: str, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(monkeypatch, power(1, *IN_2023), *with_factors(text), code=2)
    assert f"factors.csv, {where}" in capsys.readouterr().err
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (own_fuel(ncv_unit="MJ"), "row 2, column ncv_unit"),
        (own_fuel(ncv="-1"), "row 2, column ncv"),
        (own_fuel(source=""), "row 2, column source"),
        (own_fuel(",colour", ",red"), "row 1, column 'colour'"),
    ],
)
def test_a_fuel_file_that_cannot_be_used_is_told(
    text: str, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(monkeypatch, power(1, *IN_2023), *with_fuels(text), code=2)
    assert f"fuels.csv, {where}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--purpose", "tax"],
        ["--as-of", "yesterday"],
        ["--gwp", "AR7"],
        ["--methane-origin", "cow"],
        ["--gwp", "SAR", "--methane-origin", "fossil"],
        ["--use", "electricity"],
        ["--use", "electricity=unheard"],
        ["--use", "electricity=kr-grid-generation-2017_2019-co2"],
        ["--use", f"electricity={GRID}-2023", "--use", f"electricity={GRID}-2017_2019"],
        ["--use", "welding_shielding_gas_co2=mass-balance-shielding_gas-co2"],
        ["--accept", "unheard"],
        ["--accept", "eu-mrr-activity_uncertainty-tier2"],
        ["--factors", "absent.csv"],
        ["--fuels", "in.csv"],
    ],
    ids=" ".join,
)
def test_unusable_options_are_one_line_and_leave_no_output(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written("out.csv", "an earlier answer\n")
    evaluated(monkeypatch, power(1, *IN_2023), *options, code=2)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert told
    assert all(" / 오류: " in line for line in told)
    assert not Path("out.csv").exists()


def test_the_input_is_never_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    written("in.csv", f"{HEADER}\n{power(1, *IN_2023)}")
    assert run(monkeypatch, "emissions", "evaluate", "in.csv", "--out", "in.csv") == 2
    assert Path("in.csv").exists()
