"""Tracing a released total of a scope: from its entry in the release ledger to the cluster's statement.

Belongs here: which version of the statement the release knew, what each factory adds. Does not belong here:
tracing a statement (statement_trace).
"""

import math
from dataclasses import replace

import polars as pl

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.trace import ScopeName, StatementName
from pipelines.jobs.night import Night
from pipelines.jobs.statement_trace import TracedStatement, trace_statement
from pipelines.jobs.trace import judged_by, published_entry, unknown_figure
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import EMISSION_STATEMENTS

_ROUNDED = 1e-9  # relative: amounts are multiples of those that were first told


def scope_kpis() -> frozenset[str]:
    """Return the totals that the carbon ledger tells by month."""
    return frozenset(d.kpi for d in kpi_book().newest() if d.monthly and d.is_total)


def trace_scope(night: Night, name: ScopeName) -> TracedStatement:
    """Trace the cluster's statement of the month, as the release knew it; remarks say what is added.

    Raises:
        OperatorError: UNUSABLE_INPUT: there is no such figure, or nothing was published of it; INCONSISTENT:
            what the release was judged by is not what it says; else as `trace_statement`.
    """
    if name.cluster != night.cluster.cluster:
        raise unknown_figure(name.text, night)
    entry, broken_at = published_entry(night, name.text)
    statement_id = f"{name.cluster}/cluster/{name.cluster}/month/{name.month}"
    known = (
        night.store.open(EMISSION_STATEMENTS)
        .scan()
        .filter(pl.col("statement_id") == statement_id, pl.col("known_at") <= entry["known_at"])
        .select(pl.col("version").max())
        .collect()
        .item()
    )
    if known is None:
        raise unknown_figure(name.text, night)
    found = trace_statement(night, StatementName(name.text, statement_id, known))
    said = (
        f"{name.text}: {entry['value']:.0f} {entry['unit']} were released (entry {entry['sequence']},"
        f" revision {entry['revision']}, {entry['sha256']}), from the lines of this version"
    )
    broken = [] if broken_at is None else [f"the release ledger's chain is broken at entry {broken_at}"]
    remarks = [said, *_added(night, name, entry["value"], entry["grid_step"]), *broken]
    return replace(found, trace=replace(found.trace, remarks=[*remarks, *found.trace.remarks]))


def _added(night: Night, name: ScopeName, value: float, step: float) -> list[str]:
    """Say what each factory adds: measured amounts, without what members sold each other."""
    parts: dict[str, float] = {}
    for said in judged_by(night, name.text).statements:
        for term in said.terms:
            parts[term.unknown.factory] = term.coefficient * term.unknown.amount
    if not parts:
        return ["it adds the printed totals of both scopes: trace these"]
    whole = math.fsum(parts.values())
    if abs(whole - value) > step / 2 + _ROUNDED * abs(whole):
        raise OperatorError(
            f"{name.text}: what it was judged by adds up to {whole!r}, which is not the {value!r} released",
            f"{name.text}: 판정에 쓴 값의 합({whole!r})이 공개 값({value!r})과 맞지 않습니다",
            ExitCode.INCONSISTENT,
        )
    return [f"{factory} adds {kg!r} kg CO2e" for factory, kg in sorted(parts.items())]
