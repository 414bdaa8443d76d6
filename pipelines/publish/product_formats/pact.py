"""ProductFootprint of PACT, version 3.

Belongs here: what it demands, its content. Does not belong here: exact division (per_unit), files
(pipelines.jobs.product_exporting).

Source: Technical Specifications for PCF Data Exchange 3.0.0 (WBCSD PACT, 2025): data types ProductFootprint
and CarbonFootprint; schema schemas/pact.schema.json, in our own words. From cradle to gate only; decimals are
text; sets of GWPs are named `AR5`, `AR6`: a factor whose source names none is refused, unless the operator
tells its set and from where (`unstated_gwp_set`, `unstated_gwp_set_source`), which the comment then
repeats.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from pipelines.domain.emissions.product_footprint import ProductFootprint
from pipelines.publish.product_formats.exact import as_decimal, as_text, exact_json
from pipelines.publish.product_formats.form import Figure, ProductForm
from pipelines.publish.product_formats.per_unit import (
    MARKET,
    UNSTATED,
    biogenic_faults,
    brought_kg_per_unit,
    counted,
    document_sets,
    kg_per_unit,
    line_sets,
    mass_kg,
    method_faults,
    mixed_faults,
    own_kg_per_unit,
    primary_faults,
    primary_percent,
    remarks,
    set_faults,
    supplied_sets,
    upstream_faults,
)
from pipelines.publish.product_formats.told import Fault, Told, told_fault
from pipelines.publish.product_formats.units import DECLARED, unit_faults

SPEC_VERSION: Final = "3.0.0"
ALLOWED_SETS: Final = ("AR5", "AR6")
_NUMBERS: Final = (
    "fossil_carbon_content_kg_per_unit",
    "biogenic_emissions_kg_per_unit",
    "biogenic_uptake_kg_per_unit",
    "exempted_emissions_percent",
)
_URNS: Final = ("company_urns", "product_urns")


def demands(told: Told) -> list[Fault]:
    """List what PACT demands and the footprint lacks."""
    footprint = told.footprint
    lines = counted(footprint, MARKET)
    found = [
        *upstream_faults(footprint),
        *unit_faults(footprint.unit, DECLARED),
        *method_faults(footprint, MARKET),
        *mixed_faults(lines),
        *set_faults(_named_sets(told), ALLOWED_SETS),
        *primary_faults(footprint),
        *biogenic_faults(footprint),
        *told.misread(_NUMBERS, urns=_URNS),
    ]
    if footprint.mass_kg_per_unit is None:
        found.append(("mass of one unit", "단위당 질량"))
    if told.text("unstated_gwp_set") and not told.text("unstated_gwp_set_source"):
        found.append(told_fault("unstated_gwp_set_source", "(--about FILE)", "(--about FILE)"))
    return found


def document(told: Told) -> dict[str, Any]:
    """Return the ProductFootprint; equal footprints have equal ids."""
    footprint = told.footprint
    content = {
        "specVersion": SPEC_VERSION,
        "created": footprint.known_at.isoformat() if footprint.known_at else None,
        "status": "Active",
        "companyName": footprint.organisation,
        "companyIds": told.items("company_urns"),
        "productDescription": told.text("description"),
        "productIds": told.items("product_urns"),
        **({"productClassifications": [f"urn:cpc:{cpc}"]} if (cpc := told.text("cpc_code")) else {}),
        "productNameCompany": told.text("name"),
        "comment": _comment(told),
        "pcf": _footprint(told),
    }
    return {"id": str(uuid5(NAMESPACE_URL, f"pact:{exact_json(content)}")), **content}


def figures(told: Told) -> list[Figure]:
    """Return the footprint of one unit, and its parts [kg CO2e]."""
    footprint = told.footprint
    unit = f"kg CO2e/{footprint.unit}"
    return [
        ("footprint, cradle to gate", unit, as_decimal(kg_per_unit(footprint))),
        ("of it own, gate to gate", unit, as_decimal(own_kg_per_unit(footprint, MARKET))),
        ("of it brought along by inputs", unit, as_decimal(brought_kg_per_unit(footprint.inputs))),
        ("share of primary data", "%", primary_percent(footprint)),
    ]


def processes(footprint: ProductFootprint) -> str:
    """Say what is within the boundary: own sources, and the inputs."""
    own = ", ".join(sorted({line.activity for line in counted(footprint, MARKET)}))
    inputs = ", ".join(one.input for one in footprint.inputs)
    return f"Own: {own}. Supplied, each from cradle to its gate: {inputs}."


def _sets(told: Told) -> list[str]:
    return sorted({name for _, name in _named_sets(told)})


def _named_sets(told: Told) -> list[tuple[str, str]]:
    """Name the GWP sets, the operator's word in place of what a factor's source doesn't say."""
    footprint = told.footprint
    word = told.text("unstated_gwp_set") or UNSTATED
    own = [(what, word if name == UNSTATED else name) for what, name in line_sets(counted(footprint, MARKET))]
    return [*own, *supplied_sets(footprint.inputs)]


def _comment(told: Told) -> str:
    said = remarks(told)
    word = told.text("unstated_gwp_set")
    if word is None or UNSTATED not in document_sets(told.footprint):
        return said
    unstated = {
        f for line in told.footprint.lines if line.gwp_set in (None, UNSTATED) for f in line.factor_ids
    }
    return f"{said} GWP set {word} of {', '.join(sorted(unstated))}: {told.text('unstated_gwp_set_source')}."


def _footprint(told: Told) -> dict[str, Any]:
    footprint = told.footprint
    declared, amount = DECLARED[footprint.unit]
    whole = kg_per_unit(footprint)
    biogenic = Fraction(told.stated("biogenic_emissions_kg_per_unit"))
    uptake = Fraction(told.stated("biogenic_uptake_kg_per_unit"))
    return {
        "declaredUnitOfMeasurement": declared,
        "declaredUnitAmount": as_text(amount),
        "productMassPerDeclaredUnit": as_text(mass_kg(footprint)),
        "referencePeriodStart": told.moment(footprint.start),
        "referencePeriodEnd": told.moment(footprint.end),
        **_geography(told),
        "boundaryProcessesDescription": processes(footprint),
        "pcfExcludingBiogenicUptake": as_text(whole),
        "pcfIncludingBiogenicUptake": as_text(whole + uptake),
        "fossilGhgEmissions": as_text(whole - biogenic),
        "fossilCarbonContent": as_text(told.stated("fossil_carbon_content_kg_per_unit")),
        "ipccCharacterizationFactors": _sets(told),
        "crossSectoralStandards": told.items("cross_sectoral_standards"),
        "exemptedEmissionsPercent": as_text(told.stated("exempted_emissions_percent")),
        "allocationRulesDescription": f"By {footprint.allocation}.",
        "secondaryEmissionFactorSources": _secondary(footprint),
        **({} if (share := primary_percent(footprint)) is None else {"primaryDataShare": as_text(share)}),
    }


def _geography(told: Told) -> Mapping[str, str | None]:
    where = told.text("geography") or ""
    return {"geographyCountrySubdivision" if "-" in where else "geographyCountry": where}


def _secondary(footprint: ProductFootprint) -> list[dict[str, str]]:
    own = [
        {
            "name": str(f.get("source") or f["factor_id"]),
            "version": str(f.get("published_on") or f["factor_id"]),
        }
        for f in footprint.factors
    ]
    defaults = [{"name": one.source, "version": one.input} for one in footprint.inputs if one.default_value]
    return [dict(pair) for pair in dict.fromkeys(tuple(source.items()) for source in (*own, *defaults))]


def _files(told: Told) -> Mapping[str, bytes]:
    return {".json": exact_json(document(told)).encode()}


FORM: Final = ProductForm(
    title=f"PACT ProductFootprint {SPEC_VERSION}",
    about=(
        "name", "description", "geography", "company_urns", "product_urns", "cross_sectoral_standards",
        *_NUMBERS,
    ),
    optional=("cpc_code", "unstated_gwp_set", "unstated_gwp_set_source", "comment"),
    demands=demands,
    files=_files,
    figures=figures,
    document=document,
    schema="pact",
)  # fmt: skip
