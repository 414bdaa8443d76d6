"""FULL_TRANSITIVE: every version of a contract reads every other; and the check can fail."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.schemas.compatibility import breaking_changes, unreadable
from pipelines.schemas.contracts import contract_text, packaged_folder
from pipelines.schemas.structure import NoSchemaError

CONTRACTS = sorted(p.stem for p in packaged_folder("avro").glob("*.avsc"))
Change = Callable[[dict[str, Any]], None]

BASE = {
    "type": "record",
    "name": "Sample",
    "namespace": "kr.test",
    "fields": [
        {"name": "meter", "type": "string"},
        {"name": "count", "type": "int", "unit": "1"},
        {"name": "load", "type": "double", "unit": "t"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}},
        {"name": "open", "type": {"type": "enum", "name": "Open", "symbols": ["x", "y"], "default": "x"}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "tag", "type": {"type": "fixed", "name": "Tag", "size": 4}},
        {
            "name": "parts",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Part", "fields": [{"name": "value", "type": "double"}]},
            },
        },
        {"name": "labels", "type": {"type": "map", "values": "string"}},
    ],
}


def field(record: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in record["fields"] if f["name"] == name)
    return found


def parts(record: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = field(record, "parts")["type"]["items"]["fields"]
    return found


def changed(change: Change) -> str:
    record = json.loads(json.dumps(BASE))
    change(record)
    return json.dumps(record)


def drop(name: str) -> Change:
    return lambda r: r["fields"].remove(field(r, name))


def retype(name: str, avro_type: Any) -> Change:
    return lambda r: field(r, name).update(type=avro_type)


def add(**added: Any) -> Change:
    return lambda r: r["fields"].append(added)


OLD, NEW = "the old version can't read the new one's", "the new version can't read the old one's"


def test_every_committed_version_and_the_current_contract_read_each_other() -> None:
    texts: dict[str, list[str]] = {name: [contract_text(name)] for name in CONTRACTS}
    for path in sorted((packaged_folder("avro") / "history").iterdir()):
        texts[path.name.split(".")[1]].append(path.read_text("utf-8"))
    broken = {
        name: breaking_changes(new, old)
        for name, versions in texts.items()
        for new in versions
        for old in versions
    }
    assert len(texts) == 16
    assert all(len(versions) >= 2 for versions in texts.values())
    assert {name: problems for name, problems in broken.items() if problems} == {}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (drop("meter"), f"{OLD}: meter: not written, and the reader has no default for it"),
        (add(name="fresh", type="int"), f"{NEW}: fresh: not written, and the reader has no default for it"),
        (lambda r: field(r, "meter").update(name="gauge"), f"{OLD}: meter: not written"),
        (lambda r: field(r, "meter").update(name="gauge", aliases=["meter"]), f"{OLD}: meter: not written"),
        (retype("meter", "long"), f"{NEW}: meter: type string can't be read as long"),
        (retype("count", "long"), f"{OLD}: count: type long can't be read as int"),
        (retype("count", "double"), f"{OLD}: count: type double can't be read as int"),
        (retype("load", "float"), f"{NEW}: load: type double can't be read as float"),
        (retype("meter", "bytes"), f"{OLD}: meter: type bytes can't be read as string"),
        (retype("count", ["null", "int"]), f"{OLD}: count: type null can't be read as int"),
        (
            lambda r: field(r, "note").update(type="string", default=""),
            f"{NEW}: note: type null can't be read as string",
        ),
        (retype("at", "long"), f"{NEW}: at: logical type timestamp-micros can't be read as none"),
        (
            retype("at", {"type": "long", "logicalType": "timestamp-millis"}),
            f"{NEW}: at: logical type timestamp-micros can't be read as timestamp-millis",
        ),
        (lambda r: field(r, "load").update(unit="kg"), f"{NEW}: load: unit t can't be read as kg"),
        (
            lambda r: field(r, "kind")["type"]["symbols"].append("c"),
            f"{OLD}: kind: the reader lacks symbol c",
        ),
        (lambda r: field(r, "kind")["type"]["symbols"].pop(), f"{NEW}: kind: the reader lacks symbol b"),
        (lambda r: field(r, "tag")["type"].update(size=5), f"{NEW}: tag: size 4 can't be read as 5"),
        (lambda r: parts(r).append({"name": "w", "type": "int"}), f"{NEW}: parts[].w: not written"),
        (
            lambda r: parts(r)[0].update(type="string"),
            f"{NEW}: parts[].value: type double can't be read as string",
        ),
        (
            retype("labels", {"type": "map", "values": "int"}),
            f"{NEW}: labels[]: type string can't be read as int",
        ),
        (lambda r: r.update(name="Other"), f"{NEW}: the record: kr.test.Sample is not kr.test.Other"),
        (retype("note", ["null", "int"]), f"{NEW}: note: no branch of the reader's union fits string"),
    ],
)
def test_a_breaking_change_is_named_with_its_field_and_reason(change: Change, problem: str) -> None:
    found = breaking_changes(changed(change), json.dumps(BASE))
    assert any(line.startswith(problem) for line in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda _record: None,
        add(name="fresh", type=["null", "int"], default=None),
        add(name="fresh", type="int", default=0),
        drop("note"),
        lambda r: field(r, "open")["type"]["symbols"].append("z"),
        lambda r: field(r, "open")["type"]["symbols"].remove("y"),
        lambda r: parts(r).append({"name": "quality", "type": "string", "default": "measured"}),
        lambda r: field(r, "meter").update(doc="Said better."),
        lambda r: field(r, "load").pop("unit"),
        lambda r: r["fields"].reverse(),
        lambda r: r.update(namespace="kr.elsewhere"),
        retype("note", ["string", "null"]),
        retype("meter", {"type": "string"}),
    ],
)
def test_a_harmless_change_is_none(change: Change) -> None:
    assert breaking_changes(changed(change), json.dumps(BASE)) == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("int", "long"),
        ("int", "float"),
        ("int", "double"),
        ("long", "double"),
        ("float", "double"),
        ("string", "bytes"),
    ],
)
def test_promotions_read_one_way_only(written: str, read: str) -> None:
    reader, writer = changed(add(name="p", type=read)), changed(add(name="p", type=written))
    assert unreadable(reader, writer) == []
    assert unreadable(writer, reader) == [f"p: type {read} can't be read as {written}"]


def test_an_alias_of_the_reader_reads_a_renamed_field() -> None:
    reader = changed(lambda r: field(r, "meter").update(name="gauge", aliases=["meter"]))
    assert unreadable(reader, json.dumps(BASE)) == []


def test_a_record_that_contains_itself_is_compared_without_end_to_it() -> None:
    tree = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "next", "type": ["null", "Node"], "default": None}],
    }
    assert breaking_changes(json.dumps(tree), json.dumps(tree)) == []


@pytest.mark.parametrize(
    "text", ["", "{", '"no_such_type"', '{"type": "record"}', "[]]", '{"a": 1}', "17", "null"]
)
def test_what_is_no_schema_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NoSchemaError):
        unreadable(json.dumps(BASE), text)
