"""Factories without a meter in the carbon ledger: their peers, their output, the split of every sum."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from pipelines.domain.carbon.entries import ESTIMATE, METER, Entry
from pipelines.domain.carbon.estimated import ACTIVITY_ID, estimated_entry, made_outputs
from pipelines.domain.carbon.ledger import Basis, Line, ledger_lines
from pipelines.domain.carbon.peers import Plant, Product, closest_groups
from pipelines.domain.carbon.statements import Account, Boundary, Sum, account
from pipelines.domain.cluster import (
    Breakdown,
    ClassPolicy,
    ClusterDefinition,
    DisclosurePolicy,
    Factory,
    Member,
    Traits,
)
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.emissions.evaluation import Request
from pipelines.domain.emissions.peer_estimate import Output, PeerEstimate, Refusal
from tests.domain.emission_tables import TABLES

MAY, JUNE = date(2022, 5, 1), date(2022, 6, 1)
GRID = Fraction("0.4541")  # 2020-2022, kg CO2e/kWh
BASIS = Basis(TABLES, Request())
CASTINGS, MOULDS = Product("iron-castings", "kg"), Product("moulds", "mould")
FOUNDRY, MAKER = Plant(metered=True, products=frozenset({CASTINGS})), frozenset({MOULDS})
UNMETERED = replace(FOUNDRY, metered=False)
# 1.0 kWh/unit, quartiles 0.8 and 1.25 on a grid of 0.05: see test_peer_estimate
FOUND = PeerEstimate(1000.0, 378.6243, 2639.4895, 1.0, "fig@2", "quartiles", provisional=False)


# Peers


def cluster(**sizes: str) -> ClusterDefinition:
    """Make foundries of some sizes, compared by process and by process and size; `late` joins in May."""
    factories = tuple(
        Factory(
            name,
            name,
            date(2022, 5, 2) if name == "late" else date(2020, 1, 1),
            traits=(Traits(date(2020, 1, 1), "casting", size=size),),
        )
        for name, size in sizes.items()
    )
    policy = DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))})
    members = tuple(Member(name, name, name, name) for name in sizes)
    return ClusterDefinition(
        "park", "단지", "Park", "Asia/Seoul", "KR", members, factories, (), policy,
        breakdowns=(Breakdown(("process",)), Breakdown(("size",)), Breakdown(("process", "size"))),
    )  # fmt: skip


PARK = cluster(a="small", b="small", c="medium", d="medium", late="small")


def groups(plants: Mapping[str, Plant], factory: str = "a") -> list[str] | tuple[str, ...]:
    found = closest_groups(PARK, factory, MAY, plants, {})
    return found.reasons if isinstance(found, Refusal) else [f"{g.breakdown}/{g.group}" for g in found]


def test_the_closest_peers_are_the_fewest_and_always_of_the_process() -> None:
    plants = {"a": UNMETERED, "b": FOUNDRY, "c": FOUNDRY, "d": FOUNDRY}
    assert groups(plants) == ["process-size/casting+small", "process/casting"]


def test_a_group_that_makes_other_things_lends_no_figure() -> None:
    # c makes moulds, so the figure of all foundries may be one of moulds.
    plants = {"a": UNMETERED, "b": FOUNDRY, "c": replace(FOUNDRY, products=MAKER), "d": FOUNDRY}
    assert groups(plants) == ["process-size/casting+small"]
    in_tonnes = replace(FOUNDRY, products=frozenset({Product("iron-castings", "t")}))
    assert groups({**plants, "b": in_tonnes}) == ("other_products",)


def test_who_makes_several_things_has_no_say_among_peers() -> None:
    both = replace(FOUNDRY, products=frozenset({CASTINGS, *MAKER}))
    assert groups({"a": UNMETERED, "b": FOUNDRY, "c": both}) == [
        "process-size/casting+small",
        "process/casting",
    ]


@pytest.mark.parametrize(
    ("plant", "factory", "reason"),
    [
        (FOUNDRY, "a", "metered"),
        (replace(UNMETERED, products=frozenset()), "a", "no_product_class"),
        (replace(UNMETERED, products=frozenset({CASTINGS, MOULDS})), "a", "mixed_product_classes"),
        (UNMETERED, "late", "not_in_panel"),
        (UNMETERED, "stranger", "not_in_panel"),
    ],
)
def test_a_factory_without_comparable_peers_is_refused(plant: Plant, factory: str, reason: str) -> None:
    assert groups({"b": FOUNDRY, factory: plant}, factory) == (reason,)


def test_a_factory_without_a_process_has_no_peers() -> None:
    nowhere = replace(PARK, factories=tuple(replace(f, traits=()) for f in PARK.factories))
    assert closest_groups(nowhere, "a", MAY, {"a": UNMETERED}, {}) == Refusal(("no_process",))


# Output


def counted(*rows: tuple[int, float | None, str, str]) -> pl.DataFrame:
    made = [("a", date(2022, 5, day), pq, quality, status) for day, pq, quality, status in rows]
    return pl.DataFrame(made, schema=["factory", "day", "pq", "quality", "status"], orient="row")


def test_counts_add_up_over_machines_and_days_and_say_how_many_days() -> None:
    hours = counted(
        (2, 0.1, "measured", "final"), (2, 0.2, "measured", "final"), (30, 1.0, "estimated", "final")
    )
    assert made_outputs(hours) == {
        ("a", MAY): Output(date(2022, 5, 2), date(2022, 5, 31), 1.3, provisional=False, days_counted=2)
    }


@pytest.mark.parametrize("hour", [(3, None, "measured", "final"), (3, 5.0, "suspect", "final")])
def test_an_hour_that_nobody_knows_leaves_the_output_unknown(
    hour: tuple[int, float | None, str, str],
) -> None:
    assert made_outputs(counted((2, 1.0, "measured", "final"), hour)) == {
        ("a", MAY): Refusal(("output_incomplete",))
    }


def test_an_open_day_keeps_the_output_open() -> None:
    (made,) = made_outputs(counted((2, 1.0, "measured", "provisional"))).values()
    assert isinstance(made, Output)
    assert made.provisional


# The ledger

WHOLE = Output(MAY, JUNE, 1000.0, days_counted=31)


def metered(factory: str, kwh: float) -> Entry:
    return Entry(
        factory, MAY, "meter-electricity", METER, "electricity", "used", kwh, "kWh", MAY, JUNE, "KR",
        coverage=1.0, quality="measured", estimated_share=0.0,
    )  # fmt: skip


def statement(*entries: Entry) -> tuple[list[Line], Account]:
    lines = ledger_lines(entries, {MAY: BASIS}, {})
    boundary = Boundary("operational_control", tuple(sorted({e.factory for e in entries})))
    return lines, account(lines, boundary, {MAY: "AR5"}, closed=True)


def of(said: Account, scope: str, method: str) -> Sum:
    (found,) = (s for s in said.sums if (s.scope, s.method) == (scope, method))
    return found


def test_an_estimate_is_an_activity_that_says_it_is_one() -> None:
    entry = estimated_entry("u", MAY, "KR", replace(WHOLE, days_counted=21), FOUND)
    assert entry.place == ("u", MAY, ACTIVITY_ID)
    assert (entry.source, entry.quality, entry.estimated_share) == (ESTIMATE, "estimated", 1.0)
    assert (entry.amount, entry.unit, entry.coverage, entry.status) == (1000.0, "kWh", None, "final")
    assert entry.uncertainty_low_pct == pytest.approx(62.13757, abs=1e-4)
    assert entry.uncertainty_pct == pytest.approx(163.94895, abs=1e-4)
    assert entry.reason == "peer_estimate:fig@2;output_days:21"


def test_every_sum_keeps_measured_and_estimated_apart() -> None:
    # 500 kWh by a meter, 1,000 kWh from peers: 227.05 + 454.1 kg.
    lines, said = statement(metered("m", 500.0), estimated_entry("u", MAY, "KR", WHOLE, FOUND))
    for scope, method in (("2", "location"), ("2", "market"), ("1+2", "location"), ("1+2", "market")):
        made = of(said, scope, method)
        assert made.total.co2e_kg == 1500 * GRID
        assert made.estimated_kg == 1000 * GRID
    assert said.estimated_share == pytest.approx(2 / 3)
    assert said.coverage == 1.0  # of meters only
    reasons = {line.entry.factory: line.reasons for line in lines}
    assert "peer_estimate:fig@2" in reasons["u"]


def test_a_statement_without_estimates_says_nothing_of_them() -> None:
    _, said = statement(metered("m", 500.0))
    assert {made.estimated_kg for made in said.sums} == {None}
    assert said.estimated_share == 0.0


def test_a_refused_estimate_is_missing_and_not_zero() -> None:
    refused = estimated_entry("u", MAY, "KR", WHOLE, Refusal(("benchmark_withheld",)))
    assert (refused.amount, refused.estimated_share, refused.reason) == (None, None, "benchmark_withheld")
    _, said = statement(metered("m", 500.0), refused)
    made = of(said, "2", "location")
    assert (made.total.co2e_kg, made.estimated_kg) == (500 * GRID, None)
    assert "incomplete:1" in made.total.reasons


def test_an_unknown_output_is_refused_in_the_ledger_too() -> None:
    entry = estimated_entry("u", MAY, "KR", None, Refusal(("no_output",)))
    assert (entry.amount, entry.reason, entry.start, entry.end) == (None, "no_output", MAY, JUNE)
