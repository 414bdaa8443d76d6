"""One side of a workload in a process of its own: so that its peak memory is its own.

Reads one JSON request a line from stdin, runs the workload that the command line names, writes one JSON line:
seconds, CPU seconds, peak memory of the process so far [MiB], the answer.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.perf import energy, factories, stages, uc2
from tests.perf.energy import Answer, Request

WORKLOADS: dict[str, Callable[[Any], Answer]] = {
    "consume": energy.consume,
    "consume-reference": energy.consume_reference,
    "ingest": energy.ingest_slices,
    "ingest-reference": energy.ingest_reference,
    "ingest-stages": stages.ingest_stages,
    "uc2": uc2.ours,
    "uc2-dictionaries": uc2.dictionaries,
    "uc2-stock-beam": uc2.stock_beam,
    "facts": factories.facts_of_day,
}


def main(workload: str) -> None:
    """Serve requests until stdin ends."""
    for line in sys.stdin:
        request = _request(json.loads(line))
        cpu_s, started_s = time.process_time(), time.perf_counter()
        answer = WORKLOADS[workload](request)
        seconds, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        told = {
            "seconds": seconds,
            "cpu_seconds": cpu_s,
            "peak_memory_mib": _peak_memory_mib(),
            "answer": answer,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _request(asked: dict[str, Any]) -> Request | factories.FactoriesRequest:
    if "topics" not in asked:
        return factories.FactoriesRequest(**asked)
    return Request(**{**asked, "topics": tuple(asked["topics"])})


def _peak_memory_mib() -> float:
    """Return the most memory that this process ever held.

    Not getrusage's ru_maxrss: a child begins with its parent's.
    """
    (peak,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return int(peak.split()[1]) / 1024


if __name__ == "__main__":
    main(sys.argv[1])
