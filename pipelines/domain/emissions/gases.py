"""Gases and the named sets of global warming potentials by which they are added.

Belongs here: what one kilogram of a gas counts in one set. Does not belong here: masses of gases, and adding
sets, which never happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import polars as pl

from pipelines.domain.outcomes import ExitCode, OperatorError

MethaneOrigin = Literal["fossil", "nonfossil"]
METHANE, BIOGENIC, COMPOSITE = "CH4", "CO2-biogenic", "CO2e"
_ORIGINS = tuple(f"{METHANE}-{origin}" for origin in ("fossil", "nonfossil"))


@dataclass(frozen=True)
class GwpSet:
    """One named set.

    Args:
        name: as the table names it.
        values: kg CO2e per kg of a gas.
    """

    name: str
    values: Mapping[str, Fraction]

    def of(self, gas: str) -> Fraction | None:
        """Return kg CO2e per kg; 0 for CO2 of biomass, which is never in CO2e; null: not in the set."""
        return Fraction(0) if gas == BIOGENIC else self.values.get(gas)


def known_gases(gwps: pl.DataFrame) -> frozenset[str]:
    """Return the gases of all sets, methane once."""
    return frozenset(gwps["gas"]) - {*_ORIGINS}


def gwp_set(gwps: pl.DataFrame, name: str, methane_origin: MethaneOrigin | None = None) -> GwpSet:
    """Return a set by its name.

    Args:
        gwps: ``gwp_set``, ``gas``, ``gwp_100``. A set named like ``AR6-sf6_24300`` holds only what differs
            from the set before the hyphen.
        name: of the set.
        methane_origin: take the set's value for methane of that origin; null: the origin-neutral one.

    Raises:
        OperatorError: no such set, or it doesn't tell methane by its origin.
    """
    if name not in gwps["gwp_set"]:
        known = ", ".join(gwps["gwp_set"].unique(maintain_order=True))
        raise _unusable(
            f"GWP set {name}: there is none of that name; name one of {known}",
            f"GWP 세트 {name}: 없는 이름입니다. 다음 중에서 고르세요: {known}",
        )
    values: dict[str, Fraction] = {}
    for part in (name.partition("-")[0], name):
        rows = gwps.filter(pl.col("gwp_set") == part)
        values |= {gas: Fraction(value) for gas, value in rows.select("gas", "gwp_100").iter_rows()}
    if methane_origin is not None:
        origin = f"{METHANE}-{methane_origin}"
        if origin not in values:
            raise _unusable(
                f"GWP set {name} doesn't tell methane by its origin: leave out --methane-origin, or name AR5 "
                "or AR6",
                f"GWP 세트 {name}에는 메탄의 기원별 값이 없습니다. --methane-origin을 빼거나 AR5, AR6을 "
                "쓰세요",
            )
        values[METHANE] = values[origin]
    return GwpSet(name, {gas: value for gas, value in values.items() if gas not in _ORIGINS})


def _unusable(english: str, korean: str) -> OperatorError:
    return OperatorError(english, korean, ExitCode.UNUSABLE_INPUT)
