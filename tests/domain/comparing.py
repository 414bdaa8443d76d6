"""KPI rows of a small cluster, and what a night releases of them.

Belongs here: builders that tests of benchmarks, panels and releases share.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.benchmarks import FactoryFigures
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.release import ALL_CHECKS, Checks
from pipelines.domain.kpi_formulas import Grid
from pipelines.domain.periods import PeriodName
from pipelines.domain.releasing import NightRelease, Scene, release_periods
from pipelines.reference.kpis import kpi_book

DAY = date(2025, 11, 10)
NIGHT = datetime(2025, 11, 11, 3, tzinfo=ZoneInfo("Asia/Seoul"))
NEWEST = {d.kpi: d for d in kpi_book().newest()}
CATALOGUE = {
    **kpi_book().released(),
    "energy_kwh_per_unit@1": replace(
        NEWEST["energy_kwh_per_unit"], grids={"forged": Grid(0.05, 1.0), "cast": Grid(0.25, 4.0)}
    ),
}
KPI_SCHEMA = {
    "day": pl.Date, "period": pl.String, "level": pl.String, "subject": pl.String, "kpi": pl.String,
    "definition_version": pl.String, "numerator": pl.Float64, "denominator": pl.Float64, "value": pl.Float64,
    "unit": pl.String, "reason": pl.String, "coverage": pl.Float64, "product_class": pl.String,
    "status": pl.String, "sums": pl.List(pl.Float64), "weight": pl.Float64, "covered": pl.Float64,
    "basis": pl.Float64,
}  # fmt: skip
PER_UNIT = "energy_kwh_per_unit"
Row = dict[str, Any]


def cluster(holdings: str) -> ClusterDefinition:
    """Make a cluster of factories f0, f1, ...: the n-th belongs to the holding of the n-th letter."""
    return ClusterDefinition(
        cluster="demo",
        name_ko="",
        name_en="",
        zone="Asia/Seoul",
        geography="KR",
        members=tuple(Member(f"m{n}", "", "", holding) for n, holding in enumerate(holdings)),
        factories=tuple(Factory(f"f{n}", f"m{n}", date(2025, 1, 1)) for n in range(len(holdings))),
        gateways=(),
        policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))}),
    )


def row(
    factory: int, kpi: str, numerator: float | None, denominator: float | None = None, **more: object
) -> Row:
    ratio = not NEWEST[kpi].is_total
    known = numerator is not None and not (ratio and not denominator)
    value = (numerator / denominator if ratio and denominator else numerator) if known else None
    return {
        "day": DAY, "period": "day", "level": "factory", "subject": f"f{factory}", "kpi": kpi,
        "definition_version": "1", "numerator": numerator, "denominator": denominator, "value": value,
        "unit": NEWEST[kpi].unit,
        "reason": None if known else "missing_element:x", "coverage": 1.0 if known else 0.0,
        "product_class": "forged", "status": "final",
        "sums": [numerator, denominator] if ratio and known else [numerator] if known else None, **more,
    }  # fmt: skip


def night(
    rows: Sequence[Row],
    who: ClusterDefinition,
    *periods: tuple[date, PeriodName],
    processes: Sequence[str] = (),
    known_at: datetime = NIGHT,
    past: Sequence[SealedFigure] = (),
    checks: Checks = ALL_CHECKS,
) -> NightRelease:
    """Release periods; the n-th process is that of the factory fn, the default is forming."""
    named = processes or ["forming"] * len(who.factories)
    groups = pl.DataFrame(
        [(f"f{n}", process) for n, process in enumerate(named)],
        schema={"factory": pl.String, "process": pl.String},
        orient="row",
    )
    kpis = pl.DataFrame(rows, schema=KPI_SCHEMA, orient="row")
    scene = Scene(who, groups, CATALOGUE, kpi_book().elements, known_at)
    return release_periods(kpis, periods, scene, past, checks)


def by_id(found: NightRelease) -> dict[str, Row]:
    """Return the public rows by figure."""
    return {figure["figure_id"]: figure for figure in found.figures.iter_rows(named=True)}


def figures_of(rows: Sequence[Row]) -> FactoryFigures:
    """Return rows as the domain finds them."""
    return FactoryFigures(pl.DataFrame(rows, schema=KPI_SCHEMA, orient="row"))
