"""The uncertainty of a statement by Monte Carlo, beside propagation.

Belongs here: computing a stored version's parts again, from what it knew, and drawing them. Does not belong
here: the draws (pipelines.domain.emissions.monte_carlo).
"""

import json
from datetime import date

import polars as pl

from pipelines.domain.carbon.statements import Boundary, counted, of_scope
from pipelines.domain.emissions.figures import Figure, contribution_of
from pipelines.domain.emissions.monte_carlo import simulated
from pipelines.domain.emissions.uncertainty import propagated
from pipelines.jobs.carbon import Ledger
from pipelines.jobs.factor_choices import Choices
from pipelines.jobs.night import Night
from pipelines.jobs.statement_reading import shown
from pipelines.schemas.tables import ACTIVITIES


def drawn(night: Night, statement_id: str, version: int | None, draws: int, seed: int) -> pl.DataFrame:
    """Return the 95 % distances of each sum of a statement by both approaches.

    Both cover the figures whose uncertainty is known, as `uncertainty_covers` of the statement says.

    Args:
        night: for its store.
        statement_id: which.
        version: null: the newest.
        draws: how many.
        seed: the same seed gives the same result.

    Returns:
        ``scope, method, gwp_set, co2e_kg, propagated_low_pct, propagated_high_pct, drawn_low_pct,
        drawn_high_pct``; null: not known.

    Raises:
        OperatorError: UNUSABLE_INPUT: there is no such statement or version.
    """
    rows = shown(night, statement_id, version, "sums").filter(pl.col("scope") != "transfers")
    figures = _figures(night, rows)
    made = []
    for scope, method, gwp_set, co2e in rows.select("scope", "method", "gwp_set", "co2e_kg").iter_rows():
        own = [f for f in of_scope(figures, scope, method) if f.gwp_set == gwp_set and f.co2e_kg is not None]
        known = [c for c in map(contribution_of, own) if c.is_stated or c.co2e_kg == 0]
        low, high = propagated(known) or (None, None)
        drawn_low, drawn_high = simulated(known, draws=draws, seed=seed) or (None, None)
        made.append((scope, method, gwp_set, co2e, low, high, drawn_low, drawn_high))
    texts, numbers = ("scope", "method", "gwp_set"), (
        "co2e_kg", "propagated_low_pct", "propagated_high_pct", "drawn_low_pct", "drawn_high_pct",
    )  # fmt: skip
    schema = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(numbers, pl.Float64)}
    return pl.DataFrame(made, schema=schema, orient="row")


def _figures(night: Night, rows: pl.DataFrame) -> list[Figure]:
    """Compute the figures of a stored version again, from the activities and factors that it knew."""
    head = rows.row(0, named=True)
    start, end = date.fromisoformat(str(head["period_start"])), date.fromisoformat(str(head["period_end"]))
    ledger = Ledger(night, night.store.open(ACTIVITIES), Choices(night.store), {start.year})
    bases = ledger.choices.bases(head["choice_sequence"])
    lines = ledger.lines_by(head["ledger_sequence"], bases, "stated")
    own = [line for line in lines if start <= line.entry.month < end]
    kept = counted(own, Boundary.of(json.loads(head["boundary"])))
    return [line.figure for line in kept if line.figure is not None]
