"""The KPI tables of a factory or member: day, month, 12 months, baseline and change.

Belongs here: which KPIs stand together, which are left out as not shared, the rows of one subject. Does not
belong here: rows of anybody else; words and number formats (words), how a table looks (templates).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.domain.baseline import NO_BASELINE, NOT_COMPUTED, Measured, before_after
from pipelines.domain.kpi_formulas import Definition
from pipelines.publish.content import (
    BaselineSpan,
    KpiGroup,
    KpiLine,
    KpiTable,
    MachineLine,
    SiteInputs,
)
from pipelines.publish.figures import Own, own_of
from pipelines.reference.kpis import kpi_book

DAY, MONTH, ROLLING, BASELINE = "day", "month", "rolling12", "baseline"
GROUPS = (
    "productivity", "quality", "cost", "delivery", "safety", "environment", "jobs", "machine-time",
    "joint-delivery", "inventory",
)  # fmt: skip
_GROUP_OF_FAMILY = {
    "machine-time": "machine-time", "quality": "quality", "energy": "environment", "carbon": "environment",
    "joint-delivery": "joint-delivery", "inventory": "inventory",
}  # fmt: skip
# A programme's KPIs are of one family in the catalogue; on a page each stands with what it is about.
_GROUP_OF_KPI = {
    "units_per_h": "productivity", "units_per_worker_h": "productivity", "throughput_per_h": "productivity",
    "worker_efficiency": "productivity", "process_defect_rate": "quality", "unit_cost_index": "cost",
    "order_lead_time_d": "delivery", "order_on_time_rate": "delivery", "order_otif_rate": "delivery",
    "incidents_per_200k_h": "safety", "incidents_per_1m_h": "safety", "jobs": "jobs",
}  # fmt: skip
# What a machine is asked for; failures are too few for a day.
_MACHINE_COLUMNS = (
    ("availability", DAY), ("effectiveness", DAY), ("quality_ratio", DAY), ("oee", DAY),
    ("energy_kwh_per_unit", DAY), ("mtbf_fe_s", MONTH), ("mttr_fe_s", MONTH),
)  # fmt: skip
Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Place:
    """What one table is of: a subject, its rows by KPI and period, the days that it shows."""

    rows: Mapping[tuple[str, str, str, str], Row]
    day: date

    def row(self, level: str, subject: str, kpi: str, period: str) -> Row | None:
        return self.rows.get((level, subject, kpi, period))


def group_of(definition: Definition) -> str:
    """Return the group in which a page shows a KPI.

    Raises:
        KeyError: the catalogue has a family that pages don't know.
    """
    return _GROUP_OF_KPI.get(definition.kpi) or _GROUP_OF_FAMILY[definition.family]


def month_of(day: date) -> date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def kpi_table(
    inputs: SiteInputs, level: str, subject: str, machines: Iterable[tuple[str, str]] = ()
) -> KpiTable:
    """Build the table of one factory or member, from its own rows and those of its machines alone.

    Args:
        inputs: the store's frames.
        level: factory or member.
        subject: its id.
        machines: (id, name) of a factory's machines in the order of its profile.
    """
    own = _rows_of(level, subject)
    place = _place(inputs.kpis.filter(own), inputs.baselines.filter(own), inputs.day)
    # Totals of closed months have no place in a table of the day and the month so far.
    lines = {d.kpi: _line(place, level, subject, d) for d in kpi_book().newest() if not d.monthly}
    shown = {kpi: line for kpi, line in lines.items() if _is_shared(line)}
    by_group = {d.kpi: group_of(d) for d in kpi_book().newest()}
    groups = ((g, tuple(line for k, line in shown.items() if by_group[k] == g)) for g in GROUPS)
    columns, machine_lines = _machines(place, subject, tuple(machines))
    return KpiTable(
        groups=tuple(KpiGroup(group, some) for group, some in groups if some),
        not_shared=tuple(kpi for kpi in lines if kpi not in shown),
        month=month_of(inputs.day),
        baseline=_span(place, level, subject),
        has_rolling=any(line.rolling.value is not None for line in shown.values()),
        provisional=frozenset(_provisional(shown.values())),
        machine_columns=columns,
        machines=machine_lines,
    )


def _rows_of(level: str, subject: str) -> pl.Expr:
    own = (pl.col("level") == level) & (pl.col("subject") == subject)
    if level == "member":
        return own
    return own | ((pl.col("level") == "machine") & pl.col("subject").str.starts_with(f"{subject}/"))


def _place(kpis: pl.DataFrame, baselines: pl.DataFrame, day: date) -> _Place:
    """Index each figure's newest row: of the closed day, its month, the newest 12 months, the baseline."""
    month = month_of(day)
    period = pl.col("period")
    shown = kpis.filter(
        ((period == DAY) & (pl.col("day") == day))
        | ((period == MONTH) & (pl.col("day") == month))
        | ((period == ROLLING) & (pl.col("day") < month))
    ).sort("day", pl.col("definition_version").cast(pl.Int32))
    rows: dict[tuple[str, str, str, str], Row] = {
        (r["level"], r["subject"], r["kpi"], r["period"]): r for r in shown.iter_rows(named=True)
    }
    stored = baselines.sort(pl.col("definition_version").cast(pl.Int32))
    rows |= {
        (r["level"], r["subject"], r["kpi"], BASELINE): {**r, "day": r["period_start"]}
        for r in stored.iter_rows(named=True)
    }
    return _Place(rows, day)


def _line(place: _Place, level: str, subject: str, definition: Definition) -> KpiLine:
    kpi = definition.kpi
    rows = {p: place.row(level, subject, kpi, p) for p in (DAY, MONTH, ROLLING, BASELINE)}
    figures = {p: own_of(row, kpi, row["day"] if row else place.day) for p, row in rows.items()}
    if rows[BASELINE] is None:
        figures[BASELINE] = Own(kpi, place.day, reasons=(NO_BASELINE,))
    month, then = rows[MONTH], rows[BASELINE]
    length = (place.day - month_of(place.day)).days + 1
    now = Measured(
        version=month["definition_version"] if month else definition.version,
        value=figures[MONTH].value,
        reason=";".join(figures[MONTH].reasons) or None,
        days=length,
    )
    stored = then and Measured(
        then["definition_version"],
        then["value"],
        then["reason"],
        (then["period_end"] - then["period_start"]).days,
    )
    return KpiLine(
        kpi=kpi,
        direction=definition.direction,
        day=figures[DAY],
        month=figures[MONTH],
        rolling=figures[ROLLING],
        baseline=figures[BASELINE],
        change=before_after(definition, now, stored or None),
    )


def _is_shared(line: KpiLine) -> bool:
    """Say whether the subject sends anything of a KPI: else it lacks an element in every period."""
    figures = (line.day, line.month, line.rolling, line.baseline)
    return any(f.value is not None or not _lacks(f) for f in figures)


def _lacks(figure: Own) -> bool:
    first = figure.reasons[0] if figure.reasons else ""
    return first in (NOT_COMPUTED, NO_BASELINE) or first.startswith("missing_element:")


def _provisional(lines: Iterable[KpiLine]) -> Iterable[str]:
    for line in lines:
        for period, figure in ((DAY, line.day), (MONTH, line.month), (ROLLING, line.rolling)):
            if figure.value is not None and figure.status == "provisional":
                yield period


def _span(place: _Place, level: str, subject: str) -> BaselineSpan | None:
    row = next(
        (r for (lv, s, _, p), r in place.rows.items() if (lv, s, p) == (level, subject, BASELINE)), None
    )
    return None if row is None else BaselineSpan(row["period_start"], row["period_end"] - timedelta(days=1))


def _machines(
    place: _Place, factory: str, machines: tuple[tuple[str, str], ...]
) -> tuple[tuple[tuple[str, str], ...], tuple[MachineLine, ...]]:
    """Return the columns in which any machine has a figure or its own reason, and the machines' lines."""
    found = {
        machine: {
            (kpi, period): own_of(place.row("machine", f"{factory}/{machine}", kpi, period), kpi, place.day)
            for kpi, period in _MACHINE_COLUMNS
        }
        for machine, _ in machines
    }
    columns = tuple(c for c in _MACHINE_COLUMNS if any(not _lacks(own[c]) for own in found.values()))
    if not columns:
        return (), ()
    lines = (MachineLine(m, name, tuple(found[m][c] for c in columns)) for m, name in machines)
    return columns, tuple(lines)
