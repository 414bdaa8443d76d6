"""The KPIs of one day: of each factory and of each member, from facts.

Belongs here: what a definition says, and elements -> KPI by the roll-up of ISO 22400: sum the elements
first, divide last. Does not belong here: the catalogue's text (pipelines.reference) and what may be shown to
whom (benchmarks, disclosure).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.factory_energy import is_publishable
from pipelines.domain.sums import exact_sum

SUSPECT = "suspect_excluded"
_DAY_S = 86_400.0
ANY_CLASS = "*"


@dataclass(frozen=True)
class Grid:
    """Public grid that published values are rounded to; it never depends on a period's values.

    Args:
        step: distance of its points, in the KPI's unit.
        reference_level: usual size of the KPI, of which the step is at least 5 %; null: not a ratio.
    """

    step: float
    reference_level: float | None


@dataclass(frozen=True)
class KpiDefinition:
    """One row of the catalogue.

    Args:
        kpi: its id.
        version: a changed formula is a new version.
        name_ko: Korean name.
        name_en: English name.
        unit: unit of its value.
        direction: which way is better.
        disclosure_class: A or B.
        statistic: what is published of a group: total, ratio_of_sums or order_statistic (the centre).
        breakdown: cluster (everybody) or process.
        numerator: element above the line, or the total itself.
        denominator: element below the line; null: a total.
        denominator_class: disclosure class of that element; null: a total.
        share_bound: b where the numerator is at most b denominators (a share); null: no share.
        linked_elements: elements that are one variable for an attacker, up to public constants.
        minimum_coverage: of a ratio: least coverage of a contributor; of a total: of the figure.
        grids: public grid by product class; `*` for any.
    """

    kpi: str
    version: str
    name_ko: str
    name_en: str
    unit: str
    direction: Literal["lower", "higher"]
    disclosure_class: Literal["A", "B"]
    statistic: Literal["total", "ratio_of_sums", "order_statistic"]
    breakdown: Literal["cluster", "process"]
    numerator: str
    denominator: str | None
    denominator_class: str | None
    share_bound: float | None
    linked_elements: frozenset[str]
    minimum_coverage: float
    grids: Mapping[str, Grid]

    def grid_for(self, product_class: str | None) -> Grid | None:
        """Return the grid of a product class; null: none was agreed, so nothing can be published on it."""
        return self.grids.get(product_class or ANY_CLASS, self.grids.get(ANY_CLASS))


Catalogue = Mapping[str, KpiDefinition]


def day_figures(
    energy: pl.DataFrame,
    machines: pl.DataFrame,
    emissions: pl.DataFrame,
    products: pl.DataFrame,
    cluster: ClusterDefinition,
    catalogue: Catalogue,
    day: date,
) -> pl.DataFrame:
    """Derive every KPI of one day for each factory of a cluster and for each member.

    Suspect and estimated hours are left out of value and coverage; the row then carries the mark
    `suspect_excluded`. A total is the sum of what is known; its coverage says how much that is. A ratio below
    its minimum coverage is null (`insufficient_coverage`), but keeps its elements.

    Args:
        energy: pipelines.domain.factory_energy.factory_hours of the day.
        machines: rows of facts_machine of the day.
        emissions: rows of the table emissions of the day (any with other methods than location are ignored).
        products: ``factory, product, product_class``, one row per product of the profiles in force.
        cluster: whose factories and members.
        catalogue: definitions by id.
        day: local date.

    Returns:
        The columns of the table kpis without known_at: one row per level, subject and KPI, sorted so.
        ``value`` null: see ``reason``: `missing_element:<name>`, `zero_denominator`,
        `insufficient_coverage`, `mixed_product_classes` (output of several classes can't be added), or the
        reason of the factor. Marks with a value: `suspect_excluded`, `above_one`.

    Source: ISO 22400-2 (OEE over a mix of products is a ratio of sums); GHG Protocol (co2e_kg).
    """
    factories = _factories(cluster, products, energy, machines, day)
    electricity = _electricity(energy.filter(pl.col("day") == day))
    times = _machine_elements(machines.filter(pl.col("day") == day))
    elements = pl.concat(
        [
            _total_elements(factories, electricity, "energy_kwh"),
            _total_elements(factories, _carbon(emissions.filter(pl.col("day") == day)), "co2e_kg"),
            _oee_elements(factories, times),
            _per_unit_elements(factories, electricity, times, machines.filter(pl.col("day") == day)),
        ],
        how="diagonal",
    )
    levels = [
        elements.with_columns(level=pl.lit("factory"), subject=pl.col("factory")),
        elements.with_columns(level=pl.lit("member"), subject=pl.col("member")),
    ]
    return _figures(pl.concat(levels), catalogue, day)


def _factories(
    cluster: ClusterDefinition,
    products: pl.DataFrame,
    energy: pl.DataFrame,
    machines: pl.DataFrame,
    day: date,
) -> pl.DataFrame:
    """List the cluster's factories of a day: factory, member, product_class (null: none or several), status.

    A factory that sent nothing has the status of the others: silence doesn't keep a day open.
    """
    owners = pl.DataFrame(
        [(f.factory, f.member) for f in cluster.factories if f.belongs_on(day)],
        schema={"factory": pl.String, "member": pl.String},
        orient="row",
    )
    classes = products.group_by("factory").agg(
        product_class=pl.when(pl.col("product_class").n_unique() == 1).then(pl.col("product_class").first()),
        classes=pl.col("product_class").n_unique(),
    )
    facts = pl.concat(
        [f.filter(pl.col("day") == day).select("factory", "status") for f in (energy, machines)]
    )
    final = facts.group_by("factory").agg(final=(pl.col("status") == "final").all())
    others_final = bool(final["final"].all()) and not final.is_empty()
    return (
        owners.join(classes, on="factory", how="left")
        .join(final, on="factory", how="left")
        .with_columns(
            pl.col("final").fill_null(others_final),
            mixed=pl.col("classes").fill_null(0) > 1,
        )
        .drop("classes")
        .sort("factory")
    )


def _hours_covered(value: str) -> list[pl.Expr]:
    """Aggregate a factory's hours: the amount known, seconds of hours, seconds covered, suspects."""
    seconds = (pl.col("end") - pl.col("start")).dt.total_microseconds() / 1e6
    hours = pl.col("allocation") == "hour"
    usable = is_publishable()
    covered = (seconds * pl.col("coverage").fill_null(0.0)).filter(
        hours & usable & pl.col(value).is_not_null()
    )
    return [
        exact_sum(pl.col(value).filter(usable)).alias("numerator"),
        seconds.filter(hours).sum().alias("weight_s"),
        exact_sum(covered).fill_null(0.0).alias("covered_s"),
        (~usable).any().alias("suspect"),
    ]


def _electricity(energy: pl.DataFrame) -> pl.DataFrame:
    return energy.group_by("factory").agg(
        *_hours_covered("energy_kwh"),
        missing=pl.lit("missing_element:energy_kwh"),
        provisional=pl.lit(value=False),
    )


def _carbon(emissions: pl.DataFrame) -> pl.DataFrame:
    located = emissions.filter((pl.col("carrier") == "electricity") & (pl.col("method") == "location"))
    unknown_factor = pl.col("factor_id").is_null().any()
    return located.group_by("factory").agg(
        *_hours_covered("co2e_kg"),
        missing=pl.when(unknown_factor)
        .then(pl.col("reason").filter(pl.col("factor_id").is_null()).str.split(";").list.first().min())
        .otherwise(pl.lit("missing_element:energy_kwh")),
        provisional=pl.col("provisional").any(),
    )


def _total_elements(factories: pl.DataFrame, amounts: pl.DataFrame, kpi: str) -> pl.DataFrame:
    """Turn a factory's amounts into elements; a factory without any hour still has a day to cover."""
    return factories.join(amounts, on="factory", how="left").with_columns(
        kpi=pl.lit(kpi),
        missing=pl.when(pl.col("numerator").is_null()).then(
            pl.col("missing").fill_null("missing_element:energy_kwh")
        ),
        weight_s=pl.col("weight_s").fill_null(_DAY_S),
        covered_s=pl.col("covered_s").fill_null(0.0),
        suspect=pl.col("suspect").fill_null(value=False),
        final=pl.col("final") & ~pl.col("provisional").fill_null(value=False),
        mixed=pl.lit(value=False),
    )


def _machine_elements(machines: pl.DataFrame) -> pl.DataFrame:
    """Sum each machine's day: times, PRU x GQ, and the first element that a ratio would lack (null: none).

    A machine that ran but has no counts lacks them; one that never ran made nothing.
    """
    times = machines.filter(pl.col("product") == "*").group_by("factory", "machine").agg(
        *(
            pl.when(pl.col(name).is_not_null().all()).then(exact_sum(pl.col(name))).alias(name)
            for name in ("pbt_s", "apt_s", "unknown_s")
        ),
        suspect_times=(pl.col("quality") == "suspect").any(),
    )  # fmt: skip
    counts = machines.filter(pl.col("product") != "*").group_by("factory", "machine").agg(
        pru_gq_s=exact_sum(pl.col("pru_s") * pl.col("gq")),
        lacks_gq=pl.col("gq").is_null().any(),
        lacks_pru=pl.col("pru_s").is_null().any(),
        suspect_counts=(pl.col("quality") == "suspect").any(),
    )  # fmt: skip
    joined = times.join(counts, on=["factory", "machine"], how="full", coalesce=True)
    suspect = (
        pl.col("suspect_times").fill_null(value=False) | pl.col("suspect_counts").fill_null(value=False)
    )  # fmt: skip
    uncounted = pl.col("lacks_gq").is_null() & (pl.col("apt_s").fill_null(1.0) > 0)
    lacks = (
        pl.when(suspect).then(pl.lit(SUSPECT))
        .when(pl.col("pbt_s").is_null()).then(pl.lit("missing_element:pbt_s"))
        .when(pl.col("unknown_s").is_null()).then(pl.lit("missing_element:unknown_s"))
        .when(uncounted | pl.col("lacks_gq")).then(pl.lit("missing_element:gq"))
        .when(pl.col("lacks_pru")).then(pl.lit("missing_element:pru_s"))
    )  # fmt: skip
    return joined.with_columns(suspect=suspect, lacks=lacks)


def _oee_elements(factories: pl.DataFrame, machines: pl.DataFrame) -> pl.DataFrame:
    """Sum OEE's elements over the machines that have them all; coverage is over every machine's PBT."""
    whole = pl.col("lacks").is_null()
    known_s = pl.col("pbt_s") - pl.col("unknown_s")
    summed = machines.group_by("factory").agg(
        numerator=exact_sum(pl.col("pru_gq_s").fill_null(0.0).filter(whole)),
        denominator=exact_sum(known_s.filter(whole)),
        weight_s=exact_sum(pl.col("pbt_s")).fill_null(0.0),
        covered_s=exact_sum(known_s.filter(whole)).fill_null(0.0),
        missing=pl.when(~whole.any()).then(pl.col("lacks").min()),
        suspect=pl.col("suspect").any(),
    )
    return (
        factories.join(summed, on="factory", how="left")
        .with_columns(
            kpi=pl.lit("oee"),
            # A factory that shares no machine has no planned time that could be covered.
            missing=pl.when(pl.col("weight_s").is_null())
            .then(pl.lit("missing_element:pbt_s"))
            .otherwise(pl.col("missing")),
            suspect=pl.col("suspect").fill_null(value=False),
            mixed=pl.lit(value=False),
        )
        .with_columns(pl.col("weight_s", "covered_s").fill_null(0.0))
    )


def _per_unit_elements(
    factories: pl.DataFrame, electricity: pl.DataFrame, times: pl.DataFrame, machines: pl.DataFrame
) -> pl.DataFrame:
    """Join kWh and PQ; a factory lacks both unless it has both, in one product class."""
    products = machines.filter(pl.col("product") != "*").group_by("factory").agg(
        pq=pl.when(pl.col("pq").is_not_null().all()).then(exact_sum(pl.col("pq"))),
        suspect_counts=(pl.col("quality") == "suspect").any(),
    )  # fmt: skip
    planned = times.group_by("factory").agg(
        known_share=pl.when(pl.col("pbt_s").sum() > 0)
        .then(1.0 - exact_sum(pl.col("unknown_s")) / exact_sum(pl.col("pbt_s")))
        .otherwise(1.0),
    )
    joined = (
        factories.join(electricity.drop("missing", "provisional"), on="factory", how="left")
        .join(products, on="factory", how="left")
        .join(planned, on="factory", how="left")
    )
    counts_suspect = pl.col("suspect_counts").fill_null(value=False)
    missing = (
        pl.when(pl.col("numerator").is_null()).then(pl.lit("missing_element:energy_kwh"))
        .when(pl.col("mixed")).then(pl.lit("mixed_product_classes"))
        .when(counts_suspect).then(pl.lit(SUSPECT))
        .when(pl.col("pq").is_null()).then(pl.lit("missing_element:pq"))
    )  # fmt: skip
    whole = pl.col("missing").is_null()
    return joined.with_columns(missing=missing).with_columns(
        kpi=pl.lit("energy_kwh_per_unit"),
        numerator=pl.when(whole).then(pl.col("numerator")),
        denominator=pl.when(whole).then(pl.col("pq")),
        weight_s=pl.col("weight_s").fill_null(_DAY_S),
        covered_s=pl.when(whole)
        .then(pl.col("covered_s") * pl.col("known_share").fill_null(1.0))
        .otherwise(0.0),
        suspect=pl.col("suspect").fill_null(value=False) | counts_suspect,
    )


def _figures(elements: pl.DataFrame, catalogue: Catalogue, day: date) -> pl.DataFrame:
    """Roll elements up to subjects and divide last."""
    kpi = pl.col("kpi")
    known = {k: d for k, d in catalogue.items() if k in set(elements["kpi"])}
    classes = pl.col("product_class").drop_nulls().n_unique()
    rolled = (
        elements.filter(kpi.is_in(list(known)))
        .group_by("level", "subject", "kpi")
        .agg(
            exact_sum(pl.col("numerator")),
            exact_sum(pl.col("denominator")),
            exact_sum(pl.col("weight_s")),
            exact_sum(pl.col("covered_s")),
            pl.col("missing").min(),
            pl.col("suspect").any(),
            pl.col("final").all(),
            product_class=pl.when((classes == 1) & ~pl.col("mixed").any()).then(
                pl.col("product_class").drop_nulls().first()
            ),
            # Factories of different classes: their output can't be added any more than within one.
            mixed=(kpi.first() == "energy_kwh_per_unit") & ((classes > 1) | pl.col("mixed").any()),
        )
        .with_columns(
            is_ratio=_of(known, lambda d: d.denominator is not None, pl.Boolean),
            minimum=_of(known, lambda d: d.minimum_coverage, pl.Float64),
            unit=_of(known, lambda d: d.unit, pl.String),
            definition_version=_of(known, lambda d: d.version, pl.String),
            coverage=pl.when(pl.col("weight_s") > 0).then(pl.col("covered_s") / pl.col("weight_s")),
        )
    )
    return _divided(rolled).select(
        pl.lit(day).alias("day"), pl.lit("day").alias("period"), "level", "subject", "kpi", "definition_version", "numerator",
        "denominator", "value", "unit", "reason", "coverage", "product_class",
        pl.when("final").then(pl.lit("final")).otherwise(pl.lit("provisional")).alias("status"),
    ).sort("level", "subject", "kpi")  # fmt: skip


def _divided(rolled: pl.DataFrame) -> pl.DataFrame:
    ratio, denominator = pl.col("is_ratio"), pl.col("denominator")
    unknown = pl.col("numerator").is_null() | (ratio & denominator.is_null())
    null_reason = (
        pl.when(pl.col("mixed")).then(pl.lit("mixed_product_classes"))
        .when(unknown).then(pl.col("missing"))
        .when(ratio & (pl.col("coverage") < pl.col("minimum"))).then(pl.lit("insufficient_coverage"))
        .when(ratio & (denominator == 0)).then(pl.lit("zero_denominator"))
    )  # fmt: skip
    value = pl.when(null_reason.is_null()).then(
        pl.when(ratio).then(pl.col("numerator") / denominator).otherwise(pl.col("numerator"))
    )
    marks = pl.concat_str(
        [
            null_reason,
            pl.when(pl.col("suspect") & (null_reason != SUSPECT).fill_null(value=True)).then(pl.lit(SUSPECT)),
            pl.when((pl.col("kpi") == "oee") & (value > 1.0)).then(pl.lit("above_one")),
        ],
        separator=";",
        ignore_nulls=True,
    )
    return rolled.with_columns(value=value, reason=pl.when(marks != "").then(marks))


def _of(
    catalogue: Catalogue, attribute: Callable[[KpiDefinition], object], kind: type[pl.DataType]
) -> pl.Expr:
    """Look an attribute of the row's definition up."""
    return pl.col("kpi").replace_strict({k: attribute(d) for k, d in catalogue.items()}, return_dtype=kind)
