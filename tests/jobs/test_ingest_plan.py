"""Which offsets a run reads: from each table's position to the end at the cut, gaps recorded, cuts obeyed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.connectors.store import ClusterStore, OpenTable
from pipelines.jobs.ingest import IngestPlan, cut_slices, plan_offsets
from pipelines.schemas.messages import OffsetRange, Partition, PartitionBounds
from pipelines.schemas.tables import RAW

NIGHT = datetime(2025, 11, 11, 3, tzinfo=UTC)
TOPIC = "factory.a1.energy"
FIRST, SECOND = Partition(TOPIC, 0, "first-id"), Partition(TOPIC, 0, "second-id")


@pytest.fixture
def table(tmp_path: Path) -> OpenTable:
    return ClusterStore(str(tmp_path), "c1").open(RAW["energy"])


def plan(table: OpenTable, *bounds: PartitionBounds) -> IngestPlan:
    return plan_offsets(bounds, {"energy": table}, NIGHT)


def read_to(table: OpenTable, *bounds: PartitionBounds) -> None:
    """Commit what a run of these bounds would."""
    table.commit_files([], plan(table, *bounds).positions["energy"])


def ranges(found: IngestPlan) -> list[tuple[int, int]]:
    return [(r.start, r.end) for r in found.ranges["energy"]]


def gaps(found: IngestPlan) -> list[tuple[object, ...]]:
    return [
        (g["incarnation"], g["first_offset"], g["end_offset"], g["reason"], g["previous_incarnation"])
        for g in found.gaps
    ]


def test_a_new_partition_is_read_from_its_earliest_offset(table: OpenTable) -> None:
    found = plan(table, PartitionBounds(FIRST, 0, 10))
    assert ranges(found) == [(0, 10)]
    assert found.positions["energy"][FIRST.app_id] == 10
    assert gaps(found) == []


def test_what_was_deleted_before_a_topic_was_ever_read_is_no_gap(table: OpenTable) -> None:
    found = plan(table, PartitionBounds(FIRST, 7, 10))
    assert (ranges(found), gaps(found)) == ([(7, 10)], [])


def test_a_run_continues_where_the_last_commit_ended(table: OpenTable) -> None:
    read_to(table, PartitionBounds(FIRST, 0, 10))
    assert ranges(plan(table, PartitionBounds(FIRST, 0, 12))) == [(10, 12)]


def test_without_anything_new_the_plan_is_empty(table: OpenTable) -> None:
    assert plan(table).is_empty
    assert plan(table, PartitionBounds(FIRST, 0, 0)).is_empty
    read_to(table, PartitionBounds(FIRST, 0, 10))
    assert plan(table, PartitionBounds(FIRST, 0, 10)).is_empty
    assert plan(table, PartitionBounds(FIRST, 5, 10)).is_empty


def test_deleted_offsets_are_a_gap_with_exact_bounds(table: OpenTable) -> None:
    read_to(table, PartitionBounds(FIRST, 0, 10))
    found = plan(table, PartitionBounds(FIRST, 15, 20))
    assert ranges(found) == [(15, 20)]
    assert gaps(found) == [("first-id", 10, 15, "offsets_deleted", None)]


def test_a_gap_up_to_the_end_is_recorded_once(table: OpenTable) -> None:
    read_to(table, PartitionBounds(FIRST, 0, 10))
    all_gone = PartitionBounds(FIRST, 20, 20)
    assert gaps(plan(table, all_gone)) == [("first-id", 10, 20, "offsets_deleted", None)]
    read_to(table, all_gone)
    assert plan(table, all_gone).is_empty


@pytest.mark.parametrize("end", [0, 4, 10, 15], ids=["empty", "shorter", "as-long", "longer"])
def test_a_recreated_topic_starts_anew_with_a_gap(table: OpenTable, end: int) -> None:
    read_to(table, PartitionBounds(FIRST, 0, 10))
    recreated = PartitionBounds(SECOND, 0, end)
    found = plan(table, recreated)
    assert ranges(found) == ([(0, end)] if end else [])
    assert gaps(found) == [("second-id", 10, None, "topic_recreated", "first-id")]
    read_to(table, recreated)
    assert plan(table, recreated).is_empty


def test_a_topic_that_was_recreated_twice_names_the_one_before(table: OpenTable) -> None:
    third = Partition(TOPIC, 0, "a-third-id")
    read_to(table, PartitionBounds(FIRST, 0, 10))
    read_to(table, PartitionBounds(SECOND, 0, 3))
    found = plan(table, PartitionBounds(third, 0, 5))
    assert gaps(found) == [("a-third-id", 3, None, "topic_recreated", "second-id")]


def test_partitions_of_a_topic_have_positions_of_their_own(table: OpenTable) -> None:
    other = Partition(TOPIC, 1, "first-id")
    read_to(table, PartitionBounds(FIRST, 0, 10))
    found = plan(table, PartitionBounds(FIRST, 0, 11), PartitionBounds(other, 0, 4))
    assert sorted((r.partition.partition, r.start, r.end) for r in found.ranges["energy"]) == [
        (0, 10, 11),
        (1, 0, 4),
    ]
    assert gaps(found) == []  # a partition that was added is no recreated topic


def test_a_topic_whose_name_continues_anothers_is_not_its_earlier_incarnation(table: OpenTable) -> None:
    longer = Partition("factory.a1.energy-x", 0, "x")
    read_to(table, PartitionBounds(FIRST, 0, 10))
    assert table.last_position("factory.a1.energy/0/") == (FIRST.app_id, 10)
    assert table.last_position(f"{longer.topic}/0/") is None


def test_a_cut_partition_ends_early_and_its_position_with_it(table: OpenTable) -> None:
    found = plan(table, PartitionBounds(FIRST, 0, 10)).end_at({FIRST.app_id: 6})
    assert ranges(found) == [(0, 6)]
    assert found.positions["energy"][FIRST.app_id] == 6


def test_a_partition_that_is_cut_where_it_starts_is_not_read(table: OpenTable) -> None:
    read_to(table, PartitionBounds(FIRST, 0, 10))
    found = plan(table, PartitionBounds(FIRST, 0, 20)).end_at({FIRST.app_id: 10})
    assert ranges(found) == []
    assert found.positions["energy"][FIRST.app_id] == 10


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 50), max_size=8), slice_messages=st.integers(1, 40))
def test_slices_cover_every_offset_once_in_pieces_of_bounded_size(
    sizes: list[int], slice_messages: int
) -> None:
    offered = [
        OffsetRange(Partition(f"factory.f{number}.energy", 0, "i"), 100, 100 + size)
        for number, size in enumerate(sizes)
    ]
    slices = cut_slices(IngestPlan({"energy": offered}, {}, []), slice_messages)
    assert [s.number for s in slices] == list(range(len(slices)))
    assert all(0 < sum(r.messages for r in s.ranges) <= slice_messages for s in slices)
    covered = [(r.partition, o) for s in slices for r in s.ranges for o in range(r.start, r.end)]
    assert covered == [(r.partition, o) for r in offered for o in range(r.start, r.end)]
