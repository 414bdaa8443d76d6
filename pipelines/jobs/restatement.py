"""`digital-cluster restate`: new factors, or a corrected meter, for statements that were made.

Belongs here: what is restated, the steps, the summary. Does not belong here: choosing factors
(factor_choices), versions and chains (carbon), Prefect.

A night keeps the factors of a month; only this command chooses anew. The next night publishes what changed.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from pipelines.connectors.lease import Lease
from pipelines.connectors.staging import remove_dead_staging
from pipelines.domain.emissions.gases import gwp_set
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.carbon import CarbonReport, Trigger, derive_carbon
from pipelines.jobs.carbon_activities import derive_activities
from pipelines.jobs.emissions import derive_emissions
from pipelines.jobs.factor_choices import Choices, choose_anew
from pipelines.jobs.factor_tables import FactorFiles, added_rows
from pipelines.jobs.facts import derive_facts
from pipelines.jobs.ingest import ingest
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles, unnested
from pipelines.jobs.summary import Line
from pipelines.reference.tables import KEYS, gwps
from pipelines.schemas.streams import STREAMS

Step = Callable[[], object]


@dataclass(frozen=True)
class RestateRequest:
    """What is restated.

    Args:
        cause: why, in the words of who asks.
        files: rows that are added to the factors, or replace some.
        adopt: take the factors that are known now, though no file adds any.
        gwp: another GWP set; null: each month's own.
        meters: FACTORY/METER that were corrected: their readings are read and their facts computed first.
        first: first month whose factors are chosen anew; null: all.
        last: last month; null: all.
    """

    cause: str
    files: FactorFiles = field(default_factory=FactorFiles)
    adopt: bool = False
    gwp: str | None = None
    meters: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None

    @property
    def chooses(self) -> bool:
        """Say whether factors are chosen anew."""
        return self.adopt or self.gwp is not None or bool(self.files.paths)

    @property
    def note(self) -> str:
        """What and why, as statements keep it."""
        what = [f"factors {path.name}" for path in self.files.paths]
        what += ["factors as known"] if self.adopt and not what else []
        what += [f"GWP set {self.gwp}"] if self.gwp else []
        what += [f"meter {meter}" for meter in self.meters]
        return f"{', '.join(what)}: {self.cause}"


@dataclass
class RestateReport:
    """What a restatement did."""

    months: list[date] = field(default_factory=list)
    emission_rows: int = 0
    carbon: CarbonReport = field(default_factory=CarbonReport)

    def lines(self) -> list[Line]:
        """Return (heading, text) lines; no figure of a member is in them."""
        names = ", ".join(f"{month:%Y-%m}" for month in self.months)
        kept = ", ".join(self.carbon.kept)
        return [
            ("factors", f"chosen anew for {names}" if names else "as they were"),
            ("emissions", f"{self.emission_rows} hourly rows, {self.carbon.lines} emission lines changed"),
            ("statements", f"{self.carbon.statements} got a version / 새 버전 {self.carbon.statements}건"),
            *([("base year", f"kept, below the threshold: {kept}")] if kept else []),
            ("next", "the next night publishes what changed / 다음 야간 실행에서 공개됩니다"),
        ]


def steps_of(night: Night, request: RestateRequest, report: RestateReport) -> Mapping[str, Step]:
    """Return the steps by name, in order; each can be repeated.

    Raises:
        OperatorError: UNUSABLE_INPUT: nothing to restate, no such meter or GWP set, a file with faults.
    """
    _check(night, request)
    added = added_rows(request.files)
    _check_known(night, added)

    def choose() -> None:
        months = [
            month
            for month in Choices(night.store).of_months()
            if (request.first or month) <= month <= (request.last or month)
        ]
        report.months = choose_anew(night, months, added, request.gwp, request.note)

    def emissions() -> None:
        derive_activities(night)
        report.emission_rows = derive_emissions(night)

    def carbon() -> None:
        meant = None if request.chooses else frozenset(m.partition("/")[0] for m in request.meters)
        report.carbon = derive_carbon(night, Trigger(request.note, meant))

    metered: dict[str, Step] = {
        "profiles": lambda: ingest(night, ["profile"]),
        "events": lambda: ingest(night, [s for s in STREAMS if s != "profile"]),
        "facts": lambda: derive_facts(night),
    }
    chosen: dict[str, Step] = {"factors": choose}
    return {
        **(metered if request.meters else {}),
        **(chosen if request.chooses else {}),
        "emissions": emissions,
        "carbon": carbon,
    }


def restate(night: Night, request: RestateRequest, lease_s: float) -> RestateReport:
    """Restate under the cluster's lease; as `steps_of`."""
    report = RestateReport()
    with restating_under_lease(night, lease_s):
        for step in steps_of(night, request, report).values():
            step()
    return report


@contextmanager
def restating_under_lease(night: Night, lease_s: float) -> Iterator[None]:
    """Hold the cluster's lease and sweep what dead runs left."""
    with Lease(night.store.objects, str(uuid.uuid4()), lease_s, time.time):
        remove_dead_staging(night.store)
        yield


def _check(night: Night, request: RestateRequest) -> None:
    if not request.chooses and not request.meters:
        raise _unusable(
            "name what changed: --factors, --fuels, --adopt, --gwp or --meter",
            "바뀐 것을 지정하세요: --factors, --fuels, --adopt, --gwp, --meter",
        )
    if not request.cause.strip():
        raise _unusable("--cause is empty: say why", "--cause가 비어 있습니다. 이유를 쓰세요")
    if request.gwp is not None:
        gwp_set(gwps(), request.gwp)
    known = set(unnested(read_profiles(night).rows, "meters").select("factory", "meter").iter_rows())
    for meter in request.meters:
        factory, _, name = meter.partition("/")
        if (factory, name) not in known:
            raise _unusable(
                f"--meter {meter}: no profile has it; write FACTORY/METER",
                f"--meter {meter}: 프로필에 없습니다. 공장/계량기로 쓰세요",
            )


def _check_known(night: Night, added: Mapping[str, pl.DataFrame]) -> None:
    """Refuse rows that the run's clock doesn't know yet: they would be left out without a word."""
    day = night.nominal.date()
    for name, rows in added.items():
        late = rows.filter(pl.coalesce("published_on", "valid_from") > day)
        for key in late.select(pl.concat_str(KEYS[name], separator=":")).to_series():
            raise _unusable(
                f"{key} was not known on {day}: give its published_on, or a later --as-of",
                f"{key}은(는) {day}에 아직 알려지지 않았습니다. published_on이나 --as-of를 고치세요",
            )


def _unusable(english: str, korean: str) -> OperatorError:
    return OperatorError(f"restate: {english}.", f"재산정: {korean}.", ExitCode.UNUSABLE_INPUT)
