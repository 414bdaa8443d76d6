"""The proof that a native decoder took a message for what it is: its size recomputed from its values.

Belongs here: encoded sizes of columns, columnwise. Does not belong here: decoding.

A decoder that reads a value from the front of the bytes leaves some over or none; the shortest encoding of
what it read is never longer than what it consumed. So if the recomputed size equals the bytes' length,
nothing was left over and every number was in its shortest form. Not proven, and left to the byte check:
arrays coded in blocks, numbers in a longer form, and numbers that fill an int's fifth or a long's tenth
byte, where the decoder may have dropped bits.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.schemas.structure import AvroType, kind, minimum_bytes

Sizes = int | npt.NDArray[np.int64]

_FIXED_SIZES = {"boolean": 1, "enum": 1, "float": 4, "double": 8}
_DOUBTFUL_BYTES = {"int": 5, "long": 10}
# Added to a size that proves nothing: it then equals no message's length.
_UNPROVEN = 1 << 40
_ONE_BYTE_SYMBOLS = 64
_NULLABLE_BRANCHES = 2


def provable(avro_type: AvroType) -> bool:
    """Tell whether sizes of a bare type can be recomputed (and the native decoder knows the type)."""
    match kind(avro_type):
        case "record":
            known = bool(avro_type["fields"]) and all(provable(f["type"]) for f in avro_type["fields"])
        case "array":
            known = provable(avro_type["items"]) and minimum_bytes(avro_type["items"]) > 0
        case "enum":
            known = len(avro_type["symbols"]) <= _ONE_BYTE_SYMBOLS
        case "union":
            others = [b for b in avro_type if kind(b) != "null"]
            known = len(avro_type) == _NULLABLE_BRANCHES and len(others) == 1 and provable(others[0])
        case other:
            known = other == "string" or other in _FIXED_SIZES or other in _DOUBTFUL_BYTES
    return known


def encoded_sizes(record: AvroType, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Return the bytes that each row takes in Avro's binary form, in its shortest encoding.

    Args:
        record: the bare record that the batch was decoded with; it is `provable`.
        batch: the decoded rows, one column per field.
    """
    total = _record_sizes(record, batch.columns)
    return total if isinstance(total, np.ndarray) else np.full(batch.num_rows, total, dtype=np.int64)


def _sizes(avro_type: AvroType, column: pa.Array) -> Sizes:
    """Return the sizes of a column: one number if all are equal."""
    match kind(avro_type):
        case "union":
            sizes: Sizes = _union_sizes(avro_type, column)
        case "record":
            children = [column.field(index) for index in range(column.type.num_fields)]
            sizes = _record_sizes(avro_type, children)
        case "array":
            sizes = _array_sizes(avro_type, column)
        case "string":
            lengths: npt.NDArray[np.int64] = np.diff(_offsets(column))
            sizes = lengths + _length_sizes(lengths)
        case "int" | "long" as number:
            sizes = _number_sizes(column, _DOUBTFUL_BYTES[number])
        case other:
            sizes = _FIXED_SIZES[other]
    return sizes


def _record_sizes(record: AvroType, columns: list[pa.Array]) -> Sizes:
    total: Sizes = 0
    for field, column in zip(record["fields"], columns, strict=True):
        total = total + _sizes(field["type"], column)
    return total


def _union_sizes(branches: list[AvroType], column: pa.Array) -> Sizes:
    if column.null_count == len(column):
        return 1
    (inner,) = [b for b in branches if kind(b) != "null"]
    sizes = _sizes(inner, column)
    if column.null_count == 0:
        return 1 + sizes
    present = column.is_valid().to_numpy(zero_copy_only=False)
    return np.where(present, 1 + sizes, 1)


def _array_sizes(avro_type: AvroType, column: pa.ListArray) -> Sizes:
    offsets = _offsets(column)
    counts: npt.NDArray[np.int64] = np.diff(offsets)
    heads: npt.NDArray[np.int64] = np.where(counts > 0, 1 + _length_sizes(counts), 1)
    items = _sizes(
        avro_type["items"], column.values[offsets[0] : offsets[-1]] if len(column) else column.values
    )
    if not isinstance(items, np.ndarray):
        return heads + counts * items
    sums: npt.NDArray[np.int64] = np.concatenate((np.zeros(1, np.int64), np.cumsum(items)))
    within = offsets - offsets[0]
    return np.asarray(heads + sums[within[1:]] - sums[within[:-1]], dtype=np.int64)


def _offsets(column: Any) -> npt.NDArray[np.int64]:  # noqa: ANN401 - a string or list array
    """Return where a column's elements begin in its child or bytes, and the end of the last."""
    buffer = column.buffers()[1]
    if buffer is None or len(column) == 0:
        return np.zeros(len(column) + 1, np.int64)
    wide = pa.types.is_large_string(column.type) or pa.types.is_large_list(column.type)
    offsets = np.frombuffer(buffer, np.int64 if wide else np.int32)
    return np.asarray(offsets[column.offset : column.offset + len(column) + 1], dtype=np.int64)


def _length_sizes(lengths: npt.NDArray[np.int64]) -> Sizes:
    """Return the bytes of a length or count."""
    return _varint_sizes(lengths.astype(np.uint64) << np.uint64(1))


def _number_sizes(column: pa.Array, doubtful: int) -> Sizes:
    if len(column) == 0:
        return 0
    width = np.int32 if pa.types.is_int32(column.type) else np.int64
    numbers = np.frombuffer(column.buffers()[1], width)[column.offset : column.offset + len(column)]
    signed = numbers.astype(np.int64)
    sizes = _varint_sizes(((signed << 1) ^ (signed >> 63)).view(np.uint64))
    if not isinstance(sizes, np.ndarray):
        return sizes if sizes < doubtful else sizes + _UNPROVEN
    return np.where(sizes < doubtful, sizes, sizes + _UNPROVEN)


def _varint_sizes(zigzag: npt.NDArray[np.uint64]) -> Sizes:
    """Return the bytes of numbers in seven-bit groups; only the lengths that occur are tested for."""
    if len(zigzag) == 0:
        return 0
    shortest, longest = (max(1, -(-int(n).bit_length() // 7)) for n in (zigzag.min(), zigzag.max()))
    if shortest == longest:
        return shortest
    sizes = np.full(len(zigzag), shortest, dtype=np.int64)
    for groups in range(shortest, longest):
        sizes += zigzag >= np.uint64(1 << (7 * groups))
    return sizes
