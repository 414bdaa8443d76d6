"""Why a statement differs from the one before: a chain of causes whose steps add up exactly.

Belongs here: the order of the steps, the basis of each, the chain. Does not belong here: computing a step
(ledger, statements), keeping versions (pipelines.jobs).

Each step recomputes the whole with the earlier steps applied, so a step begins where the one before it
ended, with the same bits: whatever is rounded, nothing is left over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from pipelines.domain.carbon.ledger import Basis, Line
from pipelines.domain.carbon.statements import of_scope
from pipelines.domain.emissions.totals import BOTH_SCOPES

BOUNDARY, ACTIVITY, METHOD, FUEL, FACTOR, GWP = (
    "boundary",
    "activity",
    "method",
    "ncv_carbon",
    "factor",
    "gwp",
)
STEPS = (BOUNDARY, ACTIVITY, METHOD, FUEL, FACTOR, GWP)
SumKey = tuple[str, str, str | None]
_SUMS = (("1", "-"), ("2", "location"), ("2", "market"), (BOTH_SCOPES, "location"), (BOTH_SCOPES, "market"))


@dataclass(frozen=True)
class Link:
    """One step of the chain of one sum.

    Args:
        key: scope, method, GWP set (as the new statement names it).
        step: one of STEPS.
        before: [kg CO2e]; null: nothing was known.
        after: likewise; the next step's `before`.
    """

    key: SumKey
    step: str
    before: float | None
    after: float | None


def basis_after(old: Basis, new: Basis, step: str) -> Basis:
    """Return the basis when the steps up to one are applied."""
    done = STEPS[: STEPS.index(step) + 1]
    tables, request = old.tables, old.request
    if METHOD in done:
        request = replace(new.request, gwp=request.set_name, methane_origin=request.methane_origin)
    if FUEL in done:
        tables = replace(
            tables,
            pairs=new.tables.pairs,
            parameters=new.tables.parameters,
            conversion=new.tables.conversion,
        )
    if FACTOR in done:
        tables = replace(tables, factors=new.tables.factors, unconfirmed=new.tables.unconfirmed)
    if GWP in done:
        tables, request = replace(tables, gwps=new.tables.gwps), new.request
    return Basis(tables, request)


def sums_of(
    lines: Sequence[Line], used: Mapping[date, Basis], named: Mapping[date, Basis]
) -> dict[SumKey, Fraction | None]:
    """Return the sums of lines that are in a statement, by scope, method and GWP set.

    Args:
        lines: within the boundary, without what is eliminated.
        used: basis of each month by which the lines were computed.
        named: basis of each month in the new statement: its GWP set names what was asked for, so that a
            change of the set compares the two and adds neither to the other.
    """
    sums: dict[SumKey, Fraction | None] = {}
    for scope, method in _SUMS:
        for line in lines:
            figure = line.figure
            if figure is None or not of_scope([figure], scope, method):
                continue
            month = line.entry.month
            is_asked = figure.gwp_set == used[month].request.set_name
            name = named[month].request.set_name if is_asked else figure.gwp_set
            if figure.co2e_kg is not None:
                key = (scope, method, name)
                sums[key] = (sums.get(key) or Fraction(0)) + figure.co2e_kg
    return sums


def chain(
    begin: Mapping[SumKey, Fraction | None],
    steps: Sequence[tuple[str, Mapping[SumKey, Fraction | None]]],
    stored: Mapping[SumKey, float | None],
) -> list[Link]:
    """Link the steps of each sum; a step that changes nothing is left out.

    What the old statement said and what today's rules make of its inputs differ if the rules changed: that
    difference belongs to the step `method`.

    Args:
        begin: sums of the old inputs by today's rules.
        steps: sums after each step, in the order of STEPS.
        stored: sums as the old statement has them, by the new names of GWP sets.
    """
    links = []
    keys = dict.fromkeys([*begin, *(key for _, sums in steps for key in sums)])
    for key in keys:
        said = stored.get(key)
        told = begin.get(key)
        same = told is None or said is None or float(told) == said
        rules = Fraction(0) if same or said is None or told is None else Fraction(said) - told
        before = said
        for step, sums in steps:
            value = sums.get(key)
            shift = rules if STEPS.index(step) < STEPS.index(METHOD) else Fraction(0)
            after = None if value is None else float(value + shift)
            if after != before:
                links.append(Link(key, step, before, after))
            before = after
    return links


def is_significant(before: float | None, after: float | None, percent: Fraction) -> bool:
    """Say whether a change reaches the threshold [% of what was stated]."""
    if before is None or after is None:
        return before != after
    return (
        abs(Fraction(after) - Fraction(before)) * 100 >= percent * abs(Fraction(before)) and before != after
    )
