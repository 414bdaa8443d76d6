"""Cluster definitions: infra/clusters/*.yaml, checked and turned into the domain's frozen facts.

Belongs here: reading, checking and refusing those files; which cluster claims a topic. Does not belong here:
what the facts mean (pipelines.domain.cluster), factories that joined by an import
(pipelines.connectors.registrations).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.domain.cluster import (
    BaselinePeriod,
    CarbonPolicy,
    ClassPolicy,
    ClusterDefinition,
    DisclosurePolicy,
    Factory,
    Gateway,
    Member,
)
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.streams import ID_PATTERN, parse_topic


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no IANA time zone, such as Asia/Seoul") from None
    return name


Id = Annotated[str, Field(pattern=rf"^{ID_PATTERN}$")]
Text = Annotated[str, Field(min_length=1)]
Zone = Annotated[str, AfterValidator(_known_zone)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Name(_Strict):
    ko: Text
    en: Text


class _Factory(_Strict):
    factory: Id
    joined: date
    left: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.left is not None and self.left <= self.joined:
            raise ValueError(f"{self.factory} leaves on {self.left}, not after it joined on {self.joined}")
        return self


class _Member(_Strict):
    member: Id
    name: _Name
    holding: Id
    factories: tuple[_Factory, ...] = Field(min_length=1)


class _Gateway(_Strict):
    gateway: Id
    factories: tuple[Id, ...] = Field(min_length=1)


class _Policy(_Strict):
    version: Text
    min_contributors: int = Field(ge=3)


class _Baseline(_Strict):
    """The baseline period as a person writes it: both dates are part of it."""

    from_: date = Field(alias="from")
    to: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise ValueError(f"it ends on {self.to}, before it begins on {self.from_}")
        return self


class _Exclusion(_Strict):
    factory: Id
    activity: Text | None = None
    reason: Text


class _Carbon(_Strict):
    approach: Literal["operational_control", "financial_control", "equity_share"] = "operational_control"
    gwp_set: Text = "AR5"
    accepted_instruments: tuple[Text, ...] = ()
    base_year: int | None = Field(None, ge=1990, le=2100)
    significance_percent: Fraction = Field(Fraction(5), gt=0)
    exclusions: tuple[_Exclusion, ...] = ()
    leased: tuple[Id, ...] = ()


class _Cluster(_Strict):
    cluster: Id
    name: _Name
    zone: Zone
    geography: str = Field(pattern=r"^[A-Z]{2}$")
    open_to_imports: bool = False
    carriers_shared: frozenset[str] = frozenset({"electricity"})
    policy: _Policy
    baseline: _Baseline | None = None
    carbon: _Carbon = _Carbon()
    members: tuple[_Member, ...] = ()
    gateways: tuple[_Gateway, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _refuse_repeats("member", (m.member for m in self.members))
        _refuse_repeats("gateway", (g.gateway for g in self.gateways))
        _refuse_repeats("factory", (f.factory for m in self.members for f in m.factories))
        for gateway in self.gateways:
            _refuse_repeats(f"factory of gateway {gateway.gateway}", gateway.factories)
        if not self.members and not self.open_to_imports:
            raise ValueError("it has no members and is not open to imports")
        return self


def _refuse_repeats(what: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise ValueError(f"{what} {name} is listed twice")
        seen.add(name)


def _refusal(path: Path, place: str, wrong: str) -> OperatorError:
    return OperatorError(
        f"{path}, {place}: {wrong}; correct the file",
        f"{path}, {place} 항목이 올바르지 않습니다({wrong}). 파일을 고치십시오",
        ExitCode.SETTINGS,
    )


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _parse(path: Path) -> _Cluster:
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refusal(path, "file", f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refusal(path, "file", f"is no YAML ({_one_line(error)})") from error
    try:
        parsed = _Cluster.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise _refusal(path, place, _one_line(first["msg"])) from error
    if parsed.cluster != path.stem:
        raise _refusal(path, "cluster", f"the file's name says {path.stem!r}, the field {parsed.cluster!r}")
    return parsed


def _definition(parsed: _Cluster) -> ClusterDefinition:
    return ClusterDefinition(
        cluster=parsed.cluster,
        name_ko=parsed.name.ko,
        name_en=parsed.name.en,
        zone=parsed.zone,
        geography=parsed.geography,
        members=tuple(Member(m.member, m.name.ko, m.name.en, m.holding) for m in parsed.members),
        factories=tuple(
            Factory(f.factory, m.member, f.joined, f.left) for m in parsed.members for f in m.factories
        ),
        gateways=tuple(Gateway(g.gateway, frozenset(g.factories)) for g in parsed.gateways),
        policy=DisclosurePolicy(
            parsed.policy.version, {"A": ClassPolicy(TablePolicy(parsed.policy.min_contributors))}
        ),
        open_to_imports=parsed.open_to_imports,
        carriers_shared=parsed.carriers_shared,
        baseline=_baseline(parsed.baseline),
        carbon=CarbonPolicy(
            parsed.carbon.approach,
            parsed.carbon.gwp_set,
            parsed.carbon.accepted_instruments,
            parsed.carbon.base_year,
            parsed.carbon.significance_percent,
            tuple((e.factory, e.activity, e.reason) for e in parsed.carbon.exclusions),
            parsed.carbon.leased,
        ),
    )


def _baseline(parsed: _Baseline | None) -> BaselinePeriod | None:
    return None if parsed is None else BaselinePeriod(parsed.from_, parsed.to + timedelta(days=1))


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
    return _definition(_parse(path))


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
    clusters = tuple(_definition(_parse(path)) for path in paths)
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
