"""The mapping of AAS elements: whole, what its page says, and an operator's to extend."""

from pathlib import Path

import pytest

from pipelines.domain.aas import AasRow
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.domain.units import CANONICAL_UNITS, carrier_unit_multiplier
from pipelines.reference.aas_mapping import COLUMNS, FIELDS, aas_rows
from pipelines.reference.tables import units
from pipelines.schemas.contracts import contract

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = "1,TimeSeries,urn:ts,Segments,urn:s,group,,,,,,,,us"


def own(folder: Path, *rows: str, header: str = ",".join(COLUMNS)) -> Path:
    path = folder / "own.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def key(row: AasRow) -> tuple[str, str, tuple[str, ...]]:
    return row.submodel, row.path, row.semantic_ids


def test_no_two_rows_are_of_the_same_element() -> None:
    keys = [key(r) for r in aas_rows()]
    assert len({*keys}) == len(keys)
    meanings = [(r.submodel, r.parent, m) for r in aas_rows() for m in r.semantic_ids]
    assert len({*meanings}) == len(meanings)


def test_every_carrier_can_be_imported_in_all_four_kinds_in_a_unit_that_converts() -> None:
    energy = [r for r in aas_rows() if r.stream == "energy"]
    assert {(r.carrier, r.kind) for r in energy} == {
        (c, k) for c in CANONICAL_UNITS for k in ("register", "interval", "power", "mean_power")
    }
    for row in energy:
        assert carrier_unit_multiplier(units(), row.carrier or "", row.kind or "", row.unit or "") == 1.0


def test_the_fields_to_import_into_are_those_of_the_contracts() -> None:
    profile = {f["name"]: f["type"] for f in contract("profile")["fields"]}
    for field in FIELDS["profile"]:
        name, _, item = field.partition(".")
        assert name in profile
        assert not item or item in {f["name"] for f in profile[name]["items"]["fields"]}
    for stream in ("states", "counts"):
        assert FIELDS[stream] <= {f["name"] for f in contract(stream)["fields"]}


def test_every_field_of_a_profile_that_the_table_may_fill_has_a_row() -> None:
    rows = {r.field for r in aas_rows() if r.stream == "profile"}
    assert rows == FIELDS["profile"]


def test_the_page_names_every_element_that_has_a_meaning() -> None:
    page = (DOCS / "aas.md").read_text(encoding="utf-8")
    for row in aas_rows():
        if row.role in ("value", "entry", "time", "setting", "refused", "ignored"):
            line = f"| {row.submodel} | `{row.path}` |"
            assert any(
                x.startswith(line) and x.endswith(f"| {row.note or ''} |") for x in page.splitlines()
            ), line


def test_a_row_of_ones_own_replaces_its_like_and_others_go_first(tmp_path: Path) -> None:
    packaged = aas_rows()
    like = next(r for r in packaged if r.path == "Segments/LinkedSegment*")
    row = f"1,TimeSeries,urn:x,{like.path},{';'.join(like.semantic_ids)},ignored,,,,,,,,us"
    found = aas_rows(own(tmp_path, row, ROW))
    assert len(found) == len(packaged) + 1
    assert [(r.role, r.path) for r in found[:2]] == [("ignored", like.path), ("group", "Segments")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW.replace("group", "grouping"), "row 2: the role 'grouping' is none of group, entry"),
        (ROW.removesuffix("us"), "row 2: version, submodel, path and source must be filled"),
        (
            ROW.replace("Segments", "Nowhere/x"),
            "row 2: no row has the path 'Nowhere', which contains this one",
        ),
        (ROW.replace("group,,", "value,energy,price"), "there is no field 'price' of stream 'energy'"),
        (ROW.replace("group,,,,", "value,energy,value,magic,"), "the carrier 'magic' is none of electricity"),
        (
            ROW.replace("group,,,,,", "value,energy,value,water,register,end"),
            "the stamp of register must be instant",
        ),
        (ROW.replace("group", "time"), "the kind of a time is one of utc, relative_point"),
    ],
)
def test_a_row_that_cannot_be_is_one_line_with_its_number(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(OperatorError) as error:
        aas_rows(own(tmp_path, row))
    assert error.value.code is ExitCode.UNUSABLE_INPUT
    assert error.value.english.startswith("AAS mapping own.csv: ")
    assert said in error.value.english


def test_another_table_is_none(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="its columns must be version,submodel"):
        aas_rows(own(tmp_path, "1", header="a"))
    with pytest.raises(OperatorError, match=r"AAS mapping absent.csv: can't be read"):
        aas_rows(tmp_path / "absent.csv")
    empty = tmp_path / "empty.csv"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(OperatorError, match=r"AAS mapping empty.csv: can't be read"):
        aas_rows(empty)
