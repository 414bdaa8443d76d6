"""What a night writes to topics: names that no night reads, keys, whose a row is."""

from datetime import date

import pytest

from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.schemas.contracts import contract
from pipelines.schemas.outputs import (
    benchmark_key,
    benchmarks_topic,
    kpi_key,
    member_topic,
    owner_of,
    parse_output,
)
from pipelines.schemas.streams import parse_topic
from pipelines.schemas.tables import RELEASES

CLUSTER = ClusterDefinition(
    cluster="park", name_ko="단지", name_en="Park", zone="Asia/Seoul", geography="KR",
    members=(Member("naru", "나루", "Naru", "naru"), Member("naru-2", "나루2", "Naru 2", "naru")),
    factories=(Factory("f1", "naru", date(2025, 1, 1)), Factory("f10", "naru-2", date(2025, 1, 1))),
    gateways=(), policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "carries"),
    [
        (benchmarks_topic("park"), "benchmarks"),
        (member_topic("naru-2"), "kpis"),
        ("cluster.park.kpis", None),
        ("member.naru.benchmarks", None),
        ("member.na.ru.kpis", None),
        ("member..kpis", None),
        ("factory.f1.energy", None),
        ("member.naru.kpis.more", None),
    ],
)
def test_a_topic_s_name_says_what_it_carries(name: str, carries: str | None) -> None:
    assert parse_output(name) == carries


def test_no_output_is_taken_for_input() -> None:
    assert parse_topic(benchmarks_topic("park")) is None
    assert parse_topic(member_topic("naru")) is None


def test_the_cluster_s_topic_carries_every_column_of_the_ledger() -> None:
    assert {field["name"] for field in contract("benchmark")["fields"]} == set(RELEASES.schema.names)


def test_keys_say_all_that_identifies_a_row_and_nothing_else() -> None:
    row = {
        "level": "machine", "subject": "f1/m1", "period": "month", "day": date(2025, 11, 1), "kpi": "oee",
        "definition_version": "2", "value": 0.5,
    }  # fmt: skip
    assert kpi_key(row) == "machine/f1/m1/month/2025-11-01/oee@2"
    assert benchmark_key({"figure_id": "park/cluster/*/day/2025-11-03/oee@1", "revision": 3}) == (
        "park/cluster/*/day/2025-11-03/oee@1"
    )


@pytest.mark.parametrize(
    ("level", "subject", "owner"),
    [
        ("member", "naru", "naru"),
        ("factory", "f1", "naru"),
        ("factory", "f10", "naru-2"),
        ("machine", "f10/naru", "naru-2"),
        ("peer", "naru/casting", "naru"),
        ("factory", "f2", None),
        ("member", "stranger", None),
        ("peer", "naru-3/casting", None),
    ],
)
def test_a_row_belongs_to_the_owner_of_its_subject(level: str, subject: str, owner: str | None) -> None:
    assert owner_of(level, subject, CLUSTER) == owner
