"""Days, months and years together, and who knows that amounts move little from month to month."""

import math
from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain.disclosure.candidates import Candidate
from pipelines.domain.disclosure.enduring import movements
from pipelines.domain.disclosure.exposing import Exhibit, Guard
from pipelines.domain.disclosure.exposure import SealedFigure, Statement, Term, Unknown
from pipelines.domain.disclosure.months import cut_short, implied_months, whole_months
from pipelines.domain.disclosure.release import Checks, admitted
from tests.domain.release_night import ALL, Amounts, equal, kwh, night, outcome, rules

TEN = [f"f{i}" for i in range(10)]
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


NO_PERSISTENCE = Checks(persistence=False)


def publish(candidates: list[Candidate], past: list[SealedFigure], checks: Checks = ALL) -> dict[str, str]:
    """Judge one more night and remember it."""
    decided = night(candidates, past, rules(night=len(past) + 1), checks)
    past += decided.values()
    return outcome(decided)


def every_day(amounts: Amounts, month: date, days: int, past: list[SealedFigure]) -> None:
    for i in range(days):
        publish([kwh(amounts, start=month + timedelta(days=i))], past)


def test_a_withheld_day_is_not_the_month_minus_the_other_days() -> None:
    # 30 days of ten firms, on the 31st only two have data: that day's total is withheld, 2 x 1000; the month
    # is the 30 days and that one
    past: list[SealedFigure] = []
    every_day(equal(1000.0, *TEN), MAY, 30, past)
    last: Amounts = {"f0": 1500.0, "f1": 500.0}
    assert publish([kwh(last, start=date(2026, 5, 31))], past) == {
        "* energy_kwh": "min_contributors;p_percent"
    }
    month = {**equal(30_000.0, *TEN), "f0": 31_500.0, "f1": 30_500.0}
    told = publish([kwh(month, period="month", start=MAY)], past)
    assert told == {"* energy_kwh month 2026-05": "differencing"}


def test_a_month_of_days_that_were_all_published_is_published() -> None:
    past: list[SealedFigure] = []
    every_day(equal(1000.0, *TEN), MAY, 31, past)
    told = publish([kwh(equal(31_000.0, *TEN), period="month", start=MAY)], past)
    assert told == {"* energy_kwh month 2026-05": "publish"}


def test_a_day_that_is_published_late_does_not_reveal_itself_by_its_month() -> None:
    # 30 days of May for ten firms, the month of ten firms published before the 31st, on which nine have data
    # (f9 is unknown): month - days = the 31st of all; with the nine's it is f9's 31st
    past: list[SealedFigure] = []
    every_day(equal(1000.0, *TEN), MAY, 30, past)
    month = equal(31_000.0, *TEN)
    assert publish([kwh(month, period="month", start=MAY)], past) == {"* energy_kwh month 2026-05": "publish"}
    last = kwh(equal(1000.0, *TEN[:9]), start=date(2026, 5, 31))
    told = publish([last], past)
    # f9's 31st is told by nobody, so it is no secret of a figure; its month hides among the others'
    assert told == {"* energy_kwh": "publish"}


def year(amounts: Amounts, first: date) -> list[tuple[date, Amounts]]:
    months = [first.year * 12 + first.month - 1 + i for i in range(12)]
    return [(date(m // 12, m % 12 + 1, 1), amounts) for m in months]


def times(amounts: Amounts, factor: float) -> Amounts:
    return {f: a * factor for f, a in amounts.items() if isinstance(a, float)}


def test_two_years_of_twelve_months_whose_difference_is_one_firms_month_are_not_both_published() -> None:
    # The first year ends with December; the second loses January 2025 and gains January 2026. All firms have
    # 1000 a month, but in January 2026 only f0-f2 have anything, f0 3000: the difference is
    # -10 x 1000 + 3000 + 10 + 10, with January 2025 (published) it gives 3020 of three firms.
    first = year(equal(1000.0, *TEN), date(2025, 1, 1))
    second: list[tuple[date, Amounts]] = [
        *first[1:], (date(2026, 1, 1), {"f0": 3000.0, "f1": 10.0, "f2": 10.0}),
    ]  # fmt: skip
    past: list[SealedFigure] = []
    january = kwh(first[0][1], period="month", start=date(2025, 1, 1))
    one = kwh(times(first[0][1], 12), period="rolling12", start=date(2025, 1, 1), months=first)
    assert set(publish([january, one], past).values()) == {"publish"}
    amounts = {**times(first[0][1], 11), "f0": 14_000.0, "f1": 11_010.0, "f2": 11_010.0}
    two = kwh(amounts, period="rolling12", start=date(2025, 2, 1), months=second)
    months = kwh(second[-1][1], period="month", start=date(2026, 1, 1))
    assert publish([months, two], past) == {
        "* energy_kwh month 2026-01": "p_percent", "* energy_kwh rolling12 2025-02": "differencing",
    }  # fmt: skip


def test_a_rolling_year_is_published_beside_its_months() -> None:
    months = year(equal(1000.0, *TEN), date(2025, 1, 1))
    past: list[SealedFigure] = []
    for start, amounts in months[:-1]:
        publish([kwh(amounts, period="month", start=start)], past)
    told = publish(
        [
            kwh(months[-1][1], period="month", start=date(2025, 12, 1)),
            kwh(equal(12_000.0, *TEN), period="rolling12", start=date(2025, 1, 1), months=months),
        ],
        past,
    )
    assert set(told.values()) == {"publish"}


def in_june(newcomer: float, checks: Checks = ALL) -> str:
    past: list[SealedFigure] = []
    publish([kwh(equal(1000.0, *TEN), period="month", start=MAY)], past)
    june = kwh({**equal(1000.0, *TEN), "new": newcomer}, period="month", start=JUNE)
    return next(iter(publish([june], past, checks).values()))


def test_a_big_newcomer_shows_in_the_mean_of_ten_in_may_and_eleven_in_june_and_a_small_one_does_not() -> None:
    # The ten had 10000 in May: in June within 9500 and 10500. June's 11000 minus that leaves 500 to 1500 for
    # a newcomer of 1000: wider than 900 to 1100. One of 9000 (less than half) is left 8500 to 9500: not
    # 8100 to 9900.
    assert in_june(1000.0) == "publish"
    assert in_june(9000.0) == "differencing"
    assert in_june(9000.0, NO_PERSISTENCE) == "publish"


def test_a_group_that_stood_still_for_a_month_does_not_blind_the_gate_to_others() -> None:
    # Everybody knows that the three had nothing in May: whatever moves by a few per cent, they didn't.
    past: list[SealedFigure] = []
    still, working = equal(0.0, "x", "y", "z"), equal(1000.0, "x", "y", "z")
    b = {"breakdown": "process", "group": "b", "period": "month"}
    ten = kwh(equal(1000.0, *TEN), breakdown="process", group="a", period="month", start=MAY)
    assert set(publish([ten, kwh(still, start=MAY, **b)], past).values()) == {"publish"}
    eleven = {**equal(1000.0, *TEN), "new": 9000.0}
    june = kwh(eleven, breakdown="process", group="a", period="month", start=JUNE)
    told = publish([june, kwh(working, start=JUNE, **b)], past)
    assert told["a energy_kwh month 2026-06"] == "differencing"


def test_newcomers_are_admitted_where_the_coming_month_stays_safe() -> None:
    past: list[SealedFigure] = []
    publish([kwh(equal(1000.0, *TEN), period="month", start=MAY)], past)
    common = kwh(equal(1000.0, *TEN), period="month", start=JUNE)

    def with_newcomer(amount: float) -> Candidate:
        return kwh({**equal(1000.0, *TEN), "new": amount}, period="month", start=JUNE)

    def enter(amount: float, checks: Checks = ALL) -> frozenset[str]:
        return admitted([(with_newcomer(amount), common)], past, rules(night=2), checks)

    assert enter(1000.0) == {common.figure_id}
    assert enter(9000.0) == set()
    assert enter(9000.0, NO_PERSISTENCE) == {common.figure_id}


def test_newcomers_are_judged_as_all_figures_will_be_released_together() -> None:
    # Each figure alone hides its newcomers; eleven beside twelve tell the twelfth.
    past: list[SealedFigure] = []
    eleven, twelve = equal(1000.0, *TEN, "eleventh"), equal(1000.0, *TEN, "eleventh", "twelfth")
    group = {"breakdown": "process", "group": "a", "period": "month"}
    before = [
        kwh(equal(1000.0, *TEN), period="month", start=MAY),
        kwh(equal(1000.0, *TEN), start=MAY, **group),
    ]
    assert set(publish(before, past).values()) == {"publish"}
    everybody = (
        kwh(twelve, period="month", start=JUNE),
        kwh(equal(1000.0, *TEN), period="month", start=JUNE),
    )
    process = (kwh(eleven, start=JUNE, **group), kwh(equal(1000.0, *TEN), start=JUNE, **group))
    ids = [wide.figure_id for wide, _ in (everybody, process)]
    assert admitted([everybody], past, rules(night=2)) == {ids[0]}
    assert admitted([process], past, rules(night=2)) == {ids[1]}
    assert admitted([everybody, process], past, rules(night=2)) == {ids[0]}


def test_where_amounts_moved_more_than_expected_the_smallest_possible_move_is_taken() -> None:
    # 10000 in May, 12000 in June: with 5 % that can't be. With 20 % each has 1.2 times its May, whatever that
    # was: nobody's May is known any better.
    past: list[SealedFigure] = []
    publish([kwh(equal(1000.0, *TEN), period="month", start=MAY)], past)
    june = kwh(equal(1200.0, *TEN), period="month", start=JUNE)
    assert publish([june], past) == {"* energy_kwh month 2026-06": "publish"}


def test_a_month_that_all_its_days_tell_counts_before_its_own_figure_is_there() -> None:
    # May of ten as a month; June's days of ten and a newcomer of nine tenths of the others together: the last
    # day of June would complete the month
    past: list[SealedFigure] = []
    publish([kwh(equal(30_000.0, *TEN), period="month", start=MAY)], past)
    june: Amounts = {**equal(1000.0, *TEN), "new": 9000.0}
    every_day(june, JUNE, 29, past)
    last = [kwh(june, start=date(2026, 6, 30))]
    assert outcome(night(last, past, rules(night=99))) == {"* energy_kwh": "differencing"}
    without = NO_PERSISTENCE
    assert outcome(night(last, past, rules(night=99), without)) == {"* energy_kwh": "publish"}


def test_a_month_that_all_its_days_tell_counts_though_another_figure_lacks_some() -> None:
    # As above; those of f0 to f4 were published on the first and the last day only: that says less of June
    # than the days of everybody, not of another June.
    past: list[SealedFigure] = []
    publish([kwh(equal(30_000.0, *TEN), period="month", start=MAY)], past)
    june: Amounts = {**equal(1000.0, *TEN), "new": 9000.0}
    group = {"group": "a", "breakdown": "process"}
    publish([kwh(june, start=JUNE), kwh(equal(1000.0, *TEN[:5]), start=JUNE, **group)], past)
    every_day(june, date(2026, 6, 2), 28, past)
    last = date(2026, 6, 30)
    both = [kwh(june, start=last), kwh(equal(1000.0, *TEN[:5]), start=last, **group)]
    assert outcome(night(both, past, rules(night=99)))["* energy_kwh"] == "differencing"


def exhibits_of_days(
    figure: str, amounts: dict[str, float], days: Iterable[int], most: float
) -> list[Exhibit]:
    guard = Guard(Fraction(10), 1, frozenset())
    found = []
    for day in days:
        start = date(2026, 6, day)
        terms = [Term(Unknown("quality", "day", start, f, f, a), 1.0, most) for f, a in amounts.items()]
        name = f"c/{figure}/day/{start}/k"
        found.append(Exhibit((name, "", "0"), Statement(name, tuple(terms), True, 1.0, 1.0), guard, day))
    return found


def test_all_figures_of_a_factorys_days_are_about_one_month_bounded_by_all_of_its_days() -> None:
    # 30 days of 10 each, at most 12 a day: June has 300, at most 360. The group's 20 days say at least 200.
    everybody = exhibits_of_days("cluster/*", {"x": 10.0, "y": 10.0}, range(1, 31), 12.0)
    group = exhibits_of_days("process/a", {"x": 10.0}, range(11, 31), math.inf)
    days = [*everybody, *group]
    both, some = (implied_months(given, whole_months(days, [])) for given in (days, group))
    x, y = (Unknown("quality", "month", JUNE, f, f, 300.0) for f in ("x", "y"))
    whole, at_least = (e.statement for e in sorted(both, key=lambda e: len(e.statement.terms), reverse=True))
    assert (whole.terms, whole.down, whole.up) == ((Term(x, 1.0, 360.0), Term(y, 1.0, 360.0)), 30.0, 30.0)
    assert (at_least.terms, at_least.down, at_least.up) == ((Term(x, 1.0, 360.0),), 120.0, math.inf)
    assert [e.statement for e in some] == [at_least]


EVERY_DAY = st.just(set(range(1, 31)))


@given(st.lists(EVERY_DAY | st.sets(st.integers(1, 30), min_size=1), min_size=1, max_size=4))
def test_a_figure_says_of_the_month_what_its_days_say_and_nothing_of_the_days_it_lacks(
    told: list[set[int]],
) -> None:
    # x has 2 on the first, 4 on the second and so on, y 1 a day; figures tell their own days, each within 1
    days = [
        exhibit
        for name, some in enumerate(told)
        for day in some
        for exhibit in exhibits_of_days(f"region/{name}", {"x": 2.0 * day, "y": 1.0}, [day], math.inf)
    ]
    every = set[int]().union(*told)
    found = implied_months(days, whole_months(days, []))
    assert {t.unknown for e in found for t in e.statement.terms} == {
        Unknown("quality", "month", JUNE, "x", "x", 2.0 * sum(every)),
        Unknown("quality", "month", JUNE, "y", "y", 1.0 * len(every)),
    }
    least = sorted(
        math.fsum(t.coefficient * t.unknown.amount for t in e.statement.terms) - e.statement.down
        for e in found
    )
    assert least == pytest.approx(sorted(sum(2.0 * day + 1.0 - 1.0 for day in some) for some in told))
    whole = [len(some) == 30 for some in told]
    assert sorted(e.statement.up == math.inf for e in found) == sorted(not all_there for all_there in whole)


def test_days_bound_no_month_that_is_not_over_or_has_a_figure_of_its_own() -> None:
    days = exhibits_of_days("cluster/*", {"x": 10.0}, range(1, 30), 12.0)
    own = Unknown("quality", "month", JUNE, "x", "x", 305.0)
    guard = Guard(Fraction(10), 1, frozenset())
    of_june = Exhibit(
        ("m",), Statement("c/cluster/*/month/2026-06-01/k", (Term(own, 1.0, 400.0),), True), guard, 31
    )
    for months, amount in (([], 290.0), ([of_june], 305.0)):
        (found,) = implied_months(days, whole_months(days, months))
        assert found.statement.terms == (Term(own._replace(amount=amount), 1.0, math.inf),)


def test_a_month_that_a_factory_left_may_be_smaller_than_the_one_before_but_not_larger() -> None:
    month = [Unknown("energy", "month", MAY, f, f, 310.0) for f in ("f0", "f1")]
    days = [
        Unknown("energy", "day", MAY + timedelta(days=i), f, f, 10.0)
        for i, f in [(i, "f0") for i in range(31)] + [(i, "f1") for i in range(16)]
    ]
    guard = Guard(Fraction(10), 1, frozenset())
    exhibits = [
        Exhibit((str(u),), Statement(str(u), (Term(u, 1.0),), True), guard, 1) for u in (*days, *month)
    ]
    (left,) = cut_short(exhibits[: len(days)], month)
    assert left.factory == "f1"
    before = [u._replace(start=date(2026, 4, 1), amount=300.0) for u in month]
    held = movements([*before, *month], [*before, *month], 50, {left}, set())
    # 1.05 x 300 - 310 above, 0.95 x 300 - 310 below
    assert [(h.low, h.high) for h in held] == [(-25.0, math.inf), (-math.inf, 5.0), (-math.inf, 5.0)]


def test_how_much_those_moved_whom_everybody_knows_by_name_says_nothing_of_the_others() -> None:
    # Four of 1000 in June had 3800 to 4200 in May, if amounts move by 5 %: so of May's 6500 the fifth had
    # 2300 to 2700, within 8 % of its 2500. Two others moved by 30 %, and everybody can see that.
    past: list[SealedFigure] = []
    for month, moved, fifth in ((MAY, 1000.0, 2500.0), (JUNE, 1300.0, 0.0)):
        named = [
            kwh({who: moved}, period="month", start=month, figure_id=f"c/*/month/{month}/k/named/{who}")
            for who in ("one", "two")
        ]
        group = equal(1000.0, *TEN[:4]) | ({"f4": fifth} if fifth else {})
        of_group = kwh(group, group="x", breakdown="region", period="month", start=month)
        past += night([*named, of_group], past, rules(waived=("one", "two"), night=len(past) + 1)).values()
    assert [s.decision for s in past] == ["publish"] * 5 + ["withhold"]


@pytest.mark.parametrize("buyer", [None, "f1", "f2"])
def test_what_a_buyer_has_had_of_a_month_so_far_is_not_taken_for_its_whole_month(buyer: str | None) -> None:
    # Nine small ones had 1998 in April, so at least 1898 in May, and have 1903.5. The large one knows itself,
    # so that May's total tells it of a newcomer's 1900 that they are 1905 at most; others don't know as much.
    # Who buys the newcomer in June has had a thirtieth of a month on the first day: that says nothing of May.
    april, new = {**equal(222.0, *TEN[1:]), TEN[0]: 8000.0}, 1900.0
    past: list[SealedFigure] = []
    publish([kwh(april, period="month", start=date(2026, 4, 1))], past)
    may: Amounts = {**equal(211.5, *TEN[1:]), TEN[0]: 8000.0, "new": new}
    june = {**equal(7.0, *TEN[1:]), TEN[0]: 260.0, "new": new / 30}
    assert publish([kwh(june, start=JUNE, holdings={} if buyer is None else {"new": buyer})], past) == {
        "* energy_kwh": "publish"
    }
    assert publish([kwh(may, period="month", start=MAY)], past) == {
        "* energy_kwh month 2026-05": "differencing"
    }
