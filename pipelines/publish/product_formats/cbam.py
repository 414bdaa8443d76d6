"""What an operator tells importers for the carbon border adjustment mechanism (CBAM).

Belongs here: what it demands, its content. Does not belong here: exact division (per_unit), files
(pipelines.jobs.product_exporting), default values and mark-ups (data: pipelines/reference).

Source: Commission Implementing Regulation (EU) 2023/1773, annex IV; GWPs of its annex VIII are those of
AR5; schema schemas/cbam.schema.json, in our own words. Direct, indirect and precursor emissions are told
apart and never added to one figure. Heat and steam from elsewhere count as direct emissions (annex III);
electricity by location. A mark-up is applied to default values only, and only if the operator states it
with its source (`default_markup_percent`, `default_markup_source`); the current ones are in
reference/parameters.csv (Implementing Regulation (EU) 2025/2621).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from pipelines.domain.emissions.inventory import ELECTRICITY_CATEGORY, InventoryLine
from pipelines.domain.emissions.product_footprint import ProductFootprint, SupplierInput
from pipelines.domain.sums import exact_total
from pipelines.publish.product_formats.exact import as_decimal, exact, exact_json
from pipelines.publish.product_formats.form import Figure, ProductForm
from pipelines.publish.product_formats.per_unit import (
    LOCATION,
    UNSTATED,
    brought_kg_per_unit,
    counted,
    input_sets,
    left_out,
    line_sets,
    mass_kg,
    method_faults,
    own_sets,
    set_faults,
    supplied_sets,
    total_kg,
)
from pipelines.publish.product_formats.told import Fault, Told, told_fault

BASIS: Final = "Commission Implementing Regulation (EU) 2023/1773, annex IV"
ALLOWED_SETS: Final = ("AR5",)
NO_MARKUP: Final = "markup_not_stated"
NO_DEFAULTS: Final = "no_default_values"
_NONE: Final = "none"
_CO2_GOODS: Final = ("2507", "2523", "2601", "2804", "72", "73")
"""CN codes of goods of which carbon dioxide alone counts, so no GWP: Regulation (EU) 2023/956, annex I."""

_CN_CODE: Final = re.compile(r"\d{8}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_KG_PER_T: Final = 1000


def demands(told: Told) -> list[Fault]:
    """List what the communication demands and the footprint lacks."""
    footprint = told.footprint
    found = [
        *method_faults(footprint, LOCATION),
        *_direct_faults(told),
        *_electricity_faults(footprint),
        *_precursor_faults(footprint),
        *told.misread(("default_markup_percent",)),
        *_code_faults(told),
    ]
    if not footprint.mass_kg_per_unit:
        found.append(("mass of one unit", "단위당 질량"))
    markup = told.text("default_markup_percent"), told.text("default_markup_source")
    if any(markup) and not all(markup):
        found += told.missing(("default_markup_percent", "default_markup_source"))
    return found


def direct_lines(footprint: ProductFootprint) -> list[InventoryLine]:
    """Return what counts as direct: scope 1, and heat from elsewhere."""
    return [line for line in counted(footprint, LOCATION) if line.category != ELECTRICITY_CATEGORY]


def indirect_lines(footprint: ProductFootprint) -> list[InventoryLine]:
    """Return electricity from elsewhere, by location."""
    return [line for line in counted(footprint, LOCATION) if line.category == ELECTRICITY_CATEGORY]


def precursors(footprint: ProductFootprint) -> list[SupplierInput]:
    """Return the inputs that are precursor goods."""
    return [one for one in footprint.inputs if one.precursor]


def document(told: Told) -> dict[str, Any]:
    """Return the fields of the communication; emissions in t CO2e, per tonne of goods and in all."""
    footprint = told.footprint
    tonnes = _tonnes(footprint)
    kg = _kg(footprint)
    return {
        "format": "cbam",
        "basis": BASIS,
        "status": {
            "verification": "unverified",
            "provisional": any(line.provisional for line in counted(footprint, LOCATION)),
        },
        "operator": {"name": footprint.organisation, "contact": told.text("contact")},
        "installation": {
            "name": told.text("installation_name"),
            "address": told.text("installation_address"),
            "country": _country(told),
            "unlocode": told.text("unlocode"),
        },
        "period": {"start": footprint.start.isoformat(), "end_exclusive": footprint.end.isoformat()},
        "goods": {
            "cn_code": told.text("cn_code"),
            "product": footprint.product,
            "description": told.text("description"),
            "country_of_origin": _country(told),
            "production_route": told.text("production_route"),
        },
        "production": {
            "quantity": as_decimal(exact(footprint.quantity)),
            "unit": footprint.unit,
            "tonnes": as_decimal(tonnes),
        },
        "specific_embedded_emissions_t_per_t": {
            name: as_decimal(value / _KG_PER_T / tonnes) for name, value in kg.items()
        },
        "embedded_emissions_t": {name: as_decimal(value / _KG_PER_T) for name, value in kg.items()},
        "electricity": _electricity(footprint, tonnes),
        "precursors": [_precursor(one, told) for one in precursors(footprint)],
        "default_values": _defaults(told),
        "gwp_sets": {
            "direct": own_sets(direct_lines(footprint)),
            "indirect": own_sets(indirect_lines(footprint)),
            "precursors": input_sets(precursors(footprint)),
        },
        "allocation": {"method": footprint.allocation, "share_of_installation": as_decimal(footprint.share)},
        "factors": [_factor(row) for row in footprint.factors],
        "not_counted": [*(one.input for one in footprint.inputs if not one.precursor), *left_out(footprint)],
        "carbon_price": told.text("carbon_price"),
        "comment": told.text("comment"),
    }


def figures(told: Told) -> list[Figure]:
    """Return what is embedded in a tonne, each part apart."""
    told_of = document(told)
    specific = told_of["specific_embedded_emissions_t_per_t"]
    electricity = told_of["electricity"]
    return [
        *((f"specific embedded emissions, {part}", "t CO2e/t", value) for part, value in specific.items()),
        ("electricity consumed", "MWh/t", electricity["consumed_mwh_per_t"]),
        ("emission factor of electricity", "t CO2e/MWh", electricity["emission_factor_t_per_mwh"]),
        ("share of default values", "%", told_of["default_values"]["share_percent"]),
    ]


def _kg(footprint: ProductFootprint) -> dict[str, Fraction]:
    brought = brought_kg_per_unit(precursors(footprint)) * exact(footprint.quantity)
    return {
        "direct": total_kg(direct_lines(footprint)),
        "indirect": total_kg(indirect_lines(footprint)),
        "precursors": brought,
    }


def _tonnes(footprint: ProductFootprint) -> Fraction:
    return exact(footprint.quantity) * mass_kg(footprint) / _KG_PER_T


def _country(told: Told) -> str:
    return (told.text("geography") or "").split("-", maxsplit=1)[0]


def _electricity(footprint: ProductFootprint, tonnes: Fraction) -> dict[str, Any]:
    lines = indirect_lines(footprint)
    kwh = exact(exact_total(line.amount for line in lines) or 0.0)
    return {
        "consumed_mwh": as_decimal(kwh / 1000),
        "consumed_mwh_per_t": as_decimal(kwh / 1000 / tonnes),
        # kg per kWh are t per MWh.
        "emission_factor_t_per_mwh": as_decimal(total_kg(lines) / kwh) if kwh else None,
        "method": LOCATION,
        "factor_ids": sorted({factor for line in lines for factor in line.factor_ids}),
    }


def _precursor(one: SupplierInput, told: Told) -> dict[str, Any]:
    specific = brought_kg_per_unit([one]) / mass_kg(told.footprint)
    markup = _markup(told) if one.default_value else None
    return {
        "input": one.input,
        "supplier": one.supplier,
        "cn_code": one.cn_code,
        "country": one.country,
        "amount_per_unit": as_decimal(exact(one.amount_per_unit)),
        "unit": one.unit,
        "specific_embedded_emissions_t_per_t": as_decimal(specific),
        "default_value": one.default_value,
        "markup_percent": markup,
        "with_markup_t_per_t": None
        if markup is None
        else as_decimal(specific * (1 + Fraction(markup) / 100)),
        "gwp_set": one.gwp_set or UNSTATED,
        "source": one.source,
    }


def _markup(told: Told) -> Decimal | None:
    return told.number("default_markup_percent")


def _defaults(told: Told) -> dict[str, Any]:
    """Say how much of the embedded emissions rests on default values, before any mark-up, and the mark-up."""
    footprint = told.footprint
    defaults = [one for one in precursors(footprint) if one.default_value]
    whole = sum(_kg(footprint).values(), Fraction(0)) / exact(footprint.quantity)
    stated = bool(defaults) and _markup(told) is not None
    return {
        "share_percent": as_decimal(100 * brought_kg_per_unit(defaults) / whole) if whole else None,
        "markup_percent": _markup(told) if stated else None,
        "markup_source": told.text("default_markup_source") if stated else None,
        "reason": None if stated else NO_MARKUP if defaults else NO_DEFAULTS,
    }


def _factor(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("factor_id", "value", "unit", "gwp_set", "published_on", "source")
    return {name: None if row.get(name) is None else str(row[name]) for name in names}


def _direct_faults(told: Told) -> list[Fault]:
    """List missing direct emissions, and GWP sets that aren't the regulation's."""
    lines = direct_lines(told.footprint)
    if not lines and told.text("direct_emissions") != _NONE:
        return [(
            "direct emissions: none is recorded; if so, say direct_emissions: none (--about FILE)",
            "직접 배출: 기록 없음. 직접 배출이 없으면 direct_emissions: none (--about FILE)",
        )]  # fmt: skip
    # Carbon dioxide alone is the same in every set.
    weighed = [line for line in lines if set(line.masses_kg) != {"CO2"}]
    return set_faults(line_sets(weighed), ALLOWED_SETS)


def _electricity_faults(footprint: ProductFootprint) -> list[Fault]:
    lines = indirect_lines(footprint)
    found = [] if lines else [("electricity consumed", "전력 사용량")]
    found += [("electricity consumed in kWh", "전력 사용량(kWh)") for line in lines if line.amount is None]
    return found + set_faults(line_sets(lines), (*ALLOWED_SETS, UNSTATED))


def _precursor_faults(footprint: ProductFootprint) -> list[Fault]:
    found: list[Fault] = []
    if not footprint.inputs_complete:
        found.append((
            f"precursors: the inputs of {footprint.product} aren't said to be complete",
            f"전구물질: {footprint.product}의 투입물이 전부라고 밝혀지지 않음",
        ))  # fmt: skip
    for one in precursors(footprint):
        if one.kg_per_unit is None:
            found.append((f"emissions of precursor {one.input}", f"전구물질 {one.input}의 배출량"))
        if not _CN_CODE.fullmatch(one.cn_code or ""):
            found.append(
                (f"CN code (8 digits) of precursor {one.input}", f"전구물질 {one.input}의 CN 코드(8자리)")
            )
        if not _COUNTRY.fullmatch(one.country or ""):
            found.append((f"country of precursor {one.input}", f"전구물질 {one.input}의 생산 국가"))
    weighed = [one for one in precursors(footprint) if not (one.cn_code or "").startswith(_CO2_GOODS)]
    own = [one for one in weighed if not one.default_value]
    defaults = [one for one in weighed if one.default_value]
    return [
        *found,
        *set_faults(supplied_sets(own), ALLOWED_SETS),
        *set_faults(supplied_sets(defaults), (*ALLOWED_SETS, UNSTATED)),
    ]


def _code_faults(told: Told) -> list[Fault]:
    found: list[Fault] = []
    if told.text("cn_code") and not _CN_CODE.fullmatch(told.text("cn_code") or ""):
        found.append(told_fault("cn_code", "has not 8 digits", "8자리가 아님"))
    if told.text("geography") and not _COUNTRY.fullmatch(_country(told)):
        found.append(told_fault("geography", "is no ISO 3166 code", "ISO 3166 코드가 아님"))
    return found


def _files(told: Told) -> Mapping[str, bytes]:
    return {".json": exact_json(document(told)).encode()}


FORM: Final = ProductForm(
    title="CBAM communication (EU) 2023/1773",
    about=("cn_code", "geography", "installation_name", "installation_address", "contact"),
    optional=(
        "description", "production_route", "unlocode", "direct_emissions", "default_markup_percent",
        "default_markup_source", "carbon_price", "comment",
    ),
    demands=demands,
    files=_files,
    figures=figures,
    document=document,
    schema="cbam",
)  # fmt: skip
