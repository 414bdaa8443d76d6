"""Messages that can't be used, between good ones: the good arrive, each other one is a dead letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from tests.jobs.conftest import EITHER, SEOUL, Answer, Park, ParkOf, instant, unknown_schema

TUESDAY = date(2025, 11, 4)
NIGHT = datetime(2025, 11, 5, 3, tzinfo=SEOUL)
SENT = instant(TUESDAY, 24)
HEADER = b"\x00\x00\x00\x00\x01"


@dataclass(frozen=True)
class Poisoned:
    """A park after a night with poison: what is expected of its topic."""

    park: Park
    night: Answer
    poisons: dict[int, tuple[str, bytes | None]]
    hours: Sequence[float]

    @property
    def letters(self) -> pl.DataFrame:
        return self.park.rows("dead_letters").filter(topic=self.park.topic())


def poisons_of(park: Park, good: bytes) -> list[tuple[str, bytes | None]]:
    """Return every kind of message that can't be used, with the reason that it must get."""
    name = good.index(park.a.encode())
    return [
        ("truncated", good[:-3]),
        ("truncated", b"\x00\x00"),
        ("truncated", b""),
        ("wrong_magic", b"\x07\x08\x09 random bytes that are no message"),
        ("truncated", HEADER + b"\x80\x89\x7a" + bytes(range(64))),
        ("undecodable", good[:name] + b"\xff" + good[name + 1 :]),
        ("wrong_magic", b"\x01" + good[1:]),
        ("unknown_schema", unknown_schema(good)),
        ("unknown_schema", b"\x00\xff\xff\xff\xff" + good[5:]),
        ("too_large", HEADER + bytes(1_100_000)),
        ("leftover_bytes", good + b"left over"),
        ("tenant_mismatch", park.energy(park.b, instant(TUESDAY), [99.0])),
        ("null_value", None),
        ("unknown_unit", park.energy(park.a, instant(TUESDAY), [99.0], unit="horsepower-hour")),
        ("incompatible_unit", park.energy(park.a, instant(TUESDAY), [99.0], unit="t")),
        ("not_finite", park.energy(park.a, instant(TUESDAY), [float("nan")])),
        ("not_finite", park.energy(park.a, instant(TUESDAY), [float("inf")])),
        ("event_in_future", park.energy(park.a, SENT + timedelta(minutes=20), [99.0])),
        ("before_joined", park.energy(park.a, instant(date(2025, 10, 31)), [99.0])),
        ("unknown_carrier", park.energy(park.a, instant(TUESDAY), [99.0], carrier="coffee")),
        ("interval_without_length", park.energy(park.a, instant(TUESDAY), [99.0], length_s=None)),
    ]


@pytest.fixture(scope="module", params=EITHER)
def poisoned(request: pytest.FixtureRequest, park_of: ParkOf) -> Poisoned:
    park, hours = park_of(request.param), [float(n + 1) for n in range(24)]
    park.send_profiles(park.a)
    good = [park.energy(park.a, instant(TUESDAY, n), [kwh]) for n, kwh in enumerate(hours)]
    bad = poisons_of(park, good[0])
    values: list[bytes | None] = [good[0]]
    poisons = {}
    for number, message in enumerate(good[1:]):
        if number < len(bad):
            poisons[len(values)] = bad[number]
            values.append(bad[number][1])
        values.append(message)
    assert len(poisons) == len(bad)
    park.send(park.topic(), values, SENT)
    return Poisoned(park, park.nightly(NIGHT), poisons, hours)


def test_all_good_rows_arrive_and_each_poison_is_one_dead_letter_with_its_bytes(poisoned: Poisoned) -> None:
    assert poisoned.night.code == 0, poisoned.night.err
    assert poisoned.park.hours(poisoned.park.a, TUESDAY) == poisoned.hours
    good = set(range(len(poisoned.hours) + len(poisoned.poisons))) - set(poisoned.poisons)
    assert set(poisoned.park.rows("raw_energy")["offset"]) == good
    found = poisoned.letters.sort("offset").select("offset", "reason", "value").rows()
    assert found == [(offset, *poison) for offset, poison in sorted(poisoned.poisons.items())]


def test_a_dead_letter_tells_where_it_comes_from_when_and_what_it_names(poisoned: Poisoned) -> None:
    letters = {row["offset"]: row for row in poisoned.letters.to_dicts()}
    raw = poisoned.park.rows("raw_energy")
    for offset, letter in letters.items():
        assert letter["record_timestamp"] == SENT + timedelta(seconds=offset)
        assert letter["known_at"] == NIGHT.astimezone(UTC)
        assert (letter["partition"], letter["rows"]) == (0, None)
        assert letter["detail"]
        assert "99.0" not in letter["detail"]  # no value of a member
    assert poisoned.letters["incarnation"].unique().to_list() == raw["incarnation"].unique().to_list()
    ids = {o: letter["schema_id"] for o, letter in letters.items()}
    reasons = {o: letter["reason"] for o, letter in letters.items()}
    unknown = sorted(ids[o] for o in ids if reasons[o] == "unknown_schema")
    assert unknown == [-1, 4711]
    assert all(ids[o] is None for o in ids if reasons[o] in ("wrong_magic", "null_value"))
    stages = poisoned.letters.group_by("reason").agg(pl.col("stage").unique()).rows()
    checked = {reason for reason, stage in stages if stage == ["check"]}
    assert checked == {
        "tenant_mismatch", "unknown_unit", "incompatible_unit", "not_finite", "event_in_future",
        "before_joined", "unknown_carrier", "interval_without_length",
    }  # fmt: skip


def test_the_summary_counts_dead_letters_by_reason_and_a_second_night_adds_none(poisoned: Poisoned) -> None:
    line = poisoned.night.line("dead letters")
    assert line.startswith("21 (")
    assert "truncated 4" in line
    assert "unknown_schema 2" in line
    before = poisoned.park.hub.state("park")
    assert poisoned.park.nightly(NIGHT).line("result").startswith("nothing new")
    assert poisoned.park.hub.state("park") == before


def test_dead_letters_are_listed_without_bytes_and_shown_with_them(poisoned: Poisoned) -> None:
    park = poisoned.park
    listed = park.hub.run("dead-letters", "list", "--cluster", "park", "--topic", park.topic())
    assert listed.code == 0
    rows = listed.csv()
    assert [(int(r["offset"]), r["reason"]) for r in rows] == [
        (offset, reason) for offset, (reason, _) in sorted(poisoned.poisons.items())
    ]
    assert not {"key", "value"} & set(rows[0])
    large = next(o for o, (reason, _) in poisoned.poisons.items() if reason == "too_large")
    assert next(r for r in rows if int(r["offset"]) == large)["size_bytes"] == "1100005"
    only = park.hub.run("dead-letters", "list", "--cluster", "park", "--reason", "leftover_bytes").csv()
    assert [r["reason"] for r in only] == ["leftover_bytes"]
    offset, value = next((o, v) for o, (reason, v) in poisoned.poisons.items() if reason == "leftover_bytes")
    shown = park.hub.run(
        "dead-letters", "show", "--cluster", "park", "--topic", park.topic(), "--offset", offset
    )
    assert value is not None
    assert shown.line("value") == value.hex()
    assert shown.line("reason") == "leftover_bytes"


def test_only_the_rows_of_a_message_that_fail_are_dead(either_park: Park) -> None:
    park = either_park
    park.send_profiles(park.a)
    mixed = park.energy(park.a, instant(TUESDAY), [1.0, float("nan"), 3.0, float("inf"), 5.0])
    park.send(park.topic(), [mixed], SENT)
    assert park.nightly(NIGHT).code == 0
    assert park.hours(park.a, TUESDAY)[:6] == [1.0, None, 3.0, None, 5.0, None]
    (letter,) = park.rows("dead_letters").to_dicts()
    assert (letter["reason"], letter["rows"], letter["value"]) == ("not_finite", [1, 3], mixed)


def test_a_gateways_message_of_a_factory_that_it_does_not_list_is_dead(either_park: Park) -> None:
    park = either_park
    park.send_profiles(park.a, park.b)
    values = [park.energy(f, instant(TUESDAY), [7.0]) for f in (park.b, "stranger", park.a)]
    park.send(park.gateway_topic, values, SENT)
    assert park.nightly(NIGHT).code == 0
    assert park.hours(park.a, TUESDAY)[0] == 7.0
    assert park.hours(park.b, TUESDAY)[0] == 7.0
    assert park.letters() == [(park.gateway_topic, 1, "tenant_mismatch")]
