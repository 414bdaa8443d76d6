"""A demo session: a broker of one's own (or an archive), with the demo's messages published up to its clock.

Belongs here: starting, publishing, stopping, the demo's ledger key. Does not belong here: what is simulated,
what a night does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pipelines.connectors.archive import ArchiveSink
from pipelines.connectors.clusters import load_cluster
from pipelines.connectors.kafka import KafkaConnection, broker_cluster_id
from pipelines.connectors.registry import open_registry
from pipelines.connectors.sealing import make_key_file
from pipelines.connectors.sent import StoredSentLog
from pipelines.connectors.sink import KafkaSink, Sink
from pipelines.connectors.store import ClusterStore
from pipelines.demo.broker import BrokerUnavailable, LocalBroker
from pipelines.demo.publisher import publish_demo
from pipelines.schemas.contracts import packaged_folder
from pipelines.settings import Settings

DEMO_CLUSTER = "changwon-demo"
DEMO_KEY = Path("build/demo-ledger.key")
# The local broker listens on the loopback without passwords, whatever is configured for another.
_OPEN = {
    "kafka_security_protocol": "PLAINTEXT",
    "kafka_sasl_mechanism": None,
    "kafka_sasl_username": None,
    "kafka_sasl_password": None,
    "kafka_ssl_ca": None,
}
Progress = Callable[[str, int, int], None]


@contextmanager
def local_broker(settings: Settings, say: Callable[[str], None]) -> Iterator[Settings]:
    """Give settings that point at a local broker, started on its folder; stop it afterwards.

    Where the broker can't be had, say so in one line and give settings that point at the archive.
    """
    if settings.source == "archive":
        yield settings
        return
    broker = LocalBroker(settings.broker, progress=say)
    try:
        broker.__enter__()
    except BrokerUnavailable as error:
        say(f"{error.english} / {error.korean} -> archive {settings.archive}")
        yield settings.model_copy(update={"source": "archive"})
        return
    try:
        yield settings.model_copy(update={**_OPEN, "kafka_bootstrap_servers": broker.bootstrap_servers})
    finally:
        broker.stop()


def with_ledger_key(settings: Settings) -> Settings:
    """Give settings with a ledger key: the one that is set, else the demo's own, made once and kept."""
    if settings.ledger_key_file is not None:
        return settings
    if not DEMO_KEY.exists():
        DEMO_KEY.parent.mkdir(parents=True, exist_ok=True)
        make_key_file(DEMO_KEY)
    return settings.model_copy(update={"ledger_key_file": DEMO_KEY})


def publish(settings: Settings, as_of: datetime, tell: Progress) -> int:
    """Publish what the demo's gateways had sent by `as_of` and was not published before; returns messages.

    Raises:
        OperatorError: the clock, the store or the sink can't be used.
    """
    registry = open_registry(
        None, settings.schema_registry_folder or packaged_folder("avro") / "history", None, None
    )
    sink: Sink
    if settings.source == "archive":
        sink, target = ArchiveSink(settings.archive, registry), settings.archive
    else:
        connection = KafkaConnection(
            str(settings.kafka_bootstrap_servers), timeout_s=settings.kafka_timeout_s
        )
        sink, target = KafkaSink(connection), broker_cluster_id(connection)
    report = publish_demo(
        load_cluster(settings.clusters, DEMO_CLUSTER),
        as_of,
        sink,
        StoredSentLog(ClusterStore(settings.store, DEMO_CLUSTER).objects),
        target,
        registry,
        progress=lambda _topic, done, total: tell("publish", done, total),
    )
    return report.total
