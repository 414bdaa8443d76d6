"""The menu of KPIs: `digital-cluster kpis ...`. Parses, calls, prints; no logic."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

kpis_app = typer.Typer(no_args_is_help=True, help="KPIs from files, and those of the nights.")


@kpis_app.command("evaluate")
def evaluate_kpis(
    elements: Annotated[Path, typer.Argument(help="CSV: unit and elements; a unit's rows are its products.")],
    out: Annotated[Path, typer.Option(help="CSV to write.")],
    kpi: Annotated[
        list[str] | None, typer.Option(help="Id, or id@version; again for more. Default: ISO 22400's list.")
    ] = None,
    *,
    rollup: Annotated[bool, typer.Option("--rollup", help="Add the unit *: all units together.")] = False,
) -> None:
    """Evaluate KPIs from elements (docs/methodology/machine-time.md)."""
    from pipelines.jobs import kpi_files

    kpi_files.evaluate_file(elements, kpi or [], out, rollup=rollup)


@kpis_app.command("from-events")
def kpis_from_events(
    states: Annotated[Path, typer.Option(help="CSV: machine,at,state.")],
    counts: Annotated[Path, typer.Option(help="CSV: machine,at,total,rejected (cumulative).")],
    start: Annotated[str, typer.Option("--from", help="First instant (ISO 8601 with offset).")],
    end: Annotated[str, typer.Option("--to", help="First instant after the window.")],
    planned_seconds: Annotated[float, typer.Option(help="Planned seconds of each machine.")],
    ideal_seconds: Annotated[float, typer.Option(help="Planned run time of a unit, in seconds.")],
    out: Annotated[Path, typer.Option(help="CSV to write.")],
    elements: Annotated[
        Path | None, typer.Option(help="CSV to write the elements to that the events give.")
    ] = None,
) -> None:
    """Evaluate KPIs from a log of states and counters (docs/methodology/machine-time.md)."""
    from pipelines.jobs import kpi_files

    files = kpi_files.EventFiles(states, counts, start, end, planned_seconds, ideal_seconds, elements)
    kpi_files.evaluate_events(files, out)


@kpis_app.command("show")
def show_kpis(
    factory: Annotated[str | None, typer.Option(help="Id of a factory.")] = None,
    member: Annotated[
        str | None, typer.Option(help="Id of a member; MEMBER/PROCESS: only its factories of a process.")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="A machine: FACTORY/MACHINE.")] = None,
    period: Annotated[Literal["day", "month", "rolling12"], typer.Option(help="Period.")] = "day",
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="A date of the day or month; of rolling12: of its last month. Default: the newest.",
        ),
    ] = None,
    kpi: Annotated[list[str] | None, typer.Option(help="Id; again for more. Default: all.")] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV to write, in full precision.")] = None,
) -> None:
    """Show what the nights computed for a machine, factory or member (docs/methodology/machine-time.md)."""
    from rich.console import Console

    from pipelines.cli import open_reader
    from pipelines.jobs.kpi_reading import read_kpis, subject_of, write_kpis
    from pipelines.publish.kpi_listing import kpi_table

    subject = subject_of(factory, member, machine)
    rows = read_kpis(open_reader(cluster), subject, period, None if day is None else day.date(), kpi or [])
    if out is None:
        Console().print(kpi_table(rows))
    else:
        write_kpis(rows, out)
