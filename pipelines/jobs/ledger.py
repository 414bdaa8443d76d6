"""Checks of the release ledger: is it whole and ours, and what could anyone derive from it?

Belongs here: reading the ledger's tables for `digital-cluster ledger verify | audit`. Does not belong here:
hashes (pipelines.domain.disclosure.ledger), the attack (pipelines.domain.disclosure.audit), writing a table.
"""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import polars as pl

from pipelines.connectors.sealing import LedgerKey, key_id, signature_holds
from pipelines.domain.disclosure.audit import AuditReport, AuditRow, audit
from pipelines.domain.disclosure.audit_formulas import audit_formulas
from pipelines.domain.disclosure.ledger import verify_chain
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.jobs.night import Night
from pipelines.jobs.sealed_inputs import NO_ENTRY, opened, read_sealed
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.tables import LEDGER_HEADS, RELEASE_INPUTS, RELEASES

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_ALWAYS: Final = datetime.max.replace(tzinfo=UTC)
AUDIT_COLUMNS: Final = (
    "holding", "figure_id", "variable", "period", "start", "attacker", "coalition", "lower", "upper",
    "amount", "protected_low", "protected_high", "tightest", "alarm", "releases",
)  # fmt: skip


@dataclass(frozen=True)
class LedgerProof:
    """What was found of a ledger that is whole.

    Args:
        entries: how many it has.
        head: hash of the last one; empty: there is none.
        signed: sequence of the newest signed head; 0: nothing is signed.
        sealed: sealed inputs in force.
        dead: sealed inputs that name no entry: of nights that died.
        with_key: whether the inputs were opened and the signer's key was compared with ours.
    """

    entries: int
    head: str
    signed: int
    sealed: int
    dead: int
    with_key: bool

    def lines(self) -> tuple[str, str]:
        """Return what was found in one line, in English and in Korean."""
        unsigned = self.entries - self.signed
        english = (
            f"the ledger is whole: {self.entries} entries, head {self.entries}:{self.head},"
            f" signed up to {self.signed}{f' ({unsigned} not yet)' if unsigned else ''},"
            f" {self.sealed} sealed inputs, {self.dead} of nights that died"
        )
        korean = (
            f"원장이 온전합니다: 항목 {self.entries}개, 서명 {self.signed}까지, 봉인 입력 {self.sealed}개,"
            f" 중단된 밤의 것 {self.dead}개"
        )
        if not self.with_key:
            english += "; without DC_LEDGER_KEY_FILE not checked: that the signer is us, that the inputs open"
            korean += "; DC_LEDGER_KEY_FILE이 없어 서명자와 봉인 입력은 확인하지 못했습니다"
        return english, korean


def verify_ledger(night: Night) -> LedgerProof:
    """Prove that a ledger is whole: its chain, its signed heads, its sealed inputs.

    A cut-off end is found by the newest head that was signed beyond it, and by inputs that name what was cut.

    Raises:
        OperatorError: INCONSISTENT: names the first sequence that is broken, of which table.
    """
    releases = night.store.open(RELEASES).scan().collect()
    broken = verify_chain(releases)
    if broken is not None:
        raise _broken("releases", broken, "the entry was changed, or one is missing", "변조 또는 누락")
    hashes: dict[int, str] = dict(releases.select("sequence", "sha256").iter_rows())
    heads = night.store.open(LEDGER_HEADS).scan().collect().sort("sequence", "known_at").to_dicts()
    for head in heads:
        _check_head(head, hashes, night.ledger_key)
    rows = night.store.open(RELEASE_INPUTS).scan().collect().sort("sequence").to_dicts()
    in_force = _checked_inputs(night, rows, _spans(releases))
    return LedgerProof(
        entries=len(hashes),
        head=hashes.get(len(hashes), NO_ENTRY),
        signed=max((head["sequence"] for head in heads), default=0),
        sealed=in_force,
        dead=len(rows) - in_force,
        with_key=night.ledger_key is not None,
    )


def _check_head(head: dict[str, Any], hashes: dict[int, str], key: LedgerKey | None) -> None:
    """Refuse a head that isn't in the chain at its sequence, or that we didn't sign."""
    sequence, sha256, signer = head["sequence"], head["sha256"], head["public_key"]
    if not signature_holds(signer, sequence, sha256, head["signature"]):
        raise _broken("ledger_heads", sequence, "the signature doesn't hold", "서명 불일치")
    if key is not None and key_id(signer) not in key.key_ids:
        raise _broken("ledger_heads", sequence, "another key signed it than ours", "다른 키의 서명")
    if sequence not in hashes:
        cut = f"the ledger was cut off after entry {len(hashes)}"
        raise _broken("releases", len(hashes) + 1, cut, "끝부분이 잘림")
    if hashes[sequence] != sha256:
        raise _broken("releases", sequence, "it was rewritten after it had been signed", "서명 후 변조")


def _spans(releases: pl.DataFrame) -> dict[str, tuple[datetime, datetime]]:
    """Return of each entry from when on, and until when, it was the ledger's last one."""
    chain = releases.sort("sequence").select("sha256", "known_at").rows()
    ends = [*(known_at for _, known_at in chain[1:]), *([_ALWAYS] if chain else [])]
    spans = {sha256: (known_at, end) for (sha256, known_at), end in zip(chain, ends, strict=True)}
    return {NO_ENTRY: (_NEVER, chain[0][1] if chain else _ALWAYS), **spans}


def _checked_inputs(
    night: Night, rows: Sequence[dict[str, Any]], spans: Mapping[str, tuple[datetime, datetime]]
) -> int:
    """Return how many inputs are in force; refuse gaps, a head of another night, and what doesn't open."""
    for expected, row in enumerate(rows, start=1):
        if row["sequence"] != expected:
            raise _broken("release_inputs", expected, "a row is missing or twice there", "누락 또는 중복")
        if night.ledger_key is not None:
            try:
                opened(night.ledger_key, night.cluster.cluster, row)
            except OperatorError as error:
                raise _broken("release_inputs", expected, error.english, error.korean) from error
        first, last = spans.get(row["head"], (_NEVER, _ALWAYS))
        if not first <= row["known_at"] <= last:
            raise _broken("release_inputs", expected, "it names the head of another night", "다른 밤의 머리")
    return sum(row["head"] in spans for row in rows)


def _broken(table: str, sequence: int, english: str, korean: str) -> OperatorError:
    return OperatorError(
        f"The ledger is broken: {table}, sequence {sequence}: {english}. Restore it from a backup, and find"
        " out who changed it (docs/ledger.md).",
        f"원장이 손상되었습니다: {table} 테이블 순번 {sequence}: {korean}. 백업에서 복구하고 경위를"
        " 조사하세요(docs/ledger.md).",
        ExitCode.INCONSISTENT,
    )


def audit_ledger(night: Night, coalition: int) -> AuditReport:
    """Attack the whole history of a cluster's releases, holding by holding and by formula.

    Args:
        night: its key opens the inputs.
        coalition: most holdings that work together; never more than they were promised.

    Raises:
        OperatorError: SETTINGS: no key; INCONSISTENT: an input doesn't open.
    """
    sealed = read_sealed(night)
    persistence: Fraction = night.cluster.policy.persistence_percent
    found = audit(sealed, coalition, persistence, lambda done, total: night.tell("audit", done, total))
    by_formula = audit_formulas(sealed, kpi_book().elements)
    return replace(found, rows=(*found.rows, *by_formula))


def write_audit(report: AuditReport, path: Path) -> None:
    """Write a report's rows as CSV that only its owner can read.

    Raises:
        OperatorError: UNUSABLE_INPUT: the file can't be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(AUDIT_COLUMNS)
    writer.writerows(_cells(row) for row in report.rows)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # a file that was there keeps its mode otherwise
            file.write(text.getvalue())
    except OSError as error:
        raise OperatorError(
            f"{path} can't be written ({error.strerror}): name another file with --out.",
            f"{path} 파일을 쓸 수 없습니다({error.strerror}). --out으로 다른 파일을 지정하세요.",
            ExitCode.UNUSABLE_INPUT,
        ) from error


def _cells(row: AuditRow) -> list[object]:
    cells = {name: getattr(row, name) for name in AUDIT_COLUMNS}
    cells["start"] = row.start.isoformat()
    cells["alarm"] = "yes" if row.alarm else "no"
    cells["releases"] = "; ".join(str(release) for release in row.releases)
    return list(cells.values())
