"""The keys of primary rules, coalition and protection intervals in a policy, of a table or of a cluster.

Belongs here: every key's form, and every reason to refuse its value. Does not belong here: what the limits
mean (pipelines.domain.disclosure.policy), and the file that they stand in.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Final

from pipelines.domain.disclosure.policy import Dominance, PriorPosterior, TablePolicy


class FieldError(ValueError):
    """A field's value can't be used.

    Args:
        field: its key, below what is being read; several joined by dots.
        remedy: what is wrong, or what to write.
    """

    def __init__(self, field: str, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field = field
        self.remedy = remedy


def table_rules(given: Mapping[str, object]) -> TablePolicy:
    """Read the rules of a mapping; keys that are no rule's are left to the caller.

    Raises:
        FieldError: a value that its rule can't have.
    """
    values: dict[str, object] = {}
    for key in (k for k in RULE_KEYS if k in given):
        try:
            values[key] = _READERS[key](given[key])
        except ValueError as error:
            raise FieldError(key, str(error)) from error
    return TablePolicy(**values)  # type: ignore[arg-type]


def _count(value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"write a whole number of at least {least}")
    return value


def positive(value: object) -> Fraction:
    """Return a number above 0 exactly as it is written.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("write a number above 0")  # noqa: TRY004 - a person's mistake, not a caller's
    if not (math.isfinite(value) and value > 0):
        raise ValueError("write a number above 0")
    return Fraction(repr(value))


def _zero_or_more(value: object) -> Fraction:
    return Fraction(0) if value == 0 and not isinstance(value, bool) else positive(value)


def _mark(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")  # noqa: TRY004 - a person's mistake, not a caller's
    return value


def _pair(value: object, keys: tuple[str, str]) -> tuple[object, object]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise ValueError(f"write {{{keys[0]}: ..., {keys[1]}: ...}}")
    return value[keys[0]], value[keys[1]]


def _prior_posterior(value: object) -> PriorPosterior:
    p, q = _pair(value, ("p", "q"))
    return PriorPosterior(positive(p), positive(q))


def _dominance(value: object) -> tuple[Dominance, ...]:
    if not isinstance(value, list):
        raise ValueError("write a list of rules, such as [{n: 1, k_percent: 75}]")  # noqa: TRY004 - as above
    pairs = [_pair(rule, ("n", "k_percent")) for rule in value]
    return tuple(Dominance(_count(n, 1), positive(percent)) for n, percent in pairs)


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "min_contributors": partial(_count, least=0),
    "coalition": partial(_count, least=1),
    "dominance": _dominance,
    "p_percent": positive,
    "pq": _prior_posterior,
    "share_limit_percent": positive,
    "holding_p_percent": positive,
    "frequency_range_percent": _zero_or_more,
    "bound_percent": _zero_or_more,
    "strict": _mark,
    "nonnegative": _mark,
    "integer": _mark,
    "zero_unsafe": _mark,
}
RULE_KEYS: Final = tuple(_READERS)
