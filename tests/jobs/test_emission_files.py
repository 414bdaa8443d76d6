"""The command `emissions evaluate`: exact input, output and faults."""

import csv
import sys
from pathlib import Path

import pytest

from pipelines import cli

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
