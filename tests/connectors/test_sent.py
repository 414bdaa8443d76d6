"""The record of what was sent: by target, topic and digest, kept in the store."""

from pathlib import Path

import pytest

from pipelines.connectors.objects import open_objects
from pipelines.connectors.sent import StoredPositions, StoredSentLog

TOPIC, DIGEST = "factory.a1.energy", "d" * 64


@pytest.fixture
def sent(tmp_path: Path) -> StoredSentLog:
    return StoredSentLog(open_objects(str(tmp_path)))


def test_a_unit_is_known_once_it_is_recorded(sent: StoredSentLog) -> None:
    assert not sent.contains("broker-1", TOPIC, DIGEST)
    sent.record("broker-1", TOPIC, DIGEST, 96, "a.csv")
    assert sent.contains("broker-1", TOPIC, DIGEST)


@pytest.mark.parametrize(
    ("target", "topic", "digest"),
    [
        ("broker-2", TOPIC, DIGEST),
        ("broker-1", "factory.a2.energy", DIGEST),
        ("broker-1", "factory.a1.states", DIGEST),
        ("broker-1", TOPIC, "e" * 64),
    ],
    ids=["another-broker", "another-factory", "another-stream", "another-content"],
)
def test_what_differs_in_anything_was_not_sent(
    sent: StoredSentLog, target: str, topic: str, digest: str
) -> None:
    sent.record("broker-1", TOPIC, DIGEST, 96, "a.csv")
    assert not sent.contains(target, topic, digest)


def test_units_are_counted_by_target_and_topic(sent: StoredSentLog) -> None:
    for number in range(3):
        sent.record("broker-1", TOPIC, f"{number:064d}", 1, "day")
    sent.record("broker-1", TOPIC, f"{0:064d}", 1, "day")  # again: still one
    sent.record("broker-1", "factory.a10.energy", DIGEST, 1, "day")
    assert sent.units("broker-1", TOPIC) == 3
    assert sent.units("broker-2", TOPIC) == 0


def test_another_run_on_the_same_store_knows_it(tmp_path: Path) -> None:
    StoredSentLog(open_objects(str(tmp_path))).record("file:///archive/a b", TOPIC, DIGEST, 1, "일간")
    assert StoredSentLog(open_objects(str(tmp_path))).contains("file:///archive/a b", TOPIC, DIGEST)


def test_positions_are_of_one_target_and_the_last_ones_hold(tmp_path: Path) -> None:
    objects = open_objects(str(tmp_path))
    positions = StoredPositions(objects, "broker-1")
    assert positions.read() == {}
    positions.write({"kpis": 3, "releases": 40})
    positions.write({"kpis": 4, "releases": 40})
    assert positions.read() == {"kpis": 4, "releases": 40}
    assert StoredPositions(objects, "broker-2").read() == {}
    assert StoredSentLog(objects).units("broker-1", "member.naru.kpis") == 0
