"""Bounds of an attack equal those of another formulation: SciPy, with the inner cells as only unknowns."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from pipelines.domain.disclosure.attack import NONNEGATIVE, Attack, Interval, tolerance_of
from pipelines.domain.disclosure.tables import ROOT, Key, find_equations, flat

NAMES = ("a", "b", "c")


def full_table(chance: random.Random) -> tuple[list[Key], dict[Key, list[int]], list[float]]:
    """Return inner cells, the inner cells of every cell, and their values."""
    sizes = [chance.randint(2, 3) for _ in range(chance.randint(1, 3))]
    places = itertools.product(*map(range, sizes))
    inner = [tuple(f"{n}{i}" for n, i in zip(NAMES, at, strict=False)) for at in places]
    cells: dict[Key, list[int]] = {}
    for place, key in enumerate(inner):
        for shown in itertools.product((True, False), repeat=len(sizes)):
            part = tuple(code if keep else ROOT for code, keep in zip(key, shown, strict=True))
            cells.setdefault(part, []).append(place)
    return inner, cells, [float(chance.choice([0, 0, 1, 2, 3, 7])) for _ in inner]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**6), integer=st.booleans(), base=st.sampled_from([0.0, 2.0, 3.0]))
def test_bounds_equal_those_of_another_formulation(seed: int, *, integer: bool, base: float) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's table, no key
    inner, cells, values = full_table(chance)
    truth = {key: sum(values[p] for p in places) for key, places in cells.items()}
    hidden = sorted(key for key in cells if chance.random() < 0.5)
    known = {key: _printed(truth[key], base, integer=integer) for key in cells if key not in hidden}
    dimensions = [flat(name, {key[i] for key in inner}) for i, name in enumerate(NAMES[: len(inner[0])])]
    attack = Attack(
        {key: known.get(key, NONNEGATIVE) for key in cells},
        find_equations(cells, dimensions, absent_is_zero=False),
        tolerance_of(truth.values()),
        integer,
    )
    derived = attack.derive(hidden)
    rows = np.zeros((len(cells), len(inner)))
    for row, places in enumerate(cells.values()):
        rows[row, places] = 1.0
    limits = [known.get(key, NONNEGATIVE) for key in cells]
    constraint = LinearConstraint(rows, [low for low, _ in limits], [high for _, high in limits])
    for key in hidden:
        expected = [
            _extreme(rows[list(cells).index(key)], sign, constraint, integer=integer) for sign in (1, -1)
        ]
        assert derived[key] == pytest.approx(tuple(expected), abs=1e-6)


def _printed(value: float, base: float, *, integer: bool) -> Interval:
    """Return what a value that is rounded to a base says; whole numbers only where all are."""
    if not base:
        return Interval(value, value)
    shown = base * round(value / base)
    low, high = max(0.0, shown - base / 2), shown + base / 2
    return Interval(float(np.ceil(low)), float(np.floor(high))) if integer else Interval(low, high)


def _extreme(row: np.ndarray, sign: int, constraint: LinearConstraint, *, integer: bool) -> float:
    found = milp(
        sign * row, constraints=constraint, bounds=Bounds(0, np.inf), integrality=np.full(len(row), integer),
        options={"presolve": False},
    )  # fmt: skip
    if found.status == 0:
        return float(sign * found.fun)
    assert found.status in (3, 4)  # unbounded (4: or not feasible, but the truth is)
    return float(-sign * np.inf)
