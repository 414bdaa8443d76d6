"""Products: a factory's emissions per unit of what it made, with what its suppliers say of inputs.

Belongs here: which rows of elements, profile, declarations and ledger a footprint needs. Does not belong
here: shares (pipelines.domain.emissions.allocation), lines of the ledger (inventory), documents for others
(product_exporting).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
from pipelines.domain.emissions.inventory import Inventory, InventoryLine
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


@dataclass(frozen=True)
class Production:
    """What a factory made in a period.

    Args:
        outputs: by product, sorted.
        products: what profiles say of each.
        declared: what the factory declares of some.
    """

    outputs: tuple[ProductOutput, ...]
    products: Products
    declared: Mapping[str, Declaration]

    def said_of(self, product: str) -> Declaration:
        """Return what is declared of a product: nothing, if it isn't."""
        return self.declared.get(product, Declaration(product))

    def class_of(self, product: str) -> str | None:
        """Return what a product may be compared with; null: no profile lists it."""
        return self.products.get(product, {}).get("product_class")


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
    made = read_production(night, inventory)
    if missing := gaps(made.outputs, method):
        raise _not_allocable(factory, period, method, missing)
    given = shares(made.outputs, method)
    parts = allocate(inventory.lines, given)
    return [
        _footprint(inventory, made, one, method, given[one.product], parts[one.product])
        for one in made.outputs
    ]


def _footprint(
    inventory: Inventory,
    made: Production,
    one: ProductOutput,
    method: str,
    share: Fraction,
    lines: tuple[InventoryLine, ...],
) -> ProductFootprint:
    said = made.said_of(one.product)
    return ProductFootprint(
        cluster=inventory.cluster,
        factory=inventory.factories[0],
        organisation=inventory.organisation,
        product=one.product,
        unit=one.unit or "",
        product_class=made.class_of(one.product) or "",
        mass_kg_per_unit=one.mass_kg_per_unit,
        described=said.described or {},
        start=inventory.start,
        end=inventory.end,
        quantity=one.quantity or 0.0,
        allocation=method,
        share=share,
        lines=lines,
        inputs=said.inputs,
        inputs_complete=said.inputs_complete,
        factors=inventory.factors,
        known_at=inventory.known_at,
    )


def listed(night: Night, factory: str, period: str) -> pl.DataFrame:
    """List a factory's products of a period: output, mass, machine hours, declaration, what methods lack.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory or period.
    """
    made = read_production(night, read_inventory(night, factory, period, {}))
    lacking = {method: {g.product: g.reason for g in gaps(made.outputs, method)} for method in METHODS}
    rows = [
        {
            "product": one.product,
            "unit": one.unit,
            "product_class": made.class_of(one.product),
            "name": (made.said_of(one.product).described or {}).get("name"),
            "good_output": one.quantity,
            "mass_kg_per_unit": one.mass_kg_per_unit,
            "machine_h": float(ran_s / 3600) if isinstance(ran_s := one.machine_time_s, Fraction) else None,
            "inputs": len(made.declared[one.product].inputs) if one.product in made.declared else None,
            "inputs_complete": made.declared[one.product].inputs_complete
            if one.product in made.declared
            else None,
            **{
                f"{method}_lacks": lacking[method].get(one.product) or lacking[method].get(OF_ALL)
                for method in METHODS
            },
        }
        for one in made.outputs
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


def read_production(night: Night, inventory: Inventory) -> Production:
    """Read what a factory made in an inventory's period, and what it says of it.

    A product that passes several machines counts at each of them, as in every KPI per unit. Profiles and
    declarations count that begin before the period ends, in the factory's zone: of each product the newest.
    """
    factory, profiles = inventory.factories[0], read_profiles(night)
    zone: str = profiles.latest().filter(factory=factory)["zone"][0]
    ends = datetime.combine(inventory.end, time(), ZoneInfo(zone)).astimezone(UTC)
    begun = profiles.rows.filter(pl.col("factory") == factory, pl.col("valid_from") < ends)
    products = {
        row["product"]: row for row in unnested(begun.sort("valid_from"), "products").iter_rows(named=True)
    }
    said = declarations(night.store.open(RAW["products"]).scan().collect(), factory, ends)
    elements = (
        night.store.open(ELEMENTS_DAILY)
        .scan()
        .filter(pl.col("day").is_between(inventory.start, inventory.end, closed="left"), factory=factory)
        .collect()
    )
    return Production(_outputs(elements, products, said), products, said)


def _outputs(
    elements: pl.DataFrame, products: Products, said: Mapping[str, Declaration]
) -> tuple[ProductOutput, ...]:
    table, times = UnitTable(unit_rows()), machine_times(_machine_days(elements))
    good: dict[str, list[float | None]] = {}
    counted = elements.filter(element="gq").sort("product", "machine", "day")
    for product, quantity in counted.select("product", "quantity").iter_rows():
        good.setdefault(product, []).append(quantity)
    units = {product: products[product]["unit"] if product in products else None for product in good}
    return tuple(
        ProductOutput(
            product,
            units[product],
            None if None in quantities else exact_total(quantities),
            _mass(units[product], said.get(product), table),
            times.get(product),
        )
        for product, quantities in sorted(good.items())
    )


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
