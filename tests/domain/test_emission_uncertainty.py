"""Uncertainty of sums: closed forms, and draws that agree with them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.emissions.lookup import Percent
from pipelines.domain.emissions.monte_carlo import simulated
from pipelines.domain.emissions.uncertainty import Contribution, FactorShare, propagated

DRAWS = 1_000_000


def factory(
    amount: float | None, factor: Percent | None, group: str = "grid", co2e: float = 100.0
) -> Contribution:
    return Contribution(amount, (FactorShare(group, co2e, factor),))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.floats(0, 50), st.floats(0, 50))
def test_equal_factories_under_one_factor(n: int, a: float, f: float) -> None:
    low, high = propagated([factory(a, (f, f))] * n) or (math.nan, math.nan)
    assert low == high == pytest.approx(math.sqrt(a**2 / n + f**2), rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.floats(0, 50), st.floats(0, 50))
def test_equal_factories_each_under_a_factor_of_its_own(n: int, a: float, f: float) -> None:
    independent = [factory(a, (f, f), group=str(number)) for number in range(n)]
    low, _ = propagated(independent) or (math.nan, math.nan)
    assert low == pytest.approx(math.sqrt((a**2 + f**2) / n), rel=1e-9, abs=1e-12)


def test_a_factor_that_nobody_knows_makes_the_sum_unknown_unless_nothing_is_emitted() -> None:
    assert propagated([factory(3, (4, 4)), factory(3, None)]) is None
    assert propagated([factory(3, (4, 4)), factory(3, None, co2e=0.0)]) == (5.0, 5.0)
    assert propagated([factory(3, (4, 4), co2e=0.0)]) is None
    assert propagated([]) is None
    assert simulated([factory(3, None)], draws=10, seed=1) is None


@pytest.mark.parametrize(
    "contributions",
    [
        # one meter of 5 % and one factor of 5 %
        [factory(5, (5, 5))],
        # 20 % meters, independent; one factor of 20 %
        [factory(20, (20, 20))] * 12,
        # only amounts; only a factor
        [factory(20, (0, 0))] * 4,
        [factory(0, (20, 20))] * 4,
        # two groups and unequal factories
        [factory(10, (20, 20), "a", 50), factory(20, (5, 5), "a", 200), factory(5, (15, 15), "b", 120)],
    ],
)
def test_draws_agree_with_propagation_where_ranges_are_symmetric(contributions: list[Contribution]) -> None:
    expected = propagated(contributions)
    drawn = simulated(contributions, draws=DRAWS, seed=20251111)
    assert expected is not None
    assert drawn is not None
    # Products of two errors skew the interval a little: its width is what propagation tells.
    assert sum(drawn) / 2 == pytest.approx(expected[0], rel=0.005)


@pytest.mark.parametrize(
    "contributions",
    [
        # IPCC: natural gas CO2 -3.21 +3.92, coke oven gas -15.99 +21.85, lignite -10 +13.86, peat -5.66 +1.89
        [factory(2, (3.21, 3.92))],
        [factory(5, (15.99, 21.85))],
        [factory(5, (10, 13.86))] * 6,
        [factory(1, (5.66, 1.89))],
        [factory(5, (15.99, 21.85), "cog", 40), factory(5, (10, 13.86), "lignite", 60)],
    ],
)
def test_draws_are_near_the_quadrature_of_skewed_ranges_and_skew_the_same_way(
    contributions: list[Contribution],
) -> None:
    low, high = propagated(contributions) or (math.nan, math.nan)
    drawn_low, drawn_high = simulated(contributions, draws=DRAWS, seed=7) or (math.nan, math.nan)
    assert drawn_low == pytest.approx(low, rel=0.15)
    assert drawn_high == pytest.approx(high, rel=0.15)
    assert (drawn_high > drawn_low) == (high > low)


def test_the_same_seed_draws_the_same_and_the_order_of_factories_of_one_group_is_free() -> None:
    some = [factory(5, (5, 5), co2e=70.0), factory(10, (5, 5), co2e=30.0)]
    assert simulated(some, draws=1000, seed=3) == simulated(some, draws=1000, seed=3)
    assert simulated(some, draws=1000, seed=3) != simulated(some, draws=1000, seed=4)
    assert propagated(some) == propagated(some[::-1])


def test_the_two_sides_of_an_amount_are_propagated_apart() -> None:
    # sqrt(60^2 + 4^2) and sqrt(160^2 + 4^2); of two equal ones amounts / sqrt(2), the shared factor as it is
    one = Contribution(160.0, (FactorShare("grid", 100.0, (4.0, 4.0)),), 60.0)
    assert propagated([one]) == pytest.approx((math.hypot(60, 4), math.hypot(160, 4)), rel=1e-12)
    two = propagated([one, one])
    assert two == pytest.approx((math.hypot(60 / 2**0.5, 4), math.hypot(160 / 2**0.5, 4)), rel=1e-12)


def test_draws_of_an_amount_keep_its_two_sides() -> None:
    one = Contribution(160.0, (FactorShare("grid", 100.0, (0.0, 0.0)),), 60.0)
    assert simulated([one], draws=200_000, seed=1) == pytest.approx((60.0, 160.0), rel=0.02)
