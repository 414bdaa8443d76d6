"""SIGKILL of the plain nightly on a real broker: reading, before, between and after commits, publishing."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.connectors.kafka import KafkaConnection
from pipelines.connectors.sink import KafkaSink
from pipelines.demo.broker import LocalBroker
from pipelines.domain.outcomes import ExitCode
from tests.faults.trial import (
    SECOND,
    SECOND_NIGHTS_COMMITS,
    Driver,
    History,
    live_through,
    publish,
    settings,
)

pytestmark = pytest.mark.kafka


def before(table: str) -> int:
    """Return the number of a table's commit, before which a night is stopped."""
    return 1 + SECOND_NIGHTS_COMMITS.index(table)


@pytest.fixture(scope="module")
def streamed(own_broker: LocalBroker, driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> History:
    """An undisturbed history on the broker."""
    folder = tmp_path_factory.mktemp("streamed")
    connection = KafkaConnection(own_broker.bootstrap_servers)
    environment = settings(DC_KAFKA_BOOTSTRAP_SERVERS=own_broker.bootstrap_servers)
    return live_through(
        folder,
        driver,
        [environment, environment],
        "kafka",
        lambda as_of: publish(KafkaSink(connection), folder / "sent", as_of),
    )


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("read", 1),
        ("read", 9),
        pytest.param("commit", 1, marks=pytest.mark.faults),
        pytest.param("page", 5, marks=pytest.mark.faults),
    ],
    ids=["at-the-first-read", "while-reading", "files-written-before-the-first-commit", "between-two-pages"],
)
def test_the_night_after_a_kill_ends_with_the_bytes_of_an_undisturbed_history(
    streamed: History, tmp_path: Path, place: str, number: int
) -> None:
    own = streamed.between.copy(tmp_path / "own")
    killed = own.night(SECOND, place=place, number=number)
    assert killed.code == -signal.SIGKILL
    after = own.night(SECOND)
    assert after.code == 0, after.errors
    assert own.content().differing(streamed.last) == []


# Every place is tried on the archive; here each of them once more, in `make faults`.
@pytest.mark.faults
def test_a_night_that_dies_after_each_of_its_commits_ends_with_the_same_bytes(
    streamed: History, tmp_path: Path
) -> None:
    own = streamed.between.copy(tmp_path / "own")
    commits = streamed.second.places("commit")
    endings = [own.night(SECOND, place="commit", number=2) for _ in commits[1:]]
    assert {e.code for e in endings} == {-signal.SIGKILL}
    assert [e.places("commit")[0] for e in endings] == commits[:-1]
    assert own.night(SECOND).code == 0
    assert own.content().differing(streamed.last) == []


def test_of_two_nights_that_start_together_one_wins_and_the_other_says_so_in_one_line(
    streamed: History, tmp_path: Path
) -> None:
    own = streamed.between.copy(tmp_path / "own")
    both = [own.start(SECOND), own.start(SECOND)]
    endings = sorted((run.wait() for run in both), key=lambda ending: ending.code or 0)
    assert [e.code for e in endings] == [ExitCode.DONE, ExitCode.LEASE_HELD]
    (line,) = endings[1].error_lines()
    assert "Another run holds this cluster" in line
    assert own.content().differing(streamed.last) == []


@pytest.mark.parametrize(
    ("place", "number"),
    [
        pytest.param("read", 9, marks=pytest.mark.faults),
        pytest.param("commit", before("raw_energy"), marks=pytest.mark.faults),
        ("commit", before("facts_energy")),
        ("commit", before("releases")),
    ],
    ids=["reading", "before-raw-rows", "between-history-and-facts", "between-inputs-and-ledger"],
)
def test_a_zombie_that_wakes_after_its_lease_commits_nothing_and_says_so_in_one_line(
    streamed: History, tmp_path: Path, place: str, number: int
) -> None:
    own = streamed.between.copy(tmp_path / "own")
    own = replace(own, environment={**own.environment, "DC_LEASE_S": "0.5"})
    zombie = own.start(SECOND, place=place, number=number, signal=signal.SIGSTOP)
    assert zombie.wait(stopped=True).code is None
    rival = own.night(SECOND)
    while rival.code == ExitCode.LEASE_HELD:  # until the stopped run's lease has expired
        rival = own.night(SECOND)
    assert rival.code == 0, rival.errors
    os.kill(zombie.pid, signal.SIGCONT)
    ending = zombie.wait()
    assert ending.code == ExitCode.LEASE_HELD, ending.errors
    assert len(ending.error_lines()) == 1, ending.errors
    assert own.content().differing(streamed.last) == []
    assert own.night(SECOND).places("commit") == []
