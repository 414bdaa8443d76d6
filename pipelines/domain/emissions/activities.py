"""What a factory did, as it states it: amounts with units, periods, claims of market instruments.

Belongs here: the rows of an activity file as types, and what a unit says about the basis of an energy. Does
not belong here: reading files (pipelines.jobs), factors.
"""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from pipelines.domain.units import UnitTable

EnergyBasis = Literal["gross", "net", "unstated"]
_SUFFIXES: dict[str, EnergyBasis] = {"_gcv": "gross", "_ncv": "net"}
ENERGY_UNIT = "MJ"


@dataclass(frozen=True)
class Claim:
    """A market instrument that an activity claims.

    Args:
        kwh: claimed [kWh].
        instrument: as the file names it; null: not named.
        certificate_id: one certificate may be claimed once; null: none.
        start: first date for which it was issued; null: the activity's.
        end: first date after it; null: the activity's.
        market: geography in which it is valid; null: the activity's.
        kg_per_kwh: emissions of the claimed electricity [kg CO2e/kWh].
        refused: why it doesn't count, where that is known beforehand (another's certificate); null: it may.
    """

    kwh: Fraction
    instrument: str | None
    certificate_id: str | None
    start: date | None
    end: date | None
    market: str | None
    kg_per_kwh: Fraction
    refused: str | None = None


@dataclass(frozen=True)
class Activity:
    """A row of an activity file.

    Args:
        activity_id: as the file names it; need not be unique.
        activity: what was done: a name of the factor tables, or a gas that escaped.
        amount: in `unit`; null: not known.
        unit: of the amount; `MJ_gcv` and the like state the basis of an energy.
        start: first date.
        end: first date after it.
        geography: where.
        claims: market instruments.
        uncertainty_pct: 95 % half-width of the amount [%]; null: not stated.
        factor_uncertainty_pct: 95 % half-width that overrides that of the factors [%]; null: theirs.
        factor_group: activities of one group share the error of their factor; null: those of one factor do.
        tier: of the emissions trading scheme; null: not stated.
        temperature_c: of a metered gas [degC]; null: not stated.
        pressure_kpa: absolute pressure of a metered gas [kPa]; null: not stated.
        uncertainty_low_pct: 95 % distance below, where it is another than above [%]; null: it isn't.
    """

    activity_id: str
    activity: str
    amount: Fraction | None
    unit: str
    start: date
    end: date
    geography: str
    claims: tuple[Claim, ...] = ()
    uncertainty_pct: float | None = None
    factor_uncertainty_pct: float | None = None
    factor_group: str | None = None
    tier: int | None = None
    temperature_c: Fraction | None = None
    pressure_kpa: Fraction | None = None
    uncertainty_low_pct: float | None = None

    @property
    def days(self) -> int:
        """How many dates it covers."""
        return (self.end - self.start).days


@dataclass(frozen=True)
class AmountUnit:
    """A unit, taken apart.

    Args:
        name: a unit of the table (`MJ` of `MJ_gcv`), or one that only a factor names.
        energy_basis: of an energy; null: no energy.
    """

    name: str
    energy_basis: EnergyBasis | None


def amount_unit(units: UnitTable, text: str) -> AmountUnit:
    """Take a unit apart: a suffix `_gcv` or `_ncv` states whether an energy is gross or net."""
    for suffix, basis in _SUFFIXES.items():
        name = text.removesuffix(suffix)
        if name != text and is_energy(units, name):
            return AmountUnit(name, basis)
    return AmountUnit(text, "unstated" if is_energy(units, text) else None)


def is_energy(units: UnitTable, unit: str) -> bool:
    """Say whether a unit of the table is one of energy."""
    return units.factor(unit, ENERGY_UNIT) is not None


def is_known_unit(units: UnitTable, text: str) -> bool:
    """Say whether the table knows a unit, with or without a stated basis."""
    return units.factor(amount_unit(units, text).name, amount_unit(units, text).name) is not None
