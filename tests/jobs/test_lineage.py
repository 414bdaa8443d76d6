"""Each night tells what it read and wrote, in OpenLineage's words, and never fails for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.serde import Serde

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.lineage import READS, WRITES
from pipelines.jobs.nightly import STEPS
from tests.jobs.conftest import SEOUL, Hub, Park, instant

TUESDAY = date(2025, 11, 4)
NIGHT = datetime(2025, 11, 5, 3, tzinfo=SEOUL)
Event = dict[str, Any]


def log_of(hub: Hub) -> Path:
    return hub.root / "build" / "openlineage.jsonl"


def events(hub: Hub) -> list[Event]:
    return [json.loads(line) for line in log_of(hub).read_text(encoding="utf-8").splitlines()]


def untimed(told: list[Event]) -> list[Event]:
    return [{name: value for name, value in event.items() if name != "eventTime"} for event in told]


def rebuilt(event: Event) -> str:
    """Build an event anew by the client's own classes, whose validators check it, and write it."""
    return Serde.to_json(
        RunEvent(
            eventType=RunState(event["eventType"]),
            eventTime=event["eventTime"],
            run=Run(event["run"]["runId"], event["run"]["facets"]),
            job=Job(event["job"]["namespace"], event["job"]["name"], event["job"]["facets"]),
            inputs=[InputDataset(**dataset) for dataset in event["inputs"]],
            outputs=[OutputDataset(**dataset) for dataset in event["outputs"]],
            producer=event["producer"],
        )
    )


@contextmanager
def steps(**changed: Any) -> Iterator[None]:
    """Let every step do nothing but those that are given."""
    with mock.patch.dict(STEPS, {name: lambda *_: None for name in STEPS} | changed):
        yield


def test_every_step_says_what_it_reads_and_writes() -> None:
    assert list(READS) == list(WRITES) == list(STEPS)


def test_the_same_night_from_the_same_state_tells_the_same(park: Park, tmp_path: Path) -> None:
    park.send_profiles(park.a, park.b)
    park.send(park.topic(), [park.energy(park.a, instant(TUESDAY), [1.0] * 24)], instant(TUESDAY, 24))
    twin = park.copied(tmp_path / "twin")
    assert [p.nightly(NIGHT).code for p in (park, twin)] == [0, 0]
    told = events(park.hub)
    assert untimed(told) == untimed(events(twin.hub))
    assert [e["eventType"] for e in told] == ["START", *["START", "COMPLETE"] * len(STEPS), "COMPLETE"]
    assert [e["job"]["name"] for e in told[1:-1:2]] == [f"nightly.{name}" for name in STEPS]
    assert [rebuilt(e) for e in told] == log_of(park.hub).read_text(encoding="utf-8").splitlines()

    by_job = {e["job"]["name"]: e for e in told if e["eventType"] == "COMPLETE"}
    (topic,) = [d for d in by_job["nightly.events"]["inputs"] if d["name"] == park.topic()]
    (offsets,) = topic["facets"]["digitalCluster_offsets"]["ranges"]
    assert (offsets["partition"], offsets["start"], offsets["end"]) == (0, 0, 1)
    outputs = {d["name"]: d for d in by_job["nightly.emissions"]["outputs"]}
    ours = {f"store/park/{n}" for n in ("activities", "emissions", "factor_choices", "factor_sets")}
    assert outputs.keys() == ours
    emissions = outputs["store/park/emissions"]
    assert {f["name"]: f["type"] for f in emissions["facets"]["schema"]["fields"]}["co2e_kg"] == "double"
    assert "store/park/facts_energy" in [d["name"] for d in by_job["nightly.emissions"]["inputs"]]
    night = by_job["nightly"]["run"]
    assert night["facets"]["digitalCluster_night"]["asOf"] == NIGHT.astimezone(UTC).isoformat()
    assert night["facets"]["nominalTime"]["nominalStartTime"] == "2025-11-04T18:00:00+00:00"
    assert {e["run"]["facets"]["parent"]["run"]["runId"] for e in told[1:-1]} == {night["runId"]}

    # Every table that has rows by now was told of with its version: no step writes what it doesn't name.
    written = {
        d["name"].rpartition("/")[2]: int(d["facets"]["version"]["datasetVersion"])
        for e in told
        for d in e["outputs"]
        if "version" in d["facets"]
    }
    versions = park.hub.store("park").table_versions()
    assert {n: v for n, v in versions.items() if v > 0} == {n: v for n, v in written.items() if v > 0}

    assert park.nightly(NIGHT).code == 0
    again = events(park.hub)[len(told) :]
    assert {e["run"]["facets"]["digitalCluster_night"]["attempt"] for e in again} == {2}
    assert {e["run"]["runId"] for e in again}.isdisjoint(e["run"]["runId"] for e in told)
    assert [d for e in again for d in e["outputs"]] == []


def test_a_step_that_fails_is_told_and_ends_the_night_as_before(park: Park) -> None:
    def refuse(*_: Any) -> None:
        raise OperatorError("the disk is full", "디스크가 가득 찼습니다", ExitCode.STORE)

    with steps(release=refuse):
        assert park.nightly(NIGHT).code == ExitCode.STORE
    failed = [e for e in events(park.hub) if e["eventType"] == "FAIL"]
    assert [e["job"]["name"] for e in failed] == ["nightly.release", "nightly"]
    assert [e["run"]["facets"]["errorMessage"]["message"] for e in failed] == ["the disk is full"] * 2


def test_a_log_that_cannot_be_written_is_a_warning(park: Park) -> None:
    (park.hub.root / "taken").mkdir()
    park.hub = park.hub.with_settings(openlineage_file="taken")
    with steps():
        answer = park.nightly(NIGHT)
    assert answer.code == 0, answer.err
    assert "lineage not written" in answer.err
    assert "IsADirectoryError" in answer.err


def test_an_empty_setting_tells_nothing(park: Park) -> None:
    park.hub = park.hub.with_settings(openlineage_file="")
    with steps():
        answer = park.nightly(NIGHT)
    assert answer.code == 0, answer.err
    assert not (park.hub.root / "build").exists()
    assert "lineage" not in answer.err
