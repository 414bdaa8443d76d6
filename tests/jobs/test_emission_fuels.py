"""`emissions evaluate`: fuels, process gases, refrigerants: chain to tonnes, vintages, bases, oxidation."""

import math
from pathlib import Path

import pytest

from tests.jobs.emission_command import (
    CO2_ONLY,
    Y23,
    check,
    evaluated,
    near,
    own_factor,
    own_fuel,
    with_factors,
    with_fuels,
)


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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


def test_an_ipcc_row_can_be_named_for_a_korean_fuel_and_keeps_its_own_ncv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use = ("--use", "diesel=ipcc2006-stationary-diesel-co2")
    rows = f"a,diesel,1,TJ_ncv,{Y23},KR\nb,diesel,1,t,{Y23},KR\nc,diesel,1,L,{Y23},KR\n"
    found = evaluated(monkeypatch, rows, *use)
    check(found, "a", co2_kg=74100.0, ch4_kg=3.0, factor_match="exact")
    check(found, "b", co2_kg=near(0.043 * 74100), ch4_kg=near(0.043 * 3))
    check(found, "c", co2_kg="", reason="unit_not_convertible")


def test_accepted_bounds_of_an_ncv_enter_by_quadrature(monkeypatch: pytest.MonkeyPatch) -> None:
    row = f"a,coking_coal,1,t,{Y23},GLOBAL,0\n"
    rows = evaluated(monkeypatch, row, more=",uncertainty_pct")
    check(rows, "a", uncertainty_low_pct="", co2_kg=near(0.0282 * 94600))
    rows = evaluated(monkeypatch, row, "--accept", "ipcc2006-ncv-coking_coal", more=",uncertainty_pct")
    # NCV 28.2 (24 to 31), CO2 94600 -7.72 % +6.77 %; coking coal has no CH4 and N2O row
    check(
        rows, "a",
        uncertainty_low_pct=near(math.hypot(4.2 / 28.2 * 100, 7.72)),
        uncertainty_high_pct=near(math.hypot(2.8 / 28.2 * 100, 6.77)),
    )  # fmt: skip


# kg CO2 per unit; then TJ per unit with the IPCC rows' CH4 and N2O [kg/TJ]
CHAINS = {
    "gas": ("city_gas_lng", "Nm3", 0.0385e-3 * 15.236 * 44000 / 12, 0.0385e-3, 1, 0.1),
    "diesel": ("diesel", "L", 0.0353e-3 * 20.09 * 44000 / 12, 0.0353e-3, 3, 0.6),
    "LPG": ("propane", "kg", 0.046222272e-3 * 17.63 * 44000 / 12, 0.046222272e-3, 1, 0.1),
    "coal": ("sub_bituminous_coal", "kg", 0.0199e-3 * 26.468 * 44000 / 12, 0.0199e-3, 10, 1.5),
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(
    ("gwp", "ch4", "n2o"), [("SAR", 21, 310), ("AR4", 25, 298), ("AR5", 28, 265), ("AR6", 27.9, 273)]
)
def test_the_chain_of_each_kind_of_fuel_by_each_set(
    chain: str, gwp: str, ch4: float, n2o: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuel, unit, co2_kg, energy_tj, ch4_per_tj, n2o_per_tj = CHAINS[chain]
    rows = evaluated(monkeypatch, f"a,{fuel},250,{unit},{Y23},KR\n", "--gwp", gwp)
    methane, nitrous = 250 * energy_tj * ch4_per_tj, 250 * energy_tj * n2o_per_tj
    check(
        rows, "a", gwp_set=gwp, co2_kg=near(250 * co2_kg), ch4_kg=near(methane), n2o_kg=near(nitrous),
        co2e_kg=near(250 * co2_kg + ch4 * methane + n2o * nitrous),
    )  # fmt: skip
