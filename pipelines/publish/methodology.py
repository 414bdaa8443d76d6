"""The tables of the methodology pages, from the KPI catalogue, so that page and code can't part.

Belongs here: rendering definitions and elements as Markdown between the markers of a page. Does not belong
here: the pages' own words (docs/methodology) and the definitions (pipelines/reference/kpis.yaml).
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelines.domain.kpi_formulas import Definition, Element, Grid, KpiBook
from pipelines.reference.kpis import kpi_book

_BLOCK = re.compile(r"(<!-- kpis of (?P<family>[a-z-]+): generated[^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


def render_page(text: str, book: KpiBook) -> str:
    """Return a page with its generated parts as the catalogue has them now.

    Args:
        text: Markdown. A part stands between `<!-- kpis of FAMILY: generated ... -->` and `<!-- end -->`.
        book: the catalogue.

    Raises:
        ValueError: a part names a family that no KPI is of.
    """
    return _BLOCK.sub(lambda found: found[1] + family_tables(book, found["family"]) + found[3], text)


def write_pages(folder: Path, book: KpiBook) -> list[Path]:
    """Bring the generated parts of a folder's pages up to date; returns the pages that changed."""
    changed = []
    for page in sorted(folder.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        rendered = render_page(text, book)
        if rendered != text:
            page.write_text(rendered, encoding="utf-8")
            changed.append(page)
    return changed


def documented_families(text: str) -> list[str]:
    """Return the families whose tables a page has."""
    return [found["family"] for found in _BLOCK.finditer(text)]


def family_tables(book: KpiBook, family: str) -> str:
    """Render a family's definitions (all versions), their meanings and the elements that they use.

    Raises:
        ValueError: no KPI is of the family.
    """
    definitions = [d for versions in book.definitions.values() for d in versions if d.family == family]
    if not definitions:
        raise ValueError(f"no KPI is of the family {family}")
    used = _used(definitions, book)
    return "\n".join([
        *_table(
            ("id@version", "formula", "unit", "better", "class", "statistic", "least coverage", "grid"),
            (_figure_row(d) for d in definitions),
        ),
        "",
        *_table(("id", "name", "what it tells", "source"), (_meaning_row(d) for d in definitions)),
        "",
        *_table(("element", "name", "unit", "stands once per", "class"), (_element_row(e) for e in used)),
        "",
    ])  # fmt: skip


def _used(definitions: Sequence[Definition], book: KpiBook) -> list[Element]:
    """Return the elements of formulas and what those are derived from, in the catalogue's order."""
    names = {name for definition in definitions for name in definition.formula.elements}
    for element in reversed(tuple(book.elements.values())):
        if element.element in names:
            names.update(element.derived_from)
    return [element for element in book.elements.values() if element.element in names]


def _figure_row(definition: Definition) -> tuple[str, ...]:
    share = "" if definition.share_bound is None else f", share of at most {definition.share_bound:g}"
    return (
        f"`{definition.key}`",
        f"`{definition.formula.text}`",
        definition.unit,
        definition.direction,
        definition.disclosure_class,
        f"{definition.statistic} by {definition.breakdown}{share}",
        f"{definition.minimum_coverage:g}; {definition.comparison_coverage:g} to compare",
        _grids(definition),
    )


def _grids(definition: Definition) -> str:
    if not definition.grids:
        return "none agreed: never published"
    if len(definition.grids) > 1:
        return f"per product class ({len(definition.grids)})"
    return "; ".join(_grid(name, grid) for name, grid in definition.grids.items())


def _grid(product_class: str, grid: Grid) -> str:
    where = "" if product_class == "*" else f"{product_class}: "
    around = "" if grid.reference_level is None else f" (around {grid.reference_level:g})"
    return f"{where}{grid.step:g}{around}"


def _meaning_row(definition: Definition) -> tuple[str, ...]:
    return (
        f"`{definition.key}`",
        f"{definition.name_en}<br>{definition.name_ko}",
        f"{definition.meaning_en}<br>{definition.meaning_ko}",
        definition.source,
    )


def _element_row(element: Element) -> tuple[str, ...]:
    derived = f"; where not given: {' + '.join(element.derived_from)}" if element.derived_from else ""
    absent = "; may be absent: then there is none" if element.may_be_absent else ""
    return (
        f"`{element.element}`",
        f"{element.name_en}<br>{element.name_ko}{derived}{absent}",
        element.unit,
        element.stands,
        element.disclosure_class,
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]), kpi_book())
