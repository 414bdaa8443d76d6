"""The menu of baselines: `digital-cluster baseline ...`. Parses, calls, prints; no logic."""

import time
from datetime import datetime
from typing import Annotated

import typer

MemberOption = Annotated[str | None, typer.Option("--member", help="Id of a member: it and its factories.")]
FactoryOption = Annotated[str | None, typer.Option("--factory", help="Id of one factory.")]
ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")]

baseline_app = typer.Typer(no_args_is_help=True, help="The period that a programme is measured against.")


@baseline_app.command("set")
def set_baseline(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First local date.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last local date, included.")],
    member: MemberOption = None,
    factory: FactoryOption = None,
    note: Annotated[str | None, typer.Option(help="Why, in a few words.")] = None,
    cluster: ClusterOption = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The run's clock (ISO 8601 with offset); default: now.")
    ] = None,
) -> None:
    """Store the KPIs of a period as baseline of a member, a factory, or (neither named) everybody."""
    from pipelines.cli import open_reader, read_settings
    from pipelines.connectors.lease import Lease
    from pipelines.jobs import baseline

    night = open_reader(cluster, as_of)
    circle = baseline.circle_of(night.cluster, member, factory)
    period = baseline.period_of(night, first.date(), last.date())
    with Lease(night.store.objects, "baseline", read_settings().lease_s, time.time):
        count = baseline.set_baseline(night, circle, period, note, night.nominal)
    typer.echo(f"{count} subjects have a new baseline")


@baseline_app.command("show")
def show_baseline(
    member: MemberOption = None, factory: FactoryOption = None, cluster: ClusterOption = None
) -> None:
    """Print the stored baselines as CSV, each subject's newest revision first: for its own circle."""
    from pipelines.cli import open_reader
    from pipelines.jobs import baseline

    night = open_reader(cluster)
    rows = baseline.shown_baselines(night, baseline.circle_of(night.cluster, member, factory))
    typer.echo(rows.write_csv(), nl=False)
