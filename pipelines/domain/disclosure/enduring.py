"""Attackers who know that amounts move little from month to month.

Belongs here: the systems of one variable's months by how far amounts may move, and the smallest move that an
attacker must allow. Does not belong here: one system and its deviations (probing), what months say (months).

Such an attacker takes (1 - q) x[m] <= x[m+1] <= (1 + q) x[m] for each factory whose amounts she doesn't
know. Where nothing fulfils that together with what is published, she takes the smallest q that leaves
something, in steps of 0.1 points.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from typing import Final

from pipelines.domain.disclosure.exposure import Unknown
from pipelines.domain.disclosure.probing import MISSED, Breach, Prober
from pipelines.domain.disclosure.protection import Attacker, CoalitionDemand, Demand, Held
from pipelines.domain.disclosure.tables import Key
from pipelines.domain.periods import next_month

_STEPS: Final = 1000  # of 0.1 points each
_MOST_STEPS: Final = 100_000  # beyond a hundredfold move nothing is known any more
Owners = tuple[frozenset[int], ...]
"""Columns of each holding that may take part in a coalition."""


def movements(
    unknowns: Sequence[Unknown], newest: Iterable[Unknown], steps: int, short: AbstractSet[Unknown],
    known: AbstractSet[Unknown],
) -> list[Held]:  # fmt: skip
    """Return what a move of at most so many steps means for the deviations of consecutive months.

    Args:
        unknowns: the columns.
        newest: of each variable, factory and month the amount that was known last.
        steps: of 0.1 points.
        short: of parts of months (not over yet, or their factory left): they can't be too small.
        known: what everybody knows: nobody takes anything of two such months.
    """
    columns = {u: j for j, u in enumerate(unknowns)}
    months = {(u.variable, u.factory, u.start): u for u in newest}
    move = steps / _STEPS
    found = []
    for (variable, factory, start), before in sorted(months.items()):
        after = months.get((variable, factory, next_month(start)))
        # A month of standstill is not like its neighbours.
        if after is None or not (before.amount > 0 and after.amount > 0) or {before, after} <= known:
            continue
        j, k = columns[before], columns[after]
        least, most = (1 - move) * before.amount, (1 + move) * before.amount
        if after not in short:
            found.append(Held(_terms((j, -(1 - move)), (k, 1.0)), least - after.amount, float("inf")))
        found.append(Held(_terms((j, -(1 + move)), (k, 1.0)), float("-inf"), most - after.amount))
    return found


def _terms(*terms: tuple[int, float]) -> tuple[tuple[int, float], ...]:
    return tuple(sorted(terms))


class EnduringProber:
    """As a prober, to attackers of whom each allows the smallest move that is possible to her.

    Args:
        make: the prober of so many steps.
        percent: by how much amounts are taken to move at most.
    """

    def __init__(self, make: Callable[[int], Prober], percent: Fraction) -> None:
        self._make, self._usual = make, max(1, round(percent * _STEPS / 100))
        self._probers: dict[int, Prober] = {}
        self._withheld: frozenset[Key] = frozenset()
        self._steps: dict[Attacker, dict[frozenset[Key], int | None]] = {}
        self._attackers: dict[Owners, dict[tuple[int, ...], Attacker]] = {}
        self._last = self._usual
        self.scale = self._prober(self._usual).scale

    def withhold(self, cells: Iterable[Key]) -> None:
        """Withhold exactly these cells."""
        choice = frozenset(cells)
        if choice != self._withheld:
            self._withheld = choice
            for prober in self._probers.values():
                prober.withhold(choice)

    def find_breach(self, demand: Demand | CoalitionDemand) -> Breach | None:
        """Return what a demand lacks under the present choice; null: it is fulfilled."""
        if isinstance(demand, CoalitionDemand) and self._prober(self._usual).is_proven(demand):
            return None
        for sign, need in ((1, demand.up), (-1, demand.down)):
            scaled = need * self.scale
            if scaled <= MISSED:
                continue
            if isinstance(demand, CoalitionDemand):
                breach = self._find(demand, sign * scaled, demand.base, set())
            else:
                breach = self._lacks(demand, sign * scaled)
            if breach is not None:
                return breach
        return None

    def _lacks(self, demand: Demand, need: float) -> Breach | None:
        """Return what a demand lacks towards one attacker."""
        steps = self.steps_of(demand.attacker)
        if steps is None or self._prober(steps).witness(demand, demand.attacker, need) is not None:
            return None
        return Breach(demand, need)

    def _find(
        self, demand: CoalitionDemand, need: float, members: tuple[int, ...], seen: set[frozenset[int]]
    ) -> Breach | None:
        """Return a coalition that succeeds, of these members and perhaps others, if none seen does."""
        seen.add(frozenset(members))
        attacker = self._attacker(demand.owners, members)
        steps = self.steps_of(attacker)
        if steps is None:
            return None
        witness = self._prober(steps).witness(demand, attacker, need)
        if witness is None:
            return Breach(demand.to(members), need)
        if len(members) == demand.members:
            return None
        for other, columns in enumerate(demand.owners):
            larger = (*members, other)
            if other in members or frozenset(larger) in seen or demand.spares(larger):
                continue
            # Who moves nobody of a coalition's defeats it, if it takes amounts to move as much.
            touched = not witness.isdisjoint(columns)
            if touched or (steps > self._usual and self._allows_less(demand.owners, larger, steps)):
                breach = self._find(demand, need, larger, seen)
                if breach is not None:
                    return breach
        return None

    def _attacker(self, owners: Owners, members: tuple[int, ...]) -> Attacker:
        """Return who knows what a coalition knows, always the same object."""
        found = self._attackers.setdefault(owners, {})
        if members not in found:
            found[members] = Attacker(frozenset().union(*(owners[m] for m in members)))
        return found[members]

    def _allows_less(self, owners: Owners, members: tuple[int, ...], steps: int) -> bool:
        own = self.steps_of(self._attacker(owners, members))
        return own is not None and own < steps

    def helps(self, breach: Breach) -> Mapping[Key, float]:
        """Return what a breach lacks, as a valid inequality."""
        return self._of(breach).helps(breach)

    def cheapest_help(self, breach: Breach, weights: Mapping[Key, float]) -> frozenset[Key]:
        """Return published cells whose withholding fulfils a demand."""
        return self._of(breach).cheapest_help(breach, weights)

    def reach(self, breach: Breach) -> float:
        """Return how far the sum of a breach can deviate at most."""
        return self._of(breach).reach(breach)

    def steps_of(self, attacker: Attacker) -> int | None:
        """Return the smallest move that leaves something possible to an attacker; null: none does."""
        known = self._steps.setdefault(attacker, {})
        if self._withheld not in known:
            known[self._withheld] = self._smallest(attacker, known)
        return known[self._withheld]

    def _smallest(self, attacker: Attacker, known: Mapping[frozenset[Key], int | None]) -> int | None:
        """Search between what other choices left: the more is withheld, the less she must allow."""
        most = [steps for cells, steps in known.items() if cells <= self._withheld and steps is not None]
        least = [steps for cells, steps in known.items() if cells >= self._withheld]
        if None in least:
            return None
        least_left = max((steps for steps in least if steps is not None), default=self._usual)
        if min(most, default=_MOST_STEPS) <= least_left or self._leaves_any(least_left, attacker):
            return least_left
        low, high = self._enclose(attacker, least_left, most)
        if high > _MOST_STEPS:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._leaves_any(middle, attacker) else (middle, high)
        self._last = high
        return high

    def _enclose(self, attacker: Attacker, low: int, most: Sequence[int]) -> tuple[int, int]:
        """Return a move that leaves nothing, and one that does, near what the last attacker allowed."""
        high, stride = min([*most, max(low + 1, self._last)]), 1
        if high in most or self._leaves_any(high, attacker):
            while high - stride > low and self._leaves_any(high - stride, attacker):
                high, stride = high - stride, 2 * stride
            return max(low, high - stride), high
        while high <= _MOST_STEPS:
            low, high, stride = high, min([*most, high + stride]), 2 * stride
            if high in most or self._leaves_any(high, attacker):
                break
        return low, high

    def _leaves_any(self, steps: int, attacker: Attacker) -> bool:
        """Say whether a move leaves anything possible to an attacker."""
        return self._prober(steps).is_possible(attacker)

    def _of(self, breach: Breach) -> Prober:
        steps = self.steps_of(breach.demand.attacker)
        if steps is None:
            raise ArithmeticError("who can't be told apart from nobody breaches nothing")
        return self._prober(steps)

    def _prober(self, steps: int) -> Prober:
        if steps not in self._probers:
            self._probers[steps] = self._make(steps)
            self._probers[steps].withhold(self._withheld)
        return self._probers[steps]
