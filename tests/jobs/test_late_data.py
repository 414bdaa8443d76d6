"""What arrives after a day is final makes a new version, with a cause; what changes nothing makes none."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.demo.session import DEMO_CLUSTER
from pipelines.schemas.tables import FACTS_ENERGY
from tests.jobs.conftest import SEOUL, Answer, Demo, Hub, Park, ParkOf, instant

TUESDAY, WEDNESDAY = date(2025, 11, 4), date(2025, 11, 5)
TEN_KWH = [10.0] * 24


def three(day: date) -> datetime:
    """Return the time of a day's night."""
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL)


FINAL = three(date(2025, 11, 6))  # Tuesday ended 27 hours ago
NEXT = three(date(2025, 11, 7))


def send_day(park: Park, factory: str, day: date, values: list[float], at: datetime | None = None) -> None:
    value = park.energy(factory, instant(day), values)
    park.send(park.topic("energy", factory), [value], at or instant(day, 24))


@pytest.fixture(scope="module")
def first_night(park_of: ParkOf) -> Park:
    """Factory a has the first ten hours of Tuesday, factory b all of it; Tuesday is final."""
    park = park_of("archive")
    park.send_profiles(park.a, park.b)
    send_day(park, park.a, TUESDAY, TEN_KWH[:10])
    park.send(park.gateway_topic, [park.energy(park.b, instant(TUESDAY), TEN_KWH)], instant(TUESDAY, 24))
    assert park.nightly(FINAL).code == 0
    assert park.hours(park.a, TUESDAY) == TEN_KWH[:10] + [None] * 14
    return park


@pytest.fixture
def known(first_night: Park, tmp_path: Path) -> Park:
    """A copy of what the first night left."""
    return first_night.copied(tmp_path / "hub")


def versions(park: Park, table: str = "facts_energy") -> dict[tuple[str, date], tuple[int, str]]:
    rows = park.rows(table).select("factory", "day", "version", "status").unique()
    return {(f, d): (v, s) for f, d, v, s in rows.iter_rows()}


def told(park: Park, factory: str, day: date) -> list[dict[str, str]]:
    """Return what `digital-cluster history` says of changed rows."""
    answer = park.hub.run("history", "--cluster", "park", "--factory", factory, "--day", day)
    assert answer.code == 0, answer.err
    return [row for row in answer.csv() if row["cause"]]


def test_a_reading_for_a_final_day_makes_a_second_version_and_the_old_row_stays_readable(known: Park) -> None:
    late = known.energy(known.a, instant(TUESDAY, 10), [12.5])
    known.send(known.topic(), [late], instant(date(2025, 11, 6), 12))
    night = known.nightly(NEXT)
    assert night.code == 0
    assert night.line("RESTATED / 재산정") == f"{known.a} {TUESDAY} (late_data)"
    assert known.hours(known.a, TUESDAY) == [*TEN_KWH[:10], 12.5, *[None] * 13]
    (change,) = told(known, known.a, TUESDAY)
    old, new = json.loads(change["old_row"]), json.loads(change["new_row"])
    assert (change["table"], change["version"], change["cause"]) == ("facts_energy", "2", "late_data")
    assert change["known_at"].startswith("2025-11-06T18:00:00")
    assert (old["quantity"], old["coverage"], old["version"]) == (None, 0.0, 1)
    assert (new["quantity"], new["coverage"], new["version"]) == (12.5, 1.0, 2)
    assert old["start"] == new["start"] == "2025-11-04T01:00:00+00:00"


def test_only_the_factory_that_was_late_gets_a_version(known: Park) -> None:
    before = known.rows("facts_energy").filter(factory=known.b, day=TUESDAY)
    send_day(known, known.a, TUESDAY, TEN_KWH, instant(date(2025, 11, 6), 12))
    known.nightly(NEXT)
    assert versions(known)[known.a, TUESDAY] == (2, "final")
    assert versions(known)[known.b, TUESDAY] == (1, "final")
    assert known.rows("facts_energy").filter(factory=known.b, day=TUESDAY).equals(before)
    assert told(known, known.b, TUESDAY) == []


def test_a_recomputation_without_a_changed_value_makes_no_version(known: Park) -> None:
    before = known.rows("facts_energy").filter(day=TUESDAY)
    send_day(known, known.a, TUESDAY, TEN_KWH[:10], instant(date(2025, 11, 6), 12))
    night = known.nightly(NEXT)
    assert "RESTATED" not in night.out
    assert known.rows("raw_energy").filter(factory=known.a).height == 20
    assert known.rows("facts_energy").filter(day=TUESDAY).equals(before)
    assert known.rows("facts_history").is_empty()


def test_each_later_change_is_one_more_version_and_all_are_kept(known: Park) -> None:
    for number, value in enumerate((11.0, 12.0, 12.0, 13.0)):
        night = three(date(2025, 11, 7) + timedelta(days=number))
        known.send(known.topic(), [known.energy(known.a, instant(TUESDAY), [value])], night)
        assert known.nightly(night + timedelta(days=1)).code == 0
    changes = told(known, known.a, TUESDAY)
    assert [c["version"] for c in changes] == ["2", "3", "4"]
    told_values = [
        (json.loads(c["old_row"])["quantity"], json.loads(c["new_row"])["quantity"]) for c in changes
    ]
    assert told_values == [(10.0, 11.0), (11.0, 12.0), (12.0, 13.0)]
    assert known.hours(known.a, TUESDAY)[0] == 13.0


def test_a_day_that_is_only_provisional_changes_without_a_version(park: Park) -> None:
    park.send_profiles(park.a)
    send_day(park, park.a, TUESDAY, TEN_KWH[:10])
    park.nightly(three(WEDNESDAY))
    assert versions(park)[park.a, TUESDAY] == (1, "provisional")
    send_day(park, park.a, TUESDAY, TEN_KWH, instant(WEDNESDAY, 12))
    park.nightly(FINAL)
    assert versions(park)[park.a, TUESDAY] == (1, "final")
    assert park.hours(park.a, TUESDAY) == TEN_KWH
    assert park.rows("facts_history").is_empty()


def test_a_profile_that_changes_a_final_days_meter_restates_it_as_meter_correction(known: Park) -> None:
    meter = {
        "meter": "main", "carrier": "electricity", "unit": "kWh", "parent": None, "machine": None,
        "register_digits": None, "maximum_per_h": 9.0, "bidirectional": False,
    }  # fmt: skip
    profile = known.profile(known.a, meters=[meter])
    known.send(known.topic("profile"), [profile], instant(date(2025, 11, 6), 12))
    night = known.nightly(NEXT)
    assert night.line("RESTATED / 재산정") == f"{known.a} {TUESDAY} (meter_correction)"
    changes = told(known, known.a, TUESDAY)
    assert {(c["cause"], c["version"]) for c in changes} == {("meter_correction", "2")}
    assert {json.loads(c["new_row"])["quality"] for c in changes} == {"suspect"}
    assert len(changes) == 10
    assert versions(known)[known.b, TUESDAY] == (1, "final")


def test_a_profile_that_changes_no_value_makes_no_version_but_is_named_by_the_rows(known: Park) -> None:
    def used() -> list[str]:
        return (
            known.rows("facts_energy")
            .filter(factory=known.a, day=TUESDAY)["profile_version"]
            .unique()
            .to_list()
        )

    before = used()
    known.send(
        known.topic("profile"), [known.profile(known.a, name="New name")], instant(date(2025, 11, 6), 12)
    )
    night = known.nightly(NEXT)
    assert "RESTATED" not in night.out
    assert versions(known)[known.a, TUESDAY] == (1, "final")
    assert known.rows("facts_history").is_empty()
    assert len(before) == 1
    assert len(used()) == 1
    assert used() != before


def test_a_night_that_finds_nothing_new_makes_no_commit_and_touches_no_page(known: Park) -> None:
    before = known.hub.state("park")
    for as_of in (FINAL, FINAL + timedelta(hours=5)):
        night = known.nightly(as_of)
        assert (night.code, night.line("result").split(":")[0]) == (0, "nothing new")
        assert known.hub.state("park") == before


def test_a_late_register_reading_restates_the_day_of_the_next_reading_too(park: Park) -> None:
    """10 kWh an hour; nothing between Tuesday 22:00 and Wednesday 02:00, which is too long to bridge."""
    register = {"kind": "register", "stamp": "instant", "length_s": None}
    park.send_profiles(park.a)
    shown = [10.0 * n for n in range(23)]
    park.send(
        park.topic(),
        [
            park.energy(park.a, instant(TUESDAY), shown, **register),
            park.energy(park.a, instant(WEDNESDAY, 2), [260.0], **register),
        ],
        instant(WEDNESDAY, 3),
    )
    park.nightly(NEXT)

    def day(which: date) -> list[tuple[str, float]]:
        facts = park.rows("facts_energy").filter(pl.col("quantity") > 0, factory=park.a, day=which)
        return facts.sort("start").select("allocation", "quantity").rows()

    assert day(TUESDAY) == [("hour", 10.0)] * 22
    assert day(WEDNESDAY) == [("unallocated", 40.0)]
    half_past = instant(TUESDAY, 23) + timedelta(minutes=30)
    late = park.energy(park.a, half_past, [235.0], **register)
    park.send(park.topic(), [late], instant(date(2025, 11, 7), 12))
    night = park.nightly(three(date(2025, 11, 8)))
    restated = night.line("RESTATED / 재산정").split(", ")
    assert restated == [f"{park.a} {d} (late_data)" for d in (TUESDAY, WEDNESDAY)]
    assert day(TUESDAY) == [*[("hour", 10.0)] * 22, ("hour", 10.0), ("hour", 5.0)]
    assert day(WEDNESDAY) == [("unallocated", 25.0)]
    kept = [(c["old_row"], c["new_row"]) for c in told(park, park.a, WEDNESDAY)]
    gone = [json.loads(old) for old, new in kept if not new]
    come = [json.loads(new) for old, new in kept if not old]
    assert [(g["start"], g["quantity"]) for g in gone] == [("2025-11-04T13:00:00+00:00", 40.0)]
    assert [(c["start"], c["quantity"]) for c in come] == [("2025-11-04T14:30:00+00:00", 25.0)]


def test_a_late_change_of_state_restates_every_day_until_the_next_one(park: Park) -> None:
    # The only machine says something once in two days: here its silence says nothing.
    park = replace(park, hub=park.hub.with_settings(max_silence_s="0"))

    def state(day: date, hour: int, name: str, sequence: int) -> bytes:
        record = {
            "factory": park.a, "machine": "press", "at": instant(day, hour), "state": name, "until": None,
            "product": None, "reason": None, "sequence": sequence,
        }  # fmt: skip
        return park.encode("states", record)

    def running_h() -> list[float]:
        facts = park.rows("facts_machine").filter(product="*").group_by("day").agg(pl.col("apt_s").sum())
        return [s / 3600 for s in facts.sort("day")["apt_s"]]

    machines = [{"machine": "press", "name": "Press"}]
    park.send(park.topic("profile"), [park.profile(park.a, machines=machines)], instant(date(2025, 11, 1)))
    thursday = date(2025, 11, 6)
    told_in_time = [state(TUESDAY, 8, "running", 1), state(thursday, 6, "off", 2)]
    park.send(park.topic("states"), told_in_time, instant(thursday, 7))
    park.nightly(three(date(2025, 11, 8)))
    assert running_h() == [16.0, 24.0, 6.0, 0.0]
    park.send(park.topic("states"), [state(TUESDAY, 20, "off", 3)], instant(date(2025, 11, 8), 12))
    night = park.nightly(three(date(2025, 11, 9)))
    assert running_h() == [12.0, 0.0, 0.0, 0.0, 0.0]
    restated = night.line("RESTATED / 재산정").split(", ")
    assert restated == [f"{park.a} {d} (late_data)" for d in (TUESDAY, WEDNESDAY, thursday)]


def test_a_factory_whose_profile_comes_late_is_named_and_then_computed(park: Park) -> None:
    send_day(park, park.a, TUESDAY, TEN_KWH)
    night = park.nightly(FINAL)
    assert night.code == 0
    assert night.line("NO PROFILE / 프로필 없음") == park.a
    assert park.rows("facts_energy").is_empty()
    park.send_profiles(park.a)
    night = park.nightly(NEXT)
    assert "NO PROFILE" not in night.out
    assert "RESTATED" not in night.out
    assert park.hours(park.a, TUESDAY) == TEN_KWH
    assert versions(park)[park.a, TUESDAY] == (1, "final")
    assert park.rows("facts_history").is_empty()


@pytest.fixture(scope="module")
def day_later(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hub, Answer]:
    """The demo a day on: what was held back for two days has arrived."""
    hub = demo.hub.copied(tmp_path_factory.mktemp("day-later"))
    return hub, hub.run("nightly", "--demo", "--as-of", "2025-11-12T03:00+09:00")


def test_what_the_demos_gateways_held_back_restates_final_days(
    demo: Demo, day_later: tuple[Hub, Answer]
) -> None:
    hub, night = day_later
    assert night.code == 0, night.err
    history = hub.rows(DEMO_CLUSTER, "facts_history")
    assert history["cause"].unique().to_list() == ["late_data"]
    assert history["version"].unique().to_list() == [2]
    assert history["known_at"].unique().to_list() == [datetime(2025, 11, 12, 3, tzinfo=SEOUL)]
    restated = history.select("factory", "day").unique()
    assert restated.height > 0
    assert (restated["day"] < date(2025, 11, 10)).all()
    listed = night.line("RESTATED / 재산정").split(", ")
    assert sorted(listed) == sorted(f"{f} {d} (late_data)" for f, d in restated.rows())
    held = demo.truth.deliveries.filter(fate="held").select("factory", "day")
    assert restated.join(held, on=["factory", "day"], how="semi").height > 0


def test_the_demos_old_rows_are_what_the_night_before_said(demo: Demo, day_later: tuple[Hub, Answer]) -> None:
    hub, _ = day_later
    history = hub.rows(DEMO_CLUSTER, "facts_history").filter(table="facts_energy")
    before = {
        (r["factory"], r["meter"], r["allocation"], r["start"].isoformat()): r["quantity"]
        for r in demo.rows("facts_energy").to_dicts()
    }
    after = hub.rows(DEMO_CLUSTER, "facts_energy")
    assert history.height > 0
    for old in map(json.loads, history["old_row"].drop_nulls()):
        place = old["factory"], old["meter"], old["allocation"], old["start"]
        assert old["quantity"] == before[place]
    true = demo.truth.energy.select("factory", "meter", "start", true="quantity")
    whole = after.filter(pl.col("coverage") >= 1 - 1e-9, allocation="hour").join(
        true, on=["factory", "meter", "start"]
    )
    assert whole.filter(version=2).height > 0
    assert whole.select((pl.col("quantity") - pl.col("true")).abs().max()).item() < 0.001


def test_the_demos_other_final_days_keep_version_and_rows(demo: Demo, day_later: tuple[Hub, Answer]) -> None:
    hub, _ = day_later
    restated = hub.rows(DEMO_CLUSTER, "facts_history").select("factory", "day").unique()
    names = FACTS_ENERGY.schema.names
    final = demo.rows("facts_energy").filter(status="final").join(restated, on=["factory", "day"], how="anti")
    now = hub.rows(DEMO_CLUSTER, "facts_energy")
    assert final.height > 0.9 * 7 * 66 * 24
    assert final.join(now, on=names, how="anti", nulls_equal=True).is_empty()


def test_the_demo_a_second_time_makes_no_commit_and_changes_no_page(day_later: tuple[Hub, Answer]) -> None:
    hub, _ = day_later
    before = hub.state(DEMO_CLUSTER)
    night = hub.run("nightly", "--demo", "--as-of", "2025-11-12T03:00+09:00")
    assert night.line("result").startswith("nothing new")
    assert hub.state(DEMO_CLUSTER) == before
