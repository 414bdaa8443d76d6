"""Facts of a day from events and reports: the rules that orders, stock, shipments, safety, costs share.

Belongs here: which of two events counts, which days a stream covers, how a period is shared out to days,
how an element becomes a row. Does not belong here: what each stream counts (pipelines.domain.orders,
logistics, stock, safety, costs), meters and machines.

How the rules are read here, where they leave room:

- **Duplicates**: of two events of one key the highest sequence counts, then the later record timestamp,
  then the greater content; never offset or arrival. What is said later about the same thing replaces it.
- **A stream's first event** opens it: a factory has no rows of a stream before the local day of the first
  one, and none at all of a stream that it never sends.
- **A day is covered** by a stream of events if the stream speaks of that day; or if it speaks again within
  seven days after it (the sender lives, and had nothing to say); or if nothing was planned on that day and
  the stream spoke within the seven days before it. On a covered day "nothing" is a true zero. Any other day
  is not known: quantity null, coverage 0. So the day on which a stream falls silent does not look like a
  day without orders, unless the stream comes back within a week.
- **A part of which something is not said** (a shipment's capacity) is left out of that element, and the
  coverage is lowered to the share of the parts that are in it: the quantity is the sum of what is known.
- **A period** is shared out to local days in proportion to time. Days of 23 and 25 hours get their share.
"""

from collections.abc import Sequence

import polars as pl

from pipelines.domain.calendar import INSTANT
from pipelines.domain.sums import exact_sum

ALL_PRODUCTS = "*"
QUIET_DAYS = 7
_S_US = 1_000_000
MEASURED, INTERPOLATED, ESTIMATED = "measured", "interpolated", "estimated"
OPERATIONS_KEY = ("factory", "product", "element", "start")
OPERATIONS_SCHEMA = pl.Schema({
    "factory": pl.String(), "product": pl.String(), "element": pl.String(), "start": INSTANT, "end": INSTANT,
    "quantity": pl.Float64(), "unit": pl.String(), "coverage": pl.Float64(), "quality": pl.String(),
})  # fmt: skip
DAY_KEY = ("factory", "start")
UNITS = {
    "orders_received": "1", "orders_promised": "1", "orders_shipped": "1", "orders_delivered": "1",
    "orders_due": "1", "orders_on_time": "1", "orders_on_time_in_full": "1", "orders_completed": "1",
    "lead_time_s": "s", "aoet_s": "s", "shipped_quantity": "unit", "stock_unit_days": "unit d",
    "load_tkm": "t km", "capacity_tkm": "t km", "pooled_tkm": "t km", "transport_cost_krw": "KRW",
    "shipments_due": "1", "shipments_on_time": "1", "worked_h": "h", "headcount": "person", "incidents": "1",
    "apwt_s": "s", "apat_s": "s", "cost_krw": "KRW",
}  # fmt: skip


def latest(events: pl.DataFrame, key: Sequence[str], values: Sequence[str]) -> pl.DataFrame:
    """Keep one event of each key, as the rule of duplicates at the head of this module says.

    Args:
        events: `key`, `values`, ``sequence``, ``record_timestamp``; any order.
        key: what an event is about.
        values: the rest of what it says.

    Returns:
        `key` and `values`, sorted by key.
    """
    return (
        events.select(*key, *values, "sequence", "record_timestamp")
        .sort(*key, "sequence", "record_timestamp", *values)
        .unique(list(key), keep="last", maintain_order=True)
        .select(*key, *values)
    )


def speaking(events: pl.DataFrame) -> pl.DataFrame:
    """Return when each factory's stream spoke: ``factory``, ``at``, ``until`` [us, UTC], distinct.

    Args:
        events: ``factory``, ``at``, and ``until`` where an event tells of a period (null: of an instant).
    """
    instant = pl.col("at") + pl.duration(microseconds=1)
    until = pl.coalesce("until", instant) if "until" in events.columns else instant
    return events.select("factory", "at", until=until).unique()


def covered_days(windows: pl.DataFrame, spoken: pl.DataFrame, planned: pl.DataFrame) -> pl.DataFrame:
    """Say which days a stream of events covers, as the rule at the head of this module says.

    Args:
        windows: ``factory``, ``start``, ``end`` [us, UTC]: one local day each, disjoint within a factory.
        spoken: as `speaking` returns it.
        planned: ``factory``, ``start``, ``end``: planned time; a row of nulls: the calendar is not known,
            so any day may be planned.

    Returns:
        The windows from the stream's first day on, with ``covered``; sorted by factory and start.
    """
    quiet = pl.duration(days=QUIET_DAYS)
    in_order = spoken.sort("at").with_columns(reach=pl.col("until").cum_max().over("factory"))
    before = in_order.select("factory", "reach", last_at="at")
    after = in_order.select("factory", next_at="at")
    idle = ~(pl.col("planned_s").fill_null(1.0) > 0)
    spoke = pl.col("reach") > pl.col("start")
    lately = pl.col("reach") > pl.col("start") - quiet
    soon = (pl.col("next_at") < pl.col("end") + quiet).fill_null(value=False)
    return (
        with_planned(windows, planned)
        .with_columns(last_instant=pl.col("end") - pl.duration(microseconds=1))
        .sort("last_instant")
        .join_asof(
            before, left_on="last_instant", right_on="last_at", by="factory", check_sortedness=False
        )  # here and below: sorted just before; Polars can't check within groups and would warn
        .filter(pl.col("last_at").is_not_null())
        .sort("end")
        .join_asof(
            after, left_on="end", right_on="next_at", by="factory", strategy="forward", check_sortedness=False
        )
        .select(*windows.columns, covered=spoke | soon | (idle & lately))
        .sort(DAY_KEY)
    )


def with_planned(windows: pl.DataFrame, planned: pl.DataFrame) -> pl.DataFrame:
    """Add ``planned_s`` to windows: their planned time [s]; null: the factory's calendar is not known."""
    known = planned.filter(pl.col("start").is_not_null())
    unknown = planned.filter(pl.col("start").is_null())["factory"].unique()
    planned_s = overlapping(windows, known).group_by(DAY_KEY).agg(planned_s=exact_sum(seconds("from", "to")))
    is_known = ~pl.col("factory").is_in(unknown.implode())
    return windows.join(planned_s, on=list(DAY_KEY), how="left", maintain_order="left").with_columns(
        planned_s=pl.when(is_known).then(pl.col("planned_s").fill_null(0.0))
    )


def overlapping(windows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Pair windows with the spans that overlap them.

    Args:
        windows: ``factory``, ``start``, ``end`` [us, UTC], and more; disjoint within a factory.
        spans: ``factory``, ``start``, ``end`` [us, UTC], and more.

    Returns:
        A row per pair: the windows' columns, the spans' others, ``span_start``, ``span_end``, and ``from``,
        ``to`` of their common time.
    """
    ordered = windows.sort(DAY_KEY).with_row_index("window")
    reached = spans.rename({"start": "span_start", "end": "span_end"}).filter(
        pl.col("span_start") < pl.col("span_end")
    )
    # The first window that ends after the span starts, and the last that starts before the span ends.
    bounded = (
        reached.sort("span_start")
        .join_asof(
            ordered.select("factory", "end", first="window").sort("end"),
            left_on="span_start", right_on="end", by="factory", strategy="forward",
            allow_exact_matches=False, coalesce=True, check_sortedness=False,
        )
        .drop("end", strict=False)
        .sort("span_end")
        .join_asof(
            ordered.select("factory", "start", last="window").sort("start"),
            left_on="span_end", right_on="start", by="factory", strategy="backward",
            allow_exact_matches=False, coalesce=True, check_sortedness=False,
        )
        .drop("start", strict=False)
        .filter(pl.col("first") <= pl.col("last"))
    )  # fmt: skip
    pairs = bounded.with_columns(window=pl.int_ranges("first", pl.col("last") + 1, dtype=pl.UInt32))
    return (
        pairs.drop("factory", "first", "last")
        .explode("window", empty_as_null=False)
        .join(ordered, on="window")
        .with_columns(
            pl.max_horizontal("start", "span_start").alias("from"),
            pl.min_horizontal("end", "span_end").alias("to"),
        )
        .drop("window")
    )


def placed(events: pl.DataFrame, windows: pl.DataFrame, instant: str = "at") -> pl.DataFrame:
    """Add ``start`` and ``end`` of the window in which an instant of each event lies; others fall away."""
    return (
        events.filter(pl.col(instant).is_not_null())
        .sort(instant)
        .join_asof(
            windows.select("factory", "start", "end").sort("start"),
            left_on=instant,
            right_on="start",
            by="factory",
            coalesce=False,
            check_sortedness=False,  # sorted above; Polars can't check within groups and would warn
        )
        .filter(pl.col(instant) < pl.col("end"))
    )


def shared_out(reports: pl.DataFrame, windows: pl.DataFrame, amount: str) -> pl.DataFrame:
    """Share the amounts of reported periods out to days, in proportion to time.

    Args:
        reports: ``factory``, ``product``, ``at``, ``until`` [us, UTC] and `amount`; rows without an end or an
            amount are left out. Several reports of one time add up.
        windows: ``factory``, ``start``, ``end``.
        amount: name of the amount's column.

    Returns:
        ``factory``, ``product``, ``start``, ``end``, ``quantity``, ``reported_s`` (the part of the day that
        the reports cover, each second once) and ``quality`` (measured: all reports lie within the day, else
        interpolated), for the days that a report reaches.
    """
    spans = reports.filter(pl.col("until").is_not_null(), pl.col(amount).is_not_null()).select(
        "factory", "product", amount, start="at", end="until"
    )
    share = seconds("from", "to") / seconds("span_start", "span_end")
    within = (pl.col("span_start") >= pl.col("start")) & (pl.col("span_end") <= pl.col("end"))
    day = ["factory", "product", "start", "end"]
    pieces = overlapping(windows, spans)
    return (
        with_lengths_once(pieces, day)
        .group_by(day)
        .agg(
            quantity=exact_sum(pl.col(amount) * share),
            reported_s=exact_sum(pl.col("once_s")),
            quality=pl.when(within.all()).then(pl.lit(MEASURED)).otherwise(pl.lit(INTERPOLATED)),
        )
        .sort(day)
    )


def with_lengths_once(pieces: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Add ``once_s`` to spans [from, to): what each adds to the time of those before it in its group [s]."""
    reached = pl.col("to").cum_max().shift().over(by)
    begin = pl.max_horizontal("from", reached)
    ordered = pieces.sort(*by, "from", "to").with_columns(begin=pl.min_horizontal(begin, "to"))
    return ordered.with_columns(once_s=seconds("begin", "to"))


def element_rows(
    days: pl.DataFrame, element: str, quantity: pl.Expr, coverage: pl.Expr, quality: pl.Expr | None = None
) -> pl.DataFrame:
    """Return the rows of one element.

    Args:
        days: ``factory``, ``start``, ``end``, ``product`` unless it is ``*``, and what the expressions need.
        element: its id.
        quantity: the amount of what is known.
        coverage: the share that is known; where it is 0 or the amount null, nothing is.
        quality: of what is known; null: measured.
    """
    known = quantity.is_not_null() & (coverage > 0)
    product = pl.col("product") if "product" in days.columns else pl.lit(ALL_PRODUCTS)
    return days.select(
        "factory",
        "start",
        "end",
        product=product.cast(pl.String),
        element=pl.lit(element),
        quantity=pl.when(known).then(quantity.cast(pl.Float64)),
        unit=pl.lit(UNITS[element]),
        coverage=pl.when(known).then(coverage.cast(pl.Float64)).otherwise(0.0),
        quality=pl.when(known).then(pl.lit(MEASURED) if quality is None else quality),
    ).select(OPERATIONS_SCHEMA.names())


def as_facts(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join the rows of elements: OPERATIONS_SCHEMA, sorted by OPERATIONS_KEY."""
    rows = pl.concat([pl.DataFrame(schema=OPERATIONS_SCHEMA), *parts])
    return rows.sort(OPERATIONS_KEY)


def seconds(first: str, last: str) -> pl.Expr:
    """Return the time between two instants [s], exact for whole seconds.

    It isn't divided by a literal: Polars then multiplies by the reciprocal, but not in a frame of one row, so
    the last bit would depend on what else is computed.
    """
    time_us = (pl.col(last) - pl.col(first)).dt.total_microseconds()
    return (time_us // _S_US).cast(pl.Float64) + (time_us % _S_US).cast(pl.Float64) * 1e-6
