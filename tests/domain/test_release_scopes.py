"""Totals of scopes through the gate, and that a restated one reveals no member.

Eight members of one factory each. All use power at 0.5 kg/kWh, and what they burn emits `FUEL`. A restatement
is the same month judged a second night; what follows from both is asked of the audit, which shares no code
with the gate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy
from pipelines.domain.disclosure.audit import AuditReport, audit
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.release import ALL_CHECKS, Checks
from pipelines.domain.releasing import NightRelease
from tests.domain.comparing import Row, cluster, night, row

MONTH = date(2026, 4, 1)
FIRST = datetime(2026, 5, 3, 3, tzinfo=ZoneInfo("Asia/Seoul"))
KWH = (9_000.0, 8_000.0, 11_000.0, 10_000.0, 7_500.0, 9_500.0, 10_500.0, 8_500.0)
FUEL = (900.0, 700.0, 800.0, 1_000.0, 1_100.0, 850.0, 950.0, 750.0)
GRID = 0.5
SEEDS = (1, 2, 3)
NO_HISTORY = Checks(history=False)


def members(coalition: int) -> ClusterDefinition:
    limits = TablePolicy(3, p_percent=Fraction(10), coalition=coalition)
    return replace(cluster("abcdefgh"), policy=DisclosurePolicy("1", {"A": ClassPolicy(limits)}))


def month(
    kwh: Sequence[float] = KWH,
    fuel: Sequence[float] = FUEL,
    basis: Sequence[float] = FUEL,
    grid: float = GRID,
    market: Mapping[int, float] | None = None,
) -> list[Row]:
    """Return the month's rows of all: power, its emissions, both scopes and their sum."""
    found: list[Row] = []
    for n, (used, burnt, first) in enumerate(zip(kwh, fuel, basis, strict=True)):
        kg = used * grid
        bought = (market or {}).get(n, kg)
        for kpi, amount, known in (
            ("energy_kwh", used, None), ("co2e_kg", kg, None), ("co2e_scope1_kg", burnt, first),
            ("co2e_scope2_location_kg", kg, used * GRID), ("co2e_scope2_market_kg", bought, used * GRID),
            ("co2e_scope12_location_kg", burnt + kg, None),
        ):  # fmt: skip
            found.append(row(n, kpi, amount, day=MONTH, period="month", basis=known))
    return found


def judged(
    rows: Sequence[Row], past: list[SealedFigure], coalition: int = 1, checks: Checks = ALL_CHECKS
) -> NightRelease:
    """Judge one more night of the month and remember what it sealed."""
    nights = len({sealed.known_at_us for sealed in past})
    who = members(coalition)
    released = night(
        rows, who, (MONTH, "month"), known_at=FIRST + timedelta(days=nights), past=past, checks=checks
    )
    past += released.sealed
    return released


def everybodys(found: NightRelease) -> dict[str, Any]:
    """Return value or status of everybody's figures, by KPI without `_kg`."""
    rows = found.figures.filter(breakdown="cluster").iter_rows(named=True)
    return {
        r["kpi"].removesuffix("_kg"): r["value"] if r["status"] == "published" else r["status"] for r in rows
    }


def audited(past: Sequence[SealedFigure], coalition: int) -> AuditReport:
    return audit(past, coalition, Fraction(5))


def alarmed(past: Sequence[SealedFigure], coalition: int) -> set[str]:
    return {alarm.holding for alarm in audited(past, coalition).alarms}


def test_all_scopes_are_published_and_both_together_are_the_sum_of_what_is_printed() -> None:
    fuel = (900.4, *FUEL[1:])  # printed as 7,050, and 37,000: 44,050, not 44,050.4
    found = everybodys(judged(month(fuel=fuel, basis=fuel), []))
    assert found == {
        "energy_kwh": 74_000.0, "co2e": 37_000.0, "co2e_scope1": 7_050.0,
        "co2e_scope2_location": 37_000.0, "co2e_scope2_market": 37_000.0,
        "co2e_scope12_location": 44_050.0, "co2e_scope12_market": 44_050.0,
    }  # fmt: skip


def test_a_scope_that_one_member_dominates_is_withheld_and_with_it_what_would_give_it_away() -> None:
    fuel = (90_000.0, *FUEL[1:])
    found = everybodys(judged(month(fuel=fuel, basis=fuel), []))
    assert found["co2e_scope1"] == found["co2e_scope12_location"] == "withheld"
    assert found["co2e_scope2_location"] == 37_000.0


def test_a_certificate_of_one_member_withholds_the_market_based_total() -> None:
    # 37,000 by location less 35,000 by market would be what f0's certificates are for.
    found = everybodys(judged(month(market={0: 2_500.0}), []))
    assert found["co2e_scope2_location"] == 37_000.0
    assert found["co2e_scope2_market"] == "withheld"


def test_heat_that_two_members_buy_is_not_the_scope_less_the_power() -> None:
    rows = month()
    for one in rows:
        if "scope2" in one["kpi"] and one["subject"] in {"f0", "f1"}:
            more = one["numerator"] + 1_000.0
            one |= {"numerator": more, "value": more, "sums": [more], "basis": more}
    found = everybodys(judged(rows, []))
    assert (found["energy_kwh"], found["co2e"]) == (74_000.0, 37_000.0)
    assert found["co2e_scope2_location"] == found["co2e_scope2_market"] == "withheld"


@pytest.mark.parametrize("coalition", [1, 2])
def test_another_factor_for_all_is_published_again_and_tells_nobody_anything(coalition: int) -> None:
    past: list[SealedFigure] = []
    judged(month(), past, coalition)
    later = everybodys(judged(month(grid=0.4, fuel=[x * 1.1 for x in FUEL]), past, coalition))
    assert (later["co2e_scope1"], later["co2e_scope2_location"]) == (7_755.0, 29_600.0)
    assert later["co2e_scope12_location"] == 37_355.0
    assert alarmed(past, coalition) == set()


@pytest.mark.parametrize("coalition", [1, 2])
def test_a_factor_of_one_members_fuel_is_not_told_by_the_difference(coalition: int) -> None:
    # f0 alone burns coal; its factor rises by 20 %, as everybody can read: 180 kg more are a fifth of 900.
    fuel = (1_080.0, *FUEL[1:])
    past: list[SealedFigure] = []
    judged(month(), past, coalition)
    later = everybodys(judged(month(fuel=fuel), past, coalition))
    assert (later["co2e_scope1"], later["co2e_scope12_location"]) == ("withheld", "withheld")
    assert later["co2e_scope2_location"] == 37_000.0
    assert alarmed(past, coalition) == set()


def test_without_the_look_back_the_difference_tells_the_members_fuel() -> None:
    past: list[SealedFigure] = []
    judged(month(), past)
    later = everybodys(judged(month(fuel=(1_080.0, *FUEL[1:])), past, checks=NO_HISTORY))
    assert later["co2e_scope1"] == 7_230.0
    report = audited(past, 1)
    found = next(r for r in report.alarms if r.holding == "a")
    assert (found.variable, found.amount) == ("scope1", 900.0)
    # 7,230 - 7,050 = 180 +- 1, over 0.2: within 5 kg.
    assert (found.lower, found.upper) == (pytest.approx(895.0, abs=0.1), pytest.approx(905.0, abs=0.1))


def test_without_a_basis_the_gate_would_take_the_other_factor_for_another_amount() -> None:
    past: list[SealedFigure] = []
    unlinked = [{**one, "basis": None} for one in month()]
    judged(unlinked, past)
    later = [{**one, "basis": None} for one in month(fuel=(1_080.0, *FUEL[1:]))]
    assert everybodys(judged(later, past))["co2e_scope1"] == 7_230.0


@pytest.mark.parametrize("coalition", [1, 2])
def test_one_members_corrected_meter_is_not_told_by_the_difference(coalition: int) -> None:
    # f0's meter had counted 9,000 of 30,000 kWh.
    past: list[SealedFigure] = []
    judged(month(), past, coalition)
    later = everybodys(judged(month(kwh=(30_000.0, *KWH[1:])), past, coalition))
    assert later["co2e_scope1"] == 7_050.0  # its fuel is no other
    assert alarmed(past, coalition) == set()


def test_without_the_look_back_a_large_correction_tells_the_member() -> None:
    past: list[SealedFigure] = []
    start = (500.0, *KWH[1:])
    judged(month(kwh=start), past)
    looked: list[SealedFigure] = list(past)
    kwh = (9_000.0, *KWH[1:])
    later = everybodys(judged(month(kwh=kwh), past, checks=NO_HISTORY))
    assert later["co2e_scope2_location"] == 37_000.0
    assert "a" in alarmed(past, 1)  # 8,500 of 9,000 at least
    withheld = everybodys(judged(month(kwh=kwh), looked))
    assert withheld["co2e_scope2_location"] == withheld["co2e_scope12_location"] == "withheld"
    assert alarmed(looked, 1) == set()


def test_a_month_whose_lines_were_computed_by_two_sets_is_not_estimable() -> None:
    rows = month()
    for one in rows:
        if one["kpi"] in {"co2e_scope1_kg", "co2e_scope12_location_kg"}:
            one |= {"numerator": None, "value": None, "sums": None, "basis": None, "coverage": 0.0}
            one["reason"] = "several_gwp_sets"
    found = everybodys(judged(rows, []))
    assert found["co2e_scope1"] == found["co2e_scope12_location"] == "not_estimable"
    assert found["co2e_scope2_location"] == 37_000.0


def test_the_same_night_twice_says_the_same() -> None:
    past: list[SealedFigure] = []
    first = judged(month(), past)
    again = judged(month(), list(first.sealed))
    assert again.figures.equals(first.figures)
    assert [replace(s, known_at_us=0) for s in again.sealed] == [
        replace(s, known_at_us=0) for s in first.sealed
    ]


@pytest.mark.parametrize(("holdings", "status"), [(4, "withheld"), (5, "published")])
def test_both_scopes_per_unit_are_a_median_of_five_or_nothing(holdings: int, status: str) -> None:
    # Of four a ratio of sums would be next, and it would tell the sum of both scopes.
    per_unit, who = "co2e_scope12_t_per_unit", replace(members(1), factories=members(1).factories[:holdings])
    rows = [
        row(n, per_unit, 0.2 + n / 10, 100.0, day=MONTH, period="month", product_class="forged-parts",
            sums=[200.0 + 100.0 * n, 100.0])
        for n in range(holdings)
    ]  # fmt: skip
    figures = night(rows, who, (MONTH, "month"), known_at=FIRST).figures
    found = {r["kpi"]: (r["status"], r["value"]) for r in figures.iter_rows(named=True)}
    # 0.002, 0.003, 0.004, 0.005, 0.006 t; a step is 0.0001
    assert found == {per_unit: (status, 0.004 if status == "published" else None)}


def restated_at_random(seed: int, coalition: int, checks: Checks = ALL_CHECKS) -> list[SealedFigure]:
    """Judge a month three times, by everybody and two processes: a factor or a meter changes in between."""
    chance = np.random.default_rng(seed)
    count = len(KWH)
    kwh = chance.uniform(5_000, 15_000, count)
    lng, coal, heat = (
        chance.uniform(300, 1_500, count) * (chance.random(count) < part) for part in (0.7, 0.3, 0.25)
    )
    claimed = chance.uniform(300, 1_500, count) * (chance.random(count) < 0.3)
    factors = {"lng": 1.0, "coal": 1.0, "heat": 1.0, "grid": GRID}
    past: list[SealedFigure] = []
    for nights in range(3):
        power = kwh * factors["grid"]
        scope_2, basis = power + heat * factors["heat"], kwh * GRID + heat
        made = {
            "energy_kwh": (kwh, None), "co2e_kg": (power, None),
            "co2e_scope1_kg": (lng * factors["lng"] + coal * factors["coal"], lng + coal),
            "co2e_scope2_location_kg": (scope_2, basis),
            "co2e_scope2_market_kg": (scope_2 - claimed * factors["grid"], basis - claimed * GRID),
        }  # fmt: skip
        rows = [
            row(n, kpi, float(kg[n]), day=MONTH, period="month", basis=None if of is None else float(of[n]))
            for kpi, (kg, of) in made.items()
            for n in range(count)
            if kg[n]
        ]
        past += night(
            rows, members(coalition), (MONTH, "month"), processes=["casting", "forming"] * (count // 2),
            known_at=FIRST + timedelta(days=nights), past=past, checks=checks,
        ).sealed  # fmt: skip
        kind = chance.choice(["lng", "coal", "heat", "grid", "meter"])
        if kind == "meter":
            kwh[chance.integers(count)] *= chance.choice([0.5, 1.02, 6.0])
        else:
            factors[kind] *= chance.choice([0.9, 1.3])
    return past


@pytest.mark.parametrize("coalition", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_restatements_reveal_nobody(seed: int, coalition: int) -> None:
    assert alarmed(restated_at_random(seed, coalition), coalition) == set()


def test_random_restatements_would_reveal_somebody_without_the_look_back() -> None:
    found = [alarmed(restated_at_random(seed, 1, NO_HISTORY), 1) for seed in SEEDS]
    assert all(found)
