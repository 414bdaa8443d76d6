"""The menu of disclosure policies: `digital-cluster policy ...`. Parses, calls, prints; no logic."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

policy_app = typer.Typer(
    no_args_is_help=True, help="What a cluster's policy would release: for its statistician."
)


@policy_app.command("check")
def check(
    definition: Annotated[Path, typer.Argument(help="Cluster file, <cluster>.yaml, with the limits to try.")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="Date of the first night.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Of the last, included.")],
    out: Annotated[Path | None, typer.Option(help="CSV to write: a row per night and figure.")] = None,
) -> None:
    """Simulate nights over stored KPIs: what is published, withheld, lost. Confidential; changes nothing."""
    from pipelines.cli import open_reader
    from pipelines.connectors.clusters import read_cluster
    from pipelines.connectors.exact_csv import clear_outputs
    from pipelines.jobs import policy_check
    from pipelines.jobs.reporting import print_summary, telling

    if out is not None:
        clear_outputs([out], [definition])
    cluster = read_cluster(definition)
    with telling() as tell:
        night = replace(open_reader(cluster.cluster), tell=tell)
        checked = policy_check.check_policy(night, cluster, first.date(), last.date())
    if out is not None:
        policy_check.write_checked(checked, out)
    print_summary(policy_check.policy_lines(checked))
