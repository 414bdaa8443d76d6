"""Emissions: location-based scope 2 of electricity, by factory and hour.

Belongs here: the commit of the table emissions. Does not belong here: factors and arithmetic
(pipelines.domain.emissions).
"""

from pipelines.connectors.store import day_bucket_predicate
from pipelines.jobs.figuring import changed_pairs, computed_figures
from pipelines.jobs.night import Night
from pipelines.jobs.restating import replace_figures
from pipelines.schemas.tables import EMISSIONS, FACTS_ENERGY


def derive_emissions(night: Night) -> int:
    """Bring the table emissions up to facts_energy; returns the number of rows that are new or differ.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    table, energy = night.store.open(EMISSIONS), night.store.open(FACTS_ENERGY)
    pairs = sorted(changed_pairs(table, [energy]))
    return replace_figures(
        table,
        computed_figures(night, EMISSIONS, [energy], pairs),
        table.read_days(pairs),
        day_bucket_predicate(pairs),
        consumed={FACTS_ENERGY.name: energy.version},
        known_at=night.nominal,
    )
