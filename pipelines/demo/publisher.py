"""Publishing the demo: each unit of messages once, whatever the topics hold and however often it runs.

Belongs here: what is sent up to the demo's clock, in units that the store remembers. Does not belong here:
what is in the messages (simulation, gateway), how they are written (pipelines.connectors.sink).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import groupby

from pipelines.connectors.sent import SentLog
from pipelines.connectors.sink import Record, Sink
from pipelines.demo.clock import DEFAULT_SEED, EPOCH, day_start_us, demo_days
from pipelines.demo.gateway import Message
from pipelines.demo.mishaps import DEMO_MISHAPS, Mishap
from pipelines.demo.simulation import Simulation, simulate
from pipelines.domain.cluster import ClusterDefinition
from pipelines.schemas.contracts import contract, contract_text
from pipelines.schemas.encode import MessageEncoder
from pipelines.schemas.registry import Registry
from pipelines.schemas.streams import STREAMS

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_DAY_OF_SENDING_STARTS_AT_MS = 3 * _HOUR_MS

Progress = Callable[[str, int, int], None]
"""Called after each topic with its name, how many topics are done, and how many there are."""


@dataclass(frozen=True)
class PublishReport:
    """What a publication sent, now and not before.

    Args:
        sent: messages by topic; 0 where everything had been sent already.
    """

    sent: Mapping[str, int]

    @property
    def total(self) -> int:
        """Messages of all topics."""
        return sum(self.sent.values())


@dataclass(frozen=True)
class Unit:
    """Records of one topic, one day of events and one span of sending: what is remembered as sent.

    It depends on nothing else: neither on the clock nor on which other days are published. So the same
    records are the same unit in every publication.

    Args:
        topic: its topic.
        day: the local day that its records tell of.
        start_ms: start of the span of sending [ms, UTC].
        length_ms: a day of sending, from 03:00 local, or an hour of it.
        records: in order of sending.
    """

    topic: str
    day: date
    start_ms: int
    length_ms: int
    records: tuple[Record, ...]

    @property
    def end_ms(self) -> int:
        """End of the span of sending (exclusive)."""
        return self.start_ms + self.length_ms

    @property
    def name(self) -> str:
        """What it is, for a person."""
        start = datetime.fromtimestamp(self.start_ms / 1000, tz=UTC)
        hours = self.length_ms // _HOUR_MS
        return f"demo, events of {self.day}, sent within {hours} h from {start.isoformat()}"

    @cached_property
    def digest(self) -> str:
        """Sha256 over its name and every record, with lengths, so that none run together."""
        digest = hashlib.sha256(self.name.encode())
        for record in self.records:
            key, value = record.key or b"", record.value or b""
            digest.update(f"|{record.timestamp_ms}|{len(key)}|{len(value)}|".encode())
            digest.update(key)
            digest.update(value)
        return digest.hexdigest()

    @property
    def cut_mark(self) -> str:
        """What is remembered when only some of its hours were sent."""
        return hashlib.sha256(f"cut|{self.topic}|{self.name}".encode()).hexdigest()

    def hours(self) -> list["Unit"]:
        """Cut it into its hours; empty ones are left out."""
        by_hour = groupby(self.records, lambda r: (r.timestamp_ms - self.start_ms) // _HOUR_MS)
        return [
            replace(self, start_ms=self.start_ms + hour * _HOUR_MS, length_ms=_HOUR_MS, records=tuple(own))
            for hour, own in by_hour
        ]


def publish_demo(  # noqa: PLR0913 - where, up to when, and by name what of it
    cluster: ClusterDefinition,
    as_of: datetime,
    sink: Sink,
    sent: SentLog,
    target: str,
    registry: Registry,
    *,
    factories: Iterable[str] | None = None,
    mishaps: Sequence[Mishap] = DEMO_MISHAPS,
    progress: Progress | None = None,
) -> PublishReport:
    """Publish what the demo's gateways had sent by the demo's clock and what was not published before.

    A day of sending that the clock cuts is published in whole hours; a later clock adds the rest.

    Args:
        cluster: the demo cluster.
        as_of: the demo's clock, with its zone; only messages sent before its last full hour are published.
        sink: where to.
        sent: the record of what was sent.
        target: what `sent` calls the sink: the broker's cluster id, the archive's location.
        registry: where the schemas get their ids.
        factories: only these; null: all of the cluster.
        mishaps: as of `simulate`.
        progress: called after each topic.

    Raises:
        OperatorError: the clock is too early or without a zone, or sink or registry fail.
    """
    simulation = simulate(cluster, demo_days(as_of, cluster.zone), DEFAULT_SEED, factories, mishaps)
    encoders = open_encoders(registry)
    sink.ensure_topics(simulation.topics, keep_forever=True)
    until_ms = int(as_of.timestamp()) * 1000
    counts: dict[str, int] = {}
    for number, topic in enumerate(simulation.topics, start=1):
        outbox = _Outbox(topic, sink, sent, target)
        for units in sending_days(simulation, topic, cluster.zone, encoders):
            outbox.send_day(units, until_ms)
        counts[topic] = outbox.count
        if progress is not None:
            progress(topic, number, len(simulation.topics))
    return PublishReport(counts)


def open_encoders(registry: Registry) -> dict[str, MessageEncoder]:
    """Register every stream's contract under its full name and return an encoder for each stream.

    Raises:
        OperatorError: the registry can't be asked or refuses a contract.
    """
    encoders = {}
    for stream in STREAMS.values():
        schema, text = contract(stream.contract), contract_text(stream.contract)
        subject = f"{schema['namespace']}.{schema['name']}"
        encoders[stream.name] = MessageEncoder(registry.register(subject, text), text)
    return encoders


def sending_days(
    simulation: Simulation, topic: str, zone: str, encoders: Mapping[str, MessageEncoder]
) -> Iterator[list[Unit]]:
    """Return a topic's units by day of sending, in order; within one, a unit for each day of events."""
    anchor_ms = day_start_us(EPOCH, zone) // 1000 - _DAY_MS + _DAY_OF_SENDING_STARTS_AT_MS
    by_window = groupby(simulation.sent(topic), lambda m: (_sent_ms(m) - anchor_ms) // _DAY_MS)
    for window, messages in by_window:
        of_day: dict[date, list[Record]] = {}
        for message in messages:
            record = Record(message.key, message.value(encoders), _sent_ms(message))
            of_day.setdefault(message.day, []).append(record)
        start_ms = anchor_ms + window * _DAY_MS
        yield [Unit(topic, day, start_ms, _DAY_MS, tuple(own)) for day, own in sorted(of_day.items())]


def _sent_ms(message: Message) -> int:
    return (message.sent_us or 0) // 1000


@dataclass
class _Outbox:
    """Sends the units of one topic, each once, and remembers it."""

    topic: str
    sink: Sink
    sent: SentLog
    target: str
    count: int = 0

    def send_day(self, units: Sequence[Unit], until_ms: int) -> None:
        """Send a day of sending whole if it is over, else those of its hours that are."""
        begun = [u for u in units if u.start_ms < until_ms and not self._contains(u.digest)]
        cut = [u for u in begun if u.end_ms > until_ms or self._contains(u.cut_mark)]
        self._send([u for u in begun if u not in cut])
        for unit in cut:
            self._send_hours(unit, until_ms)
            if unit.end_ms <= until_ms:
                self._remember(unit)

    def _send_hours(self, unit: Unit, until_ms: int) -> None:
        over = [h for h in unit.hours() if h.end_ms <= until_ms]
        unsent = [h for h in over if not self._contains(h.digest)]
        if unsent:
            self.sent.record(self.target, self.topic, unit.cut_mark, 0, f"{unit.name}, cut into hours")
            self._send(unsent)

    def _send(self, units: Sequence[Unit]) -> None:
        """Send units merged in order of sending, then remember each; killed between, they are sent again."""
        merged = sorted((r for u in units for r in u.records), key=lambda r: r.timestamp_ms)
        if merged:
            self.count += self.sink.send(self.topic, merged)
        for unit in units:
            self._remember(unit)

    def _remember(self, unit: Unit) -> None:
        self.sent.record(self.target, self.topic, unit.digest, len(unit.records), unit.name)

    def _contains(self, digest: str) -> bool:
        return self.sent.contains(self.target, self.topic, digest)
