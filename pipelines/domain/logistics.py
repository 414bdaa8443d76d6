"""Shipments: from departures and arrivals to a day's tonne-kilometres, cost and punctuality.

Belongs here: the elements of joint delivery. Does not belong here: orders (pipelines.domain.orders), and the
rules of events and days (pipelines.domain.operations).

- Load, capacity, pooled load and cost belong to the local day of **departure**; due and on time to the
  local day of **due_at**. A shipment without due_at is not due. One that has not arrived by its due time is
  not on time.
- ``rated_load_tkm`` and ``capacity_tkm`` are of the shipments whose capacity is known, ``costed_load_tkm``
  and ``transport_cost_krw`` of those whose cost is: a load factor over loads of unknown capacity would be too
  high. Their coverage is the share of the day's ``load_tkm`` that went in these shipments.
"""

import polars as pl

from pipelines.domain.operations import (
    DAY_KEY,
    as_facts,
    covered_days,
    element_rows,
    latest,
    placed,
    speaking,
)
from pipelines.domain.sums import exact_sum

SHIPMENT_VALUES = (
    "at", "delivered_at", "due_at", "load_t", "capacity_t", "distance_km", "cost_krw", "pooled",
)  # fmt: skip


def daily_shipments(shipments: pl.DataFrame, windows: pl.DataFrame, planned: pl.DataFrame) -> pl.DataFrame:
    """Sum shipments by local day.

    Args:
        shipments: ``factory, shipment, at, delivered_at, due_at [us, UTC], load_t, capacity_t [t],
            distance_km [km], cost_krw [KRW], pooled, sequence, record_timestamp``: all of a factory's; any
            order, duplicates allowed.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.
        planned: planned time, as pipelines.domain.calendar.planned_segments gives it.

    Returns:
        OPERATIONS_SCHEMA, sorted by OPERATIONS_KEY: one row per element and day from the first departure on.
    """
    events = latest(shipments, ("factory", "shipment"), SHIPMENT_VALUES)
    days = covered_days(windows, speaking(shipments), planned)
    departed = placed(events, windows).group_by(DAY_KEY).agg(**_of_departure())
    due = (
        placed(events, windows, "due_at")
        .group_by(DAY_KEY)
        .agg(due=pl.len(), on_time=(pl.col("delivered_at") <= pl.col("due_at")).fill_null(value=False).sum())
    )
    key = list(DAY_KEY)
    filled = days.join(departed, on=key, how="left").join(due, on=key, how="left")
    covered = pl.col("covered").cast(pl.Float64)

    def rows(element: str, column: str, share: str | None = None) -> pl.DataFrame:
        coverage = covered if share is None else covered * pl.col(share).fill_null(1.0)
        return element_rows(filled, element, pl.col(column).fill_null(0.0), coverage)

    return as_facts([
        rows("load_tkm", "load"),
        rows("pooled_tkm", "pooled_load"),
        rows("rated_load_tkm", "rated_load", "capacity_share"),
        rows("capacity_tkm", "capacity", "capacity_share"),
        rows("costed_load_tkm", "costed_load", "cost_share"),
        rows("transport_cost_krw", "cost", "cost_share"),
        rows("shipments_due", "due"),
        rows("shipments_on_time", "on_time"),
    ])  # fmt: skip


def _of_departure() -> dict[str, pl.Expr]:
    load = pl.col("load_t") * pl.col("distance_km")
    with_capacity, with_cost = pl.col("capacity_t").is_not_null(), pl.col("cost_krw").is_not_null()
    return {
        "load": exact_sum(load),
        "pooled_load": exact_sum(load.filter(pl.col("pooled"))),
        "rated_load": exact_sum(load.filter(with_capacity)),
        "capacity": exact_sum(pl.col("capacity_t") * pl.col("distance_km")),
        "costed_load": exact_sum(load.filter(with_cost)),
        "cost": exact_sum(pl.col("cost_krw")),
        "capacity_share": _share_of(load, with_capacity),
        "cost_share": _share_of(load, with_cost),
    }


def _share_of(load: pl.Expr, known: pl.Expr) -> pl.Expr:
    """Return the share of the load in shipments of which something is known; of empty ones their number's."""
    total = exact_sum(load)
    by_load = exact_sum(load.filter(known)).fill_null(0.0) / total
    return pl.when(total > 0).then(by_load).otherwise(known.mean())
