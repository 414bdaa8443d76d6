"""Values that nobody would expect of a running plant: flat lines, zero days, no shifts, ghosts.

Belongs here: the signs flat_line, zero_run, no_shift_pattern and ghost, from hourly facts. Does not belong
here: what arrived (deliveries), what equals something else (copies).

A meter that shows nothing while its machine runs is one of three, never two: a ghost if it has shown nothing
in all the look-back, a zero run if it has shown nothing all day, else a flat line.
"""

import polars as pl

from pipelines.domain.liveness.observed import (
    FLAT_LINE,
    GHOST,
    HOUR_S,
    MEASURED,
    NO_SHIFT_PATTERN,
    PLACE,
    ROW,
    ZERO_RUN,
    Limits,
    Observed,
    flags,
    iso,
    rounded,
)

_METER = ["factory", "meter"]
_FULL = 0.98 * HOUR_S


def metered_hours(seen: Observed) -> pl.DataFrame:
    """Join each meter's hours with what its machine (of a main meter: any machine) did in them.

    Returns:
        `factory, meter, carrier, parent, machine, day, start, value` (rounded amount; null: not known),
        `pbt_s, apt_s` (of the machine, or the most of any; null: no machine tells), sorted by meter, start.
    """
    hour = ["factory", "start"]
    own = seen.machine_hours.select(*hour, "machine", own_pbt_s="pbt_s", own_apt_s="apt_s")
    most = seen.machine_hours.group_by(hour).agg(
        most_pbt_s=pl.col("pbt_s").max(), most_apt_s=pl.col("apt_s").max()
    )
    has_machine = pl.col("machine").is_not_null()
    return (
        seen.amounts.select(*_METER, "day", "start", value=rounded(pl.col("quantity")))
        .join(seen.meters, on=[*_METER, "day"], how="left")
        .join(own, on=[*hour, "machine"], how="left")
        .join(most, on=hour, how="left")
        .with_columns(
            pbt_s=pl.when(has_machine).then("own_pbt_s").otherwise("most_pbt_s"),
            apt_s=pl.when(has_machine).then("own_apt_s").otherwise("most_apt_s"),
        )
        .sort(*_METER, "start")
    )


def flat_lines(hours: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Flag meters whose hourly amounts stay the same, to the last digit, for longer than is plausible.

    Judged are only meters whose amounts usually differ from hour to hour: a coarse one may well stand still.
    A run of zeros counts only while the machine runs.
    """
    in_window = [*_METER, "day"]
    back_days = (pl.col("day") - pl.col("hour_day")).dt.total_days()
    window = (
        seen.asked.select(PLACE)
        .join(_standing(hours, limits).rename({"day": "hour_day"}), on="factory")
        .filter(back_days.is_between(0, limits.flat_days))
        .sort(*in_window, "start")
    )
    follows = pl.col("start").diff().dt.total_microseconds() == HOUR_S * 1e6
    begins = (pl.col("value").ne_missing(pl.col("value").shift()) | ~follows).fill_null(value=True)
    in_run = [*in_window, "run"]
    told = (
        window.with_columns(run=begins.over(in_window).cum_sum())
        .filter(pl.col("value").is_not_null())
        .with_columns(
            run_h=pl.int_range(1, pl.len() + 1).over(in_run),
            running_h=(pl.col("apt_s") >= HOUR_S / 2).fill_null(value=False).cum_sum().over(in_run),
            since=pl.col("start").first().over(in_run),
        )
        .filter(pl.col("hour_day") == pl.col("day"))
    )
    telling = _telling_meters(hours, seen, limits)
    zero, no_states = pl.col("value") == 0, pl.col("apt_s").is_null()
    long = pl.col("running_h") >= limits.flat_running_h
    long_unknown = ~zero & no_states & (pl.col("run_h") >= limits.flat_unknown_h)
    longest = (
        told.filter(long | long_unknown)
        .join(telling, on=[*_METER, "day"])
        .filter(~zero | (pl.col("moved") & ~pl.col("all_zero")))
        .sort(*_METER, "day", "run_h", "start", descending=[False, False, False, True, False])
        .unique([*_METER, "day"], keep="first", maintain_order=True)
    )
    return flags(
        _as_rows(longest, MEASURED, "meter"),
        FLAT_LINE,
        {"from": iso(pl.col("since")), "hours": pl.col("run_h"), "zero": zero},
    )


def _standing(hours: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Keep the meters that repeat a value often enough at all, while something runs or nobody tells."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in (*_METER, "value"))
    may_run = (pl.col("apt_s") >= HOUR_S / 2).fill_null(value=True)
    often = (
        hours.filter(same & may_run).group_by(_METER).len().filter(pl.col("len") > limits.flat_running_h - 2)
    )
    return hours.join(often, on=_METER, how="semi", maintain_order="left")


def _telling_meters(hours: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Return the meters and asked days that a flat line can be told of, with `moved` and `all_zero`.

    moved: it has shown something in the look-back; all_zero: it shows nothing in all known hours of the day.
    """
    daily = hours.group_by(*_METER, "day").agg(
        values=pl.col("value").filter(pl.col("value") != 0).unique(),
        told=(pl.col("value") != 0).sum(),
        all_zero=(pl.col("value") == 0).all(),
    )
    asked = seen.asked.select(PLACE)
    past = daily.select(*_METER, "values", "told", past="day")
    back_days = (pl.col("day") - pl.col("past")).dt.total_days()
    back = asked.join(past, on="factory").filter(back_days.is_between(0, limits.look_back_days))
    usual = back.group_by(*_METER, "day").agg(
        distinct=pl.col("values").explode().drop_nulls().n_unique(), told=pl.col("told").sum()
    )
    return (
        usual.filter(
            pl.col("told") >= limits.flat_least_h,
            pl.col("distinct") >= limits.flat_distinct_share * pl.col("told"),
        )
        .join(daily.select(*_METER, "day", "all_zero"), on=[*_METER, "day"])
        .select(*_METER, "day", "all_zero", moved=pl.col("told") > 0)
    )


def zero_runs(hours: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Flag meters that show nothing all day, and counters that stand still, when they used to move.

    That is: on all earlier days of the same kind (work, rest) in the look-back, and there are enough of them.
    If machines tell states, the machine (of a main meter: any) must have run on the day.
    """
    machine = ["factory", "machine", "day"]
    ran = seen.machine_hours.group_by(machine).agg(_told_of("apt_s"))
    made = seen.output.group_by(machine).agg(_known_of("pq")).join(ran, on=machine, how="left")
    shown = hours.group_by(*_METER, "day").agg(*_known_of("value"), *_told_of("apt_s"))
    meters = _zero_days(shown.rename({"meter": "source"}), seen, limits.zero_least_h, limits)
    counters = _zero_days(
        made.rename({"machine": "source"}).with_columns(pl.col("tells", "ran").fill_null(value=False)),
        seen,
        1,
        limits,
    )
    said = {"hours": pl.col("known"), "days_before": pl.col("alike")}
    return pl.concat(
        [
            flags(meters.with_columns(stream=pl.lit(MEASURED)), ZERO_RUN, said),
            flags(counters.with_columns(stream=pl.lit("counts")), ZERO_RUN, said),
        ]
    )


def _known_of(value: str) -> list[pl.Expr]:
    known = pl.col(value).count().cast(pl.Int64).alias("known")
    return [known, (pl.col(value) != 0).any().alias("moved")]


def _told_of(apt_s: str) -> list[pl.Expr]:
    told = pl.col(apt_s)
    return [told.is_not_null().any().alias("tells"), (told.sum() >= HOUR_S).alias("ran")]


def _zero_days(daily: pl.DataFrame, seen: Observed, least_h: int, limits: Limits) -> pl.DataFrame:
    source = ["factory", "source"]
    kinds = seen.days.select(*PLACE, "kind")
    days = daily.filter(pl.col("known") > 0).join(kinds, on=PLACE)
    still = days.join(seen.asked.select(PLACE), on=PLACE, how="semi").filter(
        ~pl.col("moved"), pl.col("known") >= least_h, ~pl.col("tells") | pl.col("ran")
    )
    back_days = (pl.col("day") - pl.col("past")).dt.total_days()
    before = (
        still.select(*source, "day", "kind")
        .join(days.select(*source, "kind", past="day", past_moved="moved"), on=[*source, "kind"])
        .filter(back_days.is_between(1, limits.look_back_days))
        .group_by(*source, "day")
        .agg(alike=pl.len().cast(pl.Int64), moved_always=pl.col("past_moved").all())
        .filter(pl.col("alike") >= limits.zero_least_days, "moved_always")
    )
    return still.join(before, on=[*source, "day"])


def no_shift_patterns(hours: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Flag meters that show the same in planned as in unplanned time, on the day and on days before it.

    Judged are main electricity meters and meters of one machine, of factories with shifts and time outside
    them, on days on which the machine (of a main meter: any) ran for part of the planned time.
    """
    main = (pl.col("carrier") == "electricity") & pl.col("parent").is_null()
    planned = pl.col("pbt_s") >= HOUR_S
    inside, outside = pl.col("value").filter(planned), pl.col("value").filter(pl.col("pbt_s") == 0)
    daily = (
        hours.filter(main | pl.col("machine").is_not_null(), pl.col("value").is_not_null())
        .group_by(*_METER, "day")
        .agg(
            inside_h=inside.len(),
            outside_h=outside.len(),
            inside=inside.sort().sum(),
            outside=outside.sort().sum(),
            ran=pl.col("apt_s").filter(planned).sum()
            >= limits.shift_running_share * pl.col("pbt_s").filter(planned).sum(),
        )
        .filter(
            pl.col("inside_h") >= limits.shift_least_h, pl.col("outside_h") >= limits.shift_least_h, "ran"
        )
        .with_columns(alike=_alike(limits))
    )
    past = daily.select(*_METER, past="day", past_alike="alike")
    back_days = (pl.col("day") - pl.col("past")).dt.total_days()
    lasting = (
        daily.filter("alike")
        .join(seen.asked.select(PLACE), on=PLACE, how="semi")
        .join(past, on=_METER)
        .filter(back_days.is_between(0, limits.shift_days - 1))
        .sort(*_METER, "day", "past", descending=[False, False, False, True])
        .group_by(*_METER, "day", maintain_order=True)
        .agg(days=pl.col("past_alike").cum_prod().sum().cast(pl.Int64))
        .filter(pl.col("days") >= limits.shift_least_days)
    )
    return flags(_as_rows(lasting, MEASURED, "meter"), NO_SHIFT_PATTERN, {"days": pl.col("days")})


def _alike(limits: Limits) -> pl.Expr:
    """Say whether the mean hour of planned time is that of unplanned time, and more than nothing."""
    planned, unplanned = pl.col("inside") / pl.col("inside_h"), pl.col("outside") / pl.col("outside_h")
    larger = pl.max_horizontal(planned, unplanned)
    return (larger > 0) & ((planned - unplanned).abs() <= limits.shift_difference * larger)


def ghosts(hours: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Flag sources that no profile names, and machines that work while their meter never showed anything."""
    return pl.concat([_strangers(seen), _without_energy(hours, seen, limits)])


def _strangers(seen: Observed) -> pl.DataFrame:
    """Flag meters and machines that send and are in no profile of a factory that has one."""
    named = pl.concat(
        [
            seen.meters.select(*PLACE, stream=pl.lit(MEASURED), source="meter"),
            *(
                seen.machines.select(*PLACE, stream=pl.lit(stream), source="machine")
                for stream in ("states", "counts")
            ),
        ]
    ).unique()
    with_profile = pl.concat([seen.meters.select(PLACE), seen.machines.select(PLACE)]).unique()
    sent = seen.source_days.filter(pl.col("stream").is_in([MEASURED, "states", "counts"]))
    strange = (
        sent.join(seen.asked.select(PLACE), on=PLACE, how="semi")
        .join(with_profile, on=PLACE, how="semi")
        .join(named, on=ROW, how="anti")
    )
    return flags(strange, GHOST, {"in_profile": pl.lit(value=False), "events": pl.col("events")})


def _without_energy(hours: pl.DataFrame, seen: Observed, limits: Limits) -> pl.DataFrame:
    """Flag machines that work on an asked day, and whose own meter showed nothing in all the look-back."""
    known = hours.filter(pl.col("machine").is_not_null(), pl.col("value").is_not_null())
    daily = known.group_by(*_METER, "day").agg(shown=(pl.col("value") != 0).any())
    back_days = (pl.col("day") - pl.col("past")).dt.total_days()
    asked = daily.join(seen.asked.select(PLACE), on=PLACE, how="semi").select(*_METER, "day")
    moved = asked.join(daily.filter("shown").select(*_METER, past="day"), on=_METER).filter(
        back_days.is_between(0, limits.look_back_days)
    )
    empty = asked.join(moved, on=[*_METER, "day"], how="anti")
    hour = ["factory", "machine", "start"]
    counted = (
        seen.output.filter(pl.col("pq") > 0).select(hour).unique().with_columns(counted=pl.lit(value=True))
    )
    runs = pl.col("apt_s") >= _FULL
    rows = (
        known.join(empty, on=[*_METER, "day"], how="semi")
        .join(counted, on=hour, how="left")
        .group_by(*_METER, "machine", "day")
        .agg(
            works_h=(runs | pl.col("counted")).sum().cast(pl.Int64),
            stream=pl.when(runs.any()).then(pl.lit("states")).otherwise(pl.lit("counts")),
        )
        .filter(pl.col("works_h") >= limits.ghost_running_h)
        .with_columns(source="machine")
    )
    return flags(rows, GHOST, {"hours": pl.col("works_h"), "meter": pl.col("meter")})


def _as_rows(rows: pl.DataFrame, stream: str, source: str) -> pl.DataFrame:
    return rows.with_columns(stream=pl.lit(stream), source=pl.col(source))
