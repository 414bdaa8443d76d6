"""What a figure of energy or carbon rests on, and whether the same bytes give it again.

Belongs here: reading a figure's id, which readings a day needs, offsets as ranges, the first difference of
two tables bit by bit. Does not belong here: reading tables (pipelines.jobs.trace), reading offsets again
(pipelines.jobs.replaying), how a trace looks (pipelines.publish.trace_listing).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl
import polars.selectors as cs

from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import ExitCode, OperatorError

TRACED = ("energy_kwh", "co2e_kg")
_LEDGER_PARTS, _STATEMENT_PARTS, _FACTORY_PARTS = 6, 5, 3
_LEVELS = ("factory", "member", "cluster")
_AGAIN = ":again"
DAMAGED = ("altered", "missing")
"""States of a file that is not what was committed."""


@dataclass(frozen=True)
class FigureName:
    """Which figure is asked for.

    Args:
        text: the id as it was given.
        kpi: energy_kwh or co2e_kg.
        day: first local date of its period.
        cluster: of a figure of the ledger; null: it is a factory's own.
        factory: of a factory's own figure; null: it is one of the ledger.
    """

    text: str
    kpi: str
    day: date
    cluster: str | None = None
    factory: str | None = None


def figure_name(text: str) -> FigureName:
    """Read the id of a figure that can be traced.

    Args:
        text: `<cluster>/<breakdown>/<group>/<period>/<start>/<kpi>@<version>`, as the release ledger has it,
            or `<factory>/<day>/<kpi>`.

    Raises:
        OperatorError: UNUSABLE_INPUT: it is neither, no date, or of another KPI.
    """
    parts = text.split("/")
    if len(parts) == _LEDGER_PARTS and "@" in parts[-1]:
        kpi = parts[-1].partition("@")[0]
        start = parts[4]
    elif len(parts) == _FACTORY_PARTS:
        kpi, start = parts[2], parts[1]
    else:
        raise _no_figure(text)
    try:
        day = date.fromisoformat(start)
    except ValueError as error:
        raise _no_figure(text) from error
    if kpi not in TRACED:
        raise unusable(
            f"{text}: only totals in {' and '.join(TRACED)}, of scopes by month, and statements are traced",
            f"{text}: {', '.join(TRACED)} 합계, 월별 스코프 합계, 명세만 추적할 수 있습니다",
        )
    if len(parts) == _FACTORY_PARTS:
        return FigureName(text, kpi, day, factory=parts[0])
    return FigureName(text, kpi, day, cluster=parts[0])


@dataclass(frozen=True)
class StatementName:
    """Which statement of the carbon ledger is asked for.

    Args:
        text: the id as it was given.
        statement_id: its id.
        version: null: the newest.
    """

    text: str
    statement_id: str
    version: int | None


def statement_name(text: str) -> StatementName | None:
    """Read `<cluster>/<level>/<subject>/<period>/<first date>[@<version>]`; null: it is no statement's id."""
    statement_id, at, version = text.partition("@")
    parts = statement_id.split("/")
    if len(parts) != _STATEMENT_PARTS or parts[1] not in _LEVELS or (at and not version.isdecimal()):
        return None
    return StatementName(text, statement_id, int(version) if at else None)


@dataclass(frozen=True)
class ScopeName:
    """Which released total of a scope is asked for.

    Args:
        text: its id in the release ledger.
        cluster: id of the cluster.
        month: first local date.
    """

    text: str
    cluster: str
    month: date


def scope_name(text: str, kpis: Collection[str]) -> ScopeName | None:
    """Read `<cluster>/<breakdown>/<group>/month/<first date>/<kpi>@<version>`; null: no total of a scope.

    Args:
        text: an id.
        kpis: the totals that the carbon ledger tells by month.
    """
    parts = text.split("/")
    if len(parts) != _LEDGER_PARTS or parts[3] != "month":
        return None
    if parts[5].partition("@")[0] not in kpis:
        return None
    try:
        return ScopeName(text, parts[0], date.fromisoformat(parts[4]))
    except ValueError as error:
        raise _no_figure(text) from error


def _no_figure(text: str) -> OperatorError:
    return unusable(
        f"{text!r} is no figure: write <factory>/<YYYY-MM-DD>/co2e_kg, or the id of a total in the ledger,"
        " such as changwon-demo/cluster/*/day/2025-11-04/co2e_kg@1",
        f"{text!r}은(는) 수치 ID가 아닙니다. <공장>/<YYYY-MM-DD>/co2e_kg 또는 원장의 합계 ID"
        "(changwon-demo/cluster/*/day/2025-11-04/co2e_kg@1 등)를 쓰세요",
    )


def needed_readings(readings: pl.DataFrame, windows: pl.DataFrame, max_gap_s: int) -> pl.DataFrame:
    """Return the readings from which the energy of some windows follows, as hourly_energy asks for them.

    Args:
        readings: rows of raw_energy of meters that count, with what lies before and after the windows.
        windows: ``factory, start, end`` [us, UTC].
        max_gap_s: longest difference that is bridged [s].

    Returns:
        Those in the windows of their factory and within `max_gap_s` beside them (between two windows too),
        and of each meter its last registers before that (several, if they are of one instant).
    """
    margin = pl.duration(seconds=max_gap_s)
    spans = windows.group_by("factory").agg(
        lower=pl.col("start").min() - margin, upper=pl.col("end").max() + margin
    )
    placed = readings.join(spans, on="factory")
    near = placed.filter(pl.col("at").is_between(pl.col("lower"), pl.col("upper")))
    before = placed.filter(pl.col("kind") == "register", pl.col("at") < pl.col("lower"))
    last = before.filter(pl.col("at") == pl.col("at").max().over("factory", "meter"))
    return pl.concat([near, last]).select(readings.columns)


def offset_ranges(offsets: Iterable[int], bridged: int = 0) -> list[tuple[int, int]]:
    """Return offsets as ranges [first, end), ascending; gaps of up to `bridged` offsets are closed."""
    ranges: list[tuple[int, int]] = []
    for offset in sorted(set(offsets)):
        if ranges and offset <= ranges[-1][1] + bridged:
            ranges[-1] = (ranges[-1][0], offset + 1)
        else:
            ranges.append((offset, offset + 1))
    return ranges


def ranges_text(ranges: Sequence[tuple[int, int]]) -> str:
    """Write ranges as people do: `0-23,25`, both ends included."""
    return ",".join(str(a) if end - a == 1 else f"{a}-{end - 1}" for a, end in ranges)


@dataclass(frozen=True)
class Difference:
    """The first place at which what was computed again is not what is stored.

    Args:
        stage: the table (or `releases`: the published value).
        where: key of the row.
        column: name; null: the row is only on one side.
        stored: what is stored; null also where there is no row.
        again: what was computed again.
    """

    stage: str
    where: Mapping[str, object]
    column: str | None
    stored: object
    again: object


def first_difference(
    stage: str, stored: pl.DataFrame, again: pl.DataFrame, key: Sequence[str], values: Sequence[str]
) -> Difference | None:
    """Compare two tables bit by bit: -0.0 is not 0.0, and a NaN is itself.

    Args:
        stage: name of the table.
        stored: key and values; the key identifies a row.
        again: likewise.
        key: names of the key's columns.
        values: names of the compared columns.

    Returns:
        The first differing row by key, with its first differing column; null: the same bits.
    """
    there, columns = pl.lit(1, pl.Int8), [*key, *values]
    both = (
        stored.select(columns)
        .with_columns(there=there)
        .join(
            again.select(columns).with_columns(there=there),
            on=list(key),
            how="full",
            coalesce=True,
            nulls_equal=True,
            suffix=_AGAIN,
        )
        .sort(key, nulls_last=False)
    )
    # One pattern stands for every NaN.
    bits = both.with_columns(cs.float().fill_nan(float("nan")).reinterpret(dtype=pl.UInt64))
    compared = [*values, "there"]
    differs = bits.select(
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(name + _AGAIN)) for name in compared)
    ).to_series()
    if not differs.any():
        return None
    place = differs.arg_max()
    row, exact = both.row(place, named=True), bits.row(place, named=True)
    where = {name: row[name] for name in key}
    if row["there"] is None or row["there" + _AGAIN] is None:
        return Difference(stage, where, None, _row(row, values, ""), _row(row, values, _AGAIN))
    column = next(name for name in values if exact[name] != exact[name + _AGAIN])
    return Difference(stage, where, column, row[column], row[column + _AGAIN])


def _row(row: Mapping[str, Any], values: Sequence[str], suffix: str) -> dict[str, object] | None:
    return None if row["there" + suffix] is None else {name: row[name + suffix] for name in values}


@dataclass(frozen=True)
class Trace:
    """Everything that a figure rests on. Frames are sorted by their first columns.

    Args:
        name: the figure that was asked for.
        value: what was published of it, or, of a factory's own, what is stored; null: nothing is known.
        unit: of value.
        period: day, month or rolling12.
        end: first local date after the period.
        entry: its newest entry in the ledger; null: a factory's own figure is in no ledger.
        broken_at: first sequence at which the ledger's chain is broken; null: it is whole, or there is none.
        kpis: rows of the table kpis of the contributing factories: of the period, its days and its months.
        elements: rows of elements_daily of the factory-days.
        emissions: rows of the table emissions (of energy_kwh: none).
        hours: rows of facts_energy of the main electricity meters.
        meters: factory, profile_version, and what the profile says of these meters.
        factors: rows of the factor table that were used.
        readings: rows of raw_energy that took part, and ``stretch``: the stretches of days that need them.
        files: path, state, sha256 (as recorded at the commit), found, replay (app id of a replay's commit).
        letters: dead letters whose rows took part after a replay: topic, incarnation, partition, offset,
            reason, known_at.
        decisions: decisions on suspect values that concern the hours.
        versions: what it was computed by: name -> version.
        remarks: what a reader should know, one sentence each.
    """

    name: FigureName
    value: float | None
    unit: str
    period: str
    end: date
    entry: Mapping[str, object] | None
    broken_at: int | None
    kpis: pl.DataFrame
    elements: pl.DataFrame
    emissions: pl.DataFrame
    hours: pl.DataFrame
    meters: pl.DataFrame
    factors: pl.DataFrame
    readings: pl.DataFrame
    files: pl.DataFrame
    letters: pl.DataFrame
    decisions: pl.DataFrame
    versions: Mapping[str, object]
    remarks: Sequence[str] = field(default_factory=list)

    @property
    def is_confidential(self) -> bool:
        """Say whether it names what several members contributed: then it is for the hub alone."""
        return self.entry is not None

    @property
    def damaged(self) -> list[str]:
        """Paths of files that are not what was committed."""
        return self.files.filter(pl.col("state").is_in(DAMAGED))["path"].to_list()

    def ranges(self) -> list[dict[str, object]]:
        """Return what was read of each partition: offsets as ranges, messages, rows, ids of schemas."""
        return source_ranges(self.readings)


def source_ranges(rows: pl.DataFrame) -> list[dict[str, object]]:
    """Return what was read of each partition: offsets as ranges, messages, rows, ids of schemas.

    Args:
        rows: ``topic, incarnation, partition, offset, index, schema_id``; repeated ones count once.
    """
    by = ["topic", "incarnation", "partition"]
    found = rows.unique([*by, "offset", "index"]).group_by(by).agg(
        pl.col("offset"), rows=pl.len(), schema_ids=pl.col("schema_id").unique().sort()
    )  # fmt: skip
    return [
        {
            **{name: row[name] for name in by},
            "offsets": ranges_text(offset_ranges(row["offset"])),
            "messages": len(set(row["offset"])),
            "rows": row["rows"],
            "schema_ids": row["schema_ids"],
        }
        for row in found.sort(by).iter_rows(named=True)
    ]


@dataclass(frozen=True)
class StatementTrace:
    """Everything that a version of a statement rests on. Frames are sorted by their key.

    Args:
        name: what was asked for.
        sums: its rows of emission_statements.
        chain: its rows of restatements: why it differs from the version before.
        lines: rows of emission_lines within its boundary, as the version knew them.
        activities: rows of activities, likewise.
        hours: rows of facts_energy of the meters of those activities that lead to readings still.
        meters: factory, profile_version, and what the profile says of these meters.
        factors: rows of the factor tables that were used, as `used_factors` says.
        choices: rows of factor_choices of its months.
        readings: rows of raw_energy that took part, and ``stretch``.
        records: rows of raw_activities of the activities that factories told.
        files: table, path, state, sha256, found, replay.
        letters: dead letters whose rows took part after a replay.
        decisions: decisions on suspect values that concern the hours.
        versions: what it was computed by: name -> version.
        remarks: what a reader should know, one sentence each.
    """

    name: StatementName
    sums: pl.DataFrame
    chain: pl.DataFrame
    lines: pl.DataFrame
    activities: pl.DataFrame
    hours: pl.DataFrame
    meters: pl.DataFrame
    factors: pl.DataFrame
    choices: pl.DataFrame
    readings: pl.DataFrame
    records: pl.DataFrame
    files: pl.DataFrame
    letters: pl.DataFrame
    decisions: pl.DataFrame
    versions: Mapping[str, object]
    remarks: Sequence[str] = field(default_factory=list)
    broken_at: None = None

    @property
    def head(self) -> dict[str, Any]:
        """What all its sums have in common, with the first of them."""
        return self.sums.row(0, named=True)

    @property
    def is_confidential(self) -> bool:
        """Say whether it names what several members contributed: then it is for the hub alone."""
        return bool(self.head["level"] == "cluster")

    @property
    def damaged(self) -> list[str]:
        """Paths of files that are not what was committed."""
        return self.files.filter(pl.col("state").is_in(DAMAGED))["path"].to_list()

    def ranges(self) -> list[dict[str, object]]:
        """Return what was read of each partition, of readings and of records."""
        return source_ranges(self.readings) + source_ranges(self.records)


@dataclass(frozen=True)
class Replay:
    """What came of reading the same offsets again.

    Args:
        source: kafka or archive.
        compared: stage -> number of rows that were compared, in the order of the stages.
        difference: the first one; null: the same bits throughout, as far as could be compared.
        gone: partition and offsets that the source no longer has: topic, incarnation, partition, offsets.
        from_store: rows that were taken from the store's raw table because their offsets are gone.
    """

    source: str
    compared: Mapping[str, int]
    difference: Difference | None
    gone: Sequence[Mapping[str, object]] = ()
    from_store: int = 0

    @property
    def is_equal(self) -> bool:
        """Say whether the same bits came out; not known where offsets are gone and nothing stood in."""
        return self.difference is None and bool(self.compared)


def trace_ends(trace: Trace | StatementTrace, replay: Replay | None) -> ExitCode:
    """Return how a trace ends, worst first: changed files, ledger or bits; offsets that are gone."""
    if trace.damaged or trace.broken_at is not None or (replay is not None and replay.difference is not None):
        return ExitCode.INCONSISTENT
    if replay is not None and not replay.is_equal:
        return ExitCode.SOURCE
    return ExitCode.DONE
