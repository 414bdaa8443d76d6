"""Computing a traced statement again from the same offsets, and comparing bits.

Belongs here: the order in which its tables are compared. Does not belong here: reading offsets again and
hours (pipelines.jobs.replaying), the arithmetic (pipelines.domain.carbon).
"""

from dataclasses import replace

import polars as pl

from pipelines.domain.carbon.entries import ENTRY_COLUMNS, ESTIMATE, entries_of
from pipelines.domain.carbon.metered import metered_activities
from pipelines.domain.carbon.told import told_activities
from pipelines.domain.trace import Replay
from pipelines.jobs.carbon import is_closed
from pipelines.jobs.carbon_activities import PLACE
from pipelines.jobs.carbon_statements import CONTENT, content_frame, statement_rows
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import zones_of
from pipelines.jobs.replaying import Comparison, hours_again, named, others, records_again, stored_rows
from pipelines.jobs.statement_trace import TracedStatement, line_rows, lines_within
from pipelines.schemas.tables import (
    ACTIVITIES,
    EMISSION_LINES,
    EMISSION_STATEMENTS,
    FACTS_ENERGY,
    RAW,
    ROW_IDENTITY,
)

_LINE_KEY = [*PLACE, "method"]
_SUM_KEY = ["scope", "method", "gwp_set"]


def replay_statement(night: Night, traced: TracedStatement, source: str, *, from_store: bool) -> Replay:
    """Read the offsets of a statement's trace again and compute it from them.

    Args:
        night: whose source is read.
        traced: the statement.
        source: what the source is called.
        from_store: let the store's raw rows stand for offsets that are gone.

    Raises:
        OperatorError: the source or the registry failed, or a container of the archive is damaged (named).
    """
    trace = traced.trace
    stored = {"energy": stored_rows(trace.readings), "activities": stored_rows(trace.records)}
    again = {stream: records_again(night, rows, stream) for stream, rows in stored.items()}
    gone = [lost for one in again.values() for lost in named(one.gone)]
    if gone and not from_store:
        return Replay(source, {}, None, gone)
    comparison = Comparison()
    for stream, rows in stored.items():
        if rows.height:
            comparison.add(
                RAW[stream].name, rows, again[stream].rows, ROW_IDENTITY, others(rows, ROW_IDENTITY)
            )
    _compute(night, traced, again["energy"].rows, again["activities"].rows, comparison)
    lost = sum(one.lost for one in again.values())
    return Replay(source, comparison.compared, comparison.difference, gone, lost)


def _compute(
    night: Night, traced: TracedStatement, readings: pl.DataFrame, told: pl.DataFrame, comparison: Comparison
) -> None:
    """Compute hours, activities, lines and sums, comparing each with what is stored."""
    trace, ledger, head = traced.trace, traced.ledger, traced.trace.head
    hours = hours_again(traced.measured, readings)
    comparison.add(
        FACTS_ENERGY.name, trace.hours, hours, FACTS_ENERGY.key,
        ["day", "quantity", "exported", "unit", "coverage", "quality"],
    )  # fmt: skip
    # An estimate rests on a released figure, not on offsets: it stands as the ledger has it.
    measured = trace.activities.filter(pl.col("source") != ESTIMATE)
    leading = measured.join(ledger.held(), on=[*PLACE, "version"], how="semi")
    entries = _entries(night, traced, hours, told).join(leading, on=PLACE, how="semi")
    values = [name for name in ENTRY_COLUMNS if name not in PLACE]
    comparison.add(ACTIVITIES.name, leading, entries, PLACE, values)
    held = ledger.held(head["ledger_sequence"])
    kept = held.select(ENTRY_COLUMNS).join(entries, on=PLACE, how="anti")
    bases = ledger.choices.bases(head["choice_sequence"])
    every = entries_of(pl.concat([kept, entries]).sort(PLACE))
    lines = ledger.lines_of(every, bases, head["ledger_sequence"])
    own = line_rows(ledger, lines_within(lines, traced.one), held, head["choice_sequence"])
    comparison.add(EMISSION_LINES.name, trace.lines, own, _LINE_KEY, others(own, _LINE_KEY))
    closed = is_closed(replace(night, as_of=head["known_at"]), traced.one)
    sums = content_frame(statement_rows(traced.one, lines, bases, closed=closed))
    values = [name for name in CONTENT if name not in _SUM_KEY]
    comparison.add(EMISSION_STATEMENTS.name, trace.sums, sums, _SUM_KEY, values)


def _entries(night: Night, traced: TracedStatement, hours: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Make activities again from hours and records: rows of ENTRY_SCHEMA."""
    places = traced.measured.profiles.latest().select("factory", "geography")
    meters = traced.trace.meters.select("factory", "profile_version", "meter", "carrier", "parent").unique()
    zones = dict(zones_of(night).select("factory", "zone").iter_rows())
    metered, stated = metered_activities(hours, meters, places), told_activities(told, zones)
    return pl.concat([metered, stated]).sort(PLACE)
