"""The columns of a writer's schema turned into those of a reader's.

Belongs here: promotions, defaults, renamed and dropped fields, on Arrow columns, so that both decoders
resolve alike. Does not belong here: whether a reader may read a writer (pipelines.schemas.compatibility,
asked before).
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.schemas.contracts import arrow_type
from pipelines.schemas.structure import AvroType, bare, kind, without_null

Resolve = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class ColumnPlan:
    """How one column of the reader comes about.

    Args:
        field: the column.
        written: the writer's field that it is read from; null: the writer has none.
        written_type: Arrow type of that field as decoded; null: the writer has none.
        resolve: makes the column of the writer's.
        default: the column's value where the writer has no such field.
    """

    field: pa.Field
    written: str | None
    written_type: pa.DataType | None
    resolve: Resolve
    default: pa.Scalar

    def column(self, columns: dict[str, pa.Array], rows: int) -> pa.Array:
        """Make the column from a batch's decoded columns."""
        if self.written is None:
            return pa.repeat(self.default, rows)
        return self.resolve(columns[self.written])


def column_plans(reader: AvroType, writer: AvroType, fields: list[pa.Field]) -> list[ColumnPlan]:
    """Plan every column of a reader's record for a writer's record; references of both are in place.

    Raises:
        TypeError: a column has no Arrow form.
    """
    plans = []
    for wanted, field in zip(reader["fields"], fields, strict=True):
        given = _written(wanted, writer)
        if given is None:
            default = pa.scalar(_default(wanted["type"], wanted["default"]), type=field.type)
            plans.append(ColumnPlan(field, None, None, _same, default))
        else:
            decoded = arrow_type(bare(given["type"]))
            resolve = _resolver(wanted["type"], given["type"], field.type)
            plans.append(ColumnPlan(field, given["name"], decoded, resolve, pa.scalar(None, type=field.type)))
    return plans


def _same(column: pa.Array) -> pa.Array:
    return column


def _written(wanted: AvroType, writer: AvroType) -> AvroType | None:
    """Find the writer's field of a reader's field, by name or by one of the reader's aliases."""
    given = {f["name"]: f for f in writer["fields"]}
    return next((given[n] for n in (wanted["name"], *wanted.get("aliases", ())) if n in given), None)


def _default(avro_type: AvroType, default: AvroType) -> AvroType:
    """Turn a default's JSON into a value of its type (of a union: of its first branch)."""
    if isinstance(avro_type, list):
        return None if default is None else _default(without_null(avro_type), default)
    match kind(avro_type):
        case "record":
            return {
                f["name"]: _default(f["type"], default.get(f["name"], f.get("default")))
                for f in avro_type["fields"]
            }
        case "array":
            return [_default(avro_type["items"], item) for item in default]
        case "bytes":
            return default.encode("iso-8859-1")
        case _:
            return default


def _resolver(reader: AvroType, writer: AvroType, target: pa.DataType) -> Resolve:
    reader, writer = without_null(reader), without_null(writer)
    match kind(reader):
        case "record":
            return _record_resolver(reader, writer, target)
        case "array":
            return _array_resolver(reader, writer, target)
        case "enum":
            return _enum_resolver(reader, writer)
        case _:
            return lambda column: column if column.type.equals(target) else column.cast(target, safe=False)


def _record_resolver(reader: AvroType, writer: AvroType, target: pa.StructType) -> Resolve:
    plans = column_plans(reader, writer, list(target))
    positions = {f["name"]: index for index, f in enumerate(writer["fields"])}

    def resolve(column: pa.StructArray) -> pa.StructArray:
        needed = {p.written: column.field(positions[p.written]) for p in plans if p.written is not None}
        children = [p.column(needed, len(column)) for p in plans]
        mask = column.is_null() if column.null_count else None
        return pa.StructArray.from_arrays(children, fields=list(target), mask=mask)

    return resolve


def _array_resolver(reader: AvroType, writer: AvroType, target: pa.ListType) -> Resolve:
    items = _resolver(reader["items"], writer["items"], target.value_type)

    def resolve(column: pa.ListArray) -> pa.ListArray:
        mask = column.is_null() if column.null_count else None
        return pa.ListArray.from_arrays(column.offsets, items(column.values), type=target, mask=mask)

    return resolve


def _enum_resolver(reader: AvroType, writer: AvroType) -> Resolve:
    """A symbol that the reader lacks becomes the reader's default symbol."""
    if set(writer["symbols"]) <= set(reader["symbols"]):
        return _same
    symbols, default = pa.array(reader["symbols"]), pa.scalar(reader["default"])

    def resolve(column: pa.Array) -> pa.Array:
        foreign = pc.and_(column.is_valid(), pc.invert(pc.is_in(column, value_set=symbols)))
        return pc.if_else(foreign, default, column)

    return resolve
