"""What a policy costs, counted by hand."""

from datetime import date

import polars as pl

from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA
from pipelines.domain.policy_losses import CHECKED_SCHEMA, checked_figures, losses, night_totals

FOURTH, FIFTH = date(2026, 6, 4), date(2026, 6, 5)


def figure(figure_id: str, status: str, kpi: str = "oee", breakdown: str = "process") -> dict[str, object]:
    return dict.fromkeys(FIGURE_SCHEMA) | {
        "figure_id": figure_id, "kpi": kpi, "breakdown": breakdown, "group": "casting", "period": "day",
        "status": status,
    }  # fmt: skip


def sealed(figure_id: str, holdings: int, *reasons: str) -> SealedFigure:
    decision = "withhold" if reasons else "publish"
    return SealedFigure(figure_id, 0, decision, reasons, holdings, (), "1", (), "10", 1, ())  # type: ignore[arg-type]


def night(day: date, *judged: tuple[dict[str, object], SealedFigure | None]) -> pl.DataFrame:
    figures = pl.DataFrame([row for row, _ in judged], schema=FIGURE_SCHEMA, orient="row")
    return checked_figures(day, figures, [why for _, why in judged if why is not None])


TWO_NIGHTS = pl.concat(
    [
        night(
            FOURTH,
            (figure("a", "published"), sealed("a", 6)),
            (figure("b", "withheld"), sealed("b", 2, "min_contributors", "p_percent")),
            (figure("c", "withheld"), sealed("c", 5, "secondary")),
            (figure("d", "not_estimable"), sealed("d", 0)),
            (figure("e", "withheld", "energy_kwh", "cluster"), None),
        ),
        night(
            FIFTH,
            (figure("c", "published"), sealed("c", 5)),
            (figure("f", "withheld"), sealed("f", 3, "p_percent")),
        ),
    ]
)


def test_a_figure_carries_why_it_was_withheld_and_who_loses_it() -> None:
    assert TWO_NIGHTS.schema == CHECKED_SCHEMA
    rows = {(r["night"], r["figure_id"]): (r["reasons"], r["holdings"]) for r in TWO_NIGHTS.to_dicts()}
    assert rows[FOURTH, "b"] == ("min_contributors;p_percent", 2)
    assert rows[FOURTH, "a"] == (None, 6)
    assert rows[FOURTH, "e"] == (None, None)


def test_losses_count_a_figures_last_state() -> None:
    # oee: a and c are published (6 + 5), b and f withheld (2 + 3), d had nobody.
    assert losses(TWO_NIGHTS).rows() == [
        ("energy_kwh", "cluster", "day", 1, 0, 1, 0, 0, None),
        ("oee", "process", "day", 5, 2, 2, 16, 5, "p_percent 2, min_contributors 1"),
    ]


def test_a_nights_total_counts_what_it_said() -> None:
    assert night_totals(TWO_NIGHTS).rows() == [
        (FOURTH, 5, 1, 3, 13, 7, "min_contributors 1, p_percent 1, secondary 1"),
        (FIFTH, 2, 1, 1, 8, 3, "p_percent 1"),
    ]


def test_nights_without_figures_lose_nothing() -> None:
    nothing = night(FOURTH)
    assert losses(nothing).height == 0
    assert night_totals(nothing).height == 0
