"""Where one member stands beside a published figure.

Belongs here: place and gap, from published (rounded) numbers and the member's own value alone, so that its
page adds nothing to any attack. Does not belong here: who may see the figure (entitlement).
"""

from typing import Literal, NamedTuple

from pipelines.domain.rounding import exactly

Place = Literal["better", "middle", "same", "worse"]
Direction = Literal["lower", "higher"]


class Thirds(NamedTuple):
    """Published P33 and P67 of a figure."""

    p33: float
    p67: float


class Standing(NamedTuple):
    """Place (better, middle or worse third; else better, same or worse than the reference) and gap."""

    place: Place
    gap: float


def standing(
    value: float | None,
    reference: float | None,
    grid_step: float,
    direction: Direction,
    thirds: Thirds | None,
) -> Standing | None:
    """Say where a member stands: in which third where they are published, else by one step of the grid.

    Args:
        value: the member's own [unit of the KPI].
        reference: the published centre [same unit].
        grid_step: of the public grid.
        direction: which way is better.
        thirds: null: too few holdings for them.

    Returns:
        Null: there is no own value, or nothing is published.
    """
    gap = member_gap(value, reference)
    near = member_position(value, reference, grid_step, direction)
    if value is None or gap is None or near is None:
        return None
    return Standing(near if thirds is None else third_of(value, thirds, direction), gap)


def third_of(value: float, thirds: Thirds, direction: Direction) -> Literal["better", "middle", "worse"]:
    """Return the third in which a value lies; on the border it is in the middle one."""
    own, low, high = map(exactly, (value, thirds.p33, thirds.p67))
    if low <= own <= high:
        return "middle"
    return "better" if (own < low) == (direction == "lower") else "worse"


def member_position(
    value: float | None, reference: float | None, grid_step: float, direction: Direction
) -> Literal["better", "same", "worse"] | None:
    """Say where a member stands against a reference of few: within one grid step it is about the same.

    Null: no own value, or nothing is published.
    """
    if value is None or reference is None:
        return None
    # Compared in decimals: 0.30 and 0.25 are one step of 0.05 apart, whatever the binary says.
    gap = exactly(value) - exactly(reference)
    if abs(gap) <= exactly(grid_step):
        return "same"
    return "better" if (gap < 0) == (direction == "lower") else "worse"


def member_gap(value: float | None, reference: float | None) -> float | None:
    """Return a member's value minus the published reference, in the KPI's unit; null: one of them is."""
    return None if value is None or reference is None else value - reference


def member_trend(
    value: float | None, before: float | None, grid_step: float, direction: Direction
) -> Literal["better", "same", "worse"] | None:
    """Say how a member's own value moved since the period before: within one grid step it is about the same.

    Null: one of the two is not known.
    """
    return member_position(value, before, grid_step, direction)
