"""Copies: a day that repeats another day of its source, or that of another factory's source.

Belongs here: the signs copied_day and copied_factory. Does not belong here: values that stand still or follow
no shift (pipelines.domain.liveness.patterns).

A day is compared by its hourly amounts (of machines: its hourly running seconds), so a register that was
shifted by a constant is the same as one that was not, and a day scaled by a factor other than 1 is another
day. Hours that say too little (few digits, nothing or all of the hour running, a value that many sources
share) are no evidence. Days are matched by joining on (hour of the day, value): nothing is compared in pairs
that doesn't have an equal hour to begin with.
"""

import polars as pl

from pipelines.domain.liveness.observed import (
    COPIED_DAY,
    COPIED_FACTORY,
    HOUR_S,
    MEASURED,
    PLACE,
    ROW,
    Limits,
    Observed,
    flags,
    rounded,
)

_HOUR = ["stream", "hour", "value"]


def copied_days(seen: Observed, limits: Limits) -> pl.DataFrame:
    """Flag the days whose informative hours are those of an earlier day of the same source."""
    hours = telling_hours(seen, limits)
    asked = hours.join(seen.asked.select(PLACE), on=PLACE, how="semi")
    earlier = hours.select("factory", "source", *_HOUR, of="day")
    pairs = asked.join(earlier, on=["factory", "source", *_HOUR]).filter(_within("of", limits, least=1))
    best = (
        _matches(pairs, [*ROW, "of"], hours, limits)
        .sort("hours", "of", descending=True)
        .unique(ROW, keep="first", maintain_order=True)
    )
    return flags(
        best,
        COPIED_DAY,
        {"of": pl.col("of").cast(pl.String), "hours": pl.col("hours"), "of_hours": pl.col("told")},
    )


def copied_factories(seen: Observed, limits: Limits) -> pl.DataFrame:
    """Flag the days whose informative hours are those of another factory's, the same day or earlier.

    Which of two equal same days is the copy, nobody can see from them. Asked is the one that fits its own
    past days less (share by which its total differs from the median of the days that are no copies); both,
    where that doesn't tell. The evidence names no factory and no value of the other.
    """
    hours = telling_hours(seen, limits)
    crowded = hours.with_columns(crowd=pl.len().over([*_HOUR, "day"]))
    rare = crowded.filter(pl.col("crowd") <= limits.copied_most_sources)
    others = rare.select(*_HOUR, other="factory", other_source="source", of="day")
    elsewhere = pl.col("factory") != pl.col("other")
    pair = [*ROW, "other", "other_source", "of"]
    alike = rare.filter(pl.col("crowd") > 1)
    twins = alike.join(others, left_on=[*_HOUR, "day"], right_on=[*_HOUR, "of"]).filter(elsewhere)
    asked = rare.join(seen.asked.select(PLACE), on=PLACE, how="semi")
    echoes = asked.join(others, on=_HOUR).filter(elsewhere, _within("of", limits, least=1))
    matched = pl.concat(
        [
            _blamed(_matches(twins.with_columns(of="day"), pair, hours, limits), hours, limits).join(
                seen.asked.select(PLACE), on=PLACE, how="semi"
            ),
            _matches(echoes, pair, hours, limits),
        ]
    )
    best = matched.sort("hours", "of", descending=True).unique(ROW, keep="first", maintain_order=True)
    same_day = pl.col("of") == pl.col("day")
    return flags(
        best,
        COPIED_FACTORY,
        {"hours": pl.col("hours"), "of_hours": pl.col("told"), "same_day": same_day},
    )


def telling_hours(seen: Observed, limits: Limits) -> pl.DataFrame:
    """Return the hours that can tell days apart: factory, source, day, stream, hour (of the day), value."""
    amounts = seen.amounts.select(
        "factory", "day", "start", source="meter", stream=pl.lit(MEASURED), value=rounded(pl.col("quantity"))
    ).filter(_digits(pl.col("value")) >= limits.copied_least_digits)
    running = seen.machine_hours.select(
        "factory", "day", "start", source="machine", stream=pl.lit("states"), value=pl.col("apt_s").round(0)
    ).filter(pl.col("value").is_between(0, HOUR_S, closed="none"))
    begin = seen.days.select(*PLACE, begin="start")
    return (
        pl.concat([amounts, running])
        .join(begin, on=PLACE)
        .select(*ROW, "value", hour=(pl.col("start") - pl.col("begin")).dt.total_hours())
    )


def _digits(value: pl.Expr) -> pl.Expr:
    """Count the digits of a value between its first and its last that isn't zero; 0 of zero and of null."""
    text = value.abs().round(6).cast(pl.Decimal(38, 6)).cast(pl.String)
    return text.str.replace(".", "", literal=True).str.strip_chars("0").str.len_chars().fill_null(0)


def _within(past: str, limits: Limits, least: int) -> pl.Expr:
    back_days = (pl.col("day") - pl.col(past)).dt.total_days()
    return back_days.is_between(least, limits.look_back_days)


def _matches(pairs: pl.DataFrame, by: list[str], hours: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Count equal hours by pair of days and keep the pairs that are copies."""
    told = hours.group_by(ROW).agg(told=pl.len().cast(pl.Int64))
    least_h = (
        pl.when(pl.col("stream") == MEASURED)
        .then(limits.copied_least_h)
        .otherwise(limits.copied_least_states_h)
    )
    return (
        pairs.group_by(by)
        .agg(hours=pl.col("hour").n_unique().cast(pl.Int64), distinct=pl.col("value").n_unique())
        .join(told, on=ROW)
        .filter(
            pl.col("distinct") >= least_h,
            pl.col("hours") >= limits.copied_share * pl.col("told"),
        )
    )


def _blamed(twins: pl.DataFrame, hours: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Leave out the side of each pair of equal same days that fits its own past better than the other."""
    sides = twins.select(*ROW).unique()
    totals = hours.group_by(ROW).agg(total=pl.col("value").sort().sum())
    past = totals.join(sides, on=ROW, how="anti").rename({"day": "past", "total": "past_total"})
    odd = (
        sides.join(totals, on=ROW)
        .join(past, on=["factory", "stream", "source"])
        .filter(_within("past", limits, least=1))
        .group_by(ROW)
        .agg(odd=(pl.col("total").first() / pl.col("past_total").median() - 1).abs())
    )
    theirs = odd.select("day", "stream", other="factory", other_source="source", other_odd="odd")
    better = (pl.col("odd") < pl.col("other_odd")).fill_null(value=False)
    return (
        twins.join(odd, on=ROW, how="left")
        .join(theirs, on=["day", "stream", "other", "other_source"], how="left")
        .filter(~better)
        .select(twins.columns)
    )
