"""Sums that don't depend on the order of their parts.

Belongs here: adding floats exactly, with nulls that stay nulls. Does not belong here: what is added.
"""

import math
from collections.abc import Iterable

import polars as pl


def exact_total(values: Iterable[float | None]) -> float | None:
    """Add what is known, correctly rounded and in any order the same; null if nothing is known."""
    known = [v for v in values if v is not None]
    return math.fsum(known) if known else None


def exact_sum(expression: pl.Expr) -> pl.Expr:
    """Aggregate a group by `exact_total`: null if nothing in the group is known."""
    return expression.cast(pl.Float64).implode().map_elements(exact_total, return_dtype=pl.Float64)


def exact_totals(lists: pl.Series) -> pl.Series:
    """Return `exact_total` of each list: what a group's parts add up to, when they have been gathered."""
    return pl.Series(lists.name, [exact_total(values or ()) for values in lists.to_list()], dtype=pl.Float64)
