"""A member beside the released figures of its own peer groups.

Belongs here: which groups are its own, who sees what (entitlement), its own value, place, gap and trend. Does
not belong here: rows of anybody else: the frames are narrowed to the member's own factories first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from pipelines.domain.benchmarks import contribution_of, ratio_of
from pipelines.domain.entitlement import Entitlement, Missing, entitlement
from pipelines.domain.peer_groups import PeerGroup, peer_groups
from pipelines.domain.standing import standing
from pipelines.domain.sums import exact_total
from pipelines.publish.content import (
    Benchmark,
    OwnBenchmark,
    OwnBenchmarkFamily,
    OwnBenchmarkLine,
    OwnBenchmarkTable,
    SiteInputs,
    Withholding,
)
from pipelines.publish.figures import Own, own_of
from pipelines.publish.kpi_tables import DAY, GROUPS
from pipelines.publish.released import (
    CLUSTER,
    PERIODS,
    Place,
    Shown,
    benchmark,
    definition_of,
    family_of,
    shown_figures,
)

Row = Mapping[str, Any]


def shown_periods(releases: pl.DataFrame, day: date) -> frozenset[tuple[str, date]]:
    """Return the periods (period, first day) whose own figures stand beside released ones, and those before.

    Args:
        releases: the newest revision of every figure.
        day: the closed day.
    """
    starts = {(row["period"], row["period_start"]) for row in shown_figures(releases, day).rows.values()}
    return frozenset(starts | {(period, before(period, start)) for period, start in starts})


def before(period: str, start: date) -> date:
    """Return the first day of the like period before: a day or a month earlier."""
    return start - timedelta(days=1) if period == DAY else (start - timedelta(days=1)).replace(day=1)


def month_of_panel(row: Row) -> date:
    """Return the month whose panel a row of RELEASES has: that of its period's last day."""
    last: date = row["period_end"] - timedelta(days=1)
    return last.replace(day=1)


@dataclass(frozen=True)
class Circle:
    """One member's own: its factories and their rows.

    Args:
        inputs: the cluster and the closed day.
        factories: the member's.
        rows: columns of KPIS: of its factories only.
        processes: process by factory, as its profiles say.
    """

    inputs: SiteInputs
    factories: frozenset[str]
    rows: pl.DataFrame
    processes: Mapping[str, str]

    @cached_property
    def by_period(self) -> Mapping[tuple[str, date, str], pl.DataFrame]:
        """Its rows by period, first day and KPI."""
        parts = self.rows.partition_by("period", "day", "kpi", as_dict=True)
        return {(p, d, k): part for (p, d, k), part in parts.items()}

    def of(self, period: str, start: date, kpi: str) -> pl.DataFrame:
        """Return its rows of a KPI and period."""
        return self.by_period.get((period, start, kpi), self.rows.clear())

    @cached_property
    def _groups(self) -> dict[date, Mapping[tuple[str, str], PeerGroup]]:
        return {}

    def panel(self, breakdown: str, group: str, month: date) -> frozenset[str]:
        """Return its own factories in a group's panel of a month."""
        if month not in self._groups:
            found = peer_groups(self.inputs.cluster, month, self.processes)
            self._groups[month] = {(g.breakdown, g.group): g for g in found}
        there = self._groups[month].get((breakdown, group))
        return frozenset() if there is None else self.factories & frozenset(there.factories)


def circle_of(inputs: SiteInputs, factories: Iterable[str]) -> Circle:
    """Narrow the frames to a member's own factories."""
    own = frozenset(factories)
    mine = pl.col("subject").is_in(sorted(own)) & (pl.col("level") == "factory")
    profiles = inputs.profiles.filter(pl.col("factory").is_in(sorted(own))).drop_nulls("process")
    processes = dict(profiles.select("factory", "process").iter_rows())
    return Circle(inputs, own, inputs.kpis.filter(mine), processes)


def own_tables(circle: Circle, shown: Shown) -> tuple[OwnBenchmarkTable, ...]:
    """Set a member beside the figures of its own groups, by breakdown, everybody first.

    A group is its own in which it has a factory in any of the shown periods' months; everybody's always: who
    joined in mid-month reads there why it sees nothing yet.
    """
    by_breakdown: defaultdict[str, list[OwnBenchmarkLine]] = defaultdict(list)
    for place in shown.places:
        if place[1] == CLUSTER or any(_panel(circle, shown, place, period) for period in PERIODS):
            by_breakdown[place[1]].append(_line(circle, shown, place))
    return tuple(_table(breakdown, lines) for breakdown, lines in by_breakdown.items())


def _panel(circle: Circle, shown: Shown, place: Place, period: str) -> frozenset[str]:
    row = shown.rows.get((*place, period))
    if row is None:
        return frozenset()
    _, breakdown, group = place
    return circle.panel(breakdown, group, month_of_panel(row))


def _line(circle: Circle, shown: Shown, place: Place) -> OwnBenchmarkLine:
    kpi, breakdown, group = place
    periods = {period: own_benchmark(circle, shown, place, period) for period in PERIODS}
    return OwnBenchmarkLine(kpi, definition_of(kpi).direction, breakdown, group, periods)


def own_benchmark(circle: Circle, shown: Shown, place: Place, period: str) -> OwnBenchmark:
    """Set a member beside one figure; of a figure that it does not see nothing is kept but what it lacks."""
    found = benchmark(shown, circle.inputs.cluster, place, period, circle.inputs.day)
    figure = found.figure
    if figure.version is None:
        return OwnBenchmark(Own(figure.kpi, figure.day), None, found, (), None)
    panel = _panel(circle, shown, place, period)
    right = _right(circle, found, panel)
    own, previous = _own(circle, found, right, panel), None
    if own.value is not None:
        earlier = circle.of(period, before(period, figure.day), figure.kpi)
        previous = _sum(earlier, figure.version, right.contributing or sorted(panel))
    if not right.holds:
        return OwnBenchmark(own, previous, None, right.missing, None)
    definition = definition_of(f"{figure.kpi}@{figure.version}")
    place_and_gap = (
        None
        if figure.grid_step is None or definition.is_total
        else standing(own.value, figure.value, figure.grid_step, definition.direction, figure.thirds)
    )
    return OwnBenchmark(own, previous, found, right.missing, place_and_gap)


def _right(circle: Circle, found: Benchmark, panel: frozenset[str]) -> Entitlement:
    figure = found.figure
    rows = circle.of(figure.period, figure.day, figure.kpi)
    # With none in the group, each of its factories is told that it isn't.
    own = panel or circle.factories
    return entitlement(rows, definition_of(f"{figure.kpi}@{figure.version}"), panel, own)


def _own(circle: Circle, found: Benchmark, right: Entitlement, panel: frozenset[str]) -> Own:
    """Return the member's own figure: of the factories that contributed, else of those that it has there."""
    figure = found.figure
    factories = right.contributing or tuple(sorted(panel))
    rows = circle.of(figure.period, figure.day, figure.kpi)
    of_version = rows.filter(pl.col("definition_version") == figure.version)
    if len(factories) == 1:
        own = of_version.filter(pl.col("subject") == factories[0])
        return own_of(own.row(0, named=True) if own.height else None, figure.kpi, figure.day)
    value = None if figure.version is None else _sum(rows, figure.version, factories)
    return Own(figure.kpi, figure.day, value=value, unit=figure.unit)


def _sum(rows: pl.DataFrame, version: str, factories: Iterable[str]) -> float | None:
    """Return the value of several factories, sums first; null: one of them has none."""
    own = rows.filter(
        (pl.col("definition_version") == version) & pl.col("subject").is_in(sorted(factories))
    ).sort("subject")
    if own.is_empty() or own["value"].null_count():
        return None
    if own.height == 1:
        return float(own["value"][0])
    definition = definition_of(f"{own['kpi'][0]}@{version}")
    if definition.is_total:
        return exact_total(own["value"])
    return ratio_of(definition, [contribution_of(row, "") for row in own.iter_rows(named=True)])


def _table(breakdown: str, lines: list[OwnBenchmarkLine]) -> OwnBenchmarkTable:
    speaking = {line.kpi for line in lines if any(map(_published, line.periods.values()))}
    hidden = {
        line.kpi for line in lines if line.kpi not in speaking and any(map(_hidden, line.periods.values()))
    }
    by_lack: defaultdict[Missing, list[str]] = defaultdict(list)
    for line in lines:
        lacks = (
            m for own in line.periods.values() if line.kpi in hidden and _hidden(own) for m in own.missing
        )
        for missing in lacks:
            same = Missing(missing.factory, missing.what, missing.element)
            if line.kpi not in by_lack[same]:
                by_lack[same].append(line.kpi)
    return OwnBenchmarkTable(
        breakdown=breakdown,
        columns=tuple(p for p in PERIODS if any(_decided(line.periods[p]) for line in lines)),
        families=tuple(
            OwnBenchmarkFamily(family, some)
            for family in GROUPS
            if (some := tuple(li for li in lines if li.kpi in speaking and family_of(li.kpi) == family))
        ),
        silent=tuple(dict.fromkeys(li.kpi for li in lines if li.kpi not in speaking | hidden)),
        not_shown=tuple(Withholding(missing, tuple(kpis)) for missing, kpis in by_lack.items()),
    )


def _published(own: OwnBenchmark) -> bool:
    return own.benchmark is not None and own.benchmark.figure.value is not None


def _hidden(own: OwnBenchmark) -> bool:
    return own.benchmark is None


def _decided(own: OwnBenchmark) -> bool:
    return own.benchmark is None or own.benchmark.figure.revision is not None
