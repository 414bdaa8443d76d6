"""Products: a factory's emissions per unit of what it made, with what its suppliers say of inputs.

Belongs here: which rows of elements, profile, declarations and ledger a footprint needs. Does not belong
here: shares (pipelines.domain.emissions.allocation), lines of the ledger (inventory), documents for others
(product_exporting).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.emissions.allocation import (
    OF_ALL,
    Gap,
    MachineDay,
    ProductOutput,
    allocate,
    gaps,
    machine_times,
    shares,
)
from pipelines.domain.emissions.inventory import Inventory
from pipelines.domain.emissions.product_footprint import METHODS, ProductFootprint
from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.product_declarations import Declaration, declarations
from pipelines.domain.sums import exact_total
from pipelines.domain.units import UnitTable
from pipelines.jobs.inventory import read_inventory
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles, unnested
from pipelines.reference.tables import units as unit_rows
from pipelines.schemas.tables import ELEMENTS_DAILY, RAW

Products = Mapping[str, Mapping[str, Any]]


def read_footprint(night: Night, factory: str, product: str, period: str, method: str) -> ProductFootprint:
    """Read the footprint of a product, a factory and a month (`2025-11`) or year (`2025`).

    Args:
        night: its store.
        factory: where it was made.
        product: id of the product, as in the profile.
        period: month or year.
        method: how emissions are shared out: mass, units or machine_hours.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory, period or product, or no good output of it;
            MANDATORY_MISSING: the method lacks something, or the ledger has nothing of the period.
    """
    found = {one.product: one for one in read_footprints(night, factory, period, method)}
    if product not in found:
        raise unusable(
            f"{factory} made no {product} in {period}; made were: {', '.join(found) or 'none'}",
            f"{factory}: {period}에 {product} 생산 실적이 없습니다. 생산품: {', '.join(found) or '없음'}",
        )
    if not found[product].quantity:
        raise unusable(
            f"{factory}: no good {product} in {period}: nothing is emitted per unit",
            f"{factory}: {period}에 {product}의 양품이 없어 단위당 배출량이 없습니다",
        )
    return found[product]


def read_footprints(night: Night, factory: str, period: str, method: str) -> list[ProductFootprint]:
    """Read the footprints of everything that a factory made in a period, by product.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory or period; MANDATORY_MISSING: the method lacks
            something (all of it is named), or the ledger has nothing of the period.
    """
    inventory = read_inventory(night, factory, period, {})
    if not inventory.lines:
        raise _nothing_to_share(factory, period)
    said = declared(night, inventory)
    outputs = read_outputs(night, inventory, said)
    if missing := gaps(outputs, method):
        raise _not_allocable(factory, period, method, missing)
    given = shares(outputs, method)
    parts = allocate(inventory.lines, given)
    products = products_of(night, inventory)
    return [
        ProductFootprint(
            cluster=inventory.cluster,
            factory=factory,
            organisation=inventory.organisation,
            product=one.product,
            unit=one.unit or "",
            product_class=products.get(one.product, {}).get("product_class") or "",
            mass_kg_per_unit=one.mass_kg_per_unit,
            described=said.get(one.product, Declaration(one.product)).described or {},
            start=inventory.start,
            end=inventory.end,
            quantity=one.quantity or 0.0,
            allocation=method,
            share=given[one.product],
            lines=parts[one.product],
            inputs=said.get(one.product, Declaration(one.product)).inputs,
            inputs_complete=said.get(one.product, Declaration(one.product)).inputs_complete,
            factors=inventory.factors,
            known_at=inventory.known_at,
        )
        for one in outputs
    ]


def listed(night: Night, factory: str, period: str) -> pl.DataFrame:
    """List a factory's products of a period: output, mass, machine hours, declaration, what methods lack.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory or period.
    """
    inventory = read_inventory(night, factory, period, {})
    said, products = declared(night, inventory), products_of(night, inventory)
    outputs = read_outputs(night, inventory, said)
    lacking = {method: {g.product: g.reason for g in gaps(outputs, method)} for method in METHODS}
    rows = [
        {
            "product": one.product,
            "unit": one.unit,
            "product_class": products.get(one.product, {}).get("product_class"),
            "name": (said[one.product].described or {}).get("name") if one.product in said else None,
            "good_output": one.quantity,
            "mass_kg_per_unit": one.mass_kg_per_unit,
            "machine_h": float(ran_s / 3600) if isinstance(ran_s := one.machine_time_s, Fraction) else None,
            "inputs": len(said[one.product].inputs) if one.product in said else None,
            "inputs_complete": said[one.product].inputs_complete if one.product in said else None,
            **{
                f"{method}_lacks": lacking[method].get(one.product) or lacking[method].get(OF_ALL)
                for method in METHODS
            },
        }
        for one in outputs
    ]
    return pl.DataFrame(rows, schema=_LISTED, orient="row")


def shown(footprints: Iterable[ProductFootprint]) -> pl.DataFrame:
    """Return footprints per unit: a row for each part, method and GWP set, to 6 significant digits."""
    rows = [
        {
            "product": one.product,
            "unit": one.unit,
            "good_output": one.quantity,
            "allocation": one.allocation,
            "share": float(one.share),
            "boundary": one.boundary,
            "part": part.part,
            "method": part.method,
            "gwp_set": part.gwp_set,
            "kg_co2e_per_unit": _shortened(part.kg_per_unit),
            "primary_data_share": _shortened(part.primary_share),
            "reason": ";".join(part.reasons) or None,
            "provisional": one.provisional,
        }
        for one in footprints
        for part in (*one.own_per_unit(), *one.inputs_per_unit())
    ]
    return pl.DataFrame(rows, schema=_SHOWN, orient="row")


def _shortened(exact: Fraction | None) -> float | None:
    return None if exact is None else float(f"{float(exact):.6g}")


def declared(night: Night, inventory: Inventory) -> dict[str, Declaration]:
    """Return what the factory says of its products at the end of an inventory's period."""
    rows = night.store.open(RAW["products"]).scan().collect()
    return declarations(rows, inventory.factories[0], _end_of(night, inventory))


def products_of(night: Night, inventory: Inventory) -> Products:
    """Return the products that profiles list before an inventory's period ends, each as the newest says."""
    begun = read_profiles(night).rows.filter(
        pl.col("factory") == inventory.factories[0], pl.col("valid_from") < _end_of(night, inventory)
    )
    oldest_first = unnested(begun.sort("valid_from"), "products")
    return {row["product"]: row for row in oldest_first.iter_rows(named=True)}


def read_outputs(night: Night, inventory: Inventory, said: Mapping[str, Declaration]) -> list[ProductOutput]:
    """Return what a factory made in an inventory's period, by product.

    A product that passes several machines counts at each of them, as in every KPI per unit.
    """
    elements = (
        night.store.open(ELEMENTS_DAILY)
        .scan()
        .filter(pl.col("day").is_between(inventory.start, inventory.end, closed="left"))
        .filter(factory=inventory.factories[0])
        .collect()
    )
    products, table = products_of(night, inventory), UnitTable(unit_rows())
    good: dict[str, list[float | None]] = {}
    for product, quantity in (
        elements.filter(element="gq")
        .sort("product", "machine", "day")
        .select("product", "quantity")
        .iter_rows()
    ):
        good.setdefault(product, []).append(quantity)
    times = machine_times(_machine_days(elements))
    return [
        ProductOutput(
            product,
            products.get(product, {}).get("unit"),
            None if None in quantities else exact_total(quantities),
            _mass(products.get(product, {}).get("unit"), said.get(product), table),
            times.get(product),
        )
        for product, quantities in sorted(good.items())
    ]


def _machine_days(elements: pl.DataFrame) -> list[MachineDay]:
    keys = ["machine", "day"]
    of_product = elements.filter(pl.col("product") != OF_ALL)
    made = of_product.filter(element="pq").select(*keys, "product", produced="quantity")
    planned = of_product.filter(element="pru_s").select(*keys, "product", pru_s="quantity")
    # A machine that sends no states has an APT of 0, of which nothing is known: that is no time.
    known = pl.when(pl.col("coverage") > 0).then("quantity")
    ran = elements.filter(product=OF_ALL, element="apt_s").select(*keys, apt_s=known)
    rows = made.join(planned, on=[*keys, "product"], how="left").join(ran, on=keys, how="left")
    columns = (*keys, "product", "produced", "pru_s", "apt_s")
    return [MachineDay(*row) for row in rows.sort(*keys, "product").select(columns).iter_rows()]


def _mass(unit: str | None, said: Declaration | None, table: UnitTable) -> float | None:
    """Return the mass of a unit: that of the unit itself, else what the firm says."""
    itself = None if unit is None else table.factor(unit, "kg")
    if itself is not None:
        return float(itself)
    return None if said is None else said.mass_kg_per_unit


def _end_of(night: Night, inventory: Inventory) -> datetime:
    """Return the instant at which an inventory's period ends in its factory's zone."""
    zone: str = read_profiles(night).latest().filter(factory=inventory.factories[0])["zone"][0]
    return datetime.combine(inventory.end, time(), ZoneInfo(zone)).astimezone(UTC)


def _not_allocable(factory: str, period: str, method: str, missing: tuple[Gap, ...]) -> OperatorError:
    named = ", ".join(
        gap.reason if gap.product == OF_ALL else f"{gap.product}: {gap.reason}" for gap in missing
    )
    return OperatorError(
        f"{factory}, {period}: emissions can't be shared out by {method} ({named}): declare what is missing "
        "(stream products, profile), or choose another method.",
        f"{factory}, {period}: {method} 기준으로 배분할 수 없습니다({named}). 제품 자료나 "
        "프로필을 보완하거나 다른 방법을 선택하세요.",
        ExitCode.MANDATORY_MISSING,
    )


def _nothing_to_share(factory: str, period: str) -> OperatorError:
    return OperatorError(
        f"{factory}, {period}: the carbon ledger has no emissions of it: let a night run first, or ask for a "
        "period with facts.",
        f"{factory}, {period}: 탄소 원장에 배출량이 없습니다. 야간 실행 후 다시 시도하거나 자료가 있는 "
        "기간을 지정하세요.",
        ExitCode.MANDATORY_MISSING,
    )


_LISTED = {
    "product": pl.String, "unit": pl.String, "product_class": pl.String, "name": pl.String,
    "good_output": pl.Float64, "mass_kg_per_unit": pl.Float64, "machine_h": pl.Float64, "inputs": pl.Int64,
    "inputs_complete": pl.Boolean, **{f"{method}_lacks": pl.String for method in METHODS},
}  # fmt: skip
_SHOWN = {
    "product": pl.String, "unit": pl.String, "good_output": pl.Float64, "allocation": pl.String,
    "share": pl.Float64, "boundary": pl.String, "part": pl.String, "method": pl.String, "gwp_set": pl.String,
    "kg_co2e_per_unit": pl.Float64, "primary_data_share": pl.Float64, "reason": pl.String,
    "provisional": pl.Boolean,
}  # fmt: skip
