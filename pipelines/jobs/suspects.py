"""Suspect values: listing them, and recording that somebody accepts them, or no longer does.

Belongs here: which rows are suspect, the commit of a decision. Does not belong here: what a decision does to
facts (pipelines.domain.meters); the next night applies it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.calendar import INSTANT
from pipelines.domain.meters import SUSPECT
from pipelines.domain.onramp import unusable
from pipelines.domain.suspects import ACCEPT, REVOKE, accepted_spans
from pipelines.jobs.history import unknown_factory
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.schemas.tables import ACCEPTED_SUSPECTS, FACTS_ENERGY

_LISTED = (
    "factory", "meter", "carrier", "day", "allocation", "start", "end", "quantity", "unit", "coverage",
    "status", "version",
)  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """Whose values somebody decides on, and when they lie.

    Args:
        factory: id of the factory.
        meter: id of the meter.
        start: first instant, ISO 8601; without an offset it is local time of the factory.
        end: first instant after it, likewise.
    """

    factory: str
    meter: str
    start: str
    end: str


def suspect_rows(night: Night, factory: str | None, first: date | None, last: date | None) -> pl.DataFrame:
    """Return the energy facts that are suspect: of a factory and of local dates (both included), or all."""
    wanted = [pl.col("quality") == SUSPECT]
    if factory is not None:
        wanted.append(pl.col("factory") == factory)
    if first is not None:
        wanted.append(pl.col("day") >= first)
    if last is not None:
        wanted.append(pl.col("day") <= last)
    facts = night.store.open(FACTS_ENERGY).scan().filter(*wanted).select(_LISTED)
    return facts.collect().sort("factory", "meter", "start", "end")


def decisions(night: Night) -> pl.DataFrame:
    """Return every acceptance and revocation, in order."""
    return night.store.open(ACCEPTED_SUSPECTS).scan().collect().sort("sequence")


def accept(night: Night, claim: Claim, reason: str, by: str | None) -> int:
    """Record that the suspect values of a span are accepted; returns how many facts that concerns.

    The caller holds the lease.

    Raises:
        OperatorError: UNUSABLE_INPUT: unknown factory or meter, no span, no reason, or nothing suspect lies
            wholly within the span; the store failed or a rival committed.
    """
    start, end = _span(night, claim)
    within = suspect_rows(night, claim.factory, None, None).filter(
        pl.col("meter") == claim.meter, pl.col("start") >= start, pl.col("end") <= end
    )
    if within.is_empty():
        raise unusable(
            f"nothing of {claim.factory}/{claim.meter} that lies wholly between {start.isoformat()} and"
            f" {end.isoformat()} is suspect: see `digital-cluster suspects list --factory {claim.factory}`",
            f"{claim.factory}/{claim.meter}의 {start.isoformat()} ~ {end.isoformat()} 구간에 의심 값이"
            f" 없습니다. `digital-cluster suspects list --factory {claim.factory}`로 확인하세요",
        )
    _record(night, ACCEPT, claim, (start, end), reason, by)
    return within.height


def revoke(night: Night, claim: Claim, reason: str, by: str | None) -> None:
    """Record that an acceptance no longer holds in a span; the caller holds the lease.

    Raises:
        OperatorError: UNUSABLE_INPUT: as `accept`, or nothing is accepted in the span; the store failed or a
            rival committed.
    """
    start, end = _span(night, claim)
    held = accepted_spans(decisions(night)).filter(
        pl.col("start") < end, pl.col("end") > start, factory=claim.factory, meter=claim.meter
    )
    if held.is_empty():
        raise unusable(
            f"nothing of {claim.factory}/{claim.meter} is accepted between {start.isoformat()} and"
            f" {end.isoformat()}: see `digital-cluster suspects decisions`",
            f"{claim.factory}/{claim.meter}의 {start.isoformat()} ~ {end.isoformat()} 구간에 승인된 값이"
            " 없습니다. `digital-cluster suspects decisions`로 확인하세요",
        )
    _record(night, REVOKE, claim, (start, end), reason, by)


def _span(night: Night, claim: Claim) -> tuple[datetime, datetime]:
    profiles = read_profiles(night)
    latest = profiles.latest().filter(factory=claim.factory)
    if latest.is_empty():
        raise unknown_factory(night.store, claim.factory)
    meters = profiles.rows.filter(factory=claim.factory).select(pl.col("meters").explode().struct["meter"])
    known = meters["meter"].drop_nulls().unique().sort().to_list()
    if claim.meter not in known:
        raise unusable(
            f"{claim.factory} has no meter {claim.meter!r}; known: {', '.join(known)}",
            f"{claim.factory}에 계량기 {claim.meter!r}이(가) 없습니다. 있는 것: {', '.join(known)}",
        )
    zone = ZoneInfo(latest["zone"][0])
    start, end = (_instant(text, zone) for text in (claim.start, claim.end))
    if start >= end:
        raise unusable(
            f"--from {claim.start} does not come before --to {claim.end}",
            f"--from {claim.start}이(가) --to {claim.end}보다 앞서지 않습니다",
        )
    return start, end


def _instant(text: str, zone: ZoneInfo) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise unusable(
            f"{text!r} is no instant: write it like 2025-11-04T10:00 (local time of the factory)",
            f"{text!r}은(는) 시각이 아닙니다. 2025-11-04T10:00처럼 쓰세요 (공장 현지 시각)",
        ) from error
    return (instant.replace(tzinfo=zone) if instant.tzinfo is None else instant).astimezone(UTC)


def _record(
    night: Night, decision: str, claim: Claim, span: tuple[datetime, datetime], reason: str, by: str | None
) -> None:
    if not reason.strip():
        raise unusable("--reason is empty: say why", "--reason이 비어 있습니다. 이유를 적으세요")
    table: OpenTable = night.store.open(ACCEPTED_SUSPECTS)
    last = table.scan().select(pl.col("sequence").max()).collect().item()
    row = {
        "sequence": (last or 0) + 1, "decision": decision, "factory": claim.factory, "meter": claim.meter,
        "start": span[0], "end": span[1], "reason": reason.strip(), "by": by, "known_at": night.nominal,
    }  # fmt: skip
    schema = {**table.empty().schema, **dict.fromkeys(("start", "end", "known_at"), INSTANT)}
    table.append(pl.DataFrame([row], schema=schema), {})
