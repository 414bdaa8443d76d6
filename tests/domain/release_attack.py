"""An attacker of her own make: printed figures with their grids, absolute amounts, SciPy.

Nothing of the judge is used but which figures it published: variables, bands, rules and coalitions are written
down once more.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog

from pipelines.domain.disclosure.candidates import Candidate

Unknown = tuple[str, str, float]
"""Variable, factory, amount: a restated amount is another unknown."""
AMOUNT_OF: Mapping[str, tuple[str, Callable[[float, float], float], float]] = {
    # variable, amount of it from numerator and denominator, change of the numerator per unit of it
    "energy_kwh": ("electricity", lambda n, _d: n, 1.0),
    "co2e_kg": ("electricity", lambda n, _d: n / 0.5, 0.5),
    "quality_ratio": ("quality", lambda n, _d: n, 1.0),
    "scrap_ratio": ("quality", lambda n, d: d - n, -1.0),
}


@dataclass
class Printed:
    """All published figures, whose the amounts are, and what everybody may think possible."""

    figures: list[Candidate] = field(default_factory=list)
    unknowns: dict[Unknown, tuple[int, str, float]] = field(default_factory=dict)
    now: dict[tuple[str, str], dict[str, Unknown]] = field(default_factory=dict)
    versions: set[tuple[str, str, frozenset[Unknown]]] = field(default_factory=set)

    def end_night(self) -> None:
        """Remember what each holding had of each variable, as this night knew it."""
        for (holding, variable), held in self.now.items():
            self.versions.add((holding, variable, frozenset(held.values())))

    def learn(self, candidate: Candidate) -> list[tuple[int, float, float]]:
        """Return column, coefficient and constant of each contribution."""
        variable, amount_of, factor = AMOUNT_OF[candidate.definition.kpi]
        found = []
        for c in candidate.contributions:
            amount = round(amount_of(c.numerator, c.denominator or 0.0), 9)
            unknown = (variable, c.factory, amount)
            most = math.inf if c.denominator is None else c.denominator
            self.now.setdefault((c.holding, variable), {})[c.factory] = unknown
            place = self.unknowns.setdefault(unknown, (len(self.unknowns), c.holding, most))[0]
            found.append((place, factor, c.denominator or 0.0 if factor < 0 else 0.0))
        return found

    def bands(self) -> tuple[np.ndarray, np.ndarray]:
        """Return A, b of A x <= b."""
        rows, limits = [np.zeros(len(self.unknowns))], [0.0]
        for candidate in self.figures:
            assert candidate.value is not None
            assert candidate.grid_step is not None
            row, constant = np.zeros(len(self.unknowns)), 0.0
            for place, factor, known in self.learn(candidate):
                row[place] += factor
                constant += known
            weight = sum(c.denominator or 0.0 for c in candidate.contributions) or 1.0
            low = (candidate.value - candidate.grid_step / 2) * weight - constant
            high = (candidate.value + candidate.grid_step / 2) * weight - constant
            rows += [row, -row]
            limits += [high, -low]
        return np.array(rows), np.array(limits)

    def interval(self, goal: np.ndarray, known: Iterable[str]) -> tuple[float, float]:
        """Return what holdings who know their own amounts can derive of a sum."""
        rows, limits = self.bands()
        insiders = set(known)
        bounds = [
            (unknown[2], unknown[2]) if holding in insiders else (0.0, None if most == math.inf else most)
            for unknown, (_, holding, most) in self.unknowns.items()
        ]
        ends = []
        for sign in (1.0, -1.0):
            found = linprog(sign * goal, A_ub=rows, b_ub=limits + 1e-7 * (1 + abs(limits)), bounds=bounds)
            assert found.status in (0, 3), found.message
            ends.append(-math.inf * sign if found.status == 3 else float(goal @ found.x))
        return ends[0], ends[1]

    def vector(self, parts: Iterable[tuple[int, float]]) -> np.ndarray:
        goal = np.zeros(len(self.unknowns))
        for place, factor in parts:
            goal[place] += factor
        return goal


def holding_leaks(printed: Printed, coalition: int, percent: float) -> list[str]:
    """R2: holdings that some coalition comes too close to, each night's amounts for themselves."""
    holdings = sorted({h for _, h, _ in printed.unknowns.values()})
    found = []
    for holding, variable, version in sorted(printed.versions, key=repr):
        amount = sum(u[2] for u in version)
        most = sum(printed.unknowns[u][2] for u in version)
        goal = printed.vector((printed.unknowns[u][0], 1.0) for u in version)
        low = amount * (1 - percent / 100)
        high = min(amount * (1 + percent / 100), most)
        others = [h for h in holdings if h != holding]
        # who knows more derives more: smaller coalitions needn't be tried
        for known in itertools.combinations(others, min(coalition, len(others))):
            least, largest = printed.interval(goal, known)
            if least > low + 1e-5 * (1 + amount) or largest < high - 1e-5 * (1 + amount):
                found.append(f"{variable} of {holding} by {known}: {least:.2f} .. {largest:.2f}")
    return found


def level_of(sizes: Iterable[float], percent: float, coalition: int, least: int) -> float | None:
    """Return how far an unsafe sum must seem to reach; null: it is safe. All sizes are >= 0."""
    given = sorted((s for s in sizes if s), reverse=True)
    if not given:
        return None
    level = percent / 100 * given[0] - sum(given[1 + coalition :])
    if level > 1e-9 * sum(given):
        return level
    return sum(given) / 10 if len(given) < max(least, coalition + 2) else None


def cell_leaks(
    printed: Printed, withheld: Iterable[Candidate], percent: float, coalition: int, least: int
) -> list[str]:
    """R1: withheld unsafe totals that the public or a single holding comes too close to."""
    found = []
    for candidate in withheld:
        held: dict[str, float] = {}
        for c in candidate.contributions:
            held[c.holding] = held.get(c.holding, 0.0) + c.numerator
        level = level_of(held.values(), percent, coalition, least)
        if level is None or candidate.definition.kpi not in ("energy_kwh", "co2e_kg"):
            continue
        terms = printed.learn(candidate)
        goal = printed.vector((place, factor) for place, factor, _ in terms)
        total = sum(held.values())
        for known in [(), *((h,) for h in sorted(held))]:
            least_value, largest = printed.interval(goal, known)
            mine = sum(held[h] for h in known)
            if len(held) == len(known):
                continue
            low = total - min(level, total - mine)
            if least_value > low + 1e-5 * (1 + total) or largest < total + level - 1e-5 * (1 + total):
                found.append(f"{candidate.figure_id} by {known}: {least_value:.2f} .. {largest:.2f}")
    return found
