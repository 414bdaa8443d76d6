"""A figure leads back to offsets, and the same offsets give the same bits."""

import json
import stat
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines.connectors.archive import archive_topics
from pipelines.connectors.kafka import KafkaConnection, KafkaSource
from pipelines.connectors.registry import LocalRegistry
from pipelines.demo.session import DEMO_CLUSTER
from tests.jobs.conftest import HISTORY, SEOUL, Answer, Demo, Hub, Park, ParkOf, instant, unknown_schema

MONDAY, TUESDAY, WEDNESDAY = (date(2025, 11, day) for day in (3, 4, 5))
NIGHT = datetime(2025, 11, 6, 3, tzinfo=SEOUL)
KWH = [float(n) for n in range(1, 25)]


def sent(park: Park) -> Park:
    """Send a's Monday to Wednesday a day at a time, b's Tuesday twice by the gateway, and run the night."""
    park.send_profiles(park.a, park.b)
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        park.send(park.topic(), [park.energy(park.a, instant(day), KWH)], instant(day, 24))
    twice = [park.energy(park.b, instant(TUESDAY), [2.0] * 24) for _ in range(2)]
    park.send(park.gateway_topic, twice, instant(TUESDAY, 24))
    assert park.nightly(NIGHT).code == 0
    return park


def trace(hub: Hub, figure: str, *arguments: object, cluster: str = "park") -> tuple[Answer, dict[str, Any]]:
    """Trace and return the answer and its JSON (none, if the command said no)."""
    file = hub.root / "trace.json"
    file.unlink(missing_ok=True)
    answer = hub.run("trace", figure, "--cluster", cluster, "--json", file, *arguments)
    return answer, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def raw_files(park: Park) -> list[Path]:
    return sorted((park.hub.root / "store" / "park" / "raw_energy").glob(f"day={TUESDAY}/*/*.parquet"))


def rewritten(file: Path, rows: pl.DataFrame) -> None:
    """Put another file in the place of one, its size in the log too, as somebody who knows Delta would."""
    before = file.stat().st_size
    rows.write_parquet(file)
    table = next(p for p in file.parents if (p / "_delta_log").exists())
    for commit in (table / "_delta_log").glob("*.json"):
        lines = [
            line.replace(f'"size":{before}', f'"size":{file.stat().st_size}') if file.name in line else line
            for line in commit.read_text(encoding="utf-8").splitlines()
        ]
        commit.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def in_archive(park_of: ParkOf) -> Park:
    """A park that lives in an archive, after its night; nobody may change it (see `Park.copied`)."""
    return sent(park_of("archive"))


def test_a_factorys_day_leads_to_its_hours_factor_and_offsets(in_archive: Park) -> None:
    park = in_archive
    answer, found = trace(park.hub, f"{park.a}/{TUESDAY}/co2e_kg")
    assert answer.code == 0, answer.err
    # 1 + 2 + ... + 24 = 300 kWh at 0.4541 kg/kWh = 136.23 kg.
    assert found["figure"]["value"] == pytest.approx(136.23, abs=1e-9)
    assert [hour["quantity"] for hour in found["hours"]] == KWH
    assert {hour["quality"] for hour in found["hours"]} == {"measured"}
    (factor,) = found["factors"]
    assert (factor["value"], factor["published_on"]) == ("0.4541", "2025-03-31")
    assert [meter["meter"] for meter in found["meters"]] == ["main"]
    (offsets,) = found["offsets"]
    # Tuesday is message 1; of Monday's and Wednesday's the hours within two hours beside it.
    assert (offsets["topic"], offsets["offsets"], offsets["schema_ids"]) == (park.topic(), "0-2", [1])
    assert offsets["rows"] == 24 + 2 + 3
    assert {file["state"] for file in found["files"]} == {"intact"}
    assert found["ledger"] is None
    assert found["versions"]["method_of_facts_energy"] == 2
    assert found["versions"]["code_of_facts"] == [found["versions"]["code_now"]]
    assert "confidential" not in answer.err


def test_the_file_is_for_its_owner_alone(in_archive: Park) -> None:
    file = in_archive.hub.root / "trace.json"
    file.write_text("{}")
    file.chmod(0o644)
    answer = in_archive.hub.run(
        "trace", f"{in_archive.a}/{TUESDAY}/co2e_kg", "--cluster", "park", "--json", file
    )
    assert answer.code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_published_total_leads_to_its_entry_and_every_factory_and_comes_out_again(demo: Demo) -> None:
    entries = demo.rows("releases").filter(kpi="co2e_kg", period="day", status="published")
    entry = entries.row(0, named=True)
    answer, found = trace(
        demo.hub, entry["figure_id"], "--replay", "--source", "archive", cluster=DEMO_CLUSTER
    )
    assert answer.code == 0, answer.err
    assert "confidential" in answer.err
    assert "대외비" in answer.err
    ledger = found["ledger"]
    assert [ledger[n] for n in ("sequence", "revision", "sha256")] == [
        entry[n] for n in ("sequence", "revision", "sha256")
    ]
    assert ledger["chain_broken_at"] is None
    assert round(sum(f["value"] for f in found["factories"])) == entry["value"]
    assert found["replay"]["equal"]
    assert found["replay"]["compared"] == {
        "raw_energy": sum(o["rows"] for o in found["offsets"]), "facts_energy": len(found["hours"]),
        "emissions": len(found["emissions"]), "elements_daily": len(found["days"]),
        "kpis": len(found["factories"]), "releases": 1,
    }  # fmt: skip
    assert len(found["days"]) > 8


def test_a_months_total_comes_out_of_the_days_of_all_its_factories(park: Park) -> None:
    more = [f"{name}-{park.tag}" for name in "cde"]
    park.define(*more)
    park.send_profiles(park.a, park.b, *more)
    first, days = date(2025, 11, 1), 30
    for n, factory in enumerate((park.a, park.b, *more), start=1):
        month = park.energy(factory, instant(first), [float(n)] * 24 * days)
        topic = park.gateway_topic if factory == park.b else park.topic(factory=factory)
        park.send(topic, [month], instant(date(2025, 12, 1)))
    night = datetime(2025, 12, 3, 3, tzinfo=SEOUL).isoformat()
    assert park.hub.run("nightly", "--cluster", "park", "--as-of", night).code == 0
    figure = f"park/cluster/*/month/{first}/energy_kwh@1"
    answer, found = trace(park.hub, figure, "--replay", "--source", "archive", "--as-of", night)
    assert answer.code == 0, answer.err
    # (1 + 2 + 3 + 4 + 5) kWh in each of 720 hours.
    assert found["figure"]["value"] == 15.0 * 720
    assert found["replay"]["equal"]
    assert found["replay"]["compared"] == {
        "raw_energy": 5 * 720, "facts_energy": 5 * 720, "elements_daily": 5 * 30, "kpis": 5 * (30 + 1),
        "releases": 1,
    }  # fmt: skip
    assert [o["offsets"] for o in found["offsets"]] == ["0"] * 5


@pytest.fixture(scope="module")
def on_kafka(park_of: ParkOf) -> Park:
    """A park on a real broker, after its night."""
    return sent(park_of("kafka"))


@pytest.mark.kafka
def test_kafka_and_its_archive_give_the_same_bits(on_kafka: Park) -> None:
    park = on_kafka
    source = KafkaSource(KafkaConnection(park.hub.settings["DC_KAFKA_BOOTSTRAP_SERVERS"]))
    registry = LocalRegistry(park.hub.root / "registry")
    archive_topics(source, park.hub.root / "archive", registry, [park.topic()])
    figure = f"{park.a}/{TUESDAY}/co2e_kg"
    sources = ("kafka", "archive")
    answers, found = zip(*(trace(park.hub, figure, "--replay", "--source", s) for s in sources), strict=True)
    assert [a.code for a in answers] == [0, 0], answers[0].err + answers[1].err
    replays = [f.pop("replay") for f in found]
    assert [r.pop("source") for r in replays] == ["kafka", "archive"]
    assert replays[0] == replays[1]
    assert replays[0]["equal"]
    assert found[0] == found[1]


@pytest.mark.kafka
def test_offsets_that_the_broker_deleted_are_named_and_the_store_stands_in_if_asked(on_kafka: Park) -> None:
    park = on_kafka
    admin = AdminClient({"bootstrap.servers": park.hub.settings["DC_KAFKA_BOOTSTRAP_SERVERS"]})
    for deleted in admin.delete_records([TopicPartition(park.gateway_topic, 0, 1)]).values():
        deleted.result()
    figure = f"{park.b}/{TUESDAY}/co2e_kg"
    answer, found = trace(park.hub, figure, "--replay", "--source", "kafka")
    assert answer.code == 13
    assert "NOT COMPARED" in answer.out
    (gone,) = found["replay"]["gone"]
    assert (gone["topic"], gone["offsets"]) == (park.gateway_topic, "0")
    assert not found["replay"]["equal"]
    answer, found = trace(park.hub, figure, "--replay", "--source", "kafka", "--from-store")
    assert answer.code == 0, answer.err
    # The day came twice: of the first message all 24 rows are gone.
    assert found["replay"]["from_store"] == 24
    assert found["replay"]["equal"]
    assert "24 raw rows whose offsets are gone" in answer.out


def test_a_changed_byte_of_a_raw_file_is_found_and_named(in_archive: Park, tmp_path: Path) -> None:
    figure = f"{in_archive.a}/{TUESDAY}/co2e_kg"
    size = raw_files(in_archive)[0].stat().st_size
    for number, place in enumerate((10, size // 2, size - 20)):
        park = in_archive.copied(tmp_path / str(number))
        file = raw_files(park)[0]
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(bytes(content))
        answer, _ = trace(park.hub, figure)
        assert answer.code == 3, (place, answer.err)
        assert file.name in (answer.out + answer.err).replace("\n", "")


def test_a_raw_file_with_another_value_differs_where_the_value_is(in_archive: Park, tmp_path: Path) -> None:
    park = in_archive.copied(tmp_path / "hub")
    (file,) = [f for f in raw_files(park) if park.a in pl.read_parquet(f, hive_partitioning=False)["factory"]]
    rows = pl.read_parquet(file, hive_partitioning=False)
    later = pl.when(pl.col("at") == instant(TUESDAY, 7)).then(pl.col("value") + 1).otherwise("value")
    rewritten(file, rows.with_columns(value=later))
    answer, found = trace(park.hub, f"{park.a}/{TUESDAY}/co2e_kg", "--replay", "--source", "archive")
    assert answer.code == 3
    assert [f["state"] for f in found["files"]].count("altered") == 1
    difference = found["replay"]["difference"]
    assert (difference["stage"], difference["column"]) == ("raw_energy", "value")
    assert difference["where"] == {
        "topic": park.topic(), "partition": 0, "offset": 1, "index": 7,
        "incarnation": difference["where"]["incarnation"],
    }  # fmt: skip
    assert (difference["stored"], difference["again"]) == (9.0, 8.0)
    assert "DIFFERENT first in raw_energy" in answer.out


def test_a_changed_fact_differs_from_what_its_readings_give(in_archive: Park, tmp_path: Path) -> None:
    park = in_archive.copied(tmp_path / "hub")
    (file,) = (park.hub.root / "store" / "park" / "facts_energy").glob(f"day={TUESDAY}/*/*.parquet")
    rows = pl.read_parquet(file, hive_partitioning=False)
    changed = pl.when(pl.col("quantity") == 5.0).then(5.0000000000000009).otherwise("quantity")
    rewritten(file, rows.with_columns(quantity=changed))
    answer, found = trace(park.hub, f"{park.a}/{TUESDAY}/energy_kwh", "--replay", "--source", "archive")
    assert answer.code == 3
    difference = found["replay"]["difference"]
    assert (difference["stage"], difference["column"]) == ("facts_energy", "quantity")
    assert (difference["stored"], difference["again"]) == (5.000000000000001, 5.0)


def test_a_changed_byte_of_an_archive_file_is_found_and_named(in_archive: Park, tmp_path: Path) -> None:
    park = in_archive.copied(tmp_path / "hub")
    (file,) = (park.hub.root / "archive").rglob(f"{park.topic()}+0+0000000001.avro")
    content = bytearray(file.read_bytes())
    content[-30] ^= 1
    file.write_bytes(bytes(content))
    answer, _ = trace(park.hub, f"{park.a}/{TUESDAY}/co2e_kg", "--replay", "--source", "archive")
    assert answer.code == 13
    assert file.name in answer.err


def test_a_changed_ledger_is_found(demo: Demo, tmp_path: Path) -> None:
    hub = demo.hub.copied(tmp_path / "hub")
    (file,) = (hub.root / "store" / DEMO_CLUSTER / "releases").glob("*.parquet")
    rows = pl.read_parquet(file)
    entry = rows.filter(kpi="co2e_kg", period="day", status="published").sort("sequence").row(1, named=True)
    more = pl.when(pl.col("sequence") == entry["sequence"]).then(pl.col("value") + 1).otherwise("value")
    rewritten(file, rows.with_columns(value=more))
    answer, found = trace(hub, entry["figure_id"], "--replay", "--source", "archive", cluster=DEMO_CLUSTER)
    assert answer.code == 3
    assert found["ledger"]["chain_broken_at"] == entry["sequence"]
    difference = found["replay"]["difference"]
    assert (difference["stage"], difference["stored"], difference["again"]) == (
        "releases", entry["value"] + 1, entry["value"],
    )  # fmt: skip


def test_rows_of_a_replayed_dead_letter_and_an_accepted_suspect_are_named(park: Park) -> None:
    main = {
        "meter": "main", "carrier": "electricity", "unit": "kWh", "parent": None, "machine": None,
        "register_digits": None, "maximum_per_h": 23.5, "bidirectional": False,
    }  # fmt: skip
    park.send(park.topic("profile"), [park.profile(park.a, meters=[main])], instant(date(2025, 11, 1)))
    # The last hour is above the meter's maximum; of the first another value waits behind an unknown schema.
    day, better = (park.energy(park.a, instant(TUESDAY), values) for values in (KWH, [2.0]))
    park.send(park.topic(), [day, unknown_schema(better)], instant(TUESDAY, 24))
    figure = f"{park.a}/{TUESDAY}/energy_kwh"
    assert park.nightly(NIGHT).code == 0
    assert trace(park.hub, figure)[1]["figure"]["value"] == 300.0 - 24.0
    schema = (HISTORY / "0001.energy.v1.avsc").read_text(encoding="utf-8")
    (park.hub.root / "registry" / "4711.energy.v2.avsc").write_text(schema, encoding="utf-8")
    as_of = ("--cluster", "park", "--as-of", NIGHT.isoformat())
    assert park.hub.run("dead-letters", "replay", *as_of).code == 0
    span = ("--from", "2025-11-04T00:00", "--to", "2025-11-05T00:00", "--reason", "a test load")
    assert park.hub.run("suspects", "accept", park.a, "main", *span, *as_of).code == 0
    assert park.nightly(datetime(2025, 11, 7, 3, tzinfo=SEOUL)).code == 0
    answer, found = trace(park.hub, figure, "--replay", "--source", "archive")
    assert answer.code == 0, answer.err
    assert found["replay"]["equal"]
    assert found["figure"]["value"] == 300.0 + 1.0
    (letter,) = found["replayed_letters"]
    assert (letter["topic"], letter["offset"], letter["reason"]) == (park.topic(), 1, "unknown_schema")
    assert [(f["replay"] or "").partition(":")[0] for f in found["files"]].count("replay") == 1
    (decision,) = found["decisions_on_suspects"]
    assert (decision["decision"], decision["meter"], decision["reason"]) == ("accept", "main", "a test load")


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        ("nobody/2025-11-04/co2e_kg", "no such figure"),
        ("park/cluster/*/day/2025-11-04/co2e_kg@9", "no such figure"),
        ("park/cluster/*/day/2025-11-04/co2e_kg@1", "is withheld"),
        ("what", "is no figure"),
    ],
)
def test_a_figure_that_is_not_there_is_one_clear_line(in_archive: Park, figure: str, reason: str) -> None:
    answer, found = trace(in_archive.hub, figure)
    assert (answer.code, found) == (2, {})
    assert reason in answer.err
