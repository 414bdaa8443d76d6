"""Which factory-days a night must compute, and why a final one may change.

Belongs here: what new rows, new profiles, decisions on suspects, methods and the calendar touch. Does not
belong here: computing; which of several causes is named (pipelines.domain.causes).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.causes import (
    LATE_DATA,
    METER_CORRECTION,
    METHOD_CHANGE,
    PROFILE_CHANGE,
    SUSPECT_ACCEPTED,
    SUSPECT_REVOKED,
    add_cause,
    meters_differ,
)
from pipelines.domain.meters import misfit_meters
from pipelines.domain.methods import FIRST, MAX_GAP, MAX_SILENCE, MAX_STATE, METHOD, METHODS, SETTINGS
from pipelines.domain.zones import local_days
from pipelines.jobs.bounding import Progress, progress_to, stored_progress
from pipelines.jobs.correcting import corrected_readings
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import Profiles, unnested, zones_of
from pipelines.jobs.reaching import reached_by_events
from pipelines.jobs.restating import FINAL, PROVISIONAL, FactoryDay
from pipelines.schemas.tables import (
    ACCEPTED_SUSPECTS,
    FACTS_ENERGY,
    FACTS_MACHINE,
    FACTS_OPERATIONS,
    RAW,
    Table,
)

RawSnapshots = dict[str, OpenTable]
Since = Mapping[str, int | None]
"""Source (a table, or the method) -> the version of it that is accounted for; null: none."""
SOURCES: dict[str, tuple[str, ...]] = {
    FACTS_ENERGY.name: ("energy",),
    FACTS_MACHINE.name: ("states", "counts"),
    FACTS_OPERATIONS.name: ("orders", "shipments", "safety", "stock", "costs"),
}
_BESIDE: dict[str, tuple[str, ...]] = {FACTS_ENERGY.name: ("profile", "accepted")}
SOURCE_TABLES: dict[str, Table] = {**RAW, "accepted": ACCEPTED_SUSPECTS}
_OWNERS = {
    "energy": "meter", "states": "machine", "counts": "machine",
    "orders": "order", "shipments": "shipment", "safety": "event", "stock": "product", "costs": "event",
}  # fmt: skip
_IN_PROFILES = {"meter", "machine"}
_LASTING = {"states"}
# What is kept of new rows by owner and day, and how it is made of rows and of parts.
_BOUNDS = {"first_at": pl.col("at").min(), "last_at": pl.col("at").max()}
_STATE_BOUNDS = {**_BOUNDS, "changes": pl.col("until").is_null().any(), "ends_at": pl.col("until").max()}
_MERGED = {
    "first_at": pl.col("first_at").min(),
    "last_at": pl.col("last_at").max(),
    "changes": pl.col("changes").any(),
    "ends_at": pl.col("ends_at").max(),
}
# Rows of one owner that are differences only among themselves.
_APART = {"energy": "kind", "counts": "product"}


@dataclass(frozen=True)
class Span:
    """The days for which facts of a factory are expected, both included."""

    first: date
    last: date

    def covers(self, day: date) -> bool:
        """Say whether a day is in the span."""
        return self.first <= day <= self.last

    def days(self) -> Iterator[date]:
        """Give the days in order."""
        return (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))


@dataclass(frozen=True)
class Touched:
    """Factory-days to compute.

    Args:
        causes: why each may change, should it be final.
        spans: expected days by factory.
        left_for_later: how many days were left out, newest, because of the bound on days.
        progress: how far the night comes, if days are left out; else null.
        without_profile: factories that send but have no profile.
        strangers: meters and machines that sent something new and are in no profile, or have a unit that
            doesn't fit it, as factory/id.
        method: how the method by which stored days were computed differs from today's; null: it doesn't.
    """

    causes: Mapping[FactoryDay, str]
    spans: dict[str, Span]
    left_for_later: int
    progress: Progress | None
    without_profile: list[str]
    strangers: list[str]
    method: str | None


def sources_of(table: Table) -> tuple[str, ...]:
    """Return the names of the sources that a fact table is computed from, as SOURCE_TABLES has them."""
    return (*SOURCES[table.name], *_BESIDE.get(table.name, ("profile",)))


def versions_now(night: Night, table: Table, raw: RawSnapshots) -> dict[str, int]:
    """Return source -> the version that a night works with: its tables' snapshots, and today's method."""
    tables = {t.table.name: t.version for t in raw.values()}
    settings = {
        MAX_GAP: night.max_gap_s,
        MAX_STATE: night.max_state_s or 0,
        MAX_SILENCE: night.max_silence_s or 0,
    }
    return {**tables, METHOD: METHODS[table.name], **settings}


def touched_days(night: Night, profiles: Profiles, facts: OpenTable, raw: RawSnapshots) -> Touched:
    """Return the factory-days whose facts may differ from what is stored.

    They are the days that new rows reach, the days of new profiles and decisions, every stored day if the
    method is new, the days that are not final yet, and the expected days without a row; oldest first, bounded
    by the night's max_days. What a bounded night has computed already, and nothing has touched since, is left
    out.
    """
    now = versions_now(night, facts.table, raw)
    consumed: Since = {source: facts.position(source) for source in now}
    news = {s: _news(consumed, raw[s], _OWNERS[s]) for s in SOURCES[facts.table.name]}
    stored = facts.scan().select("factory", "day", "status", "profile_version").unique().collect()
    waiting = _long_waiting(SOURCES[facts.table.name], consumed, raw, profiles, stored)
    spans = _spans(night, profiles, stored, news, waiting)
    causes = _causes(_Touching(night, profiles, facts.table, raw, spans, stored), consumed, news)
    not_final = stored.filter(pl.col("status") == PROVISIONAL).select("factory", "day")
    have = set(stored.select("factory", "day").iter_rows())
    missing = {(f, d) for f, span in spans.items() for d in span.days()} - have
    still_open: set[FactoryDay] = {*not_final.iter_rows(), *missing}
    bounded = stored_progress(facts, now)
    if bounded is not None:
        since = {s: _news(bounded.versions, raw[s], _OWNERS[s]) for s in news}
        causes = {p: c for p, c in causes.items() if p[1] > bounded.through}
        touching = _Touching(night, profiles, facts.table, raw, spans, stored)
        for place, cause in _causes(touching, bounded.versions, since).items():
            add_cause(causes, [place], cause)
        if bounded.nominal_s == int(night.nominal.timestamp()):
            still_open = {p for p in still_open if p[1] > bounded.through}
    for place in still_open:
        causes.setdefault(place, LATE_DATA)
    with_profile = set(profiles.factories)
    wanted = {
        p: c for p, c in causes.items() if p[0] in spans and spans[p[0]].covers(p[1]) and p[0] in with_profile
    }
    days = sorted({day for _, day in wanted})
    taken, left = set(days[: night.max_days]), days[night.max_days :]
    return Touched(
        {place: cause for place, cause in wanted.items() if place[1] in taken},
        spans,
        len(left),
        progress_to(left[0] - timedelta(days=1), now, night.nominal) if left else None,
        sorted(set(spans) - with_profile),
        sorted(
            {
                *(place for stream, rows in news.items() for place in _strangers(profiles, stream, rows)),
                *_misfits(night, profiles, consumed, raw),
            }
        ),
        _other_method(consumed, now) if not stored.is_empty() else None,
    )


@dataclass(frozen=True)
class _Touching:
    """What every question of touching needs: the night, what it knows, and what is stored.

    Args:
        night: the night.
        profiles: all profiles.
        table: the fact table.
        raw: its sources.
        spans: expected days by factory.
        stored: factory, day, status, profile_version of what is stored.
    """

    night: Night
    profiles: Profiles
    table: Table
    raw: RawSnapshots
    spans: Mapping[str, Span]
    stored: pl.DataFrame


def _causes(about: _Touching, since: Since, news: Mapping[str, pl.DataFrame]) -> dict[FactoryDay, str]:
    """Return the factory-days that anything new reaches, with the cause that is named."""
    causes: dict[FactoryDay, str] = {}
    if _other_method(since, versions_now(about.night, about.table, about.raw)) is not None:
        add_cause(causes, about.stored.select("factory", "day").iter_rows(), METHOD_CHANGE)
    for stream, rows in news.items():
        add_cause(causes, _reached(about.night, stream, rows, about.raw[stream], about.spans), LATE_DATA)
    for place, cause in _of_profiles(about, since):
        add_cause(causes, [place], cause)
    for place, cause in _of_decisions(about, since):
        add_cause(causes, [place], cause)
    if "energy" in news:
        raw = about.raw["energy"]
        final = set(about.stored.filter(pl.col("status") == FINAL)["day"])
        corrected = corrected_readings(about.night, raw, since[raw.table.name], final)
        reached = _reached(about.night, "energy", corrected, raw, about.spans)
        add_cause(causes, reached, METER_CORRECTION)
    return causes


def _other_method(since: Since, now: Mapping[str, int]) -> str | None:
    """Say, as `before -> now`, how the accounted method differs from today's; null: it does not."""
    for name, unsaid in {METHOD: FIRST, **SETTINGS}.items():
        used = unsaid if since[name] is None else since[name]
        if used is not None and used != now[name]:
            return f"{name} {used} -> {now[name]}"
    return None


def _of_profiles(about: _Touching, since: Since) -> Iterator[tuple[FactoryDay, str]]:
    """Give the expected days of new profiles, and whether the profile corrects the day's meters."""
    used = {(f, d): version for f, d, _, version in about.stored.iter_rows()}
    for factory, day in _profile_days(since, about.raw["profile"], about.profiles, about.spans):
        before = about.profiles.meters.get(used.get((factory, day), ""))
        after = about.profiles.of_day(factory, day)
        corrects = (
            about.table.name == FACTS_ENERGY.name
            and before is not None
            and after is not None
            and meters_differ(before, about.profiles.meters[after.profile_version], after.start, after.end)
        )
        yield (factory, day), METER_CORRECTION if corrects else PROFILE_CHANGE


def _of_decisions(about: _Touching, since: Since) -> Iterator[tuple[FactoryDay, str]]:
    """Give the days on which suspects have been accepted or are so no longer, after a version."""
    if "accepted" not in about.raw:
        return
    table = about.raw["accepted"]
    added = _added_files(since, table)
    rows = table.scan().collect() if added is None else table.read_files(added, table.table.schema.names)
    zones = zones_of(about.night)
    first = local_days(rows.select("factory", at="start"), zones)
    last = local_days(rows.select("factory", at="end"), zones)
    for factory, decision, begin, end in rows.select(
        "factory", "decision", first=first, last=last
    ).iter_rows():
        cause = SUSPECT_ACCEPTED if decision == "accept" else SUSPECT_REVOKED
        # To the day of its end, included: a gap that ends there may belong to that day.
        for day in Span(begin, end).days():
            yield (factory, day), cause


def _news(since: Since, raw: OpenTable, owner: str) -> pl.DataFrame:
    """Return factory, owner, day, first_at, last_at of the rows that came after a version.

    Of energy each kind, of counts each product for itself. Of states also changes (whether any is a change,
    not a stop record) and ends_at (the latest end of the stop records).
    """
    actions = raw.changes_since(since[raw.table.name])
    apart = [name for stream, name in _APART.items() if raw.table.name == RAW[stream].name]
    keys = ["factory", owner, *apart, "day"]
    lasting = raw.table.name in {RAW[stream].name for stream in _LASTING}
    bounds = _STATE_BOUNDS if lasting else _BOUNDS
    columns = ["factory", owner, *apart, "at", *(["until"] if lasting else [])]
    if actions is None:
        return raw.scan().group_by(keys).agg(**bounds).sort(keys).collect()
    parts = [
        raw.read_files([a["path"]], columns)
        .with_columns(day=pl.lit(date.fromisoformat(a["partitionValues"]["day"])))
        .group_by(keys)
        .agg(**bounds)
        for a in actions
        if a["kind"] == "add"
    ]
    if not parts:
        return raw.scan().group_by(keys).agg(**bounds).limit(0).collect()
    return pl.concat(parts).group_by(keys).agg(**{name: _MERGED[name] for name in bounds}).sort(keys)


def _strangers(profiles: Profiles, stream: str, rows: pl.DataFrame) -> Iterator[str]:
    """Give factory/id of the meters or machines of new rows that no profile of a known factory names."""
    owner = _OWNERS[stream]
    if owner not in _IN_PROFILES:
        return iter(())
    known = unnested(profiles.rows, f"{owner}s").select("factory", owner)
    ours = rows.filter(pl.col("factory").is_in(profiles.factories))
    unknown = ours.join(known, on=["factory", owner], how="anti")
    return (f"{factory}/{name}" for factory, name in unknown.select("factory", owner).unique().iter_rows())


def _misfits(night: Night, profiles: Profiles, since: Since, raw: RawSnapshots) -> Iterator[str]:
    """Give factory/meter of new readings whose unit doesn't fit the carrier that the profile gives them."""
    if "energy" not in raw:
        return iter(())
    columns = ["factory", "meter", "kind", "unit"]
    # File by file: of a night's readings a few rows are left each time.
    added = [
        raw["energy"].read_files([f], columns).unique() for f in _added_files(since, raw["energy"]) or []
    ]
    sent = pl.concat([raw["energy"].empty().select(columns), *added]).unique()
    misfit = misfit_meters(sent, unnested(profiles.rows, "meters"), night.unit_multipliers)
    return (f"{factory}/{meter} (unit)" for factory, meter in misfit.select("factory", "meter").iter_rows())


def _added_files(since: Since, raw: OpenTable) -> list[str] | None:
    """Return the files that a raw table got after a version; null: the log no longer says."""
    actions = raw.changes_since(since[raw.table.name])
    return None if actions is None else [a["path"] for a in actions if a["kind"] == "add"]


def _long_waiting(
    streams: Sequence[str], since: Since, raw: RawSnapshots, profiles: Profiles, stored: pl.DataFrame
) -> pl.DataFrame:
    """Return factory, day of rows that came before their factory's first profile, once that has come."""
    new = _new_profiles(since, raw["profile"], profiles)["factory"]
    waiting = sorted(set(new) - set(stored["factory"]))
    parts = [stored.select("factory", "day").clear()]
    if waiting:
        for stream in streams:
            rows = raw[stream].scan().filter(pl.col("factory").is_in(waiting))
            parts.append(rows.select("factory", "day").unique().collect())
    return pl.concat(parts).unique()


def _spans(
    night: Night,
    profiles: Profiles,
    stored: pl.DataFrame,
    news: Mapping[str, pl.DataFrame],
    waiting: pl.DataFrame,
) -> dict[str, Span]:
    """Return the expected days of each factory: from its first day with rows to its zone's last closed day.

    Factories of a cluster that is open to imports have no live streams: theirs end with their last row.
    """
    known = [
        stored.select("factory", "day"),
        waiting,
        *(rows.select("factory", "day") for rows in news.values()),
    ]
    bounds = pl.concat(known).group_by("factory").agg(first=pl.col("day").min(), last=pl.col("day").max())
    zones = dict(profiles.latest().select("factory", "zone").iter_rows())
    spans = {}
    for factory, first, last in bounds.iter_rows():
        closed = night.last_closed_day(zones.get(factory, night.cluster.zone))
        end = min(last, closed) if night.cluster.open_to_imports else closed
        if first <= end:
            spans[factory] = Span(first, end)
    return spans


def _new_profiles(since: Since, raw: OpenTable, profiles: Profiles) -> pl.DataFrame:
    """Return the profiles that have been sent after a version."""
    added = _added_files(since, raw)
    if added is None:
        return profiles.rows
    if not added:
        return profiles.rows.clear()
    sent = raw.read_files(added, ["factory", "valid_from"]).unique()
    return profiles.rows.join(sent, on=["factory", "valid_from"], how="semi")


def _profile_days(
    since: Since, raw: OpenTable, profiles: Profiles, spans: Mapping[str, Span]
) -> Iterator[FactoryDay]:
    """Give the expected days of which a profile has been sent after a version."""
    rows = _new_profiles(since, raw, profiles)
    for factory, begin, end in rows.select("factory", "valid_from", "valid_to").iter_rows():
        for day in spans[factory].days() if factory in spans else ():
            if day >= begin.date() - timedelta(days=1) and (
                end is None or day <= end.date() + timedelta(days=1)
            ):
                yield factory, day


def _reached(
    night: Night, stream: str, rows: pl.DataFrame, raw: OpenTable, spans: Mapping[str, Span]
) -> Iterator[FactoryDay]:
    """Give the factory-days that new rows reach.

    A reading reaches the days within the longest bridged gap on both sides (a state or count also those for
    which it breaks a silence), and the day of the next reading
    of its kind, which owns the gap between them. A machine's change of state reaches every day until its next
    change, a stop record every day until its end. What an
    event of operations reaches is told in pipelines.jobs.reaching.
    """
    if rows.is_empty():
        return
    if stream in SOURCES[FACTS_OPERATIONS.name]:
        for factory, first, last in reached_by_events(stream, _OWNERS[stream], rows, raw, zones_of(night)):
            if factory in spans:
                until = last or spans[factory].last
                yield from ((factory, d) for d in spans[factory].days() if first <= d <= until)
        return
    owner, zones = _OWNERS[stream], zones_of(night)
    silence_s = (night.max_silence_s or 0) if stream in SOURCES[FACTS_MACHINE.name] else 0
    gap = timedelta(seconds=max(night.max_gap_s, silence_s))
    before = local_days(rows.select("factory", at=pl.col("first_at") - gap), zones)
    after = local_days(rows.select("factory", at=pl.col("last_at") + gap), zones)
    places = rows.with_columns(before=before, after=after, next=_next_days(rows, raw, owner))
    for factory, day, begin, end, following in places.select(
        "factory", "day", "before", "after", "next"
    ).iter_rows():
        yield from ((factory, d) for d in {day, begin, end})
        if stream not in _LASTING and following is not None:
            yield factory, following
    if stream in _LASTING:
        yield from _lasting(places, zones, spans)


def _lasting(places: pl.DataFrame, zones: pl.DataFrame, spans: Mapping[str, Span]) -> Iterator[FactoryDay]:
    """Give every day that new changes of state and stop records hold on."""
    ends = places.filter(pl.col("ends_at").is_not_null()).select("factory", "day", at="ends_at")
    stops = ends.with_columns(last=local_days(ends, zones)).select("factory", "day", "last")
    changes = places.filter("changes").select("factory", "day", last="next")
    for factory, day, last in pl.concat([stops, changes]).iter_rows():
        if factory in spans:
            until = spans[factory].last if last is None else min(last, spans[factory].last)
            yield from ((factory, d) for d in Span(day, until).days())


def _next_days(rows: pl.DataFrame, raw: OpenTable, owner: str) -> pl.Series:
    """Return the day of the next stored row after each (factory, owner, day); null: there is none.

    Of states the next change: a stop record ends no state. Of readings the next of their kind, of counts the
    next of their product.
    """
    keys = ["factory", owner, *(name for name in _APART.values() if name in rows.columns and name != owner)]
    ends = pl.col("until").is_null() if "changes" in rows.columns else pl.lit(value=True)
    first = rows["day"].min()
    later = (
        raw.scan()
        .filter(pl.col("day") > first, ends)
        .select(*keys, "day")
        .unique()
        .collect()
        .rename({"day": "next"})
        .sort("next")
    )
    shifted = (
        rows.with_row_index("row")
        .with_columns(after_day=pl.col("day") + pl.duration(days=1))
        .sort("after_day")
    )
    joined = shifted.join_asof(
        later,
        left_on="after_day",
        right_on="next",
        by=keys,
        strategy="forward",
        check_sortedness=False,  # sorted above; Polars can't check within groups and would warn
    )
    return joined.sort("row")["next"]
