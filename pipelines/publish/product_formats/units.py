"""Units of products as forms name them.

Belongs here: our unit -> theirs. Does not belong here: units of activities (pipelines.reference.units).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from pipelines.publish.product_formats.told import Fault

DECLARED: Final[Mapping[str, tuple[str, Decimal]]] = {
    "piece": ("piece", Decimal(1)),
    "pieces": ("piece", Decimal(1)),
    "ea": ("piece", Decimal(1)),
    "kg": ("kilogram", Decimal(1)),
    "t": ("kilogram", Decimal(1000)),
    "l": ("liter", Decimal(1)),
    "m3": ("cubic meter", Decimal(1)),
    "m2": ("square meter", Decimal(1)),
    "kWh": ("kilowatt hour", Decimal(1)),
    "MJ": ("megajoule", Decimal(1)),
    "h": ("hour", Decimal(1)),
}
"""Our unit -> declared unit of PACT and Catena-X, and how many of it are one of ours."""

TEMPLATE: Final[Mapping[str, str]] = {
    "piece": "piece", "pieces": "piece", "ea": "piece", "g": "g", "kg": "kg", "t": "t", "l": "l", "m3": "cbm",
    "m2": "qm", "kWh": "kWh",
}  # fmt: skip
"""Our unit -> reference unit of the submodel template IDTA 02023."""


def unit_faults(unit: str, known: Mapping[str, object]) -> list[Fault]:
    """List a unit that a form doesn't have."""
    names = ", ".join(known)
    return (
        [] if unit in known else [(f"a unit among {names}, instead of {unit}", f"단위 {names} ({unit} 대신)")]
    )
