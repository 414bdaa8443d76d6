"""SIGKILL of the plain nightly at every commit, while it reads and while it publishes: the archive's source.

The same classes of kills on a real broker are in test_kills_on_kafka.py; here every single place is tried
(`make faults`), a third of them with each change.
"""

import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.trial import FIRST, SECOND, SECOND_NIGHTS_COMMITS, Driver, Ending, History

READS, PAGES = (1, 12), (1, 5)
KILLS = [
    *(("commit", number) for number in range(1, len(SECOND_NIGHTS_COMMITS) + 1)),
    *(("read", number) for number in READS),
    *(("page", number) for number in PAGES),
]
STRIDE = 3  # between commits that are tried with each change, besides those around the ledger
SOME = [
    kill
    for kill in KILLS
    if kill[0] != "commit"
    or kill[1] % STRIDE == 1
    or SECOND_NIGHTS_COMMITS[kill[1] - 1] in {"releases", "ledger_heads"}
]


@dataclass(frozen=True)
class Kill:
    """A night that was killed, and the night after it.

    Args:
        killed: how the killed night ended.
        next: how the following night ended.
        differing: tables and files that differ from the undisturbed history.
    """

    killed: Ending
    next: Ending
    differing: list[str]


def kill_and_repeat(history: History, kill: tuple[str, int], folder: Path, driver: Driver) -> Kill:
    place, number = kill
    own = replace(history.between.copy(folder / f"{place}-{number}"), driver=driver)
    killed = own.night(SECOND, place=place, number=number)
    after = own.night(SECOND)
    return Kill(killed, after, own.content().differing(history.last))


def killed(
    tried: Sequence[tuple[str, int]], history: History, drivers: tuple[Driver, Driver], folder: Path
) -> dict[tuple[str, int], Kill]:
    """Kill the second night at each of some places, two at a time."""

    def in_turn(number: int) -> list[tuple[tuple[str, int], Kill]]:
        own = tried[number :: len(drivers)]
        return [(kill, kill_and_repeat(history, kill, folder, drivers[number])) for kill in own]

    with ThreadPoolExecutor(len(drivers)) as pool:
        return dict(pair for pairs in pool.map(in_turn, range(len(drivers))) for pair in pairs)


def test_the_nights_make_the_commits_that_are_killed_here(archived: History) -> None:
    assert tuple(archived.second.places("commit")) == SECOND_NIGHTS_COMMITS
    assert len(archived.second.places("read")) >= max(READS)
    assert len(archived.second.places("page")) >= max(PAGES)
    assert "RESTATED" in archived.second.output  # a final day changes, so the history is written too


@pytest.mark.parametrize("tried", [SOME, pytest.param(KILLS, marks=pytest.mark.faults)], ids=["some", "all"])
def test_the_night_after_a_kill_ends_with_the_bytes_of_an_undisturbed_history(
    archived: History, drivers: tuple[Driver, Driver], tmp_path: Path, tried: list[tuple[str, int]]
) -> None:
    found = killed(tried, archived, drivers, tmp_path)
    assert found.keys() == {*tried}
    assert {kill: one.killed.code for kill, one in found.items()} == dict.fromkeys(tried, -signal.SIGKILL)
    assert {kill: one.next.errors for kill, one in found.items() if one.next.code} == {}
    assert {kill: one.differing for kill, one in found.items() if one.differing} == {}


@pytest.mark.parametrize("commits_a_run", [5, pytest.param(1, marks=pytest.mark.faults)])
def test_a_first_night_that_dies_after_every_few_commits_ends_with_the_same_bytes(
    archived: History, tmp_path: Path, commits_a_run: int
) -> None:
    place = archived.before.copy(tmp_path / "own")
    commits = archived.first.places("commit")
    lives = range((len(commits) - 1) // commits_a_run)
    endings = [place.night(FIRST, place="commit", number=commits_a_run + 1) for _ in lives]
    assert {e.code for e in endings} == {-signal.SIGKILL}
    made = [name for e in endings for name in e.places("commit")[:commits_a_run]]
    assert made == commits[: len(made)]
    assert place.night(FIRST).code == 0
    assert place.content().differing(archived.middle) == []
