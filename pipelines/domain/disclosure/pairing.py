"""A quick proof that nobody comes close to a holding: it changes places with others.

Belongs here: deviations of two holdings, checked against everything that is known. Does not belong here: the
search for other deviations (probing).

If a holding can have p % more in all periods and another one just as much less, and no published figure
changes by more than its rounding, then only a coalition with that other one can tell. With one such partner
more than a coalition has members, no coalition can. A pair that passes is a deviation like any other that the
solver would find, so a proof never skips what is violated; where there is none, the solver is asked.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.domain.disclosure.exposure import Unknown
from pipelines.domain.disclosure.protection import CoalitionDemand, TableSystem, Terms, columns_of

Matrix = npt.NDArray[np.float64]
_NOBODY: Final = -1
_REACHED: Final = 1 - 1e-9


class Pairs:
    """The pairs of one system.

    Args:
        unknowns: the columns.
        system: what is known of them; `held` too.
        newest: of each factory and period the column that was known last.
        tolerance: what is no change.
    """

    def __init__(
        self, unknowns: Sequence[Unknown], system: TableSystem, newest: Sequence[Unknown], tolerance: float
    ) -> None:
        self._values = np.array(system.values)
        self._least = np.array(system.lowest) - self._values - tolerance
        self._most = np.array(system.highest) - self._values + tolerance
        self._cells = _dense([*system.cells.values()], len(unknowns))
        slacks = [system.slacks.get(key, (0.0, 0.0)) for key in system.cells]
        self._down = np.array([-down for down, _ in slacks]) - tolerance
        self._up = np.array([up for _, up in slacks]) + tolerance
        links = [((total, -1.0), *((part, 1.0) for part in parts)) for total, parts in system.links]
        self._always = _dense([*links, *(held.terms for held in system.held)], len(unknowns))
        zeros = [0.0] * len(links)
        self._low = np.array([*zeros, *(held.low for held in system.held)]) - tolerance
        self._high = np.array([*zeros, *(held.high for held in system.held)]) + tolerance
        self._holdings = sorted({u.holding for u in unknowns})
        self._owners = np.array([self._holdings.index(u.holding) for u in unknowns], dtype=int)
        slots = sorted({(u.variable, u.period, u.start) for u in unknowns})
        places = {slot: t for t, slot in enumerate(slots)}
        self._slots = np.array([places[u.variable, u.period, u.start] for u in unknowns], dtype=int)
        self._partners = np.full((len(self._holdings), len(slots)), _NOBODY)
        known = {u: j for j, u in enumerate(unknowns)}
        self._newest = np.zeros(len(unknowns))
        for u in newest:
            j = known[u]
            self._newest[j] = 1.0
            place = (self._owners[j], self._slots[j])
            best = self._partners[place]
            if best == _NOBODY or self._values[j] > self._values[best]:
                self._partners[place] = j
        self._found: dict[tuple[int, float], tuple[Matrix, Matrix]] = {}

    def prove(self, demand: CoalitionDemand, shown: npt.NDArray[np.bool_]) -> bool:
        """Say whether pairs alone meet a holding's demand.

        Args:
            demand: of one holding's columns, with coefficients of 1.
            shown: which cells are published.
        """
        needs = [need for need in (demand.up, -demand.down) if need]
        return all(self._count(demand.terms, need, shown) > demand.members for need in needs)

    def _count(self, terms: Terms, need: float, shown: npt.NDArray[np.bool_]) -> int:
        """Return with how many other holdings a holding can change places."""
        columns = sorted(columns_of(terms))
        amount = float(self._values[columns].sum())
        (owner, *others) = set(self._owners[columns].tolist())
        if others or amount <= 0:
            return 0
        factor = need / amount
        if (owner, factor) not in self._found:
            self._found[owner, factor] = self._pairs(owner, factor)
        moved, cells = self._found[owner, factor]
        if not len(moved):
            return 0
        within = (cells >= self._down) & (cells <= self._up) | ~shown
        return int((within.all(axis=1) & (abs(moved[:, columns].sum(axis=1)) >= abs(need) * _REACHED)).sum())

    def _pairs(self, owner: int, factor: float) -> tuple[Matrix, Matrix]:
        """Return the deviations that everything allows but perhaps published cells, and how cells move."""
        own = np.where(self._owners == owner, np.clip(factor * self._values, self._least, self._most), 0.0)
        moved = np.bincount(self._slots, own * self._newest, self._partners.shape[1])
        rows = []
        for other in range(len(self._holdings)):
            partners = self._partners[other]
            if other == owner or (moved[partners == _NOBODY] != 0).any():
                continue
            row = own.copy()
            there = partners != _NOBODY
            np.subtract.at(row, partners[there], moved[there])
            rows.append(row)
        found = np.array(rows).reshape(len(rows), len(self._values))
        allowed = ((found >= self._least) & (found <= self._most)).all(axis=1)
        found = found[allowed]
        always = found @ self._always.T
        found = found[((always >= self._low) & (always <= self._high)).all(axis=1)]
        return found, found @ self._cells.T


def _dense(rows: Sequence[Terms], columns: int) -> Matrix:
    found = np.zeros((len(rows), columns))
    for place, terms in enumerate(rows):
        for column, coefficient in terms:
            found[place, column] = coefficient
    return found
