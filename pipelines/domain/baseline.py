"""Before and after: a KPI against the same KPI of a stored baseline period.

Belongs here: the comparison of two figures, and its reasons; what a unit of each product cost in the period.
Does not belong here: the arithmetic of KPIs (pipelines.domain.kpi_evaluation), the roll-up of a period's KPIs
(pipelines.domain.kpis), storing a baseline (pipelines.jobs.baseline).
"""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipelines.domain.daily_elements import OF_FACTORY
from pipelines.domain.kpi_formulas import Definition
from pipelines.domain.machine_time import ALL_PRODUCTS
from pipelines.domain.sums import exact_sum

NO_BASELINE = "no_baseline"
OTHER_VERSION = "definition_version_differs"
OTHER_LENGTH = "period_length_differs"
ZERO_BASELINE = "zero_baseline"
NOT_COMPUTED = "not_computed"
SHARED_COST = "cost_of_no_product"
_PRODUCT = ["factory", "product"]
_SHARE = "1"
Verdict = Literal["better", "worse", "same"]


@dataclass(frozen=True)
class Measured:
    """A figure of a period.

    Args:
        version: of its definition.
        value: null: see reason.
        reason: codes joined by `;`; null: there is nothing to say.
        days: length of its period.
    """

    version: str
    value: float | None
    reason: str | None
    days: int


@dataclass(frozen=True)
class Change:
    """What became of a KPI since its baseline.

    Args:
        value: now / then - 1 [1], of a share now - then [1]; null: see reason.
        in_points: whether value is a difference of shares.
        verdict: by the KPI's direction; null: see reason.
        reason: why there is none.
    """

    value: float | None
    in_points: bool
    verdict: Verdict | None
    reason: str | None


def before_after(definition: Definition, now: Measured, then: Measured | None) -> Change:
    """Compare a KPI with its baseline.

    Reasons, the first that holds: `no_baseline`; `definition_version_differs` (a changed formula is another
    figure); the baseline's own reason, where it has no value; now's own reason; `period_length_differs` (a
    total that adds up grows with its period); `zero_baseline` (nothing can be said in per cent of nothing; a
    share is compared in points and has no such case).

    Args:
        definition: of the figure now.
        now: the figure.
        then: the stored one; null: none was stored.
    """
    in_points = definition.unit == _SHARE
    reason = _obstacle(definition, now, then, in_points=in_points)
    if reason is not None or then is None or then.value is None or now.value is None:
        return Change(None, in_points, None, reason)
    difference = now.value - then.value
    value = difference if in_points else now.value / then.value - 1
    return Change(value, in_points, _verdict(difference, definition.direction), None)


def unit_costs(elements: pl.DataFrame, length_d: int, minimum_coverage: float) -> pl.DataFrame:
    """Say what a unit of each product cost in a baseline period: cost over quantity, sums first.

    Cost of no single product is shared out over the products in proportion to their own: so the baseline's
    quantities at these unit costs are all of its cost, and its index is 1. The quantity is that of the days
    whose cost is known; days without a row of a product made none of it.

    Args:
        elements: rows of elements_daily of the period: `cost_krw` and `pq` are used.
        length_d: days of the period.
        minimum_coverage: least share of the period whose cost must be known.

    Returns:
        ``factory, product, cost_krw [KRW]`` (with its share of what is of no product), ``pq [unit], coverage
        [1], baseline_unit_cost_krw [KRW/unit], reason``, sorted, of factories that tell any cost. Null: see
        ``reason``: `cost_of_no_product` (no product's cost is known, only the factory's),
        `missing_element:...`, `insufficient_coverage`, `zero_denominator`.
    """
    cost, made = (elements.filter(pl.col("element") == name) for name in ("cost_krw", "pq"))
    quantities = made.group_by(*_PRODUCT, "day").agg(
        pq=pl.when(pl.col("quantity").is_not_null().all()).then(exact_sum(pl.col("quantity"))),
        uncounted=pl.col("quantity").is_null().any(),
    )
    known = (
        cost.filter(pl.col("quantity").is_not_null())
        .select(*_PRODUCT, "day", "coverage", cost_krw="quantity")
        .join(quantities, on=[*_PRODUCT, "day"], how="left")
    )
    summed = known.group_by(_PRODUCT).agg(
        exact_sum(pl.col("cost_krw")),
        exact_sum(pl.col("pq")),
        pl.col("uncounted").fill_null(value=False).any(),
        coverage=exact_sum(pl.col("coverage")) / length_d,
    )
    told = cost["factory"].unique().to_list()
    products = pl.concat([cost.select(_PRODUCT), made.select(_PRODUCT)]).unique()
    return (
        products.filter(pl.col("factory").is_in(told), pl.col("product") != ALL_PRODUCTS)
        .join(summed, on=_PRODUCT, how="left")
        .join(_surcharges(cost, summed, length_d), on="factory", how="left")
        .with_columns(
            reason=_cost_obstacle(minimum_coverage),
            cost_krw=pl.col("cost_krw") * (1.0 + pl.col("surcharge").fill_null(0.0)),
        )
        .with_columns(
            coverage=pl.min_horizontal("coverage", "shared_coverage").fill_null(0.0),
            baseline_unit_cost_krw=pl.when(pl.col("reason").is_null()).then(
                pl.col("cost_krw") / pl.col("pq")
            ),
        )
        .select(*_PRODUCT, "cost_krw", "pq", "coverage", "baseline_unit_cost_krw", "reason")
        .sort(_PRODUCT)
    )


def with_unit_costs(elements: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Add the baseline's unit cost to the elements of each day on which a product was counted.

    Args:
        elements: rows of elements_daily.
        costs: ``factory, product, baseline_unit_cost_krw [KRW/unit], valid_from``.

    Returns:
        `elements` and one row of `baseline_unit_cost_krw` per factory, day and product from ``valid_from``
        on: a figure that was stored, so it is whole and final.
    """
    made = elements.filter(pl.col("element") == "pq").unique([*_PRODUCT, "day"], maintain_order=True)
    known = made.join(costs, on=_PRODUCT).filter(pl.col("day") >= pl.col("valid_from"))
    rows = known.with_columns(
        machine=pl.lit(OF_FACTORY),
        element=pl.lit("baseline_unit_cost_krw"),
        quantity="baseline_unit_cost_krw",
        unit=pl.lit("KRW/unit"),
        coverage=pl.lit(1.0),
        suspect=pl.lit(value=False),
        reason=pl.lit(None, pl.String),
        weight_s=pl.lit(0.0),
        status=pl.lit("final"),
    )
    return pl.concat([elements, rows.select(elements.columns)])


def _surcharges(cost: pl.DataFrame, summed: pl.DataFrame, length_d: int) -> pl.DataFrame:
    """Return, of factories with cost of no product, what it adds to each won of a product's own cost.

    Returns:
        ``factory, surcharge`` (null: no product has a cost), ``shared_coverage``.
    """
    of_none = pl.col("product") == ALL_PRODUCTS
    own = summed.filter(~of_none).group_by("factory").agg(own_krw=exact_sum(pl.col("cost_krw")))
    return (
        cost.filter(of_none)
        .group_by("factory")
        .agg(
            shared_krw=exact_sum(pl.col("quantity")).fill_null(0.0),
            shared_coverage=exact_sum(pl.col("coverage").filter(pl.col("quantity").is_not_null())).fill_null(
                0.0
            )
            / length_d,
        )
        .join(own, on="factory", how="left")
        .select(
            "factory",
            surcharge=pl.when(pl.col("own_krw") > 0).then(pl.col("shared_krw") / pl.col("own_krw")),
            shared_coverage="shared_coverage",
        )
    )


def _cost_obstacle(minimum_coverage: float) -> pl.Expr:
    uncounted = pl.col("pq").is_null() | pl.col("uncounted")
    least = pl.min_horizontal("coverage", "shared_coverage")
    return (
        pl.when(pl.col("shared_coverage").is_not_null() & pl.col("surcharge").is_null())
        .then(pl.lit(SHARED_COST))
        .when(pl.col("cost_krw").is_null()).then(pl.lit("missing_element:cost_krw"))
        .when(uncounted).then(pl.lit("missing_element:pq"))
        .when(least < minimum_coverage).then(pl.lit("insufficient_coverage"))
        .when(pl.col("pq") == 0).then(pl.lit("zero_denominator"))
    )  # fmt: skip


def _obstacle(definition: Definition, now: Measured, then: Measured | None, *, in_points: bool) -> str | None:
    if then is None:
        return NO_BASELINE
    if then.version != now.version:
        return OTHER_VERSION
    for figure in (then, now):
        if figure.value is None:
            return (figure.reason or NOT_COMPUTED).split(";", 1)[0]
    if definition.is_total and definition.over_time == "sum" and now.days != then.days:
        return OTHER_LENGTH
    return ZERO_BASELINE if then.value == 0 and not in_points else None


def _verdict(difference: float, direction: Literal["lower", "higher"]) -> Verdict:
    if difference == 0:
        return "same"
    return "better" if (difference < 0) == (direction == "lower") else "worse"
