"""What the pipeline's own rules make of the sent readings is the truth, wherever coverage is full."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from pipelines.demo.clock import DEFAULT_AS_OF
from pipelines.demo.simulation import Simulation
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.meters import hourly_energy
from pipelines.domain.units import unit_multipliers
from pipelines.reference import tables as reference_tables

UTC_US = pl.Datetime("us", "UTC")
LAST_DAY = date(2025, 11, 10)


def sent_readings(simulation: Simulation) -> pl.DataFrame:
    until_us = int(DEFAULT_AS_OF.timestamp() * 1e6)
    rows = [
        (m.factory, m.source, r["carrier"], r["kind"], r["unit"], r["stamp"], r["length_s"], r["sequence"],
         m.sent_us,
         [x["at"] for x in r["readings"]], [x["value"] for x in r["readings"]])
        for m in simulation.messages
        if m.stream == "energy" and m.poison is None and m.sent_us is not None and m.sent_us < until_us
        for r in (m.record,)
    ]  # fmt: skip
    names = (
        "factory",
        "meter",
        "carrier",
        "kind",
        "unit",
        "stamp",
        "length_s",
        "sequence",
        "record_timestamp",
        "at",
        "value",
    )
    frame = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    return frame.explode("at", "value").with_columns(
        pl.col("at", "record_timestamp").cast(UTC_US), pl.col("length_s").cast(pl.Int32)
    )


def master_data(simulation: Simulation) -> pl.DataFrame:
    newest = {m.factory: m.record for m in simulation.messages if m.stream == "profile"}
    optional = {"valid_from": None, "valid_to": None, "opening_value": None, "closing_value": None}
    rows = [{**optional, **m, "factory": f} for f, record in newest.items() for m in record["meters"]]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.col("valid_from", "valid_to").cast(UTC_US),
        pl.col("opening_value", "closing_value").cast(pl.Float64),
    )


@pytest.fixture(scope="module")
def compared(default_demo: Simulation, demo_cluster: ClusterDefinition) -> pl.DataFrame:
    first = datetime(2025, 11, 2, 15, tzinfo=UTC)
    windows = pl.DataFrame(
        [
            {"factory": f.factory, "start": first + timedelta(days=n), "end": first + timedelta(days=n + 1)}
            for f in demo_cluster.factories
            for n in range(8)
        ],
        schema={"factory": pl.String, "start": UTC_US, "end": UTC_US},
    )
    facts = hourly_energy(
        sent_readings(default_demo),
        master_data(default_demo),
        windows,
        max_gap_s=7200,
        unit_multipliers=unit_multipliers(reference_tables.units()),
    )
    truth = default_demo.truth.energy.filter(pl.col("day") <= LAST_DAY)
    hours = facts.filter(allocation="hour").drop("carrier", "unit", "end")
    return truth.rename({"quantity": "true_quantity"}).join(
        hours, on=["factory", "meter", "start"], how="full", coalesce=True
    )


def test_every_meter_has_every_hour(compared: pl.DataFrame) -> None:
    assert (compared.group_by("factory", "meter").len()["len"] == 8 * 24).all()
    assert compared["true_quantity"].null_count() == 0
    assert compared["allocation"].null_count() == 0


def test_hours_of_full_coverage_are_true_within_a_thousandth(compared: pl.DataFrame) -> None:
    full = compared.filter(pl.col("coverage") >= 1 - 1e-9)
    assert full.height > 0.95 * compared.height
    assert full.select((pl.col("quantity") - pl.col("true_quantity")).abs().max()).item() < 0.001
    assert full.filter(quality="suspect").height == 0


def test_no_hour_is_negative_and_what_is_missing_is_missing(compared: pl.DataFrame) -> None:
    assert compared["quantity"].min() >= 0  # type: ignore[operator]
    nothing = compared.filter(pl.col("quantity").is_null())
    assert (nothing["coverage"] == 0).all()
    assert nothing["quality"].null_count() == nothing.height
    silent = compared.filter(factory="saebyeok", meter="main", day=date(2025, 11, 6))
    assert silent["quantity"].null_count() >= 23
