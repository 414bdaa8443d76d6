"""Emissions per unit of a product: own and brought along, GWP sets, share of primary data.

Belongs here: which lines count, exact division, what is missing for it. Does not belong here: how emissions
are shared out (pipelines.domain.emissions.allocation), forms.

A product's own figure takes electricity by market: the contract where there is one, the residual mix or the
grid average else (ISO 14067:2018, 6.4.9.4). The CBAM takes it by location.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.domain.emissions.product_footprint import (
    CRADLE_TO_GATE,
    ProductFootprint,
    SupplierInput,
    measured_share,
    weighted_share,
)
from pipelines.domain.sums import exact_total
from pipelines.publish.product_formats.exact import as_decimal, exact
from pipelines.publish.product_formats.told import Fault, Told

MARKET, LOCATION = "market", "location"
UNSTATED: Final = "unstated"
_OWN: Final = ("1", "2")
_CO2_ALONE: Final = {"CO2"}
UPSTREAM_MISSING: Final = "upstream_emissions_missing"


def counted(footprint: ProductFootprint, method: str) -> tuple[InventoryLine, ...]:
    """Return the lines of the factory's own gates, scope 2 by one method.

    Scope 3 isn't among them: what came before the gates, the inputs say.
    """
    return tuple(line for line in footprint.lines if line.scope in _OWN and line.method in ("-", method))


def left_out(footprint: ProductFootprint) -> list[str]:
    """Name the activities of the ledger that don't count: scope 3, or none."""
    return sorted({line.activity for line in footprint.lines if line.scope not in _OWN})


def total_kg(lines: Iterable[InventoryLine]) -> Fraction:
    """Add lines as the ledger does [kg CO2e]; zero if there are none."""
    return exact(exact_total(line.co2e_kg for line in lines) or 0.0)


def own_kg_per_unit(footprint: ProductFootprint, method: str) -> Fraction:
    """Return what the factory emitted for one unit, gate to gate [kg CO2e]."""
    return total_kg(counted(footprint, method)) / exact(footprint.quantity)


def brought_kg_per_unit(inputs: Iterable[SupplierInput]) -> Fraction:
    """Return what inputs bring into one unit, each cradle to its gate [kg CO2e].

    Raises:
        ValueError: one isn't known.
    """
    brought = [(one.input, one.kg_per_product_unit) for one in inputs]
    if unknown := [name for name, kg in brought if kg is None]:
        raise ValueError(", ".join(unknown))
    return sum((kg for _, kg in brought if kg is not None), Fraction(0))


def mass_kg(footprint: ProductFootprint) -> Fraction:
    """Return the mass of one unit [kg].

    Raises:
        ValueError: it isn't known.
    """
    if footprint.mass_kg_per_unit is None:
        raise ValueError(footprint.product)
    return exact(footprint.mass_kg_per_unit)


def kg_per_unit(footprint: ProductFootprint) -> Fraction:
    """Return own and brought along emissions of one unit [kg CO2e]; only own ones if it is gate to gate."""
    return own_kg_per_unit(footprint, MARKET) + brought_kg_per_unit(counted_inputs(footprint))


def primary_percent(footprint: ProductFootprint) -> Decimal | None:
    """Return the share of emissions that rests on primary data [%].

    Null: an input doesn't say, or nothing was emitted. The factory's own part rests on its meters and
    records, but for what was estimated; a published default has no share of its own.
    """
    quantity = exact(footprint.quantity)
    own = (
        (exact(line.co2e_kg or 0.0) / quantity, measured_share(line)) for line in counted(footprint, MARKET)
    )
    brought = ((one.kg_per_product_unit, one.primary_data_share) for one in counted_inputs(footprint))
    share = weighted_share([*own, *brought])
    return None if share is None else as_decimal(100 * share)


def own_sets(lines: Iterable[InventoryLine]) -> list[str]:
    """Name the GWP sets of lines; `unstated` if the source of a composite factor doesn't say."""
    return sorted({name for _, name in line_sets(lines)})


def input_sets(inputs: Iterable[SupplierInput]) -> list[str]:
    """Name the GWP sets of inputs; `unstated` if one doesn't say."""
    return sorted({name for _, name in supplied_sets(inputs)})


def counted_inputs(footprint: ProductFootprint) -> tuple[SupplierInput, ...]:
    """Return the inputs that count in the figure: none if it is gate to gate."""
    return footprint.inputs if footprint.boundary == CRADLE_TO_GATE else ()


def document_sets(footprint: ProductFootprint) -> list[str]:
    """Name every GWP set that some counted line or input was added by."""
    sets = {*own_sets(counted(footprint, MARKET)), *input_sets(counted_inputs(footprint))}
    return sorted(sets)


def upstream_faults(footprint: ProductFootprint) -> list[Fault]:
    """List why the figure is none from cradle to gate; empty: it is one."""
    found: list[Fault] = []
    if not footprint.inputs:
        found.append((
            f"{UPSTREAM_MISSING}: no supplied input of {footprint.product} is told (only gate to gate)",
            f"{UPSTREAM_MISSING}: {footprint.product}의 구매 투입물이 없음. 공장 내 배출만으로는 부족함",
        ))  # fmt: skip
    elif not footprint.inputs_complete:
        found.append((
            f"{UPSTREAM_MISSING}: the inputs of {footprint.product} aren't said to be complete",
            f"{UPSTREAM_MISSING}: {footprint.product}의 투입물이 전부라고 밝혀지지 않음",
        ))  # fmt: skip
    return found + [
        (
            f"{UPSTREAM_MISSING}: emissions of input {one.input}",
            f"{UPSTREAM_MISSING}: 투입물 {one.input}의 배출량",
        )
        for one in footprint.inputs
        if one.kg_per_unit is None
    ]


def method_faults(footprint: ProductFootprint, method: str) -> list[Fault]:
    """List what was bought as energy and isn't known by a method."""
    korean = {MARKET: "시장", LOCATION: "지역"}[method]
    bought = {line.activity for line in footprint.lines if line.scope == "2"}
    known = {line.activity for line in footprint.lines if line.scope == "2" and line.method in ("-", method)}
    return [
        (f"{activity} by the {method}-based method", f"{korean} 기준 {activity} 배출량")
        for activity in sorted(bought - known)
    ]


def mixed_faults(lines: Iterable[InventoryLine]) -> list[Fault]:
    """List the GWP sets of own lines if there is more than one: different sets are never added."""
    named = [name for name in own_sets(lines) if name != UNSTATED]
    if len(named) <= 1:
        return []
    names = ", ".join(named)
    return [
        (
            f"one GWP set for all own lines (there are {names})",
            f"모든 내역에 같은 지구온난화지수 판 (현재 {names})",
        )
    ]


def line_sets(lines: Iterable[InventoryLine]) -> list[tuple[str, str]]:
    """Return pairs of an activity and its GWP set; carbon dioxide alone needs none."""
    return [
        (line.activity, line.gwp_set or UNSTATED)
        for line in lines
        if line.gwp_set is not None or set(line.masses_kg) != _CO2_ALONE
    ]


def supplied_sets(inputs: Iterable[SupplierInput]) -> list[tuple[str, str]]:
    """Return pairs of an input and its GWP set."""
    return [(one.input, one.gwp_set or UNSTATED) for one in inputs]


def set_faults(named: Iterable[tuple[str, str]], allowed: tuple[str, ...]) -> list[Fault]:
    """List what was added by a GWP set that a form doesn't accept.

    Args:
        named: pairs of an activity or input and its set.
        allowed: sets that the form accepts.
    """
    return [
        (
            f"GWP set {' or '.join(allowed)} of {what}, instead of {name}",
            f"{what}의 지구온난화지수 판 {' 또는 '.join(allowed)} ({name} 대신)",
        )
        for what, name in dict.fromkeys(named)
        if name not in allowed
    ]


def primary_faults(footprint: ProductFootprint) -> list[Fault]:
    """List why the share of primary data isn't known: an input doesn't say, or nothing was emitted."""
    emitted = [*(line.co2e_kg for line in footprint.lines), *(one.kg_per_unit for one in footprint.inputs)]
    found = (
        []
        if any(emitted)
        else [("emissions above zero, for a share of primary data", "0보다 큰 배출량(1차 데이터 비율)")]
    )
    return found + [
        (f"primary_share of input {one.input}", f"투입물 {one.input}의 1차 데이터 비율")
        for one in footprint.inputs
        if one.primary_share is None and not one.default_value
    ]


def biogenic_faults(footprint: ProductFootprint) -> list[Fault]:
    """List burnt biomass: the ledger keeps its carbon dioxide apart, and no uptake to set against it."""
    return [
        (f"uptake of the biogenic CO2 of {activity}", f"{activity}의 생물 기원 CO2에 대응하는 흡수량")
        for activity in sorted({x.activity for x in counted(footprint, MARKET) if x.co2_biogenic_kg})
    ]


def remarks(told: Told) -> str:
    """Say in a sentence each what a reader must know to use the figure."""
    footprint = told.footprint
    provisional = any(line.provisional for line in counted(footprint, MARKET))
    reasons = sorted({reason for line in counted(footprint, MARKET) for reason in line.reasons})
    said = [
        f"Boundary: {footprint.boundary}.",
        f"Allocated by {footprint.allocation}.",
        "Scope 2 by the market-based method.",
        f"GWP sets: {', '.join(document_sets(footprint))}.",
        f"Not counted, scope 3 of the ledger: {', '.join(out)}." if (out := left_out(footprint)) else None,
        "Unverified.",
        "Provisional: it may still change by itself." if provisional else None,
        f"Notes of the ledger: {', '.join(reasons)}." if reasons else None,
        told.text("comment"),
    ]
    return " ".join(sentence for sentence in said if sentence)
