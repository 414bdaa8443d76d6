"""The emissions of a list of activities: the whole way from rows to figures and totals.

Belongs here: the order of the steps. Does not belong here: any of the steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipelines.domain.emissions.activities import Activity
from pipelines.domain.emissions.figures import Figure, figure, flagged, scope_of, with_uncertainty
from pipelines.domain.emissions.gases import GwpSet, MethaneOrigin, gwp_set
from pipelines.domain.emissions.plausibility import flags
from pipelines.domain.emissions.rates import Choice, Rates, Tables
from pipelines.domain.emissions.scope2 import double_claims, judged_claims, market_figure
from pipelines.domain.emissions.totals import Total, totals

PURPOSES = ("disclosure", "k_ets", "cbam", "inventory")
_K_ETS_SET, _DEFAULT_SET = "SAR", "AR5"


@dataclass(frozen=True)
class Request:
    """How activities are to be evaluated.

    Args:
        purpose: one of PURPOSES.
        as_of: only what was known on that day counts; null: everything.
        gwp: name of the GWP set; null: SAR for k_ets, else AR5.
        methane_origin: take methane by its origin; null: origin-neutral.
        use: id of the row (or fuel pair) to use, by activity.
        accepted_instruments: market instruments that a policy accepts beside certificates.
    """

    purpose: str = "disclosure"
    as_of: date | None = None
    gwp: str | None = None
    methane_origin: MethaneOrigin | None = None
    use: Mapping[str, str] = field(default_factory=dict)
    accepted_instruments: tuple[str, ...] = ()

    @property
    def set_name(self) -> str:
        """The GWP set that is asked for."""
        return self.gwp or (_K_ETS_SET if self.purpose == "k_ets" else _DEFAULT_SET)


def evaluate(
    activities: Sequence[Activity], tables: Tables, request: Request, beside: Sequence[Activity] = ()
) -> tuple[list[Figure], list[Total]]:
    """Evaluate activities.

    Args:
        activities: what is evaluated.
        tables: factors and fuel pairs.
        request: how.
        beside: further activities, of which no figure is made: their claims count as claims of the same
            certificates, and amounts are compared with theirs.

    Returns:
        The figures in the order of the activities (of scope 2 two each: location, then market), and the
        totals of scope 1 and 2.

    Raises:
        OperatorError: no such GWP set, or none that tells methane by its origin.
    """
    gwps = gwp_set(tables.gwps, request.set_name, request.methane_origin)
    rates = Rates(tables, Choice(request.purpose, request.as_of, request.use))
    everything = [*activities, *beside]
    doubled = double_claims(everything, request.accepted_instruments)
    marked = flags(everything, rates, tables.conversion)[: len(activities)]
    figures: list[Figure] = []
    for activity, marks in zip(activities, marked, strict=True):
        made = _figures_of(activity, rates, tables, gwps, request, doubled)
        figures += [flagged(with_uncertainty(one), marks) for one in made]
    unknown = {
        f.activity.activity for f in figures if f.scope == "-" and not rates.knows(f.activity.activity)
    }
    return figures, totals(figures, gwps.name, unknown)


def _figures_of(
    activity: Activity, rates: Rates, tables: Tables, gwps: GwpSet, request: Request, doubled: frozenset[str]
) -> list[Figure]:
    scope, solution = scope_of(rates, activity.activity), rates.of(activity)
    if scope != "2":
        return [figure(activity, scope, "-", solution, gwps)]
    claims = judged_claims(activity, tables.conversion, request.accepted_instruments, doubled)
    return [
        figure(activity, scope, "location", solution, gwps),
        market_figure(activity, solution, rates, gwps, claims, tables.conversion),
    ]
