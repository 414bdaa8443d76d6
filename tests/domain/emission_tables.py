"""The packaged factor tables, put together as the commands do."""

from pipelines.domain.emissions.fuels import Conversion, fuel_pairs, ncv_gcv_ratios
from pipelines.domain.emissions.lookup import factor_rows
from pipelines.domain.emissions.rates import Tables
from pipelines.domain.emissions.unconfirmed import factor_activities
from pipelines.domain.units import UnitTable
from pipelines.reference import tables

FACTORS = factor_rows(tables.emission_factors())
TABLES = Tables(
    FACTORS,
    fuel_pairs(tables.fuel_properties()),
    tables.gwps(),
    tables.parameters(),
    Conversion(UnitTable(tables.units()), ncv_gcv_ratios(tables.parameters())),
    factor_activities(tables.unconfirmed()),
)
