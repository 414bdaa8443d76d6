"""What the published figures of one group and period say of each other by their formulas.

Belongs here: formulas as linear equations in a group's sums, and which figure to withhold so that an unsafe
one can't be recomputed. Does not belong here: single factories' amounts (exposing), which version of a sum a
figure is about (sum_versions).

A printed ratio R of step 2h says (R - h) D <= N <= (R + h) D of the sums of its factories; a printed total
says what one sum is. Sums of elements are not negative, a derived element is the sum of its parts, scrap is
what isn't good, a share is at most its bound. Whatever fulfils all that is possible to an attacker, who also
remembers what earlier nights printed of the same factories and period.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipelines.domain.disclosure.candidates import Candidate
from pipelines.domain.disclosure.exposure import FormulaSaid, FormulaSum, SealedFigure
from pipelines.domain.disclosure.figure_rules import Finding
from pipelines.domain.disclosure.linear import INFINITY, LinearSystem, Row
from pipelines.domain.disclosure.statements import ORDER_STATISTIC
from pipelines.domain.disclosure.sum_versions import Versions, parts_of
from pipelines.domain.kpi_formulas import Element

_ELEMENT_PART: Final = 0.1  # a sum of class B that isn't published must seem possible by 10 %
_LEAST_BELOW: Final = 1e-3  # of the true denominator: a ratio over nothing is none
_TOLERANCE: Final = 1e-7
_SLASHES: Final = 5  # in the id of a level; trends and named references have more
_RUN_TIME: Final = "pru_s"
_TONIGHT: Final = (1, 0)
_Night = tuple[int, int]
Column = tuple[str, str]
"""A term (an element, or a product of two) and which version of its sum."""


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
class _Fact:
    """A figure as one night decided on it.

    Args:
        fact_id: the figure's id; of an earlier night with that night.
        said: what it says if it is published.
        night: when.
        withheld: whether it is, unless tonight may still choose.
        down: withheld and unsafe: how far below the truth it must seem possible, in its numerators' unit.
        up: likewise above.
    """

    fact_id: str
    said: FormulaSaid
    night: _Night
    withheld: bool
    down: float
    up: float


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


def formula_said(candidate: Candidate) -> FormulaSaid | None:
    """Return what a figure says of its group's sums; null: nothing.

    Order statistics, trends and named references say nothing about sums, nor do products whose quotients
    don't stand one over one.
    """
    if not _tells_sums(candidate):
        return None
    factories, period, start = place_of(candidate)
    own, formula = candidate.contributions, candidate.definition.formula
    sums = [
        FormulaSum(
            tuple((t.column, t.coefficient) for t in part.terms),
            part.constant * len(own),
            math.fsum(c.sums[place] for c in own),
        )
        for place, part in enumerate(formula.sums)
    ]
    half = None if candidate.grid_step is None else candidate.grid_step / 2
    above, below = tuple(sums[: len(formula.above)]), tuple(sums[len(formula.above) :])
    size = math.fsum(c.numerator for c in own)
    bound = candidate.definition.share_bound
    return FormulaSaid(
        factories, period, start, above, below, formula.scale, candidate.value, half, bound, size
    )


def withhold_by_formula(
    members: Sequence[Member], elements: Mapping[str, Element], past: Sequence[SealedFigure] = ()
) -> set[str]:
    """Return which free figures of one group and period to withhold, the fewest contributors first.

    Args:
        members: tonight's.
        elements: of the catalogue.
        past: earlier nights' of the same factories and period, oldest first; those can't be withheld.
    """
    told = [(m, said) for m in members if (said := formula_said(m.candidate)) is not None]
    free = sorted((m.weight, m.candidate.figure_id) for m, _ in told if m.free and not m.withheld)
    if not free:
        return set()
    tonight = [_tonight(m, said) for m, said in told]
    system = _GroupSystem([*_earlier(past, tonight, elements), *tonight], elements)
    withheld = {m.candidate.figure_id for m, _ in told if m.withheld}
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


def _tonight(member: Member, said: FormulaSaid) -> _Fact:
    levels = (member.finding.down, member.finding.up) if member.finding.unsafe else (0.0, 0.0)
    withheld = member.withheld and not member.free
    return _Fact(member.candidate.figure_id, said, _TONIGHT, withheld, *levels)


def _earlier(
    past: Sequence[SealedFigure], tonight: Sequence[_Fact], elements: Mapping[str, Element]
) -> list[_Fact]:
    """Return what earlier nights decided on, each once, as far as its elements are linked to tonight's."""
    found: dict[tuple[FormulaSaid, bool, float, float], _Fact] = {}
    for sealed in past:
        if sealed.formula is None:
            continue
        withheld = sealed.decision == "withhold"
        down, up = (max(getattr(s, n) for s in sealed.statements) for n in ("level_down", "level_up"))
        fact_id = f"{sealed.figure_id} {sealed.known_at_us}"
        fact = _Fact(fact_id, sealed.formula, (0, sealed.known_at_us), withheld, down, up)
        found.setdefault((fact.said, withheld, down, up), fact)
    linked = _linked([*found.values(), *tonight], tonight, elements)
    return [fact for fact in found.values() if _names_of(fact.said) & linked]


def _names_of(said: FormulaSaid) -> set[str]:
    """Return the terms whose sums a figure is about."""
    return {name for part in (*said.above, *said.below) for name, _ in part.terms}


def _linked(facts: Sequence[_Fact], tonight: Sequence[_Fact], elements: Mapping[str, Element]) -> set[str]:
    """Return all terms that some chain of figures and identities links to tonight's."""
    chains = [_names_of(fact.said) for fact in facts]
    chains += [{whole, *parts} for e in elements.values() for whole, parts in parts_of(e)]
    variables: dict[str, set[str]] = {}
    for element in elements.values():
        variables.setdefault(element.variable, set()).add(element.element)
    chains += variables.values()
    reached = set().union(*(_names_of(fact.said) for fact in tonight))
    while more := set().union(*(c for c in chains if c & reached)) - reached:
        reached |= more
    return reached


class _GroupSystem:
    """The equations of one group and period, and what must not follow from them."""

    def __init__(self, facts: Sequence[_Fact], elements: Mapping[str, Element]) -> None:
        self.facts, self.elements = facts, elements
        self.versions = Versions((fact.night, fact.said) for fact in facts)
        self.truths = self.versions.truths
        affine = {fact.fact_id: self._affine(fact) for fact in facts}
        self.quotients = {fact.fact_id: _told(fact.said, affine[fact.fact_id]) for fact in facts}
        self.fixed = {fact.fact_id for fact in facts if fact.withheld}
        columns = {column for sums in affine.values() for one in sums for column in one.terms}
        self.columns = {column: j for j, column in enumerate(sorted(columns))}
        self.sizes = [self._size(column, affine) for column in self.columns]
        self.ids = [fact.fact_id for fact in facts]
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

    def _affine(self, fact: _Fact) -> list[_Affine]:
        """Return the sums of a figure's formula over columns."""
        columns = self.versions.columns(fact.night)
        return [
            _Affine({columns[name]: c for name, c in part.terms}, part.constant, part.truth)
            for part in (*fact.said.above, *fact.said.below)
        ]

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
        rows = [self._row(terms, 0.0, 0.0) for terms in self.versions.identities(self.elements.values())]
        rows += [self._row(terms, 0.0, 0.0) for terms in self._same()]
        for fact in self.facts:
            if fact.said.share_bound is not None:
                above, below = affine[fact.fact_id]
                if above.truth <= fact.said.share_bound * below.truth:
                    side = _Quotient(above, below, 0.0, fact.said.share_bound).sides()[0]
                    rows.append(self._row(side[0], -INFINITY, side[1]))
        return rows

    def _same(self) -> Iterable[Mapping[Column, float]]:
        """Return sums that are the same up to what everybody knows: kilowatt-hours and emissions.

        The factor is that of one night; another night's may be another.
        """
        found: dict[tuple[tuple[Column, float], ...], None] = {}
        for night in self.versions.nights:
            first: dict[str, Column] = {}
            for name, column in sorted(self.versions.columns(night).items()):
                of = [self.elements[n] for n in name.split("*") if n != _RUN_TIME]
                if not self.truths.get(column) or len(of) != 1 or of[0].complement_of is not None:
                    continue
                base = first.setdefault(of[0].variable, column)
                if base != column:
                    found[((column, 1.0), (base, -self.truths[column] / self.truths[base]))] = None
        return [dict(terms) for terms in found]

    def breaches(self, withheld: set[str]) -> frozenset[str]:
        """Return what follows too closely where these figures are withheld."""
        key = frozenset(withheld | self.fixed)
        if key not in self.known:
            self.known[key] = frozenset(self._breaches(key))
        return self.known[key]

    def _breaches(self, withheld: frozenset[str]) -> Iterable[str]:
        for place, owner in enumerate(self.owners):
            self.solver.set_row(place, -INFINITY, INFINITY if owner in withheld else self.limits[place])
        for fact in self.facts:
            if fact.fact_id in withheld and (fact.down or fact.up) and fact.said.below:
                yield from (fact.fact_id for q in self.quotients[fact.fact_id] if self._follows(q, fact))
        totals = {i for i in self.ids if i not in withheld and self._is_total(i)}
        if not totals:
            return
        shown = {c for i in totals for q in self.quotients[i] for c in q.above.terms}
        for column, truth in sorted(self.truths.items()):
            if truth and column not in shown and self._is_class_b(column) and self._is_near(column, truth):
                yield "/".join(column)

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

    def _follows(self, quotient: _Quotient, fact: _Fact) -> bool:
        """Say whether a withheld ratio can't be as low, or as high, as its protection interval reaches."""
        if quotient.below is None or not quotient.below.truth:
            return False
        size, below = fact.said.size, quotient.below
        ratio = quotient.above.truth / below.truth
        for level in (-fact.down, fact.up):
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


def _told(said: FormulaSaid, sums: Sequence[_Affine]) -> list[_Quotient]:
    """Return what a figure tells if it is published: one quotient, or each of a product."""
    above, below = sums[: len(said.above)], sums[len(said.above) :]
    value, half = said.value or 0.0, said.half_step or 0.0
    if not below:
        (total,) = above
        return [_Quotient(total, None, (value - half) / said.scale, (value + half) / said.scale)]
    found = []
    for n, d in zip(above, below, strict=True):
        others = [(a, b) for a, b in zip(above, below, strict=True) if a is not n and b.truth]
        known = math.prod(a.truth / b.truth for a, b in others) * said.scale
        if not d.truth or not known:
            continue
        ratio = n.truth / d.truth
        low, high = (value - half) / known, (value + half) / known
        found.append(_Quotient(n, d, min(low, ratio), max(high, ratio)))
    return found
