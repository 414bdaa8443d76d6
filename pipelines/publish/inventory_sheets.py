"""Sheets that every form of an inventory has: report, totals, lines, what isn't counted, factors, gaps.

Belongs here: an inventory's parts as rows. Does not belong here: what a form demands, and its own sheets
(inventory_formats), workbooks (workbook).
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from pipelines.domain.emissions.inventory import (
    CATEGORIES,
    ELECTRICITY_CATEGORY,
    Inventory,
    InventoryLine,
    InventoryTotal,
    Stated,
)
from pipelines.publish.workbook import Sheet

NOT_KNOWN, UNSTATED = "not known", "unstated"
CONSUMPTION_END = "consumption_end"
ABOUT: Final[Mapping[str, str]] = {
    "responsible": "작성 책임자",
    "base_year": "기준 연도",
    "registration_number": "사업자등록번호",
    "representative": "대표자",
}
"""What tables don't know and a file tells (`--about`): field -> its Korean name."""

_REPORTING_BOUNDARY = "scope 1 and 2, gate to gate; scope 3 only where a member supplies it"
_NOT_KEPT = "computed for this document from the ledger's activities; the ledger keeps no such statement"
FACTOR_COLUMNS = (
    "factor_id", "activity", "geography", "basis", "gas", "value", "unit", "gwp_set", "valid_from",
    "valid_to", "published_on", "source",
)  # fmt: skip
_TOTAL_COLUMNS = (
    "scope", "method", "gwp_set", "co2e_kg", "unknown", "co2_kg", "ch4_kg", "n2o_kg", "other_gases_kg",
    "co2_biogenic_kg", "uncertainty_low_pct", "uncertainty_high_pct", "reasons",
)  # fmt: skip
_LINE_COLUMNS = (
    "factory", "month", "activity", "activity_id", "flow", "scope", "category", "method", "amount", "unit",
    "co2e_kg", "masses_kg", "co2_biogenic_kg", "factor_ids", "factor_match", "purpose", "gwp_set", "tier",
    "uncertainty_low_pct", "uncertainty_high_pct", "coverage", "quality", "estimated_share", "provisional",
    "source", "counterpart", "transfer_id", "matched", "reasons",
)  # fmt: skip
_INSTRUMENT_COLUMNS = (
    "factory", "month", "activity_id", "instrument", "certificate_id", "claimed_kwh", "reasons",
    "market_line_reasons",
)  # fmt: skip
_IDLE_COLUMNS = (
    "factory", "month", "activity", "activity_id", "flow", "amount", "unit", "counterpart", "transfer_id",
    "matched", "reasons",
)  # fmt: skip


def report_sheet(inventory: Inventory, title: str) -> Sheet:
    """Say whose inventory it is, of which period and boundary, what it rests on; no row without a value."""
    losses = any(factor["basis"] == CONSUMPTION_END for factor in inventory.factors)
    said = {
        "form": title,
        "organisation": inventory.organisation,
        "cluster": inventory.cluster,
        "period_start": inventory.start.isoformat(),
        "period_end_exclusive": inventory.end.isoformat(),
        "months_with_lines": ", ".join(sorted({f"{x.month:%Y-%m}" for x in inventory.lines if x.month})),
        "consolidation_approach": inventory.approach,
        "factories": ", ".join(inventory.factories),
        "reporting_boundary": _REPORTING_BOUNDARY,
        "exclusions": "; ".join(inventory.exclusions) or "none",
        "leased_sites": ", ".join(inventory.leased) or "none",
        "verification": inventory.verification,
        "gwp_sets": ", ".join(inventory.gwp_sets) or NOT_KNOWN,
        "provisional": inventory.provisional,
        **(_of_statement(inventory.stated) if inventory.stated else {}),
        **inventory.chosen,
        "known_at": None if inventory.known_at is None else inventory.known_at.isoformat(),
        "grid_factors": "contain transmission and distribution losses (consumption end)" if losses else None,
        **{name: inventory.about.get(name) for name in ABOUT},
    }
    rows = tuple({"field": name, "value": value} for name, value in said.items() if value not in (None, ""))
    return Sheet("report", ("field", "value"), rows)


def _of_statement(stated: Stated) -> dict[str, object]:
    if stated.version is None:
        return {"statement": _NOT_KEPT}
    return {
        "statement": stated.statement_id,
        "statement_version": stated.version,
        "statement_cause": stated.cause,
        "statement_note": stated.note,
    }


def common_sheets(inventory: Inventory) -> tuple[Sheet, ...]:
    """Return the sheets that every form has after its own."""
    missing = tuple(
        {"category": key, "name": CATEGORIES[key], "reason": why}
        for key, why in sorted(inventory.not_quantified.items())
    )
    return (
        Sheet("totals", _TOTAL_COLUMNS, tuple(_total(total) for total in inventory.totals())),
        _of_lines("lines", _LINE_COLUMNS, inventory.lines),
        _instruments(inventory),
        _of_lines("not_counted", _IDLE_COLUMNS, inventory.not_counted),
        Sheet(
            "factors",
            FACTOR_COLUMNS,
            tuple({c: plain(f.get(c)) for c in FACTOR_COLUMNS} for f in inventory.factors),
        ),
        Sheet("not_quantified", ("category", "name", "reason"), missing),
    )


def _instruments(inventory: Inventory) -> Sheet:
    """List certificates and contracts; what became of a claim, the market-based line of its month says."""
    told = (*inventory.lines, *inventory.not_counted)
    own = [
        line
        for line in told
        if line.method != "market" and (line.instrument is not None or line.certificate_id is not None)
    ]
    said: dict[object, dict[str, None]] = {}
    for line in inventory.lines:
        if line.method == "market" and line.category == ELECTRICITY_CATEGORY:
            said.setdefault((line.factory, line.month), {}).update(dict.fromkeys(line.reasons))
    rows = tuple(
        {c: plain(getattr(line, c, None)) for c in _INSTRUMENT_COLUMNS}
        | {"market_line_reasons": plain(tuple(said.get((line.factory, line.month), ())))}
        for line in own
    )
    return Sheet("instruments", _INSTRUMENT_COLUMNS, rows)


def _total(total: InventoryTotal) -> dict[str, object]:
    plains = {c: plain(getattr(total, c)) for c in _TOTAL_COLUMNS if hasattr(total, c)}
    return plains | by_gas(total.masses_kg)


def _of_lines(name: str, columns: tuple[str, ...], lines: tuple[InventoryLine, ...]) -> Sheet:
    return Sheet(name, columns, tuple({c: plain(getattr(line, c)) for c in columns} for line in lines))


def by_gas(masses_kg: Mapping[str, float]) -> dict[str, object]:
    """Return masses as the columns co2_kg, ch4_kg, n2o_kg and other_gases_kg (text); null: not told apart."""
    named = {"co2_kg": "CO2", "ch4_kg": "CH4", "n2o_kg": "N2O"}
    others = {gas: kg for gas, kg in masses_kg.items() if gas not in named.values()}
    return {**{column: masses_kg.get(gas) for column, gas in named.items()}, "other_gases_kg": plain(others)}


def plain(value: object) -> object:
    """Return a value as a cell: dates as ISO 8601, lists and masses as text, decimals as numbers."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (tuple, list)):
        return "; ".join(map(str, value)) or None
    if isinstance(value, Mapping):
        return "; ".join(f"{gas} {mass!r}" for gas, mass in sorted(value.items())) or None
    return value
