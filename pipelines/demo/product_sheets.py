"""What a plant says of its products and of the steel that it buys for them.

Belongs here: the demo's declarations. Does not belong here: what is made (events), emissions.
"""

from typing import Any

from pipelines.demo.events import Event, Telling

DECLARING = "areum"
_MONDAY = 1
_FIRST_SEQUENCE = 1


def tell_products(telling: Telling) -> list[Event]:
    """Return what a plant declares of its products: one plant, on Mondays."""
    lived = telling.lived
    if lived.plant.factory != DECLARING or lived.day.isoweekday() != _MONDAY:
        return []
    return [
        Event("products", "", telling.start_us, {**_said(telling), **sheet, "sequence": number})
        for number, sheet in enumerate(_SHEETS, start=_FIRST_SEQUENCE)
    ]


def _said(telling: Telling) -> dict[str, Any]:
    return {"factory": telling.lived.plant.factory, "valid_from": telling.start_us}


def _bought(name: str, amount_kg: float, kg_per_kg: float | None, **more: object) -> dict[str, Any]:
    plain = {
        "supplier": None, "gwp_set": "AR6", "default_value": False, "primary_share": None,
        "precursor": False, "cn_code": None, "country": "KR",
    }  # fmt: skip
    own = {"input": name, "amount_per_unit": amount_kg, "unit": "kg", "kg_per_unit": kg_per_kg}
    return {**plain, **own, "source": "simulated", **more}


_STEEL = {"supplier": "steelworks", "cn_code": "72149110", "precursor": True, "primary_share": 0.8}
_SHEETS: tuple[dict[str, Any], ...] = (
    {
        "product": "knuckle-a", "name": "Steering knuckle A", "description": "Forged steel steering knuckle",
        "mass_kg_per_unit": 2.1, "cn_code": "87089435", "cpc_code": "49129",
        "inputs": [
            _bought("steel-bar", 2.6, 1.9, **_STEEL),
            _bought("die-oil", 0.01, 3.0, default_value=True, primary_share=0.0),
        ],
        "inputs_complete": True,
    },
    {
        "product": "flange-b", "name": "Flange B", "description": "Forged steel flange",
        "mass_kg_per_unit": 3.4, "cn_code": "73079100", "cpc_code": "42999",
        "inputs": [_bought("steel-bar", 4.0, None, **_STEEL)],
        "inputs_complete": False,
    },
)  # fmt: skip
