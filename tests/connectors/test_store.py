"""The store: one snapshot, one commit, a fence; growth, change reading, vacuum, and a store that fails."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import obstore
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from obstore.store import ObjectStore

from pipelines.connectors.store import ClusterStore, OpenTable, day_bucket_predicate
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.tables import KPIS, Table

MONDAY, TUESDAY = date(2025, 11, 3), date(2025, 11, 4)
EVENTS = Table(
    "events",
    pa.schema(
        [("day", pa.date32()), ("bucket", pa.int32()), ("factory", pa.string()), ("value", pa.float64())]
    ),
    ("factory", "value"),
    ("day", "bucket"),
)
WIDER = replace(EVENTS, schema=EVENTS.schema.append(pa.field("note", pa.string())))


@pytest.fixture
def store(tmp_path: Path) -> ClusterStore:
    return ClusterStore(str(tmp_path / "store"), "c1")


def events(day: date, *values: float) -> pl.DataFrame:
    return pl.DataFrame(
        {"day": day, "bucket": 0, "factory": "a1", "value": list(values)},
        schema={"day": pl.Date, "bucket": pl.Int32, "factory": pl.String, "value": pl.Float64},
    )


def values(table: OpenTable) -> list[float]:
    return table.scan().select("value").collect()["value"].sort().to_list()


def commit(store: ClusterStore, table: OpenTable, rows: pl.DataFrame, positions: dict[str, int]) -> None:
    table.commit_files([store.write_file(EVENTS, rows)], positions)


def test_files_and_end_offsets_become_visible_together(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    file = store.write_file(EVENTS, events(MONDAY, 1.0, 2.0))
    assert values(store.open(EVENTS)) == []
    table.commit_files([file], {"t/0/x": 2, "t/1/x": 7})
    again = store.open(EVENTS)
    assert values(again) == [1.0, 2.0]
    assert (again.position("t/0/x"), again.position("t/1/x"), again.position("t/2/x")) == (2, 7, None)


def test_a_commit_names_the_sha256_of_each_file(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    file = store.write_file(EVENTS, events(MONDAY, 1.0))
    table.commit_files([file], {})
    (last,) = DeltaTable(store.table_uri("events")).history(1)
    assert last["sha256"] == f'{{"{file.path}": "{file.sha256}"}}'


def test_a_table_can_still_be_written_when_the_words_about_a_column_have_changed(store: ClusterStore) -> None:
    old, new = (
        replace(EVENTS, schema=pa.schema([field.with_metadata({"doc": doc}) for field in EVENTS.schema]))
        for doc in ("a value", "the value as read")
    )
    store.open(old).append(events(MONDAY, 1.0), {})
    table = store.open(new)
    table.append(events(MONDAY, 2.0), {})
    table.commit_files([store.write_file(new, events(MONDAY, 3.0))], {})
    table.replace(events(TUESDAY, 4.0), day_bucket_predicate([(TUESDAY, 0)]), {})
    assert values(store.open(new)) == [1.0, 2.0, 3.0, 4.0]


def test_the_same_range_committed_twice_from_one_snapshot_fails(store: ClusterStore) -> None:
    first, second = store.open(EVENTS), store.open(EVENTS)
    commit(store, first, events(MONDAY, 1.0), {"t/0/x": 1})
    with pytest.raises(OperatorError) as refused:
        commit(store, second, events(MONDAY, 1.0), {"t/0/x": 1})
    assert refused.value.code is ExitCode.LEASE_HELD
    assert values(store.open(EVENTS)) == [1.0]


def test_a_zombie_that_opened_before_a_rivals_commit_commits_nothing(store: ClusterStore) -> None:
    zombie = store.open(EVENTS)
    assert zombie.position("t/0/x") is None
    file = store.write_file(EVENTS, events(MONDAY, 1.0))
    commit(store, store.open(EVENTS), events(MONDAY, 1.0), {"t/0/x": 1})
    for attempt in (
        lambda: zombie.commit_files([file], {"t/0/x": 1}),
        lambda: zombie.commit_files([], {"t/0/x": 1}),
        lambda: zombie.append(events(MONDAY, 1.0), {"t/0/x": 1}),
        lambda: zombie.replace(events(MONDAY, 9.0), day_bucket_predicate([(MONDAY, 0)]), {"t/0/x": 1}),
        lambda: zombie.replace(events(TUESDAY, 9.0), day_bucket_predicate([(TUESDAY, 0)]), {}),
    ):
        with pytest.raises(OperatorError) as refused:
            attempt()
        assert refused.value.code is ExitCode.LEASE_HELD
    assert values(store.open(EVENTS)) == [1.0]


def test_a_zombie_that_knows_another_app_id_is_fenced_too(store: ClusterStore) -> None:
    zombie = store.open(EVENTS)
    commit(store, store.open(EVENTS), events(MONDAY, 1.0), {"t/0/x": 1})
    with pytest.raises(OperatorError):
        commit(store, zombie, events(TUESDAY, 2.0), {"t/5/x": 1})
    assert values(store.open(EVENTS)) == [1.0]


def test_a_handle_goes_on_from_its_own_commits(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    for offset in (1, 2, 3):
        commit(store, table, events(MONDAY, float(offset)), {"t/0/x": offset})
    assert table.position("t/0/x") == 3
    assert values(table) == [1.0, 2.0, 3.0]


def test_many_commits_keep_every_position_over_a_checkpoint(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    for number in range(12):  # a checkpoint is made at every tenth
        table.commit_files([], {f"t/{number}/x": number})
    again = store.open(EVENTS)
    assert [again.position(f"t/{number}/x") for number in range(12)] == list(range(12))


def test_a_file_that_is_not_there_is_refused_before_the_commit(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    written = store.write_file(EVENTS, events(MONDAY, 1.0))
    missing = replace(written, path=written.path.replace(".parquet", "-gone.parquet"))
    for file in (missing, replace(written, size=written.size + 1)):
        with pytest.raises(OperatorError) as refused:
            table.commit_files([file], {"t/0/x": 1})
        assert refused.value.code is ExitCode.STORE
    assert store.open(EVENTS).version == 0


def test_rows_with_another_schema_fail_before_the_commit(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    rows = events(MONDAY, 1.0)
    for wrong in (rows.drop("value"), rows.with_columns(more=pl.lit(1))):
        with pytest.raises(ValueError, match="columns differ"):
            store.write_file(EVENTS, wrong)
        with pytest.raises(ValueError, match="columns differ"):
            table.append(wrong, {})
    with pytest.raises(pa.ArrowInvalid):
        table.append(rows.with_columns(value=pl.lit("much")), {})
    assert store.open(EVENTS).version == 0


def test_a_file_of_another_schema_fails_before_the_commit(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    wide = store.write_file(WIDER, events(MONDAY, 1.0).with_columns(note=pl.lit("n")))
    with pytest.raises(ValueError, match="other columns"):
        table.commit_files([wide], {"t/0/x": 1})
    assert store.open(EVENTS).version == 0


def test_a_column_that_a_table_gains_is_added_in_a_commit_of_its_own(store: ClusterStore) -> None:
    commit(store, store.open(EVENTS), events(MONDAY, 1.0), {"t/0/x": 1})
    wide = store.open(WIDER)
    assert wide.version == 2
    assert store.open(WIDER).version == 2  # once
    rows = events(MONDAY, 2.0).with_columns(note=pl.lit("new"))
    wide.commit_files([store.write_file(WIDER, rows)], {"t/0/x": 2})
    notes = store.open(WIDER).scan().sort("value").select("value", "note").collect()
    assert notes.rows() == [(1.0, None), (2.0, "new")]


def test_a_field_that_a_record_in_a_list_gains_is_added_and_is_null_in_rows_before(
    store: ClusterStore,
) -> None:
    def table_of(*names: str) -> Table:
        meter = pa.struct([(name, pa.string()) for name in names])
        return Table(
            "masters", pa.schema([("factory", pa.string()), ("meters", pa.list_(meter))]), ("factory",)
        )

    store.open(table_of("meter")).append(pl.DataFrame({"factory": ["a"], "meters": [[{"meter": "m"}]]}), {})
    grown = store.open(table_of("meter", "calibrated_on"))
    told = {"meter": "m", "calibrated_on": "2024-05-02"}
    grown.append(pl.DataFrame({"factory": ["b"], "meters": [[told]]}), {})
    before = store.open(table_of("meter", "calibrated_on")).version
    assert before == grown.version
    rows = grown.scan().collect().sort("factory")["meters"].to_list()
    assert rows == [[{"meter": "m", "calibrated_on": None}], [told]]
    assert store.open(table_of("meter")).version == before


def test_a_table_that_is_wider_than_its_declaration_is_read_whole(store: ClusterStore) -> None:
    rows = events(MONDAY, 1.0).with_columns(note=pl.lit("n"))
    store.open(WIDER).commit_files([store.write_file(WIDER, rows)], {})
    narrow = store.open(EVENTS)
    assert narrow.empty().columns == narrow.scan().collect_schema().names()
    assert narrow.read_days([]).columns == narrow.read_days([(MONDAY, 0)]).columns


def test_changes_since_a_version_are_those_of_later_commits(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    commit(store, table, events(MONDAY, 1.0), {})
    seen = table.version
    assert table.changes_since(seen) == []
    table.replace(events(MONDAY, 2.0), day_bucket_predicate([(MONDAY, 0)]), {})
    commit(store, table, events(TUESDAY, 3.0), {})
    changes = table.changes_since(seen)
    assert changes is not None
    assert sorted((c["kind"], c["partitionValues"]["day"]) for c in changes) == [
        ("add", "2025-11-03"),
        ("add", "2025-11-04"),
        ("remove", "2025-11-03"),
    ]
    assert table.changed_partitions(seen) == {(MONDAY, 0), (TUESDAY, 0)}


def test_compaction_changes_no_data(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    for value in (1.0, 2.0, 3.0):
        commit(store, table, events(MONDAY, value), {})
    seen = table.version
    DeltaTable(store.table_uri("events")).optimize.compact()
    compacted = store.open(EVENTS)
    assert compacted.version == seen + 1
    assert compacted.changes_since(seen) == []
    assert values(compacted) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("table", [EVENTS, KPIS], ids=["by-day-and-bucket", "by-day"])
def test_when_the_log_no_longer_holds_a_version_everything_counts_as_changed(
    store: ClusterStore, table: Table
) -> None:
    opened = store.open(table)
    for day in (MONDAY, TUESDAY):
        rows = (
            opened.empty()
            .clear(1)
            .with_columns(
                pl.lit(day).alias("day"), *([pl.lit(0, pl.Int32).alias("bucket")] if table is EVENTS else [])
            )
        )
        opened.append(rows, {})
    DeltaTable(store.table_uri(table.name)).create_checkpoint()
    for number in (0, 1):
        (Path(store.uri) / table.name / "_delta_log" / f"{number:020d}.json").unlink()
    opened = store.open(table)
    assert opened.changes_since(0) is None
    assert opened.changes_since(1) is not None
    assert opened.changed_partitions(0) == {(MONDAY, 0), (TUESDAY, 0)}


def test_vacuum_removes_the_files_of_dead_runs_and_nothing_else(store: ClusterStore) -> None:
    table = store.open(EVENTS)
    commit(store, table, events(MONDAY, 1.0), {})
    orphan = store.write_file(EVENTS, events(MONDAY, 2.0))
    assert store.vacuum(24) == 0  # a running writer's files are younger
    assert store.vacuum(0) == 1
    assert not (Path(store.uri) / "events" / orphan.path).exists()
    assert values(store.open(EVENTS)) == [1.0]


def test_vacuum_makes_no_commit_where_there_is_nothing_to_remove(store: ClusterStore) -> None:
    commit(store, store.open(EVENTS), events(MONDAY, 1.0), {})
    before = store.table_versions()
    assert store.vacuum(0) == 0
    assert store.table_versions() == before


def test_a_store_that_honours_conditional_puts_is_accepted_and_left_as_it_was(store: ClusterStore) -> None:
    store.check_conditional_put()
    assert not list((Path(store.uri) / "_checks").glob("*"))


def test_a_store_that_ignores_conditional_puts_is_refused(
    store: ClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_anyway(objects: ObjectStore, path: str, content: bytes) -> bool:
        obstore.put(objects, path, content)
        return True

    monkeypatch.setattr("pipelines.connectors.store.put_if_absent", put_anyway)
    with pytest.raises(OperatorError, match="ignores conditional puts") as refused:
        store.check_conditional_put()
    assert refused.value.code is ExitCode.STORE


def test_a_store_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError) as refused:
        ClusterStore(str(tmp_path / "file"), "c1").check_conditional_put()
    assert refused.value.code is ExitCode.STORE
    assert "\n" not in refused.value.english


def test_staging_is_removed_with_its_folders(store: ClusterStore) -> None:
    store.put("_staging/a/piece-000001", b"x")
    store.put("_staging/b/deep/piece-000001", b"x")
    store.remove_below("_staging")
    assert not (Path(store.uri) / "_staging").exists()
    store.remove_below("_staging")  # nothing there: nothing happens


def test_a_store_survives_being_moved(store: ClusterStore, tmp_path: Path) -> None:
    commit(store, store.open(EVENTS), events(MONDAY, 1.0), {"t/0/x": 1})
    shutil.move(str(tmp_path / "store"), str(tmp_path / "elsewhere"))
    moved = ClusterStore(str(tmp_path / "elsewhere"), "c1").open(EVENTS)
    assert values(moved) == [1.0]
    assert moved.position("t/0/x") == 1
