"""Tracing a figure: from a published total, or a factory's own, down to offsets, files and schemas.

Belongs here: which stored rows a figure rests on. Does not belong here: computing it again
(pipelines.jobs.replaying), how a trace looks (pipelines.publish.trace_listing).

Nothing here is written, and no broker is asked. Tables are read at the versions that the facts have consumed,
so that what an ingest has added since takes no part.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from pipelines.connectors.deriving_facts import FactDerivation, Stretch
from pipelines.connectors.store import OpenTable
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.ledger import verify_chain
from pipelines.domain.factory_energy import main_meters
from pipelines.domain.methods import CODE_VERSION, MAX_GAP, METHOD, METHODS
from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.periods import Period
from pipelines.domain.suspects import SPAN_SCHEMA, accepted_spans
from pipelines.domain.trace import DAMAGED, FigureName, Trace, figure_name, needed_readings
from pipelines.jobs.factor_choices import Choices
from pipelines.jobs.facts import FactoryDayPlan, stretches_of
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import Profiles, read_profiles, unnested
from pipelines.jobs.sealed_inputs import read_newest_sealed
from pipelines.reference.kpis import kpi_book
from pipelines.reference.tables import emission_factors
from pipelines.schemas.tables import (
    ACCEPTED_SUSPECTS,
    DEAD_LETTERS,
    ELEMENTS_DAILY,
    EMISSIONS,
    FACTS_ENERGY,
    KPIS,
    RAW,
    RELEASES,
    ROW_IDENTITY,
)

CARBON = "co2e_kg"
_MESSAGE = ["topic", "incarnation", "partition", "offset"]
_DAY = ["factory", "day"]
# Polars panics where a file is shorter than its commit says.
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError)


@dataclass(frozen=True)
class Measured:
    """Hours of main meters, the readings from which they follow, and what computing them again takes.

    Args:
        hours: rows of facts_energy.
        meters: factory, profile_version, and what the profile says of these meters.
        readings: rows of raw_energy that took part, and ``stretch``: the stretches of days that need them.
        files: their files, as `OpenTable.check_files` says.
        letters: dead letters whose rows took part after a replay.
        decisions: decisions on suspect values that concern the hours.
        remarks: what a reader should know, one sentence each.
        profiles: the cluster's.
        stretches: of days, with the meters that count.
        derivation: how readings of a stretch become energy.
        versions: what the hours were computed by: name -> version.
    """

    hours: pl.DataFrame
    meters: pl.DataFrame
    readings: pl.DataFrame
    files: pl.DataFrame
    letters: pl.DataFrame
    decisions: pl.DataFrame
    remarks: Sequence[str]
    profiles: Profiles
    stretches: Sequence[Stretch]
    derivation: FactDerivation
    versions: Mapping[str, object]


@dataclass(frozen=True)
class Traced:
    """A trace, and what computing the figure again takes."""

    trace: Trace
    measured: Measured


@dataclass(frozen=True)
class _Figure:
    """What is told of a figure: its version, value, period [day, end), entry, and whose figures make it."""

    version: str
    value: float | None
    period: str
    end: date
    factories: Sequence[str]
    entry: Mapping[str, Any] | None = None
    broken_at: int | None = None


def trace_figure(night: Night, text: str) -> Traced:
    """Find everything that a figure rests on.

    Raises:
        OperatorError: UNUSABLE_INPUT: there is no such figure, or nothing was published of it; INCONSISTENT:
            a file of readings can't be read for it is not what was committed; STORE.
    """
    name = figure_name(text)
    if name.cluster not in (None, night.cluster.cluster):
        raise unknown_figure(name.text, night)
    figure = _of_factory(night, name) if name.cluster is None else _of_ledger(night, name)
    days = pl.col("day").is_between(name.day, figure.end, closed="left")
    ours = days & pl.col("factory").is_in(figure.factories)
    whole = (pl.col("machine") == "*") & (pl.col("product") == "*") & (pl.col("element") == name.kpi)
    elements = night.store.open(ELEMENTS_DAILY).scan().filter(ours, whole).collect().sort(_DAY)
    facts = night.store.open(FACTS_ENERGY)
    found = measured(night, facts, ours, ("electricity",), name.text)
    emissions = _emissions(night, ours if name.kpi == CARBON else pl.lit(value=False))
    trace = Trace(
        name=name,
        value=figure.value,
        unit=kpi_book().definitions[name.kpi][-1].unit,
        period=figure.period,
        end=figure.end,
        entry=figure.entry,
        broken_at=figure.broken_at,
        kpis=_kpis(night, figure, days, name),
        elements=elements,
        emissions=emissions,
        hours=found.hours,
        meters=found.meters,
        factors=_factors(night, emissions),
        readings=found.readings,
        files=found.files,
        letters=found.letters,
        decisions=found.decisions,
        versions={"definition": f"{name.kpi}@{figure.version}", **found.versions},
        remarks=found.remarks,
    )
    return Traced(trace, found)


def measured(
    night: Night, facts: OpenTable, wanted: pl.Expr, carriers: Collection[str], figure: str
) -> Measured:
    """Find the hours of main meters, and the readings from which they follow.

    Args:
        night: for its store.
        facts: facts_energy at the snapshot that counts.
        wanted: which factory-days.
        carriers: of the meters.
        figure: whose hours they are, for errors.

    Raises:
        OperatorError: UNUSABLE_INPUT: there are no facts; INCONSISTENT: a file of readings is damaged; STORE.
    """
    profiles = read_profiles(night)
    stored = facts.scan().filter(wanted).collect()
    meters = _main_meters(stored, profiles, carriers)
    hours = stored.join(meters, on=["factory", "profile_version", "meter"], how="semi").sort(FACTS_ENERGY.key)
    raw = night.store.open_at(RAW["energy"], _consumed(facts, RAW["energy"].name, night, figure))
    plans, remarks = _plans(profiles, hours)
    stretches = [
        replace(s, meters=main_meters(s.meters.filter(pl.col("carrier").is_in(list(carriers)))))
        for s in stretches_of(profiles, FACTS_ENERGY, plans, {"energy": raw})
    ]
    derivation = _derivation(night, facts, raw)
    readings = _readings(raw, stretches, derivation)
    return Measured(
        hours=hours,
        meters=meters,
        readings=readings,
        files=raw.check_files(sorted(_partitions(raw, readings, stretches))),
        letters=_letters(night, readings),
        decisions=_decisions(night, facts, hours),
        remarks=[*remarks, *_remarks(facts)],
        profiles=profiles,
        stretches=stretches,
        derivation=derivation,
        versions=_versions(night, facts, raw, hours),
    )


def unknown_figure(figure: str, night: Night) -> OperatorError:
    """Say that there is no such figure."""
    return unusable(
        f"{figure}: the store {night.store.uri} has no such figure; check id, --cluster and DC_STORE",
        f"{figure}: 저장소 {night.store.uri}에 이 수치가 없습니다. ID, --cluster, DC_STORE를 확인하세요",
    )


def _of_ledger(night: Night, name: FigureName) -> _Figure:
    """Read the newest entry of a figure, and whose figures it adds up.

    The factories are those that its release was judged by.
    """
    entry, broken_at = published_entry(night, name.text)
    own = sorted(
        {term.unknown.factory for said in judged_by(night, name.text).statements for term in said.terms}
    )
    return _Figure(
        entry["definition_version"], entry["value"], entry["period"], entry["period_end"], own, entry,
        broken_at,
    )  # fmt: skip


def published_entry(night: Night, figure_id: str) -> tuple[Mapping[str, Any], int | None]:
    """Return a figure's newest entry in the release ledger, and where the ledger's chain is broken.

    Raises:
        OperatorError: UNUSABLE_INPUT: there is none, or nothing was published of it.
    """
    ledger = night.store.open(RELEASES).scan().collect()
    entries = ledger.filter(figure_id=figure_id).sort("sequence")
    if entries.is_empty():
        raise unknown_figure(figure_id, night)
    entry = entries.row(-1, named=True)
    if entry["status"] != "published":
        raise unusable(
            f"{figure_id} is {entry['status']}: nothing was published that could be traced",
            f"{figure_id}: 상태가 {entry['status']}이므로 추적할 공개 값이 없습니다",
        )
    return entry, verify_chain(ledger)


def judged_by(night: Night, figure_id: str) -> SealedFigure:
    """Return the sealed inputs of a figure's newest decision.

    Raises:
        OperatorError: UNUSABLE_INPUT: it was released before inputs were sealed.
    """
    sealed = read_newest_sealed(night, figure_id)
    if sealed is None:
        raise unusable(
            f"{figure_id} was released before inputs were sealed: whose figures it adds up isn't recorded;"
            " trace a later figure, or a factory's day",
            f"{figure_id}: 입력을 봉인하기 전에 공개되어 어느 공장의 합인지 기록이 없습니다. 그 뒤의 수치나"
            " 공장의 하루를 추적하세요",
        )
    return sealed


def _of_factory(night: Night, name: FigureName) -> _Figure:
    rows = night.store.open(KPIS).scan().filter(
        pl.col("day") == name.day, period="day", level="factory", kpi=name.kpi, subject=name.factory
    ).collect()  # fmt: skip
    if rows.is_empty():
        raise unknown_figure(name.text, night)
    row = rows.row(0, named=True)
    return _Figure(
        row["definition_version"], row["value"], "day", Period(name.day, "day").end, [str(name.factory)]
    )


def _kpis(night: Night, figure: _Figure, days: pl.Expr, name: FigureName) -> pl.DataFrame:
    """Read the figures of the factories: of the days and months of the period, and of the period itself."""
    rows = night.store.open(KPIS).scan().filter(
        days, pl.col("subject").is_in(figure.factories), level="factory", kpi=name.kpi
    )  # fmt: skip
    periods = {"day": ["day"], "month": ["day", "month"], "rolling12": ["day", "month", "rolling12"]}
    return rows.filter(pl.col("period").is_in(periods[figure.period])).collect().sort("period", *KPIS.key)


def _emissions(night: Night, wanted: pl.Expr) -> pl.DataFrame:
    rows = night.store.open(EMISSIONS).scan().filter(wanted, carrier="electricity", method="location")
    return rows.collect().sort(EMISSIONS.key)


def _main_meters(facts: pl.DataFrame, profiles: Profiles, carriers: Collection[str]) -> pl.DataFrame:
    """Return the meters that make up the factories' use of some carriers, by the profiles that facts name."""
    used = facts.select("factory", "profile_version").unique().sort("factory", "profile_version")
    rows = [
        {"factory": factory, "profile_version": version, **meter}
        for factory, version in used.iter_rows()
        for meter in profiles.meters.get(version, ())
        if meter["carrier"] in carriers and meter["parent"] is None
    ]
    fields = unnested(profiles.rows, "meters").drop("factory").schema
    return pl.DataFrame(rows, schema={"factory": pl.String, "profile_version": pl.String, **fields})


def _consumed(facts: OpenTable, table: str, night: Night, figure: str) -> int:
    position = facts.position(table)
    if position is None:
        raise unknown_figure(figure, night)
    return position


def _plans(profiles: Profiles, hours: pl.DataFrame) -> tuple[list[FactoryDayPlan], list[str]]:
    """Plan the factory-days as the facts did, and say where another profile holds by now."""
    plans, remarks = [], []
    stored = hours.select("factory", "day", "bucket", "profile_version").unique().sort("day", "factory")
    for factory, day, bucket, version in stored.iter_rows():
        now = profiles.of_day(factory, day)
        if now is None or now.profile_version != version:
            remarks.append(f"{factory} {day}: another profile holds by now; the next night computes it anew")
        if now is not None:
            plans.append(
                FactoryDayPlan(factory, day, bucket, now.zone, now.start, now.end, now.profile_version)
            )
    return plans, remarks


def _derivation(night: Night, facts: OpenTable, raw: OpenTable) -> FactDerivation:
    """Return how the stored facts were derived: by their sources and settings, not by today's."""
    position = facts.position(ACCEPTED_SUSPECTS.name)
    decisions = (
        None if position is None else night.store.open_at(ACCEPTED_SUSPECTS, position).scan().collect()
    )
    max_gap_s = facts.position(MAX_GAP)
    return FactDerivation(
        store=night.store,
        staging="",
        fact_table=FACTS_ENERGY.name,
        versions={raw.table.name: raw.version},
        unit_multipliers=night.unit_multipliers,
        max_gap_s=night.max_gap_s if max_gap_s is None else max_gap_s,
        max_state_s=None,
        max_silence_s=None,
        accepted=pl.DataFrame(schema=SPAN_SCHEMA) if decisions is None else accepted_spans(decisions),
    )


def _readings(raw: OpenTable, stretches: Sequence[Stretch], derivation: FactDerivation) -> pl.DataFrame:
    """Read the rows that the stretches need, with the number of the stretch: one row for each of them."""
    parts = [raw.empty().with_columns(stretch=pl.lit(0, pl.Int32))]
    try:
        for stretch in stretches:
            rows = derivation.energy_readings(stretch)
            counted = rows.join(stretch.meters.select("factory", "meter").unique(), on=["factory", "meter"])
            needed = needed_readings(counted, stretch.windows, derivation.max_gap_s)
            parts.append(needed.with_columns(stretch=pl.lit(stretch.number, pl.Int32)))
        return pl.concat(parts).unique([*ROW_IDENTITY, "stretch"]).sort(*ROW_IDENTITY, "stretch")
    except _UNREADABLE as error:
        damaged = raw.check_files(sorted(raw.partitions())).filter(pl.col("state").is_in(DAMAGED))
        if damaged.is_empty():
            raise
        raise altered_file(raw.table.name, damaged["path"][0]) from error


def altered_file(table: str, path: str) -> OperatorError:
    """Say that a file is not what was committed."""
    return OperatorError(
        f"{table}/{path} is not the file that was committed (its sha256 differs, or it is gone): restore it.",
        f"{table}/{path} 파일이 기록된 파일과 다릅니다 (sha256 불일치 또는 없음). 복구하세요.",
        ExitCode.INCONSISTENT,
    )


def _partitions(
    raw: OpenTable, readings: pl.DataFrame, stretches: Sequence[Stretch]
) -> set[tuple[date, int]]:
    """Return the partitions whose files were read for it: of the rows, and of the days with their margin."""
    read = set(readings.select("day", "bucket").unique().iter_rows())
    beside = {
        (day + timedelta(days=n), s.bucket) for s in stretches for day in s.days for n in (-1, 0, 1)
    }  # fmt: skip
    return read | (beside & raw.partitions())


def _letters(night: Night, readings: pl.DataFrame) -> pl.DataFrame:
    """Return the dead letters whose rows came in by a replay."""
    columns = [*_MESSAGE, "reason", "known_at"]
    if not night.store.exists(DEAD_LETTERS):
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    letters = night.store.open(DEAD_LETTERS).scan().select(*columns, "rows").collect()
    taken = readings.select(*_MESSAGE, "index").unique().join(letters, on=_MESSAGE)
    whole = pl.col("rows").is_null()
    return (
        taken.filter(whole | pl.col("rows").list.contains(pl.col("index")))
        .select(columns)
        .unique()
        .sort(columns)
    )


def _decisions(night: Night, facts: OpenTable, hours: pl.DataFrame) -> pl.DataFrame:
    """Return the decisions on suspect values that reach one of the hours."""
    position = facts.position(ACCEPTED_SUSPECTS.name)
    if position is None:
        return pl.DataFrame(schema={"sequence": pl.Int64, "decision": pl.String})
    known = night.store.open_at(ACCEPTED_SUSPECTS, position).scan().collect()
    spans = hours.group_by("factory", "meter").agg(first=pl.col("start").min(), last=pl.col("end").max())
    reached = known.join(spans, on=["factory", "meter"]).filter(
        pl.col("start") < pl.col("last"), pl.col("end") > pl.col("first")
    )
    return reached.select(known.columns).sort("sequence")


def _factors(night: Night, emissions: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that were used, from the tables that their months keep."""
    choices = Choices(night.store)
    kept = {choice.factor_set for choice in choices.of_months().values()}
    tables = [choices.frames(factor_set)["emission_factors"] for factor_set in sorted(kept)]
    used = emissions["factor_id"].drop_nulls().str.split(";").explode().unique().to_list()
    known = pl.concat([emission_factors().clear(), *tables])
    return known.filter(pl.col("factor_id").is_in(used)).unique().sort("factor_id")


def _versions(night: Night, facts: OpenTable, raw: OpenTable, hours: pl.DataFrame) -> dict[str, object]:
    """Say by which versions of code, methods, settings and tables it was computed."""
    written = facts.code_versions()
    pairs = hours.select("day", "bucket").unique().iter_rows()
    return {
        "code_now": CODE_VERSION,
        "code_of_facts": sorted({written.get(pair) or "not recorded" for pair in pairs}),
        "method_of_facts_energy": facts.position(METHOD),
        "max_gap_s": facts.position(MAX_GAP),
        "profiles": sorted(set(hours["profile_version"])),
        "tables": {**night.store.table_versions(), raw.table.name: raw.version},
    }


def _remarks(facts: OpenTable) -> list[str]:
    method, today = facts.position(METHOD), METHODS[FACTS_ENERGY.name]
    if method in (None, today):
        return []
    return [f"the stored facts were computed by method {method}, this code has method {today}"]
