"""How Beam pipelines are run on one machine, with progress.

Belongs here: the runner, its options, counting finished pieces. Does not belong here: any pipeline.
"""

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipelines.connectors.staging import failure, pieces
from pipelines.connectors.store import ClusterStore
from pipelines.jobs.progress import Progress

_POLL_S = 0.5


def run_staged(
    build: Callable[[beam.Pipeline], object],
    *,
    store: ClusterStore,
    staging: str,
    step: str,
    total: int,
    tell: Progress,
    workers: int | None,
) -> list[str]:
    """Run a pipeline whose pieces leave their results in a staging folder.

    Args:
        build: adds the transforms.
        store: the cluster's store.
        staging: folder below it.
        step: name of the step, for the progress.
        total: number of pieces.
        tell: called with (step, done, total).
        workers: threads; null: one a core.

    Returns:
        Paths of the pieces' results, in order.

    Raises:
        OperatorError: what a piece raised, as it raised it.
    """
    try:
        with StagingProgress(store, staging, step, total, tell):
            _run(build, workers)
    except Exception as error:
        cause = failure(store, staging)
        if cause is None:
            raise
        raise cause from error
    left = pieces(store, staging)
    if len(left) != total:
        raise RuntimeError(f"{step}: {len(left)} of {total} pieces left a result")
    return left


def _run(build: Callable[[beam.Pipeline], object], workers: int | None) -> None:
    # The runner is named: Beam's default would try to fetch another one.
    threads = workers or os.cpu_count() or 1
    options = PipelineOptions(
        flags=[],  # else Beam takes the command's own arguments for its options
        direct_num_workers=threads,
        direct_running_mode="in_memory" if threads == 1 else "multi_threading",
        save_main_session=False,
    )
    with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
        build(pipeline)


class StagingProgress(AbstractContextManager["StagingProgress"]):
    """Tell progress by what has been left in a staging folder, whichever runner works on it.

    Args:
        store: the cluster's store.
        staging: folder below it.
        step: name of the step.
        total: number of pieces.
        tell: called with (step, done, total).
    """

    def __init__(self, store: ClusterStore, staging: str, step: str, total: int, tell: Progress) -> None:
        self._store, self._staging, self._step, self._total, self._tell = store, staging, step, total, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"progress-{step}", daemon=True)

    def __enter__(self) -> Self:
        """Start telling."""
        self._tell(self._step, 0, self._total)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell a last time."""
        self._stop.set()
        self._thread.join()
        if error is None:
            self._tell(self._step, self._total, self._total)

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            self._tell(self._step, len(pieces(self._store, self._staging)), self._total)
