"""Computing a traced figure again from the same offsets, and comparing bits.

Belongs here: reading exactly the offsets of a trace and calling what computed the figure. Does not belong
here: which offsets those are (pipelines.jobs.trace), the arithmetic (pipelines.domain).

Every table on the way is compared with what is stored, in the order in which one follows from the other, so
that the first difference is where something was changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from pipelines.connectors.deriving_figures import FigureDerivation, GridTables
from pipelines.connectors.landing import unfold
from pipelines.connectors.store import arrow_frame
from pipelines.domain.daily_elements import DayFacts, daily_elements
from pipelines.domain.kpis import day_figures, month_figures, places_of, rolling_figures
from pipelines.domain.rounding import round_to_grid
from pipelines.domain.sums import exact_total
from pipelines.domain.trace import Difference, Replay, Trace, first_difference, offset_ranges, ranges_text
from pipelines.jobs.emissions import grid_tables
from pipelines.jobs.factor_choices import Choices
from pipelines.jobs.ingest import reader_of
from pipelines.jobs.night import Night
from pipelines.jobs.trace import CARBON, Measured, Traced
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.messages import OffsetRange, Partition
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.tables import (
    ELEMENTS_DAILY,
    EMISSIONS,
    FACTS_ENERGY,
    FACTS_MACHINE,
    FACTS_OPERATIONS,
    RAW,
    RELEASES,
    ROW_IDENTITY,
)

# Opening a reader costs more than reading over what lies between.
_BRIDGED_OFFSETS = 5_000
_PARTITION = ["topic", "incarnation", "partition"]
_PLACED = ("day", "bucket", "stretch")
_FIGURE = ["period", "day", "subject", "kpi", "definition_version"]


@dataclass
class Comparison:
    """What was compared so far, and the first difference."""

    compared: dict[str, int] = field(default_factory=dict)
    difference: Difference | None = None

    def add(
        self, stage: str, stored: pl.DataFrame, again: pl.DataFrame, key: Sequence[str], values: Sequence[str]
    ) -> None:
        """Compare a stage, unless an earlier one differed."""
        self.compared[stage] = stored.height
        if self.difference is None:
            self.difference = first_difference(stage, stored, again, key, values)


def replay(night: Night, traced: Traced, source: str, *, from_store: bool) -> Replay:
    """Read the offsets of a trace again and compute the figure from them.

    Args:
        night: whose source is read.
        traced: of the figure.
        source: what the source is called.
        from_store: let the store's raw rows stand for offsets that are gone.

    Raises:
        OperatorError: the source or the registry failed, or a container of the archive is damaged (named).
    """
    stored = stored_rows(traced.trace.readings)
    again = records_again(night, stored, "energy")
    if again.gone and not from_store:
        return Replay(source, {}, None, named(again.gone))
    comparison = Comparison()
    comparison.add(RAW["energy"].name, stored, again.rows, ROW_IDENTITY, others(stored, ROW_IDENTITY))
    _compute(night, traced, again.rows, comparison)
    return Replay(source, comparison.compared, comparison.difference, named(again.gone), again.lost)


def stored_rows(readings: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a trace as their messages have them, each once."""
    return readings.drop(_PLACED, strict=False).unique(ROW_IDENTITY).sort(ROW_IDENTITY)


@dataclass(frozen=True)
class Again:
    """What reading some rows again gave.

    Args:
        rows: as their messages decode now; the stored ones where offsets are gone.
        gone: offsets that the source no longer has.
        lost: how many of the rows are stored ones.
    """

    rows: pl.DataFrame
    gone: "Gone"
    lost: int


def records_again(night: Night, stored: pl.DataFrame, stream: str) -> Again:
    """Read the messages of some stored rows of a stream again.

    Raises:
        OperatorError: the source or the registry failed, or a container of the archive is damaged (named).
    """
    found, gone = _read_again(night, stored, stream)
    lost = stored.join(_offsets(gone, stored), on=[*_PARTITION, "offset"], how="semi")
    return Again(pl.concat([found.select(stored.columns), lost]), gone, lost.height)


def others(rows: pl.DataFrame, key: Sequence[str]) -> list[str]:
    """Return the columns that are not the key."""
    return [name for name in rows.columns if name not in key]


Gone = dict[Partition, list[int]]


def _read_again(night: Night, stored: pl.DataFrame, stream: str) -> tuple[pl.DataFrame, Gone]:
    """Return stored rows as their messages decode now, and the offsets that are gone."""
    decoder = MessageDecoder(reader_of(night, stream), night.registry, night.max_message_bytes)
    known = set(night.source.topics())
    bounds = {
        b.partition: b for b in night.source.bounds(sorted(known & set(stored["topic"].unique().to_list())))
    }
    found, gone = [stored.clear()], Gone()
    for (topic, incarnation, number), rows in stored.group_by(_PARTITION, maintain_order=True):
        partition = Partition(str(topic), int(str(number)), str(incarnation))
        offsets = sorted(set(rows["offset"]))
        bound = bounds.get(partition)
        there = [o for o in offsets if bound is not None and bound.earliest <= o < bound.end]
        if len(there) < len(offsets):
            gone[partition] = sorted(set(offsets) - set(there))
        for first, end in offset_ranges(there, _BRIDGED_OFFSETS):
            for batch in night.source.read(OffsetRange(partition, first, end), decoder):
                decoded = unfold(arrow_frame(batch.rows), STREAMS[stream]).with_columns(
                    topic=pl.lit(partition.topic),
                    incarnation=pl.lit(partition.incarnation),
                    partition=pl.lit(partition.partition, pl.Int32),
                )
                taken = decoded.join(rows.select(ROW_IDENTITY), on=ROW_IDENTITY, how="semi")
                found.append(taken.select(stored.columns))
    return pl.concat(found), gone


def _offsets(gone: Gone, stored: pl.DataFrame) -> pl.DataFrame:
    rows = [
        (p.topic, p.incarnation, p.partition, offset) for p, offsets in gone.items() for offset in offsets
    ]
    schema = {name: stored.schema[name] for name in (*_PARTITION, "offset")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def named(gone: Gone) -> list[dict[str, object]]:
    """Name offsets that are gone, for a reader."""
    return [
        {
            "topic": p.topic,
            "incarnation": p.incarnation,
            "partition": p.partition,
            "offsets": ranges_text(offset_ranges(offsets)),
        }
        for p, offsets in sorted(gone.items())
    ]


def _compute(night: Night, traced: Traced, readings: pl.DataFrame, comparison: Comparison) -> None:
    """Compute hours, emissions, elements and figures from readings, comparing each with what is stored."""
    trace = traced.trace
    hours = hours_again(traced.measured, readings)
    comparison.add(
        FACTS_ENERGY.name, trace.hours, hours, FACTS_ENERGY.key,
        ["day", "quantity", "exported", "unit", "coverage", "quality"],
    )  # fmt: skip
    derivation = _figure_derivation(night, traced)
    emissions = _emissions(night, derivation, trace, hours)
    if trace.name.kpi == CARBON:
        values = [n for n in others(emissions, EMISSIONS.key) if n not in ("bucket", "known_at")]
        comparison.add(EMISSIONS.name, trace.emissions, emissions, EMISSIONS.key, values)
    elements = _elements(derivation, hours, emissions).filter(
        pl.col("element") == trace.name.kpi, pl.col("machine") == "*"
    )
    comparison.add(
        ELEMENTS_DAILY.name, trace.elements, elements, ELEMENTS_DAILY.key,
        ["quantity", "unit", "coverage", "quality", "suspect", "reason", "weight_s"],
    )  # fmt: skip
    kpis = _kpis(night, traced, elements)
    days = pl.col("period").ne("day") | pl.col("day").is_in(elements["day"].unique().to_list())
    comparison.add("kpis", trace.kpis.filter(days), kpis, _FIGURE, ["numerator", "value"])
    _compare_release(trace, kpis, comparison)


def hours_again(measured: Measured, readings: pl.DataFrame) -> pl.DataFrame:
    """Derive the stretches' energy from readings, with the state that the stored factory-days have."""
    wanted = measured.readings.select(*ROW_IDENTITY, "stretch")
    parts = [measured.hours.clear()]
    state = measured.hours.group_by("factory", "day").agg(
        pl.col("bucket", "status", "version", "profile_version", "known_at").first()
    )
    for stretch in measured.stretches:
        own = readings.join(wanted.filter(stretch=stretch.number), on=ROW_IDENTITY, how="semi")
        owners = stretch.windows.select("factory", "day", window_start="start")
        energy = measured.derivation.energy_of(own, stretch).join(owners, on=["factory", "window_start"])
        parts.append(energy.join(state, on=["factory", "day"]).select(parts[0].columns))
    return pl.concat(parts)


def _figure_derivation(night: Night, traced: Traced) -> FigureDerivation:
    return FigureDerivation(
        store=night.store,
        staging="",
        versions={},
        profiles=traced.measured.profiles.rows,
        cluster=night.cluster,
        grid=GridTables(pl.DataFrame(), pl.DataFrame(), ""),
        book=kpi_book(),
        in_force=pl.DataFrame(),
        unit_costs=pl.DataFrame(),
        known_on=night.nominal.date(),
        figure_table=EMISSIONS.name,
    )


def _emissions(night: Night, derivation: FigureDerivation, trace: Trace, hours: pl.DataFrame) -> pl.DataFrame:
    """Derive the emissions of hours, by the factors that their month keeps.

    Each row knows of them what was published when it was computed.
    """
    choices = Choices(night.store)
    chosen = choices.of_months()
    stored = trace.emissions.with_columns(
        known_on=pl.col("known_at").dt.convert_time_zone(night.cluster.zone).dt.date(),
        month=pl.col("day").dt.truncate("1mo"),
    )
    buckets = hours.select("factory", "day", "bucket").unique()
    parts = [trace.emissions.drop("known_at").clear()]
    for month, known_on in stored.select("month", "known_on").unique().sort("month", "known_on").iter_rows():
        choice = chosen[month]
        grid = grid_tables(choices, choice.factor_set, choice.gwp_set, choice.purpose)
        own = hours.filter(pl.col("day").dt.truncate("1mo") == month)
        rows = replace(derivation, grid=grid).located(own, known_on).join(buckets, on=["factory", "day"])
        others = stored.filter(pl.col("known_on") != known_on)
        parts.append(rows.join(others, on=list(EMISSIONS.key), how="anti").select(parts[0].columns))
    return pl.concat(parts).unique(maintain_order=True)


def _elements(derivation: FigureDerivation, hours: pl.DataFrame, emissions: pl.DataFrame) -> pl.DataFrame:
    facts = DayFacts(
        energy=hours,
        machines=arrow_frame(FACTS_MACHINE.schema.empty_table()),
        emissions=emissions,
        operations=arrow_frame(FACTS_OPERATIONS.schema.empty_table()),
        meters=derivation.meters_of(hours),
    )
    return daily_elements(facts, {e.element: e.unit for e in kpi_book().elements.values()})


def _kpis(night: Night, traced: Traced, elements: pl.DataFrame) -> pl.DataFrame:
    """Evaluate the figure's formula on days, months and the year, as far as its period asks."""
    trace, book = traced.trace, kpi_book()
    dates = elements["day"].unique().sort().to_list()
    in_force = trace.kpis.filter(period="day").select("day", "kpi", version="definition_version").unique()
    places = places_of(elements, traced.measured.profiles.rows, night.cluster, dates)
    days = day_figures(elements, places, book, in_force.filter(pl.col("day").is_in(dates)))
    subjects = trace.kpis["subject"].unique().to_list()
    own = days.filter(pl.col("subject").is_in(subjects), level="factory")
    parts = [own]
    if trace.period != "day":
        parts.append(month_figures(own, book, night.last_closed_day(night.cluster.zone)))
    if trace.period == "rolling12":
        parts.append(rolling_figures(parts[1], book, [parts[1]["day"].max()]))  # type: ignore[list-item]
    return pl.concat(parts)


def _compare_release(trace: Trace, kpis: pl.DataFrame, comparison: Comparison) -> None:
    """Compare what was published with the rounded sum of the factories' figures."""
    entry: Any = trace.entry
    if entry is None:
        return
    rows = kpis.filter(
        pl.col("value").is_not_null(),
        period=trace.period,
        day=trace.name.day,
        definition_version=entry["definition_version"],
    )
    total = exact_total(rows["numerator"])
    again = None if total is None else round_to_grid(total, entry["grid_step"])
    comparison.compared[RELEASES.name] = 1
    if comparison.difference is None and again != entry["value"]:
        where = {"figure_id": trace.name.text, "sequence": entry["sequence"]}
        comparison.difference = Difference(RELEASES.name, where, "value", entry["value"], again)
