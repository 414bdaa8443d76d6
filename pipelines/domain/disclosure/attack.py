"""What follows from a table of which some cells are withheld: the attacker's arithmetic.

Belongs here: printed cells and the sums that link them -> the least and the largest value that each withheld
cell can have. Does not belong here: what an interval must contain to be safe (primary), what is withheld
(secondary), files.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipelines.domain.disclosure.linear import INFINITY, LinearSystem, Row
from pipelines.domain.disclosure.tables import Equation, Key, inconsistent, said
from pipelines.domain.outcomes import ExitCode, OperatorError

LEAST_TOLERANCE: Final = 1e-6
RELATIVE_TOLERANCE: Final = 1e-9
_WHOLE: Final = 1e-6


class Interval(NamedTuple):
    """All values from `low` to `high`; infinite: unbounded."""

    low: float
    high: float

    def meets(self, other: "Interval") -> "Interval":
        """Return what both have in common; `low` above `high`: nothing."""
        return Interval(max(self.low, other.low), min(self.high, other.high))


ANYTHING: Final = Interval(-INFINITY, INFINITY)
NONNEGATIVE: Final = Interval(0.0, INFINITY)


@dataclass(frozen=True)
class Attack:
    """What an attacker has.

    Args:
        cells: what is known of each cell before the sums are used; one value: printed or known exactly.
        equations: sums that hold between the true values.
        tolerance: by how much printed values may miss a sum, and how exact a bound is.
        integer: whether every cell is a whole number.
    """

    cells: Mapping[Key, Interval]
    equations: Sequence[Equation]
    tolerance: float
    integer: bool = False

    def derive(self, asked: Iterable[Key]) -> dict[Key, Interval]:
        """Derive the tightest interval of each cell asked.

        Bounds are rounded to a tenth of the tolerance, so that they are the same bytes on every machine.

        Raises:
            OperatorError: INCONSISTENT: no values fulfil the sums; names one that can't hold.
        """
        for equation in self.equations:
            self._check(equation)
        return _Solver(self).derive(asked)

    def _check(self, equation: Equation) -> None:
        """Refuse a sum that can't hold, whatever the others say."""
        parts = [self.cells[part] for part in equation.parts]
        low, high = math.fsum(p.low for p in parts), math.fsum(p.high for p in parts)
        total = self.cells[equation.total]
        if low > total.high + self.tolerance or high < total.low - self.tolerance:
            raise inconsistent(equation)


def tolerance_of(values: Iterable[float]) -> float:
    """Return how exact bounds of a table with these values are: 1e-6, or 1e-9 of the largest."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    return max(LEAST_TOLERANCE, RELATIVE_TOLERANCE * largest)


def combine(key: Key, intervals: Sequence[Interval], tolerance: float, *, integer: bool) -> Interval:
    """Return what several statements about a cell leave.

    Raises:
        OperatorError: INCONSISTENT: they exclude each other.
    """
    low, high = ANYTHING
    for interval in intervals:
        low, high = interval.meets(Interval(low, high))
    if integer:
        low = math.ceil(low - _WHOLE) if math.isfinite(low) else low
        high = math.floor(high + _WHOLE) if math.isfinite(high) else high
    if low > high + (0.0 if integer else tolerance):
        told = " and ".join(f"[{i.low!r}, {i.high!r}]" for i in intervals if i != ANYTHING)
        raise OperatorError(
            f"the table contradicts itself: {said(key)} = x can't hold for any x in {told}; correct the cell",
            f"표의 값이 서로 맞지 않습니다: {said(key)} = x 식이 {told}에서 성립하지 않습니다. 고치세요",
            ExitCode.INCONSISTENT,
        )
    return Interval(low, max(low, high)) if low <= high else Interval(high, high)


class _Solver:
    """The linear systems of one attack, scaled so that its tolerance is about 1e-6."""

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.places = {key: place for place, key in enumerate(sorted(attack.cells))}
        exponent = math.ceil(math.log2(attack.tolerance / LEAST_TOLERANCE))
        self.scale = 1.0 if attack.integer else 2.0 ** max(0, exponent)
        self.slack = 0.0
        self.relaxed = self._system(integer=False)
        self.whole: LinearSystem | None = None

    def derive(self, asked: Iterable[Key]) -> dict[Key, Interval]:
        self._settle()
        return {key: self._interval(key) for key in asked}

    def _settle(self) -> None:
        """Take the sums exactly where that is possible, else within the tolerance."""
        if self.relaxed.least({}) is None:
            self.slack = self.attack.tolerance / self.scale
            self.relaxed = self._system(integer=False)
            if self.relaxed.least({}) is None:
                raise inconsistent(self._culprit())
        if self.attack.integer:
            self.whole = self._system(integer=True)
            if self.whole.least({}) is None:
                raise inconsistent(self._culprit())

    def _interval(self, key: Key) -> Interval:
        known = self.attack.cells[key]
        low, high = self._least(self.places[key], 1.0), -self._least(self.places[key], -1.0)
        low, high = self._rounded(low), self._rounded(high)
        return Interval(max(low, known.low), min(max(low, high), known.high))

    def _least(self, column: int, coefficient: float) -> float:
        """Return the least value of +-1 x a column, in the table's own scale."""
        objective = {column: coefficient}
        found = self.relaxed.least(objective)
        if found is None:
            raise inconsistent(self._culprit())
        whole = all(abs(v - round(v)) <= _WHOLE for v in found.columns)
        if self.whole is not None and math.isfinite(found.value) and not whole:
            found = self.whole.least(objective)
            if found is None:
                raise inconsistent(self._culprit())
        return found.value * self.scale

    def _rounded(self, bound: float) -> float:
        if not math.isfinite(bound):
            return bound
        if self.attack.integer:
            return float(round(bound))
        return round(bound, 1 - math.floor(math.log10(self.attack.tolerance))) + 0.0

    def _system(self, *, integer: bool) -> LinearSystem:
        return LinearSystem(self._columns(), self._rows(), integer=integer)

    def _columns(self) -> list[tuple[float, float]]:
        cells = self.attack.cells
        return [(cells[key].low / self.scale, cells[key].high / self.scale) for key in self.places]

    def _rows(self) -> list[Row]:
        return [Row(self._terms(equation), -self.slack, self.slack) for equation in self.attack.equations]

    def _terms(self, equation: Equation) -> dict[int, float]:
        return {self.places[equation.total]: -1.0, **{self.places[part]: 1.0 for part in equation.parts}}

    def _culprit(self) -> Equation:
        """Return the sum that is missed by most where all are missed by as little as possible."""
        first = len(self.places)
        rows = [
            Row({**row.terms, first + 2 * i: 1.0, first + 2 * i + 1: -1.0}, 0.0, 0.0)
            for i, row in enumerate(self._rows())
        ]
        misses = [(0.0, INFINITY)] * (2 * len(rows))
        elastic = LinearSystem([*self._columns(), *misses], rows, integer=self.attack.integer)
        objective = dict.fromkeys(range(first, first + 2 * len(rows)), 1.0)
        found = elastic.least(objective)
        columns = (0.0,) * (first + 2 * len(rows)) if found is None else found.columns
        missed = [round(columns[first + 2 * i] + columns[first + 2 * i + 1], 9) for i in range(len(rows))]
        return self.attack.equations[missed.index(max(missed))]
