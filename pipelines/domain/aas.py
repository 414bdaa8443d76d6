"""Asset Administration Shells as plain trees, and which row of the mapping each of their elements is.

Belongs here: the tree, the rows of the mapping, finding an element's row. Does not belong here: files
(pipelines.connectors.aas), the table itself (pipelines.reference.aas_mapping), what matched elements say as
series (pipelines.domain.aas_series) and as a profile (pipelines.domain.aas_profile).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import OperatorError

ROLES = (
    "group", "entry", "value", "setting", "declaration", "segment", "records", "record", "time", "ignored",
    "refused",
)  # fmt: skip
SELF = "."
_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_ID = re.compile(r"[^a-z0-9]+")
_LONGEST_ID = 40


@dataclass(frozen=True)
class AasElement:
    """An element of a submodel.

    Args:
        id_short: its idShort; null: an item of a list.
        semantic_ids: its semanticId and supplemental ones.
        value: its value as XML Schema writes it, a text of many languages in the first of Korean, English and
            any other; null: it has none.
        children: elements within it.
        unit: unit of its concept description (IEC 61360); null: not said in the file.
        qualifiers: value by type.
    """

    id_short: str | None
    semantic_ids: tuple[str, ...] = ()
    value: str | None = None
    children: tuple["AasElement", ...] = ()
    unit: str | None = None
    qualifiers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True)
class AasSubmodel:
    """A submodel: a root element, and the idShort of the one shell that has it (null: none, or several)."""

    root: AasElement
    owner: str | None = None


@dataclass(frozen=True)
class AasRow:
    """A row of the mapping: where an element stands, and what it is for us.

    Args:
        submodel: idShort of the submodel, for files without semanticIds.
        submodel_semantic_ids: what the submodel is.
        path: idShorts below the submodel joined by "/", each may be a pattern; "." the submodel itself.
        semantic_ids: what the element is; these go before its idShort.
        role: one of ROLES.
        stream: our stream of a value or entry.
        field: our field.
        carrier: of an energy value.
        kind: of an energy value (register, interval, power, mean_power), or the scale of a time.
        stamp: of an energy value: instant, start, end.
        unit: unit of a value that the file declares no unit for.
        note: why, for people.
    """

    submodel: str
    submodel_semantic_ids: tuple[str, ...]
    path: str
    semantic_ids: tuple[str, ...]
    role: str
    stream: str | None = None
    field: str | None = None
    carrier: str | None = None
    kind: str | None = None
    stamp: str | None = None
    unit: str | None = None
    note: str | None = None

    @property
    def parent(self) -> str:
        """Path of the row that contains this one."""
        return self.path.rpartition("/")[0] or SELF

    @property
    def pattern(self) -> str:
        """Pattern of the element's idShort."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class AasNode:
    """An element with its row and its place in the file, as an error names it."""

    row: AasRow
    element: AasElement
    path: str
    children: tuple["AasNode", ...]

    def first(self, role: str) -> "AasNode | None":
        """Return the first child of a role; null: there is none."""
        return next((c for c in self.children if c.row.role == role), None)


@dataclass(frozen=True)
class Matched:
    """The submodels of a file as far as the mapping knows them.

    Args:
        nodes: the known submodels with their shells' idShorts.
        unknown: paths of what no row knows, each once; of records the path with ``*``.
    """

    nodes: tuple[tuple[AasNode, str | None], ...]
    unknown: tuple[str, ...]


def refuse(file: str, path: str, english: str, korean: str) -> OperatorError:
    """Return the error of a place in an AAS file."""
    return unusable(f"{file}, {path}: {english}", f"{file} {path}: {korean}")


def id_from(text: str) -> str:
    """Return the id that a name stands for: lower case, hyphens for everything else; may be empty."""
    return _NO_ID.sub("-", text.lower()).strip("-")[:_LONGEST_ID].rstrip("-")


def match_submodels(submodels: Iterable[AasSubmodel], rows: Sequence[AasRow], file: str) -> Matched:
    """Find the row of every element.

    Within the element that contains it, an element is what its semanticId says; if no row has that, what its
    idShort says. Variables of records take semanticIds, unit and qualifiers from the record that the metadata
    declare, where they have none themselves.

    Args:
        submodels: the file's.
        rows: the mapping.
        file: its name, for errors.

    Raises:
        OperatorError: an element that can't be imported (role refused): with its path and why.
    """
    nodes: list[tuple[AasNode, str | None]] = []
    unknown: dict[str, None] = {}
    for submodel in submodels:
        mine = _rows_of(submodel.root, rows)
        name = submodel.root.id_short or "submodel"
        if not mine:
            meaning = f" ({submodel.root.semantic_ids[0]})" if submodel.root.semantic_ids else ""
            unknown[f"{name}{meaning}"] = None
            continue
        matcher = _Matcher(mine, file, unknown)
        nodes.append((matcher.node(_own_row(mine), submodel.root, name, name), submodel.owner))
    return Matched(tuple(nodes), tuple(unknown))


def _rows_of(root: AasElement, rows: Sequence[AasRow]) -> list[AasRow]:
    if root.semantic_ids:
        return [r for r in rows if {*r.submodel_semantic_ids} & {*root.semantic_ids}]
    return [r for r in rows if r.submodel == root.id_short]


def _own_row(rows: Sequence[AasRow]) -> AasRow:
    own = next((r for r in rows if r.path == SELF), None)
    first = rows[0]
    return own or AasRow(first.submodel, first.submodel_semantic_ids, SELF, (), "group")


class _Matcher:
    """Walks one submodel; keeps what its metadata declare and collects what no row knows."""

    def __init__(self, rows: Iterable[AasRow], file: str, unknown: dict[str, None]) -> None:
        self._below: dict[str, list[AasRow]] = {}
        for row in rows:
            if row.path != SELF:
                self._below.setdefault(row.parent, []).append(row)
        self._file = file
        self._unknown = unknown
        self._declared: dict[str, AasElement] = {}

    def node(self, row: AasRow, element: AasElement, path: str, shown: str) -> AasNode:
        """Match what is below an element; `shown` is its path with ``*`` for records."""
        if row.role == "refused":
            why = row.note or "the mapping refuses it"
            raise refuse(self._file, path, f"can't be imported: {why}", f"가져올 수 없습니다: {why}")
        if row.role == "declaration":
            self._declared = {e.id_short: e for e in element.children if e.id_short}
            return AasNode(row, element, path, ())
        found: list[AasNode] = []
        if row.role != "ignored":
            for number, child in enumerate(element.children):
                self._match_child(row, child, (path, shown), number, found)
        return AasNode(row, element, path, tuple(found))

    def _match_child(
        self, parent: AasRow, child: AasElement, places: tuple[str, str], number: int, found: list[AasNode]
    ) -> None:
        path, shown = places
        if parent.role == "record" and child.id_short in self._declared:
            child = _completed(child, self._declared[child.id_short])
        name = child.id_short or str(number)
        row = _row_of(child, self._below.get(parent.path, []))
        label = "*" if parent.role == "records" else name
        if row is None:
            self._unknown[f"{shown}/{label}"] = None
        else:
            found.append(self.node(row, child, f"{path}/{name}", f"{shown}/{label}"))


def _completed(element: AasElement, declared: AasElement) -> AasElement:
    if not (declared.semantic_ids or declared.unit or declared.qualifiers):
        return element
    return AasElement(
        element.id_short,
        element.semantic_ids or declared.semantic_ids,
        element.value,
        element.children,
        element.unit or declared.unit,
        {**declared.qualifiers, **element.qualifiers},
    )


def _row_of(element: AasElement, rows: Sequence[AasRow]) -> AasRow | None:
    meanings = {*element.semantic_ids}
    by_meaning = next((r for r in rows if meanings & {*r.semantic_ids}), None) if meanings else None
    if by_meaning is not None:
        return by_meaning
    name = element.id_short
    if name is None:
        return next((r for r in rows if r.pattern == "*"), None)
    exact = next((r for r in rows if r.pattern == name), None)
    return exact or next((r for r in rows if fnmatchcase(name, r.pattern)), None)
