"""CSV files of the commands that compute from files: exact columns, every fault with its row and column.

Belongs here: reading such a file into texts, numbers and instants; writing a result whole or not at all.
Does not belong here: exports of others, which need a mapping (pipelines.connectors.tabular), and what a
column means.

UTF-8 (a BOM is accepted), comma, header; an empty cell is null. Rows are numbered as in the file: the header
is row 1.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from pipelines.domain.calendar import INSTANT
from pipelines.domain.outcomes import ExitCode, OperatorError

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_MOST_FAULTS = 20
_SHOWN_CHARACTERS = 40


class UnusableFileError(OperatorError):
    """A file with faults; the error's line is that of the first one.

    Args:
        faults: an error for each, in the order of the file.
    """

    def __init__(self, faults: Sequence[OperatorError]) -> None:
        first = faults[0]
        super().__init__(first.english, first.korean, first.code)
        self.faults = tuple(faults)

    def __reduce__(self) -> tuple[type, tuple[Sequence[OperatorError]]]:  # type: ignore[override]
        """Survive pickling, as every OperatorError."""
        return (type(self), (self.faults,))


def fault(english: str, korean: str) -> OperatorError:
    """Return the error of an input that a person can mend."""
    return OperatorError(english, korean, ExitCode.UNUSABLE_INPUT)


class ExactTable:
    """A file's cells, and the faults found so far: `check` raises them together.

    Args:
        name: the file's name, for errors.
        cells: ``row`` and a text per column; null: an empty cell.
    """

    def __init__(self, name: str, cells: pl.DataFrame) -> None:
        self.name = name
        self.cells = cells
        self._faults: list[tuple[int, OperatorError]] = []

    @property
    def columns(self) -> list[str]:
        """Names of the file's columns, in its order."""
        return [c for c in self.cells.columns if c != "row"]

    def refuse(self, row: int, column: str, english: str, korean: str) -> None:
        """Note a fault of a cell; the texts say what is wrong and what to do."""
        where = f"{self.name}, row {row}, column {column}: {english}"
        self._faults.append((row, fault(where, f"{self.name} {row}행 {column} 열: {korean}")))

    def check(self) -> None:
        """Raise what was found.

        Raises:
            UnusableFileError: at least one fault was noted; the first 20 are told.
        """
        if self._faults:
            ordered = [error for _, error in sorted(self._faults, key=lambda found: found[0])]
            raise UnusableFileError(ordered[:_MOST_FAULTS])

    def need(self, column: str) -> None:
        """Refuse the empty cells of a column."""
        for row in self.cells.filter(pl.col(column).is_null())["row"]:
            self.refuse(row, column, "is empty; fill it in", "비어 있습니다. 채우세요")

    def numbers(self, column: str, *, least: float | None = None, most: float | None = None) -> pl.Series:
        """Read a column of plain decimal numbers; null where empty, and where a fault was noted."""
        texts = self.cells[column].str.strip_chars()
        values = texts.cast(pl.Float64, strict=False)
        usable = texts.str.contains(_NUMBER) & values.is_finite().fill_null(value=False)
        for row, text in self._where(texts, ~usable):
            self.refuse(
                row, column, f"{_shown(text)} is no number; write it like 1234.5",
                f"{_shown(text)}은(는) 숫자가 아닙니다. 1234.5처럼 쓰세요",
            )  # fmt: skip
        low, high = -float("inf") if least is None else least, float("inf") if most is None else most
        for row, text in self._where(texts, usable & ~values.is_between(low, high)):
            limits = f"{'' if least is None else f'{least:g}'}..{'' if most is None else f'{most:g}'}"
            self.refuse(
                row, column, f"{_shown(text)} is out of {limits}; correct it",
                f"{_shown(text)}은(는) {limits} 범위를 벗어났습니다. 고치세요",
            )  # fmt: skip
        return pl.select(pl.when(usable).then(values)).to_series().alias(column)

    def instants(self, column: str) -> pl.Series:
        """Read a column of ISO 8601 instants with offset as UTC; null where a fault was noted."""
        texts = self.cells[column]
        found: dict[str, datetime | None] = {text: instant_of(text) for text in texts.unique().drop_nulls()}
        for row, text in zip(self.cells["row"], texts, strict=True):
            if found.get(text) is None:
                self.refuse(
                    row, column, f"{_shown(text)} is no instant; write it like 2025-11-03T08:00:00+09:00",
                    f"{_shown(text)}은(는) 시각이 아닙니다. 2025-11-03T08:00:00+09:00처럼 쓰세요",
                )  # fmt: skip
        return pl.Series(column, [found.get(text) for text in texts], dtype=INSTANT)

    def dates(self, column: str) -> list[date | None]:
        """Read a column of ISO 8601 dates; null where empty, and where a fault was noted."""
        found: list[date | None] = []
        for row, text in self.cells.select("row", column).iter_rows():
            found.append(None if text is None else date_of(text))
            if text is not None and found[-1] is None:
                self.refuse(
                    row, column, f"{_shown(text)} is no date; write it like 2025-11-03",
                    f"{_shown(text)}은(는) 날짜가 아닙니다. 2025-11-03처럼 쓰세요",
                )  # fmt: skip
        return found

    def _where(self, texts: pl.Series, faulty: pl.Series) -> Iterable[tuple[int, str]]:
        chosen = pl.DataFrame({"row": self.cells["row"], "text": texts}).filter(
            texts.is_not_null() & faulty.fill_null(value=True)
        )
        return chosen.iter_rows()


def date_of(text: str) -> date | None:
    """Return an ISO 8601 date (YYYY-MM-DD); null: it is none."""
    try:
        return date.fromisoformat(text.strip()) if _DATE.match(text.strip()) else None
    except ValueError:
        return None


def instant_of(text: str) -> datetime | None:
    """Return an ISO 8601 instant with offset as UTC; null: it is none."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return None if instant.tzinfo is None else instant.astimezone(UTC)


def read_exact(path: Path, required: Sequence[str], allowed: Iterable[str] | None) -> ExactTable:
    """Read a file whose columns are known.

    Args:
        path: the file.
        required: columns that it must have.
        allowed: columns that it may have beside them; null: any.

    Raises:
        OperatorError: it can't be read, is no UTF-8 CSV, or lacks a column.
        UnusableFileError: columns that nobody knows or that stand twice, or rows of another width.
    """
    rows = _rows(path)
    header_row, header = next(rows, (1, []))
    names = [cell.strip() for cell in header]
    _check_header(
        path.name, header_row, names, required, {*required, *(names if allowed is None else allowed)}
    )
    table: list[tuple[int, Sequence[str]]] = []
    faults = []
    for number, cells in rows:
        if len(cells) != len(names):
            faults.append(_wrong_width(path.name, number, len(cells), len(names)))
        table.append((number, cells))
    if faults:
        raise UnusableFileError(faults[:_MOST_FAULTS])
    columns = {
        name: pl.Series([row[place].strip() or None for _, row in table], dtype=pl.String)
        for place, name in enumerate(names)
    }
    return ExactTable(path.name, pl.DataFrame({"row": [n for n, _ in table], **columns}))


def clear_outputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Remove what an earlier run left where this one writes: it would pass as the answer.

    Raises:
        OperatorError: an output is also an input, or can't be removed.
    """
    for out in outputs:
        if any(out.resolve() == source.resolve() for source in inputs):
            raise fault(
                f"--out {out} is also an input: name another file",
                f"--out {out}은(는) 입력 파일이기도 합니다. 다른 이름을 쓰세요",
            )
        try:
            out.unlink(missing_ok=True)
        except OSError as error:
            raise fault(
                f"--out {out} can't be replaced ({error.strerror}): name a file",
                f"--out {out}을(를) 바꿀 수 없습니다({error.strerror}). 파일 이름을 쓰세요",
            ) from error


def write_whole(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, private: bool = False
) -> None:
    """Write a CSV file so that it is there whole or not at all; floats in full precision, null as empty.

    Args:
        path: the file.
        header: names of its columns.
        rows: cells.
        private: whether only its owner may read it (mode 600).

    Raises:
        OperatorError: it can't be written; nothing is left of it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.touch(mode=0o600 if private else 0o666)
        part.write_text(text.getvalue(), encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        reason = error.strerror
        raise fault(
            f"{path}: can't be written ({reason}); name a file in a folder that exists and is yours",
            f"{path}: 쓸 수 없습니다({reason}). 쓸 수 있는 폴더의 파일 이름을 지정하세요",
        ) from error


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror
        raise fault(
            f"{path}: can't be read ({reason}); name a CSV file that exists",
            f"{path}: 읽을 수 없습니다({reason}). 있는 CSV 파일을 지정하세요",
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise fault(
            f"{path.name}, row {line}: not UTF-8; save the file as UTF-8 CSV",
            f"{path.name} {line}행: UTF-8이 아닙니다. UTF-8 CSV로 저장하세요",
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 1
    try:
        for cells in reader:
            if cells:
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise fault(
            f"{path.name}, row {number}: not readable as CSV ({error}); check the quotes",
            f"{path.name} {number}행: CSV로 읽을 수 없습니다({error}). 따옴표를 확인하세요",
        ) from error


def _check_header(
    name: str, row: int, names: Sequence[str], required: Sequence[str], allowed: set[str]
) -> None:
    listed = ", ".join(sorted(allowed))
    faults = []
    for column in dict.fromkeys(names):
        if column not in allowed:
            faults.append(
                fault(
                    f"{name}, row {row}, column {_shown(column)}: unknown; take it out, or use one of "
                    f"{listed}",
                    f"{name} {row}행 {_shown(column)} 열: 알 수 없는 열입니다. 빼거나 다음 중 하나를 "
                    f"쓰세요: {listed}",
                )
            )
        elif names.count(column) > 1:
            faults.append(
                fault(
                    f"{name}, row {row}, column {column}: stands twice; keep one",
                    f"{name} {row}행 {column} 열: 두 번 나옵니다. 하나만 남기세요",
                )
            )
    faults.extend(
        fault(
            f"{name}, row {row}, column {column}: missing; add it",
            f"{name} {row}행 {column} 열: 없습니다. 추가하세요",
        )
        for column in required
        if column not in names
    )
    if faults:
        raise UnusableFileError(faults)


def _wrong_width(name: str, row: int, cells: int, columns: int) -> OperatorError:
    where, place = f"{name}, row {row}, column {columns + 1}", f"{name} {row}행 {columns + 1}번째 열"
    return fault(
        f"{where}: {cells} cells where the header has {columns}; quote commas, or mend the row",
        f"{place}: 칸이 {cells}개인데 열 이름은 {columns}개입니다. 쉼표에 따옴표를 쓰거나 행을 고치세요",
    )


def _shown(text: str | None) -> str:
    return repr((text or "")[:_SHOWN_CHARACTERS])


def _cell(value: object) -> object:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else value
