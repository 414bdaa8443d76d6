"""The same records give the same rows, dead letters, figures and pages, wherever they are read from."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.connectors.archive import archive_topics
from pipelines.connectors.canonical import canonical_files, canonical_tables
from pipelines.connectors.kafka import KafkaConnection, KafkaSource
from pipelines.connectors.registry import LocalRegistry
from tests.jobs.conftest import SEOUL, Hub, Park, ParkOf, instant, unknown_schema

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2025, 11, day) for day in range(3, 7))
MACHINES = [{"machine": "press", "name": "Press"}]
PRODUCTS = [{"product": "bolt", "unit": "piece", "product_class": "bolts", "pru_s": 10.0}]
SHIFTS = [{"weekday": day, "start_minute": 480, "end_minute": 1020} for day in range(1, 6)]

pytestmark = pytest.mark.kafka


def three(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL)


def send_profiles(park: Park) -> None:
    sent = instant(date(2025, 11, 1))
    park.send(
        park.topic("profile"),
        [park.profile(park.a, machines=MACHINES, products=PRODUCTS, shifts=SHIFTS)],
        sent,
    )
    # A tombstone, as a compacted topic may hold it, is a dead letter and takes no profile away.
    park.send(park.topic("profile", park.b), [park.profile(park.b), None], sent)


def send_day(park: Park, day: date) -> None:
    """Send energy, states and counts of a day, some of it late for the day before, with poison between."""
    sent = instant(day, 24)
    own = [park.energy(park.a, instant(day, n), [n + 0.25]) for n in range(24)]
    park.send(
        park.topic(),
        [
            *own[:6], own[5][:-3], own[6], unknown_schema(own[6]), *own[7:12], own[12] + b"left over",
            b"\x00\x00\x00\x00\x01" + bytes(1_100_000), None, *own[12:20],
            park.energy(park.b, instant(day), [99.0]),
            park.energy(park.a, instant(day, 20), [5.0, float("nan"), 7.0]),
            park.energy(park.a, instant(day - timedelta(days=2)), [3.5]),
        ],
        sent,
    )  # fmt: skip
    both = [park.energy(f, instant(day), [1.0] * 24, meter="sub") for f in (park.a, "stranger", park.b)]
    park.send(park.gateway_topic, [*both, b"\x00\xff\xff\xff\xff" + both[0][5:]], sent)
    states = [
        {"machine": "press", "at": instant(day, 8), "state": "running", "until": None, "product": "bolt"},
        {
            "machine": "press",
            "at": instant(day, 12),
            "state": "repair",
            "until": instant(day, 13),
            "product": None,
        },
        {"machine": "press", "at": instant(day, 17), "state": "off", "until": None, "product": None},
    ]
    park.send(
        park.topic("states"),
        [
            park.encode("states", {"factory": park.a, "reason": None, "sequence": n, **s})
            for n, s in enumerate(states)
        ],
        sent,
    )
    counted = {
        "factory": park.a, "machine": "press", "product": "bolt", "rework": 0.0, "inspected": None,
        "first_pass": None,
    }  # fmt: skip
    counts = [
        {**counted, "at": instant(day, h), "total": 100.0 * h, "rejected": float(h), "sequence": h}
        for h in range(8, 18)
    ]
    park.send(park.topic("counts"), [park.encode("counts", c) for c in counts], sent)


def topics(park: Park) -> list[str]:
    own = [park.topic(s) for s in ("profile", "energy", "states", "counts")]
    return [*own, park.topic("profile", park.b), park.gateway_topic]


def copy_to_archive(park: Park, hub: Hub) -> int:
    """Copy what Kafka holds of the park's topics, and the hub's archive not yet; return how many offsets."""
    source = KafkaSource(KafkaConnection(hub.settings["DC_KAFKA_BOOTSTRAP_SERVERS"]))
    registry = LocalRegistry(hub.root / "registry")
    return sum(r.messages for r in archive_topics(source, hub.root / "archive", registry, topics(park)))


@pytest.fixture
def twins(park_of: ParkOf, tmp_path: Path) -> tuple[Park, Park]:
    """A park on Kafka, and one in another folder that reads an archive copied from it.

    The second also cuts its slices after two messages and has one worker: that must not matter either.
    """
    kafka = park_of("kafka")
    hub = kafka.hub.copied(tmp_path / "twin")
    hub = hub.with_settings(source="archive", slice_bytes="1024", workers="1")
    return kafka, Park(hub, kafka.sink, kafka.tag)


def contents(park: Park) -> dict[str, bytes]:
    return canonical_tables(park.hub.store("park")) | canonical_files(park.hub.root / "site")


def test_kafka_and_its_archive_give_the_same_night_after_night(twins: tuple[Park, Park]) -> None:
    kafka, archive = twins
    send_profiles(kafka)
    for day, offsets in ((TUESDAY, 3 + 45), (WEDNESDAY, 45), (THURSDAY, 45)):
        send_day(kafka, day)
        assert copy_to_archive(kafka, archive.hub) == offsets
        nights = [park.nightly(three(day + timedelta(days=1))) for park in (kafka, archive)]
        assert [n.code for n in nights] == [0, 0], nights[0].err + nights[1].err
        assert nights[0].line("dead letters") == nights[1].line("dead letters")
    left, right = contents(kafka), contents(archive)
    assert sorted(left) == sorted(right)
    assert [name for name in left if left[name] != right[name]] == []
    assert kafka.hub.store("park").table_versions() == archive.hub.store("park").table_versions()
    # And it is not nothing that is the same.
    assert kafka.rows("dead_letters").height == 3 * 9 + 1
    assert kafka.rows("raw_energy").height == 3 * (20 + 2 + 1 + 2 * 24)
    # The first hour of Monday came late; that of Tuesday came anew with another value.
    causes = kafka.rows("facts_history").select("day", "cause").unique().sort("day").rows()
    assert causes == [(MONDAY, "late_data"), (TUESDAY, "meter_correction")]
    assert kafka.hours(kafka.a, TUESDAY) == archive.hours(kafka.a, TUESDAY)
    assert kafka.hours(kafka.a, TUESDAY)[:2] == [3.5, 1.25]


@pytest.mark.faults
def test_a_hub_may_change_from_kafka_to_its_archive_and_back(twins: tuple[Park, Park]) -> None:
    """Offsets and incarnations are the same, so positions hold for both."""
    steady, changing = twins
    send_profiles(steady)
    for day, source in ((TUESDAY, "kafka"), (WEDNESDAY, "archive"), (THURSDAY, "kafka")):
        send_day(steady, day)
        copy_to_archive(steady, changing.hub)
        as_of = ("--as-of", three(day + timedelta(days=1)).isoformat())
        nights = [
            steady.hub.run("nightly", "--cluster", "park", "--source", "kafka", *as_of),
            changing.hub.run("nightly", "--cluster", "park", "--source", source, *as_of),
        ]
        assert [n.code for n in nights] == [0, 0], nights[0].err + nights[1].err
    left, right = contents(steady), contents(changing)
    assert sorted(left) == sorted(right)
    assert [name for name in left if left[name] != right[name]] == []
    assert steady.rows("gaps").is_empty()
