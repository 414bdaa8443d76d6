"""Random nights: nobody gets inside a protection interval, by SciPy on the printed figures."""

import random
from collections.abc import Mapping
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.disclosure.candidates import Candidate
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.release import Checks
from tests.domain.release_attack import Printed, cell_leaks, holding_leaks
from tests.domain.release_night import Amounts, figure, night, policy, rules


def random_amounts(chance: random.Random, number: int) -> dict[str, tuple[float, float, float]]:
    """Return kWh, units and good units of each factory."""
    found = {}
    for i in range(number):
        kwh = round(chance.choice([300, 500, 1000]) * chance.uniform(0.7, 1.5), 1)
        units = float(chance.randint(50, 500))
        found[f"f{i}"] = (kwh, units, units - chance.choice([2, 4, 5, 8, 20]))
    return found


def night_of(
    amounts: Mapping[str, tuple[float, float, float]], groups: Mapping[str, tuple[str, str]],
    owners: Mapping[str, str],
) -> list[Candidate]:  # fmt: skip
    """Return energy, emissions, quality and scrap of everybody, by region and by size."""
    tables = {("cluster", "*"): sorted(amounts)}
    for f in sorted(amounts):
        for place, breakdown in enumerate(("region", "size")):
            tables.setdefault((breakdown, groups[f][place]), []).append(f)
    found = []
    for (breakdown, group), factories in tables.items():
        kwh: Amounts = {f: amounts[f][0] for f in factories}
        co2: Amounts = {f: amounts[f][0] * 0.5 for f in factories}
        good: Amounts = {f: (amounts[f][2], amounts[f][1]) for f in factories}
        scrap: Amounts = {f: (amounts[f][1] - amounts[f][2], amounts[f][1]) for f in factories}
        for kpi, given_amounts, step in (
            ("energy_kwh", kwh, 1.0), ("co2e_kg", co2, 1.0),
            ("quality_ratio", good, 0.05), ("scrap_ratio", scrap, 0.005),
        ):  # fmt: skip
            found.append(
                figure(kpi, given_amounts, step=step, group=group, breakdown=breakdown, holdings=owners)
            )
    return found


def random_story(seed: int) -> tuple[list[list[Candidate]], int]:
    """Return two or three nights about one day: a late member, a restated amount."""
    chance = random.Random(seed)
    number = chance.randint(6, 9)
    amounts = random_amounts(chance, number)
    groups = {f: (chance.choice("xy"), chance.choice("sl")) for f in amounts}
    owners = {f: "h" for f in chance.sample(sorted(amounts), chance.choice([0, 2]))}
    late = chance.choice(sorted(amounts))
    first = {f: v for f, v in amounts.items() if f != late or chance.random() < 0.5}
    corrected = dict(amounts)
    changed = chance.choice(sorted(amounts))
    kwh, units, good = amounts[changed]
    corrected[changed] = (round(kwh * chance.uniform(0.7, 1.6), 1), units, good)
    nights = [night_of(given_amounts, groups, owners) for given_amounts in (first, amounts, corrected)]
    return nights[: chance.randint(1, 3)], chance.choice([1, 1, 2])


def play(
    nights: list[list[Candidate]], coalition: int, checks: Checks
) -> tuple[Printed, list[Candidate], TablePolicy]:
    limits = TablePolicy(min_contributors=3, p_percent=Fraction(10), coalition=coalition)
    past, printed, withheld = [], Printed(), []
    for number, candidates in enumerate(nights, start=1):
        decided = night(candidates, past, rules(policy(limits), night=number), checks)
        past += decided.values()
        for candidate in candidates:
            printed.learn(candidate)
            shown = decided[candidate.figure_id].decision == "publish"
            (printed.figures if shown else withheld).append(candidate)
        printed.end_night()
    return printed, withheld, limits


@settings(max_examples=30, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_nobody_gets_inside_a_protection_interval_by_nights_of_one_day(seed: int) -> None:
    nights, coalition = random_story(seed)
    printed, withheld, _ = play(nights, coalition, Checks())
    assert holding_leaks(printed, coalition, 10) == []
    assert cell_leaks(printed, withheld, 10, coalition, 3) == []


def test_without_the_history_the_attack_succeeds() -> None:
    found = 0
    for seed in range(10):
        nights, coalition = random_story(seed)
        if len(nights) > 1:
            printed, _, _ = play(nights, coalition, Checks(history=False))
            found += bool(holding_leaks(printed, coalition, 10))
    assert found >= 2


def test_nights_still_publish_something() -> None:
    shown = 0
    for seed in range(6):
        nights, coalition = random_story(seed)
        printed, withheld, _ = play(nights[:1], coalition, Checks())
        shown += len(printed.figures) / (len(printed.figures) + len(withheld))
    assert shown / 6 > 0.25
