"""What arrived: events per source and day, what was to be expected, and the signs silent and few_events.

Belongs here: counting events, learning a source's usual pace from its own past. Does not belong here: what
the values say (flat, copies, patterns).

What is expected of a meter is the day's length over its usual step (the median over the look-back of each
day's commonest step between readings, so that losses don't slow it down). What is expected of states and
counts is the median of their events on earlier days of the same kind (work, rest), on working days of their
events per planned time. Of orders, shipments, activities and safety no number is expected: how many there are
is a figure of the factory's business. A meter or machine of the profile, and a stream of the trade template,
are expected without any past.
"""

import polars as pl

from pipelines.domain.calendar import in_seconds
from pipelines.domain.liveness.observed import (
    BY_MACHINE,
    FEW_EVENTS,
    HOUR_S,
    MEASURED,
    PLACE,
    ROW,
    SILENT,
    WHOLE_STREAM,
    WORK,
    Limits,
    Observed,
    flags,
    iso,
)

_DAY_S = 24 * HOUR_S
_KEYS = ["day", "bucket", "factory", "source"]
_STREAM = [*PLACE, "stream"]


def source_days(events: pl.LazyFrame, stream: str) -> pl.LazyFrame:
    """Sum up what each source sent of a day, whatever came twice.

    Args:
        events: `day, bucket, factory, source, at` [us, UTC]; any order, duplicates allowed.
        stream: their stream.

    Returns:
        `day, bucket, factory, stream, source, events` (distinct instants), `first_event, last_event`
        [us, UTC], `cadence_s` (commonest step between them, of equally common ones the shortest; null: fewer
        than two) [s].
    """
    distinct = events.select(*_KEYS, "at").unique().sort(*_KEYS, "at")
    steps = (
        distinct.with_columns(step=in_seconds(pl.col("at").diff().over(_KEYS).dt.total_microseconds()))
        .drop_nulls("step")
        .group_by(*_KEYS, "step")
        .len()
        .sort("len", "step", descending=[True, False])
        .group_by(_KEYS, maintain_order=True)
        .agg(cadence_s=pl.col("step").first())
    )
    return (
        distinct.group_by(_KEYS)
        .agg(
            events=pl.len().cast(pl.Int64),
            first_event=pl.col("at").min(),
            last_event=pl.col("at").max(),
        )
        .join(steps, on=_KEYS, how="left")
        .select(
            "day", "bucket", "factory", pl.lit(stream).alias("stream"),
            "source", "events", "first_event", "last_event", "cadence_s",
        )
    )  # fmt: skip


def deliveries(seen: Observed, limits: Limits) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge what arrived of each source and stream of the asked days.

    A sign that holds for a whole stream stands on the stream's row (source `*`) and not on its sources' too.

    Returns:
        Rows `factory, day, stream, source, last_event` [us, UTC; null: none in the look-back], `expected`
        (null: nothing is known of it), `received`, `share` [1; null with expected]; and the flags.
    """
    sources = _judged_sources(_paced(seen, limits), seen, limits)
    streams = _judged_streams(sources, seen, limits)
    own = sources.filter(pl.col("source") != WHOLE_STREAM)
    rows = pl.concat([streams, own.select(streams.columns)])
    whole = streams.select(*_STREAM, stream_silent="silent", stream_few="few")
    told = rows.join(whole, on=_STREAM, how="left").with_columns(
        silent=pl.col("silent") & ((pl.col("source") == WHOLE_STREAM) | ~pl.col("stream_silent")),
        few=pl.col("few") & ((pl.col("source") == WHOLE_STREAM) | ~pl.col("stream_few")),
    )
    signs = pl.concat(
        [
            flags(told.filter("silent"), SILENT, {"last_event": iso(pl.col("last_event"))}),
            flags(
                told.filter("few"),
                FEW_EVENTS,
                {"received": pl.col("received"), "expected": pl.col("expected").round(0).cast(pl.Int64)},
            ),
        ]
    )
    return rows.select(*ROW, "last_event", "expected", "received", "share"), signs


def _paced(seen: Observed, limits: Limits) -> pl.DataFrame:
    """Return each source's pace in the look-back of each asked day, sources without an event included."""
    asked = seen.asked.select(*PLACE, "kind", "planned_s")
    past = seen.source_days.rename({"day": "past"}).join(
        seen.days.select("factory", past="day", past_kind="kind", past_planned_s="planned_s"),
        on=["factory", "past"],
        how="left",
    )
    back_days = (pl.col("day") - pl.col("past")).dt.total_days()
    within = asked.join(past, on="factory").filter(back_days.is_between(0, limits.look_back_days))
    today, alike = pl.col("past") == pl.col("day"), pl.col("past_kind") == pl.col("kind")
    earlier = pl.col("pace").filter(~today & alike)
    worked_s = pl.when((pl.col("kind") == WORK) & (pl.col("planned_s") > 0)).then("planned_s")
    past_s = pl.when(worked_s.is_not_null()).then("past_planned_s")
    span_s = (pl.col("first_event").max() - pl.col("first_event").min()).dt.total_seconds()
    paced = within.with_columns(
        worked_s=worked_s,
        pace=pl.when(worked_s.is_null())
        .then(pl.col("events").cast(pl.Float64))
        .otherwise(pl.col("events") / past_s),
    )
    paces = paced.group_by(ROW).agg(
        pl.col("last_event").max(),
        last_day=pl.col("past").max(),
        received=pl.col("events").filter(today).sum(),
        cadence_s=pl.col("cadence_s").median(),
        step_s=pl.when(pl.len() >= limits.learn_least_days).then(span_s / (pl.len() - 1)),
        usual_events=pl.when(earlier.count() >= limits.learn_least_days).then(
            earlier.median() * pl.col("worked_s").first().fill_null(1.0)
        ),
        working_days=(pl.col("past_kind") == WORK).sum(),
    )
    return (
        pl.concat([_known_sources(seen, paces), paces.select(ROW)])
        .unique()
        .join(paces, on=ROW, how="left")
        .with_columns(pl.col("received").fill_null(0), pl.col("working_days").fill_null(0))
    )


def _known_sources(seen: Observed, paces: pl.DataFrame) -> pl.DataFrame:
    """Return what the profile says there is: meters, and the machines of a factory that sends states."""
    asked = seen.asked.select(PLACE)
    alive = paces.filter(stream="states").select(PLACE).unique()
    return pl.concat(
        [
            asked.join(seen.meters, on=PLACE).select(*PLACE, stream=pl.lit(MEASURED), source="meter"),
            alive.join(seen.machines, on=PLACE).select(*PLACE, stream=pl.lit("states"), source="machine"),
        ]
    )


def _judged_sources(paces: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Add expected, share, silent and few to sources."""
    measured, machine = pl.col("stream") == MEASURED, pl.col("stream").is_in(BY_MACHINE)
    never = pl.col("last_event").is_null()
    age_s = (pl.col("end") - pl.col("last_event")).dt.total_seconds()
    gap_s = pl.coalesce("cadence_s", "step_s")
    learned = pl.col("working_days") >= limits.learn_least_days
    late = (
        pl.when(never)
        .then(~pl.col("new"))
        .when(measured)
        .then(age_s > pl.max_horizontal(limits.silent_h * HOUR_S, gap_s * limits.silent_gaps))
        .when(machine)
        .then(learned & (pl.col("missed_days") >= limits.silent_source_days))
        .otherwise(pl.lit(value=False))
    )
    length_s = (pl.col("end") - pl.col("start")).dt.total_seconds()
    judged = _with_missed_days(paces, seen).with_columns(
        silent=pl.when(measured & ~never & gap_s.is_null()).then(pl.lit(value=False)).otherwise(late),
        expected=pl.when(measured)
        .then(length_s / pl.col("cadence_s"))
        .when(machine)
        .then("usual_events")
        .round(3),
    )
    return judged.with_columns(share=_share()).with_columns(
        few=(measured & ~pl.col("silent") & (pl.col("share") < limits.few_measured_share)).fill_null(
            value=False
        )
    )


def _share() -> pl.Expr:
    share = pl.col("received") / pl.col("expected")
    return pl.when(pl.col("expected") > 0).then(share.clip(upper_bound=1.0))


def _with_missed_days(rows: pl.DataFrame, seen: Observed) -> pl.DataFrame:
    """Add the asked day's window, and how many working days have passed since the last event's day."""
    passed = seen.days.sort("factory", "day").with_columns(
        passed=(pl.col("kind") == WORK).cum_sum().over("factory")
    )
    now = passed.select(*PLACE, "start", "end", "new", "passed")
    then = passed.select("factory", last_day="day", passed_then="passed")
    return (
        rows.join(now, on=PLACE)
        .join(then, on=["factory", "last_day"], how="left")
        .with_columns(missed_days=pl.col("passed") - pl.col("passed_then").cast(pl.Int64))
    )


def _judged_streams(sources: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Sum sources up to streams and judge these; a declared stream without any source is a row too."""
    summed = sources.group_by(_STREAM).agg(
        pl.col("last_event").max(),
        pl.col("last_day").max(),
        pl.col("received").sum(),
        pl.col("working_days").max(),
        expected=pl.when(pl.col("expected").is_not_null().any()).then(_ordered_sum("expected")),
        all_silent=pl.col("silent").all(),
        all_few=(pl.col("silent") | pl.col("few")).all(),
    )
    declared = seen.asked.select(PLACE).join(seen.declared, on=PLACE).select(_STREAM)
    rows = pl.concat([declared, summed.select(_STREAM)]).unique().join(summed, on=_STREAM, how="left")
    whole = _with_missed_days(
        rows.with_columns(pl.col("received", "working_days").fill_null(0), source=pl.lit(WHOLE_STREAM)), seen
    ).with_columns(share=_share())
    return whole.with_columns(silent=_stream_silent(limits).fill_null(value=False)).select(
        *ROW, "last_event", "expected", "received", "share", "silent",
        few=(~pl.col("silent") & _stream_few(limits)).fill_null(value=False),
    )  # fmt: skip


def _ordered_sum(column: str) -> pl.Expr:
    return pl.col(column).sort().sum()


def _stream_silent(limits: Limits) -> pl.Expr:
    measured, machine = pl.col("stream") == MEASURED, pl.col("stream").is_in(BY_MACHINE)
    learned = pl.col("working_days") >= limits.learn_least_days
    age_s = (pl.col("end") - pl.col("last_event")).dt.total_seconds()
    return (
        pl.when(pl.col("last_event").is_null())
        .then(~pl.col("new"))
        .when(measured)
        .then(pl.col("all_silent"))
        .when(machine)
        .then(learned & (pl.col("missed_days") >= limits.silent_stream_days))
        .otherwise(learned & (age_s > limits.silent_sparse_days * _DAY_S))
    )


def _stream_few(limits: Limits) -> pl.Expr:
    enough = pl.col("expected") >= limits.few_least_expected
    reported = pl.col("stream").is_in(BY_MACHINE) & enough & (pl.col("share") < limits.few_reported_share)
    return pl.when(pl.col("stream") == MEASURED).then(pl.col("all_few")).otherwise(reported)


def source_column(stream: str) -> str | None:
    """Name the column that says whose a stream's events are; null: the factory's."""
    return {MEASURED: "meter", **dict.fromkeys(BY_MACHINE, "machine")}.get(stream)
