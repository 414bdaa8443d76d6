"""Workbooks (XLSX) from sheets of rows: one header, one row a row, numbers as numbers.

Belongs here: how a sheet becomes cells. Does not belong here: what stands in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import xlsxwriter

_WIDEST = 60


@dataclass(frozen=True)
class Sheet:
    """A table with a name.

    Args:
        name: of the sheet, and its key in a JSON document; at most 31 characters.
        columns: in order.
        rows: column -> text, number, truth or null.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, object], ...]


def workbook_bytes(sheets: Sequence[Sheet], title: str, made_at: datetime) -> bytes:
    """Return a workbook; equal sheets, title and time give equal bytes. Numbers have 16 digits."""
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False})
    book.set_properties({"title": title, "created": made_at.replace(tzinfo=None)})
    head = book.add_format({"bold": True, "bottom": 1})
    for sheet in sheets:
        page = book.add_worksheet(sheet.name)
        page.freeze_panes(1, 0)
        for place, column in enumerate(sheet.columns):
            cells = [row[column] for row in sheet.rows]
            page.set_column(place, place, min(_WIDEST, 2 + max(len(str(c)) for c in (column, *cells))))
            page.write_string(0, place, column, head)
            for number, cell in enumerate(cells, start=1):
                if cell is not None:
                    page.write(number, place, cell)
    book.close()
    return buffer.getvalue()
