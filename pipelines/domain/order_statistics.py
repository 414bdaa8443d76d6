"""The middle of few: quantiles over holdings, and intervals of ranks that hold for any distribution.

Belongs here: values of holdings -> what may be said of their order, rounded to a public grid. Does not belong
here: one value per holding (benchmarks), whether a figure may be published (disclosure). Nothing leaves this
module that is not rounded: an odd median, or a quartile of 5, 9, 13, is one firm's value.

Sources: Hyndman and Fan, Sample quantiles in statistical packages (1996), type 7; David and Nagaraja, Order
Statistics (2003), 7.1 (intervals between order statistics).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb, floor
from typing import Final, NamedTuple

from pipelines.domain.rounding import exactly, round_down, round_to_grid, round_up

# Of fewer holdings the middle values are too much a firm's own: there is no order statistic.
LEAST_HOLDINGS: Final = 5
# From here on a member may be placed in a third, and a median has an interval.
LEAST_FOR_THIRDS: Final = 9
_CONFIDENCE: Final = Fraction(95, 100)
_MEDIAN: Final = Fraction(1, 2)


class Ranks(NamedTuple):
    """Ranks r < s, from 1: the r-th and the s-th smallest value enclose a quantile."""

    r: int
    s: int


@dataclass(frozen=True)
class OrderStatistics:
    """What may be published of the order of holdings' values, all on the public grid; null: too few holdings.

    Args:
        value: median.
        interval_low: lower end of its interval of 95 %, rounded outward.
        interval_high: upper end of it.
        p25: first quartile; only with an interval.
        p25_low: lower end of its interval.
        p25_high: upper end of it.
        p33: first third.
        p67: second third.
        p75: third quartile; only with an interval.
        p75_low: lower end of its interval.
        p75_high: upper end of it.
    """

    value: float
    interval_low: float | None
    interval_high: float | None
    p25: float | None
    p25_low: float | None
    p25_high: float | None
    p33: float | None
    p67: float | None
    p75: float | None
    p75_low: float | None
    p75_high: float | None


def order_statistics(values: Sequence[float], step: float) -> OrderStatistics:
    """Return the median, quartiles and thirds of holdings' values, as far as their number carries them.

    The median from 5 holdings on, its interval from 9, the thirds from 9 (without an interval), the quartiles
    from 18 with theirs. Quantiles are of type 7, rounded half-even; ends of intervals are rounded outward.

    Args:
        values: one per holding, in any order [unit of the KPI].
        step: of the public grid [same unit].

    Raises:
        ValueError: fewer than 5 values.
    """
    if len(values) < LEAST_HOLDINGS:
        raise ValueError(f"there is no order statistic of {len(values)} values")
    ordered = sorted(exactly(value) for value in values)
    low, high = _interval(ordered, _MEDIAN, step)
    first, third = (_quartile(ordered, p, step) for p in (Fraction(1, 4), Fraction(3, 4)))
    carries = len(ordered) >= LEAST_FOR_THIRDS
    lower, upper = (
        _quantile(ordered, p, step) if carries else None for p in (Fraction(1, 3), Fraction(2, 3))
    )
    centre = _quantile(ordered, _MEDIAN, step)
    return OrderStatistics(centre, low, high, *first, lower, upper, *third)


@cache
def interval_ranks(n: int, p: Fraction) -> Ranks | None:
    """Return the narrowest ranks that enclose a quantile with a probability of at least 95 %.

    Neither the smallest nor the largest value is an end: r >= 2 and s <= n - 1. Of equally narrow ranks those
    of the higher probability, then those of the smaller r. Exact: the probability that the quantile p lies
    between the r-th and the s-th of n values is the sum of C(n, k) p^k (1 - p)^(n - k) for r <= k < s.

    Args:
        n: number of values.
        p: the quantile, between 0 and 1.

    Returns:
        The ranks; null: no ranks are enough.
    """
    weights = [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    for width in range(1, n - 2):
        coverage, r = max((sum(weights[r : r + width]), -r) for r in range(2, n - width))
        if coverage >= _CONFIDENCE:
            return Ranks(-r, width - r)
    return None


def _interval(ordered: Sequence[Fraction], p: Fraction, step: float) -> tuple[float | None, float | None]:
    ranks = interval_ranks(len(ordered), p)
    if ranks is None:
        return None, None
    return round_down(ordered[ranks.r - 1], step), round_up(ordered[ranks.s - 1], step)


def _quartile(
    ordered: Sequence[Fraction], p: Fraction, step: float
) -> tuple[float | None, float | None, float | None]:
    low, high = _interval(ordered, p, step)
    return (None if low is None else _quantile(ordered, p, step)), low, high


def _quantile(ordered: Sequence[Fraction], p: Fraction, step: float) -> float:
    """Return the quantile of type 7 on the grid."""
    place = (len(ordered) - 1) * p
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    exact = ordered[below] + (place - below) * (ordered[above] - ordered[below])
    return round_to_grid(exact, step)
