"""The daily facts of factories and machines: what every KPI is made of, from facts of hours.

Belongs here: from hours of meters, machines and emissions, and from days of operations, to elements by day.
Does not belong here: hours (facts), KPIs (pipelines.domain.kpis), which rows are read.

How the rules are read here, where they leave room:

- An amount of energy is the sum of what is known; its coverage says how much of the time that is. Hours that
  are suspect or estimated are left out of both, and the row says so (`suspect`).
- A machine's time or quantity is null as soon as one hour of the day lacks it: a day's sum must not pass for
  the whole. A quantity that no hour has (nobody counts it) has no row. Suspect hours make it null too.
- A product's PRU is that of the day's profile.
- TBF is APT, TTR is ADOT + CMT, as from a log (pipelines.domain.machine_log).
- A machine's emissions are its own hours times the grid factor of its factory's hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipelines.domain.calendar import seconds_between
from pipelines.domain.factory_energy import (
    QUALITIES,
    is_publishable,
    machine_meters,
    main_meters,
    metered_hours,
)
from pipelines.domain.machine_time import ALL_PRODUCTS, QUANTITIES
from pipelines.domain.sums import exact_sum
from pipelines.domain.units import CANONICAL_UNITS

OF_FACTORY = "*"
ELECTRICITY, EXPORT, CARBON = "energy_kwh", "electricity_export_kwh", "co2e_kg"
CARRIER_ELEMENTS = {
    carrier: ELECTRICITY if carrier == "electricity" else f"{carrier}_{unit.lower()}"
    for carrier, unit in CANONICAL_UNITS.items()
}
_TIMES = ("pbt_s", "apt_s", "asut_s", "adet_s", "adot_s", "pmt_s", "cmt_s", "unknown_s")
_COUNTED = (*QUANTITIES, "pru_s")
ELEMENT_KEY = ("factory", "machine", "product", "element", "day")
ELEMENTS_SCHEMA = pl.Schema({
    "day": pl.Date(), "factory": pl.String(), "machine": pl.String(), "product": pl.String(),
    "element": pl.String(), "quantity": pl.Float64(), "unit": pl.String(), "coverage": pl.Float64(),
    "quality": pl.String(), "suspect": pl.Boolean(), "reason": pl.String(), "weight_s": pl.Float64(),
    "status": pl.String(), "version": pl.Int32(), "profile_version": pl.String(),
})  # fmt: skip


@dataclass(frozen=True)
class DayFacts:
    """What daily elements are made of.

    Args:
        energy: rows of facts_energy.
        machines: rows of facts_machine.
        emissions: rows of the table emissions; others than electricity by location are ignored.
        operations: rows of facts_operations.
        meters: ``factory, profile_version, meter, carrier, parent, machine, bidirectional``.
    """

    energy: pl.DataFrame
    machines: pl.DataFrame
    emissions: pl.DataFrame
    operations: pl.DataFrame
    meters: pl.DataFrame


def daily_elements(facts: DayFacts, units: dict[str, str]) -> pl.DataFrame:
    """Derive the elements of whole factory-days; the rules stand at the head of this module.

    Args:
        facts: all rows of the factory-days.
        units: element -> its unit.

    Returns:
        ELEMENTS_SCHEMA, sorted by ELEMENT_KEY: ``machine`` is `*` for what is the factory's, ``product`` `*`
        for what is of no product. ``quantity`` null: not known, see ``reason`` (a code where it says more
        than that the element is missing). ``coverage``: share of ``weight_s`` that was measured.
        ``version``: the newest fact version that it rests on.
    """
    parts = [
        _energy(facts),
        _carbon(facts),
        _machine_times(facts.machines),
        _machine_counts(facts.machines),
        _operations(facts.operations),
    ]
    rows = pl.concat([part.select(n for n in ELEMENTS_SCHEMA.names() if n != "unit") for part in parts])
    return (
        rows.with_columns(unit=pl.col("element").replace_strict(units, return_dtype=pl.String))
        .select(pl.col(name).cast(kind) for name, kind in ELEMENTS_SCHEMA.items())
        .sort(ELEMENT_KEY)
    )


def _energy(facts: DayFacts) -> pl.DataFrame:
    """Sum consumption by carrier, of factories and of machines with meters of their own, and exports."""
    of_factory = main_meters(facts.meters).with_columns(machine=pl.lit(OF_FACTORY))
    both_ways = pl.col("bidirectional").fill_null(value=False) & (pl.col("carrier") == "electricity")
    whose = ["factory", "machine", "carrier"]
    consumed = metered_hours(
        facts.energy, pl.concat([of_factory, machine_meters(facts.meters).select(of_factory.columns)]), whose
    )
    exported = metered_hours(facts.energy, of_factory.filter(both_ways), whose)
    element = pl.col("carrier").replace_strict(CARRIER_ELEMENTS, default=None, return_dtype=pl.String)
    hours = pl.concat([
        consumed.with_columns(quantity="imported", element=element),
        exported.with_columns(quantity="exported", element=pl.lit(EXPORT)),
    ]).drop_nulls("element")  # fmt: skip
    return _with_state(_amounts(hours, pl.lit(None, pl.String)), facts.energy)


def _carbon(facts: DayFacts) -> pl.DataFrame:
    """Sum emissions, of factories and of machines with electricity meters of their own."""
    located = facts.emissions.filter(
        (pl.col("carrier") == "electricity") & (pl.col("method") == "location")
    ).sort("factory", "start")
    of_machines = metered_hours(
        facts.energy,
        machine_meters(facts.meters).filter(pl.col("carrier") == "electricity"),
        ["factory", "machine"],
    )
    factors = located.select("factory", "day", "start", "factor_id", "factor_kg_per_kwh", "provisional",
                             "reason").unique(["factory", "day", "start"], maintain_order=True)  # fmt: skip
    machine_hours = of_machines.sort("start").join_asof(
        factors.sort("start"), on="start", by=["factory", "day"], check_sortedness=False
    )
    columns = ["factory", "machine", "day", "allocation", "start", "end", "quantity", "coverage", "quality",
               "status", "factor_id", "reason"]  # fmt: skip
    open_ended = pl.col("provisional").fill_null(value=False)
    hours = pl.concat([
        located.with_columns(
            machine=pl.lit(OF_FACTORY),
            quantity="co2e_kg",
            status=pl.when(open_ended).then(pl.lit("provisional")).otherwise(pl.lit("final")),
        ).select(columns),
        machine_hours.with_columns(
            quantity=pl.col("imported") * pl.col("factor_kg_per_kwh"),
            status=pl.when(open_ended).then(pl.lit("provisional")).otherwise("status"),
        ).select(columns),
    ]).with_columns(element=pl.lit(CARBON))  # fmt: skip
    no_factor = pl.col("factor_id").is_null()
    of_factor = pl.col("reason").filter(no_factor).str.split(";").list.first().min()
    return _with_state(
        _amounts(hours, pl.coalesce(of_factor, pl.lit("missing_element:energy_kwh"))), facts.energy
    )


def _amounts(hours: pl.DataFrame, reason: pl.Expr) -> pl.DataFrame:
    """Sum what is known of hours and gaps by day; reason: why, where nothing is."""
    seconds = seconds_between("start", "end")
    is_hour = pl.col("allocation") == "hour"
    # An hour of which nothing is known has no quality: it is missing, not suspect.
    doubtful = ~is_publishable()
    known = is_publishable() & pl.col("quantity").is_not_null()
    covered = exact_sum((seconds * pl.col("coverage").fill_null(0.0)).filter(is_hour & known))
    return (
        hours.group_by("factory", "machine", "element", "day")
        .agg(
            quantity=exact_sum(pl.col("quantity").filter(known)),
            weight_s=seconds.filter(is_hour).sum(),
            covered_s=covered.fill_null(0.0),
            quality=_worst(pl.col("quality").filter(known)),
            suspect=doubtful.any(),
            why=reason,
            status=_status(),
        )
        .with_columns(
            product=pl.lit(ALL_PRODUCTS),
            coverage=pl.when(pl.col("weight_s") > 0).then(pl.col("covered_s") / pl.col("weight_s")),
            reason=_why_null(pl.col("why")),
        )
    )


def _machine_times(machines: pl.DataFrame) -> pl.DataFrame:
    times = machines.filter(pl.col("product") == ALL_PRODUCTS).with_columns(
        tbf_s="apt_s", ttr_s=pl.col("adot_s") + pl.col("cmt_s")
    )
    elements = (*_TIMES, "failures", "tbf_s", "ttr_s")
    return _machine_days(times, elements)


def _machine_counts(machines: pl.DataFrame) -> pl.DataFrame:
    counts = machines.filter(pl.col("product") != ALL_PRODUCTS)
    return _machine_days(counts, _COUNTED).filter(pl.col("counted"))


def _machine_days(hours: pl.DataFrame, elements: Sequence[str]) -> pl.DataFrame:
    """Sum hours of machines by day; a PRU is the day's, not a sum."""
    doubtful = (pl.col("quality") == "suspect").fill_null(value=False).any()
    seconds = seconds_between("start", "end")
    keys = ["factory", "machine", "product", "day"]
    whole = [
        pl.when(pl.col(n).is_not_null().all() & ~doubtful)
        .then(pl.col(n).min() if n == "pru_s" else exact_sum(pl.col(n)))
        .alias(n)
        for n in elements
    ]
    covered = exact_sum(seconds * pl.col("coverage").fill_null(0.0)) / seconds.sum()
    days = hours.group_by(keys).agg(
        *whole,
        *(pl.col(n).is_not_null().any().alias(f"counted:{n}") for n in elements),
        coverage=covered,
        quality=_worst(pl.col("quality")),
        suspect=doubtful,
        weight_s=seconds.sum(),
        status=_status(),
        version=pl.col("version").max(),
        profile_version=pl.col("profile_version").max(),
    )
    state = ["coverage", "quality", "suspect", "weight_s", "status", "version", "profile_version"]
    return pl.concat([
        days.select(
            *keys, *state,
            element=pl.lit(name), quantity=pl.col(name).cast(pl.Float64), counted=f"counted:{name}",
        )
        for name in elements
    ]).with_columns(reason=_why_null(pl.lit(None, pl.String)))  # fmt: skip


def _operations(operations: pl.DataFrame) -> pl.DataFrame:
    seconds = seconds_between("start", "end")
    doubtful = ~is_publishable()
    return operations.with_columns(
        machine=pl.lit(OF_FACTORY),
        quantity=pl.when(~doubtful).then("quantity"),
        suspect=doubtful,
        weight_s=seconds,
    ).with_columns(reason=_why_null(pl.lit(None, pl.String)))


def _with_state(rows: pl.DataFrame, energy: pl.DataFrame) -> pl.DataFrame:
    """Add version and profile_version of the factory's day."""
    state = energy.group_by("factory", "day").agg(pl.col("version", "profile_version").max())
    return rows.join(state, on=["factory", "day"], how="left")


def _why_null(otherwise: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("quantity").is_null()).then(
        pl.when("suspect").then(pl.lit("suspect_excluded")).otherwise(otherwise)
    )


def _status() -> pl.Expr:
    final = (pl.col("status") == "final").all()
    return pl.when(final).then(pl.lit("final")).otherwise(pl.lit("provisional"))


def _worst(quality: pl.Expr) -> pl.Expr:
    ranks = range(len(QUALITIES))
    worst = quality.replace_strict(QUALITIES, ranks, return_dtype=pl.Int8, default=None).max()
    return worst.replace_strict(ranks, QUALITIES, return_dtype=pl.String, default=None)
