"""The contracts: .avsc files of avro/, loaded from the wheel's copy or else the checkout's.

Belongs here: finding a contract, its Arrow form, its canonical encoding. Does not belong here: schema ids
(pipelines.connectors.registry) and decoding of batches (pipelines.schemas.decode).
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

_PACKAGE = Path(__file__).resolve().parent.parent
_PRIMITIVES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
}


def packaged_folder(name: str) -> Path:
    """Return the folder `name` (avro, infra) of the wheel, else of the checkout.

    Raises:
        FileNotFoundError: neither holds it, so the installation is broken.
    """
    for candidate in (_PACKAGE / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name}/ is neither beside nor inside the package at {_PACKAGE}: reinstall it")


@cache
def contract_text(name: str) -> str:
    """Return the text of avro/<name>.avsc."""
    return (packaged_folder("avro") / f"{name}.avsc").read_text(encoding="utf-8")


def contract(name: str) -> dict[str, Any]:
    """Return avro/<name>.avsc as parsed JSON; the caller owns the copy."""
    schema: dict[str, Any] = json.loads(contract_text(name))
    return schema


def arrow_type(avro_type: Any, names: dict[str, Any] | None = None) -> pa.DataType:  # noqa: ANN401 - Avro's JSON
    """Return the Arrow type of an Avro type: enums become strings, timestamps microseconds in UTC.

    Raises:
        TypeError: a type that our contracts don't use (maps, wider unions, fixed).
    """
    known = {} if names is None else names
    if isinstance(avro_type, list):
        (inner,) = [t for t in avro_type if t != "null"]
        return arrow_type(inner, known)
    if isinstance(avro_type, dict):
        return _declared_type(avro_type, known)
    found = _PRIMITIVES.get(avro_type, known.get(avro_type))
    if found is None:
        raise TypeError(f"Avro type {avro_type!r} has no Arrow form here")
    return found


def _declared_type(declaration: dict[str, Any], known: dict[str, Any]) -> pa.DataType:
    kind = declaration["type"]
    if declaration.get("logicalType") == "timestamp-micros":
        return pa.timestamp("us", "UTC")
    if kind == "array":
        return pa.list_(arrow_type(declaration["items"], known))
    if kind not in ("enum", "record"):
        return arrow_type(kind, known)
    found = pa.string() if kind == "enum" else pa.struct(arrow_fields(declaration, known))
    known[declaration["name"]] = found
    return found


def arrow_fields(record: dict[str, Any], names: dict[str, Any] | None = None) -> list[pa.Field]:
    """Return the Arrow fields of an Avro record, with doc and unit as metadata; null only in unions."""
    known = {} if names is None else names
    return [
        pa.field(
            f["name"],
            arrow_type(f["type"], known),
            nullable=True,
            metadata={"doc": f.get("doc", ""), "unit": f.get("unit", "")},
        )
        for f in record["fields"]
    ]
