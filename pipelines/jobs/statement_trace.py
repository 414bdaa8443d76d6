"""Tracing a statement: from its sums down to lines, activities, hours, readings and records.

Belongs here: which stored rows a version of a statement rests on. Does not belong here: hours and readings
(pipelines.jobs.trace), computing it again (pipelines.jobs.statement_replay).

Activities, lines, choices of factors and statements keep every version, so any version leads back to its
activities. Hours and readings are those that hold now: an activity that changed since leads no further, and
the trace says so.
"""

import json
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.carbon.entries import ESTIMATE, METER, STREAM
from pipelines.domain.carbon.ledger import Line
from pipelines.domain.carbon.statements import Boundary, within
from pipelines.domain.carbon.used_factors import used_factors
from pipelines.domain.trace import StatementName, StatementTrace
from pipelines.jobs.carbon import Ledger, line_frame
from pipelines.jobs.carbon_activities import PLACE
from pipelines.jobs.carbon_statements import Statement, Subject
from pipelines.jobs.factor_choices import Choices
from pipelines.jobs.night import Night
from pipelines.jobs.statement_reading import shown
from pipelines.jobs.trace import Measured, measured, unknown_figure
from pipelines.jobs.versions import newest
from pipelines.schemas.tables import ACTIVITIES, EMISSION_LINES, FACTS_ENERGY, RAW

_TOLD = RAW["activities"]
_LINE_KEY = [*PLACE, "method"]
_METERED_ID = "meter-"


@dataclass(frozen=True)
class TracedStatement:
    """A trace of a statement, and what computing it again takes.

    Args:
        trace: what it rests on.
        one: the statement, with the boundary of this version.
        ledger: of its year.
        measured: hours of its meters.
    """

    trace: StatementTrace
    one: Statement
    ledger: Ledger
    measured: Measured


def trace_statement(night: Night, name: StatementName) -> TracedStatement:
    """Find everything that a version of a statement rests on.

    Raises:
        OperatorError: UNUSABLE_INPUT: there is no such statement or version; INCONSISTENT: a file of readings
            can't be read for it is not what was committed; STORE.
    """
    if name.statement_id.partition("/")[0] != night.cluster.cluster:
        raise unknown_figure(name.text, night)
    sums = shown(night, name.statement_id, name.version, "sums")
    head = sums.row(0, named=True)
    one = statement_of(head)
    activities = night.store.open(ACTIVITIES)
    ledger = Ledger(night, activities, Choices(night.store), {one.start.year})
    held = ledger.held(head["ledger_sequence"])
    lines = statement_lines(ledger, one, head["ledger_sequence"], head["choice_sequence"])
    places = _frame_of_places(lines, held)
    own = held.join(places, on=PLACE, how="semi").sort(PLACE)
    current = own.join(ledger.held().select(*PLACE, "version"), on=[*PLACE, "version"], how="semi")
    found = _measured(night, activities, current, name.text)
    records, files = _told(night, activities, current)
    stored_lines = _stored_lines(night, head, line_rows(ledger, lines, held, head["choice_sequence"]))
    choices = ledger.choices.of_months(head["choice_sequence"])
    trace = StatementTrace(
        name=name,
        sums=sums,
        chain=shown(night, name.statement_id, head["version"], "chain"),
        lines=stored_lines,
        activities=own,
        hours=found.hours,
        meters=found.meters,
        factors=_factors(ledger.choices, stored_lines, own),
        choices=_choices(ledger.choices, {choices[month].sequence for month in own["month"]}),
        readings=found.readings,
        records=records,
        files=pl.concat([_of_table(RAW["energy"].name, found.files), _of_table(_TOLD.name, files)]),
        letters=found.letters,
        decisions=found.decisions,
        versions={
            "statement": head["version"],
            "cause": head["cause"],
            "ledger_sequence": head["ledger_sequence"],
            "choice_sequence": head["choice_sequence"],
            **found.versions,
        },
        remarks=[*_remarks(own, current), *found.remarks],
    )
    return TracedStatement(trace, one, ledger, found)


def statement_of(head: dict[str, Any]) -> Statement:
    """Return the statement that a row of emission_statements is of, with that row's boundary."""
    boundary = Boundary.of(json.loads(head["boundary"]))
    subject = Subject(head["level"], head["subject"], boundary.factories)
    return Statement(
        head["statement_id"], subject, head["period"], head["period_start"], head["period_end"], boundary
    )


def statement_lines(ledger: Ledger, one: Statement, sequence: int, choice_sequence: int) -> list[Line]:
    """Return the lines within a statement's boundary and period, as a version knew them."""
    lines = ledger.lines_by(sequence, ledger.choices.bases(choice_sequence), choice_sequence)
    return lines_within(lines, one)


def lines_within(lines: list[Line], one: Statement) -> list[Line]:
    """Return the lines of a statement's boundary and period."""
    return within([line for line in lines if one.start <= line.entry.month < one.end], one.boundary)


def line_rows(ledger: Ledger, lines: list[Line], held: pl.DataFrame, choice_sequence: int) -> pl.DataFrame:
    """Return lines as rows of EMISSION_LINES, but for version and known_at.

    Args:
        ledger: whose choices hold.
        lines: the lines.
        held: rows of activities that they are of.
        choice_sequence: the last choice that counts.
    """
    return line_frame(lines, held, ledger.choices.of_months(choice_sequence)).sort(_LINE_KEY)


def _frame_of_places(lines: list[Line], held: pl.DataFrame) -> pl.DataFrame:
    schema = {name: held.schema[name] for name in PLACE}
    return pl.DataFrame(sorted({line.entry.place for line in lines}), schema=schema, orient="row")


def _stored_lines(night: Night, head: dict[str, Any], computed: pl.DataFrame) -> pl.DataFrame:
    """Return the stored lines that a version knew: of each the newest that was known then."""
    rows = night.store.open(EMISSION_LINES).scan().filter(pl.col("known_at") <= head["known_at"]).collect()
    own = rows.join(computed, on=_LINE_KEY, how="semi")
    return newest(own, _LINE_KEY).select(EMISSION_LINES.schema.names).sort(_LINE_KEY)


def _measured(night: Night, activities: OpenTable, current: pl.DataFrame, text: str) -> Measured:
    """Find the hours of the activities that meters tell, at the facts from which they were made."""
    position = activities.position(FACTS_ENERGY.name)
    if position is None:
        raise unknown_figure(text, night)
    facts = night.store.open_at(FACTS_ENERGY, position)
    metered = current.filter(source=METER)
    months = metered.select("factory", "month").unique().sort("factory", "month").iter_rows()
    wanted = reduce(lambda a, b: a | b, [_in_month(*place) for place in months], pl.lit(value=False))
    carriers = {str(name).removeprefix(_METERED_ID) for name in metered["activity_id"]}
    return measured(night, facts, wanted, sorted(carriers), text)


def _in_month(factory: str, month: date) -> pl.Expr:
    return (pl.col("factory") == factory) & (pl.col("day").dt.truncate("1mo") == month)


def _told(night: Night, activities: OpenTable, current: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the records of the activities that factories told (all of an id), and their files."""
    position = activities.position(_TOLD.name)
    table = night.store.open(_TOLD) if position is None else night.store.open_at(_TOLD, position)
    ids = current.filter(source=STREAM).select("factory", "activity_id").unique()
    rows = table.scan().collect().join(ids, on=["factory", "activity_id"], how="semi")
    pairs = sorted(set(rows.select("day", "bucket").iter_rows()))
    return rows.sort(_TOLD.key), table.check_files(pairs)


def _of_table(table: str, files: pl.DataFrame) -> pl.DataFrame:
    return files.select(pl.lit(table).alias("table"), pl.all())


def _factors(choices: Choices, lines: pl.DataFrame, activities: pl.DataFrame) -> pl.DataFrame:
    told = {
        f"{factory}/{activity_id}": (value, unit, supplier)
        for factory, activity_id, value, unit, supplier in activities.filter(
            pl.col("supplier_kg_per_unit").is_not_null()
        ).select("factory", "activity_id", "supplier_kg_per_unit", "unit", "counterpart").iter_rows()
    }  # fmt: skip
    sets = {name: choices.frames(name) for name in lines["factor_set"].unique().sort()}
    return used_factors(lines.iter_rows(named=True), sets, told)


def _choices(choices: Choices, sequences: set[int]) -> pl.DataFrame:
    rows = choices.table.scan().filter(pl.col("sequence").is_in(sorted(sequences))).collect()
    return rows.sort("sequence")


def _remarks(own: pl.DataFrame, current: pl.DataFrame) -> list[str]:
    """Say which activities changed after the version: what they rested on then isn't held any more."""
    gone = own.join(current, on=PLACE, how="anti").sort(PLACE)
    return [
        f"{factory} {month:%Y-%m} {activity_id}: version {version} was replaced since; its hours and records"
        " are no longer traced (digital-cluster history tells what changed)"
        for factory, month, activity_id, version in gone.select(*PLACE, "version").iter_rows()
    ] + [
        f"{factory} {month:%Y-%m} {activity_id}: an estimate, made from a released figure ({reason})"
        for factory, month, activity_id, reason in own.filter(source=ESTIMATE)
        .select(*PLACE, "reason")
        .iter_rows()
    ]
