"""Both registries: what they know, what they deny, and what they can't say."""

import errno
import json
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.connectors.registry import (
    ConfluentRegistry,
    LocalRegistry,
    RegistryUnavailable,
    open_registry,
)
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.contracts import contract, contract_text, packaged_folder

ENERGY = "kr.digitalcluster.EnergyReadings"
SAMPLE = {"type": "record", "name": "NewThing", "namespace": "kr.test", "fields": []}


def version(number: int) -> str:
    added = {"name": f"f{number}", "type": "int", "default": 0}
    return json.dumps({**SAMPLE, "fields": [added]})


class TestLocalRegistry:
    def test_the_committed_history_knows_every_contract_by_its_id(self) -> None:
        registry = LocalRegistry(packaged_folder("avro") / "history")
        assert json.loads(registry.text(1) or "") == contract("energy")
        assert json.loads(registry.text(22) or "") == contract("profile")
        assert json.loads(registry.latest(ENERGY) or "") == contract("energy")

    def test_an_id_or_subject_that_no_file_has_is_denied(self, tmp_path: Path) -> None:
        registry = LocalRegistry(tmp_path)
        assert registry.text(1) is None
        assert registry.latest(ENERGY) is None

    def test_a_known_schema_keeps_its_id_however_it_is_written(self) -> None:
        registry = LocalRegistry(packaged_folder("avro") / "history")
        assert registry.register(ENERGY, json.dumps(contract("energy"))) == 1

    def test_new_schemas_get_the_next_id_and_version(self, tmp_path: Path) -> None:
        registry = LocalRegistry(tmp_path)
        assert registry.register(ENERGY, contract_text("energy")) == 1
        assert registry.register("kr.test.NewThing", version(1)) == 2
        assert registry.register("kr.test.NewThing", version(2)) == 3
        assert registry.register("kr.test.NewThing", version(1)) == 2
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "0001.energy_readings.v1.avsc",
            "0002.new_thing.v1.avsc",
            "0003.new_thing.v2.avsc",
        ]
        assert json.loads(registry.latest("kr.test.NewThing") or "") == json.loads(version(2))
        assert json.loads(registry.text(2) or "") == json.loads(version(1))

    def test_the_tenth_version_is_newer_than_the_ninth(self, tmp_path: Path) -> None:
        registry = LocalRegistry(tmp_path)
        for number in range(1, 11):
            registry.register("kr.test.NewThing", version(number))
        assert json.loads(registry.latest("kr.test.NewThing") or "") == json.loads(version(10))

    def test_many_that_register_at_once_share_ids_for_equal_schemas_only(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            ids = list(
                pool.map(
                    lambda n: LocalRegistry(tmp_path).register("kr.test.NewThing", version(n % 5)), range(40)
                )
            )
        assert sorted(set(ids)) == [1, 2, 3, 4, 5]
        assert all(len({i for n, i in enumerate(ids) if n % 5 == k}) == 1 for k in range(5))
        assert len(list(tmp_path.iterdir())) == 5

    def test_a_read_only_folder_is_the_operators_to_mend(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "write_text", refused)  # root may write to read-only folders
        with pytest.raises(OperatorError, match="Permission denied") as raised:
            LocalRegistry(tmp_path).register(ENERGY, contract_text("energy"))
        assert raised.value.code == ExitCode.SETTINGS

    def test_a_folder_that_cannot_be_made_is_the_operators_to_mend(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OperatorError, match="DC_SCHEMA_REGISTRY_FOLDER") as raised:
            LocalRegistry(tmp_path / "file" / "folder").register(ENERGY, contract_text("energy"))
        assert raised.value.code == ExitCode.SETTINGS

    def test_a_folder_that_is_not_there_gives_no_answer(self, tmp_path: Path) -> None:
        with pytest.raises(RegistryUnavailable) as raised:
            LocalRegistry(tmp_path / "missing").text(1)
        assert raised.value.code == ExitCode.PARTIAL

    def test_a_schema_told_once_is_known_after_its_file_is_gone(self, tmp_path: Path) -> None:
        registry = LocalRegistry(tmp_path)
        registry.register("kr.test.NewThing", version(1))
        first = registry.text(1)
        (tmp_path / "0001.new_thing.v1.avsc").unlink()
        assert registry.text(1) == first


@dataclass
class Server:
    """What the loopback registry answers, and what it was asked."""

    status: int | None = None
    body: bytes | None = None
    url: str = ""
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, bytes]:
        if self.status is not None:
            return (
                self.status,
                self.body if self.body is not None else b'{"error_code": 50001, "message": "no"}',
            )
        known = {
            "/schemas/ids/7": {"schema": version(7)},
            "/subjects/kr.test.NewThing/versions": {"id": 7},
            "/subjects/kr.test.NewThing/versions/latest": {
                "subject": "kr.test.NewThing",
                "id": 7,
                "version": 1,
                "schema": version(7),
            },
        }
        if path in known:
            return 200, json.dumps(known[path]).encode()
        code = 40403 if path.startswith("/schemas") else 40401
        return 404, json.dumps({"error_code": code, "message": "not found"}).encode()


@contextmanager
def serving(server: Server) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append(path)
            server.authorizations.append(self.headers.get("Authorization"))
            status, body = server.answer(path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    with serving(server) as url:
        server.url = url
        yield server


def unanswered(registry: ConfluentRegistry) -> RegistryUnavailable:
    with pytest.raises(RegistryUnavailable) as raised:
        registry.text(7)
    with pytest.raises(RegistryUnavailable):
        registry.latest("kr.test.NewThing")
    with pytest.raises(RegistryUnavailable):
        registry.register("kr.test.NewThing", version(7))
    return raised.value


class TestConfluentRegistry:
    def test_it_tells_a_schema_once_and_remembers_it(self, server: Server) -> None:
        registry = ConfluentRegistry(server.url)
        assert registry.text(7) == version(7)
        assert pickle.loads(pickle.dumps(registry)).text(7) == version(7)  # noqa: S301 - our own bytes
        assert server.asked == ["/schemas/ids/7"]

    def test_it_tells_the_newest_and_the_id_of_a_registered_schema(self, server: Server) -> None:
        registry = ConfluentRegistry(server.url)
        assert registry.latest("kr.test.NewThing") == version(7)
        assert registry.register("kr.test.NewThing", version(7)) == 7

    def test_a_denied_id_or_subject_is_no_outage(self, server: Server) -> None:
        registry = ConfluentRegistry(server.url)
        assert registry.text(8) is None
        assert registry.latest("kr.test.Unknown") is None

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, None),
            (503, b"<html>busy</html>"),
            (401, b'{"error_code": 401, "message": "who are you"}'),
            (404, b"<html>no registry here</html>"),
            (200, b"<html>a captive page</html>"),
            (200, b"{}"),
        ],
    )
    def test_what_is_no_answer_is_an_outage(self, server: Server, status: int, body: bytes | None) -> None:
        server.status, server.body = status, body
        error = unanswered(ConfluentRegistry(server.url, retries=0))
        assert error.code == ExitCode.PARTIAL

    def test_a_refused_connection_is_an_outage(self) -> None:
        with serving(Server()) as url:
            pass
        error = unanswered(ConfluentRegistry(url, retries=0))
        assert url in error.english
        assert url in error.korean

    def test_a_known_schema_outlives_the_server(self) -> None:
        with serving(Server()) as url:
            registry = ConfluentRegistry(url, retries=0)
            assert registry.text(7) == version(7)
        assert registry.text(7) == version(7)

    @pytest.mark.parametrize("status", [409, 422])
    def test_a_refused_schema_is_the_operators_to_mend(self, server: Server, status: int) -> None:
        server.status = status
        with pytest.raises(OperatorError, match="refuses") as raised:
            ConfluentRegistry(server.url).register("kr.test.NewThing", version(7))
        assert raised.value.code == ExitCode.SETTINGS

    def test_the_password_is_sent_and_never_shown(self, server: Server) -> None:
        registry = ConfluentRegistry(server.url, "ann", "secret-word")
        assert registry.text(7) == version(7)
        assert server.authorizations == ["Basic YW5uOnNlY3JldC13b3Jk"]
        assert "secret-word" not in repr(registry)

    def test_credentials_in_the_url_are_not_shown(self, server: Server) -> None:
        server.status = 500
        url = server.url.replace("http://", "http://ann:secret-word@")
        error = unanswered(ConfluentRegistry(url, retries=0))
        assert "secret-word" not in error.english + error.korean


def test_a_url_chooses_the_server_and_none_the_folder(tmp_path: Path) -> None:
    assert open_registry(None, tmp_path) == LocalRegistry(tmp_path)
    assert open_registry("http://r:8081", tmp_path, "ann", "pw") == ConfluentRegistry(
        "http://r:8081", "ann", "pw"
    )


def test_a_url_without_a_scheme_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="DC_SCHEMA_REGISTRY_URL") as raised:
        open_registry("registry:8081", tmp_path)
    assert raised.value.code == ExitCode.SETTINGS


def test_an_outage_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(RegistryUnavailable("http://r", "HTTP status 500")))  # noqa: S301 - our own
    assert (type(error), error.code, error.cause) == (
        RegistryUnavailable,
        ExitCode.PARTIAL,
        "HTTP status 500",
    )
