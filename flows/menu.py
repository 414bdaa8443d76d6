"""The menu of flows: `digital-cluster-flow NAME` runs a flow by hand.

Belongs here: options, the order in which Prefect's surroundings, its API and a flow come. Does not belong
here: flows; anything that imports Prefect or the pipelines before a command is chosen.
"""

import sys
from typing import Annotated, Literal

import typer

from flows.api import api_beside_run, set_surroundings, unreachable
from pipelines.domain.outcomes import OperatorError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def main() -> None:
    """Run the menu; an OperatorError becomes one line (two languages) and its exit code."""
    set_surroundings()
    try:
        app()
    except OperatorError as error:
        from pipelines.cli import explain  # noqa: PLC0415 - heavy, and only an error needs it here

        sys.exit(explain(error))


@app.callback()
def menu() -> None:
    """Run a flow by hand; every flow also exists as a plain `digital-cluster` command."""


@app.command()
def nightly(
    cluster: Annotated[str | None, typer.Option(help="Id of the cluster.")] = None,
    source: Annotated[
        Literal["kafka", "archive"] | None, typer.Option(help="Where records are read.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The run's clock (ISO 8601 with offset); default: now.")
    ] = None,
    max_days: Annotated[int | None, typer.Option(help="Most days that this run computes.")] = None,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Start a broker and publish the demo first.")] = False,
) -> None:
    """Run the night of a cluster as a flow."""
    with api_beside_run() as wait_for_api:
        # Prefect reads its surroundings on import; the import runs while a temporary server starts.
        import httpx  # noqa: PLC0415 - as above

        from pipelines.jobs.reporting import configure_logs  # noqa: PLC0415 - as above

        configure_logs()
        from flows.nightly import exit_code  # noqa: PLC0415 - as above
        from flows.nightly import nightly as flow  # noqa: PLC0415 - as above

        wait_for_api()
        try:
            state = flow(cluster, source, as_of, max_days, demo=demo, return_state=True)
        except httpx.TransportError as error:
            raise unreachable(str(error.request.url)) from error
        code = exit_code(state)
    raise typer.Exit(code)
