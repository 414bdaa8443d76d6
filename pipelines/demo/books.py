"""What a plant's books tell: stock at the end of a day, and what production cost.

Belongs here: stock from what was made and shipped, cost from what was made. Does not belong here: orders and
shipments (events), what a gateway makes of it.
"""

from collections.abc import Iterable, Iterator, Mapping

from pipelines.demo.clock import DAY_MIN, day_index, generator
from pipelines.demo.events import Event, Telling
from pipelines.demo.plants import WEEKLY_COSTS, WITHOUT_COSTS, WITHOUT_STOCK, Plant
from pipelines.demo.power import PlantDay
from pipelines.demo.workday import planned_spans

COUNTED_MIN = DAY_MIN - 10
"""Stock is counted ten minutes before midnight, when the day's goods have left."""
_MINUTE_US = 60_000_000
_DAY_US = DAY_MIN * _MINUTE_US
_OPENING, _LOT, _FULL = 12_000.0, 5_000.0, 40_000.0
_KRW_PER_PERSON, _KRW_PER_S = 160_000.0, 18.0
# Far above the numbers of a day's other events, which stay as they are.
_FIRST_SEQUENCE, _SEQUENCES_A_DAY = 500_000, 1_000_000


def opening_stock(plant: Plant) -> dict[str, float]:
    """Return the stock of each product at the epoch."""
    return {p.product: _OPENING + 500.0 * n for n, p in enumerate(plant.products)}


def stock_after(before: Mapping[str, float], lived: PlantDay, orders: Iterable[Event]) -> dict[str, float]:
    """Return the stock of each product after a day: what was made comes in, what was shipped goes out.

    An outside warehouse gives and takes whole lots, so that the store is neither overdrawn nor too full.
    """
    after = dict(before)
    for (_, product), output in lived.made.items():
        after[product] += float(output.good[-1])
    for event in orders:
        if event.record["step"] == "shipped":
            after[event.record["product"]] -= event.record["quantity"]
    for product, level in after.items():
        lots = -(level // _LOT) if level < 0 else -((level - _FULL) // _LOT + 1) if level > _FULL else 0
        after[product] = level + lots * _LOT
    return after


def tell_books(telling: Telling, stock: Mapping[str, float]) -> list[Event]:
    """Return the stock and the costs that a plant tells of a day, numbered by `sequence`."""
    events = [*_stock(telling, stock), *costs_of_day(telling), *_costs_of_week(telling)]
    first = day_index(telling.lived.day) * _SEQUENCES_A_DAY + _FIRST_SEQUENCE
    for number, event in enumerate(events):
        event.record["sequence"] = first + 2 * number
    return events


def _stock(telling: Telling, stock: Mapping[str, float]) -> Iterator[Event]:
    plant = telling.lived.plant
    if plant.factory in WITHOUT_STOCK:
        return
    at = telling.start_us + COUNTED_MIN * _MINUTE_US
    for product, quantity in stock.items():
        record = {"factory": plant.factory, "product": product, "at": at, "quantity": quantity}
        yield Event("stock", "", at, record)


def costs_of_day(telling: Telling) -> Iterator[Event]:
    """Tell a day's cost: material and energy by product, people of none; known half an hour later."""
    plant = telling.lived.plant
    if plant.factory in WITHOUT_COSTS | WEEKLY_COSTS:
        return
    rng = generator(telling.seed, plant.factory, telling.lived.day, "costs")
    made = dict.fromkeys((p.product for p in plant.products), 0.0)
    for (_, product), output in telling.lived.made.items():
        made[product] += float(output.total[-1])
    for kind in plant.products:
        krw_per_unit = kind.pru_s * _KRW_PER_S * rng.uniform(0.95, 1.05)
        yield _cost(telling, kind.product, round(made[kind.product] * krw_per_unit), days=1)
    yield _cost(telling, None, _people_krw(telling), days=1)


def _costs_of_week(telling: Telling) -> Iterator[Event]:
    """Tell the cost of a week that begins on this Monday, of all products together."""
    plant, day = telling.lived.plant, telling.lived.day
    if plant.factory not in WEEKLY_COSTS or day.isoweekday() != 1:
        return
    rng = generator(telling.seed, plant.factory, day, "costs")
    yield _cost(telling, None, plant.headcount * _KRW_PER_PERSON * round(rng.uniform(9, 12), 2), days=7)


def _people_krw(telling: Telling) -> float:
    plant = telling.lived.plant
    return plant.headcount * _KRW_PER_PERSON if planned_spans(plant, telling.lived.day) else 0.0


def _cost(telling: Telling, product: str | None, krw: float, days: int) -> Event:
    day, start_us = telling.lived.day, telling.start_us
    end_us = start_us + days * _DAY_US
    record = {
        "factory": telling.lived.plant.factory,
        "event": f"cost-{day:%y%m%d}-{product or 'all'}",
        "at": start_us,
        "until": end_us,
        "product": product,
        "cost_krw": float(krw),
    }
    return Event("costs", "", end_us + 30 * _MINUTE_US, record)
