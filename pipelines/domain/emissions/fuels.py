"""Fuels: pairs of calorific value and carbon content, their vintages, bases of energy, volumes of gas.

Belongs here: which pair a fuel gets, what one unit of it is as energy, how much of it oxidises, under which
name other tables know it. Does not belong here: factors per energy (lookup), gases and their sums.

NCV and carbon content are a pair of one vintage: they are never mixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from pipelines.domain.emissions.activities import ENERGY_UNIT, Activity, amount_unit
from pipelines.domain.emissions.lookup import EVERYWHERE, Considered, Percent, is_known, percent
from pipelines.domain.units import UnitTable

IPCC = "IPCC-2006"
_KETS, _GIR_2022, _GIR_2017 = "KR-KETS-2025-64", "KR-GIR-2022", "KR-GIR-2017"
VINTAGES: dict[str, tuple[str, ...]] = {
    "k_ets": (_KETS,),
    "disclosure": (_GIR_2022, _GIR_2017, _KETS, IPCC),
    "inventory": (_GIR_2022, _GIR_2017, _KETS, IPCC),
    "cbam": (_GIR_2022, IPCC, _KETS),
}
"""Korean fuels by purpose: the first vintage that is complete, known and begun."""

# reference/README.md: the IPCC rows that give CH4 and N2O of Korean fuels.
_IPCC_NAME = {
    "city_gas_lng": "natural_gas",
    "lng": "natural_gas",
    "propane": "lpg",
    "butane": "lpg",
    "city_gas_lpg": "lpg",
    "b_b_oil": "residual_fuel_oil",
    "b_c_oil": "residual_fuel_oil",
    "b_a_oil": "diesel",
}
# Rows of engines have CH4 and N2O of their own; their CO2 is that of the fuel (notes of the rows).
_ENGINE_FUEL = {
    "diesel_offroad": "diesel",
    "diesel_road": "diesel",
    "gasoline_4stroke_offroad": "gasoline",
    "gasoline_2stroke_offroad": "gasoline",
    "lpg_road": "lpg",
}
KG_CO2_PER_TJ_PER_T_C_PER_TJ = Fraction(44, 12) * 1000
# Nm3: 0 degC and 101.325 kPa (reference/README.md, units.csv).
_NORMAL_K, _NORMAL_KPA = Fraction("273.15"), Fraction("101.325")
UNIT_NOT_CONVERTIBLE, UNCORRECTED = "unit_not_convertible", "uncorrected_volume"
BASIS_MISSING, BASIS_SUSPECT = "energy_basis_missing", "basis_suspect"


@dataclass(frozen=True)
class Pair:
    """A row of fuel_properties: null is not known.

    Args:
        ncv: net calorific value [ncv_unit].
        gcv: gross calorific value [ncv_unit].
        carbon: carbon content per net energy [t C/TJ].
        ncv_uncertainty: 95 % distances below and above [%].
    """

    fuel: str
    geography: str
    vintage: str
    ncv: Fraction | None
    ncv_unit: str | None
    gcv: Fraction | None
    carbon: Fraction | None
    valid_from: date | None
    published_on: date | None
    ncv_uncertainty: Percent | None

    @property
    def pair_id(self) -> str:
        """The key of the row as one word."""
        return f"{self.fuel}:{self.geography}:{self.vintage}"


@dataclass(frozen=True)
class ChosenPair:
    """The pair of a fuel.

    Args:
        pair: null: none is complete, known and begun.
        first: whether it is the one that the purpose asks for first.
        judged: every pair of the fuel and why it is(n't) taken.
    """

    pair: Pair | None
    first: bool
    judged: tuple[Considered, ...]


@dataclass(frozen=True)
class Quantity:
    """What one unit of an activity is in the unit of a factor.

    Args:
        value: null: it can't be told.
        rows: ids of the rows used for it.
        reasons: why not, or what stood in.
        percent: 95 % distances of a calorific value that was used [%]; null: not known; 0: none was.
    """

    value: Fraction | None
    rows: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    percent: Percent | None = (0.0, 0.0)


def fuel_pairs(table: pl.DataFrame) -> tuple[Pair, ...]:
    """Return the rows of fuel_properties, as pipelines.reference.tables reads it."""
    return tuple(_pair(row) for row in table.iter_rows(named=True))


def _pair(row: Mapping[str, Any]) -> Pair:
    return Pair(
        row["fuel"],
        row["geography"],
        row["vintage"],
        _fraction(row["ncv"]),
        row["ncv_unit"],
        _fraction(row["gcv"]),
        _fraction(row["carbon_content_tc_per_tj"]),
        row["valid_from"],
        row["published_on"],
        percent(row["ncv_uncertainty_pct_low"], row["ncv_uncertainty_pct_high"]),
    )


def _fraction(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def fuel_of(activity: str) -> str:
    """Return the fuel that an activity burns: the engine's, or itself."""
    return _ENGINE_FUEL.get(activity, activity)


def ipcc_name(activity: str) -> str:
    """Return the name under which the IPCC rows know a fuel or engine."""
    return _IPCC_NAME.get(activity, activity)


def phase(fuel: str) -> str:
    """Return gas, solid or liquid, as the oxidation factors group fuels."""
    if fuel.startswith("city_gas") or fuel.endswith("_gas") or fuel == "lng":
        return "gas"
    coals = ("anthracite", "bituminous_coal", "coal", "lignite", "coke")
    return "solid" if any(name in fuel for name in coals) else "liquid"


def choose_pair(
    pairs: Sequence[Pair],
    activity: Activity,
    purpose: str,
    as_of: date | None,
    day: date,
    *,
    named: str | None = None,
) -> ChosenPair:
    """Return the first pair of the fuel that is complete, known and begun, in the order of the purpose.

    A pair is complete if it has an NCV: where a Korean one lacks its carbon content, the IPCC CO2 row stands
    in. One that is named by its id comes before all, if it is complete, known and begun.
    """
    of_fuel = [pair for pair in pairs if pair.fuel == fuel_of(activity.activity)]
    ordered, wanted = _ordered(of_fuel, activity.geography, purpose)
    meant = [pair for pair in pairs if pair.pair_id == named]
    if meant:
        of_fuel = [*of_fuel, *(pair for pair in meant if pair not in of_fuel)]
        ordered, wanted = meant, (meant[0].geography, meant[0].vintage)
    judged = [
        Considered(pair.pair_id, taken=False, why="not_named" if meant else "not_of_this_purpose_or_place")
        for pair in of_fuel
        if pair not in ordered
    ]
    chosen = None
    for pair in ordered:
        why = _incomplete(pair, as_of, day) or ("taken" if chosen is None else "later_in_the_order")
        chosen = pair if why == "taken" else chosen
        judged.append(Considered(pair.pair_id, taken=why == "taken", why=why))
    first = chosen is not None and (chosen.geography, chosen.vintage) == wanted
    return ChosenPair(chosen, first, tuple(judged))


def _incomplete(pair: Pair, as_of: date | None, day: date) -> str | None:
    if pair.ncv is None:
        return "incomplete:ncv"
    if not is_known(pair.published_on, pair.valid_from, as_of):
        return "not_yet_published"
    return None if pair.valid_from is None or pair.valid_from <= day else "not_begun"


def _ordered(
    of_fuel: Sequence[Pair], geography: str, purpose: str
) -> tuple[list[Pair], tuple[str, str] | None]:
    """Return the pairs in their order, and geography and vintage of the one that would be exact.

    Vintages that no list names (an operator's) come last: adding one changes no old result.
    """
    by_key = {(pair.geography, pair.vintage): pair for pair in of_fuel}
    local = sorted((p for p in of_fuel if p.geography == geography), key=_newest_first)
    everywhere = sorted((p for p in of_fuel if p.geography == EVERYWHERE), key=_newest_first)
    if geography == EVERYWHERE:
        listed = [(EVERYWHERE, IPCC)]
    elif geography == "KR":
        listed = [(EVERYWHERE if v == IPCC else "KR", v) for v in VINTAGES[purpose]]
    else:
        listed = [(p.geography, p.vintage) for p in local]
    order = [by_key[key] for key in listed if key in by_key]
    order += [pair for pair in local if pair not in order and not _is_listed(pair)]
    if not local:
        order += [pair for pair in everywhere if pair not in order]
    return order, listed[0] if listed else None


def _is_listed(pair: Pair) -> bool:
    return pair.geography == "KR" and any(pair.vintage in listed for listed in VINTAGES.values())


def _newest_first(pair: Pair) -> tuple[int, str]:
    return (-(pair.valid_from or date.min).toordinal(), pair.vintage)


@dataclass(frozen=True)
class Conversion:
    """All that turns one unit of an activity into another unit.

    Args:
        units: unit multipliers.
        ratios: NCV/GCV and its row by phase of the fuel (`gas`, else the rest), for pairs without GCV.
    """

    units: UnitTable
    ratios: Mapping[str, tuple[Fraction, str]]

    def plain(self, activity: Activity, unit: str, *, any_basis: bool = False) -> Quantity:
        """Convert by the table of units: heat and power have no gross and net.

        Args:
            activity: whose unit.
            unit: wanted.
            any_basis: leave it aside that an energy is stated gross or net.
        """
        stated = amount_unit(self.units, activity.unit)
        if stated.energy_basis in {"gross", "net"} and not any_basis:
            return Quantity(None, reasons=(UNIT_NOT_CONVERTIBLE,))
        return self._multiplied(stated.name, unit)

    def fuel(self, activity: Activity, unit: str, *, gross: bool, pair: Pair | None) -> Quantity:
        """Convert one unit of a fuel into energy of a basis, or into mass or normal volume.

        Args:
            activity: whose unit, place, temperature and pressure.
            unit: of the factor.
            gross: whether the factor is per gross energy.
            pair: calorific values; null: none.
        """
        stated = amount_unit(self.units, activity.unit)
        if self.units.factor(unit, ENERGY_UNIT) is None:
            return self._volume(activity, unit)
        if stated.energy_basis is None:
            return self._by_ncv(activity, unit, gross=gross, pair=pair)
        if stated.energy_basis == "unstated" and activity.geography != EVERYWHERE:
            return Quantity(None, reasons=(BASIS_MISSING,))
        energy = self._multiplied(stated.name, unit)
        if (stated.energy_basis == "gross") == gross or energy.value is None:
            return energy
        ratio, rows, reasons = self.net_to_gross(activity, pair)
        changed = energy.value / ratio if gross else energy.value * ratio
        return Quantity(changed, rows, reasons)

    def net_to_gross(
        self, activity: Activity, pair: Pair | None
    ) -> tuple[Fraction, tuple[str, ...], tuple[str, ...]]:
        """Return NCV/GCV of the pair, else IPCC's ratio; with rows used and reasons."""
        if pair is not None and pair.ncv is not None and pair.gcv is not None:
            return pair.ncv / pair.gcv, (pair.pair_id,), ()
        ratio, row = self.ratios["gas" if phase(fuel_of(activity.activity)) == "gas" else "oil_coal"]
        return ratio, (row,), ("ncv_gcv_ratio:ipcc",)

    def _by_ncv(self, activity: Activity, unit: str, *, gross: bool, pair: Pair | None) -> Quantity:
        if pair is None or pair.ncv is None or pair.ncv_unit is None:
            metered = UNCORRECTED in self._volume(activity, "Nm3").reasons
            return Quantity(None, reasons=(UNCORRECTED if metered else UNIT_NOT_CONVERTIBLE,))
        energy_unit, _, per = pair.ncv_unit.partition("/")
        volume = self._volume(activity, per)
        energy = self.units.factor(energy_unit, unit)
        if volume.value is None or energy is None:
            return Quantity(None, reasons=volume.reasons or (UNIT_NOT_CONVERTIBLE,))
        net = volume.value * pair.ncv * energy
        if not gross:
            return Quantity(net, (pair.pair_id,), percent=pair.ncv_uncertainty)
        ratio, rows, reasons = self.net_to_gross(activity, pair)
        return Quantity(net / ratio, (pair.pair_id, *rows), reasons, pair.ncv_uncertainty)

    def _volume(self, activity: Activity, per: str) -> Quantity:
        """Convert an amount of a fuel; a metered m3 of gas only by its temperature and pressure."""
        if phase(fuel_of(activity.activity)) != "gas" or activity.unit != "m3":
            return self._multiplied(activity.unit, per)
        celsius, pressure = activity.temperature_c, activity.pressure_kpa
        if celsius is None or pressure is None:
            return Quantity(None, reasons=(UNCORRECTED,))
        normal = _NORMAL_K / (_NORMAL_K + celsius) * pressure / _NORMAL_KPA
        per_normal = self._multiplied("Nm3", per)
        return per_normal if per_normal.value is None else Quantity(normal * per_normal.value)

    def _multiplied(self, from_unit: str, to_unit: str) -> Quantity:
        if from_unit == to_unit:
            return Quantity(Fraction(1))
        value = self.units.factor(from_unit, to_unit)
        return Quantity(value, reasons=() if value is not None else (UNIT_NOT_CONVERTIBLE,))


def oxidation(
    parameters: pl.DataFrame, activity: Activity, purpose: str, as_of: date | None
) -> tuple[Fraction | None, tuple[str, ...]]:
    """Return the share of carbon that oxidises, with the row that says so: 1 but for tier 2 of k_ets.

    Null: tier 2 was asked for, and no row was known.
    """
    if purpose != "k_ets" or activity.tier != 2:  # noqa: PLR2004 # the tier by its number
        return Fraction(1), ()
    subject = f"{phase(fuel_of(activity.activity))}_fuel_tier2"
    rows = parameters.filter((pl.col("parameter") == "oxidation_factor") & (pl.col("subject") == subject))
    known = [
        row for row in rows.iter_rows(named=True) if is_known(row["published_on"], row["valid_from"], as_of)
    ]
    if not known:
        return None, ()
    newest = max(known, key=lambda row: (row["published_on"] or date.min, row["parameter_id"]))
    return Fraction(newest["value"]), (newest["parameter_id"],)


def ncv_gcv_ratios(parameters: pl.DataFrame) -> dict[str, tuple[Fraction, str]]:
    """Return IPCC's NCV/GCV by phase, with the row's id."""
    rows = parameters.filter(pl.col("parameter") == "ncv_to_gcv_ratio").iter_rows(named=True)
    return {
        "gas" if "gas" in row["subject"] else "oil_coal": (Fraction(row["value"]), row["parameter_id"])
        for row in rows
    }
