"""A machine's day: which state it is in when, and which product it makes.

Belongs here: states in planned and unplanned time. Does not belong here: power (power) and what a gateway
makes of it (events, gateway).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipelines.demo.clock import DAY_MIN, DAY_S, generator
from pipelines.demo.plants import Machine, Plant, Product, Span

_BREAK_MAX_MIN = 150
_REPAIR_AFTER_S = 600
_MAINTENANCE_S = 3600
_STOPS = (
    ("delay", 0.40, 120, 780, "waiting for material"),
    ("idle", 0.20, 60, 480, None),
    ("setup", 0.22, 600, 1500, None),
    ("down", 0.18, 420, 3300, "fault"),
)


@dataclass(frozen=True)
class Stretch:
    """A machine's state in seconds [start, end) after local midnight.

    Args:
        start_s: its start.
        end_s: its end.
        state: the state that holds.
        product: the product being made or set up; null: none.
        reason: the shop floor's reason; null: none.
        recorded: whether it is told by a stop record that lies over the state before it.
    """

    start_s: int
    end_s: int
    state: str
    product: str | None = None
    reason: str | None = None
    recorded: bool = False


def planned_spans(plant: Plant, day: date) -> tuple[Span, ...]:
    """Return a day's planned spans in minutes after its midnight, within [0, 1440), in order."""
    before = day - timedelta(days=1)
    spilled = [(0, end - DAY_MIN) for _, end in _spans_of(plant, before) if end > DAY_MIN]
    own = [(start, min(end, DAY_MIN)) for start, end in _spans_of(plant, day)]
    return tuple(sorted(spilled + own))


def _spans_of(plant: Plant, day: date) -> tuple[Span, ...]:
    if day.isoformat() in plant.holidays:
        return ()
    return plant.calendar.spans.get(day.isoweekday(), ())


def machine_day(seed: int, plant: Plant, machine: Machine, day: date) -> tuple[Stretch, ...]:
    """Return a machine's states of a day, without gaps from 0 to 86,400 s."""
    rng = generator(seed, plant.factory, day, "states", machine.machine)
    grain_s = 60 if machine.sampled else 1
    products = _products_in_order(rng, plant.products)
    maintained = day.isoweekday() == 1 + sum(machine.machine.encode()) % 5
    spans = planned_spans(plant, day)
    done: list[Stretch] = []
    now = 0
    for number, (start, end) in enumerate(spans):
        done.extend(_unplanned(now, start * 60, started=number > 0))
        serviced = _MAINTENANCE_S if maintained and number == len(spans) - 1 else 0
        done.extend(_worked(rng, start * 60, end * 60 - serviced, products, grain_s))
        if serviced:
            done.append(Stretch(end * 60 - serviced, end * 60, "maintenance", reason="weekly service"))
        now = end * 60
    done.extend(_unplanned(now, DAY_S, started=False))
    return tuple(done)


def _products_in_order(rng: np.random.Generator, products: tuple[Product, ...]) -> Iterator[str]:
    order = [products[i].product for i in rng.permutation(len(products))[:2]]
    while True:
        yield from order


def _unplanned(start_s: int, end_s: int, *, started: bool) -> list[Stretch]:
    if end_s <= start_s:
        return []
    on_a_break = started and end_s - start_s <= _BREAK_MAX_MIN * 60
    return [Stretch(start_s, end_s, "idle" if on_a_break else "off")]


def _worked(
    rng: np.random.Generator, start_s: int, end_s: int, products: Iterator[str], grain_s: int
) -> Iterator[Stretch]:
    """Fill planned time with runs and what interrupts them; a span begins with a set-up, but at midnight."""
    product, now = next(products), start_s
    if start_s > 0:
        now = min(end_s, start_s + _seconds(rng, 300, 900, grain_s))
        yield Stretch(start_s, now, "setup", product)
    while now < end_s:
        until = min(end_s, now + 600 + round(rng.exponential(4500) / grain_s) * grain_s)
        yield Stretch(now, until, "running", product)
        if until == end_s:
            return
        state, shortest, longest, reason = _stop(rng)
        now = min(end_s, until + _seconds(rng, shortest, longest, grain_s))
        if state == "setup":
            product = next(products)
        yield from _stopped(until, now, state, product, reason)


def _stop(rng: np.random.Generator) -> tuple[str, int, int, str | None]:
    drawn = rng.random()
    for state, share, shortest, longest, reason in _STOPS:
        drawn -= share
        if drawn < 0:
            return state, shortest, longest, reason
    return _STOPS[0][0], *_STOPS[0][2:]


def _stopped(start_s: int, end_s: int, state: str, product: str, reason: str | None) -> Iterator[Stretch]:
    """Tell one interruption; a long fault becomes a repair after ten minutes, told by a stop record."""
    if state == "down" and end_s - start_s > 2 * _REPAIR_AFTER_S:
        called = start_s + _REPAIR_AFTER_S
        yield Stretch(start_s, called, state, reason=reason)
        yield Stretch(called, end_s, "repair", reason="mechanic called", recorded=True)
    else:
        yield Stretch(start_s, end_s, state, product if state == "setup" else None, reason)


def _seconds(rng: np.random.Generator, shortest: int, longest: int, grain_s: int) -> int:
    return int(rng.integers(shortest // grain_s, longest // grain_s + 1)) * grain_s
