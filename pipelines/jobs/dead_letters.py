"""Dead letters: listing, showing, and replaying them once their cause is mended.

Belongs here: which letters are tried again, and the replay's one commit a stream. Does not belong here: how
messages die (pipelines.connectors.landing). A replay does not go through Kafka: its rows keep their offset.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from pipelines.connectors.landing import LandedSlice, Slice
from pipelines.connectors.staging import pieces, staging_folder
from pipelines.connectors.store import REPLAY, OpenTable
from pipelines.jobs.ingest import landing_of, open_raw
from pipelines.jobs.night import Night
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.messages import (
    MESSAGE_SCHEMA,
    DecodedBatch,
    OffsetRange,
    Partition,
    PartitionBounds,
)
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import DEAD_LETTERS, ROW_IDENTITY

_MESSAGE = ["topic", "incarnation", "partition", "offset"]


@dataclass
class ReplayReport:
    """What a replay did.

    Args:
        messages: messages that were tried.
        rows: rows that the raw tables gained.
        still_dead: messages that failed again, by reason.
    """

    messages: int = 0
    rows: int = 0
    still_dead: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[tuple[str, str]]:
        """Return (heading, text) lines for a person."""
        dead = ", ".join(f"{reason} {count}" for reason, count in sorted(self.still_dead.items()))
        return [
            ("tried", f"{self.messages} messages"),
            ("added", f"{self.rows} rows; the next night computes their days"),
            ("still dead", dead or "none"),
        ]


@dataclass(frozen=True)
class StoredLetters:
    """Dead letters as a source: their bytes under the offsets that they had.

    Args:
        letters: rows of the table dead_letters, one per message.
    """

    letters: pl.DataFrame

    def topics(self) -> list[str]:
        """Return the topics that the letters came from, sorted."""
        return self.letters["topic"].unique().sort().to_list()

    def bounds(self, topics: Sequence[str]) -> list[PartitionBounds]:
        """Return the partitions of the letters, from the first letter's offset to behind the last's."""
        spans = (
            self.letters.filter(pl.col("topic").is_in(list(topics)))
            .group_by("topic", "partition", "incarnation")
            .agg(first=pl.col("offset").min(), last=pl.col("offset").max())
            .sort("topic", "partition", "incarnation")
        )
        return [
            PartitionBounds(Partition(t, p, i), first, last + 1) for t, p, i, first, last in spans.iter_rows()
        ]

    def read(self, offsets: OffsetRange, decoder: MessageDecoder) -> Iterator[DecodedBatch]:
        """Decode the letters of a range."""
        partition = offsets.partition
        messages = (
            self.letters.filter(
                topic=partition.topic, partition=partition.partition, incarnation=partition.incarnation
            )
            .filter(pl.col("offset").is_between(offsets.start, offsets.end, closed="left"))
            .sort("offset")
            .select("offset", "key", "value", timestamp="record_timestamp")
            .select(MESSAGE_SCHEMA.names)
        )
        yield decoder.decode(partition, messages.to_arrow().cast(MESSAGE_SCHEMA))


def find_letters(
    night: Night, *, topic: str | None = None, reason: str | None = None, offset: int | None = None
) -> pl.DataFrame:
    """Return dead letters by topic, partition and offset, with their bytes (for the data engineer)."""
    letters = night.store.open(DEAD_LETTERS).scan()
    wanted = {"topic": topic, "reason": reason, "offset": offset}
    chosen = letters.filter(**{name: value for name, value in wanted.items() if value is not None})
    return chosen.sort(DEAD_LETTERS.key).collect()


def listing(letters: pl.DataFrame) -> pl.DataFrame:
    """Return dead letters without their bytes, with the size of the value [B]."""
    return letters.select(
        pl.exclude("key", "value", "rows", "known_at"), size_bytes=pl.col("value").bin.size()
    )


def shown(letters: pl.DataFrame) -> list[str]:
    """Return each dead letter as `name: value` lines, key and value in hex."""
    return [
        f"{name}: {value.hex() if isinstance(value, bytes) else value}"
        for letter in letters.iter_rows(named=True)
        for name, value in letter.items()
    ]


def replay(night: Night, letters: pl.DataFrame) -> ReplayReport:
    """Decode and check dead letters again and add the rows that pass, exactly once.

    The caller holds the lease. Each stream's rows go in with one commit under the app id `replay:<batch>`.
    Rows that are in the table already, by row identity, are left out, so a second replay adds nothing.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    messages = letters.unique(_MESSAGE, maintain_order=True)
    report = ReplayReport(messages=messages.height)
    stream = pl.col("topic").str.split(".").list.last()
    for name in sorted(set(messages.select(stream).to_series()) & set(STREAMS)):
        _replay_stream(night, name, messages.filter(stream == name), report)
    return report


def _replay_stream(night: Night, stream: str, messages: pl.DataFrame, report: ReplayReport) -> None:
    table, source = open_raw(night, stream), StoredLetters(messages)
    there = _rows_there(table, messages)
    ranges = [OffsetRange(b.partition, b.earliest, b.end) for b in source.bounds(source.topics())]
    with staging_folder(night.store) as staging:
        landing = landing_of(night, staging, {stream: table.table}, source.topics())
        replace(landing, source=source, leave_out=there).land(Slice(0, stream, tuple(ranges)))
        (left,) = pieces(night.store, staging)
        landed = LandedSlice.from_json(night.store.get(left))
    report.still_dead += landed.dead
    if landed.rows:
        table.commit_files(landed.files, {f"{REPLAY}{_batch(messages)}": 1})
        report.rows += landed.rows


def _rows_there(table: OpenTable, messages: pl.DataFrame) -> pl.DataFrame:
    """Return the identities of the rows that the table has of some messages."""
    rows = table.scan().filter(pl.col("topic").is_in(messages["topic"].unique().to_list()))
    return rows.select(ROW_IDENTITY).collect().join(messages, on=_MESSAGE, how="semi")


def _batch(messages: pl.DataFrame) -> str:
    identities = messages.select(_MESSAGE).sort(_MESSAGE).write_csv(include_header=False)
    return hashlib.sha256(identities.encode()).hexdigest()[:16]
