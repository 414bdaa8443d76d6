"""Production cost: from reported periods to a day's cost by product.

Belongs here: the element of cost. Does not belong here: the cost of transport (pipelines.domain.logistics),
and the sharing out of periods (pipelines.domain.operations).

- The cost of a period is shared out to its local days in proportion to time: ``measured`` if all periods of
  the day lie within it, else ``interpolated``. Coverage is the share of the day that periods cover: a
  month's cost is known whole, only its days are not.
- Costs of one time add up: a factory may report material and labour apart. Cost of no single product is
  ``*``, and adds to that of the products; it is not their total.
- A product (or ``*``) has a row on every day from its first period on; where no period covers it, the day's
  cost is not known.
"""

import polars as pl

from pipelines.domain.calendar import seconds_between
from pipelines.domain.operations import (
    ALL_PRODUCTS,
    as_facts,
    element_rows,
    latest,
    shared_out,
)

_VALUES = ("at", "until", "product", "cost_krw")
_OF_DAY = ["factory", "product", "start", "end"]


def daily_costs(costs: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Share production cost out to local days.

    Args:
        costs: ``factory, event, at, until [us, UTC], product, cost_krw [KRW], sequence, record_timestamp``:
            all of a factory's; any order, duplicates allowed.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.

    Returns:
        OPERATIONS_SCHEMA, sorted by OPERATIONS_KEY: ``cost_krw`` per product (or ``*``) and day.
    """
    events = latest(costs, ("factory", "event"), _VALUES)
    reports = events.with_columns(pl.col("product").fill_null(ALL_PRODUCTS))
    begun = reports.group_by("factory", "product").agg(first_at=pl.col("at").min())
    days = windows.join(begun, on="factory").filter(pl.col("first_at") < pl.col("end"))
    filled = days.join(shared_out(reports, windows, "cost_krw"), on=_OF_DAY, how="left")
    coverage = pl.col("reported_s").fill_null(0.0) / seconds_between("start", "end")
    return as_facts([element_rows(filled, "cost_krw", pl.col("quantity"), coverage, pl.col("quality"))])
