"""The ledger's key: what encrypts the inputs of decisions and signs the ledger's head.

Belongs here: making and reading the key file, sealing, opening, signing, checking a signature. Does not
belong here: the tables (pipelines.jobs.sealed_inputs), what is sealed (pipelines.domain.disclosure.sealed).

AES-SIV needs no random number, so the same figure of the same night is the same bytes, and a sealed row that
is moved to another figure, night or cluster does not open. The signing key is derived from the same secret
(HKDF), so that there is one file to keep.
"""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.sealed import figure_from_json, figure_to_json
from pipelines.domain.outcomes import ExitCode, OperatorError

KEY_BYTES: Final = 64
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SIGNING: Final = b"digital-cluster: signature of the ledger's head"
_ID_LENGTH: Final = 16


class LedgerKey:
    """The secret of a cluster's ledger; shows nothing of itself but its id.

    Args:
        secrets_: 64 bytes each; the first seals and signs, the others open what older keys sealed.
    """

    def __init__(self, secrets_: Sequence[bytes]) -> None:
        self._ciphers = [AESSIV(secret) for secret in secrets_]
        self._signers = [_signer(secret) for secret in secrets_]

    def __repr__(self) -> str:
        return f"LedgerKey({self.key_id})"

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Refuse to be pickled: the key goes to no worker and into no file."""
        raise TypeError("the ledger's key stays in the process that read it")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a key file: a line of base64 of 64 bytes; further lines: older keys, the newest first.

        Raises:
            OperatorError: SETTINGS: it can't be read, others may read it too, or it holds no key.
        """
        try:
            mode, lines = path.stat().st_mode, path.read_text(encoding="ascii").split()
        except OSError as error:
            raise _unusable(path, f"can't be read ({error.strerror})", "읽을 수 없습니다") from error
        except UnicodeDecodeError as error:
            raise _no_key(path) from error
        if mode & _OTHERS:
            raise _unusable(
                path,
                f"may be used by others than its owner: chmod 600 {path}",
                f"소유자 외에도 접근할 수 있습니다. chmod 600 {path} 명령으로 고치세요",
            )
        try:
            found = [base64.b64decode(line, validate=True) for line in lines]
        except binascii.Error as error:
            raise _no_key(path) from error
        if not found or any(len(secret) != KEY_BYTES for secret in found):
            raise _no_key(path)
        return cls(found)

    @property
    def key_id(self) -> str:
        """Name of the key that seals: the first half of its public key's sha256, in hex."""
        return key_id(self.public_key)

    @property
    def key_ids(self) -> frozenset[str]:
        """Names of all keys of the file, the older ones too."""
        return frozenset(key_id(signer.public_key().public_bytes_raw()) for signer in self._signers)

    @property
    def public_key(self) -> bytes:
        """What checks this key's signatures; no secret."""
        return self._signers[0].public_key().public_bytes_raw()

    def seal(self, cluster: str, figure: SealedFigure) -> bytes:
        """Encrypt a figure's inputs, bound to its cluster, id and night: the same input, the same bytes."""
        bound = _bound(cluster, figure.figure_id, figure.known_at_us)
        return self._ciphers[0].encrypt(figure_to_json(figure), bound)

    def open(self, cluster: str, figure_id: str, known_at_us: int, sealed: bytes) -> SealedFigure:
        """Decrypt what `seal` made for this cluster, figure and night.

        Raises:
            OperatorError: INCONSISTENT: it was changed, belongs elsewhere, or none of the keys sealed it.
        """
        for cipher in self._ciphers:
            try:
                return figure_from_json(cipher.decrypt(sealed, _bound(cluster, figure_id, known_at_us)))
            except (InvalidTag, ValueError):
                continue
        raise OperatorError(
            f"The sealed inputs of {figure_id} don't open: they were changed, or an older key is missing in"
            " the file of DC_LEDGER_KEY_FILE (docs/ledger.md).",
            f"{figure_id}의 봉인 입력이 열리지 않습니다. 변조되었거나 DC_LEDGER_KEY_FILE 파일에 이전 키가"
            " 없습니다(docs/ledger.md 참조).",
            ExitCode.INCONSISTENT,
        )

    def sign(self, sequence: int, sha256: str) -> bytes:
        """Sign that the ledger's entry of a sequence has a hash; always the same bytes."""
        return self._signers[0].sign(_head(sequence, sha256))


def signature_holds(public_key: bytes, sequence: int, sha256: str, signature: bytes) -> bool:
    """Say whether a head was signed by the owner of a public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _head(sequence, sha256))
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id(public_key: bytes) -> str:
    """Return the name of the key that a public key belongs to."""
    return hashlib.sha256(public_key).hexdigest()[:_ID_LENGTH]


def make_key_file(path: Path) -> LedgerKey:
    """Write a new key into a new file that only its owner can read.

    Raises:
        OperatorError: SETTINGS: there is a file already (it is never replaced), or it can't be written.
    """
    secret = secrets.token_bytes(KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise _unusable(
            path,
            "is there already and is not replaced: what it sealed opens with nothing else",
            "이미 있으므로 덮어쓰지 않습니다. 이 키로 봉인한 것은 다른 키로 열 수 없습니다",
        ) from error
    except OSError as error:
        raise _unusable(path, f"can't be written ({error.strerror})", "쓸 수 없습니다") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secret) + b"\n")
    return LedgerKey([secret])


def _signer(secret: bytes) -> Ed25519PrivateKey:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_SIGNING).derive(secret)
    return Ed25519PrivateKey.from_private_bytes(derived)


def _bound(cluster: str, figure_id: str, known_at_us: int) -> list[bytes]:
    return [cluster.encode(), figure_id.encode(), str(known_at_us).encode()]


def _head(sequence: int, sha256: str) -> bytes:
    return f"{sequence}:{sha256}".encode()


def _no_key(path: Path) -> OperatorError:
    return _unusable(
        path,
        "holds no key: a line is base64 of 64 bytes, as `digital-cluster ledger key --out FILE` makes it",
        "키가 아닙니다. `digital-cluster ledger key --out FILE` 명령으로 만든 64바이트 base64여야 합니다",
    )


def _unusable(path: Path, english: str, korean: str) -> OperatorError:
    return OperatorError(
        f"The ledger's key file {path} {english}.", f"원장 키 파일 {path}: {korean}.", ExitCode.SETTINGS
    )
