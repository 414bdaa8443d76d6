"""The liveness report of a night against what was planted, and of plants in which nothing was."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.connectors.archive import ArchiveSink
from pipelines.connectors.clusters import load_cluster
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sent import StoredSentLog
from pipelines.demo.clock import DEFAULT_AS_OF, demo_days
from pipelines.demo.mishaps import PLANTED_MISHAPS, planted
from pipelines.demo.plants import PLANTS
from pipelines.demo.publisher import publish_demo
from pipelines.demo.session import DEMO_CLUSTER
from pipelines.domain.liveness.observed import REASONS
from pipelines.jobs import liveness
from tests.jobs.conftest import Demo, Hub, Park, make_hub, midnight

NAMED = ["day", "factory", "stream", "source", "reason"]
LAST_DAY = date(2025, 11, 10)
NIGHT = ("nightly", "--cluster", DEMO_CLUSTER, "--source", "archive")


def asked(report: pl.DataFrame) -> pl.DataFrame:
    """Return day, factory, stream, source, reason of everything that a report asks."""
    rows = report.filter(pl.col("reasons").is_not_null())
    return rows.with_columns(reason=pl.col("reasons").str.split(";")).explode("reason").select(NAMED)


@pytest.fixture(scope="module")
def planted_hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """The demo's cluster after a night in which every kind of mishap was planted."""
    hub = make_hub(tmp_path_factory.mktemp("planted") / "hub")
    cluster = load_cluster(hub.root / "clusters", DEMO_CLUSTER)
    registry = LocalRegistry(hub.root / "registry")
    log = StoredSentLog(hub.store(DEMO_CLUSTER).objects)
    sink = ArchiveSink(hub.root / "archive", registry)
    publish_demo(cluster, DEFAULT_AS_OF, sink, log, "archive", registry, mishaps=PLANTED_MISHAPS)
    night = hub.run(*NIGHT, "--as-of", DEFAULT_AS_OF.isoformat())
    assert night.code == 0, night.err
    return hub


@pytest.fixture(scope="module")
def truth(planted_hub: Hub) -> pl.DataFrame:
    cluster = load_cluster(planted_hub.root / "clusters", DEMO_CLUSTER)
    days = [d for d in demo_days(DEFAULT_AS_OF, cluster.zone) if d <= LAST_DAY]
    return planted(PLANTED_MISHAPS, [(plant, day) for plant in PLANTS.values() for day in days])


def test_everything_that_was_planted_is_found_and_nothing_else(planted_hub: Hub, truth: pl.DataFrame) -> None:
    found = asked(planted_hub.rows(DEMO_CLUSTER, "liveness"))
    assert truth.join(found, on=NAMED, how="anti").rows() == []
    assert found.join(truth, on=NAMED, how="anti").rows() == []
    assert set(truth["reason"]) == set(REASONS)
    assert truth.height == 21


def test_every_source_of_every_factory_day_has_a_row(planted_hub: Hub) -> None:
    report = planted_hub.rows(DEMO_CLUSTER, "liveness")
    assert report.select("day", "factory").unique().height == 8 * 12
    # 66 meters of profiles, and the ghost meter on the last day.
    meters = report.filter(pl.col("source") != "*", stream="energy")
    assert meters.group_by("day").len().sort("day")["len"].to_list() == [66] * 7 + [67]


def test_the_demo_shows_its_ghost_and_its_silent_day_and_no_false_alarm(demo: Demo) -> None:
    silent = [(date(2025, 11, 6), "saebyeok", s, "*", "silent") for s in ("counts", "energy", "states")]
    ghost = (LAST_DAY, "haneul", "energy", "old-compressor", "ghost")
    assert asked(demo.rows("liveness")).sort(NAMED).rows() == [*silent, ghost]
    known = demo.truth.planted.filter(pl.col("day") <= LAST_DAY)
    assert known.sort(NAMED).rows() == [*silent, ghost]
    page = (demo.hub.root / "site" / "haneul" / "index.html").read_text(encoding="utf-8")
    assert "Energy old-compressor: it sent on Mon 10 Nov 2025 but is in no profile." in page


def test_a_second_run_reports_nothing_new(planted_hub: Hub, tmp_path: Path) -> None:
    hub = planted_hub.copied(tmp_path / "again")
    before = hub.state(DEMO_CLUSTER)
    again = hub.run(*NIGHT, "--as-of", DEFAULT_AS_OF.isoformat())
    assert again.line("result").startswith("nothing new")
    assert again.line("liveness") == "0 rows new or changed"
    assert hub.state(DEMO_CLUSTER) == before


def test_late_events_change_the_days_that_they_reach_and_no_other_row(
    planted_hub: Hub, tmp_path: Path
) -> None:
    """The night after reads what was held back; earlier days without it keep their rows and known_at."""
    hub = planted_hub.copied(tmp_path / "later")
    before = hub.rows(DEMO_CLUSTER, "liveness")
    cluster = load_cluster(hub.root / "clusters", DEMO_CLUSTER)
    registry = LocalRegistry(hub.root / "registry")
    log = StoredSentLog(hub.store(DEMO_CLUSTER).objects)
    as_of = DEFAULT_AS_OF + timedelta(days=1)
    sink = ArchiveSink(hub.root / "archive", registry)
    publish_demo(cluster, as_of, sink, log, "archive", registry, mishaps=PLANTED_MISHAPS)
    assert hub.run(*NIGHT, "--as-of", as_of.isoformat()).code == 0
    after = hub.rows(DEMO_CLUSTER, "liveness")
    new = after.join(before, on=before.columns, how="anti", nulls_equal=True)
    assert set(new["known_at"]) == {as_of}
    # Garam-2 sent on 11 November what it had held back of the 9th; the 11th is closed now.
    assert min(new["day"]) == date(2025, 11, 9)
    assert new.filter(day=date(2025, 11, 9))["factory"].unique().to_list() == ["garam-2"]
    assert new.filter(day=date(2025, 11, 11))["factory"].n_unique() == 12
    was, now = (
        rows.filter(day=date(2025, 11, 9), factory="garam-2", stream="energy", source="*")["share"].item()
        for rows in (before, after)
    )
    assert was < now


def test_the_report_depends_neither_on_nights_nor_on_how_the_work_was_cut(
    planted_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both derived tables, made anew day by day from all raw rows, are those that the night made."""
    monkeypatch.setattr(liveness, "_ROWS_PER_PIECE", 1)
    monkeypatch.setattr(liveness, "_FACTORY_DAYS_PER_PIECE", 1)
    hub = planted_hub.copied(tmp_path / "anew")
    told = {t: hub.rows(DEMO_CLUSTER, t).drop("known_at") for t in ("source_days", "liveness")}
    for table in told:
        hub.store(DEMO_CLUSTER).remove_below(table)
    assert hub.run(*NIGHT, "--as-of", DEFAULT_AS_OF.isoformat()).code == 0
    for table, rows in told.items():
        assert hub.rows(DEMO_CLUSTER, table).drop("known_at").equals(rows)


def test_the_command_shows_the_operator_reasons_and_the_engineer_evidence(planted_hub: Hub) -> None:
    rows = planted_hub.run("liveness", "--cluster", DEMO_CLUSTER).csv()
    assert list(rows[0]) == ["day", "factory", "stream", "last_event", "share", "reasons"]
    assert [r["factory"] for r in rows if r["reasons"]] == [
        "areum", "chorok", "haneul", "jangsan", "taeyang", "garam-1", "maru",
    ]  # fmt: skip
    text = planted_hub.run("liveness", "--cluster", DEMO_CLUSTER).out
    assert not [word for word in ("press-", "dcm-", "furnace", "main", "hours") if word in text]
    (row,) = planted_hub.run(
        "liveness", "--cluster", DEMO_CLUSTER, "--factory", "chorok", "--day", LAST_DAY, "--evidence"
    ).csv()
    assert (row["source"], row["reasons"]) == ("press-2", "copied_factory")
    assert "garam" not in str(row)


def test_of_a_factory_or_day_that_was_not_reported_the_command_says_so(planted_hub: Hub) -> None:
    for unknown in (("--factory", "nobody"), ("--day", "2020-01-01")):
        answer = planted_hub.run("liveness", "--cluster", DEMO_CLUSTER, *unknown)
        assert answer.code == 2
        assert unknown[1] in answer.err


def test_a_factory_that_never_sent_is_asked_once_a_week_has_passed(park: Park) -> None:
    """Its members paid for a gateway; nothing has come from factory b since it joined on 1 November."""
    park.send_profiles(park.a, park.b)
    first = midnight(date(2025, 11, 1))
    hours = [20 + n % 24 / 8 for n in range(24 * 9)]
    for day in range(9):
        at = first + timedelta(days=day)
        values = hours[24 * day : 24 * (day + 1)]
        park.send(park.topic(), [park.energy(park.a, at, values)], at + timedelta(days=1))
    assert park.nightly(first + timedelta(days=9, hours=4)).code == 0
    of_b = park.rows("liveness").filter(factory=park.b).filter(pl.col("reasons").is_not_null())
    assert of_b.select("day", "stream", "source", "reasons").rows() == [
        (date(2025, 11, 8), "energy", "*", "silent"), (date(2025, 11, 9), "energy", "*", "silent"),
    ]  # fmt: skip
