"""What a cluster's operator asks of the gate for tables of totals and counts.

Belongs here: the limits, as exact fractions. Does not belong here: reading them (pipelines.jobs) and applying
them (primary, secondary). Confidential: no published output names them.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


class Dominance(NamedTuple):
    """(n,k): unsafe if the `n` largest hold more than `k_percent` of a cell."""

    n: int
    k_percent: Fraction


class PriorPosterior(NamedTuple):
    """(p,q): unsafe if others could estimate the largest within p %, who knew everybody within q % before."""

    p: Fraction
    q: Fraction


@dataclass(frozen=True)
class TablePolicy:
    """Limits of a table; null or empty: the rule is not applied.

    Args:
        min_contributors: fewest contributors of a safe cell.
        dominance: (n,k) rules.
        p_percent: p % rule.
        pq: (p,q) rule.
        share_limit_percent: largest share of one contributor.
        coalition: how many others may work together against one; null: holdings are not judged.
        holding_p_percent: half-width of the interval that no coalition may undercut for a holding; null:
            `p_percent`, else 10.
        strict: whether dominance and share limit are broken by more than the limit (else: by that much).
        nonnegative: whether everybody knows that cells are not negative.
        integer: whether everybody knows that cells are whole numbers.
        zero_unsafe: whether a total of zero gives its contributors away.
        frequency_range_percent: half-width of the protection interval where only a count or share rule
            failed.
        bound_percent: with signed cells: everybody knows that |cell| <= sum |x| (1 + bound_percent/100).
    """

    min_contributors: int | None = None
    dominance: tuple[Dominance, ...] = ()
    p_percent: Fraction | None = None
    pq: PriorPosterior | None = None
    share_limit_percent: Fraction | None = None
    coalition: int | None = None
    holding_p_percent: Fraction | None = None
    strict: bool = True
    nonnegative: bool = True
    integer: bool = False
    zero_unsafe: bool = False
    frequency_range_percent: Fraction = Fraction(10)
    bound_percent: Fraction = Fraction(100)

    @property
    def fewest(self) -> int:
        """Fewest contributors of a safe cell: any c + 1 of c + 2 know the last one exactly."""
        return max(self.min_contributors or 0, 0 if self.coalition is None else self.coalition + 2)

    @property
    def others_known(self) -> int:
        """How many of the largest others the attacker of the p % rule knows."""
        return 1 if self.coalition is None else self.coalition

    @property
    def contributions_needed(self) -> int:
        """How many of the largest contributions the rules look at."""
        needed = [rule.n for rule in self.dominance]
        needed += [1 + self.others_known] * (self.p_percent is not None)
        needed += [2] * (self.pq is not None)
        needed += [1] * (self.share_limit_percent is not None)
        return max(needed, default=0)

    @property
    def widest(self) -> Fraction:
        """How many times its size a cell's protection interval can reach above it at most."""
        parts = [Fraction(1), self.frequency_range_percent / 100, self.holding_percent / 100]
        parts += [100 / rule.k_percent for rule in self.dominance]
        parts += [] if self.p_percent is None else [self.p_percent / 100]
        parts += [] if self.pq is None else [self.pq.p / self.pq.q]
        return max(parts)

    @property
    def holding_percent(self) -> Fraction:
        """Half-width of a holding's protection interval, in per cent of its value."""
        chosen = self.p_percent if self.holding_p_percent is None else self.holding_p_percent
        return Fraction(10) if chosen is None else chosen
