"""`digital-cluster ledger key | verify | audit` on a real store: what is found, and how it ends."""

import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.connectors.sealing import LedgerKey
from pipelines.domain.disclosure.ledger import append_entries
from pipelines.domain.outcomes import ExitCode
from pipelines.jobs.sealed_inputs import append_sealed, sign_head
from pipelines.schemas.tables import LEDGER_HEADS, RELEASE_INPUTS, RELEASES, Table
from tests.domain.auditing import sealed, unknowns
from tests.jobs.conftest import Answer, Hub, Park
from tests.jobs.ledger_nights import FIRST, figures, live, night

DAY = date(2025, 11, 10)
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="session")
def three_nights(park_of: Callable[[str], Park]) -> Hub:
    """Three nights of two figures, the third of which found nothing new; nobody may change it."""
    hub = park_of("archive").hub
    store = hub.store("park")
    for day, amount in enumerate((100.0, 250.0, 250.0)):
        live(night(store, day), {"a": 200.0, "b": amount})
    return hub


@pytest.fixture
def hub(three_nights: Hub, tmp_path: Path) -> Hub:
    return three_nights.copied(tmp_path / "hub")


def change(hub: Hub, table: Table, how: Change) -> None:
    """Rewrite a table as somebody with access to the store could."""
    opened = hub.store("park").open(table)
    opened.replace(how(opened.scan().collect()), "true", {})


def verify(hub: Hub) -> Answer:
    return hub.run("ledger", "verify", "--cluster", "park")


def test_a_whole_ledger_is_told_in_one_line_with_its_head(hub: Hub) -> None:
    answer = verify(hub)
    assert answer.code == 0, answer.err
    newest = hub.rows("park", RELEASES)["sha256"][-1]
    assert answer.out.startswith(
        f"the ledger is whole: 3 entries, head 3:{newest}, signed up to 3, 3 sealed inputs, 0 of nights"
    )
    assert "원장이 온전합니다: 항목 3개" in answer.out
    assert len(answer.out.splitlines()) == 1


def test_without_a_key_the_chain_and_the_signatures_are_proven_and_the_rest_is_named(hub: Hub) -> None:
    without = keyless(hub)
    answer = verify(without)
    assert answer.code == 0
    assert "not checked: that the signer is us, that the inputs open" in answer.out
    change(hub, RELEASE_INPUTS, flipped)
    assert verify(without).code == 0
    change(hub, RELEASES, lambda rows: rows.filter(pl.col("sequence") < 3))
    assert verify(without).code == ExitCode.INCONSISTENT


def keyless(hub: Hub) -> Hub:
    class Keyless(Hub):
        @property
        def environment(self) -> dict[str, str]:
            return {n: v for n, v in super().environment.items() if n != "DC_LEDGER_KEY_FILE"}

    return Keyless(hub.root, hub.settings)


def flipped(rows: pl.DataFrame) -> pl.DataFrame:
    """Change one bit of the second sealed row."""
    changed = [
        bytes([*row[:-1], row[-1] ^ (n == 1)]) for n, row in enumerate(rows.sort("sequence")["sealed"])
    ]
    return rows.sort("sequence").with_columns(sealed=pl.Series(changed, dtype=pl.Binary))


def rewritten(rows: pl.DataFrame) -> pl.DataFrame:
    """Replace the last entry by another that is chained as well as it was."""
    kept = rows.filter(pl.col("sequence") < 3)
    return pl.concat([kept, append_entries(kept, figures(b=90.0), FIRST)])


def signed_by_another(rows: pl.DataFrame) -> pl.DataFrame:
    other = LedgerKey([bytes(64)])
    last = rows.sort("sequence").tail(1)
    signature = other.sign(*last.select("sequence", "sha256").row(0))
    return last.with_columns(signature=pl.lit(signature), public_key=pl.lit(other.public_key))


def with_all_inputs_at_the_end(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(head=pl.col("head").sort_by("sequence").last())


CHANGES: dict[str, tuple[Table, Change, str]] = {
    "a byte of an entry": (
        RELEASES,
        lambda rows: rows.with_columns(value=pl.col("value") + (pl.col("sequence") == 2)),
        "releases, sequence 2",
    ),
    "an entry gone": (RELEASES, lambda rows: rows.filter(pl.col("sequence") != 2), "releases, sequence 2"),
    "the end cut off": (RELEASES, lambda rows: rows.filter(pl.col("sequence") < 3), "releases, sequence 3"),
    "the end rewritten": (RELEASES, rewritten, "releases, sequence 3"),
    "all gone": (RELEASES, lambda rows: rows.clear(), "releases, sequence 1"),
    "a byte of a sealed row": (RELEASE_INPUTS, flipped, "release_inputs, sequence 2"),
    "a sealed row gone": (
        RELEASE_INPUTS,
        lambda rows: rows.filter(pl.col("sequence") != 1),
        "release_inputs, sequence 1",
    ),
    "a head swapped": (RELEASE_INPUTS, with_all_inputs_at_the_end, "release_inputs, sequence 1"),
    "a signed hash changed": (
        LEDGER_HEADS,
        lambda rows: rows.with_columns(sha256=pl.lit("0" * 64)),
        "ledger_heads, sequence 2",
    ),
    "another signer": (LEDGER_HEADS, signed_by_another, "ledger_heads, sequence 3"),
}


@pytest.mark.parametrize(("table", "how", "place"), CHANGES.values(), ids=CHANGES)
def test_what_was_tampered_with_is_found_and_the_first_broken_sequence_named(
    hub: Hub, table: Table, how: Change, place: str
) -> None:
    change(hub, table, how)
    answer = verify(hub)
    assert answer.code == ExitCode.INCONSISTENT
    assert f"The ledger is broken: {place}: " in answer.err
    assert "원장이 손상되었습니다" in answer.err


def test_entries_that_a_dead_night_left_unsigned_and_inputs_not_in_force_are_counted(hub: Hub) -> None:
    store = hub.store("park")
    live(night(store, 3), {"a": 300.0}, until="entries")
    live(night(store, 4), {"a": 400.0}, until="inputs")
    answer = verify(hub)
    assert answer.code == 0
    assert "4 entries" in answer.out
    assert "signed up to 3 (1 not yet), 4 sealed inputs, 1 of nights that died" in answer.out


def test_an_empty_ledger_is_whole(park: Park) -> None:
    answer = verify(park.hub)
    assert answer.code == 0
    assert "0 entries" in answer.out


def release_difference(hub: Hub) -> None:
    """Publish two totals that differ by d's 80."""
    tonight = night(hub.store("park"), 5)
    day = unknowns("day", DAY, {"a-1": 90, "b-1": 100, "c-1": 110, "d-1": 80})
    both = [
        replace(sealed(name, 1, [u for u in day if u.holding in who]), known_at_us=tonight.known_at_us)
        for name, who in (("all", "abcd"), ("three", "abc"))
    ]
    ledger = tonight.store.open(RELEASES)
    entries = append_entries(ledger.scan().collect(), figures(all=380.0, three=300.0), tonight.nominal)
    append_sealed(tonight, both, entries["sha256"][-1])
    ledger.append(entries, {})
    sign_head(tonight)


def test_an_alarm_ends_with_its_code_and_names_what_combines_to_it(hub: Hub, tmp_path: Path) -> None:
    out = tmp_path / "audit.csv"
    quiet = hub.run("ledger", "audit", "--cluster", "park", "--coalition", 0, "--out", out)
    assert (
        quiet.code == ExitCode.INCONSISTENT
    )  # a figure of one holding, as these tests release it, tells all
    release_difference(hub)
    out.touch(0o644)
    answer = hub.run("ledger", "audit", "--cluster", "park", "--coalition", 0, "--out", out)
    assert answer.code == ExitCode.INCONSISTENT
    assert "confidential" in answer.err
    assert "대외비" in answer.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = pl.read_csv(out, infer_schema=False).filter(pl.col("holding") == "d").to_dicts()
    assert [(r["attacker"], r["coalition"], r["alarm"]) for r in rows] == [("exact", "0", "yes")]
    assert [float(rows[0][name]) for name in ("lower", "upper", "amount")] == pytest.approx([80, 80, 80])
    assert rows[0]["releases"] == "all (2025-11-15T18:00Z); three (2025-11-15T18:00Z)"


def test_the_audit_is_a_table_on_standard_output_without_a_file(hub: Hub) -> None:
    release_difference(hub)
    answer = hub.run("ledger", "audit", "--cluster", "park", "--coalition", 0)
    assert answer.code == ExitCode.INCONSISTENT
    assert "confidential" in answer.out
    assert (
        "ALARM d, energy, day 2025-11-10: 2 releases combine to it: all (2025-11-15T18:00Z); three"
        in answer.out
    )


def test_an_audit_without_a_key_says_how_to_make_one(hub: Hub) -> None:
    answer = keyless(hub).run("ledger", "audit", "--cluster", "park")
    assert answer.code == ExitCode.SETTINGS
    assert "digital-cluster ledger key --out FILE" in answer.err


def test_the_command_makes_a_key_that_a_night_takes(hub: Hub) -> None:
    answer = hub.run("ledger", "key", "--out", "own.key")
    assert answer.code == 0
    assert LedgerKey.read(hub.root / "own.key").key_id in answer.out
    again = hub.run("ledger", "key", "--out", "own.key")
    assert again.code == ExitCode.SETTINGS
    assert "not replaced" in again.err
