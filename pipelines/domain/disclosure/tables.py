"""Cells of tables, hierarchies of their dimensions, and the sums that link them.

Belongs here: which cell is the sum of which others. Does not belong here: what may be published (primary,
secondary) and what follows from it (attack).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pipelines.domain.outcomes import ExitCode, OperatorError

ROOT: Final = "*"
_MOST_SHOWN: Final = 6
Key = tuple[str, ...]
"""A code of each dimension, in the order of the dimensions; `*`: all."""


@dataclass(frozen=True)
class Dimension:
    """A breakdown.

    Args:
        name: its name.
        parents: parent of each code; a top code's is `*`. `*` itself is in no dimension's codes.
    """

    name: str
    parents: Mapping[str, str]

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Children of each code that has any, and of `*`, sorted."""
        found: dict[str, list[str]] = {}
        for child, parent in sorted(self.parents.items()):
            found.setdefault(parent, []).append(child)
        return {parent: tuple(children) for parent, children in found.items()}

    def lineage(self, code: str) -> tuple[str, ...]:
        """Return a code and all codes above it, `*` last."""
        found = [code]
        while found[-1] != ROOT:
            found.append(self.parents[found[-1]])
        return tuple(found)


@dataclass(frozen=True)
class Equation:
    """`total` = the sum of `parts`, the children of one code of the dimension at `place`."""

    total: Key
    parts: tuple[Key, ...]
    place: int

    def said(self) -> str:
        """Return it as text, for messages."""
        shown = [said(part) for part in self.parts[:_MOST_SHOWN]]
        if len(self.parts) > _MOST_SHOWN:
            shown.append("...")
        return f"{said(self.total)} = {' + '.join(shown)}"


def said(key: Key) -> str:
    """Return a cell's key as text, for messages."""
    return "(" + ", ".join(key) + ")"


def flat(name: str, codes: Iterable[str]) -> Dimension:
    """Return a dimension without a hierarchy: every code lies directly under `*`."""
    return Dimension(name, dict.fromkeys(sorted(set(codes) - {ROOT}), ROOT))


def find_equations(
    keys: Iterable[Key], dimensions: Sequence[Dimension], *, absent_is_zero: bool
) -> tuple[Equation, ...]:
    """Find every sum that links the cells.

    Args:
        keys: the cells.
        dimensions: what their codes belong to, in the order of the keys.
        absent_is_zero: whether a child that is no cell counts as zero; its own children take its place
            where they are cells. Otherwise a sum with such a child is none.

    Returns:
        Sums sorted by total and dimension; each cell's along each dimension in which its code has children.
    """
    known = set(keys)
    found = []
    for total in sorted(known):
        for place, dimension in enumerate(dimensions):
            parts = _parts(total, place, dimension, known, absent_is_zero=absent_is_zero)
            if parts:
                found.append(Equation(total, parts, place))
    return tuple(found)


def _parts(
    total: Key, place: int, dimension: Dimension, known: set[Key], *, absent_is_zero: bool
) -> tuple[Key, ...]:
    children = dimension.children.get(total[place], ())
    parts: list[Key] = []
    for child in children:
        part = (*total[:place], child, *total[place + 1 :])
        if part in known:
            parts.append(part)
        elif absent_is_zero:
            parts.extend(_parts(part, place, dimension, known, absent_is_zero=True))
        else:
            return ()
    return tuple(parts)


def inconsistent(equation: Equation) -> OperatorError:
    """Return the error of a table that contradicts itself."""
    return OperatorError(
        f"the table contradicts itself: {equation.said()} can't hold; correct one of these cells",
        f"표의 값이 서로 맞지 않습니다: {equation.said()} 식이 성립할 수 없습니다. 이 칸들을 고치세요",
        ExitCode.INCONSISTENT,
    )
