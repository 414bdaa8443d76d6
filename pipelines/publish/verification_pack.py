"""A verification pack as files: plain CSV and JSON, one workbook, a README and a manifest.

Belongs here: which columns each table has, how cells are written. Does not belong here: reading the tables
(pipelines.jobs.verification), the words of the README (verification_readme.txt).
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from pipelines.publish.workbook import Sheet, workbook_bytes

UNVERIFIED, NOT_TOLD = "unverified", "not told"
MANIFEST = "manifest.sha256"
_README = Path(__file__).with_name("verification_readme.txt")
_TITLE = "Verification pack"
_NOT_FOR_READERS = ("bucket", "boundary", "stretch")


@dataclass(frozen=True)
class Pack:
    """What a pack holds.

    Args:
        tables: name of a file (without its ending) -> rows.
        settings: what pack.json says.
        trace: the whole trace, as JSON.
        made_at: the clock of the statement: the same pack has the same bytes, whenever it is written.
    """

    tables: Mapping[str, pl.DataFrame]
    settings: Mapping[str, object]
    trace: str
    made_at: datetime


def pack_files(pack: Pack) -> dict[str, bytes]:
    """Return the files of a pack by name; the manifest names the SHA-256 of all others."""
    sheets = [_sheet(name, rows) for name, rows in pack.tables.items()]
    readme = _readme(pack)
    lines = tuple({"README": line} for line in readme.splitlines())
    book = [Sheet("README", ("README",), lines), *sheets]
    files = {f"{sheet.name}.csv": _csv(sheet) for sheet in sheets}
    files["README.txt"] = readme.encode()
    files["pack.json"] = (
        json.dumps(pack.settings, ensure_ascii=False, indent=1, default=cell) + "\n"
    ).encode()
    files["trace.json"] = pack.trace.encode()
    files["verification.xlsx"] = workbook_bytes(book, _TITLE, pack.made_at)
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())]
    return {**files, MANIFEST: "".join(sums).encode()}


def _readme(pack: Pack) -> str:
    said = pack.settings
    return _README.read_text(encoding="utf-8").format(
        statement_id=said["statement_id"],
        version=said["version"],
        provisional="yes / 예" if said["provisional"] else "no / 아니요",
        seed=said["seed"],
        per_meter=said["sample_per_meter"],
        max_gap_s=said["max_gap_s"],
    )


def _sheet(name: str, rows: pl.DataFrame) -> Sheet:
    columns = tuple(c for c in rows.columns if c not in _NOT_FOR_READERS)
    cells = tuple({c: cell(v) for c, v in row.items()} for row in rows.select(columns).iter_rows(named=True))
    return Sheet(name, columns, cells)


def cell(value: object) -> object:
    """Return a cell: numbers, truths and texts as they are, instants in UTC, lists joined by ;."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").replace(".000000Z", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, (list, tuple)):
        return ";".join(map(str, value))
    return value


def _csv(sheet: Sheet) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(sheet.columns)
    writer.writerows([_text(row[c]) for c in sheet.columns] for row in sheet.rows)
    return buffer.getvalue().encode()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def slices(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return what figures rest on, one row for each figure and slice of a source.

    Args:
        rows: `by`, ``topic, incarnation, partition, schema_id, offset, raw_file, sha256``.
        by: what identifies a figure.
    """
    place = [*by, "topic", "incarnation", "partition", "schema_id", "raw_file", "sha256"]
    return (
        rows.group_by(place)
        .agg(
            first_offset=pl.col("offset").min(),
            last_offset=pl.col("offset").max(),
            messages=pl.col("offset").n_unique(),
            rows=pl.len(),
        )
        .sort(place)
    )
