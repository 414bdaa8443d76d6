"""The menu of trade templates: `digital-cluster templates ...`. Parses, calls, prints; no logic."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.domain.onramp import unusable

if TYPE_CHECKING:
    from pipelines.reference.templates import Template

FilesOption = Annotated[
    list[Path] | None, typer.Option("--templates", help="File or folder of templates that replace by id.")
]

templates_app = typer.Typer(no_args_is_help=True, help="Trade templates: what a new factory starts with.")


@templates_app.command("list")
def list_templates(templates: FilesOption = None) -> None:
    """List the templates as CSV."""
    from pipelines.publish.template_listing import templates_csv

    typer.echo(templates_csv(_templates(templates).values()), nl=False)


@templates_app.command("show")
def show_template(
    template: Annotated[str, typer.Argument(metavar="ID", help="Id of the template.")],
    templates: FilesOption = None,
) -> None:
    """Show one template as YAML: a file to start one's own from."""
    from pipelines.publish.template_listing import template_yaml

    known = _templates(templates)
    if template not in known:
        listed = ", ".join(known)
        raise unusable(
            f"there is no template {template!r}; known: {listed}",
            f"템플릿 {template!r}이(가) 없습니다. 있는 것: {listed}",
        )
    typer.echo(template_yaml(known[template]), nl=False)


@templates_app.command("page")
def show_page(templates: FilesOption = None) -> None:
    """Print docs/templates.md."""
    from pipelines.publish.template_listing import templates_page

    typer.echo(templates_page(_templates(templates)), nl=False)


def _templates(files: list[Path] | None) -> "dict[str, Template]":
    """Return the packaged templates, changed by DC_TEMPLATES and then by --templates."""
    from pipelines.cli import read_settings
    from pipelines.reference.templates import load_templates

    folder = read_settings().templates
    return load_templates([*([] if folder is None else [folder]), *(files or [])])
