"""Running `digital-cluster emissions evaluate` on rows written in place; rows and files of its tests."""

import csv
import sys
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.reference import tables

Rows = list[dict[str, str]]
HEADER = "activity_id,activity,amount,unit,start,end,geography"
Y23 = "2023-01-01,2024-01-01"
IN_2023 = "2023-01-01", "2024-01-01"
CO2_ONLY = "gas_factor_missing:CH4;gas_factor_missing:N2O"
GRID = "kr-grid-consumption"
FACTOR_HEADER = ",".join(tables.COLUMNS["emission_factors"])
FUEL_HEADER = ",".join(tables.COLUMNS["fuel_properties"])


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


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-12)


def check(rows: Rows, activity_id: str, method: str = "-", **expected: object) -> None:
    """Hold the row of an activity (or total) and method to what is expected of its columns."""
    found = [r for r in rows if r["activity_id"] == activity_id and r["method"] == method]
    assert len(found) == 1, found
    for column, value in expected.items():
        text = found[0][column]
        assert (text if isinstance(value, str) else float(text)) == value, (column, text, value)


def power(amount: object, start: str, end: str, more: str = "", unit: str = "kWh") -> str:
    return f"e,electricity,{amount},{unit},{start},{end},KR{more}\n"


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
