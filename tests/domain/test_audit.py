"""The audit, against histories worked by hand, and its short cut against every program solved."""

import math
import random
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import pytest

from pipelines.domain.disclosure import audit as auditing_module
from pipelines.domain.disclosure.audit import AuditReport, AuditRow, audit
from pipelines.domain.disclosure.audit_attack import Attack, Group
from pipelines.domain.disclosure.audit_systems import histories
from pipelines.domain.disclosure.exposure import SealedFigure, Unknown
from tests.domain.auditing import NIGHT_US, days_of, sealed, unknowns

DAY = date(2025, 11, 10)
MAY, JUNE = date(2025, 5, 1), date(2025, 6, 1)
FIVE = Fraction(5)


def of(day: Sequence[Unknown], factories: str) -> list[Unknown]:
    """Return the unknowns of factories `abc`: a-1, b-1, c-1."""
    return [u for u in day if u.holding in factories]


def row(report: AuditReport, holding: str, attacker: str = "exact") -> AuditRow:
    found = [r for r in report.rows if (r.holding, r.attacker) == (holding, attacker)]
    assert len(found) == 1, found
    return found[0]


def ids(found: AuditRow) -> list[str]:
    return [release.figure_id for release in found.releases]


def test_two_totals_that_differ_by_one_member_tell_its_amount() -> None:
    day = unknowns("day", DAY, {"a-1": 90, "b-1": 100, "c-1": 110, "d-1": 80})
    # 380 - 300 = 80, to the kilowatt hour; the third total adds nothing.
    report = audit(
        [sealed("all", 1, day), sealed("three", 1, of(day, "abc")), sealed("two", 1, of(day, "ab"), half=40)],
        coalition=0, persistence_percent=FIVE,
    )  # fmt: skip
    told = row(report, "d")
    assert (told.lower, told.upper) == pytest.approx((80, 80))
    assert (told.protected_low, told.protected_high) == pytest.approx((72, 88))
    assert told.tightest == pytest.approx(0, abs=1e-9)
    assert told.alarm
    assert ids(told) == ["all", "three"]
    assert told.coalition == 0
    assert [r.holding for r in report.alarms] == ["d"]


def test_rounding_widens_what_a_difference_tells() -> None:
    day = unknowns("day", DAY, {"a-1": 90, "b-1": 100, "c-1": 110, "d-1": 80})
    # +-5 and +-5: 80 lies in [70, 90]: 12.5 % of 80 on both sides, and 10 % was promised.
    wide = audit([sealed("all", 1, day, half=5), sealed("three", 1, of(day, "abc"), half=5)], 0, FIVE)
    assert (row(wide, "d").lower, row(wide, "d").upper) == pytest.approx((70, 90))
    assert row(wide, "d").tightest == pytest.approx(0.125)
    assert not wide.alarms
    # +-3 and +-3: [74, 86], 7.5 %.
    narrow = audit([sealed("all", 1, day, half=3), sealed("three", 1, of(day, "abc"), half=3)], 0, FIVE)
    assert row(narrow, "d").tightest == pytest.approx(0.075)
    assert [r.holding for r in narrow.alarms] == ["d"]


def test_who_bought_a_factory_knows_its_old_books_and_is_asked_about_the_others_only() -> None:
    may = unknowns("month", MAY, {"a-1": 100, "b-1": 50, "c-1": 104, "d-1": 104})
    june = unknowns("month", JUNE, {"a-1": 100, "c-1": 100, "d-1": 100})
    sold = [u._replace(holding="b") if u.factory == "a-1" else u for u in june]
    # Of June b knows a's 100, so c and d have 200, and had 200 / 0.95 = 210.53 in May at most; a had at least
    # 358 - 50 - 210.53 = 97.5. But of a's books there is nothing to keep from b.
    assert not audit([sealed("May", 1, may), sealed("June", 31, sold)], 1, FIVE).alarms
    # Of June's two each knows the other's, and c so what a had in May, more or less: c bought nothing.
    report = audit([sealed("May", 1, of(may, "abc")), sealed("June", 31, of(sold, "bc"))], 1, FIVE)
    assert {r.holding for r in report.alarms} == {"a", "b", "c"}


@pytest.mark.parametrize(("days", "lower"), [(15, 0.0), (30, 200 - 60 / 0.95)])
def test_a_month_that_a_factory_left_is_not_taken_for_a_whole_one(days: int, lower: float) -> None:
    # Everybody knows that a has 60 in June at most; it has 50. If it was there all of June, it had 60 / 0.95
    # in May, and b the rest of 200. If it left on the 15th, June says nothing of May.
    may = unknowns("month", MAY, {"a-1": 100, "b-1": 100})
    june = sealed("June", 31, unknowns("month", JUNE, {"a-1": 50}), level=1.0, most=60.0)
    of_days = [
        sealed(f"day {day}", n, unknowns("day", day, {"a-1": 50 / days}), level=0.1)
        for n, day in enumerate(days_of(JUNE)[:days], start=1)
    ]
    report = audit([sealed("May", 1, may), june, *of_days], 0, FIVE)
    assert row(report, "b", "persistent").lower == pytest.approx(lower, abs=1e-6)
    assert not report.alarms  # nothing was released in June


def test_what_a_coming_month_tells_is_an_alarm_only_where_something_of_it_was_released() -> None:
    # a had 100 in May, 60 in June at most: 63.16 in May, thinks who takes months for alike, and b 136.84.
    may = sealed("May", 1, unknowns("month", MAY, {"a-1": 100, "b-1": 100}))
    known = sealed("June", 31, unknowns("month", JUNE, {"a-1": 50}), level=1.0, most=60.0)
    assert row(audit([may, known], 0, FIVE), "b", "persistent").lower == pytest.approx(200 - 60 / 0.95)
    assert not audit([may, known], 0, FIVE).alarms
    # Where June's total says it, not June's bound, the gate could have withheld June.
    told = sealed("June", 31, unknowns("month", JUNE, {"a-1": 50, "b-1": 10}), half=1.0)
    assert {r.holding for r in audit([may, told], 1, FIVE).alarms} == {"a", "b"}


def test_late_data_of_one_member_tell_the_difference() -> None:
    before = unknowns("day", DAY, {"a-1": 5, "b-1": 100, "c-1": 100})
    after = unknowns("day", DAY, {"a-1": 100, "b-1": 100, "c-1": 100})
    # a's later amount less its earlier one is 95 exactly, so a has at least 95; at most 95 + (205 - 0 - 0).
    report = audit([sealed("t", 1, before), sealed("t", 2, after)], 0, FIVE)
    told = row(report, "a")
    assert (told.lower, told.upper) == pytest.approx((95, 300))
    assert told.alarm
    assert [(r.figure_id, r.known_at_us) for r in told.releases] == [("t", NIGHT_US), ("t", 2 * NIGHT_US)]
    assert row(report, "b").tightest == 0.5  # nothing near


def test_a_months_total_less_its_days_tells_a_day_that_was_withheld() -> None:
    amounts = {"a-1": 90.0, "b-1": 100.0, "c-1": 110.0, "d-1": 80.0}
    figures = []
    for night, day in enumerate(days_of(JUNE), start=1):
        some = unknowns("day", day, amounts)
        if day < date(2025, 6, 30):
            figures.append(sealed(f"day {day}", night, some))
        else:  # all four is withheld, three of them published
            figures += [sealed(f"day {day}", night, some, level=8.0), sealed("three", night, of(some, "abc"))]
    month = unknowns("month", JUNE, {f: 30 * amount for f, amount in amounts.items()})
    without_month = audit(figures, 0, FIVE)
    assert not without_month.alarms
    report = audit([*figures, sealed("month", 31, month)], 0, FIVE)
    # 30 x 380 - 29 x 380 - 300 = 80
    told = row(report, "d")
    assert (told.period, told.start) == ("day", date(2025, 6, 30))
    assert (told.lower, told.upper) == pytest.approx((80, 80))
    assert len(told.releases) == 31
    assert {"month", "three"} <= set(ids(told))
    # And the figure that was withheld itself: 380, where [372, 388] had to seem possible.
    (cell,) = [r for r in report.alarms if not r.holding]
    assert cell.figure_id == "day 2025-06-30"
    assert (cell.lower, cell.upper) == pytest.approx((380, 380))
    assert (cell.protected_low, cell.protected_high) == pytest.approx((372, 388))


def test_a_rolling_year_less_the_one_before_tells_the_newest_month() -> None:
    months = [date(2024, m, 1) for m in range(1, 13)] + [date(2025, 1, 1)]
    said = {m: unknowns("month", m, {"a-1": 90, "b-1": 100, "c-1": 110}) for m in months}
    first = sealed("year to December", 1, [u for m in months[:12] for u in said[m]])
    second = sealed("year to January", 2, [u for m in months[1:] for u in said[m]])
    oldest = sealed("January 2024", 1, said[months[0]])
    two = sealed("two of January 2025", 2, of(said[months[12]], "ab"))
    assert not audit([first, second, two], 0, FIVE).alarms
    # 3600 - 3600 + 300 = 300 is January 2025; less the two, 110 is c's.
    report = audit([first, second, oldest, two], 0, FIVE)
    told = row(report, "c")
    assert (told.period, told.start, told.alarm) == ("month", date(2025, 1, 1), True)
    assert (told.lower, told.upper) == pytest.approx((110, 110))
    assert set(ids(told)) == {"year to December", "year to January", "January 2024", "two of January 2025"}


def newcomer() -> list[SealedFigure]:
    before = unknowns("month", MAY, {"a-1": 100, "b-1": 100, "c-1": 100})
    after = unknowns("month", JUNE, {"a-1": 100, "b-1": 100, "c-1": 100, "d-1": 100})
    return [sealed("May", 1, before), sealed("June", 2, after)]


@pytest.mark.parametrize(("percent", "low", "high", "alarm"), [("5", 85, 115, False), ("3", 91, 109, True)])
def test_a_newcomers_month_is_what_the_others_persistence_leaves(
    percent: str, low: float, high: float, *, alarm: bool
) -> None:
    # The three had 300 in May, so 300 +- 5 % in June; of 400 the newcomer has 100 -+ 15. At 3 %: 100 -+ 9.
    report = audit(newcomer(), 0, Fraction(percent))
    told = row(report, "d", "persistent")
    assert (told.lower, told.upper) == pytest.approx((low, high))
    assert told.alarm == alarm
    assert (ids(told) == ["June", "May"]) == alarm
    assert not row(report, "d").alarm  # who knows nothing of persistence can't tell


def test_months_whose_days_are_all_out_link_like_months() -> None:
    figures = []
    for night, day in enumerate([*days_of(MAY), *days_of(JUNE)]):
        there = {"a-1": 100.0, "b-1": 100.0, "c-1": 100.0} | ({"d-1": 100.0} if day >= JUNE else {})
        figures.append(sealed(f"{day}", night, unknowns("day", day, there)))
    report = audit(figures, 0, Fraction(3))
    # May's three have 9300; June's at most 9300 x 1.03 = 9579 of 12000: the newcomer at least 2421 of 3000,
    # and at most 12000 - 9300 x 0.97 = 2979: less than it has, for June is a day shorter than May.
    told = row(report, "d", "persistent")
    assert (told.period, told.start, told.amount) == ("month", JUNE, 3000)
    assert (told.lower, told.upper) == pytest.approx((2421, 2979))
    assert told.alarm


def chain_attack(june: dict[str, float]) -> Attack:
    may = {"a-1": 100.0, "b-1": 100.0, "c-1": 100.0}
    sealed_ = [
        sealed("May", 1, unknowns("month", MAY, may)),
        sealed("June", 2, unknowns("month", JUNE, june)),
    ]
    return Attack(histories(sealed_)["energy"].chain(), 0.05)


def test_where_the_releases_refute_five_per_cent_the_smallest_that_they_do_not_is_taken() -> None:
    # 300 -> 350: somebody rose by a sixth at least: 16.7 %. a knows that it rose by 30 %: 200 -> 220.
    attack = chain_attack({"a-1": 130.0, "b-1": 110.0, "c-1": 110.0})
    assert attack.share(()) == pytest.approx(0.167)
    assert attack.share((attack.holdings.index("a"),)) == pytest.approx(0.1, abs=1.1e-3)
    assert chain_attack({"a-1": 110.0, "b-1": 90.0, "c-1": 100.0}).share(()) == 0.05


def test_how_much_those_moved_whom_everybody_knows_by_name_says_nothing_of_the_others() -> None:
    # n and m rose by 30 %, as everybody can see; that the three of June moved by 5 % is not refuted by that.
    rose = [
        sealed(f"{name} of {start}", night, unknowns("month", start, {f"{name}-1": size}), known_to_all=True)
        for night, start, size in ((1, MAY, 100.0), (2, JUNE, 130.0))
        for name in "nm"
    ]
    attack = Attack(histories([*newcomer(), *rose])["energy"].chain(), 0.05)
    assert attack.share(()) == 0.05


def test_what_bounds_and_persistence_say_without_any_release_is_no_alarm() -> None:
    # Everybody knows that June had room for 80: so May had 80 / 0.95 = 84.2 at most; of its 98 nobody knows.
    may = sealed("May", 1, unknowns("month", MAY, {"a-1": 98, "b-1": 98, "c-1": 98}), half=1000, most=100)
    june = unknowns("month", JUNE, {"a-1": 78, "b-1": 78, "c-1": 78})
    report = audit([may, sealed("June", 2, june, half=1000, most=80)], 0, FIVE)
    told = row(report, "a", "persistent")
    assert (told.start, told.upper, told.amount) == (MAY, pytest.approx(80 / 0.95), 98)
    assert not report.alarms
    # But June's 234 +- 1 says more: at least 233 - 160 = 73, where 70.2 should seem possible.
    found = audit([may, sealed("June", 2, june, half=1, most=80)], 0, FIVE)
    assert {(r.attacker, r.start) for r in found.alarms} >= {("exact", JUNE), ("persistent", JUNE)}
    assert all(r.releases for r in found.alarms)


def test_a_named_reference_is_known_to_all_and_is_not_asked_about() -> None:
    day = unknowns("day", DAY, {"a-1": 100, "b-1": 100, "c-1": 100})
    total = sealed("total", 1, day, coalition=1, waived=("b",))
    assert not audit([total], 1, FIVE).alarms
    named = sealed("b by name", 1, of(day, "b"), known_to_all=True, waived=("b",))
    report = audit([total, named], 1, FIVE)
    # c knows its own and b's: the rest is a's.
    assert [(r.holding, r.coalition) for r in report.alarms] == [("a", 1), ("c", 1)]
    assert "b" not in {r.holding for r in report.rows}


def test_a_holding_that_waived_gives_no_alarm_unless_another_figure_promised() -> None:
    day = unknowns("day", DAY, {"a-1": 90, "b-1": 100, "c-1": 110, "d-1": 80})
    pair = [sealed("all", 1, day, waived="d"), sealed("three", 1, of(day, "abc"), waived="d")]
    assert not audit(pair, 0, FIVE).alarms
    assert [r.holding for r in audit([*pair, sealed("again", 2, day)], 0, FIVE).alarms] == ["d"]


def test_as_many_work_together_as_were_promised_and_no_more_than_asked() -> None:
    day = unknowns("day", DAY, {"a-1": 90, "b-1": 100, "c-1": 110})
    assert not audit([sealed("t", 1, day, coalition=1)], 2, FIVE).alarms
    assert not audit([sealed("t", 1, day, coalition=2)], 1, FIVE).alarms
    report = audit([sealed("t", 1, day, coalition=2)], 2, FIVE)
    assert [(r.holding, r.coalition) for r in report.alarms] == [("a", 2), ("b", 2), ("c", 2)]


def test_factories_of_one_holding_are_protected_together() -> None:
    day = unknowns("day", DAY, {"a-1": 50, "a-2": 50, "b-1": 100, "c-1": 100})
    # The difference tells that a-1 has 50: the holding has anything from 50 up, 50 % below and 100 % above.
    totals = [sealed("all", 1, day), sealed("rest", 1, [u for u in day if u.factory != "a-1"])]
    report = audit(totals, 0, FIVE)
    assert row(report, "a").amount == 100
    assert not report.alarms
    # With b and c out as well, a-2 follows too.
    alone = sealed("b and c", 1, of(day, "bc"))
    assert [r.holding for r in audit([*totals, alone], 0, FIVE).alarms] == ["a"]


def test_a_share_that_is_nearly_full_is_told_by_its_complement() -> None:
    day = unknowns("day", DAY, {"a-1": 98, "b-1": 98, "c-1": 98})
    # Each has at most 100. Of 294 the others have at most 200: a has at least 94, 4 of 98 below.
    report = audit([sealed("quality", 1, day, most=100)], 0, FIVE)
    told = row(report, "a")
    assert (told.lower, told.upper) == pytest.approx((94, 98 + 2))
    assert told.tightest == pytest.approx(4 / 98)
    assert (told.protected_high, told.alarm) == (pytest.approx(100), True)  # no further up than is possible


def test_a_withheld_sum_is_asked_about_for_the_public_and_for_who_is_alone_in_another() -> None:
    day = unknowns("day", DAY, {"c-1": 100, "d-1": 100, "e-1": 100})
    total, two = sealed("total", 1, day, half=1), sealed("two", 1, of(day, "de"), level=30)
    assert not audit([total, two], 1, FIVE).alarms
    one = sealed("one", 1, of(day, "c"), level=100)
    # c knows its 100 of 300 +- 1: 199 to 201, where 170 to 230 had to seem possible.
    (alarm,) = [r for r in audit([total, two, one], 1, FIVE).alarms if not r.holding]
    assert (alarm.figure_id, alarm.coalition) == ("two", 1)
    assert (alarm.lower, alarm.upper) == pytest.approx((199, 201))
    assert (alarm.protected_low, alarm.protected_high) == pytest.approx((170, 230))
    assert ids(alarm) == ["total"]


def test_what_was_published_once_is_no_longer_asked_about_as_withheld() -> None:
    day = unknowns("day", DAY, {"a-1": 90, "b-1": 100, "c-1": 110})
    assert not audit([sealed("t", 1, day, half=1), sealed("t", 2, day, level=50)], 0, FIVE).alarms


def test_another_figure_of_the_same_amounts_does_not_excuse_a_withheld_one() -> None:
    day = unknowns("day", DAY, {"a-1": 100, "b-1": 100, "c-1": 100})
    withheld = sealed("units", 1, day, level=50)
    # A multiple of the sum is the sum; with other weights it is another one: a + b + 2c = 400 leaves
    # a + b + c anything from 200 (c alone) to 400, and 250 to 350 had to seem possible.
    double = sealed("twice", 1, day, half=1, coefficients=(2.0, 2.0, 2.0))
    assert not audit([withheld, double], 0, FIVE).alarms
    other = sealed("weighted", 1, day, coefficients=(1.0, 1.0, 2.0))
    report = audit([withheld, other], 0, FIVE)
    assert [(r.figure_id, r.lower, r.upper) for r in report.rows if not r.holding] == [("units", 200, 400)]
    # With c at most 120 the sum is at least 280.
    bounded = sealed("weighted", 1, day, coefficients=(1.0, 1.0, 2.0), most=120)
    (alarm,) = audit([withheld, bounded], 0, FIVE).alarms
    assert (alarm.figure_id, alarm.lower) == ("units", pytest.approx(280))


def test_what_was_lost_before_a_figure_was_judged_is_no_alarm_until_it_becomes_worse() -> None:
    day = unknowns("day", DAY, {"a-1": 100, "b-1": 100, "c-1": 100})
    parts = [sealed("a", 1, of(day, "ab"), half=2), sealed("c", 1, of(day, "c"), half=2, waived="c")]
    withheld = sealed("total", 2, day, level=50)
    # In the first night 300 +- 4 was out already: withholding the total in the second mends nothing.
    assert not [r for r in audit([*parts, withheld], 0, FIVE).alarms if not r.holding]
    # A third figure, of the same night or later, that leaves less than +- 4 is an alarm.
    finer = sealed("c again", 2, of(day, "c"), half=1, waived="c")
    (alarm,) = [r for r in audit([*parts, withheld, finer], 0, FIVE).alarms if not r.holding]
    assert (alarm.lower, alarm.upper) == pytest.approx((297, 303))
    assert set(ids(alarm)) == {"a", "c again"}


def test_what_persistence_alone_tells_is_no_alarm() -> None:
    may = unknowns("month", MAY, {"a-1": 100, "b-1": 100, "c-1": 100})
    june = unknowns("month", JUNE, {"a-1": 130, "b-1": 100, "c-1": 100})
    # a lets everybody know May: June is then taken for 95 to 105, whatever is published of it.
    shown = [sealed("May of a", 1, of(may, "a"), waived="a"), sealed("May", 1, may, half=50, waived="a")]
    report = audit([*shown, sealed("June", 2, june, half=60)], 0, FIVE)
    told = row(report, "a", "persistent")
    assert (told.lower, told.upper) == pytest.approx((95, 105))
    assert not report.alarms


def test_without_releases_there_is_nothing_to_report() -> None:
    assert audit([], 2, FIVE) == AuditReport((), 0)
    day = unknowns("day", DAY, {"a-1": 90, "b-1": 0})
    assert audit([sealed("t", 1, day, level=9)], 2, FIVE).rows == ()


def random_history(seed: int) -> list[SealedFigure]:
    """Return days and months of a few holdings: groups overlap, some figures are withheld, data late."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    factories = [f"{chr(97 + n)}-1" for n in range(rng.choice([5, 6]))] + ["a-2"]
    days = days_of(MAY)[: rng.choice([2, 3])]
    groups = [factories, *(sorted(rng.sample(factories, rng.randint(3, len(factories)))) for _ in range(3))]
    figures, sums = [], dict.fromkeys(factories, 0.0)
    for night, day in enumerate(days):
        amounts = {f: float(rng.randint(20, 200)) for f in factories}
        for version in range(rng.choice([1, 2])):
            if version:
                amounts[rng.choice(factories)] += 7.0
            some = unknowns("day", day, amounts)
            for n, group in enumerate(groups):
                level = rng.choice([None, None, 25.0])
                terms = [u for u in some if u.factory in group]
                figures.append(
                    sealed(f"{n}", night + version, terms, half=rng.choice([1, 8]), level=level, coalition=2)
                )
        for f in factories:
            sums[f] += amounts[f]
    for start, part in ((MAY, 1.0), (JUNE, 1.02)):
        month = unknowns("month", start, {f: part * v + 300 for f, v in sums.items()})
        for n, group in enumerate(groups[:2]):
            terms = [u for u in month if u.factory in group]
            figures.append(sealed(f"{n}m", 40, terms, half=rng.choice([2, 20]), coalition=2))
    return figures


@pytest.mark.parametrize("seed", range(6))
def test_points_that_spare_programs_hide_no_tighter_interval(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = random_history(seed)
    quick = audit(history, 2, FIVE)
    solved: list[int] = []
    monkeypatch.setattr(auditing_module, "_carry", lambda *_: None)
    monkeypatch.setattr(auditing_module, "_seed", lambda *_: None)
    monkeypatch.setattr(
        Group, "unanswered", lambda self, *_: solved.append(1) or np.ones(len(self.coalitions), dtype=bool)
    )
    whole = audit(history, 2, FIVE)
    assert solved
    assert tightest(quick) == tightest(whole)
    assert alarmed(quick) == alarmed(whole)


def tightest(report: AuditReport) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for r in report.rows:
        key = (r.holding, r.attacker)
        found[key] = round(min(r.tightest, found.get(key, math.inf)), 4)
    return found


def alarmed(report: AuditReport) -> set[tuple[str, str, str, date, str]]:
    return {(r.holding, r.figure_id, r.period, r.start, r.attacker) for r in report.alarms}


def test_progress_is_told_system_by_system() -> None:
    told: list[tuple[int, int]] = []
    some = [
        sealed(f"{n}", n, unknowns("day", DAY + timedelta(days=n), {"a-1": 9, "b-1": 9})) for n in range(3)
    ]
    audit([*some, *newcomer()], 0, FIVE, lambda done, total: told.append((done, total)))
    assert told == [(n, 7) for n in range(8)]  # three days, two months, all months twice
