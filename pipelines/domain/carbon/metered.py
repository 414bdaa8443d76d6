"""Activities that meters tell: gross import of each carrier by factory and calendar month.

Belongs here: which carriers are activities, adding hours up to months. Does not belong here: hours
(pipelines.domain.factory_energy), what an activity emits.
"""

import polars as pl

from pipelines.domain.carbon.entries import ENTRY_COLUMNS, ENTRY_SCHEMA, METER, USED
from pipelines.domain.factory_energy import main_meters, metered_hours
from pipelines.domain.sums import exact_sum
from pipelines.domain.units import CANONICAL_UNITS

# Under which name the factor tables know a carrier; what a meter calls natural gas is city gas in Korea.
_ACTIVITY = {
    "electricity": "electricity",
    "natural_gas": "natural_gas",
    "lpg": "lpg",
    "diesel": "diesel",
    "heat": "heat",
    "steam": "steam",
}
_ACTIVITY_OF_PLACE = {("natural_gas", "KR"): "city_gas_lng"}


def activity_of(carrier: str, geography: str) -> str | None:
    """Return the activity that a carrier is at a place; null: it emits nothing where it is used."""
    return _ACTIVITY_OF_PLACE.get((carrier, geography), _ACTIVITY.get(carrier))


def metered_activities(facts: pl.DataFrame, meters: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Add the hours and gaps of main meters up to months; what flowed back is netted against nothing.

    Args:
        facts: rows of facts_energy of whole months: ``factory, meter, carrier, profile_version, day,
            allocation, start, end, quantity, exported, coverage, quality, status``.
        meters: ``factory, meter, carrier, parent``, with ``profile_version``.
        places: ``factory, geography``.

    Returns:
        Rows of ENTRY_SCHEMA, one per factory, month and carrier, sorted: ``amount`` is gross import [the
        carrier's unit; null: nothing is known], `start` and `end` span the days that have facts,
        ``coverage`` is the mean of their hours, ``estimated_share`` the share of the amount that isn't
        measured (interpolated, estimated, suspect), ``quality`` the worst, ``status`` final if all days are.
    """
    hours = metered_hours(facts, main_meters(meters), ["factory", "carrier"]).join(places, on="factory")
    named = hours.with_columns(
        activity=pl.struct("carrier", "geography").map_elements(
            lambda row: activity_of(row["carrier"], row["geography"]), return_dtype=pl.String
        ),
        month=pl.col("day").dt.month_start(),
    ).drop_nulls("activity")
    hour = pl.col("allocation") == "hour"
    measured = (pl.col("quality") == "measured").fill_null(value=False)
    order = ["measured", "interpolated", "estimated", "suspect"]
    months = named.group_by("factory", "month", "carrier", "activity", "geography").agg(
        amount=exact_sum(pl.col("imported")),
        guessed=exact_sum(pl.col("imported").filter(~measured)),
        start=pl.col("day").min(),
        end=pl.col("day").max() + pl.duration(days=1),
        coverage=exact_sum(pl.col("coverage").fill_null(0.0).filter(hour)) / hour.sum(),
        quality=pl.col("quality").cast(pl.Enum(order)).max().cast(pl.String),
        status=pl.when((pl.col("status") == "final").all())
        .then(pl.lit("final"))
        .otherwise(pl.lit("provisional")),
    )
    rows = months.with_columns(
        activity_id=pl.format("meter-{}", "carrier"),
        source=pl.lit(METER),
        flow=pl.lit(USED),
        unit=pl.col("carrier").replace_strict(CANONICAL_UNITS, return_dtype=pl.String),
        estimated_share=pl.when(pl.col("amount") > 0).then(
            pl.col("guessed").fill_null(0.0) / pl.col("amount")
        ),
        withdrawn=pl.lit(False),
    )
    empty = [pl.lit(None, kind).alias(n) for n, kind in ENTRY_SCHEMA.items() if n not in rows.columns]
    return (
        rows.with_columns(empty)
        .select(ENTRY_COLUMNS)
        .cast(ENTRY_SCHEMA)
        .sort("factory", "month", "activity_id")
    )
