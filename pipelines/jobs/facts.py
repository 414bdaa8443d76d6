"""Facts: from raw rows to hourly energy and machine time, and to daily operations.

Belongs here: the pipeline of the fact tables and their commits. Does not belong here: which factory-days
are touched (pipelines.jobs.touching), the arithmetic (pipelines.domain), reading neighbours
(pipelines.connectors.deriving), versions (pipelines.jobs.restating).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

import apache_beam as beam
import polars as pl
from apache_beam.pvalue import PCollection

from pipelines.connectors.deriving_facts import FactDerivation, Stretch
from pipelines.connectors.staging import staging_folder
from pipelines.connectors.store import arrow_frame
from pipelines.domain.calendar import planned_segments
from pipelines.domain.causes import add_cause
from pipelines.domain.cluster import bucket_of
from pipelines.domain.suspects import SPAN_SCHEMA, accepted_spans
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import Profiles, read_profiles, unnested
from pipelines.jobs.restating import FINAL, PROVISIONAL, FactoryDay, replace_facts
from pipelines.jobs.runner import run_staged
from pipelines.jobs.touching import (
    SOURCE_TABLES,
    SOURCES,
    RawSnapshots,
    Span,
    sources_of,
    touched_days,
    versions_now,
)
from pipelines.schemas.tables import FACTS, Table
from pipelines.transforms.deriving import DeriveFacts

_ROWS_PER_STRETCH = 4_000_000
_DAYS_PER_STRETCH = 31


@dataclass
class FactsReport:
    """What the facts of a night were.

    Args:
        rows: rows written.
        factory_days: factory-days computed.
        restated: factory-days that were final and changed, with the cause.
        left_for_later: days beyond --max-days.
        without_profile: factories that send but have no profile.
        strangers: meters and machines that send but are in no profile, as factory/id.
        methods: fact tables whose method is not that of their stored days, with the difference.
    """

    rows: int = 0
    factory_days: int = 0
    restated: dict[FactoryDay, str] = field(default_factory=dict)
    left_for_later: int = 0
    without_profile: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    methods: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FactoryDayPlan:
    """One factory-day to compute, with the profile that holds at its end."""

    factory: str
    day: date
    bucket: int
    zone: str
    start: datetime
    end: datetime
    profile_version: str


def derive_facts(night: Night) -> FactsReport:
    """Bring the fact tables up to what the raw tables hold.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    report = FactsReport()
    profiles = read_profiles(night)
    for table in FACTS:
        _derive_table(night, profiles, table, report)
    return report


def build(
    pipeline: beam.Pipeline, stretches: Sequence[Stretch], derivation: FactDerivation
) -> PCollection[int]:
    """Wire the pipeline that derives facts; any runner may run it."""
    numbers: PCollection[int] = pipeline | "Stretches" >> beam.Create(stretches) | DeriveFacts(derivation)
    return numbers


def _derive_table(night: Night, profiles: Profiles, table: Table, report: FactsReport) -> None:
    facts = night.store.open(table)
    raw: RawSnapshots = {s: night.store.open(SOURCE_TABLES[s]) for s in sources_of(table)}
    consumed = versions_now(night, table, raw)
    touched = touched_days(night, profiles, facts, raw)
    report.left_for_later += touched.left_for_later
    report.without_profile = sorted({*report.without_profile, *touched.without_profile})
    report.strangers += touched.strangers
    if touched.method is not None:
        report.methods[table.name] = touched.method
    pairs = {(day, bucket_of(factory, night.bucket_count)) for factory, day in touched.causes}
    plans = list(_plans(night, profiles, touched.spans, sorted(pairs)))
    computed = _computed(night, profiles, table, plans, raw)
    replaced = replace_facts(
        night.store,
        facts,
        computed,
        pairs,
        causes=touched.causes,
        consumed=consumed if touched.progress is None else touched.progress.positions(),
        known_at=night.nominal,
    )
    report.rows += replaced.rows
    report.factory_days += len(plans)
    for place, cause in replaced.restated.items():
        add_cause(report.restated, [place], cause)


def _plans(
    night: Night, profiles: Profiles, spans: dict[str, Span], pairs: Sequence[tuple[date, int]]
) -> Iterator[FactoryDayPlan]:
    """List every factory-day of the pairs that the cluster has and a profile covers."""
    for day, bucket in pairs:
        for membership in sorted(night.cluster.factories, key=lambda f: f.factory):
            factory, span = membership.factory, spans.get(membership.factory)
            in_bucket = bucket_of(factory, night.bucket_count) == bucket
            if not in_bucket or span is None or not span.covers(day) or not membership.belongs_on(day):
                continue
            profile = profiles.of_day(factory, day)
            if profile is not None:
                yield FactoryDayPlan(
                    factory, day, bucket, profile.zone, profile.start, profile.end, profile.profile_version
                )


def _computed(
    night: Night, profiles: Profiles, table: Table, plans: Sequence[FactoryDayPlan], raw: RawSnapshots
) -> pl.DataFrame:
    """Compute the facts of the plans: the table's columns but version and known_at."""
    columns = [c for c in table.schema.names if c not in ("version", "known_at")]
    stretches = stretches_of(profiles, table, plans, raw)
    if not stretches:
        return arrow_frame(table.schema.empty_table()).select(columns)
    with staging_folder(night.store) as staging:
        derivation = FactDerivation(
            store=night.store,
            staging=staging,
            fact_table=table.name,
            versions={t.table.name: t.version for t in raw.values()},
            unit_multipliers=night.unit_multipliers,
            max_gap_s=night.max_gap_s,
            max_state_s=night.max_state_s,
            max_silence_s=night.max_silence_s,
            accepted=_accepted(raw),
        )
        left = run_staged(
            lambda pipeline: build(pipeline, stretches, derivation),
            store=night.store,
            staging=staging,
            step=table.name,
            total=len(stretches),
            tell=night.tell,
            workers=night.workers,
        )
        facts = pl.concat([night.store.read_parquet(path) for path in left])
    return facts.join(_state(night, plans), on=["factory", "day"]).select(columns)


def _accepted(raw: RawSnapshots) -> pl.DataFrame:
    """Return the spans in which suspects are accepted; none for a table that knows no suspects."""
    decisions = raw["accepted"].scan().collect() if "accepted" in raw else None
    return pl.DataFrame(schema=SPAN_SCHEMA) if decisions is None else accepted_spans(decisions)


def _state(night: Night, plans: Sequence[FactoryDayPlan]) -> pl.DataFrame:
    """Return factory, day, bucket, status and profile_version of the plans."""
    return pl.DataFrame(
        {
            "factory": [p.factory for p in plans],
            "day": [p.day for p in plans],
            "bucket": pl.Series([p.bucket for p in plans], dtype=pl.Int32),
            "status": [FINAL if night.is_final(p.end) else PROVISIONAL for p in plans],
            "profile_version": [p.profile_version for p in plans],
        }
    )


def stretches_of(
    profiles: Profiles, table: Table, plans: Sequence[FactoryDayPlan], raw: RawSnapshots
) -> list[Stretch]:
    """Cut the plans into stretches: consecutive days of a bucket under the same profiles, of bounded size."""
    sizes: dict[tuple[date, int], int] = {}
    for stream in SOURCES[table.name]:
        for pair, rows in raw[stream].rows_by_partition().items():
            sizes[pair] = sizes.get(pair, 0) + rows
    stretches: list[Stretch] = []
    by_bucket = sorted(plans, key=lambda p: (p.bucket, p.day, p.factory))
    for bucket, of_bucket in groupby(by_bucket, key=lambda p: p.bucket):
        run: list[FactoryDayPlan] = []
        for _, of_day in groupby(of_bucket, key=lambda p: p.day):
            today = list(of_day)
            if run and not _continues(run, today, sizes, bucket):
                stretches.append(_stretch(len(stretches), profiles, run))
                run = []
            run += today
        if run:
            stretches.append(_stretch(len(stretches), profiles, run))
    return stretches


def _continues(
    run: Sequence[FactoryDayPlan],
    today: Sequence[FactoryDayPlan],
    sizes: dict[tuple[date, int], int],
    bucket: int,
) -> bool:
    """Say whether a day may join a stretch: the next date, the same profiles, and room for its rows."""
    days = {p.day for p in run}
    profiles = {(p.factory, p.profile_version) for p in run}
    rows = sum(sizes.get((day, bucket), 0) for day in (*days, today[0].day))
    return (
        (today[0].day - max(days)).days == 1
        and {(p.factory, p.profile_version) for p in today} == profiles
        and len(days) < _DAYS_PER_STRETCH
        and rows <= _ROWS_PER_STRETCH
    )


def _stretch(number: int, profiles: Profiles, plans: Sequence[FactoryDayPlan]) -> Stretch:
    frame = pl.DataFrame(
        {
            "factory": [p.factory for p in plans],
            "day": [p.day for p in plans],
            "zone": [p.zone for p in plans],
            "start": pl.Series([p.start for p in plans], dtype=pl.Datetime("us", "UTC")),
            "end": pl.Series([p.end for p in plans], dtype=pl.Datetime("us", "UTC")),
        }
    )
    used = pl.DataFrame(
        sorted({(p.factory, p.profile_version) for p in plans}),
        schema=["factory", "profile_version"],
        orient="row",
    )
    rows = profiles.rows.join(used, on=["factory", "profile_version"], how="semi")
    holidays = rows.select("factory", day="holidays").explode("day").drop_nulls()
    return Stretch(
        number=number,
        bucket=plans[0].bucket,
        days=tuple(sorted({p.day for p in plans})),
        windows=frame.select("factory", "day", "start", "end"),
        meters=unnested(rows, "meters"),
        machines=unnested(rows, "machines"),
        products=unnested(rows, "products"),
        planned=planned_segments(
            frame.select("factory", "day", "zone"),
            unnested(rows, "shifts"),
            holidays.with_columns(pl.col("day").str.to_date()),
        ),
    )
