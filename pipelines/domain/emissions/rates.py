"""What one unit of an activity emits on its dates: gases, the rows that say so, and how they were found.

Belongs here: the way from an activity to factors, fuel pairs and conversions. Does not belong here: the
look-up itself (lookup), amounts, sums of gases, market instruments.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction

import polars as pl

from pipelines.domain.emissions.activities import Activity, amount_unit
from pipelines.domain.emissions.fuels import (
    BASIS_SUSPECT,
    KG_CO2_PER_TJ_PER_T_C_PER_TJ,
    ChosenPair,
    Conversion,
    Pair,
    choose_pair,
    fuel_of,
    ipcc_name,
    oxidation,
)
from pipelines.domain.emissions.gases import BIOGENIC, COMPOSITE, known_gases
from pipelines.domain.emissions.lookup import (
    EVERYWHERE,
    NO_FACTOR,
    Factor,
    Found,
    Search,
    find,
)
from pipelines.domain.emissions.solutions import (
    COMPANIONS,
    Rate,
    Solution,
    factor_unit,
    of_rows,
    once,
    same,
    weighted,
)

ELECTRICITY = "electricity"
CONSUMPTION, RESIDUAL = frozenset({"consumption_end"}), frozenset({"residual_mix"})
_FUEL_BASES = frozenset({"lhv", "hhv"})
_UPSTREAM = frozenset({"upstream", "transport", "freight", "cradle"})


@dataclass(frozen=True)
class Tables:
    """What the rates are made of.

    Args:
        factors: rows of emission_factors.
        pairs: rows of fuel_properties.
        gwps: gwp.
        parameters: parameters.
        conversion: units, and NCV/GCV where a pair has no GCV.
        unconfirmed: activities that only unconfirmed rows know, with the row's id.
    """

    factors: tuple[Factor, ...]
    pairs: tuple[Pair, ...]
    gwps: pl.DataFrame
    parameters: pl.DataFrame
    conversion: Conversion
    unconfirmed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What a caller asks beside the activities.

    Args:
        purpose: disclosure, k_ets, cbam or inventory.
        as_of: only what was known on that day counts; null: everything.
        use: id of the row (or fuel pair) to use, by activity.
    """

    purpose: str
    as_of: date | None
    use: Mapping[str, str]


def is_upstream(name: str) -> bool:
    """Say whether an activity or basis is of scope 3: what happens before or between factories."""
    return bool(_UPSTREAM & {*re.split(r"[_\s-]", name.lower())})


class Rates:
    """Finds the rates of activities."""

    def __init__(self, tables: Tables, choice: Choice) -> None:
        self._tables = tables
        self._choice = choice
        self._edges = sorted(
            {edge for f in tables.factors for edge in (f.valid_from, f.valid_to) if edge is not None}
            | {pair.valid_from for pair in tables.pairs if pair.valid_from is not None}
        )
        self._gases = known_gases(tables.gwps)
        self._fuels = {pair.fuel for pair in tables.pairs} | {
            f.activity for f in tables.factors if f.basis in _FUEL_BASES
        }
        self._activities = {f.activity for f in tables.factors}
        self._by_id = {f.factor_id: f for f in tables.factors}
        self._pair_ids = {pair.pair_id for pair in tables.pairs}
        self._found: dict[tuple[object, ...], Solution] = {}

    def of(self, activity: Activity, bases: frozenset[str] | None = None) -> Solution:
        """Return the rates over an activity's dates: across windows, weighted by days.

        A day without a factor leaves the whole without one: part of an amount is no amount.

        Args:
            activity: what was done.
            bases: of electricity, if not its consumption.
        """
        asked = (
            activity.activity, activity.unit, activity.start, activity.end, activity.geography, activity.tier,
            activity.temperature_c, activity.pressure_kpa, bases,
        )  # fmt: skip
        if asked not in self._found:
            self._found[asked] = self._over_all_days(activity, bases)
        return self._found[asked]

    def _over_all_days(self, activity: Activity, bases: frozenset[str] | None) -> Solution:
        parts: list[tuple[date, date, Solution]] = []
        for start, end in self._pieces(activity):
            found = self._during(activity, start, end, bases)
            if parts and same(parts[-1][2], found):
                start = parts.pop()[0]  # noqa: PLW2901 # the piece begins where the one before it did
                found = self._during(activity, start, end, bases)
            parts.append((start, end, found))
        return weighted([(found, Fraction((end - first).days, activity.days)) for first, end, found in parts])

    def knows(self, activity: str) -> bool:
        """Say whether any table has the activity."""
        known = self._activities | self._fuels | self._gases
        return activity in known or activity in self._tables.unconfirmed

    def burns(self, activity: str) -> bool:
        """Say whether an activity is the burning of a fuel."""
        named = self._named(activity)
        if named is not None and named.basis not in _FUEL_BASES:
            return fuel_of(activity) in self._fuels
        return fuel_of(activity) in self._fuels or named is not None or self._named_pair(activity)

    def releases(self, activity: str) -> bool:
        """Say whether an activity is the escape of a gas that it names."""
        return activity in self._gases and activity not in self._activities

    def bases(self, activity: str) -> frozenset[str]:
        """Return the bases of the rows of an activity, or of the one named for it."""
        named = self._named(activity)
        return frozenset(
            [named.basis] if named else [f.basis for f in self._tables.factors if f.activity == activity]
        )

    def unit_of(self, activity: str) -> str | None:
        """Return the unit that the rows of an activity are per, or the one of the row named for it."""
        rows = [f for f in self._tables.factors if f.activity == activity]
        parts = (
            factor_unit((self._named(activity) or rows[0]).unit) if rows or self._named(activity) else None
        )
        return None if parts is None else parts[1]

    def pair_of(self, activity: Activity, day: date) -> ChosenPair:
        """Return the fuel pair of a date."""
        named = self._choice.use.get(activity.activity)
        choice = self._choice
        return choose_pair(self._tables.pairs, activity, choice.purpose, choice.as_of, day, named=named)

    def search_of(self, activity: Activity, bases: frozenset[str] | None = None) -> Search:
        """Return what is asked of emission_factors for an activity."""
        name = activity.activity
        named = self._choice.use.get(name) if bases is None else None
        if bases is None:
            bases = CONSUMPTION if name == ELECTRICITY else self._usable_bases(name)
        return Search(
            name,
            activity.geography,
            self._choice.purpose,
            self._choice.as_of,
            bases=None if named else bases,
            named=named,
            carries=not (name == ELECTRICITY and self._choice.purpose == "k_ets"),
        )

    def own_search(self, activity: Activity) -> Search:
        """Return what is asked of emission_factors for a fuel at its own place, or for the row named."""
        named = self._named(activity.activity)
        wanted = None if named is None else named.factor_id
        return replace(self.search_of(activity), global_too=False, named=wanted)

    def _usable_bases(self, activity: str) -> frozenset[str] | None:
        """Return the bases of rows that are the activity itself, not what happened before it."""
        return (
            None
            if is_upstream(activity)
            else frozenset(b for b in self.bases(activity) if not is_upstream(b))
        )

    def _named_pair(self, activity: str) -> bool:
        return self._choice.use.get(activity) in self._pair_ids

    def _named(self, activity: str) -> Factor | None:
        return self._by_id.get(self._choice.use.get(activity, ""))

    def _pieces(self, activity: Activity) -> Iterable[tuple[date, date]]:
        cuts = [edge for edge in self._edges if activity.start < edge < activity.end]
        return zip([activity.start, *cuts], [*cuts, activity.end], strict=True)

    def _during(self, activity: Activity, first: date, end: date, bases: frozenset[str] | None) -> Solution:
        last = end - timedelta(days=1)
        if self.releases(activity.activity):
            return self._released(activity)
        if self.burns(activity.activity):
            return self._burned(activity, first, last)
        found = find(self._tables.factors, self.search_of(activity, bases), first, last)
        if not found.rows:
            return Solution((), (), "none", reasons=(found.reason or NO_FACTOR,))
        return of_rows(found, lambda _, per: self._tables.conversion.plain(activity, per))

    def _released(self, activity: Activity) -> Solution:
        amount = self._tables.conversion.plain(activity, "kg")
        if amount.value is None:
            return Solution((), (), "exact", reasons=amount.reasons)
        return Solution((Rate(activity.activity, amount.value, activity.activity, (0.0, 0.0)),), (), "exact")

    def _burned(self, activity: Activity, first: date, last: date) -> Solution:
        """Burn by a row of the activity's own place or one that is named, else by the pair of the fuel."""
        named = self._named(activity.activity)
        if named is None and (activity.geography == EVERYWHERE or self._named_pair(activity.activity)):
            return self._by_pair(activity, first, last)
        found = find(self._tables.factors, self.own_search(activity), first, last)
        if named is None and self._prefers_pair(activity, found, first):
            return self._by_pair(activity, first, last)
        if not found.rows:
            return Solution((), (), "none", reasons=(found.reason or NO_FACTOR,))
        place = EVERYWHERE if found.rows[0].geography == EVERYWHERE else activity.geography
        pair = self.pair_of(replace(activity, geography=place), first).pair
        solved = self._by_rows(activity, found, pair)
        if solved.rates and found.rows[0].gas == "CO2":
            missing = [gas for gas in COMPANIONS if gas not in {row.gas for row in found.rows}]
            solved = self._with_companions(solved, activity, pair, missing, (first, last))
        if found.rows[0].basis == "hhv" and self._is_net(activity):
            solved = replace(solved, reasons=(*solved.reasons, BASIS_SUSPECT))
        return self._oxidised(solved, activity)

    def _prefers_pair(self, activity: Activity, found: Found, day: date) -> bool:
        """Say whether the pair of the fuel goes before what the activity's own place has.

        It does before nothing, before a row that would be carried forward, and before a row per gross energy
        where the amount is net: the two are never combined.
        """
        if not found.rows:
            return True
        if found.rows[0].basis == "hhv" and self._is_net(activity):
            return True
        return found.match == "fallback" and self.pair_of(activity, day).pair is not None

    def _is_net(self, activity: Activity) -> bool:
        unit = amount_unit(self._tables.conversion.units, activity.unit)
        return unit.energy_basis in {"net", None}

    def _by_rows(self, activity: Activity, found: Found, pair: Pair | None) -> Solution:
        """Turn rows of a fuel into rates: per net or gross energy, mass or normal volume."""
        return of_rows(
            found,
            lambda row, per: self._tables.conversion.fuel(activity, per, gross=row.basis == "hhv", pair=pair),
            tell_missing=False,
        )

    def _by_pair(self, activity: Activity, first: date, last: date) -> Solution:
        chosen = self.pair_of(activity, first)
        if chosen.pair is None and chosen.judged:
            return Solution((), (), "none", reasons=(NO_FACTOR,))
        if chosen.pair is not None and chosen.pair.carbon is not None:
            co2 = self._by_carbon(activity, chosen.pair, chosen.pair.carbon)
        else:
            co2 = self._by_co2_row(activity, chosen.pair, first, last)
        if chosen.pair is not None and not chosen.first:
            reasons = (f"vintage:{chosen.pair.vintage}", *co2.reasons)
            co2 = replace(co2, match="fallback" if co2.rows else "none", reasons=reasons)
        if not co2.rates:
            return co2
        solved = self._with_companions(co2, activity, chosen.pair, COMPANIONS, (first, last))
        return self._oxidised(solved, activity)

    def _by_carbon(self, activity: Activity, pair: Pair, carbon: Fraction) -> Solution:
        """Return the CO2 of a pair: net energy x carbon content x 44/12."""
        amount = self._tables.conversion.fuel(activity, "TJ", gross=False, pair=pair)
        rows = once((pair.pair_id, *amount.rows))
        if amount.value is None:
            return Solution((), rows, "exact", reasons=amount.reasons)
        kg = carbon * KG_CO2_PER_TJ_PER_T_C_PER_TJ * amount.value
        return Solution((Rate("CO2", kg, pair.pair_id, None),), rows, "exact", reasons=amount.reasons)

    def _by_co2_row(self, activity: Activity, pair: Pair | None, first: date, last: date) -> Solution:
        """Return the CO2 of the IPCC row: with the IPCC NCV, or where a Korean pair has no carbon content."""
        found = find(self._tables.factors, self.co2_search(activity), first, last)
        if not found.rows:
            return Solution((), (), "none", reasons=(found.reason or NO_FACTOR,))
        solved = self._by_rows(activity, found, pair)
        if pair is not None and pair.geography != EVERYWHERE:
            return replace(solved, match="fallback", reasons=("co2_row:ipcc", *solved.reasons))
        return solved if activity.geography == EVERYWHERE else replace(solved, match="fallback")

    def co2_search(self, activity: Activity) -> Search:
        """Return what is asked of emission_factors for a fuel's CO2 per net energy, anywhere."""
        fuel = fuel_of(activity.activity)
        name = fuel if fuel in self._activities else ipcc_name(fuel)
        return self.ipcc_search(name, frozenset({"CO2", BIOGENIC, COMPOSITE}))

    def ipcc_search(self, name: str, gases: frozenset[str]) -> Search:
        """Return what is asked of emission_factors for gases of a fuel per net energy, anywhere."""
        return Search(
            name, EVERYWHERE, self._choice.purpose, self._choice.as_of, bases=frozenset({"lhv"}), gases=gases
        )

    def _with_companions(
        self,
        solved: Solution,
        activity: Activity,
        pair: Pair | None,
        gases: Iterable[str],
        dates: tuple[date, date],
    ) -> Solution:
        """Add CH4 and N2O by the IPCC rows per net energy, as far as there are any."""
        if any(rate.gas == COMPOSITE for rate in solved.rates):
            return solved
        for gas in gases:
            search = self.ipcc_search(ipcc_name(activity.activity), frozenset({gas}))
            part = self._by_rows(activity, find(self._tables.factors, search, *dates), pair)
            if not part.rates:
                solved = replace(solved, reasons=(*solved.reasons, f"gas_factor_missing:{gas}"))
                continue
            solved = replace(
                solved,
                rates=(*solved.rates, *part.rates),
                rows=once((*solved.rows, *part.rows)),
                reasons=once((*solved.reasons, *part.reasons)),
            )
        return solved

    def _oxidised(self, solved: Solution, activity: Activity) -> Solution:
        """Multiply CO2, and only CO2, by the share of carbon that oxidises."""
        share, rows = oxidation(self._tables.parameters, activity, self._choice.purpose, self._choice.as_of)
        if share is None:
            return replace(solved, rates=(), reasons=(*solved.reasons, NO_FACTOR))
        rates = tuple(
            replace(rate, kg=rate.kg * share) if rate.gas in {"CO2", BIOGENIC} else rate
            for rate in solved.rates
        )
        return replace(solved, rates=rates, rows=tuple(dict.fromkeys((*solved.rows, *rows))))
