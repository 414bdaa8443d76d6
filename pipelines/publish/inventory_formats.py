"""Inventories in the forms that others ask for: GHG Protocol, ISO 14064-1, the Korean trading scheme's lines.

Belongs here: what each form demands, and its own sheets. Does not belong here: sheets of every form
(inventory_sheets), the inventory (pipelines.domain.emissions.inventory), files (pipelines.jobs.exporting).

Forms: GHG Protocol Corporate Standard and Scope 2 Guidance (2015), chapter 7: both methods side by side;
ISO 14064-1:2018, 9.3.1 and annex B; 온실가스 배출권거래제 배출량 보고 및 인증 지침, 명세서의 배출활동별 항목.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipelines.domain.emissions.inventory import CATEGORIES, Inventory, InventoryLine
from pipelines.domain.emissions.lookup import NOT_NAMED
from pipelines.publish.inventory_sheets import (
    ABOUT,
    NOT_KNOWN,
    UNSTATED,
    by_gas,
    common_sheets,
    plain,
    report_sheet,
)
from pipelines.publish.workbook import Sheet

Fault = tuple[str, str]
"""What is missing, in English and in Korean."""

KETS = "kets"


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
        for reasons in ["; ".join((*line.reasons, *_to_do(line))) or NOT_KNOWN]
    ]
    # Months repeat what a source lacks: it is told once.
    return list(dict.fromkeys((*found, *form.demands(inventory))))


def _to_do(line: InventoryLine) -> tuple[str, ...]:
    return (f"--use {line.activity}=FACTOR_ID",) if NOT_NAMED in line.reasons else ()


def document(inventory: Inventory, form: str) -> list[Sheet]:
    """Return the sheets of a form: a workbook for people has them as pages, JSON as lists by name."""
    report = report_sheet(inventory, FORMS[form].title)
    return [report, *FORMS[form].sheets(inventory), *common_sheets(inventory)]


def document_json(sheets: list[Sheet], form: str) -> str:
    """Return sheets as one JSON object: full precision, null where null."""
    content = {"format": form, **{sheet.name: list(sheet.rows) for sheet in sheets}}
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _named(line: InventoryLine) -> str:
    method = "" if line.method == "-" else f", {line.method}"
    return f"{line.factory}/{line.activity}{method}"


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


_CATEGORY_COLUMNS = (
    "category", "name", "method", "gwp_set", "co2e_kg", "co2_kg", "ch4_kg", "n2o_kg", "other_gases_kg",
    "co2_biogenic_kg", "status", "reason",
)  # fmt: skip


def _by_category(inventory: Inventory) -> tuple[Sheet, ...]:
    """List every category: its emissions by method and GWP set, gases apart, or why there are none."""
    nothing = dict.fromkeys(_CATEGORY_COLUMNS)
    rows: list[Mapping[str, object]] = []
    for key, name in CATEGORIES.items():
        head = {"category": key, "name": name}
        own = inventory.of_category(key)
        for total in own:
            known = {"gwp_set": total.gwp_set, "co2e_kg": total.co2e_kg, **by_gas(total.masses_kg)}
            more = {"method": total.method, "co2_biogenic_kg": total.co2_biogenic_kg, "status": "quantified"}
            rows.append(nothing | head | known | more)
        if not own:
            why = inventory.not_quantified.get(key, NOT_KNOWN)
            rows.append(nothing | head | {"status": "not quantified", "reason": why})
    return (Sheet("categories", _CATEGORY_COLUMNS, tuple(rows)), _sources(inventory))


def _sources(inventory: Inventory) -> Sheet:
    """Say of each source how well it is known: what isn't, says so."""
    columns = (
        "factory", "month", "activity", "activity_id", "method", "gwp_set", "tier", "uncertainty_low_pct",
        "uncertainty_high_pct", "factor_match", "coverage",
    )  # fmt: skip
    rows = tuple(
        {c: NOT_KNOWN if getattr(line, c) is None else plain(getattr(line, c)) for c in columns}
        for line in inventory.lines
    )
    return Sheet("sources", columns, rows)


_KETS_PURPOSE, _KETS_SET = "k_ets", "SAR"


def _of_the_scheme(inventory: Inventory) -> list[Fault]:
    """Demand what the scheme settles with: factors of its purpose, its GWP set, tiers."""
    found: list[Fault] = []
    wanted = inventory.chosen.get("gwp_set_of_the_scheme", _KETS_SET)
    for line in _located(inventory):
        name, activity = _named(line), line.activity
        if line.purpose != _KETS_PURPOSE:
            found.append((
                f"factor of the trading scheme for {name} (chosen for {line.purpose})",
                f"{name}의 배출권거래제 배출계수 ({line.purpose}용 계수가 쓰임)",
            ))  # fmt: skip
        elif line.co2e_kg is not None and line.gwp_set in {None, UNSTATED}:
            found.append((
                f"GWP set of {name} (its factor states none: name another, --use {activity}=FACTOR_ID)",
                f"{name}의 지구온난화지수 판 (계수에 표시 없음: --use {activity}=FACTOR_ID로 지정)",
            ))  # fmt: skip
        elif line.co2e_kg is not None and line.gwp_set != wanted:
            found.append((
                f"{name} by the GWP set {wanted} (its factor is of {line.gwp_set})",
                f"{name}의 {wanted} 기준 배출량 (계수가 {line.gwp_set} 기준)",
            ))  # fmt: skip
        if line.tier is None:
            found.append((
                f"tier of {name} (in its record, or --tier {activity}=N)",
                f"{name}의 산정등급 (활동 기록 또는 --tier {activity}=N)",
            ))  # fmt: skip
    return found


def _located(inventory: Inventory) -> list[InventoryLine]:
    return [line for line in inventory.lines if line.method != "market"]


def _scheme_lines(inventory: Inventory) -> tuple[Sheet, ...]:
    """List the lines of a 명세서 by activity; the scheme knows no market-based electricity."""
    rows = tuple(_scheme_line(line, inventory.verification) for line in _located(inventory))
    return (Sheet("명세서", tuple(rows[0]), rows),)


def _scheme_line(line: InventoryLine, verification: str) -> dict[str, object]:
    gases = by_gas(line.masses_kg)
    percent = [line.uncertainty_low_pct, line.uncertainty_high_pct]
    low, high = (NOT_KNOWN if p is None else p for p in percent)
    return {
        "사업장": line.factory,
        "월": plain(line.month),
        "배출활동": line.activity,
        "활동자료 번호": line.activity_id,
        "직접/간접": "직접" if line.scope == "1" else "간접",
        "구분": line.flow,
        "활동자료": line.amount,
        "단위": line.unit,
        "배출계수": plain(line.factor_ids),
        "산정등급": line.tier,
        "CO2(kg)": gases["co2_kg"],
        "CH4(kg)": gases["ch4_kg"],
        "N2O(kg)": gases["n2o_kg"],
        "그 밖의 온실가스(kg)": gases["other_gases_kg"],
        "배출량(tCO2eq)": None if line.co2e_kg is None else line.co2e_kg / 1000.0,
        "GWP": line.gwp_set,
        "불확도 하한(%)": low,
        "불확도 상한(%)": high,
        "비고": plain(line.reasons),
        "검증": verification,
    }


FORMS: Final[Mapping[str, Form]] = {
    "ghgp": Form("GHG Protocol scope 2 dual report", (), _both_methods, _dual),
    "iso14064": Form(
        "ISO 14064-1:2018 inventory by category", ("responsible", "base_year"), _nothing_more, _by_category
    ),
    KETS: Form(
        "배출권거래제 명세서", ("registration_number", "representative"), _of_the_scheme, _scheme_lines
    ),
}
