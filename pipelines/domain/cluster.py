"""Who is in a cluster: members, holdings, factories, gateways and the disclosure policy, each dated.

Belongs here: the frozen facts of a cluster definition and look-ups on them. Does not belong here: reading
the YAML (pipelines.connectors.clusters) and what a factory says of itself (its profile).
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Factory:
    """A factory of a cluster and the member that owns it, for local dates [joined, left)."""

    factory: str
    member: str
    joined: date
    left: date | None = None

    def belongs_on(self, day: date) -> bool:
        """Say whether the factory belongs to the cluster on a local date."""
        return self.joined <= day and (self.left is None or day < self.left)


@dataclass(frozen=True)
class Member:
    """A legal entity; members with one owner form a holding."""

    member: str
    name_ko: str
    name_en: str
    holding: str


@dataclass(frozen=True)
class Gateway:
    """A regional gateway and the factories for which it may write, of this cluster and of others."""

    gateway: str
    factories: frozenset[str]


@dataclass(frozen=True)
class DisclosurePolicy:
    """Limits of the disclosure gate; confidential: no published output names them."""

    version: str
    min_contributors: int


@dataclass(frozen=True)
class BaselinePeriod:
    """What the programme is measured against: local dates [start, end)."""

    start: date
    end: date


@dataclass(frozen=True)
class ClusterDefinition:
    """One cluster as its operator defined it; `baseline` null: a night sets none by itself."""

    cluster: str
    name_ko: str
    name_en: str
    zone: str
    geography: str
    members: tuple[Member, ...]
    factories: tuple[Factory, ...]
    gateways: tuple[Gateway, ...]
    policy: DisclosurePolicy
    open_to_imports: bool = False
    carriers_shared: frozenset[str] = field(default=frozenset({"electricity"}))
    baseline: BaselinePeriod | None = None

    def member_of(self, factory: str) -> str | None:
        """Return the member that owns a factory; null if the cluster doesn't know the factory."""
        return next((f.member for f in self.factories if f.factory == factory), None)

    def holding_of(self, factory: str) -> str | None:
        """Return the holding of a factory's owner; null if the cluster doesn't know the factory."""
        owner = self.member_of(factory)
        return next((m.holding for m in self.members if m.member == owner), None)

    def factories_of(self, member: str) -> tuple[str, ...]:
        """Return the ids of a member's factories, sorted."""
        return tuple(sorted(f.factory for f in self.factories if f.member == member))


def bucket_of(factory: str, buckets: int) -> int:
    """Return the stable bucket of a factory: the same on every machine and for ever."""
    return int.from_bytes(hashlib.sha256(factory.encode()).digest()[:8], "big") % buckets
