"""The commands `factors list`, `show` and `explain`."""

import csv
import io
import sys
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.reference import tables

Rows = list[dict[str, str]]
FACTOR_HEADER = ",".join(tables.COLUMNS["emission_factors"])
OWN = (
    "own,electricity,KR,consumption_end,CO2e,0.4,kgCO2e/kWh,0.4,tCO2e/MWh,AR5,2024-01-01,2025-01-01,2026-01-05,"
    "disclosure,board item 99,single_source,,,\n"
)


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text(f"{FACTOR_HEADER}\n{OWN}", encoding="utf-8")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line as a shell would; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["digital-cluster", "factors", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def rows_of(text: str) -> Rows:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_list_can_be_narrowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "list") == 0
    assert len(rows_of(capsys.readouterr().out)) == 157 + 66
    asked = ["--activity", "electricity", "--purpose", "k_ets", "--geography", "KR", "--gas", "CO2"]
    assert run(monkeypatch, "list", *asked) == 0
    (row,) = rows_of(capsys.readouterr().out)
    assert row["id"] == "kr-grid-consumption-2014_2016-co2"
    assert (row["value"], row["unit"], row["purpose"]) == (
        "0.4567",
        "kgCO2/kWh",
        "disclosure;k_ets;inventory",
    )
    assert run(monkeypatch, "list", "--activity", "diesel", "--as-of", "2022-11-20") == 0
    listed = [row["id"] for row in rows_of(capsys.readouterr().out)]
    assert "diesel:KR:KR-GIR-2017" in listed
    assert "diesel:KR:KR-GIR-2022" not in listed


def test_the_list_of_a_date_has_the_rows_whose_window_holds_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--activity", "electricity", "--purpose", "disclosure", "--on"]
    for day, ids in (("2022-12-31", ["2020_2022"]), ("2023-01-01", ["2023"]), ("2024-01-01", [])):
        assert run(monkeypatch, "list", *asked, day) == 0
        assert [row["id"] for row in rows_of(capsys.readouterr().out)] == [
            f"kr-grid-consumption-{i}" for i in ids
        ]


def test_the_unconfirmed_are_a_list_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "list", "--unconfirmed") == 0
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 49
    assert {row["table"] for row in rows} == {"unconfirmed"}


def test_one_row_is_shown_whole_with_its_source(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "show", "kr-grid-consumption-2023") == 0
    shown = {row["column"]: row["value"] for row in rows_of(capsys.readouterr().out)}
    assert list(shown) == list(tables.COLUMNS["emission_factors"])
    assert (shown["value"], shown["published_on"], shown["confidence"]) == (
        "0.4173",
        "2025-12-18",
        "verified",
    )
    assert "GIR board item 86" in shown["source"]
    for other in ("diesel:KR:KR-GIR-2022", "kr-kets-oxidation-gas-tier2", "ipcc2006-ncv-kerosene"):
        assert run(monkeypatch, "show", other) == 0
        assert "source" in capsys.readouterr().out
    assert run(monkeypatch, "show", "own", "--factors", "own.csv") == 0
    assert "board item 99" in capsys.readouterr().out
    assert run(monkeypatch, "show", "own") == 2
    assert "factors list" in capsys.readouterr().err


def test_what_would_be_used_and_why_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "--activity",
        "electricity",
        "--on",
        "2024-06-01",
        "--purpose",
        "disclosure",
        "--geography",
        "KR",
    ]

    def explained(*options: str) -> tuple[str, dict[str, dict[str, str]]]:
        assert run(monkeypatch, "explain", *asked, *options) == 0
        head, _, table = capsys.readouterr().out.partition("\n")
        return head, {row["id"]: row for row in rows_of(table)}

    head, rows = explained("--as-of", "2025-12-17")
    assert head == "fallback: kr-grid-consumption-2020_2022 (carried_forward:2y)"
    assert rows["kr-grid-consumption-2023"]["why"] == "not_yet_published"
    head, rows = explained("--as-of", "2025-12-18")
    assert head == "fallback: kr-grid-consumption-2023 (carried_forward:1y)"
    assert rows["kr-grid-consumption-2020_2022"]["why"] == "ended:superseded"
    head, rows = explained("--factors", "own.csv")
    assert head == "exact: own"
    assert (rows["own"]["taken"], rows["own"]["source"]) == ("yes", "board item 99")
    assert [row["taken"] for row in rows.values()].count("yes") == 1
    head, rows = explained("--factors", "own.csv", "--as-of", "2025-12-31")
    assert rows["own"]["why"] == "not_yet_published"
    head, _ = explained("--use", "electricity=kr-grid-consumption-2021_2023")
    assert head == "fallback: kr-grid-consumption-2021_2023 (carried_forward:1y)"


@pytest.mark.parametrize(
    ("options", "head"),
    [
        (["--activity", "electricity", "--on", "2013-06-01"], "none: no_factor_for_period"),
        (
            ["--activity", "electricity", "--on", "2024-06-01", "--purpose", "k_ets"],
            "none: allocation_factor_not_named",
        ),
        (["--activity", "unobtainium", "--on", "2024-06-01"], "none: no_factor_for_period"),
        (["--activity", "city_gas_lng", "--on", "2024-06-01", "--unit", "MJ"], "none: energy_basis_missing"),
        (["--activity", "city_gas_lng", "--on", "2024-06-01", "--unit", "m3"], "none: uncorrected_volume"),
    ],
)
def test_none_is_an_answer_too(
    options: list[str], head: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "explain", *options) == 0
    assert capsys.readouterr().out.splitlines()[0] == head


@pytest.mark.parametrize(
    "options",
    [["--on", "June"], ["--on", "2024-06-01", "--as-of", "now"], ["--on", "2024-06-01", "--purpose", "tax"]],
)
def test_unusable_options_are_told(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "explain", "--activity", "electricity", *options) == 2
