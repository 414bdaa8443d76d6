"""A footprint with what the firm told beside it: the one thing that every form reads.

Belongs here: reading what was told as text, number, list, truth; what is missing in it. Does not belong here:
emissions per unit (per_unit), what a form asks (its module).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

from pipelines.domain.emissions.product_footprint import ProductFootprint

Fault = tuple[str, str]
"""What is missing, in English and in Korean."""

FIELDS: Final[Mapping[str, str]] = {
    "name": "제품명",
    "description": "제품 설명",
    "geography": "생산 국가(ISO 3166)",
    "cn_code": "CN 코드",
    "cpc_code": "CPC 코드",
    "company_urns": "회사 식별자(URN)",
    "product_urns": "제품 식별자(URN)",
    "asset_id": "자산 식별자(IRI)",
    "calculation_method": "산정 방법",
    "cross_sectoral_standards": "적용 표준",
    "product_rules": "제품군 규칙",
    "exempted_emissions_percent": "제외한 배출 비율(%)",
    "fossil_carbon_content_kg_per_unit": "단위당 화석 탄소 함량(kg)",
    "biogenic_emissions_kg_per_unit": "단위당 배출량 중 생물 기원(kg CO2e)",
    "biogenic_uptake_kg_per_unit": "단위당 생물 기원 흡수량(kg CO2, 0 이하)",
    "unstated_gwp_set": "출처가 밝히지 않은 배출계수의 지구온난화지수 판",
    "unstated_gwp_set_source": "그 지구온난화지수 판의 출처",
    "valid_until": "유효 기한",
    "region": "지역",
    "ccs_included": "탄소 포집·저장 포함 여부",
    "packaging_included": "포장 배출 포함 여부",
    "technological_dqr": "기술 대표성 등급(1~5)",
    "temporal_dqr": "시간 대표성 등급(1~5)",
    "geographical_dqr": "지리 대표성 등급(1~5)",
    "mass_balancing_used": "물질수지 방식 사용 여부",
    "mass_balancing_scheme": "물질수지 인증 제도",
    "mass_balancing_free_attribution": "물질수지 자유 할당 여부",
    "waste_allocation": "폐기물 소각 할당 방식",
    "installation_name": "사업장 이름",
    "installation_address": "사업장 주소",
    "unlocode": "UN/LOCODE",
    "contact": "연락처",
    "production_route": "생산 공정 경로",
    "direct_emissions": "직접 배출 없음(none)",
    "default_markup_percent": "기본값 가산율(%)",
    "default_markup_source": "기본값 가산율의 출처",
    "carbon_price": "지불한 탄소 가격",
    "comment": "설명",
}
"""What tables don't know and the firm tells (of the product, or by `--about`) -> its Korean name."""

URN: Final = re.compile(r"urn:[a-z0-9][a-z0-9-]{1,31}:\S+", re.IGNORECASE)
_TRUE, _FALSE = ("true", "yes"), ("false", "no")


@dataclass(frozen=True)
class Told:
    """A footprint, and how to read what was told beside it.

    Args:
        footprint: of the product.
        zone: IANA zone of its dates.
    """

    footprint: ProductFootprint
    zone: str

    def text(self, field: str) -> str | None:
        """Return what was told, by the operator before the firm's description; null: nothing."""
        value = self.footprint.about.get(field) or self.footprint.described.get(field)
        return value.strip() or None if value else None

    def items(self, field: str) -> list[str]:
        """Return a list that was told, divided by commas, without repetitions."""
        return list(dict.fromkeys(i.strip() for i in (self.text(field) or "").split(",") if i.strip()))

    def number(self, field: str) -> Decimal | None:
        """Return a number that was told; null: nothing, or none."""
        try:
            number = Decimal(self.text(field) or "nan")
        except InvalidOperation:
            return None
        return number if number.is_finite() else None

    def stated(self, field: str) -> Decimal:
        """Return a number that a form demands.

        Raises:
            ValueError: it wasn't told: the form was written without asking for its faults.
        """
        number = self.number(field)
        if number is None:
            raise ValueError(field)
        return number

    def truth(self, field: str) -> bool | None:
        """Return whether yes or no was told; null: neither."""
        said = (self.text(field) or "").lower()
        return True if said in _TRUE else False if said in _FALSE else None

    def moment(self, day: date) -> str:
        """Return the local midnight that a date begins with."""
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone)).isoformat()

    def missing(self, fields: Iterable[str]) -> list[Fault]:
        """List what wasn't told."""
        return [
            told_fault(field, "(--about FILE)", "(--about FILE)") for field in fields if not self.text(field)
        ]

    def misread(
        self, numbers: Iterable[str], truths: Iterable[str] = (), urns: Iterable[str] = ()
    ) -> list[Fault]:
        """List what was told but can't be read as what it should be."""
        found = [
            told_fault(f, "is no number", "숫자가 아님")
            for f in numbers
            if self.text(f) and self.number(f) is None
        ]
        found += [
            told_fault(f, "is neither yes nor no", "yes나 no가 아님")
            for f in truths
            if self.text(f) and self.truth(f) is None
        ]
        return found + [
            told_fault(f, f"has no URN (RFC 8141): {item}", f"URN(RFC 8141)이 아님: {item}")
            for f in urns
            for item in self.items(f)
            if not URN.fullmatch(item)
        ]


def told_fault(field: str, english: str, korean: str) -> Fault:
    """Return a fault of a field, with its Korean name."""
    return f"{field} {english}", f"{FIELDS[field]} {korean}"
