"""The release ledger: everything that was ever published, chained by hashes.

Belongs here: new figures -> entries, and the proof that nobody changed an old one. Does not belong here:
writing the table (connectors) and deciding what is published (gate).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import polars as pl

# Columns that came after the first version. Where null they are left out of an entry's canonical JSON, so
# that older entries keep their hashes.
_LATER: Final[dict[str, pl.DataType]] = {
    "interval_low": pl.Float64(),
    "interval_high": pl.Float64(),
    "p25": pl.Float64(),
    "p25_low": pl.Float64(),
    "p25_high": pl.Float64(),
    "p33": pl.Float64(),
    "p67": pl.Float64(),
    "p75": pl.Float64(),
    "p75_low": pl.Float64(),
    "p75_high": pl.Float64(),
    "previous_value": pl.Float64(),
    "reference_member": pl.String(),
}
FIGURE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "figure_id": pl.String(),
    "cluster": pl.String(),
    "breakdown": pl.String(),
    "group": pl.String(),
    "period": pl.String(),
    "period_start": pl.Date(),
    "period_end": pl.Date(),
    "kpi": pl.String(),
    "definition_version": pl.String(),
    "statistic": pl.String(),
    "status": pl.String(),
    "value": pl.Float64(),
    "unit": pl.String(),
    "grid_step": pl.Float64(),
    "contributors": pl.String(),
    "coverage": pl.Float64(),
    "provisional": pl.Boolean(),
    **_LATER,
}
RELEASE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "sequence": pl.Int64(),
    "figure_id": pl.String(),
    "revision": pl.Int32(),
    **{name: kind for name, kind in FIGURE_SCHEMA.items() if name != "figure_id"},
    "known_at": pl.Datetime("us", "UTC"),
    "previous_sha256": pl.String(),
    "sha256": pl.String(),
}


def append_entries(ledger: pl.DataFrame, figures: pl.DataFrame, known_at: datetime) -> pl.DataFrame:
    """Return the entries that the figures add to the ledger.

    A figure whose content equals its latest revision adds nothing, so a repeated night is silent.

    Args:
        ledger: RELEASE_SCHEMA: all entries so far, in any order; empty: none. Older entries of figures that
            can't occur among `figures` may be left out, the newest entry never.
        figures: FIGURE_SCHEMA; each figure_id once.
        known_at: the night's nominal time, with a zone.

    Returns:
        RELEASE_SCHEMA, ordered by sequence, which continues the ledger's; new entries by figure_id.

    Raises:
        ValueError: a figure occurs twice, or a value is no number.
    """
    if figures["figure_id"].is_duplicated().any():
        raise ValueError("a figure occurs twice in one night: its id must name it uniquely")
    latest = {row["figure_id"]: row for row in ledger.sort("sequence").iter_rows(named=True)}
    tail = ledger.sort("sequence").tail(1).to_dicts()
    sequence, previous = (tail[0]["sequence"], tail[0]["sha256"]) if tail else (0, "")
    entries: list[dict[str, Any]] = []
    for figure in figures.select(list(FIGURE_SCHEMA)).sort("figure_id").iter_rows(named=True):
        before = latest.get(figure["figure_id"])
        if before is not None and _content(before) == _content(figure):
            continue
        sequence += 1
        revision = 1 if before is None else before["revision"] + 1
        entry = {
            **figure,
            "sequence": sequence,
            "revision": revision,
            "known_at": known_at.astimezone(UTC),
            "previous_sha256": previous,
        }
        previous = entry["sha256"] = entry_sha256(entry)
        entries.append(entry)
    return pl.DataFrame(entries, schema=RELEASE_SCHEMA, orient="row")


def verify_chain(releases: pl.DataFrame) -> int | None:
    """Return the first sequence at which the ledger is broken or has a gap; null: the chain is whole.

    A cut-off end is still a whole chain: that is what a signed head is for.

    Args:
        releases: RELEASE_SCHEMA: the whole ledger, in any order.
    """
    previous = ""
    for expected, row in enumerate(releases.sort("sequence").iter_rows(named=True), start=1):
        chained = row["sequence"] == expected and row["previous_sha256"] == previous
        if not chained or row["sha256"] != entry_sha256(row):
            return expected
        previous = row["sha256"]
    return None


def entry_sha256(entry: Mapping[str, Any]) -> str:
    """Return the hash of an entry: over previous_sha256 and its canonical JSON without sha256.

    Canonical: keys sorted, no spaces, shortest exact floats, ISO dates, UTC instants to the microsecond; a
    column that came after the first version only where it is not null.
    """
    body = {
        name: _plain(entry[name])
        for name in RELEASE_SCHEMA
        if name != "sha256" and not (name in _LATER and entry[name] is None)
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(f"{entry['previous_sha256']}{text}".encode()).hexdigest()


def _content(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in FIGURE_SCHEMA)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return value
