"""A contract that gains fields, a registry that is down for a while: nothing is lost, nothing is guessed."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.connectors.canonical import canonical_tables
from pipelines.connectors.registry import LocalRegistry
from tests.jobs.conftest import SEOUL, Hub, Park, ParkOf, instant

TUESDAY, WEDNESDAY = date(2025, 11, 4), date(2025, 11, 5)
WIDER_ID = 9001  # beyond every id of the history
# What a night knew stays there: a night that had to wait for a part has versions that a whole night hasn't.
EACH_NIGHTS_OWN = {"activities", "emission_lines", "emission_statements", "restatements", "release_inputs"}


def three(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=SEOUL)


def wider_energy(registry: Path) -> str:
    """Return the energy contract with more fields: of the message, nullable and not, and of each reading."""
    text = LocalRegistry(registry).text(1)
    assert text is not None
    schema = json.loads(text)
    readings = next(f for f in schema["fields"] if f["name"] == "readings")
    readings["type"]["items"]["fields"] += [
        {
            "name": "uncertainty",
            "type": ["null", "double"],
            "default": None,
            "doc": "Half a width.",
            "unit": "1",
        },
        {"name": "estimated", "type": "boolean", "default": False, "doc": "Whether guessed.", "unit": "none"},
    ]
    schema["fields"] += [
        {
            "name": "firmware",
            "type": ["null", "string"],
            "default": None,
            "doc": "The gateway's.",
            "unit": "none",
        },
        {"name": "phases", "type": "int", "default": 3, "doc": "Phases of the meter.", "unit": "1"},
    ]
    return json.dumps(schema, ensure_ascii=False)


def register_wider(park: Park) -> None:
    folder = park.hub.root / "registry"
    (folder / f"{WIDER_ID:04d}.energy.v2.avsc").write_text(wider_energy(folder), encoding="utf-8")


def wide(park: Park, hour: int, kwh: float, day: date = WEDNESDAY) -> bytes:
    """Return a message of the wider schema."""
    record = park.reading(park.a, instant(day, hour), [kwh])
    record["readings"][0] |= {"uncertainty": 0.5, "estimated": True}
    return park.encode("energy", {**record, "firmware": "v9", "phases": 1}, WIDER_ID)


def narrow(park: Park, hour: int, kwh: float, day: date = WEDNESDAY) -> bytes:
    return park.energy(park.a, instant(day, hour), [kwh])


def commits(park: Park) -> list[set[str]]:
    """Return the kinds of actions of each commit of the raw table."""
    log = park.hub.root / "store" / "park" / "raw_energy" / "_delta_log"
    return [
        {kind for line in path.read_text().splitlines() for kind in json.loads(line)}
        for path in sorted(log.glob("*.json"))
    ]


NEW_COLUMNS = ["uncertainty", "estimated", "firmware", "phases"]


def test_old_and_new_messages_of_one_topic_are_read_and_new_values_read_back(either_park: Park) -> None:
    park = either_park
    park.send_profiles(park.a)
    park.send(park.topic(), [narrow(park, 0, 1.0, TUESDAY)], instant(TUESDAY, 24))
    assert park.nightly(three(WEDNESDAY)).code == 0
    before = commits(park)
    register_wider(park)
    mixed = [narrow(park, 0, 2.0), wide(park, 1, 3.0), narrow(park, 2, 4.0), wide(park, 3, 5.0)]
    park.send(park.topic(), mixed, instant(WEDNESDAY, 24))
    night = park.nightly(three(date(2025, 11, 6)))
    assert night.code == 0, night.err
    assert night.line("dead letters") == "none"
    assert park.hours(park.a, WEDNESDAY)[:5] == [2.0, 3.0, 4.0, 5.0, None]
    rows = park.rows("raw_energy").select("offset", "schema_id", *NEW_COLUMNS).rows()
    assert rows == [
        (0, 1, None, None, None, None),  # written before the columns were there
        (1, 1, None, False, None, 3),
        (2, WIDER_ID, 0.5, True, "v9", 1),
        (3, 1, None, False, None, 3),
        (4, WIDER_ID, 0.5, True, "v9", 1),
    ]
    grown, *after = commits(park)[len(before) :]
    assert "metaData" in grown
    assert "add" not in grown
    assert ["add" in kinds for kinds in after] == [True]


def test_without_a_new_message_the_columns_cost_no_second_commit(park: Park) -> None:
    park.send_profiles(park.a)
    park.send(park.topic(), [narrow(park, 0, 1.0, TUESDAY)], instant(TUESDAY, 24))
    park.nightly(three(WEDNESDAY))
    register_wider(park)
    park.nightly(three(WEDNESDAY))
    after = park.hub.state("park")
    assert park.nightly(three(WEDNESDAY)).line("result").startswith("nothing new")
    assert park.hub.state("park") == after


def test_a_field_that_cannot_be_read_makes_dead_letters_that_name_it(park: Park) -> None:
    park.send_profiles(park.a)
    text = LocalRegistry(park.hub.root / "registry").text(1)
    assert text is not None
    changed = json.loads(text)
    next(f for f in changed["fields"] if f["name"] == "sequence")["type"] = "string"
    path = park.hub.root / "registry" / f"{WIDER_ID:04d}.energy_of_others.v1.avsc"
    path.write_text(json.dumps(changed | {"namespace": "org.others"}), encoding="utf-8")
    record = park.reading(park.a, instant(TUESDAY), [1.0]) | {"sequence": "seven"}
    park.send(
        park.topic(),
        [
            narrow(park, 0, 1.0, TUESDAY),
            park.encode("energy", record, WIDER_ID),
            narrow(park, 1, 2.0, TUESDAY),
        ],
        instant(TUESDAY, 24),
    )
    assert park.nightly(three(WEDNESDAY)).code == 0
    assert park.hours(park.a, TUESDAY)[:2] == [1.0, 2.0]
    (letter,) = park.rows("dead_letters").to_dicts()
    assert (letter["offset"], letter["reason"]) == (1, "schema_incompatible")
    assert "sequence" in letter["detail"]


@dataclass
class RegistryServer:
    """A server that speaks as much of the Confluent registry as a night asks for; it can be down."""

    folder: Path
    hidden: set[int] = field(default_factory=set)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, object]]:
        self.asked.append(path)
        if self.down:
            return 503, {"error_code": 50301, "message": "down"}
        registry = LocalRegistry(self.folder)
        parts = path.strip("/").split("/")
        if parts[:2] == ["schemas", "ids"]:
            text = registry.text(int(parts[2]))
            return (404, {"error_code": 40403, "message": "no"}) if text is None else (200, {"schema": text})
        latest = registry.latest(parts[1]) if parts[0] == "subjects" else None
        if latest is None:
            return 404, {"error_code": 40401, "message": "no"}
        return 200, {"subject": parts[1], "version": 1, "id": 1, "schema": latest}


@pytest.fixture
def served(park_of: ParkOf) -> Iterator[tuple[Park, RegistryServer]]:
    """A park whose registry is a server."""
    park = park_of("archive")
    server = RegistryServer(park.hub.root / "registry")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = server.answer(self.path.partition("?")[0])
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{http.server_port}"
    yield Park(park.hub.with_settings(schema_registry_url=url), park.sink, park.tag), server
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def begun(served: tuple[Park, RegistryServer]) -> tuple[Park, RegistryServer]:
    """Tuesday is ingested; then a wider schema is registered and messages of both come in."""
    park, server = served
    park.send_profiles(park.a, park.b)
    park.send(park.topic(), [narrow(park, 0, 1.0, TUESDAY)], instant(TUESDAY, 24))
    night = park.nightly(three(WEDNESDAY))
    assert night.code == 0, night.err
    register_wider(park)
    mixed = [
        narrow(park, 0, 2.0),
        narrow(park, 1, 3.0),
        wide(park, 2, 4.0),
        narrow(park, 3, 5.0),
        wide(park, 4, 6.0),
    ]
    park.send(park.topic(), [*mixed[:2], mixed[0][:-3], *mixed[2:]], instant(WEDNESDAY, 24))
    both = [park.energy(f, instant(WEDNESDAY), [7.0], meter="sub") for f in (park.b, park.a)]
    park.send(park.gateway_topic, both, instant(WEDNESDAY, 24))
    return park, server


def undisturbed(park: Park, folder: Path) -> Hub:
    """Return a hub that begins as the park stands now, its store too."""
    return park.hub.copied(folder)


def test_while_the_registry_is_down_a_partition_waits_before_the_id_that_it_cannot_ask_for(
    begun: tuple[Park, RegistryServer], tmp_path: Path
) -> None:
    park, server = begun
    twin = undisturbed(park, tmp_path / "twin")
    as_of = three(date(2025, 11, 6))
    server.down = True
    night = park.nightly(as_of)
    assert night.code == 15, night.err
    waiting = night.line("WAITING / 대기")
    assert waiting.startswith(f"{park.topic()}/0/")
    assert " from offset 4:" in waiting
    assert night.out.splitlines()[0].startswith("WAITING")
    # What is before it, and every other partition, goes on; the poison before it is a dead letter already.
    assert park.hours(park.a, WEDNESDAY)[:5] == [2.0, 3.0, None, None, None]
    assert park.rows("raw_energy").filter(topic=park.gateway_topic).height == 2
    assert park.letters() == [(park.topic(), 3, "truncated")]
    again = park.nightly(as_of)
    assert (again.code, again.line("rows")) == (15, "0 raw rows")
    server.down = False
    assert park.nightly(as_of).code == 0
    assert park.hours(park.a, WEDNESDAY)[:6] == [2.0, 3.0, 4.0, 5.0, 6.0, None]
    assert twin.run("nightly", "--cluster", "park", "--as-of", as_of.isoformat()).code == 0
    left, right = canonical_tables(park.hub.store("park")), canonical_tables(twin.store("park"))
    differing = {name for name in right if left[name] != right[name]}
    assert differing == EACH_NIGHTS_OWN
    assert park.nightly(as_of).line("result").startswith("nothing new")


def test_what_the_registry_said_once_holds_while_it_is_down(served: tuple[Park, RegistryServer]) -> None:
    park, server = served
    park.send_profiles(park.a)
    park.send(park.topic(), [narrow(park, 0, 1.0, TUESDAY)], instant(TUESDAY, 24))
    assert park.nightly(three(WEDNESDAY)).code == 0
    server.down = True
    park.send(park.topic(), [narrow(park, 0, 2.0)], instant(WEDNESDAY, 24))
    night = park.nightly(three(date(2025, 11, 6)))
    assert night.code == 0, night.err
    assert park.hours(park.a, WEDNESDAY)[:2] == [2.0, None]


def test_a_registry_that_was_never_up_is_one_line_and_nothing_is_written(
    served: tuple[Park, RegistryServer],
) -> None:
    park, server = served
    server.down = True
    park.send_profiles(park.a)
    night = park.nightly(three(WEDNESDAY) + timedelta(hours=1))
    assert night.code == 15
    assert night.err.splitlines()[-1].startswith("error: schema registry http://127.0.0.1:")
    assert "gave no answer" in night.err
    assert "응답하지 않습니다" in night.err
    server.down = False
    assert park.nightly(three(WEDNESDAY)).line("rows") == "1 raw rows (profile 1)"


def test_a_registry_that_says_no_makes_a_dead_letter_not_a_wait(served: tuple[Park, RegistryServer]) -> None:
    park, _ = served
    park.send_profiles(park.a)
    good = narrow(park, 0, 1.0, TUESDAY)
    park.send(park.topic(), [b"\x00\x00\x00\x00\x63" + good[5:], good], instant(TUESDAY, 24))
    assert park.nightly(three(WEDNESDAY)).code == 0
    assert park.letters() == [(park.topic(), 0, "unknown_schema")]
    assert park.hours(park.a, TUESDAY)[0] == 1.0
