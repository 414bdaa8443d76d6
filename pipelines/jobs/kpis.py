"""Daily elements and KPIs: bringing the tables elements_daily and kpis up to the facts.

Belongs here: which days, months and years a night touches, and the commits. Does not belong here: elements
and roll-ups (pipelines.domain.daily_elements, pipelines.domain.kpis), releases (pipelines.jobs.benchmarks).

A changed day touches its month and the rolling 12 months that its month is in. A day that has figures of an
older version of a formula keeps that version, also when it is restated; days that are computed for the first
time have the newest.

Totals of scopes are of calendar months only: of those whose days are all final, from the lines of the carbon
ledger (pipelines.jobs.scope_totals). They stand beside the months that roll up from days.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import polars as pl

from pipelines.connectors.store import OpenTable, day_bucket_predicate, day_predicate
from pipelines.domain.kpi_formulas import KpiBook
from pipelines.domain.kpis import FIGURE_COLUMNS, MONTHS, month_figures, rolling_figures
from pipelines.jobs.baseline import unit_costs_in_force
from pipelines.jobs.figuring import changed_pairs, computed_figures
from pipelines.jobs.night import Night
from pipelines.jobs.restating import replace_figures
from pipelines.jobs.scope_totals import changed_months, totals_of
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import BASELINE_COSTS, ELEMENTS_DAILY, EMISSION_LINES, EMISSIONS, FACTS, KPIS

ELEMENT_SOURCES = (*FACTS, EMISSIONS)


def derive_elements(night: Night) -> int:
    """Bring the table elements_daily up to facts and emissions; returns the rows that are new or differ.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    table = night.store.open(ELEMENTS_DAILY)
    sources = [night.store.open(t) for t in ELEMENT_SOURCES]
    pairs = sorted(changed_pairs(table, sources))
    return replace_figures(
        table,
        computed_figures(night, ELEMENTS_DAILY, sources, pairs),
        table.read_days(pairs),
        day_bucket_predicate(pairs),
        consumed={s.table.name: s.version for s in sources},
        known_at=night.nominal,
    )


def derive_kpis(night: Night) -> int:
    """Bring the table kpis up to elements_daily and emission_lines; returns the rows that are new or differ.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    table, elements = night.store.open(KPIS), night.store.open(ELEMENTS_DAILY)
    costs, lines = night.store.open(BASELINE_COSTS), night.store.open(EMISSION_LINES)
    days = sorted({day for day, _ in changed_pairs(table, [elements])} | _revalued(table, costs, elements))
    # A day's figures are of the whole cluster: every bucket of the day is read.
    pairs = [(day, bucket) for day in days for bucket in range(night.bucket_count)]
    book, closed = kpi_book(), night.last_closed_day(night.cluster.zone)
    computed = computed_figures(
        night, KPIS, [elements], pairs, _in_force(table, days, book), unit_costs_in_force(costs)
    )
    of_months = sorted({day.replace(day=1) for day in days} | changed_months(night, table, lines))
    months = _months(table, computed, of_months, book, closed)
    ends = _touched_ends(of_months, closed)
    years = _years(table, months, ends, book)
    touched = {"day": days, "month": of_months, "rolling12": [_months_after(end, 1 - MONTHS) for end in ends]}
    stored = table.scan().filter(_is_touched(touched)).collect()
    return replace_figures(
        table,
        pl.concat([computed, months, years, totals_of(night, lines, of_months, months)]),
        stored,
        _predicate(touched),
        consumed={t.table.name: t.version for t in (elements, costs, lines)},
        known_at=night.nominal,
    )


def _revalued(table: OpenTable, costs: OpenTable, elements: OpenTable) -> set[date]:
    """Return the days whose cost index another baseline changes: all from any baseline's first on."""
    if table.position(BASELINE_COSTS.name) == costs.version:
        return set()
    starts: list[date] = costs.scan().select("period_start").unique().collect()["period_start"].to_list()
    return {day for day, _ in elements.partitions() if starts and day >= min(starts)}


def _in_force(table: OpenTable, days: Sequence[date], book: KpiBook) -> pl.DataFrame:
    """Say by which version each day is computed: what it has, else the newest."""
    has = (
        table.scan()
        .filter(pl.col("day").is_in(days), pl.col("period") == "day")
        .select("day", "kpi", has="definition_version")
        .unique()
        .collect()
    )
    known = [d.key for d in book.all_versions()]
    has = has.filter(pl.concat_str("kpi", "has", separator="@").is_in(known))
    newest = pl.DataFrame(
        [(d.kpi, d.version) for d in book.newest() if not d.monthly],
        schema={"kpi": pl.String, "version": pl.String},
        orient="row",
    )
    return (
        pl.DataFrame({"day": days}, schema={"day": pl.Date})
        .join(newest, how="cross")
        .join(has, on=["day", "kpi"], how="left")
        .select("day", "kpi", version=pl.coalesce("has", "version"))
    )


def _touched_ends(months: Iterable[date], closed: date) -> list[date]:
    """Return the firsts of the closed months that end a year in which one of some months is."""
    ends = {_months_after(month, ahead) for month in months for ahead in range(MONTHS)}
    return sorted(end for end in ends if _has_ended(end, closed))


def _months(
    table: OpenTable, computed: pl.DataFrame, months: Sequence[date], book: KpiBook, closed: date
) -> pl.DataFrame:
    """Roll up whole months: newly computed days, and the stored ones beside them."""
    new = computed["day"].unique().to_list()
    of_months = pl.col("day").dt.truncate("1mo").is_in(months)
    others = (
        table.scan()
        .filter(pl.col("period") == "day", of_months, ~pl.col("day").is_in(new))
        .select(FIGURE_COLUMNS)
        .collect()
    )
    return month_figures(pl.concat([computed.select(FIGURE_COLUMNS), others]), book, closed)


def _years(table: OpenTable, months: pl.DataFrame, ends: Sequence[date], book: KpiBook) -> pl.DataFrame:
    """Roll up 12 months: newly computed closed months, and the stored ones of the windows."""
    window = {_months_after(end, -back) for end in ends for back in range(MONTHS)}
    new, monthly = set(months["day"]), [d.kpi for d in book.newest() if d.monthly]
    stored = (
        table.scan()
        .filter(
            pl.col("period") == "month",
            pl.col("day").is_in(sorted(window - new)),
            ~pl.col("kpi").is_in(monthly),
        )
        .select(FIGURE_COLUMNS)
        .collect()
    )
    fresh = months.filter(pl.col("day") <= max(ends)) if ends else months.clear()
    return rolling_figures(pl.concat([fresh, stored]), book, ends)


def _is_touched(touched: dict[str, list[date]]) -> pl.Expr:
    return pl.any_horizontal(
        (pl.col("period") == period) & pl.col("day").is_in(days) for period, days in touched.items()
    )


def _predicate(touched: dict[str, list[date]]) -> str:
    return " OR ".join(
        f"(period = '{period}' AND {day_predicate(days)})" for period, days in touched.items() if days
    )


def _months_after(first: date, months: int) -> date:
    place = first.year * MONTHS + first.month - 1 + months
    return date(place // MONTHS, place % MONTHS + 1, 1)


def _has_ended(first: date, closed: date) -> bool:
    return _months_after(first, 1) - timedelta(days=1) <= closed
