"""What a cluster definition would release: nights over the stored KPIs, simulated from an empty ledger.

Belongs here: which periods each night judges, and the lines and the file that say what came of them. Does not
belong here: judging (pipelines.domain.releasing) and counting (pipelines.domain.policy_losses).

Confidential, like all that names internal reasons: for whoever sets the limits, not for operator or members.
Nothing is written to the store, so no lease is needed.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.exact_csv import fault, write_whole
from pipelines.connectors.registrations import StoredRegistrations, with_registrations
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosureClass
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.outcomes import OperatorError
from pipelines.domain.periods import Period, months_after
from pipelines.domain.policy_losses import CHECKED_SCHEMA, checked_figures, losses, night_totals
from pipelines.domain.releasing import Scene, release_periods, shown_from
from pipelines.jobs.night import NIGHTLY_AT, Night
from pipelines.jobs.profiles import read_profiles
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import KPIS

_CONFIDENTIAL = (
    "with internal reasons: for the statistician who sets the limits, not for operator or members"
    " / 비공개 사유 포함: 공개 기준을 정하는 통계 담당자 전용"
)
# Rolling 12 months, the month before them for their trend, and the one that a panel is foreseen by.
_MONTHS_BEFORE = 14


def check_policy(night: Night, definition: ClusterDefinition, first: date, last: date) -> pl.DataFrame:
    """Simulate the nights of a span of local dates with a definition, from an empty ledger.

    Every night judges what is due for the first time: the day before, and months that became final or aged
    enough. KPIs are those that the store holds now, whatever was known in such a night.

    Args:
        night: opened for reading: store, cut-off, progress.
        definition: of the same cluster, perhaps with other limits, groups or owners.
        first: date of the first night.
        last: of the last one, included.

    Returns:
        CHECKED_SCHEMA, by night and figure_id.

    Raises:
        OperatorError: UNUSABLE_INPUT: the span is empty or the store has no KPIs of it; STORE.
    """
    if definition.open_to_imports:
        definition = with_registrations(definition, StoredRegistrations(night.store.objects).known())
    nights = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    kpis = _stored_kpis(replace(night, cluster=definition), first, last)
    there = sorted(Period(*key) for key in kpis.select("day", "period").unique().iter_rows())
    processes = read_profiles(night).latest().select("factory", "process")
    book = kpi_book()
    sealed: dict[str, SealedFigure] = {}
    past: list[SealedFigure] = []
    parts = [pl.DataFrame(schema=CHECKED_SCHEMA)]
    before = _due(_on(night, definition, first - timedelta(days=1)), there)
    for number, day in enumerate(nights):
        night.tell("nights", number, len(nights))
        tonight = _on(night, definition, day)
        due = _due(tonight, there)
        scene = Scene(definition, processes, book.released(), book.elements, tonight.nominal)
        judged = release_periods(kpis, [p for p in there if due[p] - before[p]], scene, tuple(past))
        new = [s for s in judged.sealed if not _says_the_same(s, sealed.get(s.figure_id))]
        sealed |= {s.figure_id: s for s in new}
        past += new
        before = due
        parts.append(checked_figures(day, judged.figures, judged.sealed))
    night.tell("nights", len(nights), len(nights))
    return pl.concat(parts)


def policy_lines(checked: pl.DataFrame) -> list[tuple[str, str]]:
    """Return what is printed: that it is confidential, a line a night, a line per KPI, breakdown and period.

    Args:
        checked: CHECKED_SCHEMA.
    """
    nights = [(f"night {row['night']}", _counts(row)) for row in night_totals(checked).to_dicts()]
    kpis = [
        (f"{row['kpi']}, {row['breakdown']}, {row['period']}", _counts(row))
        for row in losses(checked).to_dicts()
    ]
    return [("CONFIDENTIAL / 대외비", _CONFIDENTIAL), *nights, *kpis]


def write_checked(checked: pl.DataFrame, out: Path) -> None:
    """Write a row per night and figure, for its owner's eyes only (mode 600).

    Raises:
        OperatorError: UNUSABLE_INPUT: it can't be written.
    """
    write_whole(out, checked.columns, checked.iter_rows(), private=True)


def _counts(row: dict[str, Any]) -> str:
    share = f" ({row['weight_lost'] / row['weight']:.1%})" if row["weight"] else ""
    said = (
        f"{row['figures']} figures, {row['published']} published, {row['withheld']} withheld;"
        f" {row['weight_lost']} of {row['weight']} contributions lost{share}"
    )
    return said if row["reasons"] is None else f"{said}: {row['reasons']}"


def _stored_kpis(night: Night, first: date, last: date) -> pl.DataFrame:
    """Read the factories' rows that a span of nights may need.

    Raises:
        OperatorError: UNUSABLE_INPUT: the span is empty, or there are no rows.
    """
    if last < first:
        raise fault(
            f"--to {last} is before --from {first}: name a span of nights",
            f"--to {last}이(가) --from {first}보다 앞섭니다. 기간을 바르게 지정하세요",
        )
    if not night.store.exists(KPIS):
        raise _no_kpis(night, first, last)
    ageing = max((p.ageing_months for p in night.cluster.policy.classes.values()), default=0)
    earliest = months_after(first, -_MONTHS_BEFORE - ageing)
    rows = (
        night.store.open(KPIS)
        .scan()
        .filter(pl.col("level") == "factory", pl.col("day").is_between(earliest, last))
        .collect()
    )
    if rows.is_empty():
        raise _no_kpis(night, first, last)
    return rows


def _no_kpis(night: Night, first: date, last: date) -> OperatorError:
    return fault(
        f"the store of {night.cluster.cluster} has no KPIs for nights from {first} to {last}:"
        " run its nights first, or name another span",
        f"{night.cluster.cluster} 저장소에 {first}부터 {last}까지의 지표가 없습니다."
        " 먼저 야간 실행을 하거나 다른 기간을 지정하세요",
    )


def _on(night: Night, definition: ClusterDefinition, day: date) -> Night:
    """Return the night of a local date."""
    at = datetime.combine(day, NIGHTLY_AT, ZoneInfo(definition.zone))
    return replace(night, cluster=definition, as_of=at)


def _due(night: Night, periods: Iterable[Period]) -> dict[Period, frozenset[DisclosureClass]]:
    """Return the classes whose figures of a period a night may judge."""
    limits = night.cluster.policy.classes
    return {
        p: frozenset(name for name, policy in limits.items() if _is_due(night, p, policy)) for p in periods
    }


def _is_due(night: Night, period: Period, policy: ClassPolicy) -> bool:
    """Say whether a period is closed (a day) or final (the others), and old enough for a class."""
    zone = ZoneInfo(night.cluster.zone)
    if period.name not in policy.periods or night.nominal.astimezone(zone).date() < shown_from(
        period.end, policy
    ):
        return False
    end = datetime.combine(period.end, time(), zone).astimezone(UTC)
    return end <= night.nominal if period.name == "day" else night.is_final(end)


def _says_the_same(one: SealedFigure, other: SealedFigure | None) -> bool:
    return other is not None and replace(one, known_at_us=other.known_at_us) == other
