import hashlib
import pickle
import shutil
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.connectors import containers
from pipelines.connectors.archive import ArchiveSink, ArchiveSource, ArchiveWriter, archive_topics
from pipelines.connectors.kafka import KafkaConnection, KafkaRecord, KafkaSource
from pipelines.connectors.sink import KafkaSink, Record
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.contracts import contract
from pipelines.schemas.encode import encode_message, parsed_schema
from pipelines.schemas.messages import OffsetRange, Partition
from pipelines.schemas.registry import RegistryUnavailable

TOPIC = "factory.a1.energy"
ENERGY = Partition(TOPIC, 0, "first")
Publish = Callable[[Iterable[Record]], str]
Messages = Any  # the class of that name in conftest.py, which can't be imported


def kept(records: list[Record], start: int = 0) -> list[KafkaRecord]:
    """Number records as the broker would."""
    return [KafkaRecord(start + i, r.timestamp_ms, r.key, r.value, r.headers) for i, r in enumerate(records)]


def files_below(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


@pytest.mark.kafka
def test_kafka_and_its_archive_give_identical_rows_and_dead_letters(
    connection: KafkaConnection, publish: Publish, messages: Messages, tmp_path: Path
) -> None:
    topic = publish(messages.mixed())
    source = KafkaSource(connection)
    copied = archive_topics(source, tmp_path, messages.registry, [topic])
    archive = ArchiveSource(str(tmp_path))
    (in_kafka,), (in_archive,) = source.bounds([topic]), archive.bounds([topic])
    assert in_archive == in_kafka
    assert copied == [OffsetRange(in_kafka.partition, 0, 22)]
    assert archive.topics() == [topic]
    expected = messages.read(source, in_kafka)
    found = messages.read(archive, in_archive)
    assert found.rows.equals(expected.rows)
    assert found.undecodable.equals(expected.undecodable)
    assert found.messages.equals(expected.messages)
    assert expected.rows.num_rows == 12
    assert expected.undecodable.num_rows == 10


@pytest.mark.kafka
def test_copying_again_appends_only_what_is_new_and_keeps_what_kafka_dropped(
    connection: KafkaConnection, publish: Publish, messages: Messages, tmp_path: Path
) -> None:
    topic = publish(messages.record(i, messages.good(i)) for i in range(10))
    source = KafkaSource(connection)
    archive_topics(source, tmp_path, messages.registry, [topic])
    assert archive_topics(source, tmp_path, messages.registry, [topic]) == []
    KafkaSink(connection).send(topic, [messages.record(i, messages.good(i)) for i in range(10, 15)])
    admin = AdminClient(connection.config())
    (deleted,) = admin.delete_records([TopicPartition(topic, 0, 8)]).values()
    deleted.result(timeout=20)
    (copied,) = archive_topics(source, tmp_path, messages.registry, [topic])
    assert (copied.start, copied.end) == (10, 15)
    archive = ArchiveSource(tmp_path)
    (bounds,) = archive.bounds([topic])
    assert messages.read(archive, bounds).rows["offset"].to_pylist() == list(range(15))


def test_the_layout_is_that_of_the_connect_sink(messages: Messages, tmp_path: Path) -> None:
    records = kept(messages.mixed(), start=1234)
    ArchiveWriter(tmp_path, messages.registry).append(OffsetRange(ENERGY, 1234, 1300), records)
    assert files_below(tmp_path) == [
        f"topics/{TOPIC}/partition=0/{TOPIC}+0+0000001234.avro",
        f"topics/{TOPIC}/partition=0/{TOPIC}+0+0000001234.poison.avro",
    ]
    with (tmp_path / files_below(tmp_path)[0]).open("rb") as file:
        reader = fastavro.reader(file)
        assert reader.metadata["digital-cluster.incarnation"] == "first"
        assert reader.metadata["digital-cluster.end_offset"] == "1300"
        first: Any = next(reader)
    assert list(first) == ["offset", "timestamp", "key", "headers", "schema_id", "value"]
    assert (first["offset"], first["schema_id"]) == (1234, 1)
    assert first["headers"] == [{"key": "trace", "value": b"0"}]
    assert first["value"]["meter"] == "m0"
    with (tmp_path / files_below(tmp_path)[1]).open("rb") as file:
        poison: Any = next(fastavro.reader(file))
    assert (poison["offset"], poison["value"]) == (1235, records[1].value)


def test_equal_records_make_equal_files(messages: Messages, tmp_path: Path) -> None:
    for root in ("one", "two"):
        ArchiveWriter(tmp_path / root, messages.registry).append(
            OffsetRange(ENERGY, 0, 22), kept(messages.mixed())
        )
    one, two = files_below(tmp_path / "one"), files_below(tmp_path / "two")
    assert one == two
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in one)


def test_a_range_within_a_container_is_read_alone(messages: Messages, tmp_path: Path) -> None:
    ArchiveWriter(tmp_path, messages.registry).append(OffsetRange(ENERGY, 0, 22), kept(messages.mixed()))
    source = pickle.loads(pickle.dumps(ArchiveSource(tmp_path)))  # noqa: S301 - our own bytes
    (batch,) = source.read(OffsetRange(ENERGY, 3, 9), messages.decoder)
    assert batch.messages["offset"].to_pylist() == [3, 4, 5, 6, 7, 8]


def test_a_large_archive_is_rolled_and_read_across_its_containers(
    messages: Messages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "ROLL_BYTES", 1000)
    records = [messages.record(i, messages.good(i)) for i in range(100)]
    ArchiveWriter(tmp_path, messages.registry).append(OffsetRange(ENERGY, 0, 100), kept(records))
    assert len(files_below(tmp_path)) > 5
    source = ArchiveSource(tmp_path)
    (bounds,) = source.bounds([TOPIC])
    assert messages.read(source, bounds).rows["offset"].to_pylist() == list(range(100))


def test_another_schema_begins_another_container(messages: Messages, tmp_path: Path) -> None:
    other_id = b"\x00\x00\x00\x00\x02"  # the states' contract: no energy message, but an id of the registry
    state = _state_message(messages)
    assert state[:5] == other_id
    values = [messages.good(0), state, messages.good(1)]
    ArchiveWriter(tmp_path, messages.registry).append(
        OffsetRange(ENERGY, 0, 3), kept([messages.record(i, v) for i, v in enumerate(values)])
    )
    assert [Path(f).name for f in files_below(tmp_path)] == [
        f"{TOPIC}+0+000000000{start}.avro" for start in (0, 1, 2)
    ]
    source = ArchiveSource(tmp_path)
    (bounds,) = source.bounds([TOPIC])
    assert messages.read(source, bounds).messages["value"].to_pylist() == values


def _state_message(messages: Messages) -> bytes:
    record = {"factory": "a1", "machine": "press", "state": "run", "at": 1, "sequence": 1}
    return encode_message(2, parsed_schema(messages.registry.text(2)), record)


def test_the_sink_numbers_records_and_continues_where_it_stopped(messages: Messages, tmp_path: Path) -> None:
    sink = ArchiveSink(tmp_path, messages.registry)
    sink.ensure_topics([TOPIC])
    assert sink.send(TOPIC, [messages.record(i, messages.good(i)) for i in range(3)]) == 3
    assert sink.send(TOPIC, []) == 0
    assert sink.send(TOPIC, [messages.record(3, b"poison"), messages.record(4, messages.good(4))]) == 2
    source = ArchiveSource(tmp_path)
    (bounds,) = source.bounds([TOPIC])
    whole = messages.read(source, bounds)
    assert (bounds.earliest, bounds.end) == (0, 5)
    assert whole.rows["offset"].to_pylist() == [0, 1, 2, 4]
    assert whole.undecodable["offset"].to_pylist() == [3]


def test_a_topic_that_is_archived_anew_is_another_incarnation(messages: Messages, tmp_path: Path) -> None:
    records = [messages.record(0, messages.good(0))]
    for root in ("one", "two"):
        ArchiveSink(tmp_path / root, messages.registry).send(TOPIC, records)
    (one,), (two,) = (ArchiveSource(tmp_path / root).bounds([TOPIC]) for root in ("one", "two"))
    assert one.partition.incarnation != two.partition.incarnation
    with pytest.raises(OperatorError, match="does not hold offset 0"):
        messages.read(ArchiveSource(tmp_path / "two"), one)


def test_a_range_that_does_not_continue_the_archive_is_refused(messages: Messages, tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path, messages.registry)
    records = kept([messages.record(0, messages.good(0))])
    writer.append(OffsetRange(ENERGY, 0, 1), records)
    for partition, start in ((ENERGY, 0), (ENERGY, 5), (Partition(TOPIC, 0, "second"), 1)):
        with pytest.raises(OperatorError, match="another root") as raised:
            writer.append(OffsetRange(partition, start, start + 1), records)
        assert raised.value.code is ExitCode.STORE
    assert len(files_below(tmp_path)) == 1


def test_offsets_that_no_container_holds_are_a_clear_error(
    messages: Messages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "ROLL_BYTES", 1)
    records = [messages.record(i, messages.good(i)) for i in range(3)]
    ArchiveWriter(tmp_path, messages.registry).append(OffsetRange(ENERGY, 7, 10), kept(records, 7))
    source = ArchiveSource(tmp_path)
    (tmp_path / files_below(tmp_path)[1]).unlink()
    for start, end, missing in ((6, 8, 6), (7, 10, 8), (9, 11, 10)):
        with pytest.raises(OperatorError, match=f"does not hold offset {missing} of {TOPIC}/0") as raised:
            list(source.read(OffsetRange(ENERGY, start, end), messages.decoder))
        assert raised.value.code is ExitCode.SOURCE


def test_what_a_killed_writer_left_is_not_seen_and_does_not_disturb(
    messages: Messages, tmp_path: Path
) -> None:
    folder = tmp_path / "topics" / TOPIC / "partition=0"
    folder.mkdir(parents=True)
    (folder / f"{TOPIC}+0+0000000000.poison.avro").write_bytes(b"half a file")
    assert ArchiveSource(tmp_path).bounds([TOPIC]) == []
    ArchiveWriter(tmp_path, messages.registry).append(OffsetRange(ENERGY, 0, 22), kept(messages.mixed()))
    source = ArchiveSource(tmp_path)
    (bounds,) = source.bounds([TOPIC])
    assert messages.read(source, bounds).undecodable.num_rows == 10


def test_a_damaged_or_exchanged_container_is_named(messages: Messages, tmp_path: Path) -> None:
    ArchiveWriter(tmp_path, messages.registry).append(OffsetRange(ENERGY, 0, 22), kept(messages.mixed()))
    good, poison = (tmp_path / f for f in files_below(tmp_path))
    source = ArchiveSource(tmp_path)
    whole = poison.read_bytes()
    poison.write_bytes(whole[:-1])
    with pytest.raises(OperatorError, match=r"0000000000\.poison\.avro"):
        list(source.read(OffsetRange(ENERGY, 0, 22), messages.decoder))
    poison.write_bytes(whole)
    good.write_bytes(good.read_bytes()[:-40])
    with pytest.raises(OperatorError, match=r"0000000000\.avro") as raised:
        list(source.read(OffsetRange(ENERGY, 0, 22), messages.decoder))
    assert raised.value.code is ExitCode.SOURCE
    good.write_bytes(b"no avro at all")
    with pytest.raises(OperatorError, match=r"0000000000\.avro"):
        source.bounds([TOPIC])


def test_a_registry_that_is_down_keeps_bytes_that_decode_later(messages: Messages, tmp_path: Path) -> None:
    class Down:
        def text(self, schema_id: int) -> str | None:
            raise RegistryUnavailable("http://registry", f"id {schema_id}")

    records = kept([messages.record(i, messages.good(i)) for i in range(3)])
    ArchiveWriter(tmp_path, Down()).append(OffsetRange(ENERGY, 0, 3), records)  # type: ignore[arg-type]
    source = ArchiveSource(tmp_path)
    (bounds,) = source.bounds([TOPIC])
    assert messages.read(source, bounds).rows.num_rows == 3


def test_a_missing_archive_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="DC_ARCHIVE") as raised:
        ArchiveSource(tmp_path / "none").topics()
    assert raised.value.code is ExitCode.SOURCE
    assert "\n" not in raised.value.english + raised.value.korean


def connect_container(root: Path, start: int, messages: Messages, numbers: Iterable[int]) -> None:
    """Write a container as the Connect sink does: the values alone."""
    schema = fastavro.parse_schema(contract("energy"))
    values = [fastavro.schemaless_reader(BytesIO(messages.good(number)[5:]), schema) for number in numbers]
    path = root / "topics" / TOPIC / "partition=0" / f"{TOPIC}+0+{start:010d}.avro"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fastavro.writer(file, schema, values, codec="null")


def test_containers_of_the_connect_sink_are_read_with_offsets_from_their_names(
    messages: Messages, tmp_path: Path
) -> None:
    connect_container(tmp_path, 40, messages, range(3))
    connect_container(tmp_path, 43, messages, range(3, 5))
    source = ArchiveSource(tmp_path)
    (bounds,) = source.bounds([TOPIC])
    assert (bounds.earliest, bounds.end, bounds.partition.incarnation) == (40, 45, "connect")
    whole = messages.read(source, bounds)
    assert whole.rows["offset"].to_pylist() == [40, 41, 42, 43, 44]
    assert whole.messages["value"].to_pylist() == [messages.good(number) for number in range(5)]
    # three readings, 15 minutes apart from midnight: the latest event is at 00:30
    assert {str(t) for t in whole.messages["timestamp"].to_pylist()} == {"2018-01-01 00:30:00+00:00"}
    assert whole.messages["key"].null_count == 5


def test_an_archive_may_be_named_by_uri(messages: Messages, tmp_path: Path) -> None:
    uri = tmp_path.as_uri()
    ArchiveSink(uri, messages.registry).send(TOPIC, [messages.record(0, messages.good(0))])
    source = ArchiveSource(uri)
    (bounds,) = source.bounds(source.topics())
    assert messages.read(source, bounds).rows["offset"].to_pylist() == [0]
    assert files_below(tmp_path) == [f"topics/{TOPIC}/partition=0/{TOPIC}+0+0000000000.avro"]


def test_a_file_that_another_writer_made_is_never_replaced(
    messages: Messages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = kept([messages.record(0, messages.good(0))])
    writer = ArchiveWriter(tmp_path, messages.registry)
    monkeypatch.setattr(ArchiveWriter, "_require_next", lambda _writer, _offsets: None)  # both looked at once
    writer.append(OffsetRange(ENERGY, 0, 1), records)
    before = (tmp_path / files_below(tmp_path)[0]).read_bytes()
    with pytest.raises(OperatorError, match="another writer") as raised:
        writer.append(OffsetRange(ENERGY, 0, 1), kept([messages.record(0, messages.good(9))]))
    assert raised.value.code is ExitCode.STORE
    assert (tmp_path / files_below(tmp_path)[0]).read_bytes() == before


@given(st.lists(st.one_of(st.none(), st.binary(max_size=60), st.integers(0, 9)), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_archived_comes_back_byte_for_byte(
    messages: Messages, tmp_path: Path, drawn: list[bytes | int | None]
) -> None:
    # Numbers stand for good messages; bytes stand alone, and behind a header that names the contract.
    values: list[bytes | None] = []
    for one in drawn:
        if isinstance(one, bytes):
            values += [one, messages.good(0)[:5] + one]
        else:
            values.append(None if one is None else messages.good(one))
    root = tmp_path / hashlib.sha256(repr(values).encode()).hexdigest()
    shutil.rmtree(root, ignore_errors=True)
    records = kept([messages.record(i, v) for i, v in enumerate(values)])
    ArchiveWriter(root, messages.registry).append(OffsetRange(ENERGY, 0, len(records)), records)
    batches = list(ArchiveSource(root).read(OffsetRange(ENERGY, 0, len(records)), messages.decoder))
    assert [v for b in batches for v in b.messages["value"].to_pylist()] == values


def test_a_container_of_which_one_byte_was_changed_is_named_or_says_the_same(
    messages: Messages, tmp_path: Path
) -> None:
    """What a byte can change without being found says nothing: the name of a field of the header."""
    sent = [messages.record(n, messages.good(n)) for n in range(3)]
    ArchiveSink(tmp_path, messages.registry).send(TOPIC, sent)
    (path,) = (tmp_path / name for name in files_below(tmp_path))
    content, source = path.read_bytes(), ArchiveSource(tmp_path)
    (bounds,) = source.bounds([TOPIC])
    whole = messages.read(source, bounds).messages

    def is_named(place: int) -> bool:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            same = messages.read(source, bounds).messages.equals(whole)
        except OperatorError:
            return True
        assert same, place
        return False

    body = content.index(b"digital-cluster.sha256") + 23  # before it mostly the schema, whose docs are long
    assert any(is_named(place) for place in range(0, body, 40))
    assert all(is_named(place) for place in range(body, len(content), 3))
