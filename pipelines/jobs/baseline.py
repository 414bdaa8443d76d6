"""The stored baseline: what a programme is measured against.

Belongs here: the commits of the table baselines, and reading it. Does not belong here: the comparison
(pipelines.domain.baseline).
"""

import polars as pl

from pipelines.connectors.store import OpenTable

_SUBJECT = ["level", "subject"]


def latest_baselines(table: OpenTable) -> pl.DataFrame:
    """Return the rows of each subject's newest revision (columns of BASELINES, sorted by key)."""
    rows = table.scan().collect()
    newest = pl.col("revision") == pl.col("revision").max().over(_SUBJECT)
    return rows.filter(newest).sort(table.table.key)
