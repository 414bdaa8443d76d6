"""Emissions: location-based scope 2 of electricity, by factory and hour.

Belongs here: the commit of the table emissions. Does not belong here: factors and arithmetic
(pipelines.domain.emissions), which factors a month is computed by (pipelines.jobs.factor_choices), the ledger
of all activities (pipelines.jobs.carbon).
"""

from collections import defaultdict

import polars as pl

from pipelines.connectors.deriving_figures import GridTables
from pipelines.connectors.store import DayBucket, OpenTable, arrow_frame, day_bucket_predicate
from pipelines.domain.periods import first_of_month
from pipelines.jobs.factor_choices import Choices, changed_months, choose_for_new_months
from pipelines.jobs.figuring import changed_pairs, computed_figures
from pipelines.jobs.night import Night
from pipelines.jobs.restating import replace_figures
from pipelines.schemas.tables import EMISSIONS, FACTOR_CHOICES, FACTS_ENERGY


def derive_emissions(night: Night) -> int:
    """Bring the table emissions up to facts_energy and the chosen factors; returns the rows that differ.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    table, energy = night.store.open(EMISSIONS), night.store.open(FACTS_ENERGY)
    changed = changed_pairs(table, [energy])
    choose_for_new_months(night, {first_of_month(day) for day, _ in changed})
    choices = Choices(night.store)
    chosen_anew = changed_months(table, choices)
    pairs = changed | {pair for pair in energy.partitions() if first_of_month(pair[0]) in chosen_anew}
    ordered = sorted(pairs)
    return replace_figures(
        table,
        _computed(night, energy, choices, ordered),
        table.read_days(ordered),
        day_bucket_predicate(ordered),
        consumed={FACTS_ENERGY.name: energy.version, FACTOR_CHOICES.name: choices.table.version},
        known_at=night.nominal,
    )


def _computed(night: Night, energy: OpenTable, choices: Choices, pairs: list[DayBucket]) -> pl.DataFrame:
    """Compute the rows of some pairs, those of one choice of factors together."""
    chosen = choices.of_months()
    by_choice: defaultdict[tuple[str, str, str], list[DayBucket]] = defaultdict(list)
    for pair in pairs:
        choice = chosen[first_of_month(pair[0])]
        by_choice[choice.factor_set, choice.gwp_set, choice.purpose].append(pair)
    names = [n for n in EMISSIONS.schema.names if n != "known_at"]
    parts = [arrow_frame(EMISSIONS.schema.empty_table()).select(names)]
    for chosen_by, own in by_choice.items():
        grid = grid_tables(choices, *chosen_by)
        parts.append(computed_figures(night, EMISSIONS, [energy], own, grid=grid))
    return pl.concat(parts)


def grid_tables(choices: Choices, factor_set: str, gwp_set: str, purpose: str) -> GridTables:
    """Return the tables that a choice of factors means for emissions."""
    frames = choices.frames(factor_set)
    return GridTables(frames["emission_factors"], frames["gwp"], gwp_set, purpose)
