"""How a run ends: the one table of exit codes, and the error that an operator reads.

Belongs here: exit codes and the exception that carries one. Does not belong here: printing them.
"""

from enum import IntEnum


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
