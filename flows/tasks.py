"""What the flows share: a step as a task, an outcome of ours as a final state.

Belongs here: Prefect's side of a step. Does not belong here: the steps (pipelines.jobs), flows.
"""

from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.summary import Line


def exit_code(state: State[Any]) -> ExitCode:
    """Read the exit code from the final state of a flow run.

    Raises:
        Exception: what ended the run, if that was no outcome of ours: a defect, shown with its traceback.
    """
    if state.is_completed():
        return ExitCode.DONE
    if state.name is not None and state.name in ExitCode.__members__:
        return ExitCode[state.name]
    state.result()
    raise RuntimeError(f"the flow ended in {state.name}: {state.message}")


def failed(code: ExitCode, reason: str) -> State[Any]:
    """Return the final state of a run that ended with an exit code."""
    return Failed(name=code.name, message=f"exit {int(code)}: {reason}")


def run_as_task(name: str, step: Callable[[], object]) -> None:
    """Run a step as a task. It has no parameters: Prefect has nothing to hash, copy or keep of a night.

    Tasks are idempotent through the tables; caching is never needed for correctness.

    Raises:
        OperatorError: the step's; its task has then failed with the name of its code, and no traceback.
    """
    errors: list[OperatorError] = []

    def attempt() -> State[Any] | None:
        try:
            step()
        except OperatorError as error:
            errors.append(error)
            return failed(error.code, error.english)
        return None

    as_task = task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)
    as_task(attempt)()
    if errors:
        raise errors[0]


def error_lines(error: OperatorError) -> list[Line]:
    """Return an error as lines of an artifact."""
    code = f"{int(error.code)} {error.code.name}"
    return [("error", error.english), ("오류", error.korean), ("exit code", code)]
