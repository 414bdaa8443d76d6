"""What a person can mend ends a command with one line in two languages and the table's exit code."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import time

import pytest

from pipelines.connectors.lease import Lease
from tests.jobs.conftest import Hub, make_hub

MAPPING = """
time: {columns: [date], format: iso, zone: Asia/Seoul, stamp: start, interval_minutes: 60}
value: {column: kWh, unit: kWh, kind: interval}
meter: {id: main, carrier: electricity}
factory: {geography: KR, process: casting}
"""
HANGUL = re.compile(r"[가-힣]")
NIGHT = ("nightly", "--cluster", "changwon-demo", "--as-of", "2025-11-11T03:00+09:00")


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A hub with a measurement file, its mapping, and a file where a folder should be."""
    made = make_hub(tmp_path / "hub")
    (made.root / "m.csv").write_text("date,kWh\n2020-03-01 00:00,1\n", encoding="utf-8")
    (made.root / "m.yaml").write_text(MAPPING, encoding="utf-8")
    (made.root / "no-folder").write_text("a file", encoding="utf-8")
    return made


def check(hub: Hub, arguments: tuple[object, ...], code: int, *said: str) -> None:
    """Run a command and hold its standard error to one error line that says all of `said`."""
    answer = hub.run(*arguments)
    assert answer.code == code, answer.err
    check_line(answer.err, *said)


def check_line(err: str, *said: str) -> None:
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, err
    assert err.splitlines()[-1] == lines[0]
    english, _, korean = lines[0].removeprefix("error: ").partition(" / 오류: ")
    for part in said:
        assert part in english
    assert not HANGUL.search(english)
    assert HANGUL.search(korean)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"max_gap_s": "abc"}, 12, ("DC_MAX_GAP_S", "integer")),
        ({"max_gap_s": "-1"}, 12, ("DC_MAX_GAP_S", "greater than 0")),
        ({"source": "floppy"}, 12, ("DC_SOURCE", "'kafka' or 'archive'")),
        ({"clusters": "nowhere"}, 12, ("nowhere", "DC_CLUSTERS")),
        ({"store": "no-folder/store"}, 14, ("no-folder/store", "DC_STORE")),
        ({"source": "kafka"}, 12, ("DC_KAFKA_BOOTSTRAP_SERVERS", "--source archive")),
        (
            {"source": "kafka", "kafka_bootstrap_servers": "127.0.0.1:1", "kafka_timeout_s": "1.5"},
            13,
            ("127.0.0.1:1", "DC_KAFKA_BOOTSTRAP_SERVERS"),
        ),
        (
            {
                "source": "kafka",
                "kafka_bootstrap_servers": "127.0.0.1:1",
                "kafka_security_protocol": "SECRET",
            },
            12,
            ("DC_KAFKA_",),
        ),
        ({"archive": "nowhere"}, 13, ("nowhere", "DC_ARCHIVE")),
        ({"schema_registry_url": "registry:8081"}, 12, ("DC_SCHEMA_REGISTRY_URL", "http://")),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, Mapping) else None,
)
def test_settings_that_cannot_be_used(
    hub: Hub, settings: dict[str, str], code: int, said: tuple[str, ...]
) -> None:
    check(hub.with_settings(**settings), NIGHT, code, *said)


def test_a_cluster_file_that_is_broken_or_a_cluster_that_is_not_there(hub: Hub) -> None:
    check(hub, ("nightly", "--cluster", "elsewhere"), 12, "--cluster", "changwon-demo, imported")
    (hub.root / "clusters" / "imported.yaml").write_text("cluster: [", encoding="utf-8")
    check(hub, NIGHT, 12, "imported.yaml")


def test_a_clock_that_is_no_instant(hub: Hub) -> None:
    for wrong in ("yesterday", "2025-11-11", "2025-11-11T03:00"):
        check(hub, ("nightly", "--cluster", "changwon-demo", "--as-of", wrong), 2, "--as-of", wrong)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"column: kWh": "column: Usage"}, ("m.csv", "no column 'Usage'", "'date', 'kWh'")),
        ({"unit: kWh": "unit: kWhh"}, ("value.unit", "'kWhh' is no unit of electricity")),
        ({"carrier: electricity": "carrier: coffee"}, ("meter.carrier", "'electricity', 'natural_gas'")),
        ({"zone: Asia/Seoul": "zone: Asia/Seol"}, ("time.zone", "Asia/Seol")),
        ({"stamp: start": "stamp: middle"}, ("time.stamp",)),
        ({"format: iso": "format: '%d.%m.%Y'"}, ("m.csv, row 2", "2020-03-01 00:00")),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, Mapping) else None,
)
def test_a_mapping_that_does_not_fit(hub: Hub, changes: dict[str, str], said: tuple[str, ...]) -> None:
    text = MAPPING
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (hub.root / "m.yaml").write_text(text, encoding="utf-8")
    check(hub, ("import", "m.csv", "--mapping", "./m.yaml", "--factory", "f1"), 2, *said)
    assert not list((hub.root / "archive").rglob("*.avro"))


def test_an_import_of_what_is_not_there(hub: Hub) -> None:
    check(hub, ("import", "absent.csv", "--mapping", "./m.yaml", "--factory", "f1"), 2, "absent.csv")
    check(
        hub,
        ("import", "m.csv", "--mapping", "absent", "--factory", "f1"),
        2,
        "mapping absent",
        "steel_uci851",
    )
    check(hub, ("import", "m.csv", "--mapping", "./m.yaml", "--factory", "F_1"), 2, "'F_1' is no id")
    away = ("--factory", "f1", "--cluster", "changwon-demo")
    check(hub, ("import", "m.csv", "--mapping", "./m.yaml", *away), 2, "changwon-demo", "f1")


def test_reading_what_is_not_there(hub: Hub) -> None:
    asked = ("--from", "2018-01-01", "--to", "2018-01-02")
    check(hub, ("energy", "--factory", "nobody", *asked), 2, "nobody", "--cluster")
    check(hub, ("serve", "--audience", "nobody"), 2, "nobody")


def test_a_store_that_another_run_holds(hub: Hub) -> None:
    with Lease(hub.store("changwon-demo").objects, "another", 60, time):
        (hub.root / "archive").mkdir()
        check(hub, NIGHT, 11, "Another run", "wait until it ends")


def test_a_wrong_option_is_the_usage_and_no_traceback(hub: Hub) -> None:
    answer = hub.run("nightly", "--no-such-option")
    assert answer.code == 2
    assert "No such option" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("settings", "arguments", "code"),
    [
        ({"DC_MAX_GAP_S": "abc"}, NIGHT, 12),
        ({"DC_STORE": "no-folder/store"}, NIGHT, 14),
        ({}, ("energy", "--factory", "nobody", "--from", "2018-01-01", "--to", "2018-01-02"), 2),
    ],
    ids=["settings", "store", "reading"],
)
def test_the_installed_command_ends_so_too(
    hub: Hub, settings: dict[str, str], arguments: tuple[str, ...], code: int
) -> None:
    program = Path(sys.executable).parent / "digital-cluster"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DC_")}
    ended = subprocess.run(
        [program, *arguments], cwd=hub.root, env=environment | hub.environment | settings,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    check_line(ended.stderr)
    assert ended.stdout == ""
