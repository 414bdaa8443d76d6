"""Monthly totals of scopes among the KPIs: which months have them, and what they are made of.

Belongs here: which closed months changed, reading lines and activities. Does not belong here: what of a line
counts (pipelines.domain.carbon.scope_figures), the commit (kpis).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.store import OpenTable, arrow_frame
from pipelines.domain.carbon.scope_figures import PER_UNIT, per_unit, scope_figures
from pipelines.domain.carbon.statements import Exclusion
from pipelines.domain.kpi_formulas import Definition
from pipelines.domain.kpis import FIGURE_COLUMNS
from pipelines.domain.periods import next_month
from pipelines.jobs.carbon_activities import PLACE
from pipelines.jobs.night import Night
from pipelines.jobs.versions import newest
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import ACTIVITIES, KPIS

_OF_ACTIVITY = ("activity", "source", "start", "end", "coverage")


def changed_months(night: Night, kpis: OpenTable, lines: OpenTable) -> set[date]:
    """Return the closed months whose lines changed, and those that closed since their lines did."""
    told = _closed(night, lines.scan().select("month").unique().collect()["month"].to_list())
    has = kpis.scan().filter(pl.col("kpi").is_in([d.kpi for d in _definitions()])).select("day").unique()
    actions = lines.changes_since(kpis.position(lines.table.name))
    paths = [action["path"] for action in actions or () if action["kind"] == "add"]
    changed = told if actions is None else {*lines.read_files(paths, ["month"])["month"]} if paths else set()
    return (changed & told) | (told - {*has.collect()["day"]})


def totals_of(night: Night, lines: OpenTable, months: Sequence[date], figures: pl.DataFrame) -> pl.DataFrame:
    """Return the figures of scopes of the closed ones of some months.

    Args:
        night: the night.
        lines: the table emission_lines.
        months: first dates.
        figures: their rows that roll up from days: FIGURE_COLUMNS.

    Returns:
        The columns of the table kpis but known_at.
    """
    wanted = sorted(_closed(night, months))
    own = pl.col("month").is_in(wanted)
    rows = lines.scan().filter(own).collect() if wanted else lines.empty()
    if rows.is_empty():
        return arrow_frame(KPIS.schema.empty_table()).select(FIGURE_COLUMNS)
    told = newest(night.store.open(ACTIVITIES).scan().filter(own).collect(), PLACE)
    totals = scope_figures(
        rows,
        told.select(*PLACE, *_OF_ACTIVITY),
        _definitions(),
        {f.factory: f.member for f in night.cluster.factories},
        [Exclusion(*one) for one in night.cluster.carbon.exclusions],
    )
    ratio = kpi_book().definitions[PER_UNIT][-1]
    return pl.concat([totals, per_unit(totals, figures, ratio)])


def _definitions() -> list[Definition]:
    return [d for d in kpi_book().newest() if d.monthly and d.is_total]


def _closed(night: Night, months: Sequence[date]) -> set[date]:
    """Return the months whose days are all final."""
    zone = ZoneInfo(night.cluster.zone)
    ends = {month: datetime.combine(next_month(month), time(), zone).astimezone(UTC) for month in months}
    return {month for month, end in ends.items() if night.is_final(end)}
