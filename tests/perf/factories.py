"""Simulated factories in bulk: a day of raw rows straight into the tables, and the facts of it.

Belongs here: arrays of readings, states and counts as real plants send them, without any topic; the run that
derives facts from them. Does not belong here: taking the time (tests.perf.child).

A factory has a main meter and ten machines with a meter each, all registers that are read each minute. A
machine changes its state some forty times a day, has a stop record and counts every five minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.connectors.store import ClusterStore, arrow_frame
from pipelines.domain.cluster import bucket_of
from pipelines.jobs.facts import derive_facts
from pipelines.schemas.tables import FACTS_ENERGY, FACTS_HISTORY, FACTS_MACHINE, RAW
from tests.perf.energy import Answer, night_on

DAY = date(2025, 11, 5)
MIDNIGHT = datetime(2025, 11, 4, 15, tzinfo=UTC)  # of DAY, in Seoul
AS_OF = MIDNIGHT + timedelta(hours=27)
MACHINES = 10
BUCKETS = 16
_MINUTES = 24 * 60
_CHANGES = 40
_COUNTED_MIN = 5
_READINGS_PER_MESSAGE = 60
_FILE_ROWS = 120_000
_STATES = ("running", "idle", "setup", "running", "down", "running", "off")
Frame = pl.DataFrame


@dataclass(frozen=True)
class FactoriesRequest:
    """Whose facts a workload derives.

    Args:
        folder: store of simulated raw rows.
        factories: how many factories lie in it.
    """

    folder: str
    factories: int


def facts_of_day(request: FactoriesRequest) -> Answer:
    """Run jobs.facts on the raw tables, as a cluster's first night does."""
    store = ClusterStore(request.folder, "perf")
    for table in (FACTS_ENERGY, FACTS_MACHINE, FACTS_HISTORY):
        store.remove_below(table.name)
    night = night_on(store, factory_ids(request.factories), as_of=AS_OF, bucket_count=BUCKETS)
    report = derive_facts(night)
    energy = store.open(FACTS_ENERGY).scan().select(pl.len(), pl.col("quantity").sum()).collect().row(0)
    machine = store.open(FACTS_MACHINE).scan().select(pl.len(), pl.col("pq").sum()).collect().row(0)
    return {
        "factory_days": report.factory_days,
        "energy_rows": energy[0], "energy_kwh": round(energy[1], 3),
        "machine_rows": machine[0], "pieces": round(machine[1], 3),
    }  # fmt: skip


def factory_ids(factories: int) -> list[str]:
    """Return the ids of the simulated factories."""
    return [f"sim-{number:03}" for number in range(factories)]


def raw_rows(factories: int) -> int:
    """Return how many raw rows of the day a store of so many factories has, profiles left out."""
    energy = (MACHINES + 1) * (_MINUTES + 1)
    events = MACHINES * (_CHANGES + 1 + _MINUTES // _COUNTED_MIN + 1)
    return factories * (energy + events)


def fill(folder: Path, factories: int) -> None:
    """Write the day of some factories into a new store, a few files a bucket, one commit a table."""
    store = ClusterStore(str(folder), "perf")
    by_bucket: dict[int, list[int]] = {}
    for number, factory in enumerate(factory_ids(factories)):
        by_bucket.setdefault(bucket_of(factory, BUCKETS), []).append(number)
    _commit(store, "profile", (_profiles(numbers, bucket) for bucket, numbers in by_bucket.items()))
    for stream, rows_of in (("energy", _energy), ("states", _states), ("counts", _counts)):
        parts = (
            _with_provenance(stream, pl.concat(rows_of(n) for n in numbers), bucket)
            for bucket, all_of_bucket in by_bucket.items()
            for numbers in _chunks(stream, all_of_bucket)
        )
        _commit(store, stream, (whole for part in parts for whole in part.partition_by("day")))


def _chunks(stream: str, numbers: list[int]) -> Iterator[list[int]]:
    a_factory = {"energy": (MACHINES + 1) * _MINUTES, "states": 500, "counts": 3000}[stream]
    size = max(1, _FILE_ROWS // a_factory)
    return (numbers[n : n + size] for n in range(0, len(numbers), size))


def _commit(store: ClusterStore, stream: str, frames: Iterator[Frame]) -> None:
    table = RAW[stream]
    opened = store.open(table)
    opened.commit_files([store.write_file(table, frame) for frame in frames], {})


def _with_provenance(stream: str, rows: Frame, bucket: int) -> Frame:
    empty = arrow_frame(RAW[stream].schema.empty_table())
    numbered = rows.with_columns(
        day=pl.col("at").dt.convert_time_zone("Asia/Seoul").dt.date(),
        bucket=pl.lit(bucket, pl.Int32),
        topic=pl.format("factory.{}.{}", "factory", pl.lit(stream)),
        incarnation=pl.lit("perf"),
        partition=pl.lit(0, pl.Int32),
        offset=pl.int_range(pl.len(), dtype=pl.Int64).over("factory"),
        index=pl.lit(0, pl.Int32),
        schema_id=pl.lit(1, pl.Int32),
        record_timestamp=pl.col("at"),
    ).with_columns(sequence="offset")
    absent = {name: pl.lit(None, kind) for name, kind in empty.schema.items() if name not in numbered.columns}
    return numbered.with_columns(**absent).select(empty.columns).cast(dict(empty.schema))


def _instants(seconds: npt.NDArray[np.int64]) -> pl.Series:
    micros = round(MIDNIGHT.timestamp()) * 1_000_000 + seconds * 1_000_000
    return pl.Series(micros).cast(pl.Datetime("us", "UTC"))


def _energy(number: int) -> Frame:
    """Registers of the machines and, as their sum, of the main meter, 60 readings a message."""
    rng = np.random.default_rng([number, 1])
    load_kw = rng.integers(2, 60, MACHINES)[:, None] * rng.choice([0.1, 1.0], (MACHINES, _MINUTES))
    kwh = np.round(np.cumsum(load_kw / 60, axis=1), 3)
    counts = (
        np.concatenate([np.zeros((MACHINES, 1)), kwh], axis=1) + rng.integers(0, 9_000, MACHINES)[:, None]
    )
    shown = np.concatenate([counts, np.round(counts.sum(axis=0, keepdims=True), 3)])
    meters = [*(f"m{n}" for n in range(MACHINES)), "main"]
    minutes = np.arange(_MINUTES + 1)
    frame = pl.DataFrame(
        {
            "meter": np.repeat(meters, minutes.size),
            "at": _instants(np.tile(minutes * 60, len(meters))),
            "value": shown.ravel(),
            "message": np.tile(minutes // _READINGS_PER_MESSAGE, len(meters)),
        }
    )
    return frame.sort("message", "meter", "at").select(
        "meter", "at", "value", factory=pl.lit(f"sim-{number:03}"), carrier=pl.lit("electricity"),
        kind=pl.lit("register"), unit=pl.lit("kWh"), stamp=pl.lit("instant"),
    )  # fmt: skip


def _states(number: int) -> Frame:
    """Changes of state at random seconds, and one stop record a machine."""
    rng = np.random.default_rng([number, 2])
    at = np.sort(rng.integers(0, _MINUTES * 60, (MACHINES, _CHANGES)), axis=1)
    at[:, 0] = 0
    changes = pl.DataFrame(
        {
            "machine": np.repeat([f"m{n}" for n in range(MACHINES)], _CHANGES),
            "at": _instants(at.ravel()),
            "state": rng.choice(_STATES, MACHINES * _CHANGES),
            "until": pl.Series([None] * (MACHINES * _CHANGES), dtype=pl.Datetime("us", "UTC")),
        }
    )
    begins = rng.integers(0, 20 * 3600, MACHINES)
    stops = pl.DataFrame(
        {
            "machine": [f"m{n}" for n in range(MACHINES)],
            "at": _instants(begins),
            "state": ["repair"] * MACHINES,
            "until": _instants(begins + rng.integers(600, 7200, MACHINES)),
        }
    )
    return pl.concat([changes, stops]).with_columns(factory=pl.lit(f"sim-{number:03}")).sort("at", "machine")


def _counts(number: int) -> Frame:
    rng = np.random.default_rng([number, 3])
    minutes = np.arange(0, _MINUTES + 1, _COUNTED_MIN)
    made = np.cumsum(rng.integers(0, 12, (MACHINES, minutes.size)), axis=1)
    return (
        pl.DataFrame(
            {
                "machine": np.repeat([f"m{n}" for n in range(MACHINES)], minutes.size),
                "at": _instants(np.tile(minutes * 60, MACHINES)),
                "total": made.ravel().astype(np.float64),
                "rejected": (made // 50).ravel().astype(np.float64),
            }
        )
        .with_columns(factory=pl.lit(f"sim-{number:03}"), product=pl.lit("part"))
        .sort("at", "machine")
    )


def _profiles(numbers: list[int], bucket: int) -> Frame:
    meter: dict[str, Any] = {
        "carrier": "electricity", "unit": "kWh", "register_digits": 8, "maximum_per_h": 2000.0,
        "bidirectional": False, "valid_from": None, "valid_to": None, "opening_value": None,
        "closing_value": None,
    }  # fmt: skip
    machines = [f"m{n}" for n in range(MACHINES)]
    shifts = [{"weekday": d, "start_minute": 480, "end_minute": 1260} for d in range(1, 7)]
    rows = [
        {
            "day": DAY, "bucket": bucket, "factory": f"sim-{number:03}", "valid_from": MIDNIGHT,
            "name": "simulated", "zone": None, "geography": "KR", "process": "forming", "region": None,
            "size_class": None, "maturity": None,
            "meters": [
                {**meter, "meter": "main", "parent": None, "machine": None},
                *({**meter, "meter": m, "parent": "main", "machine": m} for m in machines),
            ],
            "machines": [{"machine": m, "name": m} for m in machines], "shifts": shifts, "holidays": [],
            "products": [{"product": "part", "unit": "piece", "product_class": "p", "pru_s": 20.0}],
            "sequence": 0, "template": None, "topic": f"factory.sim-{number:03}.profile",
            "incarnation": "perf", "partition": 0, "offset": 0, "index": 0, "schema_id": 8,
            "record_timestamp": MIDNIGHT,
        }
        for number in numbers
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=arrow_frame(RAW["profile"].schema.empty_table()).schema)
