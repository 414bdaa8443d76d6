"""`digital-cluster disclose`: which cells of tables may be published, from records or from ready cells.

Belongs here: the command's files and options -> contributions or contents of cells; the answer's file. Does
not belong here: rules and search (pipelines.domain.disclosure), the night's gate (pipelines.jobs.benchmarks).

The answer says which cells are unsafe and why, and what can be derived of them: it is written for its owner
only, and belongs in no published output.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.connectors.exact_csv import ExactTable, clear_outputs, fault, read_exact, write_whole
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.primary import ZERO, Content, Share
from pipelines.domain.disclosure.records import Contribution, tabulate
from pipelines.domain.disclosure.tables import ROOT, Dimension, Key
from pipelines.domain.disclosure.withholding import (
    PRIMARY,
    PUBLISHED,
    WITHHELD,
    Decision,
    Release,
    Tables,
    withhold_cells,
    withhold_records,
)
from pipelines.domain.outcomes import OperatorError
from pipelines.jobs.disclosure_policy import read_table_policy
from pipelines.jobs.table_files import (
    dimensions_of,
    hierarchy_files,
    keys_of,
    split_hierarchies,
    split_names,
)

FIGURE_COLUMNS: Final = ("status", "value", "contributors", "lower", "upper", "reason")
_READY_COLUMNS: Final = ("value", "contributors", "status")
_HOLDING, _CONTRIBUTOR, _ROW = "holding", "contributor", "row"


@dataclass(frozen=True)
class RecordColumns:
    """Columns of microdata; null: there is none.

    Args:
        value: what is added up.
        contributor: who contributed.
        holding: the holding that a contributor belongs to.
        waiver: 1 where protection is waived, else 0.
        weight: what a value is multiplied with.
    """

    value: str | None = None
    contributor: str | None = None
    holding: str | None = None
    waiver: str | None = None
    weight: str | None = None

    @property
    def named(self) -> list[str]:
        """Columns that are there, each once."""
        columns = (self.value, self.contributor, self.holding, self.waiver, self.weight)
        return list(dict.fromkeys(name for name in columns if name is not None))


@dataclass(frozen=True)
class DisclosureRequest:
    """What `disclose` is asked.

    Args:
        by: dimensions of the table, as text.
        policy: YAML of the limits.
        microdata: CSV of records; null: `cells` is given.
        cells: CSV of ready cells; null: `microdata` is given.
        linked: dimensions of further tables of the same records, as text each.
        hierarchies: `dim=FILE` each.
        columns: columns of the records.
    """

    by: str
    policy: Path
    microdata: Path | None = None
    cells: Path | None = None
    linked: Sequence[str] = ()
    hierarchies: Sequence[str] = ()
    columns: RecordColumns = field(default_factory=RecordColumns)


@dataclass(frozen=True)
class DisclosureReport:
    """What the operator should hear beside the answer: a sentence in English and Korean each."""

    notes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Asked:
    """Options that are understood."""

    names: tuple[str, ...]
    breakdowns: tuple[tuple[int, ...], ...]
    hierarchies: Mapping[str, Path]
    policy: TablePolicy
    frozen: Path | None


def disclose_file(request: DisclosureRequest, out: Path) -> DisclosureReport:
    """Decide what of a file may be published.

    Args:
        request: what is asked.
        out: where dimensions and FIGURE_COLUMNS are written: ready cells in the order of the input, cells of
            records by their codes with totals last.

    Raises:
        OperatorError: UNUSABLE_INPUT: options or files with faults. INCONSISTENT: totals that don't add up.
            PROTECTION_UNREACHABLE: frozen cells give something away; lists the cells.
    """
    given = [path for path in (request.microdata, request.cells, request.policy) if path is not None]
    given += hierarchy_files(request.hierarchies)
    try:
        policy, frozen = read_table_policy(request.policy)
    except OperatorError:
        clear_outputs([out], given)
        raise
    clear_outputs([out], given if frozen is None else [*given, frozen])
    source = _source(request)
    asked = _understand(request, policy, frozen)
    if request.cells is None:
        release, dropped = _disclose_records(request, asked, source)
        order = sorted(release.decisions, key=_totals_last)
    else:
        release, order = _disclose_cells(asked, source)
        dropped = 0
    rows = [_row(release.decisions[key], integer=asked.policy.integer) for key in order]
    write_whole(out, [*asked.names, *FIGURE_COLUMNS], rows, private=True)
    return DisclosureReport(tuple(_notes(release, dropped)))


def _source(request: DisclosureRequest) -> Path:
    if (request.microdata is None) == (request.cells is None):
        raise fault(
            "name either a file of records, or ready cells with --cells",
            "레코드 파일이나 --cells 파일 중 하나만 지정하세요",
        )
    return request.microdata or request.cells or Path()


def _understand(request: DisclosureRequest, policy: TablePolicy, frozen: Path | None) -> _Asked:
    lists = [split_names("--by", request.by), *(split_names("--linked", text) for text in request.linked)]
    names = tuple(dict.fromkeys(name for names in lists for name in names))
    taken = [name for name in names if name in FIGURE_COLUMNS]
    if taken:
        raise fault(
            f"--by {taken[0]}: that is a column of figures; name breakdowns",
            f"--by {taken[0]}: 수치 열의 이름입니다. 분류 열을 쓰세요",
        )
    _check_columns(request)
    breakdowns = tuple(tuple(names.index(name) for name in listed) for listed in lists)
    hierarchies = split_hierarchies(request.hierarchies, names)
    return _Asked(names, breakdowns, hierarchies, policy, frozen)


def _check_columns(request: DisclosureRequest) -> None:
    columns = request.columns
    if request.cells is None and columns.value is None:
        raise fault(
            "--value is missing: name the column that is added up",
            "--value가 없습니다. 합할 열의 이름을 쓰세요",
        )
    if request.cells is not None and columns.named:
        raise fault(
            f"--cells has its own columns: leave out the option that names {columns.named[0]}",
            f"--cells 파일은 열 이름이 정해져 있습니다. {columns.named[0]}을(를) 지정한 옵션을 빼세요",
        )


def _disclose_records(request: DisclosureRequest, asked: _Asked, source: Path) -> tuple[Release, int]:
    columns = request.columns
    table = read_exact(source, [*asked.names, *(c for c in columns.named if c not in asked.names)], None)
    dimensions = dimensions_of(table, asked.names, asked.hierarchies)
    _check_codes(table, dimensions)
    contributions, dropped = _contributions(table, asked.names, columns)
    records = tabulate(contributions, dimensions, asked.breakdowns)
    frozen = _read_frozen(asked, set(records.cells))
    tables = Tables(dimensions, asked.breakdowns, asked.policy, frozen)
    return withhold_records(records, tables), dropped


def _check_codes(table: ExactTable, dimensions: Sequence[Dimension]) -> None:
    """Refuse codes that are empty, the root, or an inner node."""
    for dimension in dimensions:
        name = dimension.name
        table.need(name)
        for row, code in table.cells.select("row", name).iter_rows():
            if code == ROOT:
                table.refuse(
                    row, name, "* is the name of the total; give the code another name",
                    "*은(는) 합계의 이름입니다. 다른 이름을 쓰세요",
                )  # fmt: skip
            elif code in dimension.children:
                table.refuse(
                    row, name, f"{code} has children; give one of them",
                    f"{code}에는 하위 항목이 있습니다. 하위 항목을 쓰세요",
                )  # fmt: skip


def _contributions(
    table: ExactTable, names: Sequence[str], columns: RecordColumns
) -> tuple[list[Contribution], int]:
    """Add records up by holding and finest combination; count those without a value."""
    values = table.numbers(columns.value or "")
    weights = table.numbers(columns.weight, least=0.0) if columns.weight else None
    waivers = table.numbers(columns.waiver) if columns.waiver else None
    _check_marks(table, columns, weights, waivers)
    table.check()
    rows = table.cells.select(
        pl.concat_list(names).alias("codes"),
        holding=pl.col(columns.holding) if columns.holding else pl.lit(None, pl.String),
        contributor=pl.col(columns.contributor) if columns.contributor else pl.lit(None, pl.String),
        value=values,
        weight=pl.lit(1.0) if weights is None else weights,
        waived=pl.lit(value=False) if waivers is None else waivers == 1,
    )
    amounts: dict[tuple[tuple[str, str], Key], Fraction] = {}
    waived: dict[tuple[str, str], bool] = {}
    single: list[tuple[Key, Fraction, bool]] = []
    dropped = 0
    for codes, holding, contributor, value, weight, waiver in rows.iter_rows():
        owner = (_HOLDING, holding) if holding else (_CONTRIBUTOR, contributor) if contributor else None
        if owner is not None:
            waived[owner] = waived.get(owner, True) and waiver
        if value is None:
            dropped += 1
            continue
        amount = _exact(value) * _exact(weight)
        if owner is None:
            single.append((tuple(codes), amount, waiver))
        else:
            amounts[owner, tuple(codes)] = amounts.get((owner, tuple(codes)), ZERO) + amount
    found = [Contribution(owner, codes, amount, waived[owner]) for (owner, codes), amount in amounts.items()]
    # A record of nobody is a holding of its own; its name depends on what it says, not on its row.
    found += [
        Contribution((_ROW, f"{number:09d}"), codes, amount, waiver)
        for number, (codes, amount, waiver) in enumerate(sorted(single))
    ]
    return found, dropped


def _check_marks(
    table: ExactTable, columns: RecordColumns, weights: pl.Series | None, waivers: pl.Series | None
) -> None:
    if columns.weight and weights is not None:
        table.need(columns.weight)
    if columns.waiver and waivers is not None:
        table.need(columns.waiver)
        for row, mark in zip(table.cells["row"], waivers, strict=True):
            if mark is not None and mark not in (0.0, 1.0):
                table.refuse(
                    row, columns.waiver, f"{mark!r} is no mark; write 1 (waived) or 0",
                    f"{mark!r}은(는) 쓸 수 없습니다. 1(동의) 또는 0을 쓰세요",
                )  # fmt: skip


def _exact(number: float) -> Fraction:
    """Return the decimal that was written, not the float next to it."""
    return Fraction(repr(number))


def _disclose_cells(asked: _Asked, source: Path) -> tuple[Release, list[Key]]:
    table = read_exact(source, [*asked.names, "value", "contributors"], None)
    sizes = _size_columns(table, asked.names)
    dimensions = dimensions_of(table, asked.names, asked.hierarchies)
    keys = keys_of(table, asked.names)
    _check_tables(table, asked, keys)
    contents = _contents(table, sizes, nonnegative=asked.policy.nonnegative)
    fixed = _fixed(table, keys)
    table.check()
    frozen = _read_frozen(asked, set(keys))
    tables = Tables(
        dimensions, asked.breakdowns, asked.policy, frozen,
        unsafe=frozenset(key for key, status in fixed.items() if status == PRIMARY),
        shown=frozenset(key for key, status in fixed.items() if status == PUBLISHED),
    )  # fmt: skip
    return withhold_cells(dict(zip(keys, contents, strict=True)), tables), keys


def _size_columns(table: ExactTable, names: Sequence[str]) -> list[str]:
    """Return x1, x2, ... of the file; refuse any other column that has no meaning."""
    found = [f"x{i}" for i in range(1, len(table.columns) + 1)]
    sizes = [name for name in found if name in table.columns]
    for name in table.columns:
        if name not in (*names, *_READY_COLUMNS, *sizes) or table.columns.count(name) > 1:
            table.refuse(
                1, name, "unknown; take it out, or use value, contributors, status, x1, x2, ...",
                "알 수 없는 열입니다. 빼거나 value, contributors, status, x1, x2, ...를 쓰세요",
            )  # fmt: skip
    if sizes != found[: len(sizes)]:
        table.refuse(
            1, sizes[-1], "a number is left out before it; add it", "앞 번호가 빠졌습니다. 추가하세요"
        )
    table.check()
    return sizes


def _check_tables(table: ExactTable, asked: _Asked, keys: Sequence[Key]) -> None:
    """Refuse cells that belong to no table."""
    for row, key in zip(table.cells["row"], keys, strict=True):
        named = {i for i, code in enumerate(key) if code != ROOT}
        if None not in key and not any(named <= set(breakdown) for breakdown in asked.breakdowns):
            table.refuse(
                row, asked.names[max(named)], "no table has this cell; put * here, or add --linked",
                "어느 표에도 없는 칸입니다. *로 바꾸거나 --linked를 추가하세요",
            )  # fmt: skip


def _contents(table: ExactTable, sizes: Sequence[str], *, nonnegative: bool) -> list[Content]:
    table.need("value")
    table.need("contributors")
    columns = [
        table.numbers("value", least=0.0 if nonnegative else None).to_list(),
        table.numbers("contributors", least=0.0).to_list(),
        *(table.numbers(name, least=0.0).to_list() for name in sizes),
    ]
    found = []
    for row, value, count, *shares in zip(table.cells["row"], *columns, strict=True):
        _check_shares(table, row, value, count, shares)
        known = [_exact(share) for share in shares if share]
        exact = _exact(value or 0.0)
        size = max(abs(exact), sum(known, ZERO))
        found.append(Content(exact, size, int(count or 0), tuple(Share(share) for share in known)))
    return found


def _check_shares(
    table: ExactTable, row: int, value: float | None, count: float | None, shares: Sequence[float | None]
) -> None:
    if count is not None and not count.is_integer():
        table.refuse(row, "contributors", "is no whole number; correct it", "정수가 아닙니다. 고치세요")
    for i, (larger, share) in enumerate(itertools.pairwise(shares), start=2):
        if share is not None and (larger is None or share > larger):
            table.refuse(
                row, f"x{i}", "is larger than the one before; sort x1, x2, ... descending",
                "앞의 값보다 큽니다. x1, x2, ...를 큰 순서로 쓰세요",
            )  # fmt: skip
    known = [share for share in shares if share]
    if count is not None and len(known) > count:
        table.refuse(
            row, f"x{len(known)}", "more contributions than contributors; correct one of them",
            "contributors보다 값이 많습니다. 둘 중 하나를 고치세요",
        )  # fmt: skip
    if value is not None and count == 0 and value:
        table.refuse(
            row, "contributors", "is 0, but the cell is not; correct one of them",
            "0인데 칸의 값은 0이 아닙니다. 둘 중 하나를 고치세요",
        )  # fmt: skip
    if value is not None and value >= 0 and math.fsum(known) > value * (1 + 1e-9):
        table.refuse(
            row, "x1", "the contributions are more than the cell; correct one of them",
            "기여 값의 합이 칸의 값보다 큽니다. 둘 중 하나를 고치세요",
        )  # fmt: skip


def _fixed(table: ExactTable, keys: Sequence[Key]) -> dict[Key, str]:
    if "status" not in table.columns:
        return {}
    found = {}
    for row, key, status in zip(table.cells["row"], keys, table.cells["status"], strict=True):
        if status in (PUBLISHED, PRIMARY):
            found[key] = status
        elif status is not None:
            table.refuse(
                row, "status", "write published or primary, or leave it empty",
                "published나 primary를 쓰거나 비워 두세요",
            )  # fmt: skip
    return found


def _read_frozen(asked: _Asked, cells: set[Key]) -> dict[Key, str]:
    if asked.frozen is None:
        return {}
    table = read_exact(asked.frozen, [*asked.names, "status"], ())
    table.need("status")
    keys = keys_of(table, asked.names)
    for row, key, status in zip(table.cells["row"], keys, table.cells["status"], strict=True):
        if None not in key and key not in cells:
            table.refuse(
                row, asked.names[0], "no cell of the tables; correct it, or take the row out",
                "표에 없는 칸입니다. 고치거나 행을 빼세요",
            )  # fmt: skip
        if status not in (PUBLISHED, WITHHELD, None):
            table.refuse(row, "status", "write published or withheld", "published나 withheld를 쓰세요")
    table.check()
    return dict(zip(keys, table.cells["status"], strict=True))


def _totals_last(key: Key) -> tuple[tuple[bool, str], ...]:
    return tuple((code == ROOT, code) for code in key)


def _row(decision: Decision, *, integer: bool) -> tuple[object, ...]:
    def shown(number: Fraction | float) -> float | int | None:
        if not math.isfinite(number):
            return None
        return int(number) if integer else float(number)

    published = decision.status == PUBLISHED
    low, high = (decision.value, decision.value) if published else decision.interval
    return (
        *decision.key,
        decision.status,
        shown(decision.value) if published else None,
        decision.contributors,
        shown(low),
        shown(high),
        ";".join(decision.reasons),
    )


def _notes(release: Release, dropped: int) -> list[tuple[str, str]]:
    notes = []
    if dropped:
        notes.append(
            (
                f"{dropped} records without a value were left out",
                f"값이 없는 레코드 {dropped}건은 제외했습니다",
            )
        )
    if release.limited:
        notes.append(
            (
                "the search reached its limit: the finest breakdown is withheld",
                "계산 한도에 이르러 가장 세부적인 분류를 비공개했습니다",
            )
        )
    return notes
