"""Mappings: what is accepted, and the one line that says what is not."""

import pytest

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.mapping import parse_mapping

GOOD = """
time: {columns: [date], format: iso, zone: Asia/Seoul, stamp: end, interval_minutes: 15}
value: {column: kWh, unit: kWh, kind: interval}
meter: {id: main, carrier: electricity}
factory: {geography: KR}
"""


def refusal(text: str) -> str:
    with pytest.raises(OperatorError) as error:
        parse_mapping(text, "m.yaml")
    assert error.value.code == ExitCode.UNUSABLE_INPUT
    assert "\n" not in error.value.english + error.value.korean
    return error.value.english


def test_what_is_not_said_is_a_plain_csv_file_and_a_main_meter() -> None:
    mapping = parse_mapping(GOOD, "m.yaml")
    assert (mapping.file.encoding, mapping.file.delimiter, mapping.file.header_row) == ("utf-8", ",", 1)
    assert mapping.stamp_rule().length_s == 900
    assert mapping.stamp_rule().ends_its_date is False
    assert mapping.number_rule().multiplier == 1.0
    assert mapping.meter.parent is None
    assert mapping.zone == "Asia/Seoul"


@pytest.mark.parametrize("name", ["steel_uci851", "german_plants_15min"])
def test_the_shipped_mappings_are_mappings(name: str) -> None:
    path = packaged_folder("infra") / "mappings" / f"{name}.yaml"
    assert parse_mapping(path.read_text(encoding="utf-8"), path.name).meter.id == "main"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("column: kWh", "colunm: kWh", "value.colunm: Extra inputs are not permitted"),
        ("column: kWh, ", "", "exactly one of column, any_of and position"),
        ("column: kWh", "column: kWh, position: 2", "exactly one of column, any_of and position"),
        ("Asia/Seoul", "Asia/Soul", "time.zone: Value error, 'Asia/Soul' is no IANA time zone"),
        ("format: iso", 'format: "%H:%M"', "name year, month and day"),
        ("format: iso", 'format: "%z %Y-%m-%d %H"', "%z can only be the last part"),
        ("stamp: end, interval_minutes: 15", "stamp: end", "needs interval_minutes"),
        ("stamp: end", "stamp: start, midnight: ends_its_date", "can't be said of the start"),
        ("kind: interval", "kind: register", "read at an instant"),
        ("carrier: electricity", "carrier: electrons", "meter.carrier: Input should be"),
        ("id: main", "id: Main_1", "meter.id: String should match pattern"),
        ("kind: interval", "kind: interval, multiplier: 0", "value.multiplier"),
        ("kind: interval", "kind: interval, multiplier: .nan", "value.multiplier"),
        ("kind: interval", "kind: interval, thousands: '.'", "thousands and decimal must differ"),
        ("factory: {geography: KR}", "", "factory: Field required"),
        ("interval_minutes: 15", "interval_minutes: 0.001", "whole seconds"),
        ("meter: {", "file: {header_row: 3, first_row: 3}\nmeter: {", "first_row must come after header_row"),
        ("meter: {", "meter: [", "is no YAML"),
    ],
)
def test_a_wrong_mapping_is_one_line_that_names_the_key(old: str, new: str, said: str) -> None:
    line = refusal(GOOD.replace(old, new, 1))
    assert line.startswith("mapping m.yaml")
    assert said in line


def test_an_empty_mapping_is_an_error() -> None:
    assert "mapping m.yaml" in refusal("")


def test_comments_and_the_order_of_keys_do_not_change_a_mapping() -> None:
    lines = GOOD.strip().split("\n")
    assert parse_mapping("\n".join([*reversed(lines), "# later"]), "b").canonical() == (
        parse_mapping(GOOD, "a").canonical()
    )
