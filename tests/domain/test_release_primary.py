"""The primary rules of a night's figures at their boundaries: numerators, denominators, complements."""

from fractions import Fraction

import pytest

from pipelines.domain.disclosure.figure_rules import Finding, judge_figure
from pipelines.domain.disclosure.policy import Dominance, TablePolicy
from tests.domain.release_night import (
    Amounts,
    equal,
    figure,
    kwh,
    night,
    outcome,
    policy,
    rules,
)

K1_75 = (Dominance(1, Fraction(75)),)


def found(kpi: str, amounts: Amounts, limits: TablePolicy, *waived: str, **other: object) -> Finding:
    given = policy(limits, limits)
    return judge_figure(figure(kpi, amounts, **other), given, frozenset(waived))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amounts", "holdings", "reasons"),
    [
        ({"a": 10.0, "b": 10.0, "c": 10.0}, {}, ()),
        ({"a": 10.0, "b": 10.0}, {}, ("min_contributors",)),
        ({"a": 10.0, "b": 10.0, "c": 10.0}, {"b": "h", "c": "h"}, ("min_contributors",)),  # two owners
        ({"a": 10.0, "b": 10.0, "c": 0.0}, {}, ("min_contributors",)),  # who has nothing hides nobody
    ],
)
def test_contributors_are_holdings(
    amounts: Amounts, holdings: dict[str, str], reasons: tuple[str, ...]
) -> None:
    assert found("energy_kwh", amounts, TablePolicy(min_contributors=3), holdings=holdings).reasons == reasons


@pytest.mark.parametrize(
    ("strict", "amounts", "reasons"),
    [
        (True, {"a": 75.0, "b": 15.0, "c": 10.0}, ()),  # 75 % is not more than 75 %
        (False, {"a": 75.0, "b": 15.0, "c": 10.0}, ("dominance",)),
        (True, {"a": 75.5, "b": 15.0, "c": 10.0}, ("dominance",)),
    ],
)
def test_both_conventions_of_dominance_hold_for_totals(
    *, strict: bool, amounts: Amounts, reasons: tuple[str, ...]
) -> None:
    assert found("energy_kwh", amounts, TablePolicy(dominance=K1_75, strict=strict)).reasons == reasons


@pytest.mark.parametrize(
    ("coalition", "amounts", "reasons"),
    [
        # c = 1: rest without the two largest: 10 of 100 is 10 %
        (1, {"a": 100.0, "b": 50.0, "c": 10.0}, ()),
        (1, {"a": 100.0, "b": 50.0, "c": 9.9}, ("p_percent",)),
        # c = 2: without the three largest; and fewer than 4 are unsafe
        (2, {"a": 100.0, "b": 50.0, "c": 10.0}, ("min_contributors", "p_percent")),
        (2, {"a": 100.0, "b": 50.0, "c": 10.0, "d": 10.0}, ()),
        (2, {"a": 100.0, "b": 50.0, "c": 10.0, "d": 9.9}, ("p_percent",)),
    ],
)
def test_a_coalition_knows_the_largest_others(
    coalition: int, amounts: Amounts, reasons: tuple[str, ...]
) -> None:
    limits = TablePolicy(p_percent=Fraction(10), coalition=coalition)
    assert found("energy_kwh", amounts, limits).reasons == reasons


def test_one_large_denominator_makes_a_ratio_unsafe() -> None:
    # numerators are even; of the denominators a has 800 of 840: 840 - 800 - 10 = 30 < 80
    amounts: Amounts = {
        "a": (8.0, 800.0),
        "b": (8.0, 10.0),
        "c": (8.0, 10.0),
        "d": (8.0, 10.0),
        "e": (8.0, 10.0),
    }
    finding = found("effectiveness", amounts, TablePolicy(p_percent=Fraction(10), coalition=1), step=0.01)
    # only the denominators failed: 10 % of the numerators' 40
    assert finding == Finding(("p_percent",), unsafe=True, down=4.0, up=4.0)


def test_four_firms_without_scrap_and_one_with_all_of_it() -> None:
    # good units 100, 100, 100, 100, 90 of 100 each: numerators and denominators are even, of the complement
    # (scrap) one has all: 10. Level: 10 % of 490 = 49, but no more than 10 are missing upwards.
    amounts: Amounts = {**dict.fromkeys("abcd", (100.0, 100.0)), "e": (90.0, 100.0)}
    limits = TablePolicy(min_contributors=3, p_percent=Fraction(10), coalition=1)
    finding = found("quality_ratio", amounts, limits, step=0.05)
    assert finding == Finding(("min_contributors", "p_percent"), unsafe=True, down=49.0, up=10.0)


def test_the_largest_without_a_waiver_is_protected() -> None:
    # a has 90 of 108: unsafe; with a's waiver b's 6: others a and then 6 + 6 = 12 > 0.6
    amounts = {"a": 90.0, "b": 6.0, "c": 6.0, "d": 6.0}
    limits = TablePolicy(p_percent=Fraction(15), coalition=1)
    assert found("energy_kwh", amounts, limits).reasons == ("p_percent",)
    assert found("energy_kwh", amounts, limits, "a").reasons == ()
    assert found("energy_kwh", amounts, limits, *"abcd").reasons == ()


def test_a_zero_of_class_b_with_contributors_is_unsafe_and_of_class_a_is_not() -> None:
    limits = TablePolicy(min_contributors=3)
    zeros: Amounts = dict.fromkeys("abcde", (0.0, 10.0))
    assert found("transport_krw_per_tkm", zeros, limits).reasons == ("zero",)
    assert found("rework_ratio", zeros, limits, step=0.005).reasons == ()


def test_an_order_statistic_needs_five_holdings_or_the_policys_number_if_that_is_more() -> None:
    def of(number: int, least: int) -> tuple[str, ...]:
        amounts: Amounts = {f"f{i}": (1.0, 2.0) for i in range(number)}
        return found(
            "energy_kwh_per_unit", amounts, TablePolicy(min_contributors=least), statistic="order_statistic"
        ).reasons

    assert of(4, 3) == ("min_contributors",)
    assert of(5, 3) == ()
    assert of(5, 6) == ("min_contributors",)


def test_what_has_no_public_grid_or_a_period_that_its_class_does_not_publish_is_policy() -> None:
    no_grid = kwh(equal(10.0, "a", "b", "c", "d"), grid_step=None)
    assert outcome(night([no_grid])) == {"* energy_kwh": "policy"}


def test_negative_contributions_count_by_their_size() -> None:
    assert (
        found("energy_kwh", {"a": 10.0, "b": -10.0, "c": 5.0}, TablePolicy(min_contributors=3)).reasons == ()
    )


def test_a_safe_figure_is_published_with_its_rounding() -> None:
    decided = night([kwh({"a": 10.2, "b": 10.0, "c": 10.0, "d": 10.0}, step=1.0)])
    (sealed,) = decided.values()
    assert sealed.decision == "publish"
    (statement,) = sealed.statements
    # 40.2 is printed as 40: the truth may lie in [39.5, 40.5]
    assert (statement.down, statement.up) == (pytest.approx(0.7), pytest.approx(0.3))
    assert rules().known_at_us == sealed.known_at_us
