"""Landing a slice: read, decode, check, write files. What leaves is small, so memory stays flat.

Belongs here: the one fused stage between a source and the raw tables. Does not belong here: the rules of a
row (pipelines.domain.checks), positions and commits (pipelines.jobs.ingest).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from pipelines.connectors.objects import canonical_json
from pipelines.connectors.source import Source
from pipelines.connectors.staging import leaving_failures, piece_path
from pipelines.connectors.store import ClusterStore, StoredFile, arrow_frame
from pipelines.domain.checks import RowRules, reasons
from pipelines.domain.cluster import bucket_of
from pipelines.domain.zones import local_days
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.messages import DecodedBatch, OffsetRange, Partition
from pipelines.schemas.streams import STREAMS, Stream
from pipelines.schemas.tables import DEAD_LETTERS, ROW_IDENTITY, Table

FLUSH_ROWS = 100_000
OTHER_CLUSTER = "other_cluster"
# Names that no contract has: a stop record has a reason of its own.
_REASON, _DETAIL = "_reason", "_detail"


@dataclass(frozen=True)
class Slice:
    """Offset ranges of one stream, of about equal bytes together: the unit of work of a worker."""

    number: int
    stream: str
    ranges: tuple[OffsetRange, ...]


@dataclass
class LandedSlice:
    """What is left of a slice.

    Args:
        number: the slice's number.
        stream: its stream.
        files: files of the raw table.
        dead_letter_files: files of the dead-letter table.
        dead_partitions: app ids of the partitions with dead letters.
        messages: messages read, by topic.
        rows: rows written.
        dead: dead letters by reason.
        skipped: rows of factories of other clusters in a shared gateway's topics.
        cuts: app id of each partition that must end early (registry down) -> its new end.
    """

    number: int
    stream: str
    files: list[StoredFile] = field(default_factory=list)
    dead_letter_files: list[StoredFile] = field(default_factory=list)
    dead_partitions: list[str] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    cuts: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Encode for the staging folder."""
        files = {name: [asdict(f) for f in getattr(self, name)] for name in ("files", "dead_letter_files")}
        return canonical_json({**vars(self), **files})

    @classmethod
    def from_json(cls, content: bytes) -> "LandedSlice":
        """Decode what `to_json` wrote."""
        raw: dict[str, Any] = json.loads(content)
        for name in ("files", "dead_letter_files"):
            raw[name] = [StoredFile(**f) for f in raw[name]]
        for name in ("messages", "dead"):
            raw[name] = Counter(raw[name])
        return cls(**raw)


@dataclass(frozen=True)
class Landing:
    """Everything that a worker needs to land a slice; pickles.

    Args:
        source: where records are read.
        store: the cluster's store.
        staging: folder below the store for what slices leave behind.
        decoders: by stream.
        tables: raw table by stream (perhaps wider than today's contract).
        rules: by topic.
        zones: factory, valid_from [us, UTC], zone: which zone's calendar holds from when on.
        buckets: buckets of the store.
        dead_letter_positions: app id -> offset below which dead letters are committed already.
        known_at: nominal time of the night, us since 1970.
        leave_out: identities of rows that are in the raw table already (a replay's); null: none can be.
    """

    source: Source
    store: ClusterStore
    staging: str
    decoders: Mapping[str, MessageDecoder]
    tables: Mapping[str, Table]
    rules: Mapping[str, RowRules]
    zones: pl.DataFrame
    buckets: int
    dead_letter_positions: Mapping[str, int]
    known_at: int
    leave_out: pl.DataFrame | None = None

    def land(self, work: Slice) -> int:
        """Land a slice and leave its outcome in the staging folder; returns its number.

        A repeated call replaces the outcome: exactly one counts, whatever a runner retries.
        """
        with leaving_failures(self.store, self.staging, work.number):
            outcome = _SliceWriter(self, work).run()
            self.store.put(piece_path(self.staging, work.number), outcome.to_json())
        return work.number


class _SliceWriter:
    """Buffers the rows of one slice and writes them in files of bounded size."""

    def __init__(self, landing: Landing, work: Slice) -> None:
        self._landing = landing
        self._work = work
        self._stream: Stream = STREAMS[work.stream]
        self._table = landing.tables[work.stream]
        self._outcome = LandedSlice(work.number, work.stream)
        self._rows: list[pl.DataFrame] = []
        self._dead: list[pl.DataFrame] = []

    def run(self) -> LandedSlice:
        for offsets in self._work.ranges:
            for batch in self._landing.source.read(offsets, self._landing.decoders[self._work.stream]):
                self._take(batch)
                if sum(f.height for f in self._rows) >= FLUSH_ROWS:
                    self._flush_rows()
                if sum(f.height for f in self._dead) >= FLUSH_ROWS // 16:
                    self._flush_dead_letters()
                if batch.cut_at is not None:
                    self._outcome.cuts[offsets.partition.app_id] = batch.cut_at
                    break
        self._flush_rows()
        self._flush_dead_letters()
        return self._outcome

    def _take(self, batch: DecodedBatch) -> None:
        self._outcome.messages[batch.partition.topic] += batch.rows.num_rows + batch.undecodable.num_rows
        if batch.undecodable.num_rows:
            self._keep_dead(batch.partition, undecodable_letters(batch.undecodable))
        rows = unfold(arrow_frame(batch.rows), self._stream)
        if rows.is_empty():
            return
        verdict = reasons(rows, self._landing.rules[batch.partition.topic])
        good = rows if verdict["reason"].null_count() == rows.height else self._refuse(rows, verdict, batch)
        if not good.is_empty():
            placed = self._placed(good, batch.partition)
            if self._landing.leave_out is not None:
                placed = placed.join(self._landing.leave_out, on=list(ROW_IDENTITY), how="anti")
            self._rows.append(placed)
            self._outcome.rows += placed.height

    def _refuse(self, rows: pl.DataFrame, verdict: pl.DataFrame, batch: DecodedBatch) -> pl.DataFrame:
        """Make dead letters of refused rows, count those of other clusters, return the others."""
        judged = rows.with_columns(verdict["reason"].alias(_REASON), verdict["detail"].alias(_DETAIL))
        self._outcome.skipped += judged.filter(pl.col(_REASON) == OTHER_CLUSTER).height
        refused = judged.filter(pl.col(_REASON).is_not_null() & (pl.col(_REASON) != OTHER_CLUSTER))
        self._keep_dead(batch.partition, refused_letters(judged, refused, batch.messages))
        return judged.filter(pl.col(_REASON).is_null()).drop(_REASON, _DETAIL)

    def _placed(self, rows: pl.DataFrame, partition: Partition) -> pl.DataFrame:
        days = local_days(rows.select("factory", at=event_start(rows, self._stream)), self._landing.zones)
        buckets = {f: bucket_of(f, self._landing.buckets) for f in rows["factory"].unique()}
        return rows.with_columns(
            days.alias("day"),
            pl.col("factory").replace_strict(buckets, return_dtype=pl.Int32).alias("bucket"),
            pl.lit(partition.topic).alias("topic"),
            pl.lit(partition.incarnation).alias("incarnation"),
            pl.lit(partition.partition, pl.Int32).alias("partition"),
        ).select(self._table.schema.names)

    def _keep_dead(self, partition: Partition, letters: pl.DataFrame) -> None:
        committed = self._landing.dead_letter_positions.get(partition.app_id, -1)
        fresh = letters.filter(pl.col("offset") >= committed)
        if fresh.is_empty():
            return
        self._outcome.dead.update(dict(fresh["reason"].value_counts().iter_rows()))
        if partition.app_id not in self._outcome.dead_partitions:
            self._outcome.dead_partitions.append(partition.app_id)
        self._dead.append(
            fresh.with_columns(
                topic=pl.lit(partition.topic),
                incarnation=pl.lit(partition.incarnation),
                partition=pl.lit(partition.partition, pl.Int32),
                known_at=pl.lit(self._landing.known_at).cast(pl.Datetime("us", "UTC")),
            )
        )

    def _flush_rows(self) -> None:
        if self._rows:
            rows = pl.concat(self._rows)
            self._rows.clear()
            for part in _parts(rows, self._table.partition_by):
                self._outcome.files.append(self._landing.store.write_file(self._table, part))

    def _flush_dead_letters(self) -> None:
        if self._dead:
            letters = pl.concat(self._dead)
            self._dead.clear()
            self._outcome.dead_letter_files.append(self._landing.store.write_file(DEAD_LETTERS, letters))


def _parts(rows: pl.DataFrame, by: Sequence[str]) -> list[pl.DataFrame]:
    """Split rows by columns; most often they are of one day and bucket, and stay as they are."""
    if rows.is_empty():
        return []
    of_one = all(rows.select((pl.col(by) == pl.col(by).first()).all()).row(0))
    return [rows] if of_one else rows.partition_by(by)


def unfold(messages: pl.DataFrame, stream: Stream) -> pl.DataFrame:
    """Make rows of decoded messages: the items of the stream's array field, numbered by `index`.

    Args:
        messages: one row per message; a message with an empty array has no row.
        stream: which field is unfolded; without one, a message is one row with index 0.
    """
    if stream.rows is None:
        return messages.with_columns(index=pl.lit(0, pl.Int32))
    filled = messages.filter(pl.col(stream.rows).list.len() > 0)
    index = pl.int_ranges(0, pl.col(stream.rows).list.len(), dtype=pl.Int32).alias("index")
    return filled.with_columns(index).explode(stream.rows, "index").unnest(stream.rows)


def event_start(rows: pl.DataFrame, stream: Stream) -> pl.Expr:
    """Return when what a row tells began: an interval stamped at its end belongs to the day of its start."""
    event = pl.col(stream.event_time)
    if "stamp" not in rows.columns:
        return event
    return pl.when(stamp="end").then(event - pl.duration(seconds="length_s")).otherwise(event)


_LETTER_COLUMNS = (
    "offset", "record_timestamp", "stage", "reason", "detail", "schema_id", "rows", "key", "value",
)  # fmt: skip


def undecodable_letters(undecodable: pa.Table) -> pl.DataFrame:
    """Make dead letters of messages that could not be decoded (UNDECODABLE_SCHEMA)."""
    return (
        arrow_frame(undecodable)
        .rename({"timestamp": "record_timestamp"})
        .with_columns(stage=pl.lit("decode"), rows=pl.lit(None, pl.List(pl.Int32)))
        .select(_LETTER_COLUMNS)
    )


def refused_letters(judged: pl.DataFrame, refused: pl.DataFrame, messages: pa.Table) -> pl.DataFrame:
    """Make dead letters of refused rows: one per message and reason, with the message's bytes.

    Args:
        judged: all rows of the batch.
        refused: those of them that are refused, with reason and detail under their private names.
        messages: MESSAGE_SCHEMA, for key and bytes.
    """
    totals = judged.group_by("offset").agg(total=pl.len())
    named = refused.select(
        "offset", "record_timestamp", "schema_id", "index", reason=pl.col(_REASON), detail=pl.col(_DETAIL)
    )
    letters = named.group_by("offset", "reason", maintain_order=True).agg(
        pl.col("record_timestamp", "schema_id", "detail").first(), pl.col("index").sort().alias("rows")
    )
    whole = pl.col("rows").list.len() == pl.col("total")
    bytes_of = arrow_frame(messages.select(["offset", "key", "value"]))
    return (
        letters.join(totals, on="offset")
        .join(bytes_of, on="offset")
        .with_columns(stage=pl.lit("check"), rows=pl.when(~whole).then(pl.col("rows")))
        .select(_LETTER_COLUMNS)
    )
