"""Trade templates (업종별 참조모델): what a new factory of a trade starts with, as data.

Belongs here: reading and checking templates, the packaged ones and an operator's. Does not belong here: what
a KPI means (kpis.csv), what a factory says of itself (its profile, which only names its template).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import OperatorError
from pipelines.domain.units import CANONICAL_UNITS
from pipelines.reference.kpis import kpi_book
from pipelines.reference.tables import FOLDER

Text = Annotated[str, Field(min_length=1)]
TemplateId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Stream = Literal[
    "energy",
    "states",
    "counts",
    "orders",
    "shipments",
    "activities",
    "safety",
    "stock",
    "costs",
    "products",
]
Process = Literal[
    "casting", "moulds", "forming", "welding", "surface_treatment", "heat_treatment",
    "car_parts", "ship_parts", "footwear", "textiles", "other",
]  # fmt: skip
_PER_UNIT = "_per_unit"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Words(_Strict):
    """A text in both languages."""

    ko: Text
    en: Text


class StartingStreams(_Strict):
    """The streams that a factory sends from its first day, and those that follow when it can."""

    start: tuple[Stream, ...] = Field(min_length=1)
    later: tuple[Stream, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        both = (*self.start, *self.later)
        if len({*both}) != len(both):
            raise ValueError("a stream stands twice")
        return self


class ProductKind(_Strict):
    """A kind of product: what its quantities are counted in and what they may be compared with."""

    product_class: Text
    unit: Text
    name: Words


class PlausibilityRange(_Strict):
    """Between what a daily figure of a factory usually lies; outside it, the factory is asked.

    Args:
        kpi: id in the KPI catalogue.
        product_class: for which products; null: for all.
        unit: unit of the bounds.
        lower: least plausible value.
        upper: greatest plausible value.
        basis: definition, physics, reference_level (of kpi_grids.csv), judgement.
        reason: why, for people.
    """

    kpi: Text
    product_class: Text | None = None
    unit: Text
    lower: float
    upper: float
    basis: Literal["definition", "physics", "reference_level", "judgement"]
    reason: Words

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError(f"{self.kpi}: lower must be less than upper")
        return self


class Template(_Strict):
    """What a new factory of a trade starts with.

    Args:
        id: its id; a profile names it.
        version: changed with its content.
        name: of the trade.
        process: process class of its factories.
        streams: what they send.
        carriers: what they meter; the first is the main one.
        products: what they make; the first is the usual one.
        kpis: ids of the figures that they are shown.
        ranges: plausibility of some of these.
    """

    id: TemplateId
    version: Text
    name: Words
    process: Process
    streams: StartingStreams
    carriers: tuple[Text, ...] = Field(min_length=1)
    products: tuple[ProductKind, ...] = Field(min_length=1)
    kpis: tuple[Text, ...] = Field(min_length=1)
    ranges: tuple[PlausibilityRange, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        strange = [c for c in self.carriers if c not in CANONICAL_UNITS]
        if strange:
            raise ValueError(f"{self.id}: no such carrier: {strange[0]}; known: {', '.join(CANONICAL_UNITS)}")
        if len({*self.kpis}) != len(self.kpis):
            raise ValueError(f"{self.id}: a KPI stands twice")
        for bounds in self.ranges:
            self._check_range(bounds)
        return self

    def _check_range(self, bounds: PlausibilityRange) -> None:
        if bounds.kpi not in self.kpis:
            raise ValueError(f"{self.id}: the range of {bounds.kpi} is of no KPI of the template")
        units = {p.product_class: p.unit for p in self.products}
        if bounds.product_class is not None and bounds.product_class not in units:
            raise ValueError(f"{self.id}: {bounds.product_class} is no product class of the template")
        if bounds.kpi.endswith(_PER_UNIT):
            wanted = {units[bounds.product_class]} if bounds.product_class else {*units.values()}
            if {bounds.unit.rpartition("/")[2]} != wanted:
                raise ValueError(
                    f"{self.id}: the range of {bounds.kpi} must be per {' or '.join(sorted(wanted))}"
                )


class _TemplateFile(_Strict):
    common: Any = None  # a place for YAML anchors
    templates: tuple[Template, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [t.id for t in self.templates]
        if len({*ids}) != len(ids):
            raise ValueError("a template id stands twice")
        return self


def packaged_templates() -> dict[str, Template]:
    """Return the templates that ship with the package, by id."""
    return {t.id: t for t in _read(FOLDER / "templates.yaml")}


def load_templates(own: Sequence[Path] = ()) -> dict[str, Template]:
    """Return the templates by id: the packaged ones, then those of an operator's files, later ones winning.

    A template of a file replaces the one of its id as a whole.

    Args:
        own: files, or folders of which every ``*.yaml`` counts, in the order of their names.

    Raises:
        OperatorError: a path does not exist; a file is no YAML, has an unknown or wrong key, or names a KPI
            that the catalogue lacks: one line with the file and the place.
    """
    found = packaged_templates()
    for file in [f for path in own for f in _files(path)]:
        templates = _read(file)
        _check_kpis(file, templates)
        found |= {t.id: t for t in templates}
    return found


def unknown_kpis(template: Template) -> list[str]:
    """Return the KPIs of a template that the catalogue lacks."""
    return [kpi for kpi in template.kpis if kpi not in kpi_book().definitions]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.glob("*.yaml"))
    if path.is_file():
        return [path]
    raise unusable(
        f"templates {path}: there is no such file or folder; mend --templates or DC_TEMPLATES",
        f"업종 템플릿 {path}: 파일이나 폴더가 없습니다. --templates나 DC_TEMPLATES를 고치세요",
    )


def _read(file: Path) -> tuple[Template, ...]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return _TemplateFile.model_validate(content).templates
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _refusal(file, f"{place}: {first['msg']}" if place else first["msg"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refusal(file, f"is no YAML ({error})") from error
    except OSError as error:
        raise _refusal(file, f"can't be read ({error.strerror})") from error


def _check_kpis(file: Path, templates: Sequence[Template]) -> None:
    for template in templates:
        unknown = unknown_kpis(template)
        if unknown:
            known = ", ".join(sorted(kpi_book().definitions))
            raise _refusal(file, f"{template.id}: no such KPI: {unknown[0]}; the catalogue has {known}")


def _refusal(file: Path, wrong: str) -> OperatorError:
    line = " ".join(wrong.split())
    return unusable(
        f"templates {file.name}: {line}; correct the file (docs/templates.md)",
        f"업종 템플릿 {file.name}: {line}. 파일을 고치세요(docs/templates.md)",
    )
