"""What a plant has to tell of a day: the records of each stream, before any gateway handles them.

Belongs here: records by contract, from what truly happened. Does not belong here: delays, losses, repeats and
bad bytes (gateway), topics.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from pipelines.demo.clock import DAY_MIN, EPOCH, day_index, day_start_us, generator
from pipelines.demo.plants import SWAP_INDEX, SWAP_MIN, SWAP_OPENING_KWH, Meter, Plant
from pipelines.demo.power import SAMPLE_KW, STEPS_PER_KWH, Output, PlantDay, Steps
from pipelines.demo.registers import RegisterState
from pipelines.demo.workday import Stretch, planned_spans
from pipelines.domain.cluster import ClusterDefinition

_MINUTE_US = 60_000_000
_SECOND_US = 1_000_000
_DAY_US = DAY_MIN * _MINUTE_US
_COUNT_EVERY_MIN = 30
_KWH_PER_UNIT = {"kWh": 1, "MWh": 1_000, "Nm3": 1}
_W_PER_KW = 1_000
_SEQUENCES_A_DAY = 1_000_000
_ORDER_DAYS = 9
_ORDER_STEPS = (
    ("received", 0.0),
    ("promised", 1.5),
    ("started", 22.0),
    ("completed", 70.0),
    ("shipped", 76.0),
    ("delivered", 98.0),
)


@dataclass(frozen=True)
class Event:
    """One record that a plant has to send.

    Args:
        stream: its stream.
        source: the meter or machine that it is of; empty: the factory.
        at_us: when the last thing that it tells had happened [us, UTC].
        record: the contract's fields.
    """

    stream: str
    source: str
    at_us: int
    record: dict[str, Any]


@dataclass(frozen=True)
class Telling:
    """What is needed to tell a plant's day.

    Args:
        cluster: zone and geography.
        lived: what truly happened.
        registers: what each register shows at the 1,441 minute edges.
        counted: counters of each machine and product at midnight: good, rejected, rework.
        seed: seed of what is not production: orders, shipments, incidents.
    """

    cluster: ClusterDefinition
    lived: PlantDay
    registers: Mapping[str, Steps]
    counted: Mapping[tuple[str, str], tuple[int, int, int]]
    seed: int

    @property
    def start_us(self) -> int:
        """Local midnight [us, UTC]."""
        return day_start_us(self.lived.day, self.cluster.zone)


def tell(telling: Telling) -> list[Event]:
    """Return every event of a plant's day but its profile, numbered by `sequence`."""
    events = [
        *_energy(telling),
        *_states(telling),
        *_counts(telling),
        *tell_orders(telling),
        *tell_shipments(telling),
        *tell_safety(telling),
        *_activities(telling),
    ]
    first = day_index(telling.lived.day) * _SEQUENCES_A_DAY
    for number, event in enumerate(events):
        # Every other number: a gateway that corrects itself needs the one between.
        event.record["sequence"] = first + 2 * number
    return events


def _energy(telling: Telling) -> Iterator[Event]:
    for meter in telling.lived.plant.meters:
        minutes, values = readings_of(meter, telling)
        stamps = (telling.start_us + minutes.astype(np.int64) * _MINUTE_US).tolist()
        readings = [{"at": at, "value": value} for at, value in zip(stamps, values, strict=True)]
        spans = meter.kind in {"interval", "mean_power"}
        length_s = meter.every_min * 60 if spans else None
        head = {
            "factory": telling.lived.plant.factory,
            "meter": meter.meter,
            "carrier": meter.carrier,
            "kind": meter.kind,
            "unit": meter.unit,
            "stamp": {"interval": "end", "mean_power": "start"}.get(meter.kind, "instant"),
            "length_s": length_s,
        }
        lag_us = meter.every_min * _MINUTE_US if meter.kind == "mean_power" else 0
        for first in range(0, len(readings), meter.batch):
            batch = readings[first : first + meter.batch]
            yield Event("energy", meter.meter, batch[-1]["at"] + lag_us, {**head, "readings": batch})


def readings_of(meter: Meter, telling: Telling) -> tuple[Steps, list[float]]:
    """Return the minutes after midnight of a meter's stamps, and its values in its unit."""
    starts = np.arange(0, DAY_MIN, meter.every_min)
    if meter.kind == "register":
        shown = telling.registers[meter.meter][starts]
        return starts, (shown / (STEPS_PER_KWH * _KWH_PER_UNIT[meter.unit])).tolist()
    if meter.kind == "power":
        samples = telling.lived.sampled[meter.machines[0]][starts]
        return starts, (samples * round(SAMPLE_KW * _W_PER_KW) / _W_PER_KW).tolist()
    amounts = telling.lived.flow(meter).reshape(-1, meter.every_min).sum(axis=1)
    if meter.kind == "interval":
        return starts + meter.every_min, (amounts / STEPS_PER_KWH).tolist()
    watts = amounts * (60 * _W_PER_KW) / (STEPS_PER_KWH * meter.every_min)
    return starts, (watts if meter.unit == "W" else watts / _W_PER_KW).tolist()


def _states(telling: Telling) -> Iterator[Event]:
    for machine, stretches in telling.lived.stretches.items():
        yield from (_state(telling, machine, stretch) for stretch in stretches)


def _state(telling: Telling, machine: str, stretch: Stretch) -> Event:
    start = telling.start_us + stretch.start_s * _SECOND_US
    end = telling.start_us + stretch.end_s * _SECOND_US
    record = {
        "factory": telling.lived.plant.factory,
        "machine": machine,
        "at": start,
        "state": stretch.state,
        "until": end if stretch.recorded else None,
        "product": stretch.product,
        "reason": stretch.reason,
    }
    return Event("states", machine, end if stretch.recorded else start, record)


def _counts(telling: Telling) -> Iterator[Event]:
    """Tell the counters every half hour from the first planned minute to the end of the last one."""
    spans = planned_spans(telling.lived.plant, telling.lived.day)
    if not spans:
        return
    first = spans[0][0] // _COUNT_EVERY_MIN * _COUNT_EVERY_MIN
    last = -(-spans[-1][1] // _COUNT_EVERY_MIN) * _COUNT_EVERY_MIN
    for (machine, product), output in telling.lived.made.items():
        before = telling.counted.get((machine, product), (0, 0, 0))
        for minute in range(first, last + 1, _COUNT_EVERY_MIN):
            yield _count(telling, machine, product, _at(output, before, minute), minute)


def _at(output: Output, before: tuple[int, int, int], minute: int) -> tuple[int, int, int]:
    good, rejected, rework = before
    return (
        good + int(output.good[minute]),
        rejected + int(output.rejected[minute]),
        rework + int(output.rework[minute]),
    )


def _count(telling: Telling, machine: str, product: str, counted: tuple[int, int, int], minute: int) -> Event:
    good, rejected, rework = counted
    total = float(good + rejected + rework)
    inspects = telling.lived.plant.inspects
    at = telling.start_us + minute * _MINUTE_US
    record = {
        "factory": telling.lived.plant.factory,
        "machine": machine,
        "product": product,
        "at": at,
        "total": total,
        "rejected": float(rejected),
        "rework": float(rework),
        "inspected": total if inspects else None,
        "first_pass": float(good) if inspects else None,
    }
    return Event("counts", machine, at, record)


def tell_orders(telling: Telling) -> Iterator[Event]:
    """Tell the steps that fall on this day, of orders received on it and on the days before."""
    end_us = telling.start_us + _DAY_US
    return (event for event in recent_orders(telling) if telling.start_us <= event.at_us < end_us)


def recent_orders(telling: Telling) -> Iterator[Event]:
    """Tell all steps, whenever they fall, of the orders that may still have one on this day."""
    plant, day = telling.lived.plant, telling.lived.day
    for age in range(_ORDER_DAYS, -1, -1):
        received = day - timedelta(days=age)
        if received >= EPOCH and planned_spans(plant, received):
            yield from _orders_received_on(telling, received)


def _orders_received_on(telling: Telling, received: date) -> Iterator[Event]:
    plant = telling.lived.plant
    rng = generator(telling.seed, plant.factory, received, "orders")
    for line in range(int(rng.integers(1, 4))):
        product = plant.products[int(rng.integers(len(plant.products)))].product
        quantity, pace = float(rng.integers(2, 40) * 50), rng.uniform(0.7, 1.9)
        taken = day_start_us(received, telling.cluster.zone) + int(rng.integers(540, 960)) * _MINUTE_US
        promised_at = taken + 120 * 60 * _MINUTE_US
        for step, after_h in _ORDER_STEPS:
            at = taken + int(after_h * pace * 60) * _MINUTE_US
            record = {
                "factory": plant.factory,
                "order": f"{received:%y%m%d}-{line + 1}",
                "at": at,
                "step": step,
                "product": product,
                "quantity": quantity,
                "promised_at": promised_at if step == "promised" else None,
                "joint_delivery": plant.size_class == "micro",
            }
            yield Event("orders", "", at, record)


def tell_shipments(telling: Telling) -> Iterator[Event]:
    """Tell the day's shipment, once it has arrived."""
    plant, day = telling.lived.plant, telling.lived.day
    if not planned_spans(plant, day):
        return
    rng = generator(telling.seed, plant.factory, day, "shipments")
    departed = telling.start_us + int(rng.integers(930, 1050)) * _MINUTE_US
    delivered = departed + int(rng.integers(60, 240)) * _MINUTE_US
    capacity_t = 5.0 if plant.size_class == "micro" else 11.0
    distance_km = float(rng.integers(15, 190))
    record = {
        "factory": plant.factory,
        "shipment": f"{day:%y%m%d}-1",
        "at": departed,
        "delivered_at": delivered,
        "due_at": departed + 180 * _MINUTE_US,
        "load_t": round(capacity_t * float(rng.uniform(0.3, 0.98)), 2),
        "capacity_t": capacity_t,
        "distance_km": distance_km,
        "cost_krw": 60_000.0 + 1_100.0 * distance_km,
        "pooled": plant.size_class == "micro",
    }
    yield Event("shipments", "", delivered, record)


def tell_safety(telling: Telling) -> Iterator[Event]:
    """Tell the hours of a worked day, and what nearly happened on it."""
    plant, day = telling.lived.plant, telling.lived.day
    spans = planned_spans(plant, day)
    if not spans:
        return
    rng = generator(telling.seed, plant.factory, day, "safety")
    start, end = (telling.start_us + minute * _MINUTE_US for minute in (spans[0][0], spans[-1][1]))
    present = plant.headcount - int(rng.integers(0, 1 + plant.headcount // 12))
    worked = {"until": end, "worked_h": 8.0 * present, "attended_h": 8.4 * present}
    base = {"factory": plant.factory, "event": f"{day:%y%m%d}-hours", "at": start, "kind": "hours"}
    yield Event("safety", "", end, {**base, **worked, "headcount": plant.headcount})
    if rng.random() < 0.04:  # noqa: PLR2004 - about one near miss in a working month
        at = start + int(rng.integers(1, 400)) * _MINUTE_US
        nearly = {"event": f"{day:%y%m%d}-near", "at": at, "kind": "near_miss"}
        yield Event("safety", "", at, {**base, **nearly, "until": None, "headcount": None})


def _activities(telling: Telling) -> Iterator[Event]:
    """Tell the diesel of a week that begins on this Monday; it is known when the week has ended."""
    plant, day = telling.lived.plant, telling.lived.day
    if not plant.buys_diesel or day.isoweekday() != 1:
        return
    rng = generator(telling.seed, plant.factory, day, "activities")
    end = telling.start_us + 7 * _DAY_US
    record = {
        "factory": plant.factory,
        "activity_id": f"diesel-{day:%y%m%d}",
        "activity": "diesel",
        "start": telling.start_us,
        "end": end,
        "amount": float(rng.integers(140, 420)),
        "unit": "L",
        "geography": telling.cluster.geography,
    }
    yield Event("activities", "", end + 540 * _MINUTE_US, record)


def tell_profile(
    cluster: ClusterDefinition, plant: Plant, day: date, registers: Mapping[str, RegisterState]
) -> Event | None:
    """Return the profile that a plant sends at the epoch and when a meter was exchanged; else null."""
    exchanged = day_index(day) == SWAP_INDEX and any(m.swapped for m in plant.meters)
    if day != EPOCH and not exchanged:
        return None
    start_us = day_start_us(day, cluster.zone)
    record = {
        "factory": plant.factory,
        "valid_from": start_us,
        "name": plant.name,
        "zone": None if plant.maturity == "basic" else cluster.zone,
        "geography": cluster.geography,
        "process": plant.process,
        "region": "gyeongnam",
        "size_class": plant.size_class,
        "maturity": plant.maturity,
        "meters": [
            m for meter in plant.meters for m in _meter_entries(plant, meter, cluster.zone, registers)
        ],
        "machines": [{"machine": m.machine, "name": m.name} for m in plant.machines],
        "shifts": [
            {"weekday": weekday, "start_minute": start, "end_minute": end}
            for weekday, spans in sorted(plant.calendar.spans.items())
            for start, end in spans
        ],
        "holidays": list(plant.holidays),
        "products": [
            {"product": p.product, "unit": p.unit, "product_class": p.product_class, "pru_s": p.pru_s}
            for p in plant.products
        ],
        "sequence": 1 + day_index(day),
        "template": plant.template,
    }
    at_us = start_us + SWAP_MIN * _MINUTE_US if exchanged else start_us
    return Event("profile", "", at_us, record)


def _calibration(meter: Meter) -> dict[str, str]:
    """Tell when a main meter was calibrated; one whose register resets is overdue."""
    if meter.meter != "main":
        return {}
    due = f"{EPOCH.year if meter.resets_weekly else EPOCH.year + 2}-10-31"
    return {
        "calibrated_on": "2023-11-01",
        "calibration_due": due,
        "calibration_certificate": f"cal-{due[:4]}",
    }


def _meter_entries(
    plant: Plant, meter: Meter, zone: str, registers: Mapping[str, RegisterState]
) -> Iterator[dict[str, Any]]:
    """Describe a meter; an exchanged one twice, before and after, under the same id."""
    per_kwh = {"MWh": 1e-3, "W": 1e3}.get(meter.unit, 1.0)
    own = [m for m in plant.machines if m.machine in meter.machines]
    maximum_kw = 1.3 * (sum(m.run_kw for m in own) + (plant.base_kw if meter.base_load else 0.0))
    gas = plant.gas_nm3_per_kwh if meter.carrier == "natural_gas" else 1.0
    entry = {
        "meter": meter.meter,
        "carrier": meter.carrier,
        "unit": meter.unit,
        "parent": meter.parent,
        "machine": meter.meter if meter.meter in {m.machine for m in own} else None,
        "register_digits": meter.register_digits,
        "maximum_per_h": round(maximum_kw * gas * per_kwh, 6),
        "bidirectional": False,
        **_calibration(meter),
    }
    closing = registers[meter.meter].closing if meter.meter in registers else None
    if closing is None:
        yield entry
        return
    exchanged_us = day_start_us(EPOCH + timedelta(days=SWAP_INDEX), zone) + SWAP_MIN * _MINUTE_US
    yield {**entry, "valid_to": exchanged_us, "closing_value": closing / STEPS_PER_KWH}
    yield {**entry, "valid_from": exchanged_us, "opening_value": float(SWAP_OPENING_KWH)}
