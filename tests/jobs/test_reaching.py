"""Which days a new event of operations reaches: enough, and not the whole life of every old order."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from pipelines.connectors.store import ClusterStore, arrow_frame
from pipelines.jobs.reaching import reached_by_events
from pipelines.schemas.tables import RAW
from tests.jobs.conftest import instant

JUNE = date(2025, 6, 2)
ZONES = pl.DataFrame(
    {"factory": ["a1"], "valid_from": [instant(date(2025, 1, 1))], "zone": ["Asia/Seoul"]},
    schema_overrides={"valid_from": pl.Datetime("us", "UTC")},
)
OWNERS = {"orders": "order", "shipments": "shipment", "safety": "event", "stock": "product", "costs": "event"}


def noon(days: int) -> datetime:
    """Return noon of a day, counted from June 2."""
    return instant(JUNE + timedelta(days=days), 12)


@pytest.fixture
def store(tmp_path: Path) -> ClusterStore:
    return ClusterStore(str(tmp_path), "c1")


def reached(store: ClusterStore, stream: str, *rows: Mapping[str, Any]) -> set[tuple[int, int | None]]:
    """Return first and last day (from June 2; null: from then on) that the last row reaches."""
    told = [{"factory": "a1", "bucket": 0, "day": JUNE, "sequence": n, **row} for n, row in enumerate(rows)]
    table = store.open(RAW[stream])
    table.append(arrow_frame(pa.Table.from_pylist(told, schema=RAW[stream].schema)), {})
    news = pl.DataFrame(
        [(row["factory"], row[OWNERS[stream]], row["at"]) for row in told[-1:]],
        schema={"factory": pl.String, OWNERS[stream]: pl.String, "first_at": pl.Datetime("us", "UTC")},
        orient="row",
    )
    days = reached_by_events(stream, OWNERS[stream], news, store.open(RAW[stream]), ZONES)
    return {((first - JUNE).days, None if last is None else (last - JUNE).days) for _, first, last in days}


def step(order: str, name: str, days: int, promised: int | None = None) -> dict[str, Any]:
    return {
        "order": order, "step": name, "at": noon(days),
        "promised_at": None if promised is None else noon(promised),
    }  # fmt: skip


def test_a_delivery_reaches_the_week_before_it_and_the_days_of_its_own_order(store: ClusterStore) -> None:
    """Received on day 0, promised for day 60, delivered on day 90; another order's days are left alone."""
    days = reached(
        store, "orders", step("o2", "received", 30), step("o1", "received", 0), step("o1", "promised", 1, 60),
        step("o1", "delivered", 90),
    )  # fmt: skip
    assert days == {(83, None), (0, 0), (1, 1), (60, 60), (90, 90)}


def test_a_step_that_is_told_again_reaches_every_day_from_the_earliest_of_its_order(
    store: ClusterStore,
) -> None:
    days = reached(store, "orders", step("o1", "started", 5), step("o1", "started", 40))
    assert (5, None) in days


def test_a_shipment_reaches_its_departure_and_its_due_day(store: ClusterStore) -> None:
    sent = {"shipment": "s1", "at": noon(50), "due_at": noon(20)}
    assert reached(store, "shipments", sent) == {(43, None), (50, 50), (20, 20)}


def test_a_period_and_a_level_reach_every_day_from_a_week_before_them(store: ClusterStore) -> None:
    assert reached(store, "costs", {"event": "c1", "at": noon(30), "until": noon(60)}) == {(23, None)}
    assert reached(store, "stock", {"product": "bolt", "at": noon(30)}) == {(23, None)}
    corrected = reached(
        store, "safety", {"event": "h1", "at": noon(10), "until": noon(11)},
        {"event": "h1", "at": noon(30), "until": noon(31)},
    )  # fmt: skip
    assert corrected == {(23, None), (10, None)}
