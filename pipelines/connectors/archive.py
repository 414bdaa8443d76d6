"""The archive of topics: what Kafka held, as Avro containers in a folder or object store.

Belongs here: reading a range, appending, publishing and copying, over containers. Does not belong here: the
containers themselves (connectors.containers) and decoding (pipelines.schemas.decode).
"""

import base64
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from obstore.store import ObjectStore

from pipelines.connectors.batching import MessageBuffer
from pipelines.connectors.containers import (
    Container,
    NextContainer,
    containers_below,
    decode_exactly,
    extent_of,
    open_archive,
    read_container,
)
from pipelines.connectors.kafka import KafkaRecord, KafkaSource
from pipelines.connectors.sink import Record
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.messages import DecodedBatch, OffsetRange, Partition, PartitionBounds
from pipelines.schemas.registry import Registry


class ArchiveSource:
    """Records of an archive by offset; implements connectors.source.Source and pickles.

    Args:
        root: folder or object-store URI that holds `topics/`.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self._store: ObjectStore | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "_store": None}

    def topics(self) -> list[str]:
        """Return the names of all topics of which there is a container, sorted."""
        return sorted({c.topic for c in containers_below(self._open(), self.root, "topics/")})

    def bounds(self, topics: Sequence[str]) -> list[PartitionBounds]:
        """Return every partition's incarnation and offsets [earliest, end), sorted."""
        return sorted((b for t in topics for b in self._topic_bounds(t)), key=lambda b: b.partition)

    def read(self, offsets: OffsetRange, decoder: MessageDecoder) -> Iterator[DecodedBatch]:
        """Read the messages of a range in offset order, as Kafka's source does.

        Raises:
            OperatorError: offsets of the range are in no container, or one can't be read (exit code SOURCE).
        """
        pending = MessageBuffer()
        for record in self._records(offsets, decoder.registry):
            pending.offsets.append(record.offset)
            pending.timestamps_ms.append(record.timestamp_ms)
            pending.keys.append(record.key)
            pending.grow((record.value,))
            if pending.is_full():
                batch = decoder.decode(offsets.partition, pending.flush())
                yield batch
                if batch.cut_at is not None:
                    return
        if pending:
            yield decoder.decode(offsets.partition, pending.flush())

    def _open(self) -> ObjectStore:
        if self._store is None:
            self._store = open_archive(self.root, create=False)
        return self._store

    def _topic_bounds(self, topic: str) -> Iterator[PartitionBounds]:
        by_partition: dict[int, list[Container]] = {}
        for container in containers_below(self._open(), self.root, f"topics/{topic}/"):
            by_partition.setdefault(container.partition, []).append(container)
        for number, containers in by_partition.items():
            last = extent_of(self._open(), self.root, containers[-1])
            yield PartitionBounds(Partition(topic, number, last.incarnation), containers[0].start, last.end)

    def _records(self, offsets: OffsetRange, registry: Registry) -> Iterator[KafkaRecord]:
        """Yield the records of a range container by container, each of which must begin where one ended."""
        partition, position = offsets.partition, offsets.start
        folder = f"topics/{partition.topic}/partition={partition.partition}/"
        containers = list(containers_below(self._open(), self.root, folder))
        for container, following in zip_longest(containers, containers[1:]):
            if container.start >= offsets.end or (following and following.start <= position):
                continue
            extent = extent_of(self._open(), self.root, container)
            if container.start > position or extent.incarnation != partition.incarnation:
                break
            for record in read_container(self._open(), self.root, extent, registry):
                if offsets.start <= record.offset < offsets.end:
                    yield record
            position = max(position, extent.end)
        if position < offsets.end:
            raise _offsets_missing(self.root, offsets, position)


@dataclass(frozen=True)
class ArchiveWriter:
    """Writes ranges of records with their offsets, timestamps and incarnation.

    Args:
        root: folder or object-store URI; a folder is made if absent.
        registry: asked for the schemas that messages name. A message whose schema it does not know, or can't
            give now, is kept as bytes.
    """

    root: str | Path
    registry: Registry

    def append(self, offsets: OffsetRange, records: Iterable[KafkaRecord]) -> int:
        """Write the records of a range as the partition's next containers, and return how many they were.

        Args:
            offsets: what the records cover; holes in them are offsets that hold no record.
            records: in offset order.

        Raises:
            OperatorError: the partition's archive does not end where the range starts, is of another
                incarnation, or another writer was faster (exit code STORE).
        """
        store = open_archive(str(self.root), create=True)
        self._require_next(offsets)
        written, rolling = 0, NextContainer(offsets.start)
        for record in records:
            value = decode_exactly(record, self.registry)
            if rolling.must_roll(value):
                rolling.write(store, str(self.root), offsets.partition, record.offset)
                rolling = NextContainer(record.offset)
            rolling.add(record, value)
            written += 1
        if offsets.messages > 0:
            rolling.write(store, str(self.root), offsets.partition, offsets.end)
        return written

    def _require_next(self, offsets: OffsetRange) -> None:
        partition = offsets.partition
        for bounds in ArchiveSource(self.root).bounds([partition.topic]):
            if bounds.partition.partition == partition.partition and (
                bounds.partition != partition or bounds.end != offsets.start
            ):
                raise _not_next(str(self.root), offsets, bounds)


class ArchiveSink:
    """Publishes into an archive: each topic has one partition, each `send` appends the next containers.

    Args:
        root: folder or object-store URI.
        registry: asked for the schemas that messages name.
        incarnation_of: names the incarnation of a topic that is new; by default at random, as Kafka does.
    """

    def __init__(
        self, root: str | Path, registry: Registry, incarnation_of: Callable[[str], str] | None = None
    ) -> None:
        self.root = root
        self.registry = registry
        self._incarnation_of = incarnation_of or _random_incarnation

    def ensure_topics(self, names: Sequence[str], *, keep_forever: bool = True) -> None:
        """Do nothing but open the archive: a topic is there from its first container, and nothing expires."""
        del names, keep_forever
        open_archive(str(self.root), create=True)

    def send(self, topic: str, records: Iterable[Record]) -> int:
        """Append records and return how many; an empty `send` writes nothing.

        Raises:
            OperatorError: the archive can't be written, or another writer was faster (exit code STORE).
        """
        open_archive(str(self.root), create=True)
        bounds = ArchiveSource(self.root).bounds([topic])
        if bounds:
            partition, start = bounds[0].partition, bounds[0].end
        else:
            partition, start = Partition(topic, 0, self._incarnation_of(topic)), 0
        numbered = [
            KafkaRecord(start + i, r.timestamp_ms, r.key, r.value, r.headers) for i, r in enumerate(records)
        ]
        return ArchiveWriter(self.root, self.registry).append(
            OffsetRange(partition, start, start + len(numbered)), numbered
        )


def archive_topics(
    source: KafkaSource, root: str | Path, registry: Registry, topics: Sequence[str]
) -> list[OffsetRange]:
    """Copy what Kafka holds of topics, and the archive does not yet, into an archive; return what was copied.

    Offsets, timestamps, keys, headers, bytes and incarnations stay the same.

    Raises:
        OperatorError: Kafka no longer holds the offset at which the archive ends, or the topic is another
            incarnation; also the errors of reading and writing.
    """
    writer = ArchiveWriter(root, registry)
    open_archive(str(root), create=True)
    archived = {(b.partition.topic, b.partition.partition): b.end for b in ArchiveSource(root).bounds(topics)}
    copied = []
    for bounds in source.bounds(topics):
        partition = bounds.partition
        start = archived.get((partition.topic, partition.partition), bounds.earliest)
        offsets = OffsetRange(partition, start, bounds.end)
        if offsets.messages > 0:
            writer.append(offsets, (r for some in source.read_records(offsets) for r in some))
            copied.append(offsets)
    return copied


def _random_incarnation(_topic: str) -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _offsets_missing(root: str, offsets: OffsetRange, position: int) -> OperatorError:
    where = f"{offsets.partition.topic}/{offsets.partition.partition}"
    return OperatorError(
        f"The archive {root} does not hold offset {position} of {where} in that incarnation: "
        "restore its container, or run again to record the gap.",
        f"아카이브 {root}에 {where} 의 오프셋 {position} 이(가) 없습니다. "
        "파일을 복원하거나 다시 실행하여 누락을 기록하세요.",
        ExitCode.SOURCE,
    )


def _not_next(root: str, offsets: OffsetRange, bounds: PartitionBounds) -> OperatorError:
    where = f"{offsets.partition.topic}/{offsets.partition.partition}"
    held = f"{bounds.earliest}..{bounds.end - 1}" if bounds.end > bounds.earliest else f"up to {bounds.end}"
    return OperatorError(
        f"The archive {root} holds offsets {held} of {where}, incarnation {bounds.partition.incarnation}; "
        f"offsets from {offsets.start} of incarnation {offsets.partition.incarnation} don't continue it: "
        "archive them under another root.",
        f"아카이브 {root}의 {where} 오프셋 {held} 뒤에 {offsets.start} 부터 이어 쓸 수 없습니다. "
        "다른 위치에 보관하세요.",
        ExitCode.STORE,
    )
