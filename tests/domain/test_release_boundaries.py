"""The primary rules on ratios, exactly on the boundary: published there, withheld a hair beyond.

Holdings are not judged here (no coalition), so that nothing but the rule of the test can bite.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import pytest

from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy
from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.policy import Dominance, PriorPosterior, TablePolicy
from pipelines.domain.disclosure.release import ReleaseRules, judge
from pipelines.domain.rounding import round_to_grid
from pipelines.reference.kpis import kpi_book

DAY = date(2025, 11, 10)
PER_UNIT, QUALITY, TOTAL = "energy_kwh_per_unit", "quality_ratio", "energy_kwh"
Pair = tuple[float, float]  # what one factory has above and below the line


def sealed_of(
    kpi: str, pairs: Sequence[Pair], policy: TablePolicy, holdings: Sequence[str] | None = None
) -> SealedFigure:
    """Judge one figure of a day: the n-th pair is of the n-th factory, by default each a holding's own."""
    definition = kpi_book().find(kpi)
    assert definition is not None
    owners = holdings if holdings is not None else [f"h{n}" for n in range(len(pairs))]
    contributions = tuple(
        Contribution(
            f"f{n:02}",
            owner,
            above,
            None if definition.is_total else below,
            (above,) if definition.is_total else (above, below),
        )
        for n, (owner, (above, below)) in enumerate(zip(owners, pairs, strict=True))
    )
    above, below = (sum(parts) for parts in zip(*pairs, strict=True))
    step = 1.0 if definition.is_total else 0.05
    candidate = Candidate(
        figure_id=f"park/cluster/*/day/{DAY}/{definition.key}",
        definition=definition,
        breakdown="cluster",
        group="*",
        period="day",
        start=DAY,
        end=date(2025, 11, 11),
        contributions=contributions,
        panel=tuple(c.factory for c in contributions),
        statistic="total" if definition.is_total else "ratio_of_sums",
        value=round_to_grid(above if definition.is_total else above / below, step),
        grid_step=step,
    )
    rules = ReleaseRules(
        policy=DisclosurePolicy("1", {"A": ClassPolicy(policy), "B": ClassPolicy(policy)}),
        elements=kpi_book().elements,
        waived=lambda _kpi, _day: frozenset(),
        known_at_us=0,
    )
    return judge([candidate], (), rules)[candidate.figure_id]


def outcome(sealed: SealedFigure) -> tuple[str, tuple[str, ...]]:
    return sealed.decision, sealed.reasons


PUBLISHED = ("publish", ())
P_TEN = TablePolicy(p_percent=Fraction(10))
SIXTY = (Dominance(1, Fraction(60)),)


# p % = 10 of a largest of 100: all but the two largest must hold at least 10.
@pytest.mark.parametrize(("rest", "expected"), [(10.0, PUBLISHED), (9.999, ("withhold", ("p_percent",)))])
def test_p_percent_holds_for_numerators(rest: float, expected: tuple[str, tuple[str, ...]]) -> None:
    pairs = [(100.0, 50.0), (50.0, 50.0), (rest, 50.0)]
    assert outcome(sealed_of(PER_UNIT, pairs, P_TEN)) == expected


@pytest.mark.parametrize(("rest", "expected"), [(10.0, PUBLISHED), (9.999, ("withhold", ("p_percent",)))])
def test_p_percent_holds_for_denominators(rest: float, expected: tuple[str, tuple[str, ...]]) -> None:
    pairs = [(50.0, 100.0), (50.0, 50.0), (50.0, rest)]
    assert outcome(sealed_of(PER_UNIT, pairs, P_TEN)) == expected


# Scrap, the complement of what is good: 100, 50 and the rest. What is made is 1000 each.
@pytest.mark.parametrize(("rest", "expected"), [(10.0, PUBLISHED), (9.5, ("withhold", ("p_percent",)))])
def test_p_percent_holds_for_complements_of_a_share(
    rest: float, expected: tuple[str, tuple[str, ...]]
) -> None:
    pairs = [(1000.0 - scrap, 1000.0) for scrap in (100.0, 50.0, rest)]
    assert outcome(sealed_of(QUALITY, pairs, P_TEN)) == expected


def test_of_a_ratio_that_is_no_share_the_complement_is_nobodys_secret() -> None:
    pairs = [(100.0, 200.0), (100.0, 100.0), (100.0, 100.0)]  # "complements" 100, 0, 0
    assert outcome(sealed_of(PER_UNIT, pairs, P_TEN)) == PUBLISHED


# The largest of 100 holds 60, that is k % itself: broken only where the policy says "as much as".
@pytest.mark.parametrize(
    ("strict", "largest", "expected"),
    [
        (True, 60.0, PUBLISHED),
        (False, 60.0, ("withhold", ("dominance",))),
        (True, 60.25, ("withhold", ("dominance",))),
        (False, 59.75, PUBLISHED),
    ],
)
@pytest.mark.parametrize("side", ["numerator", "denominator", "complement"])
def test_dominance_is_more_than_k_or_as_much_as_the_policy_says(
    side: str, *, strict: bool, largest: float, expected: tuple[str, tuple[str, ...]]
) -> None:
    amounts = [largest, 25.0, 75.0 - largest]
    policy = TablePolicy(dominance=SIXTY, strict=strict)
    if side == "numerator":
        pairs = [(amount, 30.0) for amount in amounts]
    elif side == "denominator":
        pairs = [(30.0, amount) for amount in amounts]
    else:
        pairs = [(1000.0 - amount, 1000.0) for amount in amounts]
    kpi = QUALITY if side == "complement" else PER_UNIT
    assert outcome(sealed_of(kpi, pairs, policy)) == expected


@pytest.mark.parametrize(("strict", "expected"), [(True, PUBLISHED), (False, ("withhold", ("share_limit",)))])
def test_a_share_at_the_limit_is_over_it_only_where_the_policy_says_so(
    *, strict: bool, expected: tuple[str, tuple[str, ...]]
) -> None:
    policy = TablePolicy(share_limit_percent=Fraction(25), strict=strict)
    pairs = [(25.0, 10.0)] * 4  # a quarter each, of both
    assert outcome(sealed_of(PER_UNIT, pairs, policy)) == expected


# p / q = 20 / 100 of a largest of 100: all but the two largest must hold 20, whatever `strict` says.
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("rest", "expected"), [(20.0, PUBLISHED), (19.75, ("withhold", ("pq",)))])
def test_p_q_is_broken_by_less_than_its_share_only(
    rest: float, *, strict: bool, expected: tuple[str, tuple[str, ...]]
) -> None:
    policy = TablePolicy(pq=PriorPosterior(Fraction(20), Fraction(100)), strict=strict)
    assert outcome(sealed_of(PER_UNIT, [(100.0, 50.0), (50.0, 50.0), (rest, 50.0)], policy)) == expected


@pytest.mark.parametrize(
    ("contributors", "expected"), [(3, PUBLISHED), (2, ("withhold", ("min_contributors",)))]
)
@pytest.mark.parametrize("side", ["numerator", "denominator"])
def test_who_has_nothing_above_or_below_the_line_counts_for_nobody(
    side: str, contributors: int, expected: tuple[str, tuple[str, ...]]
) -> None:
    amounts = [100.0] * contributors + [0.0] * (5 - contributors)
    pairs = [(a, 100.0) if side == "numerator" else (100.0, a) for a in amounts]
    assert outcome(sealed_of(PER_UNIT, pairs, TablePolicy(min_contributors=3))) == expected


@pytest.mark.parametrize(
    ("with_scrap", "expected"), [(3, PUBLISHED), (2, ("withhold", ("min_contributors",)))]
)
def test_too_few_with_scrap_leak_through_the_quality_ratio(
    with_scrap: int, expected: tuple[str, tuple[str, ...]]
) -> None:
    pairs = [(1000.0 - (7.0 if n < with_scrap else 0.0), 1000.0) for n in range(6)]
    assert outcome(sealed_of(QUALITY, pairs, TablePolicy(min_contributors=3))) == expected


@pytest.mark.parametrize(("zero_unsafe", "expected"), [(False, PUBLISHED), (True, ("withhold", ("zero",)))])
def test_a_total_of_nothing_shows_that_each_has_nothing(
    *, zero_unsafe: bool, expected: tuple[str, tuple[str, ...]]
) -> None:
    policy = TablePolicy(min_contributors=3, zero_unsafe=zero_unsafe)
    assert outcome(sealed_of(TOTAL, [(0.0, 0.0)] * 4, policy)) == expected


# 100 and 50 flow one way, 10 the other: sizes are 100, 50, 10, and the rest of 10 is 10 % of 100.
@pytest.mark.parametrize(("rest", "expected"), [(-10.0, PUBLISHED), (-9.5, ("withhold", ("p_percent",)))])
def test_amounts_below_zero_count_by_their_size(rest: float, expected: tuple[str, tuple[str, ...]]) -> None:
    policy = TablePolicy(p_percent=Fraction(10), nonnegative=False)
    assert outcome(sealed_of(TOTAL, [(100.0, 0.0), (50.0, 0.0), (rest, 0.0)], policy)) == expected


# Weights: two factories of 30 and 31 are one holding of 61 of 100; apart, none would hold 60.
@pytest.mark.parametrize(
    ("holdings", "expected"),
    [(["a", "b", "c", "d"], PUBLISHED), (["a", "a", "c", "d"], ("withhold", ("dominance",)))],
)
def test_factories_of_one_holding_weigh_together(
    holdings: list[str], expected: tuple[str, tuple[str, ...]]
) -> None:
    pairs = [(30.0, 25.0), (31.0, 25.0), (20.0, 25.0), (19.0, 25.0)]
    assert outcome(sealed_of(PER_UNIT, pairs, TablePolicy(dominance=SIXTY), holdings)) == expected


def test_every_side_that_fails_is_named_once() -> None:
    pairs = [(100.0, 100.0), (50.0, 50.0), (1.0, 1.0)]
    policy = TablePolicy(min_contributors=4, p_percent=Fraction(10))
    assert outcome(sealed_of(PER_UNIT, pairs, policy)) == ("withhold", ("min_contributors", "p_percent"))
