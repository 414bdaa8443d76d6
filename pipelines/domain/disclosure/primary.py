"""Primary rules: which cells are unsafe by themselves, and how uncertain they must stay.

Belongs here: contributions of one cell -> failed rules and protection level. Does not belong here: what other
cells give away (secondary). Exact fractions throughout: a cell on a rule's boundary is on it.

Source: Hundepool et al., Handbook on Statistical Disclosure Control (2010), chapter 4.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from pipelines.domain.disclosure.policy import TablePolicy

ZERO = Fraction(0)


class Share(NamedTuple):
    """The absolute size of one holding's contribution, and whether the holding waived protection."""

    size: Fraction
    waived: bool = False


@dataclass(frozen=True)
class Content:
    """Who is in a cell.

    Args:
        value: the cell.
        size: sum of the absolute contributions.
        contributors: holdings with a contribution other than zero.
        shares: the largest contributions, none of them zero, descending: all, or as many as are known.
        waived: whether every holding in the cell waived protection.
        assumed: whether shares are the largest that are possible, not known.
    """

    value: Fraction
    size: Fraction
    contributors: int
    shares: tuple[Share, ...]
    waived: bool = False
    assumed: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the rules say of a cell.

    Args:
        reasons: codes of the failed rules, in their fixed order; empty: safe.
        level: how far above its value a withheld cell must seem possible; below: min(level, value).
    """

    reasons: tuple[str, ...]
    level: Fraction


SAFE = Verdict((), ZERO)


def content_of(amounts: Iterable[tuple[Fraction, bool]]) -> Content:
    """Return the content of a cell from its holdings' contributions [signed amount, waived]."""
    held = list(amounts)
    shares = sorted((Share(abs(amount), waived) for amount, waived in held if amount), key=_by_size)
    return Content(
        sum((amount for amount, _ in held), ZERO),
        sum((share.size for share in shares), ZERO),
        len(shares),
        tuple(shares),
        bool(held) and all(waived for _, waived in held),
    )


def _by_size(share: Share) -> tuple[Fraction, bool]:
    return (-share.size, share.waived)


def fill_up(content: Content, needed: int) -> Content:
    """Take contributions that are not known as large as possible, until there are as many as a rule needs."""
    shares, missing = list(content.shares), min(needed, content.contributors) - len(content.shares)
    for _ in range(missing):
        rest = content.size - sum((share.size for share in shares), ZERO)
        size = min(shares[-1].size, rest) if shares else rest
        shares.append(Share(max(size, ZERO)))
    if missing <= 0:
        return content
    return Content(
        content.value, content.size, content.contributors, tuple(shares), content.waived, assumed=True
    )


def judge_content(content: Content, policy: TablePolicy) -> Verdict:
    """Apply every rule that the policy names to one cell.

    A cell whose contributions are all zero is judged by `zero_unsafe` alone. A cell all of whose holdings
    waived protection is safe.
    """
    if content.waived:
        return SAFE
    if not content.size:
        return Verdict(("zero",), ZERO) if policy.zero_unsafe else SAFE
    found = fill_up(content, policy.contributions_needed)
    few = found.contributors < policy.fewest
    first = next((i for i, share in enumerate(found.shares) if not share.waived), None)
    if first is None and found.shares:
        return SAFE
    levels = {} if first is None else _failed(found, first, policy)
    reasons = (("min_contributors",) if few else ()) + tuple(levels)
    if not reasons:
        return SAFE
    least = policy.frequency_range_percent / 100 * found.size
    level = max((level for level in levels.values() if level is not None), default=ZERO)
    return Verdict(reasons, level if level > 0 else least)


def _failed(content: Content, first: int, policy: TablePolicy) -> dict[str, Fraction | None]:
    """Return the failed rules of sizes with their levels (null: the rule has none)."""
    size, own = content.size, content.shares[first].size
    others = [share.size for i, share in enumerate(content.shares) if i != first]
    failed: dict[str, Fraction | None] = {}

    def exceeds(part: Fraction, percent: Fraction) -> bool:
        limit = percent / 100 * size
        return part > limit or (part == limit and not policy.strict)

    held = [(own + sum(others[: rule.n - 1], ZERO), rule.k_percent) for rule in policy.dominance]
    broken = [100 / k * part - size for part, k in held if exceeds(part, k)]
    if broken:
        failed["dominance"] = max(broken)
    if policy.p_percent is not None:
        level = _level(content, own, others[: policy.others_known], policy.p_percent / 100)
        failed |= {"p_percent": level} if level > 0 else {}
    if policy.pq is not None:
        level = _level(content, own, others[:1], policy.pq.p / policy.pq.q)
        failed |= {"pq": level} if level > 0 else {}
    if policy.share_limit_percent is not None and exceeds(own, policy.share_limit_percent):
        failed["share_limit"] = None
    return failed


def _level(content: Content, own: Fraction, known: Sequence[Fraction], part: Fraction) -> Fraction:
    """Return by how much the rest of a cell is too small to hide `part` of the largest contribution."""
    return part * own - (content.size - own - sum(known, ZERO))
