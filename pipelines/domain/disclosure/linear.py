"""A system of linear sums whose bounds are asked again and again: HiGHS, kept warm.

Belongs here: numbers in, numbers out, always the same for the same system. Does not belong here: what a
column or a row means (attack, protection).

One thread, a fixed seed, limits by iterations and nodes and never by time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import highspy
import numpy as np
import numpy.typing as npt

from pipelines.domain.outcomes import ExitCode, OperatorError

INFINITY: Final = math.inf
Vector = npt.NDArray[np.float64]
_NOTHING: Final[Vector] = np.zeros(0)
_OPTIONS: Final[Mapping[str, bool | float | str]] = {
    "threads": 1,
    "random_seed": 0,
    # A model that is asked again starts from its last basis. And with presolve HiGHS 1.16 once called a
    # choice of whole numbers optimal that was not.
    "presolve": "off",
    "solver": "simplex",
    "simplex_iteration_limit": 1_000_000,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-7,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 1e-6,
    "mip_max_nodes": 100_000,
}
_CHOSEN: Final = 0.5
_FEASIBLE = highspy.HighsModelStatus.kOptimal
_UNBOUNDED = highspy.HighsModelStatus.kUnbounded
_EITHER = highspy.HighsModelStatus.kUnboundedOrInfeasible
_NO_SOLUTION = (highspy.HighsModelStatus.kInfeasible, _EITHER)


class _QuietHighs(highspy.Highs):
    """HiGHS without the banner that it prints where it enables its callbacks, which nobody here needs."""

    def enableCallbacks(self) -> None:  # noqa: N802 - the library's name
        self.setOptionValue("output_flag", False)


class LimitReachedError(OperatorError):
    """The solver stopped at its limit of iterations or nodes: nothing follows from what it found so far."""

    def __init__(self) -> None:
        super().__init__(
            "the table is too large for the solver's limits: give fewer breakdowns or coarser codes",
            "표가 너무 커서 계산 한도를 넘었습니다. 분류 수를 줄이거나 더 큰 단위로 묶으세요",
            ExitCode.UNUSABLE_INPUT,
        )

    def __reduce__(self) -> tuple[type, tuple[()]]:  # type: ignore[override]
        """Survive pickling, as every OperatorError."""
        return (type(self), ())


@dataclass(frozen=True)
class Row:
    """low <= sum of coefficient x column <= high."""

    terms: Mapping[int, float]
    low: float
    high: float


@dataclass(frozen=True)
class Optimum:
    """The least value of an objective (minus infinity: unbounded), where it is reached, and what holds it.

    Args:
        value: the least value.
        columns: the columns there.
        rows: the sums there.
        prices: by how much the least value rises where the bound that a row meets rises by one.
    """

    value: float
    columns: Vector
    rows: Vector
    prices: Vector


@dataclass(frozen=True)
class Cover:
    """sum of coefficient x chosen >= 1 [coefficients 0..1; `rest` counts as chosen already]."""

    coefficients: Mapping[int, float]
    rest: float = 0.0


class LinearSystem:
    """Columns between bounds, and rows; the least value of an objective over them.

    Args:
        bounds: lowest and highest value of each column.
        rows: the sums.
        integer: whether every column is a whole number.
    """

    def __init__(
        self, bounds: Sequence[tuple[float, float]], rows: Sequence[Row], *, integer: bool = False
    ) -> None:
        self.columns = len(bounds)
        self._all = np.arange(self.columns, dtype=np.int32)
        self._solver = _QuietHighs()  # type: ignore[no-untyped-call]
        for name, value in _OPTIONS.items():
            self._solver.setOptionValue(name, value)
        if integer:
            self._solver.setOptionValue("solver", "choose")
        self._solver.passModel(_model(bounds, rows, integer=integer))

    def set_column(self, column: int, low: float, high: float) -> None:
        """Change the bounds of a column."""
        self._solver.changeColBounds(column, low, high)

    def set_row(self, row: int, low: float, high: float) -> None:
        """Change the bounds of a row."""
        self._solver.changeRowBounds(row, low, high)

    def set_terms(self, row: int, old: Mapping[int, float], new: Mapping[int, float]) -> None:
        """Change what a row sums, from `old` to `new`."""
        for column in sorted(old.keys() | new.keys()):
            self._solver.changeCoeff(row, column, new.get(column, 0.0))

    def least(self, objective: Mapping[int, float]) -> Optimum | None:
        """Minimise the sum of coefficient x column; null: nothing fulfils the rows.

        Raises:
            LimitReachedError: the solver stopped at its limit.
        """
        if not self.columns:
            return Optimum(0.0, _NOTHING, _NOTHING, _NOTHING)
        costs = np.zeros(self.columns)
        for column, coefficient in objective.items():
            costs[column] = coefficient
        self._solver.changeColsCost(self.columns, self._all, costs)
        self._solver.run()
        status = self._solver.getModelStatus()
        if status == _EITHER and objective:
            return None if self.least({}) is None else Optimum(-INFINITY, _NOTHING, _NOTHING, _NOTHING)
        if status in _NO_SOLUTION:
            return None
        if status == _UNBOUNDED:
            return Optimum(-INFINITY, _NOTHING, _NOTHING, _NOTHING)
        if status != _FEASIBLE:
            raise LimitReachedError
        solution = self._solver.getSolution()
        found = np.array(solution.col_value)
        value = math.fsum(c * float(found[j]) for j, c in objective.items())
        return Optimum(value, found, np.array(solution.row_value), np.array(solution.row_dual))

    def choose(self, weights: Sequence[float], most_nodes: int) -> tuple[int, ...] | None:
        """Return the columns that are 1 where the sum of weight x column is least; null: nothing fits."""
        self._solver.setOptionValue("mip_max_nodes", most_nodes)
        self._solver.changeColsCost(self.columns, self._all, np.array(weights, dtype=float))
        self._solver.run()
        if self._solver.getModelStatus() in _NO_SOLUTION:
            return None
        found = self._solver.getSolution()
        if not found.value_valid:
            return tuple(range(self.columns))
        return tuple(j for j, v in enumerate(found.col_value) if v > _CHOSEN)


def _model(bounds: Sequence[tuple[float, float]], rows: Sequence[Row], *, integer: bool) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(bounds), len(rows)
    model.col_cost_ = np.zeros(len(bounds))
    model.col_lower_ = np.array([low for low, _ in bounds], dtype=float)
    model.col_upper_ = np.array([high for _, high in bounds], dtype=float)
    model.row_lower_ = np.array([row.low for row in rows], dtype=float)
    model.row_upper_ = np.array([row.high for row in rows], dtype=float)
    starts = np.cumsum([0, *(len(row.terms) for row in rows)])
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = starts.astype(np.int32)
    model.a_matrix_.index_ = np.array([j for row in rows for j in row.terms], dtype=np.int32)
    model.a_matrix_.value_ = np.array([c for row in rows for c in row.terms.values()], dtype=float)
    if integer:
        model.integrality_ = [highspy.HighsVarType.kInteger] * len(bounds)
    return model


def cheapest_cover(
    weights: Sequence[float], covers: Sequence[Cover], most_nodes: int
) -> tuple[int, ...] | None:
    """Choose columns of least weight that fulfil every cover; null: nothing does.

    Where the limit of nodes is reached, the best choice found so far, else all columns.
    """
    rows = [Row(cover.coefficients, 1.0 - cover.rest, INFINITY) for cover in covers]
    solver = LinearSystem([(0.0, 1.0)] * len(weights), rows, integer=True)
    return solver.choose(weights, most_nodes)
