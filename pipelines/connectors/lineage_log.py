"""Where lineage events are kept: a file, one JSON object a line.

Belongs here: appending, and looking for what is there. Does not belong here: what an event says
(pipelines.jobs.lineage). Another consumer reads the file, or ships it to a server of OpenLineage.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LineageLog:
    """A file of events.

    Args:
        path: the file; its folder is made with the first event.
    """

    path: Path

    def append(self, line: str) -> None:
        """Append one event, in one write: nights of several clusters may share a file.

        Raises:
            OSError: it can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())

    def holds(self, text: str) -> bool:
        """Say whether some event contains a text; OSError if the file can't be read."""
        if not self.path.exists():
            return False
        with self.path.open(encoding="utf-8") as file:
            return any(text in line for line in file)
