"""Figures as pages carry them: a value, or null with the word for why, and what stands beside it.

Belongs here: the small frozen figures of pages and how they are read from RELEASES, KPIS and the facts.
Does not belong here: who may see which (operator_view, member_view) and how they look (words, templates).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from pipelines.domain.standing import Thirds

ENERGY = "energy_kwh"
CO2E = "co2e_kg"
OEE = "oee"
PER_UNIT = "energy_kwh_per_unit"
SHOWN = (ENERGY, CO2E, OEE, PER_UNIT)
CLUSTER_FIGURES = (ENERGY, CO2E, OEE)

ABSENT = "absent"
_WORST_FIRST = ("suspect", "estimated", "interpolated", "measured")
# A trend and a named reference hang on a figure's id; the figure itself ends with its KPI.
_TREND, _NAMED = r"/trend$", r"/named/[^/]+$"


@dataclass(frozen=True)
class Quartile:
    """A published quartile with its interval [unit of the figure]."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Published:
    """A figure of the release ledger, or its absence.

    Args:
        kpi: id of the KPI.
        group: group of its breakdown; * for everybody.
        day: first local date of its period.
        status: published, withheld, not_estimable, insufficient_coverage, or absent: never decided.
        value: null unless published [unit].
        unit: unit of value.
        grid_step: step of the public grid [unit]; null: not rounded by the gate.
        coverage: share of the contributors' time that was measured [1].
        contributors: fewer than 10 or 10+.
        provisional: null where the figure is absent.
        revision: 1, and more where it was changed after it had been published.
        breakdown: what its groups are made by.
        period: day, month or rolling12.
        version: version of the definition; null: absent.
        statistic: total, count, ratio_of_sums, order_statistic, trend or named_reference; empty: absent.
        interval: of the centre [unit]; null: none.
        p25: first quartile; null: too few contributors.
        p75: third quartile; likewise.
        thirds: P33 and P67 [unit]; likewise.
        previous: of a trend: value of the same members in the period before [unit].
        member: of a named reference: who it is.
    """

    kpi: str
    group: str
    day: date
    status: str
    value: float | None = None
    unit: str = ""
    grid_step: float | None = None
    coverage: float | None = None
    contributors: str | None = None
    provisional: bool | None = None
    revision: int | None = None
    breakdown: str = ""
    period: str = ""
    version: str | None = None
    statistic: str = ""
    interval: tuple[float, float] | None = None
    p25: Quartile | None = None
    p75: Quartile | None = None
    thirds: Thirds | None = None
    previous: float | None = None
    member: str | None = None


@dataclass(frozen=True)
class Own:
    """A member's own figure of one day.

    Args:
        kpi: id of the KPI.
        day: local date.
        value: null: not known, see reason [unit].
        unit: unit of value.
        reasons: reason codes: why value is null, or marks that go with a value (suspect_excluded, above_one).
        coverage: share of its time that was measured [1]; null: unknown.
        quality: worst of its parts; null: nothing was known.
        status: provisional or final; null: the day was not computed.
    """

    kpi: str
    day: date
    value: float | None = None
    unit: str = ""
    reasons: tuple[str, ...] = ()
    coverage: float | None = None
    quality: str | None = None
    status: str | None = None


def latest_releases(releases: pl.DataFrame) -> pl.DataFrame:
    """Keep the newest revision of every figure (columns of RELEASES, sorted by figure_id)."""
    return (
        releases.sort("figure_id", "revision", "sequence")
        .group_by("figure_id", maintain_order=True)
        .last()
        .select(releases.columns)
    )


def centres(releases: pl.DataFrame) -> pl.DataFrame:
    """Keep the figures themselves: neither trends nor named references."""
    hangs_on = pl.col("figure_id").str.contains(f"{_TREND}|{_NAMED}")
    return releases.filter(~hangs_on)


def trends(releases: pl.DataFrame) -> pl.DataFrame:
    """Keep the trends."""
    return releases.filter(pl.col("figure_id").str.contains(_TREND))


def named_references(releases: pl.DataFrame) -> pl.DataFrame:
    """Keep the named references."""
    return releases.filter(pl.col("figure_id").str.contains(_NAMED))


def published(releases: pl.DataFrame, breakdown: str, group: str, day: date, kpi: str) -> Published:
    """Return a day's figure from the newest revisions; status absent where the ledger has none."""
    rows = (
        centres(releases)
        .filter(
            (pl.col("breakdown") == breakdown)
            & (pl.col("group") == group)
            & (pl.col("period") == "day")
            & (pl.col("period_start") == day)
            & (pl.col("kpi") == kpi)
        )
        .sort("definition_version")
    )
    return published_of(rows.row(-1, named=True) if rows.height else None, kpi, group, day)


def published_of(row: Mapping[str, Any] | None, kpi: str, group: str, day: date) -> Published:
    """Return a row of RELEASES as a figure; null: nothing was decided about it."""
    if row is None:
        return Published(kpi, group, day, ABSENT)
    shown = row["status"] == "published"
    return Published(
        kpi=kpi,
        group=group,
        day=day,
        status=row["status"],
        value=row["value"] if shown else None,
        unit=row["unit"],
        grid_step=row["grid_step"],
        coverage=row["coverage"],
        contributors=row["contributors"],
        provisional=row["provisional"],
        revision=row["revision"],
        breakdown=row["breakdown"],
        period=row["period"],
        version=row["definition_version"],
        statistic=row["statistic"],
        **(_spread(row) if shown else {}),
    )


def _spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a published figure says beside its value."""
    return {
        "interval": _pair(row, "interval_low", "interval_high"),
        "p25": _quartile(row, "p25"),
        "p75": _quartile(row, "p75"),
        "thirds": Thirds(*pair) if (pair := _pair(row, "p33", "p67")) else None,
        "previous": row["previous_value"],
        "member": row["reference_member"],
    }


def _pair(row: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    return None if row[low] is None or row[high] is None else (row[low], row[high])


def _quartile(row: Mapping[str, Any], name: str) -> Quartile | None:
    ends = _pair(row, f"{name}_low", f"{name}_high")
    return None if row[name] is None or ends is None else Quartile(row[name], *ends)


def own(kpis: pl.DataFrame, level: str, subject: str, kpi: str, day: date, quality: str | None) -> Own:
    """Return the figure of a factory or member; a null value where it was not computed."""
    rows = kpis.filter(
        (pl.col("level") == level)
        & (pl.col("subject") == subject)
        & (pl.col("kpi") == kpi)
        & (pl.col("day") == day)
        & (pl.col("period") == "day")
    ).sort("definition_version")
    return own_of(rows.row(-1, named=True) if rows.height else None, kpi, day, quality)


def own_of(row: Mapping[str, Any] | None, kpi: str, day: date, quality: str | None = None) -> Own:
    """Return a row of KPIS or BASELINES as a figure; null: it was not computed."""
    if row is None:
        return Own(kpi, day, reasons=("not_computed",))
    return Own(
        kpi=kpi,
        day=day,
        value=row["value"],
        unit=row["unit"] or "",
        reasons=tuple(row["reason"].split(";")) if row["reason"] else (),
        coverage=row["coverage"],
        quality=quality if row["value"] is not None else None,
        status=row.get("status"),
    )


def worst_quality(qualities: pl.Series) -> str | None:
    """Return the worst of the qualities; null where nothing was known."""
    present = set(qualities.drop_nulls().to_list())
    return next((quality for quality in _WORST_FIRST if quality in present), None)


def last_days(day: date, count: int) -> tuple[date, ...]:
    """Return the `count` days up to and including `day`, oldest first."""
    return tuple(date.fromordinal(day.toordinal() - back) for back in reversed(range(count)))
