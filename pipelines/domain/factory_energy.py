"""Energy of a factory, and of a machine with meters of its own, by the hour, from the facts of meters.

Belongs here: which meters roll up, what an import is, which hours may enter a published figure. Does not
belong here: how a meter's readings become hours (the facts) and what is made of the hours (daily elements,
KPIs, carbon).
"""

from collections.abc import Sequence

import polars as pl

from pipelines.domain.sums import exact_sum

UNPUBLISHABLE_QUALITIES = ("suspect", "estimated")
QUALITIES = ("measured", "interpolated", "estimated", "suspect")


def factory_hours(facts: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Roll the main electricity meters of each factory up to hours and unallocated gaps.

    Consumption is gross import: a negative hour of a bidirectional meter is an export and counts as zero,
    never against another hour or meter. A net register can't tell import from export inside one hour, so
    such an hour shows its net import at most.

    Args:
        facts: rows of facts_energy: ``factory, meter, carrier, allocation, start, end, quantity`` [kWh, null:
            not known], ``coverage`` [1], ``quality, status, day``.
        meters: ``factory, meter, carrier, parent``; ``parent`` null: a main meter. Sub-meters are not added.
            With ``profile_version`` each row holds only for the facts of that profile: needed where days of
            several profiles come together, for a meter may move in the tree.

    Returns:
        ``factory, day, allocation, start, end, energy_kwh`` [kWh; null: no main meter knows it],
        ``coverage`` (mean over the main meters; null of an unallocated gap), ``quality`` (the worst; null:
        nothing), ``status``; sorted by factory, allocation, start.
    """
    electricity = meters.filter(pl.col("carrier") == "electricity")
    columns = ["factory", "day", "allocation", "start", "end", "energy_kwh", "coverage", "quality", "status"]
    hours = metered_hours(facts, main_meters(electricity), ["factory"])
    return hours.rename({"imported": "energy_kwh"}).select(columns)


def main_meters(meters: pl.DataFrame) -> pl.DataFrame:
    """Return the meters that make up a factory's consumption of each carrier: those below no other."""
    return meters.filter(pl.col("parent").is_null())


def machine_meters(meters: pl.DataFrame) -> pl.DataFrame:
    """Return the meters that measure one machine alone: those of a machine, below no other meter of it.

    Args:
        meters: as of `factory_hours`, with ``machine`` (null: not of one machine).
    """
    place = [c for c in ("factory", "profile_version", "carrier") if c in meters.columns]
    of_machine = meters.filter(pl.col("machine").is_not_null())
    parents = meters.select(*place, above="meter", next="parent")
    owners = of_machine.select(*place, "machine", above="meter")
    line = of_machine.select(*place, "machine", "meter", above="parent").drop_nulls("above")
    contained = line.clear().select(*place, "meter")
    for _ in range(meters.height):  # no tree is deeper than it has meters
        within = line.join(owners, on=[*place, "machine", "above"], how="semi")
        contained = pl.concat([contained, within.select(contained.columns)])
        line = line.join(parents, on=[*place, "above"]).select(
            *place, "machine", "meter", above="next"
        ).drop_nulls("above")  # fmt: skip
        if line.is_empty():
            break
    return of_machine.join(contained, on=[*place, "meter"], how="anti")


def metered_hours(facts: pl.DataFrame, meters: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Add up meters that don't contain each other, by hour or gap.

    Args:
        facts: as of `factory_hours`; those of other meters are left out.
        meters: as of `factory_hours`: those that are added, with the columns `by`.
        by: whose they are: ``factory``, and perhaps ``machine, carrier``.

    Returns:
        `by`, ``day, allocation, start, end, imported`` and ``exported`` [the carrier's unit, never netted
        against each other; null: no meter knows it], ``coverage`` (mean over the meters; null of a gap),
        ``quality`` (the worst; null: nothing), ``status``; sorted by `by`, day, allocation, start.
    """
    place = [c for c in ("factory", "meter", "carrier", "profile_version") if c in meters.columns]
    rank = pl.col("quality").replace_strict(
        QUALITIES, range(len(QUALITIES)), return_dtype=pl.Int8, default=None
    )
    hour = pl.col("allocation") == "hour"
    amount = pl.col("quantity").cast(pl.Float64)
    keys = [*by, "day", "allocation", "start"]
    return (
        facts.join(meters.select(*dict.fromkeys([*place, *by])).unique(), on=place)
        .group_by(keys)
        .agg(
            pl.col("end").max(),
            imported=exact_sum(amount.clip(lower_bound=0.0)),
            exported=exact_sum((-amount).clip(lower_bound=0.0)),
            coverage=pl.when(hour.first()).then(exact_sum(pl.col("coverage").fill_null(0.0)) / pl.len()),
            quality=rank.max(),
            status=pl.when((pl.col("status") == "final").all())
            .then(pl.lit("final"))
            .otherwise(pl.lit("provisional")),
        )
        .with_columns(
            quality=pl.col("quality").replace_strict(
                range(len(QUALITIES)), QUALITIES, return_dtype=pl.String, default=None
            )
        )
        .sort(keys)
    )


def is_publishable() -> pl.Expr:
    """Say which rows may enter a published figure: not the suspect or estimated ones."""
    return ~pl.col("quality").is_in(UNPUBLISHABLE_QUALITIES).fill_null(value=False)
