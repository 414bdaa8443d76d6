"""What plants tell of their carbon beside meters: boiler fuel, a leak, instruments, steam sold and bought.

Belongs here: the records, and what they truly are. Does not belong here: diesel (events), meters, emissions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.demo.clock import DAY_MIN, day_index, generator
from pipelines.demo.events import Event, Telling

_MINUTE_US = 60_000_000
_DAY_US = DAY_MIN * _MINUTE_US
_MONDAY, _WEDNESDAY = 1, 3
# Above the numbers of a day's books (500,000 on), which are above those of its other events.
_FIRST_SEQUENCE, _SEQUENCES_A_DAY = 700_000, 1_000_000
SELLER, BUYER = "taeyang", "haneul"
LEAKING, WITH_REC, WITH_PREMIUM = "byeolsan", "garam-1", "naru"
STEAM_KG_PER_GJ = 62.5


@dataclass(frozen=True)
class _Told:
    """A record that isn't dated yet: name, what it is, over how many days, further fields."""

    name: str
    activity: str
    amount: float
    unit: str
    days: int
    more: dict[str, Any]


def tell_carbon(telling: Telling) -> list[Event]:
    """Return what a plant tells of its carbon on a day, numbered by `sequence`."""
    plant, day = telling.lived.plant, telling.lived.day
    events = [_event(telling, told) for told in told_on(telling.seed, plant.factory, day)]
    first = day_index(day) * _SEQUENCES_A_DAY + _FIRST_SEQUENCE
    for number, event in enumerate(events):
        event.record["sequence"] = first + 2 * number
    return events


def told_on(seed: int, factory: str, day: date) -> Iterator[_Told]:
    """Return what a factory tells of periods that begin on a day: weeks from Monday, leaks on a Wednesday."""
    if day.isoweekday() == _MONDAY:
        # Steam is drawn once for both sides: they agree.
        steam_gj = float(generator(seed, SELLER, day, "steam").integers(30, 60))
        if factory == SELLER:
            kg = float(generator(seed, factory, day, "boiler").integers(2_000, 3_000))
            yield _Told("lng", "lng", kg, "kg", 7, {"uncertainty_pct": 2.5})
            yield _Told("steam", "steam", steam_gj, "GJ", 7, _transfer("sold", BUYER, day))
        if factory == BUYER:
            stated = {"supplier_kg_per_unit": STEAM_KG_PER_GJ, "uncertainty_pct": 5.0}
            yield _Told("steam", "steam", steam_gj, "GJ", 7, {**_transfer("bought", SELLER, day), **stated})
        if factory == WITH_REC:
            more = {"certificate_id": f"rec-{day:%y%m%d}", "instrument": "rec", "owner": "garam"}
            yield _Told("rec", "electricity", 5_000.0, "kWh", 7, _contract(5_000.0, more))
        if factory == WITH_PREMIUM:
            more = {"certificate_id": f"premium-{day:%y%m%d}", "instrument": "green_premium"}
            yield _Told("premium", "electricity", 3_000.0, "kWh", 7, _contract(3_000.0, more))
    if factory == LEAKING and day.isoweekday() == _WEDNESDAY:
        yield _Told("leak", "HFC-134a", 0.5, "kg", 1, {"flow": "leaked", "uncertainty_pct": 10.0})


def _transfer(flow: str, counterpart: str, day: date) -> dict[str, Any]:
    return {"flow": flow, "counterpart": counterpart, "transfer_id": f"steam-{day:%y%m%d}"}


def _contract(kwh: float, more: dict[str, Any]) -> dict[str, Any]:
    return {"flow": "contract", "claimed_kwh": kwh, "market": "KR", **more}


def _event(telling: Telling, told: _Told) -> Event:
    end_us = telling.start_us + told.days * _DAY_US
    record = {
        "factory": telling.lived.plant.factory,
        "activity_id": f"{told.name}-{telling.lived.day:%y%m%d}",
        "activity": told.activity,
        "start": telling.start_us,
        "end": end_us,
        "amount": told.amount,
        "unit": told.unit,
        "geography": telling.cluster.geography,
        **told.more,
    }
    return Event("activities", "", end_us + 540 * _MINUTE_US, record)
