"""Profiles as jobs use them: which one holds for a factory and day, and what it says as frames.

Belongs here: from raw profile rows to the frames that the domain takes. Does not belong here: reading the
stream (pipelines.jobs.ingest).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import polars as pl

from pipelines.connectors.objects import canonical_json
from pipelines.domain.calendar import day_window
from pipelines.jobs.night import Night
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import PROVENANCE, RAW

_NOT_THE_FACTORYS = {"day", "bucket", *(f.name for f in PROVENANCE)}
# Fields that the contract gained later, of a profile or of its meters: one that does not say them keeps the
# version its facts name.
_GAINED_LATER = frozenset({"template", "calibrated_on", "calibration_due", "calibration_certificate"})


@dataclass(frozen=True)
class ProfileOfDay:
    """Which profile a factory's day is computed by, and the day's span [start, end) in its zone."""

    profile_version: str
    zone: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Profiles:
    """Every profile of a cluster, deduplicated.

    Args:
        rows: the contract's columns plus `profile_version` (digest of the content) and `valid_to` [us, UTC]
            (when the factory's next profile begins; null: still valid), sorted by factory and valid_from.
        meters: profile version -> its meters, of every profile that was ever sent: facts may still name one
            that another of the same instant has replaced.
    """

    rows: pl.DataFrame
    meters: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def factories(self) -> list[str]:
        """Ids of all factories with a profile, sorted."""
        return self.rows["factory"].unique().sort().to_list()

    @cached_property
    def _newest_first(self) -> dict[str, list[dict[str, Any]]]:
        ordered = self.rows.sort("valid_from", descending=True)
        return {str(f): part.to_dicts() for (f,), part in ordered.group_by("factory", maintain_order=True)}

    def of_day(self, factory: str, day: date) -> "ProfileOfDay | None":
        """Return the profile that holds at the end of a factory's day; null: none does."""
        for profile in self._newest_first.get(factory, []):
            start, end = day_window(day, profile["zone"])
            if profile["valid_from"] < end:
                return ProfileOfDay(profile["profile_version"], profile["zone"], start, end)
        return None

    def latest(self) -> pl.DataFrame:
        """Return the newest profile of each factory."""
        return self.rows.filter(pl.col("valid_to").is_null())

    def valid_before(self, end: datetime) -> pl.DataFrame:
        """Return each factory's newest profile that began before `end` (the end of a day)."""
        begun = self.rows.filter(pl.col("valid_from") < end)
        return begun.filter(pl.col("valid_to").is_null() | (pl.col("valid_to") >= end))


def read_profiles(night: Night) -> Profiles:
    """Read the profiles of a cluster's store.

    Of two profiles of one factory and instant the higher sequence wins, then the later record, then the
    greater content.
    """
    raw = night.store.open(RAW["profile"]).scan().collect()
    content = raw.select(pl.exclude(_NOT_THE_FACTORYS))
    versions = [profile_version(row) for row in content.iter_rows(named=True)]
    rows = (
        raw.with_columns(pl.Series("profile_version", versions, dtype=pl.String))
        .sort("factory", "valid_from", "sequence", "record_timestamp", "profile_version")
        .unique(["factory", "valid_from"], keep="last", maintain_order=True)
        .with_columns(zone=pl.col("zone").fill_null(night.cluster.zone))
        .with_columns(valid_to=pl.col("valid_from").shift(-1).over("factory"))
        .select(*content.columns, "profile_version", "valid_to")
    )
    return Profiles(rows, dict(zip(versions, raw["meters"].to_list(), strict=True)))


def profile_version(content: Mapping[str, object]) -> str:
    """Return the digest of what a profile says, the same whether or not its contract knew later fields."""
    return hashlib.sha256(canonical_json(_plain(content))).hexdigest()[:16]


def _plain(value: object) -> dict[str, object]:
    plain = _jsonable(value)
    if not isinstance(plain, dict):
        raise TypeError("a profile is a record")
    return plain


def _jsonable(value: object) -> object:
    if isinstance(value, dict):
        return {k: _jsonable(v) for k, v in value.items() if k not in _GAINED_LATER or v is not None}
    if isinstance(value, list):
        return [_jsonable(v) for v in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value


def zones_of(night: Night) -> pl.DataFrame:
    """Return factory, valid_from, zone: the profile's zone, else the cluster's, for every factory."""
    profiles = read_profiles(night).rows.select("factory", "valid_from", "zone")
    default = pl.DataFrame(
        {
            "factory": sorted({*(f.factory for f in night.cluster.factories)} - {*profiles["factory"]}),
        },
        schema={"factory": pl.String},
    ).with_columns(
        valid_from=pl.datetime(1970, 1, 1, time_unit="us", time_zone="UTC"), zone=pl.lit(night.cluster.zone)
    )
    return pl.concat([profiles, default]).sort("factory", "valid_from")


def unnested(profiles: pl.DataFrame, field: str) -> pl.DataFrame:
    """Return one row per item of a profile's array field, with its factory."""
    return profiles.select("factory", field).filter(pl.col(field).list.len() > 0).explode(field).unnest(field)


RAW_PROFILE = STREAMS["profile"].table
