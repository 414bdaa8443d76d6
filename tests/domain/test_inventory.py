from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.emissions.inventory import Inventory, InventoryLine, InventoryTotal, Stated, agrees

LINE = InventoryLine(
    factory="a", activity="electricity", scope="2", category="2.1", method="location", amount=10.0,
    unit="kWh", masses_kg={}, co2e_kg=4.0, factor_ids=("f",), purpose="disclosure", gwp_set="AR5", tier=None,
    uncertainty_low_pct=None, uncertainty_high_pct=None, coverage=1.0, provisional=False, reasons=(),
)  # fmt: skip


def inventory(*lines: InventoryLine) -> Inventory:
    return Inventory(
        "park",
        "A",
        "operational_control",
        ("a",),
        (),
        date(2025, 11, 1),
        date(2025, 12, 1),
        lines,
        {},
        (),
        None,
    )


def test_a_total_adds_exactly_and_counts_what_is_not_known() -> None:
    # 0.1 ten times is 1 when it is added exactly, 0.9999999999999999 one after the other.
    tenth = replace(LINE, co2e_kg=0.1)
    (total,) = inventory(*[tenth] * 10, replace(LINE, co2e_kg=None)).totals()
    assert (total.co2e_kg, total.unknown) == (1.0, 1)


def test_different_gwp_sets_scopes_and_methods_are_never_added() -> None:
    lines = (
        LINE, replace(LINE, gwp_set="SAR"), replace(LINE, method="market"),
        replace(LINE, scope="1", method="-"),
    )  # fmt: skip
    found = inventory(*lines)
    assert [(t.scope, t.method, t.gwp_set, t.co2e_kg) for t in found.totals()] == [
        ("1", "-", "AR5", 4.0), ("2", "location", "AR5", 4.0), ("2", "location", "SAR", 4.0),
        ("2", "market", "AR5", 4.0),
    ]  # fmt: skip
    assert found.gwp_sets == ("AR5", "SAR")


@pytest.mark.parametrize("provisional", [True, False])
def test_an_inventory_is_as_provisional_as_its_lines(provisional: bool) -> None:  # noqa: FBT001 - a parameter
    assert inventory(LINE, replace(LINE, provisional=provisional)).provisional is provisional


def stated(*sums: InventoryTotal) -> Stated:
    return Stated("s", 1, datetime(2025, 12, 3, tzinfo=UTC), "first", None, sums, provisional=False)


def test_a_statement_s_sums_stand_and_scope_3_is_added_beside_them() -> None:
    # The statement rounds once: its sum may differ in the last bit from that of rounded lines, and it counts.
    sums = (
        InventoryTotal("2", "location", "AR5", 0.30000000000000004, 0),
        InventoryTotal("1+2", "location", "AR5", 0.30000000000000004, 0),
    )
    freight = replace(LINE, scope="3", category="3", method="-", co2e_kg=7.0)
    own = inventory(replace(LINE, co2e_kg=0.1), replace(LINE, co2e_kg=0.2), freight)
    found = {t.place: t.co2e_kg for t in replace(own, stated=stated(*sums)).totals()}
    assert found == {
        ("2", "location", "AR5"): 0.30000000000000004, ("1+2", "location", "AR5"): 0.30000000000000004,
        ("3", "-", "AR5"): 7.0,
    }  # fmt: skip


EXACT = st.fractions(min_value=-1000, max_value=10**9, max_denominator=10**6)


@settings(deadline=None, max_examples=60)
@given(st.lists(EXACT, min_size=1, max_size=20))
def test_rounded_lines_agree_with_the_sum_that_was_rounded_once(exact: list[Fraction]) -> None:
    lines = [replace(LINE, co2e_kg=float(kg)) for kg in exact]
    assert agrees(lines, [InventoryTotal("2", "location", "AR5", float(sum(exact)), 0)])


@pytest.mark.parametrize(
    "lines",
    [
        (), (LINE, LINE), (replace(LINE, co2e_kg=4.000000000000002),), (LINE, replace(LINE, co2e_kg=None)),
        (replace(LINE, gwp_set="SAR"),), (LINE, replace(LINE, scope="1", method="-")),
    ],
)  # fmt: skip
def test_lines_of_another_version_do_not_agree(lines: tuple[InventoryLine, ...]) -> None:
    total = InventoryTotal("2", "location", "AR5", 4.0, 0)
    assert agrees([LINE], [total])
    assert not agrees(lines, [total])


def test_lines_that_are_not_known_agree_by_their_number() -> None:
    unknown = replace(LINE, co2e_kg=None, gwp_set=None)
    assert agrees([unknown, LINE], [InventoryTotal("2", "location", "AR5", 4.0, 1)])
    assert agrees([unknown], [InventoryTotal("2", "location", "AR5", None, 1)])


def test_masses_are_told_only_where_every_line_tells_gases_apart() -> None:
    diesel = replace(LINE, scope="1", method="-", masses_kg={"CO2": 3.5, "CH4": 0.02})
    sums = (
        InventoryTotal("1", "-", "AR5", 4.0, 0, {"CO2": 3.5, "CH4": 0.02}),
        InventoryTotal("1+2", "location", "AR5", 8.0, 0, {"CO2": 3.5, "CH4": 0.02}),
    )
    found = {t.place: t.masses_kg for t in replace(inventory(diesel, LINE), stated=stated(*sums)).totals()}
    assert found == {("1", "-", "AR5"): {"CO2": 3.5, "CH4": 0.02}, ("1+2", "location", "AR5"): {}}
    (alone,) = inventory(diesel, replace(diesel, masses_kg={"CO2": 1.0})).totals()
    assert alone.masses_kg == {"CO2": 4.5, "CH4": 0.02}
    (mixed,) = inventory(diesel, replace(diesel, masses_kg={})).totals()
    assert mixed.masses_kg == {}


def test_a_category_that_is_a_whole_sum_says_what_the_statement_says() -> None:
    sums = (InventoryTotal("2", "location", "AR5", 0.30000000000000004, 0),)
    two = [replace(LINE, co2e_kg=0.1), replace(LINE, co2e_kg=0.2)]
    (alone,) = replace(inventory(*two), stated=stated(*sums)).of_category("2.1")
    assert alone.co2e_kg == 0.30000000000000004
    steam = replace(LINE, category="2.2", co2e_kg=0.2)
    beside = replace(inventory(two[0], steam), stated=stated(*sums))
    assert [t.co2e_kg for key in ("2.1", "2.2", "1") for t in beside.of_category(key)] == [0.1, 0.2]
