"""Measurement files brought in by the command line, and read back by it."""

import csv
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pipelines.demo.broker import LocalBroker
from pipelines.schemas.contracts import packaged_folder
from tests.jobs.conftest import SEOUL, Answer, Hub, make_hub

STEEL = "steel_uci851/Steel_industry_data.csv"
BERLIN = ZoneInfo("Europe/Berlin")
MAPPINGS = packaged_folder("infra") / "mappings"


@dataclass(frozen=True)
class Plant:
    """A German plant: its file, year and MWh, and its days of 23 and 25 hours."""

    file: str
    year: int
    mwh: float
    spring: date
    autumn: date

    @property
    def factory(self) -> str:
        return self.file.lower().replace("_", "-")


PLANTS = (
    Plant("LP_G_MV", 2018, 1.0, date(2018, 3, 25), date(2018, 10, 28)),
    Plant("LP_G_G", 2017, 250.0, date(2017, 3, 26), date(2017, 10, 29)),
    Plant("LP_G_MH", 2015, 12.5, date(2015, 3, 29), date(2015, 10, 25)),
)


def bring(hub: Hub, file: Path, mapping: Path | str, factory: str) -> Answer:
    arguments = ("--mapping", mapping, "--factory", factory, "--source", "archive", "--ingest")
    return hub.run("import", file, *arguments)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[Hub, list[Answer]]:
    """The steel plant and the three German plants as four factories."""
    hub = make_hub(tmp_path_factory.mktemp("imported") / "hub")
    return hub, bring_all(hub, shared_data)


def bring_all(hub: Hub, shared: Path) -> list[Answer]:
    answers = [bring(hub, shared / STEEL, "steel_uci851", "steel")]
    said = (MAPPINGS / "german_plants_15min.yaml").read_text(encoding="utf-8")
    assert "multiplier: 1\n" in said
    for plant in PLANTS:
        mapping = hub.root / f"{plant.file}.yaml"
        mapping.write_text(said.replace("multiplier: 1\n", f"multiplier: {plant.mwh}\n"), encoding="utf-8")
        file = shared / "german_plants_15min" / f"{plant.file}.csv"
        answers.append(bring(hub, file, mapping, plant.factory))
    return answers


def read_back(hub: Hub, factory: str, first: date, last: date, by: str) -> list[tuple[datetime, float]]:
    """Return start and kWh as `digital-cluster energy` prints them; every one of them is whole."""
    asked = ("--factory", factory, "--from", first, "--to", last, "--by", by, "--format", "csv")
    answer = hub.run("energy", *asked)
    assert answer.code == 0, answer.err
    rows = answer.csv()
    assert {(r["coverage"], r["quality"]) for r in rows} == {("1.0", "measured")}
    return [(datetime.fromisoformat(r["start"]), float(r["energy_kwh"])) for r in rows]


def year_of(year: int) -> tuple[date, date]:
    return date(year, 1, 1), date(year, 12, 31)


@pytest.mark.shared
def test_every_import_is_done_and_final_at_once(imported: tuple[Hub, list[Answer]]) -> None:
    hub, answers = imported
    assert [a.code for a in answers] == [0] * 4, [a.err for a in answers]
    assert answers[0].line("import") == "steel (imported): 2018-01-01 to 2018-12-31, 959,636.71 kWh"
    for plant, answer in zip(PLANTS, answers[1:], strict=True):
        days, _, total = answer.line("import").partition(", ")
        assert days == f"{plant.factory} (imported): {plant.year}-01-01 to {plant.year}-12-31"
        assert float(total.removesuffix(" kWh").replace(",", "")) == pytest.approx(plant.mwh * 1000, rel=1e-6)
    facts = hub.rows("imported", "facts_energy")
    assert facts.height == 4 * 8760
    assert facts.select("status", "version").unique().rows() == [("final", 1)]
    assert hub.rows("imported", "facts_history").is_empty()
    assert hub.rows("imported", "dead_letters").is_empty()


@pytest.mark.shared
def test_the_steel_plants_2018_has_its_total_and_every_hour_once(imported: tuple[Hub, list[Answer]]) -> None:
    hub, _ = imported
    facts = hub.rows("imported", "facts_energy").filter(factory="steel")
    assert math.fsum(facts["quantity"]) == pytest.approx(959_636.71, abs=0.005)
    starts = [t.astimezone(SEOUL) for t in facts["start"].sort()]
    first = datetime(2018, 1, 1, tzinfo=SEOUL)
    assert starts == [first + timedelta(hours=n) for n in range(8760)]
    assert [t.date() for t in starts] == facts.sort("start")["day"].to_list()
    assert facts["coverage"].unique().to_list() == [1.0]
    ((start, year_kwh),) = read_back(hub, "steel", *year_of(2018), "year")
    assert start == first
    assert year_kwh == pytest.approx(959_636.71, abs=0.005)
    hourly = read_back(hub, "steel", *year_of(2018), "hour")
    assert len({t for t, _ in hourly}) == 8760
    assert math.fsum(kwh for _, kwh in hourly) == pytest.approx(959_636.71, abs=0.005)


@pytest.mark.shared
def test_the_steel_plants_year_is_total_kwh_times_the_factor_in_hours_and_in_the_ledger(
    imported: tuple[Hub, list[Answer]], tmp_path: Path
) -> None:
    """2018 by AR5 gases: 0.4747 + 28 x 0.0000125 + 265 x 0.00001 = 0.4777 kg CO2e/kWh."""
    hub = imported[0].copied(tmp_path / "hub")
    night = hub.run("nightly", "--cluster", "imported", "--as-of", "2026-01-10T03:00+09:00")
    assert night.code == 0, night.err
    hours = hub.rows("imported", "emissions").filter(factory="steel")
    kwh = math.fsum(hours["energy_kwh"])
    assert kwh == pytest.approx(959_636.71, abs=0.005)
    lines = hub.rows("imported", "emission_lines").filter(factory="steel", method="location")
    assert lines.height == 12
    year = hub.rows("imported", "emission_statements").filter(
        subject="steel", level="factory", period="year", scope="2", method="location"
    )
    for told in (math.fsum(hours["co2e_kg"]), math.fsum(lines["co2e_kg"]), year["co2e_kg"].item()):
        assert told == pytest.approx(kwh * 0.4777, rel=1e-9)


@pytest.mark.shared
def test_no_reading_of_the_steel_plant_is_on_a_wrong_date(
    imported: tuple[Hub, list[Answer]], shared_data: Path
) -> None:
    """In the file each stamp ends its interval, and 00:00 has the date that it ends: dates are days."""
    hub, _ = imported
    days: defaultdict[date, float] = defaultdict(float)
    quarters: dict[datetime, float] = {}
    with (shared_data / STEEL).open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            stamp = datetime.strptime(row["date"], "%d/%m/%Y %H:%M").replace(tzinfo=SEOUL)
            days[stamp.date()] += float(row["Usage_kWh"])
            quarters[stamp] = float(row["Usage_kWh"])
    daily = read_back(hub, "steel", *year_of(2018), "day")
    assert [t.date() for t, _ in daily] == sorted(days)
    assert [kwh for _, kwh in daily] == pytest.approx([days[t.date()] for t, _ in daily], abs=1e-9)
    # The first and last hour of a day, by hand: 00:15-00:45 and 01:00; 23:15-23:45 and the "00:00" of it.
    day = datetime(2018, 6, 15, tzinfo=SEOUL)
    hourly = dict(read_back(hub, "steel", day.date(), day.date(), "hour"))
    first = math.fsum(quarters[day + timedelta(minutes=m)] for m in (15, 30, 45, 60))
    last = math.fsum([*(quarters[day + timedelta(minutes=23 * 60 + m)] for m in (15, 30, 45)), quarters[day]])
    assert hourly[day] == pytest.approx(first, abs=1e-9)
    assert hourly[day + timedelta(hours=23)] == pytest.approx(last, abs=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize("plant", PLANTS, ids=lambda p: p.factory)
def test_a_german_year_has_its_megawatt_hours_in_days_of_23_24_and_25_hours(
    imported: tuple[Hub, list[Answer]], plant: Plant
) -> None:
    hub, _ = imported
    ((start, kwh),) = read_back(hub, plant.factory, *year_of(plant.year), "year")
    assert start == datetime(plant.year, 1, 1, tzinfo=BERLIN)
    assert round(kwh / plant.mwh / 1000, 3) == 1.000
    assert kwh == pytest.approx(1000 * plant.mwh, rel=1e-6)
    facts = hub.rows("imported", "facts_energy").filter(factory=plant.factory)
    assert math.fsum(facts["quantity"]) == pytest.approx(kwh, rel=1e-12)
    starts = facts["start"].sort()
    assert starts.diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    assert starts[0] == datetime(plant.year, 1, 1, tzinfo=BERLIN)
    lengths = Counter(facts["day"])
    assert {d: n for d, n in lengths.items() if n != 24} == {plant.spring: 23, plant.autumn: 25}
    assert len(lengths) == 365


@pytest.mark.shared
@pytest.mark.parametrize("plant", PLANTS, ids=lambda p: p.factory)
def test_the_hours_of_the_days_on_which_clocks_change_are_those_of_the_file(
    imported: tuple[Hub, list[Answer]], shared_data: Path, plant: Plant
) -> None:
    hub, _ = imported
    hours: defaultdict[datetime, float] = defaultdict(float)
    file = shared_data / "german_plants_15min" / f"{plant.file}.csv"
    table = pl.read_csv(file, infer_schema=False)
    stamps, watts = table["datetime"], table[table.columns[-1]]
    for stamp, watt in zip(stamps, watts, strict=True):
        at = datetime.fromisoformat(stamp)
        if at.astimezone(BERLIN).date() in (plant.spring, plant.autumn):
            hours[at.replace(minute=0)] += float(watt) * plant.mwh * 0.25 / 1000
    assert len(hours) == 23 + 25
    read = [*read_back(hub, plant.factory, plant.spring, plant.spring, "hour"),
            *read_back(hub, plant.factory, plant.autumn, plant.autumn, "hour")]  # fmt: skip
    assert [t for t, _ in read] == sorted(hours)
    assert [kwh for _, kwh in read] == pytest.approx([hours[t] for t in sorted(hours)], rel=1e-9)


@pytest.mark.shared
def test_months_are_those_of_the_factorys_zone(imported: tuple[Hub, list[Answer]]) -> None:
    hub, _ = imported
    months = read_back(hub, "steel", *year_of(2018), "month")
    daily = read_back(hub, "steel", *year_of(2018), "day")
    assert [t for t, _ in months] == [datetime(2018, m, 1, tzinfo=SEOUL) for m in range(1, 13)]
    for start, kwh in months:
        own = [k for t, k in daily if t.month == start.month]
        assert kwh == pytest.approx(math.fsum(own), abs=1e-9)


@pytest.mark.shared
def test_no_real_plant_is_asked_anything_on_any_of_its_days(imported: tuple[Hub, list[Answer]]) -> None:
    """Four years of real plants, none of them neglected: nights, holidays and clock changes are no signs.

    The steel plant's real defect, CO2 all zero on 2018-01-02, is in a column that the mapping leaves out.
    """
    hub, _ = imported
    report = hub.rows("imported", "liveness")
    assert report.filter(pl.col("reasons").is_not_null()).rows() == []
    assert report.filter(pl.col("source") != "*").height == 4 * 365
    # Quarter-hours: 96 of them on most days; the first stamp of the steel plant's year ends its interval.
    steel = report.filter(factory="steel", source="main")
    assert steel["expected"].unique().to_list() == [96.0]
    assert steel["share"].min() >= 95 / 96  # type: ignore[operator]
    assert hub.run("liveness", "--cluster", "imported", "--factory", "steel").csv()[0]["reasons"] is None


@pytest.mark.shared
def test_importing_every_file_again_changes_nothing(
    imported: tuple[Hub, list[Answer]], shared_data: Path, tmp_path: Path
) -> None:
    hub = imported[0].copied(tmp_path / "again")
    assert hub.rows("imported", "raw_energy").height == 4 * 35_040

    def everything() -> dict[str, tuple[int, int]]:
        own = ("archive", "registry", "store", "site")
        files = (p for folder in own for p in (hub.root / folder).rglob("*") if p.is_file())
        files = (p for p in files if p.parent.name != "_lease")
        stats = {str(p.relative_to(hub.root)): p.stat() for p in files}
        return {name: (s.st_size, s.st_mtime_ns) for name, s in stats.items()}

    before, state = everything(), hub.state("imported")
    answers = bring_all(hub, shared_data)
    assert [a.code for a in answers] == [0] * 4
    for answer in answers:
        assert "nothing was sent" in answer.line("import")
        assert answer.line("result").startswith("nothing new")
    assert hub.state("imported") == state
    assert everything() == before


SMALL = """
time: {columns: [date], format: iso, zone: Asia/Seoul, stamp: start, interval_minutes: 60}
value: {column: kWh, unit: kWh, kind: interval}
meter: {id: main, carrier: electricity}
factory: {geography: KR, process: casting}
"""


def small_file(folder: Path, year: int) -> Path:
    """Write two days of hours: 1, 2, ... 48 kWh."""
    first = datetime(year, 3, 1, tzinfo=SEOUL)
    lines = [f"{first + timedelta(hours=n):%Y-%m-%d %H:%M},{n + 1}" for n in range(48)]
    path = folder / f"{year}.csv"
    path.write_text("\n".join(["date,kWh", *lines]) + "\n", encoding="utf-8")
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    return path


def test_a_profile_that_still_waits_in_its_topic_is_known_to_the_next_import(tmp_path: Path) -> None:
    hub = make_hub(tmp_path / "hub")
    common = ("--mapping", tmp_path / "small.yaml", "--factory", "f1")
    sent = [
        hub.run("import", small_file(tmp_path, y), *common, *more)
        for y, more in ((2020, ()), (2021, ()), (2019, ()), (2022, ("--ingest",)), (2023, ("--ingest",)))
    ]
    assert [a.code for a in sent] == [0] * 5, [a.err for a in sent]
    # A later year needs none; an earlier one carries the profile back.
    assert [a.line("profiles sent") for a in sent] == ["1", "0", "1", "0", "0"]
    for year in range(2019, 2024):
        days = read_back(hub, "f1", date(year, 3, 1), date(year, 3, 2), "day")
        assert [kwh for _, kwh in days] == [300.0, 876.0]


@pytest.mark.kafka
def test_an_import_through_a_broker_reads_back_as_one_through_the_archive(
    tmp_path: Path, broker: LocalBroker
) -> None:
    hub = make_hub(tmp_path / "hub", kafka_bootstrap_servers=broker.bootstrap_servers)
    common = (
        "--mapping",
        tmp_path / "small.yaml",
        "--factory",
        tmp_path.name.replace("_", "-")[:40],
        "--ingest",
    )
    file = small_file(tmp_path, 2020)
    first = hub.run("import", file, *common, "--source", "kafka")
    assert first.code == 0, first.err
    days = read_back(hub, str(common[3]), date(2020, 3, 1), date(2020, 3, 2), "day")
    assert [kwh for _, kwh in days] == [300.0, 876.0]
    before = hub.state("imported")
    again = hub.run("import", file, *common, "--source", "kafka")
    assert "nothing was sent" in again.line("import")
    assert hub.state("imported") == before
