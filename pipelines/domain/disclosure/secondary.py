"""Which further cells to withhold so that every demand is met, with the least loss.

Belongs here: the search. Does not belong here: what is demanded (withholding) and how it is probed
(protection).

The search alternates: the cheapest choice that fulfils all inequalities known so far; then each attacker
tries it, and every breach adds a valid inequality (by duality: how much each published cell could help). When
no attacker succeeds, the choice is protected, and no cheaper one is (Fischetti and Salazar-Gonzalez, Solving
the cell suppression problem on tabular data with linear constraints, Management Science 47, 2001). Everything
is in the order of the keys; limits are counts of rounds and nodes, never times.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.domain.disclosure.linear import Cover, cheapest_cover
from pipelines.domain.disclosure.probing import Breach, Probing
from pipelines.domain.disclosure.protection import CoalitionDemand, Demand, Terms
from pipelines.domain.disclosure.tables import Key

MOST_ROUNDS: Final = 5_000
MOST_EXACT_ROUNDS: Final = 25
MOST_CELLS_OF_STARTS: Final = 100
STARTS: Final = (1.0, 2.0, 0.0)
CLOSE_ENOUGH: Final = 0.02
MOST_EXACT_CELLS: Final = 45
MOST_NODES: Final = 2_000
_MOST_BREACHES: Final = 60
_MOST_OF_ONE_SUM: Final = 2
_LEAST_HELP: Final = 1e-4
_LEAST_WEIGHT: Final = 1e-6


@dataclass(frozen=True)
class Problem:
    """What is to be protected, and what may be withheld for it.

    Args:
        demands: what holds whatever is withheld.
        further: what a choice of withheld cells demands in addition.
        weights: loss of each cell that may be withheld and needn't.
        withheld: cells that are withheld in any case.
        published: cells that are published in any case.
        finest: cells of the finest breakdown: withheld together where a limit is reached.
        thorough: whether to search from several starts, and for something cheaper than was found; not where
            every question is dear.
    """

    demands: Sequence[Demand | CoalitionDemand]
    further: Callable[[frozenset[Key]], Iterable[Demand | CoalitionDemand]]
    weights: Mapping[Key, float]
    withheld: frozenset[Key]
    published: frozenset[Key]
    finest: frozenset[Key]
    thorough: bool = True


@dataclass(frozen=True)
class Choice:
    """What is withheld in all; whether a limit was reached; cells that can't be protected."""

    withheld: frozenset[Key]
    limited: bool = False
    unprotected: tuple[Key, ...] = ()


def choose_withheld(prober: Probing, problem: Problem, most_rounds: int = MOST_ROUNDS) -> Choice:
    """Choose the cells to withhold.

    Args:
        prober: the table's system.
        problem: what is demanded.
        most_rounds: most choices that are tried before the finest breakdown is withheld.
    """
    search = _Search(prober, problem)
    hopeless = search.hopeless()
    if hopeless:
        return Choice(problem.withheld, unprotected=hopeless)
    return search.run(most_rounds)


class _Search:
    """The state of one search."""

    def __init__(self, prober: Probing, problem: Problem) -> None:
        self.prober, self.problem = prober, problem
        self.free = sorted(problem.weights)
        self.places = {key: place for place, key in enumerate(self.free)}
        largest = max(problem.weights.values(), default=0.0) or 1.0
        # A cell without weight is withheld for a reason too; ties fall to the first key.
        self.weights = [
            problem.weights[key] / largest + _LEAST_WEIGHT * (1 + place / (len(self.free) + 1))
            for place, key in enumerate(self.free)
        ]
        self.covers: list[Cover] = []
        self.failed: dict[Demand, None] = {}

    def hopeless(self) -> tuple[Key, ...]:
        """Return what can't be protected even if all is withheld that may be."""
        if not self.problem.published:
            return ()
        self.prober.withhold(self.problem.withheld | set(self.free))
        found = [d for d in self.problem.demands if self.prober.find_breach(d) is not None]
        return tuple(sorted({key for demand in found for key in demand.named}))

    def run(self, most_rounds: int) -> Choice:
        """Search fast, from several starts while the table is small, then look for something cheaper."""
        thorough = self.problem.thorough
        powers = STARTS if thorough and len(self.free) <= MOST_CELLS_OF_STARTS else STARTS[:1]
        found = [self.grow(most_rounds, power) for power in powers]
        fast = min(found, key=self.rank)
        if fast.unprotected or fast.limited or not thorough or len(self.free) > MOST_EXACT_CELLS:
            return fast
        better = self.cheaper_than(fast.withheld - self.problem.withheld)
        return fast if better is None else Choice(self.problem.withheld | better)

    def cheaper_than(self, known: frozenset[Key]) -> frozenset[Key] | None:
        """Return the cheapest choice; null: `known` is cheap enough, or the limit of rounds was reached.

        Every master's choice costs at most as much as any choice that is protected.
        """
        enough = self.loss(known) / (1 + CLOSE_ENOUGH)
        chosen: frozenset[Key] = frozenset()
        for _ in range(MOST_EXACT_ROUNDS):
            breaches = self.breaches(chosen)
            if not breaches:
                return chosen
            self.covers += [self.cover(breach, chosen) for breach in breaches]
            cheapest = cheapest_cover(self.weights, self.covers, MOST_NODES)
            picked = frozenset(self.free[place] for place in cheapest or ())
            if cheapest is None or self.loss(picked) >= enough or picked == chosen:
                return None
            chosen = picked
        return None

    def rank(self, choice: Choice) -> tuple[bool, bool, float]:
        lost = self.loss(choice.withheld & self.places.keys())
        return (bool(choice.unprotected), choice.limited, lost)

    def loss(self, chosen: Iterable[Key]) -> float:
        return sum(self.weights[self.places[key]] for key in sorted(chosen))

    def grow(self, most_rounds: int, power: float) -> Choice:
        """Withhold for one breach after the other what helps at least loss; then give back.

        A cell's price is its weight to some power. Where the limit of rounds is reached, the whole finest
        breakdown is withheld.
        """
        prices = {key: weight**power for key, weight in zip(self.free, self.weights, strict=True)}
        chosen: frozenset[Key] = frozenset()
        causes: dict[Key, Demand] = {}
        rounds = 0
        while breaches := self.breaches(chosen, most=1):
            rounds += 1
            if rounds == most_rounds:
                chosen |= {key for key in self.problem.finest if key in self.places}
                continue
            helping = self.prober.cheapest_help(breaches[0], prices) or self.helpers(breaches, chosen)
            if helping <= chosen:
                return self.given_up(breaches)
            for key in helping:
                causes.setdefault(key, breaches[0].demand)
            chosen |= helping
        limited = rounds >= most_rounds
        kept = self.problem.finest if limited else frozenset()
        given = self.given_back(chosen, kept, causes)
        return Choice(self.problem.withheld | given, limited=limited)

    def given_back(
        self, chosen: frozenset[Key], kept: frozenset[Key], causes: Mapping[Key, Demand]
    ) -> frozenset[Key]:
        """Publish again what needn't be withheld, the largest first; its cause is asked first."""
        for key in sorted(chosen - kept, key=lambda k: (-self.weights[self.places[k]], k)):
            fewer = chosen - {key}
            if not self.breached(fewer, causes.get(key)) and self.is_protected(fewer):
                chosen = fewer
        return chosen

    def is_protected(self, chosen: frozenset[Key]) -> bool:
        """Say whether a choice meets every demand: what others failed at is asked first."""
        again = next((d for d in reversed(self.failed) if self.breached(chosen, d)), None)
        found = [again] if again is not None else [b.demand for b in self.breaches(chosen, most=1)]
        for demand in found:
            self.failed.pop(demand, None)
            self.failed[demand] = None
        return not found

    def breached(self, chosen: frozenset[Key], demand: Demand | None) -> bool:
        withheld = self.problem.withheld | chosen
        if demand is None or not demand.withheld <= withheld or demand.published & withheld:
            return False
        self.prober.withhold(withheld)
        return self.prober.find_breach(demand) is not None

    def given_up(self, breaches: Sequence[Breach]) -> Choice:
        named = sorted({key for breach in breaches for key in breach.demand.named})
        return Choice(self.problem.withheld, unprotected=tuple(named))

    def breaches(self, chosen: frozenset[Key], most: int = _MOST_BREACHES) -> list[Breach]:
        """Return demands that a choice does not meet: a few of each sum, not all."""
        withheld = self.problem.withheld | chosen
        self.prober.withhold(withheld)
        found: list[Breach] = []
        counts: Counter[Terms] = Counter()
        for demands in (self.problem.demands, self.problem.further(withheld)):
            for demand in demands:
                if counts[demand.terms] >= _MOST_OF_ONE_SUM:
                    continue
                breach = self.prober.find_breach(demand)
                if breach is not None:
                    found.append(breach)
                    counts[demand.terms] += 1
                    if len(found) >= most:
                        return found
        return found

    def cover(self, breach: Breach, chosen: frozenset[Key]) -> Cover:
        """Return the inequality of a breach: which further cells it takes, or a condition of it must fall."""
        coefficients: dict[int, float] = {}
        rest = 0.0
        for key, share in sorted(self.prober.helps(breach).items()):
            if key in self.places:
                coefficients[self.places[key]] = max(share, _LEAST_HELP) if key not in chosen else share
            elif key in self.problem.withheld:
                rest += share
        for key in sorted(breach.demand.published & self.places.keys()):
            coefficients[self.places[key]] = 1.0
        for key in sorted(breach.demand.withheld & self.places.keys()):
            coefficients[self.places[key]] = coefficients.get(self.places[key], 0.0) - 1.0
            rest += 1.0
        return Cover(coefficients, rest)

    def helpers(self, breaches: Sequence[Breach], chosen: frozenset[Key]) -> frozenset[Key]:
        """Return for each breach the published cell that helps most for its weight."""
        found = set()
        for breach in breaches:
            helps = {**dict.fromkeys(breach.demand.published, 1.0), **self.prober.helps(breach)}
            open_cells = self.places.keys() - chosen
            useful = [key for key, share in helps.items() if key in open_cells and share]
            if useful:
                found.add(min(useful, key=lambda k: (self.weights[self.places[k]] / helps[k], k)))
        return frozenset(found)
