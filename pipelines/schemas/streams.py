"""The streams that factories send: which contract each has, what becomes a row, when a row happened.

Belongs here: one declaration per stream; topic names. Does not belong here: reading topics.
"""

import re
from dataclasses import dataclass

ID_PATTERN = r"[a-z0-9][a-z0-9-]{0,39}"
_TOPIC = re.compile(rf"^(?P<tenancy>factory|gateway)\.(?P<tenant>{ID_PATTERN})\.(?P<stream>[a-z]+)$")


@dataclass(frozen=True)
class Stream:
    """One kind of event.

    Args:
        name: last part of its topics and, with `raw_` before it, the name of its table.
        contract: name of its .avsc.
        rows: array field whose items become one row each; null: a message is one row.
        event_time: field that says when a row happened [us, UTC].
    """

    name: str
    contract: str
    rows: str | None = None
    event_time: str = "at"

    @property
    def table(self) -> str:
        """Name of the raw table."""
        return f"raw_{self.name}"


STREAMS: dict[str, Stream] = {
    s.name: s
    for s in (
        Stream("profile", "profile", event_time="valid_from"),
        Stream("energy", "energy", rows="readings"),
        Stream("states", "states"),
        Stream("counts", "counts"),
        Stream("orders", "orders"),
        Stream("shipments", "shipments"),
        Stream("activities", "activities", event_time="start"),
        Stream("safety", "safety"),
        Stream("stock", "stock"),
        Stream("costs", "costs"),
        Stream("products", "products", event_time="valid_from"),
    )
}


@dataclass(frozen=True)
class Topic:
    """A topic name taken apart: whose it is and what it carries."""

    name: str
    tenancy: str
    tenant: str
    stream: str


def parse_topic(name: str) -> Topic | None:
    """Take a topic name apart; null if it is none of ours or of no known stream."""
    match = _TOPIC.match(name)
    if match is None or match["stream"] not in STREAMS:
        return None
    return Topic(name, match["tenancy"], match["tenant"], match["stream"])


def factory_topic(factory: str, stream: str) -> str:
    """Name the topic of a factory's stream."""
    return f"factory.{factory}.{stream}"
