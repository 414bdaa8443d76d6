"""What is planted for the liveness report changes its own source's messages and no other byte."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from pipelines.demo.clock import DEFAULT_SEED
from pipelines.demo.gateway import Message
from pipelines.demo.mishaps import PLANTED_MISHAPS, Mishap
from pipelines.demo.simulation import Simulation, simulate
from pipelines.domain.cluster import ClusterDefinition
from pipelines.schemas.encode import MessageEncoder

DAYS = [date(2025, 11, n) for n in (5, 6, 7, 10)]


@pytest.fixture(scope="module")
def plain(demo_cluster: ClusterDefinition) -> Simulation:
    return simulate(demo_cluster, DAYS, DEFAULT_SEED, mishaps=())


def sent_bytes(
    messages: list[Message], encoders: Mapping[str, MessageEncoder]
) -> list[tuple[str, int | None, bytes, bytes]]:
    return [(m.topic, m.sent_us, m.key, m.value(encoders)) for m in messages]


@pytest.mark.parametrize("mishap", PLANTED_MISHAPS, ids=lambda m: f"{m.kind}-{m.factory}")
def test_a_mishap_touches_only_its_own_source(
    demo_cluster: ClusterDefinition, plain: Simulation, encoders: Mapping[str, MessageEncoder], mishap: Mishap
) -> None:
    factories = {mishap.factory}
    spoiled = simulate(demo_cluster, DAYS, DEFAULT_SEED, factories, [mishap])

    def is_its_own(message: Message) -> bool:
        source = mishap.source in ("*", message.source)
        return source and mishap.holds(message.factory, message.day)

    before = [m for m in plain.messages if m.factory in factories]
    others = [m for m in spoiled.messages if not is_its_own(m)]
    assert sent_bytes(others, encoders) == sent_bytes([m for m in before if not is_its_own(m)], encoders)
    own = [m for m in spoiled.messages if is_its_own(m)]
    assert own
    assert sent_bytes(own, encoders) != sent_bytes([m for m in before if is_its_own(m)], encoders)


def test_a_spoiled_message_keeps_its_fate_unless_it_gets_lost(
    demo_cluster: ClusterDefinition, plain: Simulation
) -> None:
    spoiled = simulate(demo_cluster, DAYS, DEFAULT_SEED, mishaps=PLANTED_MISHAPS)

    def fates(simulation: Simulation) -> dict[tuple[Any, ...], str]:
        return {
            (m.factory, m.stream, m.record["sequence"], m.sent_us if m.fate == "repeat" else 0): m.fate
            for m in simulation.messages
            if m.poison is None and m.source not in ("old-compressor", "furnace-9")
        }

    before, after = fates(plain), fates(spoiled)
    assert {after[k] for k, fate in before.items() if k in after and fate != after[k]} == {"lost"}
    assert {k[0] for k, fate in before.items() if k in after and fate != after[k]} == {"areum", "garam-2"}


def test_the_truth_says_what_was_planted(demo_cluster: ClusterDefinition) -> None:
    mishaps = [Mishap("flat_line", "dasom", "main", date(2025, 11, 6), date(2025, 11, 6))]
    simulation = simulate(demo_cluster, DAYS, DEFAULT_SEED, ["dasom", "saebyeok"], mishaps)
    assert simulation.truth.planted.rows() == [
        (date(2025, 11, 6), "dasom", "energy", "main", "flat_line"),
        *(
            (date(2025, 11, 6), "saebyeok", stream, "*", "silent")
            for stream in ("counts", "energy", "states")
        ),
    ]
