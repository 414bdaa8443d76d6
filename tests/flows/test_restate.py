"""A restatement as a flow: the steps of the plain command as tasks, its outcome as a state."""
# ruff: noqa: PLC0415 - Prefect reads its surroundings on import, and a fixture sets them first

import pytest
from typer.testing import CliRunner

from tests.flows.test_nightly import EARLY, run_state, task_states


@pytest.mark.usefixtures("prefect_api", "world")
def test_a_restatement_runs_the_commands_steps_as_tasks_and_one_that_can_not_be_fails() -> None:
    from flows.restate import restate
    from pipelines.cli import app

    night = CliRunner().invoke(app, ["nightly", "--demo", "--source", "archive", "--as-of", EARLY])
    assert night.exit_code == 0, night.output

    done = restate("reports use AR6 now", "changwon-demo", gwp="AR6", as_of=EARLY, return_state=True)
    assert task_states(done) == dict.fromkeys(["factors", "emissions", "carbon"], "Completed")
    # haneul burns gas: its statements, its member's and the cluster's, of the month and the year; and maru's
    # say nothing of a GWP set, for its grid row states none
    assert run_state(done) == ("COMPLETED", "Completed", "6 statements got a version")

    refused = restate("no reason", "changwon-demo", as_of=EARLY, return_state=True)
    assert run_state(refused)[:2] == ("FAILED", "UNUSABLE_INPUT")
