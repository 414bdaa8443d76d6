"""Benchmarks: what of the KPIs is released behind the gate.

Belongs here: which periods a night judges, and the commits: sealed inputs, then the ledger, then its signed
head. Does not belong here: KPIs (pipelines.jobs.kpis), candidates and gate (pipelines.domain.releasing), how
inputs are sealed (pipelines.jobs.sealed_inputs).

A night can end between any two of these commits. Inputs without their entries are not in force: the next run
judges again, comes to the same and seals nothing twice. Entries without a signed head are signed by the next.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.ledger import append_entries
from pipelines.domain.disclosure.night_systems import LIMIT, UNMEETABLE
from pipelines.domain.periods import Period, months_after
from pipelines.domain.releasing import NightRelease, Scene, release_periods, shown_from
from pipelines.jobs.figuring import changed_pairs
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.jobs.sealed_inputs import NO_ENTRY, append_sealed, read_sealed, required_key, sign_head
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import KPIS, RELEASES

_JUDGED_UNTIL: Final = "judged_until"
"""Position: the local date, as its ordinal, up to which months that grew old enough have been judged."""


@dataclass
class ReleaseReport:
    """What a night released.

    Args:
        entries: new ledger entries.
        statuses: published, withheld, ... of the figures that the night judged.
        limited: whether a search reached its limit, so that more is withheld than need be.
        unmeetable: whether no choice met some demand, with the same consequence.
    """

    entries: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    limited: bool = False
    unmeetable: bool = False


def release(night: Night) -> ReleaseReport:
    """Judge the changed figures and append what is published of them to the ledger.

    Days are judged as soon as they are closed; months and rolling 12 months when all their days are final,
    and again when a class's figures have grown old enough to be shown.

    Raises:
        OperatorError: there is no key, the store failed or a rival committed.
    """
    required_key(night)
    ledger, kpis = night.store.open(RELEASES), night.store.open(KPIS)
    entered = ledger.scan().collect()
    periods = _periods(night, ledger, kpis, entered)
    report = ReleaseReport()
    if periods:
        found = _judged(night, kpis, periods)
        entries = append_entries(entered, found.figures, night.nominal)
        append_sealed(night, found.sealed, _head(pl.concat([entered.select(entries.columns), entries])))
        _commit(ledger, entries, _consumed(night, kpis))
        limited, unmeetable = (_has_reason(found.sealed, reason) for reason in (LIMIT, UNMEETABLE))
        statuses = Counter(found.figures["status"])
        report = ReleaseReport(entries.height, statuses, limited, unmeetable)
    elif ledger.position(KPIS.name) != kpis.version:
        _commit(ledger, entered.clear(), _consumed(night, kpis))
    sign_head(night)
    return report


def _consumed(night: Night, kpis: OpenTable) -> dict[str, int]:
    return {KPIS.name: kpis.version, _JUDGED_UNTIL: _today(night).toordinal()}


def _commit(ledger: OpenTable, entries: pl.DataFrame, consumed: dict[str, int]) -> None:
    if entries.is_empty():
        ledger.commit_files([], consumed)
    else:
        ledger.append(entries, consumed)


def _head(entries: pl.DataFrame) -> str:
    """Return the hash of the last entry."""
    return NO_ENTRY if entries.is_empty() else str(entries.sort("sequence")["sha256"][-1])


def _has_reason(sealed: Iterable[SealedFigure], reason: str) -> bool:
    return any(reason in figure.reasons for figure in sealed)


def _today(night: Night) -> date:
    return night.nominal.astimezone(ZoneInfo(night.cluster.zone)).date()


def _periods(night: Night, ledger: OpenTable, kpis: OpenTable, entered: pl.DataFrame) -> list[Period]:
    """List what is judged: changed days; final months and years that changed, are new, or grew old enough."""
    changed = {day for day, _ in changed_pairs(ledger, [kpis])}
    firsts = {day for day, _ in kpis.partitions() if day.day == 1}
    there = kpis.scan().filter(pl.col("day").is_in(sorted(changed | firsts))).select("day", "period").unique()
    judged = {Period(*key) for key in entered.select("period_start", "period").unique().iter_rows()}
    zone, until = ZoneInfo(night.cluster.zone), ledger.position(_JUDGED_UNTIL)

    def is_final(period: Period) -> bool:
        return night.is_final(datetime.combine(period.end, time(), zone).astimezone(UTC))

    def grew_old(period: Period) -> bool:
        shown = {shown_from(period.end, p) for p in night.cluster.policy.classes.values() if p.ageing_months}
        return any((until or 0) < day.toordinal() <= _today(night).toordinal() for day in shown)

    return sorted(
        period
        for period in (Period(*key) for key in there.collect().iter_rows())
        if (period.start in changed or (period.name != "day" and (period not in judged or grew_old(period))))
        and (period.name == "day" or is_final(period))
    )


def _judged(night: Night, kpis: OpenTable, periods: Sequence[Period]) -> NightRelease:
    """Judge periods; reads the days of their months and of the months before, and all months and years."""
    touched = {period.month for period in periods}
    touched |= {months_after(month, -1) for month in touched}
    days = {day for day, _ in kpis.partitions() if day.day == 1 or day.replace(day=1) in touched}
    rows = kpis.scan().filter(pl.col("day").is_in(sorted(days)), pl.col("level") == "factory").collect()
    book = kpi_book()
    scene = Scene(
        cluster=night.cluster,
        processes=read_profiles(night).latest().select("factory", "process"),
        catalogue=book.released(),
        elements=book.elements,
        known_at=night.nominal,
    )
    return release_periods(rows, periods, scene, read_sealed(night))
