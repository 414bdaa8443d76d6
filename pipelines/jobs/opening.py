"""From settings to what jobs work with: clusters, store, source, sink, registry, the night.

Belongs here: turning settings into objects. Does not belong here: any step.
"""

from datetime import datetime
from functools import partial

from pipelines.connectors.archive import ArchiveSink, ArchiveSource
from pipelines.connectors.clusters import load_clusters
from pipelines.connectors.kafka import KafkaConnection, KafkaSource, broker_cluster_id
from pipelines.connectors.objects import canonical_json, get_json, put_if_absent
from pipelines.connectors.registrations import StoredRegistrations, with_registrations
from pipelines.connectors.registry import open_registry
from pipelines.connectors.remembered_registry import RememberedRegistry
from pipelines.connectors.sealing import LedgerKey
from pipelines.connectors.sink import KafkaSink, OpenSink
from pipelines.connectors.source import Source
from pipelines.connectors.store import ClusterStore
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.units import unit_multipliers
from pipelines.jobs.factor_tables import FactorFiles, factor_table
from pipelines.jobs.night import Night
from pipelines.jobs.progress import Progress
from pipelines.reference.tables import units
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.registry import Registry
from pipelines.settings import Settings


def choose_cluster(
    settings: Settings, cluster: str | None
) -> tuple[ClusterDefinition, tuple[ClusterDefinition, ...]]:
    """Return a cluster by id, or the only one that has members of its own, and the hub's others.

    Raises:
        OperatorError: SETTINGS: no such cluster, or none named where there are several.
    """
    definitions = load_clusters(settings.clusters)
    candidates = [
        c for c in definitions if c.cluster == cluster or (cluster is None and not c.open_to_imports)
    ]
    if len(candidates) != 1:
        known = ", ".join(c.cluster for c in definitions)
        raise OperatorError(
            f"Name one cluster with --cluster: {settings.clusters} defines {known}.",
            f"--cluster로 클러스터를 하나 지정하세요. {settings.clusters}에 정의된 클러스터: {known}.",
            ExitCode.SETTINGS,
        )
    return candidates[0], tuple(c for c in definitions if c is not candidates[0])


def open_store(settings: Settings, cluster: str) -> ClusterStore:
    """Open a cluster's store and check that it can be trusted.

    Raises:
        OperatorError: STORE.
    """
    store = ClusterStore(settings.store, cluster)
    store.check_conditional_put()
    return store


def bucket_count(store: ClusterStore, settings: Settings) -> int:
    """Return the store's number of buckets, fixed when the store was made."""
    path = "_store.json"
    put_if_absent(store.objects, path, canonical_json({"buckets": settings.buckets}))
    made = get_json(store.objects, path)
    if made is None:
        raise OperatorError(
            f"{store.uri}/{path} can't be read: restore it, it says how the tables are partitioned.",
            f"{store.uri}/{path} 파일을 읽을 수 없습니다. 테이블 분할 정보이므로 복구하세요.",
            ExitCode.STORE,
        )
    return int(made["buckets"])


def kafka_connection(settings: Settings) -> KafkaConnection:
    """Return how to reach Kafka.

    Raises:
        OperatorError: SETTINGS: no broker is named.
    """
    if settings.kafka_bootstrap_servers is None:
        raise OperatorError(
            "No Kafka broker is named: set DC_KAFKA_BOOTSTRAP_SERVERS, or use --source archive.",
            "Kafka 브로커가 지정되지 않았습니다. DC_KAFKA_BOOTSTRAP_SERVERS를 설정하거나"
            " --source archive로 아카이브를 읽으세요.",
            ExitCode.SETTINGS,
        )
    password = settings.kafka_sasl_password
    return KafkaConnection(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=password.get_secret_value() if password is not None else None,
        ssl_ca=settings.kafka_ssl_ca,
        timeout_s=settings.kafka_timeout_s,
    )


def settings_registry(settings: Settings) -> Registry:
    """Return the schema registry of the settings."""
    password = settings.schema_registry_password
    return open_registry(
        settings.schema_registry_url,
        settings.schema_registry_folder or packaged_folder("avro") / "history",
        settings.schema_registry_user,
        password.get_secret_value() if password is not None else None,
    )


def open_source(settings: Settings) -> Source:
    """Return the source of the settings."""
    if settings.source == "archive":
        return ArchiveSource(settings.archive)
    return KafkaSource(kafka_connection(settings))


def open_sink(settings: Settings) -> OpenSink:
    """Return the sink that belongs to the source of the settings."""
    if settings.source == "archive":
        return OpenSink(str(settings.archive), ArchiveSink(settings.archive, settings_registry(settings)))
    connection = kafka_connection(settings)
    return OpenSink(broker_cluster_id(connection), KafkaSink(connection))


def open_night(settings: Settings, cluster: str | None, as_of: datetime, tell: Progress) -> Night:
    """Put a night together from settings.

    Args:
        settings: of the deployment.
        cluster: id; null: the only one with members of its own.
        as_of: the clock.
        tell: progress.

    Raises:
        OperatorError: settings, the ledger's key, cluster definition or store can't be used.
    """
    key = None if settings.ledger_key_file is None else LedgerKey.read(settings.ledger_key_file)
    definition, others = choose_cluster(settings, cluster)
    store = open_store(settings, definition.cluster)
    if definition.open_to_imports:
        definition = with_registrations(definition, StoredRegistrations(store.objects).known())
    return Night(
        cluster=definition,
        store=store,
        source=open_source(settings),
        registry=RememberedRegistry(settings_registry(settings), store),
        as_of=as_of,
        unit_multipliers=unit_multipliers(units()),
        factors=factor_table(FactorFiles(settings.factors)),
        other_clusters=others,
        tell=tell,
        workers=settings.workers,
        max_message_bytes=settings.max_message_bytes,
        future_tolerance_s=settings.future_tolerance_s,
        slice_bytes=settings.slice_bytes,
        cutoff_h=settings.cutoff_h,
        max_gap_s=settings.max_gap_s,
        max_state_s=settings.max_state_s,
        max_silence_s=settings.max_silence_s or None,
        max_days=settings.max_days,
        bucket_count=bucket_count(store, settings),
        # An archive is a record of what Kafka held: a night adds nothing to it.
        open_outputs=None if settings.source == "archive" else partial(open_sink, settings),
        ledger_key=key,
    )
