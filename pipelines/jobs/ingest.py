"""Ingest: from a source's offsets to raw rows and dead letters, exactly once.

Belongs here: which offsets a run reads, and its commits. Does not belong here: what happens to a message
(pipelines.connectors.landing).

Order of commits: gaps, dead letters, then each stream's rows with the end offsets. A run that dies between
them reads the same offsets again and leaves out the dead letters that are committed.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import apache_beam as beam
import polars as pl
from apache_beam.pvalue import PCollection

from pipelines.connectors.clusters import claimed_topics
from pipelines.connectors.landing import LandedSlice, Landing, Slice
from pipelines.connectors.staging import staging_folder
from pipelines.connectors.store import OpenTable
from pipelines.domain.checks import RowRules
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import zones_of
from pipelines.jobs.runner import run_staged
from pipelines.schemas.decode import MessageDecoder, reader_schema
from pipelines.schemas.messages import OffsetRange, Partition, PartitionBounds
from pipelines.schemas.streams import STREAMS, parse_topic
from pipelines.schemas.tables import DEAD_LETTERS, GAPS, Table, raw_table
from pipelines.transforms.landing import LandSlices

_ASSUMED_MESSAGE_BYTES = 128
_SMALLEST_SLICE_MESSAGES = 2_000
_SLICES_A_WORKER = 4
_ANNOUNCED_AHEAD_S = 10 * 366 * 86_400


@dataclass
class IngestReport:
    """What an ingest did, by topic and reason, for the night's summary."""

    messages: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    gaps: list[dict[str, object]] = field(default_factory=list)
    cut_partitions: dict[str, int] = field(default_factory=dict)
    unclaimed_topics: list[str] = field(default_factory=list)
    ranges: list[OffsetRange] = field(default_factory=list)

    def add(self, other: "IngestReport") -> None:
        """Add what another ingest of the same night did."""
        self.messages += other.messages
        self.rows += other.rows
        self.dead += other.dead
        self.skipped += other.skipped
        self.gaps += other.gaps
        self.cut_partitions |= other.cut_partitions
        self.ranges += other.ranges
        self.unclaimed_topics = sorted({*self.unclaimed_topics, *other.unclaimed_topics})


@dataclass(frozen=True)
class IngestPlan:
    """The offsets that one run reads, fixed at the cut.

    Args:
        ranges: by stream; never empty ranges.
        positions: by stream: what the commit of its rows records (app id -> version).
        gaps: rows for the gaps table.
    """

    ranges: Mapping[str, list[OffsetRange]]
    positions: Mapping[str, dict[str, int]]
    gaps: list[dict[str, object]]

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to read and nothing to record."""
        return not any(self.positions.values())

    def end_at(self, cuts: Mapping[str, int]) -> "IngestPlan":
        """Return the plan with some partitions ending earlier; one that ends where it starts is left out."""
        ranges = {
            stream: [replace(r, end=min(r.end, cuts.get(r.partition.app_id, r.end))) for r in of_stream]
            for stream, of_stream in self.ranges.items()
        }
        positions = {
            stream: {app_id: min(end, cuts.get(app_id, end)) for app_id, end in of_stream.items()}
            for stream, of_stream in self.positions.items()
        }
        kept = {stream: [r for r in of_stream if r.messages > 0] for stream, of_stream in ranges.items()}
        return IngestPlan(kept, positions, self.gaps)


def ingest(night: Night, streams: Sequence[str]) -> IngestReport:
    """Bring everything new of some streams into their raw tables.

    Raises:
        OperatorError: the source, the registry or the store failed, or a rival committed; nothing of the
            failed commit is visible.
    """
    own, unclaimed = own_topics(night)
    tables = {s: open_raw(night, s) for s in streams}
    dead_letters, gaps = night.store.open(DEAD_LETTERS), night.store.open(GAPS)
    topics = [t for t in own if t.rpartition(".")[2] in tables]
    plan = plan_offsets(night.source.bounds(topics), tables, night.nominal)
    report = IngestReport(unclaimed_topics=unclaimed, gaps=plan.gaps)
    if plan.is_empty:
        return report
    widths = {s: t.table for s, t in tables.items()}
    landed = _land(night, plan, widths, dead_letters)
    report.cut_partitions = _cuts(landed)
    if report.cut_partitions:
        plan = plan.end_at(report.cut_partitions)
        landed = _land(night, plan, widths, dead_letters)
    _commit_gaps(gaps, plan.gaps)
    _commit_dead_letters(dead_letters, landed, plan)
    _commit_rows(tables, landed, plan)
    report.ranges = [r for ranges in plan.ranges.values() for r in ranges]
    for outcome in landed:
        report.messages += outcome.messages
        report.rows[outcome.stream] += outcome.rows
        report.dead += outcome.dead
        report.skipped += outcome.skipped
    return report


def build(pipeline: beam.Pipeline, slices: Sequence[Slice], landing: Landing) -> PCollection[int]:
    """Wire the pipeline that lands slices; any runner may run it."""
    numbers: PCollection[int] = pipeline | "Slices" >> beam.Create(slices) | LandSlices(landing)
    return numbers


def reader_of(night: Night, stream: str) -> str:
    """Return the schema by which a stream's messages are read: the contract, or a newer registered one."""
    return reader_schema(STREAMS[stream].contract, night.registry)


def own_topics(night: Night) -> tuple[list[str], list[str]]:
    """Split the source's topics into those of this cluster and those that no cluster claims."""
    claims = claimed_topics(night.all_clusters)
    ours = [name for name in night.source.topics() if parse_topic(name) is not None]
    own = [name for name in ours if night.cluster.cluster in claims.claimants(name)]
    return own, [name for name in ours if not claims.claimants(name)]


def plan_offsets(
    bounds: Sequence[PartitionBounds], tables: Mapping[str, OpenTable], known_at: datetime
) -> IngestPlan:
    """Fix the offsets of a run: from each table's position to the end at the cut, with gaps recorded.

    Args:
        bounds: what the source holds.
        tables: raw tables by stream, at the snapshot from which they will be committed.
        known_at: nominal time of the night.
    """
    ranges: dict[str, list[OffsetRange]] = {stream: [] for stream in tables}
    positions: dict[str, dict[str, int]] = {stream: {} for stream in tables}
    gaps: list[dict[str, object]] = []
    for bound in bounds:
        partition = bound.partition
        stream = partition.topic.rpartition(".")[2]
        table, place = tables[stream], _place(partition)
        position, incarnations = table.position(partition.app_id), table.position(place) or 0
        known, start = position is not None, position or 0
        if incarnations and not known:
            gaps.append(_recreated(table, partition, known_at))
        if bound.earliest > start and incarnations:
            gaps.append(_gap(partition, start, bound.earliest, "offsets_deleted", known_at))
        start = max(start, bound.earliest)
        if bound.end > start:
            ranges[stream].append(OffsetRange(partition, start, bound.end))
        if start > (position or 0) or bound.end > start or (incarnations and not known):
            positions[stream][partition.app_id] = max(start, bound.end)
            positions[stream][place] = incarnations + (not known)
    return IngestPlan({s: sorted(r) for s, r in ranges.items()}, positions, gaps)


def _place(partition: Partition) -> str:
    return f"{partition.topic}/{partition.partition}"


def _gap(
    partition: Partition, first: int, end: int | None, reason: str, known_at: datetime
) -> dict[str, object]:
    return {
        "topic": partition.topic,
        "incarnation": partition.incarnation,
        "partition": partition.partition,
        "first_offset": first,
        "end_offset": end,
        "reason": reason,
        "previous_incarnation": None,
        "known_at": known_at,
    }


def _recreated(table: OpenTable, partition: Partition, known_at: datetime) -> dict[str, object]:
    """Record that a topic was deleted and made anew: what came after our last position is lost."""
    prefix = f"{_place(partition)}/"
    last = table.last_position(prefix)
    gap = _gap(partition, last[1] if last else 0, None, "topic_recreated", known_at)
    return {**gap, "previous_incarnation": last[0].removeprefix(prefix) if last else None}


def _slice_messages(night: Night, plan: IngestPlan) -> int:
    """Return how many messages a slice has: so few that every worker gets some, if there are enough.

    A slice costs a connection and what the client has read beyond its end, so it is no smaller than needed.
    """
    largest = max(1, night.slice_bytes // _ASSUMED_MESSAGE_BYTES)
    messages = sum(r.messages for ranges in plan.ranges.values() for r in ranges)
    shares = _SLICES_A_WORKER * (night.workers or os.cpu_count() or 1)
    return min(largest, max(_SMALLEST_SLICE_MESSAGES, -(-messages // shares)))


def cut_slices(plan: IngestPlan, slice_messages: int) -> list[Slice]:
    """Cut a plan into slices of one stream and about equal size; small partitions share a slice."""
    slices: list[Slice] = []
    for stream, ranges in plan.ranges.items():
        pending: list[OffsetRange] = []
        room = slice_messages
        for offsets in ranges:
            start = offsets.start
            while start < offsets.end:
                end = min(offsets.end, start + room)
                pending.append(OffsetRange(offsets.partition, start, end))
                room -= end - start
                start = end
                if room == 0:
                    slices.append(Slice(len(slices), stream, tuple(pending)))
                    pending, room = [], slice_messages
        if pending:
            slices.append(Slice(len(slices), stream, tuple(pending)))
    return slices


def _land(
    night: Night, plan: IngestPlan, tables: Mapping[str, Table], dead_letters: OpenTable
) -> list[LandedSlice]:
    slices = cut_slices(plan, _slice_messages(night, plan))
    if not slices:
        return []
    partitions = [r.partition for ranges in plan.ranges.values() for r in ranges]
    positions = {p.app_id: dead_letters.position(p.app_id) for p in partitions}
    with staging_folder(night.store) as staging:
        landing = landing_of(night, staging, tables, {p.topic for p in partitions})
        landing = replace(
            landing, dead_letter_positions={app_id: p for app_id, p in positions.items() if p is not None}
        )
        left = run_staged(
            lambda pipeline: build(pipeline, slices, landing),
            store=night.store,
            staging=staging,
            step="ingest",
            total=len(slices),
            tell=night.tell,
            workers=night.workers,
        )
        return [LandedSlice.from_json(night.store.get(path)) for path in left]


def landing_of(night: Night, staging: str, tables: Mapping[str, Table], topics: Iterable[str]) -> Landing:
    """Put together what lands messages of some topics in some raw tables (by stream)."""
    return Landing(
        source=night.source,
        store=night.store,
        staging=staging,
        decoders={
            s: MessageDecoder(reader_of(night, s), night.registry, night.max_message_bytes) for s in tables
        },
        tables=tables,
        rules={topic: _rules(night, topic) for topic in topics},
        zones=zones_of(night),
        buckets=night.bucket_count,
        dead_letter_positions={},
        known_at=night.known_at_us,
    )


def open_raw(night: Night, stream: str) -> OpenTable:
    """Open a stream's raw table, widened by what its newest registered schema adds."""
    return night.store.open(raw_table(STREAMS[stream], json.loads(reader_of(night, stream))))


def _rules(night: Night, topic_name: str) -> RowRules:
    """Say what a row of a topic may be: whose it is decides the topic, never the payload alone."""
    topic = parse_topic(topic_name)
    if topic is None:
        raise ValueError(f"{topic_name} is no topic of ours")
    own = {f.factory for f in night.cluster.factories}
    if topic.tenancy == "factory":
        listed = {topic.tenant}
    else:
        gateways = [g for c in night.all_clusters for g in c.gateways if g.gateway == topic.tenant]
        listed = {f for g in gateways for f in g.factories}
    elsewhere = {f.factory for c in night.other_clusters for f in c.factories}
    stream = STREAMS[topic.stream]
    return RowRules(
        allowed_factories=frozenset(listed),
        other_cluster_factories=frozenset((listed & elsewhere) - own),
        joined={f.factory: _joined_at(night, f.joined) for f in night.cluster.factories},
        future_tolerance_s=_ANNOUNCED_AHEAD_S if stream.name == "profile" else night.future_tolerance_s,
        unit_multipliers=night.unit_multipliers,
        event_time=stream.event_time,
    )


def _joined_at(night: Night, joined: date) -> datetime:
    return datetime.combine(joined, time(0), ZoneInfo(night.cluster.zone)).astimezone(UTC)


def _cuts(landed: Sequence[LandedSlice]) -> dict[str, int]:
    cuts: dict[str, int] = {}
    for outcome in landed:
        for app_id, end in outcome.cuts.items():
            cuts[app_id] = min(end, cuts.get(app_id, end))
    return cuts


def _commit_gaps(table: OpenTable, gaps: Sequence[dict[str, object]]) -> None:
    """Record gaps not recorded yet: a killed run may have been here, and the gap have grown since."""
    if not gaps:
        return
    rows = pl.from_dicts(list(gaps), schema=table.empty().schema)
    recorded = table.scan().collect()
    place = ["topic", "incarnation", "partition", "reason"]
    ends = recorded.group_by(place).agg(recorded_end=pl.col("end_offset").max())
    fresh = (
        rows.join(ends, on=place, how="left")
        .with_columns(first_offset=pl.max_horizontal("first_offset", "recorded_end"))
        .filter((pl.col("first_offset") < pl.col("end_offset")) | pl.col("end_offset").is_null())
        .select(rows.columns)
        .join(recorded, on=list(GAPS.key), how="anti")
    )
    if not fresh.is_empty():
        table.append(fresh, {})


def _commit_dead_letters(table: OpenTable, landed: Sequence[LandedSlice], plan: IngestPlan) -> None:
    files = [f for outcome in landed for f in outcome.dead_letter_files]
    dead = {app_id for outcome in landed for app_id in outcome.dead_partitions}
    if files:
        ends = {r.partition.app_id: r.end for ranges in plan.ranges.values() for r in ranges}
        table.commit_files(files, {app_id: ends[app_id] for app_id in dead})


def _commit_rows(tables: Mapping[str, OpenTable], landed: Sequence[LandedSlice], plan: IngestPlan) -> None:
    """Make each stream's files and end offsets visible together."""
    for stream, positions in plan.positions.items():
        if positions:
            files = [f for outcome in landed if outcome.stream == stream for f in outcome.files]
            tables[stream].commit_files(files, positions)
