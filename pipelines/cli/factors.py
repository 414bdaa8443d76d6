"""The menu of factor tables: `digital-cluster factors ...`. Parses, calls, prints; no logic."""

from typing import Annotated

import typer

from pipelines.cli.emissions import AcceptOption, FactorsOption, FuelsOption

ActivityOption = Annotated[str, typer.Option(help="Activity or fuel, as the tables name it.")]
ActivityFilter = Annotated[str | None, typer.Option("--activity", help="Activity or fuel.")]
PurposeOption = Annotated[str, typer.Option(help="disclosure, k_ets, cbam or inventory.")]
AsOfDate = Annotated[str | None, typer.Option("--as-of", help="Only what was known on this date counts.")]

factors_app = typer.Typer(no_args_is_help=True, help="Emission factors and fuel values, with their sources.")


@factors_app.command("list")
def list_factors(  # noqa: PLR0913 # the options of the command
    activity: ActivityFilter = None,
    geography: Annotated[str | None, typer.Option(help="Geography of the rows.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Purpose for which a row may be picked.")] = None,
    gas: Annotated[str | None, typer.Option(help="Gas of the rows.")] = None,
    on: Annotated[
        str | None, typer.Option(metavar="DATE", help="Date that lies in the rows' windows.")
    ] = None,
    as_of: AsOfDate = None,
    factors: FactorsOption = None,
    fuels: FuelsOption = None,
    *,
    unconfirmed: Annotated[
        bool, typer.Option("--unconfirmed", help="List the rows that nobody has confirmed.")
    ] = False,
) -> None:
    """List factors and fuel pairs as CSV."""
    from pipelines.jobs import emission_files, factor_tables
    from pipelines.publish import factor_listing
    from pipelines.reference import tables

    files = factor_tables.FactorFiles(factors, fuels)
    rows = factor_listing.listed_rows(
        factor_tables.factor_table(files),
        factor_tables.fuel_table(files),
        tables.unconfirmed() if unconfirmed else None,
    )
    wanted = factor_listing.Wanted(
        activity,
        geography,
        None if purpose is None else emission_files.read_purpose(purpose),
        gas,
        emission_files.read_date("--on", on),
        emission_files.read_date("--as-of", as_of),
    )
    typer.echo(factor_listing.list_csv(rows, wanted), nl=False)


@factors_app.command("show")
def show_factor(
    row: Annotated[str, typer.Argument(metavar="ID", help="Id of a factor, parameter or fuel pair.")],
    factors: FactorsOption = None,
    fuels: FuelsOption = None,
) -> None:
    """Show every column of one row, with its source, as CSV."""
    from pipelines.connectors.exact_csv import fault
    from pipelines.jobs import factor_tables
    from pipelines.publish import factor_listing
    from pipelines.reference import tables

    files = factor_tables.FactorFiles(factors, fuels)
    shown = factor_listing.show_csv(
        {
            "emission_factors": factor_tables.factor_table(files),
            "fuel_properties": factor_tables.fuel_table(files),
            "parameters": tables.parameters(),
            "unconfirmed": tables.unconfirmed(),
        },
        row,
    )
    if shown is None:
        raise fault(
            f"there is no row {row!r}; `digital-cluster factors list` lists them",
            f"{row!r} 행이 없습니다. `digital-cluster factors list`로 확인하세요",
        )
    typer.echo(shown, nl=False)


@factors_app.command("explain")
def explain_factor(  # noqa: PLR0913, PLR0917 # the options of the command
    activity: ActivityOption,
    on: Annotated[str, typer.Option(metavar="DATE", help="Date of the activity.")],
    geography: Annotated[str, typer.Option(help="Where it was.")] = "KR",
    purpose: PurposeOption = "disclosure",
    as_of: AsOfDate = None,
    unit: Annotated[str | None, typer.Option(help="Unit of the amount, such as MJ_gcv.")] = None,
    use: Annotated[
        list[str] | None, typer.Option(metavar="ACTIVITY=FACTOR_ID", help="Row to use for an activity.")
    ] = None,
    accept: AcceptOption = None,
    factors: FactorsOption = None,
    fuels: FuelsOption = None,
) -> None:
    """Say which rows an activity would use, and why each other row would not be."""
    from pipelines.domain.emissions.explaining import explain
    from pipelines.domain.emissions.rates import Choice
    from pipelines.jobs import emission_files, factor_tables
    from pipelines.publish import factor_listing

    files = factor_tables.FactorFiles(factors, fuels, tuple(accept or ()))
    loaded = factor_tables.load_tables(files)
    choice = Choice(
        emission_files.read_purpose(purpose),
        emission_files.read_date("--as-of", as_of),
        factor_tables.read_use(use or (), loaded),
    )
    day = emission_files.read_day("--on", on)
    explanation = explain(loaded, choice, activity, geography, day, unit)
    rows = factor_listing.listed_rows(factor_tables.factor_table(files), factor_tables.fuel_table(files))
    typer.echo(factor_listing.explanation_text(explanation, rows), nl=False)
