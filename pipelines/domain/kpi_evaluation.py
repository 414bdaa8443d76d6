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
from pipelines.domain.sums import exact_sum

ALL_UNITS = "*"
PLANNED, UNKNOWN, GIVEN_COVERAGE = "pbt_s", "unknown_s", "coverage"
FIGURES_SCHEMA = pl.Schema({
    "unit": pl.String(), "kpi": pl.String(), "version": pl.String(), "value": pl.Float64(),
    "reason": pl.String(), "coverage": pl.Float64(), "numerator": pl.Float64(), "denominator": pl.Float64(),
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
        (products of sums where the formula is a product), null where an element is missing.

    Source: ISO 22400-2 (a roll-up sums the elements first and divides last).
    """
    totals = _unit_totals(rows, definitions, elements)
    parts: list[pl.DataFrame] = []
    for place, definition in enumerate(definitions):
        judged = _with_faults(totals, definition, elements)
        frames = [judged] if not rollup or judged.is_empty() else [judged, _rolled_up(judged, definition)]
        parts.extend(
            _figures(frame, definition, elements).with_columns(place=pl.lit(place)) for frame in frames
        )
    if not parts:
        return pl.DataFrame(schema=FIGURES_SCHEMA)
    return pl.concat(parts).sort("number", "place").select(FIGURES_SCHEMA.names())


def _unit_totals(rows: pl.DataFrame, definitions: Sequence[Definition], elements: Elements) -> pl.DataFrame:
    """Sum each unit's elements and products of elements, and note which are missing or negative.

    Returns:
        ``number, unit, coverage``; per element its sum and ``sign:<element>`` (the name of what is negative,
        or null); per product of elements its sum; per definition and product's element ``lacks:...``.
    """
    absent = [n for n in (*elements, GIVEN_COVERAGE) if n not in rows.columns]
    known = rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)
    terms = {t.column: t.elements for d in definitions for s in d.formula.sums for t in s.terms}
    totals = known.group_by("unit", maintain_order=True).agg(
        *(exact_sum(pl.col(name)).alias(name) for name in elements),
        *(
            exact_sum(pl.reduce(lambda a, b: a * b, [pl.col(n) for n in names])).alias(column)
            for column, names in terms.items()
            if len(names) > 1
        ),
        *(pl.when((pl.col(n) < 0).any()).then(pl.lit(n)).alias(f"sign:{n}") for n in elements),
        *(lack for definition in definitions for lack in _lacks(definition, elements)),
        pl.col(GIVEN_COVERAGE).min().fill_null(1.0),
    )
    for element in elements.values():
        if element.derived_from:
            totals = totals.with_columns(_derived(element))
    return totals.with_row_index("number").with_columns(coverage=_coverage())


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
    """Add ``missing`` and ``negative``: the reason for which a unit has no figure, or null."""
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
            missing.append(pl.when(lacks).then(pl.lit(f"missing_element:{name}")))
        negative.append("negative_element:" + pl.col(f"sign:{name}"))
    negative.extend(
        pl.when(_amount(s, elements) < 0).then(pl.lit(f"negative_element:{s.text.replace(' ', '')}"))
        for s in definition.formula.sums
        if UNKNOWN not in (n for t in s.terms for n in t.elements)
    )
    return totals.with_columns(missing=pl.coalesce(missing), negative=pl.coalesce(negative))


def _rolled_up(judged: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    """Sum what the formula needs over the units that have it all: one row, with the reason if none has."""
    whole = pl.col("missing").is_null() & pl.col("negative").is_null()
    columns = {t.column for s in definition.formula.sums for t in s.terms}
    planned = pl.col(PLANNED).fill_null(0.0)
    weight = pl.when(planned.sum() > 0).then(planned).otherwise(1.0)
    covered = weight * pl.col(GIVEN_COVERAGE).fill_null(0.0)
    order = [f"missing_element:{name}" for name in definition.formula.elements]
    first_missing = pl.col("missing").sort_by(
        pl.col("missing").replace_strict(order, range(len(order)), default=len(order)), nulls_last=True
    )
    return judged.select(
        *(exact_sum(pl.col(c).filter(whole)).alias(c) for c in sorted(columns)),
        number=pl.len(),
        unit=pl.lit(ALL_UNITS),
        coverage=exact_sum(covered.filter(whole)).fill_null(0.0) / exact_sum(weight),
        missing=pl.when(~whole.any()).then(first_missing.first()),
        negative=pl.when(~whole.any()).then(pl.col("negative").drop_nulls().first()),
    )


def _amount(part: Sum, elements: Elements) -> pl.Expr:
    """Return a sum's value; what may be absent counts as nothing."""
    amount = pl.lit(part.constant)
    for term in part.terms:
        total = pl.col(term.column)
        if any(elements[n].may_be_absent for n in term.elements):
            total = total.fill_null(0.0)
        amount = amount + term.coefficient * total
    return amount


def _product(parts: Sequence[Sum], elements: Elements) -> pl.Expr:
    return pl.reduce(lambda a, b: a * b, [_amount(part, elements) for part in parts])


def _figures(judged: pl.DataFrame, definition: Definition, elements: Elements) -> pl.DataFrame:
    """Divide, last, and say why where there is nothing to divide."""
    formula = definition.formula
    below = _product(formula.below, elements) if formula.below else pl.lit(1.0)
    zero = pl.any_horizontal([_amount(s, elements) == 0 for s in formula.below] or [pl.lit(False)])
    null_reason = pl.coalesce(
        "missing",
        "negative",
        pl.when(pl.col(GIVEN_COVERAGE) < definition.minimum_coverage).then(pl.lit("insufficient_coverage")),
        pl.when(zero).then(pl.lit("zero_denominator")),
    )
    value = pl.when(pl.col("why").is_null()).then(pl.col("numerator") / below)
    more_than_all = (pl.col("value") > _MOST_OF_A_SHARE) & pl.lit(definition.unit == _SHARE)
    present = pl.col("missing").is_null()
    return (
        judged.with_columns(
            why=null_reason,
            numerator=pl.when(present).then(formula.scale * _product(formula.above, elements)),
            denominator=pl.when(present).then(below) if formula.below else pl.lit(None, pl.Float64),
        )
        .with_columns(value=value)
        .select(
            "number", "unit", "value", "coverage", "numerator", "denominator",
            kpi=pl.lit(definition.kpi),
            version=pl.lit(definition.version),
            reason=pl.coalesce("why", pl.when(more_than_all).then(pl.lit("above_one"))),
        )
    )  # fmt: skip
