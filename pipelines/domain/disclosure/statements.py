"""What a figure says of single factories' amounts.

Belongs here: a candidate -> statements about unknowns. Does not belong here: whether it is safe (judging),
what follows from several statements (exposing).

Everybody is taken to know all denominators and planned run times. So a ratio says something about its
numerators only, and elements that are the same up to what everybody knows are one variable: kilowatt-hours
and emissions, good units and scrap. Amounts of a variable are those of its first figure, its base; another
figure's coefficient is its own amount over that. Totals of scopes have a basis beside: what the same
activities emitted by the factors first used. A changed factor changes their coefficients, and no unknown.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, NamedTuple

from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposure import SealedFigure, Statement, Term, Unknown, UnknownPeriod
from pipelines.domain.kpi_formulas import Definition, Element

ORDER_STATISTIC: Final = "order_statistic"
APART: Final = "@"  # between a variable and the figure whose amounts stand for themselves
_KNOWN_TO_ALL: Final = "pru_s"
_NAMED: Final = "/named/"
_BASIS: Final = "/basis"
Levels = tuple[float, float]


@dataclass(frozen=True)
class Subject:
    """What a figure's numerators are amounts of.

    Args:
        variable: the element variable, or several joined by `+`.
        complement: whether the unknown is what the numerator lacks to the share's bound.
        rank: the figure with the least rank is the base of its variable.
    """

    variable: str
    complement: bool
    rank: tuple[int, bool, bool, str, int]


class Place(NamedTuple):
    """Of what and when an unknown is."""

    variable: str
    period: UnknownPeriod
    start: date
    factory: str


def subject_of(definition: Definition, elements: Mapping[str, Element]) -> Subject:
    """Say what a figure's numerators are amounts of.

    Terms that stand below the line too are known, as all denominators are: pq - gq over pq is about gq.
    """
    formula, share = definition.formula, definition.share_bound is not None
    below = {term.elements for part in formula.below for term in part.terms}
    above = [term for part in formula.above for term in part.terms]
    unknown = [term for term in above if not (share and term.elements in below)] or above
    names = [n for term in unknown for n in term.elements if n != _KNOWN_TO_ALL]
    variables = sorted({elements[n].variable for n in names})
    complement = False
    if len(unknown) == len(names) == 1:
        turned = elements[names[0]].complement_of is not None
        if turned and not share:
            variables = names  # nobody knows what it lacks to which bound
        complement = share and turned != (unknown[0].coefficient < 0)
    places = {name: place for place, name in enumerate(elements)}
    weighted = any(_KNOWN_TO_ALL in term.elements for term in unknown)
    first = min((places[n] for n in names), default=len(places))
    rank = (first, complement, weighted, definition.kpi, int(definition.version))
    return Subject("+".join(variables), complement, rank)


@dataclass(frozen=True)
class Telling:
    """A part of a figure: what it says of one period's unknowns.

    Args:
        definition: of its KPI.
        subject: of its numerators.
        period: of the unknowns.
        start: of the unknowns.
        contributions: of that period.
    """

    definition: Definition
    subject: Subject
    period: UnknownPeriod
    start: date
    contributions: tuple[Contribution, ...]

    def size(self, contribution: Contribution) -> float:
        """Return the amount of the unknown in this figure's own unit."""
        if not self.subject.complement:
            return contribution.numerator
        return bound_of(self.definition, contribution) - contribution.numerator

    def place(self, contribution: Contribution) -> Place:
        """Return of what and when its unknown is."""
        return Place(self.subject.variable, self.period, self.start, contribution.factory)


def bound_of(definition: Definition, contribution: Contribution) -> float:
    """Return the largest numerator that a share leaves possible; infinite: it is no share."""
    if definition.share_bound is None or contribution.denominator is None:
        return math.inf
    return definition.share_bound * contribution.denominator


def tellings_of(candidate: Candidate, elements: Mapping[str, Element]) -> tuple[Telling, ...]:
    """Return what a candidate tells of: one period, or each month of twelve. Order statistics: nothing."""
    if candidate.statistic == ORDER_STATISTIC or not candidate.contributions:
        return ()
    definition = candidate.definition
    subject = subject_of(definition, elements)
    if candidate.period == "rolling12":
        return tuple(Telling(definition, subject, "month", start, given) for start, given in candidate.months)
    return (Telling(definition, subject, candidate.period, candidate.start, candidate.contributions),)


class Amounts:
    """The unknowns that tonight's figures are about, each the same in all of them.

    Args:
        candidates: all of tonight's, in any order.
        elements: of the catalogue.
        past: earlier figures, oldest first: where tonight lacks a variable's base, theirs holds on.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        elements: Mapping[str, Element],
        past: Sequence[SealedFigure] = (),
    ) -> None:
        self.elements = elements
        told = [t for c in candidates for t in tellings_of(c, elements)]
        told += [t for c in candidates if c.paired is not None for t in tellings_of(c.paired, elements)]
        self._first: dict[Place, str] = {}
        self._sizes: dict[tuple[Place, str], float] = {}
        bases: dict[tuple[str, UnknownPeriod, date], str] = {}
        earlier = _earlier(past)
        for telling in sorted(told, key=lambda t: (t.subject.rank, t.period, t.start)):
            key, when = telling.definition.key, (telling.subject.variable, telling.period, telling.start)
            has_basis = any(c.basis is not None for c in telling.contributions)
            bases.setdefault(when, f"{key}{_BASIS}" if has_basis else key)
            for contribution in telling.contributions:
                place, size = telling.place(contribution), telling.size(contribution)
                self._sizes.setdefault((place, key), size)
                if contribution.basis:
                    self._sizes.setdefault((place, f"{key}{_BASIS}"), contribution.basis)
                    self._first.setdefault(place, f"{key}{_BASIS}")
                if size:
                    self._first.setdefault(place, key)
        self._bases = bases
        self._earlier = {
            place: amount
            for place, (key, amount) in earlier.items()
            if amount and (place, key) not in self._sizes
        }

    def term(self, telling: Telling, contribution: Contribution) -> Term:
        """Return a contribution as an unknown with its coefficient and the most that is possible."""
        place, key, size = telling.place(contribution), telling.definition.key, telling.size(contribution)
        first = self._first.get(place, key)
        base = self._bases[place.variable, place.period, place.start]
        amount = self._earlier.get(place, self._sizes[place, first])
        apart = first != base and place not in self._earlier
        if not size or not amount:
            # What is nothing has no ratio to anything: it stands for itself.
            first, amount, apart = key, size, key != base
        variable = f"{place.variable}{APART}{first.partition('@')[0]}" if apart else place.variable
        unknown = Unknown(
            variable, place.period, place.start, place.factory, contribution.holding, amount
        )  # fmt: skip
        coefficient = size / amount if amount else 1.0
        most = bound_of(telling.definition, contribution) / coefficient
        return Term(unknown, -coefficient if telling.subject.complement else coefficient, most)


def _earlier(past: Iterable[SealedFigure]) -> dict[Place, tuple[str, float]]:
    """Return each unknown's newest base figure (the one with a coefficient of 1) and amount."""
    found: dict[Place, tuple[str, float]] = {}
    for sealed in past:
        kpi = sealed.figure_id.removesuffix("/trend").partition(_NAMED)[0].rpartition("/")[2]
        for statement in sealed.statements:
            for term in statement.terms:
                one = term.unknown
                if abs(term.coefficient) == 1.0 and APART not in one.variable:
                    found[Place(one.variable, one.period, one.start, one.factory)] = (kpi, one.amount)
    return found


@dataclass(frozen=True)
class Draft:
    """A candidate with what it would say.

    Args:
        candidate: the candidate.
        statements: as if it were published.
    """

    candidate: Candidate
    statements: tuple[Statement, ...]

    @cached_property
    def figure_id(self) -> str:
        """Of the candidate."""
        return self.candidate.figure_id


def draft(candidate: Candidate, amounts: Amounts) -> Draft:
    """Say what a candidate would tell if it were published; a trend tells two periods."""
    both = (candidate,) if candidate.paired is None else (candidate, candidate.paired)
    said = [_statement(candidate.figure_id, one, amounts) for one in both]
    return Draft(candidate, tuple(statement for statement in said if statement is not None))


def _statement(figure_id: str, candidate: Candidate, amounts: Amounts) -> Statement | None:
    tellings = tellings_of(candidate, amounts.elements)
    terms = sorted(amounts.term(t, c) for t in tellings for c in t.contributions)
    if candidate.period == "rolling12" and candidate.definition.over_time == "mean":
        terms = _averaged(terms, candidate.contributions)
    if not terms:
        return None
    down, up = _rounding(candidate)
    return Statement(figure_id, tuple(terms), True, down, up, known_to_all=_NAMED in figure_id)


def _averaged(terms: Sequence[Term], contributions: Sequence[Contribution]) -> list[Term]:
    """Weigh the months of a stock (people employed), whose year is their mean."""
    summed: dict[str, list[float]] = {}
    for term in terms:
        summed.setdefault(term.unknown.factory, []).append(term.coefficient * term.unknown.amount)
    wholes = {factory: math.fsum(parts) for factory, parts in summed.items()}
    years = {c.factory: c.numerator for c in contributions}
    weights = {f: years[f] / whole if whole else 1.0 / len(summed[f]) for f, whole in wholes.items()}
    return [t._replace(coefficient=t.coefficient * weights[t.unknown.factory]) for t in terms]


def _rounding(candidate: Candidate) -> Levels:
    """Return how far below and above the truth a reader of the figure must think the sum possible."""
    if candidate.value is None or candidate.grid_step is None:
        return (0.0, 0.0)
    own = candidate.contributions
    weight = math.fsum(c.denominator for c in own if c.denominator is not None) or 1.0
    truth = math.fsum(c.numerator for c in own)
    half = candidate.grid_step / 2
    low, high = (candidate.value - half) * weight, (candidate.value + half) * weight
    return (max(0.0, truth - low), max(0.0, high - truth))
