"""Attackers who know that amounts move little from month to month.

Belongs here: the systems of one variable's months by how far amounts may move, and the smallest move that an
attacker must allow. Does not belong here: one system and its deviations (probing), what months say (months).

Such an attacker takes (1 - q) x[m] <= x[m+1] <= (1 + q) x[m] for each factory whose amounts she doesn't
know. Where nothing fulfils that together with what is published, she takes the smallest q that leaves
something, in steps of 0.1 points.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from pipelines.domain.disclosure.exposure import Unknown
from pipelines.domain.disclosure.probing import MISSED, Breach, Prober
from pipelines.domain.disclosure.protection import Attacker, CoalitionDemand, Demand, Held, mask_of
from pipelines.domain.disclosure.tables import Key
from pipelines.domain.periods import next_month

_STEPS: Final = 1000  # of 0.1 points each
_MOST_STEPS: Final = 100_000  # beyond a hundredfold move nothing is known any more


def movements(unknowns: Sequence[Unknown], newest: Iterable[Unknown], steps: int) -> list[Held]:
    """Return what a move of at most so many steps means for the deviations of consecutive months.

    Args:
        unknowns: the columns.
        newest: of each variable, factory and month the amount that was known last.
        steps: of 0.1 points.
    """
    columns = {u: j for j, u in enumerate(unknowns)}
    months = {(u.variable, u.factory, u.start): u for u in newest}
    move = steps / _STEPS
    found = []
    for (variable, factory, start), before in sorted(months.items()):
        after = months.get((variable, factory, next_month(start)))
        if after is None:
            continue
        j, k = columns[before], columns[after]
        least, most = (1 - move) * before.amount, (1 + move) * before.amount
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
        self._steps: dict[tuple[frozenset[Key], Attacker], int | None] = {}
        self._withheld: frozenset[Key] = frozenset()
        self.scale = self._prober(self._usual).scale

    def withhold(self, cells: Iterable[Key]) -> None:
        """Withhold exactly these cells."""
        self._withheld = frozenset(cells)

    def find_breach(self, demand: Demand | CoalitionDemand) -> Breach | None:
        """Return what a demand lacks under the present choice; null: it is fulfilled."""
        if isinstance(demand, CoalitionDemand) and self._prober(self._usual).is_proven(demand):
            return None
        if isinstance(demand, Demand):
            demand = CoalitionDemand(demand.terms, (demand.attacker.known,), 1, demand.down, demand.up)
            members: tuple[int, ...] = (0,)
        else:
            members = ()
        for sign, need in ((1, demand.up), (-1, demand.down)):
            scaled = need * self.scale
            breach = self._find(demand, sign * scaled, members) if scaled > MISSED else None
            if breach is not None:
                return breach
        return None

    def _find(self, demand: CoalitionDemand, need: float, members: tuple[int, ...]) -> Breach | None:
        against = demand.to(members)
        steps = self.steps_of(against.attacker)
        if steps is None:
            return None
        witness = self._prober(steps).witness(against, need)
        if witness is None:
            return Breach(against, need)
        if len(members) == demand.members:
            return None
        for other, columns in enumerate(demand.owners):
            if other in members:
                continue
            # Who moves nobody of a coalition's defeats it, if it takes amounts to move as much.
            touched = bool(witness & mask_of(columns))
            if touched or (steps > self._usual and self._allows_less(demand, (*members, other), steps)):
                breach = self._find(demand, need, (*members, other))
                if breach is not None:
                    return breach
        return None

    def _allows_less(self, demand: CoalitionDemand, members: tuple[int, ...], steps: int) -> bool:
        own = self.steps_of(demand.to(members).attacker)
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
        key = (self._withheld, attacker)
        if key not in self._steps:
            self._steps[key] = self._smallest(attacker)
        return self._steps[key]

    def _smallest(self, attacker: Attacker) -> int | None:
        low, high = self._usual - 1, self._usual
        while not self._prober(high).is_possible(attacker):
            low, high = high, 2 * high
            if high > _MOST_STEPS:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._prober(middle).is_possible(attacker) else (middle, high)
        return high

    def _of(self, breach: Breach) -> Prober:
        steps = self.steps_of(breach.demand.attacker)
        if steps is None:
            raise ArithmeticError("who can't be told apart from nobody breaches nothing")
        return self._prober(steps)

    def _prober(self, steps: int) -> Prober:
        if steps not in self._probers:
            self._probers[steps] = self._make(steps)
        prober = self._probers[steps]
        prober.withhold(self._withheld)
        return prober
