"""Mishaps planted for the data-liveness report: what a neglected or tampered source sends instead.

Belongs here: which mishaps there are, what they make of a plant's events, what the report should name. Does
not belong here: the everyday faults of gateways (gateway), and the report itself.

A mishap changes only the messages of its own source: their values, or whether they arrive. Ghosts send
messages of their own, delivered apart, so that every other message keeps its bytes and its fate.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

import numpy as np
import polars as pl

from pipelines.demo.clock import DAY_MIN, day_index, generator
from pipelines.demo.events import Event, Telling, readings_of
from pipelines.demo.gateway import Message
from pipelines.demo.plants import PLANTS, SILENT_INDEX, SILENT_PERIOD, Meter, Plant
from pipelines.demo.power import STEPS_PER_KWH, PlantDay, Steps, live_through
from pipelines.demo.workday import planned_spans

Kind = Literal[
    "copied_day", "copied_factory", "flat_line", "zero_run", "no_shift_pattern", "ghost_meter",
    "ghost_machine", "silent", "few_events",
]  # fmt: skip
ALL = "*"
_REASONS = {"ghost_meter": "ghost", "ghost_machine": "ghost"}
_MINUTE_US = 60_000_000
_FOR_EVER = date(9999, 12, 31)
_ALIKE_BEFORE_NAMED = 2
_GHOST_KW, _GHOST_BATCH, _GHOST_OPENING_KWH = 1.5, 15, 4_400
_CHATTY = ("energy", "states", "counts")


@dataclass(frozen=True)
class Mishap:
    """One planted mishap.

    Args:
        kind: what goes wrong.
        factory: of which factory.
        source: meter or machine; `*`: every meter.
        first: first local day.
        last: last local day.
        minutes: within these minutes of the day, for flat_line; of silent: from the first on.
        of_day: the day that is copied.
        of: factory and meter that are copied.
        share: share of the messages that get lost, for few_events.
    """

    kind: Kind
    factory: str
    source: str
    first: date
    last: date = _FOR_EVER
    minutes: tuple[int, int] = (0, DAY_MIN)
    of_day: date | None = None
    of: tuple[str, str] | None = None
    share: float = 0.0

    @property
    def reason(self) -> str:
        """The report's reason code for it."""
        return _REASONS.get(self.kind, self.kind)

    def holds(self, factory: str, day: date) -> bool:
        """Say whether it happens in a factory on a day."""
        return self.factory == factory and self.first <= day <= self.last


# The demo shows one: a meter that nobody put into the profile. It touches no figure.
DEMO_MISHAPS = (Mishap("ghost_meter", "haneul", "old-compressor", date(2025, 11, 10)),)
PLANTED_MISHAPS = (
    *DEMO_MISHAPS,
    Mishap("copied_day", "naru", ALL, date(2025, 11, 7), date(2025, 11, 7), of_day=date(2025, 11, 5)),
    Mishap("copied_factory", "chorok", "press-2", date(2025, 11, 10), date(2025, 11, 10),
           of=("garam-1", "dcm-3")),
    Mishap("flat_line", "dasom", "main", date(2025, 11, 6), date(2025, 11, 6), minutes=(540, 900)),
    Mishap("flat_line", "jangsan", "press-4", date(2025, 11, 10), date(2025, 11, 10), minutes=(480, 960)),
    Mishap("zero_run", "garam-1", "dcm-5", date(2025, 11, 10)),
    Mishap("no_shift_pattern", "maru", "main", date(2025, 11, 5)),
    Mishap("ghost_machine", "taeyang", "furnace-9", date(2025, 11, 10)),
    Mishap("silent", "areum", ALL, date(2025, 11, 9), minutes=(600, DAY_MIN)),
    Mishap("few_events", "garam-2", ALL, date(2025, 11, 5), date(2025, 11, 5), share=0.4),
)  # fmt: skip


@dataclass
class Spoiler:
    """Spoils the messages of one plant, day after day.

    Args:
        plant: the plant.
        mishaps: all that are planted, of any plant.
        seed: the simulation's.
    """

    plant: Plant
    mishaps: Sequence[Mishap]
    seed: int

    def __post_init__(self) -> None:
        self._past: dict[date, Telling] = {}
        self._stands: dict[str, float] = {}

    def remember(self, telling: Telling) -> None:
        """Keep a day that is copied later, and what a register showed when it stopped."""
        day = telling.lived.day
        if any(m.of_day == day and m.factory == self.plant.factory for m in self.mishaps):
            self._past[day] = telling
        for mishap in self._of(day, "zero_run"):
            meter = next(m for m in self.plant.meters if m.meter == mishap.source)
            self._stands.setdefault(mishap.source, readings_of(meter, telling)[1][0])

    def spoiled(self, telling: Telling, events: Sequence[Event]) -> list[Event]:
        """Return a day's events with the values that the mishaps leave; as many, in the same order."""
        changed = {
            mishap.source if mishap.source != ALL else meter.meter: self._values(mishap, meter, telling)
            for mishap in self.mishaps
            if mishap.holds(self.plant.factory, telling.lived.day)
            for meter in self.plant.meters
            if mishap.source in (ALL, meter.meter)
        }
        known = {meter: values for meter, values in changed.items() if values is not None}
        return [
            _with_values(event, known[event.source], telling)
            if event.stream == "energy" and event.source in known
            else event
            for event in events
        ]

    def ghosts(self, telling: Telling) -> list[Event]:
        """Return the events of sources that no profile names, of one day."""
        day = telling.lived.day
        return [
            *(e for m in self._of(day, "ghost_meter") for e in _ghost_meter(m, telling)),
            *(e for m in self._of(day, "ghost_machine") for e in _ghost_machine(m, telling)),
        ]

    def lost(self, messages: Sequence[Message], start_us: int) -> list[Message]:
        """Lose what the mishaps lose of a day's messages."""
        return [
            replace(m, sent_us=None, delay_s=None, fate="lost") if self._loses(m, start_us) else m
            for m in messages
        ]

    def _loses(self, message: Message, start_us: int) -> bool:
        for mishap in self.mishaps:
            if mishap.holds(self.plant.factory, message.day) and message.poison is None:
                if mishap.kind == "silent" and message.stream == "energy":
                    begins = start_us + mishap.minutes[0] * _MINUTE_US
                    return message.day > mishap.first or message.record["readings"][0]["at"] >= begins
                if mishap.kind == "few_events" and message.stream in _CHATTY:
                    return _drawn(message) < mishap.share
        return False

    def _of(self, day: date, kind: Kind) -> list[Mishap]:
        return [m for m in self.mishaps if m.kind == kind and m.holds(self.plant.factory, day)]

    def _values(self, mishap: Mishap, meter: Meter, telling: Telling) -> Mapping[int, float] | None:
        """Return what a meter shows instead, by minute after midnight; null: what it truly shows."""
        minutes, true = readings_of(meter, telling)
        shown: Sequence[float] | None = None
        if mishap.kind == "copied_day" and mishap.of_day is not None:
            shown = readings_of(meter, self._past[mishap.of_day])[1]
        elif mishap.kind == "copied_factory" and mishap.of is not None:
            shown = _running_on(true[0], _flow_of(self.seed, *mishap.of, telling.lived.day), minutes)
        elif mishap.kind == "flat_line":
            begin, end = mishap.minutes
            shown = [
                true[int(np.searchsorted(minutes, begin))] if begin <= minute < end else value
                for minute, value in zip(minutes.tolist(), true, strict=True)
            ]
        elif mishap.kind == "zero_run":
            shown = [self._stands[mishap.source]] * len(true)
        elif mishap.kind == "no_shift_pattern":
            shown = _running_on(true[0], _even(self.seed, telling.lived, meter), minutes)
        return None if shown is None else dict(zip(minutes.tolist(), shown, strict=True))


def _with_values(event: Event, values: Mapping[int, float], telling: Telling) -> Event:
    readings = [
        {**r, "value": values[(r["at"] - telling.start_us) // _MINUTE_US]} for r in event.record["readings"]
    ]
    return replace(event, record={**event.record, "readings": readings})


def _drawn(message: Message) -> float:
    """Draw a number in [0, 1) that belongs to a message, whatever else is sent."""
    name = f"{message.factory}/{message.stream}/{message.record['sequence'] // 2}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _flow_of(seed: int, factory: str, meter: str, day: date) -> Steps:
    plant = PLANTS[factory]
    flow: Steps = live_through(seed, plant, day).flow(next(m for m in plant.meters if m.meter == meter))
    return flow


def _even(seed: int, lived: PlantDay, meter: Meter) -> Steps:
    """Spread a day's flow evenly over it, with a little noise: the same total, without any shift."""
    flow = lived.flow(meter)
    noise = 1 + 0.03 * generator(seed, lived.plant.factory, lived.day, "even").standard_normal(DAY_MIN)
    parts: Steps = np.rint(flow.sum() * noise / noise.sum()).astype(np.int64)
    parts[-1] += flow.sum() - parts.sum()
    return parts


def _running_on(begin: float, flow: Steps, minutes: Steps) -> list[float]:
    """Return what a register in kWh or Nm3 shows that runs on from `begin` by a flow."""
    first = round(begin * STEPS_PER_KWH)
    shown = first + np.concatenate(([0], np.cumsum(flow)))
    values: list[float] = (shown[minutes] / STEPS_PER_KWH).tolist()
    return values


def _ghost_meter(mishap: Mishap, telling: Telling) -> Iterator[Event]:
    """Tell a register that ticks on, of a machine that was scrapped long ago."""
    noise = generator(telling.seed, mishap.factory, telling.lived.day, "ghost", mishap.source)
    flow = np.rint(_GHOST_KW / 60 * STEPS_PER_KWH * noise.uniform(0.9, 1.1, DAY_MIN)).astype(np.int64)
    opening = _GHOST_OPENING_KWH + 40.0 * day_index(telling.lived.day)
    minutes = np.arange(DAY_MIN)
    values = _running_on(opening, flow, minutes)
    head = {
        "factory": mishap.factory, "meter": mishap.source, "carrier": "electricity", "kind": "register",
        "unit": "kWh", "stamp": "instant", "length_s": None,
    }  # fmt: skip
    for first in range(0, DAY_MIN, _GHOST_BATCH):
        batch = range(first, first + _GHOST_BATCH)
        readings = [{"at": telling.start_us + m * _MINUTE_US, "value": values[m]} for m in batch]
        sequence = day_index(telling.lived.day) * DAY_MIN + first
        record = {**head, "readings": readings, "sequence": sequence}
        yield Event("energy", mishap.source, telling.start_us + batch[-1] * _MINUTE_US, record)


def _ghost_machine(mishap: Mishap, telling: Telling) -> Iterator[Event]:
    for hour, state in ((8, "running"), (12, "idle"), (13, "running"), (17, "off")):
        at = telling.start_us + hour * 60 * _MINUTE_US
        record = {
            "factory": mishap.factory, "machine": mishap.source, "at": at, "state": state, "until": None,
            "product": None, "reason": None, "sequence": day_index(telling.lived.day) * 24 + hour,
        }  # fmt: skip
        yield Event("states", mishap.source, at, record)


def planted(mishaps: Iterable[Mishap], days: Iterable[tuple[Plant, date]]) -> pl.DataFrame:
    """Return what the liveness report should name of simulated days, and nothing else.

    Returns:
        day, factory, stream, source, reason: the mishaps', and the plants' own silent days.
    """
    rows: set[tuple[date, str, str, str, str]] = set()
    simulated = sorted({(plant.factory, day) for plant, day in days})
    for factory, day in simulated:
        plant = PLANTS[factory]
        if plant.silent_fortnightly and day_index(day) % SILENT_PERIOD == SILENT_INDEX:
            rows |= {(day, factory, stream, ALL, "silent") for stream in _CHATTY}
        for mishap in mishaps:
            if mishap.holds(factory, day) and _is_named(mishap, plant, day):
                rows |= {(day, factory, *place, mishap.reason) for place in _places(mishap, plant)}
    schema = {"day": pl.Date, **dict.fromkeys(("factory", "stream", "source", "reason"), pl.String)}
    return pl.DataFrame(sorted(rows), schema=schema, orient="row")


def _is_named(mishap: Mishap, plant: Plant, day: date) -> bool:
    """Say whether a mishap can be seen on a day: missing shifts only on working days, and not at once."""
    if mishap.kind != "no_shift_pattern":
        return True
    before = (mishap.first + timedelta(days=n) for n in range((day - mishap.first).days))
    worked = [d for d in before if planned_spans(plant, d)]
    return bool(planned_spans(plant, day)) and len(worked) >= _ALIKE_BEFORE_NAMED


def _places(mishap: Mishap, plant: Plant) -> list[tuple[str, str]]:
    """Return stream and source of the rows that name a mishap; what holds for a stream is the stream's."""
    if mishap.kind == "ghost_machine":
        return [("states", mishap.source)]
    if mishap.source == ALL and mishap.kind == "copied_day":
        return [("energy", meter.meter) for meter in plant.meters]
    return [("energy", mishap.source)]
