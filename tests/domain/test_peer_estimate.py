"""Estimates from peers: hand arithmetic, refusals, what holds for all inputs, how often they are right."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.disclosure.ledger import RELEASE_SCHEMA, append_entries
from pipelines.domain.emissions.peer_estimate import (
    KPI,
    Output,
    PeerBenchmark,
    PeerEstimate,
    Refusal,
    benchmark_of,
    closest_estimate,
    estimate,
)
from pipelines.domain.order_statistics import order_statistics
from tests.domain.comparing import NIGHT, cluster, night, row

NOVEMBER = Output(date(2025, 11, 1), date(2025, 12, 1), 1000.0)
FIGURE = PeerBenchmark(
    "park/process/casting/month/2025-11-01/energy_kwh_per_unit@1", 2, "published", "order_statistic",
    1.0, (0.8, 1.25), (0.9, 1.1), 0.05, provisional=False,
)  # fmt: skip


def estimated(output: Output = NOVEMBER, figure: PeerBenchmark = FIGURE) -> PeerEstimate:
    found = estimate(output, figure)
    assert isinstance(found, PeerEstimate)
    return found


def refused(output: Output | None = NOVEMBER, *figures: PeerBenchmark) -> tuple[str, ...]:
    found = closest_estimate(output, figures)
    assert isinstance(found, Refusal)
    return found.reasons


def test_quartiles_and_the_grid_make_the_interval_as_by_hand() -> None:
    # h = 0.025: ratio 1.275 / 0.775 = 1.6451613; ^1.9 = exp(1.9 x 0.4978385) = exp(0.9458932) = 2.5751117
    found = estimated()
    assert found.energy_kwh == 1000.0
    assert found.energy_low_kwh == pytest.approx(975.0 / 2.5751117, rel=1e-6)
    assert found.energy_high_kwh == pytest.approx(1025.0 * 2.5751117, rel=1e-6)
    assert (found.low_pct, found.high_pct) == pytest.approx((62.1376, 163.9489), abs=1e-3)
    assert (found.spread, found.basis) == ("quartiles", f"{FIGURE.figure_id}@2")


def test_thirds_stand_in_for_quartiles_and_say_less() -> None:
    # ratio 1.125 / 0.875 = 1.2857143; ^4.75 = exp(4.75 x 0.2513144) = exp(1.1937435) = 3.2994090
    found = estimated(figure=replace(FIGURE, quartiles=None))
    assert found.spread == "thirds"
    assert found.energy_low_kwh == pytest.approx(975.0 / 3.299409, rel=1e-6)
    assert found.energy_high_kwh == pytest.approx(1025.0 * 3.299409, rel=1e-6)


def test_peers_that_are_rounded_to_one_value_still_leave_an_interval() -> None:
    found = estimated(figure=replace(FIGURE, quartiles=(1.0, 1.0)))
    assert found.energy_low_kwh < 975.0
    assert found.energy_high_kwh > 1025.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "withheld", "median": None, "grid_step": None}, "benchmark_withheld"),
        ({"status": "not_estimable", "median": None, "grid_step": None}, "benchmark_not_estimable"),
        ({"status": "insufficient_coverage", "median": None}, "benchmark_insufficient_coverage"),
        ({"statistic": "ratio_of_sums", "quartiles": None, "thirds": None}, "too_few_peers"),
        ({"quartiles": None, "thirds": None}, "quartiles_missing"),
        ({"quartiles": (0.05, 1.25), "grid_step": 0.1}, "grid_too_coarse"),
    ],
)
def test_what_carries_no_estimate_is_refused_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    assert refused(NOVEMBER, replace(FIGURE, **changes)) == (reason,)


def test_without_output_or_benchmark_nothing_is_guessed() -> None:
    assert refused(None, FIGURE) == ("no_output",)
    assert refused(replace(NOVEMBER, quantity=0.0), FIGURE) == ("no_output",)
    assert refused(NOVEMBER) == ("no_benchmark",)


def test_the_closest_group_that_carries_an_estimate_counts_and_a_refusal_names_all() -> None:
    withheld = replace(FIGURE, figure_id="near", status="withheld", median=None)
    few = replace(FIGURE, figure_id="far", quartiles=None, thirds=None)
    found = closest_estimate(NOVEMBER, [withheld, FIGURE, few])
    assert isinstance(found, PeerEstimate)
    assert found.basis.startswith("park/process/casting/")
    assert refused(NOVEMBER, withheld, few, withheld) == ("benchmark_withheld", "quartiles_missing")


def test_an_open_output_or_figure_makes_the_estimate_provisional() -> None:
    assert not estimated().provisional
    assert estimated(replace(NOVEMBER, provisional=True)).provisional
    assert estimated(figure=replace(FIGURE, provisional=True)).provisional


def test_a_row_of_the_ledger_is_read_as_it_is_released() -> None:
    entry = dict.fromkeys(RELEASE_SCHEMA) | {
        "figure_id": "f", "revision": 3, "status": "published", "statistic": "order_statistic", "value": 1.5,
        "p33": 1.4, "p67": 1.7, "p25": 1.2, "grid_step": 0.1, "provisional": False,
    }  # fmt: skip
    assert benchmark_of(entry) == PeerBenchmark(
        "f", 3, "published", "order_statistic", 1.5, None, (1.4, 1.7), 0.1, provisional=False
    )


@pytest.mark.parametrize(
    ("holdings", "expected"),
    [(4, "too_few_peers"), (8, "quartiles_missing"), (9, "thirds"), (18, "quartiles")],
)
def test_a_month_as_the_gate_releases_it_carries_as_much_as_its_holdings_do(
    holdings: int, expected: str
) -> None:
    who = cluster("abcdefghijklmnopqr"[:holdings])
    month = {"day": date(2025, 11, 1), "period": "month"}
    rows = [row(n, KPI, 700.0 + 50 * n, 1000.0, **month) for n in range(holdings)]
    december = NIGHT + timedelta(days=30)
    released = night(rows, who, (date(2025, 11, 1), "month"), known_at=december)
    entered = append_entries(pl.DataFrame(schema=RELEASE_SCHEMA), released.figures, december)
    figure_id = f"demo/process/forming/month/2025-11-01/{KPI}@1"
    found = estimate(
        NOVEMBER, benchmark_of(entered.row(by_predicate=pl.col("figure_id") == figure_id, named=True))
    )
    if isinstance(found, Refusal):
        assert found.reasons == (expected,)
    else:
        assert found.spread == expected
        # The middle of 0.70, 0.75 ...: 0.90 of nine, (1.10 + 1.15) / 2 -> 1.10 of eighteen (half to even).
        assert found.energy_kwh == {9: 900.0, 18: 1100.0}[holdings]


steps = st.sampled_from([0.01, 0.05, 0.5, 20.0])


@st.composite
def figures(draw: st.DrawFn) -> PeerBenchmark:
    """Draw a figure whose quantiles are multiples of its step."""
    step = draw(steps)
    low, median, high = sorted(draw(st.tuples(*[st.integers(1, 60)] * 3)))
    ends = (low * step, high * step)
    if draw(st.booleans()):
        return replace(FIGURE, median=median * step, quartiles=ends, grid_step=step)
    return replace(FIGURE, median=median * step, quartiles=None, thirds=ends, grid_step=step)


@settings(max_examples=100, deadline=None)
@given(figures(), st.floats(1e-3, 1e9))
def test_output_in_another_unit_gives_the_same_energy(figure: PeerBenchmark, quantity: float) -> None:
    # 1,000 g at 1/1,000 kWh/g are 1 kg at 1 kWh/kg, interval and all.
    assert figure.median is not None
    assert figure.grid_step is not None

    def per_gram(ends: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if ends is None else (ends[0] / 1000, ends[1] / 1000)

    grams = replace(
        figure,
        median=figure.median / 1000,
        quartiles=per_gram(figure.quartiles),
        thirds=per_gram(figure.thirds),
        grid_step=figure.grid_step / 1000,
    )
    one = estimated(replace(NOVEMBER, quantity=quantity), figure)
    other = estimated(replace(NOVEMBER, quantity=quantity * 1000), grams)
    assert [one.energy_low_kwh, one.energy_kwh, one.energy_high_kwh] == pytest.approx(
        [other.energy_low_kwh, other.energy_kwh, other.energy_high_kwh], rel=1e-9
    )


@settings(max_examples=100, deadline=None)
@given(figures(), st.floats(1e-3, 1e9), st.floats(1.001, 1e3))
def test_more_output_means_more_energy_at_the_same_relative_distance(
    figure: PeerBenchmark, quantity: float, times: float
) -> None:
    less = estimated(replace(NOVEMBER, quantity=quantity), figure)
    more = estimated(replace(NOVEMBER, quantity=quantity * times), figure)
    assert 0 < less.energy_low_kwh < less.energy_kwh < less.energy_high_kwh
    assert more.energy_low_kwh > less.energy_low_kwh
    assert more.energy_kwh > less.energy_kwh
    assert more.energy_high_kwh > less.energy_high_kwh
    assert (more.low_pct, more.high_pct) == pytest.approx((less.low_pct, less.high_pct), rel=1e-9)


def share_covered(holdings: int, sigma: float, step: float, trials: int = 1500) -> float:
    """Release log-normal peers of median 1 as the nights do, and predict one more factory."""
    generator = np.random.default_rng(20251101)
    hits = 0
    for values in np.exp(generator.normal(0.0, sigma, (trials, holdings + 1))).tolist():
        hits += _holds(values[:-1], values[-1], step)
    return hits / trials


def _holds(peers: Sequence[float], newcomer: float, step: float) -> bool:
    released = order_statistics(peers, step)
    ends = [(a, b) if a is not None and b is not None else None for a, b in (
        (released.p25, released.p75), (released.p33, released.p67),
    )]  # fmt: skip
    figure = replace(FIGURE, median=released.value, quartiles=ends[0], thirds=ends[1], grid_step=step)
    found = estimated(replace(NOVEMBER, quantity=1.0), figure)
    return found.energy_low_kwh <= newcomer <= found.energy_high_kwh


@pytest.mark.parametrize("holdings", [9, 10, 18, 40])
def test_the_interval_holds_the_next_factory_95_times_in_100(holdings: int) -> None:
    # A grid so fine that only k counts. Of 1,500 trials at 95 % one standard deviation is 0.6 %.
    assert share_covered(holdings, 0.3, 0.001) >= 0.94


@pytest.mark.parametrize("holdings", [10, 18])
def test_a_coarse_grid_makes_it_wider_and_never_wrong(holdings: int) -> None:
    assert share_covered(holdings, 0.1, 0.05) >= 0.95


def test_the_median_is_what_half_of_like_factories_use_not_their_mean() -> None:
    # The mean of a log-normal is exp(s^2 / 2) above it: 8 % at a spread of s = 0.4.
    values = np.exp(np.random.default_rng(1).normal(0.0, 0.4, 200_000))
    assert float(np.mean(values > 1.0)) == pytest.approx(0.5, abs=0.005)
    assert float(np.mean(values)) == pytest.approx(math.exp(0.08), rel=0.01)
