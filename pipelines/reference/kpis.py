"""The KPI catalogue as data: definitions and public grids.

Belongs here: reading kpis.csv and kpi_grids.csv into definitions. Does not belong here: computing KPIs
(pipelines.domain.kpis).
"""

from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl

from pipelines.domain.kpis import Grid, KpiDefinition
from pipelines.reference.tables import FOLDER

# A finer grid would let a member's value be read from a figure of few.
_LEAST_STEP_SHARE = Decimal("0.05")


@cache
def kpi_catalogue() -> dict[str, KpiDefinition]:
    """Return the definitions by id.

    Raises:
        ValueError: a grid's step is finer than 5 % of its reference level, or a grid belongs to no KPI.
    """
    grids: dict[str, dict[str, Grid]] = {}
    for row in _rows("kpi_grids"):
        grids.setdefault(row["kpi"], {})[row["product_class"]] = _grid(row)
    definitions = {row["id"]: _definition(row, grids.pop(row["id"])) for row in _rows("kpis")}
    if grids:
        raise ValueError(f"kpi_grids.csv: no such KPI in kpis.csv: {', '.join(sorted(grids))}")
    return definitions


def _rows(name: str) -> list[dict[str, Any]]:
    return pl.read_csv(FOLDER / f"{name}.csv", infer_schema=False).to_dicts()


def _grid(row: dict[str, Any]) -> Grid:
    level = None if row["reference_level"] is None else Decimal(row["reference_level"])
    step = Decimal(row["grid_step"])
    if level is not None and step < _LEAST_STEP_SHARE * level:
        raise ValueError(f"kpi_grids.csv: {row['kpi']}, {row['product_class']}: step is finer than 5 %")
    return Grid(float(step), None if level is None else float(level))


def _definition(row: dict[str, Any], grids: dict[str, Grid]) -> KpiDefinition:
    return KpiDefinition(
        kpi=row["id"],
        version=row["version"],
        name_ko=row["name_ko"],
        name_en=row["name_en"],
        unit=row["unit"],
        direction=row["direction"],
        disclosure_class=row["class"],
        statistic=row["statistic"],
        breakdown=row["breakdown"],
        numerator=row["numerator"],
        denominator=row["denominator"],
        denominator_class=row["denominator_class"],
        share_bound=None if row["share_bound"] is None else float(row["share_bound"]),
        linked_elements=frozenset(row["linked_elements"].split(";")),
        minimum_coverage=float(row["minimum_coverage"]),
        grids=grids,
    )
