"""Reading facts back: a factory's energy by period, and the history of a factory's day.

Belongs here: which rows a question needs. Does not belong here: the sums (pipelines.domain.energy_report).
"""

from datetime import date

import polars as pl

from pipelines.connectors.store import ClusterStore
from pipelines.domain.energy_report import Period, energy_rows
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles, unnested
from pipelines.schemas.tables import FACTS, FACTS_ENERGY, FACTS_HISTORY


def read_energy(night: Night, factory: str, first: date, last: date, by: Period) -> pl.DataFrame:
    """Return start, energy_kwh, coverage, quality of a factory's electricity by period, in its zone.

    Raises:
        OperatorError: UNUSABLE_INPUT: the store knows no such factory.
    """
    profiles = read_profiles(night).latest().filter(factory=factory)
    if profiles.is_empty():
        raise unknown_factory(night.store, factory)
    day = pl.col("day").is_between(first, last)
    facts = night.store.open(FACTS_ENERGY).scan().filter(day, pl.col("factory") == factory).collect()
    return energy_rows(
        facts,
        unnested(profiles, "meters"),
        factory,
        zone=profiles["zone"][0],
        first=first,
        last=last,
        by=by,
    )


def history_of_day(night: Night, factory: str, day: date) -> pl.DataFrame:
    """Return the versions of a factory's day: table, version, cause, known_at, key, old_row, new_row.

    The first rows have no cause: they are the state as it is now, one row per table.
    """
    past = (
        night.store.open(FACTS_HISTORY)
        .scan()
        .filter(pl.col("day") == day, pl.col("factory") == factory)
        .sort("table", "version", "key")
        .select("table", "version", "cause", "known_at", "key", "old_row", "new_row")
        .collect()
    )
    current = [
        night.store.open(table)
        .scan()
        .filter(pl.col("day") == day, pl.col("factory") == factory)
        .group_by(pl.lit(table.name).alias("table"))
        .agg(pl.col("version").max(), pl.col("known_at").max(), pl.col("status").first(), rows=pl.len())
        .collect()
        for table in FACTS
    ]
    return pl.concat([*current, past], how="diagonal_relaxed")


def unknown_factory(store: ClusterStore, factory: str) -> OperatorError:
    """Say that a store has no such factory."""
    return OperatorError(
        f"Factory {factory} has no profile in {store.uri}: check the id, --cluster and DC_STORE.",
        f"공장 {factory}의 프로필이 {store.uri}에 없습니다. ID, --cluster, DC_STORE를 확인하세요.",
        ExitCode.UNUSABLE_INPUT,
    )
