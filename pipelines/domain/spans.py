"""Amounts over spans of time, brought into hours: the arithmetic that meters and counters share.

Belongs here: which part of an amount falls into which hour. Does not belong here: where a span comes from
(pipelines.domain.meters, pipelines.domain.production).

Everything is an array operation whose cost grows with hours x log(spans) plus one pass over the spans. The
sum of an hour runs in one fixed order over the spans of that hour alone, so its last bit depends neither on
what else is computed with it nor on the number of threads.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Number = TypeVar("Number", np.float64, np.int64, np.int8)


@dataclass(frozen=True)
class Timeline:
    """Half-open spans of owners, sorted by owner and start; spans of one owner never overlap.

    Args:
        owner: index of whose time it is, from 0.
        start: first instant [us since 1970].
        end: first instant after it [us since 1970]; greater than start.
    """

    owner: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True)
class Overlaps:
    """Which spans lie in which hours.

    Args:
        first: per hour, the first span that lies wholly within it.
        last: per hour, the one after the last such span; equal to first if there is none.
        part_hour: hours of the parts, ascending: a part is a piece of a span that crosses an hour's bound.
        part_span: the span of each part.
        part_start: where the part begins [us].
        part_end: where it ends [us].
    """

    first: Ints
    last: Ints
    part_hour: Ints
    part_span: Ints
    part_start: Ints
    part_end: Ints


def _keys(owner: Ints, instant: Ints, base: int, width: int) -> Ints:
    return owner * (width + 1) + np.clip(instant - base + 1, 0, width)


def overlaps(spans: Timeline, hours: Timeline) -> Overlaps:
    """Find the spans within each hour and the pieces of those that cross its bounds.

    Args:
        spans: what is to be distributed.
        hours: the hours of the same owners.

    Returns:
        At most two parts per hour: one reaching in over its start, one reaching out over its end.

    Raises:
        ValueError: owners x time do not fit into 63 bits: pass fewer windows at once.
    """
    base = int(hours.start.min()) if hours.start.size else 0
    width = (int(hours.end.max()) - base + 2) if hours.end.size else 2
    owners = 1 + max(int(spans.owner.max(initial=0)), int(hours.owner.max(initial=0)))
    if owners * (width + 1) >= 2**63:
        raise ValueError(f"{owners} meters over {width} us are too many at once: pass fewer windows")
    starts = _keys(spans.owner, spans.start, base, width)
    ends = _keys(spans.owner, spans.end, base, width)
    first = np.searchsorted(starts, _keys(hours.owner, hours.start, base, width), side="left")
    last = np.searchsorted(ends, _keys(hours.owner, hours.end, base, width), side="right")
    reaching_in = _parts(spans, hours, first - 1)
    # A span that covers the whole hour and more is the one before and the one after: it counts once.
    reaching_out = _parts(spans, hours, np.where(last >= first, last, -1))
    hour = np.concatenate([reaching_in[0], reaching_out[0]])
    span = np.concatenate([reaching_in[1], reaching_out[1]])
    order = np.lexsort((span, hour))
    hour, span = hour[order], span[order]
    return Overlaps(
        first=first,
        last=np.maximum(first, last),
        part_hour=hour,
        part_span=span,
        part_start=np.maximum(spans.start[span], hours.start[hour]),
        part_end=np.minimum(spans.end[span], hours.end[hour]),
    )


def _parts(spans: Timeline, hours: Timeline, candidate: Ints) -> tuple[Ints, Ints]:
    hour = np.flatnonzero((candidate >= 0) & (candidate < spans.owner.size))
    span = candidate[hour]
    meets = (
        (spans.owner[span] == hours.owner[hour])
        & (spans.start[span] < hours.end[hour])
        & (spans.end[span] > hours.start[hour])
    )
    return hour[meets], span[meets]


def summed(values: Floats, found: Overlaps, parts: Floats) -> Floats:
    """Sum the values of whole spans in the order of time, then those of parts, per hour.

    Args:
        values: one per span.
        found: what `overlaps` returned.
        parts: one per part.

    Returns:
        One sum per hour; 0 where there is nothing (ask `counted` whether there is).
    """
    total = _reduced(np.add, values, found)
    np.add.at(total, found.part_hour, parts)
    return total


def counted(values: Ints, found: Overlaps) -> Ints:
    """Sum whole numbers of whole spans per hour; parts don't count."""
    return _reduced(np.add, values, found)


def worst(codes: Codes, found: Overlaps, parts: Codes) -> Codes:
    """Return the greatest code of whole spans and parts per hour; -1 where there is nothing."""
    greatest = _reduced(np.maximum, codes, found)
    greatest[found.first == found.last] = -1
    np.maximum.at(greatest, found.part_hour, parts)
    return greatest


def _reduced(operation: np.ufunc, values: npt.NDArray[Number], found: Overlaps) -> npt.NDArray[Number]:
    padded = np.append(values, np.zeros(1, values.dtype))
    bounds = np.column_stack([found.first, found.last]).ravel()
    reduced = operation.reduceat(padded, bounds)[::2] if bounds.size else padded[:0]
    return np.where(found.first == found.last, np.zeros(1, values.dtype), reduced)
