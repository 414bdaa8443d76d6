"""The nightly job as a plain sequence of steps: `digital-cluster nightly` runs it, a flow wraps it as tasks.

Belongs here: the order of the steps, the lease around them, the summary, the exit code. Does not belong here:
what a step does; Prefect.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import perf_counter, time

import polars as pl

from pipelines.connectors.lease import Lease
from pipelines.connectors.objects import put_json
from pipelines.connectors.staging import remove_dead_staging
from pipelines.domain.outcomes import ExitCode
from pipelines.jobs.baseline import store_declared, store_declared_costs
from pipelines.jobs.benchmarks import ReleaseReport, release
from pipelines.jobs.carbon import CarbonReport, derive_carbon
from pipelines.jobs.carbon_activities import derive_activities
from pipelines.jobs.continuity import computed_anew
from pipelines.jobs.emissions import derive_emissions
from pipelines.jobs.facts import FactsReport, derive_facts
from pipelines.jobs.ingest import IngestReport, ingest
from pipelines.jobs.kpis import derive_elements, derive_kpis
from pipelines.jobs.lineage import Lineage, Touched
from pipelines.jobs.liveness import derive_liveness
from pipelines.jobs.night import Night
from pipelines.jobs.output import OutputReport, send_outputs
from pipelines.jobs.publication import publish_site
from pipelines.jobs.sealed_inputs import required_key
from pipelines.publish.site import SiteReport
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import FACTS_ENERGY

STATUS_PATH = "_status.json"


@dataclass
class NightReport:
    """What a night did, for its summary.

    Args:
        cluster: id of the cluster.
        nominal: nominal time, ISO.
        day: last closed day.
        commits: table commits that this night made.
        seconds: by step.
        silent: factories without a measured reading on the last closed day.
        anew: what was computed anew from all of a source, because the source's log no longer reaches back.
        lineage: what tells of its steps; null: nobody asked.
    """

    cluster: str
    nominal: str
    day: date
    commits: int = 0
    ingest: IngestReport = field(default_factory=IngestReport)
    facts: FactsReport = field(default_factory=FactsReport)
    activity_rows: int = 0
    emission_rows: int = 0
    carbon: CarbonReport = field(default_factory=CarbonReport)
    element_rows: int = 0
    kpi_rows: int = 0
    baselines: int = 0
    liveness_rows: int = 0
    releases: ReleaseReport = field(default_factory=ReleaseReport)
    site: SiteReport = field(default_factory=lambda: SiteReport((), (), ()))
    outputs: OutputReport = field(default_factory=OutputReport)
    silent: list[str] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    lineage: Lineage | None = None

    @property
    def nothing_new(self) -> bool:
        """Say whether the night found nothing to do."""
        written = self.site.written or self.site.removed or self.outputs.records
        return self.commits == 0 and not written

    @property
    def exit_code(self) -> ExitCode:
        """Return how the night ends, worst first."""
        if self.ingest.gaps:
            return ExitCode.GAP
        if self.ingest.cut_partitions or self.facts.left_for_later:
            return ExitCode.PARTIAL
        return ExitCode.DONE


Step = Callable[[Night, NightReport, Path], None]


def _ingest_profiles(night: Night, report: NightReport, _site: Path) -> None:
    report.ingest.add(ingest(night, ["profile"]))


def _ingest_events(night: Night, report: NightReport, _site: Path) -> None:
    report.ingest.add(ingest(night, [s for s in STREAMS if s != "profile"]))


def _derive_facts(night: Night, report: NightReport, _site: Path) -> None:
    report.facts = derive_facts(night)


def _derive_emissions(night: Night, report: NightReport, _site: Path) -> None:
    report.activity_rows = derive_activities(night)
    report.emission_rows = derive_emissions(night)


def _derive_carbon(night: Night, report: NightReport, _site: Path) -> None:
    report.carbon = derive_carbon(night)


def _derive_elements(night: Night, report: NightReport, _site: Path) -> None:
    report.element_rows = derive_elements(night)


def _derive_kpis(night: Night, report: NightReport, _site: Path) -> None:
    store_declared_costs(night)
    report.kpi_rows = derive_kpis(night)


def _store_baseline(night: Night, report: NightReport, _site: Path) -> None:
    report.baselines = store_declared(night)


def _release(night: Night, report: NightReport, _site: Path) -> None:
    report.releases = release(night)


def _derive_liveness(night: Night, report: NightReport, _site: Path) -> None:
    report.liveness_rows = derive_liveness(night)


def _publish(night: Night, report: NightReport, site: Path) -> None:
    report.site = publish_site(night, site)
    report.silent = silent_factories(night, report.day)


def _send_outputs(night: Night, report: NightReport, _site: Path) -> None:
    report.outputs = send_outputs(night)


# Profiles come first: which day an event belongs to needs the factory's zone. Topics come last: a broker that
# takes nothing keeps no page from being made.
STEPS: dict[str, Step] = {
    "profiles": _ingest_profiles,
    "events": _ingest_events,
    "facts": _derive_facts,
    "emissions": _derive_emissions,
    "carbon": _derive_carbon,
    "elements": _derive_elements,
    "kpis": _derive_kpis,
    "baseline": _store_baseline,
    "release": _release,
    "liveness": _derive_liveness,
    "publish": _publish,
    "output": _send_outputs,
}
INGEST_AND_FACTS = ("profiles", "events", "facts")


def run_night(night: Night, site: Path, lease_s: float, steps: tuple[str, ...] = tuple(STEPS)) -> NightReport:
    """Run the steps of a night, in order, under the cluster's lease.

    Raises:
        OperatorError: a step failed, or another run holds the lease. What is committed stays; the next run
            continues from it.
    """
    with night_under_lease(night, lease_s, steps) as report:
        for name in steps:
            run_step(name, night, report, site)
    return report


@contextmanager
def night_under_lease(
    night: Night, lease_s: float, steps: tuple[str, ...] = tuple(STEPS)
) -> Iterator[NightReport]:
    """Hold the lease, sweep what dead runs left, and complete the report when all steps are done.

    Raises:
        OperatorError: LEASE_HELD; SETTINGS: the steps release figures and there is no key to seal them with,
            which is said before anything is read.
    """
    if "release" in steps:
        required_key(night)
    with Lease(night.store.objects, str(uuid.uuid4()), lease_s, time):
        remove_dead_staging(night.store)
        before = night.store.table_versions()
        report = NightReport(
            night.cluster.cluster, night.nominal.isoformat(), night.last_closed_day(night.cluster.zone)
        )
        report.anew = computed_anew(night.store)
        if night.lineage is not None:
            report.lineage = Lineage(night.lineage, night, dict(before))
        with report.lineage.whole() if report.lineage else nullcontext():
            yield report
        after = night.store.table_versions()
        report.commits = sum(version - before.get(name, -1) for name, version in after.items())
        if "publish" in report.seconds:
            put_json(
                night.store.objects,
                STATUS_PATH,
                {"last_good_night": report.nominal, "day": report.day.isoformat()},
            )


def run_step(name: str, night: Night, report: NightReport, site: Path) -> None:
    """Run one step and record how long it took [s]."""
    begin, read = perf_counter(), len(report.ingest.ranges)
    with report.lineage.step(name) if report.lineage else nullcontext(Touched()) as touched:
        STEPS[name](night, report, site)
        touched.offsets = report.ingest.ranges[read:]
        touched.files = [str(site)] if name == "publish" and report.site.written else []
        touched.topics = list(report.outputs.records)
    report.seconds[name] = perf_counter() - begin


def silent_factories(night: Night, day: date) -> list[str]:
    """Return the cluster's factories of a day that have no measured energy on it."""
    facts = (
        night.store.open(FACTS_ENERGY).scan().filter(pl.col("day") == day, pl.col("quantity").is_not_null())
    )
    heard = set(facts.select("factory").unique().collect()["factory"])
    return sorted(f.factory for f in night.cluster.factories if f.belongs_on(day) and f.factory not in heard)
