"""Stock: from counted levels to unit-days per product and local day.

Belongs here: the integral of a level. Does not belong here: quantities shipped (pipelines.domain.orders).

- A level holds until the product's next one, at most 31 days: what lies beyond is not covered. So is the time
  before the first level.
- Unit-days are level x time, in days of 86,400 s: a local day of 25 hours has 25/24 of them.
- The profile's products have a row on every day from the factory's first level on; other products on the days
  on which a level holds.
"""

import polars as pl

from pipelines.domain.calendar import seconds_between
from pipelines.domain.operations import as_facts, element_rows, latest, overlapping
from pipelines.domain.sums import exact_sum

LONGEST_HOLD_DAYS = 31
_DAY_US = 86_400_000_000
_OF_DAY = ["factory", "product", "start", "end"]


def daily_stock(
    levels: pl.DataFrame,
    begun: pl.DataFrame,
    products: pl.DataFrame,
    windows: pl.DataFrame,
    *,
    longest_hold_days: int = LONGEST_HOLD_DAYS,
) -> pl.DataFrame:
    """Integrate stock levels over local days.

    Args:
        levels: ``factory, product, at [us, UTC], quantity [product units], sequence, record_timestamp`` in
            the windows and at least `longest_hold_days` before them; any order, duplicates allowed.
        begun: ``factory``, ``first_at`` [us, UTC]: a factory's first level ever.
        products: ``factory, product`` of the profile.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.
        longest_hold_days: how long a level holds if no other follows.

    Returns:
        OPERATIONS_SCHEMA, sorted by OPERATIONS_KEY: ``stock_unit_days`` of the time that is covered.
    """
    spans = _held(latest(levels, ("factory", "product", "at"), ("quantity",)), longest_hold_days)
    share = seconds_between("from", "to") / seconds_between("start", "end")
    length_us = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    length_d = 1.0 + (length_us - _DAY_US).cast(pl.Float64) * (1 / _DAY_US)
    sums = (
        overlapping(windows, spans)
        .group_by(_OF_DAY)
        .agg(unit_days=exact_sum(pl.col("quantity") * share * length_d), share=exact_sum(share))
    )
    expected = (
        windows.join(begun, on="factory")
        .filter(pl.col("first_at") < pl.col("end"))
        .join(products.select("factory", "product").unique(), on="factory")
    )
    days = pl.concat([expected.select(_OF_DAY), sums.select(_OF_DAY)]).unique()
    filled = days.join(sums, on=_OF_DAY, how="left")
    coverage = pl.col("share").fill_null(0.0)
    return as_facts([element_rows(filled, "stock_unit_days", pl.col("unit_days"), coverage)])


def _held(levels: pl.DataFrame, longest_hold_days: int) -> pl.DataFrame:
    """Give each level the span [start, end) in which it holds."""
    following = pl.col("at").shift(-1).over("factory", "product")
    longest = pl.col("at") + pl.duration(days=longest_hold_days)
    return levels.select(
        "factory", "product", "quantity", start="at", end=pl.min_horizontal(following, longest)
    )
