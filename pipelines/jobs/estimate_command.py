"""The command `emissions estimate`: what a factory without a meter is estimated to have used and emitted.

Belongs here: the command's options, its columns. Does not belong here: who the peers are and what was
released of them (peer_estimates), the arithmetic (pipelines.domain.emissions).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from pipelines.domain.carbon.estimated import reasons_of
from pipelines.domain.carbon.peers import Product
from pipelines.domain.emissions.activities import Activity
from pipelines.domain.emissions.evaluation import evaluate
from pipelines.domain.emissions.figures import Figure
from pipelines.domain.emissions.peer_estimate import Output, PeerEstimate, Refusal
from pipelines.domain.emissions.rates import ELECTRICITY
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.periods import next_month
from pipelines.domain.rounding import exactly
from pipelines.domain.units import UnitTable
from pipelines.jobs.asked_periods import month_of
from pipelines.jobs.factor_choices import basis_for
from pipelines.jobs.night import Night
from pipelines.jobs.peer_estimates import PeerEstimates, electricity_known
from pipelines.jobs.versions import newest
from pipelines.reference.tables import units
from pipelines.schemas.tables import ACTIVITIES

TOLD = "electricity_told"
_SHOWN: dict[str, Any] = {
    "factory": pl.String, "month": pl.String, "product_class": pl.String, "output": pl.Float64,
    "output_unit": pl.String, "kwh_per_unit": pl.Float64, "energy_kwh": pl.Float64,
    "energy_low_kwh": pl.Float64, "energy_high_kwh": pl.Float64, "method": pl.String, "co2e_kg": pl.Float64,
    "co2e_low_kg": pl.Float64, "co2e_high_kg": pl.Float64, "gwp_set": pl.String, "factor_id": pl.String,
    "factor_match": pl.String, "provisional": pl.Boolean, "quality": pl.String, "basis": pl.String,
    "spread": pl.String, "reason": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class ToldOutput:
    """A quantity that an operator states."""

    quantity: float
    unit: str


def estimate_asked(
    night: Night, factory: str, period: str, quantity: float | None, unit: str | None
) -> pl.DataFrame:
    """Return a factory's estimate of a month as the command prints it.

    Args:
        night: for its store.
        factory: whose.
        period: a month, like 2025-11.
        quantity: what it made, in `unit`; null: what its machines counted.
        unit: null only together with `quantity`.

    Returns:
        A row by location and one by market; of a refusal one row with nulls and the reasons. Bounds of co2e
        are null where the factor's uncertainty isn't known.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory or month, a quantity without a unit, or in a unit that
            the factory's product isn't counted in.
    """
    if night.cluster.member_of(factory) is None:
        raise _unusable(
            f"--factory {factory}: no factory of {night.cluster.cluster}; see its cluster file",
            f"--factory {factory}: {night.cluster.cluster}의 사업장이 아닙니다. 클러스터 파일을 확인하세요",
        )
    if (quantity is None) != (unit is None):
        raise _unusable(
            "--output and --unit belong together: give both, or none to take what machines counted",
            "--output과 --unit은 함께 쓰세요. 둘 다 없으면 설비가 센 수량을 씁니다",
        )
    month = month_of("--period", period)
    told = None if quantity is None or unit is None else ToldOutput(quantity, unit)
    return _shown(night, factory, month, told)


def _shown(night: Night, factory: str, month: date, told: ToldOutput | None) -> pl.DataFrame:
    estimates = PeerEstimates(night, [factory])
    product = estimates.product(factory, month)
    output = estimates.output(factory, month) if told is None else _converted(told, product, month)
    found = estimates.of(factory, month, output)
    activities = night.store.open(ACTIVITIES).scan().filter(factory=factory, month=month).collect()
    known = electricity_known(newest(activities, ["factory", "month", "activity_id"]))
    if isinstance(found, PeerEstimate) and (factory, month) in known:
        found = Refusal((TOLD,))
    about = {
        "factory": factory,
        "month": f"{month:%Y-%m}",
        "product_class": None if product is None else product.product_class,
        "output": output.quantity if isinstance(output, Output) else None,
        "output_unit": None if product is None else product.unit,
    }
    if isinstance(found, Refusal) or not isinstance(output, Output):
        codes = found.reasons if isinstance(found, Refusal) else ()
        return pl.DataFrame([about | {"reason": ";".join(codes)}], schema=_SHOWN)
    figures = _figures(night, month, estimates.geography(factory), output, found)
    return pl.DataFrame([about | _cells(month, output, found, made) for made in figures], schema=_SHOWN)


def _converted(told: ToldOutput, product: Product | None, month: date) -> Output | None:
    """Return a told quantity in the product's unit; null: no product is known, which refuses the estimate."""
    if product is None:
        return None
    factor = 1 if told.unit == product.unit else UnitTable(units()).factor(told.unit, product.unit)
    if factor is None:
        raise _unusable(
            f"--unit {told.unit}: {product.product_class} is counted in {product.unit}; state it in that",
            f"--unit {told.unit}: {product.product_class}의 단위는 {product.unit}입니다. 이 단위로 쓰세요",
        )
    return Output(month, next_month(month), float(exactly(told.quantity) * factor))


def _figures(night: Night, month: date, geography: str, output: Output, found: PeerEstimate) -> list[Figure]:
    basis = basis_for(night, month)
    activity = Activity(
        ELECTRICITY, ELECTRICITY, exactly(found.energy_kwh), "kWh", output.start, output.end,
        geography, uncertainty_pct=found.high_pct, uncertainty_low_pct=found.low_pct,
    )  # fmt: skip
    return evaluate([activity], basis.tables, basis.request)[0]


def _cells(month: date, output: Output, found: PeerEstimate, made: Figure) -> dict[str, Any]:
    kg = None if made.co2e_kg is None else float(made.co2e_kg)
    low, high = (None, None) if made.percent is None else made.percent
    return {
        "kwh_per_unit": found.kwh_per_unit,
        "energy_kwh": found.energy_kwh,
        "energy_low_kwh": found.energy_low_kwh,
        "energy_high_kwh": found.energy_high_kwh,
        "method": made.method,
        "co2e_kg": kg,
        "co2e_low_kg": None if kg is None or low is None else kg * (1 - low / 100),
        "co2e_high_kg": None if kg is None or high is None else kg * (1 + high / 100),
        "gwp_set": made.gwp_set,
        "factor_id": ";".join(made.rows) or None,
        "factor_match": made.match,
        "provisional": found.provisional or made.provisional,
        "quality": "estimated",
        "basis": found.basis,
        "spread": found.spread,
        "reason": ";".join((*made.reasons, *reasons_of(month, output, found))),
    }


def _unusable(english: str, korean: str) -> OperatorError:
    return OperatorError(english, korean, ExitCode.UNUSABLE_INPUT)
