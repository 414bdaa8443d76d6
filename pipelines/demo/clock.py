"""The demo's time: its epoch, its default clock, its days, and random numbers that belong to a day.

Belongs here: dates, instants and seeds of the simulation. Does not belong here: what happens on a day.
"""

import hashlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from pipelines.domain.outcomes import ExitCode, OperatorError

EPOCH = date(2025, 10, 27)
DEFAULT_AS_OF = datetime(2025, 11, 11, 3, tzinfo=ZoneInfo("Asia/Seoul"))
DEFAULT_SEED = 20251027
CLOSED_DAYS = 8
DAY_MIN = 1440
DAY_S = 86_400
_US = 1_000_000


def generator(seed: int, *key: object) -> np.random.Generator:
    """Return the random numbers of one purpose: they depend on the key alone, not on what else was drawn."""
    digest = hashlib.sha256("/".join(str(part) for part in (seed, *key)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def day_index(day: date) -> int:
    """Return how many days after the epoch a day is."""
    return (day - EPOCH).days


def day_start_us(day: date, zone: str) -> int:
    """Return a local midnight in microseconds since 1970 (UTC).

    Raises:
        OperatorError: the day has not 24 hours; the simulated plants know no summer time.
    """
    local = ZoneInfo(zone)
    start, end = (
        datetime(d.year, d.month, d.day, tzinfo=local).astimezone(UTC) for d in (day, day + timedelta(days=1))
    )
    if end - start != timedelta(days=1):
        raise OperatorError(
            f"the demo cannot simulate {day} in {zone}: it has not 24 hours; "
            "choose a zone without summer time",
            f"데모는 {zone}의 {day}을(를) 만들 수 없습니다: 24시간이 아닙니다. "
            "서머타임이 없는 시간대를 쓰십시오",
            ExitCode.SETTINGS,
        )
    return int(start.timestamp()) * _US


def demo_days(as_of: datetime, zone: str, closed_days: int = CLOSED_DAYS) -> tuple[date, ...]:
    """Return the local days whose events are published: the last closed ones and the one under way.

    Args:
        as_of: the demo's clock, with its zone.
        zone: the cluster's IANA zone.
        closed_days: how many closed days, at most; none before the epoch.

    Raises:
        OperatorError: the clock has no zone, or stands before the end of the epoch's day.
    """
    if as_of.tzinfo is None:
        raise OperatorError(
            f"--as-of {as_of.isoformat()} has no zone: write it such as {DEFAULT_AS_OF.isoformat()}",
            f"--as-of {as_of.isoformat()}에 시간대가 없습니다: {DEFAULT_AS_OF.isoformat()}처럼 쓰십시오",
            ExitCode.SETTINGS,
        )
    today = as_of.astimezone(ZoneInfo(zone)).date()
    count = min(closed_days, day_index(today))
    if count < 1:
        raise OperatorError(
            f"--as-of {as_of.isoformat()} is too early: the demo's factories joined on {EPOCH}; "
            f"use {EPOCH + timedelta(days=1)} or later",
            f"--as-of {as_of.isoformat()}은(는) 너무 이릅니다: 데모 공장은 {EPOCH}에 참여했습니다. "
            f"{EPOCH + timedelta(days=1)} 이후로 지정하십시오",
            ExitCode.SETTINGS,
        )
    return tuple(today - timedelta(days=n) for n in range(count, -1, -1))
