"""Cluster definitions: infra/clusters/*.yaml, checked and turned into the domain's frozen facts.

Belongs here: finding, reading and refusing those files; which cluster claims a topic. Does not belong here:
their fields (cluster_form), what the facts mean (pipelines.domain.cluster), factories that joined by an
import (registrations).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipelines.connectors.cluster_form import ClusterForm
from pipelines.connectors.rule_keys import FieldError
from pipelines.domain.cluster import ClusterDefinition, Factory
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.streams import parse_topic


def _refusal(path: Path, place: str, wrong: str) -> OperatorError:
    return OperatorError(
        f"{path}, {place}: {wrong}; correct the file",
        f"{path}, {place} 항목이 올바르지 않습니다({wrong}). 파일을 고치십시오",
        ExitCode.SETTINGS,
    )


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def read_cluster(path: Path) -> ClusterDefinition:
    """Read a definition; the file is named after its cluster.

    Raises:
        OperatorError: SETTINGS: it can't be read or something in it is wrong; one line names file and field.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refusal(path, "file", f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refusal(path, "file", f"is no YAML ({_one_line(error)})") from error
    try:
        parsed = ClusterForm.model_validate(content)
    except ValidationError as error:
        raise _refusal(path, *_place_and_fault(error.errors()[0])) from error
    if parsed.cluster != path.stem:
        raise _refusal(path, "cluster", f"the file's name says {path.stem!r}, the field {parsed.cluster!r}")
    return parsed.definition()


def _place_and_fault(first: ErrorDetails) -> tuple[str, str]:
    """Return where a file is wrong, by keys and places in lists, and what is wrong there."""
    place = [str(part) for part in first["loc"]]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        return ".".join((*place, cause.field)), cause.remedy
    return ".".join(place) or "file", _one_line(first["msg"])


def load_cluster(folder: Path, cluster_id: str) -> ClusterDefinition:
    """Read the definition of one cluster, <folder>/<cluster_id>.yaml.

    Raises:
        OperatorError: the file is missing or something in it is wrong; one line names file and field.
    """
    path = folder / f"{cluster_id}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml"))) or "none"
        raise OperatorError(
            f"cluster {cluster_id!r} is unknown: {path} does not exist (known: {known}); "
            "add the file or set DC_CLUSTERS",
            f"클러스터 {cluster_id!r}의 정의 {path} 파일이 없습니다(있는 것: {known}). "
            "파일을 추가하거나 DC_CLUSTERS를 설정하십시오",
            ExitCode.SETTINGS,
        )
    return read_cluster(path)


def load_clusters(folder: Path) -> tuple[ClusterDefinition, ...]:
    """Read every cluster definition of a folder, in order of id.

    Raises:
        OperatorError: the folder holds none, a file is wrong, or a factory is in two clusters at once.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise OperatorError(
            f"{folder} holds no cluster definition (*.yaml); add one or set DC_CLUSTERS",
            f"{folder}에 클러스터 정의(*.yaml)가 없습니다. 추가하거나 DC_CLUSTERS를 설정하십시오",
            ExitCode.SETTINGS,
        )
    clusters = tuple(read_cluster(path) for path in paths)
    for factory, first, second in _double_memberships(clusters):
        raise _refusal(
            folder / f"{second}.yaml",
            "members.factories",
            f"factory {factory} belongs to cluster {first} at the same time",
        )
    return clusters


def _double_memberships(clusters: Iterable[ClusterDefinition]) -> Iterator[tuple[str, str, str]]:
    seen: defaultdict[str, list[tuple[str, Factory]]] = defaultdict(list)
    for cluster in clusters:
        for factory in cluster.factories:
            for other, before in seen[factory.factory]:
                if before.belongs_on(factory.joined) or factory.belongs_on(before.joined):
                    yield factory.factory, other, cluster.cluster
            seen[factory.factory].append((cluster.cluster, factory))


@dataclass(frozen=True)
class TopicClaims:
    """Which clusters read a topic.

    Args:
        by_factory: clusters of each factory; more than one if it moved from one to another.
        by_gateway: clusters that have a factory in a gateway's list.
    """

    by_factory: Mapping[str, frozenset[str]]
    by_gateway: Mapping[str, frozenset[str]]

    def claimants(self, topic: str) -> frozenset[str]:
        """Return the ids of the clusters that claim a topic; empty: nobody does, or it is none of ours."""
        parsed = parse_topic(topic)
        if parsed is None:
            return frozenset()
        claims = self.by_factory if parsed.tenancy == "factory" else self.by_gateway
        return claims.get(parsed.tenant, frozenset())


def claimed_topics(clusters: Iterable[ClusterDefinition]) -> TopicClaims:
    """Say which cluster claims a topic: its factory's own, and a gateway's every cluster on its list."""
    definitions = tuple(clusters)
    by_factory: defaultdict[str, set[str]] = defaultdict(set)
    listed: defaultdict[str, set[str]] = defaultdict(set)
    for cluster in definitions:
        for factory in cluster.factories:
            by_factory[factory.factory].add(cluster.cluster)
        for gateway in cluster.gateways:
            listed[gateway.gateway] |= gateway.factories
    by_gateway = {
        gateway: frozenset(c for f in factories for c in by_factory.get(f, ()))
        for gateway, factories in listed.items()
    }
    return TopicClaims({f: frozenset(c) for f, c in by_factory.items()}, by_gateway)
