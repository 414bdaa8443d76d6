"""The night as a flow: tasks, artifact, final state."""
# ruff: noqa: PLC0415 - Prefect reads its surroundings on import, and a fixture sets them first

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.jobs.nightly import STEPS, NightReport

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State


class World(Protocol):
    """The small world of the fixture."""

    def changeable_files(self) -> dict[str, bytes]: ...


EARLY = "2025-10-29T03:00:00+09:00"
"""Two closed days of the demo."""


def run() -> "State[Any]":
    """Run the flow for the demo; returns its final state."""
    from flows.nightly import nightly

    return nightly(source="archive", as_of=EARLY, demo=True, return_state=True)


def task_states(state: "State[Any]") -> dict[str, str]:
    """Return the names of the states of a run's tasks, as Prefect's API has them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.events.worker import EventsWorker

    EventsWorker.drain_all(timeout=10)
    only = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        return {t.name: str(t.state_name) for t in client.read_task_runs(flow_run_filter=only)}


def run_state(state: "State[Any]") -> tuple[str, str, str]:
    """Return type, name and message of a run's final state, as Prefect's API has them."""
    from prefect.client.orchestration import get_client

    run_id = state.state_details.flow_run_id
    assert run_id is not None
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(run_id).state
    assert found is not None
    return found.type.value, str(found.name), str(found.message)


def artifact_rows(state: "State[Any]") -> dict[str, str]:
    """Return the table that a run left."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    run_id = state.state_details.flow_run_id
    assert run_id is not None
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(artifact_filter=of_run)
    assert found.key == "nightly-changwon-demo"
    assert isinstance(found.data, str)
    return {row["what"]: row["result"] for row in json.loads(found.data)}


@pytest.fixture
def stepping(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace steps of the night by functions of the test; the others do nothing."""

    def replace(**steps: Callable[[Night, NightReport, Path], None]) -> None:
        monkeypatch.setattr("flows.nightly.publish", lambda *_: 0)
        for name in STEPS:
            monkeypatch.setitem(STEPS, name, steps.get(name, lambda *_: None))

    return replace


@pytest.mark.usefixtures("prefect_api")
def test_a_night_of_two_factories_completes_and_the_next_finds_nothing_new(world: World) -> None:
    first = run()

    assert run_state(first) == ("COMPLETED", "Completed", "done: 2025-10-28")
    assert task_states(first) == dict.fromkeys(["publish-demo", *STEPS], "Completed")
    rows = artifact_rows(first)
    assert rows["night"] == "changwon-demo, 2025-10-29T03:00:00+09:00, last closed day 2025-10-28"
    assert "raw rows" in rows["rows"]
    before = world.changeable_files()
    assert "site/index.html" in before

    second = run()

    assert run_state(second) == ("COMPLETED", "Completed", "nothing new")
    assert "nothing new" in artifact_rows(second)["result"]
    assert world.changeable_files() == before


@pytest.mark.usefixtures("prefect_api", "world")
def test_a_failing_step_ends_the_run_with_the_name_of_its_exit_code(
    stepping: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    from flows.nightly import exit_code

    def fail(*_: object) -> None:
        raise OperatorError("the disk is full: free some space", "디스크가 가득 찼습니다", ExitCode.STORE)

    stepping(facts=fail)
    state = run()

    assert exit_code(state) is ExitCode.STORE
    assert run_state(state) == ("FAILED", "STORE", "exit 14: the disk is full: free some space")
    states = task_states(state)
    assert states["facts"] == "STORE"
    assert states["events"] == "Completed"
    assert "emissions" not in states
    assert artifact_rows(state)["exit code"] == "14 STORE"
    errors = capfd.readouterr().err
    assert "error: the disk is full: free some space / 오류: 디스크가 가득 찼습니다" in errors
    assert "Traceback" not in errors


@pytest.mark.usefixtures("prefect_api", "world")
def test_a_gap_is_a_failed_state_that_names_it_though_every_step_was_done(
    stepping: Callable[..., None],
) -> None:
    gap = {"topic": "factory.maru.energy", "partition": 0, "first_offset": 3, "end_offset": 9, "reason": "x"}

    def lose(_night: Night, report: NightReport, _site: Path) -> None:
        report.ingest.gaps.append(gap)

    stepping(events=lose)
    kind, name, message = run_state(state := run())

    assert (kind, name) == ("FAILED", "GAP")
    assert message.startswith("exit 10: GAP / 누락: factory.maru.energy[0] offsets 3 to 9")
    assert task_states(state)["publish"] == "Completed"


@pytest.mark.usefixtures("prefect_api", "world")
def test_a_second_run_says_that_another_holds_the_lease(stepping: Callable[..., None]) -> None:
    inner: list[State[Any]] = []
    stepping(facts=lambda *_: inner.append(run()))

    outer = run()

    assert run_state(outer)[0] == "COMPLETED"
    assert run_state(inner[0])[:2] == ("FAILED", "LEASE_HELD")


@pytest.mark.usefixtures("prefect_api", "world")
def test_a_defect_is_no_exit_code_but_shows_itself(stepping: Callable[..., None]) -> None:
    from flows.nightly import exit_code

    stepping(kpis=lambda *_: 1 / 0)
    state = run()

    assert run_state(state)[0] == "FAILED"
    with pytest.raises(ZeroDivisionError):
        exit_code(state)


@pytest.mark.usefixtures("prefect_api", "world")
def test_what_a_task_works_on_is_neither_hashed_nor_copied(stepping: Callable[..., None]) -> None:
    seen: list[tuple[Night, NightReport]] = []
    stepping(**dict.fromkeys(STEPS, lambda night, report, _site: seen.append((night, report))))

    run()

    assert len(seen) == len(STEPS)
    assert len({(id(night), id(report)) for night, report in seen}) == 1
