"""Uncertainty of sums of emissions: IPCC approach 1 (propagation).

Belongs here: 95 % distances below and above a sum whose parts share errors. Does not belong here: which rows
share a factor (figures), draws (monte_carlo), reading.

Amounts err independently; parts of one factor group err together. With E_i the emissions, a_i the distance of
the amount and f_i that of the factor, for the low and the high side apart:

    u^2 = (sum_i (E_i a_i)^2 + sum_g (sum_{i in g} E_i f_i)^2) / E^2

n equal factories with independent meters of +-a % under one factor of +-f % thus have sqrt(a^2/n + f^2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.domain.emissions.lookup import Percent


@dataclass(frozen=True)
class FactorShare:
    """A part of an activity's emissions under one factor.

    Args:
        group: parts of one group share the factor's error.
        co2e_kg: the part [kg CO2e].
        percent: 95 % distances of the factor [%]; null: not known.
    """

    group: str
    co2e_kg: float
    percent: Percent | None


@dataclass(frozen=True)
class Contribution:
    """The emissions of one activity.

    Args:
        amount_percent: 95 % half-width of the amount [%]; null: nobody stated it, it adds nothing.
        shares: its parts by factor; at least one.
        amount_low_percent: the distance below, where it is another than above [%]; null: it isn't.
    """

    amount_percent: float | None
    shares: tuple[FactorShare, ...]
    amount_low_percent: float | None = None

    @property
    def amount_sides(self) -> Percent:
        """95 % distances of the amount below and above [%]; 0 where nobody stated them."""
        above = self.amount_percent or 0.0
        return (above if self.amount_low_percent is None else self.amount_low_percent, above)

    @property
    def co2e_kg(self) -> float:
        """Emissions of the activity [kg CO2e]."""
        return math.fsum(share.co2e_kg for share in self.shares)

    @property
    def is_known(self) -> bool:
        """Say whether the uncertainty of each factor is known that emits anything."""
        return all(share.percent is not None or share.co2e_kg == 0 for share in self.shares)

    @property
    def is_stated(self) -> bool:
        """Say whether anything at all is said of the uncertainty: of the amount, or of a factor that errs."""
        return self.is_known and (
            self.amount_percent is not None or any(any(share.percent or ()) for share in self.shares)
        )


def propagated(contributions: Sequence[Contribution]) -> Percent | None:
    """Return the 95 % distances below and above the sum [% of it], by approach 1.

    Null: a factor's uncertainty is not known, or the sum is zero.

    Source: IPCC 2006 Guidelines, volume 1, chapter 3, equations 3.1 and 3.2, with correlation within groups.
    """
    total = math.fsum(c.co2e_kg for c in contributions)
    if total == 0 or not all(c.is_known for c in contributions):
        return None
    return (_side(contributions, 0) / total, _side(contributions, 1) / total)


def _side(contributions: Sequence[Contribution], side: int) -> float:
    amounts = [(c.co2e_kg * c.amount_sides[side]) ** 2 for c in contributions]
    groups: dict[str, list[float]] = {}
    for share in (share for c in contributions for share in c.shares):
        groups.setdefault(share.group, []).append(share.co2e_kg * (share.percent or (0.0, 0.0))[side])
    factors = [math.fsum(parts) ** 2 for parts in groups.values()]
    return math.sqrt(math.fsum([*amounts, *factors]))
