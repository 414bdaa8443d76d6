"""Profiles as jobs use them: which one holds for a factory and day, and what it says as frames.

Belongs here: from raw profile rows to the frames that the domain takes. Does not belong here: reading the
stream (pipelines.jobs.ingest).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from pipelines.connectors.objects import canonical_json
from pipelines.jobs.night import Night
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import PROVENANCE, RAW

_NOT_THE_FACTORYS = {"day", "bucket", *(f.name for f in PROVENANCE)}
# Fields that the contract gained later: a profile that does not say them keeps the version its facts name.
_GAINED_LATER = frozenset({"template"})


@dataclass(frozen=True)
class Profiles:
    """Every profile of a cluster, deduplicated.

    Args:
        rows: the contract's columns plus `profile_version` (digest of the content) and `valid_to` [us, UTC]
            (when the factory's next profile begins; null: still valid), sorted by factory and valid_from.
    """

    rows: pl.DataFrame

    @property
    def factories(self) -> list[str]:
        """Ids of all factories with a profile, sorted."""
        return self.rows["factory"].unique().sort().to_list()

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
    return Profiles(rows)


def profile_version(content: Mapping[str, object]) -> str:
    """Return the digest of what a profile says, the same whether or not its contract knew later fields."""
    said = {k: v for k, v in content.items() if k not in _GAINED_LATER or v is not None}
    return hashlib.sha256(canonical_json(_plain(said))).hexdigest()[:16]


def _plain(value: object) -> dict[str, object]:
    plain = _jsonable(value)
    if not isinstance(plain, dict):
        raise TypeError("a profile is a record")
    return plain


def _jsonable(value: object) -> object:
    if isinstance(value, dict):
        return {k: _jsonable(v) for k, v in value.items()}
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
