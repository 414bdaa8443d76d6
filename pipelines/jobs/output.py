"""The output topics: what the tables kpis and releases gained since the last night, to Kafka.

Belongs here: which rows go to which topic, and how far each table is. Does not belong here: names, keys and
bytes (pipelines.schemas.outputs), sending (pipelines.connectors.sink).

At least once: positions are written when everything is acknowledged, so a run that dies in between sends the
same records again, byte for byte. Topics are compacted by key: a consumer ends with the tables' rows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from pipelines.connectors.sent import StoredPositions
from pipelines.connectors.sink import OpenSink, Record
from pipelines.connectors.store import OpenTable
from pipelines.domain.cluster import ClusterDefinition
from pipelines.jobs.night import Night
from pipelines.schemas.outputs import (
    OutputEncoder,
    benchmark_key,
    benchmarks_topic,
    kpi_key,
    member_topic,
    open_encoder,
    owner_of,
)
from pipelines.schemas.tables import KPIS, RELEASES

Row = Mapping[str, Any]
_DAYS_PER_SEND = 31


@dataclass
class OutputReport:
    """What a night sent.

    Args:
        records: number of records by topic; only topics to which any went.
    """

    records: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Changes:
    """What a table gained since a position.

    Args:
        now: its rows, in files that are new.
        before: the rows of files that are gone: what the same keys had said.
    """

    now: tuple[Row, ...]
    before: tuple[Row, ...] = ()


def send_outputs(night: Night) -> OutputReport:
    """Send what the tables gained since the last time to the cluster's topic and to each member's own.

    Every row of the ledger goes to `cluster.<cluster>.benchmarks`: a figure that is withheld now takes the
    place of its value before. A member's topic gets only rows of its own subjects; a row that is gone, and
    whose old file is still there, becomes a tombstone. Does nothing where the source is an archive.

    Raises:
        OperatorError: the broker, the registry or the store can't be used; the next night sends all of it.
    """
    report = OutputReport()
    if night.open_outputs is None:
        return report
    to = night.open_outputs()
    positions = StoredPositions(night.store.objects, to.name)
    known = positions.read()
    kpis, releases = night.store.open(KPIS), night.store.open(RELEASES)
    entries = _entries(releases, known.get(RELEASES.name, 0))
    last = entries[-1]["sequence"] if entries else known.get(RELEASES.name, 0)
    reached = {KPIS.name: kpis.version, RELEASES.name: last}
    if reached == known:
        return report
    _send(night, to, {benchmarks_topic(night.cluster.cluster): _benchmark_records(night, entries)}, report)
    encoder = open_encoder("kpi", night.registry)
    for changes in _changes(kpis, known.get(KPIS.name)):
        _send(night, to, _member_records(encoder, changes, night), report)
    positions.write(reached)
    return report


def _send(night: Night, to: OpenSink, records: Mapping[str, list[Record]], report: OutputReport) -> None:
    filled = {topic: found for topic, found in sorted(records.items()) if found}
    # Topics that are there need no right to create them.
    missing = sorted(set(filled) - set(night.source.topics())) if filled else []
    if missing:
        to.sink.ensure_topics(missing, keep_forever=False)
    for topic, found in filled.items():
        report.records[topic] += to.sink.send(topic, found)


def _entries(releases: OpenTable, position: int) -> list[dict[str, Any]]:
    """Return the ledger's entries after a sequence, in its order."""
    return releases.scan().filter(pl.col("sequence") > position).sort("sequence").collect().to_dicts()


def _benchmark_records(night: Night, entries: Iterable[Row]) -> list[Record]:
    encoder = open_encoder("benchmark", night.registry)
    return [Record(benchmark_key(row).encode(), encoder.encode(row), _sent_at_ms(row)) for row in entries]


def _changes(table: OpenTable, position: int | None) -> Iterator[Changes]:
    """Yield the rows of files that came and went since a version; all rows, if that can't be told."""
    actions = None if position is None else table.changes_since(position)
    if actions is None:
        days = sorted({day for day, _ in table.partitions()})
        for start in range(0, len(days), _DAYS_PER_SEND):
            some = table.scan().filter(pl.col("day").is_in(days[start : start + _DAYS_PER_SEND])).collect()
            yield Changes(tuple(some.to_dicts()))
        return
    places = {a["path"]: date.fromisoformat(a["partitionValues"]["day"]) for a in actions}
    came = {a["path"] for a in actions if a["kind"] == "add"}
    went = {a["path"] for a in actions if a["kind"] == "remove"}
    now = _rows(table, {path: places[path] for path in came - went})
    try:
        before = _rows(table, {path: places[path] for path in went - came})
    except FileNotFoundError:  # vacuumed: everything new is sent, what is gone can't be told
        before = ()
    yield Changes(now, before)


def _rows(table: OpenTable, files: Mapping[str, date]) -> tuple[Row, ...]:
    columns = [name for name in table.table.schema.names if name not in table.table.partition_by]
    return tuple(
        {**row, "day": day}
        for path, day in sorted(files.items())
        for row in table.read_files([path], columns).iter_rows(named=True)
    )


def _member_records(encoder: OutputEncoder, changes: Changes, night: Night) -> dict[str, list[Record]]:
    """Return each member's records by topic, by key; a row whose bytes are what they were is left out."""
    before = {kpi_key(row): (row, encoder.encode(row)) for row in changes.before}
    now = {kpi_key(row): (row, encoder.encode(row)) for row in changes.now}
    records: defaultdict[str, list[tuple[str, Record]]] = defaultdict(list)
    for key, (row, value) in now.items():
        if key not in before or before[key][1] != value:
            _address(records, night.cluster, row, Record(key.encode(), value, _sent_at_ms(row)))
    for key, (row, _) in before.items():
        if key not in now:
            _address(records, night.cluster, row, Record(key.encode(), None, night.known_at_us // 1000))
    return {topic: [record for _, record in sorted(found, key=_by_key)] for topic, found in records.items()}


def _address(
    records: defaultdict[str, list[tuple[str, Record]]], cluster: ClusterDefinition, row: Row, record: Record
) -> None:
    owner = owner_of(row["level"], row["subject"], cluster)
    if owner is not None:
        records[member_topic(owner)].append((kpi_key(row), record))


def _by_key(keyed: tuple[str, Record]) -> str:
    return keyed[0]


def _sent_at_ms(row: Row) -> int:
    """Return the nominal time of the night that wrote a row [ms]: a record sent again is the same record."""
    known_at: datetime = row["known_at"]
    return round(known_at.timestamp() * 1000)
