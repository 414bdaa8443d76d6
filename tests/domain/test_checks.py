from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pipelines.domain.calendar import INSTANT
from pipelines.domain.checks import REASONS, RowRules, reasons
from pipelines.domain.units import MULTIPLIER_SCHEMA

SENT = datetime(2025, 11, 10, 3, tzinfo=UTC)
RULES = RowRules(
    allowed_factories=frozenset({"a1", "a2", "z9", "b1"}),
    other_cluster_factories=frozenset({"b1"}),
    joined={"a1": datetime(2025, 11, 1, tzinfo=UTC), "a2": datetime(2025, 11, 1, tzinfo=UTC)},
    future_tolerance_s=600,
    unit_multipliers=pl.DataFrame(
        [
            ("electricity", "register", "kWh", 1.0),
            ("electricity", "interval", "kWh", 1.0),
            ("electricity", "power", "kW", 1.0),
            ("natural_gas", "register", "Nm3", 1.0),
            ("water", "register", "m3", 1.0),
        ],
        schema=MULTIPLIER_SCHEMA,
        orient="row",
    ),
)
ENERGY_SCHEMA = pl.Schema({
    "factory": pl.String(), "meter": pl.String(), "carrier": pl.String(), "kind": pl.String(),
    "unit": pl.String(), "stamp": pl.String(), "length_s": pl.Int32(), "at": INSTANT, "value": pl.Float64(),
    "record_timestamp": INSTANT,
})  # fmt: skip
GOOD: dict[str, Any] = {
    "factory": "a1", "meter": "m1", "carrier": "electricity", "kind": "register", "unit": "kWh",
    "stamp": "instant", "length_s": None, "at": SENT, "value": 4711.25, "record_timestamp": SENT,
}  # fmt: skip
INTERVAL: dict[str, Any] = {"kind": "interval", "stamp": "end", "length_s": 900}


def verdicts(*changes: dict[str, Any], rules: RowRules = RULES) -> list[str | None]:
    rows = pl.DataFrame([GOOD | change for change in changes], schema=ENERGY_SCHEMA, orient="row")
    found = reasons(rows, rules)
    assert found.columns == ["reason", "detail"]
    assert (found["reason"].is_null() == found["detail"].is_null()).all()
    assert not any("4711" in detail for detail in found["detail"].drop_nulls())
    return found["reason"].to_list()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        (INTERVAL, None),
        ({"factory": "b1"}, "other_cluster"),
        ({"factory": "c1"}, "tenant_mismatch"),
        ({"factory": "z9"}, "unknown_factory"),
        ({"at": SENT + timedelta(seconds=600)}, None),
        ({"at": SENT + timedelta(seconds=600, microseconds=1)}, "event_in_future"),
        ({"at": datetime(2025, 11, 1, tzinfo=UTC)}, None),
        ({"at": datetime(2025, 10, 31, 23, 59, 59, tzinfo=UTC)}, "before_joined"),
        ({"value": float("nan")}, "not_finite"),
        ({"value": float("-inf")}, "not_finite"),
        ({"carrier": "coal"}, "unknown_carrier"),
        ({"kind": "unknown"}, "unknown_kind"),
        ({"unit": "furlong"}, "unknown_unit"),
        ({"unit": "kW"}, "incompatible_unit"),
        ({"carrier": "natural_gas", "unit": "m3"}, "incompatible_unit"),
        (INTERVAL | {"length_s": None}, "interval_without_length"),
        (INTERVAL | {"length_s": 0}, "interval_without_length"),
        (INTERVAL | {"stamp": "instant"}, "interval_without_length"),
        ({"meter": "No Dots."}, "bad_id"),
        ({"meter": "m" * 41}, "bad_id"),
    ],
)
def test_a_row_gets_its_reason(change: dict[str, Any], reason: str | None) -> None:
    assert verdicts(change) == [reason]


def test_neighbours_of_a_bad_row_are_fine_and_stay_in_order() -> None:
    assert verdicts({}, {"unit": "furlong"}, {}, {"factory": "c1"}, {}) == [
        None, "unknown_unit", None, "tenant_mismatch", None,
    ]  # fmt: skip


def test_the_first_reason_in_order_wins() -> None:
    changes = [
        {"factory": "c1"},
        {"at": SENT + timedelta(days=1)},
        {"value": float("nan")},
        {"unit": "furlong"},
        {"meter": "."},
    ]
    merged: dict[str, Any] = {}
    for change in reversed(changes):
        merged = change | merged
        (alone,), (together,) = verdicts(change), verdicts(merged)
        assert together == alone
    found = [verdicts(change)[0] for change in changes]
    assert found == sorted(found, key=lambda reason: REASONS.index(str(reason)))


def test_a_cluster_without_factories_knows_none() -> None:
    assert verdicts({}, rules=replace(RULES, joined={})) == ["unknown_factory"]


def test_no_rows_give_no_verdicts() -> None:
    assert reasons(pl.DataFrame(schema=ENERGY_SCHEMA), RULES).is_empty()


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    rows = pl.DataFrame({
        "factory": ["a1"] * 3, "machine": ["p1"] * 3, "at": [SENT] * 3, "record_timestamp": [SENT] * 3,
        "until": [None, SENT + timedelta(seconds=1), SENT],
    })  # fmt: skip
    assert reasons(rows, RULES)["reason"].to_list() == [None, None, "empty_period"]


METER = {"meter": "m1", "carrier": "electricity", "unit": "kWh", "maximum_per_h": 50.0}
SHIFT = {"weekday": 1, "start_minute": 480, "end_minute": 1020}
PROFILE: dict[str, Any] = {
    "factory": "a1", "valid_from": SENT, "record_timestamp": SENT, "zone": "Asia/Seoul", "meters": [METER],
    "machines": [{"machine": "p1", "name": "프레스 1"}], "shifts": [SHIFT], "holidays": ["2025-10-03"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"zone": None, "meters": [], "shifts": [], "holidays": []}, None),
        ({"zone": "Korea/Changwon"}, "unknown_zone"),
        ({"meters": [METER, METER | {"carrier": "coal"}]}, "unknown_carrier"),
        ({"meters": [METER | {"unit": "furlong"}]}, "unknown_unit"),
        ({"meters": [METER | {"unit": "Nm3"}]}, "incompatible_unit"),
        ({"meters": [METER | {"maximum_per_h": float("inf")}]}, "not_finite"),
        ({"meters": [METER | {"maximum_per_h": None}]}, None),
        ({"meters": [METER | {"meter": "M 1"}]}, "bad_id"),
        ({"meters": [METER | {"calibrated_on": "2024-05-02", "calibration_due": "2026-05-01"}]}, None),
        ({"meters": [METER | {"calibration_due": "May 2026"}]}, "bad_calendar"),
        ({"machines": [{"machine": "p.1", "name": "x"}]}, "bad_id"),
        ({"shifts": [SHIFT | {"weekday": 0}]}, "bad_calendar"),
        ({"shifts": [SHIFT | {"end_minute": 480}]}, "bad_calendar"),
        ({"shifts": [SHIFT | {"end_minute": 1440 + 360}]}, None),
        ({"holidays": ["2025-10-03", "3 October"]}, "bad_calendar"),
    ],
)
def test_a_profile_that_would_break_a_night_is_refused(change: dict[str, Any], reason: str | None) -> None:
    meter = pl.Struct({
        "meter": pl.String(), "carrier": pl.String(), "unit": pl.String(), "maximum_per_h": pl.Float64(),
        "calibrated_on": pl.String(), "calibration_due": pl.String(),
    })  # fmt: skip
    shift = pl.Struct({"weekday": pl.Int32(), "start_minute": pl.Int32(), "end_minute": pl.Int32()})
    schema = pl.Schema({
        "factory": pl.String(), "valid_from": INSTANT, "record_timestamp": INSTANT, "zone": pl.String(),
        "meters": pl.List(meter),
        "machines": pl.List(pl.Struct({"machine": pl.String(), "name": pl.String()})),
        "shifts": pl.List(shift), "holidays": pl.List(pl.String()),
    })  # fmt: skip
    rows = pl.DataFrame([PROFILE, PROFILE | change, PROFILE], schema=schema, orient="row")
    found = reasons(rows, replace(RULES, event_time="valid_from"))
    assert found["reason"].to_list() == [None, reason, None]


ORDER: dict[str, Any] = {
    "factory": "a1", "order": "o1", "step": "shipped", "product": "bolt", "quantity": 1.0, "at": SENT,
    "record_timestamp": SENT,
}  # fmt: skip
SHIPMENT: dict[str, Any] = {
    "factory": "a1", "shipment": "s1", "load_t": 1.0, "capacity_t": 2.0, "distance_km": 3.0, "cost_krw": 4.0,
    "at": SENT, "record_timestamp": SENT,
}  # fmt: skip
HOURS: dict[str, Any] = {
    "factory": "a1", "event": "e1", "kind": "hours", "worked_h": 8.0, "attended_h": 8.0, "headcount": 1,
    "at": SENT, "until": SENT + timedelta(hours=8), "record_timestamp": SENT,
}  # fmt: skip
STOCK: dict[str, Any] = {
    "factory": "a1", "product": "bolt", "quantity": 0.0, "at": SENT, "record_timestamp": SENT,
}  # fmt: skip
COST: dict[str, Any] = {
    "factory": "a1", "event": "e1", "product": "bolt", "cost_krw": 0.0, "at": SENT,
    "until": SENT + timedelta(days=1), "record_timestamp": SENT,
}  # fmt: skip


@pytest.mark.parametrize("good", [ORDER, SHIPMENT, HOURS, STOCK, COST])
def test_an_event_of_operations_may_enter(good: dict[str, Any]) -> None:
    assert reasons(pl.DataFrame([good]), RULES)["reason"].to_list() == [None]


@pytest.mark.parametrize(
    ("good", "field"),
    [
        (ORDER, "quantity"), (STOCK, "quantity"), (COST, "cost_krw"), (HOURS, "worked_h"),
        (HOURS, "attended_h"), (HOURS, "headcount"), (SHIPMENT, "load_t"), (SHIPMENT, "capacity_t"),
        (SHIPMENT, "distance_km"), (SHIPMENT, "cost_krw"),
    ],
)  # fmt: skip
def test_less_than_nothing_and_no_number_may_not(good: dict[str, Any], field: str) -> None:
    rows = pl.DataFrame([good, good | {field: -1}], schema=pl.DataFrame([good]).schema)
    found = reasons(rows, RULES)
    assert found["reason"].to_list() == [None, "negative_amount"]
    assert found["detail"].to_list() == [None, f"{field} is negative"]
    if field != "headcount":
        rows = pl.DataFrame([good | {field: value} for value in (float("nan"), float("inf"))])
        assert reasons(rows, RULES)["reason"].to_list() == ["not_finite", "not_finite"]


@pytest.mark.parametrize(
    ("good", "change", "reason"),
    [
        (ORDER, {"step": "lost"}, "unknown_kind"),
        (HOURS, {"kind": "overtime"}, "unknown_kind"),
        (HOURS, {"until": SENT}, "empty_period"),
        (COST, {"until": SENT - timedelta(days=1)}, "empty_period"),
        (STOCK, {"product": "*"}, "bad_id"),
    ],
)
def test_an_event_of_operations_gets_its_reason(
    good: dict[str, Any], change: dict[str, Any], reason: str
) -> None:
    assert reasons(pl.DataFrame([good | change]), RULES)["reason"].to_list() == [reason]
