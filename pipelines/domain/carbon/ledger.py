"""From entries of the ledger to emissions: the one arithmetic of `emissions evaluate`, month by month.

Belongs here: which entries emit, which claims go to which use, factors that a supplier states. Does not
belong here: the arithmetic (pipelines.domain.emissions), sums (statements).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from pipelines.domain.carbon.entries import BOUGHT, CONTRACT, METER, RECOVERED, SOLD, USED, Entry
from pipelines.domain.carbon.refrigerants import recoveries_beyond
from pipelines.domain.carbon.transfers import Place, matched_transfers
from pipelines.domain.emissions.activities import Activity, Claim
from pipelines.domain.emissions.evaluation import Request, evaluate
from pipelines.domain.emissions.figures import AMOUNT_UNKNOWN, FACTOR_UNKNOWN, Figure
from pipelines.domain.emissions.fuels import UNIT_NOT_CONVERTIBLE
from pipelines.domain.emissions.gases import COMPOSITE
from pipelines.domain.emissions.lookup import Factor
from pipelines.domain.emissions.rates import ELECTRICITY, Tables
from pipelines.domain.periods import next_month
from pipelines.domain.units import UnitTable

METERED, SOLD_ON = "metered", "sold_on"
WITHOUT_USE, OTHER_OWNER = "claim_without_use", "claim_owner"
RECOVERY_BEYOND = "recovery_exceeds_charge"


@dataclass(frozen=True)
class Basis:
    """By what a month is computed.

    Args:
        tables: factors, fuel pairs, GWP sets, units: only what was known when they were chosen.
        request: purpose, GWP set, accepted instruments.
    """

    tables: Tables
    request: Request


@dataclass(frozen=True)
class Line:
    """An entry with one of its figures.

    Args:
        entry: what was done.
        figure: null: it emits nothing by itself, `reasons` say why.
        reasons: codes of the figure and of the ledger.
        transfer: sold or bought, between two factories; null: neither.
        matched: whether the other side says the same; null: no transfer.
    """

    entry: Entry
    figure: Figure | None
    reasons: tuple[str, ...]
    transfer: str | None = None
    matched: bool | None = None


def exact(amount: float) -> Fraction:
    """Read a stored number as the decimal that it is written as."""
    return Fraction(repr(amount))


def ledger_lines(
    entries: Sequence[Entry],
    bases: Mapping[date, Basis],
    owners: Mapping[str, str],
    earlier: Sequence[Entry] = (),
) -> list[Line]:
    """Evaluate entries, each month by its basis; claims and amounts are judged beside those of its year.

    Args:
        entries: of any factories and months; withdrawn ones are left out.
        bases: by month.
        owners: member by factory: an instrument of another member doesn't count.
        earlier: of months before: what was charged of a gas until then; no line is made of them.

    Returns:
        Lines in the order of the entries: of scope 2 two each, location before market; of what emits nothing
        by itself (bills of metered energy, contracts, what was sold) one without a figure.
    """
    live = [entry for entry in entries if not entry.withdrawn]
    if not live:
        return []
    units = bases[live[0].month].tables.conversion.units
    matched = matched_transfers(live, units)
    idle = _idle(live)
    claims = _claims(live, idle, owners, units)
    activities = {
        entry.place: _activity(entry, claims.get(entry.place, ()))
        for entry in live
        if entry.place not in idle
    }
    figures = _figures(live, activities, bases)
    for place in recoveries_beyond([*earlier, *live], units) & figures.keys():
        figures[place] = [_not_known(figure, RECOVERY_BEYOND) for figure in figures[place]]
    return [
        line
        for entry in live
        for line in (
            [_idle_line(entry, idle[entry.place], matched)]
            if entry.place in idle
            else [_line(entry, figure, matched) for figure in figures[entry.place]]
        )
    ]


def _idle(live: Sequence[Entry]) -> dict[Place, str]:
    """Return the entries that emit nothing by themselves, with the reason."""
    metered = {(e.factory, e.month, e.activity) for e in live if e.source == METER}
    uses = {
        (e.factory, e.month)
        for e in live
        if e.activity == ELECTRICITY and e.flow == USED
    }  # fmt: skip
    idle: dict[Place, str] = {}
    for entry in live:
        if entry.flow == SOLD:
            idle[entry.place] = SOLD_ON
        elif entry.flow == CONTRACT:
            known = (entry.factory, entry.month) in uses
            idle[entry.place] = CONTRACT if known else WITHOUT_USE
        elif (
            entry.source != METER
            and entry.flow == USED
            and (entry.factory, entry.month, entry.activity) in metered
        ):
            idle[entry.place] = METERED
    return idle


def _claims(
    live: Sequence[Entry], idle: Mapping[Place, str], owners: Mapping[str, str], units: UnitTable
) -> dict[Place, tuple[Claim, ...]]:
    """Give each claim to the use that it is for: its own, else the factory's first use of electricity."""
    uses: dict[tuple[str, date], Place] = {}
    for entry in live:
        if entry.activity == ELECTRICITY and entry.flow == USED and entry.place not in idle:
            uses.setdefault((entry.factory, entry.month), entry.place)
    claims: defaultdict[Place, tuple[Claim, ...]] = defaultdict(tuple)
    for entry in live:
        place = uses.get((entry.factory, entry.month)) if entry.place in idle else entry.place
        if place is not None and (entry.claimed_kwh is not None or entry.flow == CONTRACT):
            claims[place] += (_claim(entry, owners, units),)
    return dict(claims)


def _claim(entry: Entry, owners: Mapping[str, str], units: UnitTable) -> Claim:
    """Return a claim; within the month it stands for all of the month's use, whichever days are metered."""
    start, end = entry.claim_start or entry.start, entry.claim_end or entry.end
    within = entry.month <= start and end <= next_month(entry.month)
    refused = OTHER_OWNER if entry.owner not in {None, owners.get(entry.factory)} else None
    kwh, per_unit = exact(entry.amount or 0.0), units.factor(entry.unit, "kWh")
    if entry.claimed_kwh is not None:
        kwh = exact(entry.claimed_kwh)
    elif per_unit is None:
        refused = UNIT_NOT_CONVERTIBLE
    else:
        kwh *= per_unit
    return Claim(
        kwh,
        entry.instrument,
        entry.certificate_id,
        None if within else start,
        None if within else end,
        entry.market,
        exact(entry.instrument_kg_per_kwh or 0.0),
        refused,
    )


def _activity(entry: Entry, claims: tuple[Claim, ...]) -> Activity:
    amount = None if entry.amount is None else exact(entry.amount)
    return Activity(
        entry.activity_id,
        entry.activity,
        -amount if amount is not None and entry.flow == RECOVERED else amount,
        entry.unit,
        entry.start,
        entry.end,
        _supplier(entry) if entry.supplier_kg_per_unit is not None else entry.geography,
        claims=claims,
        uncertainty_pct=entry.uncertainty_pct,
        factor_uncertainty_pct=entry.factor_uncertainty_pct,
        tier=entry.tier,
        temperature_c=None if entry.temperature_c is None else exact(entry.temperature_c),
        pressure_kpa=None if entry.pressure_kpa is None else exact(entry.pressure_kpa),
        uncertainty_low_pct=entry.uncertainty_low_pct,
    )


def _supplier(entry: Entry) -> str:
    """Name the place at which a supplier's own factor holds: this purchase and no other."""
    return f"supplier:{entry.factory}/{entry.activity_id}"


def _supplier_row(entry: Entry, kg: float) -> Factor:
    basis = "consumption_end" if entry.activity == ELECTRICITY else "delivered_heat"
    return Factor(
        _supplier(entry), entry.activity, _supplier(entry), basis, COMPOSITE, exact(kg),
        f"kgCO2e/{entry.unit}", "none", None, None, None, ("any",), None,
    )  # fmt: skip


def _figures(
    live: Sequence[Entry], activities: Mapping[Place, Activity], bases: Mapping[date, Basis]
) -> dict[Place, list[Figure]]:
    stated = tuple(
        _supplier_row(e, e.supplier_kg_per_unit)
        for e in live
        if e.supplier_kg_per_unit is not None and e.flow == BOUGHT
    )
    by_month: defaultdict[date, list[Place]] = defaultdict(list)
    for entry in live:
        if entry.place in activities:
            by_month[entry.month].append(entry.place)
    found: dict[Place, list[Figure]] = {place: [] for place in activities}
    for month, places in by_month.items():
        basis = bases[month]
        tables = replace(basis.tables, factors=(*basis.tables.factors, *stated))
        own = [activities[place] for place in places]
        beside = [
            activities[place]
            for other, others in by_month.items()
            if other != month and other.year == month.year
            for place in others
        ]
        whose = {id(activity): place for place, activity in zip(places, own, strict=True)}
        for figure in evaluate(own, tables, basis.request, beside)[0]:
            found[whose[id(figure.activity)]].append(figure)
    return found


def _not_known(figure: Figure, why: str) -> Figure:
    """Take a figure away: nothing is left of which an uncertainty could be known or not."""
    reasons = (code for code in figure.reasons if code not in {AMOUNT_UNKNOWN, FACTOR_UNKNOWN})
    return replace(figure, parts=(), co2e_kg=None, percent=None, reasons=(*reasons, why))


def _line(entry: Entry, figure: Figure, matched: frozenset[Place]) -> Line:
    reasons = (*figure.reasons, *([entry.reason] if entry.reason else []))
    if entry.flow == BOUGHT and entry.counterpart is not None:
        return Line(entry, figure, reasons, BOUGHT, entry.place in matched)
    return Line(entry, figure, reasons)


def _idle_line(entry: Entry, why: str, matched: frozenset[Place]) -> Line:
    if entry.flow == SOLD and entry.counterpart is not None:
        return Line(entry, None, (why,), SOLD, entry.place in matched)
    return Line(entry, None, (why,))
