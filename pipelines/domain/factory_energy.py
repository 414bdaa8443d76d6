"""Electricity of a factory by the hour, from the facts of its main meters.

Belongs here: which meters roll up, what an import is, which hours may enter a published figure. Does not
belong here: how a meter's readings become hours (the facts) and what is made of the hours (KPIs, carbon).
"""

import polars as pl

from pipelines.domain.sums import exact_sum

UNPUBLISHABLE_QUALITIES = ("suspect", "estimated")
_QUALITY_ORDER = ("measured", "interpolated", "estimated", "suspect")


def factory_hours(facts: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Roll the main electricity meters of each factory up to hours and unallocated gaps.

    Consumption is gross import, export stands apart, and neither is netted against the other: not within an
    hour, not against another hour or meter. A reading that is itself a net can't tell import from export
    inside its own time, so it shows its net at most.

    Args:
        facts: rows of facts_energy: ``factory, meter, carrier, allocation, start, end, quantity`` [kWh, null:
            not known], ``exported`` [kWh; null, or no such column: nothing is known to have flowed back
            beyond a negative quantity], ``coverage`` [1], ``quality, status, day``.
        meters: ``factory, meter, carrier, parent``; ``parent`` null: a main meter. Sub-meters are not added.
            With ``profile_version`` each row holds only for the facts of that profile: needed where days of
            several profiles come together, for a meter may move in the tree.

    Returns:
        ``factory, day, allocation, start, end, energy_kwh`` [import, kWh; null: no main meter knows it],
        ``export_kwh`` [kWh; null: no main meter measures both ways, or none of these knows it],
        ``coverage`` (mean over the main meters; null of an unallocated gap), ``quality`` (the worst; null:
        nothing), ``status``; sorted by factory, allocation, start.
    """
    main = meters.filter((pl.col("carrier") == "electricity") & pl.col("parent").is_null())
    place = [c for c in ("factory", "meter", "profile_version") if c in meters.columns]
    rank = pl.col("quality").replace_strict(
        _QUALITY_ORDER, range(len(_QUALITY_ORDER)), return_dtype=pl.Int8, default=None
    )
    hour = pl.col("allocation") == "hour"
    exported = pl.col("exported") if "exported" in facts.columns else pl.lit(None, pl.Float64)
    imported = (pl.col("quantity").cast(pl.Float64) + exported.fill_null(0.0)).clip(lower_bound=0.0)
    return (
        facts.filter(pl.col("carrier") == "electricity")
        .join(main, on=place, how="semi")
        .group_by("factory", "day", "allocation", "start")
        .agg(
            pl.col("end").max(),
            energy_kwh=exact_sum(imported),
            export_kwh=exact_sum(exported),
            coverage=pl.when(hour.first()).then(exact_sum(pl.col("coverage").fill_null(0.0)) / pl.len()),
            quality=rank.max(),
            status=pl.when((pl.col("status") == "final").all())
            .then(pl.lit("final"))
            .otherwise(pl.lit("provisional")),
        )
        .with_columns(
            quality=pl.col("quality").replace_strict(
                range(len(_QUALITY_ORDER)), _QUALITY_ORDER, return_dtype=pl.String, default=None
            )
        )
        .sort("factory", "day", "allocation", "start")
    )


def is_publishable() -> pl.Expr:
    """Say which rows may enter a published figure: not the suspect or estimated ones."""
    return ~pl.col("quality").is_in(UNPUBLISHABLE_QUALITIES).fill_null(value=False)
