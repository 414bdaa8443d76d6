"""Days that repeat another day, or another factory's: by their hours, exactly."""

import dataclasses
import random
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.domain.liveness.report import liveness_report, ranked_factories
from tests.domain.liveness_scene import (
    LIMITS,
    MONDAY,
    Hours,
    Scene,
    always,
    busy,
    except_on,
    in_shift,
    noise,
    plant,
)

USUAL = busy("main")


def repeating(day: int, of: int, hours: range | list[int] = range(24), usual: Hours = USUAL) -> Scene:
    """Repeat hours of a day `of` on a day, which is the last."""
    again = except_on(usual, day, lambda _d, h: usual(of, h), hours)
    return Scene(meters={("f", "main"): again}, days=day + 1)


def test_a_day_that_repeats_an_earlier_one_is_asked_and_names_it() -> None:
    scene = repeating(4, of=2)
    assert scene.asks() == [("main", "energy", "copied_day")]
    assert scene.evidence() == ['{"copied_day":{"hours":24,"of":"2025-11-05","of_hours":24}}']
    # The day that was repeated is asked nothing.
    assert scene.changed(asked=[2]).asks() == []


def test_a_register_s_constant_offset_does_not_hide_a_copy() -> None:
    """The hours of a register are differences; what the offset leaves of it lies in the last bits."""
    shifted = except_on(USUAL, 4, lambda _d, h: (USUAL(2, h) or 0) + 1e-10 * (h % 3))
    assert Scene(meters={("f", "main"): shifted}, days=5).asks() == [("main", "energy", "copied_day")]


def test_a_day_scaled_by_another_factor_than_one_is_another_day() -> None:
    scaled = except_on(USUAL, 4, lambda _d, h: round(1.0001 * (USUAL(2, h) or 0), 6))
    assert Scene(meters={("f", "main"): scaled}, days=5).asks() == []


@pytest.mark.parametrize(("hours", "asked"), [(18, [("main", "energy", "copied_day")]), (17, [])])
def test_three_quarters_of_the_hours_make_a_copy(hours: int, asked: list[tuple[str, str, str]]) -> None:
    assert repeating(4, of=2, hours=range(hours)).asks() == asked


def test_hours_that_got_lost_do_not_hide_a_copy() -> None:
    copied = except_on(USUAL, 4, lambda _d, h: USUAL(2, h))
    lost = except_on(copied, 4, always(None), range(2, 12))
    scene = Scene(meters={("f", "main"): lost}, days=5)
    assert scene.evidence() == ['{"copied_day":{"hours":14,"of":"2025-11-05","of_hours":14}}']


@pytest.mark.parametrize(("known", "asked"), [(8, [("main", "energy", "copied_day")]), (7, [])])
def test_a_copy_takes_eight_different_hours(known: int, asked: list[tuple[str, str, str]]) -> None:
    copied = except_on(USUAL, 4, lambda _d, h: USUAL(2, h) if h < known else None)
    assert Scene(meters={("f", "main"): copied}, days=5).asks() == asked


def test_a_timer_that_repeats_few_values_every_day_is_no_copy() -> None:
    def timer(_day: int, hour: int) -> float:
        return [12.375, 47.125, 31.25, 80.0625, 66.5][hour // 5]

    assert Scene(meters={("f", "main"): timer}, days=5).asks() == []


def test_values_of_two_digits_are_equal_by_chance_too_often() -> None:
    def coarse(_day: int, hour: int) -> float:
        return 20.0 + hour

    assert Scene(meters={("f", "main"): coarse}, days=5).asks() == []
    finer = Scene(meters={("f", "main"): lambda d, h: coarse(d, h) + 0.5}, days=5)
    assert finer.asks() == [("main", "energy", "copied_day")]


@pytest.mark.parametrize(("day", "asked"), [(31, [("main", "energy", "copied_day")]), (32, [])])
def test_a_copy_is_looked_for_a_month_back(day: int, asked: list[tuple[str, str, str]]) -> None:
    assert repeating(day, of=0).asks() == asked


def test_the_most_alike_day_is_named_and_of_equally_alike_ones_the_latest() -> None:
    twice = except_on(except_on(USUAL, 3, lambda _d, h: USUAL(1, h)), 4, lambda _d, h: USUAL(1, h))
    scene = Scene(meters={("f", "main"): twice}, days=5)
    assert '"of":"2025-11-06"' in scene.evidence()[0]


def test_a_machine_that_runs_to_the_second_as_two_days_before_is_a_copy() -> None:
    def runs(day: int, hour: int) -> float:
        like = 2 if day == 4 else day
        return round(3000 + 590 * noise("s", like, hour)) if in_shift(day, hour) else 0.0

    assert plant(running={("f", "m"): runs}, days=5, made={}).asks() == [("m", "states", "copied_day")]


def test_machines_that_run_whole_hours_are_alike_without_being_copies() -> None:
    def whole(day: int, hour: int) -> float:
        return 3600.0 if in_shift(day, hour) else 0.0

    assert plant(running={("f", "m"): whole}).asks() == []


def two(own: Hours, other: Hours = USUAL, **changes: object) -> Scene:
    return Scene(**{"meters": {("f", "main"): own, ("g", "main"): other}, "days": 5, **changes})


def small(day: int, hour: int) -> float:
    return (busy("small")(day, hour) or 0) / 4


def test_a_factory_that_shows_another_s_day_is_asked_and_the_other_is_not() -> None:
    scene = two(except_on(small, 4, USUAL))
    assert scene.asks() == [("main", "energy", "copied_factory")]
    # Nothing of the other factory: neither its id, nor a value.
    assert scene.evidence() == ['{"copied_factory":{"hours":24,"of_hours":24,"same_day":true}}']


def test_a_factory_that_shows_another_s_earlier_day_is_asked() -> None:
    scene = two(except_on(small, 4, lambda _d, h: USUAL(1, h)))
    assert scene.asks() == [("main", "energy", "copied_factory")]
    assert '"same_day":false' in scene.evidence()[0]


def test_where_neither_side_s_past_tells_both_are_asked() -> None:
    both = [("main", "energy", "copied_factory"), ("g/main", "energy", "copied_factory")]
    assert two(USUAL).asks() == both
    assert two(USUAL, days=1).asks() == both


def test_the_past_of_a_day_leaves_out_the_days_that_were_equal_too() -> None:
    # Equal on days 3 and 4; before, f was small: on day 4 it is still the odd one.
    copier = except_on(except_on(small, 3, USUAL), 4, USUAL)
    assert two(copier).asks() == [("main", "energy", "copied_factory")]


def test_another_factory_scaled_is_another_factory() -> None:
    assert two(lambda d, h: round((USUAL(d, h) or 0) * 1.001, 6)).asks() == []


def test_a_value_that_more_than_fifty_sources_show_tells_of_none() -> None:
    def park(count: int) -> int:
        meters = {(f"f{n:02}", "main"): USUAL for n in range(count)}
        return len(Scene(meters=meters, days=1).asks())

    assert park(50) == 50
    assert park(51) == 0


SCENE = plant(
    meters={
        ("f", "main"): except_on(USUAL, 4, lambda _d, h: USUAL(2, h)),
        ("f", "m"): except_on(busy("m"), 8, always(0.0), range(9, 14)),
        ("g", "main"): except_on(small, 7, USUAL),
        ("h", "main"): lambda d, h: 40 + noise("h", d, h),
        ("h", "old"): busy("old"),
    },
    unnamed=frozenset({"old"}),
    events={("g", "energy", "main", 9): (0, 0.0), ("f", "energy", "m", 3): (900, 23.9)},
    days=10,
    asked=range(10),
)
WHOLE = SCENE.report()


def test_the_scene_of_the_properties_has_something_to_ask() -> None:
    reasons = set(";".join(WHOLE["reasons"].drop_nulls()).split(";"))
    assert reasons == {"copied_day", "copied_factory", "flat_line", "few_events", "ghost", "silent"}


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(chance: random.Random) -> None:
    seen = SCENE.observed()
    frames = {
        field.name: getattr(seen, field.name).sample(fraction=1, shuffle=True, seed=chance.randrange(2**31))
        for field in dataclasses.fields(seen)
    }
    assert_frame_equal(liveness_report(dataclasses.replace(seen, **frames), LIMITS), WHOLE)


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 9), min_size=1))
def test_a_day_s_report_does_not_depend_on_which_others_are_asked_with_it(days: set[int]) -> None:
    """Nor on the days after it, which a night that comes earlier doesn't know."""
    last = max(days)
    some = SCENE.changed(asked=sorted(days)).observed()
    known = {
        name: getattr(some, name).filter(pl.col("day") <= MONDAY + timedelta(days=last))
        for name in ("days", "source_days", "amounts", "machine_hours", "output")
    }
    asked = [MONDAY + timedelta(days=n) for n in sorted(days)]
    report = liveness_report(dataclasses.replace(some, **known), LIMITS)
    assert_frame_equal(report, WHOLE.filter(pl.col("day").is_in(asked)))


def test_factories_are_ranked_by_all_that_there_is_to_ask_of_them() -> None:
    ranks = ranked_factories(WHOLE, MONDAY + timedelta(days=9))
    # g is silent (50 + 10 for all that is missing), h has a ghost (40), f nothing.
    assert ranks.rows() == [("g", 60), ("h", 40), ("f", 0)]
