"""A night whose search finds no choice: more is withheld than need be, and it says why."""

from collections.abc import Callable

import pytest

from pipelines.domain.disclosure import night_systems, release
from pipelines.domain.disclosure.linear import LimitReachedError
from pipelines.domain.disclosure.secondary import Choice, Problem
from tests.domain.formula_nights import made
from tests.domain.release_night import equal, kwh, night, outcome

TEN = [f"f{i}" for i in range(10)]
Find = Callable[..., Choice]
EVERYBODY = kwh(equal(1000.0, *TEN))
NORTH = kwh(equal(1000.0, *TEN[:9]), breakdown="region", group="north")
GIVEN_UP = {
    "limit": lambda problem: Choice(problem.withheld, limited=True),
    "unmeetable": lambda problem: Choice(problem.withheld, unprotected=(("x",),)),
}


def giving_up(why: str, times: int) -> Find:
    """Return a search that gives up so many times, then withholds nothing more."""
    left = [times]

    def choose(_prober: object, problem: Problem) -> Choice:
        left[0] -= 1
        return GIVEN_UP[why](problem) if left[0] >= 0 else Choice(problem.withheld)

    return choose


@pytest.mark.parametrize("why", sorted(GIVEN_UP))
def test_where_no_choice_is_found_the_groups_are_withheld_and_say_why(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Everybody less the nine of the north is the tenth's.
    assert sorted(outcome(night([EVERYBODY, NORTH])).values()) == ["publish", "secondary"]
    monkeypatch.setattr(night_systems, "choose_withheld", giving_up(why, 1))
    told = outcome(night([EVERYBODY, NORTH]))
    assert told == {"* energy_kwh": "publish", "north energy_kwh": f"secondary;{why}"}


@pytest.mark.parametrize("why", sorted(GIVEN_UP))
def test_where_that_is_not_enough_everything_is_withheld(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nine of the ten under everybody's breakdown: without the groups, these two still give the tenth away.
    twice = kwh(equal(1000.0, *TEN[:9]), figure_id=EVERYBODY.figure_id.replace("/*/", "/nine/"))
    monkeypatch.setattr(night_systems, "choose_withheld", giving_up(why, 2))
    told = outcome(night([EVERYBODY, NORTH, twice]))
    assert set(told.values()) == {f"secondary;{why}"}
    assert len(told) == 3


def test_a_solver_that_stops_at_formulas_withholds_the_whole_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(*_given: object) -> set[str]:
        raise LimitReachedError

    calls = []

    def once(*given: object) -> set[str]:
        calls.append(given)
        return stopping() if len(calls) == 1 else set()

    monkeypatch.setattr(release, "withhold_by_formula", once)
    told = outcome(night([made("energy_kwh_per_unit"), made("availability")]))
    assert told == {"x energy_kwh_per_unit": "formula;limit", "x availability": "formula;limit"}
