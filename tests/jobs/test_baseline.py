"""The stored baseline: set by command, once by the night, never changed by what comes later."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.domain.outcomes import ExitCode
from tests.jobs.conftest import SEOUL, Park, ParkOf, instant

MONDAY, TUESDAY, WEDNESDAY = (date(2025, 11, day) for day in (3, 4, 5))
NIGHT = datetime(2025, 11, 5, 3, tzinfo=SEOUL)  # Monday is final then, Tuesday closed


@pytest.fixture(scope="module")
def two_days(park_of: ParkOf) -> Park:
    """A park whose factory a sent 24 kWh on Monday and 48 on Tuesday; b nothing. Nobody may change it."""
    park = park_of("archive")
    park.send_profiles(park.a, park.b)
    send(park, MONDAY, 1.0)
    send(park, TUESDAY, 2.0)
    assert park.nightly(NIGHT).code == 0
    return park


@pytest.fixture
def park(two_days: Park, tmp_path: Path) -> Park:
    return two_days.copied(tmp_path / "hub")


def send(park: Park, day: date, kwh_per_h: float) -> None:
    park.send(park.topic(), [park.energy(park.a, instant(day), [kwh_per_h] * 24)], instant(day, 24))


def declare(park: Park, first: date, last: date) -> None:
    path = park.hub.root / "clusters" / "park.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub("^{", f'{{"baseline": {{"from": {first}, "to": {last}}}, ', text), encoding="utf-8"
    )


def set_baseline(park: Park, first: date, last: date, *more: object) -> tuple[int, str]:
    clock = ("--cluster", "park", "--as-of", NIGHT.isoformat())
    answer = park.hub.run("baseline", "set", "--from", first, "--to", last, *clock, *more)
    return answer.code, answer.out + answer.err


def energy(park: Park, level: str, subject: str) -> list[tuple[int, float | None, str | None]]:
    rows = park.rows("baselines").filter(level=level, subject=subject, kpi="energy_kwh").sort("revision")
    return rows.select("revision", "value", "reason").rows()


def test_a_member_s_baseline_is_its_own_and_its_factories_(park: Park) -> None:
    assert set_baseline(park, MONDAY, TUESDAY, "--member", park.a, "--note", "before the robot")[0] == 0
    rows = park.rows("baselines")
    assert set(rows.select("level", "subject").iter_rows()) == {("member", park.a), ("factory", park.a)}
    assert energy(park, "factory", park.a) == [(1, 72.0, None)]  # 24 + 48
    assert energy(park, "member", park.a) == [(1, 72.0, None)]
    row = rows.row(0, named=True)
    assert (row["period_start"], row["period_end"], row["note"]) == (MONDAY, WEDNESDAY, "before the robot")
    assert row["set_at"] == NIGHT
    oee = rows.filter(level="factory", kpi="oee").row(0, named=True)
    assert (oee["value"], oee["reason"]) == (None, "missing_element:pbt_s")


def test_a_factory_s_baseline_is_of_nobody_else(park: Park) -> None:
    assert set_baseline(park, MONDAY, MONDAY, "--factory", park.a)[0] == 0
    assert set(park.rows("baselines")["level"]) == {"factory"}
    assert energy(park, "factory", park.a) == [(1, 24.0, None)]


def test_a_new_revision_leaves_the_old_one_as_it_is(park: Park) -> None:
    assert set_baseline(park, MONDAY, TUESDAY)[0] == 0
    before = park.rows("baselines")
    code, said = set_baseline(park, MONDAY, TUESDAY)
    assert (code, said.split()[0]) == (0, "0")
    assert park.rows("baselines").equals(before)
    assert set_baseline(park, TUESDAY, TUESDAY)[0] == 0
    assert energy(park, "factory", park.a) == [(1, 72.0, None), (2, 48.0, None)]
    assert park.rows("baselines").filter(revision=1).equals(before)


def test_who_sent_nothing_has_no_baseline(park: Park) -> None:
    assert set_baseline(park, MONDAY, TUESDAY)[0] == 0
    assert park.b not in set(park.rows("baselines")["subject"])


def test_data_that_come_late_do_not_change_a_stored_baseline(park: Park) -> None:
    assert set_baseline(park, MONDAY, TUESDAY)[0] == 0
    before = park.rows("baselines")
    late = NIGHT + timedelta(days=1)
    park.send(park.topic(), [park.energy(park.a, instant(MONDAY), [5.0] * 24)], late - timedelta(hours=1))
    assert park.nightly(late).code == 0
    assert park.rows("kpis").filter(kpi="energy_kwh", day=MONDAY, period="day")["value"].max() == 120.0
    assert park.rows("baselines").equals(before)


def test_a_night_stores_the_declared_baseline_once_its_days_are_final(park: Park) -> None:
    declare(park, MONDAY, TUESDAY)
    assert park.nightly(NIGHT).code == 0  # Tuesday may still change
    assert "baselines" not in park.hub.state("park") or park.rows("baselines").is_empty()
    final = NIGHT + timedelta(days=1)
    assert park.nightly(final).line("baseline") == "set for 2 subjects"
    assert energy(park, "member", park.a) == [(1, 72.0, None)]
    before = park.hub.state("park")
    assert "nothing new" in park.nightly(final).line("result")
    assert park.hub.state("park") == before


def test_a_night_never_sets_a_baseline_a_second_time(park: Park) -> None:
    declare(park, MONDAY, TUESDAY)
    assert set_baseline(park, MONDAY, MONDAY, "--member", park.a)[0] == 0
    assert park.nightly(NIGHT + timedelta(days=1)).code == 0
    assert energy(park, "member", park.a) == [(1, 24.0, None)]


def test_the_command_shows_the_newest_revision_first(park: Park) -> None:
    for last in (TUESDAY, MONDAY):
        assert set_baseline(park, MONDAY, last, "--factory", park.a)[0] == 0
    shown = park.hub.run("baseline", "show", "--cluster", "park", "--factory", park.a).csv()
    found = [(row["revision"], row["value"]) for row in shown if row["kpi"] == "energy_kwh"]
    assert found == [("2", "24.0"), ("1", "72.0")]
    assert "sums" not in shown[0]
    assert park.hub.run("baseline", "show", "--cluster", "park", "--member", park.b).csv() == []


@pytest.mark.parametrize(
    ("first", "last", "more", "says"),
    [
        (TUESDAY, MONDAY, (), "before --from"),
        (MONDAY, WEDNESDAY, (), "not closed yet"),
        (MONDAY, MONDAY, ("--member", "nobody"), "'nobody' is not in cluster park"),
        (MONDAY, MONDAY, ("--factory", "nowhere"), "'nowhere' is not in cluster park"),
        (MONDAY, MONDAY, ("--member", "x", "--factory", "y"), "not both"),
        (date(2024, 1, 1), date(2024, 1, 2), (), "there is no figure"),
    ],
)
def test_what_can_not_be_a_baseline_is_said_in_both_languages(
    two_days: Park, first: date, last: date, more: tuple[str, ...], says: str
) -> None:
    code, said = set_baseline(two_days, first, last, *more)
    assert code == ExitCode.UNUSABLE_INPUT
    assert says in said
    assert "오류: 기준 기간:" in said


def test_the_page_compares_with_it(park: Park) -> None:
    assert set_baseline(park, MONDAY, TUESDAY, "--member", park.a)[0] == 0
    assert park.nightly(NIGHT).code == 0
    page = (park.hub.root / "site" / park.a / "index.html").read_text(encoding="utf-8")
    assert "2025년 11월 3일 – 11월 4일" in page
