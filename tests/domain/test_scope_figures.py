"""Lines of the ledger as figures of scopes, each case worked by hand."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.domain.carbon.scope_figures import PER_UNIT, per_unit, scope_figures
from pipelines.domain.carbon.statements import Exclusion
from pipelines.reference.kpis import kpi_book

MONTH = date(2026, 4, 1)
MONTHLY = [d for d in kpi_book().newest() if d.monthly and d.is_total]
OWNERS = {"a": "m", "b": "m", "c": "n"}
Row = dict[str, Any]
LINES = {
    "month": pl.Date, "factory": pl.String, "activity_id": pl.String, "method": pl.String,
    "version": pl.Int32, "activity_version": pl.Int32, "scope": pl.String, "co2e_kg": pl.Float64,
    "gwp_set": pl.String, "provisional": pl.Boolean, "quality": pl.String, "transfer": pl.String,
    "matched": pl.Boolean, "reason": pl.String,
}  # fmt: skip
ACTIVITIES = {
    "month": pl.Date, "factory": pl.String, "activity_id": pl.String, "activity": pl.String,
    "source": pl.String, "start": pl.Date, "end": pl.Date, "coverage": pl.Float64,
}  # fmt: skip


def line(factory: str, name: str, scope: str, kg: float | None, **more: object) -> Row:
    return {
        "month": MONTH, "factory": factory, "activity_id": name, "method": "-", "version": 1,
        "activity_version": 1, "scope": scope, "co2e_kg": kg, "gwp_set": None if kg is None else "AR5",
        "provisional": False, **more,
    }  # fmt: skip


def power(factory: str, location: float, market: float | None = None, **more: object) -> list[Row]:
    """Return both lines of a factory's metered electricity."""
    of_market = location if market is None else market
    return [
        line(factory, "meter-electricity", "2", location, method="location", **more),
        line(factory, "meter-electricity", "2", of_market, method="market", **more),
    ]


def activity(factory: str, name: str, **more: object) -> Row:
    metered = name.startswith("meter-")
    return {
        "month": MONTH, "factory": factory, "activity_id": name, "activity": name.removeprefix("meter-"),
        "source": "meter" if metered else "stream", "start": MONTH, "end": date(2026, 5, 1),
        "coverage": 1.0 if metered else None, **more,
    }  # fmt: skip


def made(lines: list[Row], *activities: Row, **more: Any) -> dict[tuple[str, str], Row]:
    """Return the figures by subject and KPI, without `co2e_` and `_kg`."""
    named = {(a["factory"], a["activity_id"]) for a in activities}
    places = dict.fromkeys((one["factory"], one["activity_id"]) for one in lines)
    told = [*activities, *(activity(*place) for place in places if place not in named)]
    figures = scope_figures(
        pl.DataFrame(lines, schema=LINES), pl.DataFrame(told, schema=ACTIVITIES), MONTHLY, OWNERS, **more
    )
    return {
        (r["subject"], r["kpi"].removeprefix("co2e_").removesuffix("_kg")): r
        for r in figures.iter_rows(named=True)
    }


def values(found: dict[tuple[str, str], Row], subject: str) -> dict[str, float | None]:
    return {kpi: r["value"] for (who, kpi), r in found.items() if who == subject}


def test_scopes_of_a_factory_are_added_apart_and_together() -> None:
    found = made([
        line("a", "lng", "1", 100.0), line("a", "leak", "1", 30.0), *power("a", 500.0, 200.0),
        line("a", "freight", "3", 9.0),
    ])  # fmt: skip
    assert values(found, "a") == {
        "scope1": 130.0, "scope2_location": 500.0, "scope2_market": 200.0,
        "scope12_location": 630.0, "scope12_market": 330.0,
    }  # fmt: skip
    row = found["a", "scope1"]
    assert (row["day"], row["period"], row["unit"], row["sums"]) == (MONTH, "month", "kg CO2e", [130.0])
    assert (row["coverage"], row["status"], row["reason"], row["basis"]) == (1.0, "final", None, 130.0)


def test_a_members_figure_is_that_of_its_factories_and_null_where_one_is() -> None:
    found = made([line("a", "lng", "1", 100.0), line("b", "lng", "1", 50.0), *power("a", 500.0)])
    assert values(found, "m")["scope1"] == 150.0
    unknown = made([line("a", "lng", "1", 100.0), line("b", "coal", "1", None)])
    assert values(unknown, "m")["scope1"] is None
    assert unknown["m", "scope1"]["reason"] == "incomplete:1"


def test_what_members_traded_is_in_no_scope_and_has_a_figure_of_its_own() -> None:
    bought = {"transfer": "bought", "matched": True}
    found = made([
        *power("a", 500.0),
        line("a", "steam", "2", 60.0, method="location", **bought),
        line("a", "steam", "2", 60.0, method="market", **bought),
        line("c", "lng", "1", 70.0),
        line("c", "steam", "-", None, transfer="sold", matched=True, reason="sold_on"),
    ])  # fmt: skip
    assert values(found, "a") == {
        "scope2_location": 500.0, "scope2_market": 500.0, "scope12_location": 500.0,
        "scope12_market": 500.0, "transfers": 60.0,
    }  # fmt: skip
    assert values(found, "c") == {"scope1": 70.0, "scope12_location": 70.0, "scope12_market": 70.0}
    assert {row["status"] for row in found.values()} == {"final"}


def test_a_transfer_that_only_one_side_tells_stays_in_and_makes_it_provisional() -> None:
    bought = {"transfer": "bought", "matched": False, "method": "location"}
    found = made([*power("a", 500.0), line("a", "steam", "2", 60.0, **bought), *power("b", 1.0)])
    assert found["a", "scope2_location"]["value"] == 560.0
    assert ("a", "transfers") not in found
    assert found["a", "scope2_location"]["status"] == "provisional"
    assert found["b", "scope2_location"]["status"] == "final"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([line("a", "coal", "1", None)], "incomplete:1"),
        ([line("a", "what", "-", None, reason="unknown_activity")], "incomplete:1"),
        ([line("a", "meter-lng", "1", 5.0, quality="estimated")], "suspect_excluded"),
        ([line("a", "meter-lng", "1", 5.0, quality="suspect")], "suspect_excluded"),
        ([line("a", "old", "1", 5.0, gwp_set="SAR")], "several_gwp_sets"),
        # Of another factory: a total would add it all the same.
        ([line("c", "old", "1", 5.0, gwp_set="SAR")], "several_gwp_sets"),
    ],
)
def test_what_can_not_be_told_or_added_leaves_no_value_and_a_reason(lines: list[Row], reason: str) -> None:
    row = made([line("a", "lng", "1", 100.0), *lines])["a", "scope1"]
    assert (row["value"], row["sums"], row["basis"], row["reason"]) == (None, None, None, reason)
    assert row["coverage"] == 0.0


def test_scopes_of_two_sets_have_their_own_totals_and_none_together() -> None:
    found = made([line("a", "lng", "1", 100.0), *power("a", 500.0, gwp_set="SAR")])
    assert (found["a", "scope1"]["value"], found["a", "scope2_location"]["value"]) == (100.0, 500.0)
    assert found["a", "scope12_location"]["reason"] == "several_gwp_sets"


def test_lines_that_emit_nothing_by_themselves_or_were_withdrawn_make_no_figure() -> None:
    idle = ("metered", "sold_on", "contract", "claim_without_use")
    found = made([
        *(line("a", name, "-", None, reason=name) for name in idle),
        line("a", "gone", "1", None, reason="withdrawn"),
        line("elsewhere", "lng", "1", 5.0),
    ])  # fmt: skip
    assert found == {}


def test_coverage_is_the_measured_share_of_the_whole_month() -> None:
    # 15 of 30 days of which 80 % were measured; what is told has no meter
    half = activity("a", "meter-electricity", start=date(2026, 4, 16), coverage=0.8)
    found = made([*power("a", 500.0), line("a", "lng", "1", 1.0)], half)
    assert found["a", "scope2_location"]["coverage"] == pytest.approx(0.4)
    assert found["a", "scope2_location"]["covered"] == pytest.approx(0.4 * 30 * 86_400)
    assert found["a", "scope1"]["coverage"] == 1.0


def test_a_changed_factor_keeps_the_basis_and_a_corrected_amount_gets_its_own() -> None:
    first = line("a", "lng", "1", 100.0)
    factor = line("a", "lng", "1", 110.0, version=2)
    again = line("a", "lng", "1", 120.0, version=3)
    row = made([first, factor, again])["a", "scope1"]
    assert (row["value"], row["basis"]) == (120.0, 100.0)
    corrected = line("a", "lng", "1", 240.0, version=4, activity_version=2)
    row = made([first, factor, again, corrected])["a", "scope1"]
    assert (row["value"], row["basis"]) == (240.0, 240.0)


def test_exclusions_leave_out_an_activity_or_a_factory() -> None:
    lines = [line("a", "lng", "1", 100.0), line("a", "leak", "1", 30.0), line("c", "lng", "1", 7.0)]
    found = made(lines, exclusions=[Exclusion("a", "leak", "leased"), Exclusion("c", None, "sold")])
    assert values(found, "a")["scope1"] == 100.0
    assert ("c", "scope1") not in found


@pytest.mark.parametrize(
    ("output", "value", "reason", "coverage"),
    [
        # (130 + 500) kg over 200 pieces; 95 % of the output's time was known
        ({"denominator": 200.0, "value": 1.0, "coverage": 0.95}, 0.00315, None, 0.95),
        ({"reason": "zero_denominator", "coverage": 1.0}, None, "zero_denominator", 1.0),
        ({"reason": "missing_element:pq", "coverage": 0.0}, None, "missing_element:pq", 0.0),
    ],
)
def test_both_scopes_per_unit_are_divided_by_the_output_of_the_month(
    output: Row, value: float | None, reason: str | None, coverage: float
) -> None:
    lines = [line("a", "lng", "1", 130.0), *power("a", 500.0)]
    told = [activity("a", "lng"), activity("a", "meter-electricity")]
    totals = scope_figures(
        pl.DataFrame(lines, schema=LINES), pl.DataFrame(told, schema=ACTIVITIES), MONTHLY, OWNERS
    )
    month = {
        "day": MONTH, "period": "month", "level": "factory", "subject": "a", "kpi": "co2e_t_per_unit",
        "product_class": "forged-parts", "status": "final", **output,
    }  # fmt: skip
    figures = pl.DataFrame([month], schema=totals.schema)
    (row,) = per_unit(totals, figures, kpi_book().definitions[PER_UNIT][-1]).to_dicts()
    assert row["value"] == (None if value is None else pytest.approx(value))
    assert (row["reason"], row["coverage"], row["status"]) == (reason, coverage, "final")
    assert (row["kpi"], row["product_class"]) == ("co2e_scope12_t_per_unit", "forged-parts")
