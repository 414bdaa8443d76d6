"""Declarations of products: what a firm says of a product and of what it buys for it.

Belongs here: which declaration holds, its inputs as a type. Does not belong here: reading the stream
(pipelines.jobs.products), what a footprint makes of them (pipelines.domain.emissions.product_footprint).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import polars as pl

from pipelines.domain.emissions.product_footprint import SupplierInput

_DESCRIBED = ("name", "description", "cn_code", "cpc_code")


@dataclass(frozen=True)
class Declaration:
    """What holds of a product.

    Args:
        product: its id.
        mass_kg_per_unit: mass of one unit; null: not said.
        described: name, description, cn_code, cpc_code, as far as they are said.
        inputs: what is bought for it, sorted by id and supplier.
        inputs_complete: whether that is everything.
    """

    product: str
    mass_kg_per_unit: float | None = None
    described: Mapping[str, str] | None = None
    inputs: tuple[SupplierInput, ...] = ()
    inputs_complete: bool = False


def declarations(rows: pl.DataFrame, factory: str, before: datetime) -> dict[str, Declaration]:
    """Return what holds of a factory's products just before an instant.

    Of a product the newest declaration counts; of two of one instant the higher sequence, then the later
    record, then the greater content.

    Args:
        rows: of raw_products.
        factory: whose.
        before: end of the period [UTC]; what begins then or later doesn't hold yet.
    """
    begun = rows.filter((pl.col("factory") == factory) & (pl.col("valid_from") < before))
    order = ("product", "valid_from", "sequence", "record_timestamp")
    oldest_first = sorted(
        begun.iter_rows(named=True), key=lambda row: (*(row[n] for n in order), _content(row))
    )
    return {row["product"]: _declaration(row) for row in oldest_first}


def _content(row: Mapping[str, Any]) -> str:
    said = {name: row[name] for name in (*_DESCRIBED, "mass_kg_per_unit", "inputs", "inputs_complete")}
    return json.dumps(said, sort_keys=True)


def _declaration(row: Mapping[str, Any]) -> Declaration:
    inputs = [_input(one) for one in row["inputs"] or ()]
    return Declaration(
        row["product"],
        row["mass_kg_per_unit"],
        {name: row[name] for name in _DESCRIBED if row[name] is not None},
        tuple(sorted(inputs, key=lambda one: (one.input, one.supplier or ""))),
        bool(row["inputs_complete"]),
    )


def _input(said: Mapping[str, Any]) -> SupplierInput:
    return SupplierInput(**{field.name: said[field.name] for field in fields(SupplierInput)})
