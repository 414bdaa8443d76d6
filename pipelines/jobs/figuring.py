"""What the jobs of figures share: which days changed, and running a derivation over them.

Belongs here: the mechanics. Does not belong here: what is computed (pipelines.connectors.deriving_figures).
"""

from collections.abc import Sequence

import apache_beam as beam
import polars as pl
from apache_beam.pvalue import PCollection

from pipelines.connectors.deriving_figures import Days, FigureDerivation, GridTables
from pipelines.connectors.staging import staging_folder
from pipelines.connectors.store import DayBucket, OpenTable, arrow_frame
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.jobs.runner import run_staged
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import Table
from pipelines.transforms.deriving import DeriveFigures

_DAYS_PER_PIECE = 31


def changed_pairs(table: OpenTable, sources: Sequence[OpenTable]) -> set[DayBucket]:
    """Return the (day, bucket) pairs of the sources that a table has not consumed."""
    return {
        pair for source in sources for pair in source.changed_partitions(table.position(source.table.name))
    }


def build(pipeline: beam.Pipeline, pieces: Sequence[Days], derivation: FigureDerivation) -> PCollection[int]:
    """Wire the pipeline that derives figures; any runner may run it."""
    numbers: PCollection[int] = pipeline | "Days" >> beam.Create(pieces) | DeriveFigures(derivation)
    return numbers


def computed_figures(
    night: Night,
    table: Table,
    sources: Sequence[OpenTable],
    pairs: Sequence[DayBucket],
    in_force: pl.DataFrame | None = None,
    unit_costs: pl.DataFrame | None = None,
    grid: GridTables | None = None,
) -> pl.DataFrame:
    """Compute a figure table's rows of some pairs: its columns but known_at.

    Args:
        night: the night.
        table: emissions, elements_daily or kpis.
        sources: what it is derived from, at the snapshot that is read.
        pairs: what is computed.
        in_force: of kpis: day, kpi, version: the version that each day is computed by.
        unit_costs: of kpis: what a unit of each product cost in the stored baseline.
        grid: of emissions: the factors by which the days are computed.
    """
    names = [n for n in table.schema.names if n != "known_at"]
    pieces = [
        Days(number, tuple(pairs[start : start + _DAYS_PER_PIECE]))
        for number, start in enumerate(range(0, len(pairs), _DAYS_PER_PIECE))
    ]
    if not pieces:
        return arrow_frame(table.schema.empty_table()).select(names)
    with staging_folder(night.store) as staging:
        derivation = FigureDerivation(
            store=night.store,
            staging=staging,
            versions={s.table.name: s.version for s in sources},
            profiles=read_profiles(night).rows,
            cluster=night.cluster,
            grid=GridTables(pl.DataFrame(), pl.DataFrame(), "") if grid is None else grid,
            book=kpi_book(),
            in_force=pl.DataFrame() if in_force is None else in_force,
            unit_costs=pl.DataFrame() if unit_costs is None else unit_costs,
            known_on=night.nominal.date(),
            figure_table=table.name,
        )
        left = run_staged(
            lambda pipeline: build(pipeline, pieces, derivation),
            store=night.store,
            staging=staging,
            step=table.name,
            total=len(pieces),
            tell=night.tell,
            workers=night.workers,
        )
        return pl.concat([night.store.read_parquet(path) for path in left]).select(names)
