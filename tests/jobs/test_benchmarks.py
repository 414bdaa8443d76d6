"""Which periods a night judges, and that it can die between any two of its commits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.connectors.canonical import canonical_tables
from pipelines.connectors.sealing import LedgerKey
from pipelines.connectors.store import ClusterStore, day_predicate
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Traits
from pipelines.domain.disclosure.ledger import verify_chain
from pipelines.domain.disclosure.night_systems import LIMIT, UNMEETABLE
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.releasing import NightRelease, release_periods
from pipelines.jobs import benchmarks
from pipelines.jobs.benchmarks import release
from pipelines.jobs.night import Night
from pipelines.jobs.nightly import NightReport
from pipelines.jobs.summary import summary_lines
from pipelines.schemas.tables import KPIS, RELEASE_INPUTS, RELEASES
from tests.domain.comparing import KPI_SCHEMA, NIGHT, Row, cluster, row
from tests.perf.energy import night_on

KEY = LedgerKey([bytes(range(64))])
AUGUST, SEPTEMBER = date(2025, 8, 1), date(2025, 9, 1)
B = ClassPolicy(TablePolicy(3), ageing_months=3, periods=frozenset({"month"}))
WHO = replace(
    cluster("abcd"),
    policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3)), "B": B}),
)


def night(store: ClusterStore, on: date, who: ClusterDefinition = WHO) -> Night:
    as_of = datetime.combine(on, NIGHT.timetz())
    return replace(night_on(store, [], as_of=as_of), cluster=who, ledger_key=KEY)


def energy(day: date, kwh: float, period: str = "day") -> list[Row]:
    return [row(n, "energy_kwh", kwh, day=day, period=period) for n in range(4)]


def stock(day: date) -> list[Row]:
    return [row(n, "inventory_days", 200.0, 10.0, day=day, period="month") for n in range(4)]


def write(store: ClusterStore, rows: Sequence[Row]) -> None:
    """Replace the KPI rows of the days that rows are of."""
    frame = pl.DataFrame(rows, schema=KPI_SCHEMA, orient="row").with_columns(
        known_at=pl.lit(NIGHT).dt.convert_time_zone("UTC")
    )
    store.open(KPIS).replace(frame, day_predicate(frame["day"].unique().to_list()), {})


@pytest.fixture
def store(tmp_path: Path) -> ClusterStore:
    return ClusterStore(str(tmp_path / "store"), "demo")


def entered(store: ClusterStore) -> list[tuple[str, str, date, float | None]]:
    rows = store.open(RELEASES).scan().collect().sort("sequence")
    return list(rows.select("kpi", "period", "period_start", "value").iter_rows())


def of_everybody(store: ClusterStore) -> list[tuple[str, str, date, float | None]]:
    rows = store.open(RELEASES).scan().filter(pl.col("breakdown") == "cluster").collect().sort("sequence")
    return list(rows.select("kpi", "period", "period_start", "value").iter_rows())


def test_a_day_is_judged_at_once_and_a_month_when_it_is_final(store: ClusterStore) -> None:
    write(store, [*energy(AUGUST, 3_100.0, "month"), *energy(date(2025, 8, 31), 100.0)])
    first = release(night(store, date(2025, 9, 1)))
    assert of_everybody(store) == [("energy_kwh", "day", date(2025, 8, 31), 400.0)]
    assert (first.entries, first.statuses["published"], first.limited) == (1, 1, False)
    release(night(store, date(2025, 9, 2)))
    assert of_everybody(store)[1:] == [("energy_kwh", "month", AUGUST, 12_400.0)]


def test_a_night_without_news_makes_no_commit(store: ClusterStore) -> None:
    write(store, energy(date(2025, 8, 31), 100.0))
    release(night(store, date(2025, 9, 1)))
    before = store.table_versions()
    assert release(night(store, date(2025, 9, 1))).entries == 0
    assert store.table_versions() == before


def test_a_restated_day_judges_its_month_again(store: ClusterStore) -> None:
    day = date(2025, 8, 31)
    write(store, [*energy(AUGUST, 3_100.0, "month"), *energy(day, 100.0)])
    release(night(store, date(2025, 9, 3)))
    write(store, [*energy(AUGUST, 3_110.0, "month"), *energy(day, 110.0)])
    report = release(night(store, date(2025, 9, 4)))
    assert report.entries == 2
    assert entered(store)[-2:] == [
        ("energy_kwh", "day", day, 440.0),
        ("energy_kwh", "month", AUGUST, 12_440.0),
    ]
    assert verify_chain(store.open(RELEASES).scan().collect()) is None


def test_a_month_comes_again_when_class_b_is_old_enough(store: ClusterStore) -> None:
    write(store, [*energy(AUGUST, 3_100.0, "month"), *stock(AUGUST)])
    trait = Traits(date(2025, 1, 1), process="forming")
    forming = replace(WHO, factories=tuple(replace(f, traits=(trait,)) for f in WHO.factories))
    nights = (date(2025, 9, 2), date(2025, 11, 30), date(2025, 12, 2), date(2025, 12, 3))
    kpis = []
    for on in nights:
        before = len(entered(store))
        release(night(store, on, forming))
        kpis.append({kpi for kpi, *_ in entered(store)[before:]})
    # The month ended on 1 September: three months later, on the first night from 1 December on, once.
    assert kpis == [{"energy_kwh"}, set(), {"inventory_days"}, set()]


@pytest.mark.parametrize("killed_before", ["_commit", "sign_head"])
def test_a_night_that_died_between_two_commits_and_is_repeated_leaves_the_same_bytes(
    tmp_path: Path, killed_before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = (ClusterStore(str(tmp_path / name), "demo") for name in ("whole", "killed"))
    day = date(2025, 8, 30)
    for store in (whole, killed):
        write(store, energy(day, 100.0))
        release(night(store, day + timedelta(days=1)))
        write(store, [*energy(day, 110.0), *energy(day + timedelta(days=1), 90.0)])
    later = day + timedelta(days=2)
    release(night(whole, later))
    with monkeypatch.context() as patched:
        patched.setattr(benchmarks, killed_before, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            release(night(killed, later))
    release(night(killed, later))
    assert canonical_tables(killed) == canonical_tables(whole)
    release(night(killed, later))
    assert canonical_tables(killed) == canonical_tables(whole)


def test_the_panel_of_a_month_is_read_from_what_was_sealed(store: ClusterStore) -> None:
    day = date(2025, 9, 10)
    write(store, [r for r in energy(day, 100.0) if r["subject"] != "f3"])
    without = replace(WHO, factories=WHO.factories[:3])
    release(night(store, day + timedelta(days=1), without))
    next_day = day + timedelta(days=1)
    write(store, energy(next_day, 100.0))
    release(night(store, next_day + timedelta(days=1)))
    assert of_everybody(store)[-1] == ("energy_kwh", "day", next_day, 300.0)
    assert store.open(RELEASE_INPUTS).scan().collect().height == 2


@pytest.mark.parametrize(
    ("reason", "said"),
    [(LIMIT, "a search reached its limit"), (UNMEETABLE, "no choice met every demand")],
)
def test_why_a_search_withheld_more_than_need_be_is_told(
    store: ClusterStore, monkeypatch: pytest.MonkeyPatch, reason: str, said: str
) -> None:
    def limited(*given: object) -> NightRelease:
        found = release_periods(*given)  # type: ignore[arg-type]
        sealed = tuple(replace(s, decision="withhold", reasons=("secondary", reason)) for s in found.sealed)
        return replace(found, sealed=sealed)

    write(store, energy(date(2025, 8, 31), 100.0))
    monkeypatch.setattr(benchmarks, "release_periods", limited)
    report = release(night(store, date(2025, 9, 1)))
    assert (report.limited, report.unmeetable) == (reason == LIMIT, reason == UNMEETABLE)
    told = NightReport("park", "2025-09-01", date(2025, 8, 31), releases=report)
    assert said in dict(summary_lines(told))["released"]
    assert set(report.statuses) == {"published"}  # public words only
