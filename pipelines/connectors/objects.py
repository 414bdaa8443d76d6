"""Small objects beside the tables: one place that opens a folder or an object-store URI.

Belongs here: opening, conditional put, JSON objects. Does not belong here: Delta tables
(pipelines.connectors.store).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from pipelines.domain.outcomes import ExitCode, OperatorError


def is_uri(root: str) -> bool:
    """Say whether a root is an object-store URI rather than a local folder."""
    return "://" in root


def open_objects(root: str) -> ObjectStore:
    """Open a local folder (made if absent) or an object-store URI.

    Raises:
        OperatorError: STORE, when the root can't be used.
    """
    try:
        return from_url(root) if is_uri(root) else LocalStore(Path(root).absolute(), mkdir=True)
    except (OSError, ValueError, obstore.exceptions.BaseError) as error:
        raise store_error(root, error) from error


def store_error(root: str, error: Exception) -> OperatorError:
    """Say in one line that a store can't be used."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return OperatorError(
        f"The store {root} can't be used ({reason}): check DC_STORE, its permissions and free space.",
        f"저장소 {root}를 사용할 수 없습니다 ({reason}). DC_STORE 설정, 권한, 남은 용량을 확인하세요.",
        ExitCode.STORE,
    )


@contextmanager
def answering(objects: ObjectStore) -> Iterator[None]:
    """Turn what a store that fails raises (disk full, no permission, unreachable) into one line (STORE)."""
    try:
        yield
    except (FileNotFoundError, AlreadyExistsError):
        raise  # an answer, not a failure
    except (OSError, obstore.exceptions.BaseError) as error:
        raise store_error(str(getattr(objects, "prefix", None) or objects), error) from error


def put_if_absent(objects: ObjectStore, path: str, content: bytes) -> bool:
    """Create an object; false if it exists already, which a store must notice atomically."""
    try:
        obstore.put(objects, path, content, mode="create")
    except AlreadyExistsError:
        return False
    return True


def put_json(objects: ObjectStore, path: str, content: dict[str, Any]) -> None:
    """Write or replace a small JSON object.

    Raises:
        OperatorError: STORE.
    """
    with answering(objects):
        obstore.put(objects, path, canonical_json(content))


def get_json(objects: ObjectStore, path: str) -> dict[str, Any] | None:
    """Read a small JSON object; null if it is not there.

    Raises:
        OperatorError: STORE.
    """
    try:
        with answering(objects):
            content = obstore.get(objects, path).bytes().to_bytes()
    except FileNotFoundError:
        return None
    parsed: dict[str, Any] = json.loads(content)
    return parsed


def paths_below(objects: ObjectStore, prefix: str) -> list[str]:
    """List the paths of all objects below a prefix, sorted."""
    return sorted(meta["path"] for chunk in obstore.list(objects, prefix) for meta in chunk)


def canonical_json(content: dict[str, Any]) -> bytes:
    """Encode JSON so that equal content has equal bytes: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
