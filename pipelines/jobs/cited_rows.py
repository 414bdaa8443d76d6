"""Rows of the factor tables that lines name, as the sets of their months hold them.

Belongs here: factors, fuel pairs, parameters and GWPs as one list with sources. Does not belong here:
choosing them (pipelines.domain.emissions), storing sets (factor_choices).
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from pipelines.domain.emissions.gases import COMPOSITE
from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.jobs.factor_choices import Choices, Frames

_COLUMNS = (
    "factor_id", "activity", "geography", "basis", "gas", "value", "unit", "gwp_set", "valid_from",
    "valid_to", "published_on", "source",
)  # fmt: skip


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
        published_on, source`` by factor_id and basis: emission factors, the calorific value (basis ncv) and
        carbon content (basis carbon) of fuel pairs, parameters (their name is the basis), and the GWP (basis
        gwp_100) of each gas and set, and what suppliers state of a purchase; null: it doesn't apply.
    """
    used = {factor for line in lines for factor in line.factor_ids}
    weighed = {(line.gwp_set, gas) for line in lines for gas in line.masses_kg}
    found = [part for name in sorted(factor_sets) for part in _of_a_set(choices.frames(name), used, weighed)]
    found.append(_of_suppliers(lines))
    every = pl.concat(found, how="vertical_relaxed").unique(maintain_order=True)
    return tuple(every.sort("factor_id", "basis").to_dicts())


def _of_a_set(frames: Frames, used: set[str], weighed: set[tuple[str | None, str]]) -> list[pl.DataFrame]:
    pairs = frames["fuel_properties"].with_columns(
        factor_id=pl.concat_str("fuel", "geography", "vintage", separator=":"), activity="fuel"
    )
    gwps = pl.DataFrame(
        [{"gwp_set": name, "gas": gas} for name, gas in weighed],
        schema={"gwp_set": pl.String, "gas": pl.String},
    )
    parts = [
        frames["emission_factors"],
        _part(pairs, "ncv", "ncv", pl.col("ncv_unit")),
        _part(pairs, "carbon", "carbon_content_tc_per_tj", pl.lit("tC/TJ")),
        frames["parameters"].with_columns(factor_id="parameter_id", activity="subject", basis="parameter"),
    ]
    cited = [_columns(part.filter(pl.col("factor_id").is_in(used))) for part in parts]
    counted = frames["gwp"].join(gwps, on=["gwp_set", "gas"], how="semi")
    return [*cited, _columns(_of_gases(counted))]


def _of_suppliers(lines: Sequence[InventoryLine]) -> pl.DataFrame:
    """Return factors that suppliers state: they are in no table."""
    rows = [
        {
            "factor_id": factor, "activity": line.activity, "basis": "supplier", "gas": COMPOSITE,
            "value": Decimal(repr(line.supplier_kg_per_unit)), "unit": f"kgCO2e/{line.unit}",
            "gwp_set": "none", "source": f"stated by the supplier ({line.counterpart or 'not named'})",
        }
        for line in lines
        for factor in line.factor_ids
        if factor.startswith("supplier:") and line.supplier_kg_per_unit is not None
    ]  # fmt: skip
    texts = ("factor_id", "activity", "basis", "gas", "unit", "gwp_set", "source")
    schema = pl.Schema({**dict.fromkeys(texts, pl.String()), "value": pl.Decimal(38, 18)})
    return _columns(pl.DataFrame(rows, schema=schema))


def _part(pairs: pl.DataFrame, basis: str, column: str, unit: pl.Expr) -> pl.DataFrame:
    told = pairs.filter(pl.col(column).is_not_null())
    return told.with_columns(basis=pl.lit(basis), value=column, unit=unit)


def _of_gases(gwps: pl.DataFrame) -> pl.DataFrame:
    return gwps.with_columns(
        factor_id=pl.format("gwp:{}:{}", "gwp_set", "gas"),
        basis=pl.lit("gwp_100"),
        value="gwp_100",
        unit=pl.lit("kgCO2e/kg"),
    )


def _columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a cited row; what a table lacks is null."""
    empty = pl.DataFrame(
        schema={
            c: pl.Date if c in {"valid_from", "valid_to", "published_on"} else pl.String for c in _COLUMNS
        }
    )
    lacking = (pl.lit(None, empty.schema[c]).alias(c) for c in _COLUMNS if c not in rows.columns)
    return rows.with_columns(*lacking).select(pl.col(c) for c in _COLUMNS)
