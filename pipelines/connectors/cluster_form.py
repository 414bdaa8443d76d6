"""The form of a cluster file: its keys, and what doesn't fit together in it.

Belongs here: the YAML's fields, their checks, and their turning into the domain's frozen facts. Does not
belong here: the policy's fields (policy_form), finding and reading files (clusters), what the facts mean
(pipelines.domain.cluster).
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from pipelines.connectors.carbon_form import CarbonForm
from pipelines.connectors.policy_form import PolicyForm, StrictForm, Text
from pipelines.connectors.rule_keys import FieldError
from pipelines.domain.cluster import (
    BaselinePeriod,
    Breakdown,
    ClusterDefinition,
    Factory,
    Gateway,
    Language,
    Member,
    Owner,
    Traits,
    Waiver,
)
from pipelines.domain.peer_groups import lineage
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.streams import ID_PATTERN

# Codes stand in ids of figures: no slash, no plus, no star.
_CODE = "[a-z0-9][a-z0-9_-]{0,39}"
Trait = Literal["process", "region", "size", "maturity"]
_CODED: tuple[Literal["process", "region"], ...] = ("process", "region")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no IANA time zone, such as Asia/Seoul") from None
    return name


def _a_tree(parents: dict[str, str]) -> dict[str, str]:
    for code in parents:
        try:
            lineage(parents, code)
        except ValueError as error:
            raise FieldError(code, str(error)) from error
    return parents


def _each_once(items: tuple[str, ...]) -> tuple[str, ...]:
    for place, item in enumerate(items):
        if item in items[:place]:
            raise FieldError(str(place), f"{item} is listed twice")
    return items


def _kpis(value: object) -> frozenset[str] | None:
    if value == "all":
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("write a list of KPI ids, or all")
    known = tuple(kpi_book().definitions)
    for kpi in value:
        if kpi not in known:
            raise ValueError(f"{kpi} is no KPI of the catalogue")
    return frozenset(value)


Id = Annotated[str, Field(pattern=rf"^{ID_PATTERN}$")]
Zone = Annotated[str, AfterValidator(_known_zone)]
Code = Annotated[str, Field(pattern=rf"^{_CODE}$")]
Tree = Annotated[
    dict[Code, Annotated[str, Field(pattern=rf"^(\*|{_CODE})$")]],
    AfterValidator(_a_tree),
]


class _Name(StrictForm):
    ko: Text
    en: Text


class _Traits(StrictForm):
    """What changes on a date; a key that is left out stays as it was, null: not known any more."""

    since: date
    process: Code | None = None
    region: Code | None = None
    size: Literal["micro", "small", "medium", "large"] | None = None
    maturity: Literal["basic", "intermediate1", "intermediate2", "advanced"] | None = None


class _Factory(StrictForm):
    factory: Id
    joined: date
    left: date | None = None
    traits: tuple[_Traits, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.left is not None and self.left <= self.joined:
            raise ValueError(f"{self.factory} leaves on {self.left}, not after it joined on {self.joined}")
        _ascending("traits", [t.since for t in self.traits])
        return self

    def of(self, member: str) -> Factory:
        """Return the factory of a member, with all that is known of it at each date."""
        known: dict[str, object] = {}
        traits = []
        for change in self.traits:
            known |= change.model_dump(exclude_unset=True)
            traits.append(Traits(**known))  # type: ignore[arg-type]
        return Factory(self.factory, member, self.joined, self.left, tuple(traits))


class _Owner(StrictForm):
    since: date
    holding: Id


class _Member(StrictForm):
    member: Id
    name: _Name
    holding: Id
    sold: tuple[_Owner, ...] = ()
    factories: tuple[_Factory, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _ascending("sold", [owner.since for owner in self.sold])
        return self

    @property
    def holdings(self) -> tuple[str, ...]:
        """All holdings that it ever belongs to."""
        return (self.holding, *(owner.holding for owner in self.sold))


class _Gateway(StrictForm):
    gateway: Id
    factories: tuple[Id, ...] = Field(min_length=1)


class _Waiver(StrictForm):
    holding: Id
    kpis: Annotated[frozenset[str] | None, PlainValidator(_kpis)]
    since: date
    until: date | None = None
    named: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and self.until <= self.since:
            raise FieldError("until", f"it ends on {self.until}, not after it begins on {self.since}")
        return self


class _Trees(StrictForm):
    process: Tree = Field(default_factory=dict)
    region: Tree = Field(default_factory=dict)

    def of(self, trait: Literal["process", "region"]) -> Mapping[str, str]:
        """Return the tree of a trait; empty: it has none."""
        return self.process if trait == "process" else self.region


class _Baseline(StrictForm):
    """The baseline period as a person writes it: both dates are part of it."""

    from_: date = Field(alias="from")
    to: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise ValueError(f"it ends on {self.to}, before it begins on {self.from_}")
        return self

    def period(self) -> BaselinePeriod:
        """Return the period, its end excluded."""
        return BaselinePeriod(self.from_, self.to + timedelta(days=1))


class ClusterForm(StrictForm):
    """A cluster file."""

    cluster: Id
    name: _Name
    zone: Zone
    geography: str = Field(pattern=r"^[A-Z]{2}$")
    languages: Annotated[tuple[Language, ...], Field(min_length=1), AfterValidator(_each_once)] = ("ko", "en")
    open_to_imports: bool = False
    carriers_shared: frozenset[str] = frozenset({"electricity"})
    lead_firm: Id | None = None
    policy: PolicyForm
    baseline: _Baseline | None = None
    breakdowns: tuple[Annotated[tuple[Trait, ...], Field(min_length=1), AfterValidator(_each_once)], ...] = (
        ("process",),
    )
    trees: _Trees = _Trees()
    members: tuple[_Member, ...] = ()
    gateways: tuple[_Gateway, ...] = ()
    waivers: tuple[_Waiver, ...] = ()
    carbon: CarbonForm = CarbonForm()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _refuse_repeats("member", (m.member for m in self.members))
        _refuse_repeats("gateway", (g.gateway for g in self.gateways))
        _refuse_repeats("factory", (f.factory for m in self.members for f in m.factories))
        for gateway in self.gateways:
            _refuse_repeats(f"factory of gateway {gateway.gateway}", gateway.factories)
        if not self.members and not self.open_to_imports:
            raise ValueError("it has no members and is not open to imports")
        self._refuse_twin_breakdowns()
        self._refuse_strange_codes()
        self._refuse_strange_holdings()
        self.carbon.refuse_strangers({f.factory for m in self.members for f in m.factories})
        return self

    def _refuse_twin_breakdowns(self) -> None:
        for place, traits in enumerate(self.breakdowns):
            if set(traits) in [set(other) for other in self.breakdowns[:place]]:
                raise FieldError(f"breakdowns.{place}", "its groups are those of an earlier one")

    def _refuse_strange_codes(self) -> None:
        """Refuse codes that a trait's tree doesn't know: misspelt, they would be groups of their own."""
        for m, member in enumerate(self.members):
            for f, factory in enumerate(member.factories):
                for t, traits in enumerate(factory.traits):
                    for trait in _CODED:
                        code, tree = getattr(traits, trait), self.trees.of(trait)
                        if tree and code is not None and code not in tree:
                            field = f"members.{m}.factories.{f}.traits.{t}.{trait}"
                            raise FieldError(field, f"{code} is no code of trees.{trait}")

    def _refuse_strange_holdings(self) -> None:
        known = {holding for member in self.members for holding in member.holdings}
        for place, waiver in enumerate(self.waivers):
            if waiver.holding not in known:
                raise FieldError(f"waivers.{place}.holding", f"no member belongs to {waiver.holding}")

    def definition(self) -> ClusterDefinition:
        """Return the cluster's frozen facts."""
        return ClusterDefinition(
            cluster=self.cluster,
            name_ko=self.name.ko,
            name_en=self.name.en,
            zone=self.zone,
            geography=self.geography,
            members=tuple(
                Member(
                    m.member, m.name.ko, m.name.en, m.holding,
                    tuple(Owner(owner.since, owner.holding) for owner in m.sold),
                )
                for m in self.members
            ),
            factories=tuple(f.of(m.member) for m in self.members for f in m.factories),
            gateways=tuple(Gateway(g.gateway, frozenset(g.factories)) for g in self.gateways),
            policy=self.policy.limits(),
            open_to_imports=self.open_to_imports,
            carriers_shared=self.carriers_shared,
            baseline=None if self.baseline is None else self.baseline.period(),
            lead_firm=self.lead_firm,
            breakdowns=tuple(Breakdown(tuple(traits)) for traits in self.breakdowns),
            trees={trait: self.trees.of(trait) for trait in _CODED if self.trees.of(trait)},
            waivers=tuple(Waiver(w.holding, w.kpis, w.since, w.until, w.named) for w in self.waivers),
            languages=self.languages,
            carbon=self.carbon.policy(),
        )  # fmt: skip


def _ascending(field: str, dates: Iterable[date]) -> None:
    for place, (before, since) in enumerate(pairwise(dates), start=1):
        if since <= before:
            raise FieldError(f"{field}.{place}.since", f"{since} is not after {before}; the oldest is first")


def _refuse_repeats(what: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise ValueError(f"{what} {name} is listed twice")
        seen.add(name)
