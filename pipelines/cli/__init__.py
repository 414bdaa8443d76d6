"""The menu: `digital-cluster ...`. Parses, calls, prints; no logic.

Each command imports what it needs when it is called: help comes at once, and reading figures loads no Beam.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import pydantic
import typer

from pipelines.cli.baseline import baseline_app
from pipelines.cli.carbon import restate, statements_app
from pipelines.cli.disclosure import disclosure_app
from pipelines.cli.emissions import emissions_app
from pipelines.cli.export import export
from pipelines.cli.factors import factors_app
from pipelines.cli.kpis import kpis_app
from pipelines.cli.ledger import ledger_app
from pipelines.cli.liveness import liveness
from pipelines.cli.policy import policy_app
from pipelines.cli.products import products_app
from pipelines.cli.suspects import suspects_app
from pipelines.cli.templates import templates_app
from pipelines.cli.trace import trace
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.reporting import configure_logs, print_summary, telling
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.jobs.night import Night

SourceKind = Literal["kafka", "archive"]
ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Id of the cluster.")]
SourceOption = Annotated[SourceKind | None, typer.Option("--source", help="Where records are read.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="The run's clock (ISO 8601 with offset); default: now.")
]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
letters_app = typer.Typer(no_args_is_help=True, help="Messages that could not be used.")
demo_app = typer.Typer(no_args_is_help=True, help="The demo cluster.")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(demo_app, name="demo")
app.add_typer(kpis_app, name="kpis")
app.add_typer(templates_app, name="templates")
app.add_typer(suspects_app, name="suspects")
app.add_typer(baseline_app, name="baseline")
app.command()(liveness)
app.command()(trace)
app.command()(export)
app.add_typer(disclosure_app)
app.add_typer(ledger_app, name="ledger")
app.add_typer(policy_app, name="policy")
app.add_typer(emissions_app, name="emissions")
app.command()(restate)
app.add_typer(statements_app, name="statements")
app.add_typer(factors_app, name="factors")
app.add_typer(products_app, name="products")


def main() -> None:
    """Run the command line; an OperatorError becomes one line (two languages) and its exit code."""
    configure_logs()
    try:
        app()
    except OperatorError as error:
        sys.exit(explain(error))


def explain(error: OperatorError) -> ExitCode:
    """Print an error's line, or one for each of a file's faults, in both languages; return its exit code."""
    for one in getattr(error, "faults", (error,)):
        typer.echo(f"error: {one.english} / 오류: {one.korean}", err=True)
    return error.code


def read_settings(**changes: object) -> Settings:
    """Read the settings; changes of null are left out.

    Raises:
        OperatorError: SETTINGS: a variable has no usable value.
    """
    try:
        return Settings(**{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = "DC_" + "_".join(str(part) for part in first["loc"]).upper()
        raise OperatorError(
            f"{name} is not usable: {first['msg']} (see docs/settings.md).",
            f"{name} 설정값을 사용할 수 없습니다: {first['msg']} (docs/settings.md 참조).",
            ExitCode.SETTINGS,
        ) from error


def read_clock(text: str | None) -> datetime:
    """Read an --as-of; null: now.

    Raises:
        OperatorError: UNUSABLE_INPUT: no ISO 8601 instant with offset.
    """
    if text is None:
        return datetime.now(ZoneInfo("UTC"))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise OperatorError(
            f"--as-of {text!r} is no instant: write it like 2025-11-11T03:00+09:00.",
            f"--as-of {text!r}은(는) 시각이 아닙니다. 2025-11-11T03:00+09:00처럼 쓰세요.",
            ExitCode.UNUSABLE_INPUT,
        )
    return instant


@contextmanager
def session(settings: Settings, broker: Literal["configured", "local", "either"]) -> Iterator[Settings]:
    """Give settings with a broker behind them: the configured one, or a local one under build/.

    A demo takes the local one whatever is configured: its messages belong on no real broker.
    """
    if broker == "local" or (broker == "either" and settings.kafka_bootstrap_servers is None):
        from pipelines.demo.session import local_broker

        with local_broker(settings, lambda line: typer.echo(line, err=True)) as found:
            yield found
    else:
        yield settings


@app.command()
def nightly(
    cluster: ClusterOption = None,
    source: SourceOption = None,
    as_of: AsOfOption = None,
    max_days: Annotated[int | None, typer.Option(help="Most days that this run computes.")] = None,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Start a broker and publish the demo first.")] = False,
) -> None:
    """Run the night of a cluster: ingest, facts, figures, release, pages."""
    from pipelines.demo.clock import DEFAULT_AS_OF
    from pipelines.demo.session import DEMO_CLUSTER, publish, with_ledger_key
    from pipelines.jobs.nightly import run_night
    from pipelines.jobs.opening import open_night
    from pipelines.jobs.summary import summary_lines

    clock = DEFAULT_AS_OF if demo and as_of is None else read_clock(as_of)
    base = read_settings(source=source, max_days=max_days)
    base = with_ledger_key(base) if demo else base
    with telling() as tell, session(base, "local" if demo else "configured") as settings:
        if demo:
            publish(settings, clock, tell)
        chosen = DEMO_CLUSTER if demo else cluster
        night = open_night(settings, chosen, clock, tell)
        report = run_night(night, settings.site, settings.lease_s)
    print_summary(summary_lines(report))
    raise typer.Exit(report.exit_code)


@app.command("import")
def import_(
    file: Path,
    factory: Annotated[str, typer.Option(help="Id of the factory.")],
    mapping: Annotated[
        Path | None, typer.Option(help="Mapping file, or the name of one that ships; AAS files need none.")
    ] = None,
    cluster: Annotated[str, typer.Option(help="Id of the cluster.")] = "imported",
    source: SourceOption = None,
    *,
    ingest: Annotated[bool, typer.Option("--ingest", help="Ingest and derive facts at once.")] = False,
) -> None:
    """Publish a CSV or XLSX of measurements, or an AASX or AAS JSON file, as a factory would have."""
    from pipelines.jobs import onramp
    from pipelines.jobs.summary import summary_lines

    request = onramp.ImportRequest(file, mapping, factory, cluster, ingest)
    with telling() as tell, session(read_settings(source=source), "either") as settings:
        report, night = onramp.import_measurements(settings, request, read_clock(None), tell)
    print_summary(report.lines())
    if night is not None:
        print_summary(summary_lines(night))
        raise typer.Exit(night.exit_code)


@app.command()
def energy(
    factory: Annotated[str, typer.Option(help="Id of the factory.")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First local date.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last local date, included.")],
    by: Annotated[Literal["hour", "day", "month", "year"], typer.Option(help="Period.")] = "day",
    form: Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="Form.")] = "table",
    cluster: Annotated[str, typer.Option(help="Id of the cluster.")] = "imported",
) -> None:
    """Read a factory's electricity back."""
    from rich.console import Console

    from pipelines.jobs.history import read_energy
    from pipelines.publish.energy_listing import energy_csv, energy_json, energy_table

    night = open_reader(cluster)
    rows = read_energy(night, factory, first.date(), last.date(), by)
    if form == "table":
        Console().print(energy_table(rows))
    else:
        typer.echo({"csv": energy_csv, "json": energy_json}[form](rows), nl=False)


def open_reader(cluster: str | None, as_of: str | None = None) -> "Night":
    """Open a cluster for reading its tables: no broker is needed."""
    from pipelines.jobs.opening import open_night

    return open_night(read_settings(source="archive"), cluster, read_clock(as_of), lambda _s, _d, _t: None)


@app.command()
def serve(
    audience: Annotated[str, typer.Option(help="operator, or the id of a member.")],
    port: Annotated[int, typer.Option(help="Port on the loopback.")] = 8000,
) -> None:
    """Show one audience's pages on localhost."""
    from pipelines.publish.serving import serve as serve_site

    typer.echo(f"http://127.0.0.1:{port}/  (Ctrl-C ends it)")
    serve_site(read_settings().site, audience, port)


@app.command()
def status(cluster: ClusterOption = None, source: SourceOption = None, as_of: AsOfOption = None) -> None:
    """Say how the nights are going; non-zero if the newest published day is older than expected."""
    from pipelines.jobs.health import check_health
    from pipelines.jobs.opening import open_night

    settings = read_settings(source=source)
    with session(settings, "either" if settings.broker.exists() else "configured") as found:
        night = open_night(found, cluster, read_clock(as_of), lambda _s, _d, _t: None)
        health = check_health(night, time.time())
    print_summary(health.lines())
    raise typer.Exit(health.exit_code)


@app.command()
def history(
    factory: Annotated[str, typer.Option(help="Id of the factory.")],
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Local date.")],
    table: Annotated[str | None, typer.Option(help="Only this fact table, such as facts_energy.")] = None,
    cluster: ClusterOption = None,
) -> None:
    """Show the versions of a factory's day: what changed, when it became known, and why."""
    from pipelines.jobs.history import history_of_day

    typer.echo(history_of_day(open_reader(cluster), factory, day.date(), table).write_csv(), nl=False)


@app.command()
def vacuum(cluster: ClusterOption = None) -> None:
    """Delete files that dead runs left and no table names, older than DC_VACUUM_RETENTION_H."""
    from pipelines.connectors.lease import Lease

    settings = read_settings()
    night = open_reader(cluster)
    with Lease(night.store.objects, "vacuum", settings.lease_s, time.time):
        removed = night.store.vacuum(settings.vacuum_retention_h)
    typer.echo(f"{removed} files removed")


@letters_app.command("list")
def list_letters(
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    cluster: ClusterOption = None,
) -> None:
    """List dead letters, without their bytes."""
    from pipelines.jobs import dead_letters

    found = dead_letters.find_letters(open_reader(cluster), topic=topic, reason=reason)
    typer.echo(dead_letters.listing(found).write_csv(), nl=False)


@letters_app.command("show")
def show_letter(
    topic: Annotated[str, typer.Option(help="Topic.")],
    offset: Annotated[int, typer.Option(help="Offset.")],
    cluster: ClusterOption = None,
) -> None:
    """Show a dead letter with its bytes (hex): for the data engineer, not for pages."""
    from pipelines.jobs import dead_letters

    for line in dead_letters.shown(
        dead_letters.find_letters(open_reader(cluster), topic=topic, offset=offset)
    ):
        typer.echo(line)


@letters_app.command("replay")
def replay_letters(
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    cluster: ClusterOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Decode and check dead letters again, and add the rows that pass now; the next night computes them."""
    from pipelines.connectors.lease import Lease
    from pipelines.jobs import dead_letters

    night = open_reader(cluster, as_of)
    with Lease(night.store.objects, "replay", read_settings().lease_s, time.time):
        report = dead_letters.replay(night, dead_letters.find_letters(night, topic=topic, reason=reason))
    print_summary(report.lines())


@demo_app.command("publish")
def publish_only(source: SourceOption = None, as_of: AsOfOption = None) -> None:
    """Publish the demo's messages and run nothing."""
    from pipelines.demo.clock import DEFAULT_AS_OF
    from pipelines.demo.session import publish

    clock = DEFAULT_AS_OF if as_of is None else read_clock(as_of)
    with telling() as tell, session(read_settings(source=source), "local") as settings:
        typer.echo(f"{publish(settings, clock, tell)} messages published")
