"""The quick proofs, by pairs and by stretches, never skip what is violated: the solver finds the same."""

import random
from collections.abc import Mapping
from datetime import date

import pytest

from pipelines.domain.disclosure import night_systems
from pipelines.domain.disclosure.enduring import EnduringProber
from pipelines.domain.disclosure.exposing import Exposure
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.probing import Prober
from pipelines.domain.disclosure.protection import Attacker, CoalitionDemand, Demand
from pipelines.domain.disclosure.tables import Key
from tests.domain.release_night import kwh, night, rules
from tests.domain.test_release_attack import random_story


class Checked:
    """Asks the solver about everything that pairs prove."""

    def __init__(self) -> None:
        self.make = night_systems.prober_of
        self.proven = 0

    def __call__(self, exposure: Exposure, needed: float, held: object = ()) -> Prober:
        prober = self.make(exposure, needed, held)
        plain, proof = Prober(prober.system, needed), prober.proof
        assert proof is not None

        def checked(demand: CoalitionDemand, shown: int) -> bool:
            said = proof(demand, shown)
            if said:
                self.proven += 1
                plain.shown = shown
                assert plain.find_breach(demand) is None
            return said

        prober.proof = checked
        return prober


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Checked:
    made = Checked()
    monkeypatch.setattr(night_systems, "prober_of", made)
    return made


def test_what_pairs_prove_of_a_day_no_solver_breaches(checked: Checked) -> None:
    for seed in range(12):
        nights, _ = random_story(seed)
        past: list[SealedFigure] = []
        for number, candidates in enumerate(nights, start=1):
            past += night(candidates, past, rules(night=number)).values()
    assert checked.proven > 100


def test_what_pairs_prove_of_months_no_solver_breaches(checked: Checked) -> None:
    for seed in range(6):
        release_months(seed)
    assert checked.proven > 20


def release_months(seed: int) -> None:
    """Judge three months of eight firms, of which some make a group; some move more than expected."""
    chance = random.Random(seed)  # noqa: S311 - a test's story
    amounts = {f"f{i}": chance.choice([900.0, 1000.0, 1500.0, 4000.0]) for i in range(8)}
    past: list[SealedFigure] = []
    for number, month in enumerate((date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)), start=1):
        moved = {f: round(a * chance.uniform(0.93, 1.07), 1) for f, a in amounts.items()}
        whole = kwh(moved, period="month", start=month)
        some = {f: moved[f] for f in sorted(moved)[: chance.randint(4, 6)]}
        group = kwh(some, period="month", start=month, breakdown="region", group="x")
        past += night([whole, group], past, rules(night=number)).values()


def test_what_a_stretch_answers_the_solver_finds_possible_too(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, answered = Prober._stretched, []

    def asked(self: Prober, demand: CoalitionDemand, attacker: Attacker, need: float) -> object:
        found = quick(self, demand, attacker, need)
        if found is not None:
            answered.append(need)
            assert self.finder.find(Demand(demand.terms, attacker, demand.down, demand.up), need) is not None
        return found

    monkeypatch.setattr(Prober, "_stretched", asked)
    for seed in range(3):
        release_months(seed)
    assert len(answered) > 20


def test_the_smallest_move_is_the_same_whatever_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    search, larger = EnduringProber._smallest, []

    def asked(
        self: EnduringProber, attacker: Attacker, known: Mapping[frozenset[Key], int | None]
    ) -> int | None:
        found = search(self, attacker, known)
        assert found == search(self, attacker, {})
        if found is not None and found > self._usual:
            larger.append(found)
            assert self._prober(found).is_possible(attacker)
            assert not self._prober(found - 1).is_possible(attacker)
        return found

    monkeypatch.setattr(EnduringProber, "_smallest", asked)
    for seed in range(3):
        release_months(seed)
    assert len(larger) > 2
