"""A factory's inventory as files: what the table says, or a list of what is missing and no file."""

import json
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.demo.session import DEMO_CLUSTER
from tests.jobs.conftest import Answer, Demo


def export(demo: Demo, out: Path, form: str, *more: Any, period: str = "2025-11") -> Answer:
    named = ("--format", form, "--factory", "areum", "--period", period, "--out", out)
    return demo.hub.run("export", *named, "--cluster", DEMO_CLUSTER, *more)


def test_a_months_dual_report_says_what_the_table_says(demo: Demo, tmp_path: Path) -> None:
    answer = export(demo, tmp_path, "ghgp")
    assert answer.code == 0, answer.err
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["ghgp-areum-2025-11.json", "ghgp-areum-2025-11.xlsx"]
    assert answer.out.splitlines() == [str(f) for f in files]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    known = demo.rows("emissions").filter(
        pl.col("quality").is_in(["measured", "interpolated"]), factory="areum"
    )
    told = json.loads(files[0].read_text(encoding="utf-8"))
    (dual,) = told["scope_2"]
    assert dual["location_based_co2e_kg"] == pytest.approx(known["co2e_kg"].sum(), rel=1e-12)
    assert dual["market_based_co2e_kg"] == dual["location_based_co2e_kg"]
    # Eight of November's thirty days are there.
    assert told["lines"][0]["coverage"] == pytest.approx(8 / 30, abs=0.01)
    assert [f["factor_id"] for f in told["factors"]] == ["kr-grid-consumption-2020_2022"]
    assert pl.read_excel(files[1], sheet_name="scope_2").to_dicts() == told["scope_2"]


def test_a_form_that_demands_more_lists_it_and_leaves_no_file(demo: Demo, tmp_path: Path) -> None:
    answer = export(demo, tmp_path / "out", "kets")
    assert answer.code == 5
    assert len(answer.err.splitlines()) == 5
    assert "missing: registration_number (--about FILE)" in answer.err
    assert "missing: GWP set of areum/electricity, location" in answer.err
    assert not (tmp_path / "out").exists()


def test_what_tables_do_not_know_is_told_by_a_file(demo: Demo, tmp_path: Path) -> None:
    about = tmp_path / "about.yaml"
    about.write_text("responsible: Kim\nbase_year: 2024\n", encoding="utf-8")
    answer = export(demo, tmp_path / "out", "iso14064", "--about", about)
    assert answer.code == 0, answer.err
    told = json.loads((tmp_path / "out" / "iso14064-areum-2025-11.json").read_text(encoding="utf-8"))
    assert {"field": "base_year", "value": "2024"} in told["report"]
    about.write_text("responsable: Kim\n", encoding="utf-8")
    answer = export(demo, tmp_path / "out", "iso14064", "--about", about)
    assert answer.code == 2
    assert "unknown responsable" in answer.err


def test_a_period_without_emissions_and_one_that_is_none_are_clear(demo: Demo, tmp_path: Path) -> None:
    answer = export(demo, tmp_path / "out", "ghgp", period="2024")
    assert answer.code == 5
    assert "missing: any emission in the period" in answer.err
    answer = export(demo, tmp_path / "out", "ghgp", period="2025-13")
    assert answer.code == 2
    assert "is no period" in answer.err
    assert not (tmp_path / "out").exists()
