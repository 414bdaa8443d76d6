"""What every form of a product's footprint has: what it demands, its content, its schema, its sheets.

Belongs here: the frozen form, faults that all forms share, validation. Does not belong here: a form's own
fields (pact, catenax, idta, cbam), the list of forms (forms).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import jsonschema

from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.domain.emissions.product_footprint import SupplierInput
from pipelines.publish.inventory_sheets import FACTOR_COLUMNS, plain
from pipelines.publish.product_formats.per_unit import input_sets, own_sets
from pipelines.publish.product_formats.told import Fault, Told
from pipelines.publish.workbook import Sheet

_SCHEMAS: Final = Path(__file__).parent.parent / "schemas"
Figure = tuple[str, str, Decimal | None]
"""What it is, its unit, its value; null: not known."""


@dataclass(frozen=True)
class ProductForm:
    """A form of a product's footprint.

    Args:
        title: what it is called, with its version.
        about: fields that must be told beside the tables.
        optional: fields that may be told.
        demands: what else is missing, if anything.
        files: ending -> content, for machines. It may assume that nothing is missing.
        figures: its numbers, for people.
        document: its JSON as Python values; what the schema is about.
        schema: name of the JSON schema of its document; null: the writing library checks its model.
    """

    title: str
    about: tuple[str, ...]
    optional: tuple[str, ...]
    demands: Callable[[Told], list[Fault]]
    files: Callable[[Told], Mapping[str, bytes]]
    figures: Callable[[Told], list[Figure]]
    document: Callable[[Told], Mapping[str, Any]]
    schema: str | None


def faults(told: Told, form: ProductForm) -> list[Fault]:
    """List what a form demands and the footprint lacks; empty: it can be written and is valid."""
    found = [*_unknown(told), *told.missing(form.about), *form.demands(told)]
    if found or form.schema is None:
        return found
    return schema_faults(form.document(told), form.schema)


def schema_faults(document: Mapping[str, Any], name: str) -> list[Fault]:
    """List where a document departs from a schema, by its path in it."""
    validator = jsonschema.Draft202012Validator(
        json.loads((_SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    )
    errors = sorted(validator.iter_errors(document), key=lambda error: error.json_path)
    return [
        (f"{error.json_path}: {error.message}", f"{error.json_path} 형식이 맞지 않음: {error.message}")
        for error in errors
    ]


def sheets(told: Told, form: ProductForm) -> list[Sheet]:
    """Return what people read: the same figures, and what they rest on."""
    lines = _table("lines", tuple(f.name for f in fields(InventoryLine)), map(vars, told.footprint.lines))
    inputs = _table("inputs", tuple(f.name for f in fields(SupplierInput)), map(vars, told.footprint.inputs))
    figures = tuple(
        {"figure": what, "unit": unit, "value": plain(value)} for what, unit, value in form.figures(told)
    )
    return [
        _report(told, form),
        Sheet("figures", ("figure", "unit", "value"), figures),
        lines,
        inputs,
        _table("factors", FACTOR_COLUMNS, told.footprint.factors),
    ]


def _unknown(told: Told) -> list[Fault]:
    footprint = told.footprint
    found: list[Fault] = []
    if not footprint.organisation:
        found.append(("name of the firm", "회사 이름"))
    if footprint.quantity <= 0:
        found.append((f"good output of {footprint.product}", f"{footprint.product}의 양품 생산량"))
    if not footprint.lines:
        found.append(("any emission in the period", "해당 기간의 배출 내역"))
    if footprint.known_at is None:
        found.append(("time at which the emissions were computed", "배출량 산정 시각"))
    return found + [
        (
            f"emissions of {line.factory}/{line.activity} ({why})",
            f"{line.factory}/{line.activity}의 배출량 ({why})",
        )
        for line in footprint.lines
        if line.co2e_kg is None
        for why in ["; ".join(line.reasons) or "not known"]
    ]


def _report(told: Told, form: ProductForm) -> Sheet:
    footprint = told.footprint
    said = {
        "form": form.title,
        "organisation": footprint.organisation,
        "factory": footprint.factory,
        "product": footprint.product,
        "product_class": footprint.product_class,
        "period_start": footprint.start.isoformat(),
        "period_end_exclusive": footprint.end.isoformat(),
        "quantity": footprint.quantity,
        "unit": footprint.unit,
        "boundary": footprint.boundary,
        "allocation": footprint.allocation,
        "share_of_the_factory": float(footprint.share),
        "gwp_sets": ", ".join(sorted({*own_sets(footprint.lines), *input_sets(footprint.inputs)})),
        "verification": "unverified",
        "provisional": any(line.provisional for line in footprint.lines),
        "known_at": plain(footprint.known_at),
        **{field: told.text(field) for field in (*form.about, *form.optional)},
    }
    rows = tuple({"field": field, "value": value} for field, value in said.items() if value is not None)
    return Sheet("report", ("field", "value"), rows)


def _table(name: str, columns: tuple[str, ...], rows: Any) -> Sheet:  # noqa: ANN401 - rows of several types
    return Sheet(name, columns, tuple({c: plain(row.get(c)) for c in columns} for row in rows))
