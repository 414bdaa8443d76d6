"""The rows of the factor tables that lines name, as one list with their sources.

Belongs here: finding rows by the ids that lines name, whichever table they are of. Does not belong here:
choosing rows (pipelines.domain.emissions), files.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

_FACTOR = ("activity", "geography", "basis", "gas")
_DATES = ("valid_from", "valid_to", "published_on")
_PLAIN = (
    "factor_id", "table", "subject", "geography", "basis", "gas", "property", "value", "unit", "gwp_set",
    "source", "confidence", "note",
)  # fmt: skip
USED_SCHEMA = pl.Schema({
    "factor_set": pl.String, **dict.fromkeys(_PLAIN, pl.String), **dict.fromkeys(_DATES, pl.Date),
    "uncertainty_pct_low": pl.String, "uncertainty_pct_high": pl.String,
})  # fmt: skip
SUPPLIER = "supplier:"
Statement = tuple[float, str, str | None]
"""What a supplier states: kg CO2e per unit, the unit, who it is (null: not named)."""
FACTOR_PROPERTY, GWP_PROPERTY = "factor", "gwp_100"


def used_factors(
    lines: Iterable[Mapping[str, Any]],
    sets: Mapping[str, Mapping[str, pl.DataFrame]],
    told: Mapping[str, Statement],
) -> pl.DataFrame:
    """List the rows that lines were computed by.

    Args:
        lines: rows of emission_lines: ``factor_set, factor_id`` (joined by ;; null: none), ``gwp_set``.
        sets: name of a factor set -> its tables by name.
        told: of a purchase (`<factory>/<activity_id>`) what its supplier states.

    Returns:
        USED_SCHEMA, one row for each number, sorted: emission factors, properties of fuels (ncv, gcv, carbon
        content), parameters, factors that suppliers stated, and the GWP sets by which gases were added.
        Numbers are texts, as printed at the source.
    """
    wanted = {
        (line["factor_set"], name)
        for line in lines
        for name in (*str(line["factor_id"] or "").split(";"), f"gwp:{line['gwp_set']}")
    }
    rows = [
        {"factor_set": factor_set, **row}
        for factor_set, name in sorted(wanted)
        for row in _rows(name, sets[factor_set], told)
    ]
    return pl.DataFrame(rows, schema=USED_SCHEMA).sort(["factor_set", *_PLAIN])


def _rows(
    name: str, tables: Mapping[str, pl.DataFrame], told: Mapping[str, Statement]
) -> list[dict[str, Any]]:
    if name.startswith(SUPPLIER):
        return [_told(name, *told[name.removeprefix(SUPPLIER)])]
    if name.startswith("gwp:"):
        gases = tables["gwp"].filter(gwp_set=name.removeprefix("gwp:")).to_dicts()
        return [_gwp(name, row) for row in gases]
    factors = tables["emission_factors"].filter(factor_id=name).to_dicts()
    pairs = tables["fuel_properties"].filter(
        pl.concat_str("fuel", "geography", "vintage", separator=":") == name
    )
    parameters = tables["parameters"].filter(parameter_id=name).to_dicts()
    return [
        *(_factor(name, row) for row in factors),
        *(made for row in pairs.to_dicts() for made in _pair(name, row)),
        *(_parameter(name, row) for row in parameters),
    ]


def _common(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in (*names, "source", "confidence", "note")}


def _factor(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_common(row, ("geography", "basis", "gas", "unit", "gwp_set", *_DATES)),
        **_percents(row, ""), "factor_id": name, "table": "emission_factors", "subject": row["activity"],
        "property": FACTOR_PROPERTY, "value": _text(row["value"]),
    }  # fmt: skip


def _pair(name: str, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    common = {
        **_common(row, ("geography", "valid_from", "published_on")), "factor_id": name,
        "table": "fuel_properties", "subject": row["fuel"],
    }  # fmt: skip
    carbon, unit = "carbon_content_tc_per_tj", row["ncv_unit"]
    return [
        {**common, **_percents(row, "ncv_"), "property": "ncv", "value": _text(row["ncv"]), "unit": unit},
        {**common, "property": "gcv", "value": _text(row["gcv"]), "unit": unit},
        {**common, "property": "carbon_content", "value": _text(row[carbon]), "unit": "tC/TJ"},
    ]


def _parameter(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_common(row, ("geography", "unit", *_DATES)), **_percents(row, ""), "factor_id": name,
        "table": "parameters", "subject": row["subject"], "property": row["parameter"],
        "value": _text(row["value"]),
    }  # fmt: skip


def _gwp(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_common(row, ("gas", "gwp_set")), "factor_id": name, "table": "gwp", "subject": row["gas"],
        "property": GWP_PROPERTY, "value": _text(row["gwp_100"]), "unit": "kg CO2e/kg",
    }  # fmt: skip


def _told(name: str, value: float, unit: str, supplier: str | None) -> dict[str, Any]:
    return {
        "factor_id": name, "table": "activities", "subject": name.removeprefix(SUPPLIER),
        "property": "supplier_kg_per_unit", "value": repr(value), "unit": f"kg CO2e/{unit}",
        "source": f"stated by the supplier ({supplier or 'not named'})",
    }  # fmt: skip


def _percents(row: Mapping[str, Any], prefix: str) -> dict[str, str | None]:
    names = ("uncertainty_pct_low", "uncertainty_pct_high")
    return {name: _text(row.get(prefix + name)) for name in names}


def _text(value: Any) -> str | None:  # noqa: ANN401 - a cell of a frame
    return None if value is None else format(value.normalize(), "f")


def without_source(factors: pl.DataFrame, named: Iterable[str]) -> list[str]:
    """Return the ids of rows that are named and not in a list of used factors, or there without a source."""
    known = set(factors.filter(pl.col("source").is_not_null())["factor_id"])
    return sorted({*named} - known)


def ids_of(factor_id: str | None) -> list[str]:
    """Split the ids that a line names."""
    return [name for name in (factor_id or "").split(";") if name]
