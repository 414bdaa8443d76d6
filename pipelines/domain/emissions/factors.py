"""Selection of a grid factor: valid time x known time x purpose.

Belongs here: which row of the factor table an activity date gets, and how far it was carried. Does not
belong here: reading the table (pipelines.reference) and multiplying (electricity).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

import polars as pl

from pipelines.domain.outcomes import ExitCode, OperatorError

Match = Literal["exact", "fallback", "none"]
_MATCHES: tuple[Match, ...] = ("exact", "fallback", "none")
_GASES = ("CO2", "CH4", "N2O")


@dataclass(frozen=True)
class GridFactor:
    """The factor of an activity, and how it was found.

    Args:
        factor_id: the row or rows used, joined by ";"; null: none.
        kg_per_kwh: kg CO2e per kWh, exact; null: none.
        match: exact; fallback: carried forward; none.
        gwp_set: GWP set of the sum; `unstated` if the source doesn't say; null: no factor.
        reason: codes joined by ";"; null: nothing to say.
    """

    factor_id: str | None
    kg_per_kwh: Decimal | None
    match: Match
    gwp_set: str | None
    reason: str | None

    @property
    def provisional(self) -> bool:
        """Say whether a newer factor may still replace this one."""
        return self.match == "fallback"


NO_FACTOR = GridFactor(None, None, "none", None, "no_factor_for_period")


@dataclass(frozen=True)
class FactorQuery:
    """What is asked of the factor table.

    Args:
        geography: as the factory's profile gives it.
        purpose: disclosure, k_ets, cbam or inventory.
        known_on: only what was published by this date counts.
        gwp_set: set for rows of single gases; a composite row keeps its own.
    """

    geography: str
    purpose: str
    known_on: date
    gwp_set: str


class GridFactors:
    """The electricity rows that answer one query, ready to be asked date by date."""

    def __init__(self, factors: pl.DataFrame, gwps: pl.DataFrame, query: FactorQuery) -> None:
        """Keep the rows of the query's geography and purpose that were known in time.

        Args:
            factors: emission_factors, as pipelines.reference.tables reads it.
            gwps: gwp, likewise.
            query: what is asked.

        Raises:
            OperatorError: no such GWP set.
        """
        self._query = query
        self._rows = factors.filter(_answers(query)).to_dicts()
        self._gwp: Mapping[str, Decimal] = {
            row["gas"]: row["gwp_100"] for row in gwps.filter(pl.col("gwp_set") == query.gwp_set).to_dicts()
        }
        if not self._gwp:
            known = ", ".join(gwps["gwp_set"].unique(maintain_order=True))
            raise OperatorError(
                f"GWP set {query.gwp_set}: there is none of that name; name one of {known}",
                f"GWP 세트 {query.gwp_set}: 없는 이름입니다. 다음 중에서 고르세요: {known}",
                ExitCode.UNUSABLE_INPUT,
            )

    def on(self, day: date) -> GridFactor:
        """Return the factor of one local date: exact, else the newest carried forward, else none."""
        exact = [row for row in self._rows if _begun(row, day) and not _ended(row, day)]
        if exact:
            return self._built(min(exact, key=_preference), "exact", [])
        ended = [row for row in self._rows if _ended(row, day)]
        if not ended:
            return NO_FACTOR
        if self._query.purpose == "k_ets":
            return GridFactor(None, None, "none", None, "allocation_factor_not_named")
        newest = max(row["valid_to"] for row in ended)
        row = min((r for r in ended if r["valid_to"] == newest), key=_preference)
        return self._built(row, "fallback", [f"carried_forward:{years_begun(newest, day)}y"])

    def during(self, first: date, end: date) -> GridFactor:
        """Return the factor of the local dates [first, end): across windows, weighted by days.

        A day without a factor leaves the whole period without one: part of an amount is no amount.
        """
        parts = [(factor, len(list(days))) for factor, days in groupby(self._each(first, end))]
        if len(parts) == 1:
            return parts[0][0]
        if any(factor.kg_per_kwh is None for factor, _ in parts):
            return next(factor for factor, _ in parts if factor.kg_per_kwh is None)
        total = sum(days for _, days in parts)
        weighted = sum((f.kg_per_kwh * days for f, days in parts if f.kg_per_kwh is not None), Decimal(0))
        return GridFactor(
            _joined(factor.factor_id for factor, _ in parts),
            weighted / total,
            max((factor.match for factor, _ in parts), key=_MATCHES.index),
            _joined(factor.gwp_set for factor, _ in parts),
            _joined(factor.reason for factor, _ in parts),
        )

    def _each(self, first: date, end: date) -> Iterator[GridFactor]:
        return (self.on(first + timedelta(days=n)) for n in range((end - first).days))

    def _built(self, row: dict[str, Any], match: Match, reasons: list[str]) -> GridFactor:
        if row["gas"] == "CO2e":
            gwp_set = "unstated" if row["gwp_set"] == "none" else row["gwp_set"]
            codes = [*reasons, "gwp_set_differs"] if gwp_set != self._query.gwp_set else reasons
            return GridFactor(row["factor_id"], row["value"], match, gwp_set, _joined(codes))
        by_gas = {r["gas"]: r for r in self._rows if _vintage(r) == _vintage(row) and r["gas"] in _GASES}
        used = [by_gas[gas] for gas in _GASES if gas in by_gas]
        missing = [f"gas_factor_missing:{gas}" for gas in _GASES if gas not in by_gas]
        return GridFactor(
            _joined(r["factor_id"] for r in used),
            sum((r["value"] * self._gwp[r["gas"]] for r in used), Decimal(0)),
            match,
            self._query.gwp_set,
            _joined([*reasons, *missing]),
        )


def years_begun(valid_to: date, day: date) -> int:
    """Count the calendar years from valid_to to the end of a later day, rounded up: 1 on valid_to itself."""
    years = day.year - valid_to.year
    anniversary_ahead = (day.month, day.day) < (valid_to.month, valid_to.day)
    return years if anniversary_ahead else years + 1


def _answers(query: FactorQuery) -> pl.Expr:
    known = pl.col("published_on") <= query.known_on
    # An unknown day of publication isn't "always known": the number can't precede what it describes.
    begun = pl.col("valid_from").is_null() | (pl.col("valid_from") <= query.known_on)
    purposes = pl.col("purpose")
    return (
        (pl.col("activity") == "electricity")
        & (pl.col("basis") == "consumption_end")
        & (pl.col("geography") == query.geography)
        & (purposes.list.contains(query.purpose) | purposes.list.contains("any"))
        & pl.when(pl.col("published_on").is_null()).then(begun).otherwise(known)
        # A gas without its CO2 row is no factor; it is found through that row.
        & pl.col("gas").is_in([*_GASES, "CO2e"])
    )


def _begun(row: Mapping[str, Any], day: date) -> bool:
    return row["gas"] in {"CO2", "CO2e"} and (row["valid_from"] is None or row["valid_from"] <= day)


def _ended(row: Mapping[str, Any], day: date) -> bool:
    return row["gas"] in {"CO2", "CO2e"} and row["valid_to"] is not None and row["valid_to"] <= day


def _preference(row: Mapping[str, Any]) -> tuple[bool, int, int, str]:
    """Order ties: gas rows, latest published_on, latest valid_from, factor_id."""
    published, begins = row["published_on"] or date.min, row["valid_from"] or date.min
    return (row["gas"] == "CO2e", -published.toordinal(), -begins.toordinal(), row["factor_id"])


def _vintage(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["valid_from"], row["valid_to"], row["published_on"], tuple(row["purpose"]))


def _joined(codes: Iterable[str | None]) -> str | None:
    return ";".join(dict.fromkeys(code for code in codes if code)) or None
