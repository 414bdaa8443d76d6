"""The demo's night against what truly happened in its plants."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from pipelines.demo.clock import DEFAULT_AS_OF
from pipelines.demo.plants import PLANTS
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.contracts import contract
from pipelines.schemas.encode import MessageEncoder
from pipelines.schemas.tables import KPIS
from tests.jobs.conftest import Demo, midnight

LAST_DAY = date(2025, 11, 10)
METER_DAYS = 66 * 8
ELEMENTS = {
    "running": "apt_s", "setup": "asut_s", "idle": "adet_s", "delay": "adet_s", "down": "adot_s",
    "maintenance": "pmt_s", "repair": "cmt_s", "off": "off_s",
}  # fmt: skip
REASONS = {
    "random_bytes": "truncated", "truncated": "truncated", "wrong_magic": "wrong_magic",
    "unknown_schema": "unknown_schema", "trailing_bytes": "leftover_bytes", "wrong_tenant": "tenant_mismatch",
    "unknown_unit": "unknown_unit", "not_finite": "not_finite", "future_stamp": "event_in_future",
}  # fmt: skip
WHOLE = pl.col("coverage") >= 1 - 1e-9


@pytest.fixture(scope="module")
def hours(demo: Demo) -> pl.DataFrame:
    """Every hour of every meter with its true quantity."""
    truth = demo.truth.energy.filter(pl.col("day") <= LAST_DAY).select(
        "factory", "meter", "start", "unit", true_day="day", true="quantity"
    )
    facts = demo.rows("facts_energy").filter(allocation="hour")
    return facts.join(truth, on=["factory", "meter", "start", "unit"], how="full", coalesce=True)


def test_every_meter_has_every_hour_of_its_eight_days_once(hours: pl.DataFrame) -> None:
    assert hours.height == METER_DAYS * 24
    assert hours.select("true", "allocation").null_count().row(0) == (0, 0)
    assert hours.filter(pl.col("day") != pl.col("true_day")).is_empty()
    assert hours.select("factory", "meter", "start").is_duplicated().any() is False


def test_hours_of_full_coverage_are_true_within_a_thousandth_of_a_kwh(hours: pl.DataFrame) -> None:
    whole = hours.filter(WHOLE)
    assert whole.height == 12_453
    assert whole["quantity"].null_count() == 0
    assert whole.select((pl.col("quantity") - pl.col("true")).abs().max()).item() < 0.001
    assert whole["quality"].unique().to_list() == ["measured"]


def test_the_cluster_and_each_factory_add_up_to_the_truth_by_the_hour(hours: pl.DataFrame) -> None:
    """Only main meters roll up: each factory has one of electricity."""
    main = hours.filter(meter="main", carrier="electricity")
    assert main["factory"].n_unique() == 12
    by_hour = main.filter(WHOLE.all().over("start")).group_by("start").agg(pl.col("quantity", "true").sum())
    assert by_hour.height > 150
    assert by_hour.select((pl.col("quantity") - pl.col("true")).abs().max()).item() < 0.001


def test_no_hour_is_negative(hours: pl.DataFrame) -> None:
    assert hours.filter(pl.col("quantity") < 0).is_empty()
    assert hours["quantity"].min() == pytest.approx(0.6608)


def test_what_never_arrived_is_missing_and_is_not_made_up(hours: pl.DataFrame) -> None:
    silent = hours.filter(factory="saebyeok", day=date(2025, 11, 6))
    assert silent.height == 5 * 24
    assert silent["quantity"].null_count() == 5 * 24
    assert silent["coverage"].to_list() == [0.0] * 5 * 24
    # Maru's line is out from 10:00 to 14:00: its four whole hours are unknown, those at its edges cut.
    out = hours.filter(factory="maru", day=date(2025, 11, 4))
    four = pl.col("start").is_between(utc(date(2025, 11, 4), 10), utc(date(2025, 11, 4), 13))
    assert out.filter(four)["quantity"].null_count() == 5 * 4
    assert out.filter(~four)["quantity"].null_count() == 0
    assert (hours.filter(pl.col("quantity").is_null())["coverage"] == 0).all()
    assert hours.filter(pl.col("quantity").is_null() & pl.col("quality").is_not_null()).is_empty()


def test_hours_that_are_only_partly_measured_say_so(hours: pl.DataFrame) -> None:
    partly = hours.filter(~WHOLE, pl.col("quantity").is_not_null())
    assert partly.height == 12_672 - 12_453 - 153
    # An hour between two readings no further apart than the longest bridged gap is a guess, and says so.
    guessed = partly.filter(coverage=0.0)
    assert guessed["quality"].to_list() == ["interpolated"] * 7
    measured = partly.filter(quality="measured")
    # What was measured of an hour can't be more than all of it.
    assert measured.height > 0
    assert measured.filter(pl.col("quantity") > pl.col("true") + 0.001).is_empty()


def test_hours_and_unallocated_gaps_of_a_meter_add_up_to_all_that_flowed(
    demo: Demo, hours: pl.DataFrame
) -> None:
    """Naru's, maru's and saebyeok's registers ran on through their gaps, and lost nothing with them."""
    facts = demo.rows("facts_energy").filter(pl.col("factory").is_in(["naru", "maru", "saebyeok"]))
    gaps = facts.filter(allocation="unallocated")
    assert gaps.select("factory", "day").unique().sort("factory").rows() == [
        ("maru", date(2025, 11, 4)), ("naru", LAST_DAY), ("saebyeok", date(2025, 11, 7)),
    ]  # fmt: skip
    keys = ["factory", "meter"]
    sums = facts.group_by(keys).agg(pl.col("quantity").sum())
    true = hours.group_by(keys).agg(pl.col("true").sum())
    compared = sums.join(true, on=keys).with_columns(off=pl.col("quantity") - pl.col("true"))
    assert compared.height == 6 + 5 + 5
    assert compared["off"].abs().max() == pytest.approx(0, abs=0.001)


def test_a_register_that_rolls_over_is_exchanged_or_falls_to_zero_keeps_its_days(hours: pl.DataFrame) -> None:
    def off(factory: str, meter: str, day: date | None = None) -> pl.DataFrame:
        rows = hours.filter(factory=factory, meter=meter)
        rows = rows if day is None else rows.filter(day=day)
        days = rows.group_by("day").agg(pl.col("quantity", "true").sum())
        return days.select("day", off=(pl.col("quantity") - pl.col("true")).abs()).sort("day")

    rolling = hours.filter(factory="byeolsan", meter="line-a")["true"].sum()
    assert rolling > 20_000  # of a register of four digits: it rolled over at least twice
    assert off("byeolsan", "line-a")["off"].max() == pytest.approx(0, abs=0.001)
    assert off("jangsan", "press-2", date(2025, 11, 7))["off"].to_list() == pytest.approx([0], abs=0.001)
    assert off("taeyang", "furnace-3", date(2025, 11, 5))["off"].to_list() == pytest.approx([0], abs=0.001)
    reset = hours.filter(factory="taeyang", meter="furnace-3", quality="estimated")
    # The minute of the reset is not covered: what was before it in that minute nobody knows.
    assert reset.select("start", "coverage").rows() == [
        (utc(date(2025, 11, 5), 10), pytest.approx(59 / 60)),
    ]  # fmt: skip


def untold(demo: Demo, stream: str) -> pl.DataFrame:
    """Return factory, machine, day of which some message was lost, or sent after the demo's clock."""
    until = DEFAULT_AS_OF.astimezone(UTC)
    missing = demo.truth.deliveries.filter(
        pl.col("stream") == stream, pl.col("sent_at").is_null() | (pl.col("sent_at") >= until)
    )
    return missing.select("factory", "day", machine="source").unique()


def test_machine_seconds_are_true_wherever_every_state_was_told(demo: Demo) -> None:
    facts = demo.rows("facts_machine").filter(product="*")
    told = facts.unpivot(
        on=sorted(set(ELEMENTS.values())),
        index=["factory", "machine", "day", "start", "coverage"],
        variable_name="element",
        value_name="told_s",
    )
    keys = ["factory", "machine", "day", "start", "element"]
    true = (
        demo.truth.machine_time.filter(pl.col("day") <= LAST_DAY)
        .with_columns(element=pl.col("state").replace_strict(ELEMENTS))
        .group_by(keys)
        .agg(pl.col("duration_s").sum())
    )
    untold_days = untold(demo, "states")
    # A state that was lost is missed until the next one: perhaps on the next day.
    shadow = pl.concat([untold_days, untold_days.with_columns(pl.col("day") + timedelta(days=1))]).unique()
    compared = (
        told.filter(WHOLE)
        .join(true, on=keys, how="left")
        .join(shadow, on=["factory", "machine", "day"], how="anti")
        .with_columns(off=(pl.col("told_s") - pl.col("duration_s").fill_null(0.0)).abs())
    )
    assert compared.select("factory", "machine", "start").unique().height == 9_024
    assert compared["off"].max() == pytest.approx(0, abs=1e-6)


def test_the_elements_of_every_machine_hour_add_up_to_the_hour(demo: Demo) -> None:
    facts = demo.rows("facts_machine").filter(product="*")
    assert facts.height == 51 * 8 * 24
    total = pl.sum_horizontal(*sorted(set(ELEMENTS.values())), "unknown_s")
    assert facts.select((total - 3600).abs().max()).item() == pytest.approx(0, abs=1e-6)


def test_measured_quantities_are_true(demo: Demo) -> None:
    facts = demo.rows("facts_machine").filter(pl.col("product") != "*")
    keys = ["factory", "machine", "product", "start"]
    whole = facts.filter(WHOLE, quality="measured").join(
        demo.truth.output, on=keys, how="left", suffix="_true"
    )
    assert whole.height == 10_203
    for quantity in ("pq", "sq", "rq"):
        off = whole.select((pl.col(quantity) - pl.col(f"{quantity}_true")).abs().max()).item()
        assert off == pytest.approx(0, abs=1e-6)
    assert whole.filter(pl.col("gq") != pl.col("pq") - pl.col("sq")).is_empty()
    inspected = whole.filter(pl.col("ip").is_not_null())
    assert inspected.height > 8_000
    assert inspected.select((pl.col("gp") - pl.col("gp_true")).abs().max()).item() == pytest.approx(
        0, abs=1e-6
    )


def test_a_weeks_output_adds_up_whatever_was_lost_within_it(demo: Demo) -> None:
    """Counters run on: a lost message moves pieces between hours, never loses one, unless a day ends it."""
    keys = ["factory", "machine", "product"]
    facts = demo.rows("facts_machine").filter(pl.col("product") != "*").group_by(keys).agg(pl.col("pq").sum())
    true = demo.truth.output.filter(pl.col("day") <= LAST_DAY).group_by(keys).agg(true=pl.col("pq").sum())
    compared = facts.join(true, on=keys, how="full", coalesce=True)
    off = compared.filter((pl.col("pq") - pl.col("true")).abs() > 1e-6)
    edges = untold(demo, "counts").filter(pl.col("day").is_in([date(2025, 11, 3), LAST_DAY]))
    assert compared.height > 100
    assert off.join(edges, on=["factory", "machine"], how="anti").is_empty()


def test_operations_are_true_wherever_coverage_is_full(demo: Demo) -> None:
    """Left out: orders from before the first day, which nobody told, and what a silent plant made unknown."""
    keys = ["factory", "product", "element", "day"]
    true = demo.truth.operations.rename({"quantity": "true"})
    whole = demo.rows("facts_operations").filter(WHOLE).join(true, on=keys, how="inner")
    silent = (pl.col("factory") == "saebyeok") & (pl.col("day") >= date(2025, 11, 6))
    old_orders = pl.col("element").is_in(["orders_due", "orders_on_time", "orders_on_time_in_full"]) & (
        pl.col("day") <= date(2025, 11, 7)
    )
    compared = whole.filter(~silent, ~old_orders)
    assert compared.height == 2_384
    assert compared["element"].n_unique() == 26
    assert compared.select((pl.col("quantity") - pl.col("true")).abs().max()).item() < 1e-6
    assert compared.filter(pl.col("true") > 0)["element"].n_unique() == 25  # no recordable incident


def test_every_stream_of_operations_has_its_rows_on_every_day_and_a_plant_without_it_has_none(
    demo: Demo,
) -> None:
    facts = demo.rows("facts_operations")
    assert facts["unit"].null_count() == 0
    senders = {
        element: set(rows["factory"]) for (element,), rows in facts.group_by("element", maintain_order=True)
    }
    everyone = set(facts["factory"])
    assert len(everyone) == 12
    without = {"stock_unit_days": {"dasom", "areum"}, "cost_krw": {"chorok", "areum"}}
    assert {e: everyone - own for e, own in senders.items() if own != everyone} == without
    per_day = facts.filter(product="*").group_by("factory", "element").agg(pl.col("day").n_unique())
    assert per_day.filter(pl.col("element") != "cost_krw")["day"].unique().to_list() == [8]


def test_operations_that_nobody_told_are_missing_and_not_zero(demo: Demo) -> None:
    """Saebyeok was silent on Thursday the 6th: its hours, costs and headcount of that day are unknown."""
    day = demo.rows("facts_operations").filter(factory="saebyeok", day=date(2025, 11, 6))
    unknown = day.filter(pl.col("quantity").is_null())
    assert set(unknown["element"]) == {"worked_h", "apwt_s", "apat_s", "headcount", "cost_krw"}
    assert (unknown["coverage"] == 0).all()
    assert unknown["quality"].null_count() == unknown.height
    sunday = demo.rows("facts_operations").filter(factory="naru", day=date(2025, 11, 9))
    assert sunday.filter(element="worked_h").select("quantity", "coverage").row(0) == (0.0, 1.0)
    assert sunday.filter(element="headcount").select("quantity", "coverage").row(0) == (None, 0.0)


def test_the_cost_of_a_week_is_shared_out_to_its_days(demo: Demo) -> None:
    week = demo.rows("facts_operations").filter(element="cost_krw", factory="maru").sort("day")
    told = demo.rows("raw_costs").filter(factory="maru")["cost_krw"].to_list()
    assert [sum(week["quantity"].drop_nulls())] == pytest.approx(told)
    assert week["quality"].to_list() == ["interpolated"] * 7 + [None]


def test_each_planted_poison_is_one_dead_letter_with_its_reason(demo: Demo) -> None:
    until = DEFAULT_AS_OF.astimezone(UTC)
    planted = (
        demo.truth.deliveries.filter(pl.col("poison").is_not_null(), pl.col("sent_at") < until)
        .with_columns(
            reason=pl.col("poison").replace_strict(REASONS),
            record_timestamp=pl.col("sent_at").dt.truncate("1ms"),
        )
        .select("topic", "record_timestamp", "reason")
        .sort("topic", "record_timestamp")
    )
    found = demo.rows("dead_letters").select(planted.columns).sort("topic", "record_timestamp")
    assert planted.height == 23
    assert found.rows() == planted.rows()


def test_every_good_reading_is_in_the_raw_table_as_often_as_it_was_sent(demo: Demo) -> None:
    until = DEFAULT_AS_OF.astimezone(UTC)
    good = demo.truth.deliveries.filter(
        pl.col("poison").is_null(), pl.col("stream") == "energy", pl.col("sent_at") < until
    )
    raw = demo.rows("raw_energy").group_by("factory").len().sort("factory")
    assert raw.rows() == good.group_by("factory").agg(pl.col("rows").sum()).sort("factory").rows()


def utc(day: date, hour: int) -> datetime:
    return (midnight(day) + timedelta(hours=hour)).astimezone(UTC)


def true_kpis(demo: Demo) -> pl.DataFrame:
    """Return factory, day, kpi, true: what KPIs of whole days truly were, by formulas written out here."""
    place = ["factory", "day"]
    seconds = demo.truth.machine_time.group_by(*place, "state").agg(pl.col("duration_s").sum())
    spent = seconds.pivot(on="state", index=place, values="duration_s").fill_null(0.0)
    pru = pl.DataFrame(
        [(f, p.product, p.pru_s) for f, plant in PLANTS.items() for p in plant.products],
        schema=["factory", "product", "pru_s"],
        orient="row",
    )
    made = (
        demo.truth.output.join(pru, on=["factory", "product"])
        .group_by(place)
        .agg(pl.col("pq", "sq", "rq").sum(), ideal_s=(pl.col("pru_s") * pl.col("pq")).sum())
    )
    main = demo.truth.energy.filter(meter="main", carrier="electricity")
    kwh = main.group_by(place).agg(kwh=pl.col("quantity").sum())
    run, delay = pl.col("running"), pl.col("idle") + pl.col("delay")
    wide = spent.join(made, on=place).join(kwh, on=place).with_columns(
        energy_kwh="kwh",
        energy_kwh_per_unit=pl.col("kwh") / pl.col("pq"),
        energy_kwh_per_h=pl.col("kwh") / run * 3600,
        effectiveness=pl.col("ideal_s") / run,
        scrap_ratio=pl.col("sq") / pl.col("pq"),
        rework_ratio=pl.col("rq") / pl.col("pq"),
        setup_rate=pl.col("setup") / (run + pl.col("setup")),
        technical_efficiency=run / (run + delay),
        equipment_operation_rate_kr=run
        / (run + pl.col("setup") + delay + pl.col("down") + pl.col("repair")),
    )  # fmt: skip
    kpis = [n for n in wide.columns if n not in (*place, *spent.columns, *made.columns, "kwh")]
    return wide.unpivot(on=kpis, index=place, variable_name="kpi", value_name="true")


def test_kpis_are_true_wherever_everything_was_told(demo: Demo) -> None:
    untold_days = pl.concat(
        [untold(demo, s).select("factory", "day") for s in ("states", "counts", "energy")]
    )
    shadow = pl.concat([untold_days, untold_days.with_columns(pl.col("day") + timedelta(days=1))]).unique()
    kpis = demo.rows("kpis").filter(WHOLE, period="day", level="factory").rename({"subject": "factory"})
    compared = kpis.join(true_kpis(demo), on=["factory", "day", "kpi"]).join(
        shadow, on=["factory", "day"], how="anti"
    )
    assert (compared.height, compared["kpi"].n_unique()) == (16 * 9, 9)
    assert compared.select((pl.col("value") / pl.col("true") - 1).abs().max()).item() < 1e-9


def test_every_kpi_row_of_the_night_fits_its_contract_and_every_kpi_came_out(demo: Demo) -> None:
    rows = demo.rows("kpis")
    encoder = MessageEncoder(17, json.dumps(contract("kpi")))
    assert all(encoder.encode(row) for row in rows.to_dicts())
    of_days = {kpi for kpi, versions in kpi_book().definitions.items() if not versions[-1].monthly}
    assert set(rows.filter(level="factory", period="day")["kpi"]) == of_days
    assert not rows.select(KPIS.key).is_duplicated().any()


def test_the_ledger_has_every_activity_that_was_told_as_it_truly_was(demo: Demo) -> None:
    told = demo.truth.activities.filter(pl.col("end") <= midnight(date(2025, 11, 11)).astimezone(UTC))
    rows = demo.rows("activities").filter(source="stream")
    columns = ["factory", "activity_id", "activity", "flow", "amount", "unit", "counterpart"]
    assert rows.select(columns).sort(columns).rows() == told.select(columns).sort(columns).rows()
    assert rows.height == 8


def test_what_factories_told_emits_what_it_does_by_hand(demo: Demo) -> None:
    amounts = dict(demo.truth.activities.select(pl.col("activity_id"), "amount").iter_rows())
    lines = demo.rows("emission_lines").filter(pl.col("method") != "market")
    co2e = {
        (factory, name): kg
        for factory, name, kg in lines.select("factory", "activity_id", "co2e_kg").iter_rows()
    }
    # KR-GIR-2022: 49.4 MJ/kg, 15.281 t C/TJ; IPCC natural gas 1 and 0.1 kg/TJ; AR5 28 and 265
    tj = amounts["lng-251103"] * 49.4e-6
    lng = tj * (15.281 * 44 / 12 * 1000 + 28 * 1 + 265 * 0.1)
    assert co2e["taeyang", "lng-251103"] == pytest.approx(lng, rel=1e-12)
    # AR5: HFC-134a 1300
    assert co2e["byeolsan", "leak-251105"] == 0.5 * 1300
    assert co2e["haneul", "steam-251103"] == pytest.approx(62.5 * amounts["steam-251103"], rel=1e-12)
    assert co2e["taeyang", "steam-251103"] is None
    market = demo.rows("emission_lines").filter(method="market", activity_id="meter-electricity")
    by_market = dict(market.select("factory", "co2e_kg").iter_rows())
    # 0.4541 kg/kWh: a certificate takes 5,000 kWh off, a green premium nothing
    located = co2e["garam-1", "meter-electricity"] - 5000 * 0.4541
    assert by_market["garam-1"] == pytest.approx(located, rel=1e-12)
    assert by_market["naru"] == co2e["naru", "meter-electricity"]


def test_metered_months_of_whole_coverage_are_true(demo: Demo) -> None:
    truth = demo.truth.energy.filter(meter="main", carrier="electricity").filter(pl.col("day") <= LAST_DAY)
    true = truth.group_by("factory").agg(true=pl.col("quantity").sum())
    months = demo.rows("activities").filter(activity_id="meter-electricity").join(true, on="factory")
    whole = months.filter(pl.col("coverage") == 1.0)
    assert whole.height >= 6
    assert whole.select((pl.col("amount") - pl.col("true")).abs().max()).item() < 0.01
    park = demo.rows("emission_statements").filter(level="cluster", period="month", scope="transfers")
    assert park["co2e_kg"].unique().len() == 1
