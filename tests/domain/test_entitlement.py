"""Give to get: who sees a benchmark, and what is missing of who does not."""

import polars as pl
import pytest

from pipelines.domain.entitlement import Entitlement, Missing, entitlement
from pipelines.domain.kpi_formulas import Definition
from pipelines.reference.kpis import kpi_book

PANEL = {"a-1", "a-2", "b", "c"}


def definition(kpi: str) -> Definition:
    found = kpi_book().find(kpi)
    assert found is not None
    return found


OEE = definition("oee")


def row(subject: str, value: float | None, **changes: object) -> dict[str, object]:
    return {
        "level": "factory", "subject": subject, "kpi": "oee", "definition_version": OEE.version,
        "value": value, "coverage": 1.0, "reason": None, **changes,
    }  # fmt: skip


def judged(*rows: dict[str, object], own: tuple[str, ...] = ("a-1",)) -> Entitlement:
    return entitlement(pl.DataFrame(rows, infer_schema_length=None), OEE, PANEL, own)


def test_who_contributed_sees_the_benchmark() -> None:
    assert judged(row("a-1", 0.6)) == Entitlement(("a-1",), ())


def test_one_contributing_factory_of_several_is_enough_and_the_other_is_told() -> None:
    found = judged(row("a-1", 0.6), row("a-2", None, reason="missing_element:gq"), own=("a-1", "a-2"))
    assert found.holds
    assert found.missing == (Missing("a-2", "stream", "gq"),)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"value": None, "reason": "missing_element:unknown_s"}, Missing("a-1", "stream", "unknown_s")),
        (
            {"value": None, "reason": "insufficient_coverage", "coverage": 0.4},
            Missing("a-1", "coverage", None, 0.4),
        ),
        ({"value": None, "reason": "suspect_excluded;above_one"}, Missing("a-1", "suspect")),
        ({"value": None, "reason": "zero_denominator"}, Missing("a-1", "nothing_to_compare")),
        ({"value": None, "reason": None}, Missing("a-1", "stream")),
        # A value that is too little measured to be compared is not contributed (oee: 0.9).
        ({"coverage": 0.89}, Missing("a-1", "coverage", None, 0.89)),
        ({"definition_version": "0"}, Missing("a-1", "stream")),
        ({"level": "machine"}, Missing("a-1", "stream")),
    ],
)
def test_what_is_missing_is_told(changes: dict[str, object], expected: Missing) -> None:
    found = judged({**row("a-1", 0.6), **changes})
    assert not found.holds
    assert found.missing == (expected,)


def test_coverage_on_the_border_is_enough() -> None:
    assert OEE.comparison_coverage == 0.9
    assert judged(row("a-1", 0.6, coverage=0.9)).holds


def test_a_value_of_no_time_at_all_lacks_no_coverage() -> None:
    assert judged(row("a-1", 0.6, coverage=None)).holds


def test_who_is_not_in_the_group_does_not_see_it_however_much_it_sent() -> None:
    assert judged(row("d", 0.6), own=("d",)) == Entitlement((), (Missing("d", "not_in_group"),))


def test_nobody_else_s_row_entitles_or_counts() -> None:
    assert not judged(row("b", 0.6), row("c", 0.7)).holds
    assert judged(row("b", None), row("a-1", 0.6)) == judged(row("a-1", 0.6))


def test_a_member_without_a_factory_sees_nothing() -> None:
    assert judged(row("b", 0.6), own=()) == Entitlement((), ())
