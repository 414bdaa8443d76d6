"""Who is compared, what is published of how many, trends and names: worked by hand."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from pipelines.domain.benchmarks import Comparison, level
from pipelines.domain.cluster import (
    Breakdown,
    ClassPolicy,
    ClusterDefinition,
    DisclosurePolicy,
    Owner,
    Traits,
    Waiver,
)
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.periods import Period
from tests.domain.comparing import (
    CATALOGUE,
    DAY,
    NEWEST,
    NIGHT,
    PER_UNIT,
    Row,
    by_id,
    cluster,
    figures_of,
    night,
    row,
)

OCTOBER, NOVEMBER = date(2025, 10, 1), date(2025, 11, 1)
BOTH = ((OCTOBER, 10.0), (NOVEMBER, 20.0))
IN_DECEMBER = NIGHT.replace(month=12, day=3)


def day_figure(rows: list[Row], who: ClusterDefinition, name: str) -> Row:
    return by_id(night(rows, who, (DAY, "day")))[f"demo/{name}"]


def traited(who: ClusterDefinition, *sizes: str) -> ClusterDefinition:
    since = date(2025, 1, 1)
    return replace(
        who,
        breakdowns=(Breakdown(("process",)), Breakdown(("size",))),
        factories=tuple(
            replace(f, traits=(Traits(since, size=size),))
            for f, size in zip(who.factories, sizes, strict=True)
        ),
    )


def test_every_group_has_figures_but_output_is_compared_within_a_process_only() -> None:
    who = traited(cluster("abcdef"), *["small"] * 3, *["large"] * 3)
    rows = [row(n, kpi, 60.0, 100.0) for n in range(6) for kpi in ("oee", PER_UNIT)]
    found = by_id(night(rows, who, (DAY, "day")))
    assert set(found) == {
        f"demo/{group}/day/{DAY}/{kpi}@1"
        for group, kpi in [
            ("cluster/*", "oee"), ("size/large", "oee"), ("size/small", "oee"), ("process/forming", "oee"),
            ("process/forming", PER_UNIT),
        ]
    }  # fmt: skip


def test_nobody_s_figure_is_no_figure() -> None:
    assert by_id(night([], cluster("abc"), (DAY, "day"))) == {}


def test_nine_holdings_give_a_median_with_its_interval_and_the_thirds() -> None:
    # As in test_order_statistics: 0.675 between 0.65 and 0.70, ranks 2 and 8 outward, thirds of type 7
    ratios = [0.82, 0.41, 0.63, 0.96, 0.52, 0.71, 0.58, 0.77, 0.675]
    rows = [row(n, PER_UNIT, ratio * 100, 100.0) for n, ratio in enumerate(ratios)]
    figure = day_figure(rows, cluster("abcdefghi"), f"process/forming/day/{DAY}/{PER_UNIT}@1")
    assert (figure["value"], figure["interval_low"], figure["interval_high"]) == (0.7, 0.5, 0.85)
    assert (figure["p33"], figure["p67"], figure["p25"], figure["p75"]) == (0.6, 0.75, None, None)


def test_a_product_of_quotients_is_made_of_sums_and_not_of_products() -> None:
    # NEE = AUPT x PRU GQ / (PBT x APT) here. Holding e: 15 x 11 / (40 x 15) = 0.275 -> 0.30, in the middle of
    # 0.20, 0.25, 0.60, 0.70; a sum of products over another would be 445 / 1,050 = 0.42
    parts = [
        [5, 2, 2, 10, 5, 2], [5, 2.5, 2.5, 10, 5, 2.5], [5, 6, 6, 10, 5, 6], [5, 7, 7, 10, 5, 7],
        [5, 9, 9, 10, 5, 9], [10, 2, 2, 30, 10, 2],
    ]  # fmt: skip
    rows = [
        row(n, "nee", p[0] * p[1] * p[2], p[3] * p[4] * p[5], sums=[float(x) for x in p])
        for n, p in enumerate(parts)
    ]
    name = f"cluster/*/day/{DAY}/nee@1"
    assert day_figure(rows, cluster("abcdee"), name)["value"] == 0.3
    few = day_figure(rows, cluster("abcddd"), name)
    assert (few["status"], few["value"]) == ("withheld", None)  # four holdings: no order, and no sum to show


def test_a_constant_counts_once_for_a_holding() -> None:
    # Holding e: (100,000 + 44,000) s / (0 + 1 failures + 1) = 72,000 s, between 43,200 and 144,000
    parts = [(36_000, 0), (43_200, 0), (144_000, 0), (216_000, 0), (100_000, 0), (44_000, 1)]
    rows = [
        row(n, "mtbf_fe1_s", tbf, failures + 1, sums=[float(tbf), float(failures)])
        for n, (tbf, failures) in enumerate(parts)
    ]
    figure = day_figure(rows, cluster("abcdee"), f"process/forming/day/{DAY}/mtbf_fe1_s@1")
    assert figure["value"] == 72_000.0


AGED = ClassPolicy(
    TablePolicy(5), ageing_months=3, coarsening=2, periods=frozenset({"month", "rolling12"})
)  # fmt: skip


@pytest.mark.parametrize(("on", "shown"), [(date(2025, 11, 30), False), (date(2025, 12, 1), True)])
def test_class_b_is_shown_when_it_is_old_enough_and_on_a_coarser_grid(on: date, *, shown: bool) -> None:
    august = date(2025, 8, 1)
    days = [18.0, 19.0, 21.0, 23.0, 25.0]
    rows = [
        row(n, "inventory_days", d * 10, 10.0, day=august, period="month") for n, d in enumerate(days)
    ]  # fmt: skip
    rows += [row(n, "inventory_days", 200.0, 10.0) for n in range(5)]
    policy = DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3)), "B": AGED})
    who = replace(cluster("abcde"), policy=policy)
    known_at = datetime.combine(on, NIGHT.timetz())
    found = by_id(night(rows, who, (august, "month"), (DAY, "day"), known_at=known_at))
    # 21 d on a grid of 2 x 1 d: ties to the even point, 10 x 2
    expected = {f"demo/process/forming/month/{august}/inventory_days@1": 20.0} if shown else {}
    assert {name: figure["value"] for name, figure in found.items()} == expected


def test_a_class_without_a_policy_is_not_released() -> None:
    rows = [row(n, "inventory_days", 200.0, 10.0) for n in range(5)]
    assert by_id(night(rows, cluster("abcde"), (DAY, "day"))) == {}


def months(kpi: str, october: dict[int, float], november: dict[int, float]) -> list[Row]:
    return [
        row(n, kpi, amount, 100.0, day=first, period="month")
        for first, amounts in ((OCTOBER, october), (NOVEMBER, november))
        for n, amount in amounts.items()
    ]


def test_a_trend_is_of_the_same_factories_in_both_months() -> None:
    four = range(4)
    rows = months("oee", dict.fromkeys(four, 50.0), dict.fromkeys(four, 60.0))
    found = by_id(night(rows, cluster("abcde"), (NOVEMBER, "month"), known_at=IN_DECEMBER))
    name = f"demo/cluster/*/month/{NOVEMBER}/oee@1/trend"
    trend = found[name]
    assert (trend["statistic"], trend["status"]) == ("trend", "published")
    assert (trend["previous_value"], trend["value"]) == (0.5, 0.6)
    # The level's own row has no earlier value.
    assert found[name.removesuffix("/trend")]["previous_value"] is None


@pytest.mark.parametrize(("newcomers", "status"), [(1, "withheld"), (3, "published")])
def test_who_is_in_a_month_and_not_in_its_trend_is_nobody_or_hidden_among_others(
    newcomers: int, status: str
) -> None:
    rows = months("oee", dict.fromkeys(range(4), 50.0), dict.fromkeys(range(4 + newcomers), 60.0))
    found = by_id(night(rows, cluster("abcdefg"), (NOVEMBER, "month"), known_at=IN_DECEMBER))
    trend = found[f"demo/cluster/*/month/{NOVEMBER}/oee@1/trend"]
    assert trend["status"] == status
    assert (trend["value"], trend["previous_value"]) == (
        (0.6, 0.5) if status == "published" else (None, None)
    )


def test_a_trend_of_many_is_of_medians_and_of_nothing_else() -> None:
    nine = range(9)
    rows = months(PER_UNIT, {n: 50.0 + n for n in nine}, {n: 61.0 + n for n in nine})
    found = by_id(night(rows, cluster("abcdefghi"), (NOVEMBER, "month"), known_at=IN_DECEMBER))
    name = f"demo/process/forming/month/{NOVEMBER}/{PER_UNIT}@1"
    # medians 0.54 -> 0.55 and 0.65; their interval stands in the level's row
    trend = found[f"{name}/trend"]
    assert (trend["previous_value"], trend["value"], trend["p33"]) == (0.55, 0.65, None)
    assert (found[name]["interval_low"], trend["interval_low"]) == (0.6, None)


def test_a_median_is_not_compared_with_a_ratio_of_sums() -> None:
    # Five holdings in October; in November one owns two of the factories.
    rows = months(PER_UNIT, dict.fromkeys(range(5), 50.0), dict.fromkeys(range(5), 60.0))
    who = cluster("abcde")
    sold = replace(who.members[4], sold=(Owner(NOVEMBER, "d"),))
    who = replace(who, members=(*who.members[:4], sold))
    found = by_id(night(rows, who, (NOVEMBER, "month"), known_at=IN_DECEMBER))
    assert [f["statistic"] for f in found.values()] == ["ratio_of_sums"]


def test_a_total_and_a_month_without_one_before_have_no_trend() -> None:
    rows = [row(n, "energy_kwh", 10.0, day=m, period="month") for n in range(4) for m in (OCTOBER, NOVEMBER)]
    rows += months("oee", {}, dict.fromkeys(range(4), 60.0))
    found = by_id(night(rows, cluster("abcd"), (NOVEMBER, "month"), known_at=IN_DECEMBER))
    assert not [name for name in found if name.endswith("/trend")]


def test_years_have_the_amounts_of_their_months_each_with_its_owner_of_then() -> None:
    year = Period(date(2024, 12, 1), "rolling12")
    rows = [row(0, "energy_kwh", 30.0, day=year.start, period="rolling12")]
    rows += [
        row(0, "energy_kwh", kwh, day=m, period="month") for m, kwh in ((OCTOBER, 10.0), (NOVEMBER, 20.0))
    ]
    comparison = Comparison(
        "id", NEWEST["energy_kwh"], "cluster", "*", year, ("f0",), lambda m: {"f0": f"owner-{m.month}"}
    )
    found = level(figures_of(rows), comparison)
    assert found is not None
    assert [(first, [(c.holding, c.numerator) for c in own]) for first, own in found.candidate.months] == [
        (OCTOBER, [("owner-10", 10.0)]),
        (NOVEMBER, [("owner-11", 20.0)]),
    ]
    assert [c.holding for c in found.candidate.contributions] == ["owner-11"]


def test_a_mean_over_months_is_a_sum_of_what_each_adds() -> None:
    year = Period(date(2024, 12, 1), "rolling12")
    rows = [row(0, "jobs", 15.0, day=year.start, period="rolling12")]
    rows += [
        row(0, "jobs", people, day=m, period="month") for m, people in ((OCTOBER, 10.0), (NOVEMBER, 20.0))
    ]
    comparison = Comparison("id", NEWEST["jobs"], "cluster", "*", year, ("f0",), lambda _: {"f0": "a"})
    found = level(figures_of(rows), comparison)
    assert found is not None
    assert [own[0].numerator for _, own in found.candidate.months] == [5.0, 10.0]


def referring(holdings: str, *, named: bool = True) -> ClusterDefinition:
    consent = Waiver("a", frozenset({"oee"}), date(2025, 1, 1), named=named)
    return replace(cluster(holdings), waivers=(consent,))


def test_a_named_reference_stands_on_the_grid_with_its_member() -> None:
    rows = [row(n, "oee", 50.0 + n * 4, 100.0) for n in range(4)] + [row(3, "availability", 70.0, 100.0)]
    found = by_id(night(rows, referring("bcda"), (DAY, "day")))
    names = [name for name in found if "/named/" in name]
    assert names == [f"demo/cluster/*/day/{DAY}/oee@1/named/m3"]
    figure = found[names[0]]
    # 0.62 -> 0.60
    assert (figure["statistic"], figure["status"], figure["value"]) == ("named_reference", "published", 0.6)
    assert (figure["reference_member"], figure["contributors"]) == ("m3", "fewer than 10")


@pytest.mark.parametrize("who", [referring("bcaa"), referring("bcda", named=False), cluster("bcda")])
def test_without_a_name_of_its_own_or_a_consent_nobody_is_named(who: ClusterDefinition) -> None:
    rows = [row(n, "oee", 60.0, 100.0) for n in range(4)]
    assert not [name for name in by_id(night(rows, who, (DAY, "day"))) if "/named/" in name]


@pytest.mark.parametrize(
    ("since", "until", "statuses"),
    [
        (NOVEMBER, None, ["published"]),  # it consents in the year's last month
        (date(2024, 1, 1), date(2025, 6, 1), []),  # it did when the year began
    ],
)
def test_consents_of_a_year_are_those_of_its_last_month(
    since: date, until: date | None, statuses: list[str]
) -> None:
    consent = Waiver("a", None, since, until, named=True)
    who = replace(cluster("bcda"), waivers=(consent,))
    year = date(2024, 12, 1)
    rows = [row(n, "oee", 60.0, 100.0, day=year, period="rolling12") for n in range(4)]
    rows += [row(n, "oee", 60.0, 100.0, day=NOVEMBER, period="month") for n in range(4)]
    found = by_id(night(rows, who, (year, "rolling12"), known_at=IN_DECEMBER))
    assert [figure["status"] for name, figure in found.items() if "/named/" in name] == statuses


def test_what_is_sealed_says_who_contributed_and_of_a_name_that_everybody_knows() -> None:
    rows = [row(n, "oee", 50.0 + n * 4, 100.0) for n in range(4)]
    sealed = {s.figure_id: s for s in night(rows, referring("bcda"), (DAY, "day")).sealed}
    named = sealed[f"demo/cluster/*/day/{DAY}/oee@1/named/m3"]
    assert [s.known_to_all for s in named.statements] == [True]
    everybody = sealed[f"demo/cluster/*/day/{DAY}/oee@1"]
    assert (everybody.decision, everybody.panel) == ("publish", ("f0", "f1", "f2", "f3"))
    assert everybody.holdings == 4


def test_all_that_is_offered_has_a_grid() -> None:
    assert all(definition.grids for definition in CATALOGUE.values())


def test_rows_of_factories_are_found_by_period() -> None:
    rows = [row(0, "oee", 60.0, 100.0), row(1, "oee", 60.0, 100.0, level="member")]
    figures = figures_of(rows)
    assert set(figures.of(Period(DAY, "day"), NEWEST["oee"])) == {"f0"}
    assert figures.of(Period(DAY, "month"), NEWEST["oee"]) == {}
    assert figures.days(OCTOBER, DAY) == []
    assert figures.days(OCTOBER, date(2025, 11, 11)) == [Period(DAY, "day")]
