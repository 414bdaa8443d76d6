"""Figures of groups before the gate: which values are compared, and what would be published of them.

Belongs here: KPI rows of a panel -> a candidate, its trend, a named reference. Does not belong here: who is
in a group (peer_groups) and in a month's panel (panels), the gate (disclosure.release), the ledger's rows
(releasing).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import prod
from typing import Any, Final, Literal

import polars as pl

from pipelines.domain.disclosure.candidates import Candidate, CandidateStatistic, Contribution
from pipelines.domain.kpi_formulas import Definition, Sum
from pipelines.domain.order_statistics import LEAST_HOLDINGS, OrderStatistics, order_statistics
from pipelines.domain.periods import Period
from pipelines.domain.rounding import exactly, round_to_grid
from pipelines.domain.sums import exact_total

Row = Mapping[str, Any]
Kind = Literal["level", "trend", "named_reference"]
_FINAL: Final = "final"


class FactoryFigures:
    """The KPI rows of factories, found by period and definition.

    Args:
        kpis: rows of the table kpis; level factory is used.
    """

    def __init__(self, kpis: pl.DataFrame) -> None:
        rows = kpis.filter(pl.col("level") == "factory")
        self._frames = rows.partition_by("period", "day", as_dict=True)
        self._read: dict[Period, dict[str, dict[str, Row]]] = {}

    def of(self, period: Period, definition: Definition) -> Mapping[str, Row]:
        """Return the rows of a period by factory, by one version of a formula only."""
        if period not in self._read:
            found: defaultdict[str, dict[str, Row]] = defaultdict(dict)
            frame = self._frames.get((period.name, period.start))
            for row in () if frame is None else frame.iter_rows(named=True):
                found[f"{row['kpi']}@{row['definition_version']}"][row["subject"]] = row
            self._read[period] = dict(found)
        return self._read[period].get(definition.key, {})

    def days(self, first: date, end: date) -> list[Period]:
        """Return the days [first, end) that have rows, in order."""
        days = sorted(day for name, day in self._frames if name == "day" and first <= day < end)
        return [Period(day, "day") for day in days]


@dataclass(frozen=True)
class Comparison:
    """Whose values a figure compares, in one period.

    Args:
        figure_id: as in the ledger.
        definition: of its KPI.
        breakdown: of the group.
        group: of the breakdown.
        period: which.
        panel: factories whose value may enter.
        holdings: of a month: holding by factory.
        coarsening: the grid's step is multiplied by this.
    """

    figure_id: str
    definition: Definition
    breakdown: str
    group: str
    period: Period
    panel: tuple[str, ...]
    holdings: Callable[[date], Mapping[str, str]]
    coarsening: int = 1


@dataclass(frozen=True)
class Prospect:
    """A candidate with what its public row says beside the value.

    Args:
        candidate: what the gate judges.
        kind: a level, a trend or a named reference.
        product_class: the one that is compared; null: classes don't matter, or none is named.
        quantiles: of an order statistic; null: it is none.
        coverage: share of the compared factories' time that was measured; who has no value counts as zero.
        provisional: whether a row is not final.
        reasons: why factories have no value.
        shared_by: holdings that have a row, with or without a value.
        rests: of a trend: what its two levels hold beyond its panel.
        member: of a named reference: whose.
    """

    candidate: Candidate
    kind: Kind
    product_class: str | None
    quantiles: OrderStatistics | None
    coverage: float
    provisional: bool
    reasons: frozenset[str]
    shared_by: frozenset[str]
    rests: tuple[tuple[Contribution, ...], ...] = ()
    member: str | None = None

    @property
    def covered(self) -> bool:
        """Whether enough was measured for a total; ratios ask that of each of their factories."""
        definition = self.candidate.definition
        return not definition.is_total or self.coverage >= definition.comparison_coverage


def level(figures: FactoryFigures, comparison: Comparison) -> Prospect | None:
    """Return what would be published of a group and period; null: nobody of the panel shares the KPI.

    Compared are the panel's values by one version of the formula, of enough coverage; where output is not
    the same thing everywhere, of the product class of most holdings only (ties: by name), with factories that
    name no class. All energy is of the carriers that the cluster shares: there is one carrier boundary.

    Totals sum those who reported, and their coverage says how much of the group that is; of a total with too
    little there is no value. An order statistic is of 5 holdings and more, one value each; of fewer there is
    the ratio of sums, where the formula is one sum over another.
    """
    definition, rows = comparison.definition, figures.of(comparison.period, comparison.definition)
    holdings = comparison.holdings(comparison.period.month)
    there = {factory: rows[factory] for factory in comparison.panel if factory in rows}
    if not there:
        return None
    chosen = class_of_most(definition, there, holdings)
    same = [f for f in comparison.panel if f not in there or may_be(there[f], chosen)]
    compared = {f: there[f] for f in same if f in there}
    with_value = {f: row for f, row in compared.items() if is_comparable(row, definition)}
    candidate, quantiles = candidate_of(
        comparison,
        chosen,
        [contribution_of(row, holdings[f]) for f, row in with_value.items()],
        _months(figures, comparison, with_value),
    )
    covered = exact_total(row["coverage"] for row in with_value.values()) or 0.0
    found = Prospect(
        candidate=candidate,
        kind="level",
        product_class=chosen,
        quantiles=quantiles,
        coverage=covered / len(same),
        provisional=any(row["status"] != _FINAL for row in compared.values()),
        reasons=frozenset(_why_not(row) for f, row in compared.items() if f not in with_value),
        shared_by=frozenset(holdings[f] for f in compared),
    )
    return found if found.covered else replace(found, candidate=replace(candidate, value=None))


def trend(figures: FactoryFigures, now: Comparison, before: Comparison) -> Prospect | None:
    """Return a ratio beside that of the period before, of the same factories in both.

    Null: nobody has both values, other product classes or another statistic are compared, or it is a total.
    """
    later, earlier = level(figures, now), level(figures, before)
    if now.definition.is_total or later is None or earlier is None:
        return None
    matched = frozenset(c.factory for c in later.candidate.contributions)
    matched &= frozenset(c.factory for c in earlier.candidate.contributions)
    if not matched or later.product_class != earlier.product_class:
        return None
    candidate = _of_matched(later, now, now.figure_id, matched)
    paired = _of_matched(earlier, before, now.figure_id, matched)
    if candidate.statistic != paired.statistic:  # a sale made four holdings of five: a median beside a ratio
        return None
    both = candidate.value is not None and paired.value is not None
    rests = tuple(
        tuple(c for c in prospect.candidate.contributions if c.factory not in matched)
        for prospect in (later, earlier)
    )
    return replace(
        later,
        candidate=replace(candidate, paired=paired, value=candidate.value if both else None),
        kind="trend",
        quantiles=None,
        provisional=later.provisional or earlier.provisional,
        rests=rests,
    )


def named_reference(figures: FactoryFigures, comparison: Comparison, member: str) -> Prospect | None:
    """Return a member's own figure on the public grid, which it agreed to show by name.

    Null: the member has no value, or its formula doesn't add up over factories.
    """
    definition = comparison.definition
    found = level(figures, comparison) if definition.is_total or definition.adds_up else None
    if found is None or not found.candidate.contributions:
        return None
    return replace(found, kind="named_reference", member=member)


def is_comparable(row: Row, definition: Definition) -> bool:
    """Say whether a factory's value may enter a comparison: of a ratio, enough must have been measured."""
    if row["value"] is None:
        return False
    return definition.is_total or row["coverage"] is None or row["coverage"] >= definition.comparison_coverage


def class_of_most(definition: Definition, rows: Mapping[str, Row], holdings: Mapping[str, str]) -> str | None:
    """Return the product class of most holdings (ties: by name); null: none is named, or none matters."""
    if definition.breakdown != "process":
        return None
    of_class: defaultdict[str, set[str]] = defaultdict(set)
    for factory, row in rows.items():
        if row["product_class"] is not None:
            of_class[row["product_class"]].add(holdings[factory])
    return min(of_class, key=lambda name: (-len(of_class[name]), name), default=None)


def may_be(row: Row, product_class: str | None) -> bool:
    """Say whether a row may be of a product class: it names no other. Null: classes don't matter."""
    return product_class is None or row["product_class"] in (None, product_class)


def contribution_of(row: Row, holding: str) -> Contribution:
    """Return what a KPI row with a value brings to a figure."""
    sums = tuple(row["sums"] or ())
    basis = row.get("basis")
    return Contribution(row["subject"], holding, row["numerator"], row["denominator"], sums, basis)


def ratio_of(definition: Definition, contributions: Sequence[Contribution]) -> float:
    """Return a ratio over several factories: sums first, division last.

    Raises:
        ValueError: a part below the line adds up to zero.
    """
    if definition.adds_up:
        above = exact_total(c.numerator for c in contributions)
        below = exact_total(c.denominator for c in contributions)
    else:
        formula = definition.formula
        added = [exact_total(parts) for parts in zip(*(c.sums for c in contributions), strict=True)]
        amounts = [_with_constant(part, sum_) for part, sum_ in zip(added, formula.sums, strict=True)]
        above = formula.scale * prod(amounts[: len(formula.above)])
        below = prod(amounts[len(formula.above) :])
    if above is None or not below:
        raise ValueError(f"{definition.key}: a row with a value has a denominator other than zero")
    return above / below


def statistic_of(definition: Definition, holdings: int) -> CandidateStatistic:
    """Return what is published of so many holdings: few of them have no order."""
    few = definition.statistic == "order_statistic" and holdings < LEAST_HOLDINGS
    return "ratio_of_sums" if few and definition.adds_up else definition.statistic


def candidate_of(
    comparison: Comparison,
    product_class: str | None,
    contributions: Iterable[Contribution],
    months: Iterable[tuple[date, tuple[Contribution, ...]]] = (),
) -> tuple[Candidate, OrderStatistics | None]:
    """Return a candidate of given contributions, and the quantiles where it is an order statistic.

    Args:
        comparison: what it is about.
        product_class: whose grid it has.
        contributions: one a factory, in any order.
        months: of rolling 12 months: each month's.
    """
    definition, period = comparison.definition, comparison.period
    grid = definition.grid_for(product_class)
    step = None if grid is None else float(exactly(grid.step) * comparison.coarsening)
    own = tuple(sorted(contributions, key=lambda c: c.factory))
    of_holdings: defaultdict[str, list[Contribution]] = defaultdict(list)
    for contribution in own:
        of_holdings[contribution.holding].append(contribution)
    statistic = statistic_of(definition, len(of_holdings))
    value, quantiles = None, None
    if own and step is not None and definition.is_total:
        value = round_to_grid(exact_total(c.numerator for c in own) or 0.0, step)
    elif own and step is not None and statistic == "ratio_of_sums":
        value = round_to_grid(ratio_of(definition, own), step)
    elif step is not None and len(of_holdings) >= LEAST_HOLDINGS:
        quantiles = order_statistics([ratio_of(definition, one) for one in of_holdings.values()], step)
        value = quantiles.value
    candidate = Candidate(
        figure_id=comparison.figure_id,
        definition=definition,
        breakdown=comparison.breakdown,
        group=comparison.group,
        period=period.name,
        start=period.start,
        end=period.end,
        contributions=own,
        panel=comparison.panel,
        statistic=statistic,
        value=value,
        grid_step=step,
        months=tuple(months),
    )
    return candidate, quantiles


def _of_matched(
    prospect: Prospect, comparison: Comparison, figure_id: str, matched: frozenset[str]
) -> Candidate:
    own = prospect.candidate
    candidate, _ = candidate_of(
        replace(comparison, figure_id=figure_id, panel=tuple(sorted(matched))),
        prospect.product_class,
        [c for c in own.contributions if c.factory in matched],
        [(month, tuple(c for c in given if c.factory in matched)) for month, given in own.months],
    )
    return candidate


def _months(
    figures: FactoryFigures, comparison: Comparison, factories: Iterable[str]
) -> list[tuple[date, tuple[Contribution, ...]]]:
    """Return what each month brings to rolling 12 months: also where a month alone has no value."""
    definition, wanted = comparison.definition, sorted(factories)
    known: list[tuple[date, tuple[Contribution, ...]]] = []
    for month in comparison.period.months:
        rows, holdings = figures.of(month, definition), comparison.holdings(month.start)
        own = [rows[f] for f in wanted if f in rows and rows[f]["numerator"] is not None]
        if own:
            known.append((month.start, tuple(contribution_of(row, holdings[row["subject"]]) for row in own)))
    if definition.over_time != "mean":
        return known
    # A mean over months is a sum of what each month adds to it.
    counts = Counter(c.factory for _, own in known for c in own)
    return [
        (first, tuple(replace(c, numerator=c.numerator / counts[c.factory]) for c in own))
        for first, own in known
    ]


def _why_not(row: Row) -> str:
    """Return why a row enters no comparison: its first reason; a value of which too little was measured."""
    if row["value"] is not None:
        return "insufficient_coverage"
    return (row["reason"] or "").split(";")[0]


def _with_constant(added: float | None, part: Sum) -> float:
    return (added or 0.0) + part.constant
