"""Released KPIs by day, month and 12 months, and the cluster's before and after.

Belongs here: what the release ledger says of each KPI over the periods. Does not belong here: any figure that
is not in the ledger. The cluster's change is a function of two released figures, so it tells nobody more.
"""

from datetime import date, timedelta

import polars as pl

from pipelines.domain.baseline import Change, Measured, before_after
from pipelines.domain.cluster import BaselinePeriod
from pipelines.domain.kpi_formulas import Definition
from pipelines.publish.content import ReleasedLine, SiteInputs
from pipelines.publish.figures import Published, published_of
from pipelines.publish.kpi_tables import DAY, MONTH, ROLLING, month_of
from pipelines.reference.kpis import kpi_book


def baseline_month(period: BaselinePeriod | None) -> date | None:
    """Return the first day of a baseline that is a whole calendar month; null: it is none.

    Only then the ledger can hold a figure of the same period.
    """
    if period is None or period.start.day != 1:
        return None
    following = (period.start + timedelta(days=31)).replace(day=1)
    return period.start if period.end == following else None


def released_lines(inputs: SiteInputs, releases: pl.DataFrame) -> tuple[ReleasedLine, ...]:
    """List the KPIs of which the ledger has a figure of a month or of 12 months.

    Args:
        inputs: the closed day and the cluster's baseline.
        releases: the newest revision of every figure.
    """
    until = releases.filter(pl.col("period_start") <= inputs.day)
    order = {d.kpi: place for place, d in enumerate(kpi_book().newest())}
    groups = sorted(
        {
            (order[kpi], breakdown, group)
            for kpi, breakdown, group in until.select("kpi", "breakdown", "group").iter_rows()
            if kpi in order
        }
    )
    definitions = kpi_book().newest()
    then = baseline_month(inputs.cluster.baseline)
    lines = (_line(until, definitions[place], b, g, inputs.day, then) for place, b, g in groups)
    return tuple(line for line in lines if {line.month.revision, line.rolling.revision} != {None})


def _line(
    releases: pl.DataFrame, definition: Definition, breakdown: str, group: str, day: date, then: date | None
) -> ReleasedLine:
    own = releases.filter(
        pl.col("kpi") == definition.kpi, pl.col("breakdown") == breakdown, pl.col("group") == group
    ).sort("period_start", pl.col("definition_version").cast(pl.Int32))
    month = _newest(own, definition.kpi, group, MONTH, day)
    baseline = None if then is None else _newest(own, definition.kpi, group, MONTH, then, exactly=True)
    change = None if baseline is None else _change(definition, own, month, baseline)
    return ReleasedLine(
        kpi=definition.kpi,
        breakdown=breakdown,
        group=group,
        day=_newest(own, definition.kpi, group, DAY, day, exactly=True),
        month=month,
        rolling=_newest(own, definition.kpi, group, ROLLING, day),
        baseline=baseline,
        change=change,
    )


def _newest(
    own: pl.DataFrame, kpi: str, group: str, period: str, day: date, *, exactly: bool = False
) -> Published:
    starts = pl.col("period_start") == day if exactly else pl.col("period_start") <= day
    rows = own.filter((pl.col("period") == period) & starts)
    row = rows.row(-1, named=True) if rows.height else None
    return published_of(row, kpi, group, row["period_start"] if row else month_of(day))


def _change(definition: Definition, own: pl.DataFrame, now: Published, then: Published) -> Change:
    stored = None if then.revision is None else _measured(own, then)
    if now.revision is None and stored is not None:
        return before_after(definition, Measured(stored.version, None, now.status, 0), stored)
    return before_after(definition, _measured(own, now), stored)


def _measured(own: pl.DataFrame, figure: Published) -> Measured:
    """Return a released figure with its version and length; one that is not published says its status."""
    rows = own.filter(pl.col("period") == MONTH, pl.col("period_start") == figure.day)
    if rows.is_empty():
        return Measured("", None, figure.status, 0)
    days = (rows["period_end"][-1] - figure.day).days
    return Measured(rows["definition_version"][-1], figure.value, figure.status, days)
