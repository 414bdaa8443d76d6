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
