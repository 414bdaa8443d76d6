"""Lines of the ledger as lines of an inventory, one to one.

Belongs here: what a row of emission_lines with its activity says in an inventory, categories of ISO 14064-1.
Does not belong here: which rows (pipelines.jobs.inventory), what an export asks (pipelines.publish).
"""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from pipelines.domain.emissions.inventory import (
    BOUGHT_HEAT_CATEGORY,
    DIRECT_CATEGORY,
    ELECTRICITY_CATEGORY,
    NO_CATEGORY,
    PRODUCTS_CATEGORY,
    TRANSPORT_CATEGORY,
    InventoryLine,
)
from pipelines.domain.emissions.rates import ELECTRICITY
from pipelines.domain.periods import days_in

WITHDRAWN = "withdrawn"
_PLACE = ["factory", "month", "activity_id"]
_OF_THE_ACTIVITY = (
    "activity", "amount", "unit", "flow", "source", "counterpart", "transfer_id", "certificate_id",
    "instrument", "claimed_kwh", "coverage", "start", "end", "supplier_kg_per_unit",
    "estimated_share",
)  # fmt: skip
_GASES = {"co2_kg": "CO2", "ch4_kg": "CH4", "n2o_kg": "N2O"}
_TRANSPORT = frozenset({"freight", "transport"})


def inventory_lines(lines: pl.DataFrame, activities: pl.DataFrame) -> tuple[InventoryLine, ...]:
    """Turn lines of the ledger into lines of an inventory; what was withdrawn is left out.

    Args:
        lines: of EMISSION_LINES, one version of each (the newest, or those of a statement).
        activities: of ACTIVITIES, at least the versions that the lines were computed from.

    Returns:
        By factory, scope, activity, month, activity_id and method. Lines that emit nothing by themselves (a
        bill of metered energy, a contract, what was sold) have ``emits`` false, scope and category ``-`` and
        no figure; they are no part of any total.

    Raises:
        ValueError: a line's activity isn't there.
    """
    theirs = activities.select(*_PLACE, *_OF_THE_ACTIVITY, activity_version="version")
    live = lines.filter(pl.col("reason").ne_missing(WITHDRAWN))
    rows = live.join(theirs, on=[*_PLACE, "activity_version"], how="left")
    if rows["activity"].null_count():
        lost = rows.filter(pl.col("activity").is_null()).row(0, named=True)
        msg = f"no activity {lost['factory']}/{lost['activity_id']} version {lost['activity_version']}"
        raise ValueError(msg)
    order = ("factory", "scope", "activity", "month", "activity_id", "method")
    return tuple(_line(row) for row in rows.sort(order).iter_rows(named=True))


def category_of(scope: str, activity: str) -> str:
    """Return the category of ISO 14064-1:2018, annex B; ``-``: none, or its scope isn't known.

    What happened before a fuel or electricity was bought (extraction, losses of the grid) is of the products
    that an organisation uses (B.5), not of imported energy (B.3); what is carried is transport (B.4).
    """
    if scope == "1":
        return DIRECT_CATEGORY
    if scope == "2":
        return ELECTRICITY_CATEGORY if activity == ELECTRICITY else BOUGHT_HEAT_CATEGORY
    if scope == "3":
        carried = _TRANSPORT & {*activity.lower().replace("-", "_").split("_")}
        return TRANSPORT_CATEGORY if carried else PRODUCTS_CATEGORY
    return NO_CATEGORY


def _line(row: Mapping[str, Any]) -> InventoryLine:
    return InventoryLine(
        factory=row["factory"],
        activity=row["activity"],
        scope=row["scope"],
        category=category_of(row["scope"], row["activity"]),
        method=row["method"],
        amount=row["amount"],
        unit=row["unit"],
        masses_kg=_masses(row),
        co2e_kg=row["co2e_kg"],
        factor_ids=tuple(row["factor_id"].split(";")) if row["factor_id"] else (),
        purpose=row["purpose"],
        gwp_set=row["gwp_set"],
        tier=None if row["tier"] is None else str(row["tier"]),
        uncertainty_low_pct=row["uncertainty_low_pct"],
        uncertainty_high_pct=row["uncertainty_high_pct"],
        coverage=_coverage(row),
        provisional=row["provisional"],
        reasons=tuple(row["reason"].split(";")) if row["reason"] else (),
        activity_id=row["activity_id"],
        month=row["month"],
        flow=row["flow"],
        source=row["source"],
        co2_biogenic_kg=row["co2_biogenic_kg"],
        factor_match=row["factor_match"],
        counterpart=row["counterpart"],
        transfer_id=row["transfer_id"],
        matched=row["matched"],
        instrument=row["instrument"],
        certificate_id=row["certificate_id"],
        claimed_kwh=row["claimed_kwh"],
        supplier_kg_per_unit=row["supplier_kg_per_unit"],
        quality=row["quality"],
        estimated_share=row["estimated_share"],
        emits=row["factor_match"] is not None,
    )


def _coverage(row: Mapping[str, Any]) -> float | None:
    """Return the measured share of the whole month: the ledger's is of the metered days."""
    if row["coverage"] is None:
        return None
    share: float = row["coverage"] * (row["end"] - row["start"]).days / days_in(row["month"])
    return share


def _masses(row: Mapping[str, Any]) -> dict[str, float]:
    """Return masses by gas, without the CO2 of biomass, which has a field of its own."""
    told = {gas: row[name] for name, gas in _GASES.items() if row[name] is not None}
    others: dict[str, float] = json.loads(row["other_gases"]) if row["other_gases"] else {}
    return told | others
