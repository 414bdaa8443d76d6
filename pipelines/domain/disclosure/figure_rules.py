"""The primary rules of a figure: of its numerators, denominators and complements.

Belongs here: a candidate and its class's policy -> failed rules, and how uncertain a withheld figure must
stay. Does not belong here: the rules themselves (primary), what other figures give away (release).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy
from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.primary import Content, Verdict, content_of, judge_content
from pipelines.domain.disclosure.statements import ORDER_STATISTIC, bound_of
from pipelines.domain.kpi_formulas import Definition

POLICY: Final = "policy"
FEW: Final = "min_contributors"
LEAST_FOR_ORDER_STATISTIC: Final = 5
_ORDER: Final = (FEW, "dominance", "p_percent", "pq", "share_limit", "zero")
_LEAST_PART: Final = Fraction(1, 10)


@dataclass(frozen=True)
class Finding:
    """What the primary rules say of a figure.

    Args:
        reasons: codes of failed rules; empty: safe by itself.
        unsafe: whether a rule of its contents failed: it must stay uncertain by its levels.
        down: how far below its numerators' sum a withheld one must seem possible, in their unit.
        up: likewise above.
    """

    reasons: tuple[str, ...] = ()
    unsafe: bool = False
    down: float = 0.0
    up: float = 0.0


def rules_of(policy: ClassPolicy, definition: Definition) -> TablePolicy:
    """Return the limits for a figure: a zero of class B shows that each contributor's is zero."""
    return replace(policy.rules, zero_unsafe=policy.rules.zero_unsafe or definition.disclosure_class == "B")


def judge_figure(
    candidate: Candidate, policy: DisclosurePolicy, waived: frozenset[str], smallest: float = 0.0
) -> Finding:
    """Apply the rules of its class to a figure.

    Args:
        candidate: the figure.
        policy: the cluster's.
        waived: holdings without protection for its KPI and period.
        smallest: how far above zero an unsafe zero must seem possible.
    """
    limits = policy.classes.get(candidate.definition.disclosure_class)
    if limits is None:
        return Finding((POLICY,))
    rules = rules_of(limits, candidate.definition)
    if candidate.statistic == ORDER_STATISTIC:
        few = candidate.holdings < max(LEAST_FOR_ORDER_STATISTIC, rules.fewest)
        finding = Finding((FEW,)) if few else Finding()
    else:
        finding = judge_contributions(
            candidate.definition, candidate.contributions, rules, waived, smallest
        )  # fmt: skip
    unpublished = candidate.value is None or candidate.grid_step is None
    if unpublished or candidate.period not in limits.periods:
        finding = replace(finding, reasons=(*finding.reasons, POLICY))
    return finding


def judge_contributions(
    definition: Definition, contributions: Sequence[Contribution], rules: TablePolicy,
    waived: frozenset[str], smallest: float = 0.0,
) -> Finding:  # fmt: skip
    """Apply the rules to what a figure, or the sum of several, is made of."""
    if not contributions:
        return Finding((FEW,))
    numerators = _content(contributions, waived, lambda c: Fraction(c.numerator))
    verdict = judge_content(numerators, rules)
    others = [
        judge_content(_content(contributions, waived, of), replace(rules, zero_unsafe=False))
        for of in _other_parts(definition)
    ]
    failed = {reason for found in (verdict, *others) for reason in found.reasons}
    if not failed:
        return Finding()
    level = float(_level(verdict, others, numerators)) or smallest
    amounts = [c.numerator for c in contributions]
    bounds = [max(bound_of(definition, c), c.numerator) for c in contributions]
    truth = math.fsum(amounts)
    down = min(level, truth) if min(amounts) >= 0 else level
    up = min(level, math.fsum(bounds) - truth)
    return Finding(tuple(r for r in _ORDER if r in failed), True, max(0.0, down), max(0.0, up))


def _other_parts(definition: Definition) -> Iterable[Callable[[Contribution], Fraction]]:
    """Return the parts that leak beside the numerators: complements (if it is a share) and denominators."""
    if definition.share_bound is not None:
        bound = Fraction(definition.share_bound)
        yield lambda c: bound * Fraction(c.denominator or 0.0) - Fraction(c.numerator)
    if not definition.is_total:
        yield lambda c: Fraction(c.denominator or 0.0)


def _content(
    contributions: Iterable[Contribution], waived: frozenset[str], part: Callable[[Contribution], Fraction]
) -> Content:
    held: dict[str, Fraction] = {}
    for one in contributions:
        held[one.holding] = held.get(one.holding, Fraction(0)) + part(one)
    return content_of((amount, holding in waived) for holding, amount in sorted(held.items()))


def _level(verdict: Verdict, others: Sequence[Verdict], numerators: Content) -> Fraction:
    if verdict.reasons:
        return verdict.level
    complement = others[0].level if len(others) > 1 else Fraction(0)
    return max(complement, _LEAST_PART * numerators.size)
