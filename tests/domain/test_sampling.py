"""A sample is drawn by its seed alone, and an hour's readings are all that it follows from."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.calibration import CALIBRATION, calibration_state, with_calibration
from pipelines.domain.meters import hourly_energy
from pipelines.domain.sampling import readings_of_hours, sampled_hours, with_devices
from pipelines.publish.verification_pack import Pack, pack_files
from tests.domain.test_meters import GAP_S, MULTIPLIERS, clock, meter, meters, reading, readings, windows
from tests.recomputing import recomputed_hours

SEEDS = st.integers(0, 2**31)


def hours_of(rows: pl.DataFrame, **changes: object) -> pl.DataFrame:
    return hourly_energy(
        rows, meters(meter(**changes)), windows(), max_gap_s=GAP_S, unit_multipliers=MULTIPLIERS
    )


def every_quarter(kind: str) -> pl.DataFrame:
    """Return a day of readings each 25 minutes (of power and registers at odd instants)."""
    over_time = {"stamp": "end", "length_s": 1500} if kind in {"interval", "mean_power"} else {}
    steps = [n * 25 / 60 for n in range(59)]
    values = [float(n * n % 17) for n in range(59)]
    if kind == "register":
        values = [(95.0 + 1.5 * n) % 100.0 for n in range(59)]
    return readings(*(reading(at, v, kind, **over_time) for at, v in zip(steps, values, strict=True)))


@pytest.mark.parametrize("kind", ["register", "interval", "mean_power", "power"])
def test_every_sampled_hour_comes_out_of_its_readings_by_hand(kind: str, tmp_path: Path) -> None:
    rows = every_quarter(kind)
    hours = sampled_hours(hours_of(rows, register_digits=2), seed=1, per_meter=30)
    assert hours.height >= 23
    check(tmp_path, hours, rows, meters(meter(register_digits=2)))


def check(folder: Path, hours: pl.DataFrame, rows: pl.DataFrame, masters: pl.DataFrame) -> None:
    """Hold hours against what their readings give by hand, from files."""
    found = readings_of_hours(with_devices(rows, masters), hours).with_columns(multiplier=pl.lit(1.0))
    tables = {"sample_hours": hours, "sample_readings": found, "meters": masters}
    names = ("statement_id", "version", "provisional", "seed", "sample_per_meter")
    pack = Pack(tables, {**dict.fromkeys(names, 0), "max_gap_s": GAP_S}, "{}", clock(0))
    for name, content in pack_files(pack).items():
        (folder / name).write_bytes(content)
    again = recomputed_hours(folder)
    assert len(again) == hours.height
    assert [amount for _, amount in again] == pytest.approx(hours["quantity"].to_list())


def test_an_exchanged_meter_comes_out_by_its_opening_and_closing_values(tmp_path: Path) -> None:
    swap = clock(0.5)
    masters = meters(meter(valid_to=swap, closing_value=12.0), meter(valid_from=swap, opening_value=5.0))
    rows = readings(reading(0, 10.0), reading(1, 8.0), reading(2, 9.0))
    hours = sampled_hours(
        hourly_energy(rows, masters, windows(), max_gap_s=GAP_S, unit_multipliers=MULTIPLIERS), 0, 9
    )
    # 10 -> 12 of the first, 5 -> 8 and 8 -> 9 of the second device.
    assert hours["quantity"].to_list() == [5.0, 1.0]
    check(tmp_path, hours, rows, masters)


def test_a_gap_that_is_too_long_to_spread_gives_nothing_to_the_hours_at_its_ends(tmp_path: Path) -> None:
    rows = readings(reading(0, 10.0), reading(0.5, 11.0), reading(4.5, 20.0), reading(5, 22.0))
    hours = sampled_hours(hours_of(rows), seed=0, per_meter=9)
    assert hours["quantity"].to_list() == [1.0, 2.0]
    check(tmp_path, hours, rows, meters(meter()))


def test_a_register_that_wraps_within_an_hour_gives_what_flowed() -> None:
    # 98 -> 04 of a register of two digits is 6 kWh over two hours: 3 kWh in each.
    rows = readings(reading(0, 98.0), reading(2, 4.0))
    hours = sampled_hours(hours_of(rows, register_digits=2), seed=0, per_meter=9)
    assert hours["quantity"].to_list() == [3.0, 3.0]
    assert readings_of_hours(rows, hours)["value"].to_list() == [98.0, 4.0] * 2


def test_what_lies_beyond_the_neighbours_of_an_hour_is_not_in_its_sample() -> None:
    rows = readings(*(reading(n / 2, float(n)) for n in range(20)))
    hours = hours_of(rows).filter(pl.col("start") == clock(4))
    assert readings_of_hours(rows, hours)["at"].to_list() == [clock(4), clock(4.5), clock(5)]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, per_meter=st.integers(1, 30))
def test_each_meter_gives_its_share_whatever_the_order_of_rows(seed: int, per_meter: int) -> None:
    two = pl.concat(
        [hours_of(every_quarter("register")).with_columns(meter=pl.lit(name)) for name in ("m1", "m2")]
    )
    drawn = sampled_hours(two, seed, per_meter)
    known = two.filter(pl.col("quantity").is_not_null(), allocation="hour")
    counts = Counter(known["meter"])
    assert Counter(drawn["meter"]) == {name: min(per_meter, n) for name, n in counts.items()}
    assert drawn.equals(sampled_hours(two.sample(fraction=1.0, shuffle=True, seed=1), seed, per_meter))


@pytest.mark.parametrize(
    ("calibrated_on", "due", "state"),
    [
        (None, None, "not told"),
        (None, "2025-01-01", "not told"),
        ("2023-11-01", None, "due date not told"),
        ("2023-11-01", "2025-11-10", "valid"),
        ("2023-11-01", "2025-11-09", "overdue"),
    ],
)
def test_a_calibration_holds_on_its_last_day(calibrated_on: str | None, due: str | None, state: str) -> None:
    assert calibration_state(calibrated_on, due, clock(0).date().replace(day=10)) == state


def test_a_calibration_that_a_later_profile_tells_counts_where_the_meters_own_is_silent() -> None:
    silent: dict[str, str | None] = dict.fromkeys(CALIBRATION)
    told = {"calibrated_on": "2024-05-02", "calibration_due": "2025-05-01", "calibration_certificate": "c-1"}
    newer = {**told, "calibration_due": "2026-05-01"}
    schema = {"factory": pl.String, "meter": pl.String, **dict.fromkeys(CALIBRATION, pl.String)}
    a, b, c = ({"factory": "a1", "meter": name} for name in ("own", "later", "never"))
    used = pl.DataFrame([a | told, b | silent, c | silent], schema=schema)
    profiles = pl.DataFrame([a | told, b | silent, c | silent, a | newer, b | newer], schema=schema)
    day = clock(0).date()
    found = with_calibration(used.with_columns(last_day=pl.lit(day)), profiles)
    assert found.select("meter", "calibration_due", "calibration").rows() == [
        ("own", "2025-05-01", "overdue"),
        ("later", "2026-05-01", "valid"),
        ("never", "not told", "not told"),
    ]
