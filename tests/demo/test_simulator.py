"""The simulated plants are the same every time, add up, and are plausible."""

from collections.abc import Mapping
from datetime import UTC, date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.demo.clock import DEFAULT_AS_OF, EPOCH, demo_days
from pipelines.demo.gateway import Message
from pipelines.demo.plants import PLANTS, Meter
from pipelines.demo.power import live_through
from pipelines.demo.registers import opened, run_register
from pipelines.demo.simulation import Simulation, simulate
from pipelines.demo.workday import planned_spans
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.encode import MessageEncoder

MONDAY = date(2025, 11, 3)
FEW = ("dasom", "chorok", "garam-2")


def sent_bytes(messages: list[Message], encoders: Mapping[str, MessageEncoder]) -> list[tuple[Any, ...]]:
    return [(m.topic, m.sent_us, m.key, m.value(encoders)) for m in messages if m.sent_us is not None]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    demo_cluster: ClusterDefinition, encoders: Mapping[str, MessageEncoder]
) -> None:
    def run(seed: int) -> list[tuple[Any, ...]]:
        return sent_bytes(list(simulate(demo_cluster, [MONDAY], seed, FEW).messages), encoders)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_day_alone_is_the_day_within_a_range(
    demo_cluster: ClusterDefinition, default_demo: Simulation, encoders: Mapping[str, MessageEncoder]
) -> None:
    alone = simulate(demo_cluster, [date(2025, 11, 7)], factories=(*FEW, "jangsan"))
    within = [m for m in default_demo.messages if m.factory in (*FEW, "jangsan")]
    told = [m for m in alone.messages if m.day == date(2025, 11, 7)]
    assert sent_bytes(told, encoders) == sent_bytes(
        [m for m in within if m.day == date(2025, 11, 7)], encoders
    )


def test_the_plants_are_those_of_the_cluster(
    demo_cluster: ClusterDefinition, default_demo: Simulation
) -> None:
    assert {f.factory for f in demo_cluster.factories} == set(PLANTS)
    by_process: dict[str, set[str | None]] = {}
    for factory, plant in PLANTS.items():
        by_process.setdefault(plant.process, set()).add(demo_cluster.holding_of(factory))
        assert len({p.product_class for p in plant.products}) == 1
    assert {p: len(holdings) for p, holdings in by_process.items()} == {
        "casting": 5, "forming": 4, "heat_treatment": 2,
    }  # fmt: skip
    assert "gateway.jinhae.energy" in default_demo.topics
    assert "factory.saebyeok.energy" not in default_demo.topics
    assert len(default_demo.topics) == 12 * 11 - 2 + 1


def test_the_volume_is_that_of_a_small_cluster(default_demo: Simulation) -> None:
    sent = default_demo.truth.deliveries.filter(
        pl.col("sent_at") < DEFAULT_AS_OF.astimezone(UTC), stream="energy"
    )
    assert 500_000 < sent["rows"].sum() < 720_000


def test_machines_and_base_load_add_up_to_the_main_meter(default_demo: Simulation) -> None:
    for lived, _ in default_demo.lived:
        main, *below = lived.plant.meters
        machines = sum(lived.flow(m) for m in below if m.machines and m.meter == m.machines[0])
        assert np.array_equal(lived.flow(main), machines + lived.base)
        for line in (m for m in below if m.meter.startswith("line-")):
            inside = sum(lived.flow(m) for m in below if m.parent == line.meter)
            assert np.array_equal(lived.flow(line), inside)


def test_energy_follows_states_and_days(default_demo: Simulation) -> None:
    energy = default_demo.truth.energy.filter(pl.col("parent").is_null(), carrier="electricity")
    assert energy["quantity"].min() > 0  # type: ignore[operator]
    daily = energy.group_by("factory", "day").agg(pl.col("quantity").sum())
    saturday_off = daily.filter(~pl.col("factory").is_in(["taeyang"]))
    for rows in saturday_off.partition_by("factory"):
        by_day = dict(rows.select("day", "quantity").iter_rows())
        assert by_day[date(2025, 11, 9)] < 0.5 * by_day[date(2025, 11, 10)]
    lived = next(d for d, _ in default_demo.lived if d.plant.factory == "naru" and d.day == MONDAY)
    for machine in lived.plant.machines:
        power_kw = lived.drawn[machine.machine] / 1e4 * 60
        seconds = np.zeros(1440, dtype=object)
        for stretch in lived.stretches[machine.machine]:
            first, last = -(-stretch.start_s // 60), stretch.end_s // 60
            seconds[first:last] = stretch.state
        assert power_kw[seconds == "running"].mean() > 2 * power_kw[seconds == "idle"].mean()
        assert power_kw[seconds == "off"].max() < power_kw[seconds == "running"].min()


def test_machine_states_cover_each_second_once_and_run_only_in_planned_time(default_demo: Simulation) -> None:
    time = default_demo.truth.machine_time
    per_hour = time.group_by("factory", "machine", "start").agg(pl.col("duration_s").sum())
    assert (per_hour["duration_s"] == 3600).all()
    assert set(time["state"]) == {
        "running", "setup", "idle", "delay", "down", "repair", "maintenance", "off",
    }  # fmt: skip
    for lived, _ in default_demo.lived:
        spans = planned_spans(lived.plant, lived.day)
        for stretches in lived.stretches.values():
            assert [s.start_s for s in stretches[1:]] == [s.end_s for s in stretches[:-1]]
            for stretch in stretches:
                inside = any(a * 60 <= stretch.start_s and stretch.end_s <= b * 60 for a, b in spans)
                assert inside or stretch.state in {"off", "idle"}


def test_an_evening_shift_reaches_into_the_next_day() -> None:
    plant = PLANTS["garam-1"]
    assert planned_spans(plant, date(2025, 11, 4)) == (
        (0, 60),
        (90, 300),
        (480, 720),
        (780, 1050),
        (1200, 1440),
    )
    assert planned_spans(plant, date(2025, 11, 3)) == ((480, 720), (780, 1050), (1200, 1440))
    assert planned_spans(plant, date(2025, 11, 8)) == ((0, 60), (90, 300))
    assert planned_spans(plant, date(2025, 12, 25)) == ((0, 60),)


def test_counters_rise_and_total_is_good_and_bad_together(default_demo: Simulation) -> None:
    output = default_demo.truth.output
    assert output.select((pl.col("pq") - pl.col("sq") - pl.col("rq") - pl.col("gp")).abs().max()).item() == 0
    assert output.select(pl.min_horizontal(pl.col("pq", "sq", "rq", "gp").min())).item() == 0
    assert 0.002 < output["sq"].sum() / output["pq"].sum() < 0.06
    counts: dict[Any, list[Any]] = {}
    for m in default_demo.messages:
        if m.stream == "counts":
            key = (m.factory, m.record["machine"], m.record["product"])
            counts.setdefault(key, []).append((m.record["at"], m.record["total"], m.record["rejected"]))
    for rows in counts.values():
        rows.sort()
        assert [r[1] for r in rows] == sorted(r[1] for r in rows)
        assert [r[2] for r in rows] == sorted(r[2] for r in rows)


@pytest.mark.parametrize("factory", ["byeolsan", "taeyang", "jangsan"])
def test_a_register_on_a_later_day_stands_where_all_days_since_the_epoch_left_it(
    demo_cluster: ClusterDefinition, factory: str
) -> None:
    plant = PLANTS[factory]
    meter = plant.meters[1]
    state = opened(meter)
    for n in range(9):
        _, state = run_register(meter, state, live_through(5, plant, EPOCH + timedelta(n)).flow(meter), EPOCH)
    simulated = simulate(demo_cluster, [EPOCH + timedelta(9)], 5, [factory])
    first = next(m for m in simulated.messages if m.source == meter.meter and m.record["readings"])
    expected = state.flowed / 1e4 + meter.opening_kwh
    assert first.record["readings"][0]["value"] == pytest.approx(
        expected % 10 ** (meter.register_digits or 99), abs=1e-6
    )


def shown(simulation: Simulation, factory: str, meter: str) -> list[tuple[int, float]]:
    """The values that a register truly showed, as far as they were read."""
    return sorted(
        (r["at"], r["value"])
        for m in simulation.messages
        if (m.stream, m.factory, m.source) == ("energy", factory, meter)
        and m.fate not in {"wrong_value", "poison", "repeat"}
        for r in m.record["readings"]
    )


def drops(readings: list[tuple[int, float]]) -> list[float]:
    values = [v for _, v in readings]
    return [b for a, b in pairwise(values) if b < a]


def test_registers_roll_over_reset_and_are_exchanged_within_the_default_days(
    default_demo: Simulation,
) -> None:
    assert len(drops(shown(default_demo, "byeolsan", "line-a"))) >= 3
    assert max(v for _, v in shown(default_demo, "byeolsan", "line-a")) < 10_000
    assert len(drops(shown(default_demo, "taeyang", "furnace-3"))) == 1
    assert drops(shown(default_demo, "jangsan", "press-2")) == [12.0]
    others = {(p.factory, m.meter) for p in PLANTS.values() for m in p.meters if m.kind == "register"}
    others -= {("byeolsan", "line-a"), ("taeyang", "furnace-3"), ("jangsan", "press-2")}
    assert not any(drops(shown(default_demo, f, m)) for f, m in others)


def test_a_register_rolls_over_at_its_digits() -> None:
    meter = Meter("m", (), register_digits=2, opening_kwh=99)
    values, state = run_register(meter, opened(meter), np.full(1440, 20), EPOCH)
    assert values[:2].tolist() == [990_000, 990_020]
    assert values[499:502].tolist() == [999_980, 0, 20]
    assert state.flowed == 28_800


def test_an_exchanged_meter_has_closing_and_opening_values_in_its_second_profile(
    default_demo: Simulation,
) -> None:
    profiles = [m for m in default_demo.messages if m.stream == "profile"]
    assert len(profiles) == 13
    first, second = [m.record for m in profiles if m.factory == "jangsan"]
    assert second["sequence"] > first["sequence"]
    old, new = [m for m in second["meters"] if m["meter"] == "press-2"]
    assert old["valid_to"] == new["valid_from"]
    assert new["opening_value"] == 12.0
    readings = shown(default_demo, "jangsan", "press-2")
    before = max(v for at, v in readings if at < old["valid_to"])
    assert before <= old["closing_value"] < before + 5
    assert (new["valid_from"], 12.0) in readings


def test_every_kind_of_meter_occurs(default_demo: Simulation) -> None:
    seen = {
        (m.record["kind"], m.record["unit"], m.record["stamp"], m.record["length_s"])
        for m in default_demo.messages
        if m.stream == "energy" and m.fate != "poison"
    }
    assert seen == {
        ("register", "kWh", "instant", None),
        ("register", "MWh", "instant", None),
        ("register", "Nm3", "instant", None),
        ("interval", "kWh", "end", 900),
        ("power", "kW", "instant", None),
        ("mean_power", "W", "start", 60),
    }


def test_a_clock_before_the_second_day_is_refused(demo_cluster: ClusterDefinition) -> None:
    for early in (DEFAULT_AS_OF - timedelta(days=15), DEFAULT_AS_OF.replace(tzinfo=None)):
        with pytest.raises(OperatorError) as caught:
            demo_days(early, demo_cluster.zone)
        assert caught.value.code is ExitCode.SETTINGS
    assert demo_days(DEFAULT_AS_OF - timedelta(days=14), demo_cluster.zone) == (EPOCH, EPOCH + timedelta(1))
    assert demo_days(DEFAULT_AS_OF, demo_cluster.zone)[0] == MONDAY
    with pytest.raises(OperatorError, match="the demo begins on 2025-10-27"):
        simulate(demo_cluster, [EPOCH - timedelta(days=1)])
    with pytest.raises(OperatorError, match="no plant for elsewhere"):
        simulate(demo_cluster, [MONDAY], factories=["elsewhere"])
