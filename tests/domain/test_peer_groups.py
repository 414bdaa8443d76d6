"""Who is compared with whom in a month, worked by hand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.cluster import (
    Breakdown,
    ClassPolicy,
    ClusterDefinition,
    DisclosurePolicy,
    Factory,
    Member,
    Owner,
    Traits,
    Waiver,
)
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.peer_groups import (
    PeerGroup,
    holdings_on,
    lineage,
    named,
    panel_of,
    peer_groups,
    traits_on,
    waived,
)

LONG_AGO, MAY, JUNE, JULY = date(2025, 1, 1), date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)
PROCESSES = {"die-casting": "casting", "gravity-casting": "casting", "casting": "*", "forming": "*"}
REGIONS = {"jinhae": "changwon", "changwon": "gyeongnam", "gyeongnam": "*"}


def park(*factories: Factory, **changes: object) -> ClusterDefinition:
    """Return a cluster of factories, each its own member's and holding's."""
    members = tuple(Member(f.member, f.member, f.member, f"{f.member}-holding") for f in factories)
    policy = DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))})
    cluster = ClusterDefinition("park", "단지", "Park", "Asia/Seoul", "KR", members, factories, (), policy)
    return replace(cluster, **changes)  # type: ignore[arg-type]


def plant(
    name: str, process: str | None = None, region: str | None = None, size: str | None = None
) -> Factory:
    return Factory(name, name, LONG_AGO, None, (Traits(LONG_AGO, process, region, size),))


def groups(
    cluster: ClusterDefinition, month: date = JUNE, processes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return `breakdown/group` and its factories in one word each."""
    found = peer_groups(cluster, month, processes or {})
    return {f"{g.breakdown}/{g.group}": " ".join(g.factories) for g in found}


def test_who_joins_in_mid_month_counts_from_the_next() -> None:
    cluster = park(
        Factory("a", "a", JUNE), Factory("b", "b", date(2026, 6, 2)), Factory("c", "c", date(2026, 5, 31))
    )
    assert panel_of(cluster, date(2026, 5, 31)) == ()
    assert panel_of(cluster, date(2026, 6, 15)) == ("a", "c")
    assert panel_of(cluster, JULY) == ("a", "b", "c")


def test_who_leaves_stays_to_its_months_end() -> None:
    cluster = park(Factory("a", "a", LONG_AGO, left=date(2026, 6, 2)), Factory("b", "b", LONG_AGO, left=JUNE))
    assert panel_of(cluster, MAY) == ("a", "b")
    # b's last day was 31 May.
    assert panel_of(cluster, date(2026, 6, 30)) == ("a",)
    assert panel_of(cluster, JULY) == ()


def test_traits_are_in_force_from_the_next_month_or_on_the_first() -> None:
    first, second, third = (
        Traits(LONG_AGO, size="micro"),
        Traits(date(2026, 5, 2), size="small"),
        Traits(JULY, size="medium"),
    )
    cluster = park(Factory("a", "a", LONG_AGO, None, (first, second, third)))
    found = [traits_on(cluster, "a", month).size for month in (MAY, date(2026, 5, 31), JUNE, JULY)]
    assert found == ["micro", "micro", "small", "medium"]


def test_before_its_first_traits_nothing_is_known_of_a_factory() -> None:
    cluster = park(Factory("a", "a", LONG_AGO, None, (Traits(date(2026, 5, 2), "casting"),)))
    assert traits_on(cluster, "a", MAY) == Traits(LONG_AGO)
    assert groups(cluster, MAY) == {"cluster/*": "a"}
    assert groups(cluster, JUNE) == {"cluster/*": "a", "process/casting": "a"}
    with pytest.raises(KeyError):
        traits_on(cluster, "b", MAY)


def test_a_member_that_is_sold_belongs_to_its_buyer_from_the_next_month() -> None:
    cluster = park(plant("a"), plant("b"))
    seller = replace(cluster.members[0], sold=(Owner(date(2026, 5, 2), "b-holding"), Owner(JULY, "c")))
    sold = replace(cluster, members=(seller, cluster.members[1]))
    found = [holdings_on(sold, month) for month in (MAY, date(2026, 6, 30), JULY)]
    assert [h["a"] for h in found] == ["a-holding", "b-holding", "c"]
    assert {h["b"] for h in found} == {"b-holding"}


def test_everybody_is_the_first_group_even_if_nobody_is_there() -> None:
    assert peer_groups(park(Factory("a", "a", JULY)), JUNE, {}) == (PeerGroup("cluster", "*", ()),)


def test_profiles_say_the_process_where_the_definition_does_not() -> None:
    cluster = park(plant("a", "casting"), plant("b"), Factory("c", "c", LONG_AGO))
    said = {"a": "forming", "b": "forming", "elsewhere": "forming"}
    assert groups(cluster, processes=said) == {
        "cluster/*": "a b c", "process/casting": "a", "process/forming": "b",
    }  # fmt: skip


def test_inner_nodes_of_a_tree_are_groups_of_all_that_is_below_them() -> None:
    cluster = park(
        plant("c", "gravity-casting"), plant("b", "die-casting"), plant("a", "die-casting"),
        plant("d", "casting"), plant("e", "forming"), plant("f", "sewing"),
        trees={"process": PROCESSES},
    )  # fmt: skip
    assert groups(cluster) == {
        "cluster/*": "a b c d e f",
        "process/casting": "a b c d",
        "process/die-casting": "a b",
        "process/forming": "e",
        "process/gravity-casting": "c",
        "process/sewing": "f",
    }


def test_groups_of_several_traits_are_of_one_code_each_at_every_height() -> None:
    cluster = park(
        plant("a", "die-casting", "jinhae", "small"),
        plant("b", "forming", "changwon", "small"),
        plant("c", "die-casting", None, "micro"),
        plant("d", "die-casting", "jinhae", None),
        trees={"process": PROCESSES, "region": REGIONS},
        breakdowns=(Breakdown(("process", "size")), Breakdown(("region", "process")), Breakdown(("size",))),
    )
    assert groups(cluster) == {
        "cluster/*": "a b c d",
        "process-size/casting+micro": "c",
        "process-size/casting+small": "a",
        "process-size/die-casting+micro": "c",
        "process-size/die-casting+small": "a",
        "process-size/forming+small": "b",
        "region-process/changwon+casting": "a d",
        "region-process/changwon+die-casting": "a d",
        "region-process/changwon+forming": "b",
        "region-process/gyeongnam+casting": "a d",
        "region-process/gyeongnam+die-casting": "a d",
        "region-process/gyeongnam+forming": "b",
        "region-process/jinhae+casting": "a d",
        "region-process/jinhae+die-casting": "a d",
        "size/micro": "c",
        "size/small": "a b",
    }


def test_groups_come_in_order_and_leave_out_who_is_not_in_the_panel() -> None:
    late = replace(plant("a", "casting"), joined=date(2026, 6, 2))
    found = peer_groups(park(plant("c", "forming"), plant("b", "casting"), late), JUNE, {})
    assert found == (
        PeerGroup("cluster", "*", ("b", "c")),
        PeerGroup("process", "casting", ("b",)),
        PeerGroup("process", "forming", ("c",)),
    )


@pytest.mark.parametrize(
    ("tree", "wrong"),
    [
        ({"a": "b", "b": "a"}, "is above itself"),
        ({"a": "a"}, "a is above itself"),
        ({"a": "b"}, "b, above a, is no code of the tree"),
    ],
)
def test_a_tree_that_is_none_is_refused(tree: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        lineage(tree, "a")


def test_a_waiver_holds_from_the_next_month_to_the_end_of_the_one_of_its_withdrawal() -> None:
    given_for_oee = Waiver("a", frozenset({"oee"}), date(2026, 5, 2), until=date(2026, 6, 15))
    given_for_all = Waiver("b", None, JUNE, named=True)
    withdrawn_on_the_first = Waiver("c", None, LONG_AGO, until=JUNE)
    cluster = park(plant("a"), waivers=(given_for_oee, given_for_all, withdrawn_on_the_first))
    assert waived(cluster, "oee", date(2026, 5, 31)) == {"c"}
    assert waived(cluster, "oee", date(2026, 6, 30)) == {"a", "b"}
    assert waived(cluster, "energy_kwh", JUNE) == {"b"}
    assert waived(cluster, "oee", JULY) == {"b"}
    assert named(cluster, "oee", MAY) == frozenset()
    assert named(cluster, "oee", JUNE) == {"b"}


@given(
    st.lists(st.tuples(st.sampled_from([*PROCESSES, None]), st.sampled_from([*REGIONS, None])), max_size=9),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30, deadline=None)
def test_a_factory_is_in_one_leaf_of_a_breakdown_and_in_all_that_is_above_it(
    codes: list[tuple[str | None, str | None]], chance: object
) -> None:
    factories = [plant(f"f{n}", *pair) for n, pair in enumerate(codes)]
    both = {
        "trees": {"process": PROCESSES, "region": REGIONS},
        "breakdowns": (Breakdown(("process",)), Breakdown(("process", "region"))),
    }
    found = peer_groups(park(*factories, **both), JUNE, {})
    for factory, (process, region) in zip(factories, codes, strict=True):
        own = {(g.breakdown, g.group) for g in found if factory.factory in g.factories} - {("cluster", "*")}
        heights = [
            len(lineage(tree, code)) if code else 0
            for tree, code in ((PROCESSES, process), (REGIONS, region))
        ]
        assert len({g for b, g in own if b == "process"}) == heights[0]
        assert len({g for b, g in own if b == "process-region"}) == heights[0] * heights[1]
        leaf = [g for g in found if g.breakdown == "process" and g.group == process]
        assert [factory.factory in g.factories for g in leaf] == [True] * (process is not None)
    chance.shuffle(factories)  # type: ignore[attr-defined]
    assert peer_groups(park(*factories, **both), JUNE, {}) == found
