"""Emissions of the ledger: lines of every activity, statements, and why a statement changed.

Belongs here: which years a night computes, versions, the commits. Does not belong here: the arithmetic
(pipelines.domain.carbon), activities and factors (carbon_activities, factor_choices).

Order of commits: lines, restatements, statements. A run that died between them finds what is there, and adds
what is not.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.carbon.entries import RECOVERED, Entry, entries_of
from pipelines.domain.carbon.ledger import Basis, Line, ledger_lines
from pipelines.domain.carbon.refrigerants import GAS_FLOWS
from pipelines.domain.carbon.restatement import (
    ACTIVITY,
    BOUNDARY,
    STEPS,
    Link,
    SumKey,
    basis_after,
    chain,
    is_significant,
    sums_of,
)
from pipelines.domain.carbon.statements import Boundary, counted
from pipelines.domain.emissions.totals import BOTH_SCOPES
from pipelines.jobs.carbon_activities import PLACE
from pipelines.jobs.carbon_statements import (
    CONTENT,
    Statement,
    content_frame,
    mass_columns,
    percent_columns,
    rounded,
    statement_rows,
    statements_of,
)
from pipelines.jobs.factor_choices import Choice, Choices, changed_months
from pipelines.jobs.night import Night
from pipelines.jobs.versions import new_versions, newest
from pipelines.schemas.tables import (
    ACTIVITIES,
    EMISSION_LINES,
    EMISSION_STATEMENTS,
    FACTOR_CHOICES,
    FACTS_HISTORY,
    RESTATEMENTS,
)

FIRST, NIGHT, RESTATEMENT = "first", "night", "restatement"
_LINE_COLUMNS = [n for n in EMISSION_LINES.schema.names if n not in {"version", "known_at"}]


@dataclass(frozen=True)
class Trigger:
    """What somebody restates on purpose.

    Args:
        note: what and why.
        factories: whose statements it is about; null: everybody's.
    """

    note: str
    factories: frozenset[str] | None = None

    def is_about(self, boundary: Boundary) -> bool:
        """Say whether a statement is meant."""
        return self.factories is None or bool(self.factories & {*boundary.factories})


@dataclass
class CarbonReport:
    """What the step did.

    Args:
        lines: emission lines that are new or differ.
        statements: statements that got a version.
        restated: of those that were not provisional before: statement -> cause.
        kept: base-year statements whose change stays below the threshold.
    """

    lines: int = 0
    statements: int = 0
    restated: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


def derive_carbon(night: Night, trigger: Trigger | None = None) -> CarbonReport:
    """Bring emission lines and statements up to the activities and the chosen factors.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    activities, choices = night.store.open(ACTIVITIES), Choices(night.store)
    lines, statements = night.store.open(EMISSION_LINES), night.store.open(EMISSION_STATEMENTS)
    consumed = {ACTIVITIES.name: activities.version, FACTOR_CHOICES.name: choices.table.version}
    behind = [t for t in (lines, statements) if any(t.position(n) != v for n, v in consumed.items())]
    if not behind:
        return CarbonReport()
    years = {
        month.year
        for table in behind
        for month in _changed_activities(table, activities) | changed_months(table, choices)
    }
    ledger = Ledger(night, activities, choices, years | _years_with_recoveries_after(activities, years))
    report = CarbonReport(lines=_append_lines(night, lines, ledger, consumed))
    _append_statements(night, statements, ledger, trigger, report, consumed)
    return report


def _changed_activities(table: OpenTable, activities: OpenTable) -> set[date]:
    actions = activities.changes_since(table.position(ACTIVITIES.name))
    if actions is None:
        return {*activities.scan().select("month").collect()["month"]}
    paths = [action["path"] for action in actions if action["kind"] == "add"]
    return {*activities.read_files(paths, ["month"])["month"]} if paths else set()


def _years_with_recoveries_after(activities: OpenTable, years: set[int]) -> set[int]:
    """Return later years whose recovered gases may have been charged in one of these."""
    later = (pl.col("month").dt.year() > min(years, default=0)) & (pl.col("flow") == RECOVERED)
    return {*activities.scan().filter(later).select(pl.col("month").dt.year()).collect()["month"]}


class Ledger:
    """The ledger of some years as of any batch of activities and any choice of factors."""

    def __init__(self, night: Night, activities: OpenTable, choices: Choices, years: set[int]) -> None:
        of_years = pl.col("month").dt.year().is_in(sorted(years))
        self._rows = activities.scan().filter(of_years).collect()
        gases = ~of_years & pl.col("flow").is_in(GAS_FLOWS)
        before = pl.col("month").dt.year() < max(years, default=0)
        self._gases = activities.scan().filter(gases, before).collect()
        everything = activities.scan().select(pl.col("sequence").max()).collect().item()
        self.last_sequence = int(everything or 0)
        self.choices = choices
        self.chosen = choices.of_months()
        self.bases = choices.bases()
        self._owners = {f.factory: f.member for f in night.cluster.factories}
        self._lines: dict[object, list[Line]] = {}

    def held(self, sequence: int | None = None) -> pl.DataFrame:
        """Return the rows of ACTIVITIES that held up to a batch (null: now), by place."""
        return _held(self._rows, sequence)

    @property
    def months(self) -> list[date]:
        """Months with activities."""
        return self._rows["month"].unique().sort().to_list()

    def lines(self) -> list[Line]:
        """Return the lines as they are now."""
        return self.lines_by(None, self.bases, _name_of(self.bases))

    def lines_by(self, sequence: int | None, bases: Mapping[date, Basis], name: object) -> list[Line]:
        """Return the lines of the entries known up to a batch, by some bases, which `name` tells apart."""
        key = (sequence, name)
        if key not in self._lines:
            self._lines[key] = self.lines_of(entries_of(self.held(sequence)), bases, sequence)
        return self._lines[key]

    def lines_of(
        self, entries: Sequence[Entry], bases: Mapping[date, Basis], sequence: int | None = None
    ) -> list[Line]:
        """Return the lines of some entries, beside the gases of earlier years known up to a batch."""
        return ledger_lines(entries, bases, self._owners, entries_of(_held(self._gases, sequence)))


def _held(rows: pl.DataFrame, sequence: int | None) -> pl.DataFrame:
    known = rows if sequence is None else rows.filter(pl.col("sequence") <= sequence)
    return newest(known, PLACE).sort(PLACE)


def line_frame(
    lines: Sequence[Line], activities: pl.DataFrame, chosen: Mapping[date, Choice]
) -> pl.DataFrame:
    """Return lines as rows of EMISSION_LINES without version and known_at, in their order.

    Args:
        lines: of the ledger.
        activities: the rows of ACTIVITIES that they were computed from.
        chosen: what each month was computed by.
    """
    versions = {row[:3]: row[3] for row in activities.select(*PLACE, "version").iter_rows()}
    rows = [_line_row(line, versions[line.entry.place], chosen[line.entry.month]) for line in lines]
    schema = pl.DataFrame(EMISSION_LINES.schema.empty_table()).schema
    return pl.DataFrame(rows, schema={n: schema[n] for n in _LINE_COLUMNS})


def _append_lines(night: Night, table: OpenTable, ledger: Ledger, consumed: Mapping[str, int]) -> int:
    names = _LINE_COLUMNS
    computed = line_frame(ledger.lines(), ledger.held(), ledger.chosen)
    key = [*PLACE, "method"]
    stored = table.scan().filter(pl.col("month").is_in(ledger.months)).collect()
    gone = newest(stored, key).join(computed, on=key, how="anti").select(names)
    fresh = new_versions(pl.concat([computed, _emptied(gone)]), stored.select(*names, "version"), key)
    _commit(table, fresh, night, consumed)
    return fresh.height


def _emptied(gone: pl.DataFrame) -> pl.DataFrame:
    """Return lines that are no more: nothing is emitted by them, and they say why."""
    kept = {"month", "factory", "activity_id", "method", "activity_version", "scope", "factor_set", "purpose"}
    nulls = (pl.lit(None, kind).alias(n) for n, kind in gone.schema.items() if n not in kept)
    return gone.with_columns(nulls).with_columns(
        provisional=pl.lit(value=False), reason=pl.lit("withdrawn", pl.String)
    )


def _line_row(line: Line, version: int, choice: Choice) -> dict[str, Any]:
    """Return a line as a row of EMISSION_LINES, but for its version and known_at.

    Args:
        line: the line.
        version: of its activity.
        choice: by which its month is computed.
    """
    entry, figure = line.entry, line.figure
    reason = ";".join(dict.fromkeys(line.reasons))
    common = {
        "month": entry.month, "factory": entry.factory, "activity_id": entry.activity_id,
        "activity_version": version, "factor_set": choice.factor_set, "purpose": choice.purpose,
        "tier": entry.tier, "quality": entry.quality, "transfer": line.transfer, "matched": line.matched,
        "reason": reason or None,
    }  # fmt: skip
    if figure is None:
        return common | {"method": "-", "scope": "-", "provisional": entry.status != "final"}
    return common | {
        "method": figure.method,
        "scope": figure.scope,
        **mass_columns(figure.masses_kg),
        "co2e_kg": rounded(figure.co2e_kg),
        "factor_id": ";".join(figure.rows) or None,
        "factor_match": figure.match,
        "gwp_set": figure.gwp_set,
        **percent_columns(figure.percent),
        "provisional": figure.provisional or entry.status != "final",
    }


def _append_statements(
    night: Night,
    table: OpenTable,
    ledger: Ledger,
    trigger: Trigger | None,
    report: CarbonReport,
    consumed: Mapping[str, int],
) -> None:
    wanted = statements_of(night.cluster, ledger.months)
    computed = content_frame([
        row
        for one in wanted
        for row in statement_rows(one, ledger.lines(), ledger.bases, closed=is_closed(night, one))
    ])  # fmt: skip
    ids = computed["statement_id"].unique().to_list()
    stored = table.scan().filter(pl.col("statement_id").is_in(ids)).collect()
    fresh = new_versions(computed, stored.select(*CONTENT, "version"), ["statement_id"])
    before = {str(name): part for (name,), part in newest(stored, ["statement_id"]).group_by("statement_id")}
    by_id = {one.statement_id: one for one in wanted}
    links: list[pl.DataFrame] = []
    causes, base_year = _causes(night), night.cluster.carbon.base_year
    made: list[pl.DataFrame] = []
    for (name,), rows in fresh.group_by("statement_id", maintain_order=True):
        one, old = by_id[str(name)], before.get(str(name))
        cause, note = _cause_of(one, old, trigger, causes)
        if old is not None:
            steps = _links(night, one, old, rows, ledger)
            whole = steps.filter(pl.col("scope") == BOTH_SCOPES)
            if _of_base_year(one, base_year) and not whole["significant"].any():
                report.kept.append(one.statement_id)
                continue
            links.append(steps)
            if not old["provisional"].any():
                report.restated[one.statement_id] = cause
        made.append(rows.with_columns(cause=pl.lit(cause), note=pl.lit(note, pl.String)))
    _append_links(night, links)
    stamped = (
        pl.concat(made).with_columns(
            ledger_sequence=pl.lit(ledger.last_sequence, pl.Int64),
            choice_sequence=pl.lit(ledger.choices.last_sequence, pl.Int64),
        )
        if made
        else fresh.clear()
    )
    report.statements = len(made)
    _commit(table, stamped, night, consumed)


def _commit(table: OpenTable, rows: pl.DataFrame, night: Night, consumed: Mapping[str, int]) -> None:
    if rows.height:
        table.append(_stamped(rows, night), consumed)
    elif any(table.position(name) != version for name, version in consumed.items()):
        table.commit_files([], consumed)


def _stamped(rows: pl.DataFrame, night: Night) -> pl.DataFrame:
    return rows.with_columns(known_at=pl.lit(night.nominal).cast(pl.Datetime("us", "UTC")))


def is_closed(night: Night, one: Statement) -> bool:
    """Say whether all days of a statement are final."""
    return night.is_final(datetime.combine(one.end, time(), ZoneInfo(night.cluster.zone)))


def _of_base_year(one: Statement, base_year: int | None) -> bool:
    return one.period == "year" and one.start.year == base_year


def _causes(night: Night) -> list[tuple[str, date, str]]:
    """Return factory, day and cause of what the night's facts restated."""
    tonight = pl.col("known_at") == night.nominal.astimezone(UTC)
    columns = ["factory", "day", "cause"]
    history = night.store.open(FACTS_HISTORY).scan().filter(tonight).select(columns)
    return history.unique().collect().sort(columns).rows()


def _cause_of(
    one: Statement,
    old: pl.DataFrame | None,
    trigger: Trigger | None,
    causes: Iterable[tuple[str, date, str]],
) -> tuple[str, str | None]:
    if trigger is not None and trigger.is_about(one.boundary):
        return RESTATEMENT, trigger.note
    if old is None:
        return FIRST, None
    factories = {*one.boundary.factories}
    named = {cause for factory, day, cause in causes if factory in factories and one.start <= day < one.end}
    return ";".join(sorted(named)) or NIGHT, None


def _links(
    night: Night, one: Statement, old: pl.DataFrame, new: pl.DataFrame, ledger: Ledger
) -> pl.DataFrame:
    """Return the chain from the version before to the new one, as rows of RESTATEMENTS but known_at."""
    links = _chain_of(one, old, ledger)
    percent = night.cluster.carbon.significance_percent
    ends: dict[SumKey, tuple[float | None, float | None]] = {}
    for link in links:
        first = ends.get(link.key, (link.before, None))[0]
        ends[link.key] = (first, link.after)
    version = int(new["version"].to_list()[0])
    rows = [
        (
            one.statement_id, version, *link.key, STEPS.index(link.step) + 1, link.step, link.before,
            link.after, is_significant(*ends[link.key], percent),
        )
        for link in links
    ]  # fmt: skip
    return pl.DataFrame(
        rows,
        schema={
            "statement_id": pl.String, "version": pl.Int32, "scope": pl.String, "method": pl.String,
            "gwp_set": pl.String, "step": pl.Int32, "cause": pl.String, "before_kg": pl.Float64,
            "after_kg": pl.Float64, "significant": pl.Boolean,
        },
        orient="row",
    )  # fmt: skip


def _chain_of(one: Statement, old: pl.DataFrame, ledger: Ledger) -> list[Link]:
    pins = old.select("ledger_sequence", "choice_sequence", "boundary").row(0)
    sequence, choice_sequence, boundary = int(pins[0]), int(pins[1]), str(pins[2])
    then = ledger.choices.bases(choice_sequence)
    months = [m for m in ledger.bases if one.start <= m < one.end]
    olds = {month: then.get(month, ledger.bases[month]) for month in ledger.bases}
    old_boundary = Boundary.of(json.loads(boundary))

    def sums(
        until: int | None, bases: Mapping[date, Basis], name: object, limits: Boundary
    ) -> Mapping[SumKey, Any]:
        lines = ledger.lines_by(until, bases, name)
        own = [line for line in lines if one.start <= line.entry.month < one.end]
        return sums_of(counted(own, limits), bases, ledger.bases)

    then_name = ("then", choice_sequence)
    begin = sums(sequence, olds, then_name, old_boundary)
    steps = [(BOUNDARY, sums(sequence, olds, then_name, one.boundary))]
    for step in STEPS[STEPS.index(ACTIVITY) :]:
        bases = {m: basis_after(olds[m], basis, step) for m, basis in ledger.bases.items()}
        steps.append((step, sums(None, bases, _name_of(bases), one.boundary)))
    renamed = {olds[m].request.set_name: ledger.bases[m].request.set_name for m in months}
    return chain(begin, steps, _stored_sums(old, renamed))


def _name_of(bases: Mapping[date, Basis]) -> object:
    """Tell bases apart by what they are made of: tables are cached by set, so equal ones are the same."""
    return tuple(
        (
            month, id(t.factors), id(t.pairs), id(t.gwps), id(t.parameters),
            r.set_name, r.purpose, r.accepted_instruments,
        )
        for month, t, r in ((m, b.tables, b.request) for m, b in sorted(bases.items()))
    )  # fmt: skip


def _stored_sums(old: pl.DataFrame, renamed: Mapping[str, str]) -> dict[SumKey, float | None]:
    rows = old.filter(pl.col("scope") != "transfers").select("scope", "method", "gwp_set", "co2e_kg")
    return {
        (scope, method, renamed.get(gwp_set, gwp_set)): co2e
        for scope, method, gwp_set, co2e in rows.iter_rows()
        if co2e is not None
    }


def _append_links(night: Night, links: Sequence[pl.DataFrame]) -> None:
    table = night.store.open(RESTATEMENTS)
    if links:
        key = ["statement_id", "version"]
        stored = table.scan().select(key).unique().collect()
        fresh = pl.concat(links).join(stored, on=key, how="anti")
        if fresh.height:
            table.append(_stamped(fresh, night), {})
