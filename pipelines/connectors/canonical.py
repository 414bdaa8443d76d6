"""The canonical export of a store: equal content gives equal bytes, whichever files and commits it lies in.

Belongs here: every table as sorted lines of JSON, every published file by name. Does not belong here: what is
compared with what (tests, audits). The tables hold neither run ids nor wall-clock stamps (a night's
`known_at` is its nominal time), so every column is exported; names of data files, commit stamps and version
numbers of Delta are not content and are left out.
"""

from pathlib import Path

import polars as pl
import polars.selectors as cs

from pipelines.connectors.store import ClusterStore
from pipelines.schemas.tables import TABLES, Table


def canonical_tables(store: ClusterStore) -> dict[str, bytes]:
    """Export every table that has been made: name -> its canonical lines.

    Raises:
        OperatorError: STORE: a table can't be read.
    """
    made = [table for table in TABLES.values() if store.exists(table)]
    return {table.name: canonical_lines(store.open(table).scan().collect(), table) for table in made}


def canonical_lines(rows: pl.DataFrame, table: Table) -> bytes:
    """Return rows as one JSON object a line, columns and rows in order: rows by key, then by content.

    Args:
        rows: of the table, in any order; a row that is there twice gives two lines.
        table: whose key orders them. Bytes are written in hex, instants as microseconds since 1970.
    """
    plain = rows.select(sorted(rows.columns)).with_columns(
        cs.binary().bin.encode("hex"), cs.datetime().dt.timestamp("us"), cs.date().dt.to_string()
    )
    lines = plain.select(*table.key, line=pl.struct(plain.columns).struct.json_encode())
    ordered = lines.sort(*table.key, "line", nulls_last=False)["line"]
    return "".join(f"{line}\n" for line in ordered).encode()


def canonical_files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder: path relative to it -> bytes, in order of path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
