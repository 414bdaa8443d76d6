"""The grid factor of a local date, for the nightly emissions: the rates of one kilowatt-hour.

Belongs here: asking the one look-up (lookup, rates) for electricity, date by date. Does not belong here: the
look-up itself, reading the table (pipelines.reference), multiplying (electricity).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

import polars as pl

from pipelines.domain.emissions.activities import Activity
from pipelines.domain.emissions.figures import figure
from pipelines.domain.emissions.fuels import Conversion
from pipelines.domain.emissions.gases import gwp_set
from pipelines.domain.emissions.lookup import Match, factor_rows
from pipelines.domain.emissions.rates import ELECTRICITY, Choice, Rates, Tables
from pipelines.domain.units import UnitTable

_UNIT = "kWh"
_NO_UNITS = pl.Schema({"from_unit": pl.String, "to_unit": pl.String, "multiplier": pl.Float64})
_NO_RATIOS: Mapping[str, tuple[Fraction, str]] = {}


@dataclass(frozen=True)
class GridFactor:
    """The factor of an activity, and how it was found.

    Args:
        factor_id: the row or rows used, joined by ";"; null: none.
        kg_per_kwh: kg CO2e per kWh, exact; null: none.
        match: exact; fallback: carried forward, or of another place; none.
        gwp_set: GWP set of the sum; `unstated` if the source doesn't say; null: no factor.
        reason: codes joined by ";"; null: nothing to say.
        provisional: whether a newer factor may still replace this one.
    """

    factor_id: str | None
    kg_per_kwh: Fraction | None
    match: Match
    gwp_set: str | None
    reason: str | None
    provisional: bool = False


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
    """The electricity rows, ready to be asked date by date."""

    def __init__(self, factors: pl.DataFrame, gwps: pl.DataFrame, query: FactorQuery) -> None:
        """Keep the rows of electricity.

        Args:
            factors: emission_factors, as pipelines.reference.tables reads it.
            gwps: gwp, likewise.
            query: what is asked.

        Raises:
            OperatorError: no such GWP set.
        """
        self._query = query
        self._gwps = gwp_set(gwps, query.gwp_set)
        self._rates = Rates(
            Tables(
                factor_rows(factors.filter(pl.col("activity") == ELECTRICITY)),
                (),
                gwps,
                pl.DataFrame(),
                Conversion(UnitTable(pl.DataFrame(schema=_NO_UNITS)), _NO_RATIOS),
            ),
            Choice(query.purpose, query.known_on, {}),
        )

    def on(self, day: date) -> GridFactor:
        """Return the factor of one local date: exact, else the newest carried forward, else none."""
        return self.during(day, day + timedelta(days=1))

    def during(self, first: date, end: date) -> GridFactor:
        """Return the factor of the local dates [first, end): across windows, weighted by days.

        A day without a factor leaves the whole period without one: part of an amount is no amount.
        """
        one = Activity("", ELECTRICITY, Fraction(1), _UNIT, first, end, self._query.geography)
        made = figure(one, "2", "location", self._rates.of(one), self._gwps)
        return GridFactor(
            ";".join(made.rows) or None,
            made.co2e_kg,
            made.match,
            made.gwp_set,
            ";".join(made.reasons) or None,
            made.provisional,
        )
