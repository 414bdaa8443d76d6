"""Factor tables as CSV: what there is, one row with its source, and why a row was chosen.

Belongs here: the texts that `digital-cluster factors ...` prints. Does not belong here: choosing
(pipelines.domain.emissions), reading an operator's files.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from pipelines.domain.emissions.explaining import Explanation
from pipelines.domain.emissions.lookup import is_known

LIST_COLUMNS = (
    "id", "table", "activity", "geography", "basis", "gas", "value", "unit", "gwp_set", "valid_from",
    "valid_to", "published_on", "purpose", "confidence", "source",
)  # fmt: skip
EXPLAIN_COLUMNS = (
    "id", "taken", "why", "table", "geography", "basis", "gas", "value", "unit", "valid_from", "valid_to",
    "published_on", "purpose", "source",
)  # fmt: skip

Row = Mapping[str, object]


@dataclass(frozen=True)
class Wanted:
    """Which rows are listed; null: any.

    Args:
        activity: activity or fuel.
        geography: of the row.
        purpose: for which the row may be picked.
        gas: of the row; fuel pairs have none.
        on: a date in the row's window.
        as_of: known on that day.
    """

    activity: str | None = None
    geography: str | None = None
    purpose: str | None = None
    gas: str | None = None
    on: date | None = None
    as_of: date | None = None


def listed_rows(
    factors: pl.DataFrame, fuels: pl.DataFrame, unconfirmed: pl.DataFrame | None = None
) -> list[Row]:
    """Return all rows with LIST_COLUMNS: factors, then fuel pairs, or unconfirmed rows alone.

    A fuel pair's value is its NCV; its id is ``fuel:geography:vintage``.
    """
    if unconfirmed is not None:
        return [_from_unconfirmed(row) for row in unconfirmed.iter_rows(named=True)]
    return [
        *(
            {**row, "id": row["factor_id"], "table": "emission_factors"}
            for row in factors.iter_rows(named=True)
        ),
        *(_from_pair(row) for row in fuels.iter_rows(named=True)),
    ]


def _from_pair(row: Row) -> Row:
    return {
        **row, "id": pair_id(row), "table": "fuel_properties", "activity": row["fuel"], "value": row["ncv"],
        "unit": row["ncv_unit"],
    }  # fmt: skip


def _from_unconfirmed(row: Row) -> Row:
    return {
        **row, "id": row["row_id"], "table": "unconfirmed", "activity": row["subject"],
        "gas": str(row["property"]).partition(" ")[0],
    }  # fmt: skip


def pair_id(row: Row) -> str:
    """Return the key of a fuel pair as one word."""
    return f"{row['fuel']}:{row['geography']}:{row['vintage']}"


def list_csv(rows: Iterable[Row], wanted: Wanted) -> str:
    """Return the wanted rows as CSV with LIST_COLUMNS."""
    return _csv(LIST_COLUMNS, (row for row in rows if _is_wanted(row, wanted)))


def _is_wanted(row: Row, wanted: Wanted) -> bool:
    purposes = row.get("purpose")
    begins, ends = _day(row.get("valid_from")), _day(row.get("valid_to"))
    in_window = wanted.on is None or ((begins or date.min) <= wanted.on < (ends or date.max))
    for_purpose = (
        wanted.purpose is None
        or not isinstance(purposes, list)
        or bool({wanted.purpose, "any"} & {*purposes})
    )
    return (
        wanted.activity in {None, row["activity"]}
        and wanted.geography in {None, row["geography"]}
        and wanted.gas in {None, row.get("gas")}
        and in_window
        and for_purpose
        and is_known(_day(row.get("published_on")), begins, wanted.as_of)
    )


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None


def show_csv(tables: Mapping[str, pl.DataFrame], row_id: str) -> str | None:
    """Return every column of the rows of an id as CSV ``table,column,value``; null: no table has it."""
    found = [
        (name, column, _text(value))
        for name, table in tables.items()
        for row in table.iter_rows(named=True)
        if row_id in {row.get("factor_id"), row.get("parameter_id"), row.get("row_id"), _own_id(row)}
        for column, value in row.items()
    ]
    return _lines([("table", "column", "value"), *found]) if found else None


def _own_id(row: Row) -> str | None:
    return pair_id(row) if "fuel" in row else None


def explanation_text(explanation: Explanation, rows: Iterable[Row]) -> str:
    """Return what was used (or ``none``) as one line, and each row considered as CSV with EXPLAIN_COLUMNS."""
    by_id = {str(row["id"]): row for row in rows}
    codes = ";".join(explanation.reasons)
    if explanation.used:
        head = f"{explanation.match}: {';'.join(explanation.used)}" + (f" ({codes})" if codes else "")
    else:
        head = f"none: {codes}"
    table = _csv(
        EXPLAIN_COLUMNS,
        (
            {
                **by_id.get(one.factor_id, {"id": one.factor_id}),
                "taken": "yes" if one.taken else "no",
                "why": one.why,
            }
            for one in explanation.considered
        ),
    )
    return f"{head}\n{table}"


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    return _lines([tuple(columns), *(tuple(_text(row.get(name)) for name in columns) for row in rows)])


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _text(value: object) -> str:
    """Write a cell as the tables do: plain decimals, ISO dates, purposes joined by ``;``."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(map(str, value))
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") if isinstance(value, Decimal) and "." in text else text
