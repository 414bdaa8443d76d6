"""The gate for tables of totals and counts: cells and a policy -> what is published, what withheld and why.

Belongs here: from the contents of cells to demands (R1: cells, R2: holdings), and from a choice of withheld
cells to the answer. Does not belong here: files, single rules (primary), the search (secondary).
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from pipelines.domain.disclosure.attack import Attack, Interval, tolerance_of
from pipelines.domain.disclosure.linear import INFINITY
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.primary import (
    ZERO,
    Content,
    Share,
    Verdict,
    fill_up,
    judge_content,
)
from pipelines.domain.disclosure.probing import Prober
from pipelines.domain.disclosure.protection import (
    Attacker,
    CoalitionDemand,
    Demand,
    TableSystem,
    columns_of,
    ones,
)
from pipelines.domain.disclosure.records import Records
from pipelines.domain.disclosure.secondary import MOST_ROUNDS, Choice, Problem, choose_withheld
from pipelines.domain.disclosure.tables import ROOT, Dimension, Equation, Key, find_equations, said
from pipelines.domain.outcomes import ExitCode, OperatorError

PUBLISHED: Final = "published"
PRIMARY: Final = "primary"
SECONDARY: Final = "secondary"
FROZEN: Final = "frozen"
WITHHELD: Final = "withheld"


@dataclass(frozen=True)
class Decision:
    """What becomes of a cell.

    Args:
        key: the cell.
        status: published, primary, secondary or frozen.
        value: its value, also where it is withheld.
        contributors: how many holdings it has with a contribution other than zero.
        interval: what the public can derive of it.
        reasons: codes.
    """

    key: Key
    status: str
    value: Fraction
    contributors: int
    interval: Interval
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """All decisions by key, and whether a limit was reached on the way."""

    decisions: Mapping[Key, Decision]
    limited: bool


@dataclass(frozen=True)
class Tables:
    """Linked tables of the same element.

    Args:
        dimensions: all dimensions.
        breakdowns: the dimensions of each table, by their place.
        policy: the limits.
        frozen: cells whose status is fixed: `published` or `withheld`.
        unsafe: cells that are unsafe whatever the rules say.
        shown: cells that are published whatever the rules say.
    """

    dimensions: Sequence[Dimension]
    breakdowns: Sequence[Sequence[int]]
    policy: TablePolicy
    frozen: Mapping[Key, str] = field(default_factory=dict)
    unsafe: frozenset[Key] = frozenset()
    shown: frozenset[Key] = frozenset()


@dataclass(frozen=True)
class _Lone:
    """A lone contributor: what she knows at least, and what she knows with her contributions elsewhere."""

    known: frozenset[int]
    own: frozenset[int]


@dataclass(frozen=True)
class _Model:
    """A table ready to be judged, from records or from ready cells."""

    contents: Mapping[Key, Content]
    system: TableSystem
    lone: Sequence[_Lone]
    union: Callable[[Sequence[Key]], Content]
    holdings: Sequence[CoalitionDemand] = ()


def withhold_records(records: Records, tables: Tables, most_rounds: int = MOST_ROUNDS) -> Release:
    """Judge the cells of records by R1, and with a coalition the holdings by R2.

    Raises:
        OperatorError: UNUSABLE_INPUT: negative or fractional cells where the policy excludes them.
            PROTECTION_UNREACHABLE: frozen cells give something away; names the cells.
    """
    contents = {key: records.content(places) for key, places in records.cells.items()}
    _check_values(contents, tables.policy)
    return _decide(_model_of_records(records, contents, tables), tables, most_rounds)


def withhold_cells(
    contents: Mapping[Key, Content], tables: Tables, most_rounds: int = MOST_ROUNDS
) -> Release:
    """Judge ready cells by R1. Cells of different siblings are taken to have different holdings.

    Args:
        contents: each cell's; absent combinations are zero.
        tables: what they belong to.
        most_rounds: see `choose_withheld`.

    Raises:
        OperatorError: as `withhold_records`; INCONSISTENT: a total that isn't the sum of its parts.
    """
    _check_values(contents, tables.policy)
    equations = find_equations(contents, tables.dimensions, absent_is_zero=True)
    return _decide(_model_of_cells(contents, equations, tables), tables, most_rounds)


def _check_values(contents: Mapping[Key, Content], policy: TablePolicy) -> None:
    for key, content in contents.items():
        if policy.nonnegative and content.value < 0:
            raise OperatorError(
                f"cell {said(key)} is negative: correct it, or set nonnegative: false in the policy",
                f"{said(key)} 칸이 음수입니다. 고치거나 정책에서 nonnegative: false로 정하세요",
                ExitCode.UNUSABLE_INPUT,
            )
        if policy.integer and content.value.denominator != 1:
            raise OperatorError(
                f"cell {said(key)} is no whole number: correct it, or set integer: false in the policy",
                f"{said(key)} 칸이 정수가 아닙니다. 고치거나 정책에서 integer: false로 정하세요",
                ExitCode.UNUSABLE_INPUT,
            )


def _model_of_records(records: Records, contents: Mapping[Key, Content], tables: Tables) -> _Model:
    """Columns are contributions: of each holding that matters by itself, else all of one combination."""
    lone_cells: dict[tuple[str, str], list[Key]] = {}
    for key, places in records.cells.items():
        owners = sorted({records.contributions[p].owner for p in places if records.contributions[p].amount})
        if contents[key].contributors == 1 and len(owners) == 1:
            lone_cells.setdefault(owners[0], []).append(key)
    single = tables.policy.coalition is not None
    columns: dict[tuple[Key, tuple[str, str] | None], list[int]] = {}
    for place, one in enumerate(records.contributions):
        owner = one.owner if single or one.owner in lone_cells else None
        columns.setdefault((one.codes, owner), []).append(place)
    column_of = {place: j for j, places in enumerate(columns.values()) for place in places}
    cells = {key: frozenset(column_of[p] for p in places) for key, places in records.cells.items()}
    owned: dict[tuple[str, str], set[int]] = {}
    for place, one in enumerate(records.contributions):
        owned.setdefault(one.owner, set()).add(column_of[place])
    lone = [
        _Lone(known := frozenset().union(*(cells[key] for key in keys)), known | owned[owner])
        for owner, keys in sorted(lone_cells.items())
    ]
    amounts = [sum((records.contributions[p].amount for p in places), ZERO) for places in columns.values()]
    negative = any(one.amount < 0 for one in records.contributions)
    system = _system(amounts, cells, contents, tables.policy, negative=negative)
    holdings = _holding_demands(records, owned, cells, tables.policy)
    return _Model(contents, system, lone, lambda keys: _union_of_records(records, keys), holdings)


def _union_of_records(records: Records, keys: Sequence[Key]) -> Content:
    return records.content(sorted({place for key in keys for place in records.cells[key]}))


def _system(
    amounts: Sequence[Fraction], cells: Mapping[Key, frozenset[int]], contents: Mapping[Key, Content],
    policy: TablePolicy, *, negative: bool, links: Sequence[tuple[int, Sequence[int]]] = (),
) -> TableSystem:  # fmt: skip
    bounds = {key: float(_bound(content, policy)) for key, content in contents.items()}
    if policy.nonnegative:
        lowest = [-INFINITY if negative else 0.0] * len(amounts)
        highest = [INFINITY] * len(amounts)
        ranges = dict.fromkeys(cells, (0.0, INFINITY))
    else:
        highest = [INFINITY] * len(amounts)
        for key, columns in cells.items():
            for column in columns:
                highest[column] = min(highest[column], bounds[key])
        lowest = [-bound for bound in highest]
        ranges = {key: (-bounds[key], bounds[key]) for key in cells}
    values = [float(amount) for amount in amounts]
    sums = {key: ones(columns) for key, columns in cells.items()}
    return TableSystem(values, lowest, highest, sums, ranges, links, policy.integer)


def _bound(content: Content, policy: TablePolicy) -> Fraction:
    return content.size * (1 + policy.bound_percent / 100)


def _holding_demands(
    records: Records, owned: Mapping[tuple[str, str], set[int]], cells: Mapping[Key, frozenset[int]],
    policy: TablePolicy,
) -> list[CoalitionDemand]:  # fmt: skip
    """R2: no coalition may come closer to a holding's value than its protection interval."""
    if policy.coalition is None:
        return []
    values: dict[tuple[str, str], Fraction] = {}
    waived: dict[tuple[str, str], bool] = {}
    for one in records.contributions:
        values[one.owner] = values.get(one.owner, ZERO) + one.amount
        waived[one.owner] = one.waived
    found = []
    for owner, value in sorted(values.items()):
        if waived[owner] or not value:
            continue
        columns = frozenset(owned[owner])
        up = float(abs(value) * policy.holding_percent / 100)
        down = min(up, float(abs(value))) if policy.nonnegative else up
        named = tuple(key for key, part in cells.items() if part & columns)
        others = tuple(frozenset(owned[other]) for other in sorted(owned) if other != owner)
        found.append(CoalitionDemand(ones(columns), others, policy.coalition, down, up, named))
    return found


def _model_of_cells(contents: Mapping[Key, Content], equations: Sequence[Equation], tables: Tables) -> _Model:
    """Columns are the cells themselves, linked by their sums."""
    for equation in equations:
        _check_sum(equation, contents)
    keys = sorted(contents)
    place = {key: j for j, key in enumerate(keys)}
    cells = {key: frozenset((place[key],)) for key in keys}
    links = [(place[e.total], [place[part] for part in e.parts]) for e in equations]
    amounts = [contents[key].value for key in keys]
    system = _system(amounts, cells, contents, tables.policy, negative=False, links=links)
    needed = tables.policy.contributions_needed
    lone = [
        _Lone(known := frozenset(place[key] for key in group), known)
        for group in _nested([key for key in keys if contents[key].contributors == 1], tables.dimensions)
    ]
    return _Model(contents, system, lone, lambda some: _union_of_cells([contents[k] for k in some], needed))


def _check_sum(equation: Equation, contents: Mapping[Key, Content]) -> None:
    parts = [contents[part].value for part in equation.parts]
    total, summed = contents[equation.total].value, sum(parts, ZERO)
    size = max(abs(total), sum((abs(part) for part in parts), ZERO))
    if abs(total - summed) > Fraction(1, 10**9) * size:
        raise OperatorError(
            f"the totals don't add up: {equation.said()}, but {float(total)!r} is not {float(summed)!r}; "
            "correct a cell, or add the missing ones",
            f"합계가 맞지 않습니다: {equation.said()} ({float(total)!r}, {float(summed)!r}). "
            "칸을 고치거나 빠진 칸을 추가하세요",
            ExitCode.INCONSISTENT,
        )


def _nested(keys: Sequence[Key], dimensions: Sequence[Dimension]) -> list[list[Key]]:
    """Group cells with one contributor where one contains another: it is the same holding."""
    groups: list[list[Key]] = []
    for key in keys:
        linked = [group for group in groups if any(_related(key, other, dimensions) for other in group)]
        groups = [group for group in groups if group not in linked] + [
            sorted([key, *itertools.chain(*linked)])
        ]
    return sorted(groups)


def _related(one: Key, other: Key, dimensions: Sequence[Dimension]) -> bool:
    return _contains(one, other, dimensions) or _contains(other, one, dimensions)


def _contains(outer: Key, inner: Key, dimensions: Sequence[Dimension]) -> bool:
    return all(a in d.lineage(b) for a, b, d in zip(outer, inner, dimensions, strict=True))


def _union_of_cells(contents: Sequence[Content], needed: int) -> Content:
    filled = [fill_up(content, needed) for content in contents]
    shares = sorted((share for content in filled for share in content.shares), reverse=True)
    return Content(
        sum((c.value for c in filled), ZERO),
        sum((c.size for c in filled), ZERO),
        sum(c.contributors for c in filled),
        tuple(Share(share.size, share.waived) for share in shares),
        all(c.waived for c in filled),
        any(c.assumed for c in filled),
    )


def _decide(model: _Model, tables: Tables, most_rounds: int) -> Release:
    verdicts = {key: judge_content(content, tables.policy) for key, content in model.contents.items()}
    for key in tables.unsafe:
        verdicts[key] = _at_least_unsafe(verdicts[key], model.contents[key], tables.policy)
    gate = _Gate(model, tables, verdicts)
    choice = gate.choose(most_rounds)
    if choice.unprotected:
        listed = " ".join(said(key) for key in choice.unprotected)
        raise OperatorError(
            f"no choice of withheld cells protects {listed}: withhold more of the frozen cells",
            f"어떻게 비공개해도 다음 칸을 보호할 수 없습니다: {listed}. 고정된 공개 칸을 줄이세요",
            ExitCode.PROTECTION_UNREACHABLE,
        )
    return Release(gate.decisions(choice), choice.limited)


def _at_least_unsafe(verdict: Verdict, content: Content, policy: TablePolicy) -> Verdict:
    least = policy.frequency_range_percent / 100 * content.size
    return verdict if verdict.level > 0 else Verdict(verdict.reasons, least)


class _Gate:
    """One table's demands and decisions."""

    def __init__(self, model: _Model, tables: Tables, verdicts: Mapping[Key, Verdict]) -> None:
        self.model, self.tables, self.verdicts = model, tables, verdicts
        self.policy, self.contents, self.system = tables.policy, model.contents, model.system
        self.columns = {key: columns_of(terms) for key, terms in self.system.cells.items()}
        self.equations = find_equations(self.contents, tables.dimensions, absent_is_zero=True)
        shown = {key for key, status in tables.frozen.items() if status == PUBLISHED} | tables.shown
        self.unsafe = {key for key, v in verdicts.items() if v.reasons or key in tables.unsafe} - shown
        hidden = {key for key, status in tables.frozen.items() if status == WITHHELD}
        self.shown, self.withheld = frozenset(shown), frozenset(self.unsafe | hidden)
        self.unions: dict[tuple[Key, ...], Verdict] = {}
        self.attackers = self._attackers()
        self.ranks = _smallest_first(self.contents, tables)

    def choose(self, most_rounds: int) -> Choice:
        demands: list[Demand | CoalitionDemand] = [*self.model.holdings]
        demands[:0] = [d for key in sorted(self.unsafe) for d in self._cell_demands(key)]
        weights = {
            key: float(abs(content.value))
            for key, content in self.contents.items()
            if key not in self.withheld and key not in self.shown
        }
        depth = min((key.count(ROOT) for key in weights), default=0)
        finest = frozenset(key for key in weights if key.count(ROOT) == depth)
        problem = Problem(demands, self._further, weights, self.withheld, self.shown, finest)
        largest = max((float(content.size) for content in self.contents.values()), default=0.0)
        attacked = frozenset().union(*(attacker.known for attacker in self.attackers))
        prober = Prober(self.system, float(self.policy.widest) * largest, attacked)
        return choose_withheld(prober, problem, most_rounds)

    def _attackers(self) -> list[Attacker]:
        known = {frozenset[int](): None}
        for lone in self.model.lone:
            known |= {lone.known: None, lone.own: None}
        return [Attacker(columns) for columns in known]

    def _cell_demands(self, key: Key) -> Iterable[Demand]:
        if not self.contents[key].size:
            return []  # how far a zero cell must reach depends on what is published
        return self._demands(self.columns[key], self.verdicts[key], self.contents[key], (key,))

    def _demands(
        self, columns: frozenset[int], verdict: Verdict, content: Content, named: tuple[Key, ...],
        withheld: frozenset[Key] = frozenset(), published: frozenset[Key] = frozenset(),
    ) -> list[Demand]:  # fmt: skip
        """R1: the public and every lone contributor must find the protection interval possible.

        Of what an attacker knows herself she can't be kept uncertain: below, only the rest counts.
        """
        up = float(verdict.level)
        down = float(min(verdict.level, content.value) if self.policy.nonnegative else verdict.level)
        found = []
        for attacker in self.attackers:
            if columns <= attacker.known:
                continue
            rest = self._rest(columns, named, attacker)
            least = min(down, rest) if self.policy.nonnegative else down
            found.append(Demand(ones(columns), attacker, max(0.0, least), up, withheld, published, named))
        return found

    def _rest(self, columns: frozenset[int], named: tuple[Key, ...], attacker: Attacker) -> float:
        """Return the value of a sum without what an attacker knows to be part of it."""
        if not self.system.links:
            return self.system.value(columns - attacker.known)
        keys, dimensions = list(self.system.cells), self.tables.dimensions
        parts = [
            self.system.values[j]
            for j in sorted(attacker.known)
            if any(_contains(outer, keys[j], dimensions) for outer in named)
        ]
        return self.system.value(columns) - max(parts, default=0.0)

    def _further(self, withheld: frozenset[Key]) -> Iterable[Demand]:
        """Demands that depend on the choice: sums of withheld siblings, and zero cells."""
        for equation in self.equations:
            siblings = tuple(part for part in equation.parts if part in withheld)
            if 1 < len(siblings) < len(equation.parts):
                yield from self._sibling_demands(equation, siblings)
        for key in sorted(self.unsafe):
            if not self.contents[key].size:
                reach = self._zero_reach(key, withheld)
                content = self.contents[key]
                yield from self._demands(self.columns[key], Verdict(("zero",), reach), content, (key,))

    def _sibling_demands(self, equation: Equation, siblings: tuple[Key, ...]) -> list[Demand]:
        if siblings not in self.unions:
            self.unions[siblings] = judge_content(self.model.union(siblings), self.policy)
        verdict = self.unions[siblings]
        if not verdict.reasons:
            return []
        content = self.model.union(siblings)
        columns = frozenset().union(*(self.columns[key] for key in siblings))
        others = frozenset(equation.parts) - set(siblings)
        if not content.size:
            return []
        return self._demands(columns, verdict, content, siblings, frozenset(siblings), others)

    def _zero_reach(self, key: Key, withheld: frozenset[Key]) -> Fraction:
        """Return how large a zero cell must seem possible: the smallest positive published value, or 1."""
        if self.policy.integer:
            return Fraction(1)
        smallest = [
            next((value for value, other in ranked if other not in withheld), ZERO)
            for table, ranked in self.ranks
            if all(code == ROOT or i in table for i, code in enumerate(key))
        ]
        return max(smallest, default=ZERO)

    def decisions(self, choice: Choice) -> dict[Key, Decision]:
        intervals = self._public(choice.withheld)
        return {key: self._decision(key, choice, interval) for key, interval in intervals.items()}

    def _decision(self, key: Key, choice: Choice, interval: Interval) -> Decision:
        content, verdict, frozen = self.contents[key], self.verdicts[key], key in self.tables.frozen
        if key in self.unsafe:
            status, reasons = PRIMARY, verdict.reasons
        elif key not in choice.withheld:
            status, reasons = PUBLISHED, ()
        else:
            status, reasons = (FROZEN, ()) if frozen else (SECONDARY, (SECONDARY,))
        assumed = fill_up(content, self.policy.contributions_needed).assumed
        codes = (*reasons, *([FROZEN] if frozen else []), *(["assumed_x"] if assumed else []))
        return Decision(key, status, content.value, content.contributors, interval, codes)

    def _public(self, withheld: frozenset[Key]) -> dict[Key, Interval]:
        """Return what everybody can derive of each cell."""
        tolerance = tolerance_of(float(c.value) for c in self.contents.values())
        cells = {
            key: Interval(*self.system.ranges[key])
            if key in withheld
            else Interval(float(content.value), float(content.value))
            for key, content in self.contents.items()
        }
        derived = Attack(cells, self.equations, tolerance, self.policy.integer).derive(sorted(withheld))
        return {key: derived.get(key, interval) for key, interval in cells.items()}


def _smallest_first(
    contents: Mapping[Key, Content], tables: Tables
) -> list[tuple[Sequence[int], list[tuple[Fraction, Key]]]]:
    """Return for each table its positive cells by size."""
    return [
        (
            table,
            sorted(
                (content.value, key)
                for key, content in contents.items()
                if content.value > 0 and all(code == ROOT or i in table for i, code in enumerate(key))
            ),
        )
        for table in tables.breakdowns
    ]
