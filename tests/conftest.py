import os
import re
import uuid
from collections.abc import Callable, Iterator

import pytest

from pipelines.demo.broker import BrokerUnavailable, LocalBroker


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
