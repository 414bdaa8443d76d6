"""KPIs of months and rolling 12 months, worked by hand: they add sums of days, and read nothing else."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.kpi_formulas import KpiBook, parse_formula
from pipelines.domain.kpis import FIGURE_COLUMNS, month_figures, rolling_figures
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import KPIS

BOOK = kpi_book()
SCHEMA = {
    "day": pl.Date, **dict.fromkeys(("period", "level", "subject", "kpi", "definition_version"), pl.String),
    **dict.fromkeys(("numerator", "denominator", "value"), pl.Float64), "unit": pl.String,
    "reason": pl.String, "coverage": pl.Float64, "product_class": pl.String, "status": pl.String,
    "sums": pl.List(pl.Float64), "weight": pl.Float64, "covered": pl.Float64,
    "basis": pl.Float64,
}  # fmt: skip
END = date(2026, 12, 31)
Row = dict[str, Any]


def day_row(day: date, kpi: str, sums: list[float] | None, weight: float = 10.0, **more: object) -> Row:
    """Make a day's row: covered whole where it has sums."""
    return {
        "day": day, "period": "day", "level": "factory", "subject": "a", "kpi": kpi,
        "definition_version": "1", "reason": None if sums else "missing_element:gq", "sums": sums,
        "weight": weight, "covered": weight if sums else 0.0, "product_class": "forged", "status": "final",
        **more,
    }  # fmt: skip


def frame(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA).select(FIGURE_COLUMNS)


def months(*rows: Row, last_day: date = END, book: KpiBook = BOOK) -> list[Row]:
    return month_figures(frame(*rows), book, last_day).to_dicts()


def nov(day: int) -> date:
    return date(2025, 11, day)


def test_the_columns_are_those_of_the_table() -> None:
    assert list(FIGURE_COLUMNS) == [n for n in KPIS.schema.names if n != "known_at"]


def test_a_month_sums_first_and_divides_last() -> None:
    # 0.80 of 10,000 s and 0.45 of 30,000 s: together 21,500 / 40,000, not 0.625
    (month,) = months(
        day_row(nov(3), "oee", [8_000.0, 10_000.0], 10_000.0),
        day_row(nov(4), "oee", [13_500.0, 30_000.0], 30_000.0),
    )
    assert (month["day"], month["period"], month["value"]) == (nov(1), "month", 0.5375)
    assert (month["sums"], month["weight"], month["covered"]) == ([21_500.0, 40_000.0], 40_000.0, 40_000.0)
    assert (month["unit"], month["coverage"], month["product_class"]) == ("1", 1.0, "forged")


def test_a_day_that_lacks_an_element_is_left_out_and_counts_as_not_covered() -> None:
    (month,) = months(day_row(nov(3), "oee", [6.0, 10.0]), day_row(nov(4), "oee", None))
    assert (month["value"], month["coverage"], month["reason"]) == (0.6, 0.5, None)
    (less,) = months(day_row(nov(3), "oee", [6.0, 10.0]), day_row(nov(4), "oee", None, 11.0))
    assert (less["value"], less["reason"]) == (None, "insufficient_coverage")
    assert less["sums"] == [6.0, 10.0]


def test_a_month_in_which_no_day_has_all_elements_says_what_is_missing() -> None:
    (month,) = months(
        day_row(nov(3), "oee", None), day_row(nov(4), "oee", None, reason="missing_element:pru_s")
    )
    assert (month["value"], month["sums"], month["reason"]) == (None, None, "missing_element:pru_s")


def test_what_was_left_out_as_suspect_stays_marked() -> None:
    (month,) = months(
        day_row(nov(3), "energy_kwh", [5.0], reason="suspect_excluded"), day_row(nov(4), "energy_kwh", [6.0])
    )
    assert (month["value"], month["reason"]) == (11.0, "suspect_excluded")


def test_mean_time_between_failures_adds_its_one_once_a_month() -> None:
    (month,) = months(
        day_row(nov(3), "mtbf_fe1_s", [1_000.0, 0.0]), day_row(nov(4), "mtbf_fe1_s", [3_000.0, 3.0])
    )
    assert (month["sums"], month["value"]) == ([4_000.0, 3.0], 1_000.0)


def test_people_are_a_mean_over_the_days_that_know_them() -> None:
    (month,) = months(
        day_row(nov(3), "jobs", [10.0]), day_row(nov(4), "jobs", [13.0]), day_row(nov(5), "jobs", None)
    )
    assert month["value"] == 11.5
    assert month["coverage"] == pytest.approx(2 / 3)


def test_product_classes_that_change_within_a_month_are_not_added() -> None:
    days = [
        {"day": nov(3), "product_class": "forged"},
        {"day": nov(4), "product_class": "cast"},
    ]
    (month,) = months(*(day_row(kpi="units_per_h", sums=[6.0, 3_600.0], **d) for d in days))
    assert (month["value"], month["reason"], month["sums"]) == (None, "mixed_product_classes", None)
    (ratio,) = months(*(day_row(kpi="oee", sums=[6.0, 10.0], **d) for d in days))
    assert (ratio["value"], ratio["product_class"]) == (0.6, None)


@pytest.mark.parametrize(
    ("last_day", "of_days", "status"),
    [
        (nov(29), "final", "provisional"),
        (nov(30), "final", "final"),
        (nov(30), "provisional", "provisional"),
    ],
    ids=["goes on", "ended", "a day is open"],
)
def test_a_month_is_final_when_it_has_ended_and_all_its_days_are(
    last_day: date, of_days: str, status: str
) -> None:
    (month,) = months(
        day_row(nov(3), "oee", [6.0, 10.0]), day_row(nov(29), "oee", [6.0, 10.0], status=of_days),
        last_day=last_day,
    )  # fmt: skip
    assert month["status"] == status


def two_versions() -> KpiBook:
    """The catalogue after someone decided that OEE is by parts."""
    old = BOOK.definitions["oee"][-1]
    formula = parse_formula("sum(gq) / sum(pq)", BOOK.elements, lambda _k, _v: old.formula)
    new = replace(old, version="2", formula=formula)
    return replace(BOOK, definitions={**BOOK.definitions, "oee": (old, new)})


def test_a_month_within_which_the_formula_changed_has_a_row_of_each_version() -> None:
    old = [day_row(nov(n), "oee", [6.0, 10.0]) for n in (3, 4, 5)]
    new = [day_row(nov(n), "oee", [9.0, 10.0], definition_version="2") for n in (6,)]
    first, second = months(*old, *new, book=two_versions())
    assert (first["definition_version"], first["value"], first["coverage"]) == ("1", 0.6, 0.75)
    assert (second["definition_version"], second["value"], second["coverage"]) == ("2", None, 0.25)
    assert second["reason"] == "insufficient_coverage"


def month_row(year: int, month: int, sums: list[float] | None, **more: object) -> Row:
    given: Row = {"kpi": "oee", "sums": sums, "weight": 100.0, "period": "month"}
    return day_row(date(year, month, 1), **(given | more))


def test_twelve_months_are_the_sum_of_their_months() -> None:
    rows = [month_row(2025, n, [float(n), 20.0]) for n in range(1, 13)]
    (year,) = rolling_figures(frame(*rows), BOOK, [date(2025, 12, 1)]).to_dicts()
    assert (year["day"], year["period"], year["status"]) == (date(2025, 1, 1), "rolling12", "final")
    assert (year["sums"], year["value"]) == ([78.0, 240.0], 78 / 240)
    assert (year["weight"], year["coverage"]) == (1_200.0, 1.0)


def test_a_window_takes_the_twelve_months_that_end_with_its_month() -> None:
    rows = [month_row(2024 + (n - 1) // 12, (n - 1) % 12 + 1, [1.0, 2.0]) for n in range(1, 26)]
    ends = [date(2025, 2, 1), date(2025, 12, 1)]
    years = rolling_figures(frame(*rows), BOOK, ends)
    assert years["day"].to_list() == [date(2024, 3, 1), date(2025, 1, 1)]
    assert years["sums"].to_list() == [[12.0, 24.0], [12.0, 24.0]]


def test_months_without_a_row_weigh_like_the_others_and_cover_nothing() -> None:
    rows = [month_row(2025, n, [1.0, 2.0]) for n in range(7, 13)]
    (half,) = rolling_figures(frame(*rows), BOOK, [date(2025, 12, 1)]).to_dicts()
    assert (half["value"], half["coverage"], half["weight"]) == (0.5, 0.5, 1_200.0)
    (less,) = rolling_figures(frame(*rows[1:]), BOOK, [date(2025, 12, 1)]).to_dicts()
    assert (less["value"], less["reason"]) == (None, "insufficient_coverage")
    assert less["coverage"] == pytest.approx(5 / 12)


def test_people_of_a_year_are_the_mean_of_its_months() -> None:
    rows = [month_row(2025, n, [10.0 + n], kpi="jobs") for n in range(1, 13)]
    (year,) = rolling_figures(frame(*rows), BOOK, [date(2025, 12, 1)]).to_dicts()
    assert year["value"] == 16.5


amounts = st.integers(0, 1_000).map(float)
days = st.lists(
    st.tuples(
        st.integers(0, 364), st.sampled_from(["oee", "mtbf_fe1_s", "energy_kwh_per_unit"]), amounts, amounts,
        st.booleans(), st.integers(0, 100).map(float),
    ),
    unique_by=lambda case: case[:2], min_size=1, max_size=40,
)  # fmt: skip


@given(days, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_days_add_up_to_months_and_months_to_years_in_any_order(cases, random) -> None:  # noqa: ANN001 - hypothesis' own
    rows = [
        day_row(date(2025, 1, 1) + timedelta(days=n), kpi, [above, below] if known else None, weight)
        for n, kpi, above, below, known, weight in cases
    ]
    of_months = month_figures(frame(*rows), BOOK, END)
    assert month_figures(frame(*random.sample(rows, len(rows))), BOOK, END).equals(of_months)
    of_year = rolling_figures(of_months, BOOK, [date(2025, 12, 1)])
    shuffled = of_months.sample(fraction=1.0, shuffle=True, seed=random.randint(0, 99))
    assert rolling_figures(shuffled, BOOK, [date(2025, 12, 1)]).equals(of_year)
    for kpi in {r["kpi"] for r in rows}:
        own = [r for r in rows if r["kpi"] == kpi]
        whole = [r["sums"] for r in own if r["sums"] is not None]
        (year,) = of_year.filter(kpi=kpi).to_dicts()
        assert year["sums"] == ([sum(column) for column in zip(*whole, strict=True)] if whole else None)
        assert year["covered"] == sum(r["covered"] for r in own)
        held = of_months.filter(kpi=kpi)
        assert held["weight"].sum() == sum(r["weight"] for r in own)
        assert year["weight"] == pytest.approx(sum(r["weight"] for r in own) * 12 / held.height)


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_no_order_of_days_changes_a_bit_of_a_month(values, random) -> None:  # noqa: ANN001 - hypothesis' own
    rows = [day_row(nov(n % 30 + 1), "energy_kwh", [v], subject=f"f{n // 30}") for n, v in enumerate(values)]
    expected = month_figures(frame(*rows), BOOK, END)
    assert month_figures(frame(*random.sample(rows, len(rows))), BOOK, END).equals(expected)
