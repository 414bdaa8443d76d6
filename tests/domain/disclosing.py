"""An attacker of her own make, for the tests: records as unknowns, SciPy, plain floats.

Nothing of the engine is used but its answer: rules, unions and coalitions are written down once more.
"""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import block_diag, csr_array, hstack, vstack

from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.records import Contribution, tabulate
from pipelines.domain.disclosure.secondary import MOST_ROUNDS
from pipelines.domain.disclosure.tables import ROOT, Dimension, Key
from pipelines.domain.disclosure.withholding import Release, Tables, withhold_records

Record = tuple[str, Key, float]
"""Holding, leaf codes, amount."""


@dataclass
class Case:
    """Records of linked tables, and a policy with p %, a least number and perhaps a coalition."""

    records: list[Record]
    dimensions: list[Dimension]
    breakdowns: list[list[int]]
    policy: TablePolicy
    waived: frozenset[str] = frozenset()
    frozen: dict[Key, str] = field(default_factory=dict)

    def release(self, most_rounds: int = MOST_ROUNDS) -> Release:
        amounts: dict[tuple[str, Key], Fraction] = {}
        for holding, codes, amount in self.records:
            amounts[holding, codes] = amounts.get((holding, codes), Fraction(0)) + Fraction(repr(amount))
        contributions = [
            Contribution(("holding", holding), codes, amount, holding in self.waived)
            for (holding, codes), amount in amounts.items()
        ]
        records = tabulate(contributions, self.dimensions, self.breakdowns)
        tables = Tables(self.dimensions, self.breakdowns, self.policy, self.frozen)
        return withhold_records(records, tables, most_rounds)

    def cells(self) -> dict[Key, list[int]]:
        """Return for each cell the positions of its records."""
        found: dict[Key, list[int]] = {}
        for place, (_, codes, _) in enumerate(self.records):
            above = [_above(d, code) for d, code in zip(self.dimensions, codes, strict=True)]
            for table in self.breakdowns:
                choices = [a if i in table else [ROOT] for i, a in enumerate(above)]
                for key in set(itertools.product(*choices)):
                    if place not in found.setdefault(key, []):
                        found[key].append(place)
        return found

    def held(self, places: Iterable[int]) -> dict[str, float]:
        held: dict[str, float] = {}
        for place in places:
            holding, _, amount = self.records[place]
            held[holding] = held.get(holding, 0.0) + amount
        return held


def _above(dimension: Dimension, code: str) -> list[str]:
    found = [code]
    while found[-1] != ROOT:
        found.append(dimension.parents[found[-1]])
    return found


def level(case: Case, places: Sequence[int]) -> float | None:
    """Return the protection level of a sum of records; null: safe. All amounts are >= 0 here."""
    held = case.held(places)
    sizes = sorted(held.values(), reverse=True)
    total, policy = sum(sizes), case.policy
    if not total or all(h in case.waived for h in held):
        return None
    protected = max((v for h, v in held.items() if h not in case.waived), default=0.0)
    if not protected:
        return None
    known = 1 if policy.coalition is None else policy.coalition
    others = sorted(sizes)
    others.remove(protected)
    rest = sum(others[: len(others) - known]) if len(others) > known else 0.0
    part = float(policy.p_percent or 0) / 100 * protected
    few = max(policy.min_contributors or 0, 0 if policy.coalition is None else policy.coalition + 2)
    if part - rest > 1e-9 * total:
        return part - rest
    return total / 10 if sum(1 for v in sizes if v) < few else None


@dataclass(frozen=True)
class Secret:
    """A sum of records that must reach [value - down, value + up] for somebody who knows some."""

    places: tuple[int, ...]
    known: frozenset[int]
    down: float
    up: float
    named: str
    single: bool = True
    withheld: frozenset[Key] = frozenset()
    published: frozenset[Key] = frozenset()


def secrets(case: Case, withheld: set[Key]) -> list[Secret]:
    """Return all of R1 and R2, from the answer's pattern."""
    cells = case.cells()
    sums = {(key,): cells[key] for key in cells if key in withheld}
    others: dict[tuple[Key, ...], frozenset[Key]] = {}
    for hidden, places, shown in _siblings(case, cells, withheld):
        sums[hidden], others[hidden] = places, shown
    attackers = [("public", frozenset[int]()), *_lone(case, cells)]
    found = []
    for named, places in sums.items():
        needed = level(case, places)
        if needed is None:
            continue
        for who, known in attackers:
            if set(places) <= known:
                continue
            unknown = sum(case.records[p][2] for p in places if p not in known)
            text = f"{named} by {who}"
            single = len(named) == 1
            hidden = frozenset[Key]() if single else frozenset(named)
            shown = others.get(named, frozenset())
            found.append(
                Secret(tuple(places), known, min(needed, unknown), needed, text, single, hidden, shown)
            )
    return found + _holdings(case)


def _siblings(
    case: Case, cells: Mapping[Key, list[int]], withheld: set[Key]
) -> Iterable[tuple[tuple[Key, ...], list[int], frozenset[Key]]]:
    for key in cells:
        for i, dimension in enumerate(case.dimensions):
            children = [
                (*key[:i], child, *key[i + 1 :]) for child, up in dimension.parents.items() if up == key[i]
            ]
            hidden = tuple(child for child in children if child in cells and child in withheld)
            if len(hidden) > 1:
                places = [place for child in hidden for place in cells[child]]
                yield hidden, places, frozenset(c for c in children if c in cells) - set(hidden)


def _lone(case: Case, cells: Mapping[Key, list[int]]) -> list[tuple[str, frozenset[int]]]:
    """Return who is alone in a cell: with the records of her cells, and with all her records."""
    known: dict[str, set[int]] = {}
    for places in cells.values():
        holders = [h for h, v in case.held(places).items() if v]
        if len(holders) == 1:
            known.setdefault(holders[0], set()).update(places)
    lone = [(holding, frozenset(places)) for holding, places in known.items()]
    own = {
        holding: frozenset(p for p, record in enumerate(case.records) if record[0] == holding) | places
        for holding, places in lone
    }
    return lone + [
        (f"{h}, who knows all of hers", places) for h, places in own.items() if (h, places) not in lone
    ]


def _holdings(case: Case) -> list[Secret]:
    if case.policy.coalition is None:
        return []
    found = []
    holdings = sorted({holding for holding, _, _ in case.records})
    for holding in holdings:
        own = tuple(p for p, record in enumerate(case.records) if record[0] == holding)
        value = sum(case.records[p][2] for p in own)
        if holding in case.waived or not value:
            continue
        need = value * float(case.policy.holding_percent) / 100
        others = [h for h in holdings if h != holding]
        for members in itertools.combinations(others, min(case.policy.coalition, len(others))):
            known = frozenset(p for p, record in enumerate(case.records) if record[0] in members)
            found.append(Secret(own, known, need, need, f"{holding} by {members}"))
    return found


def leaks(case: Case, withheld: set[Key], most: int = 400) -> list[str]:
    """Attack every secret (of more than `most`, a fixed choice) in one program; name what leaks."""
    found = secrets(case, withheld)
    if len(found) > most:
        found = random.Random(len(found)).sample(found, most)  # noqa: S311 - a choice, no key
    if not found:
        return []
    return _reached(case, withheld, found)


def _reached(case: Case, withheld: set[Key], found: Sequence[Secret]) -> list[str]:
    cells = case.cells()
    amounts = np.array([amount for _, _, amount in case.records])
    shown = [places for key, places in cells.items() if key not in withheld]
    one = np.zeros((len(shown), len(amounts)))
    for row, places in enumerate(shown):
        one[row, places] = 1.0
    top = 20 * amounts.sum() + 1
    bounds, costs = [], []
    for secret in found:
        for sign in (-1.0, 1.0):
            cost = np.zeros(len(amounts))
            cost[list(secret.places)] = sign
            costs.append(cost)
            bounds += [(a, a) if p in secret.known else (0.0, top) for p, a in enumerate(amounts)]
    blocks = 2 * len(found)
    matrix = block_diag([csr_array(one)] * blocks, format="csr") if shown else None
    right = np.tile(one @ amounts, blocks) if shown else None
    solved = linprog(np.concatenate(costs), A_eq=matrix, b_eq=right, bounds=bounds, method="highs")
    assert solved.status == 0, solved.message
    reached = solved.x.reshape(blocks, -1)
    said = []
    for i, secret in enumerate(found):
        value = amounts[list(secret.places)].sum()
        high, low = (reached[2 * i + side][list(secret.places)].sum() for side in (0, 1))
        slack = 1e-6 * max(1.0, value)
        if high < value + secret.up - slack or low > value - secret.down + slack:
            said.append(f"{secret.named}: {value} in [{low}, {high}], needs -{secret.down} +{secret.up}")
    return said


def least_loss(case: Case, seconds: float = 60.0) -> float:
    """Return the least loss at which nothing of R1 leaks: one integer program of all cells and attackers.

    Sums of withheld siblings depend on the choice: each is added when a choice breaks it, on condition that
    just these siblings are withheld.

    Raises:
        TimeoutError: it is not proven within the time.
    """
    cells = case.cells()
    primary = {key for key, places in cells.items() if level(case, places) is not None}
    wanted = [secret for secret in secrets(case, primary) if secret.single]
    free = sorted(set(cells) - primary)
    while True:
        loss, withheld = _solve(case, free, wanted, seconds)
        hidden = primary | withheld
        found = [s for s in secrets(case, hidden) if not s.single and _reached(case, hidden, [s])]
        if not found:
            return loss
        wanted += found


def _solve(
    case: Case, free: Sequence[Key], wanted: Sequence[Secret], seconds: float
) -> tuple[float, set[Key]]:
    cells = case.cells()
    amounts = np.array([amount for _, _, amount in case.records])
    if not free or not wanted:
        return 0.0, set()
    one = np.zeros((len(free), len(amounts)))
    for row, key in enumerate(free):
        one[row, cells[key]] = 1.0
    values = one @ amounts
    top = 3 * amounts.sum() + 1
    blocks, low, high, targets, conditions, needs = [], [], [], [], [], []
    for secret in wanted:
        for sign, need in ((1.0, secret.up), (-1.0, secret.down)):
            blocks.append(csr_array(one))
            low += [0.0 if p in secret.known else -a for p, a in enumerate(amounts)]
            high += [0.0 if p in secret.known else top for p in range(len(amounts))]
            target = np.zeros((1, len(amounts)))
            target[0, list(secret.places)] = sign
            targets.append(csr_array(target))
            hidden, shown = (free_in & set(free) for free_in in (secret.withheld, secret.published))
            conditions.append([need * ((key in shown) - (key in hidden)) for key in free])
            needs.append(need - need * len(hidden))
    count = len(blocks)
    moves = block_diag(blocks, format="csr")
    up = vstack([csr_array(np.diag(np.full(len(free), -top * 4)))] * count)
    down = vstack([csr_array(np.diag(values))] * count)
    goals = hstack([block_diag(targets), csr_array(np.array(conditions))], format="csr")
    constraints = [
        LinearConstraint(hstack([moves, up], format="csr"), -np.inf, 0.0),
        LinearConstraint(hstack([moves, down], format="csr"), 0.0, np.inf),
        LinearConstraint(goals, needs),
    ]
    variables = count * len(amounts)
    solved = milp(
        np.concatenate([np.zeros(variables), values]),
        integrality=np.concatenate([np.zeros(variables), np.ones(len(free))]),
        bounds=Bounds(np.concatenate([low, np.zeros(len(free))]), np.concatenate([high, np.ones(len(free))])),
        constraints=constraints,
        # with its presolve HiGHS once called a choice optimal that was not
        options={"time_limit": seconds, "presolve": False},
    )
    if solved.status != 0:
        raise TimeoutError(solved.message)
    return float(solved.fun), {free[i] for i in np.nonzero(solved.x[variables:] > 0.5)[0]}


def withheld_in(release: Release) -> set[Key]:
    return {key for key, decision in release.decisions.items() if decision.status != "published"}


def random_case(seed: int, *, coalition: int | None, most_dimensions: int = 4) -> Case:
    """Return a small table: up to four dimensions, some with a hierarchy, sometimes linked breakdowns."""
    chance = random.Random(seed)  # noqa: S311 - a test's table, no key
    sizes = [chance.randint(2, 4) for _ in range(chance.randint(1, most_dimensions))]
    if len(sizes) > 2:
        sizes = [min(size, 3 if len(sizes) == 3 else 2) for size in sizes]
    dimensions = [_dimension(chance, i, size) for i, size in enumerate(sizes)]
    linked = len(sizes) > 1 and chance.random() < 0.4
    breakdowns = [list(range(len(sizes)))]
    if linked:
        breakdowns = (
            [[i] for i in range(len(sizes))] if len(sizes) == 2 else [[0, 1], list(range(1, len(sizes)))]
        )
    holdings = [f"h{i}" for i in range(chance.randint(3, 9))]
    records = []
    for _ in range(chance.randint(4, 18)):
        codes = tuple(f"{'abcd'[i]}{chance.randrange(size)}" for i, size in enumerate(sizes))
        amount = chance.choice([0, 1, 2, 3, 5, 10, 100, round(10 ** chance.uniform(0, 3), 2)])
        records.append((chance.choice(holdings), codes, float(amount)))
    waived = frozenset(h for h in holdings if chance.random() < 0.1)
    policy = TablePolicy(
        min_contributors=chance.choice([None, 2, 3]), p_percent=Fraction(chance.choice([5, 10, 30])),
        coalition=coalition,
    )  # fmt: skip
    return Case(records, dimensions, breakdowns, policy, waived)


def _dimension(chance: random.Random, place: int, size: int) -> Dimension:
    name = "abcd"[place]
    codes = [f"{name}{i}" for i in range(size)]
    if size > 2 and chance.random() < 0.5:
        groups = {code: f"{name}{'XY'[i % 2]}" for i, code in enumerate(codes)}
        return Dimension(name, groups | dict.fromkeys(sorted(set(groups.values())), ROOT))
    return Dimension(name, dict.fromkeys(codes, ROOT))


def loss_case(seed: int) -> Case:
    """Return one of the fixed instances of the loss: two or three dimensions, at most 60 cells."""
    chance = random.Random(1_000 + seed)  # noqa: S311 - a test's table, no key
    sizes = [[3, 4], [4, 4], [2, 2, 2], [5, 3], [3, 3]][seed % 5] if seed % 20 != 19 else [4, 2, 2]
    dimensions = [_dimension(chance, i, size) for i, size in enumerate(sizes)]
    records = []
    for i in range(chance.randint(18, 30)):
        codes = tuple(f"{'abcd'[d]}{chance.randrange(size)}" for d, size in enumerate(sizes))
        records.append((f"h{i % 24}", codes, float(round(10 ** chance.uniform(0, 3)))))
    policy = TablePolicy(min_contributors=3, p_percent=Fraction(15))
    return Case(records, dimensions, [list(range(len(sizes)))], policy)
