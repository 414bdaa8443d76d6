"""Undisturbed histories, brokers and drivers for the fault tests."""

import os
import shutil
from collections.abc import Iterator

import pytest

from pipelines.connectors.archive import ArchiveSink
from pipelines.connectors.registry import LocalRegistry
from pipelines.demo.broker import BrokerUnavailable, LocalBroker
from pipelines.schemas.contracts import packaged_folder
from tests.faults.trial import FIRST, Driver, History, live_through, publish, settings


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    running = Driver(tmp_path_factory.mktemp("driver"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory, driver: Driver) -> Iterator[tuple[Driver, Driver]]:
    """Two drivers: each waits for one command at a time, so two commands can run at once."""
    second = Driver(tmp_path_factory.mktemp("driver"))
    yield driver, second
    second.stop()


@pytest.fixture(scope="session")
def archived(tmp_path_factory: pytest.TempPathFactory, driver: Driver) -> History:
    """An undisturbed history on the archive: one archive as of the first night, one as of the second."""
    folder = tmp_path_factory.mktemp("archived")
    registry = LocalRegistry(packaged_folder("avro") / "history")

    def publish_until(as_of: str) -> None:
        publish(ArchiveSink(folder / "second", registry), folder / "sent", as_of)
        if as_of == FIRST:
            shutil.copytree(folder / "second", folder / "first")

    environments = [settings(DC_ARCHIVE=str(folder / name)) for name in ("first", "second")]
    return live_through(folder, driver, environments, "archive", publish_until)


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker for one file of tests: the demo's topics have fixed names."""
    running = LocalBroker(tmp_path_factory.mktemp("broker"))
    try:
        running.__enter__()
    except BrokerUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield running
    running.stop()
