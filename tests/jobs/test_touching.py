"""What a night computes anew: enough, so that nights in sequence know what one night would; and bounded."""

import random
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.domain.outcomes import ExitCode
from tests.jobs.conftest import SEOUL, Park, ParkOf, instant

MONDAY = date(2025, 11, 3)
DAYS = [MONDAY + timedelta(days=n) for n in range(5)]


def night_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL) + timedelta(days=1)


def send_days(park: Park, days: list[date], kwh: float = 1.0) -> None:
    """Send whole days of factory a, each hour the same amount, at the end of the last of them."""
    values = [park.energy(park.a, instant(day), [kwh] * 24) for day in days]
    park.send(park.topic("energy"), values, instant(days[-1], 24))


def days_with_energy(park: Park) -> list[date]:
    facts = park.rows("facts_energy").filter(pl.col("quantity").is_not_null())
    return facts["day"].unique().sort().to_list()


def facts(park: Park) -> list[pl.DataFrame]:
    """Return both fact tables without what depends on when they became known."""
    return [park.rows(name).drop("version", "known_at") for name in ("facts_energy", "facts_machine")]


def from_scratch(park: Park, folder: Path, night: datetime) -> Park:
    """Compute everything that the park's topics hold in one night, in a store of its own."""
    fresh = park.copied(folder)
    for part in ("store", "site"):
        shutil.rmtree(fresh.hub.root / part)
    assert fresh.nightly(night).code == 0
    return fresh


def test_nights_that_are_bounded_go_on_with_the_oldest_days_until_all_are_done(
    park: Park, tmp_path: Path
) -> None:
    park.send_profiles(park.a)
    send_days(park, DAYS)
    night = night_after(DAYS[-1])
    bounded = Park(park.hub.with_settings(max_days="2"), park.sink, park.tag)
    codes, reached = [], []
    for _ in range(3):
        codes.append(bounded.nightly(night).code)
        reached.append(days_with_energy(bounded))
    assert reached == [DAYS[:2], DAYS[:4], DAYS]
    assert codes == [ExitCode.PARTIAL, ExitCode.PARTIAL, ExitCode.DONE]
    again = bounded.nightly(night)
    assert again.code == 0
    assert "nothing new" in again.out
    for own, whole in zip(facts(bounded), facts(from_scratch(park, tmp_path / "fresh", night)), strict=True):
        assert own.equals(whole)


def test_what_arrives_between_bounded_nights_is_not_lost(park: Park, tmp_path: Path) -> None:
    park.send_profiles(park.a)
    send_days(park, DAYS)
    night = night_after(DAYS[-1])
    bounded = Park(park.hub.with_settings(max_days="2"), park.sink, park.tag, park.sequence)
    assert bounded.nightly(night).code == ExitCode.PARTIAL
    send_days(bounded, DAYS[:1], kwh=3.0)  # corrects a day that is computed already
    codes = [bounded.nightly(night).code for _ in range(4)]
    assert codes[-1] == 0
    assert bounded.hours(bounded.a, MONDAY) == [3.0] * 24
    fresh = from_scratch(park, tmp_path / "fresh", night)
    for own, whole in zip(facts(bounded), facts(fresh), strict=True):
        assert own.equals(whole)


def event_messages(park: Park, rng: random.Random) -> list[tuple[datetime, str, bytes]]:
    """Return instant, stream and message of a register, a machine and its counters over four days."""
    machine = {"factory": park.a, "machine": "m1"}
    out, totals = [], {"p1": 0.0, "p2": 0.0}
    for hour in range(4 * 24):
        at = instant(MONDAY) + timedelta(hours=hour, minutes=rng.randrange(60))
        park.sequence += 1
        if rng.random() < 0.5:
            value = float(hour * 10)
            changes = {"kind": "register", "stamp": "instant", "length_s": None}
            out.append((at, "energy", park.energy(park.a, at, [value], **changes)))
        if rng.random() < 0.1:
            changes = {"kind": "power", "unit": "kW", "stamp": "instant", "length_s": None}
            out.append((at, "energy", park.energy(park.a, at, [float(rng.randrange(9))], **changes)))
        if rng.random() < 0.1:
            state = rng.choice(["running", "setup", "down", "off", "repair"])
            until = at + timedelta(hours=rng.randrange(1, 60)) if rng.random() < 0.4 else None
            record = {**machine, "at": at, "state": state, "until": until, "sequence": park.sequence}
            out.append((at, "states", park.encode("states", record)))
        if rng.random() < 0.3:
            product = rng.choice(["p1", "p1", "p2"])
            totals[product] += rng.randrange(5)
            record = {
                **machine,
                "at": at,
                "product": product,
                "total": totals[product],
                "rejected": 0.0,
                "sequence": park.sequence,
            }
            out.append((at, "counts", park.encode("counts", record)))
    return out


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.faults)])
def test_nights_in_sequence_over_late_and_shuffled_events_know_what_one_night_would(
    park_of: ParkOf, tmp_path: Path, seed: int
) -> None:
    rng, park = random.Random(seed), park_of("archive")  # noqa: S311 - a repeatable shuffle
    products = [{"product": "p1", "unit": "piece", "product_class": "c", "pru_s": 30.0}]
    shifts = [{"weekday": d, "start_minute": 480, "end_minute": 1020} for d in range(1, 6)]
    machines = [{"machine": "m1", "name": "M"}]
    profile = park.profile(park.a, products=products, shifts=shifts, machines=machines)
    park.send(park.topic("profile"), [profile], instant(MONDAY))
    nights = [night_after(day) for day in DAYS[1:]]
    arrivals: dict[datetime, list[tuple[str, bytes]]] = {night: [] for night in nights}
    for at, stream, value in event_messages(park, rng):
        possible = [night for night in nights if night - timedelta(hours=1) > at]
        arrivals[rng.choice(possible)].append((stream, value))
    for night, messages in arrivals.items():
        rng.shuffle(messages)
        for stream in ("energy", "states", "counts"):
            values = [value for name, value in messages if name == stream]
            if values:
                park.send(park.topic(stream), values, (night - timedelta(hours=1)).astimezone(UTC))
        answer = park.nightly(night)
        assert answer.code == 0, answer.err
    fresh = from_scratch(park, tmp_path / "fresh", nights[-1])
    for own, whole in zip(facts(park), facts(fresh), strict=True):
        assert own.height > 0
        assert own.equals(whole)
