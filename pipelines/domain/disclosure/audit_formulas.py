"""The audit's attack by formula: what all releases about a group's sums say of what was never published.

Belongs here: withheld ratios and unpublished sums of class B, the interval that the printed figures of the
same factories and period leave them, of all nights. Does not belong here: single holdings (audit). It shares
no code with the gate (identities): there it is asked whether a value is possible, here how far it can lie.

A withheld ratio N / D is a linear objective where every sum is divided by D (Charnes and Cooper, 1962): the
columns are x / D and 1 / D, the true value of D standing for 1.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from pipelines.domain.disclosure.audit import AuditRow
from pipelines.domain.disclosure.audit_systems import Release
from pipelines.domain.disclosure.exposure import FormulaSaid, FormulaSum, SealedFigure
from pipelines.domain.disclosure.linear import INFINITY, LinearSystem, Row
from pipelines.domain.kpi_formulas import Element

_SMALL: Final = 1e-6
_SAME: Final = 1e-8
_FREE: Final = 0.5
_CLASS_B_PART: Final = 0.1
_MOST_TIMES: Final = 1000.0  # a denominator may seem a thousandth of what it is
_OUTPUT: Final = "pq"
_WEIGHTS: Final = ("", "pru_s*")
Place = tuple[tuple[str, ...], str, date]
Name = tuple[str, int]
"""A term and the first night that told this version of its sum."""
Terms = dict[Name, float]


@dataclass(frozen=True)
class _Part:
    """A sum over columns and a constant."""

    terms: Terms
    constant: float
    truth: float


@dataclass(frozen=True)
class _Subject:
    """What is asked about: above / below, or where there is no below, above itself."""

    figure_id: str
    variable: str
    above: _Part
    below: _Part | None
    amount: float
    down: float
    up: float
    since_us: int


@dataclass
class _Interval:
    """How far below and above the truth something can lie, as a share of it."""

    down: float
    up: float

    def breaks(self, down: float, up: float) -> bool:
        return self.down < down - _SMALL or self.up < up - _SMALL


def audit_formulas(sealed: Sequence[SealedFigure], elements: Mapping[str, Element]) -> tuple[AuditRow, ...]:
    """Attack all releases of a ledger by their formulas.

    A withheld unsafe ratio must seem possible over its protection interval, and a sum of class B that no
    figure shows by 10 % of itself, to who knows every printed figure about the same factories and period, of
    all nights. What was lost before it was first judged is no alarm. Ratios over nothing, and those of
    nothing, aren't asked about; nor is a figure that was sealed before formulas were.

    Args:
        sealed: all inputs in force.
        elements: of the catalogue.

    Returns:
        The tightest of each KPI or element, if it is nearer than a half, and every alarm, sorted; the
        attacker is `formula`, `variable` the KPI of a withheld ratio or the element of a sum, `figure_id` a
        figure that was withheld or that the sum is part of.

    Raises:
        LimitReachedError: the solver stopped at its limit.
    """
    places: defaultdict[Place, list[SealedFigure]] = defaultdict(list)
    for figure in sorted(sealed, key=lambda f: (f.known_at_us, f.figure_id)):
        if figure.formula is not None:
            said = figure.formula
            places[said.factories, said.period, said.start].append(figure)
    rows = [row for _, some in sorted(places.items()) for row in _Sums(some, elements).rows()]
    tightest: dict[str, AuditRow] = {}
    for row in rows:
        if row.tightest < min(_FREE, tightest[row.variable].tightest if row.variable in tightest else _FREE):
            tightest[row.variable] = row
    kept = [row for row in rows if row.alarm or tightest.get(row.variable) is row]
    return tuple(sorted(kept, key=lambda r: (r.variable, r.figure_id, r.start, r.period)))


@dataclass
class _Versions:
    """Which column each night's sums are: an unchanged one is that of the night that told it first."""

    names: dict[tuple[int, str], Name] = field(default_factory=dict)
    values: dict[Name, float] = field(default_factory=dict)
    longer: defaultdict[str, list[tuple[FormulaSum, Name]]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, night_us: int, sums: Iterable[FormulaSum]) -> None:
        told = list(dict.fromkeys(sums))
        alone = {s.terms[0][0]: s.truth / s.terms[0][1] for s in told if len(s.terms) == 1 and not s.constant}
        for name in sorted({n for s in told for n, _ in s.terms}):
            column = self._before(name, alone.get(name), told) or (name, night_us)
            self.names[night_us, name] = column
            if name in alone:
                self.values.setdefault(column, alone[name])
            self.longer[name] += [(s, column) for s in told if any(n == name for n, _ in s.terms)]

    def _before(self, name: str, value: float | None, told: Sequence[FormulaSum]) -> Name | None:
        known = [column for _, column in self.longer[name]]
        if value is not None:
            for column in known:
                if column in self.values and _close(self.values[column], value):
                    return column
        for old, column in self.longer[name]:
            unchanged = any(
                (s.terms, s.constant) == (old.terms, old.constant) and _close(s.truth, old.truth)
                for s in told
            )
            if unchanged and (value is None or column not in self.values):
                return column
        return None


class _Sums:
    """All that was ever printed of one group's sums in one period."""

    def __init__(self, figures: Sequence[SealedFigure], elements: Mapping[str, Element]) -> None:
        self.figures, self.elements = figures, elements
        self.versions = _Versions()
        by_night: defaultdict[int, list[FormulaSum]] = defaultdict(list)
        for figure in figures:
            by_night[figure.known_at_us] += _sums(_said(figure))
        for night_us, sums in sorted(by_night.items()):
            self.versions.learn(night_us, sums)
        self.nights = sorted(by_night)
        self.columns = {name: j for j, name in enumerate(sorted(set(self.versions.names.values())), start=1)}
        self.sizes = self._sizes()
        self.told = [f for f in figures if f.decision == "publish"]
        self.sides = [(f, side) for f in self.told for q in self._quotients(f) for side in _sides(*q)]
        always = self._always()
        self.norm = len(self.sides) + len(always)
        rows = [Row(self._over(terms), -INFINITY, 0.0) for _, terms in self.sides] + always
        bounds = [(0.0, _MOST_TIMES), *((0.0, INFINITY) for _ in self.columns)]
        self.normed: dict[int, float] = {0: 1.0}
        self.solver = LinearSystem(bounds, [*rows, Row(self.normed, 1.0, 1.0)])

    def rows(self) -> list[AuditRow]:
        """Ask about everything that was withheld or must not follow."""
        if not self.told:
            return []
        found = [(subject, self.interval(subject, self.told)) for subject in self._subjects()]
        return [self._row(subject, interval) for subject, interval in found]

    def interval(self, subject: _Subject, told: Sequence[SealedFigure]) -> _Interval:
        """Return how far something can lie off if some figures are known."""
        known = {id(figure) for figure in told}
        for place, (figure, _) in enumerate(self.sides):
            self.solver.set_row(place, -INFINITY, 0.0 if id(figure) in known else INFINITY)
        norm = {0: 1.0} if subject.below is None else self._over(_whole(subject.below), subject.below.truth)
        self.solver.set_terms(self.norm, self.normed, norm)
        self.normed = norm
        aim = self._over(_whole(subject.above), subject.above.truth)
        least = self.solver.least(aim)
        most = self.solver.least({j: -c for j, c in aim.items()})
        if least is None or most is None:
            raise ArithmeticError("the truth fulfils all that was printed")
        return _Interval(1.0 - least.value, -most.value - 1.0)

    def _row(self, subject: _Subject, interval: _Interval) -> AuditRow:
        needed = (subject.down, subject.up)
        before = [f for f in self.told if f.known_at_us < subject.since_us]
        alarm = interval.breaks(*needed)
        if alarm and before:
            left = self.interval(subject, before)
            needed = (min(needed[0], left.down), min(needed[1], left.up))
            alarm = interval.breaks(*needed)
        _, period, start = _place(self.figures[0])
        return AuditRow(
            holding="",
            figure_id=subject.figure_id,
            variable=subject.variable,
            period=period,
            start=start,
            attacker="formula",
            coalition=0,
            lower=subject.amount * (1.0 - interval.down),
            upper=subject.amount * (1.0 + interval.up),
            amount=subject.amount,
            protected_low=subject.amount * (1.0 - subject.down),
            protected_high=subject.amount * (1.0 + subject.up),
            tightest=max(0.0, min(_FREE, interval.down, interval.up)),
            alarm=alarm,
            releases=self._culprits(subject, needed) if alarm else (),
        )

    def _culprits(self, subject: _Subject, needed: tuple[float, float]) -> tuple[Release, ...]:
        """Return figures that combine to an alarm; without any one of them there would be none."""
        left = list(self.told)
        for figure in self.told:
            fewer = [f for f in left if f is not figure]
            if self.interval(subject, fewer).breaks(*needed):
                left = fewer
        return tuple(Release(f.figure_id, f.known_at_us) for f in left)

    def _subjects(self) -> Iterable[_Subject]:
        for figure in self.figures:
            said = _said(figure)
            down, up = (max(getattr(s, n) for s in figure.statements) for n in ("level_down", "level_up"))
            if figure.decision == "withhold" and (down or up) and said.below and said.size > 0:
                named = (figure.figure_id, figure.figure_id.rpartition("/")[2])
                truth = said.scale * _ratio(said)
                for above, below, *_ in self._quotients(figure):
                    if below is not None and above.truth:
                        levels = (down / said.size, up / said.size)
                        yield _Subject(*named, above, below, truth, *levels, figure.known_at_us)
        yield from self._class_b()

    def _class_b(self) -> Iterable[_Subject]:
        shown = {
            n for f in self.told if not _said(f).below for s in _said(f).above for n in self._terms(f, s)
        }
        if not shown:
            return
        for column, value in sorted(self.versions.values.items()):
            secret = any(self.elements[n].disclosure_class == "B" for n in column[0].split("*"))
            if secret and value and column not in shown:
                figure = next(
                    f for f in self.figures if any(column in self._terms(f, s) for s in _sums(_said(f)))
                )
                part = _Part({column: 1.0}, 0.0, value)
                levels = (_CLASS_B_PART, _CLASS_B_PART)
                yield _Subject(figure.figure_id, column[0], part, None, value, *levels, column[1])

    def _terms(self, figure: SealedFigure, part: FormulaSum) -> Terms:
        return {self.versions.names[figure.known_at_us, name]: c for name, c in part.terms}

    def _part(self, figure: SealedFigure, part: FormulaSum) -> _Part:
        return _Part(self._terms(figure, part), part.constant, part.truth)

    def _sizes(self) -> dict[Name, float]:
        largest: dict[Name, float] = dict.fromkeys(self.columns, 0.0)
        for figure in self.figures:
            for part in _sums(_said(figure)):
                for name in self._terms(figure, part):
                    largest[name] = max(largest[name], abs(part.truth))
        return {
            name: abs(self.versions.values.get(name, 0.0)) or size or 1.0 for name, size in largest.items()
        }

    def _over(self, terms: Mapping[Name | None, float], by: float | None = None) -> dict[int, float]:
        """Return a sum over columns of about size 1, divided by a number or by its largest coefficient."""
        scaled = {
            0 if n is None else self.columns[n]: c * (1.0 if n is None else self.sizes[n])
            for n, c in terms.items()
        }
        size = by or max((abs(c) for c in scaled.values()), default=0.0) or 1.0
        return {j: c / size for j, c in scaled.items() if c}

    def _quotients(self, figure: SealedFigure) -> list[tuple[_Part, _Part | None, float, float]]:
        """Return what a figure says: above / below (or above) and between what it lies."""
        said = _said(figure)
        above = [self._part(figure, s) for s in said.above]
        below = [self._part(figure, s) for s in said.below]
        value, half = said.value or 0.0, said.half_step or 0.0
        if not below:
            bounds = sorted(((value - half) / said.scale, (value + half) / said.scale))
            return [(above[0], None, min(bounds[0], above[0].truth), max(bounds[1], above[0].truth))]
        if not _nonzero(said):
            return []
        found: list[tuple[_Part, _Part | None, float, float]] = []
        for n, d in zip(above, below, strict=True):
            others = [a.truth / b.truth for a, b in zip(above, below, strict=True) if a is not n]
            known, ratio = said.scale * math.prod(others), n.truth / d.truth
            if known:
                low, high = (value - half) / known, (value + half) / known
                found.append((n, d, min(low, ratio), max(high, ratio)))
        return found

    def _always(self) -> list[Row]:
        """Return what holds whatever is printed."""
        sums: dict[tuple[tuple[Name, float], ...], None] = {}
        newest: dict[str, Name] = {}
        for night_us in self.nights:
            now = {name: column for (at, name), column in self.versions.names.items() if at == night_us}
            newest |= now
            for terms in (*self._identities(now, newest), *self._proportional(now)):
                sums[tuple(sorted(terms.items()))] = None
        rows = [Row(self._over(dict(terms)), 0.0, 0.0) for terms in sums]
        for figure in self.figures:
            said = _said(figure)
            if said.share_bound is None:
                continue
            above, below = self._part(figure, said.above[0]), self._part(figure, said.below[0])
            if above.truth <= said.share_bound * below.truth:
                rows.append(Row(self._over(_less(above, below, said.share_bound)), -INFINITY, 0.0))
        return rows

    def _identities(self, now: Mapping[str, Name], newest: Mapping[str, Name]) -> Iterable[Terms]:
        for element in self.elements.values():
            given = [(element.element, element.derived_from)] if element.derived_from else []
            if element.complement_of is not None:
                given += [
                    (f"{w}{_OUTPUT}", (f"{w}{element.complement_of}", f"{w}{element.element}"))
                    for w in _WEIGHTS
                ]
            for whole, parts in given:
                if not newest.keys() >= {whole, *parts}:
                    continue
                columns = [newest[whole], *(newest[p] for p in parts)]
                values = [self.versions.values.get(c) for c in columns]
                if any(v is None for v in values):
                    true = now.keys() >= {whole, *parts}
                else:
                    total, *rest = (v for v in values if v is not None)
                    true = _close(total, math.fsum(rest))
                if true:
                    yield dict(zip(columns, (-1.0, *(1.0 for _ in parts)), strict=True))

    def _proportional(self, now: Mapping[str, Name]) -> Iterable[Terms]:
        """Return elements of the same variable: what one is of the other everybody knows."""
        groups: defaultdict[str, list[Name]] = defaultdict(list)
        for name, column in sorted(now.items()):
            of = [self.elements[n] for n in name.split("*") if n != "pru_s"]
            if len(of) == 1 and of[0].complement_of is None and self.versions.values.get(column):
                groups[of[0].variable].append(column)
        for first, *others in groups.values():
            for other in others:
                yield {other: 1.0, first: -self.versions.values[other] / self.versions.values[first]}


def _said(figure: SealedFigure) -> FormulaSaid:
    if figure.formula is None:
        raise ValueError(f"{figure.figure_id} was sealed without its formula")
    return figure.formula


def _place(figure: SealedFigure) -> Place:
    said = _said(figure)
    return (said.factories, said.period, said.start)


def _sums(said: FormulaSaid) -> tuple[FormulaSum, ...]:
    return (*said.above, *said.below)


def _nonzero(said: FormulaSaid) -> bool:
    return all(s.truth for s in said.below)


def _ratio(said: FormulaSaid) -> float:
    """Return the truth behind a ratio without its scale; nothing over nothing is zero."""
    above, below = (math.prod(s.truth for s in side) for side in (said.above, said.below))
    return above / below if below else 0.0


def _whole(part: _Part) -> dict[Name | None, float]:
    """Return a sum with its constant, which stands by the column of 1 / D."""
    whole: dict[Name | None, float] = {None: part.constant}
    whole.update(part.terms.items())
    return whole


def _less(above: _Part, below: _Part | None, times: float) -> dict[Name | None, float]:
    """Return above - times x below (or above - times)."""
    found = _whole(above)
    for name, c in ({None: 1.0} if below is None else _whole(below)).items():
        found[name] = found.get(name, 0.0) - times * c
    return found


def _sides(above: _Part, below: _Part | None, low: float, high: float) -> list[dict[Name | None, float]]:
    """Return two sums that are at most zero."""
    return [
        _less(above, below, high),
        {name: -c for name, c in _less(above, below, low).items()},
    ]


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME * max(abs(one), abs(other))
