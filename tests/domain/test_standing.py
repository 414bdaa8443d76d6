"""Where a member stands beside published figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain.standing import (
    Direction,
    Standing,
    Thirds,
    member_gap,
    member_position,
    member_trend,
    standing,
    third_of,
)

THIRDS = Thirds(0.55, 0.7)


@pytest.mark.parametrize(
    ("value", "higher", "lower"),
    [
        (0.54, "worse", "better"),
        (0.55, "middle", "middle"),
        (0.6, "middle", "middle"),
        (0.7, "middle", "middle"),
        (0.71, "better", "worse"),
    ],
)
def test_a_third_is_called_by_which_way_is_better(value: float, higher: str, lower: str) -> None:
    assert third_of(value, THIRDS, "higher") == higher
    assert third_of(value, THIRDS, "lower") == lower


def test_without_thirds_one_step_of_the_grid_is_about_the_same() -> None:
    # 0.70 - 0.65 is one step, whatever the binary says; 0.71 is more.
    near, far = (standing(v, 0.65, 0.05, "higher", None) for v in (0.7, 0.71))
    assert near == Standing("same", pytest.approx(0.05))
    assert far == Standing("better", pytest.approx(0.06))


def test_thirds_go_before_the_step_where_they_are_published() -> None:
    # Within a step of the reference, and yet in the better third.
    assert standing(0.71, 0.7, 0.05, "higher", THIRDS) == Standing("better", pytest.approx(0.01))


@pytest.mark.parametrize(("value", "reference"), [(None, 0.6), (0.6, None), (None, None)])
def test_without_a_number_there_is_no_place(value: float | None, reference: float | None) -> None:
    assert standing(value, reference, 0.05, "higher", None) is None
    assert standing(value, reference, 0.05, "higher", THIRDS) is None


@given(st.floats(-10, 10), st.sampled_from(["higher", "lower"]))
def test_turning_the_direction_turns_the_place(value: float, direction: Direction) -> None:
    turned = {"better": "worse", "worse": "better", "middle": "middle"}
    other: Direction = "lower" if direction == "higher" else "higher"
    assert third_of(value, THIRDS, other) == turned[third_of(value, THIRDS, direction)]


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
    value: float | None, reference: float | None, direction: Direction, position: str | None
) -> None:
    assert member_position(value, reference, grid_step=0.05, direction=direction) == position


def test_the_gap_is_the_own_value_minus_the_reference() -> None:
    assert member_gap(1.5, 1.25) == 0.25
    assert member_gap(None, 1.25) is None


@pytest.mark.parametrize(
    ("value", "before", "moved"),
    [
        (0.70, 0.64, "better"),
        (0.70, 0.65, "same"),
        (0.58, 0.64, "worse"),
        (0.70, None, None),
        (None, 0.70, None),
    ],
)
def test_an_own_trend_is_of_more_than_a_step(
    value: float | None, before: float | None, moved: str | None
) -> None:
    assert member_trend(value, before, 0.05, "higher") == moved
