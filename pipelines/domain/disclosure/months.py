"""A month's close: what its days say together with the month's own figures, and what they say of the month.

Belongs here: days of one pattern summed up, months as sums of their days, statements of a month that follow
from all its days. Does not belong here: demands and systems (exposing), movements from month to month
(enduring).

Days on which the same groups were published of the same factories are one class: of each factory only the sum
of such days is an unknown. That is what keeps a month small; a day that was withheld is a class of its own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from pipelines.domain.disclosure.exposing import Exhibit, Exposure, Link, Sums
from pipelines.domain.disclosure.exposure import Term, Unknown
from pipelines.domain.disclosure.statements import APART
from pipelines.domain.periods import days_in, first_of_month

_START = 4  # place of the period's start in a figure's id
_SAME = 1e-6  # relative: a month and its days are the same amount
_EXACT = 1e-9
Who = tuple[str, str, str]
"""Variable, factory, holding."""
Place = tuple[str, date, str]
"""Variable, month, factory."""


def stem_of(figure_id: str) -> str:
    """Return what the same figure of other days has in common with it."""
    parts = figure_id.split("/")
    return "/".join((*parts[:_START], *parts[_START + 1 :]))


def group_of(figure_id: str) -> str:
    """Return what the same figure of any period has in common with it."""
    parts = figure_id.split("/")
    return "/".join((*parts[: _START - 1], *parts[_START + 1 :]))


@dataclass(frozen=True)
class _Day:
    """One day: its exhibits by key, and the versions of each amount by the night that first knew them."""

    day: date
    exhibits: tuple[Exhibit, ...]
    versions: Mapping[Who, tuple[tuple[Unknown, int], ...]]

    def known_by(self, night: int) -> dict[Who, int]:
        """Return which version of each amount a night knew."""
        found = {}
        for who, versions in self.versions.items():
            known = [i for i, (_, first) in enumerate(versions) if first <= night]
            if known:
                found[who] = known[-1]
        return found

    def pattern(self, nights: Sequence[int]) -> object:
        """Return what days must have in common to be summed up."""
        places = {u: (who, i) for who, given in self.versions.items() for i, (u, _) in enumerate(given)}
        ranks = {night: i for i, night in enumerate(sorted({e.known_at_us for e in self.exhibits}))}
        said = tuple(
            (
                stem_of(e.key[0]), e.key[2], ranks[e.known_at_us], self.day if e.free else None, e.guard,
                e.statement.published, bool(e.statement.level_down or e.statement.level_up),
                tuple(places[t.unknown] for t in e.statement.terms),
            )
            for e in self.exhibits
        )  # fmt: skip
        return (said, tuple(tuple(sorted(self.known_by(night).items())) for night in nights))


def _read_days(exhibits: Iterable[Exhibit]) -> list[_Day]:
    by_day: dict[date, list[Exhibit]] = {}
    for exhibit in exhibits:
        by_day.setdefault(exhibit.statement.terms[0].unknown.start, []).append(exhibit)
    found = []
    for day, given in sorted(by_day.items()):
        versions: dict[Who, dict[Unknown, int]] = {}
        for e in sorted(given, key=lambda e: (e.known_at_us, e.key)):
            for t in e.statement.terms:
                u = t.unknown
                versions.setdefault((u.variable, u.factory, u.holding), {}).setdefault(u, e.known_at_us)
        ordered = tuple(sorted(given, key=lambda e: (stem_of(e.key[0]), e.key)))
        found.append(_Day(day, ordered, {who: tuple(v.items()) for who, v in versions.items()}))
    return found


@dataclass(frozen=True)
class _Class:
    """Days of one pattern."""

    days: tuple[_Day, ...]

    @property
    def is_hidden(self) -> bool:
        """Whether something of these days is withheld, or may be."""
        return any(e.free or not e.statement.published for e in self.days[0].exhibits)

    def unknown(self, who: Who, version: int) -> Unknown:
        """Return the sum of an amount over the days."""
        amount = math.fsum(day.versions[who][version][0].amount for day in self.days)
        return Unknown(who[0], "day", self.days[0].day, who[1], who[2], amount)

    def unknowns(self) -> dict[Unknown, Unknown]:
        """Return the sum that each day's unknown is in."""
        return {
            day.versions[who][i][0]: self.unknown(who, i)
            for who, versions in self.days[0].versions.items()
            for i in range(len(versions))
            for day in self.days
        }

    def exhibits(self, sums: Mapping[Unknown, Unknown]) -> list[Exhibit]:
        """Return what the days say of their sums."""
        return [_summed(given, sums) for given in zip(*(day.exhibits for day in self.days), strict=True)]


def _summed(given: Sequence[Exhibit], sums: Mapping[Unknown, Unknown]) -> Exhibit:
    """Sum up what days of one pattern say: a coefficient is the mean by amount, rounding adds up.

    A withheld day must stay uncertain by itself; the others of its class are as uncertain as it is. So of
    levels the largest day's counts, not the sum.
    """
    first, said = given[0], [e.statement for e in given]
    terms = [_mean_term(parts, sums) for parts in zip(*(s.terms for s in said), strict=True)]
    summed = replace(
        said[0],
        terms=tuple(sorted(terms)),
        down=math.fsum(s.down for s in said),
        up=math.fsum(s.up for s in said),
        level_down=max(s.level_down for s in said),
        level_up=max(s.level_up for s in said),
    )
    return replace(first, statement=summed)


def _mean_term(parts: Sequence[Term], sums: Mapping[Unknown, Unknown]) -> Term:
    amount = math.fsum(t.unknown.amount for t in parts)
    weighted = math.fsum(t.coefficient * t.unknown.amount for t in parts)
    plain = math.fsum(t.coefficient for t in parts) / len(parts)
    same = len({t.coefficient for t in parts}) == 1
    coefficient = parts[0].coefficient if same else (weighted / amount if amount else plain)
    return Term(sums[parts[0].unknown], coefficient, math.fsum(t.most for t in parts))


class Whole(NamedTuple):
    """What a factory had of a month.

    Args:
        unknown: its amount.
        most: how much it can have had, as far as its days tell.
        so_far: whether more days may come.
    """

    unknown: Unknown
    most: float = math.inf
    so_far: bool = False


def close_month(days: Iterable[Exhibit], months: Sequence[Exhibit], month: date) -> Exposure:
    """Return the system of a month: classes of its days, and the month as their sum.

    Args:
        days: all exhibits of its days.
        months: all exhibits of the month itself.
        month: its first day.
    """
    nights = sorted({e.known_at_us for e in months})
    read = _read_days(days)
    patterns: dict[object, list[_Day]] = {}
    for day in read:
        patterns.setdefault(day.pattern(nights), []).append(day)
    classes = [_Class(tuple(given)) for given in patterns.values()]
    sums = [one.unknowns() for one in classes]
    exhibits = [e for one, given in zip(classes, sums, strict=True) for e in one.exhibits(given)]
    into = {day: whole for given in sums for day, whole in given.items()}
    largest: dict[Unknown, float] = {}
    for day_unknown, whole in into.items():
        largest[whole] = max(largest.get(whole, 0.0), day_unknown.amount)
    asked = {u for one, given in zip(classes, sums, strict=True) if one.is_hidden for u in given.values()}
    wholes: dict[Unknown, int] = {}
    for e in sorted(months, key=lambda e: e.known_at_us):
        for t in e.statement.terms:
            wholes.setdefault(t.unknown, e.known_at_us)
    links = [link for u, night in wholes.items() if (link := _link(u, night, read, into, month)) is not None]
    return Exposure([*exhibits, *months], links, Sums(largest, frozenset(asked) | wholes.keys()))


def _link(
    whole: Unknown, night: int, days: Sequence[_Day], into: Mapping[Unknown, Unknown], month: date
) -> Link | None:
    """Return a month's amount as the sum of its days, as the same night knew them.

    What the days lack is one more part, unless they lack nothing. Null: the days have more than the month, so
    they are other amounts.
    """
    who = (whole.variable, whole.factory, whole.holding)
    known = [day.versions[who][day.known_by(night)[who]][0] for day in days if who in day.known_by(night)]
    rest = whole.amount - math.fsum(u.amount for u in known)
    if not known or rest < -_EXACT * abs(whole.amount):
        return None
    parts = tuple(dict.fromkeys(into[u] for u in known))
    if rest <= _EXACT * abs(whole.amount) and len(known) == days_in(month):
        return Link(whole, parts)
    return Link(
        whole, (*parts, whole._replace(variable=f"{whole.variable}{APART}rest", amount=max(0.0, rest)))
    )


def whole_months(days: Sequence[Exhibit], months: Sequence[Exhibit]) -> dict[Place, list[Whole]]:
    """Return what factories had of months, oldest first: as figures say, else what their days add up to.

    Args:
        days: all exhibits of a variable's days, withheld ones too.
        months: those of its months.
    """
    found: dict[Place, list[Whole]] = {}
    for e in sorted(months, key=lambda e: (e.known_at_us, e.key)):
        for t in e.statement.terms:
            found.setdefault(_place(t.unknown), []).append(Whole(t.unknown))
    had: dict[Place, dict[date, Unknown]] = {}
    most: dict[Unknown, float] = {}
    for e in sorted(days, key=lambda e: (e.known_at_us, e.key)):
        for t in e.statement.terms:
            had.setdefault(_place(t.unknown), {})[t.unknown.start] = t.unknown
            most[t.unknown] = min(t.most, most.get(t.unknown, math.inf))
    over = _months_over(days)
    for place, given in had.items():
        amounts = [given[day] for day in sorted(given)]
        own = amounts[0]._replace(period="month", start=place[1], amount=math.fsum(u.amount for u in amounts))
        summed = (
            Whole(own, math.fsum(most[u] for u in amounts)) if place[1] in over else Whole(own, so_far=True)
        )
        found.setdefault(place, [summed])
    return found


def _place(unknown: Unknown) -> Place:
    return (unknown.variable, first_of_month(unknown.start), unknown.factory)


def _months_over(days: Iterable[Exhibit]) -> set[date]:
    """Return the months of which the last day is there, of any factory."""
    starts = {e.statement.terms[0].unknown.start for e in days}
    return {first_of_month(day) for day in starts if day.day == days_in(first_of_month(day))}


def implied_months(told: Iterable[Exhibit], wholes: Mapping[Place, Sequence[Whole]]) -> list[Exhibit]:
    """Return what follows for a month from the days of it that were published, figure by figure.

    A factory that is in none of a day's figures had nothing then. Where a figure tells every day and the
    month has no more than its days, the month lies as near its truth as all its days together; else it has at
    least what they say. So what several figures say of a factory's month is about one unknown.

    Args:
        told: exhibits of a variable's days, published or free.
        wholes: what each factory of them had of its months: an amount that is the same up to rounding is the
            same unknown.
    """
    newest: dict[tuple[str, str, date], dict[date, Exhibit]] = {}
    for e in sorted(told, key=lambda e: (e.known_at_us, e.key)):
        day = e.statement.terms[0].unknown.start
        newest.setdefault((stem_of(e.key[0]), e.key[2], first_of_month(day)), {})[day] = e
    found = (
        _implied([given[day] for day in sorted(given)], month, wholes)
        for (_, _, month), given in sorted(newest.items())
    )
    return [exhibit for exhibit in found if exhibit is not None]


def cut_short(days: Iterable[Exhibit], unknowns: Iterable[Unknown]) -> set[Unknown]:
    """Return months' amounts of factories whose days end before the month: they left, or fell silent."""
    last: dict[tuple[str, date], date] = {}
    for e in days:
        for t in e.statement.terms:
            place = (t.unknown.factory, first_of_month(t.unknown.start))
            last[place] = max(t.unknown.start, last.get(place, date.min))
    ends = {u: last.get((u.factory, u.start)) for u in unknowns}
    return {u for u, end in ends.items() if end is not None and end.day < days_in(u.start)}


def _implied(days: Sequence[Exhibit], month: date, wholes: Mapping[Place, Sequence[Whole]]) -> Exhibit | None:
    """Add up a figure's days; null: they have more than the month, so they are other amounts."""
    by_factory: dict[str, list[Term]] = {}
    for e in days:
        for t in e.statement.terms:
            by_factory.setdefault(t.unknown.factory, []).append(t)
    terms, whole = [], len(days) == days_in(month)
    for _, parts in sorted(by_factory.items()):
        amount = math.fsum(t.unknown.amount for t in parts)
        there = wholes[_place(parts[0].unknown)]
        enough = [w for w in there if w.unknown.amount >= amount - _SAME * abs(amount)]
        if not enough:
            return None
        whole = whole and enough[-1].unknown.amount <= amount + _SAME * abs(amount)
        terms.append(_of_month(parts, enough[-1]))
    last = max(days, key=lambda e: (e.free, e.key))
    down, up = (math.fsum(getattr(e.statement, side) for e in days) for side in ("down", "up"))
    if not whole:
        more = math.fsum(t.coefficient * t.unknown.amount for t in terms)
        more -= math.fsum(t.coefficient * t.unknown.amount for e in days for t in e.statement.terms)
        if all(t.coefficient > 0 for t in terms):
            down, up = down + more, math.inf
        elif all(t.coefficient < 0 for t in terms):
            down, up = math.inf, up - more
        else:
            return None
    said = replace(last.statement, terms=tuple(sorted(terms)), down=down, up=up)
    night = max(e.known_at_us for e in days)
    return replace(
        last, key=(last.key[0], f"{last.key[1]}month", last.key[2]), statement=said, known_at_us=night
    )


def _of_month(parts: Sequence[Term], whole: Whole) -> Term:
    mean = _mean_term(parts, dict.fromkeys((t.unknown for t in parts), whole.unknown))
    return mean._replace(most=whole.most)
