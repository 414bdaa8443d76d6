"""Activities that factories tell: purchases, gases, heat, sales and contracts, by calendar month.

Belongs here: which record of an id counts, its local dates, its parts by month. Does not belong here: reading
the stream, what an activity emits.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.carbon.entries import CONTRACT, ENTRY_SCHEMA, STREAM, USED, Entry, frame_of
from pipelines.domain.periods import first_of_month, next_month

SPLIT = "split_by_days"
_AS_TOLD = (
    "factory", "activity_id", "activity", "unit", "geography", "counterpart", "transfer_id",
    "supplier_kg_per_unit", "instrument", "certificate_id", "claimed_kwh", "market", "instrument_kg_per_kwh",
    "owner", "uncertainty_pct", "factor_uncertainty_pct", "tier", "temperature_c", "pressure_kpa",
)  # fmt: skip


def told_activities(rows: pl.DataFrame, zones: Mapping[str, str]) -> pl.DataFrame:
    """Turn records into activities by month.

    Of several records of one factory and id the highest sequence counts, then the later record, then the
    greater content, whatever their order. An amount that spans months is split by days; what claims an
    instrument belongs to the month in which it starts, whole.

    Args:
        rows: of raw_activities.
        zones: IANA zone by factory; it turns instants into local dates.

    Returns:
        Rows of ENTRY_SCHEMA, sorted by factory, month and activity_id.
    """
    content = [name for name in rows.columns if name in ENTRY_SCHEMA and name not in {"month", "coverage"}]
    newest = rows.sort("factory", "activity_id", "sequence", "record_timestamp", *content).unique(
        ["factory", "activity_id"], keep="last", maintain_order=True
    )
    entries = [part for row in newest.iter_rows(named=True) for part in _parts(row, zones[row["factory"]])]
    return frame_of(sorted(entries, key=lambda entry: entry.place))


def _parts(row: Mapping[str, Any], zone: str) -> list[Entry]:
    start, end = _first_date(row["start"], zone), _end_date(row["end"], zone)
    common = {name: row.get(name) for name in _AS_TOLD} | {
        "source": STREAM,
        "flow": row.get("flow") or USED,
        "claim_start": None if row.get("claim_start") is None else _first_date(row["claim_start"], zone),
        "claim_end": None if row.get("claim_end") is None else _end_date(row["claim_end"], zone),
    }
    whole = common["flow"] == CONTRACT or row["claimed_kwh"] is not None
    if whole or end <= next_month(first_of_month(start)):
        return [Entry(month=first_of_month(start), amount=row["amount"], start=start, end=end, **common)]
    spans, first = [], start
    while first < end:
        spans.append((first, min(end, next_month(first_of_month(first)))))
        first = spans[-1][1]
    days = (end - start).days
    return [
        Entry(
            month=first_of_month(a), amount=row["amount"] * (b - a).days / days, start=a, end=b,
            reason=SPLIT, **common,
        )
        for a, b in spans
    ]  # fmt: skip


def _first_date(instant: Any, zone: str) -> date:  # noqa: ANN401 - a cell of a frame
    local: date = instant.astimezone(ZoneInfo(zone)).date()
    return local


def _end_date(instant: Any, zone: str) -> date:  # noqa: ANN401 - a cell of a frame
    """Return the first date after an end; an end at midnight doesn't reach into the next."""
    return _first_date(instant - timedelta(microseconds=1), zone) + timedelta(days=1)
