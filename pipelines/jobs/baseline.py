"""The stored baseline (사업 KPI): what a programme is measured against.

Belongs here: which subjects get a baseline, the commits of the table baselines, reading it. Does not belong
here: the roll-up (pipelines.domain.kpis) and the comparison (pipelines.domain.baseline).

A baseline is set anew by a new revision; what was stored never changes, also when days of its period are
restated afterwards. A night sets the one that the cluster file declares, once for each subject.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.baseline import unit_costs
from pipelines.domain.cluster import BaselinePeriod, ClusterDefinition
from pipelines.domain.kpis import span_figures
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import BASELINE_COSTS, BASELINES, ELEMENTS_DAILY, KPIS

_SUBJECT = ["level", "subject"]
_LEVELS = ("member", "factory", "machine")
# What makes a baseline another one: of equal content no revision is made.
_CONTENT = [
    *_SUBJECT, "kpi", "definition_version", "period_start", "period_end", "weight", "covered", "value",
    "reason",
]  # fmt: skip
_COST_CONTENT = [
    "factory", "product", "period_start", "period_end", "cost_krw", "pq", "coverage", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class Circle:
    """Whose baseline is set: members and factories, each factory with its machines.

    Args:
        members: ids of members.
        factories: ids of factories.
    """

    members: tuple[str, ...]
    factories: tuple[str, ...]

    def rows(self) -> pl.Expr:
        """Select the rows of kpis or baselines that are of the circle."""
        first = pl.col("subject").str.split("/").list.first()
        of_factory = pl.col("level").is_in(["factory", "machine"]) & first.is_in(self.factories)
        return of_factory | ((pl.col("level") == "member") & pl.col("subject").is_in(self.members))


def circle_of(cluster: ClusterDefinition, member: str | None, factory: str | None) -> Circle:
    """Return a member with its factories, a factory alone, or everybody.

    Raises:
        OperatorError: UNUSABLE_INPUT: both are named, or the cluster doesn't know the one that is.
    """
    if member is not None and factory is not None:
        raise _unusable(
            "name --member or --factory, not both", "--member와 --factory 가운데 하나만 지정하세요"
        )
    if factory is not None:
        _require(factory, (f.factory for f in cluster.factories), "factory", "사업장", cluster.cluster)
        return Circle((), (factory,))
    if member is not None:
        _require(member, (m.member for m in cluster.members), "member", "회원사", cluster.cluster)
        return Circle((member,), cluster.factories_of(member))
    return Circle(tuple(m.member for m in cluster.members), tuple(f.factory for f in cluster.factories))


def period_of(night: Night, first: date, last: date) -> BaselinePeriod:
    """Return the period of two local dates, both included.

    Raises:
        OperatorError: UNUSABLE_INPUT: it ends before it begins, or isn't over.
    """
    if last < first:
        raise _unusable(
            f"--to {last} is before --from {first}", f"--to {last}이(가) --from {first}보다 앞섭니다"
        )
    closed = night.last_closed_day(night.cluster.zone)
    if last > closed:
        raise _unusable(
            f"--to {last} is not closed yet: the last closed day is {closed}",
            f"--to {last}은(는) 아직 마감되지 않았습니다. 마지막 마감일은 {closed}입니다",
        )
    return BaselinePeriod(first, last + timedelta(days=1))


def set_baseline(
    night: Night, circle: Circle, period: BaselinePeriod, note: str | None, set_at: datetime
) -> int:
    """Store the circle's KPIs and unit costs of a period as its baseline.

    The caller holds the lease. A subject whose newest revision says the same gets none. Figures below their
    least coverage are stored with their reason and without a value. Returns the subjects that got a revision.

    Raises:
        OperatorError: UNUSABLE_INPUT: the table kpis has nothing of the period; STORE.
    """
    figures = _figures(_days(night, circle, period), period)
    if figures.is_empty():
        last = period.end - timedelta(days=1)
        raise _unusable(
            f"there is no figure from {period.start} to {last}: run the nights first",
            f"{period.start}부터 {last}까지 지표가 없습니다. 야간 작업을 먼저 실행하세요",
        )
    _store_costs(night, circle.factories, period, set_at)
    return _store(night.store.open(BASELINES), _dated(figures, period, set_at), note)


def store_declared_costs(night: Night) -> None:
    """Store the unit costs of the baseline that the cluster file declares; once for each factory.

    It goes before the KPIs, of which the cost index needs them.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    period = _final_period(night)
    if period is None:
        return
    known = night.store.open(BASELINE_COSTS).scan().select("factory").unique().collect()["factory"]
    fresh = {f.factory for f in night.cluster.factories} - set(known)
    _store_costs(night, sorted(fresh), period, night.nominal)


def store_declared(night: Night) -> int:
    """Store the baseline that the cluster file declares, once its days are final.

    A subject that has one, of whatever period, is left alone for ever: only the command sets another. Returns
    the subjects that got one.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    period = _final_period(night)
    if period is None:
        return 0
    table = night.store.open(BASELINES)
    known = table.scan().select(_SUBJECT).unique().collect()
    days = _days(night, circle_of(night.cluster, None, None), period).join(known, on=_SUBJECT, how="anti")
    return _store(table, _dated(_figures(days, period), period, night.nominal), None)


def _final_period(night: Night) -> BaselinePeriod | None:
    """Return the declared period, if all its days are final."""
    period = night.cluster.baseline
    if period is None:
        return None
    ended = datetime.combine(period.end, time(), ZoneInfo(night.cluster.zone))
    return period if night.is_final(ended) else None


def unit_costs_in_force(table: OpenTable) -> pl.DataFrame:
    """Return what a unit of each product cost in its factory's baseline, of the newest revision.

    Returns:
        ``factory, product, baseline_unit_cost_krw`` [KRW/unit], ``valid_from`` (first local date for which it
        is used: the baseline's own, whose index is 1), sorted; products without a unit cost are not in it.
    """
    return (
        _newest(table.scan().collect(), ["factory"])
        .drop_nulls("baseline_unit_cost_krw")
        .select("factory", "product", "baseline_unit_cost_krw", valid_from="period_start")
        .sort("factory", "product")
    )


def latest_baselines(table: OpenTable) -> pl.DataFrame:
    """Return the rows of each subject's newest revision (columns of BASELINES, sorted by key)."""
    return _newest(table.scan().collect(), _SUBJECT).sort(table.table.key)


def shown_baselines(night: Night, circle: Circle) -> pl.DataFrame:
    """Return all revisions of a circle's baselines without their sums, the newest first."""
    rows = night.store.open(BASELINES).scan().filter(circle.rows()).collect()
    order = [*_SUBJECT, "revision", "kpi", "definition_version"]
    newest_first = [name == "revision" for name in order]
    return rows.sort(order, descending=newest_first).select(pl.exclude("sums", "weight", "covered"))


def _days(night: Night, circle: Circle, period: BaselinePeriod) -> pl.DataFrame:
    return (
        night.store.open(KPIS)
        .scan()
        .filter(
            pl.col("period") == "day",
            (pl.col("day") >= period.start) & (pl.col("day") < period.end),
            pl.col("level").is_in(_LEVELS),
            circle.rows(),
        )
        .collect()
    )


def _figures(days: pl.DataFrame, period: BaselinePeriod) -> pl.DataFrame:
    """Roll the days of a period up; a subject of which nothing at all is known has no rows."""
    figures = span_figures(days, kpi_book(), period.start, period.end, "baseline")
    return figures.filter(pl.col("sums").is_not_null().any().over(_SUBJECT))


def _store_costs(night: Night, factories: Sequence[str], period: BaselinePeriod, set_at: datetime) -> None:
    elements = (
        night.store.open(ELEMENTS_DAILY)
        .scan()
        .filter(
            (pl.col("day") >= period.start) & (pl.col("day") < period.end),
            pl.col("factory").is_in(list(factories)),
            pl.col("element").is_in(["cost_krw", "pq"]),
        )
        .collect()
    )
    index = kpi_book().find("unit_cost_index")
    minimum = 0.0 if index is None else index.minimum_coverage
    costs = unit_costs(elements, (period.end - period.start).days, minimum)
    if costs.height:
        _append(night.store.open(BASELINE_COSTS), _dated(costs, period, set_at), ["factory"], _COST_CONTENT)


def _store(table: OpenTable, figures: pl.DataFrame, note: str | None) -> int:
    noted = figures.with_columns(note=pl.lit(note, pl.String))
    return _append(table, noted, _SUBJECT, _CONTENT) if noted.height else 0


def _dated(rows: pl.DataFrame, period: BaselinePeriod, set_at: datetime) -> pl.DataFrame:
    return rows.with_columns(
        period_start=pl.lit(period.start),
        period_end=pl.lit(period.end),
        set_at=pl.lit(set_at).dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")),
    )


def _append(table: OpenTable, rows: pl.DataFrame, by: list[str], content: list[str]) -> int:
    """Append a revision of everybody (`by`) whose content differs from the newest; returns how many."""
    stored = _newest(table.scan().collect(), by)
    last = stored.group_by(by).agg(last=pl.col("revision").max())
    numbered = rows.join(last, on=by, how="left").with_columns(
        revision=(pl.col("last").fill_null(0) + 1).cast(pl.Int32)
    )
    now, before = numbered.select(content), stored.select(content)
    differing = pl.concat([
        now.join(before, on=content, how="anti", nulls_equal=True),
        before.join(now, on=content, how="anti", nulls_equal=True),
    ]).select(by).unique()  # fmt: skip
    new = numbered.join(differing, on=by, how="semi").select(table.table.schema.names).sort(table.table.key)
    if new.height:
        table.append(new, {})
    return new.select(by).unique().height


def _newest(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return rows.filter(pl.col("revision") == pl.col("revision").max().over(by))


def _require(name: str, known: Iterable[str], what: str, what_korean: str, cluster: str) -> None:
    listed = sorted(known)
    if name not in listed:
        raise _unusable(
            f"{what} {name!r} is not in cluster {cluster}; it has {', '.join(listed)}",
            f"클러스터 {cluster}에 {what_korean} {name!r}이(가) 없습니다. 있는 것: {', '.join(listed)}",
        )


def _unusable(english: str, korean: str) -> OperatorError:
    return OperatorError(f"baseline: {english}.", f"기준 기간: {korean}.", ExitCode.UNUSABLE_INPUT)
