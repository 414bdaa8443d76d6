"""Daily operations of a park: what late events restate, and that nights in sequence know what one would."""

import json
import random
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.domain.outcomes import ExitCode
from tests.jobs.conftest import SEOUL, Park, ParkOf, instant

MONDAY = date(2025, 11, 3)
DAYS = [MONDAY + timedelta(days=n) for n in range(8)]
TUESDAY, THURSDAY = DAYS[1], DAYS[3]
PRODUCTS = [{"product": "bolt", "unit": "piece", "product_class": "c", "pru_s": 30.0}]
SHIFTS = [{"weekday": d, "start_minute": 480, "end_minute": 1020} for d in range(1, 6)]


def night_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL) + timedelta(days=1)


def send_profile(park: Park) -> None:
    profile = park.profile(park.a, products=PRODUCTS, shifts=SHIFTS)
    park.send(park.topic("profile"), [profile], instant(date(2025, 11, 1)))


def event(park: Park, stream: str, at: datetime, **fields: Any) -> bytes:
    park.sequence += 1
    return park.encode(stream, {"factory": park.a, "at": at, "sequence": park.sequence, **fields})


def step(park: Park, order: str, name: str, at: datetime, **fields: Any) -> bytes:
    return event(park, "orders", at, order=order, step=name, **fields)


def shipment(park: Park, name: str, at: datetime, **fields: Any) -> bytes:
    said = {"load_t": 2.0, "distance_km": 50.0, "pooled": False}
    return event(park, "shipments", at, shipment=name, **{**said, **fields})


def hours(park: Park, day: date, worked_h: float) -> bytes:
    period = {"until": instant(day, 24), "worked_h": worked_h}
    return event(park, "safety", instant(day), event=f"h-{day}", kind="hours", **period)


def amounts(park: Park, element: str, product: str = "*") -> list[float | None]:
    rows = park.rows("facts_operations").filter(element=element, product=product)
    return rows.sort("start")["quantity"].to_list()


def told(park: Park, day: date, element: str) -> list[tuple[Any, Any, str, str]]:
    """Return old and new quantity, version and cause as `digital-cluster history` tells them."""
    answer = park.hub.run("history", "--cluster", "park", "--factory", park.a, "--day", day)
    assert answer.code == 0, answer.err
    changed = [row for row in answer.csv() if row["cause"] and json.loads(row["key"])["element"] == element]
    assert {row["table"] for row in changed} <= {"facts_operations"}

    def quantity(row: str | None) -> Any:
        return json.loads(row)["quantity"] if row else None

    return [(quantity(r["old_row"]), quantity(r["new_row"]), r["version"], r["cause"]) for r in changed]


@pytest.fixture(scope="module")
def first_week(park_of: ParkOf) -> Park:
    """An order promised for Thursday, a daily shipment and stock and hours, all known on Friday's night."""
    park = park_of("archive")
    send_profile(park)
    friday = DAYS[4]
    orders = [
        step(park, "o1", "received", instant(MONDAY, 10), product="bolt", quantity=500.0),
        step(park, "o1", "promised", instant(MONDAY, 11), promised_at=instant(THURSDAY, 12)),
        *(step(park, f"x{n}", "received", instant(day, 9)) for n, day in enumerate(DAYS[:5])),
    ]
    park.send(park.topic("orders"), orders, instant(friday, 23))
    shipments = [shipment(park, f"s{n}", instant(day, 16)) for n, day in enumerate(DAYS[:5])]
    park.send(park.topic("shipments"), shipments, instant(friday, 23))
    stock = [event(park, "stock", instant(MONDAY), product="bolt", quantity=300.0)]
    park.send(park.topic("stock"), stock, instant(friday, 23))
    park.send(park.topic("safety"), [hours(park, day, 80.0) for day in DAYS[:5]], instant(friday, 23))
    answer = park.nightly(night_after(DAYS[5]))
    assert answer.code == 0, answer.err
    return park


@pytest.fixture
def known(first_week: Park, tmp_path: Path) -> Park:
    """A copy of what the first night left: Monday to Friday are final, Saturday is provisional."""
    return first_week.copied(tmp_path / "hub")


LATE = instant(DAYS[6], 12)
NEXT = night_after(DAYS[6])


def test_a_week_of_operations_in_numbers(known: Park) -> None:
    assert amounts(known, "orders_received") == [2, 1, 1, 1, 1, 0]
    assert amounts(known, "orders_due") == [0, 0, 0, 1, 0, 0]
    assert amounts(known, "orders_on_time") == [0, 0, 0, 0, 0, 0]
    assert amounts(known, "load_tkm") == [100.0] * 5 + [0.0]
    assert amounts(known, "worked_h") == [80.0] * 5 + [0.0]
    assert amounts(known, "stock_unit_days", "bolt") == [300.0] * 6
    assert amounts(known, "cost_krw") == []
    facts = known.rows("facts_operations")
    assert facts["status"].unique().sort().to_list() == ["final", "provisional"]
    assert facts.filter(factory=known.b).is_empty()


def test_a_delivery_that_is_told_late_restates_the_day_of_its_promise(known: Park) -> None:
    delivered = step(known, "o1", "delivered", instant(THURSDAY, 12), quantity=500.0)
    known.send(known.topic("orders"), [delivered], LATE)
    night = known.nightly(NEXT)
    # Nobody told when it was started: the days up to its end may have had more execution time than is known.
    restated = ", ".join(f"{known.a} {day} (late_data)" for day in DAYS[:4])
    assert night.line("RESTATED / 재산정") == restated
    assert amounts(known, "orders_on_time")[3] == 1
    assert amounts(known, "orders_on_time_in_full")[3] == 1
    assert amounts(known, "lead_time_s")[3] == 74 * 3600
    assert told(known, THURSDAY, "orders_on_time") == [(0.0, 1.0, "2", "late_data")]
    assert told(known, THURSDAY, "orders_due") == []


def test_a_new_promise_restates_the_day_of_the_old_one_and_a_cancelled_order_is_not_due(
    known: Park,
) -> None:
    moved = step(known, "o1", "promised", instant(DAYS[5], 9), promised_at=instant(DAYS[6], 12))
    known.send(known.topic("orders"), [moved], LATE)
    night = known.nightly(NEXT)
    assert amounts(known, "orders_due") == [0, 0, 0, 0, 0, 0, 1]
    restated = night.line("RESTATED / 재산정").split(", ")
    # The promise of Monday is now one of Saturday, which was not final yet.
    assert restated == [f"{known.a} {day} (late_data)" for day in (MONDAY, THURSDAY)]
    cancelled = step(known, "o1", "cancelled", instant(DAYS[7], 9))
    known.send(known.topic("orders"), [cancelled], instant(DAYS[7], 10))
    known.nightly(night_after(DAYS[7]))
    assert sum(q or 0 for q in amounts(known, "orders_due")) == 0


def test_a_late_level_restates_every_day_from_its_own_on(known: Park) -> None:
    level = event(known, "stock", instant(DAYS[2], 12), product="bolt", quantity=100.0)
    known.send(known.topic("stock"), [level], LATE)
    night = known.nightly(NEXT)
    assert amounts(known, "stock_unit_days", "bolt") == [300.0, 300.0, 200.0, 100.0, 100.0, 100.0, 100.0]
    restated = night.line("RESTATED / 재산정").split(", ")
    assert restated == [f"{known.a} {day} (late_data)" for day in DAYS[2:5]]
    assert told(known, DAYS[2], "stock_unit_days") == [(300.0, 200.0, "2", "late_data")]


def test_a_corrected_report_restates_its_day_and_a_first_cost_gives_rows_to_all_days_from_it_on(
    known: Park,
) -> None:
    known.send(known.topic("safety"), [hours(known, TUESDAY, 64.0)], LATE)
    period = {"until": instant(DAYS[4]), "product": None, "cost_krw": 300.0}
    known.send(known.topic("costs"), [event(known, "costs", instant(TUESDAY), event="c1", **period)], LATE)
    night = known.nightly(NEXT)
    assert amounts(known, "worked_h")[:3] == [80.0, 64.0, 80.0]
    assert amounts(known, "cost_krw") == [100.0, 100.0, 100.0, None, None, None]
    restated = night.line("RESTATED / 재산정").split(", ")
    assert restated == [f"{known.a} {day} (late_data)" for day in DAYS[1:5]]
    assert told(known, TUESDAY, "cost_krw") == [(None, 100.0, "2", "late_data")]


def test_what_is_told_twice_changes_nothing_and_a_second_night_makes_no_commit(known: Park) -> None:
    before = known.rows("facts_operations").filter(pl.col("day") <= DAYS[4])
    again = shipment(known, "s1", instant(TUESDAY, 16))
    known.send(known.topic("shipments"), [again, again], LATE)
    assert "RESTATED" not in known.nightly(NEXT).out
    assert known.rows("facts_operations").filter(pl.col("day") <= DAYS[4]).equals(before)
    state = known.hub.state("park")
    night = known.nightly(NEXT)
    assert night.line("result").startswith("nothing new")
    assert known.hub.state("park") == state


def test_a_negative_amount_is_a_dead_letter_and_its_neighbours_count(known: Park) -> None:
    bad = shipment(known, "bad", instant(DAYS[6], 9), load_t=-1.0)
    odd = event(known, "safety", instant(DAYS[6], 9), event="odd", kind="overtime")
    known.send(known.topic("shipments"), [bad, shipment(known, "good", instant(DAYS[6], 10))], LATE)
    known.send(known.topic("safety"), [odd], LATE)
    known.nightly(NEXT)
    assert sorted(reason for _, _, reason in known.letters()) == ["negative_amount", "unknown_kind"]
    assert amounts(known, "load_tkm")[6] == 100.0


def messages(park: Park, rng: random.Random) -> list[tuple[datetime, str, bytes]]:
    """Return instant, stream and message of two and a half weeks of events, some of them said again."""
    out: list[tuple[datetime, str, bytes]] = []

    def tell(stream: str, at: datetime, **fields: Any) -> None:
        out.append((at, stream, event(park, stream, at, **fields)))

    for hour in range(0, 17 * 24, 5):
        at = instant(MONDAY, hour) + timedelta(minutes=rng.randrange(60))
        order, name = f"o{rng.randrange(8)}", rng.choice(["received", "started", "completed", "shipped"])
        later = at + timedelta(hours=rng.randrange(-90, 150))
        if rng.random() < 0.5:
            tell("orders", at, order=order, step=name, product="bolt", quantity=float(rng.randrange(9)))
        if rng.random() < 0.3:
            name = rng.choice(["promised", "delivered", "cancelled"])
            promised = later if name == "promised" else None
            tell("orders", at, order=order, step=name, promised_at=promised, quantity=4.0)
        if rng.random() < 0.2:
            due = {"delivered_at": rng.choice([None, later]), "due_at": later}
            load = {"load_t": 2.0, "capacity_t": rng.choice([None, 5.0]), "distance_km": 9.0}
            tell("shipments", at, shipment=f"s{rng.randrange(9)}", **due, **load, pooled=False)
        if rng.random() < 0.2:
            period = {"until": at + timedelta(hours=rng.randrange(1, 99)), "worked_h": 7.0, "headcount": hour}
            tell("safety", at, event=f"h{rng.randrange(9)}", kind="hours", **period)
        if rng.random() < 0.1:
            tell("stock", at, product=rng.choice(["bolt", "nut"]), quantity=float(hour))
        if rng.random() < 0.1:
            until = at + timedelta(hours=rng.randrange(1, 99))
            tell("costs", at, event=f"c{rng.randrange(4)}", until=until, product=None, cost_krw=float(hour))
    return out


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.faults) for n in (2, 3, 4))])
def test_nights_in_sequence_over_late_and_shuffled_events_know_what_one_night_would(
    park_of: ParkOf, tmp_path: Path, seed: int
) -> None:
    rng, park = random.Random(seed), park_of("archive")  # noqa: S311 - a repeatable shuffle
    send_profile(park)
    nights = [night_after(MONDAY + timedelta(days=n)) for n in (5, 9, 14, 18)]
    arrivals: dict[datetime, list[tuple[str, bytes]]] = {night: [] for night in nights}
    for at, stream, value in messages(park, rng):
        possible = [night for night in nights if night - timedelta(hours=1) > at]
        arrivals[rng.choice(possible)].append((stream, value))
    bounded = Park(park.hub.with_settings(max_days="8"), park.sink, park.tag)
    for number, (night, of_night) in enumerate(arrivals.items()):
        rng.shuffle(of_night)
        for stream in ("orders", "shipments", "safety", "stock", "costs"):
            values = [value for name, value in of_night if name == stream]
            if values:
                park.send(park.topic(stream), values, (night - timedelta(hours=1)).astimezone(UTC))
        if number == 1:
            while bounded.nightly(night).code == ExitCode.PARTIAL:
                continue
        answer = park.nightly(night)
        assert answer.code == 0, answer.err
        assert "method_change" not in answer.out
    fresh = park.copied(tmp_path / "fresh")
    for part in ("store", "site"):
        shutil.rmtree(fresh.hub.root / part)
    assert fresh.nightly(nights[-1]).code == 0
    own, whole = (p.rows("facts_operations").drop("version", "known_at") for p in (park, fresh))
    assert own["element"].n_unique() == 26
    assert own.equals(whole)
    causes = park.rows("facts_history").filter(table="facts_operations")["cause"]
    assert causes.unique().to_list() == ["late_data"]
