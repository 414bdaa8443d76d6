"""The cluster's store: Delta tables that are read from one snapshot and committed from that same snapshot.

Belongs here: opening, reading, committing with positions and the fence. Does not belong here: what the rows
mean (jobs) or their schema (pipelines.schemas.tables).

Why so strict: Delta does not check application transactions, so a commit from a fresh handle would happily
repeat a range. Every commit here goes through the handle from which the start position was read and fails
on any rival commit (`max_commit_retries=0`).
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import ArrayType, Schema, StructType
from deltalake.transaction import AddAction, CommitProperties, PostCommitHookProperties, Transaction

from pipelines.connectors.objects import (
    answering,
    is_uri,
    open_objects,
    paths_below,
    put_if_absent,
    store_error,
)
from pipelines.domain.methods import CODE_VERSION
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.tables import Table

LOG_RETENTION = {"delta.logRetentionDuration": "interval 400 days"}
DayBucket = tuple[date, int]
REPLAY = "replay:"
"""How the app ids of commits begin that a replay of dead letters made."""
_CODE = "code_version"


@dataclass(frozen=True)
class StoredFile:
    """A Parquet file that lies in a table's folder and waits for its commit.

    Args:
        path: below the table's folder.
        size: bytes.
        rows: number of rows.
        partition_values: as Delta writes them: name -> value.
        sha256: of its bytes, in hex.
        columns: name -> Arrow type, as the file has them.
    """

    path: str
    size: int
    rows: int
    partition_values: dict[str, str]
    sha256: str
    columns: dict[str, str]

    def add_action(self) -> AddAction:
        """Return the Delta action that makes the file visible."""
        return AddAction(
            path=self.path,
            size=self.size,
            partition_values=self.partition_values,
            modification_time=0,
            data_change=True,
            stats=json.dumps({"numRecords": self.rows}),
        )


def _file_state(recorded: str | None, found: str | None) -> str:
    if found is None:
        return "missing"
    if recorded is None:
        return "unrecorded"
    return "intact" if recorded == found else "altered"


def _lost_race(table: str) -> OperatorError:
    return OperatorError(
        f"Another run committed to {table} meanwhile: this run's result was thrown away, run it again.",
        f"그 사이 다른 실행이 {table}에 기록했습니다. 이번 결과는 버렸으니 다시 실행하세요.",
        ExitCode.LEASE_HELD,
    )


class OpenTable:
    """One table at the snapshot at which it was opened; its own commits move it on, nothing else does."""

    def __init__(self, store: "ClusterStore", table: Table, handle: DeltaTable) -> None:
        self.table = table
        self._store = store
        self._handle = handle

    @property
    def version(self) -> int:
        """Version of the snapshot."""
        return self._handle.version()

    def position(self, app_id: str) -> int | None:
        """Return the position that was committed under an application id; null: never."""
        return self._handle.transaction_version(app_id)

    def last_position(self, prefix: str) -> tuple[str, int] | None:
        """Return the newest application id that begins with a prefix, with its position, from the commits.

        Returns:
            Null if there is none, or the log no longer holds its commit.
        """
        for number in range(self.version, -1, -1):
            commit = self._store.read_commit(self.table.name, number)
            if commit is None:
                return None
            ids = [a["txn"]["appId"] for a in commit if "txn" in a and a["txn"]["appId"].startswith(prefix)]
            position = self.position(ids[-1]) if ids else None
            if position is not None:
                return ids[-1], position
        return None

    def scan(self) -> pl.LazyFrame:
        """Scan the snapshot lazily; filters on partition columns leave files unread."""
        return pl.scan_delta(self._handle)

    def read_days(self, pairs: Sequence[DayBucket]) -> pl.DataFrame:
        """Read the rows of some (day, bucket) partitions."""
        if not pairs:
            return self.empty()
        days = sorted({day for day, _ in pairs})
        wanted = pl.DataFrame(
            {"day": [d for d, _ in pairs], "bucket": [b for _, b in pairs]},
            schema={"day": pl.Date, "bucket": pl.Int32},
        )
        rows = self.scan().filter(pl.col("day").is_in(days)).collect()
        return rows.join(wanted, on=["day", "bucket"], how="semi")

    def empty(self) -> pl.DataFrame:
        """Return the snapshot's columns (it may be wider than its declaration) without a row."""
        return self.scan().head(0).collect()

    def partitions(self) -> set[DayBucket]:
        """Return the (day, bucket) partitions that hold files; bucket 0 of a table that has no buckets."""
        actions = pa.table(self._handle.get_add_actions(flatten=True))
        if actions.num_rows == 0:
            return set()
        days = actions["partition.day"].to_pylist()
        by_bucket = "bucket" in self.table.partition_by
        buckets = actions["partition.bucket"].to_pylist() if by_bucket else [0] * len(days)
        return set(zip(days, buckets, strict=True))

    def rows_by_partition(self) -> dict[DayBucket, int]:
        """Return the number of rows of each (day, bucket) of the snapshot."""
        counts: dict[DayBucket, int] = {}
        for row in pa.table(self._handle.get_add_actions(flatten=True)).to_pylist():
            key = (row["partition.day"], row["partition.bucket"])
            counts[key] = counts.get(key, 0) + row["num_records"]
        return counts

    def changes_since(self, version: int | None) -> list[dict[str, Any]] | None:
        """Return the add and remove actions with dataChange after `version`, as in the commits.

        Returns:
            The actions, oldest first, each with `kind` (add or remove), `path` and `partitionValues`; null if
            a commit is no longer in the log, so that everything must be computed anew.
        """
        actions: list[dict[str, Any]] = []
        for number in range(0 if version is None else version + 1, self.version + 1):
            commit = self._store.read_commit(self.table.name, number)
            if commit is None:
                return None
            for line in commit:
                actions.extend(
                    {"kind": kind, **line[kind]}
                    for kind in ("add", "remove")
                    if kind in line and line[kind].get("dataChange", True)
                )
        return actions

    def changed_partitions(self, version: int | None) -> set[DayBucket]:
        """Return the (day, bucket) pairs whose rows changed after `version`; all, if the log is gone."""
        actions = self.changes_since(version)
        if actions is None:
            return self.partitions()
        return {
            (date.fromisoformat(a["partitionValues"]["day"]), int(a["partitionValues"].get("bucket") or 0))
            for a in actions
        }

    def check_files(self, pairs: Sequence[DayBucket]) -> pl.DataFrame:
        """Compare the files of some (day, bucket) partitions with what was recorded when they were committed.

        Returns:
            path, state (`intact`, `altered`, `missing`, or `unrecorded`: its commit is no longer in the log,
            or recorded no digest), sha256 (as recorded), found (of its bytes now), replay (app id of the
            replay that committed it; null: an ingest did); sorted by path.
        """
        wanted, recorded = set(pairs), self._recorded_digests()
        rows = []
        for action in pa.table(self._handle.get_add_actions(flatten=True)).to_pylist():
            if (action["partition.day"], action["partition.bucket"]) in wanted:
                path = action["path"]
                sha256, replay = recorded.get(path, (None, None))
                found = self._sha256_of(path)
                rows.append((path, _file_state(sha256, found), sha256, found, replay))
        names = ("path", "state", "sha256", "found", "replay")
        return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").sort("path")

    def _sha256_of(self, path: str) -> str | None:
        try:
            return hashlib.sha256(self._store.get(f"{self.table.name}/{path}")).hexdigest()
        except FileNotFoundError:
            return None

    def _recorded_digests(self) -> dict[str, tuple[str, str | None]]:
        """Return path -> digest, and app id of a replay, of files whose commit the log still holds."""
        recorded: dict[str, tuple[str, str | None]] = {}
        for number in range(self.version + 1):
            commit = self._store.read_commit(self.table.name, number) or []
            replays = [
                a["txn"]["appId"] for a in commit if a.get("txn", {}).get("appId", "").startswith(REPLAY)
            ]
            for action in commit:
                digests = json.loads(action.get("commitInfo", {}).get("sha256", "{}"))
                recorded |= {path: (d, replays[0] if replays else None) for path, d in digests.items()}
        return recorded

    def code_versions(self) -> dict[DayBucket, str | None]:
        """Return the version of the code that wrote each (day, bucket) last; null: its commit says none."""
        versions: dict[DayBucket, str | None] = {}
        for number in range(self.version + 1):
            commit = self._store.read_commit(self.table.name, number) or []
            said = next((a["commitInfo"].get(_CODE) for a in commit if "commitInfo" in a), None)
            for action in commit:
                if "add" in action:
                    values = action["add"]["partitionValues"]
                    versions[date.fromisoformat(values["day"]), int(values["bucket"])] = said
        return versions

    def read_files(self, paths: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
        """Read columns of some of the table's files; partition columns are not in them."""
        frames = [self._store.read_parquet(f"{self.table.name}/{path}", columns) for path in paths]
        return pl.concat(frames, how="vertical") if frames else self.empty().select(columns)

    def commit_files(
        self,
        files: Sequence[StoredFile],
        positions: Mapping[str, int],
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Make files and positions visible together, in one commit from this snapshot.

        Raises:
            OperatorError: LEASE_HELD if a rival committed since the snapshot; STORE if a file is not there
                with its size.
            ValueError: a file's columns are not the table's: Delta would hide what is more.
        """
        for file in files:
            self._store.check_file(f"{self.table.name}/{file.path}", file.size)
            if file.columns != _file_columns(self.table):
                raise ValueError(f"{self.table.name}: {file.path} has other columns than the table")
        digests = {file.path: file.sha256 for file in files}
        with _fenced(self.table.name):
            self._handle.create_write_transaction(
                [file.add_action() for file in files],
                "append",
                Schema.from_arrow(self.table.schema),
                partition_by=list(self.table.partition_by),
                commit_properties=_properties(positions, {"sha256": json.dumps(digests), **(metadata or {})}),
                post_commithook_properties=_HOOKS,
            )
        self._handle.update_incremental()

    def append(self, rows: pl.DataFrame, positions: Mapping[str, int]) -> None:
        """Append rows and record positions in one commit from this snapshot; as `commit_files`."""
        with _fenced(self.table.name):
            write_deltalake(
                self._handle,
                conform(rows, self.table),
                mode="append",
                commit_properties=_properties(positions, {}),
                post_commithook_properties=_HOOKS,
            )
        self._handle.update_incremental()

    def replace(self, rows: pl.DataFrame, predicate: str, positions: Mapping[str, int]) -> None:
        """Replace the rows under a predicate and record positions in one commit; as `commit_files`."""
        with _fenced(self.table.name):
            write_deltalake(
                self._handle,
                conform(rows, self.table),
                mode="overwrite",
                predicate=predicate,
                commit_properties=_properties(positions, {}),
                post_commithook_properties=_HOOKS,
            )
        self._handle.update_incremental()


_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def _properties(positions: Mapping[str, int], metadata: dict[str, str]) -> CommitProperties:
    transactions = [Transaction(app_id, version) for app_id, version in sorted(positions.items())]
    metadata = {**metadata, _CODE: CODE_VERSION}
    return CommitProperties(custom_metadata=metadata, app_transactions=transactions, max_commit_retries=0)


class _fenced:  # noqa: N801 - reads as a statement: `with _fenced(table)`
    """Turn a failed commit into what the operator should know."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CommitFailedError):
            raise _lost_race(self._table) from error
        if isinstance(error, (DeltaError, OSError)):
            raise store_error(self._table, error) from error


def day_bucket_predicate(pairs: Sequence[DayBucket]) -> str:
    """Write (day, bucket) pairs as a Delta predicate, one term a bucket (a term a day nests too deep)."""
    buckets = sorted({bucket for _, bucket in pairs})
    return " OR ".join(
        f"(bucket = {bucket} AND {day_predicate([day for day, b in pairs if b == bucket])})"
        for bucket in buckets
    )


def day_predicate(days: Sequence[date]) -> str:
    """Write days as a Delta predicate."""
    return f"day IN ({', '.join(repr(day.isoformat()) for day in sorted(set(days)))})"


def arrow_frame(rows: pa.Table) -> pl.DataFrame:
    """Turn an Arrow table into a frame, with the same columns."""
    frame = pl.from_arrow(rows)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a table is a frame, not a series")
    return frame


def conform(rows: pl.DataFrame, table: Table) -> pa.Table:
    """Return rows as Arrow with exactly the table's columns, types and key order.

    Raises:
        ValueError: columns are missing or too many: the run stops before its commit.
    """
    names = table.schema.names
    if set(rows.columns) != set(names):
        raise ValueError(f"{table.name}: columns differ by {sorted(set(rows.columns) ^ set(names))}")
    ordered = rows if _in_order(rows, table.key) else rows.sort(table.key)
    # Without doc and unit: Delta refuses rows whose column says another doc than when the table was made.
    bare = pa.schema([field.remove_metadata() for field in table.schema])
    return ordered.select(names).to_arrow().cast(bare)


def _in_order(rows: pl.DataFrame, key: Sequence[str]) -> bool:
    """Say whether rows rise strictly by their key, as those of a source do: no need to sort them."""
    later = pl.lit(value=False)
    for name in reversed(key):
        column = pl.col(name)
        before = column.shift(1)
        later = (column > before) | ((column == before) & later)
    return bool(rows.select(later.slice(1).all(ignore_nulls=False)).item())


def _file_columns(table: Table) -> dict[str, str]:
    """Return name -> type of the columns of a table's files: those of the table that don't partition it."""
    return {f.name: str(f.type) for f in table.schema if f.name not in table.partition_by}


class ClusterStore:
    """The tables and small objects of one cluster, below `<root>/<cluster>`. Pickles by its location.

    Args:
        root: DC_STORE: a local folder or an object-store URI.
        cluster: id of the cluster.
    """

    def __init__(self, root: str, cluster: str) -> None:
        self.root = root.rstrip("/")
        self.cluster = cluster
        self.uri = f"{self.root}/{cluster}"
        self.objects = open_objects(self.uri)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Pickle the location only: each worker opens its own connection."""
        return (type(self), (self.root, self.cluster))

    def check_conditional_put(self) -> None:
        """Refuse a store that lets two writers create one object: nothing here would be safe on it.

        Raises:
            OperatorError: STORE.
        """
        path = f"_checks/{uuid.uuid4()}"
        try:
            first, second = (put_if_absent(self.objects, path, b"") for _ in range(2))
            obstore.delete(self.objects, path)
        except (OSError, obstore.exceptions.BaseError) as error:
            raise store_error(self.uri, error) from error
        if not first or second:
            raise OperatorError(
                f"The store {self.uri} ignores conditional puts: two runs could both win. Use another.",
                f"저장소 {self.uri}는 조건부 쓰기를 지원하지 않아 두 실행이 동시에 기록할 수 있습니다."
                " 다른 저장소를 쓰세요.",
                ExitCode.STORE,
            )

    def table_uri(self, name: str) -> str:
        """Return the location of a table."""
        return f"{self.uri}/{name}"

    def open(self, table: Table) -> OpenTable:
        """Open a table at its newest version, making it (or its new columns, in a commit of their own)."""
        with _fenced(table.name):
            handle = self._handle(table)
        known = {f.name: f.type for f in handle.schema().fields}
        missing = [f for f in Schema.from_arrow(table.schema).fields if _lacks(known.get(f.name), f.type)]
        if missing:
            with _fenced(table.name):
                handle.alter.add_columns([Field(f.name, f.type, nullable=True) for f in missing])
            handle = DeltaTable(self.table_uri(table.name))
        return OpenTable(self, table, handle)

    def open_at(self, table: Table, version: int) -> OpenTable:
        """Open a table at a version, for reading what the run's snapshot saw."""
        with _fenced(table.name):
            return OpenTable(self, table, DeltaTable(self.table_uri(table.name), version=version))

    def exists(self, table: Table) -> bool:
        """Say whether a table has been made."""
        return DeltaTable.is_deltatable(self.table_uri(table.name))

    def _handle(self, table: Table) -> DeltaTable:
        uri = self.table_uri(table.name)
        try:
            return DeltaTable(uri)
        except TableNotFoundError:
            DeltaTable.create(
                uri,
                Schema.from_arrow(table.schema),
                mode="ignore",
                partition_by=list(table.partition_by),
                configuration=LOG_RETENTION,
            )
            return DeltaTable(uri)

    def write_file(self, table: Table, rows: pl.DataFrame) -> StoredFile:
        """Write rows of one partition as a Parquet file that no commit names yet.

        Args:
            table: where it will belong.
            rows: all of the table's columns, in any order; the partition columns hold one value each and are
                left out of the file, which is sorted by key.
        """
        arrow = conform(rows, table)
        values = {name: str(arrow[name][0].as_py()) for name in table.partition_by}
        content = parquet_bytes(arrow.drop_columns(list(table.partition_by)))
        folders = "".join(f"{name}={value}/" for name, value in values.items())
        path = f"{folders}{uuid.uuid4()}.parquet"
        self.put(f"{table.name}/{path}", content)
        digest = hashlib.sha256(content).hexdigest()
        return StoredFile(path, len(content), rows.height, values, digest, _file_columns(table))

    def table_versions(self, names: Sequence[str] | None = None) -> dict[str, int]:
        """Return the version of every table that has been made, or of those of some."""
        folders = obstore.list_with_delimiter(self.objects)["common_prefixes"]
        made = sorted(name.strip("/") for name in folders if not name.startswith("_"))
        tables = made if names is None else [name for name in made if name in names]
        return {name: DeltaTable(self.table_uri(name)).version() for name in tables}

    def vacuum(self, retention_h: float) -> int:
        """Delete files of dead runs from every table; the caller holds the lease. Returns how many."""
        tables = (DeltaTable(self.table_uri(name)) for name in self.table_versions())
        return sum(len(_vacuumed(table, retention_h)) for table in tables)

    def put(self, path: str, content: bytes) -> None:
        """Write an object below the store.

        Raises:
            OperatorError: STORE (disk full, no permission, unreachable).
        """
        with answering(self.objects):
            obstore.put(self.objects, path, content)

    def get(self, path: str) -> bytes:
        """Read an object below the store; FileNotFoundError if it is not there."""
        with answering(self.objects):
            return obstore.get(self.objects, path).bytes().to_bytes()

    def read_parquet(self, path: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Read a Parquet object below the store."""
        return arrow_frame(pq.read_table(BytesIO(self.get(path)), columns=columns and list(columns)))

    def read_commit(self, table: str, version: int) -> list[dict[str, Any]] | None:
        """Read the actions of one commit; null if the log no longer holds it."""
        try:
            content = self.get(f"{table}/_delta_log/{version:020d}.json")
        except FileNotFoundError:
            return None
        return [json.loads(line) for line in content.decode().splitlines() if line]

    def check_file(self, path: str, size: int) -> None:
        """Check that a file exists with its size: Delta would accept an action for a missing one.

        Raises:
            OperatorError: STORE.
        """
        try:
            found = obstore.head(self.objects, path)["size"]
        except FileNotFoundError:
            found = None
        if found != size:
            raise store_error(self.uri, OSError(f"{path} has {found} bytes, not the {size} written"))

    def remove_below(self, prefix: str) -> None:
        """Delete all objects below a prefix (staging of this run, never a table's file)."""
        with answering(self.objects):
            paths = paths_below(self.objects, prefix)
            if paths:
                obstore.delete(self.objects, paths)
        if not is_uri(self.root):
            _remove_empty_folders(self.uri, prefix)


def _vacuumed(table: DeltaTable, retention_h: float) -> list[str]:
    """Delete what no commit names and is older than the retention; look first, for vacuum itself commits."""
    hours = int(retention_h)
    if not table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True):
        return []
    return table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)


def _lacks(stored: Any, declared: Any) -> bool:  # noqa: ANN401 - Delta's types have no common base
    """Say whether a column is not there, or a record in it lacks a field: Delta merges what is added."""
    if stored is None:
        return True
    if isinstance(declared, ArrayType):
        return _lacks(stored.element_type, declared.element_type)
    if not isinstance(declared, StructType):
        return False
    known = {f.name: f.type for f in stored.fields}
    return any(_lacks(known.get(f.name), f.type) for f in declared.fields)


def _remove_empty_folders(uri: str, prefix: str) -> None:
    base = Path(uri) / prefix
    for folder in (*sorted((p for p in base.rglob("*") if p.is_dir()), reverse=True), base):
        with suppress(OSError):  # not there, or a run that stood still has woken and writes into it
            folder.rmdir()


def parquet_bytes(rows: pa.Table) -> bytes:
    """Encode Arrow rows as Parquet (zstd), in memory."""
    buffer = BytesIO()
    # Bounds of numbers and times let a reader skip; those of strings cost a fifth of the writing.
    bounded = [field.name for field in rows.schema if not pa.types.is_string(field.type)]
    pq.write_table(rows, buffer, compression="zstd", write_statistics=bounded)
    return buffer.getvalue()
