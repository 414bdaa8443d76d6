"""What the liveness report says to each audience, as questions.

Belongs here: the operator's questions by factory and stream, a member's own with its evidence. Does not
belong here: the signs and the rank (pipelines.domain.liveness), words and HTML. The operator's part never
sees the evidence: its column is dropped before anything is read.
"""

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.cluster import ClusterDefinition, Factory
from pipelines.domain.liveness.observed import (
    COPIED_DAY,
    FEW_EVENTS,
    FLAT_LINE,
    GHOST,
    NO_SHIFT_PATTERN,
    SILENT,
    WHOLE_STREAM,
    ZERO_RUN,
)
from pipelines.domain.liveness.report import ranked_factories
from pipelines.publish.content import AskedFactory, LiveStream, OwnQuestion, StreamQuestion, Term

# What a question says of the evidence; of another factory nothing is said.
_TOLD = {
    SILENT: ("last_event",),
    FEW_EVENTS: ("expected", "received"),
    FLAT_LINE: ("from", "hours"),
    COPIED_DAY: ("of",),
    NO_SHIFT_PATTERN: ("days",),
    GHOST: ("hours", "meter"),
    ZERO_RUN: ("days_before",),
}
_INSTANTS = ("last_event", "from")
_LASTING = frozenset({SILENT, GHOST, NO_SHIFT_PATTERN})


def asked_factories(
    report: pl.DataFrame,
    cluster: ClusterDefinition,
    factories: Iterable[Factory],
    day: date,
    zones: dict[str, ZoneInfo],
) -> tuple[AskedFactory, ...]:
    """Return the cluster's factories with what there is to ask of the closed day, most pressing first.

    Args:
        report: columns of LIVENESS.
        cluster: names of members.
        factories: which factories.
        day: the closed day.
        zones: zone by factory.
    """
    told = report.drop("evidence").filter(pl.col("day") == day)
    owners = {f.factory: next(m for m in cluster.members if m.member == f.member) for f in factories}
    ranked = [f for f in ranked_factories(told, day)["factory"] if f in owners]
    return tuple(
        _asked(owners[f].name_ko, owners[f].name_en, told.filter(pl.col("factory") == f), zones[f])
        for f in ranked
    )


def _asked(name_ko: str, name_en: str, rows: pl.DataFrame, zone: ZoneInfo) -> AskedFactory:
    whole = rows.filter(pl.col("source") == WHOLE_STREAM).sort("stream")
    streams = {
        stream: LiveStream(stream, None if last is None else last.astimezone(zone), share)
        for stream, last, share in whole.select("stream", "last_event", "share").iter_rows()
    }
    questions = tuple(
        StreamQuestion(reason, streams.get(stream, LiveStream(stream, None, None)))
        for stream, reason in _reasons(rows)
    )
    return AskedFactory(rows["factory"][0], name_ko, name_en, tuple(streams.values()), questions)


def _reasons(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Return stream and reason of everything that is asked, most pressing first, each once."""
    asked = rows.filter(pl.col("reasons").is_not_null()).sort(
        "score", "stream", "source", descending=[True, False, False]
    )
    pairs = (
        (stream, reason)
        for stream, reasons in asked.select("stream", "reasons").iter_rows()
        for reason in reasons.split(";")
    )
    return list(dict.fromkeys(pairs))


def own_questions(
    report: pl.DataFrame, factories: Iterable[str], zones: dict[str, ZoneInfo]
) -> tuple[OwnQuestion, ...]:
    """Return what there is to ask a member of its own factories, newest first; alike sources in one question.

    What lasts (silence, ghosts, missing shifts) is asked once, of the newest day.

    Args:
        report: columns of LIVENESS, of the days that are asked about.
        factories: the member's own.
        zones: zone by factory.
    """
    rows = report.filter(pl.col("factory").is_in(list(factories)) & pl.col("reasons").is_not_null())
    asked: dict[tuple[object, ...], list[str]] = {}
    lasting: set[tuple[str, ...]] = set()
    for row in rows.sort(
        "day", "factory", "stream", "source", descending=[True, False, False, False]
    ).iter_rows(named=True):
        evidence: dict[str, dict[str, Any]] = json.loads(row["evidence"])
        for reason in sorted(evidence):
            place = (row["factory"], row["stream"], row["source"], reason)
            if reason in _LASTING and place in lasting:
                continue
            lasting.add(place)
            sentence, arguments = _worded(reason, evidence[reason], row["day"], zones[row["factory"]])
            key = (row["factory"], row["day"], row["stream"], sentence, arguments)
            asked.setdefault(key, []).append(row["source"])
    return tuple(_question(key, sources) for key, sources in asked.items())


def _question(key: tuple[Any, ...], sources: list[str]) -> OwnQuestion:
    factory, day, stream, sentence, arguments = key
    named = [s for s in sources if s != WHOLE_STREAM]
    place = (("stream", Term(f"stream.{stream}")), ("source", ", ".join(named)))
    whole = "" if named else ".all"
    return OwnQuestion(factory, day, f"liveness.own{whole}.{sentence}", (*place, *arguments))


def _worded(
    reason: str, evidence: dict[str, Any], day: date, zone: ZoneInfo
) -> tuple[str, tuple[tuple[str, object], ...]]:
    """Return the sentence of a reason and what it says of the evidence."""
    told = [(name, evidence[name]) for name in _TOLD.get(reason, ()) if evidence.get(name) is not None]
    variants = {
        SILENT: SILENT if told else "never",
        FLAT_LINE: "flat_zero" if evidence.get("zero") else FLAT_LINE,
        GHOST: "ghost_running" if told else GHOST,
    }
    arguments = ((name, _argument(name, value, zone)) for name, value in told)
    return variants.get(reason, reason), (("day", day), *arguments)


def _argument(name: str, value: object, zone: ZoneInfo) -> object:
    if name in _INSTANTS:
        return datetime.fromisoformat(str(value)).astimezone(zone)
    return date.fromisoformat(str(value)) if name == "of" else value
