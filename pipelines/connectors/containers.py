"""Containers of an archive: Avro object container files, named and laid out as Kafka Connect's S3 sink does.

    topics/<topic>/partition=<p>/<topic>+<p>+<start offset>.avro
        {offset, timestamp, key, headers, schema_id, value: the contract}
    topics/<topic>/partition=<p>/<topic>+<p>+<start offset>.poison.avro
        {offset, timestamp, key, headers, value: bytes}

A container's metadata say of which incarnation its records are, where its offsets end, and what the digest of
all this and its records is: one that was changed is refused when it is read. A record whose
bytes are not exactly what its decoded value encodes to goes to the poison container with its bytes, so
nothing is lost; the poison container is written first, so a container that is there is whole. Nothing is
ever rewritten.

A container of the Connect sink itself holds values only: its offsets count from the start offset in its
name, its incarnation is `connect`, keys are null, and the record timestamp, which it did not keep, is the
latest event time of the record (so that no event lies after its record).

Belongs here: one container's name, bytes, reading and writing. Does not belong here: ranges over containers
(connectors.archive).
"""

import hashlib
import heapq
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from pipelines.connectors.kafka import KafkaRecord
from pipelines.connectors.objects import is_uri, paths_below, put_if_absent
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.contracts import contract_text
from pipelines.schemas.encode import HEADER_BYTES, MAGIC, encode_message, parsed_schema
from pipelines.schemas.messages import Partition
from pipelines.schemas.registry import Registry, RegistryUnavailable
from pipelines.schemas.streams import STREAMS, Stream, parse_topic

ROLL_BYTES = 16 * 1024 * 1024
CONNECT_INCARNATION = "connect"
_HEADER_READ_BYTES = 64 * 1024
_LARGEST_ID = 2**31 - 1
_META = "digital-cluster."
_DIGEST = f"{_META}sha256"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(
    r"^topics/(?P<topic>[^/]+)/partition=(?P<partition>\d+)/"
    r"(?P=topic)\+(?P=partition)\+(?P<start>\d{10,})(?P<poison>\.poison)?\.avro$"
)


@dataclass(frozen=True, order=True)
class Container:
    """One container of records, by its name.

    Args:
        topic: its topic.
        partition: its partition.
        start: first offset that it covers.
    """

    topic: str
    partition: int
    start: int

    @property
    def path(self) -> str:
        """Path below the archive's root."""
        return f"{self._stem}.avro"

    @property
    def poison_path(self) -> str:
        """Path of the records beside it that did not decode."""
        return f"{self._stem}.poison.avro"

    @property
    def _stem(self) -> str:
        folder = f"topics/{self.topic}/partition={self.partition}"
        return f"{folder}/{self.topic}+{self.partition}+{self.start:010d}"


@dataclass(frozen=True)
class Extent:
    """What a container says of itself: offsets [start, end) of one incarnation of a partition."""

    container: Container
    incarnation: str
    end: int
    poison_sha256: str | None
    of_connect: bool


@dataclass(frozen=True)
class Value:
    """A message decoded, with its schema."""

    schema_id: int
    text: str
    decoded: Any


def decode_exactly(record: KafkaRecord, registry: Registry) -> Value | None:
    """Decode a record's value; null if its bytes are not exactly what the value encodes to."""
    if record.value is None or len(record.value) < HEADER_BYTES or record.value[0] != MAGIC:
        return None
    schema_id = int.from_bytes(record.value[1:HEADER_BYTES], "big")
    try:
        text = registry.text(schema_id) if schema_id <= _LARGEST_ID else None
    except RegistryUnavailable:
        text = None  # its bytes are kept, and are decoded when they are read
    if text is None:
        return None
    schema = parsed_schema(text)
    try:
        _record_schema(text)  # one that can't be embedded can't be a container's either
        decoded: Any = fastavro.schemaless_reader(BytesIO(record.value[HEADER_BYTES:]), schema)
        same = encode_message(schema_id, schema, decoded) == record.value
    except Exception:  # noqa: BLE001 - hostile bytes fail in any way; they are kept as they are
        return None
    return Value(schema_id, text, decoded) if same else None


@dataclass
class NextContainer:
    """Records that wait to become a container."""

    start: int
    schema: Value | None = None
    good: list[dict[str, Any]] = field(default_factory=list)
    poison: list[dict[str, Any]] = field(default_factory=list)
    size_bytes: int = 0

    def must_roll(self, value: Value | None) -> bool:
        """Say whether a record no longer fits: the container is large, or its schema another one."""
        other = value is not None and self.schema is not None and value.schema_id != self.schema.schema_id
        return other or self.size_bytes >= ROLL_BYTES

    def add(self, record: KafkaRecord, value: Value | None) -> None:
        """Add a record: decoded where it decodes, else with its bytes."""
        kept = {
            "offset": record.offset,
            "timestamp": record.timestamp_ms,
            "key": record.key,
            "headers": [{"key": k, "value": v} for k, v in record.headers],
        }
        self.size_bytes += len(record.value or b"") + len(record.key or b"")
        if value is None:
            self.poison.append({**kept, "value": record.value})
        else:
            self.schema = self.schema or value
            self.good.append({**kept, "schema_id": value.schema_id, "value": value.decoded})

    def write(self, store: ObjectStore, root: str, partition: Partition, end: int) -> None:
        """Write the poison container, then the container itself, which makes both visible."""
        container = Container(partition.topic, partition.partition, self.start)
        metadata = {
            f"{_META}incarnation": partition.incarnation,
            f"{_META}start_offset": str(self.start),
            f"{_META}end_offset": str(end),
        }
        try:
            if self.poison:
                content = _container_bytes(_poison_schema(), self.poison, metadata)
                metadata[f"{_META}poison_sha256"] = hashlib.sha256(content).hexdigest()
                # One that is there without its container is the rest of a killed writer.
                obstore.put(store, container.poison_path, content)
            value_schema = self.schema.text if self.schema else '"null"'
            content = _container_bytes(_record_schema(value_schema), self.good, metadata)
            created = put_if_absent(store, container.path, content)
        except (OSError, BaseError) as error:
            raise archive_error(root, _first_line(error), ExitCode.STORE) from error
        if not created:
            raise archive_error(root, f"another writer made {container.path}", ExitCode.STORE)


_ENVELOPE: list[dict[str, Any]] = [
    {"name": "offset", "type": "long", "doc": "Kafka offset."},
    {"name": "timestamp", "type": "long", "doc": "Record timestamp, ms since 1970-01-01T00:00Z; -1: none."},
    {"name": "key", "type": ["null", "bytes"], "doc": "The record's key."},
    {
        "name": "headers",
        "type": {
            "type": "array",
            "items": {
                "type": "record",
                "name": "Header",
                "fields": [{"name": "key", "type": "string"}, {"name": "value", "type": ["null", "bytes"]}],
            },
        },
        "doc": "The record's headers in their order.",
    },
]


@cache
def _record_schema(value_schema: str) -> Any:  # noqa: ANN401 - fastavro's parsed form
    """Return the schema of a container whose values are of a contract, given as JSON text."""
    schema_id = {"name": "schema_id", "type": "int", "doc": "Id of the value's schema in the registry."}
    value = {"name": "value", "type": json.loads(value_schema), "doc": "The message."}
    return _envelope("ArchivedRecord", [schema_id, value])


@cache
def _poison_schema() -> Any:  # noqa: ANN401 - fastavro's parsed form
    """Return the schema of records that are kept as bytes."""
    return _envelope("PoisonRecord", [{"name": "value", "type": ["null", "bytes"], "doc": "Its bytes."}])


def _envelope(name: str, fields: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - fastavro's parsed form
    record = {"type": "record", "name": name, "namespace": "kr.digitalcluster.archive"}
    return fastavro.parse_schema({**record, "fields": [*_ENVELOPE, *fields]})


def _container_bytes(schema: Any, records: list[dict[str, Any]], metadata: Mapping[str, str]) -> bytes:  # noqa: ANN401
    """Return an Avro container; its sync marker is a digest, so that equal records have equal bytes."""
    sync = hashlib.md5(repr(sorted(metadata.items())).encode(), usedforsecurity=False).digest()
    header = _avro(schema, [], metadata, sync)
    body = _avro(schema, records, metadata, sync)[len(header) :]
    return _avro(schema, [], {**metadata, _DIGEST: _digest(_metadata(header)[0], body)}, sync) + body


def _avro(schema: Any, records: list[dict[str, Any]], metadata: Mapping[str, str], sync: bytes) -> bytes:  # noqa: ANN401
    buffer = BytesIO()
    fastavro.writer(buffer, schema, records, codec="deflate", metadata=dict(metadata), sync_marker=sync)
    return buffer.getvalue()


def _metadata(content: bytes) -> tuple[dict[str, str], int]:
    """Return what a container's header says, and how long it is [bytes]."""
    start = BytesIO(content)
    metadata: dict[str, str] = dict(fastavro.block_reader(start).metadata)
    return metadata, start.tell()


def _digest(metadata: Mapping[str, str], body: bytes) -> str:
    """Return the digest of what a header says, without the digest itself, and of all that follows it."""
    said = sorted((name, value) for name, value in metadata.items() if name != _DIGEST)
    return hashlib.sha256(repr(said).encode() + body).hexdigest()


def _checked(content: bytes) -> bytes:
    """Return a container's bytes if they are those that were written; older ones name no digest.

    Raises:
        ValueError: they are not.
    """
    metadata, length = _metadata(content)
    if _DIGEST in metadata and metadata[_DIGEST] != _digest(metadata, content[length:]):
        raise ValueError("its bytes are not those that were written")
    return content


def open_archive(root: str, *, create: bool) -> ObjectStore:
    """Open the folder or object store of an archive.

    Raises:
        OperatorError: it is not there (a folder is made if `create`), or can't be used (exit code SOURCE).
    """
    try:
        return from_url(root) if is_uri(root) else LocalStore(Path(root).absolute(), mkdir=create)
    except (OSError, ValueError, BaseError) as error:
        raise archive_error(root, _first_line(error), ExitCode.SOURCE) from error


def containers_below(store: ObjectStore, root: str, prefix: str) -> Iterator[Container]:
    """Yield the containers below a prefix by topic, partition and offset; other objects are not ours."""
    try:
        names = [_NAME.match(path) for path in paths_below(store, prefix)]
    except (OSError, BaseError) as error:
        raise archive_error(root, _first_line(error), ExitCode.SOURCE) from error
    yield from sorted(
        Container(n["topic"], int(n["partition"]), int(n["start"])) for n in names if n and not n["poison"]
    )


def extent_of(store: ObjectStore, root: str, container: Container) -> Extent:
    """Read what a container says of itself; of one of the Connect sink, count its records.

    Raises:
        OperatorError: it can't be read, or is no Avro container (exit code SOURCE).
    """
    with _reading(root, container.path):
        start = obstore.get_range(store, container.path, start=0, length=_HEADER_READ_BYTES).to_bytes()
        try:
            metadata = fastavro.block_reader(BytesIO(start)).metadata
        except (EOFError, IndexError, ValueError):  # the header is longer than what was read
            metadata = fastavro.block_reader(BytesIO(_get(store, container.path))).metadata
        if f"{_META}incarnation" not in metadata:
            blocks = fastavro.block_reader(BytesIO(_get(store, container.path)))
            end = container.start + sum(block.num_records for block in blocks)
            return Extent(container, CONNECT_INCARNATION, end, None, of_connect=True)
        return Extent(
            container,
            metadata[f"{_META}incarnation"],
            int(metadata[f"{_META}end_offset"]),
            metadata.get(f"{_META}poison_sha256"),
            of_connect=False,
        )


def read_container(
    store: ObjectStore, root: str, extent: Extent, registry: Registry
) -> Iterator[KafkaRecord]:
    """Yield a container's records, those of its poison container among them, in offset order.

    Raises:
        OperatorError: it can't be read, or is damaged (exit code SOURCE).
    """
    with _reading(root, extent.container.path):
        content = _checked(_get(store, extent.container.path))
        if extent.of_connect:
            yield from _connect_records(content, extent.container, registry)
        else:
            poison = _poison_records(store, root, extent)
            yield from heapq.merge(_good_records(content), poison, key=lambda record: record.offset)


@contextmanager
def _reading(root: str, path: str) -> Iterator[None]:
    """Say of which container it was that reading failed."""
    try:
        yield
    except OperatorError:
        raise
    except Exception as error:  # a damaged container fails in any way
        raise archive_error(root, f"{path}: {_first_line(error)}", ExitCode.SOURCE) from error


def _get(store: ObjectStore, path: str) -> bytes:
    return obstore.get(store, path).bytes().to_bytes()


def _decoded(content: bytes, reader_schema: Any = None) -> Iterator[Any]:  # noqa: ANN401 - fastavro's parsed form
    """Yield a container's records; fastavro's own type of them says less than its schema does."""
    yield from fastavro.reader(BytesIO(content), reader_schema=reader_schema)


def _good_records(content: bytes) -> Iterator[KafkaRecord]:
    """Yield decoded records with the bytes that their values encode to: those that Kafka had."""
    envelope: Any = fastavro.block_reader(BytesIO(content)).writer_schema
    value_schema = next(f for f in envelope["fields"] if f["name"] == "value")["type"]
    schema = parsed_schema(json.dumps(value_schema))
    for kept in _decoded(content):
        yield _record(kept, encode_message(kept["schema_id"], schema, kept["value"]))


def _poison_records(store: ObjectStore, root: str, extent: Extent) -> list[KafkaRecord]:
    if extent.poison_sha256 is None:
        return []
    path = extent.container.poison_path
    content = _get(store, path)
    if hashlib.sha256(content).hexdigest() != extent.poison_sha256:
        raise archive_error(
            root, f"{path} is not the one that was written with its container", ExitCode.SOURCE
        )
    return [_record(kept, kept["value"]) for kept in _decoded(content)]


def _record(kept: Mapping[str, Any], value: bytes | None) -> KafkaRecord:
    headers = tuple((h["key"], h["value"]) for h in kept["headers"])
    return KafkaRecord(kept["offset"], kept["timestamp"], kept["key"], value, headers)


def _connect_records(content: bytes, container: Container, registry: Registry) -> Iterator[KafkaRecord]:
    """Yield the values of a container of the Connect sink as messages of the current contract."""
    topic = parse_topic(container.topic)
    if topic is None:
        raise ValueError(f"{container.topic} is no topic of a known stream, so its contract is not known")
    stream = STREAMS[topic.stream]
    text = contract_text(stream.contract)
    schema = parsed_schema(text)
    schema_id = registry.register(schema["name"], text)
    for number, value in enumerate(_decoded(content, schema)):
        message = encode_message(schema_id, schema, value)
        yield KafkaRecord(container.start + number, _latest_event_ms(stream, value), None, message)


def _latest_event_ms(stream: Stream, value: Any) -> int:  # noqa: ANN401 - a decoded record
    """Return the latest event time of a record [ms since 1970, UTC]; 0 if it has no row."""
    rows = value[stream.rows] if stream.rows else [value]
    return max(((row[stream.event_time] - _EPOCH) // timedelta(milliseconds=1) for row in rows), default=0)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def archive_error(root: str, reason: str, code: ExitCode) -> OperatorError:
    """Say in one line that an archive can't be used."""
    return OperatorError(
        f"The archive {root} can't be used ({reason}): check DC_ARCHIVE and what lies there.",
        f"아카이브 {root}를 사용할 수 없습니다 ({reason}). DC_ARCHIVE 설정과 내용을 확인하세요.",
        code,
    )
