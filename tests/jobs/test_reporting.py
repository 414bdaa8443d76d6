"""Logs: where their lines go."""

import io
import sys
from collections.abc import Iterator

import pytest
import structlog

from pipelines.jobs.reporting import configure_logs


@pytest.fixture(autouse=True)
def other_logs_stay() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_line_goes_to_what_standard_error_is_when_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", before)
    configure_logs()
    before.close()
    monkeypatch.setattr(sys, "stderr", now)
    structlog.get_logger().info("told")
    assert "event='told'" in now.getvalue()
