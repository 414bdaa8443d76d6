"""From records to the cells of linked tables, and who is in each.

Belongs here: records -> contributions and cells. Does not belong here: files, and what is unsafe.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipelines.domain.disclosure.primary import ZERO, Content, content_of
from pipelines.domain.disclosure.tables import ROOT, Dimension, Key


@dataclass(frozen=True, order=True)
class Contribution:
    """What one holding has in one finest combination of codes.

    Args:
        owner: the holding.
        codes: a leaf of each dimension.
        amount: sum of weight x value of its records.
        waived: whether the holding waived protection.
    """

    owner: tuple[str, str]
    codes: Key
    amount: Fraction
    waived: bool


@dataclass(frozen=True)
class Records:
    """Contributions, sorted, and the cells that they make.

    Args:
        contributions: each holding and finest combination once.
        cells: for each cell the positions of its contributions, sorted by key.
    """

    contributions: tuple[Contribution, ...]
    cells: Mapping[Key, tuple[int, ...]]

    def content(self, places: Sequence[int]) -> Content:
        """Return who is in the cell that these contributions make."""
        held: dict[tuple[str, str], tuple[Fraction, bool]] = {}
        for place in places:
            one = self.contributions[place]
            held[one.owner] = (held.get(one.owner, (ZERO, False))[0] + one.amount, one.waived)
        return content_of(held.values())


def tabulate(
    contributions: Sequence[Contribution], dimensions: Sequence[Dimension], tables: Sequence[Sequence[int]]
) -> Records:
    """Make all cells of each table with margins and inner nodes; equal keys are one cell.

    Args:
        contributions: each holding and finest combination once, in any order.
        dimensions: all dimensions.
        tables: which dimensions each table has, by their place.
    """
    ordered = tuple(sorted(contributions))
    cells: dict[Key, dict[int, None]] = {}
    for place, one in enumerate(ordered):
        lineages = [d.lineage(code) for d, code in zip(dimensions, one.codes, strict=True)]
        for table in tables:
            choices = [lineage if i in table else (ROOT,) for i, lineage in enumerate(lineages)]
            for key in itertools.product(*choices):
                cells.setdefault(key, {})[place] = None
    return Records(ordered, {key: tuple(cells[key]) for key in sorted(cells)})
