"""Tables whose rows are never replaced: a changed row is appended as a new version.

Belongs here: comparing computed rows with the newest versions. Does not belong here: computing them.
"""

from collections.abc import Sequence

import polars as pl


def newest(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Return the highest version of each key."""
    return rows.filter(pl.col("version") == pl.col("version").max().over(key))


def new_versions(computed: pl.DataFrame, stored: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Return the computed rows that no newest version equals, with the version that they get.

    Args:
        computed: rows without ``version``; a key may have several rows (they change together).
        stored: all versions of the keys, the columns of `computed` and ``version``.
        key: what has versions.
    """
    names, last = computed.columns, newest(stored, key)
    differing = pl.concat([
        computed.join(last, on=names, how="anti", nulls_equal=True).select(key),
        last.join(computed, on=names, how="anti", nulls_equal=True).select(key),
    ]).unique()  # fmt: skip
    numbers = last.select(*key, before="version").unique()
    return (
        computed.join(differing, on=key, how="semi")
        .join(numbers, on=key, how="left")
        .with_columns(version=(pl.col("before").fill_null(0) + 1).cast(pl.Int32))
        .drop("before")
    )
