"""What the gate costs, in CPU seconds of one core: the machine's other work doesn't count."""

import time
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from pipelines.domain.disclosure.exposure import SealedFigure
from tests.perf.gates import Town, judged, month_of, night, town, varied
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
