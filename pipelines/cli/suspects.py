"""The menu of suspect values: `digital-cluster suspects ...`. Parses, calls, prints; no logic."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.jobs.night import Night

ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="The run's clock (ISO 8601 with offset); default: now.")
]
FromOption = Annotated[
    str, typer.Option("--from", help="First instant (ISO 8601; local time of the factory).")
]
ToOption = Annotated[str, typer.Option("--to", help="First instant after it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why: kept with the decision.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who decides.")]

suspects_app = typer.Typer(no_args_is_help=True, help="Suspect values: list, accept, revoke.")


@suspects_app.command("list")
def list_suspects(
    factory: Annotated[str | None, typer.Option(help="Only this factory.")] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First local date.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last local date, included.")
    ] = None,
    cluster: ClusterOption = None,
) -> None:
    """List the energy facts that are suspect, as CSV: they stay out of published figures."""
    from pipelines.cli import open_reader
    from pipelines.jobs.suspects import suspect_rows

    dates = (None if day is None else day.date() for day in (first, last))
    typer.echo(suspect_rows(open_reader(cluster), factory, *dates).write_csv(), nl=False)


@suspects_app.command("decisions")
def list_decisions(cluster: ClusterOption = None) -> None:
    """List every acceptance and revocation, as CSV."""
    from pipelines.cli import open_reader
    from pipelines.jobs.suspects import decisions

    typer.echo(decisions(open_reader(cluster)).write_csv(), nl=False)


@suspects_app.command("accept")
def accept_suspects(
    factory: Annotated[str, typer.Argument(help="Id of the factory.")],
    meter: Annotated[str, typer.Argument(help="Id of the meter.")],
    start: FromOption,
    end: ToOption,
    reason: ReasonOption,
    by: ByOption = None,
    cluster: ClusterOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Accept what is suspect in a span; the next night restates its days."""
    from pipelines.jobs.suspects import Claim, accept

    with _deciding(cluster, as_of) as night:
        count = accept(night, Claim(factory, meter, start, end), reason, by)
    typer.echo(
        f"{count} suspect facts accepted; the next night restates them / 다음 야간 실행에서 반영됩니다"
    )


@suspects_app.command("revoke")
def revoke_acceptance(
    factory: Annotated[str, typer.Argument(help="Id of the factory.")],
    meter: Annotated[str, typer.Argument(help="Id of the meter.")],
    start: FromOption,
    end: ToOption,
    reason: ReasonOption,
    by: ByOption = None,
    cluster: ClusterOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Take an acceptance back in a span; the next night restates its days."""
    from pipelines.jobs.suspects import Claim, revoke

    with _deciding(cluster, as_of) as night:
        revoke(night, Claim(factory, meter, start, end), reason, by)
    typer.echo("revoked; the next night restates the days / 다음 야간 실행에서 반영됩니다")


@contextmanager
def _deciding(cluster: str | None, as_of: str | None) -> Iterator["Night"]:
    """Open a cluster for a decision, under its lease."""
    from pipelines.cli import open_reader, read_settings
    from pipelines.connectors.lease import Lease

    night = open_reader(cluster, as_of)
    with Lease(night.store.objects, "suspects", read_settings().lease_s, time.time):
        yield night
