"""The carbon ledger: months of meters, told activities, claims, transfers, sums, chains of restatements."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.carbon.entries import METER, Entry, entries_of, frame_of
from pipelines.domain.carbon.ledger import Basis, Line, ledger_lines
from pipelines.domain.carbon.metered import metered_activities
from pipelines.domain.carbon.refrigerants import recoveries_beyond
from pipelines.domain.carbon.restatement import STEPS, basis_after, chain, is_significant, sums_of
from pipelines.domain.carbon.statements import Account, Boundary, Exclusion, account, counted
from pipelines.domain.carbon.told import told_activities
from pipelines.domain.emissions.evaluation import Request
from pipelines.domain.emissions.lookup import factor_rows
from pipelines.reference import tables
from tests.domain.emission_tables import TABLES

MAY = date(2022, 5, 1)
JUNE = date(2022, 6, 1)
# 2020-2022: 0.4541 kg CO2e/kWh, exact in May 2022; GWP set not stated
GRID = 0.4541
OWNERS = {"a": "alpha", "b": "beta", "c": "gamma"}
BASIS = Basis(TABLES, Request())


def used(factory: str, kwh: float | None, month: date = MAY, **changes: object) -> Entry:
    """Return a metered month of electricity."""
    entry = Entry(
        factory, month, "meter-electricity", METER, "electricity", "used", kwh, "kWh", month,
        month + timedelta(days=30), "KR", coverage=1.0, quality="measured", estimated_share=0.0,
    )  # fmt: skip
    return replace(entry, **changes)  # type: ignore[arg-type]


def told(factory: str, activity: str, amount: float, unit: str, name: str = "t", **changes: object) -> Entry:
    entry = Entry(factory, MAY, name, "stream", activity, "used", amount, unit, MAY, date(2022, 5, 8), "KR")
    return replace(entry, **changes)  # type: ignore[arg-type]


def contract(factory: str, kwh: float, certificate: str, **changes: object) -> Entry:
    entry = told(factory, "electricity", kwh, "kWh", f"c-{certificate}")
    whole = replace(
        entry, flow="contract", claimed_kwh=kwh, certificate_id=certificate, instrument="rec", end=JUNE
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def lines(*entries: Entry, basis: Basis = BASIS) -> list[Line]:
    months = {entry.month for entry in entries}
    return ledger_lines(entries, dict.fromkeys(months, basis), OWNERS)


def statement(made: list[Line], *factories: str, **changes: object) -> Account:
    boundary = replace(Boundary("operational_control", factories), **changes)  # type: ignore[arg-type]
    sets = {line.entry.month: "AR5" for line in made}
    return account(made, boundary, sets, closed=True)


def kg(said: Account, scope: str, method: str, gwp_set: str = "unstated") -> float | None:
    found = [s.total for s in said.sums if (s.scope, s.method, s.total.gwp_set) == (scope, method, gwp_set)]
    assert len(found) <= 1
    return None if not found or found[0].co2e_kg is None else float(found[0].co2e_kg)


def reasons(made: list[Line], factory: str, method: str) -> tuple[str, ...]:
    return next(
        line.reasons
        for line in made
        if line.entry.factory == factory and line.figure is not None and line.figure.method == method
    )


# Meters

HOUR = timedelta(hours=1)


def hour(
    kwh: float | None, at: int, exported: float | None = None, quality: str = "measured"
) -> tuple[object, ...]:
    start = datetime(2022, 5, 2, tzinfo=UTC) + at * HOUR
    known = kwh is not None
    return (
        "a", "main", "electricity", "p1", start.date(), "hour", start, start + HOUR, kwh, exported,
        1.0 if known else 0.0, quality if known else None, "final",
    )  # fmt: skip


def month_of(*hours: tuple[object, ...]) -> dict[str, object]:
    facts = pl.DataFrame(
        list(hours),
        schema={
            "factory": pl.String, "meter": pl.String, "carrier": pl.String, "profile_version": pl.String,
            "day": pl.Date, "allocation": pl.String, "start": pl.Datetime("us", "UTC"),
            "end": pl.Datetime("us", "UTC"), "quantity": pl.Float64, "exported": pl.Float64,
            "coverage": pl.Float64, "quality": pl.String, "status": pl.String,
        },
        orient="row",
    )  # fmt: skip
    meters = pl.DataFrame(
        {
            "factory": ["a"],
            "profile_version": ["p1"],
            "meter": ["main"],
            "carrier": ["electricity"],
            "parent": [None],
        },
        schema_overrides={"parent": pl.String},
    )
    (row,) = metered_activities(
        facts, meters, pl.DataFrame({"factory": ["a"], "geography": ["KR"]})
    ).to_dicts()
    return row


def test_a_month_is_gross_import_and_what_flowed_back_is_netted_against_nothing() -> None:
    # net 7 with 3 exported: 10 imported; the next hour net -4 with 4 exported: nothing imported
    row = month_of(hour(7.0, 0, 3.0), hour(-4.0, 1, 4.0), hour(5.0, 30))
    assert row["amount"] == 15.0
    assert (row["start"], row["end"]) == (date(2022, 5, 2), date(2022, 5, 4))


def test_a_month_says_how_much_of_it_was_measured_and_how_much_guessed() -> None:
    row = month_of(hour(6.0, 0), hour(2.0, 1, quality="interpolated"), hour(None, 2), hour(None, 3))
    assert row["amount"] == 8.0
    assert row["coverage"] == 0.5
    assert row["estimated_share"] == 0.25
    assert row["quality"] == "interpolated"


def test_a_month_of_which_nothing_is_known_has_no_amount_and_no_emissions() -> None:
    row = month_of(hour(None, 0))
    assert row["amount"] is None
    (entry,) = entries_of(frame_of([Entry(**row)]))  # type: ignore[arg-type]
    said = statement(lines(entry), "a")
    assert [s.total.co2e_kg for s in said.sums] == [None] * 4
    assert "incomplete:1" in said.sums[0].total.reasons


# What is told


def record(**changes: object) -> dict[str, object]:
    start = datetime(2022, 5, 30, 15, tzinfo=UTC)  # 2022-05-31 in Seoul
    return {
        "factory": "a", "activity_id": "lng-1", "activity": "lng", "start": start,
        "end": start + 4 * 24 * HOUR, "amount": 100.0, "unit": "kg", "geography": "KR", "sequence": 1,
        "record_timestamp": start,
        "claimed_kwh": None, "flow": None, "claim_start": None, "claim_end": None, **changes,
    }  # fmt: skip


def months_told(*records: dict[str, object]) -> list[tuple[object, ...]]:
    found = told_activities(pl.DataFrame(records, infer_schema_length=None), {"a": "Asia/Seoul"})
    return found.select("month", "amount", "start", "end", "reason").rows()


def test_an_amount_over_two_months_is_split_by_local_days() -> None:
    # 31 May to 3 June: one day of four in May
    assert months_told(record()) == [
        (MAY, 25.0, date(2022, 5, 31), JUNE, "split_by_days"),
        (JUNE, 75.0, JUNE, date(2022, 6, 4), "split_by_days"),
    ]


def test_of_two_records_of_an_id_the_higher_sequence_counts_whatever_their_order() -> None:
    end = datetime(2022, 5, 31, 15, tzinfo=UTC)
    first, second = record(end=end), record(end=end, amount=90.0, sequence=2)
    assert months_told(first, second) == months_told(second, first)
    assert [row[1] for row in months_told(first, second, first)] == [90.0]


# Scope 2 on the ledger (must-hold 3)


def test_a_certificate_lowers_the_market_based_figure_only() -> None:
    made = lines(used("a", 1000.0), contract("a", 400.0, "r1"))
    said = statement(made, "a")
    assert kg(said, "2", "location") == pytest.approx(1000 * GRID, rel=1e-12)
    assert kg(said, "2", "market") == pytest.approx(600 * GRID, rel=1e-12)


def test_two_certificates_of_a_month_count_both_and_each_with_its_own_factor() -> None:
    made = lines(
        used("a", 1000.0), contract("a", 400.0, "r1"), contract("a", 100.0, "p1", instrument_kg_per_kwh=0.1)
    )
    # 500 kWh of the grid, 400 of nothing, 100 of 0.1
    assert kg(statement(made, "a"), "2", "market") == pytest.approx(500 * GRID + 10, rel=1e-12)


def test_a_contract_in_megawatt_hours_claims_as_much_in_kilowatt_hours() -> None:
    made = lines(used("a", 1000.0), contract("a", 0.4, "r1", claimed_kwh=None, unit="MWh"))
    assert kg(statement(made, "a"), "2", "market") == pytest.approx(600 * GRID, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"claimed_kwh": None, "unit": "kg"}, "unit_not_convertible"),
        ({"claim_start": date(2022, 4, 1), "claim_end": date(2022, 5, 1)}, "claim_period"),
        ({"market": "JP"}, "claim_market"),
        ({"instrument": "green_premium"}, "instrument_not_accepted"),
        ({"owner": "beta"}, "claim_owner"),
    ],
)
def test_a_claim_that_does_not_hold_reduces_nothing_and_says_why(
    changes: Mapping[str, object], reason: str
) -> None:
    made = lines(used("a", 1000.0), contract("a", 400.0, "r1", **changes))
    assert kg(statement(made, "a"), "2", "market") == pytest.approx(1000 * GRID, rel=1e-12)
    assert reason in reasons(made, "a", "market")
    assert reason not in reasons(made, "a", "location")


def test_certificates_beyond_the_use_leave_the_market_based_figure_unknown() -> None:
    made = lines(used("a", 1000.0), contract("a", 700.0, "r1"), contract("a", 400.0, "r2"))
    said = statement(made, "a")
    assert kg(said, "2", "market", "AR5") is None
    assert "claim_exceeds_use" in reasons(made, "a", "market")
    assert kg(said, "2", "location") == pytest.approx(1000 * GRID, rel=1e-12)


@pytest.mark.parametrize("month", [MAY, JUNE])
def test_a_certificate_that_two_members_claim_counts_for_neither_also_in_another_month(month: date) -> None:
    second = contract("b", 300.0, "r1", month=month, start=month, end=month + timedelta(days=30))
    made = lines(used("a", 1000.0), contract("a", 300.0, "r1"), used("b", 500.0, month), second)
    for factory, kwh in (("a", 1000), ("b", 500)):
        assert "double_claim" in reasons(made, factory, "market")
        assert kg(statement(made, factory), "2", "location") == pytest.approx(kwh * GRID, rel=1e-12)
    assert {line.figure.co2e_kg for line in made if line.figure and line.figure.method == "market"} == {None}


def test_a_bill_of_metered_electricity_is_not_counted_again_but_its_claim_is() -> None:
    bill = told("a", "electricity", 990.0, "kWh", "bill", claimed_kwh=200.0, certificate_id="r9")
    made = lines(used("a", 1000.0), bill)
    assert kg(statement(made, "a"), "2", "location") == pytest.approx(1000 * GRID, rel=1e-12)
    assert kg(statement(made, "a"), "2", "market") == pytest.approx(800 * GRID, rel=1e-12)
    assert [line.reasons for line in made if line.entry.activity_id == "bill"] == [("metered",)]


# Transfers


def sale(gj: float = 40.0, **changes: object) -> Entry:
    entry = told("a", "steam", gj, "GJ", "sold")
    return replace(entry, flow="sold", counterpart="b", transfer_id="s1", **changes)  # type: ignore[arg-type]


def purchase(counterpart: str = "a") -> Entry:
    entry = told("b", "steam", 40.0, "GJ", "bought")
    named = replace(entry, flow="bought", counterpart=counterpart, transfer_id="s1")
    return replace(named, supplier_kg_per_unit=62.5)


def test_steam_that_one_member_sells_another_is_counted_once_and_shown_apart() -> None:
    made = lines(told("a", "lng", 1000.0, "kg", "lng"), sale(), purchase())
    fuel = kg(statement(made, "a"), "1", "-", "AR5")
    # the buyer states it: 40 GJ x 62.5
    assert kg(statement(made, "b"), "2", "location") == 2500.0
    park = statement(made, "a", "b")
    assert kg(park, "1", "-", "AR5") == fuel
    assert kg(park, "2", "location") is None
    assert kg(park, "transfers", "location") == kg(park, "transfers", "market") == 2500.0
    assert not any(reason.startswith("unmatched") for reason in park.reasons)


@pytest.mark.parametrize(
    "other_side",
    [None, sale(30.0), replace(sale(), transfer_id="s2"), replace(sale(), counterpart="c")],
    ids=["missing", "other amount", "other id", "other buyer"],
)
def test_an_unmatched_transfer_stays_in_the_total_and_makes_it_provisional(other_side: Entry | None) -> None:
    made = lines(purchase(), *([] if other_side is None else [other_side]))
    park = statement(made, "a", "b", "c")
    assert kg(park, "2", "location") == 2500.0
    assert park.provisional
    assert any(reason.startswith("unmatched_transfer:") for reason in park.reasons)


def test_steam_of_a_seller_outside_is_no_transfer() -> None:
    park = statement(lines(purchase("somebody")), "b")
    assert (kg(park, "2", "location"), park.provisional, park.reasons) == (2500.0, False, ())


def test_what_a_statement_excludes_is_not_in_it_and_a_silent_factory_is_named() -> None:
    made = lines(used("a", 1000.0), told("a", "HFC-134a", 2.0, "kg", "leak", flow="leaked"))
    without = statement(made, "a", "c", exclusions=(Exclusion("a", "HFC-134a", "leased chiller"),))
    assert kg(without, "1", "-", "AR5") is None
    assert without.reasons == ("factory_without_activities:1",)
    # AR5: 2 kg x 1300
    assert kg(statement(made, "a"), "1", "-", "AR5") == 2600.0


def test_a_refrigerant_that_is_recovered_counts_against_what_was_charged() -> None:
    made = lines(
        told("a", "HFC-134a", 5.0, "kg", "in", flow="charged"),
        told("a", "HFC-134a", 3.0, "kg", "out", flow="recovered"),
    )
    assert kg(statement(made, "a"), "1", "-", "AR5") == 2 * 1300.0


def recovered(kg: float, name: str = "out", **changes: object) -> Entry:
    return told("a", "HFC-134a", kg, "kg", name, flow="recovered", **changes)


def test_more_recovered_than_was_ever_charged_is_not_known_and_makes_nothing_negative() -> None:
    made = lines(
        told("a", "HFC-134a", 5.0, "kg", "in", flow="charged"),
        told("b", "HFC-134a", 50.0, "kg", "in", flow="charged"),
        recovered(5.5),
    )
    (out,) = (line for line in made if line.entry.flow == "recovered")
    assert out.figure is not None
    assert (out.figure.co2e_kg, out.figure.masses_kg) == (None, {})
    assert out.reasons == ("recovery_exceeds_charge",)
    said = statement(made, "a")
    assert kg(said, "1", "-", "AR5") == 5 * 1300.0
    assert "incomplete:1" in said.sums[0].total.reasons


def test_a_recovery_counts_against_earlier_years_and_a_leak_that_was_told_and_no_other_gas() -> None:
    before = told("a", "HFC-134a", 4000.0, "g", "in", flow="charged", start=date(2021, 3, 1))
    leak = told("a", "HFC-134a", 1.0, "kg", "leak", flow="leaked")
    other = told("a", "HFC-32", 9.0, "kg", "other", flow="charged")
    entries, bases = [leak, other, recovered(5.0)], {MAY: BASIS}
    (out,) = (x for x in ledger_lines(entries, bases, OWNERS, [before]) if x.entry.flow == "recovered")
    assert out.figure is not None
    assert out.figure.co2e_kg == -5 * 1300
    (alone,) = (x for x in ledger_lines(entries, bases, OWNERS) if x.entry.flow == "recovered")
    assert "recovery_exceeds_charge" in alone.reasons
    later = replace(before, start=date(2023, 3, 1))
    (early,) = (x for x in ledger_lines(entries, bases, OWNERS, [later]) if x.entry.flow == "recovered")
    assert "recovery_exceeds_charge" in early.reasons


GAS_ROWS = st.lists(
    st.tuples(st.sampled_from(["charged", "leaked", "recovered"]), st.integers(1, 20), st.integers(1, 28)),
    max_size=12,
)


@settings(deadline=None, max_examples=40)
@given(GAS_ROWS)
def test_what_is_known_of_a_gas_is_never_negative_on_any_day(rows: list[tuple[str, int, int]]) -> None:
    entries = [
        told("a", "HFC-134a", float(kg), "kg", f"g{n}", flow=flow, start=date(2022, 5, day), end=JUNE)
        for n, (flow, kg, day) in enumerate(rows)
    ]
    beyond = recoveries_beyond(entries, TABLES.conversion.units)
    assert beyond == recoveries_beyond(entries[::-1], TABLES.conversion.units)
    counted_rows = [e for e in entries if e.place not in beyond]
    for day in range(1, 29):
        until = [e for e in counted_rows if e.start.day <= day]
        assert sum(-e.amount if e.flow == "recovered" else e.amount for e in until if e.amount) >= 0


# Negative controls (must-hold 9)


def test_an_amount_in_a_wrong_unit_an_implausible_one_and_a_wrong_basis_are_flagged_and_stay() -> None:
    months = [date(2022, n, 1) for n in range(1, 7)]
    entries = [used("a", 1_200_000.0 + n, month) for n, month in enumerate(months)]
    entries[3] = used("a", 1150.0, months[3])  # MWh, as if they were kWh
    made = lines(*entries)
    flagged = {line.entry.month for line in made if "amount_implausible" in line.reasons}
    assert flagged == {months[3]}
    # City gas: 42.7 MJ gross against 38.5 net: the bill's energy is 1.109 times the meter's
    gas = lines(
        told("a", "city_gas_lng", 38_500.0, "MJ_ncv", "net"),
        told("b", "city_gas_lng", 42_700.0, "MJ_ncv", "gross"),
    )
    assert [("basis_suspect" in line.reasons) for line in gas] == [False, True]
    assert all(line.figure is not None and line.figure.co2e_kg for line in gas)


# Uncertainty


def test_factories_under_one_factor_share_its_error_and_their_meters_do_not() -> None:
    # 16 factories of 12 % under one factor of 4 %: sqrt(12^2/16 + 4^2) = 5
    entries = [
        used("a", 100.0, uncertainty_pct=12.0, factor_uncertainty_pct=4.0, activity_id=f"m{n}")
        for n in range(16)
    ]
    (total,) = [
        s.total for s in statement(lines(*entries), "a").sums if (s.scope, s.method) == ("2", "location")
    ]
    assert total.percent == pytest.approx((5.0, 5.0), rel=1e-12)


# Restatement


def new_basis(value: str, gwp: str = "AR6") -> Basis:
    """Return a basis in which the grid row, a fuel pair, the set and what is accepted are others."""
    rows = tables.emission_factors().with_columns(
        value=pl.when(pl.col("factor_id") == "kr-grid-consumption-2020_2022")
        .then(pl.lit(value).cast(pl.Decimal(38, 18)))
        .otherwise("value")
    )
    pairs = tuple(
        replace(pair, ncv=Fraction("50")) if pair.pair_id == "lng:KR:KR-GIR-2022" else pair
        for pair in TABLES.pairs
    )
    request = Request(gwp=gwp, accepted_instruments=("green_premium",))
    return Basis(replace(TABLES, factors=factor_rows(rows), pairs=pairs), request)


@settings(max_examples=15, deadline=None)
@given(
    st.floats(1, 1e6),
    st.floats(1, 1e6),
    st.floats(1, 1e5),
    st.decimals("0.1", "0.9", places=4),
    st.floats(0, 1e5),
)
def test_the_steps_of_a_restatement_add_up_to_the_last_bit(
    before_kwh: float, after_kwh: float, lng_kg: float, factor: object, rules_differ: float
) -> None:
    fuel, premium = told("a", "lng", lng_kg, "kg"), contract("a", 1.0, "g", instrument="green_premium")
    old_entries = [used("a", before_kwh), fuel, premium, used("b", 10.0)]
    new_entries = [used("a", after_kwh), fuel, premium, used("b", 10.0)]
    new = {MAY: new_basis(str(factor))}
    old = {MAY: BASIS}
    narrow, wide = Boundary("operational_control", ("a",)), Boundary("operational_control", ("a", "b"))

    def sums(
        entries: list[Entry], bases: dict[date, Basis], boundary: Boundary
    ) -> dict[object, Fraction | None]:
        made = ledger_lines(entries, bases, OWNERS)
        return sums_of(counted(made, boundary), bases, new)  # type: ignore[return-value]

    begin = sums(old_entries, old, narrow)
    steps = [("boundary", sums(old_entries, old, wide))]
    steps += [
        (step, sums(new_entries, {MAY: basis_after(BASIS, new[MAY], step)}, wide)) for step in STEPS[1:]
    ]
    final = sums(new_entries, new, wide)
    stored = {key: None if v is None else float(v) + rules_differ for key, v in begin.items()}
    links = chain(begin, steps, stored)  # type: ignore[arg-type]
    for key, value in final.items():
        own = [link for link in links if link.key == key]
        ends = [stored.get(key), *(link.after for link in own)]
        assert [link.before for link in own] == ends[:-1]
        assert ends[-1] == (None if value is None else float(value))
        known = [end for end in ends if end is not None]
        moved = sum((Fraction(b) - Fraction(a) for a, b in pairwise(known)), Fraction(0))
        assert moved == Fraction(known[-1]) - Fraction(known[0])


def test_each_step_takes_its_own_part_of_a_difference() -> None:
    entries = [
        used("a", 1000.0),
        told("a", "lng", 1000.0, "kg"),
        contract("a", 100.0, "g", instrument="green_premium"),
    ]
    new = {MAY: new_basis("0.5")}
    boundary = Boundary("operational_control", ("a",))

    def sums(step: str) -> dict[object, Fraction | None]:
        bases = {MAY: basis_after(BASIS, new[MAY], step)}
        return sums_of(counted(ledger_lines(entries, bases, OWNERS), boundary), bases, new)  # type: ignore[return-value]

    begin = sums("activity")
    steps = [(step, sums(step)) for step in STEPS]
    said = {key: None if v is None else float(v) for key, v in begin.items()}
    links = {(link.key[0], link.key[1], link.step): link for link in chain(begin, steps, said)}  # type: ignore[arg-type]
    market = links["2", "market", "method"]
    # the premium of 100 kWh is accepted, then the grid's 0.4541 becomes 0.5
    assert (market.before, market.after) == (pytest.approx(1000 * GRID), pytest.approx(900 * GRID))
    assert links["2", "market", "factor"].after == pytest.approx(450.0)
    assert ("2", "location", "method") not in links
    # 1,000 kg LNG: 49.4 GJ, then 50; CO2 and the two gases rise with it
    fuel = links["1", "-", "ncv_carbon"]
    assert fuel.after is not None
    assert fuel.before is not None
    assert fuel.after / fuel.before == pytest.approx(50 / 49.4, rel=1e-12)
    # AR5 28 and 265, AR6 27.9 and 273: 0.05 TJ x (1 x -0.1 + 0.1 x 8)
    gwp = links["1", "-", "gwp"]
    assert gwp.after is not None
    assert gwp.before is not None
    assert gwp.after - gwp.before == pytest.approx(0.05 * (-0.1 + 0.8), rel=1e-9)


def test_a_change_of_the_threshold_or_more_is_significant() -> None:
    five = Fraction(5)
    assert is_significant(100.0, 105.0, five)
    assert is_significant(100.0, 95.0, five)
    assert not is_significant(100.0, 104.999, five)
    assert not is_significant(0.0, 0.0, five)
    assert is_significant(None, 1.0, five)
