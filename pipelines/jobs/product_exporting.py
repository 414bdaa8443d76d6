"""Exports of a product's footprint in a form that others ask for, as files.

Belongs here: refusing what a form lacks, writing. Does not belong here: the footprint
(pipelines.domain.emissions.product_footprint) and reading it, the forms (pipelines.publish.product_formats).
"""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipelines.domain.emissions.product_footprint import ProductFootprint
from pipelines.jobs.exporting import read_about, refuse_missing, write_together
from pipelines.publish.product_formats.form import faults, sheets
from pipelines.publish.product_formats.forms import PRODUCT_FORMS
from pipelines.publish.product_formats.told import Told
from pipelines.publish.workbook import workbook_bytes

_NOT_IN_A_NAME = re.compile(r"[^\w.-]")


def export_footprint(
    footprint: ProductFootprint, form: str, period: str, zone: str, out: Path, about: Path | None
) -> list[Path]:
    """Write a product's footprint as XLSX for people and in the form's files for machines.

    Args:
        footprint: of the product in the period.
        form: a name of PRODUCT_FORMS.
        period: as the operator wrote it: part of the files' names.
        zone: IANA zone of the period's dates.
        out: folder of the files; made if absent.
        about: YAML of what tables don't know; null: nothing.

    Returns:
        The files.

    Raises:
        OperatorError: UNUSABLE_INPUT: a field that the form doesn't know, or a folder that can't be written;
            MANDATORY_MISSING (MissingFieldsError): the form demands more; no file is written.
    """
    wanted = PRODUCT_FORMS[form]
    known = (*wanted.about, *wanted.optional)
    said = read_about(about, dict.fromkeys(known, ""))
    told = Told(replace(footprint, about={**footprint.about, **said}), zone)
    refuse_missing(faults(told, wanted), form, f"{footprint.product} of {footprint.factory}, {period}")
    made_at = (footprint.known_at or datetime.min.replace(tzinfo=UTC)).astimezone(UTC)
    contents = {**wanted.files(told), ".xlsx": workbook_bytes(sheets(told, wanted), wanted.title, made_at)}
    stem = f"{form}-{footprint.factory}-{_NOT_IN_A_NAME.sub('_', footprint.product)}-{period}"
    return write_together(out, {f"{stem}{ending}": content for ending, content in contents.items()})
