"""The systems of a night: which statements are attacked together, and what is withheld in each.

Belongs here: days, closes of months, chains of months; one system's choice. Does not belong here: the order
of systems, reasons and seals (release), the search itself (secondary).

    day         all that was ever said of one day
    close       a month's own figures and its days
    chain       all months: their figures, years of twelve, months that follow from all their days
    persistent  the same, to who knows that amounts move little from month to month
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from pipelines.domain.disclosure.candidates import Candidate
from pipelines.domain.disclosure.enduring import EnduringProber, movements
from pipelines.domain.disclosure.exposing import Exhibit, Exposure, variable_of
from pipelines.domain.disclosure.exposure import Statement
from pipelines.domain.disclosure.linear import LimitReachedError
from pipelines.domain.disclosure.months import (
    close_month,
    cut_short,
    implied_months,
    stem_of,
    whole_months,
)
from pipelines.domain.disclosure.pairing import Pairs
from pipelines.domain.disclosure.probing import NO_CHANGE, Prober, Probing, attainable
from pipelines.domain.disclosure.protection import CoalitionDemand, Held
from pipelines.domain.disclosure.secondary import Problem, choose_withheld
from pipelines.domain.disclosure.siblings import Judge, Sibling, SiblingSums, families
from pipelines.domain.disclosure.so_far import MonthsSoFar
from pipelines.domain.disclosure.tables import Key
from pipelines.domain.periods import days_in

EVERYBODY: Final = "cluster"
DAY: Final = "day"
CLOSE: Final = "close"
CHAIN: Final = "chain"
PERSISTENT: Final = "persistent"
ALWAYS: Final = date.min
LIMIT: Final = "limit"
UNMEETABLE: Final = "unmeetable"


class SystemKey(NamedTuple):
    """A system: its variable, its kind, the first date of its day or month."""

    variable: str
    kind: str
    start: date


class UnmeetableError(Exception):
    """No choice of what to withhold meets every demand."""


@dataclass(frozen=True)
class Shown:
    """A figure of tonight that is or may be published, or is withheld: what siblings are made of.

    Args:
        candidate: the figure.
        exhibits: what it says, in the order of its statements.
        weight: what is lost if it is withheld.
    """

    candidate: Candidate
    exhibits: tuple[Exhibit, ...]
    weight: float


class NightSystems:
    """What was said before tonight, by system, and which systems tonight touches.

    Args:
        old: exhibits of the past.
        tonight: statements of tonight's figures.
        judge: the primary rules for the contributions of several groups.
        persistence_percent: by how much amounts are taken to move; null: nobody takes them to.
        protected_percent: widest half-width of a holding's protection interval.
    """

    def __init__(
        self, old: Sequence[Exhibit], tonight: Iterable[Statement], judge: Judge,
        persistence_percent: Fraction | None, protected_percent: Fraction,
    ) -> None:  # fmt: skip
        self._judge, self._percent, self._protected = judge, persistence_percent, protected_percent
        self._old: defaultdict[str, list[Exhibit]] = defaultdict(list)
        for exhibit in old:
            self._old[variable_of(exhibit.statement)].append(exhibit)
        self._months: set[tuple[str, date]] = set()
        self._days: defaultdict[tuple[str, str, date], set[date]] = defaultdict(set)
        told = [*(e.statement for e in old if e.statement.published), *tonight]
        self._so_far = MonthsSoFar((variable_of(s), s) for s in told if _is_of_days(s) or _is_of_one_month(s))
        for statement in told:
            start, variable = _start(statement), variable_of(statement)
            if _is_of_days(statement):
                self._days[variable, stem_of(statement.figure_id), start.replace(day=1)].add(start)
            elif _is_of_one_month(statement):
                self._months.add((variable, start))

    def of(self, statement: Statement) -> set[SystemKey]:
        """Return the systems in which a statement says something new.

        A day concerns its month where that has figures of its own, and the chain where all of its days are
        there; where the factories changed since the month before, its last days also concern who knows that
        amounts move little.
        """
        variable, start = variable_of(statement), _start(statement)
        month = start.replace(day=1)
        chain = {SystemKey(variable, CHAIN, ALWAYS)}
        if self._percent is not None:
            chain.add(SystemKey(variable, PERSISTENT, ALWAYS))
        if not _is_of_days(statement):
            close = {SystemKey(variable, CLOSE, month)} if _is_of_one_month(statement) else set()
            return chain | close
        found = {SystemKey(variable, DAY, start)}
        if (variable, month) in self._months:
            found.add(SystemKey(variable, CLOSE, month))
        whole = len(self._days[variable, stem_of(statement.figure_id), month]) == days_in(month)
        if whole:
            return found | chain
        if self._percent is not None and self._so_far.may_tell(
            variable, month, self._percent, self._protected
        ):
            found.add(SystemKey(variable, PERSISTENT, ALWAYS))
        return found

    def withhold(
        self, key: SystemKey, figures: Mapping[str, Shown], *, with_past: bool = True
    ) -> tuple[set[str], str]:
        """Return which free figures must be withheld in a system, and why more than need be; empty: not more.

        Where the solver's limit is reached, or no choice meets a demand, the groups are withheld; if that
        isn't enough, everything.

        Args:
            key: the system.
            figures: tonight's, by id.
            with_past: false: as if nothing had been published before.
        """
        old = self._old[key.variable] if with_past else []
        new = [e for shown in figures.values() for e in shown.exhibits]
        exhibits = [e for e in (*new, *old) if _concerns(e.statement, key)]
        free = {e.key[0] for e in exhibits if e.free}
        groups = {i for i in free if figures[i].candidate.breakdown != EVERYBODY}
        why = ""
        for given in (set[str](), groups):
            rest = [_hidden(e) if e.key[0] in given else e for e in exhibits]
            try:
                return given | self._choose(key, rest, figures), why
            except LimitReachedError:
                why = LIMIT
            except UnmeetableError:
                why = UNMEETABLE
        return free, why

    def _exposure(self, kind: str, start: date, exhibits: Sequence[Exhibit]) -> Exposure:
        if kind == DAY:
            return Exposure(exhibits)
        days = [e for e in exhibits if _is_of_days(e.statement)]
        months = [e for e in exhibits if not _is_of_days(e.statement)]
        if kind == CLOSE:
            return close_month(days, months, start)
        shown = [e for e in days if e.shown and not e.statement.known_to_all]
        fixed = [e for e in shown if not e.free]
        wholes = whole_months(days, months)
        implied = {e.key: e for some in (shown, fixed) for e in implied_months(some, wholes)}
        together = Exposure([*months, *implied.values()])
        so_far = {whole.unknown for given in wholes.values() for whole in given if whole.so_far}
        short = so_far | cut_short(days, together.unknowns)
        return together.asking(set(together.unknowns) - so_far, short) if short else together

    def _choose(self, key: SystemKey, exhibits: Sequence[Exhibit], figures: Mapping[str, Shown]) -> set[str]:
        exposure = self._exposure(key.kind, key.start, exhibits)
        weights = {e.key: figures[e.key[0]].weight for e in exposure.rows if e.free}
        if not weights:
            return set()
        everything, persistent = frozenset(weights), key.kind == PERSISTENT
        demands = exposure.holding_demands()
        if not persistent:
            demands[:0] = exposure.cell_demands()
        amounts = math.fsum(abs(u.amount) for u in exposure.unknowns)
        needed = max([amounts, *(max(d.up, d.down) for d in demands)])
        prober = self._enduring(exposure, needed) if persistent else prober_of(exposure, needed)
        only_tonight = not persistent and len(weights) == len(exposure.rows)

        def lower(demand: CoalitionDemand) -> list[CoalitionDemand]:
            """Ask no more than can be had if all of tonight's is withheld."""
            prober.withhold(everything)
            return [demand] if only_tonight else attainable(prober, demand)

        beside = [] if persistent else families(_siblings(figures, key, everything))
        sums = SiblingSums(beside, exposure, self._judge, lower)
        if self._all_may_pass(prober, [*demands, *sums.demands(frozenset())]):
            return set()

        def further(withheld: frozenset[Key]) -> list[CoalitionDemand]:
            found = list(sums.demands(withheld))
            prober.withhold(withheld)
            return found

        lowered = [d for demand in demands for d in lower(demand)]
        problem = Problem(
            lowered, further, weights, frozenset(), frozenset(), everything, thorough=not persistent
        )
        choice = choose_withheld(prober, problem)
        if choice.limited:
            raise LimitReachedError
        if choice.unprotected:
            raise UnmeetableError
        return {key[0] for key in choice.withheld}

    def _all_may_pass(self, prober: Probing, demands: Iterable[CoalitionDemand]) -> bool:
        """Say whether nothing needs to be withheld: what most nights find first."""
        given = list(demands)
        prober.withhold(())
        return all(prober.find_breach(demand) is None for demand in given)

    def _enduring(self, exposure: Exposure, needed: float) -> EnduringProber:
        def make(steps: int) -> Prober:
            held = movements(exposure.unknowns, exposure.newest, steps, exposure.short, exposure.open)
            return prober_of(exposure, needed, held)

        return EnduringProber(make, self._percent or Fraction(0))


def prober_of(exposure: Exposure, needed: float, held: Sequence[Held] = ()) -> Prober:
    """Return a system ready to be asked, by pairs of holdings first."""
    system = replace(exposure.system, held=held)
    prober = Prober(system, needed)
    places = np.arange(len(prober.keys))

    @cache
    def pairs() -> Pairs:
        return Pairs(exposure.unknowns, system, exposure.newest, NO_CHANGE / prober.scale)

    def proof(demand: CoalitionDemand, shown: int) -> bool:
        return pairs().prove(demand, np.array([bool(shown >> int(place) & 1) for place in places]))

    prober.proof = proof
    return prober


def _start(statement: Statement) -> date:
    return statement.terms[0].unknown.start


def _is_of_days(statement: Statement) -> bool:
    return statement.terms[0].unknown.period == "day"


def _is_of_one_month(statement: Statement) -> bool:
    return not _is_of_days(statement) and len({t.unknown.start for t in statement.terms}) == 1


def _concerns(statement: Statement, key: SystemKey) -> bool:
    """Say whether a system needs a statement."""
    if variable_of(statement) != key.variable:
        return False
    if key.kind == DAY:
        return _is_of_days(statement) and _start(statement) == key.start
    if key.kind == CLOSE:
        of_one = _is_of_days(statement) or _is_of_one_month(statement)
        return of_one and _start(statement).replace(day=1) == key.start
    return True


def _hidden(exhibit: Exhibit) -> Exhibit:
    """Return an exhibit that is withheld though it is safe by itself."""
    said = replace(exhibit.statement, published=False, down=0.0, up=0.0)
    return replace(exhibit, free=False, statement=said)


def _siblings(figures: Mapping[str, Shown], key: SystemKey, free: frozenset[Key]) -> Iterable[Sibling]:
    """Return the figures with a statement about a system's own unknowns."""
    for shown in figures.values():
        for exhibit in shown.exhibits if shown.candidate.paired is None else ():
            days = _is_of_days(exhibit.statement)
            if _concerns(exhibit.statement, key) and days == (key.kind == DAY):
                withheld = not exhibit.shown
                fixed = exhibit.key not in free and not withheld
                own = (*exhibit.key, "kept") if fixed else exhibit.key
                coalition = exhibit.guard.coalition
                yield Sibling(own, shown.candidate, exhibit.statement, withheld, coalition)
