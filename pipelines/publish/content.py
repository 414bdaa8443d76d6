"""What the site says, before it is worded: frozen content for the operator and for each member.

Belongs here: the content of each audience's pages and the function that builds all of it from the store's
frames. Does not belong here: HTML, words, number formats. A member's content is built from that member's
rows and from published figures alone; the operator's holds no value of a member.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from pipelines.domain.baseline import Change
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.entitlement import Missing
from pipelines.domain.standing import Standing
from pipelines.publish.figures import Own, Published

OPERATOR = "operator"
HISTORY_DAYS = 8


@dataclass(frozen=True)
class SiteInputs:
    """All that the site is built from; nobody mutates the frames.

    Args:
        cluster: the cluster's definition.
        releases: columns of RELEASES; all revisions, the newest of each figure counts.
        kpis: columns of KPIS: the shown days, the newest month and 12 months of each figure, and the
            factories' of the periods that the newest releases are about and of those before.
        baselines: columns of BASELINES, the newest revision of each subject.
        facts_energy: columns of FACTS_ENERGY.
        facts_machine: columns of FACTS_MACHINE.
        emissions: columns of EMISSIONS.
        profiles: one row per factory, the newest of RAW["profile"].
        liveness: `factory, stream, last_event` (UTC, null: never), `messages, coverage` (of `day`, null:
            the stream has none).
        dead_letters: `factory` and/or `topic`, `reason`, `count`: of the days that pages show.
        gaps: columns of GAPS.
        report: columns of LIVENESS, of the days that pages show.
        day: the last closed day.
        nominal: the night's nominal time, aware.
    """

    cluster: ClusterDefinition
    releases: pl.DataFrame
    kpis: pl.DataFrame
    baselines: pl.DataFrame
    facts_energy: pl.DataFrame
    facts_machine: pl.DataFrame
    emissions: pl.DataFrame
    profiles: pl.DataFrame
    liveness: pl.DataFrame
    dead_letters: pl.DataFrame
    gaps: pl.DataFrame
    report: pl.DataFrame
    day: date
    nominal: datetime


@dataclass(frozen=True)
class Term:
    """A word of words.yaml that stands inside a sentence, by its key."""

    key: str


@dataclass(frozen=True)
class Notice:
    """One line of what happened: how bad, which sentence, its arguments, and where to read on."""

    severity: str
    sentence: str
    arguments: tuple[tuple[str, object], ...] = ()
    anchor: str | None = None


@dataclass(frozen=True)
class ReasonCount:
    """Dead letters of one sender by reason."""

    reason: str
    count: int


@dataclass(frozen=True)
class Gap:
    """Offsets of a topic that could not be read; `end_offset` null: unknown. Offsets are no values."""

    topic: str
    partition: int
    first_offset: int
    end_offset: int | None
    reason: str
    known_at: datetime
    tonight: bool


@dataclass(frozen=True)
class FactorUse:
    """The emission factor behind the day's tonnes; `factor_id` null: there was none."""

    factor_id: str | None
    kg_per_kwh: float | None
    match: str
    carried_years: int | None
    gwp_set: str | None


@dataclass(frozen=True)
class Delivery:
    """How well a factory delivers: timeliness and coverage, never a value.

    `last_reading` is local time, null: never; `delay_min` counts from it to the night's nominal time.
    """

    factory: str
    member: str
    member_ko: str
    member_en: str
    last_reading: datetime | None
    delay_min: int | None
    silent: bool
    energy_coverage: float | None
    machine_coverage: float | None
    dead_letters: tuple[ReasonCount, ...]


@dataclass(frozen=True)
class TopicDeadLetters:
    """Dead letters of a topic that belongs to no single factory (a gateway's, or nobody's)."""

    topic: str
    reasons: tuple[ReasonCount, ...]


@dataclass(frozen=True)
class FigureHistory:
    """The last days of one published figure, oldest first; the last is the closed day's."""

    today: Published
    days: tuple[Published, ...]


@dataclass(frozen=True)
class NamedReference:
    """A figure of one member that its consent shows by name (등대공장)."""

    figure: Published
    name_ko: str
    name_en: str


@dataclass(frozen=True)
class Benchmark:
    """A released figure of one group and period with what hangs on it.

    Args:
        figure: the figure; absent: nothing was decided about it.
        trend: the same members in both periods; null: nothing was decided about one.
        named: references by name, by member.
    """

    figure: Published
    trend: Published | None = None
    named: tuple[NamedReference, ...] = ()


@dataclass(frozen=True)
class BenchmarkLine:
    """A released KPI of one group.

    Args:
        kpi: its id.
        breakdown: what its group is made by.
        group: of the breakdown; `*`: everybody.
        periods: its figures of the closed day, the newest month and the newest 12 months, by `day`, `month`
            and `rolling12`.
        baseline: of the baseline month; null: the cluster has no baseline that is a whole calendar month.
        change: the newest month against it: released figures only; null likewise.
    """

    kpi: str
    breakdown: str
    group: str
    periods: Mapping[str, Benchmark]
    baseline: Published | None
    change: Change | None


@dataclass(frozen=True)
class BenchmarkFamily:
    """Lines of KPIs that belong together, in the order of the catalogue, groups by name."""

    family: str
    lines: tuple[BenchmarkLine, ...]


@dataclass(frozen=True)
class BenchmarkTable:
    """All released figures of one breakdown.

    Args:
        breakdown: its name; `cluster`: everybody.
        columns: periods of which anything was decided.
        families: KPIs of which anything is published.
        silent: lines of the others: a status in each period and no number.
        published: how many figures of the lines are published.
        all: how many there are.
    """

    breakdown: str
    columns: tuple[str, ...]
    families: tuple[BenchmarkFamily, ...]
    silent: tuple[BenchmarkLine, ...]
    published: int
    all: int


@dataclass(frozen=True)
class OwnBenchmark:
    """A member beside a released figure of one of its groups.

    Args:
        own: the member's own figure of the same period, of its factories in the group.
        previous: its own value in the period before [unit]; null: not known.
        benchmark: null: the member did not contribute and does not see it.
        missing: what its factories lack that did not contribute.
        standing: null: one of the two has no value.
    """

    own: Own
    previous: float | None
    benchmark: Benchmark | None
    missing: tuple[Missing, ...]
    standing: Standing | None


@dataclass(frozen=True)
class OwnBenchmarkLine:
    """A member beside a released KPI of one of its groups; periods as of a BenchmarkLine."""

    kpi: str
    direction: str
    breakdown: str
    group: str
    periods: Mapping[str, OwnBenchmark]


@dataclass(frozen=True)
class OwnBenchmarkFamily:
    """Lines of KPIs that belong together."""

    family: str
    lines: tuple[OwnBenchmarkLine, ...]


@dataclass(frozen=True)
class Withholding:
    """KPIs that a member does not see, for one lack of one of its factories."""

    missing: Missing
    kpis: tuple[str, ...]


@dataclass(frozen=True)
class OwnBenchmarkTable:
    """A member's groups of one breakdown.

    Args:
        breakdown: its name.
        columns: periods of which anything was decided.
        families: KPIs of which it sees a published figure in some period.
        silent: ids of those of which it may see the figures, and none is published.
        not_shown: those that it does not see, by what is missing.
    """

    breakdown: str
    columns: tuple[str, ...]
    families: tuple[OwnBenchmarkFamily, ...]
    silent: tuple[str, ...]
    not_shown: tuple[Withholding, ...]


@dataclass(frozen=True)
class SharedKpis:
    """Which KPIs a member shares this month, by id: no value and no order of size.

    Args:
        shared: enough of it was measured.
        too_little: below the least coverage.
        lacking: it sends nothing of it.
    """

    member: str
    name_ko: str
    name_en: str
    shared: tuple[str, ...]
    too_little: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class LiveStream:
    """A stream of a factory: its last event (local, null: none in the look-back) and share of events [1]."""

    stream: str
    last_event: datetime | None
    share: float | None


@dataclass(frozen=True)
class StreamQuestion:
    """What there is to ask of a stream, by its reason code."""

    reason: str
    stream: LiveStream


@dataclass(frozen=True)
class AskedFactory:
    """A factory as the operator asks about it: its streams and questions; no value, no meter or machine."""

    factory: str
    member_ko: str
    member_en: str
    streams: tuple[LiveStream, ...]
    questions: tuple[StreamQuestion, ...]


@dataclass(frozen=True)
class OwnQuestion:
    """A question to a member about its own factory, with its evidence as arguments of the sentence."""

    factory: str
    day: date
    sentence: str
    arguments: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class OperatorContent:
    """The operator's pages."""

    notices: tuple[Notice, ...]
    gaps: tuple[Gap, ...]
    figures: tuple[FigureHistory, ...]
    benchmarks: tuple[Published, ...]
    tables: tuple[BenchmarkTable, ...]
    compares: bool
    sharing: tuple[SharedKpis, ...]
    deliveries: tuple[Delivery, ...]
    other_dead_letters: tuple[TopicDeadLetters, ...]
    factors: tuple[FactorUse, ...]
    asked: tuple[AskedFactory, ...] = ()


@dataclass(frozen=True)
class Hour:
    """An hour of a factory's day: local start, kWh (null: not known), share measured, quality."""

    start: datetime
    energy_kwh: float | None
    coverage: float
    quality: str | None


@dataclass(frozen=True)
class OwnDay:
    """One day of the member's own figures, in the order of figures.SHOWN."""

    day: date
    status: str | None
    figures: tuple[Own, ...]


@dataclass(frozen=True)
class KpiLine:
    """A KPI of one subject over the periods that a page shows.

    Args:
        kpi: its id.
        direction: lower or higher: which way is better.
        day: of the closed day.
        month: of its month, so far.
        rolling: of the newest 12 whole months.
        baseline: of the baseline period; its day is the period's first.
        change: the month against the baseline.
    """

    kpi: str
    direction: str
    day: Own
    month: Own
    rolling: Own
    baseline: Own
    change: Change


@dataclass(frozen=True)
class KpiGroup:
    """KPIs that belong together: P, Q, C, D, S, E and further ones."""

    group: str
    lines: tuple[KpiLine, ...]


@dataclass(frozen=True)
class BaselineSpan:
    """Which baseline a table compares with: its first and last local date."""

    first: date
    last: date


@dataclass(frozen=True)
class MachineLine:
    """A machine's figures, in the order of its table's columns."""

    machine: str
    name: str
    figures: tuple[Own, ...]


@dataclass(frozen=True)
class KpiTable:
    """All KPIs of a factory or member.

    Args:
        groups: KPIs of which the subject sends anything.
        not_shared: ids of the others.
        month: first day of the month that is shown.
        baseline: null: none was stored.
        has_rolling: whether any KPI has a value over 12 months.
        provisional: which of day, month, rolling have a figure that may still change.
        machine_columns: (id, period) of the machines' columns.
        machines: machines of a factory; a member has none here.
    """

    groups: tuple[KpiGroup, ...]
    not_shared: tuple[str, ...]
    month: date
    baseline: BaselineSpan | None
    has_rolling: bool
    provisional: frozenset[str]
    machine_columns: tuple[tuple[str, str], ...] = ()
    machines: tuple[MachineLine, ...] = ()


@dataclass(frozen=True)
class FactoryPage:
    """A member's own factory; `unallocated_kwh` is energy of gaps too long to spread over hours."""

    factory: str
    name: str
    process: str | None
    last_reading: datetime | None
    silent: bool
    hours: tuple[Hour, ...]
    unallocated_kwh: float | None
    figures: tuple[Own, ...]
    days: tuple[OwnDay, ...]
    kpis: KpiTable
    dead_letters: tuple[ReasonCount, ...]


@dataclass(frozen=True)
class Comparison:
    """A member beside the published reference of one process.

    `reference` is null where the member did not contribute and does not see it; `missing` says what its
    factories lack. `standing` is a function of the published figure and the own value, null where either is
    missing.
    """

    process: str
    reference: Published | None
    own: Own
    missing: tuple[Missing, ...]
    standing: Standing | None


@dataclass(frozen=True)
class MemberContent:
    """The pages of one member: its own figures and published references only."""

    member: str
    name_ko: str
    name_en: str
    notices: tuple[Notice, ...]
    figures: tuple[Own, ...]
    status: str | None
    kpis: KpiTable
    factories: tuple[FactoryPage, ...]
    comparisons: tuple[Comparison, ...]
    tables: tuple[OwnBenchmarkTable, ...]
    factors: tuple[FactorUse, ...]
    questions: tuple[OwnQuestion, ...] = ()


@dataclass(frozen=True)
class SiteContent:
    """Everything that one night's site says."""

    cluster: str
    name_ko: str
    name_en: str
    zone: str
    day: date
    nominal: datetime
    status: str | None
    operator: OperatorContent
    members: tuple[MemberContent, ...]
