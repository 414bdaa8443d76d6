"""Where a member stands: functions of published figures and its own value."""

from typing import Literal

import pytest

from pipelines.domain.positions import member_gap, member_position, member_trend


@pytest.mark.parametrize(
    ("value", "reference", "direction", "position"),
    [
        (0.90, 1.00, "lower", "better"),
        (1.10, 1.00, "lower", "worse"),
        (1.05, 1.00, "lower", "same"),
        (0.30, 0.25, "higher", "same"),
        (0.31, 0.25, "higher", "better"),
        (0.19, 0.25, "higher", "worse"),
        (None, 0.25, "higher", None),
        (0.25, None, "higher", None),
    ],
)
def test_a_member_is_better_about_the_same_or_worse(
    value: float | None, reference: float | None, direction: Literal["lower", "higher"], position: str | None
) -> None:
    assert member_position(value, reference, grid_step=0.05, direction=direction) == position


def test_the_gap_is_the_own_value_minus_the_reference() -> None:
    assert member_gap(1.5, 1.25) == 0.25
    assert member_gap(None, 1.25) is None


@pytest.mark.parametrize(
    ("value", "direction", "position"),
    [
        # Of nine holdings and more: P33 0.60 and P67 0.75 are published, the median is 0.70.
        (0.59, "higher", "worse"),
        (0.60, "higher", "middle"),
        (0.75, "higher", "middle"),
        (0.76, "higher", "better"),
        (0.59, "lower", "better"),
        (0.70, "lower", "middle"),
        (0.76, "lower", "worse"),
        (None, "lower", None),
    ],
)
def test_of_nine_and_more_a_member_is_in_a_third(
    value: float | None, direction: Literal["lower", "higher"], position: str | None
) -> None:
    assert member_position(value, 0.70, 0.05, direction, thirds=(0.60, 0.75)) == position


@pytest.mark.parametrize(
    ("value", "before", "moved"),
    [
        (0.70, 0.64, "better"),
        (0.70, 0.65, "same"),
        (0.58, 0.64, "worse"),
        (0.7, None, None),
        (None, 0.7, None),
    ],
)
def test_an_own_trend_is_of_more_than_a_step(
    value: float | None, before: float | None, moved: str | None
) -> None:
    assert member_trend(value, before, 0.05, "higher") == moved
