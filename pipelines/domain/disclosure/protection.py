"""What must stay uncertain, for whom, and whether a choice of withheld cells keeps it so.

Belongs here: secrets, attackers, and the deviations from the truth that an attacker can't rule out. Does not
belong here: which cells to withhold (secondary), and why a cell is unsafe (primary).

An attacker's interval of a sum reaches as far as the truth can be changed without changing a published cell
or anything that she knows. So the system is one of deviations: zero is always possible.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from pipelines.domain.disclosure.linear import LinearSystem, Optimum, Row
from pipelines.domain.disclosure.tables import Key

_LARGEST: Final = 2.0**14  # the largest cell is scaled to about this
_TOUCHED: Final = 1e-7  # a deviation below is none
_MISSED: Final = 1e-6  # a protection interval may be undercut by this, relative to 2^14
_PRICED: Final = 1e-9
_WHOLE: Final = 1e-6
_NO_PRICE: Final = 1e-6  # even a withheld cell moves for a reason


@dataclass(frozen=True)
class TableSystem:
    """Unknown columns, and the cells that are sums of them.

    Args:
        values: true value of each column.
        lowest: the least value of each column that an attacker thinks possible.
        highest: the largest one.
        cells: for each cell its columns, sorted by key.
        ranges: lowest and highest value that an attacker thinks possible of a cell, before any is published.
        links: total and parts: columns that are the sum of others.
        integer: whether columns are whole numbers.
    """

    values: Sequence[float]
    lowest: Sequence[float]
    highest: Sequence[float]
    cells: Mapping[Key, frozenset[int]]
    ranges: Mapping[Key, tuple[float, float]]
    links: Sequence[tuple[int, Sequence[int]]] = ()
    integer: bool = False

    def value(self, columns: Iterable[int]) -> float:
        """Return the true sum of columns."""
        return math.fsum(self.values[j] for j in columns)


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
        columns: the sum.
        attacker: to whom.
        down: in the table's unit, not negative.
        up: likewise.
        withheld: it counts only while these cells are withheld ...
        published: ... and these published.
        named: cells that say which sum it is.
    """

    columns: frozenset[int]
    attacker: Attacker
    down: float
    up: float
    withheld: frozenset[Key] = frozenset()
    published: frozenset[Key] = frozenset()
    named: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Breach:
    """A demand that a choice does not fulfil, and what would help.

    Args:
        demand: the demand.
        need: by how much the sum must be able to deviate, in the prober's scale; negative: downwards.
        helps: cells that are published, each with the share (0..1) of what is missing that withholding it can
            bring at most; withholding them all is necessary only as far as their shares reach 1.
    """

    demand: Demand
    helps: Mapping[Key, float]
    need: float


@dataclass(frozen=True)
class _Witness:
    """A deviation that reaches something: which columns and cells it changes, and by how much its sum."""

    columns: int
    cells: int
    reach: float


def mask_of(places: Iterable[int]) -> int:
    """Return a set of small numbers as bits."""
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask


@dataclass
class Prober:
    """The system of one table under a choice of withheld cells; remembers every deviation it finds.

    Args:
        system: the table.
        most_needed: the largest deviation that anything demands.
    """

    system: TableSystem
    most_needed: float
    scale: float = field(init=False)

    def __post_init__(self) -> None:
        system = self.system
        self.keys = list(system.cells)
        self.places = {key: place for place, key in enumerate(self.keys)}
        self.totals = [system.value(columns) for columns in system.cells.values()]
        largest = max((abs(v) for v in [*self.totals, *system.values]), default=0.0)
        fitting = 1.0 if not largest else 2.0 ** math.floor(math.log2(_LARGEST / largest))
        self.scale = 1.0 if system.integer else fitting
        self.farthest = math.ceil(4 * (largest + self.most_needed) * self.scale) + 4
        self.solver = LinearSystem(self.bounds(), self.rows())
        self.whole = LinearSystem(self.bounds(), self.rows(), integer=True) if system.integer else None
        self.shown = mask_of(range(len(self.keys)))
        self.known: frozenset[int] = frozenset()
        self.helper: _Helper | None = None
        self.witnesses: dict[tuple[frozenset[int], int], list[_Witness]] = {}

    def withhold(self, cells: Iterable[Key]) -> None:
        """Withhold exactly these cells."""
        shown = mask_of(range(len(self.keys))) & ~mask_of(self.places[key] for key in cells)
        for place in _bits(shown ^ self.shown):
            low, high = self.room(place) if self.shown >> place & 1 else (0.0, 0.0)
            for solver in self._solvers():
                solver.set_row(place, low, high)
        self.shown = shown

    def find_breach(self, demand: Demand) -> Breach | None:
        """Return what a demand lacks under the present choice; null: it is fulfilled."""
        for sign, need in ((1, demand.up), (-1, demand.down)):
            scaled = need * self.scale
            if self.system.integer:
                scaled = math.ceil(scaled - _WHOLE)
            if scaled > _MISSED and not self._remembered(demand, sign, scaled):
                helps = self._probe(demand, sign, scaled)
                if helps is not None:
                    return Breach(demand, helps, sign * scaled)
        return None

    def cheapest_help(self, breach: Breach, weights: Mapping[Key, float]) -> frozenset[Key]:
        """Return published cells whose withholding fulfils a demand, chosen by weight x deviation.

        Args:
            breach: what is not fulfilled under the present choice.
            weights: of the cells that may be withheld; without one a cell stays published.

        Returns:
            The cells that the cheapest sufficient deviation changes; empty: there is none.
        """
        if self.helper is None:
            self.helper = _Helper(self)
        return self.helper.find(breach, weights)

    def reach(self, columns: frozenset[int], sign: int, attacker: Attacker) -> float:
        """Return how far a sum can deviate, at most as far as anything is looked for."""
        self._know(attacker.known)
        return -self._solve(columns, sign).value / self.scale

    def _remembered(self, demand: Demand, sign: int, need: float) -> bool:
        known = demand.attacker.mask
        return any(
            not (w.cells & self.shown or w.columns & known) and w.reach >= need - _MISSED
            for w in self.witnesses.get((demand.columns, sign), ())
        )

    def _probe(self, demand: Demand, sign: int, need: float) -> dict[Key, float] | None:
        """Return what would help; null: the need is met."""
        self._know(demand.attacker.known)
        found = self._solve(demand.columns, sign)
        if -found.value < need - _MISSED:
            return self._helps(found, need)
        whole = np.abs(found.columns - np.round(found.columns)).max(initial=0.0) <= _WHOLE
        if self.whole is not None and not whole:
            exact = self.whole.least(dict.fromkeys(sorted(demand.columns), -float(sign)))
            if exact is None or -exact.value < need - _MISSED:
                return {self.keys[place]: 1.0 for place in _bits(self.shown)}
            found = exact
        columns = mask_of(np.nonzero(np.abs(found.columns) > _TOUCHED)[0].tolist())
        cells = mask_of(np.nonzero(np.abs(found.rows[: len(self.keys)]) > _TOUCHED)[0].tolist())
        witness = _Witness(columns, cells, -found.value)
        self.witnesses.setdefault((demand.columns, sign), []).append(witness)
        return None

    def _solve(self, columns: frozenset[int], sign: int) -> Optimum:
        found = self.solver.least(dict.fromkeys(sorted(columns), -float(sign)))
        if found is None or not math.isfinite(found.value):
            raise ArithmeticError("a system of deviations always has a bounded solution")
        return found

    def _helps(self, found: Optimum, need: float) -> dict[Key, float]:
        """Read from the prices which published cells hold the sum: duality gives a valid inequality.

        max over deviations <= value + sum over published cells of |price| x room, if they were withheld.
        """
        paid = [
            (place, -price, self.room(place))
            for place, price in enumerate(found.prices[: len(self.keys)].tolist())
            if abs(price) > _PRICED
        ]
        rooms = [(place, abs(price), room[1] if price > 0 else -room[0]) for place, price, room in paid]
        open_rooms = [(price, room) for place, price, room in rooms if not self.shown >> place & 1]
        missing = need + found.value + math.fsum(price * room for price, room in open_rooms)
        return {
            self.keys[place]: min(1.0, price * room / missing)
            for place, price, room in rooms
            if room > _TOUCHED and (self.shown >> place & 1 or math.isfinite(room))
        }

    def _know(self, known: frozenset[int]) -> None:
        for column in sorted(known ^ self.known):
            low, high = (0.0, 0.0) if column in known else self.bound(column)
            for solver in self._solvers():
                solver.set_column(column, low, high)
        self.known = known

    def _solvers(self) -> list[LinearSystem]:
        return [self.solver] if self.whole is None else [self.solver, self.whole]

    def bounds(self) -> list[tuple[float, float]]:
        """Return how far each column can deviate."""
        return [self.bound(column) for column in range(len(self.system.values))]

    def bound(self, column: int) -> tuple[float, float]:
        """Return how far a column can deviate that an attacker does not know."""
        value = self.system.values[column]
        low = (self.system.lowest[column] - value) * self.scale
        high = (self.system.highest[column] - value) * self.scale
        return (min(0.0, max(low, -self.farthest)), max(0.0, min(high, self.farthest)))

    def room(self, place: int) -> tuple[float, float]:
        """Return how far a cell can deviate where it is withheld."""
        low, high = self.system.ranges[self.keys[place]]
        value = self.totals[place]
        return (min(0.0, (low - value) * self.scale), max(0.0, (high - value) * self.scale))

    def rows(self) -> list[Row]:
        """Return the cells and links as rows, all cells published."""
        cells = [Row(dict.fromkeys(sorted(columns), 1.0), 0.0, 0.0) for columns in self.system.cells.values()]
        links = [
            Row({total: -1.0, **dict.fromkeys(parts, 1.0)}, 0.0, 0.0) for total, parts in self.system.links
        ]
        return [*cells, *links]


class _Helper:
    """The system with a price on every cell's deviation, up and down, and a row for the sum that must deviate."""

    def __init__(self, prober: Prober) -> None:
        self.prober = prober
        self.columns, self.cells = len(prober.system.values), len(prober.keys)
        rows = prober.rows()
        for place in range(self.cells):
            up, down = self.columns + 2 * place, self.columns + 2 * place + 1
            rows[place] = Row({**rows[place].terms, up: -1.0, down: 1.0}, 0.0, 0.0)
        self.goal = len(rows)
        bounds = [*prober.bounds(), *[(0.0, 0.0)] * (2 * self.cells)]
        self.solver = LinearSystem(bounds, [*rows, Row({0: 1.0}, 0.0, 0.0)])
        self.terms: dict[int, float] = {0: 1.0}
        self.known: frozenset[int] = frozenset()

    def find(self, breach: Breach, weights: Mapping[Key, float]) -> frozenset[Key]:
        prober, demand = self.prober, breach.demand
        for column in sorted(demand.attacker.known ^ self.known):
            bound = (0.0, 0.0) if column in demand.attacker.known else prober.bound(column)
            self.solver.set_column(column, *bound)
        self.known = demand.attacker.known
        terms = dict.fromkeys(sorted(demand.columns), 1.0)
        self.solver.set_terms(self.goal, self.terms, terms)
        self.terms = terms
        self.solver.set_row(self.goal, breach.need, breach.need)
        found = self.solver.least(self._prices(weights))
        if found is None:
            return frozenset()
        moved = np.nonzero(found.columns[self.columns :] > _TOUCHED)[0] // 2
        shown = {place for place in moved.tolist() if prober.shown >> place & 1}
        return frozenset(prober.keys[place] for place in shown)

    def _prices(self, weights: Mapping[Key, float]) -> dict[int, float]:
        prices: dict[int, float] = {}
        for place, key in enumerate(self.prober.keys):
            shown = bool(self.prober.shown >> place & 1)
            low, high = self.prober.room(place) if not shown or key in weights else (0.0, 0.0)
            price = weights.get(key, 0.0) if shown else 0.0
            for column, room in ((self.columns + 2 * place, high), (self.columns + 2 * place + 1, -low)):
                self.solver.set_column(column, 0.0, min(room, self.prober.farthest))
                prices[column] = price + _NO_PRICE
        return prices


def _bits(mask: int) -> Iterable[int]:
    place = 0
    while mask:
        if mask & 1:
            yield place
        mask >>= 1
        place += 1
