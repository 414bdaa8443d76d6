"""The one interface of everything that records are read from.

Belongs here: the protocol. Implementations: connectors.kafka and connectors.archive. A reader that decodes
whole Kafka record batches fits behind it, because `read` hands over decoded columns.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.messages import DecodedBatch, OffsetRange, PartitionBounds


class Source(Protocol):
    """Records of topics, by offset. Implementations pickle: Beam workers open their own connections."""

    def topics(self) -> list[str]:
        """Return the names of all topics at the cut, sorted."""

    def bounds(self, topics: Sequence[str]) -> list[PartitionBounds]:
        """Return every partition of the topics with its incarnation and offsets at the cut, sorted."""

    def read(self, offsets: OffsetRange, decoder: MessageDecoder) -> Iterator[DecodedBatch]:
        """Read the messages of a range in offset order; compacted or aborted offsets are skipped.

        Raises:
            OperatorError: the source can't be reached, or offsets of the range are gone.
        """
