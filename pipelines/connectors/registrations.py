"""Factories that joined a cluster by an import, kept in its store.

Belongs here: the record of such factories. Does not belong here: members of ordinary clusters; those stand
in infra/clusters/*.yaml.
"""

from dataclasses import replace
from datetime import date
from typing import Protocol

from obstore.store import ObjectStore

from pipelines.connectors.objects import get_json, paths_below, put_json
from pipelines.domain.cluster import ClusterDefinition, Factory, Member

_FOLDER = "_factories"


class Registrations(Protocol):
    """The record of factories that joined by an import."""

    def add(self, factory: str, joined: date) -> None:
        """Record a factory; an earlier date of joining wins over a later one."""

    def known(self) -> dict[str, date]:
        """Return every recorded factory and when it joined."""


class StoredRegistrations:
    """Registrations as small objects of a cluster's store.

    Args:
        objects: the cluster's store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def add(self, factory: str, joined: date) -> None:
        """Record a factory; of two dates of joining the earlier one stays."""
        before = self.known().get(factory)
        if before is None or joined < before:
            put_json(
                self._objects,
                f"{_FOLDER}/{factory}.json",
                {"factory": factory, "joined": joined.isoformat()},
            )

    def known(self) -> dict[str, date]:
        """Return every recorded factory and when it joined, in order of id."""
        contents = (get_json(self._objects, path) for path in paths_below(self._objects, _FOLDER))
        return {c["factory"]: date.fromisoformat(c["joined"]) for c in contents if c is not None}


def with_registrations(cluster: ClusterDefinition, known: dict[str, date]) -> ClusterDefinition:
    """Return a cluster that is open to imports with its imported factories, each its own member."""
    members = tuple(Member(f, f, f, f) for f in known)
    factories = tuple(Factory(f, f, joined) for f, joined in known.items())
    return replace(cluster, members=cluster.members + members, factories=cluster.factories + factories)
