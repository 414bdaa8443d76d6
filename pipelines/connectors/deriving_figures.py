"""Deriving emissions, daily elements and KPIs of days: read a snapshot, call the domain, leave the result.

Belongs here: which rows a day's figures need. Does not belong here: the formulas (pipelines.domain), which
days there are and the commits (pipelines.jobs.emissions, pipelines.jobs.kpis).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.connectors.staging import leaving_failures, piece_path
from pipelines.connectors.store import ClusterStore, DayBucket, arrow_frame, parquet_bytes
from pipelines.domain.baseline import with_unit_costs
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.daily_elements import DayFacts, daily_elements
from pipelines.domain.emissions.electricity import location_based_co2e
from pipelines.domain.factory_energy import factory_hours
from pipelines.domain.kpi_formulas import KpiBook
from pipelines.domain.kpis import day_figures, places_of
from pipelines.schemas.tables import (
    ELEMENTS_DAILY,
    EMISSIONS,
    FACTS,
    FACTS_ENERGY,
    FACTS_MACHINE,
    FACTS_OPERATIONS,
    KPIS,
    TABLES,
)


@dataclass(frozen=True)
class Days:
    """Some (day, bucket) pairs: the unit of work of a worker."""

    number: int
    pairs: tuple[DayBucket, ...]


@dataclass(frozen=True)
class GridTables:
    """By which factors emissions are computed.

    Args:
        factors: emission_factors.
        gwps: gwp.
        gwp_set: set by which gases are added.
        purpose: what the factors are for.
    """

    factors: pl.DataFrame
    gwps: pl.DataFrame
    gwp_set: str
    purpose: str = "disclosure"


@dataclass(frozen=True)
class FigureDerivation:
    """Everything that a worker needs to derive figures; pickles.

    Args:
        store: the cluster's store.
        staging: folder below it.
        versions: source table -> the version to read.
        profiles: factory, profile_version, valid_to, zone, geography, process, meters, products.
        cluster: owners and holdings.
        grid: of emissions.
        book: the KPI catalogue.
        in_force: day, kpi, version: the version that each day's KPIs are computed by.
        unit_costs: factory, product, baseline_unit_cost_krw, valid_from: of the stored baseline.
        known_on: only factors published by this date count.
        figure_table: emissions, elements_daily or kpis.
    """

    store: ClusterStore
    staging: str
    versions: Mapping[str, int]
    profiles: pl.DataFrame
    cluster: ClusterDefinition
    grid: GridTables
    book: KpiBook
    in_force: pl.DataFrame
    unit_costs: pl.DataFrame
    known_on: date
    figure_table: str

    def derive(self, days: Days) -> int:
        """Derive the figures of some days and leave them, as Parquet, in the staging folder."""
        with leaving_failures(self.store, self.staging, days.number):
            compute = {
                EMISSIONS.name: self._emissions,
                ELEMENTS_DAILY.name: self._elements,
                KPIS.name: self._kpis,
            }[self.figure_table]
            self.store.put(piece_path(self.staging, days.number), parquet_bytes(compute(days).to_arrow()))
        return days.number

    def _emissions(self, days: Days) -> pl.DataFrame:
        """Return the columns of the table emissions but known_at."""
        facts = self._read(FACTS_ENERGY.name, days)
        buckets = facts.select("factory", "day", "bucket").unique()
        located = self.located(facts, self.known_on)
        return located.join(buckets, on=["factory", "day"], maintain_order="left").select(
            n for n in EMISSIONS.schema.names if n != "known_at"
        )

    def located(self, facts: pl.DataFrame, known_on: date) -> pl.DataFrame:
        """Return the emissions of facts_energy: the columns of the table but bucket and known_at.

        Args:
            facts: whole factory-days, with the profile_version that they were computed by.
            known_on: only factors published by this date count.
        """
        names = [n for n in EMISSIONS.schema.names if n not in ("bucket", "known_at")]
        parts = [arrow_frame(EMISSIONS.schema.empty_table()).select(names)]
        places = self._in_force(facts).select("factory", "profile_version", "zone", "geography").unique()
        for (zone, geography), group in places.group_by("zone", "geography", maintain_order=True):
            here = facts.join(group, on=["factory", "profile_version"], how="semi")
            located = location_based_co2e(
                factory_hours(here, self.meters_of(here)),
                self.grid.factors,
                self.grid.gwps,
                geography=str(geography),
                zone=str(zone),
                known_on=known_on,
                purpose=self.grid.purpose,
                gwp_set=self.grid.gwp_set,
            )
            parts.append(located.select(names))
        return pl.concat(parts)

    def _elements(self, days: Days) -> pl.DataFrame:
        """Return the columns of the table elements_daily but known_at."""
        read = {table.name: self._read(table.name, days) for table in (*FACTS, EMISSIONS)}
        facts = DayFacts(
            energy=read[FACTS_ENERGY.name],
            machines=read[FACTS_MACHINE.name],
            emissions=read[EMISSIONS.name],
            operations=read[FACTS_OPERATIONS.name],
            meters=self.meters_of(read[FACTS_ENERGY.name]),
        )
        buckets = pl.concat([f.select("factory", "day", "bucket") for f in read.values()]).unique()
        units = {e.element: e.unit for e in self.book.elements.values()}
        rows = daily_elements(facts, units).join(buckets, on=["factory", "day"])
        return rows.select(n for n in ELEMENTS_DAILY.schema.names if n != "known_at")

    def _kpis(self, days: Days) -> pl.DataFrame:
        """Return the columns of the table kpis but known_at."""
        rows = with_unit_costs(self._read(ELEMENTS_DAILY.name, days), self.unit_costs)
        dates = sorted({day for day, _ in days.pairs})
        in_force = self.in_force.filter(pl.col("day").is_in(dates))
        return day_figures(rows, places_of(rows, self.profiles, self.cluster, dates), self.book, in_force)

    def _read(self, table: str, days: Days) -> pl.DataFrame:
        return self.store.open_at(TABLES[table], self.versions[table]).read_days(days.pairs)

    def _in_force(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Return the profiles under which facts were computed."""
        used = facts.select("factory", "profile_version").unique()
        return self.profiles.join(used, on=["factory", "profile_version"], how="semi").sort("factory")

    def meters_of(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Return the meters of the profiles that facts were computed by, with the profile_version."""
        columns = ["factory", "profile_version", "meter", "carrier", "parent", "machine", "bidirectional"]
        nested = self._in_force(facts).select("factory", "profile_version", "meters").explode("meters")
        return nested.drop_nulls().unnest("meters").select(columns).unique(maintain_order=True)
