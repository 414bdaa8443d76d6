"""A sample of meter-hours for a verifier, and the readings from which each of them follows.

Belongs here: which hours are drawn, which readings an hour needs. Does not belong here: the arithmetic of
hours (pipelines.domain.meters), files.
"""

import hashlib

import polars as pl

_METER = ("factory", "meter", "carrier")
_AT_INSTANTS = ("register", "power")
_BY_MASTER = 2**63 - 1


def sampled_hours(hours: pl.DataFrame, seed: int, per_meter: int) -> pl.DataFrame:
    """Draw hours of each meter: stratified by meter, each hour of a meter as likely as any other.

    The order in which hours are drawn is that of the SHA-256 of seed, meter and hour: it depends on nothing
    but these, so anybody can draw the same sample again.

    Args:
        hours: rows of facts_energy: ``factory, meter, carrier, allocation, start, quantity`` and others.
        seed: any number.
        per_meter: how many of each meter; all, if it has fewer.

    Returns:
        Rows of `hours` with a known quantity, sorted by factory, meter, carrier, start.
    """
    known = hours.filter(pl.col("allocation") == "hour", pl.col("quantity").is_not_null())
    drawn = [
        hashlib.sha256(f"{seed}/{factory}/{meter}/{carrier}/{start:%Y-%m-%dT%H:%M:%SZ}".encode()).hexdigest()
        for factory, meter, carrier, start in known.select(*_METER, "start").iter_rows()
    ]
    ranked = known.with_columns(drawn=pl.Series(drawn, dtype=pl.String)).sort(*_METER, "drawn")
    return ranked.filter(pl.int_range(pl.len()).over(_METER) < per_meter).drop("drawn").sort(*_METER, "start")


def readings_of_hours(readings: pl.DataFrame, hours: pl.DataFrame) -> pl.DataFrame:
    """Return the readings from which hours follow.

    Args:
        readings: rows of raw_energy: ``factory, meter, kind, stamp, length_s, at`` and others.
        hours: ``factory, meter, carrier, start, end``, as of `sampled_hours`.

    Returns:
        ``hour_start`` and the columns of `readings`, sorted by factory, meter, hour_start, kind, at: of
        registers and power those within the hour and the nearest on both sides, of intervals and mean powers
        those that overlap it; duplicates too.
    """
    parts = [readings.clear().select(pl.col("at").alias("hour_start"), pl.all())]
    for factory, meter, start, end in hours.select("factory", "meter", "start", "end").iter_rows():
        own = readings.filter(factory=factory, meter=meter)
        instants = own.filter(pl.col("kind").is_in(_AT_INSTANTS))
        lower = pl.col("at").filter(pl.col("at") <= start).max().over("kind")
        upper = pl.col("at").filter(pl.col("at") >= end).min().over("kind")
        near = instants.filter(
            pl.col("at") >= pl.coalesce(lower, pl.lit(start)), pl.col("at") <= pl.coalesce(upper, pl.lit(end))
        )
        length = pl.duration(seconds="length_s")
        begin = pl.when(pl.col("stamp") == "end").then(pl.col("at") - length).otherwise("at")
        spans = own.filter(~pl.col("kind").is_in(_AT_INSTANTS), begin < end, begin + length > start)
        hour = pl.lit(start, readings.schema["at"]).alias("hour_start")
        parts.append(pl.concat([near, spans]).select(hour, pl.all()))
    return pl.concat(parts).sort("factory", "meter", "hour_start", "kind", "at")


def with_devices(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Say of each reading which device of its meter it is of, and add the values of the master data.

    Args:
        readings: rows of raw_energy.
        meters: ``factory, meter, carrier, unit, valid_from, valid_to, opening_value, closing_value``; an
            exchanged meter has several rows. Rows may repeat.

    Returns:
        The columns of `readings` and ``device`` (from 1, one more from each `valid_from` on), with a register
        for each opening and closing value: these have the highest sequence, and no offset.
    """
    parts = [readings.with_columns(closes=pl.lit(value=False))]
    for instant, value in (("valid_from", "opening_value"), ("valid_to", "closing_value")):
        told = meters.filter(pl.col(value).is_not_null(), pl.col(instant).is_not_null())
        known = told.select(
            "factory", "meter", "carrier", "unit", at=instant, value=value, kind=pl.lit("register"),
            stamp=pl.lit("instant"), sequence=pl.lit(_BY_MASTER, pl.Int64),
            closes=pl.lit(instant == "valid_to"),
        )  # fmt: skip
        parts.append(known.unique())
    rows = pl.concat(parts, how="diagonal").with_row_index("row")
    begins = meters.select("factory", "meter", "valid_from").drop_nulls().unique()
    begun = (pl.col("valid_from") < pl.col("at")) | (
        (pl.col("valid_from") == pl.col("at")) & ~pl.col("closes")
    )
    first = meters.filter(pl.col("valid_from").is_null()).select("factory", "meter").unique()
    later = rows.join(begins, on=["factory", "meter"]).filter(begun).group_by("row").agg(begun=pl.len())
    before = rows.join(first, on=["factory", "meter"], how="semi").select("row", before=pl.lit(1))
    numbered = rows.join(later, on="row", how="left").join(before, on="row", how="left").sort("row")
    device = pl.col("begun").fill_null(0) + pl.col("before").fill_null(0)
    return numbered.with_columns(device=device.cast(pl.Int32)).select(*readings.columns, "device")
