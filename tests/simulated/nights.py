"""Runs the nights of a park through the gate, in memory: the ledger and what is sealed beside it.

Belongs here: night after night. Does not belong here: what a night knows (history), what follows from what it
released (the audit).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from itertools import islice
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.ledger import RELEASE_SCHEMA, append_entries
from pipelines.domain.disclosure.release import Checks
from pipelines.domain.releasing import Scene, release_periods
from tests.simulated.history import Night, Park

NIGHTLY = time(3)


@dataclass
class Gate:
    """What the nights have released so far.

    Args:
        park: whose nights they are.
        checks: those of the gate that are on.
        ledger: its entries.
        sealed: what stands behind them, oldest first.
        figures: by night, as judged then.
    """

    park: Park
    checks: Checks = field(default_factory=Checks)
    ledger: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RELEASE_SCHEMA))
    sealed: tuple[SealedFigure, ...] = ()
    figures: dict[date, pl.DataFrame] = field(default_factory=dict)

    def run(self, *, count: int | None = None, shuffled: int | None = None) -> "Gate":
        """Run all nights, or the first ones; perhaps with their rows in another order, of a seed."""
        for night in islice(self.park.nights(), count):
            self.release(night, shuffled=shuffled)
        return self

    def release(self, night: Night, *, shuffled: int | None = None) -> None:
        """Run one night."""
        known_at = datetime.combine(night.date, NIGHTLY, ZoneInfo(night.cluster.zone))
        kpis = night.kpis
        if shuffled is not None:
            kpis = kpis.sample(fraction=1.0, shuffle=True, seed=shuffled)
        scene = Scene(night.cluster, self.park.processes, self.park.catalogue, self.park.elements, known_at)
        found = release_periods(kpis, night.periods, scene, self.sealed, self.checks)
        self.figures[night.date] = found.figures
        self.ledger = pl.concat([self.ledger, append_entries(self.ledger, found.figures, known_at)])
        self.sealed += tuple(self._news(found.sealed))

    def _news(self, sealed: tuple[SealedFigure, ...]) -> Iterator[SealedFigure]:
        """Leave out what was sealed before just so: a night seals only what differs."""
        newest = {figure.figure_id: figure for figure in self.sealed}
        for figure in sealed:
            before = newest.get(figure.figure_id)
            if before is None or replace(before, known_at_us=figure.known_at_us) != figure:
                yield figure
