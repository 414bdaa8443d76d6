"""Showing one audience's pages on this machine: what that audience would get, and nothing beside it.

Belongs here: a small local server for looking. Does not belong here: serving to others; that needs a real web
server with log-in.
"""

import io
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from pipelines.domain.outcomes import ExitCode, OperatorError

HOST = "127.0.0.1"
_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self'; base-uri 'none'"
)
_LOCAL_NAMES = {"127.0.0.1", "localhost"}


class _AudienceHandler(SimpleHTTPRequestHandler):
    """GET and HEAD of files inside one folder; no listings, no other host names, no way out by links."""

    server_version = "digital-cluster"
    sys_version = ""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Refuse what is not ours before the library opens a file."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in _LOCAL_NAMES:  # a page elsewhere whose name was pointed at this machine
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        if not self._inside():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _inside(self) -> bool:
        path = self.translate_path(self.path)
        if "\0" in path:
            return False
        root, asked = Path(self.directory).resolve(), Path(path).resolve()
        parts = asked.relative_to(root).parts if asked.is_relative_to(root) else None
        return parts is not None and not any(part.startswith(".") for part in parts)

    def list_directory(self, path: object) -> None:
        """List nothing."""
        del path
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Add the headers that keep a page to itself."""
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet: who looked at which page is nobody's business."""


def audience_server(folder: Path, audience: str, port: int) -> ThreadingHTTPServer:
    """Bind a server of one audience's folder to the loopback; port 0 takes a free one.

    Raises:
        OperatorError: there is no such audience, or the port is taken.
    """
    audiences = sorted(p.parent.name for p in folder.glob("*/index.html"))
    if audience not in audiences:
        known = ", ".join(audiences) or "-"
        raise OperatorError(
            f"serve: no pages for {audience!r} in {folder} (there are: {known}): run the nightly job first",
            f"serve: {folder}에 {audience!r}의 페이지가 없습니다(있는 것: {known}): "
            "야간 작업을 먼저 실행하십시오",
            ExitCode.UNUSABLE_INPUT,
        )
    handler = partial(_AudienceHandler, directory=str(folder / audience))
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except (OSError, OverflowError) as error:
        raise OperatorError(
            f"serve: port {port} of {HOST} can't be had ({error}): name another with --port",
            f"serve: {HOST}의 포트 {port}를 쓸 수 없습니다({error}): --port로 다른 포트를 지정하십시오",
            ExitCode.SETTINGS,
        ) from error


def serve(folder: Path, audience: str, port: int) -> None:
    """Serve one audience's pages on the loopback until interrupted."""
    with audience_server(folder, audience, port) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
