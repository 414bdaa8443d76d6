"""What a plant's day truly came to in orders, shipments, hours, stock and costs, told or not.

Belongs here: sums of a day over what happened, by plain arithmetic. Does not belong here: the pipeline's
rules; tests compare what those make of the messages with this.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pipelines.demo.books import COUNTED_MIN, costs_of_day
from pipelines.demo.clock import DAY_MIN
from pipelines.demo.events import Telling, recent_orders, tell_safety, tell_shipments
from pipelines.demo.plants import WITHOUT_STOCK

DayTotal = tuple[str, str, str, date, float]
"""Factory, product (* if of none), element, day, quantity."""
_Amounts = Iterator[tuple[str, str, float]]
_MINUTE_US, _S_US, _S_PER_H = 60_000_000, 1_000_000, 3_600
_ALL = "*"


def true_day(telling: Telling, before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[DayTotal]:
    """Return the true elements of a plant's day.

    Args:
        telling: the day.
        before: stock of each product as counted on the day before.
        after: stock as counted on this day.
    """
    lives: dict[str, dict[str, dict[str, Any]]] = {}
    for event in recent_orders(telling):
        lives.setdefault(event.record["order"], {})[event.record["step"]] = event.record
    amounts = [
        *_orders(telling, list(lives.values())),
        *_shipments(telling),
        *_people(telling),
        *_stock(telling, before, after),
        *((e.record["product"] or _ALL, "cost_krw", e.record["cost_krw"]) for e in costs_of_day(telling)),
    ]
    for product, element, quantity in amounts:
        yield telling.lived.plant.factory, product, element, telling.lived.day, float(quantity)


def _orders(telling: Telling, lives: list[dict[str, dict[str, Any]]]) -> _Amounts:
    start, end = telling.start_us, telling.start_us + DAY_MIN * _MINUTE_US
    today = range(start, end)
    for step in ("received", "promised", "shipped", "delivered"):
        yield _ALL, f"orders_{step}", sum(life[step]["at"] in today for life in lives)
    due = [life for life in lives if life["promised"]["promised_at"] in today]
    kept = sum(life["delivered"]["at"] <= life["promised"]["promised_at"] for life in due)
    done = [life for life in lives if life["delivered"]["at"] in today]
    yield _ALL, "orders_due", len(due)
    yield _ALL, "orders_on_time", kept
    yield _ALL, "orders_on_time_in_full", kept  # every step is of the whole quantity
    yield _ALL, "orders_completed", len(done)
    yield _ALL, "lead_time_s", sum(o["delivered"]["at"] - o["received"]["at"] for o in done) / _S_US
    runs = ((max(start, o["started"]["at"]), min(end, o["completed"]["at"])) for o in lives)
    yield _ALL, "aoet_s", sum(max(0, last - first) for first, last in runs) / _S_US
    for product in telling.lived.plant.products:
        shipped = [o["shipped"] for o in lives if o["shipped"]["at"] in today]
        own = sum(s["quantity"] for s in shipped if s["product"] == product.product)
        yield product.product, "shipped_quantity", own


def _shipments(telling: Telling) -> _Amounts:
    """Sum the day's departures; each is due on the evening of its own day."""
    left = [event.record for event in tell_shipments(telling)]
    loads = [s["load_t"] * s["distance_km"] for s in left]
    yield _ALL, "load_tkm", sum(loads)
    yield _ALL, "rated_load_tkm", sum(loads)
    yield _ALL, "costed_load_tkm", sum(loads)
    yield _ALL, "capacity_tkm", sum(s["capacity_t"] * s["distance_km"] for s in left)
    yield _ALL, "pooled_tkm", sum(load for load, s in zip(loads, left, strict=True) if s["pooled"])
    yield _ALL, "transport_cost_krw", sum(s["cost_krw"] for s in left)
    yield _ALL, "shipments_due", len(left)
    yield _ALL, "shipments_on_time", sum(s["delivered_at"] <= s["due_at"] for s in left)


def _people(telling: Telling) -> _Amounts:
    told = [event.record for event in tell_safety(telling)]
    hours = [record for record in told if record["kind"] == "hours"]
    worked, attended = (sum(record[name] for record in hours) for name in ("worked_h", "attended_h"))
    yield _ALL, "worked_h", worked
    yield _ALL, "apwt_s", worked * _S_PER_H
    yield _ALL, "apat_s", attended * _S_PER_H
    yield _ALL, "incidents", sum(record["kind"] in {"lost_time", "medical_treatment"} for record in told)
    if hours:
        yield _ALL, "headcount", telling.lived.plant.headcount


def _stock(telling: Telling, before: Mapping[str, float], after: Mapping[str, float]) -> _Amounts:
    if telling.lived.plant.factory in WITHOUT_STOCK:
        return
    held = COUNTED_MIN / DAY_MIN
    for product, level in after.items():
        yield product, "stock_unit_days", before[product] * held + level * (1 - held)
