"""The command `digital-cluster liveness`. Parses, calls, prints; no logic."""

from datetime import datetime
from typing import Annotated

import typer


def liveness(
    factory: Annotated[str | None, typer.Option(help="Only this factory.")] = None,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Local date; default: the newest reported.")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")] = None,
    *,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="With sources and evidence: for the hub's engineer only.")
    ] = False,
) -> None:
    """Show what there is to ask about the data, as CSV: the most pressing first, without any value."""
    from pipelines.cli import open_reader
    from pipelines.jobs.liveness_reading import evidence_rows, operator_rows

    read = evidence_rows if evidence else operator_rows
    rows = read(open_reader(cluster), factory, None if day is None else day.date())
    typer.echo(rows.write_csv(), nl=False)
