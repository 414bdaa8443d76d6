"""Estimates of electricity where no meter is: from the release ledger, profiles and counts.

Belongs here: reading what an estimate is made of, the nightly activities of the factories that the cluster's
definition lists. Does not belong here: the arithmetic (pipelines.domain.emissions.peer_estimate), the commit
(carbon_activities), the command (estimate_command).

Only the ledger's released rows are read of peers, and of their profiles what they make.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from functools import cached_property

import polars as pl

from pipelines.domain.calendar import day_window
from pipelines.domain.carbon.entries import BOUGHT, ESTIMATE, USED, frame_of
from pipelines.domain.carbon.estimated import estimated_entry, made_outputs
from pipelines.domain.carbon.peers import METERED, Plant, Product, closest_groups
from pipelines.domain.emissions.peer_estimate import (
    KPI,
    Output,
    PeerEstimate,
    Refusal,
    benchmark_of,
    closest_estimate,
)
from pipelines.domain.emissions.rates import ELECTRICITY
from pipelines.domain.machine_time import ALL_PRODUCTS
from pipelines.domain.periods import next_month
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles, unnested
from pipelines.publish.figures import centres
from pipelines.schemas.tables import FACTS_MACHINE, RELEASES


class PeerEstimates:
    """The estimates of a cluster, by what was released before an instant."""

    def __init__(
        self, night: Night, factories: Collection[str], released_before: datetime | None = None
    ) -> None:
        """Open what estimates of some factories are made of.

        Args:
            night: the night.
            factories: of whom counts are read.
            released_before: entries of the ledger that are not older are left out; null: none is.
        """
        self._night, self._factories = night, factories
        rows = centres(night.store.open(RELEASES).scan().filter(kpi=KPI, period="month").collect())
        if released_before is not None:
            rows = rows.filter(pl.col("known_at") < released_before.astimezone(UTC))
        self._figures = rows.filter(pl.col("revision") == pl.col("revision").max().over("figure_id"))
        self._plants: dict[date, Mapping[str, Plant]] = {}

    @property
    def months(self) -> list[date]:
        """Months of which figures were released, published or not."""
        return self._figures["period_start"].unique().sort().to_list()

    def product(self, factory: str, month: date) -> Product | None:
        """Return what a factory makes; null: no profile names one class."""
        plant = self._plants_of(month).get(factory)
        return None if plant is None else plant.product

    def output(self, factory: str, month: date) -> Output | Refusal | None:
        """Return what a factory's machines counted; null: they don't count."""
        return self._outputs.get((factory, month))

    def of(self, factory: str, month: date, output: Output | Refusal | None) -> PeerEstimate | Refusal:
        """Return a factory's estimate by its closest peers, or why there is none."""
        groups = closest_groups(self._night.cluster, factory, month, self._plants_of(month), self._processes)
        if isinstance(groups, Refusal):
            return groups
        if isinstance(output, Refusal):
            return output
        of_month = self._figures.filter(period_start=month)
        rows = {(r["breakdown"], r["group"]): r for r in _by_version(of_month).iter_rows(named=True)}
        own = [rows[g.breakdown, g.group] for g in groups if (g.breakdown, g.group) in rows]
        return closest_estimate(output, [benchmark_of(row) for row in own])

    def geography(self, factory: str) -> str:
        """Return the place whose factors count for a factory: the profile's, else the cluster's."""
        return self._geographies.get(factory, self._night.cluster.geography)

    @cached_property
    def _profiles(self) -> pl.DataFrame:
        return read_profiles(self._night).rows

    @cached_property
    def _processes(self) -> Mapping[str, str]:
        return dict(self._latest.select("factory", "process").drop_nulls().iter_rows())

    @cached_property
    def _geographies(self) -> Mapping[str, str]:
        return dict(self._latest.select("factory", "geography").drop_nulls().iter_rows())

    @property
    def _latest(self) -> pl.DataFrame:
        return self._profiles.filter(pl.col("valid_to").is_null())

    @cached_property
    def _outputs(self) -> Mapping[tuple[str, date], Output | Refusal]:
        counted = pl.col("factory").is_in(sorted(self._factories)) & (pl.col("product") != ALL_PRODUCTS)
        hours = self._night.store.open(FACTS_MACHINE).scan().filter(counted)
        return made_outputs(hours.select("factory", "day", "pq", "quality", "status").collect())

    def _plants_of(self, month: date) -> Mapping[str, Plant]:
        """Return what the profiles and meters that were there on some day of a month say."""
        if month not in self._plants:
            zone = self._night.cluster.zone
            start, end = day_window(month, zone)[0], day_window(next_month(month), zone)[0]
            begun = pl.col("valid_from").is_null() | (pl.col("valid_from") < end)
            there = begun & (pl.col("valid_to").is_null() | (pl.col("valid_to") > start))
            profiles = self._profiles.filter(there)
            meters = unnested(profiles, "meters").filter(there, carrier=ELECTRICITY)
            self._plants[month] = _plants(profiles, {*meters["factory"]})
        return self._plants[month]


def estimated_activities(night: Night, measured: Collection[tuple[str, date]]) -> pl.DataFrame:
    """Return the activities of factories that the cluster wants estimated, of all months with benchmarks.

    What this night releases is for the next: a second run of a night finds what the first one found.

    Args:
        night: the night.
        measured: factories and months whose electricity is metered or told: nothing is estimated.

    Returns:
        Rows of ENTRY_SCHEMA; where the estimate was refused, with a null amount and the reason.
    """
    wanted = night.cluster.carbon.estimate_unmetered
    if not wanted:
        return frame_of([])
    estimates = PeerEstimates(night, wanted, night.nominal)
    members = {f.factory: f for f in night.cluster.factories if f.factory in wanted}
    entries = []
    for month in estimates.months:
        for factory, one in sorted(members.items()):
            there = one.joined < next_month(month) and (one.left is None or one.left > month)
            output = estimates.output(factory, month)
            found = estimates.of(factory, month, output)
            if there and (factory, month) not in measured and found != Refusal((METERED,)):
                known = output if isinstance(output, Output) else None
                entries.append(estimated_entry(factory, month, estimates.geography(factory), known, found))
    return frame_of(sorted(entries, key=lambda entry: entry.place))


def electricity_known(activities: pl.DataFrame) -> set[tuple[str, date]]:
    """Return factory and month of the electricity that meters or bills tell, with or without an amount."""
    own = activities.filter(
        pl.col("activity") == ELECTRICITY,
        pl.col("flow").is_in([USED, BOUGHT]),
        pl.col("source") != ESTIMATE,
        ~pl.col("withdrawn"),
    )
    return {*own.select("factory", "month").iter_rows()}


def _by_version(figures: pl.DataFrame) -> pl.DataFrame:
    """Keep the newest version of the formula of each group."""
    ordered = figures.sort(pl.col("definition_version").cast(pl.Int32), "figure_id")
    return ordered.unique(["breakdown", "group"], keep="last", maintain_order=True)


def _plants(profiles: pl.DataFrame, metered: Collection[str]) -> Mapping[str, Plant]:
    kinds = unnested(profiles, "products").drop_nulls("product_class")
    made: dict[str, set[Product]] = {}
    for factory, product_class, unit in kinds.select("factory", "product_class", "unit").iter_rows():
        made.setdefault(factory, set()).add(Product(product_class, unit))
    return {f: Plant(f in metered, frozenset(made.get(f, ()))) for f in profiles["factory"].unique()}
