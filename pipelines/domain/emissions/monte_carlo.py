"""Uncertainty of sums of emissions: IPCC approach 2 (Monte Carlo), with shared errors.

Belongs here: draws of amounts and factors. Does not belong here: what shares an error (figures), propagation
(uncertainty).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.domain.emissions.lookup import Percent
from pipelines.domain.emissions.uncertainty import Contribution

Draws = NDArray[np.float64]
# 95 % of a normal distribution lie within this many standard deviations.
_SIGMAS = 1.959963984540054


def simulated(contributions: Sequence[Contribution], *, draws: int, seed: int) -> Percent | None:
    """Return the 95 % distances below and above the sum [% of it], by approach 2.

    Amounts and factors are drawn once per activity and group, and multiplied. A range that isn't symmetric is
    two halves of normal distributions that meet at the central value, which is the median: 2.5 % lie below
    the lower and above the upper bound, as the tables define them.

    Args:
        contributions: as for `propagated`.
        draws: how many; 1,000,000 give the distances to about 0.3 % of themselves.
        seed: the same seed gives the same result.

    Source: IPCC 2006 Guidelines, volume 1, chapter 3, section 3.2.3.2.
    """
    total = math.fsum(c.co2e_kg for c in contributions)
    if total == 0 or not all(c.is_known for c in contributions):
        return None
    generator = np.random.default_rng(seed)
    groups = sorted({share.group for c in contributions for share in c.shares})
    errors = {group: generator.standard_normal(draws) for group in groups}
    sums = np.zeros(draws)
    for contribution in contributions:
        amount = _drawn(generator.standard_normal(draws), contribution.amount_sides)
        for share in contribution.shares:
            factor = _drawn(errors[share.group], share.percent or (0.0, 0.0))
            sums += share.co2e_kg * amount * factor
    lower, upper = np.quantile(sums, [0.025, 0.975])
    return (100 * (1 - float(lower) / total), 100 * (float(upper) / total - 1))


def _drawn(error: Draws, percent: Percent) -> Draws:
    """Return relative values of standard normal errors, by one distance below and one above."""
    low, high = percent
    return 1.0 + error * (np.where(error < 0, low, high) / 100 / _SIGMAS)
