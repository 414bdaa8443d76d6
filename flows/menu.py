"""The menu of flows: `digital-cluster-flow NAME` runs a flow by hand.

Belongs here: options, the order in which Prefect's surroundings, its API and a flow come. Does not belong
here: flows; anything that imports Prefect or the pipelines before a command is chosen.
"""

import importlib
import sys
from typing import Annotated, Literal

import typer

from flows.api import api_beside_run, gone, set_surroundings
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
    raise typer.Exit(_run("nightly", cluster, source, as_of, max_days, demo=demo))


@app.command()
def restate(  # noqa: PLR0913, PLR0917 - the options of the command
    cause: Annotated[str, typer.Option(help="Why: kept with the statements.")],
    cluster: Annotated[str | None, typer.Option(help="Id of the cluster.")] = None,
    factors: Annotated[str | None, typer.Option(help="CSV of factors.")] = None,
    fuels: Annotated[str | None, typer.Option(help="CSV of fuel pairs.")] = None,
    gwp: Annotated[str | None, typer.Option(help="Another GWP set.")] = None,
    meter: Annotated[list[str] | None, typer.Option(help="FACTORY/METER that was corrected.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First month, like 2025-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month.")] = None,
    source: Annotated[
        Literal["kafka", "archive"] | None, typer.Option(help="Where corrected readings are read.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The run's clock; default: now.")] = None,
    *,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take the factors that are known now.")] = False,
) -> None:
    """Restate emissions as a flow."""
    given = (cause, cluster, factors, fuels, gwp, meter, first, last, source, as_of)
    raise typer.Exit(_run("restate", *given, adopt=adopt))


def _run(name: str, *arguments: object, **options: object) -> int:
    """Run the flow of a name and return its exit code."""
    with api_beside_run() as wait_for_api:
        # Prefect reads its surroundings on import; the import runs while a temporary server starts.
        import httpx  # noqa: PLC0415 - as above

        from pipelines.jobs.reporting import configure_logs  # noqa: PLC0415 - as above

        configure_logs()
        from flows.tasks import exit_code  # noqa: PLC0415 - as above

        flow = getattr(importlib.import_module(f"flows.{name}"), name)
        wait_for_api()
        try:
            state = flow(*arguments, **options, return_state=True)
        except httpx.TransportError as error:
            raise gone() from error
        return exit_code(state)
