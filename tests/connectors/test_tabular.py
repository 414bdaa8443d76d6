"""CSV files and workbooks as texts, with the row numbers that a person sees."""

import io
import zipfile

import pytest

from pipelines.connectors.tabular import TextTable, read_table
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.mapping import FileLayout

OFFICE = "http://schemas.openxmlformats.org"


def csv_table(text: str, **said: object) -> TextTable:
    layout = FileLayout.model_validate(said)
    return read_table("meter.csv", text.encode(layout.encoding), layout)


def refusal(name: str, content: bytes, **layout: object) -> str:
    with pytest.raises(OperatorError) as error:
        read_table(name, content, FileLayout.model_validate(layout)).columns([0])
    assert error.value.code == ExitCode.UNUSABLE_INPUT
    assert "\n" not in error.value.english + error.value.korean
    return error.value.english


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    """Write the smallest workbook: floats as numbers, tuples of one float as dates, texts inline."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as parts:
        numbers = range(1, len(sheets) + 1)
        overrides = "".join(
            f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for i in numbers
        )
        parts.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{OFFICE}/package/2006/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/workbook.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
            '<Override PartName="/xl/styles.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>'
            f"{overrides}</Types>",
        )
        relation = f'Type="{OFFICE}/officeDocument/2006/relationships'
        parts.writestr(
            "_rels/.rels", _relations(f'Id="r1" {relation}/officeDocument" Target="xl/workbook.xml"')
        )
        targets = [f'Id="r{i}" {relation}/worksheet" Target="worksheets/sheet{i}.xml"' for i in numbers]
        styles = f'Id="s" {relation}/styles" Target="styles.xml"'
        parts.writestr("xl/_rels/workbook.xml.rels", _relations(*targets, styles))
        listed = "".join(f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(sheets, 1))
        parts.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{OFFICE}/spreadsheetml/2006/main" '
            f'xmlns:r="{OFFICE}/officeDocument/2006/relationships"><sheets>{listed}</sheets></workbook>',
        )
        parts.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{OFFICE}/spreadsheetml/2006/main">'
            '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
        )
        for i, rows in zip(numbers, sheets.values(), strict=True):
            body = "".join(_row(number, row) for number, row in enumerate(rows, 1) if row)
            parts.writestr(
                f"xl/worksheets/sheet{i}.xml",
                f'<worksheet xmlns="{OFFICE}/spreadsheetml/2006/main"><sheetData>{body}</sheetData>'
                "</worksheet>",
            )
    return made.getvalue()


def _relations(*relations: str) -> str:
    listed = "".join(f"<Relationship {r}/>" for r in relations)
    return f'<Relationships xmlns="{OFFICE}/package/2006/relationships">{listed}</Relationships>'


def _row(number: int, cells: list[object]) -> str:
    texts = []
    for letter, cell in zip("ABCDEFG", cells, strict=False):
        reference = f'r="{letter}{number}"'
        if isinstance(cell, tuple):
            texts.append(f'<c {reference} s="1"><v>{cell[0]!r}</v></c>')
        elif isinstance(cell, (int, float)):
            texts.append(f"<c {reference}><v>{cell!r}</v></c>")
        elif cell is not None:
            texts.append(f'<c {reference} t="inlineStr"><is><t>{cell}</t></is></c>')
    return f'<row r="{number}">{"".join(texts)}</row>'


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    table = read_table("meter.csv", b"\xef\xbb\xbfdate,kWh\n1,2\n", FileLayout())
    assert table.header == ("date", "kWh")


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16"])
def test_korean_names_are_read_in_each_encoding(encoding: str) -> None:
    table = csv_table("일시,사용량\n1,2\n", encoding=encoding)
    assert table.header == ("일시", "사용량")
    assert table.columns([1, 0]).rows() == [(2, "2", "1")]


def test_rows_keep_the_numbers_that_an_editor_shows() -> None:
    text = '제목\n\n"date\n (local)";kWh\nunit;kWh\n1;2\n\n;\n"3\n4";5\n6;7\n'
    table = csv_table(text, delimiter=";", header_row=3, first_row=6)
    assert table.header == ("date (local)", "kWh")
    assert table.columns([0, 1]).rows() == [(6, "1", "2"), (9, "3\n4", "5"), (11, "6", "7")]


def test_an_empty_cell_is_null() -> None:
    assert csv_table("a,b,c\n,2,\n").columns([0, 1, 2]).rows() == [(2, None, "2", None)]


@pytest.mark.parametrize(("row", "cells"), [("1", 1), ("1,2,3,4", 4)])
def test_a_row_of_another_width_is_an_error_that_names_it(row: str, cells: int) -> None:
    said = refusal("meter.csv", f"a,b,c\n1,2,3\n{row}\n".encode())
    assert f"meter.csv, row 3: {cells} cells where the header in row 1 has 3" in said


def test_commas_at_the_end_of_rows_are_no_cells() -> None:
    assert csv_table("a,b,\n1,2,\n3,4,,\n").columns([0, 1]).rows() == [(2, "1", "2"), (3, "3", "4")]


def test_bytes_of_another_encoding_are_an_error_that_names_the_row() -> None:
    said = refusal("meter.csv", "a,b\n1,2\n측정,3\n".encode("cp949"))
    assert said == "meter.csv, row 3: not utf-8; set file.encoding in the mapping, such as cp949"


def test_a_quote_that_never_ends_is_an_error() -> None:
    assert "meter.csv, row 2: not readable as CSV" in refusal("meter.csv", b'a,b\n"1,2\n')


@pytest.mark.parametrize("content", [b"", b"\n\n", b",,\n"])
def test_a_file_without_names_is_an_error(content: bytes) -> None:
    assert "no column names in row 1" in refusal("meter.csv", content)


def test_another_kind_of_file_is_an_error() -> None:
    assert "meter.pdf is no table that can be read" in refusal("meter.pdf", b"%PDF")


def test_a_workbook_gives_dates_as_iso_and_numbers_with_all_digits() -> None:
    content = workbook(
        {
            "측정": [
                ["2018년 전력"],
                ["일시", "사용량"],
                [(43101.010416666664,), 0.123456789012345],
                [(43101.02083333333,), 4],
                [],
                ["2018-01-01 00:45", None],
                [(43102.0,), 1e-7],
            ]
        }
    )
    table = read_table("meter.xlsx", content, FileLayout(header_row=2))
    assert table.header == ("일시", "사용량")
    assert table.columns([0, 1]).rows() == [
        (3, "2018-01-01 00:15:00", "0.123456789012345"),
        (4, "2018-01-01 00:30:00", "4"),
        (6, "2018-01-01 00:45", None),
        (7, "2018-01-02 00:00:00", "0.0000001"),
    ]


def test_a_workbook_of_several_sheets_wants_one_named() -> None:
    content = workbook({"one": [["a"], [1]], "two": [["b"], [2]]})
    assert "several sheets: name one of 'one', 'two'" in refusal("meter.xlsx", content)
    assert "no sheet 'three'" in refusal("meter.xlsx", content, sheet="three")
    assert read_table("meter.xlsx", content, FileLayout(sheet="two")).header == ("b",)


def test_bytes_that_are_no_workbook_are_an_error() -> None:
    assert "meter.xlsx is no readable workbook" in refusal("meter.xlsx", b"date,kWh\n")
