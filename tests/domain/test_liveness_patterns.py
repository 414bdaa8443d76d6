"""Values that nobody would expect of a running plant, and those that look odd but are not."""

import pytest

from tests.domain.liveness_scene import Scene, always, busy, except_on, in_shift, noise, plant

MAIN, METER = ("f", "main"), ("f", "m")


def with_meter(**changes: object) -> Scene:
    """The plant with another meter of its machine, or other facts."""
    hours = changes.pop("hours", None)
    meters = {MAIN: busy("main"), METER: hours or busy("m")}
    return plant(**{"meters": meters, **changes})


@pytest.mark.parametrize(("hours", "asked"), [((9, 10), []), ((9, 10, 11), [("m", "energy", "flat_line")])])
def test_a_running_machine_s_meter_may_repeat_itself_twice_and_not_three_times(
    hours: tuple[int, ...], asked: list[tuple[str, str, str]]
) -> None:
    scene = with_meter(hours=except_on(busy("m"), 7, always(61.2345), hours))
    assert scene.asks() == asked
    if asked:
        said = '{"flat_line":{"from":"2025-11-10T09:00:00Z","hours":3,"zero":false}}'
        assert scene.evidence() == [said]


def test_amounts_that_differ_in_the_last_digit_are_no_flat_line() -> None:
    assert with_meter(hours=except_on(busy("m"), 7, lambda _d, h: 61.2345 + h / 1e4)).asks() == []


def test_what_a_register_s_offset_leaves_in_the_last_bits_does_not_hide_a_flat_line() -> None:
    shaky = except_on(busy("m"), 7, lambda _d, h: 61.2345 + 1e-9 * h, range(9, 13))
    assert with_meter(hours=shaky).asks() == [("m", "energy", "flat_line")]


def test_the_same_all_night_is_no_flat_line_while_nothing_runs() -> None:
    assert with_meter(hours=except_on(busy("m"), 7, always(20.125), range(7))).asks() == []


def test_a_coarse_meter_is_not_judged() -> None:
    # Whole kWh, 60 or 61 in the shift: it repeats itself on any day.
    assert with_meter(hours=lambda d, h: round(60 + noise(d, h)) if in_shift(d, h) else 20.0).asks() == []


def test_a_meter_that_stops_while_its_machine_runs_and_moves_on_later_is_a_flat_line() -> None:
    scene = with_meter(hours=except_on(busy("m"), 7, always(0.0), range(9, 14)))
    assert scene.asks() == [("m", "energy", "flat_line")]
    said = '{"flat_line":{"from":"2025-11-10T09:00:00Z","hours":5,"zero":true}}'
    assert scene.evidence() == [said]


@pytest.mark.parametrize(("hours", "asked"), [(11, []), (12, [("main", "energy", "flat_line")])])
def test_without_any_machine_half_a_day_must_pass(hours: int, asked: list[tuple[str, str, str]]) -> None:
    stuck = except_on(busy("main"), 7, always(60.5), range(6, 6 + hours))
    assert Scene(meters={MAIN: stuck}).asks() == asked


def test_a_flat_line_over_midnight_counts_from_where_it_began() -> None:
    def stuck(day: int, hour: int) -> float | None:
        return 33.25 if 18 <= 24 * (day - 6) + hour < 30 else busy("main")(day, hour)

    scene = Scene(meters={MAIN: stuck})
    assert scene.asks() == [("main", "energy", "flat_line")]
    assert '"from":"2025-11-09T18:00:00Z","hours":12' in scene.evidence()[0]


def test_an_hour_that_nobody_knows_ends_a_flat_line() -> None:
    stuck = except_on(except_on(busy("main"), 7, always(60.5), range(6, 20)), 7, always(None), [12])
    assert Scene(meters={MAIN: stuck}).asks() == []


def test_zero_all_day_on_a_working_day_is_asked_with_five_alike_days_before() -> None:
    def zero_on(day: int) -> Scene:
        return with_meter(hours=except_on(busy("m"), day, always(0.0)), days=day + 1)

    # Days 0 to 4 worked; day 7 is the second Monday. On day 4 only four lie before.
    assert zero_on(7).asks() == [("m", "energy", "zero_run")]
    assert zero_on(7).evidence() == ['{"zero_run":{"days_before":5,"hours":24}}']
    assert zero_on(4).asks() == []


def test_zero_on_a_holiday_or_while_the_machine_stands_is_true() -> None:
    idle = except_on(lambda d, h: 3500.0 - h if in_shift(d, h) else 0.0, 7, always(0.0))
    assert with_meter(hours=except_on(busy("m"), 7, always(0.0)), running={("f", "m"): idle}).asks() == []
    assert with_meter(hours=except_on(busy("m"), 6, always(0.0)), days=7).asks() == []


def test_two_idle_factories_on_a_holiday_are_no_copies() -> None:
    zeros = {(f, "main"): except_on(busy(f), 6, always(0.0)) for f in ("f", "g")}
    assert Scene(meters=zeros, days=7).asks() == []


def test_a_counter_that_stands_while_its_machine_runs_is_a_zero_run() -> None:
    def made(day: int, hour: int) -> float:
        return 100.0 + hour if in_shift(day, hour) and day != 7 else 0.0

    assert plant(made={("f", "m"): made}).asks() == [("m", "counts", "zero_run")]


@pytest.mark.parametrize("day", [7, 8, 9])
def test_values_that_follow_no_shift_are_asked_on_the_third_working_day(day: int) -> None:
    # Even from Monday 10 November on (day 7), within 10 % but never twice the same.
    def even(d: int, h: int) -> float | None:
        return 40 + 2 * noise("even", d, h) if d >= 7 else busy("m")(d, h)

    scene = with_meter(hours=even, days=day + 1)
    assert scene.asks() == ([("m", "energy", "no_shift_pattern")] if day == 9 else [])


def test_a_tenth_less_at_night_is_still_no_pattern_and_more_is_one() -> None:
    def night(share: float) -> Scene:
        return with_meter(
            hours=lambda d, h: (40.0 if in_shift(d, h) else 40 * share) + noise(d, h) / 1e3, days=5
        )

    assert night(0.91).asks() == [("m", "energy", "no_shift_pattern")]
    assert night(0.88).asks() == []


def test_no_shift_can_be_missed_where_there_is_none() -> None:
    def even(d: int, h: int) -> float:
        return 40 + noise("even", d, h)

    assert with_meter(hours=even, calendar=False).asks() == []
    stands = {("f", "m"): always(0.0)}
    assert with_meter(hours=even, running=stands, made={}).asks() == []


def test_a_source_that_no_profile_names_is_a_ghost() -> None:
    scene = plant(
        meters={MAIN: busy("main"), METER: busy("m"), ("f", "old"): busy("old")}, unnamed=frozenset({"old"})
    )
    assert scene.asks() == [("old", "energy", "ghost")]
    assert scene.evidence() == ['{"ghost":{"events":1440,"in_profile":false}}']


@pytest.mark.parametrize(("hours", "asked"), [((9,), []), ((9, 10), [("m", "states", "ghost")])])
def test_a_machine_that_runs_two_hours_while_its_meter_never_showed_anything_is_a_ghost(
    hours: tuple[int, ...], asked: list[tuple[str, str, str]]
) -> None:
    running = {("f", "m"): except_on(always(0.0), 7, always(3600.0), hours)}
    scene = with_meter(hours=always(0.0), running=running, made={})
    assert scene.asks() == asked
    if asked:
        assert scene.evidence() == ['{"ghost":{"hours":2,"meter":"m"}}']


def test_pieces_that_are_counted_without_energy_are_a_ghost_s() -> None:
    made = {("f", "m"): except_on(always(0.0), 7, always(12.0), (9, 10, 11))}
    scene = with_meter(hours=always(0.0), running={("f", "m"): always(0.0)}, made=made)
    assert scene.asks() == [("m", "counts", "ghost")]


def test_a_meter_that_nobody_knows_anything_of_is_no_ghost() -> None:
    assert with_meter(hours=always(None), made={}).asks() == []
