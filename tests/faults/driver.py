"""Runs `digital-cluster` commands as processes that meet a fault at a chosen point; started by the tests.

Belongs here: where a process is killed or stopped, by patches that production code knows nothing of. Does not
belong here: what must hold afterwards (the tests).

It reads one request a line from standard input and answers each with a line. Every command runs in a process
of its own, forked after the libraries are imported and before anything of ours is: a test of forty kills
would otherwise spend most of its time on imports.
"""

import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam.runners.portability.fn_api_runner.fn_runner  # noqa: F401 - imported for the processes to come
import confluent_kafka.admin
import confluent_kafka.schema_registry  # noqa: F401 - as above
import deltalake  # noqa: F401 - as above
import fastavro  # noqa: F401 - as above
import jinja2  # noqa: F401 - as above
import matplotlib.backends.backend_svg
import matplotlib.figure  # noqa: F401 - as above
import numpy.random  # noqa: F401 - as above
import obstore  # noqa: F401 - as above
import polars as pl  # noqa: F401 - as above
import pyarrow.compute
import pyarrow.parquet  # noqa: F401 - as above
import pydantic_settings  # noqa: F401 - as above
import pyruhvro  # noqa: F401 - as above
import rich.progress  # noqa: F401 - as above
import structlog  # noqa: F401 - as above
import typer  # noqa: F401 - as above

STUCK_S = 240.0
"""A command that takes longer says where it stands, and ends."""


class Fault:
    """What befalls the process at the nth call of a place, and a count of all calls before it.

    Args:
        place: commit, create, read or page.
        number: from 1; 0: never.
        signal: of os.kill.
        log: file that gets a line for each call: `<place> <what>`.
    """

    def __init__(self, place: str, number: int, signal_number: int, log: Path | None) -> None:
        self._place, self._number, self._signal, self._log = place, number, signal_number, log
        self._calls = 0

    def meet(self, place: str, what: str) -> None:
        """Count a call, and let the fault happen if it is the one."""
        if self._log is not None:
            with self._log.open("a") as log:
                log.write(f"{place} {what}\n")
        if place == self._place:
            self._calls += 1
            if self._calls == self._number:
                os.kill(os.getpid(), self._signal)


def meeting(fault: Fault, place: str, original: Callable[..., Any], what: Callable[..., str]) -> Any:
    """Wrap a function so that the fault may happen before it does anything."""

    def wrapped(*args: Any, **named: Any) -> Any:
        fault.meet(place, what(*args, **named))
        return original(*args, **named)

    return wrapped


def patch(fault: Fault) -> None:
    """Let the fault be met where the store commits, a source is read, a page is replaced."""
    from deltalake import DeltaTable  # noqa: PLC0415 - in the forked process only
    from deltalake.table import TableAlterer  # noqa: PLC0415 - as above

    from pipelines.connectors import store  # noqa: PLC0415 - as above
    from pipelines.schemas.decode import MessageDecoder  # noqa: PLC0415 - as above

    def table_of(handle: Any, *_a: Any, **_n: Any) -> str:
        return Path(handle.table_uri).name if hasattr(handle, "table_uri") else Path(str(handle)).name

    DeltaTable.create = staticmethod(  # type: ignore[method-assign]
        meeting(fault, "commit", DeltaTable.create, lambda uri, *_a, **_n: f"create {Path(uri).name}")
    )
    DeltaTable.create_write_transaction = meeting(  # type: ignore[method-assign]
        fault, "commit", DeltaTable.create_write_transaction, table_of
    )
    TableAlterer.add_columns = meeting(  # type: ignore[method-assign]
        fault, "commit", TableAlterer.add_columns, lambda *_a, **_n: "columns"
    )
    store.write_deltalake = meeting(fault, "commit", store.write_deltalake, table_of)  # type: ignore[assignment]
    MessageDecoder.decode = meeting(  # type: ignore[method-assign]
        fault, "read", MessageDecoder.decode, lambda _self, partition, *_a: partition.topic
    )
    os.replace = meeting(fault, "page", os.replace, lambda _from, to: Path(to).name)


def run(request: dict[str, Any]) -> None:
    """Become the command: redirect, patch, run. Never returns."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(os.open(request["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    os.environ.update(request["environment"])
    limit, cat = request.get("largest_file_bytes"), None
    if limit:  # for files, not for what is said
        cat = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=2)
        os.dup2(cat.stdin.fileno(), 2)
        cat.stdin.close()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    log = Path(request["log"]) if request.get("log") else None
    patch(Fault(request.get("place", ""), request.get("number", 0), request.get("signal", 9), log))
    from pipelines.cli import main  # noqa: PLC0415 - as above

    sys.argv = ["digital-cluster", *request["arguments"]]
    try:
        main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    except BaseException:  # noqa: BLE001 - what an interpreter does with it, we do: print, exit 1
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    if cat is not None:
        os.close(2)
        cat.wait()
    os._exit(code)


def answer(content: dict[str, Any]) -> None:
    """Write one line to the test."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def serve() -> None:
    """Fork a process for each `start`, wait for one at each `wait`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], os.WUNTRACED if request.get("stopped") else 0)
            answer(
                {
                    "stopped": os.WIFSTOPPED(status),
                    "code": None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status),
                }
            )
            continue
        pid = os.fork()
        if pid == 0:
            run(request)
        answer({"pid": pid})


if __name__ == "__main__":
    serve()
