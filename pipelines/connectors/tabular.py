"""Tables of cells from CSV files and workbooks, every cell as its text, every row with its number.

Belongs here: encodings, delimiters, sheets, header rows. Does not belong here: what a cell means
(pipelines.domain.onramp).
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import polars as pl

from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import OperatorError
from pipelines.schemas.mapping import FileLayout

WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_CODECS = {"utf-8": "utf-8-sig", "cp949": "cp949", "utf-16": "utf-16"}
_LONGEST_CELL = 1_000_000

NumberedRow = tuple[int, Sequence[str | None]]


@dataclass(frozen=True)
class TextTable:
    """A table of texts; its rows can be read once.

    Args:
        name: the file's name, for errors.
        header: names of its columns in their order, white space collapsed; empty where there is none.
        header_row: number of the row that holds them.
        rows: number in the file (from 1) and cells of each row after the header.
    """

    name: str
    header: tuple[str, ...]
    header_row: int
    rows: Iterator[NumberedRow]

    def columns(self, positions: Sequence[int]) -> pl.DataFrame:
        """Read some columns.

        Args:
            positions: which columns, counted from 0.

        Returns:
            ``row`` (number in the file) and one text column per position, named by it; null: an empty cell.
            Rows without any cell are left out.

        Raises:
            OperatorError: a row has fewer or more cells than the header has names.
        """
        numbers: list[int] = []
        cells: list[list[str | None]] = [[] for _ in positions]
        for number, row in self.rows:
            if not any(row):
                continue
            self._check_width(number, row)
            numbers.append(number)
            for column, position in zip(cells, positions, strict=True):
                column.append(row[position] or None)
        texts = [pl.Series(str(p), c, pl.String) for p, c in zip(positions, cells, strict=True)]
        return pl.DataFrame([pl.Series("row", numbers, pl.Int64), *texts])

    def _check_width(self, number: int, row: Sequence[str | None]) -> None:
        if len(row) >= len(self.header) and not any(row[len(self.header) :]):
            return
        raise unusable(
            f"{self.name}, row {number}: {len(row)} cells where the header in row {self.header_row} has "
            f"{len(self.header)}; mend the row, or file.delimiter or file.header_row of the mapping",
            f"{self.name} {number}행: 칸이 {len(row)}개인데 {self.header_row}행의 열 이름은 "
            f"{len(self.header)}개입니다. 행이나 매핑의 file.delimiter, file.header_row를 고치세요",
        )


def read_table(path: str, content: bytes, layout: FileLayout) -> TextTable:
    """Open a CSV file or workbook.

    Args:
        path: its path: the suffix says what it is, the name stands in errors.
        content: its bytes.
        layout: how it is laid out. Dates of a workbook come as ``YYYY-MM-DD HH:MM:SS``, its numbers with a
            decimal point, whatever the workbook shows.

    Raises:
        OperatorError: another kind of file, bytes that are not of the encoding, an unknown sheet, no header.
    """
    name = PurePath(path).name
    suffix = PurePath(path).suffix.lower()
    if suffix in WORKBOOK_SUFFIXES:
        rows = _workbook_rows(name, content, layout)
    elif suffix in TEXT_SUFFIXES:
        rows = _csv_rows(name, content, layout)
    else:
        known = ", ".join((*TEXT_SUFFIXES, *WORKBOOK_SUFFIXES))
        raise unusable(
            f"{name} is no table that can be read: save it as one of {known}",
            f"{name} 파일은 읽을 수 없습니다. {known} 중 하나로 저장하세요",
        )
    return _below_header(name, rows, layout)


def _below_header(name: str, rows: Iterable[NumberedRow], layout: FileLayout) -> TextTable:
    numbered = iter(rows)
    for number, row in numbered:
        if number >= layout.header_row:
            header = tuple(" ".join((cell or "").split()) for cell in row)
            break
    else:
        header = ()
    while header and not header[-1]:
        header = header[:-1]
    if not header:
        raise unusable(
            f"{name} has no column names in row {layout.header_row}; mend file.header_row of the mapping",
            f"{name} {layout.header_row}행에 열 이름이 없습니다. 매핑의 file.header_row를 고치세요",
        )
    first = layout.first_row or layout.header_row + 1
    return TextTable(name, header, layout.header_row, ((n, r) for n, r in numbered if n >= first))


def _csv_rows(name: str, content: bytes, layout: FileLayout) -> Iterator[NumberedRow]:
    try:
        text = content.decode(_CODECS[layout.encoding])
    except UnicodeError as error:
        raise _not_of_encoding(name, content, layout.encoding, error) from error
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True)
    number = 1
    try:
        for row in reader:
            yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise unusable(
            f"{name}, row {number}: not readable as CSV ({error}); check the quotes and file.delimiter",
            f"{name} {number}행: CSV로 읽을 수 없습니다({error}). 따옴표와 file.delimiter를 확인하세요",
        ) from error


def _not_of_encoding(name: str, content: bytes, encoding: str, error: UnicodeError) -> OperatorError:
    start = error.start if isinstance(error, UnicodeDecodeError) else 0
    row = content[:start].count(b"\n") + 1
    other = "cp949" if encoding == "utf-8" else "utf-8"
    return unusable(
        f"{name}, row {row}: not {encoding}; set file.encoding in the mapping, such as {other}",
        f"{name} {row}행: {encoding} 인코딩이 아닙니다. 매핑의 file.encoding을 정하세요(예: {other})",
    )


def _workbook_rows(name: str, content: bytes, layout: FileLayout) -> Iterator[NumberedRow]:
    try:
        import fastexcel  # noqa: PLC0415 - an extra: only who imports workbooks needs it
    except ImportError as error:
        raise unusable(
            f"{name}: workbooks need the extra onramp; install digital-cluster[onramp], or save it as CSV",
            f"{name}: 엑셀 파일을 읽으려면 digital-cluster[onramp]를 설치하거나 CSV로 저장하세요",
        ) from error
    try:
        book = fastexcel.read_excel(content)
        sheet = _sheet(name, book.sheet_names, layout.sheet)
        texts = book.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string").to_polars()
        floats = book.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="float").to_polars()
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        raise unusable(
            f"{name} is no readable workbook ({reason}); save it again as .xlsx or CSV",
            f"{name}은(는) 읽을 수 없는 엑셀 파일입니다({reason}). .xlsx나 CSV로 다시 저장하세요",
        ) from error
    return enumerate(_exact(texts, floats).iter_rows(), start=1)


def _exact(texts: pl.DataFrame, floats: pl.DataFrame) -> pl.DataFrame:
    """Give fractions all their digits: as texts the reader rounds them to nine decimals."""
    fraction = r"^-?\d+\.\d{9}$"
    return pl.DataFrame(
        [
            pl.select(
                pl.when(text.str.contains(fraction) & number.is_not_null())
                .then(number.map_elements(repr, return_dtype=pl.String))
                .otherwise(text)
                .alias(text.name)
            ).to_series()
            for text, number in zip(texts, floats, strict=True)
        ]
    )


def _sheet(name: str, sheets: list[str], wanted: str | None) -> str:
    if wanted in sheets:
        return wanted
    if wanted is None and len(sheets) == 1:
        return sheets[0]
    asked = "several sheets" if wanted is None else f"no sheet {wanted!r}"
    asked_ko = "시트가 여러 개입니다" if wanted is None else f"{wanted!r} 시트가 없습니다"
    listed = ", ".join(repr(s) for s in sheets)
    raise unusable(
        f"{name} has {asked}: name one of {listed} as file.sheet in the mapping",
        f"{name}: {asked_ko}. 매핑의 file.sheet에 {listed} 중 하나를 적으세요",
    )
