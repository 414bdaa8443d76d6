"""AASX and AAS JSON files: what they say arrives exactly, what they leave unsaid is asked for."""

import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.connectors.archive import ArchiveSink, ArchiveSource
from pipelines.connectors.objects import open_objects
from pipelines.connectors.registrations import StoredRegistrations
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sent import StoredSentLog
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.import_aas import AasImportReport, import_aas, read_aas_file
from pipelines.jobs.import_profiles import Profile, topic_profiles
from pipelines.jobs.import_sending import ImportTarget
from pipelines.reference.aas_mapping import aas_rows
from pipelines.reference.templates import packaged_templates
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.decode import MessageDecoder, reader_schema
from pipelines.schemas.messages import OffsetRange

try:
    from basyx.aas import model
    from basyx.aas.adapter import aasx
    from basyx.aas.adapter.json import write_aas_json_file
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("basyx-python-sdk is not installed", allow_module_level=True)

NOW = datetime(2025, 11, 11, tzinfo=UTC)
START = datetime(2025, 11, 9, 15, tzinfo=UTC)  # midnight of the 10th in Seoul
TS = "https://admin-shell.io/idta/TimeSeries"
UTC_TIME, POINT, DURATION, UNIX = (
    f"{TS}/{scale}/1/1" for scale in ("UtcTime", "RelativePointInTime", "RelativeTimeDuration", "UnixTime")
)
AMOUNT = "urn:digital-cluster:aas:variable:electricity-amount:1"
PROFILE = "urn:digital-cluster:aas:submodel:factory-profile:1"
Value = str | float | int | bool | None
DOUBLE, TEXT, LONG, INSTANT = (
    getattr(model.datatypes, name) for name in ("Double", "String", "Long", "DateTime")
)
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
    factories=(Factory("a1", "m1", date(2025, 1, 1)),),
)


def meaning(iri: str) -> Any:
    return model.ExternalReference((model.Key(model.KeyTypes.GLOBAL_REFERENCE, iri),))


def prop(name: str | None, value: Value, kind: Any = None, iri: str = "", **qualifiers: str) -> Any:
    """Return a property; its type is the value's, unless said."""
    by_type = {float: DOUBLE, int: LONG, bool: model.datatypes.Boolean}
    found = kind or by_type.get(type(value), TEXT)
    return model.Property(
        name,
        found,
        value=model.datatypes.from_xsd(value, found) if isinstance(value, str) else value,
        semantic_id=meaning(iri) if iri else None,
        qualifier=[model.Qualifier(t, TEXT, value=v) for t, v in qualifiers.items()],
    )


def group(name: str | None, children: Iterable[Any], iri: str = "") -> Any:
    return model.SubmodelElementCollection(name, value=children, semantic_id=meaning(iri) if iri else None)


def records(times: Sequence[str], variables: Mapping[str, Sequence[Value]], kind: Any = INSTANT) -> Any:
    """Return the records of a segment; a null point stands as a property without a value."""
    rows = [
        group(f"Record{n}", [prop("Time", t, kind), *(prop(v, x[n], None) for v, x in variables.items())])
        for n, t in enumerate(times)
    ]
    return group("Records", rows, f"{TS}/Records/1/1")


def series(
    segments: Iterable[Any],
    declared: Iterable[Any] = (),
    *,
    time: str = UTC_TIME,
    name: str = "TimeSeries",
    qualifiers: Mapping[str, str] | None = None,
) -> Any:
    """Return a submodel of IDTA 02008 whose metadata declare a scale of time and variables."""
    kind = INSTANT if time == UTC_TIME else DOUBLE
    record = group("Record", [prop("Time", None, kind, time), *declared], f"{TS}/Metadata/Record/1/1")
    return model.Submodel(
        f"urn:test:{name}",
        [group("Metadata", [record]), group("Segments", segments)],
        id_short=name,
        semantic_id=meaning(f"{TS}/1/1"),
        qualifier=[model.Qualifier(t, TEXT, value=v) for t, v in (qualifiers or {}).items()],
    )


def segment(content: Any, *settings: Any, name: str = "InternalSegment01") -> Any:
    return group(name, [*settings, content], f"{TS}/Segments/InternalSegment/1/1")


def hourly(values: Sequence[Value], name: str = "kWh_main", start: datetime = START) -> Any:
    """Return a submodel of hourly electricity: the variable is known by its semanticId alone."""
    times = [(start + timedelta(hours=n + 1)).isoformat() for n in range(len(values))]
    content = records(times, {name: values})
    return series([segment(content, prop("SamplingInterval", 3600))], [prop(name, None, DOUBLE, AMOUNT)])


def profile(*children: Any) -> Any:
    return model.Submodel(
        "urn:test:profile", children, id_short="FactoryProfile", semantic_id=meaning(PROFILE)
    )


def machine_shell(name: str, *submodels: Any) -> Any:
    asset = model.AssetInformation(global_asset_id=f"urn:asset:{name}")
    references = {model.ModelReference.from_referable(s) for s in submodels}
    return model.AssetAdministrationShell(asset, f"urn:shell:{name}", id_short=name, submodel=references)


def write_json(path: Path, objects: Iterable[Any]) -> Path:
    with path.with_suffix(".json").open("w", encoding="utf-8") as file:
        write_aas_json_file(file, model.DictIdentifiableStore(objects))
    return path.with_suffix(".json")


def write_aasx(path: Path, objects: Iterable[Any]) -> Path:
    store = model.DictIdentifiableStore(objects)
    submodels = [o for o in store if isinstance(o, model.Submodel)]
    if not any(isinstance(o, model.AssetAdministrationShell) for o in store):
        store.add(machine_shell("Plant", *submodels))
    shells = [o.id for o in store if isinstance(o, model.AssetAdministrationShell)]
    buffer = io.BytesIO()
    with aasx.AASXWriter(buffer) as writer:
        writer.write_aas(shells, store, aasx.DictSupplementaryFileContainer())
    path.with_suffix(".aasx").write_bytes(buffer.getvalue())
    return path.with_suffix(".aasx")


Writer = Callable[[Path, Iterable[Any]], Path]


@dataclass(frozen=True)
class Hub:
    """An archive and a store in a folder."""

    root: Path

    @property
    def registry(self) -> LocalRegistry:
        return LocalRegistry(packaged_folder("avro") / "history")

    @property
    def target(self) -> ImportTarget:
        store = open_objects(str(self.root / "store"))
        sink = ArchiveSink(self.root / "archive", self.registry)
        return ImportTarget("archive", sink, self.registry, StoredSentLog(store), StoredRegistrations(store))

    def decoder(self, stream: str) -> MessageDecoder:
        return MessageDecoder(reader_schema(stream, self.registry), self.registry, 1_048_576)

    def profiles(self) -> list[Profile]:
        source = ArchiveSource(self.root / "archive")
        return topic_profiles(source, self.decoder("profile"), "a1")

    def messages(self, stream: str) -> list[dict[str, Any]]:
        source, found = ArchiveSource(self.root / "archive"), []
        for bounds in source.bounds([f"factory.a1.{stream}"]):
            offsets = OffsetRange(bounds.partition, bounds.earliest, bounds.end)
            for batch in source.read(offsets, self.decoder(stream)):
                assert batch.undecodable.num_rows == 0
                found += batch.rows.to_pylist()
        return found

    def bring(
        self,
        objects: Iterable[Any],
        *,
        write: Writer = write_json,
        cluster: ClusterDefinition = IMPORTED,
        own: Path | None = None,
    ) -> AasImportReport:
        path = write(self.root / "plant", objects)
        known = self.profiles() if (self.root / "archive").exists() else []
        content = read_aas_file(path, aas_rows(own), [*packaged_templates()])
        return import_aas(content, "a1", cluster, to=self.target, profiles=known, now=NOW)

    def points(self) -> list[tuple[datetime, float]]:
        return [(r["at"], r["value"]) for m in self.messages("energy") for r in m["readings"]]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def refusal(hub: Hub, objects: Iterable[Any], *, write: Writer = write_json, **more: Any) -> str:
    with pytest.raises(OperatorError) as error:
        hub.bring(objects, write=write, **more)
    assert error.value.code is ExitCode.UNUSABLE_INPUT
    assert "\n" not in error.value.english + error.value.korean
    assert error.value.english.startswith("plant.")
    assert error.value.korean.startswith("plant.")
    assert not (hub.root / "archive" / "factory.a1.energy").exists()
    return error.value.english


EXACT = [0.1, 1 / 3, 1e-300, 123456789.123456789, 2.0**53 + 2, 5e-324, 0.1 + 0.2, 0.0]


@pytest.mark.parametrize("write", [write_json, write_aasx])
def test_values_and_times_arrive_exactly(hub: Hub, write: Writer) -> None:
    report = hub.bring([hourly(EXACT)], write=write)
    assert hub.points() == [(START + timedelta(hours=n + 1), v) for n, v in enumerate(EXACT)]
    (message,) = hub.messages("energy")
    assert (message["meter"], message["carrier"], message["kind"], message["unit"]) == (
        "kwh-main", "electricity", "interval", "kWh",
    )  # fmt: skip
    assert (message["stamp"], message["length_s"]) == ("end", 3600)
    assert report.unknown == ()
    assert report.days == (date(2025, 11, 10), date(2025, 11, 10))


def test_a_point_without_a_value_is_missing_and_no_zero(hub: Hub) -> None:
    report = hub.bring([hourly([1.0, None, 3.0])])
    assert [v for _, v in hub.points()] == [1.0, 3.0]
    assert (report.meters[0].empty_points, report.meters[0].missing_intervals) == (1, 1)
    assert ("meter", "kwh-main: 2 readings, 4.00 kWh, 1 empty, 1 missing intervals") in report.lines()


def test_the_same_file_a_second_time_sends_nothing(hub: Hub) -> None:
    hub.bring([hourly([1.0])])
    again = hub.bring([hourly([1.0])])
    assert again.sent_before
    assert again.lines()[0] == ("import", "a1: imported before with this mapping; nothing was sent")
    assert len(hub.messages("energy")) == 1


def test_a_corrected_file_has_higher_sequences(hub: Hub) -> None:
    hub.bring([hourly([1.0])])
    hub.bring([hourly([2.0])])
    assert [m["sequence"] for m in hub.messages("energy")] == [0, 1_000_000]


def test_a_time_with_another_offset_is_brought_to_utc_and_one_without_is_utc(hub: Hub) -> None:
    content = records(["2025-11-10T09:00:00+09:00", "2025-11-10T01:00:00"], {"ElectricPower": [1.0, 2.0]})
    hub.bring([series([segment(content)])])
    assert hub.points() == [
        (datetime(2025, 11, 10, 0, tzinfo=UTC), 1.0),
        (datetime(2025, 11, 10, 1, tzinfo=UTC), 2.0),
    ]


def test_relative_points_begin_at_the_start_of_the_segment(hub: Hub) -> None:
    content = records(["0", "900.5"], {"ElectricPower": [1.0, 2.0]}, DOUBLE)
    hub.bring([series([segment(content, prop("StartTime", "2025-11-10T00:00:00Z"))], time=POINT)])
    first = datetime(2025, 11, 10, tzinfo=UTC)
    assert hub.points() == [(first, 1.0), (first + timedelta(seconds=900.5), 2.0)]


@pytest.mark.parametrize("length", ["900", "PT15M"])
def test_durations_build_on_each_other_and_give_the_length_of_intervals(hub: Hub, length: str) -> None:
    content = records([length] * 3, {"ElectricEnergy": [1.0, 2.0, 3.0]}, TEXT)
    hub.bring([series([segment(content, prop("StartTime", "2025-11-10T00:00:00Z"))], time=DURATION)])
    first = datetime(2025, 11, 10, tzinfo=UTC)
    assert [at for at, _ in hub.points()] == [first + timedelta(minutes=15 * n) for n in (1, 2, 3)]
    assert hub.messages("energy")[0]["length_s"] == 900


def test_unix_times_are_seconds_since_1970(hub: Hub) -> None:
    content = records(["1762732800"], {"ElectricRegister": [42.0]}, LONG)
    hub.bring([series([segment(content)], time=UNIX)])
    assert hub.points() == [(datetime(2025, 11, 10, tzinfo=UTC), 42.0)]


def test_records_of_a_list_and_of_several_segments_are_one_series(hub: Hub) -> None:
    def listed(hour: int, value: float) -> Any:
        row = group(None, [prop("Time", f"2025-11-10T0{hour}:00:00Z", INSTANT), prop("ElectricPower", value)])
        return model.SubmodelElementList("Records", model.SubmodelElementCollection, value=[row])

    hub.bring([series([segment(listed(2, 2.0)), segment(listed(1, 1.0), name="InternalSegment02")])])
    assert [v for _, v in hub.points()] == [1.0, 2.0]


def test_a_declared_unit_goes_before_the_mappings(hub: Hub) -> None:
    content = records(["2025-11-10T00:00:00Z"], {"ElectricRegister": [1.5]})
    hub.bring([series([segment(content)], [prop("ElectricRegister", None, DOUBLE, Unit="MWh")])])
    assert hub.messages("energy")[0]["unit"] == "MWh"


def test_the_unit_of_a_concept_description_counts(hub: Hub) -> None:
    concept = model.ConceptDescription(
        "urn:test:power",
        embedded_data_specifications=[
            model.EmbeddedDataSpecification(
                meaning("https://admin-shell.io/DataSpecificationTemplates/DataSpecificationIec61360/3/0"),
                model.DataSpecificationIEC61360(model.PreferredNameTypeIEC61360({"en": "power"}), unit="MW"),
            )
        ],
    )
    content = records(["2025-11-10T00:00:00Z"], {"ElectricPower": [1.5]})
    declared = prop("ElectricPower", None, DOUBLE, "urn:test:power")
    hub.bring([series([segment(content)], [declared]), concept])
    assert hub.messages("energy")[0]["unit"] == "MW"


def test_linked_and_external_segments_are_refused_with_their_path(hub: Hub) -> None:
    for kind in ("LinkedSegment", "ExternalSegment"):
        elsewhere = group(f"{kind}1", [prop("Endpoint", "http://x")], f"{TS}/Segments/{kind}/1/1")
        line = refusal(hub, [series([elsewhere])])
        assert line.startswith(f"plant.json, TimeSeries/Segments/{kind}1: can't be imported: its records lie")


def test_what_the_mapping_does_not_know_is_named_once_and_the_rest_is_imported(hub: Hub) -> None:
    times = ["2025-11-10T00:00:00Z", "2025-11-10T00:01:00Z"]
    content = records(times, {"ElectricPower": [1.0, 2.0], "Temperature": [20.0, 21.0]})
    stranger = model.Submodel(
        "urn:test:x", [prop("A", 1)], id_short="Nameplate", semantic_id=meaning("urn:n")
    )
    report = hub.bring([series([segment(content)]), stranger])
    assert report.unknown == (
        "TimeSeries/Segments/InternalSegment01/Records/*/Temperature",
        "Nameplate (urn:n)",
    )
    headings = [text for heading, text in report.lines() if heading == "not in the mapping, not imported"]
    assert headings == list(report.unknown)
    assert len(hub.points()) == 2


def test_a_row_of_ones_own_maps_a_variable_that_the_table_lacks(hub: Hub, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "version,submodel,submodel_semantic_id,path,semantic_id,role,stream,field,carrier,kind,stamp,unit,note,"
        f"source\n1,TimeSeries,{TS}/1/1,Segments/InternalSegment*/Records/*/P_tot,,value,energy,value,"
        "electricity,power,instant,kW,,our gateway\n",
        encoding="utf-8",
    )
    objects = [series([segment(records(["2025-11-10T00:00:00Z"], {"P_tot": [7.0]}))])]
    line = refusal(hub, objects)
    assert "nothing in it has a value and a row of the mapping; it has TimeSeries/Segments" in line
    hub.bring(objects, own=own)
    assert [v for _, v in hub.points()] == [7.0]


FULL_PROFILE = (
    prop("FactoryName", "다솜주물"),
    prop("Process", "casting"),
    prop("SizeClass", "small"),
    prop("Template", "casting"),
    group(
        "Machines",
        [group("M1", [prop("MachineId", "dcm-1"), prop("MachineName", "다이캐스팅 1호기")])],
    ),
    group(
        "Meters",
        [
            group("E1", [prop("MeterId", "main"), prop("Carrier", "electricity"), prop("Unit", "kWh")]),
            group(
                "E2",
                [prop("MeterId", "dcm-1"), prop("Carrier", "electricity"), prop("Unit", "kWh"),
                 prop("Parent", "main"), prop("Machine", "dcm-1"), prop("RegisterDigits", 8),
                 prop("MaximumPerHour", 95.5), prop("Bidirectional", value=False)],
            ),
        ],
    ),
    group(
        "Products",
        [group("P1", [prop("ProductId", "housing-a"), prop("Unit", "kg"),
                      prop("ProductClass", "aluminium-castings"),
                      prop("PlannedCycleTime", 0.75, Unit="min")])],
    ),
    group(
        "Shifts",
        [group("S1", [prop("Weekday", 1), prop("StartMinute", 480), prop("EndMinute", 720)])],
    ),
    group("Holidays", [prop("H1", "2025-12-25")]),
)  # fmt: skip


def full_profile() -> Any:
    """Return a profile with everything in it; elements belong to one submodel only, so they are made anew."""
    copy = io.StringIO()
    for child in FULL_PROFILE:
        child.parent = None
    write_aas_json_file(copy, model.DictIdentifiableStore([profile(*FULL_PROFILE)]))
    from basyx.aas.adapter.json import read_aas_json_file  # noqa: PLC0415

    return next(iter(read_aas_json_file(io.StringIO(copy.getvalue()))))


@pytest.mark.parametrize("write", [write_json, write_aasx])
def test_a_factorys_profile_arrives_with_the_planned_cycle_time_as_pru(hub: Hub, write: Writer) -> None:
    report = hub.bring([full_profile()], write=write)
    (sent,) = hub.profiles()
    assert (sent["name"], sent["process"], sent["size_class"], sent["template"], sent["zone"]) == (
        "다솜주물", "casting", "small", "casting", "Asia/Seoul",
    )  # fmt: skip
    assert sent["machines"] == [{"machine": "dcm-1", "name": "다이캐스팅 1호기"}]
    main, sub = sent["meters"]
    assert (main["meter"], main["parent"], main["bidirectional"]) == ("main", None, False)
    assert (sub["parent"], sub["machine"], sub["register_digits"], sub["maximum_per_h"]) == (
        "main", "dcm-1", 8, 95.5,
    )  # fmt: skip
    assert sent["products"] == [
        {"product": "housing-a", "unit": "kg", "product_class": "aluminium-castings", "pru_s": 45.0}
    ]
    assert sent["shifts"] == [{"weekday": 1, "start_minute": 480, "end_minute": 720}]
    assert sent["holidays"] == ["2025-12-25"]
    assert sent["valid_from"] == datetime(2025, 11, 10, 15, tzinfo=UTC)
    assert report.lines()[0] == ("import", "a1 (imported): profile only")
    assert hub.bring([full_profile()], write=write).sent_before


def test_technical_data_name_the_machine_of_their_shell(hub: Hub) -> None:
    designation = model.MultiLanguageProperty(
        "ManufacturerProductDesignation",
        value=model.MultiLanguageTextType({"en": "Die-casting machine", "ko": "다이캐스팅기"}),
        semantic_id=meaning("0173-1#02-AAW338#001"),
    )
    general = group("GeneralInformation", [prop("ManufacturerName", "Maker"), designation])
    properties = group("TechnicalProperties", [prop("RatedPower", 95.0)])
    data = model.Submodel(
        "urn:test:td",
        [general, properties],
        id_short="TechnicalData",
        semantic_id=meaning("https://admin-shell.io/ZVEI/TechnicalData/Submodel/1/2"),
    )
    report = hub.bring([machine_shell("DCM_01", data), data])
    assert hub.profiles()[0]["machines"] == [{"machine": "dcm-01", "name": "다이캐스팅기"}]
    assert report.unknown == ("TechnicalData/TechnicalProperties/RatedPower",)


def test_a_later_file_changes_what_it_says_and_leaves_the_rest(hub: Hub) -> None:
    hub.bring([full_profile()])
    product = [prop("ProductId", "housing-a"), prop("PlannedCycleTime", "PT50S")]
    report = hub.bring([profile(group("Products", [group("P", product)]))])
    assert report.sent.profiles == 1
    first, second = sorted(hub.profiles(), key=lambda p: p["sequence"])
    assert second["products"] == [{**first["products"][0], "pru_s": 50.0}]
    assert {**second, "sequence": 0, "products": []} == {**first, "products": []}


def test_an_ordinary_cluster_keeps_the_profile_that_its_factory_sent(hub: Hub) -> None:
    hub.bring([full_profile()], cluster=PARK)
    line_of = pytest.raises(OperatorError, match="the profile of factory a1 lacks this")
    with line_of:
        hub.bring([profile(prop("FactoryName", "Other"))], cluster=PARK)
    content = records(["2025-11-10T00:00:00Z"], {"ElectricRegister": [1.0]})
    declared = [prop("ElectricRegister", None, DOUBLE, Meter="main")]
    with pytest.raises(OperatorError, match="begins after the file"):
        hub.bring([series([segment(content)], declared)], cluster=PARK)


def test_states_and_counts_of_a_machine_go_to_their_streams(hub: Hub) -> None:
    times = ["2025-11-10T00:00:00Z", "2025-11-10T01:00:00Z"]
    variables = {"MachineState": ["running", None], "TotalCount": [10, 25], "RejectedCount": [1, None]}
    data = series([segment(records(times, variables))])
    report = hub.bring([machine_shell("DCM_01", data), data, full_profile()])
    (state,) = hub.messages("states")
    assert (state["machine"], state["state"], state["at"]) == (
        "dcm-01", "running", datetime(2025, 11, 10, tzinfo=UTC),
    )  # fmt: skip
    (count,) = hub.messages("counts")
    assert (count["machine"], count["product"], count["total"], count["rejected"]) == (
        "dcm-01", "housing-a", 10.0, 1.0,
    )  # fmt: skip
    assert (count["rework"], count["inspected"], count["first_pass"]) == (None, None, None)
    assert (report.states, report.counts, report.missing_points) == (1, 1, 2)


def one(name: str, value: Value = 1.0, **qualifiers: str) -> Any:
    content = records(["2025-11-10T00:00:00Z"], {name: [value]})
    return series([segment(content)], [prop(name, None, DOUBLE, **qualifiers)])


def two_meters(**qualifiers: str) -> Any:
    names = {"ElectricRegisterA": [1.0], "ElectricRegisterB": [1.0]}
    declared = [
        prop("ElectricRegisterA", None, DOUBLE),
        prop("ElectricRegisterB", None, DOUBLE, **qualifiers),
    ]
    return series([segment(records(["2025-11-10T00:00:00Z"], names))], declared)


def test_the_meter_tree_is_asked_for_and_never_guessed(hub: Hub) -> None:
    assert "Say so by the qualifier Parent" in refusal(hub, [two_meters()])
    hub.bring([two_meters(Parent="electricregistera")])
    assert [m["parent"] for m in hub.profiles()[0]["meters"]] == [None, "electricregistera"]


def test_two_main_meters_are_two_if_the_file_says_so(hub: Hub) -> None:
    names = {"ElectricRegisterA": [1.0], "ElectricRegisterB": [1.0]}
    declared = [prop(name, None, DOUBLE, Parent="none") for name in names]
    hub.bring([series([segment(records(["2025-11-10T00:00:00Z"], names))], declared)])
    assert [m["parent"] for m in hub.profiles()[0]["meters"]] == [None, None]


RECORDS = "TimeSeries/Segments/InternalSegment01/Records"


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([one("ElectricEnergy")], f"{RECORDS}/*/ElectricEnergy: its intervals have no one length"),
        ([one("ElectricRegister", Unit="kW")], "'kW' is no unit of electricity as register"),
        ([one("ElectricRegister", Meter="Main_1")], "'Main_1' is no id"),
        ([one("ElectricRegister", float("nan"))], "row 1, column value: 'NaN' is no number"),
        ([one("MachineState", "running")], "of which machine? Add the qualifier Machine"),
        ([one("TotalCount", 3, Machine="m1")], "has no rejected count beside it"),
        ([series([segment(records(["5"], {"ElectricPower": [1.0]}, LONG))], time=POINT)], "has no StartTime"),
        (
            [series([segment(records(["2025-11-10T00:00:00Z"] * 2, {"ElectricPower": [1.0, 2.0]}))])],
            "is stamped twice, also in row 1",
        ),
        (
            [series([segment(records(["2025-11-12T00:00:00Z"], {"ElectricPower": [1.0]}))])],
            "ends at 2025-11-12T00:00Z, in the future",
        ),
        (
            [series([segment(records(["yesterday"], {"ElectricPower": [1.0]}, TEXT))])],
            f"{RECORDS}/Record0/Time: 'yesterday' is no ISO 8601 time",
        ),
        (
            [series([segment(records(["5"], {"ElectricPower": [1.0]}, LONG))], time=f"{TS}/TaiTime/1/1")],
            f"{RECORDS}/Record0/Time: can't be imported: TAI is ahead of UTC",
        ),
        ([one("ElectricRegister"), profile(prop("Process", "magic"))], "process: Input should be 'casting'"),
        ([profile(prop("Template", "magic"))], "there is no trade template 'magic'; known: casting, moulds"),
        ([profile(prop("Zone", "Asia/Nowhere"))], "'Asia/Nowhere' is no IANA time zone"),
        (
            [profile(group("Products", [group("P1", [prop("ProductId", "p1"), prop("Unit", "kg")])]))],
            "an entry of products p1 has no product_class; add it",
        ),
        (
            [profile(group("Products", [group("P1", [prop("PlannedCycleTime", "soon")])]))],
            "FactoryProfile/Products/P1/PlannedCycleTime: 'soon' is no length of time",
        ),
        (
            [profile(group("Machines", [group("M1", [prop("MachineName", "x")])]))],
            "M1: has no id of its machine",
        ),
        (
            [profile(group("Meters", [group("E", [prop("MeterId", "m"), prop("Carrier", "magic")])]))],
            "there is no carrier 'magic'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_file_and_place(hub: Hub, objects: list[Any], said: str) -> None:
    assert said in refusal(hub, objects)


def test_files_that_are_no_aas_are_one_line(tmp_path: Path) -> None:
    cases = {
        "a.json": (b"{", "is no AAS file of metamodel 3 (JSONDecodeError"),
        "b.json": (b"[]", "there is no submodel of AAS metamodel 3"),
        "c.json": (b'{"submodels": [{"idShort": "x"}]}', "metamodel 3"),
        "d.json": (b"\xff\xfe\x00", "is no AAS file of metamodel 3"),
        "e.aasx": (b"PK\x03\x04", "is no AAS file of metamodel 3 (ValueError"),
        "f.aasx": (b"", "is no AAS file of metamodel 3"),
    }
    for name, (content, said) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OperatorError) as error:
            read_aas_file(tmp_path / name, aas_rows(), [])
        assert error.value.english.startswith(f"{name}: ")
        assert said in error.value.english
        assert "\n" not in error.value.english + error.value.korean


def test_a_template_of_a_submodel_holds_nothing_to_import(hub: Hub) -> None:
    template = hourly([1.0])
    template.kind = model.ModellingKind.TEMPLATE
    assert "there is no submodel" in refusal(hub, [template])


def test_the_command_brings_a_file_through_facts_and_reads_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("store", "archive", "site", "broker"):
        monkeypatch.setenv(f"DC_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("DC_SOURCE", "archive")
    path = write_aasx(tmp_path / "plant", [hourly([float(n) for n in range(24)])])
    imported = CliRunner().invoke(app, ["import", str(path), "--factory", "a1", "--ingest"])
    assert imported.exit_code == 0, imported.output
    assert "meter: kwh-main: 24 readings, 276.00 kWh" in imported.output
    span = ["--from", "2025-11-10", "--to", "2025-11-10", "--format", "csv"]
    read = CliRunner().invoke(app, ["energy", "--factory", "a1", *span])
    assert read.stdout.splitlines()[1] == "2025-11-10T00:00:00+09:00,276.0,1.0,measured"


def test_a_table_of_measurements_still_needs_its_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("store", "archive"):
        monkeypatch.setenv(f"DC_{name.upper()}", str(tmp_path / name))
    with pytest.raises(OperatorError, match=r"x.csv: say by --mapping what its columns mean"):
        CliRunner().invoke(
            app, ["import", "x.csv", "--factory", "a1", "--source", "archive"], catch_exceptions=False
        )
