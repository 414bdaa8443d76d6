"""Sealed inputs and signed heads of the release ledger: reading what is in force, appending, signing.

Belongs here: the tables release_inputs and ledger_heads. Does not belong here: encryption
(pipelines.connectors.sealing), decisions (pipelines.domain), checking the whole (pipelines.jobs.ledger).

Inputs are committed before the ledger's entries: nothing is ever published whose inputs are lost. Each row
names the head that the ledger has after its night; a night that dies in between leaves rows that name no
entry. They are not in force, and the same night, repeated, finds them and adds none.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any, Final

import polars as pl

from pipelines.connectors.sealing import LedgerKey
from pipelines.connectors.store import ClusterStore
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.schemas.tables import LEDGER_HEADS, RELEASE_INPUTS, RELEASES

NO_ENTRY: Final = ""
"""The head of a ledger without an entry."""
_US: Final = 1_000_000


def required_key(night: Night) -> LedgerKey:
    """Return the ledger's key.

    Raises:
        OperatorError: SETTINGS: none is set.
    """
    if night.ledger_key is None:
        raise OperatorError(
            "The release ledger needs a key: make one with `digital-cluster ledger key --out FILE`, keep a"
            " copy elsewhere, and set DC_LEDGER_KEY_FILE=FILE.",
            "공개 원장에는 키가 필요합니다. `digital-cluster ledger key --out FILE` 명령으로 만들어"
            " 사본을 따로 보관하고 DC_LEDGER_KEY_FILE=FILE로 지정하세요.",
            ExitCode.SETTINGS,
        )
    return night.ledger_key


def read_sealed(night: Night) -> tuple[SealedFigure, ...]:
    """Return the inputs that are in force, oldest first.

    Raises:
        OperatorError: SETTINGS: no key; INCONSISTENT: one doesn't open.
    """
    key = required_key(night)
    return tuple(opened(key, night.cluster.cluster, row) for row in rows_in_force(night.store))


def read_newest_sealed(night: Night, figure_id: str) -> SealedFigure | None:
    """Return a figure's newest inputs that are in force; null: none were sealed.

    Raises:
        OperatorError: SETTINGS: no key; INCONSISTENT: they don't open.
    """
    key = required_key(night)
    own = [row for row in rows_in_force(night.store) if row["figure_id"] == figure_id]
    return opened(key, night.cluster.cluster, own[-1]) if own else None


def append_sealed(night: Night, sealed: Sequence[SealedFigure], head: str) -> int:
    """Seal a night's inputs, each only if it differs from the newest in force of its figure.

    Args:
        night: its nominal time is that of the inputs.
        sealed: inputs of this night's decisions, each figure once.
        head: hash of the ledger's last entry after this night; `NO_ENTRY`: it will have none.

    Returns:
        How many rows were added: none if an earlier attempt at the same night left the same.

    Raises:
        OperatorError: SETTINGS: no key; INCONSISTENT: an older one doesn't open; LEASE_HELD: a rival
            committed.
        ValueError: inputs of another night.
    """
    if any(figure.known_at_us != night.known_at_us for figure in sealed):
        raise ValueError("only inputs of this night can be sealed")
    key, cluster = required_key(night), night.cluster.cluster
    # What a dead attempt at this night left names the same head: it is in force as soon as the entries are.
    newest = {row["figure_id"]: row for row in rows_in_force(night.store, head)}
    changed = [
        figure
        for figure in sorted(sealed, key=lambda f: f.figure_id)
        if not _says_the_same(key, cluster, newest.get(figure.figure_id), figure)
    ]
    if not changed:
        return 0
    table = night.store.open(RELEASE_INPUTS)
    rows = [
        {"sequence": sequence, "known_at": night.nominal.astimezone(UTC), "figure_id": figure.figure_id,
         "head": head, "sealed": key.seal(cluster, figure), "key_id": key.key_id}
        for sequence, figure in enumerate(changed, start=table.scan().select(pl.len()).collect().item() + 1)
    ]  # fmt: skip
    table.append(pl.DataFrame(rows, schema=_INPUT_SCHEMA, orient="row"), {})
    return len(rows)


def sign_head(night: Night) -> int:
    """Sign the ledger's last entry unless it is signed already; returns how many heads were added.

    Raises:
        OperatorError: SETTINGS: no key; LEASE_HELD: a rival committed.
    """
    key = required_key(night)
    entries = night.store.open(RELEASES).scan().select("sequence", "sha256").collect().sort("sequence")
    if entries.is_empty():
        return 0
    sequence, sha256 = entries.row(-1)
    heads = night.store.open(LEDGER_HEADS)
    signed = heads.scan().select("sequence", "sha256", "public_key").collect().rows()
    if (sequence, sha256, key.public_key) in signed:
        return 0
    row = {
        "sequence": sequence, "sha256": sha256, "known_at": night.nominal.astimezone(UTC),
        "signature": key.sign(sequence, sha256), "public_key": key.public_key,
    }  # fmt: skip
    heads.append(pl.DataFrame([row], schema=_HEAD_SCHEMA, orient="row"), {})
    return 1


def rows_in_force(store: ClusterStore, head: str = NO_ENTRY) -> list[dict[str, Any]]:
    """Return the rows of release_inputs that name an entry of the ledger, or `head`, oldest first."""
    entries = store.open(RELEASES).scan().select("sha256").collect()["sha256"].to_list()
    rows = store.open(RELEASE_INPUTS).scan().filter(pl.col("head").is_in([*entries, head, NO_ENTRY]))
    return rows.collect().sort("sequence").to_dicts()


def opened(key: LedgerKey, cluster: str, row: dict[str, Any]) -> SealedFigure:
    """Open a row of release_inputs.

    Raises:
        OperatorError: INCONSISTENT: it doesn't open.
    """
    known_at_us = round(row["known_at"].timestamp() * _US)
    return key.open(cluster, row["figure_id"], known_at_us, row["sealed"])


def _says_the_same(key: LedgerKey, cluster: str, row: dict[str, Any] | None, figure: SealedFigure) -> bool:
    """Say whether a row seals the same inputs, whenever that was."""
    return row is not None and replace(opened(key, cluster, row), known_at_us=figure.known_at_us) == figure


_INPUT_SCHEMA: Final = {
    "sequence": pl.Int64(), "known_at": pl.Datetime("us", "UTC"), "figure_id": pl.String(),
    "head": pl.String(), "sealed": pl.Binary(), "key_id": pl.String(),
}  # fmt: skip
_HEAD_SCHEMA: Final = {
    "sequence": pl.Int64(), "sha256": pl.String(), "known_at": pl.Datetime("us", "UTC"),
    "signature": pl.Binary(), "public_key": pl.Binary(),
}  # fmt: skip
