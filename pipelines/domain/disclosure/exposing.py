"""Statements about one variable as one system, and what must stay uncertain in it.

Belongs here: statements -> columns (unknowns), rows (statements), demands R1 and R2. Does not belong here:
where statements come from (statements), which systems a night has (release), the search (secondary).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Final, NamedTuple

from pipelines.domain.disclosure.exposure import Statement, Term, Unknown
from pipelines.domain.disclosure.protection import CoalitionDemand, TableSystem, Terms
from pipelines.domain.disclosure.statements import APART
from pipelines.domain.disclosure.tables import Key

_ANYTHING: Final = (-math.inf, math.inf)


@dataclass(frozen=True)
class Guard:
    """How far a holding's own unknowns are protected: by the class of a figure that touches them.

    Args:
        percent: half-width of the protection interval; 0: none.
        coalition: how many others may work together.
        waived: holdings that the figure needn't protect.
    """

    percent: Fraction
    coalition: int
    waived: frozenset[str]


@dataclass(frozen=True)
class Exhibit:
    """A statement before the court.

    Args:
        key: of its figure; of a past one with the night, so that it has a key of its own.
        statement: what it says.
        guard: by its class.
        known_at_us: the night that knew its amounts.
        free: whether tonight may still withhold it.
    """

    key: Key
    statement: Statement
    guard: Guard
    known_at_us: int
    free: bool = False

    @property
    def shown(self) -> bool:
        """Whether it is published, or may be."""
        return self.free or self.statement.published


def variable_of(statement: Statement) -> str:
    """Return the variable of a statement, of amounts that stand for themselves too."""
    return statement.variable.partition(APART)[0]


class Link(NamedTuple):
    """An unknown that is the sum of others."""

    whole: Unknown
    parts: tuple[Unknown, ...]


@dataclass(frozen=True)
class Sums:
    """Of which unknowns several days are summed up.

    Args:
        largest: the largest day of each.
        asked: unknowns that R2 is asked of.
    """

    largest: Mapping[Unknown, float]
    asked: frozenset[Unknown]


class Exposure:
    """One system: everything that is or may be told about some unknowns.

    Args:
        exhibits: published and free ones are rows; withheld unsafe ones are secrets.
        links: unknowns that are the sum of others.
        sums: of which unknowns are sums over several days; null: none is.
        short: unknowns of months that aren't over, or that a factory left: they may be smaller than alike.
    """

    def __init__(
        self, exhibits: Iterable[Exhibit], links: Sequence[Link] = (), sums: Sums | None = None,
        short: AbstractSet[Unknown] = frozenset(),
    ) -> None:  # fmt: skip
        self.exhibits = sorted(exhibits, key=lambda e: e.key)
        self.links, self.sums, self.short = links, sums, short
        terms = [t for e in self.exhibits for t in e.statement.terms]
        linked = {u for link in links for u in (link.whole, *link.parts)}
        self.unknowns = sorted({t.unknown for t in terms} | linked)
        self.columns = {unknown: j for j, unknown in enumerate(self.unknowns)}
        self.open = {u for e in self.exhibits if e.statement.known_to_all for u in _unknowns(e.statement)}
        self.most = dict.fromkeys(self.unknowns, math.inf)
        for term in terms:
            self.most[term.unknown] = min(self.most[term.unknown], term.most)
        self.most = {u: max(most, u.amount) for u, most in self.most.items()}
        self.owned: dict[str, set[int]] = {}
        for unknown, j in self.columns.items():
            self.owned.setdefault(unknown.holding, set()).add(j)

    def asking(self, unknowns: Iterable[Unknown], short: AbstractSet[Unknown]) -> "Exposure":
        """Return the same system in which R2 is asked of some unknowns only, and some are short."""
        return Exposure(self.exhibits, self.links, Sums({}, frozenset(unknowns)), short)

    @property
    def rows(self) -> list[Exhibit]:
        """Exhibits that are published or may be; what was said twice in the same words is there once."""
        found: dict[object, Exhibit] = {}
        for e in self.exhibits:
            if e.shown and not e.statement.known_to_all:
                said = e.key if e.free else (e.statement.terms, e.statement.down, e.statement.up)
                found.setdefault(said, e)
        return list(found.values())

    def terms(self, terms: Iterable[Term]) -> tuple[Terms, float]:
        """Return a sum over the columns, its largest coefficient 1, and by what it was divided."""
        given = list(terms)
        size = max((abs(t.coefficient) for t in given), default=1.0) or 1.0
        return tuple(sorted((self.columns[t.unknown], t.coefficient / size) for t in given)), size

    @cached_property
    def system(self) -> TableSystem:
        """The deviations that an attacker can't rule out.

        Nobody is known to have less than nothing, unless somebody has.
        """
        cells: dict[Key, Terms] = {}
        slacks: dict[Key, tuple[float, float]] = {}
        for exhibit in self.rows:
            cells[exhibit.key], size = self.terms(exhibit.statement.terms)
            slacks[exhibit.key] = (exhibit.statement.down / size, exhibit.statement.up / size)
        amounts = [u.amount for u in self.unknowns]
        lowest = [0.0 if u.amount >= 0 else -math.inf for u in self.unknowns]
        highest = [self.most[u] for u in self.unknowns]
        for unknown in self.open:
            lowest[self.columns[unknown]] = highest[self.columns[unknown]] = unknown.amount
        ranges = dict.fromkeys(cells, _ANYTHING)
        links = [(self.columns[link.whole], [self.columns[u] for u in link.parts]) for link in self.links]
        return TableSystem(amounts, lowest, highest, cells, ranges, links, slacks=slacks)

    def cell_demands(self) -> list[CoalitionDemand]:
        """R1: what is withheld because it is unsafe must seem possible by its levels.

        Nothing is asked of a sum that was told long ago; one that tonight may tell keeps its demand.
        """
        told = {self.terms(e.statement.terms)[0] for e in self.rows if not e.free}
        found: dict[CoalitionDemand, None] = {}
        for exhibit in self.exhibits:
            statement = exhibit.statement
            if exhibit.shown or not (statement.level_down or statement.level_up):
                continue
            levels = (statement.level_down, statement.level_up)
            demand = self.cell_demand(statement.terms, levels, exhibit.guard.coalition)
            if demand.terms not in told:
                found[demand] = None
        return list(found)

    def cell_demand(
        self, terms: Iterable[Term], levels: tuple[float, float], coalition: int,
        withheld: frozenset[Key] = frozenset(), published: frozenset[Key] = frozenset(),
    ) -> CoalitionDemand:  # fmt: skip
        """Return the demand that a sum seem possible by its levels: at least to every single holding."""
        over, size = self.terms(terms)
        owners = tuple(frozenset(self.owned[h]) for h in sorted(self.owned))
        return CoalitionDemand(
            over, owners, max(1, coalition), levels[0] / size, levels[1] / size,
            clipped=True, withheld=withheld, published=published,
        )  # fmt: skip

    def holding_demands(self) -> list[CoalitionDemand]:
        """R2: no coalition may come closer to what a holding has than its protection interval."""
        found = []
        for (holding, _, _, _), versions in sorted(self._versions().items()):
            for unknowns in versions:
                buyers = self._buyers(unknowns)
                others = tuple(
                    frozenset(self.owned[h]) for h in sorted(self.owned.keys() - {holding} - buyers)
                )
                guards = self._guards(unknowns, holding)
                if self.sums is not None and not unknowns & self.sums.asked:
                    continue
                largest = {} if self.sums is None else self.sums.largest
                amount = abs(math.fsum(largest.get(u, u.amount) for u in unknowns))
                if not guards or not amount or unknowns & self.open:
                    continue
                width = amount * float(max(g.percent for g in guards) / 100)
                low = sum(min(u.amount, 0.0) for u in unknowns) < 0
                down = width if low else min(width, amount)
                up = min(width, math.fsum(self.most[u] - u.amount for u in unknowns))
                terms = tuple(sorted((self.columns[u], 1.0) for u in unknowns))
                coalition = max(g.coalition for g in guards)
                found.append(CoalitionDemand(terms, others, coalition, down, up))
        return found

    def _buyers(self, unknowns: Iterable[Unknown]) -> set[str]:
        """Return who owned a factory later: they know its old books, so nothing is kept from them."""
        since = {u.factory: u.start for u in unknowns}
        return {u.holding for u in self.unknowns if u.start > since.get(u.factory, date.max)}

    @cached_property
    def newest(self) -> list[Unknown]:
        """What every factory had of each variable and period, as the last night knew it."""
        now: dict[tuple[str, str, str, date], Unknown] = {}
        for exhibit in sorted(self.exhibits, key=lambda e: (e.known_at_us, e.key)):
            for t in exhibit.statement.terms:
                u = t.unknown
                now[u.variable, u.factory, u.period, u.start] = u
        return [now[key] for key in sorted(now)]

    def _guards(self, unknowns: frozenset[Unknown], holding: str) -> list[Guard]:
        """Return who protects a holding: nobody where it waived protection for all that touches it.

        What only withheld figures name (a late day) is protected as the sum that it is part of.
        """
        touching = self._touching(unknowns)
        if not touching:
            sums = [frozenset((link.whole, *link.parts)) for link in self.links]
            touching = self._touching(frozenset().union(*(s for s in sums if s & unknowns)))
        if all(holding in e.guard.waived for e in touching):
            return []
        return [e.guard for e in touching if e.guard.percent]

    def _touching(self, unknowns: frozenset[Unknown]) -> list[Exhibit]:
        return [e for e in self.exhibits if e.shown and _unknowns(e.statement) & unknowns]

    def _versions(self) -> Mapping[tuple[str, str, str, object], Sequence[frozenset[Unknown]]]:
        """Return for each holding, variable and period what it had, as each night knew it."""
        now: dict[tuple[str, str, str, object], dict[str, Unknown]] = {}
        found: dict[tuple[str, str, str, object], dict[frozenset[Unknown], None]] = {}
        nights = sorted({e.known_at_us for e in self.exhibits})
        for night in nights:
            for exhibit in self.exhibits:
                if exhibit.known_at_us != night:
                    continue
                for u in sorted(_unknowns(exhibit.statement)):
                    now.setdefault((u.holding, u.variable, u.period, u.start), {})[u.factory] = u
            for key, held in now.items():
                found.setdefault(key, {})[frozenset(held.values())] = None
        return {key: list(versions) for key, versions in found.items()}


def _unknowns(statement: Statement) -> frozenset[Unknown]:
    return frozenset(t.unknown for t in statement.terms)
