"""Orders: from the steps of order lines to a day's counts, punctuality, lead times and quantities.

Belongs here: the elements of orders. Does not belong here: shipments of vehicles
(pipelines.domain.logistics), and the rules of events and days (pipelines.domain.operations).

- **Steps** are counted on the local day on which they happened. An order has each step once: what is said
  again replaces it, so the newest promise is the promise.
- **Due** on the local day of its promise is every order that is not cancelled. It is on time if it was
  delivered at or before the promise, and in full if the delivered quantity reaches the received one. Where
  one of the two quantities isn't said, fullness is not known, unless the order is late anyway. An order that
  was never promised is never due, but delivered it lowers the coverage of its day: it may have been due.
- **Completed** are the orders delivered on the day whose receipt is known: only they have a lead time, so the
  two elements are of the same orders. Their coverage is the share of the orders delivered of which that is
  so.
- **Execution time** runs from `started` until the order is completed, shipped, delivered or cancelled,
  whichever is first; it is cut by days, and ends 31 days after its start if no end is known.
- **Shipped quantities** are by product: of the step, else of any other step of the order, else ``*``. The
  profile's products have a row on every day, others on the days on which they are shipped.
"""

import polars as pl

from pipelines.domain.operations import (
    ALL_PRODUCTS,
    DAY_KEY,
    as_facts,
    covered_days,
    element_rows,
    latest,
    overlapping,
    placed,
    seconds,
    speaking,
)
from pipelines.domain.sums import exact_sum

LONGEST_EXECUTION_DAYS = 31
ORDER_STEPS = ("received", "promised", "started", "completed", "shipped", "delivered", "cancelled")
_COUNTED = ("received", "promised", "shipped", "delivered")
_VALUES = ("at", "product", "quantity", "promised_at")
_ENDS = ("completed_at", "shipped_at", "delivered_at", "cancelled_at")
_KEY = list(DAY_KEY)


def daily_orders(
    orders: pl.DataFrame, products: pl.DataFrame, windows: pl.DataFrame, planned: pl.DataFrame
) -> pl.DataFrame:
    """Sum order lines by local day.

    Args:
        orders: ``factory, order, step, at, promised_at [us, UTC], product, quantity, sequence,
            record_timestamp``: all of a factory's; any order, duplicates allowed.
        products: ``factory, product`` of the profile.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.
        planned: planned time, as pipelines.domain.calendar.planned_segments gives it.

    Returns:
        OPERATIONS_SCHEMA, sorted by OPERATIONS_KEY: one row per element (and product) and day from the first
        step on.
    """
    steps = latest(orders, ("factory", "order", "step"), _VALUES)
    days = covered_days(windows, speaking(orders), planned).with_columns(pl.col("covered").cast(pl.Float64))
    lines = _lines(steps)
    return as_facts(
        [*_counts(steps, days), *_due(lines, days), *_completed(lines, days), _executed(lines, days),
         _shipped(lines, products, days)]
    )  # fmt: skip


def _lines(steps: pl.DataFrame) -> pl.DataFrame:
    """Return a row per order: ``factory, product``, ``<step>_at`` and ``<step>_quantity``, ``due_at``."""
    order = pl.col("order")
    of_step = {step: pl.col("step") == step for step in ORDER_STEPS}
    named = [pl.col("product").filter(of_step[step]).first().alias(f"{step}_product") for step in ORDER_STEPS]
    return (
        steps.group_by("factory", order)
        .agg(
            *(pl.col("at").filter(of).first().alias(f"{step}_at") for step, of in of_step.items()),
            *(
                pl.col("quantity").filter(of).first().alias(f"{step}_quantity")
                for step, of in of_step.items()
            ),
            *named,
            due_at=pl.col("promised_at").filter(of_step["promised"]).first(),
        )
        .with_columns(
            product=pl.coalesce(
                "shipped_product", *(f"{step}_product" for step in ORDER_STEPS), pl.lit(ALL_PRODUCTS)
            )
        )
    )


def _counts(steps: pl.DataFrame, days: pl.DataFrame) -> list[pl.DataFrame]:
    counts = (
        placed(steps, days)
        .group_by(_KEY)
        .agg((pl.col("step") == step).sum().alias(step) for step in _COUNTED)
    )
    filled = days.join(counts, on=_KEY, how="left")
    return [
        element_rows(filled, f"orders_{step}", pl.col(step).fill_null(0), pl.col("covered"))
        for step in _COUNTED
    ]


def _due(lines: pl.DataFrame, days: pl.DataFrame) -> list[pl.DataFrame]:
    on_time = (pl.col("delivered_at") <= pl.col("due_at")).fill_null(value=False)
    whole = pl.col("delivered_quantity") >= pl.col("received_quantity")
    kept = lines.filter(pl.col("cancelled_at").is_null())
    unpromised = placed(kept.filter(pl.col("due_at").is_null()), days, "delivered_at")
    sums = (
        placed(kept, days, "due_at")
        .group_by(_KEY)
        .agg(
            due=pl.len(),
            on_time=on_time.sum(),
            in_full=(on_time & whole.fill_null(value=False)).sum(),
            decided=(~on_time | whole.is_not_null()).mean(),
        )
    )
    untold = unpromised.group_by(_KEY).agg(untold=pl.len())
    counted = ("due", "on_time", "in_full", "untold")
    filled = (
        days.join(sums, on=_KEY, how="left")
        .join(untold, on=_KEY, how="left")
        .with_columns(pl.col(counted).fill_null(0).cast(pl.Float64), pl.col("decided").fill_null(1.0))
    )
    promised = pl.col("due") / (pl.col("due") + pl.col("untold"))
    coverage = pl.col("covered") * pl.when(pl.col("untold") > 0).then(promised).otherwise(1.0)
    return [
        element_rows(filled, "orders_due", pl.col("due"), coverage),
        element_rows(filled, "orders_on_time", pl.col("on_time"), coverage),
        element_rows(filled, "orders_on_time_in_full", pl.col("in_full"), coverage * pl.col("decided")),
    ]


def _completed(lines: pl.DataFrame, days: pl.DataFrame) -> list[pl.DataFrame]:
    known = (pl.col("received_at") <= pl.col("delivered_at")).fill_null(value=False)
    lead_s = seconds("received_at", "delivered_at")
    sums = (
        placed(lines, days, "delivered_at")
        .group_by(_KEY)
        .agg(completed=known.sum(), lead_s=exact_sum(lead_s.filter(known)), known=known.mean())
    )
    filled = days.join(sums, on=_KEY, how="left")
    coverage = pl.col("covered") * pl.col("known").fill_null(1.0)
    return [
        element_rows(filled, "orders_completed", pl.col("completed").fill_null(0), coverage),
        element_rows(filled, "lead_time_s", pl.col("lead_s").fill_null(0.0), coverage),
    ]


def _executed(lines: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    longest = pl.col("started_at") + pl.duration(days=LONGEST_EXECUTION_DAYS)
    spans = lines.filter(pl.col("started_at").is_not_null()).select(
        "factory", start="started_at", end=pl.min_horizontal(*_ENDS, longest)
    )
    sums = overlapping(days, spans).group_by(_KEY).agg(running_s=exact_sum(seconds("from", "to")))
    filled = days.join(sums, on=_KEY, how="left")
    return element_rows(filled, "aoet_s", pl.col("running_s").fill_null(0.0), pl.col("covered"))


def _shipped(lines: pl.DataFrame, products: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    sums = (
        placed(lines, days, "shipped_at")
        .group_by(*_KEY, "product")
        .agg(
            shipped=exact_sum(pl.col("shipped_quantity")),
            said=pl.col("shipped_quantity").is_not_null().mean(),
        )
    )
    listed = days.join(products.select("factory", "product").unique(), on="factory")
    others = days.join(sums.select(*_KEY, "product"), on=_KEY)
    both = pl.concat([listed, others.select(listed.columns)]).unique()
    filled = both.join(sums, on=[*_KEY, "product"], how="left")
    quantity = pl.when(pl.col("said").is_null()).then(0.0).otherwise("shipped")
    return element_rows(
        filled, "shipped_quantity", quantity, pl.col("covered") * pl.col("said").fill_null(1.0)
    )
