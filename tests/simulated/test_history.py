"""That the made-up history has in it what the gate must be tried on."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from tests.simulated.history import KG_CO2E_PER_KWH, Night, Park
from tests.simulated.parks import DAYS, twelve_holdings


@pytest.fixture(scope="module")
def park() -> Park:
    return twelve_holdings(1)


@pytest.fixture(scope="module")
def nights(park: Park) -> dict[date, Night]:
    return {night.date: night for night in park.nights()}


def amount(
    night: Night, factory: str, day: date, kpi: str = "energy_kwh", period: str = "day"
) -> float | None:
    rows = night.kpis.filter(subject=factory, day=day, kpi=kpi, period=period)
    return rows["numerator"].item()


def test_there_is_a_night_for_each_day_and_one_that_closes_the_last_month(nights: dict[date, Night]) -> None:
    assert len(nights) == DAYS + 1
    assert (min(nights), max(nights)) == (date(2025, 11, 2), date(2026, 3, 2))
    newest = [night.kpis.filter(period="day")["day"].max() for night in nights.values()]
    assert newest[:-1] == [night - timedelta(days=1) for night in list(nights)[:-1]]


def test_every_amount_has_seven_digits_and_is_its_own(park: Park) -> None:
    made = park.versions.filter(pl.col("kpi").is_in(["energy_kwh", "oee", "quality_ratio"]))
    sums = made.drop_nulls("sums").unique(["day", "subject", "kpi", "numerator", "denominator"])
    drawn = [
        *sums.filter(kpi="energy_kwh")["numerator"],
        *sums.filter(kpi="oee")["denominator"],
        *sums.filter(kpi="quality_ratio")["denominator"],
    ]
    nonzero = [value for value in drawn if value]
    assert max(Counter(nonzero).values()) == 1
    assert min(len(Decimal(repr(value)).as_tuple().digits) for value in nonzero) >= 7


def test_carbon_is_energy_times_a_public_factor() -> None:
    day = date(2025, 11, 4)
    rows = (
        twelve_holdings(2).versions.filter(subject="f04", day=day).rows_by_key("kpi", named=True, unique=True)
    )
    assert rows["co2e_kg"]["value"] == rows["energy_kwh"]["value"] * KG_CO2E_PER_KWH


def test_late_days_are_unknown_until_their_night_and_gaps_for_ever(nights: dict[date, Night]) -> None:
    late, gap = date(2025, 11, 19), date(2025, 11, 8)
    assert [amount(nights[date(2025, 11, n)], "f04", late) is None for n in (20, 23, 24)] == [
        True,
        True,
        False,
    ]
    assert (late, "day") in nights[date(2025, 11, 24)].periods
    assert amount(nights[max(nights)], "f06", gap) is None


def test_a_correction_changes_the_day_its_month_and_its_years(nights: dict[date, Night]) -> None:
    day, before, after = date(2025, 11, 12), nights[date(2026, 1, 19)], nights[date(2026, 1, 20)]
    assert amount(after, "f05", day) == pytest.approx(1.31 * amount(before, "f05", day), rel=1e-6)
    changed = set(after.periods) - {(date(2026, 1, 19), "day")}
    assert changed == {
        (day, "day"), (date(2025, 11, 1), "month"), (date(2024, 12, 1), "rolling12"),
        (date(2025, 1, 1), "rolling12"),
    }  # fmt: skip


def test_months_and_years_come_when_a_month_has_closed(nights: dict[date, Night]) -> None:
    longer = {night: [p for p in n.periods if p[1] != "day"] for night, n in nights.items()}
    assert [night for night, periods in longer.items() if (date(2025, 12, 1), "month") in periods] == [
        date(2026, 1, 2),
        date(2026, 2, 11),  # a correction
    ]
    assert {kind for periods in longer.values() for _, kind in periods} == {"month", "rolling12"}
    night = nights[date(2026, 1, 2)]
    days = [amount(night, "f04", date(2025, 12, n)) for n in range(1, 32)]
    assert amount(night, "f04", date(2025, 12, 1), period="month") == pytest.approx(
        sum(d or 0.0 for d in days)
    )


def test_a_night_knows_nothing_of_the_future(nights: dict[date, Night]) -> None:
    def there(night: date) -> set[str]:
        return {f.factory for f in nights[night].cluster.factories}

    assert "f10" not in there(date(2026, 1, 13))
    assert "f10" in there(date(2026, 1, 14))
    left = [
        next(f.left for f in nights[night].cluster.factories if f.factory == "f08")
        for night in (date(2026, 2, 16), date(2026, 2, 17))
    ]
    assert left == [None, date(2026, 2, 17)]
    owners = [
        nights[night].cluster.holding_of("f09", date(2026, 3, 1))
        for night in (date(2026, 1, 8), date(2026, 1, 9))
    ]
    assert owners == ["of-f09", "of-f04"]


def test_the_drift_is_below_and_above_what_a_holding_is_taken_to_move(nights: dict[date, Night]) -> None:
    night = nights[max(nights)]
    moves = {
        f: (amount(night, f, date(2026, 2, 1), period="month") or 0.0)
        / 28
        / ((amount(night, f, date(2025, 11, 1), period="month") or 1.0) / 30)
        for f in ("f01", "f04")
    }
    assert moves["f01"] == pytest.approx(1.01**3, abs=0.05)
    assert moves["f04"] == pytest.approx(1.08**3, abs=0.05)


def test_the_same_seed_makes_the_same_history(park: Park) -> None:
    assert twelve_holdings(1).versions.equals(park.versions)
    assert not replace(park, seed=2).versions.equals(park.versions)
