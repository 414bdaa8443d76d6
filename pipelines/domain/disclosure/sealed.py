"""Sealed inputs as text: a figure's inputs as canonical JSON and back, exactly.

Belongs here: SealedFigure <-> bytes, equal for equal figures on every machine. Does not belong here:
encryption (pipelines.connectors.sealing), the table (pipelines.jobs.sealed_inputs).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from itertools import groupby
from typing import Any, Final

from pipelines.domain.disclosure.exposure import (
    FormulaSaid,
    FormulaSum,
    SealedFigure,
    Statement,
    Term,
    Unknown,
    UnknownPeriod,
)

_FIELDS: Final = (
    "figure_id", "known_at_us", "decision", "reasons", "holdings", "panel", "policy", "waived",
    "protected_percent", "coalition",
)  # fmt: skip
_LISTS: Final = frozenset({"reasons", "panel", "waived"})
_FLOATS: Final = ("down", "up", "level_down", "level_up")
_Columns = list[Any]


def figure_to_json(figure: SealedFigure) -> bytes:
    """Encode a figure's inputs: keys sorted, no spaces, shortest exact floats, infinite as null.

    Terms lie in columns of neighbours that share variable, period and start: most of the bytes are theirs.

    Raises:
        ValueError: an amount, a coefficient or a level is no number.
    """
    plain: dict[str, Any] = {name: getattr(figure, name) for name in _FIELDS}
    plain["statements"] = [_plain_statement(statement) for statement in figure.statements]
    if figure.formula is not None:
        plain["formula"] = _plain_formula(figure.formula)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def figure_from_json(text: bytes) -> SealedFigure:
    """Decode what `figure_to_json` encoded; the result equals what was encoded.

    Raises:
        ValueError: it is no such JSON.
        KeyError: a field is missing.
    """
    plain = json.loads(text)
    fields: dict[str, Any] = {name: tuple(plain[name]) if name in _LISTS else plain[name] for name in _FIELDS}
    statements = tuple(_statement(item) for item in plain["statements"])
    formula = _formula(plain["formula"]) if "formula" in plain else None
    return SealedFigure(**fields, statements=statements, formula=formula)


def _plain_formula(said: FormulaSaid) -> dict[str, Any]:
    plain = asdict(said) | {"start": said.start.isoformat()}
    return plain | {name: float(plain[name]) for name in ("scale", "size")}


def _formula(plain: dict[str, Any]) -> FormulaSaid:
    sums = {side: tuple(_formula_sum(*one) for one in plain[side]) for side in ("above", "below")}
    start = date.fromisoformat(plain["start"])
    return FormulaSaid(**plain | sums | {"start": start, "factories": tuple(plain["factories"])})


def _formula_sum(terms: Sequence[tuple[str, float]], constant: float, truth: float) -> FormulaSum:
    return FormulaSum(tuple((name, coefficient) for name, coefficient in terms), constant, truth)


def _plain_statement(statement: Statement) -> dict[str, Any]:
    levels = {name: _plain_float(getattr(statement, name)) for name in _FLOATS}
    groups = groupby(statement.terms, key=lambda term: term.unknown[:3])
    return {
        "figure_id": statement.figure_id,
        "published": statement.published,
        "known_to_all": statement.known_to_all,
        **levels,
        "terms": [
            [variable, period, start.isoformat(), _columns(tuple(terms))]
            for (variable, period, start), terms in groups
        ],
    }


def _columns(terms: tuple[Term, ...]) -> _Columns:
    return [
        [term.unknown.factory for term in terms],
        [term.unknown.holding for term in terms],
        [float(term.unknown.amount) for term in terms],
        [float(term.coefficient) for term in terms],
        [_plain_float(term.most) for term in terms],
    ]


def _statement(plain: dict[str, Any]) -> Statement:
    return Statement(
        figure_id=plain["figure_id"],
        terms=tuple(term for group in plain["terms"] for term in _terms(*group)),
        published=plain["published"],
        known_to_all=plain["known_to_all"],
        **{name: _float(plain[name]) for name in _FLOATS},
    )


def _terms(variable: str, period: UnknownPeriod, start: str, columns: _Columns) -> list[Term]:
    day = date.fromisoformat(start)
    return [
        Term(Unknown(variable, period, day, factory, holding, amount), coefficient, _float(most))
        for factory, holding, amount, coefficient, most in zip(*columns, strict=True)
    ]


def _plain_float(value: float) -> float | None:
    return None if value == math.inf else float(value)


def _float(value: float | None) -> float:
    return math.inf if value is None else value
