"""Machine time and output of one window, from a machine's own log: changes of state and counter readings.

Belongs here: elements from a log of a single window, without a calendar, stop records or precedence. Does not
belong here: the night's hours (pipelines.domain.machine_time, pipelines.domain.production), reading files
(pipelines.jobs.kpi_files), KPIs (pipelines.domain.kpi_evaluation).

A state holds until the next event of its machine or the window's end; the state at the window's start is the
last one at or before it. Every second has one state, or none that is known. What is planned is a number of
seconds per machine, not a calendar: so unknown time is the smaller of the seconds without a known state and
of what the known states leave of the plan.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from pipelines.domain.calendar import INSTANT, in_seconds

# Which element a state's seconds are; a state that is not here is not known.
ELEMENT_OF_STATE = {
    "running": "apt_s", "setup": "asut_s", "idle": "adet_s", "delay": "adet_s", "down": "adot_s",
    "stopped": "adot_s", "repair": "cmt_s", "maintenance": "pmt_s", "off": "off_s",
}  # fmt: skip
_FAILED = ("down", "stopped", "repair")
_BUCKETS = ("apt_s", "asut_s", "adet_s", "adot_s", "pmt_s", "cmt_s")
_SILENT = "silent_s"
LOG_ELEMENTS = (
    "pbt_s", *_BUCKETS, "pru_s", "pq", "gq", "sq", "failures", "tbf_s", "ttr_s", "unknown_s",
)  # fmt: skip


@dataclass(frozen=True)
class LogWindow:
    """The window of a log: instants [start, end), and what was planned in it.

    Args:
        start: first instant.
        end: first instant after it.
        planned_s: planned busy time of each machine [s].
        ideal_s: planned run time per unit [s].
    """

    start: datetime
    end: datetime
    planned_s: float
    ideal_s: float

    @property
    def length_s(self) -> float:
        """Length of the window [s]."""
        return (self.end - self.start).total_seconds()


def log_elements(
    machines: list[str], states: pl.DataFrame, counts: pl.DataFrame, window: LogWindow
) -> pl.DataFrame:
    """Derive each machine's elements from its log.

    Args:
        machines: those to report, in the order of the result; one may have no event at all.
        states: ``row, machine, at [us, UTC], state`` (null: not known); any order; of the same machine and
            instant the highest row wins.
        counts: ``row, machine, at [us, UTC], total, rejected``: cumulative counters; rejected null: not
            counted. Any order; of the same machine and instant the highest row wins.
        window: of the log.

    Returns:
        ``unit`` and LOG_ELEMENTS, one row per machine. Times [s] and ``failures`` are never null: a machine
        without an event has only unknown time. ``pq``, ``gq``, ``sq`` are null where nothing was counted.
    """
    units = pl.DataFrame({"unit": machines}, schema={"unit": pl.String})
    quantities = _quantities(counts, window)
    times = _times(states, window)
    known = pl.sum_horizontal(_BUCKETS)
    left_of_plan = (window.planned_s - known).clip(lower_bound=0.0)
    return (
        units.join(times, left_on="unit", right_on="machine", how="left", maintain_order="left")
        .with_columns(pl.col(*_BUCKETS).fill_null(0.0), pl.col("failures").fill_null(0))
        .with_columns(pl.col(_SILENT).fill_null(window.length_s))
        .join(quantities, left_on="unit", right_on="machine", how="left", maintain_order="left")
        .with_columns(
            pbt_s=pl.lit(window.planned_s),
            pru_s=pl.lit(window.ideal_s),
            gq=pl.col("pq") - pl.col("sq"),
            tbf_s=pl.col("apt_s"),
            ttr_s=pl.col("adot_s") + pl.col("cmt_s"),
            unknown_s=pl.min_horizontal(_SILENT, left_of_plan),
        )
        .select("unit", *LOG_ELEMENTS)
    )


def _latest(events: pl.DataFrame, window: LogWindow) -> pl.DataFrame:
    """Keep one event per machine and instant, in order, none at the window's end or after it."""
    return (
        events.filter(pl.col("at") < pl.lit(window.end, INSTANT))
        .sort("machine", "at", "row")
        .unique(["machine", "at"], keep="last", maintain_order=True)
    )


def _times(states: pl.DataFrame, window: LogWindow) -> pl.DataFrame:
    """Return machine, seconds per element, ``silent_s`` (no known state) and failures."""
    start, end = pl.lit(window.start, INSTANT), pl.lit(window.end, INSTANT)
    following = pl.col("at").shift(-1).over("machine").fill_null(end)
    within = following - pl.max_horizontal("at", start)
    failed = pl.col("state").is_in(_FAILED).fill_null(value=False)
    came_from = failed.shift().over("machine").fill_null(value=False)
    spans = _latest(states, window).with_columns(
        element=pl.col("state").replace_strict(
            ELEMENT_OF_STATE, default=_SILENT, return_dtype=pl.String
        ).fill_null(_SILENT),
        time_us=within.dt.total_microseconds().clip(lower_bound=0),
        fails=failed & ~came_from & (pl.col("at") > start),
    )  # fmt: skip
    before = pl.col("at").min().clip(lower_bound=start) - start
    return spans.group_by("machine").agg(
        *(
            in_seconds(pl.col("time_us").filter(pl.col("element") == element).sum()).alias(element)
            for element in (*_BUCKETS, "off_s")
        ),
        # Before its first event a machine's state is not known.
        in_seconds(
            pl.col("time_us").filter(pl.col("element") == _SILENT).sum() + before.dt.total_microseconds()
        ).alias(_SILENT),
        pl.col("fails").sum().alias("failures"),
    )  # fmt: skip


def _quantities(counts: pl.DataFrame, window: LogWindow) -> pl.DataFrame:
    """Return machine, pq and sq: what its counters rose by within the window."""
    readings = _latest(counts, window)
    # A counter that falls has started again from zero, and what it counts with it.
    falls = (pl.col("total").diff() < 0).fill_null(value=False)
    restarts = readings.with_columns(restarts=falls.cast(pl.Int64).cum_sum().over("machine"))
    produced = _rise(restarts, "total", "pq", window)
    rejected = _rise(restarts.drop_nulls("rejected"), "rejected", "sq", window)
    return produced.join(rejected, on="machine", how="left")


def _rise(readings: pl.DataFrame, counter: str, quantity: str, window: LogWindow) -> pl.DataFrame:
    """Add up a counter's rises since its baseline: the last reading by the start, else the first one."""
    previous, before = pl.col(counter).shift(), pl.col("restarts").shift()
    restarted = (pl.col(counter) < previous) | (pl.col("restarts") > before)
    rise = pl.when(restarted).then(counter).otherwise(pl.col(counter) - previous)
    within = pl.col("at") > pl.lit(window.start, INSTANT)
    return (
        readings.with_columns(rise=rise.over("machine"))
        .group_by("machine")
        .agg(pl.col("rise").filter(within).sum().alias(quantity))
    )
