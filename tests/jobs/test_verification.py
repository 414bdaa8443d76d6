"""A verification pack can be checked without our software, and says what it is."""

import hashlib
import json
import shutil
import stat
from pathlib import Path

import polars as pl
import pytest

from tests.jobs.conftest import Answer, Park, ParkOf
from tests.jobs.test_carbon import GRID, MONTH, two_nights
from tests.recomputing import recomputed_hours, rows_of


def export(park: Park, out: Path, *more: object, period: str = "2025-11") -> Answer:
    named = ("--format", "verification", "--factory", park.a, "--period", period, "--out", out)
    return park.hub.run("export", *named, "--cluster", "park", *more)


@pytest.fixture(scope="module")
def told(park_of: ParkOf) -> Park:
    """A park after two nights; nobody may change it (see `Park.copied`)."""
    return two_nights(park_of("archive"))


@pytest.fixture(scope="module")
def pack(told: Park, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack of a's November, as its command wrote it."""
    out = tmp_path_factory.mktemp("out")
    answer = export(told, out, "--seed", 7, "--sample", 5)
    assert answer.code == 0, answer.err
    return Path(answer.out.strip())


def test_every_file_is_in_the_manifest_and_private(pack: Path) -> None:
    lines = (pack / "manifest.sha256").read_text(encoding="utf-8").splitlines()
    said = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {p.name: p for p in pack.iterdir()}
    assert set(said) == set(files) - {"manifest.sha256"}
    assert all(hashlib.sha256(files[n].read_bytes()).hexdigest() == digest for n, digest in said.items())
    assert {stat.S_IMODE(f.stat().st_mode) for f in files.values()} == {0o600}


def test_the_pack_says_that_nobody_verified_it_and_how_to_recompute(pack: Path) -> None:
    assert {row["verification"] for row in rows_of(pack, "statement")} == {"unverified"}
    settings = json.loads((pack / "pack.json").read_text(encoding="utf-8"))
    assert (settings["verification"], settings["provisional"], settings["seed"]) == ("unverified", True, 7)
    readme = (pack / "README.txt").read_text(encoding="utf-8")
    assert "unverified" in readme
    assert "손으로 다시 계산하기" in readme
    assert pl.read_excel(pack / "verification.xlsx", sheet_name="lines").height == len(rows_of(pack, "lines"))


def test_sampled_hours_come_out_of_the_packs_own_readings(pack: Path) -> None:
    found = recomputed_hours(pack)
    assert len(found) == len(rows_of(pack, "sample_hours")) == 5
    assert [amount for _, amount in found] == [float(hour["quantity"]) for hour, _ in found] == [1.0] * 5


def test_hours_give_the_activity_and_the_activity_the_line(pack: Path) -> None:
    hours = sum(float(row["quantity"]) for row in rows_of(pack, "hours"))
    (activity,) = [a for a in rows_of(pack, "activities") if a["activity_id"] == "meter-electricity"]
    assert float(activity["amount"]) == hours == 48.0
    (line,) = [
        row
        for row in rows_of(pack, "lines")
        if (row["activity_id"], row["method"]) == ("meter-electricity", "location")
    ]
    (factor,) = [f for f in rows_of(pack, "factors") if f["factor_id"] == line["factor_id"]]
    assert float(line["co2e_kg"]) == pytest.approx(hours * float(factor["value"]), rel=1e-12)
    assert float(factor["value"]) == GRID
    assert factor["source"]


def test_a_meter_of_which_no_calibration_is_told_says_so(pack: Path) -> None:
    (meter,) = rows_of(pack, "meters")
    assert (meter["meter"], meter["calibrated_on"], meter["calibration"]) == ("main", "not told", "not told")


def test_every_figure_has_its_sources(told: Park, pack: Path) -> None:
    traces = rows_of(pack, "traces")
    figures = {(row["figure_kind"], row["figure"]) for row in traces}
    statement = f"park/factory/{told.a}/month/{MONTH}@2"
    expected = {
        *(
            ("sum", f"{statement}/{s['scope']}/{s['method']}/{s['gwp_set']}")
            for s in rows_of(pack, "statement")
        ),
        *(
            ("line", f"{told.a}/{MONTH}/{row['activity_id']}/{row['method']}")
            for row in rows_of(pack, "lines")
        ),
        *(("activity", f"{told.a}/{MONTH}/{a['activity_id']}") for a in rows_of(pack, "activities")),
    }
    assert figures == expected
    assert all(row["topic"] and row["raw_file"] and row["schema_id"] for row in traces)
    metered = [r for r in traces if r["figure"] == f"{told.a}/{MONTH}/meter-electricity"]
    # Two nights, a message and a file each.
    offsets = [(r["topic"], r["first_offset"], r["last_offset"], r["messages"]) for r in metered]
    assert sorted(offsets) == [(told.topic(), "0", "0", "1"), (told.topic(), "1", "1", "1")]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_sample(
    told: Park, pack: Path, tmp_path: Path
) -> None:
    before = {p.name: p.read_bytes() for p in pack.iterdir()}
    answer = export(told, tmp_path, "--seed", 7, "--sample", 5)
    assert {p.name: p.read_bytes() for p in Path(answer.out.strip()).iterdir()} == before
    answer = export(told, tmp_path, "--seed", 8, "--sample", 5)
    assert (Path(answer.out.strip()) / "sample_hours.csv").read_bytes() != before["sample_hours.csv"]


def test_a_period_without_a_statement_is_missing_and_leaves_no_file(told: Park, tmp_path: Path) -> None:
    answer = export(told, tmp_path / "out", period="2024")
    assert answer.code == 5
    assert "missing: a statement of the period" in answer.err
    assert "누락" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_of_the_store_leaves_the_pack_before_as_it_was(told: Park, tmp_path: Path) -> None:
    park = told.copied(tmp_path / "hub")
    answer = export(park, tmp_path / "out")
    folder = Path(answer.out.strip())
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    file = min((park.hub.root / "store" / "park" / "raw_activities").rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[4] ^= 1
    file.write_bytes(bytes(content))
    answer = export(park, tmp_path / "out", "--seed", 9)
    assert answer.code == 3
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_folder_with_other_files_is_left_alone(told: Park, pack: Path, tmp_path: Path) -> None:
    folder = tmp_path / pack.name
    shutil.copytree(pack, folder)
    (folder / "notes.txt").write_text("mine")
    answer = export(told, tmp_path)
    assert answer.code == 2
    assert "notes.txt" in answer.err
    assert (folder / "notes.txt").read_text() == "mine"
