"""A statement's tonnes lead back to offsets and come out again, and its pack can be checked without us."""

import hashlib
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.jobs.conftest import Answer, Hub, Park, ParkOf
from tests.jobs.test_carbon import GRID, MONDAY, MONTH, two_nights
from tests.jobs.test_trace import rewritten
from tests.recomputing import recomputed_hours, rows_of


def trace(park: Park, figure: str, *arguments: object) -> tuple[Answer, dict[str, Any]]:
    file = park.hub.root / "trace.json"
    file.unlink(missing_ok=True)
    answer = park.hub.run("trace", figure, "--json", file, *arguments)
    return answer, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def replayed(park: Park, figure: str) -> tuple[Answer, dict[str, Any]]:
    return trace(park, figure, "--replay", "--source", "archive")


def store(hub: Hub, table: str) -> Path:
    return hub.root / "store" / "park" / table


@pytest.fixture(scope="module")
def told(park_of: ParkOf) -> Park:
    """A park after two nights; nobody may change it (see `Park.copied`)."""
    return two_nights(park_of("archive"))


def test_a_months_tonnes_lead_to_lines_activities_hours_and_offsets(told: Park) -> None:
    answer, found = replayed(told, f"park/factory/{told.a}/month/{MONTH}")
    assert answer.code == 0, answer.err
    assert found["replay"]["equal"]
    assert found["statement"]["version"] == 2
    (location,) = [s for s in found["sums"] if (s["scope"], s["method"]) == ("2", "location")]
    # Monday and Tuesday, 24 hours of 1 kWh each.
    assert location["co2e_kg"] == pytest.approx(48 * GRID, rel=1e-12)
    amounts = {a["activity_id"]: a["amount"] for a in found["activities"]}
    assert (amounts["meter-electricity"], amounts["lng"]) == (48.0, 1000.0)
    assert len(found["hours"]) == 48
    assert {m["meter"] for m in found["meters"]} == {"main"}
    grid = next(f for f in found["factors"] if f["table"] == "emission_factors" and f["value"] == "0.4541")
    assert grid["source"]
    assert {(o["topic"], o["offsets"]) for o in found["offsets"]} == {
        (told.topic(), "0-1"), (told.topic("activities", told.a), "0-10"),
    }  # fmt: skip
    assert all(o["schema_ids"] for o in found["offsets"])
    assert {f["table"] for f in found["files"]} == {"raw_energy", "raw_activities"}
    assert {f["state"] for f in found["files"]} == {"intact"}
    compared = found["replay"]["compared"]
    assert compared["emission_statements"] == len(found["sums"])
    assert compared["emission_lines"] == len(found["lines"])
    assert compared["activities"] == len(amounts)


@pytest.mark.parametrize("subject", ["cluster/park/year/2025-01-01", "member"])
def test_every_level_and_period_comes_out_of_its_bytes_again(told: Park, subject: str) -> None:
    ids = told.rows("emission_statements").filter(pl.col("statement_id").str.contains(f"park/{subject}"))
    figure = ids["statement_id"].sort()[0]
    answer, found = replayed(told, figure)
    assert answer.code == 0, answer.err
    assert found["replay"]["equal"]
    assert ("confidential" in answer.err) == subject.startswith("cluster")


def test_an_older_version_comes_out_of_its_activities_and_says_how_far_it_leads(told: Park) -> None:
    answer, found = replayed(told, f"park/factory/{told.a}/month/{MONTH}@1")
    assert answer.code == 0, answer.err
    (location,) = [s for s in found["sums"] if (s["scope"], s["method"]) == ("2", "location")]
    assert location["co2e_kg"] == pytest.approx(24 * GRID, rel=1e-12)
    assert found["replay"]["equal"]
    assert found["hours"] == []
    (remark,) = found["remarks"]
    assert "meter-electricity: version 1 was replaced since" in remark
    # What was told has not changed, and still leads to its messages.
    assert [o["topic"] for o in found["offsets"]] == [told.topic("activities", told.a)]


def test_a_told_amount_that_was_changed_in_the_store_differs_where_it_is(told: Park, tmp_path: Path) -> None:
    park = told.copied(tmp_path / "hub")
    (file,) = [
        f
        for f in store(park.hub, "raw_activities").glob(f"day={MONDAY}/*/*.parquet")
        if told.a in pl.read_parquet(f, hive_partitioning=False)["factory"]
    ]
    rows = pl.read_parquet(file, hive_partitioning=False)
    rewritten(
        file, rows.with_columns(amount=pl.when(pl.col("amount") == 1000.0).then(999.0).otherwise("amount"))
    )
    answer, found = replayed(park, f"park/factory/{told.a}/month/{MONTH}")
    assert answer.code == 3
    difference = found["replay"]["difference"]
    assert (difference["stage"], difference["column"]) == ("raw_activities", "amount")
    assert (difference["stored"], difference["again"]) == (999.0, 1000.0)


def test_one_changed_byte_of_the_archive_is_found_and_named(told: Park, tmp_path: Path) -> None:
    park = told.copied(tmp_path / "hub")
    file = min((park.hub.root / "archive").rglob(f"{told.topic('activities', told.a)}+0+*.avro"))
    content = bytearray(file.read_bytes())
    content[-30] ^= 1
    file.write_bytes(bytes(content))
    answer, _ = replayed(park, f"park/factory/{told.a}/month/{MONTH}")
    assert answer.code == 13
    assert file.name in answer.err


def test_a_changed_tonne_differs_from_what_its_lines_give(told: Park, tmp_path: Path) -> None:
    park = told.copied(tmp_path / "hub")
    for file in store(park.hub, "emission_statements").glob("*.parquet"):
        rows = pl.read_parquet(file)
        one = (pl.col("statement_id") == f"park/factory/{told.a}/month/{MONTH}") & (pl.col("scope") == "1")
        rewritten(file, rows.with_columns(co2e_kg=pl.when(one).then(1.0).otherwise("co2e_kg")))
    answer, found = replayed(park, f"park/factory/{told.a}/month/{MONTH}")
    assert answer.code == 3
    difference = found["replay"]["difference"]
    assert (difference["stage"], difference["column"]) == ("emission_statements", "co2e_kg")
    assert difference["stored"] == 1.0


def test_a_statement_that_is_not_there_is_one_line(told: Park) -> None:
    answer = told.hub.run("trace", "park/factory/nobody/month/2025-11-01")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1


def export(park: Park, out: Path, *more: object, period: str = "2025-11") -> Answer:
    named = ("--format", "verification", "--factory", park.a, "--period", period, "--out", out)
    return park.hub.run("export", *named, "--cluster", "park", *more)


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
