"""The temporary Prefect server: it ends with its run, or at the next start, and never a stranger."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.server import TemporaryServer, end_orphans
from pipelines.domain.outcomes import ExitCode, OperatorError

REPOSITORY = Path(__file__).resolve().parents[2]


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def await_end(pid: int) -> bool:
    """Say whether a process ends within 10 s."""
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


@pytest.fixture
def orphan() -> Iterator[int]:
    """Return the pid of `sleep 600`, whose parent has ended."""
    shell = ["/bin/sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"]
    pid = int(subprocess.run(shell, capture_output=True, text=True, check=True).stdout)
    yield pid
    if is_running(pid):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def note(tmp_path: Path) -> Callable[..., Path]:
    """Write the note of a server."""

    def write(pid: int, owner_pid: int, command: list[str]) -> Path:
        path = tmp_path / "servers" / f"{pid}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"pid": pid, "owner_pid": owner_pid, "command": command}))
        return path

    return write


def test_a_server_that_a_killed_run_left_is_ended_at_the_next_start(
    tmp_path: Path, orphan: int, note: Callable[..., Path]
) -> None:
    path = note(orphan, 2**22, ["sleep", "600"])

    assert end_orphans(tmp_path) == [orphan]
    assert await_end(orphan)
    assert not path.exists()


def test_a_stranger_that_got_the_pid_of_a_dead_server_is_left_alone(
    tmp_path: Path, orphan: int, note: Callable[..., Path]
) -> None:
    path = note(orphan, 2**22, ["python", "-m", "uvicorn"])

    assert end_orphans(tmp_path) == []
    assert is_running(orphan)
    assert not path.exists()


def test_the_server_of_a_run_that_still_runs_is_left_alone(tmp_path: Path, note: Callable[..., Path]) -> None:
    command = ["/bin/sleep", "600"]
    child = subprocess.Popen(command)
    path = note(child.pid, os.getpid(), command)

    assert end_orphans(tmp_path) == []
    assert child.poll() is None
    assert path.exists()
    child.kill()
    child.wait()


def test_a_half_written_note_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "servers" / "1.json"
    path.parent.mkdir()
    path.write_text('{"pid": 1, "own')

    assert end_orphans(tmp_path) == []
    assert not path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_server_dies_with_its_killed_run(tmp_path: Path) -> None:
    run = f"""
import sys; sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from flows.server import TemporaryServer
server = TemporaryServer(Path({str(tmp_path)!r}))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    server_pid = int(owner.stdout.readline())
    assert is_running(server_pid)

    owner.kill()
    owner.wait()

    assert await_end(server_pid)
    assert end_orphans(tmp_path) == []
    assert list((tmp_path / "servers").iterdir()) == []


def test_a_server_that_ends_at_once_is_an_error_that_names_its_log_and_the_plain_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.server._command", lambda _port: ["/bin/sh", "-c", "exit 3"])

    with TemporaryServer(tmp_path) as server, pytest.raises(OperatorError) as caught:
        server.wait()

    assert caught.value.code is ExitCode.SETTINGS
    assert f"{tmp_path}/server.log" in caught.value.english
    assert "digital-cluster nightly" in caught.value.english
    assert list((tmp_path / "servers").iterdir()) == []


def test_the_server_of_these_tests_answers_and_is_noted(prefect_api: str, prefect_home: Path) -> None:
    (path,) = (prefect_home / "servers").iterdir()
    noted = json.loads(path.read_text())

    assert noted["owner_pid"] == os.getpid()
    assert noted["command"][-5:-3] == ["error", "--lifespan"]
    assert prefect_api.startswith("http://127.0.0.1:")
    assert end_orphans(prefect_home) == []
