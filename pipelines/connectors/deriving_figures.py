"""Deriving emissions and KPIs of days from the facts: read a snapshot, call the domain, leave the result.

Belongs here: which facts a day's figures need. Does not belong here: the formulas (pipelines.domain), which
days there are and the commits (pipelines.jobs.emissions, pipelines.jobs.benchmarks).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.connectors.staging import leaving_failures, piece_path
from pipelines.connectors.store import ClusterStore, DayBucket, arrow_frame, parquet_bytes
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.emissions.electricity import location_based_co2e
from pipelines.domain.factory_energy import factory_hours
from pipelines.domain.kpis import Catalogue, day_figures
from pipelines.schemas.tables import EMISSIONS, FACTS_ENERGY, FACTS_MACHINE, KPIS, TABLES


@dataclass(frozen=True)
class Days:
    """Some (day, bucket) pairs: the unit of work of a worker."""

    number: int
    pairs: tuple[DayBucket, ...]


@dataclass(frozen=True)
class FigureDerivation:
    """Everything that a worker needs to derive figures; pickles.

    Args:
        store: the cluster's store.
        staging: folder below it.
        versions: source table -> the version to read.
        profiles: factory, profile_version, zone, geography, process, meters, products.
        cluster: owners and holdings.
        factors: emission factors.
        gwps: global warming potentials.
        catalogue: KPI definitions by id.
        known_on: only factors published by this date count.
        figure_table: emissions or kpis.
    """

    store: ClusterStore
    staging: str
    versions: Mapping[str, int]
    profiles: pl.DataFrame
    cluster: ClusterDefinition
    factors: pl.DataFrame
    gwps: pl.DataFrame
    catalogue: Catalogue
    known_on: date
    figure_table: str

    def derive(self, days: Days) -> int:
        """Derive the figures of some days and leave them, as Parquet, in the staging folder."""
        with leaving_failures(self.store, self.staging, days.number):
            compute = {EMISSIONS.name: self._emissions, KPIS.name: self._kpis}[self.figure_table]
            self.store.put(piece_path(self.staging, days.number), parquet_bytes(compute(days).to_arrow()))
        return days.number

    def _emissions(self, days: Days) -> pl.DataFrame:
        """Return the columns of the table emissions but known_at."""
        facts = self._read(FACTS_ENERGY.name, days)
        names = [n for n in EMISSIONS.schema.names if n != "known_at"]
        parts = [arrow_frame(EMISSIONS.schema.empty_table()).select(names)]
        places = self._in_force(facts).select("factory", "profile_version", "zone", "geography").unique()
        for (zone, geography), group in places.group_by("zone", "geography", maintain_order=True):
            here = facts.join(group, on=["factory", "profile_version"], how="semi")
            located = location_based_co2e(
                factory_hours(here, self._meters(here)),
                self.factors,
                self.gwps,
                geography=str(geography),
                zone=str(zone),
                known_on=self.known_on,
            )
            buckets = here.select("factory", "day", "bucket").unique()
            parts.append(located.join(buckets, on=["factory", "day"]).select(names))
        return pl.concat(parts)

    def _kpis(self, days: Days) -> pl.DataFrame:
        """Return the columns of the table kpis but known_at."""
        energy, machines = self._read(FACTS_ENERGY.name, days), self._read(FACTS_MACHINE.name, days)
        emissions = self._read(EMISSIONS.name, days)
        hours = factory_hours(energy, self._meters(energy))
        products = self._in_force(
            pl.concat([f.select("factory", "profile_version") for f in (energy, machines)])
        )
        made = products.select("factory", "products").explode("products").drop_nulls().unnest("products")
        names = [n for n in KPIS.schema.names if n != "known_at"]
        figures = [
            day_figures(
                hours,
                machines,
                emissions,
                made.select("factory", "product", "product_class").unique(maintain_order=True),
                self.cluster,
                self.catalogue,
                day,
            ).select(names)
            for day in sorted({day for day, _ in days.pairs})
        ]
        return pl.concat(figures)

    def _read(self, table: str, days: Days) -> pl.DataFrame:
        return self.store.open_at(TABLES[table], self.versions[table]).read_days(days.pairs)

    def _in_force(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Return the profiles under which facts were computed."""
        used = facts.select("factory", "profile_version").unique()
        return self.profiles.join(used, on=["factory", "profile_version"], how="semi").sort("factory")

    def _meters(self, facts: pl.DataFrame) -> pl.DataFrame:
        columns = ["factory", "profile_version", "meter", "carrier", "parent"]
        nested = self._in_force(facts).select("factory", "profile_version", "meters").explode("meters")
        return nested.drop_nulls().unnest("meters").select(columns).unique(maintain_order=True)
