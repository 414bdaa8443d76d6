"""Reading the liveness report back: what an operator sees of it, and what only the hub's engineer does.

Belongs here: which rows and columns a reader gets. Does not belong here: the report itself
(pipelines.jobs.liveness).
"""

from datetime import date

import polars as pl

from pipelines.domain.liveness.observed import WHOLE_STREAM
from pipelines.domain.liveness.report import ranked_factories
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.schemas.tables import LIVENESS


def operator_rows(night: Night, factory: str | None = None, day: date | None = None) -> pl.DataFrame:
    """Return what the operator may see, the most pressing factory first.

    Args:
        night: the cluster and its store.
        factory: only this one; null: all.
        day: the local date; null: the newest that was reported.

    Returns:
        `day, factory, stream, last_event, share, reasons` (codes of the stream and its sources, joined by ;;
        null: nothing to ask): no value, no meter or machine, no evidence.

    Raises:
        OperatorError: UNUSABLE_INPUT: nothing was reported of that factory or day.
    """
    rows = _rows(night, factory, day).drop("evidence")
    ranks = ranked_factories(rows, rows["day"][0]).with_row_index("rank").select("factory", "rank")
    whole = pl.col("source") == WHOLE_STREAM
    codes = pl.col("reasons").str.split(";").explode().drop_nulls().unique().sort().str.join(";")
    return (
        rows.group_by("day", "factory", "stream")
        .agg(
            pl.col("last_event").max(),
            pl.col("share").filter(whole).first(),
            reasons=pl.when(pl.col("reasons").is_not_null().any()).then(codes),
        )
        .join(ranks, on="factory")
        .sort("rank", "stream")
        .drop("rank")
    )


def evidence_rows(night: Night, factory: str | None = None, day: date | None = None) -> pl.DataFrame:
    """Return every source with a question and its evidence, highest score first: for the hub's engineer.

    Returns:
        `day, factory, stream, source, last_event, expected, received, share, reasons, score, evidence`.

    Raises:
        OperatorError: as `operator_rows`.
    """
    rows = _rows(night, factory, day).filter(pl.col("reasons").is_not_null()).drop("known_at")
    return rows.sort("score", "factory", "stream", "source", descending=[True, False, False, False])


def _rows(night: Night, factory: str | None, day: date | None) -> pl.DataFrame:
    table = night.store.open(LIVENESS).scan()
    if factory is not None:
        table = table.filter(pl.col("factory") == factory)
    asked = pl.lit(day) if day is not None else pl.col("day").max()
    rows = table.filter(pl.col("day") == asked).collect()
    if rows.is_empty():
        raise _nothing(night, factory, day)
    return rows


def _nothing(night: Night, factory: str | None, day: date | None) -> OperatorError:
    what = " ".join(str(part) for part in (factory, day) if part is not None) or night.cluster.cluster
    return OperatorError(
        f"Nothing was reported of {what} in {night.store.uri}: check --factory, --day and --cluster, or run"
        " the night first.",
        f"{night.store.uri}에 {what}의 보고가 없습니다. --factory, --day, --cluster를 확인하거나 야간 작업을"
        " 먼저 실행하세요.",
        ExitCode.UNUSABLE_INPUT,
    )
