"""The audit's attack by formula, against intervals worked by hand and nights that forgot their past."""

import random
from dataclasses import replace

import pytest

from pipelines.domain.disclosure.audit_formulas import audit_formulas
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.release import Checks
from tests.domain.formula_nights import FIRM, FIRMS, WITHOUT_HISTORY, aged, idling, kpi_of, made, seals
from tests.domain.release_night import ALL, BOOK, night

FACTORS = [made(kpi, idling(30_000.0)) for kpi in ("availability", "effectiveness", "quality_ratio_time")]
OEE = made("oee", idling(30_000.0))


def kpi_of_id(figure_id: str) -> str:
    return figure_id.rpartition("/")[2].partition("@")[0]


def late_total(checks: Checks = ALL) -> list[SealedFigure]:
    return seals([made("energy_kwh_per_unit")], [aged(made("energy_kwh"))], checks=checks)


def test_a_late_total_over_an_old_ratio_tells_the_output() -> None:
    # 27,000 kWh +- 15 over 3 kWh a unit +- 0.0015: 8,990 to 9,010 units, where 9,000 +- 900 were promised.
    (alarm,) = audit_formulas(late_total(WITHOUT_HISTORY), BOOK.elements)
    assert (alarm.variable, alarm.attacker, alarm.alarm, alarm.amount) == ("pq", "formula", True, 9_000.0)
    assert alarm.lower == pytest.approx((27_000 - 15) / (3 + 0.0015), rel=1e-6)
    assert alarm.upper == pytest.approx((27_000 + 15) / (3 - 0.0015), rel=1e-6)
    assert (alarm.protected_low, alarm.protected_high) == pytest.approx((8_100, 9_900))
    assert [(kpi_of_id(r.figure_id), r.known_at_us) for r in alarm.releases] == [
        ("energy_kwh_per_unit", 1), ("energy_kwh", 2),
    ]  # fmt: skip
    assert audit_formulas(late_total(), BOOK.elements) == ()


def test_oee_over_what_was_published_before_tells_a_withheld_availability() -> None:
    (alarm,) = audit_formulas(seals(FACTORS, [OEE], checks=WITHOUT_HISTORY), BOOK.elements)
    assert (alarm.variable, alarm.alarm) == ("availability@1", True)
    # (6 x 80,000 - 30,000) / (6 x 80,000), within what four thousandths of rounding leave
    assert alarm.amount == pytest.approx(450 / 480)
    assert alarm.lower == pytest.approx(alarm.amount, rel=0.005)
    assert alarm.upper == pytest.approx(alarm.amount, rel=0.005)
    assert [kpi_of_id(r.figure_id) for r in alarm.releases] == ["effectiveness", "quality_ratio_time", "oee"]
    assert not any(row.alarm for row in audit_formulas(seals(FACTORS, [OEE]), BOOK.elements))


def test_what_one_figure_less_leaves_open_is_no_alarm() -> None:
    for left_out in FACTORS[1:]:
        told = [c for c in FACTORS if c is not left_out]
        found = audit_formulas(seals(told, [OEE], checks=WITHOUT_HISTORY), BOOK.elements)
        assert not any(row.alarm for row in found)


def test_a_restated_sum_is_not_told_by_what_was_said_of_the_old_one() -> None:
    more = {firm: FIRM | {"energy_kwh": 5_400.0} for firm in FIRMS}
    figures = seals([made("energy_kwh_per_unit")], [made("energy_kwh", more)], checks=WITHOUT_HISTORY)
    assert audit_formulas(figures, BOOK.elements) == ()


def test_what_was_out_before_it_was_first_judged_is_no_alarm() -> None:
    # Availability is judged only after the three others gave it away.
    told = seals([FACTORS[1], FACTORS[2], OEE], [FACTORS[0]], checks=WITHOUT_HISTORY)
    assert [kpi_of(f) for f in told if f.decision == "withhold"] == ["availability"]
    (row,) = audit_formulas(told, BOOK.elements)
    assert (row.alarm, row.releases) == (False, ())
    assert row.tightest < 0.005


def test_what_was_sealed_without_formulas_is_not_attacked_by_them() -> None:
    figures = [replace(f, formula=None) for f in late_total(WITHOUT_HISTORY)]
    assert audit_formulas(figures, BOOK.elements) == ()


def test_figures_of_one_night_that_the_gate_judged_raise_no_alarm() -> None:
    kpis = ("energy_kwh_per_unit", "energy_kwh", "co2e_kg", "co2e_t_per_unit", "oee", "availability",
            "effectiveness", "quality_ratio_time")  # fmt: skip
    figures = list(night([made(kpi, idling(30_000.0)) for kpi in kpis]).values())
    assert {s.decision for s in figures} == {"publish", "withhold"}
    assert not any(row.alarm for row in audit_formulas(figures, BOOK.elements))


KPIS = ("energy_kwh_per_unit", "energy_kwh", "co2e_kg", "co2e_t_per_unit", "oee", "availability",
        "effectiveness", "quality_ratio_time")  # fmt: skip


def one_a_night(seed: int, checks: Checks) -> list[SealedFigure]:
    """Return figures that come one a night in some order; after the fourth, one element is restated."""
    chance = random.Random(seed)  # noqa: S311 - an order, no secret
    restated = chance.choice(["pq", "energy_kwh", "apt_s", "pru_s*gq"])
    before = idling(30_000.0)
    after = {f: firm | {restated: firm[restated] * 0.97} for f, firm in before.items()}
    order = chance.sample(KPIS, len(KPIS))
    candidates = [made(kpi, before if at < 4 else after) for at, kpi in enumerate(order)]
    return seals(*([c] for c in candidates), checks=checks)


def test_whatever_comes_first_the_gate_leaves_nothing_to_the_audit() -> None:
    found = {checks: [one_a_night(seed, checks) for seed in range(12)] for checks in (ALL, WITHOUT_HISTORY)}
    alarms = {
        checks: sum(any(row.alarm for row in audit_formulas(told, BOOK.elements)) for told in some)
        for checks, some in found.items()
    }
    assert alarms[ALL] == 0
    assert alarms[WITHOUT_HISTORY] >= 6
