"""Which night told what the whole history tells: only what a night released could have been withheld.

Belongs here: all months as they stood after each night. Does not belong here: the whole history
(audit_systems, audit_attack), what is asked and how much must stay possible (audit).

Who takes months for alike learns of a month from the next one's denominators, and from her own amounts,
though nothing more is released. No gate knows the coming month, so that isn't what a release told.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pipelines.domain.disclosure.audit_attack import Attack
from pipelines.domain.disclosure.audit_systems import History
from pipelines.domain.disclosure.exposure import Unknown

_SMALL: Final = 1e-6


class Nights:
    """All months of a variable, after each night that told something of months.

    Args:
        history: all that was said.
        share: by what share a month is taken to differ at most from the month before.
    """

    def __init__(self, history: History, share: float) -> None:
        self._history, self._share = history, share
        months = {s.release.known_at_us for s in history.said if s.period != "day"}
        # Days tell of months too, at the latest when the last of them is out.
        days = {max(r.known_at_us for r in e.releases) for e in history.chain().equations if e.releases}
        self._nights = sorted(months | days)
        self._attacks: dict[int, Attack | None] = {}

    def told(
        self,
        weights: Mapping[Unknown, float],
        size: float,
        required: float,
        sign: int,
        members: Sequence[str],
    ) -> bool:
        """Say whether some night's releases brought a coalition nearer to a sum than it may come.

        Args:
            weights: coefficient of each unknown.
            size: what distances are shares of.
            required: how far off the sum must seem possible.
            sign: above (1) or below (-1) the truth.
            members: holdings of the coalition.
        """
        return any(self._told(night, weights, size, required, sign, members) for night in self._nights)

    def _told(
        self, night: int, weights: Mapping[Unknown, float], size: float, required: float, sign: int,
        members: Sequence[str],
    ) -> bool:  # fmt: skip
        attack = self._after(night)
        if attack is None or not weights.keys() <= attack.places.keys():
            return False
        coalition = tuple(n for n, holding in enumerate(attack.holdings) if holding in members)
        aim = attack.aim(weights, size)
        needed = min(required, aim.up if sign > 0 else aim.down) - _SMALL
        reach = attack.reach(aim, sign, coalition)
        return reach < needed and reach < attack.reach_before(aim, sign, coalition, night) - _SMALL

    def _after(self, night: int) -> Attack | None:
        """Return all months as they stood after a night; null: nothing was told of any."""
        if night not in self._attacks:
            said = [s for s in self._history.said if s.release.known_at_us <= night]
            chain = History(said).chain()
            self._attacks[night] = Attack(chain, self._share) if chain.equations else None
        return self._attacks[night]
