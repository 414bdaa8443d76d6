"""Deriving facts of a stretch of days of one bucket: read raw rows with their neighbours, call the domain.

Belongs here: which raw rows a stretch needs. Does not belong here: the arithmetic (pipelines.domain), which
stretches there are and their commit (pipelines.jobs.facts).
"""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.connectors.staging import leaving_failures, piece_path
from pipelines.connectors.store import ClusterStore, OpenTable, parquet_bytes
from pipelines.domain.costs import daily_costs
from pipelines.domain.logistics import daily_shipments
from pipelines.domain.machine_time import heard_spans, hourly_machine_time
from pipelines.domain.meters import hourly_energy
from pipelines.domain.operations import as_facts
from pipelines.domain.orders import daily_orders
from pipelines.domain.production import hourly_quantities
from pipelines.domain.safety import daily_safety
from pipelines.domain.stock import LONGEST_HOLD_DAYS, daily_stock
from pipelines.schemas.tables import FACTS_ENERGY, FACTS_MACHINE, FACTS_OPERATIONS, RAW, Table


@dataclass(frozen=True)
class Stretch:
    """Consecutive days of one bucket under unchanged profiles: the unit of work of a worker.

    Args:
        number: its number.
        bucket: its bucket.
        days: local dates, ascending.
        windows: factory, day, start, end [us, UTC]: the factory-days to compute.
        meters: factory and the profile's meter columns.
        machines: factory, machine.
        products: factory, product, unit, product_class, pru_s.
        planned: factory, start, end [us, UTC]: planned segments of the windows.
    """

    number: int
    bucket: int
    days: tuple[date, ...]
    windows: pl.DataFrame
    meters: pl.DataFrame
    machines: pl.DataFrame
    products: pl.DataFrame
    planned: pl.DataFrame


@dataclass(frozen=True)
class FactDerivation:
    """Everything that a worker needs to derive facts; pickles.

    Args:
        store: the cluster's store.
        staging: folder below it.
        fact_table: name of a fact table.
        versions: raw table -> the version to read.
        unit_multipliers: carrier, kind, unit, multiplier.
        max_gap_s: longest gap that is bridged [s].
        max_state_s: longest that a state holds without news [s]; null: no bound.
        max_silence_s: longest that states hold while all machines of a factory are silent [s]; null: always.
        accepted: factory, meter, start, end: disjoint spans in which suspect values are accepted.
    """

    store: ClusterStore
    staging: str
    fact_table: str
    versions: dict[str, int]
    unit_multipliers: pl.DataFrame
    max_gap_s: int
    max_state_s: int | None
    max_silence_s: int | None
    accepted: pl.DataFrame

    def derive(self, stretch: Stretch) -> int:
        """Derive the facts of a stretch and leave them, as Parquet, in the staging folder."""
        with leaving_failures(self.store, self.staging, stretch.number):
            compute = {
                FACTS_ENERGY.name: self._energy,
                FACTS_MACHINE.name: self._machine,
                FACTS_OPERATIONS.name: self._operations,
            }[self.fact_table]
            owners = stretch.windows.select("factory", "day", window_start="start")
            facts = compute(stretch).join(owners, on=["factory", "window_start"]).drop("window_start")
            self.store.put(piece_path(self.staging, stretch.number), parquet_bytes(facts.to_arrow()))
        return stretch.number

    def energy_readings(self, stretch: Stretch) -> pl.DataFrame:
        """Read the rows of raw_energy from which a stretch's energy follows, and some beside them."""
        table = self._open("energy")
        readings = self._rows(table, stretch)
        registers = pl.col("kind") == "register"
        meters = readings.filter(registers).select("factory", "meter")
        return pl.concat([readings, self._last_before(table, stretch, meters, readings, registers)])

    def energy_of(self, readings: pl.DataFrame, stretch: Stretch) -> pl.DataFrame:
        """Derive a stretch's hourly energy from readings: HOURLY_SCHEMA."""
        return hourly_energy(
            readings,
            stretch.meters,
            stretch.windows.select("factory", "start", "end"),
            max_gap_s=self.max_gap_s,
            unit_multipliers=self.unit_multipliers,
            accepted=self.accepted,
        )

    def _energy(self, stretch: Stretch) -> pl.DataFrame:
        return self.energy_of(self.energy_readings(stretch), stretch)

    def _machine(self, stretch: Stretch) -> pl.DataFrame:
        windows = stretch.windows.select("factory", "start", "end")
        state_table, count_table = self._open("states"), self._open("counts")
        states = pl.concat([self._rows(state_table, stretch), self._long_stops(state_table, stretch)])
        machines = stretch.machines.select("factory", "machine")
        older = self._last_before(state_table, stretch, machines, states, pl.col("until").is_null())
        counts = self._rows(count_table, stretch)
        counters = counts.select("factory", "machine", "product")
        before = self._last_before(count_table, stretch, counters, counts, pl.lit(True))
        times = hourly_machine_time(
            pl.concat([states, older]),
            stretch.machines,
            windows,
            stretch.planned,
            max_state_s=self.max_state_s,
            heard=heard_spans(states, counts, self.max_silence_s),
        )
        quantities = hourly_quantities(
            pl.concat([counts, before]), windows, stretch.products, max_gap_s=self.max_gap_s
        )
        facts = pl.concat([times, quantities.select(times.columns)])
        return facts.sort("start").join_asof(
            windows.select("factory", window_start="start").sort("window_start"),
            left_on="start",
            right_on="window_start",
            by="factory",
            check_sortedness=False,  # sorted above; Polars can't check within groups and would warn
        )

    def _operations(self, stretch: Stretch) -> pl.DataFrame:
        windows = stretch.windows.select("factory", "start", "end")
        orders, shipments, safety, costs = (
            self._whole(stream, stretch) for stream in ("orders", "shipments", "safety", "costs")
        )
        facts = as_facts([
            daily_orders(orders, stretch.products, windows, stretch.planned),
            daily_shipments(shipments, windows, stretch.planned),
            daily_safety(safety, windows, stretch.planned),
            daily_stock(*self._levels(stretch), stretch.products, windows),
            daily_costs(costs, windows),
        ])  # fmt: skip
        return facts.with_columns(window_start="start")

    def _levels(self, stretch: Stretch) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Read the stock levels that may hold in a stretch, and when each factory's first one was."""
        earliest = stretch.days[0] - timedelta(days=LONGEST_HOLD_DAYS + 1)
        ours = pl.col("factory").is_in(stretch.windows["factory"].unique().to_list())
        rows = self._open("stock").scan().filter(pl.col("bucket") == stretch.bucket, ours)
        begun = rows.group_by("factory").agg(first_at=pl.col("at").min())
        near = pl.col("day").is_between(earliest, stretch.days[-1] + timedelta(days=1))
        return rows.filter(near).collect(), begun.collect()

    def _whole(self, stream: str, stretch: Stretch) -> pl.DataFrame:
        """Read all rows of a stretch's factories, however old: an order's life is as long as it is.

        Events of operations are few: some dozens a day and factory.
        """
        factories = stretch.windows["factory"].unique().to_list()
        ours = pl.col("factory").is_in(factories)
        return self._open(stream).scan().filter(pl.col("bucket") == stretch.bucket, ours).collect()

    def _rows(self, table: OpenTable, stretch: Stretch) -> pl.DataFrame:
        """Read a stretch's rows with a margin of days that covers the longest bridged gap."""
        first, last = self._margin(stretch)
        factories = stretch.windows["factory"].unique().to_list()
        return (
            table.scan()
            .filter(
                pl.col("day").is_between(first, last),
                pl.col("bucket") == stretch.bucket,
                pl.col("factory").is_in(factories),
            )
            .collect()
        )

    def _margin(self, stretch: Stretch) -> tuple[date, date]:
        margin = timedelta(days=1 + self.max_gap_s // 86_400)
        return stretch.days[0] - margin, stretch.days[-1] + margin

    def _last_before(
        self, table: OpenTable, stretch: Stretch, keys: pl.DataFrame, rows: pl.DataFrame, kinds: pl.Expr
    ) -> pl.DataFrame:
        """Find the last earlier row of each key that `rows` lack, walking back in ever longer steps.

        Most are found on the day before; what was never heard of costs a step for each doubling of the past.
        """
        begin = stretch.windows["start"].min()
        wanted = keys.unique().join(rows.filter(kinds, pl.col("at") < begin), on=keys.columns, how="anti")
        found: list[pl.DataFrame] = [table.empty()]
        first = self._margin(stretch)[0]
        past = sorted({d for d, b in table.partitions() if b == stretch.bucket and d < first}, reverse=True)
        taken = 0
        while taken < len(past) and not wanted.is_empty():
            step = past[taken : 2 * taken + 1]
            taken += len(step)
            older = (
                table.scan()
                .filter(
                    pl.col("day").is_between(step[-1], step[0]), pl.col("bucket") == stretch.bucket, kinds
                )
                .join(wanted.lazy(), on=keys.columns, how="semi")
                .collect()
            )
            # Ties of one instant are settled by the domain's rule for duplicates, so all of them come.
            found.append(older.filter(pl.col("at") == pl.col("at").max().over(keys.columns)))
            wanted = wanted.join(older, on=keys.columns, how="anti")
        return pl.concat(found)

    def _long_stops(self, table: OpenTable, stretch: Stretch) -> pl.DataFrame:
        """Find the stop records from before the margin that reach into the stretch, however old.

        Files say the greatest `until` that they hold, so those of a past that has ended are not read.
        """
        first, begin = self._margin(stretch)[0], stretch.windows["start"].min()
        reaching = (pl.col("day") < first) & (pl.col("until") >= begin)
        ours = pl.col("factory").is_in(stretch.windows["factory"].unique().to_list())
        return table.scan().filter(reaching, pl.col("bucket") == stretch.bucket, ours).collect()

    def _open(self, stream: str) -> OpenTable:
        table: Table = RAW[stream]
        return self.store.open_at(table, self.versions[table.name])
