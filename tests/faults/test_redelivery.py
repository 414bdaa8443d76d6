"""Every message produced twice: the same facts, figures, pages and ledger."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from pipelines.connectors.archive import ArchiveSink
from pipelines.connectors.kafka import KafkaConnection, KafkaSource
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sink import KafkaSink, Record, Sink
from pipelines.demo.broker import LocalBroker
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.tables import RAW
from tests.faults.trial import FIRST, SECOND, Content, Driver, History, live_through, publish, settings

PROVENANCE_TABLES = {*(table.name for table in RAW.values()), "dead_letters", "gaps"}


def derived(content: Content) -> Content:
    """Leave out raw rows and dead letters: they are there as often as they were delivered."""
    tables = {name: lines for name, lines in content.tables.items() if name not in PROVENANCE_TABLES}
    return Content(tables, content.files)


def energy_rows(history: History) -> int:
    rows = history.after.store().open(RAW["energy"]).scan().select(pl.len()).collect()
    return int(rows.item())


@dataclass
class Twice:
    """A sink that sends everything twice, the second time in another order."""

    sink: Sink

    def ensure_topics(self, names: Sequence[str], *, keep_forever: bool = True) -> None:
        self.sink.ensure_topics(names, keep_forever=keep_forever)

    def send(self, topic: str, records: Iterable[Record]) -> int:
        once = list(records)
        return self.sink.send(topic, once) + self.sink.send(topic, reversed(once))


@pytest.mark.faults
def test_a_history_in_which_every_message_came_twice_gives_the_same_figures_pages_and_ledger(
    archived: History, driver: Driver, tmp_path: Path
) -> None:
    registry = LocalRegistry(packaged_folder("avro") / "history")

    def publish_until(as_of: str) -> None:
        publish(Twice(ArchiveSink(tmp_path / "second", registry)), tmp_path / "sent", as_of)
        if as_of == FIRST:
            shutil.copytree(tmp_path / "second", tmp_path / "first")

    environments = [settings(DC_ARCHIVE=str(tmp_path / name)) for name in ("first", "second")]
    doubled = live_through(tmp_path, driver, environments, "archive", publish_until)
    rows = [
        h.after.store().open(RAW["energy"]).scan().select(pl.len()).collect().item()
        for h in (archived, doubled)
    ]
    assert rows[1] == 2 * rows[0]
    assert derived(doubled.last).differing(derived(archived.last)) == []


@pytest.mark.kafka
def test_a_producer_that_delivers_everything_again_changes_no_figure_page_or_ledger_entry(
    own_broker: LocalBroker, archived: History, driver: Driver, tmp_path: Path
) -> None:
    connection = KafkaConnection(own_broker.bootstrap_servers)
    environment = settings(DC_KAFKA_BOOTSTRAP_SERVERS=own_broker.bootstrap_servers)
    sink, source = KafkaSink(connection), KafkaSource(connection)
    history = live_through(
        tmp_path, driver, [environment] * 2, "kafka", lambda as_of: publish(sink, tmp_path / "sent", as_of)
    )
    assert derived(history.last).differing(derived(archived.last)) == []  # whichever source, the same
    for bound in source.bounds(source.topics()):
        everything = OffsetRange(bound.partition, bound.earliest, bound.end)
        for records in source.read_records(everything):
            sink.send(bound.partition.topic, [Record(r.key, r.value, r.timestamp_ms) for r in records])
    again = history.after.night(SECOND)
    assert again.code == 0, again.errors
    assert "releases" not in again.places("commit") or "0 new ledger entries" in again.output
    assert "RESTATED" not in again.output
    assert derived(history.after.content()).differing(derived(archived.last)) == []
    assert history.after.night(SECOND).places("commit") == []
