"""The topics that a night writes: their names, and a table's row as the record of its contract.

Belongs here: which rows a topic holds and the key of each. Does not belong here: sending
(pipelines.jobs.output), what may be released (pipelines.domain.disclosure).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.domain.cluster import ClusterDefinition
from pipelines.schemas.contracts import contract, contract_text
from pipelines.schemas.encode import MessageEncoder
from pipelines.schemas.registry import Registry
from pipelines.schemas.streams import ID_PATTERN

BENCHMARKS, MEMBER_KPIS = "benchmarks", "kpis"
# The contract's first version has no null here, and FULL_TRANSITIVE lets it have none later: of no time at
# all, nothing was measured. Such a row has no value either, and says why.
_COVERAGE_OF_NO_TIME = {"coverage": 0.0}
_TOPIC = re.compile(
    rf"^(?:cluster\.{ID_PATTERN}\.(?P<cluster>{BENCHMARKS})|member\.{ID_PATTERN}\.(?P<member>{MEMBER_KPIS}))$"
)


def benchmarks_topic(cluster: str) -> str:
    """Name the topic of a cluster's released figures."""
    return f"cluster.{cluster}.{BENCHMARKS}"


def member_topic(member: str) -> str:
    """Name the topic of a member's own figures: nobody else may read it."""
    return f"member.{member}.{MEMBER_KPIS}"


def parse_output(name: str) -> str | None:
    """Return what an output topic carries (benchmarks or kpis); null: it is none that a night writes."""
    match = _TOPIC.match(name)
    return None if match is None else match["cluster"] or match["member"]


def benchmark_key(row: Mapping[str, Any]) -> str:
    """Return the key of a row of the table releases: its newest revision replaces what stood before."""
    return str(row["figure_id"])


def kpi_key(row: Mapping[str, Any]) -> str:
    """Return the key of a row of the table kpis."""
    place = f"{row['level']}/{row['subject']}/{row['period']}/{row['day']}"
    return f"{place}/{row['kpi']}@{row['definition_version']}"


def owner_of(level: str, subject: str, cluster: ClusterDefinition) -> str | None:
    """Return the member whose figures a subject of the table kpis has; null: nobody's of this cluster.

    Args:
        level: machine, factory, peer or member.
        subject: as in the table: `<factory>/<machine>`, `<factory>`, `<member>/<process>` or `<member>`.
        cluster: owners.
    """
    first = subject.partition("/")[0]
    if level in ("machine", "factory"):
        return cluster.member_of(first)
    return first if any(m.member == first for m in cluster.members) else None


@dataclass
class OutputEncoder:
    """Turns rows of a table into the bytes of its contract; columns that the contract lacks stay at home.

    Args:
        columns: names of the contract's fields.
        for_null: what stands for null in a field that can't be null.
        encoder: writes the wire format.
    """

    columns: tuple[str, ...]
    for_null: Mapping[str, Any]
    encoder: MessageEncoder

    def encode(self, row: Mapping[str, Any]) -> bytes:
        """Encode one row."""
        return self.encoder.encode(
            {n: self.for_null.get(n) if row[n] is None else row[n] for n in self.columns}
        )


def open_encoder(name: str, registry: Registry) -> OutputEncoder:
    """Open the encoder of an output contract (kpi, benchmark) under the registry's id.

    Raises:
        RegistryUnavailable: the registry can't be asked.
        OperatorError: it refuses the schema.
    """
    declared = contract(name)
    schema_id = registry.register(f"{declared['namespace']}.{declared['name']}", contract_text(name))
    columns = tuple(field["name"] for field in declared["fields"])
    fixed = {field["name"] for field in declared["fields"] if not isinstance(field["type"], list)}
    for_null = {name: value for name, value in _COVERAGE_OF_NO_TIME.items() if name in fixed}
    return OutputEncoder(columns, for_null, MessageEncoder(schema_id, contract_text(name)))
