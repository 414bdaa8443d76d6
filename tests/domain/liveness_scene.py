"""A factory or two whose every hour a test decides, as the signs of liveness see them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.domain.liveness.observed import Limits, Observed, day_kinds
from pipelines.domain.liveness.report import liveness_report
from pipelines.reference.liveness import liveness_limits

MONDAY = date(2025, 11, 3)
LAST_WEEKDAY = 5
LIMITS = liveness_limits()
INSTANT = pl.Datetime("us", "UTC")
Hours = Callable[[int, int], float | None]
"""From day (0: Monday 3 November 2025) and hour to a value."""


def noise(*key: object) -> float:
    """Return a number in [0, 1) with many digits that depends on the key alone."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def busy(name: str) -> Hours:
    """Give 20 to 22 kWh an hour, 60 to 66 in the shift: 08:00 to 17:00, Monday to Friday."""
    return lambda d, h: round((60 if in_shift(d, h) else 20) * (1 + 0.1 * noise(name, d, h)), 4)


def in_shift(day: int, hour: int) -> bool:
    return day % 7 < LAST_WEEKDAY and 8 <= hour < 17


def always(value: float | None) -> Hours:
    return lambda _d, _h: value


def except_on(usual: Hours, day: int, other: Hours, hours: Sequence[int] = range(24)) -> Hours:
    return lambda d, h: other(d, h) if d == day and h in hours else usual(d, h)


@dataclass(frozen=True)
class Scene:
    """What factories sent in some days from Monday on.

    Args:
        meters: hourly amounts by (factory, meter).
        running: seconds run in each hour by (factory, machine); planned are those in_shift.
        made: quantity in each hour by (factory, machine).
        days: number of days; the last is asked, if `asked` doesn't say more.
        asked: indices of the days that are asked.
        machine_of: machine of a meter by (factory, meter); the others are main meters.
        events: (count, hour of the last) by (factory, stream, source, day): what differs from 1440 a day.
        joined: day on which factories joined.
        declared: (factory, stream).
        unnamed: sources that no profile names.
        calendar: whether the shifts are known.
    """

    meters: Mapping[tuple[str, str], Hours] = field(default_factory=dict)
    running: Mapping[tuple[str, str], Hours] = field(default_factory=dict)
    made: Mapping[tuple[str, str], Hours] = field(default_factory=dict)
    days: int = 8
    asked: Sequence[int] = ()
    machine_of: Mapping[tuple[str, str], str] = field(default_factory=dict)
    events: Mapping[tuple[str, str, str, int], tuple[int, float]] = field(default_factory=dict)
    joined: int = -100
    declared: Sequence[tuple[str, str]] = ()
    unnamed: frozenset[str] = frozenset()
    calendar: bool = True

    def changed(self, **changes: Any) -> "Scene":
        return replace(self, **changes)

    def observed(self) -> Observed:
        factories = sorted({f for f, _ in (*self.meters, *self.running, *self.declared)})
        asked = {MONDAY + timedelta(days=n) for n in self.asked or [self.days - 1]}
        own, times = self.machine_of, self._hours("machine", "apt_s", self.running)
        planned = pl.col("start").map_elements(_planned_s, return_dtype=pl.Float64)
        times = times.with_columns(pbt_s=planned if self.calendar else pl.lit(None, pl.Float64))
        places = [(f, MONDAY + timedelta(days=n)) for f in factories for n in range(self.days)]
        days = pl.DataFrame(places, schema={"factory": pl.String, "day": pl.Date}, orient="row").with_columns(
            start=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            asked=pl.col("day").is_in(sorted(asked)),
            new=(pl.col("day") - (MONDAY + timedelta(days=self.joined))).dt.total_days()
            < LIMITS.silent_grace_days,
        )
        return Observed(
            days=day_kinds(days.with_columns(end=pl.col("start") + timedelta(days=1)), times),
            source_days=self._source_days(),
            amounts=self._hours("meter", "quantity", self.meters),
            machine_hours=times,
            output=self._hours("machine", "pq", self.made),
            meters=days.select("factory", "day").join(
                pl.DataFrame(
                [
                    (f, m, "electricity", "main" if (f, m) in own else None, own.get((f, m)))
                    for f, m in self.meters
                    if m not in self.unnamed
                ],
                schema=dict.fromkeys(("factory", "meter", "carrier", "parent", "machine"), pl.String),
                orient="row",
                ),
                on="factory",
            ),
            machines=days.select("factory", "day").join(
                _pairs([k for k in self.running if k[1] not in self.unnamed], "machine"), on="factory"
            ),
            declared=days.select("factory", "day").join(_pairs(self.declared, "stream"), on="factory"),
        )  # fmt: skip

    def report(self, limits: Limits = LIMITS) -> pl.DataFrame:
        return liveness_report(self.observed(), limits)

    def asks(self, limits: Limits = LIMITS) -> list[tuple[str, str, str]]:
        """Return source (after its factory, if that isn't f), stream and reasons of what is asked."""
        rows = self.report(limits).filter(pl.col("reasons").is_not_null())
        return [
            (s if f == "f" else f"{f}/{s}", stream, reasons)
            for f, stream, s, reasons in rows.select("factory", "stream", "source", "reasons").iter_rows()
        ]

    def evidence(self) -> list[str]:
        return self.report()["evidence"].drop_nulls().to_list()

    def _hours(self, owner: str, value: str, of: Mapping[tuple[str, str], Hours]) -> pl.DataFrame:
        rows = [
            (f, o, MONDAY + timedelta(days=d), at(d, h), hours(d, h))
            for (f, o), hours in of.items()
            if o not in self.unnamed
            for d in range(self.days)
            for h in range(24)
        ]
        schema = {"factory": pl.String, owner: pl.String, "day": pl.Date, "start": INSTANT, value: pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _source_days(self) -> pl.DataFrame:
        sources = [
            *((f, "energy", m) for f, m in self.meters),
            *((f, "states", m) for f, m in self.running),
            *((f, "counts", m) for f, m in self.made),
        ]
        sources += [k for k in dict.fromkeys((f, s, o) for f, s, o, _ in self.events) if k not in sources]
        rows = []
        for factory, stream, source in sources:
            for d in range(self.days):
                usual = (1440, 23.99) if stream == "energy" else (0, 0.0)
                if stream in ("states", "counts") and d % 7 < LAST_WEEKDAY:
                    usual = (30, 17.0)
                count, last = self.events.get((factory, stream, source, d), usual)
                if count:
                    cadence_s = 60.0 if count > 1 else None
                    day = MONDAY + timedelta(days=d)
                    rows.append((factory, stream, source, day, count, at(d, 0), at(d, last), cadence_s))
        schema = {
            "factory": pl.String, "stream": pl.String, "source": pl.String, "day": pl.Date,
            "events": pl.Int64, "first_event": INSTANT, "last_event": INSTANT, "cadence_s": pl.Float64,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")


def at(day: int, hour: float) -> datetime:
    return datetime(MONDAY.year, MONDAY.month, MONDAY.day, tzinfo=UTC) + timedelta(days=day, hours=hour)


def _planned_s(start: datetime) -> float:
    return 3600.0 if in_shift((start.date() - MONDAY).days, start.hour) else 0.0


def _pairs(rows: Sequence[tuple[str, str]], name: str) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={"factory": pl.String, name: pl.String}, orient="row")


def works(day: int, hour: int) -> float:
    """Run in the shift, all but a few seconds of each hour, never the same twice."""
    return round(3400 + 190 * noise("works", day, hour)) if in_shift(day, hour) else 0.0


def plant(**changes: Any) -> Scene:
    """Return factory f with a main meter, and machine m with its own meter: nothing to ask of it."""
    usual: dict[str, Any] = {
        "meters": {("f", "main"): busy("main"), ("f", "m"): busy("m")},
        "machine_of": {("f", "m"): "m"},
        "running": {("f", "m"): works},
        "made": {("f", "m"): lambda d, h: 100 + d + h if in_shift(d, h) else 0.0},
    }
    return Scene(**{**usual, **changes})
