"""What a night releases about a cluster, worked by hand."""

from dataclasses import replace
from datetime import date
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.releasing import contributors_label
from pipelines.schemas.tables import KPIS, RELEASES
from tests.domain.comparing import DAY, KPI_SCHEMA, NIGHT, PER_UNIT, Row, by_id, cluster, night, row


def release(
    rows: list[Row], holdings: str, processes: list[str] | None = None, policy_k: int = 3
) -> dict[str, Row]:
    who = replace(cluster(holdings), policy=DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(policy_k))}))
    found = night(rows, who, (DAY, "day"), processes=processes or ())
    assert found.figures.schema == pl.Schema(FIGURE_SCHEMA)
    return by_id(found)


def cluster_figure(figures: dict[str, Row], kpi: str) -> Row:
    return figures[f"demo/cluster/*/day/2025-11-10/{kpi}@1"]


def process_figure(figures: dict[str, Row], process: str = "forming") -> Row:
    return figures[f"demo/process/{process}/day/2025-11-10/{PER_UNIT}@1"]


def test_schemas_are_those_of_the_tables() -> None:
    assert list(KPI_SCHEMA) == [n for n in KPIS.schema.names if n != "known_at"]
    ledger_only = {"sequence", "revision", "known_at", "previous_sha256", "sha256"}
    assert list(FIGURE_SCHEMA) == [n for n in RELEASES.schema.names if n not in ledger_only]


def test_a_total_is_the_rounded_sum_of_those_who_reported_and_its_coverage_says_so() -> None:
    rows = [row(n, "energy_kwh", kwh) for n, kwh in enumerate([100.25, 200.5, 300.0, None])]
    figure = cluster_figure(release(rows, "abcd"), "energy_kwh")
    assert (figure["status"], figure["value"], figure["coverage"]) == ("published", 601.0, 0.75)
    assert (figure["statistic"], figure["unit"], figure["grid_step"]) == ("total", "kWh", 1.0)
    assert (figure["contributors"], figure["provisional"]) == ("fewer than 10", False)
    assert (figure["period_start"], figure["period_end"]) == (DAY, date(2025, 11, 11))


def test_a_kpi_that_the_policy_keeps_back_has_no_figure_at_all() -> None:
    rows = [row(n, "energy_kwh", 100.0) for n in range(4)]
    who = cluster("abcd")
    kept = replace(who, policy=replace(who.policy, not_released=frozenset({"energy_kwh"})))
    assert f"demo/cluster/*/day/{DAY}/energy_kwh@1" in by_id(night(rows, who, (DAY, "day")))
    assert [i for i in by_id(night(rows, kept, (DAY, "day"))) if "energy_kwh@" in i] == []


def test_a_ratio_of_which_too_little_was_measured_stays_with_its_factory() -> None:
    rows = [row(n, "oee", 60.0, 100.0) for n in range(4)]
    rows.append(row(4, "oee", 90.0, 100.0, coverage=0.89))
    figure = cluster_figure(release(rows, "abcde"), "oee")
    assert (figure["status"], figure["value"], figure["coverage"]) == ("published", 0.6, 0.8)
    less = [row(n, "oee", 60.0, 100.0, coverage=0.6) for n in range(4)]
    assert cluster_figure(release(less, "abcd"), "oee")["status"] == "insufficient_coverage"


@pytest.mark.parametrize(
    ("period", "first", "end"),
    [
        ("month", date(2025, 12, 1), date(2026, 1, 1)),
        ("rolling12", date(2025, 2, 1), date(2026, 2, 1)),
    ],
)
def test_months_and_years_are_figures_of_their_own(
    period: Literal["month", "rolling12"], first: date, end: date
) -> None:
    rows = [row(n, "energy_kwh", 100.0, day=first, period=period) for n in range(4)]
    rows += [row(n, "energy_kwh", 5.0, day=first) for n in range(4)]
    figures = by_id(night(rows, cluster("abcd"), (first, period), known_at=NIGHT.replace(year=2026)))
    figure = figures[f"demo/cluster/*/{period}/{first}/energy_kwh@1"]
    assert (figure["value"], figure["period"]) == (400.0, period)
    assert (figure["period_start"], figure["period_end"]) == (first, end)


def test_only_figures_of_one_version_of_a_formula_are_compared() -> None:
    rows = [row(n, "oee", 60.0, 100.0) for n in range(4)]
    rows += [row(n, "oee", 90.0, 100.0, definition_version="2") for n in (4, 5)]
    figure = cluster_figure(release(rows, "abcdef"), "oee")
    # The two others are of the panel, and have no value of this version: 4 of 6.
    assert (figure["definition_version"], figure["value"], figure["coverage"]) == ("1", 0.6, 0.67)


def test_a_total_of_two_holdings_is_withheld_and_says_nothing_else() -> None:
    rows = [row(n, "energy_kwh", 100.0) for n in range(4)]
    figure = cluster_figure(release(rows, "aabb"), "energy_kwh")
    assert figure["status"] == "withheld"
    assert (figure["value"], figure["coverage"], figure["grid_step"]) == (None, None, None)


def test_a_total_with_too_little_measured_has_no_value() -> None:
    rows = [row(n, "energy_kwh", 100.0 if n < 3 else None) for n in range(7)]
    figure = cluster_figure(release(rows, "abcdefg"), "energy_kwh")
    assert (figure["status"], figure["value"], figure["coverage"]) == ("insufficient_coverage", None, 0.43)


def test_a_cluster_that_is_silent_has_insufficient_coverage() -> None:
    rows = [row(n, "energy_kwh", None) for n in range(4)]
    figure = cluster_figure(release(rows, "abcd"), "energy_kwh")
    assert (figure["status"], figure["coverage"]) == ("insufficient_coverage", 0.0)


def test_three_or_four_holdings_give_the_ratio_of_sums_on_the_grid() -> None:
    # (50 + 120 + 90 + 40) / (100 + 100 + 80 + 20) = 1.0; the median would be 1.1625
    rows = [row(n, PER_UNIT, *nd) for n, nd in enumerate([(50, 100), (120, 100), (90, 80), (40, 20)])]
    figure = process_figure(release(rows, "abcd"))
    assert (figure["status"], figure["value"], figure["statistic"]) == ("published", 1.0, "ratio_of_sums")
    assert figure["grid_step"] == 0.05


def test_five_holdings_give_the_median_over_holdings_on_the_grid() -> None:
    pairs = [(50, 100), (120, 100), (90, 80), (40, 20), (93, 100)]
    rows = [row(n, PER_UNIT, *nd) for n, nd in enumerate(pairs)]
    figure = process_figure(release(rows, "abcde"))
    # 0.5, 0.93, 1.125, 1.2, 2.0: the median 1.125 lies between 1.10 and 1.15: ties to the even point
    assert (figure["value"], figure["statistic"]) == (1.1, "order_statistic")


def test_a_holding_is_one_value_however_many_factories_it_has() -> None:
    pairs = [(50, 100), (120, 100), (90, 80), (40, 20), (60, 100), (126, 100)]
    rows = [row(n, PER_UNIT, *nd) for n, nd in enumerate(pairs)]
    # the last two belong to one holding: 186 / 200 = 0.93
    figure = process_figure(release(rows, "abcdee"))
    assert (figure["value"], figure["statistic"]) == (1.1, "order_statistic")
    few = process_figure(release(rows, "abcddd"))
    assert few["statistic"] == "ratio_of_sums"


def test_fewer_than_three_holdings_are_withheld() -> None:
    rows = [row(n, PER_UNIT, 10, 10) for n in range(3)]
    figure = process_figure(release(rows, "aab"))
    assert (figure["status"], figure["value"]) == ("withheld", None)


def test_members_without_a_value_enter_no_comparison() -> None:
    rows = [row(n, PER_UNIT, 10, 10) for n in range(2)] + [
        row(2, PER_UNIT, 30, 10, value=None, reason="insufficient_coverage", coverage=0.4)
    ]
    assert process_figure(release(rows, "abc"))["status"] == "withheld"


def test_another_product_class_enters_no_comparison() -> None:
    rows = [row(n, PER_UNIT, 10, 10) for n in range(3)] + [row(3, PER_UNIT, 900, 10, product_class="cast")]
    figure = process_figure(release(rows, "abcd"))
    assert (figure["status"], figure["value"], figure["coverage"]) == ("published", 1.0, 1.0)


def test_a_class_without_a_public_grid_is_withheld() -> None:
    rows = [row(n, PER_UNIT, 10, 10, product_class="unheard-of") for n in range(4)]
    assert process_figure(release(rows, "abcd"))["status"] == "withheld"


def test_oee_of_the_cluster_is_a_ratio_of_sums_on_its_grid() -> None:
    rows = [row(n, "oee", *nd) for n, nd in enumerate([(8_000, 10_000), (13_500, 30_000), (600, 1_000)])]
    figure = cluster_figure(release(rows, "abc"), "oee")
    # 22,100 / 41,000 = 0.539
    assert (figure["value"], figure["statistic"], figure["grid_step"]) == (0.55, "ratio_of_sums", 0.05)


def test_a_share_whose_losses_are_all_of_one_firm_is_withheld() -> None:
    rows = [row(n, "oee", 10_000, 10_000) for n in range(3)] + [row(3, "oee", 7_000, 10_000)]
    assert cluster_figure(release(rows, "abcd"), "oee")["status"] == "withheld"


def test_a_ratio_that_only_two_hold_above_the_line_is_withheld() -> None:
    rows = [row(n, "oee", 5_000.0 if n < 2 else 0.0, 10_000) for n in range(4)]
    assert cluster_figure(release(rows, "abcd"), "oee")["status"] == "withheld"


@pytest.mark.parametrize(
    ("kpi", "reason", "status"),
    [
        ("oee", "zero_denominator", "not_estimable"),
        ("oee", "missing_element:gq", "not_estimable"),
        ("oee", "insufficient_coverage", "insufficient_coverage"),
        (PER_UNIT, "zero_denominator", "withheld"),
        (PER_UNIT, "missing_element:pq", "not_estimable"),
    ],
)
def test_a_group_without_any_value_says_why_unless_that_tells_its_output(
    kpi: str, reason: str, status: str
) -> None:
    rows = [row(n, kpi, None, reason=reason) for n in range(3)]
    figures = release(rows, "abc")
    figure = process_figure(figures) if kpi == PER_UNIT else cluster_figure(figures, kpi)
    assert (figure["status"], figure["value"]) == (status, None)


def test_a_group_too_small_to_be_shown_never_says_why() -> None:
    rows = [row(n, "oee", None, reason="missing_element:gq") for n in range(2)]
    assert cluster_figure(release(rows, "ab"), "oee")["status"] == "withheld"


def test_a_sum_and_a_ratio_of_the_same_factories_are_never_published_together() -> None:
    pairs = [(50, 100), (120, 100), (90, 80)]
    rows = [row(n, PER_UNIT, *nd) for n, nd in enumerate(pairs)]
    assert process_figure(release(rows, "abc"))["status"] == "published"
    totals = [row(n, "energy_kwh", nd[0]) for n, nd in enumerate(pairs)]
    both = release([*rows, *totals], "abc")
    assert cluster_figure(both, "energy_kwh")["status"] == "published"
    assert process_figure(both)["status"] == "withheld"
    carbon = release([*rows, *(row(n, "co2e_kg", nd[0] / 2) for n, nd in enumerate(pairs))], "abc")
    assert process_figure(carbon)["status"] == "withheld"


def test_a_sum_and_a_ratio_of_different_groups_may_stand_together() -> None:
    rows = [row(n, PER_UNIT, 10, 10) for n in range(6)] + [row(n, "energy_kwh", 10.0) for n in range(6)]
    figures = release(rows, "abcdef", ["forming"] * 3 + ["casting"] * 3)
    assert cluster_figure(figures, "energy_kwh")["status"] == "published"
    for process in ("forming", "casting"):
        # The process's own total would give its output.
        assert process_figure(figures, process)["status"] == "published"
        assert figures[f"demo/process/{process}/day/{DAY}/energy_kwh@1"]["status"] == "withheld"


def test_a_factory_that_left_or_is_unknown_enters_nothing() -> None:
    rows = [row(n, "energy_kwh", 100.0) for n in range(5)]
    figure = cluster_figure(release(rows, "abcd"), "energy_kwh")
    assert figure["value"] == 400.0


def test_one_open_factory_makes_a_figure_provisional() -> None:
    rows = [row(n, "energy_kwh", 100.0, status="provisional" if n == 1 else "final") for n in range(3)]
    assert cluster_figure(release(rows, "abc"), "energy_kwh")["provisional"] is True


def test_contributors_are_told_in_two_steps_only() -> None:
    assert [contributors_label(n) for n in (0, 9, 10, 31)] == ["fewer than 10", "fewer than 10", "10+", "10+"]
    rows = [row(n, "energy_kwh", 1.0) for n in range(10)]
    assert cluster_figure(release(rows, "abcdefghij"), "energy_kwh")["contributors"] == "10+"


@given(st.permutations(range(7)), st.integers(2, 3))
@settings(max_examples=20, deadline=None)
def test_neither_order_nor_splitting_a_factory_changes_what_is_released(order: list[int], parts: int) -> None:
    pairs = [(50.1, 100), (120.3, 100), (90.7, 80), (40.2, 20), (93.3, 100), (77.7, 70), (81.9, 100)]
    rows = [row(n, PER_UNIT, *nd) for n, nd in enumerate(pairs)] + [
        row(n, "energy_kwh", nd[0]) for n, nd in enumerate(pairs)
    ]
    holdings = "abcdefg"
    whole = release(rows, holdings)
    shuffled = [rows[n] for n in order] + [rows[7 + n] for n in order]
    assert release(shuffled, holdings) == whole
    extra = [
        row(
            7 + k,
            r["kpi"],
            r["numerator"] / parts,
            None if r["denominator"] is None else r["denominator"] / parts,
        )
        for k in range(parts - 1)
        for r in (rows[0], rows[7])
    ]
    first = [
        row(
            0,
            r["kpi"],
            r["numerator"] / parts,
            None if r["denominator"] is None else r["denominator"] / parts,
        )
        for r in (rows[0], rows[7])
    ]
    split = [*first, *rows[1:7], *rows[8:], *extra]
    assert release(split, holdings + "a" * (parts - 1)) == whole
