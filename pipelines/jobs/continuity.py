"""Whether derived tables can go on from where they stand: their sources' logs must still say what changed.

Belongs here: naming what must be computed anew because a log was cleaned up. Does not belong here: computing
it; every job does so by itself when it finds no log.
"""

from pipelines.connectors.store import ClusterStore
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import (
    ACCEPTED_SUSPECTS,
    ACTIVITIES,
    ELEMENTS_DAILY,
    EMISSION_LINES,
    EMISSION_STATEMENTS,
    EMISSIONS,
    FACTOR_CHOICES,
    FACTS,
    FACTS_ENERGY,
    FACTS_MACHINE,
    FACTS_OPERATIONS,
    KPIS,
    LIVENESS,
    RAW,
    RELEASES,
    SOURCE_DAYS,
    Table,
)

_PROFILE = RAW[STREAMS["profile"].name]
SOURCES: tuple[tuple[Table, tuple[Table, ...]], ...] = (
    (FACTS_ENERGY, (RAW["energy"], _PROFILE, ACCEPTED_SUSPECTS)),
    (FACTS_MACHINE, (RAW["states"], RAW["counts"], _PROFILE)),
    (FACTS_OPERATIONS, (*(RAW[s] for s in ("orders", "shipments", "safety", "stock", "costs")), _PROFILE)),
    (ACTIVITIES, (FACTS_ENERGY,)),
    (EMISSIONS, (FACTS_ENERGY, FACTOR_CHOICES)),
    (EMISSION_LINES, (ACTIVITIES, FACTOR_CHOICES)),
    (EMISSION_STATEMENTS, (ACTIVITIES, FACTOR_CHOICES)),
    (ELEMENTS_DAILY, (*FACTS, EMISSIONS)),
    (KPIS, (ELEMENTS_DAILY,)),
    (RELEASES, (KPIS,)),
    (SOURCE_DAYS, tuple(RAW[name] for name in STREAMS if name != "profile")),
    (LIVENESS, (SOURCE_DAYS, FACTS_ENERGY, FACTS_MACHINE, _PROFILE)),
)


def computed_anew(store: ClusterStore) -> list[str]:
    """Return, as `table from source`, what can't be continued because a source's log is no longer whole.

    Raises:
        OperatorError: STORE.
    """
    return [
        f"{table.name} from {source.name}"
        for table, sources in SOURCES
        if store.exists(table)
        for source in sources
        if store.exists(source) and _is_forgotten(store, table, source)
    ]


def _is_forgotten(store: ClusterStore, table: Table, source: Table) -> bool:
    position, newest = store.open(table).position(source.name), store.open(source).version
    return position is not None and position < newest and store.read_commit(source.name, position + 1) is None
