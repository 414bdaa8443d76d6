"""Measurement files as readings: the columns that a mapping names, found in the file's header.

Belongs here: opening a file by its mapping. Does not belong here: cells (pipelines.connectors.tabular), what
they mean (pipelines.domain.onramp), sending (pipelines.jobs.importing).
"""

from pathlib import Path

import polars as pl

from pipelines.connectors.tabular import TextTable, read_table
from pipelines.domain.onramp import CellNames, Readings, parse_readings, unusable
from pipelines.schemas.mapping import FileMapping


def read_content(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        OperatorError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unusable(
            f"{path} can't be read ({error.strerror}); check its name and permissions",
            f"{path} 파일을 읽을 수 없습니다({error.strerror}). 이름과 권한을 확인하세요",
        ) from error


def read_readings(path: str, content: bytes, mapping: FileMapping) -> Readings:
    """Read a measurement file by its mapping.

    Args:
        path: its path, for its suffix and for errors.
        content: its bytes.
        mapping: what is in it.

    Raises:
        OperatorError: the first thing in it that can't be used.
    """
    table = read_table(path, content, mapping.file)
    times = [_position(table, _spaced(name)) for name in mapping.time.columns]
    value = _value_position(table, mapping)
    frame = table.columns([*dict.fromkeys([*times, value])])
    stamp = pl.concat_str([pl.col(str(t)).str.strip_chars() for t in times], separator=" ", ignore_nulls=True)
    cells = frame.select("row", stamp=stamp, value=pl.col(str(value)))
    names = CellNames(table.name, " + ".join(mapping.time.columns), table.header[value] or str(value + 1))
    return parse_readings(cells, mapping.stamp_rule(), mapping.number_rule(), names)


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _position(table: TextTable, name: str) -> int:
    found = [i for i, header in enumerate(table.header) if header == name]
    if len(found) == 1:
        return found[0]
    what, what_ko = (
        ("no column", "열이 없습니다") if not found else ("twice the column", "열이 두 개 있습니다")
    )
    listed = ", ".join(repr(h) for h in table.header if h)
    raise unusable(
        f"{table.name}, row {table.header_row}: {what} {name!r}; correct the mapping, the file has {listed}",
        f"{table.name} {table.header_row}행: {name!r} {what_ko}. 매핑을 고치세요. 파일에 있는 열: {listed}",
    )


def _value_position(table: TextTable, mapping: FileMapping) -> int:
    value, place = mapping.value, f"{table.name}, row {table.header_row}"
    place_ko = f"{table.name} {table.header_row}행"
    if value.position is not None:
        if value.position <= len(table.header):
            return value.position - 1
        raise unusable(
            f"{place}: no column {value.position}; correct value.position of the mapping, the file has "
            f"{len(table.header)} columns",
            f"{place_ko}: 열이 {len(table.header)}개뿐입니다. 매핑의 value.position을 고치세요",
        )
    names = [_spaced(n) for n in ((value.column,) if value.column else value.any_of)]
    present = [name for name in names if name in table.header]
    if len(present) > 1:
        listed = ", ".join(repr(n) for n in present)
        raise unusable(
            f"{place}: more than one of value.any_of: {listed}; name one as value.column in the mapping",
            f"{place_ko}: value.any_of의 열이 여럿입니다: {listed}. 매핑의 value.column에 하나만 적으세요",
        )
    return _position(table, present[0] if present else " | ".join(names))
