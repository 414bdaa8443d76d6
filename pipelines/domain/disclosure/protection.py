"""What must stay uncertain, and for whom.

Belongs here: the unknowns of linked tables, attackers, demands. Does not belong here: whether a choice of
withheld cells meets a demand (probing), which cells to withhold (secondary), why a cell is unsafe (primary).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pipelines.domain.disclosure.tables import Key

Terms = tuple[tuple[int, float], ...]
"""Columns with their coefficients, sorted by column."""


def ones(columns: Iterable[int]) -> Terms:
    """Return the plain sum of columns."""
    return tuple((column, 1.0) for column in sorted(columns))


def columns_of(terms: Terms) -> frozenset[int]:
    """Return the columns of a sum."""
    return frozenset(column for column, _ in terms)


@dataclass(frozen=True)
class Held:
    """A sum whose deviation is taken to lie between `low` and `high` by all but who know all its columns."""

    terms: Terms
    low: float
    high: float


@dataclass(frozen=True)
class TableSystem:
    """Unknown columns, and the cells that are sums of them.

    Args:
        values: true value of each column.
        lowest: the least value of each column that an attacker thinks possible.
        highest: the largest one.
        cells: for each cell its sum, sorted by key.
        ranges: lowest and highest value that an attacker thinks possible of a cell, before any is published.
        links: total and parts: columns that are the sum of others.
        integer: whether columns are whole numbers.
        slacks: how far below and above its truth a published cell may lie; absent: it is printed exactly.
        held: what everybody takes to hold besides; the truth needn't fulfil it.
    """

    values: Sequence[float]
    lowest: Sequence[float]
    highest: Sequence[float]
    cells: Mapping[Key, Terms]
    ranges: Mapping[Key, tuple[float, float]]
    links: Sequence[tuple[int, Sequence[int]]] = ()
    integer: bool = False
    slacks: Mapping[Key, tuple[float, float]] = field(default_factory=dict)
    held: Sequence[Held] = ()

    def value(self, columns: Iterable[int]) -> float:
        """Return the true sum of columns."""
        return math.fsum(self.values[j] for j in columns)

    def total(self, terms: Terms) -> float:
        """Return the true value of a sum."""
        return math.fsum(coefficient * self.values[j] for j, coefficient in terms)


def mask_of(places: Iterable[int]) -> int:
    """Return a set of small numbers as bits."""
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask


@dataclass(frozen=True)
class Attacker:
    """Somebody who knows some columns exactly."""

    known: frozenset[int] = frozenset()

    @cached_property
    def mask(self) -> int:
        """What she knows, as bits."""
        return mask_of(self.known)


PUBLIC: Final = Attacker()


@dataclass(frozen=True)
class Demand:
    """A sum must seem possible from `down` below its value to `up` above it, to an attacker.

    Args:
        terms: the sum.
        attacker: to whom.
        down: in the table's unit, not negative.
        up: likewise.
        withheld: it counts only while these cells are withheld ...
        published: ... and these published.
        named: cells that say which sum it is.
    """

    terms: Terms
    attacker: Attacker
    down: float
    up: float
    withheld: frozenset[Key] = frozenset()
    published: frozenset[Key] = frozenset()
    named: tuple[Key, ...] = ()


@dataclass(frozen=True)
class CoalitionDemand:
    """A sum must seem possible to every coalition of so many holdings, who know their columns.

    Args:
        terms: the sum: what a holding has, or a cell.
        owners: columns of every other holding, in the order of their names.
        members: most members of a coalition.
        base: places of owners who are in every one.
        spared: places of coalitions that are asked for elsewhere, with all larger ones.
        down: as in Demand.
        up: as in Demand.
        named: cells that say which sum it is.
        clipped: whether a coalition knows parts of the sum itself: of these it can't be kept uncertain.
        withheld: as in Demand.
        published: as in Demand.
    """

    terms: Terms
    owners: tuple[frozenset[int], ...]
    members: int
    down: float
    up: float
    named: tuple[Key, ...] = ()
    clipped: bool = False
    withheld: frozenset[Key] = frozenset()
    published: frozenset[Key] = frozenset()
    base: tuple[int, ...] = ()
    spared: tuple[frozenset[int], ...] = ()

    def spares(self, members: Iterable[int]) -> bool:
        """Say whether nothing is demanded here towards a coalition and all larger ones."""
        return any(other.issubset(members) for other in self.spared)

    def to(self, members: Iterable[int]) -> Demand:
        """Return what is demanded towards one coalition, by the places of its members."""
        known = frozenset[int]().union(*(self.owners[m] for m in members))
        return Demand(
            self.terms, Attacker(known), self.down, self.up, self.withheld, self.published, self.named
        )
