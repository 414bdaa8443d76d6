from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.causes import CAUSES, add_cause, meters_differ
from pipelines.domain.suspects import accepted_spans

START = datetime(2025, 11, 4, tzinfo=UTC)
END = START + timedelta(days=1)
METER: dict[str, Any] = {
    "meter": "main", "carrier": "electricity", "unit": "kWh", "parent": None, "machine": "press",
    "register_digits": 4, "maximum_per_h": 40.0, "bidirectional": False, "valid_from": None, "valid_to": None,
    "opening_value": None, "closing_value": None,
}  # fmt: skip


def test_the_strongest_cause_is_named_in_whatever_order_they_come() -> None:
    expected = ["method_change", "late_data", "profile_change", "suspect_accepted", "suspect_revoked",
                "meter_correction"]  # fmt: skip
    assert list(CAUSES) == expected
    for order in permutations(CAUSES[:4]):
        causes: dict[str, str] = {}
        for cause in order:
            add_cause(causes, ["day"], cause)
        assert causes == {"day": "suspect_accepted"}


@pytest.mark.parametrize(
    "change",
    [
        {"carrier": "heat"}, {"unit": "MWh"}, {"parent": "hall"}, {"register_digits": None},
        {"maximum_per_h": 41.0}, {"bidirectional": True}, {"valid_from": START + timedelta(hours=3)},
        {"valid_to": START + timedelta(hours=3)}, {"opening_value": 1.0}, {"closing_value": 1.0},
        {"meter": "other"},
    ],
)  # fmt: skip
def test_whatever_energy_depends_on_is_a_difference_of_the_meters(change: dict[str, object]) -> None:
    assert meters_differ([METER], [METER | change], START, END)


def test_meters_that_come_go_or_change_their_order() -> None:
    hall = METER | {"meter": "hall", "parent": "main"}
    assert meters_differ([METER], [METER, hall], START, END)
    assert meters_differ([METER, hall], [hall], START, END)
    assert not meters_differ([METER, hall], [hall, METER], START, END)


def test_the_machine_that_a_meter_measures_is_no_difference() -> None:
    assert not meters_differ([METER], [METER | {"machine": "oven"}], START, END)


def test_a_meter_that_is_not_valid_in_the_span_is_no_difference() -> None:
    hour = timedelta(hours=1)
    for bounds, differs in (
        ({"valid_from": END + hour}, False),
        ({"valid_to": START - hour}, False),
        ({"valid_to": START, "closing_value": 5.0}, True),
        ({"valid_from": END - hour}, True),
    ):
        other = METER | {"meter": "other"} | bounds
        assert meters_differ([METER], [METER, other], START, END) == differs


DECISIONS = st.lists(
    st.tuples(st.sampled_from(["accept", "revoke"]), st.integers(0, 23), st.integers(1, 12)), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(DECISIONS, st.randoms(use_true_random=False))
def test_at_each_instant_the_last_decision_holds(decisions: list[tuple[str, int, int]], random: Any) -> None:
    rows = [
        {"sequence": n, "decision": decision, "factory": "a1", "meter": "main",
         "start": START + timedelta(hours=first), "end": START + timedelta(hours=first + length)}
        for n, (decision, first, length) in enumerate(decisions)
    ]  # fmt: skip
    random.shuffle(rows)
    schema = {"sequence": pl.Int64, "decision": pl.String, "factory": pl.String, "meter": pl.String,
              "start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")}  # fmt: skip
    spans = accepted_spans(pl.DataFrame(rows, schema=schema)).select("start", "end").rows()
    assert all(one[1] < other[0] for one, other in pairwise(spans))
    for hour in range(36):
        at = START + timedelta(hours=hour)
        reaching = [d for d, first, length in decisions if first <= hour < first + length]
        assert any(start <= at < end for start, end in spans) == (reaching[-1:] == ["accept"])


def test_a_decision_on_one_meter_says_nothing_of_another() -> None:
    bounds = {"start": START, "end": END}
    rows = [
        {"sequence": 1, "decision": "accept", "factory": "a1", "meter": "main", **bounds},
        {"sequence": 2, "decision": "accept", "factory": "a1", "meter": "hall", **bounds},
        {"sequence": 3, "decision": "revoke", "factory": "b1", "meter": "main", **bounds},
        {"sequence": 4, "decision": "revoke", "factory": "a1", "meter": "hall", **bounds},
    ]
    assert accepted_spans(pl.DataFrame(rows)).rows() == [("a1", "main", START, END)]
