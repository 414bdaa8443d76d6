"""Whether a choice of withheld cells meets a demand, and what would help where it doesn't.

Belongs here: the deviations from the truth that an attacker can't rule out. Does not belong here: what is
demanded (protection, withholding) and what is chosen (secondary).

An attacker's interval of a sum reaches as far as the truth can be changed without changing a published cell
or anything that she knows. So every system here is one of deviations: zero is always possible.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from pipelines.domain.disclosure.linear import LimitReachedError, LinearSystem, Optimum, Row
from pipelines.domain.disclosure.protection import (
    Attacker,
    CoalitionDemand,
    Demand,
    TableSystem,
    Terms,
    mask_of,
)
from pipelines.domain.disclosure.tables import Key

_LARGEST: Final = 2.0**14  # the largest cell is scaled to about this
NO_CHANGE: Final = 1e-7  # a deviation below is none
MISSED: Final = 1e-6  # a protection interval may be undercut by this, relative to 2^14
_PRICED: Final = 1e-9
_WHOLE: Final = 1e-6
_NO_PRICE: Final = 1e-6  # even a withheld cell moves for a reason
_KEPT: Final = 1 - 1e-6  # of what is left where a demand can't be met: so much that rounding can't break it
_ATTACKED: Final = 20.0  # what an attacker knows is the last thing to move: others may find the same way


Proof = Callable[[CoalitionDemand, int], bool]


@dataclass(frozen=True)
class Breach:
    """A demand that a choice does not fulfil.

    Args:
        demand: the demand.
        need: by how much the sum must be able to deviate, in the prober's scale; negative: downwards.
    """

    demand: Demand
    need: float


@dataclass(frozen=True)
class _Witness:
    """A deviation: the columns that it changes, the cells beyond their slack, and by how much its sum."""

    columns: int
    cells: int
    reach: float
    broken: int = 0  # what is held and doesn't hold in it


@dataclass(frozen=True)
class _Stretch:
    """A deviation as far as it goes: how far each column moves, which do, and cells beyond their slack."""

    moves: Sequence[float]
    columns: frozenset[int]
    cells: int

    def reach(self, terms: Terms, sign: int) -> float:
        """Return by how much it moves a sum upwards (1) or downwards (-1)."""
        return sign * math.fsum(c * self.moves[j] for j, c in terms)


class Prober:
    """The system of one table under a choice of withheld cells; remembers every deviation it finds.

    Args:
        system: the table.
        most_needed: the largest deviation that anything demands.
        attacked: columns that single attackers know.
        proof: a quicker way to say that a demand is fulfilled while some cells are published; null: none.
    """

    def __init__(
        self,
        system: TableSystem,
        most_needed: float,
        attacked: frozenset[int] = frozenset(),
        proof: Proof | None = None,
    ) -> None:
        self.system, self.attacked, self.proof = system, attacked, proof
        self.keys = list(system.cells)
        self.places = {key: place for place, key in enumerate(self.keys)}
        self.totals = [system.total(terms) for terms in system.cells.values()]
        largest = max((abs(v) for v in [*self.totals, *system.values]), default=0.0)
        fitting = 1.0 if not largest else 2.0 ** math.floor(math.log2(_LARGEST / largest))
        self.scale = 1.0 if system.integer else fitting
        self.farthest = float(math.ceil(4 * (largest + most_needed) * self.scale) + 4)
        self.shown = mask_of(range(len(self.keys)))
        self._let_go: dict[Attacker, int] = {}
        self.held_at = len(self.keys) + len(system.links)
        self._held_columns = [mask_of(j for j, _ in held.terms) for held in system.held]
        self.witnesses: dict[tuple[Terms, int], list[_Witness]] = {}
        self._stretches: dict[Attacker, dict[tuple[frozenset[int], int, int], _Stretch | None]] = {}
        self._owned: dict[tuple[frozenset[int], ...], frozenset[int]] = {}

    @cached_property
    def finder(self) -> "_Finder":
        """Finds the least deviation; made when it is first needed, as the others are."""
        return _Finder(self)

    @cached_property
    def pricer(self) -> "_Pricer":
        """Finds the farthest deviation."""
        return _Pricer(self)

    @cached_property
    def helper(self) -> "_Helper":
        """Finds the cheapest help."""
        return _Helper(self)

    @cached_property
    def bands(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """How far each cell can deviate where it is published, and a little more: all that is no change."""
        found = np.array([self.band(place) for place in range(len(self.keys))]).reshape(-1, 2)
        return found[:, 0] - NO_CHANGE, found[:, 1] + NO_CHANGE

    def withhold(self, cells: Iterable[Key]) -> None:
        """Withhold exactly these cells."""
        self.shown = mask_of(range(len(self.keys))) & ~mask_of(self.places[key] for key in cells)

    def find_breach(self, demand: Demand | CoalitionDemand) -> Breach | None:
        """Return what a demand lacks under the present choice; null: it is fulfilled."""
        if isinstance(demand, CoalitionDemand) and self.is_proven(demand):
            return None
        for sign, need in ((1, demand.up), (-1, demand.down)):
            scaled = need * self.scale
            if self.system.integer:
                scaled = float(math.ceil(scaled - _WHOLE))
            if scaled <= MISSED:
                continue
            if isinstance(demand, CoalitionDemand):
                breach = self._find_coalition(demand, sign * scaled, demand.base)
            else:
                breach = None if self._witness(demand, sign * scaled) else Breach(demand, sign * scaled)
            if breach is not None:
                return breach
        return None

    def is_proven(self, demand: CoalitionDemand) -> bool:
        """Say whether the quicker way knows that a demand is fulfilled under the present choice."""
        return self.proof is not None and not demand.clipped and self.proof(demand, self.shown)

    def _find_coalition(
        self, demand: CoalitionDemand, need: float, members: tuple[int, ...]
    ) -> Breach | None:
        """Return a coalition that succeeds, of these members and perhaps others.

        A deviation that moves nothing of a coalition's defeats it. So only who is moved needs to be added.
        """
        against = demand.to(members)
        if demand.clipped:
            possible = self._possible(against, 1 if need > 0 else -1)
            if possible <= MISSED:
                return None
            need = math.copysign(min(abs(need), possible), need)
        witness = self._witness(against, need)
        if witness is None:
            return Breach(against, need)
        if len(members) == demand.members:
            return None
        for other, columns in enumerate(demand.owners):
            larger = (*members, other)
            if other in members or not witness.columns & mask_of(columns) or demand.spares(larger):
                continue
            breach = self._find_coalition(demand, need, larger)
            if breach is not None:
                return breach
        return None

    def _possible(self, demand: Demand, sign: int) -> float:
        """Return how far the part of a sum that an attacker does not know can deviate at most."""
        sides = [
            max(sign * coefficient * side for side in self.bound(column))
            for column, coefficient in demand.terms
            if column not in demand.attacker.known
        ]
        return math.fsum(sides)

    def witness(
        self, demand: Demand | CoalitionDemand, attacker: Attacker, need: float
    ) -> frozenset[int] | None:
        """Return the columns that a deviation moves which meets a need (scaled); null: there is none.

        First the holding is moved as far as all its amounts go together: that answers for its other periods
        too, and for those who make up for it.

        Args:
            demand: of one holding; to a given attacker nothing is moved farther than it asks.
            attacker: to whom.
            need: by how much its sum must be able to deviate; negative: downwards.
        """
        if isinstance(demand, CoalitionDemand):
            stretch = self._stretched(demand, attacker, need)
            if stretch is not None:
                return stretch.columns
        found = self._witness(Demand(demand.terms, attacker, demand.down, demand.up), need)
        return None if found is None else frozenset(_bits(found.columns))

    def _stretched(self, demand: CoalitionDemand, attacker: Attacker, need: float) -> _Stretch | None:
        """Return a deviation that goes as far as it can and meets a need; null: none is found so."""
        known = self._stretches.setdefault(attacker, {})
        sign, least, shown = (1 if need > 0 else -1), abs(need) - MISSED, self.shown
        for one in known.values():
            if one is not None and not one.cells & shown and one.reach(demand.terms, sign) >= least:
                return one
        key = (self._own(demand.owners), sign, shown)
        if key in known:
            return None
        one = known[key] = self.pricer.stretch(attacker, key[0], sign)
        return one if one is not None and one.reach(demand.terms, sign) >= least else None

    def _own(self, owners: tuple[frozenset[int], ...]) -> frozenset[int]:
        """Return the columns of the holding that is none of these."""
        if owners not in self._owned:
            self._owned[owners] = frozenset(range(len(self.system.values))).difference(*owners)
        return self._owned[owners]

    def _witness(self, demand: Demand, need: float) -> _Witness | None:
        """Return a deviation that meets a need, known already or found now."""
        known, shown, least = demand.attacker.mask, self.shown, abs(need) - MISSED
        remembered = self.witnesses.setdefault((demand.terms, 1 if need > 0 else -1), [])
        for witness in remembered:
            if witness.cells & shown or witness.columns & known or witness.reach < least:
                continue
            if not witness.broken & ~self.let_go(demand.attacker):
                return witness
        found = self.finder.find(demand, need)
        if found is not None:
            remembered.append(found)
        return found

    def helps(self, breach: Breach) -> Mapping[Key, float]:
        """Return what a breach lacks, as a valid inequality.

        Returns:
            Cells, each with the share (0..1) of what is missing that withholding it brings at most: whatever
            fulfils the demand withholds cells whose shares make at least 1.
        """
        return self.pricer.helps(breach)

    def cheapest_help(self, breach: Breach, weights: Mapping[Key, float]) -> frozenset[Key]:
        """Return published cells whose withholding fulfils a demand, chosen by weight x deviation.

        Args:
            breach: what is not fulfilled under the present choice.
            weights: of the cells that may be withheld; without one a cell stays published.

        Returns:
            The cells that the cheapest sufficient deviation changes; empty: there is none.
        """
        return self.helper.find(breach, weights)

    def reach(self, breach: Breach) -> float:
        """Return how far the sum of a breach can deviate at most, in its direction and the prober's scale."""
        return self.pricer.reach(breach)

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

    def band(self, place: int) -> tuple[float, float]:
        """Return how far a cell can deviate where it is published."""
        down, up = self.system.slacks.get(self.keys[place], (0.0, 0.0))
        return (max(-down * self.scale, -self.farthest), min(up * self.scale, self.farthest))

    def rows(self) -> list[Row]:
        """Return the cells and links as rows over the columns, all cells published."""
        cells = [
            Row(dict(terms), *self.band(place)) for place, terms in enumerate(self.system.cells.values())
        ]
        links = [
            Row({total: -1.0, **dict.fromkeys(parts, 1.0)}, 0.0, 0.0) for total, parts in self.system.links
        ]
        held = [
            Row(dict(held.terms), held.low * self.scale, held.high * self.scale) for held in self.system.held
        ]
        return [*cells, *links, *held]

    def let_go(self, attacker: Attacker) -> int:
        """Return what is held of columns that an attacker knows anyway, as bits."""
        if attacker not in self._let_go:
            self._let_go[attacker] = mask_of(
                place for place, columns in enumerate(self._held_columns) if not columns & ~attacker.mask
            )
        return self._let_go[attacker]

    def is_possible(self, attacker: Attacker) -> bool:
        """Say whether anything is possible to an attacker under the present choice."""
        return self.pricer.is_possible(attacker)


class Probing(Protocol):
    """What a search asks of a system under a choice of withheld cells."""

    scale: float

    def withhold(self, cells: Iterable[Key]) -> None:
        """Withhold exactly these cells."""

    def find_breach(self, demand: Demand | CoalitionDemand) -> Breach | None:
        """Return what a demand lacks under the present choice; null: it is fulfilled."""

    def helps(self, breach: Breach) -> Mapping[Key, float]:
        """Return what a breach lacks, as a valid inequality."""

    def cheapest_help(self, breach: Breach, weights: Mapping[Key, float]) -> frozenset[Key]:
        """Return published cells whose withholding fulfils a demand."""

    def reach(self, breach: Breach) -> float:
        """Return how far the sum of a breach can deviate at most."""


def attainable(prober: Probing, demand: CoalitionDemand) -> list[CoalitionDemand]:
    """Lower a demand to what the present choice leaves possible, but only towards who can tell more already.

    What is lost can't be mended; it may become no worse. Who works together with others knows no less than
    alone: towards larger coalitions no more is demanded.

    Returns:
        The demand, which spares those coalitions, and one for each of them and all larger ones.
    """
    own = replace(demand, members=len(demand.base))
    while (breach := prober.find_breach(own)) is not None:
        reached = min(prober.reach(breach), abs(breach.need))
        least = max(0.0, reached * _KEPT - MISSED) / prober.scale
        own = replace(own, up=least) if breach.need > 0 else replace(own, down=least)
    rest, found = replace(own, members=demand.members), []
    while (breach := prober.find_breach(rest)) is not None:
        known = breach.demand.attacker.known
        knowing = tuple(place for place, columns in enumerate(demand.owners) if columns <= known)
        found += attainable(prober, replace(rest, base=knowing))
        rest = replace(rest, spared=(*rest.spared, frozenset(knowing)))
    return [rest, *found]


class _Follower:
    """What the systems of a prober have in common: they follow its choice and one attacker's knowledge."""

    def __init__(self, prober: Prober) -> None:
        self.prober = prober
        self.shown = mask_of(range(len(prober.keys)))  # as the rows say at first
        self.known: frozenset[int] = frozenset()
        self.gone = 0

    def follow(self, solver: LinearSystem, attacker: Attacker) -> None:
        """Take over the prober's present choice, and what the attacker knows."""
        prober = self.prober
        gone = prober.let_go(attacker)
        for place in _bits(gone ^ self.gone):
            held, scale = prober.system.held[place], prober.scale
            free = bool(gone >> place & 1)
            bounds = (-math.inf, math.inf) if free else (held.low * scale, held.high * scale)
            solver.set_row(prober.held_at + place, *bounds)
        for place in _bits(prober.shown ^ self.shown):
            self.show(solver, place, shown=bool(prober.shown >> place & 1))
        for column in sorted(attacker.known ^ self.known):
            self.free(solver, column, known=column in attacker.known)
        self.shown, self.known, self.gone = prober.shown, attacker.known, gone

    def show(self, solver: LinearSystem, place: int, *, shown: bool) -> None:
        """Publish or withhold a cell."""
        solver.set_row(place, *(self.prober.band(place) if shown else self.prober.room(place)))

    def free(self, solver: LinearSystem, column: int, *, known: bool) -> None:
        """Let an attacker know a column or not."""
        solver.set_column(column, *((0.0, 0.0) if known else self.prober.bound(column)))


class _Finder(_Follower):
    """Finds the deviation that moves least: the fewer it moves, the more attackers it defeats.

    Columns are split: up at 2 j, down at 2 j + 1. The last row is the sum that must deviate.
    """

    def __init__(self, prober: Prober) -> None:
        super().__init__(prober)
        rows = [Row(_split(row.terms), row.low, row.high) for row in prober.rows()]
        columns = range(len(prober.system.values))
        bounds = [side for j in columns for side in _sides(prober.bound(j))]
        self.goal, self.terms = len(rows), {0: 1.0}
        self.prices = {
            2 * j + side: _ATTACKED if j in prober.attacked else 1.0 for j in columns for side in (0, 1)
        }
        self.least, self.most = prober.bands
        self.held_least = np.array([held.low * prober.scale for held in prober.system.held]) - NO_CHANGE
        self.held_most = np.array([held.high * prober.scale for held in prober.system.held]) + NO_CHANGE
        rows.append(Row(self.terms, -math.inf, math.inf))
        self.solver = LinearSystem(bounds, rows)
        self.whole = LinearSystem(bounds, rows, integer=True) if prober.system.integer else None

    def free(self, solver: LinearSystem, column: int, *, known: bool) -> None:
        """Let an attacker know a column or not."""
        for side, (low, high) in enumerate(_sides((0.0, 0.0) if known else self.prober.bound(column))):
            solver.set_column(2 * column + side, low, high)

    def find(self, demand: Demand, need: float) -> _Witness | None:
        solvers = [self.solver] if self.whole is None else [self.solver, self.whole]
        shown, known, gone = self.shown, self.known, self.gone
        for solver in solvers:
            self.shown, self.known, self.gone = shown, known, gone
            self.follow(solver, demand.attacker)
        sign = math.copysign(1.0, need)
        terms = _split({column: sign * coefficient for column, coefficient in demand.terms})
        for solver in solvers:
            solver.set_terms(self.goal, self.terms, terms)
            solver.set_row(self.goal, abs(need), math.inf)
        self.terms = terms
        found = self.solver.least(self.prices)
        if found is not None and self.whole is not None and not _is_whole(found):
            found = _least_or_nothing(self.whole, self.prices)
        return None if found is None else self._witness(found)

    def _witness(self, found: Optimum) -> _Witness:
        moved = np.abs(found.columns[0::2] - found.columns[1::2]) > NO_CHANGE
        rows = found.rows[: len(self.prober.keys)]
        cells = (rows < self.least) | (rows > self.most)
        reach = float(found.rows[self.goal])
        held = found.rows[self.prober.held_at : self.goal]
        broken = (held < self.held_least) | (held > self.held_most)
        return _Witness(_mask(moved), _mask(cells), reach, _mask(broken))


class _Pricer(_Follower):
    """Finds how far a sum can deviate at most, and which published cells hold it."""

    def __init__(self, prober: Prober) -> None:
        super().__init__(prober)
        bounds = [prober.bound(j) for j in range(len(prober.system.values))]
        self.solver = LinearSystem(bounds, prober.rows())

    def helps(self, breach: Breach) -> dict[Key, float]:
        """Read from the prices which published cells hold the sum: duality gives a valid inequality.

        max over deviations <= value + sum over published cells of |price| x room, if they were withheld.
        """
        prober, found = self.prober, self._farthest(breach)
        if -found.value >= abs(breach.need) - MISSED:  # only whole numbers are held
            return {prober.keys[place]: 1.0 for place in _bits(prober.shown)}
        rooms = [
            (place, abs(price), self._gained(place, 1 if price < 0 else 0))
            for place, price in enumerate(found.prices[: len(prober.keys)].tolist())
            if abs(price) > _PRICED
        ]
        used = [price * room for place, price, room in rooms if not prober.shown >> place & 1]
        missing = abs(breach.need) + found.value + math.fsum(used)
        return {
            prober.keys[place]: min(1.0, price * room / missing)
            for place, price, room in rooms
            if room > NO_CHANGE
        }

    def reach(self, breach: Breach) -> float:
        """Return how far the sum of a breach can deviate at most, in its direction."""
        return -self._farthest(breach).value

    def stretch(self, attacker: Attacker, own: Iterable[int], sign: int) -> _Stretch | None:
        """Move columns up (1) or down (-1) as far as possible, each measured by its amount."""
        values = {j: abs(self.prober.system.values[j]) for j in sorted(own)}
        least = min((value for value in values.values() if value), default=0.0)
        self.follow(self.solver, attacker)
        found = self.solver.least({j: -sign * least / value for j, value in values.items() if value})
        if found is None or not math.isfinite(found.value):
            return None
        down, up = self.prober.bands
        rows = found.rows[: len(down)]
        beyond = (rows < down) | (rows > up)
        moved = np.nonzero(np.abs(found.columns) > NO_CHANGE)[0].tolist()
        return _Stretch(found.columns.tolist(), frozenset(moved), _mask(beyond))

    def is_possible(self, attacker: Attacker) -> bool:
        """Say whether there is any deviation at all, none counting too."""
        self.follow(self.solver, attacker)
        return self.solver.least({}) is not None

    def _farthest(self, breach: Breach) -> Optimum:
        sign = math.copysign(1.0, breach.need)
        self.follow(self.solver, breach.demand.attacker)
        found = self.solver.least({column: -sign * c for column, c in breach.demand.terms})
        if found is None or not math.isfinite(found.value):
            raise ArithmeticError("a system of deviations always has a bounded solution")
        return found

    def _gained(self, place: int, side: int) -> float:
        """Return how much further a cell can deviate downwards (0) or upwards (1) if it is withheld."""
        room, band = self.prober.room(place)[side], self.prober.band(place)[side]
        return room - band if side else band - room


class _Helper(_Follower):
    """The system with a price on every cell's deviation; the last row is the sum that must deviate."""

    def __init__(self, prober: Prober) -> None:
        super().__init__(prober)
        self.columns = len(prober.system.values)
        rows = prober.rows()
        for place in range(len(prober.keys)):
            up = self.columns + 2 * place
            rows[place] = Row({**rows[place].terms, up: -1.0, up + 1: 1.0}, *prober.band(place))
        bounds = [prober.bound(j) for j in range(self.columns)] + [(0.0, 0.0)] * (2 * len(prober.keys))
        self.goal, self.terms = len(rows), {0: 1.0}
        self.solver = LinearSystem(bounds, [*rows, Row(self.terms, -math.inf, math.inf)])

    def show(self, solver: LinearSystem, place: int, *, shown: bool) -> None:
        """Leave the cell to the prices."""

    def find(self, breach: Breach, weights: Mapping[Key, float]) -> frozenset[Key]:
        prober, demand = self.prober, breach.demand
        self.follow(self.solver, demand.attacker)
        sign = math.copysign(1.0, breach.need)
        terms = {column: sign * coefficient for column, coefficient in demand.terms}
        self.solver.set_terms(self.goal, self.terms, terms)
        self.terms = terms
        self.solver.set_row(self.goal, abs(breach.need), math.inf)
        found = self.solver.least(self._prices(weights))
        if found is None:
            return frozenset()
        moved = np.nonzero(found.columns[self.columns :] > NO_CHANGE)[0] // 2
        return frozenset(prober.keys[place] for place in moved.tolist() if prober.shown >> place & 1)

    def _prices(self, weights: Mapping[Key, float]) -> dict[int, float]:
        prober = self.prober
        prices: dict[int, float] = {}
        for place, key in enumerate(prober.keys):
            shown = bool(prober.shown >> place & 1)
            least, most = prober.band(place)
            low, high = prober.room(place) if not shown or key in weights else (least, most)
            for column, room in enumerate((high - most, least - low), start=self.columns + 2 * place):
                self.solver.set_column(column, 0.0, min(room, prober.farthest))
                prices[column] = (weights.get(key, 0.0) if shown else 0.0) + _NO_PRICE
        return prices


def _least_or_nothing(solver: LinearSystem, prices: Mapping[int, float]) -> Optimum | None:
    """Solve in whole numbers; what isn't found within the limit of nodes doesn't protect anybody."""
    try:
        return solver.least(prices)
    except LimitReachedError:
        return None


def _mask(places: npt.NDArray[np.bool_]) -> int:
    return mask_of(np.nonzero(places)[0].tolist())


def _is_whole(found: Optimum) -> bool:
    return bool(np.abs(found.columns - np.round(found.columns)).max(initial=0.0) <= _WHOLE)


def _split(terms: Mapping[int, float]) -> dict[int, float]:
    return {2 * j + side: -c if side else c for j, c in terms.items() for side in (0, 1)}


def _sides(bound: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    return ((0.0, bound[1]), (0.0, -bound[0]))


def _bits(mask: int) -> Iterable[int]:
    place = 0
    while mask:
        if mask & 1:
            yield place
        mask >>= 1
        place += 1
