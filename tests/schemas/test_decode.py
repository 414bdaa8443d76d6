"""Every message becomes a row or says why it can't, whichever way it was decoded."""

import json
import math
import pickle
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.connectors.registry import LocalRegistry
from pipelines.schemas import decode
from pipelines.schemas.contracts import arrow_fields, contract, packaged_folder
from pipelines.schemas.decode import MessageDecoder, reader_schema, writer_plan
from pipelines.schemas.encode import MessageEncoder, encode_message, header, parsed_schema
from pipelines.schemas.messages import (
    DECODED_COLUMNS,
    MESSAGE_SCHEMA,
    UNDECODABLE_SCHEMA,
    DecodedBatch,
    Partition,
)
from pipelines.schemas.registry import RegistryUnavailable
from pipelines.schemas.streams import STREAMS

HISTORY = LocalRegistry(packaged_folder("avro") / "history")
INPUTS = sorted(s.contract for s in STREAMS.values())
PARTITION = Partition("factory.a1.energy", 0, "topic-id")
SENT_US = 1_762_128_000_000_000
FIRST_OFFSET = 1000
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Schemas:
    """A registry of given texts; some ids can't be asked for. Counts what it was asked."""

    texts: dict[int, str]
    down: frozenset[int] = frozenset()
    asked: Counter[int] = field(default_factory=Counter)

    def text(self, schema_id: int) -> str | None:
        self.asked[schema_id] += 1
        if schema_id in self.down:
            raise RegistryUnavailable("http://registry", "HTTP status 500")
        return self.texts.get(schema_id)

    def register(self, subject: str, schema: str) -> int:
        raise NotImplementedError(subject + schema)

    def latest(self, subject: str) -> str | None:
        return next(
            (t for _, t in sorted(self.texts.items(), reverse=True) if subject.endswith(name(t))), None
        )


def name(text: str) -> str:
    return str(json.loads(text)["name"])


def table(values: list[bytes | None], first_offset: int = FIRST_OFFSET) -> pa.Table:
    offsets = range(first_offset, first_offset + len(values))
    columns = [
        pa.array(offsets, pa.int64()),
        pa.array([SENT_US + o for o in offsets], pa.timestamp("us", "UTC")),
        pa.array([b"key"] * len(values), pa.large_binary()),
        pa.array(values, pa.large_binary()),
    ]
    return pa.table(columns, schema=MESSAGE_SCHEMA)


def energy_decoder(limit: int = 1 << 20) -> MessageDecoder:
    return MessageDecoder(reader_schema("energy", HISTORY), HISTORY, limit)


def reading(sequence: int, readings: int = 1) -> dict[str, Any]:
    return {
        "factory": f"f{sequence % 12}",
        "meter": "main",
        "carrier": "electricity",
        "kind": "register",
        "unit": "kWh",
        "stamp": "instant",
        "length_s": None,
        "sequence": sequence,
        "readings": [{"at": SENT_US + i, "value": sequence + i / 8} for i in range(readings)],
    }


ENERGY = MessageEncoder(1, HISTORY.text(1) or "")
GOOD = ENERGY.encode(reading(5, 2))


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Take the native decoder away, so that every message goes the other way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "_native", lambda _text, _payloads: None)
        yield


def both_ways(decoder: MessageDecoder, messages: pa.Table) -> DecodedBatch:
    """Decode natively and one at a time, hold the outcomes against each other, account for every offset."""
    batch = decoder.decode(PARTITION, messages)
    with one_at_a_time():
        singly = decoder.decode(PARTITION, messages)
    assert batch.rows.schema.equals(singly.rows.schema)
    assert as_polars(batch.rows).equals(as_polars(singly.rows))
    assert batch.undecodable.equals(singly.undecodable)
    offsets = batch.rows["offset"].to_pylist() + batch.undecodable["offset"].to_pylist()
    assert sorted(offsets) == messages["offset"].to_pylist()
    assert batch.rows["offset"].to_pylist() == sorted(batch.rows["offset"].to_pylist())
    return batch


def as_polars(rows: pa.Table) -> pl.DataFrame:
    """Polars holds NaN equal to NaN."""
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame


def contents(rows: pa.Table) -> pa.Table:
    return rows.drop_columns(list(DECODED_COLUMNS))


def reasons(batch: DecodedBatch) -> dict[int, str]:
    pairs = zip(batch.undecodable["offset"].to_pylist(), batch.undecodable["reason"].to_pylist(), strict=True)
    return {offset - FIRST_OFFSET: reason for offset, reason in pairs}


def detail_of(payload: bytes) -> tuple[str, str]:
    batch = both_ways(energy_decoder(), table([header(1) + payload]))
    (row,) = batch.undecodable.select(["reason", "detail"]).to_pylist()
    return row["reason"], row["detail"]


def zigzag(number: int) -> bytes:
    rest = ((number << 1) ^ (number >> 63)) & ((1 << 64) - 1)
    octets = bytearray()
    while rest > 0x7F:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*octets, rest])


def values_of(avro_type: Any, name: str = "") -> st.SearchStrategy[Any]:
    if isinstance(avro_type, list):
        return st.one_of([values_of(branch) for branch in avro_type])
    if isinstance(avro_type, str):
        return PRIMITIVES[avro_type]
    match avro_type["type"]:
        case "record":
            return st.fixed_dictionaries(
                {f["name"]: values_of(f["type"], f["name"]) for f in avro_type["fields"]}
            )
        case "array":
            return st.lists(values_of(avro_type["items"]), max_size=5)
        case "enum":
            return st.sampled_from(avro_type["symbols"])
        case other:
            return values_of(other, name)


PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=80),
}


class TestRoundTrip:
    @pytest.mark.parametrize("contract_name", INPUTS)
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(drawn=st.data())
    def test_what_was_encoded_is_decoded(self, contract_name: str, drawn: st.DataObject) -> None:
        record = contract(contract_name)
        records = drawn.draw(st.lists(values_of(record), max_size=12))
        text = json.dumps(record)
        decoder = MessageDecoder(text, Schemas({9: text}), 1 << 20)
        batch = both_ways(decoder, table(list(MessageEncoder(9, text).encode_all(records))))
        expected = pa.Table.from_pylist(records, schema=pa.schema(arrow_fields(record)))
        assert contents(batch.rows).equals(expected)

    def test_a_row_carries_offset_record_timestamp_and_schema_id(self) -> None:
        batch = both_ways(energy_decoder(), table([GOOD, GOOD]))
        assert batch.rows.schema.names[:3] == list(DECODED_COLUMNS)
        assert batch.rows["offset"].to_pylist() == [1000, 1001]
        assert batch.rows["schema_id"].to_pylist() == [1, 1]
        sent = batch.rows["record_timestamp"].cast(pa.int64()).to_pylist()
        assert sent == [SENT_US + 1000, SENT_US + 1001]
        assert batch.messages.num_rows == 2

    def test_not_a_number_and_infinity_are_left_to_later_checks(self) -> None:
        record = reading(1)
        record["readings"] = [{"at": 1, "value": v} for v in (math.nan, math.inf, -math.inf)]
        rows = both_ways(energy_decoder(), table([ENERGY.encode(record)])).rows
        values = [r["value"] for r in rows["readings"][0].as_py()]
        assert math.isnan(values[0])
        assert values[1:] == [math.inf, -math.inf]

    def test_no_messages_are_no_rows_of_the_same_schema(self) -> None:
        empty = energy_decoder().decode(PARTITION, MESSAGE_SCHEMA.empty_table())
        assert empty.rows.num_rows == empty.undecodable.num_rows == 0
        assert empty.rows.schema.equals(energy_decoder().decode(PARTITION, table([GOOD])).rows.schema)

    def test_a_decoder_survives_pickling(self) -> None:
        decoder = pickle.loads(pickle.dumps(energy_decoder()))  # noqa: S301 - our own bytes
        assert decoder.decode(PARTITION, table([GOOD])).rows.num_rows == 1

    def test_the_wire_format_is_zero_then_the_id_then_the_avro_bytes(self) -> None:
        text = '{"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}'
        assert encode_message(258, parsed_schema(text), {"n": -3}) == b"\x00\x00\x00\x01\x02\x05"


POISON: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "null_value"),
    "empty": (b"", "truncated"),
    "half a header": (GOOD[:3], "truncated"),
    "header only": (GOOD[:5], "truncated"),
    "cut short": (GOOD[:-1], "truncated"),
    "not framed": (b'{"meter": 1}', "wrong_magic"),
    "unknown id": (header(77) + GOOD[5:], "unknown_schema"),
    "id of no registry": (b"\x00\xff\xff\xff\xff" + GOOD[5:], "unknown_schema"),
    "another contract": (header(2) + GOOD[5:], "schema_incompatible"),
    "left over": (GOOD + b"\x00", "leftover_bytes"),
    "twice": (GOOD + GOOD[5:], "leftover_bytes"),
    "not text": (GOOD.replace(b"main", b"\xff\xfe\xfd\xfc"), "undecodable"),
    "no such symbol": (GOOD.replace(b"electricity\x02", b"electricity\x40"), "undecodable"),
    "no such branch": (GOOD.replace(b"kWh\x00\x00", b"kWh\x00\x08"), "undecodable"),
    "too large": (b"\x7f" * 4097, "too_large"),
}


class TestPoison:
    @pytest.mark.parametrize("at", [0, 20, 40], ids=["start", "middle", "end"])
    @pytest.mark.parametrize("kind", POISON)
    def test_it_is_one_dead_letter_with_its_bytes_and_its_neighbours_are_untouched(
        self, kind: str, at: int
    ) -> None:
        poison, reason = POISON[kind]
        good = ENERGY.encode_all(reading(i) for i in range(40))
        batch = both_ways(energy_decoder(4096), table([*good[:at], poison, *good[at:]]))
        assert reasons(batch) == {at: reason}
        assert batch.undecodable["value"].to_pylist() == [poison]
        assert batch.undecodable["key"].to_pylist() == [b"key"]
        alone = energy_decoder().decode(PARTITION, table(list(good)))
        assert contents(batch.rows).equals(contents(alone.rows))

    def test_all_kinds_at_once_keep_their_reasons(self) -> None:
        mixed = [m for poison, _ in POISON.values() for m in (GOOD, poison)]
        batch = both_ways(energy_decoder(4096), table(mixed))
        assert reasons(batch) == {2 * i + 1: reason for i, (_, reason) in enumerate(POISON.values())}
        assert batch.undecodable.schema.equals(UNDECODABLE_SCHEMA)

    def test_a_size_at_the_limit_is_not_too_large(self) -> None:
        assert energy_decoder(len(GOOD)).decode(PARTITION, table([GOOD])).rows.num_rows == 1
        assert reasons(energy_decoder(len(GOOD) - 1).decode(PARTITION, table([GOOD]))) == {0: "too_large"}

    def test_the_schema_id_is_kept_where_the_message_names_one(self) -> None:
        batch = both_ways(energy_decoder(), table([header(77) + b"x", b"x", None, GOOD[:-1], GOOD[:4]]))
        assert batch.undecodable["schema_id"].to_pylist() == [77, None, None, 1, None]

    @pytest.mark.parametrize("end", range(5, len(GOOD)))
    def test_a_message_cut_anywhere_is_truncated(self, end: int) -> None:
        assert reasons(both_ways(energy_decoder(), table([GOOD, GOOD[:end], GOOD]))) == {1: "truncated"}

    def test_one_poison_among_thousands_costs_few_further_calls(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[int] = []
        native = decode._native

        def counted(text: str, payloads: list[bytes]) -> pa.RecordBatch | None:
            calls.append(len(payloads))
            return native(text, payloads)

        monkeypatch.setattr(decode, "_native", counted)
        messages = [GOOD] * 4096
        messages[1234] = GOOD[:-1]
        batch = energy_decoder().decode(PARTITION, table(messages))
        assert (batch.rows.num_rows, reasons(batch)) == (4095, {1234: "truncated"})
        assert len(calls) == 1 + 2 * 9  # 4096 halved nine times is 8
        assert sum(calls) < 3 * 4096

    def test_left_over_bytes_do_not_make_the_batch_slow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        singly: list[int] = []
        check = decode._decode_singly

        def counted(*arguments: Any) -> None:
            singly.append(len(arguments[3]))
            check(*arguments)

        monkeypatch.setattr(decode, "_decode_singly", counted)
        energy_decoder().decode(PARTITION, table([GOOD] * 999 + [GOOD + b"\x00"]))
        assert singly == [1]


class TestFuzz:
    @QUICK
    @given(drawn=st.data())
    def test_flipped_bits_never_touch_a_neighbour_or_lose_a_message(self, drawn: st.DataObject) -> None:
        good = list(ENERGY.encode_all(reading(i, i % 3) for i in range(6)))
        at = drawn.draw(st.integers(0, 5))
        flipped = bytearray(good[at])
        for _ in range(drawn.draw(st.integers(1, 3))):
            flipped[drawn.draw(st.integers(0, len(flipped) - 1))] ^= 1 << drawn.draw(st.integers(0, 7))
        batch = both_ways(energy_decoder(), table([*good[:at], bytes(flipped), *good[at + 1 :]]))
        alone = energy_decoder().decode(PARTITION, table(list(good)))
        others = pl.col("offset") != FIRST_OFFSET + at
        assert as_polars(batch.rows).filter(others).equals(as_polars(alone.rows).filter(others))

    @QUICK
    @given(
        st.lists(
            st.one_of(
                st.none(),
                st.binary(max_size=80),
                st.just(GOOD),
                st.binary(max_size=80).map(header(1).__add__),
            ),
            max_size=20,
        )
    )
    def test_random_bytes_are_rows_or_dead_letters(self, values: list[bytes | None]) -> None:
        batch = both_ways(energy_decoder(), table(values))
        good = [FIRST_OFFSET + i for i, v in enumerate(values) if v == GOOD]
        assert set(good) <= set(batch.rows["offset"].to_pylist())

    @QUICK
    @given(drawn=st.data())
    def test_the_way_batches_are_cut_changes_nothing(self, drawn: st.DataObject) -> None:
        kinds = st.sampled_from([GOOD, *(v for v, _ in POISON.values())])
        values = drawn.draw(st.lists(kinds, min_size=1, max_size=30))
        cuts = sorted(drawn.draw(st.sets(st.integers(1, len(values)), max_size=4)) | {0, len(values)})
        whole = energy_decoder(4096).decode(PARTITION, table(values))
        pieces = [
            energy_decoder(4096).decode(PARTITION, table(values).slice(start, end - start))
            for start, end in pairwise(cuts)
        ]
        assert pa.concat_tables(p.rows for p in pieces).equals(whole.rows)
        assert pa.concat_tables(p.undecodable for p in pieces).equals(whole.undecodable)


class TestHostileBytes:
    """The native decoder accepts some of these silently; the size proof hands them to the byte check."""

    BEFORE = GOOD[5 : GOOD.index(b"kWh") + 3]  # up to and with unit

    @pytest.mark.parametrize("count", [2**60, 2**40, 2**31, 1000, -(2**60), -(2**63)])
    def test_a_count_of_more_than_there_is_ends_at_once(self, count: int) -> None:
        items = zigzag(1) + struct.pack("<d", 1.0)
        size = zigzag(len(items)) if count < 0 else b""
        payload = self.BEFORE + b"\x00\x00" + zigzag(5) + zigzag(count) + size + items + b"\x00"
        reason, detail = detail_of(payload)
        assert reason == "truncated"
        assert "field readings" in detail

    @pytest.mark.parametrize("length", [2**60, 2**40, 4096])
    def test_a_string_of_more_than_there_is_ends_at_once(self, length: int) -> None:
        assert detail_of(zigzag(length) + b"abc")[0] == "truncated"

    def test_a_negative_length_is_undecodable(self) -> None:
        assert detail_of(zigzag(-1) + GOOD[6:]) == ("undecodable", "byte 0, field factory: a negative length")

    def test_an_int_of_more_than_32_bits_is_undecodable(self) -> None:
        payload = self.BEFORE + b"\x00\x02" + zigzag(2**33 + 1) + zigzag(5) + b"\x00"
        assert detail_of(payload)[0] == "undecodable"

    def test_a_long_of_more_than_64_bits_is_undecodable(self) -> None:
        for number in (b"\xff" * 9 + b"\x7f", b"\xff" * 10 + b"\x01"):
            assert detail_of(self.BEFORE + b"\x00\x00" + number + b"\x00")[0] == "undecodable"

    def test_the_widest_numbers_are_read(self) -> None:
        for sequence, length in ((2**63 - 1, 2**31 - 1), (-(2**63), -(2**31))):
            record = reading(1) | {"sequence": sequence, "length_s": length}
            rows = both_ways(energy_decoder(), table([ENERGY.encode(record)])).rows
            assert rows.select(["sequence", "length_s"]).to_pylist() == [
                {"sequence": sequence, "length_s": length}
            ]

    def test_a_number_written_longer_than_needed_is_read(self) -> None:
        payload = self.BEFORE + b"\x00\x00" + b"\x8a\x80\x00" + b"\x00"
        rows = both_ways(energy_decoder(), table([header(1) + payload])).rows
        assert rows["sequence"].to_pylist() == [5]

    def test_arrays_coded_in_blocks_are_read(self) -> None:
        item = zigzag(7) + struct.pack("<d", 1.5)
        before = header(1) + self.BEFORE + b"\x00\x00" + zigzag(5)
        two_blocks = before + zigzag(1) + item + zigzag(1) + item + b"\x00"
        sized_block = before + zigzag(-2) + zigzag(2 * len(item)) + item + item + b"\x00"
        plain = before + zigzag(2) + item + item + b"\x00"
        batch = both_ways(energy_decoder(), table([plain, two_blocks, plain, sized_block]))
        readings = batch.rows["readings"].to_pylist()
        assert len(readings) == 4
        assert all(r == readings[0] for r in readings)

    def test_a_block_that_is_not_as_long_as_it_says_is_undecodable(self) -> None:
        item = zigzag(7) + struct.pack("<d", 1.5)
        payload = self.BEFORE + b"\x00\x00" + zigzag(5) + zigzag(-1) + zigzag(len(item) - 1) + item + b"\x00"
        assert detail_of(payload)[0] == "undecodable"

    def test_the_detail_says_where_and_never_a_value(self) -> None:
        secret = ENERGY.encode(reading(5) | {"factory": "secret-name"})
        bad = [secret[:-1], secret + b"secret-name", secret.replace(b"kWh", b"\xff\xff\xff")]
        details = both_ways(energy_decoder(), table(list(bad))).undecodable["detail"].to_pylist()
        assert details == [
            "byte 54, field readings: the bytes end within a number",
            "11 bytes are left over after byte 55",
            "byte 31, field unit: not UTF-8",
        ]


def variant(change: Callable[[dict[str, Any]], None]) -> str:
    record = contract("energy")
    change(record)
    return json.dumps(record)


def reading_fields(record: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = field_of(record, "readings")["type"]["items"]["fields"]
    return found


def field_of(record: dict[str, Any], wanted: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in record["fields"] if f["name"] == wanted)
    return found


OWN = json.dumps(contract("energy"))
QUALITY = {"name": "quality", "type": "string", "default": "measured", "doc": "Quality.", "unit": "none"}
PHASE = {"name": "phase", "type": ["null", "int"], "default": None, "doc": "Phase.", "unit": "none"}


class TestResolution:
    def decoded(self, reader: str, writer: str, record: dict[str, Any]) -> dict[str, Any]:
        schemas = Schemas({1: OWN, 2: writer})
        message = MessageEncoder(2, writer).encode(record)
        batch = both_ways(MessageDecoder(reader, schemas, 1 << 20), table([message, message]))
        assert reasons(batch) == {}
        row: dict[str, Any] = contents(batch.rows).to_pylist()[0]
        return row

    def test_fields_that_the_writer_lacks_get_the_readers_default(self) -> None:
        reader = variant(lambda r: (r["fields"].append(PHASE), reading_fields(r).append(QUALITY)))
        row = self.decoded(reader, OWN, reading(1, 2))
        assert row["phase"] is None
        assert [r["quality"] for r in row["readings"]] == ["measured", "measured"]
        assert [r["value"] for r in row["readings"]] == [1.0, 1.125]

    def test_defaults_may_be_lists_and_records(self) -> None:
        nested = {
            "type": "record",
            "name": "N",
            "fields": [{"name": "a", "type": "int", "default": 4}, PHASE],
        }
        added = [
            {"name": "tags", "type": {"type": "array", "items": "string"}, "default": ["x"]},
            {"name": "nested", "type": nested, "default": {}},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "default": 0},
            {"name": "raw", "type": "bytes", "default": "\u00ff"},
        ]
        row = self.decoded(variant(lambda r: r["fields"].extend(added)), OWN, reading(1))
        assert (row["tags"], row["nested"], row["raw"]) == (["x"], {"a": 4, "phase": None}, b"\xff")
        assert row["at"].timestamp() == 0

    def test_fields_that_the_reader_lacks_are_dropped_whatever_their_type(self) -> None:
        extra = [
            {"name": "a_map", "type": {"type": "map", "values": ["null", "long", "string"]}, "default": {}},
            {"name": "a_fixed", "type": {"type": "fixed", "name": "F", "size": 2}, "default": "\u0000\u0000"},
            {"name": "some_bytes", "type": "bytes", "default": ""},
        ]
        writer = variant(lambda r: r["fields"].extend(extra))
        record = reading(3) | {"a_map": {"k": 5, "l": "v"}, "a_fixed": b"ab", "some_bytes": b"\xff"}
        assert self.decoded(OWN, writer, record) == self.decoded(OWN, OWN, reading(3))

    def test_numbers_are_promoted(self) -> None:
        writer = variant(
            lambda r: (field_of(r, "sequence").update(type="int"), reading_fields(r)[1].update(type="int"))
        )
        record = reading(7) | {"readings": [{"at": 1, "value": 12}]}
        row = self.decoded(OWN, writer, record)
        assert row["sequence"] == 7
        assert [r["value"] for r in row["readings"]] == [12.0]

    def test_a_renamed_field_is_read_through_the_readers_alias(self) -> None:
        reader = variant(lambda r: field_of(r, "meter").update(name="gauge", aliases=["meter"]))
        assert self.decoded(reader, OWN, reading(1))["gauge"] == "main"

    def test_a_symbol_that_the_reader_lacks_becomes_its_default(self) -> None:
        writer = variant(lambda r: field_of(r, "kind")["type"]["symbols"].append("peak"))
        assert self.decoded(OWN, writer, reading(1) | {"kind": "peak"})["kind"] == "unknown"
        assert self.decoded(OWN, writer, reading(1))["kind"] == "register"

    def test_a_field_that_may_now_be_null_reads_older_messages(self) -> None:
        reader = variant(lambda r: field_of(r, "meter").update(type=["null", "string"]))
        assert self.decoded(reader, OWN, reading(1))["meter"] == "main"

    def test_a_schema_without_docs_and_units_is_the_same_schema(self) -> None:
        def strip(record: dict[str, Any]) -> None:
            for f in [*record["fields"], *reading_fields(record)]:
                f.pop("doc")
                f.pop("unit")

        assert self.decoded(OWN, variant(strip), reading(1)) == self.decoded(OWN, OWN, reading(1))

    def test_versions_may_be_mixed_in_a_batch(self) -> None:
        writer = variant(lambda r: r["fields"].append(PHASE))
        newer = MessageEncoder(2, writer)
        messages = [
            m for i in range(10) for m in (ENERGY.encode(reading(i)), newer.encode(reading(i) | {"phase": i}))
        ]
        batch = both_ways(MessageDecoder(writer, Schemas({1: OWN, 2: writer}), 1 << 20), table(messages))
        assert batch.rows["schema_id"].to_pylist() == [1, 2] * 10
        assert batch.rows["sequence"].to_pylist() == [i for i in range(10) for _ in range(2)]
        assert batch.rows["phase"].to_pylist() == [p for i in range(10) for p in (None, i)]

    @pytest.mark.parametrize(
        ("writer", "detail"),
        [
            (
                variant(lambda r: field_of(r, "meter").update(name="gauge")),
                "meter: not written, and the reader has no default for it",
            ),
            (
                variant(lambda r: field_of(r, "meter").update(type="long")),
                "meter: type long can't be read as string",
            ),
            (
                variant(lambda r: reading_fields(r)[1].update(unit="MWh")),
                "readings[].value: unit MWh can't be read as the message's unit",
            ),
            (
                variant(lambda r: reading_fields(r)[0].update(type="long")),
                "readings[].at: logical type none can't be read as timestamp-micros",
            ),
            ("no json", "no Avro schema (JSONDecodeError)"),
            ('"string"', "the record: type string can't be read as record"),
        ],
    )
    def test_a_writer_that_cannot_be_read_is_named_with_its_field(self, writer: str, detail: str) -> None:
        decoder = MessageDecoder(OWN, Schemas({1: OWN, 2: writer}), 1 << 20)
        batch = both_ways(decoder, table([GOOD, header(2) + GOOD[5:], GOOD]))
        assert reasons(batch) == {1: "schema_incompatible"}
        assert batch.undecodable["detail"].to_pylist() == [detail]

    def test_an_array_whose_items_take_no_bytes_is_refused(self) -> None:
        nothing = {"type": "array", "items": "null"}
        writer = variant(lambda r: r["fields"].append({"name": "z", "type": nothing, "default": []}))
        batch = MessageDecoder(OWN, Schemas({2: writer}), 1 << 20).decode(
            PARTITION, table([header(2) + b"x"])
        )
        assert reasons(batch) == {0: "schema_incompatible"}

    @pytest.mark.parametrize("contract_name", INPUTS)
    def test_every_input_contract_may_take_the_fast_way(self, contract_name: str) -> None:
        text = json.dumps(contract(contract_name))
        plan = writer_plan(text, text)
        assert isinstance(plan, decode.WriterPlan)
        assert plan.native


class TestReaderSchema:
    def names(self, text: str) -> list[str]:
        return [f["name"] for f in json.loads(text)["fields"]]

    def test_it_is_the_contract_where_the_registry_knows_nothing_newer(self) -> None:
        assert json.loads(reader_schema("energy", Schemas({}))) == contract("energy")
        assert json.loads(reader_schema("energy", HISTORY)) == contract("energy")

    def test_it_gains_the_fields_of_the_newest_version_nested_ones_too(self) -> None:
        newer = variant(lambda r: (r["fields"].append(PHASE), reading_fields(r).append(QUALITY)))
        schemas = Schemas({1: OWN, 2: newer})
        reader = reader_schema("energy", schemas)
        assert self.names(reader) == [*self.names(OWN), "phase"]
        encoder = MessageEncoder(2, newer)
        record = reading(1) | {"phase": 3, "readings": [{"at": 1, "value": 2.0, "quality": "estimated"}]}
        batch = both_ways(MessageDecoder(reader, schemas, 1 << 20), table([GOOD, encoder.encode(record)]))
        assert batch.rows["phase"].to_pylist() == [None, 3]
        assert batch.rows["readings"].to_pylist()[1][0]["quality"] == "estimated"
        assert batch.rows["readings"].to_pylist()[0][0]["quality"] == "measured"

    def test_fields_without_a_default_or_a_column_form_are_left_out(self) -> None:
        extra = [
            {"name": "needed", "type": "int"},
            {"name": "wide", "type": ["null", "int", "string"], "default": None},
            {"name": "a_map", "type": {"type": "map", "values": "int"}, "default": {}},
        ]
        newer = variant(lambda r: r["fields"].extend(extra))
        assert self.names(reader_schema("energy", Schemas({2: newer}))) == self.names(OWN)

    def test_an_older_version_in_the_registry_takes_nothing_away(self) -> None:
        older = variant(lambda r: r["fields"].remove(field_of(r, "length_s")))
        assert json.loads(reader_schema("energy", Schemas({1: older}))) == contract("energy")


class TestRegistryDown:
    def test_the_partition_is_cut_before_the_first_message_that_cannot_be_asked_for(self) -> None:
        schemas = Schemas({1: OWN}, down=frozenset({5, 6}))
        messages = table([GOOD, b"junk", GOOD, header(5) + GOOD[5:], GOOD, b"junk", header(6) + GOOD[5:]])
        batch = MessageDecoder(OWN, schemas, 1 << 20).decode(PARTITION, messages)
        assert batch.cut_at == 1003
        assert batch.rows["offset"].to_pylist() == [1000, 1002]
        assert reasons(batch) == {1: "wrong_magic"}
        assert batch.messages["offset"].to_pylist() == [1000, 1001, 1002]

    def test_a_cut_at_the_first_message_leaves_nothing(self) -> None:
        batch = MessageDecoder(OWN, Schemas({}, down=frozenset({1})), 1 << 20).decode(
            PARTITION, table([GOOD])
        )
        assert (batch.cut_at, batch.rows.num_rows, batch.messages.num_rows) == (1000, 0, 0)

    def test_messages_that_are_dead_anyway_cut_nothing(self) -> None:
        schemas = Schemas({1: OWN}, down=frozenset({5}))
        large = header(5) + b"x" * 5000
        batch = MessageDecoder(OWN, schemas, 4096).decode(
            PARTITION, table([GOOD, large, header(5)[:4], GOOD])
        )
        assert batch.cut_at is None
        assert reasons(batch) == {1: "too_large", 2: "truncated"}

    def test_each_id_is_asked_for_once_in_a_batch_and_impossible_ids_never(self) -> None:
        schemas = Schemas({1: OWN})
        unknown, impossible = header(7) + b"x", b"\x00\xff\xff\xff\x00x"
        messages = table([GOOD, unknown, impossible, GOOD, unknown, header(0) + b"x"])
        MessageDecoder(OWN, schemas, 1 << 20).decode(PARTITION, messages)
        assert schemas.asked == {1: 1, 7: 1}

    def test_a_local_registry_without_its_folder_cuts_too(self, tmp_path: Path) -> None:
        decoder = MessageDecoder(OWN, LocalRegistry(tmp_path / "gone"), 1 << 20)
        assert decoder.decode(PARTITION, table([GOOD])).cut_at == 1000
