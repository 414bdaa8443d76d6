"""A trial: nights of a small cluster as processes that are killed where a test wants it.

Belongs here: starting nights through driver.py, and the content that must be the same bytes. Does not belong
here: fixtures (conftest.py), what must hold (tests).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.connectors.canonical import canonical_files, canonical_tables
from pipelines.connectors.clusters import load_cluster
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sent import StoredSentLog
from pipelines.connectors.sink import Sink
from pipelines.connectors.store import ClusterStore
from pipelines.demo.publisher import publish_demo
from pipelines.schemas.contracts import packaged_folder

HERE = Path(__file__).parent
CLUSTERS = HERE / "clusters"
CLUSTER = "trial"
FIRST, SECOND = "2025-10-29T03:00+09:00", "2025-10-30T03:00+09:00"
# A night commits in this order; a test holds the list against an undisturbed night.
SECOND_NIGHTS_COMMITS = (
    "raw_energy", "raw_states", "raw_counts", "raw_orders", "raw_shipments", "raw_safety", "raw_stock",
    "raw_costs", "facts_history", "facts_energy", "facts_machine", "facts_operations", "activities",
    "emissions", "emission_lines", "restatements", "emission_statements",
    "elements_daily", "kpis", "release_inputs", "releases", "ledger_heads", "source_days", "liveness",
)  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Args:
        code: exit code; minus the signal that ended it; null: it is stopped.
        output: what it printed.
        errors: what it printed on standard error.
        met: the places that it came by, in order: `commit raw_energy`, `read <topic>`, `page <file>`.
    """

    code: int | None
    output: str
    errors: str
    met: tuple[str, ...]

    def places(self, kind: str) -> list[str]:
        """Return what stands behind the places of one kind."""
        return [line.removeprefix(f"{kind} ") for line in self.met if line.startswith(f"{kind} ")]

    def error_lines(self) -> list[str]:
        """Return the lines on standard error that are no progress."""
        return [
            line
            for line in self.errors.splitlines()
            if line and "level='info'" not in line and "Warning" not in line and not line.startswith("  ")
        ]


class Driver:
    """The process that forks commands (driver.py); one command at a time is waited for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(HERE / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parents[1],
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        )

    def start(self, arguments: Sequence[str], environment: dict[str, str], **fault: object) -> "Running":
        """Start a command; fault: place, number, signal, largest_file_bytes (driver.py)."""
        self._started += 1
        base = self._folder / f"{self._started:04d}"
        request = {
            "arguments": list(arguments),
            "environment": environment,
            "output": f"{base}.out",
            "errors": f"{base}.err",
            "log": f"{base}.log",
            **fault,
        }
        return Running(self, self.ask(request)["pid"], base)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def stop(self) -> None:
        """End the driver; it ends when its input does."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@dataclass(frozen=True)
class Running:
    """A command that was started."""

    driver: Driver
    pid: int
    base: Path

    def wait(self, *, stopped: bool = False) -> Ending:
        """Wait until it ends, or (stopped) until it stops itself."""
        code = self.driver.ask({"wait": self.pid, "stopped": stopped})["code"]
        output, errors, log = (Path(f"{self.base}.{kind}") for kind in ("out", "err", "log"))
        met = log.read_text().splitlines() if log.exists() else []
        return Ending(code, output.read_text(), errors.read_text(), tuple(met))


@dataclass(frozen=True)
class Content:
    """Everything that must be the same bytes: tables as canonical lines, published files."""

    tables: dict[str, bytes]
    files: dict[str, bytes]

    def differing(self, other: "Content") -> list[str]:
        """Name the tables and files that differ."""
        return [
            name
            for own, others in ((self.tables, other.tables), (self.files, other.files))
            for name in sorted(own.keys() | others.keys())
            if own.get(name) != others.get(name)
        ]


@dataclass(frozen=True)
class Place:
    """A store and a site, and the settings of the nights that work on them."""

    folder: Path
    driver: Driver = field(repr=False)
    source: str
    environment: dict[str, str]
    cluster: str = CLUSTER

    def night(self, as_of: str, **fault: object) -> Ending:
        """Run the night to its end."""
        return self.start(as_of, **fault).wait()

    def start(self, as_of: str, **fault: object) -> Running:
        """Start the night."""
        own = {"DC_STORE": str(self.folder / "store"), "DC_SITE": str(self.folder / "site")}
        arguments = ["nightly", "--cluster", self.cluster, "--source", self.source, "--as-of", as_of]
        return self.driver.start(arguments, {**self.environment, **own}, **fault)

    def copy(self, folder: Path) -> "Place":
        """Copy store and site."""
        folder.mkdir(parents=True)
        for part in ("store", "site"):
            if (self.folder / part).exists():
                shutil.copytree(self.folder / part, folder / part)
        return replace(self, folder=folder)

    def store(self) -> ClusterStore:
        """Open the store."""
        return ClusterStore(str(self.folder / "store"), self.cluster)

    def content(self) -> Content:
        """Export everything that must be the same bytes."""
        return Content(canonical_tables(self.store()), canonical_files(self.folder / "site"))


def publish(sink: Sink, sent: Path, as_of: str) -> None:
    """Publish the trial cluster's messages up to a clock, as its gateways would have sent them."""
    publish_demo(
        load_cluster(CLUSTERS, CLUSTER),
        datetime.fromisoformat(as_of),
        sink,
        StoredSentLog(ClusterStore(str(sent), CLUSTER).objects),
        "trial",
        LocalRegistry(packaged_folder("avro") / "history"),
    )


def settings(**more: str) -> dict[str, str]:
    """Return the environment of a trial night; without lineage, whose failures are lines of their own."""
    return {"DC_CLUSTERS": str(CLUSTERS), "DC_WORKERS": "1", "DC_OPENLINEAGE_FILE": "", **more}


@dataclass(frozen=True)
class History:
    """An undisturbed history of two nights.

    Args:
        before: empty store before the first night.
        between: after the first night, before the second.
        after: after the second.
        first: how the first night ended.
        second: how the second night ended.
        middle: content after the first night.
        last: content after the second night.
    """

    before: Place
    between: Place
    after: Place
    first: Ending
    second: Ending
    middle: Content
    last: Content


def live_through(
    folder: Path,
    driver: Driver,
    environments: Sequence[dict[str, str]],
    source: str,
    publish_until: Callable[[str], None],
) -> History:
    """Publish and run two nights without any fault."""
    before = Place(folder / "before", driver, source, environments[0])
    before.folder.mkdir(parents=True)
    publish_until(FIRST)
    after = before.copy(folder / "after")
    first = after.night(FIRST)
    assert first.code == 0, first.errors
    middle = after.content()
    between = replace(after.copy(folder / "between"), environment=environments[1])
    publish_until(SECOND)
    after = replace(after, environment=environments[1])
    second = after.night(SECOND)
    assert second.code == 0, second.errors
    return History(before, between, after, first, second, middle, after.content())
