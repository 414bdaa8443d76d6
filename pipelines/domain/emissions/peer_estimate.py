"""Electricity of a factory without a meter, estimated from what is released of its peers.

Belongs here: a released benchmark and an output -> kWh with a prediction interval, or why there is none. Does
not belong here: which groups a factory has (peer_groups), reading the ledger (pipelines.jobs), what the kWh
emit.

Only released, rounded figures enter, never a peer's value: an interval made of unpublished values would give
them away. The estimate therefore is a function of what everybody in the cluster may know and the factory's
own output.

Intensities (kWh per unit) of like factories are taken as log-normal. Then

    point = median
    low, high = (median - h) / ratio^k, (median + h) x ratio^k,   ratio = (upper + h) / (lower - h)

with the released quartiles, or else thirds, and h half a step of the public grid: whatever was rounded off is
within the interval. k is the 97.5 % quantile of (ln x - ln median) / (ln upper - ln lower) for one more
factory x, which depends on no parameter of the distribution, only on how many holdings the quantiles are of.
That number isn't released, but that there are quartiles says that it is at least 18, and thirds at least 9; k
is the largest over all numbers from there on (at 18, and at 10), found by simulation and rounded up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

KPI: Final = "energy_kwh_per_unit"
NO_BENCHMARK, QUARTILES_MISSING = "no_benchmark", "quartiles_missing"
TOO_FEW_PEERS, GRID_TOO_COARSE = "too_few_peers", "grid_too_coarse"
NO_OUTPUT = "no_output"

Spread = Literal["quartiles", "thirds"]
MULTIPLES: Final[Mapping[Spread, float]] = {"quartiles": 1.9, "thirds": 4.75}
"""Of 18 and of 9 holdings or more: how many distances between the quantiles hold 95 %, to each side."""


@dataclass(frozen=True)
class PeerBenchmark:
    """The released kWh per unit of a peer group and month; of what is not published, nothing is known.

    Args:
        figure_id: as in the release ledger.
        revision: of the figure.
        status: published, withheld, not_estimable, insufficient_coverage.
        statistic: order_statistic, or ratio_of_sums of fewer than 5 holdings.
        median: [kWh/unit], on the grid.
        quartiles: P25 and P75 [kWh/unit]; null: not released.
        thirds: P33 and P67 [kWh/unit]; null: not released.
        grid_step: of the public grid [kWh/unit].
        provisional: whether it may still change by itself.
    """

    figure_id: str
    revision: int
    status: str
    statistic: str
    median: float | None
    quartiles: tuple[float, float] | None
    thirds: tuple[float, float] | None
    grid_step: float | None
    provisional: bool

    @property
    def name(self) -> str:
        """Return the id of the very revision: what an estimate leads back to."""
        return f"{self.figure_id}@{self.revision}"


@dataclass(frozen=True)
class Output:
    """What a factory made in a month.

    Args:
        start: first local date that is known.
        end: first local date after the last one.
        quantity: [unit of its product class].
        provisional: whether a day of it is not final.
        days_counted: local dates with counts; null: not counted, somebody told the quantity.
    """

    start: date
    end: date
    quantity: float
    provisional: bool = False
    days_counted: int | None = None


@dataclass(frozen=True)
class PeerEstimate:
    """The electricity that a factory is estimated to have used.

    Args:
        energy_kwh: median of like factories; half of them used less for the same output.
        energy_low_kwh: lower end of the 95 % prediction interval for this one factory.
        energy_high_kwh: upper end.
        kwh_per_unit: the released median [kWh/unit].
        basis: the figure and its revision.
        spread: between which released quantiles the interval was made.
        provisional: whether figure or output may still change by itself.
    """

    energy_kwh: float
    energy_low_kwh: float
    energy_high_kwh: float
    kwh_per_unit: float
    basis: str
    spread: Spread
    provisional: bool

    @property
    def low_pct(self) -> float:
        """Distance to the lower end [% of energy_kwh]; the same for every output."""
        return 100.0 * (1.0 - self.energy_low_kwh / self.energy_kwh)

    @property
    def high_pct(self) -> float:
        """Distance to the upper end [% of energy_kwh]."""
        return 100.0 * (self.energy_high_kwh / self.energy_kwh - 1.0)


@dataclass(frozen=True)
class Refusal:
    """That there is no estimate.

    Args:
        reasons: codes, of the closest group first.
    """

    reasons: tuple[str, ...]


def benchmark_of(row: Mapping[str, Any]) -> PeerBenchmark:
    """Return the benchmark that a row of the table releases is (a level of KPI of a month)."""
    quartiles, thirds = (
        None if None in {row[low], row[high]} else (row[low], row[high])
        for low, high in (("p25", "p75"), ("p33", "p67"))
    )
    return PeerBenchmark(
        row["figure_id"], row["revision"], row["status"], row["statistic"], row["value"], quartiles, thirds,
        row["grid_step"], row["provisional"],
    )  # fmt: skip


def closest_estimate(output: Output | None, benchmarks: Sequence[PeerBenchmark]) -> PeerEstimate | Refusal:
    """Return the estimate by the first benchmark that carries one.

    Args:
        output: of the factory; null: nobody knows it.
        benchmarks: of the groups that the factory is in, the closest peers first.

    Returns:
        The estimate, or why there is none: `no_output` (not known, or nothing was made), `no_benchmark` (no
        figure was released for the month), and of each figure in turn `benchmark_<status>`, `too_few_peers`
        (fewer than 5 holdings), `quartiles_missing` (fewer than 9), `grid_too_coarse` (half a step reaches
        zero).
    """
    if output is None or output.quantity <= 0:
        return Refusal((NO_OUTPUT,))
    reasons: list[str] = []
    for benchmark in benchmarks:
        found = estimate(output, benchmark)
        if isinstance(found, PeerEstimate):
            return found
        reasons += found.reasons
    return Refusal(tuple(dict.fromkeys(reasons)) or (NO_BENCHMARK,))


def estimate(output: Output, benchmark: PeerBenchmark) -> PeerEstimate | Refusal:
    """Return the estimate by one benchmark; the formulas stand at the head of this module.

    Args:
        output: more than nothing.
        benchmark: of the factory's group, month and product class.
    """
    if benchmark.status != "published" or benchmark.median is None or benchmark.grid_step is None:
        return Refusal((f"benchmark_{benchmark.status}",))
    if benchmark.statistic != "order_statistic":
        return Refusal((TOO_FEW_PEERS,))
    spread: Spread = "quartiles" if benchmark.quartiles is not None else "thirds"
    ends = benchmark.quartiles or benchmark.thirds
    if ends is None:
        return Refusal((QUARTILES_MISSING,))
    half = benchmark.grid_step / 2
    lower, upper = ends
    if lower - half <= 0:
        return Refusal((GRID_TOO_COARSE,))
    widened = ((upper + half) / (lower - half)) ** MULTIPLES[spread]
    return PeerEstimate(
        energy_kwh=benchmark.median * output.quantity,
        energy_low_kwh=(benchmark.median - half) / widened * output.quantity,
        energy_high_kwh=(benchmark.median + half) * widened * output.quantity,
        kwh_per_unit=benchmark.median,
        basis=benchmark.name,
        spread=spread,
        provisional=benchmark.provisional or output.provisional,
    )
