"""Rounding to public grids."""

import pytest

from pipelines.domain.rounding import round_down, round_to_grid, round_up


@pytest.mark.parametrize(
    ("value", "step", "rounded"),
    [
        (1.125, 0.05, 1.1),
        (1.175, 0.05, 1.2),
        (0.375, 0.25, 0.5),
        (0.125, 0.25, 0.0),
        (601.0 - 0.5, 1.0, 600.0),
        (0.1 + 0.2, 0.05, 0.3),
        (7.0, 0.5, 7.0),
        (-0.08, 0.05, -0.1),
    ],
)
def test_rounding_goes_to_the_nearest_point_and_ties_to_the_even_one(
    value: float, step: float, rounded: float
) -> None:
    assert round_to_grid(value, step) == rounded


def test_ends_go_outward_and_points_of_the_grid_stay() -> None:
    assert [round_down(v, 0.05) for v in (0.52, 0.55, -0.01)] == [0.5, 0.55, -0.05]
    assert [round_up(v, 0.05) for v in (0.52, 0.55, -0.01)] == [0.55, 0.55, 0.0]
    # 0.3 is not 6 x 0.05 in binary, but it is written so
    assert round_up(0.3, 0.05) == round_down(0.3, 0.05) == 0.3
