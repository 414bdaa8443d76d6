import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.connectors.kafka import KafkaConnection, KafkaSource
from pipelines.connectors.sink import KafkaSink, Record
from pipelines.demo import broker as module
from pipelines.demo.broker import BrokerUnavailable, LocalBroker
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.messages import OffsetRange

pytestmark = pytest.mark.kafka

# Starts a broker, says its pid and address, then waits to be killed.
HOLDER = """
import sys, time
from pathlib import Path
from pipelines.demo.broker import LocalBroker
with LocalBroker(Path(sys.argv[1])) as broker:
    print(broker.pid, broker.bootstrap_servers, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _needs_jars(broker: LocalBroker) -> None:
    """Skip, or in CI fail, as the session's broker does."""


def is_alive(pid: int) -> bool:
    try:
        return b"kafka.Kafka" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "not within 20 s"
        threading.Event().wait(0.02)


def start_holder(folder: Path) -> tuple[subprocess.Popen[str], int, str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    pid, address = holder.stdout.readline().split()
    return holder, int(pid), address


def test_records_of_any_age_stay_between_runs(tmp_path: Path) -> None:
    stamps_ms = [1_514_764_800_000, 4_102_444_800_000]  # 2018 and 2100
    with LocalBroker(tmp_path) as first:
        sink = KafkaSink(KafkaConnection(first.bootstrap_servers, timeout_s=10))
        sink.ensure_topics(["factory.a1.energy"])
        sink.send("factory.a1.energy", [Record(b"k", b"v", ms) for ms in stamps_ms])
        identity = (tmp_path / "records" / "meta.properties").read_text()
    assert first.pid == 0
    with LocalBroker(tmp_path) as second:
        source = KafkaSource(KafkaConnection(second.bootstrap_servers, timeout_s=10))
        (bounds,) = source.bounds(["factory.a1.energy"])
        records = [r for some in source.read_records(OffsetRange(bounds.partition, 0, 2)) for r in some]
    assert [(r.offset, r.timestamp_ms) for r in records] == list(enumerate(stamps_ms))
    assert cluster_id(identity) == cluster_id((tmp_path / "records" / "meta.properties").read_text())


def cluster_id(properties: str) -> str:
    found = re.search(r"^cluster\.id=(.+)$", properties, re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_broker_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    holder, pid, _ = start_holder(tmp_path)
    assert is_alive(pid)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    wait_until(lambda: not is_alive(pid))


def test_a_broker_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started = LocalBroker(tmp_path)
    thread = threading.Thread(target=started.__enter__)
    thread.start()
    thread.join()
    assert KafkaSource(KafkaConnection(started.bootstrap_servers, timeout_s=10)).topics() == []
    started.stop()
    assert started.pid == 0


def test_two_runs_on_one_folder_one_wins_and_the_other_says_so(tmp_path: Path) -> None:
    with LocalBroker(tmp_path) as first:
        with pytest.raises(OperatorError, match="Another run uses the local broker") as raised:
            LocalBroker(tmp_path).__enter__()
        assert raised.value.code is ExitCode.LEASE_HELD
        assert not isinstance(raised.value, BrokerUnavailable)  # no reason to read an archive instead
        assert is_alive(first.pid)


def test_a_broker_left_over_is_ended_at_the_next_start(tmp_path: Path) -> None:
    # A parent that can't tie its child to itself leaves it behind when it is killed.
    patch = "import pipelines.demo.broker as b; b.tied_to_parent = list"
    program = HOLDER.replace("with Local", f"{patch}\nwith Local")
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    orphan = int(holder.stdout.readline().split()[0])
    holder.kill()
    holder.wait()
    assert is_alive(orphan)
    with LocalBroker(tmp_path) as next_one:
        assert not is_alive(orphan)
        assert is_alive(next_one.pid)


def test_a_pid_that_now_belongs_to_another_program_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (tmp_path / "pid").write_text(str(stranger.pid))
        with LocalBroker(tmp_path):
            assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_without_java_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_java_version", lambda _java: 11)
    with pytest.raises(BrokerUnavailable, match=r"No Java 17 or newer .* --source archive") as raised:
        LocalBroker(tmp_path).__enter__()
    assert raised.value.code is ExitCode.SOURCE
    assert "\n" not in raised.value.english + raised.value.korean


def test_without_jars_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KAFKA", "org.example:no-such-kafka:0.0.1")
    with pytest.raises(BrokerUnavailable, match=r"jars can't be had .* --source archive") as raised:
        LocalBroker(tmp_path).__enter__()
    assert raised.value.code is ExitCode.SOURCE
    assert "\n" not in raised.value.english + raised.value.korean


def test_a_broker_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match="did not start") as raised:
        LocalBroker(tmp_path, overrides={"listeners": "nonsense"}).__enter__()
    assert "\n" not in raised.value.english
    assert not (tmp_path / "pid").exists()


def test_empty_partitions_take_little_disk(tmp_path: Path) -> None:
    with LocalBroker(tmp_path) as running:
        sink = KafkaSink(KafkaConnection(running.bootstrap_servers, timeout_s=10))
        sink.ensure_topics([f"factory.a{i}.energy" for i in range(20)])
        taken_bytes = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    assert taken_bytes < 50 * 1024 * 1024  # with Kafka's own setting it would be 400 MiB
