"""One lease per cluster's store: who writes now, and until when nobody else does.

Belongs here: taking, renewing and giving back the lease. Does not belong here: the fence when a holder
outlives its lease; that is the commit check of pipelines.connectors.store.

A lease is a numbered object. A number is taken by conditional put, so exactly one run gets it on any store;
its holder alone rewrites it (heartbeat, release). An expired or released number is succeeded by the next.
"""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import obstore
from obstore.store import ObjectStore

from pipelines.connectors.objects import (
    answering,
    canonical_json,
    get_json,
    paths_below,
    put_if_absent,
    put_json,
)
from pipelines.domain.outcomes import ExitCode, OperatorError

_FOLDER = "_lease"
_HEARTBEATS_PER_LEASE = 4


@dataclass(frozen=True)
class LeaseRecord:
    """What a lease object says.

    Args:
        holder: id of the run.
        host: name of its machine.
        pid: its process there.
        process_started: start of that process in the kernel's ticks: a pid used again is another process.
        expires_at_s: wall clock, seconds since 1970, after which the lease is free.
        released: whether the holder gave it back.
    """

    holder: str
    host: str
    pid: int
    process_started: str
    expires_at_s: float
    released: bool = False

    def is_free(self, now_s: float) -> bool:
        """Say whether nobody holds the lease: given back, expired, or its process on this host is gone."""
        return self.released or now_s >= self.expires_at_s or self._is_dead_here()

    def _is_dead_here(self) -> bool:
        return self.host == socket.gethostname() and process_started(self.pid) != self.process_started


def process_started(pid: int) -> str:
    """Return the start time of a process in the kernel's ticks; empty if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()
    zombie = fields[0] == "Z"
    return "" if zombie else fields[19]


class Lease:
    """Hold the lease of a cluster's store as a context; a thread renews it while the context lasts.

    Args:
        objects: the cluster's store.
        holder: id of this run.
        lease_s: how long it holds without renewal [s].
        wall_clock: returns seconds since 1970.

    Raises:
        OperatorError: LEASE_HELD on entering, when another run holds it.
    """

    def __init__(
        self, objects: ObjectStore, holder: str, lease_s: float, wall_clock: Callable[[], float]
    ) -> None:
        self._objects = objects
        self._lease_s = lease_s
        self._wall_clock = wall_clock
        self._record = LeaseRecord(
            holder, socket.gethostname(), os.getpid(), process_started(os.getpid()), wall_clock() + lease_s
        )
        self._path = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Take the lease."""
        with answering(self._objects):
            self._take()
        self._thread.start()
        return self

    def _take(self) -> None:
        number, current = current_lease(self._objects)
        if current is not None and not current.is_free(self._wall_clock()):
            raise _held(current)
        self._path = f"{_FOLDER}/{number + 1:012d}.json"
        if not put_if_absent(self._objects, self._path, canonical_json(asdict(self._record))):
            raise _held(current_lease(self._objects)[1] or self._record)
        newest, successor = current_lease(self._objects)
        if (
            newest != number + 1
        ):  # our number was used and swept while we looked away: it was free to be created
            raise _held(successor or self._record)
        self._forget_before(number + 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back; after a failure as far as the store answers: the failure is what counts."""
        self._stop.set()
        self._thread.join()
        with nullcontext() if error is None else suppress(OperatorError):
            self._write(replace(self._record, released=True))

    def _renew(self) -> None:
        while not self._stop.wait(self._lease_s / _HEARTBEATS_PER_LEASE):
            # A store that doesn't answer now may do so at the next beat; else the lease expires as it says.
            with suppress(OperatorError):
                self._write(replace(self._record, expires_at_s=self._wall_clock() + self._lease_s))

    def _write(self, record: LeaseRecord) -> None:
        if current_lease(self._objects)[0] == _number(self._path):
            put_json(self._objects, self._path, asdict(record))

    def _forget_before(self, number: int) -> None:
        old = [path for path in paths_below(self._objects, _FOLDER) if _number(path) < number]
        if old:
            obstore.delete(self._objects, old)


def current_lease(objects: ObjectStore) -> tuple[int, LeaseRecord | None]:
    """Return the number and content of the newest lease; (0, null) if there was none."""
    with answering(objects):
        paths = paths_below(objects, _FOLDER)
    if not paths:
        return 0, None
    content: dict[str, Any] | None = get_json(objects, paths[-1])
    return _number(paths[-1]), LeaseRecord(**content) if content is not None else None


def _number(path: str) -> int:
    return int(path.rpartition("/")[2].removesuffix(".json"))


def _held(record: LeaseRecord) -> OperatorError:
    return OperatorError(
        f"Another run holds this cluster (process {record.pid} on {record.host}): wait until it ends.",
        f"다른 실행이 이 클러스터를 처리 중입니다 ({record.host}의 프로세스 {record.pid})."
        " 끝나면 다시 실행하세요.",
        ExitCode.LEASE_HELD,
    )
