"""An inventory: what a firm emitted in a period, as every export reads it, whatever its format.

Belongs here: the frozen form between the ledger and the formats, its totals. Does not belong here: what a
format asks and how it looks (pipelines.publish.inventory_formats), lines from the ledger
(pipelines.domain.carbon.inventory_lines), reading tables (pipelines.jobs.inventory).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from pipelines.domain.sums import exact_total

UNVERIFIED = "unverified"

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
        coverage: share of its month's (or period's) hours that was measured; null: not metered.
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
        supplier_kg_per_unit: what the supplier states of one unit [kg CO2e]; null: nothing.
        quality: of a meter's hours: the worst of measured, interpolated, estimated, suspect; null: no meter.
        estimated_share: share of the amount that isn't measured; null: not of a meter.
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
    supplier_kg_per_unit: float | None = None
    quality: str | None = None
    estimated_share: float | None = None
    emits: bool = True


@dataclass(frozen=True)
class InventoryTotal:
    """A sum of lines of one scope, method and GWP set; different sets are never added.

    Args:
        scope: 1, 2, 3, 1+2; -: not known.
        co2e_kg: unrounded; null: no line is known.
        unknown: lines that are missing in it.
        masses_kg: gas -> its mass [kg]; empty where a line tells no gases apart: part of a mass is no mass.
        co2_biogenic_kg: CO2 of biomass [kg]; null: none, or not known.
        uncertainty_low_pct: 95 % distance below; null: not known. uncertainty_high_pct: above.
        reasons: codes, as the statement says them.
    """

    scope: str
    method: str
    gwp_set: str
    co2e_kg: float | None
    unknown: int
    masses_kg: Mapping[str, float] = field(default_factory=dict)
    co2_biogenic_kg: float | None = None
    uncertainty_low_pct: float | None = None
    uncertainty_high_pct: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str, str]:
        """What identifies it: scope, method, GWP set."""
        return (self.scope, self.method, self.gwp_set)


@dataclass(frozen=True)
class Stated:
    """The ledger's statement that an inventory repeats.

    Args:
        statement_id: its id. version: of it; null: computed for a document, not kept by the ledger.
        known_at: nominal time of the night that made it.
        cause: why the version was made. note: in the words of who restated; null: a night made it.
        sums: by scope, method and GWP set: 1, 2 and 1+2.
        provisional: whether it may still change by itself.
    """

    statement_id: str
    version: int | None
    known_at: datetime | None
    cause: str | None
    note: str | None
    sums: tuple[InventoryTotal, ...]
    provisional: bool


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
        lines: what emits, by factory, scope, activity, month.
        not_quantified: key of CATEGORIES -> why there is no line.
        factors: rows of the factor tables that were used.
        known_at: newest nominal time of the rows that it rests on; null: there are none.
        verification: `unverified`, until somebody outside has verified it.
        about: what tables don't know, as the operator tells it: responsible, base_year ...
        leased: factories on leased sites.
        not_counted: lines that emit nothing by themselves, with reasons: metered bills, contracts, sales.
        stated: the statement whose sums these are; null: it is no ledger's.
        chosen: what the operator named for this document: field -> text (factors, tiers, GWP set).
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
    leased: tuple[str, ...] = ()
    not_counted: tuple[InventoryLine, ...] = ()
    stated: Stated | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def provisional(self) -> bool:
        """Say whether some line, or the statement, may still change by itself."""
        stated = self.stated is not None and self.stated.provisional
        return stated or any(line.provisional for line in self.lines)

    @property
    def gwp_sets(self) -> tuple[str, ...]:
        """Name every GWP set that some line was added by."""
        return tuple(sorted({line.gwp_set for line in self.lines if line.gwp_set is not None}))

    def totals(self) -> tuple[InventoryTotal, ...]:
        """Return the statement's sums, and those of lines that it doesn't add (scope 3), by place."""
        own = added(self.lines)
        if self.stated is not None:
            sums = (
                total if self._tells_gases(total) else replace(total, masses_kg={})
                for total in self.stated.sums
            )
            own = (*sums, *(t for t in own if t.scope not in {"1", "2"}))
        return tuple(sorted(own, key=lambda total: total.place))

    def of_category(self, category: str) -> tuple[InventoryTotal, ...]:
        """Add up a category: as the statement says it, where the category is all that a sum of it has."""
        stated = {total.place: total for total in self.totals()}
        others = {t.place for t in added(line for line in self.lines if line.category != category)}
        own = added(line for line in self.lines if line.category == category)
        return tuple(t if t.place in others else stated.get(t.place, t) for t in own)

    def _tells_gases(self, total: InventoryTotal) -> bool:
        return _all_tell_gases(
            line
            for line in self.lines
            if line.gwp_set == total.gwp_set
            and line.scope in total.scope.split("+")
            and (line.scope == "1" or line.method == total.method)
        )


def added(lines: Iterable[InventoryLine]) -> tuple[InventoryTotal, ...]:
    """Add lines up by scope, method and GWP set; a line that isn't known is counted, not zero."""
    sums: dict[tuple[str, str, str], list[InventoryLine]] = {}
    for line in lines:
        sums.setdefault((line.scope, line.method, line.gwp_set or "none"), []).append(line)
    return tuple(_added(place, own) for place, own in sorted(sums.items()))


def _added(place: tuple[str, str, str], own: Sequence[InventoryLine]) -> InventoryTotal:
    gases = sorted({gas for line in own for gas in line.masses_kg}) if _all_tell_gases(own) else []
    masses = {gas: math.fsum(line.masses_kg.get(gas, 0.0) for line in own) for gas in gases}
    return InventoryTotal(
        *place,
        exact_total(line.co2e_kg for line in own),
        sum(line.co2e_kg is None for line in own),
        masses,
        exact_total(line.co2_biogenic_kg for line in own),
    )


def _all_tell_gases(lines: Iterable[InventoryLine]) -> bool:
    return all(line.masses_kg for line in lines if line.co2e_kg)


def agrees(lines: Sequence[InventoryLine], sums: Sequence[InventoryTotal]) -> bool:
    """Say whether lines are those of a statement: each of its sums is theirs, as far as rounding can tell.

    A statement adds exact figures and rounds once; a line is rounded itself. So they may differ by half a
    unit in the last place of each, not more; what is not known must be the same number of lines.
    """
    places = {(total.scope, total.method) for total in sums if total.scope in {"1", "2"}}
    told = {(line.scope, line.method) for line in lines if line.scope in {"1", "2"}}
    return told == places and all(
        _agrees([line for line in lines if (line.scope, line.method) == (t.scope, t.method)], t)
        for t in sums
        if t.scope in {"1", "2"}
    )


def _agrees(own: Sequence[InventoryLine], total: InventoryTotal) -> bool:
    known = [line.co2e_kg for line in own if line.co2e_kg is not None and line.gwp_set == total.gwp_set]
    if sum(line.co2e_kg is None for line in own) != total.unknown or bool(known) != (
        total.co2e_kg is not None
    ):
        return False
    rounding = sum((Fraction(math.ulp(kg)) for kg in [*known, total.co2e_kg or 0.0]), Fraction(0)) / 2
    return abs(sum(map(Fraction, known), Fraction(0)) - Fraction(total.co2e_kg or 0.0)) <= rounding
