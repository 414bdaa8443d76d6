"""What the published figures of one group and period say of each other by their formulas.

Belongs here: formulas as linear equations in a group's sums, and which figure to withhold so that an unsafe
one can't be recomputed. Does not belong here: single factories' amounts (exposing).

A printed ratio R of step 2h says (R - h) D <= N <= (R + h) D of the sums of its factories; a printed total
says what one sum is. Sums of elements are not negative, a derived element is the sum of its parts, scrap is
what isn't good, a share is at most its bound. Whatever fulfils all that is possible to an attacker.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipelines.domain.disclosure.candidates import Candidate
from pipelines.domain.disclosure.figure_rules import Finding
from pipelines.domain.disclosure.linear import INFINITY, LinearSystem, Row
from pipelines.domain.disclosure.statements import ORDER_STATISTIC
from pipelines.domain.kpi_formulas import Element

_ELEMENT_PART: Final = 0.1  # a sum of class B that isn't published must seem possible by 10 %
_LEAST_BELOW: Final = 1e-3  # of the true denominator: a ratio over nothing is none
_TOLERANCE: Final = 1e-7
_SLASHES: Final = 5  # in the id of a level; trends and named references have more
_OUTPUT: Final = "pq"  # what an element and its complement add up to
_RUN_TIME: Final = "pru_s"
Column = tuple[str, tuple[str, ...]]
"""A term (an element, or a product of two) and the factories whose sum it is."""


@dataclass(frozen=True)
class Member:
    """A figure of a group and period.

    Args:
        candidate: the figure.
        finding: of its primary rules.
        free: whether tonight may withhold it.
        withheld: whether it is.
        weight: what is lost if it is withheld.
    """

    candidate: Candidate
    finding: Finding
    free: bool
    withheld: bool
    weight: float


@dataclass(frozen=True)
class _Affine:
    """A sum over columns and a constant, with its true value."""

    terms: Mapping[Column, float]
    constant: float
    truth: float


@dataclass(frozen=True)
class _Quotient:
    """above = value x below (below null: above = value), between low and high: what a figure tells.

    Of a product of quotients everybody is taken to know all but this one.
    """

    above: _Affine
    below: _Affine | None
    low: float
    high: float

    def sides(self) -> list[tuple[dict[Column, float], float]]:
        """Return two sums that are at most a limit."""
        found = []
        for sign, value in ((1.0, self.high), (-1.0, self.low)):
            terms = {column: sign * c for column, c in self.above.terms.items()}
            limit = -sign * self.above.constant
            if self.below is None:
                limit += sign * value
            else:
                for column, c in self.below.terms.items():
                    terms[column] = terms.get(column, 0.0) - sign * value * c
                limit += sign * value * self.below.constant
            found.append((terms, limit))
        return found


Place = tuple[tuple[str, ...], str, date]


def place_of(candidate: Candidate) -> Place:
    """Return of which factories and period a figure's sums are.

    Whatever the groups are called: a process that is the whole cluster has the cluster's sums.
    """
    return (tuple(c.factory for c in candidate.contributions), candidate.period, candidate.start)


def withhold_by_formula(members: Sequence[Member], elements: Mapping[str, Element]) -> set[str]:
    """Return which free figures of one group and period to withhold, the fewest contributors first.

    Order statistics, trends and named references say nothing about sums and are left alone.
    """
    told = [m for m in members if _tells_sums(m.candidate)]
    system = _GroupSystem(told, elements)
    withheld = {m.candidate.figure_id for m in told if m.withheld}
    free = sorted((m.weight, m.candidate.figure_id) for m in told if m.free and not m.withheld)
    names = [figure_id for _, figure_id in free]
    lost = system.breaches(withheld | set(names))
    found: set[str] = set()
    while breaches := system.breaches(withheld | found) - lost:
        left = [i for i in names if i not in found]
        mending = next((i for i in left if not breaches & system.breaches(withheld | found | {i})), None)
        found.add(left[0] if mending is None else mending)
    for figure_id in reversed([i for i in names if i in found]):
        if not system.breaches(withheld | found - {figure_id}) - lost:
            found.discard(figure_id)
    return found


def _tells_sums(candidate: Candidate) -> bool:
    usual = candidate.paired is None and candidate.figure_id.count("/") == _SLASHES
    formula = candidate.definition.formula
    quotients = not formula.below or len(formula.above) == len(formula.below)
    return usual and quotients and candidate.statistic != ORDER_STATISTIC and bool(candidate.contributions)


class _GroupSystem:
    """The equations of one group and period, and what must not follow from them."""

    def __init__(self, members: Sequence[Member], elements: Mapping[str, Element]) -> None:
        self.members, self.elements = members, elements
        self.truths: dict[Column, float] = {}
        affine = {m.candidate.figure_id: self._affine(m.candidate) for m in members}
        self.quotients = {m.candidate.figure_id: _told(m.candidate, affine) for m in members}
        columns = {column for sums in affine.values() for one in sums for column in one.terms}
        self.columns = {column: j for j, column in enumerate(sorted(columns))}
        self.sizes = [self._size(column, affine) for column in self.columns]
        self.ids = [m.candidate.figure_id for m in members]
        told = [(i, side) for i in self.ids for q in self.quotients[i] for side in q.sides()]
        self.owners = [i for i, _ in told]
        rows = [self._row(terms, -INFINITY, limit) for _, (terms, limit) in told]
        self.limits = [row.high for row in rows]
        rows += self._always(affine)
        self.goal = len(rows)
        self.terms: tuple[dict[int, float], dict[int, float]] = ({0: 1.0}, {0: 1.0})
        rows += [Row(terms, -INFINITY, INFINITY) for terms in self.terms]
        self.solver = LinearSystem([(0.0, INFINITY)] * len(self.columns), rows)
        self.known: dict[frozenset[str], frozenset[str]] = {}

    def _affine(self, candidate: Candidate) -> list[_Affine]:
        """Return the sums of a formula over a figure's factories."""
        own = candidate.contributions
        factories = tuple(c.factory for c in own)
        found = []
        for place, part in enumerate(candidate.definition.formula.sums):
            truth = math.fsum(c.sums[place] for c in own)
            terms = {(t.column, factories): t.coefficient for t in part.terms}
            if len(terms) == 1 and not part.constant:
                ((column, coefficient),) = terms.items()
                self.truths.setdefault(column, truth / coefficient)
            found.append(_Affine(terms, part.constant * len(own), truth))
        return found

    def _size(self, column: Column, affine: Mapping[str, Sequence[_Affine]]) -> float:
        """Return about how large a column is, so that all are about 1 to the solver."""
        sums = [abs(one.truth) for given in affine.values() for one in given if column in one.terms]
        return abs(self.truths.get(column, 0.0)) or max(sums, default=0.0) or 1.0

    def _row(self, terms: Mapping[Column, float], low: float, high: float) -> Row:
        """Return a row over columns of size 1, its largest coefficient 1."""
        scaled = {self.columns[c]: v * self.sizes[self.columns[c]] for c, v in sorted(terms.items())}
        size = max((abs(v) for v in scaled.values()), default=0.0) or 1.0
        return Row({j: v / size for j, v in scaled.items()}, low / size, high / size)

    def _always(self, affine: Mapping[str, Sequence[_Affine]]) -> list[Row]:
        """Return what holds whatever is published: derived elements, complements, bounds of shares."""
        rows = []
        for factories in sorted({f for _, f in self.columns}):
            for element in self.elements.values():
                for whole, parts in _sums_of(element):
                    names = {whole: -1.0} | dict.fromkeys(parts, 1.0)
                    terms = {(name, factories): c for name, c in names.items()}
                    if terms.keys() <= self.columns.keys() and self._holds(terms):
                        rows.append(self._row(terms, 0.0, 0.0))
        rows += [self._row(terms, 0.0, 0.0) for terms in self._same()]
        for m in self.members:
            bound = m.candidate.definition.share_bound
            if bound is not None:
                above, below = affine[m.candidate.figure_id]
                if above.truth <= bound * below.truth:
                    side = _Quotient(above, below, 0.0, bound).sides()[0]
                    rows.append(self._row(side[0], -INFINITY, side[1]))
        return rows

    def _same(self) -> Iterable[Mapping[Column, float]]:
        """Return sums that are the same up to what everybody knows: kilowatt-hours and emissions."""
        first: dict[tuple[str, tuple[str, ...]], Column] = {}
        for column in sorted(self.truths):
            name, factories = column
            of = [self.elements[n] for n in name.split("*") if n != _RUN_TIME]
            if not self.truths[column] or len(of) != 1 or of[0].complement_of is not None:
                continue
            base = first.setdefault((of[0].variable, factories), column)
            if base != column:
                yield {column: 1.0, base: -self.truths[column] / self.truths[base]}

    def _holds(self, terms: Mapping[Column, float]) -> bool:
        """Say whether an identity is true here, as far as its sums are known one by one."""
        if not terms.keys() <= self.truths.keys():
            return True
        values = [c * self.truths[column] for column, c in terms.items()]
        return abs(math.fsum(values)) <= _TOLERANCE * max(abs(v) for v in values)

    def breaches(self, withheld: set[str]) -> frozenset[str]:
        """Return what follows too closely where these figures are withheld."""
        key = frozenset(withheld)
        if key not in self.known:
            self.known[key] = frozenset(self._breaches(key))
        return self.known[key]

    def _breaches(self, withheld: frozenset[str]) -> Iterable[str]:
        for place, owner in enumerate(self.owners):
            self.solver.set_row(place, -INFINITY, INFINITY if owner in withheld else self.limits[place])
        for m in self.members:
            figure_id = m.candidate.figure_id
            if figure_id in withheld and m.finding.unsafe and not m.candidate.definition.is_total:
                yield from (figure_id for q in self.quotients[figure_id] if self._follows(q, m))
        totals = {i for i in self.ids if i not in withheld and self._is_total(i)}
        if not totals:
            return
        shown = {c for i in totals for q in self.quotients[i] for c in q.above.terms}
        for column, truth in sorted(self.truths.items()):
            if truth and column not in shown and self._is_class_b(column) and self._is_near(column, truth):
                yield "/".join((column[0], *column[1]))

    def _is_total(self, figure_id: str) -> bool:
        return any(q.below is None or q.below.constant for q in self.quotients[figure_id])

    def _is_class_b(self, column: Column) -> bool:
        return any(self.elements[name].disclosure_class == "B" for name in column[0].split("*"))

    def _is_near(self, column: Column, truth: float) -> bool:
        """Say whether a sum can't be 10 % less, or 10 % more."""
        self._aim({column: 1.0}, {})
        for factor in (1 - _ELEMENT_PART, 1 + _ELEMENT_PART):
            value = factor * truth / self.sizes[self.columns[column]]
            self.solver.set_row(self.goal, value - _TOLERANCE, value + _TOLERANCE)
            if self.solver.least({}) is None:
                return True
        return False

    def _follows(self, quotient: _Quotient, member: Member) -> bool:
        """Say whether a withheld ratio can't be as low, or as high, as its protection interval reaches."""
        if quotient.below is None or not quotient.below.truth:
            return False
        size = math.fsum(c.numerator for c in member.candidate.contributions)
        below = quotient.below
        ratio = quotient.above.truth / below.truth
        for level in (-member.finding.down, member.finding.up):
            reached = ratio * (1 + level / size) if size else level
            terms, limit = _Quotient(quotient.above, below, reached, reached).sides()[0]
            row = self._row(terms, limit, limit)
            least = _LEAST_BELOW * below.truth - below.constant
            bottom = self._row(below.terms, least, INFINITY)
            self._aim_rows(row.terms, bottom.terms)
            self.solver.set_row(self.goal, row.low - _TOLERANCE, row.high + _TOLERANCE)
            self.solver.set_row(self.goal + 1, bottom.low, INFINITY)
            if level and self.solver.least({}) is None:
                return True
        return False

    def _aim(self, first: Mapping[Column, float], second: Mapping[Column, float]) -> None:
        given = [{self.columns[c]: v for c, v in terms.items()} for terms in (first, second)]
        self._aim_rows(*given)

    def _aim_rows(self, first: Mapping[int, float], second: Mapping[int, float]) -> None:
        for place, (old, new) in enumerate(zip(self.terms, (first, second), strict=True)):
            self.solver.set_terms(self.goal + place, old, new)
            self.solver.set_row(self.goal + place, -INFINITY, INFINITY)
        self.terms = (dict(first), dict(second))


def _sums_of(element: Element) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Return an element as the sum of others, weighted ones too."""
    if element.derived_from:
        yield element.element, element.derived_from
    if element.complement_of is not None:
        for weight in ("", f"{_RUN_TIME}*"):
            yield f"{weight}{_OUTPUT}", (f"{weight}{element.complement_of}", f"{weight}{element.element}")


def _told(candidate: Candidate, affine: Mapping[str, Sequence[_Affine]]) -> list[_Quotient]:
    """Return what a figure tells if it is published: one quotient, or each of a product."""
    sums, formula = affine[candidate.figure_id], candidate.definition.formula
    above, below = sums[: len(formula.above)], sums[len(formula.above) :]
    value, half = candidate.value or 0.0, (candidate.grid_step or 0.0) / 2
    if not below:
        (total,) = above
        return [_Quotient(total, None, (value - half) / formula.scale, (value + half) / formula.scale)]
    found = []
    for n, d in zip(above, below, strict=True):
        others = [(a, b) for a, b in zip(above, below, strict=True) if a is not n and b.truth]
        known = math.prod(a.truth / b.truth for a, b in others) * formula.scale
        if not d.truth or not known:
            continue
        ratio = n.truth / d.truth
        low, high = (value - half) / known, (value + half) / known
        found.append(_Quotient(n, d, min(low, ratio), max(high, ratio)))
    return found
