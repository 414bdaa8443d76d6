"""Scope 2 twice: location-based, which no contract changes, and market-based, with what is claimed.

Belongs here: which claims count, and the market-based figure. Does not belong here: factors, sums.

    market = (used - claimed) x residual mix (else the grid average) + claimed x the instrument's factor

Source: GHG Protocol, Scope 2 Guidance (2015), chapter 7: a claim lies within use, period and market, and a
certificate is claimed once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.domain.emissions.activities import Activity
from pipelines.domain.emissions.figures import Figure, figure
from pipelines.domain.emissions.fuels import Conversion
from pipelines.domain.emissions.gases import COMPOSITE, GwpSet
from pipelines.domain.emissions.rates import ELECTRICITY, RESIDUAL, Rates
from pipelines.domain.emissions.solutions import Rate, Solution

EXCEEDS, PERIOD, MARKET = "claim_exceeds_use", "claim_period", "claim_market"
DOUBLE, NOT_ACCEPTED, NO_RESIDUAL = "double_claim", "instrument_not_accepted", "no_residual_mix"
GREEN_PREMIUM = "green_premium"


@dataclass(frozen=True)
class Judged:
    """What remains of a claim.

    Args:
        kwh: claimed and counted [kWh].
        reasons: why a claim doesn't count.
        void: the market-based figure can't be told.
    """

    kwh: Fraction
    reasons: tuple[str, ...] = ()
    void: bool = False


def instrument_name(text: str) -> str:
    """Return an instrument's name as policies compare it: lower case, words joined by ``_``."""
    return "_".join(text.lower().replace("-", " ").replace("_", " ").split())


def ignored(activity: Activity, accepted: Iterable[str]) -> str | None:
    """Say why a claim is ignored; null: it counts."""
    claim = activity.claim
    if claim is None:
        return None
    name = instrument_name(claim.instrument or "")
    if name == GREEN_PREMIUM and name not in {instrument_name(one) for one in accepted}:
        return NOT_ACCEPTED
    if (claim.start or activity.start) < activity.start or (claim.end or activity.end) > activity.end:
        return PERIOD
    return MARKET if (claim.market or activity.geography) != activity.geography else None


def double_claims(activities: Sequence[Activity], accepted: Iterable[str]) -> frozenset[str]:
    """Return the certificates that are claimed beyond their kWh.

    No column tells how much a certificate covers: it is the largest claim on it, so that any further claim
    that counts goes beyond.
    """
    claimed: defaultdict[str, list[Fraction]] = defaultdict(list)
    kept = tuple(accepted)
    for activity in activities:
        claim = activity.claim
        if claim is not None and claim.certificate_id is not None and ignored(activity, kept) is None:
            claimed[claim.certificate_id].append(claim.kwh)
    return frozenset(name for name, kwhs in claimed.items() if sum(kwhs) > max(kwhs))


def judged_claim(
    activity: Activity, conversion: Conversion, accepted: Iterable[str], doubled: frozenset[str]
) -> Judged:
    """Judge the claim of an activity against its use, period and market, and against the others' claims."""
    claim = activity.claim
    if claim is None or claim.kwh == 0:
        return Judged(Fraction(0))
    why = ignored(activity, accepted)
    if why is not None:
        return Judged(Fraction(0), (why,))
    if claim.certificate_id in doubled:
        return Judged(claim.kwh, (DOUBLE,), void=True)
    per_unit = conversion.plain(activity, "kWh").value
    used = None if per_unit is None or activity.amount is None else activity.amount * per_unit
    if used is not None and claim.kwh > used:
        return Judged(claim.kwh, (EXCEEDS,), void=True)
    return Judged(claim.kwh)


def market_figure(
    activity: Activity, location: Solution, rates: Rates, gwps: GwpSet, judged: Judged, conversion: Conversion
) -> Figure:
    """Return the market-based figure of a scope 2 activity.

    Args:
        activity: what was used.
        location: its location-based rates: they stand in where no residual mix is known.
        rates: where a residual mix is looked for.
        gwps: the set by which gases are added.
        judged: its claim.
        conversion: units.
    """
    residual = rates.of(activity, RESIDUAL) if activity.activity == ELECTRICITY else None
    solution = residual if residual is not None and residual.rates else location
    if judged.void:
        solution = replace(solution, rates=())
    if solution.rates and residual is not solution:
        solution = replace(solution, reasons=(*solution.reasons, NO_RESIDUAL))
    if judged.kwh and solution.rates and activity.amount:
        solution = _blended(activity, solution, judged.kwh, conversion)
    made = figure(activity, "2", "market", solution, gwps)
    return replace(made, reasons=tuple(dict.fromkeys((*made.reasons, *judged.reasons))))


def _blended(activity: Activity, solution: Solution, kwh: Fraction, conversion: Conversion) -> Solution:
    """Mix the rates of what is claimed and of the rest."""
    per_unit = conversion.plain(activity, "kWh").value
    if activity.amount is None or per_unit is None or activity.claim is None:
        return solution
    share = kwh / (activity.amount * per_unit)
    rates = tuple(replace(rate, kg=rate.kg * (1 - share)) for rate in solution.rates)
    instrument = activity.claim.kg_per_kwh
    if instrument:
        own_set = next((rate.gwp_set for rate in solution.rates if rate.gwp_set), None)
        name = activity.claim.certificate_id or activity.claim.instrument or "instrument"
        rates += (Rate(COMPOSITE, share * per_unit * instrument, name, None, own_set),)
    return replace(solution, rates=rates)
