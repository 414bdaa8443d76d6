"""A statement's tonnes lead back to offsets, and the same offsets give the same bits."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.jobs.conftest import Answer, Hub, Park, ParkOf
from tests.jobs.test_carbon import GRID, MONDAY, MONTH, two_nights
from tests.jobs.test_trace import rewritten


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
