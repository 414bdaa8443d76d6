import pickle
from pathlib import Path

import pytest

from pipelines.connectors.remembered_registry import RememberedRegistry
from pipelines.connectors.store import ClusterStore
from pipelines.schemas.registry import RegistryUnavailable


class Server:
    """A registry that can be switched off, and counts what it is asked."""

    def __init__(self, schemas: dict[int, str], newest: dict[str, str]) -> None:
        self.schemas, self.newest, self.up, self.asked = schemas, newest, True, 0

    def _ask(self) -> None:
        self.asked += 1
        if not self.up:
            raise RegistryUnavailable("test", "down")

    def text(self, schema_id: int) -> str | None:
        self._ask()
        return self.schemas.get(schema_id)

    def register(self, subject: str, schema: str) -> int:
        raise NotImplementedError

    def latest(self, subject: str) -> str | None:
        self._ask()
        return self.newest.get(subject)


def test_an_id_is_asked_for_once_and_answered_while_the_registry_is_down(tmp_path: Path) -> None:
    server = Server({7: '"string"'}, {})
    registry = RememberedRegistry(server, ClusterStore(str(tmp_path), "c"))
    assert registry.text(7) == '"string"'
    server.up = False
    again = RememberedRegistry(server, ClusterStore(str(tmp_path), "c"))
    assert again.text(7) == '"string"'
    assert server.asked == 1


def test_an_id_that_was_never_answered_can_not_be_answered_while_the_registry_is_down(tmp_path: Path) -> None:
    server = Server({}, {})
    server.up = False
    with pytest.raises(RegistryUnavailable):
        RememberedRegistry(server, ClusterStore(str(tmp_path), "c")).text(7)


def test_a_no_is_asked_again_because_the_id_may_be_registered_later(tmp_path: Path) -> None:
    server = Server({}, {})
    registry = RememberedRegistry(server, ClusterStore(str(tmp_path), "c"))
    assert registry.text(7) is None
    server.schemas[7] = '"int"'
    assert registry.text(7) == '"int"'


def test_the_newest_schema_is_asked_for_each_time_and_remembered_for_an_outage(tmp_path: Path) -> None:
    server = Server({}, {"s": '"int"'})
    registry = RememberedRegistry(server, ClusterStore(str(tmp_path), "c"))
    assert registry.latest("s") == '"int"'
    server.newest["s"] = '"long"'
    assert registry.latest("s") == '"long"'
    server.up = False
    assert registry.latest("s") == '"long"'
    with pytest.raises(RegistryUnavailable):
        registry.latest("other")


def test_it_pickles_without_its_connection(tmp_path: Path) -> None:
    registry = RememberedRegistry(Server({7: '"int"'}, {}), ClusterStore(str(tmp_path), "c"))
    assert pickle.loads(pickle.dumps(registry)).text(7) == '"int"'  # noqa: S301 - our own bytes
