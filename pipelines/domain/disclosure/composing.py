"""Totals that add other published totals: scope 1 and 2 together.

Belongs here: whether such a total is shown, and its value. Does not belong here: the totals that it adds,
which the gate judges as any other (release).

It is a sum of printed numbers, and printed only where all of them are: every reader can add them up, so it
tells nobody anything, and stands in no system.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.kpi_formulas import Definition
from pipelines.domain.rounding import exactly

PART: Final = "part"


def composed(definition: Definition, parts: Sequence[Candidate]) -> Candidate:
    """Return the total that adds some candidates of one group and period.

    Args:
        definition: of the sum.
        parts: in the order of the formula, all with a grid.

    Returns:
        A candidate of whoever contributes to any part; its value is the sum of the parts' printed values,
        null where one has none.
    """
    first, own = parts[0], [c for part in parts for c in part.contributions]
    values = [part.value for part in parts if part.value is not None]
    steps = [part.grid_step for part in parts if part.grid_step is not None]
    amounts: dict[str, Contribution] = {}
    for c in sorted(own, key=lambda c: c.factory):
        before = amounts.get(c.factory, replace(c, numerator=0.0))
        amount = before.numerator + c.numerator
        amounts[c.factory] = replace(c, numerator=amount, sums=(amount,), basis=None)
    return replace(
        first,
        figure_id=f"{first.figure_id.rpartition('/')[0]}/{definition.key}",
        definition=definition,
        contributions=tuple(amounts.values()),
        panel=tuple(sorted({f for part in parts for f in part.panel})),
        value=float(sum(map(exactly, values))) if len(values) == len(parts) else None,
        grid_step=max(steps, default=None),
    )


def judge_composed(candidate: Candidate, parts: Sequence[SealedFigure]) -> SealedFigure:
    """Decide on a composed total: it is published if all of its parts are.

    Args:
        candidate: the sum.
        parts: tonight's decisions on what it adds, whichever night first published it.
    """
    shown = candidate.value is not None and all(part.decision == "publish" for part in parts)
    return replace(
        parts[0],
        figure_id=candidate.figure_id,
        decision="publish" if shown else "withhold",
        reasons=() if shown else (PART,),
        holdings=candidate.holdings,
        panel=candidate.panel,
        waived=(),
        statements=(),
        formula=None,
    )
