"""KPIs of one subject and period as a table for people.

Belongs here: how the rows look. Does not belong here: which they are (pipelines.jobs.kpi_reading).
"""

import polars as pl
from rich.table import Table

_RIGHT = frozenset({"value", "coverage"})


def kpi_table(rows: pl.DataFrame) -> Table:
    """Return KPI rows of one subject and period for a terminal: rounded for reading, a dash where null.

    Args:
        rows: ``day, period, subject, kpi, definition_version, value, unit, coverage, status, reason``.
    """
    first = rows.row(0, named=True)
    table = Table(
        box=None, title=f"{first['subject']}, {first['period']} {first['day']}", title_justify="left"
    )
    for name in ("kpi", "value", "unit", "coverage", "status", "reason"):
        table.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=name == "kpi")
    for row in rows.iter_rows(named=True):
        table.add_row(
            f"{row['kpi']}@{row['definition_version']}",
            "-" if row["value"] is None else f"{row['value']:,.6g}",
            row["unit"],
            "-" if row["coverage"] is None else f"{row['coverage']:.4f}",
            row["status"],
            row["reason"] or "",
        )
    return table
