"""Who is in a cluster: members, holdings, factories, gateways and the disclosure policy, each dated.

Belongs here: the frozen facts of a cluster definition and look-ups on them. Does not belong here: reading
the YAML (pipelines.connectors.clusters) and what a factory says of itself (its profile).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Literal

from pipelines.domain.disclosure.policy import TablePolicy

DisclosureClass = Literal["A", "B"]
Language = Literal["ko", "en"]


@dataclass(frozen=True)
class Traits:
    """What a factory is compared by; null: not known.

    Args:
        since: local date from which it holds; in force from the first of the next month, or on it.
        process: code of the process tree.
        region: code of the region tree.
        size: size class.
        maturity: smart-factory level (기초, 중간1, 중간2, 고도화).
    """

    since: date
    process: str | None = None
    region: str | None = None
    size: str | None = None
    maturity: str | None = None


@dataclass(frozen=True)
class Factory:
    """A factory of a cluster and the member that owns it, for local dates [joined, left).

    Args:
        factory: its id.
        member: its owner.
        joined: its first local date in the cluster.
        left: the first one after it left; null: it is there.
        traits: what it is compared by, oldest first; empty: nothing is known.
    """

    factory: str
    member: str
    joined: date
    left: date | None = None
    traits: tuple[Traits, ...] = ()

    def belongs_on(self, day: date) -> bool:
        """Say whether the factory belongs to the cluster on a local date."""
        return self.joined <= day and (self.left is None or day < self.left)


@dataclass(frozen=True)
class Owner:
    """The holding that a member belongs to, from a local date on."""

    since: date
    holding: str


@dataclass(frozen=True)
class Member:
    """A legal entity; members with one owner form a holding.

    Args:
        member: its id.
        name_ko: Korean name.
        name_en: English name.
        holding: its holding at first.
        sold: later owners, oldest first.
    """

    member: str
    name_ko: str
    name_en: str
    holding: str
    sold: tuple[Owner, ...] = ()

    def holding_on(self, day: date) -> str:
        """Return the holding that the member belongs to on a local date."""
        return next((owner.holding for owner in reversed(self.sold) if owner.since <= day), self.holding)


@dataclass(frozen=True)
class Gateway:
    """A regional gateway and the factories for which it may write, of this cluster and of others."""

    gateway: str
    factories: frozenset[str]


@dataclass(frozen=True)
class ClassPolicy:
    """Limits for the figures of one disclosure class.

    Args:
        rules: primary rules, coalition and protection intervals.
        ageing_months: whole months after a period's end before its figure may be published.
        coarsening: the public grid's step is multiplied by this.
        periods: which periods are published.
    """

    rules: TablePolicy
    ageing_months: int = 0
    coarsening: int = 1
    periods: frozenset[str] = frozenset({"day", "month", "rolling12"})


@dataclass(frozen=True)
class DisclosurePolicy:
    """Limits of the disclosure gate; confidential: no published output names them.

    Args:
        version: its name in the ledger's sealed inputs.
        classes: limits by disclosure class.
        persistence_percent: by how much a holding's value is taken to move at most between like months.
        not_released: KPIs that aren't released at all, so that others of the same variable can be.
    """

    version: str
    classes: Mapping[DisclosureClass, ClassPolicy]
    persistence_percent: Fraction = Fraction(5)
    not_released: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Waiver:
    """A holding's written consent that its own figures need no protection, for local dates [since, until).

    Args:
        holding: who consents.
        kpis: for which KPIs; null: for all.
        since: in force from the first of the next month, or on it.
        until: first local date after it was withdrawn; null: it holds.
        named: whether the holding may be shown by name as a reference (등대공장).
    """

    holding: str
    kpis: frozenset[str] | None
    since: date
    until: date | None = None
    named: bool = False


@dataclass(frozen=True)
class Breakdown:
    """Peer groups by one or more traits: `process`, `region`, `size`, `maturity`.

    Args:
        traits: in the order of the group's name; a breakdown by `process` and `size` is `process-size`.
    """

    traits: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the name that figures carry."""
        return "-".join(self.traits)


@dataclass(frozen=True)
class BaselinePeriod:
    """What the programme is measured against: local dates [start, end)."""

    start: date
    end: date


@dataclass(frozen=True)
class CarbonPolicy:
    """How the cluster's statements of emissions are made.

    Args:
        approach: of consolidation.
        gwp_set: by which gases are added, of months that have no choice of factors yet.
        accepted_instruments: market instruments accepted beside certificates.
        base_year: whose statements are recalculated only for significant changes; null: none.
        significance_percent: from how much a change is significant [% of what was stated].
        exclusions: (factory, activity or null for all, reason) that statements leave out.
        leased: factories on leased sites.
        estimate_unmetered: factories whose electricity is estimated from peers where no meter measures it.
    """

    approach: str = "operational_control"
    gwp_set: str = "AR5"
    accepted_instruments: tuple[str, ...] = ()
    base_year: int | None = None
    significance_percent: Fraction = Fraction(5)
    exclusions: tuple[tuple[str, str | None, str], ...] = ()
    leased: tuple[str, ...] = ()
    estimate_unmetered: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterDefinition:
    """One cluster as its operator defined it.

    Args:
        cluster: its id.
        name_ko: Korean name.
        name_en: English name.
        zone: IANA time zone.
        geography: ISO 3166 code.
        members: who is in it.
        factories: theirs.
        gateways: who else may write for them.
        policy: limits of the disclosure gate.
        open_to_imports: whether an import may add factories.
        carriers_shared: carriers whose energy is shared.
        baseline: null: a night sets none by itself.
        lead_firm: holding of the customer or prime contractor that runs or pays for the cluster; null: none.
        breakdowns: peer groups beside everybody.
        trees: parent of each code of a trait that has a hierarchy; a top code's is `*`.
        waivers: consents of holdings.
        languages: of the pages, the first is the default.
        carbon: how statements of emissions are made.
    """

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
    lead_firm: str | None = None
    breakdowns: tuple[Breakdown, ...] = (Breakdown(("process",)),)
    trees: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    languages: tuple[Language, ...] = ("ko", "en")
    carbon: CarbonPolicy = CarbonPolicy()

    def member_of(self, factory: str) -> str | None:
        """Return the member that owns a factory; null if the cluster doesn't know the factory."""
        return next((f.member for f in self.factories if f.factory == factory), None)

    def holding_of(self, factory: str, day: date | None = None) -> str | None:
        """Return the holding of a factory's owner on a date, else at first; null: not of the cluster."""
        owner = next((m for m in self.members if m.member == self.member_of(factory)), None)
        if owner is None:
            return None
        return owner.holding if day is None else owner.holding_on(day)

    def factories_of(self, member: str) -> tuple[str, ...]:
        """Return the ids of a member's factories, sorted."""
        return tuple(sorted(f.factory for f in self.factories if f.member == member))


def bucket_of(factory: str, buckets: int) -> int:
    """Return the stable bucket of a factory: the same on every machine and for ever."""
    return int.from_bytes(hashlib.sha256(factory.encode()).digest()[:8], "big") % buckets
