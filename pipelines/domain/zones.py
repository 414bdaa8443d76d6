"""Which local date an instant has: calendar days are those of the factory's zone at that time.

Belongs here: zones by factory and time. Does not belong here: hours and shifts (pipelines.domain.calendar).
"""

import polars as pl


def local_days(events: pl.DataFrame, zones: pl.DataFrame) -> pl.Series:
    """Return the local date of each event, in the order of `events`.

    Args:
        events: `factory`, `at` [us, UTC].
        zones: `factory`, `valid_from` [us, UTC], `zone` (IANA): the zone from then on; before a factory's
            first entry that entry holds too.

    Returns:
        Series `day` of dates.

    Raises:
        ValueError: a factory has no zone.
    """
    concerned = events["factory"].unique()
    known = zones.filter(pl.col("factory").is_in(concerned.implode()))
    names = known["zone"].unique()
    if len(names) == 1 and known["factory"].n_unique() == len(concerned):
        # Most often: one zone for all, whenever; no event need be looked up in time.
        return events.select(day=_local_day(names[0]))["day"]
    numbered = events.select("factory", "at").with_row_index("row")
    first = zones.sort("valid_from").group_by("factory").first().select("factory", first_zone="zone")
    placed = (
        numbered.sort("at")
        .join_asof(
            zones.select("factory", "valid_from", "zone").sort("valid_from"),
            left_on="at",
            right_on="valid_from",
            by="factory",
            strategy="backward",
            check_sortedness=False,  # sorted above; Polars can't check within groups and would warn
        )
        .join(first, on="factory", how="left")
        .with_columns(zone=pl.coalesce("zone", "first_zone"))
    )
    without = placed.filter(pl.col("zone").is_null())["factory"].unique().sort().to_list()
    if without:
        raise ValueError(f"no zone is known for {', '.join(without)}")
    parts = [part.with_columns(day=_local_day(part["zone"][0])) for part in placed.partition_by("zone")]
    if not parts:
        return pl.Series("day", [], dtype=pl.Date)
    return pl.concat(parts).sort("row")["day"]


def _local_day(zone: str) -> pl.Expr:
    return pl.col("at").dt.convert_time_zone(zone).dt.date()
