"""Replacing computed rows: what changed, which version it gets, and what the history keeps.

Belongs here: comparing newly computed facts with the stored ones, and the two commits that follow. Does not
belong here: computing them.

History is committed before the table, and works as its write-ahead log: a run that died between the two left
history rows of a version that the table lacks, and the next run starts from those rows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from pipelines.connectors.store import ClusterStore, DayBucket, OpenTable, arrow_frame, day_bucket_predicate
from pipelines.domain.causes import METHOD_CHANGE
from pipelines.schemas.tables import FACTS_HISTORY, Table

FINAL, PROVISIONAL = "final", "provisional"
_STATE = ("status", "version", "profile_version", "known_at")
FactoryDay = tuple[str, date]


@dataclass
class Replaced:
    """What a replacement did.

    Args:
        rows: rows written.
        days: (day, bucket) pairs written.
        restated: factory-days that were final and got a new version, with the cause.
    """

    rows: int
    days: int
    restated: dict[FactoryDay, str]


def replace_facts(
    store: ClusterStore,
    table: OpenTable,
    computed: pl.DataFrame,
    pairs: set[DayBucket],
    *,
    causes: Mapping[FactoryDay, str],
    consumed: Mapping[str, int],
    known_at: datetime,
) -> Replaced:
    """Replace the facts of some (day, bucket) pairs by newly computed ones, where anything differs.

    Args:
        store: the cluster's store.
        table: a fact table, at the snapshot from which it is committed.
        computed: all rows of the pairs: the table's columns but version and known_at, which follow from what
            is stored: a factory-day without a changed value keeps both.
        pairs: what was computed.
        causes: of a restatement, for factory-days that were already final; others: method_change.
        consumed: source -> version that is now accounted for: tables, and the method.
        known_at: nominal time of the night.
    """
    history = store.open(FACTS_HISTORY)
    stored = _rolled_forward(table, history, pairs)
    merged, restated = _versioned(table.table, stored, computed, known_at)
    # Nothing touched it, and yet it changed: the rule that computes it did.
    with_causes = {key: causes.get(key, METHOD_CHANGE) for key in restated}
    _write_history(history, table.table, stored, merged, with_causes, known_at)
    changed = _changed_pairs(table.table, table.read_days(sorted(pairs)), merged)
    if changed:
        rows = _of_pairs(merged, changed)
        table.replace(rows, day_bucket_predicate(sorted(changed)), consumed)
        return Replaced(rows.height, len(changed), with_causes)
    if any(table.position(name) != version for name, version in consumed.items()):
        table.commit_files([], consumed)
    return Replaced(0, 0, with_causes)


def replace_figures(
    table: OpenTable,
    computed: pl.DataFrame,
    stored: pl.DataFrame,
    predicate: str,
    *,
    consumed: Mapping[str, int],
    known_at: datetime,
) -> int:
    """Replace figures that are computed anew, if any differs; a row that doesn't keeps its known_at.

    Args:
        table: a derived table without versions of its own, at the snapshot from which it is committed.
        computed: all its columns but known_at.
        stored: the table's rows under the predicate.
        predicate: which rows are replaced.
        consumed: source table -> version that is now accounted for.
        known_at: nominal time of the night.

    Returns:
        The number of rows that are new or differ.
    """
    names = computed.columns
    now = pl.lit(known_at).cast(pl.Datetime("us", "UTC"))
    known = stored.select(*names, old="known_at")
    rows = computed.join(known, on=names, how="left", nulls_equal=True)
    fresh = rows.filter(pl.col("old").is_null()).height
    if fresh or rows.height != stored.height:
        table.replace(rows.with_columns(known_at=pl.coalesce("old", now)).drop("old"), predicate, consumed)
    elif any(table.position(name) != version for name, version in consumed.items()):
        table.commit_files([], consumed)
    return fresh


def value_columns(table: Table) -> list[str]:
    """Return the columns whose change makes a new version."""
    fixed = {*table.key, *table.partition_by, *_STATE}
    return [name for name in table.schema.names if name not in fixed]


def _versioned(
    table: Table, stored: pl.DataFrame, computed: pl.DataFrame, known_at: datetime
) -> tuple[pl.DataFrame, list[FactoryDay]]:
    """Give each computed factory-day its version; unchanged ones keep the stored rows.

    Returns:
        The rows to store, and the factory-days that were final and changed.
    """
    day = ["factory", "day"]
    before = stored.group_by(day).agg(
        old_version=pl.col("version").max(), was_final=(pl.col("status") == FINAL).any()
    )
    changed = _changed_keys(table, stored, computed, day).with_columns(changed=pl.lit(True))
    judged = (
        computed.join(before, on=day, how="left", nulls_equal=True)
        .join(changed, on=day, how="left")
        .with_columns(pl.col("changed", "was_final").fill_null(False))
    )
    restated = pl.col("changed") & pl.col("was_final")
    state = stored.select(*table.key, old_known_at="known_at")
    rows = (
        judged.join(state, on=list(table.key), how="left", nulls_equal=True)
        .with_columns(
            version=pl.col("old_version").fill_null(1) + restated.cast(pl.Int32),
            known_at=pl.when(pl.col("changed") | pl.col("old_known_at").is_null())
            .then(pl.lit(known_at).cast(pl.Datetime("us", "UTC")))
            .otherwise("old_known_at"),
        )
        .with_columns(pl.col("version").cast(pl.Int32))
    )
    final = {
        (r["factory"], r["day"]) for r in rows.filter(restated).select(day).unique().iter_rows(named=True)
    }
    gone = changed.join(before.filter("was_final"), on=day).select(day)
    final |= {(r["factory"], r["day"]) for r in gone.iter_rows(named=True)}
    return rows.select(table.schema.names), sorted(final)


def _changed_keys(table: Table, stored: pl.DataFrame, computed: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return the distinct `by` of rows that one side has and the other has not, values compared exactly."""
    columns = [*table.key, *value_columns(table), "day"]
    columns = list(dict.fromkeys(columns))
    left, right = stored.select(columns), computed.select(columns)
    differing = pl.concat(
        [
            left.join(right, on=columns, how="anti", nulls_equal=True).select(by),
            right.join(left, on=columns, how="anti", nulls_equal=True).select(by),
        ]
    )
    return differing.unique()


def _changed_pairs(table: Table, stored: pl.DataFrame, merged: pl.DataFrame) -> set[DayBucket]:
    """Return the pairs in which any stored column would change, state included."""
    names, pair = table.schema.names, ["day", "bucket"]
    left, right = stored.select(names), merged.select(names)
    differing = pl.concat(
        [
            left.join(right, on=names, how="anti", nulls_equal=True).select(pair),
            right.join(left, on=names, how="anti", nulls_equal=True).select(pair),
        ]
    )
    return set(differing.unique().iter_rows())


def _of_pairs(rows: pl.DataFrame, pairs: set[DayBucket]) -> pl.DataFrame:
    wanted = pl.DataFrame(sorted(pairs), schema={"day": pl.Date, "bucket": pl.Int32}, orient="row")
    return rows.join(wanted, on=["day", "bucket"], how="semi")


def _write_history(
    history: OpenTable,
    table: Table,
    stored: pl.DataFrame,
    merged: pl.DataFrame,
    causes: Mapping[FactoryDay, str],
    known_at: datetime,
) -> None:
    """Append old and new row of everything that changed on a final day."""
    if not causes:
        return
    days = pl.DataFrame(
        [(f, d, cause) for (f, d), cause in sorted(causes.items())],
        schema={"factory": pl.String, "day": pl.Date, "cause": pl.String},
        orient="row",
    )
    # Only what differs is written out: a row at a time, which is slow, and mostly few of a day's rows differ.
    row = list(dict.fromkeys([*table.key, "day"]))
    differing = _changed_keys(table, stored, merged, row).join(days, on=["factory", "day"], how="semi")
    old, new = (
        _as_json(rows.join(differing, on=row, how="semi", nulls_equal=True), table, name)
        for rows, name in ((stored, "old_row"), (merged, "new_row"))
    )
    versions = days.join(
        stored.group_by("factory", "day").agg(version=pl.col("version").max() + 1), on=["factory", "day"]
    )
    place = ["factory", "day", "bucket", "key"]
    rows = (
        old.join(new, on=place, how="full", coalesce=True)
        .filter(~pl.col("old_values").eq_missing(pl.col("new_values")))
        .join(versions, on=["factory", "day"])
        .with_columns(table=pl.lit(table.name), known_at=pl.lit(known_at).cast(pl.Datetime("us", "UTC")))
        .select(FACTS_HISTORY.schema.names)
    )
    if not rows.is_empty():
        history.append(rows, {})


def _as_json(rows: pl.DataFrame, table: Table, name: str) -> pl.DataFrame:
    """Return factory, day, bucket, key, the row as canonical JSON, and its values alone for comparison."""
    values = name.replace("row", "values")
    encoded = [
        (
            row["factory"],
            row["day"],
            row["bucket"],
            _json({k: row[k] for k in table.key}),
            _json(row),
            _json({k: row[k] for k in value_columns(table)}),
        )
        for row in rows.select(table.schema.names).iter_rows(named=True)
    ]
    schema = {
        "factory": pl.String, "day": pl.Date, "bucket": pl.Int32, "key": pl.String, name: pl.String,
        values: pl.String,
    }  # fmt: skip
    return pl.DataFrame(encoded, schema=schema, orient="row")


def _json(row: Mapping[str, object]) -> str:
    plain = {k: v.isoformat() if isinstance(v, (date, datetime)) else v for k, v in row.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def row_of_json(text: str, table: Table) -> pl.DataFrame:
    """Return a history row's JSON as a frame with the table's columns; one that came later is null."""
    row = json.loads(text)
    empty = arrow_frame(table.schema.empty_table())
    parsed = {
        name: date.fromisoformat(row[name])
        if kind == pl.Date and row.get(name) is not None
        else datetime.fromisoformat(row[name])
        if isinstance(kind, pl.Datetime) and row.get(name) is not None
        else row.get(name)
        for name, kind in empty.schema.items()
    }
    return pl.DataFrame([parsed], schema=empty.schema)


def _rolled_forward(table: OpenTable, history: OpenTable, pairs: set[DayBucket]) -> pl.DataFrame:
    """Return the stored rows of the pairs, with history applied that the table has not seen.

    A run that died between the history's commit and the table's left versions there that the table lacks.
    """
    # A column that the table gained later stands last in the store, not where it is declared.
    stored = table.read_days(sorted(pairs)).select(table.table.schema.names)
    past = history.read_days(sorted(pairs)).filter(pl.col("table") == table.table.name)
    versions = stored.group_by("factory", "day").agg(have=pl.col("version").max())
    unseen = past.join(versions, on=["factory", "day"]).filter(pl.col("version") > pl.col("have"))
    for number in unseen["version"].unique().sort():
        step = unseen.filter(pl.col("version") == number)
        # A restatement stamps every row of its day, also those whose values stayed.
        touched = step.group_by("factory", "day").agg(
            new_version=pl.lit(number), new_known_at=pl.col("known_at").max()
        )
        replaced = [row_of_json(text, table.table) for text in step["old_row"].drop_nulls()]
        added = [row_of_json(text, table.table) for text in step["new_row"].drop_nulls()]
        kept = stored
        if replaced:
            kept = kept.join(pl.concat(replaced), on=list(table.table.key), how="anti", nulls_equal=True)
        stored = (
            pl.concat([kept, *added])
            .join(touched, on=["factory", "day"], how="left")
            .with_columns(
                version=pl.coalesce("new_version", "version").cast(pl.Int32),
                known_at=pl.coalesce("new_known_at", "known_at"),
            )
            .drop("new_version", "new_known_at")
        )
    return stored
