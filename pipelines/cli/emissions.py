"""The menu of emissions from files and of estimates: `digital-cluster emissions`. Parses, calls; no logic."""

from pathlib import Path
from typing import Annotated

import typer

FactorsOption = Annotated[
    Path | None, typer.Option("--factors", help="CSV of own factors: the columns of emission_factors.csv.")
]
FuelsOption = Annotated[
    Path | None, typer.Option("--fuels", help="CSV of own fuel pairs: the columns of fuel_properties.csv.")
]
AcceptOption = Annotated[
    list[str] | None, typer.Option("--accept", metavar="ROW_ID", help="Unconfirmed row to accept.")
]

emissions_app = typer.Typer(
    no_args_is_help=True, help="Emissions from files, and estimates where no meter is."
)


@emissions_app.callback()
def emissions() -> None:
    """Emissions from files, and estimates where no meter is."""


@emissions_app.command("evaluate")
def evaluate_emissions(  # noqa: PLR0913, PLR0917 # the options of the command
    activities: Annotated[Path, typer.Argument(help="CSV: activity_id,activity,amount,unit,start,end,...")],
    out: Annotated[Path, typer.Option(help="CSV to write.")],
    purpose: Annotated[str, typer.Option(help="disclosure, k_ets, cbam or inventory.")] = "disclosure",
    accept_instrument: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Market instrument to accept (green_premium).")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Only what was known on this date counts.")] = None,
    gwp: Annotated[
        str | None, typer.Option(metavar="SET", help="GWP set. Default: SAR for k_ets, else AR5.")
    ] = None,
    methane_origin: Annotated[
        str | None, typer.Option(help="fossil or nonfossil: take methane's GWP of that origin.")
    ] = None,
    use: Annotated[
        list[str] | None, typer.Option(metavar="ACTIVITY=FACTOR_ID", help="Row to use for an activity.")
    ] = None,
    accept: AcceptOption = None,
    factors: FactorsOption = None,
    fuels: FuelsOption = None,
) -> None:
    """Evaluate the emissions of activities (docs/emissions-evaluate.md)."""
    from pipelines.jobs import emission_files
    from pipelines.jobs.factor_tables import FactorFiles

    files = FactorFiles(factors, fuels, tuple(accept or ()))
    options = emission_files.EmissionOptions(
        purpose, tuple(accept_instrument or ()), as_of, gwp, methane_origin, tuple(use or ())
    )
    emission_files.evaluate_file(activities, files, options, out)


@emissions_app.command("estimate")
def estimate_emissions(
    factory: Annotated[str, typer.Option(help="Id of a factory without an electricity meter.")],
    period: Annotated[str, typer.Option(help="Month, like 2025-11.")],
    output: Annotated[
        float | None, typer.Option(min=0, help="What it made; default: what its machines counted.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of --output.")] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The run's clock (ISO 8601 with offset); default: now.")
    ] = None,
) -> None:
    """Estimate a month's electricity from released figures of peers: for the hub's engineer, as CSV."""
    from pipelines.cli import open_reader
    from pipelines.jobs.estimate_command import estimate_asked

    asked = estimate_asked(open_reader(cluster, as_of), factory, period, output, unit)
    typer.echo(asked.write_csv(), nl=False)
