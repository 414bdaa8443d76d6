"""Give to get: who contributed to a benchmark and sees it, and what is missing of who did not.

Belongs here: the rule, from a member's own rows and its places in peer groups alone. Does not belong here:
the sentences that tell it (publish), the benchmark itself (benchmarks), which groups there are (peer_groups).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipelines.domain.kpi_formulas import Definition

What = Literal["stream", "coverage", "suspect", "nothing_to_compare", "not_in_group"]
_OF_REASON: dict[str, What] = {
    "not_computed": "stream",
    "missing_element": "stream",
    "insufficient_coverage": "coverage",
    "suspect_excluded": "suspect",
    "incomplete": "stream",
    "several_gwp_sets": "stream",
}


@dataclass(frozen=True)
class Missing:
    """What a factory lacks to contribute to a figure.

    Args:
        factory: its id.
        what: stream (it sends nothing of an element), coverage (too little was measured), suspect (what it
            sent waits for somebody to accept it), nothing_to_compare (nothing was planned, made or ordered),
            not_in_group (it was no member of the group in that month).
        element: id of the element that is missing; null: not known, or not that.
        coverage: share of its time that was measured [1]; null: unknown, or not that.
    """

    factory: str
    what: What
    element: str | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Entitlement:
    """Whether a member sees a figure of a group and period.

    Args:
        contributing: its factories that contributed, sorted; empty: it does not see the figure.
        missing: of its other factories, what they lack; by factory.
    """

    contributing: tuple[str, ...]
    missing: tuple[Missing, ...]

    @property
    def holds(self) -> bool:
        """Whether the member sees the figure."""
        return bool(self.contributing)


def entitlement(
    rows: pl.DataFrame, definition: Definition, panel: Collection[str], own: Collection[str]
) -> Entitlement:
    """Say whether a member contributed to a figure, and what each of its factories lacks that did not.

    A factory contributes if it is in the group's panel, has a value by the figure's version of the formula,
    and enough of it was measured to be compared. Nobody else's row is looked at.

    Args:
        rows: columns of KPIS: of the figure's period and first day; other rows of the KPI do no harm.
        definition: of the figure's KPI, in its version.
        panel: factories of the group in the figure's month.
        own: the member's factories.
    """
    mine = rows.filter(
        (pl.col("level") == "factory")
        & pl.col("subject").is_in(sorted(own))
        & (pl.col("kpi") == definition.kpi)
        & (pl.col("definition_version") == definition.version)
    )
    by_factory = {row["subject"]: row for row in mine.iter_rows(named=True)}
    lacks = {
        factory: _lack(factory, by_factory.get(factory, {}), definition, in_panel=factory in panel)
        for factory in sorted(own)
    }
    return Entitlement(
        contributing=tuple(factory for factory, lack in lacks.items() if lack is None),
        missing=tuple(lack for lack in lacks.values() if lack is not None),
    )


def _lack(factory: str, row: dict[str, object], definition: Definition, *, in_panel: bool) -> Missing | None:
    """Return what a factory lacks to contribute; null: nothing."""
    if not in_panel:
        return Missing(factory, "not_in_group")
    coverage = row.get("coverage")
    measured = coverage if isinstance(coverage, float) else None
    if row.get("value") is None:
        first = str(row.get("reason") or "not_computed").split(";")[0]
        name, _, element = first.partition(":")
        what = _OF_REASON.get(name, "nothing_to_compare")
        return Missing(factory, what, element or None, measured if what == "coverage" else None)
    # Of no time at all nothing can lack: such a value is compared too.
    if measured is not None and measured < definition.comparison_coverage:
        return Missing(factory, "coverage", None, measured)
    return None
