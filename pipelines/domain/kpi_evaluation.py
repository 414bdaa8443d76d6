"""The one arithmetic of KPIs: elements are summed first and divided last; no figure without its reason.

Belongs here: from units x elements to values, reasons and coverage, and the roll-up over units. Does not
belong here: what a definition says (pipelines.domain.kpi_formulas, pipelines/reference/kpis.yaml), files,
days and owners.

How the rules are read here, where they leave room:

- An element without any value is missing, never zero. A product's row that lacks an element of the formula
  makes that element missing, for the others would pass as all of it. A row is a product's if it has any of
  the formula's quantities or, where times or energy enter, if it has PRU, PQ or GQ.
- A derived element (AUPT, AUBT) is derived per unit, where none of its rows gives it.
- Of several reasons the first one stands: missing element (in the order of the formula, derived ones last),
  negative element (or difference), insufficient coverage, zero denominator, above one.
- Coverage is the unit's: (1 - unknown / PBT) x the given one, never below 0. Null: time is unknown, but not
  out of how much.
- A unit with a negative element is left out of a roll-up like one that lacks an element. Where no unit has
  any planned time, all units weigh the same.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.domain.kpi_formulas import Definition, Element, Sum
from pipelines.domain.sums import exact_totals

ALL_UNITS = "*"
PLANNED, UNKNOWN, GIVEN_COVERAGE = "pbt_s", "unknown_s", "coverage"
FIGURES_SCHEMA = pl.Schema({
    "unit": pl.String(), "kpi": pl.String(), "version": pl.String(), "value": pl.Float64(),
    "reason": pl.String(), "coverage": pl.Float64(), "numerator": pl.Float64(), "denominator": pl.Float64(),
})  # fmt: skip
_SUMS_SCHEMA = pl.Schema({
    "kpi": pl.String(), "version": pl.String(), "sums": pl.List(pl.Float64()), "fault": pl.String(),
    "planned": pl.Float64(), "coverage": pl.Float64(),
})  # fmt: skip
_MARKS_OF_A_PRODUCT = ("pru_s", "pq", "gq")
_SHARE = "1"
# A product of ratios may miss its true 1 by its last bits.
_MOST_OF_A_SHARE = 1.0 + 1e-9

Elements = Mapping[str, Element]


def evaluate(
    rows: pl.DataFrame, definitions: Sequence[Definition], elements: Elements, *, rollup: bool = False
) -> pl.DataFrame:
    """Evaluate KPIs per unit, and over all units.

    Args:
        rows: ``unit`` and a column per element that is known [float, its element's unit; null: not known],
            perhaps ``coverage`` [0..1; null: 1]. Several rows of a unit are its products: what stands once
            per unit is null elsewhere. Any order.
        definitions: what to evaluate, in the order of the result.
        elements: all that the definitions use, and what those are derived from.
        rollup: adds the unit `*`: sums over the units that have all of a formula's elements. Its coverage is
            weighted over all units by PBT; who is left out counts as zero.

    Returns:
        FIGURES_SCHEMA: a row per unit (in their first order, `*` last) and definition. ``value`` null: see
        ``reason``: `missing_element:<name>`, `negative_element:<name>`, `insufficient_coverage`,
        `zero_denominator`. With a value: `above_one`. ``numerator`` (scaled) and ``denominator`` are the sums
        (products of sums where the formula is a product), null where an element is missing or negative.

    Source: ISO 22400-2 (a roll-up sums the elements first and divides last).
    """
    units = unit_sums(rows, definitions, elements, ["unit"])
    order = pl.DataFrame(
        [(d.kpi, d.version, place) for place, d in enumerate(definitions)],
        schema={"kpi": pl.String, "version": pl.String, "place": pl.UInt32},
        orient="row",
    )
    own = units.join(order, on=["kpi", "version"], maintain_order="left")
    all_units = [_over_all(own, definitions)] if rollup and not own.is_empty() else []
    columns = ["number", "place", "unit", "kpi", "version", "sums", "fault", "coverage"]
    judged = pl.concat([frame.select(columns) for frame in (own, *all_units)])
    mark = pl.when("above_one").then(pl.lit("above_one"))
    return (
        divided(judged, definitions)
        .sort("number", "place")
        .with_columns(reason=pl.coalesce("why", mark))
        .select(FIGURES_SCHEMA.names())
    )


def unit_sums(
    rows: pl.DataFrame, definitions: Sequence[Definition], elements: Elements, by: Sequence[str]
) -> pl.DataFrame:
    """Sum what each formula needs of each unit, and say what is wrong with it.

    Args:
        rows: as of `evaluate`, with the columns `by` instead of ``unit``; perhaps ``why:<element>``: the
            reason code for which an element is null, instead of `missing_element:<element>`.
        definitions: what to evaluate.
        elements: all that the definitions use, and what those are derived from.
        by: the columns that name a unit.

    Returns:
        ``number`` (of the unit, in their first order), `by`, ``kpi, version, sums`` (the formula's sums in
        its order, without their constants; null where there is a fault), ``fault`` (why: the first missing,
        else negative element), ``planned`` [s] and ``coverage`` [0..1] of the unit. A row per unit and
        definition, units in their first order.
    """
    totals = _unit_totals(rows, definitions, elements, by)
    parts = [
        _with_faults(totals, definition, elements).select(
            "number", *by,
            kpi=pl.lit(definition.kpi),
            version=pl.lit(definition.version),
            sums=pl.when(pl.col("fault").is_null()).then(
                pl.concat_list([_amount(s, elements).cast(pl.Float64) for s in definition.formula.sums])
            ),
            fault="fault",
            planned=PLANNED,
            coverage=GIVEN_COVERAGE,
        )
        for definition in definitions
    ]  # fmt: skip
    if parts:
        return pl.concat(parts).sort("number", maintain_order=True)
    keys = totals.select("number", *by).head(0).schema
    return pl.DataFrame(schema=pl.Schema({**keys, **_SUMS_SCHEMA}))


def rolled_up(
    units: pl.DataFrame, by: Sequence[str], definitions: Sequence[Definition], **more: pl.Expr
) -> pl.DataFrame:
    """Add the sums of the units of each group that have them all; coverage is weighted over all of them.

    Args:
        units: ``kpi, version, sums, fault, weight, covered`` (weight x coverage) and `by`. Any order.
        by: the columns that name a group.
        definitions: of the units; they say which of several faults is the first.
        more: further aggregations of a group.

    Returns:
        `by`, ``kpi, version, sums`` (null: no unit has them), ``fault`` (the first one, where no unit has
        them), ``weight, covered`` and `more`; sorted by `by`, kpi and version.
    """
    keys = [*by, "kpi", "version"]
    width = max((len(d.formula.sums) for d in definitions), default=0)
    places = [f"sum:{n}" for n in range(width)]
    gathered = [*places, "weight", "covered"]
    groups = (
        units.with_columns(
            pl.col("sums").list.get(n, null_on_oob=True).alias(name) for n, name in enumerate(places)
        )
        .join(_fault_ranks(definitions), on=["kpi", "version", "fault"], how="left")
        .group_by(keys)
        .agg(
            *(pl.col(name).drop_nulls() for name in gathered),
            size=pl.col("sums").list.len().max(),
            fault=pl.col("fault").sort_by("rank", "fault", nulls_last=True).first(),
            **more,
        )
        .sort(keys)
    )
    summed = groups.with_columns(exact_totals(groups[name]) for name in gathered)
    present = pl.col("size").is_not_null()
    sums = pl.concat_list(places).list.head("size") if places else pl.lit(None, pl.List(pl.Float64))
    return summed.select(
        *keys,
        pl.when(present).then(sums).alias("sums"),
        pl.when(~present).then("fault").alias("fault"),
        pl.col("weight", "covered").fill_null(0.0),
        *more,
    )


def divided(units: pl.DataFrame, definitions: Sequence[Definition]) -> pl.DataFrame:
    """Divide, last, and say why where there is nothing to divide.

    Args:
        units: ``kpi, version, sums, fault, coverage`` and any others.
        definitions: of the units.

    Returns:
        `units` with ``numerator`` (scaled), ``denominator`` (null of a total), ``value``, ``why`` (null where
        there is a value), ``above_one`` (whether a share is more than all); by definition, in their order.
    """
    parts = [
        _figures(units.filter((pl.col("kpi") == d.kpi) & (pl.col("version") == d.version)), d)
        for d in definitions
    ]
    if parts:
        return pl.concat(parts)
    number = pl.lit(None, pl.Float64)
    return units.clear().with_columns(
        numerator=number,
        denominator=number,
        value=number,
        why=pl.lit(None, pl.String),
        above_one=pl.lit(None, pl.Boolean),
    )


def _over_all(units: pl.DataFrame, definitions: Sequence[Definition]) -> pl.DataFrame:
    """Roll all units up, weighted by PBT; where nobody has any, all weigh the same."""
    planned = pl.col("planned").fill_null(0.0)
    weighed = units.with_columns(
        weight=pl.when(planned.sum().over("kpi", "version") > 0).then(planned).otherwise(1.0)
    )
    whole = pl.col("fault").is_null()
    covered = pl.when(whole).then(pl.col("weight") * pl.col("coverage").fill_null(0.0)).otherwise(0.0)
    rolled = rolled_up(weighed.with_columns(covered=covered), [], definitions, place=pl.col("place").first())
    return rolled.with_columns(
        number=pl.lit(units["number"].n_unique(), pl.UInt32),
        unit=pl.lit(ALL_UNITS),
        coverage=pl.col("covered") / pl.col("weight"),
    )


def _fault_ranks(definitions: Sequence[Definition]) -> pl.DataFrame:
    """Number the missing elements in the order of each formula: that is the order of reasons."""
    return pl.DataFrame(
        [
            (d.kpi, d.version, f"missing_element:{name}", rank)
            for d in definitions
            for rank, name in enumerate(d.formula.elements)
        ],
        schema={"kpi": pl.String, "version": pl.String, "fault": pl.String, "rank": pl.UInt32},
        orient="row",
    )


def _unit_totals(
    rows: pl.DataFrame, definitions: Sequence[Definition], elements: Elements, by: Sequence[str]
) -> pl.DataFrame:
    """Sum each unit's elements and products of elements, and note which are missing or negative.

    Returns:
        ``number``, `by`, ``coverage``; per element its sum, ``sign:<element>`` (the name of what is negative,
        or null) and ``why:<element>``; per product of elements its sum; per definition and product's element
        ``lacks:...``.
    """
    present = [n for n in elements if n in rows.columns]
    explained = [n for n in elements if f"why:{n}" in rows.columns]
    terms = {t.column: t.elements for d in definitions for s in d.formula.sums for t in s.terms}
    products = {column: names for column, names in terms.items() if len(names) > 1}
    given = [] if GIVEN_COVERAGE in rows.columns else [GIVEN_COVERAGE]
    known = rows.with_columns(pl.lit(None, pl.Float64).alias(n) for n in (*_absent(rows, elements), *given))
    gathered = known.group_by(by, maintain_order=True).agg(
        *(pl.col(n).drop_nulls().cast(pl.Float64) for n in present),
        *(
            pl.reduce(lambda a, b: a * b, [pl.col(n) for n in names]).drop_nulls().alias(column)
            for column, names in products.items()
        ),
        *(pl.when((pl.col(n) < 0).any()).then(pl.lit(n)).alias(f"sign:{n}") for n in present),
        *(pl.col(f"why:{n}").min() for n in explained),
        *(lack for definition in definitions for lack in _lacks(definition, elements)),
        pl.col(GIVEN_COVERAGE).min().fill_null(1.0),
    )
    nothing = pl.lit(None, pl.String)
    totals = gathered.with_columns(
        *(exact_totals(gathered[n]) for n in (*present, *products)),
        *(pl.lit(None, pl.Float64).alias(n) for n in elements if n not in present),
        *(nothing.alias(f"sign:{n}") for n in elements if n not in present),
        *(nothing.alias(f"why:{n}") for n in elements if n not in explained),
    )
    for element in elements.values():
        if element.derived_from:
            totals = totals.with_columns(_derived(element))
    return totals.with_row_index("number").with_columns(coverage=_coverage())


def _absent(rows: pl.DataFrame, elements: Elements) -> list[str]:
    return [n for n in elements if n not in rows.columns]


def _lacks(definition: Definition, elements: Elements) -> list[pl.Expr]:
    """Say for each product's element of a formula whether a row of it, or every row, is without it."""
    names = definition.formula.elements
    own = [n for n in names if elements[n].stands == "product"]
    marks = own if len(own) == len(names) else [*own, *(n for n in _MARKS_OF_A_PRODUCT if n in elements)]
    is_product = pl.any_horizontal(pl.col(n).is_not_null() for n in marks)
    return [
        (~is_product.any() | (is_product & pl.col(n).is_null()).any()).alias(f"lacks:{definition.key}:{n}")
        for n in own
    ]


def _derived(element: Element) -> list[pl.Expr]:
    given = pl.col(element.element).is_not_null()
    sum_of_parts = pl.sum_horizontal(element.derived_from, ignore_nulls=False)
    parts_sign = pl.coalesce(f"sign:{n}" for n in element.derived_from)
    own_sign = pl.col(f"sign:{element.element}")
    return [
        pl.when(given).then(element.element).otherwise(sum_of_parts).alias(element.element),
        pl.when(given).then(own_sign).otherwise(parts_sign).alias(f"sign:{element.element}"),
    ]


def _coverage() -> pl.Expr:
    planned, unknown = pl.col(PLANNED), pl.col(UNKNOWN).fill_null(0.0)
    known_share = (
        pl.when(planned > 0).then(1.0 - unknown / planned)
        # Nothing was planned, or all of it is known: there is nothing that could be missing.
        .when((planned == 0) | (unknown == 0)).then(1.0)
    )  # fmt: skip
    return (known_share * pl.col(GIVEN_COVERAGE)).clip(lower_bound=0.0)


def _with_faults(totals: pl.DataFrame, definition: Definition, elements: Elements) -> pl.DataFrame:
    """Add ``fault``: the reason for which a unit has no figure, or null."""
    missing, negative = [], []
    # A derived element is named last: what it lacks may stand in the formula itself.
    for name in sorted(definition.formula.elements, key=lambda n: bool(elements[n].derived_from)):
        element = elements[name]
        lacks = (
            pl.col(f"lacks:{definition.key}:{name}")
            if element.stands == "product"
            else pl.col(name).is_null()
        )
        if not element.may_be_absent:
            why = pl.col(f"why:{name}").fill_null(f"missing_element:{name}")
            missing.append(pl.when(lacks).then(why))
        negative.append("negative_element:" + pl.col(f"sign:{name}"))
    negative.extend(
        pl.when(_amount(s, elements) < 0).then(pl.lit(f"negative_element:{s.text.replace(' ', '')}"))
        for s in definition.formula.sums
        if UNKNOWN not in (n for t in s.terms for n in t.elements)
    )
    return totals.with_columns(fault=pl.coalesce([*missing, *negative]))


def _amount(part: Sum, elements: Elements) -> pl.Expr:
    """Return a sum's value without its constant; what may be absent counts as nothing."""
    amount = pl.lit(0.0)
    for place, term in enumerate(part.terms):
        total = pl.col(term.column)
        if any(elements[n].may_be_absent for n in term.elements):
            total = total.fill_null(0.0)
        scaled = total if term.coefficient == 1 else term.coefficient * total
        amount = scaled if place == 0 else amount + scaled
    return amount


def _figures(units: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    formula = definition.formula
    sums = [
        pl.col("sums").list.get(place, null_on_oob=True) + part.constant
        for place, part in enumerate(formula.sums)
    ]
    above, under = sums[: len(formula.above)], sums[len(formula.above) :]
    below = _product(under) if under else pl.lit(1.0)
    zero = pl.any_horizontal([amount == 0 for amount in under] or [pl.lit(value=False)])
    why = pl.coalesce(
        "fault",
        pl.when(pl.col("coverage") < definition.minimum_coverage).then(pl.lit("insufficient_coverage")),
        pl.when(zero).then(pl.lit("zero_denominator")),
    )
    more_than_all = (pl.col("value") > _MOST_OF_A_SHARE) & pl.lit(definition.unit == _SHARE)
    return (
        units.with_columns(
            why=why,
            numerator=formula.scale * _product(above),
            denominator=below if under else pl.lit(None, pl.Float64),
        )
        .with_columns(value=pl.when(pl.col("why").is_null()).then(pl.col("numerator") / below))
        .with_columns(above_one=more_than_all.fill_null(value=False))
        .select(*units.columns, "numerator", "denominator", "value", "why", "above_one")
    )


def _product(factors: Sequence[pl.Expr]) -> pl.Expr:
    return pl.reduce(lambda a, b: a * b, factors)
