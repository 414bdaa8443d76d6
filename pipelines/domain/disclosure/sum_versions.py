"""Which sums of a group several nights told of are the same.

Belongs here: the versions of each element's sum, night by night, and the identities that hold among them.
Does not belong here: what follows from them (identities).

A restated sum is another unknown, an unchanged one the same. A sum that stands alone in some formula is told
from others by its value; one that occurs only within longer sums, by theirs.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from pipelines.domain.disclosure.exposure import FormulaSaid, FormulaSum
from pipelines.domain.kpi_formulas import Element

_EQUAL: Final = 9  # digits: what differs less was not restated, but added up in another order
_TOLERANCE: Final = 1e-7
_OUTPUT: Final = "pq"  # what an element and its complement add up to
_RUN_TIME: Final = "pru_s"
Night = tuple[int, int]
Column = tuple[str, str]
"""A term (an element, or a product of two) and which version of its sum."""


def parts_of(element: Element) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Return an element as the sum of others, weighted ones too."""
    if element.derived_from:
        yield element.element, element.derived_from
    if element.complement_of is not None:
        for weight in ("", f"{_RUN_TIME}*"):
            yield f"{weight}{_OUTPUT}", (f"{weight}{element.complement_of}", f"{weight}{element.element}")


class Versions:
    """The versions of the sums of one group and period.

    Args:
        told: night and formula of each figure, in any order.
    """

    def __init__(self, told: Iterable[tuple[Night, FormulaSaid]]) -> None:
        self._sums: dict[Night, dict[FormulaSum, None]] = {}
        for night, said in told:
            self._sums.setdefault(night, {}).update(dict.fromkeys((*said.above, *said.below)))
        self.nights = sorted(self._sums)
        self.truths: dict[Column, float] = {}
        self._columns: dict[Night, dict[str, Column]] = {}
        self._by_value: dict[tuple[str, str], Column] = {}
        self._by_sum: dict[tuple[str, object, str], Column] = {}
        for place, night in enumerate(self.nights):
            self._columns[night] = self._learn(str(place), self._sums[night])

    def columns(self, night: Night) -> Mapping[str, Column]:
        """Return the column of each term that a night told of."""
        return self._columns[night]

    def _learn(self, version: str, sums: Iterable[FormulaSum]) -> dict[str, Column]:
        values = {name: value for name, value in map(_alone, sums) if name}
        found: dict[str, Column] = {}
        for name in sorted({name for one in sums for name, _ in one.terms}):
            same = self._by_value.get((name, _digits(values[name]))) if name in values else None
            found[name] = same or self._within(name, sums, values) or (name, version)
        for name, value in values.items():
            self.truths.setdefault(found[name], value)
            self._by_value.setdefault((name, _digits(value)), found[name])
        for one in sums:
            for name, _ in one.terms:
                self._by_sum.setdefault(_key(name, one), found[name])
        return found

    def _within(self, name: str, sums: Iterable[FormulaSum], values: Mapping[str, float]) -> Column | None:
        """Return the column of a term by the longer sums that didn't change; null: none, or it did itself."""
        known = (self._by_sum.get(_key(name, one)) for one in sums)
        found = next((column for column in known if column is not None), None)
        if found is None or name not in values or found not in self.truths:
            return found
        return found if _digits(self.truths[found]) == _digits(values[name]) else None

    def identities(self, elements: Iterable[Element]) -> list[Mapping[Column, float]]:
        """Return sums of columns that are zero: parts less their whole.

        Where the terms were told in different nights, only if their values say so.
        """
        found: dict[tuple[Column, ...], Mapping[Column, float]] = {}
        given = [(whole, parts) for element in elements for whole, parts in parts_of(element)]
        newest: dict[str, Column] = {}
        for night in self.nights:
            newest |= self._columns[night]
            for whole, parts in given:
                names = (whole, *parts)
                if not newest.keys() >= set(names):
                    continue
                terms = dict(
                    zip((newest[name] for name in names), (-1.0, *(1.0 for _ in parts)), strict=True)
                )
                if self._holds(terms, together=self._columns[night].keys() >= set(names)):
                    found.setdefault(tuple(terms), terms)
        return list(found.values())

    def _holds(self, terms: Mapping[Column, float], *, together: bool) -> bool:
        """Say whether an identity is true, as far as its sums are known one by one."""
        if not terms.keys() <= self.truths.keys():
            return together
        values = [c * self.truths[column] for column, c in terms.items()]
        return abs(math.fsum(values)) <= _TOLERANCE * max(abs(v) for v in values)


def _alone(one: FormulaSum) -> tuple[str, float]:
    """Return a term that is a sum by itself, with its value; an empty name: there are more."""
    if len(one.terms) != 1 or one.constant:
        return "", 0.0
    ((name, coefficient),) = one.terms
    return name, one.truth / coefficient


def _digits(value: float) -> str:
    return f"{value:.{_EQUAL}g}"


def _key(name: str, one: FormulaSum) -> tuple[str, object, str]:
    return (name, (one.terms, one.constant), _digits(one.truth))
