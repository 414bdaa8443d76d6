"""Exports: a factory's inventory as files in a form that others ask for.

Belongs here: refusing what a form lacks, writing. Does not belong here: reading the inventory (inventory,
scheme_inventory), the forms (pipelines.publish.inventory_formats).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.inventory import read_inventory
from pipelines.jobs.night import Night
from pipelines.jobs.scheme_inventory import SchemeChoice, scheme_inventory
from pipelines.publish.inventory_formats import FORMS, KETS, Fault, document, document_json, faults
from pipelines.publish.inventory_schemas import check
from pipelines.publish.inventory_sheets import ABOUT
from pipelines.publish.private_files import write_private
from pipelines.publish.workbook import workbook_bytes


@dataclass(frozen=True)
class Asked:
    """What an inventory is asked beside its form, factory and period.

    Args:
        about: YAML file of what tables don't know; null: none.
        version: of the statement; null: the newest.
        scheme: what is named for the trading scheme.
    """

    about: Path | None = None
    version: int | None = None
    scheme: SchemeChoice = field(default_factory=SchemeChoice)


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


def export(night: Night, form: str, factory: str, period: str, out: Path, asked: Asked) -> list[Path]:
    """Write a factory's inventory as XLSX for people and as JSON for machines; returns the files.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory, period, version, factor or field, an option that isn't
            of this form, or a folder that can't be written; INCONSISTENT: lines and statement don't add up;
            MANDATORY_MISSING (MissingFieldsError): the form demands more; no file is written.
    """
    about = read_about(asked.about, ABOUT)
    if form == KETS:
        if asked.version is not None:
            raise unusable(
                "--version is of a statement; kets is computed from the newest activities: leave it out",
                "--version은 명세(statement)의 버전입니다. kets는 최신 활동자료로 계산하므로 빼세요",
            )
        inventory = scheme_inventory(night, factory, period, about, asked.scheme)
    elif asked.scheme != SchemeChoice():
        raise unusable(
            f"--use, --tier and --gwp are of kets; {form} repeats the ledger: `restate` changes its factors",
            f"--use, --tier, --gwp는 kets에만 씁니다. {form}의 계수는 `restate`로 바꿉니다",
        )
    else:
        inventory = read_inventory(night, factory, period, about, asked.version)
    refuse_missing(faults(inventory, FORMS[form]), form, f"{factory}, {period}")
    sheets = document(inventory, form)
    made_at = inventory.known_at or night.nominal
    text = document_json(sheets, form)
    check(text, form)
    contents = {
        ".json": text.encode(),
        ".xlsx": workbook_bytes(sheets, FORMS[form].title, made_at),
    }
    return write_together(
        out, {f"{form}-{factory}-{period}{end}": content for end, content in contents.items()}
    )


def refuse_missing(missing: list[Fault], form: str, subject: str) -> None:
    """Refuse a form that lacks something.

    Raises:
        MissingFieldsError: MANDATORY_MISSING: with an error for each field.
    """
    if missing:
        raise MissingFieldsError([
            OperatorError(
                f"{form} of {subject}: missing: {english}",
                f"{form}, {subject}: 누락: {korean}",
                ExitCode.MANDATORY_MISSING,
            )
            for english, korean in missing
        ])  # fmt: skip


def write_together(out: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files that only their owner can read into a folder, all or none; returns them.

    Raises:
        OperatorError: UNUSABLE_INPUT: the folder or a file can't be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(f"--out {out} can't be made", f"--out {out} 폴더를 만들 수 없습니다") from error
    files = {out / name: content for name, content in contents.items()}
    try:
        for path, content in files.items():
            write_private(path, content)
    except OperatorError:
        for path in files:
            path.unlink(missing_ok=True)
        raise
    return list(files)


def read_about(path: Path | None, known: Mapping[str, str]) -> dict[str, str]:
    """Read what tables don't know: a YAML file of known fields; a list is told as text with commas.

    Raises:
        OperatorError: UNUSABLE_INPUT: it can't be read, or has a field that isn't known.
    """
    if path is None:
        return {}
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise unusable(f"--about {path} can't be read", f"--about {path} 파일을 읽을 수 없습니다") from error
    unknown = sorted(set(told) - set(known)) if isinstance(told, dict) else [str(told)]
    if unknown:
        raise unusable(
            f"--about {path}: unknown {', '.join(unknown)}; known: {', '.join(known)}",
            f"--about {path}: 알 수 없는 항목 {', '.join(unknown)}. 있는 것: {', '.join(known)}",
        )
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in told.items()
        if value is not None
    }
