"""The gate: who counts as a contributor, and what few of them mean."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy
from pipelines.domain.disclosure.gate import CELLS_SCHEMA, WITHHELD_SENTENCE, judge
from pipelines.domain.disclosure.policy import TablePolicy

POLICY = DisclosurePolicy("1", {"A": ClassPolicy(TablePolicy(3))})
Cell = tuple[str, str, str, float | None, bool]


def cells(rows: list[Cell]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=CELLS_SCHEMA, orient="row")


def decision(rows: list[Cell]) -> str:
    (only,) = judge(cells(rows), POLICY)["decision"].to_list()
    return str(only)


def total(*amounts: tuple[str, float | None]) -> list[Cell]:
    return [("f", "total", holding, amount, True) for holding, amount in amounts]


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([("a", 1.0), ("b", 2.0), ("c", 3.0)], "publish"),
        ([("a", 1.0), ("b", 2.0)], "withhold"),
        ([("a", 1.0), ("b", 2.0), ("b", 5.0)], "withhold"),
        ([("a", 1.0), ("b", 2.0), ("c", 0.0)], "withhold"),
        ([("a", 1.0), ("b", 2.0), ("c", None)], "withhold"),
        ([("a", 1.0), ("b", 2.0), ("c", -3.0)], "publish"),
        ([("a", None)], "withhold"),
    ],
    ids=["three", "two", "two factories of one holding", "zero", "null", "negative", "nobody"],
)
def test_fewer_than_three_holdings_are_withheld(
    amounts: list[tuple[str, float | None]], expected: str
) -> None:
    assert decision(total(*amounts)) == expected


def test_estimated_and_suspect_amounts_never_count() -> None:
    rows = total(("a", 1.0), ("b", 2.0))
    assert decision([*rows, ("f", "total", "c", 3.0, False)]) == "withhold"


def test_a_ratio_needs_enough_holdings_above_and_below_the_line_and_in_the_complement() -> None:
    below = [("f", "denominator", h, 10.0, True) for h in "abcd"]
    above = [("f", "numerator", h, 4.0, True) for h in "abcd"]
    assert decision([*below, *above]) == "publish"
    only_one_has_scrap = [("f", "numerator", h, 1.0 if h == "a" else 0.0, True) for h in "abcd"]
    assert decision([*below, *only_one_has_scrap]) == "withhold"
    complement = [("f", "complement", h, 9.0 if h == "a" else 0.0, True) for h in "abcd"]
    assert decision([*below, *above, *complement]) == "withhold"


def test_figures_are_judged_apart_and_the_reason_is_internal() -> None:
    rows = [*total(("a", 1.0), ("b", 1.0), ("c", 1.0)), ("g", "total", "a", 1.0, True)]
    judged = judge(cells(rows), POLICY)
    assert judged.rows() == [("f", "publish", 3, None), ("g", "withhold", 1, "min_contributors")]


def test_the_sentence_names_no_rule_and_no_number() -> None:
    for sentence in WITHHELD_SENTENCE.values():
        assert not any(character.isdigit() for character in sentence)
    assert set(WITHHELD_SENTENCE) == {"ko", "en"}


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.floats(-5, 5, width=16))),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_neither_order_nor_splitting_a_factory_changes_the_decision(
    amounts: list[tuple[str, float | None]],
    random,  # noqa: ANN001 - hypothesis' own random.Random
) -> None:
    rows = total(*amounts)
    shuffled = random.sample(rows, len(rows))
    halves = [(f, e, h, None if v is None else v / 2, m) for f, e, h, v, m in rows for _ in range(2)]
    assert decision(shuffled) == decision(rows) == decision(halves)
