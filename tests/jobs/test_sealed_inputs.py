"""Sealed inputs and signed heads on a real store: what is in force, what a dead night leaves, no key."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.connectors.canonical import canonical_tables
from pipelines.connectors.sealing import LedgerKey, signature_holds
from pipelines.connectors.store import ClusterStore
from pipelines.demo import session
from pipelines.domain.disclosure.exposure import SealedFigure, Statement, Term, Unknown
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA, append_entries
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.jobs.sealed_inputs import append_sealed, read_sealed, sign_head
from pipelines.schemas.tables import LEDGER_HEADS, RELEASE_INPUTS, RELEASES
from pipelines.settings import Settings
from tests.jobs.conftest import Park
from tests.perf.energy import night_on

KEY = LedgerKey([bytes(range(64))])
FIRST = datetime(2025, 11, 10, 18, tzinfo=UTC)  # 03:00 in Seoul
Place = Callable[[str], ClusterStore]


def night(store: ClusterStore, days: int = 0) -> Night:
    return replace(night_on(store, ["a-1"], as_of=FIRST + timedelta(days=days)), ledger_key=KEY)


def inputs(night: Night, figure_id: str, amount: float) -> SealedFigure:
    unknown = Unknown("energy", "day", date(2025, 11, 10), "a-1", "a", amount)
    statement = Statement(figure_id, (Term(unknown, 1.0),), published=True, down=5.0, up=5.0)
    return SealedFigure(
        figure_id, night.known_at_us, "publish", (), 3, ("a-1",), "p1", (), "10", 1, (statement,)
    )


def figures(**values: float) -> pl.DataFrame:
    rows = [
        {
            **dict.fromkeys(FIGURE_SCHEMA),
            "figure_id": figure_id,
            "cluster": "perf",
            "value": value,
            "period_start": date(2025, 11, 10),
        }
        for figure_id, value in values.items()
    ]
    return pl.DataFrame(rows, schema=FIGURE_SCHEMA, orient="row")


def entries_of(night: Night, published: dict[str, float]) -> tuple[pl.DataFrame, str]:
    """Return what a night adds to the ledger, and the ledger's head afterwards."""
    past = night.store.open(RELEASES).scan().collect()
    added = append_entries(past, figures(**published), night.nominal)
    both = pl.concat([past, added]).sort("sequence")
    return added, "" if both.is_empty() else both["sha256"][-1]


def live(night: Night, amounts: dict[str, float], until: str = "heads") -> None:
    """Live a night as the job does: inputs, entries, head; a killed one ends after `until`."""
    entries, head = entries_of(night, {name: round(value, -1) for name, value in amounts.items()})
    append_sealed(night, [inputs(night, name, value) for name, value in amounts.items()], head)
    if until == "inputs":
        return
    if not entries.is_empty():
        night.store.open(RELEASES).append(entries, {})
    if until == "entries":
        return
    sign_head(night)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return lambda name: ClusterStore(str(tmp_path / name), "perf")


def test_inputs_are_read_back_oldest_first_and_unchanged_ones_are_not_sealed_again(place: Place) -> None:
    store = place("store")
    live(night(store), {"b": 100.0, "a": 200.0})
    live(night(store, 1), {"a": 200.0, "b": 100.1})
    live(night(store, 2), {"a": 200.0, "b": 100.1})
    found = read_sealed(night(store, 3))
    assert [(f.figure_id, f.statements[0].terms[0].unknown.amount) for f in found] == [
        ("a", 200.0),
        ("b", 100.0),
        ("b", 100.1),
    ]
    assert [f.known_at_us for f in found] == [night(store, day).known_at_us for day in (0, 0, 1)]
    rows = store.open(RELEASE_INPUTS).scan().collect()
    assert rows["sequence"].sort().to_list() == [1, 2, 3]
    assert set(rows["key_id"]) == {KEY.key_id}


@pytest.mark.parametrize("killed_after", ["inputs", "entries"])
def test_a_night_that_died_between_two_tables_and_is_repeated_leaves_the_same_bytes(
    place: Place, killed_after: str
) -> None:
    whole, killed = place("whole"), place("killed")
    for store in (whole, killed):
        live(night(store), {"a": 200.0})
    live(night(whole, 1), {"a": 210.0, "b": 100.0})
    live(night(killed, 1), {"a": 210.0, "b": 100.0}, until=killed_after)
    live(night(killed, 1), {"a": 210.0, "b": 100.0})
    assert canonical_tables(killed) == canonical_tables(whole)
    versions = killed.table_versions()
    live(night(killed, 1), {"a": 210.0, "b": 100.0})
    assert killed.table_versions() == versions  # nothing new: no commit


def test_inputs_whose_night_died_before_its_entries_are_not_in_force(place: Place) -> None:
    store = place("store")
    live(night(store), {"a": 200.0})
    live(night(store, 1), {"a": 260.0}, until="inputs")
    assert [f.statements[0].terms[0].unknown.amount for f in read_sealed(night(store, 2))] == [200.0]
    # The next night judges what the dead one would have; its own inputs count, the dead ones never.
    live(night(store, 2), {"a": 270.0})
    assert [f.statements[0].terms[0].unknown.amount for f in read_sealed(night(store, 3))] == [200.0, 270.0]


def test_a_night_without_a_new_entry_may_seal_what_changed_behind_the_grid(place: Place) -> None:
    store = place("store")
    live(night(store), {"a": 200.0})
    live(night(store, 1), {"a": 201.0})  # still published as 200
    assert store.open(RELEASES).scan().collect().height == 1
    assert [f.statements[0].terms[0].unknown.amount for f in read_sealed(night(store, 2))] == [200.0, 201.0]


def test_a_head_is_signed_once_also_by_the_night_after_the_one_that_died(place: Place) -> None:
    store = place("store")
    assert sign_head(night(store)) == 0  # an empty ledger has no head
    live(night(store), {"a": 200.0}, until="entries")
    assert sign_head(night(store, 1)) == 1
    assert sign_head(night(store, 2)) == 0
    (head,) = store.open(LEDGER_HEADS).scan().collect().to_dicts()
    (entry,) = store.open(RELEASES).scan().collect().to_dicts()
    assert (head["sequence"], head["sha256"]) == (1, entry["sha256"])
    assert signature_holds(KEY.public_key, 1, entry["sha256"], head["signature"])
    # A new key signs the same head for itself.
    assert sign_head(replace(night(store, 2), ledger_key=LedgerKey([bytes(64)]))) == 1


def test_inputs_of_another_night_are_refused(place: Place) -> None:
    tonight = night(place("store"))
    with pytest.raises(ValueError, match="inputs of this night"):
        append_sealed(tonight, [replace(inputs(tonight, "a", 1.0), known_at_us=0)], "")


def test_inputs_that_were_changed_in_the_table_stop_the_night(place: Place) -> None:
    store = place("store")
    live(night(store), {"a": 200.0})
    table = store.open(RELEASE_INPUTS)
    row = table.scan().collect()
    other = KEY.seal("perf", inputs(night(store, 1), "a", 1.0))
    table.replace(row.with_columns(sealed=pl.lit(other)), "true", {})
    with pytest.raises(OperatorError, match="don't open") as refused:
        read_sealed(night(store, 1))
    assert refused.value.code is ExitCode.INCONSISTENT


def test_a_night_without_a_key_stops_before_it_reads_anything(park: Park) -> None:
    hub = park.hub.with_settings(ledger_key_file="missing.key")
    assert hub.run("nightly", "--cluster", "park").code == ExitCode.SETTINGS
    park.send_profiles(park.a)
    without = {name: value for name, value in hub.environment.items() if name != "DC_LEDGER_KEY_FILE"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(hub), "environment", property(lambda _hub: without))
        answer = hub.run("nightly", "--cluster", "park", "--as-of", "2025-11-04T03:00+09:00")
    assert answer.code == ExitCode.SETTINGS
    assert "digital-cluster ledger key --out FILE" in answer.err
    assert "DC_LEDGER_KEY_FILE" in answer.err.partition("오류")[2]
    assert hub.store("park").table_versions() == {}


def test_the_demo_makes_its_key_once_and_a_configured_one_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DC_LEDGER_KEY_FILE")
    made = session.with_ledger_key(Settings())
    assert made.ledger_key_file is not None
    first = LedgerKey.read(made.ledger_key_file).key_id
    again = session.with_ledger_key(Settings()).ledger_key_file
    assert again is not None
    assert LedgerKey.read(again).key_id == first
    configured = Settings(ledger_key_file=tmp_path / "own.key")
    assert session.with_ledger_key(configured) is configured
