"""Inventories from the carbon ledger: a version of a statement with the lines that it adds.

Belongs here: which version of which rows an inventory needs. Does not belong here: lines for the trading
scheme (scheme_inventory), emissions (pipelines.domain.carbon), forms (pipelines.publish.inventory_formats).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.domain.carbon.inventory_lines import inventory_lines
from pipelines.domain.carbon.statements import Boundary
from pipelines.domain.emissions.inventory import (
    BOUGHT_HEAT_CATEGORY,
    CATEGORIES,
    DIRECT_CATEGORY,
    ELECTRICITY_CATEGORY,
    OUT_OF_BOUNDARY,
    Inventory,
    InventoryLine,
    InventoryTotal,
    Stated,
    agrees,
)
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.periods import months_after
from pipelines.jobs.asked_periods import period_of
from pipelines.jobs.carbon import Ledger, line_frame
from pipelines.jobs.carbon_activities import PLACE
from pipelines.jobs.carbon_statements import Statement, Subject, boundary_of
from pipelines.jobs.cited_rows import cited_rows
from pipelines.jobs.factor_choices import Choices
from pipelines.jobs.history import unknown_factory
from pipelines.jobs.night import Night
from pipelines.jobs.profiles import read_profiles
from pipelines.jobs.statement_reading import shown
from pipelines.jobs.versions import newest
from pipelines.schemas.tables import ACTIVITIES, EMISSION_LINES, EMISSION_STATEMENTS

_NONE_TOLD = {
    DIRECT_CATEGORY: "no fuel, process gas or refrigerant was metered or told in the period",
    ELECTRICITY_CATEGORY: "no electricity was metered or told in the period",
    BOUGHT_HEAT_CATEGORY: "no heat or steam was metered or told in the period",
}
_GASES = {"co2_kg": "CO2", "ch4_kg": "CH4", "n2o_kg": "N2O"}
_MISSING = re.compile(r"incomplete:(\d+)")


def read_inventory(
    night: Night, factory: str, period: str, about: Mapping[str, str], version: int | None = None
) -> Inventory:
    """Read the inventory of a factory and a month (`2025-11`) or year (`2025`), as its statement says it.

    Args:
        night: its store.
        factory: whose.
        period: month or year.
        about: what tables don't know.
        version: of the statement; null: the newest.

    Returns:
        The lines of the statement's version; without lines, if nothing was ever stated of the period.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory, period or version; INCONSISTENT: neither the stored
            lines nor those computed from what the version knew add up to it.
    """
    one = statement_of(night, factory, period)
    stored = night.store.open(EMISSION_STATEMENTS).scan().filter(pl.col("statement_id") == one.statement_id)
    if version is None and stored.head(1).collect().is_empty():
        return inventory_of(night, one, about, (), None, one.boundary, ())
    rows = shown(night, one.statement_id, version, "sums")
    said, boundary = stated_of(rows), Boundary.of(json.loads(rows["boundary"][0]))
    for ways in (_stored_lines, _computed_lines):
        every, factor_sets = ways(night, one, rows.row(0, named=True))
        lines = within(every, boundary)
        if agrees([line for line in lines if line.emits], said.sums):
            cited = cited_rows(Choices(night.store), factor_sets, lines)
            return inventory_of(night, one, about, lines, said, boundary, cited)
    raise OperatorError(
        f"{one.statement_id}, version {said.version}: its lines don't add up to it, other code computed it; "
        "export the newest version, or `digital-cluster restate --adopt` to make one.",
        f"{one.statement_id} 버전 {said.version}: 다른 코드로 계산되어 내역의 합이 명세와 맞지 않습니다. "
        "최신 버전을 내보내거나 `digital-cluster restate --adopt`로 새 버전을 만드세요.",
        ExitCode.INCONSISTENT,
    )


def statement_of(night: Night, factory: str, period: str) -> Statement:
    """Name the statement of a factory and a month or year, with the boundary of today's policy.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory, or no period.
    """
    start, end = period_of(period)
    if read_profiles(night).latest().filter(factory=factory).is_empty():
        raise unknown_factory(night.store, factory)
    kind = "year" if end > months_after(start, 1) else "month"
    name = f"{night.cluster.cluster}/factory/{factory}/{kind}/{start}"
    subject = Subject("factory", factory, (factory,))
    return Statement(name, subject, kind, start, end, boundary_of(night.cluster, (factory,)))


def _stored_lines(
    night: Night, one: Statement, head: Mapping[str, Any]
) -> tuple[tuple[InventoryLine, ...], set[str]]:
    """Return the lines that were the newest when a version was made, and the factor sets of their months."""
    mine = (pl.col("factory") == one.subject.subject) & pl.col("month").is_between(
        one.start, one.end, closed="left"
    )
    known = pl.col("known_at") <= head["known_at"]
    lines = night.store.open(EMISSION_LINES).scan().filter(mine, known).collect()
    rows = newest(lines, [*PLACE, "method"])
    activities = night.store.open(ACTIVITIES).scan().filter(mine).collect()
    return inventory_lines(rows, activities), {*rows["factor_set"]}


def _computed_lines(
    night: Night, one: Statement, head: Mapping[str, Any]
) -> tuple[tuple[InventoryLine, ...], set[str]]:
    """Compute the lines of a version again, from the activities and factors that it knew."""
    choices = Choices(night.store)
    ledger = Ledger(night, night.store.open(ACTIVITIES), choices, {one.start.year})
    sequence, choice = head["ledger_sequence"], head["choice_sequence"]
    chosen = choices.of_months(choice)
    lines = ledger.lines_by(sequence, choices.bases(choice), "stated")
    mine = [
        line
        for line in lines
        if line.entry.factory == one.subject.subject and one.start <= line.entry.month < one.end
    ]
    held = ledger.held(sequence)
    used = {chosen[line.entry.month].factor_set for line in mine}
    return inventory_lines(line_frame(mine, held, chosen), held), used


def stated_of(rows: pl.DataFrame) -> Stated:
    """Return the rows of one version of a statement as what an inventory repeats; transfers are no sum."""
    head = rows.row(0, named=True)
    sums = rows.filter(pl.col("scope") != "transfers")
    return Stated(
        head["statement_id"],
        head["version"],
        head["known_at"],
        head.get("cause"),
        head.get("note"),
        tuple(_total(row) for row in sums.iter_rows(named=True)),
        bool(rows["provisional"].any()),
    )


def _total(row: Mapping[str, Any]) -> InventoryTotal:
    reasons = tuple(row["reason"].split(";")) if row["reason"] else ()
    missing = [int(found[1]) for reason in reasons if (found := _MISSING.fullmatch(reason))]
    others: dict[str, float] = json.loads(row["other_gases"]) if row["other_gases"] else {}
    return InventoryTotal(
        row["scope"],
        row["method"],
        row["gwp_set"],
        row["co2e_kg"],
        sum(missing),
        {gas: row[name] for name, gas in _GASES.items() if row[name] is not None} | others,
        row["co2_biogenic_kg"],
        row["uncertainty_low_pct"],
        row["uncertainty_high_pct"],
        reasons,
    )


def within(lines: Sequence[InventoryLine], boundary: Boundary) -> tuple[InventoryLine, ...]:
    """Leave out what a boundary excludes."""
    return tuple(
        line
        for line in lines
        if not any(e.leaves_out(line.factory, line.activity) for e in boundary.exclusions)
    )


def inventory_of(
    night: Night,
    one: Statement,
    about: Mapping[str, str],
    lines: Sequence[InventoryLine],
    said: Stated | None,
    boundary: Boundary,
    factors: tuple[Mapping[str, Any], ...],
) -> Inventory:
    """Put an inventory together: whose it is, what emits and what doesn't, why a category has no line."""
    profile = read_profiles(night).latest().filter(factory=one.subject.subject)
    emitting = tuple(line for line in lines if line.emits)
    return Inventory(
        cluster=night.cluster.cluster,
        organisation=profile["name"][0],
        approach=boundary.approach,
        factories=boundary.factories,
        exclusions=tuple(
            f"{e.factory}{'' if e.activity is None else f'/{e.activity}'}: {e.reason}"
            for e in boundary.exclusions
        ),
        start=one.start,
        end=one.end,
        lines=emitting,
        not_quantified={
            key: _NONE_TOLD.get(key, OUT_OF_BOUNDARY)
            for key in CATEGORIES
            if key not in {line.category for line in emitting}
        },
        factors=factors,
        known_at=None if said is None else said.known_at,
        about=about,
        leased=boundary.leased,
        not_counted=tuple(line for line in lines if not line.emits),
        stated=said,
    )
