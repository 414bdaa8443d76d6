"""Exports: a factory's inventory of a period from the tables, and its files in a form that others ask for.

Belongs here: which rows an inventory needs, refusing what a form lacks, writing. Does not belong here: the
inventory (pipelines.domain.emissions.inventory), the forms (pipelines.publish.inventory_formats).
"""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import yaml

from pipelines.domain.emissions.inventory import (
    CATEGORIES,
    ELECTRICITY_CATEGORY,
    OUT_OF_BOUNDARY,
    Inventory,
    InventoryLine,
    electricity_lines,
)
from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.periods import months_after
from pipelines.jobs.history import unknown_factory
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.publish.inventory_formats import ABOUT, FORMS, document, document_json, faults
from pipelines.publish.private_files import write_private
from pipelines.publish.workbook import workbook_bytes
from pipelines.reference.tables import emission_factors
from pipelines.schemas.tables import EMISSIONS

OPERATIONAL_CONTROL = "operational_control"
_NOT_TOLD = "not told: this ledger holds metered electricity"


class MissingFieldsError(OperatorError):
    """What a form demands and the inventory lacks.

    Args:
        faults: one error for each field.
    """

    def __init__(self, faults: list[OperatorError]) -> None:
        super().__init__(faults[0].english, faults[0].korean, ExitCode.MANDATORY_MISSING)
        self.faults = faults

    def __reduce__(self) -> tuple[type, tuple[list[OperatorError]]]:  # type: ignore[override]
        """Survive pickling, as every OperatorError does."""
        return (type(self), (self.faults,))


def export(night: Night, form: str, factory: str, period: str, out: Path, about: Path | None) -> list[Path]:
    """Write a factory's inventory as XLSX for people and as JSON for machines; returns the files.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory, period or field, or a folder that can't be written;
            MANDATORY_MISSING (MissingFieldsError): the form demands more; no file is written.
    """
    inventory = read_inventory(night, factory, period, _about(about))
    missing = faults(inventory, FORMS[form])
    if missing:
        raise MissingFieldsError([
            OperatorError(
                f"{form} of {factory}, {period}: missing: {english}",
                f"{form}, {factory}, {period}: 누락: {korean}",
                ExitCode.MANDATORY_MISSING,
            )
            for english, korean in missing
        ])  # fmt: skip
    sheets = document(inventory, form)
    made_at = inventory.known_at or night.nominal
    contents = {
        ".json": document_json(sheets, form).encode(),
        ".xlsx": workbook_bytes(sheets, FORMS[form].title, made_at),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(f"--out {out} can't be made", f"--out {out} 폴더를 만들 수 없습니다") from error
    files = {out / f"{form}-{factory}-{period}{ending}": content for ending, content in contents.items()}
    try:
        for path, content in files.items():
            write_private(path, content)
    except OperatorError:
        for path in files:
            path.unlink(missing_ok=True)
        raise
    return list(files)


def read_inventory(night: Night, factory: str, period: str, about: Mapping[str, str]) -> Inventory:
    """Read the inventory of a factory and a month (`2025-11`) or year (`2025`).

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory, or no period.
    """
    start, end = period_of(period)
    profiles = read_profiles(night).latest().filter(factory=factory)
    if profiles.is_empty():
        raise unknown_factory(night.store, factory)
    rows = (
        night.store.open(EMISSIONS)
        .scan()
        .filter(pl.col("day").is_between(start, end, closed="left"), factory=factory)
        .filter(carrier="electricity", method="location")
        .collect()
    )
    lines = electricity_lines(rows, {factory: _length_s(night, factory, start, end)})
    return Inventory(
        cluster=night.cluster.cluster,
        organisation=profiles["name"][0],
        approach=OPERATIONAL_CONTROL,
        factories=(factory,),
        exclusions=(),
        start=start,
        end=end,
        lines=lines,
        not_quantified=_not_quantified(),
        factors=_factors(night, lines),
        known_at=max(rows["known_at"], default=None),
        about=about,
    )


def period_of(period: str) -> tuple[date, date]:
    """Read a month (`2025-11`) or year (`2025`): its first local date and the first after it."""
    try:
        if len(period) == len("2025"):
            year = int(period)
            return date(year, 1, 1), date(year + 1, 1, 1)
        first = datetime.strptime(period, "%Y-%m").replace(tzinfo=ZoneInfo("UTC")).date()
    except ValueError as error:
        raise unusable(
            f"--period {period!r} is no period: write 2025-11 or 2025",
            f"--period {period!r}은(는) 기간이 아닙니다. 2025-11 또는 2025처럼 쓰세요",
        ) from error
    return first, months_after(first, 1)


def _length_s(night: Night, factory: str, start: date, end: date) -> float:
    """Return how long the part of a period is in which a factory belongs to the cluster [s]."""
    zone = ZoneInfo(night.cluster.zone)
    spans = [
        (max(start, f.joined), end if f.left is None else min(end, f.left))
        for f in night.cluster.factories
        if f.factory == factory
    ]
    edges = [
        (datetime(a.year, a.month, a.day, tzinfo=zone), datetime(b.year, b.month, b.day, tzinfo=zone))
        for a, b in spans
        if a < b
    ]
    return sum(b.timestamp() - a.timestamp() for a, b in edges)


def _not_quantified() -> dict[str, str]:
    inner = {"1", "2.2"}
    return {
        key: _NOT_TOLD if key in inner else OUT_OF_BOUNDARY
        for key in CATEGORIES
        if key != ELECTRICITY_CATEGORY
    }


def _factors(night: Night, lines: tuple[InventoryLine, ...]) -> tuple[Mapping[str, Any], ...]:
    table = emission_factors() if night.factors is None else night.factors
    used = sorted({factor for line in lines for factor in line.factor_ids})
    return tuple(table.filter(pl.col("factor_id").is_in(used)).sort("factor_id").to_dicts())


def _about(path: Path | None) -> dict[str, str]:
    """Read what tables don't know: a YAML file of the fields of ABOUT."""
    if path is None:
        return {}
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise unusable(f"--about {path} can't be read", f"--about {path} 파일을 읽을 수 없습니다") from error
    unknown = sorted(set(told) - set(ABOUT)) if isinstance(told, dict) else [str(told)]
    if unknown:
        raise unusable(
            f"--about {path}: unknown {', '.join(unknown)}; known: {', '.join(ABOUT)}",
            f"--about {path}: 알 수 없는 항목 {', '.join(unknown)}. 있는 것: {', '.join(ABOUT)}",
        )
    return {name: str(value) for name, value in told.items()}
