"""The verification pack of a factory's statement: read from the tables, written as a folder, all or nothing.

Belongs here: which rows a pack needs, refusing what is missing, writing the folder. Does not belong here:
tracing (pipelines.jobs.statement_trace), sampling (pipelines.domain.sampling), what files look like
(pipelines.publish.verification_pack).
"""

import shutil
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.domain.calibration import with_calibration
from pipelines.domain.carbon.entries import METER
from pipelines.domain.carbon.used_factors import ids_of, without_source
from pipelines.domain.onramp import unusable
from pipelines.domain.sampling import readings_of_hours, sampled_hours, with_devices
from pipelines.domain.trace import StatementName, StatementTrace
from pipelines.jobs.exporting import refuse_missing
from pipelines.jobs.inventory import statement_of
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import Profiles, unnested
from pipelines.jobs.statement_trace import TracedStatement, trace_statement
from pipelines.jobs.trace import altered_file
from pipelines.publish.private_files import write_private
from pipelines.publish.trace_listing import statement_json
from pipelines.publish.verification_pack import UNVERIFIED, Pack, pack_files, slices
from pipelines.schemas.tables import EMISSION_STATEMENTS, RAW, RESTATEMENTS, ROW_IDENTITY

_SOURCE = ["topic", "incarnation", "partition", "schema_id", "offset", "raw_file", "sha256"]
_METER = ["factory", "meter", "carrier"]
_READING = (
    "factory", "meter", "hour_start", "device", "kind", "at", "value", "unit", "multiplier", "stamp",
    "length_s", "sequence", "record_timestamp", "topic", "partition", "offset", "index", "schema_id",
)  # fmt: skip
_FOLDER_MODE = 0o700
VERIFICATION: Final = "verification"


def write_pack(night: Night, factory: str, period: str, out: Path, seed: int, per_meter: int) -> Path:
    """Write the verification pack of a factory's newest statement of a month or year; returns its folder.

    Args:
        night: for its store.
        factory: whose statement.
        period: `2025-11` or `2025`.
        out: folder in which the pack's folder is made.
        seed: of the sample: the same seed gives the same bytes.
        per_meter: sampled hours of each meter.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory or period, or a folder that can't be written;
            MANDATORY_MISSING (MissingFieldsError): something that a verifier needs is missing; INCONSISTENT:
            a file of the store is not what was committed. Nothing is written.
    """
    traced = _traced(night, factory, period)
    trace = traced.trace
    if trace.damaged:
        row = trace.files.filter(path=trace.damaged[0]).row(0, named=True)
        raise altered_file(row["table"], row["path"])
    refuse_missing(_missing(traced), VERIFICATION, f"{factory}, {period}")
    files = pack_files(_pack(night, traced, seed, per_meter))
    folder = out / f"verification-{factory}-{period}"
    _write_folder(folder, files)
    return folder


def _traced(night: Night, factory: str, period: str) -> TracedStatement:
    one = statement_of(night, factory, period)
    stored = night.store.open(EMISSION_STATEMENTS).scan().filter(pl.col("statement_id") == one.statement_id)
    if stored.head(1).collect().is_empty():
        refuse_missing(
            [("a statement of the period", "해당 기간의 명세")], VERIFICATION, f"{factory}, {period}"
        )
    return trace_statement(night, StatementName(one.statement_id, one.statement_id, None))


def _missing(traced: TracedStatement) -> list[tuple[str, str]]:
    """List what a verifier needs and the tables lack."""
    trace = traced.trace
    factory = trace.head["subject"]
    names = traced.measured.profiles.latest().filter(factory=factory)["name"]
    found = [] if names.item() else [("name of the organisation (profile)", "조직 이름 (프로필)")]
    used = {name for ids in trace.lines["factor_id"] for name in ids_of(ids)}
    found += [
        (f"source of factor {name}", f"배출계수 {name}의 출처")
        for name in without_source(trace.factors, used)
    ]
    silent = trace.lines.filter(pl.col("co2e_kg").is_null(), pl.col("reason").is_null())["activity_id"]
    found += [(f"why {one} has no emissions", f"{one}의 배출량이 없는 까닭") for one in silent]
    lost = trace.activities.filter(source=METER).height and trace.readings.is_empty()
    return [*found, ("readings of the meters", "계량기 검침값")] if lost else found


def _pack(night: Night, traced: TracedStatement, seed: int, per_meter: int) -> Pack:
    trace, head = traced.trace, traced.trace.head
    hours = trace.hours.sort(*_METER, "start")
    meters = _meters(traced.measured.profiles, trace)
    sample = sampled_hours(hours, seed, per_meter)
    tables = {
        "statement": trace.sums.with_columns(verification=pl.lit(UNVERIFIED)),
        "versions": _every_version(night, trace),
        "restatements": _chain(night, trace),
        "activities": trace.activities,
        "meters": meters,
        "lines": trace.lines,
        "factors": trace.factors,
        "hours": hours,
        "coverage": _coverage(hours),
        "estimates": _estimates(hours),
        "traces": _traces(night, trace),
        "records": trace.records,
        "sample_hours": sample,
        "sample_readings": _sample_readings(night, traced, meters, sample),
    }
    settings = {
        "format": VERIFICATION,
        "verification": UNVERIFIED,
        "statement_id": head["statement_id"],
        "version": head["version"],
        "provisional": head["provisional"],
        "boundary": head["boundary"],
        "known_at": head["known_at"],
        "seed": seed,
        "sample_per_meter": per_meter,
        "max_gap_s": traced.measured.derivation.max_gap_s,
        "versions": trace.versions,
        "remarks": list(trace.remarks),
    }
    return Pack(tables, settings, statement_json(trace, None), head["known_at"])


def _every_version(night: Night, trace: StatementTrace) -> pl.DataFrame:
    rows = night.store.open(EMISSION_STATEMENTS).scan()
    own = rows.filter(pl.col("statement_id") == trace.name.statement_id).collect()
    return own.select(EMISSION_STATEMENTS.schema.names).sort(EMISSION_STATEMENTS.key)


def _chain(night: Night, trace: StatementTrace) -> pl.DataFrame:
    rows = night.store.open(RESTATEMENTS).scan()
    own = rows.filter(pl.col("statement_id") == trace.name.statement_id).collect()
    return own.select(RESTATEMENTS.schema.names).sort(RESTATEMENTS.key)


def _meters(profiles: Profiles, trace: StatementTrace) -> pl.DataFrame:
    """Return the meters with the days of their hours and their calibration."""
    days = trace.hours.group_by("factory", "meter").agg(
        first_day=pl.col("day").min(), last_day=pl.col("day").max()
    )
    rows = trace.meters.join(days, on=["factory", "meter"], how="left").with_columns(
        activity_id=pl.format("meter-{}", "carrier")
    )
    told = with_calibration(rows, unnested(profiles.rows, "meters"))
    return told.sort("factory", "meter", "profile_version", "valid_from", nulls_last=False)


def _coverage(hours: pl.DataFrame) -> pl.DataFrame:
    """Return, of each meter and month, how much of its hours was measured."""
    month = pl.col("day").dt.month_start().alias("month")
    spread = pl.col("allocation") == "hour"
    kinds = ("measured", "interpolated", "estimated", "suspect")
    return hours.group_by(*_METER, month).agg(
        hours=spread.sum(),
        coverage=pl.col("coverage").filter(spread).fill_null(0.0).mean(),
        **{f"{kind}_hours": (spread & (pl.col("quality") == kind)).sum() for kind in kinds},
        unknown_hours=(spread & pl.col("quality").is_null()).sum(),
        unallocated_spans=(~spread).sum(),
        quantity=pl.col("quantity").sum(),
        unit=pl.col("unit").first(),
    ).sort(*_METER, "month")  # fmt: skip


def _estimates(hours: pl.DataFrame) -> pl.DataFrame:
    """Return the hours and spans that were not wholly measured."""
    measured = (pl.col("quality") == "measured") & (pl.col("coverage") == 1.0)
    return hours.filter(~measured.fill_null(value=False))


def _traces(night: Night, trace: StatementTrace) -> pl.DataFrame:
    """Return one row for each figure (sum, line, activity) and slice of a source that it rests on."""
    sources = pl.concat([_of_meters(night, trace), _of_records(night, trace)])
    place = ["factory", "month", "activity_id"]
    activities = trace.activities.select(*place, figure=pl.format("{}/{}/{}", *place))
    lines = trace.lines.select(
        *place,
        figure=pl.format("{}/{}/{}/{}", *place, "method"),
        scope="scope",
        method="method",
        gwp_set="gwp_set",
    )
    name = f"{trace.name.statement_id}@{trace.head['version']}"
    sums = [
        _of_sum(lines, scope, method, gwp_set).with_columns(
            figure=pl.lit(f"{name}/{scope}/{method}/{gwp_set}")
        )
        for scope, method, gwp_set in trace.sums.select("scope", "method", "gwp_set").iter_rows()
    ]
    kinds = {"sum": pl.concat(sums), "line": lines.select(*place, "figure"), "activity": activities}
    rows = pl.concat([
        figures.select(*place, "figure").with_columns(figure_kind=pl.lit(kind)).unique()
        for kind, figures in kinds.items()
    ]).join(sources, on=place, how="left")  # fmt: skip
    return slices(rows, ["figure_kind", "figure"])


def _of_sum(lines: pl.DataFrame, scope: str, method: str, gwp_set: str) -> pl.DataFrame:
    """Return the activities that a sum looks at: those of its scope, method and GWP set, as far as known."""
    scopes = {"1": ["1"], "2": ["2"]}.get(scope, ["1", "2", "-"])
    own = lines.filter(pl.col("scope").is_in(scopes), pl.col("method").is_in(["-", method]))
    of_set = own.filter((pl.col("gwp_set") == gwp_set) | pl.col("gwp_set").is_null())
    return (own if of_set.is_empty() else of_set).select("factory", "month", "activity_id")


def _of_meters(night: Night, trace: StatementTrace) -> pl.DataFrame:
    """Return the readings of each metered activity: of its month, and from beside it what its hours need."""
    carriers = trace.meters.select(*_METER).unique()
    metered = trace.activities.filter(source=METER).select("factory", "month", "activity_id")
    day = pl.col("day")
    near = (day >= pl.col("month").dt.offset_by("-1d")) & (day <= pl.col("month").dt.offset_by("1mo"))
    older = (pl.col("month") == pl.col("month").min().over("factory", "activity_id")) & (
        day < pl.col("month")
    )
    named = carriers.select("factory", "meter", activity_id=pl.format("meter-{}", "carrier"))
    rows = (
        trace.readings.unique(ROW_IDENTITY)
        .join(named, on=["factory", "meter"])
        .join(metered, on=["factory", "activity_id"])
        .filter(near | older)
    )
    return _with_files(night, "energy", rows, trace)


def _of_records(night: Night, trace: StatementTrace) -> pl.DataFrame:
    months = trace.activities.select("factory", "month", "activity_id")
    rows = trace.records.join(months, on=["factory", "activity_id"])
    return _with_files(night, "activities", rows, trace)


def _with_files(night: Night, stream: str, rows: pl.DataFrame, trace: StatementTrace) -> pl.DataFrame:
    """Add the raw file that each row lies in, and its SHA-256."""
    table = night.store.open(RAW[stream])
    wanted = ["factory", "month", "activity_id", *_SOURCE]
    identity = pl.Schema({name: rows.schema[name] for name in ROW_IDENTITY})
    parts = [pl.DataFrame(schema={**identity, "raw_file": pl.String, "sha256": pl.String})]
    own = trace.files.filter(table=table.table.name)
    for path, sha256 in own.select("path", "sha256").iter_rows():
        known = table.read_files([path], list(ROW_IDENTITY)).cast(identity)
        parts.append(
            known.with_columns(
                raw_file=pl.lit(f"{table.table.name}/{path}"), sha256=pl.lit(sha256, pl.String)
            )
        )
    return rows.join(pl.concat(parts), on=ROW_IDENTITY, how="left").select(wanted)


def _sample_readings(
    night: Night, traced: TracedStatement, meters: pl.DataFrame, sample: pl.DataFrame
) -> pl.DataFrame:
    """Return the readings of sampled hours, each with its device and its multiplier to the canonical unit."""
    readings = traced.trace.readings.unique(ROW_IDENTITY).sort(ROW_IDENTITY)
    carriers = meters.select("factory", "meter", of_profile="carrier").unique()
    multipliers = night.unit_multipliers.rename({"carrier": "of_profile"})
    found = readings_of_hours(with_devices(readings, meters), sample).join(carriers, on=["factory", "meter"])
    scaled = found.join(multipliers, on=["of_profile", "kind", "unit"], how="left")
    within = ["factory", "meter", "hour_start", "kind", "at", "device", "sequence", "record_timestamp"]
    return scaled.sort([*within, *ROW_IDENTITY]).select(_READING)


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files into a folder beside, and put it in the place of the folder: all or nothing."""
    foreign = sorted({p.name for p in folder.iterdir()} - set(files)) if folder.is_dir() else []
    if foreign:
        raise unusable(
            f"{folder} holds {foreign[0]}, which is of no pack: name another --out",
            f"{folder}에 다른 파일 {foreign[0]}이(가) 있습니다. 다른 --out을 지정하세요",
        )
    building, retired = (folder.with_name(f".{folder.name}.{end}") for end in ("partial", "old"))
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True, mode=_FOLDER_MODE)
        for name, content in files.items():
            write_private(building / name, content)
        shutil.rmtree(retired, ignore_errors=True)
        if folder.exists():
            folder.rename(retired)
        building.rename(folder)
        shutil.rmtree(retired, ignore_errors=True)
    except OSError as error:
        raise unusable(f"--out {folder} can't be written", f"--out {folder} 폴더를 쓸 수 없습니다") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
