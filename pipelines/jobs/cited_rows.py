"""Rows of the factor tables that an inventory's lines name, as the sets of their months hold them.

Belongs here: which of the used rows an inventory cites. Does not belong here: finding them
(pipelines.domain.carbon.used_factors), storing sets (factor_choices).
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipelines.domain.carbon.used_factors import FACTOR_PROPERTY, GWP_PROPERTY, SUPPLIER, used_factors
from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.jobs.factor_choices import Choices

_SAME = (
    "factor_id",
    "geography",
    "gas",
    "unit",
    "gwp_set",
    "valid_from",
    "valid_to",
    "published_on",
    "source",
)


def cited_rows(
    choices: Choices, factor_sets: Collection[str], lines: Sequence[InventoryLine]
) -> tuple[Mapping[str, Any], ...]:
    """Return the rows that lines name.

    Args:
        choices: of the store.
        factor_sets: of the lines' months.
        lines: of an inventory.

    Returns:
        ``factor_id, activity, geography, basis, gas, value, unit, gwp_set, valid_from, valid_to,
        published_on, source`` by factor_id and basis: emission factors; calorific values and carbon content
        of fuel pairs, parameters, what suppliers state of a purchase (their property is the basis); and the
        GWP (basis gwp_100) of each gas that a line has. Null: it doesn't apply.
    """
    told = {
        name.removeprefix(SUPPLIER): (line.supplier_kg_per_unit, line.unit, line.counterpart)
        for line in lines
        for name in line.factor_ids
        if name.startswith(SUPPLIER) and line.supplier_kg_per_unit is not None
    }
    named = [
        {"factor_set": one, "factor_id": ";".join(line.factor_ids), "gwp_set": line.gwp_set}
        for one in sorted(factor_sets)
        for line in lines
    ]
    used = used_factors(named, {name: choices.frames(name) for name in factor_sets}, told)
    weighed = {(line.gwp_set, gas) for line in lines for gas in line.masses_kg}
    cited = {
        (row["factor_id"], row["gas"], _basis(row), row["value"]): _cited(row)
        for row in used.iter_rows(named=True)
        if row["value"] is not None
        and (row["property"] != GWP_PROPERTY or (row["gwp_set"], row["gas"]) in weighed)
    }
    return tuple(sorted(cited.values(), key=lambda row: (row["factor_id"], row["basis"], row["gas"] or "")))


def _basis(row: Mapping[str, Any]) -> str:
    return str(row["basis"] if row["property"] == FACTOR_PROPERTY else row["property"])


def _cited(row: Mapping[str, Any]) -> Mapping[str, Any]:
    same = {name: row[name] for name in _SAME}
    return {**same, "activity": row["subject"], "basis": _basis(row), "value": Decimal(row["value"])}
