"""The command `digital-cluster export`. Parses, calls, prints; no logic."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    form: Annotated[
        Literal["ghgp", "iso14064", "kets", "verification"], typer.Option("--format", help="Form.")
    ],
    factory: Annotated[str, typer.Option(help="Id of the factory.")],
    period: Annotated[str, typer.Option(help="Month or year: 2025-11 or 2025.")],
    out: Annotated[Path, typer.Option(help="Folder of the files; made if absent.")],
    about: Annotated[
        Path | None, typer.Option(help="YAML of what tables don't know: responsible, base_year ...")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sample of readings (verification).")] = 0,
    sample: Annotated[int, typer.Option(min=1, help="Sampled hours of each meter (verification).")] = 3,
) -> None:
    """Write a factory's inventory in a form that others ask for: XLSX for people, JSON for machines."""
    from pipelines.cli import open_reader
    from pipelines.jobs.exporting import export as write_inventory
    from pipelines.jobs.verification import write_pack

    if form == "verification":
        typer.echo(write_pack(open_reader(cluster), factory, period, out, seed, sample))
        return
    for path in write_inventory(open_reader(cluster), form, factory, period, out, about):
        typer.echo(path)
