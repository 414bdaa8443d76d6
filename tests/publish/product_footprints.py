"""A footprint worked by hand, and what its firm tells.

500 pieces of 2 kg, which are 1 t. Own: diesel 60 kg, electricity 40 kg by market and 50 kg by location
(100 kWh), so 0.2 kg a piece by market, 60 and 50 kg/t in the CBAM. Steel: 2.2 kg a piece x 1.5 kg/kg =
3.3 kg a piece. 3.5 kg in all.
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.domain.emissions.product_footprint import ProductFootprint, SupplierInput

KNOWN_AT = datetime(2025, 12, 2, 18, tzinfo=UTC)
LOCATED = InventoryLine(
    factory="areum", activity="electricity", scope="2", category="2.1", method="location", amount=100.0,
    unit="kWh", masses_kg={}, co2e_kg=50.0, factor_ids=("kr-grid",), purpose="disclosure", gwp_set="AR5",
    tier=None, uncertainty_low_pct=None, uncertainty_high_pct=None, coverage=1.0, provisional=False,
    reasons=(),
)  # fmt: skip
MARKET = replace(LOCATED, method="market", co2e_kg=40.0, reasons=("no_residual_mix",))
DIESEL = replace(
    LOCATED, activity="diesel", scope="1", category="1", method="-", amount=20.0, unit="l", co2e_kg=60.0,
    masses_kg={"CO2": 59.0, "CH4": 0.01}, factor_ids=("diesel",),
)  # fmt: skip
STEEL = SupplierInput(
    input="coil", supplier="Steel Mill", amount_per_unit=2.2, unit="kg", kg_per_unit=1.5, gwp_set="AR5",
    default_value=False, primary_share=0.5, precursor=True, cn_code="72085120", country="KR", source="PCF 17",
)  # fmt: skip
CRADLE = ProductFootprint(
    cluster="park", factory="areum", organisation="Areum Forming", product="bracket-7", unit="piece",
    product_class="brackets", mass_kg_per_unit=2.0,
    described={"name": "Bracket", "description": "Bent steel", "geography": "KR", "cn_code": "73269098"},
    start=date(2025, 11, 1), end=date(2025, 12, 1), quantity=500.0, allocation="mass", share=Fraction(1, 4),
    lines=(DIESEL, LOCATED, MARKET), inputs=(STEEL,), inputs_complete=True,
    factors=({"factor_id": "kr-grid", "value": Decimal("0.4541"), "unit": "kgCO2e/kWh", "gwp_set": "AR5",
              "published_on": date(2025, 3, 31), "source": "GIR"},),
    known_at=KNOWN_AT,
)  # fmt: skip
GATE = replace(CRADLE, inputs=(), inputs_complete=False)
_COMMON = {
    "company_urns": "urn:bpn:BPNL000000000DWF",
    "product_urns": "urn:pact:areum.example:supplier-id:bracket-7",
    "cross_sectoral_standards": "ISO14067, PACT-3.0",
    "exempted_emissions_percent": "0",
    "biogenic_uptake_kg_per_unit": "-0.1",
}
ABOUT = {
    "pact": _COMMON | {"fossil_carbon_content_kg_per_unit": "0.01", "biogenic_emissions_kg_per_unit": "0"},
    "catenax": _COMMON
    | {
        "region": "Eastern Asia", "product_rules": "Catena-X Product Carbon Footprint Rulebook v4",
        "valid_until": "2026-12-31", "waste_allocation": "cut-off", "technological_dqr": "2",
        "temporal_dqr": "1.5", "geographical_dqr": "1", "ccs_included": "no", "packaging_included": "no",
        "mass_balancing_used": "no",
    },
    "idta": {"asset_id": "https://areum.example/bracket-7", "calculation_method": "ISO 14067"},
    "cbam": {
        "installation_name": "Areum works", "installation_address": "Changwon 1", "contact": "Kim",
        "production_route": "cold forming",
    },
}  # fmt: skip


def told(footprint: ProductFootprint, form: str) -> ProductFootprint:
    """Return a footprint with what its firm tells for a form."""
    return replace(footprint, about=ABOUT[form])
