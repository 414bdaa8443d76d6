"""Import a measurement file: check all of it, then publish it as its factory would have.

Belongs here: the order of an import's steps, who may be imported where, messages from readings. Does not
belong here: reading files (pipelines.connectors.tabular), what cells mean (pipelines.domain.onramp), bringing
what was published through a night (pipelines.jobs.nightly).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from pipelines.connectors.registrations import Registrations
from pipelines.connectors.sent import SentLog
from pipelines.connectors.sink import Record, Sink
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.onramp import Readings, unusable
from pipelines.domain.sums import exact_total
from pipelines.domain.units import CANONICAL_UNITS, RATE_KINDS, carrier_unit_multiplier
from pipelines.jobs.import_profiles import Profile, profiles_to_publish
from pipelines.jobs.measurements import read_content, read_readings
from pipelines.reference.tables import units
from pipelines.schemas.contracts import contract, contract_text, packaged_folder
from pipelines.schemas.encode import MessageEncoder
from pipelines.schemas.mapping import FileMapping, parse_mapping
from pipelines.schemas.registry import Registry
from pipelines.schemas.streams import ID_PATTERN, factory_topic

READINGS_PER_MESSAGE = 96
_SEQUENCES_PER_IMPORT = 1_000_000
_SECONDS_PER_HOUR = 3600.0


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
class ImportReport:
    """What an import did.

    Args:
        factory: id of the factory.
        cluster: id of its cluster.
        topic: topic of the readings.
        sent_before: the same file with the same mapping was sent already: nothing was sent now.
        readings: readings in the file.
        messages: messages sent now, without profiles.
        profiles: profiles sent now.
        empty_cells: stamps without a value.
        missing_intervals: intervals between the first and the last reading that have none.
        first_start: start of the first reading (UTC).
        last_end: end of the last reading (UTC).
        first_day: first local date of the readings.
        last_day: last local date of the readings.
        quantity: sum of the readings [`unit`]; null for registers and power samples, whose sum means nothing.
        unit: the carrier's canonical unit, such as kWh.
    """

    factory: str
    cluster: str
    topic: str
    sent_before: bool
    readings: int
    messages: int
    profiles: int
    empty_cells: int
    missing_intervals: int
    first_start: datetime
    last_end: datetime
    first_day: date
    last_day: date
    quantity: float | None
    unit: str

    def lines(self) -> list[tuple[str, str]]:
        """Say it as a summary: headings and texts."""
        if self.sent_before:
            return [
                ("import", f"{self.factory}: imported before with this mapping; nothing was sent"),
                ("가져오기", f"{self.factory}: 같은 매핑으로 이미 가져온 파일입니다. 보낸 것이 없습니다"),
            ]
        total = "" if self.quantity is None else f", {self.quantity:,.2f} {self.unit}"
        return [
            ("import", f"{self.factory} ({self.cluster}): {self.first_day} to {self.last_day}{total}"),
            ("sent", f"{self.readings:,} readings in {self.messages:,} messages to {self.topic}"),
            ("profiles sent", str(self.profiles)),
            ("empty cells", str(self.empty_cells)),
            ("missing intervals", str(self.missing_intervals)),
        ]


def load_mapping(path: str | Path) -> FileMapping:
    """Read a mapping file, or one that ships with the package by its bare name.

    Raises:
        OperatorError: there is no such file, or it is no mapping.
    """
    shipped = packaged_folder("infra") / "mappings"
    candidates = (Path(path), shipped / Path(path).name, shipped / f"{Path(path).name}.yaml")
    bare = Path(path).parent == Path()
    found = next((c for c in (candidates if bare else candidates[:1]) if c.is_file()), None)
    if found is None:
        known = ", ".join(sorted(p.stem for p in shipped.glob("*.yaml")))
        raise unusable(
            f"mapping {path} does not exist; write one (docs/import.md) or name one that ships: {known}",
            f"매핑 {path} 파일이 없습니다. 새로 쓰거나(docs/import.md) 들어 있는 것을 쓰세요: {known}",
        )
    return parse_mapping(read_content(found).decode("utf-8", errors="replace"), str(path))


def import_file(
    path: Path,
    mapping: FileMapping,
    factory: str,
    cluster: ClusterDefinition,
    *,
    to: ImportTarget,
    profiles: Sequence[Profile],
    now: datetime,
    others: Sequence[ClusterDefinition] = (),
) -> ImportReport:
    """Publish a measurement file to its factory's topics, once.

    Everything is read and checked before anything is sent. A later import of the same stamps wins over an
    earlier one: its sequences are higher.

    Args:
        path: CSV file or workbook.
        mapping: what is in it.
        factory: whose meter it is.
        cluster: the factory's cluster; one that is open to imports takes any factory that no other has.
        to: where it goes.
        profiles: the factory's profiles so far (pipelines.jobs.import_profiles); empty: it has none.
        now: the clock; a reading after it is an error.
        others: the hub's other clusters.

    Raises:
        OperatorError: file, mapping, factory or cluster don't fit; nothing was sent. Or the target fails.
    """
    multiplier = _unit_multiplier(mapping)
    content = read_content(path)
    readings = read_readings(path.name, content, mapping)
    _check_past(readings, path.name, now)
    days = readings.first_day(mapping.zone), _last_day(readings, mapping.zone)
    _check_place(factory, cluster, others, days)
    new_profiles = profiles_to_publish(mapping, factory, profiles, readings.first_start)
    _check_may_profile(cluster, factory, profiles, new_profiles)
    topic = factory_topic(factory, "energy")
    digest = _digest(content, mapping, factory)
    sent_before = to.sent.contains(to.name, topic, digest)
    messages = 0
    if not sent_before:
        sequence = to.sent.units(to.name, topic) * _SEQUENCES_PER_IMPORT
        sent_at = None if cluster.open_to_imports else now
        records = _energy_records(
            energy_messages(readings, mapping, factory, sequence), readings, to.registry, sent_at
        )
        if cluster.open_to_imports:
            to.registrations.add(factory, days[0])
        _publish_profiles(new_profiles, factory, to)
        to.sink.ensure_topics([topic], keep_forever=True)
        messages = to.sink.send(topic, records)
        to.sent.record(to.name, topic, digest, messages, f"{path.name} of {factory}")
    return ImportReport(
        factory=factory,
        cluster=cluster.cluster,
        topic=topic,
        sent_before=sent_before,
        readings=readings.frame.height,
        messages=messages,
        profiles=0 if sent_before else len(new_profiles),
        empty_cells=readings.empty_cells,
        missing_intervals=readings.missing_intervals,
        first_start=readings.first_start,
        last_end=readings.last_end,
        first_day=days[0],
        last_day=days[1],
        quantity=_quantity(readings, mapping, multiplier),
        unit=CANONICAL_UNITS[mapping.meter.carrier],
    )


def energy_messages(
    readings: Readings, mapping: FileMapping, factory: str, first_sequence: int
) -> Iterator[dict[str, Any]]:
    """Put readings into messages of the energy contract, READINGS_PER_MESSAGE in each.

    Args:
        readings: what was read.
        mapping: what it is.
        factory: whose it is.
        first_sequence: sequence of the first message; each further one has one more.
    """
    at = readings.frame["at"].dt.timestamp("us").to_list()
    values = readings.frame["value"].to_list()
    for sequence, start in enumerate(range(0, len(at), READINGS_PER_MESSAGE), start=first_sequence):
        part = slice(start, start + READINGS_PER_MESSAGE)
        yield {
            "factory": factory,
            "meter": mapping.meter.id,
            "carrier": mapping.meter.carrier,
            "kind": mapping.value.kind,
            "unit": mapping.value.unit,
            "stamp": mapping.time.stamp,
            "length_s": readings.rule.length_s,
            "sequence": sequence,
            "readings": [{"at": a, "value": v} for a, v in zip(at[part], values[part], strict=True)],
        }


def _energy_records(
    messages: Iterable[Mapping[str, Any]], readings: Readings, registry: Registry, sent_at: datetime | None
) -> list[Record]:
    """Encode messages; without `sent_at` each is sent when its last interval has ended, as a factory would.

    Topics made for imports keep records of any age; a factory's own topic would drop old ones at once, so
    there they carry the time at which they are sent.
    """
    encoder = _encoder("energy", registry)
    after_stamp_s = (readings.rule.length_s or 0) if readings.rule.stamp == "start" else 0
    return [
        Record(
            key=message["meter"].encode(),
            value=encoder.encode(message),
            timestamp_ms=message["readings"][-1]["at"] // 1000 + after_stamp_s * 1000
            if sent_at is None
            else round(sent_at.timestamp() * 1000),
        )
        for message in messages
    ]


def _publish_profiles(profiles: Sequence[Profile], factory: str, to: ImportTarget) -> None:
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


def _encoder(name: str, registry: Registry) -> MessageEncoder:
    schema = contract(name)
    schema_id = registry.register(f"{schema['namespace']}.{schema['name']}", contract_text(name))
    return MessageEncoder(schema_id, contract_text(name))


def _unit_multiplier(mapping: FileMapping) -> float:
    """Return what turns a value into the carrier's canonical unit (a rate: in one hour)."""
    carrier, kind, unit = mapping.meter.carrier, mapping.value.kind, mapping.value.unit
    multiplier = carrier_unit_multiplier(units(), carrier, kind, unit)
    if multiplier is None:
        canonical = CANONICAL_UNITS[carrier]
        rate = kind in RATE_KINDS
        known = "W, kW, MW" if rate and canonical == "kWh" else f"{canonical}/h" if rate else canonical
        raise unusable(
            f"mapping, value.unit: {unit!r} is no unit of {carrier} as {kind}; use one such as {known}",
            f"매핑 value.unit: {unit!r}은(는) {carrier}({kind})의 단위가 아닙니다. {known} 등을 쓰세요",
        )
    return multiplier


def _quantity(readings: Readings, mapping: FileMapping, multiplier: float) -> float | None:
    length_s = readings.rule.length_s
    total = exact_total(readings.frame["value"])
    if length_s is None or total is None:
        return None
    hours = length_s / _SECONDS_PER_HOUR if mapping.value.kind in RATE_KINDS else 1.0
    return total * multiplier * hours


def _last_day(readings: Readings, zone: str) -> date:
    last = (
        readings.last_end if readings.rule.length_s is None else readings.last_end - timedelta(microseconds=1)
    )
    return last.astimezone(ZoneInfo(zone)).date()


def _digest(content: bytes, mapping: FileMapping, factory: str) -> str:
    parts = (
        hashlib.sha256(part).digest() for part in (content, mapping.canonical().encode(), factory.encode())
    )
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _check_past(readings: Readings, name: str, now: datetime) -> None:
    if readings.last_end > now:
        row = readings.frame["row"][-1]
        raise unusable(
            f"{name}, row {row}: ends at {readings.last_end:%Y-%m-%dT%H:%MZ}, in the future; check "
            "the mapping's time.format (day or month first?) and time.zone",
            f"{name} {row}행: {readings.last_end:%Y-%m-%dT%H:%MZ}에 끝나는 미래의 값입니다. "
            "매핑의 time.format(일과 월의 순서)과 time.zone을 확인하세요",
        )


def _check_place(
    factory: str, cluster: ClusterDefinition, others: Sequence[ClusterDefinition], days: tuple[date, date]
) -> None:
    """Refuse a factory that the cluster may not take, or readings from when it was not in it."""
    if re.fullmatch(ID_PATTERN, factory) is None:
        raise unusable(
            f"factory {factory!r} is no id: use a-z, 0-9 and hyphens, at most 40, such as steel-1",
            f"공장 id {factory!r}이(가) 올바르지 않습니다. a-z, 0-9, 하이픈으로 40자까지 쓰세요(예: steel-1)",
        )
    owner = next((o.cluster for o in others if o.member_of(factory) is not None), None)
    if cluster.open_to_imports:
        if owner is not None and owner != cluster.cluster:
            raise unusable(
                f"factory {factory} belongs to cluster {owner}: use --cluster {owner}, or another id",
                f"공장 {factory}은(는) 클러스터 {owner} 소속입니다. --cluster {owner}나 다른 id를 쓰세요",
            )
        return
    spans = [f for f in cluster.factories if f.factory == factory]
    if not spans:
        raise unusable(
            f"cluster {cluster.cluster} does not list factory {factory}: add it to the cluster's file, or "
            "import without --cluster",
            f"클러스터 {cluster.cluster}에 공장 {factory}이(가) 없습니다. 클러스터 파일에 추가하거나 "
            "--cluster 없이 가져오세요",
        )
    if not any(span.belongs_on(days[0]) and span.belongs_on(days[1]) for span in spans):
        raise unusable(
            f"factory {factory} is not in cluster {cluster.cluster} from {days[0]} to {days[1]}; cut the "
            "file, or mend joined in the cluster's file",
            f"공장 {factory}은(는) {days[0]}부터 {days[1]}까지 클러스터 {cluster.cluster}에 있지 않습니다. "
            "파일을 자르거나 클러스터 파일의 joined를 고치세요",
        )


def _check_may_profile(
    cluster: ClusterDefinition, factory: str, known: Sequence[Profile], new: Sequence[Profile]
) -> None:
    """Leave the profile of a factory that speaks for itself alone: an import may start one, not change it."""
    if known and new and not cluster.open_to_imports:
        raise unusable(
            f"the profile of factory {factory} lacks this meter or begins after the file; let the factory "
            "send a profile with it first",
            f"공장 {factory}의 프로필에 이 계량기가 없거나 프로필이 파일보다 늦게 시작합니다. "
            "먼저 공장의 프로필을 고쳐 보내세요",
        )
