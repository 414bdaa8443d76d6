"""Inventories for the Korean trading scheme: the ledger's activities, computed for its purpose.

Belongs here: what an operator names for the scheme, lines of purpose k_ets. Does not belong here: the
ledger's own statements (inventory), emissions (pipelines.domain.carbon), what the form demands
(pipelines.publish.inventory_formats).

The ledger keeps figures for disclosure only. The scheme settles by the factor of the allocation decision, so
its lines are computed when they are asked for, from the factors that each month keeps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from pipelines.domain.carbon.entries import Entry, entries_of
from pipelines.domain.carbon.inventory_lines import inventory_lines
from pipelines.domain.carbon.ledger import Basis, Line
from pipelines.domain.emissions.evaluation import Request
from pipelines.domain.emissions.gases import gwp_set
from pipelines.domain.emissions.inventory import Inventory
from pipelines.domain.emissions.rates import Tables
from pipelines.domain.onramp import unusable
from pipelines.jobs.carbon import Ledger, is_closed, line_frame
from pipelines.jobs.carbon_statements import Statement, content_frame, statement_rows
from pipelines.jobs.cited_rows import cited_rows
from pipelines.jobs.factor_choices import Choices
from pipelines.jobs.factor_tables import read_use
from pipelines.jobs.inventory import inventory_of, stated_of, statement_of, within
from pipelines.jobs.night import Night
from pipelines.schemas.tables import ACTIVITIES

K_ETS, SCHEME_SET = "k_ets", "SAR"
"""The scheme's guidance (2025-04) adds gases by SAR: CH4 21, N2O 310 (pipelines/reference/gwp.csv)."""

_TIERS = ("1", "2", "3", "4")


@dataclass(frozen=True)
class SchemeChoice:
    """What an operator names for the trading scheme, as texts.

    Args:
        use: ACTIVITY=FACTOR_ID: the row that the allocation was made by.
        tiers: ACTIVITY=N: tier of what states none, such as metered electricity.
        gwp: GWP set; null: the scheme's.
    """

    use: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    gwp: str | None = None


def scheme_inventory(
    night: Night, factory: str, period: str, about: Mapping[str, str], named: SchemeChoice
) -> Inventory:
    """Compute the inventory of a factory for the trading scheme, from the newest activities.

    Each month's stored factors are asked for the purpose k_ets, with the rows and tiers that are named; no
    electricity by market: the scheme knows none.

    Raises:
        OperatorError: UNUSABLE_INPUT: no such factory, period, factor, activity, tier or GWP set.
    """
    one = statement_of(night, factory, period)
    choices = Choices(night.store)
    ledger = Ledger(night, night.store.open(ACTIVITIES), choices, {one.start.year})
    lines = _lines(ledger, one, named)
    mine = [line for line in lines if _is_of(line.entry, one)]
    if not mine:
        return replace(inventory_of(night, one, about, (), None, one.boundary, ()), chosen=_said(named))
    held = ledger.held()
    chosen = {month: replace(choice, purpose=K_ETS) for month, choice in ledger.chosen.items()}
    made = within(inventory_lines(line_frame(mine, held, chosen), held), one.boundary)
    used = {chosen[line.entry.month].factor_set for line in mine}
    rows = (
        content_frame(statement_rows(one, lines, _bases(ledger, one, named), closed=is_closed(night, one)))
        .filter(pl.col("method") != "market")
        .with_columns(version=None, known_at=held.filter(factory=factory)["known_at"].max())
    )
    said = None if rows.is_empty() else stated_of(rows)
    inventory = inventory_of(night, one, about, made, said, one.boundary, cited_rows(choices, used, made))
    return replace(inventory, chosen=_said(named))


def _lines(ledger: Ledger, one: Statement, named: SchemeChoice) -> list[Line]:
    """Return the lines of every factory, for transfers and plausibility; none by market."""
    entries = entries_of(ledger.held())
    own = [entry for entry in entries if _is_of(entry, one) and not entry.withdrawn]
    if not own:
        return []
    _check_named(named, {entry.activity for entry in own}, one.subject.subject)
    tiers = _tiers(named.tiers)
    tiered = [_with_tier(entry, tiers, one.subject.subject) for entry in entries]
    lines = ledger.lines_of(tiered, _bases(ledger, one, named))
    return [line for line in lines if line.figure is None or line.figure.method != "market"]


def _is_of(entry: Entry, one: Statement) -> bool:
    return entry.factory == one.subject.subject and one.start <= entry.month < one.end


def _bases(ledger: Ledger, one: Statement, named: SchemeChoice) -> dict[date, Basis]:
    """Return each month's stored factors, asked for the scheme; what is named holds in the period."""
    plain = SchemeChoice(gwp=named.gwp)
    return {
        month: _of_the_scheme(month, basis, named if one.start <= month < one.end else plain)
        for month, basis in ledger.bases.items()
    }


def _said(named: SchemeChoice) -> dict[str, str]:
    """Return what is named, as the report says it."""
    said = {"purpose": K_ETS, "gwp_set_of_the_scheme": named.gwp or SCHEME_SET}
    for what, texts in (("factor", named.use), ("tier", named.tiers)):
        if texts:
            said[f"{what}_named"] = "; ".join(sorted(texts))
    return said


def _of_the_scheme(month: date, basis: Basis, named: SchemeChoice) -> Basis:
    gwp_set(basis.tables.gwps, named.gwp or SCHEME_SET)
    _check_kept(month, basis.tables, named)
    use = read_use(named.use, basis.tables)
    return Basis(basis.tables, Request(K_ETS, None, named.gwp or SCHEME_SET, use=use))


def _check_kept(month: date, tables: Tables, named: SchemeChoice) -> None:
    """Refuse a row that a month doesn't keep: it wasn't known when the month's factors were chosen."""
    kept = {factor.factor_id for factor in tables.factors} | {pair.pair_id for pair in tables.pairs}
    for text in named.use:
        if text.partition("=")[2] not in kept:
            raise unusable(
                f"--use {text}: no such row among the factors that {month:%Y-%m} keeps; write "
                "ACTIVITY=FACTOR_ID, or add the row by `digital-cluster restate`",
                f"--use {text}: {month:%Y-%m}에 고정된 배출계수에 그런 행이 없습니다. "
                "ACTIVITY=FACTOR_ID로 쓰거나 `digital-cluster restate`로 추가하세요",
            )


def _check_named(named: SchemeChoice, activities: set[str], factory: str) -> None:
    """Refuse what is named for an activity that the factory doesn't have: it would do nothing."""
    for option, texts in (("--use", named.use), ("--tier", named.tiers)):
        for text in texts:
            if text.partition("=")[0] not in activities:
                known = ", ".join(sorted(activities))
                raise unusable(
                    f"{option} {text}: {factory} has no such activity in the period; it has {known}",
                    f"{option} {text}: {factory}의 해당 기간에 그런 활동이 없습니다. 있는 것: {known}",
                )


def _tiers(texts: Sequence[str]) -> dict[str, int]:
    tiers: dict[str, int] = {}
    for text in texts:
        activity, _, tier = text.partition("=")
        if tier not in _TIERS:
            raise unusable(
                f"--tier {text}: write ACTIVITY=N with N of 1 to 4",
                f"--tier {text}: ACTIVITY=N으로 쓰세요. N은 1~4입니다",
            )
        tiers[activity] = int(tier)
    return tiers


def _with_tier(entry: Entry, tiers: Mapping[str, int], factory: str) -> Entry:
    """Give an entry the tier that is named for it; one that states its own keeps it."""
    if entry.tier is not None or entry.factory != factory:
        return entry
    return replace(entry, tier=tiers.get(entry.activity))
