"""The activity ledger: the table activities, from hourly facts, what factories told, and peers.

Belongs here: which months a night computes anew, and the commit. Does not belong here: how activities are
made (pipelines.domain.carbon), what they emit (pipelines.jobs.carbon).
"""

from datetime import date

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.carbon.entries import ENTRY_COLUMNS, ESTIMATE, METER, STREAM
from pipelines.domain.carbon.metered import metered_activities
from pipelines.domain.carbon.told import told_activities
from pipelines.domain.periods import first_of_month, next_month
from pipelines.jobs.factor_choices import choose_for_new_months
from pipelines.jobs.night import Night
from pipelines.jobs.peer_estimates import electricity_known, estimated_activities
from pipelines.jobs.profiles import read_profiles, zones_of
from pipelines.jobs.versions import new_versions, newest
from pipelines.schemas.tables import ACTIVITIES, FACTS_ENERGY, RAW

PLACE = ["factory", "month", "activity_id"]
_TOLD, _PROFILE = RAW["activities"], RAW["profile"]


def derive_activities(night: Night) -> int:
    """Bring the table activities up to its sources, and choose factors for months that are new.

    Returns:
        The number of rows that are new or differ.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    table, energy = night.store.open(ACTIVITIES), night.store.open(FACTS_ENERGY)
    told, profile = night.store.open(_TOLD), night.store.open(_PROFILE)
    consumed = {one.table.name: one.version for one in (energy, told, profile)}
    metered = sorted(
        {first_of_month(day) for day, _ in energy.changed_partitions(table.position("facts_energy"))}
    )
    tells_anew = any(table.position(one.table.name) != one.version for one in (told, profile))
    stored = table.scan().collect()
    parts = [_metered(night, energy, metered)]
    scope = (pl.col("source") == METER) & pl.col("month").is_in(metered)
    if tells_anew:
        zones = dict(zones_of(night).select("factory", "zone").iter_rows())
        parts.append(told_activities(told.scan().collect(), zones))
        scope |= pl.col("source") == STREAM
    untouched = newest(stored, PLACE).filter(~scope).select(ENTRY_COLUMNS)
    parts.append(estimated_activities(night, electricity_known(pl.concat([untouched, *parts]))))
    scope |= pl.col("source") == ESTIMATE
    computed = pl.concat(parts)
    fresh = _fresh(_with_withdrawn(computed, stored.filter(scope)), stored, night)
    if fresh.height:
        table.append(fresh, consumed)
    elif any(table.position(name) != version for name, version in consumed.items()):
        table.commit_files([], consumed)
    choose_for_new_months(night, table.scan().select("month").unique().collect()["month"])
    return fresh.height


def _metered(night: Night, energy: OpenTable, months: list[date]) -> pl.DataFrame:
    """Return the activities of meters of whole months."""
    profiles = read_profiles(night)
    days = pl.lit(value=False)
    for month in months:
        days |= (pl.col("day") >= month) & (pl.col("day") < next_month(month))
    nested = profiles.rows.select("factory", "profile_version", "meters").explode("meters").drop_nulls()
    meters = nested.unnest("meters").select("factory", "profile_version", "meter", "carrier", "parent")
    places = profiles.latest().select("factory", "geography")
    return metered_activities(energy.scan().filter(days).collect(), meters.unique(), places)


def _with_withdrawn(computed: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Add what was stored and is no longer there: its amount is not known any more."""
    gone = newest(stored, PLACE).join(computed, on=PLACE, how="anti").select(computed.columns)
    return pl.concat([
        computed,
        gone.with_columns(amount=pl.lit(None, pl.Float64), withdrawn=pl.lit(value=True)),
    ])  # fmt: skip


def _fresh(computed: pl.DataFrame, stored: pl.DataFrame, night: Night) -> pl.DataFrame:
    before = stored.join(computed, on=PLACE, how="semi").select(*computed.columns, "version")
    batch = (stored["sequence"].max() or 0) if stored.height else 0
    return new_versions(computed, before, PLACE).with_columns(
        sequence=pl.lit(batch, pl.Int64) + 1,
        known_at=pl.lit(night.nominal).cast(pl.Datetime("us", "UTC")),
    )
