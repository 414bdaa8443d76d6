"""The contracts are whole: every field says what it is, ids are stable, outputs mirror their tables."""

import json
import re
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest

from pipelines.schemas.contracts import arrow_fields, contract, packaged_folder
from pipelines.schemas.size_proof import provable
from pipelines.schemas.streams import STREAMS
from pipelines.schemas.structure import bare, in_place, parse
from pipelines.schemas.tables import TABLES

AVRO = packaged_folder("avro")
CONTRACTS = sorted(p.stem for p in AVRO.glob("*.avsc"))
INPUTS = sorted(s.contract for s in STREAMS.values())
OUTPUTS = {
    "dead_letter": "dead_letters",
    "hourly_energy": "facts_energy",
    "kpi": "kpis",
    "benchmark": "releases",
    "emission_statement": "emissions",
}
HISTORY_FILE = re.compile(r"^(\d{4})\.([a-z_]+)\.v(\d+)\.avsc$")


def fields(avro_type: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(avro_type, list):
        for branch in avro_type:
            yield from fields(branch, where)
    elif isinstance(avro_type, dict):
        for part in ("items", "values", "type"):
            if part in avro_type and not isinstance(avro_type[part], str):
                yield from fields(avro_type[part], where)
        for field in avro_type.get("fields", []):
            path = f"{where}.{field['name']}"
            yield path, field
            yield from fields(field["type"], path)


def history() -> dict[str, list[tuple[int, int, str]]]:
    found: dict[str, list[tuple[int, int, str]]] = {}
    for path in sorted((AVRO / "history").iterdir()):
        match = HISTORY_FILE.match(path.name)
        assert match, f"{path.name} is no <id>.<contract>.v<version>.avsc"
        found.setdefault(match[2], []).append((int(match[3]), int(match[1]), path.read_text("utf-8")))
    return {name: sorted(versions) for name, versions in found.items()}


def test_every_input_and_output_has_a_contract() -> None:
    assert sorted([*INPUTS, *OUTPUTS]) == CONTRACTS


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_field_however_deep_has_a_doc_and_a_unit(name: str) -> None:
    record = contract(name)
    found = list(fields(record))
    assert record["doc"].strip()
    assert len(found) >= len(record["fields"])
    assert [p for p, f in found if not f.get("doc", "").strip() or not f.get("unit", "").strip()] == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_field_that_may_be_null_says_what_null_means_and_defaults_to_it(name: str) -> None:
    nullable = [(p, f) for p, f in fields(contract(name)) if isinstance(f["type"], list)]
    assert [p for p, f in nullable if f["type"][0] != "null" or f.get("default", 0) is not None] == []
    if name not in OUTPUTS:
        assert [p for p, f in nullable if "null" not in f["doc"]] == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_current_contract_is_the_newest_of_its_history(name: str) -> None:
    versions = history()[name]
    assert [version for version, _, _ in versions] == list(range(1, len(versions) + 1))
    assert json.loads(versions[-1][2]) == contract(name)


def test_ids_of_the_history_are_unique_and_without_gaps() -> None:
    ids = sorted(schema_id for versions in history().values() for _, schema_id, _ in versions)
    assert ids == list(range(1, len(ids) + 1))


def test_ids_that_were_given_out_never_change() -> None:
    given = {name: versions[0][1] for name, versions in history().items()}
    assert given == {
        "energy": 1, "states": 2, "counts": 3, "orders": 4, "shipments": 5, "activities": 6, "safety": 7,
        "profile": 8, "dead_letter": 9, "hourly_energy": 10, "kpi": 11, "benchmark": 12,
        "emission_statement": 13, "stock": 15, "costs": 16, "products": 21,
    }  # fmt: skip
    later = {(name, version): schema_id for name, vs in history().items() for version, schema_id, _ in vs[1:]}
    given_later = {
        ("profile", 2): 14, ("benchmark", 2): 19, ("activities", 2): 20, ("profile", 3): 22, ("kpi", 3): 23,
    }  # fmt: skip
    assert later.items() >= given_later.items()


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_is_an_avro_record_of_our_namespace(name: str) -> None:
    record = contract(name)
    fastavro.parse_schema(record)
    assert (record["type"], record["namespace"]) == ("record", "kr.digitalcluster")


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_has_columns_and_takes_the_fast_path(name: str) -> None:
    record = contract(name)
    assert [f.name for f in arrow_fields(record)] == [f["name"] for f in record["fields"]]
    assert provable(bare(in_place(parse(json.dumps(record)))))


@pytest.mark.parametrize(("name", "table"), OUTPUTS.items())
def test_an_output_mirrors_its_table(name: str, table: str) -> None:
    columns = {
        f.name: (f.metadata[b"doc"].decode(), f.metadata[b"unit"].decode())
        for f in TABLES[table].schema
        if f.name != "bucket"
    }
    assert {f["name"]: (f["doc"], f["unit"]) for f in contract(name)["fields"]} == columns
