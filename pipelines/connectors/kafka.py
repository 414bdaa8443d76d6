"""Records from Kafka through confluent-kafka: bounded reads by offset, one message at a time.

Belongs here: the connection's settings, errors of the broker as one line, the per-message source. Does not
belong here: decoding (pipelines.schemas.decode), writing (connectors.sink), topics (connectors.topics). A
reader of whole record batches would stand beside KafkaSource, behind the same protocol.
"""

import ctypes
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import (
    Message as ReceivedMessage,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported without saying so
    AclOperation,
    AdminClient,
    OffsetSpec,
)

from pipelines.connectors.batching import FLUSH_BYTES, MessageBuffer
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.messages import (
    DecodedBatch,
    OffsetRange,
    Partition,
    PartitionBounds,
)

# The client's types say that an offset, a timestamp and a key may be null; of a received message they aren't.
Message = Any
LARGEST_RECORD_BYTES = 8 * 1024 * 1024
_FIRST_ASK_MESSAGES = 100
_LARGEST_ASK_MESSAGES = 10_000  # each waits as an object of some 500 bytes until it is taken apart
_ASK_TIMEOUT_S = 0.1
_HOPELESS = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError._RESOLVE})  # noqa: SLF001 - librdkafka's local codes are named so
_UNREACHABLE = frozenset(
    {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}  # noqa: SLF001 - as above
)
_NOT_AN_ERROR_OF_READING = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED})  # no group is joined


@dataclass(frozen=True)
class KafkaConnection:
    """How to reach a Kafka cluster.

    Args:
        bootstrap_servers: host:port, comma-separated.
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        sasl_mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 ...; null: no SASL.
        sasl_username: user; null: none.
        sasl_password: never shown; null: none.
        ssl_ca: CA certificates in PEM; null: the system's.
        timeout_s: longest wait without an answer or progress [s].
    """

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_ca: Path | None = None
    timeout_s: float = 30.0

    def config(self) -> dict[str, Any]:
        """Return librdkafka's settings of the connection, the password among them."""
        chosen = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password,
            "ssl.ca.location": None if self.ssl_ca is None else str(self.ssl_ca),
            "socket.timeout.ms": max(1000, int(self.timeout_s * 1000)),
            "socket.connection.setup.timeout.ms": max(1000, min(30_000, int(self.timeout_s * 1000))),
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,  # errors reach us by callback and exception, once, not also on stderr
        }
        return {key: setting for key, setting in chosen.items() if setting is not None}


@dataclass(frozen=True)
class KafkaRecord:
    """One record as the broker holds it: what an archive keeps.

    Args:
        offset: its offset.
        timestamp_ms: the record's timestamp [ms since 1970, UTC]; -1: it has none.
        key: null: none.
        value: null: a tombstone.
        headers: names and values in order.
    """

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def broker_error(connection: KafkaConnection, error: KafkaError, topic: str | None = None) -> OperatorError:
    """Say in one line what a broker's error means and what to do (exit code SOURCE)."""
    where, code = connection.bootstrap_servers, error.code()
    named = f" (topic {topic})" if topic else ""
    if code in _UNREACHABLE:
        english = (
            f"Kafka at {where} does not answer{named}: check that it runs and DC_KAFKA_BOOTSTRAP_SERVERS."
        )
        korean = (
            f"Kafka({where})가 응답하지 않습니다{named}. "
            "실행 여부와 DC_KAFKA_BOOTSTRAP_SERVERS 를 확인하세요."
        )
    elif code in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):  # noqa: SLF001 - librdkafka's code
        english = (
            f"Kafka at {where} refuses the user or password: check DC_KAFKA_SASL_USERNAME and _PASSWORD."
        )
        korean = (
            f"Kafka({where})가 사용자 또는 비밀번호를 거부합니다. "
            "DC_KAFKA_SASL_USERNAME 과 _PASSWORD 를 확인하세요."
        )
    elif code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
        english = f"Kafka at {where} forbids this{named}: ask for an ACL that allows it."
        korean = f"Kafka({where})가 이를 허용하지 않습니다{named}. 허용하는 ACL 을 요청하세요."
    else:
        english = f"Kafka at {where} answers: {error.name()}, {' '.join(error.str().split())}{named}."
        korean = f"Kafka({where}) 응답: {error.name()}, {' '.join(error.str().split())}{named}."
    return OperatorError(english, korean, ExitCode.SOURCE)


def open_admin(connection: KafkaConnection) -> AdminClient:
    """Return a client for metadata of a broker that answered.

    Raises:
        OperatorError: no answer within `timeout_s`, or a reason for which waiting is no use.
    """
    reasons: list[KafkaError] = []
    settings: dict[str, Any] = {**connection.config(), "error_cb": reasons.append}
    try:
        admin = AdminClient(settings)
    except KafkaException as error:  # settings that librdkafka refuses
        raise _bad_settings(error.args[0]) from error
    deadline = time.monotonic() + connection.timeout_s
    while True:
        try:
            admin.list_topics(timeout=min(1.0, connection.timeout_s))
        except KafkaException as error:
            admin.poll(0)
            hopeless = next((r for r in reasons if r.code() in _HOPELESS), None)
            if hopeless is not None or time.monotonic() > deadline:
                raise broker_error(connection, hopeless or error.args[0]) from error
        else:
            return admin


def broker_cluster_id(connection: KafkaConnection) -> str:
    """Return the id that the brokers give their cluster: a broker made anew is another one.

    Raises:
        OperatorError: SOURCE: the broker can't be reached.
    """
    try:
        return str(open_admin(connection).list_topics(timeout=connection.timeout_s).cluster_id)
    except KafkaException as error:
        raise broker_error(connection, error.args[0]) from error


def _bad_settings(error: KafkaError) -> OperatorError:
    said = " ".join(error.str().split())
    return OperatorError(
        f"The DC_KAFKA_ settings can't be used: {said}.",
        f"DC_KAFKA_ 설정을 사용할 수 없습니다: {said}.",
        ExitCode.SETTINGS,
    )


class KafkaSource:
    """Records of a Kafka cluster by offset; implements connectors.source.Source and pickles."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.connection = connection
        self._admin: AdminClient | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"connection": self.connection, "_admin": None}

    def topics(self) -> list[str]:
        """Return the names of all topics but Kafka's own (`__...`), sorted."""
        try:
            found = self._client().list_topics(timeout=self.connection.timeout_s)
        except KafkaException as error:
            raise broker_error(self.connection, error.args[0]) from error
        return sorted(name for name in found.topics if not name.startswith("__"))

    def bounds(self, topics: Sequence[str]) -> list[PartitionBounds]:
        """Return every partition's incarnation (topic id), earliest offset and end, sorted.

        The end is that of committed messages: an open transaction and what follows it wait.
        """
        if not topics:
            return []
        partitions = [
            Partition(name, number.id, str(description.topic_id))
            for name, description in self._describe(topics).items()
            for number in description.partitions
        ]
        earliest = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        end = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return sorted(
            (PartitionBounds(p, earliest[p], end[p]) for p in partitions), key=lambda b: b.partition
        )

    def read(self, offsets: OffsetRange, decoder: MessageDecoder) -> Iterator[DecodedBatch]:
        """Read the messages of a range in offset order; compacted or aborted offsets are skipped.

        Record timestamps outside the years 1 to 9999 are clamped to them. Ends after a batch that is cut.

        Raises:
            OperatorError: the broker can't be reached, makes no progress for `timeout_s`, offsets of the
                range are gone, or the topic was recreated before or while it was read.
        """
        pending = MessageBuffer()
        for messages in self._messages(offsets):
            _append(pending, messages)
            if pending.is_full():
                batch = decoder.decode(offsets.partition, pending.flush())
                yield batch
                if batch.cut_at is not None:
                    self._require_incarnation(offsets.partition)
                    return
        if pending:
            yield decoder.decode(offsets.partition, pending.flush())

    def read_records(self, offsets: OffsetRange) -> Iterator[list[KafkaRecord]]:
        """Read the records of a range as they are, headers too, in lists; errors as of `read`."""
        for messages in self._messages(offsets):
            yield [
                KafkaRecord(m.offset(), m.timestamp()[1], m.key(), m.value(), tuple(m.headers() or ()))
                for m in messages
            ]

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = open_admin(self.connection)
        return self._admin

    def _describe(self, topics: Sequence[str]) -> dict[str, Any]:
        """Describe topics.

        Raises:
            OperatorError: one is unknown, forbidden, or may be seen but not read. (A consumer of such a topic
                would get neither message nor error.)
        """
        answers = self._client().describe_topics(
            TopicCollection(list(topics)),
            include_authorized_operations=True,
            request_timeout=self.connection.timeout_s,
        )
        described = {}
        for name, answer in answers.items():
            try:
                described[name] = answer.result()
            except KafkaException as error:
                raise broker_error(self.connection, error.args[0], name) from error
            allowed = described[name].authorized_operations
            if allowed and not {AclOperation.READ, AclOperation.ALL} & set(allowed):
                forbidden = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
                raise broker_error(self.connection, forbidden, name)
        return described

    def _offsets(self, partitions: Sequence[Partition], which: OffsetSpec) -> dict[Partition, int]:
        asked = {TopicPartition(p.topic, p.partition): which for p in partitions}
        answers = self._client().list_offsets(
            asked,
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self.connection.timeout_s,
        )
        by_name = {(asked.topic, asked.partition): answer for asked, answer in answers.items()}
        found = {}
        for p in partitions:
            try:
                found[p] = by_name[p.topic, p.partition].result().offset
            except KafkaException as error:
                raise broker_error(self.connection, error.args[0], p.topic) from error
        return found

    def _require_incarnation(self, partition: Partition) -> None:
        found = str(self._describe([partition.topic])[partition.topic].topic_id)
        if found != partition.incarnation:
            raise OperatorError(
                f"Topic {partition.topic} was deleted and created again since the cut: run again.",
                f"토픽 {partition.topic} 이(가) 기준 시점 이후 다시 만들어졌습니다. 다시 실행하세요.",
                ExitCode.SOURCE,
            )

    def _messages(self, offsets: OffsetRange) -> Iterator[list[Message]]:
        """Yield the messages of a range, in lists, between two checks that the topic is still the same."""
        self._require_incarnation(offsets.partition)
        reasons: list[KafkaError] = []
        consumer = Consumer({**self.connection.config(), **_CONSUMER, "error_cb": reasons.append})
        try:
            partition = offsets.partition
            consumer.assign([TopicPartition(partition.topic, partition.partition, offsets.start)])
            yield from _until_end(consumer, offsets, self.connection, reasons)
        finally:
            consumer.close()
            _give_memory_back()
        self._require_incarnation(offsets.partition)


def _give_memory_back() -> None:
    """Return to the system what a closed client has freed.

    Each client has threads of its own, and glibc keeps what threads free for later threads: from slice to
    slice it would pile up (measured: 717 MiB at 1 M messages, 1009 at 4 M). Other C libraries have no such
    call, and no such habit.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


_CONSUMER: dict[str, Any] = {
    "group.id": "digital-cluster",  # the client insists; nothing is joined or committed
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "check.crcs": True,
    "fetch.wait.max.ms": 100,
    "fetch.queue.backoff.ms": 2,  # the default rests for a second whenever the queue is full
    "fetch.message.max.bytes": 512 * 1024,
    "fetch.max.bytes": 16 * 1024 * 1024,
    "receive.message.max.bytes": 64 * 1024 * 1024,
    "queued.min.messages": 30_000,
    "queued.max.messages.kbytes": 4 * 1024,  # what a slice reads beyond its end is thrown away
}


def _until_end(
    consumer: Consumer, offsets: OffsetRange, connection: KafkaConnection, reasons: list[KafkaError]
) -> Iterator[list[Message]]:
    """Yield messages below the range's end until it is reached, by a message or by the partition's end."""
    position, ask = offsets.start, _FIRST_ASK_MESSAGES
    deadline = time.monotonic() + connection.timeout_s
    while position < offsets.end:
        received = consumer.consume(min(ask, offsets.end - position), timeout=_ASK_TIMEOUT_S)
        reached, messages = _sort_out(received, offsets, connection)
        if messages:
            ask = _next_ask(messages)
            yield messages
        if messages or (reached or 0) > position:
            deadline = time.monotonic() + connection.timeout_s
            position = max(position, reached or 0)
        _require_progress(offsets, connection, reasons, deadline)


def _sort_out(
    received: list[Message], offsets: OffsetRange, connection: KafkaConnection
) -> tuple[int | None, list[Message]]:
    """Return how far the partition has been read (null: unknown) and the messages of the range."""
    if not received:
        return None, received
    reached = None
    errors = list(map(ReceivedMessage.error, received))
    if [error for error in errors if error is not None]:  # a KafkaError can't be compared with null
        messages = []
        for message, error in zip(received, errors, strict=True):
            if error is None:
                messages.append(message)
                reached = message.offset() + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's code
                reached = message.offset()
            else:
                _raise_unless_passing(error, offsets, connection)
    else:
        messages = received
        reached = received[-1].offset() + 1
    if reached is not None and reached > offsets.end:
        messages = [m for m in messages if m.offset() < offsets.end]
    return reached, messages


def _raise_unless_passing(error: KafkaError, offsets: OffsetRange, connection: KafkaConnection) -> None:
    partition = offsets.partition
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001 - librdkafka's code
        raise OperatorError(
            f"Offsets from {offsets.start} of {partition.topic}/{partition.partition} are no longer on the "
            "broker: run again to record the gap, or read them from an archive.",
            f"{partition.topic}/{partition.partition} 의 오프셋 {offsets.start} 부터가 브로커에 없습니다. "
            "다시 실행하여 누락을 기록하거나 아카이브에서 읽으세요.",
            ExitCode.SOURCE,
        )
    if not error.retriable() and error.code() not in _UNREACHABLE | _NOT_AN_ERROR_OF_READING:
        raise broker_error(connection, error, partition.topic)


def _require_progress(
    offsets: OffsetRange, connection: KafkaConnection, reasons: list[KafkaError], deadline: float
) -> None:
    hopeless = next((r for r in reasons if r.code() in _HOPELESS), None)
    if hopeless is not None or time.monotonic() > deadline:
        stalled = hopeless or (reasons[-1] if reasons else KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's code
        raise broker_error(connection, stalled, offsets.partition.topic)


def _append(pending: MessageBuffer, messages: list[Message]) -> None:
    """Take messages apart; mapping the client's own methods makes no Python call a message."""
    pending.offsets.extend(map(ReceivedMessage.offset, messages))  # type: ignore[arg-type]
    pending.timestamps_ms.extend([stamp for _, stamp in map(ReceivedMessage.timestamp, messages)])
    pending.keys.extend(map(ReceivedMessage.key, messages))
    pending.grow(list(map(ReceivedMessage.value, messages)))


def _next_ask(messages: list[Message]) -> int:
    """Return how many messages to ask for next: about FLUSH_BYTES, and never very many."""
    average = sum(map(len, messages)) / len(messages)
    return min(_LARGEST_ASK_MESSAGES, ceil(FLUSH_BYTES / max(1.0, average)))
