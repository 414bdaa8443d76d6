"""Every form of an export by its name: which job writes it, and which options are its own.

Belongs here: the choice, refusing options of other forms. Does not belong here: writing (exporting,
product_exporting, verification).
"""

from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.onramp import unusable
from pipelines.jobs.exporting import Asked, export
from pipelines.jobs.night import Night
from pipelines.jobs.product_exporting import export_footprint
from pipelines.jobs.products import read_footprint
from pipelines.jobs.scheme_inventory import SchemeChoice
from pipelines.jobs.verification import VERIFICATION, write_pack
from pipelines.publish.product_formats.forms import PRODUCT_FORMS


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for.

    Args:
        form: its name.
        factory: whose.
        period: month or year.
        out: folder of the files.
        asked: options of inventories.
        product: id of a product; null: of no product.
        allocation: by what emissions are shared out to it; null: not said.
        seed: of a pack's sample of readings.
        sample: sampled hours of each meter.
    """

    form: str
    factory: str
    period: str
    out: Path
    asked: Asked
    product: str | None = None
    allocation: str | None = None
    seed: int = 0
    sample: int = 3


def write_export(night: Night, request: ExportRequest) -> list[Path]:
    """Write a form's files; returns them.

    Raises:
        OperatorError: as the job of the form; UNUSABLE_INPUT: an option is missing, or of another form.
    """
    if request.form in PRODUCT_FORMS:
        return _of_product(night, request)
    if request.product is not None or request.allocation is not None:
        raise unusable(
            f"--product and --allocate are of {', '.join(PRODUCT_FORMS)}, not of {request.form}",
            f"--product, --allocate는 {', '.join(PRODUCT_FORMS)} 형식에만 씁니다({request.form} 아님)",
        )
    if request.form == VERIFICATION:
        return [_pack(night, request)]
    return export(night, request.form, request.factory, request.period, request.out, request.asked)


def _pack(night: Night, request: ExportRequest) -> Path:
    if request.asked != Asked():
        raise unusable(
            "--about, --version, --use, --tier and --gwp are not of verification: it has the newest version",
            "--about, --version, --use, --tier, --gwp는 verification에 쓰지 않습니다(최신 명세 기준)",
        )
    return write_pack(night, request.factory, request.period, request.out, request.seed, request.sample)


def _of_product(night: Night, request: ExportRequest) -> list[Path]:
    if request.product is None or request.allocation is None:
        raise unusable(
            f"{request.form} is of one product: name it and its method by --product and --allocate; "
            "`digital-cluster products list` lists them",
            f"{request.form}은(는) 제품 하나의 문서입니다. --product와 --allocate를 지정하세요. "
            "`digital-cluster products list`로 확인할 수 있습니다",
        )
    if request.asked.version is not None or request.asked.scheme != SchemeChoice():
        raise unusable(
            f"--version, --use, --tier and --gwp are of inventories, not of {request.form}",
            f"--version, --use, --tier, --gwp는 인벤토리 형식에만 씁니다({request.form} 아님)",
        )
    footprint = read_footprint(night, request.factory, request.product, request.period, request.allocation)
    return export_footprint(
        footprint, request.form, request.period, night.cluster.zone, request.out, request.asked.about
    )
