"""One typed settings object, read from the environment (prefix DC_) and an optional .env file.

Belongs here: every value that a deployment may change. Does not belong here: what differs by cluster
(infra/clusters/*.yaml) or by factory (its profile).
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a deployment says of itself; every field is the variable DC_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="DC_", env_file=".env", extra="ignore")

    store: str = Field("build/store", description="Folder or object-store URI of the tables.")
    clusters: Path = Field(Path("infra/clusters"), description="Folder of the cluster definitions.")
    templates: Path | None = Field(
        None, description="Folder or file of trade templates that replace or join the packaged ones."
    )
    factors: Path | None = Field(
        None, description="CSV of emission factors that replace or join the packaged ones every night."
    )
    source: Literal["kafka", "archive"] = Field("kafka", description="Where records are read from.")
    archive: str = Field("build/archive", description="Folder or URI of the archive of topic files.")
    site: Path = Field(Path("build/site"), description="Folder of the published pages.")
    broker: Path = Field(Path("build/broker"), description="Folder of the local demo broker.")

    ledger_key_file: Path | None = Field(
        None, description="Key of the release ledger (mode 600); no night runs without it (docs/ledger.md)."
    )

    kafka_bootstrap_servers: str | None = Field(None, description="host:port, comma-separated.")
    kafka_security_protocol: str = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    kafka_sasl_mechanism: str | None = Field(
        None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; unset: no SASL."
    )
    kafka_sasl_username: str | None = Field(None, description="User of SASL.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Its password; never shown.")
    kafka_ssl_ca: Path | None = Field(None, description="CA certificates in PEM; the system's if unset.")
    kafka_timeout_s: float = Field(30.0, gt=0, description="Longest wait for an answer of the broker.")

    schema_registry_url: str | None = Field(None, description="Confluent-compatible registry.")
    schema_registry_user: str | None = Field(None, description="User of the registry; unset: none.")
    schema_registry_password: SecretStr | None = Field(None, description="Its password; never shown.")
    schema_registry_folder: Path | None = Field(
        None, description="Local registry folder used without a URL; default: the committed history of avro/."
    )

    max_message_bytes: int = Field(1_048_576, gt=0, description="A larger record is a dead letter.")
    future_tolerance_s: int = Field(600, ge=0, description="How far an event may lie after its record.")
    slice_bytes: int = Field(32 * 1024 * 1024, gt=0, description="About how much one slice reads.")
    workers: int | None = Field(None, gt=0, description="Threads of the in-process runner; default: cores.")
    cutoff_h: float = Field(24.0, ge=0, description="A day is final this long after its end.")
    max_gap_s: int = Field(7200, gt=0, description="Longest gap that is bridged by interpolation.")
    max_state_s: int | None = Field(
        None,
        gt=0,
        description="Longest that a machine's state holds without news; unset: to its next change.",
    )
    max_silence_s: int = Field(
        43_200,
        ge=0,
        le=86_400,
        description="States hold this long while all of a factory's machines are silent; 0: for ever.",
    )
    max_days: int = Field(400, gt=0, description="Most days that one night computes, oldest first.")
    lease_s: float = Field(120.0, gt=0, description="A lease not renewed for this long is free.")
    vacuum_retention_h: float = Field(168.0, gt=0, description="Orphaned files are kept this long.")
    buckets: int = Field(1, gt=0, description="Buckets of factories of a new store; fixed at its creation.")
