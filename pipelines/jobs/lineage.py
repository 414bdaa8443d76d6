"""What each night and each of its steps read and wrote, as OpenLineage events.

Belongs here: events with their datasets and facets. Does not belong here: the file (connectors.lineage_log);
tracing a figure (pipelines.jobs.trace), which rests on the tables alone and needs no event.

An event tells names, versions and offsets, never a value. The same night from the same state gives the same
events but for the instants at which they were written: ids of runs follow from cluster, nominal time, job and
attempt. That events can't be written is a warning: no night fails for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import attr
import pyarrow as pa
import structlog
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    error_message_run,
    nominal_time_run,
    parent_run,
    processing_engine_run,
    schema_dataset,
)
from openlineage.client.generated.base import DatasetFacet, RunFacet
from openlineage.client.serde import Serde
from openlineage.client.uuid import generate_static_uuid

from pipelines.connectors.archive import ArchiveSource
from pipelines.connectors.kafka import KafkaSource
from pipelines.connectors.lineage_log import LineageLog
from pipelines.connectors.objects import is_uri
from pipelines.domain.methods import CODE_VERSION, METHODS
from pipelines.domain.outcomes import OperatorError
from pipelines.jobs.night import Night
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.tables import (
    ACCEPTED_SUSPECTS,
    ACTIVITIES,
    BASELINE_COSTS,
    BASELINES,
    DEAD_LETTERS,
    ELEMENTS_DAILY,
    EMISSION_LINES,
    EMISSION_STATEMENTS,
    EMISSIONS,
    FACTOR_CHOICES,
    FACTOR_SETS,
    FACTS,
    FACTS_ENERGY,
    FACTS_HISTORY,
    FACTS_MACHINE,
    GAPS,
    KPIS,
    LEDGER_HEADS,
    LIVENESS,
    RAW,
    RELEASE_INPUTS,
    RELEASES,
    RESTATEMENTS,
    SOURCE_DAYS,
    TABLES,
    Table,
)

_PRODUCER: Final = f"urn:digital-cluster:{CODE_VERSION}"
_FILES: Final = "file"
NIGHT: Final = "nightly"
_EVENTS = tuple(table for stream, table in RAW.items() if stream != "profile")
_PROFILE = RAW["profile"]
READS: Final[Mapping[str, tuple[Table, ...]]] = {
    "profiles": (),
    "events": (_PROFILE,),
    "facts": (*_EVENTS, _PROFILE, ACCEPTED_SUSPECTS),
    "emissions": (
        RAW["activities"], FACTS_ENERGY, FACTS_MACHINE, RELEASES, FACTOR_CHOICES, FACTOR_SETS, _PROFILE,
    ),
    "carbon": (
        ACTIVITIES, FACTS_HISTORY, FACTOR_CHOICES, FACTOR_SETS, EMISSION_LINES, EMISSION_STATEMENTS,
    ),
    "elements": (*FACTS, EMISSIONS, _PROFILE),
    "kpis": (ELEMENTS_DAILY, BASELINE_COSTS, _PROFILE),
    "baseline": (KPIS,),
    "release": (KPIS, RELEASES, RELEASE_INPUTS, _PROFILE),
    "liveness": (*_EVENTS, FACTS_ENERGY, FACTS_MACHINE, SOURCE_DAYS, _PROFILE),
    "publish": (
        RELEASES, KPIS, BASELINES, FACTS_ENERGY, FACTS_MACHINE, EMISSIONS, LIVENESS, SOURCE_DAYS,
        DEAD_LETTERS, GAPS, _PROFILE,
    ),
    "output": (KPIS, RELEASES),
}  # fmt: skip
"""Step -> the tables that it reads; topics come with their offsets."""
WRITES: Final[Mapping[str, tuple[Table, ...]]] = {
    "profiles": (_PROFILE, DEAD_LETTERS, GAPS),
    "events": (*_EVENTS, DEAD_LETTERS, GAPS),
    "facts": (*FACTS, FACTS_HISTORY),
    "emissions": (ACTIVITIES, EMISSIONS, FACTOR_CHOICES, FACTOR_SETS),
    "carbon": (EMISSION_LINES, EMISSION_STATEMENTS, RESTATEMENTS),
    "elements": (ELEMENTS_DAILY,),
    "kpis": (KPIS, BASELINE_COSTS),
    "baseline": (BASELINES,),
    "release": (RELEASE_INPUTS, RELEASES, LEDGER_HEADS),
    "liveness": (SOURCE_DAYS, LIVENESS),
    "publish": (),
    "output": (),
}
"""Step -> the tables that it may write; an event names those that got a new version."""


@attr.define
class NightRunFacet(RunFacet):
    """What a run was asked, and by which code and methods it computes."""

    asOf: str  # noqa: N815 - as OpenLineage writes names
    codeVersion: str  # noqa: N815
    attempt: int
    methods: dict[str, int]

    @staticmethod
    def _get_schema() -> str:
        return "urn:digital-cluster:openlineage:NightRunFacet:1"


@attr.define
class OffsetsDatasetFacet(DatasetFacet):
    """Which offsets of a topic were read: partition, incarnation, start, end (exclusive)."""

    ranges: list[dict[str, Any]]

    @staticmethod
    def _get_schema() -> str:
        return "urn:digital-cluster:openlineage:OffsetsDatasetFacet:1"


@dataclass
class Touched:
    """What a step touched besides tables; whoever runs it fills it in.

    Args:
        offsets: what it read of topics.
        files: folders that it wrote into.
        topics: topics that it sent to.
    """

    offsets: Sequence[OffsetRange] = ()
    files: Sequence[str] = ()
    topics: Sequence[str] = ()


@dataclass
class Lineage:
    """Tells what one night and its steps do.

    Args:
        log: where events go.
        night: the night.
        versions: table -> version, as far as the steps have come.
    """

    log: LineageLog
    night: Night
    versions: dict[str, int]
    _attempt: int = 1

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Tell start and end of the night."""
        with _only_warned(self.log):
            while self.log.holds(self._run_id(NIGHT)):
                self._attempt += 1
        with self._told(NIGHT, (), (), Touched()):
            yield

    @contextmanager
    def step(self, name: str) -> Iterator[Touched]:
        """Tell start and end of a step; its tables are known by its name."""
        touched = Touched()
        with self._told(f"{NIGHT}.{name}", READS[name], WRITES[name], touched):
            yield touched

    @contextmanager
    def _told(
        self, job: str, reads: Sequence[Table], writes: Sequence[Table], touched: Touched
    ) -> Iterator[None]:
        begun = {t.name: self.versions[t.name] for t in reads if t.name in self.versions}
        self._tell(RunState.START, job, begun, {}, touched)
        try:
            yield
        except BaseException as error:
            self._tell(RunState.FAIL, job, begun, self._written(writes), touched, error)
            raise
        self._tell(RunState.COMPLETE, job, begun, self._written(writes), touched)

    def _written(self, writes: Sequence[Table]) -> dict[str, int]:
        """Return the tables that have a new version, and remember it."""
        written: dict[str, int] = {}
        with _only_warned(self.log):
            now = self.night.store.table_versions([t.name for t in writes])
            written = {name: version for name, version in now.items() if version != self.versions.get(name)}
            self.versions |= written
        return written

    def _tell(
        self,
        state: RunState,
        job: str,
        begun: Mapping[str, int],
        written: Mapping[str, int],
        touched: Touched,
        error: BaseException | None = None,
    ) -> None:
        with _only_warned(self.log):
            event = RunEvent(
                eventType=state,
                eventTime=datetime.now(UTC).isoformat(),
                run=Run(self._run_id(job), self._run_facets(job, error)),
                job=Job(self._namespace, job),
                inputs=[
                    *self._topics(touched.offsets),
                    *(self._input(n, v) for n, v in begun.items()),
                ],
                outputs=[
                    *(self._output(n, v) for n, v in written.items()),
                    *(OutputDataset(_FILES, folder) for folder in touched.files),
                    *(OutputDataset(self._source_namespace, topic) for topic in sorted(touched.topics)),
                ],
                producer=_PRODUCER,
            )
            self.log.append(Serde.to_json(event))

    @property
    def _namespace(self) -> str:
        return f"digital-cluster/{self.night.cluster.cluster}"

    def _run_id(self, job: str) -> str:
        named = f"{self._namespace}/{job}/{self._attempt}"
        return str(generate_static_uuid(self.night.nominal, named.encode()))

    def _run_facets(self, job: str, error: BaseException | None) -> dict[str, RunFacet]:
        facets: dict[str, RunFacet] = {
            "nominalTime": nominal_time_run.NominalTimeRunFacet(
                self.night.nominal.astimezone(UTC).isoformat()
            ),
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                version=CODE_VERSION, name="digital-cluster"
            ),
            "digitalCluster_night": NightRunFacet(
                self.night.as_of.astimezone(UTC).isoformat(), CODE_VERSION, self._attempt, dict(METHODS)
            ),
        }
        if job != NIGHT:
            facets["parent"] = parent_run.ParentRunFacet(
                parent_run.Run(self._run_id(NIGHT)), parent_run.Job(self._namespace, NIGHT)
            )
        if error is not None:
            # What another error than an operator's says may hold a member's value.
            said = error.english if isinstance(error, OperatorError) else type(error).__name__
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(said, "python")
        return facets

    @property
    def _source_namespace(self) -> str:
        source = self.night.source
        if isinstance(source, KafkaSource):
            return f"kafka://{source.connection.bootstrap_servers.partition(',')[0]}"
        if isinstance(source, ArchiveSource):
            return source.root if is_uri(source.root) else _FILES
        return type(source).__name__

    def _topics(self, offsets: Sequence[OffsetRange]) -> list[InputDataset]:
        by_topic: dict[str, list[dict[str, Any]]] = {}
        for r in sorted(offsets):
            by_topic.setdefault(r.partition.topic, []).append(
                {
                    "partition": r.partition.partition,
                    "incarnation": r.partition.incarnation,
                    "start": r.start,
                    "end": r.end,
                }
            )
        return [
            InputDataset(
                self._source_namespace, topic, facets={"digitalCluster_offsets": OffsetsDatasetFacet(ranges)}
            )
            for topic, ranges in by_topic.items()
        ]

    def _input(self, name: str, version: int) -> InputDataset:
        return InputDataset(*self._place(name), facets={"version": _version(version)})

    def _output(self, name: str, version: int) -> OutputDataset:
        """Describe a table that was written, with its columns: who reads it need not tell them again."""
        columns = [
            schema_dataset.SchemaDatasetFacetFields(f.name, str(f.type), _doc(f)) for f in TABLES[name].schema
        ]
        facets = {"schema": schema_dataset.SchemaDatasetFacet(columns), "version": _version(version)}
        return OutputDataset(*self._place(name), facets=facets)

    def _place(self, name: str) -> tuple[str, str]:
        store = self.night.store
        if is_uri(store.root):
            return store.root, f"{store.cluster}/{name}"
        return _FILES, store.table_uri(name)


def _version(version: int) -> DatasetFacet:
    return dataset_version_dataset.DatasetVersionDatasetFacet(str(version))


def _doc(field: pa.Field) -> str | None:
    doc: bytes = (field.metadata or {}).get(b"doc", b"")
    return doc.decode() or None


@contextmanager
def _only_warned(log: LineageLog) -> Iterator[None]:
    """Turn whatever goes wrong with an event into a warning: no night fails for its lineage."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the night is more than what is told of it
        structlog.get_logger().warning(
            "lineage not written / 계보 기록 실패",
            file=str(log.path),
            error=f"{type(error).__name__}: {error}",
        )
