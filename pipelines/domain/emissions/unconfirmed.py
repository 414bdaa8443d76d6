"""Rows that nobody has confirmed: they enter the factors only where an operator accepts them by id.

Belongs here: what an accepted row adds. Does not belong here: reading the table.

A row is either 95 % bounds of a number that is confirmed, or a factor of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import polars as pl

from pipelines.domain.emissions.fuels import IPCC, Pair
from pipelines.domain.emissions.lookup import Factor, Percent
from pipelines.domain.outcomes import ExitCode, OperatorError


@dataclass(frozen=True)
class Accepted:
    """Factors and fuel pairs with what was accepted."""

    factors: tuple[Factor, ...]
    pairs: tuple[Pair, ...]


def factor_activities(unconfirmed: pl.DataFrame) -> Mapping[str, str]:
    """Return the activities that unconfirmed rows would add a factor for, with the row's id."""
    rows = unconfirmed.filter((pl.col("target_table") == "emission_factors") & pl.col("lower_95").is_null())
    return dict(rows.select("subject", "row_id").iter_rows())


def accepted(
    factors: Sequence[Factor], pairs: Sequence[Pair], unconfirmed: pl.DataFrame, ids: Iterable[str]
) -> Accepted:
    """Return factors and pairs with the accepted rows.

    Args:
        factors: rows of emission_factors.
        pairs: rows of fuel_properties.
        unconfirmed: as pipelines.reference.tables reads it.
        ids: row_id of what an operator accepts.

    Raises:
        OperatorError: no such row, one that feeds no factor, or bounds of another central value.
    """
    rows = {row["row_id"]: row for row in unconfirmed.iter_rows(named=True)}
    by_factor = {factor.factor_id: factor for factor in factors}
    by_pair = {pair.pair_id: pair for pair in pairs}
    for row_id in dict.fromkeys(ids):
        row = rows.get(row_id)
        if row is None or row["target_table"] == "parameters":
            raise _nothing_to_accept(row_id)
        if row["target_table"] == "fuel_properties":
            key = f"{row['subject']}:{row['geography']}:{IPCC}"
            pair = by_pair[key]
            by_pair[key] = replace(pair, ncv_uncertainty=_distances(row, pair.ncv))
        elif row["lower_95"] is None:
            by_factor[row_id] = _own_factor(row)
        else:
            factor = by_factor[row_id]
            by_factor[row_id] = replace(factor, uncertainty=_distances(row, factor.value))
    return Accepted(tuple(by_factor.values()), tuple(by_pair.values()))


def _own_factor(row: Mapping[str, Any]) -> Factor:
    gas = row["property"].partition(" ")[0]
    return Factor(
        row["row_id"], row["subject"], row["geography"], "process", gas, Fraction(row["value"]), row["unit"],
        "none", None, None, None, ("any",), None,
    )  # fmt: skip


def _distances(row: Mapping[str, Any], confirmed: Fraction | None) -> Percent:
    """Turn bounds into distances in per cent of the value, which must be the confirmed one."""
    value = Fraction(row["value"])
    if value != confirmed:
        stands = "none" if confirmed is None else f"{float(confirmed):g}"
        raise OperatorError(
            f"--accept {row['row_id']}: its bounds belong to {float(value):g}, but the row in use says "
            f"{stands}; leave it out, or give the row its own uncertainty",
            f"--accept {row['row_id']}: 이 범위는 {float(value):g}의 것인데 사용 중인 값은 {stands}입니다. "
            "빼거나 그 행에 불확도를 직접 쓰세요",
            ExitCode.INCONSISTENT,
        )
    low, high = Fraction(row["lower_95"]), Fraction(row["upper_95"])
    return (float((value - low) / value * 100), float((high - value) / value * 100))


def _nothing_to_accept(row_id: str) -> OperatorError:
    return OperatorError(
        f"--accept {row_id}: no unconfirmed factor or bounds have this id; `digital-cluster factors list "
        "--unconfirmed` lists them",
        f"--accept {row_id}: 그런 미확인 계수나 범위가 없습니다. `digital-cluster factors list "
        "--unconfirmed`로 확인하세요",
        ExitCode.UNUSABLE_INPUT,
    )
