"""The menu of lineage: `digital-cluster trace`. Parses, calls, prints; no logic."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.table import Table

_LEAST_WIDTH = 160
"""Columns: narrower, a row of a table becomes a page."""


def trace(
    figure: Annotated[
        str,
        typer.Argument(
            help="Id of a total in the ledger, of a statement[@version], or <factory>/<day>/co2e_kg."
        ),
    ],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole trace there.")] = None,
    source: Annotated[
        Literal["kafka", "archive"] | None, typer.Option("--source", help="Where --replay reads.")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The clock (ISO 8601 with offset); default: now.")
    ] = None,
    *,
    replay: Annotated[
        bool, typer.Option("--replay", help="Read the same offsets again, compute, compare bits.")
    ] = False,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="Let stored raw rows stand for offsets that are gone.")
    ] = False,
) -> None:
    """Lead a figure or statement back to days, hours, meters, factors, files and offsets."""
    from pipelines.cli import open_reader, read_clock, read_settings, session
    from pipelines.domain.trace import statement_name, trace_ends
    from pipelines.jobs.opening import open_night
    from pipelines.jobs.tracing import traced_figure
    from pipelines.publish.private_files import write_private

    whole = "@" in figure or statement_name(figure) is not None
    its_cluster = figure.split("/")[0] if whole else cluster
    if replay:
        settings = read_settings(source=source)
        local = settings.source == "kafka" and settings.broker.exists()
        with session(settings, "either" if local else "configured") as found:
            night = open_night(found, its_cluster, read_clock(as_of), lambda _s, _d, _t: None)
            told = traced_figure(night, figure, found.source, from_store=from_store)
    else:
        told = traced_figure(open_reader(its_cluster, as_of), figure, None, from_store=False)
    if told.trace.is_confidential:
        typer.echo(
            "confidential: names what members contributed; for the hub alone"
            " / 대외비: 회원사별 값이 포함됨. 허브 내부용",
            err=True,
        )
    if json_file is not None:
        write_private(json_file, told.json())
    _print(told.tables())
    raise typer.Exit(trace_ends(told.trace, told.replay))


def _print(tables: "list[Table]") -> None:
    from rich.console import Console

    console = Console()
    console.width = max(console.width, _LEAST_WIDTH)
    for table in tables:
        console.print(table, "")
