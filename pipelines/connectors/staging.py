"""What the pieces of one run leave for its main process: results and failures, in a folder of the store.

Belongs here: names and contents of that folder. Does not belong here: what the pieces compute. Going through
the store instead of the runner keeps what crosses Beam small, and works the same wherever a worker runs.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import obstore

from pipelines.connectors.objects import canonical_json, get_json, paths_below
from pipelines.connectors.store import ClusterStore
from pipelines.domain.outcomes import ExitCode, OperatorError

_ROOT = "_staging"
_PIECE, _FAILURE = "piece-", "failure-"


@contextmanager
def staging_folder(store: ClusterStore) -> Iterator[str]:
    """Give a fresh staging folder and remove it afterwards."""
    staging = f"{_ROOT}/{uuid.uuid4()}"
    try:
        yield staging
    finally:
        store.remove_below(staging)


def piece_path(staging: str, number: int) -> str:
    """Name the object in which piece `number` leaves its result; a repeated piece replaces it."""
    return f"{staging}/{_PIECE}{number:06d}"


def pieces(store: ClusterStore, staging: str) -> list[str]:
    """List the results that lie in a staging folder, in order of number."""
    return [path for path in paths_below(store.objects, staging) if f"/{_PIECE}" in path]


def failure(store: ClusterStore, staging: str) -> OperatorError | None:
    """Return the first failure that a piece left; null if none did."""
    for path in paths_below(store.objects, staging):
        content = get_json(store.objects, path) if f"/{_FAILURE}" in path else None
        if content is not None:
            return OperatorError(content["english"], content["korean"], ExitCode(content["code"]))
    return None


@contextmanager
def leaving_failures(store: ClusterStore, staging: str, number: int) -> Iterator[None]:
    """Leave an OperatorError in the staging folder on its way up: Beam would bury it in a traceback."""
    try:
        yield
    except OperatorError as error:
        content = {"english": error.english, "korean": error.korean, "code": int(error.code)}
        obstore.put(store.objects, f"{staging}/{_FAILURE}{number:06d}", canonical_json(content))
        raise


def remove_dead_staging(store: ClusterStore) -> None:
    """Remove what killed runs left; the caller holds the lease, so nobody else is at work."""
    store.remove_below(_ROOT)


def taken_over(step: str) -> OperatorError:
    """Say that results are gone: a run that took the lease over swept them."""
    return OperatorError(
        f"Another run took this cluster over while this one stood still ({step}): run it again.",
        f"이 실행이 멈춘 사이 다른 실행이 이 클러스터를 넘겨받았습니다({step}). 다시 실행하세요.",
        ExitCode.LEASE_HELD,
    )
