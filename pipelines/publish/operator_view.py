"""The operator's content: the cluster's published figures and how well each factory delivers.

Belongs here: everything built for the operator. Does not belong here: any value, chart or rank of a member;
nothing in here reads a quantity of the facts or a time but for its coverage; of KPIS it learns which ones a
member shares (sharing), never a value.
"""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.cluster import Factory
from pipelines.publish.content import (
    HISTORY_DAYS,
    AskedFactory,
    Delivery,
    FactorUse,
    FigureHistory,
    Gap,
    Notice,
    OperatorContent,
    ReasonCount,
    SiteInputs,
    Term,
    TopicDeadLetters,
)
from pipelines.publish.figures import (
    ABSENT,
    CLUSTER_FIGURES,
    PER_UNIT,
    Published,
    last_days,
    latest_releases,
    published,
)
from pipelines.publish.liveness_view import asked_factories
from pipelines.publish.released import baseline_month, benchmark_tables
from pipelines.publish.senders import (
    current_factories,
    day_start,
    dead_letters_by_owner,
    last_event,
    machine_coverage,
    stream_coverage,
    zone_of,
)
from pipelines.publish.sharing import shared_kpis


def operator_content(inputs: SiteInputs) -> OperatorContent:
    """Build the operator's pages from published figures, liveness, dead letters and gaps."""
    releases = latest_releases(inputs.releases)
    factories = current_factories(inputs)
    letters = dead_letters_by_owner(inputs.dead_letters)
    own = {f.factory for f in factories}
    deliveries = tuple(_delivery(inputs, f, letters.get(f.factory, ())) for f in factories)
    others = tuple(TopicDeadLetters(owner, letters[owner]) for owner in sorted(letters.keys() - own))
    figures = tuple(_history(inputs, releases, kpi) for kpi in CLUSTER_FIGURES)
    benchmarks = tuple(
        published(releases, "process", process, inputs.day, PER_UNIT)
        for process in _processes(inputs, releases)
    )
    zones = {f.factory: zone_of(inputs, f.factory) for f in factories}
    asked = asked_factories(inputs.report, inputs.cluster, factories, inputs.day, zones)
    gaps = _gaps(inputs.gaps, inputs.nominal, ZoneInfo(inputs.cluster.zone))
    notices = (
        *_gap_notices(gaps),
        *_delivery_notices(deliveries, others),
        *_question_notices(asked),
        *_figure_notices([history.today for history in figures], benchmarks),
    )
    return OperatorContent(
        notices=notices,
        gaps=gaps,
        figures=figures,
        benchmarks=benchmarks,
        tables=benchmark_tables(inputs, releases),
        compares=baseline_month(inputs.cluster.baseline) is not None,
        sharing=shared_kpis(inputs),
        deliveries=deliveries,
        other_dead_letters=others,
        factors=factors_used(inputs.emissions.filter(pl.col("day") == inputs.day)),
        asked=asked,
    )


def factors_used(emissions: pl.DataFrame) -> tuple[FactorUse, ...]:
    """List the electricity factors of the rows (columns of EMISSIONS), each once, sorted by id."""
    columns = ["factor_id", "factor_kg_per_kwh", "factor_match", "carried_years", "gwp_set"]
    rows = (
        emissions.filter(pl.col("carrier") == "electricity")
        .with_columns(
            carried_years=pl.col("reason").str.extract(r"carried_forward:(\d+)y").cast(pl.Int32),
        )
        .select(columns)
        .unique()
        .sort(columns, nulls_last=True)
    )
    return tuple(FactorUse(*row) for row in rows.iter_rows())


def _history(inputs: SiteInputs, releases: pl.DataFrame, kpi: str) -> FigureHistory:
    days = tuple(published(releases, "cluster", "*", day, kpi) for day in last_days(inputs.day, HISTORY_DAYS))
    return FigureHistory(days[-1], days)


def _processes(inputs: SiteInputs, releases: pl.DataFrame) -> list[str]:
    of_day = releases.filter(
        (pl.col("breakdown") == "process")
        & (pl.col("kpi") == PER_UNIT)
        & (pl.col("period") == "day")
        & (pl.col("period_start") == inputs.day)
    )
    return sorted({*of_day["group"].to_list(), *inputs.profiles["process"].drop_nulls().to_list()})


def _delivery(inputs: SiteInputs, factory: Factory, letters: tuple[ReasonCount, ...]) -> Delivery:
    zone = zone_of(inputs, factory.factory)
    last = last_event(inputs.liveness, factory.factory)
    (owner,) = (m for m in inputs.cluster.members if m.member == factory.member)
    return Delivery(
        factory=factory.factory,
        member=owner.member,
        member_ko=owner.name_ko,
        member_en=owner.name_en,
        last_reading=None if last is None else last.astimezone(zone),
        delay_min=None if last is None else max(0, int((inputs.nominal - last).total_seconds() // 60)),
        silent=last is None or last < day_start(inputs.day, zone),
        energy_coverage=stream_coverage(inputs.liveness, factory.factory, "energy"),
        machine_coverage=machine_coverage(inputs.facts_machine, factory.factory, inputs.day),
        dead_letters=letters,
    )


def _gaps(gaps: pl.DataFrame, nominal: datetime, zone: ZoneInfo) -> tuple[Gap, ...]:
    newest_first = [True, False, False, False]
    ordered = gaps.sort("known_at", "topic", "partition", "first_offset", descending=newest_first)
    return tuple(
        Gap(
            topic=row["topic"],
            partition=row["partition"],
            first_offset=row["first_offset"],
            end_offset=row["end_offset"],
            reason=row["reason"],
            known_at=row["known_at"].astimezone(zone),
            tonight=row["known_at"] >= nominal,
        )
        for row in ordered.iter_rows(named=True)
    )


def _gap_notices(gaps: tuple[Gap, ...]) -> Iterable[Notice]:
    tonight = [gap for gap in gaps if gap.tonight]
    if tonight:
        topics = ", ".join(sorted({gap.topic for gap in tonight}))
        yield Notice("critical", "notice.gaps", (("count", len(tonight)), ("topics", topics)), "gaps")


def _delivery_notices(
    deliveries: tuple[Delivery, ...], others: tuple[TopicDeadLetters, ...]
) -> Iterable[Notice]:
    silent = [d.factory for d in deliveries if d.silent]
    if silent:
        named = (("count", len(silent)), ("factories", ", ".join(silent)))
        yield Notice("warning", "notice.silent", named, "deliveries")
    letters = [(d.factory, reason) for d in deliveries for reason in d.dead_letters]
    letters += [(o.topic, reason) for o in others for reason in o.reasons]
    if letters:
        total = sum(reason.count for _, reason in letters)
        senders = len({sender for sender, _ in letters})
        yield Notice("warning", "notice.dead_letters", (("count", total), ("senders", senders)), "deliveries")


def _question_notices(asked: tuple[AskedFactory, ...]) -> Iterable[Notice]:
    named = [factory.factory for factory in asked if factory.questions]
    if named:
        said = (("count", len(named)), ("factories", ", ".join(named)))
        yield Notice("info", "notice.questions", said, "liveness")


def _figure_notices(figures: list[Published], benchmarks: tuple[Published, ...]) -> Iterable[Notice]:
    for figure in figures:
        if figure.status != "published":
            arguments = (("figure", Term(f"kpi.{figure.kpi}")), ("status", Term(f"status.{figure.status}")))
            severity = "warning" if figure.status == ABSENT else "info"
            yield Notice(severity, "notice.figure", arguments, "figures")
    missing = [b for b in benchmarks if b.status != "published"]
    if missing:
        counts = (("count", len(missing)), ("all", len(benchmarks)))
        yield Notice("info", "notice.benchmarks", counts, "benchmarks")
