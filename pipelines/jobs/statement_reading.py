"""Reading statements back: every version stays as it was made.

Belongs here: looking up statements and chains. Does not belong here: making them (carbon).
"""

from typing import Literal

import polars as pl

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.jobs.versions import newest
from pipelines.schemas.tables import EMISSION_STATEMENTS, RESTATEMENTS, Table

_LISTED = (
    "statement_id", "version", "scope", "method", "gwp_set", "co2e_kg", "estimated_co2e_kg",
    "uncertainty_low_pct", "uncertainty_high_pct", "coverage", "provisional", "reason", "cause", "note",
    "known_at",
)  # fmt: skip


def listed(night: Night, level: str | None, subject: str | None) -> pl.DataFrame:
    """Return the newest versions of statements, the columns that tell them apart, by key."""
    rows = night.store.open(EMISSION_STATEMENTS).scan().collect()
    for column, wanted in (("level", level), ("subject", subject)):
        rows = rows if wanted is None else rows.filter(pl.col(column) == wanted)
    return newest(rows, ["statement_id"]).sort(EMISSION_STATEMENTS.key).select(_LISTED)


def shown(
    night: Night, statement_id: str, version: int | None, part: Literal["sums", "chain"]
) -> pl.DataFrame:
    """Return the rows of a version of a statement (null: the newest), or of its chain, by key.

    Raises:
        OperatorError: UNUSABLE_INPUT: there is no such statement or version.
    """
    sums = _of(night, EMISSION_STATEMENTS, statement_id)
    known = sums["version"].to_list()
    wanted = max(known, default=1) if version is None else version
    if wanted not in known:
        raise OperatorError(
            f"{statement_id}, version {wanted}: there is none; `digital-cluster statements list` lists them.",
            f"{statement_id} 버전 {wanted}: 없습니다. `digital-cluster statements list`로 확인하세요.",
            ExitCode.UNUSABLE_INPUT,
        )
    rows = sums if part == "sums" else _of(night, RESTATEMENTS, statement_id)
    return rows.filter(pl.col("version") == wanted)


def _of(night: Night, table: Table, statement_id: str) -> pl.DataFrame:
    rows = night.store.open(table).scan().filter(pl.col("statement_id") == statement_id).collect()
    return rows.select(table.schema.names).sort(table.key)
