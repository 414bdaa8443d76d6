"""The data-liveness report: every sign of every source of the asked days, ranked.

Belongs here: putting the signs together, the rank. Does not belong here: a sign itself, the words of the
questions (pipelines.publish).
"""

from datetime import date

import polars as pl

from pipelines.domain.liveness.copies import copied_days, copied_factories
from pipelines.domain.liveness.deliveries import deliveries
from pipelines.domain.liveness.observed import REASONS, ROW, Limits, Observed
from pipelines.domain.liveness.patterns import (
    flat_lines,
    ghosts,
    metered_hours,
    no_shift_patterns,
    zero_runs,
)

REPORT_COLUMNS = (
    "day", "factory", "stream", "source", "last_event", "expected", "received", "share", "reasons", "score",
    "evidence",
)  # fmt: skip
_MISSING_WEIGHT = 10


def liveness_report(seen: Observed, limits: Limits) -> pl.DataFrame:
    """Judge every source and stream of the asked factory-days.

    Returns:
        REPORT_COLUMNS, sorted by day, factory, stream, source (`*`: the stream as a whole). `reasons`: codes,
        sorted, joined by `;`; null: nothing to ask. `score`: the rank, higher first: the sum of the reasons'
        weights, and for a row with a reason up to 10 for the missing share of its events. `evidence`:
        canonical JSON by reason, for the member's circle alone; null with reasons.
    """
    rows, arrived = deliveries(seen, limits)
    hours = metered_hours(seen)
    signs = pl.concat(
        [
            arrived,
            flat_lines(hours, seen, limits),
            zero_runs(hours, seen, limits),
            no_shift_patterns(hours, seen, limits),
            ghosts(hours, seen, limits),
            copied_days(seen, limits),
            copied_factories(seen, limits),
        ]
    )
    return _ranked(rows, signs, limits)


def _ranked(rows: pl.DataFrame, signs: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    weights = {reason: limits.weight(reason) for reason in REASONS}
    said = pl.concat_str(pl.lit('"'), "reason", pl.lit('":'), "evidence")
    asked = (
        signs.sort(*ROW, "reason")
        .group_by(ROW, maintain_order=True)
        .agg(
            reasons=pl.col("reason").str.join(";"),
            weight=pl.col("reason").replace_strict(weights, return_dtype=pl.Int64).sum(),
            said=said.str.join(","),
        )
        .with_columns(evidence=pl.concat_str(pl.lit("{"), "said", pl.lit("}")))
    )
    missing = (_MISSING_WEIGHT * (1 - pl.col("share").fill_null(1.0))).round(0).cast(pl.Int64)
    return (
        rows.join(asked, on=ROW, how="left")
        .with_columns(
            score=pl.when(pl.col("reasons").is_null()).then(0).otherwise(pl.col("weight") + missing)
        )
        .select(REPORT_COLUMNS)
        .with_columns(pl.col("score").cast(pl.Int64), pl.col("received").cast(pl.Int64))
        .sort("day", "factory", "stream", "source")
    )


def ranked_factories(report: pl.DataFrame, day: date) -> pl.DataFrame:
    """Rank the factories of a day: `factory, score` (sum over its rows), worst first, then by id."""
    of_day = report.filter(pl.col("day") == day)
    scores = of_day.group_by("factory").agg(pl.col("score").sum())
    return scores.sort("score", "factory", descending=[True, False])
