"""What a policy costs: figures that would be withheld, by internal reason, and how many holdings they lose.

Belongs here: counting the outcomes of judged nights. Does not belong here: judging (releasing), which periods
a night judges and where the counts go (pipelines.jobs.policy_check).

Internal reasons and exact counts of holdings are confidential: nothing of this enters a published output.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

import polars as pl

from pipelines.domain.disclosure.exposure import SealedFigure

CHECKED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "night": pl.Date(),
    "figure_id": pl.String(),
    "breakdown": pl.String(),
    "group": pl.String(),
    "kpi": pl.String(),
    "definition_version": pl.String(),
    "period": pl.String(),
    "period_start": pl.Date(),
    "statistic": pl.String(),
    "status": pl.String(),
    "reasons": pl.String(),
    "holdings": pl.Int64(),
}
_COUNTS: Final = {
    "figures": pl.len(),
    "published": (pl.col("status") == "published").sum(),
    "withheld": (pl.col("status") == "withheld").sum(),
    "weight": pl.col("holdings").sum(),
    "weight_lost": pl.col("holdings").filter(pl.col("status") == "withheld").sum(),
}


def checked_figures(night: date, figures: pl.DataFrame, sealed: Iterable[SealedFigure]) -> pl.DataFrame:
    """Join a night's figures with why they were withheld.

    Args:
        night: local date of the night.
        figures: FIGURE_SCHEMA.
        sealed: the inputs of the night's decisions.

    Returns:
        CHECKED_SCHEMA, by figure_id. ``reasons`` are codes joined by `;`, null: none; ``holdings`` that
        contribute, null where no decision was sealed.
    """
    decided = [(s.figure_id, ";".join(s.reasons) or None, s.holdings) for s in sealed]
    why = pl.DataFrame(
        decided, {"figure_id": pl.String, "reasons": pl.String, "holdings": pl.Int64}, orient="row"
    )
    return (
        figures.with_columns(night=pl.lit(night))
        .join(why, on="figure_id", how="left")
        .select(pl.col(name).cast(kind) for name, kind in CHECKED_SCHEMA.items())
        .sort("figure_id")
    )


def losses(checked: pl.DataFrame) -> pl.DataFrame:
    """Count what is lost per KPI, breakdown and period; of a figure of several nights its last state counts.

    Args:
        checked: CHECKED_SCHEMA, of all nights.

    Returns:
        ``kpi, breakdown, period, figures, published, withheld, weight, weight_lost, reasons``, sorted:
        ``weight`` sums the contributing holdings of all figures, ``weight_lost`` those of withheld ones;
        ``reasons`` says how many figures each kept back, such as `dominance 2, secondary 1` (a figure may
        have several), null: none.
    """
    keys = ["kpi", "breakdown", "period"]
    last = checked.sort("night").unique("figure_id", keep="last", maintain_order=True)
    return (
        last.group_by(keys)
        .agg(**_COUNTS)
        .join(_reasons(last, keys), on=keys, how="left", nulls_equal=True)
        .sort(keys)
    )


def night_totals(checked: pl.DataFrame) -> pl.DataFrame:
    """Count what each night judged, whatever later nights said of the same figures.

    Returns:
        ``night, figures, published, withheld, weight, weight_lost, reasons`` as in `losses`, by night.
    """
    counted = checked.group_by("night").agg(**_COUNTS)
    return counted.join(_reasons(checked, ["night"]), on="night", how="left").sort("night")


def _reasons(checked: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Say how many withheld figures have each reason, most frequent first."""
    withheld = checked.filter(pl.col("status") == "withheld").drop_nulls("reasons")
    each = withheld.with_columns(pl.col("reasons").str.split(";")).explode("reasons")
    counted = each.group_by(*keys, "reasons").len().sort("len", "reasons", descending=[True, False])
    words = pl.concat_str("reasons", pl.lit(" "), pl.col("len").cast(pl.String))
    return counted.group_by(keys, maintain_order=True).agg(reasons=words.str.join(", "))
