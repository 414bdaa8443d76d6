"""Tracing whatever an id names: a figure of energy or carbon, a statement, a released total of a scope.

Belongs here: telling them apart, and what all are asked for. Does not belong here: how each is traced
(pipelines.jobs.trace, statement_trace, scope_trace).
"""

from dataclasses import dataclass

from rich.table import Table

from pipelines.domain.trace import Replay, StatementTrace, Trace, scope_name, statement_name
from pipelines.jobs.night import Night
from pipelines.jobs.replaying import replay
from pipelines.jobs.scope_trace import scope_kpis, trace_scope
from pipelines.jobs.statement_replay import replay_statement
from pipelines.jobs.statement_trace import TracedStatement, trace_statement
from pipelines.jobs.trace import trace_figure
from pipelines.publish.trace_listing import statement_json, statement_tables, trace_json, trace_tables


@dataclass(frozen=True)
class Told:
    """A trace of either kind, and what came of replaying it (null: it wasn't)."""

    trace: Trace | StatementTrace
    replay: Replay | None

    def json(self) -> str:
        """Return it as one JSON object."""
        if isinstance(self.trace, StatementTrace):
            return statement_json(self.trace, self.replay)
        return trace_json(self.trace, self.replay)

    def tables(self) -> list[Table]:
        """Return it for a terminal."""
        if isinstance(self.trace, StatementTrace):
            return statement_tables(self.trace, self.replay)
        return trace_tables(self.trace, self.replay)


def traced_figure(night: Night, figure: str, source: str | None, *, from_store: bool) -> Told:
    """Trace a figure or statement, and replay it if a source is named.

    Raises:
        OperatorError: as `trace_figure`, `trace_statement`, `trace_scope` and their replays.
    """
    found = _of_statement(night, figure)
    if found is not None:
        again = None if source is None else replay_statement(night, found, source, from_store=from_store)
        return Told(found.trace, again)
    traced = trace_figure(night, figure)
    outcome = None if source is None else replay(night, traced, source, from_store=from_store)
    return Told(traced.trace, outcome)


def _of_statement(night: Night, figure: str) -> TracedStatement | None:
    """Trace a statement, or that of a total of a scope; null: the id is of neither."""
    statement, scope = statement_name(figure), scope_name(figure, scope_kpis())
    if statement is not None:
        return trace_statement(night, statement)
    return None if scope is None else trace_scope(night, scope)
