"""No protected number leaves: a night on planted values, and all that it publishes is searched for them.

The search has teeth: one value planted in a copy of the output, in any form, is found.
"""

import contextlib
import io
import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import fastavro
import polars as pl
import pytest

from flows import nightly as flow
from pipelines.connectors.archive import ArchiveSource
from pipelines.connectors.registry import LocalRegistry
from pipelines.connectors.sealing import LedgerKey
from pipelines.connectors.sink import OpenSink
from pipelines.connectors.store import ClusterStore
from pipelines.domain.cluster import (
    Breakdown,
    ClassPolicy,
    ClusterDefinition,
    DisclosurePolicy,
    Factory,
    Member,
    Traits,
)
from pipelines.domain.disclosure.policy import Dominance, TablePolicy
from pipelines.jobs import nightly
from pipelines.jobs.night import Night
from pipelines.jobs.reporting import configure_logs, print_summary
from pipelines.jobs.summary import summary_lines
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.outputs import benchmarks_topic, member_topic
from pipelines.schemas.tables import (
    BASELINES,
    EMISSIONS,
    FACTS_ENERGY,
    KPIS,
    LEDGER_HEADS,
    RAW,
    RELEASE_INPUTS,
    RELEASES,
    TABLES,
)
from tests.canaries import Finding, Planter, Searcher, files_below, written_forms
from tests.jobs.test_output import Shelf
from tests.perf.energy import night_on
from tests.publish.conftest import frame

CLUSTER = "canary"
MEMBERS = tuple(f"m{n:02}" for n in range(12))
JOINED, DAY = date(2025, 9, 1), date(2025, 11, 10)
AS_OF = datetime(2025, 11, 10, 18, tzinfo=UTC)  # 03:00 in Seoul
PERIODS = (("day", DAY - timedelta(days=1)), ("day", DAY), ("month", date(2025, 10, 1)))
# Elements of a factory lie between these; KPIs are made of them as the catalogue says.
ELEMENTS = {
    "energy": (9_000.0, 20_000.0), "co2e": (4_000.0, 9_000.0), "pq": (4_000.0, 9_000.0),
    "pru_gq": (30_000.0, 50_000.0), "apt": (40_000.0, 55_000.0), "pbt": (60_000.0, 80_000.0),
    "gp": (4_000.0, 4_900.0), "ip": (5_000.0, 9_000.0),
}  # fmt: skip
MADE_OF = {
    "energy_kwh": ("energy",), "co2e_kg": ("co2e",), "oee": ("pru_gq", "pbt"), "availability": ("apt", "pbt"),
    "energy_kwh_per_unit": ("energy", "pq"), "first_pass_yield": ("gp", "ip"),
}  # fmt: skip
POLICY_NUMBERS = {"p_percent": 10.31415926, "k_percent": 73.91834627, "persistence_percent": 5.271828183}


def policy() -> DisclosurePolicy:
    p, k, persistence = (Fraction(repr(number)) for number in POLICY_NUMBERS.values())
    rules = TablePolicy(3, dominance=(Dominance(1, k),), p_percent=p, coalition=1)
    limits = ClassPolicy(rules)
    return DisclosurePolicy("canary", {"A": limits, "B": replace(limits, ageing_months=1)}, persistence)


def cluster_definition() -> ClusterDefinition:
    return ClusterDefinition(
        cluster=CLUSTER, name_ko="카나리아", name_en="Canaries", zone="Asia/Seoul", geography="KR",
        members=tuple(Member(m, f"회원 {m}", f"Member {m}", m) for m in MEMBERS),
        factories=tuple(
            Factory(f"{m}-f", m, JOINED, None, (Traits(JOINED, "casting", size=size),))
            for m, size in zip(MEMBERS, ("small", "medium") * 6, strict=True)
        ),
        gateways=(), policy=policy(), breakdowns=(Breakdown(("process",)), Breakdown(("size",))),
    )  # fmt: skip


def planted_amounts(planter: Planter, name: str) -> dict[str, float]:
    """Plant a factory's elements of one period, and the ratios that are made of them."""
    while True:
        amounts = {element: planter.number(*ends) for element, ends in ELEMENTS.items()}
        ratios = {kpi: amounts[made[0]] / amounts[made[1]] for kpi, made in MADE_OF.items() if len(made) > 1}
        if planter.plant(**{f"{name}/{what}": value for what, value in (amounts | ratios).items()}):
            return amounts


def planted_kpis(planter: Planter) -> list[dict[str, Any]]:
    """Plant amounts and values of every member's factory; its rows of all levels."""
    rows = []
    for member, (period, start) in product(MEMBERS, PERIODS):
        amounts = planted_amounts(planter, f"{member}/{period}/{start}")
        for kpi, made in MADE_OF.items():
            definition = kpi_book().find(kpi)
            assert definition is not None
            sums = [amounts[element] for element in made]
            denominator = sums[1] if len(sums) > 1 else None
            row = {
                "day": start, "period": period, "kpi": kpi, "definition_version": definition.version,
                "numerator": sums[0], "denominator": denominator,
                "value": sums[0] if denominator is None else sums[0] / denominator,
                "unit": definition.unit, "coverage": 1.0, "product_class": "aluminium-castings",
                "status": "final" if period == "month" or start < DAY else "provisional",
                "sums": sums, "weight": 86400.0, "covered": 86400.0, "basis": None, "known_at": AS_OF,
            }  # fmt: skip
            levels = {"factory": f"{member}-f", "member": member, "peer": f"{member}/casting"}
            rows += [{**row, "level": level, "subject": subject} for level, subject in levels.items()]
    return rows


def planted_one(planter: Planter, name: str, low: float, high: float) -> float:
    while True:
        number = planter.number(low, high)
        if planter.plant(**{name: number}):
            return number


def planted_hours(planter: Planter) -> list[dict[str, Any]]:
    midnight = datetime(2025, 11, 9, 15, tzinfo=UTC)
    return [
        {
            "day": DAY, "bucket": 0, "factory": f"{member}-f", "meter": "main", "carrier": "electricity",
            "allocation": "hour", "start": midnight + timedelta(hours=hour),
            "end": midnight + timedelta(hours=hour + 1), "unit": "kWh", "coverage": 1.0,
            "quantity": planted_one(planter, f"{member}/hour {hour}", 300, 900), "quality": "measured",
            "status": "provisional", "version": 1, "profile_version": "p", "known_at": AS_OF,
        }
        for member in MEMBERS
        for hour in range(24)
    ]  # fmt: skip


def planted_baselines(planter: Planter) -> list[dict[str, Any]]:
    return [
        {
            "level": level, "subject": subject, "kpi": "oee", "definition_version": "1", "revision": 1,
            "period_start": date(2025, 9, 1), "period_end": date(2025, 10, 1), "unit": "1", "coverage": 1.0,
            "value": planted_one(planter, f"{member}/baseline {level}", 0.4, 0.7), "set_at": AS_OF,
        }
        for member in MEMBERS
        for level, subject in (("factory", f"{member}-f"), ("member", member))
    ]  # fmt: skip


def planted_emissions(planter: Planter) -> list[dict[str, Any]]:
    return [
        {
            "day": DAY, "bucket": 0, "factory": f"{member}-f", "carrier": "electricity", "scope": 2,
            "method": "location", "start": AS_OF, "end": AS_OF, "factor_id": "kr", "gwp_set": "AR5",
            "energy_kwh": planted_one(planter, f"{member}/emissions energy", 9_000, 20_000),
            "co2e_kg": planted_one(planter, f"{member}/emissions co2e", 4_000, 9_000),
            "factor_kg_per_kwh": 0.4173, "factor_match": "exact", "provisional": False, "known_at": AS_OF,
        }
        for member in MEMBERS
    ]  # fmt: skip


def profiles() -> list[dict[str, Any]]:
    meter = {"meter": "main", "carrier": "electricity", "unit": "kWh", "parent": None, "bidirectional": False}
    return [
        {
            "day": JOINED, "bucket": 0, "factory": f"{member}-f", "valid_from": AS_OF - timedelta(days=60),
            "name": f"{member} 공장", "zone": None, "geography": "KR", "process": "casting",
            "meters": [meter], "machines": [], "shifts": [], "holidays": [], "products": [], "sequence": 1,
        }
        for member in MEMBERS
    ]  # fmt: skip


@dataclass(frozen=True)
class Left:
    """What a night left, and what must not be in it.

    Args:
        canaries: secret numbers by name; a member's begin with its id.
        common: files that nobody's circle of one member limits: the operator's, the cluster's topic, tables
            that leave the hub, logs, artifacts, messages.
        own: files of each member's own circle.
        published: the ledger's published rows.
    """

    canaries: Mapping[str, float]
    common: dict[str, bytes]
    own: dict[str, dict[str, bytes]]
    published: pl.DataFrame

    def of_others(self, member: str) -> dict[str, float]:
        return {name: v for name, v in self.canaries.items() if not name.startswith(f"{member}/")}


def records_as_files(shelf: Shelf) -> dict[str, bytes]:
    """Return each topic's records as they are and as a consumer reads them."""
    registry = LocalRegistry(packaged_folder("avro") / "history")
    files = {}
    for topic, records in shelf.records.items():
        for number, record in enumerate(records):
            name = f"topic/{topic}/{number}"
            assert record.value is not None
            text = registry.text(int.from_bytes(record.value[1:5], "big"))
            assert text is not None
            read = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), json.loads(text), None)
            files[f"{name}.avro"] = record.value
            files[f"{name}.json"] = record.key + b"\n" + json.dumps(read, default=str).encode()
    return files


def messages_of_failures(night: Night, root: Path) -> Iterator[str]:
    """Make steps of the night fail, and return what they say, tracebacks included."""
    folder = root / "no site"
    folder.mkdir()
    (folder / "thesis.doc").write_text("years of work")
    failing = Shelf(fails_at=benchmarks_topic(CLUSTER))
    attempts = {
        "release": replace(night, ledger_key=None),
        "publish": night,
        "output": replace(night, open_outputs=lambda: OpenSink("failing", failing)),
        "release again": with_infinity(night, root),
    }
    for step, broken in attempts.items():
        with pytest.raises(Exception) as failed:  # noqa: PT011 - whatever fails, its message is looked at
            nightly.STEPS[step.removesuffix(" again")](broken, report_of(night), folder)
        yield "".join(traceback.format_exception(failed.value))


def with_infinity(night: Night, root: Path) -> Night:
    """Return the night on a store in which one member's amount is infinite."""
    store = ClusterStore(str(root / "broken"), CLUSTER)
    rows = night.store.open(KPIS).scan().collect()
    first = (pl.col("subject") == "m00-f") & (pl.col("kpi") == "energy_kwh")
    infinite = pl.when(first).then(float("inf")).otherwise("numerator")
    store.open(KPIS).append(rows.with_columns(numerator=infinite), {})
    store.open(RAW["profile"]).append(night.store.open(RAW["profile"]).scan().collect(), {})
    return replace(night, store=store)


def report_of(night: Night) -> nightly.NightReport:
    return nightly.NightReport(CLUSTER, night.nominal.isoformat(), DAY)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, ledger_key_file: Path) -> Left:
    """Run the steps of a night that publish, on tables full of canaries."""
    root = tmp_path_factory.mktemp("canaries")
    planter = Planter(20251110)
    rows = {
        KPIS.name: planted_kpis(planter), FACTS_ENERGY.name: planted_hours(planter),
        BASELINES.name: planted_baselines(planter), EMISSIONS.name: planted_emissions(planter),
    }  # fmt: skip
    assert planter.plant(**{f"policy/{name}": number for name, number in POLICY_NUMBERS.items()})
    store = ClusterStore(str(root / "store"), CLUSTER)
    for name, some in rows.items():
        store.open(TABLES[name]).append(frame(TABLES[name].schema, some), {})
    store.open(RAW["profile"]).append(frame(RAW["profile"].schema, profiles()), {})
    (root / "archive").mkdir()
    shelf = Shelf()
    night = replace(
        night_on(store, [], as_of=AS_OF),
        cluster=cluster_definition(),
        ledger_key=LedgerKey.read(ledger_key_file),
        open_outputs=lambda: OpenSink("shelf", shelf),
        source=ArchiveSource(str(root / "archive")),
    )
    said, artifacts = told_of(night, root)
    site = files_below(root / "site")
    folders = {name: name.partition("/")[0] for name in site}
    records = records_as_files(shelf)
    topics = {member_topic(member): member for member in MEMBERS}
    common = {name: page for name, page in site.items() if folders[name] not in MEMBERS}
    common |= {name: r for name, r in records.items() if name.split("/")[1] not in topics}
    for table in (RELEASES, LEDGER_HEADS, RELEASE_INPUTS):
        below = files_below(Path(store.table_uri(table.name)))
        common |= {f"{table.name}/{name}": content for name, content in below.items()}
    common |= {"log": said.encode(), "artifacts": artifacts.encode()}
    common |= {f"failure {n}": m.encode() for n, m in enumerate(messages_of_failures(night, root))}
    own: dict[str, dict[str, bytes]] = {member: {} for member in MEMBERS}
    for name, page in site.items():
        if folders[name] in own:
            own[folders[name]][name] = page
    for name, record in records.items():
        if (member := topics.get(name.split("/")[1])) is not None:
            own[member][name] = record
    published = store.open(RELEASES).scan().filter(pl.col("status") == "published").collect()
    return Left(planter.planted, common, own, published)


def told_of(night: Night, root: Path) -> tuple[str, str]:
    """Run the steps; return all that was logged or printed, and the artifact of the flow."""
    left: list[str] = []
    logged, out, err = io.StringIO(), io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            configure_logs()
            report = report_of(night)
            for step in ("release", "publish", "output"):
                nightly.run_step(step, night, report, root / "site")
            lines = summary_lines(report)
            print_summary(lines)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(before)
    with mock.patch.object(flow, "create_table_artifact", lambda **more: left.append(json.dumps(more))):
        flow._leave_artifact(CLUSTER, lines)
    return f"{logged.getvalue()}\n{out.getvalue()}\n{err.getvalue()}", "\n".join(left)


def test_the_night_published_something_and_withheld_something(left: Left) -> None:
    """Else nothing to find would prove nothing."""
    assert left.published.height >= 8
    assert {"day", "month"} <= set(left.published["period"])
    assert len(left.canaries) > 700
    assert {name.partition("/")[0] for name in left.common} >= {
        "operator", "topic", "releases", "ledger_heads", "log", "artifacts", "failure 0", "failure 1",
    }  # fmt: skip
    assert all(len(files) > 20 for files in left.own.values())


def test_no_protected_number_is_in_anything_that_leaves_its_circle(left: Left) -> None:
    assert Searcher(left.canaries).search(left.common) == []


def test_a_member_s_own_files_hold_no_number_of_others_and_no_policy(left: Left) -> None:
    found: list[Finding] = []
    for member in MEMBERS:
        found += Searcher(left.of_others(member)).search(left.own[member])
    assert found == []


def test_a_member_s_own_numbers_are_in_its_own_files(left: Left) -> None:
    """The search finds what is there: a member's topic holds its own values in full."""
    own = {name: v for name, v in left.canaries.items() if name.startswith("m03/")}
    topic = {n: content for n, content in left.own["m03"].items() if n.startswith("topic/")}
    found = {f.canary for f in Searcher(own).search(topic)}
    assert {name for name in own if name.startswith(("m03/day", "m03/month"))} <= found


VICTIM = "m05/month/2025-10-01/pru_gq"
FORMS = sorted(written_forms(1.0))


@pytest.mark.parametrize("form", FORMS)
def test_one_value_planted_in_any_form_is_found(left: Left, form: str) -> None:
    written = written_forms(left.canaries[VICTIM])[form]
    page = left.common["operator/index.html"]
    spoilt = page.replace(b"</main>", b"<td>" + written + b"</td></main>")
    found = Searcher(left.canaries).search({"operator/index.html": spoilt})
    assert {f.canary for f in found} == {VICTIM}


@pytest.mark.parametrize("name", ["downloads/{}.csv", "part_{}.parquet", "m05-{}"])
def test_a_value_in_the_name_of_a_file_is_found(left: Left, name: str) -> None:
    value = left.canaries[VICTIM]
    found = Searcher(left.canaries).search({name.format(f"{value:.4f}"): b""})
    assert {f.canary for f in found} == {VICTIM}


def test_a_value_in_statistics_rows_and_columns_of_parquet_is_found(left: Left) -> None:
    value = left.canaries[VICTIM]
    for table in (
        pl.DataFrame({"value": [0.1, value]}),
        pl.DataFrame({"text": [f"between {value} and more"]}),
        pl.DataFrame({f"sum_{value:.3f}": [1]}),
        pl.DataFrame({"single": pl.Series([value], dtype=pl.Float32)}),
    ):
        buffer = io.BytesIO()
        table.write_parquet(buffer, compression="zstd")
        found = Searcher(left.canaries).search({"x.parquet": buffer.getvalue()})
        assert {f.canary for f in found} == {VICTIM}


def test_what_is_rounded_to_few_digits_is_no_finding(left: Left) -> None:
    value = left.canaries[VICTIM]
    assert Searcher({VICTIM: value}).search({"page": f"{value:.3g} {value + 50:.6f}".encode()}) == []


def test_a_number_of_few_digits_is_no_canary() -> None:
    with pytest.raises(ValueError, match="fewer than 7"):
        Searcher({"short": 0.75})
