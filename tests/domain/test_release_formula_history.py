"""Figures that follow by formula from what earlier nights published of the same factories and period.

Each identity is written down by hand; who decides is the judge of a night, with earlier nights' seals.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipelines.domain.disclosure.candidates import Candidate
from pipelines.domain.disclosure.release import Checks
from tests.domain.formula_nights import FIRM, FIRMS, WITHOUT_HISTORY, aged, idling, kpi_of, made, seals
from tests.domain.release_night import ALL, MAY_4, kwh, night, rules

FACTORS = ("availability", "effectiveness", "quality_ratio_time")


def nights(*given: Sequence[Candidate], checks: Checks = ALL) -> list[dict[str, str]]:
    """Return what each night decided, by KPI: publish, or why not."""
    found: list[dict[str, str]] = [{} for _ in given]
    for sealed in seals(*given, checks=checks):
        found[sealed.known_at_us - 1][kpi_of(sealed)] = ";".join(sealed.reasons) or "publish"
    return found


def test_a_total_that_comes_months_later_does_not_tell_the_output() -> None:
    # 27,000 kWh and 3 kWh a unit give 9,000 units: of class B, and published nowhere.
    ratio, total = made("energy_kwh_per_unit"), aged(made("energy_kwh"))
    assert nights([ratio], [total]) == [{"energy_kwh_per_unit": "publish"}, {"energy_kwh": "formula"}]
    first, second = nights([ratio], [total], checks=WITHOUT_HISTORY)
    assert (first, second) == ({"energy_kwh_per_unit": "publish"}, {"energy_kwh": "publish"})


def test_who_published_the_total_first_loses_the_ratio() -> None:
    ratio, total = made("energy_kwh_per_unit"), made("energy_kwh")
    assert nights([total], [ratio])[1] == {"energy_kwh_per_unit": "formula"}


def test_emissions_stand_for_energy_in_the_nights_before() -> None:
    # What binds kWh to kg is known in the night that told both: 0.5 kg a kWh.
    both = [made("energy_kwh_per_unit"), made("co2e_t_per_unit")]
    assert nights(both, [made("co2e_kg")])[1] == {"co2e_kg": "formula"}


def test_a_withheld_availability_is_not_oee_over_what_was_published_before() -> None:
    # 216,000 / 480,000 = 0.45 = A x 0.6 x 0.8; one firm has all that A lacks to 1.
    before = [made(kpi, idling(30_000.0)) for kpi in FACTORS]
    first, second = nights(before, [made("oee", idling(30_000.0))])
    assert first == {"availability": "min_contributors;p_percent"} | dict.fromkeys(FACTORS[1:], "publish")
    assert second == {"oee": "formula"}
    unjudged = nights(before, [made("oee", idling(30_000.0))], checks=WITHOUT_HISTORY)
    assert unjudged == [first, {"oee": "publish"}]


def test_a_withheld_quality_ratio_is_not_oee_over_what_was_published_before() -> None:
    # Both are about good units: here what is withheld is the same unknowns' sum, without any formula.
    perfect = FIRM | {"pru_s*gq": 45_000.0}
    firms = dict.fromkeys(FIRMS[1:], perfect) | {"f0": FIRM | {"pru_s*gq": 5_000.0}}
    first, second = nights([made(kpi, firms) for kpi in FACTORS], [made("oee", firms)])
    assert first["quality_ratio_time"] != "publish"
    assert second == {"oee": "differencing"}


def test_a_restated_sum_is_another_one() -> None:
    # 30,000 s of idling were 20,000 in truth: the availability that follows is one that nobody withheld.
    before = [made(kpi, idling(30_000.0)) for kpi in ("availability", "quality_ratio_time")]
    for idle_s, expected in ((30_000.0, "formula"), (20_000.0, "publish")):
        assert nights(before, [made("effectiveness", idling(idle_s))], [made("oee")])[2] == {"oee": expected}


def test_a_restatement_elsewhere_leaves_an_unchanged_sum_the_same() -> None:
    # The energy is restated, the output is not: only the new ratio says anything of the new total.
    more = {firm: FIRM | {"energy_kwh": 5_400.0} for firm in FIRMS}
    ratio, total = made("energy_kwh_per_unit"), made("energy_kwh", more)
    assert nights([ratio], [total])[1] == {"energy_kwh": "publish"}
    assert nights([ratio], [made("energy_kwh_per_unit", more)], [total])[2] == {"energy_kwh": "formula"}
    # The old total over the new ratio's output: 9,000 units stayed what they were.
    assert nights([made("energy_kwh")], [made("energy_kwh_per_unit", more)])[1] == {
        "energy_kwh_per_unit": "publish"
    }


def test_another_name_for_the_same_factories_tells_as_much() -> None:
    ratio = made("energy_kwh_per_unit", breakdown="region", group="north")
    assert nights([ratio], [made("energy_kwh", group="*", breakdown="cluster")])[1] == {
        "energy_kwh": "formula"
    }
    fewer = dict.fromkeys(FIRMS[:3], FIRM)  # the other three are hidden among themselves
    assert nights([made("energy_kwh_per_unit", fewer)], [made("energy_kwh")])[1] == {"energy_kwh": "publish"}


def test_what_was_given_away_before_costs_nothing_more() -> None:
    # Both are out since the first night, which judged no formulas: withholding a third mends nothing.
    ratio, total, emissions = made("energy_kwh_per_unit"), made("energy_kwh"), made("co2e_kg")
    first = night([ratio], checks=WITHOUT_HISTORY) | night([total], checks=WITHOUT_HISTORY)
    decided = night([emissions], list(first.values()), rules(night=2))
    assert [s.decision for s in decided.values()] == ["publish"]


def test_a_figure_that_was_sealed_without_its_formula_says_nothing() -> None:
    sealed = [replace(s, formula=None) for s in night([made("energy_kwh_per_unit")]).values()]
    decided = night([made("energy_kwh")], sealed, rules(night=2))
    assert [s.decision for s in decided.values()] == ["publish"]


@pytest.mark.parametrize("name", ["energy_kwh/trend", "energy_kwh@1/named/m1"])
def test_trends_and_named_references_seal_no_formula(name: str) -> None:
    total = kwh(dict.fromkeys(FIRMS, 4_500.0))
    candidate = replace(total, figure_id=f"c/cluster/*/day/{MAY_4}/{name}")
    assert [s.formula for s in night([candidate]).values()] == [None]
