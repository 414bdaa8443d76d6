"""Files that only their owner may read: what names a member's amounts.

Belongs here: writing such a file. Does not belong here: what stands in it; pages (pipelines.publish.site).
"""

import os
from pathlib import Path

from pipelines.domain.outcomes import ExitCode, OperatorError

OWNER_ONLY = 0o600


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read (mode 600), also where another mode was there before.

    Raises:
        OperatorError: UNUSABLE_INPUT: it can't be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), OWNER_ONLY)
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OperatorError(
            f"{path} can't be written ({reason}): name another file.",
            f"{path} 파일을 쓸 수 없습니다 ({reason}). 다른 파일을 지정하세요.",
            ExitCode.UNUSABLE_INPUT,
        ) from error
