"""The audit's attackers: the tightest bounds that coalitions derive from a system, with few programs solved.

Belongs here: a system kept warm, coalitions, found points. Does not belong here: which equations there are
(audit_systems), what is asked and what is too tight (audit).

A point is a set of amounts that fulfils every equation. What it gives a coalition it gives to every other
whose own amounts it leaves as they are: so one solved program answers for many coalitions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from pipelines.domain.disclosure.audit_systems import Equation, Equations, Release
from pipelines.domain.disclosure.exposure import Unknown
from pipelines.domain.disclosure.linear import INFINITY, LinearSystem, Row, Vector

_SAME: Final = 1e-9
_FAR: Final = 100.0
_TENTHS: Final = 1000
_FIRST_POINTS: Final = 16
Flags = npt.NDArray[np.bool_]
Coalition = tuple[int, ...]
_Kind = TypeVar("_Kind", bound=np.generic)


@dataclass(frozen=True)
class Aim:
    """A sum of columns, as a multiple of its true size.

    Args:
        weights: of columns that are multiples of their true amounts.
        down: how far below the truth it can lie at most.
        up: how far above it.
    """

    weights: Mapping[int, float]
    down: float
    up: float


class Attack:
    """A system as its attackers see it.

    Args:
        equations: the system.
        persistence: by what share a factory's month is taken to differ at most from the month before; null:
            nothing is taken to persist.
    """

    def __init__(self, equations: Equations, persistence: float | None = None) -> None:
        self.equations = equations
        self.places = {unknown: place for place, unknown in enumerate(equations.unknowns)}
        amounts = np.array([u.amount for u in equations.unknowns])
        mean = float(np.abs(amounts).mean()) or 1.0
        self.scales = np.where(amounts == 0, mean, np.abs(amounts))
        self.truth = amounts / self.scales
        self.holdings = sorted({u.holding for u in equations.unknowns})
        self.sizes = {
            h: math.fsum(u.amount for u in equations.unknowns if u.holding == h) for h in self.holdings
        }
        numbers = {holding: n for n, holding in enumerate(self.holdings)}
        self.owners = np.array([numbers[u.holding] for u in equations.unknowns], dtype=np.int64)
        limit = _FAR * mean * len(amounts)
        tops = np.array([min(equations.most.get(u, math.inf), limit) for u in equations.unknowns])
        known = np.array([u in equations.known for u in equations.unknowns], dtype=bool)
        # Nobody is taken to have less than nothing, unless somebody has.
        lows = np.where(amounts < 0, -limit / self.scales, 0.0)
        self.lows = np.where(known, self.truth, lows)
        self.tops = np.where(known, self.truth, np.maximum(tops / self.scales, self.truth))
        self.statements = [e for e in equations.equations if e.terms]
        self.persistence = persistence
        self.pairs = [
            (self.places[u], self.places[v]) for u, v in (equations.chains if persistence is not None else ())
        ]
        self.short = [self.equations.unknowns[v] in equations.short for _, v in self.pairs]
        self._share = persistence or 0.0
        self._shares: dict[Coalition, float] = {}
        self._fixed: frozenset[int] = frozenset()
        self._loose: frozenset[int] = frozenset()
        self._points = np.zeros((_FIRST_POINTS, len(self.places)))
        self._found = 0
        self._groups: dict[int, Group] = {}

    @cached_property
    def solver(self) -> LinearSystem:
        """The program itself; made when a first one must be solved."""
        rows = [self._row(e) for e in self.statements]
        for n in range(len(self.pairs)):
            rows += self._pair_rows(n, self._share)
        return LinearSystem(list(zip(self.lows.tolist(), self.tops.tolist(), strict=True)), rows)

    @property
    def points(self) -> Vector:
        """Every point that was found, one a row."""
        return self._points[: self._found]

    def group(self, size: int) -> "Group":
        """Return all coalitions of some holdings, those with the largest amounts first."""
        if size not in self._groups:
            self._groups[size] = Group(self, size)
            self._groups[size].learn(self.points)
        return self._groups[size]

    def aim(self, weights: Mapping[Unknown, float], size: float, known_to: Sequence[str] = ()) -> Aim:
        """Return a sum of unknowns, relative to a size, as some holdings see it who know their own."""
        scaled = {self.places[u]: c * float(self.scales[self.places[u]]) / size for u, c in weights.items()}
        down, up = [], []
        for j, c in scaled.items():
            if self.equations.unknowns[j].holding not in known_to:
                below, above = float(self.truth[j] - self.lows[j]), float(self.tops[j] - self.truth[j])
                down.append(c * below if c > 0 else -c * above)
                up.append(c * above if c > 0 else -c * below)
        return Aim(scaled, math.fsum(down), math.fsum(up))

    def reaches(self, aim: Aim, sign: int) -> Vector:
        """Return how far every point that was found takes a sum: +1 above, -1 below the truth."""
        columns = list(aim.weights)
        weights = np.array([aim.weights[j] for j in columns])
        found: Vector = sign * ((self.points[:, columns] - self.truth[columns]) @ weights)
        return found

    def reach(self, aim: Aim, sign: int, coalition: Coalition) -> float:
        """Solve how far above (+1) or below (-1) the truth a coalition must think a sum possible.

        Negative: beyond the truth nothing seems possible, which persistence can make a coalition believe.
        """
        self._become(coalition)
        found = self.solver.least({j: -sign * c for j, c in aim.weights.items()})
        if found is None:
            raise ValueError("the truth does not fulfil the equations that were made of it")
        point = np.array(found.columns)
        self.add(point[None, :])
        columns = list(aim.weights)
        weights = np.array([aim.weights[j] for j in columns])
        return float(sign * ((point[columns] - self.truth[columns]) @ weights))

    def add(self, points: Vector) -> None:
        """Remember points, one a row, that fulfil the equations."""
        self._points = _with_room(self._points, self._found + len(points))
        self._points[self._found : self._found + len(points)] = points
        self._found += len(points)
        for group in self._groups.values():
            group.learn(points)

    def shifts(self) -> tuple[list[Unknown], Vector]:
        """Return by how much each point that was found differs from the truth, in amounts."""
        return list(self.equations.unknowns), (self.points - self.truth) * self.scales

    def try_shifts(self, unknowns: Sequence[Unknown], shifts: Vector) -> Flags:
        """Add points that differ from the truth by some amounts, as far as bounds allow; say which fulfil.

        Args:
            unknowns: columns of `shifts`, of this system.
            shifts: one point a row.
        """
        places = [self.places[u] for u in unknowns]
        moves = np.zeros((len(shifts), len(self.places)))
        moves[:, places] = shifts / self.scales[places]
        room = np.where(moves > 0, self.tops - self.truth, self.truth - self.lows)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(np.abs(moves) > _SAME, room / np.abs(moves), 1.0)
        points = self.truth + np.minimum(1.0, parts.min(axis=1, initial=1.0))[:, None] * moves
        sums = points @ self._matrix.T
        low, high = self._bands
        fulfil: Flags = np.asarray(((sums >= low - _SAME) & (sums <= high + _SAME)).all(axis=1))
        self.add(points[fulfil])
        return fulfil

    @cached_property
    def _matrix(self) -> Vector:
        matrix = np.zeros((len(self.statements), len(self.places)))
        for n, equation in enumerate(self.statements):
            for j, c in self._row(equation).terms.items():
                matrix[n, j] = c
        return matrix

    @cached_property
    def _bands(self) -> tuple[Vector, Vector]:
        rows = [self._row(equation) for equation in self.statements]
        return np.array([row.low for row in rows]), np.array([row.high for row in rows])

    def answers(self, points: Vector, members: Flags, inside: Flags, shares: Vector) -> Flags:
        """Say for which coalitions points are possible: they leave their amounts, and what persists, alone.

        Args:
            points: one a row; they fulfil the statements.
            members: which holdings are in each coalition.
            inside: which pairs of months each knows both of.
            shares: what each coalition takes to persist.

        Returns:
            One row a point, one column a coalition.
        """
        moved = np.abs(points - self.truth) > _SAME
        touched = np.zeros((len(points), len(self.holdings)), dtype=bool)
        for n in range(len(self.holdings)):
            touched[:, n] = moved[:, self.owners == n].any(axis=1)
        possible: Flags = (touched.astype(np.int32) @ members.T.astype(np.int32)) == 0
        if not self.pairs:
            return possible
        u, v = np.array(self.pairs).T
        before, after = points[:, u] * self.scales[u], points[:, v] * self.scales[v]
        needed = np.where(self.short, after - before, np.abs(after - before)) - _SAME * self.scales[v]
        for row, (had, moved) in enumerate(zip(before, needed, strict=True)):
            possible[row] &= (inside | (moved[None, :] <= shares[:, None] * had[None, :])).all(axis=1)
        return possible

    def inside(self, members: Flags) -> Flags:
        """Say which pairs of months coalitions know both of: one row a coalition."""
        u, v = np.array(self.pairs, dtype=np.intp).reshape(-1, 2).T
        return members[:, self.owners[u]] & members[:, self.owners[v]]

    def share(self, coalition: Coalition) -> float:
        """Return what a coalition takes to persist: the given share, else the least that isn't refuted."""
        if self.persistence is None:
            return 0.0
        if coalition not in self._shares:
            self._shares[coalition] = self._least_share(coalition)
        return self._shares[coalition]

    def _least_share(self, coalition: Coalition) -> float:
        given = self.persistence or 0.0
        self._assume(coalition, given)
        if self.solver.least({}) is not None:
            return given
        amounts = self.truth * self.scales
        true = max((abs(amounts[v] - amounts[u]) / amounts[u] for u, v in self.pairs), default=0.0)
        refuted, holds = math.floor(given * _TENTHS), math.ceil(true * _TENTHS + _SAME)
        while holds - refuted > 1:
            middle = (refuted + holds) // 2
            self._assume(coalition, middle / _TENTHS)
            refuted, holds = (refuted, middle) if self.solver.least({}) is not None else (middle, holds)
        return holds / _TENTHS

    def _become(self, coalition: Coalition) -> None:
        self._assume(coalition, self.share(coalition))

    def _assume(self, coalition: Coalition, share: float) -> None:
        """Fix what a coalition knows, and what it takes to persist of the others."""
        fixed = frozenset(np.flatnonzero(np.isin(self.owners, coalition)).tolist())
        for j in sorted(fixed ^ self._fixed):
            low, top = (self.truth, self.truth) if j in fixed else (self.lows, self.tops)
            self.solver.set_column(j, float(low[j]), float(top[j]))
        self._fixed = fixed
        first = len(self.statements)
        loose = frozenset(n for n, (u, v) in enumerate(self.pairs) if u in fixed and v in fixed)
        for n, _ in enumerate(self.pairs):
            above, below = self._pair_rows(n, share)
            if share != self._share:
                old = self._pair_rows(n, self._share)
                self.solver.set_terms(first + 2 * n, old[0].terms, above.terms)
                self.solver.set_terms(first + 2 * n + 1, old[1].terms, below.terms)
            if (n in loose) != (n in self._loose):
                high = INFINITY if n in loose else 0.0
                self.solver.set_row(first + 2 * n, -INFINITY, high)
                self.solver.set_row(first + 2 * n + 1, -INFINITY if self.short[n] else -high, INFINITY)
        self._share, self._loose = share, loose

    def _row(self, equation: Equation) -> Row:
        terms = {self.places[u]: c * float(self.scales[self.places[u]]) for u, c in equation.terms.items()}
        norm = max(abs(c) for c in terms.values())
        scaled = {j: c / norm for j, c in terms.items()}
        truth = math.fsum(c * float(self.truth[j]) for j, c in scaled.items())
        return Row(scaled, truth - equation.down / norm, truth + equation.up / norm)

    def _pair_rows(self, n: int, share: float) -> list[Row]:
        u, v = self.pairs[n]
        ratio = float(self.scales[u] / self.scales[v])
        return [
            Row({v: 1.0, u: -(1 + share) * ratio}, -INFINITY, 0.0),
            Row({v: 1.0, u: -(1 - share) * ratio}, -INFINITY if self.short[n] else 0.0, INFINITY),
        ]

    def reach_before(self, aim: Aim, sign: int, coalition: Coalition, since_us: int) -> float:
        """Solve as `reach`, without what was released since a night."""
        self._become(coalition)
        newer = [
            n for n, e in enumerate(self.statements) if any(r.known_at_us >= since_us for r in e.releases)
        ]
        return self._reach_without(newer, {j: -sign * c for j, c in aim.weights.items()}, aim, sign)

    def culprits(self, aim: Aim, sign: int, coalition: Coalition, needed: float) -> tuple[Release, ...]:
        """Return releases that only together keep a coalition from thinking that a sum lies that far off.

        Without any one of them it would.
        """
        self._become(coalition)
        objective = {j: -sign * c for j, c in aim.weights.items()}
        found = self.solver.least(objective)
        kept = [n for n, equation in enumerate(self.statements) if equation.releases]
        dropped: list[int] = []
        # First all that hold nothing where the bound is met, then one by one.
        idle = [n for n in kept if found is not None and abs(found.prices[n]) <= _SAME]
        for some in (idle, *([n] for n in kept if n not in idle)):
            if self._reach_without([*dropped, *some], objective, aim, sign) < needed:
                dropped += some
        return tuple(sorted({r for n in kept if n not in dropped for r in self.statements[n].releases}))

    def _reach_without(
        self, rows: Sequence[int], objective: Mapping[int, float], aim: Aim, sign: int
    ) -> float:
        """Return how far off the sum could lie if some statements had not been made."""
        for n in rows:
            self.solver.set_row(n, -INFINITY, INFINITY)
        found = self.solver.least(objective)
        for n in rows:
            row = self._row(self.statements[n])
            self.solver.set_row(n, row.low, row.high)
        truth = math.fsum(c * float(self.truth[j]) for j, c in aim.weights.items())
        return -INFINITY if found is None else -found.value - sign * truth


class Group:
    """All coalitions of one size, and which of them each point that was found answers for."""

    def __init__(self, attack: Attack, size: int) -> None:
        self._attack = attack
        sizes = [attack.sizes[h] for h in attack.holdings]
        everyone = combinations(range(len(sizes)), size)
        self.coalitions = sorted(everyone, key=lambda c: (-math.fsum(sizes[i] for i in c), c))
        self.members = np.zeros((len(self.coalitions), len(sizes)), dtype=bool)
        for n, coalition in enumerate(self.coalitions):
            self.members[n, list(coalition)] = True
        self._shares = np.array([attack.share(c) for c in self.coalitions])
        self._inside = attack.inside(self.members)
        self._answers = np.zeros((_FIRST_POINTS, len(self.coalitions)), dtype=bool)
        self._learnt = 0

    def learn(self, points: Vector) -> None:
        """Note for which coalitions points are possible."""
        answers = self._attack.answers(points, self.members, self._inside, self._shares)
        self._answers = _with_room(self._answers, self._learnt + len(points))
        self._answers[self._learnt : self._learnt + len(points)] = answers
        self._learnt += len(points)

    def unanswered(self, reaches: Vector, needed: float) -> Flags:
        """Say for which coalitions no point reaches that far."""
        found: Flags = np.asarray(~self._answers[: self._learnt][reaches >= needed].any(axis=0))
        return found


def _with_room(rows: npt.NDArray[_Kind], needed: int) -> npt.NDArray[_Kind]:
    """Return rows with zeros behind them: twice as many until so many fit, so that few are ever copied."""
    while len(rows) < needed:
        rows = np.concatenate([rows, np.zeros_like(rows)])
    return rows
