"""Cluster definitions are read whole, or refused with one line that names file and field."""

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from pipelines.connectors.clusters import claimed_topics, load_cluster, load_clusters
from pipelines.domain.cluster import (
    BaselinePeriod,
    Breakdown,
    CarbonPolicy,
    ClassPolicy,
    Member,
    Owner,
    Traits,
    Waiver,
)
from pipelines.domain.disclosure.policy import Dominance, TablePolicy
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.contracts import packaged_folder

GOOD = """
cluster: park
name: {ko: 단지, en: Park}
zone: Asia/Seoul
geography: KR
policy: {version: "1", classes: {A: {min_contributors: 3, coalition: 1}}}
members:
  - member: a
    name: {ko: 가, en: A}
    holding: h
    factories:
      - {factory: a1, joined: 2025-01-01, left: 2025-07-01}
gateways:
  - {gateway: g, factories: [a1, elsewhere]}
"""

WHOLE = """
cluster: park
name: {ko: 단지, en: Park}
zone: Asia/Seoul
geography: KR
languages: [en]
lead_firm: customer
breakdowns: [[process], [process, size]]
trees:
  process: {die-casting: casting, casting: "*", heat_treatment: "*"}
policy:
  version: "2"
  persistence_percent: 2.5
  not_released: [scrap_ratio]
  classes:
    A: {min_contributors: 3, coalition: 1, dominance: [{n: 2, k_percent: 82.5}], strict: false}
    B: {min_contributors: 6, coalition: 2, share_limit_percent: 20, ageing_months: 4, coarsening: 3,
        periods: [month], holding_p_percent: 15, frequency_range_percent: 12}
members:
  - member: a
    name: {ko: 가, en: A}
    holding: h
    sold:
      - {since: 2025-03-15, holding: i}
      - {since: 2025-09-01, holding: j}
    factories:
      - factory: a1
        joined: 2025-01-01
        traits:
          - {since: 2025-01-01, process: die-casting, region: east, size: small, maturity: basic}
          - {since: 2025-02-01, maturity: intermediate2}
          - {since: 2025-06-01, region: null}
waivers:
  - {holding: j, kpis: [oee, energy_kwh], since: 2025-02-01, until: 2025-08-01, named: true}
  - {holding: h, kpis: all, since: 2025-02-01}
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


def test_every_key_of_a_definition_is_turned_into_a_fact(tmp_path: Path) -> None:
    cluster = load_cluster(write(tmp_path, WHOLE), "park")
    assert (cluster.languages, cluster.lead_firm) == (("en",), "customer")
    assert cluster.breakdowns == (Breakdown(("process",)), Breakdown(("process", "size")))
    assert cluster.trees == {"process": {"die-casting": "casting", "casting": "*", "heat_treatment": "*"}}
    assert cluster.policy.version == "2"
    assert cluster.policy.persistence_percent == Fraction(5, 2)
    assert cluster.policy.not_released == {"scrap_ratio"}
    assert cluster.policy.classes == {
        "A": ClassPolicy(TablePolicy(3, (Dominance(2, Fraction(165, 2)),), coalition=1, strict=False)),
        "B": ClassPolicy(
            TablePolicy(
                6, coalition=2, share_limit_percent=Fraction(20), holding_p_percent=Fraction(15),
                frequency_range_percent=Fraction(12),
            ),
            ageing_months=4, coarsening=3, periods=frozenset({"month"}),
        ),
    }  # fmt: skip
    assert cluster.members == (
        Member("a", "가", "A", "h", (Owner(date(2025, 3, 15), "i"), Owner(date(2025, 9, 1), "j"))),
    )
    assert cluster.waivers == (
        Waiver("j", frozenset({"oee", "energy_kwh"}), date(2025, 2, 1), date(2025, 8, 1), named=True),
        Waiver("h", None, date(2025, 2, 1)),
    )


def test_a_trait_that_is_left_out_stays_as_it_was_and_null_ends_it(tmp_path: Path) -> None:
    cluster = load_cluster(write(tmp_path, WHOLE), "park")
    assert cluster.factories[0].traits == (
        Traits(date(2025, 1, 1), "die-casting", "east", "small", "basic"),
        Traits(date(2025, 2, 1), "die-casting", "east", "small", "intermediate2"),
        Traits(date(2025, 6, 1), "die-casting", None, "small", "intermediate2"),
    )


def test_what_is_not_said_is_the_plainest(tmp_path: Path) -> None:
    cluster = load_cluster(write(tmp_path, GOOD), "park")
    assert cluster.breakdowns == (Breakdown(("process",)),)
    assert (cluster.trees, cluster.waivers, cluster.lead_firm) == ({}, (), None)
    assert cluster.languages == ("ko", "en")
    assert cluster.policy.persistence_percent == 5
    assert cluster.policy.classes == {"A": ClassPolicy(TablePolicy(3, coalition=1))}


def test_a_class_without_limits_is_not_there(tmp_path: Path) -> None:
    nothing = GOOD.replace("{A: {min_contributors: 3, coalition: 1}}", "{}")
    assert load_cluster(write(tmp_path, nothing), "park").policy.classes == {}


def test_both_dates_of_a_declared_baseline_belong_to_it(tmp_path: Path) -> None:
    declared = GOOD + "baseline: {from: 2025-01-01, to: 2025-03-31}"
    cluster = load_cluster(write(tmp_path, declared), "park")
    assert cluster.baseline == BaselinePeriod(date(2025, 1, 1), date(2025, 4, 1))
    assert load_cluster(write(tmp_path, GOOD), "park").baseline is None


def test_how_statements_of_emissions_are_made_is_declared_or_plain(tmp_path: Path) -> None:
    declared = GOOD + "carbon: {base_year: 2024, significance_percent: 2.5, leased: [a1], gwp_set: AR6}"
    policy = load_cluster(write(tmp_path, declared), "park").carbon
    assert policy == CarbonPolicy(
        gwp_set="AR6", base_year=2024, significance_percent=Fraction("2.5"), leased=("a1",)
    )
    assert load_cluster(write(tmp_path, GOOD), "park").carbon == CarbonPolicy()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (
            "geography: KR",
            "geography: KR\nbaseline: {from: 2025-03-31, to: 2025-01-01}",
            "ends on 2025-01-01",
        ),
        ("geography: KR", "geography: KR\nbaseline: {from: 2025-01-01}", "baseline.to"),
        ("geography: KR", "geography: KR\ncarbon: {gwp_set: AR7}", "carbon.gwp_set"),
        ("geography: KR", "geography: KR\ncarbon: {leased: [zz]}", "carbon.leased.0"),
        (
            "geography: KR",
            "geography: KR\ncarbon: {exclusions: [{factory: zz, reason: x}]}",
            "carbon.exclusions.0.factory",
        ),
        ("geography: KR", "geography: KR\ncarbon: {significance_percent: 0}", "carbon.significance_percent"),
        ("zone: Asia/Seoul", "zone: Asia/Soul", "zone"),
        ("zone: Asia/Seoul", "zone: /etc/passwd", "zone"),
        ("cluster: park", "cluster: Park.1", "cluster"),
        ("cluster: park", "cluster: other", "other"),
        ("geography: KR", "geography: KR\ncolour: red", "colour"),
        ("joined: 2025-01-01", "joined: soon", "members.0.factories.0.joined"),
        ("left: 2025-07-01", "left: 2025-01-01", "a1 leaves on"),
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


A, B, FIRST = "policy.classes.A", "policy.classes.B", "members.0.factories.0.traits"


@pytest.mark.parametrize(
    ("old", "new", "place", "wrong"),
    [
        ("lead_firm: customer", "lead_firm: Customer", "lead_firm", "pattern"),
        ("languages: [en]", "languages: [jp]", "languages.0", "'ko' or 'en'"),
        ("languages: [en]", "languages: [en, en]", "languages.1", "en is listed twice"),
        ("languages: [en]", "languages: []", "languages", "at least 1 item"),
        ("[[process], [process, size]]", "[[colour]]", "breakdowns.0.0", "'process', 'region'"),
        ("[[process], [process, size]]", "[[]]", "breakdowns.0", "at least 1 item"),
        ("[[process], [process, size]]", "[[size, size]]", "breakdowns.0.1", "size is listed twice"),
        (
            "[[process], [process, size]]",
            "[[size, process], [process, size]]",
            "breakdowns.1",
            "groups are those of an earlier one",
        ),
        ("[[process], [process, size]]", "process", "breakdowns", "valid tuple"),
        ('casting: "*"', "casting: metal", "trees.process.die-casting", "metal, above casting, is no code"),
        ('casting: "*"', "casting: die-casting", "trees.process.die-casting", "die-casting is above itself"),
        ('casting: "*"', '"*": casting', "trees.process.*", "pattern"),
        ('casting: "*"', 'casting/a: "*"', "trees.process.casting/a", "pattern"),
        ('casting: "*"', "casting: a+b", "trees.process.casting", "pattern"),
        ("  process: {die", "  size: {die", "trees.size", "not permitted"),
        ("process: die-casting", "process: forming", f"{FIRST}.0.process", "forming is no code of trees"),
        ("process: die-casting", 'process: "*"', f"{FIRST}.0.process", "pattern"),
        ("region: east", "region: a+b", f"{FIRST}.0.region", "pattern"),
        ("size: small", "size: tiny", f"{FIRST}.0.size", "'micro', 'small'"),
        ("maturity: basic", "maturity: top", f"{FIRST}.0.maturity", "'basic', 'intermediate1'"),
        ("maturity: basic", "colour: red", f"{FIRST}.0.colour", "not permitted"),
        ("{since: 2025-02-01, mat", "{mat", f"{FIRST}.1.since", "required"),
        ("{since: 2025-06-01, reg", "{since: 2025-02-01, reg", f"{FIRST}.2.since", "not after 2025-02-01"),
        (
            "2025-09-01, holding: j",
            "2025-03-15, holding: j",
            "members.0.sold.1.since",
            "not after 2025-03-15",
        ),
        ("2025-09-01, holding: j", "2025-09-01, holding: J", "members.0.sold.1.holding", "pattern"),
        ("{holding: h, kpis", "{holding: k, kpis", "waivers.1.holding", "no member belongs to k"),
        ("kpis: all", "kpis: [oee, beauty]", "waivers.1.kpis", "beauty is no KPI"),
        ("kpis: all", "kpis: [[oee]]", "waivers.1.kpis", "is no KPI"),
        ("kpis: all", "kpis: []", "waivers.1.kpis", "list of KPI ids, or all"),
        ("kpis: all", "kpis: ", "waivers.1.kpis", "list of KPI ids, or all"),
        ("kpis: all, ", "", "waivers.1.kpis", "required"),
        ("until: 2025-08-01", "until: 2025-02-01", "waivers.0.until", "not after it begins on 2025-02-01"),
        ("named: true", "named: 1", "waivers.0.named", "boolean"),
        ("named: true", "name: true", "waivers.0.name", "not permitted"),
        ("persistence_percent: 2.5", "persistence_percent: 0", "policy.persistence_percent", "above 0"),
        ("[scrap_ratio]", "[beauty]", "policy.not_released", "KPI beauty is unknown"),
        ('version: "2"', "version: 2", "policy.version", "string"),
        ("    A: {", "    C: {", "policy.classes.C", "'A' or 'B'"),
        ("min_contributors: 3", "min_contributors: 2", f"{A}.min_contributors", "at least 3 for class A"),
        ("min_contributors: 3, ", "", f"{A}.min_contributors", "at least 3 for class A"),
        ("coalition: 1, ", "", f"{A}.coalition", "at least 1 for class A"),
        ("coalition: 1", "coalition: 0", f"{A}.coalition", "at least 1"),
        ("k_percent: 82.5", "k_percent: 0", f"{A}.dominance", "above 0"),
        ("strict: false", "frozen: cells.csv", f"{A}.frozen", "unknown; use min_contributors"),
        ("strict: false", "frequency_range_percent: 9", f"{A}.frequency_range_percent", "at least 10"),
        ("strict: false", "ageing_months: true", f"{A}.ageing_months", "valid integer"),
        ("strict: false", "ageing_months: -1", f"{A}.ageing_months", "greater than or equal to 0"),
        ("strict: false", "coarsening: 0", f"{A}.coarsening", "greater than or equal to 1"),
        ("strict: false", "periods: []", f"{A}.periods", "at least 1 item"),
        ("strict: false", "periods: [week]", f"{A}.periods.0", "'day', 'month' or 'rolling12'"),
        ("min_contributors: 6", "min_contributors: 4", f"{B}.min_contributors", "at least 5 for class B"),
        ("coalition: 2", "coalition: 1", f"{B}.coalition", "at least 2 for class B"),
        ("share_limit_percent: 20, ", "", f"{B}.share_limit_percent", "at most 25 for class B"),
        ("share_limit_percent: 20", "share_limit_percent: 25.1", f"{B}.share_limit_percent", "at most 25"),
        ("ageing_months: 4", "ageing_months: 2", f"{B}.ageing_months", "at least 3 for class B"),
        ("coarsening: 3", "coarsening: 1", f"{B}.coarsening", "at least 2 for class B"),
        ("periods: [month]", "periods: [month, day]", f"{B}.periods", "without day"),
        ("periods: [month], ", "", f"{B}.periods", "without day"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(
    tmp_path: Path, old: str, new: str, place: str, wrong: str
) -> None:
    assert WHOLE.count(old) == 1
    with pytest.raises(OperatorError) as caught:
        load_cluster(write(tmp_path, WHOLE.replace(old, new)), "park")
    assert caught.value.code is ExitCode.SETTINGS
    assert f"park.yaml, {place}" in caught.value.english
    assert wrong in caught.value.english
    assert f"park.yaml, {place}" in caught.value.korean
    assert "\n" not in caught.value.english + caught.value.korean


def test_the_form_of_a_policy_without_classes_is_refused(tmp_path: Path) -> None:
    old = GOOD.replace("classes: {A: {min_contributors: 3, coalition: 1}}", "min_contributors: 3")
    with pytest.raises(OperatorError, match=r"policy\.classes: Field required"):
        load_cluster(write(tmp_path, old), "park")


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
