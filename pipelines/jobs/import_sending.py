"""Sending what an import has read: once, after its profiles, as the factory would have sent it.

Belongs here: messages of readings, records with their times, the log of what was sent. Does not belong here:
what an import reads (pipelines.jobs.importing, pipelines.jobs.import_aas).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from pipelines.connectors.registrations import Registrations
from pipelines.connectors.sent import SentLog
from pipelines.connectors.sink import Record, Sink
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.onramp import Readings, unusable
from pipelines.domain.units import CANONICAL_UNITS, RATE_KINDS, carrier_unit_multiplier
from pipelines.jobs.import_profiles import Profile
from pipelines.reference.tables import units
from pipelines.schemas.contracts import contract, contract_text
from pipelines.schemas.encode import MessageEncoder
from pipelines.schemas.registry import Registry
from pipelines.schemas.streams import factory_topic

READINGS_PER_MESSAGE = 96
_SEQUENCES_PER_IMPORT = 1_000_000


class ImportLog(SentLog, Protocol):
    """The record of what was sent, which also counts."""

    def units(self, target: str, topic: str) -> int:
        """Return how many units of a topic were sent to a target."""


@dataclass(frozen=True)
class ImportTarget:
    """Where an import goes.

    Args:
        name: what the record of sent units calls it: a broker's cluster id, an archive's location.
        sink: where records are published.
        registry: where contracts get their ids.
        sent: what was sent already.
        registrations: factories that joined a cluster by an import.
    """

    name: str
    sink: Sink
    registry: Registry
    sent: ImportLog
    registrations: Registrations


@dataclass(frozen=True)
class Message:
    """A message to send.

    Args:
        key: its key.
        ended_us: when the last of what it says had happened [us since 1970-01-01T00:00Z].
        record: the record of the stream's contract.
    """

    key: str
    ended_us: int
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Parcel:
    """What an import has for one stream: its messages, once the first sequence is known."""

    stream: str
    messages: Callable[[int], Iterable[Message]]


@dataclass(frozen=True)
class Meter:
    """The meter of readings: its id, what it measures, how and in what unit."""

    meter: str
    carrier: str
    kind: str
    unit: str


@dataclass(frozen=True)
class Consignment:
    """All that one import sends.

    Args:
        factory: whose it is.
        cluster: where it is imported; one that is open to imports has the factory registered.
        parcels: at most one of each stream.
        profiles: profiles that must be there first.
        digest: what the import is known by.
        note: what it is, for people.
        first_day: first local date of what is sent.
    """

    factory: str
    cluster: ClusterDefinition
    parcels: Sequence[Parcel]
    profiles: Sequence[Profile]
    digest: str
    note: str
    first_day: date


@dataclass(frozen=True)
class Sent:
    """What was sent: messages by stream (null: these were sent before), and profiles."""

    messages: Mapping[str, int | None]
    profiles: int


def digest_of(*parts: bytes) -> str:
    """Return the digest of an import: of its file, its mapping and its factory."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def send_import(consignment: Consignment, to: ImportTarget, now: datetime) -> Sent:
    """Send an import's profiles and then its parcels; a parcel that was sent before is left out.

    Topics made for imports keep records of any age, so there each message is sent when its last interval has
    ended, as a factory would; a factory's own topic would drop old ones at once, so there they carry the time
    at which they are sent. Profiles that no parcel goes with are remembered under the profile's topic.

    Args:
        consignment: what is sent.
        to: the target.
        now: the clock.
    """
    factory, cluster, digest = consignment.factory, consignment.cluster, consignment.digest
    parcels = consignment.parcels
    streams = [p.stream for p in parcels] or ["profile"]
    fresh = [s for s in streams if not to.sent.contains(to.name, factory_topic(factory, s), digest)]
    sent: dict[str, int | None] = dict.fromkeys(streams)
    if not fresh:
        return Sent(sent, 0)
    firsts = {s: to.sent.units(to.name, factory_topic(factory, s)) * _SEQUENCES_PER_IMPORT for s in fresh}
    sent_at = None if cluster.open_to_imports else now
    ready = {
        p.stream: _records(p, firsts[p.stream], to.registry, sent_at) for p in parcels if p.stream in fresh
    }
    if cluster.open_to_imports:
        to.registrations.add(factory, consignment.first_day)
    _send_profiles(consignment.profiles, factory, to)
    for stream in fresh:
        topic = factory_topic(factory, stream)
        sent[stream] = 0
        if stream in ready:
            to.sink.ensure_topics([topic], keep_forever=True)
            sent[stream] = to.sink.send(topic, ready[stream])
        to.sent.record(to.name, topic, digest, sent[stream] or 0, consignment.note)
    return Sent(sent, len(consignment.profiles))


def energy_messages(
    readings: Readings, meter: Meter, factory: str, first_sequence: int
) -> Iterator[dict[str, Any]]:
    """Put readings into records of the energy contract, READINGS_PER_MESSAGE in each.

    Args:
        readings: what was read.
        meter: what they are of.
        factory: whose it is.
        first_sequence: sequence of the first message; each further one has one more.
    """
    at = readings.frame["at"].dt.timestamp("us").to_list()
    values = readings.frame["value"].to_list()
    for sequence, start in enumerate(range(0, len(at), READINGS_PER_MESSAGE), start=first_sequence):
        part = slice(start, start + READINGS_PER_MESSAGE)
        yield {
            "factory": factory,
            "meter": meter.meter,
            "carrier": meter.carrier,
            "kind": meter.kind,
            "unit": meter.unit,
            "stamp": readings.rule.stamp,
            "length_s": readings.rule.length_s,
            "sequence": sequence,
            "readings": [{"at": a, "value": v} for a, v in zip(at[part], values[part], strict=True)],
        }


def energy_parcel(series: Sequence[tuple[Meter, Readings]], factory: str) -> Parcel:
    """Return the messages of meters, one meter after the other, numbered through."""

    def messages(first_sequence: int) -> Iterator[Message]:
        sequence = first_sequence
        for meter, readings in series:
            rule = readings.rule
            after_stamp_us = (rule.length_s or 0) * 1_000_000 if rule.stamp == "start" else 0
            for record in energy_messages(readings, meter, factory, sequence):
                yield Message(meter.meter, record["readings"][-1]["at"] + after_stamp_us, record)
                sequence += 1

    return Parcel("energy", messages)


def unit_multiplier(meter: Meter, place: str, place_korean: str) -> float:
    """Return what turns a value into the carrier's canonical unit (a rate: in one hour).

    Raises:
        OperatorError: the unit is none of the carrier's, naming the place.
    """
    multiplier = carrier_unit_multiplier(units(), meter.carrier, meter.kind, meter.unit)
    if multiplier is None:
        canonical = CANONICAL_UNITS[meter.carrier]
        rate = meter.kind in RATE_KINDS
        known = "W, kW, MW" if rate and canonical == "kWh" else f"{canonical}/h" if rate else canonical
        raise unusable(
            f"{place}: {meter.unit!r} is no unit of {meter.carrier} as {meter.kind}; use one such as {known}",
            f"{place_korean}: {meter.unit!r}은(는) {meter.carrier}({meter.kind})의 단위가 아닙니다. "
            f"{known} 등을 쓰세요",
        )
    return multiplier


def _records(parcel: Parcel, first: int, registry: Registry, sent_at: datetime | None) -> list[Record]:
    encoder = _encoder(parcel.stream, registry)
    return [
        Record(
            key=message.key.encode(),
            value=encoder.encode(message.record),
            timestamp_ms=message.ended_us // 1000 if sent_at is None else round(sent_at.timestamp() * 1000),
        )
        for message in parcel.messages(first)
    ]


def _send_profiles(profiles: Sequence[Profile], factory: str, to: ImportTarget) -> None:
    if not profiles:
        return
    topic = factory_topic(factory, "profile")
    encoder = _encoder("profile", to.registry)
    records = [
        Record(factory.encode(), encoder.encode(p), round(p["valid_from"].timestamp() * 1000))
        for p in profiles
    ]
    to.sink.ensure_topics([topic], keep_forever=True)
    to.sink.send(topic, records)


def _encoder(stream: str, registry: Registry) -> MessageEncoder:
    schema = contract(stream)
    schema_id = registry.register(f"{schema['namespace']}.{schema['name']}", contract_text(stream))
    return MessageEncoder(schema_id, contract_text(stream))
