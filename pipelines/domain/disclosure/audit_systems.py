"""The audit's equations: what all releases together say of members' amounts, and systems made of that.

Belongs here: sealed statements -> systems of absolute amounts (a day, a month with its days, all months).
Does not belong here: what may be derived of whom (audit). It shares no code with the gate (release,
statements, probing): what one gets wrong the other should notice.

A column is an unknown as a multiple of its true amount, so that the truth is 1 everywhere.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cached_property
from typing import Final, NamedTuple

from pipelines.domain.disclosure.exposure import SealedFigure, Statement, Term, Unknown
from pipelines.domain.periods import days_in, first_of_month, next_month

_EQUAL: Final = 1e-6
_APART: Final = "@"  # between a variable and the figure whose amounts stand for themselves
REST: Final = "~rest"
_US: Final = 1_000_000


_Months = tuple[str, str, date]
"""Variable, factory, first of the month."""


class Release(NamedTuple):
    """A figure as one night released it."""

    figure_id: str
    known_at_us: int

    def __str__(self) -> str:
        night = datetime.fromtimestamp(self.known_at_us / _US, UTC)
        return f"{self.figure_id} ({night:%Y-%m-%dT%H:%MZ})"


@dataclass(frozen=True)
class Said:
    """A statement, who said it and when, and the protection that was promised to those whom it touches.

    Args:
        statement: what was said, or withheld.
        release: by which figure, in which night.
        percent: half-width of a holding's protection interval.
        coalition: how many others may work together.
        waived: holdings that had waived protection.
    """

    statement: Statement
    release: Release
    percent: Fraction
    coalition: int
    waived: frozenset[str]

    @cached_property
    def unknowns(self) -> tuple[Unknown, ...]:
        """Whose amounts it is about."""
        return tuple(term.unknown for term in self.statement.terms)

    @property
    def holdings(self) -> set[str]:
        """Whose amounts it is about, by holding."""
        return {unknown.holding for unknown in self.unknowns}

    @cached_property
    def starts(self) -> tuple[date, ...]:
        """First dates of its periods: one, or twelve of a rolling figure."""
        return tuple(sorted({unknown.start for unknown in self.unknowns}))

    @property
    def period(self) -> str:
        """Say day, month or rolling12."""
        if self.unknowns[0].period == "day":
            return "day"
        return "month" if len(self.starts) == 1 else "rolling12"

    @property
    def direction(self) -> frozenset[tuple[Unknown, str]]:
        """What it is a sum of, whatever it is multiplied by."""
        size = max(abs(t.coefficient) for t in self.statement.terms) or 1.0
        return frozenset((t.unknown, f"{t.coefficient / size:.9g}") for t in self.statement.terms)

    @property
    def content(self) -> tuple[object, ...]:
        """What it says, whoever says it."""
        terms = tuple((t.unknown, t.coefficient) for t in self.statement.terms)
        return (terms, self.statement.down, self.statement.up)


@dataclass(frozen=True)
class Equation:
    """A sum of unknowns that lies between `down` below and `up` above its true value.

    Args:
        terms: coefficient of each unknown.
        down: how far below.
        up: how far above.
        releases: who says so; empty: everybody knows it (a month is the sum of its days).
    """

    terms: Mapping[Unknown, float]
    down: float
    up: float
    releases: tuple[Release, ...] = ()

    @property
    def truth(self) -> float:
        """Its true value."""
        return math.fsum(c * u.amount for u, c in self.terms.items())


@dataclass(frozen=True)
class Equations:
    """A system: unknowns, what is said of them, and who is asked about.

    Args:
        unknowns: the columns, sorted.
        equations: the rows.
        most: largest amount that everybody knows to be possible.
        known: unknowns that everybody knows.
        chains: neighbours in time of one factory: the earlier and the later month.
        short: months of which a factory has the first days only: to be alike they can't be too small.
    """

    unknowns: tuple[Unknown, ...]
    equations: tuple[Equation, ...]
    most: Mapping[Unknown, float]
    known: frozenset[Unknown]
    chains: tuple[tuple[Unknown, Unknown], ...] = ()
    short: frozenset[Unknown] = frozenset()


class History:
    """All that was said of one variable, in the order of the nights.

    Args:
        said: every statement, published or withheld; each has terms.
    """

    def __init__(self, said: Sequence[Said]) -> None:
        self.said = tuple(said)
        self.published = _each_once(s for s in said if s.statement.published)
        shown = {s.direction for s in self.published}
        # What was published once stays published: withholding the same sum, or a multiple, protects nothing.
        self.withheld = _each_once(
            s for s in said if s.statement.level_down or s.statement.level_up
            if not s.statement.published and s.direction not in shown
        )  # fmt: skip
        self.known = frozenset(u for s in self.published if s.statement.known_to_all for u in s.unknowns)
        self.touching: defaultdict[Unknown, list[Said]] = defaultdict(list)
        for s in (s for s in said if s.statement.published):
            for unknown in s.unknowns:
                self.touching[unknown].append(s)
        self.most: dict[Unknown, float] = {}
        self.first_said: dict[Unknown, int] = {}
        for s in said:
            for term in s.statement.terms:
                self.most[term.unknown] = min(term.most, self.most.get(term.unknown, math.inf))
                self.first_said.setdefault(term.unknown, s.release.known_at_us)
        self._days: defaultdict[_Months, list[tuple[int, Unknown]]] = defaultdict(list)
        for unknown, known_at_us in self.first_said.items():
            if unknown.period == "day":
                self._days[_months(unknown)].append((known_at_us, unknown))

    def days(self) -> dict[date, Equations]:
        """Return the system of each day: all that was ever said of it."""
        by_day: defaultdict[date, list[Said]] = defaultdict(list)
        for s in self.said:
            if s.period == "day":
                by_day[s.starts[0]].append(s)
        return {day: self._system(self._out(some), _unknowns(some)) for day, some in sorted(by_day.items())}

    def months(self) -> dict[date, Equations]:
        """Return the system of each month of which a month's figure was published, with all its days."""
        by_month: defaultdict[date, list[Said]] = defaultdict(list)
        for s in self.said:
            if s.period != "rolling12":
                by_month[first_of_month(s.starts[0])].append(s)
        found = {}
        for month in sorted({s.starts[0] for s in self.published if s.period == "month"}):
            unknowns = _unknowns(by_month[month])
            links, rests = self._links(u for u in unknowns if u.period == "month")
            found[month] = self._system(self._out(by_month[month]), unknowns | rests, links)
        return found

    def chain(self) -> Equations:
        """Return the system of all months: months' and rolling figures, and months whose days are all out."""
        said = [s for s in self.said if s.period != "day"]
        unknowns = _unknowns(said)
        implied = self._implied(unknowns)
        unknowns |= {u for equation in implied for u in equation.terms}
        system = self._system(self._out(said), unknowns, implied)
        newest: dict[_Months, Unknown] = {}
        for u in sorted(unknowns, key=lambda u: (self.first_said.get(u, -1), u)):
            newest[_months(u)] = u
        chains = [
            (u, newest[variable, factory, next_month(start)])
            for (variable, factory, start), u in sorted(newest.items())
            if (variable, factory, next_month(start)) in newest
        ]
        # A month of standstill is not like its neighbours, and of what everybody knows nothing is taken.
        alike = tuple(
            (u, v) for u, v in chains if u.amount > 0 and v.amount > 0 and not {u, v} <= system.known
        )
        return replace(system, chains=alike, short=frozenset(v for _, v in alike if self._is_short(v)))

    def promises(self, unknown: Unknown) -> list[Said]:
        """Return the published statements that touch an unknown; else those that touch its days or month."""
        direct = self.touching.get(unknown, [])
        if direct:
            return direct
        kin = [other for other in self.touching if _months(other) == _months(unknown)]
        return [s for other in kin for s in self.touching[other]]

    def _is_short(self, month: Unknown) -> bool:
        """Say whether a factory's days end before the month: it left, or fell silent."""
        return 0 < max((day.day for day in self.days_of(month)), default=0) < days_in(month.start)

    def days_of(self, month: Unknown, known_at_us: float = math.inf) -> dict[date, Unknown]:
        """Return the days of a factory's month as they were known at a time."""
        versions = sorted(self._days.get(_months(month), ()))
        return {unknown.start: unknown for at, unknown in versions if at <= known_at_us}

    def since(self, unknown: Unknown) -> int:
        """Return the night in which an amount, or any day of a month, was first judged."""
        days = self.days_of(unknown) if unknown.period == "month" else {}
        known = [self.first_said[u] for u in (unknown, *days.values()) if u in self.first_said]
        return min(known)

    def _out(self, said: Iterable[Said]) -> list[Said]:
        published = {id(s) for s in self.published}
        return [s for s in said if id(s) in published]

    def _system(
        self, said: Sequence[Said], unknowns: set[Unknown], links: Sequence[Equation] = ()
    ) -> Equations:
        rows = [
            Equation(
                {t.unknown: t.coefficient for t in s.statement.terms},
                s.statement.down,
                s.statement.up,
                (s.release,),
            )
            for s in said
        ]
        most = {u: self.most.get(u, math.inf) for u in unknowns}
        return Equations(tuple(sorted(unknowns)), (*rows, *links), most, self.known & unknowns)

    def _links(self, months: Iterable[Unknown]) -> tuple[list[Equation], set[Unknown]]:
        """Say that a month is the sum of its days, and of a rest where not every day was ever mentioned."""
        links, rests = [], set()
        for unknown in sorted(months):
            days = self.days_of(unknown, self.first_said[unknown])
            rest = unknown.amount - math.fsum(day.amount for day in days.values())
            complete = len(days) == days_in(unknown.start)
            small = _close(unknown.amount, unknown.amount - rest)
            if not days or (complete and not small) or (not complete and rest < 0 and not small):
                continue  # the days that we know are not those that the month was made of
            terms = {unknown: -1.0, **dict.fromkeys(days.values(), 1.0)}
            if not complete:
                other = unknown._replace(variable=unknown.variable + REST, amount=max(0.0, rest))
                rests.add(other)
                terms[other] = 1.0
            links.append(Equation(terms, 0.0, 0.0))
        return links, rests

    def _implied(self, sealed: Iterable[Unknown]) -> list[Equation]:
        """Return what a figure's days say of the month."""
        days: defaultdict[tuple[str, date], dict[date, Said]] = defaultdict(dict)
        for s in self.published:
            if s.period == "day":
                days[_figure(s), first_of_month(s.starts[0])][s.starts[0]] = s
        months = defaultdict(list)
        for unknown in sorted(sealed, key=lambda u: (self.first_said.get(u, -1), u)):
            months[_months(unknown)].append(unknown)
        found = []
        for _, by_day in sorted(days.items()):
            some = [by_day[day] for day in sorted(by_day)]
            found.append(self._told_by(some, months) or self._at_least(some, months))
        return [equation for equation in found if equation is not None]

    def _told_by(self, days: Sequence[Said], months: Mapping[_Months, Sequence[Unknown]]) -> Equation | None:
        """Add up the figures of all days of a month; null: a day is missing, or was restated since."""
        if len(days) < days_in(days[0].starts[0]):
            return None
        terms = {}
        for month, parts in _by_factory(days).items():
            total = math.fsum(part.unknown.amount for part in parts)
            whole = parts[0].unknown._replace(period="month", start=month[-1], amount=total)
            coefficient = _same_coefficient(parts)
            if {part.unknown for part in parts} != set(self.days_of(whole).values()) or coefficient is None:
                return None
            same = (u for u in months.get(month, ()) if _close(u.amount, total))
            terms[next(same, whole)] = coefficient
        down, up = (math.fsum(getattr(s.statement, side) for s in days) for side in ("down", "up"))
        return Equation(terms, down, up, tuple(s.release for s in days))

    def _at_least(self, days: Sequence[Said], months: Mapping[_Months, Sequence[Unknown]]) -> Equation | None:
        """Return that a month has at least what some of its days have; null: nobody ever judged the month."""
        terms, more = {}, []
        for month, parts in _by_factory(days).items():
            total = math.fsum(part.unknown.amount for part in parts)
            enough = [u for u in months.get(month, ()) if u.amount > total or _close(u.amount, total)]
            coefficient = _same_coefficient(parts)
            if not enough or coefficient is None or coefficient <= 0:
                return None
            terms[enough[-1]] = coefficient
            more.append(coefficient * (enough[-1].amount - total))
        down = math.fsum([*more, *(s.statement.down for s in days)])
        return Equation(terms, max(0.0, down), math.inf, tuple(s.release for s in days))


def _by_factory(days: Iterable[Said]) -> dict[_Months, list[Term]]:
    found: defaultdict[_Months, list[Term]] = defaultdict(list)
    for s in days:
        for term in s.statement.terms:
            found[_months(term.unknown)].append(term)
    return dict(sorted(found.items()))


def _same_coefficient(parts: Sequence[Term]) -> float | None:
    """Return the coefficient that all terms have; null: they differ."""
    told = {f"{part.coefficient:.9g}" for part in parts}
    return parts[0].coefficient if len(told) == 1 else None


def _figure(said: Said) -> str:
    """Return what a figure of one day has in common with those of other days."""
    return said.release.figure_id.replace(said.starts[0].isoformat(), "*")


def histories(sealed: Sequence[SealedFigure]) -> dict[str, History]:
    """Sort what was sealed by variable, oldest first; amounts that stand for themselves go with theirs."""
    by_variable: defaultdict[str, list[Said]] = defaultdict(list)
    for figure in sorted(sealed, key=lambda f: (f.known_at_us, f.figure_id)):
        for statement in figure.statements:
            if statement.terms:
                said = Said(
                    statement,
                    Release(figure.figure_id, figure.known_at_us),
                    Fraction(figure.protected_percent),
                    figure.coalition,
                    frozenset(figure.waived),
                )
                by_variable[statement.variable.partition(_APART)[0]].append(said)
    return {variable: History(said) for variable, said in sorted(by_variable.items())}


def _months(unknown: Unknown) -> _Months:
    return (unknown.variable, unknown.factory, first_of_month(unknown.start))


def _unknowns(said: Iterable[Said]) -> set[Unknown]:
    return {unknown for s in said for unknown in s.unknowns}


def _each_once(said: Iterable[Said]) -> list[Said]:
    found: dict[tuple[object, ...], Said] = {}
    for s in said:
        found.setdefault(s.content, s)
    return list(found.values())


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _EQUAL * max(abs(one), abs(other))
