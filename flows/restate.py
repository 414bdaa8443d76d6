"""A restatement as a Prefect flow: the same steps as `digital-cluster restate`, as tasks.

Belongs here: the flow and its final state. Does not belong here: the steps (pipelines.jobs.restatement).
"""

from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.tasks import error_lines, failed, run_as_task
from pipelines.cli import explain, read_clock, read_settings, session
from pipelines.domain.outcomes import OperatorError
from pipelines.jobs.asked_periods import month_of
from pipelines.jobs.factor_tables import FactorFiles
from pipelines.jobs.opening import open_night
from pipelines.jobs.reporting import configure_logs, print_summary, telling
from pipelines.jobs.restatement import (
    RestateReport,
    RestateRequest,
    restating_under_lease,
    steps_of,
)
from pipelines.jobs.summary import Line


@flow(name="restate", persist_result=False)
def restate(  # noqa: PLR0913, PLR0917 # the options of the command
    cause: str,
    cluster: str | None = None,
    factors: str | None = None,
    fuels: str | None = None,
    gwp: str | None = None,
    meters: list[str] | None = None,
    first: str | None = None,
    last: str | None = None,
    source: Literal["kafka", "archive"] | None = None,
    as_of: str | None = None,
    *,
    adopt: bool = False,
) -> State[Any]:
    """Restate emissions, one task a step; parameters as of `digital-cluster restate`."""
    configure_logs()
    files = FactorFiles(_path(factors), _path(fuels))
    try:
        months = (month_of("--from", first), month_of("--to", last))
        request = RestateRequest(cause, files, adopt, gwp, tuple(meters or ()), *months)
        report = _restated(request, cluster, source if meters else "archive", as_of)
    except OperatorError as error:
        code = explain(error)
        _leave_artifact(error_lines(error))
        return failed(code, error.english)
    print_summary(report.lines())
    _leave_artifact(report.lines())
    return Completed(message=f"{report.carbon.statements} statements got a version")


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _restated(
    request: RestateRequest, cluster: str | None, source: str | None, as_of: str | None
) -> RestateReport:
    report = RestateReport()
    with telling() as tell, session(read_settings(source=source), "configured") as settings:
        night = open_night(settings, cluster, read_clock(as_of), tell)
        with restating_under_lease(night, settings.lease_s):
            for name, step in steps_of(night, request, report).items():
                run_as_task(name, step)
    return report


def _leave_artifact(lines: list[Line]) -> None:
    table = [{"what": heading, "result": text} for heading, text in lines]
    create_table_artifact(table=table, key="restate", description="A restatement")
