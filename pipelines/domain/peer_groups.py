"""Peer groups: which factories are compared with each other in a calendar month, and whose they are.

Belongs here: panel, traits, holdings and waivers of a month, groups by trait and tree. Does not belong here:
figures of groups (benchmarks), and which of them may be released (disclosure).

Everything counts as it stands on the first day of the month: what changes in mid-month is in force from the
next, so that no two figures of one month differ by a single member.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Final, NamedTuple

from pipelines.domain.cluster import Breakdown, ClusterDefinition, Traits, Waiver

CLUSTER: Final = "cluster"
EVERYBODY: Final = "*"


class PeerGroup(NamedTuple):
    """Factories that are compared with each other.

    Args:
        breakdown: `cluster`, or the traits that make the group, such as `process-size`.
        group: a code, or a code of each trait joined by `+`; `*`: everybody.
        factories: sorted.
    """

    breakdown: str
    group: str
    factories: tuple[str, ...]


def panel_of(cluster: ClusterDefinition, month: date) -> tuple[str, ...]:
    """Return the factories that a month's figures are about, sorted.

    Who joins in mid-month counts from the next one; who leaves stays to the month's end.

    Args:
        cluster: its definition.
        month: any date of the month.
    """
    first = month.replace(day=1)
    return tuple(sorted(f.factory for f in cluster.factories if f.belongs_on(first)))


def traits_on(cluster: ClusterDefinition, factory: str, month: date) -> Traits:
    """Return a factory's traits in a month; none of them is known before the first that was declared.

    Raises:
        KeyError: the cluster doesn't know the factory.
    """
    known = {f.factory: f for f in cluster.factories}[factory]
    first = month.replace(day=1)
    return next((t for t in reversed(known.traits) if t.since <= first), Traits(known.joined))


def holdings_on(cluster: ClusterDefinition, month: date) -> dict[str, str]:
    """Return the holding of every factory's owner in a month, also of those outside its panel."""
    first = month.replace(day=1)
    owners = {m.member: m.holding_on(first) for m in cluster.members}
    return {f.factory: owners[f.member] for f in cluster.factories}


def peer_groups(
    cluster: ClusterDefinition, month: date, processes: Mapping[str, str]
) -> tuple[PeerGroup, ...]:
    """Return every group of a month's panel: everybody first, then by breakdown and group.

    A factory is in the group of its own code of a trait and in those of all codes above it, and in no other;
    a group of several traits is of one code each. A factory that lacks a trait is in no group of it.

    Args:
        cluster: its definition.
        month: any date of the month.
        processes: process by factory, as profiles say; counts where the definition names none.
    """
    panel = panel_of(cluster, month)
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for factory in panel:
        traits = traits_on(cluster, factory, month)
        whole = replace(traits, process=traits.process or processes.get(factory))
        for breakdown in cluster.breakdowns:
            for group in _groups_of(cluster, breakdown, whole):
                found[breakdown.name, group].append(factory)
    groups = (PeerGroup(*key, tuple(factories)) for key, factories in sorted(found.items()))
    return (PeerGroup(CLUSTER, EVERYBODY, panel), *groups)


def _groups_of(cluster: ClusterDefinition, breakdown: Breakdown, traits: Traits) -> Iterator[str]:
    codes: list[str | None] = [getattr(traits, trait) for trait in breakdown.traits]
    lineages = [
        () if code is None else lineage(cluster.trees.get(trait, {}), code)
        for trait, code in zip(breakdown.traits, codes, strict=True)
    ]
    return ("+".join(one_each) for one_each in product(*lineages))


def lineage(tree: Mapping[str, str], code: str) -> tuple[str, ...]:
    """Return a code and the codes above it, up to the top; a code that the tree doesn't know stands alone.

    Args:
        tree: parent of each code; a top code's is `*`.
        code: where to begin.

    Raises:
        ValueError: a code is above itself, or a parent is no code of the tree.
    """
    found = [code]
    parent = tree.get(code, EVERYBODY)
    while parent != EVERYBODY:
        if parent in found:
            raise ValueError(f"{parent} is above itself")
        if parent not in tree:
            raise ValueError(f"{parent}, above {found[-1]}, is no code of the tree")
        found.append(parent)
        parent = tree[parent]
    return tuple(found)


def waived(cluster: ClusterDefinition, kpi: str, day: date) -> frozenset[str]:
    """Return the holdings that waive protection of a KPI in the month of a date."""
    return frozenset(w.holding for w in _in_force(cluster, kpi, day))


def named(cluster: ClusterDefinition, kpi: str, day: date) -> frozenset[str]:
    """Return the holdings that may be shown by name (등대공장) for a KPI in the month of a date."""
    return frozenset(w.holding for w in _in_force(cluster, kpi, day) if w.named)


def _in_force(cluster: ClusterDefinition, kpi: str, day: date) -> Iterator[Waiver]:
    first = day.replace(day=1)
    return (
        w
        for w in cluster.waivers
        if (w.kpis is None or kpi in w.kpis) and w.since <= first and (w.until is None or first < w.until)
    )
