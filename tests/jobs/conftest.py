"""What the tests of whole nights share: a hub in a folder, its commands, a park that is sent by hand."""

import contextlib
import io
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from unittest import mock
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pipelines import cli
from pipelines.connectors.archive import ArchiveSink
from pipelines.connectors.clusters import load_cluster
from pipelines.connectors.kafka import KafkaConnection
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sink import KafkaSink, Record, Sink
from pipelines.connectors.store import ClusterStore
from pipelines.demo.broker import LocalBroker
from pipelines.demo.clock import DEFAULT_AS_OF, demo_days
from pipelines.demo.session import DEMO_CLUSTER
from pipelines.demo.simulation import Simulation, simulate
from pipelines.demo.truth import Truth
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.encode import MessageEncoder, header
from pipelines.schemas.tables import TABLES, Table

SEOUL = ZoneInfo("Asia/Seoul")
SCHEMA_IDS = {
    "energy": 1, "states": 2, "counts": 3, "orders": 4, "shipments": 5, "safety": 7, "profile": 8,
    "stock": 15, "costs": 16,
}  # fmt: skip
HISTORY = packaged_folder("avro") / "history"


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def line(self, heading: str) -> str:
        """Return the text of the summary's line with a heading."""
        found = [text for h, _, text in (x.partition(": ") for x in self.out.splitlines()) if h == heading]
        assert len(found) == 1, self.out + self.err
        return found[0]

    def csv(self) -> list[dict[str, str]]:
        """Return the output's rows."""
        return pl.read_csv(io.StringIO(self.out), infer_schema=False).to_dicts()


@dataclass(frozen=True)
class Hub:
    """An installation in a folder; paths in its settings are relative, so a copy is the same hub."""

    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        names = ("store", "archive", "site", "broker", "registry")
        own = {f"DC_{name.upper()}": name for name in names if name != "registry"}
        own["DC_SCHEMA_REGISTRY_FOLDER"] = str(self.root / "registry")
        own["DC_CLUSTERS"] = str(self.root / "clusters")
        own["DC_SOURCE"] = "archive"
        own["DC_LEDGER_KEY_FILE"] = os.environ["DC_LEDGER_KEY_FILE"]
        return own | dict(self.settings)

    def with_settings(self, **settings: str) -> "Hub":
        """Return the same hub under some other settings: store="..." is DC_STORE."""
        more = {f"DC_{name.upper()}": value for name, value in settings.items()}
        return Hub(self.root, {**self.settings, **more})

    def run(self, *arguments: object) -> Answer:
        """Run a command as the shell would; any exception but an exit fails the test."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
        with (
            mock.patch.dict(os.environ, kept | self.environment, clear=True),
            mock.patch.object(sys, "argv", ["digital-cluster", *map(str, arguments)]),
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Answer(code, out.getvalue(), err.getvalue())

    def store(self, cluster: str) -> ClusterStore:
        return ClusterStore(str(self.root / "store"), cluster)

    def rows(self, cluster: str, table: Table | str) -> pl.DataFrame:
        """Return a table's rows by key, all columns."""
        declared = TABLES[table] if isinstance(table, str) else table
        return self.store(cluster).open(declared).scan().collect().sort(declared.key)

    def state(self, cluster: str) -> dict[str, int]:
        """Return the version of every table and the mtime [ns] of every page."""
        pages = (p for p in (self.root / "site").rglob("*") if p.is_file())
        return self.store(cluster).table_versions() | {str(p): p.stat().st_mtime_ns for p in pages}

    def copied(self, to: Path) -> "Hub":
        """Copy the whole hub, times of files included."""
        shutil.copytree(self.root, to, dirs_exist_ok=True)
        return Hub(to, self.settings)


def make_hub(root: Path, **settings: str) -> Hub:
    """Make a hub with the shipped clusters and a registry of its own."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HISTORY, root / "registry")
    shutil.copytree(packaged_folder("infra") / "clusters", root / "clusters")
    return Hub(root).with_settings(**settings)


@dataclass(frozen=True)
class Demo:
    """The demo after its first night, and what truly happened."""

    hub: Hub
    night: Answer
    simulation: Simulation

    @property
    def truth(self) -> Truth:
        return self.simulation.truth

    def rows(self, table: str) -> pl.DataFrame:
        return self.hub.rows(DEMO_CLUSTER, table)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Twelve factories, eight days, read from the archive; nobody may change it (see `Hub.copied`)."""
    hub = make_hub(tmp_path_factory.mktemp("demo"))
    night = hub.run("nightly", "--demo", "--source", "archive")
    assert night.code == 0, night.err
    cluster = load_cluster(hub.root / "clusters", DEMO_CLUSTER)
    return Demo(hub, night, simulate(cluster, demo_days(DEFAULT_AS_OF, cluster.zone)))


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SEOUL)


@dataclass
class Park:
    """A small cluster `park` of two factories and a gateway for both, whose messages a test sends itself.

    Factory a sends to its own topics; factory b's energy goes to the gateway's. Everything of one park is
    named by its tag, so that parks share a broker.
    """

    hub: Hub
    sink: Sink
    tag: str
    sequence: int = 0

    def __post_init__(self) -> None:
        self.define()

    @property
    def a(self) -> str:
        return f"a-{self.tag}"

    @property
    def b(self) -> str:
        return f"b-{self.tag}"

    @property
    def gateway_topic(self) -> str:
        return f"gateway.g-{self.tag}.energy"

    def topic(self, stream: str = "energy", factory: str | None = None) -> str:
        return f"factory.{factory or self.a}.{stream}"

    def define(self, *more: str) -> None:
        """Write the cluster file: members of one factory each, a and b and perhaps more."""
        members = [
            {
                "member": factory, "name": {"ko": factory, "en": factory}, "holding": factory,
                "factories": [{"factory": factory, "joined": "2025-11-01"}],
            }
            for factory in (self.a, self.b, *more)
        ]  # fmt: skip
        definition = {
            "cluster": "park", "name": {"ko": "단지", "en": "Park"}, "zone": "Asia/Seoul", "geography": "KR",
            "policy": {"version": "1", "classes": {"A": {"min_contributors": 3, "coalition": 1}}},
            "members": members,
            "gateways": [{"gateway": f"g-{self.tag}", "factories": [self.a, self.b, *more]}],
        }  # fmt: skip
        shutil.rmtree(self.hub.root / "clusters")
        (self.hub.root / "clusters").mkdir()
        # JSON is YAML, but an unquoted date is a date only in YAML.
        text = re.sub(r'"(\d{4}-\d\d-\d\d)"', r"\1", json.dumps(definition, ensure_ascii=False))
        (self.hub.root / "clusters" / "park.yaml").write_text(text, encoding="utf-8")

    def encode(self, stream: str, record: Mapping[str, Any], schema_id: int | None = None) -> bytes:
        """Encode a record under a schema of the hub's registry."""
        number = schema_id or SCHEMA_IDS[stream]
        text = LocalRegistry(self.hub.root / "registry").text(number)
        assert text is not None
        return MessageEncoder(number, text).encode(record)

    def reading(
        self, factory: str, first: datetime, values: Sequence[float], **changes: object
    ) -> dict[str, Any]:
        """Return hourly intervals from an instant on, as a record of the contract."""
        self.sequence += 1
        return {
            "factory": factory, "meter": "main", "carrier": "electricity", "kind": "interval", "unit": "kWh",
            "stamp": "start", "length_s": 3600, "sequence": self.sequence,
            "readings": [{"at": first + timedelta(hours=n), "value": v} for n, v in enumerate(values)],
            **changes,
        }  # fmt: skip

    def energy(self, factory: str, first: datetime, values: Sequence[float], **changes: object) -> bytes:
        return self.encode("energy", self.reading(factory, first, values, **changes))

    def profile(self, factory: str, valid_from: date = date(2025, 11, 1), **changes: object) -> bytes:
        """Return the profile of a factory with a main meter, valid since it joined."""
        self.sequence += 1
        meter = {
            "meter": "main", "carrier": "electricity", "unit": "kWh", "parent": None, "machine": None,
            "register_digits": None, "maximum_per_h": None, "bidirectional": False,
        }  # fmt: skip
        record = {
            "factory": factory, "valid_from": midnight(valid_from), "name": factory, "zone": None,
            "geography": "KR", "process": "casting", "region": "gyeongnam", "size_class": "small",
            "maturity": "basic", "meters": [meter], "machines": [], "shifts": [], "holidays": [],
            "products": [], "sequence": self.sequence,
        }  # fmt: skip
        return self.encode("profile", {**record, **changes})

    def send(self, topic: str, values: Sequence[bytes | None], at: datetime) -> None:
        """Send messages one second apart, the first at an instant."""
        first_ms = round(at.timestamp() * 1000)
        self.sink.ensure_topics([topic])
        keys = [None if value is None else topic.split(".")[1].encode() for value in values]
        records = [
            Record(key or b"tombstone", value, first_ms + n * 1000)
            for n, (key, value) in enumerate(zip(keys, values, strict=True))
        ]
        assert self.sink.send(topic, records) == len(records)

    def send_profiles(self, *factories: str) -> None:
        for factory in factories:
            topic = self.topic("profile", factory)
            self.send(topic, [self.profile(factory)], midnight(date(2025, 11, 1)))

    def copied(self, to: Path) -> "Park":
        """Copy a park that lives in an archive, with all that its nights left."""
        hub = self.hub.copied(to)
        sink = ArchiveSink(hub.root / "archive", LocalRegistry(hub.root / "registry"))
        return Park(hub, sink, self.tag, self.sequence)

    def nightly(self, as_of: datetime) -> Answer:
        return self.hub.run("nightly", "--cluster", "park", "--as-of", as_of.isoformat())

    def hours(self, factory: str, day: date) -> list[float | None]:
        """Return the hourly kWh of a day as `digital-cluster energy` prints them."""
        asked = ("--factory", factory, "--from", day, "--to", day, "--by", "hour", "--format", "csv")
        answer = self.hub.run("energy", "--cluster", "park", *asked)
        assert answer.code == 0, answer.err
        return [float(r["energy_kwh"]) if r["energy_kwh"] else None for r in answer.csv()]

    def rows(self, table: str) -> pl.DataFrame:
        return self.hub.rows("park", table)

    def letters(self) -> list[tuple[str, int, str]]:
        """Return topic, offset and reason of every dead letter."""
        return self.rows("dead_letters").select("topic", "offset", "reason").rows()


ParkOf = Callable[[Literal["kafka", "archive"]], Park]


@pytest.fixture(scope="session")
def park_of(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ParkOf:
    """Make a park that sends to a real broker or into an archive, and reads from there."""

    def make(source: Literal["kafka", "archive"]) -> Park:
        hub = make_hub(tmp_path_factory.mktemp(source) / "hub", source=source)
        tag = uuid.uuid4().hex[:8]
        if source == "archive":
            return Park(hub, ArchiveSink(hub.root / "archive", LocalRegistry(hub.root / "registry")), tag)
        broker: LocalBroker = request.getfixturevalue("broker")
        hub = hub.with_settings(kafka_bootstrap_servers=broker.bootstrap_servers)
        return Park(hub, KafkaSink(KafkaConnection(broker.bootstrap_servers)), tag)

    return make


@pytest.fixture
def park(park_of: ParkOf) -> Park:
    """A park that lives in an archive."""
    return park_of("archive")


EITHER = [pytest.param("kafka", marks=pytest.mark.kafka), "archive"]


@pytest.fixture(params=EITHER)
def either_park(request: pytest.FixtureRequest, park_of: ParkOf) -> Park:
    """A park on a real broker, and one on an archive."""
    return park_of(request.param)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real measurements."""
    shared = Path(os.environ.get("DC_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
    if not shared.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{shared} is not there: set DC_SHARED")
        pytest.skip(f"{shared} is not there: set DC_SHARED to the folder of real measurements")
    return shared


def unknown_schema(good: bytes, schema_id: int = 4711) -> bytes:
    """Return a good message that names a schema that nobody registered."""
    return header(schema_id) + good[5:]


def instant(day: date, hour: int = 0) -> datetime:
    return (midnight(day) + timedelta(hours=hour)).astimezone(UTC)
