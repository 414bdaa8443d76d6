"""What a night releases about a cluster: groups, panels and candidates, through the gate, to public rows.

Belongs here: the order of these steps, a figure's public status. Does not belong here: what a figure is made
of (benchmarks), the decision (disclosure.release), the memory of it (disclosure.ledger), tables (jobs).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.benchmarks import Comparison, FactoryFigures, Prospect, level, named_reference, trend
from pipelines.domain.carbon.scope_figures import SEVERAL_SETS
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition
from pipelines.domain.disclosure.composing import composed, judge_composed
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.figure_rules import judge_contributions, rules_of
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA
from pipelines.domain.disclosure.release import ALL_CHECKS, Checks, ReleaseRules, admitted, judge
from pipelines.domain.kpi_formulas import Catalogue, Definition, Element
from pipelines.domain.panels import PANEL_KEPT, PanelBook
from pipelines.domain.peer_groups import (
    CLUSTER,
    EVERYBODY,
    PeerGroup,
    holdings_on,
    named,
    panel_of,
    peer_groups,
    waived,
)
from pipelines.domain.periods import Period, PeriodName, days_in, months_after
from pipelines.domain.rounding import round_to_grid

MANY: Final = 10
_PROCESS: Final = "process"
_PUBLISHED: Final = "published"
_WITHHELD: Final = "withheld"
_US: Final = 1_000_000


@dataclass(frozen=True)
class Scene:
    """Whose figures a night releases, and by what.

    Args:
        cluster: owners, groups, policy, waivers.
        processes: ``factory, process``, one row per factory, as profiles say.
        catalogue: what groups have figures of, in all versions.
        elements: what formulas are made of.
        known_at: nominal time of the night, with a zone.
    """

    cluster: ClusterDefinition
    processes: pl.DataFrame
    catalogue: Catalogue
    elements: Mapping[str, Element]
    known_at: datetime

    @property
    def known_at_us(self) -> int:
        """The night, us since 1970."""
        return round(self.known_at.timestamp() * _US)

    @property
    def today(self) -> date:
        """Local date of the night."""
        return self.known_at.astimezone(ZoneInfo(self.cluster.zone)).date()


@dataclass(frozen=True)
class NightRelease:
    """What a night releases.

    Args:
        figures: FIGURE_SCHEMA, sorted by figure_id: the ledger's rows.
        sealed: the inputs of each decision, sorted by figure_id; confidential.
    """

    figures: pl.DataFrame
    sealed: tuple[SealedFigure, ...]


def release_periods(
    kpis: pl.DataFrame,
    periods: Sequence[tuple[date, PeriodName]],
    scene: Scene,
    past: Sequence[SealedFigure],
    checks: Checks = ALL_CHECKS,
) -> NightRelease:
    """Judge the figures of some periods and say what is published of them.

    Every KPI of the catalogue is a candidate for everybody, and for each peer group; one whose output differs
    by product only for groups by process. A group none of whose factories shares a KPI has no figure of it.
    Months and rolling 12 months have trends too, and named references stand beside all. What a class's policy
    doesn't publish of a period, or not yet, has no figure.

    Args:
        kpis: rows of the table kpis (level factory is used) of the periods; of the month before each of their
            months with its days; of each month of rolling 12 months, and of those that ended a month before.
        periods: first local date and kind; what is judged.
        scene: of the night.
        past: what is sealed and in force, oldest first.
        checks: all, but in tests.
    """
    figures, panels = FactoryFigures(kpis), PanelBook(past)
    known, rows = list(past), {}
    sealed: dict[str, SealedFigure] = {}
    rules = ReleaseRules(
        scene.cluster.policy, scene.elements, partial(waived, scene.cluster), scene.known_at_us
    )
    wanted = sorted({Period(*period) for period in periods}, key=lambda p: (p.month, p))
    # Month by month: the panel of one is decided by what was sealed of those before.
    for month, of_month in groupby(wanted, key=lambda p: p.month):
        offering = _Offering(scene, figures, panels, month, rules, known, checks)
        prospects = {p.candidate.figure_id: p for period in of_month for p in offering.of(period)}
        judged = judge([p.candidate for p in prospects.values()], known, rules, checks)
        for prospect, decision in list(_composed(prospects, judged, scene, figures)):
            prospects[decision.figure_id], judged[decision.figure_id] = prospect, decision
        for figure_id, decision in judged.items():
            sealed[figure_id] = _with_reason(decision) if figure_id in offering.kept else decision
            rows[figure_id] = _public_row(prospects[figure_id], decision, scene.cluster)
        known += [sealed[figure_id] for figure_id in judged]
    return NightRelease(
        pl.DataFrame(list(rows.values()), schema=FIGURE_SCHEMA, orient="row").sort("figure_id"),
        tuple(sealed[figure_id] for figure_id in sorted(sealed)),
    )


class _Offering:
    """What is offered to the gate of the periods of one month."""

    def __init__(
        self,
        scene: Scene,
        figures: FactoryFigures,
        panels: PanelBook,
        month: date,
        rules: ReleaseRules,
        past: Sequence[SealedFigure],
        checks: Checks,
    ) -> None:
        self._scene, self._figures, self._panels, self._month = scene, figures, panels, month
        self._admitted = partial(admitted, past=past, rules=rules, checks=checks)
        self._fixed = checks.fixed_panel
        self._processes = dict(scene.processes.select("factory", _PROCESS).drop_nulls().iter_rows())
        self._holdings = cache(partial(holdings_on, scene.cluster))
        self._groups = cache(self._groups_of)
        self.kept: set[str] = set()

    def of(self, period: Period) -> Iterator[Prospect]:
        """Return every candidate of a period."""
        offered = list(self._offered(period))
        for now in self._on_panels(
            [c for definition, policy in offered for c in self._of_groups(period, definition, policy)]
        ):
            found = level(self._figures, now)
            if found is not None:
                yield found
            if found is not None and period.name != "day":
                yield from self._trend(now)
        for definition, policy in offered:
            yield from self._of_named(period, definition, policy)

    def _offered(self, period: Period) -> Iterator[tuple[Definition, ClassPolicy]]:
        """Return what the policy releases of a period."""
        limits = self._scene.cluster.policy
        for definition in self._scene.catalogue.values():
            policy = limits.classes.get(definition.disclosure_class)
            released = policy is not None and definition.kpi not in limits.not_released
            judged = not definition.addends  # what adds printed totals only is not for the gate
            if policy is not None and released and judged and self._is_due(period, policy):
                yield definition, policy

    def _is_due(self, period: Period, policy: ClassPolicy) -> bool:
        return period.name in policy.periods and shown_from(period.end, policy) <= self._scene.today

    def _of_groups(self, period: Period, definition: Definition, policy: ClassPolicy) -> Iterator[Comparison]:
        """Return the comparisons in groups in which somebody shares the figure, with all who may enter."""
        for group in self._groups(period):
            if definition.breakdown == _PROCESS and _PROCESS not in group.breakdown.split("-"):
                continue
            wide = self._comparison(period, definition, group, policy)
            if self._figures.of(period, definition).keys() & set(wide.panel):
                yield wide

    def _trend(self, now: Comparison) -> Iterator[Prospect]:
        """Return the trend of a group that there was a period before."""
        earlier = {(g.breakdown, g.group): g.factories for g in self._groups(now.period.before)}
        factories = earlier.get((now.breakdown, now.group))
        if factories is None:
            return
        before = replace(now, period=now.period.before, panel=factories)
        decided = self._panels.decided(before) if self._fixed else None
        if decided is not None:
            before = replace(before, panel=decided.factories)
        found = trend(self._figures, replace(now, figure_id=f"{now.figure_id}/trend"), before)
        if found is not None:
            yield found if self._rests_are_safe(found) else _without_value(found)

    def _rests_are_safe(self, prospect: Prospect) -> bool:
        """Say whether who is in a level and not in its trend's panel is nobody, or hidden among others."""
        candidate = prospect.candidate
        definition = candidate.definition
        if candidate.statistic == "order_statistic":
            return True
        rules = rules_of(self._scene.cluster.policy.classes[definition.disclosure_class], definition)
        consents = waived(self._scene.cluster, definition.kpi, self._month)
        return not any(
            rest and judge_contributions(definition, rest, rules, consents).reasons for rest in prospect.rests
        )

    def _of_named(self, period: Period, definition: Definition, policy: ClassPolicy) -> Iterator[Prospect]:
        """Return the own figures of those who are shown by name; several members have no one name."""
        cluster = self._scene.cluster
        for holding in sorted(named(cluster, definition.kpi, period.month)):
            members = [m.member for m in cluster.members if m.holding_on(period.month) == holding]
            if len(members) != 1:
                continue
            own = set(cluster.factories_of(members[0])) & set(panel_of(cluster, period.month))
            group = PeerGroup(CLUSTER, EVERYBODY, tuple(sorted(own)))
            comparison = self._comparison(period, definition, group, policy)
            figure_id = f"{comparison.figure_id}/named/{members[0]}"
            found = named_reference(self._figures, replace(comparison, figure_id=figure_id), members[0])
            if found is not None:
                yield found

    def _groups_of(self, period: Period) -> tuple[PeerGroup, ...]:
        cluster = self._scene.cluster
        if not self._fixed:
            cluster = _at_once(cluster, period)
        return peer_groups(cluster, period.month, self._processes)

    def _comparison(
        self, period: Period, definition: Definition, group: PeerGroup, policy: ClassPolicy
    ) -> Comparison:
        place = f"{self._scene.cluster.cluster}/{group.breakdown}/{group.group}/{period.name}/{period.start}"
        return Comparison(
            figure_id=f"{place}/{definition.key}",
            definition=definition,
            breakdown=group.breakdown,
            group=group.group,
            period=period,
            panel=group.factories,
            holdings=self._holdings,
            coarsening=policy.coarsening,
        )

    def _on_panels(self, wide: Sequence[Comparison]) -> list[Comparison]:
        """Fix figures of a period to its month's panels."""
        if not self._fixed:
            return list(wide)
        panels = self._panels.of(wide, self._figures, self._admitted)
        self.kept |= {figure_id for figure_id, panel in panels.items() if panel.kept}
        return [replace(c, panel=panels[c.figure_id].factories) for c in wide]


def _composed(
    prospects: Mapping[str, Prospect],
    judged: Mapping[str, SealedFigure],
    scene: Scene,
    figures: FactoryFigures,
) -> Iterator[tuple[Prospect, SealedFigure]]:
    """Return the totals that add others of the same group and period, where all of these are offered."""
    newest = {d.kpi: d.key for d in scene.catalogue.values()}
    for definition in scene.catalogue.values():
        keys = [newest.get(name, "") for name in definition.addends]
        if not keys or definition.kpi in scene.cluster.policy.not_released:
            continue
        for place in sorted(i.removesuffix(keys[0]) for i in prospects if i.endswith(f"/{keys[0]}")):
            parts = [prospects[place + key] for key in keys if place + key in prospects]
            if len(parts) == len(keys):
                prospect = _sum_of(definition, parts, figures)
                yield prospect, judge_composed(prospect.candidate, [judged[place + key] for key in keys])


def _sum_of(definition: Definition, parts: Sequence[Prospect], figures: FactoryFigures) -> Prospect:
    candidate = composed(definition, [part.candidate for part in parts])
    rows = figures.of(Period(candidate.start, candidate.period), definition)
    reasons = {rows[factory]["reason"] for factory in candidate.panel if factory in rows}
    if SEVERAL_SETS in reasons or not all(part.covered for part in parts):
        candidate = replace(candidate, contributions=(), value=None)
    return replace(
        parts[0],
        candidate=candidate,
        coverage=min(part.coverage for part in parts),
        provisional=any(part.provisional for part in parts),
        reasons=frozenset(reason for reason in reasons if reason),
        shared_by=frozenset().union(*(part.shared_by for part in parts)),
    )


def _at_once(cluster: ClusterDefinition, period: Period) -> ClusterDefinition:
    """Let who joins within a period count from its first day: what a fixed panel is there to prevent."""
    there = (
        replace(f, joined=min(f.joined, period.month), left=None)
        for f in cluster.factories
        if f.joined < period.end and (f.left is None or period.start < f.left)
    )
    return replace(cluster, factories=tuple(there))


def shown_from(end: date, policy: ClassPolicy) -> date:
    """Return the first local date on which a class's figures of a period that ended then may be shown."""
    first = months_after(end.replace(day=1), policy.ageing_months)
    return first + timedelta(days=min(end.day, days_in(first)) - 1)


def _without_value(prospect: Prospect) -> Prospect:
    return replace(prospect, candidate=replace(prospect.candidate, value=None), quantiles=None)


def _with_reason(decision: SealedFigure) -> SealedFigure:
    known = PANEL_KEPT in decision.reasons
    return decision if known else replace(decision, reasons=(*decision.reasons, PANEL_KEPT))


def contributors_label(holdings: int) -> str:
    """Say how many contributed, no finer than is public."""
    return "10+" if holdings >= MANY else "fewer than 10"


def _public_row(prospect: Prospect, decision: SealedFigure, cluster: ClusterDefinition) -> dict[str, Any]:
    """Return what everybody may know of a figure: of a withheld one no more than how many contribute."""
    candidate = prospect.candidate
    definition = candidate.definition
    limits = cluster.policy.classes[definition.disclosure_class]
    status = _status(prospect, decision, limits.rules.fewest)
    row = {
        "figure_id": candidate.figure_id,
        "cluster": cluster.cluster,
        "breakdown": candidate.breakdown,
        "group": candidate.group,
        "period": candidate.period,
        "period_start": candidate.start,
        "period_end": candidate.end,
        "kpi": definition.kpi,
        "definition_version": definition.version,
        "statistic": definition.statistic if prospect.kind == "level" else prospect.kind,
        "status": status,
        "unit": definition.unit,
        "contributors": contributors_label(candidate.holdings),
        "coverage": None if status == _WITHHELD else round_to_grid(prospect.coverage, 0.01),
        "provisional": prospect.provisional,
        "reference_member": prospect.member,
    }
    if status != _PUBLISHED:
        return row
    said: dict[str, Any] = {"value": candidate.value, "grid_step": candidate.grid_step}
    if prospect.kind == "level":
        said["statistic"] = candidate.statistic
        said |= {} if prospect.quantiles is None else asdict(prospect.quantiles)
    if candidate.paired is not None:
        said["previous_value"] = candidate.paired.value
    return row | said


def _status(prospect: Prospect, decision: SealedFigure, fewest: int) -> str:
    """Choose the public status; only a group that could pass says why it has no figure.

    That a whole group made nothing is a level of its own (class B): such a figure is merely withheld.
    """
    definition, could_pass = prospect.candidate.definition, len(prospect.shared_by) >= fewest
    if could_pass and not prospect.candidate.contributions:
        if SEVERAL_SETS in prospect.reasons:
            return "not_estimable"
        if definition.is_total or "insufficient_coverage" in prospect.reasons:
            return "insufficient_coverage"
        secret = "zero_denominator" in prospect.reasons and definition.denominator_class == "B"
        return _WITHHELD if secret else "not_estimable"
    if could_pass and not prospect.covered:
        return "insufficient_coverage"
    return _PUBLISHED if decision.decision == "publish" else _WITHHELD
