"""The menu of the release ledger: `digital-cluster ledger ...`. Parses, calls, prints; no logic."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipelines.domain.outcomes import ExitCode

ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")]
KeyFileOption = Annotated[Path, typer.Option(help="File to write; one that is there is never replaced.")]

ledger_app = typer.Typer(no_args_is_help=True, help="The release ledger: its key, its proof, its audit.")


@ledger_app.command()
def key(
    out: Annotated[Path, typer.Option(help="File to write; one that is there is never replaced.")],
) -> None:
    """Make a key that seals and signs the ledger; only its owner can read the file."""
    from pipelines.connectors.sealing import make_key_file

    made = make_key_file(out)
    typer.echo(
        f"{out}: key {made.key_id}; keep a copy apart from the store, and set DC_LEDGER_KEY_FILE={out}"
        f" / 저장소와 다른 곳에 사본을 보관하고 DC_LEDGER_KEY_FILE={out}로 지정하세요"
    )


@ledger_app.command()
def verify(cluster: ClusterOption = None) -> None:
    """Prove that the ledger is whole: chain, signed heads, sealed inputs; without a key, what can be."""
    from pipelines.cli import open_reader
    from pipelines.jobs.ledger import verify_ledger

    english, korean = verify_ledger(open_reader(cluster)).lines()
    typer.echo(f"{english} / {korean}")


@ledger_app.command()
def audit(
    coalition: Annotated[
        int | None, typer.Option(min=0, help="At most so many holdings together; default: as promised.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV to write, readable by its owner only.")] = None,
    cluster: ClusterOption = None,
) -> None:
    """Attack the whole history: what could anyone derive of a holding? Confidential."""
    from rich.console import Console

    from pipelines.cli import open_reader
    from pipelines.jobs.ledger import audit_ledger, write_audit
    from pipelines.jobs.reporting import telling
    from pipelines.publish.audit_listing import alarm_lines, audit_table

    with telling() as tell:
        night = replace(open_reader(cluster), tell=tell)
        report = audit_ledger(night, sys.maxsize if coalition is None else coalition)
    if out is None:
        Console().print(audit_table(report))
        typer.echo("\n".join(alarm_lines(report)))
    else:
        write_audit(report, out)
    typer.echo(
        f"{report.figures} sealed figures, {len(report.alarms)} alarms; this is confidential: for the hub's"
        " statistician only / 봉인 수치"
        f" {report.figures}개, 경보 {len(report.alarms)}건. 대외비: 통계 담당자만 볼 수 있습니다",
        err=True,
    )
    if report.alarms:
        raise typer.Exit(ExitCode.INCONSISTENT)
