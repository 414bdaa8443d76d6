"""The publisher sends each unit once, whatever the clock does and whenever it is killed."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sink import Record
from pipelines.demo.clock import DEFAULT_AS_OF
from pipelines.demo.publisher import PublishReport, publish_demo
from pipelines.domain.cluster import ClusterDefinition

Double = Any  # conftest.MemorySink or MemoryLog: a conftest is no module to import from
CLOCK = DEFAULT_AS_OF - timedelta(days=12)
FEW = ("chorok", "garam-2", "areum")


class Publication:
    """A cluster, a registry, a sink and a log, published to at any clock."""

    def __init__(
        self, cluster: ClusterDefinition, registry: LocalRegistry, sink: Double, log: Double
    ) -> None:
        self.cluster, self.registry, self.sink, self.log = cluster, registry, sink, log

    def at(self, as_of: datetime, target: str = "broker") -> PublishReport:
        return publish_demo(self.cluster, as_of, self.sink, self.log, target, self.registry, factories=FEW)

    def everything(self) -> Counter[tuple[str, Record]]:
        return Counter((t, r) for t, records in self.sink.records.items() for r in records)


@pytest.fixture
def publication(
    demo_cluster: ClusterDefinition,
    history: LocalRegistry,
    sink: Double,
    log: Double,
) -> Publication:
    return Publication(demo_cluster, history, sink, log)


def test_a_publication_sends_what_was_sent_by_its_clock_in_order_of_sending(
    publication: Publication,
) -> None:
    report = publication.at(CLOCK)
    assert report.total == sum(publication.everything().values()) > 3_000
    assert set(report.sent) == set(publication.sink.topics)
    until_ms = CLOCK.timestamp() * 1000
    for records in publication.sink.records.values():
        stamps = [r.timestamp_ms for r in records]
        assert stamps == sorted(stamps)
        assert stamps[-1] < until_ms


def test_a_second_publication_sends_nothing_and_another_target_everything(publication: Publication) -> None:
    first = publication.at(CLOCK)
    assert publication.at(CLOCK).total == 0
    assert publication.at(CLOCK, "another broker").total == first.total


def test_a_later_clock_adds_only_what_is_new(publication: Publication) -> None:
    publication.at(CLOCK)
    before = publication.everything()
    report = publication.at(CLOCK + timedelta(days=1))
    after = publication.everything()
    assert before < after
    assert max(after.values()) == 1
    assert report.total == sum(after.values()) - sum(before.values())
    new = after - before
    assert min(r.timestamp_ms for _, r in new) >= CLOCK.timestamp() * 1000


def test_clocks_that_cut_a_day_end_with_the_same_records_as_one_that_does_not(
    publication: Publication,
    demo_cluster: ClusterDefinition,
    history: LocalRegistry,
    log: Double,
) -> None:
    end = CLOCK + timedelta(days=1)
    publication.at(CLOCK)
    for clock in (timedelta(hours=5, minutes=20), timedelta(hours=5, minutes=50), timedelta(hours=15)):
        publication.at(CLOCK + clock)
        assert max(r.timestamp_ms for _, r in publication.everything()) < ((CLOCK + clock).timestamp() * 1000)
    publication.at(end)
    pieces = publication.everything()
    whole = Publication(demo_cluster, history, type(publication.sink)(), type(log)())
    whole.at(CLOCK)
    whole.at(end)
    assert pieces == whole.everything()
    assert publication.at(CLOCK + timedelta(hours=7)).total == 0


def test_a_publication_killed_while_sending_is_completed_by_the_next(publication: Publication) -> None:
    whole_send = publication.sink.send
    calls = Counter[str]()

    def dies(topic: str, records: Iterable[Record]) -> int:
        sent = list(records)
        calls["send"] += len(sent) > 7
        if calls["send"] == 20 and len(sent) > 7:
            whole_send(topic, sent[:7])
            raise ConnectionError("killed")
        return int(whole_send(topic, sent))

    publication.sink.send = dies
    with pytest.raises(ConnectionError):
        publication.at(CLOCK)
    del publication.sink.send
    publication.at(CLOCK)
    counts = publication.everything()
    assert sorted(counts.values(), reverse=True)[:8] == [2] * 7 + [1]
    assert publication.at(CLOCK).total == 0


def test_progress_is_told_after_each_topic(
    demo_cluster: ClusterDefinition,
    history: LocalRegistry,
    sink: Double,
    log: Double,
) -> None:
    told: list[tuple[str, int, int]] = []
    publish_demo(
        demo_cluster, CLOCK - timedelta(days=2), sink, log, "b", history,
        factories=["chorok"], progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert [done for _, done, _ in told] == list(range(1, 12))
    assert {count for _, _, count in told} == {11}
