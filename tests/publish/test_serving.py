"""Serving one audience on this machine."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.publish.content import SiteContent
from pipelines.publish.serving import audience_server
from pipelines.publish.site import write_site


@pytest.fixture(scope="module")
def folder(content: SiteContent, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(content, folder)
    return folder


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    with audience_server(folder, "naru", 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", f"{host}:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, answer.msg


def test_an_audience_s_pages_are_served_as_they_are(folder: Path, port: int) -> None:
    for path, name in (("/", "index.html"), ("/about.html", "about.html"), ("/style.css", "style.css")):
        status, body, headers = get(port, path)
        assert status == 200
        assert body == (folder / "naru" / name).read_bytes()
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/../garam/index.html",
        "/%2e%2e/garam/index.html",
        "/..%2fgaram/index.html",
        "/x/../../garam/index.html",
        "//garam/index.html",
        "/garam/index.html",
        "/../.digital-cluster-site",
        "/..%5cgaram/index.html",
        "/%00",
        "/nothing.html",
    ],
)
def test_nothing_beside_the_audience_s_folder_is_served(port: int, path: str) -> None:
    status, body, _ = get(port, path)
    assert status == 404
    assert "가람".encode() not in body


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, port: int) -> None:
    link = folder / "naru" / "link.html"
    link.symlink_to(folder / "garam" / "index.html")
    try:
        assert get(port, "/link.html")[0] == 404
    finally:
        link.unlink()


def test_another_host_name_is_refused(port: int) -> None:
    assert get(port, "/", host="evil.example")[0] == 421
    assert get(port, "/", host="localhost")[0] == 200


def test_it_listens_on_the_loopback_only(folder: Path) -> None:
    with audience_server(folder, "operator", 0) as server:
        assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("audience", ["nobody", "..", "", "naru/..", "."])
def test_an_unknown_audience_is_one_clear_line(folder: Path, audience: str) -> None:
    with pytest.raises(OperatorError) as refused:
        audience_server(folder, audience, 0)
    assert refused.value.code is ExitCode.UNUSABLE_INPUT
    assert "\n" not in refused.value.english


def test_a_taken_port_is_one_clear_line(folder: Path) -> None:
    with audience_server(folder, "operator", 0) as server, pytest.raises(OperatorError) as refused:
        audience_server(folder, "operator", server.server_address[1])
    assert refused.value.code is ExitCode.SETTINGS
