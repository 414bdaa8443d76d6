"""Allocation: a factory's emissions shared out to the products that it made.

Belongs here: shares by mass, units or machine hours, and parts of lines that add up to the whole. Does not
belong here: what was made and what machines did (pipelines.jobs.products), the footprint (product_footprint).

Source: ISO 14044:2006, 4.3.4.2 and ISO 14067:2018, 6.4.6: physical relations first (mass, time on machines),
the method named. What can't be shared out is said, product by product; nothing is guessed or left over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Final

from pipelines.domain.emissions.inventory import InventoryLine
from pipelines.domain.emissions.product_footprint import MACHINE_HOURS, MASS, UNITS

OUTPUT_NOT_KNOWN: Final = "output_not_known"
NOTHING_MADE: Final = "nothing_made"
NO_MASS: Final = "mass_per_unit_not_told"
UNITS_DIFFER: Final = "units_differ"
MACHINE_TIME_NOT_KNOWN: Final = "machine_time_not_known"
NO_PRU: Final = "pru_not_given"


@dataclass(frozen=True)
class ProductOutput:
    """What a factory made of a product in a period.

    Args:
        product: its id.
        unit: of its quantity.
        quantity: good output; null: not known for some day.
        mass_kg_per_unit: mass of one unit; null: not told.
        machine_time_s: actual production time (APT) of machines that it is given; null: not known.
    """

    product: str
    unit: str
    quantity: float | None
    mass_kg_per_unit: float | None
    machine_time_s: Fraction | None


@dataclass(frozen=True)
class MachineDay:
    """What a machine made of one product on a day.

    Args:
        machine: id of the machine.
        day: local date.
        product: id of the product.
        produced: quantity, good or not; null: not known.
        pru_s: planned run time per unit [s]; null: not given.
        apt_s: actual production time of the machine on that day [s], the same in all its rows; null: not
            known.
    """

    machine: str
    day: date
    product: str
    produced: float | None
    pru_s: float | None
    apt_s: float | None


@dataclass(frozen=True)
class Gap:
    """Why nothing can be shared out.

    Args:
        product: of which something is missing; `*`: of all together.
        reason: a code of this module.
    """

    product: str
    reason: str


def machine_times(days: Iterable[MachineDay]) -> dict[str, Fraction | Gap]:
    """Give each machine's production time to the products that it made on the day.

    One product has all of it; several share it in proportion to their planned run time, PRU x PQ.

    Returns:
        Product -> time [s], or what is missing.
    """
    by_machine: dict[tuple[str, date], list[MachineDay]] = {}
    for row in days:
        by_machine.setdefault((row.machine, row.day), []).append(row)
    found: dict[str, Fraction | Gap] = {}
    for rows in by_machine.values():
        for product, time in _times_of(rows):
            before = found.get(product, Fraction(0))
            if not isinstance(before, Gap):
                found[product] = time if isinstance(time, Gap) else before + time
    return dict(sorted(found.items()))


def _times_of(rows: Sequence[MachineDay]) -> Iterable[tuple[str, Fraction | Gap]]:
    apt_s, alone = rows[0].apt_s, len(rows) == 1
    planned: dict[str, Fraction] = {}
    for row in rows:
        if apt_s is None or row.produced is None:
            yield row.product, Gap(row.product, MACHINE_TIME_NOT_KNOWN)
        elif row.pru_s is None and not alone:
            yield row.product, Gap(row.product, NO_PRU)
        else:
            planned[row.product] = (
                Fraction(1) if alone else Fraction(row.pru_s or 0.0) * Fraction(row.produced)
            )
    whole = sum(planned.values())
    for product, part in planned.items():
        yield product, Fraction(apt_s or 0.0) * part / whole if whole else Fraction(0)


def gaps(outputs: Sequence[ProductOutput], method: str) -> tuple[Gap, ...]:
    """List what a method lacks; empty: `shares` can be had.

    Args:
        outputs: of all products of the factory in the period.
        method: mass, units or machine_hours.
    """
    found = [Gap(one.product, OUTPUT_NOT_KNOWN) for one in outputs if one.quantity is None]
    made = [one for one in outputs if one.quantity]
    if method == MASS:
        found += [Gap(one.product, NO_MASS) for one in made if one.mass_kg_per_unit is None]
    if method == UNITS and len({one.unit for one in made}) > 1:
        found.append(Gap("*", UNITS_DIFFER))
    if method == MACHINE_HOURS:
        found += [Gap(one.product, MACHINE_TIME_NOT_KNOWN) for one in made if one.machine_time_s is None]
    if not found and not any(_weight(one, method) for one in outputs):
        found.append(Gap("*", NOTHING_MADE))
    return tuple(found)


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
        return output.machine_time_s or Fraction(0)
    raise ValueError(f"{method} is no method of allocation")


def allocate(
    lines: Iterable[InventoryLine], shares: Mapping[str, Fraction]
) -> dict[str, tuple[InventoryLine, ...]]:
    """Give each product its part of each line that emits.

    Amounts, masses and emissions of all products add up to the line's to the last bit: the product with the
    smallest share takes what rounding leaves over.

    Args:
        lines: of the factory; what emits nothing by itself is left out.
        shares: product -> its share; together 1.
    """
    emitting = [line for line in lines if line.emits]
    parts = [_split_line(line, shares) for line in emitting]
    return {product: tuple(part[product] for part in parts) for product in shares}


def _split_line(line: InventoryLine, shares: Mapping[str, Fraction]) -> dict[str, InventoryLine]:
    amount, co2e = split(line.amount, shares), split(line.co2e_kg, shares)
    biogenic = split(line.co2_biogenic_kg, shares)
    masses = {gas: split(kg, shares) for gas, kg in line.masses_kg.items()}
    return {
        product: replace(
            line,
            amount=amount[product],
            co2e_kg=co2e[product],
            co2_biogenic_kg=biogenic[product],
            masses_kg={gas: kg for gas, given in masses.items() if (kg := given[product]) is not None},
        )
        for product in shares
    }


def split(value: float | None, shares: Mapping[str, Fraction]) -> dict[str, float | None]:
    """Split a number so that the exact sum of its parts, rounded once, is the number.

    Args:
        value: null: not known, and so are its parts.
        shares: not negative, together 1.
    """
    if value is None:
        return dict.fromkeys(shares)
    # At most half of the whole: its last bit is finer than the whole's.
    last = min((name for name in shares if shares[name]), key=lambda name: (shares[name], name))
    exact = Fraction(value)
    parts: dict[str, float | None] = {name: float(exact * share) for name, share in shares.items()}
    others = sum((Fraction(part) for name, part in parts.items() if name != last and part), Fraction(0))
    parts[last] = float(exact - others)
    return parts
