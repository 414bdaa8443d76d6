"""A temporary Prefect server on loopback, for a run on a machine that has none.

Belongs here: starting it beside a run, ending it with the run, ending one that a killed run left. Does not
belong here: flows, the production server (docs/prefect.md), any import of Prefect that a caller pays for
before it asks.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pipelines.connectors.processes import tied_to_parent
from pipelines.domain.outcomes import ExitCode, OperatorError

if TYPE_CHECKING:
    from types import TracebackType

    from fastapi import FastAPI

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05
_ANSWER_TIMEOUT_S = 5.0
# What a server for one run can do without: each costs start-up time or work beside the night.
_LEAN = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_SERVICES_EVENT_LOGGER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def prefect_api() -> "FastAPI":
    """Return Prefect's application without user interface and schedules; called in the server's process."""
    from prefect.server.api.server import create_app  # noqa: PLC0415 - only the server's process pays for it

    return create_app(ephemeral=True, final=True)


@dataclass(frozen=True)
class Note:
    """What is written down of a server, so that the next run can end it if this one can't.

    Args:
        pid: of the server.
        owner_pid: of the run that started it.
        command: its command line, by which it is told from a stranger of the same pid.
    """

    pid: int
    owner_pid: int
    command: tuple[str, ...]

    def belongs_to_live_run(self) -> bool:
        """Say whether the run that started the process still runs: an orphan gets another parent."""
        return _parent_pid(self.pid) == self.owner_pid

    def is_that_server(self) -> bool:
        """Say whether the process of that pid is the server, and not somebody else's with the same pid."""
        try:
            arguments = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return tuple(arguments.decode(errors="replace").rstrip("\0").split("\0")) == self.command


class TemporaryServer:
    """A Prefect server whose database stays in `home` between runs; several runs may have one each.

    Args:
        home: its folder, created if missing: prefect.db, server.log, servers/ (one note per live server).
        start_timeout_s: how long it may take until it answers [s].

    Raises:
        OperatorError: SETTINGS, from `wait`: it didn't start.
    """

    def __init__(self, home: Path, start_timeout_s: float = START_TIMEOUT_S) -> None:
        self.home = home.resolve()
        self.api_url = ""
        self._start_timeout_s = start_timeout_s
        self._server: subprocess.Popen[bytes] | None = None
        self._note_path: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the server; 0 if it does not run."""
        return self._server.pid if self._server is not None else 0

    def start(self) -> None:
        """End what killed runs left, and start the server without waiting for it: it takes seconds."""
        end_orphans(self.home)
        port = _free_port()
        command = _command(port)
        with (self.home / "server.log").open("wb") as log:
            self._server = subprocess.Popen(  # noqa: S603 - our own command
                tied_to_parent(command),
                env={**os.environ, **_LEAN, "PREFECT_HOME": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the run, which then stops its server
            )
        self._note_path = _notes(self.home) / f"{self._server.pid}.json"
        note = {"pid": self._server.pid, "owner_pid": os.getpid(), "command": command}
        self._note_path.write_text(json.dumps(note))
        self.api_url = f"http://127.0.0.1:{port}/api"

    def wait(self) -> None:
        """Wait until the server answers.

        Raises:
            OperatorError: SETTINGS: it ended, or didn't answer in time.
        """
        deadline = time.monotonic() + self._start_timeout_s
        while not _answers(self.api_url):
            if self._server is None or self._server.poll() is not None or time.monotonic() > deadline:
                raise OperatorError(
                    f"Prefect's temporary server did not start (see {self.home}/server.log):"
                    " use `digital-cluster nightly`, which does the same without Prefect.",
                    f"Prefect 임시 서버가 시작되지 않았습니다({self.home}/server.log 참조)."
                    " Prefect 없이 같은 일을 하는 `digital-cluster nightly`를 사용하세요.",
                    ExitCode.SETTINGS,
                )
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End the server if it runs."""
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None
        if self._note_path is not None:
            self._note_path.unlink(missing_ok=True)
            self._note_path = None


def end_orphans(home: Path) -> list[int]:
    """End the servers in `home` that killed runs left, and return their pids; those of live runs stay."""
    ended = []
    for path in sorted(_notes(home).glob("*.json")):
        note = _read_note(path)
        if note is not None and note.belongs_to_live_run():
            continue
        if note is not None and note.is_that_server():
            _end(note)
            ended.append(note.pid)
        path.unlink(missing_ok=True)
    return ended


def _notes(home: Path) -> Path:
    folder = home / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _read_note(path: Path) -> Note | None:
    """Return a note; null if a kill left it half-written: the server it meant died with its run."""
    try:
        found = json.loads(path.read_text())
        return Note(int(found["pid"]), int(found["owner_pid"]), tuple(found["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _end(note: Note) -> None:
    for stop in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(note.pid, stop)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if not note.is_that_server():
                return
            time.sleep(_POLL_S)


def _parent_pid(pid: int) -> int:
    """Return the parent of a process, 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))


def _command(port: int) -> list[str]:
    root = str(Path(__file__).resolve().parent.parent)
    application = f"{__name__}:{prefect_api.__name__}"
    return [
        *(sys.executable, "-m", "uvicorn", "--app-dir", root, "--factory", application),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"),
        *("--timeout-graceful-shutdown", "2"),
    ]


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _answers(api_url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy can't reach our loopback
    try:
        with direct.open(f"{api_url}/health", timeout=_ANSWER_TIMEOUT_S) as answer:
            return bool(json.loads(answer.read()))
    except (OSError, ValueError):
        return False
