"""Nights that only release: inputs, entries, head, on a real store, for the tests of the ledger."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl

from pipelines.connectors.sealing import LedgerKey
from pipelines.connectors.store import ClusterStore
from pipelines.domain.disclosure.exposure import SealedFigure, Statement, Term, Unknown
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA, append_entries
from pipelines.jobs.night import Night
from pipelines.jobs.sealed_inputs import append_sealed, sign_head
from pipelines.schemas.tables import RELEASES
from tests.perf.energy import night_on

KEY = LedgerKey([bytes(range(64))])
FIRST = datetime(2025, 11, 10, 18, tzinfo=UTC)  # 03:00 in Seoul


def night(store: ClusterStore, days: int = 0) -> Night:
    """Put the night together that is some days after the first, on a store."""
    plain = night_on(store, ["a-1"], as_of=FIRST + timedelta(days=days))
    return replace(plain, cluster=replace(plain.cluster, cluster=store.cluster), ledger_key=KEY)


def inputs(night: Night, figure_id: str, amount: float) -> SealedFigure:
    unknown = Unknown("energy", "day", date(2025, 11, 10), "a-1", "a", amount)
    statement = Statement(figure_id, (Term(unknown, 1.0),), published=True, down=5.0, up=5.0)
    return SealedFigure(
        figure_id, night.known_at_us, "publish", (), 3, ("a-1",), "p1", (), "10", 1, (statement,)
    )


def figures(**values: float) -> pl.DataFrame:
    rows = [
        {
            **dict.fromkeys(FIGURE_SCHEMA),
            "figure_id": figure_id,
            "cluster": "perf",
            "value": value,
            "period_start": date(2025, 11, 10),
        }
        for figure_id, value in values.items()
    ]
    return pl.DataFrame(rows, schema=FIGURE_SCHEMA, orient="row")


def entries_of(night: Night, published: dict[str, float]) -> tuple[pl.DataFrame, str]:
    """Return what a night adds to the ledger, and the ledger's head afterwards."""
    past = night.store.open(RELEASES).scan().collect()
    added = append_entries(past, figures(**published), night.nominal)
    both = pl.concat([past, added]).sort("sequence")
    return added, "" if both.is_empty() else both["sha256"][-1]


def live(night: Night, amounts: dict[str, float], until: str = "heads") -> None:
    """Live a night as the job does: inputs, entries, head; a killed one ends after `until`."""
    entries, head = entries_of(night, {name: round(value, -1) for name, value in amounts.items()})
    append_sealed(night, [inputs(night, name, value) for name, value in amounts.items()], head)
    if until == "inputs":
        return
    if not entries.is_empty():
        night.store.open(RELEASES).append(entries, {})
    if until == "entries":
        return
    sign_head(night)
