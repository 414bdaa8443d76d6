"""Data liveness: what each source sent, and what there is to ask of it.

Belongs here: which days are reported, the commits of the tables source_days and liveness. Does not belong
here: the signs (pipelines.domain.liveness), reading their rows (pipelines.connectors.deriving_liveness), the
pages (pipelines.publish).

A day is reported anew when anything changed of it or of its look-back, so that the report depends on the data
alone, not on the night in which they came.
"""

from collections import Counter
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
    DayBucket,
    OpenTable,
    arrow_frame,
    day_bucket_predicate,
    day_predicate,
)
from pipelines.domain.calendar import windows_of_days
from pipelines.jobs.figuring import changed_pairs
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import Profiles, read_profiles, zones_of
from pipelines.jobs.restating import replace_figures
from pipelines.jobs.runner import run_staged
from pipelines.reference.liveness import liveness_limits
from pipelines.reference.templates import packaged_templates
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import FACTS_ENERGY, FACTS_MACHINE, LIVENESS, RAW, SOURCE_DAYS, Table
from pipelines.transforms.deriving import DeriveSourceDays, ReportLiveness

_PAIRS_PER_PIECE, _ROWS_PER_PIECE = 31, 4_000_000
# A piece reads its look-back too: more days a piece are less reading, fewer are less memory.
_FACTORY_DAYS_PER_PIECE = 500
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
    places = _places(night, sources)
    days = _days_to_report(table, sources, profile_rows, places)
    return replace_figures(
        table,
        _report(night, profiles, sources, places, days),
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
    pieces = [Days(n, part) for n, part in enumerate(_sized(pairs, sources))]

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


def _sized(pairs: Sequence[DayBucket], sources: Sequence[OpenTable]) -> Iterator[tuple[DayBucket, ...]]:
    """Cut pairs into parts of a bounded number of raw rows."""
    sizes: Counter[DayBucket] = Counter()
    for source in sources:
        sizes.update(source.rows_by_partition())
    part: list[DayBucket] = []
    for pair in pairs:
        rows = sum(sizes[p] for p in (*part, pair))
        if part and (rows > _ROWS_PER_PIECE or len(part) == _PAIRS_PER_PIECE):
            yield tuple(part)
            part = []
        part.append(pair)
    if part:
        yield tuple(part)


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


def _days_to_report(
    table: OpenTable, sources: Sequence[OpenTable], profiles: OpenTable, places: pl.DataFrame
) -> list[date]:
    """Return the asked days of which, of whose look-back, or of whose profiles anything changed."""
    asked = places.filter("asked")
    changed = {day for day, _ in changed_pairs(table, sources)}
    back = range(liveness_limits().look_back_days + 1)
    reached = {day + timedelta(days=n) for day in changed for n in back}
    new = profiles.read_days(sorted(changed_pairs(table, [profiles]))).select("factory", "valid_from")
    told = asked.join(new, on="factory").filter(pl.col("valid_from") < pl.col("end"))
    return sorted({*told["day"], *(reached & {*asked["day"]})})


def _report(
    night: Night,
    profiles: Profiles,
    sources: Sequence[OpenTable],
    places: pl.DataFrame,
    days: list[date],
) -> pl.DataFrame:
    size = max(1, _FACTORY_DAYS_PER_PIECE // max(1, len(night.cluster.factories)))
    pieces = [ReportDays(n, tuple(part)) for n, part in enumerate(_parts(days, size))]
    versions = {s.table.name: s.version for s in sources}
    said = profiles.rows.select("factory", "valid_from", "meters", "machines", "template")

    def wired(staging: str) -> Callable[[beam.Pipeline], PCollection[int]]:
        derivation = ReportDerivation(
            store=night.store,
            staging=staging,
            versions=versions,
            days=places,
            profiles=said,
            starting={None: _WITHOUT_TEMPLATE}
            | {name: template.streams.start for name, template in packaged_templates().items()},
            limits=liveness_limits(),
        )
        return lambda pipeline: build_report(pipeline, pieces, derivation)

    return _computed(night, LIVENESS, len(pieces), wired)


def _places(night: Night, sources: Sequence[OpenTable]) -> pl.DataFrame:
    """Return factory, day, start, end, new, asked of all days that nights have computed and their look-back.

    Asked are the factories of the cluster on these days, whether or not they sent anything. In a cluster that
    is open to imports nobody sends longer than its file: asked are only the days of which there are facts.
    """
    limits = liveness_limits()
    days = sorted({day for facts in sources[1:] for day, _ in facts.partitions()})
    bounds = (days[0] - timedelta(days=limits.look_back_days), days[-1]) if days else None
    every = pl.date_range(*bounds, eager=True) if bounds else pl.Series([], dtype=pl.Date)
    owned = pl.DataFrame(
        [(f.factory, f.joined, f.left) for f in night.cluster.factories],
        schema={"factory": pl.String, "joined": pl.Date, "left": pl.Date},
        orient="row",
    )
    newest = zones_of(night).sort("factory", "valid_from").unique("factory", keep="last", maintain_order=True)
    places = owned.join(every.alias("day").to_frame(), how="cross").join(
        newest.select("factory", "zone"), on="factory"
    )
    leaves = pl.col("left").is_not_null() & (pl.col("left") <= pl.col("day"))
    asked = (pl.col("joined") <= pl.col("day")) & ~leaves & pl.col("day").is_in(days)
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
