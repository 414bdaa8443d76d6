"""Avro bytes held against their schema, byte by byte: whether they are one value, and if not, where not.

Belongs here: the strict check behind every message that can't be taken from the fast path; it bounds time
and memory by the message's length. Does not belong here: making values (fastavro does, after this check).
"""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.schemas.structure import AvroType, kind, minimum_bytes

Step = Callable[[bytes, int], int]

_VARINT_BITS = 64
_INT_BITS = 32
_BYTE = 0x80


@dataclass(frozen=True)
class Fault:
    """Why bytes are not a value: a reason code, and what is wrong where (never a value)."""

    reason: str
    detail: str


class _FaultError(Exception):
    """Carries a fault out of nested steps."""

    def __init__(self, reason: str, position: int, what: str, where: str) -> None:
        place = f"field {where}" if where else "the record"
        super().__init__(f"byte {position}, {place}: {what}")
        self.reason = reason


def byte_check(avro_type: AvroType) -> Callable[[bytes], Fault | None]:
    """Return the check of a bare type's encoding: null if the bytes are exactly one value.

    Reasons: truncated (it ends too early, or a length says more than there is), leftover_bytes, undecodable
    (no such branch, symbol, boolean; not UTF-8; a number too wide). Positions count from the Avro bytes'
    start.

    Raises:
        TypeError: an array whose items take no bytes, so that a count could claim any number of them.
    """
    step = _step(avro_type, "")

    def check(payload: bytes) -> Fault | None:
        try:
            end = step(payload, 0)
        except _FaultError as fault:
            return Fault(fault.reason, str(fault))
        if end < len(payload):
            return Fault("leftover_bytes", f"{len(payload) - end} bytes are left over after byte {end}")
        return None

    return check


def _step(avro_type: AvroType, where: str) -> Step:
    known = kind(avro_type)
    if known in _PRIMITIVE:
        return _PRIMITIVE[known](where)
    return _COMPLEX[known](avro_type, where)


def _varint(payload: bytes, position: int, where: str) -> tuple[int, int]:
    """Read a zigzag number; return it and the position after it."""
    number, shift, start = 0, 0, position
    while True:
        if position >= len(payload):
            raise _FaultError("truncated", position, "the bytes end within a number", where)
        byte = payload[position]
        position += 1
        number |= (byte & ~_BYTE) << shift
        shift += 7
        if not byte & _BYTE:
            break
        if shift >= _VARINT_BITS:
            raise _FaultError("undecodable", start, "a number of more than ten bytes", where)
    if number >> _VARINT_BITS:
        raise _FaultError("undecodable", start, "a number of more than 64 bits", where)
    return (number >> 1) ^ -(number & 1), position


def _needed(payload: bytes, position: int, size: int, where: str) -> int:
    """Return the position after `size` bytes."""
    missing = size - (len(payload) - position)
    if missing > 0:
        raise _FaultError("truncated", position, f"{missing} bytes are missing", where)
    return position + size


def _whole(bits: int, where: str) -> Step:
    lowest, highest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def step(payload: bytes, position: int) -> int:
        number, end = _varint(payload, position, where)
        if not lowest <= number <= highest:
            raise _FaultError("undecodable", position, f"a number of more than {bits} bits", where)
        return end

    return step


def _boolean(where: str) -> Step:
    def step(payload: bytes, position: int) -> int:
        end = _needed(payload, position, 1, where)
        if payload[position] > 1:
            raise _FaultError("undecodable", position, "neither true nor false", where)
        return end

    return step


def _bytes(size: int, where: str) -> Step:
    return lambda payload, position: _needed(payload, position, size, where)


def _sized(where: str, *, text: bool) -> Step:
    def step(payload: bytes, position: int) -> int:
        size, start = _varint(payload, position, where)
        if size < 0:
            raise _FaultError("undecodable", position, "a negative length", where)
        end = _needed(payload, start, size, where)
        if text:
            try:
                payload[start:end].decode("utf-8")
            except UnicodeDecodeError as error:
                raise _FaultError("undecodable", start + error.start, "not UTF-8", where) from error
        return end

    return step


def _enum(avro_type: AvroType, where: str) -> Step:
    symbols = len(avro_type["symbols"])

    def step(payload: bytes, position: int) -> int:
        index, end = _varint(payload, position, where)
        if not 0 <= index < symbols:
            raise _FaultError("undecodable", position, "no such symbol", where)
        return end

    return step


def _union(branches: list[AvroType], where: str) -> Step:
    steps = [_step(branch, where) for branch in branches]

    def step(payload: bytes, position: int) -> int:
        index, end = _varint(payload, position, where)
        if not 0 <= index < len(steps):
            raise _FaultError("undecodable", position, "no such branch of the union", where)
        return steps[index](payload, end)

    return step


def _record(record: AvroType, where: str) -> Step:
    before = f"{where}." if where else ""
    steps = [_step(f["type"], f"{before}{f['name']}") for f in record["fields"]]

    def step(payload: bytes, position: int) -> int:
        for field_step in steps:
            position = field_step(payload, position)
        return position

    return step


def _blocks(items: AvroType, key: Step | None, where: str) -> Step:
    """Check an array (key: null) or map: blocks of items, an empty block at the end."""
    item, least = _step(items, f"{where}[]"), minimum_bytes(items) + (key is not None)
    if least == 0:
        raise TypeError(f"field {where or 'of the record'}: an array whose items take no bytes")

    def step(payload: bytes, position: int) -> int:
        while True:
            count, start, size = _block(payload, position, where)
            if count == 0:
                return start
            _needed(payload, start, max(count * least, size or 0), where)
            end = start
            for _ in range(count):
                end = item(payload, end if key is None else key(payload, end))
            if size is not None and end - start != size:
                raise _FaultError("undecodable", position, "a block is not as long as it says", where)
            position = end

    return step


def _block(payload: bytes, position: int, where: str) -> tuple[int, int, int | None]:
    """Read a block's head: items, where they start, their bytes if it says so (a negative count does)."""
    count, start = _varint(payload, position, where)
    if count >= 0:
        return count, start, None
    size, start = _varint(payload, start, where)
    if size < 0:
        raise _FaultError("undecodable", position, "a block of negative length", where)
    return -count, start, size


_PRIMITIVE: dict[str, Callable[[str], Step]] = {
    "null": lambda _where: lambda _payload, position: position,
    "boolean": _boolean,
    "int": lambda where: _whole(_INT_BITS, where),
    "long": lambda where: _whole(_VARINT_BITS, where),
    "float": lambda where: _bytes(4, where),
    "double": lambda where: _bytes(8, where),
    "bytes": lambda where: _sized(where, text=False),
    "string": lambda where: _sized(where, text=True),
}
_COMPLEX: dict[str, Callable[[AvroType, str], Step]] = {
    "record": _record,
    "union": _union,
    "enum": _enum,
    "fixed": lambda avro_type, where: _bytes(avro_type["size"], where),
    "array": lambda avro_type, where: _blocks(avro_type["items"], None, where),
    "map": lambda avro_type, where: _blocks(avro_type["values"], _sized(where, text=True), where),
}
