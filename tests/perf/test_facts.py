"""Facts of many factories in one run: time and memory, and how both grow when the factories are doubled."""

import tempfile
from pathlib import Path

import pytest

from tests.perf.energy import scratch
from tests.perf.factories import FactoriesRequest, fill, raw_rows
from tests.perf.harness import Side, circumstances, measure_in_turns, tell

pytestmark = pytest.mark.perf


def simulated(folder: Path, factories: int) -> Side:
    """Fill a store with a day of simulated factories and ask for the facts of it."""
    fill(folder, factories)
    return Side("facts", FactoriesRequest(str(folder), factories), raw_rows(factories))


def test_facts_of_250_factories_and_twice_as_many() -> None:
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        sides = [simulated(Path(folder) / str(factories), factories) for factories in (250, 500)]
        one, two = measure_in_turns(sides)
    for line, factories in ((one, 250), (two, 500)):
        assert line["answer"]["factory_days"] == 2 * factories  # of each fact table
        assert line["answer"]["energy_rows"] == factories * 11 * 24
        assert line["answer"]["machine_rows"] == factories * 10 * 24 * 2
        tell({"workload": f"facts-{factories}", **line, **circumstances()})
    tell(
        {
            "workload": "facts-doubled",
            "time_ratio": round(two["seconds"] / one["seconds"], 2),
            "cpu_ratio": round(two["cpu_seconds"] / one["cpu_seconds"], 2),
            "memory_ratio": round(two["peak_memory_mib"] / one["peak_memory_mib"], 2),
            **circumstances(),
        }
    )
