"""The parks of the simulated nights: twelve holdings for every run of the tests, thirty-one for long ones.

Belongs here: who is there and what happens to them. Does not belong here: how rows follow (history).
"""

import random
from datetime import date, timedelta
from fractions import Fraction

from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy, Owner, Traits
from pipelines.domain.disclosure.policy import TablePolicy
from tests.simulated.history import Correction, Half, Happening, Idle, Park, Plant, Silence

FIRST = date(2025, 11, 1)
DAYS = 120  # November to February
# With September and October half of the last year is known: enough for rolling totals. Each month more makes
# the chains of months longer, and every closing night slower.
MONTHS_BEFORE = 2


def policy(coalition: int) -> DisclosurePolicy:
    """Limits of class A: three holdings, 10 %, and how many may work together."""
    rules = TablePolicy(min_contributors=3, p_percent=Fraction(10), coalition=coalition)
    return DisclosurePolicy(f"c{coalition}", {"A": ClassPolicy(rules)})


NORTH = Traits(date(2025, 12, 10), "casting", "north")
# Drifts lie below and above the 5 % by which a holding is taken to move at most from month to month.
PLANTS = (
    Plant("f01", 41_000.0, "casting", "north", drift=0.01),  # far larger than all others
    Plant("f02", 2_100.0, "casting", "north", member="m02", drift=-0.02),
    Plant("f03", 1_800.0, "forming", "south", member="m02", drift=0.03),  # one holding, two factories
    Plant("f04", 3_900.0, "casting", "north", drift=0.08),
    Plant(
        "f05",
        5_200.0,
        "casting",
        "south",
        drift=-0.01,
        moved=(NORTH,),
    ),
    Plant("f06", 3_300.0, "casting", "south", drift=0.02),
    Plant("f07", 4_100.0, "forming", "south", scrap=0.06, drift=-0.09),
    Plant("f08", 2_500.0, "forming", "north", drift=0.0, left=date(2026, 2, 17)),
    Plant("f09", 6_100.0, "forming", "north", drift=0.04),  # sold to the owner of f04 in January
    Plant("f10", 2_900.0, "forming", "south", joined=date(2026, 1, 14)),
    Plant("f11", 7_000.0, "heat", "north", scrap=0.0, drift=0.02),
    Plant("f12", 5_600.0, "heat", "south", scrap=0.0),
    Plant("f13", 4_800.0, "heat", "south", scrap=0.01, drift=-0.03),  # the only one of three with scrap
)
SOLD = {"of-f09": (Owner(date(2026, 1, 9), "of-f04"),)}
HAPPENINGS: tuple[Happening, ...] = (
    Silence("f06", date(2025, 11, 8), date(2025, 11, 10)),
    Silence("f04", date(2025, 11, 19), date(2025, 11, 20), until=date(2025, 11, 24)),
    Correction("f05", date(2025, 11, 12), date(2026, 1, 20), 1.31),
    Half("f07", date(2025, 12, 3), date(2025, 12, 5)),
    Silence("f09", date(2025, 12, 18), date(2025, 12, 21), until=date(2025, 12, 29)),
    Idle("f13", date(2025, 12, 24), date(2025, 12, 27)),
    Correction("f02", date(2025, 12, 30), date(2026, 1, 1), 0.83),
    Silence("f01", date(2026, 1, 10), date(2026, 1, 12)),
    Idle("f12", date(2026, 1, 28), date(2026, 1, 30)),
    Silence("f12", date(2026, 2, 3), date(2026, 2, 4), until=date(2026, 2, 5)),
    Correction("f11", date(2025, 12, 16), date(2026, 2, 11), 0.92),
    Silence("f10", date(2026, 2, 20), date(2026, 2, 23)),
)


# Several KPIs of one variable: good units by time and by number where everybody is alone; energy and carbon
# where pairs work together.
SHOWN = {
    1: ("energy_kwh", "energy_kwh_per_unit", "oee", "quality_ratio"),
    2: ("energy_kwh", "co2e_kg", "energy_kwh_per_unit", "oee"),
}


def twelve_holdings(coalition: int, days: int = DAYS) -> Park:
    """Thirteen factories of twelve holdings to which everything happens that may."""
    return Park(
        PLANTS,
        policy(coalition),
        FIRST,
        days,
        HAPPENINGS,
        SOLD,
        shown=SHOWN[coalition],
        months_before=MONTHS_BEFORE,
    )


def thirty_one_members(coalition: int = 2, days: int = DAYS, seed: int = 31) -> Park:
    """As many members as a cluster has, of all sizes, with a mishap every few days."""
    source = random.Random(seed)  # noqa: S311 - a made-up history, not a secret
    processes = ("casting", "forming", "heat")
    plants = tuple(
        Plant(
            f"f{n:02}",
            round(3_000 * source.lognormvariate(0.0, 0.8), 1),
            processes[n % 3],
            "north" if n % 2 else "south",
            member="of-f01" if n == 31 else None,  # thirty-one members' factories, and a second one of f01
            joined={7: date(2025, 12, 9), 19: date(2026, 1, 1), 23: date(2026, 2, 12)}.get(n),
            left={11: date(2026, 1, 21), 16: date(2026, 2, 1)}.get(n),
            drift=source.uniform(-0.09, 0.09),
            oee=source.uniform(0.4, 0.75),
            scrap=0.0 if n % 5 == 0 else source.uniform(0.005, 0.06),
        )
        for n in range(32)
    )
    happenings: list[Happening] = []
    for _ in range(DAYS // 4):
        plant = source.choice([p for p in plants if p.joined is None and p.left is None])
        first = FIRST + timedelta(days=source.randrange(DAYS - 12))
        end = first + timedelta(days=source.randint(1, 3))
        kind = source.randrange(4)
        if kind == 0:
            happenings.append(Silence(plant.factory, first, end))
        elif kind == 1:
            until = end + timedelta(days=source.randint(1, 8))
            happenings.append(Silence(plant.factory, first, end, until))
        elif kind == 2:
            happenings.append(Idle(plant.factory, first, end))
        else:
            night = min(first + timedelta(days=source.randint(9, 70)), FIRST + timedelta(days=DAYS))
            happenings.append(Correction(plant.factory, first, night, source.uniform(0.7, 1.4)))
    sold = {"of-f09": (Owner(date(2026, 1, 9), "of-f04"),)}
    return Park(plants, policy(coalition), FIRST, days, tuple(happenings), sold)
