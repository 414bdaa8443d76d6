"""The KPI catalogue as data: elements, definitions, formulas, public grids.

Belongs here: reading kpis.yaml, kpi_elements.csv and kpi_grids.csv into definitions, and refusing what does
not fit together. Does not belong here: computing KPIs (pipelines.domain.kpi_evaluation).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl
import yaml

from pipelines.domain.kpi_formulas import (
    Definition,
    Element,
    Formula,
    Grid,
    KpiBook,
    output_degree,
    parse_formula,
    sources_of,
)
from pipelines.reference.tables import FOLDER

# A finer grid would let a member's value be read from a figure of few.
_LEAST_STEP_SHARE = Decimal("0.05")
_KEYS = frozenset(
    {
        "id",
        "version",
        "family",
        "standard",
        "name",
        "meaning",
        "formula",
        "unit",
        "direction",
        "class",
        "statistic",
        "breakdown",
        "share_bound",
        "minimum_coverage",
        "comparison_coverage",
        "source",
    }
)
_OPTIONAL = frozenset({"released", "expected"})
_CHOICES = {
    "direction": {"lower", "higher"},
    "class": {"A", "B"},
    "statistic": {"total", "count", "ratio_of_sums", "order_statistic"},
    "breakdown": {"cluster", "process"},
}
_ELEMENT_CHOICES = {"measured_at": {"machine", "factory", "both"}, "over_time": {"sum", "mean"}}
_TOTALS = ("total", "count")
# Stream of the carbon ledger, which is kept by calendar months.
_LEDGER = "activities"


@cache
def kpi_book() -> KpiBook:
    """Return the packaged catalogue.

    Raises:
        ValueError: what its files say doesn't fit together.
    """
    entries = yaml.safe_load((FOLDER / "kpis.yaml").read_text(encoding="utf-8"))
    return make_book(entries, _rows("kpi_elements"), _rows("kpi_grids"))


def make_book(
    entries: Sequence[Mapping[str, Any]],
    elements: Sequence[Mapping[str, Any]],
    grids: Sequence[Mapping[str, Any]],
) -> KpiBook:
    """Check and join the catalogue's parts.

    Args:
        entries: as in kpis.yaml; versions of an id follow each other, the newest last.
        elements: rows of kpi_elements.csv: texts, null where empty.
        grids: rows of kpi_grids.csv: texts, null where empty.

    Raises:
        ValueError: an unknown or missing key or choice, a formula that can't be read or is given twice, a
            share or statistic that the formula can't have, a grid that is too fine or of no KPI.
    """
    known = {row["element"]: _element(row) for row in elements}
    _check_complements(known)
    by_kpi: dict[str, dict[str, Grid]] = {}
    for row in grids:
        by_kpi.setdefault(row["kpi"], {})[row["product_class"]] = _grid(row)
    definitions: dict[str, tuple[Definition, ...]] = {}

    def formula_of(kpi: str, version: str) -> Formula:
        found = [d for d in definitions.get(kpi, ()) if d.version == version]
        if not found:
            raise ValueError(f"kpis.yaml: {kpi} version {version} must stand above what refers to it")
        return found[0].formula

    for entry in entries:
        _check_keys(entry)
        formula = parse_formula(entry["formula"], known, formula_of)
        definition = _definition(entry, formula, by_kpi.get(entry["id"], {}), known)
        _check(definition, definitions.get(definition.kpi, ()))
        _check_addends(definition, definitions)
        definitions[definition.kpi] = (*definitions.get(definition.kpi, ()), definition)
    strangers = sorted(set(by_kpi) - set(definitions))
    if strangers:
        raise ValueError(f"kpi_grids.csv: no such KPI in kpis.yaml: {', '.join(strangers)}")
    return KpiBook(definitions, known)


def _rows(name: str) -> list[dict[str, Any]]:
    return pl.read_csv(FOLDER / f"{name}.csv", infer_schema=False).to_dicts()


def _element(row: Mapping[str, Any]) -> Element:
    return Element(
        element=row["element"],
        standard=row["standard"],
        name_ko=row["name_ko"],
        name_en=row["name_en"],
        unit=row["unit"],
        stands=row["stands"],
        disclosure_class=row["class"],
        variable=row["variable"],
        stream=row["stream"],
        measured_at=_choice(row, "measured_at"),
        over_time=_choice(row, "over_time"),
        may_be_absent={"yes": True, "no": False}[row["may_be_absent"]],
        derived_from=tuple((row["derived_from"] or "").split(";")) if row["derived_from"] else (),
        complement_of=row["complement_of"],
    )


def _check_complements(elements: Mapping[str, Element]) -> None:
    for element in elements.values():
        other = elements.get(element.complement_of or element.element)
        if other is None or other.variable != element.variable or other.unit != element.unit:
            raise ValueError(
                f"kpi_elements.csv: {element.element} can't be the complement of {element.complement_of}: "
                "both have one variable and one unit"
            )


def _choice(row: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - one of the words of the column
    if row[key] not in _ELEMENT_CHOICES[key]:
        choices = ", ".join(sorted(_ELEMENT_CHOICES[key]))
        raise ValueError(f"kpi_elements.csv: {row['element']}: {key} is {row[key]!r}, not one of {choices}")
    return row[key]


def _grid(row: Mapping[str, Any]) -> Grid:
    level = None if row["reference_level"] is None else Decimal(row["reference_level"])
    step = Decimal(row["grid_step"])
    if level is not None and step < _LEAST_STEP_SHARE * level:
        raise ValueError(f"kpi_grids.csv: {row['kpi']}, {row['product_class']}: step is finer than 5 %")
    return Grid(float(step), None if level is None else float(level))


def _check_keys(entry: Mapping[str, Any]) -> None:
    name = f"kpis.yaml: {entry.get('id')}"
    given = set(entry) - _OPTIONAL
    if given != _KEYS:
        raise ValueError(f"{name}: unknown or missing keys: {', '.join(sorted(given ^ _KEYS))}")
    for key, choices in _CHOICES.items():
        if entry[key] not in choices:
            raise ValueError(f"{name}: {key} is {entry[key]!r}, not one of {', '.join(sorted(choices))}")
    if not isinstance(entry["version"], str) or not entry["version"].isdecimal():
        raise ValueError(f'{name}: version must be a whole number in quotes, such as "1"')


def _check(definition: Definition, earlier: Sequence[Definition]) -> None:
    name, formula = f"kpis.yaml: {definition.key}", definition.formula
    if int(definition.version) != len(earlier) + 1:
        raise ValueError(f"{name}: the next version is {len(earlier) + 1}")
    if any(d.formula.text == formula.text for d in earlier):
        raise ValueError(f"{name}: its formula is that of an earlier version")
    if (definition.statistic in _TOTALS) != (not formula.below):
        raise ValueError(f"{name}: a {definition.statistic} can't have this formula")
    if definition.statistic == "ratio_of_sums" and not definition.adds_up:
        raise ValueError(f"{name}: a ratio of sums is one sum over another, without a constant")
    if definition.share_bound is not None and not definition.adds_up:
        raise ValueError(f"{name}: only a ratio of two sums can be a share")
    if definition.over_time == "mean" and not definition.is_total:
        raise ValueError(f"{name}: a mean over time can only be a total")
    for level in (definition.minimum_coverage, definition.comparison_coverage):
        if not 0 <= level <= 1:
            raise ValueError(f"{name}: a coverage lies between 0 and 1")


def _check_addends(definition: Definition, earlier: Mapping[str, Sequence[Definition]]) -> None:
    """Refuse a sum of elements that have no totals of their own: it is published as their sum only."""
    for name in definition.addends:
        terms = [t for d in earlier.get(name, ()) if d.is_total for t in d.formula.above[0].terms]
        if [(t.coefficient, t.elements) for t in terms] != [(1.0, (name,))]:
            raise ValueError(f"kpis.yaml: {definition.key}: a total {name} must stand above it")


def _definition(
    entry: Mapping[str, Any], formula: Formula, grids: Mapping[str, Grid], elements: Mapping[str, Element]
) -> Definition:
    used = [elements[n] for n in sources_of(formula.elements, elements)]
    below = {elements[n].disclosure_class for s in formula.below for t in s.terms for n in t.elements}
    return Definition(
        kpi=entry["id"],
        version=entry["version"],
        family=entry["family"],
        standard=entry["standard"],
        name_ko=entry["name"]["ko"],
        name_en=entry["name"]["en"],
        meaning_ko=entry["meaning"]["ko"],
        meaning_en=entry["meaning"]["en"],
        formula=formula,
        unit=entry["unit"],
        direction=entry["direction"],
        disclosure_class=entry["class"],
        statistic=entry["statistic"],
        breakdown=entry["breakdown"],
        share_bound=None if entry["share_bound"] is None else float(entry["share_bound"]),
        minimum_coverage=float(entry["minimum_coverage"]),
        comparison_coverage=float(entry["comparison_coverage"]),
        grids=grids,
        source=entry["source"],
        released=bool(entry.get("released", True)),
        expected=bool(entry.get("expected", False)),
        denominator_class=max(below, default=None),
        linked_elements=frozenset(elements[n].variable for n in formula.elements),
        of_one_stream=len({e.stream for e in used}) == 1,
        base="machine" if all(e.measured_at == "machine" for e in used) else "factory",
        of_machine=all(e.measured_at != "factory" for e in used),
        counts_output=output_degree(formula, elements) != 0,
        over_time="mean" if any(e.over_time == "mean" for e in used) else "sum",
        monthly=any(e.stream == _LEDGER for e in used),
    )
