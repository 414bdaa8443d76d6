"""The one look-up of factors: what is taken, what is left, and why."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.emissions.explaining import explain
from pipelines.domain.emissions.lookup import Factor, Search, consider, factor_rows, find
from pipelines.domain.emissions.rates import Choice
from pipelines.domain.emissions.solutions import factor_unit
from pipelines.reference import tables
from tests.domain.emission_tables import FACTORS, TABLES

GRID = "kr-grid-consumption"


def search(**changes: object) -> Search:
    asked: dict[str, object] = {
        "activity": "electricity", "geography": "KR", "purpose": "disclosure", "as_of": None,
        "bases": frozenset({"consumption_end"}),
    }  # fmt: skip
    return Search(**(asked | changes))  # type: ignore[arg-type]


def verdicts(asked: Search, day: date) -> dict[str, str]:
    return {one.factor_id: one.why for one in consider(FACTORS, asked, day)[1]}


def test_each_row_says_why_it_was_or_was_not_taken() -> None:
    why = verdicts(search(as_of=date(2025, 11, 11)), date(2025, 6, 1))
    assert why[f"{GRID}-2020_2022"] == "carried_forward:3y"
    assert why[f"{GRID}-2017_2019"] == "ended:superseded"
    assert why[f"{GRID}-2017_2019-ch4"] == "ended:superseded"
    assert why[f"{GRID}-2023"] == "not_yet_published"
    assert why["kr-grid-generation-2017_2019-co2"] == "other_basis:generation_end"
    why = verdicts(search(), date(2018, 6, 1))
    assert why[f"{GRID}-2017_2019-co2"] == why[f"{GRID}-2017_2019-n2o"] == "taken"
    assert why[f"{GRID}-2017_2019"] == "alternative_of_gas_rows"
    assert why[f"{GRID}-2014_2016"] == "ended:another_holds_the_date"
    assert why[f"{GRID}-2020_2022"] == "not_begun"
    assert why[f"{GRID}-2021_2023"] == "no_purpose:only_by_id"
    why = verdicts(search(purpose="k_ets", carries=False), date(2018, 6, 1))
    assert why[f"{GRID}-2014_2016-co2"] == "ended:allocation_factor_not_named"
    assert why[f"{GRID}-2017_2019"] == "other_purpose"
    why = verdicts(search(named=f"{GRID}-2021_2023", bases=None), date(2022, 6, 1))
    assert why[f"{GRID}-2021_2023"] == "taken"
    assert why[f"{GRID}-2020_2022"] == "not_named"


def test_every_row_of_the_activity_is_considered_once() -> None:
    found = consider(FACTORS, search(), date(2018, 6, 1))[1]
    ids = [one.factor_id for one in found]
    assert sorted(ids) == sorted(f.factor_id for f in FACTORS if f.activity == "electricity")


@settings(max_examples=40, deadline=None)
@given(
    st.randoms(), st.dates(date(2010, 1, 1), date(2030, 1, 1)), st.dates(date(2015, 1, 1), date(2027, 1, 1))
)
def test_the_order_of_the_rows_changes_nothing(random: object, day: date, as_of: date) -> None:
    shuffled = list(FACTORS)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for activity, geography in (
        ("electricity", "KR"),
        ("district_heat", "KR-KDHC-DAEGU"),
        ("eaf_steel", "KR"),
    ):
        asked = search(activity=activity, geography=geography, as_of=as_of, bases=None)
        assert find(shuffled, asked, day, day) == find(FACTORS, asked, day, day)


@settings(max_examples=40, deadline=None)
@given(st.dates(date(2010, 1, 1), date(2030, 1, 1)), st.dates(date(2015, 1, 1), date(2027, 1, 1)))
def test_what_is_found_was_known_and_had_begun_and_is_not_newer_than_what_later_knowledge_finds(
    day: date, as_of: date
) -> None:
    found = find(FACTORS, search(as_of=as_of), day, day)
    for row in found.rows:
        assert row.begun(day)
        assert row.published_on is not None
        assert row.published_on <= as_of
        assert row.ended(day) == (found.match == "fallback")
    later = find(FACTORS, search(), day, day)
    if found.rows:
        assert later.rows
        assert later.rows[0].valid_from >= found.rows[0].valid_from  # type: ignore[operator]


def test_a_gas_without_its_co2_row_is_no_factor_of_electricity() -> None:
    only_methane = [f for f in FACTORS if f.factor_id == f"{GRID}-2017_2019-ch4"]
    assert find(only_methane, search(), date(2018, 1, 1), date(2018, 1, 1)).reason == "no_factor_for_period"


def test_a_row_that_is_known_of_no_day_counts_from_its_beginning() -> None:
    asked = search(activity="district_heat", geography="KR-KDHC-DAEGU", purpose="k_ets", bases=None)
    day = date(2026, 6, 1)
    assert find(FACTORS, asked, day, day).rows[0].factor_id == "kr-heat-kdhc-daegu-kets4-co2"
    for as_of, match in ((date(2025, 12, 31), "none"), (date(2026, 1, 1), "exact")):
        early = search(
            activity="district_heat", geography="KR-KDHC-DAEGU", purpose="k_ets", bases=None, as_of=as_of
        )
        assert find(FACTORS, early, day, day).match == match


@pytest.mark.parametrize(
    ("unit", "parts"),
    [
        ("kgCO2e/kWh", (Fraction(1), "kWh")),
        ("tCO2/t", (Fraction(1000), "t")),
        ("gHFC-134a/kg", (Fraction(1, 1000), "kg")),
        ("kgSF6/t", (Fraction(1), "t")),
        ("MJ/kg", None),
        ("kWh", None),
    ],
)
def test_the_unit_of_a_factor_is_a_mass_per_something(unit: str, parts: tuple[Fraction, str] | None) -> None:
    assert factor_unit(unit) == parts


def test_every_packaged_factor_has_a_unit_that_is_understood() -> None:
    assert [f.factor_id for f in FACTORS if factor_unit(f.unit) is None] == []


def test_a_fuel_is_explained_with_its_pairs_and_with_the_rows_of_each_gas() -> None:
    told = explain(TABLES, Choice("disclosure", None, {}), "city_gas_lng", "KR", date(2020, 6, 1))
    assert told.used[0] == "city_gas_lng:KR:KR-GIR-2017"
    assert (told.match, told.reasons) == ("fallback", ("vintage:KR-GIR-2017",))
    why = {one.factor_id: (one.taken, one.why) for one in told.considered}
    assert why["city_gas_lng:KR:KR-GIR-2022"] == (False, "not_begun")
    assert why["city_gas_lng:KR:KR-KETS-2025-64"] == (False, "later_in_the_order")
    assert why["ipcc2006-manufacturing-natural_gas-ch4"] == (True, "taken")
    assert why["ipcc2006-stationary-natural_gas-co2"] == (False, "not_needed")
    told = explain(TABLES, Choice("disclosure", None, {}), "butane", "KR", date(2023, 6, 1))
    why = {one.factor_id: (one.taken, one.why) for one in told.considered}
    assert why["butane:KR:KR-GIR-2022"] == (False, "incomplete:ncv")


@pytest.mark.parametrize("activity", sorted({f.activity for f in FACTORS} | {p.fuel for p in TABLES.pairs}))
@pytest.mark.parametrize("purpose", ["disclosure", "k_ets", "cbam", "inventory"])
def test_every_activity_can_be_explained_and_what_is_used_is_among_what_was_considered(
    activity: str, purpose: str
) -> None:
    for geography in ("KR", "GLOBAL", "US"):
        told = explain(TABLES, Choice(purpose, date(2025, 12, 31), {}), activity, geography, date(2025, 6, 1))
        taken = {one.factor_id for one in told.considered if one.taken}
        assert taken == {row for row in told.used if "ratio" not in row}
        assert bool(told.used) or told.reasons


def test_an_unconfirmed_row_is_named_and_not_taken() -> None:
    told = explain(
        TABLES, Choice("disclosure", None, {}), "welding_shielding_gas_co2", "KR", date(2023, 6, 1)
    )
    assert told.used == ()
    assert [(o.factor_id, o.why) for o in told.considered] == [
        ("mass-balance-shielding_gas-co2", "unconfirmed:only_by_accept")
    ]


def test_factors_are_compared_by_value() -> None:
    assert isinstance(FACTORS[0], Factor)
    assert FACTORS[0] == factor_rows(tables.emission_factors())[0]
