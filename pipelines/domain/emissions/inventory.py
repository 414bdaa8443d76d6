"""An inventory: what a firm emitted in a period, as every export reads it, whatever its format.

Belongs here: the frozen form between the ledger and the formats, its totals, lines of electricity from hourly
emissions. Does not belong here: what a format asks and how it looks (pipelines.publish.inventory_formats),
reading tables (pipelines.jobs.inventory).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from pipelines.domain.calendar import seconds_between
from pipelines.domain.factory_energy import is_publishable
from pipelines.domain.sums import exact_sum, exact_total

UNVERIFIED = "unverified"
NO_INSTRUMENTS = "no_instruments_recorded"
NO_RESIDUAL_MIX = "no_residual_mix"
"""No residual mix is published for Korea: the market-based figure takes the grid average."""

DIRECT_CATEGORY, ELECTRICITY_CATEGORY, BOUGHT_HEAT_CATEGORY = "1", "2.1", "2.2"
TRANSPORT_CATEGORY, PRODUCTS_CATEGORY = "3", "4"
NO_CATEGORY = "-"
CATEGORIES: Mapping[str, str] = {
    DIRECT_CATEGORY: "direct emissions and removals",
    ELECTRICITY_CATEGORY: "indirect emissions from imported electricity",
    BOUGHT_HEAT_CATEGORY: "indirect emissions from imported energy other than electricity",
    TRANSPORT_CATEGORY: "indirect emissions from transportation",
    PRODUCTS_CATEGORY: "indirect emissions from products used by the organisation",
    "5": "indirect emissions from the use of products of the organisation",
    "6": "indirect emissions from other sources",
}
"""Categories of ISO 14064-1:2018, annex B, with those of category 2 apart."""

OUT_OF_BOUNDARY = "outside the boundary: scope 1 and 2, gate to gate"


@dataclass(frozen=True)
class InventoryLine:
    """Emissions of one source by one method.

    Args:
        factory: whose source it is.
        activity: what emits, as the factor tables name it.
        scope: 1, 2 or 3; -: none by itself, or not known.
        category: a key of CATEGORIES; -: of no scope.
        method: location or market of scope 2; - else.
        amount: of the activity, in `unit`; null: not known.
        masses_kg: gas -> its mass [kg]; empty where a composite factor tells no gases apart.
        co2e_kg: unrounded [kg CO2e]; null: not known, the reasons say why.
        factor_ids: rows of the factor table that were used.
        purpose: what the factors were chosen for.
        gwp_set: by which gases were added; `unstated` if the source of a composite factor doesn't say.
        tier: of method; null: not stated.
        uncertainty_low_pct: 95 % distance below; null: not known. uncertainty_high_pct: above.
        coverage: share of the period that was measured; null: not metered.
        provisional: whether it may still change by itself.
        reasons: codes.
        activity_id: its id in the ledger; null: not from there.
        month: first local date of its month; null: of the whole period.
        flow: used, leaked, charged, recovered, bought, sold or contract; null: not told.
        source: meter or stream; null: not told.
        co2_biogenic_kg: CO2 of biomass [kg], never in `co2e_kg`; null: none, or not known.
        factor_match: exact, fallback or none; null: it needs no factor.
        counterpart: factory that it was bought from or sold to. transfer_id: of that sale; null: none.
        matched: whether the other side says the same; null: no transfer.
        instrument: rec, ppa, green_premium ... certificate_id: its id. claimed_kwh: by it; null: none.
        emits: false: named, but its emissions are told elsewhere or by others (`reasons` say why); it is in
            no total.
    """

    factory: str
    activity: str
    scope: str
    category: str
    method: str
    amount: float | None
    unit: str
    masses_kg: Mapping[str, float]
    co2e_kg: float | None
    factor_ids: tuple[str, ...]
    purpose: str
    gwp_set: str | None
    tier: str | None
    uncertainty_low_pct: float | None
    uncertainty_high_pct: float | None
    coverage: float | None
    provisional: bool
    reasons: tuple[str, ...]
    activity_id: str | None = None
    month: date | None = None
    flow: str | None = None
    source: str | None = None
    co2_biogenic_kg: float | None = None
    factor_match: str | None = None
    counterpart: str | None = None
    transfer_id: str | None = None
    matched: bool | None = None
    instrument: str | None = None
    certificate_id: str | None = None
    claimed_kwh: float | None = None
    emits: bool = True


@dataclass(frozen=True)
class InventoryTotal:
    """A sum of lines of one scope, method and GWP set; different sets are never added.

    Args:
        co2e_kg: unrounded; null: no line is known.
        unknown: lines that are missing in it.
    """

    scope: str
    method: str
    gwp_set: str
    co2e_kg: float | None
    unknown: int


@dataclass(frozen=True)
class Inventory:
    """What a firm emitted in a period.

    Args:
        cluster: id of the cluster.
        organisation: name of the reporting firm; null: not known.
        approach: of consolidation: operational_control, financial_control or equity_share.
        factories: within the boundary.
        exclusions: what of them is left out, and why.
        start: first local date; end: first after the period.
        lines: by factory, scope, activity, method.
        not_quantified: key of CATEGORIES -> why there is no line.
        factors: rows of the factor table that were used.
        known_at: newest nominal time of the rows that it rests on; null: there are none.
        verification: `unverified`, until somebody outside has verified it.
        about: what tables don't know, as the operator tells it: responsible, base_year ...
    """

    cluster: str
    organisation: str | None
    approach: str
    factories: tuple[str, ...]
    exclusions: tuple[str, ...]
    start: date
    end: date
    lines: tuple[InventoryLine, ...]
    not_quantified: Mapping[str, str]
    factors: tuple[Mapping[str, Any], ...]
    known_at: datetime | None
    verification: str = UNVERIFIED
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def provisional(self) -> bool:
        """Say whether some line may still change by itself."""
        return any(line.provisional for line in self.lines)

    @property
    def gwp_sets(self) -> tuple[str, ...]:
        """Name every GWP set that some line was added by."""
        return tuple(sorted({line.gwp_set for line in self.lines if line.gwp_set is not None}))

    def totals(self) -> tuple[InventoryTotal, ...]:
        """Add lines up by scope, method and GWP set; a line that isn't known is counted, not zero."""
        sums: dict[tuple[str, str, str], list[InventoryLine]] = {}
        for line in self.lines:
            sums.setdefault((line.scope, line.method, line.gwp_set or "none"), []).append(line)
        return tuple(
            InventoryTotal(
                *place, exact_total(line.co2e_kg for line in own), sum(line.co2e_kg is None for line in own)
            )
            for place, own in sorted(sums.items())
        )


def electricity_lines(
    emissions: pl.DataFrame, period_s: Mapping[str, float], purpose: str = "disclosure"
) -> tuple[InventoryLine, ...]:
    """Add hourly emissions up to lines by factory and factor, located and by market.

    Hours that are suspect or estimated are left out of amount and coverage, as of every published figure. No
    instrument is recorded in hourly emissions and no residual mix is published: by market the grid average
    stands, and the line says both.

    Args:
        emissions: rows of the table emissions of a period: electricity by location.
        period_s: factory -> length of the period [s], what coverage is a share of.
        purpose: what the factors were chosen for.

    Source: GHG Protocol, Scope 2 Guidance (2015), chapters 6 and 7.
    """
    known = is_publishable() & pl.col("co2e_kg").is_not_null()
    hours = (pl.col("allocation") == "hour") & known
    covered = (seconds_between("start", "end") * pl.col("coverage").fill_null(0.0)).filter(hours)
    rows = (
        emissions.with_columns(gwp_set=pl.col("gwp_set").fill_null("unstated"))
        .group_by("factory", "factor_id", "gwp_set")
        .agg(
            amount=exact_sum(pl.col("energy_kwh").filter(is_publishable())),
            co2e_kg=exact_sum(pl.col("co2e_kg").filter(known)),
            covered_s=exact_sum(covered).fill_null(0.0),
            provisional=pl.col("provisional").any(),
            left_out=(~is_publishable() & pl.col("quality").is_not_null()).any(),
            reasons=pl.col("reason").drop_nulls().str.split(";").explode().unique().sort(),
        )
        .sort("factory", "factor_id")
    )
    lines: list[InventoryLine] = []
    for row in rows.iter_rows(named=True):
        reasons = (*row["reasons"], *(["suspect_excluded"] if row["left_out"] else []))
        for method, more in (("location", ()), ("market", (NO_RESIDUAL_MIX, NO_INSTRUMENTS))):
            lines.append(
                InventoryLine(
                    factory=row["factory"],
                    activity="electricity",
                    scope="2",
                    category=ELECTRICITY_CATEGORY,
                    method=method,
                    amount=row["amount"],
                    unit="kWh",
                    masses_kg={},
                    co2e_kg=row["co2e_kg"],
                    factor_ids=tuple((row["factor_id"] or "").split(";")) if row["factor_id"] else (),
                    purpose=purpose,
                    gwp_set=row["gwp_set"],
                    tier=None,
                    uncertainty_low_pct=None,
                    uncertainty_high_pct=None,
                    coverage=row["covered_s"] / period_s[row["factory"]],
                    provisional=row["provisional"],
                    reasons=(*reasons, *more),
                )
            )
    return tuple(lines)
