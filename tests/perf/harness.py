"""Measures a workload beside its references, in turns, and tells one JSON line.

Belongs here: children, repetitions, the line. Does not belong here: what is measured (tests.perf.energy,
tests.perf.uc2). No time is ever asserted; only answers are, and memory.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipelines.demo.broker import LocalBroker
from tests.perf.energy import Request
from tests.perf.factories import FactoriesRequest

REPEATS = 3
Told = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One side of a workload.

    Args:
        name: of the workload in tests.perf.child.
        request: what it reads.
        records: how many readings that are.
    """

    name: str
    request: Request | FactoriesRequest
    records: int


class Child(AbstractContextManager["Child"]):
    """A process that runs one side again and again, so that only the first run begins cold."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.perf.child", side.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, request: Request | FactoriesRequest) -> Told:
        """Run once and return what the child told."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the child has no pipes")
        self._process.stdin.write(json.dumps(asdict(request)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.side.name} ended with {self._process.wait()}")
        told: Told = json.loads(line)
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child."""
        self._process.communicate()


def measure(workload: str, ours: Side, references: Sequence[Side], broker: LocalBroker) -> Told:
    """Run ours and the references in turns; tell and return the line.

    Raises:
        AssertionError: on what a reference reads, ours answers otherwise.
    """
    with ExitStack() as stack:
        children = [stack.enter_context(Child(side)) for side in (ours, *references)]
        for child in children[1:]:
            assert_same_answer(children[0], child)
        runs: list[list[Told]] = [[] for _ in children]
        for _ in range(REPEATS):
            for child, of_child in zip(children, runs, strict=True):
                of_child.append(_watched(child, broker))
    sides = [_side_line(c.side, told) for c, told in zip(children, runs, strict=True)]
    line = {"workload": workload, **sides[0], "references": sides[1:], **circumstances()}
    for reference in line["references"]:
        reference["ratio"] = round(line["records_per_s"] / reference["records_per_s"], 2)
        reference["cpu_ratio"] = round(_cpu_s_a_record(reference) / _cpu_s_a_record(line), 2)
    return tell(line)


def assert_same_answer(ours: Child, reference: Child) -> None:
    """Compare both on what the reference reads."""
    if not isinstance(reference.side.request, Request):
        raise TypeError("only what is read from topics has a reference")
    shared = replace(reference.side.request, sums=True)
    expected, found = reference.ask(shared)["answer"], ours.ask(shared)["answer"]
    assert found == expected, f"{ours.side.name} and {reference.side.name} differ"


def run_once(side: Side, broker: LocalBroker) -> Told:
    """Run once in a fresh process; return the run."""
    with Child(side) as child:
        return _watched(child, broker)


def measure_in_turns(sides: Sequence[Side]) -> list[Told]:
    """Run sides that have no reference and need no broker, in turns; return each one's part of a line."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(side)) for side in sides]
        runs: list[list[Told]] = [[] for _ in children]
        for _ in range(REPEATS):
            for child, of_child in zip(children, runs, strict=True):
                of_child.append({**child.ask(child.side.request), "broker_cpu_seconds": 0.0})
    return [
        {**_side_line(side, told), "answer": told[0]["answer"]}
        for side, told in zip(sides, runs, strict=True)
    ]


def tell(line: Told) -> Told:
    """Print a line, and keep it under build/."""
    text = json.dumps(line, ensure_ascii=False)
    sys.stdout.write(f"\n{text}\n")
    folder = Path("build") / "perf"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lines.jsonl").open("a", encoding="utf-8") as kept:
        kept.write(text + "\n")
    return line


def circumstances() -> Told:
    """Say where and when, and how busy the machine is with other things too."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB",
        "load_average": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _watched(child: Child, broker: LocalBroker) -> Told:
    before_s = _cpu_s(broker.pid)
    told = child.ask(child.side.request)
    return {**told, "broker_cpu_seconds": _cpu_s(broker.pid) - before_s}


def _cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cpu_s_a_record(line: Told) -> float:
    """Return what a busy machine changes least."""
    return float(line["cpu_seconds"] / line["records"])


def _side_line(side: Side, runs: Sequence[Told]) -> Told:
    seconds = statistics.median(run["seconds"] for run in runs)
    return {
        "side": side.name,
        "records": side.records,
        "seconds": round(seconds, 3),
        "records_per_s": round(side.records / seconds),
        "cpu_seconds": round(statistics.median(run["cpu_seconds"] for run in runs), 3),
        "broker_cpu_seconds": round(statistics.median(run["broker_cpu_seconds"] for run in runs), 3),
        "peak_memory_mib": round(max(run["peak_memory_mib"] for run in runs)),
        "seconds_of_runs": [round(run["seconds"], 3) for run in runs],
    }
