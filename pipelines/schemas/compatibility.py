"""Whether one schema reads what another wrote: Avro's resolution, and what it would silently get wrong.

Belongs here: the rules, on two schemas. Does not belong here: the history that they are held against
(tests/schemas/test_compatibility.py) and the reading itself (pipelines.schemas.resolution).

Stricter than Avro 1.11's schema resolution in three points, because the value would be wrong without an
error: a changed logical type, a changed unit where both schemas state one, and bytes read as string.
"""

from dataclasses import dataclass, field

from pipelines.schemas.structure import AvroType, ParsedSchema, kind, parse, unwrapped

_PROMOTED_FROM = {
    "long": ("int",),
    "float": ("int", "long"),
    "double": ("int", "long", "float"),
    "bytes": ("string",),
}


def breaking_changes(new: str, old: str) -> list[str]:
    """Say what keeps two versions of a contract from reading each other's messages, in both directions.

    Args:
        new: the changed schema, JSON text.
        old: a version of the history, JSON text.

    Returns:
        One line per problem with field and reason; empty: fully compatible. Docs don't matter.

    Raises:
        NoSchemaError: one of them is no Avro schema.

    Source: Apache Avro 1.11 specification, Schema Resolution.
    """
    return [f"the new version can't read the old one's: {p}" for p in unreadable(new, old)] + [
        f"the old version can't read the new one's: {p}" for p in unreadable(old, new)
    ]


def unreadable(reader: str, writer: str) -> list[str]:
    """Say why messages of `writer` can't be read as `reader`: one line per problem, with its field.

    Raises:
        NoSchemaError: one of them is no Avro schema.
    """
    read, written = parse(reader), parse(writer)
    return _Comparison(read, written).problems(read.root, written.root, "")


@dataclass
class _Comparison:
    """One reader held against one writer; remembers the pairs of records that it is inside of."""

    reader: ParsedSchema
    writer: ParsedSchema
    inside: set[tuple[str, str]] = field(default_factory=set)

    def problems(self, reader: AvroType, writer: AvroType, where: str) -> list[str]:
        reader = _definition(reader, self.reader)
        writer = _definition(writer, self.writer)
        if kind(writer) == "union":
            return [p for branch in writer for p in self.problems(reader, branch, where)]
        if kind(reader) == "union":
            return self._in_union(reader, writer, where)
        if kind(reader) != kind(writer):
            return _promotion(reader, writer, where)
        return self._same_kind(reader, writer, where)

    def _same_kind(self, reader: AvroType, writer: AvroType, where: str) -> list[str]:
        match kind(reader):
            case "record":
                return self._record(reader, writer, where)
            case "enum":
                return _enum(reader, writer, where)
            case "array" | "map" as container:
                part = "items" if container == "array" else "values"
                return self.problems(reader[part], writer[part], f"{where}[]")
            case "fixed":
                return _fixed(reader, writer, where)
            case _:
                return _logical(reader, writer, where)

    def _in_union(self, reader: list[AvroType], writer: AvroType, where: str) -> list[str]:
        """Avro reads with the first branch that fits."""
        found = [self.problems(branch, writer, where) for branch in reader]
        if any(not problems for problems in found):
            return []
        same_kind = [
            problems
            for branch, problems in zip(reader, found, strict=True)
            if kind(_definition(branch, self.reader)) == kind(writer)
        ]
        if len(same_kind) == 1:
            return same_kind[0]
        return [f"{_named(where)}: no branch of the reader's union fits {kind(writer)}"]

    def _record(self, reader: AvroType, writer: AvroType, where: str) -> list[str]:
        pair = (reader["name"], writer["name"])
        if pair in self.inside:
            return []
        self.inside.add(pair)
        problems = _name(reader, writer, where)
        written = {f["name"]: f for f in writer["fields"]}
        for wanted in reader["fields"]:
            path = f"{where}.{wanted['name']}" if where else wanted["name"]
            given = next(
                (written[n] for n in (wanted["name"], *wanted.get("aliases", ())) if n in written), None
            )
            if given is not None:
                problems += _unit(wanted, given, path)
                problems += self.problems(wanted["type"], given["type"], path)
            elif "default" not in wanted:
                problems.append(f"{path}: not written, and the reader has no default for it")
        self.inside.discard(pair)
        return problems


def _promotion(reader: AvroType, writer: AvroType, where: str) -> list[str]:
    if kind(writer) in _PROMOTED_FROM.get(kind(reader), ()):
        return _logical(reader, writer, where)
    return [f"{_named(where)}: type {kind(writer)} can't be read as {kind(reader)}"]


def _enum(reader: AvroType, writer: AvroType, where: str) -> list[str]:
    missing = [s for s in writer["symbols"] if s not in reader["symbols"]]
    problems = _name(reader, writer, where)
    if missing and "default" not in reader:
        problems.append(
            f"{_named(where)}: the reader lacks symbol {', '.join(missing)} and has no default symbol"
        )
    return problems


def _fixed(reader: AvroType, writer: AvroType, where: str) -> list[str]:
    problems = _name(reader, writer, where) + _logical(reader, writer, where)
    if reader["size"] != writer["size"]:
        problems.append(f"{_named(where)}: size {writer['size']} can't be read as {reader['size']}")
    return problems


def _definition(avro_type: AvroType, schema: ParsedSchema) -> AvroType:
    """Return a type, or what a reference names."""
    found = unwrapped(avro_type)
    return found if isinstance(found, list) else schema.names.get(kind(found), found)


def _named(where: str) -> str:
    return where or "the record"


def _name(reader: AvroType, writer: AvroType, where: str) -> list[str]:
    """Hold the unqualified names of two named types against each other; the reader's aliases count."""
    names = {n.rpartition(".")[2] for n in (reader["name"], *reader.get("aliases", ()))}
    if writer["name"].rpartition(".")[2] in names:
        return []
    return [f"{_named(where)}: {writer['name']} is not {reader['name']}"]


def _logical(reader: AvroType, writer: AvroType, where: str) -> list[str]:
    stated = [t.get("logicalType") if isinstance(t, dict) else None for t in (reader, writer)]
    if stated[0] == stated[1]:
        return []
    return [f"{_named(where)}: logical type {stated[1] or 'none'} can't be read as {stated[0] or 'none'}"]


def _unit(reader: AvroType, writer: AvroType, where: str) -> list[str]:
    """A writer that states no unit is believed to use ours; another unit would be off by a factor."""
    if "unit" not in reader or "unit" not in writer or reader["unit"] == writer["unit"]:
        return []
    return [f"{where}: unit {writer['unit']} can't be read as {reader['unit']}"]
