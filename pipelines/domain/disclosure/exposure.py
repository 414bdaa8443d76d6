"""What a figure says of single factories' amounts: the attacker's equations, as the ledger seals them.

Belongs here: unknowns and statements about sums of them, frozen. Does not belong here: what a candidate
figure says (statements), what follows from statements (release, audit), bytes (sealing).

A statement is about the *deviations* from the truth that it leaves possible: constants that everybody knows
(the denominators of a ratio) vanish, and rounding is how far the true sum may move.
"""

import math
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

UnknownPeriod = Literal["day", "month"]


class Unknown(NamedTuple):
    """What one factory has of one variable in one period, as it was known when a figure was judged.

    Two statements are about the same unknown if all fields agree: a restated amount is another unknown, an
    amount that did not change is the same one.

    Args:
        variable: the element variable (kpi_elements.csv), or several joined by `+`.
        period: day, or month; rolling 12 months are sums of months.
        start: first local date of the period.
        factory: whose.
        holding: its owner in the month.
        amount: the truth, in the unit of the variable's base figure.
    """

    variable: str
    period: UnknownPeriod
    start: date
    factory: str
    holding: str
    amount: float


class Term(NamedTuple):
    """An unknown in a statement.

    Args:
        unknown: the unknown.
        coefficient: everybody knows it; negative: the figure falls where the amount rises.
        most: largest amount of the unknown that everybody knows to be possible (a share's bound); infinite:
            there is none. The least is zero.
    """

    unknown: Unknown
    coefficient: float
    most: float = math.inf


@dataclass(frozen=True)
class Statement:
    """That a sum of unknowns lies near its truth.

    Args:
        figure_id: the figure that says so.
        terms: sorted by unknown, each once; zero amounts too, if everybody may think that they are not zero.
        published: false: it is withheld, and must stay uncertain by `level_down` and `level_up`.
        down: published: how far below the truth the sum may lie (rounding), not negative.
        up: likewise above.
        level_down: withheld and unsafe: how far below the truth the sum must seem possible; else 0.
        level_up: likewise above.
        known_to_all: a named reference: everybody knows the unknowns themselves.
    """

    figure_id: str
    terms: tuple[Term, ...]
    published: bool
    down: float = 0.0
    up: float = 0.0
    level_down: float = 0.0
    level_up: float = 0.0
    known_to_all: bool = False

    @property
    def variable(self) -> str:
        """The variable of its unknowns: a statement is about one."""
        return self.terms[0].unknown.variable


class FormulaSum(NamedTuple):
    """A sum over all factories of a figure, as its formula has it.

    Args:
        terms: element columns (an element, or a product of two) with their coefficients.
        constant: what is added, for all factories together.
        truth: its true value.
    """

    terms: tuple[tuple[str, float], ...]
    constant: float
    truth: float


@dataclass(frozen=True)
class FormulaSaid:
    """What a figure says of the sums of its group by its formula: scale x above / below, rounded.

    Args:
        factories: whose sums they are, sorted.
        period: day, month or rolling12.
        start: first local date of the period.
        above: sums above the line.
        below: sums below it; empty: a total.
        scale: of the formula.
        value: what is printed if it is published; null: there is nothing to print.
        half_step: half a step of its grid; null: no grid was agreed.
        share_bound: largest value that everybody knows to be possible; null: none.
        size: sum of the figure's numerators, which the levels of a withheld one are measured by.
    """

    factories: tuple[str, ...]
    period: str
    start: date
    above: tuple[FormulaSum, ...]
    below: tuple[FormulaSum, ...]
    scale: float
    value: float | None
    half_step: float | None
    share_bound: float | None
    size: float


@dataclass(frozen=True)
class SealedFigure:
    """Why a figure was published or not: the inputs of one decision, which only the ledger's key opens.

    Args:
        figure_id: as in the ledger.
        known_at_us: nominal time of the night, us since 1970.
        decision: publish or withhold.
        reasons: internal codes: min_contributors, dominance, p_percent, pq, share_limit, zero, secondary,
            differencing, formula, policy, part (of what it adds, something is withheld), panel_kept, limit
            (the solver reached one), unmeetable (no choice met a demand); empty: published.
        holdings: how many holdings contribute.
        panel: factories that the figure's month is fixed to, sorted; those without a value too.
        policy: version of the policy.
        waived: holdings that had waived protection for the KPI, sorted.
        protected_percent: half-width of a holding's protection interval at that time, as a decimal text.
        coalition: how many others may work together, at that time.
        statements: what the figure says; empty: nothing (an order statistic, or no contributors).
        formula: what it says of its group's sums; null: nothing (order statistics, trends, named references),
            or it was sealed before formulas were.
    """

    figure_id: str
    known_at_us: int
    decision: Literal["publish", "withhold"]
    reasons: tuple[str, ...]
    holdings: int
    panel: tuple[str, ...]
    policy: str
    waived: tuple[str, ...]
    protected_percent: str
    coalition: int
    statements: tuple[Statement, ...]
    formula: FormulaSaid | None = None
