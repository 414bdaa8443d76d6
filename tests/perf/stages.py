"""Where ingest's time goes: its stages timed in one thread, without Beam.

Belongs here: the clocks around the stages. A profiler would slow down what makes many small calls and so tell
another story; ten clocks cost nothing.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer

from pipelines.connectors import batching, kafka, landing, store
from pipelines.jobs.ingest import cut_slices, landing_of, open_raw, own_topics, plan_offsets
from pipelines.schemas.decode import MessageDecoder
from tests.perf.energy import Answer, Request, night_of, scratch

Clocks = Counter[str]
_STAGES: list[tuple[Any, str, str]] = [
    (kafka, "_sort_out", "columns of messages"),
    (kafka, "_append", "columns of messages"),
    (kafka, "_next_ask", "columns of messages"),
    (batching.MessageBuffer, "flush", "columns of messages"),
    (kafka.KafkaSource, "_require_incarnation", "ask for the topic's id"),
    (MessageDecoder, "decode", "decode and prove"),
    (landing, "unfold", "unfold"),
    (landing, "reasons", "check"),
    (landing, "refused_letters", "dead letters"),
    (landing, "undecodable_letters", "dead letters"),
    (landing._SliceWriter, "_placed", "local day"),
    (store, "conform", "sort, to Arrow"),
    (store, "parquet_bytes", "Parquet"),
    (store.ClusterStore, "put", "write files"),
]


def ingest_stages(request: Request) -> Answer:
    """Land the request's topics slice by slice and return each stage's seconds."""
    clocks: Clocks = Counter()
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        night = night_of(request, folder)
        table = open_raw(night, "energy")
        topics, _ = own_topics(night)
        plan = plan_offsets(night.source.bounds(topics), {"energy": table}, night.nominal)
        job = landing_of(night, "_staging/stages", {"energy": table.table}, topics)
        slices = cut_slices(plan, 2**18)
        with _clocked(clocks):
            started_s, cpu_s = time.perf_counter(), time.process_time()
            for work in slices:
                job.land(work)
            whole_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    clocks["the rest"] = whole_s - clocks.total()  # type: ignore[assignment]
    shares = {stage: round(seconds / whole_s, 3) for stage, seconds in clocks.most_common()}
    return {
        "slices": len(slices),
        "seconds": round(whole_s, 3),
        "cpu_seconds": round(cpu_s, 3),
        "shares": shares,
    }


@contextmanager
def _clocked(clocks: Clocks) -> Iterator[None]:
    """Put a clock around every stage."""
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in _STAGES]
    for (owner, name, original), (_, _, stage) in zip(originals, _STAGES, strict=True):
        setattr(owner, name, _timed(original, stage, clocks))

    class TimedConsumer(Consumer):
        consume = _timed(Consumer.consume, "consume (client)", clocks)
        close = _timed(Consumer.close, "close the client", clocks)

    kafka.Consumer = TimedConsumer  # type: ignore[misc]
    try:
        yield
    finally:
        kafka.Consumer = Consumer  # type: ignore[misc]
        for owner, name, original in originals:
            setattr(owner, name, original)


def _timed(function: Callable[..., Any], stage: str, clocks: Clocks) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - any function's
        started_s = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            clocks[stage] += time.perf_counter() - started_s  # type: ignore[assignment]

    return timed
