"""The menu of the carbon ledger: restatements and statements. Parses, calls, prints; no logic."""

from pathlib import Path
from typing import Annotated, Literal

import typer

ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="The run's clock (ISO 8601 with offset); default: now.")
]

statements_app = typer.Typer(no_args_is_help=True, help="Statements of emissions and their versions.")


@statements_app.callback()
def statements() -> None:
    """Statements of emissions and their versions: of members, for the hub's engineer, not for pages."""


@statements_app.command("list")
def list_statements(
    level: Annotated[str | None, typer.Option(help="factory, member or cluster.")] = None,
    subject: Annotated[str | None, typer.Option(help="Id of the factory, member or cluster.")] = None,
    cluster: ClusterOption = None,
) -> None:
    """List the newest version of every statement, as CSV."""
    from pipelines.cli import open_reader
    from pipelines.jobs.statement_reading import listed

    typer.echo(listed(open_reader(cluster), level, subject).write_csv(), nl=False)


@statements_app.command("show")
def show_statement(
    statement_id: Annotated[str, typer.Argument(help="Id of the statement.")],
    version: Annotated[int | None, typer.Option(help="Version; default: the newest.")] = None,
    part: Annotated[Literal["sums", "chain"], typer.Option(help="Sums, or why it differs.")] = "sums",
    cluster: ClusterOption = None,
) -> None:
    """Show a version of a statement, or the chain of causes that led to it, as CSV."""
    from pipelines.cli import open_reader
    from pipelines.jobs.statement_reading import shown

    typer.echo(shown(open_reader(cluster), statement_id, version, part).write_csv(), nl=False)


@statements_app.command("draw")
def draw_statement(
    statement_id: Annotated[str, typer.Argument(help="Id of the statement.")],
    version: Annotated[int | None, typer.Option(help="Version; default: the newest.")] = None,
    draws: Annotated[int, typer.Option(min=1000, help="How many.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same result.")] = 0,
    cluster: ClusterOption = None,
) -> None:
    """Compute a statement's 95 % intervals by Monte Carlo, beside propagation, as CSV."""
    from pipelines.cli import open_reader
    from pipelines.jobs.statement_draws import drawn

    typer.echo(drawn(open_reader(cluster), statement_id, version, draws, seed).write_csv(), nl=False)


def restate(  # noqa: PLR0913, PLR0917 # the options of the command
    cause: Annotated[str, typer.Option(help="Why: kept with the statements.")],
    factors: Annotated[Path | None, typer.Option(help="CSV of factors that are added or replaced.")] = None,
    fuels: Annotated[Path | None, typer.Option(help="CSV of fuel pairs, likewise.")] = None,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take the factors that are known now.")] = False,  # noqa: FBT002
    gwp: Annotated[str | None, typer.Option(metavar="SET", help="Another GWP set.")] = None,
    meter: Annotated[
        list[str] | None, typer.Option(metavar="FACTORY/METER", help="Meter that was corrected.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="First month, like 2025-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month.")] = None,
    cluster: ClusterOption = None,
    source: Annotated[
        Literal["kafka", "archive"] | None, typer.Option(help="Where corrected readings are read.")
    ] = None,
    as_of: AsOfOption = None,
) -> None:
    """Restate emissions: new factors or a corrected meter, with the difference split by cause."""
    from pipelines.cli import read_clock, read_settings, session
    from pipelines.jobs import restatement
    from pipelines.jobs.asked_periods import month_of
    from pipelines.jobs.factor_tables import FactorFiles
    from pipelines.jobs.opening import open_night
    from pipelines.jobs.reporting import print_summary, telling

    months = (month_of("--from", first), month_of("--to", last))
    request = restatement.RestateRequest(
        cause, FactorFiles(factors, fuels), adopt, gwp, tuple(meter or ()), *months
    )
    # Only corrected readings are read from a source; everything else is in the tables.
    base = read_settings(source=source if meter else "archive")
    with telling() as tell, session(base, "configured") as settings:
        night = open_night(settings, cluster, read_clock(as_of), tell)
        report = restatement.restate(night, request, settings.lease_s)
    print_summary(report.lines())
