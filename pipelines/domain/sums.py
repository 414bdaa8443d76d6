"""Sums that don't depend on the order of their parts.

Belongs here: adding floats exactly, with nulls that stay nulls. Does not belong here: what is added.
"""

import math
from collections.abc import Iterable

import polars as pl

_ROUNDED_AT_ONCE = 2


def exact_total(values: Iterable[float | None]) -> float | None:
    """Add what is known, correctly rounded and in any order the same; null if nothing is known."""
    known = [v for v in values if v is not None]
    return math.fsum(known) if known else None


def exact_sum(expression: pl.Expr) -> pl.Expr:
    """Aggregate a group by `exact_total`: null if nothing in the group is known."""
    return expression.cast(pl.Float64).implode().map_elements(exact_total, return_dtype=pl.Float64)


def exact_totals(lists: pl.Series) -> pl.Series:
    """Return `exact_total` of each list: what a group's parts add up to, when they have been gathered.

    Only lists of three and more are added one by one: the sum of two floats is correctly rounded already.
    """
    parts = lists.list.drop_nulls()
    long = parts.list.len() > _ROUNDED_AT_ONCE
    added = [math.fsum(values) for values in parts.filter(long).to_list()]
    sums = pl.repeat(None, lists.len(), dtype=pl.Float64, eager=True).scatter(long.arg_true(), added)
    first, second = parts.list.get(0, null_on_oob=True), parts.list.get(1, null_on_oob=True)
    short = first + second.fill_null(0.0)
    return pl.select(pl.coalesce(sums, short)).to_series().alias(lists.name)
