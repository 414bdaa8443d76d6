"""The judge of a night: which candidates may be published beside all that ever was.

Belongs here: candidates and the sealed past -> decisions with reasons. Does not belong here: what a figure
says (statements), the primary rules (figure_rules), its systems (night_systems).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

from pipelines.domain.cluster import DisclosurePolicy
from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposing import Exhibit, Guard, variable_of
from pipelines.domain.disclosure.exposure import SealedFigure, Statement
from pipelines.domain.disclosure.figure_rules import Finding, judge_contributions, judge_figure, rules_of
from pipelines.domain.disclosure.identities import Member, Place, formula_said, place_of, withhold_by_formula
from pipelines.domain.disclosure.linear import LimitReachedError
from pipelines.domain.disclosure.night_systems import (
    EVERYBODY,
    LIMIT,
    PERSISTENT,
    NightSystems,
    Shown,
    SystemKey,
)
from pipelines.domain.disclosure.statements import Amounts, Draft, draft, tellings_of
from pipelines.domain.kpi_formulas import Element

SECONDARY: Final = "secondary"
DIFFERENCING: Final = "differencing"
FORMULA: Final = "formula"
_MONTHLY_WEIGHT: Final = 0.5
Waived = Callable[[str, date], frozenset[str]]
_Table = tuple[str, str, date]


@dataclass(frozen=True)
class Checks:
    """What is looked at; only tests leave something out, to show that an attack would succeed.

    Args:
        history: whether earlier releases count.
        fixed_panel: whether a panel stays the same for a month.
        persistence: whether attackers know that amounts move little from month to month.
        formula_history: whether earlier nights' figures count where one follows from others by formula.
    """

    history: bool = True
    fixed_panel: bool = True
    persistence: bool = True
    formula_history: bool = True


ALL_CHECKS: Final = Checks()


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
    checks: Checks = ALL_CHECKS,
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
    night = _Night(candidates, tuple(past) if checks.history else (), rules, checks)
    return night.decide()


def admitted(
    coming: Sequence[tuple[Candidate, Candidate]],
    past: Sequence[SealedFigure],
    rules: ReleaseRules,
    checks: Checks = ALL_CHECKS,
) -> frozenset[str]:
    """Say which figures' panels newcomers may enter in the coming month.

    They may where nothing is lost that could be published without them, to attackers who know the months
    before and that amounts move little. All figures are judged beside each other, as they will be then.

    Args:
        coming: the coming month's figures with newcomers, as far as they can be foreseen (who stays has again
            what the last closed month had, a newcomer its mean day times the days of the month), and the same
            without them.
        past: all that was decided before and is in force, oldest first.
        rules: by what.
        checks: all, but in tests.

    Returns:
        Their ids.
    """
    wide = [with_newcomers for with_newcomers, _ in coming]
    everything = frozenset(candidate.figure_id for candidate in wide)
    if not checks.persistence or not everything:
        return everything
    variables = {
        candidate.figure_id: {t.subject.variable for t in tellings_of(candidate, rules.elements)}
        for candidate in wide
    }

    def published(candidates: Sequence[Candidate]) -> frozenset[str]:
        # What other variables said would be read for nothing.
        ours = frozenset[str]().union(*(variables[c.figure_id] for c in candidates))
        related = [f for f in past if any(variable_of(s) in ours for s in f.statements)]
        decided = judge(candidates, related, rules, checks)
        return frozenset(i for i, sealed in decided.items() if sealed.decision == "publish")

    refused = everything - published(wide)
    concerned = frozenset[str]().union(*(variables[i] for i in refused))
    without = [common for _, common in coming if variables[common.figure_id] & concerned]
    return everything - (refused & published(without))


@dataclass(frozen=True)
class _Case:
    """A candidate with what was found so far."""

    draft: Draft
    finding: Finding
    guard: Guard


class _Night:
    """One night's cases: kept ones say what is published already, the others are judged."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        past: Sequence[SealedFigure],
        rules: ReleaseRules,
        checks: Checks,
    ) -> None:
        self.rules, self.has_past = rules, bool(past)
        amounts = Amounts(candidates, rules.elements, past)
        newest = {sealed.figure_id: sealed for sealed in past}
        smallest = _smallest_totals(candidates)
        self.kept: dict[str, SealedFigure] = {}
        self.cases: dict[str, _Case] = {}
        self.more: dict[str, str] = {}
        self.formulas: defaultdict[Place, list[SealedFigure]] = defaultdict(list)
        for sealed in past if checks.formula_history else ():
            if (told := sealed.formula) is not None:
                self.formulas[told.factories, told.period, told.start].append(sealed)
        self.in_groups: Counter[_Table] = Counter()
        for candidate in sorted(candidates, key=lambda c: c.figure_id):
            drafted, known = draft(candidate, amounts), newest.get(candidate.figure_id)
            if known is not None and _says_the_same(known, drafted):
                said = formula_said(candidate)
                self.kept[candidate.figure_id] = replace(known, known_at_us=rules.known_at_us, formula=said)
            self.cases[candidate.figure_id] = self._case(drafted, smallest.get(_table(candidate), 0.0))
            if candidate.breakdown != EVERYBODY:
                self.in_groups[_table(candidate)] += len(candidate.contributions)
        self.systems = NightSystems(
            [e for sealed in past for e in _old_exhibits(sealed)],
            [s for i, case in self.cases.items() if i not in self.kept for s in case.draft.statements],
            self._judge_sum,
            rules.policy.persistence_percent if checks.persistence else None,
            max((c.rules.holding_percent for c in rules.policy.classes.values()), default=Fraction(0)),
        )

    def _case(self, drafted: Draft, smallest: float) -> _Case:
        definition = drafted.candidate.definition
        waived = self.rules.waived(definition.kpi, drafted.candidate.month)
        least = 1.0 if drafted.candidate.statistic == "count" else smallest
        finding = judge_figure(drafted.candidate, self.rules.policy, waived, least)
        limits = self.rules.policy.classes.get(definition.disclosure_class)
        if limits is None or limits.rules.coalition is None:
            return _Case(drafted, finding, Guard(Fraction(0), 0, waived))
        return _Case(drafted, finding, Guard(limits.rules.holding_percent, limits.rules.coalition, waived))

    def decide(self) -> dict[str, SealedFigure]:
        """Go through all systems until nothing more is withheld: what one withholds, the others know."""
        withheld = {i for i, case in self.cases.items() if case.finding.reasons and i not in self.kept}
        causes: dict[str, str] = {}
        judged = [i for i in self.cases if i not in self.kept]
        waiting = sorted({key for i in judged for key in self._systems_of(i)})
        while waiting or (found := self._formula(withheld)):
            if not waiting:
                causes |= dict.fromkeys(found, FORMULA)
                withheld |= found
                waiting = sorted({k for i in found for k in self._systems_of(i)})
                continue
            key = waiting.pop(0)
            figures = self._figures(withheld)
            found, why = self.systems.withhold(key, figures)
            if not found:
                continue
            causes |= self._causes(key, figures, found)
            self.more |= dict.fromkeys(sorted(found), why) if why else {}
            withheld |= found
            # What months have at least depends on which of their days are left.
            settled = set() if key.kind == PERSISTENT else {key}
            waiting += sorted({k for i in found for k in self._systems_of(i)} - settled - {*waiting})
        decided = {i: self._seal(self.cases[i], withheld, causes) for i in judged}
        return dict(sorted((self.kept | decided).items()))

    def _causes(self, key: SystemKey, figures: Mapping[str, Shown], found: set[str]) -> dict[str, str]:
        """Say of what is withheld whether tonight's figures alone tell too much, or with earlier ones only.

        That amounts move little tells nothing but by other months, so that counts as earlier ones' doing.
        """
        if not self.has_past:
            return dict.fromkeys(sorted(found), SECONDARY)
        tonight = set() if key.kind == PERSISTENT else self.systems.withhold(key, figures, with_past=False)[0]
        return {i: SECONDARY if i in tonight else DIFFERENCING for i in sorted(found)}

    def _formula(self, withheld: set[str]) -> set[str]:
        """Return what must be withheld because formulas would give an unsafe figure of its group away.

        What earlier nights said of the same factories and period is known, and can't be withheld.
        """
        groups: defaultdict[Place, list[Member]] = defaultdict(list)
        for i, case in self.cases.items():
            free = i not in self.kept
            groups[place_of(case.draft.candidate)].append(
                Member(case.draft.candidate, case.finding, free, i in withheld, self._weight(case))
            )
        found: set[str] = set()
        for place, group in sorted(groups.items()):
            try:
                found |= withhold_by_formula(group, self.rules.elements, self.formulas.get(place, ()))
            except LimitReachedError:
                rest = {m.candidate.figure_id for m in group if m.free} - withheld
                self.more |= dict.fromkeys(sorted(rest), LIMIT)
                found |= rest
        return found

    def _systems_of(self, figure_id: str) -> set[SystemKey]:
        return {k for s in self.cases[figure_id].draft.statements for k in self.systems.of(s)}

    def _figures(self, withheld: set[str]) -> dict[str, Shown]:
        """Return tonight's figures as they stand: published already, free to be, or withheld."""
        return {
            i: Shown(case.draft.candidate, tuple(self._exhibits(i, case, withheld)), self._weight(case))
            for i, case in self.cases.items()
        }

    def _exhibits(self, figure_id: str, case: _Case, withheld: set[str]) -> Iterable[Exhibit]:
        for place, statement in enumerate(case.draft.statements):
            said = _withheld(statement, case.finding) if figure_id in withheld else statement
            free = figure_id not in withheld and figure_id not in self.kept
            yield Exhibit((figure_id, "", str(place)), said, case.guard, self.rules.known_at_us, free)

    def _weight(self, case: _Case) -> float:
        """Return what is lost if a figure is withheld: how many factories contribute to it.

        Everybody's counts for more than all groups of the same KPI and period together. Totals of scopes
        count half: where power and they give something away together, the power's figures stay.
        """
        candidate = case.draft.candidate
        own = len(candidate.contributions) or 1
        groups = self.in_groups[_table(candidate)] if candidate.breakdown == EVERYBODY else 0
        return (own + groups) * (_MONTHLY_WEIGHT if candidate.definition.monthly else 1.0)

    def _judge_sum(self, candidate: Candidate, contributions: Sequence[Contribution]) -> Finding:
        """Apply the primary rules to several groups together."""
        definition = candidate.definition
        limits = self.rules.policy.classes.get(definition.disclosure_class)
        if limits is None:
            return Finding()
        waived = self.rules.waived(definition.kpi, candidate.month)
        return judge_contributions(definition, contributions, rules_of(limits, definition), waived)

    def _seal(self, case: _Case, withheld: set[str], causes: Mapping[str, str]) -> SealedFigure:
        candidate = case.draft.candidate
        figure_id = candidate.figure_id
        hidden = figure_id in withheld
        cause = (causes[figure_id],) if figure_id in causes else ()
        more = (self.more[figure_id],) if figure_id in self.more else ()
        return SealedFigure(
            figure_id,
            self.rules.known_at_us,
            "withhold" if hidden else "publish",
            (*case.finding.reasons, *cause, *more),
            candidate.holdings,
            candidate.panel,
            self.rules.policy.version,
            tuple(sorted(case.guard.waived & {c.holding for c in candidate.contributions})),
            format(Decimal(repr(float(case.guard.percent))).normalize(), "f"),
            case.guard.coalition,
            tuple(_withheld(s, case.finding) if hidden else s for s in case.draft.statements),
            formula_said(candidate),
        )


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


def _table(candidate: Candidate) -> _Table:
    """Return what a figure has in common with its groups'."""
    return (candidate.definition.key, candidate.period, candidate.start)


def _smallest_totals(candidates: Iterable[Candidate]) -> dict[_Table, float]:
    """Return the smallest positive sum of each KPI and period: as far an unsafe zero must seem to reach."""
    found: dict[_Table, float] = {}
    for candidate in candidates:
        key = _table(candidate)
        total = sum(c.numerator for c in candidate.contributions)
        if total > 0:
            found[key] = min(total, found.get(key, total))
    return found
