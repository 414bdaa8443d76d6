"""Gateways err as planned, and what they send is as good, or as bad, as the truth says."""

from collections.abc import Mapping
from datetime import UTC, date, timedelta
from io import BytesIO

import fastavro
import polars as pl
import pyarrow as pa
import pytest

from pipelines.connectors.registry import LocalRegistry
from pipelines.demo.clock import DEFAULT_AS_OF
from pipelines.demo.gateway import POISONS
from pipelines.demo.simulation import Simulation
from pipelines.schemas.contracts import contract_text
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.encode import HEADER_BYTES, MessageEncoder, parsed_schema
from pipelines.schemas.messages import MESSAGE_SCHEMA, Partition
from pipelines.schemas.streams import STREAMS

REASONS = {
    "random_bytes": "truncated",
    "truncated": "truncated",
    "wrong_magic": "wrong_magic",
    "unknown_schema": "unknown_schema",
    "trailing_bytes": "leftover_bytes",
}


@pytest.fixture(scope="module")
def deliveries(default_demo: Simulation) -> pl.DataFrame:
    return default_demo.truth.deliveries


def test_fates_occur_about_as_often_as_planned(deliveries: pl.DataFrame) -> None:
    chatty = deliveries.filter(
        pl.col("stream").is_in(["energy", "states", "counts"]),
        pl.col("factory") != "saebyeok",
        pl.col("factory") != "maru",
    )
    shares = dict((chatty["fate"].value_counts(normalize=True)).iter_rows())
    assert 0.008 < shares["late"] < 0.012
    assert 0.001 < shares["lost"] < 0.002
    assert 0.005 < shares["repeat"] < 0.007
    assert shares["wrong_value"] == shares["correction"] > 0


def test_nothing_is_sent_before_it_happened_and_only_held_back_data_is_very_late(
    deliveries: pl.DataFrame,
) -> None:
    sent = deliveries.filter(pl.col("sent_at").is_not_null())
    assert sent["delay_s"].min() >= 1  # type: ignore[operator]
    assert sent.filter(pl.col("fate") != "held")["delay_s"].max() <= 5 * 3600 + 30  # type: ignore[operator]
    held = sent.filter(fate="held")
    assert held["delay_s"].min() > 36 * 3600  # type: ignore[operator]
    assert held.group_by("day").agg(pl.col("factory").n_unique())["factory"].to_list() == [1] * 9


def test_a_final_day_gets_late_data_within_the_day_after_the_default_clock(deliveries: pl.DataFrame) -> None:
    clock = DEFAULT_AS_OF.astimezone(UTC)
    late = deliveries.filter(
        pl.col("sent_at") >= clock,
        pl.col("sent_at") < clock + timedelta(days=1),
        pl.col("day") <= date(2025, 11, 9),
        stream="energy",
        fate="held",
    )
    assert late.height > 0
    assert set(late["factory"]) == {"garam-2"}


def test_one_factory_is_silent_for_a_day_and_one_loses_four_hours(deliveries: pl.DataFrame) -> None:
    silent = deliveries.filter(pl.col("stream") != "profile", factory="saebyeok", day=date(2025, 11, 6))
    assert silent.height > 1000
    assert set(silent["fate"]) == {"lost"}
    lost = deliveries.filter(factory="maru", day=date(2025, 11, 4), fate="lost", source="main")
    assert lost["rows"].sum() >= 16


def test_messages_arrive_out_of_order(default_demo: Simulation) -> None:
    stamps = [m.record["readings"][0]["at"] for m in default_demo.sent("factory.naru.energy")]
    assert stamps != sorted(stamps)


def test_every_poison_occurs_and_is_no_good_in_the_way_that_it_says(
    default_demo: Simulation, encoders: Mapping[str, MessageEncoder], history: LocalRegistry
) -> None:
    poison = [m for m in default_demo.messages if m.poison is not None]
    assert {m.poison for m in poison} == set(POISONS)
    assert 20 <= len(poison) <= 30
    values = [m.value(encoders) for m in poison]
    batch = pa.table(
        {
            "offset": range(len(poison)),
            "timestamp": [m.sent_us for m in poison],
            "key": [m.key for m in poison],
            "value": values,
        },
        schema=MESSAGE_SCHEMA,
    )
    decoder = MessageDecoder(contract_text("energy"), history, 1_048_576)
    decoded = decoder.decode(Partition("t", 0, "i"), batch)
    reasons = dict(
        zip(decoded.undecodable["offset"].to_pylist(), decoded.undecodable["reason"].to_pylist(), strict=True)
    )
    assert reasons == {n: REASONS[m.poison] for n, m in enumerate(poison) if m.poison in REASONS}
    assert len(decoded.rows) == len(poison) - len(reasons)


def test_every_good_message_decodes_by_its_contract(
    default_demo: Simulation, encoders: Mapping[str, MessageEncoder]
) -> None:
    good = [m for m in default_demo.messages if m.sent_us is not None and m.poison is None]
    for message in good[::7] + [m for m in good if m.stream not in {"energy", "counts", "states"}]:
        buffer = BytesIO(message.value(encoders)[HEADER_BYTES:])
        schema = parsed_schema(contract_text(STREAMS[message.stream].contract))
        record = fastavro.schemaless_reader(buffer, schema, None)
        assert buffer.read() == b""
        assert record["factory"] == message.factory
    assert {m.stream for m in good} == set(STREAMS)


def test_repeats_are_the_same_bytes_and_corrections_have_a_higher_sequence(
    default_demo: Simulation, encoders: Mapping[str, MessageEncoder]
) -> None:
    by_sequence: dict[tuple[str, int], set[bytes]] = {}
    for m in default_demo.messages:
        if m.poison is None and m.stream != "profile":
            key = (f"{m.factory}/{m.stream}", m.record["sequence"])
            if m.fate in {"once", "repeat"} and m.stream == "states":
                by_sequence.setdefault(key, set()).add(m.value(encoders))
    assert {len(values) for values in by_sequence.values()} == {1}
    wrong = [m for m in default_demo.messages if m.fate == "wrong_value"]
    right = [m for m in default_demo.messages if m.fate == "correction"]
    for bad, good in zip(wrong, right, strict=True):
        assert good.record["sequence"] == bad.record["sequence"] + 1
        assert bad.record["readings"][0]["value"] == good.record["readings"][0]["value"] + 0.75
        assert (good.sent_us or 0) > (bad.sent_us or 0)
