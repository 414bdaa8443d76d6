"""Allocation: a factory's emissions shared out to the products that it made.

Belongs here: shares by mass, units or machine hours, and parts of lines that add up to the whole. Does not
belong here: what was made and what machines did (pipelines.jobs.products), the footprint (product_footprint).

Source: ISO 14044:2006, 4.3.4.2 and ISO 14067:2018, 6.4.6: physical relations first (mass, time on machines),
the method named. What can't be shared out is said, product by product; nothing is guessed or left over.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Final

from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.domain.emissions.product_footprint import MACHINE_HOURS, MASS, UNITS

OUTPUT_NOT_KNOWN: Final = "output_not_known"
UNIT_NOT_KNOWN: Final = "unit_not_known"
NOTHING_MADE: Final = "nothing_made"
NO_MASS: Final = "mass_per_unit_not_told"
UNITS_DIFFER: Final = "units_differ"
MACHINE_TIME_NOT_KNOWN: Final = "machine_time_not_known"
NO_PRU: Final = "pru_not_given"
OF_ALL: Final = "*"


@dataclass(frozen=True)
class Gap:
    """Why nothing can be shared out.

    Args:
        product: of which something is missing; `*`: of all together.
        reason: a code of this module.
    """

    product: str
    reason: str


@dataclass(frozen=True)
class ProductOutput:
    """What a factory made of a product in a period.

    Args:
        product: its id.
        unit: of its quantity; null: the factory's profile doesn't list the product.
        quantity: good output; null: not known for some day.
        mass_kg_per_unit: mass of one unit; null: not told.
        machine_time_s: actual production time (APT) of machines that it is given, or what is missing for it;
            null: no machine has any.
    """

    product: str
    unit: str | None
    quantity: float | None
    mass_kg_per_unit: float | None
    machine_time_s: Fraction | Gap | None


@dataclass(frozen=True)
class MachineDay:
    """What a machine made of one product on a day.

    Args:
        machine: id of the machine.
        day: local date.
        product: id of the product.
        produced: quantity, good or not; null: not known.
        pru_s: planned run time per unit [s]; null: not given.
        apt_s: actual production time of the machine on that day [s], the same in all its rows; null: nothing
            of its time is known.
    """

    machine: str
    day: date
    product: str
    produced: float | None
    pru_s: float | None
    apt_s: float | None


def machine_times(days: Iterable[MachineDay]) -> dict[str, Fraction | Gap]:
    """Give each machine's production time to the products that it made on the day.

    One product has all of it; several share it in proportion to their planned run time, PRU x PQ. Time of a
    day on which a machine made none of several products is nobody's.

    Returns:
        Product -> time [s], or what is missing.
    """
    by_machine: dict[tuple[str, date], list[MachineDay]] = {}
    for row in days:
        by_machine.setdefault((row.machine, row.day), []).append(row)
    found: dict[str, Fraction | Gap] = {}
    for _, rows in sorted(by_machine.items()):
        for product, time_s in _times_of(rows).items():
            before = found.get(product, Fraction(0))
            if not isinstance(before, Gap):
                found[product] = time_s if isinstance(time_s, Gap) else before + time_s
    return dict(sorted(found.items()))


def _times_of(rows: Sequence[MachineDay]) -> dict[str, Fraction | Gap]:
    """Share out one machine's day; what wasn't made on it takes none of its time."""
    made = [row for row in rows if row.produced != 0] or (rows if len(rows) == 1 else [])
    times: dict[str, Fraction | Gap] = {row.product: Fraction(0) for row in rows}
    missing = {row.product: reason for row in made if (reason := _missing(row, alone=len(made) == 1))}
    if missing:
        # What the others had of the day can't be told either.
        return times | {
            row.product: Gap(row.product, missing.get(row.product, MACHINE_TIME_NOT_KNOWN)) for row in made
        }
    planned = {row.product: _planned_s(row) if len(made) > 1 else Fraction(1) for row in made}
    whole = sum(planned.values())
    return times | {
        row.product: Fraction(row.apt_s or 0.0) * planned[row.product] / whole for row in made if whole
    }


def _missing(row: MachineDay, *, alone: bool) -> str | None:
    if row.apt_s is None or (row.produced is None and not alone):
        return MACHINE_TIME_NOT_KNOWN
    return NO_PRU if not row.pru_s and not alone else None


def _planned_s(row: MachineDay) -> Fraction:
    return Fraction(repr(row.pru_s or 0.0)) * Fraction(repr(row.produced or 0.0))


def gaps(outputs: Sequence[ProductOutput], method: str) -> tuple[Gap, ...]:
    """List what a method lacks; empty: `shares` can be had.

    Args:
        outputs: of all products of the factory in the period.
        method: mass, units or machine_hours.
    """
    found = [Gap(one.product, OUTPUT_NOT_KNOWN) for one in outputs if _is_unknown(one.quantity)]
    made = [one for one in outputs if one.quantity]
    found += [Gap(one.product, UNIT_NOT_KNOWN) for one in made if one.unit is None]
    if method == MASS:
        # A mass of zero is none: what weighs nothing would carry nothing.
        found += [Gap(one.product, NO_MASS) for one in made if not one.mass_kg_per_unit]
    if method == UNITS and len({one.unit for one in made} - {None}) > 1:
        found += [Gap(one.product, UNITS_DIFFER) for one in made]
    if method == MACHINE_HOURS:
        found += [_time_gap(one) for one in made if not isinstance(one.machine_time_s, Fraction)]
        found += [Gap(one.product, MACHINE_TIME_NOT_KNOWN) for one in made if one.machine_time_s == 0]
    if not found and not made:
        found.append(Gap(OF_ALL, NOTHING_MADE))
    return tuple(found)


def _is_unknown(quantity: float | None) -> bool:
    """Say whether an output can't be used: nobody knows it, or more was rejected than made."""
    return quantity is None or quantity < 0


def _time_gap(output: ProductOutput) -> Gap:
    told = output.machine_time_s
    return told if isinstance(told, Gap) else Gap(output.product, MACHINE_TIME_NOT_KNOWN)


def shares(outputs: Sequence[ProductOutput], method: str) -> dict[str, Fraction]:
    """Return each product's share of the factory's emissions, exactly; together they are 1.

    A product without good output has a share of 0: what went into scrap alone is borne by the others.

    Raises:
        ValueError: something is missing (`gaps` says what).
    """
    if missing := gaps(outputs, method):
        raise ValueError(f"can't be shared out: {missing}")
    weights = {one.product: _weight(one, method) for one in outputs}
    whole = sum(weights.values())
    return {product: weight / whole for product, weight in sorted(weights.items())}


def _weight(output: ProductOutput, method: str) -> Fraction:
    quantity = Fraction(repr(output.quantity or 0.0))
    if method == UNITS or not quantity:
        return quantity
    if method == MASS:
        return quantity * Fraction(repr(output.mass_kg_per_unit or 0.0))
    if method == MACHINE_HOURS:
        return output.machine_time_s if isinstance(output.machine_time_s, Fraction) else Fraction(0)
    raise ValueError(f"{method} is no method of allocation")


def allocate(
    lines: Iterable[InventoryLine], shares: Mapping[str, Fraction]
) -> dict[str, tuple[InventoryLine, ...]]:
    """Give each product its part of each line that emits.

    Amounts, claims, masses and emissions of all products add up to the line's exactly: the product with the
    largest share takes what rounding leaves over.

    Args:
        lines: of the factory; what emits nothing by itself is left out.
        shares: product -> its share; together 1.
    """
    emitting = [line for line in lines if line.emits]
    parts = [_split_line(line, shares) for line in emitting]
    return {product: tuple(part[product] for part in parts) for product in shares}


def _split_line(line: InventoryLine, shares: Mapping[str, Fraction]) -> dict[str, InventoryLine]:
    amount, co2e = split(line.amount, shares), split(line.co2e_kg, shares)
    biogenic, claimed = split(line.co2_biogenic_kg, shares), split(line.claimed_kwh, shares)
    masses = {gas: split(kg, shares) for gas, kg in line.masses_kg.items()}
    return {
        product: replace(
            line,
            amount=amount[product],
            co2e_kg=co2e[product],
            co2_biogenic_kg=biogenic[product],
            claimed_kwh=claimed[product],
            masses_kg={gas: kg for gas, given in masses.items() if (kg := given[product]) is not None},
        )
        for product in shares
    }


def split(value: float | None, shares: Mapping[str, Fraction]) -> dict[str, float | None]:
    """Split a number into floats whose sum, in any order, is exactly the number.

    Every part is a whole multiple of the number's last binary place, cut off and not rounded, so none has the
    wrong sign and no addition of parts rounds. The product with the largest share (of equal ones the last by
    id) takes what is left over: less than one such place for each product.

    Args:
        value: null: not known, and so are its parts.
        shares: not negative, together 1.
    """
    if value is None:
        return dict.fromkeys(shares)
    place = Fraction(math.ulp(value))
    count = Fraction(value) / place
    parts = {name: int(count * share) for name, share in shares.items()}
    largest = max(shares, key=lambda name: (shares[name], name))
    parts[largest] += int(count) - sum(parts.values())
    return {name: float(part * place) for name, part in parts.items()}
