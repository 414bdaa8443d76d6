"""Rounding to public grids: multiples of a step that never depends on a period's values.

Belongs here: a number -> the nearest point, or the next one below or above. Does not belong here: which grid
a figure has (kpi_formulas) and what is rounded (benchmarks, order_statistics).
"""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

Number = float | Fraction


def exactly(value: float) -> Fraction:
    """Return the decimal number that a float is written as: 0.1 is one tenth, whatever the binary says."""
    return Fraction(Decimal(repr(value)))


def round_to_grid(value: Number, step: float) -> float:
    """Round to the nearest point of a grid through zero, ties to the even point."""
    return _on_grid(value, step, round)


def round_down(value: Number, step: float) -> float:
    """Return the largest point of a grid through zero that is not above a value."""
    return _on_grid(value, step, math.floor)


def round_up(value: Number, step: float) -> float:
    """Return the smallest point of a grid through zero that is not below a value."""
    return _on_grid(value, step, math.ceil)


def _on_grid(value: Number, step: float, choose: Callable[[Fraction], int]) -> float:
    exact = value if isinstance(value, Fraction) else exactly(value)
    width = exactly(step)
    return float(choose(exact / width) * width)
