"""The versioned table from AAS elements to our streams and fields, as data.

Belongs here: reading and checking aas_mapping.csv and an operator's rows. Does not belong here: AAS files
(pipelines.connectors.aas), finding an element's row (pipelines.domain.aas).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from pipelines.domain.aas import ROLES, SELF, AasRow
from pipelines.domain.onramp import unusable
from pipelines.domain.units import AMOUNT_KINDS, CANONICAL_UNITS, RATE_KINDS
from pipelines.reference.tables import FOLDER

COLUMNS = (
    "version", "submodel", "submodel_semantic_id", "path", "semantic_id", "role", "stream", "field",
    "carrier", "kind", "stamp", "unit", "note", "source",
)  # fmt: skip
FIELDS = {
    "energy": {"value"},
    "states": {"state"},
    "counts": {"total", "rejected", "rework", "inspected", "first_pass"},
    "profile": {
        "name", "zone", "geography", "process", "region", "size_class", "maturity", "template", "holidays",
        "meters", "meters.meter", "meters.carrier", "meters.unit", "meters.parent", "meters.machine",
        "meters.register_digits", "meters.maximum_per_h", "meters.bidirectional",
        "machines", "machines.machine", "machines.name",
        "products", "products.product", "products.unit", "products.product_class", "products.pru_s",
        "shifts", "shifts.weekday", "shifts.start_minute", "shifts.end_minute",
    },
}  # fmt: skip
TIME_SCALES = ("utc", "relative_point", "relative_duration", "unix")


def aas_rows(own: Path | None = None) -> tuple[AasRow, ...]:
    """Return the mapping: the packaged table, and an operator's rows before it.

    A row of the same submodel, path and semanticId replaces the packaged one; others are added and go first.

    Args:
        own: CSV file with the columns of the packaged one; null: none.

    Raises:
        OperatorError: the file can't be read, or a row can't be used: one line with file and row.
    """
    packaged = _read(FOLDER / "aas_mapping.csv", ())
    if own is None:
        return packaged
    added = _read(own, packaged)
    replaced = {_key(r) for r in added}
    return (*added, *(r for r in packaged if _key(r) not in replaced))


def _key(row: AasRow) -> tuple[str, str, tuple[str, ...]]:
    return row.submodel, row.path, row.semantic_ids


def _read(file: Path, known: Sequence[AasRow]) -> tuple[AasRow, ...]:
    try:
        table = pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _refusal(file, f"can't be read ({' '.join(str(error).split())[:120]})") from error
    if tuple(table.columns) != COLUMNS:
        raise _refusal(file, f"its columns must be {','.join(COLUMNS)}")
    rows = tuple(_row(file, number, cells) for number, cells in enumerate(table.to_dicts(), start=2))
    paths = {(r.submodel, r.path) for r in (*known, *rows)} | {(r.submodel, SELF) for r in rows}
    for number, row in enumerate(rows, start=2):
        if (row.submodel, row.parent) not in paths:
            raise _refusal(file, f"row {number}: no row has the path {row.parent!r}, which contains this one")
    return rows


def _row(file: Path, number: int, cells: dict[str, str | None]) -> AasRow:
    row = AasRow(
        submodel=cells["submodel"] or "",
        submodel_semantic_ids=_listed(cells["submodel_semantic_id"]),
        path=cells["path"] or "",
        semantic_ids=_listed(cells["semantic_id"]),
        role=cells["role"] or "",
        **{name: cells[name] for name in ("stream", "field", "carrier", "kind", "stamp", "unit", "note")},
    )
    wrong = next(_faults(row, cells), None)
    if wrong is not None:
        raise _refusal(file, f"row {number}: {wrong}")
    return row


def _listed(cell: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (cell or "").split(";") if part.strip())


def _faults(row: AasRow, cells: dict[str, str | None]) -> Iterator[str]:
    """Say what is wrong with a row."""
    if not all(cells[name] for name in ("version", "submodel", "path", "source")):
        yield "version, submodel, path and source must be filled"
    if row.role not in ROLES:
        yield f"the role {row.role!r} is none of {', '.join(ROLES)}"
    if row.role == "time" and row.kind not in TIME_SCALES:
        yield f"the kind of a time is one of {', '.join(TIME_SCALES)}"
    if row.role in ("value", "entry") and row.field not in FIELDS.get(row.stream or "", ()):
        yield f"there is no field {row.field!r} of stream {row.stream!r} to import into"
    if row.role == "value" and row.stream == "energy":
        yield from _energy_faults(row)


def _energy_faults(row: AasRow) -> Iterator[str]:
    if row.carrier not in CANONICAL_UNITS:
        yield f"the carrier {row.carrier!r} is none of {', '.join(CANONICAL_UNITS)}"
    if row.kind not in (*AMOUNT_KINDS, *RATE_KINDS):
        yield f"the kind {row.kind!r} is none of {', '.join((*AMOUNT_KINDS, *RATE_KINDS))}"
    stamps = ("instant",) if row.kind in ("register", "power") else ("start", "end")
    if row.stamp not in stamps:
        yield f"the stamp of {row.kind} must be {' or '.join(stamps)}"


def _refusal(file: Path, wrong: str) -> Exception:
    return unusable(
        f"AAS mapping {file.name}: {wrong}; correct the file (docs/aas.md)",
        f"AAS 매핑 {file.name}: {wrong}. 파일을 고치세요(docs/aas.md)",
    )
