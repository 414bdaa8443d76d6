import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from pipelines.connectors import kafka
from pipelines.connectors.kafka import KafkaConnection, KafkaSource
from pipelines.connectors.sink import KafkaSink, Record
from pipelines.demo.broker import LocalBroker
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.outputs import member_topic

pytestmark = pytest.mark.kafka
Publish = Callable[[Iterable[Record]], str]
Messages = Any  # the class of that name in conftest.py, which can't be imported


def wait_for(answers: dict[Any, Any]) -> None:
    for answer in answers.values():
        answer.result(timeout=20)


def test_what_was_sent_is_read_with_offsets_keys_and_the_stamp_of_sending(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    topic = publish(messages.record(i, messages.good(i)) for i in range(5))
    source = KafkaSource(connection)
    (bounds,) = source.bounds([topic])
    whole = messages.read(source, bounds)
    assert topic in source.topics()
    assert (bounds.earliest, bounds.end) == (0, 5)
    assert whole.messages["offset"].to_pylist() == [0, 1, 2, 3, 4]
    assert [t.isoformat() for t in whole.messages["timestamp"].to_pylist()][-1] == "2018-01-01T00:00:04+00:00"
    assert whole.messages["key"].to_pylist()[3] == b"a1/m3"
    assert whole.rows.num_rows == 5
    assert whole.undecodable.num_rows == 0


def test_good_messages_arrive_between_every_kind_of_poison(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    records = messages.mixed()
    source = KafkaSource(connection)
    (bounds,) = source.bounds([publish(records)])
    whole = messages.read(source, bounds)
    assert whole.rows.num_rows == 12
    assert whole.undecodable["offset"].to_pylist() == list(range(1, 21, 2))
    assert whole.undecodable["value"].to_pylist() == [r.value for r in records[1:21:2]]


def test_a_range_is_read_from_its_start_to_its_end_and_no_further(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    topic = publish(messages.record(i, messages.good(i)) for i in range(1000))
    source = pickle.loads(pickle.dumps(KafkaSource(connection)))  # noqa: S301 - our own bytes
    (bounds,) = source.bounds([topic])
    batches = list(source.read(OffsetRange(bounds.partition, 300, 700), messages.decoder))
    offsets = [o for b in batches for o in b.messages["offset"].to_pylist()]
    assert offsets == list(range(300, 700))


def test_an_empty_range_reads_nothing_at_once(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    source = KafkaSource(connection)
    (bounds,) = source.bounds([publish([])])
    assert (bounds.earliest, bounds.end) == (0, 0)
    assert list(source.read(OffsetRange(bounds.partition, 0, 0), messages.decoder)) == []


def test_a_large_record_is_read_whole(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    large = bytes(range(256)) * 4096 * 7  # 7 MiB; topics allow 8
    source = KafkaSource(connection)
    (bounds,) = source.bounds([publish([Record(b"k", large, 1), Record(b"k", messages.good(1), 2)])])
    whole = messages.read(source, bounds)
    assert whole.undecodable["reason"].to_pylist() == ["too_large"]
    assert whole.undecodable["value"].to_pylist() == [large]
    assert whole.rows.num_rows == 1


@pytest.mark.parametrize("refilled", [2, 9])
def test_a_recreated_topic_is_another_incarnation_shorter_or_longer(
    connection: KafkaConnection, publish: Publish, messages: Messages, refilled: int
) -> None:
    topic = publish(messages.record(i, messages.good(i)) for i in range(5))
    source = KafkaSource(connection)
    (before,) = source.bounds([topic])
    admin = AdminClient(connection.config())
    wait_for(admin.delete_topics([topic]))
    sink = KafkaSink(connection)
    create_when_gone(sink, topic)
    sink.send(topic, [messages.record(i, messages.good(i)) for i in range(refilled)])
    (after,) = KafkaSource(connection).bounds([topic])
    assert before.partition.incarnation != after.partition.incarnation
    assert (after.earliest, after.end) == (0, refilled)
    with pytest.raises(OperatorError, match="created again") as raised:
        messages.read(source, before)
    assert raised.value.code is ExitCode.SOURCE


def create_when_gone(sink: KafkaSink, topic: str) -> None:
    """Create a topic again: the broker answers a deletion a moment before it forgets the name."""
    source = KafkaSource(sink.connection)
    while topic in source.topics():
        pass
    sink.ensure_topics([topic])


def test_a_topic_recreated_while_it_is_read_fails_the_read(
    connection: KafkaConnection, publish: Publish, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = publish(messages.record(i, messages.good(i)) for i in range(50))
    source = KafkaSource(connection)
    (bounds,) = source.bounds([topic])
    monkeypatch.setattr(kafka, "_FIRST_ASK_MESSAGES", 10)
    reading = source.read(bounds_range(bounds), messages.decoder)
    monkeypatch.setattr("pipelines.connectors.batching.FLUSH_MESSAGES", 10)
    assert next(reading).messages.num_rows == 10
    admin = AdminClient(connection.config())
    wait_for(admin.delete_topics([topic]))
    create_when_gone(KafkaSink(connection), topic)
    with pytest.raises(OperatorError):
        list(reading)


def bounds_range(bounds: kafka.PartitionBounds) -> OffsetRange:
    return OffsetRange(bounds.partition, bounds.earliest, bounds.end)


def test_deleted_records_move_the_earliest_offset_and_a_read_below_it_fails(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    topic = publish(messages.record(i, messages.good(i)) for i in range(10))
    admin = AdminClient(connection.config())
    wait_for(admin.delete_records([TopicPartition(topic, 0, 6)]))
    source = KafkaSource(connection)
    (bounds,) = source.bounds([topic])
    assert (bounds.earliest, bounds.end) == (6, 10)
    assert messages.read(source, bounds).rows.num_rows == 4
    with pytest.raises(OperatorError, match=r"Offsets from 2 .* no longer on the broker") as raised:
        messages.read(source, bounds, start=2)
    assert raised.value.code is ExitCode.SOURCE
    assert "\n" not in raised.value.english + raised.value.korean


def test_a_range_whose_last_offsets_are_aborted_ends_without_them(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    topic = publish([])
    producer = Producer({**connection.config(), "transactional.id": topic})
    producer.init_transactions(20)
    for commit, numbers in (
        (True, range(3)),
        (False, range(3, 6)),
        (True, range(6, 8)),
        (False, range(8, 9)),
    ):
        producer.begin_transaction()
        for number in numbers:
            producer.produce(topic, messages.good(number), timestamp=number + 1)
        producer.flush(20)
        if commit:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)
    source = KafkaSource(connection)
    (bounds,) = source.bounds([topic])
    whole = messages.read(source, bounds)
    assert bounds.end == 9 + 4  # each transaction ends with a marker, which takes an offset
    assert whole.messages["offset"].to_pylist() == [0, 1, 2, 8, 9]


def test_an_open_transaction_waits_below_the_end(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    topic = publish([messages.record(0, messages.good(0))])
    producer = Producer({**connection.config(), "transactional.id": topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, messages.good(1))
    producer.flush(20)
    (bounds,) = KafkaSource(connection).bounds([topic])
    producer.abort_transaction(20)
    assert bounds.end == 1


def test_a_compacted_range_without_its_last_offsets_ends(
    connection: KafkaConnection, fresh_topic: Callable[[str], str], messages: Messages
) -> None:
    topic = fresh_topic("energy")
    eager = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.001",
        "segment.ms": "100",
        "max.compaction.lag.ms": "100",
    }
    admin = AdminClient(connection.config())
    wait_for(admin.create_topics([NewTopic(topic, 1, 1, config=eager)]))
    sink = KafkaSink(connection)
    now_ms = int(time.time() * 1000)
    sink.send(topic, [Record(b"same", messages.good(i), now_ms + i * 1000) for i in range(6)])
    # A newer record of the key, in a later segment: all that a cut at 6 would read gets compacted away.
    source = KafkaSource(connection)
    (cut,) = source.bounds([topic])
    deadline = time.monotonic() + 30
    newest = 6
    while (left := offsets_on(connection, topic))[0] < 5 and time.monotonic() < deadline:
        newest += 1
        sink.send(topic, [Record(b"same", messages.good(newest), now_ms + newest * 10_000)])
    assert left[0] >= 5, "the broker did not compact"
    batches = list(source.read(OffsetRange(cut.partition, 0, 6), messages.decoder))
    found = [o for b in batches for o in b.messages["offset"].to_pylist()]
    assert found in ([], [5])  # the broker goes on compacting; what counts is that the read ends


def offsets_on(connection: KafkaConnection, topic: str) -> list[int]:
    """Return the offsets that a plain consumer still finds."""
    consumer = Consumer({**connection.config(), "group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(5)) is not None and message.error() is None:
        found.append(message.offset())
    consumer.close()
    return found


def test_an_unreachable_broker_is_one_clear_line_within_the_timeout() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(OperatorError, match=f"127.0.0.1:{port} does not answer") as raised:
        KafkaSource(KafkaConnection(f"127.0.0.1:{port}", timeout_s=1)).topics()
    assert time.monotonic() - began < 5
    assert raised.value.code is ExitCode.SOURCE
    assert "응답하지 않습니다" in raised.value.korean
    assert "\n" not in raised.value.english + raised.value.korean


def test_settings_that_can_not_be_are_an_error_of_the_settings() -> None:
    with pytest.raises(OperatorError, match="BLUE") as raised:
        KafkaSource(KafkaConnection("127.0.0.1:1", security_protocol="BLUE", timeout_s=1)).topics()
    assert raised.value.code is ExitCode.SETTINGS


def test_an_unknown_topic_is_named(connection: KafkaConnection) -> None:
    with pytest.raises(OperatorError, match=r"factory\.nobody\.energy"):
        KafkaSource(connection).bounds(["factory.nobody.energy"])


JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="admin" password="admin" user_admin="admin" user_reader="right";'
)
GUARDED = {
    "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.client.plain.sasl.jaas.config": JAAS,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:admin;User:ANONYMOUS",
}


@pytest.fixture(scope="module")
def guarded(broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaConnection]:
    """Reach a broker with users and ACLs as the reader, who may describe two topics and read one."""
    assert broker.pid  # the session's broker decides whether there can be one at all
    as_admin = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "admin",
        "sasl.password": "admin",
    }
    folder = tmp_path_factory.mktemp("guarded")
    with LocalBroker(folder, overrides=GUARDED, client=as_admin) as running:
        admin = AdminClient({**as_admin, "bootstrap.servers": running.bootstrap_servers})
        wait_for(admin.create_topics([NewTopic(name, 1, 1) for name in ("open", "shut", "hidden")]))
        wait_for(admin.create_acls([allow("open", "READ"), allow("shut", "DESCRIBE")]))
        yield KafkaConnection(
            running.bootstrap_servers, "SASL_PLAINTEXT", "PLAIN", "reader", "right", timeout_s=10
        )


def allow(
    topic: str, operation: str, pattern: ResourcePatternType = ResourcePatternType.LITERAL
) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC,
        topic,
        pattern,
        "User:reader",
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )


def test_a_wrong_password_is_said_at_once(guarded: KafkaConnection) -> None:
    began = time.monotonic()
    with pytest.raises(OperatorError, match="refuses the user or password") as raised:
        KafkaSource(replace(guarded, sasl_password="wrong")).topics()  # noqa: S106 - a test's
    assert time.monotonic() - began < 5
    assert raised.value.code is ExitCode.SOURCE
    assert "wrong" not in raised.value.english + raised.value.korean


@pytest.mark.parametrize("topic", ["shut", "hidden"])
def test_a_forbidden_topic_is_said_and_named(
    guarded: KafkaConnection, topic: str, messages: Messages
) -> None:
    source = KafkaSource(guarded)
    (allowed,) = source.bounds(["open"])
    assert list(source.read(bounds_range(allowed), messages.decoder)) == []
    with pytest.raises(OperatorError, match=f"forbids .*topic {topic}") as raised:
        source.bounds(["open", topic])
    assert raised.value.code is ExitCode.SOURCE


def test_reading_needs_no_right_on_a_group(guarded: KafkaConnection, messages: Messages) -> None:
    as_admin = replace(guarded, sasl_username="admin", sasl_password="admin")  # noqa: S106 - a test's
    KafkaSink(as_admin).send("open", [messages.record(i, messages.good(i)) for i in range(3)])
    source = KafkaSource(guarded)
    (bounds,) = source.bounds(["open"])
    assert messages.read(source, bounds).rows.num_rows == 3


def test_a_right_on_a_member_s_prefix_opens_its_own_topic_and_no_other_s(guarded: KafkaConnection) -> None:
    as_admin = replace(guarded, sasl_username="admin", sasl_password="admin")  # noqa: S106 - a test's
    own, others = member_topic("naru"), (member_topic("naru-2"), member_topic("nar"))
    KafkaSink(as_admin).ensure_topics([own, *others], keep_forever=False)
    right = allow("member.naru.", "READ", ResourcePatternType.PREFIXED)
    admin = AdminClient(as_admin.config())
    wait_for(admin.create_acls([right]))
    KafkaSink(as_admin).send(own, [Record(b"factory/naru/day/2025-11-03/oee@1", b"value", 1)])
    source = KafkaSource(guarded)
    (bounds,) = source.bounds([own])
    (records,) = source.read_records(bounds_range(bounds))
    assert [r.value for r in records] == [b"value"]
    assert set(source.topics()) & {own, *others} == {own}
    for other in others:
        with pytest.raises(OperatorError, match=f"forbids .*topic {other}"):
            source.bounds([other])


def test_the_password_is_never_shown() -> None:
    connection = KafkaConnection("b:1", sasl_username="u", sasl_password="s3cret")  # noqa: S106 - a test's
    assert "s3cret" not in repr(connection) + repr(KafkaSource(connection))
    assert connection.config()["sasl.password"] == "s3cret"


def test_partitions_are_read_by_several_threads_at_once(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    topic = publish(messages.record(i, messages.good(i)) for i in range(400))
    source = KafkaSource(connection)
    (bounds,) = source.bounds([topic])
    rows: dict[int, int] = {}

    def read(start: int) -> None:
        batches = source.read(OffsetRange(bounds.partition, start, start + 100), messages.decoder)
        rows[start] = sum(b.rows.num_rows for b in batches)

    threads = [threading.Thread(target=read, args=(start,)) for start in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows == {0: 100, 100: 100, 200: 100, 300: 100}


def test_a_record_that_the_topic_refuses_fails_the_send(
    connection: KafkaConnection, publish: Publish, messages: Messages
) -> None:
    topic = publish([])
    limit = ConfigEntry("max.message.bytes", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[limit])
    admin = AdminClient(connection.config())
    wait_for(admin.incremental_alter_configs([resource]))
    with pytest.raises(OperatorError, match=topic) as raised:
        KafkaSink(connection).send(topic, [messages.record(0, os.urandom(10_000))])
    assert raised.value.code is ExitCode.SOURCE


def test_a_broker_that_stops_ends_reads_and_sends_with_one_clear_line(
    broker: LocalBroker, messages: Messages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker.pid  # the session's broker decides whether there can be one at all
    monkeypatch.setattr(kafka, "_FIRST_ASK_MESSAGES", 10)
    monkeypatch.setattr("pipelines.connectors.batching.FLUSH_MESSAGES", 10)
    with LocalBroker(tmp_path) as stopping:
        connection = KafkaConnection(stopping.bootstrap_servers, timeout_s=10)
        impatient = replace(connection, timeout_s=1)
        sink, source = KafkaSink(connection), KafkaSource(connection)
        sink.ensure_topics(["factory.a1.energy"])
        sink.send("factory.a1.energy", [messages.record(i, messages.good(i)) for i in range(20)])
        (bounds,) = source.bounds(["factory.a1.energy"])
        reading = KafkaSource(impatient).read(OffsetRange(bounds.partition, 0, 30), messages.decoder)
        assert next(reading).messages.num_rows == 10
    with pytest.raises(OperatorError, match="does not answer") as raised:
        list(reading)
    assert raised.value.code is ExitCode.SOURCE
    source.connection = sink.connection = impatient
    with pytest.raises(OperatorError, match="does not answer"):
        source.topics()
    with pytest.raises(OperatorError, match="does not answer"):
        sink.send("factory.a1.energy", [messages.record(0, messages.good(0))])
