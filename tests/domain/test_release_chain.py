"""Trends and named references among the months: what they say is known when the next one is judged."""

from dataclasses import replace
from datetime import date

from pipelines.domain.disclosure.candidates import Candidate
from tests.domain.release_night import equal, kwh, night, outcome, rules

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
FIVE = ["f0", "f1", "f2", "f3", "f4"]


def month(start: date, *names: str) -> Candidate:
    return kwh(equal(1000.0, *names), period="month", start=start)


def trend(*names: str) -> Candidate:
    """Return June's trend: of the same factories in May and June."""
    now = month(JUNE, *names)
    return replace(now, figure_id=f"{now.figure_id}/trend", paired=month(MAY, *names))


def test_a_trends_earlier_month_is_not_the_months_total_less_who_left() -> None:
    # May's five had 5,000; a trend of the four who stayed says that they had 4,000.
    may = list(night([month(MAY, *FIVE)]).values())
    told = night([month(JUNE, *FIVE[:4]), trend(*FIVE[:4])], may, rules(night=2))
    assert [";".join(s.reasons) for s in told.values()] == ["", "differencing"]
    assert [len(s.statements) for s in told.values()] == [1, 2]


def test_a_trend_of_the_same_factories_says_nothing_new() -> None:
    may = list(night([month(MAY, *FIVE)]).values())
    told = night([month(JUNE, *FIVE), trend(*FIVE)], may, rules(night=2))
    assert [s.decision for s in told.values()] == ["publish", "publish"]


def test_who_is_known_by_name_hides_nobody_in_a_later_total() -> None:
    # Three of equal size hide each other; once everybody knows one, the second knows the third's.
    assert outcome(night([month(MAY, *FIVE[:3])])) == {"* energy_kwh month 2026-05": "publish"}
    one = month(MAY, "f2")
    named = replace(one, figure_id=f"{one.figure_id}/named/m2", panel=("f2",))
    waived = rules(waived=["f2"])
    known = list(night([named], (), waived).values())
    assert [s.decision for s in known] == ["publish"]
    assert known[0].statements[0].known_to_all
    (told,) = night([month(MAY, *FIVE[:3])], known, rules(waived=["f2"], night=2)).values()
    assert told.reasons == ("differencing",)
