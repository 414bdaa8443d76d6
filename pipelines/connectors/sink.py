"""Where records are written to: the protocol of publishers, and Kafka.

Belongs here: a record as a publisher makes it, sending it so that it is not doubled. Does not belong here:
the archive (connectors.archive), encoding (pipelines.schemas.encode).
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipelines.connectors.kafka import LARGEST_RECORD_BYTES, KafkaConnection, broker_error
from pipelines.connectors.topics import ensure_topics


@dataclass(frozen=True)
class Record:
    """One record to write.

    Args:
        key: decides the partition; null: any.
        value: wire format; null: a tombstone.
        timestamp_ms: time of sending [ms since 1970, UTC].
        headers: names and values in order.
    """

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Sink(Protocol):
    """Where records are published."""

    def ensure_topics(self, names: Sequence[str], *, keep_forever: bool = True) -> None:
        """Create the topics that don't exist."""

    def send(self, topic: str, records: Iterable[Record]) -> int:
        """Write records in order and return how many, once all are safe.

        Raises:
            OperatorError: the records were not all accepted; some may have been.
        """


@dataclass(frozen=True)
class OpenSink:
    """Where records are published, and what the record of sent units calls it."""

    name: str
    sink: Sink


class KafkaSink:
    """Publishes to Kafka; the broker drops what a retry would double."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.connection = connection
        self._producer: Producer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"connection": self.connection, "_producer": None}

    def ensure_topics(self, names: Sequence[str], *, keep_forever: bool = True) -> None:
        """Create the topics that don't exist."""
        ensure_topics(self.connection, names, keep_forever=keep_forever)

    def send(self, topic: str, records: Iterable[Record]) -> int:
        """Write records in order per key and return how many the broker acknowledged: all.

        Raises:
            OperatorError: a record was refused, or nothing was acknowledged for `timeout_s`.
        """
        producer, delivery = self._open(), _Delivery(self.connection, topic)
        try:
            for record in records:
                self._queue(producer, topic, record, delivery)
                delivery.raise_failure()
            self._flush(producer, topic)
            delivery.raise_failure()
        except BaseException:
            self._producer = None  # what is still queued must not follow with a later `send`
            producer.purge()
            raise
        return delivery.acknowledged

    def _flush(self, producer: Producer, topic: str) -> None:
        waiting = len(producer)
        deadline = time.monotonic() + self.connection.timeout_s
        while waiting:
            still = producer.flush(0.5)
            if still < waiting:
                deadline = time.monotonic() + self.connection.timeout_s
            elif time.monotonic() > deadline:
                raise broker_error(self.connection, KafkaError(KafkaError._TIMED_OUT), topic)  # noqa: SLF001 - librdkafka's code
            waiting = still

    def _open(self) -> Producer:
        if self._producer is None:
            self._producer = Producer({**self.connection.config(), **_PRODUCER})
        return self._producer

    def _queue(self, producer: Producer, topic: str, record: Record, delivery: "_Delivery") -> None:
        deadline = time.monotonic() + self.connection.timeout_s
        while True:
            try:
                producer.produce(
                    topic,
                    record.value,
                    record.key,
                    on_delivery=delivery.note,
                    timestamp=record.timestamp_ms,
                    headers=list(record.headers),
                )
            except BufferError as error:  # the local queue is full: wait until some are delivered
                producer.poll(0.1)
                if time.monotonic() > deadline:
                    timed_out = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001 - librdkafka's code
                    raise broker_error(self.connection, timed_out, topic) from error
            except KafkaException as error:
                raise broker_error(self.connection, error.args[0], topic) from error
            else:
                producer.poll(0)
                return


class _Delivery:
    """Counts acknowledgements and keeps the first failure."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self.acknowledged = 0
        self._failure: KafkaError | None = None
        self._connection = connection
        self._topic = topic

    def note(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        elif self._failure is None:
            self._failure = error

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise broker_error(self._connection, self._failure, self._topic)


_PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "message.max.bytes": LARGEST_RECORD_BYTES,
    "compression.type": "lz4",
    "linger.ms": 20,
    "batch.size": 1024 * 1024,
    "partitioner": "murmur2_random",  # as Java's clients do, so that a key has one partition whoever writes
}
