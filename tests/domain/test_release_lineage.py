"""From the rows of single factories to what is published: of enough holdings, and never unrounded."""

import random
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from functools import cache

import pytest

from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Waiver
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.releasing import NightRelease
from pipelines.domain.rounding import exactly
from tests.domain.comparing import CATALOGUE, DAY, NEWEST, NIGHT, Row, cluster, night, row

LEAST = {"A": 4, "B": 6}
POLICY = DisclosurePolicy(
    "1",
    {
        "A": ClassPolicy(TablePolicy(LEAST["A"])),
        "B": ClassPolicy(TablePolicy(LEAST["B"]), coarsening=2, periods=frozenset({"month"})),
    },
)
# Some owners have two or three factories; the last member left its protection and is shown by name.
HOLDINGS = "aabcdeffghijklmnoppqrrr"
WAIVED = {"q"}
PROCESSES = ["casting", "forming", "forming"] * 8
FIRSTS = (date(2025, 9, 1), date(2025, 10, 1))
KPIS = (
    "energy_kwh", "oee", "energy_kwh_per_unit", "order_lead_time_d", "inventory_days", "jobs", "scrap_ratio",
    "mttr_fe1_s",
)  # fmt: skip
EXACT = ("value", "previous_value", "interval_low", "interval_high", "p25", "p33", "p67", "p75")


def park() -> ClusterDefinition:
    consent = Waiver("q", None, date(2025, 1, 1), named=True)
    return replace(cluster(HOLDINGS), policy=POLICY, waivers=(consent,))


def random_rows(seed: int) -> list[Row]:
    chance = random.Random(seed)  # noqa: S311 - a test
    rows = []
    for first, period in ((DAY, "day"), *((first, "month") for first in FIRSTS)):
        for kpi in KPIS:
            shared = chance.choice([0.1, 0.3, 0.6, 1.0])
            level = next(iter(NEWEST[kpi].grids.values())).reference_level or 1_000.0
            for n in range(len(HOLDINGS)):
                if chance.random() < shared:
                    below = chance.uniform(50, 150)
                    share = level * chance.uniform(0.3, 1.3) if NEWEST[kpi].share_bound is None else 0.5
                    above, coverage = share * below, chance.choice([1.0, 1.0, 1.0, 0.7])
                    of_total = NEWEST[kpi].is_total
                    rows.append(
                        row(
                            n,
                            kpi,
                            above,
                            None if of_total else below,
                            day=first,
                            period=period,
                            coverage=coverage,
                        )
                    )
    return rows


@cache
def released(seed: int) -> tuple[list[Row], NightRelease]:
    rows = random_rows(seed)
    known_at = datetime.combine(date(2025, 11, 11), NIGHT.timetz())
    periods = [(DAY, "day"), *((first, "month") for first in FIRSTS)]
    return rows, night(rows, park(), *periods, processes=PROCESSES[: len(HOLDINGS)], known_at=known_at)


def holdings_of(figure: Row, rows: list[Row], start: date) -> set[str]:
    """Return who has a comparable value of a figure, straight from the rows."""
    definition = NEWEST[figure["kpi"]]
    least = 0.0 if definition.is_total else definition.comparison_coverage
    return {
        HOLDINGS[n]
        for n, process in enumerate(PROCESSES[: len(HOLDINGS)])
        if figure["group"] in ("*", process)
        for r in rows
        if (r["subject"], r["kpi"], r["day"], r["period"])
        == (f"f{n}", definition.kpi, start, figure["period"])
        and r["value"] is not None
        and r["coverage"] >= least
    }


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_computed_from_fewer_holdings_than_its_class_needs(seed: int) -> None:
    rows, found = released(seed)
    published = [f for f in found.figures.iter_rows(named=True) if f["status"] == "published"]
    assert published
    for figure in published:
        own = holdings_of(figure, rows, figure["period_start"])
        if figure["statistic"] == "named_reference":
            assert figure["reference_member"] == f"m{HOLDINGS.index('q')}"
            continue
        if figure["statistic"] == "trend":
            own &= holdings_of(figure, rows, FIRSTS[0])
        if own == WAIVED:  # a cell of nobody but who needs no protection
            continue
        least = LEAST[NEWEST[figure["kpi"]].disclosure_class]
        order = (
            9 if figure["interval_low"] is not None else 5 if figure["statistic"] == "order_statistic" else 0
        )
        assert len(own) >= max(least, order), figure["figure_id"]


@pytest.mark.parametrize("seed", range(6))
def test_sealed_inputs_say_of_whom_every_published_figure_is_made(seed: int) -> None:
    rows, found = released(seed)
    public = {f["figure_id"]: f for f in found.figures.iter_rows(named=True)}
    assert [s.figure_id for s in found.sealed] == sorted(public)
    for sealed in found.sealed:
        figure = public[sealed.figure_id]
        assert (figure["status"] == "published") <= (sealed.decision == "publish")
        told = {term.unknown.holding for said in sealed.statements for term in said.terms}
        assert not told or len(told) == sealed.holdings
        if figure["statistic"] not in ("trend", "named_reference"):
            assert sealed.holdings == len(holdings_of(figure, rows, figure["period_start"]))


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_published_off_its_grid_and_nothing_beside_a_withheld_figure(seed: int) -> None:
    _, found = released(seed)
    for figure in found.figures.iter_rows(named=True):
        numbers = [figure[name] for name in EXACT if figure[name] is not None]
        if figure["status"] != "published":
            assert numbers == []
            continue
        definition = CATALOGUE[f"{figure['kpi']}@{figure['definition_version']}"]
        steps = {exactly(grid.step) for grid in definition.grids.values()}
        factor = 2 if definition.disclosure_class == "B" else 1
        assert exactly(figure["grid_step"]) / factor in steps
        assert {(exactly(v) / exactly(figure["grid_step"])).denominator for v in numbers} == {1}
        assert Fraction(0) < exactly(figure["grid_step"])
