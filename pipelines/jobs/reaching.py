"""Which days new events of operations reach: orders, shipments, hours and incidents, stock, costs.

Belongs here: the reach of an event, wide enough for the rules of pipelines.domain.operations and its
neighbours. Does not belong here: meters and machines, and which of these days are expected
(pipelines.jobs.touching).

A new event reaches every day from a week before it on: what it says holds from then on (a level, a running
order, a period), and that the stream speaks at all covers days before and after it. Earlier days are reached
through what it is about: those on which a step of the same order lies or was promised, the departure and
the due time of the same shipment. What is said a second time may differ in everything, so it reaches every
day from the first instant that the two speak of.
"""

from collections.abc import Iterator
from datetime import date

import polars as pl

from pipelines.connectors.store import OpenTable
from pipelines.domain.operations import QUIET_DAYS
from pipelines.domain.zones import local_days

Reach = tuple[str, date, date | None]
"""A factory and the days from one to another; null: from one on."""
_TIMES = {
    "orders": ("at", "promised_at"),
    "shipments": ("at", "due_at"),
    "safety": ("at", "until"),
    "costs": ("at", "until"),
}
_STEPS = {"orders": ("step",)}
_OF_ONE_DAY = {"orders", "shipments"}


def reached_by_events(
    stream: str, owner: str, news: pl.DataFrame, raw: OpenTable, zones: pl.DataFrame
) -> Iterator[Reach]:
    """Give the days that new events of operations reach; the rule stands at the head of this module.

    Args:
        stream: orders, shipments, safety, stock or costs.
        owner: the column that says what an event is about.
        news: ``factory``, `owner`, ``first_at`` of the new rows.
        raw: the stream's raw table, with the new rows.
        zones: as pipelines.domain.zones.local_days takes them.
    """
    first = news.group_by("factory").agg(at=pl.col("first_at").min() - pl.duration(days=QUIET_DAYS))
    days = first.with_columns(day=local_days(first, zones)).sort("factory")
    yield from ((factory, day, None) for factory, day in days.select("factory", "day").iter_rows())
    if stream not in _TIMES:
        return
    told = _told_of(owner, news, raw)
    if stream in _OF_ONE_DAY:
        at = pl.concat([told.select("factory", at=name) for name in _TIMES[stream]]).drop_nulls().unique()
        points = at.select("factory", day=local_days(at, zones)).unique().sort("factory", "day")
        yield from ((factory, day, day) for factory, day in points.iter_rows())
    again = told.filter(pl.struct("factory", owner, *_STEPS.get(stream, ())).is_duplicated())
    since = told.join(again, on=["factory", owner], how="semi").group_by("factory")
    begun = since.agg(at=pl.min_horizontal(pl.col(name).min() for name in _TIMES[stream]))
    days = begun.with_columns(day=local_days(begun, zones)).sort("factory")
    yield from ((factory, day, None) for factory, day in days.select("factory", "day").iter_rows())


def _told_of(owner: str, news: pl.DataFrame, raw: OpenTable) -> pl.DataFrame:
    """Read every row about what the new rows are about."""
    owners = news.select("factory", owner).unique()
    mine = pl.col(owner).is_in(owners[owner].implode()) & pl.col("factory").is_in(owners["factory"].implode())
    return raw.scan().filter(mine).collect().join(owners, on=["factory", owner], how="semi")
