"""Machine time: from changes of state and stop records to seconds per hour by ISO 22400-2 element.

Belongs here: which state holds at each second, and what it counts as. Does not belong here: KPIs
(pipelines.domain.kpis), shift calendars (pipelines.domain.calendar), quantities
(pipelines.domain.production).

How the rules are read here, where they leave room:

- The elements of an hour exclude each other and add up to it: apt + asut + adet + adot + pmt + cmt + off +
  unknown. A known state counts for what it is, planned or not (work outside the shifts is production).
- Time without a known state is `unknown` where the calendar plans it, else `off`. Time in state `off` is off,
  planned or not. Where no calendar is known, time without a state is unknown and PBT is null.
- `off` yields to every other state that holds at the same time, and an unknown state to all.
- Coverage is the known share of the planned time; 1 where nothing is planned (there is nothing to know);
  without a calendar the known share of the hour. Quality is `measured`, null where coverage is 0.
- A change of state holds until the machine's next change, however far that is: a message that was lost lets
  the state before it run on. `max_state_s` bounds that: what is older is not known any more.
- While all machines of a factory are silent, states and counters alike, for longer than agreed, it isn't
  known any more that they run, are set up, wait or are off: whose gateway is dead has not made nothing. A
  stop holds all the same: a broken machine has no news, and stop records say their own end. That a state is
  known again is no failure.
- A failure is a moment at which the strongest state becomes down, stopped or repair and was none of them
  before. Time without a known state is none of them: a machine may send nothing but stop records.
"""

import polars as pl

from pipelines.domain.calendar import INSTANT, hours_of, in_seconds, merged, seconds_between

ALL_PRODUCTS = "*"
MACHINE_KEY = ("factory", "machine", "product", "start")
_TIMES = ("pbt_s", "apt_s", "asut_s", "adet_s", "adot_s", "pmt_s", "cmt_s", "off_s", "unknown_s")
QUANTITIES = ("pq", "gq", "sq", "rq", "ip", "gp")
MACHINE_SCHEMA = pl.Schema({
    "factory": pl.String(), "machine": pl.String(), "product": pl.String(), "start": INSTANT, "end": INSTANT,
    **dict.fromkeys(_TIMES, pl.Float64()),
    "failures": pl.Int64(),
    **dict.fromkeys((*QUANTITIES, "pru_s"), pl.Float64()),
    "coverage": pl.Float64(), "quality": pl.String(),
})  # fmt: skip

# Ascending precedence; 0 is time without a known state.
_PRECEDENCE = {
    "off": 1, "running": 2, "setup": 3, "idle": 4, "delay": 4, "down": 5, "stopped": 5, "maintenance": 6,
    "repair": 7,
}  # fmt: skip
_ELEMENTS = {2: "apt_s", 3: "asut_s", 4: "adet_s", 5: "adot_s", 6: "pmt_s", 7: "cmt_s"}
_LEVELS = tuple(range(1, 8))
_FAILING = (5, 7)
_FIRST_STOP = 5
_US = 1_000_000
_MACHINE = ["factory", "machine"]


def hourly_machine_time(
    states: pl.DataFrame,
    machines: pl.DataFrame,
    windows: pl.DataFrame,
    planned: pl.DataFrame,
    *,
    max_state_s: int | None = None,
    heard: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Sum each machine's seconds per hour and element; the rules stand at the head of this module.

    Args:
        states: ``factory, machine, at, until [us, UTC], state, sequence, record_timestamp``: changes of state
            (null `until`) and stop records, in the windows; also of each machine the last change before each
            stretch of windows, and the stop records that reach into it or end where it begins. Any order,
            duplicates allowed: the highest sequence wins, then the later record timestamp.
        machines: ``factory, machine``; states of others give no rows.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.
        planned: ``factory, start, end`` as pipelines.domain.calendar.planned_segments gives it: disjoint; a
            row of nulls means that the factory's calendar is not known.
        max_state_s: longest that a change of state holds [s]; stop records say their own end. Null: no bound.
        heard: as `heard_spans` gives it: when other states than stops are known to hold. Null: always.

    Returns:
        MACHINE_SCHEMA sorted by MACHINE_KEY, one row per machine and hour with product ``*``; times [s],
        quantities null.
    """
    pieces = _pieces(_spans(states, windows, max_state_s), machines, windows, planned, heard)
    time_us = pl.col("next") - pl.col("instant")
    element = {name: _seconds_where(pl.col("level") == level, time_us) for level, name in _ELEMENTS.items()}
    silent = pl.col("level") == 0
    may_be_off = silent & pl.col("calendar") & (pl.col("plan") == 0)
    grouped = pieces.group_by("factory", "machine", "start", "end", maintain_order=True).agg(
        pl.col("calendar").first(),
        pbt_s=_seconds_where(pl.col("plan") > 0, time_us),
        off_s=_seconds_where((pl.col("level") == 1) | may_be_off, time_us),
        unknown_s=_seconds_where(silent & ~may_be_off, time_us),
        failures=pl.col("fails").sum().cast(pl.Int64),
        **element,
    )
    return _as_facts(grouped)


def heard_spans(states: pl.DataFrame, counts: pl.DataFrame, max_silence_s: int | None) -> pl.DataFrame | None:
    """Give the time for which a factory's machines have lately been heard of.

    Args:
        states: ``factory, at, until [us, UTC]``: changes of state and stop records.
        counts: ``factory, at [us, UTC]``.
        max_silence_s: how long after an event its factory counts as heard of [s]. Null: for ever.

    Returns:
        ``factory, start, end`` [us, UTC], disjoint; null where silence isn't judged.
    """
    if max_silence_s is None:
        return None
    told = pl.concat([
        states.select("factory", "at"),
        states.select("factory", at="until").drop_nulls(),
        counts.select("factory", "at"),
    ]).unique()  # fmt: skip
    return merged(told.select("factory", start="at", end=pl.col("at") + pl.duration(seconds=max_silence_s)))


def _seconds_where(holds: pl.Expr, time_us: pl.Expr) -> pl.Expr:
    return in_seconds(pl.when(holds).then(time_us).otherwise(0).sum())


def _as_facts(hours: pl.DataFrame) -> pl.DataFrame:
    length = seconds_between("start", "end")
    to_know = pl.when("calendar").then("pbt_s").otherwise(length)
    coverage = pl.when(to_know > 0).then(1 - pl.col("unknown_s") / to_know).otherwise(1.0)
    return (
        hours.with_columns(coverage=coverage, pbt_s=pl.when("calendar").then("pbt_s"))
        .with_columns(
            product=pl.lit(ALL_PRODUCTS),
            quality=pl.when(pl.col("coverage") > 0).then(pl.lit("measured")),
            **{name: pl.lit(None, pl.Float64) for name in (*QUANTITIES, "pru_s")},
        )
        .select(MACHINE_SCHEMA.names())
        .sort(MACHINE_KEY)
    )


def _us(column: str) -> pl.Expr:
    return pl.col(column).cast(INSTANT).to_physical().cast(pl.Int64)


def _spans(states: pl.DataFrame, windows: pl.DataFrame, max_state_s: int | None) -> pl.DataFrame:
    """Give every change of state and stop record its span [at, until) and precedence."""
    horizon = windows.group_by("factory").agg(horizon=_us("end").max())
    latest = (
        states.with_columns(change=pl.col("until").is_null())
        .sort(*_MACHINE, "change", "at", "sequence", "record_timestamp", "state", "until")
        .unique([*_MACHINE, "change", "at"], keep="last", maintain_order=True)
        .join(horizon, on="factory", maintain_order="left")
    )
    following = _us("at").shift(-1).over([*_MACHINE, "change"]).fill_null(pl.col("horizon"))
    if max_state_s is not None:
        following = pl.min_horizontal(following, _us("at") + max_state_s * _US)
    level = pl.col("state").replace_strict(_PRECEDENCE, default=0, return_dtype=pl.Int8)
    return (
        latest.select(
            *_MACHINE,
            begin=_us("at"),
            stop=pl.when("change").then(following).otherwise(_us("until")),
            level=level,
            change="change",
        )
        .filter(pl.col("begin") < pl.col("stop"), pl.col("level") > 0)
        .sort(*_MACHINE, "begin")
    )


def _pieces(
    spans: pl.DataFrame,
    machines: pl.DataFrame,
    windows: pl.DataFrame,
    planned: pl.DataFrame,
    heard: pl.DataFrame | None,
) -> pl.DataFrame:
    """Cut time where anything changes and tell for each piece what holds, by counting what is open.

    Returns:
        factory, machine, start, end (of its hour), instant, next [us], level (strongest state, 0: none),
        plan (> 0: planned), fails (1: a failure begins with the piece), calendar (whether one is known).
    """
    known = machines.select(_MACHINE).unique()
    unknown = planned.filter(pl.col("start").is_null()).select("factory").unique()
    shifts = planned.drop_nulls().select("factory", begin=_us("start"), stop=_us("end"))
    bounds = windows.select("factory", begin=_us("start"), stop=_us("end"))
    lately = bounds.clear() if heard is None else heard.select("factory", begin=_us("start"), stop=_us("end"))
    lasts = ~pl.col("change") | (pl.col("level") >= _FIRST_STOP)
    of_known = spans.join(known, on=_MACHINE, how="semi")
    hours = hours_of(windows).with_columns(hour=_us("start"))
    events = pl.concat([
        *(_events(of_known.filter(level=n), f"level_{n}") for n in _LEVELS),
        *(_events(of_known.filter(lasts, level=n), f"lasting_{n}") for n in _LEVELS),
        _events(lately.join(known, on="factory"), "heard"),
        _events(shifts.join(known, on="factory"), "plan"),
        _events(bounds.join(known, on="factory"), "window"),
        hours.join(known, on="factory").select(*_MACHINE, "hour", instant="hour"),
    ], how="diagonal")  # fmt: skip
    counts = [*(f"{kind}_{n}" for kind in ("level", "lasting") for n in _LEVELS), "heard", "plan", "window"]
    silent = pl.lit(value=False) if heard is None else pl.col("heard") == 0
    return (
        events.group_by(*_MACHINE, "instant")
        .agg(pl.col(counts).sum(), pl.col("hour").max())
        .sort(*_MACHINE, "instant")
        .with_columns(pl.col(counts).cum_sum().over(_MACHINE), pl.col("hour").forward_fill().over(_MACHINE))
        .with_columns(level=_strongest("level"), next=pl.col("instant").shift(-1).over(_MACHINE))
        .with_columns(fails=_failure_begins())
        .with_columns(level=pl.when(silent).then(_strongest("lasting")).otherwise("level"))
        .filter(pl.col("window") > 0)
        .join(hours, on=["factory", "hour"], how="left", maintain_order="left")
        .join(
            unknown.with_columns(calendar=pl.lit(value=False)),
            on="factory",
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("calendar").fill_null(value=True))
    )


def _strongest(kind: str) -> pl.Expr:
    return pl.max_horizontal(pl.when(pl.col(f"{kind}_{n}") > 0).then(n).otherwise(0) for n in _LEVELS)


def _failure_begins() -> pl.Expr:
    before = pl.col("level").shift().over(_MACHINE).fill_null(0)
    return pl.col("level").is_in(_FAILING) & ~before.is_in(_FAILING)


def _events(spans: pl.DataFrame, what: str) -> pl.DataFrame:
    opens = spans.select(*_MACHINE, instant="begin", **{what: pl.lit(1, pl.Int32)})
    closes = spans.select(*_MACHINE, instant="stop", **{what: pl.lit(-1, pl.Int32)})
    return pl.concat([opens, closes])
