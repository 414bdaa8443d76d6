"""Holding an inventory's JSON against the schema of its form, before it is written.

Belongs here: the check. Does not belong here: the schema (schemas/inventory.schema.json), what a form lacks
in words (inventory_formats).
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

from pipelines.domain.outcomes import ExitCode, OperatorError


@cache
def inventory_schema() -> dict[str, Any]:
    """Return the schema of every form: JSON Schema, draft 2020-12."""
    text = files("pipelines.publish").joinpath("schemas", "inventory.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def check(document: str, form: str) -> None:
    """Hold a document against its schema.

    Raises:
        OperatorError: MANDATORY_MISSING: it lacks or contradicts something; the first fault is named.
    """
    validator = jsonschema.Draft202012Validator(inventory_schema())
    fault = jsonschema.exceptions.best_match(validator.iter_errors(json.loads(document)))
    if fault is not None:
        why = _why(fault)
        raise OperatorError(
            f"{form}: the document isn't what its schema demands at {fault.json_path}: {why}",
            f"{form}: 문서의 {fault.json_path} 항목이 스키마와 맞지 않습니다: {why}",
            ExitCode.MANDATORY_MISSING,
        )


def _why(fault: jsonschema.ValidationError) -> str:
    """Say what is wrong; of a list without a row that it must have, which one, not the whole list."""
    if fault.validator == "contains":
        wanted = {name: asked.get("const") for name, asked in fault.validator_value["properties"].items()}
        named = ", ".join(f"{name} {value}" for name, value in wanted.items() if value is not None)
        return f"there is no row with {named}"
    return str(fault.message)
