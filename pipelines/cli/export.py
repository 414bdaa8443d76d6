"""The command `digital-cluster export`. Parses, calls, prints; no logic."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(  # noqa: PLR0913, PLR0917 # the options of the command
    form: Annotated[
        Literal["ghgp", "iso14064", "kets", "pact", "catenax", "idta", "cbam", "verification"],
        typer.Option("--format", help="Form: of an inventory, a product, or a verifier's pack."),
    ],
    factory: Annotated[str, typer.Option(help="Id of the factory.")],
    period: Annotated[str, typer.Option(help="Month or year: 2025-11 or 2025.")],
    out: Annotated[Path, typer.Option(help="Folder of the files; made if absent.")],
    about: Annotated[
        Path | None, typer.Option(help="YAML of what tables don't know: responsible, base_year ...")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Version of the ledger's statement; default: the newest.")
    ] = None,
    use: Annotated[
        list[str] | None, typer.Option(metavar="ACTIVITY=FACTOR_ID", help="kets: row of the allocation.")
    ] = None,
    tier: Annotated[
        list[str] | None, typer.Option(metavar="ACTIVITY=N", help="kets: tier of what states none.")
    ] = None,
    gwp: Annotated[str | None, typer.Option(metavar="SET", help="kets: GWP set. Default: SAR.")] = None,
    product: Annotated[str | None, typer.Option(help="Product, of a product's form.")] = None,
    allocate: Annotated[
        Literal["mass", "units", "machine_hours"] | None,
        typer.Option(help="By what emissions are shared out to products."),
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sample of readings (verification).")] = 0,
    sample: Annotated[int, typer.Option(min=1, help="Sampled hours of each meter (verification).")] = 3,
) -> None:
    """Write an inventory or a product's footprint in a form that others ask for: XLSX and JSON."""
    from pipelines.cli import open_reader
    from pipelines.jobs.export_forms import ExportRequest, write_export
    from pipelines.jobs.exporting import Asked
    from pipelines.jobs.scheme_inventory import SchemeChoice

    asked = Asked(about, version, SchemeChoice(tuple(use or ()), tuple(tier or ()), gwp))
    request = ExportRequest(form, factory, period, out, asked, product, allocate, seed, sample)
    for path in write_export(open_reader(cluster), request):
        typer.echo(path)
