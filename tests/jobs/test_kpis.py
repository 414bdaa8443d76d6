"""KPIs over nights: what a late count changes and what it leaves alone, versions of formulas, the command."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest import mock

import polars as pl
import pytest

from pipelines.domain.kpi_formulas import KpiBook, parse_formula
from pipelines.reference.kpis import kpi_book
from tests.jobs.conftest import SEOUL, Hub, Park, ParkOf, instant

SATURDAY, SUNDAY, MONDAY, TUESDAY = (date(2025, 11, 29) + timedelta(days=n) for n in range(4))
NOVEMBER, YEAR = date(2025, 11, 1), date(2024, 12, 1)
PRODUCT = {"product": "part", "unit": "piece", "product_class": "forged-parts", "pru_s": 60.0}
KEY = ["day", "period", "level", "subject", "kpi", "definition_version"]


def three(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL)


def count(park: Park, factory: str, at: datetime, total: float) -> bytes:
    """Make a reading of a counter at the press of a factory: nothing is ever rejected."""
    park.sequence += 1
    record = {
        "factory": factory, "machine": "press", "product": "part", "at": at, "total": total, "rejected": 0.0,
        "rework": None, "inspected": None, "first_pass": None, "sequence": park.sequence,
    }  # fmt: skip
    return park.encode("counts", record)


def state(park: Park, factory: str, at: datetime, name: str) -> bytes:
    park.sequence += 1
    record = {
        "factory": factory, "machine": "press", "at": at, "state": name, "until": None, "product": None,
        "reason": None, "sequence": park.sequence,
    }  # fmt: skip
    return park.encode("states", record)


def send_day(park: Park, factory: str, day: date, made: int) -> None:
    """Send 8 h of work from 08:00, planned from 08:00 to 18:00, and 10 kWh an hour; counts of one hour."""
    at = instant(day, 24)
    park.send(park.topic("energy", factory), [park.energy(factory, instant(day), [10.0] * 24)], at)
    states = [state(park, factory, instant(day, h), s) for h, s in ((8, "running"), (16, "off"))]
    park.send(park.topic("states", factory), states, at)
    before = 100 + made * (day - SATURDAY).days
    totals = [count(park, factory, instant(day, 9 + n), before + n * made) for n in range(2)]
    park.send(park.topic("counts", factory), totals, at)


def send_profile(park: Park, factory: str) -> None:
    shifts = [{"weekday": n, "start_minute": 480, "end_minute": 1_080} for n in range(1, 8)]
    more = {"machines": [{"machine": "press", "name": "Press"}], "shifts": shifts, "products": [PRODUCT]}
    park.send(park.topic("profile", factory), [park.profile(factory, **more)], instant(NOVEMBER))


@pytest.fixture(scope="module")
def closed(park_of: ParkOf) -> Park:
    """Two factories at the turn of a month; the last days of November are final."""
    park = park_of("archive")
    for factory in (park.a, park.b):
        send_profile(park, factory)
        for day in (SATURDAY, SUNDAY, MONDAY):
            send_day(park, factory, day, 300)
    night = park.nightly(three(MONDAY + timedelta(days=2)))
    assert night.code == 0, night.err
    return park


def value(rows: pl.DataFrame, subject: str, kpi: str, day: date, period: str = "day") -> float | None:
    level = "machine" if "/" in subject else "factory"
    found = rows.filter(level=level, subject=subject, kpi=kpi, day=day, period=period)["value"].to_list()
    assert len(found) == 1, (subject, kpi, day, period)
    return found[0]


def test_days_months_and_years_come_out_of_a_night(closed: Park) -> None:
    rows = closed.rows("kpis")
    # 300 pieces of 60 s in 10 h planned; the two days of November that there are; a twelfth of the year.
    assert value(rows, closed.a, "oee", SATURDAY) == 0.5
    assert value(rows, closed.a, "oee", NOVEMBER, "month") == 0.5
    assert value(rows, f"{closed.a}/press", "units_per_h", NOVEMBER, "month") == 30.0
    assert value(rows, closed.a, "energy_kwh", SATURDAY) == 240.0
    assert value(rows, closed.a, "energy_kwh", NOVEMBER, "month") == 480.0
    assert value(rows, closed.a, "energy_kwh_per_unit", NOVEMBER, "month") == 0.8
    assert value(rows, closed.a, "energy_kwh", YEAR, "rolling12") == 480.0
    assert value(rows, closed.a, "oee", YEAR, "rolling12") is None
    own = rows.filter(level="factory", subject=closed.a, kpi="oee")
    (year,) = own.filter(period="rolling12").to_dicts()
    assert (year["coverage"], year["reason"]) == (pytest.approx(1 / 12), "insufficient_coverage")
    # On Tuesday nothing was sent; the press is still off, as it was said to be.
    assert sorted(own.select("period", "day", "status").rows()) == [
        ("day", SATURDAY, "final"), ("day", SUNDAY, "final"), ("day", MONDAY, "final"),
        ("day", TUESDAY, "provisional"), ("month", NOVEMBER, "final"),
        ("month", date(2025, 12, 1), "provisional"), ("rolling12", YEAR, "final"),
    ]  # fmt: skip
    assert set(rows["level"]) == {"machine", "factory", "peer", "member"}


def test_a_closed_month_is_released_once_and_nothing_of_class_b(closed: Park) -> None:
    releases = closed.rows("releases")
    periods = releases.select("period", "period_start", "period_end").unique().rows()
    assert ("month", NOVEMBER, date(2025, 12, 1)) in periods
    assert ("rolling12", YEAR, date(2025, 12, 1)) in periods
    assert ("month", date(2025, 12, 1), date(2026, 1, 1)) not in periods
    # Every KPI that somebody shares has a figure now; the policy has no limits for class B.
    assert set(releases["kpi"]) >= {"energy_kwh", "co2e_kg", "oee", "energy_kwh_per_unit", "availability"}
    assert {d.disclosure_class for d in kpi_book().newest() if d.kpi in set(releases["kpi"])} == {"A"}
    assert f"park/cluster/*/month/{NOVEMBER}/oee@1" in set(releases["figure_id"])
    assert not releases["figure_id"].is_duplicated().any()


def test_a_second_night_makes_no_commit(closed: Park, tmp_path: Path) -> None:
    park = closed.copied(tmp_path / "hub")
    before = park.hub.state("park")
    assert "nothing new" in park.nightly(three(MONDAY + timedelta(days=2))).out
    assert park.hub.state("park") == before


def test_a_late_count_changes_its_day_month_and_year_and_nothing_else(closed: Park, tmp_path: Path) -> None:
    park = closed.copied(tmp_path / "hub")
    before = park.rows("kpis")
    night = three(MONDAY + timedelta(days=3))
    late = count(park, park.a, instant(SATURDAY, 8), 40.0)  # the day begins with 60 pieces more
    park.send(park.topic("counts"), [late], instant(MONDAY, 40))
    answer = park.nightly(night)
    assert answer.code == 0, answer.err
    after = park.rows("kpis")
    changed = after.join(before, on=before.columns, how="anti", nulls_equal=True)
    assert set(changed["known_at"]) == {night}
    assert value(after, park.a, "units_per_h", SATURDAY) == 36.0
    touched = changed.filter(pl.col("day") < MONDAY)
    assert set(touched.select("period", "day").rows()) == {
        ("day", SATURDAY), ("month", NOVEMBER), ("rolling12", YEAR),
    }  # fmt: skip
    own = {park.a, f"{park.a}/press", f"{park.a}/casting"}
    assert set(touched["subject"]) == own
    assert not {"energy_kwh", "co2e_kg", "availability"} & set(touched["kpi"])
    assert not after.select(KEY).is_duplicated().any()


def test_a_month_that_ends_in_silence_is_closed_and_released_all_the_same(park: Park) -> None:
    thursday = SATURDAY - timedelta(days=2)
    park.send_profiles(park.a)
    reading = park.energy(park.a, instant(thursday), [10.0] * 24)
    park.send(park.topic("energy"), [reading], instant(thursday, 24))

    def periods(table: str, column: str) -> set[tuple[str, date]]:
        return set(park.rows(table).filter(pl.col("period") != "day").select("period", column).rows())

    park.nightly(three(SATURDAY))
    assert periods("kpis", "day") == {("month", NOVEMBER)}
    park.nightly(three(MONDAY))
    assert periods("kpis", "day") == {("month", NOVEMBER), ("rolling12", YEAR)}
    assert set(park.rows("kpis").filter(period="month", day=NOVEMBER, kpi="energy_kwh")["status"]) == {
        "provisional"
    }
    # The month's last day may still get late readings until it is final.
    assert periods("releases", "period_start") == set()
    park.nightly(three(TUESDAY))
    assert set(park.rows("kpis").filter(period="month", day=NOVEMBER, kpi="energy_kwh")["status"]) == {
        "final"
    }
    assert periods("releases", "period_start") == {("month", NOVEMBER), ("rolling12", YEAR)}
    before = park.hub.state("park")
    assert "nothing new" in park.nightly(three(TUESDAY)).out
    assert park.hub.state("park") == before


def changed_book() -> KpiBook:
    """The catalogue after OEE became good parts over parts."""
    book = kpi_book()
    old = book.definitions["oee"][-1]
    formula = parse_formula("sum(gq) / sum(pq)", book.elements, lambda _k, _v: old.formula)
    new = replace(old, version="2", formula=formula)
    return replace(book, definitions={**book.definitions, "oee": (*book.definitions["oee"], new)})


@contextmanager
def new_catalogue() -> Iterator[None]:
    book = changed_book()
    with ExitStack() as stack:
        for module in ("jobs.kpis", "jobs.figuring", "jobs.benchmarks", "publish.released"):
            stack.enter_context(mock.patch(f"pipelines.{module}.kpi_book", return_value=book))
        yield


def test_old_days_keep_their_version_also_when_they_are_restated_and_new_days_have_the_new_one(
    closed: Park, tmp_path: Path
) -> None:
    park = closed.copied(tmp_path / "hub")
    wednesday = TUESDAY + timedelta(days=1)
    send_day(park, park.a, wednesday, 300)
    late = count(park, park.a, instant(SATURDAY, 8), 40.0)
    park.send(park.topic("counts"), [late], instant(wednesday, 25))
    with new_catalogue():
        assert park.nightly(three(wednesday + timedelta(days=1))).code == 0
        again = park.nightly(three(wednesday + timedelta(days=1)))
    assert "nothing new" in again.out
    rows = park.rows("kpis").filter(level="factory", subject=park.a, kpi="oee")
    days = rows.filter(period="day").select("day", "definition_version", "value").sort("day").rows()
    # 360 pieces of 60 s in 10 h; all that was made on Wednesday was good.
    assert days == [
        (SATURDAY, "1", 0.6), (SUNDAY, "1", 0.5), (MONDAY, "1", 0.5), (TUESDAY, "1", None),
        (wednesday, "2", 1.0),
    ]  # fmt: skip
    december = rows.filter(period="month", day=date(2025, 12, 1)).sort("definition_version")
    assert december["definition_version"].to_list() == ["1", "2"]
    assert december["coverage"].to_list() == [
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
    ]  # on Tuesday nothing was heard
    figures = {f for f in park.rows("releases")["figure_id"] if "/oee@" in f and "/day/" in f}
    versions = {SATURDAY: 1, SUNDAY: 1, MONDAY: 1, TUESDAY: 1, wednesday: 2}
    # of everybody, and of the process that both factories have
    assert figures == {
        f"park/{group}/day/{day}/oee@{version}"
        for day, version in versions.items()
        for group in ("cluster/*", "process/casting")
    }


def show(hub: Hub, *options: object) -> list[str]:
    answer = hub.run("kpis", "show", "--cluster", "park", *options)
    assert answer.code == 0, answer.err
    return answer.out.splitlines()


def test_the_command_shows_the_newest_period_of_a_subject(closed: Park, tmp_path: Path) -> None:
    shown = show(closed.hub, "--factory", closed.a, "--kpi", "oee")
    assert shown[0].strip() == f"{closed.a}, day {TUESDAY}"
    assert any("oee@1" in line and "provisional" in line for line in shown)
    month = show(closed.hub, "--member", f"{closed.a}/casting", "--period", "month", "--day", SUNDAY)
    assert month[0].strip() == f"{closed.a}/casting, month {NOVEMBER}"
    year = show(closed.hub, "--member", closed.a, "--period", "rolling12", "--day", SUNDAY)
    assert year[0].strip() == f"{closed.a}, rolling12 {YEAR}"
    out = tmp_path / "kpis.csv"
    asked = ("--machine", f"{closed.a}/press", "--kpi", "units_per_h", "--day", MONDAY)
    assert show(closed.hub, *asked, "--out", out) == []
    (row,) = pl.read_csv(out, infer_schema=False).to_dicts()
    assert (row["day"], row["kpi"], row["value"], row["unit"]) == (
        str(MONDAY),
        "units_per_h",
        "30.0",
        "unit/h",
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Name one subject"),
        (["--factory", "x", "--member", "y"], "Name one subject"),
        (["--factory", "nobody"], "nothing for factory nobody"),
        (["--factory", "nobody", "--kpi", "beauty"], "no such KPI"),
    ],
)
def test_the_command_refuses_what_it_can_t_show(closed: Park, options: list[str], told: str) -> None:
    answer = closed.hub.run("kpis", "show", "--cluster", "park", *options)
    assert answer.code == 2
    assert told in answer.err
