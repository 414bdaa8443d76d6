"""What publishers and importers have sent, kept in the store: what makes them idempotent.

Belongs here: the record of a sent unit, and how far output topics are. Does not belong here: sending.
"""

import hashlib
from collections.abc import Mapping
from typing import Protocol

from obstore.store import ObjectStore

from pipelines.connectors.objects import get_json, paths_below, put_json

_FOLDER = "_sent"


class SentLog(Protocol):
    """The record of what was sent where."""

    def contains(self, target: str, topic: str, digest: str) -> bool:
        """Say whether a unit (a file, a day of a topic) was sent to a target already."""

    def record(self, target: str, topic: str, digest: str, count: int, description: str) -> None:
        """Record a unit whose every message was acknowledged."""


class StoredSentLog:
    """The record of sent units as small objects of a cluster's store.

    Args:
        objects: the cluster's store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def contains(self, target: str, topic: str, digest: str) -> bool:
        """Say whether a unit was sent to a target (a broker's cluster id, an archive's location)."""
        return get_json(self._objects, _path(target, topic, digest)) is not None

    def units(self, target: str, topic: str) -> int:
        """Return how many units of a topic were sent to a target: later ones get higher sequences."""
        return len(paths_below(self._objects, _folder(target, topic)))

    def record(self, target: str, topic: str, digest: str, count: int, description: str) -> None:
        """Record a sent unit.

        Args:
            target: where it went.
            topic: its topic.
            digest: sha256 of what was sent.
            count: number of messages.
            description: what it was, for a person: a file's name, a day.
        """
        content = {
            "target": target,
            "topic": topic,
            "digest": digest,
            "count": count,
            "description": description,
        }
        put_json(self._objects, _path(target, topic, digest), content)


class StoredPositions:
    """How far a cluster's output topics are on a target: what was sent of each table, as a small object.

    Args:
        objects: the cluster's store.
        target: a broker's cluster id: a broker made anew has nothing yet.
    """

    def __init__(self, objects: ObjectStore, target: str) -> None:
        self._objects = objects
        self._target = target

    def read(self) -> dict[str, int]:
        """Return the position of each table that was sent; empty: nothing was."""
        kept = get_json(self._objects, self._path) or {"positions": {}}
        return {str(table): int(position) for table, position in kept["positions"].items()}

    def write(self, positions: Mapping[str, int]) -> None:
        """Record positions whose every message was acknowledged."""
        put_json(self._objects, self._path, {"target": self._target, "positions": dict(positions)})

    @property
    def _path(self) -> str:
        return f"{_FOLDER}/{_place(self._target)}/_outputs.json"


def _place(target: str) -> str:
    return hashlib.sha256(target.encode()).hexdigest()[:16]


def _folder(target: str, topic: str) -> str:
    return f"{_FOLDER}/{_place(target)}/{topic}"


def _path(target: str, topic: str, digest: str) -> str:
    return f"{_folder(target, topic)}/{digest}.json"
