"""Activities that are estimated from peers: the electricity of factories that no meter measures.

Belongs here: a month's output from hourly counts, the estimate as a row of the ledger. Does not belong here:
the estimate itself (pipelines.domain.emissions.peer_estimate), who is a peer (peers), reading tables.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from pipelines.domain.carbon.entries import ESTIMATE, USED, Entry
from pipelines.domain.emissions.peer_estimate import NO_OUTPUT, Output, PeerEstimate, Refusal
from pipelines.domain.periods import days_in, next_month
from pipelines.domain.sums import exact_total

OUTPUT_INCOMPLETE = "output_incomplete"
_FINAL, _SUSPECT = "final", "suspect"
_ELECTRICITY, _ENERGY_UNIT = "electricity", "kWh"
ACTIVITY_ID = f"{ESTIMATE}-{_ELECTRICITY}"


def made_outputs(hours: pl.DataFrame) -> Mapping[tuple[str, date], Output | Refusal]:
    """Add the counts of factories up to months, over machines and products as kWh per unit does.

    Counters are cumulative, so that a day without readings lacks nothing that the next reading doesn't bring.

    Args:
        hours: rows of facts_machine of products: ``factory, day, pq`` [unit of the product; null: not known],
            ``quality, status``.

    Returns:
        By factory and first of the month; no entry: nothing is counted. `output_incomplete`: an hour's
        quantity is not known, or suspect.
    """
    found: dict[tuple[str, date], Output | Refusal] = {}
    months = hours.with_columns(month=pl.col("day").dt.month_start()).partition_by(
        "factory", "month", as_dict=True
    )
    for (factory, month), rows in months.items():
        unknown = rows["pq"].null_count() or (rows["quality"] == _SUSPECT).any()
        days = rows["day"].unique().sort().to_list()
        found[str(factory), month] = (
            Refusal((OUTPUT_INCOMPLETE,))
            if unknown
            else Output(
                days[0],
                days[-1] + timedelta(days=1),
                exact_total(rows["pq"]) or 0.0,
                provisional=bool((rows["status"] != _FINAL).any()),
                days_counted=len(days),
            )
        )
    return found


def estimated_entry(
    factory: str, month: date, geography: str, output: Output | None, found: PeerEstimate | Refusal
) -> Entry:
    """Return the row of the ledger: an amount marked as estimated, or a null with the reasons.

    Args:
        factory: whose electricity.
        month: its first date.
        geography: of the factor.
        output: what the estimate is made of; null: not known.
        found: the estimate, or why there is none.
    """
    if isinstance(found, Refusal) or output is None:
        reasons = found.reasons if isinstance(found, Refusal) else (NO_OUTPUT,)
        return Entry(
            factory, month, ACTIVITY_ID, ESTIMATE, _ELECTRICITY, USED, None, _ENERGY_UNIT, month,
            next_month(month), geography, quality="estimated", reason=";".join(reasons),
        )  # fmt: skip
    return Entry(
        factory, month, ACTIVITY_ID, ESTIMATE, _ELECTRICITY, USED, found.energy_kwh, _ENERGY_UNIT,
        output.start, output.end, geography, quality="estimated", estimated_share=1.0,
        uncertainty_pct=found.high_pct, uncertainty_low_pct=found.low_pct,
        status="provisional" if found.provisional else _FINAL,
        reason=";".join(reasons_of(month, output, found)),
    )  # fmt: skip


def reasons_of(month: date, output: Output, found: PeerEstimate) -> tuple[str, ...]:
    """Return from what an estimate was made, and on how few days the output was counted."""
    counted = output.days_counted
    few = counted is not None and counted < days_in(month)
    return (f"peer_estimate:{found.basis}", *([f"output_days:{counted}"] if few else []))
