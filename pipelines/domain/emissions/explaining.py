"""Which factor an activity of a date would get, and what became of every other row: the look-ups, told.

Belongs here: running the look-ups of rates for one date and collecting their verdicts. Does not belong here:
the verdicts themselves (lookup, fuels), printing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from pipelines.domain.emissions.activities import Activity
from pipelines.domain.emissions.fuels import ipcc_name
from pipelines.domain.emissions.lookup import EVERYWHERE, Considered, Match, consider
from pipelines.domain.emissions.rates import Choice, Rates, Tables

_NET_ENERGY = "TJ_ncv"


@dataclass(frozen=True)
class Explanation:
    """The answer for one activity and date.

    Args:
        used: ids of the rows that are used; empty: none.
        match: exact, fallback or none.
        reasons: codes: how it was found, or why nothing was.
        considered: every row that could be meant, each once.
    """

    used: tuple[str, ...]
    match: Match
    reasons: tuple[str, ...]
    considered: tuple[Considered, ...]


def explain(
    tables: Tables, choice: Choice, activity: str, geography: str, day: date, unit: str | None = None
) -> Explanation:
    """Explain the choice of factors.

    Args:
        tables: factors and fuel pairs.
        choice: purpose, date of knowledge, rows named by id.
        activity: as an activity file names it.
        geography: likewise.
        day: date of the activity.
        unit: of the amount; null: the one of the fuel's calorific value, of the factor, else net energy.
    """
    rates = Rates(tables, choice)
    asked = Activity("", activity, Fraction(1), _NET_ENERGY, day, day + timedelta(days=1), geography)
    asked = replace(asked, unit=unit or _natural_unit(rates, asked))
    solution = rates.of(asked)
    used = solution.rows if solution.rates else ()
    verdicts: dict[str, Considered] = {}
    for verdict in [*_verdicts(tables, rates, asked, day), *_unconfirmed(tables, activity)]:
        taken = verdict.factor_id in used
        why = verdict.why if taken or not verdict.taken else "not_needed"
        if taken or verdict.factor_id not in verdicts:
            verdicts[verdict.factor_id] = replace(verdict, taken=taken, why=why)
    return Explanation(used, solution.match, solution.reasons, tuple(verdicts.values()))


def _natural_unit(rates: Rates, asked: Activity) -> str:
    if not rates.burns(asked.activity):
        return rates.unit_of(asked.activity) or _NET_ENERGY
    pair = rates.pair_of(asked, asked.start).pair
    return _NET_ENERGY if pair is None or pair.ncv_unit is None else pair.ncv_unit.partition("/")[2]


def _verdicts(tables: Tables, rates: Rates, asked: Activity, day: date) -> Iterable[Considered]:
    """Yield the verdicts of every look-up, those of the fuel pair before those of emission_factors."""
    if not rates.burns(asked.activity):
        yield from consider(tables.factors, rates.search_of(asked), day)[1]
        return
    yield from rates.pair_of(asked, day).judged
    if asked.geography != EVERYWHERE or rates.search_of(asked).named is not None:
        yield from consider(tables.factors, rates.own_search(asked), day)[1]
    yield from consider(tables.factors, rates.co2_search(asked), day)[1]
    for gas in ("CH4", "N2O"):
        search = rates.ipcc_search(ipcc_name(asked.activity), frozenset({gas}))
        for verdict in consider(tables.factors, search, day)[1]:
            if not verdict.why.startswith("other_gas"):
                yield verdict


def _unconfirmed(tables: Tables, activity: str) -> Iterable[Considered]:
    if activity in tables.unconfirmed and activity not in {f.activity for f in tables.factors}:
        yield Considered(tables.unconfirmed[activity], taken=False, why="unconfirmed:only_by_accept")
