"""Released figures as tables: by breakdown, family and group, over day, month and 12 months.

Belongs here: what the release ledger says of each KPI, what hangs on a figure (trend, named references), the
cluster's before and after. Does not belong here: any figure that is not in the ledger; who may see which
(operator_view, member_benchmarks). The change is a function of two released figures, so it tells nobody more.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.domain.baseline import Change, Measured, before_after
from pipelines.domain.cluster import BaselinePeriod, ClusterDefinition
from pipelines.domain.kpi_formulas import Definition
from pipelines.publish.content import (
    Benchmark,
    BenchmarkFamily,
    BenchmarkLine,
    BenchmarkTable,
    NamedReference,
    SiteInputs,
)
from pipelines.publish.figures import Published, centres, named_references, published_of, trends
from pipelines.publish.kpi_tables import DAY, GROUPS, MONTH, ROLLING, group_of, month_of
from pipelines.reference.kpis import kpi_book

CLUSTER = "cluster"
Row = Mapping[str, Any]
Place = tuple[str, str, str]
PERIODS = (DAY, MONTH, ROLLING)


@dataclass(frozen=True)
class Shown:
    """The ledger's rows that pages show.

    Args:
        rows: a figure's row by KPI, breakdown, group and period.
        hanging: rows of trends by id.
        named: rows of named references by the id of their figure.
        baselines: rows of the baseline month by KPI, breakdown and group.
    """

    rows: Mapping[tuple[str, str, str, str], Row]
    hanging: Mapping[str, Row]
    named: Mapping[str, tuple[Row, ...]]
    baselines: Mapping[Place, Row]

    @property
    def places(self) -> tuple[Place, ...]:
        """KPI, breakdown and group of what the ledger has, as the catalogue orders KPIs."""
        order = {d.kpi: place for place, d in enumerate(kpi_book().newest())}
        found = {key[:3] for key in self.rows if key[0] in order}
        return tuple(sorted(found, key=lambda place: (place[1] != CLUSTER, place[1], order[place[0]], place)))


def baseline_month(period: BaselinePeriod | None) -> date | None:
    """Return the first day of a baseline that is a whole calendar month; null: it is none.

    Only then the ledger can hold a figure of the same period.
    """
    if period is None or period.start.day != 1:
        return None
    following = (period.start + timedelta(days=31)).replace(day=1)
    return period.start if period.end == following else None


def shown_figures(releases: pl.DataFrame, day: date, baseline: BaselinePeriod | None = None) -> Shown:
    """Choose each figure's rows: of the closed day, of the newest month and 12 months, of the baseline.

    Args:
        releases: the newest revision of every figure.
        day: the closed day.
        baseline: the cluster's.
    """
    key = ["kpi", "breakdown", "group", "period"]
    own = centres(releases).sort("period_start", pl.col("definition_version").cast(pl.Int32), "figure_id")
    period, start = pl.col("period"), pl.col("period_start")
    newest = own.filter((start <= day) & ((period != DAY) | (start == day)))
    rows = newest.group_by(key, maintain_order=True).last().select(own.columns)
    month = baseline_month(baseline)
    then = own.clear() if month is None else own.filter((period == MONTH) & (start == month))
    named: defaultdict[str, list[Row]] = defaultdict(list)
    for row in named_references(releases).sort("figure_id").iter_rows(named=True):
        named[re.sub(r"/named/[^/]+$", "", row["figure_id"])].append(row)
    return Shown(
        rows={(r["kpi"], r["breakdown"], r["group"], r["period"]): r for r in rows.iter_rows(named=True)},
        hanging={r["figure_id"]: r for r in trends(releases).iter_rows(named=True)},
        named={figure: tuple(found) for figure, found in named.items()},
        baselines={(r["kpi"], r["breakdown"], r["group"]): r for r in then.iter_rows(named=True)},
    )


def benchmark(shown: Shown, cluster: ClusterDefinition, place: Place, period: str, day: date) -> Benchmark:
    """Return a KPI's figure of a group and period with what hangs on it."""
    kpi, _, group = place
    row = shown.rows.get((*place, period))
    if row is None:
        return Benchmark(published_of(None, kpi, group, day if period == DAY else month_of(day)))
    trend = shown.hanging.get(f"{row['figure_id']}/trend")
    named = (published_of(r, kpi, group, r["period_start"]) for r in shown.named.get(row["figure_id"], ()))
    return Benchmark(
        figure=published_of(row, kpi, group, row["period_start"]),
        trend=None if trend is None else published_of(trend, kpi, group, row["period_start"]),
        named=tuple(_named(cluster, figure) for figure in named if figure.member is not None),
    )


def benchmark_tables(inputs: SiteInputs, releases: pl.DataFrame) -> tuple[BenchmarkTable, ...]:
    """List all released figures by breakdown, everybody first.

    Args:
        inputs: the closed day and the cluster.
        releases: the newest revision of every figure.
    """
    shown = shown_figures(releases, inputs.day, inputs.cluster.baseline)
    compares = baseline_month(inputs.cluster.baseline) is not None
    by_breakdown: defaultdict[str, list[BenchmarkLine]] = defaultdict(list)
    for place in shown.places:
        by_breakdown[place[1]].append(_line(shown, inputs, place, compares=compares))
    return tuple(_table(breakdown, lines) for breakdown, lines in by_breakdown.items())


def _table(breakdown: str, lines: list[BenchmarkLine]) -> BenchmarkTable:
    decided = [
        (period, b.figure)
        for line in lines
        for period, b in line.periods.items()
        if b.figure.revision is not None
    ]
    speaking = {figure.kpi for _, figure in decided if figure.value is not None}
    return BenchmarkTable(
        breakdown=breakdown,
        columns=tuple(p for p in PERIODS if p in {period for period, _ in decided}),
        families=tuple(
            BenchmarkFamily(family, some)
            for family in GROUPS
            if (some := tuple(li for li in lines if li.kpi in speaking and family_of(li.kpi) == family))
        ),
        silent=tuple(line for line in lines if line.kpi not in speaking),
        published=sum(figure.value is not None for _, figure in decided),
        all=len(decided),
    )


def family_of(kpi: str) -> str:
    """Return the family in which pages show a KPI of the catalogue."""
    return group_of(definition_of(kpi))


def definition_of(name: str) -> Definition:
    """Return the newest version of a KPI, or the one that `id@version` names.

    Raises:
        KeyError: there is none: the ledger has a figure that the catalogue forgot.
    """
    found = kpi_book().find(name)
    if found is None:
        raise KeyError(name)
    return found


def _line(shown: Shown, inputs: SiteInputs, place: Place, *, compares: bool) -> BenchmarkLine:
    kpi, breakdown, group = place
    now, then = shown.rows.get((*place, MONTH)), shown.baselines.get(place)
    return BenchmarkLine(
        kpi=kpi,
        breakdown=breakdown,
        group=group,
        periods={p: benchmark(shown, inputs.cluster, place, p, inputs.day) for p in PERIODS},
        baseline=published_of(then, kpi, group, _start(then, inputs)) if compares else None,
        change=_change(definition_of(kpi), now, then) if compares else None,
    )


def _start(row: Row | None, inputs: SiteInputs) -> date:
    return month_of(inputs.day) if row is None else row["period_start"]


def _change(definition: Definition, now: Row | None, then: Row | None) -> Change:
    stored = None if then is None else _measured(then)
    if now is None:
        version = definition.version if stored is None else stored.version
        return before_after(definition, Measured(version, None, "absent", 0), stored)
    return before_after(definition, _measured(now), stored)


def _measured(row: Row) -> Measured:
    """Return a released figure with its version and length; one that is not published says its status."""
    figure: Published = published_of(row, row["kpi"], row["group"], row["period_start"])
    days = (row["period_end"] - row["period_start"]).days
    return Measured(row["definition_version"], figure.value, figure.status, days)


def _named(cluster: ClusterDefinition, figure: Published) -> NamedReference:
    (member,) = (m for m in cluster.members if m.member == figure.member)
    return NamedReference(figure, member.name_ko, member.name_en)
