"""The ledger's entries: what makes a new revision, and what breaks the chain."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA, RELEASE_SCHEMA, append_entries, verify_chain
from pipelines.schemas.tables import RELEASES

NIGHT = datetime(2025, 11, 10, 18, tzinfo=UTC)
EMPTY = pl.DataFrame(schema=RELEASE_SCHEMA)


def figures(**values: float | None) -> pl.DataFrame:
    rows = [
        {
            "figure_id": f"demo/cluster/*/day/2025-11-10/{kpi}@1",
            "cluster": "demo",
            "breakdown": "cluster",
            "group": "*",
            "period": "day",
            "period_start": date(2025, 11, 10),
            "period_end": date(2025, 11, 11),
            "kpi": kpi,
            "definition_version": "1",
            "statistic": "total",
            "status": "withheld" if value is None else "published",
            "value": value,
            "unit": "kWh",
            "grid_step": None if value is None else 1.0,
            "contributors": "10+",
            "coverage": 0.98,
            "provisional": True,
        }
        for kpi, value in values.items()
    ]
    return pl.DataFrame(rows, schema=FIGURE_SCHEMA, orient="row")


def after(*nights: pl.DataFrame) -> pl.DataFrame:
    ledger = EMPTY
    for n, night in enumerate(nights):
        ledger = pl.concat([ledger, append_entries(ledger, night, NIGHT + timedelta(days=n))])
    return ledger


def test_the_columns_are_those_of_the_table() -> None:
    assert RELEASES.schema.names == list(RELEASE_SCHEMA)
    as_arrow = pl.DataFrame(schema=RELEASE_SCHEMA).to_arrow().schema
    declared = pl.DataFrame(RELEASES.schema.empty_table()).to_arrow().schema
    assert [field.type for field in as_arrow] == [field.type for field in declared]


def test_the_first_entries_are_numbered_from_one_by_figure() -> None:
    ledger = after(figures(b=2.0, a=1.0))
    assert ledger["sequence"].to_list() == [1, 2]
    assert ledger["kpi"].to_list() == ["a", "b"]
    assert ledger["revision"].to_list() == [1, 1]
    assert ledger["previous_sha256"].to_list() == ["", ledger["sha256"][0]]
    assert verify_chain(ledger) is None


def test_an_unchanged_figure_adds_nothing_and_a_changed_one_a_revision() -> None:
    ledger = after(figures(a=1.0, b=None), figures(a=1.0, b=None), figures(a=1.5, b=None))
    assert ledger.select("sequence", "kpi", "revision", "value").rows() == [
        (1, "a", 1, 1.0),
        (2, "b", 1, None),
        (3, "a", 2, 1.5),
    ]


def test_a_figure_that_returns_to_an_older_value_is_a_new_revision() -> None:
    assert after(figures(a=1.0), figures(a=2.0), figures(a=1.0))["revision"].to_list() == [1, 2, 3]


def test_becoming_final_is_a_change_of_what_is_published() -> None:
    final = figures(a=1.0).with_columns(provisional=pl.lit(value=False))
    assert after(figures(a=1.0), final)["revision"].to_list() == [1, 2]


def test_a_figure_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        append_entries(EMPTY, pl.concat([figures(a=1.0), figures(a=2.0)]), NIGHT)


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        append_entries(EMPTY, figures(a=float("nan")), NIGHT)


def test_the_same_nights_give_the_same_bytes_in_any_order_of_rows() -> None:
    night = figures(a=1.0, b=2.0, c=3.0)
    assert after(night).equals(after(night.reverse()))


def test_a_missing_entry_is_named_by_its_place() -> None:
    ledger = after(figures(a=1.0, b=2.0, c=3.0))
    assert verify_chain(ledger.filter(pl.col("sequence") != 2)) == 2
    assert verify_chain(ledger.filter(pl.col("sequence") != 1)) == 1
    assert verify_chain(EMPTY) is None


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, date):
        return value + timedelta(days=1)
    return "x" if value is None else f"{value}x"


def test_a_ledger_written_before_further_columns_came_keeps_its_hashes() -> None:
    # What the first version hashed, written out by hand.
    first = (
        '{"breakdown":"cluster","cluster":"demo","contributors":"10+","coverage":0.98,"definition_version":"1",'
        '"figure_id":"demo/cluster/*/day/2025-11-10/a@1","grid_step":1.0,"group":"*","known_at":'
        '"2025-11-10T18:00:00.000000+00:00","kpi":"a","period":"day","period_end":"2025-11-11",'
        '"period_start":"2025-11-10","previous_sha256":"","provisional":true,"revision":1,"sequence":1,'
        '"statistic":"total","status":"published","unit":"kWh","value":1.0}'
    )
    assert after(figures(a=1.0))["sha256"].to_list() == [hashlib.sha256(first.encode()).hexdigest()]


def test_a_later_column_is_hashed_as_soon_as_it_says_something() -> None:
    ledger = after(figures(a=1.0))
    for said in ({"interval_low": 0.0}, {"reference_member": "x"}):
        assert verify_chain(ledger.with_columns(**{n: pl.lit(v) for n, v in said.items()})) == 1


FLOATS_OR_NULL = {name for name, kind in FIGURE_SCHEMA.items() if kind == pl.Float64() and name != "coverage"}


@given(st.integers(0, 3), st.sampled_from([n for n in RELEASE_SCHEMA if n not in FLOATS_OR_NULL]))
@settings(max_examples=60, deadline=None)
def test_tampering_with_any_one_field_is_found(place: int, column: str) -> None:
    ledger = after(figures(a=1.0, b=2.0), figures(a=3.0, b=None))
    rows = ledger.to_dicts()
    rows[place][column] = _other(rows[place][column])
    broken = verify_chain(pl.DataFrame(rows, schema=RELEASE_SCHEMA, orient="row"))
    assert broken is not None
    assert broken <= place + 1 + (column == "sequence")


@pytest.mark.parametrize("value", [0.0, None, 1.0000000000000002])
def test_tampering_with_a_value_is_found_to_the_last_bit(value: float | None) -> None:
    rows = after(figures(a=1.0, b=2.0)).to_dicts()
    rows[0]["value"] = value
    assert verify_chain(pl.DataFrame(rows, schema=RELEASE_SCHEMA, orient="row")) == 1
