"""The audit: what anyone could derive from all releases together, and whether that is too much.

Belongs here: who is asked about, what must stay possible, the tightest interval of each holding and variable.
Does not belong here: the equations (audit_systems), solving (audit_attack), files. It shares no code with the
gate (release, statements, probing).

Three kinds of systems, each for the exact attacker: all that was ever said of a day; of a month with its
days; of all months. The last one also for an attacker who takes a factory's months to be alike (persistent).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final, Literal

import numpy as np

from pipelines.domain.disclosure.audit_attack import Attack, Coalition, Group
from pipelines.domain.disclosure.audit_nights import Nights
from pipelines.domain.disclosure.audit_systems import REST, Equations, History, Release, Said, histories
from pipelines.domain.disclosure.exposure import SealedFigure, Unknown

AttackerKind = Literal["exact", "persistent", "formula"]
Progress = Callable[[int, int], None]
_SMALL: Final = 1e-6
_NEIGHBOURS: Final = 4
_CARRIED: Final = 256
_FREE: Final = 0.5


@dataclass(frozen=True)
class AuditRow:
    """The tightest interval of a holding's amounts of a variable, or one that is too tight.

    Args:
        holding: whose amount; empty: that of a figure that is withheld.
        figure_id: the withheld figure; empty: a holding's amount.
        variable: element variable.
        period: day, month or rolling12.
        start: first local date of the period.
        attacker: exact; persistent: who takes a factory's months to be alike; formula: who knows the printed
            figures of the same factories (audit_formulas).
        coalition: how many holdings work together; 0: the public.
        lower: least amount that they must think possible.
        upper: largest.
        amount: the truth.
        protected_low: what must seem possible, at least.
        protected_high: likewise.
        tightest: how far the nearer bound is from the truth, as a share of it; a half: that far at least, or
            as far as everybody knows to be possible: only nearer bounds are looked for.
        alarm: whether that is less than what must seem possible, and than what was left of it when the amount
            was first judged; of months: and some night's releases told it.
        releases: of an alarm: what combines to it, by night; without any one of them it would not.
    """

    holding: str
    figure_id: str
    variable: str
    period: str
    start: date
    attacker: AttackerKind
    coalition: int
    lower: float
    upper: float
    amount: float
    protected_low: float
    protected_high: float
    tightest: float
    alarm: bool
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """What the audit found.

    Args:
        rows: the tightest interval per holding (or withheld figures), variable and attacker, and every alarm;
            sorted by variable, holding, attacker, start.
        figures: how many sealed figures were read.
    """

    rows: tuple[AuditRow, ...]
    figures: int

    @property
    def alarms(self) -> tuple[AuditRow, ...]:
        """Rows that are tighter than their protection."""
        return tuple(row for row in self.rows if row.alarm)


@dataclass(frozen=True)
class _Subject:
    """A sum that is asked about, and what of it must seem possible.

    Args:
        holding: as in AuditRow.
        figure_id: likewise.
        variable: likewise.
        period: likewise.
        start: likewise.
        weights: coefficient of each unknown.
        down: how far below the truth it must seem possible, as a share of `size`.
        up: how far above it.
        size: the truth, or where that is zero what the shares are of.
        coalition: how many may work together.
        since_us: since when releases count against it: what was out before could not be mended.
        by: who does; null: any others.
    """

    holding: str
    figure_id: str
    variable: str
    period: str
    start: date
    weights: Mapping[Unknown, float]
    down: float
    up: float
    size: float
    coalition: int
    since_us: int
    by: tuple[str, ...] | None = None

    @property
    def amount(self) -> float:
        return math.fsum(c * u.amount for u, c in self.weights.items())


@dataclass(frozen=True)
class _Found:
    """How far off a coalition must think a sum possible, at the nearer side, and how far it should have."""

    tightest: float
    sign: int
    coalition: Coalition
    alarm: bool
    left: float


def audit(
    sealed: Sequence[SealedFigure],
    coalition: int,
    persistence_percent: Fraction,
    tell: Progress = lambda _done, _total: None,
) -> AuditReport:
    """Attack all releases of a ledger and report the tightest interval that anyone can derive.

    A holding without a waiver must seem to possibly have anything within its protection (the widest that a
    published figure about the amount promised) to the public and to any others working together: as many as
    were promised, at most `coalition`. A withheld unsafe figure must keep its own to the public and to any
    holding that is alone in a withheld figure of the same system.

    Args:
        sealed: all inputs in force.
        coalition: most holdings that work together.
        persistence_percent: by how much a factory's month is taken to differ at most from the month before;
            where the releases refute that, the smallest that they don't, in tenths of a point.
        tell: called with how many systems are done, and how many there are.

    Raises:
        LimitReachedError: the solver stopped at its limit.
    """
    share = float(persistence_percent / 100)
    auditors = [_Auditor(variable, h, coalition) for variable, h in histories(sealed).items()]
    total = sum(auditor.systems for auditor in auditors)
    done = 0
    tell(done, total)
    rows: list[AuditRow] = []
    for auditor in auditors:
        for _ in auditor.run(share):
            done += 1
            tell(done, total)
        rows += auditor.rows()
    return AuditReport(tuple(rows), len(sealed))


class _Auditor:
    """The audit of one variable."""

    def __init__(self, variable: str, history: History, most: int) -> None:
        self.variable, self.history, self.most = variable, history, most
        self.days, self.months, self.chain = history.days(), history.months(), history.chain()
        self.systems = len(self.days) + len(self.months) + 2 * bool(self.chain.equations)
        self.tightest: dict[tuple[str, str, AttackerKind], AuditRow] = {}
        self.alarms: dict[tuple[object, ...], AuditRow] = {}
        self.nights: Nights | None = None

    def run(self, share: float) -> Iterable[None]:
        """Attack one system after the other."""
        attacked: dict[date, Attack] = {}
        for day, equations in self.days.items():
            if equations.equations:
                before = max(attacked, default=None)
                attacked[day] = Attack(equations)
                if before is not None:
                    _carry(attacked[day], attacked[before])
                self._attack(attacked[day], "exact", ("day",))
            yield
        for month, equations in self.months.items():
            attack = Attack(equations)
            _seed(attack, {day: a for day, a in attacked.items() if day.replace(day=1) == month})
            self._attack(attack, "exact", ("day", "month"))
            yield
        if self.chain.equations:
            self._attack(Attack(self.chain), "exact", ("month", "rolling12"))
            yield
            self.nights = Nights(self.history, share)
            self._attack(Attack(self.chain, share), "persistent", ("month", "rolling12"))
            yield

    def rows(self) -> list[AuditRow]:
        """Return the tightest of each holding and attacker, and all alarms."""
        found = {_order(row): row for row in self.tightest.values()} | self.alarms
        return [found[key] for key in sorted(found)]

    def _attack(self, attack: Attack, kind: AttackerKind, periods: Sequence[str]) -> None:
        there = set(attack.equations.unknowns)
        withheld = self._withheld(there, periods) if kind == "exact" else []
        for subject in (*self._holdings(attack.equations), *withheld):
            self._ask(attack, kind, subject)

    def _ask(self, attack: Attack, kind: AttackerKind, subject: _Subject) -> None:
        key = (subject.holding, subject.variable, kind)
        before = self.tightest.get(key)
        bar = _FREE if before is None else before.tightest
        found, alarm = _tightest(attack, subject, bar, self.nights)
        if alarm is not None:
            row = self._row(attack, kind, subject, alarm)
            known = self.alarms.setdefault(_order(row), row)  # a day's system and its month's may both say so
            if row.tightest < known.tightest:
                self.alarms[_order(row)] = row
        if found is not None or before is None:
            found = found or _unbounded(attack, subject)
            self.tightest[key] = self._row(attack, kind, subject, found)

    def _row(self, attack: Attack, kind: AttackerKind, subject: _Subject, found: _Found) -> AuditRow:
        aim = attack.aim(subject.weights, subject.size, subject.by or ())
        up, down = (attack.reach(aim, sign, found.coalition) for sign in (1, -1))
        releases = (
            attack.culprits(aim, found.sign, found.coalition, found.left - _SMALL) if found.alarm else ()
        )
        return AuditRow(
            holding=subject.holding,
            figure_id=subject.figure_id,
            variable=subject.variable,
            period=subject.period,
            start=subject.start,
            attacker=kind,
            coalition=len(found.coalition),
            lower=subject.amount - down * subject.size,
            upper=subject.amount + up * subject.size,
            amount=subject.amount,
            protected_low=subject.amount - min(subject.down, aim.down) * subject.size,
            protected_high=subject.amount + min(subject.up, aim.up) * subject.size,
            tightest=found.tightest,
            alarm=found.alarm,
            releases=releases,
        )

    def _holdings(self, equations: Equations) -> list[_Subject]:
        """Return what each holding must keep of each period of a system."""
        parts: defaultdict[tuple[str, str, str, date], list[Unknown]] = defaultdict(list)
        for unknown in equations.unknowns:
            if not unknown.variable.endswith(REST):
                parts[unknown.holding, unknown.variable, unknown.period, unknown.start].append(unknown)
        versions = [v for _, unknowns in sorted(parts.items()) for v in self._versions(unknowns)]
        subjects = [self._holding(version) for version in versions]
        return [subject for subject in subjects if subject is not None]

    def _versions(self, unknowns: Sequence[Unknown]) -> list[tuple[Unknown, ...]]:
        """Return a holding's amounts as they stood after each night that told any."""
        told = sorted((self.history.first_said.get(u, -1), u) for u in unknowns)
        now: dict[str, Unknown] = {}
        found: dict[int, tuple[Unknown, ...]] = {}
        for at, unknown in told:
            now[unknown.factory] = unknown
            found[at] = tuple(sorted(now.values()))
        return list(dict.fromkeys(found.values()))

    def _holding(self, unknowns: Sequence[Unknown]) -> _Subject | None:
        """Return what a holding must keep of some amounts; null: none of it, or there is none."""
        variable, period, start, _, holding, _ = unknowns[0]
        amount = abs(math.fsum(u.amount for u in unknowns))
        promises: list[Said] = [
            s for u in unknowns for s in self.history.promises(u) if holding not in s.waived
        ]
        if not amount or not promises or not self.history.known.isdisjoint(unknowns):
            return None
        share = float(max(s.percent for s in promises) / 100)
        together = min(self.most, max(s.coalition for s in promises))
        weights = dict.fromkeys(unknowns, 1.0)
        since = min(self.history.since(u) for u in unknowns)
        return _Subject(holding, "", variable, period, start, weights, share, share, amount, together, since)

    def _withheld(self, there: set[Unknown], periods: Sequence[str]) -> list[_Subject]:
        """Return the unsafe figures that were withheld and lie wholly in a system, for each who might ask.

        Of what an attacker knows herself she can't be kept uncertain: below, only the rest counts.
        """
        found = []
        inside = [s for s in self.history.withheld if s.period in periods and there.issuperset(s.unknowns)]
        alone = sorted({u.holding for s in inside if len(s.holdings) == 1 for u in s.unknowns})
        for s in inside:
            terms, levels = s.statement.terms, (s.statement.level_down, s.statement.level_up)
            amount = math.fsum(t.coefficient * t.unknown.amount for t in terms)
            size = amount if amount > 0 else max(levels)
            weights = {t.unknown: t.coefficient for t in terms}
            for by in ((), *((holding,) for holding in alone if s.holdings != {holding})):
                own = (t.coefficient * t.unknown.amount for t in terms if t.unknown.holding in by)
                down = min(levels[0], max(0.0, amount - math.fsum(own))) / size
                named = (s.release.figure_id, self.variable, s.period, s.starts[0])
                since = s.release.known_at_us
                found.append(_Subject("", *named, weights, down, levels[1] / size, size, len(by), since, by))
        return found


def _order(row: AuditRow) -> tuple[object, ...]:
    return (row.variable, row.holding, row.figure_id, row.attacker, row.start, row.period)


def _tightest(
    attack: Attack, subject: _Subject, bar: float, nights: Nights | None = None
) -> tuple[_Found | None, _Found | None]:
    """Return who derives most of a sum, if that is more than the bar, and the tightest alarm, if any.

    An alarm is tighter than the protection, and than what was left when the amounts were first judged: what
    had been lost before could not be mended by withholding. Nor could what months tell that came later.

    Args:
        attack: the system.
        subject: the sum.
        bar: the tightest that was found so far of others.
        nights: all months after each night; null: what is known of them doesn't grow by itself.
    """
    aim = attack.aim(subject.weights, subject.size, subject.by or ())
    group, asked = _attackers(attack, subject)
    found: _Found | None = None
    alarm: _Found | None = None
    for sign, possible, required in ((-1, aim.down, subject.down), (1, aim.up, subject.up)):
        needed = min(required, possible)
        waiting = asked
        while waiting:
            wanted = min(max(bar, needed), possible) - _SMALL  # as far as possible is far enough
            wanted = wanted if alarm is None else min(wanted, alarm.tightest)
            open_ = group.unanswered(attack.reaches(aim, sign), wanted)
            waiting = [n for n in waiting if open_[n]] if wanted > 0 else []
            if not waiting:
                break
            first, *waiting = waiting
            coalition = group.coalitions[first]
            reach = attack.reach(aim, sign, coalition)
            if reach >= wanted:
                continue
            left = needed
            if reach < needed - _SMALL:
                left = min(needed, attack.reach_before(aim, sign, coalition, subject.since_us))
            tight = reach < left - _SMALL
            if tight and nights is not None:
                members = [attack.holdings[n] for n in coalition]
                tight = nights.told(subject.weights, subject.size, required, sign, members)
            one = _Found(reach, sign, coalition, tight, left)
            if reach < bar:
                found, bar = one, reach
            if one.alarm and (alarm is None or reach < alarm.tightest):
                alarm = one
    return found, alarm


def _unbounded(attack: Attack, subject: _Subject) -> _Found:
    """Say that nobody derives anything of a sum; as one who doesn't, take the first."""
    group, asked = _attackers(attack, subject)
    return _Found(_FREE, 1, group.coalitions[asked[0]], alarm=False, left=_FREE)


def _attackers(attack: Attack, subject: _Subject) -> tuple[Group, list[int]]:
    """Return coalitions and the places of those among them that might ask; smaller ones derive no more."""
    if subject.by is not None:
        wanted = tuple(attack.holdings.index(holding) for holding in subject.by)
        group = attack.group(len(wanted))
        return group, [group.coalitions.index(wanted)]
    inside = {attack.holdings.index(holding) for holding in _who_knows(attack, subject)}
    group = attack.group(min(subject.coalition, len(attack.holdings) - len(inside)))
    return group, [n for n, coalition in enumerate(group.coalitions) if inside.isdisjoint(coalition)]


def _who_knows(attack: Attack, subject: _Subject) -> set[str]:
    """Return from whom nothing is kept: the holding, and who bought one of its factories with its books."""
    factories = {unknown.factory for unknown in subject.weights}
    later = {
        u.holding for u in attack.equations.unknowns if u.factory in factories and u.start > subject.start
    }
    return {subject.holding} | later


def _carry(attack: Attack, before: Attack) -> None:
    """Give a day the points of another: the same factories' amounts often shift alike. Each is checked."""
    unknowns, shifts = before.shifts()
    there = {u.factory: u for u in attack.equations.unknowns}
    if len(there) == len(attack.equations.unknowns) and there.keys() == {u.factory for u in unknowns}:
        attack.try_shifts([there[u.factory] for u in unknowns], shifts[-_CARRIED:])


def _seed(month: Attack, days: Mapping[date, Attack]) -> None:
    """Give a month the points of its days, where another day can make up for what one day shifts.

    Then nothing changes for the month. Each is checked.
    """
    for day, attack in sorted(days.items()):
        unknowns, shifts = attack.shifts()
        for other in sorted(days.keys() - {day}, key=lambda d: (abs((d - day).days), d))[:_NEIGHBOURS]:
            there = {u.factory: u for u in days[other].equations.unknowns}
            if len(shifts) and all(u.factory in there for u in unknowns):
                bearing = [there[u.factory] for u in unknowns]
                fulfil = month.try_shifts([*unknowns, *bearing], np.hstack([shifts, -shifts]))
                shifts = shifts[~fulfil]
