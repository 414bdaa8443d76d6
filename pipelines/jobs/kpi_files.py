"""KPIs from files: `digital-cluster kpis evaluate` and `kpis from-events`.

Belongs here: reading the commands' files, calling the arithmetic, writing the result. Does not belong here:
formulas (pipelines.domain.kpi_evaluation, pipelines.domain.machine_log), the night's figures
(pipelines.jobs.benchmarks).

On any failure no output is left, also none of an earlier run: what lies there would pass as the answer.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from pipelines.connectors.exact_csv import (
    ExactTable,
    clear_outputs,
    fault,
    instant_of,
    read_exact,
    write_whole,
)
from pipelines.domain.kpi_evaluation import ALL_UNITS, GIVEN_COVERAGE, evaluate
from pipelines.domain.kpi_formulas import Definition, KpiBook
from pipelines.domain.machine_log import LogWindow, log_elements
from pipelines.domain.outcomes import OperatorError
from pipelines.reference.kpis import kpi_book

STANDARD = "iso22400"
OUTPUT_COLUMNS = ("unit", "kpi", "version", "value", "reason", "coverage")
_STATE_COLUMNS = ("machine", "at", "state")
_COUNT_COLUMNS = ("machine", "at", "total", "rejected")


@dataclass(frozen=True)
class EventFiles:
    """What `kpis from-events` is asked.

    Args:
        states: CSV ``machine,at,state``.
        counts: CSV ``machine,at,total,rejected``, cumulative.
        start: the window's first instant, as text.
        end: the first instant after it, as text.
        planned_s: planned busy time per machine [s].
        ideal_s: planned run time per unit [s].
        elements: where the elements from the events are written too; null: nowhere.
    """

    states: Path
    counts: Path
    start: str
    end: str
    planned_s: float
    ideal_s: float
    elements: Path | None = None


def evaluate_file(elements: Path, names: Sequence[str], out: Path, *, rollup: bool) -> None:
    """Evaluate KPIs from a file of elements.

    Args:
        elements: CSV ``unit`` and elements; several rows of a unit are its products.
        names: KPI ids (`oee`, or `oee@1` for a version); empty: all of ISO 22400's list. The file may have
            the elements of that list, and those of the KPIs named.
        out: where OUTPUT_COLUMNS are written.
        rollup: whether the unit `*` is added.

    Raises:
        OperatorError: UNUSABLE_INPUT: an unknown KPI, or a file with faults (UnusableFileError).
    """
    clear_outputs([out], [elements])
    book = kpi_book()
    definitions = _asked(book, names)
    rows = _element_rows(read_exact(elements, ["unit"], _columns(book, definitions)), book)
    _write({out: _figures(rows, definitions, book, rollup=rollup)})


def evaluate_events(files: EventFiles, out: Path) -> None:
    """Evaluate ISO 22400's KPIs from a log of states and counters.

    Args:
        files: what is asked.
        out: where OUTPUT_COLUMNS are written, unit = machine.

    Raises:
        OperatorError: UNUSABLE_INPUT: a window that is none, or a file with faults (UnusableFileError).
    """
    also = [] if files.elements is None else [files.elements]
    clear_outputs([out, *also], [files.states, files.counts])
    window, book = _window(files), kpi_book()
    states = _state_rows(read_exact(files.states, _STATE_COLUMNS, ()))
    counts = _count_rows(read_exact(files.counts, _COUNT_COLUMNS, ()))
    machines = list(dict.fromkeys([*states["machine"], *counts["machine"]]))
    derived = log_elements(machines, states, counts, window)
    figures = _figures(derived, book.of_standard(STANDARD), book, rollup=False)
    _write({out: figures, **dict.fromkeys(also, derived)})


def _figures(
    rows: pl.DataFrame, definitions: Sequence[Definition], book: KpiBook, *, rollup: bool
) -> pl.DataFrame:
    """Evaluate those KPIs of which at least one element is a column."""
    told = [d for d in definitions if any(_tells(book, name, rows) for name in d.formula.elements)]
    return evaluate(rows, told, book.elements, rollup=rollup).select(OUTPUT_COLUMNS)


def _tells(book: KpiBook, name: str, rows: pl.DataFrame) -> bool:
    return name in rows.columns and not book.elements[name].may_be_absent


def _asked(book: KpiBook, names: Sequence[str]) -> tuple[Definition, ...]:
    if not names:
        return book.of_standard(STANDARD)
    found = {name: book.find(name) for name in names}
    unknown = [name for name, definition in found.items() if definition is None]
    if unknown:
        known = ", ".join(book.definitions)
        raise fault(
            f"--kpi {unknown[0]}: no such KPI or version; name one of {known}",
            f"--kpi {unknown[0]}: 그런 KPI나 버전이 없습니다. 다음 중 하나를 쓰세요: {known}",
        )
    return tuple({d.key: d for d in found.values() if d is not None}.values())


def _columns(book: KpiBook, definitions: Iterable[Definition]) -> list[str]:
    """Return the columns that a file of elements may have."""
    columns = {e.element for e in book.elements.values() if e.standard == STANDARD}
    columns |= {name for definition in definitions for name in definition.formula.elements}
    return [*columns, GIVEN_COVERAGE]


def _element_rows(table: ExactTable, book: KpiBook) -> pl.DataFrame:
    """Read a file of elements; refuse a unit without a name, and times that stand more than once."""
    _check_units(table, "unit")
    numbers = [
        table.numbers(name, least=0.0, most=1.0) if name == GIVEN_COVERAGE else table.numbers(name)
        for name in table.columns
        if name != "unit"
    ]
    rows = pl.DataFrame([table.cells["row"], table.cells["unit"], *numbers])
    once = [
        name
        for name in table.columns
        if name == GIVEN_COVERAGE
        or (name != "unit" and book.elements[name].unit == "s" and book.elements[name].stands == "unit")
    ]
    for name in once:
        stated = rows.filter(pl.col(name) != 0).select("row", "unit")
        for row, unit, first in (
            stated.with_columns(first=pl.col("row").first().over("unit"))
            .filter(pl.col("row") != pl.col("first"))
            .iter_rows()
        ):
            table.refuse(
                row, name, f"{unit} has it in row {first} already; a time stands once per unit: empty it",
                f"{unit} 단위의 값이 이미 {first}행에 있습니다. 시간은 단위마다 한 번만 쓰므로 비우세요",
            )  # fmt: skip
    table.check()
    return rows.drop("row")


def _state_rows(table: ExactTable) -> pl.DataFrame:
    _check_units(table, "machine")
    at = table.instants("at")
    table.check()
    return table.cells.with_columns(at)


def _count_rows(table: ExactTable) -> pl.DataFrame:
    _check_units(table, "machine")
    table.need("total")
    columns = [table.instants("at"), table.numbers("total", least=0.0), table.numbers("rejected", least=0.0)]
    table.check()
    return table.cells.with_columns(columns)


def _check_units(table: ExactTable, column: str) -> None:
    table.need(column)
    for row in table.cells.filter(pl.col(column) == ALL_UNITS)["row"]:
        table.refuse(
            row, column, "* is the name of the total; give the unit another name",
            "*은(는) 합계의 이름입니다. 다른 이름을 쓰세요",
        )  # fmt: skip


def _window(files: EventFiles) -> LogWindow:
    start, end = _instant("--from", files.start), _instant("--to", files.end)
    if start >= end:
        raise fault(
            f"--to {files.end} is not after --from {files.start}: name a later instant",
            f"--to {files.end}은(는) --from {files.start}보다 뒤가 아닙니다. 더 늦은 시각을 쓰세요",
        )
    for option, seconds in (("--planned-seconds", files.planned_s), ("--ideal-seconds", files.ideal_s)):
        if not (math.isfinite(seconds) and seconds >= 0):
            raise fault(
                f"{option} {seconds} is no length of time: write seconds, 0 or more",
                f"{option} {seconds}은(는) 시간 길이가 아닙니다. 0 이상의 초를 쓰세요",
            )
    return LogWindow(start, end, files.planned_s, files.ideal_s)


def _instant(option: str, text: str) -> datetime:
    instant = instant_of(text)
    if instant is None:
        raise fault(
            f"{option} {text!r} is no instant: write it like 2025-11-03T08:00:00+09:00",
            f"{option} {text!r}은(는) 시각이 아닙니다. 2025-11-03T08:00:00+09:00처럼 쓰세요",
        )
    return instant


def _write(outputs: Mapping[Path, pl.DataFrame]) -> None:
    try:
        for path, frame in outputs.items():
            write_whole(path, frame.columns, frame.iter_rows())
    except OperatorError:
        for path in outputs:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
