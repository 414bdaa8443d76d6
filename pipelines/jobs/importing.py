"""Import a measurement file: check all of it, then publish it as its factory would have.

Belongs here: the order of an import's steps. Does not belong here: reading files
(pipelines.connectors.tabular), what cells mean (pipelines.domain.onramp), sending
(pipelines.jobs.import_sending), bringing what was published through a night (pipelines.jobs.nightly).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.onramp import Readings, unusable
from pipelines.domain.sums import exact_total
from pipelines.domain.units import CANONICAL_UNITS, RATE_KINDS
from pipelines.jobs.import_admission import check_may_profile, check_place
from pipelines.jobs.import_profiles import Profile, profiles_to_publish
from pipelines.jobs.import_sending import (
    Consignment,
    ImportTarget,
    Meter,
    digest_of,
    energy_parcel,
    send_import,
    unit_multiplier,
)
from pipelines.jobs.measurements import read_content, read_readings
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.mapping import FileMapping, parse_mapping
from pipelines.schemas.streams import factory_topic

_SECONDS_PER_HOUR = 3600.0


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
    meter = Meter(mapping.meter.id, mapping.meter.carrier, mapping.value.kind, mapping.value.unit)
    multiplier = unit_multiplier(meter, "mapping, value.unit", "매핑 value.unit")
    content = read_content(path)
    readings = read_readings(path.name, content, mapping)
    _check_past(readings, path.name, now)
    days = readings.first_day(mapping.zone), _last_day(readings, mapping.zone)
    check_place(factory, cluster, others, days)
    new_profiles = profiles_to_publish(mapping, factory, profiles, readings.first_start)
    check_may_profile(cluster, factory, profiles, new_profiles)
    consignment = Consignment(
        factory=factory,
        cluster=cluster,
        parcels=[energy_parcel([(meter, readings)], factory)],
        profiles=new_profiles,
        digest=digest_of(content, mapping.canonical().encode(), factory.encode()),
        note=f"{path.name} of {factory}",
        first_day=days[0],
    )
    sent = send_import(consignment, to, now)
    return ImportReport(
        factory=factory,
        cluster=cluster.cluster,
        topic=factory_topic(factory, "energy"),
        sent_before=sent.messages["energy"] is None,
        readings=readings.frame.height,
        messages=sent.messages["energy"] or 0,
        profiles=sent.profiles,
        empty_cells=readings.empty_cells,
        missing_intervals=readings.missing_intervals,
        first_start=readings.first_start,
        last_end=readings.last_end,
        first_day=days[0],
        last_day=days[1],
        quantity=quantity_of(readings, meter, multiplier),
        unit=CANONICAL_UNITS[mapping.meter.carrier],
    )


def quantity_of(readings: Readings, meter: Meter, multiplier: float) -> float | None:
    """Return the amount of intervals [canonical unit of the carrier]; null for instants."""
    length_s = readings.rule.length_s
    total = exact_total(readings.frame["value"])
    if length_s is None or total is None:
        return None
    hours = length_s / _SECONDS_PER_HOUR if meter.kind in RATE_KINDS else 1.0
    return total * multiplier * hours


def _last_day(readings: Readings, zone: str) -> date:
    last = (
        readings.last_end if readings.rule.length_s is None else readings.last_end - timedelta(microseconds=1)
    )
    return last.astimezone(ZoneInfo(zone)).date()


def _check_past(readings: Readings, name: str, now: datetime) -> None:
    if readings.last_end > now:
        row = readings.frame["row"][-1]
        raise unusable(
            f"{name}, row {row}: ends at {readings.last_end:%Y-%m-%dT%H:%MZ}, in the future; check "
            "the mapping's time.format (day or month first?) and time.zone",
            f"{name} {row}행: {readings.last_end:%Y-%m-%dT%H:%MZ}에 끝나는 미래의 값입니다. "
            "매핑의 time.format(일과 월의 순서)과 time.zone을 확인하세요",
        )
