"""From readings through the meter tree to a factory's hour: what rolls up, flows back, is left out."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from pipelines.domain.calendar import INSTANT, day_window, day_windows
from pipelines.domain.factory_energy import factory_hours, is_publishable
from pipelines.domain.meters import hourly_energy
from pipelines.domain.units import unit_multipliers
from pipelines.reference.tables import units

DAY = date(2025, 11, 10)
SEOUL = "Asia/Seoul"
MIDNIGHT = day_window(DAY, SEOUL)[0]
READING_SCHEMA = pl.Schema({
    "factory": pl.String(), "meter": pl.String(), "carrier": pl.String(), "kind": pl.String(),
    "unit": pl.String(), "stamp": pl.String(), "length_s": pl.Int32(), "sequence": pl.Int64(), "at": INSTANT,
    "value": pl.Float64(), "record_timestamp": INSTANT,
})  # fmt: skip
METER_SCHEMA = pl.Schema({
    "factory": pl.String(), "meter": pl.String(), "carrier": pl.String(), "unit": pl.String(),
    "parent": pl.String(), "register_digits": pl.Int32(), "maximum_per_h": pl.Float64(),
    "bidirectional": pl.Boolean(), "valid_from": INSTANT, "valid_to": INSTANT, "opening_value": pl.Float64(),
    "closing_value": pl.Float64(),
})  # fmt: skip
Row = dict[str, Any]


def interval(meter: str, hours: float, value: float, **changes: object) -> Row:
    """Return a quarter hour of electricity."""
    at = MIDNIGHT + timedelta(hours=hours)
    row = {
        "factory": "a1", "meter": meter, "carrier": "electricity", "kind": "interval", "unit": "kWh",
        "stamp": "start", "length_s": 900, "sequence": 1, "at": at, "value": value, "record_timestamp": at,
    }  # fmt: skip
    return row | changes


def meter(name: str, parent: str | None = None, **changes: object) -> Row:
    row: Row = dict.fromkeys(METER_SCHEMA.names())
    own = {"factory": "a1", "meter": name, "carrier": "electricity", "unit": "kWh", "parent": parent}
    return row | own | {"bidirectional": False} | changes


def facts_of(readings: list[Row], meters: list[Row], **options: Any) -> pl.DataFrame:
    windows = day_windows(pl.DataFrame({"factory": ["a1"], "zone": [SEOUL]}), DAY)
    hourly = hourly_energy(
        pl.DataFrame(readings, schema=READING_SCHEMA),
        pl.DataFrame(meters, schema=METER_SCHEMA),
        windows,
        max_gap_s=7200,
        unit_multipliers=unit_multipliers(units()),
        **options,
    )
    return hourly.with_columns(day=pl.lit(DAY), status=pl.lit("final"))


def at_ten(facts: pl.DataFrame, meters: list[Row]) -> Row:
    hours = factory_hours(facts, pl.DataFrame(meters, schema=METER_SCHEMA))
    return hours.filter(pl.col("start") == MIDNIGHT + timedelta(hours=10)).row(0, named=True)


def whole_hour(meter: str, kwh: float, **changes: object) -> list[Row]:
    return [interval(meter, 10 + n / 4, kwh / 4, **changes) for n in range(4)]


def test_sub_meters_of_two_levels_are_facts_but_the_main_meter_alone_is_the_factory() -> None:
    # main 100 = hall 60 (= press 25 + oven 30 + 5 unmetered) + 40 unmetered.
    tree = [meter("main"), meter("hall", "main"), meter("press", "hall"), meter("oven", "hall")]
    shown = {"main": 100.0, "hall": 60.0, "press": 25.0, "oven": 30.0}
    facts = facts_of([row for name, kwh in shown.items() for row in whole_hour(name, kwh)], tree)
    by_meter = facts.drop_nulls("quantity").select("meter", "quantity").rows()
    assert dict(by_meter) == shown
    assert at_ten(facts, tree)["energy_kwh"] == 100.0


def test_two_main_meters_are_added_and_a_sub_meter_of_either_is_not() -> None:
    tree = [meter("north"), meter("south"), meter("press", "south")]
    readings = [*whole_hour("north", 8.0), *whole_hour("south", 12.0), *whole_hour("press", 11.0)]
    assert at_ten(facts_of(readings, tree), tree)["energy_kwh"] == 20.0


def test_a_roof_that_feeds_back_is_import_and_export_apart() -> None:
    """Quarters of +6, -2, -5, +1: 7 in, 7 out, a net of 0; another main meter imports 3."""
    tree = [meter("main", bidirectional=True), meter("hall-2")]
    quarters = [interval("main", 10 + n / 4, kwh) for n, kwh in enumerate([6.0, -2.0, -5.0, 1.0])]
    facts = facts_of([*quarters, *whole_hour("hall-2", 3.0)], tree)
    kept = facts.drop_nulls("quantity").filter(meter="main").select("quantity", "exported", "quality")
    assert kept.rows() == [(0.0, 7.0, "measured")]
    hour = at_ten(facts, tree)
    assert (hour["energy_kwh"], hour["export_kwh"]) == (10.0, 7.0)


def test_an_hour_of_export_alone_stays_negative_in_the_facts_and_is_no_consumption() -> None:
    tree = [meter("main", bidirectional=True)]
    facts = facts_of(whole_hour("main", -8.0), tree)
    assert facts.drop_nulls("quantity")["quantity"].to_list() == [-8.0]
    hour = at_ten(facts, tree)
    assert (hour["energy_kwh"], hour["export_kwh"]) == (0.0, 8.0)


def test_where_no_meter_measures_both_ways_export_is_null_and_not_zero() -> None:
    tree = [meter("main")]
    assert at_ten(facts_of(whole_hour("main", 8.0), tree), tree)["export_kwh"] is None


@pytest.mark.parametrize(
    ("carrier", "unit", "value", "expected"),
    [
        ("electricity", "MWh", 0.002, (2.0, "kWh")),
        ("electricity", "kWh", 2.0, (2.0, "kWh")),
        # 3.6 GJ are 1000 kWh.
        ("electricity", "GJ", 0.0036, (1.0, "kWh")),
        ("heat", "MWh", 0.5, (1.8, "GJ")),
        ("heat", "GJ", 1.25, (1.25, "GJ")),
        ("natural_gas", "Nm3", 7.0, (7.0, "Nm3")),
        ("lpg", "t", 0.004, (4.0, "kg")),
        ("lpg", "kg", 4.0, (4.0, "kg")),
        ("diesel", "L", 30.0, (30.0, "L")),
        ("water", "m3", 2.5, (2.5, "m3")),
    ],
)
def test_each_carrier_is_stored_in_its_own_unit(
    carrier: str, unit: str, value: float, expected: tuple[float, str]
) -> None:
    tree = [meter("m", carrier=carrier, unit=unit)]
    facts = facts_of([interval("m", 10, value, carrier=carrier, unit=unit)], tree)
    quantity, canonical = facts.drop_nulls("quantity").select("quantity", "unit").row(0)
    assert (quantity, canonical) == (pytest.approx(expected[0]), expected[1])


def test_carriers_of_one_factory_are_never_added_to_each_other() -> None:
    tree = [meter("main"), meter("gas", carrier="natural_gas", unit="Nm3")]
    readings = [*whole_hour("main", 8.0), interval("gas", 10, 50.0, carrier="natural_gas", unit="Nm3")]
    facts = facts_of(readings, tree)
    assert dict(facts.drop_nulls("quantity").select("carrier", "quantity").rows()) == {
        "electricity": 8.0,
        "natural_gas": 50.0,
    }
    assert at_ten(facts, tree)["energy_kwh"] == 8.0


def test_a_maximum_is_compared_in_the_meters_own_unit() -> None:
    # 0.01 MWh/h are 10 kWh/h: 8 kWh in an hour are plausible, 12 aren't.
    tree = [meter("main", unit="MWh", maximum_per_h=0.01)]
    for kwh, quality in ((8.0, "measured"), (12.0, "suspect")):
        facts = facts_of(whole_hour("main", kwh / 1000, unit="MWh"), tree)
        assert facts.drop_nulls("quantity")["quality"].to_list() == [quality]


SUSPICIOUS = [*whole_hour("main", 90.0), interval("main", 11, 5.0)]
LIMITED = [meter("main", maximum_per_h=40.0)]


def spans(*hours: tuple[float, float]) -> pl.DataFrame:
    rows = [("a1", "main", *(MIDNIGHT + timedelta(hours=h) for h in span)) for span in hours]
    schema = {"factory": pl.String, "meter": pl.String, "start": INSTANT, "end": INSTANT}
    return pl.DataFrame(rows, schema=schema, orient="row")


def usable(facts: pl.DataFrame) -> list[float]:
    hours = factory_hours(facts, pl.DataFrame(LIMITED, schema=METER_SCHEMA))
    return hours.filter(is_publishable(), pl.col("energy_kwh").is_not_null())["energy_kwh"].to_list()


def test_what_is_suspect_is_kept_flagged_and_left_out() -> None:
    facts = facts_of(SUSPICIOUS, LIMITED)
    kept = facts.drop_nulls("quantity").select("quantity", "quality").rows()
    assert kept == [(90.0, "suspect"), (5.0, "measured")]
    assert usable(facts) == [5.0]


def test_what_is_accepted_gets_the_quality_back_that_it_would_have() -> None:
    facts = facts_of(SUSPICIOUS, LIMITED, accepted=spans((10, 11)))
    kept = facts.drop_nulls("quantity").select("quantity", "quality").rows()
    assert kept == [(90.0, "measured"), (5.0, "measured")]
    assert usable(facts) == [90.0, 5.0]


@pytest.mark.parametrize("span", [(9.0, 10.5), (10.25, 12.0), (0.0, 10.0), (11.0, 24.0)])
def test_an_hour_that_is_accepted_in_part_stays_suspect(span: tuple[float, float]) -> None:
    assert usable(facts_of(SUSPICIOUS, LIMITED, accepted=spans(span))) == [5.0]


def test_acceptance_of_one_meter_says_nothing_of_another() -> None:
    tree = [*LIMITED, meter("press", "main", maximum_per_h=40.0)]
    facts = facts_of([*SUSPICIOUS, *whole_hour("press", 80.0)], tree, accepted=spans((0, 24)))
    assert facts.filter(quality="suspect").select("meter", "quantity").rows() == [("press", 80.0)]


def test_an_accepted_amount_of_a_reset_is_still_an_estimate() -> None:
    """A register drops from 500 to 499.5: a faulty reading rather than a new start, so suspect."""
    changes = {"kind": "register", "stamp": "instant", "length_s": None}
    readings = [interval("main", 10, 500.0, **changes), interval("main", 11, 499.5, **changes)]
    tree = [meter("main")]
    assert facts_of(readings, tree).drop_nulls("quantity")["quality"].to_list() == ["suspect"]
    told = facts_of(readings, tree, accepted=spans((10, 11))).drop_nulls("quantity")
    assert told.select("quantity", "quality").rows() == [(499.5, "estimated")]


def test_an_accepted_gap_is_the_whole_gap() -> None:
    """30 kWh over four hours in which power samples came too: it may be counted twice, so it is suspect."""
    changes: Row = {"stamp": "instant", "length_s": None}
    gap = [interval("main", h, v, kind="register", **changes) for h, v in ((10, 100.0), (14, 130.0))]
    samples = [interval("main", 10 + n / 2, 7.0, kind="power", unit="kW", **changes) for n in range(9)]

    def quality(accepted: pl.DataFrame) -> list[str]:
        facts = facts_of([*gap, *samples], [meter("main")], accepted=accepted)
        return facts.filter(allocation="unallocated")["quality"].to_list()

    assert quality(spans((10, 13.99))) == ["suspect"]
    assert quality(spans((10, 14))) == ["measured"]
