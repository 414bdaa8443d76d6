"""The twelve plants of the demo: their machines, products, shifts, meters and mishaps, all invented.

Belongs here: what a plant is made of. Does not belong here: what happens in it on a day (workday, power),
who owns it (infra/clusters/changwon-demo.yaml).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["register", "interval", "power", "mean_power"]
Span = tuple[int, int]


@dataclass(frozen=True)
class Product:
    """A product: PRU and the usual run time per unit [s], its load (share of rated power), its defects."""

    product: str
    unit: str
    product_class: str
    pru_s: float
    load: float
    scrap_share: float
    rework_share: float


@dataclass(frozen=True)
class Machine:
    """A machine and its power by state [kW]; sampled: its power runs straight from minute to minute."""

    machine: str
    name: str
    run_kw: float
    setup_kw: float
    idle_kw: float
    off_kw: float
    slowness: float
    sampled: bool = False


@dataclass(frozen=True)
class Meter:
    """A meter of a plant.

    Args:
        meter: its id.
        machines: the machines whose flow it contains.
        base_load: whether it contains the plant's base load.
        carrier: what it measures.
        kind: how it reports; intervals stamp their END, mean power its start.
        unit: unit of its values.
        every_min: minutes between readings.
        batch: readings per message.
        parent: the meter that contains it; null: a main meter.
        register_digits: whole digits of a register.
        opening_kwh: what it showed at the epoch [kWh; Nm3 of gas].
        resets_weekly: whether its register falls to zero once a week.
        swapped: whether it is exchanged once, on SWAP_DAY.
    """

    meter: str
    machines: tuple[str, ...]
    base_load: bool = False
    carrier: str = "electricity"
    kind: Kind = "register"
    unit: str = "kWh"
    every_min: int = 1
    batch: int = 15
    parent: str | None = "main"
    register_digits: int | None = 8
    opening_kwh: int = 0
    resets_weekly: bool = False
    swapped: bool = False


@dataclass(frozen=True)
class Calendar:
    """Planned spans by ISO week day [minutes after midnight]; beyond 1440 they reach into the next day."""

    spans: Mapping[int, tuple[Span, ...]]


@dataclass(frozen=True)
class Plant:
    """A factory of the demo."""

    factory: str
    name: str
    process: str
    template: str
    size_class: str
    maturity: str
    calendar: Calendar
    base_kw: float
    headcount: int
    machines: tuple[Machine, ...]
    products: tuple[Product, ...]
    meters: tuple[Meter, ...]
    inspects: bool = True
    gas_nm3_per_kwh: float = 0.0
    buys_diesel: bool = False
    silent_fortnightly: bool = False
    outage_weekly: bool = False
    holidays: tuple[str, ...] = field(default=("2025-12-25", "2026-01-01"))


WITHOUT_STOCK, WITHOUT_COSTS = frozenset({"dasom", "areum"}), frozenset({"chorok", "areum"})
WEEKLY_COSTS = frozenset({"maru", "haneul"})
"""Whose books say nothing of stock, nothing of costs, and costs only by the week."""
SILENT_INDEX, SILENT_PERIOD = 10, 14
OUTAGE_INDEX, OUTAGE_PERIOD, OUTAGE_MIN = 8, 7, (600, 840)
RESET_INDEX, RESET_PERIOD, RESET_MIN = 9, 7, 617
SWAP_INDEX, SWAP_MIN, SWAP_OPENING_KWH = 11, 800, 12

_MORNING, _AFTERNOON = (480, 720), (780, 1050)
_EVENING, _SMALL_HOURS = (1200, 1500), (90, 300)
_WEEKDAYS, _NIGHT_ENDS, _SATURDAY = range(1, 6), range(2, 7), 6
DAY_SHIFT = Calendar(dict.fromkeys(_WEEKDAYS, (_MORNING, _AFTERNOON)))
DAY_AND_SATURDAY = Calendar({**DAY_SHIFT.spans, _SATURDAY: (_MORNING,)})
TWO_SHIFTS = Calendar(
    {
        day: (
            *((_SMALL_HOURS,) if day in _NIGHT_ENDS else ()),
            *((_MORNING, _AFTERNOON, _EVENING) if day in _WEEKDAYS else ()),
        )
        for day in range(1, 7)
    }
)
ROUND_THE_CLOCK = Calendar(dict.fromkeys(range(1, 8), ((0, 1440),)))

_CASTINGS = (
    Product("housing-a", "kg", "aluminium-castings", 44.0, 1.0, 0.035, 0.020),
    Product("bracket-b", "kg", "aluminium-castings", 52.0, 0.88, 0.050, 0.015),
    Product("cover-c", "kg", "aluminium-castings", 48.0, 0.94, 0.028, 0.010),
)
_FORGINGS = (
    Product("knuckle-a", "piece", "forged-parts", 42.0, 1.0, 0.012, 0.008),
    Product("flange-b", "piece", "forged-parts", 36.0, 0.85, 0.018, 0.006),
)
_TREATED = (
    Product("gear-batch-a", "kg", "hardened-steel", 18.0, 1.0, 0.004, 0.006),
    Product("bolt-batch-b", "kg", "hardened-steel", 15.0, 0.9, 0.006, 0.004),
)
_TRADES = {
    "casting": ("dcm", "Die-casting machine", _CASTINGS),
    "forming": ("press", "Forging press", _FORGINGS),
    "heat_treatment": ("furnace", "Hardening furnace", _TREATED),
}


def _machines(process: str, count: int, run_kw: float) -> tuple[Machine, ...]:
    """Make a plant's machines: alike, but none the same as another."""
    prefix, name, _ = _TRADES[process]
    idle = {"casting": 0.32, "forming": 0.18, "heat_treatment": 0.55}[process]
    return tuple(
        Machine(
            machine=f"{prefix}-{n}",
            name=f"{name} {n}",
            run_kw=run_kw * (0.88 + 0.06 * (n % 5)),
            setup_kw=run_kw * (idle + 0.12),
            idle_kw=run_kw * idle,
            off_kw=run_kw * (0.12 if process == "heat_treatment" else 0.015),
            slowness=1.02 + 0.03 * (n % 4),
        )
        for n in range(1, count + 1)
    )


def _machine_meters(
    machines: tuple[Machine, ...], opening_kwh: int, every_min: int, batch: int
) -> list[Meter]:
    return [
        Meter(m.machine, (m.machine,), every_min=every_min, batch=batch, opening_kwh=opening_kwh + 1_379 * n)
        for n, m in enumerate(machines)
    ]


def _plant(  # noqa: PLR0913 - one line per plant reads like the table that it is
    factory: str,
    process: str,
    size_class: str,
    maturity: str,
    calendar: Calendar,
    *,
    name: str,
    count: int,
    run_kw: float,
    base_kw: float,
    headcount: int,
    main: Meter | None = None,
    every_min: int = 1,
    batch: int = 15,
) -> Plant:
    """Make a plant with a main meter and one meter per machine."""
    machines = _machines(process, count, run_kw)
    template = Meter("main", (), opening_kwh=120_000 + 7_919 * headcount) if main is None else main
    whole = replace(template, machines=tuple(m.machine for m in machines), base_load=True, parent=None)
    return Plant(
        factory=factory,
        name=name,
        process=process,
        template=process,  # the trade template of the same name
        size_class=size_class,
        maturity=maturity,
        calendar=calendar,
        base_kw=base_kw,
        headcount=headcount,
        machines=machines,
        products=_TRADES[process][2],
        meters=(whole, *_machine_meters(machines, 3_000 + 97 * headcount, every_min, batch)),
    )


def _changed(plant: Plant, meter: str, **changes: object) -> Plant:
    meters = tuple(replace(m, **changes) if m.meter == meter else m for m in plant.meters)  # type: ignore[arg-type]
    return replace(plant, meters=meters)


def _with_sampled_power(plant: Plant, machine: str) -> Plant:
    machines = tuple(replace(m, sampled=m.machine == machine) for m in plant.machines)
    return _changed(
        replace(plant, machines=machines), machine, kind="power", unit="kW", batch=5, register_digits=None
    )


def _with_lines(plant: Plant) -> Plant:
    """Put the machine meters below two line meters; that of line a has four digits and rolls over often."""
    half = len(plant.machines) // 2
    main, *rest = plant.meters
    lines = (
        Meter("line-a", main.machines[:half], batch=30, register_digits=4, opening_kwh=8_500),
        Meter("line-b", main.machines[half:], batch=30, opening_kwh=640_000),
    )
    below = [replace(m, parent="line-a" if n < half else "line-b") for n, m in enumerate(rest)]
    return replace(plant, meters=(main, *lines, *below))


def _with_gas(plant: Plant) -> Plant:
    gas = Meter(
        "gas", plant.meters[0].machines, carrier="natural_gas", unit="Nm3", every_min=5, batch=12, parent=None
    )
    return replace(plant, meters=(*plant.meters, replace(gas, opening_kwh=51_200)), gas_nm3_per_kwh=0.085)


_EVERY_5 = Meter("main", (), every_min=5, batch=12, opening_kwh=288_410)
_EVERY_15 = Meter("main", (), every_min=15, batch=4, opening_kwh=77_003)
_IN_MWH = Meter("main", (), unit="MWh", batch=30, opening_kwh=9_120_400)
_INTERVAL = Meter("main", (), kind="interval", every_min=15, batch=4, register_digits=None)
_SINGLE_INTERVAL = replace(_INTERVAL, batch=1)
_MEAN_POWER = Meter("main", (), kind="mean_power", unit="W", register_digits=None)


def _casting_plants() -> tuple[Plant, ...]:
    return (
        _plant("garam-1", "casting", "medium", "intermediate2", TWO_SHIFTS, name="가람다이캐스팅 1공장",
               count=6, run_kw=95, base_kw=48, headcount=64),
        replace(
            _plant("garam-2", "casting", "small", "intermediate1", DAY_SHIFT, name="가람다이캐스팅 2공장",
                   count=3, run_kw=72, base_kw=21, headcount=27),
            inspects=False,
        ),
        _plant("naru", "casting", "small", "intermediate1", DAY_AND_SATURDAY, name="나루주조",
               count=5, run_kw=82, base_kw=30, headcount=38, main=_EVERY_5),
        replace(
            _with_sampled_power(
                _plant("dasom", "casting", "micro", "basic", DAY_SHIFT, name="다솜주물",
                       count=2, run_kw=58, base_kw=9, headcount=9, main=_MEAN_POWER), "dcm-1"
            ),
            inspects=False,
        ),
        replace(
            _plant("maru", "casting", "small", "basic", TWO_SHIFTS, name="마루금속",
                   count=4, run_kw=88, base_kw=26, headcount=41, main=_EVERY_15, every_min=5, batch=12),
            outage_weekly=True,
        ),
        _with_lines(
            _plant("byeolsan", "casting", "medium", "advanced", TWO_SHIFTS, name="별산캐스팅",
                   count=8, run_kw=140, base_kw=95, headcount=142, main=_IN_MWH, batch=30)
        ),
    )  # fmt: skip


def _other_plants() -> tuple[Plant, ...]:
    return (
        _changed(
            replace(
                _plant("saebyeok", "forming", "small", "intermediate1", DAY_SHIFT, name="새벽단조",
                       count=4, run_kw=76, base_kw=18, headcount=33),
                silent_fortnightly=True,
            ),
            "press-1", batch=1,
        ),
        _plant("areum", "forming", "small", "basic", DAY_SHIFT, name="아름포밍",
               count=3, run_kw=61, base_kw=14, headcount=22, main=_INTERVAL),
        _changed(
            replace(
                _plant("jangsan", "forming", "medium", "intermediate2", TWO_SHIFTS, name="장산프레스",
                       count=6, run_kw=112, base_kw=55, headcount=88),
                buys_diesel=True,
            ),
            "press-2", swapped=True,
        ),
        _plant("chorok", "forming", "micro", "basic", DAY_SHIFT, name="초록단조",
               count=2, run_kw=46, base_kw=6, headcount=8, main=_SINGLE_INTERVAL),
        _changed(
            replace(
                _plant("taeyang", "heat_treatment", "medium", "intermediate2", ROUND_THE_CLOCK,
                       name="태양열처리", count=5, run_kw=118, base_kw=34, headcount=52),
                buys_diesel=True,
            ),
            "furnace-3", resets_weekly=True,
        ),
        _with_gas(
            _plant("haneul", "heat_treatment", "small", "basic", DAY_AND_SATURDAY, name="하늘열처리",
                   count=3, run_kw=92, base_kw=15, headcount=19, every_min=5, batch=12)
        ),
    )  # fmt: skip


PLANTS: dict[str, Plant] = {p.factory: p for p in (*_casting_plants(), *_other_plants())}
