"""The command `emissions evaluate`: exact input, output and faults."""

from pathlib import Path

import pytest

from tests.jobs.emission_command import (
    GRID,
    HEADER,
    IN_2023,
    Y23,
    check,
    evaluated,
    own_factor,
    own_fuel,
    power,
    read,
    run,
    with_factors,
    with_fuels,
    written,
)


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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


def test_an_empty_file_of_activities_gives_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluated(monkeypatch, "") == []


def test_a_bom_and_windows_line_ends_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"\ufeff{HEADER}\r\n계량기,electricity,1e3,kWh,{Y23},KR\r\n"
    assert run(monkeypatch, "emissions", "evaluate", written("in.csv", text), "--out", "out.csv") == 0
    check(read(), "계량기", "location", co2e_kg=417.3)


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
