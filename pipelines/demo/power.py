"""Energy and output of a plant's day by the minute, in whole steps, so that every sum is exact.

Belongs here: what machines draw and make, minute by minute. Does not belong here: how meters and counters
show it (events).
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from pipelines.demo.clock import DAY_MIN, DAY_S, generator
from pipelines.demo.plants import Machine, Meter, Plant, Product
from pipelines.demo.workday import Stretch, machine_day, planned_spans

Steps = npt.NDArray[np.int64]
STEPS_PER_KWH = 10_000
SAMPLE_KW = 0.012
"""Power samples are multiples of this: the mean of two of them over a minute is a whole number of steps."""

_MINUTE_EDGES_S = np.arange(DAY_MIN + 1) * 60
_NIGHT_SHARE = 0.35
_STATE_POWER = {
    "setup": "setup_kw",
    "idle": "idle_kw",
    "delay": "idle_kw",
    "down": "idle_kw",
    "repair": "off_kw",
    "maintenance": "off_kw",
    "off": "off_kw",
}


@dataclass(frozen=True)
class Output:
    """Counters of one machine and product since midnight, at the 1,441 minute edges of a day.

    Args:
        good: good at the first pass.
        rejected: scrap.
        rework: to be reworked.
    """

    good: Steps
    rejected: Steps
    rework: Steps

    @property
    def total(self) -> Steps:
        """All that was produced."""
        return self.good + self.rejected + self.rework


@dataclass(frozen=True)
class PlantDay:
    """What truly happened in a plant on a day.

    Args:
        plant: the plant.
        day: the local date.
        stretches: states by machine.
        drawn: energy by machine in each of the 1,440 minutes [1e-4 kWh].
        sampled: power of sampled machines at the 1,441 minute edges [12 W].
        base: energy of the base load in each minute [1e-4 kWh].
        made: counters by machine and product.
    """

    plant: Plant
    day: date
    stretches: dict[str, tuple[Stretch, ...]]
    drawn: dict[str, Steps]
    sampled: dict[str, Steps]
    base: Steps
    made: dict[tuple[str, str], Output]

    def flow(self, meter: Meter) -> Steps:
        """Return what flowed through a meter in each minute [1e-4 kWh, 1e-4 Nm3 of gas]."""
        machines = np.zeros(DAY_MIN, dtype=np.int64)
        for machine in meter.machines:
            machines += self.drawn[machine]
        if meter.carrier == "natural_gas":
            gas: Steps = np.rint(machines * self.plant.gas_nm3_per_kwh).astype(np.int64)
            return gas
        if meter.base_load:
            machines += self.base
        return machines


def live_through(seed: int, plant: Plant, day: date) -> PlantDay:
    """Simulate one day of one plant; it depends on seed, plant and day alone."""
    stretches = {m.machine: machine_day(seed, plant, m, day) for m in plant.machines}
    drawn: dict[str, Steps] = {}
    sampled: dict[str, Steps] = {}
    made: dict[tuple[str, str], Output] = {}
    for machine in plant.machines:
        own = stretches[machine.machine]
        rng = generator(seed, plant.factory, day, "power", machine.machine)
        stretch_kw = _stretch_power(rng, plant, machine, own)
        if machine.sampled:
            sampled[machine.machine] = samples = _power_samples(rng, machine, own, stretch_kw)
            drawn[machine.machine] = samples[:-1] + samples[1:]
        else:
            drawn[machine.machine] = _minute_energy(rng, own, stretch_kw)
        for product in plant.products:
            if any(s.state == "running" and s.product == product.product for s in own):
                made[machine.machine, product.product] = _output(rng, machine, product, own)
    return PlantDay(plant, day, stretches, drawn, sampled, _base_load(seed, plant, day), made)


def _stretch_power(
    rng: np.random.Generator, plant: Plant, machine: Machine, own: tuple[Stretch, ...]
) -> npt.NDArray[np.float64]:
    """Return the mean power of each stretch [kW]: by state, when running also by product."""
    loads = {p.product: p.load for p in plant.products}
    drift = rng.uniform(0.96, 1.04, len(own))
    by_state = [
        machine.run_kw * loads[s.product]
        if s.state == "running" and s.product is not None
        else getattr(machine, _STATE_POWER[s.state])
        for s in own
    ]
    return np.asarray(by_state) * drift


def _edges(own: tuple[Stretch, ...]) -> npt.NDArray[np.int64]:
    return np.asarray([*(s.start_s for s in own), DAY_S])


def _flicker(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    return 1 + 0.04 * np.clip(rng.standard_normal(count), -2.5, 2.5)


def _minute_energy(
    rng: np.random.Generator, own: tuple[Stretch, ...], stretch_kw: npt.NDArray[np.float64]
) -> Steps:
    edges = _edges(own)
    spent_kws = np.concatenate(([0.0], np.cumsum(stretch_kw * np.diff(edges))))
    minutes_kws = np.diff(np.interp(_MINUTE_EDGES_S, edges, spent_kws))
    return np.rint(minutes_kws / 3600 * STEPS_PER_KWH * _flicker(rng, DAY_MIN)).astype(np.int64)


def _power_samples(
    rng: np.random.Generator,
    machine: Machine,
    own: tuple[Stretch, ...],
    stretch_kw: npt.NDArray[np.float64],
) -> Steps:
    """Return power at the minute edges; it is fixed at midnight, so that days join unknown to each other."""
    which = np.searchsorted(_edges(own)[:-1], _MINUTE_EDGES_S[:-1], side="right") - 1
    samples = np.rint(stretch_kw[which] * _flicker(rng, DAY_MIN) / SAMPLE_KW)
    midnight = round(machine.off_kw / SAMPLE_KW)
    return np.concatenate(([midnight], samples[1:], [midnight])).astype(np.int64)


def _output(rng: np.random.Generator, machine: Machine, product: Product, own: tuple[Stretch, ...]) -> Output:
    """Count what a machine made: each counter only ever rises, and the total is their sum."""
    runs = [s.state == "running" and s.product == product.product for s in own]
    edges = _edges(own)
    run_s = np.concatenate(([0.0], np.cumsum(np.diff(edges) * runs)))
    cycle_s = product.pru_s * machine.slowness * rng.uniform(0.98, 1.05)
    units = np.interp(_MINUTE_EDGES_S, edges, run_s) / cycle_s
    scrap, rework = np.array([product.scrap_share, product.rework_share]) * rng.uniform(0.5, 1.6, 2)
    counters = (np.floor(units * share).astype(np.int64) for share in (1 - scrap - rework, scrap, rework))
    return Output(*counters)


def _base_load(seed: int, plant: Plant, day: date) -> Steps:
    """Return light, air and offices: full from a quarter before planned time to a quarter after it."""
    rng = generator(seed, plant.factory, day, "base")
    share = np.full(DAY_MIN, _NIGHT_SHARE)
    for start, end in planned_spans(plant, day):
        share[max(0, start - 15) : end + 15] = 1.0
    return np.rint(plant.base_kw / 60 * STEPS_PER_KWH * share * _flicker(rng, DAY_MIN)).astype(np.int64)
