"""Inventories in the forms that others ask for: GHG Protocol, ISO 14064-1, the Korean trading scheme's lines.

Belongs here: what each form demands, and its sheets. Does not belong here: the inventory
(pipelines.domain.emissions.inventory), workbooks (workbook), files (pipelines.jobs.exporting).

Forms: GHG Protocol Corporate Standard and Scope 2 Guidance (2015), chapter 7: both methods side by side;
ISO 14064-1:2018, 9.3.1 and annex B; 온실가스 배출권거래제 배출량 보고 및 인증 지침, 명세서의 배출활동별 항목.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from pipelines.domain.emissions.inventory import CATEGORIES, Inventory, InventoryLine
from pipelines.publish.workbook import Sheet

Fault = tuple[str, str]
"""What is missing, in English and in Korean."""

NOT_KNOWN = "not known"
CONSUMPTION_END = "consumption_end"
ABOUT: Final[Mapping[str, str]] = {
    "responsible": "작성 책임자",
    "base_year": "기준 연도",
    "registration_number": "사업자등록번호",
    "representative": "대표자",
}
"""What tables don't know and a file tells (`--about`): field -> its Korean name."""

_FACTOR_COLUMNS = (
    "factor_id", "activity", "geography", "basis", "gas", "value", "unit", "gwp_set", "valid_from",
    "valid_to", "published_on", "source",
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """A form of an inventory.

    Args:
        title: what it is called.
        about: fields that must be told beside the tables.
        demands: what else is missing, if anything.
        sheets: its own sheets, before those that every form has.
    """

    title: str
    about: tuple[str, ...]
    demands: Callable[[Inventory], list[Fault]]
    sheets: Callable[[Inventory], tuple[Sheet, ...]]


def faults(inventory: Inventory, form: Form) -> list[Fault]:
    """List what a form demands and the inventory lacks; empty: it can be written."""
    found: list[Fault] = []
    if not inventory.organisation:
        found.append(("name of the reporting organisation", "보고 조직의 이름"))
    found += [
        (f"{name} (--about FILE)", f"{ABOUT[name]} (--about FILE)")
        for name in form.about
        if not inventory.about.get(name)
    ]
    if not inventory.lines:
        found.append(("any emission in the period", "해당 기간의 배출 내역"))
    found += [
        (f"emissions of {_named(line)} ({reasons})", f"{_named(line)}의 배출량 ({reasons})")
        for line in inventory.lines
        if line.co2e_kg is None
        for reasons in ["; ".join(line.reasons) or NOT_KNOWN]
    ]
    return [*found, *form.demands(inventory)]


def document(inventory: Inventory, form: str) -> list[Sheet]:
    """Return the sheets of a form: a workbook for people has them as pages, JSON as lists by name."""
    return [_report(inventory, FORMS[form]), *FORMS[form].sheets(inventory), *_common(inventory)]


def document_json(sheets: list[Sheet], form: str) -> str:
    """Return sheets as one JSON object: full precision, null where null."""
    content = {"format": form, **{sheet.name: list(sheet.rows) for sheet in sheets}}
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _named(line: InventoryLine) -> str:
    method = "" if line.method == "-" else f", {line.method}"
    return f"{line.factory}/{line.activity}{method}"


def _report(inventory: Inventory, form: Form) -> Sheet:
    losses = any(factor["basis"] == CONSUMPTION_END for factor in inventory.factors)
    said = {
        "form": form.title,
        "organisation": inventory.organisation,
        "cluster": inventory.cluster,
        "period_start": inventory.start.isoformat(),
        "period_end_exclusive": inventory.end.isoformat(),
        "consolidation_approach": inventory.approach,
        "factories": ", ".join(inventory.factories),
        "exclusions": "; ".join(inventory.exclusions) or "none",
        "verification": inventory.verification,
        "gwp_sets": ", ".join(inventory.gwp_sets) or NOT_KNOWN,
        "provisional": inventory.provisional,
        "known_at": None if inventory.known_at is None else inventory.known_at.isoformat(),
        "grid_factors": "contain transmission and distribution losses (consumption end)" if losses else None,
        **{name: inventory.about.get(name) for name in ABOUT},
    }
    rows = tuple({"field": name, "value": value} for name, value in said.items() if value is not None)
    return Sheet("report", ("field", "value"), rows)


def _common(inventory: Inventory) -> tuple[Sheet, ...]:
    totals = tuple(
        {
            "scope": t.scope,
            "method": t.method,
            "gwp_set": t.gwp_set,
            "co2e_kg": t.co2e_kg,
            "unknown": t.unknown,
        }
        for t in inventory.totals()
    )
    missing = tuple(
        {"category": key, "name": CATEGORIES[key], "reason": why}
        for key, why in sorted(inventory.not_quantified.items())
    )
    factors = tuple({c: _plain(f.get(c)) for c in _FACTOR_COLUMNS} for f in inventory.factors)
    names = tuple(f.name for f in fields(InventoryLine))
    lines = tuple({n: _plain(getattr(line, n)) for n in names} for line in inventory.lines)
    return (
        Sheet("totals", ("scope", "method", "gwp_set", "co2e_kg", "unknown"), totals),
        Sheet("lines", names, lines),
        Sheet("factors", _FACTOR_COLUMNS, factors),
        Sheet("not_quantified", ("category", "name", "reason"), missing),
    )


def _plain(value: object) -> object:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (tuple, list)):
        return "; ".join(map(str, value)) or None
    if isinstance(value, Mapping):
        return "; ".join(f"{gas} {mass!r}" for gas, mass in sorted(value.items())) or None
    return value


def _both_methods(inventory: Inventory) -> list[Fault]:
    methods = {line.method for line in inventory.lines if line.scope == "2"}
    return [
        (f"scope 2 by the {method}-based method", f"{korean} 기준 Scope 2 배출량")
        for method, korean in (("location", "지역"), ("market", "시장"))
        if method not in methods
    ]


def _dual(inventory: Inventory) -> tuple[Sheet, ...]:
    """Set scope 2 by location beside scope 2 by market, by GWP set."""
    by_place = {(t.gwp_set, t.method): t.co2e_kg for t in inventory.totals() if t.scope == "2"}
    rows = tuple(
        {
            "gwp_set": name,
            "location_based_co2e_kg": by_place.get((name, "location")),
            "market_based_co2e_kg": by_place.get((name, "market")),
        }
        for name in sorted({gwp_set for gwp_set, _ in by_place})
    )
    return (Sheet("scope_2", ("gwp_set", "location_based_co2e_kg", "market_based_co2e_kg"), rows),)


def _nothing_more(_inventory: Inventory) -> list[Fault]:
    return []


def _by_category(inventory: Inventory) -> tuple[Sheet, ...]:
    """List every category: its emissions by method and GWP set, or why there are none."""
    columns = ("category", "name", "method", "gwp_set", "co2e_kg", "status", "reason")
    rows: list[Mapping[str, object]] = []
    for key, name in CATEGORIES.items():
        own = Inventory(
            **{**vars(inventory), "lines": tuple(x for x in inventory.lines if x.category == key)}
        )
        rows += [
            dict(zip(columns, (key, name, t.method, t.gwp_set, t.co2e_kg, "quantified", None), strict=True))
            for t in own.totals()
        ]
        if not own.lines:
            why = inventory.not_quantified.get(key, NOT_KNOWN)
            rows.append(dict(zip(columns, (key, name, None, None, None, "not quantified", why), strict=True)))
    return (Sheet("categories", columns, tuple(rows)), _sources(inventory))


def _sources(inventory: Inventory) -> Sheet:
    """Say of each source how well it is known: what isn't, says so."""
    columns = (
        "factory",
        "activity",
        "method",
        "gwp_set",
        "tier",
        "uncertainty_low_pct",
        "uncertainty_high_pct",
    )
    rows = tuple(
        {c: NOT_KNOWN if getattr(line, c) is None else getattr(line, c) for c in columns}
        for line in inventory.lines
    )
    return Sheet("sources", columns, rows)


_KETS_PURPOSE = "k_ets"


def _of_the_scheme(inventory: Inventory) -> list[Fault]:
    """Demand what the scheme settles with: factors of its purpose, a named GWP set, tiers."""
    found: list[Fault] = []
    for line in _located(inventory):
        if line.purpose != _KETS_PURPOSE:
            found.append((
                f"factor of the trading scheme for {_named(line)} (chosen for {line.purpose})",
                f"{_named(line)}의 배출권거래제 배출계수 ({line.purpose}용 계수가 쓰임)",
            ))  # fmt: skip
        if line.gwp_set in (None, "unstated"):
            found.append((f"GWP set of {_named(line)}", f"{_named(line)}의 지구온난화지수 판"))
        if line.tier is None:
            found.append((f"tier of {_named(line)}", f"{_named(line)}의 산정등급"))
    return found


def _located(inventory: Inventory) -> list[InventoryLine]:
    return [line for line in inventory.lines if line.method != "market"]


def _scheme_lines(inventory: Inventory) -> tuple[Sheet, ...]:
    """List the lines of a 명세서 by activity; the scheme knows no market-based electricity."""
    rows = tuple(
        {
            "사업장": line.factory,
            "배출활동": line.activity,
            "직접/간접": "직접" if line.scope == "1" else "간접",
            "활동자료": line.amount,
            "단위": line.unit,
            "배출계수": _plain(line.factor_ids),
            "산정등급": line.tier,
            "온실가스별 배출량(kg)": _plain(line.masses_kg),
            "배출량(tCO2eq)": None if line.co2e_kg is None else line.co2e_kg / 1000.0,
            "GWP": line.gwp_set,
            "불확도(%)": NOT_KNOWN if line.uncertainty_high_pct is None else line.uncertainty_high_pct,
            "검증": inventory.verification,
        }
        for line in _located(inventory)
    )
    return (Sheet("명세서", tuple(rows[0]), rows),)


FORMS: Final[Mapping[str, Form]] = {
    "ghgp": Form("GHG Protocol scope 2 dual report", (), _both_methods, _dual),
    "iso14064": Form(
        "ISO 14064-1:2018 inventory by category", ("responsible", "base_year"), _nothing_more, _by_category
    ),
    "kets": Form(
        "배출권거래제 명세서", ("registration_number", "representative"), _of_the_scheme, _scheme_lines
    ),
}
