"""The form of a formula, and versions of a definition."""

import pytest

from pipelines.domain.kpi_formulas import Formula, Sum, Term, parse_formula
from pipelines.reference.kpis import kpi_book

ELEMENTS = kpi_book().elements
SOMETHING = Formula("sum(pq)", 2.0, (Sum((Term(1.0, ("pq",)),)),), (Sum((Term(1.0, ("ip",)),)),))


def parsed(text: str) -> Formula:
    return parse_formula(text, ELEMENTS, lambda _kpi, _version: SOMETHING)


def test_a_quotient_of_sums_keeps_what_stands_above_and_below_the_line() -> None:
    formula = parsed("3600 * sum(pru_s * gq) / sum(pbt_s - unknown_s)")
    assert formula.scale == 3600
    assert formula.above == (Sum((Term(1.0, ("pru_s", "gq")),)),)
    assert formula.below == (Sum((Term(1.0, ("pbt_s",)), Term(-1.0, ("unknown_s",)))),)
    assert formula.elements == ("pru_s", "gq", "pbt_s", "unknown_s")


def test_a_constant_beside_a_sum_is_added_once() -> None:
    assert parsed("sum(tbf_s) / (sum(failures) + 1)").below[0].constant == 1


def test_a_number_below_the_line_divides() -> None:
    assert parsed("sum(lead_time_s) / sum(orders_completed) / 8").scale == 0.125


def test_a_kpi_brings_its_own_lines_and_scale_and_turns_them_over_below_the_line() -> None:
    formula = parsed("sum(gq) * kpi(something, 1)")
    assert [s.text for s in formula.above] == ["gq", "pq"]
    assert [s.text for s in formula.below] == ["ip"]
    turned = parsed("sum(gq) / kpi(something, 1)")
    assert ([s.text for s in turned.above], [s.text for s in turned.below]) == (["gq", "ip"], ["pq"])
    assert (formula.scale, turned.scale) == (2.0, 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "sum(pq", "pq / gq", "sum(pq) / unheard_of", "sum(unheard_of)", "sum(pq / gq)", "sum(apt_s * pq)",
        "1", "sum(pq) - sum(gq)", "sum(pq) ** 2", "sum(pq) * -1", "1 / sum(pq)", "max(pq)", "sum(pq, gq)",
        "(sum(pq) / sum(gq)) + 1", "kpi(something)", "sum(2)", "__import__('os')",
    ],
)  # fmt: skip
def test_another_form_is_refused_with_the_formula_named(text: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        parsed(text)


def test_a_definition_is_found_by_id_or_by_id_and_version() -> None:
    book = kpi_book()
    newest, first = book.find("oee"), book.find("oee@1")
    assert newest is not None
    assert first is not None
    assert (newest.kpi, first.version) == ("oee", "1")
    assert book.find("oee@99") is None
    assert book.find("unheard_of") is None
