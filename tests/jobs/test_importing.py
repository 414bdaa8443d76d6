"""Imports: everything is checked before anything is sent, and nothing is sent twice."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from pipelines.connectors.archive import ArchiveSink, ArchiveSource
from pipelines.connectors.objects import open_objects
from pipelines.connectors.registrations import StoredRegistrations
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sent import StoredSentLog
from pipelines.connectors.store import ClusterStore, arrow_frame
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.import_profiles import Profile, profiles_to_publish, stored_profiles, topic_profiles
from pipelines.jobs.import_sending import ImportTarget
from pipelines.jobs.importing import ImportReport, import_file, load_mapping
from pipelines.jobs.measurements import read_readings
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.decode import MessageDecoder, reader_schema
from pipelines.schemas.mapping import FileMapping, parse_mapping
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.tables import RAW

NOW = datetime(2025, 11, 11, tzinfo=UTC)
HOURLY = """
time: {columns: [date], format: iso, zone: Asia/Seoul, stamp: start, interval_minutes: 60}
value: {column: kWh, unit: kWh, kind: interval}
meter: {id: main, carrier: electricity}
factory: {geography: KR, process: casting}
"""
IMPORTED = ClusterDefinition(
    cluster="imported",
    name_ko="가져온 측정값",
    name_en="Imported",
    zone="Asia/Seoul",
    geography="KR",
    members=(),
    factories=(),
    gateways=(),
    policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))}),
    open_to_imports=True,
)
PARK = replace(
    IMPORTED,
    cluster="park",
    open_to_imports=False,
    members=(Member("m1", "일", "One", "h1"),),
    factories=(Factory("a1", "m1", date(2018, 1, 2)),),
)


def mapping(changes: Mapping[str, str] = MappingProxyType({}), more: str = "") -> FileMapping:
    text = HOURLY
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return parse_mapping(text + more, "m.yaml")


@dataclass
class Hub:
    """An archive and a store in a folder."""

    root: Path

    @property
    def registry(self) -> LocalRegistry:
        return LocalRegistry(packaged_folder("avro") / "history")

    @property
    def source(self) -> ArchiveSource:
        return ArchiveSource(self.root / "archive")

    @property
    def target(self) -> ImportTarget:
        store = open_objects(str(self.root / "store"))
        return ImportTarget(
            name="archive",
            sink=ArchiveSink(self.root / "archive", self.registry),
            registry=self.registry,
            sent=StoredSentLog(store),
            registrations=StoredRegistrations(store),
        )

    def decoder(self, stream: str) -> MessageDecoder:
        return MessageDecoder(reader_schema(stream, self.registry), self.registry, 1_048_576)

    def profiles(self, factory: str) -> list[Profile]:
        return topic_profiles(self.source, self.decoder("profile"), factory)

    def messages(self, topic: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for bounds in self.source.bounds([topic]):
            offsets = OffsetRange(bounds.partition, bounds.earliest, bounds.end)
            for batch in self.source.read(offsets, self.decoder(topic.rpartition(".")[2])):
                assert batch.undecodable.num_rows == 0
                found += batch.rows.to_pylist()
        return found

    def bring(
        self, path: Path, said: FileMapping, factory: str = "a1", cluster: ClusterDefinition = IMPORTED
    ) -> ImportReport:
        known = self.profiles(factory) if (self.root / "archive").exists() else []
        return import_file(path, said, factory, cluster, to=self.target, profiles=known, now=NOW)

    def everything(self) -> dict[str, bytes]:
        files = sorted(p for p in self.root.rglob("*") if p.is_file() and p.suffix != ".csv")
        return {str(p.relative_to(self.root)): p.read_bytes() for p in files}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def hours(folder: Path, first: datetime, values: Sequence[object], name: str = "meter.csv") -> Path:
    path = folder / name
    lines = [f"{first + timedelta(hours=i):%Y-%m-%d %H:%M},{value}" for i, value in enumerate(values)]
    path.write_text("\n".join(["date,kWh", *lines]) + "\n", encoding="utf-8")
    return path


MONDAY = datetime(2018, 1, 1)  # noqa: DTZ001 - a wall time of the file


def test_readings_arrive_in_messages_of_a_day_of_quarter_hours(hub: Hub) -> None:
    report = hub.bring(hours(hub.root, MONDAY, range(200)), mapping())
    sent = hub.messages("factory.a1.energy")
    assert [len(m["readings"]) for m in sent] == [96, 96, 8]
    assert [m["sequence"] for m in sent] == [0, 1, 2]
    assert {(m["factory"], m["meter"], m["kind"], m["stamp"], m["length_s"]) for m in sent} == {
        ("a1", "main", "interval", "start", 3600)
    }
    assert [r["value"] for m in sent for r in m["readings"]] == [float(i) for i in range(200)]
    assert sent[0]["readings"][0]["at"] == datetime(2017, 12, 31, 15, tzinfo=UTC)
    assert (report.readings, report.messages, report.profiles) == (200, 3, 1)
    assert (report.quantity, report.unit) == (19900.0, "kWh")
    assert report.lines() == [
        ("import", "a1 (imported): 2018-01-01 to 2018-01-09, 19,900.00 kWh"),
        ("sent", "200 readings in 3 messages to factory.a1.energy"),
        ("profiles sent", "1"),
        ("empty cells", "0"),
        ("missing intervals", "0"),
    ]


def test_a_record_is_sent_when_its_last_interval_has_ended(hub: Hub) -> None:
    hub.bring(hours(hub.root, MONDAY, range(97)), mapping())
    stamps = [m["record_timestamp"] for m in hub.messages("factory.a1.energy")]
    assert stamps == [datetime(2018, 1, 4, 15, tzinfo=UTC), datetime(2018, 1, 4, 16, tzinfo=UTC)]


def test_a_factory_without_a_profile_gets_one_from_the_mapping(hub: Hub) -> None:
    hub.bring(hours(hub.root, MONDAY, [1]), mapping())
    (profile,) = hub.profiles("a1")
    assert profile["valid_from"] == datetime(2017, 12, 31, 15, tzinfo=UTC)
    assert (profile["name"], profile["zone"], profile["geography"], profile["process"]) == (
        "a1", "Asia/Seoul", "KR", "casting",
    )  # fmt: skip
    (meter,) = profile["meters"]
    assert (meter["meter"], meter["carrier"], meter["unit"], meter["parent"]) == (
        "main", "electricity", "kWh", None,
    )  # fmt: skip
    assert hub.target.registrations.known() == {"a1": date(2018, 1, 1)}


def test_the_same_file_a_second_time_sends_nothing_and_says_so(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, range(30))
    hub.bring(path, mapping())
    before = hub.everything()
    again = hub.bring(path, mapping())
    assert (again.sent_before, again.messages, again.profiles) == (True, 0, 0)
    assert again.lines()[0] == ("import", "a1: imported before with this mapping; nothing was sent")
    assert hub.everything() == before


def test_a_comment_in_the_mapping_makes_no_other_file_but_a_multiplier_does(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, range(30))
    hub.bring(path, mapping())
    assert hub.bring(path, mapping(more="# why\n")).sent_before
    assert not hub.bring(path, mapping({"unit: kWh": "unit: kWh, multiplier: 2"})).sent_before


def test_a_corrected_file_has_higher_sequences_than_the_first(hub: Hub) -> None:
    hub.bring(hours(hub.root, MONDAY, range(200)), mapping())
    hub.bring(hours(hub.root, MONDAY, [7] * 200), mapping())
    sequences = [m["sequence"] for m in hub.messages("factory.a1.energy")]
    assert sequences == [0, 1, 2, 1_000_000, 1_000_001, 1_000_002]


def test_an_import_leaves_the_same_bytes_wherever_it_runs(tmp_path: Path) -> None:
    everything = []
    for name in ("one", "two"):
        hub = Hub(tmp_path / name)
        hub.root.mkdir()
        hub.bring(hours(hub.root, MONDAY, range(30)), mapping())
        everything.append([r for m in hub.messages("factory.a1.energy") for r in (m["record_timestamp"], m)])
    assert everything[0] == everything[1]


def test_an_earlier_year_carries_profile_and_registration_back(hub: Hub) -> None:
    hub.bring(hours(hub.root, MONDAY, [1]), mapping())
    hub.bring(hours(hub.root, datetime(2017, 1, 1), [1], "2017.csv"), mapping())  # noqa: DTZ001 - wall time
    assert [p["valid_from"].year for p in hub.profiles("a1")] == [2017, 2016]
    assert hub.target.registrations.known() == {"a1": date(2017, 1, 1)}


def test_a_later_year_needs_no_further_profile(hub: Hub) -> None:
    hub.bring(hours(hub.root, MONDAY, [1]), mapping())
    later = hub.bring(hours(hub.root, datetime(2019, 1, 1), [1], "2019.csv"), mapping())  # noqa: DTZ001 - wall
    assert later.profiles == 0


def test_a_second_meter_joins_the_profile_of_the_first(hub: Hub) -> None:
    hub.bring(hours(hub.root, MONDAY, [1]), mapping())
    gas = mapping(
        {"id: main, carrier: electricity": "id: gas, carrier: natural_gas", "unit: kWh": "unit: Nm3"}
    )
    hub.bring(hours(hub.root, MONDAY, [2], "gas.csv"), gas)
    newest = max(hub.profiles("a1"), key=lambda p: p["sequence"])
    assert [m["meter"] for m in newest["meters"]] == ["main", "gas"]
    assert newest["valid_from"] == datetime(2017, 12, 31, 15, tzinfo=UTC)
    known = hub.profiles("a1")
    assert profiles_to_publish(gas, "a1", known, datetime(2018, 1, 1, tzinfo=UTC)) == []


def test_profiles_that_a_night_has_ingested_are_as_good_as_those_of_the_topic(hub: Hub) -> None:
    hub.bring(hours(hub.root, MONDAY, [1]), mapping())
    (published,) = hub.profiles("a1")
    store = ClusterStore(str(hub.root / "tables"), "imported")
    assert stored_profiles(store, "a1") == []
    provenance = {
        "topic": "factory.a1.profile", "incarnation": "i", "partition": 0, "offset": 0, "index": 0,
        "schema_id": 8, "record_timestamp": published["valid_from"],
    }  # fmt: skip
    row = {"day": date(2018, 1, 1), "bucket": 0, **published, **provenance}
    rows = arrow_frame(pa.Table.from_pylist([row], schema=RAW["profile"].schema))
    store.open(RAW["profile"]).append(rows, {})
    assert stored_profiles(store, "a1") == [published]
    assert stored_profiles(store, "a2") == []


def refusal(
    hub: Hub, path: Path, said: FileMapping, factory: str = "a1", cluster: ClusterDefinition = IMPORTED
) -> str:
    before = hub.everything()
    with pytest.raises(OperatorError) as error:
        hub.bring(path, said, factory, cluster)
    assert error.value.code == ExitCode.UNUSABLE_INPUT
    assert "\n" not in error.value.english + error.value.korean
    assert hub.everything() == before
    return error.value.english


def test_a_bad_number_in_the_last_row_sends_nothing_at_all(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, [*range(500), "x"])
    assert refusal(hub, path, mapping()).startswith("meter.csv, row 502, column kWh: 'x' is no number")
    assert not (hub.root / "archive").exists()


def test_a_missing_column_is_one_line_that_lists_what_the_file_has(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, [1])
    said = refusal(hub, path, mapping({"column: kWh": "column: Usage"}))
    assert said == ("meter.csv, row 1: no column 'Usage'; correct the mapping, the file has 'date', 'kWh'")


def test_an_unknown_unit_is_one_line(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, [1])
    assert "'kWhh' is no unit of electricity" in refusal(hub, path, mapping({"unit: kWh": "unit: kWhh"}))
    assert "'m3' is no unit of natural_gas" in refusal(
        hub, path, mapping({"unit: kWh": "unit: m3", "carrier: electricity": "carrier: natural_gas"})
    )
    assert "use one such as W, kW, MW" in refusal(hub, path, mapping({"interval}": "mean_power}"}))


def test_a_missing_file_and_a_missing_mapping_are_one_line(hub: Hub) -> None:
    assert "absent.csv can't be read" in refusal(hub, hub.root / "absent.csv", mapping())
    with pytest.raises(OperatorError, match="mapping absent does not exist") as error:
        load_mapping("absent")
    assert "steel_uci851" in error.value.english


def test_readings_of_the_future_are_refused(hub: Hub) -> None:
    path = hours(hub.root, datetime(2025, 11, 11, 8), [1, 2])  # noqa: DTZ001 - a wall time of the file
    assert "row 3: ends at 2025-11-11T01:00Z, in the future" in refusal(hub, path, mapping())


@pytest.mark.parametrize("factory", ["A1", "a_1", "a.1", "", "-a", "a" * 41])
def test_a_factory_needs_an_id(hub: Hub, factory: str) -> None:
    assert "is no id" in refusal(hub, hours(hub.root, MONDAY, [1]), mapping(), factory)


def test_an_ordinary_cluster_takes_only_factories_that_it_lists_and_only_since_they_joined(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, [1])
    assert "does not list factory a2" in refusal(hub, path, mapping(), "a2", PARK)
    assert "not in cluster park from 2018-01-01" in refusal(hub, path, mapping(), "a1", PARK)
    later = hours(hub.root, MONDAY + timedelta(days=1), [1])
    assert hub.bring(later, mapping(), "a1", PARK).messages == 1
    assert hub.target.registrations.known() == {}
    assert [m["record_timestamp"] for m in hub.messages("factory.a1.energy")] == [NOW]


def test_an_import_does_not_change_the_profile_of_a_factory_that_sends_its_own(hub: Hub) -> None:
    path = hours(hub.root, MONDAY + timedelta(days=1), [1])
    hub.bring(path, mapping(), "a1", PARK)
    other = mapping({"id: main": "id: second"})
    assert "lacks this meter" in refusal(hub, path, other, "a1", PARK)


def test_a_factory_of_another_cluster_cannot_be_imported_beside_it(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, [1])
    with pytest.raises(OperatorError, match="factory a1 belongs to cluster park: use --cluster park"):
        import_file(path, mapping(), "a1", IMPORTED, to=hub.target, profiles=[], now=NOW, others=[PARK])


def test_a_mapping_that_contradicts_the_profile_is_refused(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, [1])
    hub.bring(path, mapping())
    assert "has the zone Asia/Seoul" in refusal(hub, path, mapping({"Asia/Seoul": "Asia/Tokyo"}))
    assert "has the parent None" in refusal(hub, path, mapping({"id: main": "id: main, parent: top"}))


def test_the_value_column_can_be_one_of_several_or_a_position(hub: Hub) -> None:
    path = hours(hub.root, MONDAY, [5])
    for wanted in ("any_of: [Usage, kWh]", "position: 2"):
        said = mapping({"column: kWh": wanted})
        assert read_readings(path.name, path.read_bytes(), said).frame["value"].to_list() == [5.0]
    assert "no column 3" in refusal(hub, path, mapping({"column: kWh": "position: 3"}))
    both = mapping({"column: kWh": "any_of: [date, kWh]"})
    assert "more than one of value.any_of" in refusal(hub, path, both)
    none = mapping({"column: kWh": "any_of: [x, y]"})
    assert "no column 'x | y'" in refusal(hub, path, none)


def test_date_and_time_can_stand_in_two_columns(hub: Hub) -> None:
    path = hub.root / "meter.csv"
    path.write_text("일자,시각,사용량\n2018-01-01,23:00,1\n2018-01-01,24:00,2\n", encoding="cp949")
    changes = {"columns: [date]": "columns: [일자, 시각]", "column: kWh": "column: 사용량", "start": "end"}
    said = mapping(changes, "file: {encoding: cp949}\n")
    found = read_readings(path.name, path.read_bytes(), said)
    assert found.last_end == datetime(2018, 1, 1, 15, tzinfo=UTC)
    assert found.frame["value"].to_list() == [1.0, 2.0]


def measurements(name: str) -> Path:
    shared = Path(os.environ.get("DC_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    path = shared / "data" / name
    if not path.is_file():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is not there: set DC_SHARED")
        pytest.skip(f"{path} is not there: set DC_SHARED to the folder of real measurements")
    return path


@pytest.mark.shared
def test_the_steel_plants_2018_is_whole_and_on_its_dates() -> None:
    path = measurements("steel_uci851/Steel_industry_data.csv")
    found = read_readings(path.name, path.read_bytes(), load_mapping("steel_uci851"))
    assert math.fsum(found.frame["value"]) == 959_636.71
    starts = [t - timedelta(minutes=15) for t in found.frame["at"]]
    assert {b - a for a, b in pairwise(starts)} == {timedelta(minutes=15)}
    local = [t.astimezone(ZoneInfo("Asia/Seoul")) for t in starts]
    assert local[0] == datetime(2018, 1, 1, tzinfo=ZoneInfo("Asia/Seoul"))
    assert len({t.replace(minute=0) for t in local}) == 8760
    assert {t.year for t in local} == {2018}
    assert set(Counter(t.date() for t in local).values()) == {96}
    assert (found.empty_cells, found.missing_intervals) == (0, 0)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "total_mwh", "spring", "autumn"),
    [
        ("LP_G_MV", 0.9999999935, date(2018, 3, 25), date(2018, 10, 28)),
        ("LP_G_G", 1.000000023, date(2017, 3, 26), date(2017, 10, 29)),
        ("LP_G_MH", 1.0000001845, date(2015, 3, 29), date(2015, 10, 25)),
    ],
)
def test_a_german_year_is_one_megawatt_hour_in_days_of_23_24_and_25_hours(
    name: str, total_mwh: float, spring: date, autumn: date
) -> None:
    path = measurements(f"german_plants_15min/{name}.csv")
    found = read_readings(path.name, path.read_bytes(), load_mapping("german_plants_15min"))
    total = math.fsum(found.frame["value"]) * 0.25 / 1e6
    assert total == pytest.approx(total_mwh, abs=1e-12)
    assert round(total, 3) == 1.000
    days = Counter(t.astimezone(ZoneInfo("Europe/Berlin")).date() for t in found.frame["at"])
    assert {d: n / 4 for d, n in days.items() if n != 96} == {spring: 23, autumn: 25}
    assert len(days) == 365
    assert {d.year for d in days} == {spring.year}
    assert found.missing_intervals == 0


@pytest.mark.shared
def test_three_plants_with_multipliers_of_their_own_share_one_mapping(hub: Hub) -> None:
    said = load_mapping("german_plants_15min")
    tenfold = said.model_copy(update={"value": said.value.model_copy(update={"multiplier": 10.0})})
    path = measurements("german_plants_15min/LP_G_G.csv")
    assert hub.bring(path, tenfold, "electroplating").quantity == pytest.approx(10_000.00023, abs=1e-8)
    report = hub.bring(measurements("german_plants_15min/LP_G_MH.csv"), said, "furniture")
    assert report.quantity == pytest.approx(1000.0001845, abs=1e-9)
    assert (report.messages, report.first_day, report.last_day) == (365, date(2015, 1, 1), date(2015, 12, 31))
