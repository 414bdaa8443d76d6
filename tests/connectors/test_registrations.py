"""Factories that joined by an import: recorded once, with the earliest date."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.connectors.objects import open_objects
from pipelines.connectors.registrations import StoredRegistrations, with_registrations
from pipelines.domain.cluster import ClassPolicy, ClusterDefinition, DisclosurePolicy, Factory, Member
from pipelines.domain.disclosure.policy import TablePolicy

EARLIER, LATER = date(2015, 1, 1), date(2018, 1, 1)
OPEN = ClusterDefinition(
    cluster="imported",
    name_ko="가져온 측정값",
    name_en="Imported",
    zone="Asia/Seoul",
    geography="KR",
    members=(Member("own", "자체", "Own", "own"),),
    factories=(Factory("own", "own", LATER),),
    gateways=(),
    policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))}),
    open_to_imports=True,
)


@pytest.fixture
def registrations(tmp_path: Path) -> StoredRegistrations:
    return StoredRegistrations(open_objects(str(tmp_path)))


def test_an_empty_store_knows_no_factory(registrations: StoredRegistrations) -> None:
    assert registrations.known() == {}


@pytest.mark.parametrize("dates", [(EARLIER, LATER), (LATER, EARLIER)], ids=["earlier-first", "later-first"])
def test_the_earlier_of_two_dates_of_joining_stays(
    registrations: StoredRegistrations, dates: tuple[date, date]
) -> None:
    for joined in dates:
        registrations.add("steel", joined)
    assert registrations.known() == {"steel": EARLIER}


def test_factories_are_known_in_order_of_id(registrations: StoredRegistrations) -> None:
    for factory in ("c", "a", "b"):
        registrations.add(factory, LATER)
    assert list(registrations.known()) == ["a", "b", "c"]


def test_each_imported_factory_is_a_member_and_a_holding_of_its_own() -> None:
    cluster = with_registrations(OPEN, {"steel": EARLIER, "paper": LATER})
    assert cluster.member_of("steel") == "steel"
    assert cluster.holding_of("steel") != cluster.holding_of("paper")
    assert [f.joined for f in cluster.factories] == [LATER, EARLIER, LATER]
    assert cluster.member_of("own") == "own"


def test_without_registrations_a_cluster_stays_as_it_is_defined() -> None:
    assert with_registrations(OPEN, {}) == OPEN
