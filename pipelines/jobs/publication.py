"""Publication: what the tables hold becomes the site.

Belongs here: reading what the pages show. Does not belong here: the pages (pipelines.publish).

The site is rendered whole from the tables every night, and a file that is right already is left alone; so a
night that died while it wrote pages is completed by the next, whatever that one finds to do.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from pipelines.domain.factory_energy import factory_hours
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.baseline import latest_baselines
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles, unnested
from pipelines.publish.build import build_content
from pipelines.publish.content import HISTORY_DAYS, SiteInputs
from pipelines.publish.figures import latest_releases
from pipelines.publish.member_benchmarks import shown_periods
from pipelines.publish.site import SiteReport, write_site
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import (
    BASELINES,
    DEAD_LETTERS,
    EMISSIONS,
    FACTS_ENERGY,
    FACTS_MACHINE,
    GAPS,
    KPIS,
    LIVENESS,
    RELEASES,
    SOURCE_DAYS,
    Table,
)

_LOOK_BACK_DAYS = 31


def publish_site(night: Night, folder: Path) -> SiteReport:
    """Write the site of the last closed day.

    Raises:
        OperatorError: the store or the folder can't be used.
    """
    day = night.last_closed_day(night.cluster.zone)
    first = day - timedelta(days=HISTORY_DAYS - 1)
    profiles = read_profiles(night).latest()
    releases = night.store.open(RELEASES).scan().collect()
    energy = _days(night, FACTS_ENERGY, first, day)
    inputs = SiteInputs(
        cluster=night.cluster,
        releases=releases,
        kpis=_shown_kpis(night, first, day, shown_periods(latest_releases(releases), day)),
        baselines=latest_baselines(night.store.open(BASELINES)),
        facts_energy=energy,
        facts_machine=_days(night, FACTS_MACHINE, first, day),
        emissions=_days(night, EMISSIONS, first, day),
        profiles=profiles,
        liveness=liveness(night, day, energy.filter(pl.col("day") == day), unnested(profiles, "meters")),
        dead_letters=dead_letter_counts(night, first),
        gaps=night.store.open(GAPS).scan().collect(),
        report=_days(night, LIVENESS, first, day),
        day=day,
        nominal=night.nominal,
    )
    content = build_content(inputs)
    try:
        return write_site(content, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> OperatorError:
    reason = error.strerror or str(error)
    return OperatorError(
        f"The pages can't be written to {folder} ({reason}): check DC_SITE, its permissions and free space.",
        f"{folder}에 페이지를 쓸 수 없습니다 ({reason}). DC_SITE 설정, 권한, 남은 용량을 확인하세요.",
        ExitCode.STORE,
    )


def _days(night: Night, table: Table, first: date, last: date) -> pl.DataFrame:
    rows = night.store.open(table).scan().filter(pl.col("day").is_between(first, last)).collect()
    return rows.sort("day", *table.key)


def _shown_kpis(night: Night, first: date, day: date, released: frozenset[tuple[str, date]]) -> pl.DataFrame:
    """Read the figures of the shown days, of the closed day's month, and of the newest 12 months.

    Of the periods that released figures are about (period, first day) the factories' are read too.
    """
    month = day.replace(day=1)
    period = pl.col("period")
    starts = sorted({start for _, start in released})
    pairs = [{"period": name, "day": start} for name, start in sorted(released)]
    beside = (pl.col("level") == "factory") & pl.struct("period", "day").is_in(pairs)
    rows = night.store.open(KPIS).scan().filter(
        ((period == "day") & pl.col("day").is_between(first, day))
        | ((period == "month") & (pl.col("day") == month))
        # Twelve whole months began a year before this month, or one more while the last isn't computed.
        | ((period == "rolling12") & pl.col("day").is_between(month - timedelta(days=400), month))
        | (pl.col("day").is_in(starts) & beside)
    )  # fmt: skip
    return rows.collect().sort("day", *KPIS.key)


def liveness(night: Night, day: date, energy: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Return how lively each factory's streams are.

    Returns:
        factory, stream, last_event [us, UTC; null: none in the last month], messages (distinct events of
        `day`), coverage (of the main meters on `day`, for stream energy; else null).
    """
    hours = factory_hours(energy, meters).filter(pl.col("allocation") == "hour")
    covered = hours.group_by("factory").agg(pl.col("coverage").mean()).with_columns(stream=pl.lit("energy"))
    streams = pl.DataFrame({"stream": [s for s in STREAMS if s != "profile"]})
    places = pl.DataFrame({"factory": sorted(f.factory for f in night.cluster.factories)}).join(
        streams, how="cross"
    )
    return (
        places.join(_events(night, day), on=["factory", "stream"], how="left")
        .join(covered, on=["factory", "stream"], how="left")
        .with_columns(pl.col("messages").fill_null(0))
        .sort("factory", "stream")
    )


def _events(night: Night, day: date) -> pl.DataFrame:
    first = day - timedelta(days=_LOOK_BACK_DAYS)
    return (
        night.store.open(SOURCE_DAYS)
        .scan()
        .filter(pl.col("day").is_between(first, day))
        .group_by("factory", "stream")
        .agg(
            pl.col("last_event").max(),
            messages=pl.col("events").filter(pl.col("day") == day).sum().cast(pl.Int64),
        )
        .collect()
    )


def dead_letter_counts(night: Night, first: date) -> pl.DataFrame:
    """Return topic, reason, count of the dead letters sent since the first shown day (UTC).

    A message that was delivered twice is two dead letters in the table and counts once.
    """
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    letters = night.store.open(DEAD_LETTERS).scan().filter(pl.col("record_timestamp") >= since)
    return (
        letters.unique(["topic", "reason", "key", "value"])
        .group_by("topic", "reason")
        .agg(count=pl.len().cast(pl.Int64))
        .sort("topic", "reason")
        .collect()
    )
