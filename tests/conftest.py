import base64
import os
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from pipelines.demo.broker import BrokerUnavailable, LocalBroker

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


class SecondsByGroup:
    """Prints how long each folder of tests took, its fixtures included, before pytest's last lines."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        group = "/".join(report.nodeid.partition("::")[0].split("/")[:2])
        self._seconds[group] += report.duration
        self._tests[group] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._seconds:
            return
        terminalreporter.section("time by group")
        for group, seconds in sorted(self._seconds.items(), key=lambda pair: -pair[1]):
            terminalreporter.write_line(f"{seconds:7.1f} s  {group} ({self._tests[group]} tests)")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SecondsByGroup(), "seconds-by-group")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: else one worker ends with them, and the other waits."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return refuse_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return refuse_skip(report)


def refuse_skip(report: Report) -> Report:
    """Turn a skip into a failure where CI is set: a machine that lacks something must not look fine."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"may not be skipped where CI is set: {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def ledger_key_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ledger's key of every test and of every program that one starts: always the same 64 bytes."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.key"
    path.touch(0o600)
    path.write_bytes(base64.b64encode(bytes(range(64))) + b"\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DC_LEDGER_KEY_FILE", str(path))
        yield path


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """One real broker for all tests of a session; it starts with the first test that asks for it."""
    running = LocalBroker(tmp_path_factory.mktemp("broker"))
    try:
        running.__enter__()
    except BrokerUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield running
    running.stop()


@pytest.fixture
def fresh_topic(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Name topics that no other test uses: fresh_topic("energy") -> factory.<test>-<random>.energy."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:24].strip("-")

    def name(stream: str = "energy") -> str:
        return f"factory.{test}-{uuid.uuid4().hex[:8]}.{stream}"

    return name
