"""`digital-cluster-flow`: exit codes, and what it says when Prefect can't be had."""
# ruff: noqa: PLC0415 - Prefect reads its surroundings on import, and a fixture sets them first

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.menu import app
from pipelines.domain.outcomes import ExitCode
from pipelines.jobs.nightly import STEPS

REPOSITORY = Path(__file__).resolve().parents[2]
NIGHT = ["nightly", "--demo", "--source", "archive", "--as-of", "2025-10-29T03:00:00+09:00"]
NOBODY_LISTENS = "http://127.0.0.1:9/api"


def start(module: str, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command line of ours with an API address at which nobody listens."""
    path = os.pathsep.join(part for part in (str(REPOSITORY), os.environ.get("PYTHONPATH")) if part)
    environment = os.environ | {"PREFECT_API_URL": NOBODY_LISTENS, "PYTHONPATH": path}
    code = f"from {module} import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.usefixtures("world", "prefect_home")
def test_an_unreachable_api_is_one_line_that_names_the_plain_command() -> None:
    answer = start("flows.menu", NIGHT)

    assert answer.returncode == ExitCode.SETTINGS
    (line,) = [line for line in answer.stderr.splitlines() if "apitools" not in line]
    assert line.startswith(f"error: Prefect's API at {NOBODY_LISTENS} does not answer")
    assert "`digital-cluster nightly`" in line
    assert answer.stdout == ""


@pytest.mark.usefixtures("world", "prefect_home")
def test_the_plain_command_does_not_care_whether_prefect_can_be_reached() -> None:
    answer = start("pipelines.cli", NIGHT)

    assert answer.returncode == ExitCode.DONE, answer.stderr
    assert answer.stdout.startswith("night: changwon-demo, 2025-10-29T03:00:00+09:00")


@pytest.mark.usefixtures("prefect_api", "world")
def test_the_exit_code_of_the_command_is_that_of_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.jobs.nightly import NightReport

    def leave_days(_night: object, report: NightReport, _site: Path) -> None:
        report.facts.left_for_later = 3

    monkeypatch.setattr("flows.nightly.publish", lambda *_: 0)
    for name in STEPS:
        monkeypatch.setitem(STEPS, name, leave_days if name == "facts" else lambda *_: None)

    answer = CliRunner().invoke(app, NIGHT)

    assert answer.exit_code == ExitCode.PARTIAL
    assert "PARTIAL / 일부: 3 days left for the next run" in answer.stdout


@pytest.mark.usefixtures("prefect_api", "world")
def test_an_unusable_option_is_one_line_and_its_exit_code() -> None:
    answer = CliRunner().invoke(app, ["nightly", "--as-of", "yesterday"])

    assert answer.exit_code == ExitCode.UNUSABLE_INPUT
    assert answer.stderr.startswith("error: --as-of 'yesterday' is no instant")
    assert len(answer.stderr.splitlines()) == 1
