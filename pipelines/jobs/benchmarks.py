"""Benchmarks: KPIs of factories and members, and what of them is released behind the gate.

Belongs here: the commits of the tables kpis and releases. Does not belong here: formulas, gate and ledger
(pipelines.domain).
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from pipelines.connectors.store import OpenTable, arrow_frame, day_predicate
from pipelines.domain.benchmarks import released_figures
from pipelines.domain.disclosure.ledger import append_entries
from pipelines.jobs.figuring import changed_pairs, computed_figures
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.jobs.restating import replace_figures
from pipelines.reference.kpis import kpi_catalogue
from pipelines.schemas.tables import EMISSIONS, FACTS_ENERGY, FACTS_MACHINE, KPIS, RELEASES


@dataclass
class ReleaseReport:
    """What a night released.

    Args:
        entries: new ledger entries.
        statuses: published, withheld, ... of the figures of the night's days.
    """

    entries: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


def derive_kpis(night: Night) -> int:
    """Bring the table kpis up to facts and emissions; returns the number of rows that are new or differ.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    table = night.store.open(KPIS)
    sources = [night.store.open(t) for t in (FACTS_ENERGY, FACTS_MACHINE, EMISSIONS)]
    days = {day for day, _ in changed_pairs(table, sources)}
    # A day's figures are of the whole cluster: every bucket of the day is read.
    pairs = sorted((day, bucket) for day in days for bucket in range(night.bucket_count))
    stored = table.scan().filter(pl.col("day").is_in(sorted(days))).collect()
    return replace_figures(
        table,
        computed_figures(night, KPIS, sources, pairs),
        stored,
        day_predicate(sorted(days)),
        consumed={s.table.name: s.version for s in sources},
        known_at=night.nominal,
    )


def release(night: Night) -> ReleaseReport:
    """Judge the changed days' figures and append what is published of them to the ledger.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    ledger, kpis = night.store.open(RELEASES), night.store.open(KPIS)
    days = sorted({day for day, _ in changed_pairs(ledger, [kpis])})
    consumed = {KPIS.name: kpis.version}
    if not days:
        return ReleaseReport()
    figures = _figures(night, kpis, days)
    entries = append_entries(ledger.scan().collect(), figures, night.nominal)
    if not entries.is_empty():
        ledger.append(entries, consumed)
    elif ledger.position(KPIS.name) != kpis.version:
        ledger.commit_files([], consumed)
    return ReleaseReport(entries.height, Counter(figures["status"].to_list()))


def _figures(night: Night, kpis: OpenTable, days: list[date]) -> pl.DataFrame:
    rows = kpis.scan().filter(pl.col("day").is_in(days)).collect()
    processes = read_profiles(night).latest().select("factory", "process")
    catalogue = kpi_catalogue()
    parts = [
        released_figures(rows.filter(pl.col("day") == day), night.cluster, processes, catalogue, day)
        for day in days
    ]
    return pl.concat(parts) if parts else arrow_frame(RELEASES.schema.empty_table())
