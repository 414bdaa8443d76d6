"""The rows of the `energy` command as a table for people, as CSV and as JSON.

Belongs here: how the rows look. Does not belong here: what they are (pipelines.domain.energy_report).
"""

import json

import polars as pl
from rich.table import Table

_SHOWN_PLACES = {"energy_kwh": 3, "coverage": 4}


def energy_csv(rows: pl.DataFrame) -> str:
    """Return rows of energy_report as CSV: header, full precision, empty where null."""
    return _plain(rows).write_csv()


def energy_json(rows: pl.DataFrame) -> str:
    """Return rows of energy_report as a JSON array of objects: full precision, null where null."""
    return json.dumps(_plain(rows).to_dicts(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def energy_table(rows: pl.DataFrame) -> Table:
    """Return rows of energy_report for a terminal: rounded for reading, a dash where null."""
    table = Table(box=None)
    for name in rows.columns:
        table.add_column(name, justify="right" if name in _SHOWN_PLACES else "left")
    for row in _plain(rows).iter_rows(named=True):
        table.add_row(*(_shown(name, cell) for name, cell in row.items()))
    return table


def _shown(name: str, cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:,.{_SHOWN_PLACES[name]}f}" if isinstance(cell, float) else str(cell)


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("start").dt.strftime("%Y-%m-%dT%H:%M:%S%:z"))
