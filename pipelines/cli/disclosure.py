"""The commands of disclosure control: `digital-cluster attack` and `disclose`. Parses, calls; no logic."""

from pathlib import Path
from typing import Annotated

import typer

HierarchyOption = Annotated[
    list[str] | None, typer.Option("--hierarchy", metavar="DIM=FILE", help="CSV child,parent of a breakdown.")
]
OutOption = Annotated[Path, typer.Option(help="CSV to write.")]

disclosure_app = typer.Typer()


@disclosure_app.command()
def attack(
    cells: Annotated[Path, typer.Argument(help="CSV: breakdowns, value (empty: unknown); * is the total.")],
    by: Annotated[str, typer.Option(help="Breakdowns, such as region,size.")],
    out: OutOption,
    hierarchy: HierarchyOption = None,
    rounding: Annotated[float | None, typer.Option(help="Base to which printed values are rounded.")] = None,
    knows: Annotated[
        Path | None, typer.Option(help="CSV: breakdowns and value, or lower,upper: what the attacker knows.")
    ] = None,
    *,
    integer: Annotated[bool, typer.Option("--integer", help="Cells are whole numbers.")] = False,
    signed: Annotated[bool, typer.Option("--signed", help="Cells may be negative.")] = False,
) -> None:
    """Derive what the empty cells of a table can be (docs/disclosure-commands.md)."""
    from pipelines.jobs import attack_files

    request = attack_files.AttackRequest(cells, by, hierarchy or [], integer, signed, rounding, knows)
    attack_files.attack_file(request, out)


@disclosure_app.command()
def disclose(
    microdata: Annotated[Path | None, typer.Argument(help="CSV of records.")] = None,
    *,
    by: Annotated[str, typer.Option(help="Breakdowns of the table, such as region,size.")],
    policy: Annotated[Path, typer.Option(help="YAML of the limits (docs/disclosure-commands.md).")],
    out: OutOption,
    cells: Annotated[Path | None, typer.Option(help="CSV of ready cells, in place of records.")] = None,
    linked: Annotated[
        list[str] | None, typer.Option(help="Breakdowns of a further table of the same records.")
    ] = None,
    hierarchy: HierarchyOption = None,
    value: Annotated[str | None, typer.Option(help="Column that is added up.")] = None,
    contributor: Annotated[str | None, typer.Option(help="Column of the contributor.")] = None,
    holding: Annotated[str | None, typer.Option(help="Column of the contributor's holding.")] = None,
    waiver: Annotated[str | None, typer.Option(help="Column of waivers: 1 or 0.")] = None,
    weight: Annotated[str | None, typer.Option(help="Column of weights.")] = None,
) -> None:
    """Decide which cells of tables may be published (docs/disclosure-commands.md)."""
    from pipelines.jobs import disclosure_files as files

    columns = files.RecordColumns(value, contributor, holding, waiver, weight)
    request = files.DisclosureRequest(by, policy, microdata, cells, linked or [], hierarchy or [], columns)
    for english, korean in files.disclose_file(request, out).notes:
        typer.echo(f"note: {english} / 참고: {korean}", err=True)
