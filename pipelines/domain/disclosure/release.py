"""The judge of a night: which candidates may be published beside all that ever was.

Belongs here: candidates and the sealed past -> decisions with reasons. Does not belong here: what a figure
says (statements), the primary rules (figure_rules), systems and demands (exposing), the search (secondary).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Final

from pipelines.domain.cluster import DisclosurePolicy
from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposing import Exhibit, Exposure, Guard, variable_of
from pipelines.domain.disclosure.exposure import SealedFigure, Statement
from pipelines.domain.disclosure.figure_rules import Finding, judge_contributions, judge_figure, rules_of
from pipelines.domain.disclosure.linear import LimitReachedError
from pipelines.domain.disclosure.probing import Prober
from pipelines.domain.disclosure.protection import CoalitionDemand
from pipelines.domain.disclosure.secondary import Problem, choose_withheld
from pipelines.domain.disclosure.siblings import Family, Sibling, SiblingSums, families
from pipelines.domain.disclosure.statements import Amounts, Draft, draft
from pipelines.domain.disclosure.tables import Key
from pipelines.domain.kpi_formulas import Element

SECONDARY: Final = "secondary"
DIFFERENCING: Final = "differencing"
LIMIT: Final = "limit"
EVERYBODY: Final = "cluster"
Waived = Callable[[str, date], frozenset[str]]
SystemKey = tuple[str, str, date]
_CHAIN: Final = date.min


@dataclass(frozen=True)
class Checks:
    """What is looked at; only tests leave something out, to show that an attack would succeed.

    Args:
        history: whether earlier releases count.
        fixed_panel: whether a panel stays the same for a month.
        persistence: whether attackers know that amounts move little from month to month.
    """

    history: bool = True
    fixed_panel: bool = True
    persistence: bool = True


@dataclass(frozen=True)
class ReleaseRules:
    """By what a night is judged.

    Args:
        policy: the cluster's.
        elements: of the catalogue, in its order.
        waived: holdings that waived protection for a KPI on a date.
        known_at_us: the night, us since 1970.
    """

    policy: DisclosurePolicy
    elements: Mapping[str, Element]
    waived: Waived
    known_at_us: int


def judge(
    candidates: Sequence[Candidate],
    past: Sequence[SealedFigure],
    rules: ReleaseRules,
    checks: Checks = Checks(),
) -> dict[str, SealedFigure]:
    """Decide on every candidate of a night.

    A candidate that says what is published already stays published. Each other one passes if the primary
    rules hold and if, beside all that is and was published, nobody's amounts and no unsafe sum come closer to
    anybody than the policy allows; where several could be withheld for that, those of the fewest contributors
    are.

    Args:
        candidates: of any periods, in any order, each figure once.
        past: all that was decided before and is in force, oldest first.
        rules: by what.
        checks: all, but in tests.

    Returns:
        What to seal, by figure_id, sorted.
    """
    earlier = tuple(past) if checks.history else ()
    night = _Night(candidates, earlier, rules)
    return night.decide()


@dataclass(frozen=True)
class _Case:
    """A candidate with what was found so far."""

    draft: Draft
    finding: Finding
    guard: Guard


class _Night:
    """One night's cases."""

    def __init__(
        self, candidates: Sequence[Candidate], past: Sequence[SealedFigure], rules: ReleaseRules
    ) -> None:
        self.rules, self.past = rules, past
        amounts = Amounts(candidates, rules.elements, past)
        newest = {sealed.figure_id: sealed for sealed in past}
        self.kept: dict[str, SealedFigure] = {}
        self.shown: dict[str, Draft] = {}
        self.cases: dict[str, _Case] = {}
        self.limited: set[str] = set()
        smallest = _smallest_totals(candidates)
        self.in_groups: Counter[tuple[str, str, date]] = Counter()
        for candidate in candidates:
            if candidate.breakdown != EVERYBODY:
                self.in_groups[_table(candidate)] += len(candidate.contributions)
        for candidate in sorted(candidates, key=lambda c: c.figure_id):
            drafted, known = draft(candidate, amounts), newest.get(candidate.figure_id)
            if known is not None and _says_the_same(known, drafted):
                self.kept[candidate.figure_id] = replace(known, known_at_us=rules.known_at_us)
                self.shown[candidate.figure_id] = drafted
            else:
                self.cases[candidate.figure_id] = self._case(drafted, smallest)
        self.old = [e for sealed in past for e in _old_exhibits(sealed)]

    def _case(self, drafted: Draft, smallest: Mapping[tuple[str, str, date], float]) -> _Case:
        candidate = drafted.candidate
        definition = candidate.definition
        waived = self.rules.waived(definition.kpi, candidate.start)
        least = smallest.get(_table(candidate), 0.0)
        if candidate.statistic == "count":
            least = 1.0
        finding = judge_figure(candidate, self.rules.policy, waived, least)
        limits = self.rules.policy.classes.get(definition.disclosure_class)
        if limits is None or limits.rules.coalition is None:
            return _Case(drafted, finding, Guard(Fraction(0), 0, waived))
        guard = Guard(limits.rules.holding_percent, limits.rules.coalition, waived)
        return _Case(drafted, finding, guard)

    def decide(self) -> dict[str, SealedFigure]:
        """Go through all systems until nothing more is withheld: what one withholds, the others know."""
        withheld = {i for i, case in self.cases.items() if case.finding.reasons}
        causes: dict[str, str] = {}
        waiting = self._systems()
        while waiting:
            key = waiting.pop(0)
            found, limited = self._withhold(key, withheld, self.old)
            found -= withheld
            self.limited |= found if limited else set()
            if not found:
                continue
            alone = {i for i, cause in self._alone(key, withheld).items() if cause} if self.old else found
            causes |= {i: SECONDARY if i in alone else DIFFERENCING for i in sorted(found)}
            withheld |= found
            again = {k for i in found for k in self._systems_of(self.cases[i])} - {key}
            waiting += sorted(again - set(waiting))
        decided = {i: self._seal(case, withheld, causes) for i, case in self.cases.items()}
        return dict(sorted((self.kept | decided).items()))

    def _alone(self, key: SystemKey, withheld: set[str]) -> dict[str, bool]:
        """Say what tonight's figures alone would have withheld."""
        return dict.fromkeys(self._withhold(key, withheld, [])[0], True)

    def _systems_of(self, case: _Case) -> set[SystemKey]:
        return {_system_of(statement) for statement in case.draft.statements}

    def _systems(self) -> list[SystemKey]:
        """Return the systems about which tonight says something new."""
        return sorted({key for case in self.cases.values() for key in self._systems_of(case)})

    def _withhold(self, key: SystemKey, withheld: set[str], old: Sequence[Exhibit]) -> tuple[set[str], bool]:
        """Return what must be withheld in one system, beyond what is, and whether a limit was reached.

        Where the solver's limit is reached, the groups are withheld, and if that isn't enough everything.
        """
        new = [e for e in self._new_exhibits(withheld) if _system_of(e.statement) == key]
        free = {e.key[0] for e in new if e.free}
        groups = {i for i in free if self.cases[i].draft.candidate.breakdown != EVERYBODY}
        for given in (set[str](), groups, free):
            exhibits = [
                e
                for e in [*new, *(e for e in old if _system_of(e.statement) == key)]
                if e.key[0] not in given or not e.free
            ]
            try:
                return given | self._choose(key, exhibits), bool(given)
            except LimitReachedError:
                continue
        return free, True

    def _new_exhibits(self, withheld: set[str]) -> Iterable[Exhibit]:
        for figure_id, case in self.cases.items():
            for place, statement in enumerate(case.draft.statements):
                key = (figure_id, "", str(place))
                free = figure_id not in withheld
                said = statement if free else _withheld(statement, case.finding)
                yield Exhibit(key, said, case.guard, self.rules.known_at_us, free)

    def _choose(self, key: SystemKey, exhibits: Sequence[Exhibit]) -> set[str]:
        """Choose what to withhold in one system."""
        exposure = Exposure(exhibits)
        weights = {e.key: self._weight(e.key[0]) for e in exposure.rows if e.free}
        if not weights:
            return set()
        demands = [*exposure.cell_demands(), *exposure.holding_demands()]
        whole = math.fsum(abs(u.amount) for u in exposure.unknowns)
        prober = Prober(exposure.system(), max([whole, *(max(d.up, d.down) for d in demands)]), frozenset())
        everything = frozenset(weights)

        def lower(demand: CoalitionDemand) -> list[CoalitionDemand]:
            """Ask no more than can be had if all of tonight's is withheld."""
            return [demand] if len(weights) == len(prober.keys) else prober.attainable(demand, everything)

        sums = SiblingSums(self._families(key, everything), exposure, self._judge_sum, lower)
        lowered = [d for demand in demands for d in lower(demand)]
        problem = Problem(lowered, sums.demands, weights, frozenset(), frozenset(), everything)
        choice = choose_withheld(prober, problem)
        if choice.limited or choice.unprotected:
            raise LimitReachedError
        return {key[0] for key in choice.withheld}

    def _families(self, key: SystemKey, free: frozenset[Key]) -> list[Family]:
        """Return the siblings with a statement in a system."""
        found = []
        for figure_id, case in self.cases.items():
            for place, statement in enumerate(case.draft.statements):
                own = (figure_id, "", str(place))
                if case.draft.candidate.paired is None and _system_of(statement) == key:
                    found.append(
                        Sibling(own, case.draft.candidate, statement, own not in free, case.guard.coalition)
                    )
        for drafted in self.shown.values():
            for place, statement in enumerate(drafted.statements):
                if drafted.candidate.paired is None and _system_of(statement) == key:
                    own = (drafted.figure_id, "kept", str(place))
                    found.append(Sibling(own, drafted.candidate, statement, withheld=False, coalition=0))
        return families(found)

    def _judge_sum(self, candidate: Candidate, contributions: Sequence[Contribution]) -> Finding:
        """Apply the primary rules to several groups together."""
        definition = candidate.definition
        limits = self.rules.policy.classes.get(definition.disclosure_class)
        if limits is None:
            return Finding()
        waived = self.rules.waived(definition.kpi, candidate.start)
        return judge_contributions(definition, contributions, rules_of(limits, definition), waived)

    def _weight(self, figure_id: str) -> float:
        """Return what is lost if a figure is withheld: how many factories contribute to it.

        Everybody's counts for more than all groups of the same KPI and period together.
        """
        candidate = self.cases[figure_id].draft.candidate
        own = len(candidate.contributions) or 1
        if candidate.breakdown != EVERYBODY:
            return float(own)
        return float(own + self.in_groups[_table(candidate)])

    def _seal(self, case: _Case, withheld: set[str], causes: Mapping[str, str]) -> SealedFigure:
        candidate = case.draft.candidate
        hidden = candidate.figure_id in withheld
        reasons = case.finding.reasons
        if candidate.figure_id in causes:
            reasons = (*reasons, causes[candidate.figure_id])
        if candidate.figure_id in self.limited:
            reasons = (*reasons, LIMIT)
        return SealedFigure(
            candidate.figure_id,
            self.rules.known_at_us,
            "withhold" if hidden else "publish",
            reasons,
            candidate.holdings,
            candidate.panel,
            self.rules.policy.version,
            tuple(sorted(case.guard.waived & {c.holding for c in candidate.contributions})),
            _as_decimal(case.guard.percent),
            case.guard.coalition,
            tuple(_withheld(s, case.finding) if hidden else s for s in case.draft.statements),
        )


def _system_of(statement: Statement) -> SystemKey:
    """Return the system of a statement: those of days by day, all months in one."""
    first = statement.terms[0].unknown
    start = first.start if first.period == "day" else _CHAIN
    return (variable_of(statement), first.period, start)


def _withheld(statement: Statement, finding: Finding) -> Statement:
    down, up = (finding.down, finding.up) if finding.unsafe else (0.0, 0.0)
    return replace(statement, published=False, down=0.0, up=0.0, level_down=down, level_up=up)


def _says_the_same(known: SealedFigure, drafted: Draft) -> bool:
    return known.decision == "publish" and known.statements == drafted.statements


def _old_exhibits(sealed: SealedFigure) -> Iterable[Exhibit]:
    guard = Guard(Fraction(sealed.protected_percent), sealed.coalition, frozenset(sealed.waived))
    for place, statement in enumerate(sealed.statements):
        key = (sealed.figure_id, f"{sealed.known_at_us:020}", str(place))
        yield Exhibit(key, statement, guard, sealed.known_at_us)


def _table(candidate: Candidate) -> tuple[str, str, date]:
    """Return what a figure has in common with its groups'."""
    return (candidate.definition.key, candidate.period, candidate.start)


def _smallest_totals(candidates: Iterable[Candidate]) -> dict[tuple[str, str, date], float]:
    """Return the smallest positive sum of each KPI and period: as far an unsafe zero must seem to reach."""
    found: dict[tuple[str, str, date], float] = {}
    for candidate in candidates:
        key = _table(candidate)
        total = sum(c.numerator for c in candidate.contributions)
        if total > 0:
            found[key] = min(total, found.get(key, total))
    return found


def _as_decimal(percent: Fraction) -> str:
    return format(float(percent), "g")
