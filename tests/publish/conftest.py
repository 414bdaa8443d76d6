"""A small cluster whose every value is told apart, as the store would hold it on the morning after."""

from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest

from pipelines.domain.cluster import (
    Breakdown,
    ClassPolicy,
    ClusterDefinition,
    DisclosurePolicy,
    Factory,
    Gateway,
    Member,
    Traits,
    Waiver,
)
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.publish.build import build_content
from pipelines.publish.content import SiteContent, SiteInputs
from pipelines.publish.site import render_site
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import (
    BASELINES,
    EMISSIONS,
    FACTS_ENERGY,
    FACTS_MACHINE,
    GAPS,
    KPIS,
    LIVENESS,
    RAW,
    RELEASES,
)

SEOUL = ZoneInfo("Asia/Seoul")
DAY = date(2025, 11, 10)
NOMINAL = datetime(2025, 11, 11, 3, tzinfo=SEOUL)
JOINED = date(2025, 10, 27)
MONTH, YEAR = date(2025, 11, 1), date(2024, 11, 1)
DAYS = [DAY - timedelta(days=back) for back in reversed(range(8))]
# Share of a day's electricity by hour: base load, two shifts with a break, a quiet night.
LOAD = [22, 21, 21, 22, 24, 31, 58, 88, 104, 110, 108, 97, 71, 103, 112, 111, 106, 99, 84, 80, 78, 69, 40, 26]
WEEK = [0.96, 1.02, 1.05, 1.0, 0.94, 0.41, 0.22, 1.0]  # Monday 3 November to Monday 10 November

MEMBERS = [
    ("garam", "가람다이캐스팅", "Garam Die Casting", "garam"),
    ("naru", "나루주조", "Naru Castings", "naru"),
    ("dasom", "다솜주물", "Dasom Foundry", "dasom"),
    ("saebyeok", "새벽단조", "Saebyeok Forging", "hanul"),
    ("areum", "아름포밍", "Areum Forming", "areum"),
    ("jangsan", "장산프레스", "Jangsan Press", "hanul"),
    ("taeyang", "태양열처리", "Taeyang Heat Treatment", "taeyang"),
]
# factory: member, name, process, kWh on a full day, OEE, kWh per unit
FACTORIES: dict[str, tuple[str, str, str, float, float, float]] = {
    "garam-1": ("garam", "가람 1공장", "casting", 18437.2, 0.6713, 4.137),
    "garam-2": ("garam", "가람 2공장", "casting", 9281.6, 0.5829, 4.862),
    "naru": ("naru", "나루 본공장", "casting", 14953.9, 0.7346, 3.418),
    "dasom": ("dasom", "다솜 주물공장", "casting", 11628.4, 0.6092, 4.571),
    "saebyeok": ("saebyeok", "새벽 단조공장", "forming", 7316.3, 0.6457, 1.176),
    "areum": ("areum", "아름 공장", "forming", 5894.7, 0.7081, 0.897),
    "jangsan": ("jangsan", "장산 프레스공장", "forming", 6243.1, 0.5564, 1.043),
    "taeyang": ("taeyang", "태양 열처리공장", "heat_treatment", 8762.5, 0.6238, 0.784),
}
SIZES = {"garam-1": "medium", "naru": "medium"}
SILENT = "taeyang"
MISSING_HOURS = {"garam-1": (3, 4, 13), "dasom": (20, 21, 22, 23)}
INTERPOLATED_HOURS = {"garam-1": (14, 15), "naru": (9,)}


def frame(schema: pa.Schema, rows: list[dict[str, Any]]) -> pl.DataFrame:
    empty = pl.from_arrow(schema.empty_table())
    assert isinstance(empty, pl.DataFrame)
    return pl.DataFrame(
        [{name: row.get(name) for name in empty.columns} for row in rows], schema=empty.schema
    )


def utc(day: date, hour: int = 0, minute: int = 0) -> datetime:
    local = datetime(day.year, day.month, day.day, tzinfo=SEOUL) + timedelta(hours=hour, minutes=minute)
    return local.astimezone(UTC)


def status_of(day: date) -> str:
    return "provisional" if day == DAY else "final"


def cluster_definition() -> ClusterDefinition:
    return ClusterDefinition(
        cluster="changwon-demo",
        name_ko="창원 뿌리산업 디지털클러스터 (데모)",
        name_en="Changwon root-industry digital cluster (demo)",
        zone="Asia/Seoul",
        geography="KR",
        members=tuple(Member(*row) for row in MEMBERS),
        factories=tuple(
            Factory(factory, row[0], JOINED, None, (Traits(JOINED, size=SIZES.get(factory, "small")),))
            for factory, row in FACTORIES.items()
        ),
        gateways=(Gateway("changwon-west", frozenset({"saebyeok", "areum"})),),
        policy=DisclosurePolicy("2025-10-27", {"A": ClassPolicy(TablePolicy(3))}),
        breakdowns=(Breakdown(("process",)), Breakdown(("size",))),
        waivers=(Waiver("naru", frozenset({"availability"}), JOINED, named=True),),
    )


def energy_of(factory: str, day: date, hour: int) -> float:
    total = FACTORIES[factory][3] * WEEK[DAYS.index(day)]
    wobble = 1 + 0.02 * ((hour * 7 + len(factory)) % 5 - 2)
    return total * LOAD[hour] / sum(LOAD) * wobble


def energy_rows() -> list[dict[str, Any]]:
    rows = []
    for factory in FACTORIES:
        for day in DAYS:
            for hour in range(24):
                today = day == DAY
                missing = today and (factory == SILENT or hour in MISSING_HOURS.get(factory, ()))
                interpolated = today and hour in INTERPOLATED_HOURS.get(factory, ())
                rows.append({
                    "day": day, "bucket": 0, "factory": factory, "meter": f"{factory}-main",
                    "carrier": "electricity", "allocation": "hour", "start": utc(day, hour),
                    "end": utc(day, hour + 1), "quantity": None if missing else energy_of(factory, day, hour),
                    "unit": "kWh", "coverage": 0.0 if missing or interpolated else 1.0,
                    "quality": None if missing else "interpolated" if interpolated else "measured",
                    "status": status_of(day), "version": 1, "profile_version": "p", "known_at": NOMINAL,
                })  # fmt: skip
                submeter = {"meter": f"{factory}-furnace", "quantity": 77777.7, "quality": "measured"}
                rows.append({**rows[-1], **submeter})
    gap = {"allocation": "unallocated", "start": utc(DAY, 3), "end": utc(DAY, 5), "quantity": 612.4}
    rows.append({**rows[0], "day": DAY, **gap, "quality": "measured", "coverage": 0.0})
    return rows


def machine_rows() -> list[dict[str, Any]]:
    return [
        {
            "day": day, "bucket": 0, "factory": factory, "machine": "m1", "product": "*",
            "start": utc(day, 8), "end": utc(day, 9), "pbt_s": 3600.0, "apt_s": 3000.0,
            "unknown_s": 3600.0 if factory == SILENT and day == DAY else 64.8, "coverage": 1.0,
            "quality": "measured", "status": status_of(day), "version": 1, "profile_version": "p",
            "known_at": NOMINAL,
        }
        for factory in FACTORIES
        for day in DAYS
    ]  # fmt: skip


def unit_of(kpi: str) -> str:
    definition = kpi_book().find(kpi)
    assert definition is not None
    return definition.unit


def kpi_row(
    level: str, subject: str, day: date, kpi: str, value: float | None, **more: object
) -> dict[str, Any]:
    return {
        "day": day, "period": "day", "level": level, "subject": subject, "kpi": kpi,
        "definition_version": "1", "value": value,
        "unit": unit_of(kpi), "coverage": 0.9375 if day == DAY else 1.0, "status": status_of(day),
        "known_at": NOMINAL, **more,
    }  # fmt: skip


def kpi_rows() -> list[dict[str, Any]]:
    rows = []
    for factory, (_, _, process, full, oee, per_unit) in FACTORIES.items():
        for day in DAYS:
            energy = full * WEEK[DAYS.index(day)]
            silent = factory == SILENT and day == DAY
            reason = {"reason": "missing_element:energy_kwh", "coverage": 0.0}
            nothing: dict[str, Any] = reason if silent else {}
            drift = 1 + 0.01 * (DAYS.index(day) - 4)
            values = {"energy_kwh": energy, "co2e_kg": energy * 0.4173, "oee": oee / drift}
            values["energy_kwh_per_unit"] = per_unit if day == DAY else per_unit * drift
            for kpi, value in values.items():
                elements = {"numerator": energy, "denominator": energy / per_unit, "product_class": process}
                elements_of = {
                    "oee": {"numerator": value, "denominator": 1.0},
                    "energy_kwh_per_unit": elements,
                }
                more = elements_of.get(kpi, {}) | nothing
                rows.append(kpi_row("factory", factory, day, kpi, None if silent else value, **more))
    for member, *_ in MEMBERS:
        mine = {factory for factory, row in FACTORIES.items() if row[0] == member}
        own = [row for row in rows if row["level"] == "factory" and row["subject"] in mine]
        for day in DAYS:
            of_day = [row for row in own if row["day"] == day]
            for kpi in ("energy_kwh", "co2e_kg", "oee", "energy_kwh_per_unit"):
                known = [row for row in of_day if row["kpi"] == kpi and row["value"] is not None]
                total = sum(row["value"] for row in known)
                parts = 1 if kpi in {"energy_kwh", "co2e_kg"} else len(known)
                lacking = None if known else "missing_element:energy_kwh"
                value = total / parts if known else None
                rows.append(kpi_row("member", member, day, kpi, value, reason=lacking))
                if kpi == "energy_kwh_per_unit":
                    (process,) = {FACTORIES[factory][2] for factory in mine}
                    rows.append(kpi_row("peer", f"{member}/{process}", day, kpi, value, reason=lacking))
    return rows


# KPI: factory 0 on the day, what each further one has more, month and 12 months as shares of the day.
PROGRAMME = {
    "units_per_worker_h": (44.13, 1.17, 1.02, 0.99),
    "process_defect_rate": (0.0213, 0.0017, 1.1, 1.2),
    "order_lead_time_d": (13.43, 0.71, 1.0, 1.1),
    "order_on_time_rate": (0.9371, -0.0113, 0.98, 0.97),
    "availability": (0.8123, -0.0111, 1.01, 0.98),
    "effectiveness": (1.0432, 0.0127, 0.97, 0.96),
    "quality_ratio": (0.9787, -0.0017, 0.997, 0.996),
    "mtbf_fe_s": (112_680.0, 3_960.0, 1.3, 1.1),
    "jobs": (43.0, 3.0, 1.0, 1.0),
}
# Of factory 2 (naru) in the baseline period: defects 2.9 %, 40 units an hour, a lead time of nothing.
BASELINE = {
    "units_per_worker_h": 40.0, "process_defect_rate": 0.029, "order_lead_time_d": 0.0, "availability": 0.8,
    "jobs": 40.0, "energy_kwh": 44000.0,
}  # fmt: skip
BASELINE_FROM, BASELINE_UNTIL = date(2025, 10, 27), date(2025, 11, 3)
MACHINES = {"m1": "주조기 1호", "m2": "m2"}


def programme_rows() -> list[dict[str, Any]]:
    """Return a programme's KPIs by day, month and 12 months, and the machines' of the day."""
    rows = []
    for subject, level, number in subjects():
        for kpi, (first, more, month, year) in PROGRAMME.items():
            value = first + number * more
            periods = (
                ("day", DAY, 1.0),
                ("month", MONTH, month),
                ("rolling12", YEAR, year),
            )
            for period, day, share in periods:
                above = kpi == "effectiveness" and value * share > 1
                marks: dict[str, Any] = {"reason": "above_one" if above else None}
                marks |= {"numerator": value * share, "denominator": None if kpi == "jobs" else 1.0}
                rows.append(kpi_row(level, subject, day, kpi, value * share, period=period, **marks))
        nothing: list[tuple[str, str, float | None]] = [
            ("mttr_fe_s", "zero_denominator", 1.0),
            ("first_pass_yield", "insufficient_coverage", 0.41),
            ("unit_cost_index", "missing_element:cost_krw", None),
        ]
        for kpi, reason, coverage in nothing:
            for period, day in (("day", DAY), ("month", MONTH)):
                more = {"period": period, "reason": reason, "coverage": coverage}
                rows.append(kpi_row(level, subject, day, kpi, None, **more))
        rows.append(
            kpi_row(level, subject, MONTH, "energy_kwh", 101_001.0 + number * 1_013.0, period="month")
        )
    for place, factory in enumerate(FACTORIES):
        for nth, machine in enumerate(MACHINES):
            subject = f"{factory}/{machine}"
            rows.append(kpi_row("machine", subject, DAY, "oee", 0.5123 + place * 0.0131 + nth * 0.0737))
            reason = {"period": "month", "reason": "zero_denominator"}
            rows.append(kpi_row("machine", subject, MONTH, "mtbf_fe_s", None, **reason))
    return rows


def subjects() -> list[tuple[str, str, int]]:
    """Return factories, and members as their first factory."""
    found = [(factory, "factory", place) for place, factory in enumerate(FACTORIES)]
    first = {row[0]: place for place, row in reversed(list(enumerate(FACTORIES.values())))}
    return found + [(member, "member", first[member]) for member, *_ in MEMBERS]


def baseline_rows() -> list[dict[str, Any]]:
    return [
        {
            "level": level, "subject": subject, "kpi": kpi, "definition_version": "1", "revision": 1,
            "period_start": BASELINE_FROM, "period_end": BASELINE_UNTIL,
            "value": value * (1 + (number - 2) / 97),
            "unit": unit_of(kpi), "coverage": 1.0, "set_at": NOMINAL,
        }
        for subject, level, number in subjects()
        for kpi, value in BASELINE.items()
    ]  # fmt: skip


def emission_rows() -> list[dict[str, Any]]:
    return [
        {
            "day": DAY, "bucket": 0, "factory": factory, "carrier": "electricity", "scope": 2,
            "method": "location", "start": utc(DAY), "end": utc(DAY, 1), "energy_kwh": 1.0,
            "factor_id": "kr-grid-consumption-2023", "factor_kg_per_kwh": 0.4173, "factor_match": "fallback",
            "gwp_set": "AR5", "co2e_kg": 0.4173, "provisional": True, "reason": "carried_forward:2y",
            "known_at": NOMINAL,
        }
        for factory in FACTORIES
    ]  # fmt: skip


def release_row(sequence: int, kpi: str, day: date, value: float | None, **more: object) -> dict[str, Any]:
    breakdown, group = more.pop("breakdown", "cluster"), more.pop("group", "*")
    status = more.pop("status", "published")
    shown = status == "published"
    return {
        "sequence": sequence,
        "figure_id": f"changwon-demo/{breakdown}/{group}/day/{day}/{kpi}@1",
        "revision": more.pop("revision", 1),
        "cluster": "changwon-demo", "breakdown": breakdown, "group": group, "period": "day",
        "period_start": day, "period_end": day + timedelta(days=1), "kpi": kpi, "definition_version": "1",
        "statistic": "total", "status": status, "value": value if shown else None, "unit": unit_of(kpi),
        "contributors": "fewer than 10" if shown else None, "coverage": 0.97 if shown else None,
        "provisional": day == DAY or kpi == "co2e_kg", "known_at": NOMINAL, "previous_sha256": "",
        "sha256": "", **more,
    }  # fmt: skip


def release_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    total = sum(row[3] for row in FACTORIES.values())
    for place, day in enumerate(DAYS):
        energy = round(total * WEEK[place])
        rows.append(release_row(len(rows) + 1, "energy_kwh", day, energy, grid_step=1.0))
        rows.append(release_row(len(rows) + 1, "co2e_kg", day, round(energy * 0.4173), grid_step=1.0))
        weekend = place in (5, 6)
        status = "insufficient_coverage" if weekend else "published"
        oee = 0.65 if place % 2 else 0.60
        rows.append(release_row(len(rows) + 1, "oee", day, oee, grid_step=0.05, status=status))
    rows.append(release_row(len(rows) + 1, "energy_kwh", DAYS[0], 79119.0, revision=2, grid_step=1.0))
    groups = {"casting": (4.25, 0.25, "published"), "forming": (1.05, 0.05, "published")}
    groups["heat_treatment"] = (0.784, 0.05, "withheld")
    for group, (value, step, status) in groups.items():
        more = {"breakdown": "process", "group": group, "grid_step": step, "status": status}
        rows.append(release_row(len(rows) + 1, "energy_kwh_per_unit", DAY, value, **more))
    return rows


def month_row(kpi: str, value: float | None, hangs: str = "", **more: Any) -> dict[str, Any]:
    """Return a released figure of November, or with `hangs` a trend or a named reference."""
    row = release_row(0, kpi, MONTH, value, **more)
    figure = f"changwon-demo/{row['breakdown']}/{row['group']}/month/{MONTH}/{kpi}@1{hangs}"
    return {
        **row,
        "figure_id": figure,
        "period": "month",
        "period_end": date(2025, 12, 1),
        "provisional": False,
    }


def benchmark_rows() -> list[dict[str, Any]]:
    """Return the ledger's figures of a month over three breakdowns, with all that can go with one."""
    spread = {
        "grid_step": 0.05, "contributors": "10+", "statistic": "order_statistic", "interval_low": 0.7,
        "interval_high": 0.9, "p25": 0.75, "p25_low": 0.65, "p25_high": 0.8, "p33": 0.75, "p67": 0.85,
        "p75": 0.85, "p75_low": 0.8, "p75_high": 0.95,
    }  # fmt: skip
    size = {"breakdown": "size", "grid_step": 0.05}
    casting = {"breakdown": "process", "group": "casting"}
    rows = [
        month_row("availability", 0.8, **spread),
        month_row("availability", 0.8, "/trend", grid_step=0.05, statistic="trend", previous_value=0.75),
        month_row(
            "availability", 0.79, "/named/naru", grid_step=0.01, statistic="named_reference",
            reference_member="naru",
        ),
        month_row("quality_ratio", 0.95, grid_step=0.05),
        month_row("quality_ratio", None, "/trend", status="withheld", statistic="trend"),
        month_row("first_pass_yield", None, status="insufficient_coverage"),
        month_row("availability", 0.75, group="small", **size),
        month_row("availability", None, group="medium", status="withheld", **size),
        month_row("mtbf_fe_s", 108_000.0, grid_step=7_200.0, **casting),
        month_row("units_per_worker_h", None, status="withheld", **casting),
    ]  # fmt: skip
    return [{**row, "sequence": 500 + place} for place, row in enumerate(rows)]


def profile_rows() -> list[dict[str, Any]]:
    def meter(factory: str, name: str, parent: str | None) -> dict[str, Any]:
        return {
            "meter": f"{factory}-{name}", "carrier": "electricity", "unit": "kWh", "parent": parent,
            "bidirectional": False,
        }  # fmt: skip

    return [
        {
            "factory": factory, "name": name, "zone": None, "geography": "KR", "process": process,
            "meters": [meter(factory, "main", None), meter(factory, "furnace", f"{factory}-main")],
            "machines": [{"machine": m, "name": name} for m, name in MACHINES.items()], "shifts": [],
            "holidays": [], "products": [], "sequence": 1,
        }
        for factory, (_, name, process, *_) in FACTORIES.items()
    ]  # fmt: skip


def liveness() -> pl.DataFrame:
    rows = []
    for place, factory in enumerate(FACTORIES):
        silent = factory == SILENT
        last = utc(DAYS[5], 16, 41) if silent else utc(DAY, 23, 45 - place)
        coverage = 0.0 if silent else round(1 - len(MISSING_HOURS.get(factory, ())) / 24, 3)
        rows.append((factory, "energy", last, 0 if silent else 96, coverage))
        rows.append((factory, "states", last - timedelta(hours=1), 0 if silent else 310, coverage and 0.982))
    return pl.DataFrame(
        rows,
        schema={
            "factory": pl.String, "stream": pl.String, "last_event": pl.Datetime("us", "UTC"),
            "messages": pl.Int64, "coverage": pl.Float64,
        },
        orient="row",
    )  # fmt: skip


def report_rows() -> list[dict[str, Any]]:
    """What the liveness report says of the closed day, and of an earlier one of naru."""

    def row(factory: str, source: str, reasons: str | None, score: int, **more: Any) -> dict[str, Any]:
        return {
            "day": DAY, "factory": factory, "stream": "energy", "source": source, "last_event": utc(DAY, 23),
            "expected": 1440.0, "received": 1440, "share": 1.0, "reasons": reasons, "score": score,
            "known_at": NOMINAL, **more,
        }  # fmt: skip

    of_two_days_ago = '{"copied_day":{"hours":23,"of":"2025-11-05","of_hours":24}}'
    elsewhere = '{"copied_factory":{"hours":23,"of_hours":24,"same_day":true}}'
    silent = {"last_event": utc(DAYS[5], 16, 41), "received": 0, "share": 0.0}
    return [
        *(row(factory, "*", None, 0) for factory in FACTORIES if factory != SILENT),
        row(SILENT, "*", "silent", 60, evidence='{"silent":{"last_event":"2025-11-08T07:41:00Z"}}', **silent),
        row("dasom", "dasom-furnace", "copied_factory", 60, evidence=elsewhere),
        row("naru", "naru-main", "copied_day", 55, evidence=of_two_days_ago, day=DAYS[4]),
        row("naru", "naru-furnace", "copied_day", 55, evidence=of_two_days_ago, day=DAYS[4]),
    ]


def dead_letters() -> pl.DataFrame:
    rows = [
        ("garam-1", "factory.garam-1.energy", "truncated", 2),
        ("garam-1", "factory.garam-1.states", "unknown_schema", 1),
        ("dasom", "factory.dasom.energy", "unknown_unit", 14),
        (None, "gateway.changwon-west.energy", "tenant_mismatch", 5),
    ]
    schema = {"factory": pl.String, "topic": pl.String, "reason": pl.String, "count": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def gap_rows() -> list[dict[str, Any]]:
    earlier = datetime(2025, 11, 6, 3, tzinfo=SEOUL)
    return [
        {
            "topic": "factory.naru.energy", "incarnation": "i", "partition": 0, "first_offset": 1200,
            "end_offset": 1288, "reason": "offsets_deleted", "known_at": NOMINAL,
        },
        {
            "topic": "factory.areum.counts", "incarnation": "i", "partition": 0, "first_offset": 40,
            "end_offset": None, "reason": "topic_recreated", "known_at": earlier,
        },
    ]  # fmt: skip


@pytest.fixture(scope="session")
def inputs() -> SiteInputs:
    return SiteInputs(
        cluster=cluster_definition(),
        releases=frame(RELEASES.schema, release_rows() + benchmark_rows()),
        kpis=frame(KPIS.schema, kpi_rows() + programme_rows()),
        baselines=frame(BASELINES.schema, baseline_rows()),
        facts_energy=frame(FACTS_ENERGY.schema, energy_rows()),
        facts_machine=frame(FACTS_MACHINE.schema, machine_rows()),
        emissions=frame(EMISSIONS.schema, emission_rows()),
        profiles=frame(RAW["profile"].schema, profile_rows()),
        liveness=liveness(),
        dead_letters=dead_letters(),
        gaps=frame(GAPS.schema, gap_rows()),
        report=frame(LIVENESS.schema, report_rows()),
        day=DAY,
        nominal=NOMINAL,
    )


@pytest.fixture(scope="session")
def content(inputs: SiteInputs) -> SiteContent:
    return build_content(inputs)


class Page(HTMLParser):
    """A page taken apart: its words per language, what it points to, its table headers and charts."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.spoken: dict[str, list[str]] = {"ko": [], "en": []}
        self.links: list[str] = []
        self.ids: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[tuple[str, str | None]] = []
        self.feed(text)
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        self.links += [v for k, v in attrs if k in {"href", "src", "srcset", "action", "data"} and v]
        self.ids += [v for k, v in attrs if k == "id" and v]
        if tag not in self.VOID:
            translated = "t" in (attributes.get("class") or "").split()
            self._open.append((tag, attributes.get("lang") if translated else None))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        language = next((language for _, language in reversed(self._open) if language), None)
        for spoken in [language] if language else ["ko", "en"]:
            self.spoken[spoken].append(data)

    def text(self, language: str) -> str:
        return " ".join(" ".join(self.spoken[language]).split())


@pytest.fixture(scope="session")
def files(content: SiteContent) -> dict[str, bytes]:
    return render_site(content)


@pytest.fixture(scope="session")
def pages(files: dict[str, bytes]) -> dict[str, Page]:
    return {name: Page(page.decode()) for name, page in files.items() if name.endswith(".html")}
