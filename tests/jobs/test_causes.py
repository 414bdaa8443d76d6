"""Each cause restates a final day, is named in the history with old and new row, and touches nobody else."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.connectors import deriving_facts
from pipelines.connectors.canonical import canonical_tables
from pipelines.connectors.store import OpenTable
from pipelines.domain.methods import METHODS
from tests.jobs.conftest import SEOUL, Answer, Park, ParkOf, instant

TUESDAY = date(2025, 11, 4)
SENT = instant(date(2025, 11, 6), 12)  # when what restates Tuesday arrives
REGISTER = {"kind": "register", "stamp": "instant", "length_s": None}
METER = {
    "meter": "main", "carrier": "electricity", "unit": "kWh", "parent": None, "machine": None,
    "register_digits": None, "maximum_per_h": None, "bidirectional": False,
}  # fmt: skip
SHIFTS = [{"weekday": 2, "start_minute": 480, "end_minute": 960}]


def three(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL)


FINAL, NEXT = three(date(2025, 11, 6)), three(date(2025, 11, 7))


def profile(park: Park, factory: str, **changes: object) -> None:
    own = {"meters": [METER], "machines": [{"machine": "press", "name": "Press"}], "shifts": SHIFTS}
    park.send(park.topic("profile", factory), [park.profile(factory, **{**own, **changes})], SENT)


@pytest.fixture(scope="module")
def first_night(park_of: ParkOf) -> Park:
    """Registers of a and b count 10 kWh an hour all Tuesday; their presses run all day. Tuesday is final.

    At 11:00 nobody read them.
    """
    park = park_of("archive")
    for factory in (park.a, park.b):
        profile(park, factory)
        topic = park.topic("energy", factory) if factory == park.a else park.gateway_topic
        for first, count in ((0, 11), (12, 13)):
            shown = [10.0 * n for n in range(first, first + count)]
            values = park.energy(factory, instant(TUESDAY, first), shown, **REGISTER)
            park.send(topic, [values], instant(TUESDAY, 25))
        runs = {"factory": factory, "machine": "press", "at": instant(TUESDAY), "state": "running",
                "until": None, "product": None, "reason": None, "sequence": 1}  # fmt: skip
        park.send(park.topic("states", factory), [park.encode("states", runs)], instant(TUESDAY, 25))
    assert park.nightly(FINAL).code == 0
    assert park.hours(park.a, TUESDAY) == [10.0] * 24
    return park


@pytest.fixture
def known(first_night: Park, tmp_path: Path) -> Park:
    """A copy of what the first night left."""
    return first_night.copied(tmp_path / "hub")


def told(park: Park, factory: str, table: str | None = None) -> list[dict[str, str]]:
    """Return what `digital-cluster history` says of changed rows of Tuesday."""
    only = () if table is None else ("--table", table)
    answer = park.hub.run("history", "--cluster", "park", "--factory", factory, "--day", TUESDAY, *only)
    assert answer.code == 0, answer.err
    return [row for row in answer.csv() if row["cause"]]


def changed_values(rows: list[dict[str, str]], name: str) -> list[tuple[Any, Any]]:
    """Return what a column was and is in the rows of the history, in order of hour."""
    pairs = [(json.loads(r["old_row"]), json.loads(r["new_row"])) for r in rows]
    return [(old[name], new[name]) for old, new in sorted(pairs, key=lambda pair: pair[1]["start"])]


def restated(night: Answer) -> list[str]:
    return night.line("RESTATED / 재산정").split(", ")


def send_correction(park: Park) -> None:
    """At 14:00 the register showed 145, not 140."""
    park.send(park.topic(), [park.energy(park.a, instant(TUESDAY, 14), [145.0], **REGISTER)], SENT)


def send_late(park: Park) -> None:
    """At 11:00 it showed 117: of the 20 kWh of two hours 17 were in the first."""
    park.send(park.topic(), [park.energy(park.a, instant(TUESDAY, 11), [117.0], **REGISTER)], SENT)


def send_limited_meter(park: Park) -> None:
    """The meter's maximum is 8 kW: 10 kWh in an hour are more, one count of the register added too."""
    profile(park, park.a, meters=[METER | {"maximum_per_h": 8.0}])


def send_longer_shift(park: Park) -> None:
    profile(park, park.a, shifts=[{"weekday": 2, "start_minute": 480, "end_minute": 1020}])


def test_a_corrected_reading_is_a_meter_correction(known: Park) -> None:
    before = known.rows("facts_energy").filter(factory=known.b, day=TUESDAY)
    send_correction(known)
    assert restated(known.nightly(NEXT)) == [f"{known.a} {TUESDAY} (meter_correction)"]
    changes = told(known, known.a)
    assert {(c["table"], c["version"], c["cause"]) for c in changes} == {
        ("facts_energy", "2", "meter_correction")
    }
    assert changed_values(changes, "quantity") == [(10.0, 15.0), (10.0, 5.0)]
    assert known.rows("facts_energy").filter(factory=known.b, day=TUESDAY).equals(before)
    assert told(known, known.b) == []


def test_a_corrected_reading_of_the_day_after_corrects_the_final_day_that_it_reaches(known: Park) -> None:
    """At midnight the register showed 245, not 240; Wednesday is still provisional."""
    midnight = known.energy(known.a, instant(TUESDAY, 24), [245.0], **REGISTER)
    known.send(known.topic(), [midnight], SENT)
    assert restated(known.nightly(FINAL)) == [f"{known.a} {TUESDAY} (meter_correction)"]
    assert changed_values(told(known, known.a), "quantity") == [(10.0, 15.0)]


def test_the_same_value_sent_again_is_no_correction_of_a_meter(known: Park) -> None:
    same = known.energy(known.a, instant(TUESDAY, 14), [140.0], **REGISTER)
    known.send(known.topic(), [same], SENT)
    send_late(known)
    assert restated(known.nightly(NEXT)) == [f"{known.a} {TUESDAY} (late_data)"]


def test_two_new_readings_that_differ_correct_nothing_that_was_known(known: Park) -> None:
    for value in (116.0, 117.0):
        reading = known.energy(known.a, instant(TUESDAY, 11), [value], **REGISTER)
        known.send(known.topic(), [reading], SENT)
    assert restated(known.nightly(NEXT)) == [f"{known.a} {TUESDAY} (late_data)"]


def test_a_meter_that_the_profile_swaps_is_a_meter_correction_on_the_days_of_the_swap(known: Park) -> None:
    """At 11:00 the register was taken out at 111 and one that showed 112 put in; at noon it shows 120.

    The hour before 11:00 so is 111 - 100 = 11 kWh and the hour after it 120 - 112 = 8.
    """
    swap = {"valid_to": instant(TUESDAY, 11), "closing_value": 111.0}
    new = {"valid_from": instant(TUESDAY, 11), "opening_value": 112.0}
    profile(known, known.a, meters=[METER | swap, METER | new])
    night = known.nightly(NEXT)
    assert restated(night) == [f"{known.a} {TUESDAY} (meter_correction)"]
    assert changed_values(told(known, known.a), "quantity") == [(10.0, 11.0), (10.0, 8.0)]


def test_a_changed_shift_is_a_profile_change_of_machine_time_and_leaves_energy_alone(known: Park) -> None:
    """The shift of 8:00 to 16:00 ends at 17:00: one more hour is planned."""
    energy = known.rows("facts_energy").select("factory", "start", "quantity", "version", "known_at")
    send_longer_shift(known)
    assert restated(known.nightly(NEXT)) == [f"{known.a} {TUESDAY} (profile_change)"]
    changes = told(known, known.a, "facts_machine")
    assert [(c["version"], c["cause"]) for c in changes] == [("2", "profile_change")]
    assert changed_values(changes, "pbt_s") == [(0.0, 3600.0)]
    assert told(known, known.a, "facts_energy") == []
    days = pl.col("start") < instant(TUESDAY, 24)
    now = known.rows("facts_energy").select("factory", "start", "quantity", "version", "known_at")
    assert now.filter(days).equals(energy.filter(days))


def test_a_meter_that_comes_later_does_not_correct_the_days_before_it(known: Park) -> None:
    later = METER | {"meter": "hall", "parent": "main", "valid_from": instant(date(2025, 11, 20))}
    profile(known, known.a, meters=[METER, later])
    send_late(known)
    assert restated(known.nightly(NEXT)) == [f"{known.a} {TUESDAY} (profile_change)"]


def test_the_history_of_an_unknown_table_is_an_error_that_names_the_known_ones(known: Park) -> None:
    asked = ("--cluster", "park", "--factory", known.a, "--day", TUESDAY, "--table", "facts")
    answer = known.hub.run("history", *asked)
    assert answer.code == 2
    assert "facts_energy, facts_machine" in answer.err


def new_rule(monkeypatch: pytest.MonkeyPatch, *, version: int = 99) -> None:
    """Compute energy by another rule from now on: hours are rounded down to 8 kWh."""
    rule = deriving_facts.hourly_energy

    def rounded(*arguments: Any, **named: Any) -> pl.DataFrame:
        return rule(*arguments, **named).with_columns(pl.col("quantity").clip(upper_bound=8.0))

    monkeypatch.setattr(deriving_facts, "hourly_energy", rounded)
    monkeypatch.setitem(METHODS, "facts_energy", version)


def test_a_new_method_restates_every_final_day_whose_values_it_changes(
    known: Park, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_rule(monkeypatch)
    night = known.nightly(NEXT)
    assert restated(night) == [f"{f} {TUESDAY} (method_change)" for f in sorted((known.a, known.b))]
    assert night.line("METHOD / 산출 방법").startswith("facts_energy method 2 -> 99; 2 final days")
    assert changed_values(told(known, known.b), "quantity") == [(10.0, 8.0)] * 24
    again = known.nightly(NEXT)
    assert again.line("result").startswith("nothing new")


def test_a_new_method_that_changes_no_value_makes_no_version(
    known: Park, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "facts_machine", 99)
    before = canonical_tables(known.hub.store("park"))
    night = known.nightly(FINAL)
    assert night.line("METHOD / 산출 방법").startswith("facts_machine method 2 -> 99; 0 final days")
    assert "RESTATED" not in night.out
    assert canonical_tables(known.hub.store("park")) == before


def test_another_longest_gap_is_another_method(known: Park) -> None:
    """Differences of an hour are no longer spread if half an hour is the most."""
    short = Park(known.hub.with_settings(max_gap_s="1800"), known.sink, known.tag, known.sequence)
    night = short.nightly(NEXT)
    assert night.line("METHOD / 산출 방법").startswith("facts_energy setting/max_gap_s 7200 -> 1800")
    assert restated(night) == [f"{f} {TUESDAY} (method_change)" for f in sorted((known.a, known.b))]
    assert short.nightly(NEXT).line("result").startswith("nothing new")


def test_bounded_nights_bring_a_new_method_to_all_days(park: Park, monkeypatch: pytest.MonkeyPatch) -> None:
    profile(park, park.a)
    days = [TUESDAY + timedelta(days=n) for n in range(4)]
    for day in days:
        park.send(park.topic(), [park.energy(park.a, instant(day), [10.0] * 24)], instant(day, 24))
    night = three(date(2025, 11, 12))
    assert park.nightly(night).code == 0
    new_rule(monkeypatch)
    bounded = Park(park.hub.with_settings(max_days="3"), park.sink, park.tag, park.sequence)
    codes = [bounded.nightly(night).code for _ in range(3)]
    assert codes == [15, 15, 0]
    kwh = park.rows("facts_energy").group_by("day").agg(pl.col("quantity").sum(), pl.col("version").max())
    assert kwh.filter(pl.col("day").is_in(days)).sort("day").rows() == [(d, 192.0, 2) for d in days]
    assert set(park.rows("facts_history")["cause"]) == {"method_change"}
    assert bounded.nightly(night).line("result").startswith("nothing new")


def test_of_several_causes_of_a_day_the_strongest_is_named(known: Park) -> None:
    send_late(known)
    send_longer_shift(known)
    send_correction(known)
    assert restated(known.nightly(NEXT)) == [f"{known.a} {TUESDAY} (meter_correction)"]
    assert {(c["table"], c["cause"]) for c in told(known, known.a)} == {
        ("facts_energy", "meter_correction"),
        ("facts_machine", "profile_change"),
    }


def decide(park: Park, what: str, *bounds: str) -> Answer:
    """Accept or revoke, of the main meter of factory a; bounds are local times of Tuesday."""
    span = [f"{TUESDAY}T{time}" for time in bounds]
    place = (park.a, "main", "--from", span[0], "--to", span[1])
    why = ("--reason", "read on site", "--by", "Kim", "--as-of", "2025-11-08T12:00+09:00")
    return park.hub.run("suspects", what, *place, *why, "--cluster", "park")


@pytest.fixture(scope="module")
def suspicious(first_night: Park, tmp_path_factory: pytest.TempPathFactory) -> Park:
    """The meter of factory a can't count 10 kWh in an hour: the whole of Tuesday is suspect."""
    park = first_night.copied(tmp_path_factory.mktemp("suspicious") / "hub")
    send_limited_meter(park)
    assert restated(park.nightly(NEXT)) == [f"{park.a} {TUESDAY} (meter_correction)"]
    return park


@pytest.fixture
def doubted(suspicious: Park, tmp_path: Path) -> Park:
    return suspicious.copied(tmp_path / "hub")


def send_acceptance(park: Park) -> None:
    assert decide(park, "accept", "12:00", "14:00").code == 0


LATER = three(date(2025, 11, 9))


def test_suspects_are_listed_by_factory_and_day(doubted: Park) -> None:
    def listed(*options: object) -> list[dict[str, str]]:
        answer = doubted.hub.run("suspects", "list", "--cluster", "park", *options)
        assert answer.code == 0, answer.err
        return answer.csv()

    rows = listed()
    assert len(rows) == 24
    assert {(r["factory"], r["meter"], r["quantity"], r["status"]) for r in rows} == {
        (doubted.a, "main", "10.0", "final")
    }
    assert listed("--factory", doubted.a, "--from", TUESDAY, "--to", TUESDAY) == rows
    assert listed("--factory", doubted.b) == []
    assert listed("--from", TUESDAY + timedelta(days=1)) == []


def test_what_is_accepted_is_restated_and_no_longer_suspect(doubted: Park) -> None:
    other = doubted.rows("facts_energy").filter(factory=doubted.b)
    answer = decide(doubted, "accept", "12:00", "14:30")
    assert answer.out.startswith("2 suspect facts accepted")
    assert restated(doubted.nightly(LATER)) == [f"{doubted.a} {TUESDAY} (suspect_accepted)"]
    changes = [c for c in told(doubted, doubted.a) if c["version"] == "3"]
    assert {c["cause"] for c in changes} == {"suspect_accepted"}
    assert changed_values(changes, "quality") == [("suspect", "measured")] * 2
    assert changed_values(changes, "quantity") == [(10.0, 10.0)] * 2
    days = pl.col("day") == TUESDAY
    assert doubted.rows("facts_energy").filter(days, factory=doubted.b).equals(other.filter(days))
    assert doubted.nightly(LATER).line("result").startswith("nothing new")


def test_a_decision_says_who_when_and_why_and_can_be_revoked(doubted: Park) -> None:
    send_acceptance(doubted)
    doubted.nightly(LATER)
    assert decide(doubted, "revoke", "13:00", "14:00").code == 0
    assert restated(doubted.nightly(three(date(2025, 11, 10)))) == [
        f"{doubted.a} {TUESDAY} (suspect_revoked)"
    ]
    facts = doubted.rows("facts_energy").filter(factory=doubted.a, day=TUESDAY).sort("start")
    assert [h for h, quality in enumerate(facts["quality"]) if quality == "measured"] == [12]
    rows = doubted.hub.run("suspects", "decisions", "--cluster", "park").csv()
    assert [(r["sequence"], r["decision"], r["reason"], r["by"]) for r in rows] == [
        ("1", "accept", "read on site", "Kim"),
        ("2", "revoke", "read on site", "Kim"),
    ]
    assert rows[0]["start"].startswith("2025-11-04T03:00:00")
    assert rows[0]["known_at"].startswith("2025-11-07T18:00:00")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"factory": "nobody"}, "has no profile"),
        ({"meter": "hall"}, "has no meter 'hall'; known: main"),
        ({"--from": "yesterday"}, "'yesterday' is no instant"),
        ({"--to": "2025-11-04T10:00"}, "does not come before"),
        ({"--reason": " "}, "--reason is empty"),
        # An hour that lies in the span only in part is not accepted by it.
        ({"--from": "2025-11-04T10:30", "--to": "2025-11-04T11:30"}, "is suspect"),
        ({"--from": "2025-11-05T00:00", "--to": "2025-11-06T00:00"}, "is suspect"),
    ],
)
def test_what_can_not_be_accepted_says_why_and_records_nothing(
    doubted: Park, changes: dict[str, str], said: str
) -> None:
    wanted = {
        "factory": doubted.a, "meter": "main", "--from": "2025-11-04T10:00", "--to": "2025-11-04T12:00",
        "--reason": "why",
    } | changes  # fmt: skip
    named = [part for name, value in wanted.items() if name.startswith("--") for part in (name, value)]
    answer = doubted.hub.run(
        "suspects", "accept", wanted["factory"], wanted["meter"], *named, "--cluster", "park"
    )
    assert answer.code == 2
    assert said in answer.err
    assert doubted.rows("accepted_suspects").is_empty()


def test_what_nobody_accepted_can_not_be_revoked(doubted: Park) -> None:
    answer = decide(doubted, "revoke", "10:00", "12:00")
    assert answer.code == 2
    assert "nothing" in answer.err


def test_the_published_total_leaves_out_what_is_suspect_until_it_is_accepted(park: Park) -> None:
    """Three factories of 10 kWh an hour; one hour of a has 60 of at most 50: 710 kWh without it, or 770."""
    c = f"c-{park.tag}"
    park.define(c)
    for factory in (park.a, park.b, c):
        profile(park, factory, meters=[METER | {"maximum_per_h": 50.0}])
        values = [10.0] * 24
        values[10] = 60.0 if factory == park.a else 10.0
        park.send(park.topic("energy", factory), [park.energy(factory, instant(TUESDAY), values)], SENT)

    def published() -> list[tuple[int, str, float]]:
        wanted = {"kpi": "energy_kwh", "breakdown": "cluster", "period": "day", "period_start": TUESDAY}
        rows = park.rows("releases").filter(**wanted).sort("revision")
        return rows.select("revision", "status", "value").rows()

    assert park.nightly(NEXT).code == 0
    assert published() == [(1, "published", 710.0)]
    assert decide(park, "accept", "10:00", "11:00").code == 0
    assert park.nightly(LATER).code == 0
    assert published() == [(1, "published", 710.0), (2, "published", 770.0)]


class Killed(BaseException):
    """The end of a run between two commits."""


def killed_before(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """Let a run die when it is about to replace the rows of a table."""
    replace = OpenTable.replace

    def die(opened: OpenTable, *arguments: Any) -> None:
        if opened.table.name == table:
            raise Killed
        replace(opened, *arguments)

    monkeypatch.setattr(OpenTable, "replace", die)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (send_late, "late_data"),
        pytest.param(send_correction, "meter_correction", marks=pytest.mark.faults),
        pytest.param(send_longer_shift, "profile_change", marks=pytest.mark.faults),
        pytest.param(send_acceptance, "suspect_accepted", marks=pytest.mark.faults),
        (None, "method_change"),
    ],
)
def test_a_run_that_died_between_history_and_table_leaves_the_same_bytes(
    first_night: Park,
    suspicious: Park,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Park], None] | None,
    cause: str,
) -> None:
    before = suspicious if change is send_acceptance else first_night
    ready = before.copied(tmp_path / "ready")
    if change is None:
        new_rule(monkeypatch)
    else:
        change(ready)
    undisturbed, killed = (ready.copied(tmp_path / name) for name in ("undisturbed", "killed"))
    assert undisturbed.nightly(LATER).code == 0
    with monkeypatch.context() as patched:
        killed_before(patched, "facts_machine" if cause == "profile_change" else "facts_energy")
        with pytest.raises(Killed):
            killed.nightly(LATER)
    assert not killed.rows("facts_history").filter(cause=cause).is_empty()
    assert killed.nightly(LATER).code == 0
    tables = (canonical_tables(park.hub.store("park")) for park in (killed, undisturbed))
    assert len({json.dumps({n: t.hex() for n, t in found.items()}, sort_keys=True) for found in tables}) == 1
