"""Import an AASX or AAS JSON file: its profile, readings, states and counts, by the mapping of AAS elements.

Belongs here: the order of the import's steps, messages from states and counts. Does not belong here: opening
the file (pipelines.connectors.aas), what elements mean (pipelines.domain.aas and its siblings,
pipelines.reference.aas_mapping), sending (pipelines.jobs.import_sending).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pydantic

from pipelines.connectors.aas import read_aas
from pipelines.domain.aas import AasRow, match_submodels, refuse
from pipelines.domain.aas_profile import ProfileClaim, read_profile_claim
from pipelines.domain.aas_series import FileEvents, MeterSeries, read_events
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.onramp import Readings, unusable
from pipelines.domain.units import CANONICAL_UNITS
from pipelines.jobs.import_admission import check_may_profile, check_place
from pipelines.jobs.import_profiles import Claims, Profile, claimed_profiles
from pipelines.jobs.import_sending import (
    Consignment,
    ImportTarget,
    Message,
    Meter,
    Parcel,
    Sent,
    digest_of,
    energy_parcel,
    send_import,
    unit_multiplier,
)
from pipelines.jobs.importing import quantity_of
from pipelines.jobs.measurements import read_content
from pipelines.schemas.mapping import FactoryMapping

_FACTORY_FIELDS = ("zone", "geography", "process", "size_class", "maturity")


@dataclass(frozen=True)
class MeterReport:
    """What was imported of one meter: readings, their sum [unit] (null: instants), what is missing."""

    meter: str
    readings: int
    quantity: float | None
    unit: str
    empty_points: int
    missing_intervals: int


@dataclass(frozen=True)
class AasImportReport:
    """What an import of an AAS file did.

    Args:
        factory: id of the factory.
        cluster: id of its cluster.
        sent_before: the same file with the same mapping was sent already: nothing was sent now.
        meters: one report per meter.
        states: state changes in the file.
        counts: counter readings in the file.
        missing_points: points of states and counts without a value.
        sent: messages by stream, and profiles.
        days: first and last local date of what has a time; null: nothing has.
        unknown: paths that no row of the mapping knows: not imported.
        empty: paths of variables without any value.
    """

    factory: str
    cluster: str
    sent_before: bool
    meters: tuple[MeterReport, ...]
    states: int
    counts: int
    missing_points: int
    sent: Sent
    days: tuple[date, date] | None
    unknown: tuple[str, ...]
    empty: tuple[str, ...]

    def lines(self) -> list[tuple[str, str]]:
        """Say it as a summary: headings and texts."""
        if self.sent_before:
            return [
                ("import", f"{self.factory}: imported before with this mapping; nothing was sent"),
                ("가져오기", f"{self.factory}: 같은 매핑으로 이미 가져온 파일입니다. 보낸 것이 없습니다"),
            ]
        span = "profile only" if self.days is None else f"{self.days[0]} to {self.days[1]}"
        messages = ", ".join(f"{stream} {n}" for stream, n in self.sent.messages.items() if n)
        return [
            ("import", f"{self.factory} ({self.cluster}): {span}"),
            *(("meter", _meter_line(m)) for m in self.meters),
            *([("states", f"{self.states:,}")] if self.states else []),
            *([("counts", f"{self.counts:,}")] if self.counts else []),
            ("messages sent", messages or "0"),
            ("profiles sent", str(self.sent.profiles)),
            *([("points without a value", str(self.missing_points))] if self.missing_points else []),
            *(("without any value", path) for path in self.empty),
            *(("not in the mapping, not imported", path) for path in self.unknown),
        ]


@dataclass(frozen=True)
class AasContent:
    """An AAS file as read and checked by itself.

    Args:
        file: its name.
        claim: what it says of the profile.
        events: what its records say.
        meters: what the report says of its meters.
        unknown: paths that no row of the mapping knows.
        digests: of its bytes and of the mapping.
    """

    file: str
    claim: ProfileClaim
    events: FileEvents
    meters: tuple[MeterReport, ...]
    unknown: tuple[str, ...]
    digests: tuple[bytes, bytes]


def read_aas_file(path: Path, rows: Sequence[AasRow], templates: Collection[str]) -> AasContent:
    """Read an AAS file by the mapping.

    Args:
        path: AASX package or AAS JSON file.
        rows: the mapping (pipelines.reference.aas_mapping).
        templates: ids of the trade templates that there are.

    Raises:
        OperatorError: it can't be read, or something in it can't be used: with file and path; or nothing in
            it is in the mapping.
    """
    content = read_content(path)
    matched = match_submodels(read_aas(path.name, content), rows, path.name)
    claim, events = read_profile_claim(matched, path.name), read_events(matched, path.name)
    if claim.is_empty and not (events.meters or events.states or events.counts):
        found = "; ".join((*matched.unknown, *events.empty))
        raise unusable(
            f"{path.name}: nothing in it has a value and a row of the mapping; it has {found}; add rows by "
            "--mapping (docs/aas.md)",
            f"{path.name}: 매핑에 있는 값이 없습니다. 파일에 있는 것: {found}. "
            "--mapping으로 행을 추가하세요(docs/aas.md)",
        )
    _check_claim(claim, path.name, templates)
    reports = tuple(_meter_report(m, path.name) for m in events.meters)
    digests = (content, repr(rows).encode())
    return AasContent(path.name, claim, events, reports, matched.unknown, digests)


def import_aas(
    content: AasContent,
    factory: str,
    cluster: ClusterDefinition,
    *,
    to: ImportTarget,
    profiles: Sequence[Profile],
    now: datetime,
    others: Sequence[ClusterDefinition] = (),
) -> AasImportReport:
    """Publish what an AAS file says of a factory, once: profile, readings, states, counts.

    Everything is checked before anything is sent. A claim that says otherwise than the profile in force
    changes it, in a cluster that is open to imports; elsewhere the factory's own profile stays. Without any
    time in the file a first profile begins on the day of the import.

    Args:
        content: the file.
        factory: whose it is.
        cluster: the factory's cluster; one that is open to imports takes any factory that no other has.
        to: where it goes.
        profiles: the factory's profiles so far; empty: it has none.
        now: the clock; whatever is after it is an error.
        others: the hub's other clusters.

    Raises:
        OperatorError: file, factory or cluster don't fit; nothing was sent. Or the target fails.
    """
    zone = str(content.claim.fields.get("zone") or _known_zone(profiles) or cluster.zone)
    spans = list(_spans(content.events))
    _check_past(spans, content.file, now)
    midnight = _midnight(now, zone)
    days = _days(spans, zone)
    first_day, last_day = days or (midnight.date(), midnight.date())
    check_place(factory, cluster, others, (first_day, last_day))
    began = min((start for start, _, _ in spans), default=None) or _begin(profiles, midnight)
    claims = _claims(content, zone, factory, cluster)
    new_profiles = claimed_profiles(claims, factory, profiles, began)
    resulting = _newest([*profiles, *new_profiles])
    _check_mains(content, profiles, resulting)
    check_may_profile(cluster, factory, profiles, new_profiles)
    consignment = Consignment(
        factory=factory,
        cluster=cluster,
        parcels=list(_parcels(content, factory, resulting)),
        profiles=new_profiles,
        digest=digest_of(*content.digests, factory.encode()),
        note=f"{content.file} of {factory}",
        first_day=first_day,
    )
    return _report(content, consignment, send_import(consignment, to, now), days)


def _report(
    content: AasContent, consignment: Consignment, sent: Sent, days: tuple[date, date] | None
) -> AasImportReport:
    return AasImportReport(
        factory=consignment.factory,
        cluster=consignment.cluster.cluster,
        sent_before=all(n is None for n in sent.messages.values()),
        meters=content.meters,
        states=len(content.events.states),
        counts=len(content.events.counts),
        missing_points=content.events.missing_points,
        sent=sent,
        days=days,
        unknown=content.unknown,
        empty=content.events.empty,
    )


def _meter_line(report: MeterReport) -> str:
    total = "" if report.quantity is None else f", {report.quantity:,.2f} {report.unit}"
    missing = f", {report.empty_points} empty, {report.missing_intervals} missing intervals"
    return f"{report.meter}: {report.readings:,} readings{total}{missing}"


def _meter_of(series: MeterSeries) -> Meter:
    return Meter(series.meter, series.carrier, series.kind, series.unit)


def _meter_report(series: MeterSeries, file: str) -> MeterReport:
    meter, readings = _meter_of(series), series.readings
    multiplier = unit_multiplier(meter, f"{file}, {series.path}", f"{file} {series.path}")
    return MeterReport(
        meter=series.meter,
        readings=readings.frame.height,
        quantity=quantity_of(readings, meter, multiplier),
        unit=CANONICAL_UNITS[series.carrier],
        empty_points=readings.empty_cells,
        missing_intervals=readings.missing_intervals,
    )


def _check_claim(claim: ProfileClaim, file: str, templates: Collection[str]) -> None:
    """Refuse fields of a profile that can't be, as a mapping file would."""
    said = {name: claim.fields[name] for name in _FACTORY_FIELDS if name in claim.fields}
    try:
        FactoryMapping.model_validate({"geography": "KR", **said})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = " ".join(str(first["msg"]).split())
        raise refuse(file, place, message, f"사용할 수 없는 값입니다 ({message})") from error
    strange = [
        m["carrier"] for m in claim.entries["meters"] if m.get("carrier", "water") not in CANONICAL_UNITS
    ]
    if strange:
        known = ", ".join(CANONICAL_UNITS)
        raise refuse(
            file,
            "meters",
            f"there is no carrier {strange[0]!r}; use {known}",
            f"{strange[0]!r}은(는) 없는 에너지원입니다. {known} 중에서 쓰세요",
        )
    template = claim.fields.get("template")
    if template is not None and template not in templates:
        known = ", ".join(templates)
        raise refuse(
            file,
            "template",
            f"there is no trade template {template!r}; known: {known}",
            f"업종 템플릿 {template!r}이(가) 없습니다. 있는 것: {known}",
        )


def _newest(profiles: Sequence[Profile]) -> Profile:
    return max(profiles, key=lambda p: (p["valid_from"], p["sequence"]))


def _known_zone(profiles: Sequence[Profile]) -> str | None:
    return _newest(profiles)["zone"] if profiles else None


def _spans(events: FileEvents) -> Iterator[tuple[datetime, datetime, str]]:
    """Give start, end and place of everything that has a time."""
    for series in events.meters:
        yield series.readings.first_start, series.readings.last_end, series.path
    for name, points in (("states", events.states), ("counts", events.counts)):
        instants = [p["at"] for p in points]
        if instants:
            yield min(instants), max(instants), name


def _check_past(spans: Sequence[tuple[datetime, datetime, str]], file: str, now: datetime) -> None:
    for _, end, path in spans:
        if end > now:
            raise refuse(
                file,
                path,
                f"ends at {end:%Y-%m-%dT%H:%MZ}, in the future; check its Time and StartTime",
                f"{end:%Y-%m-%dT%H:%MZ}에 끝나는 미래의 값입니다. Time과 StartTime을 확인하세요",
            )


def _days(spans: Sequence[tuple[datetime, datetime, str]], zone: str) -> tuple[date, date] | None:
    if not spans:
        return None
    first = min(start for start, _, _ in spans)
    last = max(end for _, end, _ in spans)
    last_instant = last - timedelta(microseconds=1) if last > first else last
    local = ZoneInfo(zone)
    return first.astimezone(local).date(), last_instant.astimezone(local).date()


def _midnight(now: datetime, zone: str) -> datetime:
    return now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)


def _begin(profiles: Sequence[Profile], midnight: datetime) -> datetime:
    """Return from when on a file without any time holds: the first profile, else the import's day."""
    began: datetime = min((p["valid_from"] for p in profiles), default=midnight.astimezone(UTC))
    return began


def _claims(content: AasContent, zone: str, factory: str, cluster: ClusterDefinition) -> Claims:
    defaults = {"name": factory, "geography": cluster.geography, "process": "other"}
    meters = tuple(_claimed_meter(m) for m in content.events.meters)
    return Claims((content.file, content.file), zone, defaults, content.claim, meters)


def _claimed_meter(series: MeterSeries) -> dict[str, Any]:
    """Return what a series says of its meter: its parent only if the file does."""
    said: dict[str, Any] = {"meter": series.meter, "carrier": series.carrier, "unit": series.unit}
    if series.parent is not None or series.main:
        said["parent"] = series.parent
    return said if series.machine is None else {**said, "machine": series.machine}


def _check_mains(content: AasContent, known: Sequence[Profile], resulting: Profile) -> None:
    """Refuse to guess a meter tree: several main meters of a carrier would be added up."""
    declared = {m["meter"] for p in known for m in p["meters"]}
    declared |= {m["meter"] for m in content.claim.entries["meters"]}
    mains = [(m["carrier"], m["meter"]) for m in resulting["meters"] if m["parent"] is None]
    for series in content.events.meters:
        others = [name for carrier, name in mains if carrier == series.carrier and name != series.meter]
        unsaid = series.parent is None and not series.main and series.meter not in declared
        if others and unsaid:
            raise refuse(
                content.file,
                series.path,
                f"does {others[0]} contain the meter {series.meter}? Say so by the qualifier Parent "
                "(none: it is a main meter too), or the two would be added",
                f"계량기 {series.meter}이(가) {others[0]}에 포함되나요? Parent 한정자로 밝히세요"
                "(주계량기이면 none). 아니면 둘이 더해집니다",
            )


def _parcels(content: AasContent, factory: str, profile: Profile) -> Iterator[Parcel]:
    events = content.events
    if events.meters:
        series: list[tuple[Meter, Readings]] = [(_meter_of(m), m.readings) for m in events.meters]
        yield energy_parcel(series, factory)
    if events.states:
        yield _event_parcel("states", events.states, factory)
    if events.counts:
        products = [p["product"] for p in profile["products"]]
        counts = [{**c, "product": _product(c, products, content.file)} for c in events.counts]
        yield _event_parcel("counts", counts, factory)


def _product(count: Mapping[str, Any], products: Sequence[str], file: str) -> str:
    said = count["product"] or (products[0] if len(products) == 1 else None)
    if said is None or said not in products:
        known = ", ".join(products) or "none"
        raise refuse(
            file,
            f"counts of {count['machine']}",
            f"which product? Add the qualifier Product; the profile has {known}",
            f"어느 제품인지 알 수 없습니다. Product 한정자를 쓰세요. 프로필의 제품: {known}",
        )
    return str(said)


def _event_parcel(stream: str, events: Sequence[Mapping[str, Any]], factory: str) -> Parcel:
    def messages(first_sequence: int) -> Iterator[Message]:
        for sequence, event in enumerate(events, start=first_sequence):
            ended_us = round(event["at"].timestamp() * 1_000_000)
            yield Message(event["machine"], ended_us, {**event, "factory": factory, "sequence": sequence})

    return Parcel(stream, messages)
