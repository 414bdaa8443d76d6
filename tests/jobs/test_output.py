"""The output topics of a night: what goes where, once more or not at all, and the same bytes again."""

import dataclasses
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import fastavro
import polars as pl
import pytest

from pipelines.connectors.kafka import KafkaConnection, KafkaRecord, KafkaSource
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sent import StoredPositions
from pipelines.connectors.sink import OpenSink, Record
from pipelines.demo.broker import LocalBroker
from pipelines.jobs.night import Night
from pipelines.jobs.nightly import STEPS
from pipelines.jobs.opening import open_night
from pipelines.jobs.output import send_outputs
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.outputs import benchmark_key, benchmarks_topic, kpi_key, member_topic
from pipelines.schemas.tables import KPIS, RELEASES
from pipelines.settings import Settings
from tests.jobs.conftest import Park, ParkOf, instant

SEOUL = ZoneInfo("Asia/Seoul")
MONDAY, TUESDAY = date(2025, 11, 3), date(2025, 11, 4)
NIGHT = datetime(2025, 11, 4, 3, tzinfo=SEOUL)


@dataclass
class Shelf:
    """A sink that keeps what it is given, by topic, and fails at a topic if told to."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    fails_at: str | None = None
    made: list[str] = field(default_factory=list)

    def ensure_topics(self, names: Sequence[str], *, keep_forever: bool = True) -> None:
        assert not keep_forever
        self.made += names

    def send(self, topic: str, records: Iterable[Record]) -> int:
        if topic == self.fails_at:
            raise ConnectionError(topic)
        some = list(records)
        self.records.setdefault(topic, []).extend(some)
        return len(some)

    def values(self, topic: str) -> dict[str, bytes | None]:
        """Return what a consumer of the compacted topic ends with."""
        found = {r.key.decode(): r.value for r in self.records.get(topic, []) if r.key is not None}
        return {key: value for key, value in found.items() if value is not None}


@pytest.fixture(scope="module")
def after_monday(park_of: ParkOf) -> Park:
    """A park after the night of Monday, of which both factories sent something; nobody may change it."""
    park = park_of("archive")
    park.send_profiles(park.a, park.b)
    park.send(park.topic(), [park.energy(park.a, instant(MONDAY), [1.0] * 24)], instant(MONDAY, 24))
    park.send(park.gateway_topic, [park.energy(park.b, instant(MONDAY), [2.0] * 24)], instant(MONDAY, 24))
    assert park.nightly(NIGHT).code == 0
    return park


@pytest.fixture
def sent(after_monday: Park, tmp_path: Path) -> Park:
    return after_monday.copied(tmp_path / "hub")


def night_of(park: Park, shelf: Shelf, target: str = "broker-1", as_of: datetime = NIGHT) -> Night:
    settings = Settings(
        store=str(park.hub.root / "store"), clusters=park.hub.root / "clusters", source="archive",
        archive=str(park.hub.root / "archive"), schema_registry_folder=park.hub.root / "registry",
    )  # fmt: skip
    night = open_night(settings, "park", as_of, lambda _s, _d, _t: None)
    return dataclasses.replace(night, open_outputs=lambda: OpenSink(target, shelf))


def rows_of(park: Park, member: str) -> pl.DataFrame:
    """Return the rows of the table kpis that are a member's; here a member has one factory of its own id."""
    first = pl.col("subject").str.split("/").list.first()
    return park.rows("kpis").filter(first == member)


def decoded(park: Park, value: bytes) -> dict[str, Any]:
    text = LocalRegistry(park.hub.root / "registry").text(int.from_bytes(value[1:5], "big"))
    assert text is not None
    record = fastavro.schemaless_reader(io.BytesIO(value[5:]), json.loads(text), None)
    assert isinstance(record, dict)
    return record


def as_records(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows as records can say them: the contract's coverage is never null."""
    return rows.with_columns(pl.col("coverage").fill_null(0.0)).to_dicts()


def test_each_member_s_topic_holds_the_rows_of_its_own_subjects_and_no_others(sent: Park) -> None:
    shelf = Shelf()
    send_outputs(night_of(sent, shelf))
    for member in (sent.a, sent.b):
        values = shelf.values(member_topic(member))
        expected = {kpi_key(row): row for row in as_records(rows_of(sent, member))}
        assert values.keys() == expected.keys()
        assert expected
        for key, value in values.items():
            assert value is not None
            record = decoded(sent, value)
            assert record == {name: expected[key][name] for name in record}
    assert set(shelf.records) == {
        benchmarks_topic("park"),
        member_topic(sent.a),
        member_topic(sent.b),
    }


def test_the_cluster_s_topic_holds_the_ledger_and_nothing_else(sent: Park) -> None:
    shelf = Shelf()
    send_outputs(night_of(sent, shelf))
    values = shelf.values(benchmarks_topic("park"))
    ledger = sent.rows("releases").to_dicts()
    assert values.keys() == {benchmark_key(row) for row in ledger}
    for row in ledger:
        value = values[row["figure_id"]]
        assert value is not None
        assert decoded(sent, value) == {n: row[n] for n in decoded(sent, value)}


def test_a_second_run_with_nothing_new_sends_nothing(sent: Park) -> None:
    send_outputs(night_of(sent, Shelf()))
    again = Shelf()
    assert send_outputs(night_of(sent, again)).records == {}
    assert again.records == {}
    assert again.made == []


def test_a_broker_made_anew_gets_everything(sent: Park) -> None:
    first, other = Shelf(), Shelf()
    send_outputs(night_of(sent, first))
    send_outputs(night_of(sent, other, target="broker-2"))
    assert other.records == first.records


@pytest.mark.parametrize("fault", ["position", "second-topic"])
def test_a_run_that_died_before_its_position_sends_the_same_bytes_again(sent: Park, fault: str) -> None:
    whole = Shelf()
    send_outputs(night_of(sent, whole, target="another"))
    died = Shelf()
    if fault == "position":
        with (
            mock.patch.object(StoredPositions, "write", side_effect=RuntimeError("killed")),
            pytest.raises(RuntimeError, match="killed"),
        ):
            send_outputs(night_of(sent, died))
        assert died.records == whole.records
    else:
        died.fails_at = max(whole.records)
        with pytest.raises(ConnectionError):
            send_outputs(night_of(sent, died))
        assert died.records != whole.records
    again = Shelf()
    send_outputs(night_of(sent, again))
    assert again.records == whole.records


def test_a_later_night_sends_only_what_it_changed(sent: Park) -> None:
    send_outputs(night_of(sent, Shelf()))
    sent.send(sent.topic(), [sent.energy(sent.a, instant(TUESDAY), [3.0] * 24)], instant(TUESDAY, 24))
    later = NIGHT + timedelta(days=1)
    assert sent.nightly(later).code == 0
    shelf = Shelf()
    send_outputs(night_of(sent, shelf, as_of=later))
    fresh = rows_of(sent, sent.a).filter(pl.col("known_at") == later.astimezone(UTC))
    assert shelf.values(member_topic(sent.a)).keys() == {kpi_key(row) for row in as_records(fresh)}
    whole = Shelf()
    send_outputs(night_of(sent, whole, target="another", as_of=later))
    assert len(whole.records[member_topic(sent.a)]) > len(shelf.records[member_topic(sent.a)])


def without_one(park: Park) -> dict[str, Any]:
    """Remove a row of member a from the table kpis, as a night does; return it."""
    table = park.hub.store("park").open(KPIS)
    rows = table.scan().filter(pl.col("day") == MONDAY).collect().sort(KPIS.key)
    gone = rows.filter(pl.col("subject") == park.a).head(1)
    table.replace(rows.join(gone, on=list(KPIS.key), how="anti"), f"day = '{MONDAY}'", {})
    return dict(gone.row(0, named=True))


def test_a_row_that_is_gone_becomes_a_tombstone(sent: Park) -> None:
    shelf = Shelf()
    send_outputs(night_of(sent, shelf))
    gone = without_one(sent)
    send_outputs(night_of(sent, shelf))
    assert shelf.records[member_topic(sent.a)][-1] == Record(
        kpi_key(gone).encode(), None, round(NIGHT.timestamp() * 1000)
    )
    assert shelf.values(member_topic(sent.a)).keys() == {
        kpi_key(row) for row in as_records(rows_of(sent, sent.a))
    }


def test_where_the_old_files_are_gone_what_is_there_is_sent_whole(sent: Park) -> None:
    shelf = Shelf()
    send_outputs(night_of(sent, shelf))
    old = set((sent.hub.root / "store" / "park" / "kpis").glob(f"day={MONDAY}/*.parquet"))
    without_one(sent)
    for path in old:
        path.unlink()
    again = Shelf()
    send_outputs(night_of(sent, again))
    assert again.values(member_topic(sent.a)).keys() == {
        kpi_key(row) for row in as_records(rows_of(sent, sent.a).filter(pl.col("day") == MONDAY))
    }


def test_topics_come_after_the_pages() -> None:
    """A broker that takes nothing keeps no page from being made."""
    assert list(STEPS)[-2:] == ["publish", "output"]


def test_an_archive_gets_nothing(sent: Park) -> None:
    topics = [p.name for p in (sent.hub.root / "archive" / "topics").iterdir()]
    assert [name for name in topics if name.startswith(("cluster.", "member."))] == []


def received(source: KafkaSource, topic: str, since: int = 0) -> Iterator[KafkaRecord]:
    for bounds in source.bounds([topic]):
        start = max(bounds.earliest, since)
        for some in source.read_records(OffsetRange(bounds.partition, start, bounds.end)):
            yield from some


@pytest.mark.kafka
def test_a_night_on_a_real_broker_sends_once_and_after_a_kill_the_same_again(
    park_of: ParkOf, broker: LocalBroker
) -> None:
    park = park_of("kafka")
    park.send_profiles(park.a, park.b)
    park.send(park.topic(), [park.energy(park.a, instant(MONDAY), [1.0] * 24)], instant(MONDAY, 24))
    source = KafkaSource(KafkaConnection(broker.bootstrap_servers))
    theirs = benchmarks_topic("park")  # other parks of this broker write to it too
    since = source.bounds([theirs])[0].end if theirs in source.topics() else 0

    with (
        mock.patch.object(StoredPositions, "write", side_effect=RuntimeError("killed")),
        pytest.raises(RuntimeError, match="killed"),
    ):
        park.nightly(NIGHT)
    topics = [member_topic(park.a), member_topic(park.b)]
    first = {topic: list(received(source, topic)) for topic in topics}
    assert park.nightly(NIGHT).code == 0
    assert "nothing new" in park.nightly(NIGHT).line("result")
    for member, topic in zip((park.a, park.b), topics, strict=True):
        records = list(received(source, topic))
        doubled = [(r.key, r.value, r.timestamp_ms) for r in records]
        half = len(first[topic])
        assert len(records) == 2 * half > 0
        assert doubled[:half] == doubled[half:]
        expected = {kpi_key(row): row for row in as_records(rows_of(park, member))}
        assert {r.key.decode() for r in records if r.key is not None} == expected.keys()
        for record in records:
            assert record.key is not None
            assert record.value is not None
            row = decoded(park, record.value)
            assert row == {name: expected[record.key.decode()][name] for name in row}
    ledger = list(received(source, theirs, since))
    assert len(ledger) == 2 * park.rows(RELEASES.name).height
