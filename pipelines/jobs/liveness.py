"""Data liveness: what each source sent, and what there is to ask of it.

Belongs here: which days are reported, the commits of the tables source_days and liveness. Does not belong
here: the signs (pipelines.domain.liveness), reading their rows (pipelines.connectors.deriving_liveness), the
pages (pipelines.publish).

A day is reported anew when anything changed of it or of its look-back, so that the report depends on the data
alone, not on the night in which they came.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

import apache_beam as beam
import polars as pl
from apache_beam.pvalue import PCollection

from pipelines.connectors.deriving_figures import Days
from pipelines.connectors.deriving_liveness import ReportDays, ReportDerivation, SourceDayDerivation
from pipelines.connectors.staging import staging_folder
from pipelines.connectors.store import (
    OpenTable,
    arrow_frame,
    day_bucket_predicate,
    day_predicate,
)
from pipelines.domain.calendar import windows_of_days
from pipelines.jobs.figuring import changed_pairs
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import Profiles, read_profiles, unnested, zones_of
from pipelines.jobs.restating import replace_figures
from pipelines.jobs.runner import run_staged
from pipelines.reference.liveness import liveness_limits
from pipelines.reference.templates import Template, packaged_templates
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import FACTS_ENERGY, FACTS_MACHINE, LIVENESS, RAW, SOURCE_DAYS, Table
from pipelines.transforms.deriving import DeriveSourceDays, ReportLiveness

_PAIRS_PER_PIECE = 8
_DAYS_PER_PIECE = 14
_WITHOUT_TEMPLATE = ("energy",)
Item = TypeVar("Item")


def derive_liveness(night: Night) -> int:
    """Bring source_days and the liveness report up to date; returns the report's rows that are new or differ.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    _derive_source_days(night)
    table, profiles = night.store.open(LIVENESS), read_profiles(night)
    sources = [night.store.open(t) for t in (SOURCE_DAYS, FACTS_ENERGY, FACTS_MACHINE)]
    profile_rows = night.store.open(RAW["profile"])
    days = _days_to_report(table, sources, profile_rows)
    return replace_figures(
        table,
        _report(night, profiles, sources, days),
        table.scan().filter(pl.col("day").is_in(days)).collect(),
        day_predicate(days),
        consumed={t.table.name: t.version for t in (*sources, profile_rows)},
        known_at=night.nominal,
    )


def _derive_source_days(night: Night) -> None:
    table = night.store.open(SOURCE_DAYS)
    sources = [night.store.open(RAW[stream]) for stream in STREAMS if stream != "profile"]
    versions = {s.table.name: s.version for s in sources}
    pairs = sorted(changed_pairs(table, sources))
    pieces = [Days(n, tuple(part)) for n, part in enumerate(_parts(pairs, _PAIRS_PER_PIECE))]

    def wired(staging: str) -> Callable[[beam.Pipeline], PCollection[int]]:
        return lambda p: build_source_days(p, pieces, SourceDayDerivation(night.store, staging, versions))

    replace_figures(
        table,
        _computed(night, SOURCE_DAYS, len(pieces), wired),
        table.read_days(pairs),
        day_bucket_predicate(pairs),
        consumed=versions,
        known_at=night.nominal,
    )


def build_source_days(
    pipeline: beam.Pipeline, pieces: Sequence[Days], derivation: SourceDayDerivation
) -> PCollection[int]:
    """Wire the pipeline that sums up what sources sent; any runner may run it."""
    numbers: PCollection[int] = pipeline | "Days" >> beam.Create(pieces) | DeriveSourceDays(derivation)
    return numbers


def build_report(
    pipeline: beam.Pipeline, pieces: Sequence[ReportDays], derivation: ReportDerivation
) -> PCollection[int]:
    """Wire the pipeline that reports; any runner may run it."""
    numbers: PCollection[int] = pipeline | "Days" >> beam.Create(pieces) | ReportLiveness(derivation)
    return numbers


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _computed(
    night: Night,
    table: Table,
    total: int,
    wired: Callable[[str], Callable[[beam.Pipeline], PCollection[int]]],
) -> pl.DataFrame:
    """Run a pipeline in a staging folder of its own and return the table's columns but known_at."""
    names = [n for n in table.schema.names if n != "known_at"]
    if not total:
        return arrow_frame(table.schema.empty_table()).select(names)
    with staging_folder(night.store) as staging:
        left = run_staged(
            wired(staging),
            store=night.store,
            staging=staging,
            step=table.name,
            total=total,
            tell=night.tell,
            workers=night.workers,
        )
        return pl.concat([night.store.read_parquet(path) for path in left]).select(names)


def _days_to_report(table: OpenTable, sources: Sequence[OpenTable], profiles: OpenTable) -> list[date]:
    """Return the days that nights have computed and of which, or of whose look-back, anything changed.

    A profile says what a factory has, whenever it was sent: with a new one every day is reported anew.
    """
    computed = {day for facts in sources[1:] for day, _ in facts.partitions()}
    if changed_pairs(table, [profiles]):
        return sorted(computed)
    changed = {day for day, _ in changed_pairs(table, sources)}
    back = range(liveness_limits().look_back_days + 1)
    reached = {day + timedelta(days=n) for day in changed for n in back}
    return sorted(computed & reached)


def _report(night: Night, profiles: Profiles, sources: Sequence[OpenTable], days: list[date]) -> pl.DataFrame:
    pieces = [ReportDays(n, tuple(part)) for n, part in enumerate(_parts(days, _DAYS_PER_PIECE))]
    meters = unnested(profiles.rows, "meters").unique(["factory", "meter"], keep="last", maintain_order=True)
    places = _places(night, sources, days)
    versions = {s.table.name: s.version for s in sources}

    def wired(staging: str) -> Callable[[beam.Pipeline], PCollection[int]]:
        derivation = ReportDerivation(
            store=night.store,
            staging=staging,
            versions=versions,
            days=places,
            meters=meters.select("factory", "meter", "carrier", "parent", "machine"),
            machines=unnested(profiles.rows, "machines").select("factory", "machine").unique(),
            declared=_declared(night, profiles),
            limits=liveness_limits(),
        )
        return lambda pipeline: build_report(pipeline, pieces, derivation)

    return _computed(night, LIVENESS, len(pieces), wired)


def _places(night: Night, sources: Sequence[OpenTable], days: list[date]) -> pl.DataFrame:
    """Return factory, day, start, end, new, asked of the days to report and their look-back.

    A factory of a cluster that is open to imports sends no longer than its file: it is asked of days with
    facts only. Others are asked of every day on which they belong to the cluster.
    """
    limits = liveness_limits()
    if not days:
        return pl.DataFrame()
    first = days[0] - timedelta(days=limits.look_back_days)
    every = pl.DataFrame({"day": pl.date_range(first, days[-1], eager=True)})
    owned = pl.DataFrame(
        [(f.factory, f.joined, f.left) for f in night.cluster.factories],
        schema={"factory": pl.String, "joined": pl.Date, "left": pl.Date},
        orient="row",
    )
    newest = zones_of(night).sort("factory", "valid_from").unique("factory", keep="last")
    belongs = (pl.col("joined") <= pl.col("day")) & (
        pl.col("left").is_null() | (pl.col("day") < pl.col("left"))
    )
    places = owned.join(every, how="cross").join(newest.select("factory", "zone"), on="factory")
    asked = belongs & pl.col("day").is_in(days)
    if night.cluster.open_to_imports:
        facts = [s.scan().select("factory", "day").unique().collect() for s in sources[1:]]
        told = pl.concat(facts).unique().with_columns(told=pl.lit(value=True))
        places = places.join(told, on=["factory", "day"], how="left")
        asked = asked & pl.col("told").fill_null(value=False)
    grace_days = (pl.col("day") - pl.col("joined")).dt.total_days()
    rows = places.with_columns(asked=asked, new=grace_days < limits.silent_grace_days)
    return windows_of_days(rows.select("factory", "day", "zone")).join(
        rows.select("factory", "day", "new", "asked"), on=["factory", "day"]
    )


def _declared(night: Night, profiles: Profiles) -> pl.DataFrame:
    """Return factory, stream that each factory is expected to send: its template's, else energy."""
    templates = packaged_templates()
    named = dict(profiles.latest().select("factory", "template").iter_rows())
    rows = [
        (f.factory, stream)
        for f in night.cluster.factories
        for stream in _starting(templates.get(named.get(f.factory) or ""))
    ]
    return pl.DataFrame(rows, schema={"factory": pl.String, "stream": pl.String}, orient="row").unique()


def _starting(template: Template | None) -> tuple[str, ...]:
    return _WITHOUT_TEMPLATE if template is None else template.streams.start
