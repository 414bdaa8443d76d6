"""Deriving source days and the liveness report: read snapshots lazily, call the domain, leave the result.

Belongs here: which rows a piece of work needs. Does not belong here: the signs (pipelines.domain.liveness),
which days there are and the commits (pipelines.jobs.liveness).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.connectors.deriving_figures import Days
from pipelines.connectors.staging import leaving_failures, piece_path
from pipelines.connectors.store import ClusterStore, parquet_bytes
from pipelines.domain.liveness.deliveries import source_column, source_days
from pipelines.domain.liveness.observed import WHOLE_STREAM, Limits, Observed, day_kinds
from pipelines.domain.liveness.report import liveness_report
from pipelines.domain.machine_time import ALL_PRODUCTS
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import FACTS_ENERGY, FACTS_MACHINE, RAW, SOURCE_DAYS, TABLES


@dataclass(frozen=True)
class SourceDayDerivation:
    """Everything that a worker needs to sum up what sources sent; pickles.

    Args:
        store: the cluster's store.
        staging: folder below it.
        versions: raw table -> the version to read.
    """

    store: ClusterStore
    staging: str
    versions: Mapping[str, int]

    def derive(self, days: Days) -> int:
        """Sum up some (day, bucket) pairs and leave the rows, as Parquet, in the staging folder."""
        with leaving_failures(self.store, self.staging, days.number):
            rows = pl.concat([self._stream(stream, days) for stream in STREAMS if stream != "profile"])
            self.store.put(piece_path(self.staging, days.number), parquet_bytes(rows.to_arrow()))
        return days.number

    def _stream(self, stream: str, days: Days) -> pl.DataFrame:
        table, source = RAW[stream], source_column(stream)
        wanted = pl.LazyFrame(
            {"day": [d for d, _ in days.pairs], "bucket": [b for _, b in days.pairs]},
            schema={"day": pl.Date, "bucket": pl.Int32},
        )
        events = (
            self.store.open_at(table, self.versions[table.name])
            .scan()
            .filter(
                pl.col("day").is_in(sorted({d for d, _ in days.pairs})),
                pl.col("bucket").is_in(sorted({b for _, b in days.pairs})),
            )
            .join(wanted, on=["day", "bucket"], how="semi")
            .select(
                "day", "bucket", "factory",
                pl.lit(WHOLE_STREAM).alias("source") if source is None else pl.col(source).alias("source"),
                pl.col(STREAMS[stream].event_time).alias("at"),
            )
        )  # fmt: skip
        return source_days(events, stream).collect()


@dataclass(frozen=True)
class ReportDays:
    """Some local dates to report: the unit of work of a worker."""

    number: int
    days: tuple[date, ...]


@dataclass(frozen=True)
class ReportDerivation:
    """Everything that a worker needs to report on days; pickles.

    Args:
        store: the cluster's store.
        staging: folder below it.
        versions: source table -> the version to read.
        days: `factory, day, start, end` [us, UTC], `new, asked` of all days to report and their look-back.
        profiles: `factory, valid_from` [us, UTC], `meters, machines` (lists of records), `template`.
        starting: streams that a template says come from the start, by its id; null: of no known template.
        limits: of the signs.
    """

    store: ClusterStore
    staging: str
    versions: Mapping[str, int]
    days: pl.DataFrame
    profiles: pl.DataFrame
    starting: Mapping[str | None, tuple[str, ...]]
    limits: Limits

    def derive(self, work: ReportDays) -> int:
        """Report on some days and leave the rows, as Parquet, in the staging folder."""
        with leaving_failures(self.store, self.staging, work.number):
            report = liveness_report(self._observed(work), self.limits)
            self.store.put(piece_path(self.staging, work.number), parquet_bytes(report.to_arrow()))
        return work.number

    def _observed(self, work: ReportDays) -> Observed:
        first, last = min(work.days) - timedelta(days=self.limits.look_back_days), max(work.days)
        within = pl.col("day").is_between(first, last)
        energy = self._scan(FACTS_ENERGY.name).filter(within, pl.col("allocation") == "hour")
        machines = self._scan(FACTS_MACHINE.name).filter(within)
        times = (
            machines.filter(pl.col("product") == ALL_PRODUCTS)
            .select("factory", "machine", "day", "start", "pbt_s", "apt_s")
            .collect()
        )
        days = self.days.filter(within).with_columns(asked=pl.col("asked") & pl.col("day").is_in(work.days))
        profiles = self._in_force(days)
        return Observed(
            days=day_kinds(days, times),
            source_days=self._scan(SOURCE_DAYS.name).filter(within).collect(),
            amounts=energy.select("factory", "meter", "day", "start", "quantity").collect(),
            machine_hours=times,
            output=machines.filter(pl.col("product") != ALL_PRODUCTS)
            .select("factory", "machine", "day", "start", "pq")
            .collect(),
            meters=_items(profiles, "meters")
            .select("factory", "day", "meter", "carrier", "parent", "machine")
            .unique(["factory", "day", "meter"], keep="last", maintain_order=True),
            machines=_items(profiles, "machines").select("factory", "day", "machine").unique(),
            declared=self._declared(profiles),
        )

    def _in_force(self, days: pl.DataFrame) -> pl.DataFrame:
        """Return each factory-day with the newest profile that began before its end; nulls: there is none."""
        return days.sort("end").join_asof(
            self.profiles.sort("valid_from"),
            left_on="end",
            right_on="valid_from",
            by="factory",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,  # sorted above; Polars can't check within groups and would warn
        )

    def _declared(self, profiles: pl.DataFrame) -> pl.DataFrame:
        """Return factory, day, stream: what the template of the day's profile says, else the usual."""
        starting = pl.DataFrame(
            [(template, stream) for template, streams in self.starting.items() for stream in streams],
            schema={"template": pl.String, "stream": pl.String},
            orient="row",
        )
        known = pl.when(pl.col("template").is_in([t for t in self.starting if t is not None])).then(
            "template"
        )
        return (
            profiles.select("factory", "day", template=known)
            .join(starting, on="template", nulls_equal=True)
            .select("factory", "day", "stream")
        )

    def _scan(self, table: str) -> pl.LazyFrame:
        return self.store.open_at(TABLES[table], self.versions[table]).scan()


def _items(profiles: pl.DataFrame, field: str) -> pl.DataFrame:
    """Return one row per item of a list of records, with its factory and day."""
    items = profiles.select("factory", "day", field).filter(pl.col(field).list.len() > 0)
    return items.explode(field).unnest(field)
