"""`digital-cluster attack`: what follows from a table of which some cells are empty.

Belongs here: the command's files and options -> what the attacker has; the answer's file. Does not belong
here: the attack itself (pipelines.domain.disclosure.attack).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.connectors.exact_csv import ExactTable, clear_outputs, fault, read_exact, write_whole
from pipelines.domain.disclosure.attack import (
    ANYTHING,
    NONNEGATIVE,
    Attack,
    Interval,
    combine,
    tolerance_of,
)
from pipelines.domain.disclosure.linear import INFINITY
from pipelines.domain.disclosure.tables import Dimension, Key, find_equations
from pipelines.jobs.table_files import dimensions_of, hierarchy_files, keys_of, split_hierarchies, split_names

PUBLISHED_COLUMNS: Final = ("status", "contributors", "lower", "upper", "reason")
"""Columns of `disclose`'s output, which may be attacked as it is; they are not used."""
_VALUES: Final = ("value", "lower", "upper")


@dataclass(frozen=True)
class AttackRequest:
    """What `attack` is asked.

    Args:
        cells: CSV: dimensions and ``value`` (empty: unknown).
        by: the dimensions, as text.
        hierarchies: `dim=FILE` each.
        integer: whether cells are whole numbers.
        signed: whether cells may be negative.
        rounding: base to which printed values are rounded; null: they are exact.
        knows: CSV: dimensions and ``value``, or ``lower,upper``; null: nothing more is known.
    """

    cells: Path
    by: str
    hierarchies: Sequence[str] = ()
    integer: bool = False
    signed: bool = False
    rounding: float | None = None
    knows: Path | None = None


def attack_file(request: AttackRequest, out: Path) -> None:
    """Attack a file of cells.

    Args:
        request: what is asked.
        out: where dimensions, ``lower,upper`` of each empty cell are written, in the order of the input;
            empty: unbounded.

    Raises:
        OperatorError: UNUSABLE_INPUT: options or files with faults. INCONSISTENT: the table contradicts
            itself, or what is known beside it.
    """
    extra = [] if request.knows is None else [request.knows]
    clear_outputs([out], [request.cells, *hierarchy_files(request.hierarchies), *extra])
    names = _names(request)
    hierarchies = split_hierarchies(request.hierarchies, names)
    table = read_exact(request.cells, [*names, "value"], PUBLISHED_COLUMNS)
    dimensions = dimensions_of(table, names, hierarchies)
    keys, values = keys_of(table, names), _values(table, request)
    table.check()
    empty = [key for key, value in zip(keys, values, strict=True) if value is None]
    found = _attack(request, dimensions, keys, values).derive(empty)
    rows = [(*key, *(_bound(b, integer=request.integer) for b in found[key])) for key in empty]
    write_whole(out, [*names, "lower", "upper"], rows, private=True)


def _names(request: AttackRequest) -> list[str]:
    names = split_names("--by", request.by)
    taken = [name for name in names if name in _VALUES]
    if taken:
        raise fault(
            f"--by {taken[0]}: that is a column of figures; name breakdowns",
            f"--by {taken[0]}: 수치 열의 이름입니다. 분류 열을 쓰세요",
        )
    base = request.rounding
    if base is not None and not (math.isfinite(base) and base > 0):
        raise fault(
            f"--rounding {base} is no base: write a number above 0",
            f"--rounding {base}은(는) 쓸 수 없습니다. 0보다 큰 수를 쓰세요",
        )
    return names


def _values(table: ExactTable, request: AttackRequest) -> list[float | None]:
    values = table.numbers("value", least=None if request.signed else 0.0)
    if request.integer and request.rounding is None:
        _check_whole(table, "value", values.to_list())
    return values.to_list()


def _check_whole(table: ExactTable, column: str, values: Sequence[float | None]) -> None:
    for row, value in zip(table.cells["row"], values, strict=True):
        if value is not None and not value.is_integer():
            table.refuse(
                row, column, f"{value!r} is no whole number; correct it, or leave --integer out",
                f"{value!r}은(는) 정수가 아닙니다. 고치거나 --integer를 빼세요",
            )  # fmt: skip


def _attack(
    request: AttackRequest,
    dimensions: Sequence[Dimension],
    keys: Sequence[Key],
    values: Sequence[float | None],
) -> Attack:
    tolerance = tolerance_of(value for value in values if value is not None)
    possible = ANYTHING if request.signed else NONNEGATIVE
    half = 0.0 if request.rounding is None else request.rounding / 2
    knows = _knowledge(request, [d.name for d in dimensions], keys)
    cells = {
        key: combine(
            key,
            [
                possible,
                ANYTHING if value is None else Interval(value - half, value + half),
                knows.get(key, ANYTHING),
            ],
            tolerance,
            integer=request.integer,
        )
        for key, value in zip(keys, values, strict=True)
    }
    equations = find_equations(keys, dimensions, absent_is_zero=False)
    return Attack(cells, equations, tolerance, request.integer)


def _knowledge(request: AttackRequest, names: Sequence[str], keys: Sequence[Key]) -> dict[Key, Interval]:
    """Read what the attacker knows beside the table."""
    if request.knows is None:
        return {}
    table = read_exact(request.knows, names, _VALUES)
    _check_form(table)
    known, cells = keys_of(table, names), set(keys)
    numbers = {name: table.numbers(name).to_list() for name in _VALUES if name in table.columns}
    if request.integer and "value" in numbers:
        _check_whole(table, "value", numbers["value"])
    lows, highs = numbers.get("value", numbers.get("lower")), numbers.get("value", numbers.get("upper"))
    found: dict[Key, Interval] = {}
    for row, key, low, high in zip(table.cells["row"], known, lows or [], highs or [], strict=True):
        if None not in key and key not in cells:
            table.refuse(
                row, names[0], "no cell of the table; correct it, or take the row out",
                "표에 없는 칸입니다. 고치거나 행을 빼세요",
            )  # fmt: skip
        elif low is not None and high is not None and low > high:
            table.refuse(row, "upper", "is below lower; exchange them", "lower보다 작습니다. 서로 바꾸세요")
        found[key] = Interval(-INFINITY if low is None else low, INFINITY if high is None else high)
    table.check()
    return found


def _check_form(table: ExactTable) -> None:
    """Refuse columns that are neither `value` nor `lower,upper`; `value` may not be empty."""
    given = [name for name in _VALUES if name in table.columns]
    if given not in (["value"], ["lower", "upper"]):
        raise fault(
            f"{table.name}, row 1, column value: either value, or lower and upper; add or take out columns",
            f"{table.name} 1행 value 열: value 하나, 또는 lower와 upper가 있어야 합니다. 열을 고치세요",
        )
    if given == ["value"]:
        table.need("value")


def _bound(bound: float, *, integer: bool) -> float | int | None:
    if not math.isfinite(bound):
        return None
    return int(bound) if integer else bound
