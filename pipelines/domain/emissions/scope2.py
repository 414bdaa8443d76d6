"""Scope 2 twice: location-based, which no contract changes, and market-based, with what is claimed.

Belongs here: which claims count, and the market-based figure. Does not belong here: factors, sums.

    market = (used - claimed) x residual mix (else the grid average) + claimed x the instrument's factor

Source: GHG Protocol, Scope 2 Guidance (2015), chapter 7: a claim lies within use, period and market, and a
certificate is claimed once.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.domain.emissions.activities import Activity, Claim
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
    """What remains of the claims of an activity.

    Args:
        counted: claims that count.
        reasons: why others don't.
        void: the market-based figure can't be told.
    """

    counted: tuple[Claim, ...] = ()
    reasons: tuple[str, ...] = ()
    void: bool = False

    @property
    def kwh(self) -> Fraction:
        """Claimed and counted [kWh]."""
        return sum((claim.kwh for claim in self.counted), Fraction(0))


def instrument_name(text: str) -> str:
    """Return an instrument's name as policies compare it: lower case, words joined by ``_``."""
    return "_".join(text.lower().replace("-", " ").replace("_", " ").split())


def ignored(activity: Activity, claim: Claim, accepted: Iterable[str]) -> str | None:
    """Say why a claim of an activity is ignored; null: it counts."""
    if claim.refused is not None:
        return claim.refused
    name = instrument_name(claim.instrument or "")
    if name == GREEN_PREMIUM and name not in {instrument_name(one) for one in accepted}:
        return NOT_ACCEPTED
    if (claim.start or activity.start) < activity.start or (claim.end or activity.end) > activity.end:
        return PERIOD
    return MARKET if (claim.market or activity.geography) != activity.geography else None


def double_claims(activities: Iterable[Activity], accepted: Iterable[str]) -> frozenset[str]:
    """Return the certificates that are claimed beyond their kWh.

    No column tells how much a certificate covers: it is the largest claim on it, so that any further claim
    that counts goes beyond.
    """
    claimed: defaultdict[str, list[Fraction]] = defaultdict(list)
    kept = tuple(accepted)
    for activity in activities:
        for claim in activity.claims:
            if claim.certificate_id is not None and ignored(activity, claim, kept) is None:
                claimed[claim.certificate_id].append(claim.kwh)
    return frozenset(name for name, kwhs in claimed.items() if sum(kwhs) > max(kwhs))


def judged_claims(
    activity: Activity, conversion: Conversion, accepted: Iterable[str], doubled: frozenset[str]
) -> Judged:
    """Judge the claims of an activity against its use, period and market, and against the others' claims."""
    kept = tuple(accepted)
    verdicts = [(claim, ignored(activity, claim, kept)) for claim in activity.claims if claim.kwh]
    counted = tuple(claim for claim, why in verdicts if why is None)
    reasons = tuple(dict.fromkeys(why for _, why in verdicts if why is not None))
    judged = Judged(counted, reasons)
    if any(claim.certificate_id in doubled for claim in counted):
        return replace(judged, reasons=(*reasons, DOUBLE), void=True)
    per_unit = conversion.plain(activity, "kWh").value
    used = None if per_unit is None or activity.amount is None else activity.amount * per_unit
    if used is not None and judged.kwh > used:
        return replace(judged, reasons=(*reasons, EXCEEDS), void=True)
    return judged


def market_figure(
    activity: Activity, location: Solution, rates: Rates, gwps: GwpSet, judged: Judged, conversion: Conversion
) -> Figure:
    """Return the market-based figure of a scope 2 activity.

    Args:
        activity: what was used.
        location: its location-based rates: they stand in where no residual mix is known.
        rates: where a residual mix is looked for.
        gwps: the set by which gases are added.
        judged: its claims.
        conversion: units.
    """
    residual = rates.of(activity, RESIDUAL) if activity.activity == ELECTRICITY else None
    solution = residual if residual is not None and residual.rates else location
    if judged.void:
        solution = replace(solution, rates=())
    if solution.rates and residual is not solution:
        solution = replace(solution, reasons=(*solution.reasons, NO_RESIDUAL))
    if judged.kwh and solution.rates and activity.amount:
        solution = _blended(activity, solution, judged, conversion)
    made = figure(activity, "2", "market", solution, gwps)
    return replace(made, reasons=tuple(dict.fromkeys((*made.reasons, *judged.reasons))))


def _blended(activity: Activity, solution: Solution, judged: Judged, conversion: Conversion) -> Solution:
    """Mix the rates of what is claimed and of the rest."""
    per_unit = conversion.plain(activity, "kWh").value
    if activity.amount is None or per_unit is None:
        return solution
    used = activity.amount * per_unit
    rest = 1 - judged.kwh / used
    own_set = next((rate.gwp_set for rate in solution.rates if rate.gwp_set), None)
    claimed = tuple(
        Rate(
            COMPOSITE,
            claim.kwh / used * per_unit * claim.kg_per_kwh,
            claim.certificate_id or claim.instrument or "instrument",
            None,
            own_set,
        )
        for claim in judged.counted
        if claim.kg_per_kwh
    )
    return replace(solution, rates=(*(replace(rate, kg=rate.kg * rest) for rate in solution.rates), *claimed))
