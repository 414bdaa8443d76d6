"""What the workloads read: millions of messages on a broker, encoded with numpy and sent in batches.

Belongs here: energy readings and Theodolite's power records as bytes. Does not belong here: reading them.

Every value is a multiple of 1/4, so that sums are exact in any order and answers can be compared.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from pipelines.connectors.kafka import KafkaConnection
from pipelines.connectors.topics import ensure_topics
from pipelines.schemas.contracts import contract_text
from pipelines.schemas.encode import MessageEncoder, header
from pipelines.schemas.streams import factory_topic

Octets = npt.NDArray[np.uint8]

ENERGY_ID, POWER_ID = 1, 2
POWER_RECORD = json.dumps(
    {
        "type": "record",
        "name": "ActivePowerRecord",
        "namespace": "kr.digitalcluster.perf",
        "fields": [
            {"name": "identifier", "type": "string"},
            {"name": "timestamp", "type": "long"},
            {"name": "valueInW", "type": "double"},
        ],
    }
)
START_S = 1_762_300_800  # 2025-11-05T00:00Z
METERS = 25
SENSORS = 1_000
_FIRST_SEQUENCE = 1 << 20  # from here to 2**27 a counter takes four bytes, so that all messages are as long
_CHUNK_READINGS = 200_000
_QUEUE_MESSAGES = 1_000_000


@dataclass(frozen=True)
class Load:
    """Energy messages of some factories, one topic each.

    Args:
        name: first part of the factories' ids.
        factories: number of factories.
        messages: number of messages of each.
        readings: readings of each message, 1 s apart; the factory's 25 meters take turns.
    """

    name: str
    factories: int
    messages: int
    readings: int

    @property
    def records(self) -> int:
        """Number of readings of all factories."""
        return self.factories * self.messages * self.readings

    @property
    def factory_ids(self) -> list[str]:
        """Ids of the factories, in order."""
        return [f"{self.name}-{number}" for number in range(self.factories)]

    @property
    def topics(self) -> list[str]:
        """Topics of the factories, in order."""
        return [factory_topic(factory, "energy") for factory in self.factory_ids]


@dataclass(frozen=True)
class Chunk:
    """Some messages of a topic; the time of sending is that of the measurement."""

    values: list[bytes]
    keys: list[bytes]


def energy_record(factory: str, message: int, readings: int) -> dict[str, object]:
    """Say in words what `energy_chunks` writes as bytes: message number `message` of a factory."""
    turn, meter = divmod(message, METERS)
    return {
        "factory": factory,
        "meter": f"m{meter:02d}",
        "carrier": "electricity",
        "kind": "power",
        "unit": "kW",
        "stamp": "instant",
        "length_s": None,
        "sequence": _FIRST_SEQUENCE + turn,
        "readings": [
            {"at": (START_S + turn * readings + k) * 1_000_000, "value": ((message * 7 + k * 13) % 4000) / 4}
            for k in range(readings)
        ],
    }


def energy_chunks(factory: str, messages: int, readings: int) -> Iterator[Chunk]:
    """Encode the messages of a factory."""
    encoder = MessageEncoder(ENERGY_ID, contract_text("energy"))
    firsts = [encoder.encode(energy_record(factory, meter, readings)) for meter in range(METERS)]
    count = _zigzag(np.array([readings]))
    tail = 4 + count.shape[1] + 16 * readings + 1
    prefixes = np.frombuffer(b"".join(f[:-tail] for f in firsts), np.uint8).reshape(METERS, -1)
    step = max(1, _CHUNK_READINGS // readings)
    for first in range(0, messages, step):
        number = np.arange(first, min(messages, first + step))
        turn, k = number // METERS, np.arange(readings)
        at_us = (START_S + turn[:, None] * readings + k) * 1_000_000
        values = ((number[:, None] * 7 + k * 13) % 4000) / 4
        items = np.concatenate([_zigzag(at_us.ravel()), _doubles(values.ravel())], axis=1)
        parts = [
            prefixes[number % METERS],
            _zigzag(_FIRST_SEQUENCE + turn),
            np.repeat(count, len(number), axis=0),
            items.reshape(len(number), -1),
            np.zeros((len(number), 1), np.uint8),
        ]
        keys = [b"%s/m%02d" % (factory.encode(), m) for m in (number % METERS).tolist()]
        yield Chunk(_rows(np.concatenate(parts, axis=1)), keys)


def power_chunks(first: int, end: int) -> Iterator[Chunk]:
    """Encode power records [first, end): the 1,000 sensors take turns, each has one reading a second."""
    step = _CHUNK_READINGS
    for start in range(first, end, step):
        number = np.arange(start, min(end, start + step))
        stamps_ms = (START_S + number // SENSORS) * 1000
        sensors = (number % SENSORS).tolist()
        names = np.frombuffer(b"".join(b"\x0asensor%03d" % s for s in sensors), np.uint8)
        names = names.reshape(len(number), -1).copy()
        names[:, 0] = 2 * (names.shape[1] - 1)
        framed = np.repeat(np.frombuffer(header(POWER_ID), np.uint8)[None, :], len(number), axis=0)
        parts = [framed, names, _zigzag(stamps_ms), _doubles((number * 7 % 4000) / 4)]
        keys = [b"sensor%03d" % s for s in sensors]
        yield Chunk(_rows(np.concatenate(parts, axis=1)), keys)


def power_record(number: int) -> dict[str, object]:
    """Say in words what `power_chunks` writes as bytes."""
    return {
        "identifier": f"sensor{number % SENSORS:03d}",
        "timestamp": (START_S + number // SENSORS) * 1000,
        "valueInW": (number * 7 % 4000) / 4,
    }


def publish(connection: KafkaConnection, load: Load) -> None:
    """Create the topics of a load and send its messages."""
    ensure_topics(connection, load.topics, keep_forever=True)
    for factory, topic in zip(load.factory_ids, load.topics, strict=True):
        send(connection, topic, energy_chunks(factory, load.messages, load.readings))


def send(connection: KafkaConnection, topic: str, chunks: Iterator[Chunk]) -> None:
    """Send messages to a topic's partition 0, whole or not at all as far as the caller knows."""
    failed: list[object] = []
    producer = Producer(
        {
            **connection.config(),
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 1024 * 1024,
            "queue.buffering.max.messages": _QUEUE_MESSAGES,
            "error_cb": failed.append,
        }
    )
    for chunk in chunks:
        while len(producer) > _QUEUE_MESSAGES // 2:
            producer.poll(0.05)
        together = zip(chunk.values, chunk.keys, strict=True)
        queued = producer.produce_batch(topic, [{"value": v, "key": k} for v, k in together], partition=0)
        if queued != len(chunk.values):
            raise RuntimeError(f"{topic}: {queued} of {len(chunk.values)} messages were queued")
    if producer.flush(120) or failed:
        raise RuntimeError(f"{topic}: not everything was sent: {failed[:1]}")


def _rows(octets: Octets) -> list[bytes]:
    """Cut a matrix of bytes into its rows."""
    whole, width = octets.tobytes(), octets.shape[1]
    return [whole[place : place + width] for place in range(0, len(whole), width)]


def _doubles(values: npt.NDArray[np.float64]) -> Octets:
    return values.astype("<f8").view(np.uint8).reshape(-1, 8)


def _zigzag(numbers: npt.NDArray[np.int64]) -> Octets:
    """Encode positive numbers as Avro longs that all take the same number of bytes."""
    doubled = numbers.astype(np.uint64) << np.uint64(1)
    width, shortest = (max(1, -(-int(n).bit_length() // 7)) for n in (doubled.max(), doubled.min()))
    if width != shortest:
        raise ValueError("the numbers don't take the same number of bytes")
    groups = [(doubled >> np.uint64(7 * i)) & np.uint64(0x7F) for i in range(width)]
    groups = [g | np.uint64(0x80) if i < width - 1 else g for i, g in enumerate(groups)]
    return np.stack(groups, axis=1).astype(np.uint8)
