"""The middle of few: against a brute force of its own, and the anchors of the method page."""

import itertools
import math
from dataclasses import asdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.order_statistics import OrderStatistics, interval_ranks, order_statistics
from pipelines.domain.rounding import round_to_grid

HALF, QUARTER, THREE_QUARTERS = Fraction(1, 2), Fraction(1, 4), Fraction(3, 4)


def coverage(n: int, r: int, s: int, p: Fraction) -> Fraction:
    """Add up in whole numbers: at least r and fewer than s of n values lie below the quantile."""
    a, b = p.numerator, p.denominator
    ways = sum(math.comb(n, k) * a**k * (b - a) ** (n - k) for k in range(r, s))
    return Fraction(ways, b**n)


def brute_force(n: int, p: Fraction) -> tuple[int, int] | None:
    pairs = [(r, s) for r, s in itertools.combinations(range(2, n), 2) if 20 * coverage(n, r, s, p) >= 19]
    return min(pairs, key=lambda rs: (rs[1] - rs[0], -coverage(n, *rs, p), rs[0]), default=None)


@pytest.mark.parametrize("p", [HALF, QUARTER, THREE_QUARTERS, Fraction(9, 10)], ids=str)
def test_ranks_are_the_narrowest_that_hold(p: Fraction) -> None:
    for n in range(3, 41):
        assert interval_ranks(n, p) == brute_force(n, p), n


def test_the_first_numbers_of_holdings_that_carry_an_interval() -> None:
    # 9 holdings, ranks 2 and 8: 1 - 2 (1 + 9) / 512 = 96.1 %; 8, ranks 2 and 7: 1 - 2 (1 + 8) / 256 = 93.0 %
    assert interval_ranks(9, HALF) == (2, 8)
    assert interval_ranks(8, HALF) is None
    assert [interval_ranks(17, q) for q in (QUARTER, THREE_QUARTERS)] == [None, None]
    assert [interval_ranks(18, q) for q in (QUARTER, THREE_QUARTERS)] == [(2, 10), (9, 17)]
    assert {interval_ranks(n, Fraction(9, 10)) for n in range(3, 41)} == {None}


@pytest.mark.parametrize("n", range(5, 41))
def test_what_a_number_of_holdings_carries(n: int) -> None:
    found = asdict(order_statistics([float(k) for k in range(n)], 0.5))
    known = {name for name, value in found.items() if value is not None}
    thirds, quartiles = {"p33", "p67"}, {f"{q}{end}" for q in ("p25", "p75") for end in ("", "_low", "_high")}
    assert known == (
        {"value"}
        | ({"interval_low", "interval_high", *thirds} if n >= 9 else set())
        | (quartiles if n >= 18 else set())
    )


@pytest.mark.parametrize("n", [0, 1, 4])
def test_there_is_none_of_fewer_than_five(n: int) -> None:
    with pytest.raises(ValueError, match="no order statistic"):
        order_statistics([1.0] * n, 0.05)


def test_nine_holdings_by_hand() -> None:
    # Sorted: 0.41 0.52 0.58 0.63 0.675 0.71 0.77 0.82 0.96. The median 0.675 lies between 0.65 and 0.70: ties
    # to the even point, 14 x 0.05. Ranks 2 and 8: 0.52 down to 0.50, 0.82 up to 0.85. P33 at 8/3 = 2.667:
    # 0.58 + 2/3 x 0.05 = 0.613 -> 0.60; P67 at 16/3 = 5.333: 0.71 + 1/3 x 0.06 = 0.73 -> 0.75
    values = [0.82, 0.41, 0.63, 0.96, 0.52, 0.71, 0.58, 0.77, 0.675]
    assert order_statistics(values, 0.05) == OrderStatistics(
        0.7, 0.5, 0.85, None, None, None, 0.6, 0.75, None, None, None
    )


def test_eighteen_holdings_by_hand() -> None:
    # 1 .. 18: P25 at 4.25 -> 5.25 -> 5; its ranks 2 and 10; P75 at 12.75 -> 13.75 -> 14; ranks 9 and 17.
    # Median 9.5 -> 10 (even), ranks 5 and 14. P33 at 17/3 -> 6.667 -> 7; P67 at 34/3 -> 12.333 -> 12
    found = order_statistics([float(k) for k in range(18, 0, -1)], 1.0)
    assert found == OrderStatistics(10.0, 5.0, 14.0, 5.0, 2.0, 10.0, 7.0, 12.0, 14.0, 9.0, 17.0)


@given(
    st.lists(st.floats(0, 100, allow_subnormal=False), min_size=5, max_size=40),
    st.sampled_from([0.05, 0.1, 1.0, 20.0, 0.00002]),
)
@settings(max_examples=60, deadline=None)
def test_everything_lies_on_the_grid_and_intervals_hold_their_centre(
    values: list[float], step: float
) -> None:
    found = order_statistics(values, step)
    known = [v for v in asdict(found).values() if v is not None]
    assert [round_to_grid(v, step) for v in known] == known
    for centre, low, high in (
        (found.value, found.interval_low, found.interval_high),
        (found.p25, found.p25_low, found.p25_high),
        (found.p75, found.p75_low, found.p75_high),
    ):
        assert low is None or (high is not None and centre is not None and low <= centre <= high)
