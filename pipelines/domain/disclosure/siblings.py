"""Sums of withheld groups that would be unsafe as one figure.

Belongs here: which groups lie side by side, and what the sum of the withheld ones demands. Does not belong
here: single figures (figure_rules), the search (secondary).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposing import Exposure
from pipelines.domain.disclosure.exposure import Statement
from pipelines.domain.disclosure.figure_rules import Finding
from pipelines.domain.disclosure.protection import CoalitionDemand
from pipelines.domain.disclosure.tables import Key

Family = tuple["Sibling", ...]


@dataclass(frozen=True)
class Sibling:
    """A group's figure among those beside it.

    Args:
        key: of its row; a published one's is never withheld.
        candidate: the figure.
        statement: what it says.
        withheld: whether it is withheld already.
        coalition: of its class.
    """

    key: Key
    candidate: Candidate
    statement: Statement
    withheld: bool
    coalition: int


def families(siblings: Iterable[Sibling]) -> list[Family]:
    """Return the figures of one KPI, period and breakdown whose groups lie in the same larger group.

    The larger group is the smallest one of the breakdown that has all of a group's factories and more.
    """
    tables: dict[tuple[object, ...], list[Sibling]] = {}
    for one in sorted(siblings, key=lambda s: s.key):
        c = one.candidate
        tables.setdefault((c.definition.key, c.period, c.start, c.breakdown), []).append(one)
    found: dict[tuple[object, ...], list[Sibling]] = {}
    for table, members in tables.items():
        panels = {m.key: frozenset(m.candidate.panel) for m in members}
        for member in members:
            above = [key for key, panel in panels.items() if panels[member.key] < panel]
            parent = min(above, key=lambda key: (len(panels[key]), key), default=None)
            found.setdefault((table, parent), []).append(member)
    return [tuple(members) for members in found.values() if len(members) > 1]


Judge = Callable[[Candidate, Sequence[Contribution]], Finding]


@dataclass
class SiblingSums:
    """What the sums of withheld siblings demand in one system.

    Args:
        families: with a statement in the system.
        exposure: the system.
        judge: the primary rules for the contributions of several groups.
        lower: takes from a demand what can't be had whatever is withheld.
    """

    families: Sequence[Family]
    exposure: Exposure
    judge: Judge
    lower: Callable[[CoalitionDemand], list[CoalitionDemand]]

    def __post_init__(self) -> None:
        """Remember what was found."""
        self._found: dict[tuple[Key, ...], list[CoalitionDemand]] = {}

    def demands(self, withheld: frozenset[Key]) -> Iterable[CoalitionDemand]:
        """Return what a choice of withheld figures demands in addition."""
        for family in self.families:
            hidden = tuple(s for s in family if s.withheld or s.key in withheld)
            if 1 < len(hidden) < len(family):
                keys = tuple(s.key for s in hidden)
                if keys not in self._found:
                    self._found[keys] = self._demands(family, hidden)
                yield from self._found[keys]

    def _demands(self, family: Family, hidden: Family) -> list[CoalitionDemand]:
        given = {c.factory: c for s in hidden for c in s.candidate.contributions}
        finding = self.judge(hidden[0].candidate, [given[f] for f in sorted(given)])
        terms = {t.unknown: t for s in hidden for t in s.statement.terms}
        if not finding.unsafe or not (finding.down or finding.up):
            return []
        free = frozenset(s.key for s in hidden if not s.withheld)
        shown = frozenset(s.key for s in family) - {s.key for s in hidden}
        demand = self.exposure.cell_demand(
            terms.values(), (finding.down, finding.up), hidden[0].coalition, free, shown
        )  # fmt: skip
        return self.lower(demand)
