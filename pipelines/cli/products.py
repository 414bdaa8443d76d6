"""The menu of products: output and emissions per unit. Parses, calls, prints; no logic."""

from typing import Annotated, Literal

import typer

products_app = typer.Typer(no_args_is_help=True, help="What a factory made, and emissions per unit of it.")
FactoryOption = Annotated[str, typer.Option(help="Id of the factory.")]
PeriodOption = Annotated[str, typer.Option(help="Month or year: 2025-11 or 2025.")]
ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")]


@products_app.callback()
def products() -> None:
    """What a factory made and emits per unit: for the member and the hub's engineer, not for pages."""


@products_app.command("list")
def list_products(factory: FactoryOption, period: PeriodOption, cluster: ClusterOption = None) -> None:
    """List what a factory made in a period, and what each method of allocation lacks, as CSV."""
    from pipelines.cli import open_reader
    from pipelines.jobs.products import listed

    typer.echo(listed(open_reader(cluster), factory, period).write_csv(), nl=False)


@products_app.command("show")
def show_products(
    factory: FactoryOption,
    period: PeriodOption,
    allocate: Annotated[
        Literal["mass", "units", "machine_hours"], typer.Option(help="By what emissions are shared out.")
    ],
    product: Annotated[str | None, typer.Option(help="Only this product.")] = None,
    cluster: ClusterOption = None,
) -> None:
    """Show emissions per unit of product, own gates and supplied inputs apart, as CSV."""
    from pipelines.cli import open_reader
    from pipelines.jobs.products import read_footprint, read_footprints, shown

    night = open_reader(cluster)
    if product is None:
        footprints = read_footprints(night, factory, period, allocate)
    else:
        footprints = [read_footprint(night, factory, product, period, allocate)]
    typer.echo(shown(footprints).write_csv(), nl=False)
