"""From the cells of a meter's export to readings in UTC: stamps, numbers, order.

Belongs here: what a stamp or a number of a file means, and every reason to refuse one. Does not belong here:
opening files (pipelines.connectors.tabular), the mapping's YAML (pipelines.schemas.mapping), sending
(pipelines.jobs.importing).
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NoReturn
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.domain.outcomes import ExitCode, OperatorError

ISO = "iso"
_ISO_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
_OFFSET = r"\s*(Z|[+-]\d{2}:?\d{2})$"
_EARLIEST_STAMP = datetime(1970, 1, 1)  # noqa: DTZ001 - compared with wall stamps, which have no zone
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class StampRule:
    """What the stamps of a file mean.

    Args:
        format: ``iso`` or a strptime format.
        zone: IANA zone of stamps that carry no offset.
        stamp: whether a stamp is the ``start`` or ``end`` of its interval, or an ``instant``.
        ends_its_date: whether 00:00 carries the date of the day that it ends.
        order: order of the rows in time: ``ascending``, ``descending`` or ``any``.
        length_s: length of each interval [s]; null for instants.
    """

    format: str
    zone: str
    stamp: str
    ends_its_date: bool
    order: str
    length_s: int | None


@dataclass(frozen=True)
class NumberRule:
    """How a file writes its numbers, and what each is multiplied with.

    Args:
        multiplier: value = number x multiplier.
        decimal: decimal mark.
        thousands: mark between groups of three digits; null: none.
        missing: texts that mean "no value", beside the empty cell.
    """

    multiplier: float
    decimal: str
    thousands: str | None
    missing: frozenset[str]


@dataclass(frozen=True)
class CellNames:
    """What errors call the cells: file and column names as the person sees them."""

    file: str
    time: str
    value: str


@dataclass(frozen=True)
class Readings:
    """The readings of one meter.

    Args:
        frame: ``row`` (number in the file), ``at`` [us, UTC], ``value`` [the mapping's unit x multiplier];
            ascending in ``at``, no nulls.
        rule: how ``at`` relates to what was measured.
        empty_cells: stamps without a value: no reading, never a zero.
        missing_intervals: intervals between the first and the last reading that have none; 0 for instants.
    """

    frame: pl.DataFrame
    rule: StampRule
    empty_cells: int
    missing_intervals: int

    @property
    def first_start(self) -> datetime:
        """Start of the first interval, or the first instant (UTC)."""
        at: datetime = self.frame["at"][0]
        return at - _length(self.rule) if self.rule.stamp == "end" else at

    @property
    def last_end(self) -> datetime:
        """End of the last interval, or the last instant (UTC)."""
        at: datetime = self.frame["at"][-1]
        return at + _length(self.rule) if self.rule.stamp == "start" else at

    def first_day(self, zone: str) -> date:
        """Return the local date on which the first reading begins."""
        return self.first_start.astimezone(ZoneInfo(zone)).date()


def unusable(english: str, korean: str) -> OperatorError:
    """Return the error of an input that a person can mend."""
    return OperatorError(english, korean, ExitCode.UNUSABLE_INPUT)


def parse_readings(cells: pl.DataFrame, stamps: StampRule, numbers: NumberRule, names: CellNames) -> Readings:
    """Turn the two columns of a meter's export into readings.

    Args:
        cells: ``row`` (1-based number in the file), ``stamp``, ``value``: texts as in the file, null where
            empty; in the order of the file.
        stamps: what the stamps mean.
        numbers: how numbers are written.
        names: names for errors.

    Returns:
        The readings. A stamp with an empty value is no reading. An hour that the clock shows twice is
        resolved by the order of the rows: what comes first is the first pass.

    Raises:
        OperatorError: the first cell that can't be read, a stamp without an instant, rows out of order,
            stamped twice or overlapping; with its row and column.
    """
    filled = cells.with_columns(pl.col("stamp", "value").str.strip_chars().replace("", None))
    filled = filled.filter(pl.col("stamp").is_not_null() | pl.col("value").is_not_null())
    valued = filled.with_columns(number=_numbers(filled, numbers, names))
    walls = _walls(valued, stamps, names)
    placed = _instants(walls, stamps, names)
    ordered = placed.sort("at", maintain_order=True) if stamps.order == "any" else placed
    _check_spacing(ordered, stamps, names)
    frame = ordered.filter(pl.col("number").is_not_null()).select(
        "row", "at", value=pl.col("number") * numbers.multiplier
    )
    if frame.is_empty():
        raise unusable(
            f"{names.file}: no reading in column {names.value}; check the mapping's columns and header_row",
            f"{names.file}: {names.value} 열에 측정값이 없습니다. 매핑의 열 이름과 header_row를 확인하세요",
        )
    return Readings(frame, stamps, ordered["number"].null_count(), _missing_intervals(frame, stamps))


def _length(rule: StampRule) -> timedelta:
    return timedelta(seconds=rule.length_s or 0)


def _refuse(names: CellNames, column: str, row: int, english: str, korean: str) -> NoReturn:
    raise unusable(
        f"{names.file}, row {row}, column {column}: {english}",
        f"{names.file} {row}행 {column} 열: {korean}",
    )


def _shown(text: str | None) -> str:
    return repr((text or "")[:_SHOWN_CHARACTERS])


def _number_pattern(rule: NumberRule) -> str:
    whole = r"\d+"
    if rule.thousands is not None:
        whole = rf"(?:\d{{1,3}}(?:{re.escape(rule.thousands)}\d{{3}})+|\d+)"
    mark = re.escape(rule.decimal)
    return rf"^[+-]?(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?$"


def _numbers(cells: pl.DataFrame, rule: NumberRule, names: CellNames) -> pl.Series:
    text = pl.when(~pl.col("value").is_in(list(rule.missing))).then(pl.col("value"))
    plain = text.str.replace_all(rule.thousands, "", literal=True) if rule.thousands else text
    plain = plain.str.replace(rule.decimal, ".", literal=True)
    parsed = cells.select(
        "row",
        text=text,
        number=pl.when(text.str.contains(_number_pattern(rule))).then(plain).cast(pl.Float64, strict=False),
    )
    bad = parsed.filter(pl.col("text").is_not_null() & ~pl.col("number").is_finite().fill_null(value=False))
    if not bad.is_empty():
        row, shown = bad["row"][0], _shown(bad["text"][0])
        _refuse(
            names,
            names.value,
            row,
            f"{shown} is no number; mend or empty the cell, or set the mapping's decimal, thousands, missing",
            f"{shown}은(는) 숫자가 아닙니다. 고치거나 비우거나 매핑의 decimal, thousands, missing을 정하세요",
        )
    return parsed["number"]


def _hour_24(time_format: str) -> str:
    """Return the pattern of a stamp whose hour is 24 and whose minutes and seconds are zero."""
    before, _, after = time_format.partition("%H")
    zeros = {"%M": "0{1,2}", "%S": "0{1,2}", "%.f": r"(?:\.0*)?"}
    lengths = {"%Y": r"\d{4}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%y": r"\d{2}"}

    def pattern(part: str) -> str:
        tokens = re.split(r"(%\.f|%[A-Za-z])", part)
        return "".join(
            zeros.get(t, lengths.get(t, r"\S+")) if t.startswith("%") else re.escape(t) for t in tokens
        )

    return f"^({pattern(before)})24({pattern(after)})$"


def _wall(text: pl.Expr, time_format: str) -> pl.Expr:
    """Return the wall time of stamps without offset; 24:00 is the midnight that ends its date."""
    is_24 = text.str.contains(_hour_24(time_format)) if "%H" in time_format else pl.lit(False)
    plain = pl.when(is_24).then(text.str.replace(_hour_24(time_format), "${1}00${2}")).otherwise(text)
    whole_hours = "%H" in time_format and "%M" not in time_format
    if whole_hours:  # the parser wants minutes with its hours
        plain, time_format = plain + " 00", f"{time_format} %M"
    parsed = plain.str.to_datetime(time_format, strict=False, time_unit="us")
    return pl.when(is_24).then(parsed.dt.offset_by("1d")).otherwise(parsed)


def _is_24(text: pl.Expr, time_formats: tuple[str, ...]) -> pl.Expr:
    hours = [text.str.contains(_hour_24(f)) for f in time_formats if "%H" in f]
    return pl.any_horizontal(*hours, pl.lit(False))


def _walls(cells: pl.DataFrame, rule: StampRule, names: CellNames) -> pl.DataFrame:
    """Add ``wall`` (local time) and ``offset_s`` (null where the stamp carries none)."""
    iso = rule.format == ISO
    carries_offset = iso or rule.format.endswith("%z")
    formats = _ISO_FORMATS if iso else (rule.format.removesuffix("%z").rstrip(),)
    offset = pl.col("stamp").str.extract(_OFFSET) if carries_offset else pl.lit(None, pl.String)
    text = pl.col("stamp").str.replace(_OFFSET, "") if carries_offset else pl.col("stamp")
    text = text.str.replace("T", " ", literal=True) if iso else text
    wall = pl.coalesce(_wall(text, f) for f in formats)
    ends = pl.lit(rule.ends_its_date) & (wall.dt.time() == pl.time(0)) & ~_is_24(text, formats)
    walls = cells.with_columns(
        wall=pl.when(ends).then(wall.dt.offset_by("1d")).otherwise(wall), offset_s=_offset_seconds(offset)
    )
    _check_walls(walls, rule, names)
    return walls


def _offset_seconds(offset: pl.Expr) -> pl.Expr:
    hours, minutes = offset.str.slice(1, 2).cast(pl.Int64), offset.str.slice(-2).cast(pl.Int64, strict=False)
    size = hours * 3600 + minutes * 60
    signed = pl.when(offset.str.starts_with("-")).then(-size).otherwise(size)
    return pl.when(offset == "Z").then(pl.lit(0, pl.Int64)).otherwise(signed)


def _check_walls(walls: pl.DataFrame, rule: StampRule, names: CellNames) -> None:
    unread = pl.col("wall").is_null() | (pl.col("wall") < _EARLIEST_STAMP)
    if rule.format.endswith("%z"):
        unread = unread | pl.col("offset_s").is_null()
    bad = walls.filter(unread)
    if not bad.is_empty():
        shown = _shown(bad["stamp"][0])
        _refuse(
            names,
            names.time,
            bad["row"][0],
            f"{shown} is no time of the form {rule.format}; correct it or the mapping's time.format",
            f"{shown}은(는) {rule.format} 형식의 시각이 아닙니다. 값이나 매핑의 time.format을 고치세요",
        )
    both = walls.filter(pl.col("offset_s").is_not_null()) if rule.ends_its_date else walls.clear()
    if not both.is_empty():
        _refuse(
            names,
            names.time,
            both["row"][0],
            "the stamp carries an offset, so midnight: ends_its_date can't apply; remove it from the mapping",
            "시각에 UTC 차이가 적혀 있어 midnight: ends_its_date를 쓸 수 없습니다. 매핑에서 지우세요",
        )


def _instants(walls: pl.DataFrame, rule: StampRule, names: CellNames) -> pl.DataFrame:
    """Add ``at`` [us, UTC], ascending as far as the file's order says so."""
    given = (pl.col("wall") - pl.duration(seconds=pl.col("offset_s"))).dt.replace_time_zone("UTC")

    def local(ambiguous: str) -> pl.Expr:
        zoned = pl.col("wall").dt.replace_time_zone(
            rule.zone,
            ambiguous=ambiguous,  # type: ignore[arg-type]  # polars names a Literal
            non_existent="null",
        )
        return pl.coalesce(given, zoned.dt.convert_time_zone("UTC"))

    placed = walls.with_columns(earliest=local("earliest"), latest=local("latest"))
    _check_existence(placed, rule, names)
    placed = placed.filter(pl.col("earliest").is_not_null())
    if rule.order == "descending":
        placed = placed.reverse()
    ambiguous = placed.filter(pl.col("earliest") != pl.col("latest"))
    if ambiguous.is_empty():
        return placed.with_columns(at="earliest")
    if rule.order == "any":
        _refuse_ambiguous(ambiguous, rule, names)
    return placed.with_columns(at=_by_file_order(placed))


def _check_existence(placed: pl.DataFrame, rule: StampRule, names: CellNames) -> None:
    """Refuse a value in the hour that the clock skips; exports that leave it empty are right."""
    bad = placed.filter(pl.col("earliest").is_null() & pl.col("number").is_not_null())
    if not bad.is_empty():
        shown = _shown(bad["stamp"][0])
        _refuse(
            names,
            names.time,
            bad["row"][0],
            f"{shown} does not exist in {rule.zone}, whose clock skips it; if the file keeps one time all "
            "year, set time.zone to that (such as Etc/GMT-1) and factory.zone to the factory's",
            f"{shown}은(는) {rule.zone}에 없는 시각입니다(서머타임). 파일이 일 년 내내 같은 시각을 쓰면 "
            "time.zone을 그 시각대(예: Etc/GMT-1)로, factory.zone을 공장의 시각대로 정하세요",
        )


def _refuse_ambiguous(ambiguous: pl.DataFrame, rule: StampRule, names: CellNames) -> NoReturn:
    shown = _shown(ambiguous["stamp"][0])
    _refuse(
        names,
        names.time,
        ambiguous["row"][0],
        f"{shown} occurs twice in {rule.zone}, and rows in any order can't tell which; sort the file and set "
        "time.order: ascending",
        f"{shown}은(는) {rule.zone}에 두 번 있는데 행 순서로 가릴 수 없습니다. 파일을 정렬하고 "
        "time.order: ascending으로 정하세요",
    )


def _by_file_order(placed: pl.DataFrame) -> pl.Series:
    """Resolve stamps of the hour that occurs twice: the first pass until the rows would go back in time."""
    earliest, latest = (placed[name].dt.timestamp("us").to_list() for name in ("earliest", "latest"))
    chosen: list[int] = []
    previous = -1
    for first, second in zip(earliest, latest, strict=True):
        previous = second if first <= previous else first
        chosen.append(previous)
    return pl.Series("at", chosen).cast(pl.Datetime("us", "UTC"))


def _check_spacing(ordered: pl.DataFrame, rule: StampRule, names: CellNames) -> None:
    step = pl.col("at").diff()
    bad = (
        ordered.with_columns(step=step, before=pl.col("row").shift(1))
        .filter(pl.col("step") < max(_length(rule), timedelta(microseconds=1)))
        .head(1)
    )
    if bad.is_empty():
        return
    row, before, shown = bad["row"][0], bad["before"][0], _shown(bad["stamp"][0])
    gap: timedelta = bad["step"][0]
    if gap == timedelta(0):
        english, korean = (
            f"{shown} is stamped twice, also in row {before}; keep one of them",
            f"{shown}이(가) {before}행에도 있습니다. 하나만 남기세요",
        )
    elif gap < timedelta(0):
        english, korean = (
            f"{shown} is before row {before}; check the mapping's time.format, time.midnight and time.order",
            f"{shown}: {before}행보다 앞섭니다. 매핑의 time.format, time.midnight, time.order를 확인하세요",
        )
    else:
        seconds = f"{gap.total_seconds():g}"
        english, korean = (
            f"{shown} is {seconds} s after row {before}, less than an interval; check time.interval_minutes",
            f"{shown}: {before}행에서 {seconds}초 뒤로 구간보다 짧습니다. time.interval_minutes를 확인하세요",
        )
    _refuse(names, names.time, row, english, korean)


def _missing_intervals(frame: pl.DataFrame, rule: StampRule) -> int:
    if rule.length_s is None:
        return 0
    span: timedelta = frame["at"][-1] - frame["at"][0]
    return round(span.total_seconds() / rule.length_s) + 1 - frame.height
