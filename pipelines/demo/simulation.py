"""The simulation as a whole: which plants, which days, every message and the truth behind them.

Belongs here: running plants through their days. Does not belong here: sending (publisher).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from pipelines.demo.books import opening_stock, stock_after, tell_books
from pipelines.demo.carbon import tell_carbon
from pipelines.demo.clock import DEFAULT_SEED, EPOCH, day_start_us
from pipelines.demo.day_totals import DayTotal, true_day
from pipelines.demo.events import Telling, tell, tell_orders, tell_profile
from pipelines.demo.gateway import Message, deliver, topic_of
from pipelines.demo.mishaps import DEMO_MISHAPS, Mishap, Spoiler, planted
from pipelines.demo.plants import PLANTS, Plant
from pipelines.demo.power import PlantDay, Steps, live_through
from pipelines.demo.product_sheets import tell_products
from pipelines.demo.registers import RegisterState, opened, run_register
from pipelines.demo.truth import (
    Truth,
    deliveries,
    true_activities,
    true_energy,
    true_machine_time,
    true_operations,
    true_output,
)
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.streams import STREAMS


@dataclass(frozen=True)
class Simulation:
    """What happened, and what was sent about it.

    Args:
        messages: of every plant and day, lost ones included; profiles since the epoch.
        topics: every topic of the simulated plants, also those without a message, sorted.
        lived: the simulated plant days with their local midnight [us, UTC].
        operations: rows of Truth.operations.
        mishaps: what was planted for the liveness report.
    """

    messages: tuple[Message, ...]
    topics: tuple[str, ...]
    lived: tuple[tuple[PlantDay, int], ...]
    operations: tuple[DayTotal, ...]
    mishaps: tuple[Mishap, ...] = ()

    def sent(self, topic: str, until_us: int | None = None) -> list[Message]:
        """Return what was sent to a topic before an instant [us, UTC; null: ever], in order of sending."""
        return sorted(
            (m for m in self._by_topic.get(topic, ()) if until_us is None or (m.sent_us or 0) < until_us),
            key=lambda m: m.sent_us or 0,
        )

    @cached_property
    def truth(self) -> Truth:
        """The truth of the simulated days."""
        return Truth(
            true_energy(self.lived),
            true_machine_time(self.lived),
            true_output(self.lived),
            true_operations(self.operations),
            deliveries(self.messages),
            true_activities(self.messages),
            planted(self.mishaps, ((day.plant, day.day) for day, _ in self.lived)),
        )

    @cached_property
    def _by_topic(self) -> dict[str, list[Message]]:
        by_topic: dict[str, list[Message]] = {}
        for message in self.messages:
            if message.sent_us is not None:
                by_topic.setdefault(message.topic, []).append(message)
        return by_topic


def simulate(
    cluster: ClusterDefinition,
    days: Sequence[date],
    seed: int = DEFAULT_SEED,
    factories: Iterable[str] | None = None,
    mishaps: Sequence[Mishap] = DEMO_MISHAPS,
) -> Simulation:
    """Simulate plants of a cluster on local days; a day is the same whichever others are simulated too.

    Args:
        cluster: whose factories are simulated.
        days: local days, from the epoch on; messages are sent on them and, late ones, after them.
        seed: the same seed gives the same bytes.
        factories: only these; null: all of the cluster.
        mishaps: what is planted for the liveness report; each changes its own source's messages only.

    Raises:
        OperatorError: the demo has no plant for a factory of the cluster, or a day lies before the epoch.
    """
    wanted = {f.factory for f in cluster.factories} if factories is None else set(factories)
    _refuse_unknown(cluster, wanted, days)
    messages: list[Message] = []
    lived: list[tuple[PlantDay, int]] = []
    totals: list[DayTotal] = []
    for plant in (p for f, p in PLANTS.items() if f in wanted):
        own, told, true = _run_plant(cluster, plant, set(days), seed, mishaps)
        lived.extend((day, day_start_us(day.day, cluster.zone)) for day in own)
        messages.extend(told)
        totals.extend(true)
    topics = sorted({topic_of(cluster, f, stream) for f in wanted for stream in STREAMS})
    return Simulation(tuple(messages), tuple(topics), tuple(lived), tuple(totals), tuple(mishaps))


def _refuse_unknown(cluster: ClusterDefinition, wanted: set[str], days: Sequence[date]) -> None:
    unknown = sorted(wanted - set(PLANTS))
    if unknown:
        raise OperatorError(
            f"cluster {cluster.cluster}: the demo has no plant for {', '.join(unknown)}; "
            "use the shipped cluster",
            f"클러스터 {cluster.cluster}: {', '.join(unknown)} 공장은 데모에 없습니다. "
            "제공된 클러스터를 쓰십시오",
            ExitCode.SETTINGS,
        )
    if not days or min(days) < EPOCH:
        raise OperatorError(
            f"the demo begins on {EPOCH}: choose that day or a later one",
            f"데모는 {EPOCH}에 시작합니다. 그날 또는 그 이후를 고르십시오",
            ExitCode.SETTINGS,
        )


def _run_plant(
    cluster: ClusterDefinition, plant: Plant, days: set[date], seed: int, mishaps: Sequence[Mishap]
) -> tuple[list[PlantDay], list[Message], list[DayTotal]]:
    """Run one plant from the epoch to the last day, so that registers and counters stand as they must."""
    registers = {m.meter: opened(m) for m in plant.meters if m.kind == "register"}
    counted: dict[tuple[str, str], tuple[int, int, int]] = {}
    stock = opening_stock(plant)
    lived: list[PlantDay] = []
    messages: list[Message] = []
    totals: list[DayTotal] = []
    spoiler = Spoiler(plant, mishaps, seed)
    for offset in range((max(days) - EPOCH).days + 1):
        today = live_through(seed, plant, EPOCH + timedelta(days=offset))
        shown = _run_registers(today, registers)
        profile = tell_profile(cluster, plant, today.day, registers)
        if profile is not None:
            # Delivered apart, so drawn apart: the day's other messages are as they would be without it.
            messages.extend(deliver(seed, cluster, plant, today.day, [profile]))
        telling = Telling(cluster, today, shown, counted, seed)
        spoiler.remember(telling)
        before, stock = stock, stock_after(stock, today, tell_orders(telling))
        if today.day in days:
            events = spoiler.spoiled(telling, tell(telling))
            sent = deliver(seed, cluster, plant, today.day, events)
            # Delivered apart too: a ghost changes nobody's fate, and the books came later than the rest.
            ghosts = deliver(seed, cluster, plant, today.day, spoiler.ghosts(telling))
            good = [m for m in ghosts if m.poison is None]
            books = deliver(seed, cluster, plant, today.day, tell_books(telling, stock))
            carbon = deliver(seed, cluster, plant, today.day, tell_carbon(telling))
            sheets = deliver(seed, cluster, plant, today.day, tell_products(telling))
            messages.extend(spoiler.lost([*sent, *good, *books, *carbon, *sheets], telling.start_us))
            totals.extend(true_day(telling, before, stock))
            lived.append(today)
        _count_on(today, counted)
    return lived, messages, totals


def _run_registers(today: PlantDay, registers: dict[str, RegisterState]) -> dict[str, Steps]:
    shown: dict[str, Steps] = {}
    for meter in today.plant.meters:
        if meter.meter in registers:
            shown[meter.meter], registers[meter.meter] = run_register(
                meter, registers[meter.meter], today.flow(meter), today.day
            )
    return shown


def _count_on(today: PlantDay, counted: dict[tuple[str, str], tuple[int, int, int]]) -> None:
    for key, output in today.made.items():
        good, rejected, rework = counted.get(key, (0, 0, 0))
        counted[key] = (
            good + int(output.good[-1]),
            rejected + int(output.rejected[-1]),
            rework + int(output.rework[-1]),
        )
