"""A registry whose answers are kept in the cluster's store, so that a night gets by while it is down.

Belongs here: remembering. Does not belong here: asking (pipelines.connectors.registry).
"""

import hashlib

from pipelines.connectors.objects import get_json, put_json
from pipelines.connectors.store import ClusterStore
from pipelines.schemas.registry import Registry, RegistryUnavailable

_FOLDER = "_schemas"


class RememberedRegistry:
    """Asks a registry and keeps what it says; while it can't be asked, what it said before holds.

    An id never changes its schema, so a remembered id is not asked for again. The newest schema of a subject
    is asked for every time. A "no" is not remembered: the id may be registered later.

    Args:
        registry: who is asked.
        store: where the answers are kept.
    """

    def __init__(self, registry: Registry, store: ClusterStore) -> None:
        self.registry = registry
        self.store = store
        self._texts: dict[int, str] = {}

    def text(self, schema_id: int) -> str | None:
        """Return the schema of an id; null: the registry says that there is none.

        Raises:
            RegistryUnavailable: it could not be asked, and never said.
        """
        if schema_id not in self._texts:
            found = self._kept_or_asked(schema_id)
            if found is None:
                return None
            self._texts[schema_id] = found
        return self._texts[schema_id]

    def _kept_or_asked(self, schema_id: int) -> str | None:
        path = f"{_FOLDER}/{schema_id:010d}.json"
        kept = get_json(self.store.objects, path)
        if kept is not None:
            return str(kept["schema"])
        found = self.registry.text(schema_id)
        if found is not None:
            put_json(self.store.objects, path, {"id": schema_id, "schema": found})
        return found

    def register(self, subject: str, schema: str) -> int:
        """Return the id of a schema under a subject; asked every time."""
        return self.registry.register(subject, schema)

    def latest(self, subject: str) -> str | None:
        """Return the newest schema of a subject, or what it was when the registry could last be asked.

        Raises:
            RegistryUnavailable: it could not be asked, and never said.
        """
        path = f"{_FOLDER}/latest-{hashlib.sha256(subject.encode()).hexdigest()[:16]}.json"
        known = get_json(self.store.objects, path)
        try:
            found = self.registry.latest(subject)
        except RegistryUnavailable:
            if known is None:
                raise
            return known["schema"] if known["schema"] is None else str(known["schema"])
        if known is None or known["schema"] != found:
            put_json(self.store.objects, path, {"subject": subject, "schema": found})
        return found
