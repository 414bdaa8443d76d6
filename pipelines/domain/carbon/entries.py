"""A row of the ledger: what a factory did in a month, from its meters, as it told it, or as estimated.

Belongs here: the row as a type and as columns, names of flows. Does not belong here: where rows come from
(metered, told, estimated), what they emit (ledger).
"""

from dataclasses import dataclass, fields
from datetime import date
from typing import Any, get_args

import polars as pl

METER, STREAM, ESTIMATE = "meter", "stream", "estimate"
USED, LEAKED, CHARGED, RECOVERED = "used", "leaked", "charged", "recovered"
BOUGHT, SOLD, CONTRACT = "bought", "sold", "contract"
FLOWS = (USED, LEAKED, CHARGED, RECOVERED, BOUGHT, SOLD, CONTRACT)


@dataclass(frozen=True)
class Entry:
    """An activity of a factory in a calendar month; the columns of the table activities say the rest."""

    factory: str
    month: date
    activity_id: str
    source: str
    activity: str
    flow: str
    amount: float | None
    unit: str
    start: date
    end: date
    geography: str
    counterpart: str | None = None
    transfer_id: str | None = None
    supplier_kg_per_unit: float | None = None
    instrument: str | None = None
    certificate_id: str | None = None
    claimed_kwh: float | None = None
    claim_start: date | None = None
    claim_end: date | None = None
    market: str | None = None
    instrument_kg_per_kwh: float | None = None
    owner: str | None = None
    uncertainty_pct: float | None = None
    uncertainty_low_pct: float | None = None
    factor_uncertainty_pct: float | None = None
    tier: int | None = None
    temperature_c: float | None = None
    pressure_kpa: float | None = None
    coverage: float | None = None
    quality: str | None = None
    estimated_share: float | None = None
    status: str = "final"
    withdrawn: bool = False
    reason: str | None = None

    @property
    def place(self) -> tuple[str, date, str]:
        """What identifies it: factory, month, activity_id."""
        return (self.factory, self.month, self.activity_id)


ENTRY_COLUMNS = tuple(field.name for field in fields(Entry))
_KINDS: dict[Any, Any] = {
    float: pl.Float64, str: pl.String, date: pl.Date, int: pl.Int32, bool: pl.Boolean,
}  # fmt: skip
ENTRY_SCHEMA = pl.Schema(
    {field.name: _KINDS[next(iter(get_args(field.type)), field.type)] for field in fields(Entry)}
)


def frame_of(entries: list[Entry]) -> pl.DataFrame:
    """Return entries as rows of ENTRY_SCHEMA, in their order."""
    rows = [tuple(getattr(entry, name) for name in ENTRY_COLUMNS) for entry in entries]
    return pl.DataFrame(rows, schema=ENTRY_SCHEMA, orient="row")


def entries_of(rows: pl.DataFrame) -> list[Entry]:
    """Return rows with the columns of ENTRY_SCHEMA (and perhaps others) as entries, in their order."""
    return [Entry(**row) for row in rows.select(ENTRY_COLUMNS).iter_rows(named=True)]
