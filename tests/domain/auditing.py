"""Sealed histories by hand, for the tests of the audit."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pipelines.domain.disclosure.exposure import SealedFigure, Statement, Term, Unknown, UnknownPeriod

NIGHT_US = 86_400_000_000


def unknowns(
    period: UnknownPeriod, start: date, amounts: Mapping[str, float], variable: str = "energy"
) -> list[Unknown]:
    """Return what factories have; a factory `a-1` is holding a's."""
    return [
        Unknown(variable, period, start, factory, factory.partition("-")[0], amount)
        for factory, amount in sorted(amounts.items())
    ]


def sealed(  # noqa: PLR0913 - as many as a figure has facts
    figure_id: str,
    night: int,
    terms: Sequence[Unknown],
    *,
    half: float = 0.0,
    level: float | None = None,
    percent: str = "10",
    coalition: int = 1,
    waived: Sequence[str] = (),
    most: float = math.inf,
    known_to_all: bool = False,
    coefficients: Sequence[float] = (),
) -> SealedFigure:
    """Return a total of a night: published within +- half, or withheld where a level is given."""
    published = level is None
    statement = Statement(
        figure_id,
        tuple(
            Term(u, c, most) for u, c in zip(sorted(terms), coefficients or [1.0] * len(terms), strict=True)
        ),
        published=published,
        down=half,
        up=half,
        level_down=level or 0.0,
        level_up=level or 0.0,
        known_to_all=known_to_all,
    )
    decision = "publish" if published else "withhold"
    panel = tuple(u.factory for u in sorted(terms))
    return SealedFigure(
        figure_id, night * NIGHT_US, decision, (), len({u.holding for u in terms}), panel, "p1",
        tuple(waived), percent, coalition, (statement,),
    )  # fmt: skip


def days_of(month: date) -> list[date]:
    following = (month + timedelta(days=32)).replace(day=1)
    return [month + timedelta(days=n) for n in range((following - month).days)]
