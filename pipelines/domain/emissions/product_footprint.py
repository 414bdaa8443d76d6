"""The footprint of a product: its part of a factory's emissions, and what its supplied inputs brought along.

Belongs here: the frozen form between the ledger and the formats. Does not belong here: how emissions are
shared out (pipelines.domain.emissions.allocation), what a format asks (pipelines.publish.product_formats).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from pipelines.domain.emissions.inventory import InventoryLine

MASS, UNITS, MACHINE_HOURS = "mass", "units", "machine_hours"
METHODS = (MASS, UNITS, MACHINE_HOURS)
GATE_TO_GATE, CRADLE_TO_GATE = "gate_to_gate", "cradle_to_gate"


@dataclass(frozen=True)
class SupplierInput:
    """What one supplied input (material, part, precursor) brings into one unit of a product.

    Args:
        input: id of the input.
        supplier: who says so; null: not said.
        amount_per_unit: of the input in one product unit, in `unit`.
        kg_per_unit: emissions of one unit of the input, cradle to its gate [kg CO2e]; null: not known.
        gwp_set: by which its gases were added; null: not said.
        default_value: whether it is a published default and not the supplier's own figure.
        primary_share: share of it that rests on primary data, 0 to 1; null: not said.
        precursor: whether it is a precursor good of the CBAM.
        cn_code: of the input, combined nomenclature; null: not said.
        country: ISO 3166-1 alpha-2 code of where it was made; null: not said.
        source: document or id of the footprint it is from.
    """

    input: str
    supplier: str | None
    amount_per_unit: float
    unit: str
    kg_per_unit: float | None
    gwp_set: str | None
    default_value: bool
    primary_share: float | None
    precursor: bool
    cn_code: str | None
    country: str | None
    source: str

    @property
    def kg_per_product_unit(self) -> Fraction | None:
        """Return what it brings into one product unit [kg CO2e]; null: not known."""
        if self.kg_per_unit is None:
            return None
        return Fraction(repr(self.amount_per_unit)) * Fraction(repr(self.kg_per_unit))


@dataclass(frozen=True)
class ProductFootprint:
    """Emissions of a product in a factory and period.

    Args:
        cluster: id of the cluster.
        factory: where it was made.
        organisation: name of the firm; null: not known.
        product: id of the product.
        unit: of its quantities: piece, kg ...
        product_class: what it may be compared with.
        mass_kg_per_unit: mass of one unit; null: not said.
        described: what the firm says of it: name, description, cn_code, cpc_code, geography ...
        start: first local date; end: first after the period.
        quantity: good output, in `unit`.
        allocation: how emissions were shared out: a name of METHODS.
        share: of the factory's emissions, by that method, 0 to 1.
        lines: the factory's lines with this product's part as amount, masses and emissions.
        inputs: of suppliers; empty: nothing was said.
        inputs_complete: whether the firm says that `inputs` name everything that it buys for it.
        factors: rows of the factor table that were used.
        known_at: newest nominal time of the rows that it rests on.
    """

    cluster: str
    factory: str
    organisation: str | None
    product: str
    unit: str
    product_class: str
    mass_kg_per_unit: float | None
    described: Mapping[str, str]
    start: date
    end: date
    quantity: float
    allocation: str
    share: Fraction
    lines: tuple[InventoryLine, ...]
    inputs: tuple[SupplierInput, ...]
    inputs_complete: bool
    factors: tuple[Mapping[str, Any], ...]
    known_at: datetime | None
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def boundary(self) -> str:
        """Say what it covers: cradle to gate only if suppliers' inputs are complete and each is known."""
        known = all(one.kg_per_unit is not None for one in self.inputs)
        return CRADLE_TO_GATE if self.inputs_complete and known else GATE_TO_GATE
