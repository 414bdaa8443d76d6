"""The factor tables of a command: the packaged ones, an operator's rows from files, accepted rows.

Belongs here: reading an operator's files with every fault told, putting the tables together. Does not belong
here: the packaged tables (pipelines.reference.tables), choosing a row (pipelines.domain.emissions).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

from pipelines.connectors.exact_csv import ExactTable, fault, read_exact
from pipelines.domain.emissions.activities import is_known_unit
from pipelines.domain.emissions.evaluation import PURPOSES
from pipelines.domain.emissions.fuels import Conversion, fuel_pairs, ncv_gcv_ratios
from pipelines.domain.emissions.gases import BIOGENIC, COMPOSITE, known_gases
from pipelines.domain.emissions.lookup import factor_rows
from pipelines.domain.emissions.rates import CONSUMPTION, ELECTRICITY, Tables
from pipelines.domain.emissions.solutions import factor_unit
from pipelines.domain.emissions.unconfirmed import accepted, factor_activities
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.units import UnitTable
from pipelines.reference import tables as reference

CARBON_VINTAGE = "carbon_vintage"
_MAY_LACK = (
    "published_value", "published_unit", "confidence", "note", "uncertainty_pct_low", "uncertainty_pct_high",
    "ncv_uncertainty_pct_low", "ncv_uncertainty_pct_high",
)  # fmt: skip
_NUMBERS = {
    "emission_factors": ("value", "uncertainty_pct_low", "uncertainty_pct_high"),
    "fuel_properties": (
        "ncv", "gcv", "carbon_content_tc_per_tj", "ncv_uncertainty_pct_low", "ncv_uncertainty_pct_high",
    ),
}  # fmt: skip
_NEEDED = {
    "emission_factors": ("factor_id", "activity", "geography", "basis", "gas", "value", "unit", "source"),
    "fuel_properties": ("fuel", "geography", "vintage", "source"),
}
_DATES = ("valid_from", "valid_to", "published_on")


@dataclass(frozen=True)
class FactorFiles:
    """What a command adds to the packaged tables.

    Args:
        factors: CSV with the columns of emission_factors; null: none.
        fuels: CSV with the columns of fuel_properties, perhaps ``carbon_vintage``; null: none.
        accept: ids of unconfirmed rows.
    """

    factors: Path | None = None
    fuels: Path | None = None
    accept: tuple[str, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """The files that are read."""
        return [path for path in (self.factors, self.fuels) if path is not None]


def factor_table(files: FactorFiles) -> pl.DataFrame:
    """Return emission_factors with an operator's rows.

    Raises:
        OperatorError: the file has faults (UnusableFileError).
    """
    return _extended("emission_factors", reference.emission_factors(), files.factors, _check_factors)


def fuel_table(files: FactorFiles) -> pl.DataFrame:
    """Return fuel_properties with an operator's rows.

    Raises:
        OperatorError: the file has faults (UnusableFileError), or a row mixes two vintages (INCONSISTENT).
    """
    return _extended("fuel_properties", reference.fuel_properties(), files.fuels, _check_fuels)


def added_rows(files: FactorFiles) -> Mapping[str, pl.DataFrame]:
    """Return an operator's rows alone, by name of their table.

    Raises:
        OperatorError: as `factor_table` and `fuel_table`.
    """
    read = (
        ("emission_factors", files.factors, _check_factors),
        ("fuel_properties", files.fuels, _check_fuels),
    )
    return {name: _read_rows(name, path, check) for name, path, check in read if path is not None}


def load_tables(files: FactorFiles) -> Tables:
    """Return what activities are evaluated with.

    Raises:
        OperatorError: as `factor_table` and `fuel_table`, or an id that can't be accepted.
    """
    unconfirmed = reference.unconfirmed()
    rows = accepted(
        factor_rows(factor_table(files)), fuel_pairs(fuel_table(files)), unconfirmed, files.accept
    )
    return Tables(
        rows.factors,
        rows.pairs,
        reference.gwps(),
        reference.parameters(),
        Conversion(UnitTable(reference.units()), ncv_gcv_ratios(reference.parameters())),
        factor_activities(unconfirmed),
    )


def read_use(texts: Sequence[str], tables: Tables) -> Mapping[str, str]:
    """Read `--use ACTIVITY=FACTOR_ID`; of gas rows of one vintage any number may be named.

    Raises:
        OperatorError: UNUSABLE_INPUT: not of that form, no such row, a row of electricity that isn't
            consumption, or two rows that don't go together.
    """
    factors = {factor.factor_id: factor for factor in tables.factors}
    pairs = {pair.pair_id for pair in tables.pairs}
    use: dict[str, str] = {}
    for text in texts:
        activity, _, row = text.partition("=")
        if not activity or (row not in factors and row not in pairs):
            raise fault(
                f"--use {text}: write ACTIVITY=FACTOR_ID with an id of `digital-cluster factors list`",
                f"--use {text}: ACTIVITY=FACTOR_ID로 쓰세요. ID는 `digital-cluster factors list`에 있습니다",
            )
        if activity == ELECTRICITY and (row in pairs or factors[row].basis not in CONSUMPTION):
            raise fault(
                f"--use {text}: purchased electricity needs a row of basis consumption_end; name another",
                f"--use {text}: 구입 전력에는 consumption_end 기준의 행만 쓸 수 있습니다. 다른 행을 쓰세요",
            )
        other = use.setdefault(activity, row)
        together = other in factors and row in factors and factors[other].vintage == factors[row].vintage
        if other != row and not together:
            raise fault(
                f"--use {text}: {activity} uses {other} already; name one row of it",
                f"--use {text}: {activity}에는 이미 {other}을(를) 씁니다. 하나만 쓰세요",
            )
        if other != row and not factors[other].leads:
            use[activity] = row
    return use


def _extended(
    name: str, table: pl.DataFrame, path: Path | None, check: Callable[[ExactTable], None]
) -> pl.DataFrame:
    return table if path is None else reference.with_rows(name, table, _read_rows(name, path, check))


def _read_rows(name: str, path: Path, check: Callable[[ExactTable], None]) -> pl.DataFrame:
    columns = reference.COLUMNS[name]
    required = [column for column in columns if column not in _MAY_LACK]
    read = read_exact(path, required, [*columns, *([CARBON_VINTAGE] if name == "fuel_properties" else [])])
    for column in _NEEDED[name]:
        read.need(column)
    for column in _NUMBERS[name]:
        if column in read.columns:
            read.numbers(column, least=0.0)
    for column in _DATES:
        if column in read.columns:
            read.dates(column)
    _check_keys(read, reference.KEYS[name])
    check(read)
    read.check()
    if CARBON_VINTAGE in read.columns:
        _check_vintages(read)
    texts = read.cells.with_columns(
        pl.lit(None, pl.String).alias(column) for column in columns if column not in read.columns
    ).select(
        pl.col(column).map_elements(_plain, pl.String) if column in _NUMBERS[name] else column
        for column in columns
    )
    return reference.typed(texts)


def _plain(text: str) -> str:
    """Write a number without an exponent."""
    return f"{Decimal(text):f}"


def _check_keys(read: ExactTable, key: Sequence[str]) -> None:
    repeated = read.cells.filter(~pl.struct(key).is_first_distinct())
    for row in repeated.iter_rows(named=True):
        named = ", ".join(str(row[column]) for column in key)
        read.refuse(
            row["row"], key[0], f"{named} stands twice; keep one row",
            f"{named}이(가) 두 번 나옵니다. 한 행만 남기세요",
        )  # fmt: skip


def _check_factors(read: ExactTable) -> None:
    gases = known_gases(reference.gwps()) | {COMPOSITE, BIOGENIC}
    sets = {*reference.gwps()["gwp_set"], "none"}
    for row in read.cells.iter_rows(named=True):
        _check_among(read, row, "gas", gases)
        _check_among(read, row, "gwp_set", sets if row["gas"] == COMPOSITE else {"none"})
        _check_purpose(read, row)
        _check_unit(read, row)
        if row["valid_from"] and row["valid_to"] and row["valid_from"] >= row["valid_to"]:
            read.refuse(
                row["row"], "valid_to", f"{row['valid_to']} is not after valid_from; correct one of them",
                f"{row['valid_to']}이(가) valid_from보다 뒤가 아닙니다. 고치세요",
            )  # fmt: skip


def _check_among(
    read: ExactTable, row: Mapping[str, str], column: str, allowed: frozenset[str] | set[str]
) -> None:
    if row[column] is not None and row[column] not in allowed:
        listed = ", ".join(sorted(allowed))
        read.refuse(
            int(row["row"]), column, f"{row[column]!r} is unknown; use one of {listed}",
            f"{row[column]!r}은(는) 알 수 없는 값입니다. 다음 중 하나를 쓰세요: {listed}",
        )  # fmt: skip


def _check_purpose(read: ExactTable, row: Mapping[str, str]) -> None:
    known = {*PURPOSES, "any"}
    unknown = [one for one in (row["purpose"] or "").split(";") if one and one not in known]
    if unknown:
        _check_among(read, {**row, "purpose": unknown[0]}, "purpose", known)


def _check_unit(read: ExactTable, row: Mapping[str, str]) -> None:
    gas = "CO2" if row["gas"] == BIOGENIC else row["gas"]
    unit = row["unit"] or ""
    if factor_unit(unit) is None or (f"g{gas}/" not in unit and f"t{gas}/" not in unit):
        read.refuse(
            int(row["row"]), "unit", f"{unit!r} is no unit of {gas}; write it like kg{gas}/kWh or t{gas}/t",
            f"{unit!r}은(는) {gas}의 단위가 아닙니다. kg{gas}/kWh나 t{gas}/t처럼 쓰세요",
        )  # fmt: skip


def _check_fuels(read: ExactTable) -> None:
    units = UnitTable(reference.units())
    for row in read.cells.iter_rows(named=True):
        energy, _, per = (row["ncv_unit"] or "").partition("/")
        if (row["ncv"] or row["ncv_unit"]) and not (
            is_known_unit(units, energy) and is_known_unit(units, per)
        ):
            read.refuse(
                row["row"], "ncv_unit", f"{row['ncv_unit']!r} is no calorific unit; write it like MJ/kg",
                f"{row['ncv_unit']!r}은(는) 발열량 단위가 아닙니다. MJ/kg처럼 쓰세요",
            )  # fmt: skip


def _check_vintages(read: ExactTable) -> None:
    """Refuse a calorific value and a carbon content that don't belong together."""
    for row in read.cells.iter_rows(named=True):
        carbon, own = row[CARBON_VINTAGE], row["vintage"]
        if carbon is not None and carbon != own:
            raise OperatorError(
                f"{read.name}, row {row['row']}, column {CARBON_VINTAGE}: the NCV is of vintage {own}, the "
                f"carbon content of {carbon}; take both from one vintage",
                f"{read.name} {row['row']}행 {CARBON_VINTAGE} 열: 발열량은 {own}, 탄소함량은 {carbon}의 "
                "값입니다. 같은 판의 값을 쓰세요",
                ExitCode.INCONSISTENT,
            )
