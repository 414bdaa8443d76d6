"""A member's content: its own factories' figures beside the published references.

Belongs here: everything built for one member. Does not belong here: rows of any other member; each function
narrows the frames to the member's own factories before it looks at a value.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.cluster import Member
from pipelines.domain.positions import member_position
from pipelines.publish.content import (
    HISTORY_DAYS,
    Comparison,
    FactoryPage,
    Hour,
    MemberContent,
    Notice,
    OwnDay,
    OwnQuestion,
    ReasonCount,
    SiteInputs,
)
from pipelines.publish.figures import (
    CO2E,
    ENERGY,
    OEE,
    PER_UNIT,
    SHOWN,
    Own,
    Published,
    latest_releases,
    own,
    published,
    worst_quality,
)
from pipelines.publish.kpi_tables import kpi_table
from pipelines.publish.liveness_view import own_questions
from pipelines.publish.operator_view import factors_used
from pipelines.publish.senders import (
    current_factories,
    day_start,
    dead_letters_by_owner,
    last_event,
    zone_of,
)

_HOUR = timedelta(hours=1)


def member_content(inputs: SiteInputs, member: Member) -> MemberContent:
    """Build one member's pages from its own rows and the published figures."""
    factories = tuple(f.factory for f in current_factories(inputs) if f.member == member.member)
    letters = dead_letters_by_owner(inputs.dead_letters)
    pages = tuple(_factory_page(inputs, factory, letters.get(factory, ())) for factory in factories)
    day_figures = _day_figures(inputs, "member", member.member, factories).figures
    comparisons = tuple(_comparisons(inputs, member, factories))
    questions = own_questions(inputs.report, factories, {f: zone_of(inputs, f) for f in factories})
    return MemberContent(
        member=member.member,
        name_ko=member.name_ko,
        name_en=member.name_en,
        notices=(*_notices(pages), *_question_notices(questions), *_benchmark_notices(comparisons)),
        figures=day_figures,
        status=next((f.status for f in day_figures if f.status is not None), None),
        kpis=kpi_table(inputs, "member", member.member),
        factories=pages,
        comparisons=comparisons,
        factors=factors_used(
            inputs.emissions.filter((pl.col("day") == inputs.day) & pl.col("factory").is_in(factories))
        ),
        questions=questions,
    )


def _factory_page(inputs: SiteInputs, factory: str, letters: tuple[ReasonCount, ...]) -> FactoryPage:
    zone = zone_of(inputs, factory)
    profile = _profile(inputs.profiles, factory)
    last = last_event(inputs.liveness, factory)
    days = tuple(
        _day_figures(inputs, "factory", factory, (factory,), back) for back in reversed(range(HISTORY_DAYS))
    )
    mains = _main_electricity(inputs, factory)
    unallocated = mains.filter(pl.col("allocation") == "unallocated")["quantity"].drop_nulls()
    return FactoryPage(
        factory=factory,
        name=profile["name"] if profile else factory,
        process=profile["process"] if profile else None,
        last_reading=None if last is None else last.astimezone(zone),
        silent=last is None or last < day_start(inputs.day, zone),
        hours=_hours(inputs, mains, zone),
        unallocated_kwh=float(unallocated.sum()) if len(unallocated) else None,
        figures=days[-1].figures,
        days=days,
        kpis=kpi_table(inputs, "factory", factory, _machine_names(profile)),
        dead_letters=letters,
    )


def _machine_names(profile: dict[str, Any] | None) -> Iterable[tuple[str, str]]:
    for machine in (profile or {}).get("machines") or ():
        yield machine["machine"], machine["name"] or machine["machine"]


def _profile(profiles: pl.DataFrame, factory: str) -> dict[str, Any] | None:
    rows = profiles.filter(pl.col("factory") == factory)
    return rows.row(-1, named=True) if rows.height else None


def _main_electricity(inputs: SiteInputs, factory: str) -> pl.DataFrame:
    """Keep the closed day's facts of a factory's main electricity meters: only those roll up."""
    meters = (
        inputs.profiles.filter(pl.col("factory") == factory)
        .select(pl.col("meters").explode())
        .unnest("meters")
        .filter((pl.col("carrier") == "electricity") & pl.col("parent").is_null())
    )
    return inputs.facts_energy.filter(
        (pl.col("factory") == factory)
        & (pl.col("day") == inputs.day)
        & (pl.col("carrier") == "electricity")
        & pl.col("meter").is_in(meters["meter"].to_list())
    )


def _hours(inputs: SiteInputs, mains: pl.DataFrame, zone: ZoneInfo) -> tuple[Hour, ...]:
    """List every hour of the local day; an hour that any main meter lacks is not known."""
    known = {
        row["start"]: row
        for row in mains.filter(pl.col("allocation") == "hour")
        .sort("start", "meter")
        .group_by("start", maintain_order=True)
        .agg("quantity", "quality", pl.col("coverage").mean())
        .iter_rows(named=True)
    }
    start = day_start(inputs.day, zone)
    end = day_start(inputs.day + timedelta(days=1), zone)
    hours = []
    while start < end:
        hours.append(_hour(start.astimezone(zone), known.get(start.astimezone(UTC))))
        start += _HOUR
    return tuple(hours)


def _hour(start: datetime, row: dict[str, Any] | None) -> Hour:
    if row is None:
        return Hour(start, None, 0.0, None)
    quantities = pl.Series(row["quantity"], dtype=pl.Float64)
    quality = worst_quality(pl.Series(row["quality"], dtype=pl.String))
    complete = quantities.null_count() == 0
    return Hour(
        start=start,
        energy_kwh=float(quantities.sum()) if complete else None,
        coverage=float(pl.Series([row["coverage"]], dtype=pl.Float64).fill_null(0.0)[0]),
        quality=quality if complete else None,
    )


def _day_figures(
    inputs: SiteInputs, level: str, subject: str, factories: tuple[str, ...], back: int = 0
) -> OwnDay:
    day = inputs.day - timedelta(days=back)
    mine = (pl.col("day") == day) & pl.col("factory").is_in(factories)
    energy = worst_quality(inputs.facts_energy.filter(mine & (pl.col("carrier") == "electricity"))["quality"])
    machine = worst_quality(inputs.facts_machine.filter(mine)["quality"])
    both = worst_quality(pl.Series([energy, machine], dtype=pl.String))
    quality = {ENERGY: energy, CO2E: energy, OEE: machine, PER_UNIT: both}
    figures = tuple(own(inputs.kpis, level, subject, kpi, day, quality[kpi]) for kpi in SHOWN)
    return OwnDay(day, next((f.status for f in figures if f.status is not None), None), figures)


def _comparisons(inputs: SiteInputs, member: Member, factories: tuple[str, ...]) -> Iterable[Comparison]:
    releases = latest_releases(inputs.releases)
    mine = inputs.profiles.filter(pl.col("factory").is_in(factories)).sort("factory")
    processes = sorted(set(mine["process"].drop_nulls().to_list()))
    for process in processes:
        of_process = tuple(mine.filter(pl.col("process") == process)["factory"].to_list())
        value = _own_per_unit(inputs, member.member, process, of_process)
        yield compare(process, published(releases, "process", process, inputs.day, PER_UNIT), value)


def _own_per_unit(inputs: SiteInputs, member: str, process: str, factories: tuple[str, ...]) -> Own:
    """Return the member's kWh per unit in one process: what enters the peer group of the process."""
    day = inputs.day
    mine = (pl.col("day") == day) & pl.col("factory").is_in(factories)
    electricity = inputs.facts_energy.filter(mine & (pl.col("carrier") == "electricity"))
    parts = pl.concat([electricity["quality"], inputs.facts_machine.filter(mine)["quality"]])
    return own(inputs.kpis, "peer", f"{member}/{process}", PER_UNIT, day, worst_quality(parts))


def compare(process: str, reference: Published, value: Own) -> Comparison:
    """Set a member beside the published reference of its process; lower kWh per unit is better.

    Give to get: a member without a figure of its own in the period does not see the reference's value here.
    """
    entitled = value.value is not None
    if value.value is None or reference.value is None or reference.grid_step is None:
        return Comparison(process, reference, value, entitled, None, None)
    position = member_position(value.value, reference.value, reference.grid_step, "lower")
    return Comparison(process, reference, value, entitled, position, value.value - reference.value)


def _notices(pages: tuple[FactoryPage, ...]) -> Iterable[Notice]:
    for page in pages:
        anchor = f"factory-{page.factory}"
        if page.silent:
            yield Notice("warning", "notice.own_silent", (("factory", page.name),), anchor)
        missing = sum(hour.energy_kwh is None for hour in page.hours)
        if missing and not page.silent:
            named = (("factory", page.name), ("count", missing), ("all", len(page.hours)))
            yield Notice("warning", "notice.own_missing_hours", named, anchor)
        letters = sum(reason.count for reason in page.dead_letters)
        if letters:
            yield Notice(
                "warning", "notice.own_dead_letters", (("factory", page.name), ("count", letters)), anchor
            )


def _question_notices(questions: tuple[OwnQuestion, ...]) -> Iterable[Notice]:
    if questions:
        yield Notice("info", "notice.own_questions", (("count", len(questions)),), "liveness")


def _benchmark_notices(comparisons: tuple[Comparison, ...]) -> Iterable[Notice]:
    if any(not comparison.entitled for comparison in comparisons):
        yield Notice("info", "notice.give_to_get", (), "benchmark")
