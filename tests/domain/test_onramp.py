"""Stamps and numbers of measurement files: every case worked by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.onramp import CellNames, NumberRule, Readings, StampRule, parse_readings
from pipelines.domain.outcomes import ExitCode, OperatorError

SEOUL_ENDS = StampRule("%d/%m/%Y %H:%M", "Asia/Seoul", "end", True, "ascending", 900)
BERLIN_STARTS = StampRule("%Y-%m-%d %H:%M", "Europe/Berlin", "start", False, "ascending", 1800)
ISO_STARTS = StampRule("iso", "Asia/Seoul", "start", False, "ascending", 900)
PLAIN = NumberRule(1.0, ".", None, frozenset())
NAMES = CellNames("meter.csv", "date", "kWh")


def readings(
    cells: list[tuple[str | None, str | None]], stamps: StampRule, numbers: NumberRule = PLAIN
) -> Readings:
    frame = pl.DataFrame(
        [(row, *cell) for row, cell in enumerate(cells, start=2)],
        schema={"row": pl.Int64, "stamp": pl.String, "value": pl.String},
        orient="row",
    )
    return parse_readings(frame, stamps, numbers, NAMES)


def utc(found: Readings) -> list[str]:
    return found.frame["at"].dt.strftime("%m-%d %H:%M").to_list()


def refusal(
    cells: list[tuple[str | None, str | None]], stamps: StampRule, numbers: NumberRule = PLAIN
) -> str:
    with pytest.raises(OperatorError) as error:
        readings(cells, stamps, numbers)
    assert error.value.code == ExitCode.UNUSABLE_INPUT
    assert "\n" not in error.value.english + error.value.korean
    assert error.value.english != error.value.korean
    return error.value.english


def test_a_midnight_that_ends_its_date_is_the_end_of_the_last_quarter_hour() -> None:
    found = readings([("1/1/2018 23:45", "1"), ("1/1/2018 0:00", "2"), ("2/1/2018 0:15", "3")], SEOUL_ENDS)
    assert utc(found) == ["01-01 14:45", "01-01 15:00", "01-01 15:15"]
    assert found.missing_intervals == 0
    assert found.first_start == datetime(2018, 1, 1, 14, 30, tzinfo=UTC)
    assert found.last_end == datetime(2018, 1, 1, 15, 15, tzinfo=UTC)
    assert found.first_day("Asia/Seoul") == date(2018, 1, 1)


def test_the_last_midnight_of_a_year_belongs_to_the_old_year() -> None:
    found = readings([("31/12/2018 23:45", "1"), ("31/12/2018 00:00", "2")], SEOUL_ENDS)
    assert found.last_end == datetime(2018, 12, 31, 15, 0, tzinfo=UTC)


def test_a_midnight_that_starts_its_date_stays_where_it_is() -> None:
    rule = replace(SEOUL_ENDS, ends_its_date=False)
    assert utc(readings([("1/1/2018 23:45", "1"), ("2/1/2018 0:00", "2")], rule)) == [
        "01-01 14:45",
        "01-01 15:00",
    ]


@pytest.mark.parametrize(
    ("time_format", "stamp"),
    [
        ("%d/%m/%Y %H:%M", "31/12/2018 24:00"),
        ("%Y%m%d%H%M", "201812312400"),
        ("%Y-%m-%d %H:%M:%S", "2018-12-31 24:00:00"),
        ("%Y%m%d %H", "20181231 24"),
        ("%Y년 %m월 %d일 %H시", "2018년 12월 31일 24시"),
        ("iso", "2018-12-31T24:00:00"),
    ],
)
@pytest.mark.parametrize("ends_its_date", [False, True])
def test_24_00_is_the_midnight_that_ends_its_date_under_every_convention(
    time_format: str, stamp: str, *, ends_its_date: bool
) -> None:
    rule = replace(SEOUL_ENDS, format=time_format, ends_its_date=ends_its_date)
    assert readings([(stamp, "1")], rule).last_end == datetime(2018, 12, 31, 15, 0, tzinfo=UTC)


def test_24_00_may_carry_an_offset() -> None:
    rule = replace(ISO_STARTS, stamp="end")
    assert readings([("2018-12-31T24:00+09:00", "1")], rule).last_end == datetime(
        2018, 12, 31, 15, tzinfo=UTC
    )


def test_24_30_is_no_time() -> None:
    assert "'31/12/2018 24:30' is no time" in refusal([("31/12/2018 24:30", "1")], SEOUL_ENDS)


def test_an_offset_in_the_stamp_goes_before_the_zone() -> None:
    cells: list[tuple[str | None, str | None]] = [
        ("2018-03-25 01:45:00+01:00", "1"),
        ("2018-03-25T03:00:00+02:00", "2"),
        ("2018-03-25 01:15:00Z", "3"),
        ("2018-03-25 10:30:00.000", "4"),
    ]
    assert utc(readings(cells, ISO_STARTS)) == ["03-25 00:45", "03-25 01:00", "03-25 01:15", "03-25 01:30"]


def test_a_format_with_an_offset_wants_it_in_every_stamp() -> None:
    rule = replace(ISO_STARTS, format="%d.%m.%Y %H:%M %z")
    assert utc(readings([("25.03.2018 01:45 +0100", "1")], rule)) == ["03-25 00:45"]
    assert utc(readings([("25.03.2018 01:45 -03:30", "1")], rule)) == ["03-25 05:15"]
    assert "row 2, column date" in refusal([("25.03.2018 01:45", "1")], rule)


def test_the_hour_that_occurs_twice_is_resolved_by_the_order_of_the_rows() -> None:
    stamps = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    found = readings([(f"2018-10-28 {s}", str(i)) for i, s in enumerate(stamps)], BERLIN_STARTS)
    assert utc(found) == [
        "10-27 23:30",
        *(f"10-28 {h}" for h in ("00:00", "00:30", "01:00", "01:30", "02:00")),
    ]
    assert found.frame["value"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert found.missing_intervals == 0


def test_the_second_pass_is_found_even_if_the_first_was_not_measured() -> None:
    stamps = [("02:00", None), ("02:30", None), ("02:00", "1"), ("02:30", "2")]
    found = readings([(f"2018-10-28 {s}", v) for s, v in stamps], BERLIN_STARTS)
    assert utc(found) == ["10-28 01:00", "10-28 01:30"]
    assert found.empty_cells == 2


def test_rows_from_new_to_old_are_turned_round() -> None:
    stamps = ["03:00", "02:30", "02:00", "02:30", "02:00", "01:30"]
    rule = replace(BERLIN_STARTS, order="descending")
    found = readings([(f"2018-10-28 {s}", str(i)) for i, s in enumerate(stamps)], rule)
    assert found.frame["value"].to_list() == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert utc(found)[1:5] == ["10-28 00:00", "10-28 00:30", "10-28 01:00", "10-28 01:30"]


def test_rows_in_any_order_are_sorted_unless_an_hour_occurs_twice() -> None:
    rule = replace(BERLIN_STARTS, order="any")
    found = readings([("2018-10-28 03:30", "2"), ("2018-10-28 03:00", "1")], rule)
    assert found.frame["value"].to_list() == [1.0, 2.0]
    assert "row 2, column date: '2018-10-28 02:00' occurs twice" in refusal([("2018-10-28 02:00", "1")], rule)


def test_a_value_in_the_hour_that_the_clock_skips_is_an_error_that_names_its_row() -> None:
    cells: list[tuple[str | None, str | None]] = [("2018-03-25 01:30", "1"), ("2018-03-25 02:00", "2")]
    assert "row 3, column date: '2018-03-25 02:00' does not exist" in refusal(cells, BERLIN_STARTS)


def test_an_empty_cell_in_the_hour_that_the_clock_skips_is_nothing() -> None:
    stamps = [("01:30", "1"), ("02:00", None), ("02:30", ""), ("03:00", "2")]
    found = readings([(f"2018-03-25 {s}", v) for s, v in stamps], BERLIN_STARTS)
    assert utc(found) == ["03-25 00:30", "03-25 01:00"]
    assert (found.empty_cells, found.missing_intervals) == (0, 0)


def test_an_empty_cell_is_no_reading_and_a_zero_is_one() -> None:
    stamps = [("00:00", "0"), ("00:15", ""), ("00:30", None), ("00:45", "2"), ("01:30", "3")]
    found = readings([(f"2018-01-01 {s}", v) for s, v in stamps], ISO_STARTS)
    assert found.frame["value"].to_list() == [0.0, 2.0, 3.0]
    assert found.frame["row"].to_list() == [2, 5, 6]
    assert found.empty_cells == 2
    assert found.missing_intervals == 4


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("3.17", PLAIN, 3.17),
        (" -0.5 ", PLAIN, -0.5),
        ("1e3", PLAIN, 1000.0),
        (".5", PLAIN, 0.5),
        ("1,234,567.5", NumberRule(1.0, ".", ",", frozenset()), 1234567.5),
        ("1.234,5", NumberRule(1.0, ",", ".", frozenset()), 1234.5),
        ("0,25", NumberRule(4.0, ",", None, frozenset()), 1.0),
        ("2", NumberRule(2500.0, ".", None, frozenset()), 5000.0),
    ],
)
def test_numbers_are_read_as_the_mapping_says(text: str, rule: NumberRule, value: float) -> None:
    assert readings([("2018-01-01 00:00", text)], ISO_STARTS, rule).frame["value"].to_list() == [value]


@pytest.mark.parametrize(
    "text", ["x", "NaN", "inf", "1,5", "1_000", "0x10", "1e999", "3.1.7", "-", "#DIV/0!"]
)
def test_what_is_no_number_is_an_error_that_names_its_cell(text: str) -> None:
    said = refusal([("2018-01-01 00:00", "1"), ("2018-01-01 00:15", text)], ISO_STARTS)
    assert said.startswith("meter.csv, row 3, column kWh: ")
    assert repr(text) in said


def test_a_wrongly_grouped_number_is_no_number() -> None:
    grouped = NumberRule(1.0, ".", ",", frozenset())
    assert "'1,5' is no number" in refusal([("2018-01-01 00:00", "1,5")], ISO_STARTS, grouped)


def test_a_text_that_the_mapping_names_is_a_missing_value() -> None:
    rule = NumberRule(1.0, ".", None, frozenset({"-", "N/A"}))
    found = readings([("2018-01-01 00:00", "-"), ("2018-01-01 00:15", "2")], ISO_STARTS, rule)
    assert found.frame["value"].to_list() == [2.0]
    assert found.empty_cells == 1


@pytest.mark.parametrize(
    ("second", "wrong"),
    [
        ("2018-01-01 00:00", "is stamped twice, also in row 2"),
        ("2017-12-31 23:45", "is before row 2"),
        ("2018-01-01 00:10", "is 600 s after row 2, less than an interval"),
        ("2018-01-32 00:00", "is no time of the form iso"),
        ("0018-01-01 00:15", "is no time of the form iso"),
        (None, "'' is no time of the form iso"),
    ],
)
def test_a_stamp_that_cannot_follow_is_an_error_that_names_its_row(second: str | None, wrong: str) -> None:
    said = refusal([("2018-01-01 00:00", "1"), (second, "2")], ISO_STARTS)
    assert said.startswith("meter.csv, row 3, column date: ")
    assert wrong in said


def test_a_forgotten_midnight_convention_is_noticed() -> None:
    rule = replace(SEOUL_ENDS, ends_its_date=False)
    said = refusal([("1/1/2018 23:45", "1"), ("1/1/2018 0:00", "2"), ("2/1/2018 0:15", "3")], rule)
    assert "row 3" in said
    assert "time.midnight" in said


def test_a_midnight_convention_that_is_none_is_noticed() -> None:
    said = refusal([("1/1/2018 23:45", "1"), ("2/1/2018 0:00", "2"), ("2/1/2018 0:15", "3")], SEOUL_ENDS)
    assert "row 4" in said


def test_month_and_day_in_the_wrong_order_are_noticed() -> None:
    rule = replace(SEOUL_ENDS, format="%m/%d/%Y %H:%M")
    assert "row 2" in refusal([("13/1/2018 0:15", "1")], rule)


def test_an_offset_and_a_midnight_convention_exclude_each_other() -> None:
    rule = replace(ISO_STARTS, stamp="end", ends_its_date=True)
    assert "midnight: ends_its_date can't apply" in refusal([("2018-01-01 00:00+09:00", "1")], rule)


def test_a_file_without_a_reading_is_an_error() -> None:
    assert "no reading in column kWh" in refusal([("2018-01-01 00:00", "")], ISO_STARTS)
    assert "no reading in column kWh" in refusal([], ISO_STARTS)


def test_registers_are_instants_at_any_distance() -> None:
    rule = replace(ISO_STARTS, stamp="instant", length_s=None)
    found = readings([("2018-01-01 00:00", "10"), ("2018-01-01 00:07", "11")], rule)
    assert found.first_start == datetime(2017, 12, 31, 15, 0, tzinfo=UTC)
    assert found.last_end == datetime(2017, 12, 31, 15, 7, tzinfo=UTC)
    assert found.missing_intervals == 0


@settings(max_examples=25, deadline=None)
@given(
    zone=st.sampled_from(["Asia/Seoul", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    first=st.datetimes(datetime(2015, 1, 1), datetime(2025, 1, 1)),  # noqa: DTZ001 - placed in UTC below
    count=st.integers(1, 400),
)
def test_wall_stamps_in_file_order_give_back_every_instant(zone: str, first: datetime, count: int) -> None:
    start = first.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
    if start.astimezone(ZoneInfo(zone)).fold:
        start -= timedelta(hours=2)  # a file that begins inside the second pass can't be told from the first
    instants = [start + timedelta(minutes=15 * i) for i in range(count)]
    walls = [t.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") for t in instants]
    found = readings([(w, "1") for w in walls], replace(ISO_STARTS, zone=zone))
    assert found.frame["at"].to_list() == instants
