"""Which factory-days a night must compute, and why a final one may change.

Belongs here: what new rows, new profiles and the calendar touch. Does not belong here: computing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.meters import misfit_meters
from pipelines.domain.zones import local_days
from pipelines.jobs.bounding import Progress, progress_to, stored_progress
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import Profiles, unnested, zones_of
from pipelines.jobs.reaching import reached_by_events
from pipelines.jobs.restating import PROVISIONAL, FactoryDay
from pipelines.schemas.tables import FACTS_ENERGY, FACTS_MACHINE, FACTS_OPERATIONS

RawSnapshots = dict[str, OpenTable]
Since = Mapping[str, int | None]
"""Raw table -> the version of it that is accounted for; null: none."""
SOURCES: dict[str, tuple[str, ...]] = {
    FACTS_ENERGY.name: ("energy",),
    FACTS_MACHINE.name: ("states", "counts"),
    FACTS_OPERATIONS.name: ("orders", "shipments", "safety", "stock", "costs"),
}
_OWNERS = {
    "energy": "meter", "states": "machine", "counts": "machine",
    "orders": "order", "shipments": "shipment", "safety": "event", "stock": "product", "costs": "event",
}  # fmt: skip
_IN_PROFILES = {"meter", "machine"}
_LASTING = {"states"}


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
        causes: why each may change, should it be final: late_data or profile_change.
        spans: expected days by factory.
        left_for_later: how many days were left out, newest, because of the bound on days.
        progress: how far the night comes, if days are left out; else null.
        without_profile: factories that send but have no profile.
        strangers: meters and machines that sent something new and are in no profile, or have a unit that
            doesn't fit it, as factory/id.
    """

    causes: Mapping[FactoryDay, str]
    spans: dict[str, Span]
    left_for_later: int
    progress: Progress | None
    without_profile: list[str]
    strangers: list[str]


def touched_days(night: Night, profiles: Profiles, facts: OpenTable, raw: RawSnapshots) -> Touched:
    """Return the factory-days whose facts may differ from what is stored.

    They are the days that new rows reach, the days of new profiles, the days that are not final yet, and the
    expected days without a row; oldest first, bounded by the night's max_days. What a bounded night has
    computed already, and nothing has touched since, is left out.
    """
    consumed: Since = {t.table.name: facts.position(t.table.name) for t in raw.values()}
    news = {s: _news(consumed, raw[s], _OWNERS[s]) for s in SOURCES[facts.table.name]}
    stored = facts.scan().select("factory", "day", "status").unique().collect()
    waiting = _long_waiting(SOURCES[facts.table.name], consumed, raw, profiles, stored)
    spans = _spans(night, profiles, stored, news, waiting)
    causes = _causes(night, profiles, raw, spans, consumed, news)
    not_final = stored.filter(pl.col("status") == PROVISIONAL).select("factory", "day")
    have = set(stored.select("factory", "day").iter_rows())
    missing = {(f, d) for f, span in spans.items() for d in span.days()} - have
    still_open: set[FactoryDay] = {*not_final.iter_rows(), *missing}
    bounded = stored_progress(facts, raw)
    if bounded is not None:
        since = {s: _news(bounded.versions, raw[s], _OWNERS[s]) for s in news}
        causes = {p: c for p, c in causes.items() if p[1] > bounded.through}
        causes |= _causes(night, profiles, raw, spans, bounded.versions, since)
        if bounded.nominal_s == int(night.nominal.timestamp()):
            still_open = {p for p in still_open if p[1] > bounded.through}
    for place in still_open:
        causes.setdefault(place, "late_data")
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
        progress_to(left[0] - timedelta(days=1), raw, night.nominal) if left else None,
        sorted(set(spans) - with_profile),
        sorted(
            {
                *(place for stream, rows in news.items() for place in _strangers(profiles, stream, rows)),
                *_misfits(night, profiles, consumed, raw),
            }
        ),
    )


def _causes(
    night: Night,
    profiles: Profiles,
    raw: RawSnapshots,
    spans: Mapping[str, Span],
    since: Since,
    news: Mapping[str, pl.DataFrame],
) -> dict[FactoryDay, str]:
    """Return the factory-days that new profiles and rows reach, with the cause."""
    causes: dict[FactoryDay, str] = dict.fromkeys(
        _profile_days(since, raw["profile"], profiles, spans), "profile_change"
    )
    for stream, rows in news.items():
        causes |= dict.fromkeys(_reached(night, stream, rows, raw[stream], spans), "late_data")
    return causes


def _news(since: Since, raw: OpenTable, owner: str) -> pl.DataFrame:
    """Return factory, owner, day, first_at, last_at of the rows that came after a version."""
    actions = raw.changes_since(since[raw.table.name])
    keys = ["factory", owner, "day"]
    bounds = [pl.col("at").min().alias("first_at"), pl.col("at").max().alias("last_at")]
    if actions is None:
        return raw.scan().group_by(keys).agg(bounds).sort(keys).collect()
    parts = [
        raw.read_files([a["path"]], ["factory", owner, "at"])
        .with_columns(day=pl.lit(date.fromisoformat(a["partitionValues"]["day"])))
        .group_by(keys)
        .agg(bounds)
        for a in actions
        if a["kind"] == "add"
    ]
    if not parts:
        return raw.scan().group_by(keys).agg(bounds).limit(0).collect()
    merged = pl.concat(parts).group_by(keys)
    return merged.agg(pl.col("first_at").min(), pl.col("last_at").max()).sort(keys)


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
    added = _added_files(since, raw["energy"]) or []
    sent = raw["energy"].read_files(added, ["factory", "meter", "kind", "unit"]).unique()
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

    A reading reaches the days within the longest bridged gap on both sides, and the day of the next reading,
    which owns the gap between them. A machine's state reaches every day until its next change. What an event
    of operations reaches is told in pipelines.jobs.reaching.
    """
    if rows.is_empty():
        return
    if stream in SOURCES[FACTS_OPERATIONS.name]:
        for factory, first, last in reached_by_events(stream, _OWNERS[stream], rows, raw, zones_of(night)):
            if factory in spans:
                until = last or spans[factory].last
                yield from ((factory, d) for d in spans[factory].days() if first <= d <= until)
        return
    owner, zones, gap = _OWNERS[stream], zones_of(night), timedelta(seconds=night.max_gap_s)
    before = local_days(rows.select("factory", at=pl.col("first_at") - gap), zones)
    after = local_days(rows.select("factory", at=pl.col("last_at") + gap), zones)
    places = rows.with_columns(before=before, after=after, next=_next_days(rows, raw, owner))
    for factory, day, begin, end, following in places.select(
        "factory", "day", "before", "after", "next"
    ).iter_rows():
        yield from ((factory, d) for d in {day, begin, end})
        last = following or (spans[factory].last if factory in spans else day)
        if stream in _LASTING:
            yield from ((factory, d) for d in Span(day, last).days())
        elif following is not None:
            yield factory, following


def _next_days(rows: pl.DataFrame, raw: OpenTable, owner: str) -> pl.Series:
    """Return the day of the next stored row after each (factory, owner, day); null: there is none."""
    keys = ["factory", owner]
    first = rows["day"].min()
    later = (
        raw.scan()
        .filter(pl.col("day") > first)
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
