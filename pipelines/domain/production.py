"""Production counts: from cumulative counters of machines and products to quantities per hour.

Belongs here: the rules of a counter. Does not belong here: machine time, KPIs, which rows are fetched.

How the rules are read here, where they leave room:

- The difference of consecutive readings is what was made between them. A drop of the total is a reset of all
  counters of the row: their new values count. A counter that drops while the total does not was reset alone.
  What was made between the last reading and a reset is not known: such an hour is `estimated`.
- A difference that spans hours is shared out in proportion to time, as a register's is, so hours may hold
  parts of a piece; days add up. It is `interpolated`.
- A difference over more than the maximum gap counts whole in the hour of its closing reading, `estimated`:
  the day's quantity stays right, its hours don't pretend to know.
- The first reading of a counter is only a baseline. Hours without a difference have no row: not counted is
  not zero. Coverage is the share of the hour in differences that lie wholly within it.
"""

import numpy as np
import polars as pl

from pipelines.domain.calendar import INSTANT, hours_of
from pipelines.domain.machine_time import MACHINE_KEY, MACHINE_SCHEMA
from pipelines.domain.spans import Codes, Ints, Overlaps, Timeline, counted, overlaps, summed, worst

_COUNTERS = {"total": "pq", "rejected": "sq", "rework": "rq", "inspected": "ip", "first_pass": "gp"}
_COUNTER_KEY = ["factory", "machine", "product"]
_QUALITIES = {0: "measured", 1: "interpolated", 2: "estimated"}
_MEASURED, _INTERPOLATED, _ESTIMATED = range(3)


def hourly_quantities(
    counts: pl.DataFrame, windows: pl.DataFrame, products: pl.DataFrame, *, max_gap_s: int
) -> pl.DataFrame:
    """Turn cumulative counters into quantities per hour; the rules stand at the head of this module.

    Args:
        counts: ``factory, machine, product, at [us, UTC], total, rejected, rework, inspected, first_pass,
            sequence, record_timestamp`` in the windows and at least `max_gap_s` to both sides, and of each
            counter the last reading before that. Any order, duplicates allowed.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.
        products: ``factory, product, pru_s`` [s per unit]; a product that is not listed has no PRU.
        max_gap_s: longest difference that is shared out to hours [s].

    Returns:
        MACHINE_SCHEMA sorted by MACHINE_KEY: one row per machine, product and hour that has counts; times
        null; gq = pq - sq; a counter that some reading of the hour lacks is null.
    """
    numbered = _numbered(counts)
    keys = numbered.select("counter", *_COUNTER_KEY).unique().sort("counter")
    spans = _differences(numbered)
    hours = (
        hours_of(windows)
        .join(keys, on="factory")
        .with_columns(start_us=_us("start"), end_us=_us("end"))
        .sort("counter", "start")
    )
    pru = products.select("factory", "product", "pru_s").unique(["factory", "product"])
    return (
        _distributed(spans, hours, max_gap_s * 1_000_000)
        .filter(pl.col("quality") >= 0)
        .join(pru, on=["factory", "product"], how="left")
        .with_columns(
            gq=pl.col("pq") - pl.col("sq"),
            quality=pl.col("quality").replace_strict(_QUALITIES, return_dtype=pl.String),
        )
        .pipe(_completed)
        .sort(MACHINE_KEY)
    )


def _completed(quantities: pl.DataFrame) -> pl.DataFrame:
    absent = {
        name: pl.lit(None, kind) for name, kind in MACHINE_SCHEMA.items() if name not in quantities.columns
    }
    return quantities.with_columns(**absent).select(
        pl.col(name).cast(kind) for name, kind in MACHINE_SCHEMA.items()
    )


def _us(column: str) -> pl.Expr:
    return pl.col(column).cast(INSTANT).to_physical().cast(pl.Int64)


def _numbered(counts: pl.DataFrame) -> pl.DataFrame:
    """Keep one reading per counter and instant, in order, with a number for each counter."""
    return (
        counts.sort(*_COUNTER_KEY, "at", "sequence", "record_timestamp", *_COUNTERS)
        .unique([*_COUNTER_KEY, "at"], keep="last", maintain_order=True)
        .with_columns(counter=pl.struct(_COUNTER_KEY).rank("dense").cast(pl.Int64) - 1, at=_us("at"))
    )


def _differences(readings: pl.DataFrame) -> pl.DataFrame:
    """Return counter, start, end [us], the quantities between consecutive readings, and whether reset."""
    same = pl.col("counter") == pl.col("counter").shift()
    restart = pl.col("total") < pl.col("total").shift()
    drops = {name: restart | (pl.col(name) < pl.col(name).shift()) for name in _COUNTERS}
    amounts = {
        quantity: pl.when(drops[name] & pl.col(name).shift().is_not_null())
        .then(pl.col(name))
        .otherwise(pl.col(name) - pl.col(name).shift())
        .cast(pl.Float64)
        for name, quantity in _COUNTERS.items()
    }
    reset = pl.any_horizontal(drops[name].fill_null(value=False) for name in _COUNTERS)
    return readings.select(
        "counter", start=pl.col("at").shift(), end="at", same=same, reset=reset, **amounts
    ).filter("same")


def _distributed(spans: pl.DataFrame, hours: pl.DataFrame, max_gap_us: int) -> pl.DataFrame:
    """Add quantities, quality (-1: nothing) and coverage to the hours."""
    long = (spans["end"] - spans["start"]).to_numpy() > max_gap_us
    end = _ints(spans, "end")
    # A difference over a long gap stands at the instant of its closing reading.
    start: Ints = np.where(long, end, _ints(spans, "start"))
    owner = _ints(spans, "counter")
    found = overlaps(
        Timeline(owner, start, np.where(long, end + 1, end)),
        Timeline(_ints(hours, "counter"), _ints(hours, "start_us"), _ints(hours, "end_us")),
    )
    quality: Codes = np.where(long | spans["reset"].to_numpy(), _ESTIMATED, _MEASURED).astype(np.int8)
    covered = np.where(quality == _MEASURED, end - start, 0)
    part_quality: Codes = np.maximum(quality[found.part_span], np.int8(_INTERPOLATED))
    share = (found.part_end - found.part_start) / np.maximum(end - start, 1)[found.part_span]
    length = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    quantities = [_summed(spans[name], found, share) for name in _COUNTERS.values()]
    return hours.with_columns(
        *quantities,
        pl.Series("quality", worst(quality, found, part_quality)),
        pl.Series("covered_us", counted(covered, found)),
    ).with_columns(coverage=pl.col("covered_us") / length)


def _ints(frame: pl.DataFrame, column: str) -> Ints:
    values: Ints = frame[column].cast(pl.Int64).to_numpy()
    return values


def _summed(amounts: pl.Series, found: Overlaps, share: np.ndarray) -> pl.Series:
    """Sum one counter's amounts per hour; null where any of them is."""
    missing = amounts.is_null().cast(pl.Int64).to_numpy()
    known = amounts.fill_null(0.0).to_numpy()
    holes = counted(missing, found)
    np.add.at(holes, found.part_hour, missing[found.part_span])
    total = pl.Series(amounts.name, summed(known, found, known[found.part_span] * share))
    return pl.select(pl.when(pl.Series(holes) == 0).then(total)).to_series().alias(amounts.name)
