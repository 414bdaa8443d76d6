"""A cluster's history, made up from a seed: who was in it, and every night's KPI rows as they were known.

Belongs here: plants, what happens to them, the rows that follow. Does not belong here: what a night releases
of them (nights), and the parks that tests look at (parks).

Amounts have seven digits and more, and no two are equal: an amount that is seen again is the same one.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from pipelines.domain.cluster import (
    Breakdown,
    ClusterDefinition,
    DisclosurePolicy,
    Factory,
    Member,
    Owner,
    Traits,
    Waiver,
)
from pipelines.domain.kpi_formulas import Definition, Element, KpiBook
from pipelines.domain.kpis import FIGURE_COLUMNS, MONTHS, month_figures, rolling_figures
from pipelines.reference.kpis import kpi_book

SHOWN = ("energy_kwh", "co2e_kg", "energy_kwh_per_unit", "oee", "quality_ratio")
KG_CO2E_PER_KWH = 0.4747
# Monday to Sunday, as shares of a usual day.
WEEK = (1.02, 1.05, 1.0, 1.04, 0.97, 0.55, 0.21)
_DAY_S = 86_400.0
_KEY = ["day", "subject", "kpi"]
_PARTS = 10_000_000
_CLASSES = {"casting": "iron-castings", "forming": "forged-parts", "heat": "hardened-steel"}
_PER_UNIT = {"casting": 2.0, "forming": 1.0, "heat": 0.6}
_MACHINE_KWH = 900.0
_PLANNED_S = 57_600.0
_COVERAGE_OF_A_BAD_DAY = 0.7

Period = tuple[date, str]


@dataclass(frozen=True)
class Plant:
    """A factory and what it usually does.

    Args:
        factory: its id.
        kwh: of a usual working day, at first.
        process: casting, forming or heat.
        region: north or south.
        member: its owner; null: one of its own.
        joined: its first local date; null: it was there before.
        left: the first one after it left.
        drift: by how much its days grow from month to month.
        oee: usual share.
        scrap: usual share; zero: it never has any.
        moved: later traits.
    """

    factory: str
    kwh: float
    process: str
    region: str
    member: str | None = None
    joined: date | None = None
    left: date | None = None
    drift: float = 0.0
    oee: float = 0.6
    scrap: float = 0.02
    moved: tuple[Traits, ...] = ()

    @property
    def owner(self) -> str:
        """The member that owns it."""
        return self.member or f"of-{self.factory}"


@dataclass(frozen=True)
class Silence:
    """Days [first, end) of which nothing is known until a night; null: ever."""

    factory: str
    first: date
    end: date
    until: date | None = None


@dataclass(frozen=True)
class Idle:
    """Days [first, end) on which a plant uses and makes nothing, and everybody knows that it was measured."""

    factory: str
    first: date
    end: date


@dataclass(frozen=True)
class Half:
    """Days [first, end) of which too little was measured to compare their ratios."""

    factory: str
    first: date
    end: date


@dataclass(frozen=True)
class Correction:
    """A day whose energy turns out to have been another, on a night long after."""

    factory: str
    day: date
    night: date
    factor: float


Happening = Silence | Idle | Half | Correction


@dataclass(frozen=True)
class Night:
    """What one night knows.

    Args:
        date: local date on which it runs; the newest day is the one before.
        cluster: the definition as it stands.
        kpis: rows of the table kpis, all that are known.
        periods: what changed and is to be judged: days at once, months and rolling 12 months when they end.
    """

    date: date
    cluster: ClusterDefinition
    kpis: pl.DataFrame
    periods: tuple[Period, ...]


@dataclass(frozen=True)
class Park:
    """A cluster and its nights.

    Args:
        plants: its factories.
        policy: of the gate.
        first: the first day of which a day's figure is released, a first of a month.
        days: how many days; each has a night.
        happenings: what goes wrong.
        sold: of members: their later owners.
        waivers: consents.
        breakdowns: beside everybody.
        shown: KPIs, of the catalogue.
        months_before: months before `first` that are known as months only.
        seed: of the amounts.
    """

    plants: tuple[Plant, ...]
    policy: DisclosurePolicy
    first: date
    days: int
    happenings: tuple[Happening, ...] = ()
    sold: Mapping[str, tuple[Owner, ...]] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    breakdowns: tuple[Breakdown, ...] = (Breakdown(("process",)), Breakdown(("region",)))
    shown: tuple[str, ...] = SHOWN
    months_before: int = MONTHS - 1
    seed: int = 1

    @property
    def catalogue(self) -> dict[str, Definition]:
        """What is released."""
        newest = {d.kpi: d for d in kpi_book().newest()}
        return {newest[kpi].key: replace(newest[kpi], released=True) for kpi in self.shown}

    @property
    def book(self) -> KpiBook:
        """The catalogue of what is released."""
        return KpiBook({d.kpi: (d,) for d in self.catalogue.values()}, self.elements)

    @property
    def elements(self) -> Mapping[str, Element]:
        """What the figures are made of."""
        return kpi_book().elements

    @property
    def beginning(self) -> date:
        """The first day of which anything is known."""
        return months_after(self.first, -self.months_before)

    @property
    def processes(self) -> pl.DataFrame:
        """What the profiles say: factory, process."""
        return pl.DataFrame(
            [(p.factory, p.process) for p in self.plants], schema=["factory", "process"], orient="row"
        )

    def cluster_on(self, day: date) -> ClusterDefinition:
        """Return the definition as the operator had written it by a date: nothing of the future."""
        there = [p for p in self.plants if self._joined(p) <= day]
        return ClusterDefinition(
            cluster="park",
            name_ko="",
            name_en="",
            zone="Asia/Seoul",
            geography="KR",
            members=tuple(
                Member(m, "", "", m, tuple(o for o in self.sold.get(m, ()) if o.since <= day))
                for m in sorted({p.owner for p in there})
            ),
            factories=tuple(
                Factory(
                    p.factory,
                    p.owner,
                    self._joined(p),
                    p.left if p.left is not None and p.left <= day else None,
                    (
                        Traits(self._joined(p), p.process, p.region),
                        *(t for t in p.moved if t.since <= day),
                    ),
                )
                for p in there
            ),
            gateways=(),
            policy=self.policy,
            breakdowns=self.breakdowns,
            waivers=tuple(
                replace(w, until=w.until if w.until is not None and w.until <= day else None)
                for w in self.waivers
                if w.since <= day
            ),
        )

    @cached_property
    def versions(self) -> pl.DataFrame:
        """All day rows that are ever known: FIGURE_COLUMNS and ``known``, the date of the night."""
        amounts = _Amounts()
        rows = [row for plant in self.plants for row in self._plant_rows(plant, amounts)]
        schema = {
            "day": pl.Date, "subject": pl.String, "kpi": pl.String, "sums": pl.List(pl.Float64),
            "reason": pl.String, "coverage": pl.Float64, "product_class": pl.String, "known": pl.Date,
        }  # fmt: skip
        sums = pl.col("sums").list
        kinds = pl.DataFrame(
            [(d.kpi, d.version, d.unit, d.is_total) for d in self.catalogue.values()],
            schema=["kpi", "definition_version", "unit", "total"],
            orient="row",
        )
        return (
            pl.DataFrame(rows, schema=schema, orient="row")
            .join(kinds, on="kpi")
            .with_columns(
                numerator=sums.get(0),
                denominator=pl.when(~pl.col("total")).then(sums.get(1, null_on_oob=True)),
                period=pl.lit("day"),
                level=pl.lit("factory"),
                status=pl.lit("final"),
                weight=pl.lit(_DAY_S),
                covered=pl.col("coverage") * _DAY_S,
                basis=pl.lit(None, pl.Float64),
            )
            .with_columns(
                value=pl.when("total")
                .then("numerator")
                .otherwise(pl.col("numerator") / pl.col("denominator")),
                reason=pl.when(pl.col("denominator") == 0)
                .then(pl.lit("zero_denominator"))
                .otherwise("reason"),
            )
            .with_columns(value=pl.when(pl.col("reason").is_null()).then("value"))
            .select(*FIGURE_COLUMNS, "known")
            .sort("day", "subject", "kpi", "known")
        )

    def nights(self) -> Iterator[Night]:
        """Run through the nights, each with what is known by then; one more closes the last day's month."""
        rolled: dict[Period, pl.DataFrame] = {}
        for number in range(1, self.days + 2):
            night = self.first + timedelta(days=number)
            known = self.versions.filter(pl.col("known") <= night)
            days = known.unique(_KEY, keep="last", maintain_order=True).select(FIGURE_COLUMNS)
            # On the first night all of it is news, what was before the first day too.
            news = known if number == 1 else known.filter(pl.col("known") == night)
            changed = set(news["day"])
            fresh = self._rolled(rolled, days, changed, night)
            rolled |= fresh
            ready = [(day, "day") for day in changed if day >= self.first]
            ready += [key for key in fresh if _end(key) > self.first]
            shown = [days.filter(pl.col("day") >= self.first), *(rolled[key] for key in sorted(rolled))]
            yield Night(night, self.cluster_on(night), pl.concat(shown), tuple(sorted(ready)))

    def _rolled(
        self, before: Mapping[Period, pl.DataFrame], days: pl.DataFrame, changed: set[date], night: date
    ) -> dict[Period, pl.DataFrame]:
        """Compute the closed months that are new or changed, and the years that they are in."""
        closed = night - timedelta(days=1)  # a month is closed when the cut-off of its last day has passed
        firsts = (months_after(self.beginning, n) for n in itertools.count())
        there = list(itertools.takewhile(lambda first: months_after(first, 1) <= closed, firsts))
        new = [m for m in there if (m, "month") not in before or _touches(changed, (m, "month"))]
        if not new:
            return {}
        month = pl.col("day").dt.truncate("1mo")
        months = month_figures(days.filter(month.is_in(new)), self.book, closed)
        found = {(m, "month"): months.filter(pl.col("day") == m) for m in new}
        all_months = before | found
        ends = sorted({months_after(m, n) for m in new for n in range(MONTHS)}.intersection(there))
        years = rolling_figures(pl.concat([all_months[m, "month"] for m in there]), self.book, ends)
        starts = {months_after(end, 1 - MONTHS) for end in ends}
        return found | {(start, "rolling12"): years.filter(pl.col("day") == start) for start in starts}

    def _joined(self, plant: Plant) -> date:
        return plant.joined or self.beginning

    def _plant_rows(self, plant: Plant, amounts: "_Amounts") -> Iterator[tuple[object, ...]]:
        source = random.Random(f"{self.seed}/{plant.factory}")  # noqa: S311 - a made-up history, not a secret
        own = [h for h in self.happenings if h.factory == plant.factory]
        ends = min(self.first + timedelta(days=self.days), plant.left or date.max)
        for day in _days(self._joined(plant), ends):
            told = day + timedelta(days=1)
            made = _made(plant, day, self.first, source, amounts)
            for happening in own:
                match happening:
                    case Correction(day=corrected, night=night, factor=factor) if corrected == day:
                        better = {"energy_kwh": amounts.take(made["energy_kwh"] * factor)}
                        better = _with_carbon(made | better)
                        yield from self._rows(plant, day, better, night)
                    case Idle(first=first, end=end) if first <= day < end:
                        made = dict.fromkeys(made, 0.0)
            silent = [h for h in own if isinstance(h, Silence) and h.first <= day < h.end]
            bad = any(isinstance(h, Half) and h.first <= day < h.end for h in own)
            coverage = _COVERAGE_OF_A_BAD_DAY if bad else 1.0
            for silence in silent:
                yield from self._rows(plant, day, None, told)
                if silence.until is not None:
                    yield from self._rows(plant, day, made, silence.until, coverage)
            if not silent:
                yield from self._rows(plant, day, made, told, coverage)

    def _rows(
        self, plant: Plant, day: date, made: Mapping[str, float] | None, known: date, coverage: float = 1.0
    ) -> Iterator[tuple[object, ...]]:
        for kpi in self.shown:
            elements = _SUMS[kpi]
            sums = None if made is None else [made[name] for name in elements]
            reason = f"missing_element:{elements[0]}" if made is None else None
            product_class = _CLASSES[plant.process]
            covered = 0.0 if made is None else coverage
            yield day, plant.factory, kpi, sums, reason, covered, product_class, known


_SUMS = {
    "energy_kwh": ("energy_kwh",),
    "co2e_kg": ("co2e_kg",),
    "energy_kwh_per_unit": ("energy_kwh", "pq"),
    "oee": ("pru_gq_s", "pbt_s"),
    "quality_ratio": ("gq", "pq"),
    "scrap_ratio": ("sq", "pq"),
}


class _Amounts:
    """Gives out amounts with seven decimals, each once."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def take(self, about: float) -> float:
        """Return the next free amount from about a number."""
        whole = round(about * _PARTS)
        while whole in self._given or whole % 10 == 0:
            whole += 1
        self._given.add(whole)
        return whole / _PARTS


def _made(plant: Plant, day: date, first: date, source: random.Random, amounts: _Amounts) -> dict[str, float]:
    """Make up one day of a plant: element -> amount."""
    months = (day.year - first.year) * MONTHS + day.month - first.month
    usual = WEEK[day.weekday()] * plant.kwh * (1 + plant.drift) ** months
    energy = amounts.take(usual * source.uniform(0.95, 1.05))
    produced = amounts.take(energy / _PER_UNIT[plant.process] * source.uniform(0.9, 1.1))
    scrapped = amounts.take(produced * plant.scrap * source.uniform(0.5, 1.5)) if plant.scrap else 0.0
    planned = amounts.take(_PLANNED_S * usual / _MACHINE_KWH * source.uniform(0.97, 1.0))
    good = round(produced - scrapped, 7)
    # Seconds for a unit, as a public standard time would be: to six digits.
    standard_s = float(f"{plant.oee * _PLANNED_S / _MACHINE_KWH * _PER_UNIT[plant.process]:.6g}")
    return _with_carbon({
        "energy_kwh": energy,
        "pq": produced,
        "sq": scrapped,
        "gq": good,
        "pru_gq_s": standard_s * good,
        "pbt_s": planned,
    })  # fmt: skip


def _with_carbon(made: dict[str, float]) -> dict[str, float]:
    return made | {"co2e_kg": made["energy_kwh"] * KG_CO2E_PER_KWH}


def months_after(first: date, months: int) -> date:
    """Return the first of the month that is some months after another."""
    place = first.year * MONTHS + first.month - 1 + months
    return date(place // MONTHS, place % MONTHS + 1, 1)


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days))


def _end(period: Period) -> date:
    start, kind = period
    return months_after(start, 1 if kind == "month" else MONTHS)


def _touches(changed: set[date], period: Period) -> bool:
    return any(period[0] <= day < _end(period) for day in changed)
