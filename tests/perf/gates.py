"""Nights for measuring the gate: members with plausible amounts, all KPIs, three breakdowns."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Literal

from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy
from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.release import ReleaseRules, judge
from pipelines.domain.kpi_formulas import Definition
from pipelines.reference.kpis import kpi_book

BOOK = kpi_book()
LEAST_FOR_ORDER_STATISTIC = 5
MONTH = date(2026, 5, 1)
A = TablePolicy(min_contributors=3, p_percent=Fraction(10), coalition=1)
B = TablePolicy(min_contributors=5, p_percent=Fraction(10), coalition=2, share_limit_percent=Fraction(25))
POLICY = DisclosurePolicy("perf", {"A": ClassPolicy(A), "B": ClassPolicy(B)})


@dataclass(frozen=True)
class Town:
    """A cluster: each factory's day in elements, and its groups."""

    days: Mapping[str, Mapping[str, float]]
    groups: Mapping[tuple[str, str], Sequence[str]]


def town(members: int, seed: int = 7) -> Town:
    """Return a cluster of factories with a process, a region and a size."""
    chance = random.Random(seed)  # noqa: S311 - plausible amounts, no secret
    days = {f"f{i:03}": _day(chance) for i in range(members)}
    groups: dict[tuple[str, str], list[str]] = {("cluster", "*"): sorted(days)}
    for factory in sorted(days):
        for breakdown, codes in (("process", "abcd"), ("region", "ns"), ("size", "lm")):
            groups.setdefault((breakdown, chance.choice(codes)), []).append(factory)
    return Town(days, groups)


def _day(chance: random.Random) -> dict[str, float]:
    size = chance.uniform(0.5, 2.0)
    apt = 50_000 * size * chance.uniform(0.8, 1.2)
    pq = round(1_500 * size * chance.uniform(0.7, 1.3))
    sq, rq = max(1, round(pq * chance.uniform(0.01, 0.06))), max(1, round(pq * chance.uniform(0.01, 0.04)))
    kwh = 4_500 * size * chance.uniform(0.7, 1.4)
    asut, adet = apt * chance.uniform(0.08, 0.2), apt * chance.uniform(0.1, 0.3)
    due = chance.randint(5, 12)
    on_time = due - chance.randint(1, 2)
    load = 900 * size
    day = {
        "apt_s": apt, "asut_s": asut, "adet_s": adet, "aupt_s": apt + asut, "aubt_s": apt + asut + adet,
        "adot_s": apt / 9, "cmt_s": apt / 15, "pmt_s": apt / 12, "pbt_s": (apt + asut + adet) * 1.15,
        "unknown_s": 600.0, "pq": pq, "gq": pq - sq, "sq": sq, "rq": rq, "gp": pq * 0.9, "ip": pq,
        "pru_s*pq": apt * 0.8, "pru_s*gq": apt * 0.8 * (pq - sq) / pq, "energy_kwh": kwh,
        "co2e_kg": kwh * 0.45, "co2e_scope1_kg": kwh * 0.2, "co2e_scope2_location_kg": kwh * 0.45,
        "co2e_scope2_market_kg": kwh * 0.4, "co2e_transfers_kg": kwh * 0.01,
        "aoet_s": apt * 1.3, "apwt_s": apt * 1.5, "apat_s": apt * 1.8,
        "tbf_s": apt, "ttr_s": apt / 20, "failures": 2, "headcount": round(40 * size), "worked_h": 300 * size,
        "incidents": 1, "cost_krw": pq * 900, "baseline_unit_cost_krw*pq": pq * 950,
        "lead_time_s": due * 1.0e6, "orders_completed": due, "orders_due": due, "orders_on_time": on_time,
        "orders_on_time_in_full": on_time - 1, "load_tkm": load, "capacity_tkm": load * 1.6,
        "rated_load_tkm": load * 0.9, "pooled_tkm": load * 0.3, "costed_load_tkm": load * 0.95,
        "transport_cost_krw": load * 480, "shipments_due": due, "shipments_on_time": on_time,
        "stock_unit_days": pq * 20.0, "shipped_quantity": pq,
    }  # fmt: skip
    return {name: float(amount) for name, amount in day.items()}


def varied(place: Town, by: float, seed: int) -> Town:
    """Return the same cluster on another day: each element up to so much more or less."""
    chance = random.Random(seed)  # noqa: S311 - plausible amounts, no secret
    days = {
        factory: {name: amount * chance.uniform(1 - by, 1 + by) for name, amount in day.items()}
        for factory, day in place.days.items()
    }
    return Town(days, place.groups)


def month_of(days: Sequence[Town]) -> Town:
    """Return the sums of days."""
    first = days[0]
    sums = {
        factory: {name: math.fsum(day.days[factory][name] for day in days) for name in elements}
        for factory, elements in first.days.items()
    }
    return Town(sums, first.groups)


def _contribution(factory: str, definition: Definition, day: Mapping[str, float]) -> Contribution:
    formula = definition.formula
    sums = tuple(
        sum(t.coefficient * day[t.column] for t in part.terms) + part.constant for part in formula.sums
    )
    above = formula.scale * math.prod(sums[: len(formula.above)])
    below = math.prod(sums[len(formula.above) :]) if formula.below else None
    return Contribution(factory, factory, above, below, sums)


def judged_definitions(period: str) -> list[Definition]:
    """Return what the gate judges of a day or month: no sums of printed totals, of days none of months."""
    return [d for d in BOOK.newest() if not d.addends and not (d.monthly and period == "day")]


def night(
    place: Town, period: Literal["day", "month"], start: date, *, medians: bool = True
) -> list[Candidate]:  # fmt: skip
    """Return all candidates of a day or month.

    Args:
        place: the elements of the period.
        period: day or month.
        start: its first date.
        medians: false: ratios of sums for all: the judge has most to do with them.
    """
    end = start + timedelta(days=31 if period == "month" else 1)
    found = []
    for definition in judged_definitions(period):
        for (breakdown, group), factories in place.groups.items():
            own = tuple(_contribution(f, definition, place.days[f]) for f in factories)
            statistic = "total" if definition.is_total else "ratio_of_sums"
            if (
                medians
                and definition.statistic == "order_statistic"
                and len(own) >= LEAST_FOR_ORDER_STATISTIC
            ):
                statistic = "order_statistic"
            above = math.fsum(c.numerator for c in own)
            value = above / (math.fsum(c.denominator or 0.0 for c in own) or 1.0)
            step = 1.0 if definition.is_total else float(f"{value / 15:.1g}")
            given: dict[str, Any] = {"statistic": statistic, "value": round(value / step) * step}
            found.append(
                Candidate(
                    figure_id=f"c/{breakdown}/{group}/{period}/{start}/{definition.key}",
                    definition=definition, breakdown=breakdown, group=group, period=period, start=start,
                    end=end, contributions=own, panel=tuple(factories), grid_step=step, **given,
                )
            )  # fmt: skip
    return found


def rules(number: int) -> ReleaseRules:
    """Return by what a night is judged."""
    return ReleaseRules(POLICY, BOOK.elements, lambda _kpi, _day: frozenset(), number)


def judged(candidates: Sequence[Candidate], past: Sequence[SealedFigure], number: int) -> list[SealedFigure]:
    """Judge one night."""
    return list(judge(candidates, past, rules(number)).values())


def without(place: Town, factory: str) -> Town:
    """Return a cluster before a factory joined it."""
    days = {name: day for name, day in place.days.items() if name != factory}
    groups = {key: [f for f in factories if f != factory] for key, factories in place.groups.items()}
    return Town(days, {key: factories for key, factories in groups.items() if factories})


def year_before(sealed: Sequence[SealedFigure], day: date) -> list[SealedFigure]:
    """Return a year of nights that said of their days what these figures say of a day."""
    return [_moved(figure, day - timedelta(days=ago), -ago) for ago in range(365, 0, -1) for figure in sealed]


def _moved(figure: SealedFigure, day: date, known_at_us: int) -> SealedFigure:
    def stamped(text: str) -> str:
        return "/".join((*(parts := text.split("/"))[:4], str(day), *parts[5:]))

    statements = tuple(
        replace(
            statement,
            figure_id=stamped(statement.figure_id),
            terms=tuple(t._replace(unknown=t.unknown._replace(start=day)) for t in statement.terms),
        )
        for statement in figure.statements
    )
    moved = replace(figure, figure_id=stamped(figure.figure_id), known_at_us=known_at_us)
    return replace(moved, statements=statements)
