"""Units of meters: conversion by table, the canonical unit of each carrier, what may be converted at all.

Belongs here: factors between units, per carrier and kind of reading. Does not belong here: the table itself
(pipelines.reference/units.csv; the caller passes it in) and the conversion of fuels into energy or tonnes.
"""

from collections import deque
from decimal import Decimal
from fractions import Fraction
from functools import cache

import polars as pl

CANONICAL_UNITS: dict[str, str] = {
    "electricity": "kWh",
    "natural_gas": "Nm3",
    "lpg": "kg",
    "diesel": "L",
    "heat": "GJ",
    "steam": "GJ",
    "water": "m3",
    "compressed_air": "Nm3",
}
AMOUNT_KINDS = ("register", "interval")
RATE_KINDS = ("power", "mean_power")
# What one unit of power delivers in one hour; exact by definition of the watt-hour.
_POWER_UNITS = {"W": ("kWh", 0.001), "kW": ("kWh", 1.0), "MW": ("kWh", 1000.0)}
_RATE_SUFFIX = "/h"
MULTIPLIER_SCHEMA = pl.Schema(
    {"carrier": pl.String, "kind": pl.String, "unit": pl.String, "multiplier": pl.Float64}
)

Edges = tuple[tuple[str, str, Decimal], ...]


def _edges(units: pl.DataFrame) -> Edges:
    rows = units.select("from_unit", "to_unit", "multiplier")
    return tuple(sorted((str(a), str(b), Decimal(str(m))) for a, b, m in rows.iter_rows()))


@cache
def _neighbours(edges: Edges) -> dict[str, dict[str, Fraction]]:
    graph: dict[str, dict[str, Fraction]] = {}
    for source, target, multiplier in edges:
        graph.setdefault(source, {})[target] = Fraction(multiplier)
    for source, target, multiplier in edges:
        graph.setdefault(target, {}).setdefault(source, 1 / Fraction(multiplier))
    return graph


@cache
def _factor(edges: Edges, from_unit: str, to_unit: str) -> Fraction | None:
    graph = _neighbours(edges)
    if from_unit not in graph:
        return None
    reached = {from_unit: Fraction(1)}
    waiting = deque([from_unit])
    while waiting and to_unit not in reached:
        unit = waiting.popleft()
        for neighbour, multiplier in sorted(graph[unit].items()):
            if neighbour not in reached:
                reached[neighbour] = reached[unit] * multiplier
                waiting.append(neighbour)
    return reached.get(to_unit)


class UnitTable:
    """The conversions of one table without any rounding, each found once."""

    def __init__(self, units: pl.DataFrame) -> None:
        """Keep the table: ``from_unit``, ``to_unit``, ``multiplier`` (to = from x multiplier)."""
        self._edges = _edges(units)
        self._found: dict[tuple[str, str], Fraction | None] = {}

    def factor(self, from_unit: str, to_unit: str) -> Fraction | None:
        """Return what `conversion_factor` does, exactly."""
        pair = (from_unit, to_unit)
        if pair not in self._found:
            self._found[pair] = _factor(self._edges, from_unit, to_unit)
        return self._found[pair]


def conversion_factor(units: pl.DataFrame, from_unit: str, to_unit: str) -> float | None:
    """Return what one `from_unit` is in `to_unit`, by the shortest chain of rows and inverses of rows.

    Args:
        units: ``from_unit``, ``to_unit``, ``multiplier`` (to = from x multiplier).
        from_unit: unit of the amount.
        to_unit: unit wanted.

    Returns:
        The factor; 1 between equal known units; null if no chain connects them (m3 and Nm3 never are: a
        metered m3 of gas is not corrected for pressure and temperature).
    """
    factor = _factor(_edges(units), from_unit, to_unit)
    return None if factor is None else float(factor)


def _rate_parts(unit: str) -> tuple[str, float] | None:
    if unit in _POWER_UNITS:
        return _POWER_UNITS[unit]
    return (unit.removesuffix(_RATE_SUFFIX), 1.0) if unit.endswith(_RATE_SUFFIX) else None


def carrier_unit_multiplier(units: pl.DataFrame, carrier: str, kind: str, unit: str) -> float | None:
    """Return what turns a reading's value into the carrier's canonical unit.

    Args:
        units: ``from_unit``, ``to_unit``, ``multiplier``.
        carrier: energy carrier or medium.
        kind: register, interval (an amount), power, mean_power (W, kW, MW or an amount per h, as `Nm3/h`).
        unit: unit of the value.

    Returns:
        For amounts the factor to the canonical unit; for rates the canonical amount of one unit in one
        hour. Null: the carrier or kind is unknown, or the unit can't be converted.
    """
    canonical = CANONICAL_UNITS.get(carrier)
    if canonical is None:
        return None
    if kind in AMOUNT_KINDS:
        return conversion_factor(units, unit, canonical)
    parts = _rate_parts(unit) if kind in RATE_KINDS else None
    if parts is None:
        return None
    factor = conversion_factor(units, parts[0], canonical)
    return None if factor is None else factor * parts[1]


def unit_multipliers(units: pl.DataFrame) -> pl.DataFrame:
    """Return every unit that a reading may have, with its multiplier: the vectorised form, for joins.

    Args:
        units: ``from_unit``, ``to_unit``, ``multiplier``.

    Returns:
        ``carrier``, ``kind``, ``unit``, ``multiplier`` (as `carrier_unit_multiplier`; never null), sorted.
    """
    amounts = sorted({*units["from_unit"], *units["to_unit"]})
    rates = [*_POWER_UNITS, *(f"{unit}{_RATE_SUFFIX}" for unit in amounts)]
    wanted = [
        (carrier, kind, unit)
        for carrier in CANONICAL_UNITS
        for kinds, names in ((AMOUNT_KINDS, amounts), (RATE_KINDS, rates))
        for kind in kinds
        for unit in names
    ]
    found = [(*key, carrier_unit_multiplier(units, *key)) for key in wanted]
    rows = [row for row in found if row[3] is not None]
    return pl.DataFrame(rows, schema=MULTIPLIER_SCHEMA, orient="row").sort("carrier", "kind", "unit")
