"""Suspect values that somebody accepted: from a list of decisions to the spans in which they hold.

Belongs here: which decision holds when. Does not belong here: what makes a value suspect and what acceptance
does to it (pipelines.domain.meters), recording decisions (pipelines.jobs.suspects).
"""

from datetime import datetime

import polars as pl

from pipelines.domain.calendar import INSTANT

ACCEPT, REVOKE = "accept", "revoke"
SPAN_SCHEMA = pl.Schema({"factory": pl.String(), "meter": pl.String(), "start": INSTANT, "end": INSTANT})
_Span = tuple[datetime, datetime]


def accepted_spans(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the time in which what is suspect is accepted: at each instant the last decision holds.

    Args:
        decisions: ``sequence, decision`` (accept or revoke), ``factory, meter, start, end`` [us, UTC]; any
            order.

    Returns:
        SPAN_SCHEMA, disjoint and not touching within a meter, sorted.
    """
    held: dict[tuple[str, str], list[_Span]] = {}
    for row in decisions.sort("sequence").iter_rows(named=True):
        span = (row["start"], row["end"])
        kept = _without(held.get((row["factory"], row["meter"]), []), span)
        held[row["factory"], row["meter"]] = [*kept, span] if row["decision"] == ACCEPT else kept
    rows = [(*meter, *span) for meter, spans in held.items() for span in _joined(spans)]
    return pl.DataFrame(rows, schema=SPAN_SCHEMA, orient="row").sort(SPAN_SCHEMA.names())


def _without(spans: list[_Span], cut: _Span) -> list[_Span]:
    pieces = [
        piece for start, end in spans for piece in ((start, min(end, cut[0])), (max(start, cut[1]), end))
    ]
    return [(start, end) for start, end in pieces if start < end]


def _joined(spans: list[_Span]) -> list[_Span]:
    joined: list[_Span] = []
    for start, end in sorted(spans):
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]  # noqa: PLW2901 - the span begins where the one that it touches does
        joined.append((start, end))
    return joined
