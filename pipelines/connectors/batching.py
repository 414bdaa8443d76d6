"""Messages gathered into tables of about equal bytes: what both sources hand to the decoder.

Belongs here: MESSAGE_SCHEMA tables from columns of messages. Does not belong here: where messages come from
(connectors.kafka, connectors.archive) and what they mean (pipelines.schemas.decode).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipelines.schemas.messages import MESSAGE_SCHEMA

FLUSH_BYTES = 2 * 1024 * 1024
FLUSH_MESSAGES = 50_000
# What a producer may stamp exceeds what calendars hold; the years 1 to 9999 are kept exactly.
EARLIEST_MS = -62_135_596_800_000
LATEST_MS = 253_402_300_799_999


class MessageBuffer:
    """Messages that wait to become one MESSAGE_SCHEMA table; append to its columns in step, then `grow`."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.timestamps_ms: list[int] = []
        self.keys: list[bytes | None] = []
        self.values: list[bytes | None] = []
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self.offsets)

    def grow(self, values: Sequence[bytes | None]) -> None:
        """Append values and count their bytes."""
        self.values.extend(values)
        self._size_bytes += sum(map(len, filter(None, values)))

    def is_full(self) -> bool:
        """Say whether it is time to flush."""
        return self._size_bytes >= FLUSH_BYTES or len(self.offsets) >= FLUSH_MESSAGES

    def flush(self) -> pa.Table:
        """Return the messages as a MESSAGE_SCHEMA table and start anew.

        Timestamps [ms] outside the years 1 to 9999 are clamped to them; -1, Kafka's "no timestamp", stays.
        """
        stamps = np.clip(np.array(self.timestamps_ms, dtype=np.int64), EARLIEST_MS, LATEST_MS) * 1000
        table = pa.table(
            [
                pa.array(self.offsets, pa.int64()),
                pa.array(stamps, pa.int64()).cast(MESSAGE_SCHEMA.field("timestamp").type),
                pa.array(self.keys, pa.large_binary()),
                pa.array(self.values, pa.large_binary()),
            ],
            schema=MESSAGE_SCHEMA,
        )
        self.offsets, self.timestamps_ms, self.keys, self.values = [], [], [], []
        self._size_bytes = 0
        return table
