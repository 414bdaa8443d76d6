"""Messages -> columns: every message becomes a row or says why it can't.

Belongs here: decoding of batches of messages of one partition, whoever read them. Does not belong here:
asking a registry (pipelines.connectors.registry) and the checks of rows against profiles (transforms).

Two ways, one outcome: a native decoder takes whole groups of messages and is believed only where the
message's size, recomputed from the values, equals its bytes (pipelines.schemas.size_proof). All others are
held against their schema byte by byte (pipelines.schemas.byte_check) and decoded one at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from json import dumps, loads
from typing import Any, cast

import fastavro
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyruhvro

from pipelines.schemas.byte_check import Fault, byte_check
from pipelines.schemas.compatibility import unreadable
from pipelines.schemas.contracts import arrow_fields, contract
from pipelines.schemas.encode import HEADER_BYTES, MAGIC
from pipelines.schemas.messages import MESSAGE_SCHEMA, UNDECODABLE_SCHEMA, DecodedBatch, Partition
from pipelines.schemas.registry import Registry, RegistryUnavailable
from pipelines.schemas.resolution import ColumnPlan, column_plans
from pipelines.schemas.size_proof import encoded_sizes, provable
from pipelines.schemas.structure import NoSchemaError, bare, in_place, kind, parse
from pipelines.schemas.tables import OFFSET, RECORD_TIMESTAMP, SCHEMA_ID

Positions = npt.NDArray[np.int64]

# A native decoder that refuses this few messages is not asked for halves of them any more.
_FEW = 8


@dataclass(frozen=True)
class MessageDecoder:
    """Decodes the messages of one contract. Pickles; threads may share it.

    Args:
        reader: the columns wanted: an Avro record as JSON text (see `reader_schema`).
        registry: knows the writers' schemas by id.
        max_message_bytes: a longer value is a dead letter.
    """

    reader: str
    registry: Registry
    max_message_bytes: int

    def decode(self, partition: Partition, messages: pa.Table) -> DecodedBatch:
        """Decode messages; every offset is in `rows` or in `undecodable` (or at or after `cut_at`).

        Args:
            partition: where the messages come from.
            messages: MESSAGE_SCHEMA, in offset order.

        Returns:
            Reasons of undecodable messages, first match: too_large, null_value, wrong_magic, truncated,
            unknown_schema, schema_incompatible, then of the Avro bytes truncated, undecodable,
            leftover_bytes. Both tables are in offset order.
        """
        frames = _frames(messages, self.max_message_bytes)
        plans, cut = self._plans(frames)
        cut_at = None
        if cut is not None:
            cut_at = _offset(messages, cut)
            messages = messages.slice(0, cut)
            frames = _frames(messages, self.max_message_bytes)
        found = _Found(dict(frames.faults))
        for schema_id, positions in frames.groups():
            plan = plans[schema_id]
            if isinstance(plan, Fault):
                found.faults.update(dict.fromkeys(positions.tolist(), plan))
            else:
                _decode_group(plan, frames, positions, found)
        rows = _rows(self.reader, messages, frames, found)
        return DecodedBatch(partition, rows, _undecodable(messages, frames, found), messages, cut_at)

    def _plans(self, frames: "_Frames") -> "tuple[dict[int, WriterPlan | Fault], int | None]":
        """Plan each schema id that occurs; also the position of the first that can't be asked for."""
        plans: dict[int, WriterPlan | Fault] = {}
        for schema_id, positions in frames.groups():
            try:
                plans[schema_id] = self._plan(schema_id)
            except RegistryUnavailable:
                return plans, int(positions[0])
        return plans, None

    def _plan(self, schema_id: int) -> "WriterPlan | Fault":
        # Ids start at 1: no registry need be asked about what random bytes would name.
        text = self.registry.text(schema_id) if schema_id > 0 else None
        if text is None:
            return Fault("unknown_schema", f"the registry has no schema {schema_id}")
        return writer_plan(self.reader, text)


@dataclass(frozen=True)
class WriterPlan:
    """How messages of one writer's schema become the reader's columns.

    Args:
        record: the writer's record, references in place, bare.
        text: the same as JSON text, for the native decoder.
        native: whether the native decoder may be asked.
        schema: the same, as fastavro wants it.
        check: says what is wrong with a message's Avro bytes; null: nothing.
        columns: the reader's columns.
    """

    record: Any
    text: str
    native: bool
    schema: Any
    check: Any
    columns: list[ColumnPlan]


@lru_cache(maxsize=256)
def writer_plan(reader: str, writer: str) -> WriterPlan | Fault:
    """Plan the decoding of a writer's schema, or say (with the field) why the reader can't read it."""
    try:
        problems = unreadable(reader, writer)
        if problems:
            return Fault("schema_incompatible", problems[0])
        read, written = in_place(parse(reader)), in_place(parse(writer))
        record = bare(written)
        columns = column_plans(read, written, _columns(reader))
        check = byte_check(record)
    except (NoSchemaError, TypeError) as error:
        return Fault("schema_incompatible", str(error))
    return WriterPlan(record, dumps(record), provable(record), fastavro.parse_schema(record), check, columns)


def _columns(reader: str) -> list[pa.Field]:
    record: dict[str, Any] = loads(reader)
    return arrow_fields(record)


@dataclass
class _Found:
    """What has been decoded so far: pieces of columns with their messages' positions; faults by position."""

    faults: dict[int, Fault]
    positions: list[Positions] = field(default_factory=list)
    columns: list[list[pa.Array]] = field(default_factory=list)

    def add(self, plan: WriterPlan, positions: Positions, decoded: dict[str, pa.Array]) -> None:
        self.positions.append(positions)
        self.columns.append([c.column(decoded, len(positions)) for c in plan.columns])


@dataclass(frozen=True)
class _Frames:
    """Messages taken apart up to their Avro bytes, columnwise.

    Args:
        values: the messages' bytes.
        lengths: their lengths.
        schema_ids: the id that each names; meaningless where `named` is false.
        named: whether a message is framed and so names a schema id.
        faults: messages that are dead letters already, by position.
    """

    values: pa.LargeBinaryArray
    lengths: Positions
    schema_ids: npt.NDArray[np.int32]
    named: npt.NDArray[np.bool_]
    faults: dict[int, Fault]

    def groups(self) -> Iterator[tuple[int, Positions]]:
        """Give the positions of each schema id's messages, the id that occurs first first."""
        sound = self.named.copy()
        sound[list(self.faults)] = False
        positions = np.flatnonzero(sound)
        ids = self.schema_ids[positions]
        if len(ids) and ids.min() == ids.max():
            yield int(ids[0]), positions
            return
        occurring, first = np.unique(ids, return_index=True)
        for schema_id in occurring[np.argsort(first)].tolist():
            yield schema_id, positions[ids == schema_id]

    def payloads(self, positions: Positions) -> list[bytes]:
        """Give the Avro bytes of messages."""
        whole = len(positions) == len(self.values)
        values = self.values if whole else self.values.take(pa.array(positions))
        payloads: list[bytes] = pl.Series(values).bin.slice(HEADER_BYTES).to_list()
        return payloads


def _frames(messages: pa.Table, max_message_bytes: int) -> _Frames:
    values = messages.column("value").cast(pa.large_binary()).combine_chunks()
    count = len(values)
    if count == 0:
        empty = np.zeros(0, np.int64)
        return _Frames(values, empty, empty.astype(np.int32), empty.astype(np.bool_), {})
    _, offsets_buffer, bytes_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + count + 1]
    octets = np.frombuffer(bytes_buffer, np.uint8) if bytes_buffer is not None else np.zeros(0, np.uint8)
    present = values.is_valid().to_numpy(zero_copy_only=False)
    lengths = np.where(present, np.diff(offsets), 0)
    magic = np.ones(count, np.bool_)
    some = np.flatnonzero(lengths > 0)
    magic[some] = octets[offsets[some]] == MAGIC
    named = magic & (lengths >= HEADER_BYTES)
    schema_ids = np.zeros(count, np.int32)
    framed = np.flatnonzero(named)
    starts = offsets[framed]
    quads = np.stack([octets[starts + byte] for byte in range(1, HEADER_BYTES)], axis=1)
    schema_ids[framed] = np.ascontiguousarray(quads).view(">i4")[:, 0]
    faults = _frame_faults(present, lengths, magic, max_message_bytes)
    return _Frames(values, lengths, schema_ids, named, faults)


def _frame_faults(
    present: npt.NDArray[np.bool_], lengths: Positions, magic: npt.NDArray[np.bool_], max_message_bytes: int
) -> dict[int, Fault]:
    """Find the messages that are dead letters before any schema is asked for; the first reason holds."""
    sound = present & magic & (lengths >= HEADER_BYTES) & (lengths <= max_message_bytes)
    faults = {}
    for position in np.flatnonzero(~sound).tolist():
        length = int(lengths[position])
        if length > max_message_bytes:
            fault = Fault("too_large", f"{length} bytes, more than {max_message_bytes}")
        elif not present[position]:
            fault = Fault("null_value", "the record has no value")
        elif not magic[position]:
            fault = Fault("wrong_magic", "byte 0 of the message is not 0x00")
        else:
            fault = Fault("truncated", f"{length} bytes, fewer than the header's {HEADER_BYTES}")
        faults[position] = fault
    return faults


def _decode_group(plan: WriterPlan, frames: _Frames, positions: Positions, found: _Found) -> None:
    """Decode messages of one schema, natively where that can be proven, else one at a time."""
    payloads = frames.payloads(positions)
    rest = list(range(len(payloads)))
    if plan.native:
        rest = []
        lengths = frames.lengths[positions] - HEADER_BYTES
        for start, end, batch in _native_runs(plan.text, payloads):
            if batch is None:
                rest.extend(range(start, end))
                continue
            proven = encoded_sizes(plan.record, batch) == lengths[start:end]
            rest.extend((start + np.flatnonzero(~proven)).tolist())
            kept = batch if proven.all() else batch.filter(pa.array(proven))
            columns = dict(zip(kept.schema.names, kept.columns, strict=True))
            found.add(plan, positions[start:end][proven], columns)
    _decode_singly(plan, positions, payloads, rest, found)


def _native_runs(text: str, payloads: list[bytes]) -> Iterator[tuple[int, int, pa.RecordBatch | None]]:
    """Give runs [start, end) of messages with what the native decoder made of them; null: it refuses.

    A refused run is halved, so that one poison among many costs their decoding about once more.
    """
    waiting = [(0, len(payloads))]
    while waiting:
        start, end = waiting.pop()
        if start == end:
            continue
        batch = _native(text, payloads[start:end])
        if batch is None and end - start > _FEW:
            middle = (start + end) // 2
            waiting += [(middle, end), (start, middle)]
        else:
            yield start, end, batch


def _native(text: str, payloads: list[bytes]) -> pa.RecordBatch | None:
    """Decode natively; null: some message is refused, or a string is not UTF-8."""
    try:
        batch = pyruhvro.deserialize_array(payloads, text)
        batch.validate(full=True)
    except ValueError:
        return None
    return batch


def _decode_singly(
    plan: WriterPlan, positions: Positions, payloads: list[bytes], rest: Sequence[int], found: _Found
) -> None:
    records, sound = [], []
    for index in rest:
        fault = plan.check(payloads[index])
        if fault is not None:
            found.faults[int(positions[index])] = fault
            continue
        record = fastavro.schemaless_reader(BytesIO(payloads[index]), plan.schema)
        records.append(cast("dict[str, Any]", record))
        sound.append(index)
    if records:
        columns = {
            c.written: pa.array([r[c.written] for r in records], type=c.written_type)
            for c in plan.columns
            if c.written is not None
        }
        found.add(plan, positions[sound], columns)


def _rows(reader: str, messages: pa.Table, frames: _Frames, found: _Found) -> pa.Table:
    """Put the decoded pieces together in offset order."""
    schema = rows_schema(reader)
    if not found.positions:
        return schema.empty_table()
    positions = np.concatenate(found.positions)
    columns = [pa.chunked_array(list(pieces)) for pieces in zip(*found.columns, strict=True)]
    if len(found.positions) > 1:
        order = np.argsort(positions)
        positions = positions[order]
        columns = [c.combine_chunks().take(pa.array(order)) for c in columns]
    taken = messages.select(["offset", "timestamp"])
    if len(positions) < len(messages):
        taken = taken.take(pa.array(positions))
    schema_ids = pa.array(frames.schema_ids[positions])
    return pa.table([taken["offset"], taken["timestamp"], schema_ids, *columns], schema=schema)


@lru_cache(maxsize=64)
def rows_schema(reader: str) -> pa.Schema:
    """Return the schema of decoded rows: DECODED_COLUMNS, then the reader's columns."""
    return pa.schema([OFFSET, RECORD_TIMESTAMP, SCHEMA_ID, *_columns(reader)])


def _undecodable(messages: pa.Table, frames: _Frames, found: _Found) -> pa.Table:
    positions = sorted(found.faults)
    if not positions:
        return UNDECODABLE_SCHEMA.empty_table()
    taken = messages.select(MESSAGE_SCHEMA.names).take(pa.array(positions))
    faults = [found.faults[p] for p in positions]
    schema_ids = pa.array(frames.schema_ids[positions], mask=~frames.named[positions])
    reasons, details = (pa.array([getattr(f, part) for f in faults]) for part in ("reason", "detail"))
    return pa.table([*taken.columns, schema_ids, reasons, details], schema=UNDECODABLE_SCHEMA)


def _offset(messages: pa.Table, position: int) -> int:
    offset: int = messages["offset"][position].as_py()
    return offset


def reader_schema(contract_name: str, registry: Registry) -> str:
    """Return the columns to read of a contract: its own, and those that its newest registered version adds.

    Fields are added where they have a default (so that older messages can be read) and an Arrow form, in
    nested records too.

    Raises:
        RegistryUnavailable: the registry could not be asked.
    """
    own = contract(contract_name)
    newest = registry.latest(f"{own['namespace']}.{own['name']}")
    if newest is not None:
        own = _widened(own, loads(newest))
    return dumps(own, ensure_ascii=False)


def _widened(own: dict[str, Any], newest: dict[str, Any]) -> dict[str, Any]:
    """Add a newer record's fields to a record."""
    theirs = {f["name"]: f for f in newest["fields"]}
    fields = [
        {**f, "type": _widened_type(f["type"], theirs[f["name"]]["type"])} if f["name"] in theirs else f
        for f in own["fields"]
    ]
    known = {f["name"] for f in fields}
    added = [f for f in newest["fields"] if f["name"] not in known and "default" in f and _has_column(f)]
    return {**own, "fields": [*fields, *added]}


def _widened_type(own: Any, newest: Any) -> Any:  # noqa: ANN401 - Avro's JSON
    """Add a newer type's fields to the records within a type."""
    if isinstance(own, list) and isinstance(newest, list):
        newer = {kind(b): b for b in newest}
        return [_widened_type(b, newer.get(kind(b), b)) for b in own]
    if not (isinstance(own, dict) and isinstance(newest, dict) and own["type"] == newest["type"]):
        return own
    if own["type"] == "array":
        return {**own, "items": _widened_type(own["items"], newest["items"])}
    return _widened(own, newest) if own["type"] == "record" else own


def _has_column(avro_field: dict[str, Any]) -> bool:
    """Tell whether a field has an Arrow form by itself."""
    try:
        arrow_fields({"fields": [avro_field]})
    except (TypeError, ValueError, KeyError):
        return False
    return True
