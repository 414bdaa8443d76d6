"""Reading KPIs back: what the nights computed for one subject and period.

Belongs here: which rows a question needs. Does not belong here: computing them (pipelines.jobs.kpis), how
they look (pipelines.publish.kpi_listing).
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl

from pipelines.connectors.exact_csv import write_whole
from pipelines.domain.kpis import MONTHS
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import KPIS

Period = Literal["day", "month", "rolling12"]
Subject = tuple[str, str]
SHOWN = (
    "day", "period", "level", "subject", "kpi", "definition_version", "value", "unit", "reason", "coverage",
    "numerator", "denominator", "product_class", "status",
)  # fmt: skip


def subject_of(factory: str | None, member: str | None, machine: str | None) -> Subject:
    """Return level and subject of exactly one of three options.

    Raises:
        OperatorError: UNUSABLE_INPUT: none or several were given.
    """
    level = "peer" if member is not None and "/" in member else "member"
    given = [(at, name) for at, name in (("factory", factory), (level, member), ("machine", machine)) if name]
    if len(given) != 1:
        raise _unusable(
            "Name one subject: --factory F, --member M, --member M/PROCESS or --machine F/M.",
            "--factory F, --member M, --member M/공정, --machine F/M 가운데 하나만 지정하세요.",
        )
    return given[0]


def read_kpis(
    night: Night, subject: Subject, period: Period, day: date | None, kpis: Sequence[str]
) -> pl.DataFrame:
    """Return the columns SHOWN of a subject's KPIs in one period, sorted by KPI and version.

    Args:
        night: opened for reading.
        subject: level and subject.
        period: day, month or rolling12.
        day: a date of the day or month; of rolling12: of its last month. Null: the newest that there is.
        kpis: ids; empty: all.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such KPI, or nothing was computed for the subject and period.
    """
    known = kpi_book().definitions
    for name in kpis:
        if name not in known:
            raise _unusable(
                f"--kpi {name}: no such KPI; name one of {', '.join(known)}.",
                f"--kpi {name}: 그런 KPI가 없습니다. 다음 중 하나를 쓰세요: {', '.join(known)}.",
            )
    level, name = subject
    own = night.store.open(KPIS).scan().filter(period=period, level=level, subject=name)
    if day is not None:
        own = own.filter(pl.col("day") == _first_date(day, period))
    if kpis:
        own = own.filter(pl.col("kpi").is_in(list(kpis)))
    rows = own.collect().filter(pl.col("day") == pl.col("day").max())
    if rows.is_empty():
        asked = f"{level} {name}, period {period}" + ("" if day is None else f", {day}")
        raise _unusable(
            f"The nights computed nothing for {asked}: check id, --period and --day.",
            f"{asked}에 대해 계산된 값이 없습니다. ID, --period, --day를 확인하세요.",
        )
    return rows.sort("kpi", "definition_version").select(SHOWN)


def write_kpis(rows: pl.DataFrame, out: Path) -> None:
    """Write rows of `read_kpis` as CSV, in full precision, whole or not at all.

    Raises:
        OperatorError: the file can't be written.
    """
    write_whole(out, rows.columns, rows.iter_rows())


def _first_date(day: date, period: Period) -> date:
    if period == "day":
        return day
    first = day.replace(day=1)
    if period == "month":
        return first
    month = first.year * MONTHS + first.month - MONTHS
    return date(month // MONTHS, month % MONTHS + 1, 1)


def _unusable(english: str, korean: str) -> OperatorError:
    return OperatorError(english, korean, ExitCode.UNUSABLE_INPUT)
