from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.domain.calendar import INSTANT, day_window, day_windows
from pipelines.domain.meters import (
    ENERGY_KEY,
    HOURLY_SCHEMA,
    hourly_energy,
    misfit_meters,
)
from pipelines.domain.units import MULTIPLIER_SCHEMA

DAY = date(2025, 11, 10)
SEOUL = "Asia/Seoul"
MIDNIGHT = day_window(DAY, SEOUL)[0]
GAP_S = 7200
MULTIPLIERS = pl.DataFrame(
    [
        ("electricity", kind, unit, factor)
        for kind, units in (
            ("register", {"kWh": 1.0, "MWh": 1000.0}),
            ("interval", {"kWh": 1.0, "MWh": 1000.0}),
            ("power", {"kW": 1.0, "W": 0.001}),
            ("mean_power", {"kW": 1.0, "W": 0.001}),
        )
        for unit, factor in units.items()
    ],
    schema=MULTIPLIER_SCHEMA,
    orient="row",
)
READING_SCHEMA = pl.Schema({
    "factory": pl.String(), "meter": pl.String(), "carrier": pl.String(), "kind": pl.String(),
    "unit": pl.String(), "stamp": pl.String(), "length_s": pl.Int32(), "sequence": pl.Int64(), "at": INSTANT,
    "value": pl.Float64(), "record_timestamp": INSTANT,
})  # fmt: skip
METER_SCHEMA = pl.Schema({
    "factory": pl.String(), "meter": pl.String(), "carrier": pl.String(), "unit": pl.String(),
    "parent": pl.String(), "register_digits": pl.Int32(), "maximum_per_h": pl.Float64(),
    "bidirectional": pl.Boolean(), "valid_from": INSTANT, "valid_to": INSTANT, "opening_value": pl.Float64(),
    "closing_value": pl.Float64(),
})  # fmt: skip
UNITS = {"register": "kWh", "interval": "kWh", "power": "kW", "mean_power": "kW"}


def clock(hours: float, day: date = DAY) -> datetime:
    return day_window(day, SEOUL)[0] + timedelta(hours=hours)


def reading(hours: float, value: float, kind: str = "register", **changes: object) -> dict[str, Any]:
    at = clock(hours)
    row = {
        "factory": "a1", "meter": "m1", "carrier": "electricity", "kind": kind, "unit": UNITS[kind],
        "stamp": "instant", "length_s": None, "sequence": 1, "at": at, "value": value, "record_timestamp": at,
    }  # fmt: skip
    return row | changes


def readings(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=READING_SCHEMA, orient="row")


def registers(*points: tuple[float, float], **changes: object) -> pl.DataFrame:
    return readings(*(reading(hours, value, **changes) for hours, value in points))


def meter(**changes: object) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(METER_SCHEMA.names())
    return (
        row
        | {"factory": "a1", "meter": "m1", "carrier": "electricity", "unit": "kWh", "bidirectional": False}
        | changes
    )


def meters(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows or (meter(),)), schema=METER_SCHEMA, orient="row")


def windows(*days: date, factory: str = "a1", zone: str = SEOUL) -> pl.DataFrame:
    factories = pl.DataFrame({"factory": [factory], "zone": [zone]})
    return pl.concat([day_windows(factories, day) for day in days or (DAY,)])


def hourly(
    rows: pl.DataFrame,
    *,
    of: pl.DataFrame | None = None,
    on: pl.DataFrame | None = None,
    running: pl.DataFrame | None = None,
) -> pl.DataFrame:
    return hourly_energy(
        rows,
        meters() if of is None else of,
        windows() if on is None else on,
        max_gap_s=GAP_S,
        unit_multipliers=MULTIPLIERS,
        running=running,
    )


def hour(facts: pl.DataFrame, hours: float) -> tuple[float | None, float, str | None]:
    row = facts.filter(pl.col("start") == clock(hours), pl.col("allocation") == "hour").row(0, named=True)
    return row["quantity"], row["coverage"], row["quality"]


def unallocated(facts: pl.DataFrame) -> list[tuple[datetime, datetime, float, str]]:
    rows = facts.filter(pl.col("allocation") == "unallocated")
    assert rows["coverage"].to_list() == [0.0] * rows.height
    return rows.select("start", "end", "quantity", "quality").rows()


def test_every_hour_of_the_day_has_a_row_and_what_is_missing_is_null() -> None:
    facts = hourly(readings())
    assert facts.height == 24
    assert facts["quantity"].to_list() == [None] * 24
    assert facts["coverage"].to_list() == [0.0] * 24
    assert facts["quality"].to_list() == [None] * 24
    assert facts["unit"].unique().to_list() == ["kWh"]
    assert facts["start"].to_list() == [clock(h) for h in range(24)]
    assert facts["end"].to_list() == [clock(h + 1) for h in range(24)]


def test_register_differences_within_an_hour_are_measured() -> None:
    facts = hourly(registers((10, 100), (10.25, 102), (10.5, 103), (11, 106)))
    assert hour(facts, 10) == (6.0, 1.0, "measured")
    assert hour(facts, 9) == (None, 0.0, None)
    assert hour(facts, 11) == (None, 0.0, None)


def test_a_register_that_does_not_move_measures_zero() -> None:
    assert hour(hourly(registers((10, 100), (11, 100))), 10) == (0.0, 1.0, "measured")


def test_a_difference_across_an_hour_is_spread_in_proportion_and_not_covered() -> None:
    facts = hourly(registers((10, 100), (10.5, 103), (11.25, 109)))
    assert hour(facts, 10) == (3.0 + 4.0, 0.5, "interpolated")
    assert hour(facts, 11) == (2.0, 0.0, "interpolated")


def test_a_difference_as_long_as_the_maximum_gap_is_spread() -> None:
    facts = hourly(registers((10.5, 100), (12.5, 120)))
    assert [hour(facts, h)[0] for h in (10, 11, 12)] == [5.0, 10.0, 5.0]
    assert unallocated(facts) == []


def test_a_longer_difference_leaves_the_hours_missing_and_is_unallocated() -> None:
    facts = hourly(registers((9, 90), (10.5, 100), (14.25, 130), (15, 133)))
    assert [hour(facts, h) for h in (11, 12, 13)] == [(None, 0.0, None)] * 3
    assert hour(facts, 14) == (3.0, 0.75, "measured")
    assert unallocated(facts) == [(clock(10.5), clock(14.25), 30.0, "measured")]


def test_an_unallocated_amount_belongs_to_the_day_of_the_closing_reading() -> None:
    rows = registers((20, 100), (27, 121), (28, 124))
    assert unallocated(hourly(rows)) == []
    tomorrow = hourly(rows, on=windows(date(2025, 11, 11)))
    assert unallocated(tomorrow) == [(clock(20), clock(27), 21.0, "measured")]


def test_a_closing_reading_at_midnight_belongs_to_the_day_that_begins() -> None:
    rows = registers((20, 100), (24, 121))
    assert unallocated(hourly(rows)) == []
    assert len(unallocated(hourly(rows, on=windows(date(2025, 11, 11))))) == 1


def test_a_difference_across_midnight_gives_each_day_its_part() -> None:
    rows = registers((23.5, 100), (24.5, 110))
    assert hour(hourly(rows), 23) == (5.0, 0.0, "interpolated")
    assert hour(hourly(rows, on=windows(date(2025, 11, 11))), 24) == (5.0, 0.0, "interpolated")


@pytest.mark.parametrize(("maximum_per_h", "expected"), [(None, 12.0), (20.0, 12.0)])
def test_a_register_that_rolls_over_still_adds_up(maximum_per_h: float | None, expected: float) -> None:
    of = meters(meter(register_digits=4, maximum_per_h=maximum_per_h))
    facts = hourly(registers((10, 9990), (10.5, 9996), (11, 2)), of=of)
    assert hour(facts, 10) == (expected, 1.0, "measured")


def test_a_drop_whose_roll_over_is_implausible_is_a_reset() -> None:
    of = meters(meter(register_digits=4, maximum_per_h=20.0))
    facts = hourly(registers((10, 5000), (10.5, 5004), (11, 3)), of=of)
    assert hour(facts, 10) == (4.0 + 3.0, 0.5, "estimated")


def test_without_a_maximum_a_roll_over_uses_less_than_half_of_the_range() -> None:
    of = meters(meter(register_digits=4))
    assert hour(hourly(registers((10, 9000), (11, 3999)), of=of), 10) == (4999.0, 1.0, "measured")
    assert hour(hourly(registers((10, 9000), (11, 4000)), of=of), 10) == (4000.0, 0.0, "estimated")


def test_a_register_may_roll_over_again_and_again() -> None:
    # Two digits: 90 -> 10 (20), 10 -> 55 (45), 55 -> 95 (40), 95 -> 5 (10).
    of = meters(meter(register_digits=2))
    facts = hourly(registers((10, 90), (10.25, 10), (10.5, 55), (10.75, 95), (11, 5)), of=of)
    assert hour(facts, 10) == (20.0 + 45.0 + 40.0 + 10.0, 1.0, "measured")


def test_a_drop_that_is_neither_a_plausible_roll_over_nor_a_plausible_start_is_suspect() -> None:
    # 5000 -> 300 in an hour: 5300 across the wrap, 300 since zero, and at most 20 can flow.
    of = meters(meter(register_digits=4, maximum_per_h=20.0))
    assert hour(hourly(registers((10, 5000), (11, 300)), of=of), 10) == (300.0, 0.0, "suspect")


def test_a_drop_of_a_register_whose_digits_nobody_told_is_a_reset_never_a_roll_over() -> None:
    assert hour(hourly(registers((10, 9990), (11, 5))), 10) == (5.0, 0.0, "estimated")


def test_a_roll_over_is_as_plausible_as_its_time_is_long() -> None:
    # 9990 -> 30 are 40 kWh: too much for an hour at 20 kW (as are 30 since zero), but not for two hours.
    of = meters(meter(register_digits=4, maximum_per_h=20.0))
    assert hour(hourly(registers((10, 9990), (11, 30)), of=of), 10) == (30.0, 0.0, "suspect")
    two_hours = hourly(registers((10, 9990), (12, 30)), of=of)
    assert [hour(two_hours, h)[0] for h in (10, 11)] == [20.0, 20.0]


def test_after_a_reset_only_the_usage_since_zero_counts() -> None:
    facts = hourly(registers((10, 500), (10.5, 505), (10.75, 2), (11, 4)))
    assert hour(facts, 10) == (5.0 + 2.0 + 2.0, 0.75, "estimated")


def test_a_reset_during_a_long_gap_is_estimated() -> None:
    assert unallocated(hourly(registers((10, 500), (14, 30)))) == [(clock(10), clock(14), 30.0, "estimated")]


def test_a_small_drop_is_suspect_rather_than_a_new_start() -> None:
    assert hour(hourly(registers((10, 500.0), (11, 499.5))), 10)[2] == "suspect"


def test_a_faulty_spike_is_kept_and_suspect() -> None:
    of = meters(meter(maximum_per_h=50.0))
    facts = hourly(registers((10, 100), (10.25, 9000), (10.5, 101), (11, 105), (12, 110)), of=of)
    quantity, _, quality = hour(facts, 10)
    assert quality == "suspect"
    assert quantity is not None
    assert quantity >= 0
    assert hour(facts, 11) == (5.0, 1.0, "measured")


def test_steps_of_a_coarse_register_are_no_jumps() -> None:
    of = meters(meter(maximum_per_h=20.0))
    rows = registers(*((10 + s / 3600, 100 + s // 200) for s in range(3601)))
    assert hour(hourly(rows, of=of), 10) == (18.0, 1.0, "measured")


def test_an_hour_beyond_the_maximum_is_suspect_though_no_step_was() -> None:
    of = meters(meter(maximum_per_h=20.0))
    rows = registers(*((10 + s / 3600, 100 + s // 100) for s in range(0, 3601, 10)))
    assert hour(hourly(rows, of=of), 10) == (36.0, 1.0, "suspect")


def test_a_bidirectional_register_may_count_down() -> None:
    facts = hourly(registers((10, 100), (11, 97)), of=meters(meter(bidirectional=True, register_digits=4)))
    assert hour(facts, 10) == (-3.0, 1.0, "measured")


def test_a_bidirectional_register_wraps_both_ways() -> None:
    of = meters(meter(bidirectional=True, register_digits=4, maximum_per_h=20.0))
    facts = hourly(registers((10, 9998), (11, 3), (12, 9995)), of=of)
    assert hour(facts, 10) == (5.0, 1.0, "measured")
    assert hour(facts, 11) == (-8.0, 1.0, "measured")


def test_registers_of_mixed_units_are_compared_in_the_canonical_unit() -> None:
    rows = readings(reading(10, 100.0), reading(11, 0.104, unit="MWh"))
    quantity, coverage, _ = hour(hourly(rows), 10)
    assert quantity == pytest.approx(4.0)
    assert coverage == 1.0


def test_a_meter_change_uses_closing_and_opening_values() -> None:
    of = meters(
        meter(valid_to=clock(10.5), closing_value=505.0),
        meter(valid_from=clock(10.5), opening_value=10.0),
    )
    facts = hourly(registers((10, 500), (11, 13)), of=of)
    assert hour(facts, 10) == (5.0 + 3.0, 1.0, "measured")


def test_a_meter_change_without_its_closing_value_does_not_know_what_was_before_it() -> None:
    # 500 -> 502 until 10:15; then nothing until the new meter's 10 at 10:30, and 13 at 11:00.
    of = meters(meter(valid_to=clock(10.5)), meter(valid_from=clock(10.5), opening_value=10.0))
    facts = hourly(registers((10, 500), (10.25, 502), (11, 13)), of=of)
    assert hour(facts, 10) == (2.0 + 3.0, 0.75, "measured")


def test_a_meter_change_without_its_opening_value_does_not_know_what_came_after_it() -> None:
    # 500 -> 505 until 10:30; the new meter is first read at 10:45 (13) and then at 11:00 (14).
    of = meters(meter(valid_to=clock(10.5), closing_value=505.0), meter(valid_from=clock(10.5)))
    facts = hourly(registers((10, 500), (10.75, 13), (11, 14)), of=of)
    assert hour(facts, 10) == (5.0 + 1.0, 0.75, "measured")


def test_a_new_meter_that_shows_less_is_neither_a_reset_nor_a_roll_over() -> None:
    """9990 -> 9995 until the swap, then 0 -> 4: a roll-over would be 9990 -> 4 = 14, a reset 4."""
    of = meters(
        meter(register_digits=4, valid_to=clock(10.5), closing_value=9995.0),
        meter(register_digits=4, valid_from=clock(10.5), opening_value=0.0),
    )
    assert hour(hourly(registers((10, 9990), (11, 4)), of=of), 10) == (5.0 + 4.0, 1.0, "measured")


def test_a_swap_across_carriers_keeps_each_amount_in_its_own() -> None:
    gas = pl.DataFrame([("natural_gas", "register", "Nm3", 1.0)], schema=MULTIPLIER_SCHEMA, orient="row")
    of = meters(
        meter(valid_to=clock(10.5), closing_value=505.0),
        meter(carrier="natural_gas", unit="Nm3", valid_from=clock(10.5), opening_value=10.0),
    )
    rows = pl.concat([registers((10, 500)), registers((11, 13), carrier="natural_gas", unit="Nm3")])
    facts = hourly_energy(
        rows, of, windows(), max_gap_s=GAP_S, unit_multipliers=pl.concat([MULTIPLIERS, gas])
    )
    known = facts.drop_nulls("quantity").select("carrier", "quantity", "unit", "coverage")
    assert known.rows() == [("electricity", 5.0, "kWh", 0.5), ("natural_gas", 3.0, "Nm3", 0.5)]


@pytest.mark.parametrize(("gap_s", "bridged"), [(7199, True), (7200, True), (7201, False)])
def test_the_longest_gap_is_bridged_and_a_second_more_is_not(gap_s: int, *, bridged: bool) -> None:
    gap = gap_s / 3600
    register = hourly(registers((9, 100), (9 + gap, 124)))
    interval = hourly(readings(reading(9, 24, "interval", stamp="start", length_s=gap_s)))
    power = hourly(readings(reading(9, 12, "power"), reading(9 + gap, 12, "power")))
    for facts in (register, interval):
        assert (facts.filter(allocation="hour")["quantity"].sum() == pytest.approx(24.0)) == bridged
        assert [row[2] for row in unallocated(facts)] == ([] if bridged else [24.0])
    # Two samples that far apart say nothing at all; else 12 kW for so long.
    assert power["quantity"].sum() == pytest.approx(12 * gap if bridged else 0.0)
    assert unallocated(power) == []


def test_a_meter_change_without_values_leaves_the_time_between_unknown() -> None:
    of = meters(meter(valid_to=clock(10.5)), meter(valid_from=clock(10.5)))
    facts = hourly(registers((10, 500), (10.25, 502), (10.75, 13), (11, 14)), of=of)
    assert hour(facts, 10) == (2.0 + 1.0, 0.5, "measured")


def test_a_closing_value_far_from_the_last_reading_belongs_to_the_last_day() -> None:
    of = meters(meter(valid_to=clock(24), closing_value=530.0))
    assert unallocated(hourly(registers((19, 500)), of=of)) == [(clock(19), clock(24), 30.0, "measured")]


def test_hours_before_and_after_a_meter_have_no_row() -> None:
    facts = hourly(readings(), of=meters(meter(valid_from=clock(5.5), valid_to=clock(8))))
    assert facts["start"].to_list() == [clock(5), clock(6), clock(7)]


def test_power_samples_make_trapezoids() -> None:
    rows = readings(reading(10, 4, "power"), reading(10.5, 8, "power"), reading(11, 0, "power"))
    assert hour(hourly(rows), 10) == (3.0 + 2.0, 1.0, "measured")


def test_a_trapezoid_across_an_hour_is_cut_with_the_interpolated_value() -> None:
    # 0 kW at 10:30 to 6 kW at 12:00: 2 kW at 11:00, so 0.5 kWh before and 4 kWh after.
    facts = hourly(readings(reading(10.5, 0, "power"), reading(12, 6, "power")))
    assert hour(facts, 10) == (pytest.approx(0.5), 0.0, "interpolated")
    assert hour(facts, 11) == (pytest.approx(4.0), 0.0, "interpolated")


def test_power_samples_too_far_apart_say_nothing() -> None:
    facts = hourly(readings(reading(10, 5, "power"), reading(12.5, 5, "power")))
    assert facts["quantity"].null_count() == 24
    assert unallocated(facts) == []


@pytest.mark.parametrize(("stamp", "at"), [("start", 10.25), ("end", 10.5)])
def test_an_interval_lies_where_its_stamp_says(stamp: str, at: float) -> None:
    facts = hourly(readings(reading(at, 3, "interval", stamp=stamp, length_s=900)))
    assert hour(facts, 10) == (3.0, 0.25, "measured")


def test_an_interval_that_ends_at_midnight_belongs_to_the_day_that_it_ends() -> None:
    rows = readings(reading(24, 3, "interval", stamp="end", length_s=900))
    assert hour(hourly(rows), 23) == (3.0, 0.25, "measured")
    assert hourly(rows, on=windows(date(2025, 11, 11)))["quantity"].null_count() == 24


def test_an_interval_across_an_hour_is_split_in_proportion() -> None:
    facts = hourly(readings(reading(10.75, 4, "interval", stamp="start", length_s=3600)))
    assert hour(facts, 10) == (1.0, 0.0, "interpolated")
    assert hour(facts, 11) == (3.0, 0.0, "interpolated")


def test_mean_power_is_value_times_length() -> None:
    rows = readings(reading(10, 8000, "mean_power", stamp="start", length_s=900, unit="W"))
    assert hour(hourly(rows), 10) == (2.0, 0.25, "measured")


def test_an_interval_longer_than_the_maximum_gap_is_unallocated() -> None:
    daily = readings(reading(24, 240, "interval", stamp="end", length_s=86400))
    facts = hourly(daily)
    assert facts.filter(allocation="hour")["quantity"].null_count() == 24
    assert unallocated(facts) == [(clock(0), clock(24), 240.0, "measured")]
    assert unallocated(hourly(daily, on=windows(date(2025, 11, 11)))) == []


def test_overlapping_intervals_count_each_instant_once_by_the_higher_sequence() -> None:
    rows = readings(
        reading(10, 4, "interval", stamp="start", length_s=1800, sequence=1),
        reading(10.25, 6, "interval", stamp="start", length_s=1800, sequence=2),
    )
    # The first counts for its uncontested quarter (2), the second as a whole (6), half of it contested.
    assert hour(hourly(rows), 10) == (8.0, 0.0, "estimated")


def test_the_same_interval_stamped_at_its_start_and_its_end_is_one() -> None:
    rows = readings(
        reading(10, 4, "interval", stamp="start", length_s=900, sequence=1),
        reading(10.25, 5, "interval", stamp="end", length_s=900, sequence=2),
    )
    assert hour(hourly(rows), 10) == (5.0, 0.25, "measured")


def test_a_negative_interval_is_kept_and_suspect_unless_the_meter_is_bidirectional() -> None:
    rows = readings(reading(10, -1, "interval", stamp="start", length_s=3600))
    assert hour(hourly(rows), 10) == (-1.0, 1.0, "suspect")
    assert hour(hourly(rows, of=meters(meter(bidirectional=True))), 10) == (-1.0, 1.0, "measured")


def both_ways(rows: pl.DataFrame, hours: float = 10) -> tuple[float | None, float | None]:
    """Return quantity and exported of an hour of a bidirectional meter."""
    facts = hourly(rows, of=meters(meter(bidirectional=True)))
    row = facts.filter(pl.col("start") == clock(hours), pl.col("allocation") == "hour").row(0, named=True)
    return row["quantity"], row["exported"]


def test_import_and_export_of_one_hour_stand_apart() -> None:
    # Quarters of +5, -3, -1, +2: 7 came in and 4 went out, 3 are left.
    quarters = [5.0, -3.0, -1.0, 2.0]
    intervals = readings(
        *(reading(10 + n / 4, kwh, "interval", stamp="start", length_s=900) for n, kwh in enumerate(quarters))
    )
    assert both_ways(intervals) == (3.0, 4.0)
    shown = registers((10, 100), (10.25, 105), (10.5, 102), (10.75, 101), (11, 103))
    assert both_ways(shown) == (3.0, 4.0)


def test_only_a_bidirectional_meter_has_an_export() -> None:
    facts = hourly(registers((10, 100), (11, 104)))
    assert facts["exported"].null_count() == 24
    assert both_ways(registers((10, 100), (11, 104))) == (4.0, 0.0)
    assert both_ways(registers((10, 100), (11, 104)), hours=12) == (None, None)


def test_an_export_across_an_hour_gives_each_hour_its_part() -> None:
    rows = readings(reading(10.75, -4, "interval", stamp="start", length_s=3600))
    assert [both_ways(rows, h) for h in (10, 11)] == [(-1.0, 1.0), (-3.0, 3.0)]


def test_power_that_changes_its_sign_is_cut_where_the_line_crosses_zero() -> None:
    # 4 kW at 10:00 to -4 kW at 11:00: half an hour from 4 to 0 (1 kWh in), another to -4 (1 kWh out).
    assert both_ways(readings(reading(10, 4, "power"), reading(11, -4, "power"))) == (0.0, 1.0)
    # 6 kW at 10:30 to -3 kW at 12:00: 3 kW at 11:00 (2.25 kWh in before), zero at 11:30, so 0.75 in and out.
    slope = readings(reading(10.5, 6, "power"), reading(12, -3, "power"))
    assert both_ways(slope, 10) == (pytest.approx(2.25), 0.0)
    assert both_ways(slope, 11) == (pytest.approx(0.0), pytest.approx(0.75))


def test_an_export_over_a_long_gap_is_unallocated_and_an_export() -> None:
    facts = hourly(registers((10, 100), (14, 80)), of=meters(meter(bidirectional=True)))
    gap = facts.filter(allocation="unallocated")
    assert gap.select("quantity", "exported").rows() == [(-20.0, 20.0)]


def test_a_negative_power_sample_is_suspect() -> None:
    rows = readings(reading(10, -1, "power"), reading(11, 3, "power"))
    assert hour(hourly(rows), 10) == (1.0, 1.0, "suspect")


def test_a_negative_register_never_makes_a_negative_hour() -> None:
    facts = hourly(registers((10, 5), (10.5, -3), (11, 6)))
    assert hour(facts, 10) == (0.0 + 9.0, 0.5, "suspect")


def test_registers_beat_intervals_hour_by_hour() -> None:
    rows = readings(
        reading(10, 100),
        reading(11, 104),
        reading(10, 99, "interval", stamp="start", length_s=3600),
        reading(11, 7, "interval", stamp="start", length_s=3600),
        reading(11, 70, "mean_power", stamp="start", length_s=3600),
    )
    facts = hourly(rows)
    assert hour(facts, 10) == (4.0, 1.0, "measured")
    assert hour(facts, 11) == (7.0, 1.0, "measured")


def test_an_unallocated_amount_that_another_kind_measured_meanwhile_is_suspect() -> None:
    gap = [reading(10, 100), reading(14, 130)]
    samples = [reading(10 + n / 2, 7, "power") for n in range(9)]
    facts = hourly(readings(*gap, *samples))
    assert hour(facts, 12) == (7.0, 1.0, "measured")
    assert unallocated(facts) == [(clock(10), clock(14), 30.0, "suspect")]


def test_of_two_readings_of_an_instant_the_highest_sequence_wins_then_the_later_record_then_the_value() -> (
    None
):
    base = reading(10, 100)
    rivals = [
        reading(11, 104, sequence=2),
        reading(11, 109, sequence=1),
        reading(11, 103, sequence=2, record_timestamp=clock(5)),
        reading(11, 101, sequence=2),
    ]
    assert hour(hourly(readings(base, *rivals)), 10)[0] == 4.0
    assert hour(hourly(readings(*reversed([base, *rivals]))), 10)[0] == 4.0


def test_the_carrier_of_the_profile_wins() -> None:
    facts = hourly(registers((10, 100), (11, 104), carrier="heat"))
    assert facts["carrier"].unique().to_list() == ["electricity"]
    assert hour(facts, 10)[0] == 4.0


def test_readings_that_do_not_fit_the_profiles_carrier_are_left_out_and_reported() -> None:
    gas = pl.DataFrame([("natural_gas", "register", "Nm3", 1.0)], schema=MULTIPLIER_SCHEMA, orient="row")
    table = pl.concat([MULTIPLIERS, gas])
    rows = registers((10, 1), (11, 2), carrier="natural_gas", unit="Nm3")
    facts = hourly_energy(rows, meters(), windows(), max_gap_s=GAP_S, unit_multipliers=table)
    assert facts["quantity"].null_count() == 24
    assert misfit_meters(rows, meters(), table).rows() == [("a1", "m1", 2)]
    assert misfit_meters(registers((10, 1)), meters(), table).is_empty()


def test_every_row_names_the_window_that_owns_it() -> None:
    rows = readings(
        reading(24, 240, "interval", stamp="end", length_s=86400),
        reading(20, 1),
        reading(27, 8),
        reading(28, 9),
    )
    facts = hourly(rows, on=windows(DAY, date(2025, 11, 11)))
    assert facts.schema == HOURLY_SCHEMA
    gaps = facts.filter(allocation="unallocated").select("start", "window_start").rows()
    assert gaps == [(clock(0), clock(0)), (clock(20), clock(24))]
    owners = facts.filter(allocation="hour").group_by("window_start").len().sort("window_start")
    assert owners.rows() == [(clock(0), 24), (clock(24), 24)]


def test_a_unit_without_multiplier_is_named() -> None:
    with pytest.raises(ValueError, match="a1/m1: unit 'Nm3'"):
        hourly(registers((10, 1), unit="Nm3", carrier="natural_gas"))
    with pytest.raises(ValueError, match="a1/m1: unit 'furlong'"):
        hourly(readings(), of=meters(meter(unit="furlong")))


def test_an_interval_without_length_is_named() -> None:
    with pytest.raises(ValueError, match="a1/m1: a reading over an interval has no length_s"):
        hourly(readings(reading(10, 1, "interval", stamp="start")))


def test_a_flat_hour_is_suspect_only_while_the_machine_was_certainly_running() -> None:
    rows = registers((10, 100), (11, 100), (12, 100), (13, 105))
    running = pl.DataFrame(
        {"factory": ["a1"], "meter": ["m1"], "start": [clock(11)], "end": [clock(13)]},
        schema={"factory": pl.String(), "meter": pl.String(), "start": INSTANT, "end": INSTANT},
    )
    facts = hourly(rows, running=running)
    assert [hour(facts, h)[2] for h in (10, 11, 12)] == ["measured", "suspect", "measured"]


def test_a_stuck_power_sensor_of_a_running_machine_is_suspect() -> None:
    rows = readings(*(reading(10 + n / 4, 30, "power") for n in range(5)))
    running = pl.DataFrame(
        {"factory": ["a1"], "meter": ["m1"], "start": [clock(0)], "end": [clock(24)]},
        schema={"factory": pl.String(), "meter": pl.String(), "start": INSTANT, "end": INSTANT},
    )
    assert hour(hourly(rows, running=running), 10) == (30.0, 1.0, "suspect")


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (DAY, 24)])
def test_days_of_summer_time_add_up(day: date, hours: int) -> None:
    start, end = day_window(day, "Europe/Berlin")
    quarters = [start + timedelta(minutes=15 * n) for n in range(hours * 4 + 1)]
    rows = readings(*(reading(0, float(n), at=at) for n, at in enumerate(quarters)))
    facts = hourly(rows, on=windows(day, zone="Europe/Berlin"))
    assert facts.height == hours
    assert facts["quantity"].to_list() == [4.0] * hours
    assert facts["end"][-1] == end


def series(steps: list[tuple[int, float]], first_s: int = -90000) -> pl.DataFrame:
    at_s, value, rows = first_s, 1000.0, [reading(first_s / 3600, 1000.0)]
    for gap_s, amount in steps:
        at_s, value = at_s + gap_s, value + amount
        rows.append(reading(at_s / 3600, value, sequence=len(rows)))
    return readings(*rows)


def covering(rows: pl.DataFrame) -> pl.DataFrame:
    first, last = rows["at"].min(), rows["at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    begin = (first.astimezone(UTC) + timedelta(hours=9)).date()
    return windows(*(begin + timedelta(days=n) for n in range((last - first).days + 3)))


STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 60, 300, 900, 1800, 3600, 5400, 7200, 7201, 10800, 40000, 100000]),
        st.integers(0, 400).map(lambda n: n / 8),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_hours_and_unallocated_amounts_add_up_to_the_register(steps: list[tuple[int, float]]) -> None:
    rows = series(steps)
    facts = hourly(rows, on=covering(rows))
    assert facts["quantity"].sum() == pytest.approx(sum(amount for _, amount in steps), abs=1e-6)
    assert (facts["quantity"].drop_nulls() >= 0).all()
    assert facts["coverage"].is_between(0, 1).all()


@settings(max_examples=40, deadline=None)
@given(STEPS, st.lists(st.booleans(), min_size=40, max_size=40), st.randoms(use_true_random=False))
def test_import_and_export_add_up_apart_in_any_order(
    steps: list[tuple[int, float]], backwards: list[bool], random: Random
) -> None:
    signed = [
        (gap, -amount if back else amount) for (gap, amount), back in zip(steps, backwards, strict=False)
    ]
    rows = series(signed)
    of = meters(meter(bidirectional=True))
    facts = hourly(rows, of=of, on=covering(rows))
    imported = facts["quantity"].sum() + facts["exported"].sum()
    assert imported == pytest.approx(sum(a for _, a in signed if a > 0), abs=1e-6)
    assert facts["exported"].sum() == pytest.approx(-sum(a for _, a in signed if a < 0), abs=1e-6)
    assert (facts["exported"].drop_nulls() >= 0).all()
    mixed = pl.concat([rows, rows]).sample(fraction=1, shuffle=True, seed=random.randint(0, 9))
    assert_frame_equal(hourly(mixed, of=of, on=covering(rows)), facts, check_exact=True)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_neither_order_nor_duplicates_change_a_bit(steps: list[tuple[int, float]], random: Random) -> None:
    rows = series(steps)
    extra = rows.sample(fraction=0.5, seed=random.randint(0, 9))
    stale = extra.with_columns(value=pl.col("value") - 500, sequence=pl.lit(-1, pl.Int64))
    mixed = pl.concat([rows, extra, stale]).sample(fraction=1, shuffle=True, seed=random.randint(0, 9))
    assert_frame_equal(hourly(mixed, on=covering(rows)), hourly(rows, on=covering(rows)), check_exact=True)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["register", "interval", "mean_power", "power"]),
        st.integers(-20, 40).map(lambda n: n * 5400 + n % 7 * 300),
        st.integers(-5, 300).map(lambda n: n / 10),
        st.sampled_from([900, 3600, 7200, 14400]),
        st.sampled_from(["start", "end"]),
        st.integers(0, 3),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_days_computed_alone_from_their_neighbourhood_equal_days_computed_together(events: list[Any]) -> None:
    rows = readings(*(
        reading(s / 3600, value, kind, sequence=sequence)
        | ({"stamp": stamp, "length_s": length} if kind in ("interval", "mean_power") else {})
        for kind, s, value, length, stamp, sequence in events
    ))  # fmt: skip
    of = meters(meter(register_digits=3, maximum_per_h=40.0))
    days = [DAY + timedelta(days=n) for n in range(-2, 4)]
    together = hourly(rows, of=of, on=windows(*days))
    alone = pl.concat([hourly(neighbourhood(rows, day), of=of, on=windows(day)) for day in days])
    assert_frame_equal(alone.sort(ENERGY_KEY), together, check_exact=True)


def test_two_gaps_that_begin_together_are_two_rows_whichever_days_are_computed() -> None:
    rows = readings(
        reading(0, 0.0, "register"),
        reading(87_000 / 3600, 0.0, "register"),
        reading(0, 10.3, "interval") | {"stamp": "start", "length_s": 14_400},
    )
    days = [DAY, DAY + timedelta(days=1)]
    together = hourly(rows, on=windows(*days))
    alone = pl.concat([hourly(neighbourhood(rows, day), on=windows(day)) for day in days])
    gaps = together.filter(allocation="unallocated")
    assert gaps["quantity"].to_list() == [10.3, 0.0]
    assert gaps["quality"].to_list() == ["suspect", "measured"]
    assert_frame_equal(alone.sort(ENERGY_KEY), together, check_exact=True)


def neighbourhood(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    start, end = day_window(day, SEOUL)
    gap = timedelta(seconds=GAP_S)
    near = rows.filter(pl.col("at").is_between(start - gap, end + gap))
    last = rows.filter(pl.col("kind") == "register", pl.col("at") < start - gap)
    return pl.concat([near, last.filter(pl.col("at") == pl.col("at").max())])


def test_the_result_does_not_depend_on_what_else_is_computed() -> None:
    rows = registers(*((n / 60, 100 + n * 0.1) for n in range(1441)))
    others = [rows.with_columns(factory=pl.lit(f"b{n}"), value=pl.col("value") / 7) for n in range(5)]
    of = pl.concat([meters(), *(meters(meter(factory=f"b{n}")) for n in range(5))])
    on = pl.concat([windows(), *(windows(factory=f"b{n}") for n in range(5))])
    together = hourly(pl.concat([*others, rows]), of=of, on=on).filter(factory="a1")
    assert_frame_equal(together, hourly(rows), check_exact=True)
