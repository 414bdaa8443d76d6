"""Child processes that must not outlive their parent.

Belongs here: how a server is tied to the run that started it. Does not belong here: what is started.
"""

import os
import sys
from collections.abc import Sequence

# Run by a small interpreter that becomes the server: a preexec_fn would run Python between fork and exec,
# which can deadlock in a process that has threads. Only Linux can tie a child to its parent.
_TIE = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def tied_to_parent(command: Sequence[str]) -> list[str]:
    """Return a command that runs `command` and is ended (SIGTERM) by the kernel when this process ends.

    The tie is to the thread that starts it, so start it from one that lasts as long as the server should.
    """
    return [sys.executable, "-S", "-c", _TIE, str(os.getpid()), *command]
