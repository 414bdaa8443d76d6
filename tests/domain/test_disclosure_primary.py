"""The primary rules at their boundaries, worked by hand.

Definitions and protection levels of (n,k) dominance, the p % rule and the (p,q) rule: Hundepool et al.,
Handbook on Statistical Disclosure Control (2010), chapter 4.
"""

from fractions import Fraction

import pytest

from pipelines.domain.disclosure.policy import Dominance, PriorPosterior, TablePolicy
from pipelines.domain.disclosure.primary import Content, Share, content_of, fill_up, judge_content

K1_75 = (Dominance(1, Fraction(75)),)


def content(*amounts: float, waived: tuple[int, ...] = ()) -> Content:
    return content_of((Fraction(repr(a)), place in waived) for place, a in enumerate(amounts))


def judged(policy: TablePolicy, *amounts: float, waived: tuple[int, ...] = ()) -> tuple[str, float]:
    verdict = judge_content(content(*amounts, waived=waived), policy)
    return ";".join(verdict.reasons), float(verdict.level)


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ((10.0, 10.0, 10.0), ("", 0)),
        ((10.0, 10.0), ("min_contributors", 2)),  # 10 % of 20
        ((10.0, 10.0, 0.0), ("min_contributors", 2)),  # who has nothing hides nobody
        ((10.0, -10.0, 5.0), ("", 0)),  # counted by size
    ],
)
def test_fewer_contributors_than_the_least_number_are_unsafe(
    amounts: tuple[float, ...], expected: tuple[str, float]
) -> None:
    assert judged(TablePolicy(min_contributors=3), *amounts) == expected


@pytest.mark.parametrize(
    ("strict", "amounts", "expected"),
    [
        # 75 of 100 is 75 %: not more than 75 %, but that much
        (True, (75.0, 15.0, 10.0), ("", 0)),
        # U = 100/75 x 75 - 100 = 0: nothing would be protected, so 10 % of the cell
        (False, (75.0, 15.0, 10.0), ("dominance", 10)),
        # U = 100/75 x 78 - 103 = 1
        (True, (78.0, 15.0, 10.0), ("dominance", 1)),
        (False, (78.0, 15.0, 10.0), ("dominance", 1)),
        (False, (74.0, 15.0, 10.0, 1.0), ("", 0)),
        # decimals that floats would miss: 0.3 of 0.4 is exactly 75 %
        (True, (0.3, 0.1), ("", 0)),
        (False, (0.3, 0.1), ("dominance", 0.04)),
    ],
)
def test_dominance_is_broken_by_more_than_the_limit_or_by_that_much(
    *, strict: bool, amounts: tuple[float, ...], expected: tuple[str, float]
) -> None:
    assert judged(TablePolicy(dominance=K1_75, strict=strict), *amounts) == pytest.approx(expected)


def test_the_two_largest_together_may_dominate() -> None:
    # (2,85): 50 + 36 = 86 of 100; U = 100/85 x 86 - 100
    policy = TablePolicy(dominance=(Dominance(2, Fraction(85)),))
    assert judged(policy, 50, 36, 10, 4) == ("dominance", pytest.approx(8600 / 85 - 100))
    assert judged(policy, 50, 35, 10, 5) == ("", 0)


def test_of_several_dominance_rules_the_one_with_the_largest_level_counts() -> None:
    # (1,50): 2 x 60 - 100 = 20; (2,90): 95/0.9 - 100 = 5.6
    policy = TablePolicy(dominance=(Dominance(2, Fraction(90)), Dominance(1, Fraction(50))))
    assert judged(policy, 60, 35, 5) == ("dominance", 20)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        # rest 10, 10 % of 100 is 10: not less
        ((100.0, 50.0, 10.0), ("", 0)),
        # rest 9.9: U = 10 - 9.9
        ((100.0, 50.0, 9.9), ("p_percent", 0.1)),
        ((100.0, 50.0), ("p_percent", 10)),
        ((100.0,), ("p_percent", 10)),
        # 10 % of 0.7 is 0.07: floats would call 0.06999... less
        ((0.7, 0.2, 0.07), ("", 0)),
    ],
)
def test_the_rest_must_hide_p_percent_of_the_largest_and_equal_is_enough_whatever_strict_says(
    *, strict: bool, amounts: tuple[float, ...], expected: tuple[str, float]
) -> None:
    policy = TablePolicy(p_percent=Fraction(10), strict=strict)
    assert judged(policy, *amounts) == pytest.approx(expected)


def test_prior_and_posterior_knowledge_make_p_over_q_of_the_largest() -> None:
    # p/q = 10/50 = 0.2: 0.2 x 100 = 20 against a rest of 20, then 19
    policy = TablePolicy(pq=PriorPosterior(Fraction(10), Fraction(50)))
    assert judged(policy, 100, 50, 20) == ("", 0)
    assert judged(policy, 100, 50, 19) == ("pq", 1)


@pytest.mark.parametrize(
    ("strict", "amounts", "expected"),
    [
        (True, (25.0, 25.0, 25.0, 25.0), ("", 0)),
        (False, (25.0, 25.0, 25.0, 25.0), ("share_limit", 10)),  # 10 % of the cell: the rule has no level
        (True, (26.0, 25.0, 25.0, 24.0), ("share_limit", 10)),
    ],
)
def test_one_share_may_not_pass_the_limit(
    *, strict: bool, amounts: tuple[float, ...], expected: tuple[str, float]
) -> None:
    assert judged(TablePolicy(share_limit_percent=Fraction(25), strict=strict), *amounts) == expected


def test_a_coalition_knows_more_of_the_others_and_needs_more_contributors() -> None:
    alone, pair = TablePolicy(p_percent=Fraction(10)), TablePolicy(p_percent=Fraction(10), coalition=2)
    # one other knows 50: rest 39 + 9; two know 50 + 39: rest 9 < 10
    assert judged(alone, 100, 50, 39, 9) == ("", 0)
    assert judged(pair, 100, 50, 39, 9) == ("p_percent", 1)
    assert judged(pair, 100, 50, 39, 10) == ("", 0)
    # any two of three know the third: fewer than c + 2 = 4; equal three are safe by 10 % without a coalition
    assert judged(alone, 10, 10, 10) == ("", 0)
    assert judged(pair, 10, 10, 10) == ("min_contributors;p_percent", 1)
    assert judged(TablePolicy(min_contributors=3, coalition=2), 10, 10, 10) == ("min_contributors", 3)
    assert judged(TablePolicy(min_contributors=5, coalition=2), 9, 9, 9, 9) == ("min_contributors", 3.6)


def test_a_holding_that_waived_is_an_other_and_protected_is_the_largest_without_a_waiver() -> None:
    policy = TablePolicy(p_percent=Fraction(10))
    # all protected: 100 - rest of 6: unsafe by 10 - 6
    assert judged(policy, 100, 20, 6) == ("p_percent", 4)
    # the largest waived: s = 20, its largest other is the 100: rest 6 >= 2
    assert judged(policy, 100, 20, 6, waived=(0,)) == ("", 0)
    # rest 1 < 2
    assert judged(policy, 100, 20, 1, waived=(0,)) == ("p_percent", 1)
    assert judged(policy, 100, 20, 1, waived=(0, 1, 2)) == ("", 0)


def test_waivers_in_dominance_and_share_and_count() -> None:
    # (1,75): s = 15 of 100 only
    assert judged(TablePolicy(dominance=K1_75), 80, 15, 5, waived=(0,)) == ("", 0)
    # (2,85): s = 15 plus the largest other, 80: 95 %; U = 9500/85 - 100
    policy = TablePolicy(dominance=(Dominance(2, Fraction(85)),))
    assert judged(policy, 80, 15, 5, waived=(0,)) == ("dominance", pytest.approx(9500 / 85 - 100))
    share = TablePolicy(share_limit_percent=Fraction(25))
    assert judged(share, 60, 20, 20, waived=(0,)) == ("", 0)
    # the count knows no waiver but that of all
    assert judged(TablePolicy(min_contributors=3), 60, 20, waived=(0,)) == ("min_contributors", 8)
    assert judged(TablePolicy(min_contributors=3), 60, 20, waived=(0, 1)) == ("", 0)


def test_negative_contributions_are_judged_by_their_size() -> None:
    # sizes 100, 50, 5: rest 5 < 10; the cell is 45
    verdict = judge_content(content(-100, 50, 5), TablePolicy(p_percent=Fraction(10)))
    assert (verdict.reasons, verdict.level) == (("p_percent",), 5)
    assert content(-100, 50, 5).value == -45
    # they cancel out, and are still judged
    assert judged(TablePolicy(p_percent=Fraction(10)), 100, -100) == ("p_percent", 10)


def test_a_cell_of_zeros_is_judged_by_its_own_rule_only() -> None:
    rules = {"min_contributors": 3, "p_percent": Fraction(10), "dominance": K1_75}
    assert judged(TablePolicy(**rules), 0, 0) == ("", 0)  # type: ignore[arg-type]
    assert judged(TablePolicy(**rules, zero_unsafe=True), 0, 0) == ("zero", 0)  # type: ignore[arg-type]
    assert judged(TablePolicy(**rules, zero_unsafe=True), 9, 9, 9) == ("", 0)  # type: ignore[arg-type]


def test_all_failed_rules_are_told_in_their_order_and_the_largest_level_counts() -> None:
    policy = TablePolicy(
        min_contributors=3, dominance=K1_75, p_percent=Fraction(10),
        pq=PriorPosterior(Fraction(10), Fraction(50)),
        share_limit_percent=Fraction(50),
    )  # fmt: skip
    # X = 100, x1 = 90: (1,75): 120 - 100 = 20; p %: 9; (p,q): 18
    assert judged(policy, 90, 10) == ("min_contributors;dominance;p_percent;pq;share_limit", 20)


def test_without_a_rule_nothing_is_unsafe() -> None:
    assert judged(TablePolicy(), 100) == ("", 0)


@pytest.mark.parametrize(
    ("value", "count", "known", "needed", "shares"),
    [
        (100, 5, (40,), 2, (40, 40)),  # not above the one before
        (100, 5, (70,), 2, (70, 30)),  # not above what is left
        (100, 5, (), 2, (100, 0)),
        (100, 1, (), 2, (100,)),  # there is nobody else
        (100, 3, (50, 30, 20), 2, (50, 30, 20)),
    ],
)
def test_contributions_that_are_not_known_are_taken_as_large_as_possible(
    value: int, count: int, known: tuple[int, ...], needed: int, shares: tuple[int, ...]
) -> None:
    given = Content(Fraction(value), Fraction(value), count, tuple(Share(Fraction(x)) for x in known))
    filled = fill_up(given, needed)
    assert tuple(int(share.size) for share in filled.shares) == shares
    assert filled.assumed == (len(shares) > len(known))
