"""The ledger's key: its file, what it seals and signs, and that it shows nothing of itself."""

import base64
import copy
import math
import pickle
import stat
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipelines.connectors.sealing import KEY_BYTES, LedgerKey, key_id, make_key_file, signature_holds
from pipelines.domain.disclosure.exposure import SealedFigure, Statement, Term, Unknown
from pipelines.domain.outcomes import ExitCode, OperatorError

SECRET = bytes(range(64))
UNKNOWN = Unknown("energy", "day", date(2025, 11, 10), "a-1", "a", 0.1)
STATEMENT = Statement("f", (Term(UNKNOWN, 1.0, math.inf),), published=True, down=5.0, up=5.0)
FIGURE = SealedFigure("f", 7, "publish", (), 3, ("a-1",), "p1", (), "10", 1, (STATEMENT,))
KEY = LedgerKey([SECRET])


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_what_was_sealed_opens_to_the_same_and_is_the_same_bytes_again() -> None:
    sealed = KEY.seal("park", FIGURE)
    assert KEY.open("park", "f", 7, sealed) == FIGURE
    assert LedgerKey([SECRET]).seal("park", FIGURE) == sealed
    assert b"a-1" not in sealed


@pytest.mark.parametrize(
    ("cluster", "figure_id", "known_at_us", "flip"),
    [("other", "f", 7, False), ("park", "g", 7, False), ("park", "f", 8, False), ("park", "f", 7, True)],
)
def test_a_row_that_was_moved_or_changed_does_not_open(
    cluster: str, figure_id: str, known_at_us: int, *, flip: bool
) -> None:
    sealed = bytearray(KEY.seal("park", FIGURE))
    sealed[20] ^= flip
    with pytest.raises(OperatorError, match="don't open") as refused:
        KEY.open(cluster, figure_id, known_at_us, bytes(sealed))
    assert refused.value.code is ExitCode.INCONSISTENT


def test_a_newer_key_opens_what_an_older_one_in_the_same_file_sealed(tmp_path: Path) -> None:
    newer = bytes(64)
    lines = base64.b64encode(newer) + b"\n" + base64.b64encode(SECRET) + b"\n"
    rotated = LedgerKey.read(write(tmp_path / "key", lines))
    assert rotated.open("park", "f", 7, KEY.seal("park", FIGURE)) == FIGURE
    assert rotated.seal("park", FIGURE) == LedgerKey([newer]).seal("park", FIGURE)
    assert rotated.key_ids == {KEY.key_id, LedgerKey([newer]).key_id}


def test_a_signature_holds_for_one_sequence_and_hash_only() -> None:
    signature = KEY.sign(12, "ab")
    assert signature == LedgerKey([SECRET]).sign(12, "ab")
    assert signature_holds(KEY.public_key, 12, "ab", signature)
    assert not signature_holds(KEY.public_key, 11, "ab", signature)
    assert not signature_holds(KEY.public_key, 12, "ac", signature)
    assert not signature_holds(LedgerKey([bytes(64)]).public_key, 12, "ab", signature)
    assert not signature_holds(b"no key", 12, "ab", signature)


def test_the_key_shows_only_its_id_and_stays_in_its_process() -> None:
    assert repr(KEY) == str(KEY) == f"LedgerKey({KEY.key_id})"
    assert KEY.key_id == key_id(KEY.public_key)
    shown = repr(vars(KEY)) + repr(replace(FIGURE, policy=str(KEY)))
    assert base64.b64encode(SECRET).decode() not in shown
    assert repr(SECRET)[2:40] not in shown
    for copying in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="stays in the process"):
            copying(KEY)


def test_a_made_key_is_random_for_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert LedgerKey.read(path).key_id == made.key_id
    assert make_key_file(tmp_path / "other").key_id != made.key_id
    with pytest.raises(OperatorError, match="not replaced") as refused:
        make_key_file(path)
    assert refused.value.code is ExitCode.SETTINGS
    with pytest.raises(OperatorError, match="can't be written"):
        make_key_file(tmp_path / "nowhere" / "key")


GOOD = base64.b64encode(SECRET)


@pytest.mark.parametrize(
    ("content", "mode", "english", "korean"),
    [
        (GOOD, 0o640, "chmod 600", "chmod 600"),
        (GOOD, 0o604, "chmod 600", "chmod 600"),
        (b"", 0o600, "holds no key", "키가 아닙니다"),
        (b"not base64!", 0o600, "holds no key", "키가 아닙니다"),
        ("열쇠".encode(), 0o600, "holds no key", "키가 아닙니다"),
        (base64.b64encode(bytes(KEY_BYTES - 1)), 0o600, "holds no key", "키가 아닙니다"),
        (GOOD + b"\n" + base64.b64encode(bytes(32)), 0o600, "holds no key", "키가 아닙니다"),
    ],
)
def test_a_key_file_that_cannot_be_trusted_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, mode: int, english: str, korean: str
) -> None:
    path = write(tmp_path / "key", content, mode)
    with pytest.raises(OperatorError) as refused:
        LedgerKey.read(path)
    assert refused.value.code is ExitCode.SETTINGS
    assert english in refused.value.english
    assert korean in refused.value.korean
    assert str(path) in refused.value.english
    assert GOOD.decode() not in refused.value.english


def test_a_stricter_mode_is_fine_and_a_missing_file_is_not(tmp_path: Path) -> None:
    assert LedgerKey.read(write(tmp_path / "key", GOOD + b"\n", 0o400)).key_id == KEY.key_id
    with pytest.raises(OperatorError, match="can't be read"):
        LedgerKey.read(tmp_path / "none")
