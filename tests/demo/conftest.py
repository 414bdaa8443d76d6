"""The default simulation, made once, and what stands in for a sink and for the record of what was sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from pipelines.connectors.clusters import load_cluster
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sink import Record
from pipelines.demo.clock import DEFAULT_AS_OF, demo_days
from pipelines.demo.publisher import open_encoders
from pipelines.demo.simulation import Simulation, simulate
from pipelines.domain.cluster import ClusterDefinition
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.encode import MessageEncoder


@dataclass
class MemorySink:
    """Keeps what it was sent, by topic."""

    topics: list[str] = field(default_factory=list)
    records: dict[str, list[Record]] = field(default_factory=dict)

    def ensure_topics(self, names: Sequence[str], *, keep_forever: bool = True) -> None:
        assert keep_forever
        self.topics.extend(names)

    def send(self, topic: str, records: Iterable[Record]) -> int:
        sent = list(records)
        self.records.setdefault(topic, []).extend(sent)
        return len(sent)


class MemoryLog:
    """Keeps what was recorded as sent."""

    def __init__(self) -> None:
        self.units: dict[tuple[str, str, str], int] = {}

    def contains(self, target: str, topic: str, digest: str) -> bool:
        return (target, topic, digest) in self.units

    def record(self, target: str, topic: str, digest: str, count: int, description: str) -> None:
        assert description
        self.units[target, topic, digest] = count


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture(scope="session")
def demo_cluster() -> ClusterDefinition:
    return load_cluster(packaged_folder("infra") / "clusters", "changwon-demo")


@pytest.fixture(scope="session")
def history() -> LocalRegistry:
    return LocalRegistry(packaged_folder("avro") / "history")


@pytest.fixture(scope="session")
def encoders(history: LocalRegistry) -> dict[str, MessageEncoder]:
    return open_encoders(history)


@pytest.fixture(scope="session")
def default_demo(demo_cluster: ClusterDefinition) -> Simulation:
    return simulate(demo_cluster, demo_days(DEFAULT_AS_OF, demo_cluster.zone))
