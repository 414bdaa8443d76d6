"""Offsets that the broker no longer has, on a real broker: a recorded gap with exact bounds, said first."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from pipelines.connectors.kafka import KafkaConnection, KafkaSource, open_admin
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sink import KafkaSink, Record
from pipelines.demo.broker import LocalBroker
from pipelines.demo.publisher import open_encoders
from pipelines.domain.outcomes import ExitCode
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.streams import factory_topic
from pipelines.schemas.tables import FACTS_ENERGY, GAPS, RAW
from tests.faults.trial import Driver, Ending, Place

pytestmark = pytest.mark.kafka
AS_OF = "2025-11-04T03:00+09:00"
MIDNIGHT = datetime(2025, 11, 2, 15, tzinfo=UTC)  # 2025-11-03 in Seoul
DEFINITION = """
cluster: {cluster}
name: {{ko: 누락, en: Gap}}
zone: Asia/Seoul
geography: KR
policy: {{version: "1", classes: {{A: {{min_contributors: 3, coalition: 1}}}}}}
members:
  - member: one
    name: {{ko: 하나, en: One}}
    holding: one
    factories: [{{factory: {factory}, joined: 2025-11-01}}]
gateways: []
"""


@dataclass(frozen=True)
class Meter:
    """A factory with one meter, its topic, and the nights of its cluster."""

    factory: str
    place: Place
    connection: KafkaConnection

    @property
    def topic(self) -> str:
        return factory_topic(self.factory, "energy")

    def send(self, hours: Sequence[int], stream: str = "energy") -> None:
        """Send an hour's reading of `hour + 1` kWh for each hour, one message each."""
        encoder = open_encoders(LocalRegistry(packaged_folder("avro") / "history"))[stream]
        records = [
            Record(
                b"main", encoder.encode(self.reading(h) if stream == "energy" else self.profile()), sent_ms(h)
            )
            for h in hours
        ]
        sink = KafkaSink(self.connection)
        sink.ensure_topics([factory_topic(self.factory, stream)])
        sink.send(factory_topic(self.factory, stream), records)

    def reading(self, hour: int) -> dict[str, Any]:
        at = MIDNIGHT + timedelta(hours=hour)
        return {
            "factory": self.factory, "meter": "main", "carrier": "electricity", "kind": "interval",
            "unit": "kWh", "stamp": "start", "length_s": 3600, "sequence": hour,
            "readings": [{"at": at, "value": hour + 1.0}],
        }  # fmt: skip

    def profile(self) -> dict[str, Any]:
        return {
            "factory": self.factory, "valid_from": MIDNIGHT, "name": "One", "geography": "KR",
            "process": "casting", "sequence": 1, "shifts": [], "holidays": [], "products": [], "machines": [],
            "meters": [{"meter": "main", "carrier": "electricity", "unit": "kWh"}],
        }  # fmt: skip

    def incarnation(self) -> str:
        return KafkaSource(self.connection).bounds([self.topic])[0].partition.incarnation

    def delete_before(self, offset: int) -> None:
        admin = open_admin(self.connection)  # the answers die with it
        for answer in admin.delete_records([TopicPartition(self.topic, 0, offset)]).values():
            answer.result()

    def recreate(self, hours: Sequence[int]) -> str:
        """Delete the topic and make it anew with the messages of some hours; returns its new id."""
        admin = open_admin(self.connection)
        for answer in admin.delete_topics([self.topic]).values():
            answer.result()
        deadline = time.monotonic() + 10
        while self.topic in admin.list_topics(timeout=5).topics and time.monotonic() < deadline:
            pass
        self.send(hours)
        return self.incarnation()

    def night(self) -> Ending:
        return self.place.night(AS_OF)

    def gaps(self) -> list[tuple[object, ...]]:
        """Return incarnation, first and end offset, reason and previous incarnation of every recorded gap."""
        rows = self.place.store().open(GAPS).scan().filter(topic=self.topic).sort("known_at", "first_offset")
        columns = ("incarnation", "first_offset", "end_offset", "reason", "previous_incarnation")
        return rows.select(columns).collect().rows()

    def offsets(self, incarnation: str) -> list[int]:
        rows = self.place.store().open(RAW["energy"]).scan().filter(incarnation=incarnation)
        return rows.select("offset").collect()["offset"].sort().to_list()

    def kwh(self) -> list[float | None]:
        rows = self.place.store().open(FACTS_ENERGY).scan().filter(allocation="hour").sort("start").collect()
        return rows["quantity"].to_list()


def sent_ms(hour: int) -> int:
    return round((MIDNIGHT + timedelta(hours=hour + 1)).timestamp() * 1000)


@pytest.fixture
def meter(broker: LocalBroker, driver: Driver, tmp_path: Path) -> Meter:
    """A factory that has sent its profile and its first ten hours, and had its first night."""
    factory = f"gap-{uuid.uuid4().hex[:8]}"
    (tmp_path / "clusters").mkdir()
    definition = DEFINITION.format(cluster=factory, factory=factory)
    (tmp_path / "clusters" / f"{factory}.yaml").write_text(definition)
    environment = {
        "DC_CLUSTERS": str(tmp_path / "clusters"),
        "DC_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "DC_WORKERS": "1",
    }
    place = Place(tmp_path, driver, "kafka", environment, factory)
    made = Meter(factory, place, KafkaConnection(broker.bootstrap_servers))
    made.send([0], "profile")
    made.send(range(10))
    first = made.night()
    assert first.code == 0, first.errors
    return made


def assert_gap_is_said_first(ending: Ending, bounds: str) -> None:
    assert ending.code == ExitCode.GAP, ending.errors
    first = ending.output.splitlines()[0]
    assert first.startswith("GAP")
    assert bounds in first


def assert_the_next_night_is_clean(meter: Meter) -> None:
    after = meter.night()
    assert after.code == 0, after.errors
    assert after.places("commit") == []
    assert "GAP" not in after.output


def test_offsets_that_were_deleted_before_they_were_read_are_a_gap_with_exact_bounds(meter: Meter) -> None:
    same = meter.incarnation()
    meter.send(range(10, 20))
    meter.delete_before(15)
    assert_gap_is_said_first(meter.night(), f"{meter.topic}[0] offsets 10 to 15: offsets_deleted")
    assert meter.gaps() == [(same, 10, 15, "offsets_deleted", None)]
    assert meter.offsets(same) == [*range(10), *range(15, 20)]
    assert meter.kwh() == [*map(float, range(1, 11)), *[None] * 5, *map(float, range(16, 21)), *[None] * 4]
    assert_the_next_night_is_clean(meter)


def test_offsets_that_were_read_before_they_were_deleted_are_no_gap(meter: Meter) -> None:
    meter.send(range(10, 20))
    meter.delete_before(10)
    assert meter.night().code == 0
    assert meter.gaps() == []


@pytest.mark.faults
def test_when_everything_unread_was_deleted_the_gap_reaches_to_the_end(meter: Meter) -> None:
    same = meter.incarnation()
    meter.send(range(10, 20))
    meter.delete_before(20)
    assert_gap_is_said_first(meter.night(), "offsets 10 to 20")
    assert meter.gaps() == [(same, 10, 20, "offsets_deleted", None)]
    assert_the_next_night_is_clean(meter)
    meter.send([20])
    assert meter.night().code == 0
    assert meter.offsets(same) == [*range(10), 20]


@pytest.mark.parametrize(
    "messages", [4, pytest.param(15, marks=pytest.mark.faults)], ids=["shorter", "longer"]
)
def test_a_recreated_topic_is_read_from_its_beginning_and_a_gap_is_recorded(
    meter: Meter, messages: int
) -> None:
    before = meter.incarnation()
    now = meter.recreate(range(10, 10 + messages))
    assert_gap_is_said_first(meter.night(), "offsets 10 to unknown: topic_recreated")
    assert meter.gaps() == [(now, 10, None, "topic_recreated", before)]
    assert meter.offsets(now) == list(range(messages))
    assert meter.offsets(before) == list(range(10))
    assert_the_next_night_is_clean(meter)


@pytest.mark.faults
def test_a_topic_that_was_recreated_and_lost_its_beginning_has_two_gaps(meter: Meter) -> None:
    before = meter.incarnation()
    now = meter.recreate(range(10, 20))
    meter.delete_before(3)
    assert_gap_is_said_first(meter.night(), "topic_recreated")
    assert sorted(meter.gaps(), key=str) == sorted(
        [(now, 10, None, "topic_recreated", before), (now, 0, 3, "offsets_deleted", None)], key=str
    )
    assert meter.offsets(now) == list(range(3, 10))
    assert_the_next_night_is_clean(meter)


@pytest.mark.faults
def test_a_topic_that_is_recreated_again_continues_from_the_one_before(meter: Meter) -> None:
    meter.recreate(range(3))
    assert meter.night().code == ExitCode.GAP
    second = meter.incarnation()
    third = meter.recreate(range(12))
    assert_gap_is_said_first(meter.night(), "offsets 3 to unknown: topic_recreated")
    assert (third, 3, None, "topic_recreated", second) in meter.gaps()
    assert_the_next_night_is_clean(meter)


def test_a_gap_that_grew_after_a_killed_night_is_recorded_to_its_end(meter: Meter) -> None:
    same = meter.incarnation()
    meter.send(range(10, 20))
    meter.delete_before(15)
    killed = meter.place.night(AS_OF, place="commit", number=2)
    assert killed.places("commit")[0] == "gaps"
    meter.delete_before(18)
    assert meter.night().code == ExitCode.GAP
    assert meter.gaps() == [
        (same, 10, 15, "offsets_deleted", None),
        (same, 15, 18, "offsets_deleted", None),
    ]
    assert meter.offsets(same) == [*range(10), 18, 19]
    assert_the_next_night_is_clean(meter)
