"""A trace as tables for a terminal (numbers to ten digits) and as one JSON document (in full precision).

Belongs here: how a trace and its replay look. Does not belong here: what they are (pipelines.domain.trace).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from pipelines.domain.trace import Difference, Replay, StatementTrace, Trace

_HOURS_SHOWN = 100
"""More hours than these are only in the JSON: nobody reads a month of them on a terminal."""

_OF_HOURS = ("factory", "meter", "start", "end", "quantity", "unit", "coverage", "quality", "version")
_OF_EMISSIONS = ("factory", "start", "energy_kwh", "factor_id", "factor_kg_per_kwh", "gwp_set", "co2e_kg")
_OF_ELEMENTS = (
    "factory", "day", "quantity", "unit", "coverage", "quality", "suspect", "reason", "status", "version",
    "profile_version",
)  # fmt: skip
_OF_KPIS = ("subject", "period", "day", "numerator", "value", "coverage", "reason", "status")
_OF_FACTORS = (
    "factor_id", "value", "unit", "gas", "gwp_set", "valid_from", "valid_to", "published_on", "source",
)  # fmt: skip
_OF_STATEMENT = ("version", "level", "subject", "period", "period_start", "period_end", "cause", "known_at")
_OF_SUMS = (
    "scope", "method", "gwp_set", "co2e_kg", "uncertainty_low_pct", "uncertainty_high_pct", "activities",
    "coverage", "estimated_share", "provisional", "reason",
)  # fmt: skip
_OF_LINES = (
    "factory", "month", "activity_id", "method", "scope", "co2e_kg", "factor_id", "gwp_set", "version",
    "activity_version", "factor_set", "reason",
)  # fmt: skip
_OF_ACTIVITIES = (
    "factory", "month", "activity_id", "version", "source", "activity", "flow", "amount", "unit", "coverage",
    "quality", "status",
)  # fmt: skip
_OF_USED = (
    "factor_id", "table", "property", "gas", "value", "unit", "gwp_set", "published_on", "source",
)  # fmt: skip
_OF_FILES = ("path", "state", "sha256", "replay")


def trace_json(trace: Trace, replay: Replay | None) -> str:
    """Return a trace, and what came of replaying it, as one JSON object: full precision, null where null."""
    document = {
        "figure": {
            "figure_id": trace.name.text, "value": trace.value, "unit": trace.unit, "period": trace.period,
            "start": trace.name.day, "end": trace.end,
        },
        "ledger": None if trace.entry is None else {**trace.entry, "chain_broken_at": trace.broken_at},
        "factories": trace.kpis.select(_OF_KPIS).to_dicts(),
        "days": trace.elements.select(_OF_ELEMENTS).to_dicts(),
        "hours": trace.hours.drop("bucket").to_dicts(),
        "emissions": trace.emissions.drop("bucket").to_dicts(),
        "meters": trace.meters.to_dicts(),
        "factors": trace.factors.to_dicts(),
        "gwp_sets": sorted(set(trace.emissions["gwp_set"].drop_nulls())),
        "offsets": trace.ranges(),
        "files": trace.files.to_dicts(),
        "replayed_letters": trace.letters.to_dicts(),
        "decisions_on_suspects": trace.decisions.to_dicts(),
        "versions": trace.versions,
        "remarks": trace.remarks,
        "replay": None if replay is None else _replayed(replay),
    }  # fmt: skip
    return json.dumps(document, ensure_ascii=False, indent=1, default=_plain, allow_nan=False) + "\n"


def statement_json(trace: StatementTrace, replay: Replay | None) -> str:
    """Return a statement's trace, and what came of replaying it, as one JSON object: full precision."""
    document = {
        "statement": {"figure_id": trace.name.text, **{n: trace.head[n] for n in _OF_STATEMENT}},
        "sums": trace.sums.to_dicts(),
        "chain": trace.chain.to_dicts(),
        "lines": trace.lines.to_dicts(),
        "activities": trace.activities.to_dicts(),
        "hours": trace.hours.drop("bucket").to_dicts(),
        "meters": trace.meters.to_dicts(),
        "factors": trace.factors.to_dicts(),
        "choices": trace.choices.to_dicts(),
        "offsets": trace.ranges(),
        "files": trace.files.to_dicts(),
        "replayed_letters": trace.letters.to_dicts(),
        "decisions_on_suspects": trace.decisions.to_dicts(),
        "versions": trace.versions,
        "remarks": trace.remarks,
        "replay": None if replay is None else _replayed(replay),
    }
    return json.dumps(document, ensure_ascii=False, indent=1, default=_plain, allow_nan=False) + "\n"


def statement_tables(trace: StatementTrace, replay: Replay | None) -> list[Table]:
    """Return a statement's trace for a terminal, from the sums down to the bytes."""
    facts: list[tuple[str, object]] = [("statement", trace.name.statement_id)]
    facts += [(name, trace.head[name]) for name in _OF_STATEMENT]
    facts += [("hours", f"{trace.hours.height}: {_counts(trace.hours['quality'])}")]
    tables = [
        _facts_of("statement", [*facts, *(("remark", text) for text in trace.remarks)]),
        _frame("sums", trace.sums, _OF_SUMS),
        _frame("lines", trace.lines, _OF_LINES),
        _frame("activities", trace.activities, _OF_ACTIVITIES),
        _frame("meters", trace.meters, trace.meters.columns),
        _frame("factors", trace.factors.filter(pl.col("table") != "gwp"), _OF_USED),
        _frame("choices of factors", trace.choices, trace.choices.columns),
        _rows("offsets", trace.ranges()),
        _frame("files", trace.files, ("table", *_OF_FILES)),
        *_common(trace, replay),
    ]
    return [table for table in tables if table.row_count]


def _common(trace: Trace | StatementTrace, replay: Replay | None) -> list[Table]:
    """Return what traces of both kinds end with."""
    tables = [
        _frame("dead letters that were replayed", trace.letters, trace.letters.columns),
        _frame("decisions on suspects", trace.decisions, trace.decisions.columns),
        _facts_of("versions", trace.versions.items()),
    ]
    if replay is not None:
        tables += [_facts_of("replay", _outcome(replay)), _rows("offsets that are gone", replay.gone)]
    return tables


def _replayed(replay: Replay) -> dict[str, object]:
    return {**vars(replay), "equal": replay.is_equal, "difference": _vars(replay.difference)}


def _vars(difference: Difference | None) -> dict[str, object] | None:
    return None if difference is None else dict(vars(difference))


def _plain(value: object) -> object:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def trace_tables(trace: Trace, replay: Replay | None) -> list[Table]:
    """Return a trace for a terminal, from the figure down to the bytes."""
    tables = [_facts_of("figure", _figure(trace))]
    if trace.entry is not None:
        tables.append(_frame("figures of the factories", trace.kpis, _OF_KPIS))
    tables.append(_frame("days", trace.elements, _OF_ELEMENTS))
    if trace.hours.height <= _HOURS_SHOWN:
        tables.append(_frame("hours", trace.hours, _OF_HOURS))
        tables.append(_frame("emissions", trace.emissions, _OF_EMISSIONS))
    tables += [
        _frame("meters", trace.meters, trace.meters.columns),
        _frame("factors", trace.factors, _OF_FACTORS),
        _rows("offsets", trace.ranges()),
        _frame("files of raw_energy", trace.files, _OF_FILES),
        *_common(trace, replay),
    ]
    return [table for table in tables if table.row_count]


def _figure(trace: Trace) -> list[tuple[str, object]]:
    shown: list[tuple[str, object]] = [
        ("figure", trace.name.text), ("value", trace.value), ("unit", trace.unit),
        ("period", f"{trace.period} {trace.name.day} to {trace.end} (exclusive)"),
        ("hours", f"{trace.hours.height}: {_counts(trace.hours['quality'])}"),
        ("gwp sets", ", ".join(sorted(set(trace.emissions["gwp_set"].drop_nulls()))) or None),
    ]  # fmt: skip
    if trace.entry is None:
        shown.append(("ledger", "none: a factory's own figure is not released"))
    else:
        shown += [(name, trace.entry[name]) for name in ("sequence", "revision", "known_at", "sha256")]
        broken = trace.broken_at
        shown.append(("chain", "whole" if broken is None else f"BROKEN at sequence {broken}"))
    return [*shown, *(("remark", text) for text in trace.remarks)]


def _counts(qualities: pl.Series) -> str:
    counts = qualities.fill_null("nothing known").value_counts(sort=True)
    return ", ".join(f"{n} {quality}" for quality, n in counts.iter_rows()) or "none"


def _outcome(replay: Replay) -> list[tuple[str, object]]:
    compared = ", ".join(f"{stage} {rows}" for stage, rows in replay.compared.items())
    shown: list[tuple[str, object]] = [("source", replay.source), ("rows compared", compared or "none")]
    if replay.from_store:
        shown.append(("from the store", f"{replay.from_store} raw rows whose offsets are gone"))
    return [*shown, ("result", verdict(replay))]


def verdict(replay: Replay) -> str:
    """Say in one line what came of a replay."""
    if replay.is_equal:
        return "EQUAL: the same bits"
    if replay.difference is None:
        return "NOT COMPARED: offsets are gone; --from-store takes the store's raw rows instead"
    d = replay.difference
    where = ", ".join(f"{name}={_shown(value)}" for name, value in d.where.items())
    what = "the row" if d.column is None else d.column
    return f"DIFFERENT first in {d.stage}, {where}: {what} is {d.stored!r} stored, {d.again!r} again"


def _facts_of(title: str, facts: Iterable[tuple[str, object]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name, value in facts:
        if value is not None:
            table.add_row(name, Text(_shown(value)))
    return table


def _frame(title: str, rows: pl.DataFrame, columns: Sequence[str]) -> Table:
    return _rows(title, rows.select(n for n in columns if n in rows.columns).to_dicts())


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row.values()))
    return table


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(_plain(value)) if isinstance(value, (date, Decimal)) else str(value)
