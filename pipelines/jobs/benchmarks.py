"""Benchmarks: what of the KPIs is released behind the gate.

Belongs here: the commit of the table releases, and then of its signed head. Does not belong here: KPIs
(pipelines.jobs.kpis), gate and ledger (pipelines.domain).
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.benchmarks import Period, period_end, released_figures
from pipelines.domain.disclosure.ledger import append_entries
from pipelines.domain.kpi_formulas import Definition
from pipelines.jobs.figuring import changed_pairs
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.jobs.sealed_inputs import sign_head
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import KPIS, RELEASES


@dataclass
class ReleaseReport:
    """What a night released.

    Args:
        entries: new ledger entries.
        statuses: published, withheld, ... of the figures of the night's days.
    """

    entries: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


def release(night: Night) -> ReleaseReport:
    """Judge the changed figures and append what is published of them to the ledger.

    Days are judged as soon as they are closed; months and rolling 12 months when all their days are final.
    The ledger's head is signed at the end, also where a night before died without having done so.

    Raises:
        OperatorError: the store failed, a rival committed, or there is no key.
    """
    report = _append_released(night)
    sign_head(night)
    return report


def _append_released(night: Night) -> ReleaseReport:
    ledger, kpis = night.store.open(RELEASES), night.store.open(KPIS)
    past = ledger.scan().collect()
    periods = _periods(night, ledger, kpis, past)
    consumed = {KPIS.name: kpis.version}
    if not periods:
        if ledger.position(KPIS.name) != kpis.version:
            ledger.commit_files([], consumed)
        return ReleaseReport()
    figures = _figures(night, kpis, periods)
    entries = append_entries(past, figures, night.nominal)
    if not entries.is_empty():
        ledger.append(entries, consumed)
    elif ledger.position(KPIS.name) != kpis.version:
        ledger.commit_files([], consumed)
    return ReleaseReport(entries.height, Counter(figures["status"].to_list()))


def _periods(
    night: Night, ledger: OpenTable, kpis: OpenTable, past: pl.DataFrame
) -> list[tuple[date, Period]]:
    """List what is judged: changed days; changed periods that are final, and those not judged before."""
    changed = {day for day, _ in changed_pairs(ledger, [kpis])}
    firsts = {day for day, _ in kpis.partitions() if day.day == 1}
    there = kpis.scan().filter(pl.col("day").is_in(sorted(changed | firsts))).select("day", "period").unique()
    judged = set(past.select("period_start", "period").unique().iter_rows())
    zone = ZoneInfo(night.cluster.zone)
    return sorted(
        (day, period)
        for day, period in there.collect().iter_rows()
        if (day in changed or (period != "day" and (day, period) not in judged))
        and (
            period == "day"
            or night.is_final(datetime.combine(period_end(day, period), time(), zone).astimezone(UTC))
        )
    )


def _figures(night: Night, kpis: OpenTable, periods: list[tuple[date, Period]]) -> pl.DataFrame:
    rows = kpis.scan().filter(pl.col("day").is_in([day for day, _ in periods])).collect()
    processes = read_profiles(night).latest().select("factory", "process")
    parts = []
    for day, period in periods:
        own = rows.filter(pl.col("day") == day, pl.col("period") == period)
        catalogue = _catalogue(own)
        parts.append(released_figures(own, night.cluster, processes, catalogue, day, period))
    return pl.concat(parts)


def _catalogue(rows: pl.DataFrame) -> dict[str, Definition]:
    """Return what is released, in the versions that the rows have; the newest where there is no row."""
    there = set(rows.select("kpi", "definition_version").unique().iter_rows())
    return {
        d.key: d
        for versions in kpi_book().released().values()
        for d in ([d for d in versions if (d.kpi, d.version) in there] or versions[-1:])
    }
