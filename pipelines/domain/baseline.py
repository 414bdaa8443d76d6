"""Before and after: a KPI against the same KPI of a stored baseline period.

Belongs here: the comparison of two figures, and its reasons. Does not belong here: the arithmetic of KPIs
(pipelines.domain.kpi_evaluation), storing a baseline (pipelines.jobs.baseline).
"""

from dataclasses import dataclass
from typing import Literal

from pipelines.domain.kpi_formulas import Definition

NO_BASELINE = "no_baseline"
OTHER_VERSION = "definition_version_differs"
OTHER_LENGTH = "period_length_differs"
ZERO_BASELINE = "zero_baseline"
NOT_COMPUTED = "not_computed"
_SHARE = "1"
_TOTALS = ("total", "count")
Verdict = Literal["better", "worse", "same"]


@dataclass(frozen=True)
class Measured:
    """A figure of a period.

    Args:
        version: of its definition.
        value: null: see reason.
        reason: codes joined by `;`; null: there is nothing to say.
        days: length of its period.
    """

    version: str
    value: float | None
    reason: str | None
    days: int


@dataclass(frozen=True)
class Change:
    """What became of a KPI since its baseline.

    Args:
        value: now / then - 1 [1], of a share now - then [1]; null: see reason.
        in_points: whether value is a difference of shares.
        verdict: by the KPI's direction; null: see reason.
        reason: why there is none.
    """

    value: float | None
    in_points: bool
    verdict: Verdict | None
    reason: str | None


def before_after(definition: Definition, now: Measured, then: Measured | None) -> Change:
    """Compare a KPI with its baseline.

    Reasons, the first that holds: `no_baseline`; `definition_version_differs` (a changed formula is another
    figure); the baseline's own reason, where it has no value; now's own reason; `period_length_differs` (a
    total grows with its period); `zero_baseline` (nothing can be said in per cent of nothing; a share is
    compared in points and has no such case).

    Args:
        definition: of the figure now.
        now: the figure.
        then: the stored one; null: none was stored.
    """
    in_points = definition.unit == _SHARE
    reason = _obstacle(definition, now, then, in_points=in_points)
    if reason is not None or then is None or then.value is None or now.value is None:
        return Change(None, in_points, None, reason)
    difference = now.value - then.value
    value = difference if in_points else now.value / then.value - 1
    return Change(value, in_points, _verdict(difference, definition.direction), None)


def _obstacle(definition: Definition, now: Measured, then: Measured | None, *, in_points: bool) -> str | None:
    if then is None:
        return NO_BASELINE
    if then.version != now.version:
        return OTHER_VERSION
    for figure in (then, now):
        if figure.value is None:
            return (figure.reason or NOT_COMPUTED).split(";", 1)[0]
    if definition.statistic in _TOTALS and now.days != then.days:
        return OTHER_LENGTH
    return ZERO_BASELINE if then.value == 0 and not in_points else None


def _verdict(difference: float, direction: Literal["lower", "higher"]) -> Verdict:
    if difference == 0:
        return "same"
    return "better" if (difference < 0) == (direction == "lower") else "worse"
