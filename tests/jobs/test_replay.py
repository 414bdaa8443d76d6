"""Dead letters that are replayed once their cause is mended: their rows arrive exactly once."""

from datetime import date, datetime
from unittest import mock

import polars as pl

from pipelines.reference.tables import units
from tests.jobs.conftest import HISTORY, SEOUL, Park, instant, unknown_schema

TUESDAY = date(2025, 11, 4)
FIRST, NEXT = datetime(2025, 11, 6, 3, tzinfo=SEOUL), datetime(2025, 11, 7, 3, tzinfo=SEOUL)
SENT = instant(TUESDAY, 24)
KWH = [float(n) for n in range(1, 25)]


def begin(park: Park) -> None:
    """Send both factories' profiles, the first hour of a's Tuesday and all of b's."""
    park.send_profiles(park.a, park.b)
    park.send(park.gateway_topic, [park.energy(park.b, instant(TUESDAY), KWH)], SENT)
    park.send(park.topic(), [park.energy(park.a, instant(TUESDAY), KWH[:1])], SENT)


def replay(park: Park, *arguments: str) -> tuple[str, str]:
    """Replay and return what was added and what is still dead."""
    answer = park.hub.run(
        "dead-letters", "replay", "--cluster", "park", "--as-of", NEXT.isoformat(), *arguments
    )
    assert answer.code == 0, answer.err
    return answer.line("added").partition(" rows")[0], answer.line("still dead")


def raw(park: Park, factory: str) -> list[tuple[int, int]]:
    return park.rows("raw_energy").filter(factory=factory).select("offset", "index").rows()


def test_an_unknown_schema_that_was_registered_later(either_park: Park) -> None:
    park = either_park
    begin(park)
    park.send(park.topic(), [unknown_schema(park.energy(park.a, instant(TUESDAY), KWH))], SENT)
    assert park.nightly(FIRST).code == 0
    assert park.letters() == [(park.topic(), 1, "unknown_schema")]
    assert replay(park) == ("0", "unknown_schema 1")
    schema = (HISTORY / "0001.energy.v1.avsc").read_text(encoding="utf-8")
    (park.hub.root / "registry" / "4711.energy.v2.avsc").write_text(schema, encoding="utf-8")
    assert replay(park, "--reason", "wrong_magic") == ("0", "none")
    assert replay(park) == ("24", "none")
    after = park.hub.state("park")
    assert replay(park) == ("0", "none")
    assert park.hub.state("park") == after
    assert raw(park, park.a) == [(0, 0), *((1, n) for n in range(24))]
    assert park.rows("raw_energy").filter(offset=1)["schema_id"].unique().to_list() == [4711]
    assert park.hours(park.a, TUESDAY)[1] is None
    assert park.nightly(NEXT).line("RESTATED / 재산정") == f"{park.a} {TUESDAY} (late_data)"
    assert park.hours(park.a, TUESDAY) == KWH
    assert park.letters() == [(park.topic(), 1, "unknown_schema")]  # what happened stays on record


def test_a_unit_that_the_table_gained_later(park: Park) -> None:
    begin(park)
    strange = park.energy(park.a, instant(TUESDAY), [2.0] * 24, unit="ten-kWh")
    park.send(park.topic(), [strange], SENT)
    assert park.nightly(FIRST).code == 0
    assert park.letters() == [(park.topic(), 1, "unknown_unit")]
    row = {"from_unit": "ten-kWh", "to_unit": "kWh", "multiplier": 10, "note": "a test's"}
    known = units()
    wider = pl.concat([known, pl.DataFrame([row]).cast(dict(known.schema))])  # type: ignore[arg-type]
    with mock.patch("pipelines.jobs.opening.units", return_value=wider):
        assert replay(park, "--topic", park.topic()) == ("24", "none")
        assert replay(park, "--topic", park.topic()) == ("0", "none")
        assert park.nightly(NEXT).code == 0
        assert park.hours(park.a, TUESDAY) == [20.0] * 24


def test_a_factory_that_the_cluster_file_lists_later(either_park: Park) -> None:
    park = either_park
    begin(park)
    new = f"c-{park.tag}"
    park.send_profiles(new)
    park.send(park.gateway_topic, [park.energy(new, instant(TUESDAY), KWH)], SENT)
    night = park.nightly(FIRST)
    assert park.letters() == [(park.gateway_topic, 1, "tenant_mismatch")]
    assert f"factory.{new}.profile" in night.line("UNCLAIMED / 미등록 토픽")
    before = park.rows("facts_energy").filter(factory=park.b)
    park.define(new)
    assert replay(park) == ("24", "none")
    assert replay(park) == ("0", "none")
    assert park.nightly(NEXT).code == 0
    assert park.hours(new, TUESDAY) == KWH
    assert raw(park, new) == [(1, n) for n in range(24)]
    # The other factory of the gateway's message stream is as it was, its final day's version too.
    now = park.rows("facts_energy").filter(factory=park.b)
    assert now.filter(day=TUESDAY).equals(before.filter(day=TUESDAY))


def test_a_replay_does_not_double_the_rows_of_a_message_that_were_good(park: Park) -> None:
    begin(park)
    mixed = [*KWH[:3], float("nan"), *KWH[4:]]
    park.send(park.topic(), [park.energy(park.a, instant(TUESDAY), mixed)], SENT)
    park.nightly(FIRST)
    before = park.hub.state("park")
    assert park.rows("raw_energy").filter(factory=park.a).height == 24
    assert replay(park) == ("0", "not_finite 1")
    assert park.hub.state("park") == before


def test_letters_of_several_topics_are_replayed_by_the_topic_that_is_named(park: Park) -> None:
    begin(park)
    park.send(park.topic(), [unknown_schema(park.energy(park.a, instant(TUESDAY), KWH))], SENT)
    monday = park.energy(park.b, instant(date(2025, 11, 3)), KWH)
    park.send(park.gateway_topic, [unknown_schema(monday)], SENT)
    park.nightly(FIRST)
    schema = (HISTORY / "0001.energy.v1.avsc").read_text(encoding="utf-8")
    (park.hub.root / "registry" / "4711.energy.v2.avsc").write_text(schema, encoding="utf-8")
    assert replay(park, "--topic", park.gateway_topic) == ("24", "none")
    assert len(raw(park, park.a)) == 1
    assert replay(park) == ("24", "none")
    assert len(raw(park, park.a)) == 25
