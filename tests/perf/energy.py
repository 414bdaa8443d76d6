"""The workloads on energy readings, ours and their references.

Belongs here: one function per workload and side; each reads what the request says and returns its answer.
Does not belong here: taking the time (tests.perf.child) and comparing (tests.perf.harness).
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, TopicPartition

from pipelines.connectors.kafka import KafkaConnection, KafkaSource
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.store import ClusterStore
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.units import unit_multipliers
from pipelines.jobs.ingest import ingest
from pipelines.jobs.night import Night
from pipelines.reference.tables import units
from pipelines.schemas.contracts import contract_text, packaged_folder
from pipelines.schemas.decode import MessageDecoder, reader_schema
from pipelines.schemas.encode import HEADER_BYTES
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.streams import parse_topic
from pipelines.schemas.tables import RAW

Answer = dict[str, Any]
_ASK_MESSAGES = 50_000
_FILE_ROWS = 262_144
_ROW_FIELDS = ("factory", "meter", "carrier", "kind", "unit", "stamp", "length_s", "sequence")


@dataclass(frozen=True)
class Request:
    """What a workload reads.

    Args:
        bootstrap_servers: the broker.
        topics: topics of one partition each.
        messages: messages to read of each, from offset 0.
        sums: whether to sum up what was stored, for a comparison; never while time or memory is taken.
    """

    bootstrap_servers: str
    topics: tuple[str, ...]
    messages: int
    sums: bool = False


def consume(request: Request) -> Answer:
    """Read messages into Arrow columns by KafkaSource and MessageDecoder, one thread."""
    registry = LocalRegistry(packaged_folder("avro") / "history")
    decoder = MessageDecoder(reader_schema("energy", registry), registry, 1_048_576)
    source = KafkaSource(KafkaConnection(request.bootstrap_servers))
    rows, readings, undecodable = 0, 0, 0
    for bounds in source.bounds(request.topics):
        for batch in source.read(OffsetRange(bounds.partition, 0, request.messages), decoder):
            rows += batch.rows.num_rows
            undecodable += batch.undecodable.num_rows
            readings += sum(len(chunk.values) for chunk in batch.rows["readings"].chunks)
    return {"messages": rows, "readings": readings, "undecodable": undecodable}


def consume_reference(request: Request) -> Answer:
    """Read messages with confluent-kafka and decode each with fastavro, one thread."""
    messages, readings = 0, 0
    for _, record in _fastavro_records(request):
        messages += 1
        readings += len(record["readings"])
    return {"messages": messages, "readings": readings, "undecodable": 0}


def ingest_slices(request: Request) -> Answer:
    """Run jobs.ingest: Kafka -> Beam -> one Delta commit; only whole topics can be read."""
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        night = night_of(request, folder)
        report = ingest(night, ["energy"])
        if report.dead or report.messages.total() != request.messages * len(request.topics):
            raise RuntimeError(f"{report.messages.total()} messages, dead letters: {dict(report.dead)}")
        stored = _sums(night.store.open(RAW["energy"]).scan()) if request.sums else {}
        return {"readings": report.rows.total(), **stored}


def ingest_reference(request: Request) -> Answer:
    """Read with confluent-kafka, decode each message with fastavro, write its readings to Parquet."""
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        readings = 0
        for offset, record in _fastavro_records(request):
            items = record["readings"]
            readings += len(items)
            for name in _ROW_FIELDS:
                columns[name].extend([record[name]] * len(items))
            columns["at"].extend([item["at"] for item in items])
            columns["value"].extend([item["value"] for item in items])
            columns["offset"].extend([offset] * len(items))
            if len(columns["at"]) >= _FILE_ROWS:
                _write_columns(columns, Path(folder) / f"{readings}.parquet")
        _write_columns(columns, Path(folder) / "last.parquet")
        return {"readings": readings, **(_sums(pl.scan_parquet(folder)) if request.sums else {})}


def _fastavro_records(request: Request) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the offset and the decoded value of each message."""
    schema = fastavro.parse_schema(json.loads(contract_text("energy")))
    for message in messages(request):
        value = BytesIO(message.value())
        value.seek(HEADER_BYTES)
        yield message.offset(), fastavro.schemaless_reader(value, schema)  # type: ignore[misc]


def messages(request: Request) -> Iterator[Any]:
    """Give the messages of each topic as confluent-kafka's own consumer has them."""
    consumer = Consumer(
        {
            "bootstrap.servers": request.bootstrap_servers,
            "group.id": "reference",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.queue.backoff.ms": 2,
        }
    )
    for topic in request.topics:
        consumer.assign([TopicPartition(topic, 0, 0)])
        left = request.messages
        while left:
            received = consumer.consume(min(left, _ASK_MESSAGES), timeout=1)
            for message in received:
                if message.error() is not None:
                    raise RuntimeError(message.error().str())
                yield message
            left -= len(received)
    consumer.close()


_COLUMNS: dict[str, pa.DataType] = {
    **dict.fromkeys(_ROW_FIELDS, pa.string()),
    "length_s": pa.int32(),
    "sequence": pa.int64(),
    "at": pa.timestamp("us", "UTC"),
    "value": pa.float64(),
    "offset": pa.int64(),
}


def _write_columns(columns: dict[str, list[Any]], path: Path) -> None:
    pq.write_table(pa.table(columns, schema=pa.schema(_COLUMNS)), path, compression="zstd")
    for column in columns.values():
        column.clear()


def _sums(rows: pl.LazyFrame) -> Answer:
    """Sum up stored readings, so that two stores can be compared: exact, as values are multiples of 1/4."""
    found = rows.select(
        stored=pl.len(),
        value=pl.col("value").sum(),
        at=(pl.col("at").dt.timestamp("us") // 1_000_000 - 1_762_300_800).sum(),
        sequence=pl.col("sequence").sum(),
        offset=pl.col("offset").sum(),
        meters=pl.struct("factory", "meter").n_unique(),
    )
    return found.collect().row(0, named=True)


def night_of(request: Request, folder: str) -> Night:
    """Put a night together on an empty store, with the factories of the request's topics as its cluster."""
    factories = [topic.tenant for topic in map(parse_topic, request.topics) if topic is not None]
    source = KafkaSource(KafkaConnection(request.bootstrap_servers))
    return replace(night_on(ClusterStore(folder, "perf"), factories), source=source)


def night_on(
    store: ClusterStore,
    factories: Sequence[str],
    *,
    as_of: datetime = datetime(2025, 12, 1, tzinfo=UTC),
    bucket_count: int = 1,
) -> Night:
    """Put a night together on a store, with some factories as its cluster and nothing to read from."""
    joined = tuple(Factory(f, "maker", date(2020, 1, 1)) for f in factories)
    return Night(
        cluster=ClusterDefinition(
            cluster="perf",
            name_ko="측정",
            name_en="Measurement",
            zone="Asia/Seoul",
            geography="KR",
            members=(Member("maker", "제조사", "Maker", "holding"),),
            factories=joined,
            gateways=(),
            policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))}),
        ),
        store=store,
        source=KafkaSource(KafkaConnection("127.0.0.1:1")),
        registry=LocalRegistry(packaged_folder("avro") / "history"),
        as_of=as_of,
        unit_multipliers=unit_multipliers(units()),
        other_clusters=(),
        tell=lambda _step, _done, _total: None,
        bucket_count=bucket_count,
    )


def scratch() -> Path:
    """Return where stores of a measurement lie: on the disk of the checkout, not in memory."""
    folder = Path("build") / "perf"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
