"""Prefect's surroundings, and the API that a run by hand talks to: the configured one, or a temporary server.

Belongs here: settings of Prefect that hold for every run by hand, reaching its API, saying so if it can't be
reached. Does not belong here: flows, the server itself (flows.server).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.server import TemporaryServer
from pipelines.domain.outcomes import ExitCode, OperatorError

DRAIN_TIMEOUT_S = 10.0
_SURROUNDINGS = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The run's own words are the progress and the summary; a worker sets its own level.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}


def set_surroundings() -> None:
    """Keep Prefect in build/ and quiet, unless the environment says otherwise; before Prefect is imported."""
    home = os.environ.setdefault("PREFECT_HOME", str(Path("build/prefect").absolute()))
    Path(home).mkdir(parents=True, exist_ok=True)
    for name, value in _SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(part for part in (os.environ.get(name), "127.0.0.1") if part)


@contextmanager
def api_beside_run() -> Iterator[Callable[[], None]]:
    """Give a function that waits for Prefect's API: flows are imported while a temporary server starts.

    Raises:
        OperatorError: SETTINGS: the configured API doesn't answer, or (from the function given) the temporary
            server doesn't start.
    """
    from prefect.settings import (  # noqa: PLC0415 - Prefect reads its surroundings on import
        PREFECT_API_URL,
        get_current_settings,
        temporary_settings,
    )

    configured = get_current_settings().api.url
    if configured is not None:
        _check_api(configured)
        yield lambda: None
        return
    server = TemporaryServer(Path(os.environ["PREFECT_HOME"]))
    with server, temporary_settings({PREFECT_API_URL: server.api_url}):
        yield server.wait
        _drain()


def unreachable(url: str) -> OperatorError:
    """Return the error of an API that doesn't answer."""
    return OperatorError(
        f"Prefect's API at {url} does not answer: check PREFECT_API_URL and that server, or use"
        " `digital-cluster nightly`, which does the same without Prefect.",
        f"{url} 의 Prefect API가 응답하지 않습니다. PREFECT_API_URL과 서버를 확인하거나,"
        " Prefect 없이 같은 일을 하는 `digital-cluster nightly`를 사용하세요.",
        ExitCode.SETTINGS,
    )


def _check_api(url: str) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - as above

    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is not None:
            raise unreachable(url)


def _drain() -> None:
    """Let Prefect send what it still holds of the run, so that stopping the server cuts nothing off."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - as above
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415 - as above

    EventsWorker.drain_all(timeout=DRAIN_TIMEOUT_S)
    APILogWorker.drain_all(timeout=DRAIN_TIMEOUT_S)
