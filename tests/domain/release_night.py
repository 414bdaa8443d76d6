"""Candidates, policies and nights for the tests of the judge: few numbers in, whole objects out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any, Literal

from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy
from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.release import Checks, ReleaseRules, judge
from pipelines.reference.kpis import kpi_book

BOOK = kpi_book()
ALL = Checks()
MAY_4 = date(2026, 5, 4)
Period = Literal["day", "month", "rolling12"]
Amounts = Mapping[str, float | tuple[float, float]]
"""Of each factory the numerator, or numerator and denominator."""

PLAIN = TablePolicy(min_contributors=3, p_percent=Fraction(10), coalition=1)
STRICTER = TablePolicy(
    min_contributors=5, p_percent=Fraction(10), coalition=2, share_limit_percent=Fraction(25)
)


def policy(a: TablePolicy = PLAIN, b: TablePolicy = STRICTER, persistence: int = 5) -> DisclosurePolicy:
    classes = {"A": ClassPolicy(a), "B": ClassPolicy(b, periods=frozenset({"day", "month", "rolling12"}))}
    return DisclosurePolicy("test", classes, Fraction(persistence))


def rules(
    given: DisclosurePolicy | None = None, waived: Iterable[str] = (), night: int = 1
) -> ReleaseRules:  # fmt: skip
    held = frozenset(waived)
    return ReleaseRules(given or policy(), BOOK.elements, lambda _kpi, _day: held, night)


def on_grid(value: float, step: float) -> float:
    width = Decimal(repr(step))
    return float((Decimal(repr(value)) / width).to_integral_value(ROUND_HALF_EVEN) * width)


def end_of(start: date, period: Period) -> date:
    if period == "day":
        return start + timedelta(days=1)
    months = start.year * 12 + start.month - 1 + (1 if period == "month" else 12)
    return date(months // 12, months % 12 + 1, 1)


def contributions(amounts: Amounts, holdings: Mapping[str, str]) -> tuple[Contribution, ...]:
    found = []
    for factory, amount in sorted(amounts.items()):
        above, below = amount if isinstance(amount, tuple) else (amount, None)
        sums = (above,) if below is None else (above, below)
        found.append(Contribution(factory, holdings.get(factory, factory), above, below, sums))
    return tuple(found)


def figure(  # noqa: PLR0913 - all but two have a usual value
    kpi: str,
    amounts: Amounts,
    *,
    group: str = "*",
    breakdown: str = "cluster",
    period: Period = "day",
    start: date = MAY_4,
    step: float = 1.0,
    holdings: Mapping[str, str] | None = None,
    panel: Iterable[str] | None = None,
    months: Sequence[tuple[date, Amounts]] = (),
    **other: Any,
) -> Candidate:
    """Return a candidate with its value on the grid."""
    definition = BOOK.find(kpi)
    assert definition is not None
    held = holdings or {}
    own = contributions(amounts, held)
    above = math.fsum(c.numerator for c in own)
    below = math.fsum(c.denominator or 0.0 for c in own) or 1.0
    given: dict[str, Any] = {
        "figure_id": f"c/{breakdown}/{group}/{period}/{start}/{definition.key}",
        "statistic": "total" if definition.is_total else "ratio_of_sums",
        "value": on_grid(above / below, step) if own else None,
        "grid_step": step,
        "panel": tuple(sorted(panel or amounts)),
        "months": tuple((first, contributions(part, held)) for first, part in months),
    }
    return Candidate(
        definition=definition, breakdown=breakdown, group=group, period=period, start=start,
        end=end_of(start, period), contributions=own, **{**given, **other},
    )  # fmt: skip


def night(
    candidates: Sequence[Candidate],
    past: Sequence[SealedFigure] = (),
    given: ReleaseRules | None = None,
    checks: Checks = ALL,
) -> dict[str, SealedFigure]:
    return judge(candidates, past, given or rules(), checks)


def outcome(decided: Mapping[str, SealedFigure]) -> dict[str, str]:
    """Return for each figure `publish`, or why not; groups and KPIs are enough of a name."""
    found = {}
    for figure_id, sealed in decided.items():
        _, _, group, period, start, kpi = figure_id.split("/")[:6]
        name = f"{group} {kpi.partition('@')[0]}" + ("" if period == "day" else f" {period} {start[:7]}")
        found[name] = ";".join(sealed.reasons) or "publish"
    return found


def kwh(amounts: Amounts, **other: Any) -> Candidate:
    return figure("energy_kwh", amounts, **other)


def equal(size: float, *names: str) -> dict[str, float | tuple[float, float]]:
    return dict.fromkeys(names, size)
