"""What gateways make of a plant's events: they delay, repeat, correct, hold back, lose, and send rubbish.

Belongs here: fates of messages, bytes that are no good, encoding of what is sent. Does not belong here: what
truly happened, and sending (publisher).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from pipelines.demo.clock import day_index, day_start_us, generator
from pipelines.demo.events import Event
from pipelines.demo.plants import (
    OUTAGE_INDEX,
    OUTAGE_MIN,
    OUTAGE_PERIOD,
    PLANTS,
    SILENT_INDEX,
    SILENT_PERIOD,
    Plant,
)
from pipelines.domain.cluster import ClusterDefinition
from pipelines.schemas.encode import HEADER_BYTES, MessageEncoder, header
from pipelines.schemas.streams import factory_topic

POISONS = (
    "random_bytes",
    "truncated",
    "wrong_magic",
    "unknown_schema",
    "trailing_bytes",
    "wrong_tenant",
    "unknown_unit",
    "not_finite",
    "future_stamp",
)
_MINUTE_US = 60_000_000
_DAY_US = 1440 * _MINUTE_US
_CHATTY = ("energy", "states", "counts")
_LATE_SHARE, _LOST_SHARE, _REPEATED_SHARE, _CORRECTED_SHARE = 0.010, 0.0015, 0.006, 0.0008
_LONGEST_DELAY_S = 5 * 3600
_POISON_EVERY_DAYS = 4
_UNKNOWN_SCHEMA_ID = 999_999
_NO_LENGTH = b"\x80\x89\x7a"
"""An Avro string length of one million: whatever follows is too short, on every decoder."""


@dataclass(frozen=True)
class Message:
    """A message as a gateway sent it, or lost it.

    Args:
        topic: its topic.
        stream: its stream.
        factory: the factory whose gateway it is of.
        source: the meter or machine; empty: the factory.
        day: the local day that it tells of.
        sent_us: time of sending [us, UTC]; null: it was lost and never arrives.
        key: the record's key.
        record: the contract's fields; some poisons are already in them.
        fate: once, late, held (two days), repeat (a second copy), wrong_value, correction, lost, poison.
        delay_s: seconds from its last event to its sending; null: lost.
        poison: one of POISONS; null: a good message.
    """

    topic: str
    stream: str
    factory: str
    source: str
    day: date
    sent_us: int | None
    key: bytes
    record: Mapping[str, Any] = field(repr=False)
    fate: str
    delay_s: float | None
    poison: str | None = None

    def value(self, encoders: Mapping[str, MessageEncoder]) -> bytes:
        """Encode the message, and spoil its bytes if that is its fate."""
        encoder = encoders[self.stream]
        return _spoiled(self.poison, encoder.schema_id, encoder.encode(self.record))


def deliver(
    seed: int, cluster: ClusterDefinition, plant: Plant, day: date, events: Sequence[Event]
) -> list[Message]:
    """Hand a plant's events of a day to its gateway; in the order of the events, lost ones included."""
    rng = generator(seed, plant.factory, day, "gateway")
    delays_s = rng.uniform(1, 15, len(events)).tolist()
    shares = rng.random(len(events)).tolist()
    lates_s = np.minimum(120 + rng.exponential(2400, len(events)), _LONGEST_DELAY_S).tolist()
    held = _held_span(rng, plant, day)
    start_us = day_start_us(day, cluster.zone)
    out: list[Message] = []
    for number, event in enumerate(events):
        base = _prompt(cluster, plant, day, event, delays_s[number])
        minute = (event.at_us - start_us) / _MINUTE_US
        if _falls_silent(plant, day, event, minute):
            out.append(_lost(base))
        elif event.record.get("kind") == "power":
            # Sampled power has no truth between its samples: only a gateway that keeps them all can be right.
            out.append(base)
        elif event.stream == "energy" and held[0] <= minute < held[1]:
            out.append(_delayed(base, event, (2 * 1440 + 720 - minute) * 60 + 0.05 * number, "held"))
        else:
            out.extend(_handled(base, event, shares[number], lates_s[number]))
    return out + list(_poison(rng, cluster, plant, day, out))


def topic_of(cluster: ClusterDefinition, factory: str, stream: str) -> str:
    """Name the topic that a factory's stream goes to: a regional gateway takes over the energy of some."""
    if stream == "energy":
        for gateway in cluster.gateways:
            if factory in gateway.factories:
                return f"gateway.{gateway.gateway}.energy"
    return factory_topic(factory, stream)


def _prompt(cluster: ClusterDefinition, plant: Plant, day: date, event: Event, delay_s: float) -> Message:
    of_factory = event.stream == "profile" or not event.source
    return Message(
        topic=topic_of(cluster, plant.factory, event.stream),
        stream=event.stream,
        factory=plant.factory,
        source=event.source,
        day=day,
        sent_us=event.at_us + round(delay_s * 1e6),
        key=(plant.factory if of_factory else f"{plant.factory}/{event.source}").encode(),
        record=event.record,
        fate="once",
        delay_s=delay_s,
    )


def _delayed(message: Message, event: Event, delay_s: float, fate: str) -> Message:
    return replace(message, sent_us=event.at_us + round(delay_s * 1e6), delay_s=delay_s, fate=fate)


def _lost(message: Message) -> Message:
    return replace(message, sent_us=None, delay_s=None, fate="lost")


def _falls_silent(plant: Plant, day: date, event: Event, minute: float) -> bool:
    if event.stream == "profile":
        return False
    index = day_index(day)
    if plant.silent_fortnightly and index % SILENT_PERIOD == SILENT_INDEX:
        return True
    out = plant.outage_weekly and index % OUTAGE_PERIOD == OUTAGE_INDEX % OUTAGE_PERIOD
    return out and event.stream in _CHATTY and OUTAGE_MIN[0] <= minute < OUTAGE_MIN[1]


def _held_span(rng: np.random.Generator, plant: Plant, day: date) -> tuple[int, int]:
    """Choose the minutes whose readings one plant a day uploads only around noon two days later."""
    first, length = int(rng.integers(480, 900)), int(rng.integers(60, 181))
    turn = list(PLANTS)[day_index(day) % len(PLANTS)] == plant.factory
    return (first, first + length) if turn else (0, 0)


def _handled(message: Message, event: Event, share: float, late_s: float) -> Iterator[Message]:
    """Apply the fate that a share in [0, 1) stands for; only streams with many messages meet one."""
    if event.stream not in _CHATTY:
        yield message
        return
    limits = np.cumsum((_LATE_SHARE, _LOST_SHARE, _REPEATED_SHARE, _CORRECTED_SHARE))
    kind = int(np.searchsorted(limits, share, side="right"))
    if kind == 0:
        yield _delayed(message, event, late_s, "late")
    elif kind == 1:
        yield _lost(message)
    elif kind == 2:  # noqa: PLR2004 - position in the limits above
        yield message
        yield _delayed(message, event, late_s, "repeat")
    elif kind == 3 and message.record.get("kind") == "register":  # noqa: PLR2004 - as above
        yield from _corrected(message, event)
    else:
        yield message


def _corrected(message: Message, event: Event) -> Iterator[Message]:
    """Send a glitch first, and a few seconds later the right values with the next sequence."""
    first, *rest = message.record["readings"]
    glitch = [{**first, "value": first["value"] + 0.75}, *rest]
    yield replace(message, record={**message.record, "readings": glitch}, fate="wrong_value")
    right = {**message.record, "sequence": message.record["sequence"] + 1}
    later_s = 0.0 if message.delay_s is None else message.delay_s + 20
    yield _delayed(replace(message, record=right), event, later_s, "correction")


def _poison(
    rng: np.random.Generator, cluster: ClusterDefinition, plant: Plant, day: date, sent: Sequence[Message]
) -> Iterator[Message]:
    """Send a spoiled copy of one of the day's good energy messages, every fourth day."""
    place, index = list(PLANTS).index(plant.factory), day_index(day)
    drawn = rng.random()
    good = [m for m in sent if m.stream == "energy" and m.fate == "once"]
    if (index + place) % _POISON_EVERY_DAYS or not good:
        return
    model = good[int(drawn * len(good))]
    kind = POISONS[(3 * index + place // _POISON_EVERY_DAYS) % len(POISONS)]
    record = _spoiled_record(kind, cluster, plant, model)
    sent_us = (model.sent_us or 0) + 30_000_000
    delay_s = (model.delay_s or 0.0) + 30
    yield replace(model, record=record, sent_us=sent_us, delay_s=delay_s, fate="poison", poison=kind)


def _spoiled_record(kind: str, cluster: ClusterDefinition, plant: Plant, model: Message) -> dict[str, Any]:
    record = dict(model.record)
    first = record["readings"][0]
    if kind == "wrong_tenant":
        listed = {f for g in cluster.gateways for f in g.factories} | {plant.factory}
        record["factory"] = next(f for f in PLANTS if f not in listed)
    elif kind == "unknown_unit":
        record["unit"] = "horsepower-hour"
    elif kind == "not_finite":
        record["readings"] = [{**first, "value": float("nan")}]
    elif kind == "future_stamp":
        record["readings"] = [{**first, "at": (model.sent_us or 0) + 2 * 60 * _MINUTE_US}]
    return record


def _spoiled(kind: str | None, schema_id: int, encoded: bytes) -> bytes:
    """Spoil the bytes of a message; poisons of the record leave them as they are."""
    if kind == "random_bytes":
        return header(schema_id) + _NO_LENGTH + hashlib.sha256(encoded).digest()
    if kind == "truncated":
        return encoded[: HEADER_BYTES + (len(encoded) - HEADER_BYTES) // 2]
    if kind == "wrong_magic":
        return b'{"reading": ' + hashlib.sha256(encoded).hexdigest().encode() + b"}"
    if kind == "unknown_schema":
        return header(_UNKNOWN_SCHEMA_ID) + encoded[HEADER_BYTES:]
    if kind == "trailing_bytes":
        return encoded + b"\x00\x2a"
    return encoded
