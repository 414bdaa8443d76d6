"""The one typed reader of the factor tables.

Belongs here: columns, types and emptiness of each table. Does not belong here: choosing a row
(pipelines.domain.emissions). The rows of unconfirmed.csv never come with the others: they are a table of
their own, which feeds no published figure unless an operator accepts a row by its id.
"""

from functools import cache
from pathlib import Path

import polars as pl

from pipelines.domain.outcomes import ExitCode, OperatorError

FOLDER = Path(__file__).resolve().parent
_DECIMAL = pl.Decimal(38, 18)
_DATES = frozenset({"valid_from", "valid_to", "published_on"})
_DECIMALS = frozenset(
    {
        "value", "multiplier", "gwp_100", "ncv", "gcv", "carbon_content_tc_per_tj", "lower_95", "upper_95",
        "uncertainty_pct_low", "uncertainty_pct_high", "ncv_uncertainty_pct_low", "ncv_uncertainty_pct_high",
    }
)  # fmt: skip
_PROVENANCE = ("source", "confidence")
_WINDOW = ("valid_from", "valid_to", "published_on", "purpose")
_UNCERTAINTY = ("uncertainty_pct_low", "uncertainty_pct_high")
_AMOUNT = ("value", "unit", "published_value", "published_unit")
COLUMNS: dict[str, tuple[str, ...]] = {
    "emission_factors": (
        "factor_id", "activity", "geography", "basis", "gas", *_AMOUNT, "gwp_set", *_WINDOW, *_PROVENANCE,
        *_UNCERTAINTY, "note",
    ),
    "gwp": ("gwp_set", "gas", "gwp_100", "source", "note", "confidence"),
    "fuel_properties": (
        "fuel", "geography", "vintage", "ncv", "ncv_unit", "gcv", "carbon_content_tc_per_tj", "valid_from",
        "published_on", *_PROVENANCE, "note", "ncv_uncertainty_pct_low", "ncv_uncertainty_pct_high",
    ),
    "parameters": (
        "parameter_id", "parameter", "subject", "geography", *_AMOUNT, *_WINDOW, *_PROVENANCE, *_UNCERTAINTY,
        "note",
    ),
    "units": ("from_unit", "to_unit", "multiplier", "note"),
    "unconfirmed": (
        "row_id", "target_table", "subject", "geography", "property", "value", "unit", "lower_95", "upper_95",
        "source", "note",
    ),
}  # fmt: skip
KEYS: dict[str, tuple[str, ...]] = {
    "emission_factors": ("factor_id",),
    "fuel_properties": ("fuel", "geography", "vintage"),
}
"""What identifies a row of the tables that an operator can add to."""


def read_table(name: str, path: Path | None = None) -> pl.DataFrame:
    """Read one reference table with its types.

    Numbers are decimals as printed (Decimal, 18 places); dates are dates, null meaning unbounded (validity)
    or unknown (publication); an empty ``purpose`` is an empty list: bound to no purpose, never to be picked
    by itself; every other empty field is null.

    Args:
        name: a key of COLUMNS.
        path: a file of the same columns; default: the packaged one.

    Raises:
        OperatorError: columns that are not the table's, or a value that is not of its type.
    """
    file = FOLDER / f"{name}.csv" if path is None else path
    text = pl.read_csv(file, infer_schema=False)
    if tuple(text.columns) != COLUMNS[name]:
        raise _unusable(file, f"its columns must be {','.join(COLUMNS[name])}", "열이 정해진 목록과 다릅니다")
    try:
        return typed(text)
    except pl.exceptions.InvalidOperationError as error:
        detail = str(error).splitlines()[0]
        raise _unusable(
            file, f"a value is not of its column's type ({detail})", "값의 형식이 맞지 않습니다"
        ) from error


def typed(text: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of a table of texts the types that `read_table` gives them."""
    return text.with_columns(_typed(column) for column in text.columns)


def with_rows(name: str, table: pl.DataFrame, added: pl.DataFrame) -> pl.DataFrame:
    """Return a table with an operator's rows: one whose key exists replaces it, others are added.

    Args:
        name: a key of KEYS.
        table: its rows so far.
        added: rows of the same columns, typed.
    """
    kept = table.join(added, on=list(KEYS[name]), how="anti", maintain_order="left")
    return pl.concat([kept, added.select(table.columns)])


@cache
def emission_factors() -> pl.DataFrame:
    """Return the packaged emission factors: one row per factor_id."""
    return read_table("emission_factors")


@cache
def gwps() -> pl.DataFrame:
    """Return the packaged GWP-100 values: one row per gwp_set and gas."""
    return read_table("gwp")


@cache
def fuel_properties() -> pl.DataFrame:
    """Return the packaged calorific values and carbon contents: one row per fuel, geography and vintage."""
    return read_table("fuel_properties")


@cache
def parameters() -> pl.DataFrame:
    """Return the packaged multipliers and limits that are no factors: one row per parameter_id."""
    return read_table("parameters")


@cache
def units() -> pl.DataFrame:
    """Return the packaged unit multipliers: to = from x multiplier."""
    return read_table("units")


def unconfirmed() -> pl.DataFrame:
    """Return the numbers that nobody has confirmed: only for an operator who accepts a row by its id."""
    return read_table("unconfirmed")


def _typed(column: str) -> pl.Expr:
    if column == "purpose":
        return pl.col(column).fill_null("").str.split(";").list.eval(pl.element().filter(pl.element() != ""))
    if column in _DATES:
        return pl.col(column).str.to_date("%Y-%m-%d")
    return pl.col(column).cast(_DECIMAL) if column in _DECIMALS else pl.col(column)


def _unusable(file: Path, english: str, korean: str) -> OperatorError:
    return OperatorError(
        f"{file.name}: {english}; correct the file",
        f"{file.name}: {korean}. 파일을 고쳐 주세요",
        ExitCode.UNUSABLE_INPUT,
    )
