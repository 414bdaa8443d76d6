"""A waiver that was withdrawn: what some can tell already is lost, what others can't tell isn't."""

import copy
import math
import random
from datetime import date
from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.domain.disclosure.candidates import Candidate
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.policy import TablePolicy
from tests.domain.release_attack import Printed
from tests.domain.release_night import equal, kwh, night, outcome, policy, rules

PERCENT = 10


def test_who_can_tell_a_firms_amount_already_lets_nobody_else_tell_it() -> None:
    # While a and b waived, b learnt that a and c have 1050: a has 1050 at most, a twentieth more than it has.
    # d to g make the new total say 2050 of a, d and x: d, who waived, would learn as much of a.
    first = [
        kwh({"a": 1000.0, "b": 1000.0, "c": 50.0}, breakdown="process", group="p"),
        kwh(equal(1000.0, "e", "f", "g"), breakdown="process", group="q"),
    ]
    past = list(night(first, (), rules(waived=["a", "b"])).values())
    assert [s.decision for s in past] == ["publish", "publish"]
    later = kwh({**equal(1000.0, "a", "d", "e", "f", "g"), "x": 50.0}, breakdown="region", group="r")
    assert outcome(night([later], past, rules(waived=["d"], night=2))) == {"r energy_kwh": "differencing"}


def test_nor_does_it_to_those_who_know_that_amounts_move_little() -> None:
    # May's 1350 beside d's own are a's, x's and the 300 of three. Their 300 in June say that they had 285 at
    # least in May: for d, who waived, a has 1065 at most. That b knew of a's 1050 at most is no excuse.
    past: list[SealedFigure] = []
    small, may, june = equal(100.0, "e", "f", "g"), date(2026, 5, 1), date(2026, 6, 1)
    for group, amounts, start, waived in (
        ("p", {"a": 1000.0, "b": 1000.0, "c": 50.0}, may, "ab"),
        ("q", {"a": 1000.0, "d": 1000.0, "x": 50.0, **small}, may, "d"),
        ("r", small, june, "d"),
    ):
        told = kwh(amounts, breakdown="process", group=group, period="month", start=start)
        past += night([told], past, rules(waived=waived, night=len(past) + 1)).values()
    assert [";".join(s.reasons) for s in past] == ["", "", "differencing"]


def totals(amounts: dict[str, float], breakdown: str, codes: dict[str, str]) -> list[Candidate]:
    groups: dict[str, dict[str, float]] = {}
    for factory, code in codes.items():
        groups.setdefault(code, {})[factory] = amounts[factory]
    return [kwh(own, breakdown=breakdown, group=code) for code, own in sorted(groups.items())]


@example(seed=274)  # f2 could tell f0, if a demand that is lost to one firm were lost to all
@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_coalition_comes_closer_than_it_could_before_a_firm_did_not_waive(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's story
    names = [f"f{i}" for i in range(chance.randint(7, 9))]
    amounts = {f: round(chance.choice([50, 900, 1000]) * chance.uniform(0.9, 1.1), 1) for f in names}
    limits = policy(TablePolicy(min_contributors=3, p_percent=Fraction(PERCENT), coalition=1))
    past: list[SealedFigure] = []
    printed = Printed()
    lost: dict[str, Printed] = {}  # what was out before a figure named somebody without a waiver
    for number, breakdown in enumerate(("process", "region", "size"), start=1):
        waived = chance.sample(names, 4 if number == 1 else 2)
        candidates = totals(amounts, breakdown, {f: chance.choice("xy") for f in names})
        decided = night(candidates, past, rules(limits, waived, number))
        past += decided.values()
        before = copy.deepcopy(printed)
        for candidate in candidates:
            printed.learn(candidate)
            if decided[candidate.figure_id].decision == "publish":
                printed.figures.append(candidate)
                lost |= dict.fromkeys({*candidate.panel} - {*waived} - lost.keys(), before)
    for firm, before in lost.items():
        width = amounts[firm] * PERCENT / 100
        for known in [(), *((other,) for other in names if other != firm)]:
            (had_low, had_high), (low, high) = (
                told(p, firm, amounts[firm], known) for p in (before, printed)
            )
            assert low <= max(had_low, amounts[firm] - width) + 1e-3, (firm, known)
            assert high >= min(had_high, amounts[firm] + width) - 1e-3, (firm, known)


def told(printed: Printed, firm: str, amount: float, known: tuple[str, ...]) -> tuple[float, float]:
    """Return what some derive of a firm's amount."""
    place = printed.unknowns.get(("electricity", firm, amount))
    return (0.0, math.inf) if place is None else printed.interval(printed.vector([(place[0], 1.0)]), known)
