"""Emissions of activities: rates times amounts, by scope and method, with masses apart and one named GWP set.

Belongs here: a figure of one activity and what it is made of. Does not belong here: how rates are found
(rates), what a claim does (scope2), totals, files.

Amounts and factors are exact fractions; a figure is rounded once, to a float, where it is written.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from pipelines.domain.emissions.activities import Activity
from pipelines.domain.emissions.gases import COMPOSITE, GwpSet
from pipelines.domain.emissions.lookup import Match, Percent
from pipelines.domain.emissions.rates import ELECTRICITY, Rates, is_upstream
from pipelines.domain.emissions.solutions import Rate, Solution
from pipelines.domain.emissions.uncertainty import Contribution, FactorShare, propagated

Scope = Literal["1", "2", "3", "-"]
Method = Literal["location", "market", "-"]
MISSING_AMOUNT = "missing_element:amount"
FACTOR_UNKNOWN, AMOUNT_UNKNOWN = "factor_uncertainty_unknown", "amount_uncertainty_unknown"
_OWN_GROUPS = frozenset({"CH4", "N2O"})
_HEAT = frozenset({"heat", "steam"})
_SCOPE_OF_BASIS: dict[str, Scope] = {
    "consumption_end": "2", "generation_end": "2", "residual_mix": "2", "delivered_heat": "2",
    "lhv": "1", "hhv": "1", "process": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What an activity emits of one gas under one row.

    Args:
        rate: the rate that it comes from.
        kg: mass of the gas, or CO2e of a composite row [kg].
        co2e_kg: [kg CO2e]; null: the GWP set lacks the gas.
    """

    rate: Rate
    kg: Fraction
    co2e_kg: Fraction | None


@dataclass(frozen=True)
class Figure:
    """The emissions of one activity by one method.

    Args:
        activity: what was done.
        scope: 1, 2, 3 or - (none, or not known).
        method: location or market for scope 2.
        parts: what is emitted, by gas and row; empty: nothing can be told.
        co2e_kg: [kg CO2e]; null: can't be told, `reasons` say why.
        rows: ids of all rows used.
        match: exact, fallback or none.
        provisional: a newer row may replace it.
        gwp_set: by which gases are added, or that of the composite row; null: no factor.
        percent: 95 % distances below and above [%]; null: not known.
        reasons: codes.
    """

    activity: Activity
    scope: Scope
    method: Method
    parts: tuple[Part, ...]
    co2e_kg: Fraction | None
    rows: tuple[str, ...]
    match: Match
    provisional: bool
    gwp_set: str | None
    percent: Percent | None
    reasons: tuple[str, ...]

    @property
    def masses_kg(self) -> Mapping[str, Fraction]:
        """Mass by gas [kg]; empty where a composite row is in it: part of a mass is no mass."""
        if any(part.rate.gas == COMPOSITE for part in self.parts):
            return {}
        masses: dict[str, Fraction] = {}
        for part in self.parts:
            masses[part.rate.gas] = masses.get(part.rate.gas, Fraction(0)) + part.kg
        return masses


def scope_of(rates: Rates, activity: str) -> Scope:
    """Return the scope of an activity: by its name, by the gas or fuel that it is, by its rows' basis."""
    bases = rates.bases(activity)
    if is_upstream(activity) or (bases and all(is_upstream(basis) for basis in bases)):
        return "3"
    if activity == ELECTRICITY:
        return "2"
    if rates.burns(activity) or rates.releases(activity):
        return "1"
    scopes = {_SCOPE_OF_BASIS.get(basis, "-") for basis in bases}
    if len(scopes) == 1:
        return scopes.pop()
    if _HEAT & {*re.split(r"[_\s-]", activity.lower())}:
        return "2"
    return "1" if rates.knows(activity) and not bases else "-"


def figure(activity: Activity, scope: Scope, method: Method, solution: Solution, gwps: GwpSet) -> Figure:
    """Return the figure of an activity by its rates, without its uncertainty."""
    amount = activity.amount
    if amount is None or not solution.rates:
        reasons = solution.reasons if not solution.rates else (*solution.reasons, MISSING_AMOUNT)
        return Figure(
            activity, scope, method, (), None, solution.rows, solution.match, solution.provisional,
            None if solution.match == "none" else gwps.name, None, reasons,
        )  # fmt: skip
    parts = tuple(_part(rate, amount, gwps) for rate in solution.rates)
    lacking = dict.fromkeys(f"gwp_missing:{part.rate.gas}" for part in parts if part.co2e_kg is None)
    sets = dict.fromkeys(rate.gwp_set or gwps.name for rate in solution.rates)
    differs = ("gwp_set_differs",) if any(name != gwps.name for name in sets) else ()
    return Figure(
        activity, scope, method, parts,
        None if lacking else sum((part.co2e_kg or Fraction(0) for part in parts), Fraction(0)),
        solution.rows, solution.match, solution.provisional, ";".join(sets), None,
        (*solution.reasons, *lacking, *differs),
    )  # fmt: skip


def _part(rate: Rate, amount: Fraction, gwps: GwpSet) -> Part:
    kg = amount * rate.kg
    weight = Fraction(1) if rate.gas == COMPOSITE else gwps.of(rate.gas)
    return Part(rate, kg, None if weight is None else kg * weight)


def with_uncertainty(made: Figure) -> Figure:
    """Add the uncertainty of a figure, or the reason for which it isn't known."""
    if made.co2e_kg is None or made.co2e_kg == 0:
        return made
    contribution = contribution_of(made)
    reasons = [code for code in made.reasons if code not in {FACTOR_UNKNOWN, AMOUNT_UNKNOWN}]
    if not contribution.is_known:
        reasons.append(FACTOR_UNKNOWN)
    elif made.activity.uncertainty_pct is None:
        reasons.append(AMOUNT_UNKNOWN)
    # Where only the amount could err and nobody said how far, nothing is known: 0 % would be a lie.
    percent = propagated([contribution]) if contribution.is_stated else None
    return replace(made, percent=percent, reasons=tuple(reasons))


def contribution_of(made: Figure) -> Contribution:
    """Return what a figure adds to a sum's uncertainty; CH4 and N2O rows are groups of their own."""
    activity = made.activity
    given = activity.factor_uncertainty_pct
    shares = tuple(
        FactorShare(
            _group(activity, part.rate),
            float(part.co2e_kg or 0),
            part.rate.percent if given is None else (given, given),
        )
        for part in made.parts
    )
    return Contribution(activity.uncertainty_pct, shares, activity.uncertainty_low_pct)


def _group(activity: Activity, rate: Rate) -> str:
    if rate.gas in _OWN_GROUPS or activity.factor_group is None:
        return f"row:{rate.row}"
    return f"group:{activity.factor_group}"


def flagged(made: Figure, flags: Iterable[str]) -> Figure:
    """Add codes to a figure's reasons; the value stays."""
    return replace(made, reasons=tuple(dict.fromkeys((*made.reasons, *flags))))
