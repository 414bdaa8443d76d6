"""Pcf of Catena-X, aspect model 9.0.0.

Belongs here: what it demands, its content. Does not belong here: exact division (per_unit), files
(pipelines.jobs.product_exporting).

Source: aspect model urn:samm:io.catenax.pcf:9.0.0#Pcf (Eclipse Tractus-X, sldt-semantic-models); schema
schemas/catenax.schema.json, in our own words: each group is an array of one. From cradle to gate only. GWP
sets are AR4, AR5, AR6 or `unspecified`: one entry for each that was used. Distribution is never within our
figures.
"""

import re
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from pipelines.publish.product_formats.exact import as_decimal, exact_json
from pipelines.publish.product_formats.form import ProductForm
from pipelines.publish.product_formats.pact import figures, processes
from pipelines.publish.product_formats.per_unit import (
    MARKET,
    UNSTATED,
    biogenic_faults,
    counted,
    document_sets,
    kg_per_unit,
    line_sets,
    mass_kg,
    method_faults,
    mixed_faults,
    primary_faults,
    primary_percent,
    remarks,
    set_faults,
    supplied_sets,
    upstream_faults,
)
from pipelines.publish.product_formats.told import Fault, Told, told_fault
from pipelines.publish.product_formats.units import DECLARED, unit_faults

SPEC_VERSION: Final = "urn:io.catenax.pcf:datamodel:version:9.0.0"
ALLOWED_SETS: Final = ("AR4", "AR5", "AR6", UNSTATED)
_UNSPECIFIED: Final = "unspecified"
_PARTNER_NUMBER: Final = re.compile(r"BPNL[0-9A-Z]{12}")
_NUMBERS: Final = (
    "exempted_emissions_percent",
    "biogenic_uptake_kg_per_unit",
    "technological_dqr",
    "temporal_dqr",
    "geographical_dqr",
)
_TRUTHS: Final = ("ccs_included", "packaging_included", "mass_balancing_used")
_URNS: Final = ("company_urns", "product_urns")
_NOT_APPLICABLE: Final = "not applicable"


def demands(told: Told) -> list[Fault]:
    """List what Catena-X demands and the footprint lacks."""
    footprint = told.footprint
    found = [
        *upstream_faults(footprint),
        *unit_faults(footprint.unit, DECLARED),
        *method_faults(footprint, MARKET),
        *mixed_faults(counted(footprint, MARKET)),
        *set_faults(line_sets(counted(footprint, MARKET)), ALLOWED_SETS),
        *set_faults(supplied_sets(footprint.inputs), ALLOWED_SETS),
        *primary_faults(footprint),
        *biogenic_faults(footprint),
        *told.misread((*_NUMBERS, "fossil_carbon_content_kg_per_unit"), _TRUTHS, _URNS),
        *_date_faults(told),
    ]
    if footprint.mass_kg_per_unit is None:
        found.append(("mass of one unit", "단위당 질량"))
    if told.text("company_urns") and not _PARTNER_NUMBER.search(told.text("company_urns") or ""):
        found.append(told_fault("company_urns", "has no BPNL", "에 BPNL이 없음"))
    if told.truth("mass_balancing_used"):
        found += told.missing(("mass_balancing_scheme", "mass_balancing_free_attribution"))
    return found


def document(told: Told) -> dict[str, Any]:
    """Return the Pcf; equal footprints have equal ids."""
    footprint = told.footprint
    content = _content(told, None)
    key = f"catenax:{footprint.cluster}:{exact_json(content)}"
    return _content(told, str(uuid5(NAMESPACE_URL, key)))


def _content(told: Told, identity: str | None) -> dict[str, Any]:
    carbon = told.number("fossil_carbon_content_kg_per_unit")
    return {
        "scopeOfPcfForm": [{"specVersion": [SPEC_VERSION], "partialFullPcf": "Cradle-to-gate"}],
        "companyAndProductInformation": [_product(told)],
        "pcfAssessmentAndMethodology": [
            {
                "pcfAssessmentInformation": [_assessment(told, identity)],
                "dataSourcesAndQuality": [_quality(told)],
                "pcfMethodology": [_methodology(told)],
            }
        ],
        "general": [{"comment": remarks(told)}],
        "carbonContent": [{} if carbon is None else {"fossilCarbonContent": carbon}],
        "productLifeCycleStagesAndEmissions": [_stages(told)],
    }


def _product(told: Told) -> dict[str, Any]:
    footprint = told.footprint
    declared, amount = DECLARED[footprint.unit]
    product = {
        "productNameCompany": told.text("name"),
        "productIds": told.items("product_urns"),
        "declaredUnitOfMeasurement": declared,
        "declaredUnitAmount": amount,
        "productMassPerDeclaredUnit": as_decimal(mass_kg(footprint)),
    }
    if described := told.text("description"):
        product["productDescription"] = described
    company = {"companyName": footprint.organisation, "companyIds": told.items("company_urns")}
    return {"companyInformation": [company], "productInformation": [product]}


def _assessment(told: Told, identity: str | None) -> dict[str, Any]:
    footprint = told.footprint
    return {
        "technology": [
            {
                "ccsTechnologicalCO2CaptureIncluded": told.truth("ccs_included"),
                "boundaryProcessesDescription": processes(footprint),
            }
        ],
        "idAndVersion": [
            {
                "id": identity,
                "version": 0,
                "status": "Active",
                "retroOrProspectivePcfType": "Retrospective PCF",
            }
        ],
        "boundarySpecifications": [{"exemptedEmissionsPercent": told.number("exempted_emissions_percent")}],
        "geography": [_geography(told)],
        "time": [
            {
                "referencePeriodStart": told.moment(footprint.start),
                "referencePeriodEnd": told.moment(footprint.end),
                "created": footprint.known_at.isoformat() if footprint.known_at else None,
                "validityPeriodEnd": told.moment(date.fromisoformat(told.text("valid_until") or "")),
            }
        ],
    }


def _geography(told: Told) -> dict[str, str | None]:
    where = told.text("geography") or ""
    country = {"geographyCountry": where.split("-", maxsplit=1)[0]}
    exactly = {"geographyCountrySubdivision": where} if "-" in where else {}
    return {"geographyRegionOrSubregion": told.text("region"), **country, **exactly}


def _quality(told: Told) -> dict[str, Any]:
    footprint = told.footprint
    sources = [str(f.get("source") or f["factor_id"]) for f in footprint.factors]
    sources += [one.source for one in footprint.inputs if one.default_value]
    return {
        "primaryDataShare": primary_percent(footprint),
        "secondaryEmissionFactorSources": list(dict.fromkeys(sources)),
        "technologicalDQR": told.number("technological_dqr"),
        "temporalDQR": told.number("temporal_dqr"),
        "geographicalDQR": told.number("geographical_dqr"),
    }


def _methodology(told: Told) -> dict[str, Any]:
    used = told.truth("mass_balancing_used")
    names = [_UNSPECIFIED if name == UNSTATED else name for name in document_sets(told.footprint)]
    return {
        "massBalancingInformation": [
            {
                "massBalancingUsed": used,
                "freeAttributionInMassBalancing": told.text("mass_balancing_free_attribution")
                or _NOT_APPLICABLE,
                "massBalancingCertificateScheme": told.text("mass_balancing_scheme") or _NOT_APPLICABLE,
            }
        ],
        "standards": [
            {
                "crossSectoralStandards": told.items("cross_sectoral_standards"),
                "productOrSectorSpecificRules": told.items("product_rules"),
            }
        ],
        "gwpCharacterizationFactorDetails": [{"ipccCharacterizationFactors": name} for name in names],
        "allocationInForeground": [
            {
                "allocationWasteIncineration": told.text("waste_allocation"),
                "allocationRulesDescription": f"By {told.footprint.allocation}.",
            }
        ],
    }


def _stages(told: Told) -> dict[str, Any]:
    whole = kg_per_unit(told.footprint)
    uptake = told.stated("biogenic_uptake_kg_per_unit")
    production = {
        "pcfIncludingBiogenicUptake": as_decimal(whole + Fraction(uptake)),
        "pcfExcludingBiogenicUptake": as_decimal(whole),
        "biogenicCO2Uptake": uptake,
    }
    return {
        "productionStage": [production],
        "distributionStage": [{"distributionStageIncluded": False}],
        "packagingStage": [{"packagingEmissionsIncluded": told.truth("packaging_included")}],
    }


def _date_faults(told: Told) -> list[Fault]:
    try:
        date.fromisoformat(told.text("valid_until") or "2000-01-01")
    except ValueError:
        return [told_fault("valid_until", "is no date (2026-12-31)", "날짜가 아님 (2026-12-31)")]
    return []


def _files(told: Told) -> Mapping[str, bytes]:
    return {".json": exact_json(document(told)).encode()}


FORM: Final = ProductForm(
    title="Catena-X PCF 9.0.0",
    about=(
        "name", "geography", "region", "company_urns", "product_urns", "cross_sectoral_standards",
        "product_rules", "valid_until", "waste_allocation", *_NUMBERS, *_TRUTHS,
    ),
    optional=(
        "description", "fossil_carbon_content_kg_per_unit", "mass_balancing_scheme",
        "mass_balancing_free_attribution", "comment",
    ),
    demands=demands,
    files=_files,
    figures=figures,
    document=document,
    schema="catenax",
)  # fmt: skip
