"""Estimates of unmetered factories on a store: the command, the nightly activities, their versions."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from pipelines.connectors.clusters import load_cluster
from pipelines.connectors.store import ClusterStore, arrow_frame
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA, append_entries
from pipelines.jobs.carbon import derive_carbon
from pipelines.jobs.carbon_activities import derive_activities
from pipelines.jobs.emissions import derive_emissions
from pipelines.jobs.kpis import derive_elements, derive_kpis
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.schemas.tables import (
    ACTIVITIES,
    EMISSION_STATEMENTS,
    FACTS_ENERGY,
    FACTS_MACHINE,
    KPIS,
    RAW,
    RELEASES,
    Table,
)
from tests.jobs.conftest import Hub, make_hub
from tests.perf.energy import night_on

MONTH = date(2022, 5, 1)
FIGURE = "park/process/casting/month/2022-05-01/energy_kwh_per_unit@1"
# Beginning of June 2 in Seoul at 03:00: May is final, its figures were released.
JUNE_2 = datetime(2022, 6, 1, 18, tzinfo=UTC)
GRID = 0.4541  # kg CO2e/kWh of 2020-2022
KNOWN_THEN = 0.4777  # in June 2022: that of 2018, carried forward
CLUSTER = """
cluster: park
name: {ko: 단지, en: Park}
zone: Asia/Seoul
geography: KR
policy: {version: "1", classes: {A: {min_contributors: 3, coalition: 1}}}
members:
- {member: u, name: {ko: 유, en: U}, holding: u, factories: [{factory: u, joined: 2022-01-01}]}
- {member: m, name: {ko: 엠, en: M}, holding: m, factories: [{factory: m, joined: 2022-01-01}]}
carbon: {estimate_unmetered: [u]}
"""


def add(store: ClusterStore, table: Table, *rows: Mapping[str, Any]) -> None:
    store.open(table).append(arrow_frame(pa.Table.from_pylist(list(rows), schema=table.schema)), {})


def profile(factory: str, **changes: Any) -> dict[str, Any]:
    meter = {"meter": "main", "carrier": "electricity", "unit": "kWh", "bidirectional": False}
    castings = {"product": "gj", "unit": "kg", "product_class": "iron-castings"}
    return {
        "day": date(2022, 1, 1), "bucket": 0, "factory": factory, "process": "casting", "geography": "KR",
        "valid_from": datetime(2022, 1, 1, tzinfo=UTC), "meters": [meter], "machines": [], "shifts": [],
        "holidays": [], "products": [castings], "sequence": 1,
        "record_timestamp": datetime(2022, 1, 1, tzinfo=UTC), **changes,
    }  # fmt: skip


def count(day: int, kg: float, **changes: Any) -> dict[str, Any]:
    start = datetime(2022, 5, day, tzinfo=UTC)
    return {
        "day": date(2022, 5, day), "bucket": 0, "factory": "u", "machine": "f1", "product": "gj",
        "start": start, "end": start + timedelta(hours=1), "pq": kg, "coverage": 1.0, "quality": "measured",
        "status": "final", "version": 1, **changes,
    }  # fmt: skip


def hour_of_m(kwh: float, version: str) -> dict[str, Any]:
    start = datetime(2022, 5, 2, tzinfo=UTC)
    return {
        "day": date(2022, 5, 2), "bucket": 0, "factory": "m", "meter": "main", "carrier": "electricity",
        "allocation": "hour", "start": start, "end": start + timedelta(hours=1), "quantity": kwh,
        "coverage": 1.0, "quality": "measured", "status": "final", "version": 1, "profile_version": version,
    }  # fmt: skip


def publish(store: ClusterStore, known_at: datetime, **changes: Any) -> None:
    """Release the month's figure of the foundries, of 18 holdings or more."""
    row = dict.fromkeys(FIGURE_SCHEMA) | {
        "figure_id": FIGURE, "cluster": "park", "breakdown": "process", "group": "casting", "period": "month",
        "period_start": MONTH, "period_end": date(2022, 6, 1), "kpi": "energy_kwh_per_unit",
        "definition_version": "1", "statistic": "order_statistic", "status": "published", "value": 2.0,
        "unit": "kWh/unit", "grid_step": 0.1, "contributors": "10+", "coverage": 1.0, "provisional": False,
        "p25": 1.6, "p33": 1.7, "p67": 2.3, "p75": 2.5, **changes,
    }  # fmt: skip
    table = store.open(RELEASES)
    figures = pl.DataFrame([row], schema=FIGURE_SCHEMA, orient="row")
    table.append(append_entries(table.scan().collect(), figures, known_at), {})


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A hub whose factory u has counts and no meter, beside the metered m; nothing is released yet."""
    made = make_hub(tmp_path)
    (tmp_path / "clusters" / "park.yaml").write_text(CLUSTER, encoding="utf-8")
    store = made.store("park")
    add(store, RAW["profile"], profile("u", meters=[]), profile("m"))
    add(store, FACTS_MACHINE, *(count(day, 100.0) for day in range(1, 11)))
    versions = dict(read_profiles(night(made)).rows.select("factory", "profile_version").iter_rows())
    add(store, FACTS_ENERGY, hour_of_m(500.0, versions["m"]))
    return made


def night(hub: Hub, days: int = 0, **carbon: Any) -> Night:
    store = hub.store("park")
    cluster = load_cluster(hub.root / "clusters", "park")
    changed = replace(cluster, carbon=replace(cluster.carbon, **carbon))
    return replace(night_on(store, [], as_of=JUNE_2 + timedelta(days=days)), cluster=changed)


def lived(hub: Hub, days: int = 0, **carbon: Any) -> int:
    """Live the carbon steps of a night; returns the new activities."""
    tonight = night(hub, days, **carbon)
    fresh = derive_activities(tonight)
    derive_carbon(tonight)
    return fresh


def estimates(hub: Hub) -> list[tuple[Any, ...]]:
    rows = hub.rows("park", ACTIVITIES).filter(source="estimate").sort("version")
    return rows.select("version", "amount", "withdrawn", "reason").rows()


def asked(hub: Hub, *options: object) -> list[dict[str, str]]:
    answer = hub.run("emissions", "estimate", "--cluster", "park", "--period", "2022-05", *options)
    assert answer.code == 0, answer.err
    return answer.csv()


def test_the_command_prints_energy_emissions_and_the_figure_that_they_rest_on(hub: Hub) -> None:
    publish(hub.store("park"), JUNE_2)
    location, market = asked(hub, "--factory", "u")
    # 10 days of 100 kg at 2.0 kWh/kg, quartiles 1.6 and 2.5, half a step 0.05
    assert float(location["energy_kwh"]) == 2000.0
    assert float(location["energy_low_kwh"]) == pytest.approx(1950.0 / (2.55 / 1.55) ** 1.9)
    assert float(location["energy_high_kwh"]) == pytest.approx(2050.0 * (2.55 / 1.55) ** 1.9)
    assert float(location["co2e_kg"]) == pytest.approx(2000 * GRID)
    assert (location["method"], market["method"]) == ("location", "market")
    assert (location["quality"], location["basis"]) == ("estimated", f"{FIGURE}@1")
    assert (location["output"], location["output_unit"]) == ("1000.0", "kg")
    assert f"peer_estimate:{FIGURE}@1;output_days:10" in location["reason"]


def test_an_output_that_the_operator_states_is_converted_to_the_products_unit(hub: Hub) -> None:
    publish(hub.store("park"), JUNE_2)
    told = asked(hub, "--factory", "u", "--output", 3, "--unit", "t")[0]
    assert (float(told["output"]), float(told["energy_kwh"])) == (3000.0, 6000.0)
    assert "output_days" not in told["reason"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--factory", "nobody"], "--factory nobody"),
        (["--factory", "u", "--output", 3], "--unit"),
        (["--factory", "u", "--output", 3, "--unit", "pair"], "iron-castings is counted in kg"),
        (["--factory", "u", "--period", "2022"], "no month"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(hub: Hub, options: list[object], told: str) -> None:
    answer = hub.run("emissions", "estimate", "--cluster", "park", "--period", "2022-05", *options)
    assert answer.code == 2
    assert told in answer.err
    assert re.search("[가-힣]", answer.err)
    assert not answer.out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "withheld", "value": None, "grid_step": None}, "benchmark_withheld"),
        ({"p25": None, "p75": None, "p33": None, "p67": None}, "quartiles_missing"),
    ],
)
def test_a_refusal_is_a_row_without_numbers(hub: Hub, changes: dict[str, Any], reason: str) -> None:
    publish(hub.store("park"), JUNE_2, **changes)
    (row,) = asked(hub, "--factory", "u")
    assert row["reason"] == reason
    assert not row["energy_kwh"]
    assert not row["co2e_kg"]


def test_a_metered_factory_and_a_month_without_benchmarks_are_not_estimated(hub: Hub) -> None:
    assert asked(hub, "--factory", "u")[0]["reason"] == "no_benchmark"
    publish(hub.store("park"), JUNE_2)
    assert asked(hub, "--factory", "m")[0]["reason"] == "metered"


def test_the_night_after_the_release_takes_the_estimate_and_statements_keep_it_apart(hub: Hub) -> None:
    store = hub.store("park")
    publish(store, night(hub).nominal)
    lived(hub)
    assert estimates(hub) == []  # what this night released is for the next
    assert lived(hub, days=1) == 1
    assert lived(hub, days=1) == 0
    assert estimates(hub) == [(1, 2000.0, False, f"peer_estimate:{FIGURE}@1;output_days:10")]
    rows = hub.rows("park", EMISSION_STATEMENTS).filter(
        level="cluster", period="month", scope="2", method="location"
    )
    newest = rows.sort("version").row(-1, named=True)
    assert newest["co2e_kg"] == pytest.approx(2500 * KNOWN_THEN)
    assert newest["estimated_co2e_kg"] == pytest.approx(2000 * KNOWN_THEN)
    assert newest["estimated_share"] == pytest.approx(0.8)
    # The command takes the factor that the month keeps, not the one that is known today.
    assert float(asked(hub, "--factory", "u")[0]["co2e_kg"]) == pytest.approx(2000 * KNOWN_THEN)


def test_a_restated_benchmark_makes_a_new_version_and_a_listing_that_ends_withdraws_it(hub: Hub) -> None:
    store = hub.store("park")
    publish(store, JUNE_2 - timedelta(days=1))
    lived(hub)
    publish(store, JUNE_2, value=2.1)
    lived(hub, days=1)
    lived(hub, days=2, estimate_unmetered=())
    assert [(v, amount, gone) for v, amount, gone, _ in estimates(hub)] == [
        (1, 2000.0, False),
        (2, 2100.0, False),
        (3, None, True),
    ]
    assert lived(hub, days=3, estimate_unmetered=()) == 0


def test_a_bill_takes_the_place_of_an_estimate(hub: Hub) -> None:
    store = hub.store("park")
    publish(store, JUNE_2 - timedelta(days=1))
    lived(hub)
    told = datetime(2022, 6, 2, tzinfo=UTC)
    bill = {
        "day": MONTH, "bucket": 0, "factory": "u", "activity_id": "bill", "activity": "electricity",
        "start": datetime(2022, 4, 30, 15, tzinfo=UTC), "end": datetime(2022, 5, 31, 15, tzinfo=UTC),
        "amount": 1800.0, "unit": "kWh", "geography": "KR", "sequence": 1, "record_timestamp": told,
    }  # fmt: skip
    add(store, RAW["activities"], bill)
    lived(hub, days=1)
    assert [(amount, gone) for _, amount, gone, _ in estimates(hub)] == [(2000.0, False), (None, True)]
    assert asked(hub, "--factory", "u")[0]["reason"] == "electricity_told"


def test_an_estimate_never_contributes_to_what_is_released(hub: Hub) -> None:
    """Totals and benchmarks are of KPI rows with a value; the ledger's estimate gives the factory none."""
    publish(hub.store("park"), JUNE_2 - timedelta(days=1))
    lived(hub)
    assert len(estimates(hub)) == 1
    tonight = night(hub)
    derive_emissions(tonight)
    derive_elements(tonight)
    derive_kpis(tonight)
    rows = hub.rows("park", KPIS).filter(level="factory", period="month")
    kwh = dict(rows.filter(kpi="energy_kwh").select("subject", "value").iter_rows())
    kg = dict(rows.filter(kpi="co2e_kg").select("subject", "value").iter_rows())
    assert kwh == {"m": 500.0, "u": None}
    assert kg == {"m": pytest.approx(500 * KNOWN_THEN), "u": None}
    of_u = rows.filter(subject="u", kpi="energy_kwh_per_unit").row(0, named=True)
    assert (of_u["value"], of_u["reason"]) == (None, "missing_element:energy_kwh")


def test_a_listed_factory_that_the_cluster_does_not_have_is_refused(hub: Hub) -> None:
    file = hub.root / "clusters" / "park.yaml"
    file.write_text(CLUSTER.replace("estimate_unmetered: [u]", "estimate_unmetered: [v]"), encoding="utf-8")
    answer = hub.run("emissions", "estimate", "--cluster", "park", "--period", "2022-05", "--factory", "u")
    assert answer.code == 12
    assert "carbon.estimate_unmetered.0" in answer.err
