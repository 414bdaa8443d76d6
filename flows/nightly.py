"""The nightly job as a Prefect flow: the same steps as the plain command, as tasks, with an artifact.

Belongs here: the flow, its artifact, the final state. Does not belong here: the steps
(pipelines.jobs.nightly), what a task is (tasks).
"""

from functools import partial
from typing import Any, Literal

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.tasks import error_lines, exit_code, failed, run_as_task
from pipelines.cli import explain, read_clock, read_settings, session
from pipelines.demo.clock import DEFAULT_AS_OF
from pipelines.demo.session import DEMO_CLUSTER, publish, with_ledger_key
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.nightly import STEPS, NightReport, night_under_lease, run_step
from pipelines.jobs.opening import open_night
from pipelines.jobs.reporting import configure_logs, print_summary, telling
from pipelines.jobs.summary import Line, summary_lines

__all__ = ["exit_code", "nightly"]

ARTIFACT_KEY = "nightly-{cluster}"


def _run_name() -> str:
    given = flow_run.parameters
    cluster = DEMO_CLUSTER if given.get("demo") else given.get("cluster")
    clock = given.get("as_of") or f"{flow_run.scheduled_start_time:%Y-%m-%dT%H:%MZ}"
    return f"{cluster or 'cluster'}-{clock}"


@flow(name="nightly", flow_run_name=_run_name, persist_result=False)
def nightly(
    cluster: str | None = None,
    source: Literal["kafka", "archive"] | None = None,
    as_of: str | None = None,
    max_days: int | None = None,
    *,
    demo: bool = False,
) -> State[Any]:
    """Run the night of a cluster, one task a step.

    Args:
        cluster: id; null: the only one with members of its own.
        source: kafka or archive; null: as the settings say.
        as_of: the run's clock, ISO 8601 with offset; null: now (of a demo: the demo's clock).
        max_days: most days that this run computes; null: as the settings say.
        demo: start a local broker and publish the demo first.

    Returns:
        A final state: completed, or failed with the name of an exit code (`exit_code` reads it).
    """
    configure_logs()
    chosen = DEMO_CLUSTER if demo else cluster
    try:
        report = _night(chosen, source, as_of, max_days, demo=demo)
    except OperatorError as error:
        code = explain(error)
        _leave_artifact(chosen or "default", error_lines(error))
        return failed(code, error.english)
    lines = summary_lines(report)
    print_summary(lines)
    _leave_artifact(report.cluster, lines)
    if report.exit_code is ExitCode.DONE:
        return Completed(message="nothing new" if report.nothing_new else f"done: {report.day}")
    return failed(report.exit_code, "; ".join(f"{heading}: {text}" for heading, text in lines[:1]))


def _night(
    cluster: str | None, source: str | None, as_of: str | None, max_days: int | None, *, demo: bool
) -> NightReport:
    clock = DEFAULT_AS_OF if demo and as_of is None else read_clock(as_of)
    base = read_settings(source=source, max_days=max_days)
    base = with_ledger_key(base) if demo else base
    with telling() as tell, session(base, "local" if demo else "configured") as settings:
        if demo:
            run_as_task("publish-demo", partial(publish, settings, clock, tell))
        night = open_night(settings, cluster, clock, tell)
        with night_under_lease(night, settings.lease_s) as report:
            for name in STEPS:
                run_as_task(name, partial(run_step, name, night, report, settings.site))
    return report


def _leave_artifact(cluster: str, lines: list[Line]) -> None:
    table = [{"what": heading, "result": text} for heading, text in lines]
    create_table_artifact(
        table=table, key=ARTIFACT_KEY.format(cluster=cluster), description=f"The night of {cluster}"
    )
