"""Panels of months: who joins counts from the next, if that gives nobody away."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory
from pipelines.domain.disclosure.policy import Dominance, TablePolicy
from pipelines.domain.disclosure.release import Checks
from pipelines.domain.releasing import NightRelease
from tests.domain.comparing import NIGHT, Row, by_id, cluster, night, row

JOINED, NOVEMBER, DECEMBER = date(2025, 11, 5), date(2025, 11, 1), date(2025, 12, 1)
DAY = date(2025, 11, 20)
# One holding may have 60 % of a total at most.
POLICY = DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3, (Dominance(1, Fraction(60)),)))})


def joined_by(last: str = "f") -> ClusterDefinition:
    """Make a cluster of six, of whom the last joined on 5 November."""
    who = cluster("abcde" + last)
    late = tuple(replace(f, joined=JOINED) if f.factory == "f5" else f for f in who.factories)
    return replace(who, factories=late, policy=POLICY)


def kwh(day: date, last: float | None = 50.0) -> list[Row]:
    rows = [row(n, "energy_kwh", 100.0, day=day) for n in range(5)]
    return rows if last is None else [*rows, row(5, "energy_kwh", last, day=day)]


def month() -> list[Row]:
    """November of the five who are there: 30 days."""
    return [row(n, "energy_kwh", 3_000.0, day=NOVEMBER, period="month") for n in range(5)]


def after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), NIGHT.timetz())


def total(found: NightRelease, day: date) -> float | None:
    value: float | None = by_id(found)[f"demo/cluster/*/day/{day}/energy_kwh@1"]["value"]
    return value


def reasons(found: NightRelease, day: date) -> tuple[str, ...]:
    return next(s.reasons for s in found.sealed if s.figure_id == f"demo/cluster/*/day/{day}/energy_kwh@1")


def in_november(rows: list[Row] | None = None) -> NightRelease:
    return night(kwh(DAY) if rows is None else rows, joined_by(), (DAY, "day"), known_at=after(DAY))


def in_december(rows: list[Row], first: NightRelease, day: date = DECEMBER) -> NightRelease:
    return night(rows, joined_by(), (day, "day"), known_at=after(day), past=first.sealed)


def test_who_joins_in_mid_month_counts_from_the_next() -> None:
    found = in_november()
    assert total(found, DAY) == 500.0
    assert found.sealed[0].panel == ("f0", "f1", "f2", "f3", "f4")


def test_without_a_fixed_panel_the_newcomer_would_count_at_once() -> None:
    found = night(
        kwh(DAY), joined_by(), (DAY, "day"), known_at=after(DAY), checks=Checks(fixed_panel=False)
    )  # fmt: skip
    assert total(found, DAY) == 550.0


def test_a_newcomer_enters_a_month_that_stays_safe_with_it() -> None:
    # Foreseen: five of 3,000 kWh in December as in November, and 31 days of 50 kWh.
    rows = [*month(), *kwh(DAY), *kwh(DECEMBER)]
    found = in_december(rows, in_november())
    assert (total(found, DECEMBER), reasons(found, DECEMBER)) == (550.0, ())


def test_a_newcomer_that_would_stand_out_stays_out_of_the_month() -> None:
    # Foreseen: 31 days of 1,000 kWh beside five of 3,000 kWh: 67 % of all.
    rows = [*month(), *kwh(DAY, 1_000.0), *kwh(DECEMBER, 90.0)]
    first = in_december(rows, in_november())
    assert (total(first, DECEMBER), reasons(first, DECEMBER)) == (500.0, ("panel_kept",))
    # ... also on a later night, on which it would not: the month's panel was decided.
    second = date(2025, 12, 2)
    later = in_december([*kwh(DAY, 10.0), *kwh(second)], first, second)
    assert (total(later, second), reasons(later, second)) == (500.0, ("panel_kept",))


def test_a_newcomer_of_which_nothing_is_known_stays_out() -> None:
    rows = [*month(), *kwh(DAY, None), *kwh(DECEMBER)]
    found = in_december(rows, in_november(kwh(DAY, None)))
    assert (total(found, DECEMBER), reasons(found, DECEMBER)) == (500.0, ("panel_kept",))


def test_who_left_is_out_of_the_next_month_without_being_asked() -> None:
    who = joined_by()
    gone = Factory("f4", "m4", date(2025, 1, 1), left=date(2025, 11, 25))
    who = replace(who, factories=(*who.factories[:4], gone, who.factories[5]))
    first = night(kwh(DAY), who, (DAY, "day"), known_at=after(DAY))
    assert total(first, DAY) == 500.0
    rows = [*month(), *kwh(DAY), *kwh(DECEMBER)]
    found = night(rows, who, (DECEMBER, "day"), known_at=after(DECEMBER), past=first.sealed)
    assert total(found, DECEMBER) == 450.0


def test_one_call_that_reaches_over_a_month_s_end_decides_as_two_do() -> None:
    rows = [*month(), *kwh(DAY), *kwh(DECEMBER)]
    both = night(rows, joined_by(), (DAY, "day"), (DECEMBER, "day"), known_at=after(DECEMBER))
    apart = in_december(rows, in_november())
    assert (total(both, DAY), total(both, DECEMBER)) == (500.0, total(apart, DECEMBER))
    assert [s for s in both.sealed if str(DECEMBER) in s.figure_id] == list(apart.sealed)
