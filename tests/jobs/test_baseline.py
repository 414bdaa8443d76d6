"""The stored baseline: set by command, once by the night, never changed by what comes later."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.domain.outcomes import ExitCode
from pipelines.jobs.baseline import store_declared, store_declared_costs
from pipelines.jobs.kpis import derive_kpis
from pipelines.jobs.night import Night
from pipelines.jobs.opening import open_night
from pipelines.schemas.tables import ELEMENTS_DAILY
from pipelines.settings import Settings
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


def tell_costs(park: Park, day: date, quantity: float, cost_krw: float) -> None:
    """Add to a day's elements what factory a would have sent of a product's quantity and cost."""
    table = park.hub.store("park").open(ELEMENTS_DAILY)
    row = {
        "day": day, "bucket": 0, "factory": park.a, "machine": "m1", "product": "p", "element": "pq",
        "quantity": quantity, "unit": "unit", "coverage": 1.0, "quality": "measured", "suspect": False,
        "weight_s": 86_400.0, "status": "final", "version": 1, "profile_version": "p", "known_at": NIGHT,
    }  # fmt: skip
    cost = {**row, "machine": "*", "element": "cost_krw", "quantity": cost_krw, "unit": "KRW"}
    table.append(pl.DataFrame([row, cost], schema=table.empty().schema), {})


def index(park: Park, period: str) -> dict[date, float | None]:
    rows = park.rows("kpis").filter(kpi="unit_cost_index", level="factory", subject=park.a, period=period)
    return dict(rows.select("day", "value").iter_rows())


def test_the_cost_index_rests_on_the_unit_costs_of_the_baseline(park: Park) -> None:
    declare(park, MONDAY, TUESDAY)
    tell_costs(park, MONDAY, 20.0, 40_000.0)
    tell_costs(park, TUESDAY, 25.0, 50_000.0)
    tell_costs(park, WEDNESDAY, 30.0, 63_000.0)
    night = open_park(park, NIGHT + timedelta(days=1))
    assert derive_kpis(night) > 0
    assert set(index(park, "day").values()) == {None}
    store_declared_costs(night)
    (stored,) = park.rows("baseline_costs").iter_rows(named=True)
    assert (stored["product"], stored["baseline_unit_cost_krw"]) == ("p", 2000.0)  # 90,000 KRW / 45
    assert derive_kpis(night) > 0
    # 63,000 KRW for what would have cost 30 x 2,000; together 153,000 / 150,000.
    assert index(park, "day") == pytest.approx({MONDAY: 1.0, TUESDAY: 1.0, WEDNESDAY: 1.05})
    assert index(park, "month") == pytest.approx({date(2025, 11, 1): 1.02})
    store_declared_costs(night)
    assert derive_kpis(night) == 0
    assert store_declared(night) == 2
    assert park.rows("baselines").filter(kpi="unit_cost_index")["value"].to_list() == [1.0, 1.0]
    assert park.rows("baseline_costs").height == 1


def test_the_command_stores_unit_costs_too_and_the_next_night_uses_them(park: Park) -> None:
    tell_costs(park, MONDAY, 20.0, 40_000.0)
    tell_costs(park, TUESDAY, 25.0, 60_000.0)
    assert set_baseline(park, MONDAY, MONDAY, "--member", park.a)[0] == 0
    night = open_park(park, NIGHT)
    assert derive_kpis(night) > 0
    assert index(park, "day") == pytest.approx({MONDAY: 1.0, TUESDAY: 1.2})  # 60,000 / (25 x 2,000)
    assert set_baseline(park, TUESDAY, TUESDAY, "--member", park.a)[0] == 0
    assert park.rows("baseline_costs").select("revision", "baseline_unit_cost_krw").rows() == [
        (1, 2000.0),
        (2, 2400.0),
    ]


def open_park(park: Park, as_of: datetime) -> Night:
    settings = Settings(
        store=str(park.hub.root / "store"), clusters=park.hub.root / "clusters", source="archive",
        archive=str(park.hub.root / "archive"), schema_registry_folder=park.hub.root / "registry",
    )  # fmt: skip
    return open_night(settings, "park", as_of, lambda _s, _d, _t: None)
