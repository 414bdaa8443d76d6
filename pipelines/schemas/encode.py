"""Records -> messages: the wire format of the topics.

Belongs here: writing messages (the simulator, the on-ramp, replays, tests). Does not belong here: schema ids
(pipelines.schemas.registry) and reading messages (pipelines.schemas.decode).
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any

import fastavro

MAGIC = 0
HEADER_BYTES = 5
_HEADER = struct.Struct(">BI")


@cache
def parsed_schema(text: str) -> Any:  # noqa: ANN401 - fastavro's parsed form
    """Parse an Avro schema's JSON text once per process, in the form that fastavro writes fastest."""
    return fastavro.parse_schema(json.loads(text))


def header(schema_id: int) -> bytes:
    """Return what stands before the Avro bytes: 0x00 and the schema id, 4 bytes, big-endian."""
    return _HEADER.pack(MAGIC, schema_id)


def encode_message(schema_id: int, schema: Any, record: Mapping[str, Any]) -> bytes:  # noqa: ANN401
    """Encode one record as a message.

    Args:
        schema_id: id of the schema in the registry.
        schema: the schema as `parsed_schema` gives it.
        record: the record by field name; fields with a default may be left out; timestamps are aware
            datetimes or microseconds.

    Raises:
        ValueError, TypeError: the record does not fit the schema.
    """
    buffer = BytesIO()
    buffer.write(header(schema_id))
    fastavro.schemaless_writer(buffer, schema, record)
    return buffer.getvalue()


@dataclass
class MessageEncoder:
    """Encodes many records of one schema, reusing what one record needs. Not for several threads at once.

    Args:
        schema_id: id of the schema in the registry.
        text: the schema as JSON text.
    """

    schema_id: int
    text: str
    _schema: Any = field(init=False, repr=False)
    _header: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._schema = parsed_schema(self.text)
        self._header = header(self.schema_id)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Encode one record."""
        buffer = BytesIO()
        buffer.write(self._header)
        fastavro.schemaless_writer(buffer, self._schema, record)
        return buffer.getvalue()

    def encode_all(self, records: Iterable[Mapping[str, Any]]) -> list[bytes]:
        """Encode records in their order."""
        return [self.encode(record) for record in records]
