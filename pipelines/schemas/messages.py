"""Messages as a source hands them over, before and after decoding.

Belongs here: the two batch types that cross the seam between sources and jobs. Does not belong here: how
either is made.
"""

from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.schemas.tables import UTC_US

MESSAGE_SCHEMA = pa.schema(
    [
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", UTC_US, nullable=False),
        pa.field("key", pa.large_binary()),
        pa.field("value", pa.large_binary()),
    ]
)
UNDECODABLE_SCHEMA = pa.schema(
    [
        *MESSAGE_SCHEMA,
        pa.field("schema_id", pa.int32()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)
DECODED_COLUMNS = ("offset", "record_timestamp", "schema_id")


@dataclass(frozen=True, order=True)
class Partition:
    """A topic-partition and the broker's id of the topic: a recreated topic is another one."""

    topic: str
    partition: int
    incarnation: str

    @property
    def app_id(self) -> str:
        """Delta application id under which this partition's position is committed."""
        return f"{self.topic}/{self.partition}/{self.incarnation}"


@dataclass(frozen=True, order=True)
class OffsetRange:
    """Offsets [start, end) of one partition."""

    partition: Partition
    start: int
    end: int

    @property
    def messages(self) -> int:
        """Number of offsets in the range; an upper bound of its messages."""
        return self.end - self.start


@dataclass(frozen=True)
class PartitionBounds:
    """What a source can give of a partition at the cut: offsets [earliest, end)."""

    partition: Partition
    earliest: int
    end: int


@dataclass(frozen=True)
class DecodedBatch:
    """Messages of one partition, decoded.

    Args:
        partition: where they come from.
        rows: one row per decoded message: DECODED_COLUMNS, then the contract's columns as Arrow has them
            (pipelines.schemas.contracts.arrow_fields); columns of older writers filled with defaults.
        undecodable: UNDECODABLE_SCHEMA: messages that are dead letters already, with their bytes.
        messages: MESSAGE_SCHEMA of all messages, for the bytes of rows that a later check refuses.
        cut_at: first offset whose schema could not be asked for (registry down); nothing from there on is
            in the batch, and the caller ends the partition there; null: nothing was cut.
    """

    partition: Partition
    rows: pa.Table
    undecodable: pa.Table = field(default_factory=UNDECODABLE_SCHEMA.empty_table)
    messages: pa.Table = field(default_factory=MESSAGE_SCHEMA.empty_table)
    cut_at: int | None = None
