"""The footprint of a product: its part of a factory's emissions, and what its supplied inputs brought along.

Belongs here: the frozen form between the ledger and the formats. Does not belong here: how emissions are
shared out (pipelines.domain.emissions.allocation), what a format asks (pipelines.publish.product_formats).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from pipelines.domain.emissions.inventory import InventoryLine

MASS, UNITS, MACHINE_HOURS = "mass", "units", "machine_hours"
METHODS = (MASS, UNITS, MACHINE_HOURS)
UNSTATED = "unstated"
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

    @property
    def primary_data_share(self) -> float | None:
        """Return what of it is primary data: nothing of a published default, whatever is said of it."""
        return 0.0 if self.default_value else self.primary_share


@dataclass(frozen=True)
class PartPerUnit:
    """A part of a unit's footprint; parts of different GWP sets, or of both methods, are never added.

    Args:
        part: scope_1, scope_2, scope_3 or inputs.
        method: location or market of scope 2; - else.
        gwp_set: by which gases were added; `unstated`.
        kg_per_unit: [kg CO2e per product unit]; null: something in it isn't known.
        primary_share: share of it, by emissions, whose amounts were measured or told (of inputs: that the
            suppliers call primary); null: not known.
        reasons: codes: why one of the two is null; those of the ledger's lines, `no_good_output`,
            `input_not_known:<input>`, `primary_share_not_told:<input>`.
    """

    part: str
    method: str
    gwp_set: str
    kg_per_unit: Fraction | None
    primary_share: Fraction | None
    reasons: tuple[str, ...] = ()


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
        about: what only the operator tells: the fields that a format asks for.
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

    @property
    def provisional(self) -> bool:
        """Say whether some line may still change by itself."""
        return any(line.provisional for line in self.lines)

    def own_per_unit(self) -> tuple[PartPerUnit, ...]:
        """Return what the factory's own gates bring into a unit, by scope, method and GWP set, unrounded."""
        parts: dict[tuple[str, str, str], list[InventoryLine]] = {}
        for line in self.lines:
            parts.setdefault((line.scope, line.method, line.gwp_set or UNSTATED), []).append(line)
        quantity = Fraction(repr(self.quantity))
        return tuple(
            PartPerUnit(
                f"scope_{scope}",
                method,
                gwp_set,
                _per_unit(lines, quantity),
                _own_primary(lines),
                _own_reasons(lines, quantity),
            )
            for (scope, method, gwp_set), lines in sorted(parts.items())
        )

    def inputs_per_unit(self) -> tuple[PartPerUnit, ...]:
        """Return what supplied inputs bring into a unit, by GWP set, unrounded."""
        parts: dict[str, list[SupplierInput]] = {}
        for one in self.inputs:
            parts.setdefault(one.gwp_set or UNSTATED, []).append(one)
        return tuple(
            PartPerUnit(
                "inputs", "-", gwp_set, _total(given), _supplied_primary(given), _supplied_reasons(given)
            )
            for gwp_set, given in sorted(parts.items())
        )


def _per_unit(lines: Sequence[InventoryLine], quantity: Fraction) -> Fraction | None:
    if not quantity or any(line.co2e_kg is None for line in lines):
        return None
    return sum((Fraction(line.co2e_kg or 0.0) for line in lines), Fraction(0)) / quantity


def _own_reasons(lines: Sequence[InventoryLine], quantity: Fraction) -> tuple[str, ...]:
    unknown = [line for line in lines if line.co2e_kg is None]
    codes = sorted({code for line in unknown for code in line.reasons or ("not_known",)})
    return tuple(codes) if quantity else ("no_good_output", *codes)


def _supplied_reasons(inputs: Sequence[SupplierInput]) -> tuple[str, ...]:
    return (
        *(f"input_not_known:{one.input}" for one in inputs if one.kg_per_unit is None),
        *(f"primary_share_not_told:{one.input}" for one in inputs if one.primary_data_share is None),
    )


def _total(inputs: Sequence[SupplierInput]) -> Fraction | None:
    brought = [one.kg_per_product_unit for one in inputs]
    return None if None in brought else sum((kg for kg in brought if kg is not None), Fraction(0))


def _own_primary(lines: Sequence[InventoryLine]) -> Fraction | None:
    return weighted_share((line.co2e_kg, measured_share(line)) for line in lines)


def _supplied_primary(inputs: Sequence[SupplierInput]) -> Fraction | None:
    return weighted_share((one.kg_per_product_unit, one.primary_data_share) for one in inputs)


def measured_share(line: InventoryLine) -> float:
    """Return the share of a line's amount that was measured, or told by the firm, and not estimated."""
    return 1.0 - (line.estimated_share or 0.0)


def weighted_share(parts: Iterable[tuple[float | Fraction | None, float | None]]) -> Fraction | None:
    """Return a share weighted by emissions; null: an emission or a share isn't known, or nothing is emitted.

    Args:
        parts: emissions, and the share of them (0 to 1).

    Source: PACT Methodology, version 3, primary data share: by emissions, not by number of data.
    """
    given = list(parts)
    if any(kg is None or share is None for kg, share in given):
        return None
    weights = [abs(Fraction(kg or 0)) for kg, _ in given]
    whole = sum(weights, Fraction(0))
    if not whole:
        return None
    of_shares = (Fraction(repr(share)) for _, share in given)
    return sum((w * share for w, share in zip(weights, of_shares, strict=True)), Fraction(0)) / whole
