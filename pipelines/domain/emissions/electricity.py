"""Scope 2 emissions of electricity by the location-based method.

Belongs here: kWh of a factory's hours times the grid factor of their date. Does not belong here: which row
that is (factors), market-based figures, fuels.
"""

from datetime import date

import polars as pl

from pipelines.domain.emissions.factors import FactorQuery, GridFactors

_DATES = ("first_date", "end_date")


def location_based_co2e(
    energy: pl.DataFrame,
    factors: pl.DataFrame,
    gwps: pl.DataFrame,
    *,
    geography: str,
    zone: str,
    known_on: date,
    purpose: str = "disclosure",
    gwp_set: str = "AR5",
) -> pl.DataFrame:
    """Estimate scope 2 emissions of electricity by the location-based method.

    Args:
        energy: hours and gaps of the factories of one geography and zone, as
            pipelines.domain.factory_energy.factory_hours returns them: ``energy_kwh`` is gross import [kWh];
            null means "not metered", never zero.
        factors: emission_factors; gas rows and CO2e rows of one vintage are alternatives.
        gwps: gwp.
        geography: of the grid, as the factors name it.
        zone: IANA zone; a factor belongs to the local date of the activity.
        known_on: only factors published by this date count.
        purpose: disclosure, k_ets, cbam or inventory.
        gwp_set: set by which gases are added; a composite row keeps its own.

    Returns:
        The columns of the table emissions without bucket and known_at, row by row of `energy` and in its
        order: ``co2e_kg`` [kg CO2e] is null where energy or factor is not known: we report it, we do not
        guess it. ``factor_match`` is exact, fallback (carried forward) or none; ``reason`` says the rest.

    Source: GHG Protocol, Scope 2 Guidance (2015); the selection is that of reference/README.md.
    """
    asked = FactorQuery(geography, purpose, known_on, gwp_set)
    dated = energy.with_columns(
        first_date=pl.col("start").dt.convert_time_zone(zone).dt.date(),
        # The last instant belongs to the last date: an end at midnight doesn't reach into the next.
        end_date=(pl.col("end") - pl.duration(microseconds=1)).dt.convert_time_zone(zone).dt.date()
        + pl.duration(days=1),
    )
    found = _factors_of(dated.select(_DATES).unique(), GridFactors(factors, gwps, asked))
    return (
        dated.join(found, on=_DATES, how="left", maintain_order="left")
        .with_columns(
            carrier=pl.lit("electricity"),
            scope=pl.lit(2, pl.Int32),
            method=pl.lit("location"),
            co2e_kg=pl.col("energy_kwh") * pl.col("factor_kg_per_kwh"),
            provisional=pl.col("carried_forward") | (pl.col("status") != "final"),
            reason=_with_missing_energy(),
        )
        .select(
            "day", "factory", "carrier", "scope", "method", "allocation", "start", "end", "energy_kwh",
            "factor_id", "factor_kg_per_kwh", "factor_match", "gwp_set", "co2e_kg", "provisional", "reason",
            "coverage", "quality",
        )
    )  # fmt: skip


def _factors_of(periods: pl.DataFrame, grid: GridFactors) -> pl.DataFrame:
    rows = []
    for first, end in periods.iter_rows():
        factor = grid.during(first, end)
        value = None if factor.kg_per_kwh is None else float(factor.kg_per_kwh)
        rows.append(
            (
                first,
                end,
                factor.factor_id,
                value,
                factor.match,
                factor.gwp_set,
                factor.provisional,
                factor.reason,
            )
        )
    return pl.DataFrame(
        rows,
        schema={
            "first_date": pl.Date,
            "end_date": pl.Date,
            "factor_id": pl.String,
            "factor_kg_per_kwh": pl.Float64,
            "factor_match": pl.String,
            "gwp_set": pl.String,
            "carried_forward": pl.Boolean,
            "reason": pl.String,
        },
        orient="row",
    )


def _with_missing_energy() -> pl.Expr:
    missing = pl.when(pl.col("energy_kwh").is_null()).then(pl.lit("missing_element:energy_kwh"))
    codes = pl.concat_str([pl.col("reason"), missing], separator=";", ignore_nulls=True)
    return pl.when(codes != "").then(codes)
