from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pytest

from pipelines.connectors.kafka import KafkaConnection
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sink import KafkaSink, Record
from pipelines.connectors.source import Source
from pipelines.demo.broker import LocalBroker
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.decode import MessageDecoder, reader_schema
from pipelines.schemas.encode import MessageEncoder
from pipelines.schemas.messages import OffsetRange, PartitionBounds

FIRST_STAMP_MS = 1_514_764_800_000  # 2018-01-01T00:00Z, long before any retention


@dataclass(frozen=True)
class Whole:
    """All batches of a read, joined."""

    rows: pa.Table
    undecodable: pa.Table
    messages: pa.Table


@dataclass(frozen=True)
class Messages:
    """Makes and reads energy messages."""

    registry: LocalRegistry
    decoder: MessageDecoder

    def good(self, number: int, readings: int = 3) -> bytes:
        """Return a message of meter `m<number>` with some readings, 15 minutes apart."""
        start_us = FIRST_STAMP_MS * 1000
        record = {
            "factory": "a1",
            "meter": f"m{number}",
            "carrier": "electricity",
            "kind": "interval",
            "unit": "kWh",
            "stamp": "start",
            "length_s": 900,
            "sequence": number,
            "readings": [
                {"at": start_us + i * 900_000_000, "value": number + i / 4} for i in range(readings)
            ],
        }
        text = self.registry.text(1)
        assert text is not None
        return MessageEncoder(1, text).encode(record)

    def record(self, number: int, value: bytes | None) -> Record:
        """Return a record sent `number` seconds after the first."""
        key = None if value is None else f"a1/m{number % 4}".encode()
        return Record(key or b"a1", value, FIRST_STAMP_MS + number * 1000, (("trace", b"%d" % number),))

    def mixed(self) -> list[Record]:
        """Return good messages, and between them every kind of poison."""
        good = self.good(0)
        poison: list[bytes | None] = [
            good[:-3],
            b"\x07\x08\x09random bytes that are no message",
            b"\x01" + good[1:],
            b"\x00\x00\x00\x27\x0f" + good[5:],
            b"\x00\xff\xff\xff\xff" + good[5:],
            good + b"left over",
            b"\x00\x00\x00\x00\x01" + b"\x00" * 1_100_000,
            good[:5] + b"\x81\x00" + good[6:],
            b"",
            None,
        ]
        values: list[bytes | None] = [self.good(i) for i in range(12)]
        for place, bad in enumerate(poison):
            values.insert(2 * place + 1, bad)
        return [self.record(i, v) for i, v in enumerate(values)]

    def read(self, source: Source, bounds: PartitionBounds, start: int | None = None) -> Whole:
        """Read a partition from `start` (default: its earliest offset) to its end."""
        begin = bounds.earliest if start is None else start
        batches = list(source.read(OffsetRange(bounds.partition, begin, bounds.end), self.decoder))
        assert all(b.partition == bounds.partition and b.cut_at is None for b in batches)
        return Whole(
            pa.concat_tables([b.rows for b in batches]).combine_chunks(),
            pa.concat_tables([b.undecodable for b in batches]).combine_chunks(),
            pa.concat_tables([b.messages for b in batches]).combine_chunks(),
        )


@pytest.fixture(scope="session")
def messages() -> Messages:
    registry = LocalRegistry(packaged_folder("avro") / "history")
    return Messages(registry, MessageDecoder(reader_schema("energy", registry), registry, 1_048_576))


@pytest.fixture(scope="session")
def connection(broker: LocalBroker) -> KafkaConnection:
    return KafkaConnection(broker.bootstrap_servers, timeout_s=10)


@pytest.fixture
def publish(
    connection: KafkaConnection, fresh_topic: Callable[[str], str]
) -> Callable[[Iterable[Record]], str]:
    """Publish records on a topic of their own and return its name."""

    def publish_on_fresh_topic(records: Iterable[Record]) -> str:
        topic = fresh_topic("energy")
        sink = KafkaSink(connection)
        sink.ensure_topics([topic])
        sink.send(topic, records)
        return topic

    return publish_on_fresh_topic
