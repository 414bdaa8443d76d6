"""Months and years as options name them.

Belongs here: reading them. Does not belong here: the calendar (pipelines.domain.periods).
"""

from datetime import date, datetime
from typing import overload
from zoneinfo import ZoneInfo

from pipelines.domain.onramp import unusable
from pipelines.domain.periods import months_after


@overload
def month_of(option: str, text: str) -> date: ...
@overload
def month_of(option: str, text: str | None) -> date | None: ...
def month_of(option: str, text: str | None) -> date | None:
    """Read a month of an option, like 2025-11; null: it isn't given.

    Raises:
        OperatorError: UNUSABLE_INPUT: it is no month.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise unusable(
            f"{option} {text!r} is no month: write it like 2025-11",
            f"{option} {text!r}은(는) 월이 아닙니다. 2025-11처럼 쓰세요",
        ) from error


def period_of(period: str) -> tuple[date, date]:
    """Read a month (`2025-11`) or year (`2025`): its first local date and the first after it.

    Raises:
        OperatorError: UNUSABLE_INPUT: it is neither.
    """
    try:
        if len(period) == len("2025"):
            year = int(period)
            return date(year, 1, 1), date(year + 1, 1, 1)
        first = datetime.strptime(period, "%Y-%m").replace(tzinfo=ZoneInfo("UTC")).date()
    except ValueError as error:
        raise unusable(
            f"--period {period!r} is no period: write 2025-11 or 2025",
            f"--period {period!r}은(는) 기간이 아닙니다. 2025-11 또는 2025처럼 쓰세요",
        ) from error
    return first, months_after(first, 1)
