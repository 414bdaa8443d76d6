"""Makes the pages of docs/ that say what the code says: settings, exit codes, tables. `make docs` runs it.

Belongs here: declarations -> Markdown. Does not belong here: anything that isn't declared in the code; a test
compares the committed pages with what this makes.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, get_args

import pyarrow as pa
from annotated_types import Ge, Gt
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipelines.domain.outcomes import MEANINGS, ExitCode
from pipelines.publish.for_members import guide_page
from pipelines.schemas.contracts import contract
from pipelines.schemas.streams import STREAMS, Stream
from pipelines.schemas.tables import BUCKET, DAY, DERIVED, PROVENANCE, RAW, Table
from pipelines.settings import Settings

_MADE: Final = "<!-- Made from {source} by `make docs`; a test compares them. -->"
_TABLES_HOLD: Final[dict[str, str]] = {
    "facts_energy": "Hourly amounts of every meter: each hour of each day, and gaps too long to spread.",
    "facts_machine": "Machine time per hour, and production per hour and product.",
    "facts_operations": "A day's orders, stock, shipments, hours, incidents and costs, by element.",
    "facts_history": "What changed on days that were final already: old row, new row, cause. Append-only.",
    "accepted_suspects": "Decisions on suspect values: who accepted what, when, why. Append-only.",
    "dead_letters": "Messages, or rows of messages, that could not be used, with their original bytes.",
    "gaps": "Offsets that were gone before they could be read.",
    "activities": "The activity ledger: what factories did in a month, metered or told. Append-only.",
    "factor_sets": "Factor tables as they were known when they were chosen. Append-only.",
    "factor_choices": "By which factor set each month is computed. Append-only.",
    "emissions": "Emissions of the hourly energy, with the factor that was used.",
    "emission_lines": "Emissions of each activity of the ledger, by scope and method. Append-only.",
    "emission_statements": "Statements of factories, members and the cluster by month and year. Append-only.",
    "restatements": "Why a statement differs from its version before, as a chain of causes. Append-only.",
    "elements_daily": "Daily facts of factories and machines: what every KPI is made of.",
    "kpis": "Figures of machines, factories and members, not released: only their own pages show them.",
    "baselines": "Figures of the period that a programme is measured against (사업 KPI). Append-only.",
    "baseline_costs": "What a unit of each product cost in the baseline period. Append-only.",
    "source_days": "What each source sent of a day: what the liveness report learns from.",
    "liveness": "The data-liveness report: one row per stream (`*`) and source of a factory's day.",
    "releases": "The release ledger: everything that was ever published, chained by hashes. Append-only.",
    "release_inputs": "Why each figure was published or withheld: sealed with the ledger's key. Append-only.",
    "ledger_heads": "Signed heads of the release ledger ([ledger.md](ledger.md)). Append-only.",
}


_SETTINGS_HEAD: Final = f"""\
# Settings · 설정

{_MADE.format(source="pipelines/settings.py")}

Each setting is an environment variable, or a line of a file `.env` in the folder in which the command runs; the
environment goes first. Names carry their unit (`_s` seconds, `_h` hours, `_bytes`). A value that can't be used ends
the command with exit code 12 and one line that names it.

설정은 환경 변수 또는 명령을 실행하는 폴더의 `.env` 파일에 적습니다. 환경 변수가 우선합니다. 잘못된 값은 종료 코드 12와
한 줄의 설명으로 알려 줍니다.

| variable | default | values | meaning |
|---|---|---|---|
"""  # noqa: E501 - Markdown is wrapped by what it looks like
_EXIT_CODES_HEAD: Final = f"""\
# Exit codes · 종료 코드

{_MADE.format(source="pipelines/domain/outcomes.py")}

Every command ends with one of these. Whatever isn't 0 is explained in one line on standard error, in English and
Korean. A flow run that doesn't complete is named after its code. Wrong options of a command are 2 as well; 1 with a
traceback is a defect: please report it.

| code | name | meaning | 뜻 |
|---|---|---|---|
"""  # noqa: E501 - as above
_TABLES_HEAD: Final = f"""\
# Tables · 테이블

{_MADE.format(source="pipelines/schemas/tables.py and avro/")}

Delta tables of a cluster's store, `<DC_STORE>/<cluster>/<table>`. Times are UTC in microseconds; a `day` is a local
date in the factory's zone; intervals are half-open. Null means not known, never zero. The key identifies a row and
sorts the canonical export. How they hang together: [architecture.md](architecture.md).

## Columns of every raw table

"""  # noqa: E501 - as above


def settings_page() -> str:
    """Return docs/settings.md."""
    return _SETTINGS_HEAD + _text(_setting_row(name, field) for name, field in Settings.model_fields.items())


def exit_codes_page() -> str:
    """Return docs/exit-codes.md."""
    rows = ((int(code), f"`{code.name}`", *MEANINGS[code]) for code in ExitCode)
    return _EXIT_CODES_HEAD + _text(_row(*cells) for cells in rows)


def tables_page() -> str:
    """Return docs/tables.md."""
    lines = [*_column_lines([DAY, BUCKET, *PROVENANCE]), ""]
    for stream in STREAMS.values():
        lines += _raw_lines(stream)
    for name, table in DERIVED.items():
        lines += _table_lines(table, _TABLES_HOLD[name])
    return _TABLES_HEAD + _text(lines[:-1])


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "exit-codes.md": exit_codes_page,
    "tables.md": tables_page,
    "for-members.md": partial(guide_page, "en"),
    "for-members.ko.md": partial(guide_page, "ko"),
}


def write_pages(folder: Path) -> None:
    """Write every page that is made from the code."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _setting_row(name: str, field: FieldInfo) -> str:
    default = "" if field.default in (None, PydanticUndefined) else f"`{field.default}`"
    return _row(f"`DC_{name.upper()}`", default, _values(field), field.description)


def _values(field: FieldInfo) -> str:
    options = [option for option in get_args(field.annotation) if option is not type(None)]
    if options and all(isinstance(option, str) for option in options):
        return ", ".join(f"`{option}`" for option in options)
    kind = options[0] if options else field.annotation
    limits = [f"> {m.gt}" for m in field.metadata if isinstance(m, Gt)]
    limits += [f">= {m.ge}" for m in field.metadata if isinstance(m, Ge)]
    names = {"str": "text", "SecretStr": "text", "Path": "path", "int": "whole number", "float": "number"}
    return " ".join([names[kind.__name__ if kind is not None else "str"], *limits])


def _raw_lines(stream: Stream) -> list[str]:
    table = RAW[stream.name]
    common = {DAY.name, BUCKET.name, *(f.name for f in PROVENANCE)}
    own = pa.schema([f for f in table.schema if f.name not in common])
    holds = contract(stream.contract)["doc"]
    return _table_lines(Table(table.name, own, table.key, table.partition_by), holds)


def _table_lines(table: Table, holds: str) -> list[str]:
    partitions = f"; partitioned by {_names(table.partition_by)}" if table.partition_by else ""
    return [
        f"## `{table.name}`",
        "",
        f"{holds} Key: {_names(table.key)}{partitions}.",
        "",
        *_column_lines(table.schema),
        "",
    ]


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def _column_lines(fields: Iterable[pa.Field]) -> list[str]:
    head = [_row("column", "type", "unit", "meaning"), "|---|---|---|---|"]
    return head + [line for field in fields for line in _field_lines(field, "")]


def _field_lines(field: pa.Field, prefix: str) -> list[str]:
    """Return a line for a field, and one for each field of the records that it lists."""
    name = f"{prefix}{field.name}"
    doc, unit = (field.metadata[key].decode().replace("|", "\\|") for key in (b"doc", b"unit"))
    lines = [_row(f"`{name}`", _type_name(field.type), "" if unit == "none" else unit, doc)]
    if pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type):
        lines += [line for child in field.type.value_type for line in _field_lines(child, f"{name}[].")]
    return lines


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "records"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return "date" if pa.types.is_date(kind) else str(kind)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
