"""An Avro schema taken apart: named types, references put in place, bare structure.

Belongs here: what the readability rules, the decoders and the size proof need to know of one schema. Does
not belong here: two schemas compared (pipelines.schemas.compatibility).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

AvroType = Any  # a name, a union's list, or a definition's object, as JSON has them

MINIMUM_BYTES = {"null": 0, "float": 4, "double": 8}
NAMED = ("record", "enum", "fixed")
_DECISIVE = {
    "record": ("fields",),
    "enum": ("symbols",),
    "fixed": ("size",),
    "array": ("items",),
    "map": ("values",),
}


class NoSchemaError(ValueError):
    """A text that is no Avro schema; the message says why."""


@dataclass(frozen=True)
class ParsedSchema:
    """A schema with its named types by full name, whose references are full names too."""

    root: AvroType
    names: dict[str, AvroType]


def kind(avro_type: AvroType) -> str:
    """Return the kind of a type: a primitive's or complex type's name, `union`, or a named type's name."""
    if isinstance(avro_type, list):
        return "union"
    if isinstance(avro_type, str):
        return avro_type
    inner = avro_type["type"]
    return inner if isinstance(inner, str) else kind(inner)


def unwrapped(avro_type: AvroType) -> AvroType:
    """Return a type without the objects that only wrap another object: {"type": {"type": ...}}."""
    while isinstance(avro_type, dict) and not isinstance(avro_type["type"], str):
        avro_type = avro_type["type"]
    return avro_type


def branches(avro_type: AvroType) -> list[AvroType]:
    """Return the branches of a union, or the type itself as the only one."""
    avro_type = unwrapped(avro_type)
    return avro_type if isinstance(avro_type, list) else [avro_type]


def without_null(avro_type: AvroType) -> AvroType:
    """Return the one branch that is not null.

    Raises:
        TypeError: there is none, or more than one.
    """
    others = [b for b in branches(avro_type) if kind(b) != "null"]
    if len(others) != 1:
        raise TypeError("a union of several types has no column form here")
    return unwrapped(others[0])


@lru_cache(maxsize=256)
def parse(text: str) -> ParsedSchema:
    """Parse a schema's JSON text.

    Raises:
        NoSchemaError: it is no Avro schema.
    """
    names: dict[str, AvroType] = {}
    try:
        root = fastavro.parse_schema(json.loads(text), named_schemas=names)
    except (SchemaParseException, UnknownType, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoSchemaError(f"no Avro schema ({type(error).__name__})") from error
    except RecursionError as error:
        raise NoSchemaError("no Avro schema: nested too deeply") from error
    return ParsedSchema(root, names)


def in_place(schema: ParsedSchema) -> AvroType:
    """Return the root with every reference replaced by what it names.

    Raises:
        TypeError: a type contains itself.
    """
    return _in_place(schema.root, schema.names, ())


def _in_place(avro_type: AvroType, names: dict[str, AvroType], around: tuple[str, ...]) -> AvroType:
    avro_type = unwrapped(avro_type)
    if isinstance(avro_type, list):
        return [_in_place(b, names, around) for b in avro_type]
    name = avro_type if isinstance(avro_type, str) else kind(avro_type)
    if name in names:
        return _in_place(names[name], names, around)
    if isinstance(avro_type, str):
        return avro_type
    if kind(avro_type) in NAMED:
        if avro_type["name"] in around:
            raise TypeError(f"type {avro_type['name']} contains itself")
        around = (*around, avro_type["name"])
    placed = dict(avro_type)
    for part in ("items", "values"):
        if part in placed:
            placed[part] = _in_place(placed[part], names, around)
    if "fields" in placed:
        placed["fields"] = [{**f, "type": _in_place(f["type"], names, around)} for f in placed["fields"]]
    return placed


def bare(avro_type: AvroType) -> AvroType:
    """Return only what decides the bytes of a type whose references are in place; every name is fresh."""
    return _bare(avro_type, count())


def _bare(avro_type: AvroType, fresh: Iterator[int]) -> AvroType:
    if isinstance(avro_type, list):
        return [_bare(b, fresh) for b in avro_type]
    simple = kind(avro_type)
    if simple not in _DECISIVE:
        return simple
    stripped: dict[str, AvroType] = {"type": simple}
    if simple in NAMED:
        stripped["name"] = f"t{next(fresh)}"
    for part in _DECISIVE[simple]:
        match part:
            case "fields":
                stripped[part] = [
                    {"name": f["name"], "type": _bare(f["type"], fresh)} for f in avro_type["fields"]
                ]
            case "items" | "values":
                stripped[part] = _bare(avro_type[part], fresh)
            case _:
                stripped[part] = avro_type[part]
    return stripped


def minimum_bytes(avro_type: AvroType) -> int:
    """Return the fewest bytes that a value of a bare type takes."""
    match kind(avro_type):
        case "record":
            return sum(minimum_bytes(f["type"]) for f in avro_type["fields"])
        case "union":
            return 1 + min(minimum_bytes(b) for b in avro_type)
        case "fixed":
            return int(avro_type["size"])
        case other:
            return MINIMUM_BYTES.get(other, 1)
