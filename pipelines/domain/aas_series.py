"""Matched time series of an AAS file -> readings, states and counts in UTC.

Belongs here: the scales of time (IDTA 02008), variables of records as series of our streams, whose they are.
Does not belong here: numbers, spacing and missing values of readings (pipelines.domain.onramp), messages
(jobs).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from pipelines.domain.aas import AasElement, AasNode, Matched, id_from, refuse
from pipelines.domain.onramp import ISO, CellNames, NumberRule, Readings, StampRule, parse_readings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = NumberRule(1.0, ".", None, frozenset())
_DURATION = re.compile(r"^P(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?$")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_UNITS_S = {"s": Decimal(1), "min": Decimal(60), "h": Decimal(3600), "ms": Decimal("0.001")}
_INTERVAL_KINDS = ("interval", "mean_power")
_COUNTED = ("total", "rejected", "rework", "inspected", "first_pass")
_NO_PARENT = "none"


@dataclass(frozen=True)
class MeterSeries:
    """Readings of one meter.

    Args:
        meter: its id.
        carrier: what it measures.
        kind: register, interval, power, mean_power.
        unit: unit of the values.
        readings: the values in UTC, and what their stamps mean.
        parent: the meter that contains it; null with `main`: a main meter.
        main: whether the file says that it is a main meter.
        machine: the machine that it measures; null: not said.
        path: where it stands in the file.
    """

    meter: str
    carrier: str
    kind: str
    unit: str
    readings: Readings
    path: str
    parent: str | None = None
    main: bool = False
    machine: str | None = None


@dataclass(frozen=True)
class FileEvents:
    """What the records of a file say.

    Args:
        meters: one series per meter.
        states: records of the states contract without factory and sequence, in the order of the file.
        counts: records of the counts contract likewise.
        empty: paths of variables without any value.
        missing_points: points of states and counts without a value: no event, never a zero.
    """

    meters: tuple[MeterSeries, ...]
    states: tuple[Mapping[str, Any], ...]
    counts: tuple[Mapping[str, Any], ...]
    empty: tuple[str, ...]
    missing_points: int


@dataclass
class _Variable:
    """One variable of one submodel, its points collected over all segments."""

    node: AasNode
    owner: str | None
    file: str
    path: str
    qualifiers: Mapping[str, str]
    submodel: str
    at: list[datetime] = field(default_factory=list)
    values: list[str | None] = field(default_factory=list)
    lengths_s: set[int | None] = field(default_factory=set)

    def refusal(self, english: str, korean: str) -> Exception:
        return refuse(self.file, self.path, english, korean)


def read_events(matched: Matched, file: str) -> FileEvents:
    """Turn the internal segments of every time series into readings, states and counts.

    A time without an offset is UTC; relative times begin at the segment's StartTime; durations build on each
    other and each record stands at the end of its own. A point without a value is missing.

    Args:
        matched: the file.
        file: its name, for errors.

    Raises:
        OperatorError: a time that is none, an interval of unknown or uneven length, readings out of order or
            twice, a variable of which it isn't said what it belongs to: with file and path.
    """
    variables = [v for node, owner in matched.nodes for v in _variables(node, owner, file)]
    valued = [v for v in variables if any(x is not None for x in v.values)]
    of = {s: [v for v in valued if v.node.row.stream == s] for s in ("energy", "states", "counts")}
    meters = [_meter_series(v) for v in of["energy"]]
    _check_distinct(meters, file)
    return FileEvents(
        meters=tuple(meters),
        states=tuple(e for v in of["states"] for e in _state_events(v)),
        counts=tuple(e for group in _count_groups(of["counts"]) for e in _count_events(group)),
        empty=tuple(v.path for v in variables if v not in valued),
        missing_points=sum(v.values.count(None) for v in (*of["states"], *of["counts"])),
    )


def seconds_of(text: str, unit: str | None = None) -> Decimal | None:
    """Return a length of time in seconds: an ISO 8601 duration, or a number with a unit of time (default s).

    Returns:
        Null: it is no length of time. Months and years have no fixed length, so they are none.
    """
    duration = _DURATION.match(text)
    if duration is not None and any(duration.groupdict().values()):
        return sum((Decimal(v) * _SECONDS[k] for k, v in duration.groupdict().items() if v), Decimal(0))
    scale = _UNITS_S.get(unit or "s")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number * scale if scale is not None and number.is_finite() else None


def _variables(root: AasNode, owner: str | None, file: str) -> list[_Variable]:
    found: dict[str, _Variable] = {}
    for segment in _descend(root, "segment"):
        settings = {c.row.field: c for c in segment.children if c.row.role == "setting"}
        length_s = _sampling_s(settings, file)
        for records in (c for c in segment.children if c.row.role == "records"):
            rows = [c for c in records.children if c.row.role == "record"]
            at, durations = _times(rows, settings.get("start_time"), records, file)
            for record, instant in zip(rows, at, strict=True):
                for value in (c for c in record.children if c.row.role == "value"):
                    _collect(found, value, (records.path, instant, length_s or durations), root, owner, file)
    return list(found.values())


def _descend(node: AasNode, role: str) -> Iterator[AasNode]:
    for child in node.children:
        if child.row.role == role:
            yield child
        else:
            yield from _descend(child, role)


def _collect(
    found: dict[str, _Variable],
    value: AasNode,
    point: tuple[str, datetime, int | None],
    root: AasNode,
    owner: str | None,
    file: str,
) -> None:
    name = value.element.id_short or value.path
    records_path, instant, length_s = point
    if name not in found:
        qualifiers = {**root.element.qualifiers, **value.element.qualifiers}
        path = f"{records_path}/*/{name}"
        found[name] = _Variable(value, owner, file, path, qualifiers, root.path)
    variable = found[name]
    variable.at.append(instant)
    variable.values.append(value.element.value or None)
    variable.lengths_s.add(length_s)


def _sampling_s(settings: Mapping[str | None, AasNode], file: str) -> int | None:
    """Return the length of a segment's intervals [s]; null: not said."""
    interval, rate = settings.get("sampling_interval"), settings.get("sampling_rate")
    said = interval if interval is not None and interval.element.value else rate
    if said is None or not said.element.value:
        return None
    unit = said.element.unit or said.element.qualifiers.get("Unit")
    seconds = seconds_of(said.element.value, unit if said is interval else None)
    if said is rate and seconds:
        seconds = 1 / seconds
    if seconds is None or seconds <= 0 or seconds != int(seconds):
        raise refuse(
            file,
            said.path,
            f"{said.element.value!r} gives no whole number of seconds between records",
            f"{said.element.value!r}: 레코드 간격이 초 단위 정수가 아닙니다",
        )
    return int(seconds)


def _times(
    records: Sequence[AasNode], start: AasNode | None, place: AasNode, file: str
) -> tuple[list[datetime], int | None]:
    """Return each record's instant, and the length [s] of durations that are all alike (else null)."""
    at: list[datetime] = []
    durations: set[Decimal] = set()
    reached: datetime | None = None
    for record in records:
        time = record.first("time")
        if time is None or not time.element.value:
            raise refuse(
                file,
                record.path,
                "has no Time of a scale that the mapping knows",
                "매핑이 아는 Time이 없습니다",
            )
        scale, text = time.row.kind, time.element.value
        if scale == "utc":
            at.append(_utc(text, time.path, file))
            continue
        seconds = seconds_of(text, time.element.unit or time.row.unit)
        if seconds is None:
            raise refuse(
                file, time.path, f"{text!r} is no number of seconds", f"{text!r}은(는) 초가 아닙니다"
            )
        origin = _EPOCH if scale == "unix" else _start(start, place, file)
        if scale == "relative_duration":
            durations.add(seconds)
            origin = reached or origin
        reached = origin + timedelta(microseconds=int(seconds * 1_000_000))
        at.append(reached)
    alike = next(iter(durations)) if len(durations) == 1 else None
    return at, int(alike) if alike is not None and alike == int(alike) else None


def _start(start: AasNode | None, place: AasNode, file: str) -> datetime:
    if start is None or not start.element.value:
        raise refuse(
            file,
            place.path,
            "its times are relative and the segment has no StartTime; add it",
            "상대 시각인데 세그먼트에 StartTime이 없습니다. 추가하세요",
        )
    return _utc(start.element.value, start.path, file)


def _utc(text: str, path: str, file: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        instant = None
    if instant is None:
        raise refuse(
            file,
            path,
            f"{text!r} is no ISO 8601 time, such as 2025-11-10T00:00:00Z",
            f"{text!r}은(는) ISO 8601 시각이 아닙니다(예: 2025-11-10T00:00:00Z)",
        )
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _meter_series(variable: _Variable) -> MeterSeries:
    row, said = variable.node.row, variable.qualifiers
    unit = said.get("Unit") or variable.node.element.unit or row.unit
    if unit is None or row.carrier is None or row.kind is None:
        raise variable.refusal(
            "its unit isn't said; add the qualifier Unit, or a unit to its row of the mapping",
            "단위가 없습니다. Unit 한정자나 매핑의 unit을 추가하세요",
        )
    parent = said.get("Parent")
    return MeterSeries(
        meter=_id(variable, said.get("Meter"), variable.node.element.id_short or ""),
        carrier=row.carrier,
        kind=row.kind,
        unit=unit,
        readings=_readings(variable, row.kind),
        path=variable.path,
        parent=None if parent in (None, _NO_PARENT) else parent,
        main=parent == _NO_PARENT,
        machine=said.get("Machine"),
    )


def _readings(variable: _Variable, kind: str) -> Readings:
    stamp, length_s = "instant", None
    if kind in _INTERVAL_KINDS:
        stamp, length_s = _interval_stamp(variable), _length_s(variable)
    points = {
        "row": range(1, len(variable.at) + 1),
        "stamp": [t.isoformat() for t in variable.at],
        "value": variable.values,
    }
    schema = pl.Schema({"row": pl.Int64, "stamp": pl.String, "value": pl.String})
    rule = StampRule(ISO, "UTC", stamp, ends_its_date=False, order="any", length_s=length_s)
    names = CellNames(f"{variable.file}, {variable.path}", "Time", "value")
    return parse_readings(pl.DataFrame(points, schema=schema), rule, _NUMBERS, names)


def _interval_stamp(variable: _Variable) -> str:
    stamp = variable.qualifiers.get("Stamp") or variable.node.row.stamp
    if stamp not in ("start", "end"):
        raise variable.refusal(
            f"the qualifier Stamp must be start or end, not {stamp!r}",
            f"Stamp 한정자는 start나 end여야 합니다({stamp!r})",
        )
    return stamp


def _length_s(variable: _Variable) -> int:
    if len(variable.lengths_s) != 1 or None in variable.lengths_s:
        raise variable.refusal(
            "its intervals have no one length; give every segment the same SamplingInterval [s]",
            "구간 길이를 알 수 없습니다. 모든 세그먼트에 같은 SamplingInterval(초)을 적으세요",
        )
    (length_s,) = variable.lengths_s
    return length_s or 0


def _id(variable: _Variable, said: str | None, name: str) -> str:
    """Return the id that a qualifier says, else the one that a name stands for."""
    found = said if said is not None else id_from(name)
    if not found or id_from(found) != found:
        raise variable.refusal(
            f"{found or name!r} is no id: use a-z, 0-9 and hyphens, at most 40",
            f"{found or name!r}: a-z, 0-9, 하이픈으로 40자까지 쓰세요",
        )
    return found


def _check_distinct(meters: Sequence[MeterSeries], file: str) -> None:
    seen: dict[str, MeterSeries] = {}
    for series in meters:
        other = seen.setdefault(series.meter, series)
        if other is not series:
            raise refuse(
                file,
                series.path,
                f"is the meter {series.meter} too, as {other.path}; tell them apart by the qualifier Meter",
                f"계량기 {series.meter}이(가) {other.path}와 겹칩니다. Meter 한정자로 구별하세요",
            )


def _machine(variable: _Variable) -> str:
    said = variable.qualifiers.get("Machine")
    if said is None and variable.owner is None:
        raise variable.refusal(
            "of which machine? Add the qualifier Machine, or put the submodel into the machine's shell",
            "어느 설비인지 알 수 없습니다. Machine 한정자를 쓰거나 설비의 셸에 서브모델을 넣으세요",
        )
    return _id(variable, said, variable.owner or "")


def _state_events(variable: _Variable) -> Iterator[dict[str, Any]]:
    machine = _machine(variable)
    for at, value in zip(variable.at, variable.values, strict=True):
        if value is not None:
            yield {"machine": machine, "at": at, "state": value}


def _count_groups(variables: Sequence[_Variable]) -> list[list[_Variable]]:
    groups: dict[tuple[str, str, str], list[_Variable]] = {}
    for variable in variables:
        key = (variable.submodel, _machine(variable), variable.qualifiers.get("Product", ""))
        groups.setdefault(key, []).append(variable)
    return list(groups.values())


def _count_events(group: Sequence[_Variable]) -> Iterator[dict[str, Any]]:
    """Give one record per instant that has a total and a reject count; others are missing points."""
    columns = {v.node.row.field or "": v for v in group}
    first = group[0]
    lacking = [name for name in ("total", "rejected") if name not in columns]
    if lacking:
        raise first.refusal(
            f"has no {lacking[0]} count beside it; export it too, for a missing count is not zero",
            f"{lacking[0]} 수량이 없습니다. 빠진 수량은 0이 아니므로 함께 내보내세요",
        )
    product = first.qualifiers.get("Product")
    points = {name: dict(zip(v.at, v.values, strict=True)) for name, v in columns.items()}
    for at in sorted(points["total"]):
        said = {n: _number(columns[n], points[n].get(at)) for n in _COUNTED if n in columns}
        if said["total"] is not None and said["rejected"] is not None:
            yield {"machine": _machine(first), "product": product, "at": at, **said}


def _number(variable: _Variable, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise variable.refusal(f"{text!r} is no count", f"{text!r}은(는) 수량이 아닙니다")
    return float(number)


def unit_of(element: AasElement, fallback: str | None) -> str | None:
    """Return the unit that an element declares, else the mapping's."""
    return element.qualifiers.get("Unit") or element.unit or fallback
