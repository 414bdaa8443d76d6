"""Figures of groups: what a night releases about a cluster, and where one member stands.

Belongs here: grouping, the centre of few, rounding to public grids, the statuses. Does not belong here: the
rules of protection (disclosure.gate) and the memory of what was released (disclosure.ledger).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.disclosure.gate import CELLS_SCHEMA, judge
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA
from pipelines.domain.kpi_formulas import Catalogue, Definition, Grid
from pipelines.domain.rounding import round_to_grid
from pipelines.domain.sums import exact_total

# With fewer values the middle ones are too much a firm's own (small samples, docs/methodology/benchmarks.md).
LEAST_FOR_ORDER_STATISTIC = 5
MANY = 10
EVERYBODY = "*"
_POTENTIAL = "/potential"
Position = Literal["better", "same", "worse"]
Period = Literal["day", "month", "rolling12"]
_PERIOD_MONTHS = {"month": 1, "rolling12": 12}


@dataclass(frozen=True)
class Candidate:
    """A figure before the gate.

    Args:
        figure_id: as in the ledger.
        definition: of its KPI.
        group: of the breakdown; `*` for everybody.
        rows: KPI rows of the group's factories, one each, with ``holding``; comparable ones only.
        grid: public grid; null: none was agreed.
    """

    figure_id: str
    definition: Definition
    group: str
    rows: pl.DataFrame
    grid: Grid | None

    @property
    def contributing(self) -> pl.DataFrame:
        """Rows that have a value."""
        return self.rows.filter(pl.col("value").is_not_null())

    @property
    def factories(self) -> frozenset[str]:
        """Factories that have a value."""
        return frozenset(self.contributing["subject"])

    @property
    def statistic(self) -> str:
        """What is published: an order statistic only of enough holdings, else the ratio of sums."""
        few = self.contributing["holding"].n_unique() < LEAST_FOR_ORDER_STATISTIC
        return (
            "ratio_of_sums"
            if self.definition.statistic == "order_statistic" and few
            else self.definition.statistic
        )

    @property
    def coverage(self) -> float:
        """Share of the group's factory-days that was measured; a factory that is left out counts as zero."""
        covered = exact_total(self.contributing["coverage"].fill_null(0.0).to_list()) or 0.0
        return covered / self.rows.height if self.rows.height else 0.0


def released_figures(
    kpis: pl.DataFrame,
    cluster: ClusterDefinition,
    processes: pl.DataFrame,
    catalogue: Catalogue,
    day: date,
    period: Period = "day",
) -> pl.DataFrame:
    """Derive every figure that a night releases about one period of a cluster, behind the gate.

    Totals sum those who reported, and their coverage says how much of the cluster that is. Ratios compare
    the factories of one product class with enough coverage: few holdings give the ratio of sums, 5 and more
    the type-7 median over holdings (one ratio per holding), each rounded half-even to the public grid.

    Args:
        kpis: rows of the table kpis of the period (level factory is used).
        cluster: owners, holdings, policy.
        processes: ``factory, process``, one row per factory.
        catalogue: definitions; only rows of one version enter a figure.
        day: first local date of the period.
        period: day, month or rolling12.

    Returns:
        FIGURE_SCHEMA: one row per figure of the catalogue and group, sorted by figure_id. ``value`` is null
        unless ``status`` is `published`. `withheld`: the gate, or no public grid. `not_estimable`: nobody has
        all elements. `insufficient_coverage`: too little was measured. Of a withheld figure nothing else is
        told but its contributors' label.
    """
    end = period_end(day, period)
    of_period = kpis.filter(pl.col("day") == day, pl.col("period") == period)
    members = [f.factory for f in cluster.factories if f.joined < end and (f.left is None or day < f.left)]
    rows = _factory_rows(of_period, cluster, processes, members)
    prefix, suffix = cluster.cluster, f"{period}/{day}"
    candidates = list(_candidates(rows, prefix, suffix, catalogue))
    verdicts = judge(_cells(candidates), cluster.policy).rows_by_key("figure_id", named=True, unique=True)
    passed = {c.figure_id for c in candidates if verdicts[c.figure_id]["decision"] == "publish"}
    passed -= formula_twins([c for c in candidates if c.figure_id in passed])
    plural = {
        c.figure_id for c in candidates if verdicts[c.figure_id + _POTENTIAL]["decision"] == "publish"
    }  # fmt: skip
    figures = [
        _figure(c, _status(c, passed=c.figure_id in passed, plural=c.figure_id in plural), cluster.cluster)
        | {"period": period, "period_start": day, "period_end": end}
        for c in candidates
    ]
    return pl.DataFrame(figures, schema=FIGURE_SCHEMA, orient="row").sort("figure_id")


def period_end(first: date, period: Period) -> date:
    """Return the first local date after a period that begins on one."""
    if period == "day":
        return first + timedelta(days=1)
    months = first.year * 12 + first.month - 1 + _PERIOD_MONTHS[period]
    return date(months // 12, months % 12 + 1, 1)


def formula_twins(candidates: Iterable[Candidate]) -> set[str]:
    """Return the ratios of sums that, beside a total of the same factories, would give their other element.

    A published sum N and ratio R of one group and period give sum D: of the two, the total stays.
    """
    known = list(candidates)
    totals = [c for c in known if c.definition.is_total]
    return {
        ratio.figure_id
        for ratio in known
        if not ratio.definition.is_total and ratio.statistic == "ratio_of_sums"
        for total in totals
        if ratio.definition.linked_elements & total.definition.linked_elements
        and (ratio.factories == total.factories or _members(ratio) == _members(total))
    }


def member_position(
    value: float | None, reference: float | None, grid_step: float, direction: Literal["lower", "higher"]
) -> Position | None:
    """Say where a member stands against a published reference (of fewer than 9 holdings).

    A function of published numbers and the member's own value only, so its page adds nothing to an attack.
    Within one grid step it is about the same. Null: no own value or nothing published.
    """
    gap = member_gap(value, reference)
    if gap is None:
        return None
    # Compared in decimals: 0.30 and 0.25 are one step of 0.05 apart, whatever the binary says.
    if abs(Decimal(repr(value)) - Decimal(repr(reference))) <= Decimal(repr(grid_step)):
        return "same"
    return "better" if (gap < 0) == (direction == "lower") else "worse"


def member_gap(value: float | None, reference: float | None) -> float | None:
    """Return a member's value minus the published reference, in the KPI's unit; null: one of them is."""
    return None if value is None or reference is None else value - reference


def contributors_label(holdings: int) -> str:
    """Say how many contributed, no finer than is public."""
    return "10+" if holdings >= MANY else "fewer than 10"


def _factory_rows(
    kpis: pl.DataFrame, cluster: ClusterDefinition, processes: pl.DataFrame, members: list[str]
) -> pl.DataFrame:
    owners = pl.DataFrame(
        {"subject": members, "holding": [cluster.holding_of(f) for f in members]},
        schema={"subject": pl.String, "holding": pl.String},
    )
    return (
        kpis.filter(pl.col("level") == "factory")
        .join(owners, on="subject", how="inner")
        .join(processes.rename({"factory": "subject"}), on="subject", how="left")
        .sort("kpi", "subject")
    )


def _candidates(rows: pl.DataFrame, cluster: str, period: str, catalogue: Catalogue) -> Iterable[Candidate]:
    for definition in catalogue.values():
        same = _covered_enough(
            rows.filter(
                (pl.col("kpi") == definition.kpi) & (pl.col("definition_version") == definition.version)
            ),
            definition,
        )
        if definition.breakdown == "cluster":
            yield _candidate(same, cluster, definition, EVERYBODY, period)
            continue
        for process in sorted(same["process"].drop_nulls().unique()):
            yield _candidate(
                _comparable(same.filter(pl.col("process") == process)), cluster, definition, process, period
            )


def _covered_enough(rows: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    """Take their value from ratios of which too little was measured to compare them with others."""
    if definition.is_total:
        return rows
    too_little = pl.col("value").is_not_null() & (pl.col("coverage") < definition.comparison_coverage)
    return rows.with_columns(
        value=pl.when(too_little.fill_null(value=False)).then(None).otherwise("value"),
        reason=pl.when(too_little).then(pl.lit("insufficient_coverage")).otherwise("reason"),
    )


def _candidate(
    rows: pl.DataFrame, cluster: str, definition: Definition, group: str, period: str
) -> Candidate:
    classes = rows["product_class"].drop_nulls().unique().to_list()
    product_class = classes[0] if definition.breakdown == "process" and len(classes) == 1 else None
    key = f"{cluster}/{definition.breakdown}/{group}/{period}/{definition.key}"
    return Candidate(key, definition, group, rows, definition.grid_for(product_class))


def _comparable(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep the product class of most holdings (ties: by name), and factories that name no class."""
    sizes = rows.drop_nulls("product_class").group_by("product_class").agg(pl.col("holding").n_unique())
    if sizes.is_empty():
        return rows
    chosen = sizes.sort("holding", "product_class", descending=[True, False])["product_class"][0]
    return rows.filter((pl.col("product_class") == chosen) | pl.col("product_class").is_null())


def _cells(candidates: list[Candidate]) -> pl.DataFrame:
    """Turn candidates into the gate's cells, and into cells of whoever could contribute."""
    parts = [pl.DataFrame(schema=CELLS_SCHEMA)]
    for candidate in candidates:
        everyone = candidate.rows.with_columns(potential=pl.lit(1.0))
        parts.append(_cell(everyone, candidate.figure_id + _POTENTIAL, "potential", pl.col("potential")))
        parts.extend(
            _cell(
                candidate.rows, candidate.figure_id, name, pl.when(pl.col("value").is_not_null()).then(amount)
            )
            for name, amount in _element_amounts(candidate.definition).items()
        )
        if candidate.rows.is_empty():
            empty = [(candidate.figure_id + suffix, "none", "", None, True) for suffix in ("", _POTENTIAL)]
            parts.append(pl.DataFrame(empty, schema=CELLS_SCHEMA, orient="row"))
    return pl.concat(parts)


def _element_amounts(definition: Definition) -> dict[str, pl.Expr]:
    """Name the amounts for which the primary rules must hold: also a share's complements, which leak too."""
    amounts = {"numerator": pl.col("numerator")}
    if not definition.is_total:
        amounts["denominator"] = pl.col("denominator")
    if definition.share_bound is not None:
        amounts["complement"] = definition.share_bound * pl.col("denominator") - pl.col("numerator")
    return amounts


def _cell(rows: pl.DataFrame, figure_id: str, element: str, amount: pl.Expr) -> pl.DataFrame:
    return rows.select(
        pl.lit(figure_id).alias("figure_id"),
        pl.lit(element).alias("element"),
        pl.col("holding"),
        amount.cast(pl.Float64).alias("contribution"),
        # Suspect and estimated hours have left the KPI rows before (pipelines.domain.kpis).
        pl.lit(value=True).alias("measured"),
    )


def _status(candidate: Candidate, *, passed: bool, plural: bool) -> str:
    """Choose the public status; only a group that could pass says why it has no figure.

    That a whole group made nothing is a level of its own (class B): such a figure is merely withheld.
    """
    definition = candidate.definition
    if plural and not candidate.factories:
        reasons = candidate.rows["reason"].fill_null("").str.split(";").list.first()
        if (reasons == "insufficient_coverage").any() or definition.is_total:
            return "insufficient_coverage"
        secret = (reasons == "zero_denominator").any() and definition.denominator_class == "B"
        return "withheld" if secret else "not_estimable"
    if not passed or candidate.grid is None:
        return "withheld"
    too_little = definition.is_total and candidate.coverage < definition.comparison_coverage
    return "insufficient_coverage" if too_little else "published"


def _figure(candidate: Candidate, status: str, cluster: str) -> dict[str, Any]:
    definition, withheld = candidate.definition, status == "withheld"
    published = status == "published"
    return {
        "figure_id": candidate.figure_id,
        "cluster": cluster,
        "breakdown": definition.breakdown,
        "group": candidate.group,
        "kpi": definition.kpi,
        "definition_version": definition.version,
        "statistic": candidate.statistic if published else definition.statistic,
        "status": status,
        "value": _value(candidate) if published else None,
        "unit": definition.unit,
        "grid_step": candidate.grid.step if published and candidate.grid else None,
        "contributors": contributors_label(candidate.contributing["holding"].n_unique()),
        "coverage": None if withheld else round_to_grid(candidate.coverage, 0.01),
        "provisional": bool((candidate.rows["status"] != "final").any()),
    }


def _value(candidate: Candidate) -> float:
    if candidate.grid is None:
        raise ValueError(f"{candidate.figure_id}: nothing is published off a public grid")
    rows = candidate.contributing
    if candidate.statistic == "order_statistic":
        ratios = [_ratio(own) for own in rows.partition_by("holding", maintain_order=True)]
        return round_to_grid(_type_7_median(ratios), candidate.grid.step)
    if candidate.definition.is_total:
        return round_to_grid(exact_total(rows["numerator"]) or 0.0, candidate.grid.step)
    return round_to_grid(_ratio(rows), candidate.grid.step)


def _ratio(rows: pl.DataFrame) -> float:
    numerator, denominator = exact_total(rows["numerator"]), exact_total(rows["denominator"])
    if numerator is None or not denominator:
        raise ValueError("a row with a value has a numerator and a denominator other than zero")
    return numerator / denominator


def _type_7_median(values: list[float]) -> float:
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low + (high - low) / 2


def _members(candidate: Candidate) -> frozenset[str]:
    return frozenset(candidate.rows["subject"])
