"""The one gate: which figures may leave the circle of the members that they come from.

Belongs here: contributions -> decision, and the one sentence for what is withheld. Does not belong here: what
a figure is (benchmarks) and what was published before (ledger). Internal reasons and the policy's parameters
appear in no published output.
"""

from typing import Final

import polars as pl

from pipelines.domain.cluster import DisclosurePolicy
from pipelines.domain.sums import exact_sum

# One sentence for all: which rule bit, and its threshold, would themselves give something away.
WITHHELD_SENTENCE: Final[dict[str, str]] = {
    "ko": "개별 참여기업의 값을 보호하기 위해 공개하지 않습니다.",
    "en": "Not shown, to protect the figures of single members.",
}

CELLS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "figure_id": pl.String(),
    "element": pl.String(),
    "holding": pl.String(),
    "contribution": pl.Float64(),
    "measured": pl.Boolean(),
}


def judge(cells: pl.DataFrame, policy: DisclosurePolicy) -> pl.DataFrame:
    """Decide for each figure whether it may be published.

    A figure passes if each of its elements (a total; numerator, denominator and, of a share, the complement)
    has enough contributing holdings. Contributors are holdings, never factories: rows of one holding are
    merged first. A holding contributes with a known amount other than zero: who is known to have nothing
    hides nobody. Estimated and suspect amounts never count.

    Args:
        cells: CELLS_SCHEMA: one row per figure, element and contribution [any unit; null: not known];
            ``measured`` false: estimated or suspect. A figure without contributors still has rows.
        policy: the cluster's limits.

    Returns:
        One row per figure, sorted: ``figure_id``, ``decision`` (publish or withhold), ``contributors``
        (holdings of the element that has the fewest; internal), ``internal_reason`` (null: published).
    """
    counted = pl.col("measured") & pl.col("contribution").is_not_null()
    # By size, so that a holding whose import and return cancel out still counts as one that has something.
    merged = cells.group_by("figure_id", "element", "holding").agg(
        size=exact_sum(pl.col("contribution").abs().filter(counted))
    )
    few = pl.col("contributors") < (policy.classes["A"].rules.min_contributors or 0)
    return (
        merged.group_by("figure_id", "element")
        .agg(contributors=(pl.col("size") > 0).sum().cast(pl.Int64))
        .group_by("figure_id")
        .agg(pl.col("contributors").min())
        .with_columns(
            decision=pl.when(few).then(pl.lit("withhold")).otherwise(pl.lit("publish")),
            internal_reason=pl.when(few).then(pl.lit("min_contributors")),
        )
        .select("figure_id", "decision", "contributors", "internal_reason")
        .sort("figure_id")
    )
