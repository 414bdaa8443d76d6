"""What truly happened, by the hour: what tests compare the night's figures with.

Belongs here: frames of true energy, machine time, output and deliveries. Does not belong here: anything that
the pipeline reads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.demo.day_totals import DayTotal
from pipelines.demo.gateway import Message
from pipelines.demo.power import STEPS_PER_KWH, PlantDay

_HOURS = 24
_HOUR_US = 3_600_000_000
_UTC_US = pl.Datetime("us", "UTC")
_HOUR_EDGES_S = np.arange(_HOURS + 1) * 3600
_OUTPUT: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("factory", "machine", "product"), pl.String),
    "day": pl.Date,
    "start": _UTC_US,
    **dict.fromkeys(("pq", "sq", "rq", "gp"), pl.Float64),
}

_OPERATIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("factory", "product", "element"), pl.String),
    "day": pl.Date,
    "quantity": pl.Float64,
}


@dataclass(frozen=True)
class Truth:
    """The truth of a simulation.

    Args:
        energy: `factory, meter, carrier, parent, day, start` [UTC], `quantity` (never null), `unit` (kWh; Nm3
            of gas): every hour of every simulated day.
        machine_time: `factory, machine, day, start` [UTC], `state`, `duration_s`: states that occurred in the
            hour, each second once.
        output: `factory, machine, product, day, start` [UTC], `pq, sq, rq, gp` [product units]: every hour of
            a day on which the machine made the product.
        operations: `factory, product, element, day, quantity`: elements of facts_operations: every day's
            orders, shipments, hours, stock, and costs (not those of plants that tell them by the week).
        deliveries: one row per message, sent or lost: `topic, stream, factory, source, day, fate, poison`
            (null: good), `sent_at` [UTC; null: lost], `delay_s` (null: lost), `rows` (readings, or 1).
        activities: `factory, activity_id, activity, flow, amount, unit, counterpart, start` [UTC], `end`
            [UTC]: what factories used, leaked, bought, sold or claimed beside their meters, told or not.
        planted: `day, factory, stream, source, reason`: all that the liveness report should name.
    """

    energy: pl.DataFrame
    machine_time: pl.DataFrame
    output: pl.DataFrame
    operations: pl.DataFrame
    deliveries: pl.DataFrame
    activities: pl.DataFrame
    planted: pl.DataFrame


def true_energy(days: Iterable[tuple[PlantDay, int]]) -> pl.DataFrame:
    """Return the hourly flow of every meter; the days come with their local midnight [us, UTC]."""
    rows = [
        _hours(lived, start_us).with_columns(
            meter=pl.lit(meter.meter),
            carrier=pl.lit(meter.carrier),
            parent=pl.lit(meter.parent, dtype=pl.String),
            quantity=lived.flow(meter).reshape(_HOURS, -1).sum(axis=1) / STEPS_PER_KWH,
            unit=pl.lit("Nm3" if meter.carrier == "natural_gas" else "kWh"),
        )
        for lived, start_us in days
        for meter in lived.plant.meters
    ]
    return pl.concat(rows).select("factory", "meter", "carrier", "parent", "day", "start", "quantity", "unit")


def true_machine_time(days: Iterable[tuple[PlantDay, int]]) -> pl.DataFrame:
    """Return the seconds of each machine, hour and state."""
    rows = []
    for lived, start_us in days:
        for machine, stretches in lived.stretches.items():
            edges = np.asarray([*(s.start_s for s in stretches), _HOUR_EDGES_S[-1]])
            for state in sorted({s.state for s in stretches}):
                lasted = np.diff(edges) * np.asarray([s.state == state for s in stretches])
                passed = np.interp(_HOUR_EDGES_S, edges, np.concatenate(([0], np.cumsum(lasted))))
                rows.append(
                    _hours(lived, start_us).with_columns(
                        machine=pl.lit(machine), state=pl.lit(state), duration_s=np.diff(passed)
                    )
                )
    columns = ("factory", "machine", "day", "start", "state", "duration_s")
    return pl.concat(rows).filter(pl.col("duration_s") > 0).select(columns)


def true_output(days: Iterable[tuple[PlantDay, int]]) -> pl.DataFrame:
    """Return what each machine made of each product, by the hour."""
    edges = _HOUR_EDGES_S // 60
    rows = [
        _hours(lived, start_us).with_columns(
            machine=pl.lit(machine),
            product=pl.lit(product),
            pq=np.diff(output.total[edges]).astype(np.float64),
            sq=np.diff(output.rejected[edges]).astype(np.float64),
            rq=np.diff(output.rework[edges]).astype(np.float64),
            gp=np.diff(output.good[edges]).astype(np.float64),
        )
        for lived, start_us in days
        for (machine, product), output in lived.made.items()
    ]
    return pl.concat([pl.DataFrame(schema=_OUTPUT), *(row.select(list(_OUTPUT)) for row in rows)])


def true_operations(totals: Sequence[DayTotal]) -> pl.DataFrame:
    """Return what each day's orders, shipments, hours, stock and costs truly came to."""
    return pl.DataFrame(totals, schema=_OPERATIONS, orient="row")


def deliveries(messages: Sequence[Message]) -> pl.DataFrame:
    """Return what the gateways did with each message."""
    return pl.DataFrame(
        {
            "topic": [m.topic for m in messages],
            "stream": [m.stream for m in messages],
            "factory": [m.factory for m in messages],
            "source": [m.source for m in messages],
            "day": [m.day for m in messages],
            "fate": [m.fate for m in messages],
            "poison": pl.Series([m.poison for m in messages], dtype=pl.String),
            "sent_at": pl.Series([m.sent_us for m in messages], dtype=pl.Int64).cast(_UTC_US),
            "delay_s": pl.Series([m.delay_s for m in messages], dtype=pl.Float64),
            "rows": [len(m.record["readings"]) if m.stream == "energy" else 1 for m in messages],
        }
    )


def true_activities(messages: Sequence[Message]) -> pl.DataFrame:
    """Return what every record of the stream activities was about; no gateway changes those."""
    names = ("factory", "activity_id", "activity", "flow", "amount", "unit", "counterpart")
    records = [m.record for m in messages if m.stream == "activities"]
    told = pl.DataFrame({n: pl.Series([r.get(n) for r in records]) for n in names})
    stamps = (
        pl.Series(name, [r[name] for r in records], dtype=pl.Int64).cast(_UTC_US) for name in ("start", "end")
    )
    return told.with_columns(*stamps, flow=pl.col("flow").fill_null("used")).unique(maintain_order=True)


def _hours(lived: PlantDay, start_us: int) -> pl.DataFrame:
    starts = pl.Series(start_us + np.arange(_HOURS) * _HOUR_US).cast(_UTC_US)
    return pl.DataFrame({"start": starts}).with_columns(
        factory=pl.lit(lived.plant.factory), day=pl.lit(lived.day)
    )
