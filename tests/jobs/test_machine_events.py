"""Changes of state and stop records of whole nights: how far each reaches, however late or long it is."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest

from tests.jobs.conftest import SEOUL, Park, ParkOf, instant

TUESDAY = date(2025, 11, 4)


@pytest.fixture
def park(park_of: ParkOf) -> Park:
    """A park whose machines send a state a day: their silence says nothing, how far a state reaches does."""
    loud = park_of("archive")
    return Park(loud.hub.with_settings(max_silence_s="0"), loud.sink, loud.tag, loud.sequence)


def three(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL)


def day(number: int) -> date:
    """Return a day by its number: Tuesday is 0."""
    return TUESDAY + timedelta(days=number)


def send_states(park: Park, sent: datetime, *events: tuple[datetime, str, datetime | None]) -> None:
    """Send changes of state, and stop records (with an end), of the machine `press` of factory a."""
    values = []
    for at, state, until in events:
        park.sequence += 1
        record = {
            "factory": park.a, "machine": "press", "at": at, "state": state, "until": until,
            "product": None, "reason": None, "sequence": park.sequence,
        }  # fmt: skip
        values.append(park.encode("states", record))
    park.send(park.topic("states"), values, sent)


def send_machines(park: Park, *machines: str) -> None:
    told = [{"machine": name, "name": name} for name in machines]
    park.send(park.topic("profile"), [park.profile(park.a, machines=told)], instant(date(2025, 11, 1)))


def hours_of(park: Park, element: str, machine: str = "press") -> dict[date, float]:
    """Return the hours of an element by day, without the days that have none."""
    facts = park.rows("facts_machine").filter(product="*", machine=machine)
    sums = facts.group_by("day").agg(pl.col(element).sum() / 3600).filter(pl.col(element) > 0)
    return dict(sums.sort("day").rows())


def restated_days(park: Park) -> list[date]:
    return park.rows("facts_history").filter(table="facts_machine")["day"].unique().sort().to_list()


def test_a_stop_that_is_told_late_restates_every_day_that_it_reaches(park: Park) -> None:
    """Running from Tuesday; told on day 6: it was under repair from Tuesday noon to day 3, 6:00."""
    send_machines(park, "press")
    runs = [(instant(day(n)), "running", None) for n in range(5)]
    send_states(park, instant(day(5)), *runs)
    park.nightly(three(day(6)))
    assert hours_of(park, "apt_s") == {day(n): 24.0 for n in range(6)}
    send_states(park, instant(day(6), 12), (instant(TUESDAY, 12), "repair", instant(day(3), 6)))
    park.nightly(three(day(7)))
    assert hours_of(park, "cmt_s") == {day(0): 12.0, day(1): 24.0, day(2): 24.0, day(3): 6.0}
    assert hours_of(park, "apt_s")[day(3)] == 18.0
    assert restated_days(park) == [day(n) for n in range(4)]


def test_a_late_change_of_state_lasts_beyond_stop_records_to_the_next_change(park: Park) -> None:
    """Running from Tuesday, off from day 4; a stop record on day 1. Told late: idle from Tuesday noon."""
    send_machines(park, "press")
    stop = (instant(day(1), 8), "stopped", instant(day(1), 9))
    send_states(
        park, instant(day(4), 1), (instant(TUESDAY), "running", None), stop, (instant(day(4)), "off", None)
    )
    park.nightly(three(day(6)))
    assert hours_of(park, "apt_s") == {day(0): 24.0, day(1): 23.0, day(2): 24.0, day(3): 24.0}
    send_states(park, instant(day(6), 12), (instant(TUESDAY, 12), "idle", None))
    park.nightly(three(day(7)))
    assert hours_of(park, "apt_s") == {day(0): 12.0}
    assert hours_of(park, "adet_s") == {day(0): 12.0, day(1): 23.0, day(2): 24.0, day(3): 24.0}


def test_a_stop_record_of_forty_days_still_holds_on_its_last_one(park: Park) -> None:
    send_machines(park, "press")
    send_states(
        park,
        instant(TUESDAY, 13),
        (instant(TUESDAY), "running", None),
        (instant(TUESDAY, 12), "repair", instant(day(40), 6)),
    )
    park.nightly(three(day(1)))
    for number in (39, 40, 41):  # nights in between change nothing of these days
        park.nightly(three(day(number)))
    repair = hours_of(park, "cmt_s")
    assert (repair[day(0)], repair[day(38)], repair[day(39)], repair[day(40)]) == (12.0, 24.0, 24.0, 6.0)
    assert hours_of(park, "apt_s")[day(40)] == 18.0


def test_a_stop_that_never_ends_and_a_machine_without_any_event(park: Park) -> None:
    """The press goes down at noon and says no more; the oven never says anything: no calendar is known."""
    send_machines(park, "press", "oven")
    send_states(
        park, instant(TUESDAY, 13), (instant(TUESDAY), "running", None), (instant(TUESDAY, 12), "down", None)
    )
    for number in (1, 2, 3):
        park.nightly(three(day(number)))
    assert hours_of(park, "adot_s") == {day(0): 12.0, day(1): 24.0, day(2): 24.0}
    assert hours_of(park, "unknown_s", "oven") == {day(0): 24.0, day(1): 24.0, day(2): 24.0}
    oven = park.rows("facts_machine").filter(machine="oven")
    assert oven["coverage"].to_list() == [0.0] * 72
    assert oven["quality"].null_count() == 72
    assert oven["failures"].sum() == 0


def test_a_shift_without_any_news_is_unknown_until_late_news_restates_it(park_of: ParkOf) -> None:
    """Running from 8:00, off from 17:00 on Tuesday and on day 2; of day 1 nothing is heard in time."""
    park = park_of("archive")
    shifts = [{"weekday": w, "start_minute": 480, "end_minute": 1020} for w in range(1, 8)]
    told = [{"machine": "press", "name": "press"}]
    park.send(
        park.topic("profile"),
        [park.profile(park.a, machines=told, shifts=shifts)],
        instant(date(2025, 11, 1)),
    )

    def work(number: int) -> list[tuple[datetime, str, None]]:
        return [(instant(day(number), 8), "running", None), (instant(day(number), 17), "off", None)]

    send_states(park, instant(day(2), 18), *work(0), *work(2))
    park.nightly(three(day(4)))
    assert hours_of(park, "apt_s") == {day(0): 9.0, day(2): 9.0}
    assert hours_of(park, "unknown_s") == {day(1): 9.0, day(3): 9.0}
    send_states(park, instant(day(4), 12), *work(1))
    park.nightly(three(day(5)))
    assert hours_of(park, "apt_s") == {day(0): 9.0, day(1): 9.0, day(2): 9.0}
    assert day(1) in restated_days(park)
    assert day(2) not in restated_days(park)


def test_a_bound_on_states_restates_what_a_lost_message_let_run_on(park: Park) -> None:
    """Running from Tuesday midnight without any more news; with a bound of two hours the rest is unknown."""
    send_machines(park, "press")
    send_states(park, instant(TUESDAY, 1), (instant(TUESDAY), "running", None))
    park.nightly(three(day(3)))
    assert hours_of(park, "apt_s") == {day(n): 24.0 for n in range(3)}
    bounded = Park(park.hub.with_settings(max_state_s="7200"), park.sink, park.tag, park.sequence)
    night = bounded.nightly(three(day(3)))
    assert night.line("METHOD / 산출 방법").startswith(
        "facts_machine setting/max_state_s 0 -> 7200; 2 final days"
    )
    assert hours_of(park, "apt_s") == {day(0): 2.0}
    assert hours_of(park, "unknown_s") == {day(0): 22.0, day(1): 24.0, day(2): 24.0}
    assert set(park.rows("facts_history")["cause"]) == {"method_change"}
    assert bounded.nightly(three(day(3))).line("result").startswith("nothing new")


def test_a_late_count_restates_the_day_of_its_own_products_next_count(park: Park) -> None:
    """Bolts stood at 0 on Tuesday, at 100 on day 3; nuts were counted in between. Told late: 40 on day 1.

    A difference over so long a gap counts in the hour of its closing reading: 100 on day 3 becomes 40 and 60.
    """
    send_machines(park, "press")

    def send_counts(sent: datetime, *counts: tuple[datetime, str, float]) -> None:
        for at, product, total in counts:
            park.sequence += 1
            record = {
                "factory": park.a, "machine": "press", "product": product, "at": at, "total": total,
                "rejected": 0.0, "rework": None, "inspected": None, "first_pass": None,
                "sequence": park.sequence,
            }  # fmt: skip
            park.send(park.topic("counts"), [park.encode("counts", record)], sent)

    def made() -> dict[date, float]:
        facts = park.rows("facts_machine").filter(product="bolt").group_by("day").agg(pl.col("pq").sum())
        return dict(facts.sort("day").rows())

    nuts = [(instant(day(n), 12), "nut", float(n)) for n in range(4)]
    bolts = [(instant(TUESDAY, 8), "bolt", 0.0), (instant(day(3), 8), "bolt", 100.0)]
    send_counts(instant(day(4)), *nuts, *bolts)
    park.nightly(three(day(6)))
    assert made() == {day(3): 100.0}
    send_counts(instant(day(6), 12), (instant(day(1), 8), "bolt", 40.0))
    park.nightly(three(day(7)))
    assert made() == {day(1): 40.0, day(3): 60.0}


def test_a_late_register_reading_restates_the_day_of_the_next_register_reading(park: Park) -> None:
    """A register shows 0 on Tuesday and 100 on day 3, and power samples come in between.

    Told late: it showed 40 on day 1, so 40 kWh belong to day 1 and 60 to day 3.
    """
    park.send_profiles(park.a)
    instantly = {"stamp": "instant", "length_s": None}
    register = {**instantly, "kind": "register"}
    shown = [(TUESDAY, 0.0), (day(3), 100.0)]
    values = [park.energy(park.a, instant(on, 8), [value], **register) for on, value in shown]
    samples = {**instantly, "kind": "power", "unit": "kW"}
    values.append(park.energy(park.a, instant(day(2), 20), [1.0], **samples))
    park.send(park.topic(), values, instant(day(4)))

    def unallocated() -> dict[date, float]:
        rows = park.rows("facts_energy").filter(allocation="unallocated")
        return dict(rows.select("day", "quantity").sort("day").rows())

    park.nightly(three(day(6)))
    assert unallocated() == {day(3): 100.0}
    late = park.energy(park.a, instant(day(1), 8), [40.0], **register)
    park.send(park.topic(), [late], instant(day(6), 12))
    park.nightly(three(day(7)))
    assert unallocated() == {day(1): 40.0, day(3): 60.0}
