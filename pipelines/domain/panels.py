"""Panels: which factories a month's figures of one group and KPI are fixed to.

Belongs here: what earlier nights decided, and whether newcomers may enter. Does not belong here: who belongs
to a group (peer_groups), how an attacker is stopped (disclosure.release).

A panel is decided in the first night that judges a figure of the month, and read from its sealed inputs ever
after. Newcomers are admitted if the coming month, as far as it can be foreseen, stays safe with them; else
the figure stays on the panel that it had.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, NamedTuple, cast

from pipelines.domain.benchmarks import (
    Comparison,
    FactoryFigures,
    Row,
    candidate_of,
    class_of_most,
    contribution_of,
    is_comparable,
    may_be,
)
from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.periods import Period, PeriodName, days_in
from pipelines.domain.sums import exact_total

PANEL_KEPT: Final = "panel_kept"
_LEVEL_PARTS: Final = 6


class Family(NamedTuple):
    """The figures of one group and definition: of all days, months and years."""

    breakdown: str
    group: str
    key: str


class Panel(NamedTuple):
    """The factories of a month.

    Args:
        factories: sorted.
        kept: whether newcomers had to stay out.
    """

    factories: tuple[str, ...]
    kept: bool = False


Admitted = Callable[[Sequence[tuple[Candidate, Candidate]]], AbstractSet[str]]
"""Of figures with newcomers and the same without: the ids of those that newcomers may enter."""


class PanelBook:
    """What was decided, by family and month.

    Args:
        past: sealed figures, oldest first: of a month, the first one decided.
    """

    def __init__(self, past: Iterable[SealedFigure]) -> None:
        self._decided: defaultdict[Family, dict[date, Panel]] = defaultdict(dict)
        for sealed in past:
            place = _place(sealed.figure_id)
            if place is not None:
                family, month = place
                panel = Panel(sealed.panel, PANEL_KEPT in sealed.reasons)
                self._decided[family].setdefault(month, panel)

    def decided(self, comparison: Comparison) -> Panel | None:
        """Return the panel that a night chose for a figure's month; null: none has."""
        return self._decided[_family(comparison)].get(comparison.period.month)

    def of(
        self, wide: Sequence[Comparison], figures: FactoryFigures, admitted: Admitted
    ) -> Mapping[str, Panel]:
        """Return the panels of a period's figures by figure_id, deciding those that no night has.

        Args:
            wide: figures of one period with everybody who may enter.
            figures: rows of the month before, and of its days.
            admitted: says which figures newcomers may enter.
        """
        open_cases = []
        for comparison in wide:
            decided, month = self._decided[_family(comparison)], comparison.period.month
            if month not in decided:
                earlier = max((m for m in decided if m < month), default=None)
                before = comparison.panel if earlier is None else decided[earlier].factories
                open_cases.append(_Case.of(comparison, before, figures))
        coming = [case.coming for case in open_cases if case.coming is not None]
        enter = admitted(coming) if coming else frozenset()
        for case in open_cases:
            month = case.wide.period.month
            self._decided[_family(case.wide)][month] = case.panel(enter)
        return {c.figure_id: self._decided[_family(c)][c.period.month] for c in wide}


@dataclass(frozen=True)
class _Case:
    """A figure whose panel isn't decided yet.

    Args:
        wide: with everybody who may enter.
        common: who stays; empty: nobody does.
        coming: the coming month with newcomers and without; null: newcomers have nothing to be foreseen by.
    """

    wide: Comparison
    common: tuple[str, ...]
    coming: tuple[Candidate, Candidate] | None

    @classmethod
    def of(cls, wide: Comparison, before: tuple[str, ...], figures: FactoryFigures) -> "_Case":
        """Foresee the coming month where newcomers meet others."""
        common = tuple(sorted(set(wide.panel) & set(before)))
        newcomers = tuple(sorted(set(wide.panel) - set(before)))
        if not newcomers or not common:
            return cls(wide, (), None)
        foreseen = _Foreseen(wide, figures)
        entering = [c for factory in newcomers if (c := foreseen.newcomer(factory)) is not None]
        if len(entering) < len(newcomers):
            return cls(wide, common, None)
        staying = foreseen.staying(common)
        with_all = foreseen.month(wide.panel, [*staying, *entering])
        return cls(wide, common, (with_all, foreseen.month(common, staying)))

    def panel(self, enter: AbstractSet[str]) -> Panel:
        """Return who it is."""
        if not self.common or (self.coming is not None and self.coming[0].figure_id in enter):
            return Panel(self.wide.panel)
        return Panel(self.common, kept=True)


def _family(comparison: Comparison) -> Family:
    return Family(comparison.breakdown, comparison.group, comparison.definition.key)


class _Foreseen:
    """A coming month, as far as it can be foreseen: who stays has again what the month before had."""

    def __init__(self, wide: Comparison, figures: FactoryFigures) -> None:
        self._wide, self._figures = wide, figures
        self._month = Period(wide.period.month, "month")
        self._holdings = wide.holdings(wide.period.month)
        self._rows = figures.of(self._month.before, wide.definition)
        self._class = class_of_most(
            wide.definition, {f: self._rows[f] for f in wide.panel if f in self._rows}, self._holdings
        )

    def month(self, panel: tuple[str, ...], contributions: list[Contribution]) -> Candidate:
        """Return the month's candidate of a panel."""
        comparison = replace(self._wide, period=self._month, panel=panel)
        return candidate_of(comparison, self._class, contributions)[0]

    def staying(self, factories: Iterable[str]) -> list[Contribution]:
        """Return what factories had in the month before."""
        known = {f: self._rows[f] for f in factories if f in self._rows}
        return [contribution_of(row, self._holdings[f]) for f, row in known.items() if self._is_compared(row)]

    def newcomer(self, factory: str) -> Contribution | None:
        """Return a newcomer's mean day times the days of the month; null: it has no day to compare.

        What is of months only is foreseen as the month before.
        """
        definition = self._wide.definition
        if definition.monthly:
            return next(iter(self.staying([factory])), None)
        days = self._figures.days(self._month.before.start, self._month.start)
        rows = [of_day[factory] for day in days if factory in (of_day := self._figures.of(day, definition))]
        own = [contribution_of(row, self._holdings[factory]) for row in rows if self._is_compared(row)]
        if not own:
            return None
        times = (1 if definition.over_time == "mean" else days_in(self._month.start)) / len(own)
        below = exact_total(c.denominator for c in own)
        return replace(
            own[0],
            numerator=(exact_total(c.numerator for c in own) or 0.0) * times,
            denominator=None if below is None else below * times,
            sums=tuple(
                (exact_total(part) or 0.0) * times for part in zip(*(c.sums for c in own), strict=True)
            ),
        )

    def _is_compared(self, row: Row) -> bool:
        return is_comparable(row, self._wide.definition) and may_be(row, self._class)


def _place(figure_id: str) -> tuple[Family, date] | None:
    """Read family and month from a level's id; null: a trend or a named reference, which have no panel."""
    parts = figure_id.split("/")
    if len(parts) != _LEVEL_PARTS:
        return None
    _, breakdown, group, name, start, key = parts
    return Family(breakdown, group, key), Period(date.fromisoformat(start), cast(PeriodName, name)).month
