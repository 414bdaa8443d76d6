"""Elements find their rows by meaning first; lengths of time are exact."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.aas import AasElement, AasRow, AasSubmodel, id_from, match_submodels
from pipelines.domain.aas_series import seconds_of
from pipelines.domain.outcomes import OperatorError

MODEL = ("S", ("urn:s",))
ROWS = (
    AasRow(*MODEL, "A", ("urn:a",), "group"),
    AasRow(*MODEL, "A/Value*", (), "value", "profile", "name"),
    AasRow(*MODEL, "A/ValueExact", (), "value", "profile", "zone"),
    AasRow(*MODEL, "B*", ("urn:b",), "ignored"),
    AasRow(*MODEL, "C", (), "refused", note="it lies elsewhere"),
)


def submodel(*children: AasElement, meanings: tuple[str, ...] = ("urn:s",), name: str = "S") -> AasSubmodel:
    return AasSubmodel(AasElement(name, meanings, children=children))


def fields(*submodels: AasSubmodel) -> tuple[list[str | None], tuple[str, ...]]:
    found = match_submodels(submodels, ROWS, "f.json")
    values = [n.row.field for root, _ in found.nodes for g in root.children for n in g.children]
    return values, found.unknown


def test_a_semantic_id_goes_before_an_id_short() -> None:
    renamed = AasElement("Anything", ("urn:a",), children=(AasElement("Value1"),))
    assert fields(submodel(renamed)) == (["name"], ())
    misnamed = AasElement("B", ("urn:a",), children=(AasElement("Value1"),))
    assert fields(submodel(misnamed)) == (["name"], ())


def test_an_exact_id_short_goes_before_a_pattern() -> None:
    group = AasElement("A", children=(AasElement("ValueExact"), AasElement("ValueOther")))
    assert fields(submodel(group)) == (["zone", "name"], ())


def test_an_unknown_semantic_id_leaves_it_to_the_id_short() -> None:
    assert fields(submodel(AasElement("A", ("urn:new",), children=(AasElement("Value"),)))) == (["name"], ())


def test_what_is_left_out_on_purpose_is_not_reported_and_what_is_unknown_is() -> None:
    ignored = AasElement("B1", children=(AasElement("Deep"),))
    assert fields(submodel(ignored, AasElement("X"), AasElement("A", children=(AasElement("Y"),)))) == (
        [],
        ("S/X", "S/A/Y"),
    )


def test_a_submodel_without_semantic_id_is_known_by_its_id_short_and_another_is_reported() -> None:
    group = AasElement("A", children=(AasElement("Value"),))
    assert fields(submodel(group, meanings=())) == (["name"], ())
    assert fields(submodel(group, meanings=("urn:other",))) == ([], ("S (urn:other)",))
    assert fields(submodel(group, meanings=(), name="T")) == ([], ("T",))


def test_what_is_refused_says_where_and_why() -> None:
    with pytest.raises(OperatorError, match=r"f.json, S/C: can't be imported: it lies elsewhere"):
        fields(submodel(AasElement("C")))


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        ("900", None, 900), ("0.5", "min", 30), ("2", "h", 7200), ("250", "ms", Decimal("0.25")),
        ("PT15M", None, 900), ("P1DT1H1M1.5S", None, Decimal("90061.5")), ("PT0S", "h", 0),
        ("1e3", "s", 1000), ("P1M", None, None), ("P1Y", None, None), ("P", None, None), ("PT", None, None),
        ("soon", None, None), ("NaN", None, None), ("1", "days", None), ("", None, None),
    ],
)  # fmt: skip
def test_lengths_of_time(text: str, unit: str | None, seconds: Decimal | None) -> None:
    assert seconds_of(text, unit) == seconds


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_an_id_from_a_name_is_an_id_or_nothing_and_stays_as_it_is(name: str) -> None:
    found = id_from(name)
    assert found == "" or set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(found) <= 40
    assert not found.startswith("-")
    assert id_from(found) == found
