"""Totals of scopes through nights: a closed month's lines become figures, behind the gate, once."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.jobs.conftest import Park, ParkOf, instant, midnight
from tests.jobs.test_carbon import GRID, MONTH, restated, tell, three

FIRST, DAYS = date(2025, 11, 3), 16
CLOSING = three(date(2025, 12, 2))
LNG_KG = (50_000.0, 55_000.0, 45_000.0, 52_500.0)


@pytest.fixture(scope="module")
def closed(park_of: ParkOf) -> Park:
    """A park of four after its November: 16 days of power, boiler gas of each, steam that a sells to b."""
    park = park_of("archive")
    others = (f"c-{park.tag}", f"d-{park.tag}")
    park.define(*others)
    who = (park.a, park.b, *others)
    park.send_profiles(*who)
    told = midnight(FIRST) + timedelta(days=DAYS, hours=1)
    sold = {"flow": "sold", "counterpart": park.b, "transfer_id": "s1"}
    bought = {"flow": "bought", "counterpart": park.a, "transfer_id": "s1", "supplier_kg_per_unit": 62.5}
    steam = {park.a: sold, park.b: bought}
    for n, (factory, kg) in enumerate(zip(who, LNG_KG, strict=True)):
        power = park.energy(factory, instant(FIRST), [10.0 + n] * 24 * DAYS)
        park.send(park.topic("energy", factory), [power], told)
        records = [tell(park, factory, "lng", "lng", kg, "kg")]
        if factory in steam:
            records.append(tell(park, factory, "steam", "steam", 20.0, "GJ", **steam[factory]))
        park.send(park.topic("activities", factory), records, told)
    before = park.nightly(three(date(2025, 11, 30)))
    assert before.code == 0, before.err
    assert figures(park) == {}
    assert park.nightly(CLOSING).code == 0
    return park


def figures(park: Park) -> dict[str, dict[str, Any]]:
    """Return everybody's newest figures of scopes by KPI, without `co2e_` and `_kg`."""
    own = park.rows("releases").filter(
        pl.col("kpi").str.contains("scope|transfers"), pl.col("breakdown") == "cluster"
    )
    newest = own.sort("sequence").unique("figure_id", keep="last", maintain_order=True)
    return {r["kpi"].removeprefix("co2e_").removesuffix("_kg"): r for r in newest.iter_rows(named=True)}


def test_a_closed_month_has_published_and_withheld_totals(closed: Park) -> None:
    found = figures(closed)
    assert {kpi: r["status"] for kpi, r in found.items()} == {
        "scope1": "published", "scope2_location": "published", "scope2_market": "published",
        # The grid factor's source names no GWP set, gas is added by AR5: these are never one sum.
        "scope12_location": "not_estimable", "scope12_market": "not_estimable",
        "transfers": "withheld",
    }  # fmt: skip
    # 46 kWh an hour: the steam that b bought is not in it.
    assert found["scope2_location"]["value"] == round(46.0 * 24 * DAYS * GRID)
    assert found["scope2_location"]["coverage"] == 0.53  # 16 of 30 days
    assert found["scope2_location"]["provisional"]  # the factor is carried forward
    assert (found["scope1"]["coverage"], found["scope1"]["period"]) == (1.0, "month")
    assert {r["contributors"] for r in found.values()} == {"fewer than 10"}


def test_the_total_of_fuels_is_the_statements(closed: Park) -> None:
    park = closed.rows("emission_statements").filter(level="cluster", period="month", scope="1")
    newest = park.filter(pl.col("version") == pl.col("version").max())["co2e_kg"].item()
    assert figures(closed)["scope1"]["value"] == round(newest)


def test_a_member_finds_its_own_scopes_among_its_kpis(closed: Park) -> None:
    own = closed.rows("kpis").filter(subject=closed.b, day=MONTH, period="month", level="member")
    kg = dict(own.filter(pl.col("kpi").str.contains("scope2|transfers")).select("kpi", "value").iter_rows())
    assert kg["co2e_scope2_location_kg"] == pytest.approx(11.0 * 24 * DAYS * GRID)
    assert kg["co2e_transfers_kg"] == 1_250.0


def test_a_released_total_leads_back_to_its_bytes_and_they_give_it_again(
    closed: Park, tmp_path: Path
) -> None:
    figure, out = f"park/cluster/*/month/{MONTH}/co2e_scope1_kg@1", tmp_path / "trace.json"
    asked = ("trace", figure, "--json", out, "--replay", "--source", "archive")
    answer = closed.hub.run(*asked)
    assert answer.code == 0, answer.err
    told = json.loads(out.read_text(encoding="utf-8"))
    # kg of gas x what a kg of it emits: a's part.
    line = next(x for x in told["lines"] if x["activity_id"] == "lng" and x["factory"] == closed.a)
    assert f"{closed.a} adds {line['co2e_kg']!r} kg CO2e" in told["remarks"]
    assert sum(remark.endswith("kg CO2e") for remark in told["remarks"]) == len(LNG_KG)
    assert {slice_["topic"].rsplit(".", 1)[1] for slice_ in told["offsets"]} == {"energy", "activities"}
    assert told["replay"]["equal"]


def test_a_withheld_total_is_not_traced(closed: Park) -> None:
    answer = closed.hub.run("trace", f"park/cluster/*/month/{MONTH}/co2e_transfers_kg@1")
    assert answer.code == 2
    assert "is withheld: nothing was published" in answer.err


def test_the_same_night_twice_adds_nothing(closed: Park) -> None:
    before = closed.hub.state("park")
    assert closed.nightly(CLOSING).line("result").startswith("nothing new")
    assert closed.hub.state("park") == before


def test_a_restatement_of_all_is_published_the_next_night_and_found_safe(closed: Park) -> None:
    first = figures(closed)["scope1"]
    restated(closed, "--gwp", "AR6", "--cause", "asked for")
    assert closed.nightly(three(date(2025, 12, 3))).code == 0
    second = figures(closed)["scope1"]
    assert (second["status"], second["revision"]) == ("published", 2)
    assert 0 < abs(second["value"] - first["value"]) < 0.01 * first["value"]
    audited = closed.hub.run("ledger", "audit", "--cluster", "park", "--coalition", "2")
    assert audited.code == 0, audited.err
