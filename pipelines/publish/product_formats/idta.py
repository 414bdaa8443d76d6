"""Submodel Carbon Footprint of the Industrial Digital Twin Association, IDTA 02023.

Belongs here: what it demands, its elements. Does not belong here: AAS files
(pipelines.connectors.aas_writing), exact division (per_unit).

Source: submodel template IDTA 02023-1-0 (1.0.2, admin-shell-io/submodel-templates): elements, semantic ids,
value lists. The library checks the metamodel. From gate to gate the one life cycle phase is A3, production;
with complete inputs it is A1 and A3, and the description says which. The template has no field for GWP
sets, verification and shares: they stand in the submodel's description and extensions.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from pipelines.connectors.aas_writing import AasDocument, AasGroup, AasProperty, aas_files
from pipelines.domain.emissions.product_footprint import CRADLE_TO_GATE
from pipelines.publish.product_formats.exact import as_decimal, as_text, exact_json
from pipelines.publish.product_formats.form import Figure, ProductForm
from pipelines.publish.product_formats.per_unit import (
    MARKET,
    brought_kg_per_unit,
    counted,
    counted_inputs,
    document_sets,
    kg_per_unit,
    method_faults,
    mixed_faults,
    own_kg_per_unit,
    primary_percent,
    remarks,
)
from pipelines.publish.product_formats.told import Fault, Told, told_fault
from pipelines.publish.product_formats.units import TEMPLATE, unit_faults

_BASE: Final = "https://admin-shell.io/idta/CarbonFootprint"
METHODS: Final[Mapping[str, str]] = {
    "EN 15804": "0173-1#07-ABU223#003",
    "GHG Protocol": "0173-1#07-ABU221#003",
    "IEC TS 63058": "0173-1#07-ABU222#003",
    "IEC 63366": "0173-1#07-ACA792#002",
    "ISO 14040, ISO 14044": "0173-1#07-ABV505#003",
    "ISO 14067": "0173-1#07-ABU218#003",
    "PEP Ecopassport": "0173-1#07-ABU220#003",
    "BS PAS 2050": "0173-1#07-ACC008#001",
    "IEC 63372": "0173-1#07-ACC019#001",
}
"""Calculation methods of the template -> ids, but those of PACT, Catena-X and TfS: cradle to gate only."""

_PHASES: Final[Mapping[str, str]] = {
    "A1 - raw material supply (and upstream production)": "0173-1#07-ABU208#003",
    "A3 - production": "0173-1#07-ABU210#003",
}
_UNIT_IDS: Final[Mapping[str, str]] = {
    "g": "0173-1#07-ABZ596#003", "kg": "0173-1#07-ABZ597#003", "t": "0173-1#07-ABZ598#003",
    "l": "0173-1#07-ABZ600#003", "cbm": "0173-1#07-ABZ601#003", "qm": "0173-1#07-ABZ602#003",
    "piece": "0173-1#07-ABZ603#003", "kWh": "0173-1#07-ACB997#001",
}  # fmt: skip
_METHOD, _PHASE = "0173-1#02-ABG854#003", "0173-1#02-ABG858#003"


def demands(told: Told) -> list[Fault]:
    """List what the template demands and the footprint lacks."""
    footprint = told.footprint
    found = [
        *unit_faults(footprint.unit, TEMPLATE),
        *method_faults(footprint, MARKET),
        *mixed_faults(counted(footprint, MARKET)),
    ]
    method = told.text("calculation_method")
    if method is not None and method not in METHODS:
        known = "; ".join(METHODS)
        found.append(told_fault("calculation_method", f"is none of {known}", f"다음 중 하나가 아님: {known}"))
    return found


def document(told: Told) -> dict[str, Any]:
    """Return the elements of one footprint by their names; what ids and both files are made of."""
    footprint = told.footprint
    phases = list(_PHASES) if footprint.boundary == CRADLE_TO_GATE else ["A3 - production"]
    return {
        "PcfCalculationMethods": [told.text("calculation_method")],
        "PcfCO2eq": as_decimal(kg_per_unit(footprint)),
        "ReferenceImpactUnitForCalculation": TEMPLATE[footprint.unit],
        "QuantityOfMeasureForCalculation": Decimal(1),
        "LifeCyclePhases": phases,
        "PublicationDate": None if footprint.known_at is None else footprint.known_at.isoformat(),
    }


def aas_document(told: Told) -> AasDocument:
    """Return the shell and its submodel; equal footprints have equal ids."""
    footprint = told.footprint
    content = exact_json({"asset": told.text("asset_id"), "said": remarks(told), **document(told)})
    share = primary_percent(footprint)
    return AasDocument(
        shell_id=f"urn:uuid:{uuid5(NAMESPACE_URL, f'shell:{content}')}",
        asset=told.text("asset_id") or "",
        submodel=f"urn:uuid:{uuid5(NAMESPACE_URL, f'submodel:{content}')}",
        id_short="CarbonFootprint",
        meaning=f"{_BASE}/CarbonFootprint/1/0",
        template="https://admin-shell.io/IDTA02023-1-0",
        version=("1", "0"),
        description={"en": remarks(told)},
        extensions={
            "boundary": footprint.boundary,
            "gwp_sets": ", ".join(document_sets(footprint)),
            "verification": "unverified",
            "allocation": footprint.allocation,
            **({} if share is None else {"primary_data_share_percent": as_text(share)}),
        },
        elements=(_footprints(told),),
    )


def figures(told: Told) -> list[Figure]:
    """Return the footprint of one unit, and its parts [kg CO2e]."""
    footprint = told.footprint
    unit = f"kg CO2e/{footprint.unit}"
    brought = brought_kg_per_unit(counted_inputs(footprint))
    return [
        (f"footprint, {footprint.boundary}", unit, as_decimal(kg_per_unit(footprint))),
        ("of it own, gate to gate", unit, as_decimal(own_kg_per_unit(footprint, MARKET))),
        ("of it brought along by inputs", unit, as_decimal(brought)),
        ("share of primary data", "%", primary_percent(footprint)),
    ]


def _footprints(told: Told) -> AasGroup:
    said = document(told)
    unit, quantity = said["ReferenceImpactUnitForCalculation"], float(said["QuantityOfMeasureForCalculation"])
    methods = tuple(AasProperty(None, _METHOD, name, METHODS[name]) for name in said["PcfCalculationMethods"])
    phases = tuple(AasProperty(None, _PHASE, name, _PHASES[name]) for name in said["LifeCyclePhases"])
    one: tuple[AasProperty | AasGroup, ...] = (
        AasGroup("PcfCalculationMethods", f"{_BASE}/PcfCalculationMethods/1/0", methods, _METHOD),
        AasProperty("PcfCO2eq", "0173-1#02-ABG855#003", said["PcfCO2eq"]),
        AasProperty("ReferenceImpactUnitForCalculation", "0173-1#02-ABG856#003", unit, _UNIT_IDS[unit]),
        AasProperty("QuantityOfMeasureForCalculation", "0173-1#02-ABG857#003", quantity),
        AasGroup("LifeCyclePhases", f"{_BASE}/LifeCyclePhases/1/0", phases, _PHASE),
        *_published(told),
    )  # fmt: skip
    meaning = f"{_BASE}/ProductCarbonFootprint/1/0"
    return AasGroup(
        "ProductCarbonFootprints",
        f"{_BASE}/ProductCarbonFootprints/1/0",
        (AasGroup(None, meaning, one),),
        meaning,
    )


def _published(told: Told) -> tuple[AasProperty, ...]:
    known_at = told.footprint.known_at
    if known_at is None:
        return ()
    return (AasProperty("PublicationDate", f"{_BASE}/PublicationDate/1/0", known_at),)


def _files(told: Told) -> Mapping[str, bytes]:
    return aas_files(aas_document(told))


FORM: Final = ProductForm(
    title="IDTA 02023 Carbon Footprint 1.0.2",
    about=("asset_id", "calculation_method"),
    optional=("comment",),
    demands=demands,
    files=_files,
    figures=figures,
    document=document,
    schema=None,
)
