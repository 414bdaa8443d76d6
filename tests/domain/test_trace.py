import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.trace import figure_name, first_difference, needed_readings, offset_ranges, ranges_text

MIDNIGHT = datetime(2025, 11, 4, tzinfo=UTC)


def test_a_ledger_id_names_cluster_kpi_and_day() -> None:
    name = figure_name("park/cluster/*/day/2025-11-04/co2e_kg@1")
    assert (name.cluster, name.factory, name.kpi, name.day) == ("park", None, "co2e_kg", MIDNIGHT.date())
    assert figure_name("park/process/casting/day/2025-11-04/co2e_kg@1").cluster == "park"


def test_a_factorys_own_figure_is_named_by_factory_day_and_kpi() -> None:
    name = figure_name("a-1/2025-11-04/energy_kwh")
    assert (name.cluster, name.factory, name.kpi, name.day) == (None, "a-1", "energy_kwh", MIDNIGHT.date())


@pytest.mark.parametrize(
    "text",
    [
        "", "a-1", "a-1/2025-13-04/co2e_kg", "a-1/2025-11-04/oee", "park/cluster/*/day/2025-11-04/oee@1",
        "park/cluster/*/day/2025-11-04/co2e_kg@1/trend",
    ],
)  # fmt: skip
def test_what_is_no_traceable_figure_is_refused(text: str) -> None:
    with pytest.raises(OperatorError) as refused:
        figure_name(text)
    assert refused.value.code is ExitCode.UNUSABLE_INPUT


def test_offsets_are_written_as_ranges() -> None:
    assert ranges_text(offset_ranges([5, 0, 1, 2, 7, 7])) == "0-2,5,7"
    assert offset_ranges([0, 3, 10], bridged=2) == [(0, 4), (10, 11)]  # 1 and 2 are bridged, 4 to 9 are not
    assert ranges_text(offset_ranges([])) == ""


@given(st.sets(st.integers(0, 200)))
def test_ranges_hold_their_offsets_and_no_other(offsets: set[int]) -> None:
    assert {o for a, end in offset_ranges(offsets) for o in range(a, end)} == offsets


def readings(*rows: tuple[str, int]) -> pl.DataFrame:
    """Return readings of meter m: kind and minutes after the window's start."""
    return pl.DataFrame(
        {
            "factory": ["a"] * len(rows),
            "meter": ["m"] * len(rows),
            "kind": [kind for kind, _ in rows],
            "at": pl.Series(
                [MIDNIGHT + timedelta(minutes=m) for _, m in rows], dtype=pl.Datetime("us", "UTC")
            ),
            "minute": [m for _, m in rows],
        }
    )


def test_a_day_needs_its_readings_those_within_the_gap_and_the_last_register_before() -> None:
    windows = pl.DataFrame({"factory": ["a"], "start": [MIDNIGHT], "end": [MIDNIGHT + timedelta(days=1)]})
    windows = windows.with_columns(pl.col("start", "end").cast(pl.Datetime("us", "UTC")))
    rows = readings(
        ("register", -500), ("register", -300), ("interval", -200), ("interval", -60), ("interval", 0),
        ("register", 1440), ("interval", 1500), ("interval", 1501),
    )  # fmt: skip
    needed = needed_readings(rows, windows, max_gap_s=3600)
    assert sorted(needed["minute"]) == [-300, -60, 0, 1440, 1500]


def table(*values: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"key": range(len(values)), "value": values}, schema={"key": pl.Int64, "value": pl.Float64}
    )


def test_equal_bits_make_no_difference_nan_and_null_too() -> None:
    rows = table(0.1, None, math.nan)
    assert first_difference("t", rows, rows.reverse(), ["key"], ["value"]) is None


@pytest.mark.parametrize(
    ("stored", "again"),
    [(0.3, 0.1 + 0.2), (0.0, -0.0), (1.0, None), (None, 1.0), (math.nan, None), (math.nan, 1.0)],
)
def test_the_first_difference_is_named_by_key_and_column(stored: float | None, again: float | None) -> None:
    found = first_difference("t", table(1.0, stored, 5.0), table(1.0, again, 6.0), ["key"], ["value"])
    assert found is not None
    assert (found.stage, found.where, found.column) == ("t", {"key": 1}, "value")
    assert repr((found.stored, found.again)) == repr((stored, again))


def test_a_row_that_only_one_side_has_is_a_difference() -> None:
    more = first_difference("t", table(1.0), table(1.0, 2.0), ["key"], ["value"])
    less = first_difference("t", table(1.0, 2.0), table(1.0), ["key"], ["value"])
    assert more is not None
    assert less is not None
    assert (more.column, more.stored, more.again) == (None, None, {"value": 2.0})
    assert (less.column, less.stored, less.again) == (None, {"value": 2.0}, None)
