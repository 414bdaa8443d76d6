"""Emissions from files: `digital-cluster emissions evaluate`.

Belongs here: reading the command's files, calling the arithmetic, writing the result. Does not belong here:
factors and figures (pipelines.domain.emissions), the night's emissions (pipelines.jobs.emissions).

On any failure no output is left, also none of an earlier run: what lies there would pass as the answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, cast, get_args

import polars as pl

from pipelines.connectors.exact_csv import (
    ExactTable,
    clear_outputs,
    date_of,
    fault,
    read_exact,
    write_whole,
)
from pipelines.domain.emissions.activities import Activity, Claim, is_known_unit
from pipelines.domain.emissions.evaluation import PURPOSES, Request, evaluate
from pipelines.domain.emissions.figures import Figure
from pipelines.domain.emissions.gases import BIOGENIC, MethaneOrigin
from pipelines.domain.emissions.lookup import Percent
from pipelines.domain.emissions.rates import Tables
from pipelines.domain.emissions.solutions import factor_unit
from pipelines.domain.emissions.totals import ALL_ACTIVITIES, BOTH_SCOPES, Total
from pipelines.jobs.factor_tables import FactorFiles, load_tables, read_use

REQUIRED = ("activity_id", "activity", "amount", "unit", "start", "end", "geography")
OPTIONAL = (
    "claimed_kwh", "instrument", "certificate_id", "claim_start", "claim_end", "market",
    "instrument_kg_per_kwh", "uncertainty_pct", "factor_uncertainty_pct", "factor_group", "tier",
    "temperature_c", "pressure_kpa",
)  # fmt: skip
OUTPUT_COLUMNS = (
    "activity_id", "scope", "method", "co2_kg", "ch4_kg", "n2o_kg", "other_gas", "other_kg",
    "co2_biogenic_kg", "co2e_kg", "factor_id", "factor_match", "provisional", "gwp_set",
    "uncertainty_low_pct", "uncertainty_high_pct", "reason",
)  # fmt: skip
_AT_LEAST_ZERO = (
    "amount", "claimed_kwh", "instrument_kg_per_kwh", "uncertainty_pct", "factor_uncertainty_pct",
)  # fmt: skip
_ZERO_KELVIN_C = -273.15
_TIERS = (1.0, 2.0, 3.0, 4.0)
_MASS_COLUMNS = ("CO2", "CH4", "N2O")


@dataclass(frozen=True)
class EmissionOptions:
    """What `emissions evaluate` is asked beside its files, as texts.

    Args:
        purpose: disclosure, k_ets, cbam or inventory.
        accepted_instruments: market instruments accepted by name.
        as_of: date; null: everything is known.
        gwp: name of the GWP set; null: by purpose.
        methane_origin: fossil or nonfossil; null: origin-neutral.
        use: ACTIVITY=FACTOR_ID.
    """

    purpose: str = "disclosure"
    accepted_instruments: tuple[str, ...] = ()
    as_of: str | None = None
    gwp: str | None = None
    methane_origin: str | None = None
    use: tuple[str, ...] = ()


def evaluate_file(activities: Path, files: FactorFiles, options: EmissionOptions, out: Path) -> None:
    """Evaluate the emissions of a file of activities.

    Args:
        activities: CSV with REQUIRED and perhaps OPTIONAL columns.
        files: what is added to the packaged factor tables.
        options: how they are evaluated.
        out: where OUTPUT_COLUMNS are written: the activities in their order, totals last.

    Raises:
        OperatorError: UNUSABLE_INPUT: an option, or a file with faults (UnusableFileError); INCONSISTENT: a
            fuel row that mixes vintages, or accepted bounds of another value.
    """
    clear_outputs([out], [activities, *files.paths])
    purpose, as_of = read_purpose(options.purpose), read_date("--as-of", options.as_of)
    tables = load_tables(files)
    request = Request(
        purpose,
        as_of,
        options.gwp,
        read_origin(options.methane_origin),
        read_use(options.use, tables),
        options.accepted_instruments,
    )
    table = read_exact(activities, REQUIRED, OPTIONAL)
    rows = _activities(table, tables)
    figures, sums = evaluate(rows, tables, request)
    _refuse_claims_elsewhere(table, rows, figures)
    write_whole(out, OUTPUT_COLUMNS, [*map(_figure_cells, figures), *map(_total_cells, sums)])


def read_purpose(text: str) -> str:
    """Read a --purpose.

    Raises:
        OperatorError: UNUSABLE_INPUT: there is none of that name.
    """
    if text not in PURPOSES:
        listed = ", ".join(PURPOSES)
        raise fault(
            f"--purpose {text}: unknown; name one of {listed}",
            f"--purpose {text}: 알 수 없는 목적입니다. 다음 중 하나를 쓰세요: {listed}",
        )
    return text


def read_origin(text: str | None) -> MethaneOrigin | None:
    """Read a --methane-origin; null: it isn't given.

    Raises:
        OperatorError: UNUSABLE_INPUT: neither fossil nor nonfossil.
    """
    if text is not None and text not in get_args(MethaneOrigin):
        raise fault(
            f"--methane-origin {text}: write fossil or nonfossil",
            f"--methane-origin {text}: fossil이나 nonfossil을 쓰세요",
        )
    return cast("MethaneOrigin | None", text)


def read_date(option: str, text: str | None) -> date | None:
    """Read a date of an option, as `read_day`; null: it isn't given."""
    return None if text is None else read_day(option, text)


def read_day(option: str, text: str) -> date:
    """Read a date of an option.

    Raises:
        OperatorError: UNUSABLE_INPUT: it is no date.
    """
    day = date_of(text)
    if day is None:
        raise fault(
            f"{option} {text!r} is no date: write it like 2025-11-03",
            f"{option} {text!r}은(는) 날짜가 아닙니다. 2025-11-03처럼 쓰세요",
        )
    return day


def _activities(table: ExactTable, tables: Tables) -> list[Activity]:
    for column in ("activity_id", "activity", "unit", "start", "end", "geography"):
        table.need(column)
    for column in _AT_LEAST_ZERO:
        if column in table.columns:
            table.numbers(column, least=0.0)
    dates: dict[str, list[date | None]] = {}
    dates |= {c: table.dates(c) for c in ("start", "end", "claim_start", "claim_end") if c in table.columns}
    _check_conditions(table)
    _check_periods(table, dates)
    _check_units(table, tables)
    table.check()
    cells = table.cells.with_columns(pl.Series(name, days, pl.Date) for name, days in dates.items())
    absent = [name for name in OPTIONAL if name not in cells.columns]
    complete = cells.with_columns(pl.lit(None).alias(name) for name in absent)
    return [_activity(row) for row in complete.iter_rows(named=True)]


def _check_conditions(table: ExactTable) -> None:
    for column, least in (("temperature_c", _ZERO_KELVIN_C), ("pressure_kpa", 0.0)):
        if column in table.columns:
            values = table.numbers(column, least=least)
            for row in table.cells.filter(values == least)["row"]:
                table.refuse(
                    row,
                    column,
                    f"must be more than {least}; correct it",
                    f"{least}보다 커야 합니다. 고치세요",
                )
    if "tier" in table.columns:
        values = table.numbers("tier")
        for row in table.cells.filter(values.is_not_null() & ~values.is_in(_TIERS))["row"]:
            table.refuse(row, "tier", "is no tier; write 1, 2, 3 or 4", "1, 2, 3, 4 중 하나를 쓰세요")


def _check_periods(table: ExactTable, dates: Mapping[str, Sequence[date | None]]) -> None:
    for first, after in (("start", "end"), ("claim_start", "claim_end")):
        if first not in dates or after not in dates:
            continue
        for row, start, end in zip(table.cells["row"], dates[first], dates[after], strict=True):
            if start is not None and end is not None and start >= end:
                table.refuse(
                    row, after, f"{end} is not after {first} {start}; it is the first date after the period",
                    f"{end}이(가) {first} {start}보다 뒤가 아닙니다. 기간 다음 날을 쓰세요",
                )  # fmt: skip
    for row in table.cells.filter(pl.col("activity_id") == ALL_ACTIVITIES)["row"]:
        table.refuse(
            row, "activity_id", "* is the name of the total; give the activity another name",
            "*은(는) 합계의 이름입니다. 다른 이름을 쓰세요",
        )  # fmt: skip


def _check_units(table: ExactTable, tables: Tables) -> None:
    """Refuse a unit that neither the table of units nor a factor of any activity names."""
    per = {parts[1] for factor in tables.factors if (parts := factor_unit(factor.unit)) is not None}
    for row, unit in table.cells.select("row", "unit").drop_nulls().iter_rows():
        if unit not in per and not is_known_unit(tables.conversion.units, unit):
            table.refuse(
                row, "unit", f"{unit!r} is unknown; use a unit of units.csv, or MJ_gcv, MJ_ncv and the like",
                f"{unit!r}은(는) 알 수 없는 단위입니다. units.csv의 단위나 MJ_gcv, MJ_ncv 등을 쓰세요",
            )  # fmt: skip


def _activity(row: Mapping[str, Any]) -> Activity:
    return Activity(
        row["activity_id"],
        row["activity"],
        _exact(row["amount"]),
        row["unit"],
        row["start"],
        row["end"],
        row["geography"],
        claims=_claims(row),
        uncertainty_pct=_number(row["uncertainty_pct"]),
        factor_uncertainty_pct=_number(row["factor_uncertainty_pct"]),
        factor_group=row["factor_group"],
        tier=None if row["tier"] is None else int(float(row["tier"])),
        temperature_c=_exact(row["temperature_c"]),
        pressure_kpa=_exact(row["pressure_kpa"]),
    )


def _claims(row: Mapping[str, Any]) -> tuple[Claim, ...]:
    kwh = _exact(row["claimed_kwh"])
    if kwh is None:
        return ()
    claim = Claim(
        kwh,
        row["instrument"],
        row["certificate_id"],
        row["claim_start"],
        row["claim_end"],
        row["market"],
        _exact(row["instrument_kg_per_kwh"]) or Fraction(0),
    )
    return (claim,)


def _exact(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _refuse_claims_elsewhere(table: ExactTable, rows: Sequence[Activity], figures: Iterable[Figure]) -> None:
    """Refuse claims of market instruments where there is no market-based figure."""
    dual = {id(made.activity) for made in figures if made.scope == "2"}
    for number, one in zip(table.cells["row"], rows, strict=True):
        if any(claim.kwh for claim in one.claims) and id(one) not in dual:
            table.refuse(
                number, "claimed_kwh",
                f"{one.activity} is not of scope 2, it can't claim an instrument; empty it",
                f"{one.activity}은(는) scope 2가 아니어서 인증서를 쓸 수 없습니다. 비우세요",
            )  # fmt: skip
    table.check()


def _figure_cells(made: Figure) -> list[object]:
    return [
        made.activity.activity_id, made.scope, made.method, *_mass_cells(made.masses_kg),
        _rounded(made.co2e_kg), ";".join(made.rows), made.match, _yes_no(made.provisional), made.gwp_set,
        *_percent_cells(made.percent), ";".join(made.reasons),
    ]  # fmt: skip


def _total_cells(total: Total) -> list[object]:
    return [
        ALL_ACTIVITIES, BOTH_SCOPES, total.method, *_mass_cells(total.masses_kg), _rounded(total.co2e_kg),
        None, None, _yes_no(total.provisional), total.gwp_set, *_percent_cells(total.percent),
        ";".join(total.reasons),
    ]  # fmt: skip


def _mass_cells(masses: Mapping[str, Fraction]) -> list[object]:
    """Return masses by column; of several other gases only the names, for their masses are not added."""
    others = [gas for gas in masses if gas not in {*_MASS_COLUMNS, BIOGENIC}]
    return [
        *(_rounded(masses.get(gas)) for gas in _MASS_COLUMNS),
        ";".join(others),
        _rounded(masses[others[0]]) if len(others) == 1 else None,
        _rounded(masses.get(BIOGENIC)),
    ]


def _percent_cells(percent: Percent | None) -> tuple[float | None, float | None]:
    return (None, None) if percent is None else percent


def _rounded(value: Fraction | None) -> float | None:
    """Round an exact figure once: to the nearest float, which is written in full."""
    return None if value is None else float(value)


def _yes_no(value: bool) -> str:  # noqa: FBT001 # a cell's value
    return "true" if value else "false"
