"""Location-based emissions: which factor, how far it was carried, and the product."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.emissions.electricity import location_based_co2e
from pipelines.domain.emissions.factors import FactorQuery, GridFactors
from pipelines.domain.emissions.lookup import years_begun
from pipelines.domain.factory_energy import factory_hours
from pipelines.domain.outcomes import OperatorError
from pipelines.reference.tables import emission_factors, gwps
from pipelines.schemas.tables import EMISSIONS

NOW = date(2025, 11, 11)
EVE = date(2025, 12, 17)
SEOUL_MIDNIGHT = datetime(2025, 11, 9, 15, tzinfo=UTC)


def grid(known_on: date = NOW, purpose: str = "disclosure", gwp_set: str = "AR5") -> GridFactors:
    return GridFactors(emission_factors(), gwps(), FactorQuery("KR", purpose, known_on, gwp_set))


def hours(
    values: list[float | None], start: datetime = SEOUL_MIDNIGHT, status: str = "final"
) -> pl.DataFrame:
    count = len(values)
    return pl.DataFrame(
        {
            "factory": ["a"] * count,
            "day": [date(2025, 11, 10)] * count,
            "allocation": ["hour"] * count,
            "start": [start + timedelta(hours=n) for n in range(count)],
            "end": [start + timedelta(hours=n + 1) for n in range(count)],
            "energy_kwh": pl.Series(values, dtype=pl.Float64),
            "coverage": [0.0 if v is None else 1.0 for v in values],
            "quality": [None if v is None else "measured" for v in values],
            "status": [status] * count,
        },
        schema_overrides={"quality": pl.String},
    )


def emitted(energy: pl.DataFrame, known_on: date = NOW, geography: str = "KR") -> pl.DataFrame:
    return location_based_co2e(
        energy, emission_factors(), gwps(), geography=geography, zone="Asia/Seoul", known_on=known_on
    )


def test_gas_rows_come_before_their_composite_and_are_added_by_the_named_set() -> None:
    found = grid().on(date(2018, 5, 1))
    # 0.4747 + 28 x 0.0000125 + 265 x 0.00001
    assert found.kg_per_kwh == Decimal("0.4777")
    assert (found.match, found.gwp_set, found.reason) == ("exact", "AR5", None)
    assert found.factor_id == ";".join(
        f"kr-grid-consumption-2017_2019-{gas}" for gas in ("co2", "ch4", "n2o")
    )


def test_another_gwp_set_gives_another_sum_of_the_same_gases() -> None:
    # 0.4747 + 21 x 0.0000125 + 310 x 0.00001
    assert grid(gwp_set="SAR").on(date(2018, 5, 1)).kg_per_kwh == Decimal("0.4780625")


def test_an_unknown_gwp_set_is_refused() -> None:
    with pytest.raises(OperatorError, match="AR7"):
        grid(gwp_set="AR7")


@pytest.mark.parametrize(
    ("known_on", "day", "vintage", "value", "match", "reason"),
    [
        (NOW, date(2021, 6, 1), "2020_2022", "0.4541", "exact", "gwp_set_differs"),
        (NOW, date(2022, 12, 31), "2020_2022", "0.4541", "exact", "gwp_set_differs"),
        (NOW, date(2023, 1, 1), "2020_2022", "0.4541", "fallback", "carried_forward:1y;gwp_set_differs"),
        (NOW, date(2025, 11, 10), "2020_2022", "0.4541", "fallback", "carried_forward:3y;gwp_set_differs"),
        (EVE, date(2023, 6, 1), "2020_2022", "0.4541", "fallback", "carried_forward:1y;gwp_set_differs"),
        (date(2025, 12, 18), date(2023, 6, 1), "2023", "0.4173", "exact", None),
        (date(2025, 12, 18), date(2025, 11, 10), "2023", "0.4173", "fallback", "carried_forward:2y"),
        (NOW, date(2013, 12, 31), None, None, "none", "no_factor_for_period"),
        (date(2019, 1, 1), date(2015, 1, 1), None, None, "none", "no_factor_for_period"),
    ],
)  # fmt: skip
def test_the_factor_depends_on_the_date_and_on_what_was_known(
    known_on: date, day: date, vintage: str | None, value: str | None, match: str, reason: str | None
) -> None:
    found = grid(known_on).on(day)
    assert found.factor_id == (None if vintage is None else f"kr-grid-consumption-{vintage}")
    assert found.kg_per_kwh == (None if value is None else Decimal(value))
    assert (found.match, found.reason) == (match, reason)
    assert found.provisional == (match == "fallback")


def test_the_emissions_trading_scheme_never_carries_a_factor_forward() -> None:
    found = grid(purpose="k_ets", gwp_set="SAR").on(date(2025, 1, 1))
    assert (found.kg_per_kwh, found.match, found.reason) == (None, "none", "allocation_factor_not_named")


def test_rows_without_a_purpose_are_never_picked() -> None:
    for year in range(2014, 2026):
        found = grid(date(2026, 1, 1)).on(date(year, 7, 1))
        assert "reference" not in (found.factor_id or "")
        assert "2021_2023" not in (found.factor_id or "")


def test_a_generation_end_row_is_never_picked() -> None:
    assert grid(purpose="inventory").on(date(2011, 7, 1)).match == "none"


@pytest.mark.parametrize(
    ("day", "years"),
    [
        (date(2023, 1, 1), 1),
        (date(2023, 12, 31), 1),
        (date(2024, 1, 1), 2),
        (date(2025, 11, 10), 3),
    ],
)
def test_carried_years_are_rounded_up(day: date, years: int) -> None:
    assert years_begun(date(2023, 1, 1), day) == years


def test_a_period_across_two_windows_is_weighted_by_days() -> None:
    found = grid().during(date(2019, 12, 29), date(2020, 1, 2))
    # three days at 0.4777, one at 0.4541
    assert found.kg_per_kwh == (3 * Decimal("0.4777") + Decimal("0.4541")) / 4
    assert found.factor_id is not None
    assert found.factor_id.startswith("kr-grid-consumption-2017_2019-co2;")
    assert found.factor_id.endswith(";kr-grid-consumption-2020_2022")
    assert found.match == "exact"


def test_a_period_that_begins_before_every_factor_has_none() -> None:
    found = grid().during(date(2013, 12, 31), date(2014, 1, 2))
    assert (found.kg_per_kwh, found.reason) == (None, "no_factor_for_period")


def test_missing_energy_stays_missing() -> None:
    rows = emitted(hours([10.0, None, 0.0]))
    assert rows["co2e_kg"].to_list() == [pytest.approx(4.541), None, 0.0]
    assert rows["reason"].to_list() == [
        "carried_forward:3y;gwp_set_differs",
        "carried_forward:3y;gwp_set_differs;missing_element:energy_kwh",
        "carried_forward:3y;gwp_set_differs",
    ]
    assert rows["provisional"].all()


def test_without_a_factor_there_are_no_tonnes_and_a_reason() -> None:
    rows = emitted(hours([10.0]), geography="DE")
    assert rows["co2e_kg"].to_list() == [None]
    assert rows["factor_match"].to_list() == ["none"]
    assert rows["reason"].to_list() == ["no_factor_for_period"]


def test_an_exact_factor_of_an_open_day_is_provisional_too() -> None:
    start = datetime(2018, 5, 1, tzinfo=UTC)
    assert emitted(hours([1.0], start, "provisional"))["provisional"].to_list() == [True]
    assert emitted(hours([1.0], start))["provisional"].to_list() == [False]


def test_the_local_date_decides_not_the_utc_date() -> None:
    # 2022-12-31T15:00Z is the first hour of 2023 in Seoul.
    rows = emitted(hours([1.0, 1.0], datetime(2022, 12, 31, 14, tzinfo=UTC)))
    assert rows["factor_match"].to_list() == ["exact", "fallback"]


def test_a_gap_that_ends_at_midnight_does_not_reach_into_the_next_year() -> None:
    gap = hours([8.0], datetime(2022, 12, 31, 12, tzinfo=UTC)).with_columns(
        end=pl.lit(datetime(2022, 12, 31, 15, tzinfo=UTC)), allocation=pl.lit("unallocated")
    )
    assert emitted(gap)["factor_match"].to_list() == ["exact"]


def test_a_year_at_one_factor_is_its_total_times_the_factor() -> None:
    start = datetime(2017, 12, 31, 15, tzinfo=UTC)
    values = [109.5 + 60.25 * math.sin(n / 7) + (n % 24) for n in range(8760)]
    rows = emitted(hours(list(values), start))
    assert rows["factor_id"].n_unique() == 1
    assert math.fsum(rows["co2e_kg"]) == pytest.approx(math.fsum(values) * 0.4777, rel=1e-9)


def test_the_columns_are_those_of_the_table() -> None:
    names = [n for n in EMISSIONS.schema.names if n not in {"bucket", "known_at"}]
    assert sorted(emitted(hours([1.0])).columns) == sorted(names)


@given(st.permutations(range(6)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    energy = hours([1.0, 2.0, None, 4.0, 5.0, 6.0])
    assert emitted(energy[order]).sort("start").equals(emitted(energy))


def facts(rows: list[tuple[str, str, float | None, float, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows,
        schema={
            "meter": pl.String,
            "allocation": pl.String,
            "quantity": pl.Float64,
            "coverage": pl.Float64,
            "quality": pl.String,
        },
        orient="row",
    ).with_columns(
        factory=pl.lit("a"),
        day=pl.lit(date(2025, 11, 10)),
        carrier=pl.lit("electricity"),
        start=pl.lit(SEOUL_MIDNIGHT),
        end=pl.lit(SEOUL_MIDNIGHT + timedelta(hours=1)),
        status=pl.lit("final"),
    )


METERS = pl.DataFrame(
    [
        ("a", "main-1", "electricity", None),
        ("a", "main-2", "electricity", None),
        ("a", "press", "electricity", "main-1"),
        ("a", "gas", "natural_gas", None),
    ],
    schema=["factory", "meter", "carrier", "parent"],
    orient="row",
)


def test_main_meters_are_added_and_sub_meters_are_not() -> None:
    rows = factory_hours(
        facts([
            ("main-1", "hour", 5.0, 1.0, "measured"),
            ("main-2", "hour", 2.5, 0.5, "interpolated"),
            ("press", "hour", 4.0, 1.0, "measured"),
        ]),
        METERS,
    )  # fmt: skip
    assert rows["energy_kwh"].to_list() == [7.5]
    assert rows["coverage"].to_list() == [0.75]
    assert rows["quality"].to_list() == ["interpolated"]


def test_an_export_is_never_netted_against_another_meter() -> None:
    rows = factory_hours(
        facts([("main-1", "hour", 5.0, 1.0, "measured"), ("main-2", "hour", -3.0, 1.0, "measured")]), METERS
    )
    assert rows["energy_kwh"].to_list() == [5.0]


def test_an_hour_that_no_meter_knows_is_null_and_one_of_two_is_half_covered() -> None:
    nothing = [("main-1", "hour", None, 0.0, None), ("main-2", "hour", None, 0.0, None)]
    assert factory_hours(facts(nothing), METERS)["energy_kwh"].to_list() == [None]
    half = factory_hours(facts([nothing[0], ("main-2", "hour", 3.0, 1.0, "measured")]), METERS)
    assert half.select("energy_kwh", "coverage").row(0) == (3.0, 0.5)


def test_a_gap_that_begins_with_an_hour_stays_a_row_of_its_own() -> None:
    rows = factory_hours(
        facts([("main-1", "hour", None, 0.0, None), ("main-1", "unallocated", 40.0, 0.0, "measured")]), METERS
    )
    assert rows.select("allocation", "energy_kwh", "coverage").rows() == [
        ("hour", None, 0.0),
        ("unallocated", 40.0, None),
    ]


def test_a_meter_that_moved_in_the_tree_counts_only_while_it_was_a_main_meter() -> None:
    both = facts([("main-1", "hour", 5.0, 1.0, "measured"), ("press", "hour", 4.0, 1.0, "measured")])
    of_profiles = pl.concat(
        [
            METERS.with_columns(profile_version=pl.lit("new")),
            METERS.with_columns(profile_version=pl.lit("old"), parent=pl.lit(None, pl.String)),
        ]
    )
    for version, kwh in (("new", 5.0), ("old", 9.0)):
        versioned = both.with_columns(profile_version=pl.lit(version))
        assert factory_hours(versioned, of_profiles)["energy_kwh"].to_list() == [kwh]
