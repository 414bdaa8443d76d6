"""An operator's factors at night, and the same emissions by night and by command."""

import csv
import math
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.jobs.conftest import SEOUL, Hub, make_hub
from tests.jobs.emission_command import HEADER, own_factor

MAPPING = """
time: {columns: [date], format: iso, zone: Asia/Seoul, stamp: start, interval_minutes: 60}
value: {column: kWh, unit: kWh, kind: interval}
meter: {id: main, carrier: electricity}
factory: {geography: KR, process: casting}
"""
NIGHT = ("nightly", "--cluster", "imported", "--as-of", "2026-01-10T03:00+09:00")
TOTAL_KWH = 1176.0  # 1 + 2 + ... + 48


def hub_with(root: Path, factors: str | None = None) -> Hub:
    """Make a hub with 48 hours of 1, 2, ... 48 kWh from 2024-12-31 on, and its night done."""
    hub = make_hub(root / "hub")
    if factors is not None:
        (hub.root / "factors.csv").write_text(factors, encoding="utf-8")
        hub = hub.with_settings(factors="factors.csv")
    first = datetime(2024, 12, 31, tzinfo=SEOUL)
    lines = [f"{first + timedelta(hours=n):%Y-%m-%d %H:%M},{n + 1}" for n in range(48)]
    (hub.root / "m.csv").write_text("\n".join(["date,kWh", *lines]) + "\n", encoding="utf-8")
    (hub.root / "m.yaml").write_text(MAPPING, encoding="utf-8")
    done = hub.run(
        "import", "m.csv", "--mapping", "./m.yaml", "--factory", "f1", "--source", "archive", "--ingest"
    )
    assert done.code == 0, done.err
    done = hub.run(*NIGHT)
    assert done.code == 0, done.err
    return hub


def by_command(hub: Hub, *options: str) -> dict[str, str]:
    """Evaluate the two days by the command; returns the location-based row of the total."""
    rows = (
        f"{HEADER}\na,electricity,300,kWh,2024-12-31,2025-01-01,KR\n"
        "b,electricity,876,kWh,2025-01-01,2025-01-02,KR\n"
    )
    (hub.root / "in.csv").write_text(rows, encoding="utf-8")
    done = hub.run("emissions", "evaluate", "in.csv", "--as-of", "2026-01-10", *options, "--out", "out.csv")
    assert done.code == 0, done.err
    with (hub.root / "out.csv").open(encoding="utf-8", newline="") as file:
        return next(r for r in csv.DictReader(file) if r["activity_id"] == "*")


def test_the_night_and_the_command_tell_the_same_emissions(tmp_path: Path) -> None:
    hub = hub_with(tmp_path)
    emissions = hub.rows("imported", "emissions")
    assert set(emissions["reason"]) == {"carried_forward:1y", "carried_forward:2y"}
    assert set(emissions["factor_id"]) == {"kr-grid-consumption-2023"}
    assert math.fsum(emissions["co2e_kg"]) == pytest.approx(TOTAL_KWH * 0.4173, rel=1e-12)
    assert float(by_command(hub)["co2e_kg"]) == pytest.approx(TOTAL_KWH * 0.4173, rel=1e-12)


def test_a_new_grid_year_by_file_is_used_at_night(tmp_path: Path) -> None:
    # 2024: 300 kWh x 0.4; 2025: the row of 2024 carried forward
    hub = hub_with(tmp_path, own_factor(published_on="2025-12-30"))
    emissions = hub.rows("imported", "emissions").sort("start")
    assert set(emissions["factor_id"]) == {"own"}
    assert emissions["factor_match"].to_list() == ["exact"] * 24 + ["fallback"] * 24
    assert math.fsum(emissions["co2e_kg"]) == pytest.approx(TOTAL_KWH * 0.4, rel=1e-12)
    assert float(by_command(hub, "--factors", "factors.csv")["co2e_kg"]) == pytest.approx(
        TOTAL_KWH * 0.4, rel=1e-12
    )


def test_a_factor_file_with_a_fault_ends_the_night_before_it_begins(tmp_path: Path) -> None:
    hub = make_hub(tmp_path / "hub").with_settings(factors="factors.csv")
    (hub.root / "factors.csv").write_text(own_factor(unit="kWh"), encoding="utf-8")
    ended = hub.run(*NIGHT)
    assert ended.code == 2
    assert "factors.csv, row 2, column unit" in ended.err
