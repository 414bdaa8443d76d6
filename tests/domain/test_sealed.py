"""Sealed inputs as text: exactly what went in comes out, and equal figures are equal bytes."""

import json
import math
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.disclosure.exposure import (
    FormulaSaid,
    FormulaSum,
    SealedFigure,
    Statement,
    Term,
    Unknown,
)
from pipelines.domain.disclosure.sealed import figure_from_json, figure_to_json

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(max_size=8)
UNKNOWNS = st.builds(
    Unknown,
    NAMES,
    st.sampled_from(["day", "month"]),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    NAMES,
    NAMES,
    FINITE,
)
REACHES = st.one_of(FINITE, st.just(math.inf))
STATEMENTS = st.builds(
    Statement,
    NAMES,
    st.lists(st.builds(Term, UNKNOWNS, FINITE, REACHES), max_size=5).map(tuple),
    st.booleans(),
    *[REACHES] * 4,
    st.booleans(),
)
SUMS = st.lists(
    st.builds(FormulaSum, st.lists(st.tuples(NAMES, FINITE), max_size=3).map(tuple), FINITE, FINITE),
    max_size=2,
).map(tuple)
FORMULAS = st.builds(
    FormulaSaid,
    st.lists(NAMES, max_size=3).map(tuple),
    NAMES,
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    SUMS,
    SUMS,
    FINITE,
    st.none() | FINITE,
    st.none() | FINITE,
    st.none() | FINITE,
    FINITE,
)
FIGURES = st.builds(
    SealedFigure,
    NAMES,
    st.integers(0, 2**60),
    st.sampled_from(["publish", "withhold"]),
    st.lists(NAMES, max_size=3).map(tuple),
    st.integers(0, 40),
    st.lists(NAMES, max_size=3).map(tuple),
    NAMES,
    st.lists(NAMES, max_size=3).map(tuple),
    NAMES,
    st.integers(0, 3),
    st.lists(STATEMENTS, max_size=3).map(tuple),
    st.none() | FORMULAS,
)


@given(FIGURES)
@settings(max_examples=150, deadline=None)
def test_a_figure_comes_back_exactly_and_its_text_is_the_same_again(figure: SealedFigure) -> None:
    text = figure_to_json(figure)
    back = figure_from_json(text)
    assert back == figure
    assert figure_to_json(back) == text


def figure(amount: float) -> SealedFigure:
    unknown = Unknown("energy", "day", date(2025, 11, 10), "a-1", "a", amount)
    statement = Statement("f", (Term(unknown, 0.5),), published=True, down=0.25, up=math.inf)
    return SealedFigure("f", 7, "publish", (), 3, ("a-1",), "p1", (), "10", 1, (statement,))


def test_what_was_sealed_before_formulas_were_still_opens() -> None:
    text = figure_to_json(figure(0.1))
    assert b"formula" not in text
    assert figure_from_json(text).formula is None


def test_a_whole_amount_is_the_same_text_as_the_equal_float() -> None:
    assert figure_to_json(figure(5)) == figure_to_json(figure(5.0))


def test_the_text_is_canonical_json_in_which_infinite_is_null() -> None:
    text = figure_to_json(figure(0.1)).decode()
    assert '"terms":[["energy","day","2025-11-10",[["a-1"],["a"],[0.1],[0.5],[null]]]]' in text
    assert '"up":null' in text
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize("amount", [math.nan, math.inf])
def test_an_amount_that_is_no_number_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        figure_to_json(figure(amount))
