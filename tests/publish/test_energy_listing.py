"""The rows of the `energy` command: full precision for machines, a dash for what is not known."""

import json
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

import polars as pl
from rich.console import Console

from pipelines.publish.energy_listing import energy_csv, energy_json, energy_table

BERLIN = ZoneInfo("Europe/Berlin")
ROWS = pl.DataFrame(
    {
        "start": [datetime(2018, 3, 25, tzinfo=BERLIN), datetime(2018, 3, 26, tzinfo=BERLIN)],
        "energy_kwh": [1234.5678901234567, None],
        "coverage": [0.5, 0.0],
        "quality": ["interpolated", None],
    },
    schema_overrides={"start": pl.Datetime("us", "Europe/Berlin")},
)


def test_csv_has_offsets_all_digits_and_empty_cells() -> None:
    assert energy_csv(ROWS) == (
        "start,energy_kwh,coverage,quality\n"
        "2018-03-25T00:00:00+01:00,1234.5678901234567,0.5,interpolated\n"
        "2018-03-26T00:00:00+02:00,,0.0,\n"
    )


def test_json_has_nulls() -> None:
    assert json.loads(energy_json(ROWS))[1] == {
        "start": "2018-03-26T00:00:00+02:00",
        "energy_kwh": None,
        "coverage": 0.0,
        "quality": None,
    }


def test_a_table_rounds_for_reading_and_shows_a_dash_for_what_is_not_known() -> None:
    out = StringIO()
    Console(file=out, width=120).print(energy_table(ROWS))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines[1:] == [
        ["2018-03-25T00:00:00+01:00", "1,234.568", "0.5000", "interpolated"],
        ["2018-03-26T00:00:00+02:00", "-", "0.0000", "-"],
    ]
