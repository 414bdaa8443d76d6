"""What the gate costs, in CPU seconds of one core: the machine's other work doesn't count."""

import time
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.release import admitted
from pipelines.domain.disclosure.sealed import figure_from_json, figure_to_json
from pipelines.domain.periods import months_after
from tests.perf.gates import Town, judged, month_of, night, rules, town, varied, without, year_before
from tests.perf.harness import tell

pytestmark = pytest.mark.perf
MAY = date(2026, 5, 1)


def published(sealed: Sequence[SealedFigure]) -> int:
    return sum(one.decision == "publish" for one in sealed)


def days_of_may(members: int) -> list[Town]:
    place = town(members)
    return [varied(place, 0.1, seed) for seed in range(31)]


@pytest.mark.parametrize("medians", [True, False], ids=["as-released", "ratios-only"])
def test_a_plain_night_of_31_members_takes_less_than_a_minute(*, medians: bool) -> None:
    candidates = night(town(31), "day", MAY, medians=medians)
    start = time.process_time()
    sealed = judged(candidates, [], 1)
    seconds = time.process_time() - start
    told = {"gate": "plain night", "members": 31, "figures": len(candidates)}
    tell({**told, "published": published(sealed), "cpu_seconds": round(seconds, 1)})
    assert seconds <= 60


def test_a_plain_night_after_a_year_of_nights_takes_less_than_a_minute() -> None:
    past = year_before(judged(night(town(31), "day", MAY), [], 1), MAY)
    texts = [figure_to_json(figure) for figure in past]
    candidates = night(varied(town(31), 0.1, 1), "day", MAY)
    start = time.process_time()
    sealed = judged(candidates, [figure_from_json(text) for text in texts], 2)
    seconds = time.process_time() - start
    told = {"gate": "plain night after a year", "members": 31, "earlier_figures": len(past)}
    tell({**told, "published": published(sealed), "cpu_seconds": round(seconds, 1)})
    assert seconds <= 60


def test_a_months_close_after_a_year_of_nights_takes_less_than_five_minutes() -> None:
    place = town(31)
    past = year_before(judged(night(place, "day", MAY + timedelta(days=31)), [], 1), MAY + timedelta(days=31))
    candidates = night(month_of([place] * 31), "month", MAY)
    start = time.process_time()
    sealed = judged(candidates, past, 2)
    seconds = time.process_time() - start
    told = {"gate": "month close after a year", "members": 31, "earlier_figures": len(past)}
    tell({**told, "published": published(sealed), "cpu_seconds": round(seconds, 1)})
    assert seconds <= 300


def test_a_months_close_after_half_a_year_of_months_that_moved_takes_less_than_five_minutes() -> None:
    place = month_of([town(31)] * 30)
    starts = [months_after(MAY, n) for n in range(7)]
    past: list[SealedFigure] = []
    for number, start in enumerate(starts, start=1):
        # up to 4 % either way each month: by more than the 5 % that attackers expect between two
        candidates = night(varied(place, 0.04, number), "month", start)
        began = time.process_time()
        sealed = judged(candidates, past, number)
        seconds = time.process_time() - began
        past += sealed
        told = {"gate": "month close after months that moved", "members": 31, "months": number}
        tell({**told, "published": published(sealed), "cpu_seconds": round(seconds, 1)})
    assert seconds <= 300


def test_deciding_after_a_year_which_figures_a_newcomer_enters_takes_less_than_five_minutes() -> None:
    place, newcomer = town(31), "f030"
    before = without(place, newcomer)
    past = year_before(judged(night(before, "day", MAY), [], 1), MAY)
    past += judged(night(month_of([before] * 31), "month", MAY), past[-len(past) // 12 :], 2)
    june = MAY + timedelta(days=31)
    wide = {c.figure_id: c for c in night(month_of([place] * 30), "month", june)}
    common = {c.figure_id: c for c in night(month_of([before] * 30), "month", june)}
    coming = [(c, common[i]) for i, c in wide.items() if newcomer in c.panel and i in common]
    start = time.process_time()
    enter = admitted(coming, past, rules(3))
    seconds = time.process_time() - start
    told = {"gate": "a newcomer after a year", "members": 31, "earlier_figures": len(past)}
    tell({**told, "asked": len(coming), "admitted": len(enter), "cpu_seconds": round(seconds, 1)})
    assert seconds <= 300


def test_a_months_close_of_31_members_takes_less_than_five_minutes() -> None:
    days = days_of_may(31)
    past: list[SealedFigure] = []
    for number, day in enumerate(days, start=1):
        past += judged(night(day, "day", MAY + timedelta(days=number - 1)), past, number)
    candidates = night(month_of(days), "month", MAY)
    start = time.process_time()
    sealed = judged(candidates, past, 32)
    seconds = time.process_time() - start
    tell(
        {
            "gate": "month close",
            "members": 31,
            "figures": len(candidates),
            "published": published(sealed),
            "cpu_seconds": round(seconds, 1),
        }
    )
    assert seconds <= 300


def test_a_plain_night_of_250_factories_in_20_clusters_takes_less_than_ten_minutes() -> None:
    start = time.process_time()
    for number in range(20):
        judged(night(town(12 + number % 2, seed=number), "day", MAY), [], 1)
    seconds = time.process_time() - start
    tell({"gate": "plain night", "clusters": 20, "factories": 250, "cpu_seconds": round(seconds, 1)})
    assert seconds <= 600
