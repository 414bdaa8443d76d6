"""Cluster definitions are read whole, or refused with one line that names file and field."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.connectors.clusters import claimed_topics, load_cluster, load_clusters
from pipelines.domain.cluster import BaselinePeriod
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.contracts import packaged_folder

GOOD = """
cluster: park
name: {ko: 단지, en: Park}
zone: Asia/Seoul
geography: KR
policy: {version: "1", min_contributors: 3}
members:
  - member: a
    name: {ko: 가, en: A}
    holding: h
    factories:
      - {factory: a1, joined: 2025-01-01, left: 2025-07-01}
gateways:
  - {gateway: g, factories: [a1, elsewhere]}
"""


def write(folder: Path, text: str, name: str = "park") -> Path:
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_definitions_are_readable() -> None:
    imported_or_demo = {c.cluster: c for c in load_clusters(packaged_folder("infra") / "clusters")}
    demo = imported_or_demo["changwon-demo"]
    assert len(demo.factories) == 12
    assert len(demo.members) == 11
    assert len({m.holding for m in demo.members}) == 10
    assert demo.factories_of("garam") == ("garam-1", "garam-2")
    assert imported_or_demo["imported"].open_to_imports
    assert imported_or_demo["imported"].members == ()


def test_a_definition_is_read_whole(tmp_path: Path) -> None:
    cluster = load_cluster(write(tmp_path, GOOD), "park")
    assert cluster.holding_of("a1") == "h"
    assert cluster.gateways[0].factories == {"a1", "elsewhere"}
    assert cluster.factories[0].belongs_on(date(2025, 6, 30))
    assert not cluster.factories[0].belongs_on(date(2025, 7, 1))
    assert not cluster.open_to_imports


def test_both_dates_of_a_declared_baseline_belong_to_it(tmp_path: Path) -> None:
    declared = GOOD + "baseline: {from: 2025-01-01, to: 2025-03-31}"
    cluster = load_cluster(write(tmp_path, declared), "park")
    assert cluster.baseline == BaselinePeriod(date(2025, 1, 1), date(2025, 4, 1))
    assert load_cluster(write(tmp_path, GOOD), "park").baseline is None


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (
            "geography: KR",
            "geography: KR\nbaseline: {from: 2025-03-31, to: 2025-01-01}",
            "ends on 2025-01-01",
        ),
        ("geography: KR", "geography: KR\nbaseline: {from: 2025-01-01}", "baseline.to"),
        ("zone: Asia/Seoul", "zone: Asia/Soul", "zone"),
        ("zone: Asia/Seoul", "zone: /etc/passwd", "zone"),
        ("cluster: park", "cluster: Park.1", "cluster"),
        ("cluster: park", "cluster: other", "other"),
        ("geography: KR", "geography: KR\ncolour: red", "colour"),
        ("joined: 2025-01-01", "joined: soon", "members.0.factories.0.joined"),
        ("left: 2025-07-01", "left: 2025-01-01", "a1 leaves on"),
        ("min_contributors: 3", "min_contributors: 2", "policy.min_contributors"),
        ("[a1, elsewhere]", "[a1, a1]", "a1 is listed twice"),
        ("holding: h", "", "members.0.holding"),
        ("cluster: park", "cluster: [", "no YAML"),
        (GOOD, "", "park.yaml"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_field(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        load_cluster(write(tmp_path, GOOD.replace(old, new)), "park")
    assert caught.value.code is ExitCode.SETTINGS
    assert "park.yaml" in caught.value.english
    assert named in caught.value.english
    assert "\n" not in caught.value.english + caught.value.korean
    assert named in caught.value.korean


def test_an_unknown_cluster_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="known: park"):
        load_cluster(write(tmp_path, GOOD), "elsewhere")


def test_a_folder_without_definitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="holds no cluster definition"):
        load_clusters(tmp_path)


def test_a_factory_may_move_but_never_belong_to_two_clusters_at_once(tmp_path: Path) -> None:
    moved = GOOD.replace("cluster: park", "cluster: next").replace(
        "2025-01-01, left: 2025-07-01", "2025-07-01"
    )
    write(write(tmp_path, GOOD), moved, "next")
    assert claimed_topics(load_clusters(tmp_path)).claimants("factory.a1.energy") == {"park", "next"}
    write(tmp_path, moved.replace("joined: 2025-07-01", "joined: 2025-06-30"), "next")
    with pytest.raises(OperatorError, match="factory a1 belongs to cluster next at the same time"):
        load_clusters(tmp_path)


def test_topics_are_claimed_by_factory_and_by_gateway(tmp_path: Path) -> None:
    other = GOOD.replace("cluster: park", "cluster: other").replace("a1", "elsewhere").split("gateways")[0]
    claims = claimed_topics(load_clusters(write(write(tmp_path, GOOD), other, "other")))
    assert claims.claimants("factory.a1.counts") == {"park"}
    assert claims.claimants("gateway.g.energy") == {"park", "other"}
    assert claims.claimants("factory.a2.energy") == frozenset()
    assert claims.claimants("factory.a1.unheard") == frozenset()
    assert claims.claimants("_schemas") == frozenset()
