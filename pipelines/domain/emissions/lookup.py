"""The one look-up of a factor: valid time x known time x purpose, and why each row was or wasn't taken.

Belongs here: which rows of emission_factors answer for an activity's dates. Does not belong here: reading the
table (pipelines.reference), calorific values (fuels), arithmetic.

A row has a window [valid_from, valid_to) and a day from which it was known (published_on). Rows of single
gases with the same window, day, purpose, basis and geography are one vintage and are used together; a
composite CO2e row is an alternative to them, never added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any, Literal

import polars as pl

from pipelines.domain.emissions.gases import COMPOSITE

Match = Literal["exact", "fallback", "none"]
MATCHES: tuple[Match, ...] = ("exact", "fallback", "none")
EVERYWHERE = "GLOBAL"
NO_FACTOR, NOT_NAMED = "no_factor_for_period", "allocation_factor_not_named"
_DATES = ("valid_from", "valid_to", "published_on")
_GAS_ORDER = ("CO2", "CO2-biogenic", "CH4", "N2O")
# A gas that accompanies CO2 is no factor without its CO2 row where burning, heat or power is meant.
_COMPANIONS = frozenset({"CH4", "N2O"})
_WITH_COMPANIONS = frozenset({"consumption_end", "generation_end", "delivered_heat", "lhv", "hhv"})

Percent = tuple[float, float]


@dataclass(frozen=True)
class Factor:
    """A row of emission_factors; dates and purposes as the table says, ``value`` exact.

    Args:
        uncertainty: 95 % distances below and above [% of the value]; null: not known.
    """

    factor_id: str
    activity: str
    geography: str
    basis: str
    gas: str
    value: Fraction
    unit: str
    gwp_set: str
    valid_from: date | None
    valid_to: date | None
    published_on: date | None
    purposes: tuple[str, ...]
    uncertainty: Percent | None

    @property
    def vintage(self) -> tuple[Any, ...]:
        """What rows have in common that are used together."""
        return (
            self.activity, self.geography, self.basis, self.valid_from, self.valid_to, self.published_on,
            self.purposes,
        )  # fmt: skip

    @property
    def leads(self) -> bool:
        """Say whether the row can be a factor by itself."""
        return self.gas not in _COMPANIONS or self.basis not in _WITH_COMPANIONS

    def begun(self, day: date) -> bool:
        """Say whether the window has begun."""
        return self.valid_from is None or self.valid_from <= day

    def ended(self, day: date) -> bool:
        """Say whether the window ended at or before a day."""
        return self.valid_to is not None and self.valid_to <= day


@dataclass(frozen=True)
class Search:
    """What is asked of the table.

    Args:
        activity: as the rows name it.
        geography: as the activity gives it.
        purpose: disclosure, k_ets, cbam or inventory.
        as_of: only what was known on that day counts; null: everything.
        bases: accepted bases; null: any.
        gases: accepted gases, each a factor by itself; null: any.
        named: id of the row to use whatever its purpose and place; null: choose.
        carries: whether a row may be carried forward beyond its window.
        global_too: whether GLOBAL answers where the geography has no row.
    """

    activity: str
    geography: str
    purpose: str
    as_of: date | None
    bases: frozenset[str] | None = None
    gases: frozenset[str] | None = None
    named: str | None = None
    carries: bool = True
    global_too: bool = True


@dataclass(frozen=True)
class Considered:
    """A row and what became of it.

    Args:
        factor_id: of the row.
        taken: whether it is used.
        why: a code: ``taken``, or why it wasn't.
    """

    factor_id: str
    taken: bool
    why: str


@dataclass(frozen=True)
class Found:
    """The rows of a period.

    Args:
        rows: used together; empty: none.
        match: exact, fallback or none.
        carried_years: calendar years since the window's end, rounded up; 0: not carried.
        reason: why there is none.
    """

    rows: tuple[Factor, ...]
    match: Match
    carried_years: int = 0
    reason: str | None = None


def factor_rows(table: pl.DataFrame) -> tuple[Factor, ...]:
    """Return the rows of emission_factors, as pipelines.reference.tables reads it."""
    return tuple(_factor(row) for row in table.iter_rows(named=True))


def _factor(row: Mapping[str, Any]) -> Factor:
    taken = ("factor_id", "activity", "geography", "basis", "gas", "unit", "gwp_set", *_DATES)
    return Factor(
        value=Fraction(row["value"]),
        purposes=tuple(row["purpose"]),
        uncertainty=percent(row["uncertainty_pct_low"], row["uncertainty_pct_high"]),
        **{name: row[name] for name in taken},
    )


def percent(low: object, high: object) -> Percent | None:
    """Return both distances as floats; null if one of them isn't known."""
    return None if low is None or high is None else (float(str(low)), float(str(high)))


def is_known(published_on: date | None, valid_from: date | None, as_of: date | None) -> bool:
    """Say whether a row was known: an unknown day of publication isn't before what the row describes."""
    if as_of is None:
        return True
    known_from = valid_from if published_on is None else published_on
    return known_from is None or known_from <= as_of


def years_begun(valid_to: date, day: date) -> int:
    """Count the calendar years from valid_to to the end of a later day, rounded up: 1 on valid_to itself."""
    years = day.year - valid_to.year
    anniversary_ahead = (day.month, day.day) < (valid_to.month, valid_to.day)
    return years if anniversary_ahead else years + 1


def find(rows: Sequence[Factor], search: Search, first: date, last: date) -> Found:
    """Return the rows for the dates first to last, none of which is the edge of a window.

    Args:
        rows: all factors.
        search: what is asked.
        first: the first date: it decides.
        last: the last date: a carried factor's years are counted to its end.
    """
    return _judge(rows, search, first, last)[0]


def consider(rows: Sequence[Factor], search: Search, day: date) -> tuple[Found, tuple[Considered, ...]]:
    """Return what `find` returns, and every row of the activity with the reason for which it is(n't) used."""
    found, why = _judge(rows, search, day, day)
    used = {row.factor_id for row in found.rows}
    rows_in_play = [row for row in rows if row.factor_id in why or row.factor_id in used]
    return found, tuple(
        Considered(row.factor_id, taken=row.factor_id in used, why=_why(row, why, used, found))
        for row in rows_in_play
    )


def _why(row: Factor, why: Mapping[str, str], used: set[str], found: Found) -> str:
    if row.factor_id in used:
        return f"carried_forward:{found.carried_years}y" if found.carried_years else "taken"
    return why[row.factor_id]


def _judge(rows: Sequence[Factor], search: Search, first: date, last: date) -> tuple[Found, dict[str, str]]:
    """Narrow the rows step by step; each step notes why it leaves a row out."""
    named = [row for row in rows if row.factor_id == search.named]
    of_activity = [row for row in rows if row.activity == (named[0] if named else search).activity]
    why = {row.factor_id: refusal for row in of_activity if (refusal := _refusal(row, search))}
    usable = [row for row in of_activity if row.factor_id not in why]
    if not named:
        usable = _of_place(usable, search, why)
    leads = [row for row in usable if (search.gases is not None or row.leads)]
    if named:
        why |= {row.factor_id: "not_named" for row in leads if row.factor_id != search.named}
        leads = [row for row in leads if row.factor_id == search.named]
    found = _of_period(leads, search, first, last, why)
    if not found.rows:
        why |= {row.factor_id: found.reason or NO_FACTOR for row in usable if row.factor_id not in why}
        return found, why
    chosen = found.rows[0]
    used = (chosen,) if chosen.gas == COMPOSITE else _vintage_of(chosen, usable)
    beside = "alternative_of_gas_rows" if chosen.gas != COMPOSITE else "less_preferred"
    of_vintage = {row.vintage: why[row.factor_id] for row in leads if row.factor_id in why}
    for row in usable:
        if row not in used:
            alternative = beside if row.gas == COMPOSITE else "less_preferred"
            why.setdefault(row.factor_id, of_vintage.get(row.vintage, alternative))
    if not named and chosen.geography != search.geography:
        found = replace(found, match="fallback")
    return replace(found, rows=used), why


def _refusal(row: Factor, search: Search) -> str | None:
    """Say why a row can't be used whatever the date; null: it can."""
    checks = [
        (search.bases is None or row.basis in search.bases, f"other_basis:{row.basis}"),
        (search.gases is None or row.gas in search.gases, f"other_gas:{row.gas}"),
        (is_known(row.published_on, row.valid_from, search.as_of), "not_yet_published"),
    ]
    if search.named is None:
        checks += [
            (bool(row.purposes), "no_purpose:only_by_id"),
            (search.purpose in row.purposes or "any" in row.purposes, "other_purpose"),
            (row.geography in {search.geography, EVERYWHERE}, f"other_geography:{row.geography}"),
        ]
    return next((why for passed, why in checks if not passed), None)


def _of_place(usable: Sequence[Factor], search: Search, why: dict[str, str]) -> list[Factor]:
    """Keep the rows of the geography; where it has none, those of GLOBAL."""
    local = [row for row in usable if row.geography == search.geography]
    if not local and search.global_too:
        return list(usable)
    reason = "geography_has_its_own" if local else "other_geography:GLOBAL"
    why |= {row.factor_id: reason for row in usable if row.geography != search.geography}
    return local


def _of_period(
    leads: Sequence[Factor], search: Search, first: date, last: date, why: dict[str, str]
) -> Found:
    """Choose the row whose window holds the date, else the newest one that has ended."""
    why |= {row.factor_id: "not_begun" for row in leads if not row.begun(first)}
    exact = [row for row in leads if row.begun(first) and not row.ended(first)]
    ended = [row for row in leads if row.ended(first)]
    if exact:
        why |= {row.factor_id: "ended:another_holds_the_date" for row in ended}
        return Found((min(exact, key=_preference),), "exact")
    if not ended:
        return Found((), "none", reason=NO_FACTOR)
    if not search.carries and search.named is None:
        why |= {row.factor_id: f"ended:{NOT_NAMED}" for row in ended}
        return Found((), "none", reason=NOT_NAMED)
    newest = max(row.valid_to for row in ended if row.valid_to is not None)
    why |= {row.factor_id: "ended:superseded" for row in ended if row.valid_to != newest}
    chosen = min((row for row in ended if row.valid_to == newest), key=_preference)
    return Found((chosen,), "fallback", years_begun(newest, last))


def _preference(row: Factor) -> tuple[bool, int, int, str]:
    """Order ties: gas rows, latest published_on, latest valid_from, factor_id."""
    published, begins = row.published_on or date.min, row.valid_from or date.min
    return (row.gas == COMPOSITE, -published.toordinal(), -begins.toordinal(), row.factor_id)


def _vintage_of(chosen: Factor, usable: Iterable[Factor]) -> tuple[Factor, ...]:
    """Return one row per gas of the chosen row's vintage, CO2 first."""
    by_gas = {chosen.gas: chosen}
    for row in sorted(usable, key=lambda row: row.factor_id):
        if row.vintage == chosen.vintage and row.gas != COMPOSITE:
            by_gas.setdefault(row.gas, row)
    return tuple(sorted(by_gas.values(), key=_gas_place))


def _gas_place(row: Factor) -> tuple[int, str]:
    place = _GAS_ORDER.index(row.gas) if row.gas in _GAS_ORDER else len(_GAS_ORDER)
    return (place, row.gas)
