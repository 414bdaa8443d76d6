"""Where a member stands beside published figures.

Belongs here: functions of published (rounded) figures and the member's own value only, so that a private page
adds nothing to any attack. Does not belong here: the figures (benchmarks), how a page says it (publish).
"""

from typing import Literal

from pipelines.domain.rounding import exactly

Position = Literal["better", "same", "middle", "worse"]
Direction = Literal["lower", "higher"]


def member_position(
    value: float | None,
    reference: float | None,
    grid_step: float,
    direction: Direction,
    thirds: tuple[float, float] | None = None,
) -> Position | None:
    """Say where a member stands; null: no own value, or nothing is published.

    Args:
        value: the member's own [unit of the KPI].
        reference: what is published of the group.
        grid_step: of the figure's grid; beside a reference of few, a value within one step is about the same.
        direction: which way is better.
        thirds: published P33 and P67, of 9 holdings and more: below the one, above the other, or between.
    """
    if value is None or reference is None:
        return None
    # Compared in decimals: 0.30 and 0.25 are one step of 0.05 apart, whatever the binary says.
    own, middle = exactly(value), exactly(reference)
    step = exactly(grid_step)
    low, high = (middle - step, middle + step) if thirds is None else map(exactly, thirds)
    if low <= own <= high:
        return "same" if thirds is None else "middle"
    return "better" if (own < low) == (direction == "lower") else "worse"


def member_gap(value: float | None, reference: float | None) -> float | None:
    """Return a member's value minus the published reference, in the KPI's unit; null: one of them is."""
    return None if value is None or reference is None else value - reference


def member_trend(
    value: float | None, before: float | None, grid_step: float, direction: Direction
) -> Position | None:
    """Say how a member's own value moved since the period before: within one grid step it is about the same.

    Null: one of the two is not known.
    """
    return member_position(value, before, grid_step, direction)
