"""Exact numbers of documents: fractions as decimals, decimals as numbers or text of JSON.

Belongs here: rounding once, with so many digits that nothing is lost on the way back. Does not belong here:
what is divided by what (per_unit).
"""

import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

_DECIMAL128 = Context(prec=34, rounding=ROUND_HALF_EVEN)
"""34 digits (IEEE 754 decimal128): what is multiplied back rounds to the double that it came from."""


def exact(value: float) -> Fraction:
    """Return the number that a double is written as: 0.1 is one tenth."""
    return Fraction(repr(value))


def as_decimal(value: Fraction) -> Decimal:
    """Round a fraction once, half to even, to 34 digits."""
    return _DECIMAL128.divide(Decimal(value.numerator), Decimal(value.denominator))


def as_text(value: Decimal | Fraction) -> str:
    """Return a number as digits without an exponent, as PACT writes decimals."""
    number = as_decimal(value) if isinstance(value, Fraction) else value
    return format(number.normalize(_DECIMAL128), "f") if number else "0"


def exact_json(value: object) -> str:
    """Return a document as JSON in which decimals are numbers with all their digits."""
    return _written(value, "\n") + "\n"


def _written(value: object, line: str) -> str:
    inner = line + " "
    if isinstance(value, Decimal):
        return as_text(value)
    if isinstance(value, Mapping) and value:
        pairs = (f"{json.dumps(key)}: {_written(item, inner)}" for key, item in value.items())
        return "{" + inner + ("," + inner).join(pairs) + line + "}"
    if isinstance(value, Sequence) and value and not isinstance(value, str):
        return "[" + inner + ("," + inner).join(_written(item, inner) for item in value) + line + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
