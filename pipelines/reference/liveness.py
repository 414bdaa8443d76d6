"""The limits of the data-liveness report, as data: value, unit, reason, why.

Belongs here: reading liveness.csv. Does not belong here: what a limit does (pipelines.domain.liveness).
"""

from dataclasses import fields
from functools import cache

import polars as pl

from pipelines.domain.liveness.observed import Limits
from pipelines.reference.tables import FOLDER

_COLUMNS = ["limit", "value", "unit", "reason", "why"]


def liveness_table() -> pl.DataFrame:
    """Return the table as it stands: limit, value, unit, reason, why; all text, nothing empty.

    Raises:
        ValueError: other columns, an empty cell, or a limit that stands twice.
    """
    table = pl.read_csv(FOLDER / "liveness.csv", infer_schema=False)
    if table.columns != _COLUMNS or table.null_count().sum_horizontal().item():
        raise ValueError(f"liveness.csv must have the columns {', '.join(_COLUMNS)} and no empty cell")
    if table["limit"].is_duplicated().any():
        raise ValueError("liveness.csv: a limit stands twice")
    return table


@cache
def liveness_limits() -> Limits:
    """Return the limits.

    Raises:
        ValueError: one is missing, unknown or no number.
    """
    given = dict(liveness_table().select("limit", "value").iter_rows())
    known = {field.name: field.type for field in fields(Limits)}
    if given.keys() != known.keys():
        raise ValueError(f"liveness.csv: limits differ by {sorted(given.keys() ^ known.keys())}")
    return Limits(**{name: known[name](value) for name, value in given.items()})  # type: ignore[operator]
