"""Theodolite's UC2: sum, count, min, max and mean of each sensor and minute; ours and two references.

Belongs here: the use case, three times. Does not belong here: taking the time (tests.perf.child). The job is
no part of the product; it uses the product's source and decoder as any job would.
"""

import json
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import apache_beam as beam
import fastavro
import polars as pl
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue

from pipelines.connectors.kafka import KafkaConnection, KafkaSource
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.store import arrow_frame
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.encode import HEADER_BYTES
from pipelines.schemas.messages import OffsetRange
from tests.perf.energy import Answer, Request, messages
from tests.perf.readings import POWER_RECORD

MINUTE_MS = 60_000
_SLICE_MESSAGES = 250_000
_GROUP = ["identifier", "minute"]


def ours(request: Request) -> Answer:
    """Kafka -> decoded batches -> Polars group-by, merged over batches and slices in Beam."""
    with tempfile.TemporaryDirectory() as folder:
        registry = LocalRegistry(_registry(folder))
        source = KafkaSource(KafkaConnection(request.bootstrap_servers))
        decoder = MessageDecoder(POWER_RECORD, registry, 1_048_576)
        ranges = [
            OffsetRange(bounds.partition, start, min(start + _SLICE_MESSAGES, request.messages))
            for bounds in source.bounds(request.topics)
            for start in range(0, request.messages, _SLICE_MESSAGES)
        ]
        options = PipelineOptions([], direct_num_workers=2, direct_running_mode="multi_threading")
        with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
            _ = (
                pipeline
                | beam.Create(ranges)
                | beam.Reshuffle()
                | beam.Map(SumSlice(source, decoder))
                | beam.CombineGlobally(merge)
                | beam.Map(WriteFrame(f"{folder}/sums.parquet"))
            )
        return summary(finished(pl.read_parquet(f"{folder}/sums.parquet")))


@dataclass(frozen=True)
class SumSlice:
    """Sums of each sensor and minute of a slice of offsets; pickles."""

    source: KafkaSource
    decoder: MessageDecoder

    def __call__(self, offsets: OffsetRange) -> pl.DataFrame:
        """Reduce each batch as it comes, so that a slice never stands in memory."""
        batches = self.source.read(offsets, self.decoder)
        return merge(sums(arrow_frame(batch.rows)) for batch in batches)


@dataclass(frozen=True)
class WriteFrame:
    """Writes the result to a file, since a runner's workers share nothing with the caller."""

    path: str

    def __call__(self, frame: pl.DataFrame) -> None:
        """Write the one frame."""
        frame.write_parquet(self.path)


def sums(rows: pl.DataFrame) -> pl.DataFrame:
    """Reduce power records to identifier, minute, sum, count, min and max."""
    value = pl.col("valueInW")
    minute = pl.col("timestamp") // MINUTE_MS
    return rows.group_by("identifier", minute=minute).agg(
        sum=value.sum(), count=pl.len().cast(pl.Int64), min=value.min(), max=value.max()
    )


def merge(frames: Any) -> pl.DataFrame:  # noqa: ANN401 - any iterable of frames, as Beam hands them over
    """Merge sums of parts; also of none, as Beam begins with nothing."""
    parts = list(frames)
    if not parts:
        return sums(
            pl.DataFrame(schema={"identifier": pl.String, "timestamp": pl.Int64, "valueInW": pl.Float64})
        )
    joined = pl.concat(parts).group_by(_GROUP)
    return joined.agg(pl.col("sum").sum(), pl.col("count").sum(), pl.col("min").min(), pl.col("max").max())


def finished(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the mean, in order of sensor and minute."""
    return frame.with_columns(mean=pl.col("sum") / pl.col("count")).sort(_GROUP)


def dictionaries(request: Request) -> Answer:
    """confluent-kafka, fastavro and one dictionary entry a group: what a plain script would do."""
    schema = fastavro.parse_schema(json.loads(POWER_RECORD))
    groups: dict[tuple[str, int], list[float]] = {}
    for message in messages(request):
        value = BytesIO(message.value())
        value.seek(HEADER_BYTES)
        record: Any = fastavro.schemaless_reader(value, schema)  # type: ignore[call-arg]
        watt, key = record["valueInW"], (record["identifier"], record["timestamp"] // MINUTE_MS)
        group = groups.get(key)
        if group is None:
            groups[key] = [watt, 1, watt, watt]
        else:
            group[0] += watt
            group[1] += 1
            group[2] = min(watt, group[2])
            group[3] = max(watt, group[3])
    return summary(_of_groups(groups))


def stock_beam(request: Request) -> Answer:
    """Beam as its guide shows it: one element a record, fixed windows, a combiner per key."""
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
            _ = (
                pipeline
                | beam.Create([request])
                | beam.FlatMap(lambda asked: (message.value() for message in messages(asked)))
                | beam.ParDo(DecodePower())
                | "Minutes" >> beam.WindowInto(FixedWindows(MINUTE_MS // 1000))
                | beam.CombinePerKey(SumCombiner())
                | beam.ParDo(TellWindow())
                | "Whole" >> beam.WindowInto(GlobalWindows())
                | beam.combiners.ToList()
                | beam.Map(WriteJson(f"{folder}/groups.json"))
            )
        found = json.loads(Path(f"{folder}/groups.json").read_text())
    return summary(_of_groups({(name, minute): group for name, minute, group in found}))


class DecodePower(beam.DoFn):  # type: ignore[misc]
    """Decodes one message into a timestamped pair of sensor and watts."""

    def setup(self) -> None:
        """Parse the schema once a worker."""
        self._schema = fastavro.parse_schema(json.loads(POWER_RECORD))

    def process(self, message: bytes) -> Any:  # noqa: ANN401 - a DoFn's generator
        """Decode one message."""
        record: Any = fastavro.schemaless_reader(BytesIO(message[HEADER_BYTES:]), self._schema)  # type: ignore[call-arg]
        yield TimestampedValue((record["identifier"], record["valueInW"]), record["timestamp"] / 1000)


class SumCombiner(beam.CombineFn):  # type: ignore[misc]
    """Sum, count, min and max of single values."""

    def create_accumulator(self) -> list[float]:
        """Begin with nothing."""
        return [0.0, 0, float("inf"), float("-inf")]

    def add_input(self, group: list[float], watt: float) -> list[float]:
        """Add a value."""
        return [group[0] + watt, group[1] + 1, min(group[2], watt), max(group[3], watt)]

    def merge_accumulators(self, groups: Any) -> list[float]:  # noqa: ANN401 - any iterable, as Beam gives it
        """Add up parts."""
        merged = self.create_accumulator()
        for g in groups:
            merged = [merged[0] + g[0], merged[1] + g[1], min(merged[2], g[2]), max(merged[3], g[3])]
        return merged

    def extract_output(self, group: list[float]) -> list[float]:
        """Give the group as it is."""
        return group


class TellWindow(beam.DoFn):  # type: ignore[misc]
    """Adds the minute of the window to a sensor's group."""

    def process(self, keyed: Any, window: Any = beam.DoFn.WindowParam) -> Any:  # noqa: ANN401 - Beam's types
        """Name the minute."""
        name, group = keyed
        yield name, int(window.start.micros // (1000 * MINUTE_MS)), group


@dataclass(frozen=True)
class WriteJson:
    """Writes the groups to a file."""

    path: str

    def __call__(self, groups: list[Any]) -> None:
        """Write all groups."""
        Path(self.path).write_text(json.dumps(groups))


def _of_groups(groups: dict[tuple[str, int], list[float]]) -> pl.DataFrame:
    rows = [(name, minute, *group) for (name, minute), group in groups.items()]
    schema = {"identifier": pl.String, "minute": pl.Int64, "sum": pl.Float64, "count": pl.Int64}
    frame = pl.DataFrame(rows, schema={**schema, "min": pl.Float64, "max": pl.Float64}, orient="row")
    return finished(frame)


def summary(frame: pl.DataFrame) -> Answer:
    """Return the number of records and groups, and a digest of all groups: exact, as sums are."""
    digest = frame.hash_rows(seed=1).sum() if frame.height else 0
    return {"records": int(frame["count"].sum()), "groups": frame.height, "digest": digest}


def _registry(folder: str) -> Path:
    """Lay down a registry that knows Theodolite's record under id 2."""
    registry = Path(folder) / "registry"
    registry.mkdir()
    (registry / "0002.power.v1.avsc").write_text(POWER_RECORD)
    return registry
