"""How a run ends: the one table of exit codes, and the error that an operator reads.

Belongs here: exit codes with their meanings, the exception that carries one. Does not belong here: printing.
"""

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """The exit codes of every command; docs/exit-codes.md explains them."""

    DONE = 0
    UNUSABLE_INPUT = 2
    INCONSISTENT = 3
    PROTECTION_UNREACHABLE = 4
    MANDATORY_MISSING = 5
    GAP = 10
    LEASE_HELD = 11
    SETTINGS = 12
    SOURCE = 13
    STORE = 14
    PARTIAL = 15
    STALE = 16


MEANINGS: Final[dict[ExitCode, tuple[str, str]]] = {
    ExitCode.DONE: (
        "Done, or nothing new to do; the summary says which.",
        "완료. 새로 할 일이 없을 때도 0이며, 요약에 표시됩니다.",
    ),
    ExitCode.UNUSABLE_INPUT: (
        "A file or an argument can't be used: the line names file, row, column and what to do.",
        "파일이나 인수를 사용할 수 없습니다. 파일·행·열과 조치를 한 줄로 알려 줍니다.",
    ),
    ExitCode.INCONSISTENT: (
        "A table contradicts itself, a file, figure or ledger was changed, or releases tell too much.",
        "표의 값이 서로 맞지 않거나, 파일·수치·원장이 변조되었거나, 공개 수치를 모으면 개별 값이 드러납니다.",
    ),
    ExitCode.PROTECTION_UNREACHABLE: (
        "No choice of withheld cells protects everybody; nothing is written.",
        "어떻게 비공개해도 보호할 수 없어 아무것도 쓰지 않았습니다.",
    ),
    ExitCode.MANDATORY_MISSING: (
        "Mandatory fields of a document are missing; nothing is written.",
        "문서의 필수 항목이 없어 아무것도 쓰지 않았습니다.",
    ),
    ExitCode.GAP: (
        "The night is done, but messages were gone before they could be read: `GAP` lines give the offsets.",
        "작업은 끝났지만 읽기 전에 사라진 메시지가 있습니다. `누락` 줄에 오프셋 범위가 있습니다.",
    ),
    ExitCode.LEASE_HELD: (
        "Another run works on this cluster; nothing was changed. Wait, or run again.",
        "다른 실행이 이 클러스터를 처리 중입니다. 바뀐 것은 없으니 기다렸다가 다시 실행하세요.",
    ),
    ExitCode.SETTINGS: (
        "A setting or a cluster definition can't be used: the line names it.",
        "설정이나 클러스터 정의를 사용할 수 없습니다. 어느 것인지 한 줄로 알려 줍니다.",
    ),
    ExitCode.SOURCE: (
        "Kafka or the archive can't be read: not reachable, refused or forbidden.",
        "Kafka나 아카이브를 읽을 수 없습니다(연결 불가, 거부, 권한 없음).",
    ),
    ExitCode.STORE: (
        "The store can't be used: not reachable, full, forbidden, or unable to create an object only once.",
        "저장소를 사용할 수 없습니다(연결 불가, 용량 부족, 권한 없음, 조건부 생성 미지원).",
    ),
    ExitCode.PARTIAL: (
        "What could be done is done; the rest waits for the next run: `WAITING` or `PARTIAL` lines say what.",
        "가능한 만큼 처리했고 나머지는 다음 실행을 기다립니다. `대기`, `일부` 줄을 보세요.",
    ),
    ExitCode.STALE: (
        "`status` only: the newest published day is older than expected.",
        "`status` 명령: 발표된 최신 날짜가 예정보다 오래되었습니다.",
    ),
}
"""What each code means, in English and Korean; docs/exit-codes.md is made from it."""


class OperatorError(Exception):
    """Something that a person can mend: what was wrong, where, and what to do, in one line.

    Args:
        english: one line: what was wrong, where, what to do.
        korean: the same in Korean.
        code: the exit code of the command that it ends.
    """

    def __init__(self, english: str, korean: str, code: ExitCode) -> None:
        super().__init__(english)
        self.english = english
        self.korean = korean
        self.code = code

    def __reduce__(self) -> tuple[type, tuple[str, str, ExitCode]]:
        """Survive pickling: Beam carries errors between threads and processes."""
        return (type(self), (self.english, self.korean, self.code))
