"""The schema registries: a folder of .avsc files with stable ids, or a Confluent-compatible server.

Belongs here: asking for and registering schemas. Does not belong here: what a schema means
(pipelines.schemas); which registry a deployment uses (pipelines.settings).
"""

import fcntl
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.registry import Registry, RegistryUnavailable

__all__ = ["ConfluentRegistry", "LocalRegistry", "Registry", "RegistryUnavailable", "open_registry"]

_FILE = re.compile(r"^(?P<id>\d{4,})\.(?P<contract>[a-z0-9_]+)\.v(?P<version>\d+)\.avsc$")
_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA = 40401, 40402, 40403
# Texts by (registry, id): an id never changes its schema, so what was told once holds for the process.
_KNOWN: dict[tuple[Registry, int], str] = {}


@dataclass(frozen=True)
class _Entry:
    """One file of a local registry."""

    schema_id: int
    contract: str
    version: int
    path: Path


def _full_name(schema: str) -> str:
    """Return the Avro full name of a record's JSON text."""
    record = json.loads(schema)
    name: str = record["name"]
    return name if "." in name or not record.get("namespace") else f"{record['namespace']}.{name}"


@dataclass(frozen=True)
class LocalRegistry:
    """A folder of files `<id>.<contract>.v<version>.avsc`: ids are stable because the files are committed.

    Args:
        folder: the registry's folder; avro/history is the committed one.
    """

    folder: Path

    def text(self, schema_id: int) -> str | None:
        """Return the schema of an id; null: no file has it."""
        known = _KNOWN.get((self, schema_id))
        if known is None:
            found = [e for e in self._entries() if e.schema_id == schema_id]
            if not found:
                return None
            known = _KNOWN[self, schema_id] = self._read(found[0])
        return known

    def latest(self, subject: str) -> str | None:
        """Return the newest version of a subject; null: no file is of this subject."""
        versions = self._versions(subject)
        return self._read(versions[-1]) if versions else None

    def register(self, subject: str, schema: str) -> int:
        """Return the schema's id; a schema that is new under the subject becomes the next file.

        Raises:
            OperatorError: the folder can't be written.
        """
        wanted = json.loads(schema)
        with self._locked():
            versions = self._versions(subject)
            for entry in versions:
                if json.loads(self._read(entry)) == wanted:
                    return entry.schema_id
            entry = self._next(subject, versions)
            self._create(entry.path, schema)
        return entry.schema_id

    def _next(self, subject: str, versions: list[_Entry]) -> _Entry:
        schema_id = max((e.schema_id for e in self._entries()), default=0) + 1
        version = versions[-1].version + 1 if versions else 1
        contract = versions[-1].contract if versions else _contract_name(subject)
        name = f"{schema_id:04d}.{contract}.v{version}.avsc"
        return _Entry(schema_id, contract, version, self.folder / name)

    def _entries(self) -> list[_Entry]:
        """List the folder's files, lowest id first."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError as error:
            raise RegistryUnavailable(str(self.folder), error.strerror or str(error)) from error
        matches = [m for m in map(_FILE.match, names) if m]
        entries = [
            _Entry(int(m["id"]), m["contract"], int(m["version"]), self.folder / m.string) for m in matches
        ]
        return sorted(entries, key=lambda e: e.schema_id)

    def _versions(self, subject: str) -> list[_Entry]:
        """List the files of a subject, oldest version first."""
        of_subject = [e for e in self._entries() if _full_name(self._read(e)) == subject]
        return sorted(of_subject, key=lambda e: e.version)

    def _read(self, entry: _Entry) -> str:
        try:
            return entry.path.read_text(encoding="utf-8")
        except OSError as error:
            raise RegistryUnavailable(str(entry.path), error.strerror or str(error)) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time choose the next id; the lock ends with its holder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            raise _not_writable(self.folder, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _create(self, path: Path, schema: str) -> None:
        """Make a file whole or not at all: a reader never sees half a schema, nothing is overwritten."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            unfinished.write_text(schema.rstrip() + "\n", encoding="utf-8")
            try:
                os.link(unfinished, path)
            finally:
                unfinished.unlink()
        except OSError as error:
            raise _not_writable(self.folder, error) from error


def _contract_name(subject: str) -> str:
    """Name the files of a new subject: kr.digitalcluster.EnergyReadings becomes energy_readings."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", subject.rpartition(".")[2]).lower()


def _not_writable(folder: Path, error: OSError) -> OperatorError:
    cause = error.strerror or str(error)
    return OperatorError(
        f"schema registry folder {folder} can't be written ({cause}): point DC_SCHEMA_REGISTRY_FOLDER "
        "to a folder that can be",
        f"스키마 레지스트리 폴더 {folder}에 쓸 수 없습니다({cause}): "
        "DC_SCHEMA_REGISTRY_FOLDER를 쓸 수 있는 폴더로 지정하세요",
        ExitCode.SETTINGS,
    )


@dataclass(frozen=True)
class ConfluentRegistry:
    """A server that speaks the Confluent schema registry's interface.

    Args:
        url: its base URL.
        user: user of basic authentication; null: none.
        password: its password; never shown.
        timeout_s: longest wait for one answer.
        retries: further attempts after a failed one.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0
    retries: int = 2

    def text(self, schema_id: int) -> str | None:
        """Return the schema of an id; null: the server says that there is none."""
        known = _KNOWN.get((self, schema_id))
        if known is not None:
            return known
        try:
            schema = _client(self).get_schema(schema_id).schema_str
        except SchemaRegistryError as error:
            if error.error_code == _NO_SCHEMA:
                return None
            raise self._unavailable(error) from error
        except Exception as error:  # the client lets the errors of whatever HTTP library it uses through
            raise self._unavailable(error) from error
        if schema is None:
            raise RegistryUnavailable(_shown(self.url), "its answer holds no schema")
        _KNOWN[self, schema_id] = schema
        return schema

    def latest(self, subject: str) -> str | None:
        """Return the newest schema of a subject; null: the server knows no such subject."""
        try:
            schema = _client(self).get_latest_version(subject).schema.schema_str
        except SchemaRegistryError as error:
            if error.error_code in (_NO_SUBJECT, _NO_VERSION):
                return None
            raise self._unavailable(error) from error
        except Exception as error:  # see text()
            raise self._unavailable(error) from error
        if schema is None:
            raise RegistryUnavailable(_shown(self.url), "its answer holds no schema")
        return schema

    def register(self, subject: str, schema: str) -> int:
        """Return the schema's id, registering it if it is new.

        Raises:
            OperatorError: the server refuses it (not compatible, not valid).
        """
        try:
            return int(_client(self).register_schema(subject, Schema(schema, "AVRO")))
        except SchemaRegistryError as error:
            if error.http_status_code in (409, 422):
                raise _refused(_shown(self.url), subject, error) from error
            raise self._unavailable(error) from error
        except Exception as error:  # see text()
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> RegistryUnavailable:
        if isinstance(error, SchemaRegistryError):
            return RegistryUnavailable(_shown(self.url), f"HTTP status {error.http_status_code}")
        return RegistryUnavailable(_shown(self.url), type(error).__name__)


def _shown(url: str) -> str:
    """Return a URL without the credentials that it may carry."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _refused(url: str, subject: str, error: SchemaRegistryError) -> OperatorError:
    status = error.http_status_code
    return OperatorError(
        f"schema registry {url} refuses the schema of {subject} (HTTP status {status}): "
        "make it compatible with the registered versions",
        f"스키마 레지스트리 {url}가 {subject}의 스키마를 거부했습니다(HTTP {status}): "
        "등록된 버전과 호환되게 고치세요",
        ExitCode.SETTINGS,
    )


@cache
def _client(registry: ConfluentRegistry) -> SchemaRegistryClient:
    """Open one client per server and process; it is never pickled."""
    configuration: dict[str, object] = {
        "url": registry.url,
        "timeout": registry.timeout_s,
        "max.retries": registry.retries,
        "retries.wait.ms": 100,
        "retries.max.wait.ms": 2000,
    }
    if registry.user is not None:
        configuration["basic.auth.user.info"] = f"{registry.user}:{registry.password or ''}"
    return SchemaRegistryClient(configuration)


def open_registry(
    url: str | None, folder: Path, user: str | None = None, password: str | None = None
) -> Registry:
    """Choose the registry: the server if a URL is configured, else the folder.

    Raises:
        OperatorError: the URL is no http(s) URL.
    """
    if url is None:
        return LocalRegistry(folder)
    if not url.startswith(("http://", "https://")):
        raise OperatorError(
            "DC_SCHEMA_REGISTRY_URL is no http:// or https:// URL: write it in full",
            "DC_SCHEMA_REGISTRY_URL이 http:// 또는 https:// 주소가 아닙니다: 전체 주소를 적으세요",
            ExitCode.SETTINGS,
        )
    return ConfluentRegistry(url, user, password)
