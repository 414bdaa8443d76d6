"""Whether a month that isn't over may already tell something of the month before.

Belongs here: a cheap bound on what a month's days so far say. Does not belong here: the attack itself
(night_systems, enduring).

Who knows that amounts move by q at most takes a month's amounts to be at most (1 + q) times the last ones.
Days so far, S in all, exclude something only if they are more than that: S > (1 + q) (O - W), where O is what
the same factories had in the month before, and W by how much less all protection together needs them to have
had.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from pipelines.domain.disclosure.exposure import Statement
from pipelines.domain.disclosure.months import group_of
from pipelines.domain.periods import first_of_month, months_after

Figure = tuple[str, date, str]
"""Variable, month, and what a figure of any period has in common."""


class MonthsSoFar:
    """What was said of the days of each month.

    Args:
        statements: variable and statement: about days or one month, published or tonight's, oldest first.
    """

    def __init__(self, statements: Iterable[tuple[str, Statement]]) -> None:
        self._sums: defaultdict[Figure, dict[date, float]] = defaultdict(dict)
        self._made_of: defaultdict[Figure, set[str]] = defaultdict(set)
        self._months: defaultdict[tuple[str, date], set[str]] = defaultdict(set)
        self._had: defaultdict[tuple[str, date, str], dict[date, float]] = defaultdict(dict)
        self._whole: dict[tuple[str, date, str], float] = {}
        for variable, statement in statements:
            self._learn(variable, statement)

    def _learn(self, variable: str, statement: Statement) -> None:
        start = statement.terms[0].unknown.start
        month, group = first_of_month(start), group_of(statement.figure_id)
        self._months[variable, month].add(group)
        self._made_of[variable, month, group] |= {t.unknown.factory for t in statement.terms}
        of_a_day = statement.terms[0].unknown.period == "day"
        if of_a_day:
            self._sums[variable, month, group][start] = sum(t.unknown.amount for t in statement.terms)
        for term in statement.terms:
            place = (variable, month, term.unknown.factory)
            if of_a_day:
                self._had[place][start] = term.unknown.amount
            else:
                self._whole[place] = term.unknown.amount

    def may_tell(self, variable: str, month: date, move: Fraction, protected: Fraction) -> bool:
        """Say whether a month's days may tell something of the month before.

        Of the same factories they tell nothing more: what they had is what the month before says.

        Args:
            variable: whose.
            month: the month that isn't over.
            move: by how much amounts are taken to move at most [%].
            protected: widest half-width of a holding's protection interval [%].
        """
        last = months_after(month, -1)
        before = {g: self._made_of[variable, last, g] for g in self._months[variable, last]}
        now = {g: self._made_of[variable, month, g] for g in self._months[variable, month]}
        if not before or before == now:
            return False
        whole = sum(self._amount(variable, last, f) for f in set().union(*before.values()))
        needed = float(protected / 100) * whole
        return any(
            sum(self._sums[variable, month, group].values())
            > float(1 + move / 100) * (sum(self._amount(variable, last, f) for f in factories) - needed)
            for group, factories in now.items()
        )

    def _amount(self, variable: str, month: date, factory: str) -> float:
        place = (variable, month, factory)
        return self._whole.get(place, sum(self._had[place].values()))
