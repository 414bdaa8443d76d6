"""The carbon ledger through nights: activities, statements, versions, restatements."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.connectors.canonical import canonical_lines, canonical_tables
from pipelines.schemas.tables import EMISSION_STATEMENTS, TABLES
from tests.jobs.conftest import HISTORY, SEOUL, Answer, Park, ParkOf, instant, midnight
from tests.jobs.emission_command import own_factor

MONDAY, TUESDAY, WEDNESDAY = date(2025, 11, 3), date(2025, 11, 4), date(2025, 11, 5)
MONTH = date(2025, 11, 1)
# 2020-2022, carried forward to 2025: 0.4541 kg CO2e/kWh
GRID = 0.4541
CONTRACT_ID = max(int(p.name[:4]) for p in HISTORY.glob("*.activities.*"))


def three(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL)


def tell(
    park: Park, factory: str, name: str, activity: str, amount: float, unit: str, **more: object
) -> bytes:
    """Return a record of what a factory did on Monday."""
    park.sequence += 1
    record = {
        "factory": factory, "activity_id": name, "activity": activity, "start": midnight(MONDAY),
        "end": midnight(TUESDAY), "amount": amount, "unit": unit, "geography": "KR",
        "sequence": park.sequence, **more,
    }  # fmt: skip
    return park.encode("activities", record, CONTRACT_ID)


def rec(kwh: float, certificate: str) -> dict[str, Any]:
    return {"flow": "contract", "claimed_kwh": kwh, "instrument": "rec", "certificate_id": certificate}


def send_activities(park: Park, at: datetime, *, twice: bool = False) -> None:
    """Fuel and steam that a makes, steam that b buys, one certificate that both claim, a leak at b.

    Args:
        park: whose.
        at: when.
        twice: once in this order, and again the other way round.
    """
    a, b = park.a, park.b
    sold = {"flow": "sold", "counterpart": b, "transfer_id": "s1"}
    bought = {"flow": "bought", "counterpart": a, "transfer_id": "s1", "supplier_kg_per_unit": 62.5}
    of_a = [
        tell(park, a, "lng", "lng", 1000.0, "kg"),
        tell(park, a, "steam", "steam", 20.0, "GJ", **sold),
        tell(park, a, "rec", "electricity", 10.0, "kWh", **rec(10.0, "r1")),
        # What negative controls look for: litres as millilitres, and one energy on two bases.
        *(tell(park, a, f"diesel-{n}", "diesel", 100.0, "L") for n in range(5)),
        tell(park, a, "diesel-ml", "diesel", 120_000.0, "L"),
        tell(park, a, "gas-net", "city_gas_lng", 38_500.0, "MJ_ncv"),
        tell(park, a, "gas-gross", "city_gas_lng", 42_700.0, "MJ_ncv"),
    ]
    of_b = [
        tell(park, b, "steam", "steam", 20.0, "GJ", **bought),
        tell(park, b, "rec", "electricity", 10.0, "kWh", **rec(10.0, "r1")),
        tell(park, b, "leak", "HFC-134a", 0.5, "kg", flow="leaked", uncertainty_pct=10.0),
    ]
    for factory, values in ((a, of_a), (b, of_b)):
        park.send(park.topic("activities", factory), [*values[::-1], *values] if twice else values, at)


def send_day(park: Park, day: date, kwh: float) -> None:
    """Send 24 hours of a and b each."""
    at = midnight(day) + timedelta(hours=24, minutes=5)
    park.send(park.topic(), [park.energy(park.a, instant(day), [kwh] * 24)], at)
    park.send(park.gateway_topic, [park.energy(park.b, instant(day), [2 * kwh] * 24)], at)


def statements(park: Park, level: str, subject: str, period: str = "month") -> pl.DataFrame:
    rows = park.rows("emission_statements")
    return rows.filter(pl.col("level") == level, pl.col("subject") == subject, pl.col("period") == period)


def said(rows: pl.DataFrame, version: int, scope: str, method: str) -> list[tuple[str, float | None]]:
    """Return GWP set and kg of a sum."""
    own = rows.filter(version=version, scope=scope, method=method)
    return own.select("gwp_set", "co2e_kg").rows()


def check_chains(park: Park) -> None:
    """Hold every chain against the versions that it joins, to the last bit."""
    sums = {
        (r["statement_id"], r["version"], r["scope"], r["method"], r["gwp_set"]): r["co2e_kg"]
        for r in park.rows("emission_statements").iter_rows(named=True)
    }
    chains = park.rows("restatements").group_by("statement_id", "version", "scope", "method", "gwp_set")
    for (name, version, *key), links in chains:
        ordered = links.sort("step")
        befores, afters = ordered["before_kg"].to_list(), ordered["after_kg"].to_list()
        assert befores[1:] == afters[:-1]
        assert afters[-1] == sums.get((name, version, *key))
        steps = [
            Fraction(b) - Fraction(a) for a, b in zip(befores, afters, strict=True) if None not in {a, b}
        ]
        if None not in {befores[0], *afters}:
            assert sum(steps, Fraction(0)) == Fraction(afters[-1]) - Fraction(befores[0])


@pytest.fixture(scope="module")
def told(park_of: ParkOf) -> Park:
    """A park after two nights: Monday and Tuesday of 1 and 2 kWh an hour, and what both told of Monday."""
    return two_nights(park_of("archive"))


def two_nights(park: Park, *, twice: bool = False) -> Park:
    park.send_profiles(park.a, park.b)
    send_day(park, MONDAY, 1.0)
    send_activities(park, midnight(TUESDAY) + timedelta(hours=1), twice=twice)
    assert park.nightly(three(TUESDAY)).code == 0
    send_day(park, TUESDAY, 1.0)
    answer = park.nightly(three(WEDNESDAY))
    assert answer.code == 0, answer.err
    return park


def test_the_second_run_of_a_night_commits_nothing_to_the_ledger(told: Park) -> None:
    before = told.hub.state("park")
    assert told.nightly(three(WEDNESDAY)).line("result").startswith("nothing new")
    assert told.hub.state("park") == before


def test_the_ledgers_line_is_the_sum_of_the_hours(told: Park) -> None:
    hours = told.rows("emissions").group_by("factory").agg(pl.col("co2e_kg").sum())
    lines = told.rows("emission_lines").filter(activity_id="meter-electricity", method="location")
    newest = lines.filter(pl.col("version") == pl.col("version").max().over("factory"))
    compared = hours.join(newest.select("factory", line="co2e_kg"), on="factory")
    assert compared.height == 2
    for _, summed, line in compared.iter_rows():
        assert line == pytest.approx(summed, rel=1e-9)
    assert dict(newest.select("factory", "co2e_kg").iter_rows())[told.a] == pytest.approx(
        48 * GRID, rel=1e-12
    )


def test_a_certificate_that_both_members_claim_counts_for_neither_at_night(told: Park) -> None:
    market = told.rows("emission_lines").filter(activity_id="meter-electricity", method="market")
    assert market["co2e_kg"].to_list() == [None] * market.height
    assert all("double_claim" in reason for reason in market["reason"])
    assert said(statements(told, "factory", told.a), 2, "2", "location") == [
        ("unstated", pytest.approx(48 * GRID, rel=1e-12))
    ]
    for factory in (told.a, told.b):
        own = statements(told, "factory", factory)
        assert "incomplete:1" in own.filter(version=2, scope="2", method="market")["reason"].to_list()[0]


def test_steam_between_members_is_in_no_total_of_the_park_and_shown_apart(told: Park) -> None:
    park = statements(told, "cluster", "park")
    # b: 96 kWh and 20 GJ of 62.5
    assert said(statements(told, "factory", told.b), 2, "2", "location") == [
        ("unstated", pytest.approx(96 * GRID + 1250.0, rel=1e-12))
    ]
    assert said(park, 2, "2", "location") == [("unstated", pytest.approx(144 * GRID, rel=1e-12))]
    assert said(park, 2, "transfers", "location") == [("unstated", 1250.0)]
    leak = park.filter(version=2, scope="1")
    assert json.loads(leak["other_gases"].item()) == {"HFC-134a": 0.5}


def test_a_wrong_unit_and_a_wrong_basis_are_flagged_at_night_and_keep_their_values(told: Park) -> None:
    lines = told.rows("emission_lines").drop_nulls("reason").filter(scope="1")
    flagged = {
        (name, flag)
        for name, reason in lines.select("activity_id", "reason").iter_rows()
        for flag in ("amount_implausible", "basis_suspect")
        if flag in reason
    }
    assert flagged == {("diesel-ml", "amount_implausible"), ("gas-gross", "basis_suspect")}
    assert lines["co2e_kg"].null_count() == 0


def test_a_day_more_is_a_version_more_and_its_chain_names_the_activity(told: Park) -> None:
    own = statements(told, "factory", told.a)
    assert said(own, 1, "2", "location") == [("unstated", pytest.approx(24 * GRID, rel=1e-12))]
    assert own["cause"].unique().sort().to_list() == ["first", "night"]
    chain = told.rows("restatements").filter(pl.col("statement_id").str.contains(f"factory/{told.a}/month"))
    located = chain.filter(scope="2", method="location")
    assert located.select("cause", "version").rows() == [("activity", 2)]
    check_chains(told)


def restated(park: Park, *arguments: str) -> Answer:
    answer = park.hub.run(
        "restate",
        "--cluster",
        "park",
        "--as-of",
        three(WEDNESDAY).isoformat(),
        "--cause",
        "new grid year",
        *arguments,
    )
    assert answer.code == 0, answer.err
    return answer


@pytest.fixture(scope="module")
def with_factor(
    told: Park, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Park, dict[str, bytes], Answer]:
    """The same park whose operator knows a newer factor: a night with it, and then a restatement."""
    park = told.copied(tmp_path_factory.mktemp("factor") / "hub")
    text = own_factor(published_on="2025-11-02")
    (park.hub.root / "factors.csv").write_text(text, encoding="utf-8")
    own = Park(park.hub.with_settings(factors="factors.csv"), park.sink, park.tag, park.sequence)
    before = canonical_tables(own.hub.store("park"))
    night = own.nightly(three(WEDNESDAY))
    assert night.line("result").startswith("nothing new")
    assert canonical_tables(own.hub.store("park")) == before
    return own, before, restated(own, "--factors", "factors.csv")


def test_a_factor_that_appears_changes_nothing_until_a_restatement_says_so(
    with_factor: tuple[Park, dict[str, bytes], Answer],
) -> None:
    park, _, answer = with_factor
    # own: 0.4, carried forward from 2024
    assert answer.line("factors") == "chosen anew for 2025-11"
    assert said(statements(park, "factory", park.a), 3, "2", "location") == [
        ("AR5", pytest.approx(48 * 0.4, rel=1e-12))
    ]
    assert math.fsum(park.rows("emissions")["co2e_kg"]) == pytest.approx(144 * 0.4, rel=1e-12)
    newest = statements(park, "cluster", "park").filter(version=3)
    assert newest["cause"].unique().to_list() == ["restatement"]
    assert newest["note"].unique().to_list() == ["factors factors.csv: new grid year"]


def test_old_statements_stay_byte_for_byte(with_factor: tuple[Park, dict[str, bytes], Answer]) -> None:
    park, before, _ = with_factor
    old = park.rows("emission_statements").filter(pl.col("version") < 3)
    assert canonical_lines(old, EMISSION_STATEMENTS) == before["emission_statements"]
    name = f"park/factory/{park.a}/month/{MONTH}"
    shown = park.hub.run("statements", "show", name, "--version", "1", "--cluster", "park").csv()
    assert {row["version"] for row in shown} == {"1"}
    chain = park.hub.run("statements", "show", name, "--part", "chain", "--cluster", "park").csv()
    assert {row["cause"] for row in chain} == {"factor"}


def test_the_chain_of_a_new_factor_moves_from_one_set_to_the_other_and_adds_up(
    with_factor: tuple[Park, dict[str, bytes], Answer],
) -> None:
    park, _, _ = with_factor
    check_chains(park)
    chain = park.rows("restatements").filter(
        pl.col("statement_id") == f"park/factory/{park.a}/month/{MONTH}",
        version=3,
        scope="2",
        method="location",
    )
    assert chain.select("gwp_set", "cause", "before_kg", "after_kg").sort("gwp_set").rows() == [
        ("AR5", "factor", None, pytest.approx(48 * 0.4, rel=1e-12)),
        ("unstated", "factor", pytest.approx(48 * GRID, rel=1e-12), None),
    ]


def test_the_same_restatement_again_and_the_night_after_it_change_nothing(
    with_factor: tuple[Park, dict[str, bytes], Answer],
) -> None:
    park, _, _ = with_factor
    first = park.nightly(three(WEDNESDAY))  # publishes what was restated
    assert first.code == 0
    tables = canonical_tables(park.hub.store("park"))
    restated(park, "--factors", "factors.csv")
    assert park.nightly(three(WEDNESDAY)).code == 0
    assert canonical_tables(park.hub.store("park")) == tables


def corrected(park: Park) -> None:
    """Send Monday's first hour of a again: 11 kWh instead of 1."""
    at = midnight(WEDNESDAY) + timedelta(hours=2)
    park.send(park.topic(), [park.energy(park.a, instant(MONDAY), [11.0])], at)


def test_a_corrected_meter_is_restated_by_command_with_its_cause(told: Park, tmp_path: Path) -> None:
    park = told.copied(tmp_path / "hub")
    corrected(park)
    restated(park, "--meter", f"{park.a}/main", "--source", "archive")
    own = statements(park, "factory", park.a)
    assert said(own, 3, "2", "location") == [("unstated", pytest.approx(58 * GRID, rel=1e-12))]
    assert own.filter(version=3)["note"].unique().to_list() == [f"meter {park.a}/main: new grid year"]
    assert statements(park, "factory", park.b)["version"].max() == 2
    check_chains(park)


def test_a_night_that_restates_a_final_day_names_what_did(told: Park, tmp_path: Path) -> None:
    park = told.copied(tmp_path / "hub")
    corrected(park)
    # Monday is final by Wednesday's night
    answer = park.nightly(three(WEDNESDAY))
    assert answer.code == 0, answer.err
    own = statements(park, "factory", park.a).filter(version=3)
    assert own["cause"].unique().to_list() == ["meter_correction"]


def test_a_recovery_is_judged_beside_charges_of_earlier_years_and_anew_when_they_change(
    told: Park, tmp_path: Path
) -> None:
    park = told.copied(tmp_path / "hub")
    file = park.hub.root / "clusters" / "park.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("2025-11-01", "2024-01-01"), encoding="utf-8")
    then = {"start": midnight(date(2024, 5, 1)), "end": midnight(date(2024, 5, 2)), "flow": "charged"}

    def night(*values: bytes) -> tuple[float | None, str | None]:
        park.send(park.topic("activities"), values, midnight(WEDNESDAY) + timedelta(hours=2))
        assert park.nightly(three(WEDNESDAY)).code == 0
        lines = park.rows("emission_lines").filter(factory=park.a, activity_id="out")
        return lines.sort("version").select("co2e_kg", "reason").row(-1)

    charged = tell(park, park.a, "in", "HFC-134a", 5.0, "kg", **then)
    taken = tell(park, park.a, "out", "HFC-134a", 4.0, "kg", flow="recovered", uncertainty_pct=1.0)
    # By AR5 a kilogram counts 1300.
    assert night(charged, taken) == (-4 * 1300.0, None)
    # Only 2024 changes: what was recovered in 2025 goes beyond it now.
    corrected = tell(park, park.a, "in", "HFC-134a", 3.0, "kg", **then)
    assert night(corrected) == (None, "recovery_exceeds_charge")
    own = statements(park, "factory", park.a).filter(scope="1")
    assert "incomplete:1" in own.sort("version")["reason"].to_list()[-1]
    check_chains(park)


def with_policy(park: Park, policy: Mapping[str, object]) -> None:
    file = park.hub.root / "clusters" / "park.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[:-1] + f', "carbon": {json.dumps(policy)}}}', encoding="utf-8")


def test_the_base_year_is_recalculated_from_the_threshold_on_only(told: Park, tmp_path: Path) -> None:
    park = told.copied(tmp_path / "hub")
    with_policy(park, {"base_year": 2025, "significance_percent": 99})
    corrected(park)
    answer = restated(park, "--meter", f"{park.a}/main", "--source", "archive")
    assert "park/factory" in answer.line("base year")
    assert statements(park, "factory", park.a, "year")["version"].max() == 2
    assert statements(park, "factory", park.a, "month")["version"].max() == 3


def test_draws_of_a_stated_version_agree_with_what_it_says(told: Park) -> None:
    name = f"park/factory/{told.b}/month/{MONTH}"
    drawn = ("--draws", "100000", "--seed", "7", "--cluster", "park")
    asked = ("statements", "draw", name, "--version", "1", *drawn)
    rows = told.hub.run(*asked).csv()
    assert told.hub.run(*asked).csv() == rows
    leak = next(row for row in rows if row["scope"] == "1")
    assert (leak["co2e_kg"], float(leak["propagated_low_pct"])) == ("650.0", 10.0)
    assert float(leak["drawn_low_pct"]) == pytest.approx(10.0, rel=0.01)
    # The grid's uncertainty isn't known: neither way tells a distance.
    grid = next(row for row in rows if (row["scope"], row["method"]) == ("2", "location"))
    assert (grid["propagated_low_pct"], grid["drawn_low_pct"]) == (None, None)


def test_another_gwp_set_is_a_step_of_its_own_and_is_never_added_to_the_old_one(
    told: Park, tmp_path: Path
) -> None:
    park = told.copied(tmp_path / "hub")
    restated(park, "--gwp", "AR6")
    own = statements(park, "factory", park.b)
    # 0.5 kg of HFC-134a: AR5 1300, AR6 1530
    assert said(own, 2, "1", "-") == [("AR5", 650.0)]
    assert said(own, 3, "1", "-") == [("AR6", 765.0)]
    chain = park.rows("restatements").filter(
        pl.col("statement_id") == f"park/factory/{park.b}/month/{MONTH}", version=3, scope="1"
    )
    assert chain.select("gwp_set", "cause", "before_kg", "after_kg").rows() == [("AR6", "gwp", 650.0, 765.0)]


def test_what_can_not_be_restated_is_one_line(told: Park, tmp_path: Path) -> None:
    late = tmp_path / "late.csv"
    late.write_text(own_factor(published_on="2025-11-06"), encoding="utf-8")
    for arguments, text in (
        ((), "name what changed"),
        (("--meter", "nobody/main"), "no profile has it"),
        (("--gwp", "AR7"), "AR7"),
        (("--factors", str(late)), "own was not known on 2025-11-05"),
        (("--adopt", "--from", "May"), "is no month"),
    ):
        base = ("--cluster", "park", "--as-of", three(WEDNESDAY).isoformat(), "--source", "archive")
        answer = told.hub.run("restate", *base, "--cause", "x", *arguments)
        assert answer.code == 2
        assert text in answer.err


def test_order_and_repetition_of_what_is_told_change_nothing(told: Park, park_of: ParkOf) -> None:
    fresh = park_of("archive")
    other = two_nights(Park(fresh.hub, fresh.sink, told.tag), twice=True)
    for table in ("activities", "emission_lines", "emission_statements", "restatements", "factor_choices"):
        ours, theirs = (canonical_lines(park.rows(table), TABLES[table]) for park in (told, other))
        assert ours == theirs
