"""The command `digital-cluster export`. Parses, calls, prints; no logic."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    form: Annotated[Literal["ghgp", "iso14064", "kets"], typer.Option("--format", help="Form.")],
    factory: Annotated[str, typer.Option(help="Id of the factory.")],
    period: Annotated[str, typer.Option(help="Month or year: 2025-11 or 2025.")],
    out: Annotated[Path, typer.Option(help="Folder of the files; made if absent.")],
    about: Annotated[
        Path | None, typer.Option(help="YAML of what tables don't know: responsible, base_year ...")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")] = None,
) -> None:
    """Write a factory's inventory in a form that others ask for: XLSX for people, JSON for machines."""
    from pipelines.cli import open_reader
    from pipelines.jobs.exporting import export as write_inventory

    for path in write_inventory(open_reader(cluster), form, factory, period, out, about):
        typer.echo(path)
