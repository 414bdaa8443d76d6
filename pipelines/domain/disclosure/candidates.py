"""Figures before the gate: what would be published, and of whose amounts it is made.

Belongs here: frozen candidates. Does not belong here: choosing them (benchmarks), judging them (release).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pipelines.domain.kpi_formulas import Definition

CandidateStatistic = Literal["total", "count", "ratio_of_sums", "order_statistic"]


@dataclass(frozen=True)
class Contribution:
    """What one factory brings to a figure.

    Args:
        factory: whose.
        holding: its owner in the month.
        numerator: product of the sums above the line, scaled.
        denominator: product of the sums below it; null: a total.
        sums: the formula's sums in its order.
        basis: amount of which the numerator is a multiple that everybody may know: the same activities by the
            factors that were used first. Null: there is none but the numerator.
    """

    factory: str
    holding: str
    numerator: float
    denominator: float | None
    sums: tuple[float, ...]
    basis: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A figure before the gate.

    Args:
        figure_id: as in the ledger.
        definition: of its KPI.
        breakdown: `cluster`, `process`, `region`, `process-size`, ...
        group: of the breakdown; `*` for everybody.
        period: day, month or rolling12.
        start: first local date of the period.
        end: first local date after it.
        contributions: of the factories with a value that may be compared, sorted by factory.
        panel: factories whose value would have entered, with or without one, sorted.
        statistic: what would be published.
        value: that, rounded to the public grid; null: there is nothing to publish.
        grid_step: of the grid; null: no grid was agreed, so it can't be published.
        months: of rolling 12 months: each month's first date and contributions, oldest first.
        paired: of a trend: the earlier period's candidate of the same factories.
    """

    figure_id: str
    definition: Definition
    breakdown: str
    group: str
    period: Literal["day", "month", "rolling12"]
    start: date
    end: date
    contributions: tuple[Contribution, ...]
    panel: tuple[str, ...]
    statistic: CandidateStatistic
    value: float | None
    grid_step: float | None
    months: tuple[tuple[date, tuple[Contribution, ...]], ...] = ()
    paired: "Candidate | None" = None

    @property
    def holdings(self) -> int:
        """How many holdings contribute."""
        return len({c.holding for c in self.contributions})

    @property
    def month(self) -> date:
        """First of the month that it ends with: whose panel, owners and consents count."""
        return (self.end - timedelta(days=1)).replace(day=1)
